//! What a run leaves behind: `results.csv`, `steps.csv`, TensorBoard event files, `warnings.txt`, a replay where maps are
//! kept; and reading it back.
//!
//! [`Recorder`] turns events into files, [`RunHistory`] files into records. Tables are written whole at the end of an
//! epoch and with every checkpoint, so that a run that is killed leaves whole files that reach at least to its
//! checkpoint.

mod columns;
mod history;
mod table;
mod warnings;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::event::{EpochRecord, RunEvent, RunSummary, StepRecord};
use super::replay::{self, Recording, ReplayError};
use crate::export::atomic::WriteError;
use crate::export::tensorboard::{Content, EventFile};
use table::Table;
use warnings::Warnings;

pub use history::RunHistory;

/// One row an epoch, under YOLOv5's names.
pub const RESULTS: &str = "results.csv";
/// One row a step.
pub const STEPS: &str = "steps.csv";
pub const WARNINGS: &str = "warnings.txt";

#[derive(Debug, Error)]
pub enum RecordError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("{}: cannot be read: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{}:{line}: {what}; repair or remove that line", path.display())]
    Row { path: PathBuf, line: usize, what: String },
    #[error("{}: has no column '{name}': not a table of a distillscope run", path.display())]
    Column { path: PathBuf, name: String },
    #[error(
        "{}: is of scales {}, this run has {}; resume with the run's own models", path.display(),
        found.join(" "), expected.join(" ")
    )]
    Scales { path: PathBuf, found: Vec<String>, expected: Vec<String> },
}

/// Writes a run's files as it speaks.
#[derive(Debug)]
pub struct Recorder {
    steps: Table<StepRecord>,
    results: Table<EpochRecord>,
    warnings: Warnings,
    events: EventFile,
    /// The file that is written at the end, and what goes into it.
    replay: Option<(PathBuf, Recording)>,
}

impl Recorder {
    /// Starts the files of a new run in a folder that exists. `config` is the text of the run's `config.toml`.
    pub fn create(folder: &Path, summary: &RunSummary, config: &str) -> Result<Self, RecordError> {
        let mut events = EventFile::create(folder)?;
        let text = format!("```toml\n{config}\n```\n");
        events.add(0, Content::Text { tag: "config/text_summary", text: &text })?;
        let mut recorder = Self {
            steps: Table::steps(folder, &summary.scales),
            results: Table::results(folder, &summary.scales),
            warnings: Warnings::new(folder),
            events,
            replay: None,
        };
        recorder.save()?;
        Ok(recorder)
    }

    /// Goes on with the files of a run: rows from the summary's first step on are dropped, and a new event file tells
    /// TensorBoard to do the same.
    pub fn resume(folder: &Path, summary: &RunSummary) -> Result<Self, RecordError> {
        let history = RunHistory::read(folder)?;
        if history.scales != summary.scales {
            let (path, expected) = (folder.join(STEPS), summary.scales.clone());
            return Err(RecordError::Scales { path, found: history.scales, expected });
        }
        let first = summary.first_step;
        let mut events = EventFile::create(folder)?;
        events.add(first, Content::Restart)?;
        let mut recorder = Self {
            steps: Table::steps(folder, &summary.scales),
            results: Table::results(folder, &summary.scales),
            warnings: Warnings::read(folder)?,
            events,
            replay: None,
        };
        history.steps.iter().filter(|step| step.step < first).for_each(|step| recorder.steps.push(step));
        history.epochs.iter().filter(|epoch| epoch.step <= first).for_each(|epoch| recorder.results.push(epoch));
        recorder.save()?;
        Ok(recorder)
    }

    /// Also records a replay, which is written into the folder when the run ends, however it ends.
    pub fn keep_replay(&mut self, folder: &Path, recording: Recording) {
        self.replay = Some((folder.join(replay::FILE_NAME), recording));
    }

    /// Takes note of an event. An error names the file that could not be written; what is on disk then is whole, and
    /// what was taken is kept for the next try.
    pub fn take(&mut self, event: &RunEvent) -> Result<(), RecordError> {
        match event {
            RunEvent::Step(step) => {
                self.steps.push(step);
                let scalars = self.steps.scalars(step, "step/", &["step", "epoch"]);
                self.events.add(step.step, Content::Scalars(&scalars))?;
            }
            RunEvent::Epoch(epoch) => {
                self.results.push(epoch);
                let scalars = self.results.scalars(epoch, "", &["epoch", "step", "best"]);
                self.events.add(epoch.epoch.into(), Content::Scalars(&scalars))?;
                self.save()?;
            }
            RunEvent::Warning(text) => self.warnings.add(text),
            RunEvent::Snapshot(snapshot) => {
                if let Some((_, recording)) = &mut self.replay {
                    recording.take(snapshot);
                }
            }
            RunEvent::Saved { .. } => self.save()?,
            RunEvent::Ended(outcome) => {
                self.save()?;
                if let Some((path, recording)) = &mut self.replay {
                    recording.write(path, outcome, self.steps.text(), self.results.text())?;
                }
            }
            RunEvent::Started(_) | RunEvent::Stage { .. } => {}
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), RecordError> {
        self.steps.save()?;
        self.results.save()?;
        self.warnings.save()?;
        Ok(self.events.flush()?)
    }
}
