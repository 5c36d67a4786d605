//! JPEG by the library that `cv2.imread` uses, so that the pixels are the very same.
//!
//! Decoders may round differently, and where chroma is stored at half the resolution two good ones differ by up to five
//! grey levels on a sixth of all pixels: more than a letterbox may. This one also decodes at a fraction of the size,
//! which is what makes a list of thumbnails quick.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::RgbImage;
use mozjpeg::{ColorSpace, Decompress};

use super::MAX_PIXELS;

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
