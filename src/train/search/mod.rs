//! Which imitation helps on a person's own data, within a budget of minutes: successive halving, then fresh seeds.
//!
//! [`candidates`] says what is tried, [`ladder`] how many candidates fit the budget and how long their runs are,
//! `halving` is the loop, `local_runner` makes its runs, `results` reads what has ended; [`keep`] is what `search.toml`
//! holds, [`event`] what is said meanwhile, [`table`] what comes of it.
//!
//! Every rung trains each candidate that is left for the whole of a short schedule: learning rate and λ follow a run's
//! own length, so a longer rung is a complete run and no continuation of a shorter one. All runs of a rung have one
//! seed and share one baseline (λ = 0, same seed, length and learning rate). A candidate's score is its mAP50-95 on val
//! at the last epoch minus the baseline's; a candidate with another learning rate is held against the better one of
//! both rates' baselines, because a gain over a baseline that was itself trained worse says nothing. The better half
//! goes on to runs twice as long, up to the length of the run that is searched for; ties go by name. The last two are
//! run on seeds that nothing was chosen on, beside their baselines, at least two and at most five seeds: they give the
//! verdict.
//!
//! The plan follows from a few measured steps; where runs turn out faster, the first rung takes more candidates in,
//! where they turn out slower, a rung ends early, so that fresh seeds are left. Which of the two finalists is named
//! first is itself decided on those seeds: other seeds, or a test split, would say it without that.
//!
//! A run has its own folder and its result lies there, decisions lie in `search.toml` before anything follows from
//! them: a search that is killed anywhere goes on to the same table.

pub mod candidates;
pub mod event;
mod halving;
pub mod keep;
pub mod ladder;
mod local_runner;
mod results;
mod runner;
pub mod table;

use std::path::Path;

use candidates::{Pairing, candidates};
use event::{Ending, SearchEvent};
use keep::{Search, SearchFolder};
use local_runner::LocalRunner;
use results::Results;
use table::SearchTable;

use super::config::RunConfig;
use super::event::RunControl;
use super::folder::RunFolder;
use super::lock::FolderLock;
use super::{TrainError, fingerprint, plan};
use crate::dataset::{DataYaml, Split};
use crate::files;
use crate::imitation::choice::ModelFacts;
use crate::train::record::MAX_KEPT_BYTES;
use crate::yolo::checkpoint;

/// A search before its first run, from what a run would be otherwise; contradictions are found here.
pub fn prepare(base: &RunConfig, minutes: f64) -> Result<Search, TrainError> {
    plan::check(base)?;
    check_minutes(minutes)?;
    let fails = |what: String| Err(TrainError::Config(what));
    let Some(teacher) = &base.teacher else {
        return fails("a search needs a teacher: it asks which imitation helps".to_owned());
    };
    let data = DataYaml::load(&base.data)?;
    if !data.has(Split::Val) {
        return fails(format!("{}: no val split; a search compares on val, so name one there", base.data.display()));
    }
    let file = checkpoint::open(teacher)?;
    let (input, scales) = plan::outlined(base, &data.names)?;
    let of_teacher = file.scales();
    let pairing = Pairing {
        teacher: ModelFacts { scales: &of_teacher, names: &file.model.names },
        student: ModelFacts { scales: &scales, names: &data.names },
    };
    // As a run rounds it: a baseline knows no teacher whose strides count.
    let base = RunConfig { imgsz: input.width, ..base.clone() };
    let (candidates, left_out) = candidates(&base, &pairing);
    if candidates.is_empty() {
        let mut reasons: Vec<&str> = left_out.iter().map(|left| left.reason.as_str()).collect();
        reasons.dedup();
        return fails(format!(
            "no imitation fits these two models ({}); a teacher that was trained as this student's data and anchors ask, or \
             its .pt, is needed",
            reasons.join("; ")
        ));
    }
    Ok(Search { minutes, base, left_out, candidates, ..Search::default() })
}

fn check_minutes(minutes: f64) -> Result<(), TrainError> {
    if minutes > 0.0 && minutes.is_finite() {
        return Ok(());
    }
    Err(TrainError::Config(format!("a budget of {minutes} min; a number greater than 0 is needed")))
}

/// Begins a search in a folder that holds none.
pub fn begin(
    search: Search,
    out: &Path,
    control: &RunControl,
    emit: &mut dyn FnMut(SearchEvent),
) -> Result<Ending, TrainError> {
    let folder = SearchFolder::new(out);
    let _alone = FolderLock::take(out)?;
    if folder.search().exists() {
        return Err(TrainError::Exists(out.to_owned()));
    }
    folder.write(&search)?;
    go(search, &folder, control, emit)
}

/// Goes on with the search in a folder, with another budget where one is given.
pub fn resume(
    out: &Path,
    minutes: Option<f64>,
    control: &RunControl,
    emit: &mut dyn FnMut(SearchEvent),
) -> Result<Ending, TrainError> {
    let folder = SearchFolder::new(out);
    // Where there is none, nothing is made.
    folder.read()?;
    let _alone = FolderLock::take(out)?;
    let mut search = folder.read()?;
    if let Some(minutes) = minutes {
        check_minutes(minutes)?;
        search.minutes = minutes;
    }
    go(search, &folder, control, emit)
}

/// Lets the runs of a search go on with what was changed since they began.
pub fn accept_changes(out: &Path) -> Result<(), TrainError> {
    let folder = SearchFolder::new(out);
    let read = |cause| TrainError::Read { path: folder.runs().display().to_string(), cause };
    let _alone = FolderLock::take(out)?;
    for run in std::fs::read_dir(folder.runs()).map_err(read)? {
        fingerprint::accept_changes(&RunFolder::new(&run.map_err(read)?.path()))?;
    }
    Ok(())
}

fn go(
    mut search: Search,
    folder: &SearchFolder,
    control: &RunControl,
    emit: &mut dyn FnMut(SearchEvent),
) -> Result<Ending, TrainError> {
    let mut local_runner = LocalRunner::new(folder, control);
    halving::go(&mut search, folder, &mut local_runner, emit)
}

/// The search that lies in a folder, and its table as its runs stand; nothing is run.
pub fn open(out: &Path) -> Result<(Search, SearchTable), TrainError> {
    let folder = SearchFolder::new(out);
    let search = folder.read()?;
    let control = RunControl::default();
    let mut table = Results { search: &search, runner: &LocalRunner::new(&folder, &control) }.table();
    // What came of it stands in the file alone, and is true as long as no run has ended since.
    let kept = files::read_text(&folder.table(), MAX_KEPT_BYTES).ok();
    let kept: Option<SearchTable> = kept.and_then(|text| serde_json::from_str(&text).ok());
    let ended = |table: &SearchTable| {
        let of_rungs = table.candidates.iter().map(|row| (row.name.clone(), row.rungs.len(), row.failed.is_some()));
        let of_finals = table.finalists.iter().map(|finalist| (finalist.name.clone(), finalist.runs.len(), false));
        of_rungs.chain(of_finals).collect::<Vec<_>>()
    };
    if let Some(kept) = kept.filter(|kept| ended(kept) == ended(&table)) {
        (table.best, table.conclusion) = (kept.best, kept.conclusion);
    }
    Ok((search, table))
}
