//! What a step minimises: a batch as the models take it, its losses with their graph, and the gains that weigh them.

use tch::{Device, Kind, TchError, Tensor};

use super::TrainError;
use super::distil::Distiller;
use super::plan::RunPlan;
use crate::dataset::{BatchImage, TrainBatch};
use crate::geometry::Size;
use crate::native;
use crate::yolo::assign::Target;
use crate::yolo::loss::{LossGains, LossTerms};

/// A batch's losses with their graph.
#[derive(Debug)]
pub struct Objective {
    pub terms: LossTerms,
    /// Per scale, at λ = 1. Without gradient where λ is 0 or no cell counts.
    pub distances: Vec<Tensor>,
    /// Per scale, whether any cell counted: where none did there is no distance.
    pub counted: Vec<bool>,
    /// Cells of the mask per scale.
    pub cells: Vec<u64>,
    /// The same as shares of the cells of the batch's maps.
    pub shares: Vec<f64>,
    /// Images of the batch.
    pub images: usize,
}

impl Objective {
    /// Box, objectness and class loss, then the distances: scalars.
    pub(super) fn losses(&self) -> Vec<Tensor> {
        let terms = [&self.terms.box_loss, &self.terms.objectness, &self.terms.class];
        terms.into_iter().chain(&self.distances).map(Tensor::shallow_clone).collect()
    }

    /// Box, objectness and class loss, times the batch: YOLOv5 goes backward from the batch's sum. A scalar.
    pub fn detection(&self) -> Result<Tensor, TchError> {
        self.terms.sum()?.f_mul_scalar(self.images as f64)
    }

    /// The imitation loss at λ = 1, times the batch too, since λ would lose its meaning otherwise. A scalar; `None` where
    /// nothing carries gradient.
    pub fn imitation(&self) -> Result<Option<Tensor>, TchError> {
        let mut sum: Option<Tensor> = None;
        for distance in self.distances.iter().filter(|distance| distance.requires_grad()) {
            sum = Some(match sum {
                Some(sum) => sum.f_add(distance)?,
                None => distance.shallow_clone(),
            });
        }
        sum.map(|sum| sum.f_mul_scalar(self.images as f64)).transpose()
    }

    /// What the run goes backward from: detection + λ · imitation.
    pub fn total(&self, lambda: f64) -> Result<Tensor, TchError> {
        let detection = self.detection()?;
        match self.imitation()? {
            Some(imitation) => detection.f_add(&imitation.f_mul_scalar(lambda)?),
            None => Ok(detection),
        }
    }
}

/// losses: as [`Objective::losses`] has them.
pub(super) fn check_finite(step: u64, losses: &[f64], distiller: Option<&Distiller>) -> Result<(), TrainError> {
    let named = ["box loss", "objectness loss", "class loss"].map(str::to_owned).into_iter();
    let scales = distiller.map_or_else(Vec::new, Distiller::names).into_iter();
    let named = named.chain(scales.map(|scale| format!("imitation loss of {scale}")));
    match named.zip(losses).find(|(_, value)| !value.is_finite()) {
        Some((term, &value)) => Err(TrainError::NonFinite { step, term, value }),
        None => Ok(()),
    }
}

/// The hyperparameters' gains as they act.
pub(super) fn gains(plan: &RunPlan) -> LossGains {
    let hyp = &plan.config.hyp;
    let student = &plan.student.network;
    let gains = LossGains {
        box_gain: hyp.box_gain,
        class: hyp.cls,
        objectness: hyp.obj,
        objectness_positive: hyp.obj_pw,
        class_positive: hyp.cls_pw,
        anchor_t: hyp.anchor_t,
        focal_gamma: hyp.fl_gamma,
        label_smoothing: hyp.label_smoothing,
    };
    gains.scaled(student.scales().len(), student.names().len(), plan.config.imgsz)
}

/// [B, 3, H, W] in 0..1; the bytes are [B, H, W, 3], and stay so in memory where that is wanted.
pub(super) fn batch_tensor(batch: &TrainBatch, device: Device, channels_last: bool) -> Result<Tensor, TchError> {
    let Size { width, height } = batch.input;
    let bytes = native::pixels(&batch.pixels, device)?.f_view([-1, i64::from(height), i64::from(width), 3])?;
    let planes = bytes.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?;
    if channels_last { Ok(planes) } else { planes.f_contiguous() }
}

/// The ground truths as the detection loss takes them.
pub fn targets(batch: &TrainBatch) -> Vec<Target> {
    let of_image = |(image, labelled): (usize, &BatchImage)| {
        labelled
            .labels
            .iter()
            .map(|label| Target::new(image, label.class, &label.bbox, batch.input))
            .collect::<Vec<_>>()
    };
    batch.images.iter().enumerate().flat_map(of_image).collect()
}
