//! Figure jobs: drawing, writing, and previews.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{FigureJob, FigurePreview, Job, Report};
use crate::figure::movie::MovieFormat;
use crate::figure::{Draw, FigureError, Frames, Look, SaveError, free_name};

/// Longest side of a preview in px: twice its size on screen, for dense screens.
const PREVIEW_SIDE: f32 = 720.0;

pub(super) fn handle(job: Job, context: &JobContext) {
    match job {
        Job::Figure(job) => {
            context.started(job.name.clone());
            match save(&job, context) {
                Ok(files) => context.report(Report::FigureSaved(files)),
                Err(SaveError::Cancelled) => {}
                Err(error) => context.failed("the figure", error.to_string()),
            }
        }
        Job::FigurePreview { what, look, serial } => {
            let preview = preview(&*what, &look).map_err(|error| error.to_string());
            context.report(Report::FigurePreview { serial, preview });
        }
        _ => {}
    }
}

/// One figure goes into a file of its name for each format, several into a folder of that name.
fn save(job: &FigureJob, context: &JobContext) -> Result<Vec<PathBuf>, SaveError> {
    job.choice.check()?;
    if let Some(frames) = job.what.frames() {
        return save_movie(job, frames, context);
    }
    context.progress("drawing", None);
    let mut figures = job.what.draw(&job.choice.look)?;
    context.progress("writing", None);
    let is_cancelled = || context.is_cancelled();
    if let [(name, _)] = figures.as_mut_slice() {
        let is_taken = |name: &str| {
            let file = |extension: &str| job.folder.join(format!("{name}.{extension}"));
            job.choice.formats.iter().any(|format| file(format.extension()).exists())
        };
        *name = if job.replace { job.name.clone() } else { free_name(&job.name, is_taken) };
        return job.choice.write(&job.folder, &figures, &is_cancelled);
    }
    let name = if job.replace { job.name.clone() } else { free_name(&job.name, |name| job.folder.join(name).exists()) };
    job.choice.write(&job.folder.join(name), &figures, &is_cancelled)
}

/// A movie is one file, or a folder of numbered ones.
fn save_movie(job: &FigureJob, frames: &dyn Frames, context: &JobContext) -> Result<Vec<PathBuf>, SaveError> {
    let format = job.movie.format;
    let path_of = |name: &str| match format {
        MovieFormat::Png => job.folder.join(name),
        MovieFormat::WebP | MovieFormat::Gif => job.folder.join(format!("{name}.{}", format.extension())),
    };
    let name = if job.replace { job.name.clone() } else { free_name(&job.name, |name| path_of(name).exists()) };
    let path = match format {
        MovieFormat::Png => path_of(&name).join(format!("{name}.png")),
        MovieFormat::WebP | MovieFormat::Gif => path_of(&name),
    };
    let written = job.movie.write(&path, frames, &mut |done, all| {
        context.progress("drawing", Some(done as f32 / all.max(1) as f32));
        if context.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    written.map_err(|error| FigureError::Nothing(error.to_string()))?.ok_or(SaveError::Cancelled)
}

fn preview(what: &dyn Draw, look: &Look) -> Result<FigurePreview, FigureError> {
    let figure = what.first(look)?;
    let picture = figure.picture((PREVIEW_SIDE / figure.width.max(figure.height)).min(2.0))?;
    Ok(FigurePreview { picture: Arc::new(picture), units: [figure.width, figure.height] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::movie::MovieChoice;
    use crate::figure::{Figure, FigureChoice, FigureFormat, FigureSpec, Lead, render_as};
    use crate::worker::JobKind;
    use crate::worker::context::test_context;

    /// So many empty figures.
    #[derive(Debug)]
    struct Empty(usize);

    impl Draw for Empty {
        fn draw(&self, look: &Look) -> Result<Vec<(String, Figure)>, FigureError> {
            (0..self.0).map(|index| Ok((format!("{index}"), self.first(look)?))).collect()
        }

        fn first(&self, look: &Look) -> Result<Figure, FigureError> {
            let spec = FigureSpec {
                title: "Nothing".to_owned(),
                lead: Lead::default(),
                facts: Vec::new(),
                panels: Vec::new(),
                columns: 1,
                panel_side: 64.0,
                legend: Vec::new(),
            };
            render_as(&spec, look)
        }
    }

    fn job(count: usize, folder: &std::path::Path, replace: bool) -> FigureJob {
        let choice = FigureChoice { formats: vec![FigureFormat::Svg], ..FigureChoice::default() };
        FigureJob {
            what: Arc::new(Empty(count)),
            choice,
            folder: folder.into(),
            name: "a".into(),
            movie: MovieChoice::default(),
            replace,
        }
    }

    fn names(files: &[PathBuf], folder: &std::path::Path) -> Vec<String> {
        let below = |file: &PathBuf| file.strip_prefix(folder).expect("below it").to_string_lossy().replace('\\', "/");
        files.iter().map(below).collect()
    }

    #[test]
    fn one_figure_is_a_file_several_are_a_folder_and_nothing_is_written_over_unasked() {
        let folder = tempfile::tempdir().expect("a folder");
        let (context, _inbox) = test_context(JobKind::Figure);
        let saved =
            |count, replace| names(&save(&job(count, folder.path(), replace), &context).expect("saved"), folder.path());
        assert_eq!(saved(1, false), ["a.svg"]);
        assert_eq!(saved(1, false), ["a-2.svg"]);
        assert_eq!(saved(1, true), ["a.svg"]);
        assert_eq!(saved(2, false), ["a/0.svg", "a/1.svg"]);
        assert_eq!(saved(2, false), ["a-2/0.svg", "a-2/1.svg"]);
    }

    #[test]
    fn a_preview_is_as_large_as_it_may_be() {
        let preview = preview(&Empty(1), &Look::default()).expect("a preview");
        // A figure without panels is as wide as its narrowest: 420 and two margins of 24.
        assert_eq!(preview.units[0], 468.0);
        assert_eq!(preview.picture.width(), 720);
    }
}
