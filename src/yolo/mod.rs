//! YOLOv5: checkpoints, specs, networks, boxes.
//!
//! A [`checkpoint`] is opened as data; its [`spec`] says which layers there are and [`inventory`] which tensors they
//! need; [`network`] builds and runs them on tch; [`decode`] turns heads into boxes. [`anchors`] and [`detection`]
//! are plain numbers that the window may name.

pub mod anchors;
pub mod assign;
pub mod checkpoint;
pub mod decode;
pub mod detection;
mod fold;
mod guess_spec;
pub mod inventory;
mod layers;
mod load;
pub mod loss;
pub mod network;
pub mod spec;
mod yaml;
