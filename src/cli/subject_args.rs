//! One image with its labels and up to two models: the options that `inspect` and `story` share, and what becomes of
//! them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use super::values::{ModelArgs, load_model};
use crate::dataset;
use crate::geometry::Size;
use crate::imitation::loss::{Loss, MaskSource};
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::{
    self, AdapterChoice, CompareParts, CompareRequest, DetectionView, Inspection, LabelSource, MaskChoice, Probe,
    Scene, SceneRequest, Tap,
};
use crate::yolo::anchors::default_anchors;
use crate::yolo::checkpoint::{self, Checkpoint};

#[derive(Debug, Args)]
pub(super) struct SubjectArgs {
    /// YOLO txt, Pascal VOC XML or COCO JSON [default: the file that belongs to the image by YOLOv5's rule]
    #[arg(long, value_name = "LABELS")]
    labels: Option<PathBuf>,
    /// A data.yaml whose class names the labels use [default: the student's names]
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    /// Network input in px: a square's side, or HEIGHT,WIDTH
    #[arg(long, value_name = "PX", default_value = "640", value_parser = super::values::parse_input_size)]
    imgsz: Size,
    /// A cell is imitated where an anchor's IoU exceeds psi times the ground truth's best; 0..1
    #[arg(long, default_value_t = Psi::default())]
    psi: Psi,
    /// Which best: of each scale (per-scale), of all scales (global), of the scales that YOLOv5 assigns (assigned)
    #[arg(long, value_name = "RULE", default_value_t = LevelRule::default())]
    level_rule: LevelRule,
    /// exact: continuous boxes; seed: the inclusive pixels of the method's first YOLOv5 port
    #[arg(long, value_name = "CONVENTION", default_value_t = IouConvention::default())]
    iou: IouConvention,
    /// The imitation loss that is shown and reported [default: features; logits at the tap head]
    #[arg(long, value_name = "LOSS", value_parser = super::values::loss_parser())]
    imitation: Option<Loss>,
    /// What the loss counts: iou, teacher, box or none [default: the loss's own]
    #[arg(long, value_enum, value_name = "SOURCE")]
    mask_source: Option<MaskSource>,
    /// Where features are taken: neck, head or backbone
    #[arg(long, value_enum, default_value_t = Tap::default())]
    tap: Tap,
    /// least-squares, none, or the folder of a run whose trained adapters to use
    #[arg(long, value_name = "ADAPTER", default_value = "least-squares", value_parser = parse_adapter)]
    adapter: AdapterChoice,
    #[command(flatten)]
    model: ModelArgs,
}

fn parse_adapter(text: &str) -> Result<AdapterChoice, String> {
    match text {
        "least-squares" => Ok(AdapterChoice::LeastSquares),
        "none" => Ok(AdapterChoice::None),
        path if PathBuf::from(path).exists() => Ok(AdapterChoice::Run(path.into())),
        other => Err(format!("'{other}' is neither least-squares nor none nor the folder of a run")),
    }
}

/// An image that has been looked at.
pub(super) struct Subject {
    pub inspection: Inspection,
    pub scene: Arc<Scene>,
    /// Class names in the data's order.
    pub names: Vec<String>,
    /// The student's own; empty without one.
    pub student_names: Vec<String>,
    device: tch::Device,
}

impl SubjectArgs {
    /// Reads the image and runs the models that are given; without any, anchors are YOLOv5's own for COCO.
    pub fn look(
        &self,
        image: &Path,
        teacher: Option<&Path>,
        student: Option<&Path>,
        parts: CompareParts,
    ) -> anyhow::Result<Subject> {
        let (device, status) = self.model.device()?;
        let teacher = teacher.map(checkpoint::open).transpose()?;
        let student = student.map(checkpoint::open).transpose()?;
        let (of_teacher, of_student) =
            (teacher.as_ref().map(Checkpoint::scales), student.as_ref().map(Checkpoint::scales));
        let multiple = inspect::input_multiple(of_teacher.iter().flatten().chain(of_student.iter().flatten()));
        let (anchors, note) = match inspect::mask_anchors(of_teacher.as_deref(), of_student.as_deref()) {
            Some((anchors, note)) => (anchors.to_vec(), note),
            None if teacher.is_none() && student.is_none() => (default_anchors(), None),
            None => anyhow::bail!("neither model says its anchors"),
        };
        let names_of = |model: Option<&Checkpoint>| model.map_or_else(Vec::new, |model| model.model.names.clone());
        let student_names = names_of(student.as_ref());
        let names = match &self.data {
            Some(data) => dataset::DataYaml::load(data)?.names,
            None => names_of(student.as_ref().or(teacher.as_ref())),
        };
        let scene = Arc::new(Scene::load(&SceneRequest {
            image: image.to_path_buf(),
            labels: self.labels.clone().map_or(LabelSource::Beside, LabelSource::File),
            names: names.clone(),
            input: super::values::round_up_to_stride(self.imgsz, multiple),
        })?);
        for warning in &scene.warnings {
            super::console::warn(warning);
        }

        // One model at a time: the teacher's weights are gone before the student's arrive.
        let of_teacher = teacher.map(|model| probe(&model, &scene, device)).transpose()?;
        let of_student = student.map(|model| probe(&model, &scene, device)).transpose()?;
        let loss = self.imitation.unwrap_or_else(|| Loss::usual_at(self.tap == Tap::Head));
        let request = CompareRequest { tap: self.tap, adapter: self.adapter.clone(), loss };
        let mut comparison = inspect::compare(of_teacher.as_ref(), of_student.as_ref(), &request, parts)?;
        drop((of_teacher, of_student));
        comparison.notes.extend(note);
        for note in &comparison.notes {
            super::console::say(format_args!("note: {note}"));
        }

        let choice = MaskChoice {
            psi: self.psi,
            rule: self.level_rule,
            convention: self.iou,
            source: self.mask_source.unwrap_or_else(|| loss.defaults().mask_source),
        };
        let inspection = Inspection::new(Arc::clone(&scene), anchors, choice, Arc::new(comparison), status.label)?;
        Ok(Subject { inspection, scene, names, student_names, device })
    }
}

impl Subject {
    /// What another model detects on the image.
    pub fn detections(&self, checkpoint: &Checkpoint) -> anyhow::Result<Vec<DetectionView>> {
        let model = load_model(checkpoint, self.device)?;
        inspect::detections(&model, &self.scene).with_context(|| checkpoint.path.display().to_string())
    }
}

fn probe(checkpoint: &Checkpoint, scene: &Scene, device: tch::Device) -> anyhow::Result<Probe> {
    let model = load_model(checkpoint, device)?;
    inspect::probe(&model, &scene.input).with_context(|| checkpoint.path.display().to_string())
}
