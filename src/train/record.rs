//! What a run leaves behind while it runs: `results.csv`, TensorBoard event files, warnings.

use std::path::Path;

use super::TrainError;
use super::event::{EpochRecord, StepRecord};

/// STUB, replaced at the merge: a run as its folder tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunHistory {
    pub steps: Vec<StepRecord>,
    pub epochs: Vec<EpochRecord>,
    pub scales: Vec<String>,
}

impl RunHistory {
    /// Reads a run's folder.
    pub fn read(folder: &Path) -> Result<Self, TrainError> {
        Err(TrainError::Refused(format!("{}: no run lies here", folder.display())))
    }
}
