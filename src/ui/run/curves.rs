//! The curves: small multiples or one plot large, all over the same steps.
//!
//! What a line draws is kept from frame to frame ([`crate::ui::curves`]); the plots themselves only draw. All plots share one range of steps: the wheel zooms it, dragging moves it, a double click shows all.

use egui::{
    Align2, Button, Color32, ComboBox, FontId, Grid, Id, Layout, Painter, Rect, Response, RichText, Sense, Shape,
    Stroke, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use egui_plot::{FilledArea, LineStyle, PlotBounds, PlotPoints, PlotTransform};

use crate::app::command::Command;
use crate::app::dialog::RunFile;
use crate::app::figure::FigureWhat;
use crate::app::run::Runs;
use crate::axis::AxisScale;
use crate::figure::curves::{CurveView, Line, TeacherLevel, lambda_note, levels, lines};
use crate::format::significant;
use crate::language::{counted, t, tr};
use crate::palette::{self, Palette};
use crate::train::history::{Missing, Plot, Window};
use crate::ui::curves::{Drawn, Lines, all_steps, color_of};
use crate::ui::run::fixed_plot::{Axes, Ticks, fixed_plot};
use crate::ui::run::legend;
use crate::ui::style;
use crate::ui::widgets::{self, Panel, grouped};

const LEGEND: f32 = 224.0;
/// Height of a plot's title.
const TITLE: f32 = 20.0;
/// Points of scrolling that zoom by e.
const SCROLL_PER_E: f32 = 240.0;
/// Beside the first and the last step, as a share of all: the dots there are seen whole.
const SIDES: f64 = 0.015;
/// Marks of what cannot be drawn, in points.
const MARK: f32 = 3.0;

#[derive(Default)]
pub struct Curves {
    lines: Lines,
    /// Places on the x axis; `None` shows all steps.
    range: Option<(f64, f64)>,
    scale: AxisScale,
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut Curves) {
    let state = panel.state;
    if state.runs.histories.is_empty() {
        empty(ui, panel);
        return;
    }
    controls(ui, panel);
    let place = ui.available_rect_before_wrap();
    let (plots, side) = place.split_left_right_at_x((place.right() - LEGEND).max(place.left()));
    ui.scope_builder(UiBuilder::new().max_rect(side.with_min_x(side.left() + palette::UNIT)), |ui| {
        legend::show(ui, panel);
    });

    let view = &state.runs.view;
    if memory.scale != view.x {
        (memory.scale, memory.range) = (view.x, None);
    }
    memory.lines.begin();
    let shown: Vec<Plot> = view.large.map_or_else(|| view.shown.clone(), |large| vec![large]);
    let range = memory.range.unwrap_or_else(|| {
        let (first, last) = all_steps(&state.runs, view.x);
        let room = SIDES * (last - first);
        (first - room, last + room)
    });
    let mut next = memory.range;
    for (plot, cell) in shown.iter().zip(cells(plots, shown.len())) {
        let (head, body) = cell.split_top_bottom_at_y(cell.top() + TITLE);
        title(ui, panel, *plot, head);
        ui.scope_builder(UiBuilder::new().max_rect(body).id_salt(plot.name()), |ui| {
            if let Some(moved) = memory.plot(ui, &state.runs, *plot, body, range) {
                next = moved;
            }
        });
    }
    memory.range = next;
    memory.lines.end();
    ui.advance_cursor_after_rect(place);
}

/// Nothing to see yet, and what to do about it.
fn empty(ui: &mut Ui, panel: &mut Panel<'_>) {
    ui.add_space(24.0);
    ui.vertical_centered(|ui| {
        ui.label(widgets::strong(t!("No run yet")).size(palette::TITLE));
        widgets::note(ui, t!("Curves appear with the first step of a run."));
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            ui.add_space((ui.available_width() - 280.0).max(0.0) / 2.0);
            panel.button(ui, Command::SetRunTab(crate::app::run::RunTab::SetUp), t!("Set up a run"));
            let earlier = Command::BrowseForRun(RunFile::Earlier);
            panel.button(ui, earlier.clone(), earlier.label());
        });
    });
}

fn controls(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let view = &state.runs.view;
    let mut next = view.clone();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = palette::UNIT;
        chosen(ui, view, &mut next);
        ui.label(RichText::new(t!("Smoothing")).color(Palette::of_theme(ui.visuals().dark_mode).text_weak));
        // Rounded as the slider rounds, which would else report a change of its own.
        let mut smoothing = (view.smoothing * 100.0).round() / 100.0;
        ui.spacing_mut().slider_width = 80.0;
        let slider = egui::Slider::new(&mut smoothing, 0.0..=CurveView::MAX_SMOOTHING).fixed_decimals(2);
        let help = t!("Weight of the past in the moving average; 0 shows every value as it is.");
        let response = ui.add(slider).on_hover_text(help);
        response.widget_info(|| WidgetInfo::slider(true, smoothing, t!("Smoothing")));
        if response.changed() {
            next.smoothing = smoothing;
        }
        for (name, scale, help) in [
            (t!("log x"), &mut next.x, t!("Logarithmic steps: the start of a run at leisure.")),
            (t!("log y"), &mut next.y, t!("Logarithmic values; what is 0 or less is marked at the lower border.")),
        ] {
            let mut log = *scale == AxisScale::Log;
            if ui.checkbox(&mut log, name).on_hover_text(help).changed() {
                *scale = if log { AxisScale::Log } else { AxisScale::Linear };
            }
        }
        let pairs = state.runs.pairs().next().is_some();
        let difference = egui::Checkbox::new(&mut next.difference, t!("imitation − baseline"));
        let response = ui.add_enabled(pairs || view.difference, difference);
        response
            .on_hover_text(t!("Subtracts the baseline, step by step."))
            .on_disabled_hover_text(t!("Start a paired run first."));
        let snapshots = panel.state.runs.playback.is_some();
        panel.command(ui, Command::ToggleSnapshots, Button::selectable(snapshots, t!("Through time")));
        ui.menu_button(t!("Save"), |ui| {
            panel.entry(ui, Command::OpenFigure(Some(FigureWhat::Curves(view.large))));
            panel.entry(ui, Command::ExportCurves(view.large));
        });
    });
    if next != *view {
        panel.push(Command::SetCurves(next));
    }
}

/// Which plots there are.
fn chosen(ui: &mut Ui, view: &CurveView, next: &mut CurveView) {
    let text = match view.large {
        Some(plot) => tr(plot.name()).to_owned(),
        None => counted(view.shown.len(), "plot", "plots"),
    };
    let list = ComboBox::from_id_salt("plots").selected_text(text).width(112.0);
    let list = list.close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
    let shown = list.show_ui(ui, |ui| {
        for plot in Plot::ALL {
            let mut on = view.shown.contains(&plot);
            let full = !on && view.shown.len() >= CurveView::MOST;
            let last = on && view.shown.len() == 1;
            let response = ui.add_enabled(!full && !last, egui::Checkbox::new(&mut on, tr(plot.name())));
            let response = response.on_hover_text(explained(plot));
            response.clone().on_disabled_hover_text(t!("Between one and six plots are shown."));
            if response.changed() {
                next.large = None;
                next.shown.retain(|other| *other != plot);
                if on {
                    next.shown.push(plot);
                }
            }
        }
    });
    shown.response.on_hover_text(t!("Which plots are shown; a click on a plot's title enlarges it."));
}

/// The name of a plot; a click shows it large, and small again.
fn title(ui: &Ui, panel: &mut Panel<'_>, plot: Plot, place: Rect) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let response = ui.interact(place, ui.scope_id().with(("title", plot.name())), Sense::click());
    let color = if response.hovered() { palette.accent } else { palette.text };
    let bold = FontId::new(palette::BODY, style::bold());
    let name = ui.painter().text(place.left_center(), Align2::LEFT_CENTER, tr(plot.name()), bold, color);
    let rest = place.with_min_x(name.right() + palette::UNIT);
    let small = FontId::proportional(palette::SMALL);
    let painter = ui.painter().with_clip_rect(rest);
    let mut axes = t!("{unit} over steps", unit = tr(plot.unit()));
    if let Some(note) = lambda_note(panel.state.runs.curves(), plot) {
        axes = format!("{axes}; {note}");
    }
    painter.text(rest.left_center(), Align2::LEFT_CENTER, axes, small, palette.text_weak);
    let large = panel.state.runs.view.large;
    let spoken = t!("{plot} plot", plot = tr(plot.name()));
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, large.is_some(), &spoken));
    if response.clicked() {
        let large = if large.is_some() { None } else { Some(plot) };
        panel.push(Command::SetCurves(CurveView { large, ..panel.state.runs.view.clone() }));
    }
    response.on_hover_text(explained(plot));
}

/// Cells of about the same shape that fill a place.
pub(super) fn cells(place: Rect, count: usize) -> Vec<Rect> {
    const GAP: f32 = 2.0 * palette::UNIT;
    let size = |columns: usize| {
        let rows = count.div_ceil(columns.max(1));
        let across = (place.width() - GAP * (columns - 1) as f32) / columns as f32;
        let down = (place.height() - palette::UNIT * (rows - 1) as f32) / rows as f32;
        vec2(across, down)
    };
    let worth = |columns: &usize| {
        let size = size(*columns);
        // Places that stay empty are worth nothing.
        let full = count as f32 / (count.div_ceil(*columns) * columns) as f32;
        (size.x / 1.8).min(size.y) * full
    };
    let columns = (1..=count).rev().max_by(|a, b| worth(a).total_cmp(&worth(b))).unwrap_or(1);
    let size = size(columns).max(vec2(16.0, 16.0));
    let at = |index: usize| {
        let (row, column) = ((index / columns) as f32, (index % columns) as f32);
        let corner = vec2(column * (size.x + GAP), row * (size.y + palette::UNIT));
        Rect::from_min_size(place.min + corner, size)
    };
    (0..count).map(at).collect()
}

impl Curves {
    /// Draws one plot; returns the range of steps that a hand has moved it to.
    fn plot(
        &mut self,
        ui: &mut Ui,
        runs: &Runs,
        plot: Plot,
        place: Rect,
        range: (f64, f64),
    ) -> Option<Option<(f64, f64)>> {
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        let view = &runs.view;
        let lines = lines(runs.curves(), plot);
        let window = Window {
            low: range.0,
            high: range.1,
            buckets: (place.width().max(1.0) * ui.ctx().pixels_per_point()) as usize,
            x: view.x,
            y: view.y,
        };
        let mut up: Option<(f64, f64)> = None;
        for line in &lines {
            let found = self.lines.update(runs, line, window).and_then(|drawn| drawn.range);
            up = match (up, found) {
                (Some((low, high)), Some((l, h))) => Some((low.min(l), high.max(h))),
                (known, found) => known.or(found),
            };
        }
        if view.difference {
            up = up.map(|(low, high)| (low.min(0.0), high.max(0.0)));
        }
        let mut levels = levels(runs.curves(), plot);
        levels.retain(|level| view.y.place(level.value).is_finite());
        for at in levels.iter().map(|level| view.y.place(level.value)) {
            up = up.map(|(low, high)| (low.min(at), high.max(at)));
        }
        let Some((low, high)) = up else {
            let text = if view.difference { t!("no pair of runs has values here") } else { t!("no values") };
            let font = FontId::proportional(palette::SMALL);
            ui.painter().text(place.center(), Align2::CENTER_CENTER, text, font, palette.text_weak);
            return None;
        };
        let room = if high > low { (high - low) * 0.06 } else { (high.abs() * 0.1).max(1e-9) };
        let bounds = PlotBounds::from_min_max([range.0, low - room], [range.1, high + room]);

        let ticks = Ticks::default();
        let response = fixed_plot("plot", place.size(), palette, &ticks, Axes { x: view.x, y: view.y, across: 56.0 })
            .show_x(true)
            .cursor_color(palette.text_weak)
            .link_cursor(Id::unique("curves"), [true, false])
            .show(ui, |plot_ui| {
                plot_ui.set_plot_bounds(bounds);
                if view.difference {
                    let zero = egui_plot::HLine::new("", 0.0).color(palette.text_weak).width(1.0).allow_hover(false);
                    plot_ui.hline(zero);
                }
                for level in &levels {
                    let line = egui_plot::HLine::new("", view.y.place(level.value)).color(palette.teacher);
                    plot_ui.hline(line.width(1.0).allow_hover(false));
                }
                // The moment whose maps are shown.
                let snapshot = runs.snapshot().map(|(snapshot, _)| view.x.place(snapshot.step as f64));
                if let Some(x) = snapshot.filter(|x| x.is_finite()) {
                    plot_ui.vline(egui_plot::VLine::new("", x).color(palette.difference).width(1.0).allow_hover(false));
                }
                for line in &lines {
                    if let Some(drawn) = self.lines.get(line) {
                        add(plot_ui, line, drawn, color_of(palette, line));
                    }
                }
            });
        let transform = response.transform;
        let painter = ui.painter().with_clip_rect(*transform.frame());
        for line in &lines {
            if let Some(drawn) = self.lines.get(line) {
                missing(&painter, &transform, &drawn.missing, palette);
            }
        }
        teachers(&painter, &transform, &levels, view.y, palette);
        let head = Rect::from_min_max(place.left_top() - vec2(0.0, TITLE), place.right_top());
        shades(&ui.painter().with_clip_rect(head), head, &lines, palette);
        let spoken = t!("{plot} curves", plot = tr(plot.name()));
        response.response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &spoken));
        let moved = moved(ui, &response.response, &transform, range);
        read_out(&response.response, &transform, runs, (&lines, &levels));
        moved
    }
}

fn add<'a>(plot_ui: &mut egui_plot::PlotUi<'a>, line: &Line, drawn: &'a Drawn, color: Color32) {
    let [x, low, high] = &drawn.band;
    if !x.is_empty() {
        let band = FilledArea::new("", x, low, high).fill_color(color.gamma_multiply(0.18)).allow_hover(false);
        plot_ui.add(band);
    }
    if !drawn.raw.is_empty() {
        let raw = egui_plot::Line::new("", PlotPoints::Borrowed(&drawn.raw)).color(color.gamma_multiply(0.3));
        plot_ui.line(raw.width(1.0).allow_hover(false));
    }
    let mut stroke = egui_plot::Line::new("", PlotPoints::Borrowed(&drawn.line)).color(color).width(1.5);
    if line.dashed {
        stroke = stroke.style(LineStyle::Dashed { length: 6.0 });
    }
    plot_ui.line(stroke.allow_hover(false));
    if line.plot == Plot::Map {
        let dots = egui_plot::Points::new("", PlotPoints::Borrowed(&drawn.line)).color(color).radius(2.0);
        plot_ui.points(dots.allow_hover(false));
    }
}

/// The names of the teacher's lines, at their right ends.
fn teachers(
    painter: &Painter,
    transform: &PlotTransform,
    levels: &[TeacherLevel],
    scale: AxisScale,
    palette: &Palette,
) {
    let frame = transform.frame();
    for level in levels {
        let y = transform.position_from_point_y(scale.place(level.value));
        let text = painter.layout_no_wrap(level.label(), FontId::proportional(palette::SMALL), palette.teacher);
        // Above its line, and below it where the plot ends.
        let above = Align2::RIGHT_BOTTOM.anchor_size(pos2(frame.right() - palette::HALF, y - 1.0), text.size());
        let below = Align2::RIGHT_TOP.anchor_size(pos2(frame.right() - palette::HALF, y + 1.0), text.size());
        let place = if above.top() < frame.top() { below } else { above };
        painter.rect_filled(place, 2.0, palette.panel.gamma_multiply(0.8));
        painter.galley(place.min, text, palette.teacher);
    }
}

/// Marks at the border where values cannot be drawn.
fn missing(painter: &Painter, transform: &PlotTransform, missing: &[(f64, Missing)], palette: &Palette) {
    let frame = transform.frame();
    for (x, kind) in missing {
        let x = transform.position_from_point_x(*x);
        let (top, bottom) = (frame.top() + MARK + 1.0, frame.bottom() - MARK - 1.0);
        let stroke = Stroke::new(1.5, palette::NOT_FINITE);
        let triangle = |tip: f32, base: f32| {
            let points = vec![pos2(x, tip), pos2(x - MARK, base), pos2(x + MARK, base)];
            Shape::convex_polygon(points, palette::NOT_FINITE, Stroke::NONE)
        };
        match kind {
            Missing::Nan => {
                let cross = vec2(MARK, MARK);
                let middle = pos2(x, top);
                painter.line_segment([middle - cross, middle + cross], stroke);
                painter.line_segment([middle + vec2(-MARK, MARK), middle + vec2(MARK, -MARK)], stroke);
            }
            Missing::Above => {
                painter.add(triangle(frame.top(), top + MARK));
            }
            Missing::Below => {
                painter.add(triangle(frame.bottom(), bottom - MARK));
            }
            Missing::NotPositive => {
                let ends = [pos2(x, frame.bottom()), pos2(x, bottom)];
                painter.line_segment(ends, Stroke::new(1.0, palette.text_weak));
            }
        }
    }
}

/// Which shade is which curve, where a run has several: at the right end of the plot's title.
fn shades(painter: &Painter, head: Rect, lines: &[Line], palette: &Palette) {
    let Some(first) = lines.first().filter(|line| line.of > 1) else { return };
    let font = FontId::proportional(palette::SMALL);
    let mut right = head.right();
    for line in lines.iter().filter(|line| (line.history, line.minus) == (first.history, first.minus)).rev() {
        let color = color_of(palette, line);
        let at = pos2(right, head.center().y);
        let text = painter.layout_no_wrap(line.name.clone(), font.clone(), palette.text);
        let place = Align2::RIGHT_CENTER.anchor_size(at, text.size());
        let ground = Rect::from_min_max(pos2(place.left() - 24.0, head.top()), pos2(right, head.bottom()));
        painter.rect_filled(ground, 0.0, palette.panel);
        painter.galley(place.min, text, palette.text);
        let middle = head.center().y;
        painter.line_segment(
            [pos2(place.left() - 16.0, middle), pos2(place.left() - 4.0, middle)],
            Stroke::new(3.0, color),
        );
        right = place.left() - 24.0;
    }
}

/// The range of steps after what the pointer did: `Some(None)` shows all again.
fn moved(ui: &Ui, response: &Response, transform: &PlotTransform, range: (f64, f64)) -> Option<Option<(f64, f64)>> {
    if response.double_clicked() {
        return Some(None);
    }
    let per_point = transform.dvalue_dpos()[0];
    if response.dragged() && response.drag_delta().x != 0.0 {
        let by = f64::from(response.drag_delta().x) * per_point;
        return Some(Some((range.0 - by, range.1 - by)));
    }
    let at = response.hover_pos().filter(|at| transform.frame().contains(*at))?;
    let factor = ui.input(|input| input.zoom_delta() * (input.smooth_scroll_delta().y / SCROLL_PER_E).exp());
    if factor == 1.0 {
        return None;
    }
    let middle = transform.value_from_position(at).x;
    let zoomed = |end: f64| middle + (end - middle) / f64::from(factor);
    Some(Some((zoomed(range.0), zoomed(range.1))))
}

/// Every curve's value at the step under the pointer.
fn read_out(response: &Response, transform: &PlotTransform, runs: &Runs, (lines, levels): (&[Line], &[TeacherLevel])) {
    let Some(at) = response.hover_pos().filter(|at| transform.frame().contains(*at)) else { return };
    let step = runs.view.x.value(transform.value_from_position(at).x);
    let values = lines.iter().filter_map(|line| {
        let (step, value) = line.curve(&runs.histories)?.at(step)?;
        Some((line, step, value))
    });
    let values: Vec<(&Line, f64, f64)> = values.collect();
    let Some(nearest) =
        values.iter().map(|(_, at, _)| *at).min_by(|a, b| (a - step).abs().total_cmp(&(b - step).abs()))
    else {
        return;
    };
    response.clone().on_hover_ui_at_pointer(|ui| {
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        ui.label(widgets::strong(t!("step {step}", step = grouped(nearest as usize))));
        Grid::new("values").num_columns(2).spacing([16.0, 2.0]).show(ui, |ui| {
            for (line, at, value) in &values {
                ui.horizontal(|ui| {
                    widgets::dot(ui, color_of(palette, line));
                    ui.label(line.label());
                });
                ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                    if *at != nearest {
                        ui.label(RichText::new(t!("at {step}", step = grouped(*at as usize))).small().weak());
                    }
                    ui.label(significant(*value));
                });
                ui.end_row();
            }
            for level in levels {
                ui.horizontal(|ui| {
                    widgets::dot(ui, palette.teacher);
                    ui.label(level.label());
                });
                ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| ui.label(significant(level.value)));
                ui.end_row();
            }
        });
    });
}

/// What a plot shows, and which way is better.
fn explained(plot: Plot) -> String {
    format!("{} {}", tr(plot.explanation()), tr(plot.better().sentence())).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_fill_a_place_without_overlap() {
        for (width, height) in [(1000.0, 240.0), (400.0, 900.0), (900.0, 600.0)] {
            let place = Rect::from_min_size(pos2(8.0, 16.0), vec2(width, height));
            for count in 1..=6 {
                let cells = cells(place, count);
                assert_eq!(cells.len(), count);
                for (index, cell) in cells.iter().enumerate() {
                    assert!(place.expand(0.01).contains_rect(*cell), "{count} in {width} x {height}: {cell:?}");
                    assert!(cells[..index].iter().all(|other| !other.intersects(*cell)));
                }
            }
        }
        let wide = cells(Rect::from_min_size(pos2(0.0, 0.0), vec2(1200.0, 200.0)), 4);
        assert_eq!(wide[0].top(), wide[3].top(), "a low place has them side by side");
    }
}
