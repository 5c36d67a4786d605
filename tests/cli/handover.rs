//! `distillscope handover` as a person meets it. That the folder computes the same in YOLOv5 is proven by
//! `scripts/handover_check.py`, which needs that package.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::SafeTensors;
use serde_json::{Value, json};

fn sample(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(path).display().to_string()
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distillscope")).args(args).output().unwrap()
}

/// Of the sample session at 64 px, four steps of two images.
fn handover(out: &Path, options: &[&str]) -> Output {
    let (data, teacher, student) = (sample("data.yaml"), sample("models/teacher.pt"), sample("models/student.pt"));
    let common = [
        ["--data", &data],
        ["--teacher", &teacher],
        ["--student", &student],
        ["--imgsz", "64"],
        ["--batch", "2"],
        ["--steps", "4"],
        ["--device", "cpu"],
        ["--threads", "1"],
        ["--out", out.to_str().unwrap()],
    ];
    // What is given last wins over what is common.
    let given = |name: &str| options.contains(&name);
    let kept = common.iter().filter(|[name, _]| !given(name)).flatten().copied();
    run(&["handover"].into_iter().chain(kept).chain(options.iter().copied()).collect::<Vec<_>>())
}

fn written(out: &Path, options: &[&str]) -> Value {
    let output = handover(out, options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&fs::read_to_string(out.join("distil.json")).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The values of a tensor of float32.
fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let data = file.tensor(name).unwrap().data().to_vec();
    data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn the_folder_says_in_numbers_what_is_imitated() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/handover");
    let options = ["--lambda", "0.5", "--lambda-decay", "linear", "--lambda-warmup", "2"];
    let distil = written(&out, &options);
    assert_eq!(
        names(&out),
        [
            "README.md",
            "data.yaml",
            "distil.json",
            "hyp.yaml",
            "launch.py",
            "probe.safetensors",
            "student.pt",
            "teacher.pt"
        ]
    );
    assert_eq!(names(out.parent().unwrap()), ["handover"], "nothing is left beside it");
    assert_eq!(distil["schema"], "distillscope.handover/1");
    assert_eq!(
        (&distil["loss"], &distil["tap"], &distil["adapter"]),
        (&json!("answers"), &json!("head"), &Value::Null)
    );
    assert_eq!(distil["mask"], json!({"source": "none", "psi": 0.5, "rule": "global", "iou": "exact"}));
    // Half, then all of 0.5 · (1 − t / 4).
    assert_eq!(distil["lambda"], json!({"from": "fixed", "per_step": [0.25, 0.375, 0.25, 0.125]}));
    // 0.05; 0.5 · 6 classes / 80; (64 / 640)².
    let gains = ["box", "cls", "obj"].map(|name| distil["gains"][name].as_f64().unwrap());
    assert!(gains.iter().zip([0.05, 0.0375, 0.01]).all(|(own, by_hand)| (own - by_hand).abs() < 1e-12), "{gains:?}");
    assert_eq!(
        distil["classes"],
        json!({"student": [0, 1, 2, 3, 4, 5], "teacher": [0, 1, 2, 3, 4, 5], "of_student": 6})
    );
    let scales = distil["scales"].as_array().unwrap();
    let of = |key: &str| scales.iter().map(|scale| scale[key].clone()).collect::<Vec<_>>();
    assert_eq!(
        (of("name"), of("stride")),
        (vec![json!("P3"), json!("P4"), json!("P5")], vec![json!(8), json!(16), json!(32)])
    );
    assert_eq!(scales[0]["anchors"], json!([[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]));
    assert_eq!((of("teacher"), of("student_layer")), (vec![json!(0), json!(1), json!(2)], vec![Value::Null; 3]));
    let training = &distil["training"];
    assert_eq!(
        (&training["optimizer"], &training["batch-size"], &training["imgsz"]),
        (&json!("AdamW"), &json!(2), &json!(64))
    );
    assert_eq!((&training["epochs"], &training["cos-lr"]), (&json!(1), &json!(true)));
    assert_eq!(fs::read(out.join("teacher.pt")).unwrap(), fs::read(sample("models/teacher.pt")).unwrap());
    // By another program.
    for name in ["teacher.pt", "student.pt", "probe.safetensors"] {
        let said = Command::new("sha256sum").arg(out.join(name)).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert_eq!(distil["sha256"][name].as_str(), said.split_whitespace().next(), "{name}");
    }
    let hyp = fs::read_to_string(out.join("hyp.yaml")).unwrap();
    assert!(hyp.contains("\nlr0: 0.003\n") && hyp.contains("\nwarmup_epochs: 0.1\n"), "{hyp}");
    let readme = fs::read_to_string(out.join("README.md")).unwrap();
    assert!(readme.contains("`answers` at the head") && readme.contains("over 4 steps of the optimizer"), "{readme}");
    assert!(!readme.contains('{'), "every place is filled");
    assert!(fs::read_to_string(out.join("launch.py")).unwrap().starts_with("#!/usr/bin/env python3\n"));

    let bytes = fs::read(out.join("probe.safetensors")).unwrap();
    let probe = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(probe.tensor("images").unwrap().shape(), [2, 64, 64, 3]);
    assert_eq!(probe.tensor("mask/p4").unwrap().shape(), [2, 1, 4, 4]);
    assert_eq!(floats(&probe, "mask/p5"), [1.0; 8]);
    assert_eq!((floats(&probe, "loss/detection").len(), floats(&probe, "loss/imitation").len()), (3, 3));
    let gradient = floats(&probe, "imitation/model.0.conv.weight");
    assert!(gradient.iter().any(|value| *value != 0.0) && gradient.iter().all(|value| value.is_finite()));
    // With one batch of two images of six, the same head is reached by both losses.
    assert_eq!(
        probe.tensor("detection/model.24.m.0.weight").unwrap().shape(),
        probe.tensor("imitation/model.24.m.0.weight").unwrap().shape()
    );
}

#[test]
fn adapters_and_a_measured_lambda_go_with_features() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        ["--imitation", "features", "--adapter-kernel", "3", "--adapter-start", "random", "--lambda-ratio", "2"];
    let distil = written(&folder.path().join("one"), &options);
    assert_eq!(distil["adapter"], json!({"file": "adapter.safetensors", "kernel": 3, "learning_rate": 1.0}));
    let layers = distil["scales"].as_array().unwrap().iter().map(|scale| scale["student_layer"].clone());
    assert_eq!(layers.collect::<Vec<_>>(), [json!(17), json!(20), json!(23)]);
    let numbers = |distil: &Value| -> Vec<f64> {
        distil["lambda"]["per_step"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let lambda = numbers(&distil);
    assert_eq!((&distil["lambda"]["from"], lambda.len()), (&json!("gradient-ratio"), 4));
    // The cosine over four steps: (1 + cos(π t / 4)) / 2.
    let by_hand = [1.0, 0.853_553_390_6, 0.5, 0.146_446_609_4];
    assert!(lambda.iter().zip(by_hand).all(|(own, share)| (own / lambda[0] - share).abs() < 1e-9), "{lambda:?}");
    // Half the ratio is half the λ.
    let options = [&options[..6], &["--lambda-ratio", "1"]].concat();
    let half = numbers(&written(&folder.path().join("two"), &options));
    assert!((2.0 * half[0] / lambda[0] - 1.0).abs() < 1e-6, "{half:?} {lambda:?}");
    let bytes = fs::read(folder.path().join("one/adapter.safetensors")).unwrap();
    let adapter = SafeTensors::deserialize(&bytes).unwrap();
    let weight = adapter.tensor("p3.weight").unwrap();
    assert_eq!(weight.shape()[2..], [3, 3]);
    let bytes = fs::read(folder.path().join("one/probe.safetensors")).unwrap();
    let probe = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(probe.tensor("imitation/adapter/p3.weight").unwrap().shape(), weight.shape());
    // The head lies behind the neck.
    assert!(probe.tensor("imitation/model.24.m.0.weight").is_err());
}

/// λ of a run that ended is λ of its hand-over.
#[test]
fn a_finished_runs_lambda_is_taken_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let run_folder = folder.path().join("run");
    let (data, teacher, student) = (sample("data.yaml"), sample("models/teacher.pt"), sample("models/student.pt"));
    let trained = run(&[
        "train",
        "--data",
        &data,
        "--teacher",
        &teacher,
        "--student",
        &student,
        "--imgsz",
        "64",
        "--batch",
        "2",
        "--steps",
        "3",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--evaluate-start",
        "false",
        "--imitation",
        "logits",
        "--out",
        run_folder.to_str().unwrap(),
    ]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let steps = fs::read_to_string(run_folder.join("steps.csv")).unwrap();
    let mut lines = steps.lines();
    let at = lines.next().unwrap().split(',').position(|name| name == "lambda").unwrap();
    let lambda: Vec<f64> = lines.map(|line| line.split(',').nth(at).unwrap().parse().unwrap()).collect();
    let config: PathBuf = run_folder.join("config.toml");
    let out = folder.path().join("handover");
    let output = run(&["handover", "--config", config.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let distil: Value = serde_json::from_str(&fs::read_to_string(out.join("distil.json")).unwrap()).unwrap();
    assert_eq!(distil["lambda"], json!({"from": "run", "per_step": lambda}));
    assert_eq!(lambda.len(), 3);
}

#[test]
fn what_cannot_be_handed_over_is_said_in_one_line_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let fails = |options: &[&str], words: &[&str]| {
        let output = handover(&out, options);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.trim_end().lines().count() == 1, "{options:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{options:?}: {text}");
        assert!(!out.exists(), "{options:?}");
    };
    fails(&["--teacher", "none"], &["needs a teacher"]);
    fails(&["--student", "yolov5n"], &["yolov5n", ".pt"]);
    let weights = folder.path().join("teacher.safetensors");
    let (pt, weights) = (sample("models/teacher.pt"), weights.display().to_string());
    let converted = run(&["convert", "--weights", &pt, "--to", "safetensors", "--out", &weights]);
    assert!(converted.status.success(), "{converted:?}");
    fails(&["--teacher", &weights], &["teacher.safetensors", "loads the teacher from a .pt alone"]);
    fails(&["--student", &weights], &["teacher.safetensors", "loads the student from a .pt alone"]);
    fails(&["--data", "/nowhere/data.yaml"], &["/nowhere/data.yaml"]);
    fails(&["--imitation", "features", "--tap", "head"], &["features"]);
    fails(&["--lambda", "-1"], &["lambda is -1"]);
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    fails(&["--out", file.to_str().unwrap()], &["file"]);

    // Where something lies already, it stays; an empty folder is as good as none.
    fs::create_dir(&out).unwrap();
    fs::write(out.join("mine.txt"), "mine").unwrap();
    let output = handover(&out, &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("holds something already"), "{text}");
    assert_eq!(names(&out), ["mine.txt"]);
    fs::remove_file(out.join("mine.txt")).unwrap();
    written(&out, &[]);
    assert_eq!(names(folder.path()), ["file", "out", "teacher.safetensors"]);
}
