//! Boxes, IoU and the letterbox transform. Plain numbers, no image and no tensor.
//!
//! Two coordinate systems meet in this program and only [`Letterbox`] converts between them:
//! *image px* (the decoded file) and *input px* (what the network sees).

/// An axis-aligned box, corners in pixels of whichever system the owner says. `x2 >= x1`, `y2 >= y1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundingBox {
    pub x1: f32,
    pub y1: f32,
    pub x2: f32,
    pub y2: f32,
}

impl BoundingBox {
    pub const fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// From a centre and a size, all in the same unit.
    pub fn from_center(xc: f32, yc: f32, width: f32, height: f32) -> Self {
        let (half_w, half_h) = (width / 2.0, height / 2.0);
        Self::new(xc - half_w, yc - half_h, xc + half_w, yc + half_h)
    }

    pub fn width(&self) -> f32 {
        self.x2 - self.x1
    }

    pub fn height(&self) -> f32 {
        self.y2 - self.y1
    }

    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// (x, y) of the centre.
    pub fn center(&self) -> (f32, f32) {
        ((self.x1 + self.x2) / 2.0, (self.y1 + self.y2) / 2.0)
    }

    pub fn contains(&self, x: f32, y: f32) -> bool {
        x >= self.x1 && x <= self.x2 && y >= self.y1 && y <= self.y2
    }

    /// The part inside `[0, width] × [0, height]`.
    pub fn clipped(&self, width: f32, height: f32) -> Self {
        Self::new(
            self.x1.clamp(0.0, width),
            self.y1.clamp(0.0, height),
            self.x2.clamp(0.0, width),
            self.y2.clamp(0.0, height),
        )
    }

    /// Intersection over union of continuous boxes; 0 where the union is empty.
    pub fn iou(&self, other: &Self) -> f32 {
        let width = (self.x2.min(other.x2) - self.x1.max(other.x1)).max(0.0);
        let height = (self.y2.min(other.y2) - self.y1.max(other.y1)).max(0.0);
        let intersection = width * height;
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    pub fn as_xyxy(&self) -> [f32; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }
}

/// Width and height in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    pub const fn square(side: u32) -> Self {
        Self::new(side, side)
    }
}

/// The one transform between image px and input px: a uniform scale, then a centred pad.
///
/// YOLOv5's `letterbox(auto=False)`: `scale = min(W/w, H/h)`, the content is resized to whole pixels
/// and the rest is split evenly, so a pad can be half a pixel; the pixels themselves start at
/// [`Letterbox::content_origin`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    pub image: Size,
    pub input: Size,
    pub scale: f32,
    pub pad_x: f32,
    pub pad_y: f32,
}

impl Letterbox {
    /// Fits `image` into `input`; with `scaleup` false a small image is padded, never enlarged.
    pub fn fit(image: Size, input: Size, scaleup: bool) -> Self {
        let mut scale = (f64::from(input.width) / f64::from(image.width.max(1)))
            .min(f64::from(input.height) / f64::from(image.height.max(1)));
        if !scaleup {
            scale = scale.min(1.0);
        }
        let content = Self::content_size_at(image, scale);
        Self {
            image,
            input,
            scale: scale as f32,
            pad_x: (input.width as f32 - content.width as f32) / 2.0,
            pad_y: (input.height as f32 - content.height as f32) / 2.0,
        }
    }

    fn content_size_at(image: Size, scale: f64) -> Size {
        // Python rounds halves to even.
        let side = |n: u32| (f64::from(n) * scale).round_ties_even().max(1.0) as u32;
        Size::new(side(image.width), side(image.height))
    }

    /// Size of the resized image inside the input.
    pub fn content_size(&self) -> Size {
        Size::new(
            (self.input.width as f32 - 2.0 * self.pad_x).round() as u32,
            (self.input.height as f32 - 2.0 * self.pad_y).round() as u32,
        )
    }

    /// The input pixel (x, y) at which the resized image starts; an odd pad leaves the larger half behind it.
    pub fn content_origin(&self) -> (u32, u32) {
        ((self.pad_x - 0.1).round().max(0.0) as u32, (self.pad_y - 0.1).round().max(0.0) as u32)
    }

    pub fn point_to_input(&self, x: f32, y: f32) -> (f32, f32) {
        (x * self.scale + self.pad_x, y * self.scale + self.pad_y)
    }

    pub fn point_to_image(&self, x: f32, y: f32) -> (f32, f32) {
        ((x - self.pad_x) / self.scale, (y - self.pad_y) / self.scale)
    }

    pub fn to_input(&self, b: &BoundingBox) -> BoundingBox {
        let (x1, y1) = self.point_to_input(b.x1, b.y1);
        let (x2, y2) = self.point_to_input(b.x2, b.y2);
        BoundingBox::new(x1, y1, x2, y2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_of_half_overlapping_squares_is_a_third() {
        let a = BoundingBox::new(0.0, 0.0, 2.0, 2.0);
        let b = BoundingBox::new(1.0, 0.0, 3.0, 2.0);
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn iou_of_empty_boxes_is_zero_not_nan() {
        let a = BoundingBox::new(1.0, 1.0, 1.0, 1.0);
        assert_eq!(a.iou(&a), 0.0);
    }

    #[test]
    fn conversion_from_a_center_does_not_overwrite_its_own_input() {
        assert_eq!(BoundingBox::from_center(10.0, 20.0, 4.0, 6.0).as_xyxy(), [8.0, 17.0, 12.0, 23.0]);
    }

    #[test]
    fn letterbox_of_640x480_into_640_pads_80_above() {
        let l = Letterbox::fit(Size::new(640, 480), Size::square(640), true);
        assert_eq!((l.scale, l.pad_x, l.pad_y), (1.0, 0.0, 80.0));
        assert_eq!(l.content_origin(), (0, 80));
        assert_eq!(l.content_size(), Size::new(640, 480));
    }

    #[test]
    fn odd_pad_puts_the_larger_half_behind() {
        // 100x75 into 100: 25 rows to spare, 12 above and 13 below, as round(12.5 - 0.1) says.
        let l = Letterbox::fit(Size::new(100, 75), Size::square(100), true);
        assert_eq!(l.pad_y, 12.5);
        assert_eq!(l.content_origin(), (0, 12));
    }

    #[test]
    fn image_to_cell_and_back_stays_within_half_a_pixel() {
        for (w, h) in [(640, 480), (333, 1000), (1920, 1080), (37, 41), (5000, 31)] {
            let l = Letterbox::fit(Size::new(w, h), Size::square(640), true);
            for (x, y) in [(0.0, 0.0), (w as f32 / 3.0, h as f32 / 7.0), (w as f32, h as f32)] {
                let (ix, iy) = l.point_to_input(x, y);
                let (bx, by) = l.point_to_image(ix, iy);
                assert!((bx - x).abs() < 0.5 && (by - y).abs() < 0.5, "{w}x{h}: {x},{y} -> {bx},{by}");
            }
        }
    }
}
