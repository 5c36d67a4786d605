//! Batches to look at, made as a run would make them.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{Job, Report};
use crate::train::preview::Previews;

/// Makes previews; what one leaves in memory serves the next.
pub(super) fn handle(previews: &mut Previews, job: Job, context: &JobContext) {
    let Job::Batch(request) = job else { return };
    let mut reported = None;
    // New masks on known pictures take a moment and no stage: nothing to tell of.
    let mut progress = |stage: &str, fraction: Option<f32>| {
        if reported.is_none() {
            context.started(format!("step {}", request.step));
        }
        let now = Some((stage.to_owned(), fraction));
        if reported != now {
            context.progress(stage, fraction);
            reported = now;
        }
        if context.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match previews.make(&request, &mut progress) {
        Ok(Some(preview)) => context.report(Report::Batch { request, preview: Arc::new(preview) }),
        Ok(None) => {}
        Err(error) => context.failed("the batch", error.to_string()),
    }
}
