//! What a figure of the window would be drawn from, or why there is none.

use std::sync::Arc;

use crate::app::derive::talk;
use crate::app::figure::FigureWhat;
use crate::app::state::{ModelSlot, State};
use crate::app::view::{ChannelView, Layer, RangeMode, ViewSettings};
use crate::drawing::{Found, Viewpoint};
use crate::figure::curves::CurveExport;
use crate::figure::drawing::{Drawing, StoryDrawing, Subject, ViewDrawing};
use crate::figure::run_movie::Movie;
use crate::figure::shown::Shown;
use crate::figure::{Look, story};
use crate::imitation::difference::DifferenceKind;
use crate::inspect::Role;
use crate::language::{key, t, tr};
use crate::review::Review;
use crate::story::Step;
use crate::train::config::Lambda;
use crate::train::event::Snapshot;
use crate::train::history::{Plot, RunHistory, Shared};

const NO_IMAGE: &str = key!("Open an image first.");
const OTHER_IMAGE: &str = key!("The run keeps the difference of another image: open that one to see it.");
const NO_SURVEY: &str = key!("There is no survey yet.");
const NO_SNAPSHOTS: &str = key!("No run has kept difference maps yet.");

/// Why something cannot be drawn, where it cannot. Draws nothing and copies nothing.
pub fn availability(state: &State, what: FigureWhat) -> Result<(), &'static str> {
    let image = state.scene.as_deref().map(|scene| &scene.path).ok_or(NO_IMAGE);
    match what {
        FigureWhat::View => {
            let (image, view, snapshot) = (image?, state.canvas_view(), state.snapshot_on_screen());
            if view.layer.view(false).is_some() && state.mask.is_none() {
                return Err(key!("The masks are being computed…"));
            }
            match snapshot {
                Some((_, snapshot)) if snapshot.image != *image => Err(OTHER_IMAGE),
                None if view.layer.is_of_models() && state.comparison.is_none() => {
                    Err(key!("Appears as soon as the models have seen this image."))
                }
                _ => Ok(()),
            }
        }
        FigureWhat::Step => {
            image?;
            talk::numbers(state, None).missing(state.talk.step).map_or(Ok(()), Err)
        }
        FigureWhat::Story => image.map(|_| ()),
        FigureWhat::Curves(_) => {
            let any = state.runs.histories.iter().any(|history| !history.curves.is_empty());
            any.then_some(()).ok_or(key!("There are no curves yet."))
        }
        FigureWhat::Survey => state.survey_export().map(|_| ()).ok_or(NO_SURVEY),
        FigureWhat::Review => reviewed(state).map(|_| ()),
        FigureWhat::Movie => {
            let first = with_maps(state).and_then(|history| history.snapshots.first()).ok_or(NO_SNAPSHOTS)?;
            if first.image == *image? { Ok(()) } else { Err(OTHER_IMAGE) }
        }
    }
}

/// What can be drawn of the state, or why not.
pub fn drawing(state: &State, what: FigureWhat) -> Result<Drawing, &'static str> {
    availability(state, what)?;
    Ok(match what {
        FigureWhat::View => Drawing::View(Box::new(view_drawing(state)?)),
        FigureWhat::Step => Drawing::Story(Box::new(story_drawing(state, Some(state.talk.step))?)),
        FigureWhat::Story => Drawing::Story(Box::new(story_drawing(state, None)?)),
        FigureWhat::Curves(plot) => Drawing::Curves(Box::new(CurveExport::of(state.runs.curves(), plot))),
        FigureWhat::Survey => Drawing::Survey(Box::new(state.survey_export().ok_or(NO_SURVEY)?)),
        FigureWhat::Review => Drawing::Review(Shared::new(Arc::clone(reviewed(state)?))),
        FigureWhat::Movie => {
            let history = with_maps(state).ok_or(NO_SNAPSHOTS)?;
            Drawing::Movie(Box::new(Movie::of(state.runs.curves(), history, subject(state)?)))
        }
    })
}

fn reviewed(state: &State) -> Result<&Arc<Review>, &'static str> {
    let reviewed = state.review.result.as_ref().ok_or(key!("There is no review yet."))?;
    if reviewed.review.has_labels() {
        Ok(&reviewed.review)
    } else {
        Err(key!("Without labels there is nothing to plot."))
    }
}

/// The run whose maps a movie shows: the one that is played, else the first that has any.
fn with_maps(state: &State) -> Option<&Arc<RunHistory>> {
    let played = state.runs.playback.and_then(|playback| state.runs.history(playback.history));
    played.or_else(|| state.runs.with_snapshots().next())
}

fn subject(state: &State) -> Result<Subject, &'static str> {
    let scene = state.scene.clone().ok_or(NO_IMAGE)?;
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
            .map_or(state.runs.form.experiment.config.imitation.lambda, |imitation| imitation.lambda)
            .nominal(),
    })
}

fn view_drawing(state: &State) -> Result<ViewDrawing, &'static str> {
    let mut subject = subject(state)?;
    let view = state.canvas_view();
    let snapshot = state.snapshot_on_screen();
    // λ as it was at that step.
    let at = snapshot.and_then(|(history, snapshot)| history.of(Plot::Lambda).next()?.at(snapshot.step as f64));
    subject.lambda = at.map_or(subject.lambda, |(_, lambda)| lambda);
    let ratio = match state.runs.form.experiment.config.imitation.lambda {
        Lambda::GradientRatio(ratio) if at.is_none() && state.runs.replay().is_none() => Some(ratio),
        _ => None,
    };
    let (weighs, solo, pin) = (state.shows_weights(), state.solo, state.pin);
    let shown = Shown {
        at: Viewpoint { view, weighs, solo, pin, outlined: false },
        found: Found::by(view.boxes_of(), state.comparison.as_deref(), &subject.names),
        positives: Vec::new(),
        snapshot: snapshot.map(|(history, snapshot)| (history.name.clone(), snapshot.step)),
        ratio,
    };
    Ok(ViewDrawing {
        subject,
        snapshot: snapshot.map(|(_, snapshot)| Arc::clone(snapshot)),
        of_run: snapshot.map(|(history, _)| history.settings()).unwrap_or_default(),
        shown,
    })
}

fn story_drawing(state: &State, only: Option<Step>) -> Result<StoryDrawing, &'static str> {
    let subject = subject(state)?;
    let history = talk::run(state).cloned();
    let found = state.before_after.found();
    let detections = found.and_then(|found| Some([found.before.clone().ok()?, found.after.clone().ok()?]));
    let (truth, run) = (talk::truth(state), talk::numbers(state, None).run);
    Ok(StoryDrawing { subject, truth, run, history, detections, only })
}

/// What a figure is of where nothing in particular is asked for: what is on stage or on screen, else plots.
pub fn first_possible(state: &State) -> Option<FigureWhat> {
    let shown = if state.talk.on { FigureWhat::Step } else { FigureWhat::View };
    let possible = |what: &FigureWhat| availability(state, *what).is_ok();
    [shown, FigureWhat::Story, FigureWhat::Curves(None), FigureWhat::Survey].into_iter().find(possible)
}

/// What stands in the way of writing what the sheet says.
pub fn problem(state: &State) -> Option<&'static str> {
    let sheet = &state.figure.sheet;
    let is_name = |name: &str| !name.trim().is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
    if let Err(why) = availability(state, sheet.what) {
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
pub fn steps_shown(state: &State) -> Option<(Vec<Step>, Vec<Step>)> {
    state.scene.as_ref()?;
    let numbers = talk::numbers(state, None);
    Some(Step::ALL.into_iter().partition(|step| numbers.missing(*step).is_none()))
}

/// A preview of what the sheet says, where it is not the one that was asked for last.
pub fn wanted_preview(state: &mut State) -> Option<(Drawing, Look, u64)> {
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

impl State {
    /// How the canvas is looked at. Through the time of a run the colours have one range, so that its moments can be
    /// compared.
    pub fn canvas_view(&self) -> ViewSettings {
        let view = self.view;
        match self.runs.snapshot() {
            Some((_, high)) if view.layer == Layer::Difference => ViewSettings {
                range: RangeMode::Locked { low: 0.0, high: high.max(f32::MIN_POSITIVE) },
                difference: Some(DifferenceKind::SquaredL2),
                channels: ChannelView::All,
                ..view
            },
            _ => view,
        }
    }

    /// The history whose map takes the difference's place, and the map.
    fn snapshot_on_screen(&self) -> Option<(&Arc<RunHistory>, &Arc<Snapshot>)> {
        let (snapshot, _) = self.runs.snapshot().filter(|_| self.view.layer == Layer::Difference)?;
        Some((self.runs.history(self.runs.playback?.history)?, snapshot))
    }
}

/// The name that the file or the folder will have, unless another is typed.
pub fn suggested(state: &State) -> String {
    match drawing(state, state.figure.sheet.what) {
        Ok(Drawing::View(view)) => view.name(),
        Ok(Drawing::Story(story)) => match story.only {
            Some(step) => format!("{}-{}", story.subject.stem(), story::file_stem(step)),
            None => format!("{}-story", story.subject.stem()),
        },
        Ok(Drawing::Curves(export)) => export.name(),
        Ok(Drawing::Survey(export)) => export.name(),
        Ok(Drawing::Movie(movie)) => movie.stem(),
        Ok(Drawing::Review(_)) => "review".to_owned(),
        Err(_) => "figure".to_owned(),
    }
}

/// The name that is typed, else the suggested one.
pub fn name(state: &State) -> String {
    state.figure.sheet.name.clone().unwrap_or_else(|| suggested(state))
}
