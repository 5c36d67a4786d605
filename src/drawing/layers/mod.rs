//! The layers of a picture: a file each, and a line here.

mod anchors;
mod best;
mod cell;
mod detections;
mod labels;
mod map;
mod mask;
mod photograph;
mod pointer;
mod positives;

pub use positives::SIGNS;

use super::{Content, Kind, LegendEntry, Picture};

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

/// Everything over a photograph.
pub fn picture(content: &Content<'_>) -> Picture {
    Picture::of(LAYERS.iter().map(|kind| (kind.name, (kind.items)(content))))
}

/// What the layers of pictures mean, each thing once.
pub fn legend(pictures: &[&Picture]) -> Vec<LegendEntry> {
    let mut entries = Vec::new();
    for kind in LAYERS {
        let shown = pictures.iter().flat_map(|picture| &picture.layers).filter(|layer| layer.name == kind.name);
        for entry in shown.flat_map(|layer| (kind.legend)(&layer.items)) {
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
    }
    entries
}
