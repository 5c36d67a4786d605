//! `features` after standardising both sides per channel: only how features vary together counts, not their scale
//! (Cao et al. 2022, PKD).

use tch::{Kind, TchError, Tensor};

use super::super::lambda::{Decay, Lambda};
use super::masks::MaskSource;
use super::terms::{ImitationLoss, LossDefaults, Reads, ScalePair, Terms, squared};

/// Added to a standard deviation, so that a constant channel has a gradient.
const EPS: f64 = 1e-6;

pub(super) struct Correlation;

impl ImitationLoss for Correlation {
    fn name(&self) -> &'static str {
        "correlation"
    }

    fn explanation(&self) -> &'static str {
        "As features, after bringing every channel of both models to mean 0 and deviation 1: the scale of a feature no longer \
         counts."
    }

    fn formula(&self) -> &'static str {
        "L = 1/(2N) Σ I Σc (z(A(s)) − z(t))²,  z = (f − mean) / std per channel"
    }

    fn reads(&self) -> Reads {
        Reads::Features
    }

    fn defaults(&self) -> LossDefaults {
        LossDefaults { mask_source: MaskSource::Iou, lambda: Lambda::GradientRatio(0.5), decay: Decay::Cosine }
    }

    /// The statistics are those of all cells of the batch, with gradient on the student's side.
    fn terms(&self, pair: &ScalePair<'_>) -> Result<Terms, TchError> {
        squared(&standardised(pair.student)?, &standardised(pair.teacher)?)
    }
}

/// (f − mean) / (std + ε) per channel of [B, C, H, W], over B, H and W.
fn standardised(features: &Tensor) -> Result<Tensor, TchError> {
    let cells: &[i64] = &[0, 2, 3];
    let centred = features.f_sub(&features.f_mean_dim(cells, true, Kind::Float)?)?;
    let variance = centred.f_square()?.f_mean_dim(cells, true, Kind::Float)?;
    // A root has no slope at 0; what is below rounding stands still.
    let deviation = variance.f_clamp_min(1e-24)?.f_sqrt()?.f_add_scalar(EPS)?;
    centred.f_div(&deviation)
}
