//! `distillscope convert`: a checkpoint in another container.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::yolo::checkpoint;

/// Write a checkpoint in another format, without Python
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  distillscope convert --weights yolov5s.pt --to safetensors --out yolov5s.safetensors\n\n\
                        Parameter names and dtypes stay as they are; the model's spec, class names and anchors go into \
                        the metadata."
)]
pub(super) struct ConvertArgs {
    /// The checkpoint: Ultralytics .pt or .safetensors
    #[arg(long, value_name = "WEIGHTS")]
    weights: PathBuf,
    /// The format to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Target,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Safetensors,
}

pub(super) fn run(args: &ConvertArgs) -> anyhow::Result<()> {
    let checkpoint = checkpoint::open(&args.weights)?;
    match args.to {
        Target::Safetensors => checkpoint::write_safetensors(&checkpoint, &args.out)?,
    }
    super::print(&format!("{}: {} tensors", args.out.display(), checkpoint.tensors.len()))
}
