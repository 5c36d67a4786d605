//! The TorchScript archive of YOLOv5's `export.py`: its parameters, and what is needed to recover heads from its boxes.
//!
//! Its code is not read here. Anchors are a buffer of the traced Detect; the strides are a constant of its code.

use serde_json::Value;

use super::description::{ModelDescription, TensorInfo};
use super::pickle::Pickle;
use super::pickled::{Pickled, Tree};
use super::source::Source;
use super::storage::Stored;
use super::{CheckpointError, heads};

/// A traced YOLOv5 has about a dozen.
const MAX_CONSTANTS: usize = 1024;

pub(super) fn is_archive(source: &Source) -> bool {
    source.has_folder("code") && source.entry("constants.pkl").is_some()
}

pub(super) fn read(source: &Source) -> Result<(ModelDescription, Vec<Stored>), CheckpointError> {
    let pickled = Pickled::read(source, "data")?;
    let members = |pickle: &Pickle, state| pickle.entries(state).unwrap_or_default().to_vec();
    let Tree { modules, tensors } = pickled.tree(pickled.pickle.root, members)?;
    let detect = modules.iter().find(|(_, id)| matches!(pickled.class(*id), Some((_, "Detect"))));
    // What the export notes beside the code, since v6.0: {"shape": [1, 3, 640, 640], "stride": 32, "names": {"0": …}}.
    let notes = source.read_small("extra/config.txt")?;
    let notes = notes.and_then(|notes| serde_json::from_slice::<Value>(&notes).ok());
    let (Some((detect, _)), Some(notes)) = (detect, notes) else {
        return Err(source.not_a_model("it is TorchScript, but not of the export.py of YOLOv5 v6.0 or later"));
    };
    let anchors = tensors.iter().find(|tensor| tensor.info.name == format!("{detect}.anchors"));
    let strides = match anchors.map(|tensor| tensor.info.shape.as_slice()) {
        Some(&[scales, ..]) => stride_constant(source, scales, notes["stride"].as_f64())?,
        _ => None,
    };
    let mut model = ModelDescription::default();
    heads::describe(&mut model, detect, strides, &tensors, source)?;
    model.names = heads::names(&notes["names"]);
    let side = |axis: usize| notes["shape"][axis].as_u64().and_then(|side| usize::try_from(side).ok());
    model.traced_size = side(2).zip(side(3)).map(Into::into);
    Ok((model, tensors))
}

/// The constant of the code that looks like the strides: one whole number a scale, ordered, the largest being the one
/// that the export noted.
fn stride_constant(source: &Source, scales: usize, largest: Option<f64>) -> Result<Option<Vec<f32>>, CheckpointError> {
    let pickled = Pickled::read(source, "constants")?;
    let constants = pickled.pickle.sequence(pickled.pickle.root).unwrap_or_default();
    for constant in constants.iter().take(MAX_CONSTANTS) {
        let Some(tensor) = pickled.tensor("constant", *constant)? else { continue };
        let TensorInfo { shape, dtype, .. } = &tensor.info;
        if *shape != [scales] || !dtype.is_float() {
            continue;
        }
        let values = tensor.read_f32(source)?;
        let whole = values.iter().all(|value| *value >= 1.0 && value.fract() == 0.0);
        let ordered = values.is_sorted_by(|a, b| a < b) || values.is_sorted_by(|a, b| a > b);
        let highest = values.iter().copied().fold(0.0, f32::max);
        if whole && ordered && largest.is_none_or(|largest| f64::from(highest) == largest) {
            return Ok(Some(values));
        }
    }
    Ok(None)
}
