//! The runs of this session, those under way and those of earlier ones: what they say is taken in here.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arriving::{Arriving, STEPS_OF_A_FRAME};
use super::batch::BatchView;
use super::form::Form;
use super::note::note;
use super::note::{Note, said};
use super::paired::Paired;
use super::playback::Playback;
use super::preflight::Examined;
use super::search::Searches;
use crate::app::level::Level;
use crate::figure::curves::{CurveSet, CurveView};
use crate::language::{key, t};
use crate::train::config::{Campaign, RunConfig};
use crate::train::event::{Outcome, RunControl, RunEvent, RunId};
use crate::train::history::{Before, Shared, Track, twins};
use crate::train::replay::Replay;
use crate::train::verdict::Says;
use crate::worker::EarlierRun;

/// What the run panel shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunTab {
    #[default]
    SetUp,
    Batch,
    Preflight,
    Curves,
    Paired,
    Search,
    Survey,
}

impl RunTab {
    pub const ALL: [Self; 7] =
        [Self::SetUp, Self::Batch, Self::Preflight, Self::Curves, Self::Paired, Self::Search, Self::Survey];

    pub const fn name(self) -> &'static str {
        match self {
            Self::SetUp => key!("Set-up"),
            Self::Batch => key!("Batch"),
            Self::Preflight => key!("Preflight"),
            Self::Curves => key!("Curves"),
            Self::Paired => key!("Comparison"),
            Self::Search => key!("Find a setting"),
            Self::Survey => key!("Mask survey"),
        }
    }
}

/// Seeds of a set of pairs, at most: as on the command line.
pub const MOST_SEEDS: u32 = 100;

/// The campaign under way.
#[derive(Clone, Debug)]
pub struct Live {
    pub campaign: Campaign,
    pub control: Arc<RunControl>,
    /// [`Track::campaign`] of its runs.
    pub number: u64,
    /// The track that spoke last.
    pub current: Option<u64>,
    /// Its runs that have begun.
    pub begun: usize,
    /// What a run is at outside its steps, and how far.
    pub stage: Option<(String, Option<f32>)>,
}

impl Live {
    /// Runs from the first to the last seed.
    pub fn runs(&self) -> usize {
        self.campaign.seeds as usize * if self.campaign.paired { 2 } else { 1 }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Runs {
    pub open: bool,
    pub tab: RunTab,
    pub form: Form,
    /// The latest preflight.
    pub examined: Option<Examined>,
    pub batch: BatchView,
    pub search: Searches,
    /// The folder for the results has been asked for.
    pub(in crate::app) asked_out: bool,
    /// In the order in which they began.
    pub tracks: Vec<Arc<Track>>,
    pub live: Option<Live>,
    /// What the student of the campaign under way detected as it began.
    pub(in crate::app) before: Option<Before>,
    /// What was stopped or failed and can go on.
    pub unfinished: Option<(u64, Campaign)>,
    pub view: CurveView,
    pub playback: Option<Playback>,
    /// Folders of earlier runs that are still to be read, one after the other.
    pub to_open: VecDeque<PathBuf>,
    /// The one that is being read.
    pub(in crate::app) reading: Option<PathBuf>,
    /// Those that were read and are taken in, the first of them at work.
    arriving: VecDeque<Arriving>,
    keys: u64,
}

impl Runs {
    pub fn with_view(view: CurveView) -> Self {
        Self { view, ..Self::default() }
    }

    /// Whether the batch view is on screen.
    pub fn shows_batch(&self) -> bool {
        self.open && self.tab == RunTab::Batch
    }

    pub fn track(&self, key: u64) -> Option<&Arc<Track>> {
        self.tracks.iter().find(|track| track.key == key)
    }

    pub(super) fn track_mut(&mut self, key: u64) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.key == key).map(Arc::make_mut)
    }

    /// The track that is under way, or was the last to be.
    pub fn current(&self) -> Option<&Arc<Track>> {
        let key = self.live.as_ref().map_or_else(|| self.tracks.last().map(|track| track.key), |live| live.current)?;
        self.track(key)
    }

    pub fn is_paused(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.control.is_paused())
    }

    pub fn is_stopping(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.control.is_stopped())
    }

    /// A campaign is about to begin, or goes on under its old number.
    pub(in crate::app) fn begin(&mut self, campaign: Campaign, number: Option<u64>) -> Arc<RunControl> {
        let number = number.unwrap_or_else(|| self.next_key());
        let control = Arc::new(RunControl::default());
        let pairs = Arc::new(campaign.clone());
        for track in self.tracks.iter_mut().filter(|track| track.campaign == number) {
            Arc::make_mut(track).pairs = Some(Arc::clone(&pairs));
        }
        // What has finished is not run again.
        let done = self.tracks.iter().filter(|track| track.campaign == number && track.has_finished());
        let begun = done.count();
        self.live = Some(Live {
            campaign,
            control: Arc::clone(&control),
            number,
            current: None,
            begun,
            stage: Some(("starting".to_owned(), None)),
        });
        self.unfinished = None;
        self.tab = RunTab::Curves;
        control
    }

    /// Takes in what the runs of the campaign say, and returns what a person should be told.
    pub(in crate::app) fn receive(&mut self, events: Vec<(RunId, RunEvent)>) -> Vec<Note> {
        let mut notes = Vec::new();
        for (id, event) in events {
            let Some(live) = &mut self.live else { return notes };
            let (number, several) = (live.number, live.campaign.seeds > 1);
            match &event {
                RunEvent::Stage { what, fraction } => live.stage = Some((what.clone(), *fraction)),
                RunEvent::Started(_) => live.begun += 1,
                RunEvent::Start(_)
                | RunEvent::Step(_)
                | RunEvent::Epoch(_)
                | RunEvent::Tested(_)
                | RunEvent::Ended(_) => live.stage = None,
                RunEvent::Snapshot(_) | RunEvent::Warning(_) | RunEvent::Saving | RunEvent::Saved { .. } => {}
            }
            let name = run_name(&live.campaign, id, several);
            let ends = matches!(event, RunEvent::Ended(Outcome::Finished));
            let known = self.tracks.iter().find(|track| track.campaign == number && track.id == id);
            let key = match known {
                Some(track) => track.key,
                None => {
                    let config = live.campaign.config.clone();
                    let start = Some(config.start());
                    let key = self.next_key();
                    let mut track = Track::new(key, number, id, name.clone());
                    (track.start, track.before) = (start, self.before.clone());
                    track.pairs = self.live.as_ref().map(|live| Arc::new(live.campaign.clone()));
                    track.config = Some(Box::new(config));
                    self.tracks.push(Arc::new(track));
                    key
                }
            };
            if let Some(live) = &mut self.live {
                live.current = Some(key);
            }
            let fell = match &event {
                RunEvent::Warning(text) => {
                    self.track(key).is_some_and(|track| track.result().fall().as_ref() == Some(text))
                }
                _ => false,
            };
            // What is said at the run's end, with all its numbers, is not said twice.
            notes.extend(note(&name, &event).filter(|_| !fell));
            // The live end is that of the run under way.
            if let (RunEvent::Snapshot(_), Some(playback)) = (&event, &mut self.playback)
                && playback.at.is_none()
                && self.tracks.iter().all(|track| track.key != playback.track || track.replay.is_none())
            {
                playback.track = key;
            }
            if let Some(track) = self.track_mut(key) {
                track.receive(event);
            }
            if let Some(track) = self.track(key).filter(|_| ends) {
                let (level, text) = self.says(track);
                notes.push(Note { level, what: name, text });
            }
        }
        notes
    }

    /// The campaign is over; nothing more will come of it but what it says of imitation.
    pub(in crate::app) fn ended(&mut self) -> Option<Note> {
        let live = self.live.take()?;
        // Where a run was refused before it began there is nothing to see and nothing to go on with.
        self.tracks.retain(|track| track.campaign != live.number || track.has_begun());
        let of_it = || self.tracks.iter().filter(|track| track.campaign == live.number);
        let finished = of_it().filter(|track| track.has_finished()).count();
        if finished < live.runs() {
            self.unfinished = of_it().next().is_some().then_some((live.number, live.campaign));
            return None;
        }
        // The next one must not write over this one's results.
        if self.form.campaign.out == live.campaign.out {
            self.form.campaign.out = PathBuf::new();
            self.asked_out = false;
        }
        let verdict = self.pairs_of(live.number).comparison.verdict?;
        let level = if verdict.says == Says::Hurts { Level::Warning } else { Level::Info };
        Some(Note { level, what: folder_name(&live.campaign), text: said(&verdict.line()) })
    }

    /// Whether this failure has been told by the run itself.
    pub(in crate::app) fn already_said(&self, message: &str) -> bool {
        let Some(live) = &self.live else { return false };
        let failed = |track: &Arc<Track>| matches!(&track.outcome, Some(Outcome::Failed(cause)) if cause == message);
        self.tracks.iter().any(|track| track.campaign == live.number && failed(track))
    }

    /// Lays a run from disk over the others. One that was begun or goes on in this session is there already.
    pub(in crate::app) fn add_earlier(&mut self, run: EarlierRun) {
        self.arriving.push_back(Arriving::new(run));
        self.take_in();
    }

    /// A frame's part of what is still to be taken in.
    pub fn take_in(&mut self) {
        let mut left = STEPS_OF_A_FRAME;
        while let Some(first) = self.arriving.front_mut() {
            left = first.take_in(left);
            if !first.is_whole() {
                return;
            }
            if let Some(whole) = self.arriving.pop_front() {
                self.arrived(whole);
            }
        }
    }

    /// Whether a run that was read is not on the screen yet.
    pub fn is_taking_in(&self) -> bool {
        !self.arriving.is_empty()
    }

    fn arrived(&mut self, Arriving { run, id, mut track, .. }: Arriving) {
        let live = self.live.as_ref().map(|live| live.number);
        let knows_more = |track: &Arc<Track>| track.folder.is_none() || Some(track.campaign) == live;
        if self.tracks.iter().any(|track| knows_more(track) && track.place() == Some(&run.folder)) {
            return;
        }
        let task = run.config.as_deref().map(super::earlier::task);
        let beside = |track: &&Arc<Track>| {
            let same_task = match (&track.task, &task) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            };
            same_task && track.folder.as_ref().and_then(|f| f.parent()) == run.folder.parent()
        };
        let twin = match &run.campaign {
            Some(campaign) => {
                let out = |track: &Arc<Track>| track.pairs.as_ref().map(|pairs| pairs.out.clone());
                self.tracks.iter().find(|track| out(track).as_ref() == Some(&campaign.out))
            }
            None => self.tracks.iter().filter(|track| track.folder.is_some()).find(beside),
        };
        let number = twin.map(|track| track.campaign).unwrap_or_else(|| self.next_key());
        let parts: Vec<_> = run.folder.iter().rev().take(2).map(|part| part.to_string_lossy().into_owned()).collect();
        let name = match &run.campaign {
            Some(campaign) => run_name(campaign, id, campaign.seeds > 1),
            None => parts.into_iter().rev().collect::<Vec<_>>().join(" · "),
        };
        // The record of the same run is part of it.
        let recorded = |track: &Track| {
            let same = |one: &Replay, other: &Replay| (one.id, one.campaign()) == (other.id, other.campaign());
            track.folder.is_none()
                && track.replay.as_deref().zip(run.replay.as_deref()).is_some_and(|(a, b)| same(a, b))
        };
        self.tracks.retain(|track| track.folder.as_ref() != Some(&run.folder) && !recorded(track));
        (track.key, track.campaign, track.name) = (self.next_key(), number, name);
        track.folder = Some(run.folder);
        track.pairs = run.campaign.map(Arc::from);
        track.outcome = run.result.is_some().then_some(Outcome::Finished);
        track.kept = run.result;
        track.task = task;
        track.start = run.config.as_deref().map(RunConfig::start);
        track.config = run.config;
        run.epochs.into_iter().for_each(|epoch| track.epoch(epoch));
        track.tested = run.test;
        run.start.into_iter().for_each(|start| track.receive(RunEvent::Start(start)));
        // Of a run without maps there is nothing to see but its curves.
        if let Some(replay) = run.replay.filter(|replay| !replay.snapshots.is_empty()) {
            replay.snapshots.iter().for_each(|snapshot| track.receive(RunEvent::Snapshot(Arc::clone(snapshot))));
            track.replay = Some(Shared::new(replay));
        }
        self.tracks.push(Arc::new(track));
        if self.playback.is_some_and(|playback| self.track(playback.track).is_none()) {
            self.playback = None;
        }
    }

    pub(in crate::app) fn toggle(&mut self, key: u64) {
        if let Some(track) = self.track_mut(key) {
            track.visible ^= true;
        }
    }

    /// Takes a run out of the list; one that is under way stays.
    pub(in crate::app) fn remove(&mut self, key: u64) {
        let live = self.live.as_ref().map(|live| live.number);
        self.tracks.retain(|track| track.key != key || Some(track.campaign) == live);
        if self.playback.is_some_and(|playback| self.track(playback.track).is_none()) {
            self.playback = None;
        }
    }

    /// The newest campaign with twins.
    pub fn paired(&self) -> Option<Paired> {
        Some(self.pairs_of(self.newest_pairs()?))
    }

    pub fn has_pairs(&self) -> bool {
        self.newest_pairs().is_some()
    }

    fn newest_pairs(&self) -> Option<u64> {
        let twins = |campaign: u64| self.tracks.iter().any(|t| t.campaign == campaign && t.is_baseline());
        self.tracks.iter().rev().map(|track| track.campaign).find(|campaign| twins(*campaign))
    }

    pub(super) fn pairs_of(&self, campaign: u64) -> Paired {
        let of_it = self.tracks.iter().filter(|track| track.campaign == campaign);
        Paired::of(of_it.map(|track| &**track), |track| self.is_under_way(track))
    }

    pub(super) fn is_under_way(&self, track: &Track) -> bool {
        let live = self.live.as_ref().is_some_and(|live| live.number == track.campaign);
        live && track.outcome.is_none() && track.summary.is_some()
    }

    /// The pairs of [`Runs::paired`] as they can be gone on with: their number, and what they were asked to do. Or why they
    /// cannot.
    pub fn extendable(&self) -> Result<(u64, Arc<Campaign>), &'static str> {
        let number = self.newest_pairs().ok_or(t!("No paired run has begun."))?;
        let of_it = self.tracks.iter().filter(|track| track.campaign == number);
        let known = of_it.filter_map(|track| track.pairs.as_ref()).find(|pairs| pairs.paired);
        let pairs =
            known.ok_or(t!("These runs lie in no folder of pairs (with its campaign.toml): start pairs anew."))?;
        if pairs.seeds >= MOST_SEEDS {
            return Err(t!("The pairs have as many seeds as there can be."));
        }
        Ok((number, Arc::clone(pairs)))
    }

    /// The folder of the first imitation run of [`Runs::paired`], where the verdict says that it helps; or why it is not handed
    /// over.
    pub fn to_hand_over(&self) -> Result<&Path, &'static str> {
        let number = self.newest_pairs().ok_or(t!("No paired run has begun."))?;
        if !self.pairs_of(number).comparison.verdict.is_some_and(|verdict| verdict.says == Says::Helps) {
            return Err(t!("No verdict says that it helps; on the command line, distillscope handover takes any run."));
        }
        let of_it = self.tracks.iter().filter(|track| track.campaign == number && !track.is_baseline());
        let folder = of_it.filter(|track| track.has_finished()).find_map(|track| track.folder.as_deref());
        folder.ok_or(t!("The folder of the run is not known."))
    }

    /// Imitation and baseline of one campaign and seed.
    pub fn twins(&self) -> impl Iterator<Item = (&Arc<Track>, &Arc<Track>)> {
        twins(&self.tracks)
    }

    /// The runs with what of them is shown.
    pub fn curves(&self) -> CurveSet<'_> {
        CurveSet { tracks: &self.tracks, view: &self.view }
    }

    /// How a run stands, in a sentence, and how grave that is.
    pub fn says(&self, track: &Track) -> (Level, String) {
        let twin = self.tracks.iter().find(|other| {
            (other.campaign, other.id.seed) == (track.campaign, track.id.seed)
                && other.id.arm != track.id.arm
                && other.has_finished()
        });
        track.says(twin.map(|twin| &**twin))
    }

    pub(super) fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }
}

fn folder_name(campaign: &Campaign) -> String {
    campaign.out.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// "run-3 · imitation · seed 1": as its folder is called, in every language.
fn run_name(campaign: &Campaign, id: RunId, several: bool) -> String {
    let folder = folder_name(campaign);
    let arm = match (campaign.paired, &campaign.config.teacher) {
        (false, None) => "no teacher",
        _ => id.arm.name(),
    };
    if several { format!("{folder} · {arm} · seed {}", id.seed) } else { format!("{folder} · {arm}") }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::train::config::RunConfig;
    use crate::train::event::{Arm, RunSummary, StepRecord};
    use crate::train::history::Plot;

    fn id(seed: u64, arm: Arm) -> RunId {
        RunId { seed, arm }
    }

    pub(in crate::app) fn begun(paired: bool, seeds: u32) -> Runs {
        let mut runs = Runs::default();
        let mut campaign = runs.form.campaign.clone();
        campaign.config.teacher = Some("l.pt".into());
        runs.begin(Campaign { out: "runs/run-1".into(), paired, seeds, ..campaign }, None);
        runs
    }

    pub(in crate::app) fn started(first_step: u64) -> RunEvent {
        RunEvent::Started(Arc::new(RunSummary {
            folder: "runs/run-1".into(),
            steps: 100,
            steps_per_epoch: 10,
            first_step,
            scales: vec!["P3".into()],
            images: 1,
            labels: 1,
            val_images: 1,
            device: "CPU".into(),
        }))
    }

    fn step(step: u64) -> RunEvent {
        RunEvent::Step(StepRecord { step, total: 1.0, seconds: 0.5, ..Default::default() })
    }

    #[test]
    fn each_run_of_a_campaign_has_its_track() {
        let mut runs = begun(true, 1);
        let (with, without) = (id(0, Arm::Imitation), id(0, Arm::Baseline));
        runs.receive(vec![(with, started(0)), (with, step(0)), (with, RunEvent::Ended(Outcome::Finished))]);
        runs.receive(vec![(without, started(0)), (without, step(0))]);
        let names: Vec<&str> = runs.tracks.iter().map(|track| track.name.as_str()).collect();
        assert_eq!(names, ["run-1 · imitation", "run-1 · baseline"]);
        assert_eq!(runs.twins().count(), 1);
        assert_eq!(runs.current().map(|track| track.id), Some(without));
        assert_eq!(runs.live.as_ref().map(|live| (live.begun, live.runs())), Some((2, 2)));
    }

    #[test]
    fn a_stopped_campaign_goes_on_in_its_own_tracks() {
        let mut runs = begun(false, 1);
        let with = id(0, Arm::Imitation);
        let mut notes = runs.receive(vec![(with, started(0)), (with, step(0)), (with, step(1))]);
        notes.extend(runs.receive(vec![(with, RunEvent::Ended(Outcome::Stopped))]));
        assert_eq!(notes.len(), 1);
        runs.ended();
        let (number, campaign) = runs.unfinished.clone().expect("it can go on");
        runs.begin(campaign, Some(number));
        runs.receive(vec![(with, started(1)), (with, step(1))]);
        assert_eq!((runs.tracks.len(), runs.tracks[0].steps_done), (1, 2));
    }

    #[test]
    fn a_finished_campaign_leaves_its_folder_to_itself() {
        let mut runs = begun(false, 1);
        runs.form.campaign.out = "runs/run-1".into();
        let with = id(0, Arm::Imitation);
        runs.receive(vec![(with, started(0)), (with, RunEvent::Ended(Outcome::Finished))]);
        runs.ended();
        assert_eq!((runs.unfinished.is_none(), runs.form.campaign.out.as_os_str().is_empty()), (true, true));
        assert!(runs.receive(vec![(with, step(5))]).is_empty(), "what comes too late is dropped");
    }

    #[test]
    fn what_goes_wrong_is_told_once() {
        let mut runs = begun(false, 1);
        let with = id(0, Arm::Imitation);
        let failed = RunEvent::Ended(Outcome::Failed("the box loss is NaN at step 7".into()));
        let notes = runs.receive(vec![(with, RunEvent::Warning("slow".into())), (with, failed)]);
        let levels: Vec<Level> = notes.iter().map(|note| note.level).collect();
        assert_eq!(levels, [Level::Warning, Level::Error]);
        assert!(runs.already_said("the box loss is NaN at step 7") && !runs.already_said("another"));
    }

    #[test]
    fn earlier_runs_that_lie_side_by_side_are_twins() {
        let mut runs = Runs::default();
        for arm in ["imitation", "baseline"] {
            let folder = PathBuf::from("old").join(arm);
            runs.add_earlier(EarlierRun { folder, steps: vec![StepRecord::default()], ..Default::default() });
        }
        assert_eq!((runs.twins().count(), runs.tracks[1].name.as_str()), (1, "old · baseline"));
        runs.add_earlier(EarlierRun { folder: "old/imitation".into(), ..Default::default() });
        assert_eq!(runs.tracks.len(), 2, "opened again it is read anew");
        let key = runs.tracks[0].key;
        runs.remove(key);
        assert_eq!(runs.tracks.len(), 1);
    }

    #[test]
    fn a_long_run_is_taken_in_over_some_frames_and_keeps_its_place() {
        let mut runs = Runs::default();
        let steps = |count: u64| (0..count).map(|step| StepRecord { step, ..StepRecord::default() }).collect();
        for (arm, count) in [("imitation", 2 * STEPS_OF_A_FRAME as u64 + 1), ("baseline", 3)] {
            runs.add_earlier(EarlierRun {
                folder: format!("old/{arm}").into(),
                steps: steps(count),
                ..Default::default()
            });
        }
        // The first one's two frames are over: it has come and been handed on for the second.
        assert_eq!((runs.tracks.len(), runs.is_taking_in()), (0, true));
        runs.take_in();
        assert!(!runs.is_taking_in());
        let found: Vec<_> = runs.tracks.iter().map(|track| (track.name.as_str(), track.steps_done)).collect();
        assert_eq!(found, [("old · imitation", 2 * STEPS_OF_A_FRAME as u64 + 1), ("old · baseline", 3)]);
        assert_eq!(runs.twins().count(), 1);
        let total = runs.tracks[0].of(Plot::Total).next().expect("a curve");
        assert_eq!((total.steps.len(), total.steps.last()), (40_001, Some(&40_001.0)));
    }

    #[test]
    fn earlier_runs_are_twins_where_seed_and_task_are_the_same() {
        let mut runs = Runs::default();
        let config = |seed: u64, batch: usize| Some(Box::new(RunConfig { seed, batch, ..RunConfig::default() }));
        for (name, seed, batch) in
            [("imitation-4", 4, 16), ("baseline-4", 4, 16), ("imitation-5", 5, 16), ("baseline-5", 5, 8)]
        {
            let folder = PathBuf::from("old").join(name);
            runs.add_earlier(EarlierRun { folder, config: config(seed, batch), ..Default::default() });
        }
        let twins: Vec<[&str; 2]> = runs.twins().map(|(one, other)| [&*one.name, &*other.name]).collect();
        // Seed 5 was trained with another batch the second time: that is no comparison.
        assert_eq!(twins, [["old · imitation-4", "old · baseline-4"]]);
    }

    #[test]
    fn a_view_from_a_file_can_be_drawn() {
        let view = CurveView { shown: vec![Plot::Map; 9], smoothing: f64::NAN, ..CurveView::default() }.checked();
        assert_eq!((view.shown, view.smoothing), (vec![Plot::Map], 0.0));
    }
}
