//! What a YOLOv5 model is made of: the rows of its yaml, resolved to channels, kernels and repeats.
//!
//! The rules are those of YOLOv5 v7.0: depth multiplies repeats, width multiplies channels up to the next multiple
//! of 8, `from` counts back when negative. No tensor here: [`super::inventory`] walks a spec on paper,
//! [`super::network`] builds it.

use serde_json::Value;
use thiserror::Error;

use super::checkpoint::description::Activation;
use super::yaml;

/// The layer types that a row may name.
pub const LAYER_TYPES: &str = "Conv, DWConv, GhostConv, Focus, Bottleneck, GhostBottleneck, BottleneckCSP, C3, \
                               C3Ghost, C3TR, SPP, SPPF, Concat, nn.Upsample, nn.MaxPool2d, nn.ZeroPad2d, Detect";

#[derive(Clone, Debug, Error, PartialEq)]
pub enum SpecError {
    #[error("the model yaml {0}")]
    Yaml(String),
    #[error("layer {row} of the model yaml: layer type '{module}' is not supported; supported are {LAYER_TYPES}")]
    UnknownLayer { row: usize, module: String },
    #[error("layer {row} of the model yaml ({module}): {problem}")]
    Row { row: usize, module: String, problem: String },
    #[error("activation '{0}' is not supported; supported are SiLU, ReLU, ReLU6, LeakyReLU, Hardswish, Mish, Identity")]
    Activation(String),
    #[error("the file has no model yaml, and its tensors are those of no published YOLOv5: {0}")]
    Unrecognised(String),
}

/// A resolved model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    pub nc: usize,
    /// Channels of the input image.
    pub input_channels: usize,
    /// Behind every Conv that does not say otherwise.
    pub activation: Activation,
    /// (width, height) in input px per input of Detect, as the yaml has them; where it has their number alone, 0, 1, 2 …
    pub anchors_px: Vec<Vec<[f32; 2]>>,
    /// In order; the last one is the only Detect.
    pub layers: Vec<LayerSpec>,
    /// The first so many layers are the backbone.
    pub backbone_len: usize,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// The layers that it reads; empty for the first layer, which reads the image.
    pub from: Vec<usize>,
    /// How often the module stands in sequence; above 1 the parameter names gain an index.
    pub repeats: usize,
    pub module: ModuleSpec,
    /// Output channels; 0 for Detect.
    pub channels: usize,
}

/// A convolution with batch-norm and activation.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvSpec {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub groups: usize,
    pub dilation: usize,
    /// `None`: the model's.
    pub activation: Option<Activation>,
}

impl ConvSpec {
    /// Groups, dilation 1 and "same" padding, the model's activation.
    pub fn new(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Self {
        Self { inputs, outputs, kernel, stride, padding: kernel / 2, groups: 1, dilation: 1, activation: None }
    }

    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    pub fn linear(self) -> Self {
        Self { activation: Some(Activation::Identity), ..self }
    }

    /// The two convolutions of a GhostConv: half of the outputs, then a cheap 5×5 per channel for the other half.
    pub fn ghost_halves(&self) -> (Self, Self) {
        let half = self.outputs / 2;
        let cheap = Self { activation: self.activation.clone(), ..Self::new(half, half, 5, 1).groups(half) };
        (Self { outputs: half, ..self.clone() }, cheap)
    }
}

/// A block with a side path and repeated bottlenecks (C3 and its kin); `hidden` channels inside.
#[derive(Clone, Debug, PartialEq)]
pub struct CspSpec {
    pub inputs: usize,
    pub outputs: usize,
    pub hidden: usize,
    pub repeats: usize,
    pub shortcut: bool,
    pub groups: usize,
    /// After the join in a BottleneckCSP, which does not follow the model's activation.
    pub join_activation: Activation,
}

impl CspSpec {
    pub fn bottleneck(&self) -> BottleneckSpec {
        let Self { hidden, shortcut, groups, .. } = *self;
        BottleneckSpec { inputs: hidden, outputs: hidden, hidden, shortcut, groups }
    }

    pub fn ghost_bottleneck(&self) -> GhostBottleneckSpec {
        GhostBottleneckSpec { inputs: self.hidden, outputs: self.hidden, kernel: 3, stride: 1 }
    }
}

/// 1×1 to `hidden` channels, 3×3 to `outputs`, and the input added where it fits.
#[derive(Clone, Debug, PartialEq)]
pub struct BottleneckSpec {
    pub inputs: usize,
    pub outputs: usize,
    pub hidden: usize,
    pub shortcut: bool,
    pub groups: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GhostBottleneckSpec {
    pub inputs: usize,
    pub outputs: usize,
    pub kernel: usize,
    pub stride: usize,
}

impl GhostBottleneckSpec {
    /// The strided convolution per channel, without activation.
    pub fn depthwise(&self, channels: usize) -> ConvSpec {
        ConvSpec::new(channels, channels, self.kernel, self.stride).groups(channels).linear()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ModuleSpec {
    Conv(ConvSpec),
    /// Space to depth, then a Conv whose inputs are four times the layer's.
    Focus(ConvSpec),
    GhostConv(ConvSpec),
    Bottleneck(BottleneckSpec),
    GhostBottleneck(GhostBottleneckSpec),
    BottleneckCsp(CspSpec),
    C3(CspSpec),
    C3Ghost(CspSpec),
    C3Transformer(CspSpec),
    Spp {
        inputs: usize,
        outputs: usize,
        kernels: Vec<usize>,
    },
    Sppf {
        inputs: usize,
        outputs: usize,
        kernel: usize,
    },
    Concat,
    /// Nearest neighbour.
    Upsample {
        scale: usize,
    },
    MaxPool {
        kernel: usize,
        stride: usize,
        padding: usize,
    },
    ZeroPad {
        left: usize,
        right: usize,
        top: usize,
        bottom: usize,
    },
    Detect {
        inputs: Vec<usize>,
        anchors: usize,
        outputs: usize,
    },
}

impl ModuleSpec {
    /// The name that a yaml gives it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "Conv",
            Self::Focus(_) => "Focus",
            Self::GhostConv(_) => "GhostConv",
            Self::Bottleneck(_) => "Bottleneck",
            Self::GhostBottleneck(_) => "GhostBottleneck",
            Self::BottleneckCsp(_) => "BottleneckCSP",
            Self::C3(_) => "C3",
            Self::C3Ghost(_) => "C3Ghost",
            Self::C3Transformer(_) => "C3TR",
            Self::Spp { .. } => "SPP",
            Self::Sppf { .. } => "SPPF",
            Self::Concat => "Concat",
            Self::Upsample { .. } => "nn.Upsample",
            Self::MaxPool { .. } => "nn.MaxPool2d",
            Self::ZeroPad { .. } => "nn.ZeroPad2d",
            Self::Detect { .. } => "Detect",
        }
    }
}

impl ModelSpec {
    /// Reads the model yaml as nested data, as a checkpoint carries it.
    pub fn from_yaml(yaml: &Value) -> Result<Self, SpecError> {
        yaml::parse(yaml)
    }

    /// Reads the text of a model yaml (`yolov5s.yaml`).
    pub fn from_yaml_text(text: &str) -> Result<Self, SpecError> {
        let yaml = serde_saphyr::from_str(text)
            .map_err(|error| SpecError::Yaml(format!("is not YAML: {}", crate::files::yaml_problem(&error))))?;
        Self::from_yaml(&yaml)
    }

    /// The yaml of a published model (`yolov5n` … `yolov5x6`) for `nc` classes; `None` for any other name.
    pub fn published_yaml(name: &str, nc: usize) -> Option<Value> {
        super::guess_spec::by_name(name, nc)
    }

    /// The same model for another number of classes.
    pub fn with_classes(mut self, nc: usize) -> Self {
        self.nc = nc;
        if let Some(ModuleSpec::Detect { outputs, .. }) = self.layers.last_mut().map(|layer| &mut layer.module) {
            *outputs = 5 + nc;
        }
        self
    }

    /// The layers that Detect reads: the neck tap of every scale.
    pub fn necks(&self) -> &[usize] {
        self.layers.last().map_or(&[], |detect| &detect.from)
    }

    /// Anchors per cell at every scale.
    pub fn anchors(&self) -> usize {
        match self.layers.last().map(|layer| &layer.module) {
            Some(ModuleSpec::Detect { anchors, .. }) => *anchors,
            _ => 0,
        }
    }
}

/// `nn.LeakyReLU(0.1)` and the like.
pub fn parse_activation(text: &str) -> Result<Activation, SpecError> {
    let unknown = || SpecError::Activation(text.to_owned());
    let text_without_module = text.trim().trim_start_matches("torch.").trim_start_matches("nn.");
    let (name, arguments) = text_without_module.split_once('(').ok_or_else(unknown)?;
    let slope = match name {
        "LeakyReLU" => {
            let first = arguments.split([',', ')']).next().unwrap_or_default();
            let number = first.trim().trim_start_matches("negative_slope").trim_start_matches([' ', '=']);
            if number.is_empty() { Activation::DEFAULT_SLOPE } else { number.parse().map_err(|_| unknown())? }
        }
        _ => Activation::DEFAULT_SLOPE,
    };
    match Activation::named(name, slope) {
        Activation::Other(_) => Err(unknown()),
        known => Ok(known),
    }
}
