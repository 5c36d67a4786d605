//! Counting one image's cells for all ψ at once.
//!
//! A cell is in the mask of every ψ whose threshold lies below its IoU, and thresholds do not fall while ψ grows: how
//! many of them a cell exceeds, its *level*, says for each ψ whether it is in. Levels are found with the thresholds that
//! the mask itself uses, so that the two agree in the last bit; cells are then counted by level.

use super::{BySize, ObjectSize, RuleOnScale, RuleSurvey, Survey, SurveyOptions, SurveyScale};
use crate::dataset::Sample;
use crate::geometry::{BoundingBox, Letterbox, Size};
use crate::imitation::mask::{ANCHOR_T, IouField, LevelRule};
use crate::yolo::anchors::AnchorScale;
use crate::yolo::assign::{Target, assign};

const RULES: usize = LevelRule::ALL.len();

/// How many things have each level, from 0 to the number of ψ.
#[derive(Clone, Debug)]
struct Levels(Vec<u64>);

impl Levels {
    fn new(psis: usize) -> Self {
        Self(vec![0; psis + 1])
    }

    fn add(&mut self, level: u8) {
        self.0[usize::from(level)] += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own += other);
    }

    /// For each ψ how many are in.
    fn above(&self) -> Vec<u64> {
        let mut sum = 0;
        let from_the_end = self.0.iter().skip(1).rev().map(|count| {
            sum += count;
            sum
        });
        let mut above: Vec<u64> = from_the_end.collect();
        above.reverse();
        above
    }
}

#[derive(Clone, Debug)]
struct RuleTally {
    /// Cells by the highest level of any ground truth.
    union: Levels,
    /// The positives among them.
    positives: Levels,
    /// Each ground truth's own cells.
    by_size: [Levels; ObjectSize::ALL.len()],
}

#[derive(Clone, Debug)]
struct ScaleTally {
    positives: u64,
    rules: [RuleTally; RULES],
}

/// What has been counted so far.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    images: u64,
    sizes: [u64; ObjectSize::ALL.len()],
    scales: Vec<ScaleTally>,
    /// Ground truths by their highest level on any scale.
    ground_truths: [Levels; RULES],
}

impl Tally {
    pub(super) fn new(scales: &[AnchorScale], psis: usize) -> Self {
        let levels = || Levels::new(psis);
        let rule = || RuleTally { union: levels(), positives: levels(), by_size: [(); 3].map(|()| levels()) };
        let scale = || ScaleTally { positives: 0, rules: [(); RULES].map(|()| rule()) };
        Self {
            images: 0,
            sizes: [0; 3],
            scales: scales.iter().map(|_| scale()).collect(),
            ground_truths: [(); RULES].map(|()| levels()),
        }
    }

    pub(super) fn add(&mut self, sample: &Sample, scales: &[AnchorScale], input: Size, options: &SurveyOptions) {
        let letterbox = Letterbox::fit(sample.size, input, true);
        let boxes: Vec<BoundingBox> = sample.labels.iter().map(|label| letterbox.to_input(&label.bbox)).collect();
        let sizes: Vec<usize> = boxes.iter().map(|bbox| ObjectSize::of(bbox) as usize).collect();
        let targets: Vec<Target> = boxes.iter().map(|bbox| Target::new(0, 0, bbox, input)).collect();
        let field = IouField::compute(scales, input, &boxes, options.convention);
        let mut highest = vec![[0_u8; RULES]; boxes.len()];

        for (index, (scale, tally)) in scales.iter().zip(&mut self.scales).enumerate() {
            let (rows, cols) = field.shape(index);
            let mut union = vec![[0_u8; RULES]; rows * cols];
            for (gt, (&size, highest)) in sizes.iter().zip(&mut highest).enumerate() {
                let thresholds = LevelRule::ALL.map(|rule| {
                    let of_psi = options.psis.iter().map(|psi| field.threshold(index, gt, *psi, rule));
                    of_psi.collect::<Vec<f32>>()
                });
                field.for_each_cell(index, gt, |row, col, iou| {
                    let cell = &mut union[row * cols + col];
                    for (rule, thresholds) in thresholds.iter().enumerate() {
                        let level = thresholds.partition_point(|threshold| iou > *threshold) as u8;
                        cell[rule] = cell[rule].max(level);
                        highest[rule] = highest[rule].max(level);
                        tally.rules[rule].by_size[size].add(level);
                    }
                });
            }
            let mut positive = vec![false; rows * cols];
            for found in assign(&targets, scale, rows, cols, ANCHOR_T) {
                positive[found.row * cols + found.col] = true;
            }
            tally.positives += positive.iter().filter(|positive| **positive).count() as u64;
            for (levels, positive) in union.iter().zip(positive) {
                for (rule, &level) in tally.rules.iter_mut().zip(levels) {
                    rule.union.add(level);
                    if positive {
                        rule.positives.add(level);
                    }
                }
            }
        }
        self.images += 1;
        for size in sizes {
            self.sizes[size] += 1;
        }
        for levels in highest {
            self.ground_truths.iter_mut().zip(levels).for_each(|(rule, level)| rule.add(level));
        }
    }

    /// Both together.
    pub(super) fn merged(mut self, other: Self) -> Self {
        self.images += other.images;
        self.sizes.iter_mut().zip(other.sizes).for_each(|(own, other)| *own += other);
        for (own, other) in self.scales.iter_mut().zip(&other.scales) {
            own.positives += other.positives;
            for (own, other) in own.rules.iter_mut().zip(&other.rules) {
                own.union.merge(&other.union);
                own.positives.merge(&other.positives);
                own.by_size.iter_mut().zip(&other.by_size).for_each(|(own, other)| own.merge(other));
            }
        }
        self.ground_truths.iter_mut().zip(&other.ground_truths).for_each(|(own, other)| own.merge(other));
        self
    }

    pub(super) fn finish(self, scales: &[AnchorScale], input: Size, options: &SurveyOptions) -> Survey {
        let ground_truths = self.sizes.iter().sum();
        let of_scale = scales.iter().zip(&self.scales).map(|(scale, tally)| {
            let (rows, cols) = scale.shape(input.width, input.height);
            SurveyScale { name: scale.name(), stride: scale.stride, rows, cols, positives: tally.positives }
        });
        let of_scale: Vec<SurveyScale> = of_scale.collect();
        let rules = LevelRule::ALL.into_iter().enumerate().map(|(index, rule)| {
            let on_scale = of_scale.iter().zip(&self.scales).map(|(scale, tally)| {
                let tally = &tally.rules[index];
                let cells = tally.union.above();
                // All maps are of one size: the mean of the shares is the share of the sum.
                let whole = (self.images * (scale.rows * scale.cols) as u64).max(1) as f64;
                let share = cells.iter().map(|&cells| cells as f64 / whole).collect();
                let by_size = BySize::from_fn(|size| tally.by_size[size as usize].above());
                RuleOnScale { cells, share, by_size, both: tally.positives.above() }
            });
            let marking = self.ground_truths[index].above();
            let without_cell = marking.iter().map(|marking| ground_truths - marking).collect();
            RuleSurvey { rule, scales: on_scale.collect(), without_cell }
        });
        Survey {
            images: self.images,
            ground_truths,
            sizes: BySize::from_fn(|size| self.sizes[size as usize]),
            input: [input.width, input.height],
            iou: options.convention,
            psis: options.psis.iter().map(|psi| psi.get()).collect(),
            rules: rules.collect(),
            scales: of_scale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_in_for_every_psi_below_it() {
        let mut levels = Levels::new(3);
        // Three ψ: one thing in none, two in the first alone, one in all.
        for level in [0, 1, 1, 3] {
            levels.add(level);
        }
        assert_eq!(levels.above(), [3, 1, 1]);
    }
}
