//! `distillscope story` on the sample session: its files, its options, and what it says where something is missing.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

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
fn the_story_of_two_models_ends_at_the_loss_and_is_the_same_twice() {
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
    assert!(said.contains("left out: step 13") && said.contains("--run names the folder of a run"), "{said}");
    let files = names(&first);
    assert_eq!(files.len(), 12, "{files:?}");
    assert!(files.iter().all(|name| name.ends_with(".svg")) && files.contains("12-loss.svg"));
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
