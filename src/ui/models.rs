//! The cards of teacher and student, and where they run.

use std::path::Path;

use egui::{RichText, Ui};

use crate::app::{Command, ModelSlot, device_name, file_name};
use crate::inspect::Role;
use crate::ui::palette::{self, Palette};
use crate::ui::widgets::{self, Panel, counted};
use crate::worker::{JobKind, ModelCard};

/// Where the cards are on screen, for what is dropped on them.
pub type CardRects = [Option<egui::Rect>; 2];

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, rects: &mut CardRects) {
    for role in Role::ALL {
        let response = widgets::card(ui).show(ui, |ui| {
            ui.set_width(ui.available_width());
            model(ui, panel, role);
        });
        rects[role as usize] = Some(response.response.rect);
        ui.add_space(palette::HALF);
    }
    device(ui, panel);
}

fn title(role: Role) -> &'static str {
    match role {
        Role::Teacher => "Teacher",
        Role::Student => "Student",
    }
}

fn model(ui: &mut Ui, panel: &mut Panel<'_>, role: Role) {
    let slot = panel.state.model(role);
    let palette = Palette::of(ui);
    ui.horizontal(|ui| {
        widgets::dot(ui, palette.role(role));
        ui.label(widgets::strong(title(role)).color(palette.role(role)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if !matches!(slot, ModelSlot::Empty) {
                let close = egui::Button::new("×").frame(false);
                let response = panel.command(ui, Command::CloseModel(role), close);
                let name = Command::CloseModel(role).label();
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
            }
            let open = egui::Button::new(if slot.is_free() { "Open…" } else { "Replace…" }).frame(slot.is_free());
            let response = panel.command(ui, Command::BrowseModel(role), open);
            let name = Command::BrowseModel(role).label();
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        });
    });
    match slot {
        ModelSlot::Empty => widgets::note(ui, "Drop YOLOv5 weights here: pt, safetensors or torchscript."),
        ModelSlot::Loading { path, .. } => {
            file(ui, path);
            ui.horizontal(|ui| {
                ui.spinner();
                let stage = panel.state.activity(JobKind::Load(role)).map_or("waiting", |activity| &activity.stage);
                widgets::note(ui, if stage.is_empty() { "opening" } else { stage });
                let cancel = Command::Cancel(JobKind::Load(role));
                panel.command(ui, cancel, egui::Button::new("Cancel").small());
            });
        }
        ModelSlot::Ready { card } => ready(ui, panel, role, card),
        ModelSlot::Failed { path, message } => {
            file(ui, path);
            let text = RichText::new(message).size(palette::SMALL + 1.0).color(palette.error);
            ui.add(egui::Label::new(text).wrap());
        }
    }
}

fn file(ui: &mut Ui, path: &Path) {
    let name = egui::Label::new(file_name(path)).truncate();
    ui.add(name).on_hover_text(path.display().to_string());
}

fn ready(ui: &mut Ui, panel: &mut Panel<'_>, role: Role, card: &ModelCard) {
    file(ui, &card.path);
    let megabytes = card.file_bytes as f64 / 1e6;
    let classes = counted(card.names.len(), "class", "classes");
    let response = ui.label(RichText::new(format!("{} · {megabytes:.1} MB · {classes}", card.format)).small().weak());
    response.on_hover_text(card.names.join(", "));
    let parameters = if card.parameters > 0 {
        format!("{:.1} M parameters", card.parameters as f64 / 1e6)
    } else {
        "parameters unknown".to_owned()
    };
    let gflops = card.gflops.map_or_else(String::new, |gflops| format!(" · {gflops:.1} GFLOPs"));
    ui.label(RichText::new(format!("{parameters}{gflops}")).small().weak())
        .on_hover_text("Multiply-adds times two, for an input of 640 × 640 px.");
    ui.horizontal(|ui| {
        let palette = Palette::of(ui);
        let whole = card.tensors_loaded == card.tensors_total && card.warnings.is_empty();
        let color = if whole { palette.good } else { palette.warning };
        let text = format!("{} of {} tensors", card.tensors_loaded, card.tensors_total);
        ui.label(RichText::new(text).small().color(color)).on_hover_text(format!("Loaded in {:.2} s.", card.seconds));
        panel.command(ui, Command::ShowLoadReport(role), egui::Button::new("Report").small());
    });
    if let Some(warning) = card.warnings.first() {
        let more = card.warnings.len() - 1;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let text = RichText::new(format!("{warning}{more}")).small().color(Palette::of(ui).warning);
        ui.add(egui::Label::new(text).wrap()).on_hover_text(card.warnings.join("\n"));
    }
}

fn device(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let shown = ui.horizontal(|ui| {
        let choice = egui::ComboBox::from_id_salt("device").selected_text(device_label(&state.device_choice));
        let shown = choice.width(88.0).show_ui(ui, |ui| {
            for choice in state.device_choices() {
                let command = Command::SetDevice(choice);
                let on = command.is_on(state);
                if let Command::SetDevice(choice) = &command
                    && ui.selectable_label(on, device_name(choice)).clicked()
                    && !on
                {
                    panel.push(command);
                }
            }
        });
        shown.response.on_hover_text("Where both models run.");
        let (label, reason) = match &state.device {
            Some(device) => (device.label.as_str(), device.reason.as_str()),
            None if state.replayed => ("…", "A recorded run needs no device."),
            None => ("…", "Looking for a GPU."),
        };
        ui.label(widgets::strong(label)).on_hover_text(reason);
        reason
    });
    ui.add(egui::Label::new(RichText::new(shown.inner).small().weak()).wrap());
}

fn device_label(choice: &str) -> String {
    if choice == "auto" { "Auto".to_owned() } else { choice.to_ascii_uppercase() }
}
