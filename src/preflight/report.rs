//! What a preflight says: plain records.

use std::fmt;

use serde::Serialize;

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Green,
    /// It distils, but something is unusual.
    Amber,
    /// It does not do what a person who starts it believes.
    Red,
}

impl Status {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Stable, for scripts.
    pub id: &'static str,
    /// What is asked.
    pub title: &'static str,
    pub status: Status,
    /// What was measured; `None` where there is nothing to measure.
    pub value: Option<f64>,
    /// One sentence.
    pub message: String,
    /// What to do; empty when green.
    pub advice: String,
}

impl Check {
    pub(super) fn green(
        id: &'static str,
        title: &'static str,
        value: impl Into<Option<f64>>,
        message: impl Into<String>,
    ) -> Self {
        let (value, message) = (value.into(), message.into());
        Self { id, title, status: Status::Green, value, message, advice: String::new() }
    }

    pub(super) fn amber(self, advice: impl Into<String>) -> Self {
        Self { status: Status::Amber, advice: advice.into(), ..self }
    }

    pub(super) fn red(self, advice: impl Into<String>) -> Self {
        Self { status: Status::Red, advice: advice.into(), ..self }
    }

    /// Red unless `holds`.
    pub(super) fn or_red(self, holds: bool, advice: &str) -> Self {
        if holds { self } else { self.red(advice) }
    }
}

/// A check that could not fail on this set-up, so that nobody takes its green for an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotApplicable {
    pub id: &'static str,
    /// One sentence.
    pub reason: &'static str,
}

/// The imitation that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    pub loss: String,
    pub tap: &'static str,
    pub mask_source: &'static str,
    /// Why the heads of these two models cannot be compared; `None` where they can.
    pub reason: Option<String>,
}

/// All answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Preflight {
    /// `None` where nothing is imitated.
    pub imitation: Option<Looked>,
    pub checks: Vec<Check>,
    pub not_applicable: Vec<NotApplicable>,
    /// The λ at which the imitation's gradient has [`Preflight::ratio`] of the detection's norm on this batch.
    pub lambda_for_ratio: Option<f64>,
    pub ratio: f64,
    /// Both gradients, layer by layer of the student.
    pub layers: Vec<LayerGradients>,
    pub images: Images,
    /// What each stage took, in their order.
    pub timings: Vec<Timing>,
    pub seconds: f64,
}

/// How many images the answers rest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Images {
    /// Of the run's first batch: data and masks are asked of all.
    pub batch: usize,
    /// Of these, how many went through the models with gradients.
    pub measured: usize,
    /// The adapters were fitted on so many; 0 where there is nothing to fit.
    pub fitted: usize,
    /// The run itself fits them on so many; λ for a ratio carries over as far as both fits agree.
    pub fitted_by_run: usize,
}

/// What one stage took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Timing {
    pub stage: &'static str,
    pub seconds: f64,
}

impl Preflight {
    /// The worst status.
    pub fn status(&self) -> Status {
        self.checks.iter().map(|check| check.status).max().unwrap_or(Status::Green)
    }

    pub fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }

    pub(super) fn leave_out(&mut self, id: &'static str, reason: &'static str) {
        self.not_applicable.push(NotApplicable { id, reason });
    }
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Looked { loss, tap, mask_source, reason }) = &self.imitation {
            write!(f, "imitation {loss} at the {tap}, mask source {mask_source}")?;
            let why =
                reason.as_ref().map_or_else(String::new, |reason| format!("; heads cannot be compared: {reason}"));
            writeln!(f, "{why}")?;
        }
        for check in &self.checks {
            writeln!(f, "{:<5}  {:<20}  {}", check.status.name(), check.id, check.message)?;
            if !check.advice.is_empty() {
                writeln!(f, "{:<5}  {:<20}  -> {}", "", "", check.advice)?;
            }
        }
        for NotApplicable { id, reason } in &self.not_applicable {
            writeln!(f, "{:<5}  {id:<20}  does not apply: {reason}", "-")?;
        }
        if let Some(lambda) = self.lambda_for_ratio {
            writeln!(f, "lambda for a gradient ratio of {}: {lambda:.3e}", self.ratio)?;
        }
        let Images { batch, measured, fitted, fitted_by_run } = self.images;
        if batch > 0 {
            write!(f, "gradients of {measured} of the batch's {batch} images")?;
            if fitted > 0 {
                write!(f, ", adapters fitted on {fitted} of the run's {fitted_by_run}")?;
            }
            let stages = self.timings.iter().map(|timing| format!("{} {:.1} s", timing.stage, timing.seconds));
            writeln!(f, "\n{}", stages.collect::<Vec<_>>().join(", "))?;
        }
        let [red, amber, green] = [Status::Red, Status::Amber, Status::Green].map(|status| self.count(status));
        write!(f, "{red} red, {amber} amber, {green} green, in {:.1} s", self.seconds)
    }
}

/// Norms of both gradients on one layer of the student.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerGradients {
    /// Its number in the model.
    pub layer: usize,
    pub detection: f64,
    /// At the run's λ.
    pub imitation: f64,
}

impl LayerGradients {
    pub fn ratio(&self) -> f64 {
        self.imitation / self.detection.max(f64::MIN_POSITIVE)
    }
}
