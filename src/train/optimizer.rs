//! SGD with Nesterov's momentum, Adam and AdamW on named parameters, with YOLOv5's three groups and one for the adapters.
//!
//! The arithmetic is libtorch's. What is here, and tch's own optimizers lack: state that is written to disk and read back
//! bit for bit, and gradients as plain tensors, so that the parts of a loss can be measured before they are added.

use std::collections::{BTreeMap, HashMap};

use tch::{TchError, Tensor, no_grad};

use super::config::OptimizerKind;
use crate::native::{self, Moved, StepSize};

/// Which learning rate and decay a parameter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
        // All that takes memory comes before the first parameter moves.
        let of_parameter = |(gradient, parameter): (&Option<Tensor>, &Parameter)| {
            gradient.as_ref().map(|gradient| ordered_as(&parameter.tensor, gradient)).transpose()
        };
        let gradients: Vec<Option<Tensor>> =
            gradients.iter().zip(&self.parameters).map(of_parameter).collect::<Result<_, _>>()?;
        // Those of one group that have moved equally often take the same step: one call of libtorch each.
        let mut alike: BTreeMap<(Group, u64), Vec<usize>> = BTreeMap::new();
        for (index, _) in gradients.iter().enumerate().filter(|(_, gradient)| gradient.is_some()) {
            self.updates[index] += 1;
            alike.entry((self.parameters[index].group, self.updates[index])).or_default().push(index);
            self.first[index].get_or_insert(self.parameters[index].tensor.f_zeros_like()?);
            if self.kind != OptimizerKind::Sgd {
                self.second[index].get_or_insert(self.parameters[index].tensor.f_zeros_like()?);
            }
        }
        for ((group, update), indices) in alike {
            let moved = Moved {
                parameters: indices.iter().map(|&index| &self.parameters[index].tensor).collect(),
                gradients: indices.iter().filter_map(|&index| gradients[index].as_ref()).collect(),
                first: indices.iter().filter_map(|&index| self.first[index].as_ref()).collect(),
                second: indices.iter().filter_map(|&index| self.second[index].as_ref()).collect(),
            };
            let size = StepSize {
                learning_rate: rates.of(group),
                momentum: rates.momentum,
                weight_decay: if group == Group::Weight { self.weight_decay } else { 0.0 },
                update,
            };
            match self.kind {
                OptimizerKind::Sgd => native::sgd(&moved, size)?,
                OptimizerKind::Adam => native::adam(&moved, size, BETA2, EPS, false)?,
                OptimizerKind::AdamW => native::adam(&moved, size, BETA2, EPS, true)?,
            }
        }
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
                found.map(|found| copied_as(&parameter.tensor, found)).transpose()
            };
            self.first[index] = own("first")?;
            self.second[index] = own("second")?;
            let updates = state.get(&format!("updates/{}", parameter.name));
            self.updates[index] = updates.map_or(Ok(0.0), |updates| updates.f_double_value(&[0]))? as u64;
        }
        Ok(())
    }
}

/// A gradient in the memory order of its parameter, in which libtorch's fused kernels walk through both.
fn ordered_as(parameter: &Tensor, gradient: &Tensor) -> Result<Tensor, TchError> {
    let alike = gradient.stride() == parameter.stride() || gradient.is_contiguous() && parameter.is_contiguous();
    if alike { Ok(gradient.shallow_clone()) } else { copied_as(parameter, gradient) }
}

/// The values of `found` on the device and in the memory order of `like`.
fn copied_as(like: &Tensor, found: &Tensor) -> Result<Tensor, TchError> {
    let mut copy = no_grad(|| like.f_empty_like())?;
    no_grad(|| copy.f_copy_(found))?;
    Ok(copy)
}
