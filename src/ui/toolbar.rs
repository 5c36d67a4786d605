//! What lies over the image: layers in one row, how they are shown in the next.

use egui::{Button, ComboBox, RichText, Ui};

use crate::app::command::Command;
use crate::app::run::RunTab;
use crate::app::view::{Camera, Layer, RangeMode, ScaleChoice};
use crate::colormap::ColorMap;
use crate::glossary::Term;
use crate::inspect::Role;
use crate::language::{t, tr};
use crate::palette::Palette;
use crate::ui::widgets::Panel;

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) {
    ui.spacing_mut().button_padding.x = 6.0;
    ui.spacing_mut().item_spacing.x = 4.0;
    ui.horizontal_wrapped(|ui| {
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        for layer in Layer::ALL {
            let color = match layer {
                Layer::Teacher => palette.teacher,
                Layer::Student => palette.student,
                Layer::Difference => palette.difference,
                _ => palette.text,
            };
            panel.choice(ui, Command::SetLayer(layer), RichText::new(tr(layer.name())).color(color));
        }
        ui.separator();
        let locked = matches!(panel.state.view.range, RangeMode::Locked { .. });
        let text = if locked { t!("Range locked") } else { t!("Lock range") };
        panel.command(ui, Command::ToggleRange, Button::selectable(locked, text));
        panel.button(ui, Command::SetCamera(Camera::Fit), t!("Fit"));
        departs(ui, panel);
    });
    ui.horizontal_wrapped(|ui| {
        panel.choice(ui, Command::SetScales(ScaleChoice::All), t!("All"));
        for scale in panel.state.scales() {
            let choice = panel.choice(ui, Command::SetScales(ScaleChoice::Stride(scale.stride)), scale.name());
            choice.on_hover_text(tr(Term::Scale.explanation()));
        }
        ui.separator();
        ui.label(RichText::new(t!("Boxes")).weak());
        boxes(ui, panel, Command::ToggleLabels, t!("labels"), Palette::of_theme(ui.visuals().dark_mode).text);
        for role in Role::ALL {
            boxes(
                ui,
                panel,
                Command::ToggleBoxes(role),
                tr(role.name()),
                Palette::of_theme(ui.visuals().dark_mode).role(role),
            );
        }
        boxes(ui, panel, Command::TogglePositives, t!("positives"), Palette::of_theme(ui.visuals().dark_mode).text);
        ui.separator();
        opacity(ui, panel);
        color_map(ui, panel);
    });
}

/// Says beside the picture that the next run trains something else, and opens the set-up, which says what.
fn departs(ui: &mut Ui, panel: &mut Panel<'_>) {
    let fields: Vec<String> = panel.state.runs.form.departures().into_iter().map(|departure| departure.field).collect();
    if fields.is_empty() {
        return;
    }
    let text = t!("Next run departs: {fields}", fields = fields.join(t!(", ")));
    let text = RichText::new(text).small().color(Palette::of_theme(ui.visuals().dark_mode).warning);
    panel.command(ui, Command::SetRunTab(RunTab::SetUp), Button::new(text).frame(false));
}

fn boxes(ui: &mut Ui, panel: &mut Panel<'_>, command: Command, text: &str, color: egui::Color32) {
    let (name, on) = (command.label(), command.is_on(panel.state));
    let response = panel.choice(ui, command, RichText::new(text).color(color));
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, on, &name));
}

fn opacity(ui: &mut Ui, panel: &mut Panel<'_>) {
    // Rounded as the slider rounds, which would else report a change of its own.
    let mut percent = (panel.state.view.opacity * 100.0).round();
    ui.spacing_mut().slider_width = 64.0;
    let slider = egui::Slider::new(&mut percent, 0.0..=100.0).fixed_decimals(0).suffix(" %");
    let response = ui.add(slider).on_hover_text(Command::SetOpacity(1.0).tooltip());
    response.widget_info(|| egui::WidgetInfo::slider(true, f64::from(percent), t!("Opacity")));
    if response.changed() {
        panel.push(Command::SetOpacity(percent / 100.0));
    }
}

fn color_map(ui: &mut Ui, panel: &mut Panel<'_>) {
    let name = |map: Option<ColorMap>| map.map_or(t!("own map"), |map| tr(map.name()));
    let current = panel.state.view.color_map;
    let shown = ComboBox::from_id_salt("color map").selected_text(name(current)).width(80.0).show_ui(ui, |ui| {
        for map in std::iter::once(None).chain(ColorMap::ALL.map(Some)) {
            if ui.selectable_label(current == map, name(map)).clicked() && current != map {
                panel.push(Command::SetColorMap(map));
            }
        }
    });
    shown.response.on_hover_text(Command::SetColorMap(None).tooltip());
}
