//! What leaves the program: files, written whole or not at all.

pub mod atomic;
pub mod colormap;
pub mod figure;
pub mod movie;
pub mod tensorboard;
pub mod tensors;
