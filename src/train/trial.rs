//! A step that is made by the path that trains and taken back, to see what it holds.

use std::collections::HashMap;

use tch::{TchError, Tensor, no_grad};

use super::TrainError;
use super::config::{Lambda, OptimizerKind};
use super::event::StepRecord;
use super::gradients::Gathered;
use super::optimizer::{Parameter, Rates};
use super::state::Progress;
use super::trainer::Trainer;
use crate::dataset::TrainBatch;

/// The rate at which a trial steps: far above the rounding of a weight. It is taken back, so it does no harm.
const RATE: f64 = 1.0;
/// Float16 leaves out a step whose gradients overflow and halves its loss scale: from 65536 to below 1 at most.
const OVERFLOWS: usize = 18;

/// What one step of the optimizer did to each of [`Trainer::parameters`].
#[derive(Debug)]
pub struct Trial {
    /// The gradient that the optimizer took, weight decay included. Of SGD without momentum it is what the weights moved by,
    /// with the sign turned, at rate 1; of Adam, whose move does not grow with its gradient, its first moment at beta1 0.
    pub pulls: Vec<Tensor>,
    /// After minus before.
    pub moves: Vec<Tensor>,
    /// Batches whose gradients were gathered for it: 2 where the run gathers more than one.
    pub batches: u64,
}

/// The step of a run in which λ's envelope is at its highest, by its warm-up and its end.
pub fn strongest_step(trainer: &Trainer) -> u64 {
    let config = &trainer.plan.config.imitation;
    let end = config.stop_step.unwrap_or(u64::MAX).min(trainer.plan.steps).max(1);
    config.warmup_steps.saturating_sub(1).min(end - 1)
}

/// Forward, backward, gathering, bounds and the optimizer, as a run has them from its start, with the imitation as it is set
/// up or with λ = 0. Everything is put back.
pub fn trial(trainer: &mut Trainer, batch: &TrainBatch, imitate: bool) -> Result<Trial, TrainError> {
    let kept = Kept::of(trainer)?;
    let made = make(trainer, batch, imitate);
    kept.put_back(trainer)?;
    made
}

fn make(trainer: &mut Trainer, batch: &TrainBatch, imitate: bool) -> Result<Trial, TrainError> {
    let tensors: Vec<Tensor> = trainer.parameters().iter().map(|parameter| parameter.tensor.shallow_clone()).collect();
    let before = tensors.iter().map(Tensor::f_detach_copy).collect::<Result<Vec<_>, TchError>>()?;
    let moving = trainer.moving();
    moving.optimizer.restore(&HashMap::new())?;
    moving.gathered.clear();
    (trainer.progress.lambda, trainer.progress.first_lambda) = (None, None);
    if !imitate {
        trainer.plan.config.imitation.lambda = Lambda::Fixed(0.0);
    }
    let step = strongest_step(trainer);
    let gathers = trainer.schedule.accumulate(trainer.plan.steps.saturating_sub(1)) > 1;
    let rates = Rates { bias: RATE, weight: RATE, norm: RATE, adapter: RATE, momentum: 0.0 };
    let waits = if gathers { Some(step as i64) } else { None };
    real_step(trainer, batch, step, &rates, waits)?;

    let moved = |(tensor, before): (&Tensor, &Tensor)| tensor.f_detach()?.f_sub(before);
    let moves = tensors.iter().zip(&before).map(moved).collect::<Result<Vec<_>, TchError>>()?;
    let pulls = if trainer.plan.config.optimizer == OptimizerKind::Sgd {
        moves.iter().map(|moved| moved.f_mul_scalar(-1.0 / RATE)).collect::<Result<_, TchError>>()?
    } else {
        let moments: HashMap<String, Tensor> = trainer.moving().optimizer.state().into_iter().collect();
        let first = |(parameter, moved): (&Parameter, &Tensor)| {
            let moment = moments.get(&format!("first/{}", parameter.name));
            moment.map_or_else(|| moved.f_zeros_like(), |moment| Ok(moment.shallow_clone()))
        };
        trainer.parameters().iter().zip(&moves).map(first).collect::<Result<_, TchError>>()?
    };
    Ok(Trial { pulls, moves, batches: if gathers { 2 } else { 1 } })
}

/// One batch and a step of the optimizer, however much the run gathers before one; in float16 as often as it takes until the
/// loss scale fits. `waits`: the same batch is gathered once before, as after a step of that number.
pub fn real_step(
    trainer: &mut Trainer,
    batch: &TrainBatch,
    step: u64,
    rates: &Rates,
    waits: Option<i64>,
) -> Result<(), TrainError> {
    for _ in 0..OVERFLOWS {
        let mut record = StepRecord { step, ..StepRecord::default() };
        // As if the last step were long past, but for a batch that waits.
        for last_update in waits.into_iter().chain([i64::MIN / 2]) {
            trainer.progress.last_update = last_update;
            if let Some(warning) = trainer.learn(batch, rates, &mut record)? {
                return Err(TrainError::Config(warning));
            }
        }
        if record.gradient_norm.is_some() {
            return Ok(());
        }
    }
    Err(TrainError::Config(format!("no step was made: the gradients overflow float16 {OVERFLOWS} times in a row")))
}

/// What a step changes.
struct Kept {
    /// Every tensor of student, adapters and moving average, with its copy.
    tensors: Vec<(Tensor, Tensor)>,
    optimizer: HashMap<String, Tensor>,
    average_updates: u64,
    gathered: Gathered,
    progress: Progress,
    lambda: Lambda,
}

impl Kept {
    fn of(trainer: &mut Trainer) -> Result<Self, TchError> {
        let mut tensors: Vec<Tensor> = trainer.student().var_store().variables().into_values().collect();
        tensors.extend(trainer.average.network.var_store().variables().into_values());
        let adapters = trainer.distiller().map_or_else(Vec::new, |distiller| distiller.parameters());
        tensors.extend(adapters.into_iter().map(|(_, tensor)| tensor));
        let copied = |tensor: Tensor| Ok((tensor.shallow_clone(), tensor.f_detach_copy()?));
        let tensors = tensors.into_iter().map(copied).collect::<Result<_, TchError>>()?;
        let (progress, lambda) = (trainer.progress.clone(), trainer.plan.config.imitation.lambda);
        let moving = trainer.moving();
        let state = moving.optimizer.state().into_iter();
        let optimizer = state.map(|(name, tensor)| Ok((name, tensor.f_detach_copy()?)));
        Ok(Self {
            tensors,
            optimizer: optimizer.collect::<Result<_, TchError>>()?,
            average_updates: moving.average.updates,
            gathered: std::mem::take(moving.gathered),
            progress,
            lambda,
        })
    }

    fn put_back(self, trainer: &mut Trainer) -> Result<(), TchError> {
        no_grad(|| {
            for (mut tensor, copy) in self.tensors {
                tensor.f_copy_(&copy)?;
            }
            Ok::<_, TchError>(())
        })?;
        (trainer.progress, trainer.plan.config.imitation.lambda) = (self.progress, self.lambda);
        let moving = trainer.moving();
        moving.optimizer.restore(&self.optimizer)?;
        moving.average.updates = self.average_updates;
        *moving.gathered = self.gathered;
        Ok(())
    }
}
