//! Plain records of what a checkpoint says: the model's spec, its tensors, and how a load went.
//!
//! Nothing here reads a file or knows a tensor library; the readers beside this module fill the
//! description, the network fills the load report.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The container that a checkpoint came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A zip of one pickle and its storages, as `torch.save` writes it.
    PyTorch,
    /// `.safetensors` with the spec in its metadata.
    SafeTensors,
    /// A TorchScript archive of YOLOv5's `export.py`: its code is read as text and never run.
    TorchScript,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "PyTorch checkpoint",
            Self::SafeTensors => "safetensors",
            Self::TorchScript => "TorchScript",
        })
    }
}

/// The element type of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dtype {
    Bool,
    U8,
    I8,
    I16,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

impl Dtype {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        })
    }
}

/// One tensor of a checkpoint, under the name that torch's `state_dict` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    pub name: String,
    pub shape: Vec<usize>,
    pub dtype: Dtype,
}

impl TensorInfo {
    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The activation behind a model's convolutions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    SiLU,
    ReLU,
    ReLU6,
    LeakyReLU {
        slope: f64,
    },
    Hardswish,
    Mish,
    Identity,
    /// Any other class, by name.
    Other(String),
}

impl Activation {
    /// By the class's name in `torch.nn`; `slope` is that of a LeakyReLU.
    pub fn named(class: &str, slope: f64) -> Self {
        match class {
            "SiLU" => Self::SiLU,
            "ReLU" => Self::ReLU,
            "ReLU6" => Self::ReLU6,
            "LeakyReLU" => Self::LeakyReLU { slope },
            "Hardswish" => Self::Hardswish,
            "Mish" => Self::Mish,
            "Identity" => Self::Identity,
            other => Self::Other(other.to_owned()),
        }
    }

    /// torch's own default for a LeakyReLU.
    pub const DEFAULT_SLOPE: f64 = 0.01;
}

/// One `torch.nn.Module` of a pickled model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// The class without its Python module, as `C3` or `BatchNorm2d`.
    pub class: String,
    /// Its plain attributes that decide what it computes: `f`, `i`, `stride`, `kernel_size`, `padding`,
    /// `groups`, `eps`, `momentum`, `negative_slope`, `scale_factor`, `mode`, `d`, `add` and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, serde_json::Value>,
}

impl ModuleInfo {
    /// The activation that this module is.
    pub fn activation(&self) -> Activation {
        let slope = self.attributes.get("negative_slope").and_then(serde_json::Value::as_f64);
        Activation::named(&self.class, slope.unwrap_or(Activation::DEFAULT_SLOPE))
    }
}

/// What a checkpoint says about its model besides the weights.
///
/// Serialised, it is the spec in the metadata of a `.safetensors` file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelDescription {
    /// The model yaml (`nc`, `depth_multiple`, `width_multiple`, `anchors`, `backbone`, `head`, …) as
    /// nested data; none in a bare `state_dict`.
    pub yaml: Option<serde_json::Value>,
    /// Class names by index, `nc` of them; `class 0` and so on where the file has none.
    pub names: Vec<String>,
    pub nc: usize,
    /// Anchors of every scale, (width, height) in input px; empty where the file does not tell the strides.
    pub anchors_px: Vec<Vec<[f32; 2]>>,
    /// Stride of every scale, input px.
    pub strides: Vec<u32>,
    /// The activation behind the first convolution that has one; none in a bare `state_dict`.
    pub activation: Option<Activation>,
    /// Whether batch-norms are folded into their convolutions.
    pub fused: bool,
    /// Every module by its path (`model.0`, `model.0.conv`); empty in a bare `state_dict` and in TorchScript.
    pub modules: BTreeMap<String, ModuleInfo>,
}

impl ModelDescription {
    /// Gives the model other classes, in its yaml too; its weights have to follow.
    pub fn set_classes(&mut self, names: Vec<String>) {
        self.nc = names.len();
        self.names = names;
        if let Some(serde_json::Value::Object(yaml)) = &mut self.yaml {
            yaml.insert("nc".to_owned(), self.nc.into());
        }
    }
}

/// A tensor whose shape in the file is not the model's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeMismatch {
    pub name: String,
    pub file: Vec<usize>,
    pub model: Vec<usize>,
}

/// How a load went; its `Display` is the whole text that a user sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors that were loaded.
    pub loaded: usize,
    /// Tensors of the model that the file does not have.
    pub missing: Vec<String>,
    /// Tensors of the file that the model does not have.
    pub unexpected: Vec<String>,
    pub mismatched: Vec<ShapeMismatch>,
    /// What most of the file's floating-point tensors are stored as.
    pub dtype: Option<Dtype>,
    /// How many of the loaded tensors were converted to float32.
    pub converted: usize,
}

impl LoadReport {
    /// Whether every tensor of the model was loaded and none was left over.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.mismatched.is_empty()
    }

    /// How many tensors the model wants.
    pub fn wanted(&self) -> usize {
        self.loaded + self.missing.len() + self.mismatched.len()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} tensors loaded", self.loaded, self.wanted())?;
        if let Some(dtype) = self.dtype {
            write!(f, ", stored as {dtype}")?;
        }
        if self.converted > 0 {
            write!(f, ", {} converted to float32", self.converted)?;
        }
        let mut list = |title: &str, names: &[String]| {
            if names.is_empty() {
                return Ok(());
            }
            write!(f, "\n{title} ({}):", names.len())?;
            names.iter().try_for_each(|name| write!(f, "\n  {name}"))
        };
        list("missing in the file", &self.missing)?;
        list("not in the model", &self.unexpected)?;
        let shapes: Vec<String> =
            self.mismatched.iter().map(|m| format!("{}: file {:?}, model {:?}", m.name, m.file, m.model)).collect();
        list("of another shape", &shapes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_load_is_one_line() {
        let report = LoadReport { loaded: 349, dtype: Some(Dtype::F16), converted: 292, ..LoadReport::default() };
        assert!(report.is_complete());
        assert_eq!(report.to_string(), "349 of 349 tensors loaded, stored as float16, 292 converted to float32");
    }

    #[test]
    fn a_partial_load_names_every_tensor() {
        let report = LoadReport {
            loaded: 1,
            missing: vec!["model.0.bn.bias".into()],
            unexpected: vec!["model.9.x".into(), "model.9.y".into()],
            mismatched: vec![ShapeMismatch { name: "model.24.m.0.bias".into(), file: vec![255], model: vec![24] }],
            dtype: Some(Dtype::F32),
            converted: 0,
        };
        assert!(!report.is_complete());
        assert_eq!(
            report.to_string(),
            "1 of 3 tensors loaded, stored as float32\n\
             missing in the file (1):\n  model.0.bn.bias\n\
             not in the model (2):\n  model.9.x\n  model.9.y\n\
             of another shape (1):\n  model.24.m.0.bias: file [255], model [24]"
        );
    }
}
