//! Scene jobs: decode and labels, and the IoU maps that follow from them.

use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{Job, Report};
use crate::imitation::mask::IouField;
use crate::inspect::Scene;

pub(super) fn handle(job: Job, context: &JobContext) {
    match job {
        Job::Scene(request) => {
            context.started(request.image.display().to_string());
            match Scene::load(&request) {
                Ok(scene) => context.report(Report::Scene(Arc::new(scene))),
                Err(error) => context.failed("the image", error.to_string()),
            }
        }
        Job::Field { scene, anchors, convention } => {
            let field = IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention);
            context.report(Report::Field { scene, anchors, convention, field: Arc::new(field) });
        }
        _ => {}
    }
}
