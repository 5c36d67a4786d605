//! The grid of cells, and every anchor of one of them.

use std::sync::Arc;

use crate::drawing::{Content, Fill, Frame, Ink, Item, Kind, LegendEntry, Region, Sign, Stroke, Tag, cell_box};
use crate::geometry::BoundingBox;

pub(super) const LAYER: Kind = Kind { name: "anchors", items, legend };

fn items(content: &Content<'_>) -> Vec<Item> {
    let (Some((row, col)), (rows, cols)) = (content.anchors_at, content.shape) else { return Vec::new() };
    let stride = content.stride;
    let own = Arc::new(Region::of((rows, cols), stride, |cell| cell == row * cols + col));
    let (x, y) = cell_box(row, col, stride).center();
    let of = content.anchors.len();
    let anchors = content.anchors.iter().enumerate().map(|(index, &[width, height])| {
        let bbox = BoundingBox::from_center(x, y, width, height);
        let tag = Some(Tag::Size([width, height]));
        Item::Frame(Frame { tag, ..Frame::new(bbox, Ink::Anchor { index, of }, Stroke::Solid) })
    });
    let below = [Item::Grid { stride, rows, cols }, Item::region(&own, Ink::Cell, Fill::Tinted)];
    below.into_iter().chain(anchors).collect()
}

fn legend(_: &[Item]) -> Vec<LegendEntry> {
    vec![LegendEntry::new(Sign::Cell(Ink::Cell, Fill::Tinted), "the cell, and its anchors around it")]
}
