//! `distillscope manual`: manual pages and completions, made from the definitions that `--help` shows. For whoever packages
//! the program, so `--help` does not list it.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::files::atomic;

/// Write the manual pages and the completions of bash, zsh and fish
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  distillscope manual --out share")]
pub(super) struct ManualArgs {
    /// The folder that gets them, laid out as /usr/share is
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Where each shell looks for the completions of a command, below a share folder.
const COMPLETIONS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "bash-completion/completions", "distillscope"),
    (Shell::Zsh, "zsh/site-functions", "_distillscope"),
    (Shell::Fish, "fish/vendor_completions.d", "distillscope.fish"),
];

pub(super) fn run(args: &ManualArgs) -> anyhow::Result<()> {
    let folder = |below: &str| {
        let folder = args.out.join(below);
        fs::create_dir_all(&folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        anyhow::Ok(folder)
    };
    for (shell, below, file) in COMPLETIONS {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "distillscope", &mut script);
        atomic::write(&folder(below)?.join(file), &script)?;
    }
    let pages = folder("man/man1")?;
    clap_mangen::generate_to(Cli::command(), &pages)
        .with_context(|| format!("{}: the pages cannot be written", pages.display()))
}
