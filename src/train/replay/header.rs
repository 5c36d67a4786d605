//! `replay.json`: everything of a replay that is neither a table nor pixels nor maps.

use serde::{Deserialize, Serialize};

use super::limits;
use crate::geometry::Size;
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::train::evaluate::Evaluation;
use crate::train::event::{Outcome, Variant};
use crate::yolo::anchors::AnchorScale;

pub const FORMAT: &str = "distillscope.replay";

/// Read before all else: a later version may have another header.
#[derive(Debug, Deserialize)]
pub struct Preamble {
    pub format: String,
    pub version: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    pub format: String,
    pub version: u64,
    /// Program and version, for people.
    pub written_by: String,
    pub name: String,
    pub seed: u64,
    #[serde(rename = "arm")]
    pub variant: Variant,
    pub outcome: OutcomeText,
    pub run: RunFigures,
    pub image: ImageFigures,
    pub labels: Vec<LabelFigures>,
    pub mask: MaskFigures,
    pub scales: Vec<ScaleFigures>,
    pub moments: Vec<MomentFigures>,
    /// On val before the first step. Came later: without it nothing is known of the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartFigures>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StartFigures {
    pub student: Figures,
    pub teacher: Option<Figures>,
}

/// Of an evaluation; each 0 to 1.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Figures {
    pub map50: f64,
    pub map50_95: f64,
}

impl From<&Evaluation> for Figures {
    fn from(evaluation: &Evaluation) -> Self {
        Self { map50: evaluation.map50, map50_95: evaluation.map50_95 }
    }
}

impl From<Figures> for Evaluation {
    fn from(Figures { map50, map50_95 }: Figures) -> Self {
        Self { map50, map50_95, ..Self::default() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeText {
    Finished,
    Stopped,
    Failed(String),
}

impl From<&Outcome> for OutcomeText {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Finished => Self::Finished,
            Outcome::Stopped => Self::Stopped,
            Outcome::Failed(cause) => Self::Failed(cause.clone()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct RunFigures {
    pub steps: u64,
    pub steps_per_epoch: u64,
    /// Training images, their labels, validation images.
    pub images: usize,
    pub labels: usize,
    pub val_images: usize,
    pub device: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ImageFigures {
    /// The file's name without its folder.
    pub name: String,
    /// Of the file, px.
    pub width: u32,
    pub height: u32,
    /// Of the network's input, px, which is what `image.png` holds.
    pub input_width: u32,
    pub input_height: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct LabelFigures {
    pub class: usize,
    pub name: String,
    /// Input px.
    pub xyxy: [f32; 4],
}

#[derive(Debug, Serialize, Deserialize)]
pub struct MaskFigures {
    pub psi: f32,
    pub level_rule: LevelRule,
    pub iou: IouConvention,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ScaleFigures {
    pub stride: u32,
    pub rows: usize,
    pub cols: usize,
    /// (width, height), input px.
    pub anchors: Vec<[f32; 2]>,
    /// Whether teacher and student were compared here: then the tables have its columns and each moment its map.
    pub compared: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct MomentFigures {
    /// Steps done.
    pub step: u64,
    /// Wall time that its maps cost.
    pub seconds: f64,
}

/// Coordinates and sides of boxes and anchors lie within ± this, px.
const MAX_COORDINATE: f32 = 1e6;

impl Header {
    /// Whether everything is within the limits and fits together; an error says what does not. A recording is held against
    /// it before it is written, so that what is written is read.
    pub fn check(&self) -> Result<(), String> {
        let ensure = |good: bool, what: &dyn Fn() -> String| if good { Ok(()) } else { Err(what()) };
        let cause = match &self.outcome {
            OutcomeText::Failed(cause) => cause.as_str(),
            OutcomeText::Finished | OutcomeText::Stopped => "",
        };
        let labels = self.labels.iter().map(|label| label.name.as_str());
        for name in [&self.name, &self.image.name, &self.run.device].into_iter().map(String::as_str).chain(labels) {
            ensure(is_name(name, limits::NAME), &|| "a name is too long or has control characters".to_owned())?;
        }
        ensure(is_name(cause, 4 * limits::NAME), &|| "the cause of the failure is too long".to_owned())?;
        let run = &self.run;
        for steps in [run.steps, run.steps_per_epoch] {
            ensure(steps <= limits::STEPS, &|| format!("{steps} steps; at most {} are possible", limits::STEPS))?;
        }
        let ImageFigures { width, height, input_width, input_height, .. } = self.image;
        for (what, most, sides) in
            [("image", limits::IMAGE_SIDE, [width, height]), ("input", limits::SIDE, [input_width, input_height])]
        {
            let [width, height] = sides;
            ensure(sides.iter().all(|side| (1..=most).contains(side)), &|| {
                format!("an {what} of {width} × {height} px; sides of 1 to {most} are possible")
            })?;
        }
        let count = self.labels.len();
        ensure(count <= limits::LABELS, &|| format!("{count} labels; at most {} are possible", limits::LABELS))?;
        for (index, LabelFigures { xyxy: [x1, y1, x2, y2], .. }) in self.labels.iter().enumerate() {
            let within = [x1, y1, x2, y2].into_iter().all(|value| value.abs() <= MAX_COORDINATE);
            ensure(within && x1 <= x2 && y1 <= y2, &|| format!("label {index} is no box: [{x1}, {y1}, {x2}, {y2}]"))?;
        }
        for Figures { map50, map50_95 } in self.start.iter().flat_map(|s| [Some(s.student), s.teacher]).flatten() {
            ensure([map50, map50_95].iter().all(|value| (0.0..=1.0).contains(value)), &|| {
                format!("the start has a mAP of {map50} and {map50_95}; 0 to 1 are possible")
            })?;
        }
        ensure(Psi::new(self.mask.psi).is_ok(), &|| format!("psi is {}; 0 to 1 are possible", self.mask.psi))?;
        self.check_scales()?;
        self.check_moments()
    }

    fn check_scales(&self) -> Result<(), String> {
        let scales = &self.scales;
        if scales.is_empty() || scales.len() > limits::SCALES {
            return Err(format!("{} scales; 1 to {} are possible", scales.len(), limits::SCALES));
        }
        if !scales.windows(2).all(|pair| pair[0].stride < pair[1].stride) {
            return Err("the strides do not ascend".to_owned());
        }
        for ScaleFigures { stride, rows, cols, anchors, .. } in scales {
            if !stride.is_power_of_two() || *rows == 0 || *cols == 0 {
                return Err(format!("a scale of stride {stride} with {rows} × {cols} cells"));
            }
            let scale = AnchorScale { stride: *stride, anchors: Vec::new() };
            let expected = scale.shape(self.image.input_width, self.image.input_height);
            if (*rows, *cols) != expected {
                let (height, width) = expected;
                return Err(format!("stride {stride} has {rows} × {cols} cells, the input {height} × {width}"));
            }
            let good = |side: f32| side > 0.0 && side <= MAX_COORDINATE;
            if anchors.is_empty()
                || anchors.len() > limits::ANCHORS
                || !anchors.iter().flatten().all(|side| good(*side))
            {
                return Err(format!("the anchors of stride {stride} are not 1 to {} boxes", limits::ANCHORS));
            }
        }
        let ious = self.ious();
        if ious > limits::IOUS { Err(format!("{ious} IoUs; at most {} are possible", limits::IOUS)) } else { Ok(()) }
    }

    fn check_moments(&self) -> Result<(), String> {
        let moments = &self.moments;
        if moments.len() > limits::MOMENTS {
            return Err(format!("{} moments; at most {} are possible", moments.len(), limits::MOMENTS));
        }
        if !moments.is_empty() && self.moment_bytes() == 0 {
            return Err("there are moments without a map".to_owned());
        }
        let bytes = self.moment_bytes() * moments.len() as u64;
        if bytes > limits::MAPS {
            return Err(format!("{bytes} bytes of maps; at most {} are possible", limits::MAPS));
        }
        let ascend = moments.windows(2).all(|pair| pair[0].step < pair[1].step);
        if !ascend || moments.iter().any(|moment| moment.step > limits::STEPS || moment.seconds < 0.0) {
            return Err("the moments do not follow one another".to_owned());
        }
        Ok(())
    }

    pub fn input(&self) -> Size {
        Size::new(self.image.input_width, self.image.input_height)
    }

    /// The scales that have maps.
    pub fn compared(&self) -> impl Iterator<Item = &ScaleFigures> {
        self.scales.iter().filter(|scale| scale.compared)
    }

    /// Bytes of the maps of one moment.
    pub fn moment_bytes(&self) -> u64 {
        self.compared().map(|scale| 4 * scale.rows as u64 * scale.cols as u64).sum()
    }

    /// IoUs between every anchor at every cell and every ground truth.
    fn ious(&self) -> u64 {
        let anchors = |scale: &ScaleFigures| scale.rows as u64 * scale.cols as u64 * scale.anchors.len() as u64;
        self.scales.iter().map(anchors).sum::<u64>().saturating_mul(self.labels.len() as u64)
    }
}

fn is_name(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}
