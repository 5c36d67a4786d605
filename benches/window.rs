//! UI-thread time of one frame of the whole window at 1600 × 1000 points: 100 boxes on a 640 px input, feature maps of
//! yolov5l's size, reports, panels, canvas and tessellation included, the GPU's work not.

mod common;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use common::{INPUT, comparison, scene};
use criterion::{Criterion, criterion_group, criterion_main};
use distillscope::app::command::Command;
use distillscope::app::run::RunTab;
use distillscope::app::settings::Settings;
use distillscope::app::update::apply;
use distillscope::app::view::Layer;
use distillscope::imitation::choice::Loss;
use distillscope::imitation::difference::DifferenceKind;
use distillscope::imitation::mask::{IouConvention, IouField};
use distillscope::inspect::{CompareRequest, Role, Tap};
use distillscope::shell::{App, Backend, Options};
use distillscope::story::Step;
use distillscope::train::event::StepRecord;
use distillscope::worker::{EarlierRun, Job, JobKind, ModelCard, Report};
use distillscope::yolo::anchors::default_anchors;

/// Reports that the bench hands over; jobs go nowhere.
#[derive(Clone, Default)]
struct Handed(Rc<RefCell<VecDeque<Report>>>);

impl Handed {
    fn hand(&self, report: Report) {
        self.0.borrow_mut().push_back(report);
    }
}

impl Backend for Handed {
    fn send(&self, _: Job) {}

    fn cancel(&self, _: JobKind) {}

    fn try_recv(&self) -> Option<Report> {
        self.0.borrow_mut().pop_front()
    }
}

fn card(path: &str) -> Arc<ModelCard> {
    Arc::new(ModelCard {
        path: path.into(),
        file_bytes: 1,
        format: "PyTorch checkpoint".to_owned(),
        names: Vec::new(),
        anchors: default_anchors(),
        parameters: 1,
        gflops: None,
        tensors_loaded: 1,
        tensors_total: 1,
        seconds: 0.0,
        report: String::new(),
        warnings: Vec::new(),
    })
}

fn frames(criterion: &mut Criterion) {
    let ctx = egui::Context::default();
    let backend = Handed::default();
    let options = Options {
        image: Some("bench.jpg".into()),
        teacher: Some("l.pt".into()),
        student: Some("s.pt".into()),
        device: "auto".to_owned(),
        ..Options::default()
    };
    let mut app = App::new(&ctx, backend.clone(), Settings::default(), None, &options);
    let scene = scene();
    let anchors = default_anchors();
    let field = Arc::new(IouField::compute(&anchors, INPUT, &scene.boxes(), IouConvention::Exact));
    backend.hand(Report::Loaded { role: Role::Teacher, card: card("l.pt") });
    backend.hand(Report::Loaded { role: Role::Student, card: card("s.pt") });
    backend.hand(Report::Scene(Arc::clone(&scene)));
    backend.hand(Report::Field { scene: Arc::clone(&scene), anchors, convention: IouConvention::Exact, field });
    apply(&mut app.state, Command::SetLoss(Loss::FEATURES));
    backend.hand(Report::Compared {
        scene,
        request: CompareRequest { tap: Tap::Neck, loss: Loss::FEATURES, ..CompareRequest::default() },
        comparison: comparison(),
    });

    let mut time = 0.0;
    let mut frame = |app: &mut App<Handed>, events: Vec<egui::Event>| {
        time += 1.0 / 60.0;
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1600.0, 1000.0))),
            time: Some(time),
            max_texture_side: Some(16384),
            events,
            ..egui::RawInput::default()
        };
        let output = ctx.run_ui(input, |ui| {
            app.tick(&ctx);
            app.draw(ui);
        });
        ctx.tessellate(output.shapes, 1.0)
    };
    for _ in 0..5 {
        frame(&mut app, Vec::new());
    }
    assert!(app.state.mask.is_some() && app.state.comparison.is_some(), "the bench draws an empty window");

    // A run and its baseline of 100,000 steps each, with three scales, all in the panel at the window's foot.
    const STEPS: u64 = 100_000;
    apply(&mut app.state, Command::ToggleRunPanel);
    for name in ["imitation", "baseline"] {
        let steps = (0..STEPS).map(|step| {
            let value = ((step * 2_654_435_761) % 1000) as f64 / 1000.0 + 1.0;
            StepRecord {
                step,
                total: value,
                box_loss: value,
                objectness: value,
                class: value,
                imitation: vec![value; 3],
                distance: vec![Some(value); 3],
                ..StepRecord::default()
            }
        });
        let folder = std::path::PathBuf::from("bench").join(name);
        let scales = ["P3", "P4", "P5"].map(str::to_owned).to_vec();
        let run = EarlierRun { folder, scales, steps: steps.collect(), ..EarlierRun::default() };
        backend.hand(Report::EarlierRun(Box::new(run)));
        for _ in 0..3 {
            frame(&mut app, Vec::new());
        }
        let runs = app.state.runs.histories.len();
        assert!(app.state.runs.open && runs > 0, "the bench draws no curves");
        let name = format!("window/frame at rest, curves of {runs} x 100,000 steps");
        criterion.bench_function(&name, |bench| bench.iter(|| frame(&mut app, Vec::new())));
    }
    apply(&mut app.state, Command::SetRunTab(RunTab::SetUp));
    criterion.bench_function("window/frame at rest, set-up", |bench| bench.iter(|| frame(&mut app, Vec::new())));
    apply(&mut app.state, Command::ToggleRunPanel);

    let mut step = 0_usize;
    criterion.bench_function("window/frame at rest", |bench| bench.iter(|| frame(&mut app, Vec::new())));
    criterion.bench_function("window/frame, the pointer moves", |bench| {
        bench.iter(|| {
            step += 1;
            let at = egui::pos2(400.0 + (step % 300) as f32, 300.0);
            frame(&mut app, vec![egui::Event::PointerMoved(at)])
        });
    });
    for layer in [Layer::Mask, Layer::Difference] {
        apply(&mut app.state, Command::SetLayer(layer));
        criterion.bench_function(&format!("window/frame, psi moves, {}", layer.name()), |bench| {
            bench.iter(|| {
                step += 1;
                apply(&mut app.state, Command::SetPsi((step % 100) as f32 / 100.0));
                frame(&mut app, Vec::new())
            });
        });
    }
    apply(&mut app.state, Command::ToggleTalk);
    for step in Step::ALL {
        apply(&mut app.state, Command::SeekTalk(step as usize));
        let name = format!("window/frame at rest, talk, {}", step.name());
        criterion.bench_function(&name, |bench| bench.iter(|| frame(&mut app, Vec::new())));
    }
    apply(&mut app.state, Command::ToggleTalk);
    criterion.bench_function("window/frame, another kind of difference", |bench| {
        bench.iter(|| {
            step += 1;
            apply(&mut app.state, Command::SetDifference(Some(DifferenceKind::ALL[step % 4])));
            frame(&mut app, Vec::new())
        });
    });
}

criterion_group!(benches, frames);
criterion_main!(benches);
