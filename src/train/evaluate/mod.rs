//! A network on a split → precision, recall, mAP, with the numbers and the geometry of YOLOv5's `val.py`.

use serde::Serialize;

/// One class.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassResult {
    pub class: usize,
    pub name: String,
    /// Ground truths.
    pub labels: usize,
    pub precision: f64,
    pub recall: f64,
    pub ap50: f64,
    pub ap50_95: f64,
}

/// What an evaluation says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// Means over the classes that have ground truths, at the confidence of the best F1.
    pub precision: f64,
    pub recall: f64,
    pub map50: f64,
    pub map50_95: f64,
    pub images: usize,
    pub labels: usize,
    pub per_class: Vec<ClassResult>,
    /// Box, objectness and class loss, where asked for.
    #[serde(skip)]
    pub losses: Option<[f64; 3]>,
    #[serde(skip)]
    pub seconds: f64,
}
