//! A run's folder and its process: one run at a time in it, nothing changed under it unnoticed, and signals that end it with a
//! checkpoint.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use distillscope::imitation::loss::Loss;
use distillscope::train::config::{Experiment, Length, Recipe, RunConfig, SnapshotConfig};
use distillscope::train::event::{Outcome, RunControl, RunEvent, SnapshotScale};
use distillscope::train::folder::RunFolder;
use distillscope::train::record::RunTables;
use distillscope::train::replay::{self, Replay};
use distillscope::train::{TrainError, experiment, search};

use crate::runs::{Place, go, steps};

fn alone(place: &Place) -> RunConfig {
    RunConfig { teacher: None, ..place.config() }
}

/// Runs until its first step and stops there.
fn begun(experiment: &Experiment) {
    let events = go(experiment, |event, control| {
        if matches!(event, RunEvent::Step(_)) {
            control.stop();
        }
    });
    assert!(matches!(events.expect("a run").last(), Some(RunEvent::Ended(Outcome::Stopped))));
}

fn resumed(experiment: &Experiment) -> Result<Vec<RunEvent>, TrainError> {
    go(&Experiment { resume: true, seeds: 0, ..experiment.clone() }, |_, _| {})
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let place = Place::new();
    let pairs = Experiment {
        paired: true,
        ..place.experiment(RunConfig { length: Length::Steps(1), ..place.config() }, "pairs")
    };
    let mut refused = Vec::new();
    go(&pairs, |event, _| {
        if matches!(event, RunEvent::Step(_)) && refused.is_empty() {
            // The same again, going on with it, and going on with one of its runs.
            let one = Experiment { out: pairs.out.join("imitation"), paired: false, ..pairs.clone() };
            for second in
                [pairs.clone(), Experiment { resume: true, ..pairs.clone() }, Experiment { resume: true, ..one }]
            {
                let error = experiment::run(&second, &RunControl::default(), &mut |_, _| {}).expect_err("it is taken");
                refused.push(error.to_string());
            }
        }
    })
    .expect("the first run hears nothing of it");
    assert_eq!(refused.len(), 3);
    for error in refused {
        assert!(error.contains("another run is at work in this folder"), "{error}");
    }
    // It is free again.
    resumed(&pairs).expect("nothing is left to do");
}

#[test]
fn what_was_changed_under_a_run_is_named_and_taken_on_request() {
    let place = Place::new();
    let experiment = place.experiment(place.config(), "run");
    begun(&experiment);
    let refused = |words: &[&str]| {
        let error = resumed(&experiment).expect_err("something has changed").to_string();
        assert!(error.contains("changed since this run began") && error.contains("--accept-changes"), "{error}");
        assert!(words.iter().all(|word| error.contains(word)) && error.lines().count() == 1, "{error}");
    };
    // Settings in config.toml.
    let file = experiment.out.join("config.toml");
    let text = fs::read_to_string(&file).expect("a config");
    fs::write(&file, text.replace("imgsz = 64", "imgsz = 96").replace("optimizer = \"sgd\"", "optimizer = \"adam\""))
        .expect("a config");
    refused(&["imgsz was 64, is 96", "optimizer was \"sgd\", is \"adam\""]);
    // What changes no weight is free.
    fs::write(&file, text.replace("workers = 2", "workers = 1")).expect("a config");
    begun(&Experiment { resume: true, ..experiment.clone() });
    // Another teacher, of the same shape.
    let teacher = place.at("teacher/weights/last.safetensors");
    let kept = fs::read(&teacher).expect("a teacher");
    let mut other = kept.clone();
    *other.last_mut().expect("a byte") ^= 1;
    fs::write(&teacher, other).expect("a teacher");
    refused(&["teacher was a file of"]);
    fs::write(&teacher, kept).expect("a teacher");
    // Another ground truth, an image less.
    let labels = place.at("data/labels/train/1.txt");
    let row = fs::read_to_string(&labels).expect("labels");
    fs::write(&labels, row.replacen('1', "0", 1)).expect("labels");
    refused(&["train was 5 images with 4 ground truths", "is 5 images with 4 ground truths"]);
    fs::write(&labels, row).expect("labels");
    fs::remove_file(place.at("data/images/train/0.png")).expect("an image");
    refused(&["is 4 images with 3 ground truths"]);
    experiment::accept_changes(&Experiment { resume: true, seeds: 0, ..experiment.clone() }).expect("accepted");
    let rest = steps(&resumed(&experiment).expect("the rest"));
    assert_eq!(rest.last().map(|step| step.step), Some(3), "2 epochs of 2 batches now");
}

/// The folder as it is on disk.
fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copied(&entry.path(), &name),
            false => drop(fs::copy(entry.path(), name).expect("a copy")),
        }
    }
}

/// A kill leaves on disk what is there at that moment: between any two of a run's events, its checkpoints among them.
#[test]
fn a_run_that_is_killed_anywhere_goes_on_without_a_gap_or_a_double() {
    let place = Place::new();
    let snapshot = SnapshotConfig { image: place.at("data/images/val/0.png"), every: 1 };
    let experiment = place.experiment(RunConfig { snapshot: Some(snapshot), ..place.config() }, "run");
    let mut kills = Vec::new();
    let whole = go(&experiment, |event, _| {
        if !matches!(event, RunEvent::Stage { .. } | RunEvent::Warning(_)) {
            let folder = place.at(&format!("kill-{}", kills.len()));
            copied(&experiment.out, &folder);
            kills.push(folder);
        }
    });
    let whole = steps(&whole.expect("a run"));
    // Start, 6 steps, 7 maps, and of each epoch its end, a checkpoint begun and ended.
    assert!(kills.len() > 20, "{}", kills.len());
    let snapshots = |folder: &Path| -> Vec<(u64, Vec<SnapshotScale>, Vec<f64>)> {
        let replay = Replay::read(&folder.join(replay::FILE_NAME)).expect("a replay");
        assert_eq!(replay.steps.iter().map(|step| step.step).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        replay
            .snapshots
            .iter()
            .map(|snapshot| (snapshot.step, snapshot.scales.clone(), snapshot.truths.clone()))
            .collect()
    };
    let (weights, maps) =
        (fs::read(RunFolder::new(&experiment.out).weights("last.safetensors")), snapshots(&experiment.out));
    assert_eq!(maps.iter().map(|snapshot| snapshot.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    let weights = weights.expect("weights");
    for folder in kills {
        let went_on = Experiment { resume: true, seeds: 0, out: folder.clone(), ..experiment.clone() };
        go(&went_on, |_, _| {}).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let history = RunTables::read(&folder).expect("a history");
        let events: Vec<RunEvent> = history.steps.into_iter().map(RunEvent::Step).collect();
        assert_eq!(steps(&events), whole, "{}", folder.display());
        assert_eq!(history.epochs.iter().map(|epoch| epoch.step).collect::<Vec<_>>(), [3, 6], "{}", folder.display());
        let ended = fs::read(RunFolder::new(&folder).weights("last.safetensors")).expect("weights");
        assert!(ended == weights, "{}", folder.display());
        assert_eq!(snapshots(&folder), maps, "{}", folder.display());
    }
}

/// Nothing in a folder is waited for, nor believed to be small.
#[cfg(unix)]
#[test]
fn a_pipe_in_a_runs_folder_is_named_and_not_waited_for() {
    let place = Place::new();
    let experiment = place.experiment(place.config(), "run");
    begun(&experiment);
    let pairs = place.at("pairs");
    fs::create_dir(&pairs).expect("a folder");
    let pipe = |path: &Path| {
        let _ = fs::remove_file(path);
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
    };
    let refused = |file: &str, error: String| {
        assert!(error.contains(&format!("{file}: not a file")) && error.lines().count() == 1, "{error}");
    };
    let files = ["config.toml", "fingerprint.json", "weights/resume.safetensors", "steps.csv", "results.csv"];
    for file in files.into_iter().chain(["warnings.txt", "start.json", "test.json"]) {
        let path = experiment.out.join(file);
        let kept = fs::read(&path).ok();
        pipe(&path);
        // A state that is no file is none that could be gone on from.
        refused(file, resumed(&experiment).expect_err("a pipe").to_string());
        fs::remove_file(&path).expect("a pipe");
        if let Some(kept) = kept {
            fs::write(&path, kept).expect("a file");
        }
    }
    pipe(&pairs.join("campaign.toml"));
    refused("campaign.toml", experiment::kept(&pairs).expect_err("a pipe").to_string());
    pipe(&pairs.join("result.json"));
    assert_eq!(experiment::finished(&pairs), None);
    pipe(&pairs.join("search.toml"));
    refused("search.toml", search::open(&pairs).expect_err("a pipe").to_string());
    resumed(&experiment).expect("all is well again");
}

/// A table is read whole, so it has a bound; a sparse file costs no disk.
#[test]
fn a_table_without_an_end_is_not_read() {
    let place = Place::new();
    let experiment = place.experiment(place.config(), "run");
    begun(&experiment);
    for (file, bytes) in [("steps.csv", 2_u64 << 30), ("start.json", 1 << 30), ("config.toml", 1 << 30)] {
        let path = experiment.out.join(file);
        let kept = fs::read(&path).expect("a file");
        File::create(&path).expect("a file").set_len(bytes).expect("room");
        let error = resumed(&experiment).expect_err("too large").to_string();
        assert!(error.contains(file) && error.contains("bytes are more than the"), "{error}");
        fs::write(&path, kept).expect("a file");
    }
}

#[test]
fn a_run_that_is_now_shorter_than_what_is_done_says_so() {
    let place = Place::new();
    let experiment = place.experiment(alone(&place), "run");
    let events = go(&experiment, |event, control| {
        if matches!(event, RunEvent::Step(step) if step.step == 3) {
            control.stop();
        }
    });
    events.expect("a run");
    let file = experiment.out.join("config.toml");
    let text = fs::read_to_string(&file).expect("a config");
    fs::write(&file, text.replace("epochs = 2", "epochs = 1")).expect("a config");
    experiment::accept_changes(&Experiment { resume: true, seeds: 0, ..experiment.clone() }).expect("accepted");
    let error = resumed(&experiment).expect_err("it is past its end").to_string();
    assert!(error.contains("it has done 4 steps, and the run now has 3"), "{error}");
}

fn train(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_distillscope"));
    command.current_dir(place.at("")).arg("train").args(["--threads", "1"]).args(arguments);
    command
}

/// A run that would last for hours; the first checkpoint is there.
fn long(place: &Place, out: &str, errors: Stdio) -> Child {
    let arguments = ["--data", "data/data.yaml", "--teacher", "none", "--student", "student.yaml", "--imgsz", "64"];
    let rest = ["--batch", "2", "--epochs", "50000", "--recipe", "short", "--evaluate-every", "50000", "--out", out];
    let mut child = train(place, &[&arguments[..], &rest[..]].concat())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .expect("the program");
    let begin = Instant::now();
    while !place.at(out).join("weights/resume.safetensors").exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(300) && child.try_wait().expect("a state").is_none(),
            "no checkpoint"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Every signal that asks a process to end: it ends with a checkpoint of the step in hand, and says by its exit code that it did
/// not come to its end.
#[test]
#[cfg(unix)]
fn a_signal_ends_a_run_with_a_checkpoint() {
    let place = Place::new();
    for signal in ["INT", "TERM", "HUP"] {
        let mut child = long(&place, signal, Stdio::null());
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().expect("a signal");
        assert!(sent.success());
        assert_eq!(child.wait().expect("its end").code(), Some(130), "{signal}");
        let done = |folder: &Path| RunTables::read(folder).expect("a history").steps.len();
        let rows = done(&place.at(signal));
        assert!(rows > 0, "{signal}");
        // Another process goes on with it from another folder: paths in config.toml are whole.
        let config = fs::read_to_string(place.at(signal).join("config.toml")).expect("a config");
        let whole = format!("data = \"{}\"", place.at("data/data.yaml").display());
        assert!(config.contains(&whole), "{config}");
        let mut again = train(&place, &["--resume"]);
        let mut child = again
            .arg(place.at(signal))
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        let begin = Instant::now();
        while done(&place.at(signal)) <= rows {
            assert!(
                begin.elapsed() < Duration::from_secs(300) && child.try_wait().expect("a state").is_none(),
                "{signal}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().expect("a kill");
        child.wait().expect("its end");
    }
}

/// Neither a full disk behind standard error nor a reader that is gone ends a run.
#[test]
#[cfg(target_os = "linux")]
fn a_standard_error_that_takes_nothing_stops_no_run() {
    let place = Place::new();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").expect("a full device"));
    let arguments = ["--data", "data/data.yaml", "--teacher", "none", "--student", "student.yaml", "--imgsz", "64"];
    let rest = ["--batch", "2", "--epochs", "1", "--out", "full"];
    let status = train(&place, &[&arguments[..], &rest[..]].concat()).stdout(Stdio::null()).stderr(full()).status();
    assert_eq!(status.expect("the program").code(), Some(0));
    assert!(place.at("full/result.json").exists());

    let mut child = long(&place, "gone", Stdio::piped());
    drop(child.stderr.take());
    let rows = || fs::read_to_string(place.at("gone/steps.csv")).map_or(0, |text| text.lines().count());
    let (before, begin) = (rows(), Instant::now());
    while rows() <= before {
        assert!(
            begin.elapsed() < Duration::from_secs(300) && child.try_wait().expect("a state").is_none(),
            "it has ended"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("a kill");
    child.wait().expect("its end");
}

/// As version 0.1.0 left it: no loss, no recipe, no start, no fingerprint, and λ's first value not kept.
#[test]
fn a_run_of_version_0_1_0_opens_under_its_loss_and_goes_on() {
    let place = Place::new();
    let experiment = place.experiment(place.config(), "old");
    let whole = steps(&place.run(place.config(), "whole").expect("a run"));
    begun(&experiment);
    let file = experiment.out.join("config.toml");
    let mut table: toml::Table = fs::read_to_string(&file).expect("a config").parse().expect("toml");
    for name in ["recipe", "lr_schedule", "warmup_share", "evaluate_start"] {
        table.remove(name).unwrap_or_else(|| panic!("no {name}"));
    }
    table.insert("cos_lr".to_owned(), false.into());
    let imitation = table["imitation"].as_table_mut().expect("an imitation");
    assert!(imitation.remove("loss").is_some() && imitation.remove("mask_source").is_some());
    fs::write(&file, toml::to_string(&table).expect("toml")).expect("a config");
    for name in ["fingerprint.json", "start.json"] {
        fs::remove_file(experiment.out.join(name)).expect("a file");
    }

    let history = RunTables::read(&experiment.out).expect("a history");
    assert_eq!((history.steps.len(), history.start), (1, None));
    let config = RunFolder::new(&experiment.out).read_config().expect("a config");
    assert_eq!((config.imitation.loss, config.recipe, config.hyp.lr0), (Loss::FEATURES, Recipe::Yolov5, 0.01));
    let rest = resumed(&experiment).expect("the rest");
    assert_eq!(steps(&rest), whole[1..]);
    // To begin anew with what it was asked for, its loss must be named: what it means has changed.
    let text = "written by version 0.1.0, which did not name its loss";
    let output = train(&place, &["--out", "new", "--config"]).arg(&file).output().expect("the program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains(text) && said.lines().count() == 1, "{said}");
    assert!(!place.at("new").exists());
}
