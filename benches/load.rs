//! What the window takes for the largest things that it may be shown: a list of 100,000 images, an image with 2,000 boxes, runs
//! of a million steps. The longest frame of each, in milliseconds of the UI thread, and the memory at the end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use distillscope::app::command::Command;
use distillscope::app::run::RunTab;
use distillscope::app::settings::Settings;
use distillscope::app::update::apply;
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::imitation::mask::{IouConvention, IouField};
use distillscope::inspect::{Scene, SceneLabel};
use distillscope::shell::{App, Backend, Options};
use distillscope::train::event::StepRecord;
use distillscope::worker::{DatasetBrief, EarlierRun, Job, JobKind, Report};
use distillscope::yolo::anchors::default_anchors;

const INPUT: Size = Size::square(640);
const IMAGES: usize = 100_000;
const BOXES: usize = 2_000;
const STEPS: u64 = 1_000_000;

#[derive(Clone, Default)]
struct Handed(Rc<RefCell<VecDeque<Report>>>);

impl Backend for Handed {
    fn send(&self, _: Job) {}

    fn cancel(&self, _: JobKind) {}

    fn try_recv(&self) -> Option<Report> {
        self.0.borrow_mut().pop_front()
    }
}

struct Window {
    ctx: egui::Context,
    app: App<Handed>,
    backend: Handed,
    time: f64,
}

impl Window {
    fn new() -> Self {
        let (ctx, backend) = (egui::Context::default(), Handed::default());
        let options = Options { image: Some("bench.jpg".into()), device: "cpu".to_owned(), ..Options::default() };
        let app = App::new(&ctx, backend.clone(), Settings::default(), None, &options);
        Self { ctx, app, backend, time: 0.0 }
    }

    /// ms.
    fn frame(&mut self, events: Vec<egui::Event>) -> f64 {
        self.time += 1.0 / 60.0;
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1600.0, 1000.0))),
            time: Some(self.time),
            max_texture_side: Some(16384),
            events,
            ..egui::RawInput::default()
        };
        let begin = Instant::now();
        let app = &mut self.app;
        let output = self.ctx.run_ui(input, |ui| {
            app.tick(&self.ctx);
            app.draw(ui);
        });
        std::hint::black_box(self.ctx.tessellate(output.shapes, 1.0));
        1e3 * begin.elapsed().as_secs_f64()
    }

    /// Frames until all reports are taken in and three more; the longest of them.
    fn settle(&mut self, what: &str, reports: Vec<Report>) {
        self.backend.0.borrow_mut().extend(reports);
        let (mut longest, mut frames, mut rest) = (0.0_f64, 0, 3);
        while rest > 0 {
            if self.backend.0.borrow().is_empty() && !self.app.state.runs.is_taking_in() {
                rest -= 1;
            }
            longest = longest.max(self.frame(Vec::new()));
            frames += 1;
        }
        say(&format!("{what} ({frames} frames)"), longest);
    }

    /// A command before each of some frames.
    fn moving(&mut self, what: &str, mut change: impl FnMut(&mut Self, usize) -> Vec<egui::Event>) {
        let mut times: Vec<f64> = Vec::new();
        for index in 0..40 {
            let events = change(self, index);
            times.push(self.frame(events));
        }
        say(what, times.into_iter().fold(0.0, f64::max));
    }
}

#[allow(clippy::print_stdout, reason = "a bench says what it measured")]
fn say(what: &str, longest: f64) {
    println!("| {what} | {longest:.1} | {} |", if longest > 16.0 { "above 16" } else { "" });
}

fn pointer(index: usize) -> Vec<egui::Event> {
    vec![egui::Event::PointerMoved(egui::pos2(500.0 + 7.0 * index as f32, 300.0 + 12.0 * index as f32))]
}

fn run(name: &str) -> Report {
    let record = |step: u64| {
        let value = ((step * 2_654_435_761) % 1000) as f64 / 1000.0 + 1.0;
        StepRecord {
            step,
            total: value,
            box_loss: value,
            objectness: value,
            class: value,
            imitation: vec![value; 3],
            distance: vec![Some(value); 3],
            mask_cells: vec![9; 3],
            mask_share: vec![0.1; 3],
            seconds: 0.1,
            images: 16,
            ..StepRecord::default()
        }
    };
    let scales = ["P3", "P4", "P5"].map(str::to_owned).to_vec();
    let (folder, steps) = (std::path::PathBuf::from("bench").join(name), (0..STEPS).map(record).collect());
    Report::EarlierRun(Box::new(EarlierRun { folder, scales, steps, ..EarlierRun::default() }))
}

fn main() {
    let mut window = Window::new();
    window.settle("the window opens", Vec::new());

    let brief = DatasetBrief { source: "data.yaml".into(), ..DatasetBrief::default() };
    let images: Vec<std::path::PathBuf> = (0..IMAGES).map(|index| format!("images/{index:06}.jpg").into()).collect();
    let batches = images
        .chunks(4096)
        .enumerate()
        .map(|(index, batch)| Report::Images { images: batch.to_vec(), done: (index + 1) * 4096 >= IMAGES });
    let reports = std::iter::once(Report::Dataset(brief)).chain(batches).collect();
    window.settle("a list of 100,000 images arrives", reports);
    window.moving("the pointer moves beside it", |_, index| pointer(index));

    let size = Size::new(1280, 960);
    let labels = (0..BOXES).map(|k| {
        let (x, y) = ((k * 61 % 1200) as f32 + 20.0, (k * 97 % 880) as f32 + 20.0);
        let bbox = BoundingBox::from_center(x, y, 8.0 + (k * 7 % 60) as f32, 8.0 + (k * 13 % 60) as f32);
        SceneLabel { class: k % 80, name: format!("class {}", k % 80), bbox }
    });
    let picture = Arc::new(image::RgbImage::from_pixel(size.width, size.height, image::Rgb([90, 120, 60])));
    let scene = Arc::new(Scene {
        path: "bench.jpg".into(),
        size,
        letterbox: Letterbox::fit(size, INPUT, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: labels.collect(),
        warnings: Vec::new(),
    });
    let anchors = default_anchors();
    let field = Arc::new(IouField::compute(&anchors, INPUT, &scene.boxes(), IouConvention::Exact));
    let field = Report::Field { scene: Arc::clone(&scene), anchors, convention: IouConvention::Exact, field };
    window.settle("an image with 2,000 boxes arrives", vec![Report::Scene(scene), field]);
    window.moving("the pointer moves over it", |_, index| pointer(index));
    window.moving("psi moves", |window, index| {
        apply(&mut window.app.state, Command::SetPsi(index as f32 / 40.0));
        Vec::new()
    });

    apply(&mut window.app.state, Command::ToggleRunPanel);
    for name in ["imitation", "baseline"] {
        window.settle(&format!("a run of 1,000,000 steps arrives: {name}"), vec![run(name)]);
    }
    apply(&mut window.app.state, Command::SetRunTab(RunTab::Curves));
    window.moving("its curves at rest", |_, _| Vec::new());
    window.moving("the pointer moves over its curves", |_, index| {
        vec![egui::Event::PointerMoved(egui::pos2(300.0 + 20.0 * index as f32, 850.0))]
    });
    apply(&mut window.app.state, Command::SetRunTab(RunTab::Paired));
    window.moving("beside its baseline", |_, _| Vec::new());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        let gib = peak.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) / f64::from(1 << 20);
        say_memory(gib);
    }
}

#[allow(clippy::print_stdout, reason = "a bench says what it measured")]
fn say_memory(gib: f64) {
    println!("| memory at most, what the bench itself hands over among it | {gib:.2} GiB | |");
}
