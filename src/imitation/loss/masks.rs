//! The masks of a batch: which cells an imitation loss counts, and with what weight.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::geometry::{BoundingBox, Size};
use crate::imitation::mask::{IouConvention, IouField, LevelRule, MaskError, Psi};
use crate::native::{self, Part, Upload, Uploaded};
use crate::yolo::anchors::AnchorScale;

/// A soft weight counts as a cell from here on.
pub const COUNTED: f64 = 0.05;

/// Where a mask comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum MaskSource {
    /// The cells where some anchor's IoU with a ground truth exceeds ψ times that ground truth's best.
    #[default]
    Iou,
    /// σ of the teacher's objectness, the largest over the anchors of a cell: soft.
    Teacher,
    /// The cells whose centre lies in a ground truth.
    Box,
    /// Every cell.
    None,
}

impl MaskSource {
    pub const ALL: [Self; 4] = [Self::Iou, Self::Teacher, Self::Box, Self::None];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Iou => "iou",
            Self::Teacher => "teacher",
            Self::Box => "box",
            Self::None => "none",
        }
    }

    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Iou => "Cells where an anchor's IoU with a ground truth exceeds ψ times that ground truth's best.",
            Self::Teacher => "Every cell, weighed by how sure the teacher is of an object there.",
            Self::Box => "Cells whose centre lies in a ground truth.",
            Self::None => "Every cell alike.",
        }
    }
}

impl fmt::Display for MaskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for MaskSource {
    type Err = MaskError;

    fn from_str(text: &str) -> Result<Self, MaskError> {
        Self::ALL.into_iter().find(|source| source.name() == text).ok_or_else(|| MaskError::Source(text.to_owned()))
    }
}

/// What decides which cells count; ψ, the level rule and the convention are the IoU mask's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MaskChoice {
    pub source: MaskSource,
    pub psi: Psi,
    pub rule: LevelRule,
    pub convention: IouConvention,
}

/// The imitated cells of one scale over a batch.
#[derive(Debug)]
pub struct BatchMask {
    /// [B, 1, H, W], 0 to 1, float32.
    pub cells: Tensor,
    /// How many are above 0; of a soft mask, above 0.05.
    pub count: u64,
    /// Whether every cell is 1.
    pub is_whole: bool,
}

impl BatchMask {
    /// Imitated cells as a share of all cells of the batch's maps; 0 without any.
    pub fn share(&self) -> f64 {
        self.count as f64 / self.cells.numel().max(1) as f64
    }
}

/// What masks are made from.
#[derive(Clone, Copy, Debug)]
pub struct MaskInputs<'a> {
    /// The ground truths of each image, input px.
    pub boxes: &'a [Vec<BoundingBox>],
    /// Every scale of the student.
    pub scales: &'a [AnchorScale],
    pub input: Size,
    /// The teacher's raw heads [B, A, H, W, 5 + nc] in the order of `scales`, `None` where it lacks one.
    pub teacher_heads: &'a [Option<Tensor>],
}

/// Masks on their way to the device.
#[derive(Debug)]
pub enum PackedMasks {
    /// Of each scale: its cells in an upload, and how many count.
    Sent(Vec<(Part<f32>, u64)>),
    /// Not made of ground truths, but on the device.
    Made(MaskSource),
}

impl PackedMasks {
    /// The masks of every scale as far as ground truths make them; each image's from its own boxes.
    pub fn of(inputs: &MaskInputs<'_>, choice: MaskChoice, upload: &mut Upload) -> Self {
        let MaskInputs { boxes, scales, input, .. } = *inputs;
        let mut sent = |cells: Vec<f32>| {
            let count = cells.iter().filter(|&&cell| cell > 0.0).count() as u64;
            (upload.put(&cells), count)
        };
        match choice.source {
            MaskSource::Iou => {
                let mut cells: Vec<Vec<f32>> = vec![Vec::new(); scales.len()];
                for boxes in boxes {
                    let mask = IouField::compute(scales, input, boxes, choice.convention).mask(choice.psi, choice.rule);
                    for (cells, scale) in cells.iter_mut().zip(&mask.scales) {
                        cells.extend(scale.count.iter().map(|&hits| if hits > 0 { 1.0 } else { 0.0 }));
                    }
                }
                Self::Sent(cells.into_iter().map(sent).collect())
            }
            MaskSource::Box => {
                let of_scale = |scale| sent(boxes.iter().flat_map(|own| box_cells(scale, input, own)).collect());
                Self::Sent(scales.iter().map(of_scale).collect())
            }
            source @ (MaskSource::None | MaskSource::Teacher) => Self::Made(source),
        }
    }

    /// inputs: the same; uploaded: the upload that they were put into.
    pub fn unpacked(self, inputs: &MaskInputs<'_>, uploaded: &Uploaded) -> Result<Vec<BatchMask>, TchError> {
        let MaskInputs { boxes, scales, input, teacher_heads } = *inputs;
        let shape = |scale: &AnchorScale| {
            let (rows, cols) = scale.shape(input.width, input.height);
            [boxes.len() as i64, 1, rows as i64, cols as i64]
        };
        let options = (Kind::Float, uploaded.device());
        match self {
            Self::Sent(masks) => {
                let of_scale = |((part, count), scale): ((Part<f32>, u64), &AnchorScale)| {
                    let cells = uploaded.get(part)?.f_view(shape(scale))?;
                    Ok(BatchMask { cells, count, is_whole: false })
                };
                masks.into_iter().zip(scales).map(of_scale).collect()
            }
            Self::Made(MaskSource::Teacher) => no_grad(|| {
                let of_scale = |(at, scale): (usize, &AnchorScale)| match teacher_heads.get(at).and_then(Option::as_ref)
                {
                    Some(head) => objectness_cells(head),
                    None => Tensor::f_zeros(shape(scale), options),
                };
                let cells = scales.iter().enumerate().map(of_scale).collect::<Result<Vec<_>, TchError>>()?;
                let counted = cells.iter().map(|cells| cells.f_gt(COUNTED)?.f_sum(Kind::Int64));
                let counts = counted.collect::<Result<Vec<_>, TchError>>()?;
                let counts = native::read(&counts.iter().collect::<Vec<_>>())?;
                let of_scale =
                    |(cells, count): (Tensor, f64)| BatchMask { cells, count: count as u64, is_whole: false };
                Ok(cells.into_iter().zip(counts).map(of_scale).collect())
            }),
            Self::Made(_) => {
                let of_scale = |scale| {
                    let cells = Tensor::f_ones(shape(scale), options)?;
                    Ok(BatchMask { count: cells.numel() as u64, cells, is_whole: true })
                };
                scales.iter().map(of_scale).collect()
            }
        }
    }
}

/// The masks of every scale on a device, at once.
pub fn batch_masks(inputs: &MaskInputs<'_>, choice: MaskChoice, device: Device) -> Result<Vec<BatchMask>, TchError> {
    let mut upload = Upload::default();
    let packed = PackedMasks::of(inputs, choice, &mut upload);
    packed.unpacked(inputs, &upload.send(device)?)
}

/// σ of the objectness, the largest over the anchors of a cell: [B, A, H, W, 5 + nc] → [B, 1, H, W].
pub fn objectness_cells(head: &Tensor) -> Result<Tensor, TchError> {
    let anchors: &[i64] = &[1];
    head.f_select(4, 4)?.f_to_kind(Kind::Float)?.f_amax(anchors, true)?.f_sigmoid()
}

/// 1 for the cells of a scale whose centre lies in a ground truth (its left and upper edge included), row by row.
pub fn box_cells(scale: &AnchorScale, input: Size, boxes: &[BoundingBox]) -> Vec<f32> {
    let (rows, cols) = scale.shape(input.width, input.height);
    let mut cells = vec![0.0; rows * cols];
    // The first cell of an axis whose centre is not before an edge.
    let first = |edge: f32, cells: usize| ((edge / scale.stride as f32 - 0.5).ceil().max(0.0) as usize).min(cells);
    for bbox in boxes {
        let (left, right) = (first(bbox.x1, cols), first(bbox.x2, cols));
        for row in first(bbox.y1, rows)..first(bbox.y2, rows) {
            cells[row * cols..][left..right.max(left)].fill(1.0);
        }
    }
    cells
}
