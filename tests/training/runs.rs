//! Whole runs on a data set of five small pictures: what is repeatable is repeated bit for bit, what can go wrong goes
//! wrong without loss.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use distillscope::imitation::loss::Loss;
use distillscope::train::TrainError;
use distillscope::train::campaign;
use distillscope::train::comparison::Comparison;
use distillscope::train::config::{
    AdapterStart, Campaign, Decay, ImitationConfig, Lambda, Length, NonFinite, Recipe, RunConfig,
};
use distillscope::train::event::{Outcome, RunControl, RunEvent, RunId, StepRecord};
use distillscope::train::hyp::Hyperparameters;
use distillscope::train::preview::{BatchRequest, Previews};
use distillscope::train::record::RunHistory;
use distillscope::yolo::checkpoint;
use distillscope::yolo::network::Network;
use image::{Rgb, RgbImage};
use tch::{Device, Tensor};

const YAML: &str = "
nc: 2
depth_multiple: 0.33
width_multiple: WIDTH
anchors:
  - [10,13, 16,30, 33,23]
  - [30,61, 62,45, 59,119]
  - [116,90, 156,198, 373,326]
backbone:
  - [-1, 1, Conv, [64, 6, 2, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [-1, 1, Conv, [1024, 3, 2]]
head:
  - [[2, 3, 4], 1, Detect, [nc, anchors]]
";

/// A folder with data, a student's yaml and a trained teacher.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        for (split, count) in [("train", 5_u32), ("val", 2)] {
            let (images, labels) =
                (place.at(&format!("data/images/{split}")), place.at(&format!("data/labels/{split}")));
            fs::create_dir_all(&images).expect("a folder");
            fs::create_dir_all(&labels).expect("a folder");
            for i in 0..count {
                // A light square on a dark ground, wider than high pictures among them; the last has no object.
                let (width, height) = if i % 2 == 0 { (64, 64) } else { (80, 48) };
                let mut picture = RgbImage::from_pixel(width, height, Rgb([40, 60, (30 * i) as u8]));
                let (x, y, side) = (8 + 4 * i, 6 + 3 * i, 20 + 2 * i);
                for py in y..(y + side).min(height) {
                    for px in x..(x + side).min(width) {
                        picture.put_pixel(px, py, Rgb([220, (40 * i) as u8, 90]));
                    }
                }
                picture.save(images.join(format!("{i}.png"))).expect("a picture");
                let bottom = (y + side).min(height);
                let row = format!(
                    "{} {} {} {} {}\n",
                    i % 2,
                    (f64::from(x) + f64::from(side) / 2.0) / f64::from(width),
                    (f64::from(y) + f64::from(bottom - y) / 2.0) / f64::from(height),
                    f64::from(side) / f64::from(width),
                    f64::from(bottom - y) / f64::from(height)
                );
                let text = if i + 1 == count && split == "train" { String::new() } else { row };
                fs::write(labels.join(format!("{i}.txt")), text).expect("labels");
            }
        }
        let data = "path: .\ntrain: images/train\nval: images/val\nnames: [even, odd]\n";
        fs::write(place.at("data/data.yaml"), data).expect("data.yaml");
        fs::write(place.at("student.yaml"), YAML.replace("WIDTH", "0.125")).expect("a yaml");
        fs::write(place.at("teacher.yaml"), YAML.replace("WIDTH", "0.25")).expect("a yaml");
        let config = RunConfig { student: place.at("teacher.yaml"), teacher: None, ..place.config() };
        place.run(config, "teacher").expect("a teacher");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> RunConfig {
        RunConfig {
            data: self.at("data/data.yaml"),
            teacher: Some(self.at("teacher/weights/last.safetensors")),
            student: self.at("student.yaml"),
            length: Length::Epochs(2),
            imgsz: 64,
            batch: 2,
            nominal_batch: 4,
            seed: 3,
            device: "cpu".to_owned(),
            threads: Some(1),
            workers: 2,
            imitation: ImitationConfig {
                lambda: Lambda::GradientRatio(0.2),
                decay: Decay::None,
                adapter_start: AdapterStart::LeastSquares { images: 4 },
                ..ImitationConfig::of(Loss::FEATURES)
            },
            ..RunConfig::default().with_recipe(Recipe::Yolov5)
        }
    }

    fn campaign(&self, config: RunConfig, out: &str) -> Campaign {
        Campaign { config, out: self.at(out), paired: false, seeds: 1, resume: false }
    }

    fn run(&self, config: RunConfig, out: &str) -> Result<Vec<RunEvent>, TrainError> {
        go(&self.campaign(config, out), |_, _| {})
    }
}

/// Runs a campaign; `watch` sees every event and may reach for the control.
fn go(campaign: &Campaign, mut watch: impl FnMut(&RunEvent, &RunControl)) -> Result<Vec<RunEvent>, TrainError> {
    let control = RunControl::default();
    let mut events = Vec::new();
    campaign::run(campaign, &control, &mut |_: RunId, event| {
        watch(&event, &control);
        events.push(event);
    })?;
    Ok(events)
}

fn steps(events: &[RunEvent]) -> Vec<StepRecord> {
    let step = |event: &RunEvent| match event {
        RunEvent::Step(step) => Some(StepRecord { seconds: 0.0, waited: 0.0, measuring: None, ..step.clone() }),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

/// Every number of a checkpoint, by name.
fn weights(folder: &Path) -> BTreeMap<String, Vec<u32>> {
    let file = checkpoint::open(&folder.join("weights/last.safetensors")).expect("a checkpoint");
    let numbers = |name: &String| file.read_f32(name).expect("numbers").into_iter().map(f32::to_bits).collect();
    file.tensors.iter().map(|tensor| (tensor.name.clone(), numbers(&tensor.name))).collect()
}

#[test]
fn a_seed_decides_a_run_whatever_the_number_of_loader_threads() {
    let place = Place::new();
    let with = |workers, out| steps(&place.run(RunConfig { workers, ..place.config() }, out).expect("a run"));
    let first = with(1, "a");
    // Five pictures in batches of two: three steps an epoch, the last one of a single picture.
    assert_eq!(first.iter().map(|step| step.images).collect::<Vec<_>>(), [2, 2, 1, 2, 2, 1]);
    assert_eq!(first, with(3, "b"));
    assert_eq!(weights(&place.at("a")), weights(&place.at("b")));
    let other = steps(&place.run(RunConfig { seed: 4, ..place.config() }, "c").expect("a run"));
    assert_ne!(first[0].total, other[0].total);
}

#[test]
fn the_preview_of_a_batch_has_the_masks_that_the_run_learns_with() {
    let place = Place::new();
    // Mosaic and jitter as by default; the size is no multiple of the largest stride, so it is rounded up in both.
    let config = RunConfig { imgsz: 50, ..place.config() };
    let run = steps(&place.run(config.clone(), "run").expect("a run"));
    let mut previews = Previews::default();
    for step in &run {
        let request = BatchRequest::of(&config, step.step, 0);
        let preview = previews.make(&request, &mut |_, _| ControlFlow::Continue(())).expect("a batch");
        let preview = preview.expect("nobody breaks it off");
        let cells = |scale: usize| preview.images.iter().map(|image| image.mask.scales[scale].mask_cells as u64).sum();
        assert_eq!((preview.epoch, preview.images.len()), (step.epoch, step.images));
        assert_eq!((0..3).map(cells).collect::<Vec<u64>>(), step.mask_cells, "step {}", step.step);
        // 64 px are 8, 4 and 2 cells of the strides 8, 16 and 32.
        let maps = [64, 16, 4].map(|cells| (cells * step.images) as f64);
        let shares: Vec<f64> = step.mask_cells.iter().zip(maps).map(|(cells, map)| *cells as f64 / map).collect();
        assert_eq!(shares, step.mask_share, "step {}", step.step);
    }
    assert_eq!(run.len(), 6);
    assert!(run.iter().any(|step| step.mask_cells.iter().sum::<u64>() > 0));
}

#[test]
fn what_is_not_weighed_changes_no_weight() {
    let place = Place::new();
    let imitation = ImitationConfig { lambda: Lambda::Fixed(0.0), ..place.config().imitation };
    let looked = steps(&place.run(RunConfig { imitation, ..place.config() }, "looked").expect("a run"));
    let alone = steps(&place.run(RunConfig { teacher: None, ..place.config() }, "alone").expect("a run"));
    for step in &looked {
        assert_eq!(step.mask_cells.iter().sum::<u64>() > 0, step.distance.iter().sum::<f64>() > 0.0);
    }
    assert!(looked[0].distance[0] > 0.0);
    let totals = |steps: &[StepRecord]| steps.iter().map(|step| step.total).collect::<Vec<_>>();
    assert_eq!(totals(&looked), totals(&alone));
    assert_eq!(weights(&place.at("looked")), weights(&place.at("alone")));
}

#[test]
fn imitation_moves_the_student_and_trains_its_adapters() {
    let place = Place::new();
    let lambda = |lambda| ImitationConfig { lambda, ..place.config().imitation };
    let imitation = lambda(Lambda::Fixed(0.1));
    let run = steps(&place.run(RunConfig { imitation, ..place.config() }, "with").expect("a run"));
    place.run(RunConfig { teacher: None, ..place.config() }, "without").expect("a run");
    assert_ne!(weights(&place.at("with")), weights(&place.at("without")));
    for step in &run {
        for (weighed, distance) in step.imitation.iter().zip(&step.distance) {
            assert!((weighed - 0.1 * distance).abs() < 1e-12);
        }
        let parts = step.box_loss + step.objectness + step.class + step.imitation.iter().sum::<f64>();
        assert!((step.total - parts).abs() < 1e-9);
    }
    let adapter = |out: &str| fs::read(place.at(out).join("adapter.safetensors")).expect("adapters");
    let short = RunConfig { length: Length::Steps(1), imitation: lambda(Lambda::Fixed(0.1)), ..place.config() };
    place.run(short, "short").expect("a run");
    assert_ne!(adapter("with"), adapter("short"));
}

#[test]
fn lambda_is_found_from_the_two_gradients() {
    let place = Place::new();
    let imitation = ImitationConfig { lambda: Lambda::GradientRatio(0.3), ..place.config().imitation };
    let run = steps(&place.run(RunConfig { imitation, ..place.config() }, "ratio").expect("a run"));
    assert!((run[0].gradient_ratio.expect("measured") - 0.3).abs() < 1e-6, "{:?}", run[0].gradient_ratio);
    assert!(run[0].lambda > 0.0 && run.iter().all(|step| step.lambda == run[0].lambda));
}

#[test]
fn a_run_that_was_interrupted_ends_as_if_it_had_not_been() {
    let place = Place::new();
    let whole = steps(&place.run(place.config(), "whole").expect("a run"));
    let campaign = place.campaign(place.config(), "parts");
    // In the middle of an epoch, between two steps of the optimizer.
    let stopped = go(&campaign, |event, control| {
        if matches!(event, RunEvent::Step(step) if step.step == 1) {
            control.stop();
        }
    });
    let stopped = stopped.expect("a run");
    assert!(matches!(stopped.last(), Some(RunEvent::Ended(Outcome::Stopped))));
    let rest = go(&Campaign { config: RunConfig::default(), resume: true, ..campaign }, |_, _| {}).expect("the rest");
    let mut all = steps(&stopped);
    all.extend(steps(&rest));
    assert_eq!(all, whole);
    assert_eq!(weights(&place.at("parts")), weights(&place.at("whole")));
    let history = RunHistory::read(&place.at("parts")).expect("a history");
    assert_eq!(history.steps.len(), 6);
    assert_eq!(history.epochs.len(), 2);
    let epochs = |events: &[RunEvent]| events.iter().filter(|e| matches!(e, RunEvent::Epoch(_))).count();
    assert_eq!(epochs(&rest), 2);
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_spares_the_weights() {
    let place = Place::new();
    let hyp = Hyperparameters { lr0: 1e30, warmup_epochs: 0.0, ..Hyperparameters::default() };
    let config = RunConfig { hyp, teacher: None, nominal_batch: 2, ..place.config() };
    let error = place.run(config.clone(), "burst").expect_err("no loss is finite at such a rate").to_string();
    assert!(error.contains("step 1") && error.contains("loss is NaN"), "{error}");
    // The forward pass of that step met infinite weights; the batch-norms' statistics are still those of the step before.
    let state = Tensor::read_safetensors(place.at("burst/weights/resume.safetensors")).expect("a state");
    let running: Vec<_> = state.iter().filter(|(name, _)| name.contains(".running_")).collect();
    assert!(running.len() > 10);
    for (name, tensor) in running {
        assert!(bool::try_from(tensor.isfinite().all()).expect("a truth"), "{name}");
    }
    let skipping = RunConfig { non_finite: NonFinite::Skip, ..config };
    let events = place.run(skipping, "skipping").expect("steps are left out");
    assert!(events.iter().any(|event| matches!(event, RunEvent::Warning(text) if text.contains("step left out"))));
}

#[test]
fn data_that_vanish_end_the_run_with_their_name_and_keep_its_state() {
    let place = Place::new();
    let campaign = place.campaign(RunConfig { length: Length::Epochs(50), ..place.config() }, "yanked");
    let images = place.at("data/images/train");
    let hidden = place.at("hidden");
    let outcome = go(&campaign, |event, _| {
        if matches!(event, RunEvent::Saved { .. }) && images.exists() {
            fs::rename(&images, &hidden).expect("a rename");
            // Decoded pictures are kept, so only a run that reads again notices.
        }
    });
    match outcome {
        Err(error) => assert!(error.to_string().contains("images/train"), "{error}"),
        Ok(events) => assert_eq!(steps(&events).len(), 150, "all pictures were in memory"),
    }
    assert!(campaign.out.join("weights/resume.safetensors").exists());
    assert!(!weights(&campaign.out).is_empty());
}

#[test]
fn a_folder_that_holds_a_run_is_not_written_over() {
    let place = Place::new();
    let short = RunConfig { length: Length::Steps(1), teacher: None, ..place.config() };
    place.run(short.clone(), "once").expect("a run");
    let before = fs::read(place.at("once/weights/last.safetensors")).expect("weights");
    let error = place.run(short, "once").expect_err("the folder is taken").to_string();
    assert!(error.contains("already holds a run"), "{error}");
    assert_eq!(fs::read(place.at("once/weights/last.safetensors")).expect("weights"), before);
}

#[test]
fn twins_share_their_data_and_are_compared() {
    let place = Place::new();
    let campaign = Campaign {
        paired: true,
        seeds: 2,
        ..place.campaign(RunConfig { length: Length::Steps(3), ..place.config() }, "pairs")
    };
    let mut first_losses: BTreeMap<RunId, f64> = BTreeMap::new();
    let control = RunControl::default();
    campaign::run(&campaign, &control, &mut |id, event| {
        if let RunEvent::Step(step) = event {
            first_losses.entry(id).or_insert(step.box_loss + step.objectness + step.class);
        }
    })
    .expect("four runs");
    let losses: Vec<f64> = first_losses.values().copied().collect();
    assert_eq!(losses.len(), 4);
    // Before the first step of the optimizer the twins see the same batch with the same weights.
    assert_eq!((losses[0], losses[2]), (losses[1], losses[3]));
    assert_ne!(losses[0], losses[2]);
    let text = fs::read_to_string(place.at("pairs/comparison.json")).expect("a comparison");
    let comparison: Comparison = serde_json::from_str(&text).expect("its json");
    assert_eq!(comparison.runs.len(), 4);
    assert!(comparison.difference.is_some() && comparison.spread.is_some());
}

#[test]
fn a_trained_student_is_a_checkpoint_with_the_datas_classes() {
    let place = Place::new();
    let file = checkpoint::open(&place.at("teacher/weights/last.safetensors")).expect("a checkpoint");
    assert_eq!(file.model.names, ["even", "odd"]);
    let (network, report) = Network::load(&file, Device::Cpu).expect("a network");
    assert!(report.is_complete(), "{report}");
    assert_eq!(network.scales()[0].anchors[0], [10.0, 13.0]);
    let config: RunConfig =
        toml::from_str(&fs::read_to_string(place.at("teacher/config.toml")).expect("a config")).expect("its toml");
    assert_eq!(config.student, place.at("teacher.yaml"));
    // The student for other classes: what does not fit is drawn, the rest is kept.
    let names = ["a", "b", "c"].map(str::to_owned);
    let (other, report) = Network::load_for_classes(&file, &names, 1, Device::Cpu).expect("a network");
    assert_eq!(report.mismatched.len(), 6);
    let same = |name: &str| other.var_store().variables()[name].equal(&network.var_store().variables()[name]);
    assert!(same("model.1.conv.weight") && other.var_store().variables()["model.5.m.0.bias"].size() == [24]);
}

/// `kill -9` at any moment, again and again: what is resumed ends where a run that nobody killed ends.
#[test]
fn a_run_that_is_killed_goes_on_to_the_same_weights() {
    let place = Place::new();
    let config = RunConfig { length: Length::Epochs(16), ..place.config() };
    place.run(config.clone(), "whole").expect("a run");
    let file = place.at("killed.toml");
    fs::write(&file, toml::to_string(&config).expect("toml")).expect("a config");
    let out = place.at("killed");
    let (mut killed, mut resumed) = (0, 0);
    for attempt in 0_u64..200 {
        let has_begun = out.join("config.toml").exists();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_distillscope"));
        command.arg("train").stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        if has_begun {
            resumed += usize::from(out.join("weights/resume.safetensors").exists());
            command.arg("--resume").arg(&out);
        } else {
            command.arg("--config").arg(&file).arg("--out").arg(&out);
        }
        let mut child = command.spawn().expect("the program");
        // Every moment has its turn, from the first files to the last checkpoint; later tries get further.
        let patience = std::time::Duration::from_millis(60 + attempt * 37 % 400 + 20 * attempt);
        let begin = std::time::Instant::now();
        let ended = loop {
            match child.try_wait().expect("a state") {
                Some(status) => break Some(status),
                None if begin.elapsed() > patience => break None,
                None => std::thread::sleep(std::time::Duration::from_millis(2)),
            }
        };
        match ended {
            Some(status) => {
                assert!(status.success(), "attempt {attempt}: {status}");
                break;
            }
            None => {
                child.kill().expect("a kill");
                child.wait().expect("its end");
                killed += 1;
            }
        }
        // Whatever is there is whole.
        for name in ["last", "best"] {
            let written = out.join("weights").join(name).with_extension("safetensors");
            if written.exists() {
                checkpoint::open(&written).expect("a whole checkpoint");
            }
        }
    }
    assert!(killed > 2 && resumed > 0, "killed {killed} times, resumed {resumed} times");
    assert_eq!(weights(&out), weights(&place.at("whole")));
    assert_eq!(RunHistory::read(&out).expect("a history").steps.len(), 48);
}

#[test]
fn a_damaged_picture_is_left_out_of_the_evaluation_and_named_once() {
    let place = Place::new();
    let picture = place.at("data/images/val/1.png");
    let whole = fs::read(&picture).expect("a picture");
    fs::write(&picture, &whole[..whole.len() - 40]).expect("half a picture");
    let events = place.run(place.config(), "damaged").expect("a run");
    let warnings: Vec<&String> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Warning(text) => Some(text),
            _ => None,
        })
        .filter(|text| text.contains("left out of the evaluation"))
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("1.png"), "{warnings:?}");
    let evaluated = events.iter().filter_map(|event| match event {
        RunEvent::Epoch(epoch) => epoch.evaluation.as_ref(),
        _ => None,
    });
    // Only the other picture, with its one ground truth, is counted.
    assert!(evaluated.map(|e| (e.images, e.labels)).all(|counted| counted == (1, 1)));
}
