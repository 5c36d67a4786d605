//! Effects of a command, and messages.

use crate::app::command::Command;
use crate::app::io::IoRequest;
use crate::app::level::Level;
use crate::app::messages::Message;
use crate::app::state::State;
use crate::language::tr;
use crate::worker::{Job, JobKind};

/// What is to be done outside the state.
#[derive(Clone, Debug)]
pub enum Effect {
    Send(Job),
    Cancel(JobKind),
    Ask(IoRequest),
    Toast { level: Level, text: String, remedy: Option<Command> },
    SetTheme(egui::ThemePreference),
    Quit,
}

/// Adds a message to the list and shows it for a while.
pub fn tell(
    state: &mut State,
    level: Level,
    what: impl Into<String>,
    text: impl Into<String>,
    effects: &mut Vec<Effect>,
) {
    tell_with(state, level, what, text, None, effects);
}

pub fn tell_with(
    state: &mut State,
    level: Level,
    what: impl Into<String>,
    text: impl Into<String>,
    remedy: Option<Command>,
    effects: &mut Vec<Effect>,
) {
    // A worker names its subject in English.
    let (what, text) = (tr(&what.into()).to_owned(), text.into());
    let toast = format!("{what}: {text}");
    let at = state.now;
    if state.messages.add(Message { level, what, text, at, times: 1, remedy: remedy.clone() }) {
        effects.push(Effect::Toast { level, text: toast, remedy });
    }
}
