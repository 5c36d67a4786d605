//! A run with its maps as one file: recorded while the run speaks, opened anywhere without models, data or a GPU.
//!
//! `docs/replay-format.md` describes the file. [`Recording`] gathers and writes, [`Replay::read`] reads, [`ReplayReport`]
//! says what is in one. A file may come from a stranger: it is data alone, every size in it is held against the
//! [`limits`] before memory is spent on it, and nothing outside it is opened, whatever names it holds.

mod entries;
mod header;
mod read;
mod report;
mod write;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use super::event::{EpochRecord, Outcome, RunId, RunSummary, Snapshot, StartRecord, StepRecord};
use crate::files::atomic::WriteError;
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::Scene;
use crate::yolo::anchors::AnchorScale;

pub use report::ReplayReport;
pub use write::{Recording, Subject};

/// The replay in a run's folder.
pub const FILE_NAME: &str = "replay.distillscope";
/// Of a replay's name, without the dot.
pub const EXTENSION: &str = "distillscope";
/// The version that is written, and the newest that is read.
pub const VERSION: u64 = 1;

/// What a file may hold. A run that has more is thinned, or not recorded, with a warning.
pub mod limits {
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
}

/// The rule of the masks of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskChoice {
    pub psi: Psi,
    pub rule: LevelRule,
    pub convention: IouConvention,
}

/// A recorded run.
#[derive(Clone, Debug)]
pub struct Replay {
    /// "run-1 · imitation".
    pub name: String,
    pub id: RunId,
    pub outcome: Outcome,
    /// Without a folder: a file knows nothing of the machine that wrote it.
    pub summary: Arc<RunSummary>,
    /// The run's `config.toml`, its paths without their folders. The two runs of a pair have the same.
    pub config: String,
    /// The image whose maps were kept, as both networks saw it. Its path is a name, not a place.
    pub scene: Arc<Scene>,
    pub mask: MaskChoice,
    /// Every scale of the student.
    pub scales: Vec<AnchorScale>,
    /// What both models found on val before the first step: mAP alone; `None` in files from before it was kept.
    pub start: Option<Arc<StartRecord>>,
    /// Ascending; a long run has every n-th alone.
    pub steps: Vec<StepRecord>,
    /// As [`super::record::RunHistory::epochs`].
    pub epochs: Vec<EpochRecord>,
    /// By step, ascending; none where there was no teacher.
    pub snapshots: Vec<Arc<Snapshot>>,
}

impl Replay {
    /// Wall time that the recorded maps cost the run, s.
    pub fn recording_seconds(&self) -> f64 {
        self.snapshots.iter().map(|snapshot| snapshot.seconds).filter(|seconds| seconds.is_finite()).sum()
    }

    /// What runs of one campaign have in common: the configuration without its seed.
    pub fn campaign(&self) -> String {
        self.config.lines().filter(|line| !line.starts_with("seed = ")).collect::<Vec<_>>().join("\n")
    }
}

/// Why a replay cannot be opened: what, where, and what to do.
#[derive(Debug, Error)]
pub enum ReplayError {
    #[error("{}: cannot be read: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error(
        "{}: not a replay: {what}; open the {FILE_NAME} that a run with --snapshot leaves in its folder", path.display()
    )]
    NotAReplay { path: PathBuf, what: String },
    #[error(
        "{}: a replay of version {found}, this program reads up to {VERSION}; open it with a newer distillscope",
        path.display()
    )]
    Version { path: PathBuf, found: u64 },
    #[error("{}: {entry}: {what}; the file is damaged: get it anew from where it was recorded", path.display())]
    Damaged { path: PathBuf, entry: &'static str, what: String },
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the replay cannot be written: {0}")]
    Encode(String),
}
