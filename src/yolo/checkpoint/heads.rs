//! What every kind of checkpoint says through its Detect layer: class count, anchors and strides; and class names.

use super::description::ModelDescription;
use super::error::CheckpointError;
use super::source::Source;
use super::storage::Stored;

const MAX_SCALES: usize = 8;
const MAX_ANCHORS: usize = 32;
const MAX_CLASSES: usize = 10_000;
const MAX_STRIDE: f32 = 1024.0;
/// Characters of a class name that are kept.
const MAX_NAME: usize = 200;

/// Fills in `nc`, `anchors_px`, `strides` and `fused` from the tensors of the Detect layer at path `detect`.
///
/// `strides` are those that the file states. Without them v5.0's `anchor_grid` tells them, for it has the anchors in px;
/// in a bare `state_dict` of a later version nothing does, and anchors and strides stay empty.
pub(super) fn describe(
    model: &mut ModelDescription,
    detect: &str,
    strides: Option<Vec<f32>>,
    tensors: &[Stored],
    source: &Source,
) -> Result<(), CheckpointError> {
    let find = |name: String| tensors.iter().find(|tensor| tensor.info.name == name);
    let anchors = find(format!("{detect}.anchors"))
        .ok_or_else(|| source.not_a_model(format!("its last layer, {detect}, has no anchors")))?;
    let &[scales, per_scale, 2] = anchors.info.shape.as_slice() else {
        return Err(source.damaged(format!("its anchors have shape {:?}", anchors.info.shape)));
    };
    if !(1..=MAX_SCALES).contains(&scales) || !(1..=MAX_ANCHORS).contains(&per_scale) {
        return Err(source.damaged(format!("it has {scales} scales of {per_scale} anchors")));
    }
    let outputs = find(format!("{detect}.m.0.weight")).and_then(|tensor| tensor.info.shape.first().copied());
    let outputs = outputs.ok_or_else(|| source.damaged(format!("{detect}.m.0.weight is missing")))?;
    model.nc = match outputs.checked_sub(5 * per_scale) {
        Some(rest) if rest > 0 && rest % per_scale == 0 && rest / per_scale <= MAX_CLASSES => rest / per_scale,
        _ => return Err(source.damaged(format!("its heads have {outputs} outputs for {per_scale} anchors"))),
    };
    let norm =
        |tensor: &Stored| tensor.info.name.starts_with("model.0.") && tensor.info.name.ends_with(".running_mean");
    model.fused = !tensors.iter().any(norm);

    let cells = anchors.read_f32(source)?;
    let strides = match strides {
        Some(strides) => strides,
        None => match find(format!("{detect}.anchor_grid")) {
            Some(grid) if grid.info.numel() == cells.len() => {
                let px = grid.read_f32(source)?;
                px.iter().zip(&cells).step_by(2 * per_scale).map(|(px, cells)| (px / cells).round()).collect()
            }
            _ => return Ok(()),
        },
    };
    let sound = |stride: &f32| (1.0..=MAX_STRIDE).contains(stride) && stride.fract() == 0.0;
    if strides.len() != scales || !strides.iter().all(sound) {
        return Err(source.damaged(format!("it has strides {strides:?} for {scales} scales")));
    }
    let in_px = |(cells, stride): (&[f32], &f32)| {
        cells.as_chunks().0.iter().map(|[width, height]| [width * stride, height * stride]).collect()
    };
    model.anchors_px = cells.chunks_exact(2 * per_scale).zip(&strides).map(in_px).collect();
    model.strides = strides.into_iter().map(|stride| stride as u32).collect();
    Ok(())
}

/// Holds what was read against itself, and gives every class a name.
pub(super) fn finish(model: &mut ModelDescription, source: &Source) -> Result<(), CheckpointError> {
    if model.nc > MAX_CLASSES {
        return Err(source.damaged(format!("it has {} classes", model.nc)));
    }
    let most = model.anchors_px.iter().map(Vec::len).max().unwrap_or(0);
    if model.anchors_px.len() > MAX_SCALES || most > MAX_ANCHORS {
        return Err(source.damaged(format!("it has {} scales of up to {most} anchors", model.anchors_px.len())));
    }
    let strides = model.strides.iter().all(|stride| (1..=MAX_STRIDE as u32).contains(stride));
    let matching = model.anchors_px.len() == model.strides.len() && strides;
    // A config that leaves its anchors to autoanchor starts from 0, 1, 2 and so on: a side may be 0.
    let sizes = model.anchors_px.iter().flatten().flatten().all(|side| side.is_finite() && *side >= 0.0);
    if !matching || !sizes {
        return Err(source.damaged(format!("its anchors are {:?} at strides {:?}", model.anchors_px, model.strides)));
    }
    model.names.truncate(model.nc);
    for name in &mut model.names {
        if let Some((end, _)) = name.char_indices().nth(MAX_NAME) {
            name.truncate(end);
        }
    }
    model.names.extend((model.names.len()..model.nc).map(|class| format!("class {class}")));
    Ok(())
}

/// Class names as YOLOv5 keeps them: a list, or a map from number to name.
pub(super) fn names(names: &serde_json::Value) -> Vec<String> {
    let mut numbered: Vec<(usize, &str)> = match names {
        serde_json::Value::Array(items) => {
            items.iter().map(|name| name.as_str().unwrap_or_default()).enumerate().collect()
        }
        serde_json::Value::Object(map) => {
            let numbered = map.iter().filter_map(|(key, name)| Some((key.parse().ok()?, name.as_str()?)));
            numbered.filter(|(class, _)| *class < MAX_CLASSES).collect()
        }
        _ => Vec::new(),
    };
    numbered.sort_unstable();
    let mut list = Vec::new();
    for (class, name) in numbered {
        list.extend((list.len()..class).map(|class| format!("class {class}")));
        list.push(name.to_owned());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_a_list_or_a_map_with_gaps() {
        assert_eq!(names(&json!(["cat", "dog"])), ["cat", "dog"]);
        assert_eq!(names(&json!({"10": "ten", "0": "zero", "2": "two", "x": "no number"})).len(), 11);
        assert_eq!(names(&json!({"2": "two", "0": "zero"})), ["zero", "class 1", "two"]);
        assert!(names(&json!({"99999999999": "huge"})).is_empty());
        assert!(names(&json!(null)).is_empty());
    }
}
