//! Boxes enclose what they are boxes of: painted rectangles are augmented, and looked for in the picture.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::path::PathBuf;
use std::sync::Arc;

use distillscope::dataset::augment::{Layout, Plan, Scene, Tile, Warp, fitted};
use distillscope::dataset::{Label, Sample};
use distillscope::geometry::{BoundingBox, Size};
use image::{Rgb, RgbImage};
use proptest::prelude::*;

use crate::augment::picture;

const INPUT: Size = Size::square(96);
const COLOURS: [[u8; 3]; 4] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]];
/// Px between a box and what is painted: half for the grid, half for the blended edge, and what the reference moves
/// pixels against boxes, as its warp counts from the centres of pixels and its boxes from their borders. That is 1.5 at
/// most for what is upright, and 2 for half a turn.
fn tolerance(warp: &Warp) -> f32 {
    let (sin, cos) = warp.degrees.to_radians().sin_cos();
    let moved = [cos + sin, cos - sin].map(|sum| (0.5 - 0.5 * warp.scale * sum).abs());
    1.0 + moved[0].max(moved[1]) as f32
}

/// A black image with one rectangle, [x1, y1, x2, y2) in whole px.
#[derive(Clone, Debug)]
struct Painted {
    size: Size,
    rectangle: [u32; 4],
}

impl Painted {
    fn tile(&self, class: usize, colour: [u8; 3], input: Size) -> Tile {
        let [x1, y1, x2, y2] = self.rectangle;
        let image = RgbImage::from_fn(self.size.width, self.size.height, |x, y| {
            let inside = (x1..x2).contains(&x) && (y1..y2).contains(&y);
            Rgb(if inside { colour } else { [0; 3] })
        });
        let bbox = BoundingBox::new(x1 as f32, y1 as f32, x2 as f32, y2 as f32);
        let sample = Sample { image: PathBuf::new(), size: self.size, labels: vec![Label { class, bbox }] };
        Tile::new(&sample, Arc::new(fitted(image, input)))
    }
}

fn painted(least_side: u32) -> impl Strategy<Value = Painted> {
    (least_side..150, least_side..150, 0.0..1.0, 0.0..1.0, 0.2..1.0, 0.2..1.0).prop_map(
        |(width, height, x, y, w, h)| {
            let span = |side: u32, at: f64, share: f64| {
                let length = ((f64::from(side) * share) as u32).max(4);
                let first = (f64::from(side - length) * at) as u32;
                (first, first + length)
            };
            let ((x1, x2), (y1, y2)) = (span(width, x, w), span(height, y, h));
            Painted { size: Size::new(width, height), rectangle: [x1, y1, x2, y2] }
        },
    )
}

/// Upright or turned by quarters.
fn warp() -> impl Strategy<Value = Warp> {
    (prop::sample::select(vec![0.0, 0.0, 90.0, 180.0, -90.0]), 0.5..1.5, -0.2..0.2, -0.2..0.2)
        .prop_map(|(degrees, scale, x, y)| Warp { degrees, scale, translate: [x, y], ..Warp::default() })
}

fn center() -> impl Strategy<Value = (u32, u32)> {
    (INPUT.width / 2..INPUT.width * 3 / 2, INPUT.height / 2..INPUT.height * 3 / 2)
}

/// The box around the pixels that are painted.
fn hull(image: &RgbImage, is_painted: impl Fn(&Rgb<u8>) -> bool) -> Option<BoundingBox> {
    let found = image.enumerate_pixels().filter(|(_, _, pixel)| is_painted(pixel));
    found
        .map(|(x, y, _)| BoundingBox::new(x as f32, y as f32, x as f32 + 1.0, y as f32 + 1.0))
        .reduce(|a, b| BoundingBox::new(a.x1.min(b.x1), a.y1.min(b.y1), a.x2.max(b.x2), a.y2.max(b.y2)))
}

/// Whether at least half of a pixel has this one of [`COLOURS`]; black and grey have nothing of any.
fn has(pixel: &Rgb<u8>, colour: usize) -> bool {
    let [r, g, b] = pixel.0.map(i32::from);
    let shares = [r - g.max(b), g - r.max(b), b - r.max(g), r.min(g) - b];
    shares[colour] > 128
}

fn check(label: &BoundingBox, hull: Option<BoundingBox>, tolerance: f32) -> Result<(), TestCaseError> {
    let hull = hull.ok_or_else(|| TestCaseError::fail(format!("nothing is painted in {label:?}")))?;
    let apart = label.as_xyxy().iter().zip(hull.as_xyxy()).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    prop_assert!(apart <= tolerance, "{label:?} for pixels in {hull:?}");
    Ok(())
}

fn plain(scene: Scene) -> Plan {
    Plan { scene, mixup: None, hsv: None, flip_vertical: false, flip_horizontal: false }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_letterboxed_and_warped_box_is_where_its_pixels_are(
        painted in painted(20), warp in warp(), flip_vertical: bool, flip_horizontal: bool,
    ) {
        let plan = Plan {
            flip_vertical,
            flip_horizontal,
            ..plain(Scene { layout: Layout::Letterbox(0), warp })
        };
        let (image, labels) = picture(&plan, INPUT, &mut |_| Some(painted.tile(5, COLOURS[0], INPUT)));
        prop_assert!(labels.iter().all(|label| label.class == 5));
        // An odd pad is half a pixel wider for boxes than for pixels.
        let tolerance = tolerance(&warp) + 0.5 * warp.scale as f32;
        for label in &labels {
            check(&label.bbox, hull(&image, |pixel| has(pixel, 0)), tolerance)?;
        }
        // Translations keep half of the picture at least; what is gone with its label is small.
        let dropped = hull(&image, |pixel| has(pixel, 0)).filter(|_| labels.is_empty());
        if let Some(left) = dropped {
            let [x1, y1, x2, y2] = painted.rectangle;
            let ratio = f64::from(INPUT.width) / f64::from(painted.size.width.max(painted.size.height)) * warp.scale;
            let whole = f64::from((x2 - x1) * (y2 - y1)) * ratio * ratio;
            let margin = f64::from(left.width() + left.height() + 4.0);
            let is_thin = left.width().min(left.height()) <= 2.0 + tolerance;
            prop_assert!(is_thin || f64::from(left.area()) <= 0.1 * whole + margin, "{left:?} of {painted:?}");
        }
    }

    #[test]
    fn a_mosaics_boxes_are_where_their_pixels_are(
        painted in prop::array::uniform4(painted(20)), warp in warp(), center in center(), flip_horizontal: bool,
    ) {
        let scene = Scene { layout: Layout::Mosaic { tiles: [2, 0, 3, 1], center }, warp };
        let plan = Plan { flip_horizontal, ..plain(scene) };
        let (image, labels) =
            picture(&plan, INPUT, &mut |index| Some(painted[index].tile(index, COLOURS[index], INPUT)));
        for label in &labels {
            check(&label.bbox, hull(&image, |pixel| has(pixel, label.class)), tolerance(&warp))?;
        }
    }

    #[test]
    fn a_mixtures_boxes_are_where_their_pixels_are(
        painted in prop::array::uniform2(painted(90)), warps in prop::array::uniform2(warp()), center in center(),
    ) {
        // One tile each, red and blue; the rest is grey.
        let scene = |index: usize, tiles: [usize; 4]| Scene { layout: Layout::Mosaic { tiles, center }, warp: warps[index] };
        let plan = Plan { mixup: Some((scene(1, [9, 9, 9, 1]), 0.5)), ..plain(scene(0, [0, 9, 9, 9])) };
        let colours = [COLOURS[0], COLOURS[2]];
        let (image, labels) =
            picture(&plan, INPUT, &mut |index| painted.get(index).map(|p| p.tile(index, colours[index], INPUT)));
        for label in &labels {
            // Half of 255 against two halves of grey, so that nearly a whole pixel must be painted: one more to either side.
            let found = hull(&image, |pixel| pixel.0[2 * label.class] > 120);
            check(&label.bbox, found, 1.0 + tolerance(&warps[label.class]))?;
        }
    }
}

#[test]
fn an_image_of_one_pixel_fills_the_input_and_its_box_too() {
    let painted = Painted { size: Size::square(1), rectangle: [0, 0, 1, 1] };
    let plan = plain(Scene { layout: Layout::Letterbox(0), warp: Warp::default() });
    let (image, labels) = picture(&plan, INPUT, &mut |_| Some(painted.tile(0, COLOURS[1], INPUT)));
    assert!(image.pixels().all(|pixel| pixel.0 == COLOURS[1]));
    assert_eq!(labels[0].bbox.as_xyxy(), [0.0, 0.0, 96.0, 96.0]);
}

#[test]
fn a_very_long_image_is_a_row_and_its_boxes_are_too_thin_to_learn() {
    // 31 · 96 / 5000 = 0.6 px, rounded up to a row: (96 − 1) / 2 = 47 above it.
    let painted = Painted { size: Size::new(5000, 31), rectangle: [0, 0, 5000, 31] };
    let plan = plain(Scene { layout: Layout::Letterbox(0), warp: Warp::default() });
    let (image, labels) = picture(&plan, INPUT, &mut |_| Some(painted.tile(0, COLOURS[0], INPUT)));
    for (_, y, pixel) in image.enumerate_pixels() {
        assert_eq!(pixel.0, if y == 47 { COLOURS[0] } else { [114; 3] }, "row {y}");
    }
    assert_eq!(labels, []);
}

#[test]
fn a_background_stays_one_and_what_cannot_be_read_stays_grey() {
    let warp = Warp { degrees: 30.0, scale: 1.2, ..Warp::default() };
    let background = RgbImage::from_pixel(40, 30, Rgb([9, 9, 9]));
    let sample = Sample { image: PathBuf::new(), size: Size::new(40, 30), labels: Vec::new() };
    let tile = Tile::new(&sample, Arc::new(fitted(background, INPUT)));
    let mosaic = plain(Scene { layout: Layout::Mosaic { tiles: [0; 4], center: (96, 96) }, warp });
    let (image, labels) = picture(&mosaic, INPUT, &mut |_| Some(tile.clone()));
    assert_eq!(image.get_pixel(48, 48).0, [9, 9, 9]);
    assert_eq!(labels, []);
    for layout in [Layout::Mosaic { tiles: [0; 4], center: (96, 96) }, Layout::Letterbox(0)] {
        let (image, labels) = picture(&plain(Scene { layout, warp }), INPUT, &mut |_| None);
        assert!(image.pixels().all(|pixel| pixel.0 == [114; 3]));
        assert_eq!(labels, []);
    }
}

#[test]
fn a_warp_that_leaves_nothing_is_grey() {
    let painted = Painted { size: Size::square(50), rectangle: [0, 0, 50, 50] };
    let warp = Warp { scale: 0.0, ..Warp::default() };
    let plan = plain(Scene { layout: Layout::Letterbox(0), warp });
    let (image, labels) = picture(&plan, INPUT, &mut |_| Some(painted.tile(0, COLOURS[0], INPUT)));
    assert!(image.pixels().all(|pixel| pixel.0 == [114; 3]));
    assert_eq!(labels, []);
}
