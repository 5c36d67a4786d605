//! A run with its maps as one file: recorded while the run speaks, opened anywhere without models, data or a GPU.
//!
//! `docs/replay-format.md` describes the file. [`Recording`] gathers and writes, [`Replay::read`] reads, [`ReplayReport`]
//! says what is in one. A file may come from a stranger: it is data alone, every size in it is held against the
//! [`limits`] before memory is spent on it, and nothing outside it is opened, whatever names it holds.

mod entries;
mod error;
mod header;
pub mod limits;
mod read;
mod recorded;
mod report;
mod write;

pub use error::ReplayError;
pub use limits::{EXTENSION, FILE_NAME, VERSION};
pub use recorded::Replay;
pub use report::ReplayReport;
pub use write::{Recording, Subject};
