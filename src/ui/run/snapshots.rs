//! The strip under the picture that goes through the time of a run.

use egui::{Align, Button, Label, Layout, RichText, Slider, Ui, WidgetInfo, vec2};

use crate::app::command::Command;
use crate::app::view::Layer;
use crate::language::{t, tr};
use crate::palette::Palette;
use crate::story::RunSettings;
use crate::ui::widgets::{self, Panel};

/// Whether there is anything to go through.
pub fn is_shown(panel: &Panel<'_>) -> bool {
    panel.state.runs.snapshots().is_some()
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let Some((snapshots, index)) = state.runs.snapshots() else { return };
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.horizontal(|ui| {
        ui.label(widgets::strong(t!("Run time")).color(palette.difference));
        let playing = state.runs.playback.is_some_and(|playback| playback.playing);
        panel.button(ui, Command::PlaySnapshots, if playing { t!("Halt") } else { t!("Play") });
        // Of a pair the maps of either run, at one moment.
        if state.runs.with_snapshots().count() > 1 {
            for history in state.runs.with_snapshots() {
                panel.choice(ui, Command::ShowSnapshotsOf(history.key), history.name.as_str());
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let close = panel.command(ui, Command::ToggleSnapshots, Button::new("×").frame(false));
            close.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Leave the time of the run")));
            let newest = index + 1 == snapshots.len();
            let follows = state.runs.playback.is_some_and(|playback| playback.at.is_none());
            let step = snapshots.get(index).map_or(0, |snapshot| snapshot.step);
            let text = if follows && newest { t!("step {step} · newest", step) } else { t!("step {step}", step) };
            ui.label(text);
            // What the maps were made with is the run's, whatever the window is set to.
            let facts =
                state.runs.playback.and_then(|playback| state.runs.history(playback.history)).map(|run| run.settings());
            let facts: Vec<String> = facts.iter().flat_map(RunSettings::facts).map(|fact| fact.said(&tr)).collect();
            if !facts.is_empty() {
                let facts = facts.join(" · ");
                let room = vec2((0.45 * ui.available_width()).min(420.0), ui.spacing().interact_size.y);
                ui.allocate_ui_with_layout(room, Layout::right_to_left(Align::Center), |ui| {
                    let text = RichText::new(&facts).small().color(palette.text_weak);
                    ui.add(Label::new(text).truncate()).on_hover_text(&facts);
                });
            }
            if state.view.layer != Layer::Difference {
                ui.label(RichText::new(t!("shown in the Difference layer")).small().color(palette.text_weak));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let mut at = index;
                ui.spacing_mut().slider_width = (ui.available_width() - 8.0).max(64.0);
                let slider = Slider::new(&mut at, 0..=snapshots.len().saturating_sub(1)).show_value(false);
                let response = ui.add(slider).on_hover_text(Command::SeekSnapshot(0).tooltip());
                response.widget_info(|| WidgetInfo::slider(true, at as f64, t!("Time of the run")));
                if response.changed() && at != index {
                    panel.push(Command::SeekSnapshot(at));
                }
            });
        });
    });
}
