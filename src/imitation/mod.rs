//! What is imitated, where, and how far the student is from it.
//!
//! [`mask`] and [`difference`] are plain numbers that the window uses as it draws; [`adapter`] (the closed-form fit) and
//! [`loss`] (trained adapters, gradient) work on tensors.

pub mod adapter;
pub mod difference;
pub mod loss;
pub mod mask;
