//! The talk: what a step needs as it comes on stage, and that it stays on a step that there is.

use crate::app::derive::talk::steps;
use crate::app::state::State;
use crate::story::Step;

/// A step of the talk is on stage: the run's has its maps through time, where there are any.
pub(super) fn entered(state: &mut State) {
    let is_run = state.talk.on && state.talk.step == Step::Run;
    if is_run && state.runs.playback.is_none() {
        state.runs.show_snapshots(true);
    }
    // A run whose weights are there is seen on the open image, and no longer on the one that was recorded.
    let playing = state.runs.playback.and_then(|playback| state.runs.history(playback.history));
    if state.talk.on && state.talk.step == Step::BeforeAfter && playing.is_some_and(|history| history.place().is_some())
    {
        state.runs.leave_replay();
    }
}

/// The run that the stage is about may have been taken away.
pub(super) fn follow(state: &mut State) {
    let steps = steps(state);
    if let Some(last) = steps.last() {
        state.talk.step = state.talk.step.min(*last);
    }
}
