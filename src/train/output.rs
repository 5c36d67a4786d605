//! What a person takes away from a run: the trained student, in the containers that others read.

use std::path::Path;

use super::TrainError;
use crate::inspect::elements;
use crate::yolo::checkpoint::{Checkpoint, ModelDescription, write_pt, write_safetensors_values};
use crate::yolo::network::Network;

/// `STEM.safetensors` with the spec and, where the student came from a `.pt`, `STEM.pt` for the YOLOv5 world.
pub fn write_student(
    network: &Network,
    description: &ModelDescription,
    source: Option<&Checkpoint>,
    stem: &Path,
) -> Result<(), TrainError> {
    let mut named = Vec::new();
    for (name, tensor) in network.var_store().variables() {
        let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
        named.push((name, shape, elements(&tensor)?));
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(source) = source {
        let mut value = |wanted: &str| Ok(named.iter().find(|(name, ..)| name == wanted).map(|(.., v)| v.clone()));
        write_pt(source, &mut value, &stem.with_extension("pt"))?;
    }
    Ok(write_safetensors_values(description, named, &stem.with_extension("safetensors"))?)
}
