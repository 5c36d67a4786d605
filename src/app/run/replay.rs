//! Recorded runs among the others: their curves are laid over the rest, and their picture takes the middle of the window
//! for as long as their maps are shown.

use std::sync::Arc;

use crate::app::run::playback::Playback;
use crate::app::run::runs::Runs;
use crate::train::config::{ImitationConfig, RunConfig};
use crate::train::history::Track;
use crate::train::replay::Replay;

impl Runs {
    /// The recorded run whose picture is in the middle of the window.
    pub fn replay(&self) -> Option<&Replay> {
        self.track(self.playback?.track)?.replay.as_deref()
    }

    /// How that run imitated; `None` where its configuration is of another version.
    pub fn recorded(&self) -> Option<ImitationConfig> {
        RunConfig::parse(&self.replay()?.config).ok().map(|config| config.imitation)
    }

    /// The runs whose maps can be shown.
    pub fn with_moments(&self) -> impl Iterator<Item = &Arc<Track>> {
        self.tracks.iter().filter(|track| !track.snapshots.is_empty())
    }

    /// Lays a recorded run over the others and shows its first map. Runs with one configuration are of one campaign,
    /// so that the two of a pair are set against each other; a run that is opened again takes its own place.
    pub(in crate::app) fn add_replay(&mut self, replay: Arc<Replay>) {
        let campaign = replay.campaign();
        let same = |track: &&Arc<Track>| track.replay.as_ref().is_some_and(|other| other.campaign() == campaign);
        let known = self.tracks.iter().find(same).map(|track| track.campaign);
        let number = known.unwrap_or_else(|| self.next_key());
        self.tracks.retain(|track| track.campaign != number || track.id != replay.id);
        let key = self.next_key();
        let track = Track::of_replay(key, number, Arc::clone(&replay));
        let has_maps = !track.snapshots.is_empty();
        self.tracks.push(Arc::new(track));
        // A run without maps does not take the place of one that has them.
        if has_maps || self.replay().is_none() {
            let at = replay.snapshots.first().map(|snapshot| snapshot.step);
            self.playback = Some(Playback::of(key, at));
        }
    }

    /// The maps of another run, at the moment that is shown.
    pub(in crate::app) fn show_moments_of(&mut self, key: u64) {
        let there = self.with_moments().any(|track| track.key == key);
        if let Some(playback) = self.playback.as_mut().filter(|_| there) {
            playback.track = key;
        }
    }

    /// Gives the middle of the window back; the curves stay.
    pub(in crate::app) fn leave_replay(&mut self) {
        if self.replay().is_some() {
            self.playback = None;
        }
    }
}
