//! What pairs have found: each run's accuracy, and the verdict, as `comparison.json` has them.

use crate::app::run::note::said;
use crate::language::{t, tr};
use crate::train::comparison::{Accuracy, Comparison, RunResult};
use crate::train::event::Variant;
use crate::train::history::RunHistory;

/// Whether a run's numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    Finished,
    UnderWay,
    /// Stopped, failed, or read from disk before its end.
    Unfinished,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub seed: u64,
    pub variant: Variant,
    /// What it has come to so far.
    pub result: RunResult,
    pub stand: Stand,
    /// Of its steps, and of its evaluations where that is known.
    pub seconds: Option<f64>,
}

impl Row {
    fn of(history: &RunHistory, under_way: bool) -> Self {
        let stand = match (history.has_finished(), under_way) {
            (true, _) => Stand::Finished,
            (false, true) => Stand::UnderWay,
            (false, false) => Stand::Unfinished,
        };
        let (result, seconds) = (history.result(), history.seconds());
        Self { seed: history.id.seed, variant: history.id.variant, result, stand, seconds }
    }

    /// On val, of the last evaluated weights. Version 0.1.0 kept the numbers alone.
    pub fn last(&self) -> Option<Accuracy> {
        let RunResult { map50, map50_95, last, .. } = self.result;
        last.or((self.stand == Stand::Finished).then_some(Accuracy { map50, map50_95 }))
    }

    /// "imitation", "baseline · under way".
    pub fn name(&self) -> String {
        let variant = tr(self.variant.name());
        match self.stand {
            Stand::Finished => variant.to_owned(),
            Stand::UnderWay => t!("{variant} · under way", variant),
            Stand::Unfinished => t!("{variant} · not finished", variant),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Paired {
    /// By seed, imitation first.
    pub rows: Vec<Row>,
    /// Of the runs that have finished.
    pub comparison: Comparison,
}

impl Paired {
    /// The table of a experiment.
    pub fn of<'a>(histories: impl Iterator<Item = &'a RunHistory>, under_way: impl Fn(&RunHistory) -> bool) -> Self {
        let mut rows: Vec<Row> = histories.map(|history| Row::of(history, under_way(history))).collect();
        rows.sort_by_key(|row| (row.seed, row.variant));
        let finished = rows.iter().filter(|row| row.stand == Stand::Finished);
        let comparison = Comparison::of(finished.map(|row| row.result.clone()).collect());
        Self { rows, comparison }
    }

    /// The verdict in plain words.
    pub fn sentence(&self) -> String {
        match &self.comparison.verdict {
            Some(verdict) => said(&verdict.line()),
            None => t!("The difference follows when both runs of a seed have finished.").to_owned(),
        }
    }

    /// On what the verdict stands, plainly.
    pub fn basis(&self) -> Option<String> {
        let verdict = self.comparison.verdict.as_ref()?;
        let split = match verdict.split.as_str() {
            "test" => t!("Measured on test, on which nothing was chosen"),
            _ => t!("Measured on val: no pair has been tested on a split of its own"),
        };
        let split = self.comparison.half_tested().map_or_else(|| split.to_owned(), |line| said(&line));
        Some(t!("{split}. The averaged weights after the last step count (weights/last), not the best epoch.", split))
    }

    /// What has to be said where students ended below their start: a difference between such runs says little.
    pub fn warning(&self) -> Option<String> {
        let finished = || self.rows.iter().filter(|row| row.stand == Stand::Finished);
        let (fell, all) = (finished().filter(|row| row.result.fall().is_some()).count(), finished().count());
        (fell > 0).then(|| {
            t!(
                "{fell} of {all} students ended below their start: a lower lr0 or a longer warm-up comes before any comparison.",
                fell,
                all
            )
        })
    }

    /// Further seeds worth running: what the rule asks for, one where there is a verdict.
    pub fn further(&self) -> u32 {
        let seeds = match &self.comparison.verdict {
            Some(verdict) => verdict.further_seeds(),
            None => None,
        };
        seeds.and_then(|seeds| u32::try_from(seeds).ok()).unwrap_or(1)
    }

    /// What one more seed takes, both runs, at the mean of those that have finished, s.
    pub fn seconds_per_seed(&self) -> Option<f64> {
        let mean = |variant: Variant| {
            let of_arm = self.rows.iter().filter(|row| row.variant == variant && row.stand == Stand::Finished);
            let seconds: Vec<f64> = of_arm.filter_map(|row| row.seconds).collect();
            (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
        };
        Some(mean(Variant::Imitation)? + mean(Variant::Baseline)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::train::evaluate::Evaluation;
    use crate::train::event::{EpochRecord, Outcome, RunEvent, RunId, StartRecord, StepRecord};
    use crate::train::verdict::Verdict;

    fn evaluation(map50_95: f64) -> Evaluation {
        Evaluation { map50: 2.0 * map50_95, map50_95, seconds: 2.0, ..Evaluation::default() }
    }

    /// A run that evaluated these and then finished; each epoch is a step of 10 s.
    fn run(seed: u64, variant: Variant, maps: &[f64]) -> RunHistory {
        let mut history = RunHistory::new(seed, 0, RunId { seed, variant }, String::new());
        for (epoch, &map) in maps.iter().enumerate() {
            let step = StepRecord { step: epoch as u64, seconds: 10.0, ..StepRecord::default() };
            let distance = vec![Some(8.0 / (epoch + 1) as f64), None];
            history.receive(RunEvent::Step(step));
            history.receive(RunEvent::Epoch(Box::new(EpochRecord {
                epoch: epoch as u32,
                step: epoch as u64 + 1,
                mean: StepRecord { distance, ..Default::default() },
                evaluation: Some(evaluation(map)),
                best: maps[..epoch].iter().all(|earlier| *earlier < map),
                ..Default::default()
            })));
        }
        history.receive(RunEvent::Ended(Outcome::Finished));
        history
    }

    fn paired(histories: &[RunHistory]) -> Paired {
        Paired::of(histories.iter(), |_| false)
    }

    #[test]
    fn a_row_has_before_last_best_teacher_test_and_minutes() {
        let mut with = run(0, Variant::Imitation, &[0.30, 0.50, 0.40]);
        let start = StartRecord { student: evaluation(0.2), teacher: Some(evaluation(0.7)) };
        with.receive(RunEvent::Start(Arc::new(start)));
        with.receive(RunEvent::Tested(Arc::new(evaluation(0.35))));
        let paired = paired(&[run(1, Variant::Baseline, &[0.1]), with]);
        let row = &paired.rows[0];
        let map = |accuracy: Option<Accuracy>| accuracy.map(|accuracy| accuracy.map50_95);
        let RunResult { before, teacher, test, best, .. } = row.result;
        assert_eq!([map(before), map(row.last()), map(teacher), map(test)], [0.2, 0.4, 0.7, 0.35].map(Some));
        assert_eq!(best.map(|best| (best.epoch, best.accuracy.map50_95)), Some((1, 0.5)));
        let RunResult { distance_of_first_epoch: first, distance_of_last_epoch: last, .. } = row.result;
        assert_eq!((first, last), (Some(8.0), Some(8.0 / 3.0)), "a scale without cells adds nothing");
        // Three steps of 10 s and three evaluations of 2 s.
        assert_eq!(row.seconds, Some(36.0));
        assert_eq!(paired.rows[1].variant, Variant::Baseline);
        assert!(paired.comparison.verdict.is_none() && paired.sentence().contains("follows"));
        assert_eq!(paired.warning(), None);
    }

    #[test]
    fn a_run_counts_when_it_has_finished() {
        let mut half = run(0, Variant::Imitation, &[0.9]);
        half.outcome = None;
        let histories = [half, run(0, Variant::Baseline, &[0.1])];
        let of = |live: bool| Paired::of(histories.iter(), |_| live);
        assert_eq!([of(true).rows[0].stand, of(false).rows[0].stand], [Stand::UnderWay, Stand::Unfinished]);
        assert_eq!(of(true).comparison.verdict, None);
        assert_eq!(of(true).rows[0].last().map(|last| last.map50_95), Some(0.9), "and yet is to be seen");
        assert_eq!(of(true).rows[0].name(), "imitation · under way");
    }

    #[test]
    fn the_verdict_is_that_of_the_rule_on_the_same_numbers() {
        let runs = [
            run(0, Variant::Imitation, &[0.41]),
            run(0, Variant::Baseline, &[0.40]),
            run(1, Variant::Imitation, &[0.52]),
            run(1, Variant::Baseline, &[0.50]),
            run(2, Variant::Imitation, &[0.33]),
            run(2, Variant::Baseline, &[0.30]),
            run(3, Variant::Imitation, &[0.9]),
        ];
        let paired = paired(&runs);
        // 0.01, 0.02, 0.03, as in the rule's own test.
        let verdict = Verdict::of("mAP50-95", "val", &[0.41 - 0.40, 0.52 - 0.50, 0.33 - 0.30]).expect("three pairs");
        assert_eq!(paired.comparison.verdict.as_ref(), Some(&verdict));
        assert_eq!(paired.sentence().replace('−', "-"), verdict.sentence());
        assert_eq!(paired.further(), 1, "a fourth would settle it");
        // 10 s and 2 s each.
        assert_eq!(paired.seconds_per_seed(), Some(24.0));
        assert!(paired.basis().is_some_and(|basis| basis.contains("val") && basis.contains("weights/last")));
    }

    #[test]
    fn where_students_fell_the_verdict_is_not_left_alone() {
        let fallen = |variant, maps: &[f64]| {
            let mut history = run(0, variant, maps);
            history.receive(RunEvent::Start(Arc::new(StartRecord { student: evaluation(0.2), teacher: None })));
            history
        };
        let paired = paired(&[fallen(Variant::Imitation, &[0.01]), fallen(Variant::Baseline, &[0.3])]);
        assert!(paired.warning().is_some_and(|text| text.starts_with("1 of 2 students ended below their start")));
    }

    #[test]
    fn one_seed_is_never_a_verdict() {
        let paired = paired(&[run(0, Variant::Imitation, &[0.5]), run(0, Variant::Baseline, &[0.1])]);
        assert_eq!(
            paired.sentence(),
            "cannot tell yet: mAP50-95 on val +0.400 in one seed, which is no verdict; run at least two"
        );
        assert_eq!(paired.further(), 4);
    }
}
