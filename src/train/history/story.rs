//! A run in a few numbers, for the story.

use super::run_history::RunHistory;
use crate::imitation::lambda::Lambda;
use crate::story::{Accuracy, RunLambda, RunSettings, StoryRun, StoryVerdict};
use crate::train::config::ImitationConfig;
use crate::train::evaluate::Evaluation;
use crate::train::event::EpochRecord;
use crate::train::verdict::{Says, Verdict};

impl RunHistory {
    /// The run by itself: without its baseline and without a verdict.
    pub fn story(&self) -> StoryRun {
        let of = |kind: fn(&Evaluation) -> f64| {
            let start = self.measured.as_deref();
            let evaluated = || self.epochs.iter().filter_map(|epoch| epoch.evaluation.as_ref()).map(kind);
            Accuracy {
                before: start.map(|start| kind(&start.student)),
                last: evaluated().next_back(),
                best: evaluated().reduce(f64::max),
                teacher: start.and_then(|start| start.teacher.as_ref()).map(kind),
                baseline: None,
            }
        };
        let means = |mean: fn(&EpochRecord) -> Option<f64>| {
            let mut means = self.epochs.iter().filter_map(mean);
            let first = means.next()?;
            Some([first, means.next_back().unwrap_or(first)])
        };
        StoryRun {
            name: self.name.clone(),
            step: self.steps_done,
            settings: self.settings(),
            detection: means(|epoch| Some(epoch.mean.box_loss + epoch.mean.objectness + epoch.mean.class)),
            distance: means(|epoch| epoch.mean.whole_distance()),
            lambda: means(|epoch| (!epoch.mean.distance.is_empty()).then_some(epoch.mean.lambda)),
            epochs: self.epochs.len(),
            map: of(|found| found.map50_95),
            map50: of(|found| found.map50),
            verdict: None,
        }
    }

    /// What it was made with; of a recorded run of another version what its file says all the same.
    pub fn settings(&self) -> RunSettings {
        let Some(config) = self.config.as_deref() else {
            let Some(replay) = self.replay.as_deref() else { return RunSettings::default() };
            let input = replay.scene.input_size();
            return RunSettings {
                input: Some([input.width, input.height]),
                psi: Some(replay.mask.psi.get()),
                level_rule: Some(replay.mask.rule.name()),
                // Version 0.1.0 knew no other.
                mask_source: Some("iou"),
                ..RunSettings::default()
            };
        };
        let recorded = self.replay.as_ref().map(|replay| replay.scene.input_size());
        let input = Some(recorded.map_or([config.imgsz; 2], |input| [input.width, input.height]));
        // Without a teacher nothing was imitated.
        if self.is_baseline() || config.teacher.is_none() {
            return RunSettings { input, ..RunSettings::default() };
        }
        let ImitationConfig { loss, mask_source, lambda, psi, level_rule, tap, .. } = config.imitation;
        RunSettings {
            input,
            loss: Some(loss.name()),
            tap: Some(tap.name()),
            mask_source: Some(mask_source.name()),
            psi: Some(psi),
            level_rule: Some(level_rule.name()),
            lambda: Some(match lambda {
                Lambda::Fixed(lambda) => RunLambda::Fixed(lambda),
                Lambda::GradientRatio(ratio) => RunLambda::GradientRatio(ratio),
            }),
        }
    }
}

/// A verdict as the story says it.
pub fn verdict(verdict: &Verdict) -> StoryVerdict {
    StoryVerdict {
        metric: verdict.metric.clone(),
        split: verdict.split.clone(),
        pairs: verdict.n,
        mean: verdict.mean,
        interval: verdict.low.zip(verdict.high).map(|(low, high)| [low, high]),
        helps: match verdict.says {
            Says::Helps => Some(true),
            Says::Hurts => Some(false),
            Says::CannotTell => None,
        },
        seeds_needed: verdict.seeds_needed,
    }
}
