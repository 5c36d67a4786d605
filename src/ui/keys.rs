//! The sheet of keys, read from the commands themselves: what is on offer and has a key stands there.

use egui::{KeyboardShortcut, Ui};

use crate::app::language::t;
use crate::app::{Command, State, talk};
use crate::ui::palette;
use crate::ui::widgets::{self, note};

/// Points; with two gaps three columns fill the sheet in the smallest window.
const COLUMN: f32 = 264.0;
const MOST_COLUMNS: usize = 3;
const KEYS: f32 = 96.0;

/// A line: some keys, and what they do.
type Line = (String, String);

/// A part of the sheet: its title, and what stands below.
struct Part {
    title: &'static str,
    lines: Vec<Line>,
}

pub fn show(ui: &mut Ui, state: &State) {
    let parts = parts(ui, state);
    let count = ((ui.available_width() / COLUMN) as usize).clamp(1, MOST_COLUMNS);
    let heights: Vec<usize> = parts.iter().map(|part| part.lines.len() + 2).collect();
    let mut columns: Vec<Vec<Part>> = (0..count).map(|_| Vec::new()).collect();
    for (part, column) in parts.into_iter().zip(split(&heights, count)) {
        columns[column].push(part);
    }
    widgets::sheet_area(ui).show(ui, |ui| {
        ui.columns(count, |uis| {
            for (ui, parts) in uis.iter_mut().zip(&columns) {
                ui.spacing_mut().item_spacing.y = 2.0;
                parts.iter().for_each(|part| draw(ui, part));
            }
        });
    });
    note(
        ui,
        t!(
            "Wheel: zoom around the pointer. Drag: move. Double click: fit. Click: explain a cell. Shift and click: solo a box."
        ),
    );
}

fn draw(ui: &mut Ui, part: &Part) {
    ui.label(widgets::strong(part.title));
    for (keys, does) in &part.lines {
        widgets::listed(ui, KEYS, keys, does);
    }
    ui.add_space(palette::UNIT);
}

fn parts(ui: &Ui, state: &State) -> Vec<Part> {
    let written = |keys: &[KeyboardShortcut]| {
        let keys: Vec<String> = keys.iter().map(|key| widgets::keys(ui, key)).collect();
        keys.join("  ")
    };
    let of = |command: &Command| {
        let keys = command.shortcuts();
        // More than two are one key on keyboards of different make.
        (!keys.is_empty()).then(|| (written(&keys[..keys.len().min(2)]), command.label()))
    };
    let groups = Command::groups(state).into_iter();
    let mut parts: Vec<Part> =
        groups.map(|(title, commands)| Part { title, lines: commands.iter().filter_map(of).collect() }).collect();
    let on_stage = talk::keys().into_iter().map(|(command, keys)| {
        let does = if command == Command::ToggleTalk { t!("Leave the talk").to_owned() } else { command.label() };
        (written(&keys), does)
    });
    parts.push(Part { title: t!("In the talk"), lines: on_stage.collect() });
    parts
}

/// The column of each part: parts stay in order, and each goes where its middle falls in equal shares of all lines.
fn split(heights: &[usize], columns: usize) -> Vec<usize> {
    let all: usize = heights.iter().sum::<usize>().max(1);
    let mut above = 0;
    let place = |height: &usize| {
        let middle = 2 * above + height;
        above += height;
        (middle * columns / (2 * all)).min(columns - 1)
    };
    heights.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_spread_over_columns_in_order() {
        assert_eq!(split(&[4, 4, 4], 3), [0, 1, 2]);
        assert_eq!(split(&[10, 2, 12], 2), [0, 0, 1]);
        assert_eq!(split(&[1, 1, 1, 9], 1), [0, 0, 0, 0]);
        assert_eq!(split(&[], 2), [0; 0]);
    }

    #[test]
    fn every_key_of_the_window_and_of_the_talk_is_on_the_sheet() {
        let ctx = egui::Context::default();
        let state = State::default();
        let mut shown = Vec::new();
        let output = ctx.run_ui(egui::RawInput::default(), |ui| {
            shown = parts(ui, &state).into_iter().map(|part| (part.title, part.lines)).collect();
        });
        let mut textures = output.textures_delta;
        textures.clear();
        let lines: Vec<&Line> = shown.iter().flat_map(|(_, lines)| lines).collect();
        let with_keys = Command::catalogue(&state).into_iter().filter(|command| !command.shortcuts().is_empty());
        for command in with_keys {
            assert!(lines.iter().any(|(_, does)| *does == command.label()), "{command:?}");
        }
        let (_, talk) = shown.last().expect("the talk's part");
        let keys: Vec<&str> = talk.iter().flat_map(|(keys, _)| keys.split("  ")).collect();
        for key in ["→", "←", "Page down", "Page up", "[", "]", "S", "G", "P", "Esc"] {
            assert!(keys.contains(&key), "{key} of {keys:?}");
        }
    }
}
