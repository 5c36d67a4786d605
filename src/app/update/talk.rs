//! The talk stays on a step that there is.

use crate::app::derive::talk::steps;
use crate::app::state::State;

/// The run that the stage is about may have been taken away.
pub(super) fn follow(state: &mut State) {
    let steps = steps(state);
    if let Some(last) = steps.last() {
        state.talk.step = state.talk.step.min(*last);
    }
}
