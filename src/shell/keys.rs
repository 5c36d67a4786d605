//! Which commands the keys of this frame give.

use egui::{Event, Key, KeyboardShortcut, Modifiers, Popup};

use crate::app::command::Command;
use crate::app::command::{talk_keys, tour_keys};
use crate::app::state::State;

/// The commands of the keys that were pressed, and takes those keys out of the input.
///
/// A text field that has the keyboard keeps it. So does what lies over the window: only what closes it gets through.
pub fn pressed(ctx: &egui::Context, state: &State) -> Vec<Command> {
    if ctx.text_edit_focused() || !state.undecided.is_empty() {
        return Vec::new();
    }
    let any = ctx.input(|input| input.events.iter().any(|event| matches!(event, Event::Key { pressed: true, .. })));
    if !any {
        return Vec::new();
    }
    // What lies over the stage has its keys as elsewhere.
    if state.talk.on && state.overlay.is_none() {
        return talk_keys::pressed(ctx);
    }
    // Menus and lists that hang open use arrows and Esc themselves; so does a slider that has been tabbed to.
    let walks = Popup::is_any_open(ctx) || ctx.egui_wants_keyboard_input();
    let covered = state.overlay.is_some();
    let mut commands = Vec::new();
    // Under a sheet or a menu the tour waits.
    if state.tour.is_some() && !covered && !walks {
        commands.extend(tour_keys::pressed(ctx));
    }
    for command in Command::catalogue(state) {
        let closes = matches!(
            command,
            Command::Dismiss
                | Command::TogglePalette
                | Command::ToggleKeys
                | Command::ToggleTerms
                | Command::OpenFigure(None)
                | Command::Quit
                | Command::ToggleMessages
        );
        if covered && !closes {
            continue;
        }
        for shortcut in command.shortcuts() {
            let walking = matches!(
                shortcut.logical_key,
                Key::ArrowUp | Key::ArrowDown | Key::ArrowLeft | Key::ArrowRight | Key::Escape
            );
            if walking && walks {
                continue;
            }
            for _ in 0..take(ctx, *shortcut) {
                commands.push(command.clone());
            }
        }
    }
    commands
}

/// How often exactly this shortcut was pressed, repeats of a held key too.
fn take(ctx: &egui::Context, shortcut: KeyboardShortcut) -> usize {
    ctx.input_mut(|input| {
        let before = input.events.len();
        input.events.retain(|event| !is(event, shortcut));
        before - input.events.len()
    })
}

fn is(event: &Event, shortcut: KeyboardShortcut) -> bool {
    let exactly = |modifiers: &Modifiers| modifiers.matches_exact(shortcut.modifiers);
    matches!(event, Event::Key { key, pressed: true, modifiers, .. } if *key == shortcut.logical_key && exactly(modifiers))
}
