//! The mask survey: what every ψ and level rule mark over the open dataset, and how much of it YOLOv5 trains on.

use egui::{
    Align, Align2, Button, FontId, Grid, Label, Layout, Rect, Response, RichText, Sense, Stroke, Ui, UiBuilder,
    WidgetInfo, vec2,
};
use egui_plot::{LineStyle, PlotBounds, PlotPoint, PlotPoints, PlotTransform};

use crate::app::command::Command;
use crate::app::figure::FigureWhat;
use crate::app::state::State;
use crate::app::survey::Surveyed;
use crate::axis::AxisScale;
use crate::figure::plot::PlotPanel;
use crate::figure::survey::{Measure, panels, rule_color};
use crate::format::significant;
use crate::glossary::Term;
use crate::imitation::mask::LevelRule;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::survey::Overlap;
use crate::ui::run::curves::cells;
use crate::ui::run::fixed_plot::{Axes, Ticks, fixed_plot};
use crate::ui::run::under_way;
use crate::ui::style;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Explained, Panel, counted, grouped, note};
use crate::worker::JobKind;

/// Width of legend and overlap.
const SIDE: f32 = 312.0;
/// Height of a plot's title.
const TITLE: f32 = 20.0;

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    controls(ui, panel);
    let Some(surveyed) = &state.survey.result else {
        empty(ui, state);
        return;
    };
    ui.add_space(palette::HALF);
    let place = ui.available_rect_before_wrap();
    let (plots, side) = place.split_left_right_at_x((place.right() - SIDE).max(place.left()));
    let side = side.with_min_x(side.left() + 2.0 * palette::UNIT);
    ui.scope_builder(UiBuilder::new().max_rect(side), |ui| overlap(ui, state, surveyed));
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let all = panels(&surveyed.survey, state.survey.measure, palette);
    for (one, cell) in all.iter().zip(cells(plots, all.len())) {
        let (head, body) = cell.split_top_bottom_at_y(cell.top() + TITLE);
        title(ui, one, head);
        ui.scope_builder(UiBuilder::new().max_rect(body).id_salt(&one.title), |ui| plot(ui, panel, one, body));
    }
    ui.advance_cursor_after_rect(place);
}

/// Start or stop, which measure is drawn, and what the survey is of.
fn controls(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = palette::HALF;
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        if state.activity(JobKind::Survey).is_some() {
            let stop = Command::Cancel(JobKind::Survey);
            let response = panel.button(ui, stop, t!("Stop"));
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Stop the survey")));
        } else {
            let text = match state.dataset.split() {
                Some(split) => t!("Survey {split}", split),
                None => t!("Survey").to_owned(),
            };
            let fresh = state.survey.result.is_some() && state.survey_is_stale().is_none();
            let button = match fresh {
                true => Button::new(text),
                false => Button::new(widgets::strong(text).color(palette.on_accent)).fill(palette.accent),
            };
            let response = panel.command(ui, Command::StartSurvey, button);
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Survey the masks")));
        }
        ui.separator();
        for measure in Measure::ALL {
            panel.choice(ui, Command::SetSurveyMeasure(measure), tr(measure.name()));
        }
        ui.separator();
        ui.menu_button(t!("Save"), |ui| {
            panel.entry(ui, Command::OpenFigure(Some(FigureWhat::Survey)));
            panel.entry(ui, Command::ExportSurvey);
        });
        ui.separator();
        status(ui, state);
    });
}

/// How far it is, or what is shown and whether that is still so.
fn status(ui: &mut Ui, state: &State) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    if let Some(activity) = state.activity(JobKind::Survey) {
        return under_way(ui, activity, state.now, t!("Progress of the survey"));
    }
    let Some(surveyed) = &state.survey.result else { return };
    let survey = &surveyed.survey;
    if let Some(of) = state.survey_is_stale() {
        let text = t!("Stale: it is of {of}. Survey again.", of);
        ui.add(Label::new(RichText::new(&text).color(palette.warning)).truncate()).on_hover_text(text);
        return;
    }
    let skipped = match surveyed.skipped {
        0 => String::new(),
        count => format!(" · {}", t!("{images} left out", images = counted(count, "image", "images"))),
    };
    let text = format!(
        "{} · {} · {}×{} px{skipped}",
        counted(survey.images as usize, "image", "images"),
        counted(survey.ground_truths as usize, "ground truth", "ground truths"),
        survey.input[0],
        survey.input[1]
    );
    let [small, medium, large] =
        [survey.sizes.small, survey.sizes.medium, survey.sizes.large].map(|count| grouped(count as usize));
    let data = surveyed.request.data.display();
    let of = match surveyed.request.split {
        Some(split) => t!("{split} split of {data}", split, data),
        None => t!("images of {data}", data),
    };
    let more = format!(
        "{of}\n{}\nIoU: {}",
        t!("{small} small, {medium} medium, {large} large ground truths", small, medium, large),
        survey.iou
    );
    ui.add(Label::new(RichText::new(text).color(palette.text_weak)).truncate()).on_hover_text(more);
}

fn empty(ui: &mut Ui, state: &State) {
    ui.add_space(24.0);
    ui.vertical_centered(|ui| {
        ui.label(widgets::strong(t!("No survey yet")).size(palette::TITLE));
        let why = Command::StartSurvey.disabled(state);
        note(
            ui,
            why.unwrap_or(t!("Counts the cells that each ψ and level rule would mark over all images of the split.")),
        );
        note(ui, t!("Only image sizes and labels are read: thousands of images take seconds."));
    });
}

fn title(ui: &Ui, panel: &PlotPanel, place: Rect) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let bold = FontId::new(palette::BODY, style::bold());
    let name = ui.painter().text(place.left_center(), Align2::LEFT_CENTER, tr(&panel.title), bold, palette.text);
    let rest = place.with_min_x(name.right() + palette::UNIT);
    let small = FontId::proportional(palette::SMALL);
    let axes = t!("{unit} over ψ", unit = tr(&panel.y_label));
    let painter = ui.painter().with_clip_rect(rest);
    painter.text(rest.left_center(), Align2::LEFT_CENTER, axes, small, palette.text_weak);
}

/// One plot, in which a click or a drag sets ψ.
fn plot(ui: &mut Ui, panel: &mut Panel<'_>, of: &PlotPanel, place: Rect) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let psi = f64::from(panel.state.imitation.mask.psi.get());
    let values = of.lines.iter().flat_map(|line| &line.points).map(|point| point[1]);
    let top = values.fold(0.0, f64::max);
    let top = if top > 0.0 { top * 1.06 } else { 1.0 };
    let bounds = PlotBounds::from_min_max([0.0, -0.02 * top], [1.0, top]);
    let lines: Vec<Vec<PlotPoint>> =
        of.lines.iter().map(|line| line.points.iter().copied().map(PlotPoint::from).collect()).collect();

    let ticks = Ticks::default();
    let axes = Axes { x: AxisScale::Linear, y: AxisScale::Linear, across: 40.0 };
    let shown = fixed_plot("survey plot", place.size(), palette, &ticks, axes).show(ui, |plot_ui| {
        plot_ui.set_plot_bounds(bounds);
        let set = egui_plot::VLine::new("", psi).color(palette.text).width(1.5).allow_hover(false);
        plot_ui.vline(set);
        for (line, points) in of.lines.iter().zip(&lines) {
            let [r, g, b] = line.color;
            let chosen = line.label == panel.state.imitation.mask.rule.name();
            let drawn = egui_plot::Line::new("", PlotPoints::Borrowed(points))
                .color(egui::Color32::from_rgb(r, g, b))
                .width(if chosen { 2.5 } else { 1.5 })
                .style(if line.dashed { LineStyle::Dashed { length: 6.0 } } else { LineStyle::Solid })
                .allow_hover(false);
            plot_ui.line(drawn);
        }
    });
    let response = shown.response.on_hover_cursor(egui::CursorIcon::ResizeHorizontal);
    let spoken = t!("{unit} over ψ, {scale}", unit = tr(&of.y_label), scale = tr(&of.title));
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &spoken));
    if let Some(at) = response.interact_pointer_pos().filter(|_| response.clicked() || response.dragged()) {
        let at = shown.transform.value_from_position(at).x.clamp(0.0, 1.0);
        let at = ((at * 100.0).round() / 100.0) as f32;
        if at != panel.state.imitation.mask.psi.get() {
            panel.push(Command::SetPsi(at));
        }
    }
    read_out(&response, &shown.transform, of);
}

/// Every rule's value at the surveyed ψ under the pointer.
fn read_out(response: &Response, transform: &PlotTransform, of: &PlotPanel) {
    let Some(at) = response.hover_pos().filter(|at| transform.frame().contains(*at)) else { return };
    let psi = transform.value_from_position(at).x;
    let nearest =
        |points: &[[f64; 2]]| points.iter().copied().min_by(|a, b| (a[0] - psi).abs().total_cmp(&(b[0] - psi).abs()));
    let Some([at, _]) = of.lines.first().and_then(|line| nearest(&line.points)) else { return };
    response.clone().on_hover_ui_at_pointer(|ui| {
        ui.label(widgets::strong(format!("{} · ψ {at:.2}", tr(&of.title))));
        Grid::new("values").num_columns(2).spacing([16.0, 2.0]).show(ui, |ui| {
            for line in &of.lines {
                let Some([_, value]) = nearest(&line.points) else { continue };
                let [r, g, b] = line.color;
                ui.horizontal(|ui| {
                    widgets::dot(ui, egui::Color32::from_rgb(r, g, b));
                    ui.label(tr(&line.label));
                });
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let whole = value.fract() == 0.0;
                    ui.label(if whole { grouped(value as usize) } else { significant(value) });
                });
                ui.end_row();
            }
        });
        ui.label(RichText::new(t!("A click or a drag sets ψ.")).small().weak());
    });
}

/// The rules' lines, and mask and positives at the present ψ and rule.
fn overlap(ui: &mut Ui, state: &State, surveyed: &Surveyed) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let survey = &surveyed.survey;
    ui.horizontal(|ui| {
        for rule in LevelRule::ALL {
            let (place, response) = ui.allocate_exact_size(vec2(24.0, 16.0), Sense::hover());
            let ends = [place.left_center() + vec2(2.0, 0.0), place.right_center() - vec2(2.0, 0.0)];
            let stroke =
                Stroke::new(if rule == state.imitation.mask.rule { 2.5 } else { 1.5 }, rule_color(palette, rule));
            if rule == LevelRule::Assigned {
                ui.painter().extend(egui::Shape::dashed_line(&ends, stroke, 6.0, 4.0));
            } else {
                ui.painter().line_segment(ends, stroke);
            }
            response.on_hover_text(tr(rule.explanation()));
            let name = tr(rule.name());
            let name = if rule == state.imitation.mask.rule { widgets::strong(name) } else { RichText::new(name) };
            ui.label(name).on_hover_text(tr(rule.explanation()));
        }
    });
    ui.add_space(palette::HALF);
    let at = survey.nearest(state.imitation.mask.psi);
    let psi = survey.psis.get(at).copied().unwrap_or_default();
    let (rule, shown) = (tr(state.imitation.mask.rule.name()), format!("{psi:.2}"));
    let heading = match psi == state.imitation.mask.psi.get() {
        true => t!("Mask, positives · {rule} · ψ {psi}", rule, psi = shown),
        false => t!("Mask, positives · {rule} · nearest ψ {psi}", rule, psi = shown),
    };
    ui.add(Label::new(widgets::strong(heading)).truncate()).explained(Term::Positives);
    let columns = [
        Column::text(t!("scale"), 0.0, t!("Cells are summed over all images.")),
        Column::number(t!("mask alone"), 80.0, t!("Imitated cells that are no positive of YOLOv5's for any anchor.")),
        Column::number(
            t!("positives alone"),
            96.0,
            t!("Cells that YOLOv5 assigns to a ground truth and that are not imitated."),
        ),
        Column::number(t!("both"), 72.0, t!("Positives that are imitated too.")),
    ];
    ui.spacing_mut().item_spacing.y = 0.0;
    table::header(ui, &columns, None);
    for (scale, Overlap { only_mask, only_positives, both }) in
        survey.scales.iter().zip(survey.overlap(state.imitation.mask.rule, at))
    {
        let [mask, positives, both] = [only_mask, only_positives, both].map(|count| grouped(count as usize));
        let spoken = t!(
            "{scale}: {mask} of the mask alone, {positives} positives alone, {both} both",
            scale = scale.name,
            mask,
            positives,
            both
        );
        let cells = [Cell::new(&scale.name).strong(), Cell::new(mask), Cell::new(positives), Cell::new(both)];
        table::row(ui, &columns, &cells, false, Sense::hover(), &spoken);
    }
}
