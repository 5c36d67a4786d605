//! The models run over the split, once: batches in, records out.

use std::ops::ControlFlow;

use rayon::prelude::*;
use tch::{TchError, Tensor};

use super::classes::Classes;
use super::confusion::Confusion;
use super::distance::{ImageMask, ImageTerms, Pair};
use super::matching::{highest_scores, outcomes};
use super::records::{ImageReview, ModelReview, Object, Review, Unmatched};
use super::{Calibration, ReviewError, ReviewModel, ReviewOptions};
use crate::dataset::{DatasetError, Label, Sample, Samples};
use crate::imitation::loss::CellTerms;
use crate::survey::ObjectSize;
use crate::train::evaluate::average_precision::{Scored, curves_by_class};
use crate::train::evaluate::{Batch, Detector, EvaluateError, Geometry, detections, for_each_batch, scored, summary};
use crate::yolo::anchors::AnchorScale;
use crate::yolo::detection::Detection;
use crate::yolo::loss::{DetectionLoss, LossGains};
use crate::yolo::network::Network;

const TEACHER: usize = 0;
const STUDENT: usize = 1;

/// Runs every model over every image. `progress` hears how many images of how many are done, and may break it off: the review
/// is of what was done by then. The same inputs give the same numbers.
pub fn review(
    models: &[ReviewModel],
    samples: &Samples,
    options: &ReviewOptions,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Review, ReviewError> {
    if models.len() < 2 {
        return Err(ReviewError::TooFew);
    }
    let mut pass = Pass::new(models, samples, options)?;
    let geometries = pass.plan.geometries.clone();
    for_each_batch(&samples.samples, &geometries, options.batch, progress, &mut |batch| {
        tch::no_grad(|| pass.add(batch))
    })?;
    Ok(pass.finish())
}

/// What is settled before the first batch. No tensor: every thread may look at it.
struct Plan<'a> {
    samples: &'a Samples,
    options: &'a ReviewOptions,
    /// The student's.
    scales: Vec<AnchorScale>,
    geometries: Vec<Geometry>,
    /// One for each model.
    sides: Vec<Side>,
    /// The geometry in which teacher and student are compared: the one of the larger stride.
    shared: usize,
}

/// How a model stands to the data.
struct Side {
    classes: Classes,
    /// Place among the geometries.
    geometry: usize,
}

/// What one model says of a batch, image by image.
struct Answers {
    detections: Vec<Vec<Detection>>,
    losses: Vec<f64>,
}

/// What is summed up of one model.
struct Tally {
    scored: Vec<Scored>,
    confusion: Confusion,
}

/// One image, done. Objects and predictions refer to it as the sample that it is.
struct Done {
    /// Index into the samples.
    sample: usize,
    image: ImageReview,
    objects: Vec<Object>,
    unmatched: Vec<Unmatched>,
}

/// The review as far as it has come.
struct Pass<'a> {
    models: &'a [ReviewModel],
    plan: Plan<'a>,
    /// Teacher and student, or why they cannot be compared.
    pair: Result<Pair, String>,
    tallies: Vec<Tally>,
    done: Vec<Done>,
    unreadable: Vec<(usize, DatasetError)>,
}

impl<'a> Pass<'a> {
    fn new(models: &'a [ReviewModel], samples: &'a Samples, options: &'a ReviewOptions) -> Result<Self, ReviewError> {
        let mut geometries: Vec<Geometry> = Vec::new();
        let mut sides = Vec::with_capacity(models.len());
        for ReviewModel { path, network, .. } in models {
            let fails = |error: EvaluateError| ReviewError::Model { path: path.clone(), error };
            let geometry = Geometry::of(network, options.imgsz).map_err(|error| fails(error.into()))?;
            let known = geometries.iter().position(|known| *known == geometry);
            let place = known.unwrap_or_else(|| {
                geometries.push(geometry);
                geometries.len() - 1
            });
            let classes = Classes::of(network.names(), &samples.names).ok_or_else(|| ReviewError::Classes {
                path: path.clone(),
                model: network.names().join(", "),
                data: samples.names.join(", "),
            })?;
            sides.push(Side { classes, geometry: place });
        }
        let [teacher, student] = [TEACHER, STUDENT].map(|at| &models[at].network);
        let of_both = [TEACHER, STUDENT].map(|at| sides[at].geometry);
        let shared = of_both.into_iter().max_by_key(|place| geometries[*place].stride).unwrap_or(0);
        let tally = |_| Tally { scored: Vec::new(), confusion: Confusion::new(samples.names.len()) };
        Ok(Self {
            models,
            pair: Pair::of(teacher, student),
            tallies: models.iter().map(tally).collect(),
            plan: Plan { samples, options, scales: student.scales().to_vec(), geometries, sides, shared },
            done: Vec::new(),
            unreadable: Vec::new(),
        })
    }

    fn add(&mut self, mut batch: Batch) -> Result<(), EvaluateError> {
        self.unreadable.append(&mut batch.unreadable);
        if batch.images.is_empty() {
            return Ok(());
        }
        let (answers, terms) = self.answers(&batch)?;
        let plan = &self.plan;
        let of_image = |image: usize| plan.image(image, &batch, &answers, terms.get(image).map_or(&[], Vec::as_slice));
        let done: Vec<(Done, Vec<Vec<Scored>>)> = (0..batch.images.len()).into_par_iter().map(of_image).collect();
        for (image, (done, scored)) in done.into_iter().enumerate() {
            for (model, (tally, scored)) in self.tallies.iter_mut().zip(scored).enumerate() {
                let predictions = predictions(&answers[model].detections[image], self.plan.options.confidence);
                tally.confusion.add(predictions, &self.plan.labels(model, image, &batch));
                tally.scored.extend(scored);
            }
            self.done.push(done);
        }
        Ok(())
    }

    /// What each model says of a batch; and for each of its images how teacher and student differ on each scale, nothing where
    /// they cannot be compared.
    fn answers(&self, batch: &Batch) -> Result<(Vec<Answers>, Vec<ImageTerms>), EvaluateError> {
        let Plan { sides, shared, .. } = &self.plan;
        let mut answers = Vec::with_capacity(self.models.len());
        let mut compared = Vec::new();
        for (model, (ReviewModel { network, .. }, side)) in self.models.iter().zip(sides).enumerate() {
            let looks_at = |geometry: usize| network.heads(&batch.inputs[geometry].tensor(network.device())?);
            let heads = looks_at(side.geometry)?;
            answers.push(Answers {
                detections: detections(network, &side.classes.places, &batch.inputs[side.geometry], &heads)?,
                losses: self.plan.losses(network, side, batch, &heads)?,
            });
            if model <= STUDENT && self.pair.is_ok() {
                compared.push(if side.geometry == *shared { heads } else { looks_at(*shared)? });
            }
        }
        let terms = match (&self.pair, compared.as_slice()) {
            (Ok(pair), [teacher, student]) => pair.terms(teacher, student, batch.inputs[*shared].size)?,
            _ => Vec::new(),
        };
        Ok((answers, terms))
    }

    fn finish(self) -> Review {
        let Self { models, plan, pair, tallies, mut done, unreadable } = self;
        let Plan { samples, options, scales, sides, .. } = plan;
        done.sort_by_key(|done| done.sample);
        let mut labels = vec![0; samples.names.len()];
        let (mut images, mut objects, mut unmatched) = (Vec::new(), Vec::new(), Vec::new());
        for (place, mut done) in done.into_iter().enumerate() {
            done.objects.iter_mut().for_each(|object| object.image = place);
            done.unmatched.iter_mut().for_each(|unmatched| unmatched.image = place);
            done.objects.iter().for_each(|object| labels[object.label.class] += 1);
            images.push(done.image);
            objects.append(&mut done.objects);
            unmatched.append(&mut done.unmatched);
        }
        let looked_at = images.len();
        let mut notes: Vec<String> =
            pair.err().into_iter().map(|why| format!("teacher and student have no distance: {why}")).collect();
        let of_model = |((model, side), tally): ((&ReviewModel, Side), Tally)| {
            let left_out = side.classes.left_out(model.network.names(), &samples.names);
            notes.extend(left_out.map(|left_out| format!("the {} {left_out}", model.role)));
            let knows: Vec<bool> = side.classes.of_data.iter().map(Option::is_some).collect();
            let known: Vec<usize> =
                labels.iter().zip(&knows).map(|(&count, &knows)| if knows { count } else { 0 }).collect();
            let calibration = Calibration::of(&tally.scored, options.confidence);
            let curves = curves_by_class(tally.scored, &known);
            ModelReview {
                role: model.role.clone(),
                path: model.path.clone(),
                evaluation: summary(&curves, &known, looked_at, &samples.names),
                curves,
                confusion: tally.confusion,
                calibration,
                knows,
            }
        };
        let models = models.iter().zip(sides).zip(tallies).map(of_model).collect();
        // Nothing refers to an image that was not looked at: those come last.
        let unreadable = unreadable.iter().map(|(index, error)| {
            let path = &samples.samples[*index].image;
            (path.clone(), error.blame(path).message)
        });
        let left_out = samples.left_out.iter().map(|left_out| (left_out.image.clone(), left_out.why.clone()));
        images.extend(unreadable.chain(left_out).map(|(path, error)| ImageReview::unusable(path, error)));
        Review {
            models,
            names: samples.names.clone(),
            scales: scales.iter().map(AnchorScale::name).collect(),
            images,
            objects,
            unmatched,
            images_of_split: samples.samples.len() + samples.left_out.len(),
            notes,
        }
    }
}

impl Plan<'_> {
    /// The sample that is the `image`-th of a batch.
    fn sample(&self, image: usize, batch: &Batch) -> &Sample {
        &self.samples.samples[batch.images[image]]
    }

    /// The ground truths of the `image`-th image of a batch as a model's detections are matched with them.
    fn labels(&self, model: usize, image: usize, batch: &Batch) -> Vec<Label> {
        batch.inputs[self.sides[model].geometry].labels(image, &self.sample(image, batch).labels)
    }

    /// The detection loss of a model for each image of a batch, over the classes that it knows.
    fn losses(&self, network: &Network, side: &Side, batch: &Batch, heads: &[Tensor]) -> Result<Vec<f64>, TchError> {
        let input = &batch.inputs[side.geometry];
        let side_px = input.size.width.max(input.size.height);
        let gains = LossGains::default().scaled(network.scales().len(), network.classes(), side_px);
        let loss = DetectionLoss::new(network.scales(), network.classes(), gains);
        let known = |label: &Label| Some(Label { class: side.classes.of_data[label.class]?, ..*label });
        let of_image = |image: usize| {
            let labels: Vec<Label> = self.sample(image, batch).labels.iter().filter_map(known).collect();
            let own: Vec<Tensor> =
                heads.iter().map(|head| head.f_narrow(0, image as i64, 1)).collect::<Result<_, TchError>>()?;
            Ok(loss.terms(&own, &input.targets(image, &labels, 0))?.values()?.iter().sum())
        };
        (0..batch.images.len()).map(of_image).collect()
    }

    /// One image of a batch, and what every model's detections in it found. terms: how teacher and student differ in it, scale
    /// by scale.
    fn image(
        &self,
        image: usize,
        batch: &Batch,
        answers: &[Answers],
        terms: &[Option<CellTerms>],
    ) -> (Done, Vec<Vec<Scored>>) {
        let (options, sample, place) = (self.options, self.sample(image, batch), batch.images[image]);
        let input = &batch.inputs[self.shared];
        let boxes: Vec<_> = sample.labels.iter().map(|label| input.to_input(image, &label.bbox)).collect();
        let mask = ImageMask::of(&self.scales, input.size, &boxes, &options.mask);
        let object = |(index, label): (usize, &Label)| Object {
            image: place,
            index,
            label: *label,
            size: ObjectSize::of(&label.bbox),
            scale: mask.owners[index],
            mask_cells: mask.cells_of(index),
            outcomes: Vec::with_capacity(self.sides.len()),
            highest_score: 0.0,
        };
        let mut objects: Vec<Object> = sample.labels.iter().enumerate().map(object).collect();
        let mut unmatched = Vec::new();
        let mut found = Vec::with_capacity(self.sides.len());
        for (model, (side, answers)) in self.sides.iter().zip(answers).enumerate() {
            let (detections, labels) = (&answers.detections[image], self.labels(model, image, batch));
            found.push(scored(detections, &labels));
            let (outcomes, strays) = outcomes(predictions(detections, options.confidence), &labels, options.iou);
            let highest = highest_scores(detections, &labels, options.iou);
            for ((object, outcome), highest) in objects.iter_mut().zip(outcomes).zip(highest) {
                let knows = side.classes.of_data[object.label.class].is_some();
                object.outcomes.push(knows.then_some(outcome));
                object.highest_score = object.highest_score.max(highest);
            }
            unmatched.extend(strays.into_iter().map(|stray| Unmatched { image: place, model, stray }));
        }
        let image = ImageReview {
            path: sample.image.clone(),
            error: None,
            objects: objects.len(),
            mask_cells: mask.cells(),
            distance: mask.distance(terms),
            losses: answers.iter().map(|answers| answers.losses[image]).collect(),
        };
        (Done { sample: place, image, objects, unmatched }, found)
    }
}

/// Those of an image's detections, best first, that count as predictions.
fn predictions(detections: &[Detection], confidence: f32) -> &[Detection] {
    &detections[..detections.partition_point(|detection| detection.score > confidence)]
}
