//! How fast this machine is at what the program does: what a person wants to know before a talk or a long run.
//!
//! [`run`] measures each task again and again ([`clock`]) on a dataset and two models; nothing is written and no weight is
//! changed. [`loader`] measures training batches alone, without a model. Criterion's benches under `benches/` are for development: they measure parts of the program by themselves.

mod clock;
mod loader;
mod machine;
mod table;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use tch::{Device, no_grad};
use thiserror::Error;

pub use self::clock::Measurement;
use self::clock::{Clock, Task};
pub use self::loader::{LoaderReport, LoaderSetup, loader};
pub use self::machine::Machine;
use self::machine::peak_memory;
use crate::dataset::{self, Samples, TrainBatch};
use crate::device::DeviceChoice;
use crate::geometry::{BoundingBox, Letterbox, Size};
use crate::imitation::loss::Loss;
use crate::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use crate::inspect::{
    self, AdapterChoice, CompareError, CompareParts, CompareRequest, LabelSource, Scene, SceneError, SceneRequest, Tap,
};
use crate::native::{self, Precision};
use crate::train::TrainError;
use crate::train::config::{AdapterStart, Amp, ImitationConfig, Length, RunConfig, SnapshotConfig};
use crate::train::evaluate::{EvaluateOptions, evaluate};
use crate::train::event::StepRecord;
use crate::train::optimizer::Rates;
use crate::train::phases::Phase;
use crate::train::plan::{RunPlan, precision_on};
use crate::train::snapshot::{SnapshotInput, scene_of};
use crate::train::trainer::{MEASURE_EVERY, Trainer};
use crate::yolo::checkpoint;
use crate::yolo::decode::rows_above;
use crate::yolo::detection::{NmsOptions, non_max_suppression};
use crate::yolo::network::Network;

const IOU_MAPS: Task = task("iou-maps", "IoU maps of 100 boxes", 1.0, 1);
const MASK: Task = task("mask", "their mask at another psi", 1.0, 1);
const DECODE: Task = task("decode", "an image decoded and letterboxed", 2.0, 1);
/// What the threads have made in advance goes first.
const LOADER: Task = task("loader", "augmented training batches, one a thread", 4.0, 3);
const TEACHER: Task = task("teacher", "teacher forward, one image", 3.0, 1);
const STUDENT: Task = task("student", "student forward, one image", 2.0, 1);
const COMPARISON: Task = task("comparison", "an image opened in the window, both models", 4.0, 1);
const NMS: Task = task("nms", "NMS of one image at val's thresholds", 1.0, 1);
const VAL: Task = task("val", "val images evaluated", 4.0, 1);
const SNAPSHOT: Task = task("snapshot", "difference maps recorded for a replay", 2.0, 1);
const STEP_IMITATION: Task = task("step-imitation", "training step with imitation", 10.0, 1);
const STEP: Task = task("step", "training step without imitation", 8.0, 1);
/// What is measured on a GPU too, of both steps: with imitation and without.
const REDUCED: [(Amp, [Task; 2]); 2] = [
    (
        Amp::Fp16,
        [
            task("step-imitation-fp16", "training step with imitation, float16", 5.0, 1),
            task("step-fp16", "training step without imitation, float16", 4.0, 1),
        ],
    ),
    (
        Amp::Bf16,
        [
            task("step-imitation-bf16", "training step with imitation, bfloat16", 5.0, 1),
            task("step-bf16", "training step without imitation, bfloat16", 4.0, 1),
        ],
    ),
];

const EVERYWHERE: [Task; 12] =
    [IOU_MAPS, MASK, DECODE, LOADER, TEACHER, STUDENT, NMS, COMPARISON, VAL, SNAPSHOT, STEP_IMITATION, STEP];

/// Val images that one repeat evaluates.
const VAL_IMAGES: usize = 16;
/// Steps on a GPU whose phases are waited for.
const PHASE_STEPS: usize = 10;
/// Batches that the training steps take in turn.
const BATCHES: usize = 2;

const fn task(id: &'static str, what: &'static str, weight: f64, warm_ups: usize) -> Task {
    Task { id, what, weight, warm_ups }
}

#[derive(Debug, Error)]
pub enum BenchError {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error(transparent)]
    Scene(#[from] SceneError),
    #[error("{}: no image to measure with, neither in train nor in val", .0.display())]
    NoImages(PathBuf),
    /// The listener broke it off.
    #[error("stopped before anything was measured")]
    Stopped,
}

/// What is measured with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setup {
    pub data: PathBuf,
    pub teacher: PathBuf,
    pub student: PathBuf,
    /// Side of the input, px; in the report what both models take.
    pub imgsz: u32,
    /// Images a training step.
    pub batch: usize,
    /// Threads that make batches.
    pub workers: usize,
    /// Where the training steps imitate.
    pub tap: Tap,
    /// About how long all measurements together may take, s.
    pub seconds: f64,
    #[serde(skip)]
    pub device: DeviceChoice,
    /// Threads of libtorch; `None` leaves it its own choice.
    #[serde(skip)]
    pub threads: Option<u16>,
}

/// Where the time of a training step goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepPhases {
    /// "float32", "float16" or "bfloat16".
    pub precision: &'static str,
    pub imitation: bool,
    /// How often a usual step reads from its device, and one that measures λ; `None` without imitation.
    pub reads: u64,
    pub reads_measuring: Option<u64>,
    /// Medians, ms; on a GPU each phase is waited for, so that together they take longer than a step.
    pub milliseconds: BTreeMap<&'static str, f64>,
}

/// What imitation costs a training step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImitationCost {
    /// "float32", "float16" or "bfloat16".
    pub precision: &'static str,
    /// Median with less median without, s.
    pub seconds: f64,
    /// Median with over median without.
    pub ratio: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Of this program.
    pub version: &'static str,
    pub machine: Machine,
    pub setup: Setup,
    pub measurements: Vec<Measurement>,
    pub imitation: Vec<ImitationCost>,
    pub phases: Vec<StepPhases>,
    /// Of the whole process, the GPU's memory not counted; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// From the first file to the last measurement, s.
    pub seconds: f64,
    /// Whether nothing was broken off.
    pub complete: bool,
    pub warnings: Vec<String>,
}

/// Measures everything. `progress` hears what is being measured and about how long it all still takes, and may break it off:
/// what is measured by then is reported.
pub fn run(
    setup: &Setup,
    progress: &mut dyn FnMut(&str, Option<Duration>) -> ControlFlow<()>,
) -> Result<Report, BenchError> {
    let begin = Instant::now();
    let load = machine::load();
    let trainer = trainer(setup, true, Amp::Off, progress)?;
    let plan = &trainer.plan;
    let device = plan.device;
    let machine = Machine::of(device, &plan.status, load);
    let warnings = plan.warnings.iter().cloned().chain(machine.warning()).collect();
    let setup = Setup { imgsz: plan.config.imgsz, ..setup.clone() };

    let mut tasks = EVERYWHERE.to_vec();
    let reduced = reduced(device);
    tasks.extend(reduced.iter().flat_map(|(_, tasks)| *tasks));
    let mut clock = Clock::start(device, Duration::from_secs_f64(setup.seconds), &tasks, progress);
    let mut phases = Vec::new();
    let complete = match measure(&setup, trainer, &reduced, &mut clock, &mut phases) {
        Ok(()) => true,
        Err(BenchError::Stopped) if !clock.measurements.is_empty() => false,
        Err(error) => return Err(error),
    };
    let measurements = clock.measurements;
    let of_precisions = std::iter::once(("float32", [STEP_IMITATION, STEP]));
    let of_precisions = of_precisions.chain(reduced.iter().map(|(precision, tasks)| (precision.name(), *tasks)));
    let imitation = of_precisions.filter_map(|(precision, [with, without])| {
        let median = |task: Task| Some(measurements.iter().find(|m| m.id == task.id)?.median);
        let (with, without) = (median(with)?, median(without)?);
        Some(ImitationCost { precision, seconds: with - without, ratio: with / without })
    });
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        machine,
        imitation: imitation.collect(),
        phases,
        setup,
        measurements,
        peak_memory_bytes: peak_memory(),
        seconds: begin.elapsed().as_secs_f64(),
        complete,
        warnings,
    })
}

/// Both models ready to train, or the student alone.
fn trainer(
    setup: &Setup,
    with_teacher: bool,
    amp: Amp,
    progress: &mut dyn FnMut(&str, Option<Duration>) -> ControlFlow<()>,
) -> Result<Trainer, BenchError> {
    let config = RunConfig {
        data: setup.data.clone(),
        teacher: Some(setup.teacher.clone()),
        student: setup.student.clone(),
        imgsz: setup.imgsz,
        batch: setup.batch,
        // Every step is one of the optimizer.
        nominal_batch: 0,
        // λ fades with a run; here every step is like the first.
        length: Length::Steps(1 << 40),
        device: setup.device.to_string(),
        threads: setup.threads,
        workers: setup.workers,
        amp,
        imitation: ImitationConfig {
            tap: setup.tap,
            adapter_start: AdapterStart::Random,
            ..ImitationConfig::default()
        },
        ..RunConfig::default()
    };
    let plan = RunPlan::make(&config, with_teacher, &mut |what, _| progress(what, None))?.ok_or(BenchError::Stopped)?;
    let mut trainer = Trainer::new(plan)?;
    match trainer.start(&mut |_| ControlFlow::Continue(()))? {
        ControlFlow::Continue(()) => Ok(trainer),
        ControlFlow::Break(()) => Err(BenchError::Stopped),
    }
}

/// Every task in turn; what one of them needs is gone before the next one's memory is taken.
fn measure(
    setup: &Setup,
    mut trainer: Trainer,
    reduced: &[(Precision, [Task; 2])],
    clock: &mut Clock<'_>,
    phases: &mut Vec<StepPhases>,
) -> Result<(), BenchError> {
    let samples = [&trainer.plan.val, &trainer.plan.train].into_iter().find(|samples| !samples.samples.is_empty());
    let samples = samples.ok_or_else(|| BenchError::NoImages(setup.data.clone()))?;
    let samples = Samples {
        samples: samples.samples.iter().take(VAL_IMAGES).cloned().collect(),
        names: samples.names.clone(),
        ..Samples::default()
    };
    masks(&trainer, clock)?;
    decoding(&samples, trainer.plan.input, clock)?;
    let batches = training_batches(&trainer, clock)?;
    models(setup, &trainer, &samples, clock)?;

    let size = trainer.plan.config.imgsz;
    let options = EvaluateOptions { imgsz: size, batch: 2 * setup.batch, losses: None };
    clock.measure(VAL, || {
        let progress = &mut |_: usize, _: usize| ControlFlow::Continue(());
        let found = evaluate(&trainer.average.network, &samples, &options, progress).map_err(TrainError::from)?;
        Ok(found.map_or(0, |evaluation| evaluation.images))
    })?;
    snapshots(&trainer, &samples.samples[0].image, clock)?;

    steps(STEP_IMITATION, &mut trainer, &batches, clock, phases)?;
    drop(trainer);
    let quiet = &mut |_: &str, _: Option<Duration>| ControlFlow::Continue(());
    steps(STEP, &mut self::trainer(setup, false, Amp::Off, quiet)?, &batches, clock, phases)?;
    for (precision, tasks) in reduced {
        let amp = if *precision == Precision::Float16 { Amp::Fp16 } else { Amp::Bf16 };
        for (task, with_teacher) in tasks.iter().zip([true, false]) {
            steps(*task, &mut self::trainer(setup, with_teacher, amp, quiet)?, &batches, clock, phases)?;
        }
    }
    Ok(())
}

/// A hundred boxes of 8 px to 7 tenths of the input's side, spread by a fixed rule.
pub fn boxes(input: Size) -> Vec<BoundingBox> {
    let (width, height) = (input.width as f32, input.height as f32);
    let longest = 0.7 * width.min(height);
    let share = |i: u32, k: u32| ((i * k + 7) % 101) as f32 / 101.0;
    let side = |t: f32| 8.0 * (longest / 8.0).powf(t);
    (0..100)
        .map(|i| {
            BoundingBox::from_center(
                width * share(i, 37),
                height * share(i, 61),
                side(share(i, 13)),
                side(share(i, 29)),
            )
            .clipped(width, height)
        })
        .collect()
}

fn masks(trainer: &Trainer, clock: &mut Clock<'_>) -> Result<(), BenchError> {
    let (anchors, input) = (trainer.student().scales(), trainer.plan.input);
    let boxes = boxes(input);
    let field = || IouField::compute(black_box(anchors), input, black_box(&boxes), IouConvention::default());
    clock.measure(IOU_MAPS, || {
        black_box(field());
        Ok(0)
    })?;
    let field = field();
    clock.measure(MASK, || {
        black_box(field.mask(black_box(Psi::default()), LevelRule::default()));
        Ok(0)
    })
}

fn decoding(samples: &Samples, input: Size, clock: &mut Clock<'_>) -> Result<(), BenchError> {
    let mut images = samples.samples.iter().map(|sample| &sample.image).cycle();
    clock.measure(DECODE, || {
        let Some(path) = images.next() else { return Ok(0) };
        let image = dataset::decode(path).map_err(TrainError::from)?;
        let fit = Letterbox::fit(Size::new(image.width(), image.height()), input, true);
        black_box(dataset::letterbox(&image, &fit).map_err(TrainError::from)?);
        Ok(1)
    })
}

/// Gives back some of the batches.
fn training_batches(trainer: &Trainer, clock: &mut Clock<'_>) -> Result<Vec<TrainBatch>, BenchError> {
    let config = &trainer.plan.config;
    // Without a cache, as in a run's first epoch.
    let mut batches = trainer.batches(config.batch, 0, 0, 0)?;
    let mut kept = Vec::new();
    clock.measure(LOADER, || {
        let mut images = 0;
        // Threads that began together end together: a batch of each makes a repeat.
        for _ in 0..config.workers.max(1) {
            let batch = batches.next_batch().map_err(TrainError::from)?;
            images += batch.images.len();
            if kept.len() < BATCHES && !batch.images.is_empty() {
                kept.push(batch);
            }
        }
        Ok(images)
    })?;
    if kept.is_empty() { Err(BenchError::NoImages(config.data.clone())) } else { Ok(kept) }
}

/// What the window does with two models.
fn models(setup: &Setup, trainer: &Trainer, samples: &Samples, clock: &mut Clock<'_>) -> Result<(), BenchError> {
    let device = trainer.plan.device;
    let load = |path: &Path| -> Result<Network, BenchError> {
        let checkpoint = checkpoint::open(path).map_err(TrainError::from)?;
        let (network, _) = Network::load(&checkpoint, device).map_err(TrainError::from)?;
        // As the window runs it.
        Ok(network.folded(tch::Kind::Float).map_err(TrainError::from)?)
    };
    let (teacher, student) = (load(&setup.teacher)?, load(&setup.student)?);
    let mut images = samples.samples.iter().map(|sample| &sample.image).cycle();
    let mut scene = || {
        let image = images.next().cloned().unwrap_or_default();
        let (labels, names) = (LabelSource::Beside, samples.names.clone());
        Scene::load(&SceneRequest { image, labels, names, input: trainer.plan.input })
    };
    let input = inspect::input_tensor(&scene()?.input, device)?;
    for (task, model) in [(TEACHER, &teacher), (STUDENT, &student)] {
        clock.measure(task, || {
            black_box(no_grad(|| model.forward(&input)).map_err(TrainError::from)?);
            Ok(1)
        })?;
    }

    let heads = no_grad(|| student.forward(&input)).map_err(TrainError::from)?.heads;
    let (options, nc) = (NmsOptions::for_evaluation(), student.names().len());
    clock.measure(NMS, || {
        let rows = no_grad(|| rows_above(&heads, student.scales(), options.confidence)).map_err(TrainError::from)?;
        black_box(rows.iter().map(|rows| non_max_suppression(rows, nc, &options)).collect::<Vec<_>>());
        Ok(1)
    })?;

    let anchors = student.scales().to_vec();
    let request = CompareRequest { tap: Tap::default(), adapter: AdapterChoice::LeastSquares, loss: Loss::FEATURES };
    clock.measure(COMPARISON, || {
        let scene = scene()?;
        let field = IouField::compute(&anchors, scene.input_size(), &scene.boxes(), IouConvention::default());
        black_box(field.mask(Psi::default(), LevelRule::default()));
        let (teacher, student) = (inspect::probe(&teacher, &scene.input)?, inspect::probe(&student, &scene.input)?);
        black_box(inspect::compare(Some(&teacher), Some(&student), &request, CompareParts::default())?);
        Ok(1)
    })
}

fn snapshots(trainer: &Trainer, image: &Path, clock: &mut Clock<'_>) -> Result<(), BenchError> {
    let Some(distiller) = trainer.distiller() else { return Ok(()) };
    let config = SnapshotConfig { image: image.to_path_buf(), every: 1 };
    let input = SnapshotInput::of(&scene_of(&config, &trainer.plan)?, &config, &trainer.plan, distiller)?;
    clock.measure(SNAPSHOT, || {
        black_box(input.snapshot(trainer.student(), distiller, 0)?);
        Ok(1)
    })
}

/// Whole steps, forward to optimizer, at a learning rate of 0: every repeat meets the same weights. The steps that measure λ
/// with another backward pass are left out.
fn steps(
    task: Task,
    trainer: &mut Trainer,
    batches: &[TrainBatch],
    clock: &mut Clock<'_>,
    phases: &mut Vec<StepPhases>,
) -> Result<(), BenchError> {
    let still = Rates { bias: 0.0, weight: 0.0, norm: 0.0, adapter: 0.0, momentum: trainer.plan.config.hyp.momentum };
    let ordinary = (0_u64..).filter(|step| *step == 0 || !step.is_multiple_of(MEASURE_EVERY));
    let mut turns = ordinary.zip(batches.iter().cycle());
    let mut laps = Vec::new();
    let mut usual_reads = 0;
    let mut once = |trainer: &mut Trainer| {
        let Some((step, batch)) = turns.next() else { return Ok(0) };
        usual_reads = step_reads(trainer, batch, &still, step)?;
        laps.push(trainer.phases.taken());
        Ok(batch.images.len())
    };
    let on_gpu = trainer.plan.device.is_cuda();
    if !on_gpu {
        trainer.phases.turn_on();
    }
    clock.measure(task, || once(trainer))?;
    if on_gpu {
        trainer.phases.turn_on();
        for _ in 0..PHASE_STEPS {
            once(trainer)?;
        }
        laps.drain(..laps.len() - PHASE_STEPS);
    }
    let imitation = trainer.distiller().is_some();
    let reads_measuring = match batches.first().filter(|_| imitation) {
        Some(batch) => Some(step_reads(trainer, batch, &still, MEASURE_EVERY)?),
        None => None,
    };
    let median = |phase: Phase| {
        let mut times: Vec<f64> = laps.iter().map(|laps| laps[phase as usize]).collect();
        times.sort_by(f64::total_cmp);
        1e3 * times.get(times.len() / 2).copied().unwrap_or(0.0)
    };
    phases.push(StepPhases {
        precision: trainer.plan.precision.name(),
        imitation,
        reads: usual_reads,
        reads_measuring,
        milliseconds: Phase::ALL.iter().map(|phase| (phase.name(), median(*phase))).collect(),
    });
    Ok(())
}

/// A step, and how often it read from its device.
fn step_reads(trainer: &mut Trainer, batch: &TrainBatch, rates: &Rates, step: u64) -> Result<u64, BenchError> {
    let before = native::reads();
    trainer.learn(batch, rates, &mut StepRecord { step, ..StepRecord::default() })?;
    Ok(native::reads() - before)
}

/// The precisions that a device has besides float32, as far as training in them is of use there.
fn reduced(device: Device) -> Vec<(Precision, [Task; 2])> {
    let has = |(amp, tasks): (Amp, [Task; 2])| Some((precision_on(amp, device, &mut Vec::new()).ok()?, tasks));
    if device.is_cuda() { REDUCED.into_iter().filter_map(has).collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_boxes_lie_inside_the_input() {
        let boxes = boxes(Size::new(640, 480));
        assert_eq!(boxes.len(), 100);
        for bbox in &boxes {
            let [x1, y1, x2, y2] = bbox.as_xyxy();
            assert!(0.0 <= x1 && x1 < x2 && x2 <= 640.0 && 0.0 <= y1 && y1 < y2 && y2 <= 480.0, "{bbox:?}");
            assert!(x2 - x1 <= 336.0 && y2 - y1 <= 336.0);
        }
    }

    #[test]
    fn every_task_has_a_name_of_its_own() {
        let reduced = REDUCED.iter().flat_map(|(_, tasks)| tasks);
        let mut ids: Vec<&str> = EVERYWHERE.iter().chain(reduced).map(|t| t.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 16);
    }
}
