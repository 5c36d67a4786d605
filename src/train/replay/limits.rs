//! What a file is called and what it may hold. A run that has more is thinned, or not recorded, with a warning.

/// The replay in a run's folder.
pub const FILE_NAME: &str = "replay.distillscope";

/// Of a replay's name, without the dot.
pub const EXTENSION: &str = "distillscope";

/// The version that is written, and the newest that is read.
pub const VERSION: u64 = 1;
/// Bytes of the whole file.
pub const FILE: u64 = 512 << 20;
/// Bytes of `replay.json`.
pub const HEADER: u64 = 4 << 20;
/// Bytes of `config.toml`.
pub const CONFIG: u64 = 256 << 10;
/// Bytes of `steps.csv` and of `results.csv`.
pub const TABLE: u64 = 128 << 20;
/// Rows of each.
pub const ROWS: usize = 100_000;
/// Bytes of a row: a hundred numbers with all their digits.
pub const ROW: usize = 8 << 10;
/// Bytes of `image.png`.
pub const IMAGE: u64 = 96 << 20;
/// Sides of the network's input, px.
pub const SIDE: u32 = 4096;
/// Sides of the image file, px.
pub const IMAGE_SIDE: u32 = 1 << 20;
/// Moments of which there are maps.
pub const MOMENTS: usize = 400;
/// Bytes of `maps.f32`.
pub const MAPS: u64 = 128 << 20;
/// Characters of what another library says of a file, in the line that names it.
pub const LINE: usize = 200;
pub const LABELS: usize = 1000;
pub const SCALES: usize = 8;
/// Of a scale.
pub const ANCHORS: usize = 16;
/// Ground truths × anchors × cells: the IoUs that follow from the file.
pub const IOUS: u64 = 1 << 26;
/// Bytes of a name.
pub const NAME: usize = 256;
/// Steps of a run; every whole number up to it is exact as f64.
pub const STEPS: u64 = 1 << 50;
