//! A network for looking alone: every batch-norm that follows a convolution folded into it.
//!
//! With γ, β the batch-norm's weight and bias and μ, σ² its statistics, w' = w · γ / √(σ² + ε) and b' = β − μ · γ / √(σ² + ε).
//! YOLOv5 folds so before it detects or validates.

use std::collections::HashMap;

use tch::{Kind, TchError, Tensor, no_grad};

use super::layers::NORM_EPS;
use super::network::{Network, NetworkError};

impl Network {
    /// This network without its batch-norms, its weights in `kind` and with their channels last in memory, which
    /// convolutions are fastest on. It takes and gives float32; train mode is the same as eval mode to it, but for what no
    /// convolution precedes. Of a network that is folded already, a copy.
    pub fn folded(&self, kind: Kind) -> Result<Self, NetworkError> {
        let mut folded = Self::build_fused(self.spec(), true, self.device())?;
        folded.set_names_and_scales(self.names().to_vec(), self.scales().to_vec());
        folded.kind = kind;
        folded.channels_last = true;
        let source = self.var_store().variables();
        no_grad(|| -> Result<(), TchError> {
            for (name, mut variable) in folded.var_store().variables() {
                let Some(value) = folded_value(&source, &name)? else { continue };
                let _ = variable.f_set_requires_grad(false)?;
                variable.f_set_data(&channels_last(&value.f_to_kind(kind)?)?)?;
            }
            Ok(())
        })?;
        Ok(folded)
    }
}

/// What a folded network holds under this name; the convolution `a.conv` is followed by the batch-norm `a.bn`.
fn folded_value(source: &HashMap<String, Tensor>, name: &str) -> Result<Option<Tensor>, TchError> {
    let conv =
        ["weight", "bias"].into_iter().find_map(|what| Some((name.strip_suffix(&format!(".conv.{what}"))?, what)));
    let Some((stem, what)) = conv else { return source.get(name).map(Tensor::f_detach_copy).transpose() };
    let double = |part: &str| source.get(&format!("{stem}.{part}")).map(|tensor| tensor.f_to_kind(Kind::Double));
    let norm = [double("bn.weight"), double("bn.bias"), double("bn.running_mean"), double("bn.running_var")];
    let [Some(gain), Some(bias), Some(mean), Some(variance)] = norm else {
        return source.get(name).map(Tensor::f_detach_copy).transpose();
    };
    let gain = gain?.f_mul(&variance?.f_add_scalar(NORM_EPS)?.f_rsqrt()?)?;
    match (what, double("conv.weight")) {
        ("weight", Some(weight)) => Ok(Some(weight?.f_mul(&gain.f_view([-1, 1, 1, 1])?)?)),
        _ => Ok(Some(bias?.f_sub(&mean?.f_mul(&gain)?)?)),
    }
}

/// The same numbers, those of four dimensions with their channels last in memory.
pub(super) fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    match tensor.dim() {
        4 => tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2]),
        _ => Ok(tensor.shallow_clone()),
    }
}
