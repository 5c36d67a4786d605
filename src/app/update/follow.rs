//! What follows from the state: which jobs are wanted, and what is recomputed at once.
//!
//! Each thing has a key made of all that it depends on. When the key differs from the one last requested, a new
//! request goes out; an answer that does not fit the newest key is stale, and [`crate::app::update::reports`] drops it.

use std::path::Path;
use std::sync::Arc;

use crate::app::derive;
use crate::app::io::IoRequest;
use crate::app::measures::Measures;
use crate::app::run::{OpenThings, RunTab};
use crate::app::state::{AnchorOwner, CompareKey, FieldKey, MaskAnchors, MaskKey, ModelSlot, Overlay, State};
use crate::app::update::effect::Effect;
use crate::app::update::reports;
use crate::app::view::Pin;
use crate::inspect::{CompareParts, Role, SceneRequest, mask_anchors};
use crate::worker::{BatchRequest, Job};
use crate::yolo::anchors::{AnchorScale, default_anchors};

/// Brings requests and everything computed here into line with the state.
pub fn follow(state: &mut State, effects: &mut Vec<Effect>) {
    follow_anchors(state);
    super::imitation::follow_loss(state, effects);
    follow_scene(state, effects);
    follow_field(state, effects);
    follow_comparison(state, effects);
    follow_mask(state);
    follow_measures(state);
    follow_form(state, effects);
    follow_batch(state, effects);
    follow_runs(state, effects);
    super::talk::follow(state);
    super::before_after::follow(state, effects);
    follow_figure(state, effects);
}

/// While its sheet is open, a figure is shown in small.
fn follow_figure(state: &mut State, effects: &mut Vec<Effect>) {
    if state.overlay != Some(Overlay::Figure) {
        (state.figure.preview, state.figure.previewed) = (None, None);
        return;
    }
    if state.figure.sheet.settings.folder.as_os_str().is_empty() && !state.figure.asked_folder {
        state.figure.asked_folder = true;
        effects.push(Effect::Ask(IoRequest::FindFigureFolder));
    }
    if let Some((what, look, serial)) = derive::figure::wanted_preview(state) {
        effects.push(Effect::Send(Job::FigurePreview { what: Arc::new(what), look, serial }));
    }
}

/// The next of several earlier runs: a newer request of the kind would overtake an older one.
fn follow_runs(state: &mut State, effects: &mut Vec<Effect>) {
    if state.runs.reading.is_none()
        && let Some(folder) = state.runs.to_open.pop_front()
    {
        state.runs.reading = Some(folder.clone());
        effects.push(Effect::Send(Job::OpenRun(folder)));
    }
}

fn follow_anchors(state: &mut State) {
    if let Some(replay) = state.runs.replay() {
        let known = |anchors: &MaskAnchors| anchors.owner == AnchorOwner::Replay && anchors.scales == replay.scales;
        if !state.anchors.as_ref().is_some_and(known) {
            let (scales, owner) = (replay.scales.clone(), AnchorOwner::Replay);
            state.anchors = Some(MaskAnchors { scales, owner, note: None });
        }
        return;
    }
    let anchors_of = |role| state.model(role).anchors();
    let known = mask_anchors(anchors_of(Role::Teacher), anchors_of(Role::Student));
    let next = match known {
        Some((scales, note)) => {
            let owner = if anchors_of(Role::Student).is_some() { Role::Student } else { Role::Teacher };
            MaskAnchors { scales: scales.to_vec(), owner: AnchorOwner::Model(owner), note }
        }
        // A file that is being opened says in milliseconds which anchors it has.
        None if Role::ALL.iter().any(|role| matches!(state.model(*role), ModelSlot::Loading { .. })) => return,
        None => MaskAnchors { scales: default_anchors(), owner: AnchorOwner::Default, note: None },
    };
    if state.anchors.as_ref() != Some(&next) {
        state.anchors = Some(next);
    }
}

fn follow_scene(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(scene) = state.runs.replay().map(|replay| Arc::clone(&replay.scene)) {
        if state.scene.as_ref().is_none_or(|shown| !Arc::ptr_eq(shown, &scene)) {
            reports::place(state, scene);
        }
        // What is under way comes to nothing, and is asked for again afterwards.
        (state.requested.scene, state.replayed) = (None, true);
        return;
    }
    if std::mem::take(&mut state.replayed) {
        (state.scene, state.field, state.requested.field) = (None, None, None);
    }
    let Some(image) = state.image.clone() else { return };
    let request =
        SceneRequest { image, labels: state.labels.clone(), names: state.names().to_vec(), input: state.input_size() };
    if state.requested.scene.as_ref() != Some(&request) {
        state.scene_error = None;
        state.requested.scene = Some(request.clone());
        effects.push(Effect::Send(Job::Scene(request)));
    }
}

fn follow_field(state: &mut State, effects: &mut Vec<Effect>) {
    let (Some(scene), Some(anchors)) = (&state.scene, &state.anchors) else { return };
    let key = FieldKey {
        scene: Arc::clone(scene),
        anchors: anchors.scales.clone(),
        convention: state.imitation.mask.convention,
    };
    if state.requested.field.as_ref() == Some(&key) {
        return;
    }
    let FieldKey { scene, anchors, convention } = key.clone();
    // Maps of other boxes or anchors would be read as this scene's.
    if state
        .requested
        .field
        .as_ref()
        .is_none_or(|old| !Arc::ptr_eq(&old.scene, &key.scene) || old.anchors != key.anchors)
    {
        state.field = None;
    }
    state.requested.field = Some(key);
    effects.push(Effect::Send(Job::Field { scene, anchors, convention }));
}

fn follow_comparison(state: &mut State, effects: &mut Vec<Effect>) {
    // The models that are open are not those of a recorded run.
    if state.replayed {
        (state.requested.compare, state.comparison, state.comparison_error) = (None, None, None);
        return;
    }
    let Some(scene) = &state.scene else { return };
    if Role::ALL.iter().all(|role| state.card(*role).is_none()) {
        state.requested.compare = None;
        return;
    }
    let key = CompareKey {
        scene: Arc::clone(scene),
        request: state.imitation.compared.clone(),
        models: state.models_version,
    };
    let asked = state.requested.compare.as_ref() == Some(&key);
    // The talk and its figures show the pull; once there, it stays.
    let pull = state.talk.on || state.overlay == Some(Overlay::Figure) || asked && state.requested.parts.pull;
    let parts = CompareParts { pull, heads: false };
    if asked && state.requested.parts == parts {
        return;
    }
    // Features of another image never lie over this one.
    if state.requested.compare.as_ref().is_none_or(|old| !Arc::ptr_eq(&old.scene, &key.scene)) {
        state.comparison = None;
    }
    state.comparison_error = None;
    let CompareKey { scene, request, .. } = key.clone();
    (state.requested.compare, state.requested.parts) = (Some(key), parts);
    effects.push(Effect::Send(Job::Compare { scene, request, parts }));
}

fn follow_measures(state: &mut State) {
    let Some(comparison) = &state.comparison else {
        state.measures = None;
        return;
    };
    let (kind, channels) = (state.view.difference, state.view.channels);
    if !state.measures.as_ref().is_some_and(|measures| measures.is_of(comparison, kind, channels)) {
        state.measures = Some(Measures::new(comparison, kind, channels));
        weigh(state);
    }
}

/// What is measured follows the mask, and what counts in it.
fn weigh(state: &mut State) {
    let (Some(measures), Some(scene)) = (&mut state.measures, &state.scene) else { return };
    let anchors = state.anchors.as_ref().map_or(&[] as &[AnchorScale], |anchors| &anchors.scales);
    measures.weigh(anchors, state.mask.as_deref(), state.imitation.mask.source, &scene.boxes());
}

/// The set-up of the next run takes over what is open.
fn follow_form(state: &mut State, effects: &mut Vec<Effect>) {
    let path_of = |role| state.model(role).path().map(Path::to_path_buf);
    let open = OpenThings {
        data: state.dataset.source.clone().unwrap_or_default(),
        teacher: path_of(Role::Teacher),
        student: path_of(Role::Student).unwrap_or_default(),
        image: state.image.clone(),
        imgsz: state.input_side,
        device: state.device_choice.clone(),
        imitation: state.imitation.clone(),
    };
    state.runs.form.follow(&open);
    state.runs.form.refusal = derive::imitation::refusal_of_run(state);
    let experiment = &state.runs.form.experiment;
    let is_set_up = state.runs.open || !experiment.config.data.as_os_str().is_empty();
    if is_set_up && !state.runs.asked_out && experiment.out.as_os_str().is_empty() {
        state.runs.asked_out = true;
        effects.push(Effect::Ask(IoRequest::FindFreeFolder));
    }
    let search = &mut state.runs.search;
    if state.runs.open
        && state.runs.tab == RunTab::Search
        && !search.asked_out
        && search.form.out.as_os_str().is_empty()
    {
        search.asked_out = true;
        effects.push(Effect::Ask(IoRequest::FindSearchFolder));
    }
}

/// The batch view shows the run as it is set up by now.
fn follow_batch(state: &mut State, effects: &mut Vec<Effect>) {
    let runs = &mut state.runs;
    if !runs.shows_batch() || runs.form.batch_problem().is_some() {
        return;
    }
    let request = BatchRequest::of(&runs.form.experiment.config, runs.batch.step, runs.batch.reading);
    if runs.batch.ask(&request) {
        effects.push(Effect::Send(Job::Batch(request)));
    }
}

/// The mask for the settings as they are: at most a millisecond, so it is done in the frame in which ψ moves.
fn follow_mask(state: &mut State) {
    let key = state.field.clone().map(|field| MaskKey { field, choice: state.imitation.mask });
    if state.mask_key == key {
        return;
    }
    state.mask = key.as_ref().map(|key| Arc::new(key.field.mask(key.choice.psi, key.choice.rule)));
    state.mask_key = key;
    state.mask_version += 1;
    // Other anchors or another input may have no such cell.
    if state.mask.is_some() && state.pin.is_some_and(|pin| !has_cell(state, pin)) {
        state.pin = None;
    }
    weigh(state);
}

/// Whether the masks have this cell.
pub(super) fn has_cell(state: &State, pin: Pin) -> bool {
    let mask =
        state.strides().position(|stride| stride == pin.stride).and_then(|at| state.mask.as_ref()?.scales.get(at));
    mask.is_some_and(|mask| pin.row < mask.rows && pin.col < mask.cols)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::worker::ModelBrief;

    fn loading(anchors: Vec<AnchorScale>) -> ModelSlot {
        let brief = ModelBrief { path: "m.pt".into(), names: vec!["a".into()], anchors };
        ModelSlot::Loading { path: "m.pt".into(), brief: Some(brief) }
    }

    #[test]
    fn the_input_is_whole_cells_of_the_largest_stride_of_either_model() {
        let mut state = State { input_side: 416, ..State::default() };
        assert_eq!(state.input_size(), Size::square(416));
        *state.model_mut(Role::Teacher) = loading(vec![AnchorScale { stride: 64, anchors: vec![] }]);
        assert_eq!(state.input_size(), Size::square(448));
        // What a file claims is bounded.
        *state.model_mut(Role::Student) = loading(vec![AnchorScale { stride: u32::MAX, anchors: vec![] }]);
        assert_eq!(state.input_size(), Size::square(1024));
    }

    #[test]
    fn anchors_are_the_students_then_the_teachers_then_the_defaults() {
        let mut state = State::default();
        let scale = |w| vec![AnchorScale { stride: 8, anchors: vec![[w, w]] }];
        let owner = |state: &mut State| {
            follow(state, &mut Vec::new());
            state.anchors.as_ref().map(|anchors| (anchors.owner, anchors.note.is_some()))
        };
        assert_eq!(owner(&mut state), Some((AnchorOwner::Default, false)));
        *state.model_mut(Role::Teacher) = loading(scale(10.0));
        assert_eq!(owner(&mut state), Some((AnchorOwner::Model(Role::Teacher), false)));
        *state.model_mut(Role::Student) = loading(scale(20.0));
        assert_eq!(owner(&mut state), Some((AnchorOwner::Model(Role::Student), true)));
    }

    #[test]
    fn the_same_wish_is_sent_once() {
        let mut state = State { image: Some("a.jpg".into()), ..State::default() };
        let mut effects = Vec::new();
        follow(&mut state, &mut effects);
        follow(&mut state, &mut effects);
        assert_eq!(effects.len(), 1, "{effects:?}");
        state.input_side = 320;
        follow(&mut state, &mut effects);
        assert_eq!(effects.len(), 2);
    }
}
