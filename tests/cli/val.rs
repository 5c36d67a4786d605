//! `distillscope val` as a person meets it.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn val(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distillscope")).arg("val").args(args).output().unwrap()
}

fn sample(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(path).display().to_string()
}

/// A data set of one image with one label; its file's path.
fn tiny(folder: &Path, names: &str) -> String {
    std::fs::create_dir_all(folder.join("images")).unwrap();
    std::fs::create_dir_all(folder.join("labels")).unwrap();
    image::RgbImage::new(64, 48).save(folder.join("images/a.png")).unwrap();
    std::fs::write(folder.join("labels/a.txt"), "1 0.5 0.5 0.5 0.5\n").unwrap();
    let file = folder.join("data.yaml");
    std::fs::write(&file, format!("path: .\nval: images\nnames: {names}\n")).unwrap();
    file.display().to_string()
}

const SIX: &str = "[balloon, boat, bird, sheep, cow, car]";

#[test]
fn help_has_an_example() {
    let output = val(&["--help"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("Example:\n  distillscope val --data"));
}

#[test]
fn the_report_goes_to_a_file_or_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let data = tiny(folder.path(), SIX);
    let model = sample("models/student.pt");
    let common = ["--data", &data, "--weights", &model, "--imgsz", "64", "--device", "cpu"];
    let file = folder.path().join("report.json");
    let to_file = val(&[&common[..], &["--json", file.to_str().unwrap()]].concat());
    assert!(to_file.status.success() && to_file.stdout.is_empty(), "{}", String::from_utf8_lossy(&to_file.stderr));
    let to_stdout = val(&[&common[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&to_stdout.stdout).unwrap();
    assert_eq!(report, serde_json::from_str::<Value>(&std::fs::read_to_string(&file).unwrap()).unwrap());
    assert_eq!(report["schema"], "distillscope.val/1");
    assert_eq!((report["images"].as_u64(), report["labels"].as_u64()), (Some(1), Some(1)));
    assert_eq!((&report["per_class"][0]["name"], report["per_class"].as_array().unwrap().len()), (&"boat".into(), 1));
    for figure in ["precision", "recall", "map50", "map50_95"] {
        assert!(report[figure].is_f64(), "{figure}: {report}");
    }
    let table = val(&common);
    let table = String::from_utf8(table.stdout).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["class", "images", "labels", "precision", "recall", "mAP50", "mAP50-95"]);
    assert_eq!((&rows[1][..3], &rows[2][..3]), (&["all", "1", "1"][..], &["boat", "1", "1"][..]));
}

#[test]
fn what_does_not_fit_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = tiny(folder.path(), "[balloon, boat]");
    let model = sample("models/student.pt");
    let fails = |args: &[&str], words: &[&str]| {
        let output = val(&[&["--weights", &model, "--data", &data, "--device", "cpu"][..], args].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.trim_end().lines().count() == 1, "{args:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{args:?}: {text}");
    };
    fails(&[], &["student.pt", "6 classes", "has 2"]);
    fails(&["--split", "test"], &["data.yaml", "no 'test:'"]);
}
