//! What the checks may ask of a set-up.

use std::ops::ControlFlow;

use tch::{TchError, Tensor, no_grad};

use crate::dataset::TrainBatch;
use crate::imitation::loss::{BatchMask, MaskSource};
use crate::train::TrainError;
use crate::train::objective::{Objective, targets};
use crate::train::optimizer::Rates;
use crate::train::trainer::Trainer;
use crate::train::trial::{self, Trial};
use crate::yolo::anchors::AnchorScale;
use crate::yolo::assign::Target;

/// A set-up under test. A run's own [`Trainer`] answers every question as the run would; another port of the method answers
/// what it does differently.
pub trait Subject {
    fn trainer(&self) -> &Trainer;
    fn learner_mut(&mut self) -> &mut Trainer;

    /// Brings the adapters to where the run starts, as far as a fit on so many images does.
    fn start(
        &mut self,
        images: usize,
        progress: &mut dyn FnMut(f32) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TrainError> {
        self.learner_mut().start_on(images, progress)
    }

    /// The run's first batch.
    fn batch(&mut self) -> Result<TrainBatch, TrainError> {
        let trainer = self.trainer();
        let mut batches = trainer.batches(trainer.plan.config.batch, 0, 0, 0)?;
        loop {
            let batch = batches.next_batch()?;
            if !batch.images.is_empty() {
                return Ok(batch);
            }
        }
    }

    /// What student and teacher are given, [B, 3, H, W] each.
    fn inputs(&self, batch: &TrainBatch) -> Result<[Tensor; 2], TrainError> {
        let input = self.trainer().input(batch)?;
        Ok([input.shallow_clone(), input])
    }

    /// The ground truths as the detection loss takes them.
    fn targets(&self, batch: &TrainBatch) -> Vec<Target> {
        targets(batch)
    }

    /// The anchors that masks and targets are made from, in input px.
    fn anchors(&self) -> Vec<AnchorScale> {
        self.trainer().student().scales().to_vec()
    }

    /// The imitated cells per scale.
    fn masks(&self, batch: &TrainBatch) -> Result<Vec<BatchMask>, TrainError> {
        let Some(distiller) = self.trainer().distiller() else { return Ok(Vec::new()) };
        let heads = if distiller.mask_source() == MaskSource::Teacher {
            let [_, input] = self.inputs(batch)?;
            no_grad(|| distiller.teacher().forward(&input))?.heads
        } else {
            Vec::new()
        };
        distiller.masks(batch, &heads)
    }

    /// The teacher's features per scale, as the imitation takes them.
    fn teacher_output(&self, batch: &TrainBatch) -> Result<Vec<Tensor>, TrainError> {
        match self.trainer().distiller() {
            Some(distiller) => {
                let [_, input] = self.inputs(batch)?;
                distiller.features(&input)
            }
            None => Ok(Vec::new()),
        }
    }

    /// Both losses with their graph.
    fn objective(&self, batch: &TrainBatch) -> Result<Objective, TrainError> {
        self.trainer().objective(batch, true)
    }

    /// What a batch costs.
    fn total(&self, objective: &Objective, lambda: f64) -> Result<Tensor, TchError> {
        objective.total(lambda)
    }

    /// The adapters under the names that the optimizer would give them.
    fn adapters(&self) -> Vec<(String, Tensor)> {
        self.trainer().distiller().map_or_else(Vec::new, |distiller| distiller.parameters())
    }

    /// Names of what the optimizer moves.
    fn optimized(&self) -> Vec<String> {
        self.trainer().parameters().iter().map(|parameter| parameter.name.clone()).collect()
    }

    /// One step of the optimizer, at the run's full learning rate.
    fn step(&mut self, batch: &TrainBatch) -> Result<(), TrainError> {
        let trainer = self.learner_mut();
        let lr = trainer.plan.config.hyp.lr0;
        let adapter = lr * trainer.plan.config.imitation.adapter_lr;
        let rates = Rates { bias: lr, weight: lr, norm: lr, adapter, momentum: trainer.plan.config.hyp.momentum };
        trial::real_step(trainer, batch, 0, &rates, None)
    }

    /// One step of the optimizer as the run makes it, with the imitation or without, and taken back.
    fn trial(&mut self, batch: &TrainBatch, imitate: bool) -> Result<Trial, TrainError> {
        trial::trial(self.learner_mut(), batch, imitate)
    }
}

impl Subject for Trainer {
    fn trainer(&self) -> &Trainer {
        self
    }

    fn learner_mut(&mut self) -> &mut Trainer {
        self
    }
}

/// The run's first batch, and the parts of it that are enough for what costs a pass through the models.
pub(super) struct Extents {
    pub(super) whole: TrainBatch,
    pub(super) part: TrainBatch,
    /// A few images of `part`, mostly one, that imitate something at every scale where `part` does.
    pub(super) few: TrainBatch,
}
