//! What the talk shows of what is open.

use crate::app::state::State;
use crate::inspect::{StorySource, usual_truth};
use crate::story::{Step, StoryNumbers};
use crate::train::history::Track;
use std::sync::Arc;

/// The steps that there are: without a run the talk ends before those that are about one.
pub fn steps(state: &State) -> &'static [Step] {
    Step::all(run(state).is_some())
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
