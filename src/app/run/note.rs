//! What of a run is worth a message.

use crate::app::level::Level;
use crate::language::{t, tr};
use crate::story::Line;
use crate::train::event::{Outcome, RunEvent};

/// Something worth a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub level: Level,
    pub what: String,
    pub text: String,
}

/// A line of the engine in the language in force.
pub fn said(line: &Line) -> String {
    line.said(&tr).replace("->", "→").replace(" -", " −")
}

/// What of an event a person is told.
pub fn note(name: &str, event: &RunEvent) -> Option<Note> {
    let (level, text) = match event {
        RunEvent::Warning(text) => (Level::Warning, text.clone()),
        RunEvent::Ended(Outcome::Stopped) => {
            (Level::Info, t!("the run was stopped; Resume goes on with it").to_owned())
        }
        RunEvent::Ended(Outcome::Failed(cause)) => (Level::Error, cause.clone()),
        _ => return None,
    };
    Some(Note { level, what: name.to_owned(), text })
}
