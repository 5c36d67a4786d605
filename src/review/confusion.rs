//! Which class is taken for which: YOLOv5's confusion matrix.

use std::collections::BTreeMap;

use crate::dataset::Label;
use crate::train::evaluate::matching::overlap;
use crate::yolo::detection::Detection;

/// YOLOv5 takes a box for an object's where they overlap more than this, whatever the classes.
pub const CONFUSION_IOU: f32 = 0.45;

/// A matrix of more has no place on a page or in a report.
const MOST_CLASSES: usize = 1000;

/// Predictions against objects, by class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// By predicted and true class, the last of both being the background; what never happened is not in it.
    counts: BTreeMap<(usize, usize), u64>,
    /// Predictions by class that YOLOv5's matrix passes over: those of images where no box meets an object.
    passed_over: Vec<u64>,
}

impl Confusion {
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: BTreeMap::new(), passed_over: vec![0; classes] }
    }

    /// The class of the background, as a row and as a column.
    pub const fn background(&self) -> usize {
        self.classes
    }

    pub fn get(&self, predicted: usize, truth: usize) -> u64 {
        self.counts.get(&(predicted, truth)).copied().unwrap_or(0)
    }

    /// Whether it is too large to be written down or drawn whole.
    pub const fn is_huge(&self) -> bool {
        self.classes > MOST_CLASSES
    }

    /// Rows are predicted, columns true classes.
    pub fn rows(&self) -> impl Iterator<Item = Vec<u64>> {
        (0..=self.classes).map(|predicted| (0..=self.classes).map(|truth| self.get(predicted, truth)).collect())
    }

    pub fn passed_over(&self) -> &[u64] {
        &self.passed_over
    }

    /// Adds an image: `detections` above the confidence that counts, and `labels`, both in the same px.
    pub fn add(&mut self, detections: &[Detection], labels: &[Label]) {
        let pairs = pairs(detections, labels);
        let mut of_label = vec![None; labels.len()];
        let mut is_paired = vec![false; detections.len()];
        for (label, detection) in &pairs {
            of_label[*label] = Some(*detection);
            is_paired[*detection] = true;
        }
        let mut count = |predicted: usize, truth: usize| *self.counts.entry((predicted, truth)).or_default() += 1;
        for (label, detection) in labels.iter().zip(of_label) {
            let predicted = detection.map_or(self.classes, |at: usize| detections[at].class);
            count(predicted, label.class);
        }
        for (detection, _) in detections.iter().zip(is_paired).filter(|(_, is_paired)| !is_paired) {
            if pairs.is_empty() {
                self.passed_over[detection.class] += 1;
            } else {
                count(detection.class, self.classes);
            }
        }
    }
}

/// (label, detection), each at most once, the best overlaps first.
fn pairs(detections: &[Detection], labels: &[Label]) -> Vec<(usize, usize)> {
    let mut over = Vec::new();
    for (l, label) in labels.iter().enumerate() {
        for (d, detection) in detections.iter().enumerate() {
            let iou = overlap(&label.bbox, &detection.bbox);
            if iou > CONFUSION_IOU {
                over.push((l, d, iou));
            }
        }
    }
    // Every detection keeps the label that it overlaps most, then every label the detection that does.
    by_overlap(&mut over);
    let mut kept: Vec<(usize, usize, f32)> = Vec::new();
    for pair in over {
        if kept.iter().all(|(_, d, _)| *d != pair.1) {
            kept.push(pair);
        }
    }
    kept.sort_by_key(|(_, d, _)| *d);
    by_overlap(&mut kept);
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (l, d, _) in kept {
        if pairs.iter().all(|(label, _)| *label != l) {
            pairs.push((l, d));
        }
    }
    pairs
}

/// Best first. Equal ones keep their order, the more confident first: one box may be said to be of several classes. Upstream
/// leaves those to chance.
fn by_overlap(pairs: &mut [(usize, usize, f32)]) {
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoundingBox;

    fn bbox(x1: f32) -> BoundingBox {
        BoundingBox::new(x1, 0.0, x1 + 10.0, 10.0)
    }

    fn detection(class: usize, x1: f32) -> Detection {
        Detection { class, score: 0.9, bbox: bbox(x1) }
    }

    fn label(class: usize, x1: f32) -> Label {
        Label { class, bbox: bbox(x1) }
    }

    #[test]
    fn an_image_by_hand() {
        let mut matrix = Confusion::new(2);
        // The first object is found, the second taken for the other class, the third by nobody; a box lies nowhere.
        let labels = [label(0, 0.0), label(0, 100.0), label(1, 200.0)];
        matrix.add(&[detection(0, 1.0), detection(1, 101.0), detection(1, 300.0)], &labels);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), [[1, 0, 0], [1, 0, 1], [0, 1, 0]]);
        assert_eq!((matrix.get(1, 0), matrix.get(matrix.background(), 1), matrix.passed_over()), (1, 1, &[0, 0][..]));
    }

    #[test]
    fn the_better_overlap_has_the_object_whatever_its_class() {
        let mut matrix = Confusion::new(2);
        matrix.add(&[detection(0, 2.0), detection(1, 1.0)], &[label(0, 0.0)]);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), [[0, 0, 1], [1, 0, 0], [0, 0, 0]]);
    }

    #[test]
    fn one_box_of_two_classes_counts_as_the_more_confident_one() {
        let mut matrix = Confusion::new(2);
        matrix.add(&[detection(1, 0.0), detection(0, 0.0)], &[label(0, 0.0)]);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), [[0, 0, 1], [1, 0, 0], [0, 0, 0]]);
    }

    #[test]
    fn where_nothing_meets_predictions_are_passed_over_but_counted() {
        let mut matrix = Confusion::new(2);
        matrix.add(&[detection(1, 50.0)], &[label(0, 0.0)]);
        matrix.add(&[detection(0, 50.0), detection(1, 90.0)], &[]);
        assert_eq!(matrix.rows().collect::<Vec<_>>(), [[0, 0, 0], [0, 0, 0], [1, 0, 0]]);
        assert_eq!(matrix.passed_over(), [1, 2]);
    }
}
