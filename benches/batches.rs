//! Training images of the sample data through one thread, with YOLOv5's low-augmentation values, and with rotation and shear,
//! which take another way through the warp.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use distillscope::dataset::{Augmentation, BatchOptions, Batches, DataYaml, Samples, Split};
use distillscope::geometry::Size;
use distillscope::train::hyp::Hyperparameters;

const BATCH: usize = 16;

fn batches(criterion: &mut Criterion) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data/data.yaml");
    let data = DataYaml::load(&file).expect("the sample data's yaml");
    let samples = Samples::load(&data, Split::Train, &mut |_, _| ControlFlow::Continue(())).expect("the sample data");
    let samples = Arc::new(samples);
    let mut group = criterion.benchmark_group("batches");
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(10).sampling_mode(SamplingMode::Flat);
    let low = Hyperparameters::default().augmentation();
    let turned = Augmentation { degrees: 5.0, shear: 2.0, ..low };
    for side in [320, 640] {
        for (name, augmentation, cache_bytes) in
            [("cached", low, 1 << 30), ("turned, cached", turned, 1 << 30), ("uncached", low, 0)]
        {
            let options = BatchOptions {
                input: Size::square(side),
                batch: BATCH,
                augmentation,
                seed: 0,
                workers: 1,
                cache_bytes,
            };
            let mut batches = Batches::start(Arc::clone(&samples), options, 0, 0).expect("a thread");
            let mut next = || batches.next_batch().expect("a batch");
            // Fills the cache.
            (0..Batches::per_epoch(samples.samples.len(), BATCH)).for_each(|_| drop(next()));
            group.bench_function(format!("{side} px, mosaic, {name}"), |bench| bench.iter(&mut next));
        }
    }
}

criterion_group!(benches, batches);
criterion_main!(benches);
