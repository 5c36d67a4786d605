//! The TorchScript archive of YOLOv5's `export.py`, read as data: its parameters, and its code as text.
//!
//! The code is never run. [`code`] parses it, [`trace`] follows on paper which operation reads which, and [`layers`]
//! makes of that the rows of a YOLOv5 yaml, held against the code operation by operation. What cannot be read so is
//! refused, and what is read is a fused network as any other.

mod code;
mod layers;
mod trace;

use std::collections::HashMap;

use serde_json::Value;

use super::description::{ModelDescription, TensorInfo};
use super::pickle::Pickle;
use super::pickled::Pickled;
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
    let tree = pickled.tree(pickled.pickle.root, members)?;
    let detect = tree.modules.iter().find(|(_, id)| matches!(pickled.class(*id), Some((_, "Detect"))));
    // What the export notes beside the code, since v6.0: {"shape": [1, 3, 640, 640], "stride": 32, "names": {"0": …}}.
    let notes = source.read_small("extra/config.txt")?;
    let notes = notes.and_then(|notes| serde_json::from_slice::<Value>(&notes).ok());
    let (Some((detect, _)), Some(notes)) = (detect, notes) else {
        return Err(source.not_a_model("it is TorchScript, but not of the export.py of YOLOv5 v6.0 or later"));
    };
    let anchors = tree.tensors.iter().find(|tensor| tensor.info.name == format!("{detect}.anchors"));
    let strides = match anchors.map(|tensor| tensor.info.shape.as_slice()) {
        Some(&[scales, ..]) => stride_constant(source, scales, notes["stride"].as_f64())?,
        _ => None,
    };
    let strides = strides.ok_or_else(|| source.not_a_model("it is TorchScript whose strides cannot be found"))?;
    let mut model = ModelDescription::default();
    heads::describe(&mut model, detect, Some(strides), &tree.tensors, source)?;
    model.names = heads::names(&notes["names"]);

    let unread = |what: String| {
        source.not_a_model(format!("its TorchScript is not run, and cannot be read as layers of YOLOv5: {what}"))
    };
    let mut methods = HashMap::new();
    for (file, text) in source.texts("code/", ".py", code::MAX_TEXT)? {
        // code/__torch__/models/yolo.py is the Python module __torch__.models.yolo.
        let module = file.replace('/', ".");
        let of_file = methods.entry(module).or_default();
        code::parse(&text, of_file).map_err(|what| unread(format!("{file}.py has {what}")))?;
    }
    let trace = trace::follow(&pickled, &methods).map_err(unread)?;
    let yaml = layers::yaml(&mut model, detect, &pickled, &tree, &trace).map_err(unread)?;
    model.yaml = Some(yaml);
    Ok((model, tree.tensors))
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
