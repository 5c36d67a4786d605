//! JPEG by the library that `cv2.imread` uses, so that the pixels are the very same.
//!
//! Decoders may round differently, and where chroma is stored at half the resolution two good ones differ by up to five
//! grey levels on a sixth of all pixels: more than a letterbox may. This one also decodes at a fraction of the size,
//! which is what makes a list of thumbnails quick.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::RgbImage;
use mozjpeg::{ColorSpace, Decompress};

use super::image::MAX_PIXELS;

/// Decodes at the smallest of 1/8, 2/8, … 8/8 of the size whose long side is at least `side`; `None` decodes in full.
///
/// The answer is `None` where this library does not read the file: CMYK, or damage that ends the decoding. Damage that
/// leaves a picture leaves the same one as in OpenCV. Orientation is not applied.
pub(super) fn decode(bytes: &[u8], side: Option<u32>) -> Option<RgbImage> {
    // The library's way to report an error is to unwind.
    catch_unwind(AssertUnwindSafe(|| decode_unwinding(bytes, side))).ok().flatten()
}

fn decode_unwinding(bytes: &[u8], side: Option<u32>) -> Option<RgbImage> {
    let mut header = Decompress::new_mem(bytes).ok()?;
    if !matches!(header.color_space(), ColorSpace::JCS_YCbCr | ColorSpace::JCS_GRAYSCALE | ColorSpace::JCS_RGB) {
        return None;
    }
    // Two parsers may take a damaged header for two sizes; this one's counts here.
    if header.width() as u64 * header.height() as u64 > MAX_PIXELS {
        return None;
    }
    if let Some(side) = side {
        let long = header.width().max(header.height()).max(1) as u64;
        let eighths = (u64::from(side) * 8).div_ceil(long).clamp(1, 8);
        header.scale(eighths as u8);
    }
    let mut picture = header.rgb().ok()?;
    let (width, height) = (u32::try_from(picture.width()).ok()?, u32::try_from(picture.height()).ok()?);
    let pixels = picture.read_scanlines::<u8>().ok()?;
    // A file cut short has no proper end and still a picture.
    let _ = catch_unwind(AssertUnwindSafe(|| picture.finish()));
    RgbImage::from_raw(width, height, pixels)
}

pub(super) const START_OF_IMAGE: [u8; 2] = [0xFF, 0xD8];
pub(super) const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];

/// Whether these are the bytes of a JPEG without an end: one that breaks off in a header, or has no end-of-image marker
/// after the first scan begins. A scan's own data never contain that marker.
pub(super) fn is_cut_short(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    let Some(mut rest) = bytes.strip_prefix(&START_OF_IMAGE) else { return false };
    loop {
        rest = match rest {
            // Fill bytes, and markers that stand alone.
            [0xFF, 0xFF, ..] => &rest[1..],
            [0xFF, 0x01 | 0xD0..=0xD7, ..] => &rest[2..],
            [0xFF, START_OF_SCAN, scan @ ..] => return !scan.windows(2).rev().any(|pair| pair == END_OF_IMAGE),
            [0xFF, 0xD9, ..] => return false,
            [0xFF, _, high, low, ..] => rest.get(2 + usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or(&[]),
            // What is no marker is skipped by decoders too.
            [first, after @ ..] if *first != 0xFF => after,
            _ => return true,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg() -> Vec<u8> {
        let noise = RgbImage::from_fn(40, 30, |x, y| image::Rgb([(x * y) as u8, (x * 7) as u8, (y * 11) as u8]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        noise.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_beginning_of_a_jpeg_is_cut_short() {
        let whole = jpeg();
        assert!(!is_cut_short(&whole));
        assert!((2..whole.len()).all(|length| is_cut_short(&whole[..length])));
    }

    #[test]
    fn a_thumbnail_is_no_end_and_bytes_after_the_end_are_no_matter() {
        let whole = jpeg();
        // APP1 with a whole JPEG inside, as EXIF has it.
        let mut with_thumbnail = vec![0xFF, 0xD8, 0xFF, 0xE1];
        with_thumbnail.extend(u16::try_from(whole.len() + 2).unwrap().to_be_bytes());
        with_thumbnail.extend(&whole);
        with_thumbnail.extend(&whole[2..]);
        assert!(!is_cut_short(&with_thumbnail));
        assert!(is_cut_short(&with_thumbnail[..with_thumbnail.len() - 2]));
        assert!(!is_cut_short(&[whole, vec![0, 1, 2]].concat()));
        assert!(!is_cut_short(b"\x89PNG"));
    }
}
