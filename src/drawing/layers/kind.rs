//! What a layer is.

use std::sync::Arc;

use crate::drawing::content::Content;
use crate::drawing::ink::Ink;
use crate::drawing::item::{Fill, Item, LegendEntry};
use crate::drawing::region::Region;

/// How a layer is built.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub items: fn(&Content<'_>) -> Vec<Item>,
    /// What its items mean.
    pub legend: fn(&[Item]) -> Vec<LegendEntry>,
}

/// For a layer that needs no words.
pub(super) fn no_legend(_: &[Item]) -> Vec<LegendEntry> {
    Vec::new()
}

pub(super) fn region(region: &Arc<Region>, ink: Ink, fill: Fill) -> Item {
    Item::Region { region: Arc::clone(region), ink, fill }
}
