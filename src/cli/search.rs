//! `distillscope search`: which imitation helps on these data, within a budget of minutes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::line::Line;
use super::run_args::RunArgs;
use crate::files::atomic;
use crate::train::TrainError;
use crate::train::event::RunControl;
use crate::train::search::event::{Ending, Running, SearchEvent};
use crate::train::search::keep::Search;
use crate::train::search::ladder::Ladder;
use crate::train::search::table::{Score, SearchTable};
use crate::train::search::{accept_changes, begin, prepare, resume};

/// Find out which imitation helps on your data, within a budget of minutes
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    distillscope search --data data.yaml --teacher l.pt --student s.pt --minutes 60 --out runs/search\n  \
    distillscope search --resume runs/search --minutes 90\n  \
    distillscope train --config runs/search/best.toml --seed 10 --paired --seeds 5 --out runs/confirmed\n\n\
    Tries losses, their weights and masks, taps and a lower learning rate, the most promising first: short runs beside \
    the same run without imitation on one seed, the better half again at twice the length, the last two on two to five \
    fresh seeds. Takes the options of `train`: they are the base that every candidate changes, and --epochs is the \
    longest that a run gets. The budget decides how many candidates are tried and for how long. The folder gets search.toml, \
    search.json (schema distillscope.search/1), best.toml and every run. Ctrl+C ends it after the step in hand; --resume \
    goes on.")]
pub(super) struct SearchArgs {
    #[command(flatten)]
    run: RunArgs,
    /// The budget; with --resume a new one, what was spent included
    #[arg(long, value_name = "M", required_unless_present = "resume")]
    minutes: Option<f64>,
    /// Where the search goes; must not hold one yet
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with the search in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "data", "teacher", "student", "config"])]
    resume: Option<PathBuf>,
    /// Go on although data, models or settings were changed since the search began
    #[arg(long, requires = "resume")]
    accept_changes: bool,
    /// Write the table as JSON, - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(super) fn run(args: &SearchArgs) -> anyhow::Result<()> {
    let prepared = match (&args.resume, args.minutes) {
        (Some(folder), _) => {
            super::console::existing(folder)?;
            if args.accept_changes {
                accept_changes(folder)?;
            }
            None
        }
        (None, minutes) => Some(prepare(&args.run.config()?, minutes.context("--minutes is missing")?)?),
    };
    let out = args.resume.as_ref().or(args.out.as_ref()).context("--out is missing")?;
    let control = Arc::new(RunControl::default());
    super::console::stop_on_interrupt(&control)?;
    let mut screen = Screen { line: Line::start(), planned: None, said: HashSet::new() };
    let mut emit = |event| screen.show(&event);
    let ended = match prepared {
        Some(search) => begin(search, out, &control, &mut emit),
        None => resume(out, args.minutes, &control, &mut emit),
    };
    drop(screen);
    let resume = format!("distillscope search --resume {}", out.display());
    match ended {
        Ok(Ending::Finished(table)) => report(&table, out, args.json.as_deref()),
        Ok(Ending::Stopped) => {
            super::console::say(format_args!("{}: stopped; `{resume}` goes on", out.display()));
            Err(super::console::Interrupted.into())
        }
        Err(error @ TrainError::Budget { needed, .. }) => {
            bail!("{error}; `{resume} --minutes {}` goes on", needed.ceil())
        }
        // Nothing that could be mended lets these go on.
        Err(error @ (TrainError::Exists(_) | TrainError::Baseline(_))) => bail!("{error}"),
        Err(error) => bail!("{error}; when that is mended, `{resume}` goes on"),
    }
}

fn report(table: &SearchTable, out: &Path, json: Option<&Path>) -> anyhow::Result<()> {
    match json {
        Some(path) if path.as_os_str() == "-" => return super::console::print(&serde_json::to_string_pretty(table)?),
        Some(path) => atomic::write_json(path, table)?,
        None => {}
    }
    super::console::print(&table.to_string())?;
    super::console::print(&match &table.best {
        Some(_) => format!("distillscope train --config {} --out DIR runs it", out.join("best.toml").display()),
        None => format!("`distillscope search --resume {} --minutes M` goes on with a larger budget", out.display()),
    })
}

/// What goes on, in one line; what stays, above it.
struct Screen {
    line: Line,
    /// The plan that was said.
    planned: Option<Ladder>,
    /// Results that were said, by candidate, epochs and seed.
    said: HashSet<(String, u32, u64)>,
}

impl Screen {
    fn show(&mut self, event: &SearchEvent) {
        match event {
            SearchEvent::Search(search) if search.ladder == self.planned => {}
            SearchEvent::Search(search) => {
                self.planned.clone_from(&search.ladder);
                self.say(&planned(search));
            }
            SearchEvent::Measuring(loss) => self.line.draw(&format!("measuring how long a step of {loss} takes")),
            SearchEvent::Running(running) => self.line.draw(&progress(running)),
            SearchEvent::Table(table) => self.table(table),
            SearchEvent::Warning(text) => self.say(&format!("distillscope: warning: {text}")),
        }
    }

    fn say(&self, text: &str) {
        self.line.draw("");
        eprintln!("{text}");
    }

    /// Every result once, as it comes.
    fn table(&mut self, table: &SearchTable) {
        let of_rungs = table.candidates.iter().flat_map(|row| row.rungs.iter().map(|score| (row.name.clone(), *score)));
        let of_finals = table.finalists.iter().flat_map(|row| row.runs.iter().map(|score| (row.name.clone(), *score)));
        for (name, Score { epochs, seed, map50_95, difference, .. }) in of_rungs.chain(of_finals) {
            if self.said.insert((name.clone(), epochs, seed)) {
                self.say(&format!("{name}, {epochs} epochs, seed {seed}: mAP50-95 {map50_95:.4} ({difference:+.4})"));
            }
        }
        for row in &table.candidates {
            if let Some(why) = &row.failed
                && self.said.insert((row.name.clone(), 0, 0))
            {
                self.say(&format!("{} failed: {why}", row.name));
            }
        }
    }
}

fn planned(search: &Search) -> String {
    let names: Vec<&str> = search.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    let Some(ladder) = &search.ladder else { return String::new() };
    let rungs: Vec<String> = ladder.rungs.iter().map(ToString::to_string).collect();
    let tried = names.len().min(ladder.candidates);
    let rungs = match rungs.len() {
        0 => String::new(),
        _ => format!("rungs of {} epochs, then ", rungs.join(", ")),
    };
    let mut text = format!(
        "{tried} of {} candidates fit {} min: {}; {rungs}fresh seeds at {} epochs",
        names.len(),
        search.minutes,
        names[..tried].join(", "),
        ladder.finals
    );
    for left in &search.left_out {
        text += &format!("\n{} is left out: {}", left.loss, left.reason);
    }
    text
}

fn progress(running: &Running) -> String {
    let Running { name, rung, rungs, run, runs, seed, epochs, fraction, seconds_left } = running;
    let place = if running.is_final() { "fresh seeds".to_owned() } else { format!("rung {rung} of {rungs}") };
    let left = *seconds_left as u64;
    format!(
        "{place}, run {run} of {runs}: {name}, seed {seed}, {epochs} epochs, {:.0} %; {}:{:02} of the budget left",
        100.0 * fraction,
        left / 60,
        left % 60
    )
}
