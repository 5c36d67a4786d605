//! The loop: rung after rung the better half goes on, then fresh seeds decide. What runs, and how long it takes, is behind
//! [`Runner`].

use std::ops::ControlFlow;
use std::sync::Arc;

use super::candidates::Candidate;
use super::event::{Ending, Running, SearchEvent};
use super::keep::{Rung, Search, SearchFolder};
use super::ladder::{FINALISTS, Ladder, SEEDS};
use super::results::{Results, baseline_config, baseline_name, fresh_seeds, rung_folder};
use super::runner::{Runner, TrialEnd, TrialEvent};
use crate::files::atomic;
use crate::train::TrainError;
use crate::train::config::RunConfig;

/// Seconds between two notes of what was spent while a run goes on.
const NOTE_EVERY: f64 = 5.0;

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
    let noted = halving.note();
    if ended.is_ok() {
        noted?;
    }
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
        self.note()?;
        let Some(mut ladder) = self.plan()? else { return Ok(Ending::Stopped) };
        let names = self.search.candidates.iter().map(|candidate| candidate.name.clone());
        let mut entrants: Vec<String> = names.take(ladder.candidates).collect();
        let mut rung = 0;
        while let Some(&epochs) = ladder.rungs.get(rung)
            && entrants.len() > FINALISTS
        {
            if rung == self.search.rungs.len() {
                self.search.rungs.push(Rung { epochs, candidates: entrants });
                self.note()?;
            }
            // A rung from which others went on is closed, whatever time there is now.
            if self.search.finals.is_none() && rung + 1 == self.search.rungs.len() {
                loop {
                    if self.rung(rung)?.is_break() {
                        return Ok(Ending::Stopped);
                    }
                    match self.widened(&ladder).filter(|_| rung == 0) {
                        Some(wider) => self.widen(&mut ladder, wider)?,
                        None => break,
                    }
                }
            }
            entrants = self.results().better_half(rung);
            rung += 1;
        }
        if self.finals(entrants, ladder.finals)?.is_break() {
            return Ok(Ending::Stopped);
        }
        let (table, best) = self.results().conclude();
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

    /// Keeps what is decided and spent, and says it.
    fn note(&mut self) -> Result<(), TrainError> {
        self.search.spent = self.spent();
        self.folder.write(self.search)?;
        (self.emit)(SearchEvent::Search(Arc::new(self.search.clone())));
        Ok(())
    }

    /// The pace and what fits the budget at it; `None` when stopped.
    fn plan(&mut self) -> Result<Option<Ladder>, TrainError> {
        if let Some(ladder) = &self.search.ladder {
            return Ok(Some(ladder.clone()));
        }
        if self.search.pace.is_none() {
            let configs: Vec<RunConfig> =
                self.search.candidates.iter().map(|candidate| candidate.config(&self.search.base, 1, 0)).collect();
            let emit = &mut self.emit;
            let found = self.runner.measure(&configs, &mut |loss| emit(SearchEvent::Measuring(loss)))?;
            let Some(pace) = found else { return Ok(None) };
            self.search.pace = Some(pace);
        }
        self.note()?;
        let ladder = self.search.affordable(self.left()).map_err(|least| {
            let needed = ((least + self.spent()) / 60.0 * 10.0).ceil() / 10.0;
            TrainError::Budget { minutes: self.search.minutes, needed }
        })?;
        self.search.ladder = Some(ladder.clone());
        self.note()?;
        Ok(Some(ladder))
    }

    /// The ladder with one candidate more, where runs are so much faster than measured that what is left is enough for it.
    fn widened(&self, ladder: &Ladder) -> Option<Ladder> {
        let terms = self.search.terms(self.left());
        let wider = ladder.with_one_more(&terms)?;
        let done = ladder.first_rung(&terms);
        (wider.seconds(&terms, *SEEDS.start()) - done <= terms.seconds).then_some(wider)
    }

    /// Takes the next candidate into the first rung.
    fn widen(&mut self, ladder: &mut Ladder, wider: Ladder) -> Result<(), TrainError> {
        let next = self.search.candidates.get(wider.candidates - 1).map(|candidate| candidate.name.clone());
        if let Some(rung) = self.search.rungs.first_mut() {
            rung.candidates.extend(next);
        }
        self.search.ladder = Some(wider.clone());
        *ladder = wider;
        self.note()
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
                let is_whole = !self.folder.run(folder).exists();
                let begin = self.runner.clock();
                let Self { search, folder: files, runner, emit, spent_before } = self;
                let mut noted = (begin, Ok(()));
                let end = runner.run(folder, &config, &mut |event| match event {
                    TrialEvent::Warning(text) => emit(SearchEvent::Warning(text)),
                    TrialEvent::Step { fraction, clock } => {
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
                if let (TrialEnd::Finished(_), true, Some(pace)) = (&end, is_whole, &mut self.search.pace) {
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
                return Err(TrainError::Baseline(why));
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
                // Who failed on one seed is out on the others.
                if trial.candidate.is_some() && self.results().failure(&trial.name).is_some() {
                    continue;
                }
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
mod tests;
