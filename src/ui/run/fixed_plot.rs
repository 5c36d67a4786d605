//! A plot that shows what it is told to: it answers no drag and no wheel, and its ticks are those of a figure.

use std::cell::RefCell;

use egui::{FontId, Vec2};
use egui_plot::{AxisHints, GridInput, GridMark, Plot};

use crate::axis::{AxisScale, ticks};
use crate::palette::{self, Palette};

/// Points between two ticks of the y axis, at least.
const UP: f32 = 20.0;

#[derive(Clone, Copy)]
pub(super) struct Axes {
    pub x: AxisScale,
    pub y: AxisScale,
    /// Points between two ticks of the x axis, at least.
    pub across: f32,
}

/// What the ticks of both axes say: the plot asks for places first and for their text later.
#[derive(Default)]
pub(super) struct Ticks {
    x: RefCell<Vec<(f64, String)>>,
    y: RefCell<Vec<(f64, String)>>,
}

pub(super) fn fixed_plot<'a>(id: &str, size: Vec2, palette: &Palette, ticks: &'a Ticks, axes: Axes) -> Plot<'a> {
    let color = palette.text_weak;
    let axis = |hints: AxisHints<'a>| {
        let font = FontId::proportional(palette::SMALL);
        hints.tick_label_font(font).tick_label_color(color).label_spacing(1.0..=2.0)
    };
    Plot::new(id)
        .width(size.x)
        .height(size.y)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .allow_double_click_reset(false)
        .show_background(false)
        .show_x(false)
        .show_y(false)
        .label_formatter(|_| None)
        .grid_color(color)
        .custom_x_axes(vec![axis(AxisHints::new_x()).formatter(|mark, _| said(&ticks.x, mark))])
        .custom_y_axes(vec![axis(AxisHints::new_y().min_thickness(40.0)).formatter(|mark, _| said(&ticks.y, mark))])
        .x_grid_spacer(move |input| marks(&ticks.x, input, axes.across, axes.x))
        .y_grid_spacer(move |input| marks(&ticks.y, input, UP, axes.y))
}

/// Ticks of an axis, kept for what is written at them.
fn marks(kept: &RefCell<Vec<(f64, String)>>, input: GridInput, apart: f32, scale: AxisScale) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    // The plot's own smallest step is 8 points wide.
    let points = 8.0 * (high - low) / input.base_step_size.max(f64::MIN_POSITIVE);
    let found = ticks(low, high, (points / f64::from(apart)).floor().max(1.0) as usize, scale);
    let step_size = found.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(high - low, f64::min);
    let marks = found.iter().map(|(value, _)| GridMark { value: *value, step_size }).collect();
    *kept.borrow_mut() = found;
    marks
}

fn said(kept: &RefCell<Vec<(f64, String)>>, mark: GridMark) -> String {
    kept.borrow().iter().find(|(value, _)| *value == mark.value).map_or_else(String::new, |(_, label)| label.clone())
}
