//! Runs as curves: what each has said so far, whether it is under way, was read from its folder, or recorded.

mod run_history;
mod series;
mod shared;
mod story;

pub use run_history::{Curve, RunHistory, difference, pairs};
pub use series::{Drawn, Missing, Window, decimate, moving_average, span};
pub use shared::{Before, Shared};
pub use story::verdict;

pub use super::metrics::Plot;
