//! The gradients of detection and imitation, kept apart until the optimizer steps, and how they are bounded.
//!
//! The detection's gradient is clipped by its own norm, as YOLOv5 clips it, so that a run and its baseline clip alike. The
//! imitation's is bounded relative to it. Were their sum clipped, a strong imitation would scale detection down in one run
//! and not in the other, and a comparison of the two would measure that.

use tch::{Kind, TchError, Tensor};

use super::optimizer::{clip, norm};

/// YOLOv5's bound on the gradient's norm.
pub const CLIP_NORM: f64 = 10.0;
/// The imitation's gradient is bounded to so many times the detection's clipped norm, for steps in which it stands out; twice
/// the ratio where a larger one is asked for.
pub const IMITATION_BOUND: f64 = 5.0;
/// What float32 loses of a sum, as a share of it: 2⁻²⁴.
const ROUNDING: f64 = 5.96e-8;

/// Gradients of a scalar, one per parameter; `None` where it does not reach.
pub fn gradients_of(loss: &Tensor, parameters: &[&Tensor], keep_graph: bool) -> Result<Vec<Option<Tensor>>, TchError> {
    let gradients = Tensor::f_run_backward(&[loss], parameters, keep_graph, false)?;
    Ok(gradients.into_iter().map(|gradient| gradient.defined().then_some(gradient)).collect())
}

/// The same where the backward pass may overflow float16: with a loss scale that is lowered until it does not, and taken out
/// again. They are not finite where no scale helps. Of a `loss_scale` that is `None` nothing is scaled.
pub fn unscaled_gradients(
    loss: &Tensor,
    parameters: &[&Tensor],
    loss_scale: Option<f64>,
    keep_graph: bool,
) -> Result<Vec<Option<Tensor>>, TchError> {
    let Some(mut loss_scale) = loss_scale else { return gradients_of(loss, parameters, keep_graph) };
    loop {
        let mut gradients = gradients_of(&loss.f_mul_scalar(loss_scale)?, parameters, true)?;
        scale(&mut gradients, 1.0 / loss_scale)?;
        if loss_scale <= 1.0 || norm(&gradients)?.is_finite() {
            return Ok(gradients);
        }
        loss_scale = (loss_scale / 16.0).max(1.0);
    }
}

/// Σ a·b over the parameters that both reach.
pub fn dot(a: &[Option<Tensor>], b: &[Option<Tensor>]) -> Result<f64, TchError> {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        if let (Some(a), Some(b)) = (a, b) {
            sum += a.f_mul(b)?.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
    }
    Ok(sum)
}

/// Multiplies every gradient.
pub fn scale(gradients: &mut [Option<Tensor>], factor: f64) -> Result<(), TchError> {
    if factor != 1.0 {
        for gradient in gradients.iter_mut().flatten() {
            let _ = gradient.f_mul_scalar_(factor)?;
        }
    }
    Ok(())
}

fn add(sums: &mut Vec<Option<Tensor>>, gradients: Vec<Option<Tensor>>) -> Result<(), TchError> {
    if sums.len() < gradients.len() {
        sums.resize_with(gradients.len(), || None);
    }
    for (sum, gradient) in sums.iter_mut().zip(gradients) {
        match (sum.as_mut(), gradient) {
            (Some(sum), Some(gradient)) => drop(sum.f_add_(&gradient)?),
            (None, gradient @ Some(_)) => *sum = gradient,
            (_, None) => {}
        }
    }
    Ok(())
}

/// Gradients since the optimizer's last step, in its order of parameters: the student's own, then the adapters'. Unscaled,
/// float32.
#[derive(Debug, Default)]
pub struct Gathered {
    pub detection: Vec<Option<Tensor>>,
    /// λ included.
    pub imitation: Vec<Option<Tensor>>,
}

/// Norms of the gradients on the student's own parameters, before any bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norms {
    pub detection: f64,
    pub imitation: f64,
    pub adapters: f64,
    /// Whether the imitation is more than what rounding takes from the detection; `None` without one.
    pub imitation_moves: Option<bool>,
}

impl Gathered {
    pub fn new(parameters: usize) -> Self {
        let none = || (0..parameters).map(|_| None).collect();
        Self { detection: none(), imitation: none() }
    }

    pub fn add(&mut self, detection: Vec<Option<Tensor>>, imitation: Vec<Option<Tensor>>) -> Result<(), TchError> {
        add(&mut self.detection, detection)?;
        add(&mut self.imitation, imitation)
    }

    pub fn clear(&mut self) {
        self.detection.iter_mut().chain(&mut self.imitation).for_each(|gradient| *gradient = None);
    }

    /// Takes everything out, bounds both parts and adds them up. own: how many parameters are the student's; bound: the
    /// largest norm of the imitation's part, as a multiple of the detection's clipped one. The sum is worth nothing where a
    /// norm is not finite.
    pub fn take(&mut self, own: usize, bound: f64) -> Result<(Vec<Option<Tensor>>, Norms), TchError> {
        let mut sum: Vec<Option<Tensor>> = self.detection.iter_mut().map(Option::take).collect();
        let mut imitation: Vec<Option<Tensor>> = self.imitation.iter_mut().map(Option::take).collect();
        let detection_norm = clip(&mut sum, CLIP_NORM)?;
        let mut norms = Norms { detection: detection_norm, imitation: 0.0, adapters: 0.0, imitation_moves: None };
        if imitation.iter().any(Option::is_some) {
            let own = own.min(imitation.len());
            let (of_student, of_adapters) = imitation.split_at_mut(own);
            norms.imitation = norm(of_student.iter())?;
            let most = bound * detection_norm.min(CLIP_NORM);
            if norms.imitation > most && most > 0.0 {
                scale(of_student, most / norms.imitation)?;
            }
            norms.adapters = clip(of_adapters, CLIP_NORM)?;
            norms.imitation_moves = Some(norms.imitation > ROUNDING * detection_norm);
            add(&mut sum, imitation)?;
        }
        Ok((sum, norms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(values: &[f32]) -> Option<Tensor> {
        Some(Tensor::from_slice(values))
    }

    fn values(gradient: &Option<Tensor>) -> Vec<f32> {
        Vec::try_from(gradient.as_ref().expect("a gradient")).expect("floats")
    }

    /// Detection (0, 40) of norm 40 is clipped to (0, 10); imitation (200, 0) of norm 200 is bounded to 5 · 10. The
    /// detection's part is what it would be alone.
    #[test]
    fn detection_is_clipped_as_it_would_be_alone() {
        let mut alone = Gathered::new(1);
        alone.add(vec![gradient(&[0.0, 40.0])], vec![]).expect("gathered");
        let (sum, norms) = alone.take(1, IMITATION_BOUND).expect("a sum");
        assert_eq!((norms.detection, norms.imitation), (40.0, 0.0));
        let clipped = values(&sum[0]);
        assert!((clipped[1] - 10.0).abs() < 1e-5);

        let mut both = Gathered::new(2);
        both.add(vec![gradient(&[0.0, 40.0])], vec![gradient(&[200.0, 0.0]), gradient(&[3.0])]).expect("gathered");
        let (sum, norms) = both.take(1, IMITATION_BOUND).expect("a sum");
        assert_eq!((norms.detection, norms.imitation, norms.adapters), (40.0, 200.0, 3.0));
        let found = values(&sum[0]);
        assert_eq!(found[1], clipped[1]);
        assert!((found[0] - 50.0).abs() < 1e-4, "{found:?}");
        assert_eq!(values(&sum[1]), [3.0]);
        assert!(both.detection.iter().chain(&both.imitation).all(Option::is_none));
    }

    #[test]
    fn what_is_within_its_bound_is_added_as_it_is() {
        let mut both = Gathered::new(1);
        both.add(vec![gradient(&[3.0, 4.0])], vec![gradient(&[1.0, -1.0])]).expect("gathered");
        both.add(vec![gradient(&[1.0, 0.0])], vec![gradient(&[0.0, 0.5])]).expect("gathered");
        let (sum, _) = both.take(1, IMITATION_BOUND).expect("a sum");
        assert_eq!(values(&sum[0]), [5.0, 3.5]);
    }

    /// A graph with a float16 stretch: scaled by 65536 its gradient, 3, is beyond float16's 65504, and the infinite norm would
    /// make a λ of ratio · detection / ∞ = 0.
    #[test]
    fn a_scaled_gradient_that_overflows_is_found_with_a_smaller_scale() {
        let weights = Tensor::from_slice(&[0.5_f32, -1.0]).set_requires_grad(true);
        let half = weights.to_kind(Kind::Half).to_kind(Kind::Float);
        let loss = (half * 3.0).sum(Kind::Float);
        let overflown = gradients_of(&(&loss * 65536.0), &[&weights], true).expect("gradients");
        assert_eq!(norm(&overflown).expect("a norm"), f64::INFINITY);
        let found = unscaled_gradients(&loss, &[&weights], Some(65536.0), false).expect("gradients");
        assert_eq!(values(&found[0]), [3.0, 3.0]);
        // What no scale carries is not hidden.
        let loss = (weights.to_kind(Kind::Half).to_kind(Kind::Float) * 1e6).sum(Kind::Float);
        let lost = unscaled_gradients(&loss, &[&weights], Some(65536.0), false).expect("gradients");
        assert!(!norm(&lost).expect("a norm").is_finite());
        assert_eq!(
            values(
                &unscaled_gradients(&(&weights * 2.0).sum(Kind::Float), &[&weights], None, false).expect("gradients")
                    [0]
            ),
            [2.0, 2.0]
        );
    }

    #[test]
    fn a_part_that_rounding_loses_moves_nothing() {
        let of = |detection: &[f32], imitation: &[f32]| {
            let mut both = Gathered::new(1);
            both.add(vec![gradient(detection)], vec![gradient(imitation)]).expect("gathered");
            both.take(1, IMITATION_BOUND).expect("a sum").1.imitation_moves
        };
        assert_eq!(of(&[1.0, 2.0], &[1e-9, 1e-9]), Some(false));
        assert_eq!(of(&[1.0, 2.0], &[0.0, 1e-6]), Some(true));
        // Where the detection has nothing, the least is felt.
        assert_eq!(of(&[0.0, 0.0], &[0.0, 1e-9]), Some(true));
        assert_eq!(of(&[0.0, 0.0], &[0.0, 0.0]), Some(false));
        let mut unreached = Gathered::new(2);
        unreached.add(vec![gradient(&[1.0])], vec![None, gradient(&[3.0])]).expect("gathered");
        // The adapter alone learns: the student's step is the same.
        assert_eq!(unreached.take(1, IMITATION_BOUND).expect("a sum").1.imitation_moves, Some(false));
        let mut alone = Gathered::new(1);
        alone.add(vec![gradient(&[1.0])], vec![]).expect("gathered");
        assert_eq!(alone.take(1, IMITATION_BOUND).expect("a sum").1.imitation_moves, None);
    }
}
