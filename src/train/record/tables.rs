//! A run's tables, read back: what a finished run says, or one that is still running.

use std::path::{Path, PathBuf};

use super::columns;
use super::table::Text;
use super::{RESULTS, RecordError, START, STEPS, TEST, read_json};
use crate::train::evaluate::Evaluation;
use crate::train::event::{EpochRecord, StartRecord, StepRecord};

/// What a run's tables hold, and what was evaluated outside its epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunTables {
    /// "P3" …
    pub scales: Vec<String>,
    pub steps: Vec<StepRecord>,
    /// With five significant digits, and without what the file does not hold: results per class, counts and seconds of
    /// the evaluation; in `mean`, learning rate, momentum, gradient norm, images and times.
    pub epochs: Vec<EpochRecord>,
    /// `start.json`; `None` of a run of version 0.1.0, of one that was told to leave it out, and before it is known.
    pub start: Option<StartRecord>,
    /// `test.json`: the last weights on the test split; `None` before the end and without one.
    pub test: Option<Evaluation>,
}

impl RunTables {
    /// Reads the records in a run's folder. An error names file and line.
    pub fn read(folder: &Path) -> Result<Self, RecordError> {
        let tables = Self::of(&Text::read(folder.join(STEPS))?, &Text::read(folder.join(RESULTS))?)?;
        Ok(Self { start: read_json(folder, START)?, test: read_json(folder, TEST)?, ..tables })
    }

    /// The tables from their contents, each with the name that an error gives it.
    pub fn parse(steps: (PathBuf, String), results: (PathBuf, String)) -> Result<Self, RecordError> {
        Self::of(&Text::new(steps.0, steps.1), &Text::new(results.0, results.1))
    }

    fn of(steps: &Text, results: &Text) -> Result<Self, RecordError> {
        let scales = steps.after("distance_");
        let mut epochs = results.records(&columns::of_results(&results.after("train/distance_")))?;
        for EpochRecord { epoch, step, mean, .. } in &mut epochs {
            (mean.epoch, mean.step) = (*epoch, *step);
            without_empty_scales(mean);
            mean.total = mean.box_loss + mean.objectness + mean.class + mean.imitation.iter().sum::<f64>();
        }
        let mut steps = steps.records(&columns::of_steps(&scales))?;
        steps.iter_mut().for_each(without_empty_scales);
        Ok(Self { steps, scales, epochs, ..Self::default() })
    }
}

/// A scale of which no cell counted has no distance: an empty field, of which the last of a row leave no trace, or in files
/// of version 0.1.0 a distance of 0 over 0 cells.
fn without_empty_scales(record: &mut StepRecord) {
    record.distance.resize(record.imitation.len().max(record.distance.len()), None);
    for (distance, cells) in record.distance.iter_mut().zip(&record.mask_cells) {
        *distance = distance.filter(|distance| *distance != 0.0 || *cells > 0);
    }
}
