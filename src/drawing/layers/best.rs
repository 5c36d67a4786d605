//! Anchors at the cell where a ground truth has its best IoU.

use crate::drawing::{BestAnchor, Content, Frame, Ink, Item, Kind, LegendEntry, Sign, Stroke, Tag, cell_box};
use crate::geometry::BoundingBox;

pub(super) const LAYER: Kind = Kind { name: "best", items, legend };

fn items(content: &Content<'_>) -> Vec<Item> {
    let of = |best: &BestAnchor| {
        let cell = cell_box(best.cell.0, best.cell.1, content.stride);
        let (x, y) = cell.center();
        let bbox = BoundingBox::from_center(x, y, best.anchor[0], best.anchor[1]);
        let marked = best.value.clone().map(|value| {
            let tag = Some(Tag::Value(value));
            let frame = Item::Frame(Frame { tag, ..Frame::new(cell, Ink::Cell, Stroke::Strong) });
            [frame, Item::Cross { around: cell, ink: Ink::Cell, stroke: Stroke::Strong }]
        });
        let anchor = Item::Frame(Frame::new(bbox, best.ink, Stroke::Dashed));
        std::iter::once(anchor).chain(marked.into_iter().flatten())
    };
    content.best.iter().flat_map(of).collect()
}

fn legend(_: &[Item]) -> Vec<LegendEntry> {
    vec![LegendEntry::new(Sign::Dashed(Ink::White), "anchor at the cell of the best IoU")]
}
