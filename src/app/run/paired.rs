//! What a paired campaign found: each run's accuracy, and by how much imitation is ahead.

use std::collections::BTreeMap;

use crate::app::language::{counted, t};
use crate::app::run::track::Track;
use crate::train::comparison::Lead;
use crate::train::evaluate::Evaluation;
use crate::train::event::Arm;

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub seed: u64,
    pub arm: Arm,
    /// mAP50 and mAP50-95 of the last evaluation.
    pub last: Option<[f64; 2]>,
    /// The best of each over all evaluations.
    pub best: Option<[f64; 2]>,
    /// Imitation distance over all scales, mean of the first and of the last epoch.
    pub distance: Option<[f64; 2]>,
    /// Its numbers still change: it has not ended, and was not read from disk.
    pub under_way: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Paired {
    pub rows: Vec<Row>,
    /// Imitation − baseline in the last mAP50, over the seeds of which both runs have one.
    pub map50: Option<Lead>,
    pub map50_95: Option<Lead>,
}

impl Paired {
    /// The table of a campaign.
    pub fn of<'a>(tracks: impl Iterator<Item = &'a Track>) -> Self {
        let mut rows: Vec<Row> = tracks.map(row).collect();
        rows.sort_by_key(|row| (row.seed, row.arm));
        let differences = |index: usize| -> Vec<f64> {
            let mut seeds: BTreeMap<u64, [Option<f64>; 2]> = BTreeMap::new();
            for row in &rows {
                let arm = usize::from(row.arm == Arm::Baseline);
                seeds.entry(row.seed).or_default()[arm] = row.last.map(|last| last[index]);
            }
            seeds.into_values().filter_map(|[imitation, baseline]| Some(imitation? - baseline?)).collect()
        };
        let (map50, map50_95) = (Lead::of(&differences(0)), Lead::of(&differences(1)));
        Self { rows, map50, map50_95 }
    }

    pub fn sentence(&self) -> String {
        let Some(lead) = self.map50 else {
            return t!("The difference follows when both runs of a seed have been evaluated.").to_owned();
        };
        let amount = format!("{:.3}", lead.mean.abs());
        let spread = lead.spread.map(|spread| format!(" ± {spread:.3}")).unwrap_or_default();
        let seeds = counted(lead.seeds, "seed", "seeds");
        match lead.mean {
            mean if mean > 0.0 => t!("imitation ahead by {amount}{spread} mAP50 over {seeds}", amount, spread, seeds),
            mean if mean < 0.0 => t!("imitation behind by {amount}{spread} mAP50 over {seeds}", amount, spread, seeds),
            _ => t!("imitation and baseline are level in mAP50{spread} over {seeds}", spread, seeds),
        }
    }
}

fn row(track: &Track) -> Row {
    let evaluations: Vec<&Evaluation> = track.epochs.iter().filter_map(|epoch| epoch.evaluation.as_ref()).collect();
    let pair = |evaluation: &Evaluation| [evaluation.map50, evaluation.map50_95];
    let best = evaluations.iter().map(|e| pair(e)).reduce(|a, b| [a[0].max(b[0]), a[1].max(b[1])]);
    let distances: Vec<f64> = track.epochs.iter().filter_map(|epoch| epoch.mean.whole_distance()).collect();
    Row {
        seed: track.id.seed,
        arm: track.id.arm,
        last: evaluations.last().map(|e| pair(e)),
        best,
        distance: distances.first().zip(distances.last()).map(|(first, last)| [*first, *last]),
        under_way: track.outcome.is_none() && track.folder.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::event::{EpochRecord, Outcome, RunEvent, RunId, StepRecord};

    fn run(seed: u64, arm: Arm, map50: &[f64]) -> Track {
        let mut track = Track::new(seed, 0, RunId { seed, arm }, String::new());
        for (epoch, &map50) in map50.iter().enumerate() {
            let evaluation = Evaluation { map50, map50_95: map50 / 2.0, ..Default::default() };
            let distance = vec![Some(8.0 / (epoch + 1) as f64), Some(2.0)];
            track.receive(RunEvent::Epoch(Box::new(EpochRecord {
                epoch: epoch as u32,
                step: 10 * (epoch as u64 + 1),
                mean: StepRecord { distance, ..Default::default() },
                evaluation: Some(evaluation),
                ..Default::default()
            })));
        }
        track
    }

    #[test]
    fn the_table_has_last_and_best_and_the_distance_from_first_to_last() {
        let paired = Paired::of([run(1, Arm::Baseline, &[0.1]), run(0, Arm::Imitation, &[0.3, 0.5, 0.4])].iter());
        let first = &paired.rows[0];
        assert_eq!((first.seed, first.last, first.best), (0, Some([0.4, 0.2]), Some([0.5, 0.25])));
        // 8 + 2, then a third of 8 and 2.
        assert_eq!(first.distance, Some([10.0, 8.0 / 3.0 + 2.0]));
        assert_eq!(paired.rows[1].arm, Arm::Baseline);
        assert_eq!(paired.map50, None, "no seed has both");
        assert!(paired.sentence().contains("follows"));
    }

    #[test]
    fn a_run_is_under_way_until_it_ends_unless_it_was_read_from_disk() {
        let under_way = |track: Track| Paired::of([track].iter()).rows[0].under_way;
        let live = || run(0, Arm::Imitation, &[0.1]);
        assert!(under_way(live()));
        let mut ended = live();
        ended.receive(RunEvent::Ended(Outcome::Stopped));
        assert!(!under_way(ended));
        let mut read = live();
        read.folder = Some("runs/run-1".into());
        assert!(!under_way(read));
    }

    #[test]
    fn the_lead_is_a_mean_over_seeds_with_the_sample_deviation() {
        // Differences 0.01, 0.02, 0.06: mean 0.03; squares 4, 1, 9 (·1e-4) → √(14e-4 / 2) = 0.02646.
        let runs = [
            run(0, Arm::Imitation, &[0.41]),
            run(0, Arm::Baseline, &[0.40]),
            run(1, Arm::Imitation, &[0.52]),
            run(1, Arm::Baseline, &[0.50]),
            run(2, Arm::Imitation, &[0.36]),
            run(2, Arm::Baseline, &[0.30]),
            run(3, Arm::Imitation, &[0.9]),
        ];
        let paired = Paired::of(runs.iter());
        let lead = paired.map50.expect("three pairs");
        assert!((lead.mean - 0.03).abs() < 1e-12 && (lead.spread.expect("a spread") - 0.026_457_5).abs() < 1e-6);
        assert_eq!(paired.sentence(), "imitation ahead by 0.030 ± 0.026 mAP50 over 3 seeds");
        assert!((paired.map50_95.expect("three pairs").mean - 0.015).abs() < 1e-12);
    }

    #[test]
    fn one_seed_has_no_spread_and_a_loss_is_called_one() {
        let paired = Paired::of([run(0, Arm::Imitation, &[0.25]), run(0, Arm::Baseline, &[0.5])].iter());
        assert_eq!(paired.sentence(), "imitation behind by 0.250 mAP50 over 1 seed");
    }
}
