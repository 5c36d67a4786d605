//! What a search tries, the most promising first.

use serde::{Deserialize, Serialize};

use crate::imitation::choice::{ModelFacts, heads_differ};
use crate::imitation::loss::{Loss, MaskSource, Reads};
use crate::imitation::mask::LevelRule;
use crate::inspect::Tap;
use crate::train::config::{ImitationConfig, Lambda, Length, RunConfig};

/// The stronger λ of a loss whose λ is fixed, as a multiple of its own.
const STRONGER: f64 = 3.0;
/// The weaker of two gradient ratios.
const WEAKER_RATIO: f64 = 0.2;
/// The other ψ, with more cells.
const WIDER_PSI: f32 = 0.3;
const LR_SHARE: f64 = 1.0 / 3.0;

/// An imitation, and the learning rate that it is tried with. All else is the search's base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Of letters, digits, dots and hyphens: folders are called after it.
    pub name: String,
    pub lr0: f64,
    pub imitation: ImitationConfig,
}

/// A loss that cannot be formed between the two models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub loss: String,
    pub reason: String,
}

/// What the two models have in common, from their files.
#[derive(Clone, Copy, Debug)]
pub struct Pairing<'a> {
    pub teacher: ModelFacts<'a>,
    pub student: ModelFacts<'a>,
}

impl Pairing<'_> {
    /// Why a loss cannot be formed.
    fn misfit(&self, loss: Loss) -> Option<String> {
        let strides = |facts: &ModelFacts<'_>| facts.scales.iter().map(|scale| scale.stride).collect::<Vec<_>>();
        let (teacher, student) = (strides(&self.teacher), strides(&self.student));
        if !student.iter().any(|stride| teacher.contains(stride)) {
            return Some("teacher and student have no stride in common".to_owned());
        }
        match loss.reads() {
            Reads::Features => None,
            Reads::Head => heads_differ(self.teacher, self.student).or_else(|| {
                let differ = loss.compares_channels() && self.teacher.names != self.student.names;
                differ.then(|| "teacher and student do not have the same classes in the same order".to_owned())
            }),
        }
    }
}

impl Candidate {
    fn of(base: &RunConfig, loss: Loss) -> Self {
        let imitation = base.imitation.clone().with_loss(loss);
        Self { name: loss.name().to_owned(), lr0: base.hyp.lr0, imitation }
    }

    fn and(&self, what: &str, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = self.clone();
        other.name = format!("{}-{what}", self.name);
        change(&mut other);
        other
    }

    /// With the loss's other weight: a stronger fixed λ, or a weaker gradient ratio.
    fn other_weight(&self) -> Self {
        match self.imitation.lambda {
            Lambda::Fixed(lambda) => {
                let lambda = STRONGER * lambda;
                self.and(&format!("lambda{lambda}"), |other| other.imitation.lambda = Lambda::Fixed(lambda))
            }
            Lambda::GradientRatio(_) => self.and(&format!("ratio{WEAKER_RATIO}"), |other| {
                other.imitation.lambda = Lambda::GradientRatio(WEAKER_RATIO);
            }),
        }
    }

    /// With the mask if it has none, without if it has one.
    fn other_mask(&self) -> Self {
        let source = if self.imitation.mask_source == MaskSource::None { MaskSource::Iou } else { MaskSource::None };
        let what = if source == MaskSource::None { "whole-map" } else { source.name() };
        self.and(what, |other| other.imitation.mask_source = source)
    }

    /// A whole run of it: `epochs` on `seed`, evaluated at its end. What costs time and changes no weight is left out.
    pub fn config(&self, base: &RunConfig, epochs: u32, seed: u64) -> RunConfig {
        let mut config = RunConfig {
            length: Length::Epochs(epochs),
            seed,
            snapshot: None,
            evaluate_every: u32::MAX,
            evaluate_start: false,
            imitation: self.imitation.clone(),
            ..base.clone()
        };
        config.hyp.lr0 = self.lr0;
        config
    }
}

/// The candidates for two models, and the losses that are left out. Empty where no loss can be formed.
///
/// The loss that fits best comes first with its other weight and mask, then every other loss, then their variants; what
/// compares raw outputs by their place comes last. An imitation of the base that is none of these is tried first.
pub fn candidates(base: &RunConfig, pairing: &Pairing<'_>) -> (Vec<Candidate>, Vec<LeftOut>) {
    let mut left_out = Vec::new();
    let mut losses: Vec<Loss> = Vec::new();
    for loss in Loss::ALL {
        match pairing.misfit(loss) {
            Some(reason) => left_out.push(LeftOut { loss: loss.name().to_owned(), reason }),
            None => losses.push(loss),
        }
    }
    // A stable sort: the default, then the default of other heads, then the rest.
    losses.sort_by_key(|loss| match *loss {
        loss if loss == Loss::default() => 0,
        loss if loss == Loss::FOR_OTHER_HEADS => 1,
        loss if loss.compares_channels() => 3,
        _ => 2,
    });
    let Some((usual, others)) = losses.split_first() else { return (Vec::new(), left_out) };
    let usual = Candidate::of(base, *usual);
    let (by_place, others): (Vec<Loss>, Vec<Loss>) = others.iter().partition(|loss| loss.compares_channels());
    let of = |losses: &[Loss]| losses.iter().map(|loss| Candidate::of(base, *loss)).collect::<Vec<_>>();
    let (others, by_place) = (of(&others), of(&by_place));

    let has_mask = usual.imitation.mask_source != MaskSource::None;
    let masked = if has_mask { usual.clone() } else { usual.other_mask().other_weight() };
    let mut found = vec![usual.clone(), usual.other_weight()];
    found.push(if has_mask { usual.other_mask() } else { masked.clone() });
    found.extend(others.iter().cloned());
    found.push(usual.and("low-lr", |other| other.lr0 = three_digits(usual.lr0 * LR_SHARE)));
    found.extend(others.iter().map(Candidate::other_weight));
    found.extend(others.first().map(Candidate::other_mask));
    let psi = if base.imitation.psi == WIDER_PSI { 0.5 } else { WIDER_PSI };
    found.push(masked.and(&format!("psi{psi}"), |other| other.imitation.psi = psi));
    let rule = match base.imitation.level_rule {
        LevelRule::PerScale => LevelRule::Global,
        _ => LevelRule::PerScale,
    };
    found.push(masked.and(rule.name(), |other| other.imitation.level_rule = rule));
    let neck = std::iter::once(&usual).chain(&others).find(|candidate| candidate.imitation.tap == Tap::Neck);
    found.extend(neck.map(|neck| neck.and("backbone", |other| other.imitation.tap = Tap::Backbone)));
    found.extend(by_place);

    let given = Candidate { name: "as-given".to_owned(), lr0: base.hyp.lr0, imitation: base.imitation.clone() };
    let known = found.iter().any(|candidate| (candidate.lr0, &candidate.imitation) == (given.lr0, &given.imitation));
    if !known && pairing.misfit(given.imitation.loss).is_none() {
        found.insert(0, given);
    }
    (found, left_out)
}

/// As a person would write it into a file.
fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yolo::anchors::AnchorScale;

    fn scales(side: f32) -> Vec<AnchorScale> {
        vec![AnchorScale { stride: 8, anchors: vec![[side, side]] }]
    }

    fn found(base: &RunConfig, teacher_side: f32, classes: [&str; 2]) -> (Vec<Candidate>, Vec<LeftOut>) {
        let (own, other) = (scales(10.0), scales(teacher_side));
        let (names, others) = (["a", "b"].map(str::to_owned), classes.map(str::to_owned));
        let student = ModelFacts { scales: &own, names: &names };
        candidates(base, &Pairing { teacher: ModelFacts { scales: &other, names: &others }, student })
    }

    fn names(candidates: &[Candidate]) -> Vec<&str> {
        candidates.iter().map(|candidate| candidate.name.as_str()).collect()
    }

    #[test]
    fn equal_heads_begin_with_answers() {
        let mut base = RunConfig::default();
        base.hyp.lr0 = 0.01;
        let (candidates, left_out) = found(&base, 10.0, ["a", "b"]);
        assert!(left_out.is_empty());
        assert_eq!(names(&candidates)[..4], ["answers", "answers-lambda3", "answers-iou-lambda3", "correlation"]);
        assert_eq!(candidates.last().expect("some").name, "logits");
        assert!((10..=14).contains(&candidates.len()), "{:?}", names(&candidates));
        // Names are folders, and no two candidates are the same run.
        for (at, one) in candidates.iter().enumerate() {
            assert!(one.name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)), "{}", one.name);
            assert_eq!(one.imitation.contradiction(), None, "{}", one.name);
            for other in &candidates[..at] {
                assert!(one.name != other.name && (one.lr0, &one.imitation) != (other.lr0, &other.imitation));
            }
        }
        for loss in Loss::ALL {
            assert!(candidates.iter().any(|candidate| candidate.imitation.loss == loss), "{loss}");
        }
        // Relative to the base's own rate: 0.01 / 3, in three digits.
        let slow = candidates.iter().find(|candidate| candidate.name == "answers-low-lr").expect("a slow one");
        assert_eq!(slow.lr0, 0.00333);
        assert_eq!(slow.config(&base, 4, 7).hyp.lr0, 0.00333);
        assert_eq!(slow.config(&base, 4, 7).length, Length::Epochs(4));
    }

    #[test]
    fn what_cannot_be_formed_is_named() {
        let base = RunConfig::default();
        let left = |left_out: &[LeftOut]| left_out.iter().map(|left| left.loss.clone()).collect::<Vec<_>>();
        let (anchors, left_out) = found(&base, 20.0, ["a", "b"]);
        assert_eq!(left(&left_out), ["answers", "logits"]);
        assert!(left_out[0].reason.contains("anchors of teacher and student differ at P3"));
        assert_eq!(names(&anchors)[..3], ["correlation", "correlation-ratio0.2", "correlation-whole-map"]);
        // The same classes in another order: answers matches them by name, raw outputs cannot.
        assert_eq!(left(&found(&base, 10.0, ["b", "a"]).1), ["logits"]);
    }

    #[test]
    fn what_a_person_asks_for_is_tried_first() {
        let mut base = RunConfig::default();
        base.imitation.lambda = Lambda::Fixed(2.0);
        let (candidates, _) = found(&base, 10.0, ["a", "b"]);
        assert_eq!(names(&candidates)[..2], ["as-given", "answers"]);
        assert_eq!(candidates[0].imitation, base.imitation);
    }
}
