//! The functions of `kernels.cpp`. What they ask for is kept here, so that the rest of the program has safe ones.
//!
//! Each reads tensors through the pointers that tch holds, which are valid as long as the `&Tensor`s they come from, keeps none
//! of them, catches every C++ exception and gives it back as a message.

#![expect(unsafe_code, reason = "C functions of our own, and tensors made by them")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr::null_mut;

use tch::{TchError, Tensor};
use torch_sys::C_tensor;

use super::{Moved, StepSize};

type List = *const *const C_tensor;
type Pairwise = unsafe extern "C" fn(List, List, usize) -> *mut c_char;

unsafe extern "C" {
    fn ds_free(message: *mut c_char);
    #[rustfmt::skip]
    fn ds_sgd(
        parameters: List,
        gradients: List,
        velocities: List,
        n: usize,
        lr: f64,
        momentum: f64,
        decay: f64,
        first: bool,
    ) -> *mut c_char;
    #[rustfmt::skip]
    fn ds_adam(
        parameters: List,
        gradients: List,
        firsts: List,
        seconds: List,
        n: usize,
        step: f64,
        lr: f64,
        beta1: f64,
        beta2: f64,
        decay: f64,
        eps: f64,
        decoupled: bool,
    ) -> *mut c_char;
    fn ds_norm(list: List, n: usize, out: *mut *mut C_tensor) -> *mut c_char;
    fn ds_scale(list: List, n: usize, factor: f64) -> *mut c_char;
    fn ds_scale_by(list: List, n: usize, factor: *const C_tensor) -> *mut c_char;
    pub(super) fn ds_add(to: List, from: List, n: usize) -> *mut c_char;
    pub(super) fn ds_copy(to: List, from: List, n: usize) -> *mut c_char;
    fn ds_lerp(to: List, from: List, n: usize, weight: f64) -> *mut c_char;
    fn ds_autocast_enter(cuda: bool, half: bool) -> *mut c_char;
    fn ds_autocast_leave(cuda: bool) -> *mut c_char;
    fn ds_tf32(allowed: bool) -> *mut c_char;
    fn ds_bytes(bytes: *const c_void, n: usize, pinned: bool, out: *mut *mut C_tensor) -> *mut c_char;
}

pub(super) fn list(tensors: &[&Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr()).collect()
}

/// A message of ours as an error.
pub(super) fn checked(message: *mut c_char) -> Result<(), TchError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message that is not null is a string made by strdup, which is freed here and nowhere else.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        ds_free(message);
        text
    };
    Err(TchError::Torch(text))
}

/// A tensor that `make` puts at its argument.
pub(super) fn created(make: impl FnOnce(*mut *mut C_tensor) -> Result<(), TchError>) -> Result<Tensor, TchError> {
    let mut found = null_mut();
    make(&raw mut found)?;
    // SAFETY: without an error it is a tensor made by `new`, which nobody else holds; tch deletes it.
    Ok(unsafe { Tensor::from_ptr(found) })
}

/// One list for each of the others.
fn same_length(lists: &[&[&Tensor]]) -> Result<usize, TchError> {
    let n = lists.first().map_or(0, |list| list.len());
    if lists.iter().all(|list| list.len() == n) {
        return Ok(n);
    }
    Err(TchError::Shape("lists of tensors of different lengths".to_owned()))
}

pub(super) fn norm(list: &[*const C_tensor], out: *mut *mut C_tensor) -> Result<(), TchError> {
    // SAFETY: `list` holds that many tensors; `out` is a place for one.
    checked(unsafe { ds_norm(list.as_ptr(), list.len(), out) })
}

pub(super) fn scale(list: &[*const C_tensor], factor: f64) -> Result<(), TchError> {
    // SAFETY: `list` holds that many tensors.
    checked(unsafe { ds_scale(list.as_ptr(), list.len(), factor) })
}

pub(super) fn scale_by(list: &[*const C_tensor], factor: &Tensor) -> Result<(), TchError> {
    // SAFETY: `list` holds that many tensors.
    checked(unsafe { ds_scale_by(list.as_ptr(), list.len(), factor.as_ptr()) })
}

pub(super) fn pairwise(function: Pairwise, to: &[&Tensor], from: &[&Tensor]) -> Result<(), TchError> {
    let n = same_length(&[to, from])?;
    let (to, from) = (list(to), list(from));
    // SAFETY: both lists hold n tensors.
    checked(unsafe { function(to.as_ptr(), from.as_ptr(), n) })
}

pub(super) fn lerp(to: &[&Tensor], from: &[&Tensor], weight: f64) -> Result<(), TchError> {
    let n = same_length(&[to, from])?;
    let (to, from) = (list(to), list(from));
    // SAFETY: both lists hold n tensors.
    checked(unsafe { ds_lerp(to.as_ptr(), from.as_ptr(), n, weight) })
}

pub(super) fn sgd(moved: &Moved<'_>, size: StepSize) -> Result<(), TchError> {
    let n = same_length(&[&moved.parameters, &moved.gradients, &moved.first])?;
    let [parameters, gradients, velocities] = [&moved.parameters, &moved.gradients, &moved.first].map(|of| list(of));
    let StepSize { learning_rate, momentum, weight_decay, update } = size;
    let (parameters, gradients, velocities) = (parameters.as_ptr(), gradients.as_ptr(), velocities.as_ptr());
    // SAFETY: every list holds n tensors.
    checked(unsafe { ds_sgd(parameters, gradients, velocities, n, learning_rate, momentum, weight_decay, update <= 1) })
}

pub(super) fn adam(moved: &Moved<'_>, size: StepSize, beta2: f64, eps: f64, decoupled: bool) -> Result<(), TchError> {
    let lists = [&moved.parameters, &moved.gradients, &moved.first, &moved.second];
    let n = same_length(&lists.map(Vec::as_slice))?;
    let lists = lists.map(|of| list(of));
    let [parameters, gradients, first, second] = lists.each_ref().map(|list| list.as_ptr());
    let StepSize { learning_rate: lr, momentum: beta1, weight_decay: decay, update } = size;
    // SAFETY: every list holds n tensors.
    checked(unsafe {
        ds_adam(parameters, gradients, first, second, n, update as f64, lr, beta1, beta2, decay, eps, decoupled)
    })
}

pub(super) fn autocast_enter(cuda: bool, half: bool) -> Result<(), TchError> {
    // SAFETY: switches of this thread, without arguments to get wrong.
    checked(unsafe { ds_autocast_enter(cuda, half) })
}

pub(super) fn autocast_leave(cuda: bool) -> Result<(), TchError> {
    // SAFETY: as above.
    checked(unsafe { ds_autocast_leave(cuda) })
}

pub(super) fn tf32(allowed: bool) -> Result<(), TchError> {
    // SAFETY: a switch of the process that any thread may set; operations read it when they begin.
    checked(unsafe { ds_tf32(allowed) })
}

/// A byte tensor on the host with a copy of `bytes`, pinned where a GPU is to fetch it.
pub(super) fn bytes(bytes: &[u8], pinned: bool) -> Result<Tensor, TchError> {
    // SAFETY: `bytes` are as many as it says, and are copied before the call ends.
    created(|out| checked(unsafe { ds_bytes(bytes.as_ptr().cast(), bytes.len(), pinned, out) }))
}
