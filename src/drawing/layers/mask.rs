//! The outline of the mask.

use crate::drawing::{Content, Fill, Item, Kind, LegendEntry, Sign};

pub(super) const LAYER: Kind = Kind { name: "mask", items, legend };

fn items(content: &Content<'_>) -> Vec<Item> {
    let mask = content.mask.as_ref().filter(|_| content.positives.is_none());
    mask.map(|mask| Item::region(mask, content.mask_ink, Fill::Outline)).into_iter().collect()
}

fn legend(_: &[Item]) -> Vec<LegendEntry> {
    vec![LegendEntry::new(Sign::Outline, "outline of the mask")]
}
