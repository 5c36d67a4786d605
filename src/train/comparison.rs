//! What a experiment came to: plain records, for the terminal, `comparison.json` and the window.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evaluate::Evaluation;
use super::event::{EpochRecord, RunEvent, RunId, StartRecord, StepRecord, Variant};
use super::record::{RecordError, RunTables};
use super::verdict::Verdict;
use crate::story::{Line, say};

/// Mean of a difference over seeds, and its sample standard deviation where there are several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lead {
    pub mean: f64,
    pub spread: Option<f64>,
    pub seeds: usize,
}

impl Lead {
    /// From one difference a seed; `None` without any.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let count = differences.len() as f64;
        if differences.is_empty() {
            return None;
        }
        let mean = differences.iter().sum::<f64>() / count;
        let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
        let spread = (differences.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        Some(Self { mean, spread, seeds: differences.len() })
    }
}

/// mAP of a set of weights on a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    pub map50: f64,
    pub map50_95: f64,
}

impl From<&Evaluation> for Accuracy {
    fn from(evaluation: &Evaluation) -> Self {
        Self { map50: evaluation.map50, map50_95: evaluation.map50_95 }
    }
}

/// The evaluation whose weights are `weights/best`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// From 0.
    pub epoch: u32,
    #[serde(flatten)]
    pub accuracy: Accuracy,
}

/// How one run of a experiment ended: `result.json` in its folder, a row of `comparison.json`. On val unless said otherwise.
/// What version 0.1.0 did not keep is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunResult {
    pub seed: u64,
    #[serde(rename = "arm")]
    pub variant: Option<Variant>,
    /// λ at the end; 0 for a baseline.
    pub lambda: f64,
    /// Of the last epoch.
    pub map50: f64,
    pub map50_95: f64,
    /// The best of any epoch.
    pub best_map50_95: f64,
    /// The imitation loss at λ = 1, summed over the scales that have one: means of the first and of the last epoch. `None`
    /// for a baseline, and where no cell ever counted.
    #[serde(rename = "imitation_first")]
    pub distance_of_first_epoch: Option<f64>,
    #[serde(rename = "imitation_last")]
    pub distance_of_last_epoch: Option<f64>,
    /// Wall time of its steps.
    pub seconds: f64,
    /// The student before its first step.
    pub before: Option<Accuracy>,
    pub teacher: Option<Accuracy>,
    /// The averaged weights after the last step, `weights/last`.
    pub last: Option<Accuracy>,
    pub best: Option<BestEpoch>,
    /// The same weights as `last` on the test split, where the data have one: nothing was chosen on it.
    pub test: Option<Accuracy>,
}

impl RunResult {
    /// Takes in what a run says. One that is resumed begins with what its folder holds of its first part; an error is that
    /// of reading it.
    pub fn follow(&mut self, id: RunId, event: &RunEvent) -> Result<(), RecordError> {
        match event {
            RunEvent::Started(summary) => {
                *self = Self { seed: id.seed, variant: Some(id.variant), ..Self::default() };
                if summary.first_step > 0 {
                    let tables = RunTables::read(&summary.folder)?;
                    tables.steps.iter().for_each(|step| self.step(step));
                    tables.epochs.iter().for_each(|epoch| self.epoch(epoch));
                }
            }
            RunEvent::Start(start) => self.start(start),
            RunEvent::Step(step) => self.step(step),
            RunEvent::Epoch(epoch) => self.epoch(epoch),
            RunEvent::Tested(test) => self.tested(test),
            RunEvent::Stage { .. }
            | RunEvent::Snapshot(_)
            | RunEvent::Warning(_)
            | RunEvent::Saving
            | RunEvent::Saved { .. }
            | RunEvent::Ended(_) => {}
        }
        Ok(())
    }

    pub fn start(&mut self, start: &StartRecord) {
        self.before = Some((&start.student).into());
        self.teacher = start.teacher.as_ref().map(Accuracy::from);
    }

    pub fn tested(&mut self, test: &Evaluation) {
        self.test = Some(test.into());
    }

    fn step(&mut self, step: &StepRecord) {
        self.lambda = step.lambda;
        self.seconds += step.seconds;
    }

    pub fn epoch(&mut self, epoch: &EpochRecord) {
        if let Some(distance) = epoch.mean.whole_distance() {
            self.distance_of_first_epoch = self.distance_of_first_epoch.or(Some(distance));
            self.distance_of_last_epoch = Some(distance);
        }
        if let Some(evaluation) = &epoch.evaluation {
            let accuracy = Accuracy::from(evaluation);
            (self.map50, self.map50_95) = (accuracy.map50, accuracy.map50_95);
            self.best_map50_95 = self.best_map50_95.max(accuracy.map50_95);
            self.last = Some(accuracy);
            if epoch.best {
                self.best = Some(BestEpoch { epoch: epoch.epoch, accuracy });
            }
        }
    }

    pub fn imitates(&self) -> bool {
        self.variant.map_or(self.distance_of_first_epoch.is_some(), |variant| variant == Variant::Imitation)
    }

    /// In plain words, for a terminal. `other`: the other run of its pair, where that has ended.
    pub fn sentence(&self, other: Option<&Self>) -> String {
        self.line(other).english()
    }

    /// The same for the window, which has other languages.
    pub fn line(&self, other: Option<&Self>) -> Line {
        let digits = |map: f64| format!("{map:.4}");
        let nothing = || Line::from("");
        let before =
            self.before.map_or_else(nothing, |before| say!("{before} before -> ", before = digits(before.map50_95)));
        let best = self.best.map_or_else(nothing, |best| {
            say!(" (best {best} at epoch {epoch})", best = digits(best.accuracy.map50_95), epoch = best.epoch)
        });
        let teacher = self
            .teacher
            .map_or_else(nothing, |teacher| say!("; teacher {teacher}", teacher = digits(teacher.map50_95)));
        let baseline = other.map_or_else(nothing, |other| match other.imitates() {
            true => say!("; with imitation {map}", map = digits(other.map50_95)),
            false => say!("; baseline {map}", map = digits(other.map50_95)),
        });
        let test = self.test.map_or_else(nothing, |test| say!("; on test {map}", map = digits(test.map50_95)));
        say!(
            "mAP50-95 on val: {before}{last} at the end{best}{teacher}{baseline}{test}",
            before = before,
            last = digits(self.map50_95),
            best = best,
            teacher = teacher,
            baseline = baseline,
            test = test
        )
    }

    /// What is said of a student that ended below where it started; `None` where it did not, and where that is not known.
    pub fn fall(&self) -> Option<String> {
        fall(self.before?.map50_95, self.last?.map50_95)
    }
}

/// What is said of a student whose mAP50-95 fell from before its first step to after its last one, as far as three digits
/// show it.
pub(in crate::train) fn fall(before: f64, last: f64) -> Option<String> {
    let [before_text, last_text] = [before, last].map(|map| format!("{map:.3}"));
    let fell = last < before && before_text != last_text;
    fell.then(|| format!("the student ended below its start: mAP50-95 {before_text} before, {last_text} after"))
}

/// `comparison.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub runs: Vec<RunResult>,
    /// mAP50-95 on val with imitation minus without, mean over the seeds; `None` before a pair is complete.
    pub difference: Option<f64>,
    /// Its sample standard deviation; `None` below two pairs.
    pub spread: Option<f64>,
    /// Of the weights after the last step, so that nothing is chosen by what it is measured on: on test where every pair has
    /// been tested, else on val. `None` before a pair is complete, and in files of version 0.1.0.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

impl Comparison {
    /// Pairs by seed.
    pub fn of(runs: Vec<RunResult>) -> Self {
        let (split, differences) = judged(&runs);
        let differences: Vec<f64> = differences.into_iter().map(|(_, difference)| difference).collect();
        let verdict = Verdict::of("mAP50-95", split, &differences);
        let on_val: Vec<f64> = pairs(&runs).iter().map(|(run, baseline)| run.map50_95 - baseline.map50_95).collect();
        let lead = Lead::of(&on_val);
        Self { difference: lead.map(|lead| lead.mean), spread: lead.and_then(|lead| lead.spread), verdict, runs }
    }

    /// Seed and difference of every pair that the verdict is of, on its split.
    pub fn differences(&self) -> Vec<(u64, f64)> {
        judged(&self.runs).1
    }

    /// What has to be said of the split: some runs have been tested, and yet val decides.
    pub fn half_tested(&self) -> Option<Line> {
        let (tested, all) = (self.runs.iter().filter(|run| run.test.is_some()).count(), self.runs.len());
        let text =
            || say!("{tested} of {all} runs have been tested, so they are compared on val", tested = tested, all = all);
        (1..all).contains(&tested).then(text)
    }
}

/// Every run with imitation and the baseline of its seed.
fn pairs(runs: &[RunResult]) -> Vec<(&RunResult, &RunResult)> {
    let baseline = |run: &RunResult| runs.iter().find(|other| !other.imitates() && other.seed == run.seed);
    runs.iter().filter(|run| run.imitates()).filter_map(|run| Some((run, baseline(run)?))).collect()
}

/// What a verdict is of: seeds and differences of the pairs, on test where every pair has been tested, else on val.
fn judged(runs: &[RunResult]) -> (&'static str, Vec<(u64, f64)>) {
    let pairs = pairs(runs);
    let tested =
        |(run, baseline): &(&RunResult, &RunResult)| Some((run.seed, run.test?.map50_95 - baseline.test?.map50_95));
    match pairs.iter().map(tested).collect() {
        Some(on_test) => ("test", on_test),
        None => ("val", pairs.iter().map(|(run, baseline)| (run.seed, run.map50_95 - baseline.map50_95)).collect()),
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tested = self.runs.iter().filter(|run| run.test.is_some()).count();
        let column = if tested > 0 { "  test  " } else { "" };
        let rest = "teacher  distance, first -> last epoch  minutes";
        writeln!(f, "seed  run        mAP50   mAP50-95  best    before{column}  {rest}")?;
        for run in &self.runs {
            let variant = if run.imitates() { Variant::Imitation } else { Variant::Baseline }.name();
            let distance = match (run.distance_of_first_epoch, run.distance_of_last_epoch) {
                (Some(first), Some(last)) => format!("{first:.4} -> {last:.4}"),
                _ => "-".to_owned(),
            };
            let or_none = |accuracy: Option<Accuracy>| {
                accuracy.map_or_else(|| "-".to_owned(), |accuracy| format!("{:.4}", accuracy.map50_95))
            };
            let RunResult { seed, map50, map50_95, best_map50_95: best, .. } = run;
            let (before, teacher, minutes) = (or_none(run.before), or_none(run.teacher), run.seconds / 60.0);
            write!(f, "{seed:<5} {variant:<10} {map50:.4}  {map50_95:.4}    {best:.4}  {before:<6}  ")?;
            if tested > 0 {
                write!(f, "{:<6}  ", or_none(run.test))?;
            }
            writeln!(f, "{teacher:<7}  {distance:<29}  {minutes:.1}")?;
        }
        if let Some(line) = self.half_tested() {
            writeln!(f, "{}", line.english())?;
        }
        let below = self.runs.iter().filter(|run| run.fall().is_some()).count();
        if below > 0 {
            writeln!(
                f,
                "{below} of {} runs ended below their start: a lower lr0 or a longer warm-up comes before any comparison",
                self.runs.len()
            )?;
        }
        match &self.verdict {
            Some(verdict) => f.write_str(&verdict.sentence()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::train::event::RunSummary;
    use crate::train::verdict::Says;

    fn result(seed: u64, variant: Variant, map: f64, test: Option<f64>) -> RunResult {
        let of = |map50_95| Accuracy { map50: 2.0 * map50_95, map50_95 };
        RunResult {
            seed,
            variant: Some(variant),
            map50_95: map,
            last: Some(of(map)),
            test: test.map(of),
            ..RunResult::default()
        }
    }

    #[test]
    fn pairs_are_compared_by_seed() {
        let runs = vec![
            result(0, Variant::Imitation, 0.50, None),
            result(0, Variant::Baseline, 0.48, None),
            result(1, Variant::Baseline, 0.47, None),
            result(1, Variant::Imitation, 0.53, None),
            result(2, Variant::Imitation, 0.9, None),
        ];
        let comparison = Comparison::of(runs);
        // 0.02 and 0.06: mean 0.04, sample standard deviation 0.02 · √2.
        assert!((comparison.difference.unwrap() - 0.04).abs() < 1e-12);
        assert!((comparison.spread.unwrap() - 0.02 * 2.0_f64.sqrt()).abs() < 1e-12);
        // 0.04 ± 12.7062 · 0.02 · √2 / √2.
        let verdict = comparison.verdict.unwrap();
        assert_eq!((verdict.split.as_str(), verdict.n, verdict.says), ("val", 2, Says::CannotTell));
        assert!((verdict.low.unwrap() - (0.04 - 12.7062 * 0.02)).abs() < 1e-5);
        let alone = Comparison::of(vec![result(0, Variant::Imitation, 0.5, None)]);
        assert_eq!((alone.difference, alone.verdict), (None, None));
    }

    #[test]
    fn a_verdict_stands_on_test_where_every_pair_has_been_tested() {
        let mut runs = vec![
            result(0, Variant::Imitation, 0.50, Some(0.43)),
            result(0, Variant::Baseline, 0.55, Some(0.40)),
            result(1, Variant::Imitation, 0.50, Some(0.44)),
            result(1, Variant::Baseline, 0.55, Some(0.41)),
            // Half a pair counts for nothing.
            result(2, Variant::Imitation, 0.50, None),
        ];
        let comparison = Comparison::of(runs.clone());
        let verdict = comparison.verdict.as_ref().unwrap();
        assert_eq!((verdict.split.as_str(), verdict.n), ("test", 2));
        assert!((verdict.mean - 0.03).abs() < 1e-12);
        let seeds: Vec<u64> = comparison.differences().iter().map(|(seed, _)| *seed).collect();
        assert_eq!(seeds, [0, 1]);
        assert!(comparison.differences().iter().all(|(_, difference)| (difference - 0.03).abs() < 1e-12));
        // What was there before stays what it was.
        assert!((comparison.difference.unwrap() + 0.05).abs() < 1e-12);
        runs[1].test = None;
        let comparison = Comparison::of(runs);
        let verdict = comparison.verdict.as_ref().unwrap();
        assert_eq!(verdict.split, "val");
        assert!((verdict.mean + 0.05).abs() < 1e-12);
        assert!(comparison.differences().iter().all(|(_, difference)| (difference + 0.05).abs() < 1e-12));
        let text = comparison.to_string();
        assert!(text.contains("3 of 5 runs have been tested, so they are compared on val"), "{text}");
        assert!(text.contains("mAP50-95 on val -0.050"), "{text}");
    }

    /// Two pairs that collapsed: what is left of them differs by nothing that means anything, and that is said first.
    #[test]
    fn runs_that_fell_are_told_before_their_verdict() {
        let of = |map50_95| Some(Accuracy { map50: map50_95, map50_95 });
        let run = |seed, variant, map| RunResult { before: of(0.3), ..result(seed, variant, map, None) };
        let mut runs = vec![
            run(0, Variant::Imitation, 0.0002),
            run(0, Variant::Baseline, 0.0001),
            run(1, Variant::Imitation, 0.0003),
            run(1, Variant::Baseline, 0.0004),
        ];
        let said = |runs: &[RunResult]| Comparison::of(runs.to_vec()).to_string();
        let text = said(&runs);
        assert!(text.contains("4 of 4 runs ended below their start"), "{text}");
        assert!(text.contains("mAP50-95 on val 0.000, 95 % interval -0.001 to +0.001, 2 seeds"), "{text}");
        runs.iter_mut().take(3).for_each(|run| run.last = of(0.3));
        assert!(said(&runs).contains("1 of 4 runs ended below their start"));
        runs[3].before = None;
        assert!(!said(&runs).contains("below their start"));
    }

    #[test]
    fn a_student_that_fell_is_told_so() {
        let said = fall(0.3031, 0.0884).unwrap();
        assert_eq!(said, "the student ended below its start: mAP50-95 0.303 before, 0.088 after");
        assert_eq!((fall(0.3031, 0.3031), fall(0.3031, 0.3029), fall(0.1, 0.2)), (None, None, None));
        let before = Some(Accuracy { map50: 0.4, map50_95: 0.2 });
        let fell = RunResult { before, ..result(0, Variant::Baseline, 0.1, None) };
        assert_eq!(fell.fall().unwrap(), "the student ended below its start: mAP50-95 0.200 before, 0.100 after");
        assert_eq!(result(0, Variant::Baseline, 0.1, None).fall(), None, "nobody knows where it began");
    }

    /// As version 0.1.0 wrote it.
    #[test]
    fn an_old_comparison_is_read() {
        let text = r#"{"runs": [
            {"seed": 0, "lambda": 0.02, "map50": 0.4, "map50_95": 0.2, "best_map50_95": 0.21,
             "imitation_first": 3.0, "imitation_last": 2.0, "seconds": 60.0},
            {"seed": 0, "lambda": 0.0, "map50": 0.3, "map50_95": 0.15, "best_map50_95": 0.15,
             "imitation_first": null, "imitation_last": null, "seconds": 50.0}
          ], "difference": 0.05, "spread": null}"#;
        let old: Comparison = serde_json::from_str(text).unwrap();
        assert_eq!((old.runs[0].distance_of_first_epoch, old.runs[0].before, &old.verdict), (Some(3.0), None, &None));
        let again = Comparison::of(old.runs.clone());
        assert!((again.difference.unwrap() - 0.05).abs() < 1e-12);
        assert_eq!(again.verdict.unwrap().low, None);
        assert!(old.to_string().contains("3.0000 -> 2.0000"));
        // The names that others read are still there.
        let json = serde_json::to_value(&old).unwrap();
        assert_eq!((&json["runs"][0]["imitation_first"], &json["difference"]), (&3.0.into(), &0.05.into()));
    }

    #[test]
    fn a_result_is_what_the_run_said() {
        let id = RunId { seed: 7, variant: Variant::Imitation };
        let evaluation = |map: f64| Evaluation { map50: 2.0 * map, map50_95: map, ..Evaluation::default() };
        let epoch = |epoch: u32, map: f64, best: bool, distance: [Option<f64>; 2]| {
            let mean = StepRecord { distance: distance.to_vec(), ..StepRecord::default() };
            RunEvent::Epoch(Box::new(EpochRecord {
                epoch,
                mean,
                evaluation: Some(evaluation(map)),
                best,
                ..EpochRecord::default()
            }))
        };
        let summary = RunSummary {
            folder: Path::new("/nowhere").to_owned(),
            steps: 2,
            steps_per_epoch: 1,
            first_step: 0,
            scales: Vec::new(),
            images: 1,
            labels: 1,
            val_images: 1,
            device: "CPU".to_owned(),
        };
        let start = StartRecord { student: evaluation(0.30), teacher: Some(evaluation(0.6)) };
        let step = StepRecord { lambda: 0.5, seconds: 2.0, ..StepRecord::default() };
        let mut result = RunResult::default();
        for event in [
            RunEvent::Started(Arc::new(summary)),
            RunEvent::Start(Arc::new(start)),
            RunEvent::Step(step.clone()),
            epoch(0, 0.35, true, [Some(3.0), None]),
            RunEvent::Step(step),
            epoch(1, 0.25, false, [Some(1.0), Some(0.5)]),
            RunEvent::Tested(Arc::new(evaluation(0.2))),
        ] {
            result.follow(id, &event).unwrap();
        }
        let of = |map50_95: f64| Accuracy { map50: 2.0 * map50_95, map50_95 };
        let expected = RunResult {
            seed: 7,
            variant: Some(Variant::Imitation),
            lambda: 0.5,
            map50: 0.5,
            map50_95: 0.25,
            best_map50_95: 0.35,
            distance_of_first_epoch: Some(3.0),
            distance_of_last_epoch: Some(1.5),
            seconds: 4.0,
            before: Some(of(0.3)),
            teacher: Some(of(0.6)),
            last: Some(of(0.25)),
            best: Some(BestEpoch { epoch: 0, accuracy: of(0.35) }),
            test: Some(of(0.2)),
        };
        assert_eq!(result, expected);
        let text = serde_json::to_string(&result).unwrap();
        assert!(text.contains(r#""best":{"epoch":0,"map50":0.7,"map50_95":0.35}"#), "{text}");
        assert_eq!(serde_json::from_str::<RunResult>(&text).unwrap(), expected);
        let baseline = RunResult { map50_95: 0.24, variant: Some(Variant::Baseline), ..RunResult::default() };
        assert_eq!(
            result.sentence(Some(&baseline)),
            "mAP50-95 on val: 0.3000 before -> 0.2500 at the end (best 0.3500 at epoch 0); teacher 0.6000; baseline \
             0.2400; on test 0.2000"
        );
        assert_eq!(baseline.sentence(None), "mAP50-95 on val: 0.2400 at the end");
    }
}
