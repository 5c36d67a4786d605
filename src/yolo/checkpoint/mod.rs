//! Checkpoints, read as data: Ultralytics `.pt`, `.safetensors`, TorchScript.
//!
//! [`open`] reads the description alone, in milliseconds; weights are read tensor by tensor when a network asks for
//! them. Nothing in a file is executed, and no size in it is believed before it is held against the file's own.

mod container;
mod description;
mod pickle;
mod safetensors;
mod storage;
mod ultralytics;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::anchors::AnchorScale;
use container::Container;
use storage::Stored;

pub use description::{Activation, Dtype, Format, LoadReport, ModelDescription, ModuleInfo, ShapeMismatch, TensorInfo};
pub use pickle::PickleError;
pub use safetensors::write_safetensors;

/// No tensor of a YOLOv5 comes near this.
const MAX_TENSOR_BYTES: u64 = 1 << 31;

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
    #[error("{}: {cause}", path.display())]
    Pickle { path: PathBuf, cause: PickleError },
    #[error("{}: not a YOLOv5 detection model: {what}", path.display())]
    Model { path: PathBuf, what: String },
    #[error("{}: has no tensor '{name}'", path.display())]
    NoTensor { path: PathBuf, name: String },
}

impl CheckpointError {
    fn read(path: &Path, cause: io::Error) -> Self {
        Self::Read { path: path.to_owned(), cause }
    }
}

/// An opened checkpoint: what it says of itself, and where its tensors lie.
#[derive(Debug)]
pub struct Checkpoint {
    pub path: PathBuf,
    pub format: Format,
    pub model: ModelDescription,
    /// In the file's order, under the names of torch's `state_dict`.
    pub tensors: Vec<TensorInfo>,
    stored: Vec<Stored>,
    by_name: HashMap<String, usize>,
    file: File,
}

/// Opens a checkpoint by its content, whatever its extension, and reads everything but the weights.
pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let mut file = File::open(path).map_err(|cause| CheckpointError::read(path, cause))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(CheckpointError::NotACheckpoint { path: path.to_owned(), what: "it is a folder" });
    }
    let mut head = Vec::with_capacity(16);
    (&mut file).take(16).read_to_end(&mut head).map_err(|cause| CheckpointError::read(path, cause))?;
    let not = |what| Err(CheckpointError::NotACheckpoint { path: path.to_owned(), what });
    // Protocol 2 and then a 10-byte integer: the magic number of the old torch.save.
    if head.starts_with(b"\x80\x02\x8a\x0a") {
        return Err(CheckpointError::OldFormat { path: path.to_owned() });
    }
    let (format, model, stored) = if head.starts_with(b"PK\x03\x04") {
        let container = Container::open(path, &file)?;
        if container.is_torchscript() {
            ultralytics::read_torchscript(path, &file, &container)?
        } else {
            ultralytics::read(path, &file, &container)?
        }
    } else if head.len() > 8 && head[8] == b'{' {
        safetensors::read(path, &file)?
    } else if head.is_empty() {
        return not("it is empty");
    } else {
        return not("its first bytes are those of another kind of file");
    };
    let by_name = stored.iter().enumerate().map(|(index, tensor)| (tensor.info.name.clone(), index)).collect();
    let tensors = stored.iter().map(|tensor| tensor.info.clone()).collect();
    Ok(Checkpoint { path: path.to_owned(), format, model, tensors, stored, by_name, file })
}

impl Checkpoint {
    /// The anchors of every scale in input px.
    pub fn scales(&self) -> Vec<AnchorScale> {
        let strides = self.model.strides.iter();
        strides
            .zip(&self.model.anchors_px)
            .map(|(&stride, anchors)| AnchorScale { stride, anchors: anchors.clone() })
            .collect()
    }

    /// One tensor as float32, row-major.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let tensor = self.stored(name)?;
        Ok(storage::to_f32(&tensor.bytes(&self.path, &self.file)?, tensor.info.dtype))
    }

    fn stored(&self, name: &str) -> Result<&Stored, CheckpointError> {
        let index = self.by_name.get(name).copied();
        index
            .map(|index| &self.stored[index])
            .ok_or_else(|| CheckpointError::NoTensor { path: self.path.clone(), name: name.to_owned() })
    }
}
