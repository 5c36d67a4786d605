//! The curves of the runs for a hall: few, thick, and without controls.

use egui::{Align2, FontId, Painter, Pos2, Rect, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::run::Runs;
use crate::axis::AxisScale;
use crate::figure::curves::{Line, lines};
use crate::format::tick;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::train::history::{Plot, Window};
use crate::ui::curves::{Lines, all_steps, color_of};
use crate::ui::style;

const PLOTS: [Plot; 3] = [Plot::Total, Plot::Distance, Plot::Map];
/// Places along a line; more are not told apart from afar.
const BUCKETS: usize = 600;
const TITLE: f32 = 14.0;
const NUMBER: f32 = 12.0;
/// Numbers of the y axis.
const LEFT: f32 = 46.0;

#[derive(Default)]
pub struct Curves(Lines);

impl Curves {
    /// Draws what the visible runs have of the plots, one below another; `at`: the step of the map that is shown.
    pub fn show(&mut self, ui: &Ui, runs: &Runs, at: Option<f64>, place: Rect) {
        let plots: Vec<(Plot, Vec<Line>)> = PLOTS
            .into_iter()
            .map(|plot| (plot, lines(runs.curves(), plot)))
            .filter(|(_, lines)| !lines.is_empty())
            .collect();
        if plots.is_empty() {
            let (font, color) = (FontId::proportional(TITLE), Palette::of_theme(ui.visuals().dark_mode).text_weak);
            ui.painter().text(place.center(), Align2::CENTER_CENTER, t!("no values yet"), font, color);
            return;
        }
        let (first, last) = all_steps(runs, AxisScale::Linear);
        let window = Window { low: first, high: last, buckets: BUCKETS, x: AxisScale::Linear, y: AxisScale::Linear };
        self.0.begin();
        for line in plots.iter().flat_map(|(_, lines)| lines) {
            self.0.update(runs, line, window);
        }
        self.0.end();
        let height = place.height() / plots.len() as f32;
        for (index, (plot, lines)) in plots.iter().enumerate() {
            let top = place.top() + index as f32 * height;
            let row = Rect::from_min_size(pos2(place.left(), top), vec2(place.width(), height - palette::UNIT));
            let lowest = index + 1 == plots.len();
            self.plot(ui, *plot, lines, row, (first, last), at.filter(|at| (first..=last).contains(at)), lowest);
            let response = ui.interact(row, ui.scope_id().with(("talk plot", plot.name())), egui::Sense::hover());
            let spoken = t!("{plot} curves", plot = tr(plot.name()));
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &spoken));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call, and what it is given has no name together")]
    fn plot(
        &self,
        ui: &Ui,
        plot: Plot,
        lines: &[Line],
        row: Rect,
        (first, last): (f64, f64),
        at: Option<f64>,
        lowest: bool,
    ) {
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        let painter = ui.painter();
        let bold = FontId::new(TITLE, style::bold());
        let title = painter.text(row.left_top(), Align2::LEFT_TOP, tr(plot.name()), bold, palette.text);
        names(painter, palette, lines, pos2(title.right() + 12.0, title.center().y), row.right());
        let below = if lowest { NUMBER + 6.0 } else { 0.0 };
        let body = Rect::from_min_max(row.min + vec2(LEFT, TITLE + 8.0), row.max - vec2(0.0, below));
        let drawn = || lines.iter().filter_map(|line| Some((line, self.0.get(line)?)));
        let values = drawn().flat_map(|(_, drawn)| &drawn.line).map(|point| point.y);
        let Some((low, high)) = range(values).filter(|_| body.is_positive()) else { return };
        let x = |step: f64| body.left() + ((step - first) / (last - first)) as f32 * body.width();
        let y = |value: f64| body.bottom() - ((value - low) / (high - low)) as f32 * body.height();
        let number = FontId::proportional(NUMBER);
        for (value, anchor) in [(low, Align2::RIGHT_BOTTOM), (high, Align2::RIGHT_TOP)] {
            let at = pos2(body.left() - 6.0, y(value));
            painter.text(at, anchor, tick(value), number.clone(), palette.text_weak);
            painter.hline(body.x_range(), y(value), Stroke::new(1.0, palette.hairline));
        }
        if lowest {
            let foot = body.bottom() + 4.0;
            let step = |at: f64| t!("step {step}", step = format_args!("{at:.0}"));
            painter.text(pos2(body.left(), foot), Align2::LEFT_TOP, step(first), number.clone(), palette.text_weak);
            painter.text(pos2(body.right(), foot), Align2::RIGHT_TOP, step(last), number, palette.text_weak);
        }
        if let Some(at) = at {
            painter.vline(x(at), body.y_range(), Stroke::new(2.0, palette.difference));
        }
        for (line, drawn) in drawn() {
            let points: Vec<Pos2> = drawn.line.iter().map(|point| pos2(x(point.x), y(point.y))).collect();
            let stroke = Stroke::new(2.5, color_of(palette, line));
            // An evaluation alone makes no line.
            if plot == Plot::Map {
                points.iter().for_each(|point| _ = painter.circle_filled(*point, 3.0, stroke.color));
            }
            if line.dashed {
                painter.extend(Shape::dashed_line(&points, stroke, 8.0, 6.0));
            } else {
                painter.line(points, stroke);
            }
        }
    }
}

/// What the lines are called, as far as there is room.
fn names(painter: &Painter, palette: &Palette, lines: &[Line], start: Pos2, right: f32) {
    let mut x = start.x;
    for line in lines {
        let name = if line.name.is_empty() { &line.run } else { &line.name };
        let color = color_of(palette, line);
        let galley = painter.layout_no_wrap(name.clone(), FontId::proportional(NUMBER), color);
        if x + galley.size().x > right {
            return;
        }
        let at = pos2(x, start.y - galley.size().y / 2.0);
        x += galley.size().x + 12.0;
        painter.galley(at, galley, color);
    }
}

/// Smallest and largest finite value, apart even where they are one; `None` without any.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold(None, |range: Option<(f64, f64)>, value| {
        Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    })?;
    Some(if high > low { (low, high) } else { (low - 0.5, high + 0.5) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_alone_has_a_range() {
        assert_eq!(range([2.0].into_iter()), Some((1.5, 2.5)));
        assert_eq!(range([f64::NAN, 1.0, 4.0].into_iter()), Some((1.0, 4.0)));
        assert_eq!(range([f64::NAN].into_iter()), None);
    }
}
