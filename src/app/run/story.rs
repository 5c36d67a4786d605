//! A run in a few numbers, for the story.

use crate::app::run::runs::Runs;
use crate::story::StoryRun;
use crate::train::history::{RunHistory, verdict};

impl Runs {
    /// The run with its baseline, and with the verdict of the pairs beside it.
    pub fn story(&self, history: &RunHistory) -> StoryRun {
        let mut run = history.story();
        let baseline =
            self.pairs().find(|(imitation, _)| imitation.key == history.key).map(|(_, baseline)| baseline.story());
        if let Some(baseline) = baseline {
            (run.map.baseline, run.map50.baseline) = (baseline.map.last, baseline.map50.last);
        }
        run.verdict = self.pairs_of(history.experiment).comparison.verdict.as_ref().map(verdict);
        run
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::story::{Accuracy, RunLambda, RunSettings};
    use crate::train::config::RunConfig;
    use crate::train::evaluate::Evaluation;
    use crate::train::event::EpochRecord;
    use crate::train::event::{Outcome, RunEvent, RunId, StartRecord, StepRecord, Variant};

    fn evaluation(map: f64) -> Evaluation {
        Evaluation { map50: 2.0 * map, map50_95: map, ..Evaluation::default() }
    }

    /// mAP50-95 after each epoch, with means that are told by hand.
    fn history(key: u64, seed: u64, variant: Variant, maps: &[f64]) -> RunHistory {
        let mut history = RunHistory::new(key, 1, RunId { seed, variant }, format!("run-{key}"));
        // Single steps lie: the last is of one image, and far below its epoch.
        for (step, total) in [5.0, 4.0, 0.1].into_iter().enumerate() {
            let distance = vec![Some(total / 4.0), Some(total / 2.0)];
            history.receive(RunEvent::Step(StepRecord { step: step as u64, total, distance, ..StepRecord::default() }));
        }
        for (epoch, map) in maps.iter().enumerate() {
            let distance =
                if variant == Variant::Imitation { vec![Some(3.0 + epoch as f64), None] } else { Vec::new() };
            let mean = StepRecord {
                box_loss: 0.5,
                objectness: 0.25,
                class: 0.25 / (1.0 + epoch as f64),
                lambda: 1.0 / (1.0 + epoch as f64),
                distance,
                ..StepRecord::default()
            };
            let evaluation = Some(evaluation(*map));
            history.receive(RunEvent::Epoch(Box::new(EpochRecord {
                epoch: epoch as u32,
                mean,
                evaluation,
                ..EpochRecord::default()
            })));
        }
        history
    }

    #[test]
    fn a_run_is_told_by_the_means_of_its_epochs_and_by_where_it_began() {
        let empty = RunHistory::new(1, 1, RunId { seed: 0, variant: Variant::Imitation }, "run-1".into());
        assert_eq!(empty.story(), StoryRun { name: "run-1".into(), ..StoryRun::default() });
        let mut history = history(1, 0, Variant::Imitation, &[0.1, 0.3, 0.2]);
        let run = history.story();
        assert_eq!((run.step, run.epochs), (3, 3));
        assert_eq!((run.detection, run.distance), (Some([1.0, 0.75 + 0.25 / 3.0]), Some([3.0, 5.0])));
        assert_eq!(run.lambda, Some([1.0, 1.0 / 3.0]));
        let map = Accuracy { last: Some(0.2), best: Some(0.3), ..Accuracy::default() };
        assert_eq!(run.map, map, "of the start nothing is known, and nothing is made up");
        history.receive(RunEvent::Start(Arc::new(StartRecord {
            student: evaluation(0.25),
            teacher: Some(evaluation(0.4)),
        })));
        let run = history.story();
        assert_eq!(run.map, Accuracy { before: Some(0.25), teacher: Some(0.4), ..map });
        assert_eq!((run.map50.before, run.map.is_below_start()), (Some(0.5), true));
    }

    #[test]
    fn a_pair_has_its_baseline_and_pairs_that_have_ended_their_verdict() {
        let mut runs = Runs::default();
        // Differences 0.02, 0.03 and 0.04, and a pair that is still under way.
        for (seed, ahead) in [(0, 0.02), (1, 0.03), (2, 0.04), (3, 0.9)] {
            for (variant, map) in [(Variant::Imitation, 0.3 + ahead), (Variant::Baseline, 0.3)] {
                let mut history =
                    history(2 * seed + u64::from(variant == Variant::Baseline), seed, variant, &[0.1, map]);
                if seed < 3 {
                    history.receive(RunEvent::Ended(Outcome::Finished));
                }
                runs.histories.push(Arc::new(history));
            }
        }
        let story = runs.story(&Arc::clone(&runs.histories[0]));
        assert_eq!((story.map.baseline, story.map50.baseline), (Some(0.3), Some(0.6)));
        let verdict = story.verdict.expect("three pairs");
        // Mean 0.03, deviation 0.01: ± 4.3027 · 0.01 / √3 = 0.0248.
        let [low, high] = verdict.interval.expect("an interval");
        assert!((low - 0.00516).abs() < 1e-4 && (high - 0.05484).abs() < 1e-4, "{low} {high}");
        assert_eq!((verdict.pairs, verdict.helps, verdict.split.as_str()), (3, Some(true), "val"));
    }

    #[test]
    fn settings_are_the_runs_own_or_none() {
        let mut history = history(1, 0, Variant::Imitation, &[]);
        assert_eq!(history.settings(), RunSettings::default());
        let mut config = RunConfig { imgsz: 320, teacher: Some("t.pt".into()), ..RunConfig::default() };
        config.imitation.psi = 0.25;
        history.config = Some(Box::new(config));
        let settings = history.settings();
        assert_eq!((settings.input, settings.psi, settings.loss), (Some([320; 2]), Some(0.25), Some("answers")));
        assert_eq!((settings.tap, settings.lambda), (Some("head"), Some(RunLambda::Fixed(1.0))));
        history.id.variant = Variant::Baseline;
        assert_eq!(history.settings(), RunSettings { input: Some([320; 2]), ..RunSettings::default() });
    }
}
