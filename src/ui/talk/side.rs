//! The text of a step: its formula, its numbers, and what can be moved on stage.

use egui::{Align, Button, FontId, Label, Layout, Rect, RichText, Slider, Ui, UiBuilder, WidgetInfo, vec2};

use super::picture::{gauge, is_of_one, shown_stride};
use super::{FORMULA, NUMBER};
use crate::app::Command;
use crate::app::language::t;
use crate::app::view::ScaleChoice;
use crate::story::{RunTold, Step, Told};
use crate::ui::palette::{self, Palette};
use crate::ui::style;
use crate::ui::widgets::Panel;

/// `beside`: there is a strip below the pictures, and not a column.
pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, told: Option<&Told>, step: Step, beside: bool) {
    ui.spacing_mut().item_spacing.y = 5.0;
    if !beside {
        formula(ui, step);
        ui.add_space(palette::HALF);
        numbers(ui, told, step);
        ui.add_space(palette::UNIT);
        controls(ui, panel, told, step);
        return;
    }
    let place = ui.available_rect_before_wrap();
    let (left, right) = place.split_left_right_at_fraction(0.44);
    let column =
        |rect: Rect, name: &str| UiBuilder::new().max_rect(rect).id_salt(name).layout(Layout::top_down(Align::Min));
    ui.scope_builder(column(left.with_max_x(left.right() - 16.0), "left"), |ui| {
        formula(ui, step);
        controls(ui, panel, told, step);
    });
    ui.scope_builder(column(right, "right"), |ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        numbers(ui, told, step);
    });
    ui.advance_cursor_after_rect(place);
}

fn formula(ui: &mut Ui, step: Step) {
    let text = RichText::new(step.formula()).font(FontId::new(FORMULA, style::bold()));
    ui.add(Label::new(text.color(Palette::of(ui).accent)).wrap());
}

fn numbers(ui: &mut Ui, told: Option<&Told>, step: Step) {
    let Some(told) = told.filter(|told| told.missing(step).is_none()) else { return };
    let palette = Palette::of(ui);
    for line in told.numbers(step) {
        ui.add(Label::new(RichText::new(line).size(NUMBER).color(palette.text)).wrap());
    }
    if let (Step::Best | Step::Threshold, Some(truth)) = (step, &told.truth) {
        let threshold = (step == Step::Threshold && truth.threshold.is_finite()).then_some(truth.threshold);
        gauge(ui, truth.best_iou, threshold);
    }
}

fn controls(ui: &mut Ui, panel: &mut Panel<'_>, told: Option<&Told>, step: Step) {
    let state = panel.state;
    if matches!(step, Step::Threshold | Step::Mask | Step::Union | Step::Inside | Step::Loss) {
        psi(ui, panel);
    }
    let several = state.scene.as_ref().is_some_and(|scene| scene.labels.len() > 1);
    if is_of_one(step) && several {
        panel.button(ui, Command::StepSolo(1), t!("Another object"));
    }
    match step {
        Step::Features => {
            ui.horizontal(|ui| {
                let shown = shown_stride(state, told);
                for scale in state.scales() {
                    let choice = Command::SetScales(ScaleChoice::Stride(scale.stride));
                    panel.command(ui, choice, Button::selectable(scale.stride == shown, scale.name()));
                }
            });
        }
        Step::Run => moments(ui, panel),
        Step::BeforeAfter => {
            if state.comparison.as_ref().is_some_and(|found| found.student_detections.is_some()) {
                let palette = Palette::of(ui);
                let text = |text: &str, color| RichText::new(text).size(14.0).color(color);
                ui.label(text(t!("Dashed: what the open student finds now"), palette.student));
                ui.label(text(t!("and what the teacher finds."), palette.teacher));
            }
            if let Some(run) = told.and_then(|told| told.run.clone()).or_else(|| Some(state.runs.current()?.told())) {
                bars(ui, &run);
            }
        }
        _ => {}
    }
}

/// ψ, to be dragged on stage.
fn psi(ui: &mut Ui, panel: &mut Panel<'_>) {
    let now = panel.state.psi.get();
    let mut value = now;
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("ψ = {now:.2}")).font(FontId::new(FORMULA, style::bold())));
        ui.spacing_mut().slider_width = (ui.available_width() - palette::UNIT).clamp(80.0, 280.0);
        ui.spacing_mut().interact_size.y = 26.0;
        let response = ui.add(Slider::new(&mut value, 0.0..=1.0).step_by(0.01).show_value(false));
        response.widget_info(|| WidgetInfo::slider(true, f64::from(value), "ψ"));
        if response.changed() && (value - now).abs() > 1e-6 {
            panel.push(Command::SetPsi(value));
        }
    });
}

/// Through the time of the run, where it has kept maps.
fn moments(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let Some((snapshots, index)) = state.runs.moments() else { return };
    let playing = state.runs.playback.is_some_and(|playback| playback.playing);
    let step = snapshots.get(index).map_or(0, |snapshot| snapshot.step);
    let last = snapshots.len().saturating_sub(1);
    ui.add_space(palette::UNIT);
    ui.horizontal(|ui| {
        let text = RichText::new(if playing { t!("Halt") } else { t!("Play") }).size(NUMBER);
        panel.button(ui, Command::PlayMoments, text);
        ui.label(RichText::new(t!("map of step {step}", step)).size(NUMBER));
    });
    let mut at = index;
    ui.spacing_mut().slider_width = (ui.available_width() - palette::UNIT).max(80.0);
    let response = ui.add(Slider::new(&mut at, 0..=last).show_value(false));
    response.widget_info(|| WidgetInfo::slider(true, at as f64, t!("Time of the run")));
    if response.changed() && at != index {
        panel.push(Command::SeekMoment(at));
    }
}

/// mAP at the first evaluation and at the best one, as bars from 0 to 1.
fn bars(ui: &mut Ui, run: &RunTold) {
    let palette = Palette::of(ui);
    for (name, ends) in [("mAP50-95", run.map), ("mAP50", run.map50)] {
        let Some(ends) = ends else { continue };
        ui.add_space(palette::HALF);
        ui.label(RichText::new(name).font(FontId::new(NUMBER, style::bold())));
        for (when, value, strength) in [(t!("before"), ends[0], 0.45), (t!("after"), ends[1], 1.0)] {
            let (place, response) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), egui::Sense::hover());
            let bar = Rect::from_min_size(place.min, vec2((place.width() - 60.0).max(1.0), 18.0));
            let share = (value as f32).clamp(0.0, 1.0);
            ui.painter().rect_filled(bar, 3.0, palette.hairline);
            let full = bar.with_max_x(bar.left() + share * bar.width());
            ui.painter().rect_filled(full, 3.0, palette.student.gamma_multiply(strength));
            let (center, font) = (egui::Align2::RIGHT_CENTER, FontId::proportional(NUMBER));
            let at = egui::pos2(place.right(), bar.center().y);
            ui.painter().text(at, center, format!("{value:.3}"), font, palette.text);
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, format!("{name} {when}: {value:.3}")));
        }
    }
}
