//! Talk mode as a speaker uses it: entered with F5, gone through with keys, left with Esc; no model and no worker.

use std::sync::Arc;

use distillscope::app::command::Command;
use distillscope::app::settings::Settings;
use distillscope::app::update::apply;
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::grid::Grid;
use distillscope::imitation::difference::FeatureStack;
use distillscope::imitation::loss::{Loss, MaskChoice};
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::inspect::{
    Comparison, DetectionView, HeadPull, Role, ScaleComparison, ScalePull, Scene, SceneLabel, Tap,
};
use distillscope::language::{Language, LanguageChoice, tr, within};
use distillscope::shell::{App, Options};
use distillscope::story::Step;
use distillscope::train::comparison::RunResult;
use distillscope::train::config::{RunConfig, Start};
use distillscope::train::evaluate::Evaluation;
use distillscope::train::event::{
    EpochRecord, Outcome, RunEvent, RunId, RunSummary, Snapshot, SnapshotScale, StartRecord, StepRecord, Variant,
};
use distillscope::train::history::RunHistory;
use distillscope::train::replay::Replay;
use distillscope::worker::{BeforeAfter, EarlierRun, Job, Report, Unknown};
use distillscope::yolo::anchors::{AnchorScale, default_anchors};
use egui::{CursorIcon, Key, Modifiers, Rect};
use egui_kittest::kittest::{NodeT, Queryable};

use crate::common::{Fake, Screen, card, compared, open, scene};

struct Window {
    harness: Screen,
    fake: Fake,
}

impl Window {
    fn open(size: [f32; 2], image: Option<&str>) -> Self {
        // A teacher that never arrives keeps the sample session away.
        let options = Options {
            image: image.map(Into::into),
            data: image.is_none().then(|| "nowhere".into()),
            device: "auto".into(),
            ..Options::default()
        };
        Self::with(size, options)
    }

    fn with(size: [f32; 2], options: Options) -> Self {
        let (harness, fake) = open(size, Settings::default(), options);
        let mut window = Self { harness, fake };
        // What the paper imitates.
        window.set(Command::SetLoss(Loss::FEATURES));
        window.set(Command::SetRule(LevelRule::PerScale));
        window
    }

    /// On an image with a box of 400 × 300 px and one of 16 × 16, with the default anchors.
    fn on_scene() -> Self {
        let mut window = Self::open([1280.0, 720.0], Some("a.jpg"));
        window.report(Report::Scene(scene()));
        window.measure();
        window
    }

    /// As much as a stage may have to hold: two models of four scales, fifty objects with long names on an image that is
    /// far from square, and a run whose name is long.
    fn crowded(size: [f32; 2]) -> Self {
        let image = "一个文件名非常非常长的目录/street-".to_owned() + &"0123456789-".repeat(12) + ".jpg";
        let options = Options {
            image: Some(image.clone().into()),
            teacher: Some("t.pt".into()),
            student: Some("s.pt".into()),
            device: "auto".into(),
            ..Options::default()
        };
        let mut window = Self::with(size, options);
        let scale = |stride| AnchorScale { stride, anchors: vec![[436.0, 615.0], [739.0, 380.0], [925.0, 792.0]] };
        let anchors = [8, 16, 32, 64].map(scale).to_vec();
        for (role, path) in [(Role::Teacher, "t.pt"), (Role::Student, "s.pt")] {
            window.report(Report::Loaded { role, card: card(path, &[], &anchors) });
        }
        let label = |k: usize| SceneLabel {
            class: k,
            name: "名称很长的类别".repeat(8),
            bbox: BoundingBox::from_center((k * 61 % 500) as f32 + 60.0, (k * 37 % 120) as f32 + 260.0, 60.0, 50.0),
        };
        let labels = (0..50).map(label).collect();
        let file = Size::new(1920, 480);
        let letterbox = Letterbox::fit(file, Size::square(640), true);
        let scene = Arc::new(Scene { path: image.into(), size: file, letterbox, labels, ..(*scene()).clone() });
        window.report(Report::Scene(Arc::clone(&scene)));
        window.measure();
        window.report(compared(scene, comparison()));
        assert!(window.app().state.comparison.is_some() && window.app().state.mask.is_some());
        // A pair, whose student has lost.
        for name in ["imitation", "baseline"] {
            let folder = format!("runs/一次名称非常长而且没有空格的运行-0123456789-0123456789/{name}");
            window
                .report(Report::EarlierRun(Box::new(EarlierRun { start: Some(start(0.26, 0.7)), ..earlier(&folder) })));
        }
        window
    }

    /// Answers the question for IoU maps.
    fn measure(&mut self) {
        let asked = self.asked(|job| match job {
            Job::Field { scene, anchors, convention } => Some((Arc::clone(scene), anchors.clone(), *convention)),
            _ => None,
        });
        let (scene, anchors, convention) = asked.into_iter().next_back().expect("IoU maps were asked for");
        let field = Arc::new(IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention));
        self.report(Report::Field { scene, anchors, convention, field });
    }

    fn asked<T>(&self, of: impl Fn(&Job) -> Option<T>) -> Vec<T> {
        self.fake.0.borrow().jobs.iter().filter_map(of).collect()
    }

    fn cursor(&self) -> CursorIcon {
        self.harness.output().platform_output.cursor_icon
    }

    /// What can be read, seen or pressed, with its place.
    fn parts(&self) -> Vec<(String, Rect, egui::Role)> {
        fn walk(node: &egui_kittest::Node<'_>, into: &mut Vec<(String, Rect, egui::Role)>) {
            use egui::Role::{Button, Image, Label, RadioButton, Slider};
            let role = node.accesskit_node().role();
            if [Button, Image, Label, RadioButton, Slider].contains(&role) {
                let name = node.accesskit_node().label().or_else(|| node.accesskit_node().value());
                into.push((name.unwrap_or_default(), node.rect(), role));
            }
            node.children().for_each(|child| walk(&child, into));
        }
        let mut parts = Vec::new();
        walk(&self.harness.root(), &mut parts);
        parts
    }

    fn set(&mut self, command: Command) {
        apply(&mut self.harness.state_mut().as_mut().expect("the first frame makes it").state, command);
        self.harness.run_steps(3);
    }

    fn app(&self) -> &App<Fake> {
        self.harness.state().as_ref().expect("the first frame makes it")
    }

    fn step(&self) -> Step {
        self.app().state.talk.step
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.harness.run_steps(3);
    }

    fn press(&mut self, key: Key) {
        self.harness.key_press_modifiers(Modifiers::NONE, key);
        self.harness.run_steps(3);
    }

    fn go_to(&mut self, step: Step) {
        self.press(Key::Home);
        for _ in 1..step.number() {
            self.press(Key::PageDown);
        }
        assert_eq!(self.step(), step);
    }

    #[track_caller]
    fn says(&self, text: &str) {
        self.harness.get_by_label(text);
    }
}

/// Two channels on each of four scales of 640 × 640 px.
fn comparison() -> Arc<Comparison> {
    let pull = |whole: f32, unseen: f32, same: f32| {
        let of_scale = |stride: u32| {
            let grid = |value| Grid::filled((640 / stride) as usize, (640 / stride) as usize, value);
            ScalePull { stride, whole: grid(whole), unseen: grid(unseen), same: grid(same) }
        };
        Arc::new([8, 16, 32, 64].map(of_scale).to_vec())
    };
    let scale = |stride: u32| {
        let side = (640 / stride) as usize;
        let stack = |factor: f32| {
            let values = (0..2 * side * side).map(|at| factor * (at % 7) as f32).collect();
            FeatureStack::new(2, side, side, values).ok().map(Arc::new)
        };
        ScaleComparison {
            stride,
            teacher: stack(40.0),
            student: stack(10.0),
            adapted: stack(20.0),
            adapter: "least-squares",
            fit: None,
            outputs: 0,
            teacher_head: None,
            student_head: None,
            loss: None,
            sureness: None,
        }
    };
    Arc::new(Comparison {
        tap: Tap::Neck,
        loss: Loss::FEATURES,
        scales: [8, 16, 32, 64].map(scale).to_vec(),
        head_pull: Some(HeadPull { raw: pull(4.0, 3.0, 1.0), answers: pull(1.0, 0.01, 0.02) }),
        teacher_detections: None,
        student_detections: None,
        teacher_seconds: None,
        student_seconds: None,
        forward: None,
        parts: distillscope::inspect::CompareParts::ALL,
        notes: Vec::new(),
    })
}

fn step(step: u64, total: f64) -> StepRecord {
    StepRecord { step, total, distance: vec![Some(total / 2.0)], ..StepRecord::default() }
}

/// Its means are none of any step's: single steps say nothing of an epoch.
fn epoch(epoch: u32, map: f64) -> EpochRecord {
    let fallen = 1.0 / f64::from(epoch + 1);
    EpochRecord {
        epoch,
        step: u64::from(epoch) + 1,
        mean: StepRecord {
            box_loss: 0.5,
            objectness: 0.25,
            class: 0.25,
            lambda: fallen,
            distance: vec![Some(330.0 + 39.0 * f64::from(epoch)), None],
            ..StepRecord::default()
        },
        evaluation: Some(Evaluation { map50: 0.5, map50_95: map, ..Evaluation::default() }),
        ..EpochRecord::default()
    }
}

/// Two models that find this much of val before the first step.
fn start(student: f64, teacher: f64) -> Arc<StartRecord> {
    let of = |map50_95| Evaluation { map50: 0.75, map50_95, ..Evaluation::default() };
    Arc::new(StartRecord { student: of(student), teacher: Some(of(teacher)) })
}

/// Of two epochs of a step each.
fn earlier(folder: &str) -> EarlierRun {
    EarlierRun {
        folder: folder.into(),
        config: Some(Box::new(RunConfig {
            student: "s.pt".into(),
            teacher: Some("t.pt".into()),
            ..RunConfig::default()
        })),
        scales: vec!["P3".into()],
        steps: vec![step(0, 4.0), step(1, 3.0)],
        epochs: vec![epoch(0, 0.1), epoch(1, 0.25)],
        ..EarlierRun::default()
    }
}

#[test]
fn f5_enters_and_esc_leaves_to_the_window_as_it_was() {
    let mut window = Window::on_scene();
    let zoom = window.harness.ctx.zoom_factor();
    window.press(Key::F5);
    assert!(window.app().state.talk.on);
    window.says("An image and its objects");
    window.says("1 / 13");
    assert!(window.harness.query_by_label("Find a command…").is_none(), "nothing of the window is left");
    // 720 points hold 540 at a zoom of 4/3.
    assert!((window.harness.ctx.zoom_factor() - 4.0 / 3.0).abs() < 1e-3);
    window.press(Key::PageDown);
    window.press(Key::Escape);
    assert!(!window.app().state.talk.on);
    assert_eq!(window.harness.ctx.zoom_factor(), zoom);
    window.harness.get_by_label("Run panel");
    // Entered again it goes on where it was left.
    window.press(Key::F5);
    assert_eq!(window.step(), Step::CellAnchors);
}

#[test]
fn keys_of_a_keyboard_and_of_a_clicker_go_forth_and_back_and_touch_nothing_else() {
    let mut window = Window::on_scene();
    window.press(Key::F5);
    for key in [Key::ArrowRight, Key::ArrowDown, Key::Space, Key::PageDown] {
        window.press(key);
    }
    assert_eq!(window.step(), Step::Best);
    for key in [Key::ArrowLeft, Key::ArrowUp, Key::PageUp] {
        window.press(key);
    }
    assert_eq!(window.step(), Step::CellAnchors);
    // Without a run the talk ends before the steps that are about one.
    window.press(Key::End);
    assert_eq!(window.step(), Step::Answers);
    window.press(Key::PageDown);
    assert_eq!(window.step(), Step::Answers);
    window.press(Key::Home);
    assert_eq!(window.step(), Step::Image);
    // A layer's key belongs to the window, not to the talk.
    let before = window.app().state.view;
    window.press(Key::Num1);
    assert_eq!(window.app().state.view, before);
    // With a hand: the controls at the foot.
    window.harness.get_by_label("Next step of the talk").click();
    window.harness.run_steps(3);
    assert_eq!(window.step(), Step::CellAnchors);
    window.harness.get_by_label("To step 8. The cells of all objects").click();
    window.harness.run_steps(3);
    assert_eq!(window.step(), Step::Union);
    window.harness.get_by_label("Leave the talk").click();
    window.harness.run_steps(3);
    assert!(!window.app().state.talk.on);
}

#[test]
fn every_step_has_its_title_its_sentence_its_formula_and_its_number() {
    let mut window = Window::on_scene();
    window.press(Key::F5);
    for (run, of) in [(false, 13), (true, 15)] {
        if run {
            window.report(Report::EarlierRun(Box::new(earlier("runs/run-1"))));
            window.press(Key::Home);
        }
        for &step in Step::all(run) {
            assert_eq!(window.step(), step);
            window.says(step.title());
            window.says(step.sentence());
            window.says(step.formula());
            window.says(&format!("{} / {of}", step.number()));
            window.press(Key::PageDown);
        }
    }
}

#[test]
fn without_a_run_the_talk_has_an_ending_that_says_how_to_go_on() {
    let how = "To go on: start a run or open an earlier one; the talk then shows what its student has learned.";
    let mut window = Window::on_scene();
    window.press(Key::F5);
    window.press(Key::End);
    window.says("Not every number is an answer");
    window.says(how);
    assert!(window.harness.query_by_label("To step 14. What the run did").is_none());
    window.report(Report::EarlierRun(Box::new(earlier("runs/run-1"))));
    assert!(window.harness.query_by_label(how).is_none(), "there is more now");
    window.press(Key::End);
    assert_eq!(window.step(), Step::BeforeAfter);
    // A run that is taken away takes its steps with it.
    let key = window.app().state.runs.histories[0].key;
    window.set(Command::RemoveRun(key));
    assert_eq!(window.step(), Step::Answers);
    window.says(how);
}

#[test]
fn raw_outputs_are_set_against_answers() {
    let mut window = Window::crowded([1280.0, 720.0]);
    window.press(Key::F5);
    window.go_to(Step::Answers);
    // Raw squares are 4 a cell, of which 3 are classes that nobody sees; `answers` pulls 1 a cell, of which 0.01 are.
    window.says("Class scores where the teacher sees nothing · raw: 75 %");
    window.says("Class scores where the teacher sees nothing · answers: 1.0 %");
    window.says("Scores that mean the same to both, within 0.05 · raw: 25 %");
    window.says("Scores that mean the same to both, within 0.05 · answers: 2.0 %");
    let mut bare = (*comparison()).clone();
    bare.head_pull = None;
    let scene = window.app().state.scene.clone().expect("a scene");
    window.report(compared(scene, Arc::new(bare)));
    window.says("The heads of teacher and student cannot be compared: their anchors or classes differ.");
}

#[test]
fn psi_is_dragged_on_stage_and_the_mask_and_its_numbers_follow() {
    let mut window = Window::on_scene();
    window.press(Key::F5);
    window.go_to(Step::Threshold);
    // The large box covers more than a quarter of the image, so the small one is told of until another is chosen. By the
    // method's golden table 16 × 16 marks 12 cells of P3, 400 × 300 has M = 0.836 at P5 and 52 cells there.
    window.says("12 cells of P3 are above it");
    window.press(Key::S);
    assert_eq!(window.app().state.solo, Some(0));
    window.says("ψ · M = 0.5 · 0.836 = 0.418");
    window.says("52 cells of P5 are above it");
    window.harness.get_by_label("ψ").set_value_accesskit(0.9);
    window.harness.run_steps(3);
    assert_eq!(window.app().state.imitation.mask.psi, Psi::saturating(0.9));
    let scene = scene();
    let field = IouField::compute(&default_anchors(), scene.input_size(), &scene.boxes(), IouConvention::Exact);
    let cells = field.mask(Psi::saturating(0.9), LevelRule::PerScale).scales[2].gts[0].cells;
    assert!(cells < 52);
    window.says(&format!("{cells} cells of P5 are above it"));
    window.press(Key::OpenBracket);
    assert_eq!(window.app().state.imitation.mask.psi, Psi::saturating(0.85));
    // Another object, by its key: the small one fits P3 best.
    window.press(Key::S);
    assert_eq!(window.app().state.solo, Some(1));
    window.go_to(Step::Best);
    window.says("M = 0.353 on P3");
}

#[test]
fn a_step_whose_data_are_missing_says_what_to_load() {
    let mut window = Window::on_scene();
    window.press(Key::F5);
    window.go_to(Step::Features);
    window.says("Open a teacher and a student: features are what they see.");
    window.go_to(Step::Loss);
    window.says("Open a teacher and a student: features are what they see.");
    window.go_to(Step::Answers);
    window.says("Open a teacher and a student: features are what they see.");

    let mut empty = Window::open([1280.0, 720.0], None);
    empty.press(Key::F5);
    empty.says("Open an image first: drop one here.");
}

#[test]
fn an_earlier_run_has_its_curves_and_its_map_before_and_after() {
    let mut window = Window::on_scene();
    window.report(Report::EarlierRun(Box::new(earlier("runs/run-1"))));
    window.press(Key::F5);
    window.go_to(Step::Run);
    window.says("runs · run-1, step 2, loss answers");
    window.says("detection, epoch means: from 1.00 to 1.00");
    window.says("L at λ = 1, epoch means: from 330 to 369");
    window.says("λ faded from 1.00 to 0.500: λ · L falls by that alone");
    window.says("total curves");
    window.says("mAP curves");
    window.go_to(Step::BeforeAfter);
    window.says("mAP50-95 last: 0.250");
    window.says("mAP50-95 best: 0.250");
    // A run of version 0.1.0: what it does not say is not made up.
    window.says("How good the student was before its first step is not known: this run did not record it.");
    assert!(window.harness.query_by_label("mAP50-95 before: 0.100").is_none());
}

#[test]
fn a_student_that_lost_is_said_to_be_below_its_start_in_words_and_in_amber() {
    let mut window = Window::on_scene();
    let failed = EarlierRun { start: Some(start(0.26, 0.7)), ..earlier("runs/run-1") };
    window.report(Report::EarlierRun(Box::new(failed)));
    window.press(Key::F5);
    let below = "The student is below its start: mAP50-95 0.260 before, 0.250 at its last evaluation.";
    for step in [Step::Run, Step::BeforeAfter] {
        window.go_to(step);
        window.says(below);
    }
    for bar in ["before: 0.260", "last: 0.250", "best: 0.250", "teacher: 0.700"] {
        window.says(&format!("mAP50-95 {bar}"));
    }

    let mut window = Window::on_scene();
    let helped = EarlierRun { start: Some(start(0.2, 0.7)), ..earlier("runs/run-1") };
    window.report(Report::EarlierRun(Box::new(helped)));
    window.press(Key::F5);
    window.go_to(Step::BeforeAfter);
    window.says("mAP50-95 before: 0.200");
    assert!(window.harness.query_by_label_contains("below its start").is_none());
}

#[test]
fn twins_have_the_baseline_and_their_verdict() {
    let mut window = Window::on_scene();
    for (name, map) in [("imitation", 0.3), ("baseline", 0.25)] {
        let mut run = earlier(&format!("runs/pair/{name}"));
        run.epochs.push(epoch(2, map));
        // It has ended, as its folder says: only such runs count.
        run.result = Some(RunResult { map50_95: map, ..RunResult::default() });
        window.report(Report::EarlierRun(Box::new(run)));
    }
    window.press(Key::F5);
    window.go_to(Step::BeforeAfter);
    window.says("mAP50-95 last: 0.300");
    window.says("mAP50-95 baseline: 0.250");
    window.says("one pair is no verdict: mAP50-95 on val +0.050 with imitation");
}

#[test]
fn the_student_of_a_run_is_set_against_itself() {
    let mut window = Window::on_scene();
    window.report(Report::EarlierRun(Box::new(earlier("runs/run-1"))));
    let requests = |window: &Window| {
        window.asked(|job| match job {
            Job::BeforeAfter(request) => Some(request.clone()),
            _ => None,
        })
    };
    window.press(Key::F5);
    assert!(requests(&window).is_empty(), "not before it is told of");
    window.go_to(Step::BeforeAfter);
    let asked = requests(&window);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].start, Some(Start::Checkpoint("s.pt".into())));
    window.says("The student before");
    let waiting = window.harness.query_all_by_label("The student is looking at the image…").count();
    assert_eq!(waiting, 2);

    let found = |count: usize| {
        let bbox = BoundingBox::from_center(320.0, 320.0, 380.0, 290.0);
        vec![DetectionView { name: "large".into(), score: 0.75, bbox }; count].into()
    };
    let request = asked[0].clone();
    let untrained = Err(Unknown::Untrained("runs/run-1".into()));
    let untrained = BeforeAfter { before: Ok(found(1)), after: untrained, names: Vec::new() };
    window.report(Report::BeforeAfter { request: request.clone(), found: Arc::new(untrained) });
    window.says("The student before · 1 detection");
    window.says("The student after, best weights");
    window.says("run-1 has no weights: they come with the first evaluation.");

    // Both objects are labelled with class 0, for which the run has one name.
    let trained = BeforeAfter { before: Ok(found(1)), after: Ok(found(2)), names: vec!["large".into()] };
    window.report(Report::BeforeAfter { request, found: Arc::new(trained) });
    window.says("The student after, best weights · 2 detections");
    window.says("The run knows other classes than the labels: large");
    window.says("mAP50-95 best: 0.250");
}

#[test]
fn a_recorded_run_has_bars_and_says_why_it_has_no_pictures() {
    let mut window = Window::open([1280.0, 720.0], None);
    let summary = RunSummary {
        folder: "".into(),
        steps: 2,
        steps_per_epoch: 1,
        first_step: 0,
        scales: vec!["P3".into()],
        images: 1,
        labels: 2,
        val_images: 1,
        device: "CPU".into(),
    };
    let mask = MaskChoice { psi: Psi::default(), rule: LevelRule::Global, ..MaskChoice::default() };
    window.report(Report::Replay(Arc::new(Replay {
        name: "run-1 · imitation".into(),
        id: RunId { seed: 0, variant: Variant::Imitation },
        outcome: Outcome::Finished,
        summary: Arc::new(summary),
        config: toml::to_string(&RunConfig { teacher: Some("t.pt".into()), ..RunConfig::default() }).expect("toml"),
        scene: scene(),
        mask,
        scales: default_anchors(),
        start: Some(start(0.26, 0.7)),
        steps: vec![step(0, 4.0), step(1, 3.0)],
        epochs: vec![epoch(0, 0.1), epoch(1, 0.25)],
        snapshots: Vec::new(),
    })));
    window.measure();
    window.press(Key::F5);
    window.go_to(Step::Run);
    window.says("L at λ = 1, epoch means: from 330 to 369");
    window.go_to(Step::BeforeAfter);
    window.says("This run was recorded without its models, so nothing can be detected here; its mAP is known.");
    // The run's own, not the neck that the window begins with.
    let footer =
        "trained at 640×640 px · loss answers · tap head · mask source none · λ = 1 · run run-1 · imitation, step 2";
    window.harness.get_by_label_contains(footer);
    window.says("mAP50-95 before: 0.260");
    window.says("mAP50-95 teacher: 0.700");
    window.says("mAP50-95 best: 0.250");
    window.says("The student is below its start: mAP50-95 0.260 before, 0.250 at its last evaluation.");
    assert!(window.asked(|job| matches!(job, Job::BeforeAfter(_)).then_some(())).is_empty());
}

#[test]
fn the_black_key_of_a_clicker_blacks_the_screen_and_brings_it_back() {
    let mut window = Window::on_scene();
    window.press(Key::F5);
    for key in [Key::B, Key::Period] {
        window.press(key);
        window.says("The screen is black; B shows the stage.");
        assert!(window.harness.query_by_label(Step::Image.title()).is_none());
        assert_eq!(window.cursor(), CursorIcon::None);
        window.press(key);
        window.says(Step::Image.title());
    }
    window.press(Key::B);
    window.press(Key::PageDown);
    window.says(Step::CellAnchors.title());
    window.press(Key::B);
    window.press(Key::Escape);
    window.press(Key::F5);
    window.says(Step::CellAnchors.title());
}

#[test]
fn the_cursor_rests_after_three_seconds_and_is_back_with_the_first_motion() {
    let mut window = Window::on_scene();
    window.press(Key::F5);
    window.harness.hover_at(egui::pos2(300.0, 300.0));
    // A frame is a quarter of a second.
    window.harness.run_steps(8);
    assert_ne!(window.cursor(), CursorIcon::None);
    window.harness.run_steps(8);
    assert_eq!(window.cursor(), CursorIcon::None);
    window.harness.hover_at(egui::pos2(310.0, 300.0));
    window.harness.run_steps(1);
    assert_ne!(window.cursor(), CursorIcon::None);
    window.harness.run_steps(16);
    window.press(Key::Escape);
    assert_ne!(window.cursor(), CursorIcon::None, "the window has its cursor");
}

#[test]
fn nothing_leaves_the_stage_or_lies_on_its_foot_however_much_there_is_to_say() {
    for size in [[1280.0, 720.0], [1920.0, 1080.0], [3840.0, 2160.0], [1024.0, 768.0], [1280.0, 600.0]] {
        let mut window = Window::crowded(size);
        window.press(Key::F5);
        for language in [LanguageChoice::English, LanguageChoice::Chinese] {
            window.set(Command::SetLanguage(language));
            for step in Step::ALL {
                window.set(Command::SeekTalk(step as usize));
                let whole = window.harness.ctx.content_rect();
                let parts = window.parts();
                let spoken = language.language().unwrap_or(Language::English);
                let title = within(spoken, || tr(step.title()).to_owned());
                assert!(parts.iter().any(|(text, ..)| *text == title), "{title} is not among {parts:?}");
                // The dots stand in the middle of the foot, which is 30 points high.
                let dot = parts.iter().find(|(.., role)| *role == egui::Role::RadioButton).expect("a dot a step");
                let foot = dot.1.center().y - 15.0;
                for (text, rect, _) in &parts {
                    let place = format!("{size:?} {language:?} {step:?} {text}: {rect:?} in {whole:?}");
                    assert!(whole.expand(0.5).contains_rect(*rect), "{place}");
                    assert!(rect.top() > foot - 1.0 || rect.bottom() < foot + 1.0, "on the foot: {place}");
                }
                let texts: Vec<_> = parts.iter().filter(|(.., role)| *role == egui::Role::Label).collect();
                for (index, (text, rect, _)) in texts.iter().enumerate() {
                    let lies_under =
                        |(_, other, _): &&&(String, Rect, egui::Role)| other.shrink(1.0).intersects(rect.shrink(1.0));
                    let under = texts[..index].iter().find(lies_under);
                    assert!(under.is_none(), "{size:?} {language:?} {step:?}: {text} {rect:?} lies on {under:?}");
                }
            }
        }
    }
}

#[test]
fn the_maps_of_a_run_play_beside_its_curves() {
    let mut window = Window::on_scene();
    let mut history = RunHistory::new(7, 1, RunId { seed: 0, variant: Variant::Imitation }, "run-1".into());
    for done in 0..60_u64 {
        let total = 5.0 * 0.97_f64.powi(done as i32);
        history.receive(RunEvent::Step(StepRecord { step: done, total, ..StepRecord::default() }));
    }
    for step in [0, 25, 50] {
        let map = |stride: u32| SnapshotScale {
            stride,
            difference: Grid::from_fn(640 / stride as usize, 640 / stride as usize, |row, col| {
                (row + col) as f32 * (60.0 - step as f32)
            }),
        };
        let scales = [8, 16, 32].map(map).to_vec();
        let snapshot = Snapshot { step, image: "a.jpg".into(), scales, truths: Vec::new(), seconds: 0.0 };
        history.receive(RunEvent::Snapshot(Arc::new(snapshot)));
    }
    let app = window.harness.state_mut().as_mut().expect("an app");
    app.state.runs.histories.push(Arc::new(history));
    window.press(Key::F5);
    window.go_to(Step::Run);
    window.says("map of step 50");
    window.says("total curves");
    window.harness.get_by_label("Time of the run").set_value_accesskit(1.0);
    window.harness.run_steps(3);
    window.says("map of step 25");
    window.press(Key::P);
    assert!(window.app().state.runs.playback.is_some_and(|playback| playback.playing));
}

#[test]
fn the_stage_is_laid_out_at_every_size_in_both_themes() {
    for size in [[1280.0, 720.0], [3840.0, 2160.0], [1024.0, 768.0]] {
        for theme in [egui::Theme::Light, egui::Theme::Dark] {
            let mut window = Window::open(size, Some("a.jpg"));
            window.harness.ctx.set_theme(theme);
            window.report(Report::Scene(scene()));
            window.press(Key::F5);
            for &step in Step::all(false) {
                let title = window.harness.get_by_label(step.title()).rect();
                let whole = window.harness.ctx.content_rect();
                assert!(whole.contains_rect(title), "{size:?} {step:?}: {title:?} in {whole:?}");
                // Of the height of the screen a title takes about a twentieth.
                assert!(title.height() / whole.height() > 0.04, "{size:?}: {title:?} in {whole:?}");
                window.press(Key::PageDown);
            }
        }
    }
}
