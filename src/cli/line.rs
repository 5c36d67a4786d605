//! Progress in one line of a terminal.

use std::ops::ControlFlow;
use std::time::Instant;

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

/// Draws how many images of how many something has done, and the time that is left at the pace so far.
pub(super) fn progress(what: &'static str) -> impl FnMut(usize, usize) -> ControlFlow<()> {
    let (line, begin) = (Line::start(), Instant::now());
    move |done, images| {
        let per_image = begin.elapsed().as_secs_f64() / done.max(1) as f64;
        let left = (done > 0).then(|| format!(", {:.0} s left", per_image * (images - done) as f64));
        line.draw(&format!("{what} of {done}/{images} images{}", left.unwrap_or_default()));
        ControlFlow::Continue(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
