//! What helps in the window: the tour, the sheets of keys and of terms, and the sentence behind every term.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distillscope::app::command::Command;
use distillscope::app::run::RunTab;
use distillscope::app::settings::Settings;
use distillscope::app::state::Overlay;
use distillscope::app::tour::Stop;
use distillscope::app::update::apply;
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::glossary::Term;
use distillscope::imitation::choice::Loss;
use distillscope::imitation::mask::IouField;
use distillscope::inspect::{Scene, SceneLabel};
use distillscope::language::{Language, LanguageChoice};
use distillscope::shell::{App, Options};
use distillscope::worker::{Job, Report};
use egui::{Key, Modifiers, Rect};
use egui_kittest::kittest::Queryable;
use image::RgbImage;

use crate::common::{Fake, Screen, open_at};

struct Window {
    harness: Screen,
    fake: Fake,
}

/// A place in the menu bar where nothing is.
const FREE: egui::Pos2 = egui::pos2(900.0, 12.0);

/// The settings of somebody who has none yet.
fn first_start() -> Settings {
    Settings { tour_due: true, ..Settings::default() }
}

fn with_image() -> Options {
    Options { image: Some("a.jpg".into()), device: "auto".into(), ..Options::default() }
}

impl Window {
    fn open(size: [f32; 2], settings: Settings, path: Option<PathBuf>, options: Options) -> Self {
        let (harness, fake) = open_at(size, settings, path, options);
        Self { harness, fake }
    }

    /// The first start in a window of this size.
    fn toured(size: [f32; 2]) -> Self {
        Self::open(size, first_start(), None, Options::default())
    }

    /// On an image with one ground truth.
    fn on_scene() -> Self {
        let mut window = Self::open([1600.0, 1000.0], Settings::default(), None, with_image());
        window.report(Report::Scene(scene()));
        let job = window.fake.0.borrow().jobs.iter().rev().find(|job| matches!(job, Job::Field { .. })).cloned();
        let Some(Job::Field { scene, anchors, convention }) = job else { panic!("no field was asked for") };
        let field = Arc::new(IouField::compute(&anchors, scene.input_size(), &scene.boxes(), convention));
        window.report(Report::Field { scene, anchors, convention, field });
        window
    }

    fn steps(&mut self, count: usize) {
        self.harness.run_steps(count);
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.steps(3);
    }

    fn app(&self) -> &App<Fake> {
        self.harness.state().as_ref().expect("the first frame makes it")
    }

    fn tour(&self) -> Option<Stop> {
        self.app().state.tour
    }

    fn set(&mut self, command: Command) {
        apply(&mut self.harness.state_mut().as_mut().expect("the first frame makes it").state, command);
        self.steps(3);
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.steps(3);
    }

    fn shows(&self, label: &str) -> bool {
        self.harness.query_all_by_label(label).next().is_some()
    }

    fn rects(&self, label: &str) -> Vec<Rect> {
        self.harness.query_all_by_label(label).map(|node| node.rect()).collect()
    }

    /// Where the only thing of this name is.
    #[track_caller]
    fn rect(&self, label: &str) -> Rect {
        let rects = self.rects(label);
        assert_eq!(rects.len(), 1, "{label}");
        rects[0]
    }

    /// Rests the pointer on the things of this name, one after the other, until a sentence appears.
    #[track_caller]
    fn explains(&mut self, label: &str, sentence: &str) {
        let places = self.rects(label);
        assert!(!places.is_empty(), "{label} is not there");
        assert!(!self.shows(sentence), "{sentence} is said anyway");
        let found = places.into_iter().any(|place| {
            self.harness.hover_at(place.center());
            self.steps(8);
            let shown = self.shows(sentence);
            self.harness.hover_at(FREE);
            self.steps(4);
            shown
        });
        assert!(found, "{label} does not say {sentence}");
    }
}

fn scene() -> Arc<Scene> {
    let size = Size::square(640);
    let picture = Arc::new(RgbImage::from_pixel(640, 640, image::Rgb([114; 3])));
    let bbox = BoundingBox::from_center(320.0, 320.0, 100.0, 80.0);
    Arc::new(Scene {
        path: PathBuf::from("a.jpg"),
        size,
        letterbox: Letterbox::fit(size, size, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: vec![SceneLabel { class: 0, name: "cat".into(), bbox }],
        warnings: Vec::new(),
    })
}

// ---- the tour

#[test]
fn the_tour_comes_at_the_first_start_alone_and_not_over_files_that_were_named() {
    let size = [1280.0, 800.0];
    assert_eq!(Window::open(size, first_start(), None, Options::default()).tour(), Some(Stop::Images));
    assert_eq!(Window::open(size, Settings::default(), None, Options::default()).tour(), None);
    let mut named = Window::open(size, first_start(), None, with_image());
    assert_eq!(named.tour(), None);
    // It can be taken all the same.
    named.press(Modifiers::COMMAND, Key::K);
    named.harness.get_by_label("Find a command").type_text("take the tour");
    named.steps(2);
    named.press(Modifiers::NONE, Key::Enter);
    assert_eq!((named.tour(), named.app().state.overlay), (Some(Stop::Images), None));
}

#[test]
fn that_the_tour_was_shown_is_written_as_soon_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    assert!(Settings::read(&path).0.tour_due);
    let mut window = Window::open([1280.0, 800.0], Settings::read(&path).0, Some(path.clone()), Options::default());
    let start = Instant::now();
    while !path.is_file() {
        assert!(start.elapsed() < Duration::from_secs(4), "not written before the settings' own time");
        std::thread::sleep(Duration::from_millis(5));
        window.steps(1);
    }
    // As a crash would leave it: the tour is still on screen.
    assert_eq!(window.tour(), Some(Stop::Images));
    let (settings, message) = Settings::read(&path);
    assert_eq!((settings.tour_due, message), (false, None));
}

#[test]
fn the_tour_goes_by_keys_and_by_buttons_and_can_be_skipped() {
    let mut window = Window::toured([1280.0, 800.0]);
    assert!(window.shows("1 / 5"));
    for (key, stop) in [(Key::Enter, Stop::Models), (Key::ArrowRight, Stop::Picture), (Key::ArrowLeft, Stop::Models)] {
        window.press(Modifiers::NONE, key);
        assert_eq!(window.tour(), Some(stop));
        assert!(window.shows(stop.text()));
    }
    window.harness.get_by_label("Next").click();
    window.steps(3);
    assert_eq!(window.tour(), Some(Stop::Picture));
    window.press(Modifiers::NONE, Key::Enter);
    window.press(Modifiers::NONE, Key::Enter);
    assert!(window.shows("5 / 5") && !window.shows("Skip the tour"));
    window.harness.get_by_label("Done").click();
    window.steps(3);
    assert_eq!(window.tour(), None);
    assert!(Stop::ALL.iter().all(|stop| !window.shows(stop.text())));

    window.set(Command::TakeTour);
    window.harness.get_by_label("Skip the tour").click();
    window.steps(3);
    assert_eq!(window.tour(), None);
    window.set(Command::TakeTour);
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.tour(), None);
}

#[test]
fn under_a_sheet_the_tour_waits_and_takes_no_key() {
    let mut window = Window::toured([1280.0, 800.0]);
    window.press(Modifiers::NONE, Key::F1);
    assert!(!window.shows(Stop::Images.text()));
    window.press(Modifiers::NONE, Key::ArrowRight);
    assert_eq!((window.tour(), window.app().state.overlay), (Some(Stop::Images), Some(Overlay::Keys)));
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!((window.tour(), window.app().state.overlay), (Some(Stop::Images), None));
    assert!(window.shows(Stop::Images.text()));
    // While something is typed its letters and arrows belong to it.
    window.press(Modifiers::COMMAND, Key::F);
    window.press(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(window.tour(), Some(Stop::Images));
}

#[test]
fn the_talk_ends_the_tour() {
    let mut window = Window::toured([1280.0, 800.0]);
    window.press(Modifiers::NONE, Key::F5);
    assert!(window.app().state.talk.on);
    assert!(!window.shows(Stop::Images.text()));
    window.press(Modifiers::NONE, Key::Escape);
    assert_eq!(window.tour(), None);
}

/// A bubble by its text, its counter and its buttons, with its margin.
fn bubble(window: &Window, stop: Stop) -> Rect {
    let counter = format!("{} / 5", stop as usize + 1);
    let next = if stop == Stop::Run { "Done" } else { "Next" };
    let parts = [stop.text(), &counter, next, "Back"].map(|label| window.rect(label));
    parts.into_iter().reduce(Rect::union).expect("four parts").expand(12.0)
}

#[test]
fn a_bubble_covers_nothing_that_it_speaks_of_in_a_small_window_too() {
    for size in [[1280.0, 800.0], [960.0, 600.0]] {
        for run_panel in [false, true] {
            let mut window = Window::toured(size);
            if run_panel {
                window.set(Command::ToggleRunPanel);
            }
            for stop in Stop::ALL {
                assert_eq!(window.tour(), Some(stop));
                // What was scrolled to has arrived after some frames.
                window.steps(8);
                let bubble = bubble(&window, stop);
                let whole = Rect::from_min_size(egui::Pos2::ZERO, size.into());
                assert!(whole.contains_rect(bubble), "{stop:?}: {bubble:?} in {size:?}");
                let of: &[&str] = match stop {
                    Stop::Images => &["Search images"],
                    Stop::Models => &["Open teacher…", "Open student…"],
                    Stop::Picture => &["Anchors", "Difference", "Fit"],
                    Stop::Mask => &["ψ", "per-scale"],
                    Stop::Run => &["Run panel", "Start"],
                };
                for label in of {
                    let places = window.rects(label);
                    assert!(!places.is_empty(), "{label}");
                    for place in places.into_iter().filter(|place| place.is_positive()) {
                        assert!(!bubble.intersect(place).is_positive(), "{stop:?} covers {label} in {size:?}");
                    }
                }
                window.press(Modifiers::NONE, Key::Enter);
            }
            assert_eq!(window.tour(), None);
        }
    }
}

// ---- sheets

#[test]
fn the_sheet_of_keys_fits_a_small_screen_in_both_languages() {
    for language in [LanguageChoice::English, LanguageChoice::Chinese] {
        let settings = Settings { language, ..Settings::default() };
        let mut window = Window::open([1280.0, 800.0], settings, None, with_image());
        window.press(Modifiers::NONE, Key::F1);
        window.steps(5);
        let of = |english: &'static str| {
            let spoken = language.language().unwrap_or(Language::English);
            distillscope::language::within(spoken, || distillscope::language::tr(english).to_owned())
        };
        let note = window.rect(&of(
            "Wheel: zoom around the pointer. Drag: move. Double click: fit. Click: explain a cell. Shift and click: solo a box.",
        ));
        assert!(note.bottom() < 800.0, "{note:?}");
        // Every command with a key is above the last line, so that nothing has to be scrolled to.
        let state = &window.app().state;
        let spoken = language.language().unwrap_or(Language::English);
        let labels: Vec<String> = distillscope::language::within(spoken, || {
            let commands = Command::catalogue(state).into_iter();
            let commands = commands.filter(|command| !command.shortcuts().is_empty());
            commands.map(|command| command.label()).collect()
        });
        assert!(labels.len() > 40, "{}", labels.len());
        for label in labels {
            let inside = |place: &Rect| place.bottom() <= note.top() && place.right() < 1280.0;
            assert!(window.rects(&label).iter().any(inside), "{label} in {language:?}");
        }
        assert!(window.shows(&of("Leave the talk")));
    }
}

#[test]
fn the_sheet_of_terms_explains_every_one() {
    let mut window = Window::on_scene();
    window.press(Modifiers::SHIFT, Key::F1);
    assert_eq!(window.app().state.overlay, Some(Overlay::Terms));
    for (_, terms) in Term::GROUPS {
        for term in terms {
            assert!(window.shows(term.explanation()), "{term:?}");
        }
    }
    window.press(Modifiers::SHIFT, Key::F1);
    assert_eq!(window.app().state.overlay, None);
}

// ---- terms where they stand

#[test]
fn the_inspectors_terms_say_what_they_are() {
    let mut window = Window::on_scene();
    window.set(Command::SetLoss(Loss::FEATURES));
    let said = [
        ("ψ", Term::Psi),
        ("Level rule", Term::LevelRule),
        ("IoU", Term::Iou),
        ("Tap", Term::Tap),
        ("Adapter", Term::Adapter),
        ("Difference", Term::Difference),
        ("Sort by M", Term::BestIou),
        ("Sort by ψM", Term::Threshold),
        ("hits", Term::Hits),
        ("mask", Term::MaskCells),
        ("loss", Term::Distance),
    ];
    for (name, term) in said {
        assert!(window.shows(&format!("{name}: {}", term.explanation())), "{name}");
    }
}

#[test]
fn the_set_ups_terms_say_what_they_are() {
    let mut window = Window::on_scene();
    window.set(Command::SetLoss(Loss::FEATURES));
    window.set(Command::SetRunTab(RunTab::SetUp));
    for fold in ["Imitation", "Optimisation"] {
        // By its name: the second fold lies below what the panel shows.
        window.harness.get_by_label(fold).click_accesskit();
        window.steps(8);
    }
    let said = [
        ("IoU", Term::IouConvention),
        ("λ warm-up", Term::LambdaWarmUp),
        ("Seed", Term::Seed),
        ("Nominal batch", Term::NominalBatch),
        ("Averaged weights", Term::Averaged),
    ];
    for (name, term) in said {
        assert!(window.shows(&format!("{name}: {}", term.explanation())), "{name}");
    }
    // Once in the inspector and once in the set-up.
    for (name, term) in [("ψ", Term::Psi), ("Level rule", Term::LevelRule), ("Tap", Term::Tap)] {
        assert_eq!(window.rects(&format!("{name}: {}", term.explanation())).len(), 2, "{name}");
    }
}

#[test]
fn a_term_explains_itself_where_the_pointer_rests_on_it() {
    let mut window = Window::on_scene();
    let psi = format!("ψ: {}", Term::Psi.explanation());
    window.explains(&psi, Term::Psi.explanation());
    window.explains("IMITATION", Term::Mask.explanation());
    window.explains("GROUND TRUTHS (1)", Term::GroundTruth.explanation());
    window.explains("Teacher", Term::Teacher.explanation());
    window.explains("Student", Term::Student.explanation());
    window.explains("No cell", Term::Cell.explanation());
    window.explains("P4", Term::Scale.explanation());
    window.explains(
        "9 anchors on 3 scales: YOLOv5's defaults for COCO, because no model is open.",
        Term::Anchor.explanation(),
    );
    window.set(Command::SetRunTab(RunTab::SetUp));
    window.explains("batch", Term::Batch.explanation());
    window.explains("epochs", Term::Epoch.explanation());
    window.explains("steps", Term::Step.explanation());
    window.explains("λ", Term::Lambda.explanation());
    window.explains("with and without imitation", Term::Pair.explanation());
}
