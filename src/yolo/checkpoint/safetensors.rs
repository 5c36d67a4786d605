//! `.safetensors` with the model's spec in its metadata: what this program writes and reads back.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::container::Extent;
use super::description::{Dtype, Format, ModelDescription, TensorInfo};
use super::storage::Stored;
use super::{Checkpoint, CheckpointError};
use crate::export::atomic;

/// The metadata key under which the spec stands, as JSON.
const SPEC_KEY: &str = "distillscope.spec";
const MAX_HEADER: u64 = 16 << 20;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

type Reading = (Format, ModelDescription, Vec<Stored>);

pub(super) fn read(path: &Path, mut file: &File) -> Result<Reading, CheckpointError> {
    let damaged = |what: String| CheckpointError::Damaged { path: path.to_owned(), what };
    let length = file.metadata().map_err(|cause| CheckpointError::read(path, cause))?.len();
    let mut size = [0; 8];
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_exact(&mut size))
        .map_err(|cause| CheckpointError::read(path, cause))?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size + 8 > length {
        return Err(damaged(format!("its header claims {size} bytes, the file has {length}")));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(|cause| CheckpointError::read(path, cause))?;
    let mut header: BTreeMap<String, Value> =
        serde_json::from_slice(&header).map_err(|error| damaged(format!("its header: {error}")))?;
    let metadata = header.remove("__metadata__").unwrap_or(Value::Null);
    let spec = metadata[SPEC_KEY].as_str().ok_or_else(|| CheckpointError::Model {
        path: path.to_owned(),
        what: format!("its metadata has no {SPEC_KEY}; `distillscope convert` writes such files from a .pt"),
    })?;
    let model: ModelDescription =
        serde_json::from_str(spec).map_err(|error| damaged(format!("the spec in its metadata: {error}")))?;
    if model.strides.len() != model.anchors_px.len() || model.strides.contains(&0) {
        return Err(damaged("the spec in its metadata has anchors and strides that do not match".to_owned()));
    }
    let mut stored = Vec::with_capacity(header.len());
    for (name, entry) in header {
        let entry: Entry = serde_json::from_value(entry).map_err(|error| damaged(format!("tensor {name}: {error}")))?;
        let dtype = dtype_from_name(&entry.dtype)
            .ok_or_else(|| damaged(format!("tensor {name} has the unknown dtype {}", entry.dtype)))?;
        let [begin, end] = entry.data_offsets;
        let start = 8 + size;
        let inside = begin <= end && start.checked_add(end).is_some_and(|end| end <= length);
        if !inside {
            return Err(damaged(format!("tensor {name} lies beyond the end of the file; it is truncated")));
        }
        let extent = Extent { offset: start + begin, length: end - begin };
        let strides = row_major(&entry.shape).ok_or_else(|| damaged(format!("tensor {name} is too large")))?;
        let info = TensorInfo { name, shape: entry.shape, dtype };
        stored.push(Stored::new(info, extent, 0, strides).map_err(damaged)?);
    }
    // The format keeps tensors by offset; that is the order in which they were written.
    stored.sort_by_key(|tensor| tensor.storage.offset);
    Ok((Format::SafeTensors, model, stored))
}

fn row_major(shape: &[usize]) -> Option<Vec<u64>> {
    let mut strides = vec![1_u64; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].checked_mul(shape[axis] as u64)?;
    }
    Some(strides)
}

/// Writes a checkpoint as `.safetensors`, atomically: names and dtypes as they are, the spec in the metadata, one
/// tensor in memory at a time.
pub fn write_safetensors(checkpoint: &Checkpoint, path: &Path) -> Result<(), CheckpointError> {
    if checkpoint.format == Format::TorchScript {
        let what = "it is TorchScript: a program, whose parameters alone are no model".to_owned();
        return Err(CheckpointError::Model { path: checkpoint.path.clone(), what });
    }
    let spec = serde_json::to_string(&checkpoint.model)
        .map_err(|error| CheckpointError::Model { path: checkpoint.path.clone(), what: error.to_string() })?;
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!({ SPEC_KEY: spec, "format": "pt" }));
    let mut end = 0;
    for tensor in &checkpoint.tensors {
        let begin = end;
        end += tensor.numel() * tensor.dtype.size();
        let entry =
            json!({ "dtype": name_of_dtype(tensor.dtype), "shape": tensor.shape, "data_offsets": [begin, end] });
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // The data begins at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut unreadable = None;
    let written = atomic::write_with(path, |out: &mut dyn Write| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for tensor in &checkpoint.stored {
            match tensor.bytes(&checkpoint.path, &checkpoint.file) {
                Ok(bytes) => out.write_all(&bytes)?,
                Err(error) => {
                    unreadable = Some(error);
                    return Err(std::io::Error::other("the source cannot be read"));
                }
            }
        }
        Ok(())
    });
    match (written, unreadable) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(CheckpointError::Write { path: error.path, cause: error.cause }),
    }
}

const DTYPES: [(Dtype, &str); 10] = [
    (Dtype::Bool, "BOOL"),
    (Dtype::U8, "U8"),
    (Dtype::I8, "I8"),
    (Dtype::I16, "I16"),
    (Dtype::I32, "I32"),
    (Dtype::I64, "I64"),
    (Dtype::F16, "F16"),
    (Dtype::BF16, "BF16"),
    (Dtype::F32, "F32"),
    (Dtype::F64, "F64"),
];

fn dtype_from_name(name: &str) -> Option<Dtype> {
    DTYPES.iter().find(|(_, known)| *known == name).map(|(dtype, _)| *dtype)
}

fn name_of_dtype(dtype: Dtype) -> &'static str {
    DTYPES.iter().find(|(known, _)| *known == dtype).map_or("F32", |(_, name)| name)
}
