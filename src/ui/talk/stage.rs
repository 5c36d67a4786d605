//! Sizes of the stage, and how its steps are laid out.

use crate::story::Step;

pub(super) const SENTENCE: f32 = 18.0;

pub(super) const FORMULA: f32 = 18.0;

pub(super) const NUMBER: f32 = 16.0;

pub(super) const GAP: f32 = 14.0;

/// Several pictures take the whole width and have their text below.
pub(super) const fn is_wide(step: Step) -> bool {
    matches!(
        step,
        Step::ScaleAnchors
            | Step::Union
            | Step::Features
            | Step::Difference
            | Step::Inside
            | Step::Loss
            | Step::Answers
    )
}

pub(super) const fn follows_pointer(step: Step) -> bool {
    matches!(step, Step::CellAnchors | Step::ScaleAnchors)
}
