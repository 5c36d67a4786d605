//! How far a preflight is, told between passes through the models, and where it can be broken off.

use std::ops::ControlFlow;
use std::time::Instant;

use tch::TchError;

use super::report::Timing;
use crate::train::TrainError;
use crate::yolo::network::NetworkError;

pub(super) type Hear<'a> = dyn FnMut(&str, f32) -> ControlFlow<()> + 'a;

/// Why a preflight ends before its last check.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody wants it any more.
    Asked,
    Failed(TrainError),
}

/// Everything that goes wrong in a check is an error of the training that it asks.
macro_rules! failures {
    ($($error:ty),*) => {
        $(impl From<$error> for Stop {
            fn from(error: $error) -> Self {
                Self::Failed(error.into())
            }
        })*
    };
}

failures!(TrainError, TchError, NetworkError);

/// The way through the stages, of which each takes a share of the time.
pub(super) struct Steps<'a> {
    hear: &'a mut Hear<'a>,
    /// Sum of all shares.
    all: f32,
    /// Shares before the present stage, and its own.
    before: f32,
    share: f32,
}

impl<'a> Steps<'a> {
    pub(super) fn new(hear: &'a mut Hear<'a>, all: f32) -> Self {
        Self { hear, all, before: 0.0, share: 0.0 }
    }

    /// The next stage.
    pub(super) fn enter(&mut self, share: f32) -> Clock {
        self.before += self.share;
        self.share = share;
        Clock(Instant::now())
    }

    /// Says what comes next and how much of the stage is done, 0..=1.
    pub(super) fn hear(&mut self, what: &str, inside: f32) -> ControlFlow<()> {
        (self.hear)(what, (self.before + self.share * inside) / self.all)
    }

    /// The same; an end of everything where it was broken off.
    pub(super) fn at(&mut self, what: &str, inside: f32) -> Result<(), Stop> {
        match self.hear(what, inside) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::Asked),
        }
    }
}

/// Runs through one stage.
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn stop(self, stage: &'static str) -> Timing {
        Timing { stage, seconds: self.0.elapsed().as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_each_other_by_their_shares() {
        let mut heard = Vec::new();
        let mut hear = |what: &str, fraction: f32| {
            heard.push((what.to_owned(), fraction));
            if what == "enough" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut steps = Steps::new(&mut hear, 4.0);
        let _ = steps.enter(1.0);
        assert!(steps.at("one", 0.5).is_ok());
        let _ = steps.enter(3.0);
        assert!(steps.at("two", 0.0).is_ok());
        assert!(matches!(steps.at("enough", 1.0), Err(Stop::Asked)));
        // 0.5 · 1 / 4, 1 / 4, (1 + 3) / 4.
        let expected = [("one", 0.125), ("two", 0.25), ("enough", 1.0)];
        assert_eq!(heard, expected.map(|(what, fraction)| (what.to_owned(), fraction)));
    }
}
