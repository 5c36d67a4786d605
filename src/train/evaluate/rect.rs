//! The geometry of an evaluation: images of like aspect share a batch, and a batch has the smallest rectangle that
//! holds its images.

use crate::geometry::{BoundingBox, Letterbox, Size};

/// Cells that an input is larger than its images, before it is rounded up to whole ones.
const PAD: f64 = 0.5;

/// Images that go through the network together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RectBatch {
    pub input: Size,
    /// Indices into the images.
    pub images: Vec<usize>,
}

/// Sorted by height over width and cut into batches. `imgsz`: the long side of an image, px.
pub(super) fn rect_batches(sizes: &[Size], imgsz: u32, batch: usize, stride: u32) -> Vec<RectBatch> {
    let aspect = |image: usize| f64::from(sizes[image].height) / f64::from(sizes[image].width);
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|a, b| aspect(*a).total_cmp(&aspect(*b)));
    let to_batch = |images: &[usize]| {
        let (widest, tallest) = (aspect(images[0]), aspect(images[images.len() - 1]));
        let (width, height) = match (widest, tallest) {
            (_, tallest) if tallest < 1.0 => (1.0, tallest),
            (widest, _) if widest > 1.0 => (1.0 / widest, 1.0),
            _ => (1.0, 1.0),
        };
        let side = |share: f64| (share * f64::from(imgsz) / f64::from(stride) + PAD).ceil() as u32 * stride;
        RectBatch { input: Size::new(side(width), side(height)), images: images.to_vec() }
    };
    order.chunks(batch.max(1)).map(to_batch).collect()
}

/// Where an image lies in its batch's input.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placement {
    pub image: Size,
    /// The image with its long side at `imgsz`.
    pub resized: Size,
    /// From `resized` to the input.
    pub letterbox: Letterbox,
}

impl Placement {
    pub fn new(image: Size, imgsz: u32, input: Size) -> Self {
        let scale = f64::from(imgsz) / f64::from(image.width.max(image.height));
        let side = |n: u32| (f64::from(n) * scale).ceil() as u32;
        let resized = if scale == 1.0 { image } else { Size::new(side(image.width), side(image.height)) };
        Self { image, resized, letterbox: Letterbox::fit(resized, input, false) }
    }

    /// Image px to input px.
    pub fn to_input(&self, bbox: &BoundingBox) -> BoundingBox {
        let x = (f64::from(self.resized.width) / f64::from(self.image.width)) as f32;
        let y = self.scale();
        self.letterbox.to_input(&BoundingBox::new(bbox.x1 * x, bbox.y1 * y, bbox.x2 * x, bbox.y2 * y))
    }

    /// Input px to image px, inside the image. Both axes by the height's scale, as upstream does: whole pixels can set
    /// the width's apart from it by one in its px. Ground truths go the same way, there and back.
    pub fn to_image(&self, bbox: &BoundingBox) -> BoundingBox {
        let (Letterbox { pad_x, pad_y, .. }, scale) = (self.letterbox, self.scale());
        BoundingBox::new(
            (bbox.x1 - pad_x) / scale,
            (bbox.y1 - pad_y) / scale,
            (bbox.x2 - pad_x) / scale,
            (bbox.y2 - pad_y) / scale,
        )
        .clipped(self.image.width as f32, self.image.height as f32)
    }

    fn scale(&self) -> f32 {
        (f64::from(self.resized.height) / f64::from(self.image.height)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_flat_as_its_tallest_image_lets_it_be() {
        // Of 800×450, 640×480 and 600×600 the first two are wider than tall: 0.75·320/32 + ½ = 8, width 10½ → 11.
        let sizes = [Size::new(600, 600), Size::new(640, 480), Size::new(800, 450)];
        let batches = rect_batches(&sizes, 320, 2, 32);
        assert_eq!(batches[0], RectBatch { input: Size::new(352, 256), images: vec![2, 1] });
        assert_eq!(batches[1], RectBatch { input: Size::new(352, 352), images: vec![0] });
    }

    #[test]
    fn tall_images_give_a_narrow_batch_and_mixed_ones_a_square() {
        // 450 / 800·320/32 + ½ = 6.125 → 7 columns of 32.
        let tall = [Size::new(450, 800), Size::new(300, 600)];
        assert_eq!(rect_batches(&tall, 320, 8, 32)[0].input, Size::new(224, 352));
        let mixed = [Size::new(450, 800), Size::new(800, 450)];
        assert_eq!(rect_batches(&mixed, 320, 8, 32)[0].input, Size::square(352));
        assert_eq!(rect_batches(&[], 320, 8, 32), []);
    }

    #[test]
    fn a_side_is_rounded_up_to_whole_pixels() {
        // 320 / 600·453 = 241.6.
        let placement = Placement::new(Size::new(600, 453), 320, Size::new(352, 288));
        assert_eq!(placement.resized, Size::new(320, 242));
        assert_eq!((placement.letterbox.pad_x, placement.letterbox.pad_y), (16.0, 23.0));
    }

    #[test]
    fn a_box_comes_back_to_within_a_pixel() {
        let placement = Placement::new(Size::new(600, 453), 320, Size::new(352, 288));
        let bbox = BoundingBox::new(30.0, 40.0, 590.0, 453.0);
        let back = placement.to_image(&placement.to_input(&bbox));
        for (before, after) in bbox.as_xyxy().into_iter().zip(back.as_xyxy()) {
            assert!((before - after).abs() < 1.0, "{bbox:?} → {back:?}");
        }
    }
}
