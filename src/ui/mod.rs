//! Widgets and panels: they draw the state and return commands. Nothing here changes the state, waits, or computes
//! more than what a frame can carry; what is kept between frames ([`Memory`]) is how things are shown, not what.

pub mod canvas;
pub mod colorbar;
mod features;
mod finder;
pub mod format;
mod images;
mod imitation;
mod models;
mod overlays;
pub mod palette;
mod pointer;
pub mod style;
mod table;
mod toolbar;
mod top;
mod truths;
mod widgets;

use std::time::Duration;

use egui::{CentralPanel, Frame, Id, Margin, Panel, ScrollArea, Ui};
use egui_notify::{Toast, Toasts};

use crate::app::{Command, Level, Overlay, State, WindowLayout};
use crate::inspect::Role;

/// What the panels keep between frames: textures, scroll positions, what is being typed.
#[derive(Default)]
pub struct Memory {
    images: images::ImageList,
    cards: models::CardRects,
    finder: finder::Finder,
    sort: Option<table::Sort>,
    canvas: canvas::CanvasMemory,
    /// Widths of the left and the right panel.
    panels: [Option<f32>; 2],
}

impl Memory {
    /// The layout as it is on screen.
    pub fn layout(&self, before: WindowLayout) -> WindowLayout {
        let [left, right] = self.panels;
        WindowLayout {
            left_panel: left.unwrap_or(before.left_panel),
            right_panel: right.unwrap_or(before.right_panel),
            ..before
        }
    }
}

/// Draws the whole window and returns what is asked for in it.
pub fn show(ui: &mut Ui, state: &State, memory: &mut Memory, layout: WindowLayout) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut panel = widgets::Panel { state, commands: &mut commands };
    dropped(ui, &mut panel, memory);
    let padded = |ui: &Ui, margin: Margin| Frame::side_top_panel(ui.style()).inner_margin(margin);

    let bar = padded(ui, Margin::symmetric(8, 4));
    Panel::top("menu").frame(bar).show(ui, |ui| top::show(ui, &mut panel));

    let side = padded(ui, Margin::same(8));
    let left = Panel::left("images and models").frame(side).default_size(layout.left_panel).size_range(200.0..=480.0).show(ui, |ui| {
        let cards = Frame::NONE.inner_margin(Margin { top: 8, ..Margin::ZERO });
        Panel::bottom("models").frame(cards).resizable(false).show_separator_line(false).show(ui, |ui| {
            models::show(ui, &mut panel, &mut memory.cards);
        });
        CentralPanel::no_frame().show(ui, |ui| images::show(ui, &mut panel, &mut memory.images));
    });
    let right = Panel::right("inspector").frame(side).default_size(layout.right_panel).size_range(320.0..=560.0).show(ui, |ui| {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| inspector(ui, &mut panel, &mut memory.sort));
    });
    memory.panels = [left.response.rect.width(), right.response.rect.width()].map(Some);

    let center = Frame::NONE.fill(palette::Palette::of(ui).canvas);
    CentralPanel::no_frame().frame(center).show(ui, |ui| {
        let bar = padded(ui, Margin::symmetric(8, 8));
        Panel::top("toolbar").frame(bar).show(ui, |ui| toolbar::show(ui, &mut panel, memory.canvas.range()));
        canvas::show(ui, &canvas::CanvasModel::of(state), &mut memory.canvas, panel.commands);
    });

    overlays::show(ui, &mut panel);
    if state.overlay == Some(Overlay::Palette) {
        finder::show(ui, &mut panel, &mut memory.finder);
    } else {
        memory.finder.close();
    }
    commands
}

/// The right panel.
fn inspector(ui: &mut Ui, panel: &mut widgets::Panel<'_>, sort: &mut Option<table::Sort>) {
    let state = panel.state;
    widgets::section(ui, "UNDER THE POINTER", |ui| pointer::show(ui, state));
    widgets::section(ui, "MASK", |ui| imitation::mask(ui, panel));
    widgets::section(ui, "TOTALS", |ui| imitation::totals(ui, state));
    let truths = state.scene.as_ref().map_or(0, |scene| scene.labels.len());
    let title = format!("GROUND TRUTHS ({truths})");
    widgets::section_as(ui, "truths", &title, |ui| truths::show(ui, panel, sort));
    widgets::section(ui, "FEATURES", |ui| features::show(ui, panel));
}

/// Files that were let fall on the window, and the frame that says that they can be.
fn dropped(ui: &Ui, panel: &mut widgets::Panel<'_>, memory: &Memory) {
    let (paths, hovering, at) = ui.ctx().input(|input| {
        let paths: Vec<_> = input.raw.dropped_files.iter().map(|file| file.path().to_path_buf()).collect();
        (paths, !input.raw.hovered_files.is_empty(), input.pointer.latest_pos())
    });
    let onto = at.and_then(|at| {
        Role::ALL.into_iter().find(|role| memory.cards[*role as usize].is_some_and(|card| card.contains(at)))
    });
    if !paths.is_empty() {
        panel.push(Command::Drop(paths, onto));
    }
    if hovering {
        let palette = palette::Palette::of(ui);
        let layer = egui::LayerId::new(egui::Order::Foreground, Id::unique("drop"));
        let painter = ui.ctx().layer_painter(layer);
        let whole = ui.ctx().content_rect();
        painter.rect_filled(whole, 0.0, palette.canvas.gamma_multiply(0.7));
        let target = onto.and_then(|role| memory.cards[role as usize]).unwrap_or_else(|| whole.shrink(16.0));
        let stroke = egui::Stroke::new(2.0, palette.accent);
        painter.rect_stroke(target, 8.0, stroke, egui::StrokeKind::Inside);
        let text = match onto {
            Some(role) => format!("Drop weights to make them the {}", role.name()),
            None => "Drop images, labels, a data.yaml, a folder or weights".to_owned(),
        };
        let font = egui::FontId::new(palette::TITLE, style::bold());
        painter.text(whole.center(), egui::Align2::CENTER_CENTER, text, font, palette.text);
    }
}

/// Shows a message for a while.
pub fn toast(toasts: &mut Toasts, level: Level, text: &str) {
    let mut toast = match level {
        Level::Info => Toast::info(shortened(text)),
        Level::Warning => Toast::warning(shortened(text)),
        Level::Error => Toast::error(shortened(text)),
    };
    let seconds = if level == Level::Error { 10 } else { 6 };
    toast.duration(Duration::from_secs(seconds)).width(420.0);
    toasts.add(toast);
}

/// A toast is read in passing: the list of messages has the whole text.
fn shortened(text: &str) -> String {
    const MOST: usize = 240;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start}… (see Messages)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_toast_points_to_the_list() {
        assert_eq!(shortened("short"), "short");
        let long = shortened(&"ψ".repeat(500));
        assert!(long.starts_with('ψ') && long.ends_with("… (see Messages)") && long.chars().count() < 270);
    }
}
