//! How a command changes the state, and what has to be done outside because of it.
//!
//! Nothing here draws, waits or touches a file: effects are returned and [`crate::shell::App`] carries them out. What
//! follows from the state (which scene, which maps, which comparison) is not asked for case by case: after every
//! change [`crate::app::update::follow`] sets what is wanted against what was last requested.

mod before_after;
pub mod effect;
pub mod follow;
mod imitation;
mod open;
mod pin;
pub mod reports;
pub mod session;
mod talk;

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::command::Command;
use crate::app::derive;
use crate::app::dialog::PickTarget;
use crate::app::figure::FigureWhat;
use crate::app::io::{IoRequest, IoResponse};
use crate::app::level::Level;
use crate::app::run::search::SearchForm;
use crate::app::run::{MOST_SEEDS, RunTab};
use crate::app::session::Session;
use crate::app::state::{ModelSlot, Overlay, State};
use crate::app::tour::Stop;
use crate::app::update::effect::{Effect, tell};
use crate::app::update::open::{
    forget_missing, list, models_changed, open_all, open_image, open_list, open_model, open_replays, open_sample,
    open_search, picked, select,
};
use crate::app::update::pin::{fitting, pointed, stepped_pin};
use crate::app::update::talk::entered;
use crate::app::view::{Layer, RangeMode, ScaleChoice};
use crate::figure::curves::{CurveExport, CurveView};
use crate::files::file_name;
use crate::imitation::mask::Psi;
use crate::inspect::Role;
use crate::language::t;
use crate::train::config::{Experiment, Lambda, RunConfig};
use crate::train::history::Shared;
use crate::worker::{FigureJob, Job, JobKind, SearchStart};

/// Carries out a command.
pub fn apply(state: &mut State, command: Command) -> Vec<Effect> {
    if command.disabled(state).is_some() {
        return Vec::new();
    }
    let mut effects = Vec::new();
    change(state, command, &mut effects);
    follow::follow(state, &mut effects);
    effects
}

/// Takes in what the desk found out.
pub fn answered(state: &mut State, answer: IoResponse) -> Vec<Effect> {
    let mut effects = Vec::new();
    match answer {
        IoResponse::Picked(wanted, path) => picked(state, wanted, path, &mut effects),
        IoResponse::Looked { found, onto } => open_all(state, found, onto, &mut effects),
        IoResponse::FreeFolder(path) => {
            if state.runs.form.experiment.out.as_os_str().is_empty() {
                state.runs.form.experiment.out = path;
            }
        }
        IoResponse::SearchFolder(path) => {
            if state.runs.search.form.out.as_os_str().is_empty() {
                state.runs.search.form.out = path;
            }
        }
        IoResponse::FigureFolder(path) => {
            let folder = &mut state.figure.sheet.settings.folder;
            if folder.as_os_str().is_empty() {
                *folder = path;
            }
        }
        IoResponse::Hyp { path, file } => {
            let unknown = file.unknown.clone();
            state.runs.form.take_hyp(*file);
            if !unknown.is_empty() {
                let text = t!("names that are not known here were left out: {names}", names = unknown.join(", "));
                tell(state, Level::Warning, file_name(&path), text, &mut effects);
            }
        }
        IoResponse::Session { session, missing } => session::restore(state, *session, missing, &mut effects),
        IoResponse::Saved(path) => {
            let text = t!("saved in {file}", file = path.display());
            tell(state, Level::Info, file_name(&path), text, &mut effects);
        }
        IoResponse::Failed { what, message } => tell(state, Level::Error, what, message, &mut effects),
    }
    follow::follow(state, &mut effects);
    effects
}

fn change(state: &mut State, command: Command, effects: &mut Vec<Effect>) {
    match command {
        Command::BrowseImage => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::Image))),
        Command::BrowseLabels => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::Labels))),
        Command::BrowseData => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::Data))),
        Command::BrowseFolder => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::Folder))),
        Command::BrowseModel(role) => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::Model(role)))),
        Command::BrowseAdapter => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::Adapter))),
        Command::BrowseReplay => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::Replay))),
        Command::OpenSample => open_sample(state, effects),
        Command::BrowseSession => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::Session))),
        Command::OpenSession(path) => effects.push(Effect::Ask(IoRequest::ReadSession(path))),
        Command::SaveSession => effects.push(Effect::Ask(IoRequest::SaveSession(Box::new(Session::of(state))))),
        Command::FindMissing(wanted) => effects.push(Effect::Ask(IoRequest::Pick(wanted))),
        Command::ForgetMissing => {
            state.missing.clear();
            forget_missing(state, |_| false);
        }
        Command::Open(path) => effects.push(Effect::Ask(IoRequest::Look { paths: vec![path], onto: None })),
        Command::OpenImage(path) => {
            open_image(state, path, effects);
            state.dataset.open_first = false;
        }
        Command::OpenData(path) => open_list(state, path, None, effects),
        Command::Drop(paths, onto) => effects.push(Effect::Ask(IoRequest::Look { paths, onto })),
        Command::OpenModel(role, path) => open_model(state, role, path, effects),
        Command::ChooseRole(role) => {
            if !state.undecided.is_empty() {
                let path = state.undecided.remove(0);
                if let Some(role) = role {
                    open_model(state, role, path, effects);
                }
            }
        }
        Command::CloseModel(role) => {
            *state.model_mut(role) = ModelSlot::Empty;
            models_changed(state);
            effects.push(Effect::Send(Job::Unload { role }));
        }
        Command::ForgetRecent => state.recent.clear(),
        Command::SelectImage(index) => select(state, index),
        Command::StepImage(step) => {
            if let Some(index) = state.dataset.stepped(step) {
                select(state, index);
            }
        }
        Command::FilterImages(filter) => state.dataset.set_filter(filter),
        Command::FocusSearch => state.search_requests += 1,
        Command::SetSplit(split) => {
            if let Some(source) = state.dataset.source.clone() {
                list(state, source, Some(split), effects);
                state.dataset.open_first = true;
            }
        }
        Command::ShowRows(rows) => {
            let now = state.now;
            let wanted = state.dataset.ask_thumbnails(rows, now);
            effects.extend(wanted.into_iter().map(|image| Effect::Send(Job::Thumbnail(image))));
        }
        Command::CompareAgain => {
            state.requested.compare = None;
            state.comparison_error = None;
        }
        // A run is stopped, not dropped: it still has to write its checkpoint.
        Command::Cancel(JobKind::Run) => change(state, Command::StopRun, effects),
        Command::Cancel(JobKind::Search) => change(state, Command::StopSearch, effects),
        Command::Cancel(kind) => {
            effects.push(Effect::Cancel(kind));
            state.activities.retain(|activity| activity.kind != kind);
            if let JobKind::Load(role) = kind
                && matches!(state.model(role), ModelSlot::Loading { .. })
            {
                *state.model_mut(role) = ModelSlot::Empty;
                models_changed(state);
                effects.push(Effect::Send(Job::Unload { role }));
            }
            if kind == JobKind::Scene && !state.replayed {
                // What is on screen is what is wanted again.
                state.image = state.scene.as_ref().map(|scene| scene.path.clone());
                let shown = state.image.as_ref().and_then(|image| state.dataset.position(image, 0));
                state.dataset.selected = shown;
            }
            if kind == JobKind::Compare {
                state.comparison_error = Some(t!("cancelled; Shift+F5 runs both models again").to_owned());
            }
            if kind == JobKind::Batch {
                state.runs.batch.failed(t!("Cancelled; “Read again” makes the batch.").to_owned());
            }
            if kind == JobKind::BeforeAfter {
                state.before_after.failed(t!("Cancelled; leaving the talk and entering it again asks anew."));
            }
            if kind == JobKind::List {
                state.dataset.listing = false;
            }
        }

        Command::SetLoss(loss) => {
            state.imitation.set_loss(loss);
            state.loss_is_chosen = true;
        }
        Command::SetMaskSource(source) => state.imitation.mask.source = source,
        Command::SetPsi(psi) => state.imitation.mask.psi = Psi::saturating(psi),
        // Steps land on the grid of steps, whatever the slider has left.
        Command::StepPsi(step) => {
            let psi = state.imitation.mask.psi.get() + step;
            state.imitation.mask.psi = Psi::saturating((psi * 100.0).round() / 100.0);
        }
        Command::SetRule(rule) => state.imitation.mask.rule = rule,
        Command::SetConvention(convention) => state.imitation.mask.convention = convention,
        Command::Solo(solo) => state.solo = solo.filter(|gt| *gt < labels(state)),
        Command::StepSolo(step) => state.solo = stepped_solo(state, step),

        Command::SetTap(tap) => state.imitation.compared.tap = tap,
        Command::SetAdapter(adapter) => state.imitation.compared.adapter = adapter,
        Command::SetDifference(kind) => state.view.difference = kind,
        Command::SetChannels(channels) => state.view.channels = channels,
        Command::SetInsideMask(inside) => state.view.inside_mask = inside,
        Command::SetInputSize(side) => state.input_side = side.clamp(32, 4096),
        Command::SetDevice(choice) => {
            effects.push(Effect::Send(Job::Device(choice.clone())));
            state.device_choice = choice;
        }

        Command::SetLayer(layer) => state.view.layer = layer,
        Command::SetScales(scales) => state.view.scales = scales,
        Command::StepScales => state.view.scales = next_scales(state),
        Command::SetOpacity(opacity) if opacity.is_finite() => state.view.opacity = opacity.clamp(0.0, 1.0),
        Command::SetOpacity(_) => {}
        Command::SetColorMap(map) => state.view.color_map = map,
        Command::SetRange(RangeMode::Locked { low, high }) if !(low.is_finite() && high.is_finite()) => {}
        Command::SetRange(range) => state.view.range = range,
        Command::ToggleLabels => state.view.labels ^= true,
        Command::ToggleBoxes(Role::Teacher) => state.view.teacher_boxes ^= true,
        Command::ToggleBoxes(Role::Student) => state.view.student_boxes ^= true,
        Command::TogglePositives => state.view.positives ^= true,
        Command::SetCamera(camera) => state.camera = camera,
        // What these mean depends on the screen: the ui has turned them into a camera and a range.
        Command::ZoomBy(_) | Command::ToggleRange => {}
        Command::Hover(hover) => state.hover = hover,
        Command::Pin(pin) => state.pin = pin.filter(|pin| follow::has_cell(state, *pin)),
        Command::TogglePin => {
            state.pin = if state.pin.is_some() { None } else { pointed(state).or_else(|| fitting(state)) }
        }
        Command::StepPin(rows, cols) => {
            let next = state.pin.and_then(|pin| stepped_pin(pin, rows, cols));
            state.pin = next.filter(|pin| follow::has_cell(state, *pin)).or(state.pin);
        }

        Command::ToggleRunPanel => state.runs.open ^= true,
        Command::SetRunTab(tab) => (state.runs.open, state.runs.tab) = (true, tab),
        Command::BrowseForRun(file) => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::ForRun(file)))),
        Command::EditRun(experiment) => state.runs.form.edit(*experiment),
        Command::ResetRun => {
            let out = std::mem::take(&mut state.runs.form.experiment.out);
            state.runs.form = crate::app::run::Form::default();
            state.runs.form.experiment.out = out;
        }
        Command::FollowPicture => state.runs.form.follow_picture(),
        Command::ShowRunChoice => {
            let adapter = state.imitation.compared.adapter.clone();
            state.imitation = state.runs.form.experiment.config.imitation.choice();
            state.imitation.compared.adapter = adapter;
            state.loss_is_chosen = true;
        }
        Command::Preflight => {
            (state.runs.open, state.runs.tab) = (true, RunTab::Preflight);
            let config = Box::new(state.runs.form.experiment.config.clone());
            let ratio = config.gradient_ratio();
            effects.push(Effect::Send(Job::Preflight { config, ratio }));
        }
        Command::UseLambda(lambda) => weigh(state, Lambda::Fixed(lambda)),
        Command::KeepRatio(ratio) => weigh(state, Lambda::GradientRatio(ratio)),
        Command::StepBatch(step) => state.runs.batch.step = state.runs.batch.step.saturating_add_signed(step),
        Command::SeekBatch(step) => state.runs.batch.step = step,
        Command::RemakeBatch => state.runs.batch.reading += 1,
        Command::SetBatchScale(scale) => state.runs.batch.scale = scale,
        Command::ShowBatchImage(place) => toggle(state, Overlay::BatchImage(place)),
        Command::StartRun => {
            let experiment = state.runs.form.experiment.clone();
            start(state, experiment, None, effects);
        }
        Command::PauseRun => {
            if let Some(live) = &state.runs.live {
                live.control.pause(!live.control.is_paused());
            }
        }
        Command::StopRun => {
            if let Some(live) = &state.runs.live {
                live.control.stop();
            }
        }
        Command::ResumeRun => {
            if let Some((number, experiment)) = state.runs.unfinished.clone() {
                start(state, Experiment { resume: true, ..experiment }, Some(number), effects);
            }
        }
        Command::StartSearch => {
            let SearchForm { minutes, out } = state.runs.search.form.clone();
            let base = Box::new(state.runs.form.experiment.config.clone());
            search(state, SearchStart::New { base, minutes, out }, effects);
        }
        Command::StopSearch => {
            if let Some(live) = &state.runs.search.live {
                live.control.stop();
            }
        }
        Command::ResumeSearch => {
            if let Ok(start) = state.runs.search.resumed() {
                search(state, start, effects);
            }
        }
        Command::EditSearch(form) => state.runs.search.form = form,
        Command::OpenSearch(folder) => open_search(state, folder, effects),
        Command::TakeSetting(name) => {
            if let Some(config) = state.runs.search.setting(&name) {
                state.runs.form.take(config);
                state.runs.tab = RunTab::SetUp;
            }
        }
        Command::ConfirmSetting(name, seeds) => {
            let unused = state.runs.search.shown.as_ref().map(|shown| shown.search.unused_seed());
            if let Some((config, seed)) = state.runs.search.setting(&name).zip(unused) {
                state.runs.form.take(RunConfig { seed, ..config });
                let experiment = Experiment { paired: true, seeds, ..state.runs.form.experiment.clone() };
                start(state, experiment, None, effects);
            }
        }
        Command::RunMoreSeeds(more) => {
            if let Ok((number, pairs)) = state.runs.extendable() {
                let seeds = pairs.seeds.saturating_add(more).min(MOST_SEEDS);
                start(state, Experiment { resume: true, seeds, ..(*pairs).clone() }, Some(number), effects);
            }
        }
        Command::OpenReplays(paths) => open_replays(state, paths, effects),
        Command::OpenRun(folder) => state.runs.to_open.push_back(folder),
        Command::ToggleRun(key) => state.runs.toggle(key),
        Command::RemoveRun(key) => state.runs.remove(key),
        Command::SetCurves(view) => state.runs.view = CurveView::checked(view),
        Command::ExportCurves(plot) => {
            effects.push(Effect::Ask(IoRequest::SaveCurves(Box::new(CurveExport::of(state.runs.curves(), plot)))));
        }
        Command::StartSurvey => {
            if let Ok(request) = derive::survey::wanted(state) {
                state.survey.asked = Some(request.clone());
                effects.push(Effect::Send(Job::Survey(Box::new(request))));
            }
        }
        Command::StartReview => {
            if let Ok(request) = derive::review::wanted(state) {
                effects.push(Effect::Send(state.review.ask(request)));
            }
        }
        Command::StopReview => state.review.stop(),
        Command::EditReview(view) => state.review.show(*view),
        Command::OpenReviewed(index) => {
            let place = state.review.choose(index);
            open_reviewed(state, place, effects);
        }
        Command::OpenDoubt(index) => {
            let place = state.review.choose_doubt(index);
            open_reviewed(state, place, effects);
        }
        Command::StepReview(steps) => {
            let place = state.review.stepped(steps).and_then(|index| state.review.choose(index));
            open_reviewed(state, place, effects);
        }
        Command::ExportDoubts => {
            let review = state.review.result.as_ref().map(|result| Shared::new(Arc::clone(&result.review)));
            effects.extend(review.map(|review| Effect::Ask(IoRequest::SaveDoubts(review))));
        }
        Command::SetSurveyMeasure(measure) => state.survey.measure = measure,
        Command::ExportSurvey => {
            let export = state.survey_export().map(Box::new);
            effects.extend(export.map(|export| Effect::Ask(IoRequest::SaveSurvey(export))));
        }
        Command::ToggleSnapshots => {
            let on = state.runs.playback.is_none();
            state.runs.show_snapshots(on);
            if on {
                state.view.layer = Layer::Difference;
            }
        }
        Command::ShowSnapshotsOf(key) => state.runs.show_snapshots_of(key),
        Command::SeekSnapshot(index) => state.runs.seek(index),
        Command::PlaySnapshots => {
            let playing = state.runs.playback.is_some_and(|playback| playback.playing);
            state.runs.play(!playing, state.now);
        }

        Command::OpenFigure(what) => open_figure(state, what),
        Command::EditFigure(sheet) => {
            // A name that was typed for one thing is not another's.
            let another = sheet.what != state.figure.sheet.what;
            state.figure.sheet = *sheet;
            if another {
                (state.figure.sheet.name, state.figure.preview) = (None, None);
            }
            state.figure.outcome = None;
        }
        Command::BrowseFigureFolder => effects.push(Effect::Ask(IoRequest::Pick(PickTarget::FigureFolder))),
        Command::WriteFigure => write_figure(state, effects),

        Command::ToggleTalk => {
            state.talk.on ^= true;
            state.talk.blank = false;
            state.before_after.retry();
            (state.overlay, state.messages_open, state.tour) = (None, false, None);
            entered(state);
        }
        Command::StepTalk(steps) => {
            state.talk.go(steps, derive::talk::steps(state));
            entered(state);
        }
        Command::SeekTalk(index) => {
            state.talk.seek(index, derive::talk::steps(state));
            entered(state);
        }
        Command::BlankTalk => state.talk.blank ^= true,

        Command::SetTheme(theme) => {
            state.theme = theme;
            effects.push(Effect::SetTheme(theme));
        }
        Command::SetLanguage(language) => state.language = language,
        Command::TogglePalette => toggle(state, Overlay::Palette),
        Command::ToggleKeys => toggle(state, Overlay::Keys),
        Command::ToggleTerms => toggle(state, Overlay::Terms),
        Command::TakeTour => (state.overlay, state.tour) = (None, Some(Stop::ALL[0])),
        Command::StepTour(steps) => state.tour = state.tour.and_then(|stop| stop.stepped(steps)),
        Command::LeaveTour => state.tour = None,
        Command::ToggleFrameTimes => state.frame_times_open ^= true,
        Command::ToggleAbout => toggle(state, Overlay::About),
        Command::ShowLoadReport(role) => toggle(state, Overlay::Report(role)),
        Command::ToggleMessages => {
            state.messages_open ^= true;
            state.messages.unread = 0;
        }
        Command::ClearMessages => state.messages.clear(),
        Command::Dismiss => {
            let closed = state.overlay.take().is_some() || std::mem::take(&mut state.messages_open);
            if !closed && state.pin.take().is_none() {
                state.solo = None;
            }
        }
        Command::Quit => effects.push(Effect::Quit),
    }
}

/// Opens the sheet, or closes it where nothing in particular is asked for.
fn open_figure(state: &mut State, what: Option<FigureWhat>) {
    if what.is_none() && state.overlay == Some(Overlay::Figure) {
        state.overlay = None;
        return;
    }
    let Some(what) = what.or_else(|| derive::figure::first_possible(state)) else { return };
    (state.figure.sheet.what, state.figure.sheet.name, state.figure.outcome) = (what, None, None);
    state.overlay = Some(Overlay::Figure);
}

fn write_figure(state: &mut State, effects: &mut Vec<Effect>) {
    let sheet = &state.figure.sheet;
    let Ok(what) = derive::figure::drawing(state, sheet.what) else { return };
    let settings = &sheet.settings;
    effects.push(Effect::Send(Job::Figure(FigureJob {
        what: Arc::new(what),
        choice: settings.choice.clone(),
        movie: settings.movie,
        folder: settings.folder.clone(),
        name: derive::figure::name(state).trim().to_owned(),
        replace: settings.replace,
    })));
    state.figure.outcome = None;
}

/// An image of the review, with one ground truth alone if one is meant: at once where it is open, else when it has come.
fn open_reviewed(state: &mut State, place: Option<(PathBuf, Option<usize>)>, effects: &mut Vec<Effect>) {
    let Some((path, truth)) = place else { return };
    if state.scene.as_ref().is_some_and(|scene| scene.path == path) && !state.replayed {
        state.solo = truth.filter(|truth| *truth < labels(state));
        return;
    }
    state.review.opening = truth.map(|truth| (path.clone(), truth));
    open_image(state, path, effects);
}

/// The weight of the imitation in the run that is set up.
fn weigh(state: &mut State, lambda: Lambda) {
    let mut experiment = state.runs.form.experiment.clone();
    experiment.config.imitation.lambda = lambda;
    state.runs.form.edit(experiment);
}

fn toggle(state: &mut State, overlay: Overlay) {
    state.overlay = if state.overlay == Some(overlay) { None } else { Some(overlay) };
}

fn labels(state: &State) -> usize {
    state.scene.as_ref().map_or(0, |scene| scene.labels.len())
}

/// Through the ground truths one by one, then all of them again.
fn stepped_solo(state: &State, step: isize) -> Option<usize> {
    let count = labels(state);
    let places = isize::try_from(count + 1).unwrap_or(1);
    let place = state.solo.map_or(0, |gt| isize::try_from(gt + 1).unwrap_or(0));
    let next = (place + step).rem_euclid(places);
    usize::try_from(next).ok()?.checked_sub(1)
}

fn next_scales(state: &State) -> ScaleChoice {
    let strides: Vec<u32> = state.strides().collect();
    let next = match state.view.scales {
        ScaleChoice::All => strides.first(),
        ScaleChoice::Stride(stride) => {
            strides.iter().position(|other| *other == stride).and_then(|at| strides.get(at + 1))
        }
    };
    next.map_or(ScaleChoice::All, |stride| ScaleChoice::Stride(*stride))
}

/// Hands a experiment to the worker; `number` is that of the experiment that goes on.
fn start(state: &mut State, experiment: Experiment, number: Option<u64>, effects: &mut Vec<Effect>) {
    let control = state.runs.begin(experiment.clone(), number);
    state.runs.before = before_after::now(state, &experiment.config);
    state.runs.open = true;
    effects.push(Effect::Send(Job::Run { experiment: Box::new(experiment), control }));
}

/// Hands a search to the worker.
fn search(state: &mut State, start: SearchStart, effects: &mut Vec<Effect>) {
    let control = state.runs.search.begin(&start);
    (state.runs.open, state.runs.tab) = (true, RunTab::Search);
    effects.push(Effect::Send(Job::Search { start, control }));
}
