//! Batches to look at, made as a run would make them.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::context::Desk;
use super::protocol::{Job, Report};
use crate::train::preview::Previews;

/// Makes previews; what one leaves in memory serves the next.
pub(super) fn handle(previews: &mut Previews, job: Job, desk: &Desk) {
    let Job::Batch(request) = job else { return };
    let mut told = None;
    // New masks on known pictures take a moment and no stage: nothing to tell of.
    let mut progress = |stage: &str, fraction: Option<f32>| {
        if told.is_none() {
            desk.started(format!("step {}", request.step));
        }
        let now = Some((stage.to_owned(), fraction));
        if told != now {
            desk.progress(stage, fraction);
            told = now;
        }
        if desk.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match previews.make(&request, &mut progress) {
        Ok(Some(preview)) => desk.report(Report::Batch { request, preview: Arc::new(preview) }),
        Ok(None) => {}
        Err(error) => desk.failed("the batch", error.to_string()),
    }
}
