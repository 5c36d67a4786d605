//! Checkpoints, read as data.

mod description;

pub use description::{
    Activation, Dtype, Format, LoadReport, ModelDescription, ModuleInfo, ShapeMismatch, TensorInfo,
};
