//! How commands stand just now: why one cannot be had, and whether it is in force.

use super::Command;
use crate::app::derive;
use crate::app::dialog::RunFile;
use crate::app::figure::FigureWhat;
use crate::app::run::Problem;
use crate::app::session::Session;
use crate::app::state::{ModelSlot, State};
use crate::app::tour::Stop;
use crate::app::view::{Layer, RangeMode};
use crate::inspect::Role;
use crate::language::{t, tr};
use crate::worker::JobKind;

impl Command {
    /// Why it cannot be had just now; `None` when it can.
    pub fn disabled(&self, state: &State) -> Option<&'static str> {
        let no_scene = || state.scene.is_none().then_some(t!("Open an image first."));
        let no_boxes = || {
            no_scene().or_else(|| {
                state
                    .scene
                    .as_ref()
                    .is_some_and(|scene| scene.labels.is_empty())
                    .then_some(t!("This image has no labels."))
            })
        };
        let absent = |role: Role| match state.model(role) {
            ModelSlot::Ready { .. } | ModelSlot::Loading { .. } => None,
            _ if role == Role::Teacher => Some(t!("Open a teacher first.")),
            _ => Some(t!("Open a student first.")),
        };
        let unready = |role: Role| {
            absent(role).or_else(|| state.card(role).is_none().then_some(t!("The model is still loading.")))
        };
        let search = &state.runs.search;
        // One training at a time: they would only slow each other down, and a search measures how fast it is.
        let running = || {
            let run = state.runs.live.is_some().then_some(t!("A run is under way; stop it, or wait for its end."));
            let other = t!("A search is under way; stop it, or wait for its end.");
            run.or_else(|| search.live.is_some().then_some(other))
        };
        match self {
            Self::BrowseLabels => no_scene(),
            Self::SaveSession => Session::of(state).is_empty().then_some(t!("Nothing is open yet.")),
            Self::OpenSample => {
                state.sample.is_none().then_some(t!("The sample data does not lie beside the program."))
            }
            Self::ForgetRecent => state.recent.is_empty().then_some(t!("There are no recent files.")),
            Self::StepImage(_) => (state.dataset.shown.len() < 2).then_some(t!("The list has no other image.")),
            Self::CloseModel(role) => {
                matches!(state.model(*role), ModelSlot::Empty).then_some(t!("No model is open here."))
            }
            Self::ShowLoadReport(role) => unready(*role),
            Self::CompareAgain => no_scene().or_else(|| {
                Role::ALL
                    .iter()
                    .all(|role| unready(*role).is_some())
                    .then_some(t!("Open a teacher or a student first."))
            }),
            Self::Solo(Some(_)) | Self::StepSolo(_) => no_boxes(),
            Self::Solo(None) => state.solo.is_none().then_some(t!("No ground truth is soloed.")),
            Self::TogglePin | Self::Pin(Some(_)) => no_scene(),
            Self::Pin(None) | Self::StepPin(..) => state.pin.is_none().then_some(t!("No cell is pinned.")),
            Self::ToggleBoxes(role) => absent(*role),
            Self::SetLayer(Layer::Teacher) => absent(Role::Teacher),
            Self::SetLayer(Layer::Student) => absent(Role::Student),
            Self::SetLayer(Layer::Difference) if state.runs.snapshot().is_some() => None,
            Self::SetLayer(Layer::Difference) => absent(Role::Teacher).or_else(|| absent(Role::Student)),
            Self::ToggleRange => matches!(state.view.layer, Layer::Image | Layer::Anchors)
                .then_some(t!("This layer has no colour range.")),
            Self::Preflight => {
                let form = &state.runs.form;
                form.set_up_problems().first().map(Problem::brief).or_else(|| {
                    form.experiment
                        .config
                        .teacher
                        .is_none()
                        .then_some(t!("Choose a teacher: there is nothing to prove without one."))
                })
            }
            Self::StartRun => running().or_else(|| state.runs.form.problems().first().map(Problem::brief)),
            Self::ResumeRun => running()
                .or_else(|| state.runs.unfinished.is_none().then_some(t!("No run of this session was stopped."))),
            Self::RunMoreSeeds(_) => running().or_else(|| state.runs.extendable().err()),
            Self::StepBatch(step) if *step < 0 && state.runs.batch.step == 0 => {
                Some(t!("This is the first batch of the run."))
            }
            Self::StepBatch(_) | Self::SeekBatch(_) | Self::RemakeBatch | Self::SetBatchScale(_) => {
                (!state.runs.shows_batch()).then_some(t!("The batch view is not open."))
            }
            Self::ShowBatchImage(place) => {
                let there = state.runs.batch.shown.as_ref().is_some_and(|batch| *place < batch.images.len());
                (!there).then_some(t!("The batch has no such image."))
            }
            Self::StartSearch => running().or_else(|| {
                let form = &state.runs.form;
                let no_teacher = t!("Choose a teacher: a search asks which imitation of it helps.");
                form.set_up_problems()
                    .first()
                    .map(Problem::brief)
                    .or_else(|| form.experiment.config.teacher.is_none().then_some(no_teacher))
                    .or_else(|| search.form.out.as_os_str().is_empty().then_some(t!("Choose a folder for the search.")))
            }),
            Self::ResumeSearch => running().or_else(|| search.resumed().err()),
            Self::StopSearch if search.live.is_none() => Some(t!("No search is under way.")),
            Self::StopSearch => search.is_stopping().then_some(t!("The search is being stopped.")),
            Self::TakeSetting(name) => {
                search.setting(name).is_none().then_some(t!("The search has no such candidate."))
            }
            Self::ConfirmSetting(name, _) => running().or_else(|| {
                let no_out = || state.runs.form.experiment.out.as_os_str().is_empty();
                Self::TakeSetting(name.clone())
                    .disabled(state)
                    .or_else(|| no_out().then_some(t!("Choose a folder for the results.")))
            }),
            Self::SetTap(tap) => {
                (!state.imitation.offers(*tap)).then_some(t!("The chosen imitation loss does not read there."))
            }
            Self::SetAdapter(_) | Self::BrowseAdapter => (!state.imitation.reads_features())
                .then_some(t!("The chosen imitation loss reads heads, which need no adapter.")),
            Self::FollowPicture => {
                (!state.runs.form.can_follow()).then_some(t!("The run imitates what the picture shows."))
            }
            Self::ShowRunChoice => {
                state.runs.form.departures().is_empty().then_some(t!("The run imitates what the picture shows."))
            }
            Self::PauseRun | Self::StopRun => match &state.runs.live {
                None => Some(t!("No run is under way.")),
                Some(_) if state.runs.is_stopping() => Some(t!("The run is being stopped.")),
                Some(_) => None,
            },
            Self::BrowseForRun(RunFile::Handover) if state.activity(JobKind::Handover).is_some() => {
                Some(t!("A run is being handed over."))
            }
            Self::BrowseForRun(RunFile::Handover) => state.runs.to_hand_over().err(),
            Self::StartReview if state.activity(JobKind::Review).is_some() => Some(t!("A review is under way.")),
            Self::StartReview => derive::review::wanted(state).err().map(tr),
            Self::StopReview => state.activity(JobKind::Review).is_none().then_some(t!("No review is under way.")),
            Self::ExportDoubts => match &state.review.result {
                None => Some(t!("There is no review yet.")),
                Some(reviewed) => reviewed.findings.is_empty().then_some(t!("No label is disputed.")),
            },
            Self::StepReview(steps) => {
                state.review.stepped(*steps).is_none().then_some(t!("The review has no further object."))
            }
            Self::StartSurvey => derive::survey::wanted(state).err().map(tr),
            Self::ExportSurvey => derive::figure::availability(state, FigureWhat::Survey).err().map(tr),
            Self::ExportCurves(plot) => derive::figure::availability(state, FigureWhat::Curves(*plot)).err().map(tr),
            Self::OpenFigure(None) => {
                derive::figure::first_possible(state).is_none().then_some(t!("Open an image first."))
            }
            Self::OpenFigure(Some(what)) => derive::figure::availability(state, *what).err().map(tr),
            Self::WriteFigure if state.activity(JobKind::Figure).is_some() => Some(t!("A figure is being written.")),
            Self::WriteFigure => derive::figure::problem(state),
            Self::ToggleSnapshots => (!state.runs.has_snapshots() && state.runs.playback.is_none())
                .then_some(t!("No run has kept difference maps yet.")),
            Self::PlaySnapshots | Self::SeekSnapshot(_) | Self::ShowSnapshotsOf(_) => {
                state.runs.snapshots().is_none().then_some(t!("The difference through time is not shown."))
            }
            Self::StepTour(steps) if *steps < 0 => {
                (state.tour == Some(Stop::ALL[0])).then_some(t!("This is the first stop."))
            }
            Self::ClearMessages => state.messages.is_empty().then_some(t!("There are no messages.")),
            _ => None,
        }
    }

    /// Whether it is a choice that is in force: a check mark in menus.
    pub fn is_on(&self, state: &State) -> bool {
        match self {
            Self::SetLoss(loss) => state.imitation.compared.loss == *loss,
            Self::SetMaskSource(source) => state.imitation.mask.source == *source,
            Self::SetRule(rule) => state.imitation.mask.rule == *rule,
            Self::SetConvention(convention) => state.imitation.mask.convention == *convention,
            Self::SetTap(tap) => state.imitation.compared.tap == *tap,
            Self::SetAdapter(adapter) => state.imitation.compared.adapter == *adapter,
            Self::SetDifference(kind) => state.view.difference == *kind,
            Self::SetInputSize(side) => state.input_side == *side,
            Self::SetDevice(device) => state.device_choice == *device,
            Self::SetLayer(layer) => state.view.layer == *layer,
            Self::SetScales(scales) => state.view.scales == *scales,
            Self::SetColorMap(map) => state.view.color_map == *map,
            Self::ToggleLabels => state.view.labels,
            Self::ToggleBoxes(Role::Teacher) => state.view.teacher_boxes,
            Self::ToggleBoxes(Role::Student) => state.view.student_boxes,
            Self::TogglePositives => state.view.positives,
            Self::SetSurveyMeasure(measure) => state.survey.measure == *measure,
            Self::ToggleRange => matches!(state.view.range, RangeMode::Locked { .. }),
            Self::SetTheme(theme) => state.theme == *theme,
            Self::SetLanguage(language) => state.language == *language,
            Self::SetSplit(split) => state.dataset.split() == Some(split),
            Self::ToggleRunPanel => state.runs.open,
            Self::SetRunTab(tab) => state.runs.tab == *tab,
            Self::SetBatchScale(scale) => state.runs.batch.scale == *scale,
            Self::PauseRun => state.runs.is_paused(),
            Self::ToggleSnapshots => state.runs.playback.is_some(),
            Self::ShowSnapshotsOf(key) => state.runs.playback.is_some_and(|playback| playback.history == *key),
            Self::PlaySnapshots => state.runs.playback.is_some_and(|playback| playback.playing),
            Self::ToggleFrameTimes => state.frame_times_open,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_image_what_needs_one_says_so() {
        let state = State::default();
        assert_eq!(Command::StepSolo(1).disabled(&state), Some("Open an image first."));
        assert_eq!(Command::SetLayer(Layer::Difference).disabled(&state), Some("Open a teacher first."));
        assert_eq!(Command::BrowseImage.disabled(&state), None);
    }
}
