//! What is imitated, whole: the one choice that a picture shows and a run takes over.

use super::records::{AdapterChoice, Tap};
use crate::imitation::loss::{Loss, MaskChoice, MaskSource, Reads};
use crate::imitation::mask::{IouConvention, LevelRule, Psi};

/// What is compared, and how the student's features become the teacher's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompareRequest {
    pub tap: Tap,
    pub adapter: AdapterChoice,
    /// One that reads heads takes them whatever the tap.
    pub loss: Loss,
}

/// What few views of a comparison show and is worked out for those alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompareParts {
    /// How two losses pull at the student's heads, [`Comparison::head_pull`](super::Comparison::head_pull): a backward pass.
    pub pull: bool,
    /// The numbers of the raw heads.
    pub heads: bool,
}

impl CompareParts {
    pub const ALL: Self = Self { pull: true, heads: true };
}

/// What is compared, and which cells count.
#[derive(Clone, Debug, PartialEq)]
pub struct ImitationChoice {
    pub compared: CompareRequest,
    pub mask: MaskChoice,
}

/// That of a run that is asked for nothing in particular.
impl Default for ImitationChoice {
    fn default() -> Self {
        Self::of(Loss::default())
    }
}

impl ImitationChoice {
    /// A loss as it is used unless a person says otherwise.
    pub fn of(loss: Loss) -> Self {
        let compared = CompareRequest { tap: usual_tap(loss), adapter: AdapterChoice::default(), loss };
        let source = loss.defaults().mask_source;
        let (psi, rule, convention) = (Psi::default(), LevelRule::Global, IouConvention::Exact);
        Self { compared, mask: MaskChoice { source, psi, rule, convention } }
    }

    /// Takes another loss, with the tap and the mask source that belong to it.
    pub fn set_loss(&mut self, loss: Loss) {
        let usual = Self::of(loss);
        (self.compared.loss, self.compared.tap, self.mask.source) = (loss, usual.compared.tap, usual.mask.source);
    }

    /// Whether there is a tap and an adapter to choose.
    pub fn reads_features(&self) -> bool {
        self.compared.loss.reads() == Reads::Features
    }

    /// Whether the loss can read at this tap.
    pub fn offers(&self, tap: Tap) -> bool {
        self.reads_features() == (tap != Tap::Head)
    }

    /// Whether every cell that counts is one of the IoU mask.
    pub fn is_by_iou(&self) -> bool {
        self.mask.source == MaskSource::Iou
    }
}

/// Where a loss takes what it compares unless a person says otherwise.
fn usual_tap(loss: Loss) -> Tap {
    match loss.reads() {
        Reads::Head => Tap::Head,
        Reads::Features => Tap::Neck,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_choice_is_that_of_a_run() {
        let choice = ImitationChoice::default();
        assert_eq!((choice.compared.loss, choice.compared.tap), (Loss::ANSWERS, Tap::Head));
        assert_eq!((choice.mask.source, choice.mask.rule), (MaskSource::None, LevelRule::Global));
        assert_eq!(Tap::ALL.map(|tap| choice.offers(tap)), [false, true, false]);
    }

    #[test]
    fn a_loss_brings_its_tap_and_its_mask_source_and_leaves_the_rest() {
        let mut choice = ImitationChoice::default();
        choice.mask.psi = Psi::saturating(0.25);
        choice.set_loss(Loss::FEATURES);
        assert_eq!((choice.compared.tap, choice.mask.source), (Tap::Neck, MaskSource::Iou));
        assert_eq!((choice.mask.psi.get(), choice.mask.rule), (0.25, LevelRule::Global));
        assert_eq!(Tap::ALL.map(|tap| choice.offers(tap)), [true, false, true]);
    }
}
