//! Runs as curves: what each has said so far, whether it is under way, was read from its folder, or recorded.

mod series;
mod shared;
mod story;
mod track;

pub use series::{Drawn, Missing, Window, decimate, moving_average, span};
pub use shared::{Before, Shared};
pub use story::verdict;
pub use track::{Curve, Plot, Track, difference, twins};
