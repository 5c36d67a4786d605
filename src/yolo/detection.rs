//! Boxes from decoded predictions: YOLOv5's non-maximum suppression on plain numbers.

use crate::geometry::BoundingBox;

/// Added per class, so that boxes of different classes do not suppress each other; YOLOv5's value, in px.
const CLASS_OFFSET: f32 = 7680.0;
/// Candidates that the suppression looks at, best first.
const MAX_CANDIDATES: usize = 30_000;

/// A detected object, input px.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    pub bbox: BoundingBox,
    pub class: usize,
    /// Objectness × class probability.
    pub score: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NmsOptions {
    /// Objectness and score must exceed this.
    pub confidence: f32,
    /// A box is dropped when its IoU with a better one of its class exceeds this.
    pub iou: f64,
    /// Every class above the confidence counts, not the best alone.
    pub multi_label: bool,
    pub max_detections: usize,
}

impl NmsOptions {
    /// Few, clear boxes: what YOLOv5's `detect.py` shows.
    pub const fn for_viewing() -> Self {
        Self { confidence: 0.25, iou: 0.45, multi_label: false, max_detections: 300 }
    }

    /// Every box that can count towards recall: what YOLOv5's `val.py` measures.
    pub const fn for_evaluation() -> Self {
        Self { confidence: 0.001, iou: 0.6, multi_label: true, max_detections: 300 }
    }
}

/// The boxes of one image, best first. `predictions`: rows of (x centre, y centre, width, height in px, objectness,
/// then `nc` class probabilities), as decoded.
///
/// As torchvision's `nms` on YOLOv5's boxes shifted by class; since classes are further apart than boxes are wide, a
/// box is only set against the better ones of its own class.
pub fn non_max_suppression(predictions: &[f32], nc: usize, options: &NmsOptions) -> Vec<Detection> {
    let mut candidates = candidates(predictions, nc, options);
    if candidates.len() > MAX_CANDIDATES {
        // An untrained model gives millions: only those that can be looked at are sorted.
        let mut scores: Vec<f32> = candidates.iter().map(|candidate| candidate.score).collect();
        let (_, lowest, _) = scores.select_nth_unstable_by(MAX_CANDIDATES - 1, |a, b| b.total_cmp(a));
        candidates.retain(|candidate| candidate.score >= *lowest);
    }
    // Stable: equal scores keep the order of the predictions.
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(MAX_CANDIDATES);

    let mut kept = Vec::new();
    let mut kept_of_class: Vec<Vec<(BoundingBox, f32)>> = vec![Vec::new(); nc];
    for candidate in candidates {
        if kept.len() == options.max_detections {
            break;
        }
        let better = &mut kept_of_class[candidate.class];
        // The shift costs digits, and with them goes what the reference's IoU is worth.
        let offset = candidate.class as f32 * CLASS_OFFSET;
        let [x1, y1, x2, y2] = candidate.bbox.as_xyxy().map(|side| side + offset);
        let shifted = BoundingBox::new(x1, y1, x2, y2);
        let area = shifted.area();
        let suppressed = better.iter().any(|(better, better_area)| {
            let width = better.x2.min(shifted.x2) - better.x1.max(shifted.x1);
            let height = better.y2.min(shifted.y2) - better.y1.max(shifted.y1);
            if width <= 0.0 || height <= 0.0 {
                return false;
            }
            let intersection = width * height;
            f64::from(intersection / (better_area + area - intersection)) > options.iou
        });
        if !suppressed {
            better.push((shifted, area));
            kept.push(candidate);
        }
    }
    kept
}

fn candidates(predictions: &[f32], nc: usize, options: &NmsOptions) -> Vec<Detection> {
    let multi_label = options.multi_label && nc > 1;
    let mut candidates = Vec::new();
    for row in predictions.chunks_exact(5 + nc).filter(|row| row[4] > options.confidence) {
        let (x, y, half_w, half_h) = (row[0], row[1], row[2] / 2.0, row[3] / 2.0);
        let bbox = BoundingBox::new(x - half_w, y - half_h, x + half_w, y + half_h);
        let scores = row[5..].iter().map(|probability| probability * row[4]).enumerate();
        let over =
            |(class, score): (usize, f32)| (score > options.confidence).then_some(Detection { bbox, class, score });
        if multi_label {
            candidates.extend(scores.filter_map(over));
        } else {
            // The first of equal classes wins.
            let best = scores.reduce(|best, next| if next.1 > best.1 { next } else { best });
            candidates.extend(best.and_then(over));
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: NmsOptions = NmsOptions { confidence: 0.25, iou: 0.45, multi_label: false, max_detections: 300 };

    /// 10×10 boxes centred at (x, 50) with objectness 1 and two class probabilities.
    fn row(x: f32, classes: [f32; 2]) -> [f32; 7] {
        [x, 50.0, 10.0, 10.0, 1.0, classes[0], classes[1]]
    }

    #[test]
    fn the_better_of_two_overlapping_boxes_of_a_class_stays() {
        // Shifted by 2 of 10 px: IoU 8 / 12.
        let rows = [row(50.0, [0.6, 0.0]), row(52.0, [0.9, 0.0]), row(80.0, [0.5, 0.0])].concat();
        let found = non_max_suppression(&rows, 2, &OPTIONS);
        let scores: Vec<f32> = found.iter().map(|d| d.score).collect();
        assert_eq!(scores, [0.9, 0.5]);
        assert_eq!(found[0].bbox.as_xyxy(), [47.0, 45.0, 57.0, 55.0]);
        let looser = NmsOptions { iou: 0.7, ..OPTIONS };
        assert_eq!(non_max_suppression(&rows, 2, &looser).len(), 3);
    }

    #[test]
    fn boxes_of_different_classes_do_not_suppress_each_other() {
        let rows = [row(50.0, [0.6, 0.0]), row(50.0, [0.0, 0.9])].concat();
        let found = non_max_suppression(&rows, 2, &OPTIONS);
        assert_eq!(found.iter().map(|d| d.class).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn one_box_gives_each_class_above_the_confidence_where_asked() {
        let rows = row(50.0, [0.6, 0.5]);
        assert_eq!(non_max_suppression(&rows, 2, &OPTIONS).len(), 1);
        let each = NmsOptions { multi_label: true, ..OPTIONS };
        assert_eq!(non_max_suppression(&rows, 2, &each).len(), 2);
    }

    #[test]
    fn the_number_of_boxes_is_bounded_and_nan_is_no_box() {
        let rows = [row(10.0, [0.6, 0.0]), row(90.0, [0.7, 0.0]), row(50.0, [f32::NAN, f32::NAN])].concat();
        let first = NmsOptions { max_detections: 1, ..OPTIONS };
        assert_eq!(non_max_suppression(&rows, 2, &first).len(), 1);
        assert_eq!(non_max_suppression(&rows, 2, &OPTIONS).len(), 2);
    }

    #[test]
    fn only_the_best_candidates_are_looked_at() {
        let in_one_place = |n: usize| row(50.0, [0.5, 0.0]).repeat(n);
        let apart = row(90.0, [0.4, 0.0]);
        let found = |n: usize| non_max_suppression(&[&apart[..], &in_one_place(n)].concat(), 2, &OPTIONS).len();
        assert_eq!((found(MAX_CANDIDATES - 1), found(MAX_CANDIDATES)), (2, 1));
        // Of equal scores the first count.
        let apart = row(90.0, [0.5, 0.0]);
        let rows = [&in_one_place(MAX_CANDIDATES - 1)[..], &apart, &row(20.0, [0.5, 0.0])].concat();
        let found = non_max_suppression(&rows, 2, &OPTIONS);
        assert_eq!(found.iter().map(|d| d.bbox.x1).collect::<Vec<_>>(), [45.0, 85.0]);
    }
}
