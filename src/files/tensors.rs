//! Named arrays as `.safetensors`.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError};
use thiserror::Error;

use super::atomic::{self, WriteError};

#[derive(Debug, Error)]
pub enum TensorsError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("tensor {name}: {source}")]
    Shape { name: String, source: SafeTensorError },
    #[error(transparent)]
    Format(#[from] SafeTensorError),
}

/// The elements of a named array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    F32(Vec<f32>),
    I32(Vec<i32>),
    U8(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub elements: Elements,
}

impl NamedTensor {
    pub fn f32(name: impl Into<String>, shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self { name: name.into(), shape: shape.into(), elements: Elements::F32(values) }
    }

    fn bytes(&self) -> (Dtype, Vec<u8>) {
        match &self.elements {
            Elements::F32(values) => (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Elements::I32(values) => (Dtype::I32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Elements::U8(values) => (Dtype::U8, values.clone()),
        }
    }
}

/// Writes the tensors and text metadata atomically.
pub fn write(path: &Path, tensors: &[NamedTensor], metadata: &HashMap<String, String>) -> Result<(), TensorsError> {
    let bytes: Vec<(Dtype, Vec<u8>)> = tensors.iter().map(NamedTensor::bytes).collect();
    let views: Vec<(&str, TensorView<'_>)> = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, (dtype, bytes))| {
            TensorView::new(*dtype, tensor.shape.clone(), bytes)
                .map(|view| (tensor.name.as_str(), view))
                .map_err(|source| TensorsError::Shape { name: tensor.name.clone(), source })
        })
        .collect::<Result<_, _>>()?;
    let file = safetensors::serialize(views, Some(metadata.clone()))?;
    Ok(atomic::write(path, &file)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let tensors = [
            NamedTensor::f32("a", [1, 2], vec![1.5, -2.0]),
            NamedTensor { name: "b".into(), shape: vec![3], elements: Elements::I32(vec![1, -1, 7]) },
        ];
        write(&path, &tensors, &HashMap::from([("psi".to_owned(), "0.5".to_owned())])).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("a").unwrap().data(), [1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat());
        assert_eq!(file.tensor("b").unwrap().shape(), [3]);
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["psi"], "0.5");
    }

    #[test]
    fn a_shape_that_does_not_fit_names_the_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("t"), &[NamedTensor::f32("odd", [2], vec![1.0])], &HashMap::new());
        assert!(error.unwrap_err().to_string().contains("odd"));
    }
}
