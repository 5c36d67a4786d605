//! The exponential moving average of a student's weights: what is evaluated and kept.

use tch::Tensor;

use crate::native;
use crate::yolo::network::{Network, NetworkError};

const DECAY: f64 = 0.9999;
/// Updates over which the decay rises.
const TAU: f64 = 2000.0;

/// A second network whose every parameter and running statistic follows the student's.
#[derive(Debug)]
pub struct Average {
    pub network: Network,
    pub updates: u64,
    enabled: bool,
}

impl Average {
    /// A copy of the student; with `enabled` false it stays equal to it.
    pub fn of(student: &Network, enabled: bool) -> Result<Self, NetworkError> {
        let network = student.replica()?;
        copy(student, &network)?;
        Ok(Self { network, updates: 0, enabled })
    }

    /// After a step of the optimizer: e ← d e + (1 − d) s, d = 0.9999 (1 − exp(−updates / 2000)).
    pub fn update(&mut self, student: &Network) -> Result<(), NetworkError> {
        self.updates += 1;
        if !self.enabled {
            return copy(student, &self.network);
        }
        let decay = DECAY * (1.0 - (-(self.updates as f64) / TAU).exp());
        let (averages, values) = shared(student, &self.network);
        native::lerp(&refs(&averages), &refs(&values), 1.0 - decay)?;
        Ok(())
    }
}

/// Every variable of `from` into the variable of the same name.
pub fn copy(from: &Network, to: &Network) -> Result<(), NetworkError> {
    let (variables, values) = shared(from, to);
    native::copy(&refs(&variables), &refs(&values))?;
    Ok(())
}

/// The variables of `to` that `from` has too, and those of `from`, in one order.
fn shared(from: &Network, to: &Network) -> (Vec<Tensor>, Vec<Tensor>) {
    let mut source = from.var_store().variables();
    let pair = |(name, variable): (String, Tensor)| source.remove(&name).map(|value| (variable, value));
    to.var_store().variables().into_iter().filter_map(pair).unzip()
}

fn refs(tensors: &[Tensor]) -> Vec<&Tensor> {
    tensors.iter().collect()
}
