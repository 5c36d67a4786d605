//! The photograph, where it steps back.

use crate::drawing::{Content, Item, Kind};

pub(super) const LAYER: Kind = Kind { name: "photograph", items, legend: |_| Vec::new() };

fn items(content: &Content<'_>) -> Vec<Item> {
    if content.muted > 0.0 { vec![Item::Muted(content.muted)] } else { Vec::new() }
}
