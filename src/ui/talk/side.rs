//! The text of a step: its formula, its numbers, and what can be moved on stage.

use egui::{Align, Button, FontId, Label, Layout, Rect, RichText, Slider, Ui, UiBuilder, WidgetInfo, vec2};

use super::picture::{gauge, is_of_one, shown_stride};
use super::stage::{FORMULA, NUMBER, is_wide};
use super::{before_after, text};
use crate::app::command::Command;
use crate::app::derive::talk::steps;
use crate::app::view::ScaleChoice;
use crate::imitation::choice::Loss;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::story::{Line, PullShares, Step, StoryNumbers, StoryRun, percent};
use crate::ui::style;
use crate::ui::widgets::Panel;

/// Heights of what may stand below the numbers of a column.
const GAUGE: f32 = 64.0;
const CONTROL: f32 = 36.0;
/// The share of a column that sentences below bars have, and how large they are at most.
const SENTENCES: f32 = 0.36;
const SMALL: f32 = 14.0;

/// `below`: there is a strip below the pictures, and not a column beside one.
pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, story: &StoryNumbers, below: bool) {
    let step = panel.state.talk.step;
    ui.spacing_mut().item_spacing.y = 5.0;
    if !below {
        formula(ui, step);
        ui.add_space(palette::HALF);
        numbers(ui, panel, story);
        ui.add_space(palette::UNIT);
        controls(ui, panel, story);
        if step == Step::BeforeAfter {
            before_after::words(ui, panel);
            let kept = SENTENCES * ui.available_height();
            bars(ui, story, below, ui.available_height() - kept);
            sentences(ui, story);
        }
        return;
    }
    let place = ui.available_rect_before_wrap();
    let (left, right) = place.split_left_right_at_fraction(0.44);
    let column =
        |rect: Rect, name: &str| UiBuilder::new().max_rect(rect).id_salt(name).layout(Layout::top_down(Align::Min));
    ui.scope_builder(column(left.with_max_x(left.right() - 16.0), "left"), |ui| {
        formula(ui, step);
        controls(ui, panel, story);
        if step == Step::BeforeAfter {
            before_after::words(ui, panel);
            sentences(ui, story);
        }
        if Some(&step) == steps(panel.state).last() && !step.is_of_run() {
            let how =
                t!("To go on: start a run or open an earlier one; the talk then shows what its student has learned.");
            text::colored(
                ui,
                &[how.to_owned()],
                14.0,
                ui.available_height(),
                Palette::of_theme(ui.visuals().dark_mode).text_weak,
            );
        }
    });
    ui.scope_builder(column(right, "right"), |ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        numbers(ui, panel, story);
        let height = ui.available_height();
        match step {
            Step::BeforeAfter => bars(ui, story, below, height),
            Step::Answers => pulls(ui, story, height),
            _ => {}
        }
    });
    ui.advance_cursor_after_rect(place);
}

fn bars(ui: &mut Ui, story: &StoryNumbers, across: bool, height: f32) {
    if let Some(run) = &story.run {
        before_after::bars(ui, run, across, height);
    }
}

/// What the bars of a run come to, in words; in amber where the student has lost.
fn sentences(ui: &mut Ui, story: &StoryNumbers) {
    let Some(run) = &story.run else { return };
    let said = |line: Option<Line>| line.map(|line| line.said(&tr));
    let plain = [run.verdict.as_ref().map(|verdict| verdict.line()), run.start_is_unknown()];
    let plain: Vec<String> = plain.into_iter().filter_map(said).collect();
    let warning: Vec<String> = said(run.warning()).into_iter().collect();
    let each = ui.available_height() / (plain.len() + warning.len()).max(1) as f32 - ui.spacing().item_spacing.y;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    text::colored(ui, &warning, SMALL, each, palette.warning);
    text::lines(ui, &plain, SMALL, each * plain.len() as f32);
}

/// Which share of its pull either loss spends where there is nothing to learn.
fn pulls(ui: &mut Ui, story: &StoryNumbers, height: f32) {
    const HEAD: f32 = 40.0;
    let Some(answers) = story.answers else { return };
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let row = ((height - HEAD) / 2.0).clamp(13.0, 24.0);
    type Part = fn(PullShares) -> f64;
    let kinds: [(&str, Part); 2] = [
        (t!("Class scores where the teacher sees nothing"), |shares| shares.unseen),
        (t!("Scores that mean the same to both, within 0.05"), |shares| shares.same),
    ];
    ui.spacing_mut().item_spacing.x = 24.0;
    ui.columns(2, |columns| {
        for (ui, (name, share)) in columns.iter_mut().zip(kinds) {
            let place = ui.allocate_space(vec2(ui.available_width(), HEAD)).1;
            let lines = UiBuilder::new().max_rect(place).id_salt(name).layout(Layout::top_down(Align::Min));
            ui.scope_builder(lines, |ui| {
                text::lines(ui, &[name.to_owned()], 14.0, HEAD);
            });
            let losses =
                [(t!("raw"), story.raw, palette.difference), (Loss::ANSWERS.name(), Some(answers), palette.student)];
            for (loss, shares, color) in losses {
                let Some(share) = shares.map(share) else { continue };
                let text = format!("{} %", percent(share));
                let spoken = format!("{name} · {loss}: {text}");
                let bar = before_after::Bar { name: loss, share: share as f32, text: &text, color, spoken };
                before_after::bar(ui, row, &bar).on_hover_text(t!(
                    "Of the squared differences of raw outputs inside the mask, or of the squared gradient of answers"
                ));
            }
        }
    });
}

fn formula(ui: &mut Ui, step: Step) {
    let text = RichText::new(tr(step.formula())).font(FontId::new(FORMULA, style::bold()));
    ui.add(Label::new(text.color(Palette::of_theme(ui.visuals().dark_mode).accent)).wrap());
}

fn numbers(ui: &mut Ui, panel: &Panel<'_>, story: &StoryNumbers) {
    let state = panel.state;
    let step = state.talk.step;
    // Some steps have bars in place of their numbers, and without an image there are none but a run's.
    let has_numbers =
        !matches!(step, Step::BeforeAfter | Step::Answers) && (state.scene.is_some() || step == Step::Run);
    if !has_numbers || story.missing(step).is_some() {
        return;
    }
    let gauged = story.truth.as_ref().filter(|_| matches!(step, Step::Best | Step::Threshold));
    let kept =
        gauged.map_or(0.0, |_| GAUGE) + CONTROL * f32::from(has_psi(step)) + CONTROL * f32::from(is_of_one(step));
    let kept = match step {
        // Its slider through time, and what stands above it.
        Step::Run => 3.0 * CONTROL,
        _ if is_wide(step) => 0.0,
        _ => kept,
    };
    let warning = story.run.as_ref().filter(|_| step == Step::Run).and_then(StoryRun::warning);
    let mut lines = story.numbers(step);
    lines.retain(|line| Some(line) != warning.as_ref());
    let said = |line: &Line| line.said(&tr);
    let (lines, warning): (Vec<String>, Vec<String>) =
        (lines.iter().map(said).collect(), warning.iter().map(said).collect());
    let height = ui.available_height() - kept;
    let below = if warning.is_empty() { 0.0 } else { (0.4 * height).min(96.0) };
    text::lines(ui, &lines, NUMBER, height - below);
    text::colored(ui, &warning, NUMBER, below, Palette::of_theme(ui.visuals().dark_mode).warning);
    if let Some(truth) = gauged {
        let threshold = (step == Step::Threshold && truth.threshold.is_finite()).then_some(truth.threshold);
        gauge(ui, truth.best_iou, threshold);
    }
}

const fn has_psi(step: Step) -> bool {
    matches!(step, Step::Threshold | Step::Mask | Step::Union | Step::Inside | Step::Loss)
}

fn controls(ui: &mut Ui, panel: &mut Panel<'_>, story: &StoryNumbers) {
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
        Step::Features | Step::Answers if story.missing(step).is_none() => {
            ui.horizontal(|ui| {
                let shown = shown_stride(state, story);
                for scale in state.scales() {
                    let choice = Command::SetScales(ScaleChoice::Stride(scale.stride));
                    panel.command(ui, choice, Button::selectable(scale.stride == shown, scale.name()));
                }
            });
        }
        Step::Run => snapshots(ui, panel),
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
fn snapshots(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let Some((snapshots, index)) = state.runs.snapshots() else { return };
    let playing = state.runs.playback.is_some_and(|playback| playback.playing);
    let step = snapshots.get(index).map_or(0, |snapshot| snapshot.step);
    let last = snapshots.len().saturating_sub(1);
    ui.add_space(palette::UNIT);
    ui.horizontal(|ui| {
        let text = RichText::new(if playing { t!("Halt") } else { t!("Play") }).size(NUMBER);
        panel.button(ui, Command::PlaySnapshots, text);
        ui.label(RichText::new(t!("map of step {step}", step)).size(NUMBER));
    });
    let mut at = index;
    ui.spacing_mut().slider_width = (ui.available_width() - palette::UNIT).max(80.0);
    let response = ui.add(Slider::new(&mut at, 0..=last).show_value(false));
    response.widget_info(|| WidgetInfo::slider(true, at as f64, t!("Time of the run")));
    if response.changed() && at != index {
        panel.push(Command::SeekSnapshot(at));
    }
}
