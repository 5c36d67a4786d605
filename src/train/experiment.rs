//! A run and its baselines: for each seed the imitation and the same without, one after the other, and what came of it.

use std::path::{Path, PathBuf};

use super::comparison::{Comparison, RunResult};
use super::config::{Experiment, RunConfig};
use super::event::{Outcome, RunControl, RunEvent, RunId, StartRecord, Variant};
use super::folder::RunFolder;
use super::lock::FolderLock;
use super::plan::{KnownStart, RunPlan};
use super::record::start_of;
use super::run::run as run_one;
use super::{TrainError, fingerprint};
use crate::files::{self, atomic};
use crate::train::record::MAX_KEPT_BYTES;

/// Runs everything that a experiment asks for. A run that fails ends it; what was finished stays.
pub fn run(
    experiment: &Experiment,
    control: &RunControl,
    emit: &mut dyn FnMut(RunId, RunEvent),
) -> Result<(), TrainError> {
    // Before anything is read: a run that is at work here may be about to write it.
    let _alone =
        if experiment.out.exists() || !experiment.resume { Some(FolderLock::take(&experiment.out)?) } else { None };
    let experiment = if experiment.resume { resumed(experiment)? } else { experiment.clone().with_whole_paths() };
    let several = experiment.paired || experiment.seeds > 1;
    let runs = runs(&experiment);
    if !experiment.resume {
        for (_, folder) in &runs {
            if RunFolder::new(folder).config().exists() {
                return Err(TrainError::Exists(folder.clone()));
            }
        }
    }
    if several {
        let text = toml::to_string(&experiment).map_err(|error| TrainError::Config(error.to_string()))?;
        atomic::write(&experiment.out.join(KEPT), text.as_bytes())?;
    }
    let mut results: Vec<Option<RunResult>> = match experiment.resume {
        true => runs
            .iter()
            .map(|(id, folder)| finished(folder).map(|result| RunResult { variant: Some(id.variant), ..result }))
            .collect(),
        false => vec![None; runs.len()],
    };
    let compare = |results: &[Option<RunResult>]| {
        let results: Vec<RunResult> = results.iter().flatten().cloned().collect();
        let file = experiment.out.join("comparison.json");
        if several && !results.is_empty() { atomic::write_json(&file, &Comparison::of(results)) } else { Ok(()) }
    };
    compare(&results)?;
    let mut starts: Vec<(RunId, StartRecord)> = Vec::new();
    for (index, (id, folder)) in runs.iter().enumerate() {
        if control.is_stopped() {
            break;
        }
        if results[index].is_none() {
            // A run of several may also be gone on with by itself.
            let _alone = if *folder == experiment.out { None } else { Some(FolderLock::take(folder)?) };
            let config = RunConfig { seed: id.seed, ..experiment.config.clone() };
            let Some(result) = one(&config, *id, folder, experiment.resume, &starts, control, emit)? else { break };
            atomic::write_json(&folder.join(RESULT), &result)?;
            results[index] = Some(result);
            compare(&results)?;
        }
        // What cannot be read is measured again.
        starts.extend(start_of(folder).ok().flatten().map(|start| (*id, start)));
    }
    Ok(())
}

/// Lets every run of a experiment go on with what was changed since it began.
pub fn accept_changes(experiment: &Experiment) -> Result<(), TrainError> {
    let _alone = FolderLock::take(&experiment.out)?;
    let folders = runs(&resumed(experiment)?);
    folders.iter().try_for_each(|(_, folder)| fingerprint::accept_changes(&RunFolder::new(folder)))
}

/// How the run in a folder ended; `None` where it did not.
pub fn finished(folder: &Path) -> Option<RunResult> {
    serde_json::from_str(&files::read_text(&folder.join(RESULT), MAX_KEPT_BYTES).ok()?).ok()
}

/// The experiment whose pairs lie in a folder, as the folder says; `None` where it says nothing.
pub fn kept(out: &Path) -> Result<Option<Experiment>, TrainError> {
    let file = out.join(KEPT);
    let Some(text) = files::read_text_if_there(&file, MAX_KEPT_BYTES)? else { return Ok(None) };
    let kept = Experiment::parse(&text)
        .map_err(|error| TrainError::State { path: file, what: files::toml_problem(&error) })?;
    Ok(Some(Experiment { out: out.to_owned(), ..kept }))
}

const RESULT: &str = "result.json";
const KEPT: &str = "campaign.toml";

/// One run to its end; `None` where it was stopped.
fn one(
    config: &RunConfig,
    id: RunId,
    folder: &Path,
    resume: bool,
    starts: &[(RunId, StartRecord)],
    control: &RunControl,
    emit: &mut dyn FnMut(RunId, RunEvent),
) -> Result<Option<RunResult>, TrainError> {
    let folder = RunFolder::new(folder);
    let mut emit = |event| emit(id, event);
    let mut progress = |what: &str, fraction| {
        emit(RunEvent::Stage { what: what.to_owned(), fraction });
        if control.is_stopped() { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    };
    let made = RunPlan::make(config, id.variant == Variant::Imitation, &mut progress).and_then(|plan| {
        let Some(mut plan) = plan else { return Ok(None) };
        Ok(plan.read_test(&mut progress)?.is_continue().then_some(plan))
    });
    let mut plan = match made {
        Ok(Some(plan)) => plan,
        Ok(None) => {
            emit(RunEvent::Ended(Outcome::Stopped));
            return Ok(None);
        }
        Err(error) => {
            emit(RunEvent::Ended(Outcome::Failed(error.to_string())));
            return Err(error);
        }
    };
    // The runs of a experiment start from one checkpoint, or from weights that the seed decides.
    let same = |known: &RunId| !plan.student.is_drawn || known.seed == id.seed;
    plan.known = KnownStart {
        student: starts.iter().find(|(known, _)| same(known)).map(|(_, start)| start.student.clone()),
        teacher: starts.iter().find_map(|(_, start)| start.teacher.clone()),
    };
    let (mut result, mut followed) = (RunResult::default(), Ok(()));
    let mut watch = |event: RunEvent| {
        if followed.is_ok() {
            followed = result.follow(id, &event);
        }
        emit(event);
    };
    let outcome = run_one(plan, &folder, resume && folder.state().exists(), control, &mut watch)?;
    followed?;
    Ok((outcome == Outcome::Finished).then_some(result))
}

/// Every run of a experiment and its folder, in order.
fn runs(experiment: &Experiment) -> Vec<(RunId, PathBuf)> {
    let mut runs = Vec::new();
    let many = experiment.paired || experiment.seeds > 1;
    for seed in (0..u64::from(experiment.seeds.max(1))).map(|i| experiment.config.seed.wrapping_add(i)) {
        let variants: &[Variant] = match (experiment.config.teacher.is_some(), experiment.paired) {
            (true, true) => &[Variant::Imitation, Variant::Baseline],
            (true, false) => &[Variant::Imitation],
            (false, _) => &[Variant::Baseline],
        };
        for &variant in variants {
            let of_one_seed = experiment.out.join(variant.name());
            let is_first = seed == experiment.config.seed;
            let folder = match (many, experiment.seeds > 1) {
                (false, _) => experiment.out.clone(),
                (true, false) => of_one_seed,
                // It had one seed before it got more.
                (true, true) if experiment.resume && is_first && RunFolder::new(&of_one_seed).config().exists() => {
                    of_one_seed
                }
                (true, true) => experiment.out.join(format!("{}-{seed}", variant.name())),
            };
            runs.push((RunId { seed, variant }, folder));
        }
    }
    runs
}

/// The experiment that lies in a folder: what it says of itself, with further seeds and baselines where they are asked for.
fn resumed(experiment: &Experiment) -> Result<Experiment, TrainError> {
    let Experiment { out, paired, seeds, .. } = experiment;
    if let Some(kept) = kept(out)? {
        if (1..kept.seeds).contains(seeds) {
            return Err(TrainError::Config(format!(
                "{}: has {} seeds already; give more than that, or leave --seeds out to go on with them",
                out.display(),
                kept.seeds
            )));
        }
        let (paired, seeds) = (kept.paired || *paired, kept.seeds.max(*seeds));
        return Ok(Experiment { resume: true, paired, seeds, ..kept });
    }
    if !RunFolder::new(out).config().exists() {
        return Err(TrainError::Config(format!("{}: holds no run that could be gone on with", out.display())));
    }
    let config = RunFolder::new(out).read_config()?;
    if *paired || *seeds > 1 {
        return Err(TrainError::Config(format!(
            "{}: holds a single run, which gets no pair; start pairs with --paired and a folder of their own as --out",
            out.display()
        )));
    }
    Ok(Experiment { config, out: out.clone(), paired: false, seeds: 1, resume: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_what_is_asked_for() {
        let experiment = |paired, seeds| Experiment {
            config: RunConfig { teacher: Some("t.pt".into()), seed: 4, ..RunConfig::default() },
            out: "out".into(),
            paired,
            seeds,
            resume: false,
        };
        let folders = |paired, seeds| -> Vec<String> {
            runs(&experiment(paired, seeds)).iter().map(|(_, folder)| folder.display().to_string()).collect()
        };
        assert_eq!(folders(false, 1), ["out"]);
        assert_eq!(folders(true, 1), ["out/imitation", "out/baseline"]);
        assert_eq!(folders(true, 2), ["out/imitation-4", "out/baseline-4", "out/imitation-5", "out/baseline-5"]);
    }
}
