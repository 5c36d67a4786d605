//! Checkpoints, read as data: Ultralytics `.pt`, `.safetensors`, TorchScript; the former two are written too.
//!
//! [`open`] reads the description alone, in milliseconds; weights are read tensor by tensor when a network asks for
//! them. Nothing in a file is executed, and no size in it is believed before it is held against the file's own.

pub(in crate::yolo) mod description;
mod error;
mod heads;
mod pickle;
mod pickled;
mod pytorch;
mod safetensors;
mod source;
mod storage;
mod torchscript;
mod trusted;
mod ultralytics;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::anchors::AnchorScale;
use crate::files::{self, ReadError};
use source::Source;
use storage::Stored;

pub use description::{Activation, Dtype, Format, LoadReport, ModelDescription, ModuleInfo, ShapeMismatch, TensorInfo};
pub use error::CheckpointError;
pub use pickle::PickleError;
pub use pytorch::{NewValues, check_lender, write_pt, write_pt_from};
pub use safetensors::{write_safetensors, write_safetensors_values};
pub(crate) use source::Metered;

/// Tensors may share storages; all together they are at most so many times as long as the file.
const MAX_SHARING: u64 = 2;

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
    source: Source,
}

/// Opens a checkpoint by its content, whatever its extension, and reads everything but the weights.
pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
    // Read by ranges, each held against the file's length: it may be as long as it likes.
    let mut file = files::open(path, u64::MAX).map_err(|error| match error {
        ReadError::Io { path, cause } => CheckpointError::Read { path, cause },
        _ if path.is_dir() => CheckpointError::NotACheckpoint { path: path.to_owned(), what: "it is a folder" },
        _ => CheckpointError::NotACheckpoint { path: path.to_owned(), what: "it is no file but a pipe or a device" },
    })?;
    let mut head = Vec::with_capacity(64);
    (&mut file).take(64).read_to_end(&mut head).map_err(|cause| CheckpointError::read(path, cause))?;
    let (format, source, read) = match kind_of(&head) {
        Kind::OldPickle => return Err(CheckpointError::OldFormat { path: path.to_owned() }),
        Kind::Other(what) => return Err(CheckpointError::NotACheckpoint { path: path.to_owned(), what }),
        Kind::SafeTensors => {
            let source = Source::plain(path, file)?;
            let read = safetensors::read(&source)?;
            (Format::SafeTensors, source, read)
        }
        Kind::Zip => {
            let source = Source::zip(path, file)?;
            if source.read_small("byteorder")?.is_some_and(|order| order.trim_ascii() == b"big") {
                return Err(source.not_a_model("its numbers are big-endian; save it again on a little-endian machine"));
            }
            let (format, read) = if torchscript::is_archive(&source) {
                (Format::TorchScript, torchscript::read(&source)?)
            } else {
                (Format::PyTorch, ultralytics::read(&source)?)
            };
            (format, source, read)
        }
    };
    let (mut model, stored) = read;
    heads::finish(&mut model, &source)?;
    let bytes = stored.iter().map(|tensor| tensor.info.numel() as u64 * tensor.info.dtype.size() as u64);
    if bytes.fold(0, u64::saturating_add) > MAX_SHARING * source.length() {
        return Err(source.damaged("its tensors claim far more bytes than the file has"));
    }
    let mut by_name = HashMap::with_capacity(stored.len());
    for (index, tensor) in stored.iter().enumerate() {
        if by_name.insert(tensor.info.name.clone(), index).is_some() {
            return Err(source.damaged(format!("two of its tensors are named {}", tensor.info.name)));
        }
    }
    let tensors = stored.iter().map(|tensor| tensor.info.clone()).collect();
    Ok(Checkpoint { path: path.to_owned(), format, model, tensors, stored, by_name, source })
}

enum Kind {
    Zip,
    SafeTensors,
    OldPickle,
    Other(&'static str),
}

/// What a file is by its first bytes.
fn kind_of(head: &[u8]) -> Kind {
    let starts = |with: &[u8]| head.starts_with(with);
    if starts(b"PK\x03\x04") {
        Kind::Zip
    } else if starts(b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") {
        // A pickle of the magic number with which the old torch.save began.
        Kind::OldPickle
    } else if head.get(8) == Some(&b'{') {
        Kind::SafeTensors
    } else {
        Kind::Other(match head {
            [] => "it is empty",
            _ if starts(b"\xff\xd8\xff") || starts(b"\x89PNG") => "it is an image",
            _ if starts(b"version https://git-lfs") => "it is a Git LFS pointer, the file itself was not fetched",
            _ if starts(b"<") => "it is a web page, saved in place of the file",
            _ => "its first bytes are those of no known kind",
        })
    }
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
        match self.by_name.get(name) {
            Some(index) => self.stored[*index].read_f32(&self.source),
            None => Err(CheckpointError::NoTensor { path: self.path.clone(), name: name.to_owned() }),
        }
    }
}
