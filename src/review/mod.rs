//! Which objects of a split each model finds: what the distillation won, lost and never had.
//!
//! Teacher, student and any further models run over the split once, batch by batch as an evaluation does it, so that their
//! mAP is that of `val`; of every image plain records are kept, never a tensor. [`matching`] says what became of each object
//! and which predictions have none, [`sums`] counts that by class, size and scale and from one model to another,
//! [`confusion`] and [`calibration`] are the plots that people expect, [`doctor`] lists the labels that the teacher disagrees
//! with, [`report`] is all of it as JSON and [`text`] as rows and a table. `run` is where the models run, `distance` how far student and teacher lie apart,
//! `classes` which class is which where a model has others than the data.

pub mod calibration;
mod classes;
pub mod confusion;
mod distance;
pub mod doctor;
pub mod matching;
mod records;
pub mod report;
mod run;
pub mod sums;
pub mod text;

use std::path::PathBuf;

use thiserror::Error;

use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::train::evaluate::EvaluateError;
use crate::yolo::network::Network;

pub use calibration::Calibration;
pub use records::{ImageReview, ModelReview, Object, Review, Unmatched};
pub use run::review;

/// A model that is looked at. The first of several is the teacher, the second the student.
#[derive(Debug)]
pub struct ReviewModel {
    /// "teacher", "student" or the name of another.
    pub role: String,
    pub path: PathBuf,
    pub network: Network,
}

/// Which cells are the imitation mask.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MaskRule {
    pub psi: Psi,
    pub level_rule: LevelRule,
    pub convention: IouConvention,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReviewOptions {
    /// Long side of an image in the input, px; rounded up to whole cells of a model's largest stride.
    pub imgsz: u32,
    /// Images that go through a network together.
    pub batch: usize,
    /// A detection above it is a prediction.
    pub confidence: f32,
    /// From this IoU on a box lies on an object.
    pub iou: f32,
    pub mask: MaskRule,
}

#[derive(Debug, Error)]
pub enum ReviewError {
    #[error("a review needs a teacher and a student")]
    TooFew,
    #[error(
        "{}: the model's classes ({model}) have neither a name nor their number in common with the data's ({data})",
        path.display()
    )]
    Classes { path: PathBuf, model: String, data: String },
    #[error("{}: {error}", path.display())]
    Model { path: PathBuf, error: EvaluateError },
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}

#[cfg(test)]
mod tests;
