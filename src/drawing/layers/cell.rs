//! The cell that is explained, at the same place on every scale: framed, with marks at its sides that find it where it
//! is small.

use crate::drawing::{Content, Frame, Ink, Item, Kind, LegendEntry, Sign, Stroke, cell_box};

pub(super) const LAYER: Kind = Kind { name: "cell", items, legend };

fn items(content: &Content<'_>) -> Vec<Item> {
    let Some(pin) = content.pin else { return Vec::new() };
    let (ink, stroke) = (Ink::Cell, Stroke::Strong);
    let around = cell_box(pin.row, pin.col, pin.stride);
    vec![Item::Frame(Frame::new(around, ink, stroke)), Item::Cross { around, ink, stroke }]
}

fn legend(_: &[Item]) -> Vec<LegendEntry> {
    vec![LegendEntry::new(Sign::Box(Ink::Cell), "the cell that is explained")]
}
