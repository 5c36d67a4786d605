//! What a run has brought: its student's detections before its first step and with what it has learned.

use std::path::Path;
use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{BeforeAfter, BeforeAfterRequest, Report, Unknown};
use crate::inspect::{self, DetectionView, Scene};
use crate::train::config::Start;
use crate::train::folder::RunFolder;
use crate::yolo::checkpoint;
use crate::yolo::network::Network;

/// Boxes, and the names of all classes.
type Detected = (Arc<[DetectionView]>, Vec<String>);

/// Each model goes before the next one comes; those that are open stay as they are.
pub(super) fn detect(request: Box<BeforeAfterRequest>, device: tch::Device, context: &JobContext) {
    let detected = |weights: &Path| detections(weights, &request.scene, device);
    context.progress("the student before", None);
    let before = match (&request.before, &request.start) {
        (Some(before), _) => Ok(Arc::clone(before)),
        (None, Some(Start::Checkpoint(path))) => detected(path).map(|(found, _)| found),
        (None, Some(Start::Random)) => Err(Unknown::Random),
        (None, None) => Err(Unknown::Start(request.folder.clone())),
    };
    if context.is_cancelled() {
        return;
    }
    context.progress("the student after", None);
    let trained = RunFolder::new(&request.folder).trained();
    let after = trained.ok_or_else(|| Unknown::Untrained(request.folder.clone())).and_then(|path| detected(&path));
    let (after, names) = match after {
        Ok((found, names)) => (Ok(found), names),
        Err(unknown) => (Err(unknown), Vec::new()),
    };
    context.report(Report::BeforeAfter { request, found: Arc::new(BeforeAfter { before, after, names }) });
}

fn detections(weights: &Path, scene: &Scene, device: tch::Device) -> Result<Detected, Unknown> {
    if !weights.is_file() {
        return Err(Unknown::Gone(weights.to_path_buf()));
    }
    let failed = |what: &dyn std::fmt::Display| Unknown::Failed(format!("{}: {what}", weights.display()));
    let checkpoint = checkpoint::open(weights).map_err(|error| Unknown::Failed(error.to_string()))?;
    let (model, _) = Network::load(&checkpoint, device).map_err(|error| failed(&error))?;
    let model = model.folded(tch::Kind::Float).map_err(|error| failed(&error))?;
    let found = inspect::detections(&model, scene).map_err(|error| failed(&error))?;
    Ok((found.into(), model.names().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_are_not_there_or_are_none_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let input = crate::geometry::Size::square(32);
        let picture = Arc::new(image::RgbImage::new(32, 32));
        let scene = Scene {
            path: "a.jpg".into(),
            size: input,
            letterbox: crate::geometry::Letterbox::fit(input, input, true),
            input: Arc::clone(&picture),
            display: picture,
            labels: Vec::new(),
            warnings: Vec::new(),
        };
        let gone = folder.path().join("s.pt");
        let found = |path: &Path| detections(path, &scene, tch::Device::Cpu).map(|_| ());
        assert_eq!(found(&gone), Err(Unknown::Gone(gone.clone())));
        std::fs::write(&gone, "no weights").expect("a file");
        assert!(matches!(found(&gone), Err(Unknown::Failed(why)) if why.contains("s.pt")));
    }
}
