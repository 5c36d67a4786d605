//! Progress in one line of a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on standard error, drawn over itself and gone when this is; nothing where that is no terminal.
pub(super) struct Line(ProgressBar);

impl Line {
    pub fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // Cut at the terminal's width: a line that wraps cannot be drawn over.
        Self(
            bar.with_style(ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar())),
        )
    }

    pub fn draw(&self, text: &str) {
        self.0.set_message(text.to_owned());
        self.0.tick();
    }

    /// Lets something that stays be written in the line's place.
    pub fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
