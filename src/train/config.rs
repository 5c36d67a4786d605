//! What a run is asked to do. It is what `config.toml` in a run's folder says, whole, so that the folder alone
//! repeats the run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::hyp::Hyperparameters;
use crate::dataset::BatchOptions;
use crate::geometry::Size;
use crate::imitation::mask::{IouConvention, LevelRule};
use crate::inspect::Tap;

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Length {
    Epochs(u32),
    Steps(u64),
}

/// The weight of the imitation term.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lambda {
    /// This λ.
    Fixed(f64),
    /// The λ at which the imitation's gradient has this share of the detection's norm, measured on the student's
    /// parameters every few steps and kept there.
    GradientRatio(f64),
}

impl Lambda {
    /// The λ at which a loss is told: 1 where it is measured only as a run goes.
    pub const fn told(self) -> f64 {
        match self {
            Self::Fixed(lambda) => lambda,
            Self::GradientRatio(_) => 1.0,
        }
    }
}

/// How λ fades after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    #[default]
    None,
    /// To 0 at the end of the run, or at `stop_step`.
    Linear,
    Cosine,
}

/// Which N divides the masked sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Each scale by its own cells.
    #[default]
    PerScale,
    /// Every scale by the cells of all scales.
    AllScales,
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

/// The imitation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImitationConfig {
    pub lambda: Lambda,
    /// λ grows linearly from 0 over so many steps.
    pub warmup_steps: u64,
    pub decay: Decay,
    /// From this step on λ is 0.
    pub stop_step: Option<u64>,
    pub psi: f32,
    pub level_rule: LevelRule,
    pub iou: IouConvention,
    pub tap: Tap,
    pub norm: Norm,
    /// Side of the adapters' kernels: 1 or 3. The tap head has no adapters.
    pub adapter_kernel: u32,
    pub adapter_start: AdapterStart,
    /// The adapters' learning rate as a multiple of the student's.
    pub adapter_lr: f64,
    /// Features are divided by the teacher's standard deviation per channel before the difference.
    pub normalise: bool,
}

/// ‖λ ∇imitation‖ / ‖∇detection‖ unless asked otherwise.
pub const GRADIENT_RATIO: f64 = 5.0;

/// Chosen by paired runs, see `scripts/search_defaults.py`: the heads' gradients point the same way as the detection's, so
/// they may be strong while the student is far off, and fade as it comes near.
impl Default for ImitationConfig {
    fn default() -> Self {
        Self {
            lambda: Lambda::GradientRatio(GRADIENT_RATIO),
            warmup_steps: 0,
            decay: Decay::Cosine,
            stop_step: None,
            psi: 0.5,
            level_rule: LevelRule::Global,
            iou: IouConvention::Exact,
            tap: Tap::Head,
            norm: Norm::PerScale,
            adapter_kernel: 1,
            adapter_start: AdapterStart::LeastSquares { images: 64 },
            adapter_lr: 1.0,
            normalise: false,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// With Nesterov's momentum.
    #[default]
    Sgd,
    Adam,
    AdamW,
}

/// Reduced precision on CUDA; the CPU always runs in float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Amp {
    #[default]
    Off,
    /// float16 with a loss scaler.
    Fp16,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// A run. Paths are as given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// The data.yaml.
    pub data: PathBuf,
    /// `None` trains without imitation.
    pub teacher: Option<PathBuf>,
    /// A checkpoint, a model yaml, or the name of a published model (yolov5n …): the latter two start from random
    /// weights.
    pub student: PathBuf,
    /// Draw the student's weights anew although a checkpoint is given.
    pub from_scratch: bool,
    pub length: Length,
    /// Side of the square input, px.
    pub imgsz: u32,
    pub batch: usize,
    /// Gradients are gathered until about so many images have gone through. YOLOv5 takes 64, a short run needs its steps.
    pub nominal_batch: usize,
    pub seed: u64,
    pub optimizer: OptimizerKind,
    pub cos_lr: bool,
    pub ema: bool,
    /// Layers whose parameters stay as they are ("model.0" freezes `model.0.*`).
    pub freeze: Vec<usize>,
    pub amp: Amp,
    /// Tensors in the order [B, H, W, C]; `None` takes what is faster on the device.
    pub channels_last: Option<bool>,
    pub non_finite: NonFinite,
    /// Epochs from one evaluation to the next; the last epoch is always evaluated.
    pub evaluate_every: u32,
    pub snapshot: Option<SnapshotConfig>,
    /// "auto", "cpu", "cuda" or "cuda:N".
    pub device: String,
    /// Cores for libtorch; `None` leaves it its own choice.
    pub threads: Option<u16>,
    /// Threads that make batches.
    pub workers: usize,
    pub imitation: ImitationConfig,
    pub hyp: Hyperparameters,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::new(),
            teacher: None,
            student: PathBuf::new(),
            from_scratch: false,
            length: Length::Epochs(20),
            imgsz: 640,
            batch: 16,
            nominal_batch: 16,
            seed: 0,
            optimizer: OptimizerKind::Sgd,
            cos_lr: false,
            ema: true,
            freeze: Vec::new(),
            amp: Amp::Off,
            channels_last: None,
            non_finite: NonFinite::Stop,
            evaluate_every: 1,
            snapshot: None,
            device: "auto".to_owned(),
            threads: None,
            workers: 2,
            imitation: ImitationConfig::default(),
            hyp: Hyperparameters::default(),
        }
    }
}

/// What a run's student is before its first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Checkpoint(PathBuf),
    /// Weights drawn at random: a model without an opinion.
    Random,
}

impl RunConfig {
    pub fn start(&self) -> Start {
        // What is no checkpoint is a yaml, or a published model's name.
        let extension = self.student.extension().map(|extension| extension.to_ascii_lowercase());
        match extension {
            Some(extension) if !self.from_scratch && extension != "yaml" && extension != "yml" => {
                Start::Checkpoint(self.student.clone())
            }
            _ => Start::Random,
        }
    }

    /// The gradient ratio that is kept, or the usual one where λ is fixed.
    pub fn gradient_ratio(&self) -> f64 {
        match self.imitation.lambda {
            Lambda::GradientRatio(ratio) if ratio > 0.0 => ratio,
            _ => GRADIENT_RATIO,
        }
    }

    /// How the batches of the run are made. `input`: what both models take; decoded images are kept up to `cache_bytes`.
    pub fn batch_options(&self, input: Size, cache_bytes: u64) -> BatchOptions {
        BatchOptions {
            input,
            batch: self.batch,
            augmentation: self.hyp.augmentation(),
            seed: self.seed,
            workers: self.workers.max(1),
            cache_bytes,
        }
    }
}

/// A run and its twins: for each seed the imitation and, beside it, the same without (λ = 0).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    pub config: RunConfig,
    /// The folder that everything goes into.
    pub out: PathBuf,
    /// Also run λ = 0.
    pub paired: bool,
    /// Seeds, from `config.seed` upward.
    pub seeds: u32,
    /// Go on with what lies in `out`.
    pub resume: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_starts_from_a_checkpoint_or_from_nothing() {
        let start = |student: &str, from_scratch| {
            RunConfig { student: student.into(), from_scratch, ..RunConfig::default() }.start()
        };
        assert_eq!(start("runs/v1.0/s.pt", false), Start::Checkpoint("runs/v1.0/s.pt".into()));
        assert_eq!(start("s.safetensors", false), Start::Checkpoint("s.safetensors".into()));
        for (student, from_scratch) in [("s.pt", true), ("yolov5n", false), ("models/yolov5n.yaml", false), ("", false)]
        {
            assert_eq!(start(student, from_scratch), Start::Random, "{student}");
        }
    }
}
