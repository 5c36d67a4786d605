//! Either kind of model behind one call.

use tch::{Device, Tensor};

use super::anchors::AnchorScale;
use super::checkpoint::{Checkpoint, Format, LoadReport};
use super::network::{Forward, Network, NetworkError};
use super::torchscript_model::TorchScriptModel;

/// A loaded model.
#[derive(Debug)]
pub enum Model {
    Network(Box<Network>),
    /// Heads only.
    TorchScript(TorchScriptModel),
}

impl Model {
    pub fn load(checkpoint: &Checkpoint, device: Device) -> Result<(Self, LoadReport), NetworkError> {
        if checkpoint.format == Format::TorchScript {
            let (model, report) = TorchScriptModel::load(checkpoint, device)?;
            return Ok((Self::TorchScript(model), report));
        }
        let (network, report) = Network::load(checkpoint, device)?;
        Ok((Self::Network(Box::new(network)), report))
    }

    /// input: [B, 3, H, W], RGB in 0..1. Statistics frozen.
    pub fn forward(&self, input: &Tensor) -> Result<Forward, NetworkError> {
        match self {
            Self::Network(network) => network.forward_t(input, false),
            Self::TorchScript(model) => model.forward(input),
        }
    }

    pub fn scales(&self) -> &[AnchorScale] {
        match self {
            Self::Network(network) => network.scales(),
            Self::TorchScript(model) => model.scales(),
        }
    }

    /// Class names by index.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Network(network) => network.names(),
            Self::TorchScript(model) => model.names(),
        }
    }

    pub fn device(&self) -> Device {
        match self {
            Self::Network(network) => network.device(),
            Self::TorchScript(model) => model.device(),
        }
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Network(network) => network.parameters(),
            Self::TorchScript(model) => model.parameters(),
        }
    }

    /// 10⁹ operations at 640 × 640 px, as YOLOv5's summary counts them; `None` for TorchScript.
    pub fn gflops(&self) -> Option<f64> {
        match self {
            Self::Network(network) => network.gflops().ok(),
            Self::TorchScript(_) => None,
        }
    }
}
