//! Distillation runs: what is checked before one, the runs themselves, and what they leave on disk.
//!
//! Every run here takes one of libtorch's threads, because their number belongs to the whole process.

mod batch_preview;
mod folder;
mod optimizer;
mod planted;
mod precision;
mod preflight_faults;
mod recipe;
mod record;
mod record_events;
mod runs;
mod search;
mod two_gradients;
