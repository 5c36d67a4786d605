//! *Find a setting* as a person uses it: what a search would say comes from the test, and what is asked of the worker is
//! looked at.

use std::path::Path;
use std::sync::Arc;

use distillscope::app::command::Command;
use distillscope::app::level::Level;
use distillscope::app::run::RunTab;
use distillscope::app::settings::Settings;
use distillscope::app::update::apply;
use distillscope::app::update::effect::Effect;
use distillscope::imitation::loss::Loss;
use distillscope::shell::{App, Backend};
use distillscope::train::config::{Experiment, ImitationConfig, Lambda, Length, RunConfig};
use distillscope::train::event::RunControl;
use distillscope::train::search::candidates::{Candidate, LeftOut};
use distillscope::train::search::event::{Running, SearchEvent};
use distillscope::train::search::keep::{Pace, Rung, Search};
use distillscope::train::search::ladder::{Cost, Ladder};
use distillscope::train::search::table::{CandidateRow, Finalist, Score, SearchTable, Settings as Tried};
use distillscope::worker::{EarlierSearch, Job, JobKind, Report, SearchStart};
use egui_kittest::kittest::{NodeT, Queryable};

use crate::common::{Fake, Screen, files_named, open};

struct Window {
    screen: Screen,
    fake: Fake,
}

impl Window {
    /// With a dataset and both models named, and the tab open.
    fn open() -> Self {
        let (screen, fake) = open([1600.0, 1000.0], Settings::default(), files_named());
        let mut window = Self { screen, fake };
        window.set(Command::SetRunTab(RunTab::Search));
        let mut form = window.app().state.runs.search.form.clone();
        form.out = "searches/search-7".into();
        window.set(Command::EditSearch(form));
        window.edit(|experiment| experiment.out = "runs/run-7".into());
        window
    }

    fn app(&self) -> &App<Fake> {
        self.screen.state().as_ref().expect("the first frame makes it")
    }

    fn set(&mut self, command: Command) {
        let app = self.screen.state_mut().as_mut().expect("the first frame makes it");
        for effect in apply(&mut app.state, command) {
            if let Effect::Send(job) = effect {
                self.fake.send(job);
            }
        }
        self.screen.run_steps(3);
    }

    fn edit(&mut self, change: impl Fn(&mut Experiment)) {
        let mut experiment = self.app().state.runs.form.experiment.clone();
        change(&mut experiment);
        self.set(Command::EditRun(Box::new(experiment)));
    }

    fn click(&mut self, label: &str) {
        self.screen.get_by_label(label).click();
        self.screen.run_steps(3);
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.screen.run_steps(3);
    }

    fn say(&mut self, event: SearchEvent) {
        self.report(Report::Search(vec![event]));
    }

    /// The search that the worker was last asked for.
    fn asked(&self) -> Option<(SearchStart, Arc<RunControl>)> {
        let jobs = &self.fake.0.borrow().jobs;
        jobs.iter().rev().find_map(|job| match job {
            Job::Search { start, control } => Some((start.clone(), Arc::clone(control))),
            _ => None,
        })
    }

    fn experiment(&self) -> Option<Experiment> {
        let jobs = &self.fake.0.borrow().jobs;
        jobs.iter().rev().find_map(|job| match job {
            Job::Run { experiment, .. } => Some((**experiment).clone()),
            _ => None,
        })
    }

    fn shows(&self, text: &str) -> bool {
        self.screen.query_all_by_label_contains(text).next().is_some()
    }
}

/// Four candidates, of which three fit: a rung of 3 epochs, fresh seeds at 3.
fn search() -> Search {
    let base = RunConfig {
        data: "d/data.yaml".into(),
        teacher: Some("l.pt".into()),
        student: "s.pt".into(),
        length: Length::Epochs(20),
        seed: 4,
        ..RunConfig::default()
    };
    let candidate = |name: &str, loss: Loss, lambda: Lambda| Candidate {
        name: name.to_owned(),
        lr0: base.hyp.lr0,
        imitation: ImitationConfig { lambda, ..ImitationConfig::of(loss) },
    };
    let candidates = vec![
        candidate("answers", Loss::ANSWERS, Lambda::Fixed(1.0)),
        candidate("answers-lambda3", Loss::ANSWERS, Lambda::Fixed(3.0)),
        candidate("correlation", Loss::CORRELATION, Lambda::GradientRatio(0.5)),
        Candidate { lr0: 0.001, ..candidate("answers-low-lr", Loss::ANSWERS, Lambda::Fixed(1.0)) },
    ];
    // A run of 3 epochs: 2 + 3 · (10 · 0.5 + 1) + 2 = 22 s.
    let cost = Cost { start: 2.0, step: 0.5, save: 1.0, end: 2.0 };
    Search {
        minutes: 4.0,
        spent: 30.0,
        base,
        left_out: vec![LeftOut { loss: "logits".into(), reason: "the classes differ".into() }],
        candidates,
        pace: Some(Pace { cost, steps_per_epoch: 10, ..Pace::default() }),
        ladder: Some(Ladder { candidates: 3, rungs: vec![3], finals: 3 }),
        rungs: vec![Rung {
            epochs: 3,
            candidates: vec!["answers".into(), "answers-lambda3".into(), "correlation".into()],
        }],
        finals: None,
    }
}

fn score(seed: u64, map50_95: f64, baseline: f64) -> Score {
    Score { epochs: 3, seed, map50_95, baseline, difference: map50_95 - baseline, test_difference: None }
}

/// The second leads, the third has failed.
fn table(search: &Search) -> SearchTable {
    let row = |candidate: &Candidate| CandidateRow {
        name: candidate.name.clone(),
        settings: Tried::of(candidate),
        rungs: Vec::new(),
        failed: None,
    };
    let mut candidates: Vec<CandidateRow> = search.candidates.iter().map(row).collect();
    candidates[0].rungs.push(score(4, 0.19, 0.2));
    candidates[1].rungs.push(score(4, 0.23, 0.2));
    candidates[2].failed = Some("step 3: the imitation is NaN".into());
    SearchTable { minutes: 4.0, candidates, left_out: search.left_out.clone(), ..SearchTable::default() }
}

/// With two fresh seeds of the two that are left, 0.03 and 0.03, 0 and −0.01.
fn finished(search: &Search, best: &str) -> SearchTable {
    let finalist = |name: &str, differences: [f64; 2]| {
        let runs = (5..).zip(differences).map(|(seed, difference)| score(seed, 0.2 + difference, 0.2)).collect();
        let mut finalist = Finalist { name: name.to_owned(), runs, verdict: None };
        finalist.judge();
        finalist
    };
    let finalists = vec![finalist("answers-lambda3", [0.03, 0.03]), finalist("answers", [0.0, -0.01])];
    let verdict = finalists[0].verdict.clone();
    let (best, conclusion) = (Some(best.to_owned()), "all said".to_owned());
    SearchTable { finalists, verdict, best, conclusion, ..table(search) }
}

fn running(fraction: f32) -> SearchEvent {
    SearchEvent::Running(Running {
        name: "correlation".into(),
        rung: 1,
        rungs: 1,
        run: 4,
        runs: 4,
        seed: 4,
        epochs: 3,
        fraction,
        seconds_left: 150.0,
    })
}

#[test]
fn a_search_takes_the_run_that_is_set_up_and_tells_what_it_does() {
    let mut window = Window::open();
    window.edit(|experiment| experiment.config.batch = 5);
    window.click("Search");
    let (start, control) = window.asked().expect("a search");
    let SearchStart::New { base, minutes, out } = start else { panic!("a new one") };
    assert_eq!((base.batch, base.teacher.as_deref()), (5, Some(Path::new("l.pt"))));
    assert_eq!((minutes, &*out), (20.0, Path::new("searches/search-7")));
    assert!(window.shows("reading data and models"));
    let search = search();
    window.say(SearchEvent::Search(Arc::new(Search { ladder: None, pace: None, rungs: vec![], ..search.clone() })));
    window.say(SearchEvent::Measuring(Loss::ANSWERS));
    assert!(window.shows("measuring how long a step of answers takes"));
    // Everything that will be tried stands there, and nothing has a number yet.
    assert!(window.shows("answers · λ 3 · whole map: not tried"));
    window.say(SearchEvent::Search(Arc::new(search.clone())));
    window.say(running(0.25));
    // 22 s of a run.
    assert!(window.shows("4 min buy 3 of 4 candidates here: a rung of 3 epochs, then fresh seeds at 3 epochs"));
    assert!(window.shows("A run of 3 epochs takes about 0:22. 0:30 spent of searches/search-7."));
    assert!(window.shows("rung 1 of 1 · run 4 of 4: correlation · seed 4 · 3 epochs · 25 % · 2:30 of the budget left"));
    window.say(SearchEvent::Table(Arc::new(table(&search))));
    window.screen.get_by_label("answers · λ 3 · whole map: +0.0300");
    window.screen.get_by_label("answers · λ 1 · whole map: -0.0100");
    assert!(window.shows("failed: step 3: the imitation is NaN"));
    window.screen.get_by_label("answers · λ 1 · whole map · lr0 0.001: not tried");
    window.screen.get_by_label("logits is left out: the classes differ.");
    assert!(window.shows("A place in the table means little"));
    // The leader first, then what failed, then what was not tried.
    let shown = window.app().state.runs.search.shown.clone().expect("a search");
    let names: Vec<String> = shown.rows().iter().map(|row| row.candidate.name.clone()).collect();
    assert_eq!(names, ["answers-lambda3", "answers", "correlation", "answers-low-lr"]);
    window.click("Stop the search");
    assert!(control.is_stopped());
    assert!(window.shows("stopping after the step in hand"));
    window.report(Report::Finished { kind: JobKind::Search });
    assert!(window.app().state.runs.search.live.is_none());
    // It goes on with the budget that is set, in its own folder; a new one needs another.
    // (A free one is looked for at once, and may have been found.)
    assert_ne!(&*window.app().state.runs.search.form.out, Path::new("searches/search-7"));
    window.click("Go on");
    let (start, _) = window.asked().expect("a search");
    assert_eq!(start, SearchStart::Resume { folder: "searches/search-7".into(), minutes: 20.0 });
}

#[test]
fn a_run_and_a_search_exclude_each_other_and_say_so() {
    let mut window = Window::open();
    window.click("Search");
    let disabled = |window: &Window, command: Command| command.disabled(&window.app().state);
    let other = Some("A search is under way; stop it, or wait for its end.");
    assert_eq!([disabled(&window, Command::StartRun), disabled(&window, Command::StartSearch)], [other; 2]);
    assert_eq!(disabled(&window, Command::ConfirmSetting("answers".into(), 3)), other);
    window.report(Report::Finished { kind: JobKind::Search });
    window.set(Command::StartRun);
    assert!(window.experiment().is_some());
    let run = Some("A run is under way; stop it, or wait for its end.");
    assert_eq!([disabled(&window, Command::StartSearch), disabled(&window, Command::ResumeSearch)], [run; 2]);
    window.set(Command::SetRunTab(RunTab::Search));
    assert!(window.screen.get_by_label("Search").accesskit_node().is_disabled());
    assert!(window.shows("A run is under way; stop it, or wait for its end."));
}

#[test]
fn what_cannot_be_searched_is_said_in_the_tab() {
    let mut window = Window::open();
    window.edit(|experiment| experiment.config.teacher = None);
    assert!(window.shows("Choose a teacher: a search asks which imitation of it helps."));
    window.edit(|experiment| experiment.config.teacher = Some("l.pt".into()));
    window.click("Search");
    let message = "d/data.yaml: no val split; a search compares on val, so name one there";
    window.report(Report::Failed { kind: JobKind::Search, what: "the search".into(), failure: message.into() });
    window.report(Report::Finished { kind: JobKind::Search });
    window.screen.get_by_label(message);
    // It never began: its folder is free.
    let search = &window.app().state.runs.search;
    assert!(search.shown.is_none() && search.form.out == Path::new("searches/search-7"));
    // A budget that is too short is found out when there is a folder already: it goes on with more.
    window.click("Search");
    window.say(SearchEvent::Search(Arc::new(Search { ladder: None, ..search_of(1.0) })));
    let message =
        "a budget of 1 min is too short: one candidate beside its baseline on two seeds needs about 2.3 min here";
    window.report(Report::Failed { kind: JobKind::Search, what: "the search".into(), failure: message.into() });
    window.report(Report::Finished { kind: JobKind::Search });
    window.screen.get_by_label(message);
    let said = window.app().state.messages.iter().filter(|message| message.level == Level::Error).count();
    assert_eq!((said, window.app().state.messages.len()), (2, 2));
    // One candidate and its baseline on two seeds, of 60 steps at least: 6 epochs of 10 steps, 4 · (2 + 6 · (5 + 1) + 2) = 160 s.
    let mut form = window.app().state.runs.search.form.clone();
    form.minutes = 2.0;
    window.set(Command::EditSearch(form.clone()));
    assert!(window.shows("2 min are too short for a search here: the smallest takes about 2:40"));
    form.minutes = 3.0;
    window.set(Command::EditSearch(form));
    assert!(window.shows("A new search of 3 min would buy 1 of 4 candidates: fresh seeds at 6 epochs at once."));
    window.click("Go on");
    assert!(matches!(window.asked(), Some((SearchStart::Resume { .. }, _))));
    assert!(window.app().state.runs.search.problem.is_none());
}

fn search_of(minutes: f64) -> Search {
    Search { minutes, ..search() }
}

#[test]
fn a_finished_search_names_its_best_with_a_verdict_and_its_setting_is_taken() {
    let mut window = Window::open();
    let search = search();
    let done = finished(&search, "answers-lambda3");
    let earlier = EarlierSearch { folder: "old".into(), search: search.clone().into(), table: done.into() };
    window.report(Report::EarlierSearch(Box::new(earlier)));
    assert_eq!(window.app().state.runs.search.form.minutes, 4.0);
    assert!(window.shows("answers-lambda3 came out best of 3 that were tried, on 2 fresh seeds."));
    // 0.03 twice has no spread; 0 and −0.01 have one.
    assert!(window.shows("imitation helps: mAP50-95 on val +0.030"));
    assert!(window.shows("cannot tell yet: mAP50-95 on val −0.005"));
    window.screen.get_by_label("seed 5: +0.030, seed 6: +0.030, 95 % interval +0.030 to +0.030");
    assert_eq!(
        Command::ResumeSearch.disabled(&window.app().state),
        Some("The search is finished: more minutes add fresh seeds.")
    );
    // The one that came out best is offered; a click on another row offers that.
    window.click("answers · λ 1 · whole map: -0.0100");
    window.click("Take this setting");
    let config = &window.app().state.runs.form.experiment.config;
    assert_eq!((config.imitation.lambda, config.length, config.seed), (Lambda::Fixed(1.0), Length::Epochs(3), 4));
    window.set(Command::SetRunTab(RunTab::Search));
    window.click("answers · λ 3 · whole map: +0.0300");
    window.click("Confirm with");
    let experiment = window.experiment().expect("a run");
    // Seeds 4 to 9 belong to the search.
    assert_eq!((experiment.paired, experiment.seeds, experiment.config.seed), (true, 5, 10));
    assert_eq!((experiment.config.imitation.lambda, experiment.config.evaluate_every), (Lambda::Fixed(3.0), 1));
    assert_eq!(&*experiment.out, Path::new("runs/run-7"));
    // It stays a person's choice, whatever the window shows.
    window.set(Command::SetPsi(0.9));
    assert_eq!(window.app().state.runs.form.experiment.config.imitation.psi, 0.5);
}

#[test]
fn where_nothing_helps_that_is_said() {
    let mut window = Window::open();
    let search = search();
    let mut done = finished(&search, "baseline");
    for run in &mut done.finalists[0].runs {
        (run.map50_95, run.difference) = (0.15, -0.05);
    }
    done.finalists[0].judge();
    let earlier = EarlierSearch { folder: "old".into(), search: search.clone().into(), table: done.into() };
    window.report(Report::EarlierSearch(Box::new(earlier)));
    assert!(window.shows("None of 3 that were tried is better than training without imitation, on 2 fresh seeds"));
    assert!(window.shows("imitation hurts: mAP50-95 on val −0.050"));
    // The budget ended before fresh seeds.
    let early = SearchTable { conclusion: "all said".into(), ..table(&search) };
    let earlier = EarlierSearch { folder: "old".into(), search: search.into(), table: early.into() };
    window.report(Report::EarlierSearch(Box::new(earlier)));
    assert!(window.shows("3 candidates were tried on one seed; the budget ended before fresh seeds"));
}

#[test]
fn closing_the_window_ends_the_search_first() {
    let mut window = Window::open();
    window.click("Search");
    let (_, control) = window.asked().expect("a search");
    window
        .screen
        .input_mut()
        .viewports
        .entry(egui::ViewportId::ROOT)
        .or_default()
        .events
        .push(egui::ViewportEvent::Close);
    window.screen.run_steps(1);
    assert!(control.is_stopped());
}
