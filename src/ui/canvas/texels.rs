//! Pixels of textures. Nothing here draws.

use egui::{Color32, ColorImage};

use crate::drawing::Heatmap;

/// A map, one pixel a cell.
pub fn map(map: &Heatmap) -> ColorImage {
    let pixels = map.pixels().into_iter().map(|[r, g, b, a]| Color32::from_rgba_unmultiplied(r, g, b, a));
    ColorImage::new([map.grid.width(), map.grid.height()], pixels.collect())
}

/// A photograph as a texture no larger than `limit` a side: every n-th pixel where it is too large.
pub fn photograph(picture: &image::RgbImage, limit: usize) -> ColorImage {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let step = width.max(height).div_ceil(limit.max(1)).max(1);
    if step == 1 {
        return ColorImage::from_rgb([width, height], picture.as_raw());
    }
    let size = [width.div_ceil(step), height.div_ceil(step)];
    let pixel = |row: usize, col: usize| {
        let [r, g, b] = picture.get_pixel(col as u32, row as u32).0;
        Color32::from_rgb(r, g, b)
    };
    let rows = (0..height).step_by(step);
    let pixels = rows.flat_map(|row| (0..width).step_by(step).map(move |col| pixel(row, col))).collect();
    ColorImage::new(size, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colormap::{ColorMap, VEIL};
    use crate::grid::Grid;
    use crate::palette;

    #[test]
    fn cells_keep_their_colours() {
        let grid = Grid::from_values(4, 1, vec![f32::NAN, 0.0, 1.0, 1.0]).expect("one row");
        let map = Heatmap { clear_to: Some(0.0), ..Heatmap::new(grid, 8.0, ColorMap::Inferno) };
        let inside = Some(vec![true, true, true, false]);
        let [r, g, b] = ColorMap::Inferno.table()[255];
        let picture = super::map(&Heatmap { inside, ..map });
        assert_eq!(picture.size, [4, 1]);
        let veil = Color32::from_black_alpha(VEIL);
        assert_eq!(picture.pixels, [palette::NOT_FINITE, Color32::TRANSPARENT, Color32::from_rgb(r, g, b), veil]);
    }

    #[test]
    fn photographs_stay_below_the_limit() {
        let picture = image::RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 0]));
        assert_eq!(photograph(&picture, 8).size, [5, 3]);
        let small = photograph(&picture, 3);
        assert_eq!(small.size, [3, 2]);
        assert_eq!(small.pixels[4], Color32::from_rgb(2, 2, 0));
    }
}
