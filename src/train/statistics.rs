//! The running statistics of a network's batch-norms, which a forward pass in train mode moves before anybody knows its loss.

use tch::{TchError, Tensor, no_grad};

use crate::yolo::network::Network;

/// They share their memory with the network's.
#[derive(Debug)]
pub struct Statistics(Vec<Tensor>);

impl Statistics {
    pub fn of(network: &Network) -> Self {
        let mut named: Vec<(String, Tensor)> = network.var_store().variables().into_iter().collect();
        named.retain(|(name, _)| name.ends_with(".running_mean") || name.ends_with(".running_var"));
        named.sort_by(|a, b| a.0.cmp(&b.0));
        Self(named.into_iter().map(|(_, tensor)| tensor).collect())
    }

    /// All of them as they are now, one after the other: a single copy, whatever their number.
    pub fn copied(&self) -> Result<Option<Tensor>, TchError> {
        if self.0.is_empty() { Ok(None) } else { no_grad(|| Tensor::f_cat(&self.0, 0)).map(Some) }
    }

    /// Puts back what [`Statistics::copied`] gave.
    pub fn restore(&self, copied: &Option<Tensor>) -> Result<(), TchError> {
        let Some(copied) = copied else { return Ok(()) };
        let sizes: Vec<i64> = self.0.iter().map(|tensor| tensor.numel() as i64).collect();
        no_grad(|| {
            let parts = copied.f_split_with_sizes(&sizes[..], 0)?;
            self.0.iter().zip(parts).try_for_each(|(tensor, part)| tensor.shallow_clone().f_copy_(&part))
        })
    }
}
