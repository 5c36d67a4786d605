//! A map over the photograph: its values and how they become colours.

use super::view::View;
use crate::colormap::{ColorMap, EndsRule, VEIL, faded, share};
use crate::grid::Grid;
use crate::imitation::choice::COUNTED;

/// How the values of a view become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scheme {
    pub colors: ColorMap,
    /// Values have a sign: the range is symmetric around 0.
    pub signed: bool,
    /// The range begins at 0 whatever the smallest value is.
    pub from_zero: bool,
    /// Cells of no more than this value show the photograph.
    pub clear_to: Option<f32>,
    /// Low values let the photograph through.
    pub fades: bool,
}

impl Scheme {
    /// `one`: of one channel; `chosen`: colours in the place of the view's own. `None` for a view without a map.
    pub fn of(view: View, one: bool, chosen: Option<ColorMap>) -> Option<Self> {
        let signed = one && view.is_of_models();
        let over_image = matches!(view, View::Iou | View::Mask | View::Weights);
        Some(Self {
            colors: chosen.unwrap_or(view.colors(one)?),
            signed,
            from_zero: over_image || (view == View::Difference && !signed),
            clear_to: over_image.then_some(if view == View::Weights { COUNTED as f32 } else { 0.0 }),
            fades: view == View::Iou,
        })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Heatmap {
    pub grid: Grid,
    /// Input px per cell.
    pub cell: f32,
    pub colors: ColorMap,
    /// Values at the two ends of the colours.
    pub range: (f32, f32),
    /// Cells of no more than this value show the photograph.
    pub clear_to: Option<f32>,
    /// Low values let the photograph through.
    pub fades: bool,
    /// Row by row the cells that are shown, the others under a dark veil; `None` shows all.
    pub inside: Option<Vec<bool>>,
}

impl Heatmap {
    /// All of a grid in its own finite range.
    pub fn new(grid: Grid, cell: f32, colors: ColorMap) -> Self {
        let range = grid.finite_range().unwrap_or((0.0, 0.0));
        Self { grid, cell, colors, range, clear_to: None, fades: false, inside: None }
    }

    /// A grid by a scheme; `fixed`: a range that was chosen; `inside`: the cells that count, where not all do.
    pub fn by(scheme: Scheme, grid: Grid, cell: f32, fixed: Option<(f32, f32)>, inside: Option<Vec<bool>>) -> Self {
        let rule = EndsRule { fixed, signed: scheme.signed, from_zero: scheme.from_zero };
        // An empty mask leaves no cell to take a range from.
        let counted = inside.as_ref().filter(|mask| mask.contains(&true));
        let values = grid.values().iter().enumerate();
        let counted = values.filter(|(cell, _)| counted.is_none_or(|mask| mask.get(*cell) == Some(&true)));
        let range = rule.ends(counted.map(|(_, value)| *value));
        let Scheme { colors, clear_to, fades, .. } = scheme;
        Self { range, clear_to, fades, inside, ..Self::new(grid, cell, colors) }
    }

    /// Input px that the map covers, from the upper left corner on.
    pub fn covered(&self) -> [f32; 2] {
        [self.grid.width(), self.grid.height()].map(|cells| cells as f32 * self.cell)
    }

    pub fn not_finite(&self) -> usize {
        self.grid.values().iter().filter(|value| !value.is_finite()).count()
    }

    /// The colour of every cell: red, green, blue and alpha, which is not multiplied into the others. What is not finite
    /// shows everywhere, in a colour that no map has.
    pub fn pixels(&self) -> Vec<[u8; 4]> {
        let veiled =
            |cell: usize| self.inside.as_ref().is_some_and(|inside| !inside.get(cell).copied().unwrap_or(false));
        let color = |(cell, &value): (usize, &f32)| {
            if value.is_finite() && veiled(cell) {
                return [0, 0, 0, VEIL];
            }
            let [r, g, b] = self.colors.color(value, self.range);
            let alpha = match value {
                _ if !value.is_finite() => 1.0,
                value if self.clear_to.is_some_and(|most| value <= most) => 0.0,
                value if self.fades => faded(share(value, self.range) as f32),
                _ => 1.0,
            };
            [r, g, b, (alpha * 255.0).round() as u8]
        };
        self.grid.values().iter().enumerate().map(color).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colormap::NOT_FINITE;

    fn row(values: &[f32]) -> Grid {
        Grid::from_values(values.len(), 1, values.to_vec()).expect("one row")
    }

    fn map(view: View, one: bool, values: &[f32]) -> Heatmap {
        Heatmap::by(Scheme::of(view, one, None).expect("a map"), row(values), 8.0, None, None)
    }

    fn inside(view: View, values: &[f32], inside: &[bool]) -> Heatmap {
        let scheme = Scheme::of(view, false, None).expect("a map");
        Heatmap::by(scheme, row(values), 8.0, None, Some(inside.to_vec()))
    }

    fn opaque(colors: ColorMap, indices: &[usize]) -> Vec<[u8; 4]> {
        let with = |[r, g, b]: [u8; 3]| [r, g, b, 255];
        indices.iter().map(|index| with(colors.table()[*index])).collect()
    }

    #[test]
    fn cells_have_colour_and_opacity_by_hand() {
        let plain = |values: &[f32]| Heatmap { range: (0.0, 1.0), ..Heatmap::new(row(values), 8.0, ColorMap::Viridis) };
        // A fifth of 255 is 51.
        assert_eq!(plain(&[0.2, 1.0]).pixels(), opaque(ColorMap::Viridis, &[51, 255]));
        let hidden = Heatmap { clear_to: Some(0.0), ..plain(&[0.0, 1.0]) };
        assert_eq!(hidden.pixels()[0][3], 0);
        // Fading: opaque from 0.4 of the range on, half at 0.2, never below a quarter.
        let fading = Heatmap { fades: true, ..plain(&[0.05, 0.2, 0.4]) };
        assert_eq!(fading.pixels().iter().map(|color| color[3]).collect::<Vec<_>>(), [64, 128, 255]);
        // Outside the mask black, but what is not finite shows everywhere.
        let veiled = Heatmap { inside: Some(vec![true, false, false]), ..plain(&[1.0, 1.0, f32::NAN]) };
        let [r, g, b] = NOT_FINITE;
        let expected = [opaque(ColorMap::Viridis, &[255])[0], [0, 0, 0, VEIL], [r, g, b, 255]];
        assert_eq!(veiled.pixels(), expected);
    }

    #[test]
    fn ends_of_the_range_take_ends_of_the_map() {
        let map = map(View::Teacher, false, &[2.0, 3.0, 4.0]);
        assert_eq!((map.range, map.pixels()), ((2.0, 4.0), opaque(ColorMap::Inferno, &[0, 128, 255])));
    }

    #[test]
    fn what_is_not_finite_is_seen_and_leaves_the_range_alone() {
        let values = [f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY];
        let map = map(View::Difference, false, &values);
        assert_eq!((map.range, map.not_finite()), ((0.0, 1.0), 3));
        let pixels = inside(View::Difference, &values, &[false; 4]).pixels();
        let [r, g, b] = NOT_FINITE;
        assert_eq!([pixels[0], pixels[2], pixels[3]], [[r, g, b, 255]; 3]);
        assert_eq!(pixels[1], [0, 0, 0, VEIL]);
    }

    #[test]
    fn signed_ranges_are_symmetric_locked_or_not() {
        let values = [-1.0, 0.0, 3.0];
        let auto = map(View::Difference, true, &values);
        assert_eq!((auto.range, auto.pixels()[1]), ((-3.0, 3.0), opaque(ColorMap::BlueRed, &[128])[0]));
        let scheme = Scheme::of(View::Difference, true, None).expect("a map");
        let locked = Heatmap::by(scheme, row(&values), 8.0, Some((-5.0, 2.0)), None);
        assert_eq!(locked.range, (-5.0, 5.0));
    }

    #[test]
    fn cells_without_hits_show_the_image_and_locked_ranges_clamp() {
        let auto = map(View::Mask, false, &[0.0, 1.0, 9.0]);
        assert_eq!(auto.range, (0.0, 9.0));
        let pixels = Heatmap { range: (0.0, 3.0), ..auto }.pixels();
        assert_eq!((pixels[0][3], &pixels[1..]), (0, &opaque(ColorMap::Viridis, &[85, 255])[..]));
        // What a soft mask does not count as a cell shows the image too.
        assert_eq!(map(View::Weights, false, &[0.05, 1.0]).pixels()[0][3], 0);
    }

    #[test]
    fn a_range_inside_the_mask_knows_nothing_of_the_outside() {
        let values = [1.0, 2.0, 100.0];
        assert_eq!(inside(View::Teacher, &values, &[true, true, false]).range, (1.0, 2.0));
        assert_eq!(inside(View::Teacher, &values, &[false; 3]).range, (1.0, 100.0), "an empty mask");
    }

    #[test]
    fn maps_without_a_spread_still_have_a_range() {
        assert_eq!(map(View::Teacher, false, &[5.0, 5.0]).range, (5.0, 6.0));
        assert_eq!(map(View::Teacher, false, &[f32::NAN]).range, (0.0, 1.0));
        let huge = map(View::Teacher, false, &[-f32::MAX, f32::MAX]);
        assert_eq!(huge.pixels()[1], opaque(ColorMap::Inferno, &[255])[0]);
    }

    #[test]
    fn signed_values_take_the_diverging_map_until_another_is_chosen() {
        let scheme = |view, one, chosen| Scheme::of(view, one, chosen).expect("a map");
        let signed = scheme(View::Difference, true, None);
        assert_eq!((signed.colors, signed.signed), (ColorMap::BlueRed, true));
        assert_eq!(scheme(View::Difference, false, None).colors, ColorMap::Magma);
        let chosen = scheme(View::Iou, false, Some(ColorMap::Magma));
        assert_eq!((chosen.colors, chosen.clear_to), (ColorMap::Magma, Some(0.0)));
        assert_eq!(Scheme::of(View::Anchors, false, None), None);
        assert_eq!(scheme(View::Weights, false, None).clear_to, Some(0.05));
        assert!(scheme(View::Iou, false, None).fades && !scheme(View::Mask, false, None).fades);
    }
}
