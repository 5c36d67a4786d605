//! What an inspection says, as plain records: no tensor, nothing that a thread could not hand on.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::choice::CompareParts;
use super::pull::HeadPull;
use crate::geometry::{BoundingBox, Size};
use crate::grid::Grid;
use crate::imitation::difference::FeatureStack;
use crate::imitation::loss::{CellTerms, Loss, LossOnScale, MaskSource, box_cells};
use crate::imitation::mask::ScaleMask;
use crate::yolo::anchors::AnchorScale;
use crate::yolo::detection::Detection;

/// Which of the two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Teacher,
    Student,
}

impl Role {
    pub const ALL: [Self; 2] = [Self::Teacher, Self::Student];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Student => "student",
        }
    }
}

/// Where the features are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Tap {
    /// The inputs of Detect.
    #[default]
    Neck,
    /// The raw outputs of Detect, its anchors and outputs as channels.
    Head,
    /// The last block of each stride in the backbone.
    Backbone,
}

impl Tap {
    pub const ALL: [Self; 3] = [Self::Neck, Self::Head, Self::Backbone];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Neck => "neck",
            Self::Head => "head",
            Self::Backbone => "backbone",
        }
    }

    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Neck => "The feature maps that Detect reads: the usual place to imitate.",
            Self::Head => "The raw outputs of Detect; teacher and student must agree in anchors and classes.",
            Self::Backbone => "The last block of each stride in the backbone, before the neck mixes the scales.",
        }
    }
}

/// How student channels become teacher channels before the two are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum AdapterChoice {
    /// The linear 1×1 convolution that fits this image best, in closed form.
    #[default]
    LeastSquares,
    /// None: the two must have the same channels.
    None,
    /// The adapters that a run trained: its folder, or its `adapter.safetensors`.
    Run(PathBuf),
}

impl std::fmt::Display for AdapterChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LeastSquares => f.write_str("least-squares"),
            Self::None => f.write_str("none"),
            Self::Run(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Which channels a feature map shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChannelView {
    /// L2 norm over all channels (teacher, student), the chosen difference over all channels (difference).
    #[default]
    All,
    One(usize),
    /// The k channels with the largest error.
    Top(usize),
}

/// How well an adapter explains the teacher on the cells that it was fitted to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FitSummary {
    /// Cells that the fit saw.
    pub cells: usize,
    /// Share of the teacher's variance explained on those cells, 1 = all.
    pub r2: f64,
    /// The same with each cell predicted by a fit that did not see it; the honest figure where cells are few.
    pub r2_leave_one_out: f64,
}

/// One scale of the two models at one tap.
#[derive(Clone, Debug)]
pub struct ScaleComparison {
    pub stride: u32,
    /// The teacher's features, before any adapter.
    pub teacher: Option<Arc<FeatureStack>>,
    /// The student's features, before any adapter.
    pub student: Option<Arc<FeatureStack>>,
    /// The student's features in the teacher's channels: what is subtracted. Absent where the channels differ
    /// and no adapter was chosen.
    pub adapted: Option<Arc<FeatureStack>>,
    /// "least-squares", "trained" or "none".
    pub adapter: &'static str,
    pub fit: Option<FitSummary>,
    /// Outputs of each anchor of the teacher's head, 5 + classes; 0 without a teacher.
    pub outputs: usize,
    /// The raw heads, where they were asked for.
    pub teacher_head: Option<Arc<HeadMap>>,
    pub student_head: Option<Arc<HeadMap>>,
    /// The imitation loss before any mask; absent where it cannot be formed, which a note says.
    pub loss: Option<Arc<CellTerms>>,
    /// σ of the teacher's objectness, the largest of each cell's anchors: what the mask source `teacher` weighs by.
    pub sureness: Option<Arc<Grid>>,
}

impl ScaleComparison {
    /// What the loss says under the mask of this source; `None` where it cannot be formed. mask, boxes: as in
    /// [`Self::cell_weights`].
    pub fn loss_under(&self, source: MaskSource, mask: &ScaleMask, boxes: &[BoundingBox]) -> Option<LossOnScale> {
        Some(self.loss.as_ref()?.under(&self.cell_weights(source, mask, boxes)))
    }

    /// The weight that a mask source gives every cell, 0 to 1, row by row. mask: the IoU mask's anchor hits; boxes: input px.
    pub fn cell_weights(&self, source: MaskSource, mask: &ScaleMask, boxes: &[BoundingBox]) -> Vec<f32> {
        match source {
            MaskSource::Iou => mask.count.iter().map(|&hits| if hits > 0 { 1.0 } else { 0.0 }).collect(),
            MaskSource::None => vec![1.0; mask.count.len()],
            MaskSource::Box => {
                let side = |cells: usize| cells as u32 * self.stride;
                let scale = AnchorScale { stride: self.stride, anchors: Vec::new() };
                box_cells(&scale, Size::new(side(mask.cols), side(mask.rows)), boxes)
            }
            MaskSource::Teacher => {
                self.sureness.as_ref().map_or_else(|| vec![0.0; mask.count.len()], |grid| grid.values().to_vec())
            }
        }
    }
}

/// Raw outputs of Detect at one scale: `[anchors, rows, cols, outputs]`, outputs = 5 + classes.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadMap {
    pub anchors: usize,
    pub rows: usize,
    pub cols: usize,
    pub outputs: usize,
    pub values: Vec<f32>,
}

/// How the models were run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ForwardReport {
    /// Whether batch-norms were folded into the convolutions.
    pub folded: bool,
    /// "float32", "float16" or "bfloat16".
    pub precision: &'static str,
}

/// What the models say about a scene.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub tap: Tap,
    /// The imitation loss whose terms the scales hold.
    pub loss: Loss,
    pub scales: Vec<ScaleComparison>,
    /// What was asked for.
    pub parts: CompareParts,
    /// How raw squares and `answers` pull at the student's heads; `None` where nobody asked, without two models, and where
    /// their anchors or classes differ.
    pub head_pull: Option<HeadPull>,
    /// Boxes in input px after NMS, best first; `None` for a model that is not loaded.
    pub teacher_detections: Option<Vec<Detection>>,
    pub student_detections: Option<Vec<Detection>>,
    /// Seconds spent in each model's forward pass.
    pub teacher_seconds: Option<f64>,
    pub student_seconds: Option<f64>,
    /// `None` before any model has looked.
    pub forward: Option<ForwardReport>,
    /// What is missing or was left out, each in a sentence.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Before any model has looked.
    pub const fn none(tap: Tap, loss: Loss) -> Self {
        Self {
            tap,
            loss,
            scales: Vec::new(),
            parts: CompareParts { pull: false, heads: false },
            head_pull: None,
            teacher_detections: None,
            student_detections: None,
            teacher_seconds: None,
            student_seconds: None,
            forward: None,
            notes: Vec::new(),
        }
    }

    pub fn scale(&self, stride: u32) -> Option<&ScaleComparison> {
        self.scales.iter().find(|scale| scale.stride == stride)
    }

    /// What a model detects, best first.
    pub fn found(&self, role: Role) -> Option<&[Detection]> {
        match role {
            Role::Teacher => self.teacher_detections.as_deref(),
            Role::Student => self.student_detections.as_deref(),
        }
    }
}

/// What both sides of an input are multiples of: the largest stride of either model. A file's claim is bounded.
pub fn input_multiple<'a>(scales: impl IntoIterator<Item = &'a AnchorScale>) -> u32 {
    scales.into_iter().map(|scale| scale.stride).max().unwrap_or(32).clamp(1, 1024)
}

/// The anchors that the mask is built from: the student's, else the teacher's. A sentence where the two differ.
pub fn mask_anchors<'a>(
    teacher: Option<&'a [AnchorScale]>,
    student: Option<&'a [AnchorScale]>,
) -> Option<(&'a [AnchorScale], Option<String>)> {
    let chosen = student.or(teacher)?;
    let differ = matches!((teacher, student), (Some(t), Some(s)) if t != s);
    let note = differ.then(|| "teacher and student have different anchors; the mask uses the student's".to_owned());
    Some((chosen, note))
}

/// A detection; `bbox` in input px.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionView {
    pub name: String,
    pub score: f32,
    pub bbox: BoundingBox,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_fits_the_largest_stride_of_either_model() {
        let scales = |strides: &[u32]| -> Vec<AnchorScale> {
            strides.iter().map(|&stride| AnchorScale { stride, anchors: Vec::new() }).collect()
        };
        let (teacher, student) = (scales(&[8, 16, 32, 64]), scales(&[8, 16, 32]));
        assert_eq!(input_multiple(teacher.iter().chain(&student)), 64);
        assert_eq!(input_multiple(&student), 32);
        assert_eq!(input_multiple(&scales(&[])), 32);
    }
}
