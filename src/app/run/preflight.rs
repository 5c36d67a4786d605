//! What the last preflight said, and whether it still speaks of the set-up.

use std::sync::Arc;

use crate::preflight::report::Preflight;
use crate::train::config::{ImitationConfig, Lambda, RunConfig};

/// The answers for one set-up.
#[derive(Clone, Debug)]
pub struct Examined {
    config: RunConfig,
    pub found: Arc<Preflight>,
}

impl Examined {
    pub fn new(config: RunConfig, found: Arc<Preflight>) -> Self {
        Self { config: essence(&config), found }
    }

    /// Whether the set-up has changed since in what a preflight looks at.
    pub fn is_stale(&self, config: &RunConfig) -> bool {
        self.config != essence(config)
    }

    /// λ for a gradient ratio: the imitation's gradient grows with λ in proportion.
    pub fn lambda_for(&self, ratio: f64) -> Option<f64> {
        Some(self.found.lambda_for_ratio? * ratio / self.found.ratio)
    }
}

/// Without what changes no answer: a λ above 0 moves the balance alone, and the panel says how.
fn essence(config: &RunConfig) -> RunConfig {
    let mut config =
        RunConfig { snapshot: None, length: RunConfig::default().length, evaluate_every: 1, ..config.clone() };
    if !matches!(config.imitation.lambda, Lambda::Fixed(0.0) | Lambda::GradientRatio(0.0)) {
        config.imitation.lambda = ImitationConfig::default().lambda;
    }
    config
}
