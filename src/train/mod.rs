//! Short distillation runs: what is asked for, the loop, what it says, what it leaves behind.
//!
//! [`config`] is what a person chooses and what a run's folder keeps; [`hyp`] are YOLOv5's hyperparameters; [`run`] is
//! the loop, from top to bottom; [`event`] is all that it ever says; [`record`] turns events into files and [`evaluate`]
//! a network into mAP. The loop never learns who is listening.

pub mod campaign;
pub mod config;
pub mod evaluate;
pub mod event;
pub mod hyp;
pub mod record;

pub use campaign::TrainError;
