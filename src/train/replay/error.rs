//! Why a replay cannot be opened or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::limits::{FILE_NAME, VERSION};
use crate::files::atomic::WriteError;

/// Why a replay cannot be opened: what, where, and what to do.
#[derive(Debug, Error)]
pub enum ReplayError {
    #[error("{}: cannot be read: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error(
        "{}: not a replay: {what}; open the {FILE_NAME} that a run with --snapshot leaves in its folder", path.display()
    )]
    NotAReplay { path: PathBuf, what: String },
    #[error(
        "{}: a replay of version {found}, this program reads up to {VERSION}; open it with a newer distillscope",
        path.display()
    )]
    Version { path: PathBuf, found: u64 },
    #[error("{}: {entry}: {what}; the file is damaged: get it anew from where it was recorded", path.display())]
    Damaged { path: PathBuf, entry: &'static str, what: String },
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the replay cannot be written: {0}")]
    Encode(String),
}
