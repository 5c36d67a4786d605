//! The image whose difference maps a run records, moment by moment.

use std::path::PathBuf;
use std::time::Instant;

use tch::Tensor;

use super::TrainError;
use super::config::SnapshotConfig;
use super::distil::Distiller;
use super::event::{Snapshot, SnapshotScale};
use super::plan::RunPlan;
use crate::geometry::BoundingBox;
use crate::grid::Grid;
use crate::inspect::{LabelSource, Scene, SceneError, SceneRequest};
use crate::yolo::network::Network;

/// The image as the models take it, and where its ground truths lie.
pub struct SnapshotInput {
    image: PathBuf,
    every: u64,
    input: Tensor,
    /// The image's ground truths, input px.
    boxes: Vec<BoundingBox>,
    /// Of each ground truth, in each scale.
    truth_cells: Vec<Vec<Vec<usize>>>,
}

impl SnapshotInput {
    pub fn of(
        scene: &Scene,
        config: &SnapshotConfig,
        plan: &RunPlan,
        distiller: &Distiller,
    ) -> Result<Self, TrainError> {
        let input = crate::inspect::input_tensor(&scene.input, plan.device);
        Ok(Self {
            image: config.image.clone(),
            every: config.every.max(1),
            input: input.map_err(|error| TrainError::Config(error.to_string()))?,
            boxes: scene.boxes(),
            truth_cells: distiller.truth_cells(&scene.boxes(), plan.input),
        })
    }

    pub fn is_due(&self, step: u64) -> bool {
        step.is_multiple_of(self.every)
    }

    /// The maps after `step` steps: both models forward, without gradient.
    pub fn snapshot(&self, student: &Network, distiller: &Distiller, step: u64) -> Result<Snapshot, TrainError> {
        let begin = Instant::now();
        let maps = distiller.difference_maps(student, &self.input, &self.boxes)?;
        let mut scales = Vec::with_capacity(maps.len());
        for (stride, map) in distiller.strides().into_iter().zip(maps) {
            let (rows, cols) = map.size2()?;
            let values = Vec::<f32>::try_from(map.f_contiguous()?.f_view([-1])?)?;
            if let Some(difference) = Grid::from_values(cols as usize, rows as usize, values) {
                scales.push(SnapshotScale { stride, difference });
            }
        }
        let is_sum = distiller.loss().is_sum_of_squares();
        let truths = self.truth_cells.iter().map(|cells| truth_distance(cells, &scales, is_sum)).collect();
        Ok(Snapshot { step, image: self.image.clone(), scales, truths, seconds: begin.elapsed().as_secs_f64() })
    }
}

/// The image as the run's networks see it, with its labels.
pub fn scene_of(config: &SnapshotConfig, plan: &RunPlan) -> Result<Scene, TrainError> {
    let (image, labels, names) = (config.image.clone(), LabelSource::Beside, plan.train.names.clone());
    let scene = Scene::load(&SceneRequest { image, labels, names, input: plan.input });
    scene.map_err(|SceneError::Dataset(error)| error.into())
}

/// What the scales say of a ground truth's cells: Σ / 2N of squares, the sum of a map that is a share of the loss already.
fn truth_distance(cells: &[Vec<usize>], scales: &[SnapshotScale], squares: bool) -> f64 {
    let of_scale = |(cells, scale): (&Vec<usize>, &SnapshotScale)| {
        let values = scale.difference.values();
        let sum: f64 = cells.iter().filter_map(|cell| values.get(*cell)).map(|value| f64::from(*value)).sum();
        if squares { sum / (2 * cells.len().max(1)) as f64 } else { sum }
    };
    cells.iter().zip(scales).map(of_scale).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ground_truth_is_measured_in_its_own_cells() {
        let difference = Grid::from_values(2, 2, vec![1.0, 2.0, 4.0, 8.0]).unwrap();
        let scales = [8, 16].map(|stride| SnapshotScale { stride, difference: difference.clone() });
        // (1 + 8) / (2 · 2) at the first scale, nothing at the second; then 4 / 2 at the second.
        assert_eq!(truth_distance(&[vec![0, 3], vec![]], &scales, true), 2.25);
        assert_eq!(truth_distance(&[vec![], vec![2]], &scales, true), 2.0);
        // As parts of a loss: 1 + 8.
        assert_eq!(truth_distance(&[vec![0, 3], vec![]], &scales, false), 9.0);
    }
}
