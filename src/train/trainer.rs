//! What learns in a run: the student with its losses, the teacher's output, the optimizer and the moving average. One batch
//! forward and backward, one step. It knows no folder and no listener: [`super::run`] drives it through a whole run, the
//! preflight through a few batches.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use tch::{Device, Kind, TchError, Tensor};

use super::TrainError;
use super::average::Average;
use super::config::{AdapterStart, Lambda, NonFinite};
use super::distil::{Distiller, TeacherOutput};
use super::evaluate::{EvaluateOptions, Evaluation, evaluate};
use super::event::StepRecord;
use super::gradients::{Gathered, IMITATION_BOUND, Norms, gradients_of, length, products, scale, unscaled_gradients};
use super::objective::{Objective, batch_tensor, check_finite, gains, targets};
use super::optimizer::{Group, Optimizer, Parameter, Rates};
use super::phases::{Phase, Phases};
use super::plan::RunPlan;
use super::schedule::Schedule;
use super::state::{Progress, TrainState};
use super::statistics::Statistics;
use crate::dataset::{BatchOptions, Batches, TrainBatch};
use crate::geometry::Size;
use crate::native::{self, Precision, Upload};
use crate::yolo::assign::Target;
use crate::yolo::loss::{DetectionLoss, LossGains, LossTerms};
use crate::yolo::network::Network;

/// Steps from one measurement of the two gradients to the next: each costs one more backward pass, so a run is longer by
/// less than a tenth. Counted in steps and not in seconds, since λ may follow from it.
pub const MEASURE_EVERY: u64 = 10;
/// Share of a new measurement in the logarithm of λ.
const LAMBDA_GAIN: f64 = 0.3;
/// So many steps in a row may the imitation move nothing before the run says so.
const NO_EFFECT_STEPS: u32 = 10;
/// Images that the channels' weights are taken from where no fit says how many.
const NORMALISED_ON: usize = 64;
/// Share of a fit that reading its images takes.
const READING: f32 = 0.1;
/// λ's envelope below which its part of a step may be lost in rounding: it fades, as it should.
const FADED: f64 = 0.01;
/// First loss scale of float16, and the good steps after which it doubles.
const LOSS_SCALE: (f64, u32) = (65536.0, 2000);
/// Box, objectness and class: the detection loss comes first among a step's losses.
const TERMS: usize = 3;
/// A loss scale that overflows even here is no matter of scale.
const SMALLEST_SCALE: f64 = 1.0 / 16384.0;

pub struct Trainer {
    pub plan: RunPlan,
    pub schedule: Schedule,
    pub average: Average,
    pub progress: Progress,
    detection: DetectionLoss,
    optimizer: Optimizer,
    distiller: Option<Distiller>,
    gathered: Gathered,
    statistics: Statistics,
    /// Where the time of a step goes, for whoever asks.
    pub phases: Phases,
    _switches: Switches,
    /// Steps of the optimizer in a row that the imitation was part of and were the same without it.
    without_effect: u32,
}

/// How the two gradients on the student's parameters stand to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientBalance {
    /// ‖λ ∇imitation‖ / ‖∇detection‖
    pub ratio: f64,
    /// Cosine of the angle between them: 1 where they pull the same way, below 0 where they pull apart.
    pub cosine: f64,
    /// What measuring it cost, s.
    pub seconds: f64,
}

/// What is switched in libtorch, for the whole process, while something trains on CUDA.
struct Switches(Device);

impl Switches {
    fn of(device: Device, tf32: bool) -> Result<Self, TchError> {
        if device.is_cuda() {
            native::allow_tf32(tf32)?;
            // Batches have one shape, for which the fastest kernels are found by trying.
            tch::Cuda::cudnn_set_benchmark(true);
        }
        Ok(Self(device))
    }
}

impl Drop for Switches {
    fn drop(&mut self) {
        if self.0.is_cuda() {
            let _ = native::allow_tf32(false);
            tch::Cuda::cudnn_set_benchmark(false);
        }
    }
}

/// What a batch's backward pass gave.
struct Backward {
    /// Box, objectness and class loss, then the distances; read from the device where λ was measured.
    losses: Losses,
    counted: Vec<bool>,
    cells: Vec<u64>,
    shares: Vec<f64>,
    lambda: f64,
    balance: Option<GradientBalance>,
    /// λ included.
    gradients: Gathered,
}

enum Losses {
    OnDevice(Vec<Tensor>),
    Read(Vec<f64>),
}

impl Trainer {
    pub fn new(mut plan: RunPlan) -> Result<Self, TrainError> {
        let config = &plan.config;
        let student = &plan.student.network;
        let schedule = Schedule::new(config, plan.steps, plan.steps_per_epoch);
        let detection = DetectionLoss::new(student.scales(), student.names().len(), gains(&plan));
        freeze(student, &config.freeze)?;
        let distiller = match plan.teacher.take() {
            Some(teacher) => {
                let half = plan.precision != Precision::Float32 && plan.device.is_cuda();
                let gains = gains(&plan);
                Some(Distiller::new(teacher, half, student, &config.imitation, gains, plan.input, config.seed)?)
            }
            None => None,
        };
        let average = Average::of(student, config.ema)?;
        let mut trainer = Self {
            schedule,
            detection,
            average,
            optimizer: Optimizer::new(config.optimizer, 0.0, Vec::new()),
            distiller,
            gathered: Gathered::default(),
            statistics: Statistics::of(&plan.student.network),
            phases: Phases::of(plan.device),
            _switches: Switches::of(plan.device, plan.config.tf32)?,
            without_effect: 0,
            progress: Progress { last_update: -1, best_fitness: -1.0, ..Progress::default() },
            plan,
        };
        trainer.collect_parameters();
        Ok(trainer)
    }

    pub fn student(&self) -> &Network {
        &self.plan.student.network
    }

    pub fn distiller(&self) -> Option<&Distiller> {
        self.distiller.as_ref()
    }

    /// What the optimizer moves: the student's trainable parameters, then the adapters'.
    pub fn parameters(&self) -> &[Parameter] {
        self.optimizer.parameters()
    }

    /// The detection loss's gains, as they act.
    pub fn gains(&self) -> LossGains {
        gains(&self.plan)
    }

    /// How many of [`Trainer::parameters`] are the student's own.
    pub fn own_parameters(&self) -> usize {
        self.parameters().iter().filter(|parameter| parameter.group != Group::Adapter).count()
    }

    fn collect_parameters(&mut self) {
        let variables = self.student().var_store().variables();
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
        self.gathered = Gathered::new(parameters.len());
        self.optimizer = Optimizer::new(self.plan.config.optimizer, self.schedule.weight_decay(), parameters);
    }

    /// Training batches from a position on, decoded images kept up to `cache_bytes`.
    pub fn batches(&self, batch: usize, cache_bytes: u64, epoch: u32, index: usize) -> Result<Batches, TrainError> {
        let options = BatchOptions { batch, ..self.plan.config.batch_options(self.plan.input, cache_bytes) };
        Batches::start(Arc::clone(&self.plan.train), options, epoch, index)
            .map_err(|cause| TrainError::Read { path: "a thread for batches".to_owned(), cause })
    }

    /// Drops the gradients that wait for a step of the optimizer, as YOLOv5 does when an epoch begins.
    pub fn begin_epoch(&mut self) {
        self.gathered.clear();
    }

    /// One batch: forward, backward and, when enough is gathered, a step of the optimizer. Fills `record`; gives back a
    /// warning where the step had to be left out. What fails leaves weights, running statistics and average as they were.
    pub fn learn(
        &mut self,
        batch: &TrainBatch,
        rates: &Rates,
        record: &mut StepRecord,
    ) -> Result<Option<String>, TrainError> {
        let before = self.statistics.copied()?;
        let error = match self.attempt(batch, rates, record) {
            Ok(()) => return Ok(None),
            Err(error) => error,
        };
        // The forward pass in train mode has moved them by the batch that failed.
        let restored = self.statistics.restore(&before);
        match error {
            TrainError::NonFinite { .. } if self.plan.config.non_finite == NonFinite::Skip => {
                restored?;
                Ok(Some(format!("step left out: {error}")))
            }
            error => Err(error),
        }
    }

    fn attempt(&mut self, batch: &TrainBatch, rates: &Rates, record: &mut StepRecord) -> Result<(), TrainError> {
        let step = record.step;
        record.total = f64::NAN;
        let Backward { losses, counted, cells, shares, lambda, balance, gradients } = self.backward(batch, step)?;
        let gathered = self.gathered.with(gradients)?;
        let steps = step as i64 - self.progress.last_update >= self.schedule.accumulate(step) as i64;
        // Everything that is still on the device comes in one read, before anything is changed.
        let lengths = if steps { gathered.lengths(self.own_parameters())? } else { Vec::new() };
        let (losses, norms) = match losses {
            Losses::Read(losses) => (losses, native::read(&lengths.iter().collect::<Vec<_>>())?),
            Losses::OnDevice(losses) => {
                let mut read = native::read(&losses.iter().chain(&lengths).collect::<Vec<_>>())?;
                let norms = read.split_off(losses.len());
                check_finite(step, &read, self.distiller.as_ref())?;
                (read, norms)
            }
        };
        self.phases.lap(Phase::Backward);
        let (terms, distances) = losses.split_at(TERMS);
        [record.box_loss, record.objectness, record.class] = [terms[0], terms[1], terms[2]];
        record.lambda = lambda;
        record.imitation = distances.iter().map(|distance| distance * lambda).collect();
        let counted = distances.iter().zip(counted);
        record.distance = counted.map(|(distance, counted)| counted.then_some(*distance)).collect();
        record.mask_cells = cells;
        record.mask_share = shares;
        record.gradient_ratio = balance.map(|balance| balance.ratio);
        record.gradient_cosine = balance.map(|balance| balance.cosine);
        record.measuring = balance.map(|balance| balance.seconds);
        record.total = terms.iter().chain(&record.imitation).sum();
        if steps {
            self.gathered.clear();
            record.gradient_norm = self.update(step, rates, gathered, Norms::of(&norms))?;
        } else {
            self.gathered = gathered;
        }
        Ok(())
    }

    /// The batch as the models take it, [B, 3, H, W] in 0..1.
    pub fn input(&self, batch: &TrainBatch) -> Result<Tensor, TchError> {
        batch_tensor(batch, self.plan.device, self.plan.config.channels_last.unwrap_or(true))
    }

    /// Forward through both models, in train mode, and the losses. `imitate` false only looks at the distances.
    pub fn objective(&self, batch: &TrainBatch, imitate: bool) -> Result<Objective, TrainError> {
        self.phases.begin();
        let (precision, device) = (self.plan.precision, self.plan.device);
        // What both losses need of the batch reaches the device in one copy beside the pixels.
        let mut upload = Upload::default();
        let images = batch.images.len();
        let Size { width, height } = batch.input;
        let shapes: Vec<_> = self.student().scales().iter().map(|scale| scale.shape(width, height)).collect();
        let wanted = self.detection.wanted(&targets(batch), &shapes, &mut upload);
        let masks = self.distiller.as_ref().map(|distiller| distiller.packed_masks(batch, &mut upload));
        let input = self.input(batch)?;
        let uploaded = upload.send(device)?;
        self.phases.lap(Phase::Upload);
        let teacher_output = match (&self.distiller, masks) {
            (Some(distiller), Some(masks)) => {
                Some(native::autocast(precision, device, || distiller.teach(&input, batch, masks, &uploaded))??)
            }
            _ => None,
        };
        self.phases.lap(Phase::Teacher);
        let forward = native::autocast(precision, device, || self.student().forward_t(&input, true))??;
        self.phases.lap(Phase::Forward);
        let terms = self.detection.terms_of(&forward.heads, &wanted, &uploaded)?;
        let losses = match (&self.distiller, &teacher_output) {
            (Some(distiller), Some(teacher_output)) if !imitate => {
                tch::no_grad(|| distiller.distances(&forward, teacher_output, precision))?
            }
            (Some(distiller), Some(teacher_output)) => distiller.distances(&forward, teacher_output, precision)?,
            _ => Vec::new(),
        };
        self.phases.lap(Phase::Losses);
        let (distances, counted) = losses.into_iter().map(|loss| (loss.scalar, loss.counted)).unzip();
        let cells = teacher_output.as_ref().map_or_else(Vec::new, TeacherOutput::cells);
        let shares = teacher_output.as_ref().map_or_else(Vec::new, TeacherOutput::shares);
        Ok(Objective { terms, distances, counted, cells, shares, images })
    }

    /// YOLOv5's loss of heads, [B, A, H, W, 5 + nc] per scale.
    pub fn detection_terms(&self, heads: &[Tensor], targets: &[Target]) -> Result<LossTerms, TchError> {
        self.detection.terms(heads, targets)
    }

    /// Of float16; `None` in the others, whose exponents have float32's range.
    fn first_loss_scale(&self) -> Option<(f64, u32)> {
        (self.plan.precision == Precision::Float16).then_some((LOSS_SCALE.0, 0))
    }

    /// What a run was at when it was stopped. Its loss scale is that of its device, which may be another one now.
    pub fn go_on_from(&mut self, progress: Progress) {
        let first = self.first_loss_scale();
        self.progress = Progress { loss_scale: first.map(|first| progress.loss_scale.unwrap_or(first)), ..progress };
    }

    /// Losses and their gradients. Where λ is measured a loss that is not finite is an error by then; nothing has changed.
    fn backward(&mut self, batch: &TrainBatch, step: u64) -> Result<Backward, TrainError> {
        let share = self.schedule.lambda_share(step);
        let imitate = share != 0.0 && !self.plan.config.imitation.is_idle();
        let objective = self.objective(batch, imitate)?;
        let parameters: Vec<Tensor> = self.parameters().iter().map(|p| p.tensor.shallow_clone()).collect();
        let parameters: Vec<&Tensor> = parameters.iter().collect();
        let own = self.own_parameters();
        let loss_scale = self.progress.loss_scale.map(|(scale, _)| scale);
        let imitation_loss = objective.imitation()?;
        let keep_graph = imitation_loss.is_some();
        let detection_loss = objective.detection()?;
        let scaled = detection_loss.f_mul_scalar(loss_scale.unwrap_or(1.0))?;
        let detection = gradients_of(&scaled, &parameters[..own], keep_graph)?;
        scale(&detection, 1.0 / loss_scale.unwrap_or(1.0))?;
        let mut losses = Losses::OnDevice(objective.losses());
        let (mut imitation, mut balance) = (Vec::new(), None);
        let mut lambda = self.progress.lambda.unwrap_or(0.0) * share;
        if let Some(loss) = imitation_loss {
            let measures = step.is_multiple_of(MEASURE_EVERY) || self.progress.lambda.is_none();
            let own_scale = loss_scale.map(|scale| imitation_scale(&loss, &detection_loss, scale)).transpose()?;
            imitation = match own_scale {
                Some(own_scale) if !measures => {
                    let found = gradients_of(&loss.f_mul(&own_scale)?, &parameters, false)?;
                    native::scale_by(&found.iter().flatten().collect::<Vec<_>>(), &own_scale.f_reciprocal()?)?;
                    found
                }
                own_scale => {
                    let own_scale =
                        own_scale.map(|scale| Ok::<_, TchError>(native::read(&[&scale])?[0])).transpose()?;
                    unscaled_gradients(&loss, &parameters, own_scale, false)?
                }
            };
            if measures {
                let begin = Instant::now();
                let of_losses = objective.losses();
                let of_student = &imitation[..own];
                let lengths = [length(&detection)?, length(of_student)?];
                let products = products(&detection, of_student)?;
                let wanted: Vec<&Tensor> = of_losses.iter().chain(&lengths).chain(&products).collect();
                let mut read = native::read(&wanted)?;
                let measured = read.split_off(of_losses.len());
                check_finite(step, &read, self.distiller.as_ref())?;
                losses = Losses::Read(read);
                let norms = (measured[0], measured[1]);
                lambda = self.find_lambda(norms).unwrap_or(0.0) * share;
                balance = Some(GradientBalance {
                    ratio: lambda * norms.1 / norms.0.max(f64::MIN_POSITIVE),
                    cosine: measured[2..].iter().sum::<f64>() / (norms.0 * norms.1).max(f64::MIN_POSITIVE),
                    seconds: begin.elapsed().as_secs_f64(),
                });
            }
            scale(&imitation, lambda)?;
        }
        let Objective { counted, cells, shares, .. } = objective;
        let gradients = Gathered { detection, imitation };
        Ok(Backward { losses, counted, cells, shares, lambda, balance, gradients })
    }

    /// An imitation that is asked for and moves nothing, step after step, is an error: it would be shown and do nothing.
    fn check_effect(&mut self, step: u64, moves: bool, norm: f64) -> Result<(), TrainError> {
        if self.schedule.lambda_share(step) < FADED {
            return Ok(());
        }
        self.without_effect = if moves { 0 } else { self.without_effect + 1 };
        if self.without_effect < NO_EFFECT_STEPS {
            return Ok(());
        }
        Err(TrainError::NoEffect { step, lambda: self.progress.lambda.unwrap_or(0.0), norm })
    }

    /// λ before its envelope, from the norms of the two gradients at λ = 1; `None` where they give none, so that the next step
    /// measures again. A ratio's λ never rises above its first value.
    fn find_lambda(&mut self, (detection, imitation): (f64, f64)) -> Option<f64> {
        let lambda = match self.plan.config.imitation.lambda {
            Lambda::Fixed(lambda) => Some(lambda),
            Lambda::GradientRatio(ratio) => {
                next_lambda(ratio * detection / imitation, self.progress.lambda, self.progress.first_lambda)
            }
        };
        self.progress.lambda = lambda.or(self.progress.lambda);
        self.progress.first_lambda = self.progress.first_lambda.or(lambda);
        self.progress.lambda
    }

    /// The largest norm of the imitation's gradient in a step, as a multiple of the detection's clipped one.
    pub fn imitation_bound(&self) -> f64 {
        match self.plan.config.imitation.lambda {
            Lambda::Fixed(lambda) => IMITATION_BOUND.max(2.0 * lambda),
            Lambda::GradientRatio(ratio) => IMITATION_BOUND.max(2.0 * ratio),
        }
    }

    /// A step of the optimizer with what is gathered. The norm of the detection's gradient before clipping; `None` where
    /// float16 overflowed and its loss scale was halved. A norm that is not finite is an error, and nothing has changed by then.
    fn update(
        &mut self,
        step: u64,
        rates: &Rates,
        gathered: Gathered,
        norms: Norms,
    ) -> Result<Option<f64>, TrainError> {
        self.progress.last_update = step as i64;
        let named = [
            ("gradient's norm", norms.detection),
            ("imitation's gradient's norm", norms.imitation),
            ("adapters' gradient's norm", norms.adapters),
        ];
        let unusual = named.into_iter().find(|(_, value)| !value.is_finite());
        if let Some((scale, good)) = self.progress.loss_scale {
            if unusual.is_some() && scale > SMALLEST_SCALE {
                // YOLOv5's scaler leaves such a step out too.
                self.progress.loss_scale = Some((scale / 2.0, 0));
                return Ok(None);
            }
            let doubled = good + 1 >= LOSS_SCALE.1;
            self.progress.loss_scale = Some(if doubled { (scale * 2.0, 0) } else { (scale, good + 1) });
        }
        if let Some((term, value)) = unusual {
            return Err(TrainError::NonFinite { step, term: term.to_owned(), value });
        }
        if gathered.has_imitation() {
            self.check_effect(step, norms.imitation_moves(), norms.imitation)?;
        }
        let gradients = gathered.bounded(self.own_parameters(), norms, self.imitation_bound())?;
        self.optimizer.step(&gradients, rates)?;
        self.phases.lap(Phase::Optimizer);
        self.average.update(&self.plan.student.network)?;
        self.phases.lap(Phase::Average);
        Ok(Some(norms.detection))
    }

    /// Training images that [`Trainer::start`] looks at; 0 where there is nothing to fit, as at the tap head.
    pub fn fitted_images(&self) -> usize {
        let config = &self.plan.config.imitation;
        let fits = self.distiller.as_ref().is_some_and(|distiller| distiller.has_adapters() || config.normalise);
        let images = match config.adapter_start {
            AdapterStart::LeastSquares { images } if fits => images,
            AdapterStart::Random if config.normalise => NORMALISED_ON,
            _ => 0,
        };
        images.min(self.plan.train.samples.len())
    }

    /// Starts the adapters from their least-squares fit, and the loss scale, before the first step. `progress` hears how
    /// far it is and may break it off.
    pub fn start(&mut self, progress: &mut dyn FnMut(f32) -> ControlFlow<()>) -> Result<ControlFlow<()>, TrainError> {
        self.start_on(self.fitted_images(), progress)
    }

    /// The same with a fit on the first so many of [`Trainer::fitted_images`].
    pub fn start_on(
        &mut self,
        images: usize,
        progress: &mut dyn FnMut(f32) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TrainError> {
        self.progress.loss_scale = self.first_loss_scale();
        if images == 0 || self.distiller.is_none() {
            return Ok(ControlFlow::Continue(()));
        }
        // The images as they are trained on, from an epoch that the run never reaches.
        let batch = self.plan.config.batch.min(images);
        let count = Batches::per_epoch(images, batch);
        let mut batches = self.batches(batch, 0, u32::MAX, 0)?;
        let mut seen = Vec::with_capacity(count);
        while seen.len() < count {
            if progress(READING * seen.len() as f32 / count as f32).is_break() {
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
        let mut flow = ControlFlow::Continue(());
        if let Some(distiller) = &mut self.distiller {
            let mut fitted = |fraction: f32| progress(READING + (1.0 - READING) * fraction);
            flow = distiller.fit(&self.plan.student.network, &self.plan.config.imitation, &seen, &mut fitted)?;
        }
        self.collect_parameters();
        Ok(flow)
    }

    /// mAP and losses of the averaged weights on val; `None` where `progress` broke it off.
    pub fn evaluate(
        &self,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<Evaluation>, TrainError> {
        let losses = |heads: &[Tensor], targets: &[Target]| self.detection.terms(heads, targets)?.values();
        let config = &self.plan.config;
        let options = EvaluateOptions { imgsz: config.imgsz, batch: 2 * config.batch, losses: Some(&losses) };
        Ok(evaluate(&self.average.network.folded(Kind::Float)?, &self.plan.val, &options, progress)?)
    }

    /// What a checkpoint of the run holds.
    pub fn moving(&mut self) -> TrainState<'_> {
        TrainState {
            student: &self.plan.student.network,
            average: &mut self.average,
            optimizer: &mut self.optimizer,
            distiller: self.distiller.as_mut(),
            gathered: &mut self.gathered,
        }
    }
}

/// The next λ of a ratio: moved towards what was measured, in the logarithm, and never above the first.
fn next_lambda(wanted: f64, before: Option<f64>, first: Option<f64>) -> Option<f64> {
    if !(wanted.is_finite() && wanted > 0.0) {
        return None;
    }
    let moved = match before {
        Some(before) if before > 0.0 => before.powf(1.0 - LAMBDA_GAIN) * wanted.powf(LAMBDA_GAIN),
        _ => wanted,
    };
    Some(first.map_or(moved, |first| moved.min(first)))
}

/// The loss scale of an imitation loss, a scalar on its device: one that is larger than the detection's takes a smaller one,
/// so that it overflows no earlier.
fn imitation_scale(loss: &Tensor, detection: &Tensor, scale: f64) -> Result<Tensor, TchError> {
    tch::no_grad(|| {
        let larger = loss.f_div(detection)?.f_abs()?.f_clamp_min(1.0)?.f_log2()?.f_ceil()?.f_exp2()?;
        larger.f_clamp_max(scale)?.f_reciprocal()?.f_mul_scalar(scale)
    })
}

fn freeze(student: &Network, layers: &[usize]) -> Result<(), TrainError> {
    let count = student.spec().layers.len();
    if let Some(layer) = layers.iter().find(|layer| **layer >= count) {
        return Err(TrainError::Config(format!(
            "freeze: there is no layer {layer}; the student has layers 0 to {}",
            count - 1
        )));
    }
    let mut trains = false;
    for (name, tensor) in student.var_store().variables() {
        if layers.iter().any(|layer| name.starts_with(&format!("model.{layer}."))) {
            let _ = tensor.f_set_requires_grad(false)?;
        }
        trains |= tensor.requires_grad();
    }
    if trains {
        Ok(())
    } else {
        Err(TrainError::Config("freeze: every layer is frozen, nothing would train".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratios_lambda_never_rises_above_its_first() {
        // Nothing to go by: measured again in the next step, whatever was known before.
        for wanted in [0.0, f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(next_lambda(wanted, None, None), None);
            assert_eq!(next_lambda(wanted, Some(2.0), Some(2.0)), None);
        }
        assert_eq!(next_lambda(2.0, None, None), Some(2.0));
        // The student came near: 8 is wanted, 2^0.7 · 8^0.3 would follow, and 2 it stays.
        assert_eq!(next_lambda(8.0, Some(2.0), Some(2.0)), Some(2.0));
        // 2^0.7 · 0.5^0.3 = 2^0.4
        let lower = next_lambda(0.5, Some(2.0), Some(2.0)).expect("a lambda");
        assert!((lower - 2.0_f64.powf(0.4)).abs() < 1e-12);
    }
}
