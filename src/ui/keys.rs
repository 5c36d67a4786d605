//! The sheet of keys, read from the commands themselves: what is on offer and has a key stands there.

use std::cmp::Reverse;

use egui::{KeyboardShortcut, Ui};

use crate::app::command::Command;
use crate::app::command::talk_keys;
use crate::app::state::State;
use crate::language::t;
use crate::palette;
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
    // A title and the space below count as lines.
    let heights: Vec<usize> = parts.iter().map(|part| part.lines.len() + 2).collect();
    let columns = split(&heights, count);
    widgets::sheet_area(ui).show(ui, |ui| {
        ui.columns(count, |uis| {
            for (ui, column) in uis.iter_mut().zip(&columns) {
                ui.spacing_mut().item_spacing.y = 2.0;
                column.iter().for_each(|&index| draw(ui, &parts[index]));
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
    let part = |(title, commands): (&'static str, Vec<Command>)| {
        let mut lines: Vec<Line> = commands.iter().filter_map(of).collect();
        if commands.contains(&Command::ToggleTalk) {
            lines.extend(talk_keys::keys().into_iter().map(|(command, keys)| (written(&keys), on_stage(&command))));
        }
        Part { title, lines }
    };
    Command::groups(state).map(part).into()
}

/// What a key of the talk does there.
fn on_stage(command: &Command) -> String {
    match command {
        Command::ToggleTalk => t!("Leave the talk").to_owned(),
        other => other.label(),
    }
}

/// The parts of each column: the longest first, each into the column that is shortest so far, and in order again then.
fn split(heights: &[usize], columns: usize) -> Vec<Vec<usize>> {
    let mut longest: Vec<usize> = (0..heights.len()).collect();
    longest.sort_by_key(|&part| Reverse(heights[part]));
    let mut split = vec![Vec::new(); columns];
    for part in longest {
        let height = |column: &Vec<usize>| column.iter().map(|&part| heights[part]).sum::<usize>();
        if let Some(shortest) = split.iter_mut().min_by_key(|column| height(column)) {
            shortest.push(part);
        }
    }
    split.iter_mut().for_each(|column| column.sort_unstable());
    split.sort_unstable();
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_the_columns_evenly_and_stay_in_order() {
        assert_eq!(split(&[4, 4, 4], 3), [[0], [1], [2]]);
        // 21 | 14 | 14, then 11 below the first 14, 8 below the other, and 7 below 21.
        assert_eq!(split(&[14, 7, 21, 11, 14, 8], 3), [[0, 3], [1, 2], [4, 5]]);
        assert_eq!(split(&[1, 1, 9], 1), [[0, 1, 2]]);
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
        let (_, talk) = shown.iter().find(|(title, _)| *title == "Talk").expect("the talk's part");
        let keys: Vec<&str> = talk.iter().flat_map(|(keys, _)| keys.split("  ")).collect();
        for key in ["→", "←", "Page down", "Page up", "[", "]", "S", "G", "P", "Esc"] {
            assert!(keys.contains(&key), "{key} of {keys:?}");
        }
    }
}
