//! The window on an invisible screen, with a worker that does nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use distillscope::app::settings::Settings;
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::grid::Grid;
use distillscope::imitation::choice::{CellTerm, CellTerms};
use distillscope::inspect::{AdapterChoice, CompareRequest, Comparison, Scene, SceneLabel};
use distillscope::shell::{App, Backend, Options};
use distillscope::worker::{Job, JobKind, ModelCard, Report};
use distillscope::yolo::anchors::AnchorScale;
use egui_kittest::Harness;
use image::RgbImage;

/// Keeps what it was asked and says what the test has put there.
#[derive(Clone, Default)]
pub struct Fake(pub Rc<RefCell<Desk>>);

#[derive(Default)]
pub struct Desk {
    pub jobs: Vec<Job>,
    pub cancelled: Vec<JobKind>,
    pub reports: VecDeque<Report>,
}

impl Backend for Fake {
    fn send(&self, job: Job) {
        self.0.borrow_mut().jobs.push(job);
    }

    fn cancel(&self, kind: JobKind) {
        self.0.borrow_mut().cancelled.push(kind);
    }

    fn try_recv(&self) -> Option<Report> {
        self.0.borrow_mut().reports.pop_front()
    }
}

/// The app is made in the first frame, because it wants a context.
pub type Screen = Harness<'static, Option<App<Fake>>>;

/// A window of this size in points, two frames old, whose settings are written nowhere.
pub fn open(size: [f32; 2], settings: Settings, options: Options) -> (Screen, Fake) {
    open_at(size, settings, None, options)
}

/// The same with a file for its settings.
pub fn open_at(size: [f32; 2], settings: Settings, path: Option<PathBuf>, options: Options) -> (Screen, Fake) {
    let fake = Fake::default();
    let backend = fake.clone();
    let mut screen =
        Harness::builder().with_size(size).with_context_setup(distillscope::ui::style::install).build_ui_state(
            move |ui, slot: &mut Option<App<Fake>>| {
                let ctx = ui.ctx().clone();
                let app = slot
                    .get_or_insert_with(|| App::new(&ctx, backend.clone(), settings.clone(), path.clone(), &options));
                app.tick(&ctx);
                app.draw(ui);
            },
            None,
        );
    screen.run_steps(2);
    (screen, fake)
}

/// A grey image of 640 × 640 px with a box of 400 × 300 and one of 16 × 16.
pub fn scene() -> Arc<Scene> {
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

/// What the worker answers once both models have seen a scene, with the best linear adapter.
pub fn compared(scene: Arc<Scene>, comparison: Arc<Comparison>) -> Report {
    let (tap, loss) = (comparison.tap, comparison.loss);
    let request = CompareRequest { tap, adapter: AdapterChoice::LeastSquares, loss };
    Report::Compared { scene, request, comparison }
}

/// The terms of a loss that is half the mean of these squares, over what counts.
pub fn half_mean(squares: Grid) -> Option<Arc<CellTerms>> {
    let ones = Grid::filled(squares.width(), squares.height(), 1.0);
    let term = CellTerm { name: "squared", factor: 0.5, value: squares, weight: ones.clone(), masked: true };
    Some(Arc::new(CellTerms { terms: vec![term], emphasis: ones }))
}

/// What a model's file said, as far as a test looks at it.
pub fn card(path: impl AsRef<Path>, names: &[String], anchors: &[AnchorScale]) -> Arc<ModelCard> {
    Arc::new(ModelCard {
        path: path.as_ref().to_owned(),
        file_bytes: 1,
        format: "safetensors".into(),
        names: names.to_vec(),
        anchors: anchors.to_vec(),
        parameters: 1,
        gflops: None,
        tensors_loaded: 1,
        tensors_total: 1,
        seconds: 0.0,
        report: String::new(),
        warnings: Vec::new(),
    })
}

/// An image, its dataset and both models, by name.
pub fn files_named() -> Options {
    Options {
        image: Some("a.jpg".into()),
        data: Some("d/data.yaml".into()),
        teacher: Some("l.pt".into()),
        student: Some("s.pt".into()),
        ..Options::default()
    }
}
