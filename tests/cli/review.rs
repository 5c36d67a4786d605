//! `distillscope review` as a person meets it.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::contract::{distillscope, fails_with, sample};

/// A small split of the sample session: its first images of val, and one that is no image; the data.yaml.
fn data(folder: &Path) -> String {
    let (images, labels) = (folder.join("images"), folder.join("labels"));
    std::fs::create_dir_all(&images).unwrap();
    std::fs::create_dir_all(&labels).unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(sample("images/val")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for image in &names[..6] {
        std::fs::copy(image, images.join(image.file_name().unwrap())).unwrap();
        let label = Path::new(image.file_name().unwrap()).with_extension("txt");
        std::fs::copy(Path::new(&sample("labels/val")).join(&label), labels.join(&label)).unwrap();
    }
    std::fs::write(images.join("broken.jpg"), b"no picture").unwrap();
    let file = folder.join("data.yaml");
    std::fs::write(&file, "path: .\nval: images\nnames: [balloon, boat, bird, sheep, cow, car]\n").unwrap();
    file.display().to_string()
}

fn review(data: &str, more: &[&str]) -> Output {
    let (teacher, student) = (sample("models/teacher.pt"), sample("models/student.pt"));
    let common = ["review", "--data", data, "--teacher", &teacher, "--student", &student, "--imgsz", "320"];
    distillscope(&[&common[..], &["--device", "cpu"], more].concat())
}

fn list<'a>(report: &'a Value, key: &str) -> &'a Vec<Value> {
    report[key].as_array().unwrap_or_else(|| panic!("{key} is no list"))
}

#[test]
fn the_report_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, csv, doctor, plots) = (path("r.json"), path("r.csv"), path("d.csv"), path("plots"));
    let with = format!("again={}", sample("models/student.pt"));
    let files = ["--with", &with, "--json", &json, "--csv", &csv, "--doctor", &doctor, "--figures", &plots];
    let output = review(&data, &[&files[..], &["--formats", "svg"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && stderr.contains("broken.jpg"), "{stderr}");

    let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!((&report["schema"], &report["complete"]), (&"distillscope.review/1".into(), &true.into()));
    let roles: Vec<&str> = list(&report, "models").iter().map(|model| model["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["teacher", "student", "again"]);
    let (images, objects) = (list(&report, "images"), list(&report, "objects"));
    assert_eq!(images.len(), 7);
    let broken = images.last().unwrap();
    assert!(broken["path"].as_str().unwrap().ends_with("broken.jpg") && broken["error"].is_string(), "{broken}");
    let of_images: u64 = images.iter().map(|image| image["objects"].as_u64().unwrap()).sum();
    assert_eq!((of_images, objects.is_empty()), (objects.len() as u64, false));
    for object in objects {
        let image = &images[object["image"].as_u64().unwrap() as usize];
        assert!(object["label"].as_u64() < image["objects"].as_u64());
        let sides = list(object, "box").iter().map(|side| side.as_f64().unwrap()).collect::<Vec<_>>();
        let area = (sides[2] - sides[0]) * (sides[3] - sides[1]);
        assert!((object["area"].as_f64().unwrap() - area).abs() < 1e-3 * area);
        let size = if area < 1024.0 {
            "small"
        } else if area < 9216.0 {
            "medium"
        } else {
            "large"
        };
        assert_eq!(object["size"], size);
        assert_eq!(object["outcomes"]["student"], object["outcomes"]["again"], "the same model sees the same");
        for role in &roles {
            let of_role = &object["outcomes"][role];
            let is_missed = of_role["outcome"] == "missed";
            assert_eq!((of_role["confidence"].is_null(), of_role["iou"].is_null()), (is_missed, is_missed));
            assert!(is_missed || of_role["confidence"].as_f64() > Some(0.25));
        }
    }
    // Sums are those of the objects.
    let all = &report["sums"]["all"];
    for role in &roles {
        for kind in ["found", "wrong-class", "poorly-placed", "missed"] {
            let counted = objects.iter().filter(|object| object["outcomes"][role]["outcome"] == kind).count();
            assert_eq!(all["outcomes"][role][kind], counted, "{role} {kind}");
            for by in ["by_class", "by_size", "by_scale"] {
                let groups = list(&report["sums"], by).iter();
                let sum: u64 = groups.map(|group| group["outcomes"][role][kind].as_u64().unwrap()).sum();
                assert_eq!(sum, counted as u64, "{by} {role} {kind}");
            }
        }
    }
    let student = &list(all, "changes")[0];
    assert_eq!((&student["of"], &student["against"]), (&"student".into(), &"teacher".into()));
    let lost = objects.iter().filter(|object| {
        object["outcomes"]["teacher"]["outcome"] == "found" && object["outcomes"]["student"]["outcome"] != "found"
    });
    assert_eq!(student["lost"], lost.count());
    let itself = &list(all, "changes")[2];
    assert_eq!((&itself["won"], &itself["lost"]), (&0.into(), &0.into()), "a model against itself");
    // Strongest first.
    let strengths: Vec<f64> =
        list(&report, "doctor").iter().map(|finding| finding["strength"].as_f64().unwrap()).collect();
    assert!(strengths.is_sorted_by(|a, b| a >= b));
    assert_eq!(std::fs::read_to_string(&doctor).unwrap().lines().count(), 1 + strengths.len());
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 1 + objects.len());
    let matrix = list(&report["confusion"]["models"]["teacher"], "matrix");
    assert_eq!((matrix.len(), matrix[0].as_array().map(Vec::len)), (7, Some(7)));
    let bins = list(&report["calibration"]["teacher"], "bins");
    assert_eq!(bins.len(), 10);
    for class in list(&report["curves"]["models"]["teacher"], "classes") {
        assert!(["precision", "recall", "f1", "precision_at_recall"].iter().all(|key| list(class, key).len() == 1000));
    }
    let mut drawn: Vec<String> =
        std::fs::read_dir(&plots).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    drawn.sort();
    let expected = ["calibration", "confusion-again", "confusion-student", "confusion-teacher", "f1"];
    let expected =
        expected.iter().chain(&["precision-recall", "precision", "recall"]).map(|name| format!("{name}.svg"));
    assert_eq!(drawn, expected.collect::<Vec<_>>());

    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("6 of 7 images, "), "{table}");
    assert!(table.contains("student against teacher") && table.contains("again against student"), "{table}");
    // The same mAP as val's, to the last digit.
    let of_val = distillscope(&[
        "val",
        "--data",
        &data,
        "--weights",
        &sample("models/student.pt"),
        "--imgsz",
        "320",
        "--device",
        "cpu",
        "--json",
    ]);
    let of_val: Value = serde_json::from_slice(&of_val.stdout).unwrap();
    for figure in ["map50", "map50_95", "precision", "recall"] {
        assert_eq!(report["models"][1][figure], of_val[figure], "{figure}");
    }
}

#[test]
fn a_folder_without_labels_shows_predictions_alone() {
    let folder = tempfile::tempdir().unwrap();
    data(folder.path());
    std::fs::remove_dir_all(folder.path().join("labels")).unwrap();
    let images = folder.path().join("images").display().to_string();
    let output = review(&images, &["--json", "-"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && stderr.contains("no labels, so predictions stand alone"), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["models"][0]["map50"].is_null() && report["split"].is_null());
    assert!(list(&report, "objects").is_empty() && list(&report, "doctor").is_empty());
    let unmatched = list(&report, "unmatched");
    assert!(!unmatched.is_empty() && unmatched.iter().all(|prediction| prediction["kind"] == "unlabelled"));
}

#[test]
fn what_cannot_be_reviewed_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let model = sample("models/student.pt");
    let fails = |more: &[&str], words: &[&str]| {
        let line = ["review", "--data", &data, "--teacher", &model, "--student", &model, "--device", "cpu"];
        fails_with(&[&line[..], more].concat(), words);
    };
    fails(&["--with", "no.pt"], &["no.pt"]);
    fails(&["--with", &format!("student={model}")], &["two models are called 'student'", "--with NAME=WEIGHTS"]);
    fails(&["--json", "-", "--csv", "-"], &["--json and --csv", "standard output"]);
    fails(&["--split", "test"], &["data.yaml", "no 'test:'"]);
    fails(&["--iou", "0.05"], &["'0.05'", "0.1 to 1"]);
    fails(&["--conf", "1"], &["'1'", "confidence"]);
    std::fs::remove_file(folder.path().join("images/broken.jpg")).unwrap();
    let others = folder.path().join("others.yaml");
    std::fs::write(&others, "path: .\nval: images\nnames: [cat, dog, x, y, z, u, v]\n").unwrap();
    let line = ["review", "--teacher", &model, "--student", &model, "--device", "cpu", "--data"];
    fails_with(&[&line[..], &[&others.display().to_string()]].concat(), &["student.pt", "balloon", "cat, dog"]);
}
