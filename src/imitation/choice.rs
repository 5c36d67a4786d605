//! What is imitated, in plain values: the losses by name, where their masks come from, what they say on plain grids, and which
//! of them fits two models before anything is run. The window knows losses from here alone.

use thiserror::Error;

use super::loss::SharedClasses;
pub use super::loss::{COUNTED, CellTerm, CellTerms, Loss, LossOnScale, MaskChoice, MaskSource, Reads};
use crate::yolo::anchors::AnchorScale;

/// What is known of a model from its file alone.
#[derive(Clone, Copy, Debug)]
pub struct ModelFacts<'a> {
    pub scales: &'a [AnchorScale],
    pub names: &'a [String],
}

/// The loss that is used where a person names none, and why it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultLoss {
    pub loss: Loss,
    pub reason: Option<String>,
}

/// Why the heads of two models cannot be compared place by place.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Mismatch {
    #[error("the anchors of teacher and student differ at {scale}")]
    Anchors { scale: String },
    /// Names, separated by commas.
    #[error("teacher and student have no class in common ({teacher} and {student})")]
    NoSharedClass { teacher: String, student: String },
    /// Numbers of classes.
    #[error("their classes differ in number or order ({teacher} and {student} classes)")]
    Classes { teacher: usize, student: usize },
}

/// `answers` where the heads speak of the same anchors and of a class that both know, else `correlation`.
pub fn default_loss(teacher: ModelFacts<'_>, student: ModelFacts<'_>) -> DefaultLoss {
    match heads_differ(teacher, student) {
        None => DefaultLoss { loss: Loss::default(), reason: None },
        Some(reason) => DefaultLoss { loss: Loss::FOR_OTHER_HEADS, reason: Some(reason) },
    }
}

/// [`Mismatch`] in words; `None` where the answers of two heads can be compared.
pub fn heads_differ(teacher: ModelFacts<'_>, student: ModelFacts<'_>) -> Option<String> {
    heads_mismatch(teacher, student).map(|mismatch| mismatch.to_string())
}

/// Why the answers of two heads cannot be compared place by place; `None` where they can.
pub fn heads_mismatch(teacher: ModelFacts<'_>, student: ModelFacts<'_>) -> Option<Mismatch> {
    let shared: Vec<(&AnchorScale, &AnchorScale)> = student
        .scales
        .iter()
        .filter_map(|own| Some((own, teacher.scales.iter().find(|other| other.stride == own.stride)?)))
        .collect();
    if let Some((own, _)) = shared.iter().find(|(own, other)| !same_anchors(own, other)) {
        return Some(Mismatch::Anchors { scale: own.name() });
    }
    if !student.names.iter().any(|name| teacher.names.contains(name)) {
        return Some(Mismatch::NoSharedClass { teacher: teacher.names.join(", "), student: student.names.join(", ") });
    }
    None
}

/// Why a loss cannot compare the heads of two models; `None` where it can, or compares features.
pub fn loss_mismatch(loss: Loss, teacher: ModelFacts<'_>, student: ModelFacts<'_>) -> Option<Mismatch> {
    if loss.reads() != Reads::Head {
        return None;
    }
    let other_channels = || {
        let differ = loss.compares_channels() && !SharedClasses::of(student.names, teacher.names).are_aligned();
        differ.then_some(Mismatch::Classes { teacher: teacher.names.len(), student: student.names.len() })
    };
    heads_mismatch(teacher, student).or_else(other_channels)
}

/// [`loss_mismatch`] in the words of an error.
pub fn refusal(loss: Loss, teacher: ModelFacts<'_>, student: ModelFacts<'_>) -> Option<String> {
    let what = loss_mismatch(loss, teacher, student)?;
    Some(format!("the imitation loss {loss} compares heads, but {what}; use {} at the neck", Loss::FOR_OTHER_HEADS))
}

/// Whether two scales have the same anchors, but for the rounding of a half-precision file.
pub fn same_anchors(a: &AnchorScale, b: &AnchorScale) -> bool {
    let near = |a: f32, b: f32| (a - b).abs() <= 2e-3 * a.abs().max(b.abs());
    a.anchors.len() == b.anchors.len()
        && a.anchors.iter().flatten().zip(b.anchors.iter().flatten()).all(|(a, b)| near(*a, *b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(stride: u32, side: f32) -> AnchorScale {
        AnchorScale { stride, anchors: vec![[side, side]] }
    }

    fn names(text: &[&str]) -> Vec<String> {
        text.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_heads_decide_which_loss_is_usual() {
        let scales = [scale(8, 10.0), scale(16, 20.0)];
        // Rounded as float16 rounds it.
        let rounded = [scale(8, 10.003), scale(16, 20.0), scale(32, 40.0)];
        let other = [scale(8, 10.0), scale(16, 21.0)];
        let (cat_dog, dog_cow, none) = (names(&["cat", "dog"]), names(&["dog", "cow"]), names(&["car"]));
        let facts = |scales, names| ModelFacts { scales, names };
        let chosen = |teacher, student| default_loss(teacher, student);
        assert_eq!(chosen(facts(&rounded, &dog_cow), facts(&scales, &cat_dog)).loss, Loss::ANSWERS);
        let differ = chosen(facts(&other, &cat_dog), facts(&scales, &cat_dog));
        assert_eq!(differ.loss, Loss::FOR_OTHER_HEADS);
        assert_eq!(differ.reason.as_deref(), Some("the anchors of teacher and student differ at P4"));
        let refused = |loss, teacher, student| refusal(loss, teacher, student);
        assert_eq!(refused(Loss::ANSWERS, facts(&scales, &dog_cow), facts(&scales, &cat_dog)), None);
        let order = refused(Loss::LOGITS, facts(&scales, &dog_cow), facts(&scales, &cat_dog)).expect("a reason");
        assert!(order.contains("differ in number or order (2 and 2 classes); use correlation"), "{order}");
        let anchors = refused(Loss::ANSWERS, facts(&other, &cat_dog), facts(&scales, &cat_dog)).expect("a reason");
        assert!(
            anchors.contains("answers compares heads, but the anchors of teacher and student differ at P4"),
            "{anchors}"
        );
        assert_eq!(refused(Loss::FEATURES, facts(&other, &none), facts(&scales, &cat_dog)), None);
        let strangers = chosen(facts(&scales, &none), facts(&scales, &cat_dog)).reason.expect("a reason");
        assert!(strangers.contains("no class in common (car and cat, dog)"), "{strangers}");
    }
}
