//! How far a experiment is, how fast it goes, how long it still takes.

use crate::app::level::Level;
use crate::app::run::note::said;
use crate::app::run::runs::Runs;
use crate::language::t;
use crate::train::event::Outcome;
use crate::train::history::RunHistory;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Of the run under way.
    pub steps_done: u64,
    pub steps: u64,
    /// 1 is the first.
    pub run: usize,
    pub runs: usize,
    pub steps_per_second: Option<f64>,
    /// For the whole experiment, evaluations included; `None` before there is a pace.
    pub seconds_left: Option<f64>,
}

impl Progress {
    /// Of the experiment under way, from its first step plan on.
    pub fn of(runs: &Runs) -> Option<Self> {
        let live = runs.live.as_ref()?;
        let history = runs.history(live.current?)?;
        let summary = history.summary.as_ref()?;
        let of_all = live.runs();
        let run = live.begun.clamp(1, of_all);
        let per_step = history.seconds_per_step();
        // Before a run's first evaluation its elder siblings know what one costs.
        let siblings = || runs.histories.iter().rev().filter(|other| other.experiment == live.number);
        let per_evaluation = history
            .seconds_per_evaluation()
            .or_else(|| siblings().find_map(|other| other.seconds_per_evaluation()))
            .unwrap_or(0.0);
        let every = u64::from(live.experiment.config.evaluate_every.max(1));
        let whole = evaluations(0, summary.steps, summary.steps_per_epoch, every);
        let seconds_left = per_step.map(|per_step| {
            let steps = summary.steps.saturating_sub(history.steps_done);
            let here = evaluations(history.steps_done, summary.steps, summary.steps_per_epoch, every);
            let later = (of_all - run) as f64;
            let run_seconds =
                |steps: u64, evaluations: u64| steps as f64 * per_step + evaluations as f64 * per_evaluation;
            run_seconds(steps, here) + later * run_seconds(summary.steps, whole)
        });
        Some(Self {
            steps_done: history.steps_done,
            steps: summary.steps,
            run,
            runs: of_all,
            steps_per_second: per_step.map(|seconds| 1.0 / seconds),
            seconds_left,
        })
    }

    /// Of the whole experiment, 0..=1.
    pub fn fraction(&self) -> f32 {
        let here = self.steps_done as f32 / self.steps.max(1) as f32;
        ((self.run - 1) as f32 + here.min(1.0)) / self.runs.max(1) as f32
    }

    /// "step 340/1200 · 2.10 step/s · 6:49 left".
    pub fn text(&self) -> String {
        let mut text = t!("step {done}/{steps}", done = self.steps_done, steps = self.steps);
        if self.runs > 1 {
            text = format!("{} · {text}", t!("run {run}/{runs}", run = self.run, runs = self.runs));
        }
        if let Some(rate) = self.steps_per_second {
            text = format!("{text} · {}", t!("{rate} step/s", rate = crate::format::significant(rate)));
        }
        if let Some(left) = self.seconds_left {
            text = format!("{text} · {}", t!("{time} left", time = clock(left)));
        }
        text
    }
}

/// Evaluations between two steps: every so many epochs, and after the last.
fn evaluations(done: u64, steps: u64, steps_per_epoch: u64, every: u64) -> u64 {
    let epoch = steps_per_epoch.max(1);
    let epochs = steps.div_ceil(epoch);
    let upto = |step: u64| {
        let ended = if step >= steps { epochs } else { step / epoch };
        ended / every + u64::from(ended == epochs && !epochs.is_multiple_of(every))
    };
    upto(steps) - upto(done)
}

/// "6:49", "1:02:03".
pub fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

impl RunHistory {
    /// How it stands, in a sentence, and how grave that is; `baseline`: the other run of its pair, where that has finished.
    pub(super) fn says(&self, baseline: Option<&Self>) -> (Level, String) {
        let done = self.steps_done;
        let steps = self.summary.as_ref().map_or(done, |summary| summary.steps);
        match &self.outcome {
            Some(Outcome::Finished) => self.closes(baseline),
            Some(Outcome::Stopped) => (Level::Info, t!("stopped at step {done}/{steps}", done, steps)),
            Some(Outcome::Failed(cause)) => {
                (Level::Error, t!("failed at step {done}/{steps}: {cause}", done, steps, cause))
            }
            None if self.folder.is_some() => (Level::Info, t!("read from disk, {done} steps", done)),
            None => (Level::Info, t!("at step {done}/{steps}", done, steps)),
        }
    }

    /// What it came to, as the command line says it.
    fn closes(&self, baseline: Option<&Self>) -> (Level, String) {
        let result = self.result();
        if result.last.is_none() && self.kept.is_none() {
            return (Level::Info, t!("finished after {done} steps", done = self.steps_done));
        }
        let facts = said(&result.line(baseline.map(Self::result).as_ref()));
        match result.fall() {
            Some(_) => (Level::Warning, t!("the student ended below its start: {facts}", facts)),
            None => (Level::Info, t!("finished: {facts}", facts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::run::runs::tests::{begun, started};
    use crate::train::evaluate::Evaluation;
    use crate::train::event::{EpochRecord, RunEvent, RunId, StepRecord, Variant};

    #[test]
    fn time_left_counts_steps_and_evaluations_of_every_run() {
        let mut runs = begun(true, 1);
        let id = RunId { seed: 0, variant: Variant::Imitation };
        runs.receive(vec![(id, started(0))]);
        assert_eq!(Progress::of(&runs).expect("a plan").seconds_left, None);
        for step in 0..40 {
            let record = StepRecord { step, seconds: 0.5, ..Default::default() };
            runs.receive(vec![(id, RunEvent::Step(record))]);
            if (step + 1) % 10 == 0 {
                let evaluation = Some(Evaluation { seconds: 2.0, ..Default::default() });
                let epoch = EpochRecord { step: step + 1, evaluation, ..Default::default() };
                runs.receive(vec![(id, RunEvent::Epoch(Box::new(epoch)))]);
            }
        }
        let progress = Progress::of(&runs).expect("under way");
        // Here 60 steps of ½ s and 6 evaluations of 2 s; the baseline 100 steps and 10 evaluations.
        assert_eq!(progress.seconds_left, Some(30.0 + 12.0 + 50.0 + 20.0));
        assert_eq!(progress.text(), "run 1/2 · step 40/100 · 2.00 step/s · 1:52 left");
        assert!((progress.fraction() - 0.2).abs() < 1e-6);
    }

    #[test]
    fn a_run_that_is_gone_on_with_counts_what_has_finished() {
        let mut runs = begun(true, 1);
        let (with, without) =
            (RunId { seed: 0, variant: Variant::Imitation }, RunId { seed: 0, variant: Variant::Baseline });
        runs.receive(vec![(with, started(0)), (with, RunEvent::Ended(Outcome::Finished))]);
        runs.receive(vec![(without, started(0)), (without, RunEvent::Ended(Outcome::Stopped))]);
        runs.ended();
        let (number, experiment) = runs.unfinished.clone().expect("it can go on");
        runs.begin(experiment, Some(number));
        runs.receive(vec![(without, started(0))]);
        let progress = Progress::of(&runs).expect("under way");
        assert_eq!((progress.run, progress.runs), (2, 2));
    }

    #[test]
    fn evaluations_come_every_so_many_epochs_and_at_the_end() {
        assert_eq!(evaluations(0, 100, 10, 1), 10);
        assert_eq!(evaluations(0, 100, 10, 3), 4, "epochs 3, 6, 9 and the last");
        assert_eq!(evaluations(60, 100, 10, 3), 2);
        assert_eq!(evaluations(0, 25, 10, 1), 3, "a part of an epoch is one");
        assert_eq!(evaluations(25, 25, 10, 1), 0);
        assert_eq!(evaluations(0, 5, 0, 1), 5, "an empty epoch does not divide by zero");
    }

    #[test]
    fn a_time_reads_like_a_clock() {
        assert_eq!([0.4, 409.0, 3723.0].map(clock), ["0:00", "6:49", "1:02:03"]);
    }
}
