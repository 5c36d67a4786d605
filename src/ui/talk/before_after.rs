//! The end of the story: what the run's student detects before its first step and with what it has learned, side by
//! side, and how its mAP has grown.

use std::sync::Arc;

use egui::{FontId, Label, Rect, RichText, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use super::stage::{GAP, NUMBER};
use crate::app::derive::talk;
use crate::app::state::State;
use crate::files::file_name;
use crate::inspect::DetectionView;
use crate::language::{counted, t};
use crate::palette::Palette;
use crate::story::{Accuracy, StoryRun};
use crate::ui::style;
use crate::ui::widgets::Panel;
use crate::worker::{BeforeAfter, Unknown};

/// Height of a picture's title.
const TITLE: f32 = 24.0;

/// Whether there is a run whose student can be set against itself on the open image.
pub fn is_pair(state: &State) -> bool {
    state.scene.is_some() && !state.replayed && talk::run(state).is_some_and(|history| history.place().is_some())
}

/// One of the two: its detections, or a sentence in their place.
pub struct Side<'a> {
    title: &'static str,
    pub found: Result<&'a [DetectionView], String>,
}

/// Before and after.
pub fn sides(state: &State) -> [Side<'_>; 2] {
    let found = state.before_after.found();
    let side = |title, known: fn(&BeforeAfter) -> &Result<Arc<[DetectionView]>, Unknown>| {
        let found = match found.map(known) {
            Some(Ok(found)) => Ok(&**found),
            Some(Err(unknown)) => Err(sentence(unknown)),
            None => Err(t!("The student is looking at the image…").to_owned()),
        };
        Side { title, found }
    };
    let run = talk::run(state);
    let ended = run.is_none_or(|history| history.folder.is_some() || history.outcome.is_some());
    // The weights that are looked at are the best ones, as soon as any have been evaluated.
    let evaluated = run.is_some_and(|history| history.epochs.iter().any(|epoch| epoch.evaluation.is_some()));
    let after = match (ended, evaluated) {
        (true, true) => t!("The student after, best weights"),
        (true, false) => t!("The student after"),
        (false, true) => t!("The student so far, best weights"),
        (false, false) => t!("The student so far"),
    };
    [side(t!("The student before"), |found| &found.before), side(after, |found| &found.after)]
}

fn sentence(unknown: &Unknown) -> String {
    match unknown {
        Unknown::Gone(path) => t!("{file} is not there (any more)", file = path.display()),
        Unknown::Random => {
            t!("The student began with random weights: there was nothing that it could detect.").to_owned()
        }
        Unknown::Start(folder) => {
            t!(
                "{run} does not say what it started from: its config.toml is missing or damaged.",
                run = file_name(folder)
            )
        }
        Unknown::Untrained(folder) => {
            t!("{run} has no weights: they come with the first evaluation.", run = file_name(folder))
        }
        Unknown::Failed(why) => why.clone(),
    }
}

/// The places of the two pictures, each below its title.
pub fn places(place: Rect) -> [Rect; 2] {
    let half = (place.width() - GAP) / 2.0;
    [0.0, 1.0].map(|index| {
        Rect::from_min_size(pos2(place.left() + index * (half + GAP), place.top()), vec2(half, place.height()))
    })
}

/// The title of a picture; returns what is left for it.
pub fn title(ui: &mut Ui, side: &Side<'_>, place: Rect, index: usize) -> Rect {
    let (head, rest) = place.split_top_bottom_at_y(place.top() + TITLE);
    let text = match &side.found {
        Ok(found) => format!("{} · {}", side.title, counted(found.len(), "detection", "detections")),
        Err(_) => side.title.to_owned(),
    };
    ui.scope_builder(UiBuilder::new().max_rect(head).id_salt(("side", index)), |ui| {
        let text = RichText::new(text)
            .font(FontId::new(NUMBER, style::bold()))
            .color(Palette::of_theme(ui.visuals().dark_mode).student);
        ui.add(Label::new(text).truncate());
    });
    rest
}

/// What the picture or the two show, in words.
pub fn words(ui: &mut Ui, panel: &Panel<'_>) {
    let state = panel.state;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let small = |text: &str, color| Label::new(RichText::new(text).size(14.0).color(color)).wrap();
    if is_pair(state) {
        ui.add(small(t!("Dashed: what the student detects. Thin: ground truths."), palette.student));
        if let Some(found) = state.before_after.found().filter(|found| other_classes(state, found)) {
            let names = found.names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
            let more = if found.names.len() > 4 { ", …" } else { "" };
            let text = t!("The run knows other classes than the labels: {names}{more}", names, more);
            ui.add(small(&text, palette.warning));
        }
    }
}

/// Whether a label's class has another name in the run.
fn other_classes(state: &State, found: &BeforeAfter) -> bool {
    let labels = state.scene.iter().flat_map(|scene| &scene.labels);
    found.after.is_ok() && labels.into_iter().any(|label| found.names.get(label.class) != Some(&label.name))
}

/// mAP of student, teacher and baseline as bars from 0 to 1; `across`: the two kinds beside each other, in `height` points.
pub fn bars(ui: &mut Ui, run: &StoryRun, across: bool, height: f32) {
    let known = [("mAP50-95", run.map), ("mAP50", run.map50)].into_iter().filter(|(_, of)| !of.known().is_empty());
    let known: Vec<(&str, Accuracy)> = known.collect();
    if across && !known.is_empty() {
        ui.spacing_mut().item_spacing.x = 24.0;
        ui.columns(known.len(), |columns| {
            for (ui, (name, of)) in columns.iter_mut().zip(&known) {
                of_kind(ui, name, of, height);
            }
        });
    } else {
        let each = height / known.len().max(1) as f32;
        for (name, of) in &known {
            of_kind(ui, name, of, each);
        }
    }
}

fn of_kind(ui: &mut Ui, name: &str, of: &Accuracy, height: f32) {
    const HEAD: f32 = 24.0;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.spacing_mut().item_spacing.y = 0.0;
    let title = RichText::new(name).font(FontId::new(NUMBER, style::bold())).color(palette.text);
    let place = ui.allocate_space(vec2(ui.available_width(), HEAD)).1;
    let left = UiBuilder::new().max_rect(place).id_salt(name).layout(egui::Layout::left_to_right(egui::Align::Center));
    ui.scope_builder(left, |ui| ui.add(Label::new(title)));
    let known = of.known();
    let row = ((height - HEAD) / known.len() as f32).clamp(13.0, 22.0);
    for (what, value) in known {
        let color = match what {
            "teacher" => palette.teacher,
            "baseline" => palette.text_weak,
            "before" => palette.student.gamma_multiply(0.45),
            _ if of.is_below_start() => palette.warning,
            _ => palette.student,
        };
        let (name_said, explained) = said(what);
        let (value, text) = (value as f32, format!("{value:.3}"));
        bar(
            ui,
            row,
            &Bar { name: name_said, share: value, text: &text, color, spoken: format!("{name} {name_said}: {text}") },
        )
        .on_hover_text(explained);
    }
}

/// A value of [`Accuracy`] in the language in force, and what it is.
fn said(what: &str) -> (&'static str, &'static str) {
    match what {
        "before" => (t!("before"), t!("The student's mAP on the validation images before its first step")),
        "last" => (t!("last"), t!("The student's mAP on the validation images at the last evaluation")),
        "best" => (t!("best"), t!("The student's mAP on the validation images at its best evaluation")),
        "teacher" => (t!("teacher"), t!("The teacher's mAP on the same images")),
        _ => (t!("baseline"), t!("mAP of the run without imitation at its last evaluation, all else the same")),
    }
}

/// A share of 1, with its name before it and its value behind.
pub struct Bar<'a> {
    pub name: &'a str,
    pub share: f32,
    pub text: &'a str,
    pub color: egui::Color32,
    pub spoken: String,
}

pub fn bar(ui: &mut Ui, height: f32, bar: &Bar<'_>) -> egui::Response {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let (place, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let painter = ui.painter();
    let size = (height - 3.0).clamp(10.0, 14.0);
    let middle = place.center().y;
    let text = |x, anchor: egui::Align2, text: &str| {
        painter.text(pos2(x, middle), anchor, text, FontId::proportional(size), palette.text)
    };
    text(place.left(), egui::Align2::LEFT_CENTER, bar.name);
    text(place.right(), egui::Align2::RIGHT_CENTER, bar.text);
    let whole = place.shrink2(vec2(0.0, 2.0)).with_min_x(place.left() + 58.0).with_max_x(place.right() - 48.0);
    if whole.is_positive() {
        painter.rect_filled(whole, 3.0, palette.hairline);
        let share = if bar.share.is_finite() { bar.share.clamp(0.0, 1.0) } else { 0.0 };
        painter.rect_filled(whole.with_max_x(whole.left() + share * whole.width()), 3.0, bar.color);
    }
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, &bar.spoken));
    response
}
