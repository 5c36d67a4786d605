//! The run panel as a person uses it, found by the names that a screen reader says: no training, no worker thread;
//! what runs would say comes from the test, and what is asked of the worker is looked at.

use std::path::Path;
use std::sync::Arc;

use distillscope::app::command::Command;
use distillscope::app::level::Level;
use distillscope::app::run::{Form, Progress, RunTab};
use distillscope::app::settings::Settings;
use distillscope::app::state::Overlay;
use distillscope::app::update::apply;
use distillscope::app::update::effect::Effect;
use distillscope::app::view::Layer;
use distillscope::dataset::{Label, Sample, Samples, Split, Warning};
use distillscope::figure::curves::{CurveView, levels};
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::grid::Grid;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::inspect::{Role, Scene};
use distillscope::language::LanguageChoice;
use distillscope::preflight::report::{Check, Preflight, Status};
use distillscope::shell::{App, Backend};
use distillscope::survey::survey;
use distillscope::train::comparison::{Accuracy, RunResult};
use distillscope::train::config::{Experiment, Lambda, Length, RunConfig};
use distillscope::train::evaluate::Evaluation;
use distillscope::train::event::{
    EpochRecord, Outcome, RunControl, RunEvent, RunId, RunSummary, Snapshot, SnapshotScale, StartRecord, StepRecord,
    Variant,
};
use distillscope::train::history::Plot;
use distillscope::train::verdict::Says;
use distillscope::worker::{
    BatchPreview, BatchRequest, DatasetBrief, EarlierRun, Job, JobKind, ModelBrief, PreviewImage, Report,
};
use distillscope::yolo::anchors::{AnchorScale, default_anchors};
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use image::RgbImage;

use crate::common::{Fake, Screen, files_named, open};

struct Window {
    harness: Screen,
    fake: Fake,
}

const WITH: RunId = RunId { seed: 0, variant: Variant::Imitation };
const WITHOUT: RunId = RunId { seed: 0, variant: Variant::Baseline };

impl Window {
    /// With a dataset and both models named, and the run panel open.
    fn open() -> Self {
        let (harness, fake) = open([1600.0, 1000.0], Settings::default(), files_named());
        let mut window = Self { harness, fake };
        window.press(Modifiers::COMMAND, Key::R);
        assert!(window.app().state.runs.open);
        window.edit(|experiment| experiment.out = "runs/run-7".into());
        window
    }

    fn app(&self) -> &App<Fake> {
        self.harness.state().as_ref().expect("the first frame makes it")
    }

    /// Changes the set-up as the form does.
    fn edit(&mut self, change: impl Fn(&mut Experiment)) {
        let app = self.harness.state_mut().as_mut().expect("the first frame makes it");
        let mut experiment = app.state.runs.form.experiment.clone();
        change(&mut experiment);
        for effect in apply(&mut app.state, Command::EditRun(Box::new(experiment))) {
            if let Effect::Send(job) = effect {
                self.fake.send(job);
            }
        }
        self.harness.run_steps(2);
    }

    /// Carries out a command that comes from elsewhere in the window.
    fn set(&mut self, command: Command) {
        apply(&mut self.harness.state_mut().as_mut().expect("the first frame makes it").state, command);
        self.harness.run_steps(3);
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_steps(3);
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(3);
    }

    fn say(&mut self, events: Vec<(RunId, RunEvent)>) {
        self.report(Report::Run(events));
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.harness.run_steps(3);
    }

    /// The experiment that the worker was last asked to run.
    fn asked(&self) -> Option<(Experiment, Arc<RunControl>)> {
        let jobs = &self.fake.0.borrow().jobs;
        jobs.iter().rev().find_map(|job| match job {
            Job::Run { experiment, control } => Some(((**experiment).clone(), Arc::clone(control))),
            _ => None,
        })
    }
}

fn started(steps: u64) -> RunEvent {
    RunEvent::Started(Arc::new(RunSummary {
        folder: "runs/run-7".into(),
        steps,
        steps_per_epoch: 10,
        first_step: 0,
        scales: vec!["P3".into(), "P4".into()],
        images: 8,
        labels: 9,
        val_images: 2,
        device: "CPU".into(),
    }))
}

fn step(step: u64, total: f64) -> RunEvent {
    RunEvent::Step(StepRecord { step, total, seconds: 0.5, distance: vec![Some(2.0), Some(1.0)], ..Default::default() })
}

fn epoch(step: u64, map50: f64) -> RunEvent {
    let evaluation = Evaluation { map50, map50_95: map50 / 2.0, seconds: 4.0, ..Default::default() };
    let mean = StepRecord { distance: vec![Some(2.0), Some(1.0)], ..Default::default() };
    RunEvent::Epoch(Box::new(EpochRecord { step, mean, evaluation: Some(evaluation), ..Default::default() }))
}

#[test]
fn a_start_hands_over_what_the_form_says() {
    let mut window = Window::open();
    window.harness.get_by_label("Ready to start.");
    window.click("steps");
    window.click("λ");
    window.click("with and without imitation");
    window.click("Start");
    let (experiment, control) = window.asked().expect("a run was asked for");
    let config = &experiment.config;
    assert_eq!((&*config.data, &*config.student), (Path::new("d/data.yaml"), Path::new("s.pt")));
    assert_eq!((config.teacher.as_deref(), &*experiment.out), (Some(Path::new("l.pt")), Path::new("runs/run-7")));
    assert_eq!((config.length, config.imitation.lambda), (Length::Steps(20), Lambda::Fixed(1.0)));
    assert_eq!((experiment.paired, experiment.seeds, experiment.resume), (true, 3, false));
    assert_eq!(config.snapshot.as_ref().map(|s| (&*s.image, s.every)), Some((Path::new("a.jpg"), 25)));
    assert!(!control.is_paused() && !control.is_stopped());
    assert_eq!(window.app().state.runs.tab, RunTab::Curves);
}

fn answers() -> Arc<Preflight> {
    let check = |id, status, message: &str, advice: &str| Check {
        id,
        title: id,
        status,
        value: None,
        message: message.to_owned(),
        advice: advice.to_owned(),
    };
    Arc::new(Preflight {
        checks: vec![
            check("anchors", Status::Green, "they fit", ""),
            check("imitation-gradient", Status::Red, "there is none", "compute it with gradient"),
        ],
        lambda_for_ratio: Some(0.004),
        ratio: 5.0,
        ..Preflight::default()
    })
}

#[test]
fn a_preflight_is_asked_of_the_set_up_and_its_lambda_goes_back_into_it() {
    let mut window = Window::open();
    window.click("Preflight");
    window.click("Check the set-up");
    let asked = window.fake.0.borrow().jobs.iter().rev().find_map(|job| match job {
        Job::Preflight { config, .. } => Some(config.clone()),
        _ => None,
    });
    let config = asked.expect("a preflight was asked for");
    assert_eq!((&*config.student, config.teacher.as_deref()), (Path::new("s.pt"), Some(Path::new("l.pt"))));
    window.report(Report::Preflight { config, found: answers() });
    window.harness.get_by_label("It does not distil as it should.");
    window.harness.get_by_label("red, imitation-gradient: there is none");
    window.harness.get_by_label("compute it with gradient");
    assert!(window.harness.query_by_label("The set-up has changed since.").is_none());
    window.click("Use λ = 0.000400");
    assert_eq!(window.app().state.runs.form.experiment.config.imitation.lambda, Lambda::Fixed(0.0004));
    window.click("Keep this ratio");
    assert_eq!(window.app().state.runs.form.experiment.config.imitation.lambda, Lambda::GradientRatio(0.5));
    // λ moves the balance alone; another ψ makes other masks.
    assert!(window.harness.query_by_label("The set-up has changed since.").is_none());
    window.edit(|experiment| experiment.config.imitation.psi = 0.7);
    window.harness.get_by_label("The set-up has changed since.");
}

#[test]
fn what_stands_in_the_way_of_a_start_is_said_beside_its_field() {
    let mut window = Window::open();
    window.edit(|experiment| {
        experiment.config.imgsz = 333;
        experiment.paired = true;
        experiment.config.teacher = None;
    });
    window.harness.get_by_label("The image size is a multiple of 32 px.");
    assert_eq!(window.harness.get_all_by_label("Paired runs compare with and without a teacher.").count(), 2);
    assert!(window.harness.get_by_label("Start").accesskit_node().is_disabled());
    window.press(Modifiers::NONE, Key::F9);
    assert!(window.asked().is_none());
}

#[test]
fn a_run_tells_its_step_its_pace_and_the_time_left() {
    let mut window = Window::open();
    window.click("Start");
    let mut events = vec![(WITH, started(40))];
    events.extend((0..10).map(|index| (WITH, step(index, 1.0))));
    events.push((WITH, epoch(10, 0.25)));
    window.say(events);
    // 30 steps of ½ s and 3 evaluations of 4 s.
    window.harness.get_by_label("step 10/40 · 2.00 step/s · 0:27 left");
    window.harness.get_by_label("mAP curves");
    window.harness.get_by_label("total curves");
    window.say(vec![(WITH, RunEvent::Stage { what: "evaluating".into(), fraction: Some(0.25) })]);
    window.harness.get_by_label("evaluating · 25 %");
    assert!((Progress::of(&window.app().state.runs).expect("under way").fraction() - 0.25).abs() < 1e-6);
}

#[test]
fn pause_and_stop_reach_the_run_at_once_and_it_can_be_resumed() {
    let mut window = Window::open();
    window.click("Start");
    let (_, control) = window.asked().expect("a run");
    window.say(vec![(WITH, started(40)), (WITH, step(0, 1.0))]);
    window.click("Pause");
    assert!(control.is_paused());
    window.harness.get_by_label("paused");
    window.press(Modifiers::NONE, Key::F8);
    assert!(!control.is_paused());
    window.press(Modifiers::SHIFT, Key::F8);
    assert!(control.is_stopped());
    window.harness.get_by_label("stopping after the step in hand");
    window.say(vec![(WITH, RunEvent::Ended(Outcome::Stopped))]);
    window.report(Report::Finished { kind: JobKind::Run });
    window.harness.get_by_label("run-7 · imitation: stopped at step 1/40");
    window.click("Resume");
    let (experiment, again) = window.asked().expect("a run");
    assert!(experiment.resume && !again.is_stopped());
    assert_eq!(&*experiment.out, Path::new("runs/run-7"));
}

#[test]
fn a_run_that_fails_says_why_once() {
    let mut window = Window::open();
    window.click("Start");
    let cause = "the class loss is NaN at step 3";
    window.say(vec![(WITH, started(40)), (WITH, RunEvent::Ended(Outcome::Failed(cause.into())))]);
    window.report(Report::Finished { kind: JobKind::Run });
    let state = &window.app().state;
    let errors: Vec<_> = state.messages.iter().filter(|message| message.level == Level::Error).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((errors[0].what.as_str(), errors[0].text.as_str()), ("run-7 · imitation", cause));
    assert!(state.runs.live.is_none() && state.runs.unfinished.is_some());
}

#[test]
fn the_comparison_leads_from_one_run_to_pairs() {
    let mut window = Window::open();
    window.click("Comparison");
    window.harness.get_by_label_contains("A run alone cannot say whether imitation helps");
    window.click("Set up pairs");
    let runs = &window.app().state.runs;
    assert_eq!((runs.tab, runs.form.experiment.paired, runs.form.experiment.seeds), (RunTab::SetUp, true, 3));
    window.click("Comparison");
    window.click("Set up pairs");
    assert_eq!(window.app().state.runs.tab, RunTab::Paired, "they are set up already");
}

#[test]
fn a_run_that_never_began_can_be_started_anew() {
    let mut window = Window::open();
    window.click("Start");
    let message = "d/data.yaml: no such file";
    window.report(Report::Failed { kind: JobKind::Run, what: "the run".into(), failure: message.into() });
    window.report(Report::Finished { kind: JobKind::Run });
    let runs = &window.app().state.runs;
    assert!(runs.live.is_none() && runs.unfinished.is_none() && runs.histories.is_empty());
    assert_eq!(window.app().state.messages.get(0).map(|message| message.text.as_str()), Some(message));
}

#[test]
fn plots_are_chosen_enlarged_and_runs_hidden() {
    let mut window = Window::open();
    window.click("Start");
    window.say(vec![(WITH, started(40)), (WITH, step(0, 1.0)), (WITH, step(1, f64::NAN))]);
    window.click("total plot");
    assert_eq!(window.app().state.runs.view.large, Some(Plot::Total));
    assert!(window.harness.query_by_label("box plot").is_none());
    window.click("total plot");
    window.harness.get_by_label("box plot");
    window.click("Show run-7 · imitation");
    assert!(!window.app().state.runs.histories[0].visible);
    window.harness.get_by_role_and_label(egui::Role::SpinButton, "Smoothing").set_value_accesskit(0.5);
    window.harness.run_steps(3);
    assert_eq!(window.app().state.runs.view.smoothing, 0.5);
    assert_eq!(CurveView::default().smoothing_of(Plot::Map), 0.0, "evaluations are not smoothed");
}

fn start(student: f64, teacher: f64) -> RunEvent {
    let of = |map50_95: f64| Evaluation { map50: 2.0 * map50_95, map50_95, ..Default::default() };
    RunEvent::Start(Arc::new(StartRecord { student: of(student), teacher: Some(of(teacher)) }))
}

#[test]
fn the_comparison_waits_for_both_runs_and_one_seed_is_no_verdict() {
    let mut window = Window::open();
    window.edit(|experiment| experiment.paired = true);
    window.edit(|experiment| experiment.seeds = 1);
    window.click("Start");
    let with = vec![started(10), start(0.2, 0.6), epoch(10, 0.5), RunEvent::Ended(Outcome::Finished)];
    window.say(with.into_iter().map(|event| (WITH, event)).collect());
    window.say(vec![(WITHOUT, started(10)), (WITHOUT, epoch(10, 0.44))]);
    window.click("Comparison");
    window.harness.get_by_label("The difference follows when both runs of a seed have finished.");
    window.harness.get_by_label("seed 0, imitation: mAP50-95 0.200 before, 0.250 last");
    window.harness.get_by_label("seed 0, baseline · under way: mAP50-95 – before, 0.220 last");
    // While it runs nothing else does, and the tab says so.
    let more = window.harness.get_by_label("Run 1 more seed");
    assert!(more.accesskit_node().is_disabled());
    window.harness.get_by_label("A run is under way; stop it, or wait for its end.");
    window.say(vec![(WITHOUT, RunEvent::Ended(Outcome::Finished))]);
    let brief = DatasetBrief { source: "d/data.yaml".into(), split: Some("val".into()), ..DatasetBrief::default() };
    window.report(Report::Dataset(brief));
    window.report(Report::Finished { kind: JobKind::Run });
    let said = "cannot tell yet: mAP50-95 on val +0.030 in one seed, which is no verdict; run at least two";
    window.harness.get_by_label(said);
    window.harness.get_by_label("seed 0: +0.030");
    let newest = window.app().state.messages.get(0).cloned().expect("a message");
    assert_eq!(newest.text, said, "and the end of the pairs is told");
    assert_eq!(newest.remedy, Some(Command::StartReview), "with the next question");
}

#[test]
fn more_seeds_go_on_with_the_pairs() {
    let mut window = Window::open();
    window.edit(|experiment| experiment.paired = true);
    window.edit(|experiment| experiment.seeds = 1);
    window.click("Start");
    for (id, map50) in [(WITH, 0.5), (WITHOUT, 0.44)] {
        window.say(vec![
            (id, started(1)),
            (id, step(0, 1.0)),
            (id, epoch(1, map50)),
            (id, RunEvent::Ended(Outcome::Finished)),
        ]);
    }
    window.report(Report::Finished { kind: JobKind::Run });
    window.click("Comparison");
    // A step of ½ s and an evaluation of 4 s, twice a seed, for the four seeds that one is short of a verdict.
    window.harness.get_by_label("about 0:36, as long as the runs so far took");
    let wanted = window.harness.get_by_role_and_label(egui::Role::SpinButton, "Seeds to add");
    wanted.set_value_accesskit(2.0);
    window.harness.run_steps(3);
    window.harness.get_by_label("about 0:18, as long as the runs so far took");
    window.click("Run 2 more seeds");
    let (experiment, _) = window.asked().expect("a run");
    assert_eq!((experiment.resume, experiment.paired, experiment.seeds), (true, true, 3));
    assert_eq!(&*experiment.out, Path::new("runs/run-7"));
    assert_eq!(window.app().state.runs.tab, RunTab::Curves);
    // They join the pair that is there, and what has finished is counted.
    let another = RunId { seed: 1, variant: Variant::Imitation };
    window.say(vec![(another, started(10)), (another, step(0, 1.0))]);
    assert_eq!(window.app().state.runs.paired().map(|paired| paired.rows.len()), Some(3));
    let progress = Progress::of(&window.app().state.runs).expect("under way");
    assert_eq!((progress.run, progress.runs), (3, 6));
}

#[test]
fn a_student_that_fell_below_its_start_is_told_once_and_in_amber() {
    let mut window = Window::open();
    window.click("Start");
    let warning = "the student ended below its start: mAP50-95 0.300 before, 0.050 after";
    let events =
        [started(10), start(0.3, 0.6), step(0, 1.0), epoch(10, 0.1), RunEvent::Warning(warning.into())].into_iter();
    window.say(events.map(|event| (WITH, event)).collect());
    window.say(vec![(WITH, RunEvent::Ended(Outcome::Finished))]);
    window.report(Report::Finished { kind: JobKind::Run });
    let facts = "mAP50-95 on val: 0.3000 before → 0.0500 at the end; teacher 0.6000";
    let said = format!("the student ended below its start: {facts}");
    let messages: Vec<_> =
        window.app().state.messages.iter().map(|message| (message.level, message.text.clone())).collect();
    assert_eq!(messages, [(Level::Warning, said.clone())]);
    let told = format!("run-7 · imitation: {said}");
    assert_eq!(window.harness.get_all_by_label(&told).count(), 2, "in the bar, and for a while over the window");
    // The curve begins where the student did, and the teacher is a line of its own.
    let runs = &window.app().state.runs;
    let curve = runs.histories[0].of(Plot::Map).nth(1).expect("mAP50-95");
    assert_eq!((&curve.steps[..], &curve.values[..]), (&[0.0, 10.0][..], &[0.3, 0.05][..]));
    let teacher: Vec<_> = levels(runs.curves(), Plot::Map).into_iter().map(|level| (level.name, level.value)).collect();
    assert_eq!(teacher, [("mAP50", 1.2), ("mAP50-95", 0.6)]);
    assert!(levels(runs.curves(), Plot::Total).is_empty());
    // A run that helped is no warning.
    window.set(Command::SetLanguage(LanguageChoice::Chinese));
    window.harness.get_by_label(
        "run-7 · imitation: 学生模型最终低于起点：val 上的 mAP50-95：训练前 0.3000 → 结束时 0.0500；教师模型 0.6000",
    );
}

#[test]
fn a_start_that_is_refused_leaves_no_run() {
    let mut window = Window::open();
    window.click("Start");
    let cause = "teacher and student cannot be paired at the head: their anchors differ";
    window.say(vec![(WITH, RunEvent::Stage { what: "reading train".into(), fraction: None })]);
    window.say(vec![(WITH, RunEvent::Ended(Outcome::Failed(cause.into())))]);
    window.report(Report::Finished { kind: JobKind::Run });
    let runs = &window.app().state.runs;
    assert!(runs.histories.is_empty() && runs.unfinished.is_none() && runs.live.is_none());
    assert!(window.harness.query_by_label("Resume").is_none());
    let errors: Vec<_> = window.app().state.messages.iter().map(|message| message.text.clone()).collect();
    assert_eq!(errors, [cause], "it is told once");
}

/// A run of pairs as its folder tells it: an epoch of 20 s.
fn earlier(seed: u64, variant: Variant, map50_95: f64) -> EarlierRun {
    let config = Experiment { paired: true, seeds: 2, ..Form::default().experiment };
    let experiment = Experiment { out: "made/pairs".into(), ..config };
    let last = Accuracy { map50: 2.0 * map50_95, map50_95 };
    EarlierRun {
        folder: Path::new("made/pairs").join(format!("{}-{seed}", variant.name())),
        config: Some(Box::new(RunConfig { seed, ..experiment.config.clone() })),
        steps: vec![StepRecord { seconds: 20.0, ..Default::default() }],
        result: Some(RunResult { map50_95, last: Some(last), seconds: 20.0, ..Default::default() }),
        experiment: Some(Box::new(experiment)),
        ..EarlierRun::default()
    }
}

#[test]
fn a_folder_of_pairs_opens_whole_with_its_verdict_and_goes_on() {
    let mut window = Window::open();
    let runs = vec![
        earlier(0, Variant::Imitation, 0.20),
        earlier(0, Variant::Baseline, 0.23),
        earlier(1, Variant::Imitation, 0.21),
        earlier(1, Variant::Baseline, 0.25),
    ];
    window.report(Report::Pairs { runs, unread: vec![("made/pairs/imitation-2".into(), "it is damaged".into())] });
    assert_eq!(window.app().state.runs.tab, RunTab::Paired);
    // −0.03 and −0.04: mean −0.035, spread 0.01/√2, half the interval 12.7062 · 0.005.
    let paired = window.app().state.runs.paired().expect("pairs");
    let verdict = paired.comparison.verdict.clone().expect("a verdict");
    assert_eq!((verdict.n, verdict.says), (2, Says::CannotTell));
    assert!((verdict.mean + 0.035).abs() < 1e-12 && (verdict.low.expect("low") + 0.035 + 0.063_531).abs() < 1e-5);
    window.harness.get_by_label(&paired.sentence());
    window.harness.get_by_label("seed 0: −0.030, seed 1: −0.040, 95 % interval −0.099 to +0.029");
    let messages = &window.app().state.messages;
    assert!(messages.iter().any(|m| m.level == Level::Error && m.text == "it is damaged"));
    // 3 seeds leave 4.3027 · 0.00707 / √3 = 0.0176, no more than 0.035.
    window.harness.get_by_label("about 0:40, as long as the runs so far took");
    window.click("Run 1 more seed");
    let (experiment, _) = window.asked().expect("a run");
    assert_eq!((&*experiment.out, experiment.seeds, experiment.resume), (Path::new("made/pairs"), 3, true));
}

#[test]
fn pairs_that_lie_in_no_folder_of_theirs_say_why_they_get_no_more_seeds() {
    let mut window = Window::open();
    for variant in [Variant::Imitation, Variant::Baseline] {
        let run = EarlierRun { experiment: None, ..earlier(0, variant, 0.2) };
        window.report(Report::EarlierRun(Box::new(run)));
    }
    window.click("Comparison");
    let why = "These runs lie in no folder of pairs (with its campaign.toml): start pairs anew.";
    window.harness.get_by_label(why);
    assert!(window.harness.get_by_label("Run 4 more seeds").accesskit_node().is_disabled());
}

#[test]
fn an_earlier_run_is_laid_over_the_others() {
    let mut window = Window::open();
    let steps = vec![StepRecord { step: 4, total: 2.0, ..Default::default() }];
    window.report(Report::EarlierRun(Box::new(EarlierRun {
        folder: "old/imitation".into(),
        steps,
        ..Default::default()
    })));
    window.harness.get_by_label("Show old · imitation");
    window.click("Remove old · imitation");
    assert!(window.app().state.runs.histories.is_empty());
    window.harness.get_by_label("No run yet");
}

#[test]
fn the_difference_through_time_follows_the_run_and_goes_back() {
    let mut window = Window::open();
    let size = Size::square(640);
    let picture = Arc::new(RgbImage::new(640, 640));
    window.report(Report::Scene(Arc::new(Scene {
        path: "a.jpg".into(),
        size,
        letterbox: Letterbox::fit(size, size, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: Vec::new(),
        warnings: Vec::new(),
    })));
    window.click("Start");
    let snapshot = |step: u64, high: f32| {
        let scales = [8_u32, 16, 32].map(|stride| {
            let side = (320 / stride) as usize;
            SnapshotScale { stride, difference: Grid::filled(side, side, high) }
        });
        (
            WITH,
            RunEvent::Snapshot(Arc::new(Snapshot {
                step,
                image: "a.jpg".into(),
                scales: scales.to_vec(),
                truths: Vec::new(),
                seconds: 0.0,
            })),
        )
    };
    window.say(vec![(WITH, started(40)), snapshot(0, 9.0), snapshot(25, 4.0)]);
    window.press(Modifiers::NONE, Key::M);
    assert_eq!(window.app().state.view.layer, Layer::Difference);
    window.harness.get_by_label("step 25 · newest");
    window.say(vec![snapshot(50, 2.0)]);
    window.harness.get_by_label("step 50 · newest");
    window.harness.get_by_label("Time of the run").set_value_accesskit(0.0);
    window.harness.run_steps(3);
    window.harness.get_by_label("step 0");
    let snapshot = window.app().state.runs.snapshot().map(|(snapshot, high)| (snapshot.step, high));
    assert_eq!(snapshot, Some((0, 9.0)));
    window.click("Leave the time of the run");
    assert_eq!(window.app().state.runs.playback, None);
}

#[test]
fn a_model_that_is_opened_goes_into_the_form_until_a_person_chose_another() {
    let mut window = Window::open();
    let command = Command::OpenModel(Role::Student, "n.pt".into());
    apply(&mut window.harness.state_mut().as_mut().expect("an app").state, command);
    assert_eq!(&*window.app().state.runs.form.experiment.config.student, Path::new("n.pt"));
    window.edit(|experiment| experiment.config.student = "mine.pt".into());
    let command = Command::OpenModel(Role::Student, "m.pt".into());
    apply(&mut window.harness.state_mut().as_mut().expect("an app").state, command);
    assert_eq!(&*window.app().state.runs.form.experiment.config.student, Path::new("mine.pt"));
}

/// A batch of three images as the worker would make it: a box of 16 × 16 px, none, and one that was not cut away of two.
fn preview(input: u32) -> BatchPreview {
    let (size, scales) = (Size::square(input), default_anchors());
    let image = |name: &str, boxes: &[BoundingBox], source_boxes| {
        let field = IouField::compute(&scales, size, boxes, IouConvention::Exact);
        let picture = Arc::new(RgbImage::from_pixel(input, input, image::Rgb([90, 120, 60])));
        PreviewImage {
            path: Path::new("d").join(name),
            small: Arc::clone(&picture),
            picture,
            labels: boxes.iter().map(|&bbox| Label { class: 0, bbox }).collect(),
            source_boxes,
            mask: field.mask(Psi::default(), LevelRule::Global),
        }
    };
    let small = BoundingBox::from_center(64.0, 64.0, 16.0, 16.0);
    BatchPreview {
        epoch: 0,
        index: 1,
        per_epoch: 4,
        input: size,
        names: vec!["cell".into()],
        images: vec![image("a.jpg", &[small], 1), image("b.jpg", &[], 0), image("c.jpg", &[small], 2)],
        warnings: vec![Warning { file: "d/x.jpg".into(), line: None, message: "cannot be used: damaged".into() }],
        skipped: 1,
        left_out: 0,
        scales,
    }
}

impl Window {
    /// The batch that the worker was last asked for.
    fn asked_batch(&self) -> Option<BatchRequest> {
        let jobs = &self.fake.0.borrow().jobs;
        jobs.iter().rev().find_map(|job| match job {
            Job::Batch(request) => Some(request.clone()),
            _ => None,
        })
    }

    fn answer_batch(&mut self) {
        let request = self.asked_batch().expect("a batch was asked for");
        self.report(Report::Batch { request, preview: Arc::new(preview(128)) });
    }
}

#[test]
fn the_batch_tab_asks_for_the_first_batch_of_the_run_that_is_set_up() {
    let mut window = Window::open();
    window.edit(|experiment| {
        (experiment.config.seed, experiment.config.batch, experiment.config.hyp.mosaic) = (7, 4, 0.25);
        experiment.config.imitation.psi = 0.3;
    });
    assert!(window.asked_batch().is_none(), "nobody looks");
    window.click("Batch");
    let request = window.asked_batch().expect("a batch was asked for");
    let config = &request.config;
    assert_eq!((request.step, config.seed, config.batch, config.hyp.mosaic), (0, 7, 4, 0.25));
    assert_eq!((&*config.data, &*config.student), (Path::new("d/data.yaml"), Path::new("s.pt")));
    assert_eq!((config.imgsz, config.imitation.psi), (640, 0.3));
    window.harness.get_by_label("The batch is being made…");
    window.answer_batch();
    window.harness.get_by_label("epoch 0 · batch 2 of 4 · 3 images of 128 × 128 px");
    window.harness.get_by_label("1 image skipped");
    // A small box marks 12 cells of P3 alone, as the mask's own goldens say of 16 × 16.
    window.harness.get_by_label("Image 0: a.jpg · 1 box · 12 mask cells");
    window.harness.get_by_label("Image 1: b.jpg · 0 boxes · 0 mask cells · no boxes: nothing is imitated");
    window.harness.get_by_label("Image 2: c.jpg · 1 box · 12 mask cells · 1 of 2 boxes cut away");
    window.harness.get_by_label("d/x.jpg: cannot be used: damaged");
}

#[test]
fn the_batch_follows_the_set_up_and_steps_go_on_and_back() {
    let mut window = Window::open();
    window.click("Batch");
    window.answer_batch();
    assert!(window.harness.get_by_label("Previous batch").accesskit_node().is_disabled());
    window.click("Next batch");
    window.press(Modifiers::NONE, Key::Period);
    assert_eq!(window.asked_batch().map(|request| request.step), Some(2));
    // What was there stays until the next one comes; an older answer is dropped.
    window.harness.get_by_label("Image 1: b.jpg · 0 boxes · 0 mask cells · no boxes: nothing is imitated");
    let mut stale = window.asked_batch().expect("a batch");
    stale.step = 1;
    let other = BatchPreview { index: 3, ..preview(128) };
    window.report(Report::Batch { request: stale, preview: Arc::new(other) });
    window.harness.get_by_label("epoch 0 · batch 2 of 4 · 3 images of 128 × 128 px");
    window.press(Modifiers::NONE, Key::Comma);
    assert_eq!(window.asked_batch().map(|request| request.step), Some(1));
    // What has no say in a batch asks for none; what has does.
    let before = window.fake.0.borrow().jobs.len();
    window.edit(|experiment| experiment.config.imitation.lambda = Lambda::Fixed(3.0));
    assert_eq!(window.fake.0.borrow().jobs.len(), before);
    window.edit(|experiment| experiment.config.hyp.fliplr = 0.0);
    assert_eq!(window.asked_batch().map(|request| (request.step, request.config.hyp.fliplr)), Some((1, 0.0)));
    window.click("Read again");
    assert_eq!(window.asked_batch().map(|request| request.reading), Some(1));
}

#[test]
fn an_image_of_the_batch_is_seen_large_and_a_scale_alone() {
    let mut window = Window::open();
    window.click("Batch");
    window.answer_batch();
    window.click("Image 0: a.jpg · 1 box · 12 mask cells");
    assert_eq!(window.app().state.overlay, Some(Overlay::BatchImage(0)));
    window.harness.get_by_label("a.jpg · 1 box · 12 mask cells");
    window.click("Image after");
    assert_eq!(window.app().state.overlay, Some(Overlay::BatchImage(1)));
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.app().state.overlay, None);
    let command = Command::SetBatchScale(Some(16));
    apply(&mut window.harness.state_mut().as_mut().expect("an app").state, command);
    window.harness.run_steps(2);
    assert_eq!(window.app().state.runs.batch.scale, Some(16));
}

#[test]
fn a_batch_that_cannot_be_made_says_why_in_its_place() {
    let mut window = Window::open();
    window.edit(|experiment| experiment.config.imgsz = 333);
    window.click("Batch");
    // In the bar, which speaks of the run, and in the view.
    assert_eq!(window.harness.get_all_by_label("The image size is a multiple of 32 px.").count(), 2);
    assert!(window.asked_batch().is_none());
    window.edit(|experiment| experiment.config.imgsz = 320);
    assert!(window.asked_batch().is_some());
    let message = "d/data.yaml: no such file";
    window.report(Report::Failed { kind: JobKind::Batch, what: "the batch".into(), failure: message.into() });
    window.harness.get_by_label(message);
    window.report(Report::Started { kind: JobKind::Batch, what: "step 0".into() });
    window.click("Cancel: making a batch");
    window.harness.get_by_label("Cancelled; “Read again” makes the batch.");
}

#[test]
fn the_masks_of_the_open_split_are_surveyed_and_a_click_in_a_plot_sets_psi() {
    let mut window = Window::open();
    window.click("Mask survey");
    window.harness.get_by_label("No survey yet");
    let anchors = vec![AnchorScale { stride: 8, anchors: vec![[8.0, 8.0]] }];
    let brief = ModelBrief { path: "s.pt".into(), names: vec!["a".into()], anchors };
    window.report(Report::Described { role: Role::Student, brief });
    let brief = DatasetBrief { source: "d/data.yaml".into(), split: Some("train".into()), ..DatasetBrief::default() };
    window.report(Report::Dataset(brief));
    window.click("Survey the masks");
    let request = window.fake.0.borrow().jobs.iter().rev().find_map(|job| match job {
        Job::Survey(request) => Some((**request).clone()),
        _ => None,
    });
    let request = request.expect("a survey was asked for");
    assert_eq!((&*request.data, request.split), (Path::new("d/data.yaml"), Some(Split::Train)));

    let kind = JobKind::Survey;
    window.report(Report::Started { kind, what: "d/data.yaml".into() });
    window.report(Report::Progress { kind, stage: "counting cells".into(), fraction: Some(0.4) });
    window.harness.get_by_label("counting cells · 40 %");
    window.click("Stop the survey");
    window.harness.get_by_label("Survey the masks");

    // One box that is one cell, and another in the same place: one cell of the mask, and the one positive.
    let bbox = BoundingBox::new(8.0, 0.0, 16.0, 8.0);
    let label = Label { class: 0, bbox };
    let sample = Sample { image: "a.png".into(), size: Size::square(640), labels: vec![label; 2] };
    let samples = Samples { names: vec!["a".into()], samples: vec![sample], ..Samples::default() };
    let found = survey(&samples, &request.anchors, request.input, &request.options, &mut |_, _| {
        std::ops::ControlFlow::Continue(())
    });
    let survey = Arc::new(found.expect("not broken off"));
    window.report(Report::Survey { request: Box::new(request), survey, skipped: 1 });
    window.harness.get_by_label("1 image · 2 ground truths · 640×640 px · 1 image left out");
    window.harness.get_by_label("P3: 0 of the mask alone, 0 positives alone, 1 both");
    window.set(Command::SetPsi(1.0));
    window.harness.get_by_label("P3: 0 of the mask alone, 1 positives alone, 0 both");
    window.click("cells over ψ, P3");
    let psi = window.app().state.imitation.mask.psi.get();
    assert!((0.3..0.7).contains(&psi), "the middle of the plot is about the middle of ψ: {psi}");
    window.click("Share covered");
    window.harness.get_by_label("% of the map over ψ, P3");
    window.set(Command::SetInputSize(320));
    window.harness.get_by_label("Stale: it is of another input size. Survey again.");
}

#[test]
fn frames_are_measured() {
    let mut window = Window::open();
    window.harness.run_steps(5);
    let summary = window.app().state.frame_times.summary().expect("frames were drawn");
    assert!(summary.frames >= 5 && summary.p50 > 0.0 && summary.p50 <= summary.p99 && summary.p99 <= summary.max);
}
