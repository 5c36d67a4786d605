//! The search in the window: how the next one is set up, what the one under way says, what is shown of it.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::level::Level;
use crate::app::run::note::Note;
use crate::app::run::progress::clock;
use crate::imitation::choice::{Loss, MaskSource, Reads};
use crate::language::{counted, t, tr};
use crate::train::config::{Lambda, RunConfig};
use crate::train::event::RunControl;
use crate::worker::{
    Candidate, CandidateRow, EarlierSearch, Ladder, Running, Search, SearchEvent, SearchFolder, SearchStart,
    SearchTable,
};

/// Enough for a few candidates on a small dataset.
const MINUTES: f64 = 20.0;

/// What a person sets of a search; all else is the run that is set up.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchForm {
    /// The budget; of a search that is shown, what was spent included.
    pub minutes: f64,
    /// Where a new search goes.
    pub out: PathBuf,
}

/// A search and what it has found.
#[derive(Clone, Debug)]
pub struct Shown {
    pub folder: PathBuf,
    pub search: Arc<Search>,
    /// `None` before its first run has ended.
    pub table: Option<Arc<SearchTable>>,
}

/// The search under way.
#[derive(Clone, Debug)]
pub struct LiveSearch {
    pub folder: PathBuf,
    pub control: Arc<RunControl>,
    pub at: At,
}

/// What a search is at.
#[derive(Clone, Debug, PartialEq)]
pub enum At {
    Starting,
    Measuring(Loss),
    Running(Running),
}

#[derive(Clone, Debug)]
pub struct Searches {
    pub form: SearchForm,
    /// A folder for the next one has been asked for.
    pub(in crate::app) asked_out: bool,
    pub live: Option<LiveSearch>,
    /// The one under way, else the latest or the one that was opened.
    pub shown: Option<Shown>,
    /// Why the last one could not begin or go on.
    pub problem: Option<String>,
}

impl Default for Searches {
    fn default() -> Self {
        let form = SearchForm { minutes: MINUTES, out: PathBuf::new() };
        Self { form, asked_out: false, live: None, shown: None, problem: None }
    }
}

/// A candidate as the table shows it.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub candidate: &'a Candidate,
    /// `None` before the first run of the search has ended.
    pub row: Option<&'a CandidateRow>,
    /// Place among the finalists, from 0.
    pub finalist: Option<usize>,
}

impl<'a> Row<'a> {
    fn of(candidate: &'a Candidate, table: Option<&'a SearchTable>) -> Self {
        let name = &candidate.name;
        let row = table.and_then(|table| table.candidates.iter().find(|row| row.name == *name));
        let finalist = table.and_then(|table| table.finalists.iter().position(|finalist| finalist.name == *name));
        Self { candidate, row, finalist }
    }

    /// Difference to the shared baseline in its longest run.
    pub fn difference(&self) -> Option<f64> {
        Some(self.row?.rungs.last()?.difference)
    }

    pub fn failed(&self) -> Option<&str> {
        self.row?.failed.as_deref()
    }
}

impl Shown {
    /// The leaders first: finalists as they came out, then who went further and is more ahead, then what failed, then what
    /// was not tried.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let table = self.table.as_deref();
        let mut rows: Vec<Row<'_>> = self.search.candidates.iter().map(|candidate| Row::of(candidate, table)).collect();
        let place = |row: &Row<'_>| {
            let kind = match (row.difference(), row.failed()) {
                (Some(_), _) => 0,
                (None, Some(_)) => 1,
                (None, None) => 2,
            };
            (row.finalist.unwrap_or(usize::MAX), kind, Reverse(row.row.map_or(0, |row| row.rungs.len())))
        };
        let ahead = |row: &Row<'_>| row.difference().unwrap_or_default();
        rows.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| ahead(b).total_cmp(&ahead(a))));
        rows
    }

    /// Whether it came to its end, as far as its budget went.
    pub fn is_finished(&self) -> bool {
        self.table.as_ref().is_some_and(|table| !table.conclusion.is_empty())
    }

    /// The longest run of a candidate, to look at its curves.
    pub fn run_of(&self, row: &Row<'_>) -> Option<PathBuf> {
        let rung = row.row?.rungs.len();
        let (name, seed) = (&row.candidate.name, self.search.base.seed);
        (rung > 0).then(|| SearchFolder::new(&self.folder).run(&format!("{name}-{rung}-{seed}")))
    }

    /// What its budget buys here, or what is not known yet.
    pub fn plan(&self) -> Option<String> {
        let search = &self.search;
        let (pace, ladder) = (search.pace.as_ref()?, search.ladder.as_ref()?);
        let all = counted(search.candidates.len(), "candidate", "candidates");
        let text = t!(
            "{minutes} min buy {tried} of {all} here: {steps}. A run of {epochs} takes about {time}.",
            minutes = search.minutes,
            tried = ladder.candidates,
            all,
            steps = steps(ladder),
            epochs = epochs(ladder.finals),
            time = clock(pace.run(ladder.finals))
        );
        Some(text)
    }

    /// What a new search of so many minutes would buy, at the pace that was measured here.
    pub fn offer(&self, minutes: f64) -> Option<String> {
        self.search.pace?;
        Some(match self.search.affordable(60.0 * minutes) {
            Ok(ladder) => t!(
                "A new search of {minutes} min would buy {tried} of {all}: {steps}.",
                minutes,
                tried = ladder.candidates,
                all = counted(self.search.candidates.len(), "candidate", "candidates"),
                steps = steps(&ladder)
            ),
            Err(least) => t!(
                "{minutes} min are too short for a search here: the smallest takes about {time}.",
                minutes,
                time = clock(least)
            ),
        })
    }

    /// What came of it, once it has ended.
    pub fn conclusion(&self) -> Option<String> {
        let table = self.table.as_ref().filter(|_| self.is_finished())?;
        let tried = table.tried();
        let Some(first) = table.finalists.first().filter(|_| table.best.is_some()) else {
            return Some(match (tried, table.candidates.iter().any(|row| !row.rungs.is_empty())) {
                (0, _) => t!("The budget ended before any candidate was tried.").to_owned(),
                (_, true) => t!(
                    "{tried} candidates were tried on one seed; the budget ended before fresh seeds, so nothing is confirmed.",
                    tried
                ),
                (_, false) => t!("No candidate ended its run; the table says why.").to_owned(),
            });
        };
        let seeds = counted(first.runs.len(), "fresh seed", "fresh seeds");
        let conclusion = if table.best.as_ref() == Some(&first.name) {
            t!("{name} came out best of {tried} that were tried, on {seeds}.", name = first.name, tried, seeds)
        } else {
            t!(
                "None of {tried} that were tried is better than training without imitation, on {seeds}; {name} came closest.",
                tried,
                seeds,
                name = first.name
            )
        };
        let Some([before, last]) = table.fell else { return Some(conclusion) };
        Some(t!(
            "The students ended below their start (mAP50-95 {before} before, {last} after), with imitation and without: a lower lr0 or a longer warm-up comes before any comparison. {conclusion}",
            before = format!("{before:.3}"),
            last = format!("{last:.3}"),
            conclusion
        ))
    }

    /// Whether what came of it stands on students that unlearned.
    pub fn fell(&self) -> bool {
        self.table.as_ref().is_some_and(|table| table.fell.is_some())
    }
}

fn epochs(count: u32) -> String {
    counted(count as usize, "epoch", "epochs")
}

/// "rungs of 3, 6 and 12 epochs, then fresh seeds at 12".
fn steps(ladder: &Ladder) -> String {
    let finals = epochs(ladder.finals);
    match ladder.rungs.as_slice() {
        [] => t!("fresh seeds at {finals} at once", finals),
        [one] => t!("a rung of {rung}, then fresh seeds at {finals}", rung = epochs(*one), finals),
        several => {
            let rungs = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            t!("rungs of {rungs} epochs, then fresh seeds at {finals}", rungs, finals)
        }
    }
}

/// What tells a candidate from the others, in words: "answers · λ 3 · mask iou ψ 0.5 global".
pub fn in_words(candidate: &Candidate, base: &RunConfig) -> String {
    let imitation = &candidate.imitation;
    let mut parts = vec![imitation.loss.to_string(), weight(imitation.lambda)];
    parts.push(match imitation.mask_source {
        MaskSource::None => t!("whole map").to_owned(),
        MaskSource::Iou => {
            t!("mask {source}", source = imitation.mask_source)
                + &format!(" ψ {} {}", imitation.psi, tr(imitation.level_rule.name()))
        }
        source => t!("mask {source}", source),
    });
    if imitation.loss.reads() == Reads::Features {
        parts.push(tr(imitation.tap.name()).to_owned());
    }
    if candidate.lr0 != base.hyp.lr0 {
        parts.push(format!("lr0 {}", candidate.lr0));
    }
    parts.join(" · ")
}

/// All that a candidate sets.
pub fn in_full(candidate: &Candidate) -> String {
    let imitation = &candidate.imitation;
    t!(
        "{name}: loss {loss}, {weight}, mask source {source}, ψ {psi}, level rule {rule}, tap {tap}, lr0 {lr0}",
        name = candidate.name,
        loss = imitation.loss,
        weight = weight(imitation.lambda),
        source = imitation.mask_source,
        psi = imitation.psi,
        rule = tr(imitation.level_rule.name()),
        tap = tr(imitation.tap.name()),
        lr0 = candidate.lr0
    )
}

fn weight(lambda: Lambda) -> String {
    match lambda {
        Lambda::Fixed(lambda) => format!("λ {lambda}"),
        Lambda::GradientRatio(ratio) => t!("gradient ratio {ratio}", ratio),
    }
}

impl LiveSearch {
    /// Where it is: "rung 1 of 2 · run 3 of 6 · answers · seed 0 · 6 epochs · 42 %".
    pub fn text(&self) -> String {
        match &self.at {
            _ if self.control.is_stopped() => t!("stopping after the step in hand").to_owned(),
            At::Starting => t!("reading data and models").to_owned(),
            At::Measuring(loss) => t!("measuring how long a step of {loss} takes", loss),
            At::Running(running) => {
                let Running { name, rung, rungs, run, runs, seed, epochs: length, fraction, .. } = running;
                let place = match running.is_final() {
                    true => t!("fresh seeds").to_owned(),
                    false => t!("rung {rung} of {rungs}", rung, rungs),
                };
                let percent = format!("{:.0}", 100.0 * fraction);
                t!(
                    "{place} · run {run} of {runs}: {name} · seed {seed} · {epochs} · {percent} %",
                    place,
                    run,
                    runs,
                    name,
                    seed,
                    epochs = epochs(*length),
                    percent
                )
            }
        }
    }

    /// Of the budget, s.
    pub const fn seconds_left(&self) -> Option<f64> {
        match &self.at {
            At::Running(running) => Some(running.seconds_left),
            At::Starting | At::Measuring(_) => None,
        }
    }
}

impl Searches {
    /// A search is about to begin or to go on.
    pub(in crate::app) fn begin(&mut self, start: &SearchStart) -> Arc<RunControl> {
        let control = Arc::new(RunControl::default());
        let (SearchStart::New { out: folder, .. } | SearchStart::Resume { folder, .. }) = start;
        let folder = folder.clone();
        self.live = Some(LiveSearch { folder, control: Arc::clone(&control), at: At::Starting });
        self.problem = None;
        control
    }

    /// What *Go on* asks for, or why it cannot be had.
    pub(in crate::app) fn resumed(&self) -> Result<SearchStart, &'static str> {
        let shown = self.shown.as_ref().ok_or(t!("No search is shown that could go on."))?;
        let minutes = self.form.minutes;
        if 60.0 * minutes <= shown.search.spent {
            return Err(t!("The budget is spent: give it more minutes."));
        }
        if shown.is_finished() && minutes <= shown.search.minutes {
            return Err(t!("The search is finished: more minutes add fresh seeds."));
        }
        Ok(SearchStart::Resume { folder: shown.folder.clone(), minutes })
    }

    /// Takes in what the search says, and returns what a person should be told.
    pub(in crate::app) fn receive(&mut self, events: Vec<SearchEvent>) -> Vec<Note> {
        let mut notes = Vec::new();
        for event in events {
            let Some(live) = &mut self.live else { return notes };
            match event {
                SearchEvent::Search(search) => match &mut self.shown {
                    Some(shown) if shown.folder == live.folder => shown.search = search,
                    shown => *shown = Some(Shown { folder: live.folder.clone(), search, table: None }),
                },
                SearchEvent::Measuring(loss) => live.at = At::Measuring(loss),
                SearchEvent::Running(running) => live.at = At::Running(running),
                SearchEvent::Table(table) => {
                    if let Some(shown) = &mut self.shown {
                        shown.table = Some(table);
                    }
                }
                SearchEvent::Warning(text) => {
                    notes.push(Note { level: Level::Warning, what: t!("the search").to_owned(), text });
                }
            }
        }
        notes
    }

    /// Nothing more will come of it. What a person should be told.
    pub(in crate::app) fn ended(&mut self) -> Option<Note> {
        let live = self.live.take()?;
        let shown = self.shown.as_ref().filter(|shown| shown.folder == live.folder)?;
        // The next one needs a folder of its own.
        if self.form.out == shown.folder {
            (self.form.out, self.asked_out) = (PathBuf::new(), false);
        }
        let text = match shown.conclusion() {
            _ if self.problem.is_some() => return None,
            Some(conclusion) => conclusion,
            None => t!("the search was stopped; Go on resumes it").to_owned(),
        };
        let level = if shown.fell() { Level::Warning } else { Level::Info };
        Some(Note { level, what: t!("the search").to_owned(), text })
    }

    pub(in crate::app) fn open(&mut self, earlier: EarlierSearch) {
        if self.live.is_some() {
            return;
        }
        let EarlierSearch { folder, search, table } = earlier;
        self.form.minutes = search.minutes;
        self.problem = None;
        self.shown = Some(Shown { folder, search, table: Some(table) });
    }

    /// A candidate's whole run, by its name.
    pub fn setting(&self, name: &str) -> Option<RunConfig> {
        self.shown.as_ref()?.search.setting(name)
    }

    pub fn is_stopping(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.control.is_stopped())
    }
}
