//! What ψ and the level rule would mark over a whole dataset, for a grid of ψ and every rule at once.
//!
//! Plain numbers from image sizes and labels alone: no pixel is decoded and no model runs. Each image is letterboxed
//! into the input as an inspection does it, without augmentation. Besides the cells of the masks it counts those that
//! YOLOv5's target assignment makes positives, so that imitation and detection can be set against each other.

mod count;
mod table;

use std::ops::ControlFlow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::Samples;
use crate::geometry::{BoundingBox, Size};
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::yolo::anchors::AnchorScale;
use count::Tally;

/// Images between two reports of progress.
const CHUNK: usize = 64;
/// Steps of the grid of ψ from 0 to 1.
const STEPS: u8 = 20;

/// The size of an object by its area, as COCO divides it: in input px in a survey, in image px in a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectSize {
    /// Below 32².
    Small,
    /// Below 96².
    Medium,
    Large,
}

impl ObjectSize {
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    pub fn of(bbox: &BoundingBox) -> Self {
        match bbox.area() {
            area if area < 32.0 * 32.0 => Self::Small,
            area if area < 96.0 * 96.0 => Self::Medium,
            _ => Self::Large,
        }
    }
}

/// One value for each size of object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BySize<T> {
    pub small: T,
    pub medium: T,
    pub large: T,
}

impl<T> BySize<T> {
    pub fn from_fn(mut value: impl FnMut(ObjectSize) -> T) -> Self {
        Self { small: value(ObjectSize::Small), medium: value(ObjectSize::Medium), large: value(ObjectSize::Large) }
    }

    pub const fn get(&self, size: ObjectSize) -> &T {
        match size {
            ObjectSize::Small => &self.small,
            ObjectSize::Medium => &self.medium,
            ObjectSize::Large => &self.large,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct SurveyOptions {
    /// Ascending, at most 255: [`psi_grid`].
    pub psis: Vec<Psi>,
    pub convention: IouConvention,
}

/// ψ from 0 to 1 in steps of 0.05, and `now` among them.
pub fn psi_grid(now: Psi) -> Vec<Psi> {
    let steps = (0..=STEPS).map(|step| Psi::saturating(f32::from(step) / f32::from(STEPS)));
    let mut psis: Vec<Psi> = steps.chain([now]).collect();
    psis.sort_by(|a, b| a.get().total_cmp(&b.get()));
    psis.dedup();
    psis
}

/// What every ψ and every rule mark over a dataset. A vector without another word has a value for each of `psis`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    pub images: u64,
    pub ground_truths: u64,
    /// Ground truths of each size.
    pub sizes: BySize<u64>,
    /// (width, height) of the input in px.
    pub input: [u32; 2],
    pub iou: IouConvention,
    /// Ascending.
    pub psis: Vec<f32>,
    pub scales: Vec<SurveyScale>,
    /// In the order of [`LevelRule::ALL`].
    pub rules: Vec<RuleSurvey>,
}

/// One scale of the input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurveyScale {
    /// "P3" …
    pub name: String,
    pub stride: u32,
    pub rows: usize,
    pub cols: usize,
    /// Cells where YOLOv5 assigns some anchor to some ground truth, summed over images.
    pub positives: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleSurvey {
    pub rule: LevelRule,
    /// In the order of [`Survey::scales`].
    pub scales: Vec<RuleOnScale>,
    /// Ground truths that mark no cell on any scale.
    pub without_cell: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleOnScale {
    /// Cells of the mask, summed over images: a cell that several ground truths mark is one.
    pub cells: Vec<u64>,
    /// Share of the map that is marked, 0..=1, mean over images.
    pub share: Vec<f64>,
    /// Cells that ground truths of a size mark, each counted for itself.
    pub by_size: BySize<Vec<u64>>,
    /// Cells of the mask that are positives too.
    pub both: Vec<u64>,
}

/// Mask and positives of a scale, in cells summed over images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    pub only_mask: u64,
    pub only_positives: u64,
    pub both: u64,
}

impl Survey {
    /// The place of the surveyed ψ that is nearest to this one.
    pub fn nearest(&self, psi: Psi) -> usize {
        let apart = |at: &usize| (self.psis[*at] - psi.get()).abs();
        (0..self.psis.len()).min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap_or(0)
    }

    pub fn rule(&self, rule: LevelRule) -> Option<&RuleSurvey> {
        self.rules.iter().find(|of| of.rule == rule)
    }

    /// Mask and positives on each scale at the ψ of this place; nothing for a place without a ψ.
    pub fn overlap(&self, rule: LevelRule, at: usize) -> Vec<Overlap> {
        let of_scale = |(scale, of): (&SurveyScale, &RuleOnScale)| {
            let (cells, both) = (*of.cells.get(at)?, *of.both.get(at)?);
            Some(Overlap { only_mask: cells - both, only_positives: scale.positives - both, both })
        };
        let rule = self.rule(rule).map_or(&[] as &[RuleOnScale], |rule| &rule.scales);
        self.scales.iter().zip(rule).filter_map(of_scale).collect()
    }
}

/// Surveys every image. `scales`: the anchors; `input`: whole cells of the largest stride. `progress` hears how many
/// images of how many are done, and may break it off; then there is no survey.
pub fn survey(
    samples: &Samples,
    scales: &[AnchorScale],
    input: Size,
    options: &SurveyOptions,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Option<Survey> {
    let images = samples.samples.len();
    let new = || Tally::new(scales, options.psis.len());
    let mut tally = new();
    for (index, chunk) in samples.samples.chunks(CHUNK).enumerate() {
        if progress(index * CHUNK, images).is_break() {
            return None;
        }
        let counted = chunk.par_iter().fold(new, |mut tally, sample| {
            tally.add(sample, scales, input, options);
            tally
        });
        tally = tally.merged(counted.reduce(new, Tally::merged));
    }
    progress(images, images).is_continue().then(|| tally.finish(scales, input, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_steps_of_a_twentieth_and_the_present_psi_once() {
        let values = |now| psi_grid(Psi::saturating(now)).iter().map(|psi| psi.get()).collect::<Vec<f32>>();
        let grid = values(0.5);
        assert_eq!((grid.len(), grid[0], grid[3], grid[20]), (21, 0.0, 0.15, 1.0));
        let with = values(0.37);
        assert_eq!((with.len(), with[7], with[8], with[9]), (22, 0.35, 0.37, 0.4));
    }

    #[test]
    fn objects_are_divided_at_32_and_96_px() {
        let square = |side: f32| ObjectSize::of(&BoundingBox::new(10.0, 10.0, 10.0 + side, 10.0 + side));
        let (small, medium, large) = (ObjectSize::Small, ObjectSize::Medium, ObjectSize::Large);
        assert_eq!([31.0, 32.0, 95.0, 96.0].map(square), [small, medium, medium, large]);
    }
}
