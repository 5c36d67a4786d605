//! The loop: learning rate, batch, teacher (no gradient), student, losses, backward, step, report.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tch::{Device, Kind, TchError, Tensor};

use super::TrainError;
use super::average::Average;
use super::config::{AdapterStart, Amp, Lambda, NonFinite};
use super::distil::Distiller;
use super::evaluate::{EvaluateOptions, Evaluation, evaluate};
use super::event::{EpochRecord, Outcome, RunControl, RunEvent, RunSummary, Snapshot, SnapshotScale, StepRecord};
use super::optimizer::{Group, Optimizer, Parameter, Rates, clip, norm};
use super::output;
use super::plan::{RunPlan, Student};
use super::record::Recorder;
use super::schedule::Schedule;
use super::state::{Moving, Progress};
use crate::dataset::{self, BatchImage, BatchOptions, Batches, TrainBatch};
use crate::export::atomic::{self, WriteError};
use crate::geometry::{Letterbox, Size};
use crate::grid::Grid;
use crate::yolo::assign::Target;
use crate::yolo::loss::{DetectionLoss, LossGains};
use crate::yolo::network::Network;

/// YOLOv5's bound on the gradient's norm.
const CLIP_NORM: f64 = 10.0;
/// Steps from one measurement of the two gradients to the next; each costs a second backward pass.
const MEASURE_EVERY: u64 = 10;
/// Share of a new measurement in the logarithm of λ.
const LAMBDA_GAIN: f64 = 0.3;
/// Decoded training images kept in memory.
const CACHE_BYTES: u64 = 1 << 30;
/// YOLOv5's weights of mAP@0.5 and mAP@0.5:0.95 in what is best.
const FITNESS: [f64; 2] = [0.1, 0.9];
/// First loss scale of float16, and the good steps after which it doubles.
const LOSS_SCALE: (f64, u32) = (65536.0, 2000);

/// Files of a run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    pub fn weights(&self, name: &str) -> PathBuf {
        self.0.join("weights").join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.weights("resume.safetensors")
    }

    pub fn adapter(&self) -> PathBuf {
        self.0.join("adapter.safetensors")
    }
}

/// Runs a plan to its end, a stop or a failure. Everything that it says goes to `emit` and into the folder.
pub fn run(
    plan: RunPlan,
    folder: &RunFolder,
    resume: bool,
    control: &RunControl,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<Outcome, TrainError> {
    let weights = folder.path().join("weights");
    fs::create_dir_all(&weights).map_err(|cause| WriteError { path: weights, cause })?;
    let mut run = Run::new(plan, folder, control)?;
    if resume {
        run.restore()?;
    }
    let mut recorder = run.recorder(resume)?;
    let mut emit = |event: RunEvent| -> Result<(), TrainError> {
        recorder.take(&event)?;
        emit(event);
        Ok(())
    };
    emit(RunEvent::Started(Arc::new(run.summary())))?;
    for warning in std::mem::take(&mut run.plan.warnings) {
        emit(RunEvent::Warning(warning))?;
    }
    let outcome = run.go(&mut emit);
    // A finished run has saved itself; one that was stopped or failed does so now, and a failed step has changed nothing.
    let saved = if matches!(outcome, Ok(Outcome::Finished)) { Ok(()) } else { run.save(&mut emit) };
    match outcome {
        Ok(outcome) => {
            saved?;
            emit(RunEvent::Ended(outcome.clone()))?;
            Ok(outcome)
        }
        Err(error) => {
            let _ = emit(RunEvent::Ended(Outcome::Failed(error.to_string())));
            Err(error)
        }
    }
}

type Emit<'a> = dyn FnMut(RunEvent) -> Result<(), TrainError> + 'a;

struct Run<'a> {
    plan: RunPlan,
    folder: &'a RunFolder,
    control: &'a RunControl,
    schedule: Schedule,
    detection: DetectionLoss,
    average: Average,
    optimizer: Optimizer,
    distiller: Option<Distiller>,
    /// Gradients since the optimizer's last step, in its order of parameters.
    gathered: Vec<Option<Tensor>>,
    progress: Progress,
    snapshot: Option<SnapshotInput>,
    /// Whether λ's first value and the adapters' start are still to be found.
    fresh: bool,
}

struct SnapshotInput {
    image: PathBuf,
    every: u64,
    input: Tensor,
}

/// What a batch's backward pass gave.
struct Backward {
    terms: [f64; 3],
    distances: Vec<f64>,
    lambda: f64,
    ratio: Option<f64>,
    cells: Vec<u64>,
    gradients: Vec<Option<Tensor>>,
}

impl<'a> Run<'a> {
    fn new(mut plan: RunPlan, folder: &'a RunFolder, control: &'a RunControl) -> Result<Self, TrainError> {
        let config = &plan.config;
        let student = &plan.student.network;
        let schedule = Schedule::new(config, plan.steps, plan.steps_per_epoch);
        let detection = DetectionLoss::new(student.scales(), student.names().len(), gains(&plan));
        freeze(student, &config.freeze)?;
        let distiller = match plan.teacher.take() {
            Some(teacher) => Some(Distiller::new(teacher, student, &config.imitation, plan.input, config.seed)?),
            None => None,
        };
        let snapshot = match (&config.snapshot, &distiller) {
            (Some(snapshot), Some(_)) => {
                let input = snapshot_input(&snapshot.image, plan.input, plan.device)?;
                Some(SnapshotInput { image: snapshot.image.clone(), every: snapshot.every.max(1), input })
            }
            _ => None,
        };
        let average = Average::of(student, config.ema)?;
        let mut run = Self {
            schedule,
            detection,
            average,
            optimizer: Optimizer::new(config.optimizer, 0.0, Vec::new()),
            distiller,
            gathered: Vec::new(),
            progress: Progress { last_update: -1, best_fitness: -1.0, ..Progress::default() },
            snapshot,
            fresh: true,
            plan,
            folder,
            control,
        };
        run.collect_parameters();
        Ok(run)
    }

    /// The student's trainable parameters, then the adapters'.
    fn collect_parameters(&mut self) {
        let variables = self.plan.student.network.var_store().variables();
        let mut parameters: Vec<Parameter> = variables
            .into_iter()
            .filter(|(_, tensor)| tensor.requires_grad())
            .map(|(name, tensor)| Parameter { group: Group::of(&name, &tensor), name, tensor })
            .collect();
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(distiller) = &self.distiller {
            let adapters = distiller.parameters().into_iter();
            parameters.extend(adapters.map(|(name, tensor)| Parameter { name, tensor, group: Group::Adapter }));
        }
        self.gathered = parameters.iter().map(|_| None).collect();
        self.optimizer = Optimizer::new(self.plan.config.optimizer, self.schedule.weight_decay(), parameters);
    }

    fn summary(&self) -> RunSummary {
        RunSummary {
            folder: self.folder.path().to_owned(),
            steps: self.plan.steps,
            steps_per_epoch: self.plan.steps_per_epoch,
            first_step: self.progress.step,
            scales: self.distiller.as_ref().map_or_else(Vec::new, Distiller::names),
            images: self.plan.train.samples.len(),
            labels: self.plan.train.labels(),
            val_images: self.plan.val.samples.len(),
            device: self.plan.status.label.clone(),
        }
    }

    fn recorder(&self, resume: bool) -> Result<Recorder, TrainError> {
        let config = toml::to_string(&self.plan.config).map_err(|error| TrainError::Config(error.to_string()))?;
        let recorder = if resume {
            Recorder::resume(self.folder.path(), &self.summary())?
        } else {
            atomic::write(&self.folder.config(), config.as_bytes())?;
            Recorder::create(self.folder.path(), &self.summary(), &config)?
        };
        Ok(recorder)
    }

    fn go(&mut self, emit: &mut Emit<'_>) -> Result<Outcome, TrainError> {
        if self.fresh && self.start_adapters(emit)?.is_break() {
            return Ok(Outcome::Stopped);
        }
        let per_epoch = self.plan.steps_per_epoch;
        let (epoch, index) = (self.progress.step / per_epoch, self.progress.step % per_epoch);
        let mut batches = self.batches(self.plan.config.batch, CACHE_BYTES, epoch as u32, index as usize)?;
        self.take_snapshot(emit)?;
        while self.progress.step < self.plan.steps {
            if self.wait_while_paused(emit)?.is_break() {
                return Ok(Outcome::Stopped);
            }
            let begin = Instant::now();
            let batch = batches.next_batch()?;
            let waited = begin.elapsed().as_secs_f64();
            for warning in &batch.warnings {
                emit(RunEvent::Warning(warning.to_string()))?;
            }

            let step = self.progress.step;
            let rates = self.schedule.rates(step);
            let mut record = StepRecord {
                step,
                epoch: batch.epoch,
                learning_rate: rates.weight,
                momentum: rates.momentum,
                images: batch.images.len(),
                waited,
                ..StepRecord::default()
            };
            if !batch.images.is_empty() {
                self.learn(&batch, &rates, &mut record, emit)?;
            }
            record.seconds = begin.elapsed().as_secs_f64();
            self.progress.epoch.add(&record);
            self.progress.step += 1;
            emit(RunEvent::Step(record))?;
            self.take_snapshot(emit)?;

            if batch.last || self.progress.step == self.plan.steps {
                if self.end_epoch(batch.epoch, &rates, emit)?.is_break() {
                    return Ok(Outcome::Stopped);
                }
                self.save(emit)?;
            }
        }
        Ok(Outcome::Finished)
    }

    /// Training batches from a position on, decoded images kept up to `cache_bytes`.
    fn batches(&self, batch: usize, cache_bytes: u64, epoch: u32, index: usize) -> Result<Batches, TrainError> {
        let options = BatchOptions { batch, ..self.plan.config.batch_options(self.plan.input, cache_bytes) };
        Batches::start(Arc::clone(&self.plan.train), options, epoch, index)
            .map_err(|cause| TrainError::Read { path: "a thread for batches".to_owned(), cause })
    }

    /// How many parameters are the student's; the adapters' come after them.
    fn own_parameters(&self) -> usize {
        self.optimizer.parameters().iter().filter(|parameter| parameter.group != Group::Adapter).count()
    }

    /// One batch: forward, backward and, when enough is gathered, a step of the optimizer.
    fn learn(
        &mut self,
        batch: &TrainBatch,
        rates: &Rates,
        record: &mut StepRecord,
        emit: &mut Emit<'_>,
    ) -> Result<(), TrainError> {
        let step = record.step;
        let backward = match self.backward(batch, step) {
            Err(error @ TrainError::NonFinite { .. }) if self.plan.config.non_finite == NonFinite::Skip => {
                record.total = f64::NAN;
                return emit(RunEvent::Warning(format!("step left out: {error}")));
            }
            other => other?,
        };
        [record.box_loss, record.objectness, record.class] = backward.terms;
        record.lambda = backward.lambda;
        record.imitation = backward.distances.iter().map(|distance| distance * backward.lambda).collect();
        record.distance = backward.distances;
        record.mask_cells = backward.cells;
        record.gradient_ratio = backward.ratio;
        record.total = backward.terms.iter().chain(&record.imitation).sum();
        for (sum, gradient) in self.gathered.iter_mut().zip(backward.gradients) {
            let Some(gradient) = gradient else { continue };
            match sum {
                Some(sum) => drop(sum.f_add_(&gradient)?),
                None => *sum = Some(gradient),
            }
        }
        if step as i64 - self.progress.last_update >= self.schedule.accumulate(step) as i64 {
            record.gradient_norm = self.update(step, rates, emit)?;
        }
        Ok(())
    }

    /// Losses and their gradients. A loss that is not finite is an error, and nothing has changed by then.
    fn backward(&mut self, batch: &TrainBatch, step: u64) -> Result<Backward, TrainError> {
        let student = &self.plan.student.network;
        let input = batch_tensor(batch, self.plan.device, self.plan.config.channels_last.unwrap_or(true))?;
        let share = self.schedule.lambda_share(step);
        let amp = self.plan.config.amp == Amp::Fp16 && self.plan.device.is_cuda();

        let lesson = match &self.distiller {
            Some(distiller) => Some(tch::autocast(amp, || distiller.teach(&input, batch))?),
            None => None,
        };
        let forward = tch::autocast(amp, || student.forward_t(&input, true))?;
        let terms = self.detection.terms(&forward.heads, &targets(batch))?;
        let distances = match (&self.distiller, &lesson) {
            // Without weight it is only looked at.
            (Some(distiller), Some(lesson)) if share == 0.0 || self.is_idle() => {
                tch::no_grad(|| distiller.distances(&forward, lesson))?
            }
            (Some(distiller), Some(lesson)) => distiller.distances(&forward, lesson)?,
            _ => Vec::new(),
        };
        let values = terms.values()?;
        let distance_values: Vec<f64> =
            distances.iter().map(|distance| distance.f_double_value(&[])).collect::<Result<_, TchError>>()?;
        check_finite(step, &values, &distance_values, self.distiller.as_ref())?;

        // YOLOv5 goes backward from the batch's sum, so λ keeps its meaning only if the imitation does too.
        let images = batch.images.len() as f64;
        let (scale, _) = self.progress.loss_scale.filter(|_| amp).unwrap_or((1.0, 0));
        let detection = terms.sum()?.f_mul_scalar(images * scale)?;
        let with_gradient: Vec<&Tensor> = distances.iter().filter(|distance| distance.requires_grad()).collect();
        let parameters: Vec<&Tensor> = self.optimizer.parameters().iter().map(|p| &p.tensor).collect();
        let own = self.own_parameters();
        let mut ratio = None;
        let (lambda, gradients) = if with_gradient.is_empty() {
            (self.progress.lambda.unwrap_or(0.0) * share, gradients_of(&detection, &parameters[..own], false)?)
        } else {
            let mut imitation = Tensor::f_zeros([0_i64; 0], (Kind::Float, self.plan.device))?;
            for distance in with_gradient {
                imitation = imitation.f_add(distance)?;
            }
            let imitation = imitation.f_mul_scalar(images * scale)?;
            if step.is_multiple_of(MEASURE_EVERY) || self.progress.lambda.is_none() {
                let of_detection = gradients_of(&detection, &parameters[..own], true)?;
                let mut of_imitation = gradients_of(&imitation, &parameters, false)?;
                let norms = (norm(&of_detection)?, norm(&of_imitation[..own])?);
                let lambda = self.find_lambda(norms) * share;
                ratio = Some(lambda * norms.1 / norms.0.max(f64::MIN_POSITIVE));
                for gradient in of_imitation.iter_mut().flatten() {
                    let _ = gradient.f_mul_scalar_(lambda)?;
                }
                for (sum, gradient) in of_imitation.iter_mut().zip(of_detection) {
                    *sum = match (sum.take(), gradient) {
                        (Some(a), Some(b)) => Some(a.f_add(&b)?),
                        (one, other) => one.or(other),
                    };
                }
                (lambda, of_imitation)
            } else {
                let lambda = self.progress.lambda.unwrap_or(0.0) * share;
                let total = detection.f_add(&imitation.f_mul_scalar(lambda)?)?;
                (lambda, gradients_of(&total, &parameters, false)?)
            }
        };
        let cells = lesson.map_or_else(Vec::new, |lesson| lesson.cells());
        Ok(Backward { terms: values, distances: distance_values, lambda, ratio, cells, gradients })
    }

    /// Whether the imitation was given no weight at all.
    fn is_idle(&self) -> bool {
        matches!(self.plan.config.imitation.lambda, Lambda::Fixed(0.0) | Lambda::GradientRatio(0.0))
    }

    /// λ before its envelope, from the norms of the two gradients at λ = 1.
    fn find_lambda(&mut self, (detection, imitation): (f64, f64)) -> f64 {
        let lambda = match self.plan.config.imitation.lambda {
            Lambda::Fixed(lambda) => lambda,
            Lambda::GradientRatio(ratio) => {
                let wanted = ratio * detection / imitation;
                match self.progress.lambda {
                    _ if !wanted.is_finite() || wanted <= 0.0 => self.progress.lambda.unwrap_or(0.0),
                    Some(before) if before > 0.0 => before.powf(1.0 - LAMBDA_GAIN) * wanted.powf(LAMBDA_GAIN),
                    _ => wanted,
                }
            }
        };
        self.progress.lambda = Some(lambda);
        lambda
    }

    /// A step of the optimizer with what is gathered. The norm of the student's gradient before clipping.
    fn update(&mut self, step: u64, rates: &Rates, emit: &mut Emit<'_>) -> Result<Option<f64>, TrainError> {
        let mut gradients: Vec<Option<Tensor>> = self.gathered.iter_mut().map(Option::take).collect();
        let own = self.own_parameters();
        if let Some((scale, good)) = self.progress.loss_scale {
            for gradient in gradients.iter_mut().flatten() {
                let _ = gradient.f_mul_scalar_(1.0 / scale)?;
            }
            if !norm(&gradients)?.is_finite() {
                // float16 overflowed: YOLOv5's scaler leaves such a step out too.
                self.progress.loss_scale = Some((scale / 2.0, 0));
                self.progress.last_update = step as i64;
                return Ok(None);
            }
            let doubled = good + 1 >= LOSS_SCALE.1;
            self.progress.loss_scale = Some(if doubled { (scale * 2.0, 0) } else { (scale, good + 1) });
        }
        let (of_student, of_adapters) = gradients.split_at_mut(own);
        let total = clip(of_student, CLIP_NORM)?;
        let of_adapters = clip(of_adapters, CLIP_NORM)?;
        for (term, value) in [("gradient's norm", total), ("adapters' gradient's norm", of_adapters)] {
            if value.is_finite() {
                continue;
            }
            let error = TrainError::NonFinite { step, term: term.to_owned(), value };
            if self.plan.config.non_finite == NonFinite::Stop {
                return Err(error);
            }
            self.progress.last_update = step as i64;
            emit(RunEvent::Warning(format!("step left out: {error}")))?;
            return Ok(None);
        }
        self.optimizer.step(&gradients, rates)?;
        self.average.update(&self.plan.student.network)?;
        self.progress.last_update = step as i64;
        Ok(Some(total))
    }

    /// Adapters from their least-squares fit, before the first step.
    fn start_adapters(&mut self, emit: &mut Emit<'_>) -> Result<ControlFlow<()>, TrainError> {
        self.fresh = false;
        if self.plan.config.amp == Amp::Fp16 && self.plan.device.is_cuda() {
            self.progress.loss_scale = Some((LOSS_SCALE.0, 0));
        }
        let config = self.plan.config.imitation.clone();
        let images = match config.adapter_start {
            AdapterStart::LeastSquares { images } => images,
            AdapterStart::Random if config.normalise => 64,
            AdapterStart::Random => return Ok(ControlFlow::Continue(())),
        };
        if self.distiller.is_none() {
            return Ok(ControlFlow::Continue(()));
        }
        let stage = |fraction| RunEvent::Stage { what: "fitting the adapters".to_owned(), fraction: Some(fraction) };
        emit(stage(0.0))?;
        // The images as they are trained on, from an epoch that the run never reaches.
        let batch = self.plan.config.batch.min(images.max(1));
        let count = Batches::per_epoch(images.min(self.plan.train.samples.len()), batch);
        let mut batches = self.batches(batch, 0, u32::MAX, 0)?;
        let mut seen = Vec::with_capacity(count);
        while seen.len() < count {
            if self.control.is_stopped() {
                return Ok(ControlFlow::Break(()));
            }
            let batch = batches.next_batch()?;
            let last = batch.last;
            if !batch.images.is_empty() {
                seen.push((batch_tensor(&batch, self.plan.device, true)?, batch));
            }
            if last {
                break;
            }
        }
        drop(batches);
        let mut done = Ok(());
        if let Some(distiller) = &mut self.distiller {
            distiller.fit(&self.plan.student.network, &config, &seen, &mut |fraction| done = emit(stage(fraction)))?;
        }
        done?;
        self.collect_parameters();
        Ok(ControlFlow::Continue(()))
    }

    fn wait_while_paused(&mut self, emit: &mut Emit<'_>) -> Result<ControlFlow<()>, TrainError> {
        if self.control.is_paused() && !self.control.is_stopped() {
            self.save(emit)?;
            emit(RunEvent::Stage { what: "paused".to_owned(), fraction: None })?;
            while self.control.is_paused() && !self.control.is_stopped() {
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(if self.control.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn end_epoch(&mut self, epoch: u32, rates: &Rates, emit: &mut Emit<'_>) -> Result<ControlFlow<()>, TrainError> {
        let ends = self.progress.step == self.plan.steps;
        let every = self.plan.config.evaluate_every.max(1);
        let evaluation = if ends || (epoch + 1).is_multiple_of(every) {
            match self.evaluate(emit)? {
                Some(evaluation) => Some(evaluation),
                None => return Ok(ControlFlow::Break(())),
            }
        } else {
            None
        };
        let fitness = evaluation.as_ref().map(|e| FITNESS[0] * e.map50 + FITNESS[1] * e.map50_95);
        let best = fitness.is_some_and(|fitness| fitness > self.progress.best_fitness);
        if let (true, Some(fitness)) = (best, fitness) {
            self.progress.best_fitness = fitness;
            self.write_student("best")?;
        }
        let record = EpochRecord {
            epoch,
            step: self.progress.step,
            mean: std::mem::take(&mut self.progress.epoch).mean(),
            learning_rates: [rates.bias, rates.weight, rates.norm],
            evaluation,
            best,
        };
        emit(RunEvent::Epoch(Box::new(record)))?;
        Ok(ControlFlow::Continue(()))
    }

    /// mAP and losses of the averaged weights on val; `None` when stopped.
    fn evaluate(&mut self, emit: &mut Emit<'_>) -> Result<Option<Evaluation>, TrainError> {
        let mut told = Ok(());
        let control = self.control;
        let mut progress = |done: usize, total: usize| {
            let fraction = Some(done as f32 / total.max(1) as f32);
            if told.is_ok() {
                told = emit(RunEvent::Stage { what: "evaluating".to_owned(), fraction });
            }
            if control.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let losses = |heads: &[Tensor], targets: &[Target]| self.detection.terms(heads, targets)?.values();
        let options =
            EvaluateOptions { imgsz: self.plan.config.imgsz, batch: 2 * self.plan.config.batch, losses: Some(&losses) };
        let found = evaluate(&self.average.network, &self.plan.val, &options, &mut progress)?;
        told?;
        Ok(found)
    }

    /// Everything that the run needs to go on, and what a person takes away.
    fn save(&mut self, emit: &mut Emit<'_>) -> Result<(), TrainError> {
        self.write_student("last")?;
        if let Some(distiller) = &self.distiller {
            distiller.write_adapters(&self.folder.adapter())?;
        }
        let state = self.folder.state();
        self.progress.average_updates = self.average.updates;
        let progress = self.progress.clone();
        self.moving().write(&state, &progress)?;
        emit(RunEvent::Saved { step: self.progress.step })
    }

    fn moving(&mut self) -> Moving<'_> {
        Moving {
            student: &self.plan.student.network,
            average: &mut self.average,
            optimizer: &mut self.optimizer,
            distiller: self.distiller.as_mut(),
            gathered: &mut self.gathered,
        }
    }

    fn restore(&mut self) -> Result<(), TrainError> {
        let state = self.folder.state();
        self.progress = self.moving().read(&state)?;
        self.fresh = false;
        Ok(())
    }

    fn write_student(&self, name: &str) -> Result<(), TrainError> {
        let Student { description, source, .. } = &self.plan.student;
        output::write_student(&self.average.network, description, source.as_ref(), &self.folder.weights(name))
    }

    fn take_snapshot(&self, emit: &mut Emit<'_>) -> Result<(), TrainError> {
        let (Some(snapshot), Some(distiller)) = (&self.snapshot, &self.distiller) else { return Ok(()) };
        let step = self.progress.step;
        if !step.is_multiple_of(snapshot.every) && step != self.plan.steps {
            return Ok(());
        }
        let maps = distiller.difference_maps(&self.plan.student.network, &snapshot.input)?;
        let mut scales = Vec::with_capacity(maps.len());
        for (stride, map) in distiller.strides().into_iter().zip(maps) {
            let (rows, cols) = map.size2()?;
            let values = Vec::<f32>::try_from(map.f_contiguous()?.f_view([-1])?)?;
            if let Some(difference) = Grid::from_values(cols as usize, rows as usize, values) {
                scales.push(SnapshotScale { stride, difference });
            }
        }
        emit(RunEvent::Snapshot(Arc::new(Snapshot { step, image: snapshot.image.clone(), scales })))
    }
}

/// Gradients of a scalar, one per parameter; `None` where it does not reach.
fn gradients_of(loss: &Tensor, parameters: &[&Tensor], keep_graph: bool) -> Result<Vec<Option<Tensor>>, TchError> {
    let gradients = Tensor::f_run_backward(&[loss], parameters, keep_graph, false)?;
    Ok(gradients.into_iter().map(|gradient| gradient.defined().then_some(gradient)).collect())
}

fn check_finite(
    step: u64,
    terms: &[f64; 3],
    distances: &[f64],
    distiller: Option<&Distiller>,
) -> Result<(), TrainError> {
    let named = ["box loss", "objectness loss", "class loss"].map(str::to_owned).into_iter();
    let scales = distiller.map_or_else(Vec::new, Distiller::names).into_iter();
    let named = named.chain(scales.map(|scale| format!("imitation loss of {scale}")));
    match named.zip(terms.iter().chain(distances)).find(|(_, value)| !value.is_finite()) {
        Some((term, &value)) => Err(TrainError::NonFinite { step, term, value }),
        None => Ok(()),
    }
}

/// Gains as YOLOv5 scales them: by the number of scales, of classes, and by the image's area.
fn gains(plan: &RunPlan) -> LossGains {
    let hyp = &plan.config.hyp;
    let scales = 3.0 / plan.student.network.scales().len() as f64;
    LossGains {
        box_gain: hyp.box_gain * scales,
        class: hyp.cls * plan.student.network.names().len() as f64 / 80.0 * scales,
        objectness: hyp.obj * (f64::from(plan.config.imgsz) / 640.0).powi(2) * scales,
        objectness_positive: hyp.obj_pw,
        class_positive: hyp.cls_pw,
        anchor_t: hyp.anchor_t,
        focal_gamma: hyp.fl_gamma,
        label_smoothing: hyp.label_smoothing,
    }
}

fn freeze(student: &Network, layers: &[usize]) -> Result<(), TchError> {
    for (name, tensor) in student.var_store().variables() {
        if layers.iter().any(|layer| name.starts_with(&format!("model.{layer}."))) {
            let _ = tensor.f_set_requires_grad(false)?;
        }
    }
    Ok(())
}

/// [B, 3, H, W] in 0..1; the bytes are [B, H, W, 3], and stay so in memory where that is wanted.
pub(super) fn batch_tensor(batch: &TrainBatch, device: Device, channels_last: bool) -> Result<Tensor, TchError> {
    let Size { width, height } = batch.input;
    let bytes = Tensor::f_from_slice(&batch.pixels)?.f_view([-1, i64::from(height), i64::from(width), 3])?;
    let planes = bytes.f_to_device(device)?.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?;
    if channels_last { Ok(planes) } else { planes.f_contiguous() }
}

/// The ground truths as the detection loss takes them.
pub(super) fn targets(batch: &TrainBatch) -> Vec<Target> {
    let of_image = |(image, labelled): (usize, &BatchImage)| {
        labelled
            .labels
            .iter()
            .map(|label| Target::new(image, label.class, &label.bbox, batch.input))
            .collect::<Vec<_>>()
    };
    batch.images.iter().enumerate().flat_map(of_image).collect()
}

fn snapshot_input(image: &Path, input: Size, device: Device) -> Result<Tensor, TrainError> {
    let pixels = dataset::decode(image)?;
    let letterbox = Letterbox::fit(Size::new(pixels.width(), pixels.height()), input, true);
    let pixels = dataset::letterbox(&pixels, &letterbox)?;
    crate::inspect::input_tensor(&pixels, device).map_err(|error| TrainError::Config(error.to_string()))
}
