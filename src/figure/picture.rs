//! Pixels inside an SVG: photographs and maps as PNG data URIs.

use base64::prelude::{BASE64_STANDARD, Engine};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError, RgbImage};

use super::spec::Heatmap;
use crate::colormap::{VEIL, faded, share};

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

/// The colour of every cell, red, green, blue and alpha.
pub(super) fn map_colors(map: &Heatmap, range: (f32, f32)) -> Vec<[u8; 4]> {
    let veiled = |cell: usize| map.inside.as_ref().is_some_and(|inside| !inside.get(cell).copied().unwrap_or(false));
    let color = |(cell, &value): (usize, &f32)| {
        if value.is_finite() && veiled(cell) {
            return [0, 0, 0, VEIL];
        }
        let [r, g, b] = map.colors.color(value, range);
        let alpha = match value {
            _ if !value.is_finite() => 1.0,
            value if map.hide_zero && value <= 0.0 => 0.0,
            value if map.fades => faded(share(value, range) as f32),
            _ => 1.0,
        };
        [r, g, b, (alpha * 255.0).round() as u8]
    };
    map.grid.values().iter().enumerate().map(color).collect()
}

/// The map as a picture.
pub(super) fn map_uri(map: &Heatmap, range: (f32, f32)) -> Result<String, ImageError> {
    let (width, height) = (map.grid.width(), map.grid.height());
    let factor = (MAP_SIDE / width.max(height).max(1)).max(1);
    let mut pixels = Vec::with_capacity(width * height * factor * factor * 4);
    for line in map_colors(map, range).chunks_exact(width.max(1)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colormap::{ColorMap, NOT_FINITE};
    use crate::grid::Grid;

    fn map(values: &[f32]) -> Heatmap {
        Heatmap {
            grid: Grid::from_values(values.len(), 1, values.to_vec()).expect("one row"),
            cell: 8.0,
            colors: ColorMap::Viridis,
            range: None,
            opacity: 1.0,
            quantity: String::new(),
            integer: false,
            hide_zero: false,
            fades: false,
            inside: None,
            marks: Vec::new(),
        }
    }

    #[test]
    fn cells_have_colour_and_opacity_by_hand() {
        let viridis = |index: usize| ColorMap::Viridis.table()[index];
        let with = |[r, g, b]: [u8; 3], alpha: u8| [r, g, b, alpha];
        // A fifth of 255 is 51.
        assert_eq!(map_colors(&map(&[0.2, 1.0]), (0.0, 1.0)), [with(viridis(51), 255), with(viridis(255), 255)]);
        let hidden = Heatmap { hide_zero: true, ..map(&[0.0, 1.0]) };
        assert_eq!(map_colors(&hidden, (0.0, 1.0))[0][3], 0);
        // Fading: opaque from 0.4 of the range on, half at 0.2, never below a quarter.
        let fading = Heatmap { fades: true, ..map(&[0.05, 0.2, 0.4]) };
        let alphas: Vec<u8> = map_colors(&fading, (0.0, 1.0)).iter().map(|color| color[3]).collect();
        assert_eq!(alphas, [64, 128, 255]);
        // Outside the mask black, but what is not finite shows everywhere.
        let veiled = Heatmap { inside: Some(vec![true, false, false]), ..map(&[1.0, 1.0, f32::NAN]) };
        assert_eq!(map_colors(&veiled, (0.0, 1.0)), [with(viridis(255), 255), [0, 0, 0, VEIL], with(NOT_FINITE, 255)]);
    }
}
