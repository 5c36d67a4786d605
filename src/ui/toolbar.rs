//! What lies over the image: layers in one row, how they are shown in the next.

use egui::{Button, ComboBox, RichText, Ui};

use crate::app::Command;
use crate::app::view::{Camera, ColorMapName, Layer, RangeMode, ScaleChoice};
use crate::inspect::Role;
use crate::ui::palette::Palette;
use crate::ui::widgets::Panel;

/// `range`: the colours' range that the canvas draws with, to be locked.
pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, range: Option<(f32, f32)>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for layer in Layer::ALL {
            let color = match layer {
                Layer::Teacher => Some(Palette::of(ui).teacher),
                Layer::Student => Some(Palette::of(ui).student),
                Layer::Difference => Some(Palette::of(ui).difference),
                _ => None,
            };
            let mut text = RichText::new(layer.name());
            if let Some(color) = color {
                text = text.color(color);
            }
            panel.choice(ui, Command::SetLayer(layer), text);
        }
        ui.separator();
        panel.choice(ui, Command::ToggleLabels, "Labels");
        for (role, name) in [(Role::Teacher, "Teacher's boxes"), (Role::Student, "Student's boxes")] {
            let text = RichText::new(name).color(Palette::of(ui).role(role));
            panel.choice(ui, Command::ToggleBoxes(role), text);
        }
    });
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        panel.choice(ui, Command::SetScales(ScaleChoice::All), "All scales");
        for scale in panel.state.scales() {
            panel.choice(ui, Command::SetScales(ScaleChoice::Stride(scale.stride)), scale.name());
        }
        ui.separator();
        opacity(ui, panel);
        ui.separator();
        color_map(ui, panel);
        lock(ui, panel, range);
        ui.separator();
        panel.button(ui, Command::SetCamera(Camera::Fit), "Fit");
    });
}

fn opacity(ui: &mut Ui, panel: &mut Panel<'_>) {
    ui.label(RichText::new("Opacity").weak());
    let mut percent = panel.state.view.opacity * 100.0;
    ui.spacing_mut().slider_width = 96.0;
    let slider = egui::Slider::new(&mut percent, 0.0..=100.0).fixed_decimals(0).suffix(" %");
    let response = ui.add(slider).on_hover_text(Command::SetOpacity(1.0).tooltip());
    response.widget_info(|| egui::WidgetInfo::slider(true, f64::from(percent), "Opacity"));
    if response.changed() {
        panel.push(Command::SetOpacity(percent / 100.0));
    }
}

fn color_map(ui: &mut Ui, panel: &mut Panel<'_>) {
    let name = |map: Option<ColorMapName>| map.map_or("layer's own map", ColorMapName::name);
    let current = panel.state.view.color_map;
    let shown = ComboBox::from_id_salt("color map").selected_text(name(current)).width(112.0).show_ui(ui, |ui| {
        for map in std::iter::once(None).chain(ColorMapName::ALL.map(Some)) {
            if ui.selectable_label(current == map, name(map)).clicked() && current != map {
                panel.push(Command::SetColorMap(map));
            }
        }
    });
    shown.response.on_hover_text(Command::SetColorMap(None).tooltip());
}

fn lock(ui: &mut Ui, panel: &mut Panel<'_>, range: Option<(f32, f32)>) {
    let locked = matches!(panel.state.view.range, RangeMode::Locked { .. });
    let next = if locked {
        RangeMode::Auto
    } else {
        let (low, high) = range.unwrap_or((0.0, 1.0));
        RangeMode::Locked { low, high }
    };
    let button = Button::selectable(locked, "🔒 Range");
    let command = Command::SetRange(next);
    if locked || range.is_some() {
        panel.command(ui, command, button);
    } else {
        ui.add_enabled(false, button).on_disabled_hover_text("This layer has no colour range.");
    }
}
