//! Pixels inside an SVG: photographs and maps as PNG data URIs.

use base64::prelude::{BASE64_STANDARD, Engine};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError, RgbImage};

use crate::drawing::Heatmap;

/// Longest side in px to which a map is enlarged, each cell a square of whole pixels: viewers that smooth images, and
/// there are some that know nothing of `image-rendering`, still show cells with edges.
const MAP_SIDE: usize = 1280;

/// A PNG of `width × height` px, 3 or 4 bytes each, as a data URI.
fn data_uri(pixels: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Result<String, ImageError> {
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Adaptive)
        .write_image(pixels, width, height, color)?;
    Ok(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(&png)))
}

/// The photograph, in grey where colours are to belong to a map alone.
pub(super) fn photo_uri(photo: &RgbImage, grey: bool) -> Result<String, ImageError> {
    let (width, height) = photo.dimensions();
    if grey {
        let grey = image::imageops::grayscale(photo);
        return data_uri(grey.as_raw(), width, height, ExtendedColorType::L8);
    }
    data_uri(photo.as_raw(), width, height, ExtendedColorType::Rgb8)
}

/// The map as a picture.
pub(super) fn map_uri(map: &Heatmap) -> Result<String, ImageError> {
    let (width, height) = (map.grid.width(), map.grid.height());
    let factor = (MAP_SIDE / width.max(height).max(1)).max(1);
    let mut pixels = Vec::with_capacity(width * height * factor * factor * 4);
    for line in map.pixels().chunks_exact(width.max(1)) {
        let start = pixels.len();
        for color in line {
            for _ in 0..factor {
                pixels.extend_from_slice(color);
            }
        }
        let end = pixels.len();
        for _ in 1..factor {
            pixels.extend_from_within(start..end);
        }
    }
    data_uri(&pixels, (width * factor) as u32, (height * factor) as u32, ExtendedColorType::Rgba8)
}
