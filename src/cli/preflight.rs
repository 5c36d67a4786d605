//! `distillscope preflight`: does this set-up distil?

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::line::Line;
use super::run_args::RunArgs;
use crate::files::atomic;
use crate::format::seconds_left;
use crate::preflight::{Preflight, Status, preflight_of};
use crate::train::plan::RunPlan;

/// Prove that a distillation distils, on one batch, before it runs
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    distillscope preflight --data data.yaml --teacher l.pt --student s.pt\n  \
    distillscope preflight --config runs/first/config.toml --json -\n\n\
    Takes the options of `train` and looks at what such a run would do. Nothing is written. Exits 1 when a check is red.")]
pub(super) struct PreflightArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Ask for the lambda at which the imitation's gradient has this many times the detection's norm [default: what the run
    /// keeps, or 0.5]
    #[arg(long, value_name = "RATIO")]
    ratio: Option<f64>,
    /// Write the answers as JSON, - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    #[serde(flatten)]
    preflight: &'a Preflight,
}

pub(super) fn run(args: &PreflightArgs) -> anyhow::Result<()> {
    let config = args.run.config()?;
    if config.teacher.is_none() {
        bail!("a preflight needs a teacher: there is nothing to prove of a run without imitation");
    }
    let ratio = args.ratio.unwrap_or_else(|| config.gradient_ratio());
    if !(ratio > 0.0 && ratio.is_finite()) {
        bail!("--ratio is {ratio}; a number greater than 0 is needed");
    }
    let drawn = Line::start();
    let line = |what: &str, fraction: Option<f32>, left: Option<f64>| {
        let percent = fraction.map_or_else(String::new, |f| format!(" {:.0} %", 100.0 * f));
        let left = left.map_or_else(String::new, |left| format!(", {left:.0} s left"));
        drawn.draw(&format!("{what}{percent}{left}"));
        ControlFlow::Continue(())
    };
    let plan = RunPlan::make(&config, true, &mut |what, fraction| line(what, fraction, None))?
        .context("the preflight was broken off")?;
    let warnings = plan.warnings.clone();
    let begin = Instant::now();
    let found = preflight_of(plan, ratio, &mut |what, fraction| {
        line(what, Some(fraction), seconds_left(begin.elapsed().as_secs_f64(), fraction))
    })?;
    let found = found.context("the preflight was broken off")?;
    drop(drawn);
    for warning in warnings {
        super::console::warn(warning);
    }
    let report = Report { schema: "distillscope.preflight/1", preflight: &found };
    match &args.json {
        Some(path) if path.as_os_str() != "-" => atomic::write_json(path, &report)?,
        Some(_) => super::console::print(&serde_json::to_string_pretty(&report)?)?,
        None => super::console::print(&found.to_string())?,
    }
    match found.count(Status::Red) {
        0 => Ok(()),
        1 => bail!("a check is red"),
        red => bail!("{red} checks are red"),
    }
}
