//! A run's tables, read back: what a finished run says, or one that is still running.

use std::path::{Path, PathBuf};

use super::columns;
use super::table::Text;
use super::{RESULTS, RecordError, STEPS};
use crate::train::event::{EpochRecord, StepRecord};

/// What `steps.csv` and `results.csv` hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunHistory {
    /// "P3" …
    pub scales: Vec<String>,
    pub steps: Vec<StepRecord>,
    /// With five significant digits, and without what the file does not hold: results per class, counts and seconds of
    /// the evaluation; in `mean`, learning rate, momentum, gradient norm, images and times.
    pub epochs: Vec<EpochRecord>,
}

impl RunHistory {
    /// Reads the tables in a run's folder. An error names file and line.
    pub fn read(folder: &Path) -> Result<Self, RecordError> {
        Self::of(&Text::read(folder.join(STEPS))?, &Text::read(folder.join(RESULTS))?)
    }

    /// The same from the tables' contents, each with the name that an error gives it.
    pub fn parse(steps: (PathBuf, String), results: (PathBuf, String)) -> Result<Self, RecordError> {
        Self::of(&Text::new(steps.0, steps.1), &Text::new(results.0, results.1))
    }

    fn of(steps: &Text, results: &Text) -> Result<Self, RecordError> {
        let scales = steps.after("distance_");
        let mut epochs = results.records(&columns::of_results(&results.after("train/distance_")))?;
        for EpochRecord { epoch, step, mean, .. } in &mut epochs {
            (mean.epoch, mean.step) = (*epoch, *step);
            mean.total = mean.box_loss + mean.objectness + mean.class + mean.imitation.iter().sum::<f64>();
        }
        Ok(Self { steps: steps.records(&columns::of_steps(&scales))?, scales, epochs })
    }
}
