//! Talk mode: which step of the story is on stage, the keys that go through it, and what the window has to tell.

use std::sync::Arc;

use egui::{Event, Key, KeyboardShortcut, Modifiers};

use crate::app::command::{Command, PSI_STEP};
use crate::app::state::State;
use crate::inspect::{StorySource, usual_truth};
use crate::story::{Step, StoryNumbers};
use crate::train::history::Track;

/// Height and width of the stage in points: the window is zoomed until it is no smaller, so that type has the same share
/// of every screen.
const STAGE: [f32; 2] = [960.0, 540.0];
/// How far a window is zoomed at most.
const MOST_ZOOM: f32 = 8.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TalkState {
    pub on: bool,
    /// The screen is black.
    pub blank: bool,
    /// Kept while the talk is off: it goes on where it was left.
    pub step: Step,
}

impl Default for TalkState {
    fn default() -> Self {
        Self { on: false, blank: false, step: Step::Image }
    }
}

impl TalkState {
    pub(super) fn go(&mut self, steps: isize, of: &[Step]) {
        self.seek((self.step as usize).saturating_add_signed(steps), of);
    }

    /// To the step with this number, from 0; past the last to the last. A black screen ends there.
    pub(super) fn seek(&mut self, index: usize, of: &[Step]) {
        self.blank = false;
        self.step = of.get(index).or(of.last()).copied().unwrap_or(Step::Image);
    }
}

/// The steps that there are: without a run the talk ends before those that are about one.
pub fn steps(state: &State) -> &'static [Step] {
    Step::all(run(state).is_some())
}

/// The run that the stage is about may have been taken away.
pub(super) fn follow(state: &mut State) {
    let steps = steps(state);
    if let Some(last) = steps.last() {
        state.talk.step = state.talk.step.min(*last);
    }
}

/// The zoom at which a window of this many points at a zoom of 1 holds the stage.
pub fn zoom(window: egui::Vec2) -> f32 {
    let zoom = (window.x / STAGE[0]).min(window.y / STAGE[1]);
    if zoom.is_finite() { zoom.clamp(0.5, MOST_ZOOM) } else { 1.0 }
}

/// The ground truth that is told of: the soloed one, else the one that is best told of.
pub fn truth(state: &State) -> Option<usize> {
    state.solo.or_else(|| state.scene.as_deref().and_then(usual_truth))
}

/// The run that is told of: the one whose maps are shown, else the current one; of twins the one with imitation.
pub fn run(state: &State) -> Option<&Arc<Track>> {
    let runs = &state.runs;
    let current = || {
        let track = runs.current()?;
        let twin = runs.twins().find(|(_, baseline)| baseline.key == track.key);
        Some(twin.map_or(track, |(imitation, _)| imitation))
    };
    runs.playback.and_then(|playback| runs.track(playback.track)).or_else(current)
}

/// What the window knows of the image on screen and of the run, in numbers. `cell`: the one whose anchors
/// are shown, as (stride, row, col).
pub fn numbers(state: &State, cell: Option<(u32, usize, usize)>) -> StoryNumbers {
    let run = run(state).map(|track| state.runs.story(track));
    let Some(scene) = state.scene.as_deref() else { return StoryNumbers { run, ..StoryNumbers::default() } };
    let recorded = state.runs.recorded();
    let source = StorySource {
        scene,
        anchors: state.scales(),
        field: state.field.as_deref(),
        mask: state.mask.as_deref(),
        choice: state.imitation.mask,
        comparison: state.comparison.as_deref(),
        tap: recorded.as_ref().map_or(state.imitation.compared.tap, |imitation| imitation.tap).name(),
        lambda: recorded
            .map_or(state.runs.form.campaign.config.imitation.lambda, |imitation| imitation.lambda)
            .nominal(),
        truth: truth(state),
        cell,
    };
    let measures = state.measures.as_ref();
    let numbers = source.numbers(|stride| measures?.scale(stride)?.squares);
    StoryNumbers { run, ..numbers }
}

/// The commands of a talk's keys, which are taken out of the input: arrows, space, and the page keys of a clicker.
pub(super) fn pressed(ctx: &egui::Context) -> Vec<Command> {
    let mut commands = Vec::new();
    ctx.input_mut(|input| {
        input.events.retain(|event| match event {
            Event::Key { key, pressed: true, modifiers, .. } => {
                let command = command_of(*key, *modifiers);
                commands.extend(command.clone());
                command.is_none()
            }
            _ => true,
        });
    });
    commands
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
        Key::P if plain => Command::PlayMoments,
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
    fn steps_end_at_both_ends() {
        let mut talk = TalkState::default();
        let (with, without) = (Step::all(true), Step::all(false));
        talk.go(-1, with);
        assert_eq!(talk.step, Step::Image);
        talk.go(1, with);
        assert_eq!(talk.step, Step::CellAnchors);
        talk.blank = true;
        talk.seek(usize::MAX, with);
        assert!(!talk.blank, "who goes on wants to be seen");
        talk.go(1, with);
        assert_eq!(talk.step, Step::BeforeAfter);
        talk.seek(usize::MAX, without);
        assert_eq!(talk.step, Step::Answers);
    }

    #[test]
    fn type_has_the_same_share_of_every_screen() {
        for (size, expected) in
            [([1280.0, 720.0], 4.0 / 3.0), ([3840.0, 2160.0], 4.0), ([1024.0, 768.0], 1024.0 / 960.0)]
        {
            assert!((zoom(size.into()) - expected).abs() < 1e-6, "{size:?}");
        }
        assert_eq!(zoom(egui::Vec2::NAN), 1.0);
    }

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
