//! `.pt` with new weights: the zip of a `.pt` that exists, its pickle as it is, its storages replaced.
//!
//! So the file holds whatever modules its source holds, and upstream's `attempt_load` reads the one as it reads the
//! other; nothing here has to know how Python pickles a model.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::description::Format;
use super::error::{CheckpointError, write_whole};
use super::pickled::Pickled;
use super::source::Extent;
use super::storage::Stored;
use super::{Checkpoint, trusted};

/// What torch aligns a storage to in its zip, so that it can be mapped.
const ALIGNMENT: u16 = 64;

/// The new elements of a tensor, in row-major order; none where it stays as it is.
pub type NewValues = Result<Option<Vec<f32>>, CheckpointError>;

/// Whether a checkpoint can lend its pickle to a new `.pt`: it is one itself, and its pickle makes nothing in Python but what
/// a checkpoint of YOLOv5 is made of.
pub fn check_lender(source: &Checkpoint) -> Result<(), CheckpointError> {
    let unfit = |what: String| CheckpointError::Weights { path: source.path.clone(), what };
    if source.format != Format::PyTorch {
        return Err(unfit(format!("it is {}; a .pt is made from a .pt alone", source.format)));
    }
    match trusted::foreign(&Pickled::read(&source.source, "data")?.pickle) {
        None => Ok(()),
        Some(foreign) => Err(unfit(format!(
            "Python would run {foreign:?} when it loads the result, which no checkpoint of YOLOv5 needs"
        ))),
    }
}

/// Writes `source`, a `.pt`, with new values in the tensors for which `values` has any, atomically and one storage in
/// memory at a time.
///
/// Values are rounded to the dtype that the tensor has in the file. All other bytes stay as they are: tensors without a value, and in a file with both `ema` and `model` all of `model`, which upstream
/// does not load then.
///
/// An error where a value does not fit its dtype, where tensors that share memory are given different values, or
/// where the source lends no pickle ([`check_lender`]).
pub fn write_pt(
    source: &Checkpoint,
    values: &mut dyn FnMut(&str) -> NewValues,
    out: &Path,
) -> Result<(), CheckpointError> {
    let unfit = |what: String| CheckpointError::Weights { path: source.path.clone(), what };
    check_lender(source)?;
    let mut files = Vec::new();
    for (name, extent) in source.source.files() {
        let extent = extent.ok_or_else(|| {
            unfit(format!("its entry '{name}' is compressed; load the file and save it again with torch.save"))
        })?;
        files.push((name, extent));
    }
    let mut tensors: HashMap<Extent, Vec<&Stored>> = HashMap::new();
    for tensor in &source.stored {
        tensors.entry(tensor.storage).or_default().push(tensor);
    }
    let mut content = |extent: Extent| {
        let mut bytes = source.source.read(extent)?;
        let mut given = vec![false; bytes.len()];
        for tensor in tensors.get(&extent).into_iter().flatten() {
            if let Some(values) = values(&tensor.info.name)? {
                tensor.put(&values, &mut bytes, &mut given).map_err(unfit)?;
            }
        }
        Ok::<_, CheckpointError>(bytes)
    };
    let options = SimpleFileOptions::DEFAULT.compression_method(CompressionMethod::Stored).with_alignment(ALIGNMENT);
    write_whole(out, |out| {
        let mut zip = ZipWriter::new_stream(out);
        for (name, extent) in &files {
            let bytes = content(*extent).map_err(io::Error::other)?;
            zip.start_file(name, options)?;
            zip.write_all(&bytes)?;
        }
        zip.finish()?;
        Ok(())
    })
}

/// Writes `source`, a `.pt`, with the tensors of `weights` in place of its own, and counts those of its own that
/// `weights` lacks, which stay as they are.
///
/// An error that names every tensor that the source does not have or has in another shape, or different anchors.
pub fn write_pt_from(source: &Checkpoint, weights: &Checkpoint, out: &Path) -> Result<usize, CheckpointError> {
    let mut wrong = Vec::new();
    for tensor in &weights.tensors {
        match source.by_name.get(&tensor.name).map(|index| &source.tensors[*index].shape) {
            Some(shape) if *shape == tensor.shape => {}
            Some(shape) => wrong.push(format!("{} is {shape:?}, not {:?}", tensor.name, tensor.shape)),
            None => wrong.push(format!("it has no {}", tensor.name)),
        }
    }
    let (own, other) = (&source.model.anchors_px, &weights.model.anchors_px);
    let known = !own.is_empty() && !other.is_empty();
    if known && own != other && !weights.tensors.iter().any(|tensor| tensor.name.ends_with(".anchors")) {
        wrong.push(format!("its anchors are {own:?}, not {other:?}"));
    }
    if !wrong.is_empty() {
        return Err(CheckpointError::Weights { path: source.path.clone(), what: wrong.join("; ") });
    }
    let of_weights = |name: &str| weights.by_name.contains_key(name);
    write_pt(source, &mut |name| of_weights(name).then(|| weights.read_f32(name)).transpose(), out)?;
    Ok(source.tensors.iter().filter(|tensor| !of_weights(&tensor.name)).count())
}
