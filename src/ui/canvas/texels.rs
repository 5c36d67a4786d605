//! From values to the pixels of a heatmap, one a cell. Nothing here draws.

use egui::{Color32, ColorImage};

use crate::app::view::RangeMode;
use crate::colormap::{self, EndsRule};
use crate::grid::Grid;
use crate::palette;
use crate::ui::canvas::maps::Scheme;

/// Over cells outside the mask where only those inside count.
const VEIL: Color32 = Color32::from_black_alpha(colormap::VEIL);

/// Where the colours of a map begin and end, over the cells that count.
pub fn range(grid: &Grid, scheme: &Scheme, mode: RangeMode, counts: impl Fn(usize) -> bool) -> (f32, f32) {
    let fixed = match mode {
        RangeMode::Locked { low, high } => Some((low, high)),
        RangeMode::Auto => None,
    };
    let rule = EndsRule { fixed, signed: scheme.signed, from_zero: scheme.from_zero };
    rule.ends(grid.values().iter().enumerate().filter(|&(cell, _)| counts(cell)).map(|(_, &value)| value))
}

/// One pixel a cell. What is not finite shows everywhere, in a colour that no map has.
pub fn paint(grid: &Grid, scheme: &Scheme, range: (f32, f32), inside: Option<impl Fn(usize) -> bool>) -> ColorImage {
    let colors = palette::color_map(scheme.map);
    let pixels = grid
        .values()
        .iter()
        .enumerate()
        .map(|(cell, &value)| {
            if !value.is_finite() {
                palette::NOT_FINITE
            } else if inside.as_ref().is_some_and(|inside| !inside(cell)) {
                VEIL
            } else if scheme.clear_to.is_some_and(|most| value <= most) {
                Color32::TRANSPARENT
            } else {
                let share = colormap::share(value, range);
                let color = colors[(share * 255.0).round() as usize];
                if scheme.fades { color.gamma_multiply(colormap::faded(share as f32)) } else { color }
            }
        })
        .collect();
    ColorImage::new([grid.width(), grid.height()], pixels)
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
    use crate::app::view::{ChannelView, Layer, ViewSettings};
    use crate::colormap::ColorMap;
    use crate::imitation::difference::DifferenceKind;
    use crate::ui::canvas::maps::scheme;

    fn of(layer: Layer, channels: ChannelView) -> Scheme {
        let difference = Some(DifferenceKind::default());
        let view = ViewSettings { layer, channels, difference, ..ViewSettings::default() };
        scheme(&view, "answers", false).expect("a layer with a map")
    }

    fn row(values: &[f32]) -> Grid {
        Grid::from_values(values.len(), 1, values.to_vec()).expect("one row")
    }

    #[test]
    fn ends_of_the_range_take_ends_of_the_map() {
        let scheme = of(Layer::Teacher, ChannelView::All);
        let grid = row(&[2.0, 3.0, 4.0]);
        let range = range(&grid, &scheme, RangeMode::Auto, |_| true);
        assert_eq!(range, (2.0, 4.0));
        let colors = palette::color_map(ColorMap::Inferno);
        let pixels = paint(&grid, &scheme, range, None::<fn(usize) -> bool>).pixels;
        assert_eq!(pixels, [colors[0], colors[128], colors[255]]);
    }

    #[test]
    fn what_is_not_finite_is_seen_and_leaves_the_range_alone() {
        let scheme = of(Layer::Difference, ChannelView::All);
        let grid = row(&[f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY]);
        let range = range(&grid, &scheme, RangeMode::Auto, |_| true);
        assert_eq!(range, (0.0, 1.0));
        let pixels = paint(&grid, &scheme, range, Some(|_| false)).pixels;
        assert_eq!([pixels[0], pixels[2], pixels[3]], [palette::NOT_FINITE; 3]);
        assert_eq!(pixels[1], VEIL);
    }

    #[test]
    fn signed_ranges_are_symmetric_locked_or_not() {
        let scheme = of(Layer::Difference, ChannelView::One(0));
        let grid = row(&[-1.0, 0.0, 3.0]);
        assert_eq!(range(&grid, &scheme, RangeMode::Auto, |_| true), (-3.0, 3.0));
        assert_eq!(range(&grid, &scheme, RangeMode::Locked { low: -5.0, high: 2.0 }, |_| true), (-5.0, 5.0));
        let pixels = paint(&grid, &scheme, (-3.0, 3.0), None::<fn(usize) -> bool>).pixels;
        assert_eq!(pixels[1], palette::color_map(ColorMap::BlueRed)[128]);
    }

    #[test]
    fn cells_without_hits_show_the_image_and_locked_ranges_clamp() {
        let scheme = of(Layer::Mask, ChannelView::All);
        let grid = row(&[0.0, 1.0, 9.0]);
        assert_eq!(range(&grid, &scheme, RangeMode::Auto, |_| true), (0.0, 9.0));
        let pixels = paint(&grid, &scheme, (0.0, 3.0), None::<fn(usize) -> bool>).pixels;
        let colors = palette::color_map(ColorMap::Viridis);
        assert_eq!(pixels, [Color32::TRANSPARENT, colors[85], colors[255]]);
    }

    #[test]
    fn low_values_of_a_fading_map_let_the_image_through() {
        let scheme = of(Layer::Iou, ChannelView::All);
        let pixels = paint(&row(&[0.05, 0.2, 0.4, 1.0]), &scheme, (0.0, 1.0), None::<fn(usize) -> bool>).pixels;
        assert_eq!(pixels.iter().map(|pixel| pixel.a()).collect::<Vec<_>>(), [64, 128, 255, 255]);
    }

    #[test]
    fn a_range_inside_the_mask_knows_nothing_of_the_outside() {
        let scheme = of(Layer::Teacher, ChannelView::All);
        assert_eq!(range(&row(&[1.0, 2.0, 100.0]), &scheme, RangeMode::Auto, |cell| cell < 2), (1.0, 2.0));
    }

    #[test]
    fn maps_without_a_spread_still_have_a_range() {
        let scheme = of(Layer::Teacher, ChannelView::All);
        assert_eq!(range(&row(&[5.0, 5.0]), &scheme, RangeMode::Auto, |_| true), (5.0, 6.0));
        assert_eq!(range(&row(&[f32::NAN]), &scheme, RangeMode::Auto, |_| true), (0.0, 1.0));
        let huge = row(&[-f32::MAX, f32::MAX]);
        let pixels = paint(&huge, &scheme, (-f32::MAX, f32::MAX), None::<fn(usize) -> bool>).pixels;
        assert_eq!(pixels[1], palette::color_map(ColorMap::Inferno)[255]);
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
