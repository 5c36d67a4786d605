//! The two losses and what they do to the student.

use tch::{TchError, Tensor};

use super::data::percent;
use super::report::LayerGradients;
use super::{Check, Preflight, Subject};
use crate::dataset::{BatchImage, TrainBatch};
use crate::format::significant;
use crate::train::TrainError;
use crate::train::config::Lambda;
use crate::train::learner::{dot, gradients_of};
use crate::train::optimizer::norm;

/// A ratio of gradient norms outside of this is unusual.
const USUAL: std::ops::RangeInclusive<f64> = 0.02..=10.0;
/// Images for what holds of any number of them.
const FEW: usize = 4;
/// Largest relative error of what must hold exactly but for float32.
const ROUNDING: f64 = 1e-2;

pub(super) fn check(
    subject: &mut dyn Subject,
    batch: &TrainBatch,
    preflight: &mut Preflight,
) -> Result<(), TrainError> {
    let imitates = subject.learner().distiller().is_some();
    if imitates {
        let measured = Measured::of(subject, batch, preflight.ratio)?;
        preflight.checks.extend(measured.checks());
        preflight.lambda_for_ratio = measured.lambda_for(preflight.ratio);
        preflight.layers = measured.layers();
        preflight.checks.push(batch_size(subject, batch, measured.lambda)?);
    }
    preflight.checks.push(part_of_a_batch(subject, batch));
    preflight.checks.push(without_boxes(subject, batch));
    Ok(())
}

/// Gradients of the first batch on the student's parameters.
struct Measured {
    lambda: f64,
    ratio: f64,
    detection: Vec<Option<Tensor>>,
    /// At λ = 1.
    imitation: Vec<Option<Tensor>>,
    norms: [f64; 2],
    cosine: f64,
    /// ‖(∇total(2λ) − ∇total(λ)) − (∇total(λ) − ∇detection)‖ / ‖λ ∇imitation‖
    doubling: f64,
    /// What λ adds to the total, as a share of what it should.
    added: f64,
    values: [f64; 2],
    layers: Vec<Option<usize>>,
}

impl Measured {
    fn of(subject: &dyn Subject, batch: &TrainBatch, ratio: f64) -> Result<Self, TrainError> {
        let objective = subject.objective(batch)?;
        let learner = subject.learner();
        let own = learner.own_parameters();
        let parameters: Vec<Tensor> = learner.parameters()[..own].iter().map(|p| p.tensor.shallow_clone()).collect();
        let parameters: Vec<&Tensor> = parameters.iter().collect();
        let gradients = |loss: &Tensor| gradients_of(loss, &parameters, true);
        let detection = gradients(&objective.detection()?)?;
        let imitation = match objective.imitation()? {
            Some(loss) => gradients(&loss)?,
            None => parameters.iter().map(|_| None).collect(),
        };
        let norms = [norm(&detection)?, norm(&imitation)?];
        let lambda = match learner.plan.config.imitation.lambda {
            Lambda::Fixed(lambda) => lambda,
            Lambda::GradientRatio(ratio) => ratio * norms[0] / norms[1],
        };
        // Also where λ is 0 or cannot be had: then the question is what a λ would do.
        let probe = if lambda > 0.0 && lambda.is_finite() { lambda } else { 1.0 };
        let totals = [0.0, probe, 2.0 * probe].map(|lambda| subject.total(&objective, lambda));
        let [none, once, twice] = totals;
        let (none, once, twice) = (none?, once?, twice?);
        let value = |tensor: &Tensor| tensor.f_double_value(&[]);
        let distance =
            objective.distances.iter().map(value).sum::<Result<f64, TchError>>()? * batch.images.len() as f64;
        let added = (value(&twice)? - value(&once)?) / (probe * distance);
        let (of_once, of_twice) = (gradients(&once)?, gradients(&twice)?);
        let first = minus(&of_once, &detection)?;
        let second = minus(&of_twice, &of_once)?;
        let doubling = norm(&minus(&second, &first)?)? / (probe * norms[1]).max(f64::MIN_POSITIVE);
        let names = learner.parameters()[..own].iter().map(|parameter| layer_of(&parameter.name)).collect();
        Ok(Self {
            lambda,
            ratio,
            cosine: dot(&detection, &imitation)? / (norms[0] * norms[1]).max(f64::MIN_POSITIVE),
            detection,
            imitation,
            norms,
            doubling,
            added,
            values: [value(&none)?, distance],
            layers: names,
        })
    }

    fn lambda_for(&self, ratio: f64) -> Option<f64> {
        Some(ratio * self.norms[0] / self.norms[1]).filter(|lambda| lambda.is_finite())
    }

    fn checks(&self) -> [Check; 3] {
        [self.reaches(), self.follows_lambda(), self.balance()]
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

    fn follows_lambda(&self) -> Check {
        let message = "doubling lambda doubles the imitation's part of the gradient and of the loss, and nothing else";
        let check = Check::green("lambda-doubling", "Does lambda weigh the imitation?", self.doubling, message);
        if self.added < 0.0 {
            let message = "a larger lambda lowers the total: the imitation is subtracted".to_owned();
            return Check { value: Some(self.added), message, ..check }
                .red("Add the imitation to the detection loss; as it is, the student learns to differ.");
        }
        let holds = self.doubling <= ROUNDING && (self.added - 1.0).abs() <= ROUNDING;
        if holds {
            return check;
        }
        let message = format!(
            "doubling lambda adds {} of what it should to the loss, and the gradient's part is off by {}",
            percent(self.added),
            percent(self.doubling)
        );
        Check { message, ..check }
            .red("Lambda must multiply the imitation term alone, and that term must have a gradient.")
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
        let advice = match self.lambda_for(self.ratio) {
            Some(lambda) => format!("Lambda {} gives a ratio of {}.", significant(lambda), self.ratio),
            None => String::new(),
        };
        if !ratio.is_finite() {
            return check.red("A loss or a gradient is not a number: look at the data and at both models.");
        }
        match ratio {
            0.0 => check.red(format!("Lambda is 0: nothing is imitated. {advice}")),
            ratio if USUAL.contains(&ratio) => check,
            ratio if ratio < 1.0 => check.amber(format!("The imitation is too weak to be felt. {advice}")),
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

fn minus(a: &[Option<Tensor>], b: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>, TchError> {
    a.iter()
        .zip(b)
        .map(|pair| match pair {
            (Some(a), Some(b)) => a.f_sub(b).map(Some),
            (Some(a), None) => Ok(Some(a.shallow_clone())),
            (None, Some(b)) => b.f_neg().map(Some),
            (None, None) => Ok(None),
        })
        .collect()
}

/// The same images twice: both losses double, or λ means something else in a batch of another size.
fn batch_size(subject: &dyn Subject, batch: &TrainBatch, lambda: f64) -> Result<Check, TrainError> {
    let lambda = if lambda > 0.0 && lambda.is_finite() { lambda } else { 1.0 };
    let batch = &batch.first(FEW);
    let mut twice = batch.clone();
    twice.pixels.extend_from_slice(&batch.pixels);
    twice.images.extend(batch.images.iter().cloned());
    let parts = |batch: &TrainBatch| -> Result<[f64; 2], TrainError> {
        let objective = subject.objective(batch)?;
        let without = subject.total(&objective, 0.0)?.f_double_value(&[])?;
        let with = subject.total(&objective, lambda)?.f_double_value(&[])?;
        Ok([without, with - without])
    };
    let (one, two) = (parts(batch)?, parts(&twice)?);
    let [detection, imitation] = [0, 1].map(|i| two[i] / one[i]);
    let message = format!(
        "with the same images twice the detection loss grows by {}, the imitation by {}",
        significant(detection),
        significant(imitation)
    );
    let holds = one[1] == 0.0 || ((imitation / detection) - 1.0).abs() <= ROUNDING;
    let check =
        Check::green("lambda-batch-size", "Does lambda mean the same in a batch of any size?", imitation, message);
    Ok(check.or_red(
        holds,
        "YOLOv5 multiplies its loss by the batch size before the backward pass: multiply the imitation too.",
    ))
}

/// Every image without ground truths.
fn without_boxes(subject: &dyn Subject, batch: &TrainBatch) -> Check {
    let bare = |image: &BatchImage| BatchImage { labels: Vec::new(), ..image.clone() };
    let few = batch.first(FEW);
    let empty = TrainBatch { images: few.images.iter().map(bare).collect(), ..few };
    let message = "a batch without any ground truth has an imitation loss of exactly 0";
    let check = Check::green("empty-images", "Do images without boxes do no harm?", 0.0, message);
    let advice = "With N = 0 the imitation loss is 0, not 0 / 0.";
    match losses(subject, &empty) {
        Ok([total, imitation]) if total.is_finite() && imitation == 0.0 => check,
        Ok([total, imitation]) => {
            let message = format!(
                "without any ground truth the imitation loss is {} and the total {}",
                significant(imitation),
                significant(total)
            );
            Check { value: Some(imitation), message, ..check }.red(advice)
        }
        Err(error) => fails(check, &error).red(advice),
    }
}

/// A last, smaller batch of an epoch.
fn part_of_a_batch(subject: &dyn Subject, batch: &TrainBatch) -> Check {
    let few = batch.images.len().div_ceil(2).min(batch.images.len().saturating_sub(1)).clamp(1, FEW);
    let message = format!("a batch of {few} images gives losses like one of {}", batch.images.len());
    let check = Check::green("partial-batch", "Does a last, smaller batch work?", few as f64, message);
    let advice = "The batch size or the number of classes is fixed somewhere: take both from the tensors.";
    match losses(subject, &batch.first(few)) {
        Ok([total, _]) if total.is_finite() => check,
        Ok([total, _]) => Check { message: format!("the loss is {total}"), value: None, ..check }.red(advice),
        Err(error) => fails(check, &error).red(advice),
    }
}

/// The total at λ = 1, and the imitation's distance over all scales.
fn losses(subject: &dyn Subject, batch: &TrainBatch) -> Result<[f64; 2], TrainError> {
    let objective = subject.objective(batch)?;
    let distances = objective.distances.iter().map(|distance| distance.f_double_value(&[]));
    Ok([subject.total(&objective, 1.0)?.f_double_value(&[])?, distances.sum::<Result<f64, TchError>>()?])
}

fn fails(check: Check, error: &TrainError) -> Check {
    let text = error.to_string();
    Check { message: format!("it fails: {}", text.lines().next().unwrap_or_default()), value: None, ..check }
}
