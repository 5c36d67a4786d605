//! TorchScript of YOLOv5's `export.py`: it runs as traced and hands out decoded boxes alone, so its raw heads are
//! recovered from them; neck and backbone stay hidden.

use tch::{CModule, Device, Kind, Tensor};

use super::anchors::AnchorScale;
use super::checkpoint::{Checkpoint, LoadReport};
use super::decode::undecode;
use super::network::{Forward, NetworkError};
use crate::geometry::Size;

#[derive(Debug)]
pub struct TorchScriptModel {
    module: CModule,
    device: Device,
    kind: Kind,
    scales: Vec<AnchorScale>,
    names: Vec<String>,
    /// Rows and columns px of the traced input, where the file says so.
    traced_size: Option<[usize; 2]>,
    parameters: usize,
}

impl TorchScriptModel {
    pub(super) fn load(checkpoint: &Checkpoint, device: Device) -> Result<(Self, LoadReport), NetworkError> {
        let scales = checkpoint.scales();
        if scales.is_empty() {
            return Err(NetworkError::TorchScript("its anchors and strides cannot be read".to_owned()));
        }
        let mut module = CModule::load_on_device(&checkpoint.path, device)?;
        module.f_set_eval()?;
        let parameters = module.named_parameters()?;
        let half = parameters.first().is_some_and(|(_, first)| first.kind() == Kind::Half);
        let report = LoadReport {
            loaded: checkpoint.tensors.len(),
            dtype: checkpoint.tensors.first().map(|tensor| tensor.dtype),
            ..LoadReport::default()
        };
        let model = Self {
            parameters: parameters.iter().map(|(_, tensor)| tensor.numel()).sum(),
            module,
            device,
            kind: if half { Kind::Half } else { Kind::Float },
            scales,
            names: checkpoint.model.names.clone(),
            traced_size: checkpoint.model.traced_size,
        };
        Ok((model, report))
    }

    pub fn scales(&self) -> &[AnchorScale] {
        &self.scales
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The input that it was traced for, px, where the file says so.
    pub fn traced_size(&self) -> Option<Size> {
        self.traced_size.map(|[rows, cols]| Size::new(cols as u32, rows as u32))
    }

    pub fn device(&self) -> Device {
        self.device
    }

    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// input: [B, 3, H, W] in 0..1, of the traced size. The heads alone.
    pub fn forward(&self, input: &Tensor) -> Result<Forward, NetworkError> {
        let (_, _, rows, cols) = input.size4()?;
        if let Some(size) = self.traced_size
            && size.map(|side| side as i64) != [rows, cols]
        {
            return Err(NetworkError::TracedInput { size });
        }
        let decoded = match self.module.forward_is(&[tch::IValue::Tensor(input.f_to_kind(self.kind)?)])? {
            tch::IValue::Tensor(tensor) => tensor,
            tch::IValue::Tuple(parts) => match parts.into_iter().next() {
                Some(tch::IValue::Tensor(tensor)) => tensor,
                _ => return Err(NetworkError::TorchScript("its output is no tensor".to_owned())),
            },
            _ => return Err(NetworkError::TorchScript("its output is no tensor".to_owned())),
        };
        let outputs = 5 + self.names.len() as i64;
        if decoded.dim() != 3 || decoded.size()[2] != outputs {
            return Err(NetworkError::TorchScript(format!(
                "its output has shape {:?}, expected [batch, boxes, {outputs}]",
                decoded.size()
            )));
        }
        let heads = undecode(&decoded, &self.scales, rows, cols)?;
        Ok(Forward { backbone: Vec::new(), necks: Vec::new(), heads })
    }
}
