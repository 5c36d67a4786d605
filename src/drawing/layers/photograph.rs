//! The photograph, where it steps back.

use super::kind::{Kind, no_legend};
use crate::drawing::content::Content;
use crate::drawing::item::Item;

pub(super) const LAYER: Kind = Kind { name: "photograph", items, legend: no_legend };

fn items(content: &Content<'_>) -> Vec<Item> {
    if content.muted > 0.0 { vec![Item::Muted(content.muted)] } else { Vec::new() }
}
