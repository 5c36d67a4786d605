//! Pixels: decoding, the letterbox, and reduced copies for the screen.
//!
//! What `cv2.imread` makes of a file is what the models were trained on, so it is the measure here: orientation applied,
//! alpha dropped and not blended, grey spread to three channels, 16 bits cut to their upper 8.

use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult, Limits, RgbImage};

use super::error::DatasetError;
use super::{jpeg, resize, text, webp};
use crate::dataset::{png, tiff};
use crate::geometry::{Letterbox, Size};

/// Pixels that an image may have: 134 million, 400 MB as RGB.
pub const MAX_PIXELS: u64 = 1 << 27;
/// Pixels on a side, as many as a JPEG can have; tables along a side are as long as that.
pub const MAX_SIDE: u32 = 65_535;
/// Pixels that a file of any length may claim: 17 million, 50 MB as RGB.
pub const PIXELS_OF_ANY_FILE: u64 = 1 << 24;
/// Above that a byte of the file stands for so many pixels at most. A PNG of one colour and one bit a pixel has 8,200.
pub const PIXELS_PER_BYTE: u64 = 1 << 14;
/// What is said of a picture whose file breaks off.
pub const CUT_SHORT: &str = "the JPEG is cut short: a part of the picture is missing, and training leaves it out";
/// A compressed file larger than this holds no image of that size.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// What a decoder may allocate beside the pixels: metadata, rows, strips.
const MAX_DECODER_BYTES: u64 = 64 << 20;
/// A pixel of 16-bit RGBA.
const MAX_PIXEL_BYTES: u64 = 8;

/// YOLOv5's grey around a letterboxed image.
pub(super) const PAD: u8 = 114;

fn decoder(path: &Path) -> Result<(impl ImageDecoder, Option<ImageFormat>, Size), DatasetError> {
    let failed = |cause| DatasetError::Image { path: path.to_owned(), cause };
    let read = |cause| DatasetError::read(path, cause);
    let mut file = text::open(path, MAX_FILE_BYTES)?;
    let bytes = file.get_ref().metadata().map_err(read)?.len();
    let content = |what| DatasetError::ImageContent { path: path.to_owned(), what };
    if let Some(frame) = webp::check(&mut file, bytes).map_err(content)? {
        check_size(path, frame, bytes)?;
    }
    file.rewind().map_err(read)?;
    png::check(&mut file).map_err(content)?;
    file.rewind().map_err(read)?;
    tiff::check(&mut file, bytes).map_err(content)?;
    file.rewind().map_err(read)?;
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(read)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits.clone());
    let format = reader.format();
    let mut decoder = guarded(|| reader.into_decoder()).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let size = Size::new(width, height);
    check_size(path, size, bytes)?;
    limits.max_alloc = Some(MAX_DECODER_BYTES + MAX_PIXEL_BYTES * u64::from(width) * u64::from(height));
    decoder.set_limits(limits).map_err(failed)?;
    Ok((decoder, format, size))
}

/// What a decoder that panics makes of a file is an error like any other: it is not ours, and the file is not to be trusted.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> ImageResult<T>) -> ImageResult<T> {
    let broke_off = |_| Err(ImageError::IoError(io::Error::other("its decoder broke off")));
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(broke_off)
}

/// Holds the size that a file of `bytes` claims against what there can be, before anything of it is allocated.
fn check_size(path: &Path, size: Size, bytes: u64) -> Result<(), DatasetError> {
    let pixels = u64::from(size.width) * u64::from(size.height);
    if pixels == 0 || pixels > MAX_PIXELS || size.width.max(size.height) > MAX_SIDE {
        return Err(DatasetError::ImageSize { path: path.to_owned(), size });
    }
    if pixels > PIXELS_OF_ANY_FILE && pixels / PIXELS_PER_BYTE > bytes {
        return Err(DatasetError::ImageClaim { path: path.to_owned(), size, bytes });
    }
    Ok(())
}

/// Whether this is a JPEG that breaks off: it decodes, to a picture whose end is missing.
pub fn is_cut_short(path: &Path) -> Result<bool, DatasetError> {
    let read = |cause| DatasetError::read(path, cause);
    let mut file = text::open(path, MAX_FILE_BYTES)?;
    let mut ends = [0; 4];
    // The first two bytes and the last two tell of nearly every file.
    if file.read_exact(&mut ends[..2]).is_err() || ends[..2] != jpeg::START_OF_IMAGE {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-2)).map_err(read)?;
    file.read_exact(&mut ends[2..]).map_err(read)?;
    if ends[2..] == jpeg::END_OF_IMAGE {
        return Ok(false);
    }
    Ok(jpeg::is_cut_short(&text::read_bytes(path, MAX_FILE_BYTES)?))
}

fn orientation(decoder: &mut impl ImageDecoder) -> Orientation {
    // Broken metadata leave the picture as it is stored.
    decoder.orientation().unwrap_or(Orientation::NoTransforms)
}

/// Reads an image; its content, not its extension, says of which kind it is. EXIF orientation is applied.
pub fn decode(path: &Path) -> Result<RgbImage, DatasetError> {
    decode_at(path, None)
}

/// [`decode`] for training. A JPEG that is cut short still decodes, to a picture whose end is missing while its labels
/// are not; here it is an error.
pub(super) fn decode_whole(path: &Path) -> Result<RgbImage, DatasetError> {
    if jpeg::is_cut_short(&text::read_bytes(path, MAX_FILE_BYTES)?) {
        let cause = io::Error::new(io::ErrorKind::UnexpectedEof, "the JPEG is cut short");
        return Err(DatasetError::Image { path: path.to_owned(), cause: ImageError::IoError(cause) });
    }
    decode(path)
}

/// [`decode`], where a JPEG may come smaller, but with a long side of at least `side`.
fn decode_at(path: &Path, side: Option<u32>) -> Result<RgbImage, DatasetError> {
    let (mut decoder, format, _) = decoder(path)?;
    let orientation = orientation(&mut decoder);
    let jpeg = match format {
        Some(ImageFormat::Jpeg) => jpeg::decode(&text::read_bytes(path, MAX_FILE_BYTES)?, side),
        _ => None,
    };
    let rgb = match jpeg {
        Some(rgb) => rgb,
        None => {
            let decoded = guarded(|| DynamicImage::from_decoder(decoder))
                .map_err(|cause| DatasetError::Image { path: path.to_owned(), cause })?;
            to_rgb(decoded).ok_or_else(|| DatasetError::FloatImage { path: path.to_owned() })?
        }
    };
    let mut upright = DynamicImage::ImageRgb8(rgb);
    upright.apply_orientation(orientation);
    Ok(upright.into_rgb8())
}

/// `None` for floats.
fn to_rgb(image: DynamicImage) -> Option<RgbImage> {
    let image = match image {
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageLumaA16(_) | DynamicImage::ImageRgba16(_) => {
            DynamicImage::ImageRgb16(image.into_rgb16())
        }
        other => other,
    };
    match image {
        DynamicImage::ImageRgb16(wide) => {
            let (width, height) = wide.dimensions();
            let bytes = wide.into_raw().into_iter().map(|value| (value >> 8) as u8).collect();
            RgbImage::from_raw(width, height, bytes)
        }
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => None,
        other => Some(other.into_rgb8()),
    }
}

/// Width and height as [`decode`] would give them, from the header alone.
pub fn image_size(path: &Path) -> Result<Size, DatasetError> {
    let (mut decoder, _, size) = decoder(path)?;
    Ok(match orientation(&mut decoder) {
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => size,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            Size::new(size.height, size.width)
        }
    })
}

/// The network's input: `image` resized as OpenCV's `INTER_LINEAR` does, the rest filled with grey 114.
///
/// Fails where `letterbox` was made for an image of another size, or its input holds more than [`MAX_PIXELS`].
pub fn letterbox(image: &RgbImage, letterbox: &Letterbox) -> Result<RgbImage, DatasetError> {
    let found = Size::new(image.width(), image.height());
    let input = letterbox.input;
    let content = letterbox.content_size();
    let (left, top) = letterbox.content_origin();
    let fits = left.saturating_add(content.width) <= input.width && top.saturating_add(content.height) <= input.height;
    if found != letterbox.image || !fits || u64::from(input.width) * u64::from(input.height) > MAX_PIXELS {
        return Err(DatasetError::Letterbox { expected: letterbox.image, input, found });
    }
    let resized = resize::bilinear(image, content);
    if content == input {
        return Ok(resized);
    }
    let mut out = RgbImage::from_pixel(input.width, input.height, image::Rgb([PAD; 3]));
    image::imageops::replace(&mut out, &resized, i64::from(left), i64::from(top));
    Ok(out)
}

/// `image` at `size` as YOLOv5's evaluation resizes: OpenCV's `INTER_AREA` where both sides shrink, else `INTER_LINEAR`.
pub fn resized(image: RgbImage, size: Size) -> RgbImage {
    let (width, height) = image.dimensions();
    if size == Size::new(width, height) {
        image
    } else if size.width <= width && size.height <= height {
        resize::area(&image, size)
    } else {
        resize::bilinear(&image, size)
    }
}

/// A smooth copy for the screen whose long side is `side`; `None` where the image is no larger than that.
pub fn shrink_to(image: &RgbImage, side: u32) -> Option<RgbImage> {
    let (width, height) = image.dimensions();
    let long = width.max(height);
    if long <= side || side == 0 {
        return None;
    }
    let scaled = |n: u32| (f64::from(n) * f64::from(side) / f64::from(long)).round().max(1.0) as u32;
    let (out_width, out_height) = (scaled(width), scaled(height));
    let source = ImageRef::new(width, height, image.as_raw(), PixelType::U8x3).ok()?;
    let mut out = Image::new(out_width, out_height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Hamming));
    Resizer::new().resize(&source, &mut out, &options).ok()?;
    RgbImage::from_raw(out_width, out_height, out.into_vec())
}

/// The image at `path` with its long side at most `side`.
pub fn thumbnail(path: &Path, side: u32) -> Result<RgbImage, DatasetError> {
    let image = decode_at(path, Some(side))?;
    Ok(shrink_to(&image, side).unwrap_or(image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_panics_is_an_error() {
        let failed = guarded::<()>(|| panic!("an index")).expect_err("it panics").to_string();
        assert!(failed.contains("its decoder broke off"), "{failed}");
        assert_eq!(guarded(|| Ok(7)).expect("fine"), 7);
    }
}
