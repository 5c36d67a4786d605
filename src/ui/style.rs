//! Fonts, spacing and colours of the window's controls, for both themes. Data has its own colours in
//! [`crate::palette`].

use std::sync::Arc;

use egui::style::{ScrollStyle, WidgetVisuals};
use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke, Style, TextStyle, Theme,
    Visuals, vec2,
};

use crate::palette::{self, Palette};

/// The bold face; egui has no weights.
pub fn bold() -> FontFamily {
    FontFamily::Name("bold".into())
}

/// Gives a context the program's look. Fonts are compiled in, so that the window is the same everywhere.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    for theme in [Theme::Dark, Theme::Light] {
        ctx.set_style_of(theme, style(theme == Theme::Dark));
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8]| {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    };
    add("roboto", include_bytes!("../../assets/fonts/Roboto-Regular.ttf"));
    add("roboto-bold", include_bytes!("../../assets/fonts/Roboto-Bold.ttf"));
    add("cjk", include_bytes!("../../assets/fonts/DroidSansFallbackFull.ttf"));
    let fallback = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let family = |first: &str| {
        let mut names = vec![first.to_owned()];
        names.extend(fallback.iter().cloned());
        // Hack has the arrows that the others lack.
        names.extend(["Hack".to_owned(), "cjk".to_owned()]);
        names
    };
    fonts.families.insert(bold(), family("roboto-bold"));
    fonts.families.insert(FontFamily::Proportional, family("roboto"));
    fonts.families.entry(FontFamily::Monospace).or_default().push("cjk".to_owned());
    fonts
}

fn style(dark: bool) -> Style {
    let mut style = Style { visuals: visuals(dark), ..Style::default() };
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(palette::SMALL)),
        (TextStyle::Body, FontId::proportional(palette::BODY)),
        (TextStyle::Button, FontId::proportional(palette::BODY)),
        (TextStyle::Heading, FontId::new(palette::TITLE, bold())),
        (TextStyle::Monospace, FontId::monospace(12.0)),
    ]
    .into();
    let unit = palette::UNIT;
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(unit, palette::HALF);
    spacing.button_padding = vec2(unit, palette::HALF);
    spacing.interact_size = vec2(3.0 * unit, 3.0 * unit);
    spacing.window_margin = Margin::same(16);
    spacing.menu_margin = Margin::same(8);
    spacing.indent = 2.0 * unit;
    spacing.slider_width = 20.0 * unit;
    spacing.combo_width = 12.0 * unit;
    spacing.tooltip_width = 44.0 * unit;
    spacing.scroll = ScrollStyle::thin();
    style.interaction.tooltip_delay = 0.4;
    style.interaction.selectable_labels = false;
    style
}

/// Where something is chosen or a text is marked: a quiet shade of the accent.
fn chosen(dark: bool) -> Color32 {
    if dark { Color32::from_rgb(18, 57, 54) } else { Color32::from_rgb(208, 234, 231) }
}

fn hovered(dark: bool) -> Color32 {
    if dark { Color32::from_rgb(48, 52, 58) } else { Color32::from_rgb(236, 239, 242) }
}

fn visuals(dark: bool) -> Visuals {
    let palette = Palette::of_theme(dark);
    let mut visuals = if dark { Visuals::dark() } else { Visuals::light() };
    let radius = CornerRadius::same(4);
    let hairline = Stroke::new(1.0, palette.hairline);
    let widget = |fill: Color32, stroke: Stroke, text: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: stroke,
        corner_radius: radius,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let accent = Stroke::new(1.0, palette.accent);
    visuals.widgets.noninteractive = widget(palette.panel, hairline, palette.text);
    visuals.widgets.inactive = widget(palette.raised, hairline, palette.text);
    visuals.widgets.hovered = widget(hovered(dark), Stroke::new(1.0, palette.text_weak), palette.text);
    visuals.widgets.active = widget(chosen(dark), accent, palette.text);
    visuals.widgets.open = widget(hovered(dark), hairline, palette.text);
    visuals.selection.bg_fill = chosen(dark);
    visuals.selection.stroke = Stroke::new(1.0, if dark { palette.text } else { palette.accent });
    visuals.weak_text_color = Some(palette.text_weak);
    visuals.hyperlink_color = palette.accent;
    visuals.panel_fill = palette.panel;
    visuals.window_fill = palette.panel;
    visuals.window_stroke = hairline;
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(6);
    visuals.faint_bg_color = palette.raised;
    visuals.extreme_bg_color = if dark { palette.canvas } else { palette.raised };
    visuals.text_edit_bg_color = Some(visuals.extreme_bg_color);
    visuals.code_bg_color = palette.raised;
    visuals.warn_fg_color = palette.warning;
    visuals.error_fg_color = palette.error;
    visuals.slider_trailing_fill = true;
    visuals.striped = false;
    // A disabled control keeps its place and stays readable.
    visuals.disabled_alpha = 0.6;
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(color: Color32) -> f32 {
        let linear = egui::Rgba::from(color);
        0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
    }

    fn contrast(a: Color32, b: Color32) -> f32 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_reads_on_every_control_in_both_themes() {
        for dark in [false, true] {
            let (visuals, palette) = (visuals(dark), Palette::of_theme(dark));
            let widgets = &visuals.widgets;
            let states = [widgets.noninteractive, widgets.inactive, widgets.hovered, widgets.active, widgets.open];
            let mut pairs: Vec<(Color32, Color32)> = states.map(|w| (w.fg_stroke.color, w.weak_bg_fill)).to_vec();
            pairs.push((visuals.selection.stroke.color, visuals.selection.bg_fill));
            pairs.push((palette.text, visuals.selection.bg_fill));
            pairs.push((palette.text, visuals.extreme_bg_color));
            pairs.push((palette.text_weak, visuals.extreme_bg_color));
            for ink in [palette.text, palette.text_weak, palette.error, palette.warning, palette.good] {
                pairs.extend([(ink, visuals.panel_fill), (ink, visuals.window_fill), (ink, visuals.faint_bg_color)]);
            }
            // The rows of tables carry the colours of data.
            for ink in [palette.text, palette.text_weak, palette.teacher, palette.student, palette.difference] {
                pairs.extend([(ink, visuals.selection.bg_fill), (ink, hovered(dark))]);
            }
            for (ink, surface) in pairs {
                let ratio = contrast(ink, surface);
                assert!(ratio >= 4.5, "dark {dark}: {ink:?} on {surface:?} is {ratio:.2}");
            }
        }
    }

    #[test]
    fn the_fonts_have_figures_of_one_width_and_the_signs_of_the_method() {
        let ctx = egui::Context::default();
        install(&ctx);
        let output = ctx.run_ui(egui::RawInput::default(), |ui| {
            ui.fonts_mut(|fonts| {
                for family in [FontFamily::Proportional, bold()] {
                    let font = FontId::new(13.0, family);
                    let widths: Vec<f32> = ('0'..='9').map(|digit| fonts.glyph_width(&font, digit)).collect();
                    assert!(widths.iter().all(|width| (width - widths[0]).abs() < 1e-3), "{widths:?}");
                    for sign in "ψλΣ‖²₂×−–…·•▲▼∞←→↑↓中文字猫日本語".chars() {
                        assert!(fonts.has_glyph(&font, sign), "{sign} is missing");
                    }
                }
            });
        });
        // There is no screen that wants them.
        let mut textures = output.textures_delta;
        textures.clear();
    }
}
