//! `distillscope replay`: a recorded run, in the window or in figures.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use crate::cli::line::Line;
use crate::figure::movie::{MovieChoice, MovieFormat};
use crate::figure::run_movie::Movie;
use crate::files::atomic;
use crate::shell;
use crate::train::event::RunControl;
use crate::train::replay::{Replay, ReplayReport};

/// Replay a recorded run: its curves and maps, without models, data or a GPU
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    distillscope replay runs/first/replay.distillscope\n  \
    distillscope replay runs/pairs/imitation/replay.distillscope runs/pairs/baseline/replay.distillscope\n  \
    distillscope replay runs/first/replay.distillscope --summary\n  \
    distillscope replay runs/first/replay.distillscope --movie run.webp --seconds 8 --width 1280\n\n\
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
    /// Open no window; write the maps and curves through time as a movie: .webp, .gif, or numbered .png files
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "summary"])]
    movie: Option<PathBuf>,
    /// Width of the movie in px
    #[arg(long, value_name = "PX", requires = "movie", default_value_t = MovieChoice::WIDTH)]
    width: u32,
    /// How long the movie lasts [default: 0.15 s a map]
    #[arg(long, value_name = "S", requires = "movie", allow_negative_numbers = true)]
    seconds: Option<f64>,
    /// Pictures a second [default: every map once]
    #[arg(long, value_name = "N", requires = "movie", allow_negative_numbers = true)]
    fps: Option<f64>,
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
    if let Some(path) = &args.movie {
        return movie(&args, path);
    }
    super::window::needs_display()?;
    shell::run(shell::Options { replays: args.files, ..shell::Options::default() })
}

fn movie(args: &ReplayArgs, path: &Path) -> anyhow::Result<()> {
    let format = MovieFormat::of(path)?;
    let choice = MovieChoice { format, width: args.width, seconds: args.seconds, fps: args.fps };
    choice.check()?;
    let replays = args.files.iter().map(|file| Replay::read(file)).collect::<Result<Vec<_>, _>>()?;
    let movie = Movie::of_replays(replays)?;
    let control = Arc::new(RunControl::default());
    super::console::stop_on_interrupt(&control)?;
    let line = Line::start();
    let written = choice.write(path, &movie, &mut |done, all| {
        line.draw(&format!("picture {done} of {all}"));
        if control.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    drop(line);
    let Some(files) = written else { return Err(super::Interrupted.into()) };
    match files.as_slice() {
        [file] => super::console::print(&file.display().to_string()),
        [first, .., last] => super::console::print(&format!("{} … {}", first.display(), last.display())),
        [] => Ok(()),
    }
}
