//! `distillscope inspect`: what the window shows, as JSON, tensors and figures.

use std::path::PathBuf;

use clap::Args;

use super::figure_args::FigureArgs;
use super::subject_args::SubjectArgs;
use crate::files::{atomic, tensors};
use crate::inspect::CompareParts;

/// Inspect one image with two models, without a window
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  distillscope inspect --image img.jpg --teacher l.pt --student s.pt --psi 0.5 \
                        --json - --tensors out.safetensors --figures figures\n  \
                        distillscope inspect --image img.jpg --teacher l.pt --student s.pt --figures paper \
                        --formats svg --width 88\n\n\
                        The JSON has the schema distillscope.inspect/1; boxes and anchors are in input px, \
                        the loss is given for lambda = 1.")]
pub(super) struct InspectArgs {
    /// JPEG, PNG, BMP, WebP or TIFF
    #[arg(long, value_name = "IMAGE")]
    image: PathBuf,
    /// The teacher: .pt, .safetensors or TorchScript
    #[arg(long, value_name = "WEIGHTS")]
    teacher: PathBuf,
    /// The student: .pt or .safetensors
    #[arg(long, value_name = "WEIGHTS")]
    student: PathBuf,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Write the report here; - is standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write input, IoU maps, masks, features, differences and heads here
    #[arg(long, value_name = "FILE")]
    tensors: Option<PathBuf>,
    /// Write every view as a figure into this folder
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    figure: FigureArgs,
}

pub(super) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let parts = CompareParts { heads: args.tensors.is_some(), pull: false };
    let inspection = args.subject.look(&args.image, Some(&args.teacher), Some(&args.student), parts)?.inspection;
    let mut wrote = false;
    if let Some(path) = &args.tensors {
        let (tensors, metadata) = inspection.tensors();
        tensors::write(path, &tensors, &metadata)?;
        wrote = true;
    }
    if let Some(folder) = &args.figures {
        let figures = inspection.figures(&args.teacher, &args.student, &args.figure.choice().look)?;
        args.figure.write(folder, &figures)?;
        wrote = true;
    }
    let report = inspection.report();
    match &args.json {
        Some(path) if !super::console::is_standard_output(path) => atomic::write_json(path, &report)?,
        Some(_) => super::console::print(&serde_json::to_string_pretty(&report)?)?,
        None if wrote => {}
        None => super::console::print(&report.summary())?,
    }
    Ok(())
}
