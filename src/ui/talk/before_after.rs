//! The end of the story: what the run's student detects before its first step and with what it has learned, side by
//! side, and how its mAP has grown.

use std::sync::Arc;

use egui::{FontId, Label, Rect, RichText, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use super::{GAP, NUMBER};
use crate::app::language::{counted, t};
use crate::app::{State, file_name, talk};
use crate::export::figure::inspection::DetectionView;
use crate::story::RunTold;
use crate::ui::palette::{self, Palette};
use crate::ui::style;
use crate::ui::widgets::Panel;
use crate::worker::{BeforeAfter, Unknown};

/// Height of a picture's title.
const TITLE: f32 = 24.0;

/// Whether there is a run whose student can be set against itself on the open image.
pub fn is_pair(state: &State) -> bool {
    state.scene.is_some() && !state.replayed && talk::run(state).is_some_and(|track| track.place().is_some())
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
    let ended = talk::run(state).is_none_or(|track| track.folder.is_some() || track.outcome.is_some());
    let after = if ended { t!("The student after") } else { t!("The student so far") };
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
        let text = RichText::new(text).font(FontId::new(NUMBER, style::bold())).color(Palette::of(ui).student);
        ui.add(Label::new(text).truncate());
    });
    rest
}

/// What the picture or the two show, in words.
pub fn words(ui: &mut Ui, panel: &Panel<'_>) {
    let state = panel.state;
    let palette = Palette::of(ui);
    let small = |text: &str, color| Label::new(RichText::new(text).size(14.0).color(color)).wrap();
    if is_pair(state) {
        ui.add(small(t!("Dashed: what the student detects. Thin: ground truths."), palette.student));
        if let Some(found) = state.before_after.found().filter(|found| other_classes(state, found)) {
            let names = found.names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
            let more = if found.names.len() > 4 { ", …" } else { "" };
            let text = t!("The run knows other classes than the labels: {names}{more}", names, more);
            ui.add(small(&text, palette.warning));
        }
    } else if state.comparison.as_ref().is_some_and(|found| found.student_detections.is_some()) {
        ui.add(small(t!("Dashed: what the open student finds now"), palette.student));
        ui.add(small(t!("and what the teacher finds."), palette.teacher));
    }
}

/// Whether a label's class has another name in the run.
fn other_classes(state: &State, found: &BeforeAfter) -> bool {
    let labels = state.scene.iter().flat_map(|scene| &scene.labels);
    found.after.is_ok() && labels.into_iter().any(|label| found.names.get(label.class) != Some(&label.name))
}

/// mAP at the first evaluation and at the best one, as bars from 0 to 1; `across`: the two kinds beside each other.
pub fn bars(ui: &mut Ui, run: &RunTold, across: bool) {
    let both = [("mAP50-95", run.map), ("mAP50", run.map50)];
    let known: Vec<(&str, [f64; 2])> = both.into_iter().filter_map(|(name, ends)| Some((name, ends?))).collect();
    if across && !known.is_empty() {
        ui.columns(known.len(), |columns| {
            for (ui, (name, ends)) in columns.iter_mut().zip(known) {
                of_kind(ui, name, ends);
            }
        });
    } else {
        for (name, ends) in known {
            ui.add_space(palette::HALF);
            of_kind(ui, name, ends);
        }
    }
}

fn of_kind(ui: &mut Ui, name: &str, ends: [f64; 2]) {
    const ROW: f32 = 22.0;
    let palette = Palette::of(ui);
    ui.label(RichText::new(name).font(FontId::new(NUMBER, style::bold())).color(palette.text));
    for (when, value, strength) in [(t!("first"), ends[0], 0.45), (t!("best"), ends[1], 1.0)] {
        let (place, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
        let painter = ui.painter();
        let middle = place.center().y;
        let text = |x, anchor: egui::Align2, text: &str| {
            painter.text(pos2(x, middle), anchor, text, FontId::proportional(14.0), palette.text)
        };
        text(place.left(), egui::Align2::LEFT_CENTER, when);
        text(place.right(), egui::Align2::RIGHT_CENTER, &format!("{value:.3}"));
        let bar = place.shrink2(vec2(0.0, 2.0)).with_min_x(place.left() + 44.0).with_max_x(place.right() - 48.0);
        if bar.is_positive() {
            painter.rect_filled(bar, 3.0, palette.hairline);
            let full = bar.with_max_x(bar.left() + (value as f32).clamp(0.0, 1.0) * bar.width());
            painter.rect_filled(full, 3.0, palette.student.gamma_multiply(strength));
        }
        let explained = match strength < 1.0 {
            true => t!("mAP on the validation images at the first evaluation of the run"),
            false => t!("mAP on the validation images at the best evaluation of the run"),
        };
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, format!("{name} {when}: {value:.3}")));
        response.on_hover_text(explained);
    }
}
