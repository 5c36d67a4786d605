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

/// The commands that fit a search, the best first: what can be had above what cannot, and of equals what loses nothing above
/// what closes or clears.
fn search(state: &State, query: &str) -> Vec<Command> {
    let mut found: Vec<(bool, u32, bool, usize, usize, Command)> = Command::catalogue(state)
        .into_iter()
        .enumerate()
        .filter(|(_, command)| !matches!(command, Command::TogglePalette | Command::Dismiss))
        .filter_map(|(place, command)| {
            let of = |label: String| distance(query, &label, command.synonyms());
            // Who reads papers and code in English may search in it.
            let english = of(within(Language::English, || command.label()));
            let distance = [of(command.label()), english].into_iter().flatten().min()?;
            // Of equals the shorter one says more plainly what it is about.
            let length = if query.trim().is_empty() { 0 } else { command.label().split_whitespace().count() };
            Some((command.disabled(state).is_some(), distance, command.takes_away(), length, place, command))
        })
        .collect();
    found.sort_by_key(|(disabled, distance, takes_away, length, place, _)| {
        (*disabled, *distance, *takes_away, *length, *place)
    });
    found.into_iter().map(|(.., command)| command).collect()
}

/// How far a search is from what it may mean; `None` where one of its words is not there. A word counts 0 where it begins a
/// word of the label, 1 where it begins another name of the same thing, 4 inside a word, 9 with a slip of the finger.
/// Scattered letters are found in almost every label and never meant.
fn distance(query: &str, label: &str, synonyms: &str) -> Option<u32> {
    let words = |text: &str| -> Vec<String> {
        let text = text.to_lowercase();
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (labels, others) = (words(label), words(synonyms));
    let of_word = |word: &String| {
        let begins = |known: &String| known.starts_with(word.as_str());
        let slipped = |known: &String| {
            let start: String = known.chars().take(word.chars().count()).collect();
            word.len() >= 4 && strsim::osa_distance(&start, word) <= 1
        };
        if labels.iter().any(begins) {
            Some(0)
        } else if others.iter().any(begins) {
            Some(1)
        } else if (word.len() >= 3 || !word.is_ascii()) && labels.iter().any(|known| known.contains(word.as_str())) {
            Some(4)
        } else {
            labels.iter().chain(&others).any(slipped).then_some(9)
        }
    };
    words(query).iter().map(of_word).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_their_beginning_then_by_another_name_then_inside() {
        assert_eq!(distance("lay mas", "Layer: Mask", ""), Some(0));
        assert_eq!(distance("threshold", "Lower ψ by 0.05", "threshold psi"), Some(1));
        assert_eq!(distance("ask", "Layer: Mask", ""), Some(4));
        assert_eq!(distance("maks", "Layer: Mask", ""), Some(9));
        assert_eq!(distance("掩码", "图层：IoU 掩码", ""), Some(0));
        assert_eq!(distance("", "anything", ""), Some(0));
    }

    #[test]
    fn scattered_letters_find_nothing() {
        for (query, label) in [("lymk", "Layer: Mask"), ("loss", "Close the student"), ("open", "Colour map: inferno")]
        {
            assert_eq!(distance(query, label, ""), None, "{query}");
        }
        assert_eq!(distance("mask key", "Layer: Mask", ""), None, "every word counts");
    }

    #[test]
    fn what_was_meant_comes_first() {
        let state = State::default();
        let first = |query: &str| search(&state, query).first().map(Command::label).unwrap_or_default();
        assert_eq!(first("mask"), "Layer: Mask");
        assert_eq!(first(" "), "Open image…", "nothing is typed yet: the order of the menus");
        assert_eq!(first("global"), "Level rule: global");
        assert_eq!(first("dark"), "Dark theme");
        // A word of the field finds what it is called here, and nothing is closed by it.
        let found = |query: &str| search(&state, query);
        assert!(matches!(found("threshold")[0], Command::StepPsi(_)), "{:?}", found("threshold")[0]);
        assert!(matches!(found("loss")[0], Command::SetLoss(_)), "{:?}", found("loss")[0]);
        assert!(found("loss").iter().all(|command| !matches!(command, Command::CloseModel(_))));
        // Without an image there is nothing to solo: it is found, below what can be had.
        let solo = search(&state, "solo next");
        assert!(solo.iter().any(|command| command.disabled(&state).is_some()));
    }
}
