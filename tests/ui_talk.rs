//! Talk mode as a speaker uses it: entered with F5, gone through with keys, left with Esc; no model and no worker.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use distillscope::app::run::Track;
use distillscope::app::{App, Backend, Options, Settings, default_anchors};
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::grid::Grid;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::inspect::{Scene, SceneLabel};
use distillscope::story::Step;
use distillscope::train::evaluate::Evaluation;
use distillscope::train::event::{Arm, EpochRecord, RunEvent, RunId, Snapshot, SnapshotScale, StepRecord};
use distillscope::worker::{EarlierRun, Job, JobKind, Report};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use image::RgbImage;

/// A worker that only hands over what the test has put there.
#[derive(Clone, Default)]
struct Fake(Rc<RefCell<VecDeque<Report>>>);

impl Backend for Fake {
    fn send(&self, _: Job) {}

    fn cancel(&self, _: JobKind) {}

    fn try_recv(&self) -> Option<Report> {
        self.0.borrow_mut().pop_front()
    }
}

struct Window {
    harness: Harness<'static, Option<App<Fake>>>,
    fake: Fake,
}

impl Window {
    fn open(size: [f32; 2], image: Option<&str>) -> Self {
        let fake = Fake::default();
        let backend = fake.clone();
        // A teacher that never arrives keeps the sample session away.
        let options = Options {
            image: image.map(Into::into),
            data: image.is_none().then(|| "nowhere".into()),
            device: "auto".into(),
            ..Options::default()
        };
        let harness =
            Harness::builder().with_size(size).with_context_setup(distillscope::ui::style::install).build_ui_state(
                move |ui, slot: &mut Option<App<Fake>>| {
                    let ctx = ui.ctx().clone();
                    let app = slot
                        .get_or_insert_with(|| App::new(&ctx, backend.clone(), Settings::default(), None, &options));
                    app.tick(&ctx);
                    app.draw(ui);
                },
                None,
            );
        let mut window = Self { harness, fake };
        window.harness.run_steps(2);
        window
    }

    /// On an image with a box of 400 × 300 px and one of 16 × 16, with the default anchors.
    fn on_scene() -> Self {
        let mut window = Self::open([1280.0, 720.0], Some("a.jpg"));
        let scene = scene();
        window.report(Report::Scene(Arc::clone(&scene)));
        let anchors = default_anchors();
        let convention = IouConvention::Exact;
        let field = Arc::new(IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention));
        window.report(Report::Field { scene, anchors, convention, field });
        window
    }

    fn app(&self) -> &App<Fake> {
        self.harness.state().as_ref().expect("the first frame makes it")
    }

    fn step(&self) -> Step {
        self.app().state.talk.step
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().push_back(report);
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

fn scene() -> Arc<Scene> {
    let size = Size::square(640);
    let label = |name: &str, w, h| SceneLabel {
        class: 0,
        name: name.into(),
        bbox: BoundingBox::from_center(320.0, 320.0, w, h),
    };
    let picture = Arc::new(RgbImage::from_pixel(640, 640, image::Rgb([114; 3])));
    Arc::new(Scene {
        path: "a.jpg".into(),
        size,
        letterbox: Letterbox::fit(size, size, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: vec![label("large", 400.0, 300.0), label("small", 16.0, 16.0)],
        warnings: Vec::new(),
    })
}

#[test]
fn f5_enters_and_esc_leaves_to_the_window_as_it_was() {
    let mut window = Window::on_scene();
    let zoom = window.harness.ctx.zoom_factor();
    window.press(Key::F5);
    assert!(window.app().state.talk.on);
    window.says("An image and its objects");
    window.says("1 / 14");
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
    window.press(Key::End);
    assert_eq!(window.step(), Step::BeforeAfter);
    window.press(Key::PageDown);
    assert_eq!(window.step(), Step::BeforeAfter);
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
    for step in Step::ALL {
        assert_eq!(window.step(), step);
        window.says(step.title());
        window.says(step.sentence());
        window.says(step.formula());
        window.says(&format!("{} / 14", step.number()));
        window.press(Key::PageDown);
    }
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
    assert_eq!(window.app().state.psi, Psi::saturating(0.9));
    let scene = scene();
    let field = IouField::compute(&default_anchors(), scene.input_size(), &scene.boxes(), IouConvention::Exact);
    let cells = field.mask(Psi::saturating(0.9), LevelRule::PerScale).scales[2].gts[0].cells;
    assert!(cells < 52);
    window.says(&format!("{cells} cells of P5 are above it"));
    window.press(Key::OpenBracket);
    assert_eq!(window.app().state.psi, Psi::saturating(0.85));
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
    window.go_to(Step::Run);
    window.says("Start a run, or open an earlier one: its curves are shown here.");
    window.go_to(Step::BeforeAfter);
    window.says("Start a run with a val split, or open an earlier one: its mAP is shown here.");

    let mut empty = Window::open([1280.0, 720.0], None);
    empty.press(Key::F5);
    empty.says("Open an image first: drop one here.");
}

#[test]
fn an_earlier_run_has_its_curves_and_its_map_before_and_after() {
    let mut window = Window::on_scene();
    let step = |step, total| StepRecord { step, total, distance: vec![total / 2.0], ..StepRecord::default() };
    let epoch = |epoch, map| EpochRecord {
        epoch,
        step: u64::from(epoch) + 1,
        evaluation: Some(Evaluation { map50: 0.5, map50_95: map, ..Evaluation::default() }),
        ..EpochRecord::default()
    };
    window.report(Report::EarlierRun(Box::new(EarlierRun {
        folder: "runs/run-1".into(),
        scales: vec!["P3".into()],
        steps: vec![step(0, 4.0), step(1, 3.0)],
        epochs: vec![epoch(0, 0.1), epoch(1, 0.25)],
    })));
    window.press(Key::F5);
    window.go_to(Step::Run);
    window.says("total: from 4.00 to 3.00");
    window.says("L at λ = 1: from 2.00 to 1.50");
    window.says("total curves");
    window.says("mAP curves");
    window.go_to(Step::BeforeAfter);
    window.says("mAP50-95 before: 0.100");
    window.says("mAP50-95 after: 0.250");
}

#[test]
fn the_maps_of_a_run_play_beside_its_curves() {
    let mut window = Window::on_scene();
    let mut track = Track::new(7, 1, RunId { seed: 0, arm: Arm::Imitation }, "run-1".into());
    for done in 0..60_u64 {
        let total = 5.0 * 0.97_f64.powi(done as i32);
        track.receive(RunEvent::Step(StepRecord { step: done, total, ..StepRecord::default() }));
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
        track.receive(RunEvent::Snapshot(Arc::new(snapshot)));
    }
    let app = window.harness.state_mut().as_mut().expect("an app");
    app.state.runs.tracks.push(Arc::new(track));
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
            for step in Step::ALL {
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
