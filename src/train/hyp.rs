//! Hyperparameters from YOLOv5's `hyp.*.yaml`; such a file loads as it is.

use std::path::Path;

use thiserror::Error;

pub use super::config::Hyperparameters;
use super::config::{Problem, RunConfig, WARMUP_EPOCHS};
use crate::files::{self, ReadError};

/// A hyp.yaml is a page long.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, Error)]
pub enum HypError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{path}: not a hyp.yaml: {cause}")]
    Yaml { path: String, cause: String },
    #[error("hyperparameter {0}")]
    Value(String),
}

/// What a `hyp.*.yaml` makes of the values before it.
#[derive(Clone, Debug, PartialEq)]
pub struct HypFile {
    pub hyp: Hyperparameters,
    /// The hyperparameters that it names.
    pub names: Vec<String>,
    /// Its keys that are not known here.
    pub unknown: Vec<String>,
}

impl Hyperparameters {
    /// Reads a `hyp.*.yaml`; keys that it lacks keep these values.
    pub fn changed_by(&self, path: &Path) -> Result<HypFile, HypError> {
        let name = || path.display().to_string();
        let text = files::read_text(path, MAX_BYTES)?;
        let yaml = |error: serde_saphyr::Error| HypError::Yaml { path: name(), cause: files::yaml_problem(&error) };
        // For what is wrong with a value: of the text, with its line.
        let _: Self = serde_saphyr::from_str(&text).map_err(yaml)?;
        let keys: std::collections::BTreeMap<String, serde_json::Value> =
            serde_saphyr::from_str(&text).map_err(yaml)?;
        let mut values = serde_json::to_value(self).unwrap_or_default();
        let (mut names, mut unknown) = (Vec::new(), Vec::new());
        for (key, value) in keys {
            match values.get_mut(&key) {
                Some(known) => {
                    *known = value;
                    names.push(key);
                }
                None => unknown.push(key),
            }
        }
        let hyp: Self = serde_json::from_value(values)
            .map_err(|error| HypError::Yaml { path: name(), cause: error.to_string() })?;
        hyp.check()?;
        Ok(HypFile { hyp, names, unknown })
    }

    /// That every value means something.
    pub fn check(&self) -> Result<(), HypError> {
        let config = RunConfig { hyp: self.clone(), ..RunConfig::default() };
        let of_hyp = |problem: &Problem| Self::OPTIONS.iter().any(|option| option.about.key == problem.key);
        match config.problems().into_iter().find(of_hyp) {
            Some(problem) => Err(HypError::Value(problem.english)),
            None => Ok(()),
        }
    }
}

impl RunConfig {
    /// Takes the values of a `hyp.*.yaml` over.
    pub fn take_hyp(&mut self, file: HypFile) {
        if file.names.iter().any(|name| name == WARMUP_EPOCHS) {
            self.warmup_share = 0.0;
        }
        self.hyp = file.hyp;
    }
}
