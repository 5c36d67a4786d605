//! Earlier runs on their way into the window: a million steps are taken in over some frames, for the window waits for nothing.

use std::vec;

use super::earlier;
use crate::train::event::{RunId, StepRecord};
use crate::train::history::RunHistory;
use crate::worker::EarlierRun;

/// Steps of one frame: some five milliseconds. A shorter run is there at once.
pub(super) const STEPS_OF_A_FRAME: usize = 20_000;

/// A run whose steps become curves.
#[derive(Clone, Debug)]
pub(super) struct Arriving {
    pub run: EarlierRun,
    pub id: RunId,
    /// Its curves so far.
    pub history: RunHistory,
    steps: vec::IntoIter<StepRecord>,
}

impl Arriving {
    pub fn new(mut run: EarlierRun) -> Self {
        let id = earlier::id(&run);
        let mut history = RunHistory::new(0, 0, id, String::new());
        history.scales.clone_from(&run.scales);
        let steps = std::mem::take(&mut run.steps).into_iter();
        Self { run, id, history, steps }
    }

    /// Takes in at most so many steps, and gives back how many of them are left to others.
    pub fn take_in(&mut self, most: usize) -> usize {
        let before = self.steps.len();
        self.steps.by_ref().take(most).for_each(|step| self.history.step(&step));
        most - (before - self.steps.len())
    }

    pub fn is_whole(&self) -> bool {
        self.steps.len() == 0
    }
}
