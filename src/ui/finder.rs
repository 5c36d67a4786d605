//! The command palette: a few letters find a command, its keys, or why it cannot be had just now.

use egui::{Align2, Area, Frame, Id, Key, Order, RichText, ScrollArea, Ui, vec2};

use crate::app::command::Command;
use crate::app::state::State;
use crate::language::{Language, t, within};
use crate::palette::{self, Palette};
use crate::ui::widgets::{Panel, keys};

/// Rows on show.
const LINES: usize = 12;
const WIDTH: f32 = 560.0;

/// What was typed and which line is marked.
#[derive(Default)]
pub struct Finder {
    query: String,
    marked: usize,
    was_open: bool,
}

impl Finder {
    /// Forgets the last search, so that the next one begins empty.
    pub fn close(&mut self) {
        *self = Self::default();
    }
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, finder: &mut Finder) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let ctx = ui.ctx().clone();
    let found = search(panel.state, &finder.query);
    let (down, up, enter, escape) = ctx.input_mut(|input| {
        let mut taken = |key| input.count_and_consume_key(egui::Modifiers::NONE, key);
        (taken(Key::ArrowDown), taken(Key::ArrowUp), taken(Key::Enter), taken(Key::Escape))
    });
    let last = found.len().saturating_sub(1);
    finder.marked = (finder.marked + down).min(last).saturating_sub(up);
    let mut run = None;
    if enter > 0 {
        run = found.get(finder.marked).cloned();
    }
    let area = Area::new(Id::unique("finder")).order(Order::Foreground).anchor(Align2::CENTER_TOP, vec2(0.0, 40.0));
    let shown = area.show(&ctx, |ui| {
        Frame::window(ui.style()).inner_margin(8).show(ui, |ui| {
            ui.set_width(WIDTH);
            let field = egui::TextEdit::singleline(&mut finder.query)
                .hint_text(t!("Type what you want to do"))
                .desired_width(f32::INFINITY)
                .margin(vec2(8.0, 8.0));
            let response = ui.add(field);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, t!("Find a command")));
            if !finder.was_open {
                finder.was_open = true;
                response.request_focus();
            }
            if response.changed() {
                finder.marked = 0;
            }
            ui.add_space(palette::HALF);
            if found.is_empty() {
                ui.weak(t!("No command is called like that."));
            }
            let height = LINES as f32 * 28.0;
            ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                for (index, command) in found.iter().enumerate() {
                    let marked = index == finder.marked;
                    let reason = command.disabled(panel.state);
                    let shortcut = command.shortcuts().first().map(|shortcut| keys(ui, shortcut)).unwrap_or_default();
                    let color = if reason.is_some() { palette.text_weak } else { palette.text };
                    let text = RichText::new(command.label()).color(color);
                    let beside = reason.map_or(shortcut, str::to_owned);
                    let beside = RichText::new(beside).color(palette.text_weak);
                    let button = egui::Button::selectable(marked, text)
                        .shortcut_text(beside)
                        .min_size(vec2(ui.available_width(), 28.0));
                    let response = ui.add(button).on_hover_text(command.tooltip());
                    let label = command.label();
                    response.widget_info(|| {
                        egui::WidgetInfo::selected(egui::Role::Button, reason.is_none(), marked, &label)
                    });
                    if marked && (down > 0 || up > 0) {
                        response.scroll_to_me(None);
                    }
                    if response.clicked() {
                        run = Some(command.clone());
                    }
                }
            });
        });
    });
    let outside = ctx.input(|input| {
        input.pointer.any_pressed() && input.pointer.interact_pos().is_some_and(|at| !shown.response.rect.contains(at))
    });
    let ready = run.filter(|command| command.disabled(panel.state).is_none());
    if ready.is_some() || outside || escape > 0 {
        panel.push(Command::TogglePalette);
    }
    if let Some(command) = ready {
        panel.push(command);
    }
}

/// The commands that fit a search, the best first. What cannot be had stands below what can.
fn search(state: &State, query: &str) -> Vec<Command> {
    let mut found: Vec<(bool, i32, usize, Command)> = Command::catalogue(state)
        .into_iter()
        .enumerate()
        .filter(|(_, command)| !matches!(command, Command::TogglePalette | Command::Dismiss))
        .filter_map(|(place, command)| {
            // Who reads papers and code in English may search in it.
            let english = within(Language::English, || command.label());
            let score = score(query, &command.label()).max(score(query, &english))?;
            Some((command.disabled(state).is_some(), -score, place, command))
        })
        .collect();
    found.sort_by_key(|(disabled, score, place, _)| (*disabled, *score, *place));
    found.into_iter().map(|(.., command)| command).collect()
}

/// How well a text fits a search whose letters it must contain in order; `None` when it does not. Letters at the
/// beginning of words and in a row count more.
fn score(query: &str, text: &str) -> Option<i32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut at = 0;
    let mut total = 0;
    let mut letters = 0;
    let mut after_hit = false;
    for letter in query.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let found = at + text[at..].iter().position(|&other| other == letter)?;
        let begins = found == 0 || !text[found - 1].is_alphanumeric();
        letters += 1;
        total += 1 + if begins { 4 } else { 0 } + if after_hit && found == at { 3 } else { 0 };
        total -= i32::try_from((found - at).min(8)).unwrap_or(8) / 4;
        after_hit = true;
        at = found + 1;
    }
    // Scattered letters are found in almost every label, and never meant.
    (total >= letters).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_must_come_in_order() {
        assert!(score("lymk", "Layer: Mask").is_some());
        assert_eq!(score("kyl", "Layer: Mask"), None);
        assert_eq!(score("", "anything"), Some(0));
    }

    #[test]
    fn a_whole_word_wins_over_scattered_letters() {
        let words = score("mask", "Layer: Mask").expect("fits");
        let parted = score("mask", "Compare a list with a key").expect("fits");
        assert!(words > parted, "{words} > {parted}");
        assert_eq!(score("open", "Colour map: inferno"), None);
    }

    #[test]
    fn what_was_meant_comes_first() {
        let state = State::default();
        let first = |query: &str| search(&state, query).first().map(Command::label).unwrap_or_default();
        assert_eq!(first("mask"), "Layer: Mask");
        assert_eq!(first("global"), "Level rule: global");
        assert_eq!(first("dark"), "Dark theme");
        // Without an image there is nothing to solo: it is found, below what can be had.
        let solo = search(&state, "solo next");
        assert!(solo.iter().any(|command| command.disabled(&state).is_some()));
    }
}
