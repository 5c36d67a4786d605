//! What goes to the terminal, and what comes from it: results, one line of complaint, Ctrl+C.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use crate::files::atomic;
use crate::format;
use crate::train::event::RunControl;

/// A line on standard error; whatever it quotes from a file stays on it.
pub(super) fn say(what: impl Display) {
    /// A path has at most 4,096.
    const MOST: usize = 8_192;
    eprintln!("distillscope: {}", format::outside(&what.to_string(), MOST));
}

pub(super) fn warn(warning: impl Display) {
    say(format_args!("warning: {warning}"));
}

/// Whether a result that goes to this path goes to standard output.
pub(super) fn is_standard_output(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Results go to standard output; a closed pipe behind it is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A report as JSON to a file, or to standard output.
pub(super) fn write_json(path: &Path, report: &impl Serialize) -> anyhow::Result<()> {
    if is_standard_output(path) {
        return print(&serde_json::to_string_pretty(report)?);
    }
    Ok(atomic::write_json(path, report)?)
}

/// Lines to a file, or to standard output.
pub(super) fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    if is_standard_output(path) {
        return print(text.trim_end());
    }
    Ok(atomic::write(path, text.as_bytes())?)
}

pub(super) fn existing(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        anyhow::bail!("{}: no such file or folder", path.display());
    }
    Ok(())
}

/// The exit code of what was broken off by a signal.
pub(super) const INTERRUPTED: u8 = 130;

/// What ended as it was asked to, before its work was done; everything that is to be said of it has been said.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Interrupted;

/// Ctrl+C, a closed terminal (SIGHUP) and SIGTERM end a run after the step in hand, with a checkpoint; once more ends at once.
pub(super) fn stop_on_interrupt(control: &Arc<RunControl>) -> anyhow::Result<()> {
    let stop = Arc::clone(control);
    Ok(ctrlc::set_handler(move || {
        if stop.is_stopped() {
            leave(INTERRUPTED.into());
        }
        eprintln!("\ndistillscope: stopping after this step; once more ends at once");
        stop.stop();
    })?)
}

/// Ends the process at once. A thread may still be inside libtorch, whose destructors must not run under it; every file has
/// been written whole.
#[expect(unsafe_code, reason = "the one way to leave without running the destructors of shared libraries")]
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: `_exit` ends the process; nothing of it runs afterwards.
    unsafe { libc::_exit(code) }
}

/// The threads that images are read and masks are made on. Where they were first needed, a failure to start them would be a
/// panic.
pub(super) fn start_threads() -> anyhow::Result<()> {
    rayon::ThreadPoolBuilder::new().build_global().context("not enough memory or processes left to start threads")
}
