//! How large a batch a device's memory takes.

use std::ops::ControlFlow;

use tch::Device;

use super::TrainError;
use super::config::{AdapterStart, RunConfig};
use super::event::StepRecord;
use super::optimizer::Rates;
use super::plan::RunPlan;
use super::trainer::Trainer;
use crate::dataset::TrainBatch;
use crate::yolo::network::NetworkError;

/// Steps of a try: the first one makes what the optimizer keeps, the second has it all.
const STEPS: u64 = 2;

/// The largest batch that a run takes on its GPU, up to `most` and to its training images, found by training steps that are
/// thrown away. `None` where `progress` broke it off.
pub fn largest_batch(
    config: &RunConfig,
    most: usize,
    progress: &mut dyn FnMut(&str, Option<f32>) -> ControlFlow<()>,
) -> Result<Option<usize>, TrainError> {
    let mut config = RunConfig { batch: 1, nominal_batch: 0, ..config.clone() };
    // Which weights the adapters have takes no memory.
    config.imitation.adapter_start = AdapterStart::Random;
    let Some(plan) = RunPlan::make(&config, config.teacher.is_some(), progress)? else { return Ok(None) };
    if plan.device == Device::Cpu {
        return Err(TrainError::Config(
            "a batch of auto is found by filling a GPU's memory, and this run is on the CPU; give a number, such as 16"
                .to_owned(),
        ));
    }
    let most = most.min(plan.train.samples.len()).max(1);
    let mut trainer = Trainer::new(plan)?;
    if trainer.start_on(0, &mut |_| ControlFlow::Continue(()))?.is_break() {
        return Ok(None);
    }
    let one = trainer.batches(1, 0, 0, 0)?.next_batch()?;
    if one.images.is_empty() {
        return Err(TrainError::Config("a batch of auto needs a training image that can be read".to_owned()));
    }
    let mut stopped = false;
    let found = largest(most, |images| {
        stopped |= progress(&format!("trying batches of {images}"), None).is_break();
        if stopped { Ok(false) } else { fits(&mut trainer, &one, images) }
    })?;
    if stopped {
        return Ok(None);
    }
    let found = found.ok_or_else(|| {
        TrainError::Config(format!(
            "not even a batch of one image of {} px fits into the GPU's memory; use a smaller --imgsz, smaller models or --device cpu",
            config.imgsz
        ))
    })?;
    Ok(Some(found))
}

/// Whether a step of so many images runs, all of them `one`'s.
fn fits(trainer: &mut Trainer, one: &TrainBatch, images: usize) -> Result<bool, TrainError> {
    let batch = one.picked(std::iter::repeat_n(0, images));
    let rates = Rates { bias: 0.0, weight: 0.0, norm: 0.0, adapter: 0.0, momentum: 0.9 };
    for step in 0..STEPS {
        match trainer.learn(&batch, &rates, &mut StepRecord { step, ..StepRecord::default() }) {
            // What the losses are is nothing to this.
            Ok(_) | Err(TrainError::NonFinite { .. } | TrainError::NoEffect { .. }) => {}
            Err(TrainError::Network(NetworkError::OutOfGpuMemory(_) | NetworkError::OutOfMemory(_))) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The largest number up to `most` that fits, to an eighth of itself; `None` where 1 does not. What is larger than one that
/// does not fit does not either.
fn largest<E>(most: usize, mut fits: impl FnMut(usize) -> Result<bool, E>) -> Result<Option<usize>, E> {
    if !fits(1)? {
        return Ok(None);
    }
    let (mut good, mut bad) = (1, None);
    while bad.is_none() && good < most {
        let next = (2 * good).min(most);
        if fits(next)? { good = next } else { bad = Some(next) }
    }
    while let Some(least) = bad
        && least - good > (good / 8).max(1)
    {
        let middle = good + (least - good) / 2;
        if fits(middle)? { good = middle } else { bad = Some(middle) }
    }
    Ok(Some(good))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a search of every number, for every limit.
    #[test]
    fn what_is_found_fits_and_little_more_would() {
        for most in [1, 2, 7, 64, 100] {
            for limit in 0..=130 {
                let mut tries = 0;
                let found = largest(most, |images| {
                    tries += 1;
                    assert!((1..=most).contains(&images));
                    Ok::<_, ()>(images <= limit)
                });
                let best = (1..=most).filter(|images| *images <= limit).max();
                match (found, best) {
                    (Ok(None), None) => {}
                    (Ok(Some(found)), Some(best)) => {
                        assert!(found <= best && best - found < (found / 8).max(1), "{found} of {best}");
                    }
                    other => panic!("{other:?}"),
                }
                assert!(tries <= 14, "{tries} tries");
            }
        }
    }

    #[test]
    fn an_error_of_a_try_ends_the_search() {
        assert_eq!(largest(8, |images| if images < 4 { Ok(true) } else { Err("broken") }), Err("broken"));
    }

    #[test]
    fn half_the_cells_is_a_side_of_seven_tenths() {
        use crate::train::error::half_size;
        assert_eq!([640, 320, 64, 32].map(half_size), [448, 224, 32, 32]);
    }
}
