//! Talk mode: the story on the image of the window, one idea a step, in type that a hall can read.
//!
//! The app zooms the window so that the stage is about 960 × 540 points on any screen: sizes here are of that stage.
//! Pictures are the canvas's own, with its textures kept between frames; nothing here changes the state.

mod before_after;
mod curves;
mod picture;
mod side;
mod stage;
mod text;

use std::time::Duration;

use egui::{
    Align, Button, Color32, CursorIcon, FontId, Label, Layout, Rect, RichText, Sense, Ui, UiBuilder, WidgetInfo, pos2,
    vec2,
};

use crate::app::command::Command;
use crate::app::derive::talk::{numbers, run, steps};
use crate::app::state::State;
use crate::drawing::cell_at;
use crate::inspect::{Comparison, Role};
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::story::{Step, StoryNumbers};
use crate::ui::canvas::Canvas;
use crate::ui::style;
use crate::ui::talk::stage::{GAP, SENTENCE, follows_pointer, is_wide};
use crate::ui::widgets::Panel;

/// Sizes of type on the stage.
const TITLE: f32 = 30.0;

const COUNTER: f32 = 15.0;
const FACTS: f32 = 12.0;

/// The controls at the foot.
const FOOT: f32 = 30.0;
/// What stands beside one picture, and below several.
const SIDE: f32 = 300.0;
const BELOW: f32 = 108.0;
/// The same with bars.
const BELOW_BARS: f32 = 142.0;

/// Seconds without a motion after which the cursor is out of sight.
const REST: f32 = 3.0;

/// What the talk keeps between frames.
#[derive(Default)]
pub struct TalkMemory {
    /// Student and teacher side by side need two.
    canvases: [Canvas; 2],
    curves: curves::Curves,
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut TalkMemory) {
    let state = panel.state;
    let step = state.talk.step;
    let whole = ui.available_rect_before_wrap();
    ui.advance_cursor_after_rect(whole);
    if state.talk.blank {
        black(ui, whole);
        return;
    }
    ui.painter().rect_filled(whole, 0.0, Palette::of_theme(ui.visuals().dark_mode).canvas);
    let stage = whole.shrink2(vec2(28.0, 14.0));
    let numbers = numbers(state, pointed(state));

    let head = within(ui, stage, "head", |ui| head(ui, step, steps(state).len()));
    let (above, foot) = stage.split_top_bottom_at_y(stage.bottom() - FOOT);
    let body = Rect::from_min_max(pos2(above.left(), head + GAP), above.max - vec2(0.0, palette::UNIT));
    within(ui, foot, "foot", |ui| controls(ui, panel, &numbers));

    let below = is_wide(step) || (step == Step::BeforeAfter && before_after::is_pair(state));
    let (picture, text) = places(step, body, below);
    match missing(state, &numbers, step) {
        Some(why) => text::card(ui, picture, "missing", why),
        None => picture::show(ui, panel, memory, &numbers, picture),
    }
    within(ui, text, "side", |ui| {
        ui.set_clip_rect(text.expand(palette::HALF).intersect(ui.clip_rect()));
        side::show(ui, panel, &numbers, below);
    });
    rest_cursor(ui);
}

/// Nothing but the speaker.
fn black(ui: &Ui, whole: Rect) {
    ui.painter().rect_filled(whole, 0.0, Color32::BLACK);
    let response = ui.interact(whole, ui.scope_id().with("black"), Sense::hover());
    response
        .widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, t!("The screen is black; B shows the stage.")));
    ui.ctx().set_cursor_icon(CursorIcon::None);
}

/// A hand that rests leaves no arrow on the picture.
fn rest_cursor(ui: &Ui) {
    let still = ui.input(|input| input.pointer.time_since_last_movement());
    if still >= REST {
        ui.ctx().set_cursor_icon(CursorIcon::None);
    } else {
        ui.ctx().request_repaint_after(Duration::from_secs_f32(REST - still));
    }
}

/// A part of the stage; returns where it ends.
fn within(ui: &mut Ui, place: Rect, name: &str, add: impl FnOnce(&mut Ui)) -> f32 {
    let builder = UiBuilder::new().max_rect(place).id_salt(name).layout(Layout::top_down(Align::Min));
    ui.scope_builder(builder, add).response.rect.bottom()
}

/// Where the picture stands, and where its text: beside it, or below.
fn places(step: Step, body: Rect, below: bool) -> (Rect, Rect) {
    if below {
        let strip = if matches!(step, Step::Answers | Step::BeforeAfter) { BELOW_BARS } else { BELOW };
        let at = (body.bottom() - strip).max(body.top());
        let (picture, text) = body.split_top_bottom_at_y(at);
        (picture, text.with_min_y(at + palette::UNIT))
    } else {
        // On the run's step curves take the place of the one picture and more.
        let side = if step == Step::Run { SIDE * 0.85 } else { SIDE };
        let at = (body.right() - side).max(body.left());
        let (picture, text) = body.split_left_right_at_x(at);
        (picture.with_max_x(at - GAP), text)
    }
}

fn head(ui: &mut Ui, step: Step, of: usize) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.spacing_mut().item_spacing.y = 2.0;
    let (_, row) = ui.allocate_space(vec2(ui.available_width(), 1.25 * TITLE));
    let (left, right) = row.split_left_right_at_x(row.right() - 80.0);
    let on = |rect: Rect, layout: Layout| UiBuilder::new().max_rect(rect).layout(layout);
    ui.scope_builder(on(left, Layout::left_to_right(Align::Center)), |ui| {
        let title = RichText::new(tr(step.title())).font(FontId::new(TITLE, style::bold())).color(palette.text);
        ui.add(Label::new(title).truncate());
    });
    ui.scope_builder(on(right, Layout::right_to_left(Align::Center)), |ui| {
        let counter = format!("{} / {of}", step.number());
        ui.label(RichText::new(counter).size(COUNTER).color(palette.text_weak));
    });
    ui.add(Label::new(RichText::new(tr(step.sentence())).size(SENTENCE).color(palette.text)).wrap());
}

/// Small controls: back, a dot a step, forth, and the way out; between them in small print what the step was made with.
fn controls(ui: &mut Ui, panel: &mut Panel<'_>, numbers: &StoryNumbers) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.horizontal_centered(|ui| {
        for (command, sign) in [(Command::StepTalk(-1), "←"), (Command::StepTalk(1), "→")] {
            let name = command.label();
            let response = panel.command(ui, command, Button::new(RichText::new(sign).size(14.0)));
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &name));
        }
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space(palette::UNIT);
        for (index, &step) in steps(panel.state).iter().enumerate() {
            let (place, response) = ui.allocate_exact_size(vec2(16.0, FOOT - 6.0), Sense::click());
            let on = step == panel.state.talk.step;
            let color = if on || response.hovered() { palette.accent } else { palette.text_weak };
            ui.painter().circle_filled(place.center(), if on { 5.0 } else { 3.0 }, color);
            let name = format!("{}. {}", step.number(), tr(step.title()));
            response
                .widget_info(|| WidgetInfo::selected(egui::Role::RadioButton, true, on, t!("To step {name}", name)));
            if response.clicked() {
                panel.push(Command::SeekTalk(index));
            }
            response.on_hover_text(name);
        }
        ui.add_space(2.0 * palette::UNIT);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let leave = panel.command(ui, Command::ToggleTalk, Button::new(RichText::new("×").size(14.0)));
            leave.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Leave the talk")));
            ui.add_space(palette::UNIT);
            let save = Button::new(RichText::new(t!("figure…")).size(12.0)).frame(false);
            let save = panel.command(ui, Command::OpenFigure(None), save);
            save.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Save this step as a figure…")));
            if panel.state.scene.is_some() {
                ui.add_space(palette::UNIT);
                let mut facts = numbers.facts(panel.state.talk.step);
                // Of all this the file's name can best be cut.
                facts.rotate_left(1);
                let facts = facts.iter().map(|fact| fact.said(&tr)).collect::<Vec<_>>().join(" · ");
                ui.add(Label::new(RichText::new(facts).size(FACTS).color(palette.text_weak)).truncate());
            }
        });
    });
}

/// The cell under the pointer, where anchors follow it.
fn pointed(state: &State) -> Option<(u32, usize, usize)> {
    let hover = state.hover.filter(|_| follows_pointer(state.talk.step))?;
    let scale = state.scales().iter().find(|scale| scale.stride == hover.stride)?;
    let input = state.scene.as_ref()?.input_size();
    let (row, col) = cell_at(hover.x, hover.y, scale.stride, scale.shape(input.width, input.height))?;
    Some((scale.stride, row, col))
}

/// What stands in the way of a step, in a sentence: what is under way, what went wrong, or what has to be loaded.
fn missing(state: &State, numbers: &StoryNumbers, step: Step) -> Option<String> {
    let run = run(state);
    match step {
        // Curves need no image.
        Step::Run if run.is_some() => return None,
        Step::BeforeAfter if run.is_some_and(|history| history.replay.is_some() && history.place().is_none()) => {
            let why =
                t!("This run was recorded without its models, so nothing can be detected here; its mAP is known.");
            return Some(why.to_owned());
        }
        _ => {}
    }
    if let Some(error) = &state.scene_error {
        return Some(error.clone());
    }
    if state.scene.is_none() {
        let why = match state.image {
            Some(_) => t!("The image is being opened…"),
            None => t!("Open an image first: drop one here."),
        };
        return Some(why.to_owned());
    }
    if step == Step::BeforeAfter && before_after::is_pair(state) {
        return None;
    }
    let needs_mask = step >= Step::Iou && step <= Step::Union;
    if needs_mask && numbers.objects > 0 && state.mask.is_none() {
        return Some(t!("The masks are being computed…").to_owned());
    }
    let needs_features = step >= Step::Features && step <= Step::Answers;
    let waits = |comparison: &Comparison| step == Step::Answers && !comparison.parts.pull;
    if needs_features && state.comparison.as_deref().is_none_or(waits) {
        if let Some(error) = &state.comparison_error {
            return Some(error.clone());
        }
        if Role::ALL.into_iter().all(|role| !state.model(role).is_free()) {
            return Some(t!("The models are looking at the image…").to_owned());
        }
    }
    numbers.missing(step).map(|why| tr(why).to_owned())
}
