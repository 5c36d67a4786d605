//! Everything that went wrong or is worth knowing, to go back to.

use std::collections::VecDeque;

use crate::app::command::Command;
use crate::app::level::Level;
use crate::format::outside;
use crate::language::t;

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub level: Level,
    /// What it is about: "the teacher", "img_001.txt".
    pub what: String,
    pub text: String,
    /// When it last came, in seconds since the start.
    pub at: f64,
    /// How often it came.
    pub times: usize,
    /// A way out, offered as a button.
    pub remedy: Option<Command>,
}

/// The newest first; the oldest go when there are many.
#[derive(Clone, Debug, Default)]
pub struct Messages {
    list: VecDeque<Message>,
    /// Errors and warnings that came since the list was last looked at.
    pub unread: usize,
}

impl Messages {
    const MAX: usize = 500;
    /// Characters of a line of a message that are kept, and lines.
    const LONGEST: usize = 8_192;
    const LINES: usize = 1_000;

    /// Adds a message; one that repeats the newest is counted there. Whether it was new.
    pub fn add(&mut self, message: Message) -> bool {
        // A message may have lines of its own.
        let lines = message.text.lines().take(Self::LINES).map(|line| outside(line, Self::LONGEST));
        let (what, text) = (outside(&message.what, Self::LONGEST), lines.collect::<Vec<_>>().join("\n"));
        let message = Message { what, text, ..message };
        if message.level != Level::Info {
            self.unread += 1;
        }
        if let Some(newest) = self.list.front_mut()
            && (newest.level, &newest.what, &newest.text) == (message.level, &message.what, &message.text)
        {
            newest.times += 1;
            newest.at = message.at;
            return false;
        }
        self.list.push_front(message);
        self.list.truncate(Self::MAX);
        true
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Message> {
        self.list.iter()
    }

    pub fn get(&self, index: usize) -> Option<&Message> {
        self.list.get(index)
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn clear(&mut self) {
        self.list.clear();
        self.unread = 0;
    }
}

/// "12 s ago", for a time that passed.
pub fn ago(seconds: f64) -> String {
    match seconds.max(0.0) {
        s if s < 5.0 => t!("just now").to_owned(),
        s if s < 60.0 => t!("{seconds} s ago", seconds = format_args!("{s:.0}")),
        s if s < 3600.0 => t!("{minutes} min ago", minutes = (s / 60.0).floor()),
        s => t!("{hours} h ago", hours = (s / 3600.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Message {
        Message { level: Level::Error, what: "x".into(), text: text.into(), at: 0.0, times: 1, remedy: None }
    }

    #[test]
    fn a_repeated_message_is_counted_not_listed_twice() {
        let mut messages = Messages::default();
        assert!(messages.add(error("a")));
        assert!(!messages.add(error("a")));
        assert!(messages.add(error("b")));
        assert!(messages.add(error("a")));
        assert_eq!(messages.iter().map(|m| m.times).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(messages.unread, 4);
    }

    #[test]
    fn the_list_is_bounded() {
        let mut messages = Messages::default();
        for i in 0..600 {
            messages.add(error(&i.to_string()));
        }
        assert_eq!(messages.len(), 500);
        assert_eq!(messages.get(0).expect("a message").text, "599");
    }

    #[test]
    fn times_are_told_in_words() {
        assert_eq!([0.0, 42.0, 130.0, 7300.0].map(ago), ["just now", "42 s ago", "2 min ago", "2 h ago"]);
    }
}
