//! Four tiles around one point of a canvas twice as wide and as high as the input.

use image::RgbImage;

use super::Tile;
use crate::dataset::Label;
use crate::dataset::image::PAD;
use crate::geometry::{BoundingBox, Size};

/// The canvas of an input.
pub(super) fn canvas_size(input: Size) -> Size {
    Size::new(2 * input.width, 2 * input.height)
}

/// Tiles touch `center` (x, y) with a corner each: those of index 0, 1 above it, 2, 3 below, even ones to its left. What
/// reaches past the canvas is cut off, what no tile covers is grey.
pub(super) fn assemble(tiles: [Option<Tile>; 4], center: (u32, u32), input: Size) -> (RgbImage, Vec<Label>) {
    let size = canvas_size(input);
    let mut canvas = RgbImage::from_pixel(size.width, size.height, image::Rgb([PAD; 3]));
    let mut labels = Vec::new();
    for (index, tile) in tiles.into_iter().enumerate() {
        let Some(tile) = tile else { continue };
        let (width, height) = tile.image.dimensions();
        let left = i64::from(center.0) - if index % 2 == 0 { i64::from(width) } else { 0 };
        let top = i64::from(center.1) - if index < 2 { i64::from(height) } else { 0 };
        paste(&mut canvas, &tile.image, left, top);
        let (x, y) = (left as f32, top as f32);
        labels.extend(tile.labels.iter().map(|Label { class, bbox: b }| {
            let moved = BoundingBox::new(b.x1 + x, b.y1 + y, b.x2 + x, b.y2 + y);
            Label { class: *class, bbox: moved.clipped(size.width as f32, size.height as f32) }
        }));
    }
    (canvas, labels)
}

/// Copies `tile` to (left, top) of `canvas`, row by row.
fn paste(canvas: &mut RgbImage, tile: &RgbImage, left: i64, top: i64) {
    // First and last column (or row) of the tile that lie on the canvas.
    let inside = |origin: i64, length: u32, limit: u32| {
        let first = (-origin).clamp(0, i64::from(length));
        (first, (i64::from(limit) - origin).clamp(first, i64::from(length)))
    };
    let (x1, x2) = inside(left, tile.width(), canvas.width());
    let (y1, y2) = inside(top, tile.height(), canvas.height());
    let bytes = 3 * (x2 - x1) as usize;
    let stride = 3 * canvas.width() as usize;
    if bytes == 0 {
        return;
    }
    let canvas: &mut [u8] = canvas;
    for y in y1..y2 {
        let from = 3 * (y as usize * tile.width() as usize + x1 as usize);
        let to = (top + y) as usize * stride + 3 * (left + x1) as usize;
        canvas[to..to + bytes].copy_from_slice(&tile.as_raw()[from..from + bytes]);
    }
}
