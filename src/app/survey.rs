//! The survey of a dataset in the window: what it was asked for, what it found, which of it is shown.

use std::sync::Arc;

use crate::figure::survey::Measure;
use crate::survey::Survey;
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
