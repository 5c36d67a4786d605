//! `distillscope survey` as a person meets it.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn survey(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distillscope")).arg("survey").args(args).output().unwrap()
}

/// Two images of 64 × 64 px: one with a box of 16 × 16 px in its middle, one without labels; the data.yaml.
fn data(folder: &Path) -> String {
    std::fs::create_dir_all(folder.join("images")).unwrap();
    std::fs::create_dir_all(folder.join("labels")).unwrap();
    for name in ["a", "b"] {
        image::RgbImage::new(64, 64).save(folder.join(format!("images/{name}.png"))).unwrap();
    }
    std::fs::write(folder.join("labels/a.txt"), "0 0.5 0.5 0.25 0.25\n").unwrap();
    let file = folder.join("data.yaml");
    std::fs::write(&file, "path: .\ntrain: images\nnames: [thing]\n").unwrap();
    file.display().to_string()
}

#[test]
fn help_has_an_example() {
    let output = survey(&["--help"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("Example:\n  distillscope survey --data"));
}

#[test]
fn table_json_and_csv_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, json) = (folder.path().join("s.csv"), folder.path().join("s.json"));
    let data = data(folder.path());
    let common = ["--data", &data, "--imgsz", "640", "--psi", "0.5", "--level-rule", "global"];
    let files = ["--csv", csv.to_str().unwrap(), "--json", json.to_str().unwrap()];
    let output = survey(&[&common[..], &files].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(table.starts_with("2 images, 1 ground truths (0 small, 0 medium, 1 large), input 640x640 px, exact IoU"));
    // Five psi for each of three rules between two headings, an empty line after the first sentence and each block.
    assert_eq!((&rows[2][..4], rows[18].len()), (&["rule", "psi", "P3", "cells"][..], 0));
    assert_eq!(rows[3..18].iter().filter(|row| row[0] == "global").count(), 5);

    let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!((&report["schema"], &report["split"]), (&"distillscope.survey/1".into(), &"train".into()));
    assert_eq!((report["psis"].as_array().unwrap().len(), &report["overlap"]["level_rule"]), (21, &"global".into()));
    let text = std::fs::read_to_string(&csv).unwrap();
    let (at, names) = (10, ["per-scale", "global", "assigned"]);
    assert_eq!(report["psis"][at], 0.5);
    for (rule, name) in names.into_iter().enumerate() {
        let in_table = rows.iter().find(|row| row.len() > 8 && row[0] == name && row[1] == "0.50").unwrap();
        for (scale, place) in [(0, 2), (1, 5), (2, 8)] {
            let cells = &report["rules"][rule]["scales"][scale]["cells"][at];
            assert_eq!(in_table[place], cells.to_string(), "{name} in the table");
            let row = format!("{name},0.5,P{},{cells},", scale + 3);
            assert!(text.lines().any(|line| line.starts_with(&row)), "{row} in the CSV");
        }
    }
    let positives = report["scales"][2]["positives"].as_u64().unwrap();
    let overlap = &report["overlap"]["scales"][2];
    let sum = overlap["only_positives"].as_u64().unwrap() + overlap["both"].as_u64().unwrap();
    assert_eq!((positives, positives > 0), (sum, true));

    let to_stdout = survey(&[&common[..], &["--json", "-"]].concat());
    assert_eq!(serde_json::from_slice::<Value>(&to_stdout.stdout).unwrap(), report);
}

#[test]
fn what_cannot_be_surveyed_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let fails = |args: &[&str], words: &[&str]| {
        let output = survey(&[&["--data", &data][..], args].concat());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.trim_end().lines().count() == 1, "{args:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{args:?}: {text}");
    };
    fails(&["--split", "val"], &["data.yaml", "no 'val:'"]);
    fails(&["--weights", &data], &["data.yaml"]);
    fails(&["--weights", "no.pt"], &["no.pt"]);
}

#[test]
fn the_csv_goes_to_standard_output_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let csv = folder.path().join("s.csv");
    let to_file = survey(&["--data", &data, "--csv", csv.to_str().unwrap()]);
    let to_stdout = survey(&["--data", &data, "--csv", "-"]);
    assert!(to_file.status.success() && to_stdout.status.success());
    assert_eq!(String::from_utf8(to_stdout.stdout).unwrap(), std::fs::read_to_string(&csv).unwrap());
    assert!(!Path::new("-").exists());
    let both = survey(&["--data", &data, "--csv", "-", "--json", "-"]);
    assert!(!both.status.success());
}
