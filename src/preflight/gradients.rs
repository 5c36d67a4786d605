//! The two losses and what they do to the student.

use tch::{TchError, Tensor};

use super::data::percent;
use super::report::{Check, LayerGradients, Preflight};
use super::step;
use super::steps::{Steps, Stop};
use super::subject::{Extents, Subject};
use crate::dataset::{BatchImage, TrainBatch};
use crate::format::significant;
use crate::imitation::loss::MaskSource;
use crate::train::TrainError;
use crate::train::config::{GRADIENT_RATIO, Lambda};
use crate::train::gradients::{dot, norm, unscaled_gradients};

/// Ratios of gradient norms: below the first the imitation is not felt, above the second it costs more than the detection,
/// above the third it drowns it.
const FELT: f64 = 0.02;
const DEAR: f64 = 1.5;
const DROWNS: f64 = 10.0;
/// Largest relative error of what must hold exactly but for float32.
const ROUNDING: f64 = 1e-2;

pub(super) fn check(
    subject: &mut dyn Subject,
    Extents { part, few, .. }: &Extents,
    preflight: &mut Preflight,
    steps: &mut Steps<'_>,
) -> Result<(), Stop> {
    let imitates = subject.trainer().distiller().is_some();
    let mut probe = 1.0;
    if imitates {
        let measured = Measured::of(subject, part, preflight.ratio, steps)?;
        preflight.checks.extend(measured.checks());
        preflight.lambda_for_ratio = measured.lambda_for(preflight.ratio);
        preflight.layers = measured.layers();
        probe = measured.probe;
    }
    steps.at("a smaller batch", 0.58)?;
    let smaller = few.first(part.images.len().saturating_sub(1).max(1));
    let alone = parts(subject, &smaller, probe);
    if imitates {
        steps.at("the same images twice", 0.63)?;
        preflight.checks.push(batch_size(subject, &smaller, &alone, probe)?);
    }
    preflight.checks.push(part_of_a_batch(&smaller, &alone));
    if imitates {
        steps.at("images without boxes", 0.73)?;
        preflight.checks.push(without_boxes(subject, &smaller.first(1), &alone));
        steps.at("a step with the imitation and one without", 0.78)?;
        preflight.checks.push(step::check(subject, few)?);
    }
    Ok(())
}

/// What a batch's detection loss is, and what the imitation adds to it at a λ.
type Parts = [f64; 2];

/// Gradients of the first batch on the student's parameters.
struct Measured {
    lambda: f64,
    /// The same; 1 where it is 0 or cannot be had: then the question is what a λ would do.
    probe: f64,
    ratio: f64,
    detection: Vec<Option<Tensor>>,
    /// At λ = 1.
    imitation: Vec<Option<Tensor>>,
    norms: [f64; 2],
    cosine: f64,
    values: [f64; 2],
    layers: Vec<Option<usize>>,
}

impl Measured {
    fn of(subject: &dyn Subject, batch: &TrainBatch, ratio: f64, steps: &mut Steps<'_>) -> Result<Self, Stop> {
        steps.at("both losses", 0.0)?;
        let objective = subject.objective(batch)?;
        let trainer = subject.trainer();
        let own = trainer.own_parameters();
        let parameters: Vec<Tensor> = trainer.parameters()[..own].iter().map(|p| p.tensor.shallow_clone()).collect();
        let parameters: Vec<&Tensor> = parameters.iter().collect();
        let scale = trainer.progress.loss_scale.map(|(scale, _)| scale);
        let gradients = |loss: &Tensor| unscaled_gradients(loss, &parameters, scale, true);
        let (detection_loss, imitation_loss) = (objective.detection()?, objective.imitation()?);
        steps.at("the detection loss's gradient", 0.28)?;
        let detection = gradients(&detection_loss)?;
        steps.at("the imitation's gradient", 0.43)?;
        let imitation = match &imitation_loss {
            Some(loss) => gradients(loss)?,
            None => parameters.iter().map(|_| None).collect(),
        };
        let norms = [norm(&detection)?, norm(&imitation)?];
        let lambda = match trainer.plan.config.imitation.lambda {
            Lambda::Fixed(lambda) => lambda,
            Lambda::GradientRatio(ratio) => ratio * norms[0] / norms[1],
        };
        let probe = if lambda > 0.0 && lambda.is_finite() { lambda } else { 1.0 };
        let value = |tensor: &Tensor| tensor.f_double_value(&[]);
        let distance =
            objective.distances.iter().map(value).sum::<Result<f64, TchError>>()? * batch.images.len() as f64;
        let names = trainer.parameters()[..own].iter().map(|parameter| layer_of(&parameter.name)).collect();
        Ok(Self {
            lambda,
            probe,
            ratio,
            cosine: dot(&detection, &imitation)? / (norms[0] * norms[1]).max(f64::MIN_POSITIVE),
            detection,
            imitation,
            norms,
            values: [value(&detection_loss)?, distance],
            layers: names,
        })
    }

    fn lambda_for(&self, ratio: f64) -> Option<f64> {
        Some(ratio * self.norms[0] / self.norms[1]).filter(|lambda| lambda.is_finite())
    }

    fn checks(&self) -> [Check; 2] {
        [self.reaches(), self.balance()]
    }

    fn reaches(&self) -> Check {
        let [_, imitation] = self.norms;
        let reached = self.layers().into_iter().filter(|layer| layer.imitation > 0.0).map(|layer| layer.layer);
        let reached: Vec<usize> = reached.collect();
        let message = match (reached.first(), reached.last()) {
            (Some(first), Some(last)) => format!(
                "the imitation's gradient has norm {} on the student and reaches {} layers, {first} to {last}",
                significant(imitation),
                reached.len()
            ),
            _ => "the imitation loss has no gradient on any parameter of the student: it is shown and changes nothing"
                .to_owned(),
        };
        Check::green("imitation-gradient", "Does the imitation reach the student?", imitation, message).or_red(
            imitation > 0.0 && imitation.is_finite(),
            "The student's side must be computed with gradient: not inside no_grad, not from detached features.",
        )
    }

    fn balance(&self) -> Check {
        let ratio = self.lambda * self.norms[1] / self.norms[0];
        let message = format!(
            "at lambda {} the imitation's gradient has {} of the detection's norm (cosine {}); detection loss {}, imitation {}",
            significant(self.lambda),
            percent(ratio),
            significant(self.cosine),
            significant(self.values[0]),
            significant(self.lambda * self.values[1])
        );
        let check = Check::green("gradient-balance", "Are the two losses of one scale?", ratio, message);
        // A ratio that is asked for may itself be the unusual one.
        let asked = if (FELT..=DEAR).contains(&self.ratio) { self.ratio } else { GRADIENT_RATIO };
        let advice = match self.lambda_for(asked) {
            Some(lambda) => format!("Lambda {} gives a ratio of {asked}.", significant(lambda)),
            None => String::new(),
        };
        if !ratio.is_finite() {
            return check.red("A loss or a gradient is not a number: look at the data and at both models.");
        }
        match ratio {
            0.0 => check.red(format!("Lambda is 0: nothing is imitated. {advice}")),
            ratio if ratio < FELT => check.amber(format!("The imitation is too weak to be felt. {advice}")),
            ratio if ratio <= DEAR => check,
            ratio if ratio <= DROWNS => check.amber(format!("More is spent on imitation than on detection. {advice}")),
            _ => check.amber(format!("The imitation drowns the detection loss. {advice}")),
        }
    }

    fn layers(&self) -> Vec<LayerGradients> {
        let mut layers: Vec<LayerGradients> = Vec::new();
        let square = |gradient: &Option<Tensor>| -> f64 {
            let norm = gradient.as_ref().and_then(|g| g.f_norm().and_then(|n| n.f_double_value(&[])).ok());
            norm.unwrap_or(0.0).powi(2)
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let Some(layer) = *layer else { continue };
            let at = match layers.iter().position(|known| known.layer == layer) {
                Some(at) => at,
                None => {
                    layers.push(LayerGradients { layer, detection: 0.0, imitation: 0.0 });
                    layers.len() - 1
                }
            };
            layers[at].detection += square(&self.detection[index]);
            layers[at].imitation += square(&self.imitation[index]);
        }
        for layer in &mut layers {
            layer.detection = layer.detection.sqrt();
            layer.imitation = layer.imitation.sqrt() * if self.lambda.is_finite() { self.lambda } else { 1.0 };
        }
        layers.sort_by_key(|layer| layer.layer);
        layers
    }
}

/// The number of a parameter's layer: 4 in `model.4.m.0.cv1.conv.weight`.
fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("model.")?.split('.').next()?.parse().ok()
}

fn parts(subject: &dyn Subject, batch: &TrainBatch, lambda: f64) -> Result<Parts, TrainError> {
    let objective = subject.objective(batch)?;
    let without = subject.total(&objective, 0.0)?.f_double_value(&[])?;
    let with = subject.total(&objective, lambda)?.f_double_value(&[])?;
    Ok([without, with - without])
}

/// The same images twice: both losses double, or λ means something else in a batch of another size.
fn batch_size(
    subject: &dyn Subject,
    batch: &TrainBatch,
    alone: &Result<Parts, TrainError>,
    lambda: f64,
) -> Result<Check, TrainError> {
    let check = Check::green("lambda-batch-size", "Does lambda mean the same in a batch of any size?", None, "");
    let Ok(one) = alone else { return Ok(unknown(check)) };
    let mut twice = batch.clone();
    twice.pixels.extend_from_slice(&batch.pixels);
    twice.images.extend(batch.images.iter().cloned());
    let two = parts(subject, &twice, lambda)?;
    let [detection, imitation] = [0, 1].map(|i| two[i] / one[i]);
    let message = format!(
        "with the same images twice the detection loss grows by {}, the imitation by {}",
        significant(detection),
        significant(imitation)
    );
    let holds = one[1] == 0.0 || ((imitation / detection) - 1.0).abs() <= ROUNDING;
    Ok(Check { value: Some(imitation), message, ..check }.or_red(
        holds,
        "YOLOv5 multiplies its loss by the batch size before the backward pass: multiply the imitation too.",
    ))
}

/// What cannot be asked where a batch of another size fails already.
fn unknown(check: Check) -> Check {
    Check { message: "not measured, since a smaller batch fails".to_owned(), value: None, ..check }
        .amber("Mend what the check of a smaller batch names first.")
}

/// An image without ground truths: no cell of its own, and of the loss exactly 0 but for what a loss counts outside of its
/// mask.
fn without_boxes(subject: &dyn Subject, batch: &TrainBatch, alone: &Result<Parts, TrainError>) -> Check {
    let check = Check::green("empty-images", "Do images without boxes do no harm?", 0.0, "");
    if alone.is_err() {
        return unknown(check);
    }
    let bare = |image: &BatchImage| BatchImage { labels: Vec::new(), ..image.clone() };
    let empty = TrainBatch { images: batch.images.iter().map(bare).collect(), ..batch.clone() };
    match Empty::of(subject, &empty) {
        Ok(found) => found.check(check),
        Err(error) => fails(check, &error).red(WITHOUT_CELLS),
    }
}

const WITHOUT_CELLS: &str = "With N = 0 the imitation loss is 0, not 0 / 0.";

/// What a batch without ground truths costs.
struct Empty {
    /// At λ = 1.
    total: f64,
    imitation: f64,
    cells: u64,
    /// Whether the mask comes from ground truths.
    masked: bool,
    /// Whether the loss counts something outside of its mask.
    counts_everywhere: bool,
}

impl Empty {
    fn of(subject: &dyn Subject, batch: &TrainBatch) -> Result<Self, TrainError> {
        let source = subject.trainer().distiller().map(|distiller| distiller.mask_source());
        let objective = subject.objective(batch)?;
        let distances = objective.distances.iter().map(|distance| distance.f_double_value(&[]));
        Ok(Self {
            total: subject.total(&objective, 1.0)?.f_double_value(&[])?,
            imitation: distances.sum::<Result<f64, TchError>>()?,
            cells: objective.cells.iter().sum(),
            masked: matches!(source, Some(MaskSource::Iou | MaskSource::Box)),
            counts_everywhere: objective.counted.contains(&true),
        })
    }

    fn check(&self, check: Check) -> Check {
        let Self { total, imitation, cells, .. } = *self;
        let check = Check { value: Some(imitation), ..check };
        if self.masked && cells > 0 {
            let message = format!("without any ground truth the mask has {cells} cells");
            return Check { message, ..check }.red("The mask is not made from the image's own boxes.");
        }
        let is_number = total.is_finite() && imitation.is_finite() && imitation >= 0.0;
        if !is_number || (!self.counts_everywhere && imitation != 0.0) {
            let message = format!(
                "without any ground truth the imitation loss is {} and the total {}",
                significant(imitation),
                significant(total)
            );
            return Check { message, ..check }.red(WITHOUT_CELLS);
        }
        let message = match (self.counts_everywhere, self.masked) {
            (false, _) => "a batch without any ground truth has an imitation loss of exactly 0".to_owned(),
            (true, true) => format!(
                "a batch without any ground truth has no cell in its mask; what is imitated outside of it is a number, {}",
                significant(imitation)
            ),
            (true, false) => format!(
                "the mask does not come from ground truths: a batch without any has an imitation loss too, {}",
                significant(imitation)
            ),
        };
        Check { message, ..check }
    }
}

/// A last, smaller batch of an epoch.
fn part_of_a_batch(batch: &TrainBatch, alone: &Result<Parts, TrainError>) -> Check {
    let images = batch.images.len();
    let message = format!("a smaller batch works: with {images} of these images the losses are numbers");
    let check = Check::green("partial-batch", "Does a last, smaller batch work?", images as f64, message);
    let advice = "The batch size or the number of classes is fixed somewhere: take both from the tensors.";
    match alone {
        Ok([detection, imitation]) if (detection + imitation).is_finite() => check,
        Ok([detection, imitation]) => {
            let message = format!("the detection loss is {detection}, the imitation {imitation}");
            Check { message, value: None, ..check }.red(advice)
        }
        Err(error) => fails(check, error).red(advice),
    }
}

fn fails(check: Check, error: &TrainError) -> Check {
    let text = error.to_string();
    Check { message: format!("it fails: {}", text.lines().next().unwrap_or_default()), value: None, ..check }
}
