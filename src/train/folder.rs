//! The files of a run's folder, by name.

use std::path::{Path, PathBuf};

use super::TrainError;
use super::config::RunConfig;
use super::record::MAX_KEPT_BYTES;
use crate::files;

/// Files of a run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    pub fn weights(&self, name: &str) -> PathBuf {
        self.0.join("weights").join(name)
    }

    /// The best weights so far, else the last ones; `None` before there are any.
    pub fn trained(&self) -> Option<PathBuf> {
        let weights = ["best.safetensors", "last.safetensors"].map(|name| self.weights(name));
        weights.into_iter().find(|path| path.is_file())
    }

    /// What the run was asked to do.
    pub fn read_config(&self) -> Result<RunConfig, TrainError> {
        let path = self.config();
        let text = files::read_text(&path, MAX_KEPT_BYTES)?;
        RunConfig::parse(&text).map_err(|error| TrainError::State { path, what: files::toml_problem(&error) })
    }

    pub fn state(&self) -> PathBuf {
        self.weights("resume.safetensors")
    }

    pub fn adapter(&self) -> PathBuf {
        self.0.join("adapter.safetensors")
    }

    /// What the run was made of when it began.
    pub fn fingerprint(&self) -> PathBuf {
        self.0.join("fingerprint.json")
    }
}
