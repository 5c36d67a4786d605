//! What the last preflight said, and whether it still speaks of the set-up.

use std::sync::Arc;

use crate::preflight::report::Preflight;
use crate::train::config::RunConfig;

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

/// Without what changes no answer: λ alone moves the balance, and the panel says how.
fn essence(config: &RunConfig) -> RunConfig {
    let mut config =
        RunConfig { snapshot: None, length: RunConfig::default().length, evaluate_every: 1, ..config.clone() };
    config.imitation.lambda = crate::train::config::ImitationConfig::default().lambda;
    config
}
