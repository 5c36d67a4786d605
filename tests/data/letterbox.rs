//! The letterbox gives, byte for byte, what YOLOv5's letterbox gives with OpenCV (`golden/letterbox.py`).

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::path::Path;

use distillscope::dataset::{decode, letterbox};
use distillscope::geometry::{Letterbox, Size};
use image::{Rgb, RgbImage};

/// The same noise as in the generator.
fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([0, 1, 2].map(|c: u32| {
            let mixed = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ c.wrapping_mul(0xC2B2_AE3D);
            ((mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D) >> 24) as u8
        }))
    })
}

#[test]
fn letterbox_equals_opencv() {
    for (image, input) in [
        ((61, 47), (96, 96)),
        ((97, 53), (64, 64)),
        ((150, 211), (64, 64)),
        ((128, 128), (64, 64)),
        ((100, 75), (100, 100)),
        ((90, 40), (64, 96)),
        ((5, 3), (64, 64)),
        ((300, 3), (64, 64)),
    ] {
        let case = format!("letterbox_{}x{}_{}x{}.png", image.0, image.1, input.0, input.1);
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(&case);
        let expected = decode(&golden).unwrap();
        let transform = Letterbox::fit(Size::new(image.0, image.1), Size::new(input.0, input.1), true);
        let got = letterbox(&noise(image.0, image.1), &transform).unwrap();
        assert_eq!(got.dimensions(), expected.dimensions(), "{case}");
        let differing = got.as_raw().iter().zip(expected.as_raw()).filter(|(a, b)| a != b).count();
        assert_eq!(differing, 0, "{case}: {differing} of {} bytes differ", got.as_raw().len());
    }
}

#[test]
fn a_photo_is_decoded_as_opencv_decodes_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let photo = decode(&folder.join("letterbox_photo.jpg")).unwrap();
    let expected = decode(&folder.join("letterbox_photo_83x83.png")).unwrap();
    let transform = Letterbox::fit(Size::new(83, 61), Size::square(83), true);
    assert!(letterbox(&photo, &transform).unwrap() == expected);
}

#[test]
fn a_small_image_is_padded_and_not_enlarged_without_scaleup() {
    let image = RgbImage::from_pixel(4, 2, Rgb([255, 0, 0]));
    let transform = Letterbox::fit(Size::new(4, 2), Size::square(8), false);
    let out = letterbox(&image, &transform).unwrap();
    for (x, y, pixel) in out.enumerate_pixels() {
        let inside = (2..6).contains(&x) && (3..5).contains(&y);
        assert_eq!(pixel.0, if inside { [255, 0, 0] } else { [114; 3] }, "({x}, {y})");
    }
}

#[test]
fn a_letterbox_for_another_image_is_refused() {
    let transform = Letterbox::fit(Size::new(640, 480), Size::square(64), true);
    let message = letterbox(&noise(480, 640), &transform).unwrap_err().to_string();
    assert_eq!(message, "a letterbox made for 640 × 480 pixels in 64 × 64 does not fit an image of 480 × 640");
}

#[test]
fn an_input_of_absurd_size_is_refused_before_it_is_allocated() {
    let transform = Letterbox::fit(Size::new(5, 3), Size::square(1_000_000), true);
    assert!(letterbox(&noise(5, 3), &transform).is_err());
}
