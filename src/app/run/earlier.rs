//! Which run a folder on disk holds, and what it has in common with its baseline.

use crate::train::config::{ImitationConfig, RunConfig};
use crate::train::event::{RunId, Variant};
use crate::train::record;
use crate::worker::EarlierRun;

/// Variant and seed. The folder that a experiment made says both, "baseline-4"; elsewhere the records say whether anything was
/// compared with a teacher, and the config what the seed was.
pub(super) fn id(run: &EarlierRun) -> RunId {
    let name = run.folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let of_experiment = record::said_by(&name);
    let compared = run.steps.iter().any(|step| !step.distance.is_empty());
    let variant = match of_experiment {
        Some((variant, _)) => variant,
        None if compared || run.steps.is_empty() => Variant::Imitation,
        None => Variant::Baseline,
    };
    let seed = run.config.as_ref().map(|config| config.seed).or(of_experiment.and_then(|(_, seed)| seed));
    RunId { seed: seed.unwrap_or(0), variant }
}

/// A config without what sets the two of a pair apart, and what changes no weight: two runs with one task and one seed
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
            let RunId { seed, variant } =
                id(&EarlierRun { folder: folder.into(), config, steps, ..EarlierRun::default() });
            (seed, variant)
        };
        assert_eq!(of("runs/baseline", None, &[]), (0, Variant::Baseline));
        assert_eq!(of("runs/imitation-12", None, &[]), (12, Variant::Imitation));
        assert_eq!(of("runs/baseline-4", Some(7), &[]), (7, Variant::Baseline));
        // A name that a person gave says nothing.
        assert_eq!(of("runs/baseline of may", Some(3), &[1.0]), (3, Variant::Imitation));
        assert_eq!(of("runs/first", None, &[]), (0, Variant::Baseline));
    }
}
