//! What a warp reads: tiles on a grey canvas, kept apart and never put together as long as rows are enough.

use std::sync::Arc;

use image::RgbImage;

use super::tile::Tile;
use crate::dataset::error::DatasetError;
use crate::dataset::image::{PAD, letterbox};
use crate::dataset::label::Label;
use crate::geometry::{BoundingBox, Letterbox, Size};

pub(super) struct Canvas {
    pub size: Size,
    /// They do not overlap.
    tiles: Vec<Placed>,
}

/// A tile's pixels, and where its first one lies; it may reach past the canvas, which cuts it off.
struct Placed {
    image: Arc<RgbImage>,
    left: i64,
    top: i64,
}

impl Canvas {
    /// One tile in the middle of the input.
    pub fn letterboxed(tile: Option<Tile>, input: Size) -> Result<(Self, Vec<Label>), DatasetError> {
        let Some(Tile { image, mut labels }) = tile else {
            return Ok((Self { size: input, tiles: Vec::new() }, Vec::new()));
        };
        let fit = Letterbox::fit(Size::new(image.width(), image.height()), input, true);
        for label in &mut labels {
            label.bbox = fit.to_input(&label.bbox);
        }
        let image = Arc::new(letterbox(&image, &fit)?);
        Ok((Self { size: input, tiles: vec![Placed { image, left: 0, top: 0 }] }, labels))
    }

    /// Four tiles that touch `center` (x, y) with a corner each, on a canvas twice as wide and high as the input: those of
    /// index 0, 1 above it, 2, 3 below, even ones to its left.
    pub fn mosaic(tiles: [Option<Tile>; 4], center: (u32, u32), input: Size) -> (Self, Vec<Label>) {
        let mut canvas = Self { size: Size::new(2 * input.width, 2 * input.height), tiles: Vec::with_capacity(4) };
        let mut labels = Vec::new();
        for (index, tile) in tiles.into_iter().enumerate() {
            let Some(tile) = tile else { continue };
            let (width, height) = tile.image.dimensions();
            let left = i64::from(center.0) - if index % 2 == 0 { i64::from(width) } else { 0 };
            let top = i64::from(center.1) - if index < 2 { i64::from(height) } else { 0 };
            let (x, y) = (left as f32, top as f32);
            labels.extend(tile.labels.iter().map(|Label { class, bbox: b }| {
                let moved = BoundingBox::new(b.x1 + x, b.y1 + y, b.x2 + x, b.y2 + y);
                Label { class: *class, bbox: moved.clipped(canvas.size.width as f32, canvas.size.height as f32) }
            }));
            canvas.tiles.push(Placed { image: tile.image, left, top });
        }
        (canvas, labels)
    }

    /// Writes the pixels of row `y` from column `left` on to `row`: grey where there is no tile, and outside.
    pub fn copy_row(&self, y: i64, left: i64, row: &mut [u8]) {
        row.fill(PAD);
        if !(0..i64::from(self.size.height)).contains(&y) {
            return;
        }
        let end = (left + (row.len() / 3) as i64).min(i64::from(self.size.width));
        for Placed { image, left: x, top } in &self.tiles {
            let (width, height) = (i64::from(image.width()), i64::from(image.height()));
            let (first, end) = (left.max(0).max(*x), end.min(x + width));
            if (*top..top + height).contains(&y) && first < end {
                let from = 3 * ((y - top) * width + first - x) as usize;
                let (to, bytes) = (3 * (first - left) as usize, 3 * (end - first) as usize);
                row[to..to + bytes].copy_from_slice(&image.as_raw()[from..from + bytes]);
            }
        }
    }
}
