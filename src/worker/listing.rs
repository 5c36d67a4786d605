//! Listing jobs: the images of a dataset in batches, and thumbnails with label counts.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{DatasetBrief, Job, Report};
use crate::dataset::{self, DataYaml, DatasetError, Split};

/// Long side of a thumbnail in px: twice its size in the list, for dense screens.
const THUMBNAIL_SIDE: u32 = 96;

pub(super) fn handle(job: Job, context: &JobContext) {
    match job {
        Job::List { source, split } => {
            context.started(source.display().to_string());
            if let Err(error) = list(&source, split.as_deref(), context) {
                context.failed("the dataset", error.to_string());
            }
        }
        // A picture that cannot be read keeps its place in the list; opening it gives the error.
        Job::Thumbnail(image) => {
            if let Ok(picture) = dataset::thumbnail(&image, THUMBNAIL_SIDE) {
                let labels = dataset::label_count(&image);
                let cut_short = dataset::is_cut_short(&image).unwrap_or(false);
                context.report(Report::Thumbnail { image, picture: Arc::new(picture), labels, cut_short });
            }
        }
        _ => {}
    }
}

fn list(source: &Path, split: Option<&str>, context: &JobContext) -> Result<(), DatasetError> {
    let mut brief = DatasetBrief { source: source.to_path_buf(), ..DatasetBrief::default() };
    let sources = if source.is_dir() {
        vec![source.to_path_buf()]
    } else if dataset::is_image(source) {
        dataset::images_beside(source)?
    } else {
        let data = DataYaml::load(source)?;
        let splits: Vec<Split> = Split::ALL.into_iter().filter(|split| data.has(*split)).collect();
        let chosen = splits
            .iter()
            .copied()
            .find(|candidate| Some(candidate.name()) == split)
            .or_else(|| splits.iter().copied().find(|split| *split == Split::Val))
            .or_else(|| splits.first().copied());
        brief.names.clone_from(&data.names);
        brief.splits = splits.iter().map(|split| split.name().to_owned()).collect();
        brief.split = chosen.map(|split| split.name().to_owned());
        data.sources(chosen.unwrap_or(Split::Val))?
    };
    context.report(Report::Dataset(brief.clone()));
    let listing = dataset::list_images(&sources, &mut |images| {
        context.report(Report::Images { images: images.to_vec(), done: false });
        if context.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if !listing.warnings.is_empty() {
        brief.warnings = listing.warnings;
        context.report(Report::Dataset(brief));
    }
    context.report(Report::Images { images: Vec::new(), done: true });
    Ok(())
}
