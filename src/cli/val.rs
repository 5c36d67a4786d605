//! `distillscope val`: mAP of a model on a split.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::line::Line;
use super::values::{ModelArgs, load_model};
use crate::dataset::{DataYaml, Samples, Split};
use crate::format;
use crate::geometry::Size;
use crate::train::evaluate::{ClassResult, EvaluateOptions, Evaluation, evaluate, input_stride};
use crate::yolo::checkpoint;

/// Measure a model's mAP on a split, as YOLOv5's val.py does
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  distillscope val --data data.yaml --weights best.pt --imgsz 640 --json -\n\n\
                        Rectangular batches, NMS at confidence 0.001 and IoU 0.6, up to 300 boxes an image, AP by 101 \
                        points at IoU 0.50:0.95. The JSON has the schema distillscope.val/1.")]
pub(super) struct ValArgs {
    /// The data.yaml
    #[arg(long, value_name = "DATA")]
    data: PathBuf,
    /// The model: .pt, .safetensors or TorchScript
    #[arg(long, value_name = "WEIGHTS")]
    weights: PathBuf,
    /// The part of the data: train, val or test
    #[arg(long, value_name = "SPLIT", default_value = "val", value_parser = super::values::parse_split)]
    split: Split,
    /// Long side of an image in the network's input, px
    #[arg(long, value_name = "PX", default_value_t = 640, value_parser = clap::value_parser!(u32).range(32..=8192))]
    imgsz: u32,
    /// Images that go through the network together
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=super::values::MAX_BATCH))]
    batch: u16,
    /// Write the report as JSON, here; - or nothing is standard output
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

/// Schema `distillscope.val/1`.
#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
}

pub(super) fn run(args: &ValArgs) -> anyhow::Result<()> {
    let data = DataYaml::load(&args.data)?;
    let checkpoint = checkpoint::open(&args.weights)?;
    let (device, _) = args.model.device()?;
    let network = load_model(&checkpoint, device)?;
    drop(checkpoint);
    let samples = Samples::load(&data, args.split, &mut |_, _| ControlFlow::Continue(()))?;
    for warning in &samples.warnings {
        super::console::warn(warning);
    }
    if samples.labels() == 0 {
        super::console::warn(format_args!("'{}' has no labels, so every figure is 0", args.split));
    }
    let size = super::values::round_up_to_stride(Size::square(args.imgsz), input_stride(&network)?);
    let options = EvaluateOptions { imgsz: size.width, batch: usize::from(args.batch), losses: None };

    let line = Line::start();
    let evaluation = evaluate(&network, &samples, &options, &mut |done, images| {
        line.draw(&format!("{done} of {images} images"));
        ControlFlow::Continue(())
    })
    .with_context(|| args.weights.display().to_string())?
    .context("the evaluation was broken off")?;
    drop(line);

    for warning in &evaluation.warnings {
        super::console::warn(warning);
    }
    let report = Report { schema: "distillscope.val/1", evaluation: &evaluation };
    match &args.json {
        Some(path) => super::console::write_json(path, &report),
        None => super::console::print(&table(&evaluation)),
    }
}

/// Characters of a class's name in the table; the JSON has all of it.
const MAX_NAME: usize = 40;

/// A line for all classes, then one for each.
fn table(evaluation: &Evaluation) -> String {
    let name_of = |class: &ClassResult| format::outside(&class.name, MAX_NAME);
    let width = evaluation.per_class.iter().map(|class| name_of(class).chars().count()).max().unwrap_or(0).max(5);
    let mut table = format!(
        "{:<width$}  {:>7}  {:>7}  {:>9}  {:>6}  {:>6}  {:>8}",
        "class", "images", "labels", "precision", "recall", "mAP50", "mAP50-95"
    );
    let mut line = |name: &str, labels: usize, [precision, recall, ap50, ap50_95]: [f64; 4]| {
        let images = evaluation.images;
        let _ = write!(
            table,
            "\n{name:<width$}  {images:>7}  {labels:>7}  {precision:>9.4}  {recall:>6.4}  {ap50:>6.4}  {ap50_95:>8.4}"
        );
    };
    let Evaluation { precision, recall, map50, map50_95, .. } = *evaluation;
    line("all", evaluation.labels, [precision, recall, map50, map50_95]);
    for class in &evaluation.per_class {
        line(&name_of(class), class.labels, [class.precision, class.recall, class.ap50, class.ap50_95]);
    }
    let per_image = 1000.0 * evaluation.seconds / evaluation.images.max(1) as f64;
    let _ = write!(table, "\n{:.1} s, {per_image:.1} ms an image", evaluation.seconds);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A width above 65,535 would end the program, and a name may hold what steers a terminal.
    #[test]
    fn a_class_of_any_name_takes_a_line_of_the_table() {
        let class = |name: &str| ClassResult {
            class: 0,
            name: name.to_owned(),
            labels: 1,
            precision: 0.0,
            recall: 0.0,
            ap50: 0.0,
            ap50_95: 0.0,
        };
        let per_class = vec![class(&"x".repeat(70_000)), class("a\nb\u{1b}[2J")];
        let text = table(&Evaluation { per_class, ..Evaluation::default() });
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 120 && !line.contains('\u{1b}')), "{text}");
        assert!(text.contains("xxx…") && text.contains("a b\\u{1b}[2J"), "{text}");
    }
}
