//! `distillscope train`: a run, or a run and its baselines, without a window.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;

use super::line::Line;
use super::run_args::RunArgs;
use crate::files;
use crate::format::significant;
use crate::train::comparison::{Comparison, RunResult};
use crate::train::config::{Experiment, RunConfig};
use crate::train::event::{Outcome, RunControl, RunEvent, RunId, RunSummary, StepRecord, Variant};
use crate::train::experiment;
use crate::train::record::MAX_KEPT_BYTES;

/// Distil a student from a teacher, or train it alone, in a short run
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    distillscope train --data data.yaml --teacher l.pt --student s.pt --epochs 10 --out runs/first\n  \
    distillscope train --data data.yaml --teacher l.pt --student s.pt --paired --seeds 3 --out runs/pairs\n  \
    distillscope train --data data.yaml --teacher none --student yolov5s --epochs 100 --out runs/teacher\n  \
    distillscope train --resume runs/first\n  \
    distillscope train --resume runs/pairs --seeds 5\n\n\
    The folder gets config.toml, fingerprint.json (what it was made of, so that --resume notices what was changed), \
    results.csv, steps.csv, TensorBoard events, warnings.txt, weights/last and weights/best (.safetensors, and .pt where the \
    student came from one), adapter.safetensors, start.json (student and teacher before the first step), test.json \
    (weights/last on the data's test split, where there is one), result.json and, with --snapshot, replay.distillscope; pairs \
    get a comparison.json with a verdict on weights/last. Ctrl+C, SIGTERM and a closed terminal end the run after the step in \
    hand, with exit code 130; --resume goes on.")]
pub(super) struct TrainArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Where the run goes; must not hold one yet
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with the run or the pairs in this folder; with --seeds, until they have so many
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "data", "teacher", "student", "config"])]
    resume: Option<PathBuf>,
    /// Go on although data, models or settings were changed since the run began
    #[arg(long)]
    accept_changes: bool,
    /// Also run the same with lambda = 0, and compare
    #[arg(long)]
    paired: bool,
    /// Seeds to run, from --seed upward [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    seeds: Option<u32>,
}

impl TrainArgs {
    fn experiment(&self) -> anyhow::Result<Experiment> {
        if self.accept_changes && self.resume.is_none() {
            bail!("--accept-changes goes with --resume: a new run has nothing that could have changed");
        }
        if let Some(folder) = &self.resume {
            super::console::existing(folder)?;
            let (config, out) = (RunConfig::default(), folder.clone());
            // 0: as many as there are.
            let (paired, seeds) = (self.paired, self.seeds.unwrap_or(0));
            return Ok(Experiment { config, out, paired, seeds, resume: true });
        }
        let out = self.out.clone().context("--out is missing")?;
        let config = self.run.config()?;
        if self.paired && config.teacher.is_none() {
            bail!("--paired sets a run with a teacher against one without; --teacher none leaves nothing to compare");
        }
        Ok(Experiment { config, out, paired: self.paired, seeds: self.seeds.unwrap_or(1), resume: false })
    }
}

pub(super) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let experiment = args.experiment()?;
    if args.accept_changes {
        experiment::accept_changes(&experiment)?;
    }
    let control = Arc::new(RunControl::default());
    super::console::stop_on_interrupt(&control)?;
    let mut line = ProgressLine::new();
    let mut said = Ok(());
    let ended = experiment::run(&experiment, &control, &mut |id, event| {
        if said.is_ok() {
            said = line.show(id, &event);
        }
    });
    if let Err(error) = ended {
        // Before a run has begun there is nothing to go on with.
        if line.summary.is_none() {
            return Err(error.into());
        }
        let folder = experiment.out.display();
        bail!("{error}; when that is mended, `distillscope train --resume {folder}` goes on");
    }
    said?;
    let comparison = experiment.out.join("comparison.json");
    if let Some(text) = files::read_text_if_there(&comparison, MAX_KEPT_BYTES)? {
        let comparison: Comparison = serde_json::from_str(&text).with_context(|| comparison.display().to_string())?;
        super::console::print(&comparison.to_string())?;
    } else if args.resume.is_some() && line.summary.is_none() && !control.is_stopped() {
        let out = experiment.out.display();
        super::console::print(&format!("{out}: finished already; result.json says how it ended"))?;
    }
    if !control.is_stopped() {
        return Ok(());
    }
    let out = experiment.out.display();
    super::console::print(&format!("{out}: stopped; `distillscope train --resume {out}` does what is left to do"))?;
    Err(super::console::Interrupted.into())
}

/// One line on a terminal, drawn over itself; elsewhere a line an epoch.
struct ProgressLine {
    line: Line,
    summary: Option<Arc<RunSummary>>,
    begin: Instant,
    first_step: u64,
    /// Of the run under way.
    result: RunResult,
    /// Of those that have ended.
    results: Vec<RunResult>,
}

impl ProgressLine {
    fn new() -> Self {
        Self {
            line: Line::start(),
            summary: None,
            begin: Instant::now(),
            first_step: 0,
            result: RunResult::default(),
            results: Vec::new(),
        }
    }

    fn show(&mut self, id: RunId, event: &RunEvent) -> anyhow::Result<()> {
        self.result.follow(id, event)?;
        match event {
            RunEvent::Started(summary) => {
                let what = if id.variant == Variant::Imitation { "imitation" } else { "without imitation" };
                self.line.above(|| {
                    eprintln!(
                        "{}: {what}, seed {}, {} steps of {} images, val {}, {}",
                        summary.folder.display(),
                        id.seed,
                        summary.steps,
                        summary.images,
                        summary.val_images,
                        summary.device
                    );
                });
                (self.begin, self.first_step) = (Instant::now(), summary.first_step);
                self.summary = Some(Arc::clone(summary));
            }
            RunEvent::Stage { what, fraction } => {
                let percent = fraction.map_or_else(String::new, |f| format!(" {:.0} %", 100.0 * f));
                self.line.draw(&format!("{what}{percent}"));
            }
            RunEvent::Start(start) => {
                let mut text =
                    format!("start      mAP50 {:.4}  mAP50-95 {:.4}", start.student.map50, start.student.map50_95);
                if let Some(teacher) = &start.teacher {
                    text += &format!("; the teacher {:.4}  {:.4}", teacher.map50, teacher.map50_95);
                }
                self.line.above(|| eprintln!("{text}"));
            }
            RunEvent::Tested(test) => {
                self.line.above(|| {
                    eprintln!("test       mAP50 {:.4}  mAP50-95 {:.4}, of weights/last", test.map50, test.map50_95)
                });
            }
            RunEvent::Step(step) => self.line.draw(&self.step_text(step)),
            RunEvent::Epoch(epoch) => {
                let mean = &epoch.mean;
                let mut text = format!(
                    "epoch {:>3}  box {}  obj {}  cls {}",
                    epoch.epoch,
                    significant(mean.box_loss),
                    significant(mean.objectness),
                    significant(mean.class)
                );
                if !mean.imitation.is_empty() {
                    let distance = mean.whole_distance().map_or_else(|| "-".to_owned(), significant);
                    let (imitation, lambda) = (significant(mean.imitation.iter().sum()), significant(mean.lambda));
                    text += &format!("  imitation {imitation}  distance {distance}  lambda {lambda}");
                }
                if let Some(evaluation) = &epoch.evaluation {
                    text += &format!("  mAP50 {:.4}  mAP50-95 {:.4}", evaluation.map50, evaluation.map50_95);
                }
                self.line.above(|| eprintln!("{text}"));
            }
            RunEvent::Warning(text) => {
                self.line.above(|| super::console::warn(text));
            }
            RunEvent::Ended(outcome) => {
                let folder = self.summary.as_ref().map(|s| s.folder.display().to_string()).unwrap_or_default();
                match outcome {
                    Outcome::Finished => {
                        let other = self.results.iter().find(|other| other.seed == id.seed);
                        let text = format!("{folder}: finished; {}", self.result.sentence(other));
                        self.line.above(|| super::console::print(&text))?;
                        self.results.push(self.result.clone());
                    }
                    Outcome::Stopped | Outcome::Failed(_) => {}
                }
            }
            RunEvent::Snapshot(_) | RunEvent::Saving | RunEvent::Saved { .. } => {}
        }
        Ok(())
    }

    fn step_text(&self, step: &StepRecord) -> String {
        let steps = self.summary.as_ref().map_or(0, |summary| summary.steps);
        let done = step.step + 1;
        let rate = (done - self.first_step.min(step.step)) as f64 / self.begin.elapsed().as_secs_f64().max(1e-9);
        let left = (steps.saturating_sub(done)) as f64 / rate;
        format!(
            "step {done}/{steps}  {} step/s  {}:{:02} left  loss {}",
            significant(rate),
            left as u64 / 60,
            left as u64 % 60,
            significant(step.total)
        )
    }
}
