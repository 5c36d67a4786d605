//! What a run leaves behind: `results.csv`, `steps.csv`, TensorBoard event files, `warnings.txt`, a replay where maps are
//! kept, `start.json` and `test.json` for what is evaluated outside its epochs; and reading it back. `results.csv` keeps to
//! one row an epoch, as its readers expect, so the start is no row of it.
//!
//! [`Recorder`] turns events into files, [`RunTables`] files into records. Tables are written whole at the end of an
//! epoch and before every checkpoint, as is the replay, so that a run that is killed leaves whole files that reach at least to its
//! checkpoint.

mod columns;
mod table;
mod tables;
mod warnings;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use thiserror::Error;

use super::evaluate::Evaluation;
use super::event::{EpochRecord, Outcome, RunEvent, RunSummary, StartRecord, StepRecord, Variant};
use super::replay::{self, Recording, ReplayError};
use crate::files::atomic::{self, WriteError};
use crate::files::tensorboard::{Content, EventFile};
use crate::files::{self, ReadError};
use table::Table;
use warnings::Warnings;

pub use tables::RunTables;

/// What a run or a search keeps in its folder, tables and tensors apart: a page or a few.
pub const MAX_KEPT_BYTES: u64 = 16 << 20;

/// One row an epoch, under YOLOv5's names.
pub const RESULTS: &str = "results.csv";
/// One row a step.
pub const STEPS: &str = "steps.csv";
pub const WARNINGS: &str = "warnings.txt";
/// Of a table, which is read whole: some three million steps.
const MAX_TABLE_BYTES: u64 = 1 << 30;
/// What both models find on val before the first step: a [`StartRecord`].
pub const START: &str = "start.json";
/// What the last weights find on the test split: an [`Evaluation`].
pub const TEST: &str = "test.json";

#[derive(Debug, Error)]
pub enum RecordError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("{}: cannot be read: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    File(ReadError),
    #[error("{}:{line}: {what}; repair or remove that line", path.display())]
    Row { path: PathBuf, line: usize, what: String },
    #[error("{}: {what}; remove it, and it is made again where the run goes on", path.display())]
    Json { path: PathBuf, what: String },
    #[error("{}: has no column '{name}': not a table of a distillscope run", path.display())]
    Column { path: PathBuf, name: String },
    #[error(
        "{}: is of scales {}, this run has {}; resume with the run's own models", path.display(),
        found.join(" "), expected.join(" ")
    )]
    Scales { path: PathBuf, found: Vec<String>, expected: Vec<String> },
}

impl From<ReadError> for RecordError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { path, cause } => Self::Read { path, cause },
            other => Self::File(other),
        }
    }
}

/// Writes a run's files as it speaks.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    steps: Table<StepRecord>,
    results: Table<EpochRecord>,
    warnings: Warnings,
    events: EventFile,
    /// The file, and what goes into it.
    replay: Option<(PathBuf, Recording)>,
    start: Option<Arc<StartRecord>>,
    test: Option<Arc<Evaluation>>,
    /// Epochs that are done.
    epochs: u64,
}

impl Recorder {
    /// Starts the files of a new run in a folder that exists. `config` is the text of the run's `config.toml`.
    pub fn create(folder: &Path, summary: &RunSummary, config: &str) -> Result<Self, RecordError> {
        for name in [START, TEST] {
            // Left by a run that was killed before its first checkpoint.
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(WriteError { path, cause }.into()),
                _ => {}
            }
        }
        let mut events = EventFile::create(folder)?;
        let text = format!("```toml\n{config}\n```\n");
        events.add(0, Content::Text { tag: "config/text_summary", text: &text })?;
        let mut recorder = Self {
            folder: folder.to_owned(),
            steps: Table::steps(folder, &summary.scales),
            results: Table::results(folder, &summary.scales),
            warnings: Warnings::new(folder),
            events,
            replay: None,
            start: None,
            test: None,
            epochs: 0,
        };
        recorder.save()?;
        Ok(recorder)
    }

    /// Goes on with the files of a run: rows from the summary's first step on are dropped, and a new event file tells
    /// TensorBoard to do the same.
    pub fn resume(folder: &Path, summary: &RunSummary) -> Result<Self, RecordError> {
        let tables = RunTables::read(folder)?;
        if tables.scales != summary.scales {
            let (path, expected) = (folder.join(STEPS), summary.scales.clone());
            return Err(RecordError::Scales { path, found: tables.scales, expected });
        }
        let first = summary.first_step;
        let mut events = EventFile::create(folder)?;
        events.add(first, Content::Restart)?;
        let mut recorder = Self {
            folder: folder.to_owned(),
            steps: Table::steps(folder, &summary.scales),
            results: Table::results(folder, &summary.scales),
            warnings: Warnings::read(folder)?,
            events,
            replay: None,
            start: tables.start.map(Arc::new),
            test: tables.test.map(Arc::new),
            epochs: 0,
        };
        tables.steps.iter().filter(|step| step.step < first).for_each(|step| recorder.steps.push(step));
        for epoch in tables.epochs.iter().filter(|epoch| epoch.step <= first) {
            recorder.results.push(epoch);
            recorder.epochs = u64::from(epoch.epoch) + 1;
        }
        recorder.save()?;
        Ok(recorder)
    }

    /// What is known of the start, from this run or from before it was resumed.
    pub fn start(&self) -> Option<&Arc<StartRecord>> {
        self.start.as_ref()
    }

    /// The same of the test split.
    pub fn test(&self) -> Option<&Arc<Evaluation>> {
        self.test.as_ref()
    }

    /// Also records a replay, which is written into the folder with every checkpoint and when the run ends, however it ends.
    pub fn keep_replay(&mut self, folder: &Path, recording: Recording) {
        self.replay = Some((folder.join(replay::FILE_NAME), recording));
    }

    /// Takes note of an event. An error names the file that could not be written; what is on disk then is whole, and
    /// what was taken is kept for the next try.
    pub fn take(&mut self, event: &RunEvent) -> Result<(), RecordError> {
        match event {
            // A resumed run says again what is on disk.
            RunEvent::Start(_) if self.start.is_some() => {}
            RunEvent::Start(start) => {
                atomic::write_json(&self.folder.join(START), &**start)?;
                let mut scalars = accuracy("start", &start.student);
                scalars.extend(start.teacher.iter().flat_map(|teacher| accuracy("teacher", teacher)));
                self.events.add(0, Content::Scalars(&scalars))?;
                self.start = Some(Arc::clone(start));
                self.save()?;
            }
            RunEvent::Tested(_) if self.test.is_some() => {}
            RunEvent::Tested(test) => {
                atomic::write_json(&self.folder.join(TEST), &**test)?;
                self.events.add(self.epochs.saturating_sub(1), Content::Scalars(&accuracy("test", test)))?;
                self.test = Some(Arc::clone(test));
                self.save()?;
            }
            RunEvent::Step(step) => {
                self.steps.push(step);
                let scalars = self.steps.scalars(step, "step/", &["step", "epoch"]);
                self.events.add(step.step, Content::Scalars(&scalars))?;
            }
            RunEvent::Epoch(epoch) => {
                self.results.push(epoch);
                let scalars = self.results.scalars(epoch, "", &["epoch", "step", "best"]);
                self.events.add(epoch.epoch.into(), Content::Scalars(&scalars))?;
                self.epochs = u64::from(epoch.epoch) + 1;
                self.save()?;
            }
            RunEvent::Warning(text) => self.warnings.add(text),
            RunEvent::Snapshot(snapshot) => {
                if let Some((_, recording)) = &mut self.replay {
                    recording.take(snapshot);
                }
            }
            // A run that is killed goes on from its checkpoint, with the maps up to there.
            RunEvent::Saving => self.save_all(&Outcome::Stopped)?,
            RunEvent::Ended(outcome) => self.save_all(outcome)?,
            RunEvent::Started(_) | RunEvent::Stage { .. } | RunEvent::Saved { .. } => {}
        }
        Ok(())
    }

    /// Tables and replay.
    fn save_all(&mut self, outcome: &Outcome) -> Result<(), RecordError> {
        self.save()?;
        if let Some((path, recording)) = &mut self.replay {
            if let Some(start) = &self.start {
                recording.start_at(start);
            }
            recording.write(path, outcome, self.steps.text(), self.results.text())?;
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

/// Tags and values of an evaluation outside the epochs. The names are those of the epochs' metrics, the prefix its own:
/// TensorBoard counts epochs from 0, which is the end of the first one.
fn accuracy(prefix: &str, evaluation: &Evaluation) -> Vec<(String, f32)> {
    [("mAP_0.5", evaluation.map50), ("mAP_0.5:0.95", evaluation.map50_95)]
        .map(|(name, value)| (format!("{prefix}/{name}"), value as f32))
        .to_vec()
}

/// What a file in a run's folder says; `None` where it is not there.
fn read_json<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, RecordError> {
    let path = folder.join(name);
    let Some(text) = files::read_text_if_there(&path, MAX_KEPT_BYTES)? else { return Ok(None) };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(RecordError::Json { path, what: error.to_string() }),
    }
}

/// What is known of the start of the run in a folder; `None` where nothing is.
pub fn start_of(folder: &Path) -> Result<Option<StartRecord>, RecordError> {
    read_json(folder, START)
}

/// The folders of the runs that a folder holds: itself, or the runs of its pairs by seed. Empty where there is none.
pub fn runs_in(folder: &Path) -> Vec<PathBuf> {
    let is_run = |folder: &Path| folder.join(RESULTS).is_file();
    if is_run(folder) {
        return vec![folder.to_owned()];
    }
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let named = entries.filter_map(|entry| Some((said_by(&entry.file_name().to_string_lossy())?, entry.path())));
    let mut found: Vec<_> =
        named.filter(|(_, path)| is_run(path)).map(|((variant, seed), path)| (seed, variant, path)).collect();
    found.sort();
    found.into_iter().map(|(_, _, path)| path).collect()
}

/// Variant and seed, as the name of a run's folder says them in a set of pairs: "imitation", "baseline-4". `None` for any other.
pub fn said_by(name: &str) -> Option<(Variant, Option<u64>)> {
    [Variant::Imitation, Variant::Baseline].into_iter().find_map(|variant| match name.strip_prefix(variant.name())? {
        "" => Some((variant, None)),
        rest => Some((variant, Some(rest.strip_prefix('-')?.parse().ok()?))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_pairs_is_known_by_the_runs_in_it() {
        let out = tempfile::tempdir().unwrap();
        let run = |name: &str| {
            fs::create_dir_all(out.path().join(name)).unwrap();
            fs::write(out.path().join(name).join(RESULTS), "").unwrap();
        };
        assert_eq!(runs_in(out.path()), Vec::<PathBuf>::new());
        ["imitation-10", "baseline-9", "imitation-9", "baseline of may", "first"].into_iter().for_each(run);
        fs::create_dir_all(out.path().join("baseline-10")).unwrap();
        let names: Vec<String> =
            runs_in(out.path()).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        // By seed as a number; other runs that lie there are none of the pairs, and what has not begun is no run.
        assert_eq!(names, ["imitation-9", "baseline-9", "imitation-10"]);
        assert_eq!(runs_in(&out.path().join("first")), [out.path().join("first")]);
        assert_eq!(
            (said_by("baseline"), said_by("baseline-4")),
            (Some((Variant::Baseline, None)), Some((Variant::Baseline, Some(4))))
        );
        assert_eq!((said_by("imitation-x"), said_by("imitations")), (None, None));
    }
}
