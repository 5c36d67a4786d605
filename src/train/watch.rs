//! Looks over a run's shoulder: says once, while it runs, when the imitation does not do what it is there for.

use super::event::StepRecord;
use crate::format::significant;

/// The imitation is said to dominate where its gradient has more than so many times the detection's norm, in so many
/// measurements in a row. Far above one it still helps where both point the same way, as they do at the tap head.
const DOMINATES: f64 = 10.0;
const IN_A_ROW: u32 = 3;
/// Steps whose mean distance is set against that of as many later.
const WINDOW: usize = 50;
/// Share of the first distance that should be gone after [`PATIENCE`] steps.
const PROGRESS: f64 = 0.02;
const PATIENCE: u64 = 200;
/// Steps in a row without a cell.
const EMPTY: u32 = 20;

#[derive(Debug, Default)]
pub struct Watch {
    imitated: u64,
    first: f64,
    /// Distances of the last [`WINDOW`] imitated steps.
    recent: std::collections::VecDeque<f64>,
    above: u32,
    empty: u32,
    said_dominates: bool,
    said_stalls: bool,
    said_empty: bool,
}

impl Watch {
    /// What a person should know after this step, said once a run.
    pub fn take(&mut self, step: &StepRecord) -> Vec<String> {
        let mut notes = Vec::new();
        if step.distance.is_empty() || step.lambda == 0.0 {
            return notes;
        }
        if let Some(ratio) = step.gradient_ratio {
            self.above = if ratio > DOMINATES { self.above + 1 } else { 0 };
            if self.above == IN_A_ROW && !std::mem::replace(&mut self.said_dominates, true) {
                notes.push(format!(
                    "the imitation dominates: its gradient has {} times the detection's norm at step {}; a smaller lambda, or \
                     a kept gradient ratio, leaves room for the labels",
                    significant(ratio),
                    step.step
                ));
            }
        }
        let distance = step.whole_distance();
        self.empty = if distance.is_none() { self.empty + 1 } else { 0 };
        if self.empty == EMPTY && !std::mem::replace(&mut self.said_empty, true) {
            notes.push(format!("no cell was imitated for {EMPTY} steps: lower psi, or look at the labels"));
        }
        let Some(distance) = distance else { return notes };
        self.imitated += 1;
        if self.imitated <= WINDOW as u64 {
            self.first += distance / WINDOW as f64;
        }
        self.recent.push_back(distance);
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        if self.imitated == PATIENCE && !self.said_stalls {
            self.said_stalls = true;
            let now = self.recent.iter().sum::<f64>() / self.recent.len() as f64;
            if now > (1.0 - PROGRESS) * self.first {
                notes.push(format!(
                    "the imitation stalls: the distance was {} in the first {WINDOW} imitated steps and is {} after \
                     {PATIENCE}; lambda may be too small, or the features too far for a linear adapter",
                    significant(self.first),
                    significant(now)
                ));
            }
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(index: u64, distance: f64, ratio: Option<f64>, cells: u64) -> StepRecord {
        StepRecord {
            step: index,
            distance: vec![None, (cells > 0).then_some(distance)],
            mask_cells: vec![0, cells],
            gradient_ratio: ratio,
            lambda: 0.01,
            ..StepRecord::default()
        }
    }

    fn notes(steps: impl Iterator<Item = StepRecord>) -> Vec<String> {
        let mut watch = Watch::default();
        steps.flat_map(|step| watch.take(&step)).collect()
    }

    #[test]
    fn a_distance_that_falls_needs_no_word() {
        assert!(notes((0..400).map(|i| step(i, 1.0 - i as f64 / 1000.0, Some(0.5), 9))).is_empty());
    }

    #[test]
    fn a_distance_that_stands_is_told_once() {
        let found = notes((0..400).map(|i| step(i, 2.0, None, 9)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("the imitation stalls: the distance was 2.00"), "{found:?}");
    }

    #[test]
    fn three_measurements_in_a_row_are_too_many() {
        let ratio = |i: u64| i.is_multiple_of(10).then_some(if i == 20 { 9.0 } else { 30.0 });
        let falling = |i: u64| 1.0 / (1.0 + i as f64);
        assert!(notes((0..50).map(|i| step(i, falling(i), ratio(i), 9))).is_empty());
        let found = notes((0..90).map(|i| step(i, falling(i), ratio(i), 9)));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("30.0 times the detection's norm at step 50"), "{found:?}");
    }

    #[test]
    fn an_empty_mask_is_told() {
        let found = notes((0..40).map(|i| step(i, 0.0, None, 0)));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("no cell was imitated for 20 steps"), "{found:?}");
    }

    #[test]
    fn a_twin_is_left_alone() {
        let baseline = |i| StepRecord { lambda: 0.0, ..step(i, 2.0, Some(5.0), 0) };
        assert!(notes((0..400).map(baseline)).is_empty());
    }
}
