//! A model on a split → precision, recall, mAP, with the numbers and the geometry of YOLOv5's `val.py`.
//!
//! [`rect`] says which images share an input and where they lie in it, [`loader`] makes its pixels and [`batches`] hands
//! them out, [`matching`] and [`average_precision`] are the mathematics, [`detector`] is what of a model it takes; here the
//! model runs.

pub mod average_precision;
mod batches;
mod detector;
mod loader;
pub mod matching;
mod rect;

use std::fmt;
use std::ops::ControlFlow;
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};
use thiserror::Error;

use self::average_precision::{Curves, Scored, curves_by_class, figures};
use self::matching::Found;
use crate::dataset::{DatasetError, Label, Sample, Samples, Warning};
use crate::yolo::assign::Target;
use crate::yolo::decode::rows_above;
use crate::yolo::detection::{Detection, NmsOptions, non_max_suppression};
use crate::yolo::network::NetworkError;

pub use batches::{Batch, Geometry, Input, for_each_batch};
pub use detector::{Detector, class_places, input_stride};

/// One class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Means over the classes that have ground truths, at the confidence of the best F1.
    pub precision: f64,
    pub recall: f64,
    pub map50: f64,
    pub map50_95: f64,
    pub images: usize,
    pub labels: usize,
    /// The classes that have ground truths.
    pub per_class: Vec<ClassResult>,
    /// Box, objectness and class loss, where asked for.
    #[serde(skip)]
    pub losses: Option<[f64; 3]>,
    #[serde(skip)]
    pub seconds: f64,
    /// Images that could not be read; they and their ground truths count for nothing.
    #[serde(skip)]
    pub warnings: Vec<Warning>,
}

/// The losses of a batch: box, objectness, class. Takes the raw heads and the batch's ground truths.
pub type BatchLosses<'a> = &'a dyn Fn(&[Tensor], &[Target]) -> Result<[f64; 3], TchError>;

#[derive(Clone, Copy)]
pub struct EvaluateOptions<'a> {
    /// Long side of an image in the input, px; rounded up to whole cells of the largest stride.
    pub imgsz: u32,
    /// Images that go through the network together.
    pub batch: usize,
    /// Computed beside the boxes; their mean over the batches becomes [`Evaluation::losses`].
    pub losses: Option<BatchLosses<'a>>,
}

impl fmt::Debug for EvaluateOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { imgsz, batch, losses } = self;
        write!(f, "EvaluateOptions {{ imgsz: {imgsz}, batch: {batch}, losses: {} }}", losses.is_some())
    }
}

#[derive(Debug, Error)]
pub enum EvaluateError {
    #[error("the model has {model} classes, but the data has {data}; evaluate it on the data that it was trained for")]
    Classes { model: usize, data: usize },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("no thread could be started to read images: {0}")]
    Thread(std::io::Error),
}

impl From<TchError> for EvaluateError {
    fn from(error: TchError) -> Self {
        Self::Network(error.into())
    }
}

/// Runs the model, its statistics frozen and in float32, over every image. `progress` hears how many images of how many are
/// done, and may break it off: `None` then. The same inputs give the same numbers.
pub fn evaluate(
    model: &dyn Detector,
    samples: &Samples,
    options: &EvaluateOptions,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, EvaluateError> {
    if samples.names.len() != model.classes() {
        return Err(EvaluateError::Classes { model: model.classes(), data: samples.names.len() });
    }
    evaluate_as(model, &(0..model.classes()).map(Some).collect::<Vec<_>>(), samples, options, progress)
}

/// The same of a model with classes of its own. `classes`: for each of them its place among the data's, as
/// [`class_places`] finds it; what it detects of a class without one is passed over.
pub fn evaluate_as(
    model: &dyn Detector,
    classes: &[Option<usize>],
    samples: &Samples,
    options: &EvaluateOptions,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, EvaluateError> {
    let start = Instant::now();
    let Samples { names, samples, .. } = samples;
    let geometry = Geometry::of(model, options.imgsz)?;
    let batches = samples.len().div_ceil(options.batch.max(1));

    let mut scored = Vec::new();
    let mut unreadable = Vec::new();
    let mut losses = options.losses.map(|_| [0.0; 3]);
    let finished = for_each_batch(samples, &[geometry], options.batch, progress, &mut |mut batch| {
        unreadable.append(&mut batch.unreadable);
        if batch.images.is_empty() {
            return Ok(());
        }
        let (found, of_batch) = tch::no_grad(|| run(model, classes, samples, &batch, options.losses))?;
        scored.extend(found);
        for (sum, loss) in losses.iter_mut().flatten().zip(of_batch.into_iter().flatten()) {
            *sum += loss / batches as f64;
        }
        Ok(())
    })?;
    let warnings = unreadable
        .iter()
        .map(|(index, error)| {
            let Warning { file, line, message } = error.blame(&samples[*index].image);
            Warning { file, line, message: format!("left out of the evaluation: {message}") }
        })
        .collect();
    let used = samples.iter().enumerate().filter(|(index, _)| unreadable.iter().all(|(other, _)| other != index));
    let used: Vec<&Sample> = used.map(|(_, sample)| sample).collect();
    let mut labels = vec![0; names.len()];
    for label in used.iter().flat_map(|sample| &sample.labels) {
        labels[label.class] += 1;
    }
    Ok(finished.then(|| Evaluation {
        losses,
        seconds: start.elapsed().as_secs_f64(),
        warnings,
        ..summary(&curves_by_class(scored, &labels), &labels, used.len(), names)
    }))
}

/// What the model finds in a batch, set against its ground truths.
fn run(
    model: &dyn Detector,
    classes: &[Option<usize>],
    samples: &[Sample],
    batch: &Batch,
    losses: Option<BatchLosses>,
) -> Result<(Vec<Scored>, Option<[f64; 3]>), EvaluateError> {
    let input = &batch.inputs[0];
    let heads = model.heads(&input.tensor(model.device())?)?;
    let labels = |image: usize| &samples[batch.images[image]].labels;
    let losses = match losses {
        Some(losses) => {
            let of_image = |image: usize| input.targets(image, labels(image), image);
            let targets: Vec<Target> = (0..batch.images.len()).flat_map(of_image).collect();
            Some(losses(&heads, &targets)?)
        }
        None => None,
    };
    let found = detections(model, classes, input, &heads)?;
    let scored = found
        .into_par_iter()
        .enumerate()
        .flat_map_iter(|(image, detections)| scored(&detections, &input.labels(image, labels(image))));
    Ok((scored.collect(), losses))
}

/// What a model finds in every image of a batch: best first, image px, by the data's classes. heads: of this input; classes:
/// as in [`evaluate_as`].
pub fn detections(
    model: &dyn Detector,
    classes: &[Option<usize>],
    input: &Input,
    heads: &[Tensor],
) -> Result<Vec<Vec<Detection>>, EvaluateError> {
    let (nms, nc) = (NmsOptions::for_evaluation(), model.classes());
    let rows = rows_above(heads, model.scales(), nms.confidence)?;
    let of_image = |(image, rows): (usize, &Vec<f32>)| {
        let mut detections = non_max_suppression(rows, nc, &nms);
        detections.retain_mut(|detection| {
            detection.bbox = input.to_image(image, &detection.bbox);
            let place = classes.get(detection.class).copied().flatten();
            detection.class = place.unwrap_or(detection.class);
            place.is_some()
        });
        detections
    };
    Ok(rows.par_iter().enumerate().map(of_image).collect())
}

/// Detections of an image, best first, once it is known what they found.
pub fn scored(detections: &[Detection], labels: &[Label]) -> Vec<Scored> {
    let found = matching::match_detections(detections, labels);
    let scored =
        |(detection, found): (&Detection, Found)| Scored { class: detection.class, score: detection.score, found };
    detections.iter().zip(found).map(scored).collect()
}

/// An evaluation from its curves. `labels`: ground truths by class.
pub fn summary(curves: &[Option<Curves>], labels: &[usize], images: usize, names: &[String]) -> Evaluation {
    let figures = figures(curves);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let per_class: Vec<ClassResult> = figures
        .into_iter()
        .enumerate()
        .filter_map(|(class, figures)| {
            let figures = figures?;
            Some(ClassResult {
                class,
                name: names[class].clone(),
                labels: labels[class],
                precision: figures.precision,
                recall: figures.recall,
                ap50: figures.ap[0],
                ap50_95: mean(&figures.ap),
            })
        })
        .collect();
    let over = |value: fn(&ClassResult) -> f64| mean(&per_class.iter().map(value).collect::<Vec<f64>>());
    Evaluation {
        precision: over(|class| class.precision),
        recall: over(|class| class.recall),
        map50: over(|class| class.ap50),
        map50_95: over(|class| class.ap50_95),
        images,
        labels: labels.iter().sum(),
        per_class,
        ..Evaluation::default()
    }
}
