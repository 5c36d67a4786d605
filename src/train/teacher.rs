//! The teacher: as its file has it, and as a step runs it.

use std::collections::HashMap;

use tch::{Kind, Tensor, no_grad};

use crate::yolo::network::{Forward, Network, NetworkError};

/// A network that is never trained. Its copy without batch-norms is faster by a third.
#[derive(Debug)]
pub(super) struct Teacher {
    network: Network,
    folded: Network,
}

impl Teacher {
    /// `half`: its forward pass in float16, where the student's runs in half precision too.
    pub(super) fn new(network: Network, half: bool) -> Result<Self, NetworkError> {
        let folded = network.folded(if half { Kind::Half } else { Kind::Float })?;
        Ok(Self { network, folded })
    }

    /// As its file has it.
    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    /// input: [B, 3, H, W], RGB in 0..1 → float32, without gradient, statistics frozen.
    pub(super) fn forward(&self, input: &Tensor) -> Result<Forward, NetworkError> {
        no_grad(|| self.folded.forward(input))
    }

    /// Every tensor of both by name.
    pub(super) fn tensors(&self) -> HashMap<String, Tensor> {
        let folded = self.folded.var_store().variables().into_iter();
        let folded = folded.map(|(name, tensor)| (format!("folded.{name}"), tensor));
        self.network.var_store().variables().into_iter().chain(folded).collect()
    }
}
