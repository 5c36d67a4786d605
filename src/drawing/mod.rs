//! What a picture shows, as data: built once from an image and how it is looked at, painted by the window and by figures.
//!
//! A [`Viewpoint`] says how a scene is looked at, a [`Content`] what there is to see on one scale, [`layers::picture`] asks every layer for its items, from the
//! lowest to the uppermost, and [`layers::legend`] for what they mean. Coordinates are input px; widths of lines,
//! sizes of type and where a tag finds room are the painter's: `ui::canvas::paint` for egui, `figure::paint` for SVG.

mod bar;
mod content;
mod heatmap;
mod ink;
mod item;
pub mod layers;
mod region;
mod view;
mod viewpoint;

use std::sync::Arc;

pub use bar::ColorBar;
pub use content::{BestAnchor, Content, Found, Kind, Pointer, Positives};
pub use heatmap::{Heatmap, Scheme};
pub use ink::{Ground, Ink};
pub use item::{Fill, Frame, Item, LegendEntry, Sign, Stroke, Tag};
pub use region::{Edge, Region, cell_at, cell_box};
pub use view::{Layer, Pin, RangeMode, ScaleChoice, View, ViewSettings};
pub use viewpoint::Viewpoint;

/// What is drawn over one photograph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// From the lowest to the uppermost; none is empty.
    pub layers: Vec<PictureLayer>,
}

/// The items of one layer, in the order in which they are painted.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureLayer {
    /// As [`layers::LAYERS`] has it.
    pub name: &'static str,
    pub items: Vec<Item>,
}

impl Picture {
    pub fn of(layers: impl Iterator<Item = (&'static str, Vec<Item>)>) -> Self {
        let layers = layers.filter(|(_, items)| !items.is_empty());
        Self { layers: layers.map(|(name, items)| PictureLayer { name, items }).collect() }
    }

    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.layers.iter().flat_map(|layer| &layer.items)
    }

    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> {
        self.layers.iter().flat_map(|layer| &layer.items).filter_map(|item| match item {
            Item::Frame(frame) => Some(frame),
            _ => None,
        })
    }

    pub fn map(&self) -> Option<&Arc<Heatmap>> {
        self.items().find_map(|item| match item {
            Item::Map { map, .. } => Some(map),
            _ => None,
        })
    }

    /// The same with another map.
    pub fn with_map(mut self, other: &Arc<Heatmap>) -> Self {
        for item in self.layers.iter_mut().flat_map(|layer| &mut layer.items) {
            if let Item::Map { map, .. } = item {
                *map = Arc::clone(other);
            }
        }
        self
    }

    /// The same without some of its layers.
    pub fn without(mut self, names: &[&str]) -> Self {
        self.layers.retain(|layer| !names.contains(&layer.name));
        self
    }
}
