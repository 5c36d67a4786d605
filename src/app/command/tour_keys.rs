//! The keys of the tour.

use crate::app::command::Command;
use egui::{Context, Event, Key};

/// The commands of the tour's keys, which are taken out of the input.
pub fn pressed(ctx: &Context) -> Vec<Command> {
    let mut commands = Vec::new();
    ctx.input_mut(|input| {
        input.events.retain(|event| match event {
            Event::Key { key, pressed: true, modifiers, .. } if modifiers.is_none() => {
                let command = command_of(*key);
                commands.extend(command.clone());
                command.is_none()
            }
            _ => true,
        });
    });
    commands
}

const fn command_of(key: Key) -> Option<Command> {
    match key {
        Key::ArrowRight | Key::ArrowDown | Key::Enter => Some(Command::StepTour(1)),
        Key::ArrowLeft | Key::ArrowUp => Some(Command::StepTour(-1)),
        Key::Escape => Some(Command::LeaveTour),
        _ => None,
    }
}
