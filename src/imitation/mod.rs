//! What is imitated, where, and how far the student is from it.
//!
//! [`mask`], [`explain`] (why one cell is in it or not) and [`difference`] are plain numbers that the window uses as it
//! draws; [`adapter`] (the closed-form fit) and [`loss`] (trained adapters, gradient) work on tensors.

pub mod adapter;
pub mod difference;
pub mod explain;
pub mod loss;
pub mod mask;
