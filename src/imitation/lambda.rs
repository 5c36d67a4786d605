//! The weight of the imitation loss: λ, how it fades, and which number of cells divides a masked sum.

use serde::{Deserialize, Serialize};

/// The weight of the imitation loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lambda {
    /// This λ.
    Fixed(f64),
    /// The λ at which the imitation's gradient has this share of the detection's norm, measured on the student's
    /// parameters every few steps. It never rises above its first value: a λ that grew as the student comes near would keep
    /// the imitation from ever easing.
    GradientRatio(f64),
}

impl Lambda {
    /// The λ at which a loss is shown before a run has measured one: 1 where it is a ratio.
    pub const fn nominal(self) -> f64 {
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

/// Which sum of weights divides a masked sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Each scale by its own cells.
    #[default]
    PerScale,
    /// Every scale by the cells of all scales.
    AllScales,
}
