//! SGD with Nesterov's momentum, Adam and AdamW on named parameters, with YOLOv5's three groups and one for the adapters.
//!
//! Own code for two reasons: its state is written to disk and read back bit for bit, and gradients come as plain
//! tensors, so that the parts of a loss can be measured before they are added.

use std::collections::HashMap;

use tch::{Kind, TchError, Tensor, no_grad};

use super::config::OptimizerKind;

/// Which learning rate and decay a parameter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// No decay; starts warm-up from above.
    Bias,
    /// With decay.
    Weight,
    /// Weights of batch-norms: no decay.
    Norm,
    /// No decay.
    Adapter,
}

impl Group {
    /// By the parameter's checkpoint name and shape: batch-norm weights are the vectors among the weights.
    pub fn of(name: &str, tensor: &Tensor) -> Self {
        if name.ends_with(".bias") {
            Self::Bias
        } else if name.ends_with(".weight") && tensor.dim() == 1 {
            Self::Norm
        } else {
            Self::Weight
        }
    }
}

#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub tensor: Tensor,
    pub group: Group,
}

/// What changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    pub bias: f64,
    pub weight: f64,
    pub norm: f64,
    pub adapter: f64,
    /// SGD's momentum, Adam's beta1.
    pub momentum: f64,
}

impl Rates {
    fn of(&self, group: Group) -> f64 {
        match group {
            Group::Bias => self.bias,
            Group::Weight => self.weight,
            Group::Norm => self.norm,
            Group::Adapter => self.adapter,
        }
    }
}

const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

#[derive(Debug)]
pub struct Optimizer {
    kind: OptimizerKind,
    weight_decay: f64,
    parameters: Vec<Parameter>,
    /// First moment, or SGD's velocity; none before a parameter's first gradient.
    first: Vec<Option<Tensor>>,
    second: Vec<Option<Tensor>>,
    updates: Vec<u64>,
}

impl Optimizer {
    pub fn new(kind: OptimizerKind, weight_decay: f64, parameters: Vec<Parameter>) -> Self {
        let n = parameters.len();
        let none = || (0..n).map(|_| None).collect();
        Self { kind, weight_decay, first: none(), second: none(), updates: vec![0; n], parameters }
    }

    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// gradients: one per parameter, `None` where the loss does not reach it.
    pub fn step(&mut self, gradients: &[Option<Tensor>], rates: &Rates) -> Result<(), TchError> {
        no_grad(|| {
            for (index, gradient) in gradients.iter().enumerate() {
                if let Some(gradient) = gradient {
                    self.update(index, gradient, rates)?;
                }
            }
            Ok(())
        })
    }

    fn update(&mut self, index: usize, gradient: &Tensor, rates: &Rates) -> Result<(), TchError> {
        let Parameter { tensor, group, .. } = &self.parameters[index];
        let mut parameter = tensor.shallow_clone();
        let lr = rates.of(*group);
        let decay = if *group == Group::Weight { self.weight_decay } else { 0.0 };
        self.updates[index] += 1;
        let mut gradient = gradient.shallow_clone();
        if self.kind == OptimizerKind::AdamW {
            let _ = parameter.f_mul_scalar_(1.0 - lr * decay)?;
        } else if decay > 0.0 {
            gradient = gradient.f_add(&parameter.f_mul_scalar(decay)?)?;
        }
        if self.kind == OptimizerKind::Sgd {
            let velocity = match &mut self.first[index] {
                Some(velocity) => {
                    let _ = velocity.f_mul_scalar_(rates.momentum)?.f_add_(&gradient)?;
                    velocity
                }
                empty => empty.insert(gradient.f_clone_copied()?),
            };
            let ahead = gradient.f_add(&velocity.f_mul_scalar(rates.momentum)?)?;
            let _ = parameter.f_sub_(&ahead.f_mul_scalar(lr)?)?;
            return Ok(());
        }
        let zeros = || gradient.f_zeros_like();
        let first = moment(&mut self.first[index], zeros)?;
        let _ = first.f_mul_scalar_(rates.momentum)?.f_add_(&gradient.f_mul_scalar(1.0 - rates.momentum)?)?;
        let second = moment(&mut self.second[index], zeros)?;
        let _ = second.f_mul_scalar_(BETA2)?.f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - BETA2)?)?;
        let step = i32::try_from(self.updates[index]).unwrap_or(i32::MAX);
        let (bias1, bias2) = (1.0 - rates.momentum.powi(step), 1.0 - BETA2.powi(step));
        let spread = second.f_sqrt()?.f_div_scalar(bias2.sqrt())?.f_add_scalar(EPS)?;
        let _ = parameter.f_sub_(&first.f_div(&spread)?.f_mul_scalar(lr / bias1)?)?;
        Ok(())
    }

    /// Everything that the next step depends on besides the parameters, by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = Vec::new();
        for (index, parameter) in self.parameters.iter().enumerate() {
            for (what, moment) in [("first", &self.first[index]), ("second", &self.second[index])] {
                if let Some(moment) = moment {
                    state.push((format!("{what}/{}", parameter.name), moment.shallow_clone()));
                }
            }
            if self.updates[index] > 0 {
                let updates = Tensor::from_slice(&[self.updates[index] as f32]);
                state.push((format!("updates/{}", parameter.name), updates));
            }
        }
        state
    }

    /// The inverse of [`Optimizer::state`]; entries of other names are left alone.
    pub fn restore(&mut self, state: &HashMap<String, Tensor>) -> Result<(), TchError> {
        for (index, parameter) in self.parameters.iter().enumerate() {
            let own = |what: &str| -> Result<Option<Tensor>, TchError> {
                let found = state.get(&format!("{what}/{}", parameter.name));
                found.map(|found| found.f_to_device(parameter.tensor.device())?.f_clone_copied()).transpose()
            };
            self.first[index] = own("first")?;
            self.second[index] = own("second")?;
            let updates = state.get(&format!("updates/{}", parameter.name));
            self.updates[index] = updates.map_or(Ok(0.0), |updates| updates.f_double_value(&[0]))? as u64;
        }
        Ok(())
    }
}

fn moment(
    slot: &mut Option<Tensor>,
    zeros: impl FnOnce() -> Result<Tensor, TchError>,
) -> Result<&mut Tensor, TchError> {
    Ok(match slot {
        Some(moment) => moment,
        empty => empty.insert(zeros()?),
    })
}

/// A copy with memory of its own.
pub(super) trait Copied {
    fn f_clone_copied(&self) -> Result<Tensor, TchError>;
}

impl Copied for Tensor {
    fn f_clone_copied(&self) -> Result<Tensor, TchError> {
        let mut copy = self.f_empty_like()?;
        copy.f_copy_(self)?;
        Ok(copy)
    }
}

/// ‖g‖ over all gradients.
pub fn norm<'a>(gradients: impl IntoIterator<Item = &'a Option<Tensor>>) -> Result<f64, TchError> {
    let norms = gradients.into_iter().flatten().map(|gradient| gradient.f_norm()?.f_to_kind(Kind::Float));
    let norms = norms.collect::<Result<Vec<_>, TchError>>()?;
    if norms.is_empty() {
        return Ok(0.0);
    }
    Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[])
}

/// Scales the gradients down to a norm of `most`, and gives the norm that they had.
pub fn clip(gradients: &mut [Option<Tensor>], most: f64) -> Result<f64, TchError> {
    let total = norm(gradients.iter())?;
    let scale = most / (total + 1e-6);
    if scale < 1.0 {
        for gradient in gradients.iter_mut().flatten() {
            let _ = gradient.f_mul_scalar_(scale)?;
        }
    }
    Ok(total)
}
