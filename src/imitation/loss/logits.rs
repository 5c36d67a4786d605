//! The first port's loss: squared differences of the raw outputs of Detect inside the mask.

use tch::{TchError, Tensor};

use super::super::lambda::{Decay, Lambda};
use super::masks::MaskSource;
use super::terms::{ImitationLoss, LossDefaults, Reads, ScalePair, Terms, squared};

pub(super) struct Logits;

impl ImitationLoss for Logits {
    fn name(&self) -> &'static str {
        "logits"
    }

    fn explanation(&self) -> &'static str {
        "The first port's: squared differences of the raw outputs of Detect. Most of it is the size of logits that mean \
         nothing; it cost accuracy wherever it was measured."
    }

    fn formula(&self) -> &'static str {
        "L = 1/(2N) Σ I Σc (s − t)²"
    }

    fn reads(&self) -> Reads {
        Reads::Head
    }

    fn compares_channels(&self) -> bool {
        true
    }

    /// As version 0.1.0 had it.
    fn defaults(&self) -> LossDefaults {
        LossDefaults { mask_source: MaskSource::Iou, lambda: Lambda::GradientRatio(5.0), decay: Decay::Cosine }
    }

    /// Wang et al. 2019, eq. 4, with an anchor's outputs as channels.
    fn terms(&self, pair: &ScalePair<'_>) -> Result<Terms, TchError> {
        squared(&as_channels(pair.student)?, &as_channels(pair.teacher)?)
    }
}

/// [B, A, H, W, O] → [B, A·O, H, W]
fn as_channels(head: &Tensor) -> Result<Tensor, TchError> {
    let (batch, anchors, rows, cols, outputs) = head.size5()?;
    head.f_permute([0, 1, 4, 2, 3])?.f_reshape([batch, anchors * outputs, rows, cols])
}
