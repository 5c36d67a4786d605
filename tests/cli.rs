//! The command line as a person meets it: help, one clear line on bad input, exit codes.

use std::path::Path;
use std::process::{Command, Output};

fn distillscope(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_distillscope"))
        .args(args)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .expect("the program runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails, and says so in one line that holds every word of `words`.
#[track_caller]
fn fails_with(args: &[&str], words: &[&str]) {
    let output = distillscope(args);
    let text = stderr(&output);
    assert!(!output.status.success(), "{args:?} succeeded");
    assert_eq!(text.trim_end().lines().count(), 1, "not one line: {text}");
    for word in words {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

fn golden(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).display().to_string()
}

fn teacher() -> String {
    golden("network_n.pt")
}

fn student() -> String {
    golden("network_small.pt")
}

/// A folder with an image of 96 × 64 and two boxes on it.
fn scene() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cells.png");
    image::RgbImage::from_fn(96, 64, |x, y| image::Rgb([(x * 2) as u8, (y * 3) as u8, ((x + y) % 256) as u8]))
        .save(&path)
        .expect("a picture");
    std::fs::write(folder.path().join("cells.txt"), "0 0.5 0.5 0.25 0.25\n2 0.25 0.75 0.1 0.2\n").expect("labels");
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn every_subcommand_has_help_with_an_example() {
    for command in ["inspect", "convert"] {
        let output = distillscope(&[command, "--help"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}");
        assert!(text.contains("Example"), "{command}: {text}");
        assert!(text.contains(&format!("distillscope {command}")), "{command}: {text}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let student = student();
    fails_with(&["inspect", "--image", "nowhere.jpg", "--teacher", &student, "--student", &student], &["nowhere.jpg"]);
    let (_folder, image) = scene();
    fails_with(&["inspect", "--image", &image, "--teacher", "no.pt", "--student", &student], &["no.pt"]);
}

#[test]
fn a_file_that_is_no_model_is_named() {
    let (_folder, image) = scene();
    let student = student();
    fails_with(&["inspect", "--image", &image, "--teacher", &image, "--student", &student], &[&image]);
}

#[test]
fn a_gpu_that_is_not_there_is_one_line_that_offers_the_cpu() {
    let (_folder, image) = scene();
    let student = student();
    fails_with(
        &["inspect", "--image", &image, "--teacher", &student, "--student", &student, "--device", "cuda:99"],
        &["cuda:99", "--device cpu"],
    );
}

#[test]
fn bad_values_of_options_are_refused() {
    for (option, value) in [
        ("--psi", "1.5"),
        ("--psi", "nan"),
        ("--level-rule", "local"),
        ("--imgsz", "0"),
        ("--tap", "nose"),
        ("--device", "tpu"),
    ] {
        let output = distillscope(&["inspect", "--image", "a", "--teacher", "b", "--student", "c", option, value]);
        assert_eq!(output.status.code(), Some(2), "{option} {value}");
        assert!(stderr(&output).contains(value), "{option}: {}", stderr(&output));
    }
}

#[test]
fn an_image_is_inspected_as_the_contract_says() {
    let (folder, image) = scene();
    let json = folder.path().join("report.json");
    let tensors = folder.path().join("tensors.safetensors");
    let output = distillscope(&[
        "inspect",
        "--image",
        &image,
        "--teacher",
        &teacher(),
        "--student",
        &student(),
        "--imgsz",
        "320",
        "--device",
        "cpu",
        "--json",
        &json.display().to_string(),
        "--tensors",
        &tensors.display().to_string(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));

    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).expect("a report")).expect("JSON");
    assert_eq!(report["schema"], "distillscope.inspect/1");
    assert_eq!(report["letterbox"]["width"], 320);
    let scales = report["scales"].as_array().expect("scales");
    assert_eq!(scales.iter().map(|s| s["stride"].as_u64()).collect::<Vec<_>>(), [Some(8), Some(16), Some(32)]);

    let bytes = std::fs::read(&tensors).expect("tensors");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let floats = |name: &str| -> Vec<f32> {
        let view = file.tensor(name).expect(name);
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    assert_eq!(file.tensor("input").expect("input").shape(), [3, 320, 320]);
    let labels = report["labels"].as_array().expect("labels").len();
    let mut total = 0.0;
    for scale in scales {
        let name = scale["name"].as_str().expect("a name");
        let (rows, cols) = (scale["rows"].as_u64().expect("rows"), scale["cols"].as_u64().expect("cols"));
        let iou = file.tensor(&format!("{name}.iou")).expect("iou");
        assert_eq!(iou.shape(), [labels, 3, rows as usize, cols as usize]);
        // The loss from the tensors alone: half the mean over masked cells of the squared differences.
        let mask = file.tensor(&format!("{name}.mask")).expect("mask");
        let cells = (rows * cols) as usize;
        let union: Vec<bool> =
            (0..cells).map(|cell| (0..labels).any(|gt| mask.data()[gt * cells + cell] > 0)).collect();
        let marked = union.iter().filter(|m| **m).count();
        assert_eq!(scale["mask_cells"].as_u64(), Some(marked as u64), "{name}");
        let difference = floats(&format!("{name}.difference"));
        let inside: f64 = difference.iter().zip(&union).filter(|(_, m)| **m).map(|(d, _)| f64::from(*d)).sum();
        let loss = if marked == 0 { 0.0 } else { inside / (2.0 * marked as f64) };
        let said = scale["loss"].as_f64().expect("a loss");
        assert!((said - loss).abs() <= 1e-5 * loss.max(1.0), "{name}: {said} is not {loss}");
        total += loss;
    }
    let said = report["loss_total"].as_f64().expect("a total");
    assert!((said - total).abs() <= 1e-5 * total.max(1.0), "{said} is not {total}");
}

#[test]
fn a_converted_checkpoint_gives_the_same_features() {
    let folder = tempfile::tempdir().expect("a folder");
    let converted = folder.path().join("student.safetensors").display().to_string();
    let output = distillscope(&["convert", "--weights", &student(), "--to", "safetensors", "--out", &converted]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (_folder, image) = scene();
    let run = |student: &str, out: &Path| {
        let output = distillscope(&[
            "inspect",
            "--image",
            &image,
            "--teacher",
            student,
            "--student",
            student,
            "--imgsz",
            "64",
            "--device",
            "cpu",
            "--tensors",
            &out.display().to_string(),
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(out).expect("tensors")
    };
    let from_pt = run(&student(), &folder.path().join("a"));
    let from_safetensors = run(&converted, &folder.path().join("b"));
    let read = |bytes: &[u8], name: &str| {
        safetensors::SafeTensors::deserialize(bytes).expect("safetensors").tensor(name).expect(name).data().to_vec()
    };
    for name in ["p3.student", "p5.student", "p4.head.student"] {
        assert_eq!(read(&from_pt, name), read(&from_safetensors, name), "{name}");
    }
}
