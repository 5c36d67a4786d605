//! The cell under the pointer, and in other panes a cross where the pointer would be.

use crate::drawing::{Content, Frame, Ink, Item, Kind, Pointer, Stroke, cell_at, cell_box};
use crate::geometry::BoundingBox;

pub(super) const LAYER: Kind = Kind { name: "pointer", items, legend: |_| Vec::new() };

fn items(content: &Content<'_>) -> Vec<Item> {
    let Some(Pointer { x, y, elsewhere }) = content.pointer else { return Vec::new() };
    let (ink, stroke) = (Ink::White, Stroke::Solid);
    let cell = cell_at(x, y, content.stride, content.shape);
    let frame = cell.map(|(row, col)| Item::Frame(Frame::new(cell_box(row, col, content.stride), ink, stroke)));
    let cross = elsewhere.then_some(Item::Cross { around: BoundingBox::new(x, y, x, y), ink, stroke });
    frame.into_iter().chain(cross).collect()
}
