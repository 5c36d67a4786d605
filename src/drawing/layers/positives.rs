//! The mask set against YOLOv5's positive cells: the mask alone is outlined, positives alone are striped, cells that
//! are both are filled.

use crate::drawing::{Content, Fill, Ink, Item, Kind, LegendEntry, Sign};

pub(super) const LAYER: Kind = Kind { name: "positives", items, legend };

/// The signs of the three, in the order of [`Positives::counts`](crate::drawing::Positives::counts).
pub const SIGNS: [Sign; 3] =
    [Sign::Outline, Sign::Cell(Ink::Positive, Fill::Striped), Sign::Cell(Ink::Positive, Fill::Tinted)];

fn items(content: &Content<'_>) -> Vec<Item> {
    let Some(positives) = &content.positives else { return Vec::new() };
    vec![
        Item::region(&positives.both, Ink::Positive, Fill::Tinted),
        Item::region(&positives.alone, Ink::Positive, Fill::Striped),
        Item::region(&positives.mask_alone, Ink::White, Fill::Outline),
        Item::region(&positives.all, Ink::Positive, Fill::Outline),
    ]
}

fn legend(_: &[Item]) -> Vec<LegendEntry> {
    let texts = ["the mask alone", "YOLOv5's positives alone", "both"];
    SIGNS.into_iter().zip(texts).map(|(sign, text)| LegendEntry::new(sign, text)).collect()
}
