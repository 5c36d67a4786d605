//! Everything that reads a file, each with the files that its mutations begin from.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use distillscope::app::session::Session;
use distillscope::app::settings::Settings;
use distillscope::dataset::{self, DataYaml, Split};
use distillscope::files;
use distillscope::geometry::Size;
use distillscope::train::comparison::Comparison;
use distillscope::train::folder::RunFolder;
use distillscope::train::hyp::Hyperparameters;
use distillscope::train::record::{self, RunTables};
use distillscope::train::replay::Replay;
use distillscope::train::search::table::SearchTable;
use distillscope::train::{experiment, search};
use distillscope::yolo::checkpoint;
use distillscope::yolo::network::{Network, Outline};
use distillscope::yolo::spec::ModelSpec;

use crate::mutations::Shape;

/// Reads a file. What it says stands for what it has done; memory that follows from what the file truly claims is added to
/// `room`.
pub type Read = fn(&Path, room: &mut usize) -> Result<String, String>;

pub struct Reader {
    pub name: &'static str,
    /// As which a file lies there.
    pub file: &'static str,
    pub shape: Shape,
    /// What lies beside it.
    pub beside: &'static [(&'static str, &'static [u8])],
    pub seeds: &'static [&'static [u8]],
    pub read: Read,
}

macro_rules! seeds {
    ($($name:literal),+) => { &[$(include_bytes!(concat!("seeds/", $name))),+] };
}

const PLAIN: Reader =
    Reader { name: "", file: "", shape: Shape::Plain, beside: &[], seeds: &[], read: |_, _| Ok(String::new()) };

pub const READERS: &[Reader] = &[
    Reader { name: "labels-txt", file: "a.txt", seeds: seeds!["labels.txt"], read: labels, ..PLAIN },
    Reader { name: "labels-xml", file: "a.xml", seeds: seeds!["labels.xml"], read: labels, ..PLAIN },
    Reader { name: "labels-json", file: "a.json", seeds: seeds!["labels.json"], read: labels, ..PLAIN },
    Reader { name: "data-yaml", file: "data.yaml", seeds: seeds!["data.yaml", "more.yaml"], read: data_yaml, ..PLAIN },
    Reader { name: "image-list", file: "list.txt", seeds: seeds!["images.txt"], read: image_list, ..PLAIN },
    Reader { name: "hyp-yaml", file: "hyp.yaml", seeds: seeds!["hyp.yaml"], read: hyp, ..PLAIN },
    Reader { name: "model-yaml", file: "model.yaml", seeds: seeds!["model.yaml"], read: model_yaml, ..PLAIN },
    Reader { name: "config", file: "config.toml", seeds: seeds!["config.toml"], read: config, ..PLAIN },
    Reader { name: "campaign", file: "campaign.toml", seeds: seeds!["campaign.toml"], read: campaign_toml, ..PLAIN },
    Reader { name: "steps", file: "steps.csv", beside: BESIDE, seeds: seeds!["steps.csv"], read: history, ..PLAIN },
    Reader {
        name: "results",
        file: "results.csv",
        beside: BESIDE,
        seeds: seeds!["results.csv"],
        read: history,
        ..PLAIN
    },
    Reader { name: "start", file: "start.json", beside: BESIDE, seeds: seeds!["start.json"], read: history, ..PLAIN },
    Reader { name: "test", file: "test.json", beside: BESIDE, seeds: seeds!["test.json"], read: history, ..PLAIN },
    Reader { name: "result", file: "result.json", seeds: seeds!["result.json"], read: result, ..PLAIN },
    Reader { name: "comparison", file: "comparison.json", seeds: seeds!["comparison.json"], read: comparison, ..PLAIN },
    Reader { name: "search", file: "search.toml", seeds: seeds!["search.toml"], read: search_toml, ..PLAIN },
    Reader {
        name: "search-table",
        file: "search.json",
        beside: &[("search.toml", include_bytes!("seeds/search.toml"))],
        seeds: seeds!["search.json"],
        read: search_json,
        ..PLAIN
    },
    Reader { name: "session", file: "a.toml", seeds: seeds!["session.toml"], read: session, ..PLAIN },
    Reader { name: "settings", file: "settings.toml", seeds: seeds!["settings.toml"], read: settings, ..PLAIN },
    Reader {
        name: "replay",
        file: "a.distillscope",
        shape: Shape::Zip,
        seeds: seeds!["a.distillscope", "baseline.distillscope"],
        read: replay,
        ..PLAIN
    },
    Reader {
        name: "pt",
        file: "a.pt",
        shape: Shape::Zip,
        seeds: seeds!["a.pt", "state_dict.pt"],
        read: model,
        ..PLAIN
    },
    Reader {
        name: "torchscript",
        file: "a.torchscript",
        shape: Shape::Zip,
        seeds: seeds!["a.torchscript"],
        read: model,
        ..PLAIN
    },
    Reader {
        name: "safetensors",
        file: "a.safetensors",
        shape: Shape::SafeTensors,
        seeds: seeds!["a.safetensors", "fused.safetensors"],
        read: model,
        ..PLAIN
    },
    Reader {
        name: "jpeg",
        file: "a.jpg",
        seeds: seeds!["a.jpg", "turned.jpg", "cmyk.jpg", "grey.jpg"],
        read: image,
        ..PLAIN
    },
    Reader {
        name: "png",
        file: "a.png",
        shape: Shape::Png,
        seeds: seeds!["a.png", "palette.png", "alpha.png"],
        read: image,
        ..PLAIN
    },
    Reader {
        name: "webp",
        file: "a.webp",
        shape: Shape::Riff,
        seeds: seeds!["a.webp", "lossless.webp", "alpha.webp"],
        read: image,
        ..PLAIN
    },
    Reader {
        name: "tiff",
        file: "a.tif",
        seeds: seeds!["a.tif", "lzw.tif", "deflate.tif", "bits.tif"],
        read: image,
        ..PLAIN
    },
    Reader { name: "bmp", file: "a.bmp", seeds: seeds!["a.bmp", "palette.bmp"], read: image, ..PLAIN },
];

/// The rest of a run.
const BESIDE: &[(&str, &[u8])] = &[
    ("steps.csv", include_bytes!("seeds/steps.csv")),
    ("results.csv", include_bytes!("seeds/results.csv")),
    ("config.toml", include_bytes!("seeds/config.toml")),
];

impl Reader {
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        self.seeds.iter().map(|seed| seed.to_vec()).collect()
    }
}

/// Puts a file there, in the place of the one before. Its time is its number: a file that is remembered by its time must not be
/// taken for the one before.
pub fn put(path: &Path, bytes: &[u8], number: u64) {
    let mut file = File::options().create(true).write(true).truncate(false).open(path).expect("a file");
    file.seek(SeekFrom::Start(0)).expect("its beginning");
    file.write_all(bytes).expect("its content");
    file.set_len(bytes.len() as u64).expect("its end");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(number)).expect("its time");
}

fn said<T>(result: Result<T, impl ToString>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn labels(path: &Path, _: &mut usize) -> Result<String, String> {
    let names = ["even".to_owned(), "odd".to_owned()];
    let labels = said(dataset::labels_for_image(Path::new("image.png"), Some(path), Size::new(64, 48), &names))?;
    let own = said(dataset::labels_for_image(Path::new("image.png"), Some(path), Size::new(64, 48), &[]))?;
    for label in labels.labels.iter().chain(&own.labels) {
        let [x1, y1, x2, y2] = label.bbox.as_xyxy();
        assert!(0.0 <= x1 && x1 < x2 && x2 <= 64.0 && 0.0 <= y1 && y1 < y2 && y2 <= 48.0, "{label:?}");
    }
    let warnings: Vec<&str> = labels.warnings.iter().map(|warning| warning.message.as_str()).collect();
    Ok(format!("{} {}", labels.labels.len(), warnings.join(" ")))
}

fn data_yaml(path: &Path, _: &mut usize) -> Result<String, String> {
    let data = said(DataYaml::load(path))?;
    let found =
        Split::ALL.map(|split| data.sources(split).map_or_else(|error| error.to_string(), |_| "found".to_owned()));
    Ok(found.join(" "))
}

fn image_list(path: &Path, _: &mut usize) -> Result<String, String> {
    let listing = said(dataset::list_images(&[path.to_owned()], &mut |_| ControlFlow::Continue(())))?;
    Ok(listing.warnings.iter().map(|warning| warning.message.as_str()).collect())
}

fn hyp(path: &Path, _: &mut usize) -> Result<String, String> {
    let file = said(Hyperparameters::default().changed_by(path))?;
    Ok(format!("{} {}", file.names.len(), file.unknown.len()))
}

fn model_yaml(path: &Path, _: &mut usize) -> Result<String, String> {
    let spec = said(ModelSpec::from_yaml_text(&said(files::read_text(path, 1 << 20))?))?;
    said(Outline::of(&spec)).map(|outline| format!("{} scales", outline.scales.len()))
}

fn config(path: &Path, _: &mut usize) -> Result<String, String> {
    said(RunFolder::new(folder(path)).read_config()).map(|config| format!("{:?}", config.recipe))
}

fn campaign_toml(path: &Path, _: &mut usize) -> Result<String, String> {
    said(experiment::kept(folder(path))).map(|experiment| format!("{:?}", experiment.map(|it| it.config.recipe)))
}

fn history(path: &Path, _: &mut usize) -> Result<String, String> {
    let history = said(RunTables::read(folder(path)))?;
    let _ = record::start_of(folder(path));
    Ok(format!("{} {}", history.start.is_some(), history.test.is_some()))
}

fn result(path: &Path, _: &mut usize) -> Result<String, String> {
    let result = experiment::finished(folder(path)).ok_or("none")?;
    Ok(result.sentence(Some(&result)))
}

fn comparison(path: &Path, _: &mut usize) -> Result<String, String> {
    let text = said(files::read_text(path, 1 << 20))?;
    let comparison: Comparison = said(serde_json::from_str(&text))?;
    Comparison::of(comparison.runs.clone());
    Ok(comparison.to_string())
}

fn search_toml(path: &Path, _: &mut usize) -> Result<String, String> {
    let (search, table) = said(search::open(folder(path)))?;
    Ok(format!("{} {table}", search.candidates.len()))
}

fn search_json(path: &Path, room: &mut usize) -> Result<String, String> {
    search_toml(path, room)?;
    let table: SearchTable = said(serde_json::from_str(&said(files::read_text(path, 1 << 20))?))?;
    Ok(table.to_string())
}

fn session(path: &Path, _: &mut usize) -> Result<String, String> {
    let session = Session::read(path)?;
    session.missing();
    Ok(session.split.unwrap_or_default())
}

fn settings(path: &Path, _: &mut usize) -> Result<String, String> {
    match Settings::read(path) {
        (_, Some(message)) => Err(message),
        (settings, None) => settings.to_toml().map_err(|error| error.to_string()).map(|_| String::new()),
    }
}

fn replay(path: &Path, room: &mut usize) -> Result<String, String> {
    // The picture is decoded, and as large as the network's input, whatever the file's length.
    *room = 3 * 4 * 4096 * 4096;
    let replay = said(Replay::read(path))?;
    replay.experiment();
    Ok(format!("{:?} {}", replay.outcome, replay.snapshots.len()))
}

fn model(path: &Path, _: &mut usize) -> Result<String, String> {
    let checkpoint = said(checkpoint::open(path))?;
    let mut text = format!("{} {:?}", checkpoint.format, checkpoint.model.activation);
    for tensor in &checkpoint.tensors {
        said(checkpoint.read_f32(&tensor.name))?;
    }
    for more in [said(Network::outline(&checkpoint)).err(), said(checkpoint::check_lender(&checkpoint)).err()] {
        text += &more.unwrap_or_default();
    }
    Ok(text)
}

fn image(path: &Path, room: &mut usize) -> Result<String, String> {
    let size = said(dataset::image_size(path))?;
    // Decoded, turned upright, and what docs/limits.md lets a decoder have for it.
    *room = 8 * size.width as usize * size.height as usize + 2 * 3 * size.width as usize * size.height as usize;
    let cut_short = said(dataset::is_cut_short(path))?;
    let decoded = said(dataset::decode(path))?;
    assert_eq!(Size::new(decoded.width(), decoded.height()), size);
    let thumbnail = said(dataset::thumbnail(path, 8))?;
    assert!(thumbnail.width() <= 8 && thumbnail.height() <= 8);
    Ok(format!("{cut_short}"))
}

/// A file that once failed has its test beside its reader; here is only that the seeds are what they are named.
#[test]
fn seeds_are_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    let files =
        fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a seed").metadata().expect("a size").len());
    let sizes: Vec<u64> = files.collect();
    assert!(sizes.iter().all(|bytes| *bytes < 32 << 10) && sizes.iter().sum::<u64>() < 256 << 10, "{sizes:?}");
}
