//! The talk stays on a step that there is.

use crate::app::command::{Command, PSI_STEP};
use crate::app::state::State;
use crate::inspect::{StorySource, usual_truth};
use crate::story::{Step, StoryNumbers};
use crate::train::history::Track;
use egui::{Event, Key, KeyboardShortcut, Modifiers};
use std::sync::Arc;

/// The run that the stage is about may have been taken away.
pub(super) fn follow(state: &mut State) {
    let steps = steps(state);
    if let Some(last) = steps.last() {
        state.talk.step = state.talk.step.min(*last);
    }
}
