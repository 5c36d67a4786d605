//! Non-maximum suppression at the evaluation's thresholds, ordinary and at its worst, and average precision over a large
//! split.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use distillscope::rng::Rng;
use distillscope::train::evaluate::average_precision::{Scored, figures_by_class};
use distillscope::yolo::detection::{NmsOptions, non_max_suppression};

/// Rows of a 640 px input with three scales, boxes of 10 to 110 px. `chance`: that one has an object.
fn predictions(classes: usize, chance: f64) -> Vec<f32> {
    let mut rng = Rng::of(&[5]);
    let mut rows = Vec::new();
    for _ in 0..25_200 {
        let objectness = if rng.chance(chance) { rng.uniform(0.01, 1.0) } else { 0.0001 };
        rows.extend([(0.0, 640.0), (0.0, 640.0), (10.0, 110.0), (10.0, 110.0)].map(|(a, b)| rng.uniform(a, b) as f32));
        rows.push(objectness as f32);
        rows.extend((0..classes).map(|_| rng.uniform(0.1, 1.0) as f32));
    }
    rows
}

fn evaluation(criterion: &mut Criterion) {
    let options = NmsOptions::for_evaluation();
    for (name, classes, chance) in [
        ("nms, 6 classes, 300 of 25200 rows", 6, 0.012),
        ("nms, 6 classes, 3000 of 25200 rows", 6, 0.12),
        ("nms, 80 classes, every row and class", 80, 1.0),
    ] {
        let rows = predictions(classes, chance);
        criterion.bench_function(name, |bench| {
            bench.iter(|| non_max_suppression(black_box(&rows), classes, &options));
        });
    }
    // Boxes that all lie on each other: few are kept, and every candidate is looked at.
    let mut rows = predictions(80, 1.0);
    rows.chunks_exact_mut(85).for_each(|row| row[..4].iter_mut().for_each(|side| *side = 300.0 + *side / 20.0));
    criterion.bench_function("nms, 80 classes, all in one place", |bench| {
        bench.iter(|| non_max_suppression(black_box(&rows), 80, &options));
    });

    let mut rng = Rng::of(&[6]);
    let detections: Vec<Scored> = (0..300_000)
        .map(|_| {
            let reach = rng.below(11);
            let found = std::array::from_fn(|threshold| threshold < reach);
            Scored { class: rng.below(80), score: rng.unit() as f32, found }
        })
        .collect();
    criterion.bench_function("average precision, 300000 detections, 80 classes", |bench| {
        bench.iter(|| figures_by_class(black_box(detections.clone()), &[500; 80]));
    });
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
