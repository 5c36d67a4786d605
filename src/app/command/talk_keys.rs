//! The keys of a talk.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::app::command::shortcut::taken;
use crate::app::command::{Command, PSI_STEP};
use crate::story::Step;

/// The commands of a talk's keys, which are taken out of the input: arrows, space, and the page keys of a clicker.
pub fn pressed(ctx: &egui::Context) -> Vec<Command> {
    taken(ctx, command_of)
}

/// What the keys of a talk do, each with all of its keys, in the order of the keyboard.
pub fn keys() -> Vec<(Command, Vec<KeyboardShortcut>)> {
    let mut found: Vec<(Command, Vec<KeyboardShortcut>)> = Vec::new();
    for modifiers in [Modifiers::NONE, Modifiers::SHIFT] {
        for key in Key::ALL {
            let Some(command) = command_of(*key, modifiers) else { continue };
            let shortcut = KeyboardShortcut::new(modifiers, *key);
            match found.iter_mut().find(|(other, _)| *other == command) {
                Some((_, keys)) => keys.push(shortcut),
                None => found.push((command, vec![shortcut])),
            }
        }
    }
    found
}

fn command_of(key: Key, modifiers: Modifiers) -> Option<Command> {
    let plain = modifiers.is_none();
    let shifted = modifiers.matches_exact(Modifiers::SHIFT);
    Some(match key {
        Key::ArrowRight | Key::ArrowDown | Key::Space | Key::PageDown | Key::Enter if plain => Command::StepTalk(1),
        Key::ArrowLeft | Key::ArrowUp | Key::PageUp | Key::Backspace if plain => Command::StepTalk(-1),
        Key::Home if plain => Command::SeekTalk(0),
        Key::End if plain => Command::SeekTalk(Step::ALL.len() - 1),
        Key::Escape | Key::F5 if plain => Command::ToggleTalk,
        Key::OpenBracket if plain => Command::StepPsi(-PSI_STEP),
        Key::CloseBracket if plain => Command::StepPsi(PSI_STEP),
        Key::S if plain => Command::StepSolo(1),
        Key::S if shifted => Command::StepSolo(-1),
        Key::G if plain => Command::StepScales,
        Key::P if plain => Command::PlaySnapshots,
        Key::B | Key::Period if plain => Command::BlankTalk,
        Key::E if modifiers.matches_exact(Modifiers::COMMAND) => Command::OpenFigure(None),
        Key::Q if modifiers.matches_exact(Modifiers::COMMAND) => Command::Quit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clicker_and_a_hand_go_forth_and_back() {
        let of = |key| command_of(key, Modifiers::NONE);
        for key in [Key::ArrowRight, Key::ArrowDown, Key::Space, Key::PageDown] {
            assert_eq!(of(key), Some(Command::StepTalk(1)));
        }
        for key in [Key::ArrowLeft, Key::ArrowUp, Key::PageUp] {
            assert_eq!(of(key), Some(Command::StepTalk(-1)));
        }
        assert_eq!(of(Key::End), Some(Command::SeekTalk(14)));
        // What the sheet of keys says is what the keys do.
        for shortcut in Command::BlankTalk.shortcuts() {
            assert_eq!(command_of(shortcut.logical_key, shortcut.modifiers), Some(Command::BlankTalk));
        }
        assert_eq!(of(Key::Num1), None);
        assert_eq!(command_of(Key::ArrowRight, Modifiers::SHIFT), None);
    }
}
