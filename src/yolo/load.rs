//! From a checkpoint to a network: which spec, which tensors fit, and the report of it.

use std::collections::{BTreeMap, HashMap};

use tch::Device;

use super::anchors::AnchorScale;
use super::checkpoint::{Activation, Checkpoint, Dtype, LoadReport, ModelDescription, ShapeMismatch, TensorInfo};
use super::guess_spec;
use super::network::{Network, NetworkError, Outline, fill};
use super::spec::{ModelSpec, ModuleSpec, SpecError};

/// A model may be so many times as large as what the file holds; beyond that the yaml is not believed.
const MAX_SHARE: usize = 16;

pub(super) fn load(checkpoint: &Checkpoint, device: Device) -> Result<(Network, LoadReport), NetworkError> {
    let spec = spec_of(&checkpoint.model, &checkpoint.tensors)?;
    let names = (0..spec.nc).map(|class| match checkpoint.model.names.get(class) {
        Some(name) => name.clone(),
        None => format!("class {class}"),
    });
    load_spec(checkpoint, &spec, names.collect(), None, device)
}

pub(super) fn load_for_classes(
    checkpoint: &Checkpoint,
    names: &[String],
    seed: u64,
    device: Device,
) -> Result<(Network, LoadReport), NetworkError> {
    let spec = spec_of(&checkpoint.model, &checkpoint.tensors)?.with_classes(names.len());
    load_spec(checkpoint, &spec, names.to_vec(), Some(seed), device)
}

pub(super) fn outline(checkpoint: &Checkpoint) -> Result<Outline, NetworkError> {
    let spec = spec_of(&checkpoint.model, &checkpoint.tensors)?;
    Ok(Outline { scales: scales_of(checkpoint, &spec)?, input_multiple: spec.input_multiple()? })
}

/// `seed`: what the file lacks is drawn from it; without one it stays zero.
fn load_spec(
    checkpoint: &Checkpoint,
    spec: &ModelSpec,
    names: Vec<String>,
    seed: Option<u64>,
    device: Device,
) -> Result<(Network, LoadReport), NetworkError> {
    let description = &checkpoint.model;
    let side = spec.input_multiple()? as usize;
    let wanted = spec.inventory(description.fused, side, side)?.tensors;
    let model = wanted.iter().map(|(_, shape)| shape.iter().product()).fold(0, usize::saturating_add);
    let file = checkpoint.tensors.iter().map(TensorInfo::numel).fold(0, usize::saturating_add);
    if model > file.saturating_mul(MAX_SHARE) {
        return Err(NetworkError::TooLarge { model, file });
    }
    let detect = spec.layers.len() - 1;
    let (report, fitting) = compare(&wanted, &checkpoint.tensors, detect);
    if fitting.is_empty() {
        return Err(NetworkError::NothingFits { file: checkpoint.tensors.len(), model: wanted.len() });
    }
    let mut network = Network::build_fused(spec, description.fused, device)?;
    network.set_names_and_scales(names, scales_of(checkpoint, spec)?);
    if let Some(seed) = seed {
        network.initialise(seed)?;
    }
    let variables = network.var_store().variables();
    for name in fitting {
        if let Some(variable) = variables.get(name) {
            fill(variable, &checkpoint.read_f32(name)?)?;
        }
    }
    Ok((network, report))
}

/// The spec that the yaml gives or, without one, the published model whose tensors these are; with the activations
/// that the pickled modules really have.
fn spec_of(description: &ModelDescription, tensors: &[TensorInfo]) -> Result<ModelSpec, SpecError> {
    let mut spec = match &description.yaml {
        Some(yaml) => ModelSpec::from_yaml(yaml)?,
        None => guess_spec::from_tensors(tensors, description.fused)?,
    };
    if let Some(activation) = &description.activation {
        spec.activation = supported(activation.clone())?;
    }
    for (index, layer) in spec.layers.iter_mut().enumerate() {
        if let ModuleSpec::BottleneckCsp(csp) = &mut layer.module
            && let Some(module) = description.modules.get(&format!("model.{index}.act"))
        {
            csp.join_activation = supported(module.activation())?;
        }
    }
    Ok(spec)
}

fn supported(activation: Activation) -> Result<Activation, SpecError> {
    match activation {
        Activation::Other(name) => Err(SpecError::Activation(name)),
        known => Ok(known),
    }
}

/// Holds the file's tensors against the model's; also the names of those that fit, in the file's order.
fn compare<'a>(
    wanted: &[(String, Vec<usize>)],
    tensors: &'a [TensorInfo],
    detect: usize,
) -> (LoadReport, Vec<&'a str>) {
    let shapes: HashMap<&str, &Vec<usize>> = wanted.iter().map(|(name, shape)| (name.as_str(), shape)).collect();
    let by_name: HashMap<&str, &TensorInfo> = tensors.iter().map(|info| (info.name.as_str(), info)).collect();
    let mut report = LoadReport { dtype: most_common_float(tensors), ..LoadReport::default() };
    let mut fitting = Vec::new();
    for info in tensors {
        match shapes.get(info.name.as_str()) {
            Some(shape) if **shape == info.shape => fitting.push(info.name.as_str()),
            Some(shape) => report.mismatched.push(ShapeMismatch {
                name: info.name.clone(),
                file: info.shape.clone(),
                model: (*shape).clone(),
            }),
            // Known and of no effect on a forward pass, or read from the description.
            None if is_bookkeeping(&info.name, &shapes, detect) => report.loaded += 1,
            None => report.unexpected.push(info.name.clone()),
        }
    }
    report.loaded += fitting.len();
    report.converted = fitting.iter().filter(|name| by_name[*name].dtype != Dtype::F32).count();
    report.missing =
        wanted.iter().filter(|(name, _)| !by_name.contains_key(name.as_str())).map(|(name, _)| name.clone()).collect();
    (report, fitting)
}

fn is_bookkeeping(name: &str, wanted: &HashMap<&str, &Vec<usize>>, detect: usize) -> bool {
    match name.strip_suffix(".num_batches_tracked") {
        Some(norm) => wanted.contains_key(format!("{norm}.running_mean").as_str()),
        None => ["anchors", "anchor_grid", "stride"].iter().any(|buffer| name == format!("model.{detect}.{buffer}")),
    }
}

fn most_common_float(tensors: &[TensorInfo]) -> Option<Dtype> {
    let mut counts: BTreeMap<Dtype, usize> = BTreeMap::new();
    for info in tensors.iter().filter(|info| info.dtype.is_float()) {
        *counts.entry(info.dtype).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(dtype, _)| dtype)
}

/// The file's anchors in input px: from its description, from Detect's buffer (in cells), else the yaml's.
fn scales_of(checkpoint: &Checkpoint, spec: &ModelSpec) -> Result<Vec<AnchorScale>, NetworkError> {
    let strides = spec.strides()?;
    let buffer = format!("model.{}.anchors", spec.layers.len() - 1);
    let (scales, per_scale) = (strides.len(), spec.anchors());
    let in_file = checkpoint.tensors.iter().any(|info| info.name == buffer && info.shape == [scales, per_scale, 2]);
    let anchors_px = if !checkpoint.model.anchors_px.is_empty() {
        checkpoint.model.anchors_px.clone()
    } else if in_file {
        let cells = checkpoint.read_f32(&buffer)?;
        let of_scale = |(cells, stride): (&[f32], &u32)| {
            cells.chunks_exact(2).map(|pair| [pair[0] * *stride as f32, pair[1] * *stride as f32]).collect()
        };
        cells.chunks_exact(2 * per_scale).zip(&strides).map(of_scale).collect()
    } else {
        spec.anchors_px.clone()
    };
    if anchors_px.len() != scales || anchors_px.iter().any(|anchors| anchors.len() != per_scale) {
        return Err(NetworkError::Anchors(format!(
            "{} scales of {} anchors in the file, {scales} of {per_scale} in the model",
            anchors_px.len(),
            anchors_px.first().map_or(0, Vec::len)
        )));
    }
    Ok(strides.into_iter().zip(anchors_px).map(|(stride, anchors)| AnchorScale { stride, anchors }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yolo::checkpoint::ModuleInfo;

    fn description() -> ModelDescription {
        let yaml = serde_json::json!({
            "nc": 1, "anchors": 1, "backbone": [[-1, 1, "Conv", [8]], [-1, 1, "BottleneckCSP", [8]]],
            "head": [[[-1], 1, "Detect", ["nc", "anchors"]]],
        });
        ModelDescription { yaml: Some(yaml), ..ModelDescription::default() }
    }

    fn join_activation(description: &ModelDescription) -> Result<Activation, SpecError> {
        match &spec_of(description, &[])?.layers[1].module {
            ModuleSpec::BottleneckCsp(csp) => Ok(csp.join_activation.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn activations_are_those_of_the_pickled_modules() {
        let mut description = description();
        assert_eq!(join_activation(&description), Ok(Activation::SiLU));
        description.activation = Some(Activation::Hardswish);
        let leaky = ModuleInfo {
            class: "LeakyReLU".to_owned(),
            attributes: [("negative_slope".to_owned(), 0.1.into())].into_iter().collect(),
        };
        description.modules.insert("model.1.act".to_owned(), leaky);
        assert_eq!(join_activation(&description), Ok(Activation::LeakyReLU { slope: 0.1 }));
        assert_eq!(spec_of(&description, &[]).map(|spec| spec.activation), Ok(Activation::Hardswish));
    }

    #[test]
    fn an_activation_that_is_not_supported_is_named() {
        let mut described = description();
        described.activation = Some(Activation::Other("FReLU".to_owned()));
        assert_eq!(join_activation(&described), Err(SpecError::Activation("FReLU".to_owned())));
        let mut described = description();
        let module = ModuleInfo { class: "AconC".to_owned(), ..ModuleInfo::default() };
        described.modules.insert("model.1.act".to_owned(), module);
        assert_eq!(join_activation(&described), Err(SpecError::Activation("AconC".to_owned())));
    }
}
