//! The cards of teacher and student, and where they run.

use std::path::Path;

use egui::{RichText, Ui};

use crate::app::command::Command;
use crate::app::command::label::device_name;
use crate::app::state::ModelSlot;
use crate::files::file_name;
use crate::glossary::Term;
use crate::inspect::Role;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::ui::widgets::{self, Explained, Panel, counted};
use crate::worker::{JobKind, ModelCard};

/// Where the cards are on screen, for what is dropped on them.
pub type CardRects = [Option<egui::Rect>; 2];

/// Below this height of the column the cards leave out what a tooltip can say.
pub const ROOM: f32 = 600.0;

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, rects: &mut CardRects, brief: bool) {
    for role in Role::ALL {
        let response = widgets::card(ui).show(ui, |ui| {
            ui.set_width(ui.available_width());
            model(ui, panel, role, brief);
        });
        rects[role as usize] = Some(response.response.rect);
        ui.add_space(palette::HALF);
    }
    device(ui, panel);
}

fn title(role: Role) -> &'static str {
    match role {
        Role::Teacher => t!("Teacher"),
        Role::Student => t!("Student"),
    }
}

fn model(ui: &mut Ui, panel: &mut Panel<'_>, role: Role, brief: bool) {
    let slot = panel.state.model(role);
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.horizontal(|ui| {
        widgets::dot(ui, palette.role(role));
        let term = match role {
            Role::Teacher => Term::Teacher,
            Role::Student => Term::Student,
        };
        ui.label(widgets::strong(title(role)).color(palette.role(role))).explained(term);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if !matches!(slot, ModelSlot::Empty) {
                let close = egui::Button::new("×").frame(false);
                let response = panel.command(ui, Command::CloseModel(role), close);
                let name = Command::CloseModel(role).label();
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
            }
            let open =
                egui::Button::new(if slot.is_free() { t!("Open…") } else { t!("Replace…") }).frame(slot.is_free());
            let response = panel.command(ui, Command::BrowseModel(role), open);
            let name = Command::BrowseModel(role).label();
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
        });
    });
    match slot {
        ModelSlot::Empty => widgets::note(ui, t!("Drop YOLOv5 weights here: pt, safetensors or torchscript.")),
        ModelSlot::Loading { path, .. } => {
            file(ui, path);
            ui.horizontal(|ui| {
                ui.spinner();
                let stage =
                    panel.state.activity(JobKind::Load(role)).map_or(t!("waiting"), |activity| activity.stage.as_str());
                widgets::note(ui, if stage.is_empty() { t!("opening") } else { tr(stage) });
                let cancel = Command::Cancel(JobKind::Load(role));
                panel.command(ui, cancel, egui::Button::new(t!("Cancel")).small());
            });
        }
        ModelSlot::Ready { card } => ready(ui, panel, role, card, brief),
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

fn ready(ui: &mut Ui, panel: &mut Panel<'_>, role: Role, card: &ModelCard, brief: bool) {
    let megabytes = card.file_bytes as f64 / 1e6;
    let classes = counted(card.names.len(), "class", "classes");
    let kind = format!("{} · {megabytes:.1} MB · {classes}", card.format);
    let parameters = if card.parameters > 0 {
        t!("{count} M parameters", count = format_args!("{:.1}", card.parameters as f64 / 1e6))
    } else {
        t!("parameters unknown").to_owned()
    };
    let size = format!("{parameters}{}", card.gflops.map_or_else(String::new, |g| format!(" · {g:.1} GFLOPs")));
    if brief {
        let name = egui::Label::new(file_name(&card.path)).truncate();
        ui.add(name).on_hover_text(format!("{}\n{kind}\n{size}", card.path.display()));
    } else {
        file(ui, &card.path);
        ui.label(RichText::new(kind).small().weak()).on_hover_text(card.names.join(", "));
        ui.label(RichText::new(size).small().weak())
            .on_hover_text(t!("Multiply-adds times two, for an input of 640 × 640 px."));
    }
    ui.horizontal(|ui| {
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        let whole = card.tensors_loaded == card.tensors_total && card.warnings.is_empty();
        let color = if whole { palette.good } else { palette.warning };
        let text = t!("{loaded} of {all} tensors", loaded = card.tensors_loaded, all = card.tensors_total);
        ui.label(RichText::new(text).small().color(color))
            .on_hover_text(t!("Loaded in {seconds} s.", seconds = format_args!("{:.2}", card.seconds)));
        panel.command(ui, Command::ShowLoadReport(role), egui::Button::new(t!("Report")).small());
    });
    if let Some(warning) = card.warnings.first() {
        let more = card.warnings.len() - 1;
        let more = if more > 0 { t!(" (and {count} more)", count = more) } else { String::new() };
        let text =
            RichText::new(format!("{warning}{more}")).small().color(Palette::of_theme(ui.visuals().dark_mode).warning);
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
        shown.response.on_hover_text(t!("Where both models run."));
        let (label, reason) = match &state.device {
            Some(device) => (device.label.as_str(), tr(&device.reason)),
            None if state.replayed => ("…", t!("A recorded run needs no device.")),
            None => ("…", t!("Looking for a GPU.")),
        };
        ui.label(widgets::strong(label)).on_hover_text(reason);
        reason
    });
    ui.add(egui::Label::new(RichText::new(shown.inner).small().weak()).wrap());
}

fn device_label(choice: &str) -> String {
    if choice == "auto" { t!("Auto").to_owned() } else { choice.to_ascii_uppercase() }
}
