//! How many candidates fit a budget, and for how long each rung trains them: plain arithmetic.

use serde::{Deserialize, Serialize};

/// Candidates that are run on fresh seeds.
pub const FINALISTS: usize = 2;
/// Fresh seeds: at least, since one is never a verdict, and at most.
pub const SEEDS: std::ops::RangeInclusive<u64> = 2..=5;
/// A rung's runs have at least about so many steps, or are as long as the run that is searched for: shorter ones say nothing.
const LEAST_STEPS: u64 = 60;

/// What a run takes, s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Before its first step: reading, loading, fitting the adapters.
    pub start: f64,
    pub step: f64,
    /// The checkpoint of an epoch.
    pub save: f64,
    /// After its last step: the evaluation.
    pub end: f64,
}

impl Cost {
    /// The larger of each.
    pub fn or(self, other: Self) -> Self {
        let Self { start, step, save, end } = other;
        Self {
            start: self.start.max(start),
            step: self.step.max(step),
            save: self.save.max(save),
            end: self.end.max(end),
        }
    }

    /// Of a run of so many epochs.
    pub fn run(&self, epochs: u32, steps_per_epoch: u64) -> f64 {
        let epochs = f64::from(epochs);
        self.start + epochs * (steps_per_epoch as f64 * self.step + self.save) + self.end
    }
}

/// The plan of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// So many candidates start, from the first on.
    pub candidates: usize,
    /// Epochs of each rung; none where the candidates are few enough for fresh seeds at once.
    pub rungs: Vec<u32>,
    /// Epochs of the runs on fresh seeds.
    pub finals: u32,
}

/// What a ladder is made from.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What is left of the budget, s.
    pub seconds: f64,
    pub cost: Cost,
    pub steps_per_epoch: u64,
    /// Epochs of the run that is searched for: no rung is longer.
    pub longest: u32,
    /// The base's learning rate, then that of every candidate in order: each has a baseline of its own.
    pub lr0: f64,
    pub lr0s: Vec<f64>,
}

/// How many of `count` go on: the better half, rounded up.
pub const fn kept(count: usize) -> usize {
    count.div_ceil(2)
}

/// Epochs after so many doublings.
fn doubled(epochs: u32, times: u32) -> u32 {
    epochs.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
}

impl Ladder {
    /// Everything that fits: as many candidates as can be, then rungs as long as can be. `Err` has the seconds that the
    /// smallest search takes.
    pub fn of(terms: &Terms) -> Result<Self, f64> {
        let steps_per_epoch = terms.steps_per_epoch.max(1);
        let least = LEAST_STEPS.div_ceil(steps_per_epoch).min(u64::from(terms.longest)).max(1) as u32;
        // No single run may be dearer than the budget.
        let of_an_epoch = terms.cost.run(1, steps_per_epoch) - terms.cost.run(0, steps_per_epoch);
        let longest = terms.longest.min((terms.seconds / of_an_epoch) as u32).max(least);
        for candidates in (1..=terms.lr0s.len()).rev() {
            let halvings = std::iter::successors(Some(candidates), |count| Some(kept(*count)));
            let halvings = halvings.take_while(|count| *count > FINALISTS).count() as u32;
            let fits = |first: u32| {
                let ladder = Self::from_first(candidates, first, terms.longest);
                // Beyond a doubling that ends at the run searched for, the seeds of a sharper verdict come first.
                let cut = doubled(first, halvings.saturating_sub(1)) > terms.longest;
                let seeds = if cut && first > least { *SEEDS.end() } else { *SEEDS.start() };
                (ladder.seconds(terms, seeds) <= terms.seconds).then_some(ladder)
            };
            // From the longest on: one with fewer rungs may fit although a shorter one does not.
            if let Some(ladder) = (least..=longest).rev().find_map(fits) {
                return Ok(ladder);
            }
        }
        Err(Self::from_first(1, least, terms.longest).seconds(terms, *SEEDS.start()))
    }

    /// Rungs that double from `first` epochs on. The one at `longest` is the last: the same runs again would say the same.
    fn from_first(candidates: usize, first: u32, longest: u32) -> Self {
        let longest = longest.max(first);
        let (mut rungs, mut entrants, mut epochs) = (Vec::new(), candidates, first);
        while entrants > FINALISTS && rungs.last() != Some(&longest) {
            rungs.push(epochs.min(longest));
            entrants = kept(entrants);
            epochs = epochs.saturating_mul(2);
        }
        let finals = rungs.last().copied().unwrap_or(first);
        Self { candidates, rungs, finals }
    }

    /// What it takes with so many fresh seeds, at most: every learning rate's baseline is counted in every rung.
    pub fn seconds(&self, terms: &Terms, seeds: u64) -> f64 {
        let rates = self.rates(terms);
        let run = |epochs| terms.cost.run(epochs, terms.steps_per_epoch);
        let (mut sum, mut entrants) = (0.0, self.candidates);
        for &epochs in &self.rungs {
            sum += (entrants + rates) as f64 * run(epochs);
            entrants = kept(entrants);
        }
        let finalists = entrants.min(FINALISTS);
        sum + seeds as f64 * (finalists + rates.min(1 + finalists)) as f64 * run(self.finals)
    }

    /// Of them, those of the first rung.
    pub fn first_rung(&self, terms: &Terms) -> f64 {
        let run = |epochs: &u32| terms.cost.run(*epochs, terms.steps_per_epoch);
        (self.candidates + self.rates(terms)) as f64 * self.rungs.first().map_or(0.0, run)
    }

    /// With the next candidate, its first rung as it is; `None` where there is no other, or no rung.
    pub fn with_one_more(&self, terms: &Terms) -> Option<Self> {
        let first = *self.rungs.first()?;
        (self.candidates < terms.lr0s.len()).then(|| Self::from_first(self.candidates + 1, first, terms.longest))
    }

    /// Learning rates among its candidates, the base's included.
    fn rates(&self, terms: &Terms) -> usize {
        let mut rates = vec![terms.lr0];
        for rate in &terms.lr0s[..self.candidates.min(terms.lr0s.len())] {
            if !rates.contains(rate) {
                rates.push(*rate);
            }
        }
        rates.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of e epochs takes 10·e s: no overhead, twenty steps of half a second.
    fn terms(minutes: f64, longest: u32, lr0s: &[f64]) -> Terms {
        let cost = Cost { step: 0.5, ..Cost::default() };
        Terms { seconds: 60.0 * minutes, cost, steps_per_epoch: 20, longest, lr0: 1.0, lr0s: lr0s.to_vec() }
    }

    #[test]
    fn a_run_costs_its_parts() {
        let cost = Cost { start: 5.0, step: 0.5, save: 1.0, end: 7.0 };
        assert_eq!(cost.run(3, 10), 5.0 + 3.0 * (5.0 + 1.0) + 7.0);
        assert_eq!(cost.or(Cost { start: 6.0, ..Cost::default() }), Cost { start: 6.0, ..cost });
    }

    #[test]
    fn candidates_come_before_length() {
        let lr0s = [1.0; 12];
        let ladder = |minutes| Ladder::of(&terms(minutes, 20, &lr0s));
        // By hand, in seconds: twelve at e, six at 2e, three at 4e, each with a baseline, then two seeds of two and a
        // baseline at 4e: 130e + 7·20e + 4·40e + 6·40e = 670e; e is at least 3 (60 steps), 2010 s.
        let plan = |first: u32| Ladder { candidates: 12, rungs: vec![first, 2 * first, 4 * first], finals: 4 * first };
        assert_eq!(ladder(2010.0 / 60.0), Ok(plan(3)));
        assert_eq!(ladder(2679.0 / 60.0), Ok(plan(3)));
        assert_eq!(ladder(2680.0 / 60.0), Ok(plan(4)));
        // At 5 the last rung is as long as the run that is searched for; 6 waits until five seeds fit: 13·60 + 7·120 +
        // 4·200 + 15·200 = 5420 s.
        assert_eq!(ladder(5419.0 / 60.0), Ok(plan(5)));
        let longer = Ladder { candidates: 12, rungs: vec![6, 12, 20], finals: 20 };
        assert_eq!(ladder(5420.0 / 60.0), Ok(longer));
        // A second short of twelve: eleven, six, three at 3, 6, 12 epochs are 1980 s.
        assert_eq!(ladder(2009.0 / 60.0).map(|ladder| (ladder.candidates, ladder.rungs)), Ok((11, vec![3, 6, 12])));
        // At 20 there is one rung, of which two meet fresh seeds: 13·200 + 15·200 = 5600 s. 7, 14, 20 are more: 13·70 + 7·140 +
        // 4·200 + 3000 = 5690 s. Nothing is ever longer than the run itself.
        assert_eq!(ladder(5599.0 / 60.0).map(|ladder| ladder.rungs), Ok(vec![6, 12, 20]));
        for minutes in [5600.0 / 60.0, 1e6] {
            assert_eq!(ladder(minutes), Ok(Ladder { candidates: 12, rungs: vec![20], finals: 20 }));
        }
    }

    #[test]
    fn a_small_budget_tries_few_and_too_small_a_one_says_what_is_needed() {
        let lr0s = [1.0; 12];
        let ladder = |seconds: f64| Ladder::of(&terms(seconds / 60.0, 20, &lr0s));
        // Two candidates need no rung: two seeds of two and a baseline of 30 s each.
        assert_eq!(ladder(180.0), Ok(Ladder { candidates: 2, rungs: vec![], finals: 3 }));
        assert_eq!(ladder(120.0), Ok(Ladder { candidates: 1, rungs: vec![], finals: 3 }));
        assert_eq!(ladder(119.0), Err(120.0));
        // Another learning rate has a baseline of its own: 2 · (2 + 2) · 30 s.
        let rates = [1.0, 0.3];
        assert_eq!(Ladder::of(&terms(239.0 / 60.0, 3, &rates)).map(|ladder| ladder.candidates), Ok(1));
        assert_eq!(Ladder::of(&terms(4.0, 3, &rates)).map(|ladder| ladder.candidates), Ok(2));
        // A run searched for that is shorter than the least is the least.
        assert_eq!(Ladder::of(&terms(60.0, 1, &lr0s[..3])).map(|ladder| ladder.rungs), Ok(vec![1]));
    }
}
