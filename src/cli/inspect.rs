//! `distillscope inspect`: what the window shows, as JSON, tensors and figures.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use rayon::prelude::*;

use super::ModelArgs;
use crate::dataset;
use crate::export;
use crate::geometry::Size;
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::{
    self, AdapterChoice, CompareRequest, Inspection, LabelSource, MaskChoice, Probe, Scene, SceneRequest, Tap,
};
use crate::yolo::checkpoint::{self, Checkpoint};
use crate::yolo::network::Model;

/// Inspect one image with two models, without a window
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  distillscope inspect --image img.jpg --teacher l.pt --student s.pt --psi 0.5 \
                        --json - --tensors out.safetensors --figures figures\n\n\
                        The JSON has the schema distillscope.inspect/1; boxes and anchors are in input px, \
                        the loss is given for lambda = 1.")]
pub(super) struct InspectArgs {
    /// JPEG, PNG, BMP, WebP or TIFF
    #[arg(long, value_name = "IMAGE")]
    image: PathBuf,
    /// YOLO txt, Pascal VOC XML or COCO JSON [default: the file that belongs to the image by YOLOv5's rule]
    #[arg(long, value_name = "LABELS")]
    labels: Option<PathBuf>,
    /// A data.yaml whose class names the labels use [default: the student's names]
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    /// The teacher: .pt, .safetensors or TorchScript (heads only)
    #[arg(long, value_name = "WEIGHTS")]
    teacher: PathBuf,
    /// The student: .pt or .safetensors
    #[arg(long, value_name = "WEIGHTS")]
    student: PathBuf,
    /// Network input in px: a square's side, or HEIGHT,WIDTH
    #[arg(long, value_name = "PX", default_value = "640", value_parser = super::parse_input_size)]
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
    /// Where features are taken: neck, head or backbone
    #[arg(long, value_enum, default_value_t = Tap::default())]
    tap: Tap,
    /// least-squares, none, or the folder of a run whose trained adapters to use
    #[arg(long, value_name = "ADAPTER", default_value = "least-squares", value_parser = parse_adapter)]
    adapter: AdapterChoice,
    /// Write the report here; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write input, IoU maps, masks, features, differences and heads here
    #[arg(long, value_name = "FILE")]
    tensors: Option<PathBuf>,
    /// Write every view as SVG and PNG into this folder
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
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

pub(super) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let (device, status) = args.model.device()?;
    let teacher = checkpoint::open(&args.teacher)?;
    let student = checkpoint::open(&args.student)?;
    let (of_teacher, of_student) = (teacher.scales(), student.scales());
    let multiple = inspect::input_multiple(of_teacher.iter().chain(&of_student));
    let (anchors, note) = inspect::mask_anchors(Some(&of_teacher), Some(&of_student))
        .map(|(anchors, note)| (anchors.to_vec(), note))
        .context("neither model says its anchors")?;
    let names = match &args.data {
        Some(data) => dataset::DataYaml::load(data)?.names,
        None => student.model.names.clone(),
    };
    let scene = Arc::new(Scene::load(&SceneRequest {
        image: args.image.clone(),
        labels: args.labels.clone().map_or(LabelSource::Beside, LabelSource::File),
        names,
        input: super::round_up_to_stride(args.imgsz, multiple),
    })?);
    for warning in &scene.warnings {
        eprintln!("distillscope: warning: {warning}");
    }

    // One model at a time: the teacher's weights are gone before the student's arrive.
    let of_teacher = probe(&teacher, &scene, device)?;
    let of_student = probe(&student, &scene, device)?;
    let request = CompareRequest { tap: args.tap, adapter: args.adapter.clone() };
    let mut comparison = inspect::compare(Some(&of_teacher), Some(&of_student), &request)?;
    drop((of_teacher, of_student));
    comparison.notes.extend(note);
    for note in &comparison.notes {
        eprintln!("distillscope: note: {note}");
    }

    let choice = MaskChoice { psi: args.psi, rule: args.level_rule, convention: args.iou };
    let inspection = Inspection::new(scene, anchors, choice, Arc::new(comparison), status.label)?;
    let mut wrote = false;
    if let Some(path) = &args.tensors {
        let (tensors, metadata) = inspection.tensors();
        export::tensors::write(path, &tensors, &metadata)?;
        wrote = true;
    }
    if let Some(folder) = &args.figures {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be created", folder.display()))?;
        inspection.figures(&args.teacher, &args.student)?.into_par_iter().try_for_each(|(name, figure)| {
            export::atomic::write(&folder.join(format!("{name}.svg")), figure.svg.as_bytes())?;
            export::atomic::write(&folder.join(format!("{name}.png")), &figure.png(2.0)?)?;
            anyhow::Ok(())
        })?;
        wrote = true;
    }
    let report = inspection.report();
    match &args.json {
        Some(path) if path.as_os_str() != "-" => export::atomic::write_json(path, &report)?,
        Some(_) => super::print(&serde_json::to_string_pretty(&report)?)?,
        None if wrote => {}
        None => super::print(&report.summary())?,
    }
    Ok(())
}

fn probe(checkpoint: &Checkpoint, scene: &Scene, device: tch::Device) -> anyhow::Result<Probe> {
    let (model, report) = Model::load(checkpoint, device)?;
    let name = checkpoint.path.display();
    if !report.is_complete() {
        eprintln!("distillscope: {name}: {report}");
    }
    inspect::probe(&model, &scene.input).with_context(|| name.to_string())
}
