//! The preflight of the run that is set up, on models of its own.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::context::Desk;
use super::protocol::{Job, Report};
use crate::preflight::{Preflight, preflight_of};
use crate::train::TrainError;
use crate::train::config::RunConfig;
use crate::train::plan::RunPlan;

pub(super) fn handle(job: Job, desk: &Desk) {
    let Job::Preflight { config, ratio } = job else { return };
    desk.started("preflight");
    match examine(&config, ratio, desk) {
        Ok(Some(found)) => desk.report(Report::Preflight { config, found: Arc::new(found) }),
        // Nobody waits for it any more.
        Ok(None) => {}
        Err(error) => desk.failed("the preflight", error.to_string()),
    }
}

fn examine(config: &RunConfig, ratio: f64, desk: &Desk) -> Result<Option<Preflight>, TrainError> {
    let go_on = || if desk.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let plan = RunPlan::make(config, true, &mut |what, _| {
        desk.progress(what, Some(0.0));
        go_on()
    })?;
    let Some(plan) = plan else { return Ok(None) };
    preflight_of(plan, ratio, &mut |what, fraction| {
        desk.progress(what, Some(fraction));
        go_on()
    })
}
