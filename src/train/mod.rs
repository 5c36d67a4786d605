//! Short distillation runs: what is asked for, the loop, what it says, what it leaves behind.
//!
//! A [`config`] is what a person chooses and what a run's folder keeps, with YOLOv5's [`hyp`]erparameters in it;
//! [`plan`] opens what it names and finds contradictions; [`run`] is the loop, from top to bottom, and [`trainer`] what
//! learns in it, a batch at a time. Beside them stand what depends on the step alone ([`schedule`]), the teacher's side
//! of a step ([`distil`]), what the step minimises ([`objective`]), the two losses' [`gradients`], [`optimizer`],
//! [`average`] (EMA) and the [`state`] that a run goes on from. [`event`] is all that a run ever says, [`metrics`] what
//! each number in it is, [`record`] turns events into files, [`replay`] into one that
//! others can open; [`snapshot`] makes the maps in it, `watch` says when the imitation stalls, [`evaluate`] turns a
//! network into mAP, [`experiment`] runs pairs and [`comparison`] sets them side by side, for a [`verdict`];
//! [`preview`] shows the batches of a run before it is started, and a [`trial`] makes a step and takes it back. A
//! folder is one run's at a time ([`lock`]), and what was changed under it is noticed (`fingerprint`). The loop never
//! learns who is listening. Above them all, a [`search`] tries which imitation helps, and a [`handover`] takes what
//! helps to YOLOv5's own trainer.

pub mod average;
pub mod comparison;
pub mod config;
pub mod distil;
mod error;
pub mod evaluate;
pub mod event;
pub mod experiment;
mod fingerprint;
pub mod folder;
pub mod gradients;
pub mod handover;
pub mod history;
pub mod hyp;
pub mod lock;
pub mod memory;
pub mod metrics;
pub mod objective;
pub mod optimizer;
pub mod output;
pub mod phases;
pub mod plan;
pub mod preview;
pub mod record;
pub mod replay;
pub mod run;
pub mod schedule;
pub mod search;
pub mod snapshot;
pub mod state;
mod statistics;
mod teacher;
pub mod trainer;
pub mod trial;
pub mod verdict;
mod watch;

pub use error::TrainError;
