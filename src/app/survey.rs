//! The survey of a dataset in the window: what it was asked for, what it found, which of it is shown.

use std::sync::Arc;

use crate::app::state::State;
use crate::app::update::follow::input_size;
use crate::dataset::Split;
use crate::figure::survey::{Measure, SurveyExport};
use crate::language::{key, t};
use crate::survey::{Survey, SurveyOptions, psi_grid};
use crate::worker::SurveyRequest;

/// A survey, and what it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Surveyed {
    pub request: SurveyRequest,
    pub survey: Arc<Survey>,
    /// Images that could not be used.
    pub skipped: usize,
}

#[derive(Clone, Debug, Default)]
pub struct SurveyState {
    /// Stays until a newer one has come.
    pub result: Option<Surveyed>,
    pub measure: Measure,
    pub(super) asked: Option<SurveyRequest>,
}
