//! What is imitated, where, and how far the student is from it.
//!
//! [`mask`], [`explain`] (why one cell is in it or not), [`difference`] and [`lambda`] are plain numbers that the window uses
//! as it draws; [`loss`] (the family of imitation losses, and the masks of a batch), [`adapter`] (fitted and trained) and
//! [`choice`] (what is imitated, whole) say what a run minimises.

pub mod adapter;
pub mod choice;
pub mod difference;
pub mod explain;
pub mod lambda;
pub mod loss;
pub mod mask;

/// Standard normal numbers that follow from a key: libtorch's generator is shared by all tests that run beside one another.
#[cfg(test)]
pub(crate) fn normal_tensor(key: u64, shape: &[i64]) -> tch::Tensor {
    let mut rng = crate::rng::Rng::of(&[key]);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    tch::Tensor::from_slice(&values).view(shape)
}
