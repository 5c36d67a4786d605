//! Which keys give commands.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::{Command, PAGE, PSI_STEP};
use crate::app::view::{Camera, Layer};
use crate::inspect::Role;

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn shifted(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

const fn control(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn control_shifted(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

/// The commands of the keys that were pressed; those keys are taken out of the input.
pub(super) fn taken(ctx: &egui::Context, command_of: impl Fn(Key, Modifiers) -> Option<Command>) -> Vec<Command> {
    let mut commands = Vec::new();
    ctx.input_mut(|input| {
        input.events.retain(|event| match event {
            egui::Event::Key { key, pressed: true, modifiers, .. } => {
                let command = command_of(*key, *modifiers);
                commands.extend(command.clone());
                command.is_none()
            }
            _ => true,
        });
    });
    commands
}

impl Command {
    /// The keys that give it, the first one for display.
    pub fn shortcuts(&self) -> &'static [KeyboardShortcut] {
        const LAYERS: [KeyboardShortcut; 8] = [
            plain(Key::Num1),
            plain(Key::Num2),
            plain(Key::Num3),
            plain(Key::Num4),
            plain(Key::Num5),
            plain(Key::Num6),
            plain(Key::Num7),
            plain(Key::Num8),
        ];
        match self {
            Self::BrowseImage => const { &[control(Key::O)] },
            Self::BrowseData => const { &[control(Key::D)] },
            Self::BrowseFolder => const { &[control_shifted(Key::O)] },
            Self::BrowseLabels => const { &[control(Key::L)] },
            Self::BrowseModel(Role::Teacher) => const { &[control(Key::T)] },
            Self::BrowseModel(Role::Student) => const { &[control(Key::U)] },
            Self::FocusSearch => const { &[control(Key::F)] },
            Self::StepImage(1) => const { &[plain(Key::ArrowRight), plain(Key::ArrowDown)] },
            Self::StepImage(-1) => const { &[plain(Key::ArrowLeft), plain(Key::ArrowUp)] },
            Self::StepImage(PAGE) => const { &[plain(Key::PageDown)] },
            Self::StepImage(step) if *step == -PAGE => const { &[plain(Key::PageUp)] },
            Self::CompareAgain => const { &[shifted(Key::F5)] },
            Self::ToggleTalk => const { &[plain(Key::F5)] },
            Self::BlankTalk => const { &[plain(Key::B), plain(Key::Period)] },
            Self::OpenFigure(None) => const { &[control(Key::E)] },
            Self::StepPsi(step) if *step == PSI_STEP => const { &[plain(Key::CloseBracket)] },
            Self::StepPsi(step) if *step == -PSI_STEP => const { &[plain(Key::OpenBracket)] },
            Self::StepSolo(1) => const { &[plain(Key::S)] },
            Self::StepSolo(-1) => const { &[shifted(Key::S)] },
            Self::SetLayer(layer) => Layer::ALL
                .iter()
                .position(|other| other == layer)
                .and_then(|index| LAYERS.get(index))
                .map_or(&[], std::slice::from_ref),
            Self::StepScales => const { &[plain(Key::G)] },
            Self::SetInsideMask(_) => const { &[plain(Key::I)] },
            Self::ToggleRange => const { &[plain(Key::R)] },
            Self::ToggleLabels => const { &[plain(Key::L)] },
            Self::ToggleBoxes(Role::Teacher) => const { &[plain(Key::T)] },
            Self::ToggleBoxes(Role::Student) => const { &[plain(Key::U)] },
            Self::SetCamera(Camera::Fit) => const { &[plain(Key::F), plain(Key::Num0)] },
            // A plus may need the shift key, and an equals sign is a plus without it.
            Self::ZoomBy(factor) if *factor > 1.0 => {
                const { &[plain(Key::Plus), plain(Key::Equals), shifted(Key::Plus), shifted(Key::Equals)] }
            }
            Self::ZoomBy(_) => const { &[plain(Key::Minus)] },
            Self::TogglePin => const { &[plain(Key::E)] },
            Self::StepPin(-1, 0) => const { &[shifted(Key::ArrowUp)] },
            Self::StepPin(1, 0) => const { &[shifted(Key::ArrowDown)] },
            Self::StepPin(0, -1) => const { &[shifted(Key::ArrowLeft)] },
            Self::StepPin(0, 1) => const { &[shifted(Key::ArrowRight)] },
            Self::TogglePalette => const { &[control(Key::K), control(Key::P)] },
            Self::ToggleMessages => const { &[control(Key::M)] },
            Self::ToggleKeys => const { &[plain(Key::F1)] },
            Self::ToggleTerms => const { &[shifted(Key::F1)] },
            Self::ToggleRunPanel => const { &[control(Key::R)] },
            Self::StartRun => const { &[plain(Key::F9)] },
            Self::PauseRun => const { &[plain(Key::F8)] },
            Self::StopRun => const { &[shifted(Key::F8)] },
            Self::ResumeRun => const { &[shifted(Key::F9)] },
            Self::StepBatch(-1) => const { &[plain(Key::Comma)] },
            Self::StepBatch(1) => const { &[plain(Key::Period)] },
            Self::ToggleSnapshots => const { &[plain(Key::M)] },
            Self::PlaySnapshots => const { &[plain(Key::P)] },
            Self::Dismiss => const { &[plain(Key::Escape)] },
            Self::Quit => const { &[control(Key::Q)] },
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::State;

    #[test]
    fn no_two_commands_share_a_key() {
        let mut taken: Vec<(KeyboardShortcut, String)> = Vec::new();
        for command in Command::catalogue(&State::default()) {
            for shortcut in command.shortcuts() {
                let other = taken.iter().find(|(key, _)| key == shortcut);
                assert!(other.is_none(), "{shortcut:?}: {} and {other:?}", command.label());
                taken.push((*shortcut, command.label()));
            }
        }
        assert!(taken.len() > 40, "{}", taken.len());
    }
}
