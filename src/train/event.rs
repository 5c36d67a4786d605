//! Everything that a run ever says: plain records, no tensor. Files, the window and the terminal live on these alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::evaluate::Evaluation;
pub use super::metrics::StepRecord;
use crate::grid::Grid;

/// With imitation, or its baseline without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    Imitation,
    Baseline,
}

impl Variant {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Imitation => "imitation",
            Self::Baseline => "baseline",
        }
    }
}

/// Which run of a experiment speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId {
    pub seed: u64,
    #[serde(rename = "arm")]
    pub variant: Variant,
}

/// What is known before the first step.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// The run's folder.
    pub folder: PathBuf,
    pub steps: u64,
    pub steps_per_epoch: u64,
    /// The step that comes next: 0, or where a resumed run goes on.
    pub first_step: u64,
    /// "P3" …
    pub scales: Vec<String>,
    pub images: usize,
    pub labels: usize,
    pub val_images: usize,
    pub device: String,
}

/// What both models find on val before the first step: where the student starts, and where the teacher is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StartRecord {
    pub student: Evaluation,
    /// `None` without a teacher, and where it has other classes than the data.
    pub teacher: Option<Evaluation>,
}

/// What stands at the end of an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochRecord {
    /// From 0.
    pub epoch: u32,
    /// Steps done.
    pub step: u64,
    /// Means over the epoch, the fields of [`StepRecord`].
    pub mean: StepRecord,
    pub learning_rates: [f64; 3],
    /// `None` where this epoch was not evaluated.
    pub evaluation: Option<Evaluation>,
    /// Whether it is the best so far.
    pub best: bool,
}

/// The difference maps of one image at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub step: u64,
    pub image: PathBuf,
    /// Per scale what the run's loss adds up at a cell: of a loss of squares the squared L2 over the channels, after the
    /// adapter; else the cell's part of the loss at λ = 1.
    pub scales: Vec<SnapshotScale>,
    /// Per ground truth of the image, the imitation loss at λ = 1 if it were the only one: Σ over the scales of its own
    /// cells' squares / 2N.
    pub truths: Vec<f64>,
    /// Wall time that taking it cost the run.
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotScale {
    pub stride: u32,
    pub difference: Grid,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Finished,
    /// By a person; it can be resumed.
    Stopped,
    /// With what is wrong; it can be resumed where a checkpoint was written.
    Failed(String),
}

#[allow(
    clippy::large_enum_variant,
    reason = "nearly every event is a step: a box would be one more allocation for each"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    Started(Arc<RunSummary>),
    /// What it is at outside its steps ("fitting the adapters"), and how far.
    Stage {
        what: String,
        fraction: Option<f32>,
    },
    /// Said once, before the first step; a resumed run says it again.
    Start(Arc<StartRecord>),
    Step(StepRecord),
    Epoch(Box<EpochRecord>),
    /// What the last averaged weights, those of `weights/last`, find on the data's test split: nothing was chosen on it.
    Tested(Arc<Evaluation>),
    Snapshot(Arc<Snapshot>),
    Warning(String),
    /// A checkpoint is about to be written: what was said until now has to be on disk before, so that no step is missing from
    /// the records of a run that goes on from it.
    Saving,
    /// `last` is on disk with everything up to this step.
    Saved {
        step: u64,
    },
    Ended(Outcome),
}

/// What others may do to a run while it runs.
#[derive(Debug, Default)]
pub struct RunControl {
    pause: AtomicBool,
    stop: AtomicBool,
}

impl RunControl {
    pub fn pause(&self, on: bool) {
        self.pause.store(on, Ordering::Relaxed);
    }

    pub fn is_paused(&self) -> bool {
        self.pause.load(Ordering::Relaxed)
    }

    /// Ends the run after the step in hand, with a checkpoint.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
