//! A run and its twins: for each seed the imitation and the same without, one after the other, and what came of it.

use std::path::{Path, PathBuf};

use super::TrainError;
use super::comparison::{Comparison, RunResult};
use super::config::{Campaign, RunConfig};
use super::event::{Arm, Outcome, RunControl, RunEvent, RunId};
use super::plan::RunPlan;
use super::run::{RunFolder, run as run_one};
use crate::export::atomic::{self, WriteError};

/// Runs everything that a campaign asks for. A run that fails ends it; what was finished stays.
pub fn run(campaign: &Campaign, control: &RunControl, emit: &mut dyn FnMut(RunId, RunEvent)) -> Result<(), TrainError> {
    let campaign = if campaign.resume { resumed(campaign)? } else { campaign.clone() };
    let runs = runs(&campaign);
    if !campaign.resume {
        for (_, folder) in &runs {
            if RunFolder::new(folder).config().exists() {
                return Err(TrainError::Exists(folder.clone()));
            }
        }
    }
    if runs.len() > 1 {
        std::fs::create_dir_all(&campaign.out).map_err(|cause| WriteError { path: campaign.out.clone(), cause })?;
        let text = toml::to_string(&campaign).map_err(|error| TrainError::Config(error.to_string()))?;
        atomic::write(&campaign.out.join(CAMPAIGN), text.as_bytes())?;
    }
    let mut results: Vec<RunResult> = Vec::new();
    for (id, folder) in &runs {
        if control.is_stopped() {
            break;
        }
        let result_file = folder.join("result.json");
        if campaign.resume
            && let Ok(text) = std::fs::read_to_string(&result_file)
            && let Ok(result) = serde_json::from_str(&text)
        {
            results.push(result);
            continue;
        }
        let config = RunConfig { seed: id.seed, ..campaign.config.clone() };
        let Some(result) = one(&config, *id, folder, campaign.resume, control, emit)? else { break };
        atomic::write_json(&result_file, &result)?;
        results.push(result);
        if runs.len() > 1 {
            atomic::write_json(&campaign.out.join("comparison.json"), &Comparison::of(results.clone()))?;
        }
    }
    Ok(())
}

const CAMPAIGN: &str = "campaign.toml";

/// One run to its end; `None` where it was stopped.
fn one(
    config: &RunConfig,
    id: RunId,
    folder: &Path,
    resume: bool,
    control: &RunControl,
    emit: &mut dyn FnMut(RunId, RunEvent),
) -> Result<Option<RunResult>, TrainError> {
    let folder = RunFolder::new(folder);
    let mut emit = |event| emit(id, event);
    let mut progress = |what: &str, fraction| {
        emit(RunEvent::Stage { what: what.to_owned(), fraction });
        if control.is_stopped() { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    };
    let plan = match RunPlan::make(config, id.arm == Arm::Imitation, &mut progress) {
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
    let mut result = RunResult { seed: id.seed, ..RunResult::default() };
    let mut watch = |event: RunEvent| {
        match &event {
            RunEvent::Step(step) => {
                result.lambda = step.lambda;
                result.seconds += step.seconds;
            }
            RunEvent::Epoch(epoch) => {
                if !epoch.mean.distance.is_empty() {
                    let distance = epoch.mean.distance.iter().sum();
                    result.imitation_first = result.imitation_first.or(Some(distance));
                    result.imitation_last = Some(distance);
                }
                if let Some(evaluation) = &epoch.evaluation {
                    (result.map50, result.map50_95) = (evaluation.map50, evaluation.map50_95);
                    result.best_map50_95 = result.best_map50_95.max(evaluation.map50_95);
                }
            }
            _ => {}
        }
        emit(event);
    };
    let outcome = run_one(plan, &folder, resume && folder.state().exists(), control, &mut watch)?;
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
            let folder = match (many, campaign.seeds > 1) {
                (false, _) => campaign.out.clone(),
                (true, false) => campaign.out.join(arm.name()),
                (true, true) => campaign.out.join(format!("{}-{seed}", arm.name())),
            };
            runs.push((RunId { seed, arm }, folder));
        }
    }
    runs
}

/// The campaign that lies in a folder: what it says of itself, not what is asked for now.
fn resumed(campaign: &Campaign) -> Result<Campaign, TrainError> {
    let file = campaign.out.join(CAMPAIGN);
    if file.exists() {
        let text = std::fs::read_to_string(&file)
            .map_err(|cause| TrainError::Read { path: file.display().to_string(), cause })?;
        let kept: Campaign =
            Campaign::parse(&text).map_err(|error| TrainError::State { path: file, what: error.to_string() })?;
        return Ok(Campaign { out: campaign.out.clone(), resume: true, ..kept });
    }
    let config = RunFolder::new(&campaign.out).read_config()?;
    Ok(Campaign { config, paired: false, seeds: 1, ..campaign.clone() })
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
