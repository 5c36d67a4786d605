//! The gradients of detection and imitation, kept apart until the optimizer steps, and how they are bounded.
//!
//! The detection's gradient is clipped by its own norm, as YOLOv5 clips it, so that a run and its baseline clip alike. The
//! imitation's is bounded relative to it. Were their sum clipped, a strong imitation would scale detection down in one run
//! and not in the other, and a comparison of the two would measure that.

use tch::{Device, Kind, TchError, Tensor};

use crate::native;

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
        let gradients = gradients_of(&loss.f_mul_scalar(loss_scale)?, parameters, true)?;
        scale(&gradients, 1.0 / loss_scale)?;
        if loss_scale <= 1.0 || norm(&gradients)?.is_finite() {
            return Ok(gradients);
        }
        loss_scale = (loss_scale / 16.0).max(1.0);
    }
}

fn present(gradients: &[Option<Tensor>]) -> Vec<&Tensor> {
    gradients.iter().flatten().collect()
}

/// ‖g‖ over all gradients, a scalar where they are.
pub fn length(gradients: &[Option<Tensor>]) -> Result<Tensor, TchError> {
    let present = present(gradients);
    native::norm(&present, present.first().map_or(Device::Cpu, |gradient| gradient.device()))
}

/// The same, read.
pub fn norm(gradients: &[Option<Tensor>]) -> Result<f64, TchError> {
    Ok(native::read(&[&length(gradients)?])?[0])
}

/// a·b of each parameter that both reach, scalars: their sum is the product of the two gradients.
pub fn products(a: &[Option<Tensor>], b: &[Option<Tensor>]) -> Result<Vec<Tensor>, TchError> {
    let both = a.iter().zip(b).filter_map(|(a, b)| a.as_ref().zip(b.as_ref()));
    both.map(|(a, b)| a.f_mul(b)?.f_sum(Kind::Double)).collect()
}

/// The product of two gradients, read.
pub fn dot(a: &[Option<Tensor>], b: &[Option<Tensor>]) -> Result<f64, TchError> {
    let products = products(a, b)?;
    Ok(native::read(&products.iter().collect::<Vec<_>>())?.iter().sum())
}

/// Multiplies every gradient.
pub fn scale(gradients: &[Option<Tensor>], factor: f64) -> Result<(), TchError> {
    if factor == 1.0 { Ok(()) } else { native::scale(&present(gradients), factor) }
}

/// a + b in the memory of b; what only a has is shared with it.
fn sum(a: &[Option<Tensor>], mut b: Vec<Option<Tensor>>) -> Result<Vec<Option<Tensor>>, TchError> {
    b.resize_with(a.len().max(b.len()), || None);
    let (to, from): (Vec<&Tensor>, Vec<&Tensor>) =
        b.iter().zip(a).filter_map(|(b, a)| b.as_ref().zip(a.as_ref())).unzip();
    if !to.is_empty() {
        native::add(&to, &from)?;
    }
    for (b, a) in b.iter_mut().zip(a) {
        if b.is_none() {
            *b = a.as_ref().map(Tensor::shallow_clone);
        }
    }
    Ok(b)
}

/// Gradients since the optimizer's last step, in its order of parameters: the student's own, then the adapters'. Unscaled,
/// float32.
#[derive(Debug, Default)]
pub struct Gathered {
    pub detection: Vec<Option<Tensor>>,
    /// λ included.
    pub imitation: Vec<Option<Tensor>>,
}

/// Norms of the gradients on the student's own parameters and on the adapters', before any bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norms {
    pub detection: f64,
    pub imitation: f64,
    pub adapters: f64,
}

impl Norms {
    /// From what [`Gathered::lengths`] says, read.
    pub fn of(values: &[f64]) -> Self {
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        Self { detection: at(0), imitation: at(1), adapters: at(2) }
    }

    /// Whether the imitation is more than what rounding takes from the detection.
    pub fn imitation_moves(&self) -> bool {
        self.imitation > ROUNDING * self.detection
    }
}

impl Gathered {
    pub fn new(parameters: usize) -> Self {
        let none = || (0..parameters).map(|_| None).collect();
        Self { detection: none(), imitation: none() }
    }

    /// With another batch's gradients added, in the other's memory. This one stays as it is, for a batch that turns out not to
    /// count.
    pub fn with(&self, other: Self) -> Result<Self, TchError> {
        Ok(Self {
            detection: sum(&self.detection, other.detection)?,
            imitation: sum(&self.imitation, other.imitation)?,
        })
    }

    pub fn clear(&mut self) {
        self.detection.iter_mut().chain(&mut self.imitation).for_each(|gradient| *gradient = None);
    }

    pub fn has_imitation(&self) -> bool {
        self.imitation.iter().any(Option::is_some)
    }

    /// The norms, scalars where the gradients are: of the detection's part and, where there is an imitation, of its part on
    /// the student's `own` parameters and on the adapters.
    pub fn lengths(&self, own: usize) -> Result<Vec<Tensor>, TchError> {
        let mut lengths = vec![length(&self.detection)?];
        if self.has_imitation() {
            let (of_student, of_adapters) = self.imitation.split_at(own.min(self.imitation.len()));
            let device = lengths[0].device();
            lengths.push(native::norm(&present(of_student), device)?);
            lengths.push(native::norm(&present(of_adapters), device)?);
        }
        Ok(lengths)
    }

    /// Both parts bounded and added up. own: how many parameters are the student's; norms: of [`Gathered::lengths`]; bound: the
    /// largest norm of the imitation's part, as a multiple of the detection's clipped one. The sum is worth nothing where a
    /// norm is not finite.
    pub fn bounded(self, own: usize, norms: Norms, bound: f64) -> Result<Vec<Option<Tensor>>, TchError> {
        let Self { detection, imitation } = self;
        clip(&detection, norms.detection)?;
        let (of_student, of_adapters) = imitation.split_at(own.min(imitation.len()));
        let most = bound * norms.detection.min(CLIP_NORM);
        if norms.imitation > most && most > 0.0 {
            scale(of_student, most / norms.imitation)?;
        }
        clip(of_adapters, norms.adapters)?;
        sum(&detection, imitation)
    }
}

/// Scales gradients of this norm down to [`CLIP_NORM`].
fn clip(gradients: &[Option<Tensor>], norm: f64) -> Result<(), TchError> {
    scale(gradients, (CLIP_NORM / (norm + 1e-6)).min(1.0))
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

    type Parts = (Vec<Option<Tensor>>, Vec<Option<Tensor>>);

    fn batch((detection, imitation): &Parts) -> Gathered {
        let copied = |part: &[Option<Tensor>]| part.iter().map(|g| g.as_ref().map(Tensor::copy)).collect();
        Gathered { detection: copied(detection), imitation: copied(imitation) }
    }

    /// Batches gathered and bounded, the first parameter the student's, with the norms before that.
    fn taken(parameters: usize, batches: &[Parts]) -> (Vec<Option<Tensor>>, Norms) {
        let gathered = batches
            .iter()
            .fold(Gathered::new(parameters), |gathered, parts| gathered.with(batch(parts)).expect("gathered"));
        let lengths = gathered.lengths(1).expect("norms");
        let norms = Norms::of(&native::read(&lengths.iter().collect::<Vec<_>>()).expect("read"));
        (gathered.bounded(1, norms, IMITATION_BOUND).expect("a sum"), norms)
    }

    /// Detection (0, 40) of norm 40 is clipped to (0, 10); imitation (200, 0) of norm 200 is bounded to 5 · 10. The
    /// detection's part is what it would be alone.
    #[test]
    fn detection_is_clipped_as_it_would_be_alone() {
        let (sum, norms) = taken(1, &[(vec![gradient(&[0.0, 40.0])], vec![])]);
        assert_eq!((norms.detection, norms.imitation), (40.0, 0.0));
        let clipped = values(&sum[0]);
        assert!((clipped[1] - 10.0).abs() < 1e-5);

        let imitation = vec![gradient(&[200.0, 0.0]), gradient(&[3.0])];
        let (sum, norms) = taken(2, &[(vec![gradient(&[0.0, 40.0])], imitation)]);
        assert_eq!((norms.detection, norms.imitation, norms.adapters), (40.0, 200.0, 3.0));
        let found = values(&sum[0]);
        assert_eq!(found[1], clipped[1]);
        assert!((found[0] - 50.0).abs() < 1e-4, "{found:?}");
        assert_eq!(values(&sum[1]), [3.0]);
    }

    #[test]
    fn what_is_within_its_bound_is_added_as_it_is() {
        let first = (vec![gradient(&[3.0, 4.0])], vec![gradient(&[1.0, -1.0])]);
        let (sum, _) = taken(1, &[first, (vec![gradient(&[1.0, 0.0])], vec![gradient(&[0.0, 0.5])])]);
        assert_eq!(values(&sum[0]), [5.0, 3.5]);
    }

    /// A batch that turns out not to count leaves what was gathered as it was.
    #[test]
    fn a_sum_has_memory_of_its_own() {
        let gathered = Gathered::new(1).with(batch(&(vec![gradient(&[3.0, 4.0])], vec![]))).expect("gathered");
        let more = gathered.with(batch(&(vec![gradient(&[1.0, 0.0])], vec![gradient(&[2.0, 2.0])]))).expect("gathered");
        scale(&more.detection, 100.0).expect("scaled");
        assert_eq!((values(&gathered.detection[0]), gathered.has_imitation()), (vec![3.0, 4.0], false));
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
            taken(1, &[(vec![gradient(detection)], vec![gradient(imitation)])]).1.imitation_moves()
        };
        assert!(!of(&[1.0, 2.0], &[1e-9, 1e-9]));
        assert!(of(&[1.0, 2.0], &[0.0, 1e-6]));
        // Where the detection has nothing, the least is felt.
        assert!(of(&[0.0, 0.0], &[0.0, 1e-9]));
        assert!(!of(&[0.0, 0.0], &[0.0, 0.0]));
        // The adapter alone learns: the student's step is the same.
        let unreached = (vec![gradient(&[1.0])], vec![None, gradient(&[3.0])]);
        assert!(!taken(2, &[unreached]).1.imitation_moves());
        assert!(!batch(&(vec![gradient(&[1.0])], vec![None])).has_imitation());
    }
}
