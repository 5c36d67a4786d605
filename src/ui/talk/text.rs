//! Type that fits: lines are set as large as their place allows, so that long names and many scales stay on the stage.

use egui::{Align, Color32, FontId, Label, Layout, Rect, RichText, Ui, UiBuilder, vec2};

use super::stage::SENTENCE;
use crate::palette::{self, Palette};

/// Type smaller than this is not read from the back of a hall.
const LEAST: f32 = 11.0;

/// The largest size, from `most` down to [`LEAST`], at which lines stand below each other in a place, and their height.
/// `gap` is between two of them.
fn fitted(ui: &Ui, lines: &[String], most: f32, gap: f32, place: egui::Vec2) -> (f32, f32) {
    let height = |size: f32| {
        let galley = |line: &String| {
            ui.painter().layout(line.clone(), FontId::proportional(size), Color32::PLACEHOLDER, place.x).size().y
        };
        lines.iter().map(galley).sum::<f32>() + gap * lines.len().saturating_sub(1) as f32
    };
    let mut size = most;
    while size > LEAST && height(size) > place.y {
        size -= 1.0;
    }
    (size, height(size))
}

/// Lines below each other in at most `height` points.
pub fn lines(ui: &mut Ui, lines: &[String], most: f32, height: f32) {
    colored(ui, lines, most, height, Palette::of_theme(ui.visuals().dark_mode).text);
}

pub fn colored(ui: &mut Ui, lines: &[String], most: f32, height: f32, color: Color32) {
    let place = vec2(ui.available_width(), height);
    let (size, _) = fitted(ui, lines, most, ui.spacing().item_spacing.y, place);
    for line in lines {
        ui.add(Label::new(RichText::new(line).size(size).color(color)).wrap());
    }
}

/// A sentence on a card in the middle of a place, where there is nothing else to see.
pub fn card(ui: &mut Ui, place: Rect, name: &str, sentence: String) {
    const MARGIN: f32 = 2.0 * palette::UNIT;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let room = vec2(place.width().min(560.0), place.height()) - vec2(2.0 * MARGIN, 2.0 * MARGIN);
    let sentence = [sentence];
    let (size, height) = fitted(ui, &sentence, SENTENCE, 0.0, room);
    let middle = Rect::from_center_size(place.center(), vec2(room.x, height.min(room.y)));
    ui.painter().rect_filled(middle.expand(MARGIN), palette::UNIT, palette.raised);
    let centered = Layout::top_down(Align::Center);
    ui.scope_builder(UiBuilder::new().max_rect(middle).id_salt(name).layout(centered), |ui| {
        ui.set_clip_rect(middle.intersect(ui.clip_rect()));
        let [sentence] = sentence;
        ui.add(Label::new(RichText::new(sentence).size(size).color(palette.text)).wrap());
    });
}
