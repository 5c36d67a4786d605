//! An image at the size at which it goes into an input, with its ground truths.

use std::sync::Arc;

use image::RgbImage;

use crate::dataset::label::Label;
use crate::dataset::resize;
use crate::dataset::samples::Sample;
use crate::geometry::{BoundingBox, Size};

/// An image, resized but not yet placed.
#[derive(Clone, Debug)]
pub struct Tile {
    pub image: Arc<RgbImage>,
    /// Px of `image`.
    pub labels: Vec<Label>,
}

impl Tile {
    /// `image` is `sample`'s, at any size.
    pub fn new(sample: &Sample, image: Arc<RgbImage>) -> Self {
        let x = image.width() as f32 / sample.size.width.max(1) as f32;
        let y = image.height() as f32 / sample.size.height.max(1) as f32;
        let scaled = |b: &BoundingBox| BoundingBox::new(b.x1 * x, b.y1 * y, b.x2 * x, b.y2 * y);
        let labels = sample.labels.iter().map(|label| Label { bbox: scaled(&label.bbox), ..*label }).collect();
        Self { image, labels }
    }
}

/// `image` at the size at which training reads it: the largest that fits `input`, enlarged where it must be, sides
/// rounded up.
pub fn fitted(image: RgbImage, input: Size) -> RgbImage {
    let (width, height) = image.dimensions();
    let ratio =
        (f64::from(input.width) / f64::from(width.max(1))).min(f64::from(input.height) / f64::from(height.max(1)));
    let side = |n: u32| (f64::from(n) * ratio).ceil().max(1.0) as u32;
    let size = Size::new(side(width), side(height));
    if size == Size::new(width, height) { image } else { resize::bilinear(&image, size) }
}
