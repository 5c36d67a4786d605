//! The window on recorded runs: no model, no dataset, no device; what is asked of the worker is looked at.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use distillscope::app::command::Command;
use distillscope::app::run::RunTab;
use distillscope::app::settings::Settings;
use distillscope::app::state::{AnchorOwner, State};
use distillscope::app::update::apply;
use distillscope::app::update::effect::Effect;
use distillscope::app::update::reports::receive;
use distillscope::app::view::Layer;
use distillscope::imitation::mask::IouField;
use distillscope::shell::Options;
use distillscope::train::event::Variant;
use distillscope::train::replay::Replay;
use distillscope::worker::{EarlierRun, Job, JobKind, Report, Worker};
use egui_kittest::kittest::Queryable;

use crate::common::open;

fn replay(variant: Variant) -> Arc<Replay> {
    let folder = tempfile::tempdir().unwrap();
    Arc::new(Replay::read(&super::record(folder.path(), variant)).unwrap())
}

/// The jobs among effects.
fn jobs(effects: Vec<Effect>) -> Vec<Job> {
    let job = |effect| match effect {
        Effect::Send(job) => Some(job),
        _ => None,
    };
    effects.into_iter().filter_map(job).collect()
}

#[test]
fn a_replay_brings_its_picture_anchors_and_mask_and_asks_for_no_model() {
    let mut state = State::default();
    let replay = replay(Variant::Imitation);
    let asked = jobs(receive(&mut state, Report::Replay(Arc::clone(&replay))));
    // The IoU maps alone, of its own boxes and anchors.
    let [Job::Field { scene, anchors, convention }] = &asked[..] else { panic!("{asked:?}") };
    assert!(Arc::ptr_eq(scene, &replay.scene));
    assert_eq!(state.anchors.as_ref().map(|anchors| anchors.owner), Some(AnchorOwner::Replay));
    assert_eq!(
        (state.imitation.mask.psi.get(), state.view.layer, state.runs.tab),
        (0.25, Layer::Difference, RunTab::Curves)
    );
    let field = Arc::new(IouField::compute(anchors, scene.input_size(), &scene.boxes(), *convention));
    let report = Report::Field { scene: Arc::clone(scene), anchors: anchors.clone(), convention: *convention, field };
    receive(&mut state, report);
    assert_eq!(state.mask.as_ref().map(|mask| mask.scales.len()), Some(2), "the mask follows from it");

    let shown = |state: &State| state.runs.snapshot().map(|(snapshot, high)| (snapshot.step, high));
    // It begins at its beginning; the range covers all moments: 4000 + 160 + 3 + 3/16.
    assert_eq!(shown(&state), Some((0, 4163.1875)));
    apply(&mut state, Command::SeekSnapshot(1));
    assert_eq!(shown(&state).map(|(step, _)| step), Some(2));
    apply(&mut state, Command::SetLayer(Layer::Mask));
    assert_eq!(Command::SetLayer(Layer::Difference).disabled(&state), None, "although no model is open");

    apply(&mut state, Command::ToggleSnapshots);
    assert!(state.scene.is_none() && state.mask.is_none(), "the picture goes with the maps");
    assert_eq!(state.runs.histories.len(), 1, "the curves stay");
    apply(&mut state, Command::ToggleSnapshots);
    assert!(state.scene.is_some_and(|scene| Arc::ptr_eq(&scene, &replay.scene)));
}

#[test]
fn an_image_that_is_opened_takes_the_place_of_the_replay() {
    let mut state = State::default();
    receive(&mut state, Report::Replay(replay(Variant::Imitation)));
    let asked = jobs(apply(&mut state, Command::OpenImage("a.jpg".into())));
    assert!(asked.iter().any(|job| matches!(job, Job::Scene(request) if request.image.as_os_str() == "a.jpg")));
    assert!(state.scene.is_none() && state.runs.replay().is_none());
}

#[test]
fn the_two_runs_of_a_pair_are_laid_over_each_other() {
    let mut state = State::default();
    for variant in [Variant::Baseline, Variant::Imitation, Variant::Imitation] {
        receive(&mut state, Report::Replay(replay(variant)));
    }
    assert_eq!(state.runs.histories.len(), 2, "a run that is opened again takes its own place");
    assert_eq!(state.runs.pairs().count(), 1);
    assert_eq!(state.runs.paired().map(|paired| paired.rows.len()), Some(2));
    assert_eq!(
        state.runs.replay().map(|replay| replay.id.variant),
        Some(Variant::Imitation),
        "the one with maps is shown"
    );
    assert_eq!(Command::SetRunTab(RunTab::Paired).disabled(&state), None);
}

#[test]
fn an_earlier_run_has_the_maps_that_were_recorded_in_its_folder() {
    let mut state = State::default();
    let replay = replay(Variant::Imitation);
    // Opened as a record first, it becomes a part of its run.
    receive(&mut state, Report::Replay(Arc::clone(&replay)));
    let run =
        EarlierRun { folder: "runs/imitation".into(), replay: Some(Arc::clone(&replay)), ..EarlierRun::default() };
    receive(&mut state, Report::EarlierRun(Box::new(run)));
    let [history] = &state.runs.histories[..] else { panic!("{:?}", state.runs.histories) };
    assert_eq!((history.snapshots.len(), history.place()), (replay.snapshots.len(), Some(Path::new("runs/imitation"))));
    assert!(state.runs.replay().is_none(), "what is open stays in the middle of the window");
    apply(&mut state, Command::ToggleSnapshots);
    assert!(state.scene.as_ref().is_some_and(|scene| Arc::ptr_eq(scene, &replay.scene)));
}

#[test]
fn files_are_read_on_a_thread_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let good = super::record(folder.path(), Variant::Imitation);
    let bad = folder.path().join("bad.distillscope");
    std::fs::write(&bad, "nothing").unwrap();
    let (wake, woken) = channel();
    let worker = Worker::start(move || wake.send(()).unwrap_or_default()).unwrap();
    worker.send(Job::OpenReplays(vec![bad, good]));
    let mut said = Vec::new();
    while said.len() < 2 {
        woken.recv_timeout(Duration::from_secs(20)).unwrap();
        while let Some(report) = worker.try_recv() {
            match report {
                Report::Failed { kind: JobKind::OpenReplays, failure, .. } => said.push(failure.message),
                Report::Replay(replay) => said.push(replay.name.clone()),
                _ => {}
            }
        }
    }
    assert!(said[0].contains("bad.distillscope: not a replay"), "{said:?}");
    assert!(said[1].ends_with("imitation"), "{said:?}");
}

#[test]
fn the_scrubber_moves_maps_and_curves() {
    let options = Options { replays: vec!["a.distillscope".into()], ..Options::default() };
    let (mut harness, fake) = open([1600.0, 1000.0], Settings::default(), options);
    assert!(matches!(&fake.0.borrow().jobs[..], [Job::OpenReplays(paths)] if paths.len() == 1), "no model, no device");
    fake.0.borrow_mut().reports.push_back(Report::Replay(replay(Variant::Imitation)));
    harness.run_steps(4);
    harness.get_by_label("step 0");
    harness.get_by_label("P3 pane");
    harness.get_by_label("distance curves");
    harness.get_by_label("Time of the run").set_value_accesskit(1.0);
    harness.run_steps(3);
    harness.get_by_label("step 2");
    let app = harness.state().as_ref().unwrap();
    assert_eq!(app.state.runs.snapshot().map(|(snapshot, _)| snapshot.step), Some(2));
    let asked = fake
        .0
        .borrow()
        .jobs
        .iter()
        .filter(|job| matches!(job, Job::Load { .. } | Job::Compare { .. } | Job::Device(_)))
        .count();
    assert_eq!(asked, 0);
}
