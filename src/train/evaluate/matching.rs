//! Which detections of an image find a ground truth, at ten IoU thresholds: YOLOv5's `process_batch`.

use crate::dataset::Label;
use crate::geometry::BoundingBox;
use crate::yolo::detection::Detection;

/// An IoU of at least this counts as found.
pub const IOU_THRESHOLDS: [f32; 10] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];

/// For each IoU threshold, whether a detection found a ground truth of its own.
pub type Found = [bool; IOU_THRESHOLDS.len()];

/// `detections`, best first, against `labels`, both in the same px.
///
/// A detection goes to the ground truth of its class that it overlaps most, and to no other: where a better detection
/// has that one already, it found nothing.
pub fn match_detections(detections: &[Detection], labels: &[Label]) -> Vec<Found> {
    let closest = closest_of_class(detections, labels);
    let mut found = vec![Found::default(); detections.len()];
    for (at, threshold) in IOU_THRESHOLDS.into_iter().enumerate() {
        for (found, place) in found.iter_mut().zip(first_ones(&closest, labels.len(), threshold)) {
            found[at] = place.is_some();
        }
    }
    found
}

/// The same at one threshold: for each detection the ground truth that it found, and how well it overlaps that.
pub fn matches_at(detections: &[Detection], labels: &[Label], threshold: f32) -> Vec<Option<(usize, f32)>> {
    first_ones(&closest_of_class(detections, labels), labels.len(), threshold).collect()
}

fn closest_of_class(detections: &[Detection], labels: &[Label]) -> Vec<Option<(usize, f32)>> {
    let of_class = |detection: &Detection| closest(&detection.bbox, labels, |label| label.class == detection.class);
    detections.iter().map(of_class).collect()
}

/// Of the detections that are close enough, the first at each of so many ground truths.
fn first_ones(
    closest: &[Option<(usize, f32)>],
    labels: usize,
    threshold: f32,
) -> impl Iterator<Item = Option<(usize, f32)>> {
    let mut taken = vec![false; labels];
    closest.iter().map(move |place| {
        place.filter(|(index, iou)| *iou >= threshold && !std::mem::replace(&mut taken[*index], true))
    })
}

/// The label that a box overlaps most, of those that count, and their IoU; the last of equal ones.
pub fn closest(bbox: &BoundingBox, labels: &[Label], counts: impl Fn(&Label) -> bool) -> Option<(usize, f32)> {
    let counted = labels.iter().enumerate().filter(|(_, label)| counts(label));
    let overlaps = counted.map(|(index, label)| (index, overlap(&label.bbox, bbox)));
    overlaps.reduce(|best, next| if next.1 >= best.1 { next } else { best })
}

/// The IoU of two boxes as YOLOv5 computes it, with a little added to the union.
pub fn overlap(a: &BoundingBox, b: &BoundingBox) -> f32 {
    let width = (a.x2.min(b.x2) - a.x1.max(b.x1)).max(0.0);
    let height = (a.y2.min(b.y2) - a.y1.max(b.y1)).max(0.0);
    let intersection = width * height;
    intersection / (a.area() + b.area() - intersection + 1e-7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(class: usize, x1: f32, x2: f32) -> Label {
        Label { class, bbox: BoundingBox::new(x1, 0.0, x2, 10.0) }
    }

    fn detection(class: usize, x1: f32, x2: f32) -> Detection {
        Detection { bbox: BoundingBox::new(x1, 0.0, x2, 10.0), class, score: 0.5 }
    }

    fn counts(detections: &[Detection], labels: &[Label]) -> Vec<usize> {
        match_detections(detections, labels).iter().map(|found| found.iter().filter(|f| **f).count()).collect()
    }

    #[test]
    fn a_detection_counts_up_to_its_iou() {
        // 8 of 10 columns: IoU 0.8, which is enough for 0.8. 7.2 of 10: 0.72.
        assert_eq!(counts(&[detection(0, 0.0, 8.0)], &[label(0, 0.0, 10.0)]), [7]);
        assert_eq!(counts(&[detection(0, 0.0, 7.2)], &[label(0, 0.0, 10.0)]), [5]);
        assert_eq!(counts(&[detection(0, 0.0, 4.0)], &[label(0, 0.0, 10.0)]), [0]);
    }

    #[test]
    fn the_better_detection_takes_the_ground_truth_where_it_reaches() {
        // The first has IoU 0.62 (three thresholds), the second 1.0: it is left the other seven.
        assert_eq!(counts(&[detection(0, 0.0, 6.2), detection(0, 0.0, 10.0)], &[label(0, 0.0, 10.0)]), [3, 7]);
    }

    #[test]
    fn a_detection_never_falls_back_to_its_second_choice() {
        // Both overlap the first ground truth most; the second also reaches 0.6 with the other one.
        let labels = [label(0, 0.0, 10.0), label(0, 2.0, 12.0)];
        assert_eq!(counts(&[detection(0, 0.0, 10.0), detection(0, 0.4, 10.4)], &labels), [10, 0]);
    }

    #[test]
    fn classes_are_not_mixed_and_nothing_may_be_there() {
        assert_eq!(counts(&[detection(1, 0.0, 10.0)], &[label(0, 0.0, 10.0)]), [0]);
        assert_eq!(counts(&[detection(0, 0.0, 10.0)], &[]), [0]);
        assert_eq!(counts(&[], &[label(0, 0.0, 10.0)]), [0; 0]);
    }
}
