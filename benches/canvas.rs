//! UI-thread time of one frame of the canvas: 100 boxes on a 640 px input, three panes, 1000 × 640 points, layout
//! and tessellation included, the GPU's work not.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use distillscope::app::view::{Camera, Hover, Layer, ViewSettings};
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::imitation::difference::FeatureStack;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::inspect::{Comparison, ScaleComparison, Scene, SceneLabel, Tap};
use distillscope::ui::canvas::{Canvas, CanvasModel};
use distillscope::ui::style;
use distillscope::yolo::anchors::AnchorScale;

const INPUT: Size = Size::square(640);

fn scene() -> Arc<Scene> {
    let picture = Arc::new(image::RgbImage::from_pixel(1280, 960, image::Rgb([90, 120, 60])));
    let size = Size::new(1280, 960);
    let labels = (0..100_usize).map(|k| {
        let (x, y) = ((k * 61 % 600) as f32 + 20.0, (k * 97 % 440) as f32 + 100.0);
        let bbox = BoundingBox::from_center(x, y, 12.0 + (k * 7 % 90) as f32, 12.0 + (k * 13 % 70) as f32);
        SceneLabel { class: k, name: format!("class {k}"), bbox }
    });
    Arc::new(Scene {
        path: "bench.jpg".into(),
        size,
        letterbox: Letterbox::fit(size, INPUT, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: labels.collect(),
        warnings: Vec::new(),
    })
}

/// yolov5l's neck: 256, 512 and 1024 channels.
fn comparison() -> Arc<Comparison> {
    let stack = |stride: u32, seed: u32| {
        let (channels, side) = (32 * stride as usize, (640 / stride) as usize);
        let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) ^ seed) as f32 / u32::MAX as f32;
        let values = (0..channels * side * side).map(value).collect();
        FeatureStack::new(channels, side, side, values).map(Arc::new).ok()
    };
    let scales = [8, 16, 32].map(|stride| ScaleComparison {
        stride,
        teacher: stack(stride, 1),
        student: stack(stride, 2),
        adapted: stack(stride, 3),
        adapter: "least-squares",
        fit: None,
        teacher_head: None,
        student_head: None,
    });
    Arc::new(Comparison {
        tap: Tap::Neck,
        scales: scales.to_vec(),
        teacher_detections: None,
        student_detections: None,
        teacher_seconds: None,
        student_seconds: None,
        notes: Vec::new(),
    })
}

fn frames(criterion: &mut Criterion) {
    let scene = scene();
    let scale = |stride: u32, anchors: [[f32; 2]; 3]| AnchorScale { stride, anchors: anchors.to_vec() };
    let anchors = [
        scale(8, [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]),
        scale(16, [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]]),
        scale(32, [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]]),
    ];
    let field = Arc::new(IouField::compute(&anchors, INPUT, &scene.boxes(), IouConvention::Exact));
    let mask = field.mask(Psi::default(), LevelRule::PerScale);
    let comparison = comparison();
    let ctx = egui::Context::default();
    style::install(&ctx);
    let mut canvas = Canvas::default();
    let mut frame = |view: &ViewSettings, mask_version: u64| {
        let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1000.0, 640.0));
        let input = egui::RawInput { screen_rect: Some(screen), ..egui::RawInput::default() };
        let output = ctx.run_ui(input, |ui| {
            let model = CanvasModel {
                scene: Some(&scene),
                anchors: &anchors,
                field: Some(&field),
                mask: Some(&mask),
                mask_version,
                comparison: Some(&comparison),
                view,
                camera: Camera::Fit,
                hover: Some(Hover { x: 300.0, y: 300.0, stride: 8 }),
                solo: None,
                message: None,
            };
            black_box(canvas.show(ui, &model));
        });
        black_box(ctx.tessellate(output.shapes, output.pixels_per_point));
    };
    let mut group = criterion.benchmark_group("canvas");
    let of = |layer| ViewSettings { layer, ..ViewSettings::default() };
    for layer in [Layer::Image, Layer::Anchors, Layer::Iou, Layer::Mask, Layer::Difference] {
        frame(&of(layer), 0);
        group.bench_function(format!("frame, {}", layer.name()), |b| b.iter(|| frame(&of(layer), 0)));
    }
    let mut version = 0;
    group.bench_function("frame after a change of the mask", |b| {
        b.iter(|| {
            version += 1;
            frame(&of(Layer::Mask), version);
        });
    });
    let mut layers = [Layer::Teacher, Layer::Difference].into_iter().cycle();
    group.bench_function("frame after a change to features or difference", |b| {
        b.iter(|| frame(&of(layers.next().unwrap_or_default()), 0));
    });
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
