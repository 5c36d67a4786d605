//! Progress in one line of a terminal.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::Instant;

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
        self.draw("");
    }
}
