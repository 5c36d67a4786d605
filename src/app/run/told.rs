//! A run in a few numbers, for the story.

use crate::app::run::{Curve, Plot, Track};
use crate::story::RunTold;

impl Track {
    pub fn told(&self) -> RunTold {
        let ends = |curve: &Curve| Some([*curve.values.first()?, *curve.values.last()?]);
        let over_scales = |ends: Vec<[f64; 2]>| {
            ends.into_iter().reduce(|[first, last], [other_first, other_last]| [first + other_first, last + other_last])
        };
        let evaluated = |index: usize| {
            let values = &self.of(Plot::Map).nth(index)?.values;
            Some([*values.first()?, values.iter().copied().fold(f64::NEG_INFINITY, f64::max)])
        };
        RunTold {
            name: self.name.clone(),
            step: self.steps_done,
            total: self.of(Plot::Total).next().and_then(ends),
            distance: over_scales(self.of(Plot::Distance).filter_map(ends).collect()),
            map50: evaluated(0),
            map: evaluated(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::evaluate::Evaluation;
    use crate::train::event::{Arm, EpochRecord, RunEvent, RunId, StepRecord};

    #[test]
    fn a_run_is_its_first_and_its_last_step_and_its_best_evaluation() {
        let mut track = Track::new(1, 1, RunId { seed: 0, arm: Arm::Imitation }, "run-1".into());
        assert_eq!(track.told(), RunTold { name: "run-1".into(), ..RunTold::default() });
        for (step, total) in [5.0, 4.0, 3.0].into_iter().enumerate() {
            let distance = vec![Some(total / 4.0), Some(total / 2.0)];
            let record = StepRecord { step: step as u64, total, distance, ..StepRecord::default() };
            track.receive(RunEvent::Step(record));
        }
        for (epoch, map) in [0.1, 0.3, 0.2].into_iter().enumerate() {
            let evaluation = Some(Evaluation { map50: 2.0 * map, map50_95: map, ..Evaluation::default() });
            let record = EpochRecord { epoch: epoch as u32, evaluation, ..EpochRecord::default() };
            track.receive(RunEvent::Epoch(Box::new(record)));
        }
        let told = track.told();
        assert_eq!((told.step, told.total), (3, Some([5.0, 3.0])));
        assert_eq!(told.distance, Some([3.75, 2.25]));
        assert_eq!((told.map, told.map50), (Some([0.1, 0.3]), Some([0.2, 0.6])));
    }
}
