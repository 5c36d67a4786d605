//! `.safetensors` with the model's spec in its metadata: what this program writes and reads back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::description::{Dtype, ModelDescription, TensorInfo};
use super::error::{CheckpointError, write_whole};
use super::source::{Extent, Source};
use super::storage::Stored;
use super::{Checkpoint, heads};

/// The metadata key under which the spec stands, as JSON.
const SPEC_KEY: &str = "distillscope.spec";
/// The header of yolov5x6 has a quarter of a megabyte.
const MAX_HEADER: u64 = 4 << 20;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

pub(super) fn read(source: &Source) -> Result<(ModelDescription, Vec<Stored>), CheckpointError> {
    let length = source.length();
    let size = source.read(Extent::of_file(0, 8))?;
    let size = size.first_chunk().map_or(0, |size| u64::from_le_bytes(*size));
    let data = match size.checked_add(8) {
        Some(data) if data <= length && size <= MAX_HEADER => data,
        _ => return Err(source.damaged(format!("its header claims {size} bytes, the file has {length}"))),
    };
    let header = source.read(Extent::of_file(8, size))?;
    let mut header: BTreeMap<String, Value> =
        serde_json::from_slice(&header).map_err(|error| source.damaged(format!("its header: {error}")))?;
    let metadata = header.remove("__metadata__").unwrap_or(Value::Null);
    let spec = metadata[SPEC_KEY].as_str().ok_or_else(|| {
        source
            .not_a_model(format!("its metadata has no {SPEC_KEY}; `distillscope convert` makes such files from a .pt"))
    })?;
    let mut model: ModelDescription =
        serde_json::from_str(spec).map_err(|error| source.damaged(format!("the spec in its metadata: {error}")))?;
    heads::finish(&mut model, source)?;
    let mut tensors = Vec::with_capacity(header.len());
    for (name, entry) in header {
        let bad = |what: &str| source.damaged(format!("tensor {name}: {what}"));
        let Entry { dtype, shape, data_offsets: [begin, end] } =
            serde_json::from_value(entry).map_err(|error| bad(&error.to_string()))?;
        let dtype = dtype_from_name(&dtype).ok_or_else(|| bad("its dtype is unknown"))?;
        if begin > end || end > length - data {
            return Err(bad("it lies beyond the end of the file, which may be truncated"));
        }
        let info = TensorInfo { name, shape, dtype };
        let extent = Extent::of_file(data + begin, end - begin);
        tensors.push((begin, Stored::row_major(info, extent).map_err(|what| source.damaged(what))?));
    }
    tensors.sort_by_key(|(begin, _)| *begin);
    Ok((model, tensors.into_iter().map(|(_, tensor)| tensor).collect()))
}

/// Writes a checkpoint as `.safetensors`, atomically: names and dtypes as they are, the spec in the metadata, one
/// tensor in memory at a time.
pub fn write_safetensors(checkpoint: &Checkpoint, path: &Path) -> Result<(), CheckpointError> {
    write(&checkpoint.model, &checkpoint.tensors, |index| checkpoint.stored[index].bytes(&checkpoint.source), path)
}

/// Writes float32 tensors, each a name of torch's `state_dict`, a shape and its elements in row-major order, as the
/// `.safetensors` of a model of this description, atomically. [`open`](super::open) reads it.
pub fn write_safetensors_values(
    description: &ModelDescription,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    path: &Path,
) -> Result<(), CheckpointError> {
    let weights = |what: String| CheckpointError::Weights { path: path.to_owned(), what };
    let mut names = HashSet::new();
    for (name, shape, values) in &tensors {
        if shape.iter().product::<usize>() != values.len() {
            return Err(weights(format!("tensor {name} of shape {shape:?} was given {} values", values.len())));
        }
        if !names.insert(name) {
            return Err(weights(format!("two of them are named {name}")));
        }
    }
    let (infos, values): (Vec<_>, Vec<_>) = tensors
        .into_iter()
        .map(|(name, shape, values)| (TensorInfo { name, shape, dtype: Dtype::F32 }, values))
        .unzip();
    write(description, &infos, |index| Ok(values[index].iter().flat_map(|value| value.to_le_bytes()).collect()), path)
}

/// `bytes` gives the elements of the tensor at an index, little-endian and in row-major order.
fn write(
    model: &ModelDescription,
    tensors: &[TensorInfo],
    bytes: impl Fn(usize) -> Result<Vec<u8>, CheckpointError>,
    path: &Path,
) -> Result<(), CheckpointError> {
    let spec = serde_json::to_string(model)
        .map_err(|error| CheckpointError::Weights { path: path.to_owned(), what: error.to_string() })?;
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!({ SPEC_KEY: spec, "format": "pt" }));
    // Larger elements first, so that each tensor is aligned to its own.
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|index| Reverse(tensors[*index].dtype.size()));
    let mut end = 0;
    for index in &order {
        let TensorInfo { name, shape, dtype } = &tensors[*index];
        let begin = end;
        end += tensors[*index].numel() * dtype.size();
        let entry = json!({ "dtype": name_of_dtype(*dtype), "shape": shape, "data_offsets": [begin, end] });
        header.insert(name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // The data begins at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    write_whole(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        order.iter().try_for_each(|index| out.write_all(&bytes(*index).map_err(io::Error::other)?))
    })
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
