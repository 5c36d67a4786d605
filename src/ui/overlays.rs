//! What lies over the window for a while: messages, keys, a load report, the question whose weights these are.

use egui::{Align2, Button, Frame, Id, Label, Modal, RichText, ScrollArea, Ui, vec2};

use crate::app::command::Command;
use crate::app::frames::FRAME_GOAL;
use crate::app::level::Level;
use crate::app::messages::ago;
use crate::app::state::{Overlay, State};
use crate::files::file_name;
use crate::inspect::Role;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::ui::widgets::{self, Panel, note};
use crate::ui::{keys, terms};

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) {
    match panel.state.overlay {
        Some(Overlay::Keys) => {
            sheet(ui, panel, t!("Keys"), Command::ToggleKeys, 1152.0, |ui, panel| keys::show(ui, panel.state));
        }
        Some(Overlay::Terms) => sheet(ui, panel, t!("Terms"), Command::ToggleTerms, 800.0, |ui, _| terms::show(ui)),
        Some(Overlay::About) => sheet(ui, panel, "distillscope", Command::ToggleAbout, 400.0, |ui, _| about(ui)),
        Some(Overlay::Report(role)) => {
            let title = t!("Load report of the {role}", role = tr(role.name()));
            sheet(ui, panel, &title, Command::ShowLoadReport(role), 640.0, |ui, panel| report(ui, panel.state, role));
        }
        Some(Overlay::Missing) => {
            sheet(ui, panel, t!("Where are these files?"), Command::ForgetMissing, 640.0, missing);
        }
        // The finder, the run and the figure draw theirs.
        Some(Overlay::Palette | Overlay::BatchImage(_) | Overlay::Figure) | None => {}
    }
    if let Some(path) = panel.state.undecided.first() {
        question(ui, panel, &file_name(path));
    }
    if panel.state.messages_open {
        messages(ui, panel);
    }
    if panel.state.frame_times_open {
        frame_times(ui, panel);
    }
}

/// A sheet with a title and a way out, no wider than the window.
pub(super) fn sheet(
    ui: &mut Ui,
    panel: &mut Panel<'_>,
    title: &str,
    close: Command,
    width: f32,
    add: impl FnOnce(&mut Ui, &mut Panel<'_>),
) {
    let frame = Frame::window(ui.style()).inner_margin(24);
    let response = Modal::new(Id::unique(title)).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(width.min(ui.ctx().content_rect().width() - 80.0));
        let closed = ui
            .horizontal(|ui| {
                ui.label(RichText::new(title).heading());
                let right = egui::Layout::right_to_left(egui::Align::Center);
                ui.with_layout(right, |ui| ui.button(t!("Close")).clicked()).inner
            })
            .inner;
        ui.add_space(palette::UNIT);
        add(ui, panel);
        closed
    });
    if response.inner || response.backdrop_response.clicked() {
        panel.push(close);
    }
}

/// What of the session has moved, each with a way to show where it is now.
fn missing(ui: &mut Ui, panel: &mut Panel<'_>) {
    note(ui, t!("These files of the session are not where they were. The rest of it is open."));
    ui.add_space(palette::UNIT);
    for (index, (wanted, path)) in panel.state.missing.iter().enumerate() {
        ui.push_id(index, |ui| {
            ui.horizontal(|ui| {
                panel.button(ui, Command::FindMissing(*wanted), Command::FindMissing(*wanted).label());
                ui.add(Label::new(path.display().to_string()).truncate()).on_hover_text(path.display().to_string());
            });
        });
    }
    ui.add_space(palette::UNIT);
    panel.button(ui, Command::ForgetMissing, Command::ForgetMissing.label());
}

fn about(ui: &mut Ui) {
    ui.label(t!("Version {version}", version = env!("CARGO_PKG_VERSION")));
    ui.label(t!("An instrument for fine-grained feature imitation: it shows what a YOLOv5 teacher would teach a YOLOv5 student, and where."));
    ui.add_space(palette::UNIT);
    ui.label(t!("The method: Wang, Yuan, Zhang and Feng, Distilling Object Detectors with Fine-grained Feature Imitation, CVPR 2019."));
    ui.add_space(palette::UNIT);
    ui.label(t!("Licence: MIT or Apache-2.0, as you choose. Fonts: Roboto and Droid Sans Fallback, Apache-2.0."));
}

fn report(ui: &mut Ui, state: &State, role: Role) {
    let Some(card) = state.card(role) else {
        note(ui, t!("The model is no longer open."));
        return;
    };
    note(ui, &card.path.display().to_string());
    if ui.button(t!("Copy")).on_hover_text(t!("Copies the whole report.")).clicked() {
        ui.ctx().copy_text(card.report.clone());
    }
    ScrollArea::both().max_height(400.0).auto_shrink([false, true]).show(ui, |ui| {
        ui.add(Label::new(RichText::new(&card.report).monospace()).selectable(true).extend());
    });
}

fn question(ui: &mut Ui, panel: &mut Panel<'_>, name: &str) {
    let frame = Frame::window(ui.style()).inner_margin(24);
    let response = Modal::new(Id::unique("whose weights")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(400.0);
        ui.label(RichText::new(t!("Teacher or student?")).heading());
        ui.add_space(palette::UNIT);
        ui.label(t!("Both places are taken. Which model does {file} replace?", file = name));
        ui.add_space(palette::UNIT);
        ui.horizontal(|ui| {
            for role in Role::ALL {
                let color = Palette::of_theme(ui.visuals().dark_mode).role(role);
                let text = widgets::strong(t!("Replace the {role}", role = tr(role.name()))).color(color);
                panel.button(ui, Command::ChooseRole(Some(role)), text);
            }
            panel.button(ui, Command::ChooseRole(None), t!("Neither"));
        });
    });
    if response.should_close() {
        panel.push(Command::ChooseRole(None));
    }
}

/// How long frames take, beside the work that they are measured under.
fn frame_times(ui: &Ui, panel: &mut Panel<'_>) {
    let mut open = true;
    let window = egui::Window::new(t!("Frame time"))
        .id(Id::unique("frame times"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .pivot(Align2::RIGHT_TOP)
        .default_pos(ui.ctx().content_rect().right_top() + vec2(-16.0, 48.0));
    window.show(ui.ctx(), |ui| {
        let Some(summary) = panel.state.frame_times.summary() else {
            note(ui, t!("No frame was drawn in the last minute."));
            return;
        };
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        egui::Grid::new("frame time").num_columns(2).min_col_width(64.0).show(ui, |ui| {
            for (name, value) in [("p50", summary.p50), ("p99", summary.p99), ("max", summary.max)] {
                ui.label(RichText::new(name).color(palette.text_weak));
                let color = if value <= FRAME_GOAL { palette.good } else { palette.warning };
                ui.label(RichText::new(format!("{value:.2} ms")).color(color));
                ui.end_row();
            }
        });
        note(
            ui,
            &t!(
                "{frames} in the last minute, time on the window's own thread.",
                frames = widgets::counted(summary.frames, "frame", "frames")
            ),
        );
        note(ui, &t!("{goal} ms make 60 a second. The graphics card's work is not in it.", goal = FRAME_GOAL));
    });
    if !open {
        panel.push(Command::ToggleFrameTimes);
    }
}

fn messages(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let mut open = true;
    let window = egui::Window::new(t!("Messages"))
        .id(Id::unique("message list"))
        .open(&mut open)
        .collapsible(false)
        .default_size(vec2(520.0, 360.0))
        .pivot(Align2::RIGHT_TOP)
        .default_pos(ui.ctx().content_rect().right_top() + vec2(-16.0, 48.0));
    window.show(ui.ctx(), |ui| {
        if state.messages.is_empty() {
            note(ui, t!("Nothing has gone wrong."));
            return;
        }
        ui.horizontal(|ui| {
            panel.button(ui, Command::ClearMessages, t!("Clear"));
            if ui.button(t!("Copy all")).on_hover_text(t!("Copies every message as text.")).clicked() {
                let lines: Vec<String> =
                    state.messages.iter().map(|m| format!("{}: {}: {}", tr(m.level.name()), m.what, m.text)).collect();
                ui.ctx().copy_text(lines.join("\n"));
            }
        });
        ui.separator();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            for message in state.messages.iter() {
                let palette = Palette::of_theme(ui.visuals().dark_mode);
                let color = match message.level {
                    Level::Info => palette.text_weak,
                    Level::Warning => palette.warning,
                    Level::Error => palette.error,
                };
                ui.horizontal(|ui| {
                    widgets::dot(ui, color);
                    ui.label(widgets::strong(&message.what).color(color));
                    let mut when = ago(state.now - message.at);
                    if message.times > 1 {
                        when = t!("{when}, {count} times", when, count = message.times);
                    }
                    ui.label(RichText::new(when).small().weak());
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        if ui.add(Button::new(t!("Copy")).small()).on_hover_text(t!("Copies this message.")).clicked() {
                            ui.ctx().copy_text(format!("{}: {}", message.what, message.text));
                        }
                        if let Some(remedy) = &message.remedy {
                            let label = remedy.label();
                            panel.button(ui, remedy.clone(), label);
                        }
                    });
                });
                ui.add(Label::new(&message.text).wrap().selectable(true));
                ui.add_space(palette::UNIT);
            }
        });
    });
    if !open {
        panel.push(Command::ToggleMessages);
    }
}
