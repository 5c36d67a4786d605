//! The runs of this session, those under way and those of earlier ones: what they say is taken in here.

use std::collections::{HashSet, VecDeque};
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
use crate::train::config::{Experiment, RunConfig};
use crate::train::event::{Outcome, RunControl, RunEvent, RunId};
use crate::train::history::{Before, RunHistory, Shared, pairs};
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
    Review,
}

impl RunTab {
    pub const ALL: [Self; 8] = [
        Self::SetUp,
        Self::Batch,
        Self::Preflight,
        Self::Curves,
        Self::Paired,
        Self::Search,
        Self::Survey,
        Self::Review,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::SetUp => key!("Set-up"),
            Self::Batch => key!("Batch"),
            Self::Preflight => key!("Preflight"),
            Self::Curves => key!("Curves"),
            Self::Paired => key!("Comparison"),
            Self::Search => key!("Find a setting"),
            Self::Survey => key!("Mask survey"),
            Self::Review => key!("Review"),
        }
    }
}

/// Seeds of a set of pairs, at most: as on the command line.
pub const MOST_SEEDS: u32 = 100;

/// The experiment under way.
#[derive(Clone, Debug)]
pub struct Live {
    pub experiment: Experiment,
    pub control: Arc<RunControl>,
    /// [`RunHistory::experiment`] of its runs.
    pub number: u64,
    /// The history that spoke last.
    pub current: Option<u64>,
    /// Its runs that have begun.
    pub begun: usize,
    /// What a run is at outside its steps, and how far.
    pub stage: Option<(String, Option<f32>)>,
    /// What its runs have warned of: data and models are the same in all of them, so that most of it holds for all.
    pub warned: HashSet<String>,
}

impl Live {
    /// Runs from the first to the last seed.
    pub fn runs(&self) -> usize {
        self.experiment.seeds as usize * if self.experiment.paired { 2 } else { 1 }
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
    pub histories: Vec<Arc<RunHistory>>,
    pub live: Option<Live>,
    /// What the student of the experiment under way detected as it began.
    pub(in crate::app) before: Option<Before>,
    /// What was stopped or failed and can go on.
    pub unfinished: Option<(u64, Experiment)>,
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

    pub fn history(&self, key: u64) -> Option<&Arc<RunHistory>> {
        self.histories.iter().find(|history| history.key == key)
    }

    pub(super) fn history_mut(&mut self, key: u64) -> Option<&mut RunHistory> {
        self.histories.iter_mut().find(|history| history.key == key).map(Arc::make_mut)
    }

    /// The history that is under way, or was the last to be.
    pub fn current(&self) -> Option<&Arc<RunHistory>> {
        let key =
            self.live.as_ref().map_or_else(|| self.histories.last().map(|history| history.key), |live| live.current)?;
        self.history(key)
    }

    pub fn is_paused(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.control.is_paused())
    }

    pub fn is_stopping(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.control.is_stopped())
    }

    /// A experiment is about to begin, or goes on under its old number.
    pub(in crate::app) fn begin(&mut self, experiment: Experiment, number: Option<u64>) -> Arc<RunControl> {
        let number = number.unwrap_or_else(|| self.next_key());
        let control = Arc::new(RunControl::default());
        let pairs = Arc::new(experiment.clone());
        for history in self.histories.iter_mut().filter(|history| history.experiment == number) {
            Arc::make_mut(history).pairs = Some(Arc::clone(&pairs));
        }
        // What has finished is not run again.
        let done = self.histories.iter().filter(|history| history.experiment == number && history.has_finished());
        let begun = done.count();
        self.live = Some(Live {
            experiment,
            control: Arc::clone(&control),
            number,
            current: None,
            begun,
            stage: Some(("starting".to_owned(), None)),
            warned: HashSet::new(),
        });
        self.unfinished = None;
        self.tab = RunTab::Curves;
        control
    }

    /// Takes in what the runs of the experiment say, and returns what a person should be told.
    pub(in crate::app) fn receive(&mut self, events: Vec<(RunId, RunEvent)>) -> Vec<Note> {
        let mut notes = Vec::new();
        for (id, event) in events {
            let Some(live) = &mut self.live else { return notes };
            let (number, several) = (live.number, live.experiment.seeds > 1);
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
            let name = run_name(&live.experiment, id, several);
            let ends = matches!(event, RunEvent::Ended(Outcome::Finished));
            let known = self.histories.iter().find(|history| history.experiment == number && history.id == id);
            let key = match known {
                Some(history) => history.key,
                None => {
                    let config = live.experiment.config.clone();
                    let start = Some(config.start());
                    let key = self.next_key();
                    let mut history = RunHistory::new(key, number, id, name.clone());
                    (history.start, history.before) = (start, self.before.clone());
                    history.pairs = self.live.as_ref().map(|live| Arc::new(live.experiment.clone()));
                    history.config = Some(Box::new(config));
                    self.histories.push(Arc::new(history));
                    key
                }
            };
            if let Some(live) = &mut self.live {
                live.current = Some(key);
            }
            let is_new = match (&event, &mut self.live) {
                (RunEvent::Warning(text), Some(live)) => live.warned.insert(text.clone()),
                _ => true,
            };
            let fell = match &event {
                RunEvent::Warning(text) => {
                    self.history(key).is_some_and(|history| history.result().fall().as_ref() == Some(text))
                }
                _ => false,
            };
            // What is said at the run's end, with all its numbers, is not said twice.
            notes.extend(note(&name, &event).filter(|_| is_new && !fell));
            // The live end is that of the run under way.
            if let (RunEvent::Snapshot(_), Some(playback)) = (&event, &mut self.playback)
                && playback.at.is_none()
                && self.histories.iter().all(|history| history.key != playback.history || history.replay.is_none())
            {
                playback.history = key;
            }
            if let Some(history) = self.history_mut(key) {
                history.receive(event);
            }
            if let Some(history) = self.history(key).filter(|_| ends) {
                let (level, text) = self.says(history);
                notes.push(Note { level, what: name, text });
            }
        }
        notes
    }

    /// The experiment is over; nothing more will come of it but what it says of imitation.
    pub(in crate::app) fn ended(&mut self) -> Option<Note> {
        let live = self.live.take()?;
        // Where a run was refused before it began there is nothing to see and nothing to go on with.
        self.histories.retain(|history| history.experiment != live.number || history.has_begun());
        let of_it = || self.histories.iter().filter(|history| history.experiment == live.number);
        let finished = of_it().filter(|history| history.has_finished()).count();
        if finished < live.runs() {
            self.unfinished = of_it().next().is_some().then_some((live.number, live.experiment));
            return None;
        }
        // The next one must not write over this one's results.
        if self.form.experiment.out == live.experiment.out {
            self.form.experiment.out = PathBuf::new();
            self.asked_out = false;
        }
        let verdict = self.pairs_of(live.number).comparison.verdict?;
        let level = if verdict.says == Says::Hurts { Level::Warning } else { Level::Info };
        Some(Note { level, what: folder_name(&live.experiment), text: said(&verdict.line()) })
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

    fn arrived(&mut self, Arriving { run, id, mut history, .. }: Arriving) {
        let live = self.live.as_ref().map(|live| live.number);
        let knows_more = |history: &Arc<RunHistory>| history.folder.is_none() || Some(history.experiment) == live;
        if self.histories.iter().any(|history| knows_more(history) && history.place() == Some(&run.folder)) {
            return;
        }
        let task = run.config.as_deref().map(super::earlier::task);
        let beside = |history: &&Arc<RunHistory>| {
            let same_task = match (&history.task, &task) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            };
            same_task && history.folder.as_ref().and_then(|f| f.parent()) == run.folder.parent()
        };
        let baseline = match &run.experiment {
            Some(experiment) => {
                let out = |history: &Arc<RunHistory>| history.pairs.as_ref().map(|pairs| pairs.out.clone());
                self.histories.iter().find(|history| out(history).as_ref() == Some(&experiment.out))
            }
            None => self.histories.iter().filter(|history| history.folder.is_some()).find(beside),
        };
        let number = baseline.map(|history| history.experiment).unwrap_or_else(|| self.next_key());
        let parts: Vec<_> = run.folder.iter().rev().take(2).map(|part| part.to_string_lossy().into_owned()).collect();
        let name = match &run.experiment {
            Some(experiment) => run_name(experiment, id, experiment.seeds > 1),
            None => parts.into_iter().rev().collect::<Vec<_>>().join(" · "),
        };
        // The record of the same run is part of it.
        let recorded = |history: &RunHistory| {
            let same = |one: &Replay, other: &Replay| (one.id, one.experiment()) == (other.id, other.experiment());
            history.folder.is_none()
                && history.replay.as_deref().zip(run.replay.as_deref()).is_some_and(|(a, b)| same(a, b))
        };
        self.histories.retain(|history| history.folder.as_ref() != Some(&run.folder) && !recorded(history));
        (history.key, history.experiment, history.name) = (self.next_key(), number, name);
        history.folder = Some(run.folder);
        history.pairs = run.experiment.map(Arc::from);
        history.outcome = run.result.is_some().then_some(Outcome::Finished);
        history.kept = run.result;
        history.task = task;
        history.start = run.config.as_deref().map(RunConfig::start);
        history.config = run.config;
        run.epochs.into_iter().for_each(|epoch| history.epoch(epoch));
        history.tested = run.test;
        run.start.into_iter().for_each(|start| history.receive(RunEvent::Start(start)));
        // Of a run without maps there is nothing to see but its curves.
        if let Some(replay) = run.replay.filter(|replay| !replay.snapshots.is_empty()) {
            replay.snapshots.iter().for_each(|snapshot| history.receive(RunEvent::Snapshot(Arc::clone(snapshot))));
            history.replay = Some(Shared::new(replay));
        }
        self.histories.push(Arc::new(history));
        if self.playback.is_some_and(|playback| self.history(playback.history).is_none()) {
            self.playback = None;
        }
    }

    pub(in crate::app) fn toggle(&mut self, key: u64) {
        if let Some(history) = self.history_mut(key) {
            history.visible ^= true;
        }
    }

    /// Takes a run out of the list; one that is under way stays.
    pub(in crate::app) fn remove(&mut self, key: u64) {
        let live = self.live.as_ref().map(|live| live.number);
        self.histories.retain(|history| history.key != key || Some(history.experiment) == live);
        if self.playback.is_some_and(|playback| self.history(playback.history).is_none()) {
            self.playback = None;
        }
    }

    /// The newest experiment of pairs.
    pub fn paired(&self) -> Option<Paired> {
        Some(self.pairs_of(self.newest_pairs()?))
    }

    fn newest_pairs(&self) -> Option<u64> {
        let pairs = |experiment: u64| self.histories.iter().any(|t| t.experiment == experiment && t.is_baseline());
        self.histories.iter().rev().map(|history| history.experiment).find(|experiment| pairs(*experiment))
    }

    pub(super) fn pairs_of(&self, experiment: u64) -> Paired {
        let of_it = self.histories.iter().filter(|history| history.experiment == experiment);
        Paired::of(of_it.map(|history| &**history), |history| self.is_under_way(history))
    }

    pub(super) fn is_under_way(&self, history: &RunHistory) -> bool {
        let live = self.live.as_ref().is_some_and(|live| live.number == history.experiment);
        live && history.outcome.is_none() && history.summary.is_some()
    }

    /// The pairs of [`Runs::paired`] as they can be gone on with: their number, and what they were asked to do. Or why they
    /// cannot.
    pub fn extendable(&self) -> Result<(u64, Arc<Experiment>), &'static str> {
        let number = self.newest_pairs().ok_or(t!("No paired run has begun."))?;
        let of_it = self.histories.iter().filter(|history| history.experiment == number);
        let known = of_it.filter_map(|history| history.pairs.as_ref()).find(|pairs| pairs.paired);
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
        let of_it = self.histories.iter().filter(|history| history.experiment == number && !history.is_baseline());
        let folder = of_it.filter(|history| history.has_finished()).find_map(|history| history.folder.as_deref());
        folder.ok_or(t!("The folder of the run is not known."))
    }

    /// Imitation and baseline of one experiment and seed.
    pub fn pairs(&self) -> impl Iterator<Item = (&Arc<RunHistory>, &Arc<RunHistory>)> {
        pairs(&self.histories)
    }

    /// The runs with what of them is shown.
    pub fn curves(&self) -> CurveSet<'_> {
        CurveSet { histories: &self.histories, view: &self.view }
    }

    /// How a run stands, in a sentence, and how grave that is.
    pub fn says(&self, history: &RunHistory) -> (Level, String) {
        let baseline = self.histories.iter().find(|other| {
            (other.experiment, other.id.seed) == (history.experiment, history.id.seed)
                && other.id.variant != history.id.variant
                && other.has_finished()
        });
        history.says(baseline.map(|baseline| &**baseline))
    }

    pub(super) fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }
}

fn folder_name(experiment: &Experiment) -> String {
    experiment.out.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// "run-3 · imitation · seed 1": as its folder is called, in every language.
fn run_name(experiment: &Experiment, id: RunId, several: bool) -> String {
    let folder = folder_name(experiment);
    let variant = match (experiment.paired, &experiment.config.teacher) {
        (false, None) => "no teacher",
        _ => id.variant.name(),
    };
    if several { format!("{folder} · {variant} · seed {}", id.seed) } else { format!("{folder} · {variant}") }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::train::config::RunConfig;
    use crate::train::event::{RunSummary, StepRecord, Variant};
    use crate::train::history::Plot;

    fn id(seed: u64, variant: Variant) -> RunId {
        RunId { seed, variant }
    }

    pub(in crate::app) fn begun(paired: bool, seeds: u32) -> Runs {
        let mut runs = Runs::default();
        let mut experiment = runs.form.experiment.clone();
        experiment.config.teacher = Some("l.pt".into());
        runs.begin(Experiment { out: "runs/run-1".into(), paired, seeds, ..experiment }, None);
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
    fn each_run_of_an_experiment_has_its_history() {
        let mut runs = begun(true, 1);
        let (with, without) = (id(0, Variant::Imitation), id(0, Variant::Baseline));
        runs.receive(vec![(with, started(0)), (with, step(0)), (with, RunEvent::Ended(Outcome::Finished))]);
        runs.receive(vec![(without, started(0)), (without, step(0))]);
        let names: Vec<&str> = runs.histories.iter().map(|history| history.name.as_str()).collect();
        assert_eq!(names, ["run-1 · imitation", "run-1 · baseline"]);
        assert_eq!(runs.pairs().count(), 1);
        assert_eq!(runs.current().map(|history| history.id), Some(without));
        assert_eq!(runs.live.as_ref().map(|live| (live.begun, live.runs())), Some((2, 2)));
    }

    #[test]
    fn a_stopped_experiment_goes_on_in_its_own_histories() {
        let mut runs = begun(false, 1);
        let with = id(0, Variant::Imitation);
        let mut notes = runs.receive(vec![(with, started(0)), (with, step(0)), (with, step(1))]);
        notes.extend(runs.receive(vec![(with, RunEvent::Ended(Outcome::Stopped))]));
        assert_eq!(notes.len(), 1);
        runs.ended();
        let (number, experiment) = runs.unfinished.clone().expect("it can go on");
        runs.begin(experiment, Some(number));
        runs.receive(vec![(with, started(1)), (with, step(1))]);
        assert_eq!((runs.histories.len(), runs.histories[0].steps_done), (1, 2));
    }

    #[test]
    fn a_finished_campaign_leaves_its_folder_to_itself() {
        let mut runs = begun(false, 1);
        runs.form.experiment.out = "runs/run-1".into();
        let with = id(0, Variant::Imitation);
        runs.receive(vec![(with, started(0)), (with, RunEvent::Ended(Outcome::Finished))]);
        runs.ended();
        assert_eq!((runs.unfinished.is_none(), runs.form.experiment.out.as_os_str().is_empty()), (true, true));
        assert!(runs.receive(vec![(with, step(5))]).is_empty(), "what comes too late is dropped");
    }

    #[test]
    fn what_goes_wrong_is_told_once() {
        let mut runs = begun(false, 1);
        let with = id(0, Variant::Imitation);
        let failed = RunEvent::Ended(Outcome::Failed("the box loss is NaN at step 7".into()));
        let notes = runs.receive(vec![(with, RunEvent::Warning("slow".into())), (with, failed)]);
        let levels: Vec<Level> = notes.iter().map(|note| note.level).collect();
        assert_eq!(levels, [Level::Warning, Level::Error]);
        // Another run of the pair warns of the same.
        let without = id(0, Variant::Baseline);
        let notes = runs.receive(["slow", "full"].map(|text| (without, RunEvent::Warning(text.into()))).into());
        assert_eq!(notes.iter().map(|note| note.text.as_str()).collect::<Vec<_>>(), ["full"]);
    }

    #[test]
    fn earlier_runs_that_lie_side_by_side_are_pairs() {
        let mut runs = Runs::default();
        for variant in ["imitation", "baseline"] {
            let folder = PathBuf::from("old").join(variant);
            runs.add_earlier(EarlierRun { folder, steps: vec![StepRecord::default()], ..Default::default() });
        }
        assert_eq!((runs.pairs().count(), runs.histories[1].name.as_str()), (1, "old · baseline"));
        runs.add_earlier(EarlierRun { folder: "old/imitation".into(), ..Default::default() });
        assert_eq!(runs.histories.len(), 2, "opened again it is read anew");
        let key = runs.histories[0].key;
        runs.remove(key);
        assert_eq!(runs.histories.len(), 1);
    }

    #[test]
    fn a_long_run_is_taken_in_over_some_frames_and_keeps_its_place() {
        let mut runs = Runs::default();
        let steps = |count: u64| (0..count).map(|step| StepRecord { step, ..StepRecord::default() }).collect();
        for (variant, count) in [("imitation", 2 * STEPS_OF_A_FRAME as u64 + 1), ("baseline", 3)] {
            runs.add_earlier(EarlierRun {
                folder: format!("old/{variant}").into(),
                steps: steps(count),
                ..Default::default()
            });
        }
        // The first one's two frames are over: it has come and been handed on for the second.
        assert_eq!((runs.histories.len(), runs.is_taking_in()), (0, true));
        runs.take_in();
        assert!(!runs.is_taking_in());
        let found: Vec<_> = runs.histories.iter().map(|history| (history.name.as_str(), history.steps_done)).collect();
        assert_eq!(found, [("old · imitation", 2 * STEPS_OF_A_FRAME as u64 + 1), ("old · baseline", 3)]);
        assert_eq!(runs.pairs().count(), 1);
        let total = runs.histories[0].of(Plot::Total).next().expect("a curve");
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
        let pairs: Vec<[&str; 2]> = runs.pairs().map(|(one, other)| [&*one.name, &*other.name]).collect();
        // Seed 5 was trained with another batch the second time: that is no comparison.
        assert_eq!(pairs, [["old · imitation-4", "old · baseline-4"]]);
    }

    #[test]
    fn a_view_from_a_file_can_be_drawn() {
        let view = CurveView { shown: vec![Plot::Map; 9], smoothing: f64::NAN, ..CurveView::default() }.checked();
        assert_eq!((view.shown, view.smoothing), (vec![Plot::Map], 0.0));
    }
}
