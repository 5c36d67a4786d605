//! The exponential moving average of a student's weights: what is evaluated and kept.

use tch::{TchError, no_grad};

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
        let network = student.twin()?;
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
        let source = student.var_store().variables();
        no_grad(|| -> Result<(), TchError> {
            for (name, mut average) in self.network.var_store().variables() {
                if let Some(value) = source.get(&name) {
                    let _ = average.f_mul_scalar_(decay)?.f_add_(&value.f_mul_scalar(1.0 - decay)?)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Every variable of `from` into the variable of the same name.
pub fn copy(from: &Network, to: &Network) -> Result<(), NetworkError> {
    let source = from.var_store().variables();
    no_grad(|| -> Result<(), TchError> {
        for (name, mut variable) in to.var_store().variables() {
            if let Some(value) = source.get(&name) {
                variable.f_copy_(value)?;
            }
        }
        Ok(())
    })?;
    Ok(())
}
