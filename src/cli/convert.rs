//! `distillscope convert`: a checkpoint in another container.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::yolo::checkpoint;

/// Write a checkpoint in another format, without Python
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  distillscope convert --weights yolov5s.pt --to safetensors --out yolov5s.safetensors\n  \
                        distillscope convert --weights trained.safetensors --to pt --source yolov5s.pt --out trained.pt\n\n\
                        To safetensors, parameter names and dtypes stay as they are; the model's spec, class names and \
                        anchors go into the metadata. To pt, the parameters take the place of those in the source, \
                        whose modules and dtypes stay as they are; YOLOv5 loads the file as it loads the source."
)]
pub(super) struct ConvertArgs {
    /// The checkpoint: Ultralytics .pt or .safetensors
    #[arg(long, value_name = "WEIGHTS")]
    weights: PathBuf,
    /// The format to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Target,
    /// The .pt that lends its modules to --to pt: the one from which training started
    #[arg(long, value_name = "PT", required_if_eq("to", "pt"))]
    source: Option<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Safetensors,
    Pt,
}

pub(super) fn run(args: &ConvertArgs) -> anyhow::Result<()> {
    let weights = checkpoint::open(&args.weights)?;
    let (out, count) = (args.out.display(), weights.tensors.len());
    match (args.to, &args.source) {
        (Target::Safetensors, None) => {
            checkpoint::write_safetensors(&weights, &args.out)?;
            super::console::print(&format!("{out}: {count} tensors"))
        }
        (Target::Pt, Some(source)) => {
            let kept = checkpoint::write_pt_from(&checkpoint::open(source)?, &weights, &args.out)?;
            super::console::print(&format!("{out}: {count} tensors, {kept} more as in {}", source.display()))
        }
        (Target::Safetensors, Some(_)) => anyhow::bail!("--source goes with --to pt alone"),
        (Target::Pt, None) => anyhow::bail!("--to pt needs --source: the .pt that lends its modules"),
    }
}
