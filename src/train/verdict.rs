//! Whether imitation helps: a rule that is fixed before the first number is seen.
//!
//! d_i is a seed's mAP50-95 with imitation minus its baseline's. From two seeds on, the 95 % interval of their mean by
//! Student's t with n − 1 degrees of freedom decides: above 0 it helps, below 0 it hurts, otherwise nobody can tell yet. One
//! seed is never a verdict.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::story::{Line, say};

/// Half an interval need not be narrower than this: no more seeds are asked for to resolve a smaller difference.
const WORTHWHILE: f64 = 0.01;
/// More seeds than this are not named.
const MOST_SEEDS: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    Helps,
    Hurts,
    CannotTell,
}

/// What a set of pairs says; `verdict` of `comparison.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// "mAP50-95"
    pub metric: String,
    /// Of the data: "test" or "val".
    pub split: String,
    /// Pairs.
    pub n: usize,
    pub mean: f64,
    /// The 95 % interval of the mean; `None` for one pair.
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub says: Says,
    /// Pairs at which half the interval would be no more than the mean, or than 0.01 where that is larger, at this spread:
    /// the least n > `n` with t(n − 1) · s / √n ≤ max(|mean|, 0.01). `None` where there is a verdict, for one pair, where
    /// half the interval is no more than 0.01 already, and beyond 1000.
    pub seeds_needed: Option<usize>,
}

impl Verdict {
    /// differences: one a pair, with imitation minus without; those that are not finite are left out. `None` without any.
    pub fn of(metric: &str, split: &str, differences: &[f64]) -> Option<Self> {
        let differences: Vec<f64> = differences.iter().copied().filter(|d| d.is_finite()).collect();
        let n = differences.len();
        if n == 0 {
            return None;
        }
        let mean = differences.iter().sum::<f64>() / n as f64;
        let unsure = Self {
            metric: metric.to_owned(),
            split: split.to_owned(),
            n,
            mean,
            low: None,
            high: None,
            says: Says::CannotTell,
            seeds_needed: None,
        };
        if n == 1 {
            return Some(unsure);
        }
        let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
        let spread = (squares / (n - 1) as f64).sqrt();
        let half = half_width(n, spread);
        let (low, high) = (mean - half, mean + half);
        let says = if low > 0.0 {
            Says::Helps
        } else if high < 0.0 {
            Says::Hurts
        } else {
            Says::CannotTell
        };
        let seeds_needed = if says == Says::CannotTell { seeds_needed(n, mean, spread) } else { None };
        Some(Self { low: Some(low), high: Some(high), says, seeds_needed, ..unsure })
    }

    /// In plain words, for a terminal.
    pub fn sentence(&self) -> String {
        self.line().english()
    }

    /// The same for the window, which has other languages.
    pub fn line(&self) -> Line {
        let Self { metric, split, n, .. } = self;
        let mean = signed(self.mean);
        let measured = match (self.low.map(signed), self.high.map(signed)) {
            (Some(low), Some(high)) => say!(
                "{metric} on {split} {mean}, 95 % interval {low} to {high}, {n} seeds",
                metric = metric,
                split = split,
                mean = mean,
                low = low,
                high = high,
                n = n
            ),
            _ => say!(
                "{metric} on {split} {mean} in one seed, which is no verdict",
                metric = metric,
                split = split,
                mean = mean
            ),
        };
        match (self.says, self.seeds_needed) {
            (Says::Helps, _) => say!("imitation helps: {measured}", measured = measured),
            (Says::Hurts, _) => say!("imitation hurts: {measured}", measured = measured),
            (Says::CannotTell, Some(needed)) => say!(
                "cannot tell yet: {measured}; about {needed} seeds would settle it at this spread",
                measured = measured,
                needed = needed
            ),
            (Says::CannotTell, None) if *n == 1 => {
                say!("cannot tell yet: {measured}; run at least two", measured = measured)
            }
            (Says::CannotTell, None) if self.is_narrow() => {
                let most = self.low.into_iter().chain(self.high).map(f64::abs).fold(0.0, f64::max);
                say!(
                    "cannot tell: {measured}; a difference, if there is one, is no larger than about {most}",
                    measured = measured,
                    most = format_args!("{most:.3}")
                )
            }
            (Says::CannotTell, None) => say!(
                "cannot tell: {measured}; more than {most} seeds would be needed at this spread",
                measured = measured,
                most = MOST_SEEDS
            ),
        }
    }

    /// Whether half the interval is as narrow as it need be.
    fn is_narrow(&self) -> bool {
        self.low.zip(self.high).is_some_and(|(low, high)| (high - low) / 2.0 <= WORTHWHILE)
    }

    /// Further seeds worth running: what the rule asks for, a few where it cannot know.
    pub fn further_seeds(&self) -> Option<usize> {
        match (self.says, self.seeds_needed) {
            (Says::CannotTell, Some(needed)) => Some(needed.saturating_sub(self.n).max(1)),
            (Says::CannotTell, None) if self.n == 1 => Some(4),
            _ => None,
        }
    }
}

/// Three digits with their sign; what rounds to 0 has none.
fn signed(value: f64) -> String {
    let text = format!("{value:+.3}");
    if ["+0.000", "-0.000"].contains(&text.as_str()) { "0.000".to_owned() } else { text }
}

/// Half the 95 % interval of a mean of n.
fn half_width(n: usize, spread: f64) -> f64 {
    t_quantile(n - 1) * spread / (n as f64).sqrt()
}

/// The 97.5 % quantile of Student's t.
fn t_quantile(freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom as f64).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975))
}

fn seeds_needed(n: usize, mean: f64, spread: f64) -> Option<usize> {
    if half_width(n, spread) <= WORTHWHILE {
        return None;
    }
    let aim = mean.abs().max(WORTHWHILE);
    // No quantile of t is below the normal's.
    let least = (1.959 * spread / aim).powi(2).floor();
    let first = if least < MOST_SEEDS as f64 { (least as usize).max(n + 1) } else { return None };
    (first..=MOST_SEEDS).find(|&more| half_width(more, spread) <= aim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn of(differences: &[f64]) -> Verdict {
        Verdict::of("mAP50-95", "val", differences).expect("a verdict")
    }

    /// `scipy.stats.t.ppf(0.975, n)` of scipy 1.17.1; tables print the first digits.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, wanted) in [
            (1, 12.706_204_736_174_694),
            (2, 4.302_652_729_749_462),
            (3, 3.182_446_305_283_708),
            (4, 2.776_445_105_197_793),
            (5, 2.570_581_835_636_315),
            (9, 2.262_157_162_798_205),
            (29, 2.045_229_642_132_703),
            (120, 1.979_930_405_082_44),
            (999, 1.962_341_461_133_449),
        ] {
            let found = t_quantile(freedom);
            assert!((found - wanted).abs() < 1e-9 * wanted, "{freedom}: {found}");
        }
    }

    /// 0.01, 0.02, 0.03: mean 0.02, deviation 0.01, half width 4.3027 · 0.01 / √3 = 0.02484.
    #[test]
    fn an_interval_by_hand() {
        let found = of(&[0.01, 0.02, 0.03]);
        assert_eq!((found.n, found.says), (3, Says::CannotTell));
        let (low, high) = (found.low.expect("low"), found.high.expect("high"));
        assert!((low - (0.02 - 0.024_841)).abs() < 1e-5 && (high - 0.044_841).abs() < 1e-5, "{low} {high}");
        // With 4: 3.1824 · 0.01 / 2 = 0.0159, no more than 0.02.
        assert_eq!((found.seeds_needed, found.further_seeds()), (Some(4), Some(1)));
        assert!(found.sentence().starts_with("cannot tell yet: mAP50-95 on val +0.020"), "{}", found.sentence());
        // A fourth of the mean settles it, and its mirror.
        assert_eq!(of(&[0.01, 0.02, 0.03, 0.02]).says, Says::Helps);
        let hurts = of(&[-0.01, -0.02, -0.03, -0.02]);
        assert_eq!((hurts.says, hurts.seeds_needed, hurts.further_seeds()), (Says::Hurts, None, None));
        assert!(hurts.sentence().starts_with("imitation hurts"));
    }

    #[test]
    fn what_is_no_set_of_pairs_is_no_verdict() {
        assert_eq!(Verdict::of("mAP50-95", "val", &[]), None);
        assert_eq!(Verdict::of("mAP50-95", "val", &[f64::NAN]), None);
        let one = of(&[0.3]);
        assert_eq!((one.says, one.low, one.seeds_needed, one.further_seeds()), (Says::CannotTell, None, None, Some(4)));
        assert_eq!(of(&[0.1, f64::INFINITY]).n, 1);
        // Without a spread the mean is what it is; at 0 there is nothing to tell.
        assert_eq!(of(&[0.02, 0.02]).says, Says::Helps);
        let level = of(&[0.0, 0.0]);
        assert_eq!((level.says, level.low, level.seeds_needed), (Says::CannotTell, Some(0.0), None));
        // A spread that no number of seeds would resolve.
        let wide = of(&[-5.0, 5.001]);
        assert_eq!(wide.seeds_needed, None);
        assert!(
            wide.sentence().ends_with("more than 1000 seeds would be needed at this spread"),
            "{}",
            wide.sentence()
        );
    }

    /// Four differ by 0.005 from their mean 0.002, so the deviation is √(4 · 0.005² / 4): half the interval is 2.7764 · 0.005 / √5 = 0.00621, which is
    /// narrow enough: no seeds are asked for, and what is known is said.
    #[test]
    fn an_interval_that_is_narrow_asks_for_no_more_seeds() {
        let narrow = of(&[0.007, -0.003, 0.002, 0.007, -0.003]);
        assert!((narrow.high.unwrap() - 0.008_208).abs() < 1e-6, "{narrow:?}");
        assert_eq!((narrow.says, narrow.seeds_needed, narrow.further_seeds()), (Says::CannotTell, None, None));
        assert!(narrow.sentence().ends_with("if there is one, is no larger than about 0.008"), "{}", narrow.sentence());
        // Three times as far apart it is 0.0186: 9 seeds leave 2.3060 · 0.015 / 3 = 0.0115, 11 leave 2.2281 · 0.015 / √11 =
        // 0.01008, 12 leave 2.2010 · 0.015 / √12 = 0.00953.
        let wide = of(&[0.017, -0.013, 0.002, 0.017, -0.013]);
        assert_eq!((wide.seeds_needed, wide.further_seeds()), (Some(12), Some(7)));
    }

    /// Two variants of one seed without any effect differ by noise: the rule may find one in twenty.
    #[test]
    fn without_an_effect_there_is_seldom_a_verdict() {
        let mut rng = Rng::of(&[12]);
        for n in 2..=10 {
            let verdicts = (0..10_000).filter(|_| {
                let pairs: Vec<f64> = (0..n).map(|_| 0.01 * (rng.normal() - rng.normal())).collect();
                of(&pairs).says != Says::CannotTell
            });
            let share = verdicts.count() as f64 / 10_000.0;
            assert!((0.04..=0.055).contains(&share), "{share} at n = {n}");
        }
    }

    #[test]
    fn an_effect_of_two_spreads_is_found_with_five_seeds() {
        let mut rng = Rng::of(&[13]);
        let found = (0..10_000).filter(|_| {
            let pairs: Vec<f64> = (0..5).map(|_| 0.01 * (2.0 + rng.normal())).collect();
            of(&pairs).says == Says::Helps
        });
        let share = found.count() as f64 / 10_000.0;
        assert!(share > 0.9, "{share}");
    }
}
