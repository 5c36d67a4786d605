//! Values of a run's options: what they mean, their names in files and on the command line, and what reads them.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::option::{Kind, Setting, named, named_kind, settings};
use crate::imitation::lambda::{Decay, Lambda, Norm};

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    Epochs(u32),
    Steps(u64),
}

/// Where the adapters' weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterStart {
    /// The ridge fit over the cells of so many training images.
    LeastSquares {
        images: usize,
    },
    Random,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// With Nesterov's momentum.
    Sgd,
    Adam,
    #[default]
    AdamW,
}

/// Where the optimisation's values come from unless a person says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// For runs of up to 50 epochs: AdamW from lr0 0.003, every batch a step, warm-up over a tenth of the steps, cosine per
    /// step. Measured on three data sets, it leaves a student 0.05 to 0.10 mAP50-95 ahead of YOLOv5's in 20 epochs.
    #[default]
    Short,
    /// YOLOv5 v7.0's own: SGD from lr0 0.01, gradients gathered over 64 images, warm-up over 3 epochs and at least 100 steps, a
    /// line per epoch.
    Yolov5,
}

/// The longest run, in epochs, for which [`Recipe::Short`] is meant.
pub const SHORT_EPOCHS: u32 = 50;

impl Recipe {
    pub const ALL: [Self; 2] = [Self::Short, Self::Yolov5];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Yolov5 => "yolov5",
        }
    }

    /// The one for a run of this length; a length in steps counts as short as long as nobody knows the data (see
    /// [`crate::train::plan::usual_recipe`]).
    pub const fn of_length(length: Length) -> Self {
        match length {
            Length::Epochs(epochs) if epochs > SHORT_EPOCHS => Self::Yolov5,
            Length::Epochs(_) | Length::Steps(_) => Self::Short,
        }
    }

    /// The one or the other.
    pub fn either<T>(self, short: T, yolov5: T) -> T {
        match self {
            Self::Short => short,
            Self::Yolov5 => yolov5,
        }
    }
}

/// How the learning rate falls from `lr0` to `lr0 · lrf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LrSchedule {
    /// A cosine over the steps.
    #[default]
    CosinePerStep,
    /// YOLOv5's: a line over the epochs, one value an epoch.
    LinearPerEpoch,
    /// YOLOv5's `--cos-lr`.
    CosinePerEpoch,
}

/// What the forward passes compute with. Weights and losses are float32 in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Amp {
    /// bfloat16 on a GPU that has it, float16 on an older one, float32 on the CPU.
    #[default]
    Auto,
    /// float32.
    Off,
    /// float16 with a loss scaler; on a GPU alone.
    Fp16,
    /// bfloat16, which needs no loss scaler.
    Bf16,
}

/// What happens when a loss or a gradient is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NonFinite {
    /// The run ends and says which term and step; the last good weights are kept.
    #[default]
    Stop,
    /// The step is left out, with a warning.
    Skip,
}

/// The image whose difference maps are kept through time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotConfig {
    pub image: PathBuf,
    /// Steps from one map to the next.
    pub every: u64,
}

impl SnapshotConfig {
    /// Steps from one map to the next, unless told otherwise.
    pub const EVERY: u64 = 25;
}

impl FromStr for AdapterStart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "random" => Ok(Self::Random),
            None if text == "least-squares" => Ok(Self::LeastSquares { images: 64 }),
            Some(("least-squares", images)) => match images.parse() {
                Ok(images) if images > 0 => Ok(Self::LeastSquares { images }),
                _ => Err(format!("'{images}' is no number of images")),
            },
            _ => Err(format!("'{text}' is neither least-squares nor least-squares:IMAGES nor random")),
        }
    }
}

/// IMAGE or IMAGE:EVERY; a colon belongs to the path where no number follows it.
impl FromStr for SnapshotConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (image, every) = match text.rsplit_once(':') {
            Some((image, every)) if !every.is_empty() && every.bytes().all(|byte| byte.is_ascii_digit()) => {
                (image, every.parse().ok().filter(|every| *every > 0).ok_or("EVERY is no number of steps above 0")?)
            }
            _ => (text, Self::EVERY),
        };
        if image.is_empty() { Err("no image is named".to_owned()) } else { Ok(Self { image: image.into(), every }) }
    }
}

/// No model has so many.
const MAX_LAYERS: usize = 10_000;

/// Layers that are named as YOLOv5's `--freeze` names them: one number N means the first N layers, several mean those layers,
/// and `5,` means layer 5 alone. Fails with a sentence on what is no number.
pub fn frozen_layers(text: &str) -> Result<Vec<usize>, String> {
    let parts = text.split([',', ' ']).filter(|part| !part.is_empty());
    let number = |part: &str| {
        let layer = part.parse().ok().filter(|layer| *layer < MAX_LAYERS);
        layer.ok_or_else(|| format!("'{part}' is no number of a layer"))
    };
    let numbers = parts.map(number).collect::<Result<Vec<usize>, _>>()?;
    Ok(match numbers.as_slice() {
        [first] if !text.contains(',') => (0..*first).collect(),
        _ => numbers,
    })
}

/// The inverse of [`frozen_layers`].
pub fn frozen_text(layers: &[usize]) -> String {
    match layers {
        [only] if *only > 0 => format!("{only},"),
        _ if layers.iter().enumerate().all(|(at, layer)| at == *layer) && !layers.is_empty() => {
            layers.len().to_string()
        }
        _ => layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

impl Setting for Length {}
impl Setting for Lambda {}

settings!(
    named_kind::<Self>(), Text, named, |name: &String| <Self as ValueEnum>::from_str(name, false);
    OptimizerKind, Recipe, LrSchedule, Amp, NonFinite, Decay, Norm
);
// The form shows these in a way of its own.
settings!(Kind::Text, Text, |_: &Self| String::new(), |text: &String| text.parse::<Self>(); AdapterStart, SnapshotConfig);
settings!(Kind::Text, Text, |layers: &Self| frozen_text(layers), |text: &String| frozen_layers(text); Vec<usize>);
