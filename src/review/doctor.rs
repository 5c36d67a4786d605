//! Where teacher and label disagree strongly: labels worth a look. Nothing is changed in them.

use super::matching::{NEAR, OutcomeKind, Seen};
use super::records::{Object, Review};
use crate::geometry::BoundingBox;

/// From this score on the teacher is sure.
const SURE: f32 = 0.5;
/// Where the teacher stands among the models.
const TEACHER: usize = 0;

/// What may be wrong with a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspicion {
    /// The teacher is sure of an object where none is labelled.
    LabelAbsent,
    /// No model puts a box on the label, of whatever class.
    NobodySees,
    /// The teacher is sure of the class and puts the box elsewhere.
    BoxOff,
    /// The teacher is sure of another class.
    OtherClass,
}

impl Suspicion {
    pub const fn name(self) -> &'static str {
        match self {
            Self::LabelAbsent => "label-absent",
            Self::NobodySees => "nobody-sees-it",
            Self::BoxOff => "box-off",
            Self::OtherClass => "other-class",
        }
    }
}

/// A label, or a place without one, that is worth a look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    pub suspicion: Suspicion,
    /// How strongly teacher and label disagree, 0 to 1: the teacher's score for a label that is absent or of another class;
    /// score · (1 − IoU) for a box that is off; 1 − the highest score of any model's box on a label that nobody sees.
    pub strength: f32,
    /// Index into the images.
    pub image: usize,
    /// Index into the objects; `None` where the label is absent.
    pub object: Option<usize>,
    /// What the teacher says; its IoU with the label. `None` where nobody sees it.
    pub teacher: Option<Seen>,
    /// Image px: the label's, or the teacher's where the label is absent.
    pub bbox: BoundingBox,
}

/// The strongest disagreement first; equal ones in the order of the images. Without labels there is nothing to doubt.
pub fn findings(review: &Review) -> Vec<Finding> {
    if !review.has_labels() {
        return Vec::new();
    }
    let of_objects = review.objects.iter().enumerate().filter_map(|(index, object)| of_object(index, object));
    let absent = review.unmatched.iter().filter_map(|unmatched| {
        let detection = unmatched.stray.detection;
        let iou = unmatched.stray.nearest.map_or(0.0, |(_, iou)| iou);
        (unmatched.model == TEACHER && detection.score >= SURE && iou < NEAR).then_some(Finding {
            suspicion: Suspicion::LabelAbsent,
            strength: detection.score,
            image: unmatched.image,
            object: None,
            teacher: Some(Seen { detection, iou }),
            bbox: detection.bbox,
        })
    });
    let mut findings: Vec<Finding> = of_objects.chain(absent).collect();
    findings.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.image.cmp(&b.image)));
    findings
}

fn of_object(index: usize, object: &Object) -> Option<Finding> {
    let finding = |suspicion, strength, teacher| Finding {
        suspicion,
        strength,
        image: object.image,
        object: Some(index),
        teacher,
        bbox: object.label.bbox,
    };
    let teacher = object.outcomes[TEACHER]?;
    let sure = teacher.seen.filter(|seen| seen.detection.score >= SURE);
    let all_miss = || object.outcomes.iter().flatten().all(|outcome| outcome.kind == OutcomeKind::Missed);
    match (teacher.kind, sure) {
        (OutcomeKind::WrongClass, Some(seen)) => Some(finding(Suspicion::OtherClass, seen.detection.score, Some(seen))),
        (OutcomeKind::PoorlyPlaced, Some(seen)) => {
            Some(finding(Suspicion::BoxOff, seen.detection.score * (1.0 - seen.iou), Some(seen)))
        }
        (OutcomeKind::Missed, _) if all_miss() => {
            Some(finding(Suspicion::NobodySees, 1.0 - object.highest_score, None))
        }
        _ => None,
    }
}
