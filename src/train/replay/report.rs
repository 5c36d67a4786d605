//! What is in a replay, in figures: for the terminal and as JSON.

use std::fmt;

use serde::Serialize;

use super::recorded::Replay;
use crate::format::significant;
use crate::grid::Grid;
use crate::train::config::RunConfig;
use crate::train::event::{Outcome, Variant};

/// Schema `distillscope.replay/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayReport {
    pub schema: &'static str,
    pub name: String,
    pub seed: u64,
    #[serde(rename = "arm")]
    pub variant: Variant,
    /// "finished", "stopped" or "failed: …".
    pub outcome: String,
    /// The imitation loss that was minimised; none without a teacher, and where the configuration cannot be read.
    pub loss: Option<&'static str>,
    pub image: String,
    /// Width and height of the input, px.
    pub input: [u32; 2],
    /// Class names of the ground truths, in their order.
    pub labels: Vec<String>,
    /// Of the student: "P3" …
    pub scales: Vec<String>,
    /// Steps that the run was to have, and the recorded ones.
    pub steps_planned: u64,
    pub steps: usize,
    pub last: Option<LastStep>,
    /// On val before the first step; none where the file does not know it.
    pub start: Option<StartReport>,
    pub epochs: Vec<EpochReport>,
    pub moments: Vec<MomentReport>,
    /// Wall time that the maps cost the run, s; the same spread over its steps, s a step; its share of the steps' time.
    pub recording_seconds: f64,
    pub recording_per_step: Option<f64>,
    pub recording_share: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastStep {
    /// From 0.
    pub step: u64,
    pub total: f64,
    /// Over the scales, λ included, and at λ = 1; none without a teacher.
    pub imitation: Option<f64>,
    pub distance: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StartReport {
    pub map50: f64,
    pub map50_95: f64,
    pub teacher_map50: Option<f64>,
    pub teacher_map50_95: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EpochReport {
    pub epoch: u32,
    pub step: u64,
    pub map50: Option<f64>,
    pub map50_95: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MomentReport {
    /// Steps done.
    pub step: u64,
    /// Of each map, scale by scale, over its finite values.
    pub mean: Vec<Option<f64>>,
    pub max: Vec<Option<f32>>,
    /// Of each ground truth; none where it is not finite.
    pub truths: Vec<Option<f64>>,
}

impl From<&Replay> for ReplayReport {
    fn from(replay: &Replay) -> Self {
        let sum = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum());
        let seconds: f64 = replay.steps.iter().map(|step| step.seconds).sum();
        let recording_seconds = replay.recording_seconds();
        let share = recording_seconds / seconds;
        let steps_done = replay.steps.last().map(|step| step.step + 1);
        let input = replay.scene.input_size();
        let imitates =
            replay.id.variant == Variant::Imitation && replay.steps.iter().any(|step| !step.distance.is_empty());
        Self {
            schema: "distillscope.replay/1",
            name: replay.name.clone(),
            seed: replay.id.seed,
            variant: replay.id.variant,
            outcome: match &replay.outcome {
                Outcome::Finished => "finished".to_owned(),
                Outcome::Stopped => "stopped".to_owned(),
                Outcome::Failed(cause) => format!("failed: {cause}"),
            },
            loss: RunConfig::parse(&replay.config).ok().filter(|_| imitates).map(|config| config.imitation.loss.name()),
            image: replay.scene.file_name(),
            input: [input.width, input.height],
            labels: replay.scene.labels.iter().map(|label| label.name.clone()).collect(),
            scales: replay.scales.iter().map(|scale| scale.name()).collect(),
            steps_planned: replay.summary.steps,
            steps: replay.steps.len(),
            last: replay.steps.last().map(|step| LastStep {
                step: step.step,
                total: step.total,
                imitation: sum(&step.imitation),
                distance: step.whole_distance(),
            }),
            start: replay.start.as_ref().map(|start| StartReport {
                map50: start.student.map50,
                map50_95: start.student.map50_95,
                teacher_map50: start.teacher.as_ref().map(|teacher| teacher.map50),
                teacher_map50_95: start.teacher.as_ref().map(|teacher| teacher.map50_95),
            }),
            epochs: replay
                .epochs
                .iter()
                .map(|epoch| EpochReport {
                    epoch: epoch.epoch,
                    step: epoch.step,
                    map50: epoch.evaluation.as_ref().map(|evaluation| evaluation.map50),
                    map50_95: epoch.evaluation.as_ref().map(|evaluation| evaluation.map50_95),
                })
                .collect(),
            moments: replay
                .snapshots
                .iter()
                .map(|snapshot| MomentReport {
                    step: snapshot.step,
                    mean: snapshot.scales.iter().map(|scale| mean(&scale.difference)).collect(),
                    max: snapshot.scales.iter().map(|s| s.difference.finite_range().map(|(_, high)| high)).collect(),
                    truths: snapshot.truths.iter().map(|truth| truth.is_finite().then_some(*truth)).collect(),
                })
                .collect(),
            recording_seconds,
            recording_per_step: steps_done.map(|steps| recording_seconds / steps as f64),
            recording_share: (share.is_finite()).then_some(share),
        }
    }
}

fn mean(grid: &Grid) -> Option<f64> {
    let finite = || grid.values().iter().filter(|value| value.is_finite());
    let count = finite().count();
    (count > 0).then(|| finite().map(|value| f64::from(*value)).sum::<f64>() / count as f64)
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}, seed {}, {}", self.name, self.variant.name(), self.seed, self.outcome)?;
        let [width, height] = self.input;
        writeln!(f, "image: {}, input {width} × {height} px, {} labels", self.image, self.labels.len())?;
        write!(f, "steps: {} of {}, {} epochs", self.steps, self.steps_planned, self.epochs.len())?;
        if let Some(last) = &self.last {
            write!(f, "; at the last: loss {}", significant(last.total))?;
            if let Some(distance) = last.distance {
                write!(f, ", distance {}", significant(distance))?;
            }
        }
        if let Some(loss) = self.loss {
            write!(f, "\nimitation loss: {loss}")?;
        }
        if let Some(start) = &self.start {
            write!(f, "\nbefore the first step: mAP50 {:.4}, mAP50-95 {:.4}", start.map50, start.map50_95)?;
            if let (Some(map50), Some(map50_95)) = (start.teacher_map50, start.teacher_map50_95) {
                write!(f, "; the teacher: {map50:.4}, {map50_95:.4}")?;
            }
        }
        if let Some([map50, map50_95]) =
            self.epochs.iter().rev().find_map(|epoch| Some([epoch.map50?, epoch.map50_95?]))
        {
            write!(f, "\nlast evaluation: mAP50 {map50:.4}, mAP50-95 {map50_95:.4}")?;
            if self.start.as_ref().is_some_and(|start| start.map50_95 > map50_95) {
                write!(f, "; the student is below its start")?;
            }
        }
        let (Some(first), Some(last)) = (self.moments.first(), self.moments.last()) else {
            return write!(f, "\nmaps: none");
        };
        let (count, scales) = (self.moments.len(), self.scales.join(" "));
        write!(f, "\nmaps: {count} moments of {scales}, from step {} to step {}", first.step, last.step)?;
        let each = significant(1e3 * self.recording_seconds / count as f64);
        write!(f, "\nrecording them cost {} s, {each} ms a moment", significant(self.recording_seconds))?;
        if let (Some(each), Some(share)) = (self.recording_per_step, self.recording_share) {
            write!(f, ", {} ms a step, {:.2} % of the steps' time", significant(1e3 * each), 100.0 * share)?;
        }
        Ok(())
    }
}
