//! Widgets and panels: they draw the state and return commands. Nothing here changes the state, waits, or computes
//! more than what a frame can carry; what is kept between frames ([`Memory`]) is how things are shown, not what.

pub mod canvas;
pub mod colorbar;
mod curves;
mod features;
mod figure;
mod finder;
mod images;
mod imitation;
mod keys;
mod models;
mod overlays;
mod pinned;
mod pointer;
mod run;
pub mod style;
mod table;
mod talk;
mod terms;
mod toasts;
mod toolbar;
mod top;
mod tour;
mod truths;
mod widgets;

use egui::{CentralPanel, Frame, Id, Margin, Panel, Rect, ScrollArea, Ui};

use crate::app::command::Command;
use crate::app::derive::explain::Explained;
use crate::app::settings::WindowLayout;
use crate::app::state::{Overlay, State};
use crate::app::tour::Stop;
use crate::app::view::RangeMode;
use crate::files::file_name;
use crate::glossary::Term;
use crate::inspect::Role;
use crate::language::{key, t, tr};
use crate::palette;
use crate::ui::canvas::model::canvas_model;

/// What the panels keep between frames: textures, scroll positions, what is being typed.
#[derive(Default)]
pub struct Memory {
    images: images::ImageList,
    cards: models::CardRects,
    finder: finder::Finder,
    pub toasts: toasts::Toasts,
    sort: Option<table::Sort>,
    explained: Explained,
    canvas: canvas::Canvas,
    run: run::RunMemory,
    talk: talk::TalkMemory,
    figure: figure::FigureMemory,
    spots: tour::Spots,
    /// Widths of the left and the right panel.
    panels: [Option<f32>; 2],
    /// Height of the run panel.
    run_panel: Option<f32>,
}

impl Memory {
    /// A command in terms of what is on screen: only the canvas knows the view and the colours' range there.
    pub fn resolve(&self, command: Command, state: &State) -> Option<Command> {
        match command {
            Command::ZoomBy(factor) => self.canvas.zoomed(factor).map(Command::SetCamera),
            Command::ToggleRange => match state.view.range {
                RangeMode::Locked { .. } => Some(Command::SetRange(RangeMode::Auto)),
                RangeMode::Auto => {
                    self.canvas.range().map(|(low, high)| Command::SetRange(RangeMode::Locked { low, high }))
                }
            },
            command => Some(command),
        }
    }

    /// The layout as it is on screen.
    pub fn layout(&self, before: WindowLayout) -> WindowLayout {
        let [left, right] = self.panels;
        WindowLayout {
            left_panel: left.unwrap_or(before.left_panel),
            right_panel: right.unwrap_or(before.right_panel),
            run_panel: self.run_panel.unwrap_or(before.run_panel),
            ..before
        }
    }
}

/// Draws the whole window and returns what is asked for in it.
pub fn show(ui: &mut Ui, state: &State, memory: &mut Memory, layout: WindowLayout) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut panel = widgets::Panel { state, commands: &mut commands };
    dropped(ui, &mut panel, memory);
    if state.talk.on {
        talk::show(ui, &mut panel, &mut memory.talk);
        overlays::show(ui, &mut panel);
        figure::show(ui, &mut panel, &mut memory.figure);
        return commands;
    }
    let padded = |ui: &Ui, margin: Margin| Frame::side_top_panel(ui.style()).inner_margin(margin);

    let bar = padded(ui, Margin::symmetric(8, 4));
    Panel::top("menu").frame(bar).show(ui, |ui| top::show(ui, &mut panel));

    if let Some(height) = run::show(ui, &mut panel, &mut memory.run, layout.run_panel) {
        memory.run_panel = Some(height);
    }
    memory.spots.set(Stop::Run, memory.run.bar);

    let side = padded(ui, Margin::same(8));
    let left = Panel::left("images and models")
        .frame(side)
        .default_size(layout.left_panel)
        .size_range(200.0..=480.0)
        .show(ui, |ui| {
            // A low window keeps its height for the images.
            let brief = ui.available_height() < models::ROOM;
            let cards = Frame::NONE.inner_margin(Margin { top: 8, ..Margin::ZERO });
            Panel::bottom("models").frame(cards).resizable(false).show_separator_line(false).show(ui, |ui| {
                models::show(ui, &mut panel, &mut memory.cards, brief);
            });
            let list = CentralPanel::no_frame().show(ui, |ui| images::show(ui, &mut panel, &mut memory.images));
            list.response.rect
        });
    // Where cards leave the list no room, the whole column.
    let list = if left.inner.height() > 80.0 { left.inner } else { left.response.rect };
    memory.spots.set(Stop::Images, Some(list));
    memory.spots.set(Stop::Models, memory.cards.into_iter().flatten().reduce(Rect::union));
    let right = Panel::right("inspector")
        .frame(side)
        .default_size(layout.right_panel)
        .size_range(320.0..=560.0)
        .show(ui, |ui| inspector(ui, &mut panel, &mut memory.sort, &mut memory.explained));
    memory.spots.set(Stop::Mask, Some(right.inner.intersect(right.response.rect)));
    memory.panels = [left.response.rect.width(), right.response.rect.width()].map(Some);

    let center = Frame::NONE.fill(palette::Palette::of_theme(ui.visuals().dark_mode).canvas);
    let center = CentralPanel::no_frame().frame(center).show(ui, |ui| {
        let bar = padded(ui, Margin::symmetric(8, 8));
        Panel::top("toolbar").frame(bar).show(ui, |ui| toolbar::show(ui, &mut panel));
        if run::snapshots::is_shown(&panel) {
            let strip = padded(ui, Margin::symmetric(8, 4));
            Panel::bottom("run time").frame(strip).show(ui, |ui| run::snapshots::show(ui, &mut panel));
        }
        let corner = ui.max_rect().right_bottom() - egui::vec2(16.0, 16.0);
        let message = canvas_message(state);
        let view = state.canvas_view();
        panel.commands.extend(memory.canvas.show(ui, &canvas_model(state, &view, message.as_deref())));
        toasts::show(ui, state, &mut memory.toasts, corner, panel.commands);
    });
    memory.spots.set(Stop::Picture, Some(center.response.rect));

    tour::show(ui, &mut panel, &memory.spots);
    overlays::show(ui, &mut panel);
    figure::show(ui, &mut panel, &mut memory.figure);
    run::over(ui, &mut panel, &mut memory.run);
    if state.overlay == Some(Overlay::Palette) {
        finder::show(ui, &mut panel, &mut memory.finder);
    } else {
        memory.finder.close();
    }
    commands
}

/// What is under way or went wrong in the middle of the window.
fn canvas_message(state: &State) -> Option<String> {
    if state.replayed {
        return None;
    }
    if let Some(error) = &state.scene_error {
        return Some(error.clone());
    }
    let image = state.image.as_deref()?;
    let shown = state.scene.as_ref().is_some_and(|scene| scene.path == image);
    (!shown).then(|| t!("Opening {file}…", file = file_name(image)))
}

/// The right panel; returns where the mask's part is. What decides the mask stays in view; below it scrolls what follows
/// from it.
fn inspector(
    ui: &mut Ui,
    panel: &mut widgets::Panel<'_>,
    sort: &mut Option<table::Sort>,
    explained: &mut Explained,
) -> Rect {
    let state = panel.state;
    let title = widgets::section(ui, key!("IMITATION"), |ui| imitation::mask(ui, panel));
    let mask = Rect::from_x_y_ranges(ui.max_rect().x_range(), title.rect.top()..=ui.cursor().top());
    title.on_hover_text(tr(Term::Mask.explanation()));
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        pinned::show(ui, panel, explained);
        widgets::section(ui, key!("UNDER THE POINTER"), |ui| pointer::show(ui, state));
        let truths = state.scene.as_ref().map_or(0, |scene| scene.labels.len());
        let title = t!("GROUND TRUTHS ({count})", count = truths);
        let title = widgets::section_as(ui, "truths", &title, |ui| truths::show(ui, panel, sort));
        title.on_hover_text(tr(Term::GroundTruth.explanation()));
        widgets::section(ui, key!("FEATURES"), |ui| features::show(ui, panel));
        widgets::section(ui, key!("TOTALS"), |ui| imitation::totals(ui, state));
    });
    mask
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
        let palette = palette::Palette::of_theme(ui.visuals().dark_mode);
        let layer = egui::LayerId::new(egui::Order::Foreground, Id::unique("drop"));
        let painter = ui.ctx().layer_painter(layer);
        let whole = ui.ctx().content_rect();
        painter.rect_filled(whole, 0.0, palette.canvas.gamma_multiply(0.7));
        let target = onto.and_then(|role| memory.cards[role as usize]).unwrap_or_else(|| whole.shrink(16.0));
        let stroke = egui::Stroke::new(2.0, palette.accent);
        painter.rect_stroke(target, 8.0, stroke, egui::StrokeKind::Inside);
        let text = match onto {
            Some(role) => t!("Drop weights to make them the {role}", role = tr(role.name())),
            None => t!("Drop images, labels, a data.yaml, a folder, weights or a recorded run").to_owned(),
        };
        let font = egui::FontId::new(palette::TITLE, style::bold());
        painter.text(whole.center(), egui::Align2::CENTER_CENTER, text, font, palette.text);
    }
}
