//! Whole runs on a data set of five small pictures: what is repeatable is repeated bit for bit, what can go wrong goes
//! wrong without loss.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use distillscope::dataset::{DataYaml, Samples, Split};
use distillscope::imitation::loss::Loss;
use distillscope::train::TrainError;
use distillscope::train::comparison::{Comparison, RunResult};
use distillscope::train::config::{
    AdapterStart, Decay, Experiment, ImitationConfig, Lambda, Length, NonFinite, Recipe, RunConfig,
};
use distillscope::train::evaluate::{EvaluateOptions, evaluate};
use distillscope::train::event::{Outcome, RunControl, RunEvent, RunId, StepRecord, Variant};
use distillscope::train::experiment;
use distillscope::train::hyp::Hyperparameters;
use distillscope::train::plan::RunPlan;
use distillscope::train::preview::{BatchRequest, Previews};
use distillscope::train::record::RunTables;
use distillscope::train::trainer::Trainer;
use distillscope::train::verdict::Says;
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
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        place.pictures("train", 5);
        place.pictures("val", 2);
        let data = "path: .\ntrain: images/train\nval: images/val\nnames: [even, odd]\n";
        fs::write(place.at("data/data.yaml"), data).expect("data.yaml");
        fs::write(place.at("student.yaml"), YAML.replace("WIDTH", "0.125")).expect("a yaml");
        fs::write(place.at("teacher.yaml"), YAML.replace("WIDTH", "0.25")).expect("a yaml");
        let config = RunConfig { student: place.at("teacher.yaml"), teacher: None, ..place.config() };
        place.run(config, "teacher").expect("a teacher");
        place
    }

    /// Pictures of a split with their labels.
    pub fn pictures(&self, split: &str, count: u32) {
        let (images, labels) = (self.at(&format!("data/images/{split}")), self.at(&format!("data/labels/{split}")));
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

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> RunConfig {
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

    pub fn experiment(&self, config: RunConfig, out: &str) -> Experiment {
        Experiment { config, out: self.at(out), paired: false, seeds: 1, resume: false }
    }

    pub fn run(&self, config: RunConfig, out: &str) -> Result<Vec<RunEvent>, TrainError> {
        go(&self.experiment(config, out), |_, _| {})
    }
}

/// Runs a experiment; `watch` sees every event and may reach for the control.
pub fn go(experiment: &Experiment, mut watch: impl FnMut(&RunEvent, &RunControl)) -> Result<Vec<RunEvent>, TrainError> {
    let control = RunControl::default();
    let mut events = Vec::new();
    experiment::run(experiment, &control, &mut |_: RunId, event| {
        watch(&event, &control);
        events.push(event);
    })?;
    Ok(events)
}

pub fn steps(events: &[RunEvent]) -> Vec<StepRecord> {
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

/// A trainer whose λ is 0 looks at the distances and learns what one without a teacher learns. A whole run is not made of it.
#[test]
fn what_is_not_weighed_changes_no_weight() {
    let place = Place::new();
    let lambda = Lambda::Fixed(0.0);
    let config = RunConfig { imitation: ImitationConfig { lambda, ..place.config().imitation }, ..place.config() };
    let learned = |with_teacher| {
        let plan = RunPlan::make(&config, with_teacher, &mut |_, _| ControlFlow::Continue(())).expect("a plan");
        let mut trainer = Trainer::new(plan.expect("not stopped")).expect("a learner");
        let mut batches = trainer.batches(config.batch, 0, 0, 0).expect("batches");
        let mut records = Vec::new();
        for step in 0..6 {
            let (batch, rates) = (batches.next_batch().expect("a batch"), trainer.schedule.rates(step));
            let mut record = StepRecord { step, ..StepRecord::default() };
            assert_eq!(trainer.learn(&batch, &rates, &mut record).expect("a step"), None);
            records.push(record);
        }
        let numbers = |tensor: Tensor| -> Vec<u32> {
            Vec::<f32>::try_from(tensor.detach().view([-1])).expect("floats").into_iter().map(f32::to_bits).collect()
        };
        let variables = trainer.student().var_store().variables().into_iter();
        (records, variables.map(|(name, tensor)| (name, numbers(tensor))).collect::<BTreeMap<_, _>>())
    };
    let ((looked, with), (alone, without)) = (learned(true), learned(false));
    for step in &looked {
        // A scale without a cell has no distance.
        for (cells, distance) in step.mask_cells.iter().zip(&step.distance) {
            assert_eq!(*cells > 0, distance.is_some_and(|distance| distance > 0.0));
        }
    }
    assert!(looked[0].distance[0].expect("cells") > 0.0);
    let totals = |steps: &[StepRecord]| steps.iter().map(|step| step.total).collect::<Vec<_>>();
    assert_eq!(totals(&looked), totals(&alone));
    assert_eq!(with, without);
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
            assert!((weighed - 0.1 * distance.unwrap_or(0.0)).abs() < 1e-12);
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
    let experiment = place.experiment(place.config(), "parts");
    // In the middle of an epoch, between two steps of the optimizer.
    let stopped = go(&experiment, |event, control| {
        if matches!(event, RunEvent::Step(step) if step.step == 1) {
            control.stop();
        }
    });
    let stopped = stopped.expect("a run");
    assert!(matches!(stopped.last(), Some(RunEvent::Ended(Outcome::Stopped))));
    let rest =
        go(&Experiment { config: RunConfig::default(), resume: true, ..experiment }, |_, _| {}).expect("the rest");
    let mut all = steps(&stopped);
    all.extend(steps(&rest));
    assert_eq!(all, whole);
    assert_eq!(weights(&place.at("parts")), weights(&place.at("whole")));
    let history = RunTables::read(&place.at("parts")).expect("a history");
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
    let experiment = place.experiment(RunConfig { length: Length::Epochs(50), ..place.config() }, "yanked");
    let images = place.at("data/images/train");
    let hidden = place.at("hidden");
    let outcome = go(&experiment, |event, _| {
        if matches!(event, RunEvent::Saved { .. }) && images.exists() {
            fs::rename(&images, &hidden).expect("a rename");
            // Decoded pictures are kept, so only a run that reads again notices.
        }
    });
    match outcome {
        Err(error) => assert!(error.to_string().contains("images/train"), "{error}"),
        Ok(events) => assert_eq!(steps(&events).len(), 150, "all pictures were in memory"),
    }
    assert!(experiment.out.join("weights/resume.safetensors").exists());
    assert!(!weights(&experiment.out).is_empty());
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
    let experiment = Experiment {
        paired: true,
        seeds: 2,
        ..place.experiment(RunConfig { length: Length::Steps(3), ..place.config() }, "pairs")
    };
    let mut first_losses: BTreeMap<RunId, f64> = BTreeMap::new();
    let control = RunControl::default();
    experiment::run(&experiment, &control, &mut |id, event| {
        if let RunEvent::Step(step) = event {
            first_losses.entry(id).or_insert(step.box_loss + step.objectness + step.class);
        }
    })
    .expect("four runs");
    let losses: Vec<f64> = first_losses.values().copied().collect();
    assert_eq!(losses.len(), 4);
    // Before the first step of the optimizer imitation and baseline see the same batch with the same weights.
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
    assert_eq!(RunTables::read(&out).expect("a history").steps.len(), 48);
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

/// The stages that were announced, each run's in order and once.
fn stages(experiment: &Experiment) -> (Vec<(RunId, String)>, Vec<RunId>) {
    let (mut stages, mut stepping) = (Vec::new(), Vec::new());
    experiment::run(experiment, &RunControl::default(), &mut |id, event| match event {
        RunEvent::Stage { what, .. } if !stages.contains(&(id, what.clone())) => stages.push((id, what)),
        RunEvent::Step(_) if !stepping.contains(&id) => stepping.push(id),
        _ => {}
    })
    .expect("its runs");
    (stages, stepping)
}

fn comparison(folder: &Path) -> Comparison {
    let text = fs::read_to_string(folder.join("comparison.json")).expect("a comparison");
    serde_json::from_str(&text).expect("its json")
}

const IMITATION: RunId = RunId { seed: 3, variant: Variant::Imitation };
const BASELINE: RunId = RunId { seed: 3, variant: Variant::Baseline };

/// mAP of a checkpoint, as `val` would find it.
fn accuracy(weights: &Path, data: &Path, split: Split) -> (f64, f64) {
    let (network, _) =
        Network::load(&checkpoint::open(weights).expect("a checkpoint"), Device::Cpu).expect("a network");
    let data = DataYaml::load(data).expect("data");
    let samples = Samples::load(&data, split, &mut |_, _| ControlFlow::Continue(())).expect("samples");
    let options = EvaluateOptions { imgsz: 64, batch: 4, losses: None };
    let found = evaluate(&network, &samples, &options, &mut |_, _| ControlFlow::Continue(())).expect("figures");
    let found = found.expect("nobody breaks it off");
    (found.map50, found.map50_95)
}

#[test]
fn the_start_is_measured_once_and_handed_to_the_other_runs() {
    let place = Place::new();
    let measured = |stages: &[(RunId, String)], what: &str| -> Vec<RunId> {
        stages.iter().filter(|(_, stage)| stage == what).map(|(id, _)| *id).collect()
    };
    let config = RunConfig { length: Length::Steps(1), ..place.config() };
    let pairs = |config, out| Experiment { paired: true, seeds: 2, ..place.experiment(config, out) };
    // From a checkpoint every run starts alike.
    let checkpoint = place.at("teacher/weights/last.safetensors");
    let same = RunConfig { student: checkpoint.clone(), ..config.clone() };
    let (found, _) = stages(&pairs(same, "same"));
    assert_eq!(measured(&found, "evaluating the student as it starts"), [IMITATION]);
    assert_eq!(measured(&found, "evaluating the teacher"), [IMITATION]);
    let expected = accuracy(&checkpoint, &place.at("data/data.yaml"), Split::Val);
    for run in ["imitation-3", "baseline-3", "imitation-4", "baseline-4"] {
        let start = RunTables::read(&place.at("same").join(run)).expect("a history").start.expect("a start");
        assert_eq!((start.student.map50, start.student.map50_95), expected, "{run}");
        assert_eq!((start.student.images, start.student.labels), (2, 2));
        assert_eq!(start.teacher.is_some(), run.starts_with("imitation"), "{run}");
    }
    let results = comparison(&place.at("same")).runs;
    for result in &results {
        let before = result.before.expect("a start");
        assert_eq!((before.map50, before.map50_95), expected);
        assert_eq!(
            result.teacher,
            (result.variant == Some(Variant::Imitation)).then_some(before),
            "the teacher is the student"
        );
        assert_eq!(result.last.map(|last| last.map50), Some(result.map50));
    }
    // Weights that are drawn are those of the seed.
    let (found, _) = stages(&pairs(config.clone(), "drawn"));
    let fourth = RunId { seed: 4, variant: Variant::Imitation };
    assert_eq!(measured(&found, "evaluating the student as it starts"), [IMITATION, fourth]);
    assert_eq!(measured(&found, "evaluating the teacher"), [IMITATION]);
    // And nothing where nobody wants to know.
    let (found, _) = stages(&place.experiment(RunConfig { evaluate_start: false, ..config }, "silent"));
    assert_eq!(measured(&found, "evaluating the student as it starts"), []);
    assert_eq!(RunTables::read(&place.at("silent")).expect("a history").start, None);
}

#[test]
fn a_run_that_is_stopped_before_its_first_step_goes_on_as_if_it_had_not_been() {
    let place = Place::new();
    let whole = steps(&place.run(place.config(), "whole").expect("a run"));
    for (index, stage) in ["evaluating the teacher", "fitting the adapters"].into_iter().enumerate() {
        let experiment = place.experiment(place.config(), &format!("parts-{index}"));
        let stopped = go(&experiment, |event, control| {
            if matches!(event, RunEvent::Stage { what, .. } if what == stage) {
                control.stop();
            }
        });
        let stopped = stopped.expect("a run");
        assert!(matches!(stopped.last(), Some(RunEvent::Ended(Outcome::Stopped))), "{stage}");
        assert_eq!(experiment.out.join("start.json").exists(), stage == "fitting the adapters");
        let measured = std::cell::Cell::new(false);
        let rest = go(&Experiment { resume: true, ..experiment.clone() }, |event, _| {
            measured.set(
                measured.get() || matches!(event, RunEvent::Stage { what, .. } if what == "evaluating the teacher"),
            );
        });
        assert_eq!(steps(&rest.expect("the rest")), whole, "{stage}");
        assert_eq!(measured.get(), stage == "evaluating the teacher", "what is on disk is not measured again");
        assert_eq!(weights(&experiment.out), weights(&place.at("whole")));
        assert!(RunTables::read(&experiment.out).expect("a history").start.is_some());
    }
}

#[test]
fn a_result_is_whole_although_its_run_was_interrupted() {
    let place = Place::new();
    place.run(place.config(), "whole").expect("a run");
    let experiment = place.experiment(place.config(), "parts");
    // While the first epoch's end is evaluated, within the second, and while that one's end is.
    for stop_at in [2, 3, 5] {
        let resume = experiment.out.join("config.toml").exists();
        let stopped = go(&Experiment { resume, ..experiment.clone() }, |event, control| {
            if matches!(event, RunEvent::Step(step) if step.step == stop_at) {
                control.stop();
            }
        });
        assert!(matches!(stopped.expect("a run").last(), Some(RunEvent::Ended(Outcome::Stopped))));
    }
    go(&Experiment { resume: true, ..experiment.clone() }, |_, _| {}).expect("the rest");
    let result = |folder: &Path| -> RunResult {
        serde_json::from_str(&fs::read_to_string(folder.join("result.json")).expect("a result")).expect("its json")
    };
    let (whole, parts) = (result(&place.at("whole")), result(&experiment.out));
    let epochs = |folder: &Path| -> Vec<(u64, u64)> {
        let history = RunTables::read(folder).expect("a history");
        history.epochs.iter().map(|epoch| (epoch.step, epoch.mean.mask_cells.iter().sum())).collect()
    };
    assert_eq!((epochs(&experiment.out), epochs(&place.at("whole")).len()), (epochs(&place.at("whole")), 2));
    assert!(parts.seconds > 0.0 && parts.before.is_some() && parts.before == whole.before);
    // The table of epochs keeps five digits.
    let first = whole.distance_of_first_epoch.expect("a distance");
    assert!((parts.distance_of_first_epoch.expect("a distance") - first).abs() < 1e-4 * first);
    let rounded = |result: &RunResult| RunResult {
        seconds: 0.0,
        distance_of_first_epoch: None,
        best_map50_95: 0.0,
        best: None,
        ..result.clone()
    };
    assert_eq!(rounded(&parts), rounded(&whole));
    assert_eq!(parts.best.map(|best| best.epoch), whole.best.map(|best| best.epoch));
}

/// Of one picture a batch: the one without an object has no cell at any scale.
#[test]
fn a_scale_without_cells_has_no_distance() {
    let place = Place::new();
    let hyp = Hyperparameters::default().without_augmentation();
    let imitation = ImitationConfig { lambda: Lambda::Fixed(0.1), ..place.config().imitation };
    let config = RunConfig { hyp, imitation, batch: 1, length: Length::Epochs(1), ..place.config() };
    let events = place.run(config, "run").expect("a run");
    let run = steps(&events);
    let empty: Vec<&StepRecord> = run.iter().filter(|step| step.mask_cells.iter().all(|cells| *cells == 0)).collect();
    assert_eq!((run.len(), empty.len()), (5, 1));
    assert_eq!((&empty[0].distance, &empty[0].imitation), (&vec![None; 3], &vec![0.0; 3]));
    assert!((empty[0].total - (empty[0].box_loss + empty[0].objectness + empty[0].class)).abs() < 1e-12);
    let epoch = events.iter().find_map(|event| match event {
        RunEvent::Epoch(epoch) => Some(&epoch.mean),
        _ => None,
    });
    for (scale, mean) in epoch.expect("an epoch").distance.iter().enumerate() {
        let there: Vec<f64> = run.iter().filter_map(|step| step.distance[scale]).collect();
        let expected = (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64);
        assert_eq!(mean.is_some(), expected.is_some());
        assert!((mean.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-12);
    }
    let history = RunTables::read(&place.at("run")).expect("a history");
    assert_eq!(
        history.steps.iter().map(|step| &step.distance).collect::<Vec<_>>(),
        run.iter().map(|step| &step.distance).collect::<Vec<_>>()
    );
}

#[test]
fn the_last_weights_are_measured_on_test_and_the_verdict_stands_on_it() {
    let place = Place::new();
    place.pictures("test", 3);
    let with_test = |entry: &str| {
        let data = format!("path: .\ntrain: images/train\nval: images/val\ntest: {entry}\nnames: [even, odd]\n");
        fs::write(place.at("data/data.yaml"), data).expect("data.yaml");
    };
    let short = RunConfig { length: Length::Steps(3), ..place.config() };
    with_test("images/test");
    let experiment = Experiment { paired: true, ..place.experiment(short.clone(), "tested") };
    let (found, _) = stages(&experiment);
    let tested: Vec<RunId> = found.iter().filter(|(_, what)| what == "evaluating on test").map(|(id, _)| *id).collect();
    assert_eq!(tested, [IMITATION, BASELINE]);
    for run in ["imitation", "baseline"] {
        let folder = experiment.out.join(run);
        let test = RunTables::read(&folder).expect("a history").test.expect("a test");
        let last = folder.join("weights/last.safetensors");
        assert_eq!((test.map50, test.map50_95), accuracy(&last, &place.at("data/data.yaml"), Split::Test), "{run}");
        assert_eq!((test.images, test.labels), (3, 3));
    }
    let verdict = comparison(&experiment.out).verdict.expect("a pair");
    assert_eq!((verdict.split.as_str(), verdict.n, verdict.says), ("test", 1, Says::CannotTell));

    // Stopped on the way: the run has all its steps, and its test still to come.
    let alone = place.experiment(RunConfig { teacher: None, ..short.clone() }, "alone");
    let stop = |event: &RunEvent, control: &RunControl| {
        if matches!(event, RunEvent::Stage { what, .. } if what == "evaluating on test") {
            control.stop();
        }
    };
    let events = go(&alone, stop).expect("a run");
    assert!(
        matches!(events.last(), Some(RunEvent::Ended(Outcome::Stopped))) && !alone.out.join("result.json").exists()
    );
    let events = go(&Experiment { resume: true, ..alone.clone() }, |_, _| {}).expect("the rest");
    assert!(events.iter().any(|event| matches!(event, RunEvent::Tested(_))) && steps(&events).is_empty());
    assert!(matches!(events.last(), Some(RunEvent::Ended(Outcome::Finished))));

    // What says nothing new is left out, with a word.
    fs::create_dir_all(place.at("data/images/empty")).expect("a folder");
    for (index, (entry, why)) in [
        ("images/val", "2 of the 2 images of test are in train or val too"),
        ("[images/test, images/../images/train]", "5 of the 8 images of test are in train or val too"),
        ("images/empty", "'test' has no image that can be used"),
        ("images/nowhere", "'test: images/nowhere' was not found"),
    ]
    .into_iter()
    .enumerate()
    {
        with_test(entry);
        let config = RunConfig { teacher: None, length: Length::Steps(1), ..place.config() };
        let events = place.run(config, &format!("without-{index}")).expect("a run");
        let said = |event: &&RunEvent| {
            matches!(event, RunEvent::Warning(text)
                if text.contains(why) && text.ends_with("test is not used, and a verdict stands on val"))
        };
        assert_eq!(events.iter().filter(said).count(), 1, "{entry}: {events:?}");
        assert!(!events.iter().any(|event| matches!(event, RunEvent::Tested(_))), "{entry}");
    }
}

#[test]
fn pairs_get_more_seeds_and_keep_what_is_done() {
    let place = Place::new();
    let short = RunConfig { length: Length::Steps(2), ..place.config() };
    let experiment = Experiment { paired: true, ..place.experiment(short.clone(), "pairs") };
    let (_, run) = stages(&experiment);
    assert_eq!(run, [IMITATION, BASELINE]);
    let first = comparison(&experiment.out);
    assert_eq!((first.runs.len(), first.verdict.as_ref().map(|verdict| verdict.n)), (2, Some(1)));

    // What else is asked for on resuming is what the folder says.
    let resume =
        |seeds, paired| Experiment { config: RunConfig::default(), seeds, paired, resume: true, ..experiment.clone() };
    let (found, run) = stages(&resume(3, false));
    let more = [(4, Variant::Imitation), (4, Variant::Baseline), (5, Variant::Imitation), (5, Variant::Baseline)];
    assert_eq!(run, more.map(|(seed, variant)| RunId { seed, variant }));
    assert!(!found.iter().any(|(_, what)| what == "evaluating the teacher"), "it is known from the first pair");
    let all = comparison(&experiment.out);
    assert_eq!(all.runs[..2], first.runs);
    assert_eq!(all.verdict.as_ref().map(|verdict| (verdict.n, verdict.split.as_str())), Some((3, "val")));
    let folders = ["imitation", "baseline", "imitation-4", "baseline-4", "imitation-5", "baseline-5"];
    assert!(folders.iter().all(|folder| experiment.out.join(folder).join("result.json").exists()));
    assert!(!experiment.out.join("imitation-3").exists());

    // Nothing more, then fewer.
    assert_eq!(stages(&resume(0, false)).1, []);
    assert_eq!(stages(&resume(3, true)).1, []);
    assert_eq!(comparison(&experiment.out), all);
    let error = go(&resume(2, true), |_, _| {}).expect_err("three are there").to_string();
    assert!(error.contains("pairs: has 3 seeds already; give more than that"), "{error}");

    // Seeds without baselines get them.
    let alone = Experiment { seeds: 2, ..place.experiment(short.clone(), "alone") };
    assert_eq!(stages(&alone).1.len(), 2);
    let (_, run) = stages(&Experiment { paired: true, resume: true, seeds: 0, ..alone });
    assert_eq!(run, [BASELINE, RunId { seed: 4, variant: Variant::Baseline }]);
    // A single run has no place for them.
    let single = place.experiment(short, "single");
    go(&single, |_, _| {}).expect("a run");
    let error = go(&Experiment { paired: true, resume: true, ..single }, |_, _| {}).expect_err("no pairs").to_string();
    assert!(error.contains("single: holds a single run"), "{error}");
}

/// The sample session's student knows something; a learning rate far too high makes it forget.
#[test]
fn a_student_that_ends_below_its_start_is_told_so() {
    let place = Place::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
    let config = RunConfig {
        data: sample.join("data.yaml"),
        student: sample.join("models/student.pt"),
        teacher: None,
        length: Length::Steps(2),
        imgsz: 160,
        batch: 4,
        device: "cpu".to_owned(),
        hyp: Hyperparameters { lr0: 0.1, ..Recipe::Short.hyp() },
        ..RunConfig::default()
    };
    let events = place.run(config.clone(), "ruined").expect("a run");
    let result: RunResult =
        serde_json::from_str(&fs::read_to_string(place.at("ruined/result.json")).expect("a result")).expect("its json");
    let (before, after) = (result.before.expect("a start").map50_95, result.map50_95);
    assert!(before > 0.02 && after < before / 2.0, "{before} and {after}");
    let said = format!("the student ended below its start: mAP50-95 {before:.3} before, {after:.3} after");
    assert!(events.contains(&RunEvent::Warning(said.clone())), "{said}");
    assert!(fs::read_to_string(place.at("ruined/warnings.txt")).expect("warnings").contains(&said));
    // One that learns hardly anything stays where it was.
    let quiet = RunConfig { hyp: Hyperparameters { lr0: 1e-9, ..Recipe::Short.hyp() }, ..config };
    let events = place.run(quiet, "quiet").expect("a run");
    let below = |event: &RunEvent| matches!(event, RunEvent::Warning(text) if text.contains("below its start"));
    assert!(!events.iter().any(below));
}
