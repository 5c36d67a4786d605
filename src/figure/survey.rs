//! A survey of masks against ψ: its panels, and the survey as a file.

use std::sync::Arc;

use super::plot::{PlotFigure, PlotLine, PlotPanel};
use crate::axis::AxisScale;
use crate::imitation::mask::{LevelRule, Psi};
use crate::language::key;
use crate::palette::{self, Palette};
use crate::survey::{ObjectSize, RuleOnScale, RuleSurvey, Survey};

/// What is drawn against ψ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    #[default]
    Cells,
    Share,
    /// Cells of a ground truth of this size.
    Size(ObjectSize),
    WithoutCell,
}

impl Measure {
    pub const ALL: [Self; 6] = [
        Self::Cells,
        Self::Share,
        Self::Size(ObjectSize::Small),
        Self::Size(ObjectSize::Medium),
        Self::Size(ObjectSize::Large),
        Self::WithoutCell,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Cells => key!("Cells"),
            Self::Share => key!("Share covered"),
            Self::Size(ObjectSize::Small) => key!("Small objects"),
            Self::Size(ObjectSize::Medium) => key!("Medium objects"),
            Self::Size(ObjectSize::Large) => key!("Large objects"),
            Self::WithoutCell => key!("Without a cell"),
        }
    }

    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Cells => key!("Cells of the masks, summed over all images."),
            Self::Share => key!("How much of each map is marked, mean over all images."),
            Self::Size(ObjectSize::Small) => {
                key!("Cells that one object below 32 × 32 input px marks, mean over them.")
            }
            Self::Size(ObjectSize::Medium) => {
                key!("Cells that one object from 32 × 32 to below 96 × 96 input px marks, mean over them.")
            }
            Self::Size(ObjectSize::Large) => {
                key!("Cells that one object of 96 × 96 input px or more marks, mean over them.")
            }
            Self::WithoutCell => key!("Ground truths that mark no cell on any scale: they are not imitated at all."),
        }
    }

    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cells => key!("cells"),
            Self::Share => key!("% of the map"),
            Self::Size(_) => key!("cells an object"),
            Self::WithoutCell => key!("ground truths"),
        }
    }

    /// One value for each ψ on a scale; `None` for what belongs to no scale.
    fn on_scale(self, survey: &Survey, scale: &RuleOnScale) -> Option<Vec<f64>> {
        match self {
            Self::Cells => Some(scale.cells.iter().map(|&cells| cells as f64).collect()),
            Self::Share => Some(scale.share.iter().map(|share| 100.0 * share).collect()),
            Self::Size(size) => {
                let objects = (*survey.sizes.get(size)).max(1) as f64;
                Some(scale.by_size.get(size).iter().map(|&cells| cells as f64 / objects).collect())
            }
            Self::WithoutCell => None,
        }
    }
}

/// The colour of a rule's lines.
pub fn rule_color(palette: &Palette, rule: LevelRule) -> ecolor::Color32 {
    match rule {
        LevelRule::PerScale => palette.runs[1],
        LevelRule::Global => palette.runs[2],
        LevelRule::Assigned => palette.runs[4],
    }
}

/// A panel for each scale, or one for what belongs to none, with a line for each rule.
pub fn panels(survey: &Survey, measure: Measure, palette: &Palette) -> Vec<PlotPanel> {
    let line = |rule: &RuleSurvey, values: Vec<f64>| {
        let color = rule_color(palette, rule.rule);
        PlotLine {
            label: rule.rule.name().to_owned(),
            color: [color.r(), color.g(), color.b()],
            // It often lies on another rule's line, which must be seen through it.
            dashed: rule.rule == LevelRule::Assigned,
            points: survey.psis.iter().zip(values).map(|(&psi, value)| [f64::from(psi), value]).collect(),
            band: Vec::new(),
            missing: Vec::new(),
        }
    };
    let panel = |title: &str, lines: Vec<PlotLine>| PlotPanel {
        title: title.to_owned(),
        x_label: "ψ".to_owned(),
        y_label: measure.unit().to_owned(),
        x: AxisScale::Linear,
        y: AxisScale::Linear,
        lines,
    };
    if measure == Measure::WithoutCell {
        let without = |rule: &RuleSurvey| rule.without_cell.iter().map(|&count| count as f64).collect();
        return vec![panel(key!("all scales"), survey.rules.iter().map(|rule| line(rule, without(rule))).collect())];
    }
    let of_scale = survey.scales.iter().enumerate().map(|(index, scale)| {
        let lines = survey.rules.iter().filter_map(|rule| {
            let values = measure.on_scale(survey, rule.scales.get(index)?)?;
            Some(line(rule, values))
        });
        panel(&scale.name, lines.collect())
    });
    of_scale.collect()
}

/// A survey as it is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyExport {
    pub survey: Arc<Survey>,
    pub measure: Measure,
    pub psi: Psi,
}

impl SurveyExport {
    /// Of a file, without its extension.
    pub fn name(&self) -> String {
        "mask-survey".to_owned()
    }

    /// The whole survey, a row for each rule, ψ and scale.
    pub fn csv(&self) -> String {
        self.survey.csv()
    }

    /// The measure that is shown.
    pub fn figure(&self) -> PlotFigure {
        let survey = &self.survey;
        let facts = vec![
            format!("{} images", survey.images),
            format!("{} ground truths", survey.ground_truths),
            format!("input {}×{} px", survey.input[0], survey.input[1]),
            format!("{} IoU", survey.iou),
            format!("ψ = {} is set", self.psi),
        ];
        let panels = panels(survey, self.measure, &palette::LIGHT);
        PlotFigure { title: self.measure.explanation().to_owned(), facts, panels }
    }
}
