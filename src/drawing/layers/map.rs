//! The map over the photograph.

use std::sync::Arc;

use ecolor::Color32;

use crate::drawing::{Content, Item, Kind, LegendEntry, Sign};
use crate::palette;

pub(super) const LAYER: Kind = Kind { name: "map", items, legend };

fn items(content: &Content<'_>) -> Vec<Item> {
    let map = content.map.as_ref().filter(|map| !map.grid.values().is_empty());
    map.map(|map| Item::Map { map: Arc::clone(map), opacity: content.opacity.clamp(0.0, 1.0) }).into_iter().collect()
}

fn legend(items: &[Item]) -> Vec<LegendEntry> {
    let mut entries = Vec::new();
    for item in items {
        if let Item::Map { map, .. } = item {
            let veil = || LegendEntry::new(Sign::Fill(Color32::from_gray(60)), "outside the mask");
            entries.extend(map.inside.as_ref().map(|_| veil()));
            let not_finite = || LegendEntry::new(Sign::Fill(palette::NOT_FINITE), "not finite");
            entries.extend((map.not_finite() > 0).then(not_finite));
        }
    }
    entries
}
