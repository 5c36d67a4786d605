//! `distillscope story` on the sample session: its files, its options, and what it says where something is missing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use distillscope::train::evaluate::Evaluation;
use distillscope::train::event::{EpochRecord, RunEvent, RunSummary, StartRecord, StepRecord};
use distillscope::train::record::Recorder;

fn story(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distillscope"))
        .arg("story")
        .args(args)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .expect("the program runs")
}

fn sample(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(path).display().to_string()
}

fn image() -> String {
    let images = std::fs::read_dir(sample("images/val")).expect("sample images");
    let mut images: Vec<_> = images.map(|entry| entry.expect("an entry").path()).collect();
    images.sort();
    images.remove(0).display().to_string()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_story_of_two_models_ends_at_their_answers_and_is_the_same_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let (teacher, student, image) = (sample("models/teacher.pt"), sample("models/student.pt"), image());
    let run = |out: &Path| {
        let out = out.display().to_string();
        story(&[
            &image,
            "--teacher",
            &teacher,
            "--student",
            &student,
            "--imgsz",
            "320",
            "--device",
            "cpu",
            "--threads",
            "1",
            "--out",
            &out,
            "--formats",
            "svg",
            "--width",
            "88",
            "--lambda",
            "2",
        ])
    };
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    let output = run(&first);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("left out: step 14") && said.contains("--run names the folder of a run"), "{said}");
    let files = names(&first);
    assert_eq!(files.len(), 13, "{files:?}");
    assert!(files.iter().all(|name| name.ends_with(".svg")) && files.contains("13-answers.svg"));
    assert!(run(&second).status.success());
    for name in &files {
        let read = |folder: &Path| std::fs::read(folder.join(name)).expect("a figure");
        assert_eq!(read(&first), read(&second), "{name}");
        let svg = String::from_utf8(read(&first)).expect("text");
        for fact in ["width=\"88mm\"", "λ = 2", "ψ = 0.5", "tap neck"] {
            assert!(svg.contains(fact), "{name}: {fact}");
        }
    }
}

#[test]
fn without_models_the_story_ends_at_the_mask() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    let output = story(&[&image(), "--imgsz", "320", "--out", &out, "--formats", "png", "--background", "transparent"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("left out: step 9") && said.contains("--teacher and --student"), "{said}");
    let files = names(folder.path());
    assert_eq!(files.len(), 8, "{files:?}");
    let picture = image::open(folder.path().join("08-union.png")).expect("a PNG").to_rgba8();
    assert_eq!(picture.get_pixel(0, 0)[3], 0);
}

/// A run that has left its tables and, as the student that it trained, the sample's.
fn run(folder: &Path) -> String {
    let summary = RunSummary {
        folder: folder.to_owned(),
        steps: 2,
        steps_per_epoch: 1,
        first_step: 0,
        scales: vec!["P3".into()],
        images: 1,
        labels: 1,
        val_images: 1,
        device: "CPU".into(),
    };
    let mut recorder = Recorder::create(folder, &summary, "").expect("its files");
    for step in 0..2_u64 {
        let record = StepRecord { step, total: 4.0 - step as f64, distance: vec![Some(1.0)], ..StepRecord::default() };
        // What an epoch was on the mean is none of its steps.
        let mean = StepRecord { box_loss: 0.5, distance: vec![Some(330.0 + 39.0 * step as f64)], ..record.clone() };
        recorder.take(&RunEvent::Step(record)).expect("a row");
        let evaluation = Evaluation { map50: 0.5, map50_95: 0.25, ..Evaluation::default() };
        let epoch = EpochRecord {
            epoch: step as u32,
            step: step + 1,
            mean,
            evaluation: Some(evaluation),
            ..EpochRecord::default()
        };
        recorder.take(&RunEvent::Epoch(Box::new(epoch))).expect("a row");
    }
    std::fs::create_dir(folder.join("weights")).expect("a folder");
    let best = folder.join("weights/best.safetensors").display().to_string();
    let converted = Command::new(env!("CARGO_BIN_EXE_distillscope"))
        .args(["convert", "--weights", &sample("models/student.pt"), "--to", "safetensors", "--out", &best])
        .output()
        .expect("the program runs");
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
    folder.display().to_string()
}

#[test]
fn a_run_ends_the_story_with_its_student_before_and_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let (student, out) = (sample("models/student.pt"), folder.path().join("story"));
    let run_folder = folder.path().join("run-1");
    std::fs::create_dir(&run_folder).expect("a folder");
    let run = run(&run_folder);
    let (image, shown) = (image(), out.display().to_string());
    let common = ["--student", &student, "--imgsz", "320", "--device", "cpu", "--threads", "1"];
    let output = story(&[&[&*image, "--run", &run, "--out", &shown, "--formats", "svg"][..], &common].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("warning: --run"), "{said}");
    let svg = std::fs::read_to_string(out.join("15-before-after.svg")).expect("the last figure");
    for text in ["The student before", "The student after", "mAP50-95: last 0.250, best 0.250", "is not known"] {
        assert!(svg.contains(text), "{text}");
    }

    let svg = std::fs::read_to_string(out.join("14-run.svg")).expect("the run's figure");
    assert!(svg.contains("L at λ = 1, epoch means: from 330 to 369") && !svg.contains("level rule"), "{svg}");

    // A run that says where it began, and whose student has lost: told in words.
    let evaluation = |map50_95| Evaluation { map50: 0.75, map50_95, ..Evaluation::default() };
    let start = StartRecord { student: evaluation(0.375), teacher: Some(evaluation(0.5)) };
    let start = serde_json::to_string(&start).expect("JSON");
    std::fs::write(run_folder.join("start.json"), start).expect("a file");
    let output = story(&[&[&*image, "--run", &run, "--out", &shown, "--formats", "svg"][..], &common].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let svg = std::fs::read_to_string(out.join("15-before-after.svg")).expect("the last figure");
    for text in [
        "mAP50-95: before 0.375, last 0.250, best 0.250, teacher 0.500",
        "The student is below its start: mAP50-95 0.375 before, 0.250 at its last evaluation.",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(!svg.contains("is not known"), "{svg}");

    // Data whose classes are called otherwise: told, and drawn all the same.
    let data = folder.path().join("data.yaml");
    std::fs::write(&data, "path: .\ntrain: a\nval: a\nnames: [apple, pear]\n").expect("a file");
    let data = data.display().to_string();
    let output = story(&[&[&*image, "--run", &run, "--out", &shown, "--data", &data][..], &common].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("2 (apple, pear); --data names the run's data.yaml"), "{said}");

    // A label of a class that the run does not have.
    let labels = folder.path().join("labels.txt");
    std::fs::write(&labels, "99 0.5 0.5 0.2 0.2\n").expect("a file");
    let labels = labels.display().to_string();
    let output = story(&[&[&*image, "--run", &run, "--out", &shown, "--labels", &labels][..], &common].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("labelled with class 99"), "{said}");
}

#[test]
fn what_cannot_be_told_is_one_clear_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (image, out) = (image(), folder.path().display().to_string());
    for (args, word) in [
        (vec!["--truth", "999"], "--truth 999"),
        (vec!["--lambda", "-1"], "-1"),
        (vec!["--run", "nowhere"], "nowhere"),
        (vec!["--width", "3"], "3"),
        (vec!["--scale", "9"], "9"),
    ] {
        let output = story(&[&[image.as_str(), "--imgsz", "320", "--out", &out][..], &args].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(word) && !said.contains("panicked"), "{args:?}: {said}");
    }
}
