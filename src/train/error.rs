//! What can go wrong with a run.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::evaluate::EvaluateError;
use super::hyp::HypError;
use super::record::RecordError;
use crate::dataset::DatasetError;
use crate::files::ReadError;
use crate::files::atomic::WriteError;
use crate::files::tensors::TensorsError;
use crate::imitation::adapter::AdapterError;
use crate::imitation::mask::MaskError;
use crate::yolo::checkpoint::CheckpointError;
use crate::yolo::network::NetworkError;
use crate::yolo::spec::SpecError;

#[derive(Debug, Error)]
pub enum TrainError {
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Hyp(#[from] HypError),
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Tensors(#[from] TensorsError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error("adapter at {scale}: {source}")]
    Adapter { scale: String, source: AdapterError },
    #[error("device: {0}")]
    Device(String),
    #[error("{0}")]
    Config(String),
    #[error(
        "a budget of {minutes} min is too short: one candidate beside its baseline on two seeds needs about {needed} min here"
    )]
    Budget { minutes: f64, needed: f64 },
    #[error("the run without imitation fails, so nothing can be compared with it: {0}")]
    Baseline(String),
    #[error("{path}: cannot be read: {cause}")]
    Read { path: String, cause: io::Error },
    #[error(transparent)]
    File(ReadError),
    #[error("{}: not a run's state: {what}", path.display())]
    State { path: PathBuf, what: String },
    #[error("{}: already holds a run; choose another folder, or resume it", .0.display())]
    Exists(PathBuf),
    #[error("{}: another run is at work in this folder; wait for its end, or choose another folder", .0.display())]
    Locked(PathBuf),
    #[error(
        "{}: changed since this run began: {what}; put it back, or go on with what is there now with --accept-changes",
        path.display()
    )]
    Changed { path: PathBuf, what: String },
    #[error(
        "step {step}: the {term} is {value}; the run stopped, weights/last holds the weights before this step. A lower \
         lr0, a longer warm-up or a smaller lambda usually helps"
    )]
    NonFinite { step: u64, term: String, value: f64 },
    #[error("step {step}: out of memory at a batch of {batch} and {imgsz} px; weights/last holds the weights before this step. {}: {what}",
        smaller(*batch, *imgsz))]
    OutOfMemory { step: u64, batch: usize, imgsz: u32, what: String },
    #[error(
        "step {step}: the imitation changes nothing: lambda is {lambda} and its gradient on the student {norm}; preflight \
         says why. Without imitation, run with --teacher none"
    )]
    NoEffect { step: u64, lambda: f64, norm: f64 },
}

impl From<ReadError> for TrainError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { path, cause } => Self::Read { path: path.display().to_string(), cause },
            other => Self::File(other),
        }
    }
}

/// The side, px, at which an input has half the cells of one of `imgsz`: a multiple of 32.
pub(super) fn half_size(imgsz: u32) -> u32 {
    let side = (f64::from(imgsz) * std::f64::consts::FRAC_1_SQRT_2) as u32;
    (side / 32 * 32).max(32)
}

/// What takes half of the memory.
fn smaller(batch: usize, imgsz: u32) -> String {
    match (batch, half_size(imgsz)) {
        (0 | 1, side) if side < imgsz => format!("--imgsz {side} takes about half of it"),
        (0 | 1, _) => "Smaller models take less".to_owned(),
        (batch, side) => {
            format!("--batch {} or --imgsz {side} takes about half of it, --batch auto what a GPU has", batch / 2)
        }
    }
}

impl TrainError {
    /// What happened in a step of a run, with what would fit where it was memory that ran out.
    pub(super) fn in_step(self, step: u64, batch: usize, imgsz: u32) -> Self {
        match self {
            Self::Network(NetworkError::OutOfGpuMemory(what) | NetworkError::OutOfMemory(what)) => {
                Self::OutOfMemory { step, batch, imgsz, what }
            }
            other => other,
        }
    }
}

impl From<tch::TchError> for TrainError {
    fn from(error: tch::TchError) -> Self {
        Self::Network(NetworkError::from(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_memory_says_what_would_fit() {
        let of = |text: &str, batch| {
            let error = TrainError::from(tch::TchError::Torch(text.to_owned()));
            error.in_step(7, batch, 640).to_string()
        };
        let cuda = "CUDA out of memory. Tried to allocate 2.00 GiB.\nException raised from malloc";
        let said = of(cuda, 16);
        assert!(said.starts_with("step 7: out of memory at a batch of 16 and 640 px; weights/last holds"), "{said}");
        assert!(said.contains("--batch 8 or --imgsz 448") && said.lines().count() == 1, "{said}");
        let cpu = "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried";
        assert!(of(cpu, 1).contains("--imgsz 448 takes about half"), "{}", of(cpu, 1));
        assert_eq!(of("something else", 16), "libtorch: something else");
    }
}
