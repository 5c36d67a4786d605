//! UI-thread time of one frame of the canvas: 100 boxes on a 640 px input, three panes, 1000 × 640 points, layout
//! and tessellation included, the GPU's work not.

mod common;

use std::hint::black_box;
use std::sync::Arc;

use common::{INPUT, comparison, scene};
use criterion::{Criterion, criterion_group, criterion_main};
use distillscope::app::view::{Camera, Hover, Layer, ViewSettings};
use distillscope::imitation::difference::DifferenceKind;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::ui::canvas::Canvas;
use distillscope::ui::canvas::model::CanvasModel;
use distillscope::ui::style;
use distillscope::yolo::anchors::AnchorScale;

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
                measures: None,
                weighed: None,
                found: None,
                snapshot: None,
                run: None,
                pull: None,
                view,
                camera: Camera::Fit,
                hover: Some(Hover { x: 300.0, y: 300.0, stride: 8 }),
                pin: None,
                solo: None,
                names: &[],
                best: None,
                outlined: false,
                message: None,
            };
            black_box(canvas.show(ui, &model));
        });
        black_box(ctx.tessellate(output.shapes, output.pixels_per_point));
    };
    let mut group = criterion.benchmark_group("canvas");
    let difference = Some(DifferenceKind::SquaredL2);
    let of = |layer| ViewSettings { layer, difference, ..ViewSettings::default() };
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
