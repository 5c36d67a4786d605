//! A run as a folder for YOLOv5's own trainer: weights, settings, a probe that proves the same arithmetic, and the program
//! that adds the imitation there (`assets/handover/launch.py`).

mod manifest;
mod probe;

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::config::{Amp, Lambda, RunConfig};
use super::folder::RunFolder;
use super::gradients::{gradients_of, norm};
use super::output::write_pt_student;
use super::plan::RunPlan;
use super::record::{RunTables, STEPS};
use super::schedule::Schedule;
use super::trainer::Trainer;
use super::{TrainError, average};
use crate::dataset::{Batches, DataYaml, DatasetError, Split, TrainBatch};
use crate::files::atomic::{self, WriteError};
use crate::files::{self, tensors};
use crate::yolo::checkpoint::{self, Checkpoint, CheckpointError, Format};
use crate::yolo::network::Network;
pub use manifest::{LambdaOrigin, LambdaSteps, Manifest, SCHEMA};

const LAUNCH: &str = include_str!("../../../assets/handover/launch.py");
const README: &str = include_str!("../../../assets/handover/README.md");
/// Images of the probe, at most: enough for unequal shares, few enough that a laptop checks it in seconds.
const PROBE_IMAGES: usize = 8;

pub type Progress<'a> = dyn FnMut(&str, Option<f32>) -> ControlFlow<()> + 'a;

/// The run in whose folder a config lies, if λ can be taken from it: it ended, and was asked for the same.
pub fn finished_run(config_file: &Path, config: &RunConfig) -> Option<RunTables> {
    let folder = config_file.parent()?;
    if !folder.join(STEPS).is_file() || RunFolder::new(folder).read_config().ok()? != *config {
        return None;
    }
    RunTables::read(folder).ok()
}

/// Writes the folder `out`, whole or not at all; `None` where `progress` broke it off. An error where `out` holds anything, or
/// where YOLOv5 could not load the models. history: of the run that λ is taken from; without one a gradient ratio's λ is
/// measured on the first batch, and stays.
pub fn write(
    config: &RunConfig,
    history: Option<&RunTables>,
    out: &Path,
    progress: &mut Progress<'_>,
) -> Result<Option<Manifest>, TrainError> {
    let whole = std::path::absolute(out).map_err(|cause| unwritable(out, cause))?;
    check_free(&whole)?;
    let parent = whole.parent().unwrap_or(Path::new("/"));
    let Some(teacher) = &config.teacher else {
        return Err(TrainError::Config(
            "a hand-over needs a teacher: without one there is nothing to add to YOLOv5".to_owned(),
        ));
    };
    check_loads(&checkpoint::open(teacher)?, "teacher")?;
    if config.student.is_file() {
        check_loads(&checkpoint::open(&config.student)?, "student")?;
    }
    // Contiguous and float32: what the probe is computed with, there and here.
    let config = RunConfig { channels_last: Some(false), amp: Amp::Off, ..config.clone() };
    let Some(plan) = RunPlan::make(&config, true, progress)? else { return Ok(None) };

    fs::create_dir_all(parent).map_err(|cause| unwritable(parent, cause))?;
    let beside = tempfile::Builder::new()
        .prefix(".distillscope-")
        .tempdir_in(parent)
        .map_err(|cause| unwritable(parent, cause))?;
    let folder = beside.path().join("handover");
    fs::create_dir(&folder).map_err(|cause| unwritable(&folder, cause))?;
    let Some(manifest) = fill(&folder, plan, history, teacher, progress)? else { return Ok(None) };
    check_free(&whole)?;
    // An empty folder gives way; anything that came in between does not.
    fs::rename(&folder, &whole).map_err(|cause| unwritable(&whole, cause))?;
    Ok(Some(manifest))
}

fn unwritable(path: &Path, cause: io::Error) -> TrainError {
    WriteError { path: path.to_owned(), cause }.into()
}

/// That a folder is not there, or empty.
fn check_free(out: &Path) -> Result<(), TrainError> {
    match fs::read_dir(out).map(|mut inside| inside.next().is_some()) {
        Ok(true) => Err(TrainError::Config(format!(
            "{}: holds something already; a hand-over needs a new or an empty folder",
            out.display()
        ))),
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(unwritable(out, cause)),
        _ => Ok(()),
    }
}

/// That YOLOv5 loads a checkpoint, without running anything that is not its own.
fn check_loads(file: &Checkpoint, who: &str) -> Result<(), TrainError> {
    if file.format != Format::PyTorch {
        return Err(TrainError::Config(format!(
            "{}: is {}; YOLOv5 loads the {who} from a .pt alone",
            file.path.display(),
            file.format
        )));
    }
    Ok(checkpoint::check_lender(file)?)
}

/// The bytes alone: a file that may not be written stays one that may be deleted.
fn copy(from: &Path, to: &Path) -> Result<(), TrainError> {
    let mut source = files::open(from, u64::MAX).map_err(DatasetError::from)?;
    atomic::write_with(to, |file| io::copy(&mut source, file).map(drop))?;
    Ok(())
}

/// Every file of the folder.
fn fill(
    folder: &Path,
    plan: RunPlan,
    history: Option<&RunTables>,
    teacher: &Path,
    progress: &mut Progress<'_>,
) -> Result<Option<Manifest>, TrainError> {
    let at = |name: &str| folder.join(name);
    let Some(source) = &plan.student.source else {
        return Err(TrainError::Config(format!(
            "{}: YOLOv5 loads the student from a .pt with the data's classes alone; train it a little with YOLOv5 first",
            plan.config.student.display()
        )));
    };
    write_pt_student(&plan.student.network, source, &at("student.pt"))?;
    // What is computed here is computed with the weights that are handed over, rounded as the file rounds them.
    let file = checkpoint::open(&at("student.pt"))?;
    let (written, _) = Network::load_for_classes(&file, plan.student.network.names(), plan.config.seed, plan.device)?;
    average::copy(&written, &plan.student.network)?;
    copy(teacher, &at("teacher.pt"))?;

    let mut trainer = Trainer::new(plan)?;
    if trainer.start(&mut |done| progress("fitting the adapters", Some(done)))?.is_break()
        || progress("computing the probe", None).is_break()
    {
        return Ok(None);
    }
    let distiller = trainer.distiller().ok_or_else(|| TrainError::Config("there is no teacher".to_owned()))?;
    let mut files = vec!["teacher.pt", "student.pt", "probe.safetensors"];
    if distiller.has_adapters() {
        distiller.write_adapters(&at(manifest::ADAPTER))?;
        files.push(manifest::ADAPTER);
    }
    let batch = first_batch(&trainer)?;
    let probe = probe::compute(&trainer, distiller, &batch.first(PROBE_IMAGES))?;
    tensors::write(&at("probe.safetensors"), &probe, &Default::default())?;
    if progress("measuring lambda", None).is_break() {
        return Ok(None);
    }
    let lambda = lambda_of(&trainer, &batch, history)?;

    let mut hashes = std::collections::BTreeMap::new();
    for name in files {
        hashes.insert(name.to_owned(), sha256(&at(name))?);
    }
    let manifest = Manifest::of(&trainer, distiller, lambda, hashes)?;
    let text = |name: &str, text: String| atomic::write(&at(name), text.as_bytes());
    text("hyp.yaml", hyp_yaml(&trainer.plan.config, manifest.training.epochs))?;
    text("data.yaml", data_yaml(&trainer.plan.config.data, &trainer.plan.train.names)?)?;
    text("README.md", manifest.fill(README))?;
    text("launch.py", LAUNCH.to_owned())?;
    atomic::write_json(&at("distil.json"), &manifest)?;
    Ok(Some(manifest))
}

/// The first batch of the run, as it is trained on.
fn first_batch(trainer: &Trainer) -> Result<TrainBatch, TrainError> {
    let count = trainer.plan.train.samples.len();
    let size = trainer.plan.config.batch.min(count.max(1));
    let mut batches = trainer.batches(size, 0, 0, 0)?;
    for _ in 0..Batches::per_epoch(count, size) {
        let batch = batches.next_batch()?;
        if !batch.images.is_empty() {
            return Ok(batch);
        }
    }
    Err(TrainError::Config("no training image can be read".to_owned()))
}

/// λ at every step of the optimizer.
fn lambda_of(trainer: &Trainer, batch: &TrainBatch, history: Option<&RunTables>) -> Result<LambdaSteps, TrainError> {
    let (schedule, steps) = (&trainer.schedule, trainer.plan.steps);
    if let Some(history) = history.filter(|history| history.steps.len() as u64 == steps) {
        let stepped = history.steps.iter().filter(|record| record.gradient_norm.is_some());
        let per_step: Vec<f64> = stepped.map(|record| record.lambda).collect();
        if !per_step.is_empty() && per_step.iter().all(|lambda| lambda.is_finite()) {
            return Ok(LambdaSteps { from: LambdaOrigin::Run, per_step });
        }
    }
    let (from, lambda) = match trainer.plan.config.imitation.lambda {
        Lambda::Fixed(lambda) => (LambdaOrigin::Fixed, lambda),
        Lambda::GradientRatio(0.0) => (LambdaOrigin::GradientRatio, 0.0),
        Lambda::GradientRatio(ratio) => {
            let objective = trainer.objective(batch, true)?;
            let parameters: Vec<_> = trainer.parameters().iter().map(|p| p.tensor.shallow_clone()).collect();
            let own: Vec<_> = parameters.iter().take(trainer.own_parameters()).collect();
            let imitation = match objective.imitation()? {
                Some(loss) => norm(&gradients_of(&loss, &own, true)?)?,
                None => 0.0,
            };
            let lambda = ratio * norm(&gradients_of(&objective.detection()?, &own, false)?)? / imitation;
            if !(lambda.is_finite() && lambda > 0.0) {
                return Err(TrainError::Config(format!(
                    "no lambda gives the gradient ratio {ratio}: on the first batch the imitation's gradient is {imitation}; \
                     preflight says why, or give --lambda"
                )));
            }
            (LambdaOrigin::GradientRatio, lambda)
        }
    };
    Ok(LambdaSteps { from, per_step: per_step(schedule, steps, lambda) })
}

/// λ's envelope at the batches after which the optimizer steps.
fn per_step(schedule: &Schedule, steps: u64, lambda: f64) -> Vec<f64> {
    let (mut last, mut found) = (None, Vec::new());
    for step in 0..steps {
        let gathered = last.map_or(step + 1, |last| step - last);
        if gathered >= schedule.accumulate(step) {
            found.push(lambda * schedule.lambda_share(step));
            last = Some(step);
        }
    }
    if found.is_empty() {
        found.push(lambda * schedule.lambda_share(0));
    }
    found
}

fn sha256(path: &Path) -> Result<String, TrainError> {
    let failed = |cause| TrainError::from(CheckpointError::Read { path: path.to_owned(), cause });
    let mut digest = Sha256::new();
    io::copy(&mut files::open(path, u64::MAX)?, &mut digest).map_err(failed)?;
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// YOLOv5 counts its warm-up in epochs alone.
fn hyp_yaml(config: &RunConfig, epochs: u64) -> String {
    let mut hyp = config.hyp.clone();
    if config.warmup_share > 0.0 {
        hyp.warmup_epochs = config.warmup_share * epochs as f64;
    }
    let values = serde_json::to_value(&hyp).unwrap_or_default();
    let lines = values.as_object().into_iter().flatten().map(|(name, value)| format!("{name}: {value}\n"));
    lines.collect()
}

/// The splits under the folder that holds them all, so that one line is to be changed on another machine.
fn data_yaml(file: &Path, names: &[String]) -> Result<String, TrainError> {
    let data = DataYaml::load(file)?;
    let mut splits = Vec::new();
    for split in Split::ALL.into_iter().filter(|split| data.has(*split)) {
        let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        match data.sources(split) {
            Ok(sources) => splits.push((split, sources.iter().map(whole).collect::<Vec<_>>())),
            Err(_) if split == Split::Test => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !splits.iter().any(|(split, _)| *split == Split::Val) {
        let train = splits.first().map_or_else(Vec::new, |(_, sources)| sources.clone());
        splits.push((Split::Val, train));
    }
    let root = splits.iter().flat_map(|(_, sources)| sources).filter_map(|path| path.parent().map(Path::to_path_buf));
    let root = root.reduce(|a, b| common(&a, &b)).unwrap_or_default();
    // A string of JSON is one of YAML.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = format!("path: {}\n", quoted(&root.to_string_lossy()));
    for (split, sources) in &splits {
        let places = sources.iter().map(|path| quoted(&path.strip_prefix(&root).unwrap_or(path).to_string_lossy()));
        text += &match places.collect::<Vec<_>>().as_slice() {
            [one] => format!("{split}: {one}\n"),
            several => format!("{split}: [{}]\n", several.join(", ")),
        };
    }
    let names = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    Ok(format!("{text}nc: {}\nnames: [{names}]\n", data.names.len()))
}

fn common(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(part, _): (Component<'_>, _)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::{Decay, ImitationConfig, Length, Recipe};

    /// Eight batches of 16, of which two make a step: λ = 2 · (1 − t / 8) after batches 1, 3, 5, 7.
    #[test]
    fn lambda_is_told_at_the_optimizers_steps() {
        let imitation = ImitationConfig { decay: Decay::Linear, ..ImitationConfig::default() };
        let config = RunConfig { batch: 16, nominal_batch: 32, warmup_share: 0.0, imitation, ..RunConfig::default() };
        let mut config = RunConfig { length: Length::Steps(8), ..config };
        config.hyp.warmup_epochs = 0.0;
        let two = per_step(&Schedule::new(&config, 8, 4), 8, 2.0);
        assert_eq!(two, [1.75, 1.25, 0.75, 0.25]);
        config.nominal_batch = 0;
        assert_eq!(per_step(&Schedule::new(&config, 4, 4), 4, 2.0), [2.0, 1.5, 1.0, 0.5]);
        config.imitation.stop_step = Some(2);
        assert_eq!(per_step(&Schedule::new(&config, 4, 4), 4, 2.0), [2.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_share_of_the_steps_becomes_epochs() {
        let short = RunConfig { length: Length::Epochs(20), ..RunConfig::default() };
        let text = hyp_yaml(&short, 20);
        assert!(text.contains("\nwarmup_epochs: 2.0\n") && text.contains("\nbox: 0.05\n"), "{text}");
        let long = hyp_yaml(&short.with_recipe(Recipe::Yolov5), 20);
        assert!(long.contains("\nwarmup_epochs: 3.0\n") && long.contains("\nlr0: 0.01\n"), "{long}");
    }

    #[test]
    fn splits_lie_under_one_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["set/train/images", "set/more/images", "set/val/images"] {
            fs::create_dir_all(at(name)).expect("a folder");
        }
        let text = "path: set\ntrain: [train/images, more/images]\nval: val/images\nnames: [a, 'b: c']\n";
        fs::write(at("d.yaml"), text).expect("a file");
        let written = data_yaml(&at("d.yaml"), &["a".into(), "b: c".into()]).expect("a yaml");
        let root = at("set").canonicalize().expect("a folder");
        let wanted = format!(
            "path: \"{}\"\ntrain: [\"train/images\", \"more/images\"]\nval: \"val/images\"\nnc: 2\nnames: [\"a\", \"b: c\"]\n",
            root.display()
        );
        assert_eq!(written, wanted);
        // It is read back as what it was.
        fs::write(at("e.yaml"), &written).expect("a file");
        let again = DataYaml::load(&at("e.yaml")).expect("a data.yaml");
        assert_eq!(again.sources(Split::Val).expect("a folder"), [root.join("val/images")]);
    }
}
