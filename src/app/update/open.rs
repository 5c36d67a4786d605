//! Files that a person opens: each takes its place in the state, and what has to be read is asked for.

use std::path::{Path, PathBuf};

use crate::app::dialog::{PathKind, PickTarget, RunFile};
use crate::app::io::IoRequest;
use crate::app::level::Level;
use crate::app::run::RunTab;
use crate::app::settings::Settings;
use crate::app::state::{ModelSlot, Overlay, State};
use crate::app::update::effect::{Effect, tell};
use crate::files::file_name;
use crate::inspect::{AdapterChoice, LabelSource, Role};
use crate::language::t;
use crate::sample::Sample;
use crate::worker::{Job, JobKind};

/// A model has come, gone or moved: what was compared is no longer what would be.
pub(super) fn models_changed(state: &mut State) {
    state.models_version += 1;
    state.comparison = None;
    state.comparison_error = None;
}

/// Takes files of the session off the list of those that are asked for.
pub(super) fn forget_missing(state: &mut State, found: impl Fn(PickTarget) -> bool) {
    // Of several runs that have moved one is found at a time.
    if let Some(place) = state.missing.iter().position(|(wanted, _)| found(*wanted)) {
        state.missing.remove(place);
    }
    if state.missing.is_empty() && state.overlay == Some(Overlay::Missing) {
        state.overlay = None;
    }
}

pub(super) fn picked(state: &mut State, wanted: PickTarget, path: PathBuf, effects: &mut Vec<Effect>) {
    forget_missing(state, |missing| missing == wanted);
    match wanted {
        PickTarget::Image => open_image(state, path, effects),
        PickTarget::Labels => open_labels(state, path, effects),
        PickTarget::Data | PickTarget::Folder => open_list(state, path, None, effects),
        PickTarget::Session => effects.push(Effect::Ask(IoRequest::ReadSession(path))),
        PickTarget::Model(role) => open_model(state, role, path, effects),
        PickTarget::Adapter => state.imitation.compared.adapter = AdapterChoice::Run(path),
        PickTarget::FigureFolder => state.figure.sheet.settings.folder = path,
        PickTarget::Replay => open_replays(state, vec![path], effects),
        PickTarget::ForRun(file) => picked_for_run(state, file, path, effects),
    }
}

pub(super) fn picked_for_run(state: &mut State, file: RunFile, path: PathBuf, effects: &mut Vec<Effect>) {
    let mut experiment = state.runs.form.experiment.clone();
    match file {
        RunFile::Data => experiment.config.data = path,
        RunFile::Teacher => experiment.config.teacher = Some(path),
        RunFile::Student => experiment.config.student = path,
        RunFile::Out => experiment.out = path,
        RunFile::Hyp => {
            let errand = IoRequest::ReadHyp(path, Box::new(experiment.config.hyp));
            return effects.push(Effect::Ask(errand));
        }
        RunFile::Earlier => return state.runs.to_open.push_back(path),
        RunFile::SearchOut => {
            state.runs.search.form.out = path;
            return (state.runs.open, state.runs.tab) = (true, RunTab::Search);
        }
        RunFile::EarlierSearch => return open_search(state, path, effects),
        RunFile::Handover => {
            let run = state.runs.to_hand_over().ok().map(Path::to_path_buf);
            return effects.extend(run.map(|run| Effect::Send(Job::Handover { run, into: path })));
        }
    }
    state.runs.form.edit(experiment);
    (state.runs.open, state.runs.tab) = (true, RunTab::SetUp);
}

pub(super) fn open_search(state: &mut State, folder: PathBuf, effects: &mut Vec<Effect>) {
    (state.runs.open, state.runs.tab) = (true, RunTab::Search);
    effects.push(Effect::Send(Job::OpenSearch(folder)));
}

/// Opens several things at once: the list first, then the image, then what belongs to it.
pub(super) fn open_all(
    state: &mut State,
    found: Vec<(PathBuf, PathKind)>,
    onto: Option<Role>,
    effects: &mut Vec<Effect>,
) {
    let mut images = Vec::new();
    let mut labels = Vec::new();
    let mut lists = Vec::new();
    let mut weights = Vec::new();
    let mut replays = Vec::new();
    for (path, kind) in found {
        match kind {
            PathKind::Image => images.push(path),
            PathKind::Labels => labels.push(path),
            PathKind::Data | PathKind::Folder => lists.push(path),
            PathKind::Weights { bytes } => weights.push((bytes, path)),
            PathKind::Adapter => state.imitation.compared.adapter = AdapterChoice::Run(path),
            PathKind::Replay => replays.push(path),
            PathKind::Run => {
                state.runs.to_open.push_back(path);
                state.runs.open = true;
            }
            PathKind::Search => open_search(state, path, effects),
            PathKind::Session => effects.push(Effect::Ask(IoRequest::ReadSession(path))),
            PathKind::Missing => {
                let known = state.recent.len();
                state.recent.retain(|recent| *recent != path);
                let file = path.display();
                let text = if state.recent.len() < known {
                    t!("{file} is not there (any more); it is off the list of recent files", file)
                } else {
                    t!("{file} is not there (any more)", file)
                };
                tell(state, Level::Error, file_name(&path), text, effects);
            }
            PathKind::Unknown => {
                let text = t!("cannot be opened here; drop images, labels (txt, xml, json), a data.yaml, a folder, \
                     weights (pt, safetensors, torchscript), a recorded run (distillscope) or a session (toml)");
                tell(state, Level::Error, file_name(&path), text, effects);
            }
        }
    }
    if let Some(path) = lists.into_iter().next() {
        open_list(state, path, None, effects);
        state.dataset.open_first = images.is_empty();
    }
    match images.as_slice() {
        [] => {}
        [image] => open_image(state, image.clone(), effects),
        [first, ..] => {
            effects.push(Effect::Cancel(JobKind::List));
            state.dataset.begin(first.clone());
            state.dataset.extend(images.clone(), true);
            select(state, 0);
        }
    }
    if let Some(path) = labels.into_iter().next() {
        open_labels(state, path, effects);
    }
    if !replays.is_empty() {
        open_replays(state, replays, effects);
    }
    // Of two models that arrive together the larger one is the teacher.
    weights.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let mut onto = onto;
    for (_, path) in weights {
        match onto.take().or_else(|| Role::ALL.into_iter().find(|role| state.model(*role).is_free())) {
            Some(role) => open_model(state, role, path, effects),
            None => state.undecided.push(path),
        }
    }
}

pub(super) fn remember(state: &mut State, path: &Path) {
    state.recent.retain(|recent| recent != path);
    state.recent.insert(0, path.to_path_buf());
    state.recent.truncate(Settings::MAX_RECENT);
}

pub(super) fn list(state: &mut State, source: PathBuf, split: Option<String>, effects: &mut Vec<Effect>) {
    state.dataset.begin(source.clone());
    effects.push(Effect::Send(Job::List { source, split }));
}

pub(super) fn open_list(state: &mut State, path: PathBuf, split: Option<String>, effects: &mut Vec<Effect>) {
    remember(state, &path);
    // The sample session's input size goes with it, unless a person has chosen another.
    let leaves_sample = state.sample.as_ref().is_some_and(|sample| state.dataset.source.as_ref() == Some(&sample.data));
    if leaves_sample && state.input_side == Sample::INPUT_SIDE {
        state.input_side = State::INPUT_SIDE;
    }
    list(state, path, split, effects);
    state.dataset.open_first = true;
}

pub(super) fn open_image(state: &mut State, path: PathBuf, effects: &mut Vec<Effect>) {
    remember(state, &path);
    if let Some(index) = state.dataset.position(&path, 0) {
        return select(state, index);
    }
    // A list that is still on its way may hold the image; else its neighbours are listed.
    if !state.dataset.listing {
        list(state, path.clone(), None, effects);
    }
    show_image(state, path);
}

pub(super) fn open_replays(state: &mut State, paths: Vec<PathBuf>, effects: &mut Vec<Effect>) {
    paths.iter().for_each(|path| remember(state, path));
    effects.push(Effect::Send(Job::OpenReplays(paths)));
}

pub(super) fn open_labels(state: &mut State, path: PathBuf, effects: &mut Vec<Effect>) {
    if state.image.is_some() {
        state.labels = LabelSource::File(path);
    } else {
        tell(state, Level::Error, file_name(&path), t!("these are labels; open their image first"), effects);
    }
}

pub(super) fn open_model(state: &mut State, role: Role, path: PathBuf, effects: &mut Vec<Effect>) {
    remember(state, &path);
    load(state, role, path, effects);
}

pub(super) fn load(state: &mut State, role: Role, path: PathBuf, effects: &mut Vec<Effect>) {
    *state.model_mut(role) = ModelSlot::Loading { path: path.clone(), brief: None };
    models_changed(state);
    effects.push(Effect::Send(Job::Load { role, path }));
}

/// The sample session: its dataset and its two models.
pub(super) fn open_sample(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(sample) = state.sample.clone() else { return };
    state.input_side = Sample::INPUT_SIDE;
    list(state, sample.data, None, effects);
    state.dataset.open_first = true;
    for (role, path) in [(Role::Teacher, sample.teacher), (Role::Student, sample.student)] {
        if let Some(path) = path {
            load(state, role, path, effects);
        }
    }
}

pub(super) fn select(state: &mut State, index: usize) {
    if let Some(image) = state.dataset.image(index).cloned() {
        state.dataset.select(index);
        show_image(state, image);
    }
}

pub(super) fn show_image(state: &mut State, image: PathBuf) {
    state.runs.leave_replay();
    if state.image.as_ref() == Some(&image) {
        return;
    }
    // One COCO file labels every image; any other belongs to the image that it was opened for.
    let keeps = matches!(&state.labels, LabelSource::File(path) if path.extension().is_some_and(|e| e == "json"));
    if !keeps {
        state.labels = LabelSource::Beside;
    }
    state.image = Some(image);
}
