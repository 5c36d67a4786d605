//! The two losses and what they do to the student.

use tch::{TchError, Tensor};

use super::data::percent;
use super::report::LayerGradients;
use super::{Check, Extents, Preflight, Steps, Stop, Subject};
use crate::dataset::{BatchImage, TrainBatch};
use crate::format::significant;
use crate::train::TrainError;
use crate::train::config::Lambda;
use crate::train::gradients::{dot, gradients_of};
use crate::train::learner::Objective;
use crate::train::optimizer::norm;

/// A ratio of gradient norms outside of this is unusual.
const USUAL: std::ops::RangeInclusive<f64> = 0.02..=10.0;
/// Largest relative error of what must hold exactly but for float32.
const ROUNDING: f64 = 1e-2;

pub(super) fn check(
    subject: &mut dyn Subject,
    Extents { part, few, .. }: &Extents,
    preflight: &mut Preflight,
    steps: &mut Steps<'_>,
) -> Result<(), Stop> {
    let imitates = subject.learner().distiller().is_some();
    let mut probe = 1.0;
    if imitates {
        let measured = Measured::of(subject, part, preflight.ratio, steps)?;
        preflight.checks.extend(measured.checks());
        preflight.lambda_for_ratio = measured.lambda_for(preflight.ratio);
        preflight.layers = measured.layers();
        probe = measured.probe;
    }
    steps.at("a smaller batch", 0.71)?;
    let smaller = few.first(part.images.len().saturating_sub(1).max(1));
    let alone = parts(subject, &smaller, probe);
    if imitates {
        steps.at("the same images twice", 0.78)?;
        preflight.checks.push(batch_size(subject, &smaller, &alone, probe)?);
    }
    preflight.checks.push(part_of_a_batch(&smaller, &alone));
    steps.at("images without boxes", 0.93)?;
    preflight.checks.push(without_boxes(subject, &smaller.first(1), &alone));
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
    /// ‖(w(2λ) − w(λ)) − (w(λ) − w of detection)‖ / ‖λ w of imitation‖, with [`weights`] w.
    doubling: f64,
    /// What λ adds to the total, as a share of what it should.
    added: f64,
    values: [f64; 2],
    layers: Vec<Option<usize>>,
}

impl Measured {
    fn of(subject: &dyn Subject, batch: &TrainBatch, ratio: f64, steps: &mut Steps<'_>) -> Result<Self, Stop> {
        steps.at("both losses", 0.0)?;
        let objective = subject.objective(batch)?;
        let learner = subject.learner();
        let own = learner.own_parameters();
        let parameters: Vec<Tensor> = learner.parameters()[..own].iter().map(|p| p.tensor.shallow_clone()).collect();
        let parameters: Vec<&Tensor> = parameters.iter().collect();
        let gradients = |loss: &Tensor| gradients_of(loss, &parameters, true);
        let (detection_loss, imitation_loss) = (objective.detection()?, objective.imitation()?);
        steps.at("the detection loss's gradient", 0.34)?;
        let detection = gradients(&detection_loss)?;
        steps.at("the imitation's gradient", 0.52)?;
        let imitation = match &imitation_loss {
            Some(loss) => gradients(loss)?,
            None => parameters.iter().map(|_| None).collect(),
        };
        let norms = [norm(&detection)?, norm(&imitation)?];
        let lambda = match learner.plan.config.imitation.lambda {
            Lambda::Fixed(lambda) => lambda,
            Lambda::GradientRatio(ratio) => ratio * norms[0] / norms[1],
        };
        let probe = if lambda > 0.0 && lambda.is_finite() { lambda } else { 1.0 };
        let totals = [0.0, probe, 2.0 * probe].map(|lambda| subject.total(&objective, lambda));
        let [none, once, twice] = totals;
        let (none, once, twice) = (none?, once?, twice?);
        let value = |tensor: &Tensor| tensor.f_double_value(&[]);
        let distance =
            objective.distances.iter().map(value).sum::<Result<f64, TchError>>()? * batch.images.len() as f64;
        let added = (value(&twice)? - value(&once)?) / (probe * distance);
        let weights = |loss: &Tensor| weights(loss, &objective);
        let (of_detection, of_once, of_twice) = (weights(&detection_loss)?, weights(&once)?, weights(&twice)?);
        let of_imitation = imitation_loss.as_ref().map_or(Ok(Vec::new()), weights)?;
        let bends = of_twice.iter().zip(&of_once).zip(&of_detection);
        let bends = length(bends.map(|((twice, once), none)| (twice - once) - (once - none)));
        let doubling = bends / (probe * length(of_imitation.into_iter())).max(f64::MIN_POSITIVE);
        let names = learner.parameters()[..own].iter().map(|parameter| layer_of(&parameter.name)).collect();
        Ok(Self {
            lambda,
            probe,
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

/// The derivative of a scalar by each loss that it may be made of: box, objectness, class, each scale's distance. By the
/// chain rule they say of every parameter's gradient how it is put together, without another pass through the student.
fn weights(loss: &Tensor, objective: &Objective) -> Result<Vec<f64>, TchError> {
    let terms = [&objective.terms.box_loss, &objective.terms.objectness, &objective.terms.class];
    let losses: Vec<&Tensor> =
        terms.into_iter().chain(&objective.distances).filter(|loss| loss.requires_grad()).collect();
    let value = |weight: Option<Tensor>| weight.map_or(Ok(0.0), |weight| weight.f_double_value(&[]));
    gradients_of(loss, &losses, true)?.into_iter().map(value).collect()
}

fn length(vector: impl Iterator<Item = f64>) -> f64 {
    vector.map(|value| value * value).sum::<f64>().sqrt()
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

/// An image without ground truths.
fn without_boxes(subject: &dyn Subject, batch: &TrainBatch, alone: &Result<Parts, TrainError>) -> Check {
    let message = "a batch without any ground truth has an imitation loss of exactly 0";
    let check = Check::green("empty-images", "Do images without boxes do no harm?", 0.0, message);
    if alone.is_err() {
        return unknown(check);
    }
    let bare = |image: &BatchImage| BatchImage { labels: Vec::new(), ..image.clone() };
    let empty = TrainBatch { images: batch.images.iter().map(bare).collect(), ..batch.clone() };
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

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::yolo::loss::LossTerms;

    /// 4 images; box 1, objectness 2, class 3, one scale's distance 5: total(λ) = 4 (1 + 2 + 3 + λ 5).
    #[test]
    fn a_total_is_made_of_its_losses_as_by_hand() {
        let scalar = |value: f64| Tensor::full([0_i64; 0], value, (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let terms = LossTerms { box_loss: scalar(1.0), objectness: scalar(2.0), class: scalar(3.0) };
        let objective = Objective {
            terms,
            distances: vec![scalar(5.0)],
            counted: vec![true],
            cells: vec![1],
            shares: vec![0.125],
            images: 4,
        };
        let total = objective.total(0.5).expect("a total");
        assert_eq!(total.double_value(&[]), 34.0);
        assert_eq!(weights(&total, &objective).expect("weights"), [4.0, 4.0, 4.0, 2.0]);
        assert_eq!(
            weights(&objective.detection().expect("a loss"), &objective).expect("weights"),
            [4.0, 4.0, 4.0, 0.0]
        );
    }
}
