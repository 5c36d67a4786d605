//! The keys of the tour.

use egui::{Context, Key};

use crate::app::command::Command;
use crate::app::command::shortcut::taken;

/// The commands of the tour's keys, which are taken out of the input.
pub fn pressed(ctx: &Context) -> Vec<Command> {
    taken(ctx, |key, modifiers| modifiers.is_none().then(|| command_of(key)).flatten())
}

const fn command_of(key: Key) -> Option<Command> {
    match key {
        Key::ArrowRight | Key::ArrowDown | Key::Enter => Some(Command::StepTour(1)),
        Key::ArrowLeft | Key::ArrowUp => Some(Command::StepTour(-1)),
        Key::Escape => Some(Command::LeaveTour),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_and_enter_go_on_and_escape_leaves() {
        for key in [Key::ArrowRight, Key::ArrowDown, Key::Enter] {
            assert_eq!(command_of(key), Some(Command::StepTour(1)));
        }
        for key in [Key::ArrowLeft, Key::ArrowUp] {
            assert_eq!(command_of(key), Some(Command::StepTour(-1)));
        }
        assert_eq!(command_of(Key::Escape), Some(Command::LeaveTour));
        assert_eq!(command_of(Key::S), None);
    }
}
