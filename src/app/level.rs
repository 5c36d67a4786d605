//! How grave a message is.

use crate::language::key;

/// From a note to what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => key!("note"),
            Self::Warning => key!("warning"),
            Self::Error => key!("error"),
        }
    }
}
