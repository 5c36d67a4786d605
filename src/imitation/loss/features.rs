//! The paper's loss: squared differences of adapted features inside the mask.

use tch::TchError;

use super::super::lambda::{Decay, Lambda};
use super::masks::MaskSource;
use super::terms::{ImitationLoss, LossDefaults, Reads, ScalePair, Terms, squared};

pub(super) struct Features;

impl ImitationLoss for Features {
    fn name(&self) -> &'static str {
        "features"
    }

    fn explanation(&self) -> &'static str {
        "The paper's: squared differences between the teacher's features and the student's after an adapter."
    }

    fn formula(&self) -> &'static str {
        "L = 1/(2N) Σ I Σc (A(s) − t)²"
    }

    fn reads(&self) -> Reads {
        Reads::Features
    }

    /// The ratio at which it cost least of those measured.
    fn defaults(&self) -> LossDefaults {
        LossDefaults { mask_source: MaskSource::Iou, lambda: Lambda::GradientRatio(0.5), decay: Decay::Cosine }
    }

    /// Wang et al. 2019, eq. 4.
    fn terms(&self, pair: &ScalePair<'_>) -> Result<Terms, TchError> {
        squared(pair.student, pair.teacher)
    }
}
