//! What one model makes of the objects of one image.
//!
//! Detections go from the most confident to the least, and each goes to the object that it overlaps most, as in an
//! evaluation: first to one of its own class; what found none there, to one of another class; what is placed too badly for
//! either, to one of its own class all the same. An object is given once.

use crate::dataset::Label;
use crate::train::evaluate::matching::{closest, matches_at, overlap};
use crate::yolo::detection::Detection;

/// A box that overlaps an object less than this has nothing to do with it.
pub const NEAR: f32 = 0.1;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutcomeKind {
    /// A box of its class lies on it.
    Found,
    /// A box of another class lies on it.
    WrongClass,
    /// A box of its class lies near it, but too badly to count.
    PoorlyPlaced,
    Missed,
}

impl OutcomeKind {
    pub const ALL: [Self; 4] = [Self::Found, Self::WrongClass, Self::PoorlyPlaced, Self::Missed];

    /// As the command line and the JSON write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::WrongClass => "wrong-class",
            Self::PoorlyPlaced => "poorly-placed",
            Self::Missed => "missed",
        }
    }
}

/// A detection and how well it overlaps the object that it went to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Image px, class by the data's names.
    pub detection: Detection,
    pub iou: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub kind: OutcomeKind,
    /// `None` for what is missed.
    pub seen: Option<Seen>,
}

impl Outcome {
    pub const MISSED: Self = Self { kind: OutcomeKind::Missed, seen: None };

    pub fn is_found(&self) -> bool {
        self.kind == OutcomeKind::Found
    }
}

/// A detection without an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stray {
    pub detection: Detection,
    /// The object that it overlaps most, if it overlaps any, and how well.
    pub nearest: Option<(usize, f32)>,
    /// Whether it lies on that object, which another detection has.
    pub is_duplicate: bool,
}

/// `detections`, best first, against `labels`, both in the same px. `iou`: from here on a box lies on an object. One outcome
/// for each label, then what went to none.
pub fn outcomes(detections: &[Detection], labels: &[Label], iou: f32) -> (Vec<Outcome>, Vec<Stray>) {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; labels.len()];
    let mut give = |kind: OutcomeKind, detection: &Detection, place: Option<(usize, f32)>| match place {
        Some((index, overlap)) if outcomes[index].is_none() => {
            outcomes[index] = Some(Outcome { kind, seen: Some(Seen { detection: *detection, iou: overlap }) });
            true
        }
        _ => false,
    };
    let found = matches_at(detections, labels, iou);
    let mut left: Vec<&Detection> = Vec::new();
    for (detection, place) in detections.iter().zip(found) {
        if !give(OutcomeKind::Found, detection, place) {
            left.push(detection);
        }
    }
    let on_another = |detection: &Detection| {
        let place = closest(&detection.bbox, labels, |_| true);
        place.filter(|(index, overlap)| labels[*index].class != detection.class && *overlap >= iou)
    };
    left.retain(|detection| !give(OutcomeKind::WrongClass, detection, on_another(detection)));
    let near_its_own = |detection: &Detection| {
        let place = closest(&detection.bbox, labels, |label| label.class == detection.class);
        place.filter(|(_, overlap)| (NEAR..iou).contains(overlap))
    };
    left.retain(|detection| !give(OutcomeKind::PoorlyPlaced, detection, near_its_own(detection)));
    let stray = |detection: &Detection| {
        let nearest = closest(&detection.bbox, labels, |_| true).filter(|(_, overlap)| *overlap > 0.0);
        let is_duplicate = nearest.is_some_and(|(_, overlap)| overlap >= iou);
        Stray { detection: *detection, nearest, is_duplicate }
    };
    let strays = left.into_iter().map(stray).collect();
    (outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::MISSED)).collect(), strays)
}

/// For each label the highest score of any detection that lies on it, whatever its class; 0 where none does.
pub fn highest_scores(detections: &[Detection], labels: &[Label], iou: f32) -> Vec<f32> {
    let of_label = |label: &Label| {
        let on_it = detections.iter().filter(|detection| overlap(&label.bbox, &detection.bbox) >= iou);
        on_it.map(|detection| detection.score).fold(0.0, f32::max)
    };
    labels.iter().map(of_label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoundingBox;
    use crate::rng::Rng;

    /// Boxes of 10 px height; their overlap is that of two lengths.
    fn label(class: usize, x1: f32, x2: f32) -> Label {
        Label { class, bbox: BoundingBox::new(x1, 0.0, x2, 10.0) }
    }

    fn detection(class: usize, score: f32, x1: f32, x2: f32) -> Detection {
        Detection { class, score, bbox: BoundingBox::new(x1, 0.0, x2, 10.0) }
    }

    fn kinds(detections: &[Detection], labels: &[Label]) -> (Vec<(OutcomeKind, f32, f32)>, Vec<bool>) {
        let (outcomes, strays) = outcomes(detections, labels, 0.5);
        let kind = |outcome: &Outcome| {
            let (score, iou) = outcome.seen.map_or((0.0, 0.0), |seen| (seen.detection.score, seen.iou));
            (outcome.kind, score, (iou * 1000.0).round() / 1000.0)
        };
        (outcomes.iter().map(kind).collect(), strays.iter().map(|stray| stray.is_duplicate).collect())
    }

    use OutcomeKind::{Found, Missed, PoorlyPlaced, WrongClass};

    #[test]
    fn each_outcome_by_hand() {
        // Of 10 px, 8 shared: 8 / 12 = .667; 4 shared: 4 / 16 = .25; 1 shared: 1 / 19 = .053.
        let one = [label(0, 0.0, 10.0)];
        let of = |class: usize, x1: f32| kinds(&[detection(class, 0.9, x1, x1 + 10.0)], &one);
        assert_eq!(of(0, 2.0), (vec![(Found, 0.9, 0.667)], vec![]));
        assert_eq!(of(1, 2.0), (vec![(WrongClass, 0.9, 0.667)], vec![]));
        assert_eq!(of(0, 6.0), (vec![(PoorlyPlaced, 0.9, 0.25)], vec![]));
        assert_eq!(of(1, 6.0), (vec![(Missed, 0.0, 0.0)], vec![false]), "another class, badly placed, is background");
        assert_eq!(of(0, 9.0), (vec![(Missed, 0.0, 0.0)], vec![false]), "below a tenth nothing is near");
        assert_eq!(kinds(&[], &one).0, [(Missed, 0.0, 0.0)]);
        assert_eq!(kinds(&[detection(0, 0.9, 0.0, 10.0)], &[]), (vec![], vec![false]));
    }

    #[test]
    fn the_limits_themselves_count() {
        // 10 of 20 px are a half, 10 of 100 px a tenth.
        let at = |x2: f32, class: usize| kinds(&[detection(class, 0.9, 0.0, x2)], &[label(0, 0.0, 10.0)]).0[0].0;
        assert_eq!([at(20.0, 0), at(20.01, 0), at(20.0, 1), at(20.01, 1)], [Found, PoorlyPlaced, WrongClass, Missed]);
        assert_eq!([at(99.9, 0), at(100.1, 0)], [PoorlyPlaced, Missed]);
    }

    #[test]
    fn the_more_confident_has_the_object_and_the_other_is_a_duplicate() {
        let labels = [label(0, 0.0, 10.0)];
        let better_placed = detection(0, 0.5, 0.0, 10.0);
        let found = kinds(&[detection(0, 0.9, 2.0, 12.0), better_placed], &labels);
        assert_eq!(found, (vec![(Found, 0.9, 0.667)], vec![true]));
        // Of another class on an object that is found: a duplicate too.
        let found = kinds(&[detection(0, 0.9, 0.0, 10.0), detection(1, 0.8, 0.0, 10.0)], &labels);
        assert_eq!(found, (vec![(Found, 0.9, 1.0)], vec![true]));
        // The right class counts, however much more confident the wrong one is.
        let found = kinds(&[detection(1, 0.9, 0.0, 10.0), detection(0, 0.3, 0.0, 10.0)], &labels);
        assert_eq!(found, (vec![(Found, 0.3, 1.0)], vec![true]));
    }

    #[test]
    fn a_detection_goes_to_the_object_that_it_overlaps_most_and_to_no_other() {
        // Two objects of a class that overlap: both boxes lie most on the first, which the better one has.
        let labels = [label(0, 0.0, 10.0), label(0, 3.0, 13.0)];
        let found = kinds(&[detection(0, 0.9, 0.0, 10.0), detection(0, 0.8, 1.0, 11.0)], &labels);
        assert_eq!(found, (vec![(Found, 0.9, 1.0), (Missed, 0.0, 0.0)], vec![true]));
        // A duplicate of the first is no wrong class of the second, though it lies on that as well.
        let labels = [label(0, 0.0, 10.0), label(1, 3.0, 13.0)];
        let found = kinds(&[detection(0, 0.9, 0.0, 10.0), detection(0, 0.8, 1.0, 11.0)], &labels);
        assert_eq!(found, (vec![(Found, 0.9, 1.0), (Missed, 0.0, 0.0)], vec![true]));
    }

    #[test]
    fn an_object_that_has_a_wrong_class_is_not_poorly_placed_as_well() {
        let labels = [label(0, 0.0, 10.0)];
        let found = kinds(&[detection(0, 0.9, 6.0, 16.0), detection(1, 0.4, 0.0, 10.0)], &labels);
        assert_eq!(found, (vec![(WrongClass, 0.4, 1.0)], vec![false]));
    }

    #[test]
    fn the_highest_score_on_an_object_is_of_any_class() {
        let labels = [label(0, 0.0, 10.0), label(0, 50.0, 60.0)];
        let detections = [detection(0, 0.9, 6.0, 16.0), detection(1, 0.4, 1.0, 11.0), detection(0, 0.2, 0.0, 10.0)];
        assert_eq!(highest_scores(&detections, &labels, 0.5), [0.4, 0.0]);
    }

    /// The rules again, as they are said: every pass looks at every pair.
    fn by_brute_force(detections: &[Detection], labels: &[Label], iou: f32) -> Vec<OutcomeKind> {
        let overlap = |d: usize, l: usize| {
            let (a, b) = (detections[d].bbox, labels[l].bbox);
            let inter = (a.x2.min(b.x2) - a.x1.max(b.x1)).max(0.0) * (a.y2.min(b.y2) - a.y1.max(b.y1)).max(0.0);
            inter / (b.area() + a.area() - inter + 1e-7)
        };
        let mut kinds = vec![None; labels.len()];
        let mut used = vec![false; detections.len()];
        for pass in [Found, WrongClass, PoorlyPlaced] {
            for d in 0..detections.len() {
                if used[d] {
                    continue;
                }
                let mut best: Option<usize> = None;
                for (l, label) in labels.iter().enumerate() {
                    let own = label.class == detections[d].class;
                    if (pass == WrongClass || own) && best.is_none_or(|best| overlap(d, l) >= overlap(d, best)) {
                        best = Some(l);
                    }
                }
                let Some(l) = best else { continue };
                let own = labels[l].class == detections[d].class;
                let fits = match pass {
                    Found => overlap(d, l) >= iou,
                    WrongClass => !own && overlap(d, l) >= iou,
                    _ => overlap(d, l) >= 0.1 && overlap(d, l) < iou,
                };
                if fits && kinds[l].is_none() {
                    kinds[l] = Some(pass);
                    used[d] = true;
                }
            }
        }
        kinds.into_iter().map(|kind| kind.unwrap_or(Missed)).collect()
    }

    #[test]
    fn random_images_agree_with_brute_force() {
        let mut rng = Rng::of(&[15]);
        let mut seen = [0_usize; 4];
        for _ in 0..500 {
            let mut bbox = || {
                let (x, y) = (rng.uniform(0.0, 60.0) as f32, rng.uniform(0.0, 60.0) as f32);
                BoundingBox::new(x, y, x + rng.uniform(10.0, 40.0) as f32, y + rng.uniform(10.0, 40.0) as f32)
            };
            let labels: Vec<Label> = (0..6).map(|k| Label { class: k % 2, bbox: bbox() }).collect();
            let detections: Vec<Detection> =
                (0..9).map(|k| Detection { class: k % 3, score: 0.9 - 0.05 * k as f32, bbox: bbox() }).collect();
            let found: Vec<OutcomeKind> =
                outcomes(&detections, &labels, 0.4).0.iter().map(|outcome| outcome.kind).collect();
            assert_eq!(found, by_brute_force(&detections, &labels, 0.4));
            found.iter().for_each(|kind| seen[*kind as usize] += 1);
            let (outcomes, strays) = outcomes(&detections, &labels, 0.4);
            let given = outcomes.iter().filter(|outcome| outcome.seen.is_some()).count();
            assert_eq!(given + strays.len(), detections.len(), "every detection is somewhere, once");
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }
}
