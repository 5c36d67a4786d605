//! The layers of a picture: a file each, and a line here.

mod anchors;
mod best;
mod cell;
mod detections;
mod kind;
mod labels;
mod map;
mod mask;
mod photograph;
mod pointer;
mod positives;

pub use kind::Kind;
pub use positives::SIGNS;

/// From the lowest to the uppermost.
pub const LAYERS: &[Kind] = &[
    photograph::LAYER,
    map::LAYER,
    mask::LAYER,
    positives::LAYER,
    anchors::LAYER,
    labels::LAYER,
    detections::LAYER,
    best::LAYER,
    cell::LAYER,
    pointer::LAYER,
];
