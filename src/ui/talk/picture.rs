//! The picture of a step: the canvas with the view that the step is about, and what is marked on it.

use egui::{Align2, FontId, Rect, Ui, UiBuilder, pos2, vec2};

use super::TalkMemory;
use super::stage::{GAP, follows_pointer};
use super::{before_after, text};
use crate::app::command::Command;
use crate::app::derive::talk::truth;
use crate::app::state::State;
use crate::app::view::{Camera, Layer, Pin, RangeMode, ScaleChoice, ViewSettings};
use crate::drawing::{BestAnchor, Ink};
use crate::format::significant;
use crate::language::t;
use crate::palette::{self, Palette};
use crate::story::{Step, StoryNumbers};
use crate::ui::canvas::Canvas;
use crate::ui::canvas::model::{CanvasModel, Pull, canvas_model};
use crate::ui::canvas::projection::ground_truth_at;
use crate::ui::widgets::Panel;

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut TalkMemory, numbers: &StoryNumbers, place: Rect) {
    let state = panel.state;
    let step = state.talk.step;
    let at = numbers.scale_at().map_or(0, |scale| scale.stride);
    let view = view_of(step, at);
    match step {
        Step::Features => {
            let view = ViewSettings { scales: ScaleChoice::Stride(shown_stride(state, numbers)), ..view };
            let halves = before_after::places(place);
            for (index, layer) in [Layer::Student, Layer::Teacher].into_iter().enumerate() {
                let view = ViewSettings { layer, ..view };
                canvas(ui, panel, &mut memory.canvases[index], &model(state, &view), halves[index], index);
            }
        }
        Step::Answers => {
            let Some(found) = state.comparison.as_ref().and_then(|found| found.head_pull.as_ref()) else { return };
            let view = ViewSettings { scales: ScaleChoice::Stride(shown_stride(state, numbers)), ..view };
            let halves = before_after::places(place);
            let of_raw = Pull { maps: &found.raw, caption: t!("raw squares in the mask"), unit: "‖s − t‖" };
            let of_answers =
                Pull { maps: &found.answers, caption: t!("the pull of answers"), unit: "‖∂L / ∂s‖" };
            for (index, pull) in [of_raw, of_answers].into_iter().enumerate() {
                let view = ViewSettings { inside_mask: index == 0, ..view };
                let model = CanvasModel { pull: Some(pull), ..model(state, &view) };
                canvas(ui, panel, &mut memory.canvases[index], &model, halves[index], index);
            }
        }
        Step::Run => {
            let snapshot = state.runs.snapshot();
            let (map, curves) = match snapshot {
                Some(_) => place.split_left_right_at_fraction(0.48),
                None => (Rect::NOTHING, place),
            };
            if let Some((_, high)) = snapshot {
                let high = high.max(f32::MIN_POSITIVE);
                let view = ViewSettings { range: RangeMode::Locked { low: 0.0, high }, ..view };
                let map = map.with_max_x(map.right() - GAP);
                canvas(ui, panel, &mut memory.canvases[0], &model(state, &view), map, 0);
            }
            let step = snapshot.map(|(snapshot, _)| snapshot.step as f64);
            memory.curves.show(ui, &state.runs, step, curves);
        }
        Step::BeforeAfter if before_after::is_pair(state) => {
            let halves = before_after::places(place);
            for (index, side) in before_after::sides(state).into_iter().enumerate() {
                let place = before_after::title(ui, &side, halves[index], index);
                let found = side.found.as_ref().map_or(&[][..], |found| *found);
                let model = CanvasModel { found: Some(found), ..model(state, &view) };
                canvas(ui, panel, &mut memory.canvases[index], &model, place, index);
                if let Err(why) = side.found {
                    let name = if index == 0 { "no before" } else { "no after" };
                    text::card(ui, place.shrink(3.0 * palette::UNIT), name, why);
                }
            }
        }
        _ => {
            let best = best(step, numbers);
            let window = model(state, &view);
            let outlined = step == Step::Threshold;
            let model = CanvasModel { best: best.as_ref(), outlined, ..window };
            canvas(ui, panel, &mut memory.canvases[0], &model, place, 0);
        }
    }
}

/// The scale whose features are shown: the one that the window shows alone, else the one that is told of.
pub fn shown_stride(state: &State, numbers: &StoryNumbers) -> u32 {
    let alone = match state.view.scales {
        ScaleChoice::Stride(stride) if state.strides().any(|other| other == stride) => Some(stride),
        _ => None,
    };
    alone.or_else(|| Some(numbers.scale_at()?.stride)).unwrap_or(0)
}

/// What the canvas shows on a step; `at`: the stride of the scale that is told of.
fn view_of(step: Step, at: u32) -> ViewSettings {
    let one = ScaleChoice::Stride(at);
    let (layer, scales) = match step {
        Step::Image | Step::BeforeAfter => (Layer::Image, ScaleChoice::All),
        Step::CellAnchors => (Layer::Anchors, one),
        Step::ScaleAnchors => (Layer::Anchors, ScaleChoice::All),
        Step::Iou | Step::Best | Step::Threshold => (Layer::Iou, one),
        Step::Mask => (Layer::IouMask, one),
        Step::Union => (Layer::IouMask, ScaleChoice::All),
        Step::Features | Step::Run => (Layer::Difference, one),
        Step::Difference | Step::Inside | Step::Loss | Step::Answers => (Layer::Difference, ScaleChoice::All),
    };
    let found = step == Step::BeforeAfter;
    ViewSettings {
        layer,
        scales,
        opacity: 0.75,
        labels: !matches!(layer, Layer::Anchors | Layer::Difference),
        teacher_boxes: found,
        student_boxes: found,
        inside_mask: matches!(step, Step::Inside | Step::Loss),
        ..ViewSettings::default()
    }
}

/// Whether a step is about one ground truth.
pub const fn is_of_one(step: Step) -> bool {
    matches!(step, Step::CellAnchors | Step::ScaleAnchors | Step::Iou | Step::Best | Step::Threshold | Step::Mask)
}

fn model<'a>(state: &'a State, view: &'a ViewSettings) -> CanvasModel<'a> {
    let step = state.talk.step;
    let window = canvas_model(state, view, None);
    CanvasModel {
        snapshot: window.snapshot.filter(|_| step == Step::Run),
        camera: Camera::Fit,
        hover: window.hover.filter(|_| follows_pointer(step)),
        pin: None,
        solo: truth(state).filter(|_| is_of_one(step)),
        ..window
    }
}

fn canvas(ui: &mut Ui, panel: &mut Panel<'_>, canvas: &mut Canvas, model: &CanvasModel<'_>, place: Rect, index: usize) {
    let state = panel.state;
    let builder = UiBuilder::new().max_rect(place).id_salt(("talk canvas", index));
    let asked = ui.scope_builder(builder, |ui| canvas.show(ui, model)).inner;
    panel.commands.extend(asked.into_iter().filter_map(|command| on_stage(state, command)));
}

/// What a hand on the picture means in a talk: anchors follow it where a step is about them, a click tells of the object
/// under it; the view stays as it is.
fn on_stage(state: &State, command: Command) -> Option<Command> {
    match command {
        Command::Hover(_) if follows_pointer(state.talk.step) => Some(command),
        Command::Solo(_) => Some(command),
        Command::Pin(Some(Pin { stride, row, col })) => {
            let center = |cell: usize| (cell as f32 + 0.5) * stride as f32;
            let labels = &state.scene.as_ref()?.labels;
            ground_truth_at(labels, pos2(center(col), center(row))).map(|gt| Command::Solo(Some(gt)))
        }
        _ => None,
    }
}

/// The cell of M, the anchor that has it there, and its value.
fn best(step: Step, numbers: &StoryNumbers) -> Option<BestAnchor> {
    let (truth, scale) = (numbers.truth.as_ref().filter(|_| step == Step::Best)?, numbers.scale_at()?);
    let value = Some(format!("M = {}", significant(f64::from(scale.max_iou))));
    let cell = (numbers.cell.row, numbers.cell.col);
    Some(BestAnchor { ink: Ink::White, anchor: truth.best_anchor, cell, value })
}

/// From 0 to 1: where M is, and where the threshold.
pub fn gauge(ui: &mut Ui, best: f32, threshold: Option<f32>) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let (place, _) = ui.allocate_exact_size(vec2(ui.available_width(), 64.0), egui::Sense::hover());
    let bar = Rect::from_min_size(place.left_top() + vec2(8.0, 26.0), vec2(place.width() - 16.0, 10.0));
    let at = |value: f32| bar.left() + value.clamp(0.0, 1.0) * bar.width();
    let painter = ui.painter();
    painter.rect_filled(bar, 5.0, palette.hairline);
    let above = threshold.unwrap_or(0.0);
    painter.rect_filled(bar.with_min_x(at(above)).with_max_x(at(best).max(at(above))), 0.0, palette.accent);
    let mark = |value: f32, name: &str, up: bool| {
        painter.vline(at(value), bar.top() - 4.0..=bar.bottom() + 4.0, egui::Stroke::new(2.0, palette.text));
        let (y, align) =
            if up { (bar.top() - 6.0, Align2::CENTER_BOTTOM) } else { (bar.bottom() + 6.0, Align2::CENTER_TOP) };
        let galley = painter.layout_no_wrap(name.to_owned(), FontId::proportional(14.0), palette.text);
        let half = galley.size().x / 2.0;
        let x = at(value).clamp(place.left() + half, place.right() - half);
        painter.galley(align.anchor_size(pos2(x, y), galley.size()).min, galley, palette.text);
    };
    mark(best, "M", true);
    if let Some(threshold) = threshold {
        mark(threshold, "ψ · M", false);
    }
}
