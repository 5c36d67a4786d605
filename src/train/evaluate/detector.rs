//! What an evaluation takes of a model.

use tch::{Device, Tensor};

use crate::inspect::input_multiple;
use crate::yolo::anchors::AnchorScale;
use crate::yolo::network::{Network, NetworkError};

/// A model that can be evaluated: raw heads are enough.
pub trait Detector {
    /// Raw heads, [B, A, H, W, 5 + nc] per scale, of an input [B, 3, H, W], RGB in 0..1. Statistics frozen.
    fn heads(&self, input: &Tensor) -> Result<Vec<Tensor>, NetworkError>;

    fn scales(&self) -> &[AnchorScale];

    fn classes(&self) -> usize;

    fn device(&self) -> Device;

    /// The sides of its inputs are multiples of this, px.
    fn stride(&self) -> Result<u32, NetworkError>;
}

impl Detector for Network {
    fn heads(&self, input: &Tensor) -> Result<Vec<Tensor>, NetworkError> {
        Ok(self.forward_t(input, false)?.heads)
    }

    fn scales(&self) -> &[AnchorScale] {
        self.scales()
    }

    fn classes(&self) -> usize {
        self.spec().nc
    }

    fn device(&self) -> Device {
        self.device()
    }

    fn stride(&self) -> Result<u32, NetworkError> {
        input_stride(self)
    }
}

/// The sides of an evaluation's inputs are multiples of this.
pub fn input_stride(network: &Network) -> Result<u32, NetworkError> {
    Ok(network.spec().input_multiple()?.max(input_multiple(network.scales())))
}

/// For each class of a model its place among the data's: by name in any order where the model knows all of the data's, else
/// by number where there are equally many. `None` where neither says which is which.
pub fn class_places(model: &[String], data: &[String]) -> Option<Vec<Option<usize>>> {
    if data.iter().all(|name| model.contains(name)) {
        // A name that the data have twice says nothing.
        let once = |name: &String| data.iter().filter(|other| *other == name).count() == 1;
        if data.iter().all(once) {
            return Some(model.iter().map(|name| data.iter().position(|other| other == name)).collect());
        }
    }
    (model.len() == data.len()).then(|| (0..model.len()).map(Some).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_matched_by_name_before_by_number() {
        let places = |model: &[&str], data: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            class_places(&owned(model), &owned(data))
        };
        assert_eq!(places(&["a", "b"], &["a", "b"]), Some(vec![Some(0), Some(1)]));
        assert_eq!(places(&["c", "b", "a"], &["a", "b"]), Some(vec![None, Some(1), Some(0)]));
        assert_eq!(places(&["class 0", "class 1"], &["a", "b"]), Some(vec![Some(0), Some(1)]));
        assert_eq!(places(&["a", "a"], &["a", "a"]), Some(vec![Some(0), Some(1)]));
        assert_eq!(places(&["b", "c", "d"], &["a", "b"]), None);
    }
}
