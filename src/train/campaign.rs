//! A run and its twins: for each seed the imitation and the same without, one after the other, and what came of it.

use std::path::{Path, PathBuf};

use super::comparison::{Comparison, RunResult};
use super::config::{Campaign, RunConfig};
use super::event::{Arm, Outcome, RunControl, RunEvent, RunId, StartRecord};
use super::folder::RunFolder;
use super::lock::FolderLock;
use super::plan::{KnownStart, RunPlan};
use super::record::start_of;
use super::run::run as run_one;
use super::{TrainError, fingerprint};
use crate::files::{self, atomic};
use crate::train::record::MAX_KEPT_BYTES;

/// Runs everything that a campaign asks for. A run that fails ends it; what was finished stays.
pub fn run(campaign: &Campaign, control: &RunControl, emit: &mut dyn FnMut(RunId, RunEvent)) -> Result<(), TrainError> {
    // Before anything is read: a run that is at work here may be about to write it.
    let _alone = if campaign.out.exists() || !campaign.resume { Some(FolderLock::take(&campaign.out)?) } else { None };
    let campaign = if campaign.resume { resumed(campaign)? } else { campaign.clone().with_whole_paths() };
    let several = campaign.paired || campaign.seeds > 1;
    let runs = runs(&campaign);
    if !campaign.resume {
        for (_, folder) in &runs {
            if RunFolder::new(folder).config().exists() {
                return Err(TrainError::Exists(folder.clone()));
            }
        }
    }
    if several {
        let text = toml::to_string(&campaign).map_err(|error| TrainError::Config(error.to_string()))?;
        atomic::write(&campaign.out.join(CAMPAIGN), text.as_bytes())?;
    }
    let mut results: Vec<Option<RunResult>> = match campaign.resume {
        true => runs
            .iter()
            .map(|(id, folder)| finished(folder).map(|result| RunResult { arm: Some(id.arm), ..result }))
            .collect(),
        false => vec![None; runs.len()],
    };
    let compare = |results: &[Option<RunResult>]| {
        let results: Vec<RunResult> = results.iter().flatten().cloned().collect();
        let file = campaign.out.join("comparison.json");
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
            let _alone = if *folder == campaign.out { None } else { Some(FolderLock::take(folder)?) };
            let config = RunConfig { seed: id.seed, ..campaign.config.clone() };
            let Some(result) = one(&config, *id, folder, campaign.resume, &starts, control, emit)? else { break };
            atomic::write_json(&folder.join(RESULT), &result)?;
            results[index] = Some(result);
            compare(&results)?;
        }
        // What cannot be read is measured again.
        starts.extend(start_of(folder).ok().flatten().map(|start| (*id, start)));
    }
    Ok(())
}

/// Lets every run of a campaign go on with what was changed since it began.
pub fn accept_changes(campaign: &Campaign) -> Result<(), TrainError> {
    let _alone = FolderLock::take(&campaign.out)?;
    let folders = runs(&resumed(campaign)?);
    folders.iter().try_for_each(|(_, folder)| fingerprint::accept_changes(&RunFolder::new(folder)))
}

/// How the run in a folder ended; `None` where it did not.
pub fn finished(folder: &Path) -> Option<RunResult> {
    serde_json::from_str(&files::read_text(&folder.join(RESULT), MAX_KEPT_BYTES).ok()?).ok()
}

/// The campaign whose pairs lie in a folder, as the folder says; `None` where it says nothing.
pub fn kept(out: &Path) -> Result<Option<Campaign>, TrainError> {
    let file = out.join(CAMPAIGN);
    let Some(text) = files::read_text_if_there(&file, MAX_KEPT_BYTES)? else { return Ok(None) };
    let kept =
        Campaign::parse(&text).map_err(|error| TrainError::State { path: file, what: files::toml_problem(&error) })?;
    Ok(Some(Campaign { out: out.to_owned(), ..kept }))
}

const RESULT: &str = "result.json";
const CAMPAIGN: &str = "campaign.toml";

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
    let made = RunPlan::make(config, id.arm == Arm::Imitation, &mut progress).and_then(|plan| {
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
    // The runs of a campaign start from one checkpoint, or from weights that the seed decides.
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

/// Every run of a campaign and its folder, in order.
fn runs(campaign: &Campaign) -> Vec<(RunId, PathBuf)> {
    let mut runs = Vec::new();
    let many = campaign.paired || campaign.seeds > 1;
    for seed in (0..u64::from(campaign.seeds.max(1))).map(|i| campaign.config.seed.wrapping_add(i)) {
        let arms: &[Arm] = match (campaign.config.teacher.is_some(), campaign.paired) {
            (true, true) => &[Arm::Imitation, Arm::Baseline],
            (true, false) => &[Arm::Imitation],
            (false, _) => &[Arm::Baseline],
        };
        for &arm in arms {
            let of_one_seed = campaign.out.join(arm.name());
            let is_first = seed == campaign.config.seed;
            let folder = match (many, campaign.seeds > 1) {
                (false, _) => campaign.out.clone(),
                (true, false) => of_one_seed,
                // It had one seed before it got more.
                (true, true) if campaign.resume && is_first && RunFolder::new(&of_one_seed).config().exists() => {
                    of_one_seed
                }
                (true, true) => campaign.out.join(format!("{}-{seed}", arm.name())),
            };
            runs.push((RunId { seed, arm }, folder));
        }
    }
    runs
}

/// The campaign that lies in a folder: what it says of itself, with further seeds and baselines where they are asked for.
fn resumed(campaign: &Campaign) -> Result<Campaign, TrainError> {
    let Campaign { out, paired, seeds, .. } = campaign;
    if let Some(kept) = kept(out)? {
        if (1..kept.seeds).contains(seeds) {
            return Err(TrainError::Config(format!(
                "{}: has {} seeds already; give more than that, or leave --seeds out to go on with them",
                out.display(),
                kept.seeds
            )));
        }
        let (paired, seeds) = (kept.paired || *paired, kept.seeds.max(*seeds));
        return Ok(Campaign { resume: true, paired, seeds, ..kept });
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
    Ok(Campaign { config, out: out.clone(), paired: false, seeds: 1, resume: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_what_is_asked_for() {
        let campaign = |paired, seeds| Campaign {
            config: RunConfig { teacher: Some("t.pt".into()), seed: 4, ..RunConfig::default() },
            out: "out".into(),
            paired,
            seeds,
            resume: false,
        };
        let folders = |paired, seeds| -> Vec<String> {
            runs(&campaign(paired, seeds)).iter().map(|(_, folder)| folder.display().to_string()).collect()
        };
        assert_eq!(folders(false, 1), ["out"]);
        assert_eq!(folders(true, 1), ["out/imitation", "out/baseline"]);
        assert_eq!(folders(true, 2), ["out/imitation-4", "out/baseline-4", "out/imitation-5", "out/baseline-5"]);
    }
}
