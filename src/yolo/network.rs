//! A YOLOv5 network built from its spec: image → backbone, neck and head features.
//!
//! Which layers are tap_features follows from the spec, never from a size or a name. Anchors and class names are carried
//! along for the readers of the heads; decoding is [`super::decode`]'s, training is not here.

use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor, no_grad};
use thiserror::Error;

use super::anchors::AnchorScale;
use super::checkpoint::{Checkpoint, CheckpointError, LoadReport};
use super::fold::channels_last;
use super::layers::{Detect, Layer, Site};
use super::load;
use super::spec::{ModelSpec, ModuleSpec, SpecError};
use crate::rng::Rng;

#[derive(Debug, Error)]
pub enum NetworkError {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("none of the file's {file} tensors fits the {model} of its model")]
    NothingFits { file: usize, model: usize },
    #[error("the file's anchors do not belong to its model: {0}")]
    Anchors(String),
    #[error("the model would have {model} numbers, but the file holds {file}")]
    TooLarge { model: usize, file: usize },
    #[error(
        "an input of shape {shape:?}: expected [batch, {channels}, height, width], both sides multiples of {multiple} px"
    )]
    Input { shape: Vec<i64>, channels: usize, multiple: u32 },
    #[error("the GPU ran out of memory; use a smaller input or --device cpu ({0})")]
    OutOfGpuMemory(String),
    #[error("out of memory; use a smaller input ({0})")]
    OutOfMemory(String),
    #[error("libtorch: {0}")]
    Torch(String),
}

impl From<TchError> for NetworkError {
    /// Keeps the first line: libtorch appends its own stack trace.
    fn from(error: TchError) -> Self {
        let text = match error {
            TchError::Torch(text) => text,
            other => other.to_string(),
        };
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("unknown error").trim().to_owned();
        let lower = line.to_lowercase();
        let any = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
        match any(&["out of memory", "can't allocate memory", "not enough memory", "alloc_failed"]) {
            true if any(&["cuda", "cudnn", "cublas"]) => Self::OutOfGpuMemory(line),
            true => Self::OutOfMemory(line),
            false => Self::Torch(line),
        }
    }
}

/// What a forward pass gives, one tensor per input of Detect in Detect's order.
#[derive(Debug)]
pub struct Forward {
    /// The last backbone layer of each stride, [B, C, H, W]; empty where the backbone lacks one of them.
    pub backbone: Vec<Tensor>,
    /// The inputs of Detect, [B, C, H, W].
    pub necks: Vec<Tensor>,
    /// Raw outputs of Detect, [B, A, H, W, 5 + nc].
    pub heads: Vec<Tensor>,
}

#[derive(Debug)]
pub struct Network {
    spec: ModelSpec,
    scales: Vec<AnchorScale>,
    names: Vec<String>,
    fused: bool,
    /// Of its weights; [`Network::forward`] takes and gives float32 whatever it is.
    pub(super) kind: Kind,
    /// Whether inputs are laid out with their channels last before the first layer.
    pub(super) channels_last: bool,
    input_multiple: u32,
    var_store: VarStore,
    layers: Vec<Layer>,
    detect: Detect,
    /// For every layer the last one that reads its output.
    last_reader: Vec<usize>,
    backbone_taps: Vec<usize>,
}

/// What a network takes and gives, known without its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    pub scales: Vec<AnchorScale>,
    /// Both sides of an input are multiples of this.
    pub input_multiple: u32,
}

impl Outline {
    /// Of a network that is built from its spec.
    pub fn of(spec: &ModelSpec) -> Result<Self, SpecError> {
        let scales = spec.strides()?.into_iter().zip(&spec.anchors_px);
        let scales = scales.map(|(stride, anchors)| AnchorScale { stride, anchors: anchors.clone() }).collect();
        Ok(Self { scales, input_multiple: spec.input_multiple()? })
    }
}

impl Network {
    /// A network of this spec with zero weights and neutral batch-norms.
    pub fn build(spec: &ModelSpec, device: Device) -> Result<Self, NetworkError> {
        Self::build_fused(spec, false, device)
    }

    /// `fused`: convolutions with a bias and no batch-norm, as a fused checkpoint has them.
    pub(super) fn build_fused(spec: &ModelSpec, fused: bool, device: Device) -> Result<Self, NetworkError> {
        let Outline { scales, input_multiple } = Outline::of(spec)?;
        let var_store = VarStore::new(device);
        let site = Site { path: var_store.root() / "model", activation: &spec.activation, fused };
        let (detect, body) = match spec.layers.split_last() {
            Some((last, body)) => match &last.module {
                ModuleSpec::Detect { inputs, anchors, outputs } => {
                    (Detect::new(&site.at(body.len()), inputs, *anchors, *outputs)?, body)
                }
                _ => return Err(SpecError::Yaml("does not end in Detect".to_owned()).into()),
            },
            None => return Err(SpecError::Yaml("has no layers".to_owned()).into()),
        };
        let layers = body.iter().enumerate().map(|(index, layer)| Layer::new(&site.at(index), layer));
        let layers = layers.collect::<Result<Vec<_>, TchError>>()?;
        let mut last_reader = vec![0; body.len()];
        for (reader, layer) in spec.layers.iter().enumerate() {
            for source in &layer.from {
                last_reader[*source] = reader;
            }
        }
        Ok(Self {
            scales,
            names: (0..spec.nc).map(|class| format!("class {class}")).collect(),
            fused,
            kind: Kind::Float,
            channels_last: false,
            input_multiple,
            detect,
            layers,
            last_reader,
            backbone_taps: spec.backbone_taps()?.unwrap_or_default(),
            spec: spec.clone(),
            var_store,
        })
    }

    /// Builds the checkpoint's model and loads what fits it, as float32; the report names every tensor that does not.
    pub fn load(checkpoint: &Checkpoint, device: Device) -> Result<(Self, LoadReport), NetworkError> {
        load::load(checkpoint, device)
    }

    /// As [`Network::load`], for a data set with these classes: where the file has another number of them, Detect's
    /// tensors do not fit and are drawn from `seed`, as is everything else that the file lacks.
    pub fn load_for_classes(
        checkpoint: &Checkpoint,
        names: &[String],
        seed: u64,
        device: Device,
    ) -> Result<(Self, LoadReport), NetworkError> {
        load::load_for_classes(checkpoint, names, seed, device)
    }

    /// What a network of this checkpoint would be, before any of its weights is read.
    pub fn outline(checkpoint: &Checkpoint) -> Result<Outline, NetworkError> {
        load::outline(checkpoint)
    }

    /// Another network of the same spec, names and anchors on the same device, its weights zero.
    pub fn replica(&self) -> Result<Self, NetworkError> {
        let mut baseline = Self::build_fused(&self.spec, self.fused, self.device())?;
        baseline.set_names_and_scales(self.names.clone(), self.scales.clone());
        Ok(baseline)
    }

    /// Whether batch-norms are folded into their convolutions: such a network can be run, but hardly trained.
    pub fn is_fused(&self) -> bool {
        self.fused
    }

    /// The precision that it computes in.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn set_names_and_scales(&mut self, names: Vec<String>, scales: Vec<AnchorScale>) {
        self.names = names;
        self.scales = scales;
    }

    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Strides and anchors in input px, in Detect's order.
    pub fn scales(&self) -> &[AnchorScale] {
        &self.scales
    }

    /// Class names by index.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn device(&self) -> Device {
        self.var_store.device()
    }

    /// Every parameter and running statistic under its checkpoint name.
    pub fn var_store(&self) -> &VarStore {
        &self.var_store
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> usize {
        self.var_store.trainable_variables().iter().map(Tensor::numel).sum()
    }

    /// 10⁹ operations at 640 × 640 px, as YOLOv5's summary counts them.
    pub fn gflops(&self) -> Result<f64, SpecError> {
        self.spec.gflops(self.fused)
    }

    /// Draws every weight anew as YOLOv5 does: uniform in ±1/√fan-in, batch-norms neutral, and Detect's biases set so
    /// that at first few cells claim an object. The draws come from the seed alone.
    pub fn initialise(&self, seed: u64) -> Result<(), NetworkError> {
        let variables = self.var_store.variables();
        let mut names: Vec<&String> = variables.keys().collect();
        names.sort_unstable();
        let mut rng = Rng::of(&[seed, 0x1417]);
        for name in names {
            let variable = &variables[name];
            let weight = name.strip_suffix(".bias").and_then(|stem| variables.get(&format!("{stem}.weight")));
            let fan_in = fan_in(weight.unwrap_or(variable));
            let bound = if fan_in > 0 { (fan_in as f64).sqrt().recip() } else { 0.0 };
            let neutral = f32::from(name.ends_with("running_var") || name.ends_with(".weight"));
            let value = |_| if fan_in > 0 { rng.uniform(-bound, bound) as f32 } else { neutral };
            fill(variable, &(0..variable.numel()).map(value).collect::<Vec<f32>>())?;
        }
        no_grad(|| {
            for (scale, AnchorScale { stride, .. }) in self.scales.iter().enumerate() {
                let Some(bias) = variables.get(&format!("model.{}.m.{scale}.bias", self.layers.len())) else {
                    continue;
                };
                let nc = self.spec.nc as i64;
                let bias = bias.f_view([-1, 5 + nc])?;
                let objects_per_cell = 8.0 / (640.0 / f64::from(*stride)).powi(2);
                let _ = bias.f_narrow(1, 4, 1)?.f_add_scalar_(objects_per_cell.ln())?;
                let _ = bias.f_narrow(1, 5, nc)?.f_add_scalar_((0.6 / (nc as f64 - 0.99999)).ln())?;
            }
            Ok(())
        })
    }

    /// input: [B, 3, H, W], RGB in 0..1. Statistics frozen.
    pub fn forward(&self, input: &Tensor) -> Result<Forward, NetworkError> {
        self.forward_t(input, false)
    }

    /// input: [B, 3, H, W], RGB in 0..1. `train`: batch-norms use the batch's statistics and update their own.
    pub fn forward_t(&self, input: &Tensor, train: bool) -> Result<Forward, NetworkError> {
        let shape = input.size();
        let multiple = i64::from(self.input_multiple);
        let fits = matches!(shape[..], [_, channels, rows, cols] if channels == self.spec.input_channels as i64
            && rows > 0 && cols > 0 && rows % multiple == 0 && cols % multiple == 0);
        if !fits {
            let channels = self.spec.input_channels;
            return Err(NetworkError::Input { shape, channels, multiple: self.input_multiple });
        }
        let input = if self.channels_last { &channels_last(&input.f_to_kind(self.kind)?)? } else { input };
        // An output is held until its last reader has it.
        let mut held: Vec<Option<Tensor>> = Vec::with_capacity(self.layers.len());
        let mut taps: Vec<Option<Tensor>> = self.backbone_taps.iter().map(|_| None).collect();
        for (index, (layer, spec)) in self.layers.iter().zip(&self.spec.layers).enumerate() {
            let inputs = match spec.from[..] {
                [] => vec![input.shallow_clone()],
                _ => self.take(&mut held, &spec.from, index),
            };
            let output = layer.forward(&inputs, train)?;
            for (tap, at) in taps.iter_mut().zip(&self.backbone_taps) {
                if *at == index {
                    *tap = Some(output.shallow_clone());
                }
            }
            held.push((self.last_reader[index] > index).then_some(output));
        }
        let necks = self.take(&mut held, self.spec.necks(), self.layers.len());
        let heads = self.detect.forward(&necks)?;
        let backbone = taps.into_iter().flatten().collect();
        match self.kind {
            Kind::Float => Ok(Forward { backbone, necks, heads }),
            _ => Ok(Forward { backbone: as_float(backbone)?, necks: as_float(necks)?, heads: as_float(heads)? }),
        }
    }

    fn take(&self, held: &mut [Option<Tensor>], from: &[usize], reader: usize) -> Vec<Tensor> {
        let inputs = from.iter().filter_map(|source| held[*source].as_ref().map(Tensor::shallow_clone)).collect();
        for source in from {
            if self.last_reader[*source] <= reader {
                held[*source] = None;
            }
        }
        inputs
    }
}

fn as_float(tensors: Vec<Tensor>) -> Result<Vec<Tensor>, TchError> {
    tensors.iter().map(|tensor| tensor.f_to_kind(Kind::Float)).collect()
}

/// Inputs per output of a convolution's or a linear layer's weight; 0 for anything else.
fn fan_in(weight: &Tensor) -> i64 {
    let shape = weight.size();
    if shape.len() < 2 { 0 } else { shape[1..].iter().product() }
}

/// Copies a row-major float32 tensor into a variable.
pub(super) fn fill(variable: &Tensor, values: &[f32]) -> Result<(), NetworkError> {
    let source = Tensor::f_from_slice(values)?.f_view(variable.size().as_slice())?;
    debug_assert_eq!(variable.kind(), Kind::Float);
    no_grad(|| variable.shallow_clone().f_copy_(&source))?;
    Ok(())
}
