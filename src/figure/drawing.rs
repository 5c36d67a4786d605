//! What a worker draws, whole: the view, the story, curves, a survey or a movie, each as plain records.

use std::path::PathBuf;
use std::sync::Arc;

use crate::drawing::{Layer, Picture, Positives, RangeMode, ScaleChoice, ViewSettings, Viewpoint};
use crate::figure::curves::{CurveExport, story_panels};
use crate::figure::inspection::{DifferenceView, InspectionView, ScaleView, marked};
use crate::figure::run_movie::Movie;
use crate::figure::shown::{self, Shown};
use crate::figure::survey::SurveyExport;
use crate::figure::{
    Draw, Figure, FigureError, FigureSpec, Focus, Frames, Lead, Look, StoryRequest, render_as, review, story,
};
use crate::imitation::choice::{Loss, MaskChoice};
use crate::imitation::difference::{DifferenceKind, imitation_loss, masked_statistics};
use crate::inspect::{Comparison, DetectionView, Inspection, Scene, Tap};
use crate::review::Review;
use crate::story::{RunSettings, Step, StoryRun};
use crate::train::event::Snapshot;
use crate::train::history::{RunHistory, Shared};
use crate::train::replay::Replay;
use crate::yolo::anchors::AnchorScale;

/// The image, the mask's settings and what the models said, as a worker needs them.
#[derive(Clone, Debug)]
pub struct Subject {
    pub scene: Arc<Scene>,
    pub anchors: Vec<AnchorScale>,
    pub choice: MaskChoice,
    pub comparison: Option<Arc<Comparison>>,
    pub tap: Tap,
    pub teacher: Option<PathBuf>,
    pub student: Option<PathBuf>,
    pub names: Vec<String>,
    pub lambda: f64,
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        let same_comparison = match (&self.comparison, &other.comparison) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        };
        same_comparison
            && Arc::ptr_eq(&self.scene, &other.scene)
            && (&self.anchors, self.choice, self.tap, self.lambda)
                == (&other.anchors, other.choice, other.tap, other.lambda)
            && (&self.teacher, &self.student, &self.names) == (&other.teacher, &other.student, &other.names)
    }
}

/// The view on screen.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewDrawing {
    pub subject: Subject,
    /// The maps of a run, in the place of the comparison's difference.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The run that it is of.
    pub of_run: RunSettings,
    /// Without positives, which follow from the subject.
    pub shown: Shown,
}

/// The story, or one step of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoryDrawing {
    pub subject: Subject,
    pub truth: Option<usize>,
    pub run: Option<StoryRun>,
    pub history: Option<Arc<RunHistory>>,
    /// The student's before and after the run of the history, where both are known.
    pub detections: Option<[Arc<[DetectionView]>; 2]>,
    pub only: Option<Step>,
}

/// Something to draw, whole: it can be handed to another thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    View(Box<ViewDrawing>),
    Story(Box<StoryDrawing>),
    Curves(Box<CurveExport>),
    Survey(Box<SurveyExport>),
    Movie(Box<Movie>),
    Review(Shared<Review>),
}

impl Drawing {
    /// What a preview depends on. A run that goes on changes its curves ten times a second: it is not drawn anew for that.
    pub fn key(&self) -> Self {
        match self {
            Self::Curves(export) => Self::Curves(Box::new(CurveExport { histories: Vec::new(), ..(**export).clone() })),
            Self::Story(story) => Self::Story(Box::new(StoryDrawing { run: None, history: None, ..(**story).clone() })),
            Self::View(_) | Self::Survey(_) | Self::Movie(_) | Self::Review(_) => self.clone(),
        }
    }
}

impl Subject {
    fn inspect(&self) -> Result<Inspection, FigureError> {
        let comparison =
            self.comparison.clone().unwrap_or_else(|| Arc::new(Comparison::none(self.tap, Loss::default())));
        Inspection::new(Arc::clone(&self.scene), self.anchors.clone(), self.choice, comparison, String::new())
            .map_err(|error| FigureError::Nothing(error.to_string()))
    }
}

impl ViewDrawing {
    fn figure(&self, look: &Look) -> Result<Figure, FigureError> {
        self.with_spec(|spec| render_as(&spec, look))
    }

    /// What each of its panels shows, in order.
    pub fn pictures(&self) -> Result<Vec<Picture>, FigureError> {
        self.with_spec(|spec| Ok(spec.panels.into_iter().map(|panel| panel.picture).collect()))
    }

    fn with_spec<T>(&self, then: impl FnOnce(FigureSpec<'_>) -> Result<T, FigureError>) -> Result<T, FigureError> {
        let (subject, settings) = (&self.subject, &self.shown.at.view);
        let inspection = subject.inspect()?;
        let mut view = inspection.view(&Focus {
            solo: self.shown.at.solo,
            channels: settings.channels,
            difference: settings.difference,
            lambda: subject.lambda,
            ..Focus::whole(subject.teacher.as_deref(), subject.student.as_deref())
        });
        if let Some(snapshot) = &self.snapshot {
            at_snapshot(&mut view, snapshot, &self.of_run);
        }
        let against = |(anchors, scale): (&AnchorScale, &ScaleView)| {
            let mask = marked(&scale.count, scale.stride);
            Arc::new(Positives::of(&subject.scene, anchors, &mask, self.shown.at.solo))
        };
        let scales = subject.anchors.iter().zip(&view.scales).filter(|_| settings.positives);
        let positives = scales.map(against).collect();
        then(shown::spec(&view, &Shown { positives, ..self.shown.clone() })?)
    }

    /// Of the maps of a run, all scales side by side and in one range of colours; which of them, [`ViewDrawing::at`] says.
    pub fn of_snapshots(subject: Subject, history: &Arc<RunHistory>) -> Self {
        let view = ViewSettings {
            layer: Layer::Difference,
            difference: Some(DifferenceKind::SquaredL2),
            opacity: 0.8,
            range: RangeMode::Locked { low: 0.0, high: history.snapshot_high.max(f32::MIN_POSITIVE) },
            ..ViewSettings::default()
        };
        let shown = Shown { at: Viewpoint { view, ..Viewpoint::default() }, ..Shown::default() };
        Self { subject, snapshot: None, of_run: history.settings(), shown }
    }

    /// The map of one moment, under what a step of the story says.
    pub fn at(&self, snapshot: &Snapshot, lead: Lead, look: &Look) -> Result<Figure, FigureError> {
        let inspection = self.subject.inspect()?;
        let mut view = inspection.view(&Focus::whole(None, None));
        at_snapshot(&mut view, snapshot, &self.of_run);
        let spec = shown::spec(&view, &self.shown)?;
        render_as(&FigureSpec { lead, facts: Vec::new(), ..spec }, look)
    }

    pub fn stem(&self) -> String {
        self.subject.stem()
    }

    /// "img-difference-p4".
    pub fn name(&self) -> String {
        let view = self.shown.at.kind().map_or("image", |view| view.name());
        let scale = match self.shown.at.view.scales {
            ScaleChoice::Stride(stride) if self.shown.at.kind().is_some() => format!("-p{}", stride.max(1).ilog2()),
            _ => String::new(),
        };
        let step = self.shown.snapshot.as_ref().map_or_else(String::new, |(_, step)| format!("-step-{step}"));
        format!("{}-{view}{scale}{step}", self.subject.stem())
    }
}

impl Subject {
    pub fn of_replay(replay: &Replay, choice: MaskChoice, tap: Tap, lambda: f64) -> Self {
        Self {
            scene: Arc::clone(&replay.scene),
            anchors: replay.scales.clone(),
            choice,
            comparison: None,
            tap,
            teacher: None,
            student: None,
            names: Vec::new(),
            lambda,
        }
    }

    pub fn stem(&self) -> String {
        self.scene.path.file_stem().map_or_else(|| "image".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }
}

/// Puts the maps of a run in the place of the comparison's difference.
fn at_snapshot(view: &mut InspectionView<'_>, snapshot: &Snapshot, of_run: &RunSettings) {
    let loss = of_run.loss.and_then(|loss| loss.parse::<Loss>().ok());
    let squares = loss.is_none_or(|loss| loss.is_sum_of_squares());
    if let Some(tap) = of_run.tap {
        view.tap = tap.to_owned();
    }
    if let Some(loss) = loss.filter(|_| !squares) {
        view.difference = format!("part of the loss {loss}");
    }
    for scale in &mut view.scales {
        let map = snapshot.scales.iter().find(|map| map.stride == scale.stride);
        scale.difference = map.map(|map| {
            let grid = map.difference.clone();
            let hits: Vec<i32> = scale.count.values().iter().map(|&hits| hits as i32).collect();
            let fits = (grid.width(), grid.height()) == (scale.count.width(), scale.count.height());
            let found = fits.then(|| masked_statistics(&grid, &hits));
            DifferenceView {
                grid,
                adapter: "trained".to_owned(),
                mean_inside: found.and_then(|found| found.mean_inside),
                mean_outside: found.and_then(|found| found.mean_outside),
                loss: match squares {
                    true => found.map(|found| imitation_loss(1.0, found.sum_inside, found.cells)),
                    // The parts of all cells are the loss.
                    false => Some(map.difference.values().iter().map(|part| f64::from(*part)).sum()),
                },
                r2_leave_one_out: None,
            }
        });
    }
}

impl StoryDrawing {
    /// The figures of the steps that are wanted and can be told.
    fn figures(&self, look: &Look, wanted: impl Fn(Step) -> bool) -> Result<Vec<(String, Figure)>, FigureError> {
        let subject = &self.subject;
        let inspection = subject.inspect()?;
        let view = inspection.story(StoryRequest {
            teacher: subject.teacher.as_deref(),
            student: subject.student.as_deref(),
            truth: self.truth,
            lambda: subject.lambda,
            run: self.run.clone(),
            curves: self.history.clone().map(story_panels).unwrap_or_default(),
            detections: self.detections.as_ref().map(|found| found.each_ref().map(|found| found.to_vec())),
        });
        let shown = Step::ALL.into_iter().filter(|step| wanted(*step) && story::is_shown(&view, *step));
        shown.map(|step| Ok((story::file_stem(step), story::figure(&view, step, look)?))).collect()
    }
}

impl Draw for Drawing {
    fn draw(&self, look: &Look) -> Result<Vec<(String, Figure)>, FigureError> {
        match self {
            Self::View(view) => Ok(vec![(view.name(), view.figure(look)?)]),
            Self::Story(story) => story.figures(look, |step| story.only.is_none_or(|only| only == step)),
            Self::Curves(export) => Ok(vec![(export.name(), export.figure().render_as(&Lead::default(), look)?)]),
            Self::Survey(export) => Ok(vec![(export.name(), export.figure().render_as(&Lead::default(), look)?)]),
            Self::Review(found) => review::figures(found, look),
            // The end of it.
            Self::Movie(movie) => Ok(vec![(movie.stem(), movie.figure(movie.frames().saturating_sub(1), look)?)]),
        }
    }

    fn frames(&self) -> Option<&dyn Frames> {
        match self {
            Self::Movie(movie) => Some(&**movie),
            _ => None,
        }
    }

    fn first(&self, look: &Look) -> Result<Figure, FigureError> {
        let one = match self {
            // Of the whole story one step, for the rest of them look alike.
            Self::Story(story) => {
                let step = story.only.unwrap_or(Step::Union);
                let found = story.figures(look, |other| other == step)?;
                if found.is_empty() { story.figures(look, |other| other == Step::Image)? } else { found }
            }
            other => other.draw(look)?,
        };
        let first = one.into_iter().next().map(|(_, figure)| figure);
        first.ok_or_else(|| FigureError::Nothing("there is nothing to draw".to_owned()))
    }
}
