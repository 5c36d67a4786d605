//! What a search keeps in `search.toml`: what was asked for, the plan, and every decision that later ones follow from.
//! Results lie with their runs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::candidates::{Candidate, LeftOut};
use super::ladder::{Cost, Ladder, SEEDS, Terms};
use crate::files::{self, atomic};
use crate::train::TrainError;
use crate::train::config::{Length, RunConfig};
use crate::train::record::MAX_KEPT_BYTES;

/// Candidates that train together, each for the whole of its short schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    pub epochs: u32,
    /// By name, the most promising first.
    pub candidates: Vec<String>,
}

/// How long a run takes here, from a few steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    pub cost: Cost,
    pub steps_per_epoch: u64,
    /// The student's mAP50-95 on val before its first step.
    #[serde(default)]
    pub before: Option<f64>,
    /// Seconds that finished runs were thought to take, and took.
    pub expected: f64,
    pub taken: f64,
}

impl Pace {
    /// The cost, corrected by the runs that were made.
    pub fn corrected(&self) -> Cost {
        let correction = if self.expected > 0.0 { self.taken / self.expected } else { 1.0 };
        let Cost { start, step, save, end } = self.cost;
        Cost { start: correction * start, step: correction * step, save: correction * save, end: correction * end }
    }

    /// Seconds of a run at that cost.
    pub fn run(&self, epochs: u32) -> f64 {
        self.corrected().run(epochs, self.steps_per_epoch)
    }
}

/// `search.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// The budget.
    pub minutes: f64,
    /// Of it, s.
    pub spent: f64,
    /// Runs of the rungs are on its seed, fresh seeds follow it; its length is the longest of a run.
    pub base: RunConfig,
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// The most promising first.
    pub candidates: Vec<Candidate>,
    pub pace: Option<Pace>,
    pub ladder: Option<Ladder>,
    /// Those that were begun.
    #[serde(default)]
    pub rungs: Vec<Rung>,
    /// Runs on fresh seeds; `None` before they are begun.
    pub finals: Option<Rung>,
}

impl Search {
    pub fn candidate(&self, name: &str) -> Option<Candidate> {
        self.candidates.iter().find(|candidate| candidate.name == name).cloned()
    }

    /// The base's learning rate, then those of the candidates.
    pub fn rates(&self, names: &[String]) -> Vec<f64> {
        let mut rates = vec![self.base.hyp.lr0];
        for candidate in names.iter().filter_map(|name| self.candidate(name)) {
            if !rates.contains(&candidate.lr0) {
                rates.push(candidate.lr0);
            }
        }
        rates
    }

    /// What a ladder of so many seconds is made from, at the pace so far.
    pub(super) fn terms(&self, seconds: f64) -> Terms {
        let pace = self.pace.unwrap_or_default();
        let longest = match self.base.length {
            Length::Epochs(epochs) => epochs,
            Length::Steps(steps) => steps.div_ceil(pace.steps_per_epoch.max(1)).min(u64::from(u32::MAX)) as u32,
        };
        Terms {
            seconds,
            cost: pace.corrected(),
            steps_per_epoch: pace.steps_per_epoch,
            longest: longest.max(1),
            lr0: self.base.hyp.lr0,
            lr0s: self.candidates.iter().map(|candidate| candidate.lr0).collect(),
        }
    }

    /// What a new search of so many seconds would do, at the pace so far. `Err` has the seconds that the smallest takes.
    pub fn affordable(&self, seconds: f64) -> Result<Ladder, f64> {
        Ladder::of(&self.terms(seconds))
    }

    /// The run of a candidate as a person takes it, and as `best.toml` holds it: as long as its longest one here.
    pub fn setting(&self, name: &str) -> Option<RunConfig> {
        let candidate = self.candidate(name)?;
        let went = |rung: &&Rung| rung.candidates.iter().any(|other| other == name);
        let epochs = self.rungs.iter().chain(&self.finals).filter(went).map(|rung| rung.epochs).max();
        let planned = || self.ladder.as_ref().map(|ladder| ladder.finals);
        let config = match epochs.or_else(planned) {
            Some(epochs) => candidate.config(&self.base, epochs, self.base.seed),
            None => RunConfig { length: self.base.length, ..candidate.config(&self.base, 1, self.base.seed) },
        };
        Some(self.as_asked(config))
    }

    /// With what a short run of a search leaves out because it only costs time.
    pub(super) fn as_asked(&self, config: RunConfig) -> RunConfig {
        let RunConfig { snapshot, evaluate_every, evaluate_start, .. } = self.base.clone();
        RunConfig { snapshot, evaluate_every, evaluate_start, ..config }
    }

    /// The first seed that no run of a search of this base is on.
    pub const fn unused_seed(&self) -> u64 {
        self.base.seed.wrapping_add(1 + *SEEDS.end())
    }
}

/// Files of a search's folder.
#[derive(Clone, Debug)]
pub struct SearchFolder(PathBuf);

impl SearchFolder {
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn search(&self) -> PathBuf {
        self.0.join("search.toml")
    }

    /// The table of results, schema `distillscope.search/1`.
    pub fn table(&self) -> PathBuf {
        self.0.join("search.json")
    }

    /// The run that came out best, for `train --config`.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.toml")
    }

    /// A folder a run.
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    pub fn run(&self, name: &str) -> PathBuf {
        self.runs().join(name)
    }

    pub fn read(&self) -> Result<Search, TrainError> {
        let path = self.search();
        let text = files::read_text(&path, MAX_KEPT_BYTES)?;
        toml::from_str(&text).map_err(|error| {
            TrainError::Config(format!("{}: not a search: {}", path.display(), files::toml_problem(&error)))
        })
    }

    pub fn write(&self, search: &Search) -> Result<(), TrainError> {
        let text = toml::to_string(search).map_err(|error| TrainError::Config(error.to_string()))?;
        Ok(atomic::write(&self.search(), text.as_bytes())?)
    }
}
