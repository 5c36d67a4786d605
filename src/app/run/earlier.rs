//! Which run a folder on disk holds, and what it has in common with its twin.

use crate::train::config::{ImitationConfig, RunConfig};
use crate::train::event::{Arm, RunId};
use crate::train::record;
use crate::worker::EarlierRun;

/// Arm and seed. The folder that a campaign made says both, "baseline-4"; elsewhere the records say whether anything was
/// compared with a teacher, and the config what the seed was.
pub(super) fn id(run: &EarlierRun) -> RunId {
    let name = run.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let of_campaign = record::said_by(&name);
    let compared = run.steps.iter().any(|step| !step.distance.is_empty());
    let arm = match of_campaign {
        Some((arm, _)) => arm,
        None if compared || run.steps.is_empty() => Arm::Imitation,
        None => Arm::Baseline,
    };
    let seed = run.config.as_ref().map(|config| config.seed).or(of_campaign.and_then(|(_, seed)| seed));
    RunId { seed: seed.unwrap_or(0), arm }
}

/// A config without what sets a run apart from its twins, and what changes no weight: two runs with one task and one seed
/// differ in their imitation alone.
pub(super) fn task(config: &RunConfig) -> Box<RunConfig> {
    let free = RunConfig::default();
    Box::new(RunConfig {
        seed: free.seed,
        teacher: None,
        imitation: ImitationConfig::default(),
        snapshot: None,
        workers: free.workers,
        threads: free.threads,
        device: free.device,
        ..config.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::event::StepRecord;

    #[test]
    fn arm_and_seed_from_the_folder_the_config_and_the_records() {
        let of = |folder: &str, seed: Option<u64>, distance: &[f64]| {
            let config = seed.map(|seed| Box::new(RunConfig { seed, ..RunConfig::default() }));
            let steps =
                vec![StepRecord { distance: distance.iter().copied().map(Some).collect(), ..StepRecord::default() }];
            let RunId { seed, arm } = id(&EarlierRun { folder: folder.into(), config, steps, ..EarlierRun::default() });
            (seed, arm)
        };
        assert_eq!(of("runs/baseline", None, &[]), (0, Arm::Baseline));
        assert_eq!(of("runs/imitation-12", None, &[]), (12, Arm::Imitation));
        assert_eq!(of("runs/baseline-4", Some(7), &[]), (7, Arm::Baseline));
        // A name that a person gave says nothing.
        assert_eq!(of("runs/baseline of may", Some(3), &[1.0]), (3, Arm::Imitation));
        assert_eq!(of("runs/first", None, &[]), (0, Arm::Baseline));
    }
}
