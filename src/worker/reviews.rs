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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::{MaskRule, ReviewOptions};
    use crate::worker::JobKind;
    use crate::worker::context::test_context;
    use std::path::Path;

    /// The sample session's models on a folder of two of its images, whose labels lie beside them.
    fn request(folder: &Path) -> ReviewRequest {
        let sample = |path: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(path);
        let mut images: Vec<PathBuf> = std::fs::read_dir(sample("images/val"))
            .expect("sample images")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        images.sort();
        for image in &images[..2] {
            let name = Path::new(image.file_name().expect("a name"));
            std::fs::copy(image, folder.join(name)).expect("a copy");
            let label = name.with_extension("txt");
            std::fs::copy(sample("labels/val").join(&label), folder.join(&label)).expect("a copy");
        }
        ReviewRequest {
            data: folder.to_owned(),
            split: None,
            teacher: sample("models/teacher.pt"),
            student: sample("models/student.pt"),
            // It has left no weights.
            runs: vec![("a run".to_owned(), folder.join("run"))],
            device: "cpu".to_owned(),
            options: ReviewOptions { imgsz: 64, batch: 1, confidence: 0.25, iou: 0.5, mask: MaskRule::default() },
        }
    }

    #[test]
    fn a_review_answers_with_what_was_done_and_says_what_is_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        let request = request(folder.path());
        let done = |request: ReviewRequest, control: RunControl| {
            let (context, inbox) = test_context(JobKind::Review);
            handle(Job::Review { request: Box::new(request), control: Arc::new(control) }, &context);
            inbox.try_iter().collect::<Vec<Report>>()
        };
        let whole = done(request.clone(), RunControl::default());
        let Some(Report::Review { review, .. }) = whole.last() else { panic!("{whole:?}") };
        assert_eq!((review.models.len(), review.images.len(), review.is_complete()), (2, 2, true));
        assert!(!review.objects.is_empty());

        let stopped = RunControl::default();
        stopped.stop();
        let nothing = done(request.clone(), stopped);
        assert!(!nothing.iter().any(|report| matches!(report, Report::Review { .. } | Report::Failed { .. })));

        let failed = done(ReviewRequest { student: "no.pt".into(), ..request }, RunControl::default());
        let Some(Report::Failed { failure, .. }) = failed.last() else { panic!("{failed:?}") };
        assert!(failure.message.contains("no.pt"), "{}", failure.message);
    }
}
