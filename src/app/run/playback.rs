//! The difference map through the time of a run: which moment is shown, and its passing.

use std::sync::Arc;

use crate::app::run::runs::Runs;
use crate::train::event::Snapshot;

/// Seconds from one map to the next while they play.
const PACE: f64 = 0.15;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Playback {
    /// Key of the history.
    pub history: u64,
    /// Step of the map; `None` follows the newest.
    pub at: Option<u64>,
    pub playing: bool,
    since: f64,
}

impl Playback {
    /// The map of this step, `None` the newest one, of a history.
    pub(super) const fn of(history: u64, at: Option<u64>) -> Self {
        Self { history, at, playing: false, since: 0.0 }
    }
}

impl Runs {
    /// Whether there are maps to show.
    pub fn has_snapshots(&self) -> bool {
        self.histories.iter().any(|history| !history.snapshots.is_empty())
    }

    /// The maps that play, and which of them is shown.
    pub fn snapshots(&self) -> Option<(&[Arc<Snapshot>], usize)> {
        let playback = self.playback?;
        let snapshots = &self.history(playback.history)?.snapshots;
        let last = snapshots.len().checked_sub(1)?;
        let at = |step| snapshots.partition_point(|snapshot| snapshot.step < step).min(last);
        Some((snapshots, playback.at.map_or(last, at)))
    }

    /// The map that is shown, and the upper end of its run's range.
    pub fn snapshot(&self) -> Option<(&Arc<Snapshot>, f32)> {
        let (snapshots, index) = self.snapshots()?;
        Some((snapshots.get(index)?, self.history(self.playback?.history)?.snapshot_high))
    }

    pub(in crate::app) fn show_snapshots(&mut self, on: bool) {
        let newest = self.current().filter(|history| !history.snapshots.is_empty());
        let history = newest.or_else(|| self.histories.iter().rev().find(|history| !history.snapshots.is_empty()));
        let playback = history.map(|history| Playback::of(history.key, None));
        self.playback = playback.filter(|_| on);
    }

    /// Shows the map with this number; the last one follows what comes.
    pub(in crate::app) fn seek(&mut self, index: usize) {
        let Some((snapshots, _)) = self.snapshots() else { return };
        let at = snapshots.get(index).filter(|_| index + 1 < snapshots.len()).map(|snapshot| snapshot.step);
        if let Some(playback) = &mut self.playback {
            playback.at = at;
            playback.playing = false;
        }
    }

    /// Plays on from what is shown, from the start where that is the end.
    pub(in crate::app) fn play(&mut self, on: bool, now: f64) {
        let Some((snapshots, index)) = self.snapshots() else { return };
        let first = snapshots.first().map(|snapshot| snapshot.step);
        let from = if index + 1 == snapshots.len() { first } else { snapshots.get(index).map(|s| s.step) };
        if let Some(playback) = &mut self.playback {
            playback.playing = on;
            playback.since = now;
            if on {
                playback.at = from;
            }
        }
    }

    /// Lets time pass while the maps play.
    pub fn advance(&mut self, now: f64) {
        let Some(playback) = self.playback.filter(|playback| playback.playing) else { return };
        let Some((snapshots, index)) = self.snapshots() else { return };
        if now - playback.since < PACE {
            return;
        }
        let next = snapshots.get(index + 1).map(|snapshot| snapshot.step);
        let at_end = index + 2 >= snapshots.len();
        if let Some(playback) = &mut self.playback {
            playback.since = now;
            playback.at = next.filter(|_| !at_end);
            playback.playing = !at_end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::run::runs::tests::{begun, started};
    use crate::train::event::{RunEvent, RunId, Variant};

    const ID: RunId = RunId { seed: 0, variant: Variant::Imitation };

    fn snapshot(step: u64) -> (RunId, RunEvent) {
        (
            ID,
            RunEvent::Snapshot(Arc::new(Snapshot {
                step,
                image: "a.jpg".into(),
                scales: Vec::new(),
                truths: Vec::new(),
                seconds: 0.0,
            })),
        )
    }

    fn runs() -> Runs {
        let mut runs = begun(false, 1);
        runs.receive(vec![(ID, started(0))]);
        runs.show_snapshots(true);
        assert_eq!(runs.playback, None, "nothing to show yet");
        runs.receive(vec![snapshot(0), snapshot(25), snapshot(50)]);
        runs.show_snapshots(true);
        runs
    }

    fn shown(runs: &Runs) -> Option<u64> {
        runs.snapshot().map(|(snapshot, _)| snapshot.step)
    }

    #[test]
    fn the_newest_map_is_followed_until_another_is_chosen() {
        let mut runs = runs();
        assert_eq!(shown(&runs), Some(50));
        runs.receive(vec![snapshot(75)]);
        assert_eq!(shown(&runs), Some(75));
        runs.seek(1);
        runs.receive(vec![snapshot(100)]);
        assert_eq!(shown(&runs), Some(25));
        runs.seek(4);
        runs.receive(vec![snapshot(125)]);
        assert_eq!(shown(&runs), Some(125), "the last one is the live end");
        runs.show_snapshots(false);
        assert_eq!(shown(&runs), None);
    }

    #[test]
    fn the_live_end_is_that_of_the_run_under_way() {
        let mut runs = begun(true, 1);
        let baseline = RunId { variant: Variant::Baseline, ..ID };
        runs.receive(vec![(ID, started(0)), snapshot(0), snapshot(25)]);
        runs.show_snapshots(true);
        runs.receive(vec![(baseline, started(0)), (baseline, snapshot(5).1)]);
        assert_eq!(shown(&runs), Some(5));
        runs.show_snapshots(true);
        runs.seek(0);
        assert_eq!(shown(&runs), Some(5), "the only one");
    }

    #[test]
    fn played_from_the_end_it_begins_anew_and_stops_at_the_live_end() {
        let mut runs = runs();
        runs.play(true, 0.0);
        assert_eq!(shown(&runs), Some(0));
        runs.advance(0.1);
        assert_eq!(shown(&runs), Some(0), "too early");
        runs.advance(0.2);
        assert_eq!(shown(&runs), Some(25));
        runs.advance(0.4);
        assert_eq!((shown(&runs), runs.playback.map(|p| (p.playing, p.at))), (Some(50), Some((false, None))));
    }
}
