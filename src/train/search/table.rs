//! What a search has found so far: plain records, for the terminal, `search.json` and the window.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::candidates::{Candidate, LeftOut};
use crate::imitation::loss::{Loss, MaskSource};
use crate::imitation::mask::LevelRule;
use crate::inspect::Tap;
use crate::train::config::Lambda;
use crate::train::verdict::Verdict;

pub const SCHEMA: &str = "distillscope.search/1";
const METRIC: &str = "mAP50-95";

/// `search.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchTable {
    pub schema: String,
    pub data: PathBuf,
    pub teacher: Option<PathBuf>,
    pub student: PathBuf,
    pub minutes: f64,
    pub spent_minutes: f64,
    pub left_out: Vec<LeftOut>,
    /// In the order in which they are tried.
    pub candidates: Vec<CandidateRow>,
    /// The best first.
    pub finalists: Vec<Finalist>,
    /// What `best.toml` holds: a finalist, or a baseline where none of them was better. `None` before there is one.
    pub best: Option<String>,
    /// Of the first finalist.
    pub verdict: Option<Verdict>,
    /// What came of it, in words; empty before the end.
    pub conclusion: String,
    /// mAP50-95 before the first step and on the fresh seeds, where even the better of the best candidate and the baseline
    /// fell below its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fell: Option<[f64; 2]>,
}

/// A candidate and its runs on the search's seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateRow {
    pub name: String,
    pub settings: Settings,
    /// Empty where the budget did not reach it.
    pub rungs: Vec<Score>,
    /// Why its run could not end.
    pub failed: Option<String>,
}

/// What a candidate sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub loss: Loss,
    pub mask_source: MaskSource,
    pub lambda: Lambda,
    pub psi: f32,
    pub level_rule: LevelRule,
    pub tap: Tap,
    pub lr0: f64,
}

impl Settings {
    pub fn of(candidate: &Candidate) -> Self {
        let imitation = &candidate.imitation;
        Self {
            loss: imitation.loss,
            mask_source: imitation.mask_source,
            lambda: imitation.lambda,
            psi: imitation.psi,
            level_rule: imitation.level_rule,
            tap: imitation.tap,
            lr0: candidate.lr0,
        }
    }
}

/// A run and its baseline, mAP50-95 at the last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub epochs: u32,
    pub seed: u64,
    pub map50_95: f64,
    pub baseline: f64,
    pub difference: f64,
    /// The same on test, of a finalist where the data has that split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_difference: Option<f64>,
}

/// A candidate on fresh seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finalist {
    pub name: String,
    pub runs: Vec<Score>,
    pub verdict: Option<Verdict>,
}

impl Finalist {
    /// Mean mAP50-95 over the seeds; below every other where there is none.
    pub fn mean(&self) -> f64 {
        let sum: f64 = self.runs.iter().map(|run| run.map50_95).sum();
        if self.runs.is_empty() { f64::NEG_INFINITY } else { sum / self.runs.len() as f64 }
    }

    /// The verdict on its seeds: on test where every run has it, because nothing was chosen there, else on val.
    pub fn judge(&mut self) {
        let split = if self.on_test().is_some() { "test" } else { "val" };
        let differences: Vec<f64> = self.differences().into_iter().map(|(_, difference)| difference).collect();
        self.verdict = Verdict::of(METRIC, split, &differences);
    }

    /// What the verdict rests on: every seed's difference.
    pub fn differences(&self) -> Vec<(u64, f64)> {
        self.on_test().unwrap_or_else(|| self.runs.iter().map(|run| (run.seed, run.difference)).collect())
    }

    fn on_test(&self) -> Option<Vec<(u64, f64)>> {
        self.runs.iter().map(|run| Some((run.seed, run.test_difference?))).collect()
    }
}

impl SearchTable {
    /// Candidates of which a run has ended, however it did.
    pub fn tried(&self) -> usize {
        let ended = |row: &&CandidateRow| {
            !row.rungs.is_empty() || row.failed.is_some() || self.finalists.iter().any(|f| f.name == row.name)
        };
        self.candidates.iter().filter(ended).count()
    }
}

impl fmt::Display for SearchTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.candidates.iter().map(|row| row.name.len()).max().unwrap_or(0).max("candidate".len());
        let rungs = self.candidates.iter().map(|row| row.rungs.len()).max().unwrap_or(0);
        let mut text = String::new();
        write!(text, "{:<width$}", "candidate")?;
        for rung in 0..rungs {
            let epochs = self.candidates.iter().find_map(|row| row.rungs.get(rung)).map_or(0, |score| score.epochs);
            write!(text, "  {:>18}", format!("{epochs} epochs"))?;
        }
        for row in &self.candidates {
            write!(text, "\n{:<width$}", row.name)?;
            for score in &row.rungs {
                write!(text, "  {:>18}", format!("{:.4} ({:+.4})", score.map50_95, score.difference))?;
            }
            match &row.failed {
                Some(why) => write!(text, "  failed: {why}")?,
                None if row.rungs.is_empty() && self.finalists.iter().all(|finalist| finalist.name != row.name) => {
                    text += "  not tried";
                }
                None => {}
            }
        }
        for finalist in &self.finalists {
            for run in &finalist.runs {
                let Score { epochs, seed, map50_95, difference, .. } = run;
                write!(
                    text,
                    "\n{:<width$}  seed {seed}, {epochs} epochs: {map50_95:.4} ({difference:+.4})",
                    finalist.name
                )?;
            }
        }
        for left in &self.left_out {
            write!(text, "\n{}: left out, {}", left.loss, left.reason)?;
        }
        if !self.conclusion.is_empty() {
            write!(text, "\n{}", self.conclusion)?;
        }
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        f.write_str(&lines.join("\n"))
    }
}
