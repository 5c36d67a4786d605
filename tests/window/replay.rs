//! Recorded runs: what is written is read, a window opens them alone, and a stranger's file ends in one clear error.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has to fail")]

mod hostile;
mod window;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use distillscope::geometry::Size;
use distillscope::grid::Grid;
use distillscope::imitation::mask::LevelRule;
use distillscope::inspect::{LabelSource, Scene, SceneRequest};
use distillscope::train::config::{RunConfig, SnapshotConfig};
use distillscope::train::evaluate::Evaluation;
use distillscope::train::event::{
    EpochRecord, Outcome, RunEvent, RunId, RunSummary, Snapshot, SnapshotScale, StartRecord, StepRecord, Variant,
};
use distillscope::train::record::Recorder;
use distillscope::train::replay::{FILE_NAME, Recording, Replay, ReplayReport, Subject};
use distillscope::yolo::anchors::AnchorScale;
use image::{Rgb, RgbImage};

const SCALES: [(u32, usize); 2] = [(8, 8), (16, 4)];

/// An image of 100 × 80 px with one box of 20 × 16 px in its middle.
fn scene(folder: &Path) -> Scene {
    let image = folder.join("bird.png");
    RgbImage::from_fn(100, 80, |x, y| Rgb([2 * x as u8, 3 * y as u8, 7])).save(&image).unwrap();
    fs::write(folder.join("bird.txt"), "1 0.5 0.5 0.2 0.2\n").unwrap();
    let names = ["cat", "bird"].map(str::to_owned).to_vec();
    Scene::load(&SceneRequest { image, labels: LabelSource::Beside, names, input: Size::square(64) }).unwrap()
}

fn config(folder: &Path) -> RunConfig {
    let mut config = RunConfig {
        data: folder.join("data.yaml"),
        teacher: Some(folder.join("l.pt")),
        student: "yolov5n".into(),
        snapshot: Some(SnapshotConfig { image: folder.join("bird.png"), every: 2 }),
        ..RunConfig::default()
    };
    config.imitation.psi = 0.25;
    config.imitation.level_rule = LevelRule::PerScale;
    config
}

fn summary(folder: &Path, variant: Variant, first_step: u64) -> RunSummary {
    let compared: &[&str] = if variant == Variant::Imitation { &["P3", "P4"] } else { &[] };
    RunSummary {
        folder: folder.to_owned(),
        steps: 4,
        steps_per_epoch: 2,
        first_step,
        scales: compared.iter().map(|&name| name.to_owned()).collect(),
        images: 12,
        labels: 30,
        val_images: 5,
        device: "CPU".to_owned(),
    }
}

fn step(variant: Variant, step: u64) -> StepRecord {
    let third = (step + 1) as f64 / 3.0;
    let of_scales = |values: [f64; 2]| if variant == Variant::Imitation { values.to_vec() } else { Vec::new() };
    StepRecord {
        step,
        epoch: (step / 2) as u32,
        // A run that diverges says so.
        total: if step == 3 { f64::NAN } else { third },
        imitation: of_scales([third, 0.5]),
        distance: of_scales([2.0 * third, 1.0]).into_iter().map(Some).collect(),
        mask_cells: if variant == Variant::Imitation { vec![9, 4] } else { Vec::new() },
        mask_share: if variant == Variant::Imitation { vec![0.75, 0.25] } else { Vec::new() },
        images: 4,
        seconds: 0.5,
        ..StepRecord::default()
    }
}

/// Map values that no two cells, scales or steps share.
fn value(step: u64, stride: u32, row: usize, col: usize) -> f32 {
    step as f32 * 1000.0 + stride as f32 * 10.0 + row as f32 + col as f32 / 16.0
}

fn snapshot(step: u64) -> Arc<Snapshot> {
    let scales = SCALES.map(|(stride, side)| {
        let mut difference = Grid::from_fn(side, side, |row, col| value(step, stride, row, col));
        if step == 4 {
            difference.values_mut()[3] = f32::NAN;
        }
        SnapshotScale { stride, difference }
    });
    let truths = vec![if step == 4 { f64::INFINITY } else { 0.125 * step as f64 }];
    Arc::new(Snapshot { step, image: "elsewhere/bird.png".into(), scales: scales.to_vec(), truths, seconds: 0.25 })
}

/// With more than a replay keeps.
fn start(variant: Variant) -> StartRecord {
    let of = |map50_95: f64| Evaluation { map50: 2.0 * map50_95, map50_95, images: 5, ..Evaluation::default() };
    StartRecord { student: of(0.0625), teacher: (variant == Variant::Imitation).then(|| of(0.375)) }
}

fn recording(folder: &Path, summary: &RunSummary, variant: Variant) -> Recording {
    let scales = SCALES.map(|(stride, _)| AnchorScale { stride, anchors: vec![[10.0, 13.0], [16.0, 30.0]] });
    let compared: &[u32] = if variant == Variant::Imitation { &[8, 16] } else { &[] };
    Recording::new(&Subject {
        id: RunId { seed: 3, variant },
        summary,
        config: &config(folder),
        scene: &scene(folder),
        scales: &scales,
        compared,
    })
    .unwrap()
}

/// A run of four steps in two epochs, as its recorder hears it, with maps at steps 0, 2 and 4.
fn record(parent: &Path, variant: Variant) -> PathBuf {
    let folder = parent.join(variant.name());
    fs::create_dir_all(&folder).unwrap();
    let summary = summary(&folder, variant, 0);
    let mut recorder = Recorder::create(&folder, &summary, "").unwrap();
    recorder.keep_replay(&folder, recording(&folder, &summary, variant));
    let mut take = |event| recorder.take(&event).unwrap();
    let snapshot = |take: &mut dyn FnMut(RunEvent), at| {
        if variant == Variant::Imitation {
            take(RunEvent::Snapshot(snapshot(at)));
        }
    };
    take(RunEvent::Started(Arc::new(summary)));
    take(RunEvent::Start(Arc::new(start(variant))));
    snapshot(&mut take, 0);
    for epoch in 0..2_u32 {
        for index in [0, 1] {
            take(RunEvent::Step(step(variant, u64::from(2 * epoch + index))));
        }
        snapshot(&mut take, u64::from(2 * epoch + 2));
        let evaluation = Evaluation { map50: 0.25 * f64::from(epoch + 1), map50_95: 0.125, ..Default::default() };
        take(RunEvent::Epoch(Box::new(EpochRecord {
            epoch,
            step: u64::from(2 * epoch + 2),
            mean: step(variant, u64::from(2 * epoch)),
            evaluation: Some(evaluation),
            ..Default::default()
        })));
    }
    take(RunEvent::Ended(Outcome::Finished));
    folder.join(FILE_NAME)
}

#[test]
fn what_a_run_said_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(&folder.path().join("pair"), Variant::Imitation);
    let replay = Replay::read(&path).unwrap();
    assert_eq!((replay.name.as_str(), replay.id.seed, replay.id.variant), ("pair · imitation", 3, Variant::Imitation));
    assert_eq!(replay.outcome, Outcome::Finished);
    assert_eq!((replay.summary.steps, replay.summary.images, replay.summary.device.as_str()), (4, 12, "CPU"));
    assert_eq!(replay.summary.scales, ["P3", "P4"]);

    assert_eq!(replay.steps.len(), 4);
    assert_eq!(replay.steps[1], step(Variant::Imitation, 1), "every digit");
    assert!(replay.steps[3].total.is_nan(), "what diverged stays visible");
    let maps: Vec<f64> = replay.epochs.iter().map(|epoch| epoch.evaluation.as_ref().unwrap().map50).collect();
    assert_eq!(maps, [0.25, 0.5]);
    let start = replay.start.as_ref().unwrap();
    let of = |evaluation: &Evaluation| (evaluation.map50, evaluation.map50_95);
    assert_eq!((of(&start.student), start.teacher.as_ref().map(of)), ((0.125, 0.0625), Some((0.75, 0.375))));

    let snapshots: Vec<u64> = replay.snapshots.iter().map(|snapshot| snapshot.step).collect();
    assert_eq!(snapshots, [0, 2, 4]);
    let coarse = &replay.snapshots[1].scales[1];
    assert_eq!((coarse.stride, coarse.difference.get(2, 3)), (16, Some(2162.1875)));
    assert_eq!(replay.snapshots[1].truths, [0.25]);
    assert!(replay.snapshots[2].scales[0].difference.values()[3].is_nan());
    assert_eq!(replay.snapshots[2].truths, [f64::INFINITY]);
    assert_eq!(replay.recording_seconds(), 0.75);
}

#[test]
fn the_image_lies_where_the_networks_saw_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), Variant::Imitation);
    let original = scene(folder.path());
    let Replay { scene, snapshots, .. } = Replay::read(&path).unwrap();
    assert_eq!(scene.input, original.input, "pixel by pixel");
    assert_eq!((scene.size, scene.letterbox), (original.size, original.letterbox));
    // 100 × 80 px shrink to 64 × 51, which leaves 13 rows: 6 above and 7 below.
    assert_eq!(scene.display.dimensions(), (64, 51));
    assert_eq!(scene.display.get_pixel(10, 20), original.input.get_pixel(10, 26));
    // The box of 20 × 16 px around (50, 40): times 0.64, and 6.5 px down.
    let [x1, y1, x2, y2] = scene.labels[0].bbox.as_xyxy();
    for (found, expected) in [(x1, 25.6), (y1, 26.98), (x2, 38.4), (y2, 37.22)] {
        assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
    }
    assert_eq!((scene.labels[0].class, scene.labels[0].name.as_str()), (1, "bird"));
    assert!(snapshots.iter().all(|snapshot| snapshot.image == scene.path), "the maps are of this image");
}

#[test]
fn a_file_names_no_folder_of_the_machine_that_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), Variant::Imitation);
    let replay = Replay::read(&path).unwrap();
    assert_eq!(replay.scene.path, Path::new("bird.png"));
    assert!(
        replay.config.contains("data = \"data.yaml\"") && replay.config.contains("psi = 0.25"),
        "{}",
        replay.config
    );
    let parent = folder.path().parent().unwrap().to_string_lossy().into_owned() + "/";
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(parent.len()).any(|window| window == parent.as_bytes()), "{parent} is in the file");
}

#[test]
fn a_run_without_a_teacher_has_curves_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let [with, without] =
        [Variant::Imitation, Variant::Baseline].map(|variant| Replay::read(&record(folder.path(), variant)).unwrap());
    assert_eq!((without.snapshots.len(), without.steps.len(), without.scales.len()), (0, 4, 2));
    assert_eq!(without.scene.input, with.scene.input);
    assert_eq!(without.experiment(), with.experiment(), "so the window knows that they are a pair");
}

#[test]
fn a_report_says_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut replay = Replay::read(&record(folder.path(), Variant::Imitation)).unwrap();
    let report = ReplayReport::from(&replay);
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(json["schema"], "distillscope.replay/1");
    assert_eq!(json["loss"], "answers");
    assert_eq!((&json["steps"], &json["outcome"], &json["labels"][0]), (&4.into(), &"finished".into(), &"bird".into()));
    // The mean over rows 0…7 and columns 0…7 of 80 + row + col / 16.
    assert_eq!(json["moments"][0]["mean"][0], 80.0 + 3.5 + 3.5 / 16.0);
    assert_eq!(json["moments"][2]["truths"][0], serde_json::Value::Null, "infinity is no number in JSON");
    // Three moments of a quarter of a second in four steps of half a second.
    assert_eq!((report.recording_seconds, report.recording_share), (0.75, Some(0.375)));
    assert_eq!(report.recording_per_step, Some(0.1875));
    let text = report.to_string();
    assert!(
        text.contains("3 moments of P3 P4, from step 0 to step 4") && text.contains("188 ms a step, 37.50 %"),
        "{text}"
    );
    assert!(text.contains("imitation loss: answers") && !text.contains("below its start"), "{text}");
    // The last evaluation has 0.125.
    let student = Evaluation { map50_95: 0.25, ..Evaluation::default() };
    replay.start = Some(Arc::new(StartRecord { student, teacher: None }));
    let text = ReplayReport::from(&replay).to_string();
    assert!(text.contains("mAP50-95 0.1250; the student is below its start"), "{text}");
}

#[test]
fn a_resumed_run_keeps_the_maps_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), Variant::Imitation);
    let home = path.parent().unwrap().to_owned();
    let summary = summary(&home, Variant::Imitation, 2);
    let mut resumed = recording(&home, &summary, Variant::Imitation);
    resumed.resume(&path, 2).unwrap();
    let mut recorder = Recorder::resume(&home, &summary).unwrap();
    recorder.keep_replay(&home, resumed);
    for event in [
        RunEvent::Snapshot(snapshot(2)),
        RunEvent::Step(step(Variant::Imitation, 2)),
        RunEvent::Ended(Outcome::Stopped),
    ] {
        recorder.take(&event).unwrap();
    }
    let replay = Replay::read(&path).unwrap();
    let snapshots: Vec<u64> = replay.snapshots.iter().map(|snapshot| snapshot.step).collect();
    assert_eq!((snapshots, replay.steps.len(), replay.outcome), (vec![0, 2], 3, Outcome::Stopped));
    let missing = recording(&home, &summary, Variant::Imitation).resume(&home.join("gone"), 2).unwrap_err();
    assert!(missing.to_string().contains("gone: cannot be read"), "{missing}");
}

#[test]
fn many_moments_are_thinned_and_keep_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    let summary = summary(folder.path(), Variant::Imitation, 0);
    let mut recording = recording(folder.path(), &summary, Variant::Imitation);
    (0..=400).for_each(|at| recording.take(&snapshot(at)));
    let path = folder.path().join("long.distillscope");
    let tables = record(folder.path(), Variant::Imitation);
    let table = |name| fs::read_to_string(tables.with_file_name(name)).unwrap();
    recording.write(&path, &Outcome::Failed("a\nb".into()), &table("steps.csv"), &table("results.csv")).unwrap();
    let replay = Replay::read(&path).unwrap();
    let snapshots: Vec<u64> = replay.snapshots.iter().map(|snapshot| snapshot.step).collect();
    assert_eq!((snapshots.len(), snapshots[0], snapshots[1], snapshots[200]), (201, 0, 2, 400));
    assert_eq!(replay.outcome, Outcome::Failed("a b".into()));
}

#[test]
fn what_does_not_fit_is_not_recorded_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = scene(folder.path());
    scene.labels = vec![scene.labels[0].clone(); 1001];
    let summary = summary(folder.path(), Variant::Imitation, 0);
    let config = config(folder.path());
    let scales = [AnchorScale { stride: 8, anchors: vec![[10.0, 13.0]] }];
    let id = RunId { seed: 0, variant: Variant::Imitation };
    let subject = Subject { id, summary: &summary, config: &config, scene: &scene, scales: &scales, compared: &[8] };
    assert_eq!(Recording::new(&subject).unwrap_err(), "1001 labels; at most 1000 are possible");
}
