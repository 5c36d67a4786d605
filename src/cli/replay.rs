//! `distillscope replay`: a recorded run, in the window or in figures.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::files::atomic;
use crate::shell;
use crate::train::replay::{Replay, ReplayReport};

/// Replay a recorded run: its curves and maps, without models, data or a GPU
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    distillscope replay runs/first/replay.distillscope\n  \
    distillscope replay runs/pairs/imitation/replay.distillscope runs/pairs/baseline/replay.distillscope\n  \
    distillscope replay runs/first/replay.distillscope --summary\n\n\
    `train --snapshot IMAGE` records one. Both files of a pair are laid over each other.")]
pub(super) struct ReplayArgs {
    /// Files that runs have recorded
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Open no window; say what is in the file as JSON (- for standard output)
    #[arg(long, value_name = "FILE", conflicts_with = "summary")]
    json: Option<PathBuf>,
    /// Open no window; say what is in the files in a few lines
    #[arg(long)]
    summary: bool,
}

pub(super) fn run(args: ReplayArgs) -> anyhow::Result<()> {
    for file in &args.files {
        super::console::existing(file)?;
    }
    if let Some(path) = &args.json {
        let [file] = args.files.as_slice() else { bail!("--json takes one replay at a time") };
        let report = ReplayReport::from(&Replay::read(file)?);
        return match path.to_str() {
            Some("-") => super::console::print(&serde_json::to_string_pretty(&report)?),
            _ => Ok(atomic::write_json(path, &report)?),
        };
    }
    if args.summary {
        for file in &args.files {
            super::console::print(&ReplayReport::from(&Replay::read(file)?).to_string())?;
        }
        return Ok(());
    }
    super::window::needs_display()?;
    shell::run(shell::Options { replays: args.files, ..shell::Options::default() })
}
