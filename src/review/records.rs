//! What a review says, as plain records.

use std::path::PathBuf;

use super::calibration::Calibration;
use super::confusion::Confusion;
use super::matching::{Outcome, Stray};
use crate::dataset::Label;
use crate::survey::ObjectSize;
use crate::train::evaluate::Evaluation;
use crate::train::evaluate::average_precision::Curves;

/// What several models make of a split. Everything that has one value for each model has them in the order of `models`.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// The teacher, the student, then the others.
    pub models: Vec<ModelReview>,
    /// Class names by index.
    pub names: Vec<String>,
    /// "P3" …: the student's.
    pub scales: Vec<String>,
    pub images: Vec<ImageReview>,
    /// Image by image.
    pub objects: Vec<Object>,
    /// Predictions without an object, image by image and model by model.
    pub unmatched: Vec<Unmatched>,
    /// Images of the split: more than were looked at, where it was stopped.
    pub images_of_split: usize,
    /// What is missing or was left out, each in a sentence.
    pub notes: Vec<String>,
}

/// One model of a review.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelReview {
    pub role: String,
    pub path: PathBuf,
    /// As `val` measures it, over the classes that the model knows.
    pub evaluation: Evaluation,
    /// By class; `None` where there is no ground truth of it.
    pub curves: Vec<Option<Curves>>,
    pub confusion: Confusion,
    pub calibration: Calibration,
    /// Whether it knows each class of the data.
    pub knows: Vec<bool>,
}

/// One image of a review.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageReview {
    pub path: PathBuf,
    /// Why it could not be used; it has no objects then.
    pub error: Option<String>,
    /// Ground truths.
    pub objects: usize,
    /// Cells of the imitation mask on each scale.
    pub mask_cells: Vec<usize>,
    /// The imitation loss `answers` between teacher and student at λ = 1, class and box inside the IoU mask; `None` where the
    /// two cannot be compared.
    pub distance: Option<f64>,
    /// Each model's detection loss: box, objectness and class together, gains included.
    pub losses: Vec<f64>,
}

impl ImageReview {
    /// An image that could not be looked at, and why.
    pub fn unusable(path: PathBuf, why: String) -> Self {
        Self { path, error: Some(why), objects: 0, mask_cells: Vec::new(), distance: None, losses: Vec::new() }
    }
}

/// One ground truth and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Index into the images.
    pub image: usize,
    /// Its place among the image's ground truths.
    pub index: usize,
    /// Image px.
    pub label: Label,
    /// By its area in image px.
    pub size: ObjectSize,
    /// The scale where the best anchor overlaps it most; `None` where none overlaps it.
    pub scale: Option<usize>,
    /// Cells of every scale that it marks.
    pub mask_cells: usize,
    /// `None` of a model that does not know its class.
    pub outcomes: Vec<Option<Outcome>>,
    /// The highest score that any model gives to a box on it, of whatever class and however low.
    pub highest_score: f32,
}

impl Object {
    pub fn is_found_by(&self, model: usize) -> Option<bool> {
        self.outcomes[model].map(|outcome| outcome.is_found())
    }
}

/// A prediction without an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmatched {
    /// Index into the images.
    pub image: usize,
    /// Index into the models.
    pub model: usize,
    pub stray: Stray,
}

impl Review {
    /// Whether every image was looked at.
    pub fn is_complete(&self) -> bool {
        self.images.len() == self.images_of_split
    }

    /// Whether there is anything to be found.
    pub fn has_labels(&self) -> bool {
        !self.objects.is_empty()
    }

    /// Predictions of a model without an object: those on an object that another prediction has, or the rest.
    pub fn strays(&self, model: usize, are_duplicates: bool) -> usize {
        let own = self.unmatched.iter().filter(|unmatched| unmatched.model == model);
        own.filter(|unmatched| unmatched.stray.is_duplicate == are_duplicates).count()
    }
}
