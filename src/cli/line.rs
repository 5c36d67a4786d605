//! Progress in one line of a terminal.

use std::io::{IsTerminal, Write};

/// A line on standard error, drawn over itself and gone when this is; nothing where that is no terminal.
pub(super) struct Line {
    live: bool,
}

impl Line {
    pub fn start() -> Self {
        Self { live: std::io::stderr().is_terminal() }
    }

    // A terminal that is gone stops no work.
    pub fn draw(&self, text: &str) {
        if self.live {
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.draw("");
    }
}
