//! What a run needs to go on as if it had never stopped: one file, written whole, read back bit for bit.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor, no_grad};

use super::TrainError;
use super::average::Average;
use super::distil::{Distiller, plain};
use super::gradients::Gathered;
use super::metrics::{Reducer, StepRecord};
use super::optimizer::Optimizer;
use crate::files::{self, tensors};
use crate::yolo::network::Network;

/// As TOML: unlike JSON it keeps every bit of a number, and knows NaN.
const PROGRESS: &str = "distillscope.progress";

/// The plain numbers of a run's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done; the next one has this number.
    pub step: u64,
    /// The step after which the optimizer last moved, −1 before the first.
    pub last_update: i64,
    pub average_updates: u64,
    pub best_fitness: f64,
    /// λ before its envelope, once it is known.
    pub lambda: Option<f64>,
    /// The first that was found: a ratio's λ never rises above it.
    #[serde(default)]
    pub first_lambda: Option<f64>,
    /// Sums over the steps of the epoch in hand.
    pub epoch: EpochSums,
    /// Loss scale of float16, and steps since it last changed.
    pub loss_scale: Option<(f64, u32)>,
}

/// Means in the making.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    pub steps: u64,
    /// `distance`: over the steps in which a scale had one.
    pub sum: StepRecord,
    /// Per scale, how many steps those were.
    #[serde(default)]
    pub compared: Vec<u64>,
    /// Sums of the gradients' ratio and cosine, and how many were measured.
    pub balance: (f64, f64, u64),
}

impl EpochSums {
    pub fn add(&mut self, step: &StepRecord) {
        let sum = &mut self.sum;
        // An epoch that began before steps without a distance were told apart counts all of them.
        self.compared.resize(sum.distance.len(), self.steps);
        sum.distance.resize(step.distance.len().max(sum.distance.len()), None);
        self.compared.resize(sum.distance.len(), 0);
        for metric in StepRecord::METRICS {
            // One that began before a quantity was kept goes on without: half of it has no mean.
            if metric.late && self.steps > 0 && (metric.count)(&self.sum) == 0 {
                continue;
            }
            for scale in 0..(metric.count)(step) {
                let Some(value) = (metric.get)(step, scale) else { continue };
                let before = || (metric.get)(&self.sum, scale).unwrap_or(0.0);
                let after = match metric.reducer {
                    Reducer::Last => value,
                    Reducer::Mean | Reducer::Sum => before() + value,
                    Reducer::MeanOfCompared => {
                        self.compared[scale] += 1;
                        before() + value
                    }
                    Reducer::MeanOfMeasured | Reducer::None => continue,
                };
                (metric.set)(&mut self.sum, scale, after);
            }
        }
        self.steps += 1;
        if let (Some(ratio), Some(cosine)) = (step.gradient_ratio, step.gradient_cosine) {
            let (ratios, cosines, count) = self.balance;
            self.balance = (ratios + ratio, cosines + cosine, count + 1);
        }
    }

    /// Every quantity as its [`Reducer`] has it; images and seconds stay sums, the rest of the last step stays as it was.
    pub fn mean(&self) -> StepRecord {
        let mut mean = self.sum.clone();
        for metric in StepRecord::METRICS {
            for scale in 0..(metric.count)(&self.sum) {
                let count = match metric.reducer {
                    Reducer::Mean => self.steps,
                    Reducer::MeanOfCompared => self.compared.get(scale).copied().unwrap_or(0),
                    _ => continue,
                };
                if let Some(sum) = (metric.get)(&self.sum, scale) {
                    (metric.set)(&mut mean, scale, sum / count.max(1) as f64);
                }
            }
        }
        let (ratios, cosines, count) = self.balance;
        let measured = |sum: f64| (count > 0).then(|| sum / count as f64);
        (mean.gradient_ratio, mean.gradient_cosine) = (measured(ratios), measured(cosines));
        mean
    }
}

/// What moves during a run, by reference.
pub struct TrainState<'a> {
    pub student: &'a Network,
    pub average: &'a mut Average,
    pub optimizer: &'a mut Optimizer,
    pub distiller: Option<&'a mut Distiller>,
    /// Gradients that wait for the optimizer's next step.
    pub gathered: &'a mut Gathered,
}

impl TrainState<'_> {
    pub fn write(&self, path: &Path, progress: &Progress) -> Result<(), TrainError> {
        let mut named = Vec::new();
        let mut keep = |name: String, tensor: &Tensor| -> Result<(), TchError> {
            named.push(plain(name, tensor)?);
            Ok(())
        };
        for (name, tensor) in self.student.var_store().variables() {
            keep(format!("student/{name}"), &tensor)?;
        }
        for (name, tensor) in self.average.network.var_store().variables() {
            keep(format!("average/{name}"), &tensor)?;
        }
        for (name, tensor) in self.optimizer.state() {
            keep(format!("optimizer/{name}"), &tensor)?;
        }
        for (part, gradients) in [("gradient", &self.gathered.detection), ("imitation", &self.gathered.imitation)] {
            for (parameter, gradient) in self.optimizer.parameters().iter().zip(gradients) {
                if let Some(gradient) = gradient {
                    keep(format!("{part}/{}", parameter.name), gradient)?;
                }
            }
        }
        if let Some(distiller) = &self.distiller {
            for (name, tensor) in distiller.parameters().into_iter().chain(distiller.constants()) {
                keep(format!("adapter/{name}"), &tensor)?;
            }
        }
        named.sort_by(|a, b| a.name.cmp(&b.name));
        let text = toml::to_string(progress).map_err(|error| TrainError::Config(error.to_string()))?;
        tensors::write(path, &named, &HashMap::from([(PROGRESS.to_owned(), text)])).map_err(TrainError::from)
    }

    /// Takes back what [`TrainState::write`] wrote for the same run.
    pub fn read(&mut self, path: &Path) -> Result<Progress, TrainError> {
        // As long as its networks are: what it claims is held against the file's own length.
        let bytes = files::read(path, u64::MAX)?;
        let fails = |what: String| TrainError::State { path: path.to_owned(), what };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| fails(error.to_string()))?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(PROGRESS));
        let text = text.ok_or_else(|| fails("its metadata has no progress".to_owned()))?;
        let progress: Progress = toml::from_str(text).map_err(|error| fails(files::toml_problem(&error)))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| fails(error.to_string()))?;
        let mut parts: HashMap<&str, HashMap<String, Tensor>> = HashMap::new();
        for (name, view) in file.tensors() {
            let Some((part, rest)) = name.split_once('/') else { continue };
            let Some(part) = ["student", "average", "optimizer", "gradient", "imitation", "adapter"]
                .into_iter()
                .find(|p| *p == part)
            else {
                continue;
            };
            let values: Vec<f32> =
                view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
            let tensor = Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?;
            parts.entry(part).or_default().insert(rest.to_owned(), tensor);
        }
        for (part, network) in [("student", self.student), ("average", &self.average.network)] {
            for (name, mut variable) in network.var_store().variables() {
                let found = parts.get(part).and_then(|part| part.get(&name));
                let found = found.filter(|found| found.size() == variable.size());
                let found = found.ok_or_else(|| fails(format!("{part}/{name} is missing or of another shape")))?;
                no_grad(|| variable.f_copy_(found))?;
            }
        }
        self.average.updates = progress.average_updates;
        self.optimizer.restore(parts.get("optimizer").unwrap_or(&HashMap::new()))?;
        let Gathered { detection, imitation } = &mut *self.gathered;
        for (part, gradients) in [("gradient", detection), ("imitation", imitation)] {
            let found = parts.remove(part).unwrap_or_default();
            for (parameter, gradient) in self.optimizer.parameters().iter().zip(gradients) {
                let found = found.get(&parameter.name);
                *gradient = found.map(|found| found.f_to_device(parameter.tensor.device())).transpose()?;
            }
        }
        if let Some(distiller) = &mut self.distiller {
            distiller.restore(parts.get("adapter").unwrap_or(&HashMap::new()))?;
        }
        Ok(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(shares: &[f64]) -> StepRecord {
        StepRecord { mask_cells: vec![2, 1], mask_share: shares.to_vec(), ..StepRecord::default() }
    }

    #[test]
    fn an_epochs_shares_are_the_mean_of_its_steps() {
        let mut sums = EpochSums::default();
        sums.add(&step(&[0.25, 0.0]));
        sums.add(&step(&[0.75, 0.5]));
        assert_eq!(sums.mean().mask_share, [0.5, 0.25]);
        // Two steps of before shares were kept: the third one alone is no mean of the epoch.
        let mut sums = EpochSums { steps: 2, sum: step(&[]), ..EpochSums::default() };
        sums.add(&step(&[0.75, 0.5]));
        assert_eq!((sums.mean().mask_share, sums.steps), (Vec::new(), 3));
    }

    #[test]
    fn an_epochs_distance_is_the_mean_of_the_steps_that_have_one() {
        let step = |distance: [Option<f64>; 3]| StepRecord {
            distance: distance.to_vec(),
            imitation: distance.iter().map(|d| d.unwrap_or(0.0)).collect(),
            ..StepRecord::default()
        };
        let mut sums = EpochSums::default();
        sums.add(&step([Some(1.0), None, None]));
        sums.add(&step([Some(2.0), Some(4.0), None]));
        // As a run that is resumed here reads it.
        let mut sums: EpochSums = toml::from_str(&toml::to_string(&sums).unwrap()).unwrap();
        sums.add(&step([Some(6.0), Some(5.0), None]));
        let mean = sums.mean();
        assert_eq!(mean.distance, [Some(3.0), Some(4.5), None]);
        // What a scale adds to the loss is 0 where it has no cell.
        assert_eq!(mean.imitation, [3.0, 3.0, 0.0]);
        assert_eq!(EpochSums::default().mean().distance, []);
        // A step that was left out has no scales at all.
        sums.add(&StepRecord::default());
        assert_eq!(sums.mean().distance, [Some(3.0), Some(4.5), None]);
        // Two steps of a version that wrote 0 for nothing: 3 of 3 steps count.
        let mut sums = EpochSums { steps: 2, sum: step([Some(1.0), Some(0.0), Some(3.0)]), ..EpochSums::default() };
        sums.add(&step([Some(2.0), Some(3.0), None]));
        assert_eq!(sums.mean().distance, [Some(1.0), Some(1.0), Some(1.5)]);
    }
}
