//! The numbers of one image for the story: [`StoryNumbers`] from the records of an inspection, the same for a figure and for
//! the window.

use super::pull::{HeadPull, PullSums, ScalePull};
use super::records::Comparison;
use super::scene::Scene;
use crate::imitation::difference::MaskedStatistics;
use crate::imitation::loss::{Loss, MaskChoice};
use crate::imitation::mask::{GtMask, ImitationMask, IouField, LevelRule, ScaleMask};
use crate::story::{Cell, PullShares, StoryNumbers, StoryScale, StoryTruth};
use crate::yolo::anchors::AnchorScale;

/// Larger than this share of the input, an object leaves nothing around it to tell it from.
const MOST_OF_INPUT: f32 = 0.25;

/// What a [`StoryNumbers`] is made from; field and mask in the order of the anchors, `None` before they are computed.
pub struct StorySource<'a> {
    pub scene: &'a Scene,
    pub anchors: &'a [AnchorScale],
    pub field: Option<&'a IouField>,
    pub mask: Option<&'a ImitationMask>,
    pub choice: MaskChoice,
    pub comparison: Option<&'a Comparison>,
    /// The tap, for before there is a comparison.
    pub tap: &'static str,
    pub lambda: f64,
    /// The ground truth that is told; [`usual_truth`] finds one.
    pub truth: Option<usize>,
    /// The cell whose anchors are shown, as (stride, row, col); the best one of the ground truth otherwise.
    pub cell: Option<(u32, usize, usize)>,
}

/// The ground truth that a story is best told of: of those that leave most of the image free the largest, for its
/// cells are seen from afar; else the smallest.
pub fn usual_truth(scene: &Scene) -> Option<usize> {
    let input = scene.input_size();
    let most = MOST_OF_INPUT * input.width as f32 * input.height as f32;
    let by_area = |(_, a): &(usize, f32), (_, b): &(usize, f32)| a.total_cmp(b);
    let areas = || scene.labels.iter().map(|label| label.bbox.area()).enumerate();
    // Of equals the first.
    let largest = areas().filter(|(_, area)| *area <= most).rev().max_by(by_area);
    largest.or_else(|| areas().min_by(by_area)).map(|(index, _)| index)
}

/// Where the ground truth is told: the scale on which it fits best, the first of equals.
fn scale_of(mask: Option<&ImitationMask>, truth: Option<usize>) -> usize {
    let best = |(index, gt): (usize, &GtMask)| (index, gt.max_iou);
    let gts = mask.into_iter().flat_map(|mask| &mask.scales).enumerate();
    let known = gts.filter_map(|(index, scale)| Some(best((index, scale.gts.get(truth?)?))));
    known.reduce(|a, b| if b.1 > a.1 { b } else { a }).map_or(0, |(index, _)| index)
}

/// Of one scale.
#[derive(Clone, Copy)]
struct Pulls {
    raw: Option<PullSums>,
    answers: Option<PullSums>,
}

/// `None` where nothing pulls, or something that is not finite.
fn shares(sums: PullSums) -> Option<PullShares> {
    let shares = PullShares { unseen: sums.unseen / sums.whole, same: sums.same / sums.whole };
    (sums.whole > 0.0 && shares.unseen.is_finite() && shares.same.is_finite()).then_some(shares)
}

fn total(scales: impl Iterator<Item = PullSums>) -> Option<PullShares> {
    shares(scales.reduce(PullSums::plus)?)
}

impl StorySource<'_> {
    /// `squares`: of the scale of a stride, the squared difference inside and outside the mask.
    pub fn numbers(&self, squares: impl Fn(u32) -> Option<MaskedStatistics>) -> StoryNumbers {
        let scene = self.scene;
        let (letterbox, input) = (scene.letterbox, scene.input_size());
        let truth = self.truth.filter(|&truth| truth < scene.labels.len());
        let mask = self.mask.filter(|mask| mask.scales.len() == self.anchors.len());
        let at = scale_of(mask, truth);
        let of_truth = |scale: usize| truth.and_then(|truth| mask?.scales.get(scale)?.gts.get(truth)).copied();
        let pulls = self.pulls(mask);
        let scales = self.anchors.iter().enumerate().map(|(index, anchors)| {
            let (rows, cols) = anchors.shape(input.width, input.height);
            let gt = of_truth(index).unwrap_or_default();
            let compared = self.comparison.and_then(|comparison| comparison.scale(anchors.stride));
            let squares = squares(anchors.stride);
            StoryScale {
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
                raw: pulls.get(index).and_then(|pulls| shares(pulls.raw?)),
                answers: pulls.get(index).and_then(|pulls| shares(pulls.answers?)),
            }
        });
        let scales: Vec<StoryScale> = scales.collect();
        let middle =
            || scales.get(at).map_or_else(Cell::default, |scale| Cell { row: scale.rows / 2, col: scale.cols / 2 });
        let best = of_truth(at).and_then(|gt| gt.best);
        let shown = self.cell.filter(|(stride, ..)| self.anchors.get(at).is_some_and(|scale| scale.stride == *stride));
        let cell = match (shown, best) {
            (Some((_, row, col)), _) => Cell { row, col },
            (None, Some(best)) => Cell { row: best.row, col: best.col },
            (None, None) => middle(),
        };
        StoryNumbers {
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
            raw: total(pulls.iter().filter_map(|pulls| pulls.raw)),
            answers: total(pulls.iter().filter_map(|pulls| pulls.answers)),
            chosen: self.chosen(mask),
            run: None,
        }
    }

    /// How hard raw squares pull inside the mask, and `answers` anywhere, at each scale of the anchors.
    fn pulls(&self, mask: Option<&ImitationMask>) -> Vec<Pulls> {
        let Some(HeadPull { raw, answers }) = self.comparison.and_then(|found| found.head_pull.as_ref()) else {
            return Vec::new();
        };
        let of = |pulls: &[ScalePull], stride, counts: &dyn Fn(usize) -> bool| {
            pulls.iter().find(|pull| pull.stride == stride).map(|pull| pull.sums(counts))
        };
        let of_scale = |(index, scale): (usize, &AnchorScale)| {
            let mask = mask.and_then(|mask| mask.scales.get(index));
            let inside = |cell: usize| mask.is_some_and(|mask| mask.count.get(cell).is_some_and(|&hits| hits > 0));
            Pulls { raw: of(raw, scale.stride, &inside), answers: of(answers, scale.stride, &|_| true) }
        };
        self.anchors.iter().enumerate().map(of_scale).collect()
    }

    /// The loss that is chosen and its value here, where it is not the story's own.
    fn chosen(&self, mask: Option<&ImitationMask>) -> Option<(&'static str, f64)> {
        let comparison = self.comparison.filter(|comparison| comparison.loss != Loss::FEATURES)?;
        let boxes = self.scene.boxes();
        let of_scale = |(scale, mask): (&AnchorScale, &ScaleMask)| {
            let compared = comparison.scale(scale.stride)?;
            compared.loss.as_ref()?.under(&compared.cell_weights(self.choice.source, mask, &boxes)).loss
        };
        let losses = self.anchors.iter().zip(&mask?.scales).filter_map(of_scale);
        Some((comparison.loss.name(), losses.reduce(|sum, loss| sum + loss)?))
    }

    fn truth(&self, number: usize, at: usize, gt: &GtMask) -> StoryTruth {
        let label = &self.scene.labels[number];
        let of_all = self.field.filter(|field| self.choice.rule == LevelRule::Global && number < field.gts());
        let anchor = gt.best.and_then(|best| self.anchors.get(at)?.anchors.get(best.anchor).copied());
        StoryTruth {
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

    fn numbers(scene: &Scene, rule: LevelRule, truth: usize) -> StoryNumbers {
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
        let source = StorySource {
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
        source.numbers(|_| None)
    }

    #[test]
    fn the_numbers_are_those_of_the_methods_golden_table() {
        let scene = scene(&[(400.0, 300.0), (16.0, 16.0)]);
        // 400 × 300: M = 0.836 at P5, 52 cells there at ψ = 0.5; on its own 1896, 428 and 52.
        let large = numbers(&scene, LevelRule::PerScale, 0);
        assert_eq!(large.at, 2);
        let threshold: Vec<String> = large.numbers(Step::Threshold).iter().map(Line::english).collect();
        assert_eq!(threshold, ["ψ · M = 0.5 · 0.836 = 0.418", "52 cells of P5 are above it"]);
        assert_eq!(large.numbers(Step::Mask)[1].english(), "cells of each scale: P3 1896, P4 428, P5 52");
        assert_eq!(large.numbers(Step::Best)[1].english(), "by the anchor 373×326");
        // 16 × 16: M = 0.353 at P3, 12 cells there and, by the rule global, nowhere else.
        let small = numbers(&scene, LevelRule::Global, 1);
        assert_eq!((small.at, small.truth.as_ref().map(|truth| truth.best_iou > 0.35)), (0, Some(true)));
        assert_eq!(small.numbers(Step::Mask)[1].english(), "cells of each scale: P3 12, P4 0, P5 0");
        assert_eq!(small.missing(Step::Features), Some("Open a teacher and a student: features are what they see."));
    }

    #[test]
    fn the_largest_object_that_leaves_room_is_told_of() {
        // A quarter of 640 × 640 is 102400.
        assert_eq!(usual_truth(&scene(&[(16.0, 16.0), (320.0, 320.0), (330.0, 330.0)])), Some(1));
        assert_eq!(usual_truth(&scene(&[(600.0, 600.0), (400.0, 400.0)])), Some(1));
        assert_eq!(usual_truth(&scene(&[(16.0, 16.0), (16.0, 16.0)])), Some(0));
        assert_eq!(usual_truth(&scene(&[])), None);
    }

    /// Two scales of 80 × 80 and 40 × 40 cells; raw squares are 1 in each cell, of which the classes are 0.75 inside the mask and
    /// nothing outside; `answers` pulls 2 in each cell of the first scale and 6 in each of the second, of which 0.02 and 0 are classes.
    #[test]
    fn raw_squares_count_inside_the_mask_and_answers_everywhere() {
        use crate::grid::Grid;
        use crate::inspect::Tap;

        let scene = scene(&[(16.0, 16.0)]);
        let anchors =
            [(8, 16.0), (16, 32.0)].map(|(stride, side)| AnchorScale { stride, anchors: vec![[side, side]] }).to_vec();
        let field = IouField::compute(&anchors, scene.input_size(), &scene.boxes(), IouConvention::Exact);
        let mask = field.mask(Psi::default(), LevelRule::PerScale);
        let pull = |index: usize, inside: [f32; 3], outside: [f32; 3]| {
            let of = |part: usize| {
                let cols = mask.scales[index].cols;
                Grid::from_fn(cols, mask.scales[index].rows, |row, col| {
                    if mask.scales[index].count[row * cols + col] > 0 { inside[part] } else { outside[part] }
                })
            };
            ScalePull { stride: anchors[index].stride, whole: of(0), unseen: of(1), same: of(2) }
        };
        let raw = [0, 1].map(|index| pull(index, [1.0, 0.75, 0.5], [1.0, 0.0, 0.0])).to_vec();
        let answers =
            [(0, [2.0, 0.02, 0.1]), (1, [6.0, 0.0, 0.1])].map(|(index, each)| pull(index, each, each)).to_vec();
        let head_pull = Some(HeadPull { raw: Arc::new(raw), answers: Arc::new(answers) });
        let comparison = Comparison { head_pull, ..Comparison::none(Tap::Neck, Loss::FEATURES) };
        let choice = MaskChoice {
            psi: Psi::default(),
            rule: LevelRule::PerScale,
            convention: IouConvention::Exact,
            source: MaskSource::Iou,
        };
        let source = StorySource {
            scene: &scene,
            anchors: &anchors,
            field: Some(&field),
            mask: Some(&mask),
            choice,
            comparison: Some(&comparison),
            tap: "neck",
            lambda: 1.0,
            truth: None,
            cell: None,
        };
        let numbers = source.numbers(|_| None);
        let near = |found: Option<PullShares>, unseen: f64, same: f64| {
            let found = found.expect("shares");
            assert!((found.unseen - unseen).abs() < 1e-6 && (found.same - same).abs() < 1e-6, "{found:?}");
        };
        near(numbers.raw, 0.75, 0.5);
        // 6400 cells of 2 and 1600 of 6: 128 of 22400, and 800 of them.
        near(numbers.answers, 128.0 / 22400.0, 800.0 / 22400.0);
        near(numbers.scales[0].answers, 0.01, 0.05);
        near(numbers.scales[1].answers, 0.0, 0.1 / 6.0);
        assert_eq!(numbers.chosen, None, "the paper's loss is the story's own");
        // Without a mask raw squares have no share.
        let unmarked = StorySource { mask: None, ..source }.numbers(|_| None);
        assert_eq!((unmarked.raw, unmarked.answers.is_some()), (None, true));
    }
}
