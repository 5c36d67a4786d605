//! Survey jobs: the sizes and labels of a split, then the cells that every ψ and rule mark.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{Job, Report, SurveyRequest};
use crate::dataset::{DataYaml, DatasetError, Samples};
use crate::language::key;
use crate::survey::survey;

/// Share of the time that reading takes, measured on ten thousand label files: so that the time left is one figure.
const READING: f32 = 0.2;

pub(super) fn handle(job: Job, context: &JobContext) {
    if let Job::Survey(request) = job {
        context.started(request.data.display().to_string());
        if let Err(error) = run(&request, context) {
            context.failed("the survey", error.to_string());
        }
    }
}

fn run(request: &SurveyRequest, context: &JobContext) -> Result<(), DatasetError> {
    let part = |stage: &'static str, from: f32, share: f32| {
        move |done: usize, images: usize| {
            context.progress(stage, Some(from + share * done as f32 / images.max(1) as f32));
            if context.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    };
    let mut reading = part(key!("reading labels"), 0.0, READING);
    let samples = match request.split {
        Some(split) => Samples::load(&DataYaml::load(&request.data)?, split, &mut reading)?,
        None => Samples::load_images(&request.data, &mut reading)?,
    };
    if context.is_cancelled() {
        return Ok(());
    }
    let mut counting = part(key!("counting cells"), READING, 1.0 - READING);
    let SurveyRequest { anchors, input, options, .. } = request;
    if let Some(survey) = survey(&samples, anchors, *input, options, &mut counting) {
        let (request, survey) = (Box::new(request.clone()), Arc::new(survey));
        context.report(Report::Survey { request, survey, skipped: samples.left_out.len() });
    }
    Ok(())
}
