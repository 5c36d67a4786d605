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

use super::description::ModelDescription;
use super::error::CheckpointError;
use super::heads;
use super::pickle::{Id, Pickle};
use super::pickled::Pickled;
use super::source::Source;
use super::storage::Stored;

/// A traced YOLOv5 has about a dozen.
const MAX_CONSTANTS: usize = 1024;
/// Values of a constant that is of use here: a number, or the strides.
const MAX_CONSTANT: usize = 64;

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
    let constants = constants(source)?;
    let anchors = tree.tensors.iter().find(|tensor| tensor.info.name == format!("{detect}.anchors"));
    let strides = match anchors.map(|tensor| tensor.info.shape.as_slice()) {
        Some(&[scales, ..]) => stride_constant(&constants, scales, notes["stride"].as_f64()),
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
    let number = |constant: &Option<Constant>| match constant {
        Some((shape, values)) if shape.is_empty() => values.first().map(|value| f64::from(*value)),
        _ => None,
    };
    let numbers: Vec<Option<f64>> = constants.iter().map(number).collect();
    let trace = trace::follow(&pickled, &methods, &numbers).map_err(unread)?;
    let yaml = layers::yaml(&mut model, detect, &pickled, &tree, &trace).map_err(unread)?;
    model.yaml = Some(yaml);
    Ok((model, tree.tensors))
}

/// Shape and values of a constant.
type Constant = (Vec<usize>, Vec<f32>);

/// The floats among the constants of the code, in their order; none where it is something else or large.
fn constants(source: &Source) -> Result<Vec<Option<Constant>>, CheckpointError> {
    let pickled = Pickled::read(source, "constants")?;
    let constants = pickled.pickle.sequence(pickled.pickle.root).unwrap_or_default();
    // Grids are stored expanded, which no parameter is.
    let read = |constant: &Id| match pickled.tensor("constant", *constant).ok().flatten() {
        Some(tensor) if tensor.info.dtype.is_float() && tensor.info.numel() <= MAX_CONSTANT => {
            let values = tensor.read_f32(source)?;
            Ok(Some((tensor.info.shape, values)))
        }
        _ => Ok(None),
    };
    constants.iter().take(MAX_CONSTANTS).map(read).collect()
}

/// The constant that looks like the strides: one whole number a scale, ordered, the largest being the one that the export
/// noted.
fn stride_constant(constants: &[Option<Constant>], scales: usize, largest: Option<f64>) -> Option<Vec<f32>> {
    let looks_like_it = |(shape, values): &&Constant| {
        let whole = values.iter().all(|value| *value >= 1.0 && value.fract() == 0.0);
        let ordered = values.is_sorted_by(|a, b| a < b) || values.is_sorted_by(|a, b| a > b);
        let highest = values.iter().copied().fold(0.0, f32::max);
        *shape == [scales] && whole && ordered && largest.is_none_or(|largest| f64::from(highest) == largest)
    };
    constants.iter().flatten().find(looks_like_it).map(|(_, values)| values.clone())
}
