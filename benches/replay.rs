//! What recording costs: a moment that is kept, and writing and reading the file of a run of 1000 steps with 41 moments
//! at 640 px. What the maps themselves cost is measured in every recorded run: `distillscope replay FILE --summary`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::grid::Grid;
use distillscope::inspect::{Scene, SceneLabel};
use distillscope::train::config::RunConfig;
use distillscope::train::event::{Outcome, RunEvent, RunId, RunSummary, Snapshot, SnapshotScale, StepRecord, Variant};
use distillscope::train::record::{RESULTS, Recorder, STEPS};
use distillscope::train::replay::{FILE_NAME, Recording, Replay, Subject};
use distillscope::yolo::anchors::AnchorScale;
use image::{Rgb, RgbImage};

const SIDE: u32 = 640;
const STRIDES: [u32; 3] = [8, 16, 32];

fn scene() -> Scene {
    let size = Size::square(SIDE);
    // Noise, the worst that a PNG can meet.
    let noise =
        |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 24;
    let picture =
        Arc::new(RgbImage::from_fn(SIDE, SIDE, |x, y| Rgb([noise(x, y) as u8, noise(y, x) as u8, (x ^ y) as u8])));
    let bbox = BoundingBox::new(100.0, 100.0, 300.0, 200.0);
    Scene {
        path: "a.png".into(),
        size,
        letterbox: Letterbox::fit(size, size, true),
        input: Arc::clone(&picture),
        display: picture,
        labels: (0..10).map(|class| SceneLabel { class, name: "thing".into(), bbox }).collect(),
        warnings: Vec::new(),
    }
}

fn snapshot(step: u64) -> Arc<Snapshot> {
    let scales = STRIDES.map(|stride| {
        let side = (SIDE / stride) as usize;
        SnapshotScale { stride, difference: Grid::from_fn(side, side, |row, col| (row * col) as f32 + step as f32) }
    });
    Arc::new(Snapshot { step, image: "a.png".into(), scales: scales.to_vec(), truths: vec![0.5; 10], seconds: 0.1 })
}

fn step(step: u64) -> RunEvent {
    let third = step as f64 / 3.0;
    let of_scales = vec![third; 3];
    RunEvent::Step(StepRecord {
        step,
        total: third,
        imitation: of_scales.clone(),
        distance: of_scales.into_iter().map(Some).collect(),
        mask_cells: vec![100; 3],
        images: 16,
        seconds: 0.5,
        ..StepRecord::default()
    })
}

fn recording(scene: &Scene, summary: &RunSummary) -> Recording {
    let scales = STRIDES.map(|stride| AnchorScale { stride, anchors: vec![[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]] });
    Recording::new(&Subject {
        id: RunId { seed: 0, variant: Variant::Imitation },
        summary,
        config: &RunConfig::default(),
        scene,
        scales: &scales,
        compared: &STRIDES,
    })
    .expect("a recording")
}

fn replay(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = RunSummary {
        folder: folder.path().to_owned(),
        steps: 1000,
        steps_per_epoch: 100,
        first_step: 0,
        scales: ["P3", "P4", "P5"].map(str::to_owned).to_vec(),
        images: 1600,
        labels: 1600,
        val_images: 100,
        device: "CPU".to_owned(),
    };
    let scene = scene();
    let recorded = || {
        let mut recording = recording(&scene, &summary);
        (0..=1000).step_by(25).for_each(|step| recording.take(&snapshot(step)));
        recording
    };
    let snapshot = snapshot(0);
    criterion.bench_function("replay: keep a moment", |bench| {
        bench.iter_batched_ref(recorded, |recording| recording.take(black_box(&snapshot)), BatchSize::LargeInput);
    });

    let mut recorder = Recorder::create(folder.path(), &summary, "").expect("a recorder");
    (0..1000).for_each(|index| recorder.take(&step(index)).expect("taken"));
    recorder.take(&RunEvent::Ended(Outcome::Finished)).expect("saved");
    let table = |name| std::fs::read_to_string(folder.path().join(name)).expect("a table");
    let (steps, results, path) = (table(STEPS), table(RESULTS), folder.path().join(FILE_NAME));
    criterion.bench_function("replay: write 1000 steps, 41 moments at 640 px", |bench| {
        let mut recording = recorded();
        bench.iter(|| recording.write(&path, &Outcome::Finished, &steps, &results).expect("written"));
    });
    eprintln!("the file has {} bytes", std::fs::metadata(&path).expect("a file").len());
    criterion.bench_function("replay: read it", |bench| {
        bench.iter(|| Replay::read(black_box(&path)).expect("read"));
    });
}

criterion_group!(benches, replay);
criterion_main!(benches);
