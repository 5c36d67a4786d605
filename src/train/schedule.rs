//! What depends on the step alone: learning rates, momentum, accumulation, and λ's envelope.

use super::config::{Decay, ImitationConfig, LrSchedule, OptimizerKind, Recipe, RunConfig};
use super::hyp::Hyperparameters;
use super::optimizer::Rates;

/// YOLOv5's shortest warm-up, steps; however short the run is.
const SHORTEST_WARMUP: f64 = 100.0;

#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    hyp: Hyperparameters,
    lr_schedule: LrSchedule,
    /// SGD's momentum warms up; Adam's beta1, as in YOLOv5, does not.
    warms_momentum: bool,
    steps: u64,
    steps_per_epoch: u64,
    warmup_steps: f64,
    batch: f64,
    nominal_batch: f64,
    adapter_lr: f64,
    imitation: ImitationConfig,
}

impl Schedule {
    pub fn new(config: &RunConfig, steps: u64, steps_per_epoch: u64) -> Self {
        let warmup_steps = if config.warmup_share > 0.0 {
            (config.warmup_share * steps as f64).round()
        } else if config.hyp.warmup_epochs > 0.0 {
            let shortest = if config.recipe == Recipe::Yolov5 { SHORTEST_WARMUP } else { 0.0 };
            (config.hyp.warmup_epochs * steps_per_epoch as f64).round_ties_even().max(shortest)
        } else {
            0.0
        };
        Self {
            hyp: config.hyp.clone(),
            lr_schedule: config.lr_schedule,
            warms_momentum: config.optimizer == OptimizerKind::Sgd,
            steps,
            steps_per_epoch,
            warmup_steps,
            batch: config.batch as f64,
            nominal_batch: config.nominal() as f64,
            adapter_lr: config.imitation.adapter_lr,
            imitation: config.imitation.clone(),
        }
    }

    /// Share of the first learning rate at a step, 1 down to `lrf`.
    fn decayed(&self, step: u64) -> f64 {
        let epoch = (step / self.steps_per_epoch) as f64;
        let of_epochs = epoch / (self.steps as f64 / self.steps_per_epoch as f64);
        let cosine = |done: f64| (1.0 - (std::f64::consts::PI * done).cos()) / 2.0 * (self.hyp.lrf - 1.0) + 1.0;
        match self.lr_schedule {
            LrSchedule::CosinePerStep => cosine(step as f64 / self.steps as f64),
            LrSchedule::CosinePerEpoch => cosine(of_epochs),
            LrSchedule::LinearPerEpoch => (1.0 - of_epochs) * (1.0 - self.hyp.lrf) + self.hyp.lrf,
        }
    }

    fn warming(&self, step: u64) -> Option<f64> {
        (self.warmup_steps > 0.0 && step as f64 <= self.warmup_steps).then(|| step as f64 / self.warmup_steps)
    }

    pub fn rates(&self, step: u64) -> Rates {
        let lr = self.hyp.lr0 * self.decayed(step);
        let mix = |from: f64, to: f64, share: f64| from + (to - from) * share;
        let (bias, weight, momentum) = match self.warming(step) {
            Some(share) => (
                mix(self.hyp.warmup_bias_lr, lr, share),
                mix(0.0, lr, share),
                if self.warms_momentum {
                    mix(self.hyp.warmup_momentum, self.hyp.momentum, share)
                } else {
                    self.hyp.momentum
                },
            ),
            None => (lr, lr, self.hyp.momentum),
        };
        Rates { bias, weight, norm: weight, adapter: weight * self.adapter_lr, momentum }
    }

    /// Batches whose gradients are added up before a step of the optimizer.
    pub fn accumulate(&self, step: u64) -> u64 {
        let full = self.nominal_batch / self.batch;
        match self.warming(step) {
            Some(share) => (1.0 + (full - 1.0) * share).round_ties_even().max(1.0) as u64,
            None => full.round_ties_even().max(1.0) as u64,
        }
    }

    /// The decay that fits the batch that is really gathered.
    pub fn weight_decay(&self) -> f64 {
        let accumulate = (self.nominal_batch / self.batch).round_ties_even().max(1.0);
        self.hyp.weight_decay * self.batch * accumulate / self.nominal_batch
    }

    /// What λ is multiplied by: up over its warm-up, down with its decay, 0 from its stop on.
    pub fn lambda_share(&self, step: u64) -> f64 {
        let end = self.imitation.stop_step.unwrap_or(self.steps);
        if step >= end {
            return 0.0;
        }
        let warm = match self.imitation.warmup_steps {
            0 => 1.0,
            warmup => ((step + 1) as f64 / warmup as f64).min(1.0),
        };
        let done = step as f64 / end.max(1) as f64;
        warm * match self.imitation.decay {
            Decay::None => 1.0,
            Decay::Linear => 1.0 - done,
            Decay::Cosine => (1.0 + (std::f64::consts::PI * done).cos()) / 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::Length;

    fn config() -> RunConfig {
        RunConfig { batch: 16, length: Length::Epochs(20), ..RunConfig::default() }.with_recipe(Recipe::Yolov5)
    }

    #[test]
    fn rates_are_yolov5s() {
        // 20 epochs of 13 steps: warm-up max(39, 100) steps.
        let schedule = Schedule::new(&config(), 260, 13);
        let start = schedule.rates(0);
        assert_eq!((start.bias, start.weight, start.momentum), (0.1, 0.0, 0.8));
        // Half way, in epoch 3: lr = 0.01 (0.85 · 0.99 + 0.01).
        let lr = 0.01 * (0.85 * 0.99 + 0.01);
        let half = schedule.rates(50);
        assert!((half.weight - lr / 2.0).abs() < 1e-12);
        assert!((half.bias - (0.1 + lr) / 2.0).abs() < 1e-12);
        assert!((half.momentum - (0.8 + 0.937) / 2.0).abs() < 1e-12);
        // Epoch 19: 0.05 · 0.99 + 0.01.
        assert!((schedule.rates(259).bias - 0.01 * (0.05 * 0.99 + 0.01)).abs() < 1e-12);
        // interp(n, [0, 100], [1, 4]).round(): 2.5 rounds to 2 as numpy rounds.
        assert_eq!([0, 16, 17, 50, 51, 100, 101].map(|step| schedule.accumulate(step)), [1, 1, 2, 2, 3, 4, 4]);
        assert!((schedule.weight_decay() - 0.0005).abs() < 1e-15);
    }

    /// nw = max(round(3 · 10), 100), although the run has 40 steps.
    #[test]
    fn yolov5_warms_up_for_a_hundred_steps_at_least() {
        let schedule = Schedule::new(&config(), 40, 10);
        assert!((schedule.rates(20).momentum - (0.8 + 0.2 * 0.137)).abs() < 1e-12);
        // Epoch 3 of 4: lr = 0.01 (0.25 · 0.99 + 0.01), of which 39 of 100.
        assert!((schedule.rates(39).weight - 0.39 * 0.01 * (0.25 * 0.99 + 0.01)).abs() < 1e-15);
    }

    #[test]
    fn epochs_of_warm_up_that_are_asked_for_are_what_a_short_run_does() {
        let mut config = RunConfig { warmup_share: 0.0, ..RunConfig::default() };
        config.hyp.warmup_epochs = 2.0;
        let schedule = Schedule::new(&config, 40, 10);
        let at = |step: u64| 0.003 * (1.0 - 0.99 * (1.0 - (std::f64::consts::PI * step as f64 / 40.0).cos()) / 2.0);
        assert!((schedule.rates(5).weight - at(5) / 4.0).abs() < 1e-15);
        assert!((schedule.rates(21).weight - at(21)).abs() < 1e-15);
        config.hyp.warmup_epochs = 0.0;
        assert!((Schedule::new(&config, 40, 10).rates(0).weight - 0.003).abs() < 1e-15);
    }

    /// As in YOLOv5, whose Adam groups have no momentum that could warm up.
    #[test]
    fn beta1_does_not_warm_up() {
        for optimizer in [OptimizerKind::Adam, OptimizerKind::AdamW] {
            let schedule = Schedule::new(&RunConfig { optimizer, ..config() }, 260, 13);
            assert_eq!([0, 50, 200].map(|step| schedule.rates(step).momentum), [0.937; 3]);
        }
    }

    /// 200 steps: 20 of warm-up from 0 for every group, then 0.003 (1 − 0.99 (1 − cos(π step / 200)) / 2).
    #[test]
    fn a_short_recipe_is_a_cosine_over_the_steps() {
        let config = RunConfig { batch: 16, length: Length::Epochs(20), ..RunConfig::default() };
        let schedule = Schedule::new(&config, 200, 10);
        let start = schedule.rates(0);
        assert_eq!((start.bias, start.weight, start.norm, start.adapter, start.momentum), (0.0, 0.0, 0.0, 0.0, 0.937));
        let at = |step: u64| 0.003 * (1.0 - 0.99 * (1.0 - (std::f64::consts::PI * step as f64 / 200.0).cos()) / 2.0);
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-15, "{found} and {wanted}");
        close(schedule.rates(10).weight, at(10) / 2.0);
        close(schedule.rates(10).bias, at(10) / 2.0);
        close(schedule.rates(21).weight, at(21));
        close(schedule.rates(100).weight, 0.003 * (1.0 - 0.99 / 2.0));
        assert_eq!(schedule.rates(10).momentum, 0.937);
        assert_eq!([0, 10, 150].map(|step| schedule.accumulate(step)), [1, 1, 1]);
        assert_eq!(schedule.weight_decay(), 0.02);
    }

    #[test]
    fn lambda_warms_up_decays_and_stops() {
        let with = |imitation: ImitationConfig| Schedule::new(&RunConfig { imitation, ..config() }, 100, 10);
        let none = ImitationConfig { decay: Decay::None, ..ImitationConfig::default() };
        let share = with(ImitationConfig { warmup_steps: 4, stop_step: Some(50), ..none });
        assert_eq!([0, 1, 3, 10, 49, 50].map(|step| share.lambda_share(step)), [0.25, 0.5, 1.0, 1.0, 1.0, 0.0]);
        let linear = with(ImitationConfig { decay: Decay::Linear, ..ImitationConfig::default() });
        assert_eq!([0, 25, 75].map(|step| linear.lambda_share(step)), [1.0, 0.75, 0.25]);
        let cosine = with(ImitationConfig { decay: Decay::Cosine, ..ImitationConfig::default() });
        assert!((cosine.lambda_share(50) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn cosine_falls_from_one_to_lrf() {
        let schedule = Schedule::new(&RunConfig { lr_schedule: LrSchedule::CosinePerEpoch, ..config() }, 260, 13);
        assert!((schedule.decayed(0) - 1.0).abs() < 1e-12);
        assert!((schedule.decayed(130) - (1.0 + 0.01) / 2.0).abs() < 1e-12);
        assert!((schedule.decayed(260) - 0.01).abs() < 1e-12);
    }
}
