//! Where the time of a training step goes.

use std::cell::Cell;
use std::time::Instant;

use tch::Device;

/// A part of a step, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The masks and targets made, and the batch brought to the device.
    Upload,
    Teacher,
    Forward,
    Losses,
    /// To the gradients, λ's measurement and what is read of both included.
    Backward,
    Optimizer,
    /// The moving average.
    Average,
}

impl Phase {
    pub const ALL: [Self; 7] =
        [Self::Upload, Self::Teacher, Self::Forward, Self::Losses, Self::Backward, Self::Optimizer, Self::Average];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Teacher => "teacher",
            Self::Forward => "forward",
            Self::Losses => "losses",
            Self::Backward => "backward",
            Self::Optimizer => "optimizer",
            Self::Average => "average",
        }
    }
}

/// A stopwatch with laps; it costs nothing as long as it is off.
#[derive(Debug)]
pub struct Phases {
    device: Device,
    runs: bool,
    since: Cell<Option<Instant>>,
    seconds: Cell<[f64; Phase::ALL.len()]>,
}

impl Phases {
    pub fn of(device: Device) -> Self {
        Self { device, runs: false, since: Cell::new(None), seconds: Cell::default() }
    }

    /// From now on a GPU is waited for at the end of each phase, so that its time belongs where it was spent.
    pub fn turn_on(&mut self) {
        self.runs = true;
    }

    pub(super) fn begin(&self) {
        if self.runs {
            self.wait();
            self.since.set(Some(Instant::now()));
        }
    }

    /// Ends a phase that began where the one before it ended.
    pub(super) fn lap(&self, phase: Phase) {
        let Some(since) = self.since.get() else { return };
        self.wait();
        let now = Instant::now();
        let mut seconds = self.seconds.get();
        seconds[phase as usize] += (now - since).as_secs_f64();
        self.seconds.set(seconds);
        self.since.set(Some(now));
    }

    /// Seconds of each of [`Phase::ALL`] since this was last asked.
    pub fn taken(&self) -> [f64; Phase::ALL.len()] {
        self.seconds.take()
    }

    fn wait(&self) {
        if let Device::Cuda(index) = self.device {
            tch::Cuda::synchronize(index as i64);
        }
    }
}
