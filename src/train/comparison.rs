//! What a campaign came to: plain records, for the terminal, `comparison.json` and the window.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;

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

/// How one run of a campaign ended; the rows of `comparison.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    pub seed: u64,
    /// λ at the end; 0 for a twin.
    pub lambda: f64,
    /// Of the last epoch.
    pub map50: f64,
    pub map50_95: f64,
    /// The best of any epoch.
    pub best_map50_95: f64,
    /// Distance of the features, summed over the scales: means of the first and the last epoch. `None` for a twin.
    pub imitation_first: Option<f64>,
    pub imitation_last: Option<f64>,
    pub seconds: f64,
}

/// `comparison.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub runs: Vec<RunResult>,
    /// mAP50-95 with imitation minus without, mean over the seeds; `None` before a pair is complete.
    pub difference: Option<f64>,
    /// Its sample standard deviation; `None` below two pairs.
    pub spread: Option<f64>,
    /// `None` before a pair is complete, and in files of version 0.1.0.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

impl Comparison {
    /// Pairs by seed; a run of λ = 0 is a twin.
    pub fn of(runs: Vec<RunResult>) -> Self {
        let differences: Vec<f64> = runs
            .iter()
            .filter(|run| run.imitation_first.is_some())
            .filter_map(|run| {
                let twin = runs.iter().find(|twin| twin.imitation_first.is_none() && twin.seed == run.seed)?;
                Some(run.map50_95 - twin.map50_95)
            })
            .collect();
        let lead = Lead::of(&differences);
        let verdict = Verdict::of("mAP50-95", "val", &differences);
        Self { runs, difference: lead.map(|lead| lead.mean), spread: lead.and_then(|lead| lead.spread), verdict }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed  run        mAP50   mAP50-95  best    distance first -> last  minutes")?;
        for run in &self.runs {
            let (arm, distance) = match (run.imitation_first, run.imitation_last) {
                (Some(first), Some(last)) => ("imitation", format!("{first:.4} -> {last:.4}")),
                _ => ("baseline", "-".to_owned()),
            };
            let RunResult { seed, map50, map50_95, best_map50_95: best, .. } = run;
            let minutes = run.seconds / 60.0;
            writeln!(f, "{seed:<5} {arm:<10} {map50:.4}  {map50_95:.4}    {best:.4}  {distance:<22}  {minutes:.1}")?;
        }
        match &self.verdict {
            Some(verdict) => f.write_str(&verdict.sentence()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(seed: u64, imitation: bool, map: f64) -> RunResult {
        let first = imitation.then_some(1.0);
        RunResult { seed, map50_95: map, imitation_first: first, imitation_last: first, ..RunResult::default() }
    }

    #[test]
    fn pairs_are_compared_by_seed() {
        let runs = vec![
            result(0, true, 0.50),
            result(0, false, 0.48),
            result(1, false, 0.47),
            result(1, true, 0.53),
            result(2, true, 0.9),
        ];
        let comparison = Comparison::of(runs);
        // 0.02 and 0.06: mean 0.04, sample standard deviation 0.02 · √2.
        assert!((comparison.difference.unwrap() - 0.04).abs() < 1e-12);
        assert!((comparison.spread.unwrap() - 0.02 * 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(Comparison::of(vec![result(0, true, 0.5)]).difference, None);
    }
}
