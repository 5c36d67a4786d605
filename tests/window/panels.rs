//! The window as a person uses it, found by the names that a screen reader says: no model, no worker thread; reports
//! come from the test, and what is asked of the workers is looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use distillscope::app::command::Command;
use distillscope::app::settings::Settings;
use distillscope::app::state::{ModelSlot, Overlay, State};
use distillscope::app::update::apply;
use distillscope::app::update::effect::Effect;
use distillscope::app::view::{Camera, Hover, Layer, ScaleChoice};
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::grid::Grid;
use distillscope::imitation::difference::FeatureStack;
use distillscope::imitation::loss::Loss;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::inspect::{CompareRequest, Comparison, Role, ScaleComparison, Scene, SceneLabel, Tap};
use distillscope::sample::Sample;
use distillscope::shell::{App, Backend, Options};
use distillscope::worker::{DatasetBrief, Job, JobKind, ModelBrief, ModelCard, Report};
use distillscope::yolo::anchors::default_anchors;
use egui::accesskit::Toggled;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use image::RgbImage;

use crate::common::{Fake, Screen, compared, half_mean, open};

struct Window {
    harness: Screen,
    fake: Fake,
}

impl Window {
    fn open(options: Options) -> Self {
        let (harness, fake) = open([1600.0, 1000.0], Settings::default(), options);
        Self { harness, fake }
    }

    /// The window on an image with two ground truths and the default anchors.
    fn on_scene() -> (Self, Arc<Scene>) {
        let mut window =
            Self::open(Options { image: Some("a.jpg".into()), device: "auto".into(), ..Options::default() });
        let scene = scene("a.jpg");
        window.report(Report::Scene(Arc::clone(&scene)));
        window.answer_field();
        (window, scene)
    }

    fn steps(&mut self, count: usize) {
        self.harness.run_steps(count);
    }

    fn app(&self) -> &App<Fake> {
        self.harness.state().as_ref().expect("the first frame makes it")
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.steps(3);
    }

    /// Computes the field that was last asked for, as the worker would.
    fn answer_field(&mut self) {
        let job = self.fake.0.borrow().jobs.iter().rev().find(|job| matches!(job, Job::Field { .. })).cloned();
        let Some(Job::Field { scene, anchors, convention }) = job else { panic!("no field was asked for") };
        let field = Arc::new(IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention));
        self.report(Report::Field { scene, anchors, convention, field });
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.steps(3);
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.steps(3);
    }

    fn drop_files(&mut self, paths: &[PathBuf]) {
        let files = paths.iter().map(|path| Arc::new(Dropped(path.clone())) as egui::DroppedFileHandle);
        self.harness.input_mut().dropped_files.extend(files);
        self.steps(2);
    }

    /// Draws until something has come about on another thread.
    fn wait_until(&mut self, what: &str, holds: impl Fn(&App<Fake>) -> bool) {
        let start = Instant::now();
        while !holds(self.app()) {
            assert!(start.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(5));
            self.steps(1);
        }
        self.steps(2);
    }

    /// Carries out a command, with what it asks of the worker.
    fn set(&mut self, command: Command) {
        for effect in apply(&mut self.harness.state_mut().as_mut().expect("an app").state, command) {
            if let Effect::Send(job) = effect {
                self.fake.send(job);
            }
        }
        self.steps(3);
    }

    fn mask_cells(&self) -> Vec<usize> {
        let mask = self.app().state.mask.as_ref().expect("a mask");
        mask.scales.iter().map(|scale| scale.mask_cells).collect()
    }

    fn compares(&self) -> Vec<(Arc<Scene>, CompareRequest)> {
        let jobs = &self.fake.0.borrow().jobs;
        let compares = jobs.iter().filter_map(|job| match job {
            Job::Compare { scene, request, .. } => Some((Arc::clone(scene), request.clone())),
            _ => None,
        });
        compares.collect()
    }

    fn load(&mut self, role: Role, path: &str) {
        let path = PathBuf::from(path);
        let names = vec!["cell".to_owned()];
        let brief = ModelBrief { path: path.clone(), names: names.clone(), anchors: default_anchors() };
        self.report(Report::Described { role, brief });
        let card = ModelCard {
            path,
            file_bytes: 14_300_000,
            format: "Ultralytics .pt".into(),
            names,
            anchors: default_anchors(),
            parameters: 7_020_000,
            gflops: Some(15.8),
            tensors_loaded: 349,
            tensors_total: 349,
            seconds: 0.4,
            report: "model.0.conv.weight loaded".into(),
            warnings: Vec::new(),
        };
        self.report(Report::Loaded { role, card: Arc::new(card) });
    }
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window never reads a dropped file itself".into())
    }
}

/// A grey image of 640 × 640 px with a box of 400 × 300 and one of 16 × 16.
fn scene(path: &str) -> Arc<Scene> {
    let size = Size::square(640);
    let label = |name: &str, w, h, x| SceneLabel {
        class: 0,
        name: name.into(),
        bbox: BoundingBox::from_center(x, 320.0, w, h),
    };
    let picture = Arc::new(RgbImage::from_pixel(640, 640, image::Rgb([114; 3])));
    Arc::new(Scene {
        path: path.into(),
        size,
        letterbox: Letterbox::fit(size, size, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: vec![label("large", 400.0, 300.0, 320.0), label("small", 16.0, 16.0, 320.0)],
        warnings: Vec::new(),
    })
}

fn comparison(tap: Tap, both: bool) -> Arc<Comparison> {
    let scales = [8_u32, 16, 32].map(|stride| {
        let side = 640 / stride as usize;
        let features = |value: f32| {
            Some(Arc::new(FeatureStack::new(2, side, side, vec![value; 2 * side * side]).expect("2 x side x side")))
        };
        ScaleComparison {
            stride,
            teacher: features(1.0),
            student: features(0.5),
            adapted: features(0.5),
            adapter: "least-squares",
            fit: None,
            outputs: 0,
            teacher_head: None,
            student_head: None,
            loss: half_mean(Grid::filled(side, side, 0.5)),
            sureness: None,
        }
    });
    Arc::new(Comparison {
        tap,
        loss: Loss::FEATURES,
        scales: scales.to_vec(),
        head_pull: None,
        teacher_detections: Some(Vec::new()),
        student_detections: both.then(Vec::new),
        teacher_seconds: None,
        student_seconds: None,
        forward: None,
        parts: distillscope::inspect::CompareParts::ALL,
        notes: Vec::new(),
    })
}

/// Mask cells a scale by the library's own field, outside the window.
fn cells(psi: f64, rule: LevelRule) -> Vec<usize> {
    let scene = scene("a.jpg");
    let field = IouField::compute(&default_anchors(), scene.input_size(), &scene.boxes(), IouConvention::Exact);
    let mask = field.mask(Psi::saturating(psi as _), rule);
    mask.scales.iter().map(|scale| scale.mask_cells).collect()
}

#[test]
fn the_psi_slider_moves_the_mask_in_the_same_frame() {
    let (mut window, _) = Window::on_scene();
    assert_eq!(window.mask_cells(), cells(0.5, LevelRule::Global));
    window.harness.get_by_label("ψ").set_value_accesskit(0.9);
    window.steps(3);
    assert_eq!(window.app().state.imitation.mask.psi, Psi::saturating(0.9));
    assert_eq!(window.mask_cells(), cells(0.9, LevelRule::Global));
    let total: usize = cells(0.9, LevelRule::Global).iter().sum();
    window.harness.get_by_label(&format!("all scales: {total} mask cells"));
}

#[test]
fn a_level_rule_changes_which_scales_are_marked() {
    let (mut window, _) = Window::on_scene();
    window.harness.get_by_label_contains("ψ times the best IoU of all scales");
    window.click("per-scale");
    assert_eq!(window.app().state.imitation.mask.rule, LevelRule::PerScale);
    assert_eq!(window.mask_cells(), cells(0.5, LevelRule::PerScale));
    window.harness.get_by_label_contains(LevelRule::PerScale.explanation());
}

#[test]
fn another_iou_convention_asks_for_another_field_and_takes_no_older_one() {
    let (mut window, scene) = Window::on_scene();
    let before = window.mask_cells();
    window.click("seed");
    let stale = IouField::compute(&default_anchors(), scene.input_size(), &[], IouConvention::Exact);
    window.report(Report::Field {
        scene: Arc::clone(&scene),
        anchors: default_anchors(),
        convention: IouConvention::Exact,
        field: Arc::new(stale),
    });
    assert_eq!(window.mask_cells(), before, "the answer to an older question is dropped");
    window.answer_field();
    assert_ne!(window.mask_cells(), before);
}

#[test]
fn a_ground_truth_is_soloed_by_its_row_and_by_keys() {
    let (mut window, _) = Window::on_scene();
    window.click("Ground truth 1: small");
    assert_eq!(window.app().state.solo, Some(1));
    window.click("Ground truth 1: small");
    assert_eq!(window.app().state.solo, None);
    for expected in [Some(0), Some(1), None, Some(0)] {
        window.press(Modifiers::NONE, Key::S);
        assert_eq!(window.app().state.solo, expected);
    }
    window.press(Modifiers::SHIFT, Key::S);
    assert_eq!(window.app().state.solo, None);
    window.press(Modifiers::NONE, Key::S);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.app().state.solo, None);
}

/// How the losses pull at the heads costs a backward pass, and the talk and its figures alone show it.
#[test]
fn the_pull_at_the_heads_is_asked_for_once_it_is_shown() {
    let (mut window, _) = Window::on_scene();
    let asked = |window: &Window| -> Vec<bool> {
        let jobs = &window.fake.0.borrow().jobs;
        let pull = |job: &Job| if let Job::Compare { parts, .. } = job { Some(parts.pull) } else { None };
        jobs.iter().filter_map(pull).collect()
    };
    for role in Role::ALL {
        let path = format!("{}.pt", role.name());
        window.set(Command::OpenModel(role, path.clone().into()));
        window.load(role, &path);
    }
    let before = asked(&window);
    assert!(!before.is_empty() && before.iter().all(|pull| !pull), "{before:?}");
    for _ in 0..4 {
        window.set(Command::ToggleTalk);
    }
    assert_eq!(asked(&window), [&before[..], &[true]].concat(), "and what is there stays");
}

#[test]
fn the_palette_finds_a_command_and_runs_it() {
    let (mut window, _) = Window::on_scene();
    window.press(Modifiers::COMMAND, Key::K);
    assert_eq!(window.app().state.overlay, Some(Overlay::Palette));
    window.harness.get_by_label("Find a command").type_text("assigned");
    window.steps(2);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.app().state.imitation.mask.rule, LevelRule::Assigned);
    assert_eq!(window.app().state.overlay, None);
}

#[test]
fn the_palette_says_why_a_command_cannot_be_had_and_does_not_run_it() {
    let mut window = Window::open(Options { image: Some("a.jpg".into()), ..Options::default() });
    window.press(Modifiers::COMMAND, Key::P);
    window.harness.get_by_label("Find a command").type_text("layer teacher");
    window.steps(2);
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.app().state.overlay, Some(Overlay::Palette));
    assert_eq!(window.app().state.view.layer, Layer::Mask);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.app().state.overlay, None);
}

#[test]
fn keys_choose_layers_scales_and_psi() {
    let (mut window, _) = Window::on_scene();
    for (key, layer) in [(Key::Num1, Layer::Image), (Key::Num2, Layer::Anchors), (Key::Num3, Layer::Iou)] {
        window.press(Modifiers::NONE, key);
        assert_eq!(window.app().state.view.layer, layer);
    }
    // No teacher: its layer cannot be had.
    window.press(Modifiers::NONE, Key::Num5);
    assert_eq!(window.app().state.view.layer, Layer::Iou);
    window.press(Modifiers::NONE, Key::CloseBracket);
    assert_eq!(window.app().state.imitation.mask.psi, Psi::saturating(0.55));
    window.press(Modifiers::NONE, Key::OpenBracket);
    window.press(Modifiers::NONE, Key::OpenBracket);
    assert_eq!(window.app().state.imitation.mask.psi, Psi::saturating(0.45));
    for expected in [8, 16, 32] {
        window.press(Modifiers::NONE, Key::G);
        assert_eq!(window.app().state.view.scales, ScaleChoice::Stride(expected));
    }
    window.press(Modifiers::NONE, Key::G);
    assert_eq!(window.app().state.view.scales, ScaleChoice::All);
    window.press(Modifiers::NONE, Key::Plus);
    assert!(matches!(window.app().state.camera, Camera::Free { .. }));
    window.press(Modifiers::NONE, Key::F);
    assert_eq!(window.app().state.camera, Camera::Fit);
}

#[test]
fn keys_are_letters_while_a_text_field_has_the_keyboard() {
    let (mut window, _) = Window::on_scene();
    window.press(Modifiers::COMMAND, Key::F);
    let field = window.harness.get_by_label("Search images");
    assert!(field.is_focused());
    field.type_text("s");
    window.press(Modifiers::NONE, Key::S);
    window.press(Modifiers::NONE, Key::Num1);
    assert_eq!(window.app().state.solo, None);
    assert_eq!(window.app().state.view.layer, Layer::Mask);
    assert_eq!(window.app().state.dataset.filter(), "s");
}

#[test]
fn a_dropped_file_of_no_use_gives_a_message_that_says_what_can_be_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.docx");
    std::fs::write(&path, "x").expect("written");
    let (mut window, _) = Window::on_scene();
    window.drop_files(&[path]);
    window.wait_until("a message has come", |app| !app.state.messages.is_empty());
    let message = window.app().state.messages.get(0).expect("a message").clone();
    assert_eq!(message.what, "notes.docx");
    assert!(message.text.contains("data.yaml"), "{}", message.text);
    // Shown for a while, and kept in the list.
    window.harness.get_by_label_contains("notes.docx: cannot be opened here");
    window.press(Modifiers::COMMAND, Key::M);
    window.harness.get_by_label("notes.docx");
}

#[test]
fn files_dropped_together_go_where_they_belong() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: usize| {
        let path = folder.path().join(name);
        std::fs::write(&path, vec![0; bytes]).expect("written");
        path
    };
    let (image, labels) = (file("b.png", 1), file("elsewhere.txt", 1));
    let (small, large) = (file("n.pt", 10), file("l.pt", 20));
    let mut window = Window::open(Options { image: Some("a.jpg".into()), ..Options::default() });
    window.drop_files(&[small.clone(), labels.clone(), image.clone(), large.clone()]);
    window.wait_until("the models are on their way", |app| !app.state.model(Role::Student).is_free());
    // The larger of two models is the teacher.
    let path = |window: &Window, role| match window.app().state.model(role) {
        ModelSlot::Loading { path, .. } => path.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(path(&window, Role::Teacher), large);
    assert_eq!(path(&window, Role::Student), small);
    let request = window.app().state.requested.scene.clone().expect("a scene was asked for");
    assert_eq!(request.image, image);
    assert_eq!(request.labels, distillscope::inspect::LabelSource::File(labels));
}

#[test]
fn a_third_model_asks_whose_place_it_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, "x").expect("written");
    let (mut window, _) = Window::on_scene();
    window.drop_files(&[folder.path().join("gone.pt")]);
    for (role, name) in [(Role::Teacher, "l.pt"), (Role::Student, "s.pt")] {
        let file = folder.path().join(name);
        std::fs::write(&file, "x").expect("written");
        window.drop_files(&[file]);
        window.wait_until("it is being opened", |app| !app.state.model(role).is_free());
    }
    window.drop_files(std::slice::from_ref(&path));
    window.wait_until("it asks", |app| !app.state.undecided.is_empty());
    window.click("Replace the student");
    assert!(matches!(window.app().state.model(Role::Student), ModelSlot::Loading { path: p, .. } if *p == path));
    assert!(window.app().state.undecided.is_empty());
}

#[test]
fn a_recent_file_that_has_gone_is_taken_off_the_list() {
    let (mut window, _) = Window::on_scene();
    assert_eq!(window.app().state.recent, [PathBuf::from("a.jpg")]);
    window.drop_files(&["a.jpg".into()]);
    window.wait_until("a message has come", |app| !app.state.messages.is_empty());
    assert!(window.app().state.recent.is_empty());
}

#[test]
fn an_answer_to_an_older_comparison_is_dropped() {
    let (mut window, scene) = Window::on_scene();
    window.harness.get_by_label("9 anchors on 3 scales: YOLOv5's defaults for COCO, because no model is open.");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("l.pt");
    std::fs::write(&path, "x").expect("written");
    window.drop_files(std::slice::from_ref(&path));
    window.wait_until("it is being opened", |app| !app.state.model(Role::Teacher).is_free());
    window.load(Role::Teacher, &path.to_string_lossy());
    assert_eq!(window.compares().len(), 1);
    window.harness.get_by_label("9 anchors on 3 scales, the teacher's.");

    window.set(Command::SetLoss(Loss::FEATURES));
    window.click("backbone");
    let asked = window.compares();
    assert_eq!(asked.last().map(|(_, request)| (request.tap, request.loss)), Some((Tap::Backbone, Loss::FEATURES)));
    let answer = |tap, both, scene: &Arc<Scene>| compared(Arc::clone(scene), comparison(tap, both));
    window.report(answer(Tap::Neck, false, &scene));
    assert!(window.app().state.comparison.is_none(), "another tap is wanted by now");
    window.report(answer(Tap::Backbone, false, &self::scene("a.jpg")));
    assert!(window.app().state.comparison.is_none(), "another scene");
    window.report(answer(Tap::Backbone, true, &scene));
    assert!(window.app().state.comparison.is_none(), "a student that is not open");
    window.report(answer(Tap::Backbone, false, &scene));
    assert!(window.app().state.comparison.is_some());

    window.click("Close teacher");
    assert!(window.app().state.comparison.is_none());
    let jobs = &window.fake.0.borrow().jobs;
    assert!(jobs.iter().any(|job| matches!(job, Job::Unload { role: Role::Teacher })));
}

#[test]
fn the_loss_is_summed_up_inside_the_mask() {
    let (mut window, scene) = Window::on_scene();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("l.pt");
    std::fs::write(&path, "x").expect("written");
    window.drop_files(std::slice::from_ref(&path));
    window.wait_until("it is being opened", |app| !app.state.model(Role::Teacher).is_free());
    window.load(Role::Teacher, &path.to_string_lossy());
    window.set(Command::SetLoss(Loss::FEATURES));
    window.set(Command::SetRule(LevelRule::PerScale));
    window.report(compared(scene, comparison(Tap::Neck, false)));
    // Two channels that differ by 0.5 everywhere: half of 2 · 0.25, on each of three scales.
    let total = window.app().state.measures.as_ref().and_then(|measures| measures.total_loss());
    assert_eq!(total, Some(0.75));
    window.harness.get_by_label("ψ").set_value_accesskit(1.0);
    window.steps(3);
    let total = window.app().state.measures.as_ref().and_then(|measures| measures.total_loss());
    assert_eq!(total, Some(0.0), "an empty mask costs nothing");
}

#[test]
fn a_list_arrives_in_batches_and_steps_go_through_it() {
    let mut window = Window::open(Options { data: Some("d/data.yaml".into()), ..Options::default() });
    window.report(Report::Images { images: vec!["stale.jpg".into()], done: false });
    assert!(window.app().state.dataset.images().is_empty(), "a batch of an older list");
    let brief = DatasetBrief {
        source: "d/data.yaml".into(),
        names: vec!["猫".into()],
        splits: vec!["train".into(), "val".into()],
        split: Some("val".into()),
        warnings: Vec::new(),
    };
    window.report(Report::Dataset(brief));
    window.report(Report::Images { images: vec!["d/0.jpg".into(), "d/1.jpg".into()], done: false });
    window.report(Report::Images { images: vec!["d/2.jpg".into()], done: true });
    assert_eq!(window.app().state.image, Some("d/0.jpg".into()));
    window.harness.get_by_label("3 images");
    window.press(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(window.app().state.image, Some("d/1.jpg".into()));
    window.press(Modifiers::NONE, Key::PageDown);
    assert_eq!(window.app().state.image, Some("d/2.jpg".into()));
    window.click("0.jpg");
    assert_eq!(window.app().state.image, Some("d/0.jpg".into()));
    // The labels are read with the dataset's names, and thumbnails are asked for.
    let request = window.app().state.requested.scene.clone().expect("a scene was asked for");
    assert_eq!(request.names, ["猫"]);
    let thumbnails = window.fake.0.borrow().jobs.iter().filter(|job| matches!(job, Job::Thumbnail(_))).count();
    assert_eq!(thumbnails, 3);
}

#[test]
fn a_scene_that_was_overtaken_is_not_shown() {
    let (mut window, first) = Window::on_scene();
    window.report(Report::Scene(scene("older.jpg")));
    let shown = window.app().state.scene.as_ref().expect("a scene");
    assert!(Arc::ptr_eq(shown, &first));
}

#[test]
fn the_read_out_follows_the_pointer() {
    let (mut window, _) = Window::on_scene();
    window.set(Command::SetRule(LevelRule::PerScale));
    window.harness.get_by_label("Point at the image to read a cell; a click explains it.");
    let pane = window.harness.get_by_label("P4 pane").rect();
    window.harness.hover_at(pane.center());
    window.steps(3);
    let Some(Hover { x, y, stride }) = window.app().state.hover else { panic!("nothing is pointed at") };
    assert_eq!(stride, 16);
    let (row, col) = ((y / 16.0) as usize, (x / 16.0) as usize);
    window.harness.get_by_label(&format!("P4 cell ({row}, {col})"));
    window.harness.get_by_label_contains("in the mask");
}

#[test]
fn a_pinned_cell_is_explained_until_it_is_let_go_and_the_pointer_still_reads() {
    let (mut window, scene) = Window::on_scene();
    window.set(Command::SetRule(LevelRule::PerScale));
    let pane = window.harness.get_by_label("P4 pane").rect();
    window.harness.hover_at(pane.center() + egui::vec2(2.0, 2.0));
    window.steps(3);
    window.press(Modifiers::NONE, Key::E);
    // Beside the middle of both boxes, which mark every scale.
    let Some(pin) = window.app().state.pin else { panic!("nothing is pinned") };
    assert_eq!((pin.stride, pin.row, pin.col), (16, 20, 20));
    window.harness.get_by_label("P4, row 20, column 20");
    window.harness.get_by_label("Imitated: an anchor here fits small (1) and large (0) well enough for P4.");
    window.harness.get_by_label("With both models open: what it adds to the loss, and the channels behind it.");
    // The pointer goes on; the pin stays.
    window.harness.hover_at(pane.center() - egui::vec2(60.0, 40.0));
    window.steps(3);
    window.harness.get_by_label_contains("P4 cell (");
    assert_eq!(window.app().state.pin, Some(pin));
    window.press(Modifiers::SHIFT, Key::ArrowRight);
    window.harness.get_by_label("P4, row 20, column 21");
    // ψ = 1 leaves nothing.
    window.harness.get_by_label("ψ").set_value_accesskit(1.0);
    window.steps(3);
    window.harness.get_by_label("Not imitated: no anchor here fits a labelled object well enough for P4.");
    window.press(Modifiers::NONE, Key::Escape);
    assert!(window.harness.query_by_label("Unpin").is_none());
    // Without a pointer over the image: where the soloed ground truth fits best.
    window.harness.hover_at(egui::pos2(1.0, 1.0));
    window.steps(3);
    window.press(Modifiers::NONE, Key::S);
    window.press(Modifiers::NONE, Key::S);
    window.press(Modifiers::NONE, Key::E);
    let best = IouField::compute(&default_anchors(), scene.input_size(), &scene.boxes(), IouConvention::Exact);
    let best = best.mask(Psi::default(), LevelRule::PerScale).scales[0].gts[1].best.expect("an overlap");
    let pin = window.app().state.pin.expect("a pin");
    assert_eq!((pin.stride, pin.row, pin.col), (8, best.row, best.col));
    window.click("Unpin");
    assert_eq!(window.app().state.pin, None);
}

#[test]
fn what_decides_the_mask_stays_in_view_beside_an_explanation() {
    let (mut window, _) = Window::on_scene();
    window.harness.set_size(egui::vec2(1280.0, 800.0));
    window.steps(3);
    // Above the bar of the run.
    let below = 768.0;
    let bottom = |window: &Window, label: &str| window.harness.get_by_label(label).rect().bottom();
    assert!(bottom(&window, "Ground truth 1: small") < below, "{}", bottom(&window, "Ground truth 1: small"));
    let psi = bottom(&window, "ψ");
    window.press(Modifiers::NONE, Key::E);
    assert!(bottom(&window, "Unpin") < below);
    assert_eq!(bottom(&window, "ψ"), psi, "an explanation pushes nothing away");
    assert!(psi < bottom(&window, "Unpin"));
}

#[test]
fn another_image_lets_the_pinned_cell_go() {
    let (mut window, _) = Window::on_scene();
    window.press(Modifiers::NONE, Key::E);
    assert!(window.app().state.pin.is_some());
    let app = window.harness.state_mut().as_mut().expect("an app");
    apply(&mut app.state, Command::OpenImage("b.jpg".into()));
    window.report(Report::Scene(scene("b.jpg")));
    assert_eq!(window.app().state.pin, None);
}

#[test]
fn a_failed_model_says_why_on_its_card() {
    let mut window =
        Window::open(Options { teacher: Some("broken.pt".into()), device: "auto".into(), ..Options::default() });
    window.report(Report::Started { kind: JobKind::Load(Role::Teacher), what: "broken.pt".into() });
    window.harness.get_by_label("Cancel: loading the teacher");
    window.report(Report::Failed {
        kind: JobKind::Load(Role::Teacher),
        what: "the teacher".into(),
        failure: "broken.pt: ends after 7 bytes".into(),
    });
    window.report(Report::Finished { kind: JobKind::Load(Role::Teacher) });
    assert!(matches!(window.app().state.model(Role::Teacher), ModelSlot::Failed { .. }));
    window.harness.get_by_label("broken.pt: ends after 7 bytes");
    assert!(window.app().state.activities.is_empty());
    assert_eq!(window.app().state.messages.unread, 1);
}

#[test]
fn loading_is_cancelled_from_the_bar_and_a_late_answer_is_ignored() {
    let mut window = Window::open(Options { student: Some("s.pt".into()), ..Options::default() });
    window.report(Report::Started { kind: JobKind::Load(Role::Student), what: "s.pt".into() });
    window.click("Cancel: loading the student");
    assert_eq!(window.fake.0.borrow().cancelled, [JobKind::Load(Role::Student)]);
    window.load(Role::Student, "s.pt");
    assert_eq!(*window.app().state.model(Role::Student), ModelSlot::Empty);
}

#[test]
fn layers_say_which_of_them_is_shown() {
    let (window, _) = Window::on_scene();
    let toggled = |label: &str| window.harness.get_by_label(label).accesskit_node().toggled();
    assert_eq!(toggled("Mask"), Some(Toggled::True));
    assert_eq!(toggled("IoU"), Some(Toggled::False));
}

#[test]
fn an_empty_window_says_what_to_do() {
    let mut window = Window::open(Options { teacher: Some("l.pt".into()), ..Options::default() });
    window.harness.get_by_label("Drop images, a folder or a data.yaml here, or open:");
    window.harness.get_by_label("Drop YOLOv5 weights here: pt, safetensors or torchscript.");
    window.harness.get_by_label("Masks appear with an image.");
    window.press(Modifiers::NONE, Key::F1);
    window.harness.get_by_label("Open image…");
    window.click("Close");
    assert_eq!(window.app().state.overlay, None);
}

#[test]
fn the_sample_session_is_seen_at_the_size_of_its_models() {
    let sample = Sample { data: "sample/data.yaml".into(), teacher: None, student: None };
    let mut state = State::default();
    assert_eq!(state.input_side, 640);
    state.sample = Some(sample);
    apply(&mut state, Command::OpenSample);
    assert_eq!(state.input_side, 320);
    // Other data are not, unless a person has chosen so.
    apply(&mut state, Command::OpenData("mine/data.yaml".into()));
    assert_eq!(state.input_side, 640);
    apply(&mut state, Command::OpenSample);
    apply(&mut state, Command::SetInputSize(416));
    apply(&mut state, Command::OpenData("mine/data.yaml".into()));
    assert_eq!(state.input_side, 416);
}
