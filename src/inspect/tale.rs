//! The numbers of one image for the story: [`Told`] from the records of an inspection, the same for a figure and for
//! the window.

use super::records::Comparison;
use super::scene::Scene;
use crate::imitation::difference::MaskedStatistics;
use crate::imitation::loss::MaskChoice;
use crate::imitation::mask::{GtMask, ImitationMask, IouField, LevelRule};
use crate::story::{Cell, ScaleTold, Told, TruthTold};
use crate::yolo::anchors::AnchorScale;

/// Larger than this share of the input, an object leaves nothing around it to tell it from.
const MOST_OF_INPUT: f32 = 0.25;

/// What a [`Told`] is made from; field and mask in the order of the anchors, `None` before they are computed.
pub struct Tale<'a> {
    pub scene: &'a Scene,
    pub anchors: &'a [AnchorScale],
    pub field: Option<&'a IouField>,
    pub mask: Option<&'a ImitationMask>,
    pub choice: MaskChoice,
    pub comparison: Option<&'a Comparison>,
    /// The tap, for before there is a comparison.
    pub tap: &'static str,
    pub lambda: f64,
    /// The ground truth that is told; [`tellable`] finds one.
    pub truth: Option<usize>,
    /// The cell whose anchors are shown, as (stride, row, col); the best one of the ground truth otherwise.
    pub cell: Option<(u32, usize, usize)>,
}

/// The ground truth that a story is best told of: of those that leave most of the image free the largest, for its
/// cells are seen from afar; else the smallest.
pub fn tellable(scene: &Scene) -> Option<usize> {
    let input = scene.input_size();
    let most = MOST_OF_INPUT * input.width as f32 * input.height as f32;
    let by_area = |(_, a): &(usize, f32), (_, b): &(usize, f32)| a.total_cmp(b);
    let areas = || scene.labels.iter().map(|label| label.bbox.area()).enumerate();
    // Of equals the first.
    let largest = areas().filter(|(_, area)| *area <= most).rev().max_by(by_area);
    largest.or_else(|| areas().min_by(by_area)).map(|(index, _)| index)
}

/// Where the ground truth is told: the scale on which it fits best, the first of equals.
fn told_at(mask: Option<&ImitationMask>, truth: Option<usize>) -> usize {
    let best = |(index, gt): (usize, &GtMask)| (index, gt.max_iou);
    let gts = mask.into_iter().flat_map(|mask| &mask.scales).enumerate();
    let known = gts.filter_map(|(index, scale)| Some(best((index, scale.gts.get(truth?)?))));
    known.reduce(|a, b| if b.1 > a.1 { b } else { a }).map_or(0, |(index, _)| index)
}

impl Tale<'_> {
    /// `squares`: of the scale of a stride, the squared difference inside and outside the mask.
    pub fn told(&self, squares: impl Fn(u32) -> Option<MaskedStatistics>) -> Told {
        let scene = self.scene;
        let (letterbox, input) = (scene.letterbox, scene.input_size());
        let truth = self.truth.filter(|&truth| truth < scene.labels.len());
        let mask = self.mask.filter(|mask| mask.scales.len() == self.anchors.len());
        let at = told_at(mask, truth);
        let of_truth = |scale: usize| truth.and_then(|truth| mask?.scales.get(scale)?.gts.get(truth)).copied();
        let scales = self.anchors.iter().enumerate().map(|(index, anchors)| {
            let (rows, cols) = anchors.shape(input.width, input.height);
            let gt = of_truth(index).unwrap_or_default();
            let compared = self.comparison.and_then(|comparison| comparison.scale(anchors.stride));
            let squares = squares(anchors.stride);
            ScaleTold {
                name: anchors.name(),
                stride: anchors.stride,
                rows,
                cols,
                anchors: anchors.anchors.clone(),
                max_iou: gt.max_iou,
                cells: gt.cells,
                mask_cells: mask.map_or(0, |mask| mask.scales[index].mask_cells),
                teacher_channels: compared.and_then(|scale| Some(scale.teacher.as_ref()?.channels())),
                student_channels: compared.and_then(|scale| Some(scale.student.as_ref()?.channels())),
                sum_inside: squares.map(|squares| squares.sum_inside),
                mean_inside: squares.and_then(|squares| squares.mean_inside),
                mean_outside: squares.and_then(|squares| squares.mean_outside),
            }
        });
        let scales: Vec<ScaleTold> = scales.collect();
        let middle =
            || scales.get(at).map_or_else(Cell::default, |scale| Cell { row: scale.rows / 2, col: scale.cols / 2 });
        let best = of_truth(at).and_then(|gt| gt.best);
        let shown = self.cell.filter(|(stride, ..)| self.anchors.get(at).is_some_and(|scale| scale.stride == *stride));
        let cell = match (shown, best) {
            (Some((_, row, col)), _) => Cell { row, col },
            (None, Some(best)) => Cell { row: best.row, col: best.col },
            (None, None) => middle(),
        };
        Told {
            image: scene.file_name(),
            size: [scene.size.width, scene.size.height],
            input: [input.width, input.height],
            scale: letterbox.scale,
            padding: [letterbox.pad_x, letterbox.pad_y],
            objects: scene.labels.len(),
            psi: self.choice.psi.get(),
            level_rule: self.choice.rule.name(),
            tap: self.comparison.map_or(self.tap, |comparison| comparison.tap.name()),
            lambda: self.lambda,
            truth: truth.zip(of_truth(at)).map(|(number, gt)| self.truth(number, at, &gt)),
            scales,
            at,
            cell,
            run: None,
        }
    }

    fn truth(&self, number: usize, at: usize, gt: &GtMask) -> TruthTold {
        let label = &self.scene.labels[number];
        let of_all = self.field.filter(|field| self.choice.rule == LevelRule::Global && number < field.gts());
        let anchor = gt.best.and_then(|best| self.anchors.get(at)?.anchors.get(best.anchor).copied());
        TruthTold {
            number,
            name: label.name.clone(),
            size: [label.bbox.width(), label.bbox.height()],
            best_iou: of_all.map_or(gt.max_iou, |field| field.best_iou(number)),
            best_anchor: anchor.unwrap_or_default(),
            threshold: gt.threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geometry::{BoundingBox, Letterbox, Size};
    use crate::imitation::loss::MaskSource;
    use crate::imitation::mask::{IouConvention, Psi};
    use crate::inspect::SceneLabel;
    use crate::story::{Line, Step};

    fn scene(boxes: &[(f32, f32)]) -> Scene {
        let size = Size::square(640);
        let picture = Arc::new(image::RgbImage::new(1, 1));
        let label = |&(w, h): &(f32, f32)| SceneLabel {
            class: 0,
            name: "car".into(),
            bbox: BoundingBox::from_center(320.0, 320.0, w, h),
        };
        Scene {
            path: "a.jpg".into(),
            size,
            letterbox: Letterbox::fit(size, size, true),
            input: Arc::clone(&picture),
            display: picture,
            labels: boxes.iter().map(label).collect(),
            warnings: Vec::new(),
        }
    }

    fn told(scene: &Scene, rule: LevelRule, truth: usize) -> Told {
        let scale = |stride, anchors: [[f32; 2]; 3]| AnchorScale { stride, anchors: anchors.to_vec() };
        let anchors = vec![
            scale(8, [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]),
            scale(16, [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]]),
            scale(32, [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]]),
        ];
        let field = IouField::compute(&anchors, scene.input_size(), &scene.boxes(), IouConvention::Exact);
        let choice =
            MaskChoice { psi: Psi::default(), rule, convention: IouConvention::Exact, source: MaskSource::Iou };
        let mask = field.mask(choice.psi, rule);
        let tale = Tale {
            scene,
            anchors: &anchors,
            field: Some(&field),
            mask: Some(&mask),
            choice,
            comparison: None,
            tap: "neck",
            lambda: 1.0,
            truth: Some(truth),
            cell: None,
        };
        tale.told(|_| None)
    }

    #[test]
    fn the_numbers_are_those_of_the_methods_golden_table() {
        let scene = scene(&[(400.0, 300.0), (16.0, 16.0)]);
        // 400 × 300: M = 0.836 at P5, 52 cells there at ψ = 0.5; on its own 1896, 428 and 52.
        let large = told(&scene, LevelRule::PerScale, 0);
        assert_eq!(large.at, 2);
        let threshold: Vec<String> = large.numbers(Step::Threshold).iter().map(Line::english).collect();
        assert_eq!(threshold, ["ψ · M = 0.5 · 0.836 = 0.418", "52 cells of P5 are above it"]);
        assert_eq!(large.numbers(Step::Mask)[1].english(), "cells of each scale: P3 1896, P4 428, P5 52");
        assert_eq!(large.numbers(Step::Best)[1].english(), "by the anchor 373×326");
        // 16 × 16: M = 0.353 at P3, 12 cells there and, by the rule global, nowhere else.
        let small = told(&scene, LevelRule::Global, 1);
        assert_eq!((small.at, small.truth.as_ref().map(|truth| truth.best_iou > 0.35)), (0, Some(true)));
        assert_eq!(small.numbers(Step::Mask)[1].english(), "cells of each scale: P3 12, P4 0, P5 0");
        assert_eq!(small.missing(Step::Features), Some("Open a teacher and a student: features are what they see."));
    }

    #[test]
    fn the_largest_object_that_leaves_room_is_told_of() {
        // A quarter of 640 × 640 is 102400.
        assert_eq!(tellable(&scene(&[(16.0, 16.0), (320.0, 320.0), (330.0, 330.0)])), Some(1));
        assert_eq!(tellable(&scene(&[(600.0, 600.0), (400.0, 400.0)])), Some(1));
        assert_eq!(tellable(&scene(&[(16.0, 16.0), (16.0, 16.0)])), Some(0));
        assert_eq!(tellable(&scene(&[])), None);
    }
}
