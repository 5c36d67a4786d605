//! What finished runs say: scores, who goes on, the table, the conclusion. All of it follows from the search's decisions
//! and from results on disk.

use super::candidates::Candidate;
use super::keep::{Rung, Search};
use super::ladder::{FINALISTS, SEEDS, kept};
use super::runner::{Found, Runner, TrialEnd};
use super::table::{CandidateRow, Finalist, SCHEMA, Score, SearchTable, Settings};
use crate::train::comparison::fall;
use crate::train::config::RunConfig;

/// What one learning rate's run without imitation is called.
pub fn baseline_name(base: &RunConfig, lr0: f64) -> String {
    if lr0 == base.hyp.lr0 { "baseline".to_owned() } else { format!("baseline-lr{lr0}") }
}

/// The run without imitation at a learning rate.
pub fn baseline_config(base: &RunConfig, lr0: f64, epochs: u32, seed: u64) -> RunConfig {
    let candidate = Candidate { name: String::new(), lr0, imitation: base.imitation.clone() };
    RunConfig { teacher: None, ..candidate.config(base, epochs, seed) }
}

/// The seeds after the search's own.
pub fn fresh_seeds(base: &RunConfig) -> impl Iterator<Item = u64> + use<> {
    let own = base.seed;
    (1..=*SEEDS.end()).map(move |number| own.wrapping_add(number))
}

/// The folder of a run: of a rung, from 0, or on a fresh seed.
pub fn rung_folder(variant: &str, rung: Option<usize>, seed: u64) -> String {
    match rung {
        Some(rung) => format!("{variant}-{}-{seed}", rung + 1),
        None => format!("{variant}-final-{seed}"),
    }
}

/// A search beside the results of its runs.
pub struct Results<'a> {
    pub search: &'a Search,
    pub runner: &'a dyn Runner,
}

impl Results<'_> {
    fn finished(&self, folder: &str) -> Option<Found> {
        match self.runner.known(folder) {
            Some(TrialEnd::Finished(accuracy)) => Some(accuracy),
            _ => None,
        }
    }

    /// Scores of a rung by name: each against the best baseline of any learning rate in it.
    fn scores(&self, rung: usize) -> Vec<(String, Score)> {
        let Rung { epochs, candidates } = &self.search.rungs[rung];
        let seed = self.search.base.seed;
        let map = |name: &str| self.finished(&rung_folder(name, Some(rung), seed)).map(|found| found.val);
        let baselines =
            self.search.rates(candidates).into_iter().filter_map(|lr0| map(&baseline_name(&self.search.base, lr0)));
        let Some(baseline) = baselines.max_by(f64::total_cmp) else { return Vec::new() };
        let score = |name: &String| {
            let map50_95 = map(name)?;
            let difference = map50_95 - baseline;
            let score = Score { epochs: *epochs, seed, map50_95, baseline, difference, test_difference: None };
            Some((name.clone(), score))
        };
        candidates.iter().filter_map(score).collect()
    }

    /// Who goes on from a rung, the best first; where the budget ended before it began, the first of those who came.
    pub fn better_half(&self, rung: usize) -> Vec<String> {
        let mut scores = self.scores(rung);
        let entrants = &self.search.rungs[rung].candidates;
        let any_ended = entrants
            .iter()
            .any(|name| self.runner.known(&rung_folder(name, Some(rung), self.search.base.seed)).is_some());
        if !any_ended {
            return entrants.iter().take(FINALISTS).cloned().collect();
        }
        scores.sort_by(|a, b| b.1.difference.total_cmp(&a.1.difference).then_with(|| a.0.cmp(&b.0)));
        // Half of those who came, so that failures do not thin out the rest.
        scores.into_iter().map(|(name, _)| name).take(kept(entrants.len())).collect()
    }

    /// Every finalist on its fresh seeds, the best first, and the baseline with its mean that they are held against.
    fn finalists(&self) -> (Vec<Finalist>, Option<(f64, f64)>) {
        let Some(Rung { epochs, candidates }) = &self.search.finals else { return (Vec::new(), None) };
        let base = &self.search.base;
        let found = |name: &str| -> Vec<(u64, Found)> {
            let of = |seed| Some((seed, self.finished(&rung_folder(name, None, seed))?));
            fresh_seeds(base).filter_map(of).collect()
        };
        let mean = |found: &[(u64, Found)]| found.iter().map(|(_, found)| found.val).sum::<f64>() / found.len() as f64;
        let own = found("baseline");
        // One whose learning rate spoils some of its seeds is no baseline.
        let baselines = self.search.rates(candidates).into_iter().map(|lr0| (lr0, found(&baseline_name(base, lr0))));
        let best = baselines
            .filter(|(_, found)| !found.is_empty() && found.len() >= own.len())
            .max_by(|a, b| mean(&a.1).total_cmp(&mean(&b.1)));
        let Some((lr0, baseline)) = best else { return (Vec::new(), None) };
        let finalist = |name: &String| {
            let score = |(seed, own): (u64, Found)| {
                let baseline = baseline.iter().find(|(other, _)| *other == seed)?.1;
                Some(Score {
                    epochs: *epochs,
                    seed,
                    map50_95: own.val,
                    baseline: baseline.val,
                    difference: own.val - baseline.val,
                    test_difference: own.test.zip(baseline.test).map(|(own, baseline)| own - baseline),
                })
            };
            let mut finalist = Finalist {
                name: name.clone(),
                runs: found(name).into_iter().filter_map(score).collect(),
                verdict: None,
            };
            finalist.judge();
            finalist
        };
        let mut finalists: Vec<Finalist> = candidates.iter().map(finalist).collect();
        // A finalist that failed on a seed is none.
        let whole = finalists.iter().map(|finalist| finalist.runs.len()).max().unwrap_or(0);
        finalists.sort_by(|a, b| {
            let key = |finalist: &Finalist| (finalist.runs.len() == whole, finalist.mean());
            let (a_key, b_key) = (key(a), key(b));
            b_key.0.cmp(&a_key.0).then(b_key.1.total_cmp(&a_key.1)).then_with(|| a.name.cmp(&b.name))
        });
        let mean_of_baseline = mean(&baseline);
        (finalists, Some((lr0, mean_of_baseline)))
    }

    pub fn table(&self) -> SearchTable {
        let search = self.search;
        let mut candidates: Vec<CandidateRow> = Vec::new();
        for candidate in &search.candidates {
            let (name, settings) = (candidate.name.clone(), Settings::of(candidate));
            candidates.push(CandidateRow { name, settings, rungs: Vec::new(), failed: None });
        }
        for rung in 0..search.rungs.len() {
            for (name, score) in self.scores(rung) {
                candidates.iter_mut().filter(|row| row.name == name).for_each(|row| row.rungs.push(score));
            }
        }
        for row in &mut candidates {
            row.failed = self.failure(&row.name);
        }
        let (finalists, _) = self.finalists();
        SearchTable {
            schema: SCHEMA.to_owned(),
            data: search.base.data.clone(),
            teacher: search.base.teacher.clone(),
            student: search.base.student.clone(),
            minutes: search.minutes,
            spent_minutes: search.spent / 60.0,
            left_out: search.left_out.clone(),
            candidates,
            verdict: finalists.first().and_then(|finalist| finalist.verdict.clone()),
            finalists,
            best: None,
            conclusion: String::new(),
            fell: None,
        }
    }

    /// Why a candidate could not end one of its runs.
    pub fn failure(&self, name: &str) -> Option<String> {
        let seed = self.search.base.seed;
        let of_rungs = (0..self.search.rungs.len()).map(|rung| rung_folder(name, Some(rung), seed));
        let of_finals = fresh_seeds(&self.search.base).map(|seed| rung_folder(name, None, seed));
        of_rungs.chain(of_finals).find_map(|folder| match self.runner.known(&folder) {
            Some(TrialEnd::Failed(why)) => Some(why),
            _ => None,
        })
    }

    /// The table with what came of it, and the run that came out best.
    pub fn conclude(&self) -> (SearchTable, Option<RunConfig>) {
        let mut table = self.table();
        let (finalists, baseline) = self.finalists();
        let base = &self.search.base;
        let tried = table.tried();
        let (Some(first), Some((lr0, of_baseline))) = (finalists.first(), baseline) else {
            table.conclusion = if table.candidates.iter().any(|row| !row.rungs.is_empty()) {
                format!(
                    "{tried} candidates were tried on one seed, and nothing is confirmed: the budget ended before fresh seeds"
                )
            } else if tried > 0 {
                "no candidate ended its run; the table says why".to_owned()
            } else {
                "the budget ended before any candidate was tried".to_owned()
            };
            return (table, None);
        };
        let won = first.mean() > of_baseline;
        let epochs = first.runs.first().map_or(0, |run| run.epochs);
        let (name, config) = match self.search.setting(&first.name).filter(|_| won) {
            Some(config) => (first.name.clone(), config),
            None => (baseline_name(base, lr0), self.search.as_asked(baseline_config(base, lr0, epochs, base.seed))),
        };
        let verdict = match &first.verdict {
            Some(verdict) => verdict.sentence(),
            None => "one seed is never a verdict".to_owned(),
        };
        let outcome =
            if won { "is the best" } else { "is no better than training without imitation, which best.toml does" };
        // Nothing that was learned is to be seen in runs that unlearned, whatever their differences say.
        let last = first.mean().max(of_baseline);
        let before = self.search.pace.and_then(|pace| pace.before);
        let fell = before.and_then(|before| fall(before, last));
        table.fell = before.filter(|_| fell.is_some()).map(|before| [before, last]);
        let fell = fell.map_or_else(String::new, |fell| {
            format!("{fell}, with imitation and without: a lower lr0 or a longer warm-up comes before any comparison. ")
        });
        table.conclusion = format!(
            "{fell}{tried} of {} candidates tried; {} {outcome} at {epochs} epochs, on {} fresh seeds: {verdict}. It was chosen \
             on val, which only fresh seeds, as these, or a test split confirm",
            table.candidates.len(),
            first.name,
            first.runs.len(),
        );
        table.best = Some(name);
        (table, Some(config))
    }
}
