//! What is imitated, where, and how far the student is from it.
//!
//! [`mask`] and [`difference`] are plain numbers that the window uses as it draws; [`adapter`] works on tensors. The
//! loss with trained adapters belongs to the trainer and is not here.

pub mod adapter;
pub mod difference;
pub mod mask;
