//! What the optimizer makes of the imitation: the step with λ minus the step without it.

use tch::{Kind, TchError, Tensor};

use super::report::Check;
use super::subject::Subject;
use crate::dataset::TrainBatch;
use crate::format::significant;
use crate::native::Precision;
use crate::train::TrainError;
use crate::train::config::Lambda;
use crate::train::gradients::{CLIP_NORM, gradients_of, norm};
use crate::train::trainer::Trainer;
use crate::train::trial::{Trial, strongest_step};

/// How far a step may be from λ times the gradient, as a share of it: float32, float16 and bfloat16.
const TOLERANCE: [f64; 2] = [1e-2, 0.2];
/// What two passes over the same batch differ by, as a share of the detection's gradient: float32, float16 and bfloat16.
const NOISE: [f64; 2] = [1e-5, 5e-3];
/// Rounding of a weight, as a share of it.
const ROUNDING: f64 = 1.2e-7;

/// The step with the imitation minus the one without, through the path that trains, against −lr · λ · gradient of the
/// imitation, from a backward pass of its own in float32. Both steps are taken back.
pub(super) fn check(subject: &mut dyn Subject, batch: &TrainBatch) -> Result<Check, TrainError> {
    let check = Check::green("step", "Does a step hold lambda times the imitation's gradient?", None, "");
    let expected = Expected::of(subject.learner_mut(), batch)?;
    if expected.lambda == 0.0 {
        let message = match subject.trainer().plan.config.imitation.stop_step {
            Some(0) => "lambda is 0 in every step: it stops at step 0",
            _ => "lambda is 0: a step with the imitation is a step without it",
        };
        return Ok(Check { value: Some(0.0), message: message.to_owned(), ..check }
            .red("Give a lambda above 0, or train without a teacher."));
    }
    let tried = [true, false].map(|imitate| subject.trial(batch, imitate));
    let [with, without] = match tried {
        [Ok(with), Ok(without)] => [with, without],
        [Err(error), _] | [_, Err(error)] => {
            let message = format!("no step can be made: {}", error.to_string().lines().next().unwrap_or_default());
            return Ok(Check { message, ..check }.red("Look at the data, the learning rate and both models."));
        }
    };
    let precision = usize::from(subject.trainer().plan.precision != Precision::Float32);
    let weights = length(subject.trainer().parameters().iter().map(|parameter| &parameter.tensor))?;
    Ok(Found::of(&expected, &with, &without, precision, weights)?.check(check))
}

/// The imitation's part of a step by definition.
struct Expected {
    /// With its envelope.
    lambda: f64,
    /// At λ = 1, one per parameter, `None` where the loss does not reach it.
    gradients: Vec<Option<Tensor>>,
    own: usize,
    /// Norms on the student: detection's, imitation's at λ = 1; and the latter's on the adapters.
    norms: [f64; 3],
    /// Largest norm of the imitation's part, as a multiple of the detection's clipped one.
    bound: f64,
    images: usize,
}

impl Expected {
    fn of(trainer: &mut Trainer, batch: &TrainBatch) -> Result<Self, TrainError> {
        let precision = std::mem::take(&mut trainer.plan.precision);
        let losses = trainer.objective(batch, true).and_then(|o| Ok((o.detection()?, o.imitation()?)));
        trainer.plan.precision = precision;
        let (detection, imitation) = losses?;
        let tensors: Vec<&Tensor> = trainer.parameters().iter().map(|parameter| &parameter.tensor).collect();
        let own = trainer.own_parameters();
        let gradients = match imitation {
            Some(loss) => gradients_of(&loss, &tensors, true)?,
            None => tensors.iter().map(|_| None).collect(),
        };
        let detection = norm(&gradients_of(&detection, &tensors[..own], false)?)?;
        let norms = [detection, norm(&gradients[..own])?, norm(&gradients[own..])?];
        let lambda = match trainer.plan.config.imitation.lambda {
            Lambda::Fixed(lambda) => lambda,
            Lambda::GradientRatio(ratio) => ratio * norms[0] / norms[1].max(f64::MIN_POSITIVE),
        };
        let lambda = lambda * trainer.schedule.lambda_share(strongest_step(trainer));
        Ok(Self { lambda, gradients, own, norms, bound: trainer.imitation_bound(), images: batch.images.len() })
    }

    /// What the bounds leave of the imitation's part on the student and on the adapters, 1 where they do not act.
    fn bounded(&self, batches: f64) -> [f64; 2] {
        let [detection, imitation, adapters] = self.norms;
        let part = |norm: f64| batches * self.lambda * norm;
        let most = self.bound * (batches * detection).min(CLIP_NORM);
        let student = if part(imitation) > most && most > 0.0 { most / part(imitation) } else { 1.0 };
        [student, (CLIP_NORM / (part(adapters) + 1e-6)).min(1.0)]
    }
}

/// How two steps differ.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    lambda: f64,
    /// Norm of the difference, and of what it should be.
    norms: [f64; 2],
    /// ⟨difference, expected⟩ / ‖expected‖²: 1 where it is as it should be.
    times: f64,
    /// ‖difference − expected‖
    off: f64,
    /// What rounding alone may make of it.
    noise: f64,
    tolerance: f64,
    /// ‖expected‖ as a share of the step without imitation.
    share: f64,
    is_bounded: bool,
    moves: bool,
    images: usize,
}

impl Found {
    fn of(
        expected: &Expected,
        with: &Trial,
        without: &Trial,
        precision: usize,
        weights: f64,
    ) -> Result<Self, TchError> {
        let batches = with.batches as f64;
        let bounded = expected.bounded(batches);
        let (mut along, mut squares, mut moved) = (0.0, [0.0; 3], false);
        for (at, (a, b)) in with.pulls.iter().zip(&without.pulls).enumerate() {
            let found = a.f_sub(b)?;
            let bounded = if at < expected.own { bounded[0] } else { bounded[1] };
            let wanted = match &expected.gradients[at] {
                Some(gradient) => gradient.f_mul_scalar(batches * expected.lambda * bounded)?,
                None => found.f_zeros_like()?,
            };
            let square = |tensor: &Tensor| tensor.f_square()?.f_sum(Kind::Double)?.f_double_value(&[]);
            along += found.f_mul(&wanted)?.f_sum(Kind::Double)?.f_double_value(&[])?;
            squares[0] += square(&found)?;
            squares[1] += square(&wanted)?;
            squares[2] += square(&found.f_sub(&wanted)?)?;
            moved |= !with.moves[at].f_equal(&without.moves[at])?;
        }
        let [found, wanted, off] = squares.map(f64::sqrt);
        let alone = length(without.pulls.iter())?;
        Ok(Self {
            lambda: expected.lambda,
            norms: [found, wanted],
            times: along / (wanted * wanted).max(f64::MIN_POSITIVE),
            off,
            noise: NOISE[precision] * alone + ROUNDING * weights,
            tolerance: TOLERANCE[precision],
            share: wanted / alone.max(f64::MIN_POSITIVE),
            is_bounded: bounded.iter().any(|share| *share < 1.0),
            moves: moved,
            images: expected.images,
        })
    }

    fn check(&self, check: Check) -> Check {
        let Self { times, off, noise, tolerance, .. } = *self;
        let [found, wanted] = self.norms;
        let check = Check { value: Some(times), ..check };
        let lambda = significant(self.lambda);
        if !(found.is_finite() && wanted.is_finite()) {
            let message = format!("at lambda {lambda} a step is not a number");
            return Check { message, ..check }
                .red("A loss or a gradient is not a number: look at the data and at both models.");
        }
        if wanted == 0.0 || found == 0.0 || !self.moves {
            let message = format!("at lambda {lambda} a step with the imitation is the same as one without");
            return Check { message, ..check }.red("The imitation's gradient is lost on its way to the optimizer.");
        }
        if wanted <= 4.0 * noise {
            let message = format!(
                "at lambda {lambda} the imitation's part of a step, {} of it, is lost in rounding",
                super::data::percent(self.share)
            );
            return Check { message, ..check }
                .amber("Nothing can be proved of so small a lambda, and nothing will come of it.");
        }
        if off <= tolerance * wanted + noise {
            let bounded = if self.is_bounded { ", within its bound" } else { "" };
            let message = format!(
                "with {} of the batch's images a step with the imitation minus one without is lambda {lambda} times the \
                 imitation's gradient{bounded}, to {} %: {} times the step without",
                self.images,
                significant(100.0 * off / wanted),
                significant(self.share)
            );
            return Check { message, ..check };
        }
        if times < 0.0 {
            let message =
                format!("a step goes against the imitation's gradient, by {} times lambda", significant(times));
            return Check { message, ..check }
                .red("Add the imitation to the detection loss; as it is, the student learns to differ.");
        }
        let message = format!(
            "a step holds {} times lambda times the imitation's gradient, and is {} % off it",
            significant(times),
            significant(100.0 * off / wanted)
        );
        Check { message, ..check }
            .red("Lambda must multiply the imitation term alone, and that term must have a gradient.")
    }
}

fn length<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Result<f64, TchError> {
    let squares = tensors.map(|tensor| tensor.f_detach()?.f_square()?.f_sum(Kind::Double)?.f_double_value(&[]));
    Ok(squares.sum::<Result<f64, TchError>>()?.sqrt())
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    /// One parameter of the student, (3, 4) at λ = 1, and one of an adapter, (12); λ = 2; the detection's (0, 1).
    fn found(with: [f32; 3], times: u64, norm_of_detection: f64) -> Check {
        let tensor = |values: &[f32]| Tensor::from_slice(values);
        let trial = |values: [f32; 3]| Trial {
            pulls: vec![tensor(&values[..2]), tensor(&values[2..])],
            moves: vec![-tensor(&values[..2]), -tensor(&values[2..])],
            batches: times,
        };
        let expected = Expected {
            lambda: 2.0,
            gradients: vec![Some(tensor(&[3.0, 4.0])), Some(tensor(&[1.0]))],
            own: 1,
            norms: [norm_of_detection, 5.0, 1.0],
            bound: 5.0,
            images: 1,
        };
        let check = Check::green("step", "", None, "");
        Found::of(&expected, &trial(with), &trial([0.0, 1.0, 0.0]), 0, 1.0).expect("numbers").check(check)
    }

    #[test]
    fn two_steps_differ_by_what_was_worked_out_by_hand() {
        let status = |with, times, detection| found(with, times, detection).status;
        assert_eq!(status([6.0, 9.0, 2.0], 1, 4.0), Status::Green);
        // The imitation's norm of 10 is bounded to 5 · 1; of two batches that of 20 to 5 · 2, the adapters' 4 stays.
        assert_eq!(status([3.0, 5.0, 2.0], 1, 1.0), Status::Green);
        assert_eq!(status([6.0, 9.0, 4.0], 2, 1.0), Status::Green);
        assert_eq!(status([6.0, 9.0, 2.0], 1, 1.0), Status::Red);
        // Nothing, the other sign, twice, another direction.
        let lost = found([0.0, 1.0, 0.0], 1, 4.0);
        assert!(lost.status == Status::Red && lost.message.contains("the same as one without"), "{lost:?}");
        let turned = found([-6.0, -7.0, -2.0], 1, 4.0);
        assert!(turned.status == Status::Red && turned.message.contains("against"), "{turned:?}");
        let doubled = found([12.0, 17.0, 4.0], 1, 4.0);
        assert!(doubled.status == Status::Red && doubled.message.contains("holds 2.00 times"), "{doubled:?}");
        assert_eq!(status([6.0, 9.0, 0.0], 1, 4.0), Status::Red);
        assert_eq!(status([f32::NAN, 9.0, 2.0], 1, 4.0), Status::Red);
    }
}
