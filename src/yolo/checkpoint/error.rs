//! Why a checkpoint cannot be read or written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::pickle::PickleError;
use crate::files::atomic;

#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("{}: cannot be read: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{}: cannot be written: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("{}: not a checkpoint: {what}; expected a YOLOv5 .pt, .safetensors or TorchScript file", path.display())]
    NotACheckpoint { path: PathBuf, what: &'static str },
    #[error(
        "{}: saved in PyTorch's format from before 1.6; open it with a newer PyTorch and save it again with torch.save",
        path.display()
    )]
    OldFormat { path: PathBuf },
    #[error("{}: the file is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{}: the file is damaged: {cause}", path.display())]
    Pickle { path: PathBuf, cause: PickleError },
    #[error("{}: not a YOLOv5 detection model: {what}", path.display())]
    Model { path: PathBuf, what: String },
    #[error("{}: cannot be written with these weights: {what}", path.display())]
    Weights { path: PathBuf, what: String },
    #[error("{}: has no tensor '{name}'", path.display())]
    NoTensor { path: PathBuf, name: String },
}

impl CheckpointError {
    pub(super) fn read(path: &Path, cause: io::Error) -> Self {
        Self::Read { path: path.to_owned(), cause }
    }
}

/// Writes a file atomically; an error of `fill` that wraps a [`CheckpointError`] comes back as that.
pub(super) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CheckpointError> {
    atomic::write_with(path, fill).map_err(|error| match error.cause.downcast() {
        Ok(own) => own,
        Err(cause) => CheckpointError::Write { path: error.path, cause },
    })
}
