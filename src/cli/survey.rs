//! `distillscope survey`: ψ and the level rules over a whole dataset.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::line::progress;
use crate::dataset::{DataYaml, Samples, Split};
use crate::geometry::Size;
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::input_multiple;
use crate::survey::{Overlap, Survey, SurveyOptions, psi_grid, survey};
use crate::yolo::anchors::{AnchorScale, default_anchors};
use crate::yolo::checkpoint;

/// Count the cells that every psi and level rule mark over a dataset
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  distillscope survey --data data.yaml --weights s.pt --csv survey.csv\n\n\
                        Reads image sizes and labels alone. Cells are summed over images, shares are means over \
                        images; small, medium and large are COCO's (below 32x32, below 96x96 input px, above). The \
                        JSON has the schema distillscope.survey/1; JSON and CSV have psi in steps of 0.05.")]
pub(super) struct SurveyArgs {
    /// The data.yaml, or a folder of images with their labels
    #[arg(long, value_name = "DATA")]
    data: PathBuf,
    /// The part of the data that a data.yaml describes: train, val or test
    #[arg(long, value_name = "SPLIT", default_value = "train", value_parser = super::values::parse_split)]
    split: Split,
    /// The model whose anchors are used [default: YOLOv5's anchors for COCO]
    #[arg(long, value_name = "WEIGHTS")]
    weights: Option<PathBuf>,
    /// Network input in px: a square's side, or HEIGHT,WIDTH
    #[arg(long, value_name = "PX", default_value = "640", value_parser = super::values::parse_input_size)]
    imgsz: Size,
    /// The psi at which mask and positive cells are compared; it joins the grid
    #[arg(long, default_value_t = Psi::default())]
    psi: Psi,
    /// The rule at which they are compared: per-scale, global or assigned
    #[arg(long, value_name = "RULE", default_value_t = LevelRule::default())]
    level_rule: LevelRule,
    /// exact: continuous boxes; seed: the inclusive pixels of the method's first YOLOv5 port
    #[arg(long, value_name = "CONVENTION", default_value_t = IouConvention::default())]
    iou: IouConvention,
    /// Write everything as JSON here; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a row for each rule, psi and scale here; - is standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Schema `distillscope.survey/1`.
#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    data: &'a Path,
    /// `null` for a folder of images.
    split: Option<&'static str>,
    /// Images that could not be used.
    skipped: usize,
    #[serde(flatten)]
    survey: &'a Survey,
    overlap: OverlapReport,
}

/// Mask and positives at the psi and the rule that were asked for, in the order of the scales.
#[derive(Serialize)]
struct OverlapReport {
    psi: f32,
    level_rule: LevelRule,
    scales: Vec<Overlap>,
}

pub(super) fn run(args: &SurveyArgs) -> anyhow::Result<()> {
    let split = (!args.data.is_dir()).then_some(args.split);
    let anchors = anchors(args.weights.as_deref())?;
    let input = super::values::round_up_to_stride(args.imgsz, input_multiple(&anchors));
    let mut reading = progress("labels");
    let samples = match split {
        Some(split) => Samples::load(&DataYaml::load(&args.data)?, split, &mut reading)?,
        None => Samples::load_images(&args.data, &mut reading)?,
    };
    for warning in &samples.warnings {
        super::console::warn(warning);
    }
    let options = SurveyOptions { psis: psi_grid(args.psi), convention: args.iou };
    let survey =
        survey(&samples, &anchors, input, &options, &mut progress("cells")).context("the survey was broken off")?;
    let to_output = |path: &Option<PathBuf>| path.as_deref().is_some_and(super::console::is_standard_output);
    if to_output(&args.csv) && to_output(&args.json) {
        anyhow::bail!("--csv and --json cannot both go to standard output");
    }
    if let Some(path) = &args.csv {
        super::console::write_text(path, &survey.csv())?;
    }
    let at = survey.nearest(args.psi);
    let scales = survey.overlap(args.level_rule, at);
    let report = Report {
        schema: "distillscope.survey/1",
        data: &args.data,
        split: split.map(Split::name),
        skipped: samples.left_out.len(),
        overlap: OverlapReport { psi: survey.psis[at], level_rule: args.level_rule, scales },
        survey: &survey,
    };
    if let Some(path) = &args.json {
        super::console::write_json(path, &report)?;
    }
    if to_output(&args.csv) || to_output(&args.json) {
        return Ok(());
    }
    super::console::print(&survey.table(args.psi, args.level_rule))
}

fn anchors(weights: Option<&Path>) -> anyhow::Result<Vec<AnchorScale>> {
    let Some(weights) = weights else { return Ok(default_anchors()) };
    let scales = checkpoint::open(weights)?.scales();
    if scales.is_empty() {
        anyhow::bail!("{}: this model does not say its anchors", weights.display());
    }
    Ok(scales)
}
