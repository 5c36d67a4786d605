//! The review in the window, found by the names that a screen reader says: started, stopped, ordered, filtered, followed to
//! the object on its image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use distillscope::app::command::Command;
use distillscope::app::derive::figure::drawing;
use distillscope::app::figure::FigureWhat;
use distillscope::app::review::{ReviewKind, ReviewOrder, ReviewView};
use distillscope::app::settings::Settings;
use distillscope::app::update::apply;
use distillscope::dataset::{Label, Split};
use distillscope::figure::{Draw, Look};
use distillscope::geometry::BoundingBox;
use distillscope::inspect::{Role, Scene};
use distillscope::review::confusion::Confusion;
use distillscope::review::matching::{Outcome, OutcomeKind, Seen};
use distillscope::review::sums::Change;
use distillscope::review::{Calibration, ImageReview, ModelReview, Object, Review};
use distillscope::survey::ObjectSize;
use distillscope::train::evaluate::Evaluation;
use distillscope::train::event::RunControl;
use distillscope::worker::{DatasetBrief, Job, JobKind, ModelBrief, Report, ReviewRequest};
use distillscope::yolo::detection::Detection;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;

use crate::common::{Fake, Screen, files_named, open, scene};

struct Window {
    harness: Screen,
    fake: Fake,
}

impl Window {
    /// With a dataset and both models, the tab open.
    fn open() -> Self {
        let (harness, fake) = open([1600.0, 1000.0], Settings::default(), files_named());
        let mut window = Self { harness, fake };
        window.harness.key_press_modifiers(Modifiers::COMMAND, Key::R);
        window.harness.run_steps(3);
        window.click("Review");
        let brief = DatasetBrief { source: "d/data.yaml".into(), split: Some("val".into()), ..DatasetBrief::default() };
        window.report(Report::Dataset(brief));
        window
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(3);
    }

    fn report(&mut self, report: Report) {
        self.fake.0.borrow_mut().reports.push_back(report);
        self.harness.run_steps(3);
    }

    fn set(&mut self, command: Command) {
        let app = self.harness.state_mut().as_mut().expect("the first frame makes it");
        for effect in apply(&mut app.state, command) {
            if let distillscope::app::update::effect::Effect::Send(job) = effect {
                self.fake.0.borrow_mut().jobs.push(job);
            }
        }
        self.harness.run_steps(3);
    }

    fn view(&self) -> ReviewView {
        self.harness.state().as_ref().expect("an app").state.review.view.clone()
    }

    fn rows(&self) -> Vec<usize> {
        let state = &self.harness.state().as_ref().expect("an app").state;
        state.review.result.as_ref().expect("a review").rows.clone()
    }

    fn solo(&self) -> Option<usize> {
        self.harness.state().as_ref().expect("an app").state.solo
    }

    /// The review that the worker was last asked for.
    fn asked(&self) -> (ReviewRequest, Arc<RunControl>) {
        let jobs = &self.fake.0.borrow().jobs;
        let found = jobs.iter().rev().find_map(|job| match job {
            Job::Review { request, control } => Some(((**request).clone(), Arc::clone(control))),
            _ => None,
        });
        found.expect("a review was asked for")
    }

    /// The review of [`review`] on the screen.
    fn reviewed() -> Self {
        let mut window = Self::open();
        window.click("Review the models");
        let request = Box::new(window.asked().0);
        window.report(Report::Review { request, review: Arc::new(review()) });
        window
    }
}

fn model(role: &str, map50: f64) -> ModelReview {
    ModelReview {
        role: role.to_owned(),
        path: PathBuf::from(format!("{role}.pt")),
        evaluation: Evaluation { map50, map50_95: map50 / 2.0, ..Evaluation::default() },
        curves: vec![None; 2],
        confusion: Confusion::new(2),
        calibration: Calibration::of(&[], 0.25),
        knows: vec![true; 2],
    }
}

fn object(image: usize, index: usize, class: usize, mask_cells: usize, kinds: [OutcomeKind; 2]) -> Object {
    let side = if class == 0 { 20.0 } else { 100.0 };
    let label = Label { class, bbox: BoundingBox::new(0.0, 0.0, side, side) };
    let outcome = |kind: OutcomeKind| {
        let detection = Detection { bbox: label.bbox, class, score: 0.75 };
        Some(Outcome { kind, seen: (kind != OutcomeKind::Missed).then_some(Seen { detection, iou: 0.9 }) })
    };
    Object {
        image,
        index,
        label,
        size: ObjectSize::of(&label.bbox),
        scale: Some(class),
        mask_cells,
        outcomes: kinds.map(outcome).to_vec(),
        highest_score: 0.0,
    }
}

/// Two images with five objects: kept, lost, never, won, lost from the teacher to the student.
fn review() -> Review {
    use OutcomeKind::{Found, Missed, PoorlyPlaced, WrongClass};
    let image = |path: &str, objects, distance, loss| ImageReview {
        path: path.into(),
        error: None,
        objects,
        mask_cells: vec![1, 1],
        distance,
        losses: vec![0.5, loss],
    };
    Review {
        models: vec![model("teacher", 0.9), model("student", 0.5)],
        names: vec!["cat".into(), "dog".into()],
        scales: vec!["P3".into(), "P4".into()],
        images: vec![
            image("a.jpg", 2, Some(0.25), 3.0),
            image("b.jpg", 3, Some(0.75), 1.0),
            ImageReview::unusable("c.jpg".into(), "cut short".into()),
        ],
        objects: vec![
            object(0, 0, 0, 8, [Found, Found]),
            object(0, 1, 1, 30, [Found, Missed]),
            object(1, 0, 0, 5, [Missed, Missed]),
            object(1, 1, 1, 40, [PoorlyPlaced, Found]),
            object(1, 2, 1, 20, [Found, WrongClass]),
        ],
        unmatched: Vec::new(),
        images_of_split: 3,
        notes: Vec::new(),
    }
}

#[test]
fn a_review_is_asked_for_from_what_is_open_and_stops_with_what_is_done() {
    let mut window = Window::open();
    window.harness.get_by_label("No review yet");
    window.click("Review the models");
    let (request, control) = window.asked();
    assert_eq!((&*request.data, request.split), (Path::new("d/data.yaml"), Some(Split::Val)));
    assert_eq!((&*request.teacher, &*request.student), (Path::new("l.pt"), Path::new("s.pt")));
    let options = request.options;
    assert_eq!((options.imgsz, options.batch, options.confidence, options.iou), (640, 8, 0.25, 0.5));
    let kind = JobKind::Review;
    window.report(Report::Started { kind, what: "d/data.yaml".into() });
    window.report(Report::Progress { kind, stage: "running the models".into(), fraction: Some(0.5) });
    window.harness.get_by_label("running the models · 50 %");
    window.click("Stop the review");
    assert!(control.is_stopped());
    let part = Review { images_of_split: 9, ..review() };
    window.report(Report::Review { request: Box::new(request.clone()), review: Arc::new(part) });
    window.report(Report::Finished { kind });
    window.harness.get_by_label("5 of 5 objects · 2 images · stopped; the split has 9 images · 1 image left out");
    // An answer to something else is dropped.
    let other = ReviewRequest { split: Some(Split::Test), ..request };
    let none = Review { objects: Vec::new(), ..review() };
    window.report(Report::Review { request: Box::new(other), review: Arc::new(none) });
    assert_eq!(window.rows().len(), 5);
}

#[test]
fn without_models_it_says_what_it_needs() {
    let options = distillscope::shell::Options { teacher: None, student: None, ..files_named() };
    let (harness, fake) = open([1600.0, 1000.0], Settings::default(), options);
    let mut window = Window { harness, fake };
    window.harness.key_press_modifiers(Modifiers::COMMAND, Key::R);
    window.harness.run_steps(3);
    window.click("Review");
    window.harness.get_by_label("Open a dataset or a folder of images first.");
    let brief = DatasetBrief { source: "d/data.yaml".into(), split: Some("val".into()), ..DatasetBrief::default() };
    window.report(Report::Dataset(brief));
    window.harness.get_by_label("Open a teacher and a student first.");
}

#[test]
fn objects_stand_in_the_chosen_order() {
    let mut window = Window::reviewed();
    let orders = [
        (ReviewOrder::Lost, [1, 4, 0, 2, 3]),
        (ReviewOrder::Never, [2, 0, 1, 3, 4]),
        // The second image's first.
        (ReviewOrder::Distance, [2, 3, 4, 0, 1]),
        (ReviewOrder::Loss, [0, 1, 2, 3, 4]),
        (ReviewOrder::Missed, [1, 2, 0, 3, 4]),
        (ReviewOrder::WrongClass, [4, 0, 1, 2, 3]),
        (ReviewOrder::MaskCells, [2, 0, 4, 1, 3]),
    ];
    assert_eq!(orders.map(|(order, _)| order), ReviewOrder::ALL);
    for (order, expected) in orders {
        window.set(Command::EditReview(Box::new(ReviewView { order, ..window.view() })));
        assert_eq!(window.rows(), expected, "{order:?}");
    }
    window.harness.get_by_label("dog in a.jpg: missed, found");
    // From the teacher to the student two are lost, one on each image; the other way round one is.
    let lost = |window: &Window| {
        let review = &window.harness.state().as_ref().expect("an app").state.review;
        ["a.jpg", "b.jpg", "c.jpg"].map(|image| review.lost(Path::new(image)))
    };
    assert_eq!(lost(&window), [Some(1), Some(1), None]);
    window.harness.get_by_label("all: 1 won, 2 lost, 1 kept, 1 never");
    window.set(Command::EditReview(Box::new(ReviewView { of: 0, against: 1, ..window.view() })));
    window.harness.get_by_label("all: 2 won, 1 lost, 1 kept, 1 never");
    assert_eq!(lost(&window), [None, Some(1), None]);
    window.harness.get_by_label("student: mAP50 0.500, 2 found, 2 missed");
}

#[test]
fn objects_are_filtered_by_what_became_of_them_class_size_scale_and_path() {
    let mut window = Window::reviewed();
    let mut shown = |change: &dyn Fn(&mut ReviewView)| {
        let mut view = ReviewView { order: ReviewOrder::Loss, ..ReviewView::default() };
        change(&mut view);
        window.set(Command::EditReview(Box::new(view)));
        window.rows()
    };
    assert_eq!(shown(&|view| view.kind = ReviewKind::Changed(Change::Lost)), [1, 4]);
    assert_eq!(shown(&|view| view.kind = ReviewKind::Changed(Change::Won)), [3]);
    assert_eq!(shown(&|view| view.kind = ReviewKind::Became(OutcomeKind::WrongClass)), [4]);
    assert_eq!(shown(&|view| view.class = Some(0)), [0, 2]);
    assert_eq!(shown(&|view| view.size = Some(ObjectSize::Large)), [1, 3, 4]);
    assert_eq!(shown(&|view| view.scale = Some(0)), [0, 2]);
    assert_eq!(shown(&|view| view.text = " B.JPG ".into()), [2, 3, 4]);
    assert_eq!(shown(&|view| view.text = "nowhere".into()), [0; 0]);
    window.harness.get_by_label("No object is like that.");
    // Places that the review does not have are taken back.
    let senseless = ReviewView { of: 7, against: 7, class: Some(9), scale: Some(9), ..ReviewView::default() };
    window.set(Command::EditReview(Box::new(senseless)));
    assert_eq!((window.view().of, window.view().against, window.rows().len()), (1, 0, 5));
}

#[test]
fn a_click_opens_the_image_with_the_object_alone_and_the_next_one_follows() {
    let mut window = Window::reviewed();
    let here = scene();
    window.report(Report::Scene(Arc::clone(&here)));
    assert_eq!(window.solo(), None);
    // The lost object of the image that is open.
    window.click("dog in a.jpg: missed, found");
    assert_eq!(window.solo(), Some(1));
    // The next lost one is on another image: its ground truth is soloed once that has come.
    window.click("Next object");
    let asked = window.fake.0.borrow().jobs.iter().rev().find_map(|job| match job {
        Job::Scene(request) => Some(request.image.clone()),
        _ => None,
    });
    assert_eq!(asked, Some("b.jpg".into()));
    let labels = vec![here.labels[0].clone(), here.labels[1].clone(), here.labels[0].clone()];
    window.report(Report::Scene(Arc::new(Scene { path: "b.jpg".into(), labels, ..(*here).clone() })));
    assert_eq!(window.solo(), Some(2));
    window.click("Previous object");
    window.report(Report::Scene(here));
    assert_eq!(window.solo(), Some(1));
}

/// Everything that is drawn is drawn: with labels seven figures of two models, without any none.
#[test]
fn its_plots_are_saved_as_figures() {
    let window = Window::open();
    let none = drawing(&window.harness.state().as_ref().expect("an app").state, FigureWhat::Review);
    assert_eq!(none.err(), Some("There is no review yet."));
    let window = Window::reviewed();
    let drawn = drawing(&window.harness.state().as_ref().expect("an app").state, FigureWhat::Review).expect("plots");
    let names: Vec<String> = drawn.draw(&Look::default()).expect("figures").into_iter().map(|(name, _)| name).collect();
    let expected =
        ["precision-recall", "f1", "precision", "recall", "calibration", "confusion-teacher", "confusion-student"];
    assert_eq!(names, expected);
}

#[test]
fn a_review_goes_stale_with_what_it_is_of() {
    let mut window = Window::reviewed();
    window.harness.get_by_label("5 of 5 objects · 2 images · 1 image left out");
    window.set(Command::SetInputSize(320));
    window.harness.get_by_label("Stale: it is of another input size. Review again.");
    window.set(Command::SetInputSize(640));
    let brief = ModelBrief { path: "other.pt".into(), names: vec!["a".into()], anchors: Vec::new() };
    window.set(Command::OpenModel(Role::Student, "other.pt".into()));
    window.report(Report::Described { role: Role::Student, brief });
    window.harness.get_by_label("Stale: it is of other models. Review again.");
}
