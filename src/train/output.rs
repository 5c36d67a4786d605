//! What a person takes away from a run: the trained student, in the containers that others read.

use std::path::Path;

use super::TrainError;
use crate::inspect::elements;
use crate::yolo::checkpoint::{Checkpoint, CheckpointError, ModelDescription, write_pt, write_safetensors_values};
use crate::yolo::network::Network;

/// `STEM.safetensors` with the spec and, where the student came from a `.pt`, `STEM.pt` for the YOLOv5 world. What keeps
/// the latter from being made (its source is gone, a value outside float16) is given back as a warning: the former is whole.
pub fn write_student(
    network: &Network,
    description: &ModelDescription,
    source: Option<&Checkpoint>,
    stem: &Path,
) -> Result<Option<String>, TrainError> {
    let named = values(network)?;
    let mut warning = None;
    if let Some(source) = source {
        let out = stem.with_extension("pt");
        match write_pt_values(&named, source, &out) {
            Err(error @ CheckpointError::Write { .. }) => return Err(error.into()),
            Err(error) => warning = Some(format!("{} is not written: {error}", out.display())),
            Ok(()) => {}
        }
    }
    write_safetensors_values(description, named, &stem.with_extension("safetensors"))?;
    Ok(warning)
}

/// The `.pt` alone, or an error.
pub fn write_pt_student(network: &Network, source: &Checkpoint, out: &Path) -> Result<(), TrainError> {
    Ok(write_pt_values(&values(network)?, source, out)?)
}

type Values = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Name, shape and elements of every variable, by name.
fn values(network: &Network) -> Result<Values, TrainError> {
    let mut named = Vec::new();
    for (name, tensor) in network.var_store().variables() {
        let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
        named.push((name, shape, elements(&tensor)?));
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(named)
}

fn write_pt_values(named: &Values, source: &Checkpoint, out: &Path) -> Result<(), CheckpointError> {
    let mut value = |wanted: &str| Ok(named.iter().find(|(name, ..)| name == wanted).map(|(.., v)| v.clone()));
    write_pt(source, &mut value, out)
}
