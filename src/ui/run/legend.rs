//! The runs: their colours and strokes, which of them are seen, and the way to open more.

use egui::{Button, Color32, Label, Painter, Rect, RichText, ScrollArea, Sense, Shape, Stroke, Ui, WidgetInfo, vec2};

use crate::app::command::Command;
use crate::app::dialog::RunFile;
use crate::app::state::State;
use crate::figure::curves::color_of;
use crate::language::t;
use crate::palette::Palette;
use crate::ui::widgets::Panel;

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    ScrollArea::vertical().auto_shrink([false, false]).max_height(ui.available_height() - 32.0).show(ui, |ui| {
        for history in &state.runs.histories {
            ui.horizontal(|ui| {
                entry(ui, panel, state, history.key);
            });
        }
    });
    panel.button(ui, Command::BrowseForRun(RunFile::Earlier), Command::BrowseForRun(RunFile::Earlier).label());
}

fn entry(ui: &mut Ui, panel: &mut Panel<'_>, state: &State, key: u64) {
    let Some(history) = state.runs.history(key) else { return };
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let hue = palette.runs[color_of(&state.runs.histories, history) % palette.runs.len()];
    let color = if history.visible { hue } else { palette.hairline };
    let (place, swatch) = ui.allocate_exact_size(vec2(24.0, 24.0), Sense::click());
    stroke(ui.painter(), place, color, history.is_baseline());
    let ink = if history.visible { palette.text } else { palette.text_weak };
    let live = state.runs.live.as_ref().is_some_and(|live| live.number == history.experiment);
    let room = ui.available_width() - if live { 0.0 } else { 24.0 };
    let text = Label::new(RichText::new(&history.name).color(ink)).truncate().sense(Sense::click());
    let name = ui.scope(|ui| {
        ui.set_max_width(room.max(40.0));
        ui.add(text)
    });
    let name = name.inner.on_hover_text(format!("{}: {}", history.name, state.runs.says(history).1));
    let spoken = t!("Show {run}", run = history.name);
    swatch.widget_info(|| WidgetInfo::selected(egui::Role::CheckBox, true, history.visible, &spoken));
    if swatch.clicked() || name.clicked() {
        panel.push(Command::ToggleRun(key));
    }
    if !live {
        let remove =
            ui.add(Button::new("×").frame(false)).on_hover_text(t!("Takes the run off the list; its files stay."));
        remove.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Remove {run}", run = history.name)));
        if remove.clicked() {
            panel.push(Command::RemoveRun(key));
        }
    }
}

fn stroke(painter: &Painter, place: Rect, color: Color32, dashed: bool) {
    let ends = [place.left_center() + vec2(2.0, 0.0), place.right_center() - vec2(2.0, 0.0)];
    let stroke = Stroke::new(2.0, color);
    if dashed {
        painter.extend(Shape::dashed_line(&ends, stroke, 5.0, 4.0));
    } else {
        painter.line_segment(ends, stroke);
    }
}
