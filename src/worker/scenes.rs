//! Scene jobs: decode and labels, and the IoU maps that follow from them.

use std::sync::Arc;

use super::context::Desk;
use super::protocol::{Job, Report};
use crate::imitation::mask::IouField;
use crate::inspect::Scene;

pub(super) fn handle(job: Job, desk: &Desk) {
    match job {
        Job::Scene(request) => {
            desk.started(request.image.display().to_string());
            match Scene::load(&request) {
                Ok(scene) => desk.report(Report::Scene(Arc::new(scene))),
                Err(error) => desk.failed("the image", error.to_string()),
            }
        }
        Job::Field { scene, anchors, convention } => {
            let field = IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention);
            desk.report(Report::Field { scene, anchors, convention, field: Arc::new(field) });
        }
        _ => {}
    }
}
