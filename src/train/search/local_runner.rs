//! Runs of a search as real runs, each in its folder.

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use super::keep::{Pace, SearchFolder};
use super::ladder::Cost;
use super::runner::{Found, Runner, TrialEnd, TrialEvent};
use crate::files::{self, atomic};
use crate::imitation::loss::{Loss, Reads};
use crate::train::comparison::RunResult;
use crate::train::config::{Experiment, Length, RunConfig};
use crate::train::event::{RunControl, RunEvent};
use crate::train::folder::RunFolder;
use crate::train::plan::RunPlan;
use crate::train::record::MAX_KEPT_BYTES;
use crate::train::trainer::Trainer;
use crate::train::{TrainError, experiment};

/// Steps of a run that is measured; the first is slower and does not count.
const MEASURED_STEPS: u64 = 7;
/// Why an imitation could not run, in its folder.
const FAILURE: &str = "failure.txt";

/// Trains.
pub struct LocalRunner<'a> {
    folder: &'a SearchFolder,
    control: &'a RunControl,
    begin: Instant,
    /// Every run warns of the same data again.
    warned: HashSet<String>,
}

impl<'a> LocalRunner<'a> {
    pub fn new(folder: &'a SearchFolder, control: &'a RunControl) -> Self {
        Self { folder, control, begin: Instant::now(), warned: HashSet::new() }
    }

    /// A few steps of a run; `None` when stopped.
    fn measured(&self, config: &RunConfig) -> Result<Option<(Cost, u64)>, TrainError> {
        let out = self.folder.path().join("measure");
        clear(&out)?;
        let config = RunConfig { length: Length::Steps(MEASURED_STEPS), ..config.clone() };
        let experiment = Experiment { config, out: out.clone(), paired: false, seeds: 1, resume: false };
        let begin = Instant::now();
        let (mut cost, mut steps, mut steps_per_epoch, mut labels) = (Cost::default(), Vec::new(), 0, None);
        let (mut last, mut last_step) = (begin, begin);
        let ended = experiment::run(&experiment, self.control, &mut |_, event| {
            let since = last.elapsed().as_secs_f64();
            match event {
                RunEvent::Started(summary) => steps_per_epoch = summary.steps_per_epoch,
                RunEvent::Step(step) => {
                    if steps.is_empty() {
                        cost.start = (begin.elapsed().as_secs_f64() - step.seconds).max(0.0);
                    }
                    steps.push(step.seconds);
                    last_step = Instant::now();
                }
                RunEvent::Epoch(epoch) => {
                    labels = epoch.evaluation.map(|evaluation| evaluation.labels).or(labels);
                    last = Instant::now();
                }
                RunEvent::Saved { .. } => {
                    cost.save = cost.save.max(since);
                }
                _ => {}
            }
        });
        // The evaluation, on test too where there is one, less the checkpoint that every epoch has.
        cost.end = (last_step.elapsed().as_secs_f64() - cost.save).max(0.0);
        clear(&out)?;
        ended?;
        if self.control.is_stopped() {
            return Ok(None);
        }
        if labels == Some(0) {
            let data = config_data(&experiment);
            return Err(TrainError::Config(format!("{data}: val has no labels, so nothing can be compared on it")));
        }
        // The middle one: a machine that is busy for a moment, or pictures that are decoded for the first time, count little.
        let counted = if steps.len() > 1 { &mut steps[1..] } else { &mut steps[..] };
        counted.sort_by(f64::total_cmp);
        cost.step = counted.get(counted.len() / 2).copied().unwrap_or_default();
        Ok(Some((cost, steps_per_epoch)))
    }

    /// mAP50-95 on val of the student as it is; `None` when stopped.
    fn before(&self, config: &RunConfig) -> Result<Option<f64>, TrainError> {
        let stop = || if self.control.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let config = RunConfig { teacher: None, ..config.clone() };
        let Some(plan) = RunPlan::make(&config, false, &mut |_, _| stop())? else { return Ok(None) };
        let evaluation = Trainer::new(plan)?.evaluate(&mut |_, _| stop())?;
        Ok(evaluation.map(|evaluation| evaluation.map50_95))
    }

    /// The same without imitation.
    fn measured_baseline(&self, config: &RunConfig) -> Result<Option<(Cost, u64)>, TrainError> {
        let config = RunConfig { teacher: None, ..config.clone() };
        self.measured(&config).map_err(|error| match is_its_own(&error) {
            true => TrainError::Baseline(error.to_string()),
            false => error,
        })
    }
}

fn config_data(experiment: &Experiment) -> String {
    experiment.config.data.display().to_string()
}

/// Whether an error is the imitation's own fault. Anything else would befall every run.
const fn is_its_own(error: &TrainError) -> bool {
    matches!(error, TrainError::NonFinite { .. } | TrainError::NoEffect { .. })
}

/// Away with a folder that only a measurement writes.
fn clear(folder: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::Read { path: folder.display().to_string(), cause })
        }
        _ => Ok(()),
    }
}

impl Runner for LocalRunner<'_> {
    fn measure(&mut self, configs: &[RunConfig], say: &mut dyn FnMut(Loss)) -> Result<Option<Pace>, TrainError> {
        let Some(first) = configs.first() else { return Ok(Some(Pace::default())) };
        let Some(before) = self.before(first)? else { return Ok(None) };
        let mut pace = Pace::default();
        // What a step costs depends on whether features and adapters are in it; the dearer counts.
        for reads in [Reads::Head, Reads::Features] {
            for config in configs.iter().filter(|config| config.imitation.loss.reads() == reads) {
                say(config.imitation.loss);
                let found = match self.measured(config) {
                    // The next may do better, where the same run without imitation can be trained at all.
                    Err(error) if is_its_own(&error) => {
                        if pace == Pace::default() {
                            let Some((cost, steps_per_epoch)) = self.measured_baseline(first)? else {
                                return Ok(None);
                            };
                            pace = Pace { cost, steps_per_epoch, ..pace };
                        }
                        continue;
                    }
                    found => found?,
                };
                let Some((cost, steps_per_epoch)) = found else { return Ok(None) };
                pace = Pace { cost: pace.cost.or(cost), steps_per_epoch, ..pace };
                break;
            }
        }
        Ok(Some(Pace { before: Some(before), ..pace }))
    }

    fn run(
        &mut self,
        name: &str,
        config: &RunConfig,
        emit: &mut dyn FnMut(TrialEvent),
    ) -> Result<TrialEnd, TrainError> {
        let out = self.folder.run(name);
        let folder = RunFolder::new(&out);
        let experiment = Experiment {
            config: config.clone(),
            out: out.clone(),
            paired: false,
            seeds: 1,
            resume: folder.config().exists(),
        };
        let mut steps = 1;
        let ended = experiment::run(&experiment, self.control, &mut |_, event| match event {
            RunEvent::Started(summary) => steps = summary.steps.max(1),
            RunEvent::Step(step) => {
                let fraction = (step.step + 1) as f32 / steps as f32;
                emit(TrialEvent::Step { fraction, clock: self.begin.elapsed().as_secs_f64() });
            }
            RunEvent::Warning(text) if self.warned.insert(text.clone()) => emit(TrialEvent::Warning(text)),
            _ => {}
        });
        match ended {
            Ok(()) => {}
            // Others may do better.
            Err(error) if is_its_own(&error) => {
                atomic::write(&out.join(FAILURE), error.to_string().as_bytes())?;
                return Ok(TrialEnd::Failed(error.to_string()));
            }
            Err(error) => return Err(error),
        }
        let end = self.known(name).unwrap_or(TrialEnd::Stopped);
        if matches!(end, TrialEnd::Finished(_)) {
            // As large as three students, and of no use once the result is there.
            let _ = fs::remove_file(folder.state());
        }
        Ok(end)
    }

    fn known(&self, name: &str) -> Option<TrialEnd> {
        let out = self.folder.run(name);
        if let Ok(text) = files::read_text(&out.join(FAILURE), MAX_KEPT_BYTES) {
            return Some(TrialEnd::Failed(text));
        }
        let RunResult { map50_95, test, .. } = experiment::finished(&out)?;
        Some(TrialEnd::Finished(Found { val: map50_95, test: test.map(|test| test.map50_95) }))
    }

    fn clock(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }
}
