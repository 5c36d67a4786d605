//! The image list: search, split, and a row an image. Only rows on screen are drawn and only their thumbnails asked
//! for, so that a hundred thousand images are as light as ten.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{
    Align2, ColorImage, FontId, Rect, RichText, ScrollArea, Sense, TextStyle, TextWrapMode, TextureHandle,
    TextureOptions, Ui, WidgetInfo, WidgetText, pos2, vec2,
};
use image::RgbImage;

use crate::app::command::Command;
use crate::app::dataset::Thumbnail;
use crate::app::state::State;
use crate::files::file_name;
use crate::language::t;
use crate::palette::{self, Palette};
use crate::ui::widgets::{self, Panel, counted};

const ROW: f32 = 48.0;
const PICTURE: f32 = 40.0;
/// Thumbnails kept on the GPU; a few screens full.
const TEXTURES: usize = 256;

/// What the list keeps between frames.
#[derive(Default)]
pub struct ImageList {
    textures: HashMap<PathBuf, TextureHandle>,
    revealed: u64,
    search_requests: u64,
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, list: &mut ImageList) {
    let dataset = &panel.state.dataset;
    head(ui, panel);
    ui.horizontal(|ui| {
        let mut text = dataset.filter().to_owned();
        let width = ui.available_width() - if text.is_empty() { 0.0 } else { 32.0 };
        let field = egui::TextEdit::singleline(&mut text).hint_text(t!("Search…")).desired_width(width);
        let response = ui.add(field).on_hover_text(Command::FocusSearch.tooltip());
        response.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, t!("Search images")));
        if list.search_requests != panel.state.search_requests {
            list.search_requests = panel.state.search_requests;
            response.request_focus();
        }
        if response.changed() {
            panel.push(Command::FilterImages(text.clone()));
        }
        if !text.is_empty() && ui.button("×").on_hover_text(t!("Shows all images again.")).clicked() {
            panel.push(Command::FilterImages(String::new()));
        }
    });
    ui.add_space(palette::HALF);
    if dataset.images().is_empty() {
        empty(ui, panel);
    } else if dataset.shown.is_empty() && !dataset.is_searching() {
        widgets::note(ui, t!("No image's path contains this text."));
    } else {
        rows(ui, panel, list);
    }
}

fn head(ui: &mut Ui, panel: &mut Panel<'_>) {
    let dataset = &panel.state.dataset;
    ui.horizontal(|ui| {
        let title = dataset.source.as_deref().map_or_else(|| t!("Images").to_owned(), title);
        let response = ui.add(egui::Label::new(widgets::strong(title)).truncate());
        if let Some(source) = &dataset.source {
            response.on_hover_text(source.display().to_string());
        }
    });
    ui.horizontal(|ui| {
        let (all, shown) = (dataset.images().len(), dataset.shown.len());
        let mut text = counted(all, "image", "images");
        if !dataset.filter().trim().is_empty() {
            text = t!("{shown} of {all}", shown = widgets::grouped(shown), all = text);
        }
        if dataset.listing {
            text.push_str(t!(" so far"));
        }
        if dataset.source.is_some() {
            widgets::note(ui, &text);
        }
        if !dataset.splits().is_empty() {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let current = dataset.split().cloned().unwrap_or_default();
                let choice = egui::ComboBox::from_id_salt("split").selected_text(current).width(64.0);
                let shown = choice.show_ui(ui, |ui| {
                    for split in dataset.splits() {
                        let on = dataset.split() == Some(split);
                        if ui.selectable_label(on, split).clicked() && !on {
                            panel.push(Command::SetSplit(split.clone()));
                        }
                    }
                });
                shown.response.on_hover_text(t!("Which part of the dataset is listed."));
            });
        }
    });
}

/// A data.yaml is called by its folder.
fn title(source: &Path) -> String {
    let is_yaml = source.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let named = if is_yaml { source.parent().filter(|folder| folder.file_name().is_some()) } else { None };
    file_name(named.unwrap_or(source))
}

fn empty(ui: &mut Ui, panel: &mut Panel<'_>) {
    if panel.state.dataset.listing {
        ui.horizontal(|ui| {
            ui.spinner();
            widgets::note(ui, t!("Listing…"));
        });
        return;
    }
    let nothing = panel.state.dataset.source.is_some();
    let text = if nothing {
        t!("There are no images here.")
    } else {
        t!("Drop images, a folder or a data.yaml here, or open:")
    };
    widgets::note(ui, text);
    ui.add_space(palette::HALF);
    ui.horizontal_wrapped(|ui| {
        panel.button(ui, Command::BrowseImage, t!("Image…"));
        panel.button(ui, Command::BrowseFolder, t!("Folder…"));
        panel.button(ui, Command::BrowseData, t!("data.yaml…"));
    });
}

fn rows(ui: &mut Ui, panel: &mut Panel<'_>, list: &mut ImageList) {
    let state = panel.state;
    let dataset = &state.dataset;
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = ScrollArea::vertical().id_salt("images").auto_shrink([false, false]);
    area.show_rows(ui, ROW, dataset.shown.len(), |ui, visible| {
        if list.revealed != dataset.reveal {
            list.revealed = dataset.reveal;
            if let Some(row) = dataset.selected_row() {
                let offset = (row as f32 - visible.start as f32) * ROW;
                let top = ui.max_rect().top() + offset;
                let place = Rect::from_min_size(pos2(ui.max_rect().left(), top), vec2(ui.available_width(), ROW));
                ui.scroll_to_rect(place, None);
            }
        }
        for row in visible.clone() {
            let Some(image) = dataset.shown.get(row).and_then(|&index| dataset.image(index)) else { continue };
            let index = dataset.shown[row];
            if image_row(ui, state, list, image, dataset.selected == Some(index)) {
                panel.push(Command::SelectImage(index));
            }
        }
        if dataset.wants_thumbnails(visible.clone(), state.now) {
            panel.push(Command::ShowRows(visible));
        }
    });
}

/// Whether the row was clicked.
fn image_row(ui: &mut Ui, state: &State, list: &mut ImageList, image: &Path, selected: bool) -> bool {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let name = file_name(image);
    let (texture, labels, cut_short) = match state.dataset.thumbnail(image) {
        Some(Thumbnail::Ready { picture, labels, cut_short }) => {
            (Some(texture(ui, list, image, picture)), *labels, *cut_short)
        }
        _ => (None, None, false),
    };
    let mut below = match (&texture, labels) {
        (None, _) => String::new(),
        (Some(_), None) => t!("no labels").to_owned(),
        (Some(_), Some(count)) => counted(count, "box", "boxes"),
    };
    if cut_short {
        below = t!("{labels}, cut short", labels = below);
    }
    if let Some(lost) = state.review.lost(image) {
        below = t!("{labels} · {count} lost", labels = below, count = lost);
    }
    if selected {
        ui.painter().rect_filled(rect, 4.0, ui.visuals().selection.bg_fill);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, 4.0, ui.visuals().widgets.hovered.weak_bg_fill);
    }
    if response.has_focus() {
        let stroke = egui::Stroke::new(1.0, palette.accent);
        ui.painter().rect_stroke(rect, 4.0, stroke, egui::StrokeKind::Inside);
    }
    let frame = Rect::from_min_size(rect.min + vec2(palette::HALF, palette::HALF), vec2(PICTURE, PICTURE));
    match texture {
        Some(texture) => {
            let size = texture.size_vec2();
            let fitted = size * (PICTURE / size.x.max(size.y).max(1.0));
            let place = Rect::from_center_size(frame.center(), fitted);
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture.id(), place, whole, egui::Color32::WHITE);
        }
        None => {
            ui.painter().rect_filled(frame, 2.0, palette.hairline);
        }
    }
    let left = frame.right() + palette::UNIT;
    let text = WidgetText::from(RichText::new(&name).color(palette.text));
    let galley = text.into_galley(ui, Some(TextWrapMode::Truncate), rect.right() - left - 4.0, TextStyle::Body);
    let y = if below.is_empty() { rect.center().y } else { rect.center().y - 8.0 };
    let at = Align2::LEFT_CENTER.anchor_size(pos2(left, y), galley.size());
    ui.painter().galley(at.min, galley, palette.text);
    if !below.is_empty() {
        let font = FontId::proportional(palette::SMALL);
        let at = pos2(left, rect.center().y + 9.0);
        let color = if cut_short { palette.warning } else { palette.text_weak };
        ui.painter().text(at, Align2::LEFT_CENTER, below, font, color);
    }
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, selected, &name));
    let mut hover = image.display().to_string();
    if cut_short {
        hover = t!(
            "{image}: the JPEG is cut short, a part of the picture is missing; training leaves it out.",
            image = hover
        );
    }
    response.on_hover_text(hover).clicked()
}

fn texture(ui: &Ui, list: &mut ImageList, image: &Path, picture: &Arc<RgbImage>) -> TextureHandle {
    if let Some(texture) = list.textures.get(image) {
        return texture.clone();
    }
    if list.textures.len() >= TEXTURES {
        list.textures.clear();
    }
    let size = [picture.width() as usize, picture.height() as usize];
    let pixels = ColorImage::from_rgb(size, picture.as_raw());
    let texture = ui.ctx().load_texture(file_name(image), pixels, TextureOptions::LINEAR);
    list.textures.insert(image.to_path_buf(), texture.clone());
    texture
}
