//! Why a job came to nothing.

use crate::inspect::CompareError;
use crate::review::ReviewError;
use crate::train::TrainError;
use crate::train::evaluate::EvaluateError;
use crate::yolo::checkpoint::CheckpointError;
use crate::yolo::network::NetworkError;

/// What the window says of a failed job, and what it may offer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// One line, for a person.
    pub message: String,
    /// The graphics card was too small for it: the CPU may do it.
    pub out_of_gpu_memory: bool,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, out_of_gpu_memory: false }
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        error.to_string().into()
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        Self { message: error.to_string(), out_of_gpu_memory: matches!(error, NetworkError::OutOfGpuMemory(_)) }
    }
}

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::Network(error) => error.into(),
            other => other.to_string().into(),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Network(error) => error.into(),
            other => other.to_string().into(),
        }
    }
}

impl From<ReviewError> for Failure {
    fn from(error: ReviewError) -> Self {
        let out_of_gpu_memory =
            matches!(error, ReviewError::Evaluate(EvaluateError::Network(NetworkError::OutOfGpuMemory(_))));
        Self { message: error.to_string(), out_of_gpu_memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_gpu_may_be_helped_by_the_cpu() {
        let of = |text: &str| NetworkError::from(tch::TchError::Torch(text.to_owned()));
        let full = "CUDA out of memory. Tried to allocate 2 GiB";
        assert!(Failure::from(of(full)).out_of_gpu_memory);
        assert!(Failure::from(TrainError::Network(of(full))).out_of_gpu_memory);
        assert!(Failure::from(CompareError::Network(of(full))).out_of_gpu_memory);
        assert!(!Failure::from(of("DefaultCPUAllocator: can't allocate memory")).out_of_gpu_memory);
        assert!(!Failure::from("l.pt: CUDA out of memory is the name of a folder").out_of_gpu_memory);
    }
}
