//! Recorded runs among the others: their curves are laid over the rest, and their picture takes the middle of the window
//! for as long as their maps are shown.

use std::sync::Arc;

use crate::app::run::playback::Playback;
use crate::app::run::runs::Runs;
use crate::train::config::{ImitationConfig, RunConfig};
use crate::train::history::RunHistory;
use crate::train::replay::Replay;

impl Runs {
    /// The recorded run whose picture is in the middle of the window.
    pub fn replay(&self) -> Option<&Replay> {
        self.history(self.playback?.history)?.replay.as_deref()
    }

    /// How that run imitated; `None` where its configuration is of another version.
    pub fn recorded(&self) -> Option<ImitationConfig> {
        RunConfig::parse(&self.replay()?.config).ok().map(|config| config.imitation)
    }

    /// The runs whose maps can be shown.
    pub fn with_snapshots(&self) -> impl Iterator<Item = &Arc<RunHistory>> {
        self.histories.iter().filter(|history| !history.snapshots.is_empty())
    }

    /// Lays a recorded run over the others and shows its first map. Runs with one configuration are of one experiment,
    /// so that the two of a pair are set against each other; a run that is opened again takes its own place.
    pub(in crate::app) fn add_replay(&mut self, replay: Arc<Replay>) {
        let experiment = replay.experiment();
        let same =
            |history: &&Arc<RunHistory>| history.replay.as_ref().is_some_and(|other| other.experiment() == experiment);
        let known = self.histories.iter().find(same).map(|history| history.experiment);
        let number = known.unwrap_or_else(|| self.next_key());
        self.histories.retain(|history| history.experiment != number || history.id != replay.id);
        let key = self.next_key();
        let history = RunHistory::of_replay(key, number, Arc::clone(&replay));
        let has_maps = !history.snapshots.is_empty();
        self.histories.push(Arc::new(history));
        // A run without maps does not take the place of one that has them.
        if has_maps || self.replay().is_none() {
            let at = replay.snapshots.first().map(|snapshot| snapshot.step);
            self.playback = Some(Playback::of(key, at));
        }
    }

    /// The maps of another run, at the moment that is shown.
    pub(in crate::app) fn show_snapshots_of(&mut self, key: u64) {
        let there = self.with_snapshots().any(|history| history.key == key);
        if let Some(playback) = self.playback.as_mut().filter(|_| there) {
            playback.history = key;
        }
    }

    /// Gives the middle of the window back; the curves stay.
    pub(in crate::app) fn leave_replay(&mut self) {
        if self.replay().is_some() {
            self.playback = None;
        }
    }
}
