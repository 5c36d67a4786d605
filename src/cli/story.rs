//! `distillscope story`: the method told on one image, a figure for each step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::figure_args::FigureArgs;
use super::subject_args::{Subject, SubjectArgs};
use crate::figure::curves::story_panels;
use crate::figure::plot::PlotPanel;
use crate::figure::{StoryRequest, story};
use crate::files::{self, file_name};
use crate::inspect::CompareParts;
use crate::story::{Step, StoryRun};
use crate::train::comparison::{Comparison, RunResult};
use crate::train::event::{RunEvent, RunId, Variant};
use crate::train::folder::RunFolder;
use crate::train::history::{RunHistory, verdict};
use crate::train::record::{MAX_KEPT_BYTES, RunTables};
use crate::yolo::checkpoint::{self, Checkpoint};

/// Draw the story of the method on one image, a figure for each step
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  distillscope story street.jpg --teacher l.pt --student s.pt --out story\n  \
                        distillscope story street.jpg --teacher l.pt --student s.pt --run runs/run-1 --out story \
                        --formats svg --width 88\n\n\
                        Each figure has a picture, a sentence, the formula and the numbers of the image. Without \
                        models the story ends at the mask and uses YOLOv5's anchors for COCO; without --run it ends \
                        at the answers of both. What is left out is said. The same input gives the same bytes.")]
pub(super) struct StoryArgs {
    /// JPEG, PNG, BMP, WebP or TIFF
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// The teacher: .pt, .safetensors or TorchScript
    #[arg(long, value_name = "WEIGHTS")]
    teacher: Option<PathBuf>,
    /// The student: .pt or .safetensors
    #[arg(long, value_name = "WEIGHTS")]
    student: Option<PathBuf>,
    #[command(flatten)]
    subject: SubjectArgs,
    /// The folder of a run: its curves, its mAP and, with its weights, detections before and after
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Which ground truth is told of, from 0 [default: the largest that leaves most of the image free]
    #[arg(long, value_name = "K")]
    truth: Option<usize>,
    /// Weight of the imitation loss
    #[arg(long, value_name = "LAMBDA", default_value_t = 1.0, allow_negative_numbers = true)]
    lambda: f64,
    /// The folder for the figures
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    figure: FigureArgs,
}

pub(super) fn run(args: &StoryArgs) -> anyhow::Result<()> {
    if !(args.lambda.is_finite() && args.lambda >= 0.0) {
        anyhow::bail!("--lambda {}: it must be 0 or more", args.lambda);
    }
    let run = args.run.as_deref().map(Run::read).transpose()?;
    let subject = {
        let parts = CompareParts { pull: true, heads: false };
        args.subject.look(&args.image, args.teacher.as_deref(), args.student.as_deref(), parts)?
    };
    let objects = subject.scene.labels.len();
    if let Some(truth) = args.truth.filter(|&truth| truth >= objects) {
        anyhow::bail!("--truth {truth}: the image has {objects} ground truths, counted from 0");
    }
    let trained = run.as_ref().map(|run| run.student(&subject)).transpose()?.flatten();
    let after = match trained {
        Some(trained) if args.student.is_some() => Some(subject.detections(&trained)?),
        _ => None,
    };
    let before = subject.inspection.student_found(&subject.student_names);
    let view = subject.inspection.story(StoryRequest {
        teacher: args.teacher.as_deref(),
        student: args.student.as_deref(),
        truth: args.truth,
        lambda: args.lambda,
        run: run.as_ref().map(|run| run.numbers.clone()),
        curves: run.as_ref().map(|run| run.curves.clone()).unwrap_or_default(),
        detections: before.zip(after).map(Into::into),
    });
    args.figure.write(&args.out, &story::figures(&view, &args.figure.choice().look)?)?;
    let left_out: Vec<Step> = Step::ALL.into_iter().filter(|step| !story::is_shown(&view, *step)).collect();
    for step in &left_out {
        let without_models = args.teacher.is_none() || args.student.is_none();
        let why = match step {
            Step::Run | Step::BeforeAfter if args.run.is_none() => "--run names the folder of a run.",
            Step::Features | Step::Difference | Step::Inside | Step::Loss | Step::Answers if without_models => {
                "--teacher and --student name the models."
            }
            step => view.numbers.missing(*step).unwrap_or_default(),
        };
        eprintln!("distillscope: left out: step {} ({}). {why}", step.number(), step.title());
    }
    let drawn = Step::ALL.len() - left_out.len();
    super::console::print(&format!("{}: {drawn} of {} steps", args.out.display(), Step::ALL.len()))
}

/// What the story takes from a run's folder.
struct Run {
    folder: RunFolder,
    numbers: StoryRun,
    curves: Vec<PlotPanel>,
}

impl Run {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let tables = RunTables::read(folder).with_context(|| format!("--run {}", folder.display()))?;
        let name = run_name(&folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf()));
        let config = RunFolder::new(folder).read_config().ok();
        let seed = config.as_ref().map_or(0, |config| config.seed);
        let mut history = RunHistory::new(1, 1, RunId { seed, variant: Variant::Imitation }, name);
        history.scales = tables.scales;
        history.folder = Some(folder.to_path_buf());
        history.config = config.map(Box::new);
        tables.start.into_iter().for_each(|start| history.receive(RunEvent::Start(Arc::new(start))));
        tables.steps.into_iter().for_each(|step| history.receive(RunEvent::Step(step)));
        tables.epochs.into_iter().for_each(|epoch| history.receive(RunEvent::Epoch(Box::new(epoch))));
        let mut numbers = history.story();
        if let Some(comparison) = pairs(folder, &numbers)? {
            numbers.verdict = comparison.verdict.as_ref().map(verdict);
            let of_baseline = |run: &&RunResult| run.variant == Some(Variant::Baseline) && run.seed == seed;
            if let Some(baseline) = comparison.runs.iter().find(of_baseline) {
                numbers.map.baseline = Some(baseline.map50_95);
                numbers.map50.baseline = Some(baseline.map50);
            }
        }
        let curves = story_panels(Arc::new(history));
        Ok(Self { folder: RunFolder::new(folder), numbers, curves })
    }

    /// The trained student, whose weights are not read yet; `None` before the run has left any. Its classes have to be
    /// those of the image.
    fn student(&self, subject: &Subject) -> anyhow::Result<Option<Checkpoint>> {
        let Some(weights) = self.folder.trained() else { return Ok(None) };
        let trained = checkpoint::open(&weights)?;
        let names = &trained.model.names;
        let folder = self.folder.path().display();
        let most = subject.scene.labels.iter().map(|label| label.class).max();
        if let Some(class) = most.filter(|&class| class >= names.len()) {
            anyhow::bail!(
                "--run {folder}: its student knows {} classes ({}), but the image is labelled with class {class}; \
                 take an image of the run's own data",
                names.len(),
                list(names)
            );
        }
        if !subject.names.is_empty() && subject.names != *names {
            eprintln!(
                "distillscope: warning: --run {folder}: its student knows {} classes ({}), but the labels are named by \
                 {} ({}); --data names the run's data.yaml",
                names.len(),
                list(names),
                subject.names.len(),
                list(&subject.names)
            );
        }
        Ok(Some(trained))
    }
}

/// The pairs that an imitated run belongs to: `comparison.json` of its experiment, beside its own folder.
fn pairs(folder: &Path, run: &StoryRun) -> anyhow::Result<Option<Comparison>> {
    if run.distance.is_none() {
        return Ok(None);
    }
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let Some(path) = folder.parent().map(|parent| parent.join("comparison.json")).filter(|path| path.is_file()) else {
        return Ok(None);
    };
    let fails = || format!("{}: cannot be read", path.display());
    let text = files::read_text(&path, MAX_KEPT_BYTES)?;
    Ok(Some(serde_json::from_str(&text).with_context(fails)?))
}

/// A few names, for one line.
fn list(names: &[String]) -> String {
    const MOST: usize = 5;
    let more = if names.len() > MOST { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(MOST)].join(", "))
}

/// The folder's name; one of a pair is named with the folder of both.
fn run_name(folder: &Path) -> String {
    let is_pair = [Variant::Imitation, Variant::Baseline].iter().any(|variant| folder.ends_with(variant.name()));
    match folder.parent().filter(|_| is_pair) {
        Some(parent) => format!("{} {}", file_name(parent), file_name(folder)),
        None => file_name(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_a_few_are_listed() {
        let names = |count: usize| (0..count).map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!([2, 5, 6].map(|count| list(&names(count))), ["0, 1", "0, 1, 2, 3, 4", "0, 1, 2, 3, 4, …"]);
    }

    #[test]
    fn a_baseline_is_named_with_its_experiment() {
        let names = ["/runs/run-1", "/runs/run-2/imitation"].map(|folder| run_name(Path::new(folder)));
        assert_eq!(names, ["run-1", "run-2 imitation"]);
    }
}
