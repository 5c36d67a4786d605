//! A run on disk as a folder for YOLOv5's own trainer.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::context::JobContext;
use super::protocol::{Job, Report};
use crate::figure::free_name;
use crate::train::folder::RunFolder;
use crate::train::{TrainError, handover};

pub(super) fn handle(job: Job, context: &JobContext) {
    let Job::Handover { run, into } = job else { return };
    context.started("hand-over");
    match write(&run, &into, context) {
        Ok(Some(folder)) => context.report(Report::HandedOver(folder)),
        // Broken off.
        Ok(None) => {}
        Err(error) => context.failed("the hand-over", error),
    }
}

/// Into a new folder below the one that was chosen.
fn write(run: &Path, into: &Path, context: &JobContext) -> Result<Option<PathBuf>, TrainError> {
    let folder = RunFolder::new(run);
    let config = folder.read_config()?;
    let history = handover::finished_run(&folder.config(), &config);
    let out = into.join(free_name("handover", |name| into.join(name).exists()));
    let written = handover::write(&config, history.as_ref(), &out, &mut |what, fraction| {
        context.progress(what, fraction);
        if context.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(written.map(|_| out))
}
