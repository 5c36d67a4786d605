//! Review jobs: teacher, student and runs over a split, on models of their own.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{Failure, Job, Report, ReviewRequest};
use super::runs::give_way;
use crate::dataset::Samples;
use crate::device;
use crate::review::{Review, ReviewModel, review};
use crate::train::event::RunControl;
use crate::train::folder::RunFolder;
use crate::yolo::checkpoint;
use crate::yolo::network::Network;

/// Share of the time that reading labels takes.
const READING: f32 = 0.05;

pub(super) fn handle(job: Job, context: &JobContext) {
    let Job::Review { request, control } = job else { return };
    give_way();
    context.started(request.data.display().to_string());
    match run(&request, &control, context) {
        Ok(Some(review)) => context.report(Report::Review { request, review: Arc::new(review) }),
        // Stopped before there was anything to show.
        Ok(None) => {}
        Err(failure) => context.failed("the review", failure),
    }
}

fn run(request: &ReviewRequest, control: &RunControl, context: &JobContext) -> Result<Option<Review>, Failure> {
    let go_on = || {
        let stopped = control.is_stopped() || context.is_cancelled();
        if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let said = |stage: &'static str, from: f32, share: f32| {
        move |done: usize, images: usize| {
            context.progress(stage, Some(from + share * done as f32 / images.max(1) as f32));
            go_on()
        }
    };
    context.progress("loading the models", None);
    let models = models(request)?;
    let names = models.get(1).map_or(&[] as &[String], |student| student.network.names());
    let mut reading = said("reading the labels", 0.0, READING);
    let samples =
        Samples::open(&request.data, request.split, names, &mut reading).map_err(|error| error.to_string())?;
    if go_on().is_break() {
        return Ok(None);
    }
    let mut reviewing = said("running the models", READING, 1.0 - READING);
    let found = review(&models, &samples, &request.options, &mut reviewing)?;
    let is_empty = found.images.iter().all(|image| image.error.is_some());
    Ok((found.is_complete() || !is_empty).then_some(found))
}

/// The teacher, the student, then the runs that have left weights.
fn models(request: &ReviewRequest) -> Result<Vec<ReviewModel>, Failure> {
    let resolved = request.device.parse().and_then(device::resolve);
    let (device, _) = resolved.map_err(|error| error.to_string())?;
    let load = |(role, path): (String, PathBuf)| {
        let network = Network::load(&checkpoint::open(&path)?, device)?.0.folded(tch::Kind::Float)?;
        Ok(ReviewModel { role, path, network })
    };
    let both = [("teacher", &request.teacher), ("student", &request.student)];
    let both = both.into_iter().map(|(role, path)| (role.to_owned(), path.clone()));
    let runs = request.runs.iter().filter_map(|(name, folder)| Some((name.clone(), RunFolder::new(folder).trained()?)));
    both.chain(runs).map(load).collect()
}
