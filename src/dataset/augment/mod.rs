//! Augmentation of training images as YOLOv5 v7.0 does it; boxes follow pixels.
//!
//! A [`Plan`] is everything that is drawn for one training image, as plain numbers; [`Plan::apply`] draws nothing. The
//! order is upstream's: tiles at input size, mosaic or letterbox, one 3 × 3 warp, mixup, HSV jitter, flips; only that flips,
//! which change no pixel, are made by the warp.

mod boxes;
mod canvas;
mod hsv;
mod plan;
mod sampling;
mod tile;
mod warp;

pub use hsv::jitter;
pub use plan::{Key, Layout, Plan, Scene};
pub use tile::{Tile, fitted};
pub use warp::{Matrix, Warp};

/// What is drawn for each training image, under the names and in the units of YOLOv5's `hyp.*.yaml`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// Hue, saturation and value jitter, as fractions.
    pub hsv_h: f64,
    pub hsv_s: f64,
    pub hsv_v: f64,
    /// Rotation, ± degrees.
    pub degrees: f64,
    /// ± fraction of the side.
    pub translate: f64,
    /// ± gain.
    pub scale: f64,
    /// ± degrees.
    pub shear: f64,
    /// ± fraction, 0 to 0.001.
    pub perspective: f64,
    /// Probabilities.
    pub flipud: f64,
    pub fliplr: f64,
    pub mosaic: f64,
    /// Of a mosaic.
    pub mixup: f64,
}
