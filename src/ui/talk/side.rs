//! The text of a step: its formula, its numbers, and what can be moved on stage.

use egui::{Align, Button, FontId, Label, Layout, Rect, RichText, Slider, Ui, UiBuilder, WidgetInfo};

use super::picture::{gauge, is_of_one, shown_stride};
use super::{FORMULA, NUMBER, before_after, is_wide, text};
use crate::app::Command;
use crate::app::language::{t, tr};
use crate::app::view::ScaleChoice;
use crate::story::{Step, Told};
use crate::ui::palette::{self, Palette};
use crate::ui::style;
use crate::ui::widgets::Panel;

/// Heights of what may stand below the numbers of a column.
const GAUGE: f32 = 64.0;
const CONTROL: f32 = 36.0;

/// `below`: there is a strip below the pictures, and not a column beside one.
pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, told: &Told, below: bool) {
    let step = panel.state.talk.step;
    ui.spacing_mut().item_spacing.y = 5.0;
    if !below {
        formula(ui, step);
        ui.add_space(palette::HALF);
        numbers(ui, panel, told);
        ui.add_space(palette::UNIT);
        controls(ui, panel, told);
        if step == Step::BeforeAfter {
            before_after::words(ui, panel);
            bars(ui, told, below);
        }
        return;
    }
    let place = ui.available_rect_before_wrap();
    let (left, right) = place.split_left_right_at_fraction(0.44);
    let column =
        |rect: Rect, name: &str| UiBuilder::new().max_rect(rect).id_salt(name).layout(Layout::top_down(Align::Min));
    ui.scope_builder(column(left.with_max_x(left.right() - 16.0), "left"), |ui| {
        formula(ui, step);
        controls(ui, panel, told);
        if step == Step::BeforeAfter {
            before_after::words(ui, panel);
        }
    });
    ui.scope_builder(column(right, "right"), |ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        numbers(ui, panel, told);
        if step == Step::BeforeAfter {
            bars(ui, told, below);
        }
    });
    ui.advance_cursor_after_rect(place);
}

fn bars(ui: &mut Ui, told: &Told, across: bool) {
    if let Some(run) = &told.run {
        before_after::bars(ui, run, across);
    }
}

fn formula(ui: &mut Ui, step: Step) {
    let text = RichText::new(tr(step.formula())).font(FontId::new(FORMULA, style::bold()));
    ui.add(Label::new(text.color(Palette::of(ui).accent)).wrap());
}

fn numbers(ui: &mut Ui, panel: &Panel<'_>, told: &Told) {
    let state = panel.state;
    let step = state.talk.step;
    // The last step has bars in place of its numbers, and without an image there are none but a run's.
    let has_numbers = step != Step::BeforeAfter && (state.scene.is_some() || step == Step::Run);
    if !has_numbers || told.missing(step).is_some() {
        return;
    }
    let gauged = told.truth.as_ref().filter(|_| matches!(step, Step::Best | Step::Threshold));
    let kept =
        gauged.map_or(0.0, |_| GAUGE) + CONTROL * f32::from(has_psi(step)) + CONTROL * f32::from(is_of_one(step));
    let kept = match step {
        // Its slider through time, and what stands above it.
        Step::Run => 3.0 * CONTROL,
        _ if is_wide(step) => 0.0,
        _ => kept,
    };
    let lines: Vec<String> = told.numbers(step).iter().map(|line| line.said(&tr)).collect();
    text::lines(ui, &lines, NUMBER, ui.available_height() - kept);
    if let Some(truth) = gauged {
        let threshold = (step == Step::Threshold && truth.threshold.is_finite()).then_some(truth.threshold);
        gauge(ui, truth.best_iou, threshold);
    }
}

const fn has_psi(step: Step) -> bool {
    matches!(step, Step::Threshold | Step::Mask | Step::Union | Step::Inside | Step::Loss)
}

fn controls(ui: &mut Ui, panel: &mut Panel<'_>, told: &Told) {
    let state = panel.state;
    let step = state.talk.step;
    if has_psi(step) {
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
        _ => {}
    }
}

/// ψ, to be dragged on stage.
fn psi(ui: &mut Ui, panel: &mut Panel<'_>) {
    let now = panel.state.imitation.mask.psi.get();
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
