//! Decoding gives what `cv2.imread` gives: any of the five formats by content, upright, 8-bit RGB, in bounded memory.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use distillscope::dataset::{DatasetError, decode, image_size, is_cut_short, shrink_to, thumbnail};
use distillscope::geometry::Size;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageEncoder, ImageFormat, LumaA, Rgb, RgbImage, Rgba,
    RgbaImage,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// 3 × 2, every pixel its own colour.
fn sample() -> RgbImage {
    RgbImage::from_fn(3, 2, |x, y| Rgb([10 * x as u8, 100 * y as u8, 200]))
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn decoded(bytes: &[u8]) -> Result<RgbImage, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    decode(&file(&folder, "image", bytes))
}

#[test]
fn the_content_says_the_format_and_not_the_extension() {
    let folder = tempfile::tempdir().unwrap();
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff] {
        let path = file(&folder, "wrong.jpg", &encoded(sample(), format));
        assert_eq!(decode(&path).unwrap(), sample(), "{format:?}");
        assert_eq!(image_size(&path).unwrap(), Size::new(3, 2), "{format:?}");
    }
    // JPEG loses a little: one flat colour comes back within a level.
    let flat = RgbImage::from_pixel(16, 8, Rgb([120, 130, 140]));
    let path = file(&folder, "wrong.png", &encoded(flat, ImageFormat::Jpeg));
    let got = decode(&path).unwrap();
    assert_eq!(got.dimensions(), (16, 8));
    assert!(got.pixels().all(|p| { p.0.iter().zip([120, 130, 140]).all(|(a, b)| a.abs_diff(b) <= 1) }));
}

/// Where the corner pixels of the stored picture (top left, top right) must be on screen, by EXIF's own table.
#[test]
fn exif_orientation_is_applied() {
    let stored = RgbImage::from_fn(3, 2, |x, y| Rgb([(10 * y + x) as u8; 3]));
    for (tag, rows) in [
        (1, vec![vec![0, 1, 2], vec![10, 11, 12]]),
        (2, vec![vec![2, 1, 0], vec![12, 11, 10]]),
        (3, vec![vec![12, 11, 10], vec![2, 1, 0]]),
        (4, vec![vec![10, 11, 12], vec![0, 1, 2]]),
        (5, vec![vec![0, 10], vec![1, 11], vec![2, 12]]),
        (6, vec![vec![10, 0], vec![11, 1], vec![12, 2]]),
        (7, vec![vec![12, 2], vec![11, 1], vec![10, 0]]),
        (8, vec![vec![2, 12], vec![1, 11], vec![0, 10]]),
    ] {
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif(tag)).unwrap();
        encoder.write_image(stored.as_raw(), 3, 2, image::ExtendedColorType::Rgb8).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "photo.png", &bytes);
        let got = decode(&path).unwrap();
        let got_rows: Vec<Vec<i32>> = got.rows().map(|row| row.map(|p| p.0[0].into()).collect()).collect();
        assert_eq!(got_rows, rows, "orientation {tag}");
        assert_eq!(image_size(&path).unwrap(), Size::new(got.width(), got.height()), "orientation {tag}");
    }
}

#[test]
fn a_jpegs_orientation_turns_its_size_too() {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif(Orientation::Rotate90.to_exif())).unwrap();
    encoder.write_image(RgbImage::new(32, 16).as_raw(), 32, 16, image::ExtendedColorType::Rgb8).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "photo.jpg", &bytes);
    assert_eq!(image_size(&path).unwrap(), Size::new(16, 32));
    assert_eq!(decode(&path).unwrap().dimensions(), (16, 32));
}

/// A little-endian TIFF directory with the one entry 0x0112.
fn exif(orientation: u8) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    bytes.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

#[test]
fn alpha_is_dropped_and_not_blended() {
    let transparent = RgbaImage::from_pixel(2, 2, Rgba([200, 100, 50, 0]));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
        let got = decoded(&encoded(transparent.clone(), format)).unwrap();
        assert!(got.pixels().all(|p| p.0 == [200, 100, 50]), "{format:?}");
    }
    let grey = GrayAlphaImage::from_pixel(2, 2, LumaA([77, 0]));
    assert!(decoded(&encoded(grey, ImageFormat::Png)).unwrap().pixels().all(|p| p.0 == [77; 3]));
}

#[test]
fn grey_fills_three_channels() {
    let grey = GrayImage::from_pixel(2, 2, image::Luma([9]));
    assert!(decoded(&encoded(grey, ImageFormat::Bmp)).unwrap().pixels().all(|p| p.0 == [9; 3]));
}

#[test]
fn of_sixteen_bits_the_upper_eight_stay() {
    let values = [0_u16, 255, 256, 383, 40_000, 65_535];
    let expected = [0, 0, 1, 1, 156, 255].map(|value| [value; 3]);
    let grey = ImageBuffer::from_fn(6, 1, |x, _| image::Luma([values[x as usize]]));
    let colour = ImageBuffer::from_fn(6, 1, |x, _| Rgb([values[x as usize]; 3]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        for image in [DynamicImage::ImageLuma16(grey.clone()), DynamicImage::ImageRgb16(colour.clone())] {
            let got = decoded(&encoded(image, format)).unwrap();
            assert_eq!(got.pixels().map(|p| p.0).collect::<Vec<_>>(), expected, "{format:?}");
        }
    }
}

#[test]
fn floats_are_refused_with_advice() {
    let float = ImageBuffer::from_pixel(2, 2, Rgb([0.5_f32; 3]));
    let error = decoded(&encoded(DynamicImage::ImageRgb32F(float), ImageFormat::Tiff)).unwrap_err();
    assert!(error.to_string().ends_with("save the image with 8 or 16 bits"), "{error}");
}

#[test]
fn a_header_that_claims_too_much_is_an_error() {
    // A BMP of 40,000 × 40,000 pixels in 54 bytes.
    let mut bmp = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bmp.extend(40_000_u32.to_le_bytes());
    bmp.extend(40_000_u32.to_le_bytes());
    bmp.extend(b"\x01\0\x18\0");
    bmp.extend([0; 24]);
    let error = decoded(&bmp).unwrap_err();
    assert!(matches!(error, DatasetError::ImageSize { size: Size { width: 40_000, height: 40_000 }, .. }), "{error}");
}

/// A WebP of these chunks, whose lengths may be claims.
fn webp(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, claimed, content) in chunks {
        body.extend(*name);
        body.extend(claimed.to_le_bytes());
        body.extend(*content);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// The head of an extended WebP: flags, and the canvas of [`sample`].
fn canvas(flags: u8) -> Vec<u8> {
    let Size { width, height } = Size::new(3, 2);
    [&[flags, 0, 0, 0][..], &(width - 1).to_le_bytes()[..3], &(height - 1).to_le_bytes()[..3]].concat()
}

#[test]
fn a_webp_is_held_against_its_file_before_anything_is_allocated() {
    // An EXIF chunk that claims 4 GB, in a file of a few hundred bytes.
    let pixels = encoded(sample(), ImageFormat::WebP);
    let pixels = &pixels[20..];
    let head = canvas(0x08);
    let good = webp(&[(b"VP8X", 10, &canvas(0)), (b"VP8L", pixels.len() as u32, pixels)]);
    assert_eq!(decoded(&good).unwrap().dimensions(), (3, 2));
    let exif = [0_u8; 500];
    let kept = pixels.len() as u32;
    for chunks in [
        &[(b"VP8X", 10, &head[..]), (b"VP8L", kept, pixels), (b"EXIF", u32::MAX - 10, &exif[..])][..],
        &[(b"VP8X", 10, &head[..]), (b"EXIF", u32::MAX - 10, &exif[..]), (b"VP8L", kept, pixels)],
        &[(b"VP8X", 10, &head[..]), (b"VP8L", u32::MAX, pixels)],
    ] {
        let message = decoded(&webp(chunks)).unwrap_err().to_string();
        assert!(message.contains("claims 42949672") && !message.contains('\n'), "{message}");
    }
    // A lossless frame of 16,384 × 16,384 px of one colour needs hardly a byte: signature, then both sides less one.
    let sides = (16_383_u32 | 16_383 << 14).to_le_bytes();
    let frame = [&[0x2F][..], &sides, &[0; 600]].concat();
    let error = decoded(&webp(&[(b"VP8L", frame.len() as u32, &frame)])).unwrap_err();
    assert!(matches!(error, DatasetError::ImageSize { size: Size { width: 16_384, height: 16_384 }, .. }), "{error}");
    // 8,192 × 8,192 px are few enough, but not in 650 bytes.
    let sides = (8_191_u32 | 8_191 << 14).to_le_bytes();
    let frame = [&[0x2F][..], &sides, &[0; 600]].concat();
    let error = decoded(&webp(&[(b"VP8L", frame.len() as u32, &frame)])).unwrap_err();
    assert!(matches!(error, DatasetError::ImageClaim { size: Size { width: 8_192, .. }, .. }), "{error}");
    // The same by a lossy frame's own size, behind a small canvas.
    let frame =
        [&[0x10, 0, 0, 0x9D, 0x01, 0x2A][..], &16_383_u16.to_le_bytes(), &16_383_u16.to_le_bytes(), &[0; 99]].concat();
    let error = decoded(&webp(&[(b"VP8X", 10, &canvas(0)), (b"VP8 ", frame.len() as u32, &frame)])).unwrap_err();
    assert!(matches!(error, DatasetError::ImageSize { size: Size { width: 16_383, .. }, .. }), "{error}");
    let message = decoded(&webp(&[(b"VP8X", 10, &canvas(0x02)), (b"ANIM", 6, &[0; 6])])).unwrap_err().to_string();
    assert!(message.contains("an animated WebP has many pictures"), "{message}");
}

#[test]
fn an_image_of_one_endless_row_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // The head of a grey PNG of one row, with its checksum, and no pixels.
    let row = |width: u32| {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend(width.to_be_bytes());
        png.extend(b"\0\0\0\x01\x08\0\0\0\0");
        let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&png[12..]);
        png.extend(crc.to_be_bytes());
        png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
        image_size(&file(&folder, "row.png", &png))
    };
    assert_eq!(row(65_535).unwrap(), Size::new(65_535, 1));
    let error = row(65_536).unwrap_err().to_string();
    assert!(error.contains("65536 × 1 pixels") && error.contains("at most 65535 on a side"), "{error}");
    assert!(row(134_217_728).is_err());
}

#[test]
fn a_jpeg_that_breaks_off_opens_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let noise = RgbImage::from_fn(64, 48, |x, y| Rgb([(x * y) as u8, (x * 7) as u8, (y * 5) as u8]));
    let whole = encoded(noise, ImageFormat::Jpeg);
    let cut = file(&folder, "cut.jpg", &whole[..whole.len() / 2]);
    assert!(is_cut_short(&cut).unwrap());
    assert_eq!(decode(&cut).unwrap().dimensions(), (64, 48));
    let trailing = [&whole[..], b"more"].concat();
    for (name, bytes) in
        [("whole.jpg", &whole[..]), ("trailing.jpg", &trailing), ("empty.jpg", b""), ("one.jpg", b"\xff")]
    {
        assert!(!is_cut_short(&file(&folder, name, bytes)).unwrap(), "{name}");
    }
    assert!(!is_cut_short(&file(&folder, "a.png", &encoded(sample(), ImageFormat::Png)[..30])).unwrap());
}

#[test]
fn what_is_no_image_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("empty.png", &b""[..]),
        ("text.jpg", b"hello"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        // CMYK, so that libjpeg leaves it to another decoder, whose words end with a new line.
        ("cut.jpg", &include_bytes!("../fuzz/seeds/cmyk.jpg")[..60]),
    ] {
        let path = file(&folder, name, bytes);
        let message = decode(&path).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
        assert!(!message.contains('\n'), "{message}");
        assert!(image_size(&path).is_err());
    }
    let missing = folder.path().join("missing.jpg");
    assert!(matches!(decode(&missing), Err(DatasetError::Read { .. })));
    assert!(matches!(decode(folder.path()), Err(DatasetError::NotAFile { .. })));
}

/// As the fuzzing found it: a palette of 716 bytes made the decoder panic.
#[test]
fn a_palette_that_is_no_palette_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let chunk = |kind: &[u8], data: &[u8]| {
        let checksum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&[kind, data].concat());
        [&(data.len() as u32).to_be_bytes(), kind, data, &checksum.to_be_bytes()].concat()
    };
    let png = |palette: usize| {
        let head = [&2_u32.to_be_bytes()[..], &1_u32.to_be_bytes(), &[8, 3, 0, 0, 0]].concat();
        // One row of two pixels of colour 0, deflated without compression.
        let pixels = b"\x78\x01\x01\x03\x00\xfc\xff\0\0\0\x00\x03\x00\x01";
        let parts =
            [chunk(b"IHDR", &head), chunk(b"PLTE", &vec![7; palette]), chunk(b"IDAT", pixels), chunk(b"IEND", b"")];
        decode(&file(&folder, "a.png", &[&b"\x89PNG\r\n\x1a\n"[..], &parts.concat()].concat()))
    };
    assert_eq!(png(768).unwrap().as_raw(), &[7; 6]);
    for bytes in [716, 769, 771, 1] {
        let error = png(bytes).unwrap_err().to_string();
        assert!(error.contains(&format!("its palette has {bytes} bytes")) && error.lines().count() == 1, "{error}");
    }
}

/// As the fuzzing found it: three million values of a tag took 98 MB for a file of 150 bytes.
#[test]
fn what_a_tiff_claims_is_held_against_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let good = encoded(sample(), ImageFormat::Tiff);
    let decoded = |bytes: &[u8]| decode(&file(&folder, "a.tif", bytes));
    assert!(decoded(&good).is_ok());
    let place = u32::from_le_bytes(good[4..8].try_into().unwrap()) as usize;
    assert_eq!((&good[..4], good[place + 2..place + 4].to_vec()), (&b"II*\0"[..], vec![0, 1]), "the width comes first");
    // The number of the width's values.
    let claims = |values: u32| {
        let mut bytes = good.clone();
        bytes[place + 6..place + 10].copy_from_slice(&values.to_le_bytes());
        decoded(&bytes).unwrap_err().to_string()
    };
    let error = claims(3_211_265);
    assert!(error.contains("its tag 256 claims") && error.contains("the file has"), "{error}");
    // A file that is long enough for them.
    let mut long = good.clone();
    long.resize(9 << 20, 0);
    long[place + 4..place + 10].copy_from_slice(&[3, 0, 1, 0, 16, 0]);
    let error = decoded(&long).unwrap_err().to_string();
    assert!(error.contains("claims 1048577 values, at most 1048576"), "{error}");
    // Big-endian, and with offsets of 64 bits.
    let entry = [&256_u16.to_be_bytes()[..], &4_u16.to_be_bytes(), &(1_u64 << 40).to_be_bytes(), &[0; 8]].concat();
    let big = [&b"MM\0\x2b\0\x08\0\0"[..], &16_u64.to_be_bytes(), &1_u64.to_be_bytes(), &entry].concat();
    let error = decoded(&big).unwrap_err().to_string();
    assert!(error.contains("its tag 256 claims 4398046511104 bytes"), "{error}");
}

#[test]
fn a_thumbnail_fits_its_side_and_keeps_the_shape() {
    let folder = tempfile::tempdir().unwrap();
    let wide = RgbImage::from_pixel(200, 50, Rgb([1, 2, 3]));
    let path = file(&folder, "wide.png", &encoded(wide.clone(), ImageFormat::Png));
    let small = thumbnail(&path, 64).unwrap();
    assert_eq!(small.dimensions(), (64, 16));
    assert!(small.pixels().all(|p| p.0 == [1, 2, 3]));
    assert_eq!(thumbnail(&path, 300).unwrap(), wide);
}

#[test]
fn a_shrunk_copy_averages_what_it_covers() {
    let stripes = RgbImage::from_fn(64, 64, |x, _| Rgb([if x % 2 == 0 { 0 } else { 200 }; 3]));
    let small = shrink_to(&stripes, 8).unwrap();
    assert_eq!(small.dimensions(), (8, 8));
    assert!(small.pixels().all(|p| p.0[0].abs_diff(100) <= 3), "{:?}", small.get_pixel(4, 4));
    assert_eq!(shrink_to(&stripes, 64), None);
    assert_eq!(shrink_to(&RgbImage::new(1000, 1), 10).unwrap().dimensions(), (10, 1));
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let formats = [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Jpeg];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    (prop::sample::select(formats.to_vec()), edits, any::<prop::sample::Index>()).prop_map(|(format, edits, cut)| {
        let mut bytes = encoded(RgbImage::from_fn(17, 13, |x, y| Rgb([x as u8, y as u8, 7])), format);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut.index(bytes.len()) / 4);
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damaged_images_never_panic(bytes in damaged()) {
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "image", &bytes);
        if let Ok(image) = decode(&path) {
            prop_assert_eq!(image_size(&path).unwrap(), Size::new(image.width(), image.height()));
        }
    }

    #[test]
    fn bytes_of_any_kind_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path: &Path = &file(&folder, "image", &bytes);
        prop_assert!(decode(path).is_err());
    }
}
