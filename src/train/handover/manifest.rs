//! `distil.json`: the imitation in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::imitation::loss::{Loss, MaskSource, Reads};
use crate::imitation::mask::{IouConvention, LevelRule};
use crate::inspect::Tap;
use crate::train::TrainError;
use crate::train::config::{LrSchedule, Norm, OptimizerKind};
use crate::train::distil::Distiller;
use crate::train::trainer::Trainer;
use crate::yolo::network::Network;

pub const SCHEMA: &str = "distillscope.handover/1";
pub(super) const ADAPTER: &str = "adapter.safetensors";

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// Name and version of this format.
    pub schema: &'static str,
    pub program: &'static str,
    pub loss: Loss,
    /// Of one scale, at λ = 1.
    pub formula: &'static str,
    pub tap: Tap,
    pub norm: Norm,
    pub mask: Mask,
    pub lambda: LambdaSteps,
    /// `None` where heads are compared.
    pub adapter: Option<AdapterFile>,
    pub classes: Classes,
    /// Every scale of the student.
    pub scales: Vec<Scale>,
    pub gains: Gains,
    pub training: Training,
    /// By file name, hexadecimal.
    pub sha256: BTreeMap<String, String>,
}

/// Which cells count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mask {
    pub source: MaskSource,
    pub psi: f32,
    pub rule: LevelRule,
    pub iou: IouConvention,
}

/// λ(t).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LambdaSteps {
    pub from: LambdaOrigin,
    /// One number a step of the optimizer, warm-up and decay included.
    pub per_step: Vec<f64>,
}

/// What the numbers of λ follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LambdaOrigin {
    /// As it was asked for.
    Fixed,
    /// From the two gradients of the first batch; there it stays, where a run measures again and lets it fall.
    GradientRatio,
    /// As a finished run had it.
    Run,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AdapterFile {
    pub file: &'static str,
    /// Side of the kernels.
    pub kernel: u32,
    /// As a multiple of the student's.
    pub learning_rate: f64,
}

/// Places of the shared classes in both heads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classes {
    pub student: Vec<i64>,
    pub teacher: Vec<i64>,
    /// All classes of the student.
    pub of_student: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scale {
    /// "P3" for stride 8 …
    pub name: String,
    pub stride: u32,
    /// Width and height, input px.
    pub anchors: Vec<[f32; 2]>,
    /// Its place among the inputs of Detect.
    pub student: usize,
    /// The same of the teacher; `None` where the teacher lacks the scale, which is then not imitated.
    pub teacher: Option<usize>,
    /// The layers whose outputs are compared; `None` where heads are.
    pub student_layer: Option<usize>,
    pub teacher_layer: Option<usize>,
}

/// Of the detection loss, scaled by scales, classes and image size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gains {
    #[serde(rename = "box")]
    pub box_gain: f64,
    pub cls: f64,
    pub obj: f64,
}

/// The options of YOLOv5's trainer under which the run is as long.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Training {
    pub epochs: u64,
    pub batch_size: usize,
    pub imgsz: u32,
    pub seed: u64,
    pub optimizer: &'static str,
    pub cos_lr: bool,
    pub label_smoothing: f64,
    /// Numbers of layers.
    pub freeze: Vec<usize>,
}

impl Manifest {
    pub(super) fn of(
        trainer: &Trainer,
        distiller: &Distiller,
        lambda: LambdaSteps,
        sha256: BTreeMap<String, String>,
    ) -> Result<Self, TrainError> {
        let (config, gains) = (&trainer.plan.config, trainer.gains());
        let imitation = &config.imitation;
        let (student, teacher) = (trainer.student(), distiller.teacher());
        let (of_student, of_teacher) = (layers(student, imitation.tap)?, layers(teacher, imitation.tap)?);
        let scales = student.scales().iter().enumerate().map(|(index, scale)| {
            let other = teacher.scales().iter().position(|other| other.stride == scale.stride);
            Scale {
                name: scale.name(),
                stride: scale.stride,
                anchors: scale.anchors.clone(),
                student: index,
                teacher: other,
                student_layer: of_student.get(index).copied(),
                teacher_layer: other.and_then(|other| of_teacher.get(other).copied()),
            }
        });
        let classes = distiller.classes();
        let adapter = (imitation.loss.reads() == Reads::Features).then_some(AdapterFile {
            file: ADAPTER,
            kernel: imitation.adapter_kernel,
            learning_rate: imitation.adapter_lr,
        });
        Ok(Self {
            schema: SCHEMA,
            program: concat!("distillscope ", env!("CARGO_PKG_VERSION")),
            loss: imitation.loss,
            formula: imitation.loss.formula(),
            tap: imitation.tap,
            norm: imitation.norm,
            mask: Mask {
                source: imitation.mask_source,
                psi: imitation.psi,
                rule: imitation.level_rule,
                iou: imitation.iou,
            },
            lambda,
            adapter,
            classes: Classes {
                student: classes.student.clone(),
                teacher: classes.teacher.clone(),
                of_student: classes.of_student,
            },
            scales: scales.collect(),
            gains: Gains { box_gain: gains.box_gain, cls: gains.class, obj: gains.objectness },
            training: Training {
                epochs: trainer.plan.steps.div_ceil(trainer.plan.steps_per_epoch.max(1)),
                batch_size: config.batch,
                imgsz: config.imgsz,
                seed: config.seed,
                optimizer: match config.optimizer {
                    OptimizerKind::Sgd => "SGD",
                    OptimizerKind::Adam => "Adam",
                    OptimizerKind::AdamW => "AdamW",
                },
                cos_lr: config.lr_schedule != LrSchedule::LinearPerEpoch,
                label_smoothing: config.hyp.label_smoothing,
                freeze: config.freeze.clone(),
            },
            sha256,
        })
    }

    /// The README with this hand-over's own words in it.
    pub(super) fn fill(&self, readme: &str) -> String {
        let Mask { source, psi, rule, iou } = self.mask;
        let mask = match source {
            MaskSource::Iou => format!("iou (ψ = {psi}, level rule {rule}, convention {iou})"),
            other => other.to_string(),
        };
        let (first, last) = (self.lambda.per_step.first(), self.lambda.per_step.last());
        let figure = |value: Option<&f64>| crate::format::significant(value.copied().unwrap_or(0.0));
        let origin = match self.lambda.from {
            LambdaOrigin::Fixed => "as it was asked for",
            LambdaOrigin::GradientRatio => "from the ratio of the two gradients on the first batch",
            LambdaOrigin::Run => "as the finished run had it",
        };
        let training = &self.training;
        [
            ("PROGRAM", self.program.to_owned()),
            ("LOSS", self.loss.name().to_owned()),
            ("EXPLANATION", self.loss.explanation().to_owned()),
            ("FORMULA", self.formula.to_owned()),
            ("TAP", self.tap.name().to_owned()),
            ("MASK", mask),
            ("LAMBDA", format!("{} to {}, {origin}", figure(first), figure(last))),
            ("STEPS", self.lambda.per_step.len().to_string()),
            ("EPOCHS", training.epochs.to_string()),
            ("BATCH", training.batch_size.to_string()),
            ("IMGSZ", training.imgsz.to_string()),
            ("OPTIMIZER", training.optimizer.to_owned()),
        ]
        .into_iter()
        .fold(readme.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), &value))
    }
}

/// The layers of a tap, one an input of Detect; none at the head.
fn layers(network: &Network, tap: Tap) -> Result<Vec<usize>, TrainError> {
    Ok(match tap {
        Tap::Head => Vec::new(),
        Tap::Neck => network.spec().layers.last().map_or_else(Vec::new, |detect| detect.from.clone()),
        Tap::Backbone => network.spec().backbone_taps()?.unwrap_or_default(),
    })
}
