//! One run as curves: what it has said so far, column by column.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::shared::{Before, Shared};
use crate::train::comparison::RunResult;
use crate::train::config::{Experiment, RunConfig, Start};
use crate::train::evaluate::Evaluation;
use crate::train::event::{
    EpochRecord, Outcome, RunEvent, RunId, RunSummary, Snapshot, StartRecord, StepRecord, Variant,
};
use crate::train::metrics::Plot;
use crate::train::replay::Replay;

/// Values over steps done.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    pub plot: Plot,
    /// "P3", "mAP50"; empty where a plot has one curve a run.
    pub name: String,
    /// Steps done, ascending.
    pub steps: Vec<f64>,
    pub values: Vec<f64>,
}

impl Curve {
    /// The value at a step or the nearest one to it that has a value.
    pub fn at(&self, step: f64) -> Option<(f64, f64)> {
        let after = self.steps.partition_point(|&known| known < step);
        let near = |index: usize| Some((*self.steps.get(index)?, *self.values.get(index)?));
        match (after.checked_sub(1).and_then(near), near(after)) {
            (Some(before), Some(after)) => Some(if step - before.0 <= after.0 - step { before } else { after }),
            (before, after) => before.or(after),
        }
    }
}

/// Wall time of steps that the pace is taken from, in seconds.
const PACE_SECONDS: f64 = 10.0;
/// Ground truths that have a curve: more cannot be told apart.
const MAX_TRUTHS: usize = 8;
/// Snapshots that are kept; beyond them every second one goes.
const MAX_SNAPSHOTS: usize = 400;

#[derive(Clone, Debug, PartialEq)]
pub struct RunHistory {
    /// Its own in this session.
    pub key: u64,
    pub name: String,
    /// Runs with the same number and seed are a pair.
    pub experiment: u64,
    pub id: RunId,
    pub summary: Option<Arc<RunSummary>>,
    /// Where an earlier run lies.
    pub folder: Option<PathBuf>,
    /// What an earlier run was to do, but for what its baseline does otherwise: [`super::earlier::task`].
    pub task: Option<Box<RunConfig>>,
    /// What it was asked to do; `None` where that is not known.
    pub config: Option<Box<RunConfig>>,
    /// What its student was before the first step; `None` where that is not known.
    pub start: Option<Start>,
    /// What that student detected as the run began, where an image was open.
    pub before: Option<Before>,
    /// The set of pairs that it is one of, where that lies in a folder.
    pub pairs: Option<Arc<Experiment>>,
    /// What both models found on val before the first step; `None` where nobody looked.
    pub measured: Option<Arc<StartRecord>>,
    /// What the last weights found on test.
    pub tested: Option<Arc<Evaluation>>,
    /// How it ended, as its folder says.
    pub kept: Option<RunResult>,
    /// What it was replayed from.
    pub replay: Option<Shared<Replay>>,
    /// "P3" …
    pub scales: Vec<String>,
    pub curves: Vec<Curve>,
    pub epochs: Vec<EpochRecord>,
    pub snapshots: Vec<Arc<Snapshot>>,
    /// The largest finite value of all snapshots.
    pub snapshot_high: f32,
    pub steps_done: u64,
    pub outcome: Option<Outcome>,
    pub visible: bool,
    /// Grows with every new value.
    pub version: u64,
    /// Smallest and largest λ of its steps.
    pub lambda: Option<(f64, f64)>,
    /// Steps done, and the wall time of those that are known up to there.
    times: Vec<(u64, f64)>,
}

impl RunHistory {
    pub fn new(key: u64, experiment: u64, id: RunId, name: String) -> Self {
        Self {
            key,
            name,
            experiment,
            id,
            summary: None,
            folder: None,
            task: None,
            config: None,
            start: None,
            before: None,
            pairs: None,
            measured: None,
            tested: None,
            kept: None,
            replay: None,
            scales: Vec::new(),
            curves: Vec::new(),
            epochs: Vec::new(),
            snapshots: Vec::new(),
            snapshot_high: 0.0,
            steps_done: 0,
            outcome: None,
            visible: true,
            version: 0,
            lambda: None,
            times: Vec::new(),
        }
    }

    /// A recorded run, whole.
    pub fn of_replay(key: u64, experiment: u64, replay: Arc<Replay>) -> Self {
        let mut history = Self::new(key, experiment, replay.id, replay.name.clone());
        history.receive(RunEvent::Started(Arc::clone(&replay.summary)));
        replay.start.iter().for_each(|start| history.receive(RunEvent::Start(Arc::clone(start))));
        replay.steps.iter().for_each(|step| history.step(step));
        replay.epochs.iter().for_each(|epoch| history.epoch(epoch.clone()));
        replay.snapshots.iter().for_each(|snapshot| history.receive(RunEvent::Snapshot(Arc::clone(snapshot))));
        history.receive(RunEvent::Ended(replay.outcome.clone()));
        history.config = RunConfig::parse(&replay.config).ok().map(Box::new);
        history.replay = Some(Shared::new(replay));
        history
    }

    /// Where its files are: of an earlier run, or of one of this session that has begun. One that was opened as a record
    /// alone has none.
    pub fn place(&self) -> Option<&Path> {
        let begun = self.summary.as_ref().map(|summary| summary.folder.as_path());
        self.folder.as_deref().or(begun).filter(|folder| !folder.as_os_str().is_empty())
    }

    /// Whether it ever came as far as its plan.
    pub fn has_begun(&self) -> bool {
        self.summary.is_some() || self.folder.is_some()
    }

    pub fn has_finished(&self) -> bool {
        self.outcome == Some(Outcome::Finished)
    }

    pub fn is_baseline(&self) -> bool {
        self.id.variant == Variant::Baseline
    }

    /// Takes in what the run says of itself; warnings and stages are not a history's business.
    pub fn receive(&mut self, event: RunEvent) {
        match event {
            RunEvent::Started(summary) => {
                self.rewind(summary.first_step);
                self.scales.clone_from(&summary.scales);
                self.summary = Some(summary);
                self.outcome = None;
            }
            RunEvent::Step(step) => self.step(&step),
            RunEvent::Epoch(epoch) => self.epoch(*epoch),
            RunEvent::Snapshot(snapshot) => self.snapshot(snapshot),
            RunEvent::Ended(outcome) => self.outcome = Some(outcome),
            RunEvent::Start(start) => self.begin_at(start),
            RunEvent::Tested(test) => self.tested = Some(test),
            RunEvent::Stage { .. } | RunEvent::Warning(_) | RunEvent::Saving | RunEvent::Saved { .. } => {}
        }
    }

    /// The curves of mAP begin where the student did, at step 0.
    fn begin_at(&mut self, start: Arc<StartRecord>) {
        for (index, value) in [start.student.map50, start.student.map50_95].into_iter().enumerate() {
            let curve = self.curve(Plot::Map, index);
            // A resumed run says it again.
            if curve.steps.first() != Some(&0.0) {
                curve.steps.insert(0, 0.0);
                curve.values.insert(0, value);
            }
        }
        self.measured = Some(start);
        self.version += 1;
    }

    /// Forgets what a resumed run will do again.
    fn rewind(&mut self, first_step: u64) {
        if first_step >= self.steps_done {
            return;
        }
        for curve in &mut self.curves {
            let kept = curve.steps.partition_point(|&step| step <= first_step as f64);
            curve.steps.truncate(kept);
            curve.values.truncate(kept);
        }
        self.epochs.retain(|epoch| epoch.step <= first_step);
        self.snapshots.retain(|snapshot| snapshot.step < first_step);
        self.steps_done = first_step;
        self.times.retain(|(done, _)| *done <= first_step);
        self.version += 1;
    }

    pub fn step(&mut self, record: &StepRecord) {
        let step = (record.step + 1) as f64;
        self.steps_done = record.step + 1;
        for metric in StepRecord::METRICS {
            let Some(plot) = metric.plot else { continue };
            for scale in 0..(metric.count)(record) {
                let value = (metric.get)(record, scale).and_then(|value| (metric.shown)(record, scale, value));
                if let Some(value) = value {
                    self.put(plot, scale, step, value);
                }
            }
        }
        let (low, high) = self.lambda.unwrap_or((record.lambda, record.lambda));
        self.lambda = Some((low.min(record.lambda), high.max(record.lambda)));
        if record.seconds.is_finite() && record.seconds > 0.0 {
            self.times.push((record.step + 1, self.wall_time() + record.seconds));
        }
        self.version += 1;
    }

    pub fn epoch(&mut self, epoch: EpochRecord) {
        if let Some(evaluation) = &epoch.evaluation {
            let step = epoch.step as f64;
            self.put(Plot::Map, 0, step, evaluation.map50);
            self.put(Plot::Map, 1, step, evaluation.map50_95);
        }
        self.epochs.push(epoch);
        self.version += 1;
    }

    fn snapshot(&mut self, snapshot: Arc<Snapshot>) {
        for (gt, &distance) in snapshot.truths.iter().take(MAX_TRUTHS).enumerate() {
            self.put(Plot::Truths, gt, snapshot.step as f64, distance);
        }
        self.version += 1;
        let highs = snapshot.scales.iter().filter_map(|scale| scale.difference.finite_range()).map(|(_, high)| high);
        self.snapshot_high = highs.fold(self.snapshot_high, f32::max);
        self.snapshots.push(snapshot);
        if self.snapshots.len() > MAX_SNAPSHOTS {
            let last = self.snapshots.len() - 1;
            let mut index = 0;
            self.snapshots.retain(|_| {
                index += 1;
                (index - 1) % 2 == 0 || index - 1 == last
            });
        }
    }

    fn put(&mut self, plot: Plot, index: usize, step: f64, value: f64) {
        let curve = self.curve(plot, index);
        curve.steps.push(step);
        curve.values.push(value);
    }

    /// The curve with this number in a plot. Of several scales the first to have a value may be the last.
    fn curve(&mut self, plot: Plot, index: usize) -> &mut Curve {
        while self.of(plot).count() <= index {
            let name = self.curve_name(plot, self.of(plot).count());
            self.curves.push(Curve { plot, name, steps: Vec::new(), values: Vec::new() });
        }
        let places = self.curves.iter().enumerate().filter(|(_, curve)| curve.plot == plot).map(|(at, _)| at);
        let at = places.take(index + 1).last().unwrap_or_default();
        &mut self.curves[at]
    }

    fn curve_name(&self, plot: Plot, index: usize) -> String {
        match plot {
            _ if StepRecord::METRICS.iter().any(|metric| metric.plot == Some(plot) && metric.per_scale) => {
                self.scales.get(index).cloned().unwrap_or_else(|| format!("scale {index}"))
            }
            Plot::Truths => format!("gt {index}"),
            Plot::Map => if index == 0 { "mAP50" } else { "mAP50-95" }.to_owned(),
            _ => String::new(),
        }
    }

    pub fn of(&self, plot: Plot) -> impl Iterator<Item = &Curve> {
        self.curves.iter().filter(move |curve| curve.plot == plot)
    }

    /// Wall time of a step, in seconds, over the last few.
    pub fn seconds_per_step(&self) -> Option<f64> {
        let (end, last) = (self.wall_time(), self.times.len().checked_sub(1)?);
        let until = |index: usize| index.checked_sub(1).map_or(0.0, |before| self.times[before].1);
        let first = (0..last).rev().take_while(|index| end - until(*index) <= PACE_SECONDS).last().unwrap_or(last);
        Some((end - until(first)) / (last + 1 - first) as f64)
    }

    /// Of all its steps that are known, s.
    fn wall_time(&self) -> f64 {
        self.times.last().map_or(0.0, |(_, seconds)| *seconds)
    }

    /// Wall time of all its steps and of the evaluations whose time is known, in seconds; `None` where some steps are not
    /// known one by one.
    pub fn seconds(&self) -> Option<f64> {
        let evaluated = self.epochs.iter().filter_map(|epoch| epoch.evaluation.as_ref()).map(|e| e.seconds);
        let steps = match &self.kept {
            Some(kept) => Some(kept.seconds),
            None => (self.times.len() as u64 == self.steps_done).then(|| self.wall_time()),
        };
        Some(steps.filter(|seconds| *seconds > 0.0)? + evaluated.filter(|seconds| seconds.is_finite()).sum::<f64>())
    }

    /// What it has come to so far, as the command line and `comparison.json` say it.
    pub fn result(&self) -> RunResult {
        let RunId { seed, variant } = self.id;
        if let Some(kept) = &self.kept {
            return RunResult { seed, variant: Some(variant), ..kept.clone() };
        }
        let mut result = RunResult { seed, variant: Some(variant), ..RunResult::default() };
        result.lambda = self.of(Plot::Lambda).next().and_then(|curve| curve.values.last().copied()).unwrap_or_default();
        result.seconds = self.wall_time();
        if let Some(start) = &self.measured {
            result.start(start);
        }
        self.epochs.iter().for_each(|epoch| result.epoch(epoch));
        if let Some(test) = &self.tested {
            result.tested(test);
        }
        result
    }

    /// Wall time of an evaluation, in seconds; the mean of those so far.
    pub fn seconds_per_evaluation(&self) -> Option<f64> {
        let seconds: Vec<f64> =
            self.epochs.iter().filter_map(|epoch| epoch.evaluation.as_ref()).map(|e| e.seconds).collect();
        (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
    }
}

/// Imitation and baseline of one experiment and seed.
pub fn pairs(histories: &[Arc<RunHistory>]) -> impl Iterator<Item = (&Arc<RunHistory>, &Arc<RunHistory>)> {
    histories.iter().filter(|history| !history.is_baseline()).filter_map(|history| {
        let baseline = |other: &&Arc<RunHistory>| {
            other.is_baseline() && (other.experiment, other.id.seed) == (history.experiment, history.id.seed)
        };
        Some((history, histories.iter().find(baseline)?))
    })
}

/// `imitation − baseline` at the steps that both have.
pub fn difference(imitation: &Curve, baseline: &Curve) -> Curve {
    let (mut steps, mut values) = (Vec::new(), Vec::new());
    let mut other = 0;
    for (&step, &value) in imitation.steps.iter().zip(&imitation.values) {
        while baseline.steps.get(other).is_some_and(|&s| s < step) {
            other += 1;
        }
        if baseline.steps.get(other) == Some(&step) {
            steps.push(step);
            values.push(value - baseline.values[other]);
        }
    }
    Curve { plot: imitation.plot, name: imitation.name.clone(), steps, values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Grid;
    use crate::train::evaluate::Evaluation;
    use crate::train::event::SnapshotScale;

    fn history() -> RunHistory {
        let mut history = RunHistory::new(0, 0, RunId { seed: 0, variant: Variant::Imitation }, "run".into());
        history.receive(started(0));
        history
    }

    fn started(first_step: u64) -> RunEvent {
        RunEvent::Started(Arc::new(RunSummary {
            folder: "run".into(),
            steps: 100,
            steps_per_epoch: 10,
            first_step,
            scales: vec!["P3".into(), "P4".into()],
            images: 1,
            labels: 1,
            val_images: 1,
            device: "CPU".into(),
        }))
    }

    pub fn step(step: u64, total: f64, seconds: f64) -> RunEvent {
        RunEvent::Step(StepRecord {
            step,
            total,
            seconds,
            distance: vec![Some(total), Some(2.0 * total)],
            ..Default::default()
        })
    }

    #[test]
    fn a_step_is_a_point_on_every_curve_it_has() {
        let mut history = history();
        history.receive(step(0, 3.0, 1.0));
        history.receive(step(1, 2.0, 1.0));
        let total = history.of(Plot::Total).next().expect("a curve");
        assert_eq!((&total.steps[..], &total.values[..]), (&[1.0, 2.0][..], &[3.0, 2.0][..]));
        let names: Vec<&str> = history.of(Plot::Distance).map(|curve| curve.name.as_str()).collect();
        assert_eq!(names, ["P3", "P4"]);
        assert_eq!(history.of(Plot::Distance).nth(1).expect("P4").values, [6.0, 4.0]);
        assert_eq!(history.of(Plot::Imitation).count(), 0, "no teacher, no curve");
    }

    /// A scale without a cell has neither a distance nor a loss in that step, whichever scale it is.
    #[test]
    fn a_scale_without_cells_has_no_point_and_no_zero() {
        let mut history = history();
        for (step, distance) in [[None, Some(4.0)], [Some(2.0), Some(3.0)], [Some(1.0), None]].into_iter().enumerate() {
            let imitation = distance.iter().map(|distance| 0.5 * distance.unwrap_or(0.0)).collect();
            let distance = distance.to_vec();
            history.receive(RunEvent::Step(StepRecord {
                step: step as u64,
                distance,
                imitation,
                ..Default::default()
            }));
        }
        let points = |plot| -> Vec<(String, Vec<f64>, Vec<f64>)> {
            history.of(plot).map(|curve| (curve.name.clone(), curve.steps.clone(), curve.values.clone())).collect()
        };
        let of = |name: &str, steps: &[f64], values: &[f64]| (name.to_owned(), steps.to_vec(), values.to_vec());
        assert_eq!(points(Plot::Distance), [of("P3", &[2.0, 3.0], &[2.0, 1.0]), of("P4", &[1.0, 2.0], &[4.0, 3.0])]);
        assert_eq!(points(Plot::Imitation), [of("P3", &[2.0, 3.0], &[1.0, 0.5]), of("P4", &[1.0, 2.0], &[2.0, 1.5])]);
    }

    #[test]
    fn the_curve_of_map_begins_at_the_start_once() {
        let mut history = history();
        let start = Arc::new(StartRecord {
            student: Evaluation { map50: 0.3, map50_95: 0.2, ..Default::default() },
            teacher: None,
        });
        history.receive(RunEvent::Start(Arc::clone(&start)));
        let evaluation = Some(Evaluation { map50: 0.4, map50_95: 0.1, ..Default::default() });
        let epoch = EpochRecord { step: 10, evaluation, ..Default::default() };
        history.receive(RunEvent::Step(StepRecord { step: 9, ..Default::default() }));
        history.receive(RunEvent::Epoch(Box::new(epoch)));
        // Resumed it begins anew, and says its start again.
        history.receive(started(5));
        history.receive(RunEvent::Start(start));
        let points: Vec<_> = history.of(Plot::Map).map(|c| (c.steps.clone(), c.values.clone())).collect();
        assert_eq!(points, [(vec![0.0], vec![0.3]), (vec![0.0], vec![0.2])]);
        let result = history.result();
        assert_eq!(result.before.map(|before| before.map50_95), Some(0.2));
        assert_eq!(result.last, None, "what will be done again is forgotten");
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut history = history();
        assert_eq!(history.seconds_per_step(), None);
        // Slow at first; then 20 steps of half a second fill the ten seconds.
        for (index, seconds) in [8.0; 5].into_iter().chain([0.5; 20]).enumerate() {
            history.receive(step(index as u64, 1.0, seconds));
        }
        assert_eq!(history.seconds_per_step(), Some(0.5));
    }

    #[test]
    fn a_resumed_run_takes_back_what_it_does_again() {
        let mut history = history();
        for index in 0..30 {
            history.receive(step(index, 1.0, 1.0));
        }
        history.receive(RunEvent::Ended(Outcome::Stopped));
        history.receive(started(20));
        assert_eq!((history.steps_done, history.outcome.clone()), (20, None));
        history.receive(step(20, 5.0, 1.0));
        let total = history.of(Plot::Total).next().expect("a curve");
        assert_eq!((total.steps.len(), total.steps.last(), total.values.last()), (21, Some(&21.0), Some(&5.0)));
    }

    #[test]
    fn evaluations_are_points_of_their_own() {
        let mut history = history();
        let evaluation = Evaluation { map50: 0.4, map50_95: 0.2, seconds: 3.0, ..Default::default() };
        history.receive(RunEvent::Epoch(Box::new(EpochRecord {
            step: 10,
            evaluation: Some(evaluation),
            ..Default::default()
        })));
        history.receive(RunEvent::Epoch(Box::new(EpochRecord { epoch: 1, step: 20, ..Default::default() })));
        let points: Vec<_> = history.of(Plot::Map).map(|c| (c.name.clone(), c.at(0.0))).collect();
        assert_eq!(points, [("mAP50".to_owned(), Some((10.0, 0.4))), ("mAP50-95".to_owned(), Some((10.0, 0.2)))]);
        assert_eq!(history.seconds_per_evaluation(), Some(3.0));
    }

    #[test]
    fn many_snapshots_are_thinned_and_keep_both_ends() {
        let mut history = history();
        for step in 0..=400 {
            let difference = Grid::filled(1, 1, if step == 3 { 9.0 } else { 1.0 });
            let scales = vec![SnapshotScale { stride: 8, difference }];
            history.receive(RunEvent::Snapshot(Arc::new(Snapshot {
                step,
                image: "a.jpg".into(),
                scales,
                truths: Vec::new(),
                seconds: 0.0,
            })));
        }
        assert_eq!(history.snapshots.len(), 201);
        let ends = (history.snapshots.first().map(|s| s.step), history.snapshots.last().map(|s| s.step));
        assert_eq!(ends, (Some(0), Some(400)));
        assert_eq!(history.snapshot_high, 9.0, "the range covers those that have gone");
    }

    #[test]
    fn pairs_are_subtracted_where_both_have_a_value() {
        let curve = |steps: &[f64], values: &[f64]| Curve {
            plot: Plot::Total,
            name: String::new(),
            steps: steps.to_vec(),
            values: values.to_vec(),
        };
        let found = difference(&curve(&[1.0, 2.0, 3.0], &[5.0, 6.0, 7.0]), &curve(&[2.0, 3.0, 4.0], &[1.0, 9.0, 0.0]));
        assert_eq!((found.steps, found.values), (vec![2.0, 3.0], vec![5.0, -2.0]));
    }

    #[test]
    fn the_nearest_value_is_read() {
        let curve = Curve { plot: Plot::Map, name: String::new(), steps: vec![10.0, 20.0], values: vec![0.1, 0.2] };
        assert_eq!(
            [curve.at(14.0), curve.at(16.0), curve.at(99.0)].map(|p| p.map(|p| p.1)),
            [Some(0.1), Some(0.2), Some(0.2)]
        );
    }
}
