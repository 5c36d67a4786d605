//! A figure of what the window shows: what it is to be of, how it is written, and the plain records that a worker draws
//! it from.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::language::{key, t, tr};
use crate::app::movie::Movie;
use crate::app::run::lines::{CurveExport, story_panels};
use crate::app::run::{Plot, Track};
use crate::app::state::{ModelSlot, State};
use crate::app::survey::SurveyExport;
use crate::app::talk;
use crate::app::view::{ChannelView, Layer, RangeMode, ScaleChoice, ViewSettings};
use crate::export::figure::inspection::{DetectionView, DifferenceView, InspectionView, View};
use crate::export::figure::shown::{self, Shown};
use crate::export::figure::story;
use crate::export::figure::{Draw, Figure, FigureChoice, FigureError, FigureSpec, Frames, Lead, Look, render_as};
use crate::export::movie::MovieChoice;
use crate::imitation::choice::{Loss, MaskChoice};
use crate::imitation::difference::{DifferenceKind, imitation_loss, masked_statistics};
use crate::inspect::{Comparison, Focus, Inspection, Role, Scene, StoryRequest, Tap, named};
use crate::story::{RunSettings, Step, StoryRun};
use crate::train::config::Lambda;
use crate::train::event::Snapshot;
use crate::train::replay::Replay;
use crate::worker::FigurePreview;
use crate::yolo::anchors::AnchorScale;

/// What a figure is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FigureWhat {
    /// The view as it is on screen.
    #[default]
    View,
    /// The step of the talk that is on stage.
    Step,
    /// Every step that can be told, a figure each.
    Story,
    /// One plot, or all that are shown.
    Curves(Option<Plot>),
    Survey,
    /// The maps of a run and its curves through time.
    Movie,
}

/// How figures are saved: kept from one start to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FigureSettings {
    /// Where they go; empty before it has been asked for.
    pub folder: PathBuf,
    /// Write over files of the same name, in the place of taking the next free number.
    pub replace: bool,
    pub choice: FigureChoice,
    pub movie: MovieChoice,
}

impl FigureSettings {
    /// As they can be used, whatever a file says.
    pub fn checked(self) -> Self {
        Self { choice: self.choice.checked(), movie: self.movie.checked(), ..self }
    }
}

/// What the sheet says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FigureSheet {
    pub what: FigureWhat,
    /// Of the file, without its extension, or of the folder of several; `None` follows what is shown.
    pub name: Option<String>,
    pub settings: FigureSettings,
}

#[derive(Clone, Debug, Default)]
pub struct FigureState {
    pub sheet: FigureSheet,
    /// What the figure will look like, or why it cannot be drawn; `None` while it is drawn for the first time.
    pub preview: Option<Result<FigurePreview, String>>,
    /// How the last save ended.
    pub outcome: Option<Result<String, String>>,
    /// What the newest preview was asked for, and its number.
    pub(super) previewed: Option<(Drawing, Look)>,
    pub(super) serial: u64,
    /// A folder has been asked for.
    pub(super) asked_folder: bool,
}

/// The image, the mask's settings and what the models said, as a worker needs them.
#[derive(Clone, Debug)]
pub struct Subject {
    scene: Arc<Scene>,
    anchors: Vec<AnchorScale>,
    choice: MaskChoice,
    comparison: Option<Arc<Comparison>>,
    tap: Tap,
    teacher: Option<PathBuf>,
    student: Option<PathBuf>,
    names: Vec<String>,
    lambda: f64,
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
    subject: Subject,
    channels: ChannelView,
    difference: Option<DifferenceKind>,
    /// The maps of a run, in the place of the comparison's difference.
    moment: Option<Arc<Snapshot>>,
    /// The run that it is of.
    of_run: RunSettings,
    positives: bool,
    /// Without positives, which follow from the subject.
    shown: Shown,
}

/// The story, or one step of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoryDrawing {
    subject: Subject,
    truth: Option<usize>,
    run: Option<StoryRun>,
    track: Option<Arc<Track>>,
    /// The student's before and after the run of the track, where both are known.
    detections: Option<[Arc<[DetectionView]>; 2]>,
    only: Option<Step>,
}

/// Something to draw, whole: it can be handed to another thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    View(Box<ViewDrawing>),
    Story(Box<StoryDrawing>),
    Curves(Box<CurveExport>),
    Survey(Box<SurveyExport>),
    Movie(Box<Movie>),
}

impl Drawing {
    /// What a preview depends on. A run that goes on changes its curves ten times a second: it is not drawn anew for that.
    fn key(&self) -> Self {
        match self {
            Self::Curves(export) => Self::Curves(Box::new(CurveExport { tracks: Vec::new(), ..(**export).clone() })),
            Self::Story(story) => Self::Story(Box::new(StoryDrawing { run: None, track: None, ..(**story).clone() })),
            Self::View(_) | Self::Survey(_) | Self::Movie(_) => self.clone(),
        }
    }
}

impl State {
    /// How the canvas is looked at. Through the time of a run the colours have one range, so that its moments can be
    /// compared.
    pub fn canvas_view(&self) -> ViewSettings {
        let view = self.view;
        match self.runs.moment() {
            Some((_, high)) if view.layer == Layer::Difference => ViewSettings {
                range: RangeMode::Locked { low: 0.0, high: high.max(f32::MIN_POSITIVE) },
                difference: Some(DifferenceKind::SquaredL2),
                channels: ChannelView::All,
                ..view
            },
            _ => view,
        }
    }

    /// The track whose map takes the difference's place, and the map.
    fn moment_on_screen(&self) -> Option<(&Arc<Track>, &Arc<Snapshot>)> {
        let (snapshot, _) = self.runs.moment().filter(|_| self.view.layer == Layer::Difference)?;
        Some((self.runs.track(self.runs.playback?.track)?, snapshot))
    }
}

/// What can be drawn of the state, or why not.
pub fn drawing(state: &State, what: FigureWhat) -> Result<Drawing, &'static str> {
    match what {
        FigureWhat::View => view_drawing(state),
        FigureWhat::Step => story_drawing(state, Some(state.talk.step)),
        FigureWhat::Story => story_drawing(state, None),
        FigureWhat::Curves(plot) => {
            let export = CurveExport::of(&state.runs, plot);
            let any = state.runs.tracks.iter().any(|track| !track.curves.is_empty());
            if any { Ok(Drawing::Curves(Box::new(export))) } else { Err(key!("There are no curves yet.")) }
        }
        FigureWhat::Survey => {
            let export = SurveyExport::of(state).ok_or(key!("There is no survey yet."))?;
            Ok(Drawing::Survey(Box::new(export)))
        }
        FigureWhat::Movie => {
            let none = key!("No run has kept difference maps yet.");
            let played = state.runs.playback.and_then(|playback| state.runs.track(playback.track));
            let track = played.or_else(|| state.runs.with_moments().next()).ok_or(none)?;
            let first = track.snapshots.first().ok_or(none)?;
            let subject = subject(state)?;
            if first.image != subject.scene.path {
                return Err(key!("The run keeps the difference of another image: open that one to see it."));
            }
            Ok(Drawing::Movie(Box::new(Movie::of(&state.runs, track, subject))))
        }
    }
}

fn subject(state: &State) -> Result<Subject, &'static str> {
    let scene = state.scene.clone().ok_or(key!("Open an image first."))?;
    let path = |role| match state.model(role) {
        ModelSlot::Ready { card } if !state.replayed => Some(card.path.clone()),
        _ => None,
    };
    let of_replay = state.runs.recorded();
    Ok(Subject {
        scene,
        anchors: state.scales().to_vec(),
        choice: state.imitation.mask,
        comparison: state.comparison.clone(),
        tap: of_replay.as_ref().map_or(state.imitation.compared.tap, |imitation| imitation.tap),
        teacher: path(Role::Teacher),
        student: path(Role::Student),
        names: state.names().to_vec(),
        lambda: of_replay
            .map_or(state.runs.form.campaign.config.imitation.lambda, |imitation| imitation.lambda)
            .nominal(),
    })
}

fn view_drawing(state: &State) -> Result<Drawing, &'static str> {
    let mut subject = subject(state)?;
    let view = state.canvas_view();
    let kind = if view.layer == Layer::Mask && state.shows_weights() { Some(View::Weights) } else { view.layer.view() };
    if kind.is_some() && state.mask.is_none() {
        return Err(key!("The masks are being computed…"));
    }
    let moment = state.moment_on_screen();
    if moment.is_some_and(|(_, snapshot)| snapshot.image != subject.scene.path) {
        return Err(key!("The run keeps the difference of another image: open that one to see it."));
    }
    if view.layer.is_of_models() && moment.is_none() && state.comparison.is_none() {
        return Err(key!("Appears as soon as the models have seen this image."));
    }
    // λ as it was at that step.
    let at = moment.and_then(|(track, snapshot)| track.of(Plot::Lambda).next()?.at(snapshot.step as f64));
    subject.lambda = at.map_or(subject.lambda, |(_, lambda)| lambda);
    let ratio = match state.runs.form.campaign.config.imitation.lambda {
        Lambda::GradientRatio(ratio) if at.is_none() && state.runs.replay().is_none() => Some(ratio),
        _ => None,
    };
    let found = |role: Role, on: bool| {
        let comparison = state.comparison.as_ref().filter(|_| on);
        let found = comparison.and_then(|comparison| match role {
            Role::Teacher => comparison.teacher_detections.as_deref(),
            Role::Student => comparison.student_detections.as_deref(),
        });
        named(found.unwrap_or_default(), &subject.names)
    };
    let shown = Shown {
        view: kind,
        stride: match view.scales {
            ScaleChoice::All => None,
            ScaleChoice::Stride(stride) => Some(stride),
        },
        labels: view.labels,
        solo: state.solo,
        opacity: view.opacity,
        colors: view.color_map,
        range: match view.range {
            RangeMode::Auto => None,
            RangeMode::Locked { low, high } => Some((low, high)),
        },
        inside_mask: view.inside_mask,
        cell: state.pin.map(|pin| (pin.stride, pin.row, pin.col)),
        teacher: found(Role::Teacher, view.teacher_boxes),
        student: found(Role::Student, view.student_boxes),
        positives: Vec::new(),
        moment: moment.map(|(track, snapshot)| (track.name.clone(), snapshot.step)),
        ratio,
    };
    Ok(Drawing::View(Box::new(ViewDrawing {
        subject,
        channels: view.channels,
        difference: view.difference,
        moment: moment.map(|(_, snapshot)| Arc::clone(snapshot)),
        of_run: moment.map(|(track, _)| track.settings()).unwrap_or_default(),
        positives: view.positives,
        shown,
    })))
}

fn story_drawing(state: &State, only: Option<Step>) -> Result<Drawing, &'static str> {
    let subject = subject(state)?;
    let numbers = talk::numbers(state, None);
    if let Some(why) = only.and_then(|step| numbers.missing(step)) {
        return Err(why);
    }
    let track = talk::run(state).cloned();
    let found = state.before_after.found();
    let detections = found.and_then(|found| Some([found.before.clone().ok()?, found.after.clone().ok()?]));
    let (truth, run) = (talk::truth(state), numbers.run);
    Ok(Drawing::Story(Box::new(StoryDrawing { subject, truth, run, track, detections, only })))
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
        let subject = &self.subject;
        let inspection = subject.inspect()?;
        let mut view = inspection.view(&Focus {
            solo: self.shown.solo,
            channels: self.channels,
            difference: self.difference,
            lambda: subject.lambda,
            ..Focus::whole(subject.teacher.as_deref(), subject.student.as_deref())
        });
        if let Some(snapshot) = &self.moment {
            at_moment(&mut view, snapshot, &self.of_run);
        }
        let positives = if self.positives { inspection.positives(self.shown.solo) } else { Vec::new() };
        render_as(&shown::spec(&view, &Shown { positives, ..self.shown.clone() })?, look)
    }

    /// Of the maps of a run, all scales side by side and in one range of colours; which of them, [`ViewDrawing::at`] says.
    pub(super) fn of_moments(subject: Subject, track: &Arc<Track>) -> Self {
        let shown = Shown {
            view: Some(View::Difference),
            labels: true,
            opacity: 0.8,
            range: Some((0.0, track.snapshot_high.max(f32::MIN_POSITIVE))),
            ..Shown::default()
        };
        Self {
            subject,
            channels: ChannelView::All,
            difference: Some(DifferenceKind::SquaredL2),
            moment: None,
            of_run: track.settings(),
            positives: false,
            shown,
        }
    }

    /// The map of one moment, under what a step of the story says.
    pub(super) fn at(&self, snapshot: &Snapshot, lead: Lead, look: &Look) -> Result<Figure, FigureError> {
        let inspection = self.subject.inspect()?;
        let mut view = inspection.view(&Focus::whole(None, None));
        at_moment(&mut view, snapshot, &self.of_run);
        let spec = shown::spec(&view, &self.shown)?;
        render_as(&FigureSpec { lead, facts: Vec::new(), ..spec }, look)
    }

    pub(super) fn stem(&self) -> String {
        self.subject.stem()
    }

    /// "img-difference-p4".
    fn name(&self) -> String {
        let view = self.shown.view.map_or("image", |view| view.name());
        let scale = self.shown.stride.filter(|_| self.shown.view.is_some());
        let scale = scale.map_or_else(String::new, |stride| format!("-p{}", stride.max(1).ilog2()));
        let step = self.shown.moment.as_ref().map_or_else(String::new, |(_, step)| format!("-step-{step}"));
        format!("{}-{view}{scale}{step}", self.subject.stem())
    }
}

impl Subject {
    pub(super) fn of_replay(replay: &Replay, choice: MaskChoice, tap: Tap, lambda: f64) -> Self {
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

    fn stem(&self) -> String {
        self.scene.path.file_stem().map_or_else(|| "image".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }
}

/// Puts the maps of a run in the place of the comparison's difference.
fn at_moment(view: &mut InspectionView<'_>, snapshot: &Snapshot, of_run: &RunSettings) {
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
            curves: self.track.clone().map(story_panels).unwrap_or_default(),
            detections: self.detections.as_ref().map(|found| found.each_ref().map(|found| found.to_vec())),
        });
        let told = Step::ALL.into_iter().filter(|step| wanted(*step) && story::is_told(&view, *step));
        told.map(|step| Ok((story::file_stem(step), story::figure(&view, step, look)?))).collect()
    }
}

impl Draw for Drawing {
    fn draw(&self, look: &Look) -> Result<Vec<(String, Figure)>, FigureError> {
        match self {
            Self::View(view) => Ok(vec![(view.name(), view.figure(look)?)]),
            Self::Story(story) => story.figures(look, |step| story.only.is_none_or(|only| only == step)),
            Self::Curves(export) => Ok(vec![(export.name(), export.figure().render_as(&Lead::default(), look)?)]),
            Self::Survey(export) => Ok(vec![(export.name(), export.figure().render_as(&Lead::default(), look)?)]),
            // The end of it.
            Self::Movie(movie) => Ok(vec![(movie.stem(), movie.figure(movie.moments().saturating_sub(1), look)?)]),
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

impl FigureState {
    pub fn with(settings: FigureSettings) -> Self {
        Self { sheet: FigureSheet { settings, ..FigureSheet::default() }, ..Self::default() }
    }

    /// The name that the file or the folder will have, unless another is typed.
    pub fn suggested(&self, state: &State) -> String {
        match drawing(state, self.sheet.what) {
            Ok(Drawing::View(view)) => view.name(),
            Ok(Drawing::Story(story)) => match story.only {
                Some(step) => format!("{}-{}", story.subject.stem(), story::file_stem(step)),
                None => format!("{}-story", story.subject.stem()),
            },
            Ok(Drawing::Curves(export)) => export.name(),
            Ok(Drawing::Survey(export)) => export.name(),
            Ok(Drawing::Movie(movie)) => movie.stem(),
            Err(_) => "figure".to_owned(),
        }
    }

    /// The name that is typed, else the suggested one.
    pub fn name(&self, state: &State) -> String {
        self.sheet.name.clone().unwrap_or_else(|| self.suggested(state))
    }
}

/// What a figure is of where nothing in particular is asked for: what is on stage or on screen, else plots.
pub fn first_possible(state: &State) -> Option<FigureWhat> {
    let shown = if state.talk.on { FigureWhat::Step } else { FigureWhat::View };
    let possible = |what: &FigureWhat| drawing(state, *what).is_ok();
    [shown, FigureWhat::Story, FigureWhat::Curves(None), FigureWhat::Survey].into_iter().find(possible)
}

/// What stands in the way of writing what the sheet says.
pub fn problem(state: &State) -> Option<&'static str> {
    let sheet = &state.figure.sheet;
    let is_name = |name: &str| !name.trim().is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
    if let Err(why) = drawing(state, sheet.what) {
        return Some(tr(why));
    }
    if sheet.what == FigureWhat::Movie && sheet.settings.movie.check().is_err() {
        return Some(t!("Choose a width of 160 to 3840 px, and at most 600 s."));
    }
    if sheet.settings.choice.check().is_err() {
        return Some(t!("Choose PNG, SVG or both."));
    }
    if sheet.settings.folder.as_os_str().is_empty() {
        return Some(t!("Choose a folder."));
    }
    if sheet.name.as_deref().is_some_and(|name| !is_name(name)) {
        return Some(t!("The name is that of a file: it has letters, and no slashes."));
    }
    None
}

/// Steps of the story that can be told, and those that cannot.
pub fn steps_told(state: &State) -> Option<(Vec<Step>, Vec<Step>)> {
    state.scene.as_ref()?;
    let numbers = talk::numbers(state, None);
    Some(Step::ALL.into_iter().partition(|step| numbers.missing(*step).is_none()))
}

/// A preview of what the sheet says, where it is not the one that was asked for last.
pub(super) fn wanted_preview(state: &mut State) -> Option<(Drawing, Look, u64)> {
    let look = state.figure.sheet.settings.choice.look;
    let wanted = match drawing(state, state.figure.sheet.what) {
        Ok(wanted) => wanted,
        Err(_) => {
            (state.figure.preview, state.figure.previewed) = (None, None);
            return None;
        }
    };
    let key = (wanted.key(), look);
    if state.figure.previewed.as_ref() == Some(&key) {
        return None;
    }
    state.figure.previewed = Some(key);
    state.figure.serial += 1;
    Some((wanted, look, state.figure.serial))
}
