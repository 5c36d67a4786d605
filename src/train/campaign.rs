//! STUB, replaced at the merge: a synthetic campaign, so that the window has something to show.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use thiserror::Error;

use super::config::{Campaign, Length};
use super::evaluate::Evaluation;
use super::event::{
    Arm, EpochRecord, Outcome, RunControl, RunEvent, RunId, RunSummary, Snapshot, SnapshotScale, StepRecord,
};
use crate::grid::Grid;

#[derive(Debug, Error)]
pub enum TrainError {
    #[error("{0}")]
    Refused(String),
}

/// Runs a campaign that nothing is learned in.
pub fn run(campaign: &Campaign, control: &RunControl, emit: &mut dyn FnMut(RunId, RunEvent)) -> Result<(), TrainError> {
    let config = &campaign.config;
    if config.batch == 13 {
        return Err(TrainError::Refused("a batch of 13 brings bad luck; choose another".to_owned()));
    }
    let arms: &[Arm] = if campaign.paired { &[Arm::Imitation, Arm::Baseline] } else { &[Arm::Imitation] };
    for seed in config.seed..config.seed + u64::from(campaign.seeds) {
        for &arm in arms {
            if !one(campaign, RunId { seed, arm }, control, emit) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn noise(seed: u64, step: u64) -> f64 {
    let mut x = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ step.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 31;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 29;
    (x >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

fn one(campaign: &Campaign, id: RunId, control: &RunControl, emit: &mut dyn FnMut(RunId, RunEvent)) -> bool {
    let config = &campaign.config;
    let steps_per_epoch = 40;
    let steps = match config.length {
        Length::Epochs(epochs) => u64::from(epochs) * steps_per_epoch,
        Length::Steps(steps) => steps,
    };
    let pace = Duration::from_millis(std::env::var("STUB_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(40));
    let summary = RunSummary {
        folder: campaign.out.join(id.arm.name()),
        steps,
        steps_per_epoch,
        first_step: 0,
        scales: ["P3", "P4", "P5"].map(str::to_owned).to_vec(),
        images: 69,
        labels: 240,
        val_images: 18,
        device: "CPU".to_owned(),
    };
    emit(id, RunEvent::Started(Arc::new(summary)));
    for tenth in 0..10 {
        let fraction = Some(tenth as f32 / 10.0);
        emit(id, RunEvent::Stage { what: "fitting the adapters".to_owned(), fraction });
        sleep(Duration::from_millis(60));
    }
    let helped = if id.arm == Arm::Imitation { 1.0 } else { 0.0 };
    let mut sum = StepRecord::default();
    for step in 0..steps {
        while control.is_paused() && !control.is_stopped() {
            sleep(Duration::from_millis(20));
        }
        if control.is_stopped() {
            emit(id, RunEvent::Saved { step });
            emit(id, RunEvent::Ended(Outcome::Stopped));
            return false;
        }
        sleep(pace);
        let t = step as f64;
        let fall = (-t / 150.0).exp();
        let n = noise(id.seed, step);
        let distance: Vec<f64> =
            [30.0, 55.0, 90.0].iter().map(|d| d * (0.35 + 0.65 * (1.0 - helped * (1.0 - fall)) + 0.1 * n)).collect();
        let lambda = 0.0004 * helped;
        let imitation: Vec<f64> = distance.iter().map(|d| d * lambda).collect();
        let record = StepRecord {
            step,
            epoch: (step / steps_per_epoch) as u32,
            total: 0.08 + 0.12 * fall + 0.03 * n + imitation.iter().sum::<f64>(),
            box_loss: 0.03 + 0.05 * fall + 0.01 * n,
            objectness: 0.03 + 0.04 * fall + 0.012 * noise(id.seed + 9, step),
            class: 0.02 + 0.03 * fall + 0.008 * noise(id.seed + 5, step),
            imitation,
            distance,
            lambda,
            mask_cells: vec![300, 120, 40],
            gradient_ratio: step.is_multiple_of(10).then_some(0.2 + 0.05 * n),
            learning_rate: 0.01 * (1.0 - 0.99 * t / steps as f64),
            momentum: 0.937,
            gradient_norm: Some(2.0 + n),
            images: config.batch,
            seconds: pace.as_secs_f64(),
            waited: 0.0,
        };
        sum.total += record.total / steps_per_epoch as f64;
        sum.distance.resize(3, 0.0);
        for (sum, value) in sum.distance.iter_mut().zip(&record.distance) {
            *sum += value / steps_per_epoch as f64;
        }
        emit(id, RunEvent::Step(record));
        if let Some(snapshot) = &config.snapshot
            && step.is_multiple_of(snapshot.every.max(1))
        {
            let scales = [8_u32, 16, 32].map(|stride| {
                let side = (config.imgsz / stride) as usize;
                let middle = side as f32 / 2.0;
                let difference = Grid::from_fn(side, side, |row, col| {
                    let d = ((row as f32 - middle).powi(2) + (col as f32 - middle).powi(2)) / (middle * middle);
                    (40.0 * (-4.0 * d).exp() + 4.0 * ((row * 7 + col * 13) % 11) as f32 / 11.0)
                        * (0.2 + 0.8 * fall as f32)
                });
                SnapshotScale { stride, difference }
            });
            let snapshot = Snapshot { step, image: snapshot.image.clone(), scales: scales.to_vec() };
            emit(id, RunEvent::Snapshot(Arc::new(snapshot)));
        }
        if (step + 1).is_multiple_of(steps_per_epoch) || step + 1 == steps {
            emit(id, RunEvent::Stage { what: "evaluating".to_owned(), fraction: Some(0.5) });
            sleep(Duration::from_millis(250));
            let map50 = 0.5 * (1.0 - fall) + 0.05 * helped * (1.0 - fall) + 0.02 * n;
            let evaluation = Evaluation { map50, map50_95: 0.6 * map50, seconds: 0.25, ..Evaluation::default() };
            emit(
                id,
                RunEvent::Epoch(Box::new(EpochRecord {
                    epoch: (step / steps_per_epoch) as u32,
                    step: step + 1,
                    mean: std::mem::take(&mut sum),
                    learning_rates: [0.01; 3],
                    evaluation: Some(evaluation),
                    best: true,
                })),
            );
        }
    }
    emit(id, RunEvent::Saved { step: steps });
    emit(id, RunEvent::Ended(Outcome::Finished));
    true
}
