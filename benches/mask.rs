//! The IoU maps of 100 boxes at 640 px on three scales, and a change of ψ after that.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use distillscope::bench::boxes;
use distillscope::geometry::Size;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::yolo::anchors::AnchorScale;

fn anchors() -> Vec<AnchorScale> {
    vec![
        AnchorScale { stride: 8, anchors: vec![[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]] },
        AnchorScale { stride: 16, anchors: vec![[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]] },
        AnchorScale { stride: 32, anchors: vec![[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]] },
    ]
}

fn masks(criterion: &mut Criterion) {
    let (anchors, boxes, input) = (anchors(), boxes(Size::square(640)), Size::square(640));
    criterion.bench_function("iou maps, 100 boxes at 640 px", |bench| {
        bench.iter(|| IouField::compute(black_box(&anchors), input, black_box(&boxes), IouConvention::Exact));
    });
    let field = IouField::compute(&anchors, input, &boxes, IouConvention::Exact);
    criterion.bench_function("psi change, 100 boxes at 640 px", |bench| {
        bench.iter(|| black_box(&field).mask(black_box(Psi::default()), LevelRule::PerScale));
    });
}

criterion_group!(benches, masks);
criterion_main!(benches);
