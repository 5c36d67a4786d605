//! A run's files: what a recorder writes, what it reads back, and what happens when a run goes on or a disk is full.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has to fail")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use distillscope::train::evaluate::Evaluation;
use distillscope::train::event::{EpochRecord, Outcome, RunEvent, RunSummary, StartRecord, StepRecord};
use distillscope::train::record::{RESULTS, RecordError, Recorder, RunTables, START, STEPS, TEST, WARNINGS};

fn summary(folder: &Path, first_step: u64) -> RunSummary {
    RunSummary {
        folder: folder.to_owned(),
        steps: 6,
        steps_per_epoch: 3,
        first_step,
        scales: ["P3", "P4"].map(str::to_owned).to_vec(),
        images: 12,
        labels: 30,
        val_images: 4,
        device: "CPU".to_owned(),
    }
}

/// Numbers without a short decimal form, so that a lost digit shows.
fn step(step: u64) -> StepRecord {
    let x = (step + 1) as f64 / 7.0;
    StepRecord {
        step,
        epoch: (step / 3) as u32,
        total: x,
        box_loss: x / 3.0,
        objectness: x * 1e-9,
        class: 0.0,
        imitation: vec![x * 1e12, f64::MIN_POSITIVE],
        distance: vec![Some(0.1), Some(1.0 / 3.0)],
        lambda: 0.01,
        mask_cells: vec![123_456_789 + step, 0],
        mask_share: vec![x / 30.0, 0.0],
        gradient_ratio: (step == 2).then_some(0.2),
        gradient_cosine: (step == 2).then_some(-x),
        measuring: (step == 2).then_some(0.75),
        learning_rate: 0.01,
        momentum: 0.937,
        gradient_norm: step.is_multiple_of(2).then_some(x),
        images: 4,
        seconds: 1.5,
        waited: 0.25,
    }
}

/// The epoch that ends before step `step`; the numbers are short enough for five digits.
fn epoch(epoch: u32, step: u64, evaluated: bool) -> EpochRecord {
    let mean = StepRecord {
        step,
        epoch,
        total: 0.5 + 0.25 + 0.125 + 1.0 + 2.0,
        box_loss: 0.5,
        objectness: 0.25,
        class: 0.125,
        imitation: vec![1.0, 2.0],
        distance: vec![Some(100.0), Some(12.346)],
        lambda: 0.01,
        mask_cells: vec![1_234_567, 8],
        mask_share: vec![0.12346, 0.0625],
        gradient_ratio: evaluated.then_some(0.2),
        gradient_cosine: evaluated.then_some(-0.5),
        ..StepRecord::default()
    };
    let evaluation = Evaluation {
        precision: 0.83215,
        recall: 0.89266,
        map50: 0.89771,
        map50_95: 0.55281,
        losses: Some([0.03, 0.04, 0.05]),
        ..Evaluation::default()
    };
    EpochRecord {
        epoch,
        step,
        mean,
        learning_rates: [0.1, 0.01, 1.2346e-5],
        evaluation: evaluated.then_some(evaluation),
        best: evaluated,
    }
}

fn take_steps(recorder: &mut Recorder, steps: std::ops::Range<u64>) {
    steps.for_each(|index| recorder.take(&RunEvent::Step(step(index))).unwrap());
}

fn take_epoch(recorder: &mut Recorder, record: EpochRecord) {
    recorder.take(&RunEvent::Epoch(Box::new(record))).unwrap();
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

fn event_files(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("events.out.tfevents.")).count()
}

#[test]
fn what_is_recorded_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "seed = 0").unwrap();
    let empty = RunTables::read(folder.path()).unwrap();
    assert_eq!(
        (empty.scales.as_slice(), empty.steps.len(), empty.epochs.len()),
        (&["P3", "P4"].map(str::to_owned)[..], 0, 0)
    );
    take_steps(&mut recorder, 0..3);
    take_epoch(&mut recorder, epoch(0, 3, false));
    take_steps(&mut recorder, 3..6);
    take_epoch(&mut recorder, epoch(1, 6, true));
    recorder.take(&RunEvent::Ended(Outcome::Finished)).unwrap();
    let history = RunTables::read(folder.path()).unwrap();
    assert_eq!(history.steps, (0..6).map(step).collect::<Vec<_>>());
    assert_eq!(history.epochs, [epoch(0, 3, false), epoch(1, 6, true)]);
    assert_eq!(event_files(folder.path()), 1);
    assert!(fs::read_dir(folder.path()).unwrap().count() == 4, "no temporary file is left");
}

/// The first fourteen columns as YOLOv5 v7.0 writes them, by hand.
#[test]
fn results_look_like_those_of_yolov5() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    take_epoch(&mut recorder, epoch(0, 3, true));
    take_epoch(&mut recorder, epoch(1, 6, false));
    let text = read(folder.path(), RESULTS);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(
        "               epoch,      train/box_loss,      train/obj_loss,      train/cls_loss,   metrics/precision,\
         \u{20}     metrics/recall,     metrics/mAP_0.5,metrics/mAP_0.5:0.95,        val/box_loss,        val/obj_loss,\
         \u{20}       val/cls_loss,               x/lr0,               x/lr1,               x/lr2,train/imitation_loss,"
    ));
    assert!(lines[1].starts_with(
        "                   0,                 0.5,                0.25,               0.125,             0.83215,\
         \u{20}            0.89266,             0.89771,             0.55281,                0.03,                0.04,\
         \u{20}               0.05,                 0.1,                0.01,          1.2346e-05,                   3,"
    ));
    assert!(lines[2].starts_with(
        "                   1,                 0.5,                0.25,               0.125,,,,,,,,                 0.1,"
    ));
    let names: Vec<&str> = lines[0].split(',').skip(15).map(str::trim).collect();
    assert_eq!(
        names,
        [
            "train/imitation_P3",
            "train/imitation_P4",
            "train/distance_P3",
            "train/distance_P4",
            "train/lambda",
            "train/mask_cells_P3",
            "train/mask_cells_P4",
            "train/mask_share_P3",
            "train/mask_share_P4",
            "train/gradient_ratio",
            "train/gradient_cosine",
            "step",
            "best"
        ]
    );
}

#[test]
fn steps_hold_every_field() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    recorder
        .take(&RunEvent::Step(StepRecord { step: 1, total: 0.1, gradient_norm: Some(f64::NAN), ..step(1) }))
        .unwrap();
    recorder.take(&RunEvent::Saving).unwrap();
    assert_eq!(
        read(folder.path(), STEPS),
        "step,epoch,total,box,objectness,class,imitation_P3,imitation_P4,distance_P3,distance_P4,lambda,mask_cells_P3,\
         mask_cells_P4,mask_share_P3,mask_share_P4,gradient_ratio,gradient_cosine,measuring,learning_rate,momentum,gradient_norm,images,seconds,waited\n\
         1,0,0.1,0.09523809523809523,2.857142857142857e-10,0.0,285714285714.2857,2.2250738585072014e-308,0.1,\
         0.3333333333333333,0.01,123456790,0,0.009523809523809523,0.0,,,,0.01,0.937,NaN,4,1.5,0.25\n"
    );
}

/// Without a teacher there are no imitation columns to fill; a run without evaluation has none of its numbers.
#[test]
fn a_run_without_imitation_leaves_its_fields_empty() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    let plain = |record: StepRecord| StepRecord {
        imitation: Vec::new(),
        distance: Vec::new(),
        mask_cells: Vec::new(),
        mask_share: Vec::new(),
        ..record
    };
    recorder.take(&RunEvent::Step(plain(step(0)))).unwrap();
    let mut of_epoch = epoch(0, 1, true);
    of_epoch.mean = StepRecord { total: 0.875, ..plain(of_epoch.mean) };
    of_epoch.evaluation.as_mut().unwrap().losses = None;
    take_epoch(&mut recorder, of_epoch.clone());
    let history = RunTables::read(folder.path()).unwrap();
    assert_eq!(history.scales, ["P3", "P4"]);
    assert_eq!(history.steps, [plain(step(0))]);
    assert_eq!(history.epochs, [of_epoch]);
}

#[test]
fn a_resumed_run_drops_what_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    recorder.take(&RunEvent::Warning("a.txt:3: clipped".to_owned())).unwrap();
    take_steps(&mut recorder, 0..3);
    take_epoch(&mut recorder, epoch(0, 3, true));
    take_steps(&mut recorder, 3..6);
    take_epoch(&mut recorder, epoch(1, 6, true));
    drop(recorder);
    let results = read(folder.path(), RESULTS);
    let mut recorder = Recorder::resume(folder.path(), &summary(folder.path(), 4)).unwrap();
    let history = RunTables::read(folder.path()).unwrap();
    assert_eq!(history.steps, (0..4).map(step).collect::<Vec<_>>());
    assert_eq!(history.epochs, [epoch(0, 3, true)]);
    assert_eq!(event_files(folder.path()), 2);
    recorder.take(&RunEvent::Warning("a.txt:3: clipped".to_owned())).unwrap();
    take_steps(&mut recorder, 4..6);
    take_epoch(&mut recorder, epoch(1, 6, true));
    assert_eq!(read(folder.path(), RESULTS), results, "the run is the same, so its table is");
    assert_eq!(RunTables::read(folder.path()).unwrap().steps, (0..6).map(step).collect::<Vec<_>>());
    assert_eq!(read(folder.path(), WARNINGS), "2\ta.txt:3: clipped\n");

    let other = RunSummary { scales: vec!["P5".to_owned()], ..summary(folder.path(), 4) };
    let error = Recorder::resume(folder.path(), &other).unwrap_err();
    assert!(error.to_string().contains("is of scales P3 P4, this run has P5"), "{error}");
}

#[test]
fn what_is_evaluated_outside_the_epochs_is_kept_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let of =
        |map50_95: f64| Evaluation { map50: 2.0 * map50_95, map50_95, images: 4, labels: 9, ..Evaluation::default() };
    let start = StartRecord { student: of(0.25), teacher: Some(of(0.375)) };
    // From a run that was killed: another one's.
    fs::write(folder.path().join(START), "{}").unwrap();
    fs::write(folder.path().join(TEST), "{}").unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    let empty = RunTables::read(folder.path()).unwrap();
    assert_eq!((empty.start, empty.test, recorder.start()), (None, None, None));
    recorder.take(&RunEvent::Start(Arc::new(start.clone()))).unwrap();
    assert_eq!(RunTables::read(folder.path()).unwrap().start.as_ref(), Some(&start));
    take_steps(&mut recorder, 0..3);
    take_epoch(&mut recorder, epoch(0, 3, true));
    let rows = read(folder.path(), RESULTS).lines().count();
    assert_eq!(rows, 2, "the start is no epoch");
    drop(recorder);

    // What is known is not written again: it was measured once.
    let mut recorder = Recorder::resume(folder.path(), &summary(folder.path(), 3)).unwrap();
    assert_eq!(recorder.start().map(|start| &**start), Some(&start));
    let other = StartRecord { student: of(0.125), teacher: None };
    recorder.take(&RunEvent::Start(Arc::new(other))).unwrap();
    recorder.take(&RunEvent::Tested(Arc::new(of(0.5)))).unwrap();
    let history = RunTables::read(folder.path()).unwrap();
    assert_eq!((history.start.as_ref(), history.test.as_ref()), (Some(&start), Some(&of(0.5))));

    // TensorBoard's tag of each, once.
    let mut events = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents.") {
            events.extend(fs::read(entry).unwrap());
        }
    }
    for tag in ["start/mAP_0.5:0.95", "teacher/mAP_0.5:0.95", "test/mAP_0.5:0.95"] {
        assert_eq!(events.windows(tag.len()).filter(|part| *part == tag.as_bytes()).count(), 1, "{tag}");
    }

    fs::write(folder.path().join(START), "{\"student\": 3}").unwrap();
    let error = RunTables::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("start.json: ") && error.contains("remove it"), "{error}");
}

/// Scales of which no cell counted: an empty field, also where it is the last one or every one; in files of version 0.1.0
/// 0 over 0 cells.
#[test]
fn a_scale_without_cells_has_no_distance_in_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    let with = |index: u64, distance: [Option<f64>; 2]| StepRecord {
        distance: distance.to_vec(),
        imitation: distance.iter().map(|distance| 0.01 * distance.unwrap_or(0.0)).collect(),
        mask_cells: distance.iter().map(|distance| u64::from(distance.is_some())).collect(),
        ..step(index)
    };
    let steps = [with(0, [Some(0.5), None]), with(1, [None, Some(0.25)]), with(2, [None, None])];
    for step in &steps {
        recorder.take(&RunEvent::Step(step.clone())).unwrap();
    }
    let mut of_epoch = epoch(0, 3, true);
    (of_epoch.mean.distance[1], of_epoch.mean.mask_cells[1]) = (None, 0);
    take_epoch(&mut recorder, of_epoch.clone());
    let history = RunTables::read(folder.path()).unwrap();
    assert_eq!(history.steps, steps);
    assert_eq!(history.epochs, [of_epoch]);
    let text = read(folder.path(), STEPS);
    assert!(text.lines().nth(1).unwrap().contains(",0.005,0.0,0.5,,0.01,1,0,"), "{text}");

    let old = text.replace(",0.005,0.0,0.5,,", ",0.005,0.0,0.5,0.0,").replace(",0.0,0.0,,,", ",0.0,0.0,0.0,0.0,");
    assert_ne!(old, text);
    fs::write(folder.path().join(STEPS), old).unwrap();
    assert_eq!(RunTables::read(folder.path()).unwrap().steps, steps);
    // Cells that are alike in both models are another matter.
    fs::write(folder.path().join(STEPS), text.replace(",0.005,0.0,0.5,,", ",0.0,0.0,0.0,,")).unwrap();
    assert_eq!(RunTables::read(folder.path()).unwrap().steps[0].distance, [Some(0.0), None]);
}

/// A table as it was before shares were kept.
fn without_shares(text: &str) -> String {
    let kept: Vec<bool> = text.lines().next().unwrap().split(',').map(|name| !name.contains("mask_share")).collect();
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(',').zip(&kept).filter(|(_, kept)| **kept).map(|(field, _)| field).collect();
        fields.join(",") + "\n"
    };
    text.lines().map(line).collect()
}

#[test]
fn a_run_from_before_shares_were_kept_opens_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    take_steps(&mut recorder, 0..3);
    take_epoch(&mut recorder, epoch(0, 3, true));
    drop(recorder);
    for file in [STEPS, RESULTS] {
        let text = without_shares(&read(folder.path(), file));
        assert!(!text.contains("share"));
        fs::write(folder.path().join(file), text).unwrap();
    }
    let old_step = |index: u64| StepRecord { mask_share: Vec::new(), ..step(index) };
    let mut old_epoch = epoch(0, 3, true);
    old_epoch.mean.mask_share = Vec::new();
    let history = RunTables::read(folder.path()).unwrap();
    assert_eq!(history.steps, (0..3).map(old_step).collect::<Vec<_>>());
    assert_eq!(history.epochs, [old_epoch.clone()]);

    let mut recorder = Recorder::resume(folder.path(), &summary(folder.path(), 3)).unwrap();
    take_steps(&mut recorder, 3..6);
    take_epoch(&mut recorder, epoch(1, 6, true));
    let history = RunTables::read(folder.path()).unwrap();
    assert_eq!(history.steps, (0..3).map(old_step).chain((3..6).map(step)).collect::<Vec<_>>());
    assert_eq!(history.epochs, [old_epoch, epoch(1, 6, true)]);
}

#[test]
fn each_warning_stands_once_with_its_count() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    for text in ["b", "two\nlines", "b", "a\tb", "b"] {
        recorder.take(&RunEvent::Warning(text.to_owned())).unwrap();
    }
    recorder.take(&RunEvent::Ended(Outcome::Stopped)).unwrap();
    assert_eq!(read(folder.path(), WARNINGS), "3\tb\n1\ttwo lines\n1\ta\tb\n");
}

#[test]
fn a_damaged_row_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    take_steps(&mut recorder, 0..2);
    take_epoch(&mut recorder, epoch(0, 2, true));
    let (steps, results) = (read(folder.path(), STEPS), read(folder.path(), RESULTS));
    let error_of = |file: &str, text: String| {
        fs::write(folder.path().join(STEPS), &steps).unwrap();
        fs::write(folder.path().join(RESULTS), &results).unwrap();
        fs::write(folder.path().join(file), text).unwrap();
        RunTables::read(folder.path()).unwrap_err().to_string()
    };
    let error = error_of(STEPS, steps.trim_end()[..steps.len() - 20].to_owned());
    assert!(error.contains("steps.csv:3: the header has 24 fields, this line 19;"), "{error}");
    let error = error_of(STEPS, steps.replace("\n1,0,", "\n1,x,"));
    assert!(error.contains("steps.csv:3: epoch is 'x', not a number"), "{error}");
    let error = error_of(STEPS, steps.replace("\n1,0,", "\n1.5,0,"));
    assert!(error.contains("steps.csv:3: step is 1.5, not a whole number"), "{error}");
    let error = error_of(STEPS, steps.replace("\n0,0,", "\n,0,"));
    assert!(error.contains("steps.csv:2: step is missing"), "{error}");
    // One scale of two.
    let error = error_of(STEPS, steps.replace(",123456789,", ",,"));
    assert!(error.contains("steps.csv:2: mask_cells_P3 is missing"), "{error}");
    let error = error_of(RESULTS, results.replace("0.83215", ""));
    assert!(error.contains("results.csv:2: metrics/precision is missing"), "{error}");
    let error = error_of(STEPS, "a,b\n".to_owned());
    assert!(error.contains("has no column 'step'"), "{error}");
    fs::write(folder.path().join(STEPS), &steps).unwrap();
    fs::write(folder.path().join(WARNINGS), "3\tb\nfour\n").unwrap();
    fs::write(folder.path().join(RESULTS), &results).unwrap();
    let error = Recorder::resume(folder.path(), &summary(folder.path(), 1)).unwrap_err();
    assert!(
        matches!(error, RecordError::Row { line: 2, .. }) && error.to_string().contains("warnings.txt:2"),
        "{error}"
    );
    assert!(RunTables::read(Path::new("/nowhere")).unwrap_err().to_string().contains("/nowhere/steps.csv"));
}

/// What a full disk does, made by putting a folder where the file should be: nobody, not even root, can write there.
#[test]
fn a_file_that_cannot_be_written_is_named_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(folder.path(), &summary(folder.path(), 0), "").unwrap();
    take_steps(&mut recorder, 0..3);
    let results = folder.path().join(RESULTS);
    fs::remove_file(&results).unwrap();
    fs::create_dir_all(results.join("in the way")).unwrap();
    let error = recorder.take(&RunEvent::Epoch(Box::new(epoch(0, 3, true)))).unwrap_err();
    assert!(error.to_string().contains("results.csv: cannot be written"), "{error}");
    fs::remove_dir_all(&results).unwrap();
    recorder.take(&RunEvent::Saving).unwrap();
    let history = RunTables::read(folder.path()).unwrap();
    assert_eq!((history.steps.len(), history.epochs), (3, vec![epoch(0, 3, true)]));
}
