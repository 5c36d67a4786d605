//! The command line as a person meets it: help, one clear line on bad input, exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn distillscope(args: &[&str]) -> Output {
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
pub fn fails_with(args: &[&str], words: &[&str]) {
    let output = distillscope(args);
    let text = stderr(&output);
    assert!(!output.status.success(), "{args:?} succeeded");
    assert_eq!(text.trim_end().lines().count(), 1, "not one line: {text}");
    for word in words {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

pub fn sample(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(path).display().to_string()
}

fn sample_image() -> PathBuf {
    let folder = PathBuf::from(sample("images/val"));
    let mut images: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("sample images").map(|entry| entry.expect("an entry").path()).collect();
    images.sort();
    images.remove(0)
}

#[test]
fn every_subcommand_has_help_with_an_example() {
    for command in ["inspect", "convert", "survey", "review", "story", "bench", "search"] {
        let output = distillscope(&[command, "--help"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}");
        assert!(text.contains("Example"), "{command}: {text}");
        assert!(text.contains(&format!("distillscope {command}")), "{command}: {text}");
    }
}

#[test]
fn without_a_display_the_window_names_what_works_without_one() {
    fails_with(&[], &["no display", "distillscope inspect"]);
}

#[test]
fn a_missing_file_is_named() {
    let student = sample("models/student.pt");
    fails_with(&["inspect", "--image", "nowhere.jpg", "--teacher", &student, "--student", &student], &["nowhere.jpg"]);
    fails_with(
        &["inspect", "--image", &sample_image().display().to_string(), "--teacher", "no.pt", "--student", &student],
        &["no.pt"],
    );
}

#[test]
fn a_file_that_is_no_model_is_named() {
    let image = sample_image().display().to_string();
    let student = sample("models/student.pt");
    fails_with(&["inspect", "--image", &image, "--teacher", &image, "--student", &student], &[&image]);
}

#[test]
fn a_gpu_that_is_not_there_is_one_line_that_offers_the_cpu() {
    let image = sample_image().display().to_string();
    let student = sample("models/student.pt");
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
fn the_sample_session_is_inspected_as_the_contract_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("report.json");
    let tensors = folder.path().join("tensors.safetensors");
    let figures = folder.path().join("figures");
    let output = distillscope(&[
        "inspect",
        "--image",
        &sample_image().display().to_string(),
        "--teacher",
        &sample("models/teacher.pt"),
        "--student",
        &sample("models/student.pt"),
        "--imgsz",
        "320",
        "--device",
        "cpu",
        "--json",
        &json.display().to_string(),
        "--tensors",
        &tensors.display().to_string(),
        "--figures",
        &figures.display().to_string(),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));

    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).expect("a report")).expect("JSON");
    assert_eq!(report["schema"], "distillscope.inspect/1");
    assert_eq!(report["letterbox"]["width"], 320);
    assert_eq!(report["forward"], serde_json::json!({"folded": true, "precision": "float32"}));
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

    // Six views of three scales and of all of them, and the overview.
    for extension in ["svg", "png"] {
        let of_kind = |path: &Path| path.extension().is_some_and(|found| found == extension);
        let entries = std::fs::read_dir(&figures).expect("figures");
        assert_eq!(entries.filter(|entry| of_kind(&entry.as_ref().expect("an entry").path())).count(), 25);
    }
}

#[test]
fn a_converted_checkpoint_gives_the_same_features() {
    let folder = tempfile::tempdir().expect("a folder");
    let converted = folder.path().join("student.safetensors").display().to_string();
    let output = distillscope(&[
        "convert",
        "--weights",
        &sample("models/student.pt"),
        "--to",
        "safetensors",
        "--out",
        &converted,
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let image = sample_image().display().to_string();
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
    let from_pt = run(&sample("models/student.pt"), &folder.path().join("a"));
    let from_safetensors = run(&converted, &folder.path().join("b"));
    let read = |bytes: &[u8], name: &str| {
        safetensors::SafeTensors::deserialize(bytes).expect("safetensors").tensor(name).expect(name).data().to_vec()
    };
    for name in ["p3.student", "p5.student", "p4.head.student"] {
        assert_eq!(read(&from_pt, name), read(&from_safetensors, name), "{name}");
    }
}

/// A pipe that nobody writes to would be waited for.
#[cfg(unix)]
#[test]
fn no_option_waits_for_a_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let (pipe, out) = (pipe.display().to_string(), folder.path().join("out").display().to_string());
    let (image, model, data) = (sample_image().display().to_string(), sample("models/student.pt"), sample("data.yaml"));
    let train = |option: &'static str| {
        ["train", "--data", &data, "--teacher", &model, "--student", &model, "--out", &out, option, &pipe]
            .map(str::to_owned)
    };
    let lines: Vec<Vec<String>> = [
        vec!["inspect", "--image", &image, "--teacher", &pipe, "--student", &model],
        vec!["inspect", "--image", &pipe, "--teacher", &model, "--student", &model],
        vec!["inspect", "--image", &image, "--teacher", &model, "--student", &model, "--labels", &pipe],
        vec!["inspect", "--image", &image, "--teacher", &model, "--student", &model, "--data", &pipe],
        vec!["inspect", "--image", &image, "--teacher", &model, "--student", &model, "--adapter", &pipe],
        vec!["val", "--data", &pipe, "--weights", &model],
        vec!["survey", "--data", &pipe],
        vec!["review", "--data", &pipe, "--teacher", &model, "--student", &model],
        vec!["review", "--data", &data, "--teacher", &model, "--student", &model, "--with", &pipe],
        vec!["convert", "--weights", &pipe, "--to", "safetensors", "--out", &out],
        vec!["replay", "--summary", &pipe],
        vec!["train", "--data", &data, "--teacher", &model, "--student", &pipe, "--out", &out],
    ]
    .into_iter()
    .map(|line| line.into_iter().map(str::to_owned).collect())
    .chain([train("--hyp").to_vec(), train("--config").to_vec()])
    .collect();
    for line in lines {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        fails_with(&line, &["pipe.yaml"]);
    }
}

#[test]
fn a_model_yaml_that_is_no_mapping_is_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (yaml, out) = (folder.path().join("model.yaml"), folder.path().join("out").display().to_string());
    for content in ["[1, 2]", "7", "text", "{a: [b", ""] {
        std::fs::write(&yaml, content).expect("a file");
        let yaml = yaml.display().to_string();
        let model = sample("models/teacher.pt");
        let line = ["train", "--data", &sample("data.yaml"), "--teacher", &model, "--student", &yaml, "--out", &out];
        fails_with(&line, &["model.yaml"]);
    }
}

#[test]
fn numbers_of_threads_and_images_have_a_ceiling() {
    for (command, option) in [("train", "--workers"), ("train", "--threads"), ("train", "--seeds"), ("val", "--batch")]
    {
        let output = distillscope(&[command, "--data", "x", option, "65000"]);
        assert_eq!(output.status.code(), Some(2), "{option}");
        assert!(stderr(&output).contains("65000 is not in"), "{option}: {}", stderr(&output));
    }
    let output = distillscope(&["train", "--data", "x", "--batch", "65000"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("'65000' is neither auto nor 1 to 4096"), "{}", stderr(&output));
}

#[test]
fn a_name_from_a_file_does_not_steer_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data.yaml");
    std::fs::write(&data, "val: \"no\\e[2Jwhere\\nelse\"\nnames: [a]\n").expect("a file");
    let (data, model) = (data.display().to_string(), sample("models/student.pt"));
    let output = distillscope(&["val", "--data", &data, "--weights", &model, "--device", "cpu"]);
    let text = stderr(&output);
    assert!(!output.status.success() && !text.contains('\u{1b}'), "{text:?}");
    assert!(text.contains("no\\u{1b}[2Jwhere else") && text.trim_end().lines().count() == 1, "{text:?}");
}
