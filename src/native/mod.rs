//! What tch does not bind of libtorch, and the few ways by which numbers go to a device and come back: kernels over many
//! tensors at once, fused optimizers, autocast with a precision, TF32 ([`kernels.cpp`](../../src/native/kernels.cpp)); one
//! upload of many small arrays ([`Upload`]), one read of many scalars ([`read`]).

mod ffi;
mod transfer;

use std::fmt;

use tch::{Device, Kind, TchError, Tensor};

pub use transfer::{Part, Upload, Uploaded, constant, pixels, read, reads};

use ffi::{created, list};

/// The numbers that a forward pass computes with. Weights, losses and what an optimizer keeps are float32 in each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    #[default]
    Float32,
    /// Needs a loss scale: its largest number is 65504.
    Float16,
    BFloat16,
}

impl Precision {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Runs `body` so that the operations that gain by it compute in a precision on this device. Regions do not nest.
pub fn autocast<T>(precision: Precision, device: Device, body: impl FnOnce() -> T) -> Result<T, TchError> {
    /// Leaves the region even where `body` panics.
    struct Region(bool);

    impl Drop for Region {
        fn drop(&mut self) {
            let _ = ffi::autocast_leave(self.0);
        }
    }

    if precision == Precision::Float32 {
        return Ok(body());
    }
    ffi::autocast_enter(device.is_cuda(), precision == Precision::Float16)?;
    let region = Region(device.is_cuda());
    let found = body();
    drop(region);
    Ok(found)
}

/// Whether CUDA's float32 convolutions may use TF32, which keeps 10 bits of a factor: several times faster, and 1e-3 off. It is
/// a switch of the whole process.
pub fn allow_tf32(allowed: bool) -> Result<(), TchError> {
    ffi::tf32(allowed)
}

/// ‖·‖ over all tensors together, a float32 scalar on their device; of none, 0.
pub fn norm(tensors: &[&Tensor], device: Device) -> Result<Tensor, TchError> {
    if tensors.is_empty() {
        return Tensor::f_zeros([0_i64; 0], (Kind::Float, device));
    }
    created(|out| ffi::norm(&list(tensors), out))
}

/// Multiplies every tensor.
pub fn scale(tensors: &[&Tensor], factor: f64) -> Result<(), TchError> {
    ffi::scale(&list(tensors), factor)
}

/// Multiplies every tensor by a scalar on their device.
pub fn scale_by(tensors: &[&Tensor], factor: &Tensor) -> Result<(), TchError> {
    ffi::scale_by(&list(tensors), factor)
}

/// to ← to + from, pairwise.
pub fn add(to: &[&Tensor], from: &[&Tensor]) -> Result<(), TchError> {
    ffi::pairwise(ffi::ds_add, to, from)
}

/// to ← from, pairwise.
pub fn copy(to: &[&Tensor], from: &[&Tensor]) -> Result<(), TchError> {
    ffi::pairwise(ffi::ds_copy, to, from)
}

/// to ← to + weight (from − to), pairwise.
pub fn lerp(to: &[&Tensor], from: &[&Tensor], weight: f64) -> Result<(), TchError> {
    ffi::lerp(to, from, weight)
}

/// What an optimizer's step reads and writes, one tensor of each a parameter, all of the parameter's shape and memory order
/// but for the gradients.
#[derive(Debug, Default)]
pub struct Moved<'a> {
    pub parameters: Vec<&'a Tensor>,
    pub gradients: Vec<&'a Tensor>,
    /// SGD's velocity, Adam's first moment.
    pub first: Vec<&'a Tensor>,
    /// Adam's second moment; empty for SGD.
    pub second: Vec<&'a Tensor>,
}

/// What an optimizer's step is made with.
#[derive(Clone, Copy, Debug)]
pub struct StepSize {
    pub learning_rate: f64,
    /// SGD's momentum, Adam's beta1.
    pub momentum: f64,
    pub weight_decay: f64,
    /// This update's number, from 1.
    pub update: u64,
}

/// SGD with Nesterov's momentum, as PyTorch steps: the velocity begins as the first gradient; without momentum it stays as it
/// is.
pub fn sgd(moved: &Moved<'_>, size: StepSize) -> Result<(), TchError> {
    ffi::sgd(moved, size)
}

/// Adam, or AdamW where the decay is `decoupled` from the gradient, as PyTorch steps.
pub fn adam(moved: &Moved<'_>, size: StepSize, beta2: f64, eps: f64, decoupled: bool) -> Result<(), TchError> {
    ffi::adam(moved, size, beta2, eps, decoupled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_slice(values)
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.contiguous().view([-1])).expect("floats")
    }

    #[test]
    fn lists_are_worked_on_as_by_hand() {
        let (a, b) = (floats(&[3.0, 0.0]), floats(&[4.0]));
        let length = norm(&[&a, &b], Device::Cpu).expect("a norm");
        assert_eq!((length.double_value(&[]), length.dim()), (5.0, 0));
        assert_eq!(read(&[&norm(&[], Device::Cpu).expect("of nothing")]).expect("a number"), [0.0]);
        scale(&[&a, &b], 2.0).expect("scaled");
        scale_by(&[&a], &Tensor::from(0.5_f32)).expect("scaled");
        add(&[&a], &[&floats(&[1.0, 1.0])]).expect("added");
        assert_eq!((values(&a), values(&b)), (vec![4.0, 1.0], vec![8.0]));
        lerp(&[&a, &b], &[&floats(&[0.0, 5.0]), &floats(&[0.0])], 0.25).expect("moved");
        assert_eq!((values(&a), values(&b)), (vec![3.0, 2.0], vec![6.0]));
        copy(&[&a], &[&floats(&[7.0, 8.0])]).expect("copied");
        assert_eq!(values(&a), [7.0, 8.0]);
    }

    /// What libtorch throws arrives as an error and goes no further.
    #[test]
    fn an_exception_becomes_an_error() {
        let error = add(&[&floats(&[1.0])], &[&floats(&[1.0, 2.0, 3.0])]).expect_err("other shapes");
        assert!(error.to_string().contains("shape [3]"), "{error}");
        let (parameter, other) = (floats(&[1.0, 2.0]), floats(&[1.0]));
        let moved =
            Moved { parameters: vec![&parameter], gradients: vec![&other], first: vec![&parameter], second: vec![] };
        let size = StepSize { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0, update: 1 };
        let error = sgd(&moved, size).expect_err("a gradient of another shape").to_string();
        assert!(error.contains("a gradient of another shape than its parameter"), "{error}");
        assert!(add(&[&parameter], &[]).is_err() && sgd(&Moved { first: vec![], ..moved }, size).is_err());
    }

    /// A backward pass may give a gradient with its channels last; the kernels walk memory in one order.
    #[test]
    fn a_gradient_in_another_memory_order_moves_its_own_numbers() {
        let weights = |shape: [i64; 4]| Tensor::arange(24, FLOAT).view(shape);
        for shape in [[2, 3, 2, 2], [4, 6, 1, 1]] {
            let gradient = weights(shape) * 0.5;
            // [O, I, H, W] whose memory is [O, H, W, I]; along a side of length 1 any stride will do.
            let [_, inputs, rows, cols] = shape;
            let memory = gradient.permute([0, 2, 3, 1]).contiguous();
            let last = memory.as_strided(shape, [rows * cols * inputs, 1, cols * inputs, inputs], None::<i64>);
            assert!(last.equal(&gradient) && last.stride() != gradient.stride());
            let stepped = |gradient: &Tensor| {
                let parameter = weights(shape).copy();
                let (first, second) = (parameter.zeros_like(), parameter.zeros_like());
                let moved = Moved {
                    parameters: vec![&parameter],
                    gradients: vec![gradient],
                    first: vec![&first],
                    second: vec![&second],
                };
                let size = StepSize { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.0, update: 1 };
                adam(&moved, size, 0.999, 1e-8, true).expect("a step");
                sgd(&moved, size).expect("a step");
                values(&parameter)
            };
            assert_eq!(stepped(&last), stepped(&gradient));
        }
    }

    #[test]
    fn a_region_has_its_precision_and_ends() {
        let (input, weight) = (Tensor::ones([1, 2, 4, 4], FLOAT), Tensor::ones([3, 2, 1, 1], FLOAT));
        let kind = || input.conv2d(&weight, None::<Tensor>, 1, 0, 1, 1).kind();
        for (precision, expected) in [(Precision::Float32, Kind::Float), (Precision::BFloat16, Kind::BFloat16)] {
            assert_eq!(autocast(precision, Device::Cpu, kind).expect("a region"), expected);
            assert_eq!(kind(), Kind::Float);
        }
        let panicked = std::panic::catch_unwind(|| {
            let _ = autocast(Precision::BFloat16, Device::Cpu, || panic!("inside"));
        });
        assert!(panicked.is_err());
        assert_eq!(kind(), Kind::Float);
        // A switch for CUDA alone: here it only has to be there.
        allow_tf32(false).and(allow_tf32(true)).expect("a switch");
    }
}
