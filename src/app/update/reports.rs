//! How a worker's report changes the state. A report that answers an older question than the newest is dropped.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app::command::Command;
use crate::app::dataset::Thumbnail;
use crate::app::derive;
use crate::app::level::Level;
use crate::app::run::{Examined, RunTab};
use crate::app::state::{Activity, CompareKey, FieldKey, ModelSlot, Overlay, State};
use crate::app::survey::Surveyed;
use crate::app::update::effect::{Effect, tell, tell_with};
use crate::app::update::follow;
use crate::app::update::open::{models_changed, select};
use crate::app::view::{Camera, Layer};
use crate::dataset::Warning;
use crate::files::file_name;
use crate::inspect::{Role, Scene};
use crate::language::t;
use crate::worker::{DatasetBrief, EarlierRun, Failure, JobKind, ModelBrief, ModelCard, Report};

/// Warnings of one file that are listed; the rest is counted.
const LISTED_WARNINGS: usize = 20;

/// Takes in a report.
pub fn receive(state: &mut State, report: Report) -> Vec<Effect> {
    let mut effects = Vec::new();
    take(state, report, &mut effects);
    follow::follow(state, &mut effects);
    effects
}

fn take(state: &mut State, report: Report, effects: &mut Vec<Effect>) {
    match report {
        // Thumbnails come and go by the dozen: no work to tell of.
        Report::Started { kind: JobKind::Thumbnail, .. } => {}
        Report::Started { kind, what } => {
            state.activities.retain(|activity| activity.kind != kind);
            let started = state.now;
            state.activities.push(Activity { kind, what, stage: String::new(), fraction: None, started });
        }
        Report::Progress { kind, stage, fraction } => {
            if let Some(activity) = state.activities.iter_mut().find(|activity| activity.kind == kind) {
                activity.stage = stage;
                activity.fraction = fraction.filter(|fraction| fraction.is_finite()).map(|f| f.clamp(0.0, 1.0));
            }
        }
        Report::Finished { kind: JobKind::Run } => {
            if let Some(note) = state.runs.ended() {
                // Pairs have ended: which objects were won and lost is the next question.
                let review = derive::review::wanted(state).is_ok().then_some(Command::StartReview);
                tell_with(state, note.level, note.what, note.text, review, effects);
            }
        }
        Report::Finished { kind: JobKind::Search } => {
            if let Some(note) = state.runs.search.ended() {
                tell(state, note.level, note.what, note.text, effects);
            }
        }
        Report::Finished { kind } => state.activities.retain(|activity| activity.kind != kind),
        Report::Failed { kind, what, failure } => failed(state, kind, what, failure, effects),
        Report::Scene(scene) => scene_arrived(state, scene, effects),
        Report::Field { scene, anchors, convention, field } => {
            if state.requested.field == Some(FieldKey { scene, anchors, convention }) {
                state.field = Some(field);
            }
        }
        Report::Described { role, brief } => described(state, role, brief),
        Report::Loaded { role, card } => loaded(state, role, card, effects),
        Report::Compared { scene, request, comparison } => {
            let key = CompareKey { scene, request, models: state.models_version };
            let closed = |role, found: bool| found && state.card(role).is_none();
            let stale = state.requested.compare.as_ref() != Some(&key)
                || closed(Role::Teacher, comparison.teacher_detections.is_some())
                || closed(Role::Student, comparison.student_detections.is_some());
            if !stale {
                state.comparison = Some(comparison);
                state.comparison_error = None;
            }
        }
        Report::BeforeAfter { request, found } => state.before_after.answer(*request, found),
        Report::Device(status) => {
            if state.device.as_ref() != Some(&status) {
                // The first one only says where the models are.
                if state.device.is_some() {
                    state.models_version += 1;
                }
                state.device = Some(status);
            }
        }
        Report::Dataset(brief) => listed(state, brief, effects),
        Report::Images { images, done } => {
            // Before its description, a batch belongs to an older list.
            if state.dataset.brief.is_some() {
                let from = state.dataset.images().len();
                state.dataset.extend(images, done);
                settle_selection(state, from);
            }
        }
        Report::Run(events) => {
            for note in state.runs.receive(events) {
                tell(state, note.level, note.what, note.text, effects);
            }
        }
        Report::Search(events) => {
            for note in state.runs.search.receive(events) {
                tell(state, note.level, note.what, note.text, effects);
            }
        }
        Report::EarlierSearch(earlier) => {
            state.runs.search.open(*earlier);
            (state.runs.open, state.runs.tab) = (true, RunTab::Search);
        }
        Report::Batch { request, preview } => {
            let images = preview.images.len();
            if state.runs.batch.answer(&request, preview)
                && matches!(state.overlay, Some(Overlay::BatchImage(place)) if place >= images)
            {
                state.overlay = None;
            }
        }
        Report::EarlierRun(run) => {
            state.runs.reading = None;
            earlier_arrived(state, *run, effects);
            (state.runs.open, state.runs.tab) = (true, RunTab::Curves);
        }
        Report::Pairs { runs, unread } => {
            state.runs.reading = None;
            for (path, why) in unread {
                tell(state, Level::Error, path.display().to_string(), why, effects);
            }
            if !runs.is_empty() {
                runs.into_iter().for_each(|run| earlier_arrived(state, run, effects));
                let tab = if state.runs.paired().is_some() { RunTab::Paired } else { RunTab::Curves };
                (state.runs.open, state.runs.tab) = (true, tab);
            }
        }
        Report::Replay(replay) => {
            let mask = replay.mask;
            let own = &mut state.imitation.mask;
            (own.psi, own.rule, own.convention) = (mask.psi, mask.rule, mask.convention);
            state.view.layer = if replay.snapshots.is_empty() { state.view.layer } else { Layer::Difference };
            state.runs.add_replay(replay);
            (state.runs.open, state.runs.tab) = (true, RunTab::Curves);
        }
        Report::Survey { request, survey, skipped } => {
            if state.survey.asked.as_ref() == Some(&*request) {
                state.survey.result = Some(Surveyed { request: *request, survey, skipped });
            }
        }
        Report::Review { request, review } => state.review.answer(*request, review),
        Report::HandedOver(folder) => {
            let text = t!(
                "{folder}: next, python launch.py --verify there; its README.md says the rest",
                folder = folder.display()
            );
            tell(state, Level::Info, t!("the hand-over"), text, effects);
        }
        Report::FigureSaved(files) => {
            let text = saved_text(&files);
            state.figure.outcome = Some(Ok(text.clone()));
            tell(state, Level::Info, t!("the figure"), text, effects);
        }
        Report::FigurePreview { serial, preview } => {
            if state.figure.serial == serial {
                state.figure.preview = Some(preview);
            }
        }
        Report::Preflight { config, found } => {
            state.runs.examined = Some(Examined::new(*config, found));
            (state.runs.open, state.runs.tab) = (true, RunTab::Preflight);
        }
        Report::Thumbnail { image, picture, labels, cut_short } => {
            state.dataset.insert_thumbnail(image, Thumbnail::Ready { picture, labels, cut_short });
        }
    }
}

fn failed(state: &mut State, kind: JobKind, what: String, failure: Failure, effects: &mut Vec<Effect>) {
    let Failure { message, out_of_gpu_memory } = failure;
    match kind {
        JobKind::Scene => state.scene_error = Some(message.clone()),
        JobKind::Load(role) => {
            // A model that is ready fails when it is loaded anew on another device.
            let path = match state.model(role) {
                ModelSlot::Loading { path, .. } => Some(path.clone()),
                ModelSlot::Ready { card } => Some(card.path.clone()),
                ModelSlot::Empty | ModelSlot::Failed { .. } => None,
            };
            if let Some(path) = path {
                *state.model_mut(role) = ModelSlot::Failed { path, message: message.clone() };
                models_changed(state);
            }
        }
        JobKind::Search | JobKind::OpenSearch => state.runs.search.problem = Some(message.clone()),
        JobKind::Compare => {
            state.comparison = None;
            state.comparison_error = Some(message.clone());
        }
        JobKind::List => state.dataset.listing = false,
        // Said in the batch view itself.
        JobKind::Batch => return state.runs.batch.failed(message),
        JobKind::OpenRun => state.runs.reading = None,
        JobKind::BeforeAfter => state.before_after.failed(&message),
        JobKind::Figure => state.figure.outcome = Some(Err(message.clone())),
        // Said in the sheet itself.
        JobKind::FigurePreview => {
            state.figure.preview = Some(Err(message));
            return;
        }
        JobKind::OpenReplays
        | JobKind::Field
        | JobKind::Device
        | JobKind::Thumbnail
        | JobKind::Run
        | JobKind::Preflight
        | JobKind::Handover
        | JobKind::Survey
        | JobKind::Review => {}
    }
    let remedy = out_of_gpu_memory.then(|| Command::SetDevice("cpu".to_owned()));
    tell_with(state, Level::Error, what, message, remedy, effects);
}

fn earlier_arrived(state: &mut State, mut run: EarlierRun, effects: &mut Vec<Effect>) {
    for warning in std::mem::take(&mut run.warnings) {
        tell(state, Level::Warning, file_name(&run.folder), warning, effects);
    }
    state.runs.add_earlier(run);
}

/// Where figures are: the file, the two files, or the folder of several.
fn saved_text(files: &[PathBuf]) -> String {
    let folder = files.first().and_then(|file| file.parent()).map_or_else(String::new, |f| f.display().to_string());
    let names: Vec<String> = files.iter().map(|file| file_name(file)).collect();
    match files {
        [file] => t!("saved in {file}", file = file.display()),
        [_, _] => t!("saved in {folder}: {names}", folder, names = names.join(", ")),
        _ => t!("{count} files saved in {folder}", count = files.len(), folder),
    }
}

fn scene_arrived(state: &mut State, scene: Arc<Scene>, effects: &mut Vec<Effect>) {
    let asked = state.requested.scene.as_ref();
    if asked.is_none_or(|asked| asked.image != scene.path || asked.input != scene.input_size()) {
        return;
    }
    warn(state, &scene.warnings, effects);
    let labels = scene.labels.len();
    let truth = state.review.opened(&scene.path).filter(|truth| *truth < labels);
    place(state, scene);
    if truth.is_some() {
        state.solo = truth;
    }
}

/// Puts a scene in the middle of the window.
pub(super) fn place(state: &mut State, scene: Arc<Scene>) {
    let before = state.scene.take();
    let same_picture =
        before.as_ref().is_some_and(|before| before.path == scene.path && before.letterbox == scene.letterbox);
    if !same_picture {
        state.camera = Camera::Fit;
        (state.hover, state.pin) = (None, None);
    }
    if !same_picture || before.is_some_and(|before| before.labels.len() != scene.labels.len()) {
        state.solo = None;
    }
    state.scene_error = None;
    state.scene = Some(scene);
}

/// Lists warnings one by one, and shows one line for all of them.
fn warn(state: &mut State, warnings: &[Warning], effects: &mut Vec<Effect>) {
    let Some(first) = warnings.first() else { return };
    let mut quiet = Vec::new();
    if warnings.len() > LISTED_WARNINGS {
        let text = t!("{count} more warnings like these", count = warnings.len() - LISTED_WARNINGS);
        tell(state, Level::Warning, file_name(&first.file), text, &mut quiet);
    }
    // The newest is on top: the first line of the file ends there.
    for warning in warnings.iter().take(LISTED_WARNINGS).rev() {
        let line = warning.line.map(|line| format!(":{line}")).unwrap_or_default();
        let what = format!("{}{line}", file_name(&warning.file));
        tell(state, Level::Warning, what, warning.message.clone(), &mut quiet);
    }
    if quiet.is_empty() {
        return;
    }
    let more = match warnings.len() {
        1 => String::new(),
        count => t!(" (and {count} more, see Messages)", count = count - 1),
    };
    let line = first.line.map(|line| format!(":{line}")).unwrap_or_default();
    let text = format!("{}{line}: {}{more}", file_name(&first.file), first.message);
    effects.push(Effect::Toast { level: Level::Warning, text, remedy: None });
}

fn described(state: &mut State, role: Role, brief: ModelBrief) {
    if let ModelSlot::Loading { path, brief: slot } = state.model_mut(role)
        && *path == brief.path
    {
        *slot = Some(brief);
    }
}

fn loaded(state: &mut State, role: Role, card: Arc<ModelCard>, effects: &mut Vec<Effect>) {
    let expected = match state.model(role) {
        ModelSlot::Loading { path, .. } => *path == card.path,
        // Moved to another device.
        ModelSlot::Ready { card: before } => before.path == card.path,
        ModelSlot::Empty | ModelSlot::Failed { .. } => false,
    };
    if !expected {
        return;
    }
    for warning in &card.warnings {
        tell(state, Level::Warning, file_name(&card.path), warning.clone(), effects);
    }
    *state.model_mut(role) = ModelSlot::Ready { card };
    models_changed(state);
}

fn listed(state: &mut State, brief: DatasetBrief, effects: &mut Vec<Effect>) {
    if state.dataset.source.as_ref() != Some(&brief.source) {
        return;
    }
    warn(state, &brief.warnings, effects);
    state.dataset.brief = Some(brief);
}

/// Opens the first image of a fresh list, or finds the one that is open among those that have just come.
fn settle_selection(state: &mut State, from: usize) {
    if state.dataset.selected.is_some() {
        return;
    }
    if state.dataset.open_first && !state.dataset.images().is_empty() {
        state.dataset.open_first = false;
        select(state, 0);
    } else if let Some(index) = state.image.as_ref().and_then(|image| state.dataset.position(image, from)) {
        state.dataset.select(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::ModelCard;

    fn failed(kind: JobKind, failure: impl Into<Failure>) -> Report {
        Report::Failed { kind, what: "the comparison".into(), failure: failure.into() }
    }

    #[test]
    fn a_full_gpu_offers_the_cpu() {
        let mut state = State::default();
        let full = Failure { message: "the GPU ran out of memory".into(), out_of_gpu_memory: true };
        let effects = receive(&mut state, failed(JobKind::Compare, full));
        let remedy = Some(Command::SetDevice("cpu".into()));
        assert_eq!(state.messages.get(0).and_then(|message| message.remedy.clone()), remedy);
        assert!(matches!(&effects[..], [Effect::Toast { remedy: offered, .. }] if *offered == remedy));
        receive(&mut state, failed(JobKind::Compare, "channels differ"));
        assert_eq!(state.messages.get(0).and_then(|message| message.remedy.clone()), None);
    }

    #[test]
    fn a_model_that_another_device_cannot_hold_is_no_longer_ready() {
        let mut state = State::default();
        let card = ModelCard {
            path: "l.pt".into(),
            file_bytes: 1,
            format: String::new(),
            names: Vec::new(),
            anchors: Vec::new(),
            parameters: 1,
            gflops: None,
            tensors_loaded: 1,
            tensors_total: 1,
            seconds: 0.0,
            report: String::new(),
            warnings: Vec::new(),
        };
        *state.model_mut(Role::Teacher) = ModelSlot::Ready { card: card.into() };
        receive(&mut state, failed(JobKind::Load(Role::Teacher), "CUDA out of memory"));
        assert!(matches!(state.model(Role::Teacher), ModelSlot::Failed { path, .. } if path.as_os_str() == "l.pt"));
    }

    #[test]
    fn work_is_shown_from_its_start_to_its_end() {
        let mut state = State { now: 3.0, ..State::default() };
        let kind = JobKind::List;
        receive(&mut state, Report::Progress { kind, stage: "early".into(), fraction: None });
        assert!(state.activities.is_empty(), "progress of what never began");
        receive(&mut state, Report::Started { kind, what: "d".into() });
        receive(&mut state, Report::Started { kind: JobKind::Thumbnail, what: "t".into() });
        receive(&mut state, Report::Progress { kind, stage: "reading".into(), fraction: Some(f32::NAN) });
        let activity = state.activities.first().expect("an activity");
        assert_eq!((activity.started, activity.fraction, state.activities.len()), (3.0, None, 1));
        receive(&mut state, Report::Finished { kind });
        assert!(state.activities.is_empty());
    }

    #[test]
    fn many_warnings_of_one_file_are_one_toast_and_a_bounded_list() {
        let mut state = State::default();
        state.dataset.begin("data.yaml".into());
        let warning =
            |line| Warning { file: "labels/a.txt".into(), line: Some(line), message: format!("bad line {line}") };
        let brief = DatasetBrief {
            source: "data.yaml".into(),
            warnings: (1..=50).map(warning).collect(),
            ..Default::default()
        };
        let effects = receive(&mut state, Report::Dataset(brief));
        let toasts = effects.iter().filter(|effect| matches!(effect, Effect::Toast { .. }));
        assert_eq!(toasts.count(), 1);
        assert_eq!(state.messages.len(), LISTED_WARNINGS + 1);
        assert_eq!(state.messages.get(0).expect("a message").what, "a.txt:1");
    }
}
