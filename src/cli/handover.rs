//! `distillscope handover`: a run for YOLOv5's own trainer.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::line::Line;
use super::run_args::RunArgs;
use crate::train::handover::{LambdaOrigin, finished_run, write};

/// Take a distillation to YOLOv5's own trainer: several GPUs, several machines, its loggers
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    distillscope handover --config runs/first/config.toml --out handover\n  \
    distillscope handover --data data.yaml --teacher l.pt --student s.pt --epochs 300 --batch 128 --out handover\n  \
    python handover/launch.py --verify\n  \
    torchrun --nproc_per_node 8 handover/launch.py --sync-bn\n\n\
    Takes the options of `train`. The folder holds both models, settings, a probe that proves the same arithmetic, and launch.py, \
    which drives YOLOv5 v7.0; its README.md says the rest. Where the config is a finished run's, lambda is what that run \
    had; else a gradient ratio's lambda is measured on the first batch.")]
pub(super) struct HandoverArgs {
    #[command(flatten)]
    run: RunArgs,
    /// The folder to write; must be new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &HandoverArgs) -> anyhow::Result<()> {
    let config = args.run.config()?;
    let history = args.run.config_file().and_then(|file| finished_run(file, &config));
    let drawn = Line::start();
    let written = write(&config, history.as_ref(), &args.out, &mut |what, fraction| {
        let percent = fraction.map_or_else(String::new, |fraction| format!(" {:.0} %", 100.0 * fraction));
        drawn.draw(&format!("{what}{percent}"));
        ControlFlow::Continue(())
    })?
    .context("the hand-over was broken off")?;
    drop(drawn);
    let (lambda, out) = (&written.lambda, args.out.display());
    let origin = match lambda.from {
        LambdaOrigin::Fixed => "as asked for",
        LambdaOrigin::GradientRatio => "measured on the first batch",
        LambdaOrigin::Run => "as the run had it",
    };
    super::console::print(&format!(
        "{out}: {} at the {}, {} values of lambda ({origin}); next: python {out}/launch.py --verify",
        written.loss,
        written.tap.name(),
        lambda.per_step.len()
    ))
}
