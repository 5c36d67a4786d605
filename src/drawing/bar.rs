//! The colour bar of a map.

use std::sync::Arc;

use super::heatmap::Heatmap;

/// A map's colours from the low to the high end, with what they mean.
#[derive(Clone, Debug, PartialEq)]
pub struct ColorBar {
    pub map: Arc<Heatmap>,
    /// What is shown, with its unit.
    pub label: String,
    /// Counts: in steps.
    pub integer: bool,
    /// Values with a name.
    pub marks: Vec<(f32, String)>,
    /// The range stays from image to image.
    pub locked: bool,
}

impl ColorBar {
    pub fn new(map: Arc<Heatmap>, label: impl Into<String>) -> Self {
        Self { map, label: label.into(), integer: false, marks: Vec::new(), locked: false }
    }
}
