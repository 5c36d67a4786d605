//! A recorded run in memory.

use std::sync::Arc;

use crate::imitation::loss::MaskChoice;
use crate::inspect::Scene;
use crate::train::event::{EpochRecord, Outcome, RunId, RunSummary, Snapshot, StartRecord, StepRecord};
use crate::yolo::anchors::AnchorScale;

/// A recorded run.
#[derive(Clone, Debug)]
pub struct Replay {
    /// "run-1 · imitation".
    pub name: String,
    pub id: RunId,
    pub outcome: Outcome,
    /// Without a folder: a file knows nothing of the machine that wrote it.
    pub summary: Arc<RunSummary>,
    /// The run's `config.toml`, its paths without their folders. The two runs of a pair have the same.
    pub config: String,
    /// The image whose maps were kept, as both networks saw it. Its path is a name, not a place.
    pub scene: Arc<Scene>,
    pub mask: MaskChoice,
    /// Every scale of the student.
    pub scales: Vec<AnchorScale>,
    /// What both models found on val before the first step: mAP alone; `None` in files from before it was kept.
    pub start: Option<Arc<StartRecord>>,
    /// Ascending; a long run has every n-th alone.
    pub steps: Vec<StepRecord>,
    /// As [`crate::train::record::RunTables::epochs`].
    pub epochs: Vec<EpochRecord>,
    /// By step, ascending; none where there was no teacher.
    pub snapshots: Vec<Arc<Snapshot>>,
}

impl Replay {
    /// Wall time that the recorded maps cost the run, s.
    pub fn recording_seconds(&self) -> f64 {
        self.snapshots.iter().map(|snapshot| snapshot.seconds).filter(|seconds| seconds.is_finite()).sum()
    }

    /// What runs of one experiment have in common: the configuration without its seed.
    pub fn experiment(&self) -> String {
        self.config.lines().filter(|line| !line.starts_with("seed = ")).collect::<Vec<_>>().join("\n")
    }
}
