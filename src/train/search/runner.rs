//! Who makes the runs of a search: [`super::local_runner::LocalRunner`], or a test's clockwork.

use super::keep::Pace;
use crate::imitation::loss::Loss;
use crate::train::TrainError;
use crate::train::config::RunConfig;

/// mAP50-95 at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    pub val: f64,
    /// Where the data has that split.
    pub test: Option<f64>,
}

/// How one run of a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialEnd {
    Finished(Found),
    /// The imitation itself cannot run, with its reason.
    Failed(String),
    /// By a person.
    Stopped,
}

/// What a run says on its way.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialEvent {
    /// How much of the run is done, and the runner's clock.
    Step {
        fraction: f32,
        clock: f64,
    },
    Warning(String),
}

/// Whom the loop asks to run things. Results outlive it: what has ended once is [`Runner::known`] ever after.
pub trait Runner {
    /// What runs cost here, from a few steps of each; `None` where a person stopped it. `say` hears whose steps are measured.
    fn measure(&mut self, configs: &[RunConfig], say: &mut dyn FnMut(Loss)) -> Result<Option<Pace>, TrainError>;

    /// A run to its end, in the folder `name`; goes on with what lies there.
    fn run(&mut self, name: &str, config: &RunConfig, emit: &mut dyn FnMut(TrialEvent))
    -> Result<TrialEnd, TrainError>;

    fn known(&self, name: &str) -> Option<TrialEnd>;

    /// s since it was made.
    fn clock(&self) -> f64;
}
