use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::super::keep::Pace;
use super::super::ladder::Cost;
use super::super::runner::Found;
use super::super::table::{Finalist, SearchTable};
use super::*;
use crate::imitation::loss::Loss;
use crate::train::config::{ImitationConfig, Lambda, Length};
use crate::train::verdict::Says;

/// What lies on disk: it outlives a runner.
#[derive(Default)]
struct Disk {
    ends: BTreeMap<String, TrialEnd>,
    /// Runs that were made, in order.
    runs: Vec<String>,
}

/// The student's mAP50-95 before its first step.
const BEFORE: f64 = 0.05;

/// Runs in no time, by a made-up clock: ten seconds an epoch, times `step`.
struct Fake<'a> {
    disk: &'a RefCell<Disk>,
    clock: f64,
    /// How much longer a step takes than was measured.
    step: f64,
    /// What comes of a candidate (or a baseline) at so many epochs on a seed.
    end: &'a dyn Fn(&str, u32, u64) -> TrialEnd,
    /// The power fails in the run after so many.
    killed_after: Option<usize>,
}

impl Runner for Fake<'_> {
    fn measure(&mut self, _: &[RunConfig], _: &mut dyn FnMut(Loss)) -> Result<Option<Pace>, TrainError> {
        let cost = Cost { step: 0.5, ..Cost::default() };
        Ok(Some(Pace { cost, steps_per_epoch: 20, before: Some(BEFORE), ..Pace::default() }))
    }

    fn run(
        &mut self,
        name: &str,
        config: &RunConfig,
        emit: &mut dyn FnMut(TrialEvent),
    ) -> Result<TrialEnd, TrainError> {
        let Length::Epochs(epochs) = config.length else { panic!("a rung is in epochs") };
        self.clock += 10.0 * self.step * f64::from(epochs) / 2.0;
        emit(TrialEvent::Step { fraction: 0.5, clock: self.clock });
        if self.killed_after == Some(0) {
            return Err(TrainError::Device("killed".to_owned()));
        }
        self.killed_after = self.killed_after.map(|left| left - 1);
        self.clock += 10.0 * self.step * f64::from(epochs) / 2.0;
        let variant = name.rsplitn(3, '-').nth(2).expect("variant, rung and seed");
        assert_eq!(config.teacher.is_none(), variant.starts_with("baseline"));
        let end = (self.end)(variant, epochs, config.seed);
        let mut disk = self.disk.borrow_mut();
        disk.runs.push(name.to_owned());
        assert_eq!(disk.ends.insert(name.to_owned(), end.clone()), None, "{name} was run twice");
        Ok(end)
    }

    fn known(&self, name: &str) -> Option<TrialEnd> {
        self.disk.borrow().ends.get(name).cloned()
    }

    fn clock(&self) -> f64 {
        self.clock
    }
}

/// Candidates of these names, at the base's learning rate but for those that end in "-slow".
fn search(names: &[&str], minutes: f64, longest: u32) -> Search {
    let base = RunConfig { teacher: Some("t.pt".into()), length: Length::Epochs(longest), ..RunConfig::default() };
    let candidates = (1..).zip(names).map(|(number, name)| Candidate {
        name: (*name).to_owned(),
        lr0: if name.ends_with("-slow") { 0.001 } else { base.hyp.lr0 },
        imitation: ImitationConfig { lambda: Lambda::Fixed(f64::from(number)), ..ImitationConfig::default() },
    });
    Search { minutes, candidates: candidates.collect(), base, ..Search::default() }
}

struct Play<'a> {
    folder: &'a Path,
    disk: &'a RefCell<Disk>,
    step: f64,
    end: &'a dyn Fn(&str, u32, u64) -> TrialEnd,
}

impl Play<'_> {
    fn go(&self, search: &mut Search, killed_after: Option<usize>) -> Result<Ending, TrainError> {
        let mut fake = Fake { disk: self.disk, clock: 0.0, step: self.step, end: self.end, killed_after };
        go(search, &SearchFolder::new(self.folder), &mut fake, &mut |_| {})
    }

    fn to_the_end(&self, search: &mut Search) -> SearchTable {
        match self.go(search, None).expect("a search") {
            Ending::Finished(table) => *table,
            Ending::Stopped => panic!("nobody stopped it"),
        }
    }
}

fn on_val(val: f64) -> TrialEnd {
    TrialEnd::Finished(Found { val, test: None })
}

/// 0.4 without imitation; each candidate its own gain; 0.001 a seed on top.
fn with_gains(gains: &'static [(&'static str, f64)]) -> impl Fn(&str, u32, u64) -> TrialEnd {
    |variant, _, seed| {
        let gain = gains.iter().find(|(name, _)| *name == variant).map_or(0.0, |(_, gain)| *gain);
        on_val(0.4 + gain + 0.001 * seed as f64)
    }
}

fn near(value: f64, expected: f64) -> bool {
    (value - expected).abs() < 1e-12
}

#[test]
fn the_better_half_goes_on_and_the_last_two_meet_fresh_seeds() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let end = with_gains(&[("a", 0.01), ("b", 0.05), ("c", -0.02), ("d", 0.03), ("e", 0.02)]);
    let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
    // Five at 3 epochs, three at 6 (a baseline each): 180 + 240 s; a fresh seed of two and a baseline: 180 s. Two are
    // planned, 780 s; 4 epochs would need 1040 s. After 420 s, 580 s are three seeds.
    let mut search = search(&["a", "b", "c", "d", "e"], 1000.0 / 60.0, 20);
    let table = play.to_the_end(&mut search);
    let mut expected: Vec<String> =
        ["baseline", "a", "b", "c", "d", "e"].map(|variant| format!("{variant}-1-0")).to_vec();
    expected.extend(["baseline", "b", "d", "e"].map(|variant| format!("{variant}-2-0")));
    for seed in 1..=3 {
        expected.extend(["baseline", "b", "d"].map(|variant| format!("{variant}-final-{seed}")));
    }
    assert_eq!(disk.borrow().runs, expected);
    assert!(near(search.spent, 420.0 + 3.0 * 180.0), "{}", search.spent);
    let row = |name: &str| table.candidates.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("c").rungs.len(), 1);
    assert!(near(row("c").rungs[0].difference, -0.02) && near(row("c").rungs[0].baseline, 0.4));
    assert_eq!(row("d").rungs.iter().map(|score| score.epochs).collect::<Vec<_>>(), [3, 6]);
    let names: Vec<&str> = table.finalists.iter().map(|finalist| finalist.name.as_str()).collect();
    assert_eq!((names, table.best.as_deref()), (vec!["b", "d"], Some("b")));
    let verdict = table.verdict.as_ref().unwrap();
    assert!(verdict.n == 3 && near(verdict.mean, 0.05) && verdict.split == "val");
    assert_eq!(verdict.says, Says::Helps);
    // The whole run, as `train --config` takes it.
    let best = RunConfig::parse(&std::fs::read_to_string(folder.path().join("best.toml")).unwrap()).unwrap();
    assert_eq!((best.length, best.imitation.lambda), (Length::Epochs(6), Lambda::Fixed(2.0)));
    assert_eq!((best.evaluate_every, best.teacher), (1, Some("t.pt".into())));
    // The text says all of it.
    let text = table.to_string();
    assert!(text.contains("0.4500 (+0.0500)") && text.contains("5 of 5 candidates tried; b is the best"), "{text}");
    // Once more does nothing.
    let before = disk.borrow().runs.len();
    assert_eq!(play.to_the_end(&mut search).finalists, table.finalists);
    assert_eq!(disk.borrow().runs.len(), before);
}

#[test]
fn the_verdict_is_on_test_where_there_is_one() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    // Better on val, worse on test by a steady 0.01.
    let end = |variant: &str, _: u32, seed: u64| {
        let (val, test) = if variant == "baseline" { (0.4, 0.5) } else { (0.42, 0.49) };
        TrialEnd::Finished(Found { val, test: Some(test + 0.01 * seed as f64) })
    };
    let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
    let table = play.to_the_end(&mut search(&["a"], 1e4, 3));
    let verdict = table.verdict.unwrap();
    assert_eq!((verdict.split.as_str(), verdict.n, verdict.says), ("test", 5, Says::Hurts));
    assert!(near(verdict.mean, -0.01) && near(table.finalists[0].runs[0].difference, 0.02));
}

#[test]
fn a_gain_among_runs_that_fell_is_told_after_the_fall() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    // Every seed gains .002 over its baseline, and all end far below the start.
    let end = |name: &str, _: u32, seed: u64| {
        let val = 0.002 + 0.0001 * seed as f64 + if name == "baseline" { 0.0 } else { 0.002 };
        TrialEnd::Finished(Found { val, test: None })
    };
    let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
    let table = play.to_the_end(&mut search(&["a"], 1e4, 3));
    assert_eq!(table.verdict.as_ref().map(|verdict| verdict.says), Some(Says::Helps));
    // The mean of seeds 1 to 5 with imitation: 0.002 + 0.0003 + 0.002.
    let fall = "the student ended below its start: mAP50-95 0.050 before, 0.004 after, with imitation and without: a lower lr0";
    assert!(table.conclusion.starts_with(fall), "{}", table.conclusion);
    assert!(table.fell.is_some_and(|[before, last]| before == BEFORE && near(last, 0.0043)), "{:?}", table.fell);
}

#[test]
fn ties_go_by_name() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let end = with_gains(&[]);
    let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
    let table = play.to_the_end(&mut search(&["z", "m", "k", "b"], 1e4, 3));
    assert_eq!(table.finalists.iter().map(|f| f.name.clone()).collect::<Vec<_>>(), ["b", "k"]);
    // No gain is no reason to imitate.
    assert_eq!(table.best.as_deref(), Some("baseline"));
    assert!(table.conclusion.contains("no better than training without imitation"), "{}", table.conclusion);
    let best = RunConfig::parse(&std::fs::read_to_string(folder.path().join("best.toml")).unwrap()).unwrap();
    assert_eq!(best.teacher, None);
}

#[test]
fn a_gain_over_a_baseline_that_was_trained_worse_does_not_count() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    // The slow one gains .1 over its own baseline, and is still below the other.
    let end = with_gains(&[("baseline-lr0.001", -0.2), ("a-slow", -0.1), ("b", 0.01), ("c", 0.02)]);
    let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
    let table = play.to_the_end(&mut search(&["a-slow", "b", "c"], 1e4, 3));
    let runs = disk.borrow().runs[..5].to_vec();
    assert_eq!(runs, ["baseline-1-0", "baseline-lr0.001-1-0", "a-slow-1-0", "b-1-0", "c-1-0"]);
    assert!(near(table.candidates[0].rungs[0].difference, -0.1));
    assert_eq!(table.finalists.iter().map(|f| f.name.clone()).collect::<Vec<_>>(), ["c", "b"]);
}

#[test]
fn a_candidate_that_cannot_run_is_out_and_a_baseline_that_cannot_ends_it() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let fails = |variant: &'static str| {
        move |other: &str, _: u32, seed: u64| match other == variant {
            true => TrialEnd::Failed("the loss is NaN".to_owned()),
            false => on_val(if other == "baseline" { 0.1 } else { 0.2 + 0.01 * seed as f64 }),
        }
    };
    let end = fails("a");
    let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
    let table = play.to_the_end(&mut search(&["a", "b", "c", "d"], 1e4, 3));
    assert_eq!((table.candidates[0].failed.as_deref(), table.candidates[0].rungs.len()), (Some("the loss is NaN"), 0));
    assert_eq!(table.finalists.iter().map(|f: &Finalist| f.name.clone()).collect::<Vec<_>>(), ["b", "c"]);
    let (other, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let end = fails("baseline");
    let play = Play { folder: other.path(), disk: &disk, step: 1.0, end: &end };
    let error = play.go(&mut search(&["a", "b"], 1e4, 3), None).expect_err("nothing to compare with").to_string();
    assert!(error.contains("the run without imitation fails") && error.contains("the loss is NaN"), "{error}");
}

#[test]
fn more_candidates_come_in_where_runs_are_faster_than_measured() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let end = with_gains(&[("a", 0.01), ("d", 0.02), ("e", 0.5)]);
    let play = Play { folder: folder.path(), disk: &disk, step: 0.5, end: &end };
    // As measured, three candidates: 4 · 30 + 2 · 3 · 30 = 300 s; four would be 330 s. They really take half as long:
    // after 60 s, a fourth with two seeds is 15 + 90 s. A fifth brings a rung of 6 epochs: 15 + 4 · 30 + 6 · 30 = 315 s,
    // of which 245 s are left; they are five seeds of 45 s.
    let mut asked = search(&["a", "b", "c", "d", "e"], 320.0 / 60.0, 20);
    let table = play.to_the_end(&mut asked);
    let names = ["baseline", "a", "b", "c", "d"].map(|variant| format!("{variant}-1-0"));
    assert_eq!(disk.borrow().runs[..6], [&names[..], &["baseline-final-1".to_owned()]].concat());
    assert_eq!((table.finalists[0].name.as_str(), table.finalists[0].runs.len()), ("d", 5));
    assert_eq!(asked.ladder, Some(Ladder { candidates: 4, rungs: vec![3], finals: 3 }));
    assert!(near(asked.spent, 300.0), "{}", asked.spent);
}

#[test]
fn the_budget_holds_on_a_machine_that_becomes_slower() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let end = with_gains(&[("a", 0.01), ("b", 0.02), ("c", 0.03)]);
    // Planned: three and a baseline of 3 epochs, 120 s, two seeds 180 s. Every step takes five times as long.
    let play = Play { folder: folder.path(), disk: &disk, step: 5.0, end: &end };
    let mut asked = search(&["a", "b", "c"], 5.0, 20);
    let table = play.to_the_end(&mut asked);
    // The baseline took 150 s; a run and two seeds of one finalist would be 150 + 600 s more.
    assert_eq!(disk.borrow().runs, ["baseline-1-0"]);
    assert_eq!((table.best.as_deref(), table.finalists.len()), (None, 0));
    assert!(table.conclusion.contains("the budget ended before any candidate"), "{}", table.conclusion);
    assert!(!folder.path().join("best.toml").exists());
    // With more of it the search goes on where it was: 15 min are 150 s, a run, and two seeds of one.
    asked.minutes = 15.0;
    let table = play.to_the_end(&mut asked);
    assert_eq!(disk.borrow().runs[1..], ["a-1-0", "baseline-final-1", "a-final-1", "baseline-final-2", "a-final-2"]);
    assert_eq!(table.best.as_deref(), Some("a"));
    assert!(near(asked.spent, 6.0 * 150.0) && asked.spent <= 60.0 * asked.minutes);
}

#[test]
fn a_budget_that_is_too_small_says_what_is_needed() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let end = with_gains(&[]);
    let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
    let mut asked = search(&["a", "b", "c"], 1.0, 20);
    // One candidate and its baseline on two seeds, 3 epochs of 10 s each: 120 s.
    let error = play.go(&mut asked, None).expect_err("too short");
    assert!(matches!(error, TrainError::Budget { minutes: 1.0, needed: 2.0 }), "{error}");
    assert!(error.to_string().contains("a budget of 1 min is too short") && error.to_string().contains("about 2 min"));
    asked.minutes = 2.0;
    assert_eq!(play.to_the_end(&mut asked).finalists.len(), 1);
}

/// Killed in every run there is, and resumed from what lies on disk.
#[test]
fn a_search_that_is_killed_goes_on_to_the_same_table() {
    let end = with_gains(&[("a", 0.01), ("b", 0.05), ("c", -0.02), ("d-slow", 0.03), ("e", 0.02)]);
    let asked = search(&["a", "b", "c", "d-slow", "e"], 1e4, 6);
    let (whole, whole_disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let play = Play { folder: whole.path(), disk: &whole_disk, step: 1.0, end: &end };
    let expected = play.to_the_end(&mut asked.clone());
    let (folder, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
    let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
    let files = SearchFolder::new(folder.path());
    files.write(&asked).unwrap();
    let mut kills = 0;
    let table = loop {
        // What memory held is gone.
        let mut search = files.read().unwrap();
        match play.go(&mut search, Some(kills % 2)) {
            Ok(Ending::Finished(table)) => break *table,
            Ok(Ending::Stopped) => panic!("nobody stopped it"),
            Err(error) => assert_eq!(error.to_string(), "device: killed"),
        }
        kills += 1;
    };
    assert!(kills > 15, "{kills}");
    assert_eq!(disk.borrow().runs, whole_disk.borrow().runs);
    // Half runs that were killed cost their time.
    assert!(table.spent_minutes > expected.spent_minutes);
    assert_eq!(SearchTable { spent_minutes: expected.spent_minutes, ..table }, expected);
}
