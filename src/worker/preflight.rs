//! The preflight of the run that is set up, on models of its own.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{Job, Report};
use crate::preflight::{Preflight, preflight_of};
use crate::train::TrainError;
use crate::train::config::RunConfig;
use crate::train::plan::RunPlan;

pub(super) fn handle(job: Job, context: &JobContext) {
    let Job::Preflight { config, ratio } = job else { return };
    context.started("preflight");
    match examine(&config, ratio, context) {
        Ok(Some(found)) => context.report(Report::Preflight { config, found: Arc::new(found) }),
        // Nobody waits for it any more.
        Ok(None) => {}
        Err(error) => context.failed("the preflight", error),
    }
}

fn examine(config: &RunConfig, ratio: f64, context: &JobContext) -> Result<Option<Preflight>, TrainError> {
    let go_on = || if context.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let plan = RunPlan::make(config, true, &mut |what, _| {
        context.progress(what, Some(0.0));
        go_on()
    })?;
    let Some(plan) = plan else { return Ok(None) };
    preflight_of(plan, ratio, &mut |what, fraction| {
        context.progress(what, Some(fraction));
        go_on()
    })
}
