//! `distillscope review`: which objects of a split each model finds, and what the distillation won and lost.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::console::{self, Interrupted};
use super::figure_args::FigureArgs;
use super::line::progress;
use super::values::ModelArgs;
use crate::dataset::{Samples, Split};
use crate::figure::review::figures;
use crate::files::file_name;
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::review::doctor::findings;
use crate::review::report::{Report, Source};
use crate::review::sums::Sums;
use crate::review::text::{doctor_csv, objects_csv, table};
use crate::review::{MaskRule, Review, ReviewModel, ReviewOptions, review};
use crate::train::event::RunControl;
use crate::yolo::checkpoint;

/// Say which objects of a split each model finds, and what the distillation won and lost
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  distillscope review --data data.yaml --teacher l.pt --student s.pt \
                        --with run=runs/run-1/weights/best.safetensors --json review.json --figures plots\n\n\
                        Every model looks at every image as val does it, and has val's mAP. A prediction is a detection above \
                        --conf; predictions go to objects greedily by confidence. found: right class, IoU of --iou \
                        or more; wrong-class: another class there; poorly-placed: right class, IoU from 0.1; missed. \
                        The rest are duplicates or background. Small, medium and large are COCO's (below 32x32, below \
                        96x96 image px, above). The JSON has the schema distillscope.review/1. Ctrl+C ends with \
                        what was done by then.")]
pub(super) struct ReviewArgs {
    /// The data.yaml, or a folder of images with or without their labels
    #[arg(long, value_name = "DATA")]
    data: PathBuf,
    /// The teacher: .pt, .safetensors or TorchScript
    #[arg(long, value_name = "WEIGHTS")]
    teacher: PathBuf,
    /// The student
    #[arg(long, value_name = "WEIGHTS")]
    student: PathBuf,
    /// Further models, such as a run and its baseline; NAME is the file's where there is none
    #[arg(long = "with", value_name = "[NAME=]WEIGHTS", num_args = 1..)]
    others: Vec<PathBuf>,
    /// The part of the data that a data.yaml describes: train, val or test
    #[arg(long, value_name = "SPLIT", default_value = "val", value_parser = super::values::parse_split)]
    split: Split,
    /// Long side of an image in the network's input, px
    #[arg(long, value_name = "PX", default_value_t = 640, value_parser = clap::value_parser!(u32).range(32..=8192))]
    imgsz: u32,
    /// Images that go through a network together
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=super::values::MAX_BATCH))]
    batch: u16,
    /// A detection above this confidence is a prediction
    #[arg(long, value_name = "CONFIDENCE", default_value_t = 0.25, value_parser = parse_confidence)]
    conf: f32,
    /// From this IoU on a box lies on an object
    #[arg(long, value_name = "IOU", default_value_t = 0.5, value_parser = parse_iou)]
    iou: f32,
    /// A cell is in the mask where an anchor's IoU exceeds psi times the ground truth's best; 0..1
    #[arg(long, default_value_t = Psi::default())]
    psi: Psi,
    /// Which best: of each scale (per-scale), of all scales (global), of the scales that YOLOv5 assigns (assigned)
    #[arg(long, value_name = "RULE", default_value_t = LevelRule::default())]
    level_rule: LevelRule,
    /// Write everything as JSON here; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a row for each object here; - is standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a row for each label that is worth a look here; - is standard output
    #[arg(long, value_name = "FILE")]
    doctor: Option<PathBuf>,
    /// Draw precision, recall, F1, confusion and calibration into this folder
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    figure: FigureArgs,
    #[command(flatten)]
    model: ModelArgs,
}

fn parse_confidence(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value| (0.001..1.0).contains(value));
    value.ok_or_else(|| format!("'{text}' is no confidence from 0.001 to below 1"))
}

fn parse_iou(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value| (0.1..=1.0).contains(value));
    value.ok_or_else(|| format!("'{text}' is no IoU from 0.1 to 1"))
}

pub(super) fn run(args: &ReviewArgs) -> anyhow::Result<()> {
    let outputs = [("--json", &args.json), ("--csv", &args.csv), ("--doctor", &args.doctor)];
    let to_output: Vec<&str> = outputs
        .into_iter()
        .filter(|(_, path)| path.as_deref().is_some_and(console::is_standard_output))
        .map(|(name, _)| name)
        .collect();
    if to_output.len() > 1 {
        anyhow::bail!("{} cannot all go to standard output", to_output.join(" and "));
    }
    let [teacher, student] =
        [("teacher", &args.teacher), ("student", &args.student)].map(|(role, path)| (role.to_owned(), path.clone()));
    let lineup: Vec<(String, PathBuf)> =
        [teacher, student].into_iter().chain(args.others.iter().map(|text| named(text))).collect();
    if let Some(at) = (1..lineup.len()).find(|&at| lineup[..at].iter().any(|(role, _)| *role == lineup[at].0)) {
        anyhow::bail!("two models are called '{}'; --with NAME=WEIGHTS gives a name", lineup[at].0);
    }
    let (device, _) = args.model.device()?;
    let load = |(role, path): (String, PathBuf)| -> anyhow::Result<ReviewModel> {
        let network = super::values::load_model(&checkpoint::open(&path)?, device)?;
        Ok(ReviewModel { role, path, network })
    };
    let models: Vec<ReviewModel> = lineup.into_iter().map(load).collect::<anyhow::Result<_>>()?;

    let control = Arc::new(RunControl::default());
    console::stop_on_interrupt(&control)?;
    let split = (!args.data.is_dir()).then_some(args.split);
    let samples = Samples::open(&args.data, split, models[1].network.names(), &mut until_stopped(&control, "labels"))?;
    if control.is_stopped() {
        return Err(Interrupted.into());
    }
    for warning in &samples.warnings {
        console::warn(warning);
    }
    let options = ReviewOptions {
        imgsz: args.imgsz,
        batch: usize::from(args.batch),
        confidence: args.conf,
        iou: args.iou,
        mask: MaskRule { psi: args.psi, level_rule: args.level_rule, convention: IouConvention::default() },
    };
    let review = review(&models, &samples, &options, &mut until_stopped(&control, "review"))?;
    drop(models);
    say_what_is_missing(&review, &samples);

    let (sums, findings) = (Sums::of(&review), findings(&review));
    if let Some(path) = &args.csv {
        console::write_text(path, &objects_csv(&review))?;
    }
    if let Some(path) = &args.doctor {
        console::write_text(path, &doctor_csv(&review, &findings))?;
    }
    if let Some(folder) = &args.figures {
        args.figure.write(folder, &figures(&review, &args.figure.choice().look)?)?;
    }
    if let Some(path) = &args.json {
        let source = Source { data: &args.data, split: split.map(Split::name), options: &options };
        console::write_json(path, &Report::new(&review, &source, &sums, &findings))?;
    }
    if to_output.is_empty() {
        console::print(&table(&review, &sums, &findings))?;
    }
    if control.is_stopped() {
        return Err(Interrupted.into());
    }
    Ok(())
}

/// "NAME=WEIGHTS", or weights, whose file then gives the name. What is a file as a whole has no name before it.
fn named(argument: &Path) -> (String, PathBuf) {
    let text = argument.to_string_lossy();
    match text.split_once('=') {
        Some((name, path)) if !argument.exists() && !name.is_empty() && !name.contains('/') => {
            (name.to_owned(), path.into())
        }
        _ => {
            let stem =
                argument.file_stem().map_or_else(|| file_name(argument), |stem| stem.to_string_lossy().into_owned());
            (stem, argument.to_owned())
        }
    }
}

/// Draws the progress, and breaks off what has been stopped.
fn until_stopped(control: &RunControl, what: &'static str) -> impl FnMut(usize, usize) -> ControlFlow<()> {
    let mut draw = progress(what);
    move |done, images| {
        let _ = draw(done, images);
        if control.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn say_what_is_missing(review: &Review, samples: &Samples) {
    for note in &review.notes {
        console::say(format_args!("note: {note}"));
    }
    // Those that were left out before have had their warning.
    let unread = review.images.iter().filter_map(|image| Some((image, image.error.as_ref()?)));
    let count = unread.clone().count().saturating_sub(samples.left_out.len());
    for (image, why) in unread.take(count) {
        console::warn(format_args!("{}: left out: {why}", image.path.display()));
    }
    if !review.has_labels() {
        console::warn("there are no labels, so predictions stand alone");
    }
    if !review.is_complete() {
        let done = review.images.len() - samples.left_out.len();
        console::say(format_args!(
            "stopped after {done} of {} images; what follows is of those",
            review.images_of_split
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_the_name_before_it_or_that_of_its_file() {
        let named = |text: &str| named(Path::new(text));
        assert_eq!(named("run=a/best.pt"), ("run".to_owned(), "a/best.pt".into()));
        assert_eq!(named("a/best.pt"), ("best".to_owned(), "a/best.pt".into()));
        assert_eq!(named("a/lr=3/best.pt"), ("best".to_owned(), "a/lr=3/best.pt".into()));
        assert_eq!(named("=best.pt"), ("=best".to_owned(), "=best.pt".into()));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x=y.pt");
        std::fs::write(&file, "").expect("a file");
        assert_eq!(super::named(&file), ("x=y".to_owned(), file));
    }

    #[test]
    fn limits_are_those_that_mean_something() {
        assert_eq!([parse_iou("0.1"), parse_iou("1")], [Ok(0.1), Ok(1.0)]);
        assert!(["0.05", "1.1", "nan", "half"].iter().all(|text| parse_iou(text).is_err()));
        assert_eq!(parse_confidence("0.25"), Ok(0.25));
        assert!(["0", "1", "nan", "sure"].iter().all(|text| parse_confidence(text).is_err()));
    }
}
