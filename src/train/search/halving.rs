//! The loop: rung after rung the better half goes on, then fresh seeds decide. What runs, and how long it takes, is behind
//! [`Runner`].

use std::ops::ControlFlow;
use std::sync::Arc;

use super::candidates::Candidate;
use super::keep::{Pace, Rung, Search, SearchFolder};
use super::ladder::{FINALISTS, Ladder, SEEDS, Terms};
use super::results::{Results, baseline_config, baseline_name, fresh_seeds, rung_folder};
use super::table::SearchTable;
use crate::export::atomic;
use crate::train::TrainError;
use crate::train::config::{Length, RunConfig};

/// Seconds between two notes of what was spent while a run goes on.
const NOTE_EVERY: f64 = 5.0;

/// mAP50-95 at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    pub val: f64,
    /// Where the data has that split.
    pub test: Option<f64>,
}

/// How one run of a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialEnd {
    Finished(Accuracy),
    /// The imitation itself cannot run, with its reason.
    Failed(String),
    /// By a person.
    Stopped,
}

/// Whom the loop asks to run things. Results outlive it: what has ended once is [`Runner::known`] ever after.
pub trait Runner {
    /// What runs cost here, from a few steps of each; `None` where a person stopped it. `say` hears what it is at.
    fn measure(&mut self, configs: &[RunConfig], say: &mut dyn FnMut(&str)) -> Result<Option<Pace>, TrainError>;

    /// A run to its end, in the folder `name`; goes on with what lies there.
    fn run(&mut self, name: &str, config: &RunConfig, tell: &mut dyn FnMut(Told)) -> Result<TrialEnd, TrainError>;

    fn known(&self, name: &str) -> Option<TrialEnd>;

    /// s since it was made.
    fn clock(&self) -> f64;
}

/// What a run says on its way.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// How much of the run is done, and the runner's clock.
    Step {
        fraction: f32,
        clock: f64,
    },
    Warning(String),
}

/// All that a search ever says: plain records.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchEvent {
    /// Before there is a plan.
    Measuring(String),
    Planned(Arc<Search>),
    Running(Running),
    /// A run has ended; the table with it.
    Table(Arc<SearchTable>),
    Warning(String),
}

/// The run in hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// A candidate's name, or the baseline's.
    pub name: String,
    /// From 1; the number after the last rung stands for the fresh seeds.
    pub rung: usize,
    pub rungs: usize,
    /// Which run of the rung it is, from 1, and how many there are. On fresh seeds, of its seed.
    pub run: usize,
    pub runs: usize,
    pub seed: u64,
    pub epochs: u32,
    pub fraction: f32,
    /// Of the budget, s; 0 where it is used up.
    pub seconds_left: f64,
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Finished(Box<SearchTable>),
    /// By a person; it can be resumed.
    Stopped,
}

/// Goes through a search from where it stands to its end.
pub fn go(
    search: &mut Search,
    folder: &SearchFolder,
    runner: &mut dyn Runner,
    emit: &mut dyn FnMut(SearchEvent),
) -> Result<Ending, TrainError> {
    let spent_before = search.spent;
    let mut halving = Halving { search, folder, runner, emit, spent_before };
    let ended = halving.go();
    halving.note()?;
    ended
}

struct Halving<'a> {
    search: &'a mut Search,
    folder: &'a SearchFolder,
    runner: &'a mut dyn Runner,
    emit: &'a mut dyn FnMut(SearchEvent),
    spent_before: f64,
}

/// A run with its place in the search.
struct Trial {
    name: String,
    /// `None` is the baseline of this learning rate.
    candidate: Option<Candidate>,
    lr0: f64,
}

impl Halving<'_> {
    fn go(&mut self) -> Result<Ending, TrainError> {
        let Some(ladder) = self.plan()? else { return Ok(Ending::Stopped) };
        (self.emit)(SearchEvent::Planned(Arc::new(self.search.clone())));
        let names = self.search.candidates.iter().map(|candidate| candidate.name.clone());
        let mut entrants: Vec<String> = names.take(ladder.candidates).collect();
        for (rung, &epochs) in ladder.rungs.iter().enumerate() {
            if entrants.len() <= FINALISTS {
                break;
            }
            if rung == self.search.rungs.len() {
                self.search.rungs.push(Rung { epochs, candidates: entrants.clone() });
                self.note()?;
            }
            // A rung from which others went on is closed, whatever time there is now.
            let is_last = self.search.finals.is_none() && rung + 1 == self.search.rungs.len();
            if is_last && self.rung(rung)?.is_break() {
                return Ok(Ending::Stopped);
            }
            entrants = self.results().better_half(rung, entrants);
        }
        if self.finals(entrants, ladder.finals)?.is_break() {
            return Ok(Ending::Stopped);
        }
        let (table, best) = self.results().conclude(self.folder.path());
        if let Some(best) = best {
            let text = toml::to_string(&best).map_err(|error| TrainError::Config(error.to_string()))?;
            let text = format!("# {}\n{text}", table.conclusion);
            atomic::write(&self.folder.best(), text.as_bytes())?;
        }
        atomic::write_json(&self.folder.table(), &table)?;
        (self.emit)(SearchEvent::Table(Arc::new(table.clone())));
        Ok(Ending::Finished(Box::new(table)))
    }

    fn results(&self) -> Results<'_> {
        Results { search: self.search, runner: self.runner }
    }

    fn spent(&self) -> f64 {
        self.spent_before + self.runner.clock()
    }

    fn left(&self) -> f64 {
        60.0 * self.search.minutes - self.spent()
    }

    fn note(&mut self) -> Result<(), TrainError> {
        self.search.spent = self.spent();
        self.folder.write(self.search)
    }

    /// The pace and what fits the budget at it; `None` when stopped.
    fn plan(&mut self) -> Result<Option<Ladder>, TrainError> {
        if let Some(ladder) = &self.search.ladder {
            return Ok(Some(ladder.clone()));
        }
        let pace = match self.search.pace {
            Some(pace) => pace,
            None => {
                let configs: Vec<RunConfig> =
                    self.search.candidates.iter().map(|candidate| candidate.config(&self.search.base, 1, 0)).collect();
                let emit = &mut self.emit;
                let found = self.runner.measure(&configs, &mut |what| emit(SearchEvent::Measuring(what.to_owned())))?;
                let Some(pace) = found else { return Ok(None) };
                self.search.pace = Some(pace);
                pace
            }
        };
        self.note()?;
        let lr0s: Vec<f64> = self.search.candidates.iter().map(|candidate| candidate.lr0).collect();
        let longest = match self.search.base.length {
            Length::Epochs(epochs) => epochs,
            Length::Steps(steps) => steps.div_ceil(pace.steps_per_epoch.max(1)).min(u64::from(u32::MAX)) as u32,
        };
        let terms = Terms {
            seconds: self.left(),
            cost: pace.cost,
            steps_per_epoch: pace.steps_per_epoch,
            longest: longest.max(1),
            lr0: self.search.base.hyp.lr0,
            lr0s: &lr0s,
        };
        let ladder = Ladder::of(&terms).map_err(|least| {
            let minutes = ((least + self.spent()) / 60.0 * 10.0).ceil() / 10.0;
            TrainError::Config(format!(
                "a budget of {} min is too short: one candidate beside its baseline on two seeds needs about {minutes} min \
                 here; `distillscope search --resume {} --minutes {}` goes on",
                self.search.minutes,
                self.folder.path().display(),
                minutes.ceil()
            ))
        })?;
        self.search.ladder = Some(ladder.clone());
        self.note()?;
        Ok(Some(ladder))
    }

    fn baseline(&self, lr0: f64) -> Trial {
        Trial { name: baseline_name(&self.search.base, lr0), candidate: None, lr0 }
    }

    /// Every entrant, each after the baseline of its learning rate; the base's own baseline comes first.
    fn trials(&self, names: &[String]) -> Vec<Trial> {
        let mut trials = vec![self.baseline(self.search.base.hyp.lr0)];
        for candidate in names.iter().filter_map(|name| self.search.candidate(name)) {
            let lr0 = candidate.lr0;
            if !trials.iter().any(|trial| trial.lr0 == lr0) {
                trials.push(self.baseline(lr0));
            }
            trials.push(Trial { name: candidate.name.clone(), candidate: Some(candidate), lr0 });
        }
        trials
    }

    fn rung(&mut self, rung: usize) -> Result<ControlFlow<()>, TrainError> {
        let Rung { epochs, candidates } = self.search.rungs[rung].clone();
        let seed = self.search.base.seed;
        let finals = self.search.ladder.as_ref().map_or(epochs, |ladder| ladder.finals);
        let trials = self.trials(&candidates);
        for (at, trial) in trials.iter().enumerate() {
            let folder = rung_folder(&trial.name, Some(rung), seed);
            // What is left is enough for this run and for two fresh seeds of one finalist; else the rung ends early.
            let pace = self.search.pace.unwrap_or_default();
            let needed = pace.run(epochs) + 2.0 * *SEEDS.start() as f64 * pace.run(finals);
            let is_first = at == 0;
            if self.runner.known(&folder).is_none() && !is_first && self.left() < needed {
                continue;
            }
            let running =
                Running { rung: rung + 1, run: at + 1, runs: trials.len(), ..self.running(trial, epochs, seed) };
            if self.run(trial, &folder, running)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn running(&self, trial: &Trial, epochs: u32, seed: u64) -> Running {
        let rungs = self.search.ladder.as_ref().map_or(0, |ladder| ladder.rungs.len());
        let (name, seconds_left) = (trial.name.clone(), self.left().max(0.0));
        Running { name, rung: rungs + 1, rungs, run: 1, runs: 1, seed, epochs, fraction: 0.0, seconds_left }
    }

    /// Runs one, if it has not been; afterwards its result is known.
    fn run(&mut self, trial: &Trial, folder: &str, running: Running) -> Result<ControlFlow<()>, TrainError> {
        let known = self.runner.known(folder);
        let fresh = known.is_none();
        let end = match known {
            Some(end) => end,
            None => {
                let (epochs, seed) = (running.epochs, running.seed);
                let config = match &trial.candidate {
                    Some(candidate) => candidate.config(&self.search.base, epochs, seed),
                    None => baseline_config(&self.search.base, trial.lr0, epochs, seed),
                };
                (self.emit)(SearchEvent::Running(running.clone()));
                let begin = self.runner.clock();
                let Self { search, folder: files, runner, emit, spent_before } = self;
                let mut noted = (begin, Ok(()));
                let end = runner.run(folder, &config, &mut |told| match told {
                    Told::Warning(text) => emit(SearchEvent::Warning(text)),
                    Told::Step { fraction, clock } => {
                        search.spent = *spent_before + clock;
                        let seconds_left = (60.0 * search.minutes - search.spent).max(0.0);
                        emit(SearchEvent::Running(Running { fraction, seconds_left, ..running.clone() }));
                        if clock - noted.0 >= NOTE_EVERY && noted.1.is_ok() {
                            noted = (clock, files.write(search));
                        }
                    }
                })?;
                noted.1?;
                let taken = self.runner.clock() - begin;
                if let (TrialEnd::Finished(_), Some(pace)) = (&end, &mut self.search.pace) {
                    pace.expected += pace.cost.run(epochs, pace.steps_per_epoch);
                    pace.taken += taken;
                }
                self.note()?;
                end
            }
        };
        match end {
            TrialEnd::Stopped => return Ok(ControlFlow::Break(())),
            TrialEnd::Failed(why) if trial.candidate.is_none() && trial.lr0 == self.search.base.hyp.lr0 => {
                return Err(TrainError::Config(format!("the run without imitation fails: {why}")));
            }
            TrialEnd::Failed(_) | TrialEnd::Finished(_) => {}
        }
        if fresh {
            let table = self.results().table();
            atomic::write_json(&self.folder.table(), &table)?;
            (self.emit)(SearchEvent::Table(Arc::new(table)));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Fresh seeds, as many as the budget allows.
    fn finals(&mut self, entrants: Vec<String>, epochs: u32) -> Result<ControlFlow<()>, TrainError> {
        let pace = self.search.pace.unwrap_or_default();
        let seconds =
            |this: &Self, names: &[String]| (names.len() + this.search.rates(names).len()) as f64 * pace.run(epochs);
        if self.search.finals.is_none() {
            let mut finalists: Vec<String> = entrants.into_iter().take(FINALISTS).collect();
            while !finalists.is_empty() && *SEEDS.start() as f64 * seconds(self, &finalists) > self.left() {
                finalists.pop();
            }
            if finalists.is_empty() {
                return Ok(ControlFlow::Continue(()));
            }
            self.search.finals = Some(Rung { epochs, candidates: finalists });
            self.note()?;
        }
        let Some(Rung { epochs, candidates }) = self.search.finals.clone() else {
            return Ok(ControlFlow::Continue(()));
        };
        let trials = self.trials(&candidates);
        let seeds: Vec<u64> = fresh_seeds(&self.search.base).collect();
        for (done, seed) in (0..).zip(seeds) {
            let folders: Vec<String> = trials.iter().map(|trial| rung_folder(&trial.name, None, seed)).collect();
            let begun = folders.iter().any(|folder| self.runner.known(folder).is_some());
            if done >= *SEEDS.start() && !begun && seconds(self, &candidates) > self.left() {
                break;
            }
            for (at, (trial, folder)) in trials.iter().zip(&folders).enumerate() {
                let running = Running { run: at + 1, runs: trials.len(), ..self.running(trial, epochs, seed) };
                if self.run(trial, folder, running)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::super::ladder::Cost;
    use super::super::table::Finalist;
    use super::*;
    use crate::train::config::{ImitationConfig, Lambda};
    use crate::train::verdict::Says;

    /// What lies on disk: it outlives a runner.
    #[derive(Default)]
    struct Disk {
        ends: BTreeMap<String, TrialEnd>,
        /// Runs that were made, in order.
        runs: Vec<String>,
    }

    /// Runs in no time, by a made-up clock: ten steps of a second each an epoch.
    struct Fake<'a> {
        disk: &'a RefCell<Disk>,
        clock: f64,
        /// Seconds of a step; it was measured as 1.
        step: f64,
        /// What comes of a candidate (or a baseline) at so many epochs on a seed.
        end: &'a dyn Fn(&str, u32, u64) -> TrialEnd,
        /// The power fails in the run after so many.
        killed_after: Option<usize>,
    }

    impl Runner for Fake<'_> {
        fn measure(&mut self, _: &[RunConfig], _: &mut dyn FnMut(&str)) -> Result<Option<Pace>, TrainError> {
            let cost = Cost { step: 1.0, ..Cost::default() };
            Ok(Some(Pace { cost, steps_per_epoch: 10, ..Pace::default() }))
        }

        fn run(&mut self, name: &str, config: &RunConfig, tell: &mut dyn FnMut(Told)) -> Result<TrialEnd, TrainError> {
            let Length::Epochs(epochs) = config.length else { panic!("a rung is in epochs") };
            self.clock += 10.0 * self.step * f64::from(epochs) / 2.0;
            tell(Told::Step { fraction: 0.5, clock: self.clock });
            if self.killed_after == Some(0) {
                return Err(TrainError::Device("killed".to_owned()));
            }
            self.killed_after = self.killed_after.map(|left| left - 1);
            self.clock += 10.0 * self.step * f64::from(epochs) / 2.0;
            let arm = name.rsplitn(3, '-').nth(2).expect("arm, rung and seed");
            assert_eq!(config.teacher.is_none(), arm.starts_with("baseline"));
            let end = (self.end)(arm, epochs, config.seed);
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
        TrialEnd::Finished(Accuracy { val, test: None })
    }

    /// 0.4 without imitation; each candidate its own gain; 0.001 a seed on top.
    fn with_gains(gains: &'static [(&'static str, f64)]) -> impl Fn(&str, u32, u64) -> TrialEnd {
        |arm, _, seed| {
            let gain = gains.iter().find(|(name, _)| *name == arm).map_or(0.0, |(_, gain)| *gain);
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
        let mut expected: Vec<String> = ["baseline", "a", "b", "c", "d", "e"].map(|arm| format!("{arm}-1-0")).to_vec();
        expected.extend(["baseline", "b", "d", "e"].map(|arm| format!("{arm}-2-0")));
        for seed in 1..=3 {
            expected.extend(["baseline", "b", "d"].map(|arm| format!("{arm}-final-{seed}")));
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
        let end = |arm: &str, _: u32, seed: u64| {
            let (val, test) = if arm == "baseline" { (0.4, 0.5) } else { (0.42, 0.49) };
            TrialEnd::Finished(Accuracy { val, test: Some(test + 0.01 * seed as f64) })
        };
        let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
        let table = play.to_the_end(&mut search(&["a"], 1e4, 3));
        let verdict = table.verdict.unwrap();
        assert_eq!((verdict.split.as_str(), verdict.n, verdict.says), ("test", 5, Says::Hurts));
        assert!(near(verdict.mean, -0.01) && near(table.finalists[0].runs[0].difference, 0.02));
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
        let fails = |arm: &'static str| {
            move |other: &str, _: u32, seed: u64| match other == arm {
                true => TrialEnd::Failed("the loss is NaN".to_owned()),
                false => on_val(if other == "baseline" { 0.1 } else { 0.2 + 0.01 * seed as f64 }),
            }
        };
        let end = fails("a");
        let play = Play { folder: folder.path(), disk: &disk, step: 1.0, end: &end };
        let table = play.to_the_end(&mut search(&["a", "b", "c", "d"], 1e4, 3));
        assert_eq!(
            (table.candidates[0].failed.as_deref(), table.candidates[0].rungs.len()),
            (Some("the loss is NaN"), 0)
        );
        assert_eq!(table.finalists.iter().map(|f: &Finalist| f.name.clone()).collect::<Vec<_>>(), ["b", "c"]);
        let (other, disk) = (tempfile::tempdir().unwrap(), RefCell::default());
        let end = fails("baseline");
        let play = Play { folder: other.path(), disk: &disk, step: 1.0, end: &end };
        let error = play.go(&mut search(&["a", "b"], 1e4, 3), None).expect_err("nothing to compare with").to_string();
        assert!(error.contains("the run without imitation fails: the loss is NaN"), "{error}");
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
        assert_eq!(
            disk.borrow().runs[1..],
            ["a-1-0", "baseline-final-1", "a-final-1", "baseline-final-2", "a-final-2"]
        );
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
        let error = play.go(&mut asked, None).expect_err("too short").to_string();
        assert!(error.contains("a budget of 1 min is too short") && error.contains("about 2 min"), "{error}");
        assert!(error.contains("--minutes 2`"), "{error}");
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
}
