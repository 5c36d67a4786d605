//! The batch view's record against the loader and the masks, each called directly; and its job on the worker's thread.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use distillscope::dataset::{Augmentation, BatchOptions, Batches, DataYaml, Samples, Split};
use distillscope::geometry::Size;
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::train::config::RunConfig;
use distillscope::train::hyp::Hyperparameters;
use distillscope::train::preview::{BatchPreview, BatchRequest, Previews};
use distillscope::worker::{Job, JobKind, Report, Worker};
use distillscope::yolo::anchors::default_anchors;
use image::{Rgb, RgbImage};
use tempfile::TempDir;

const AUGMENTATION: Augmentation = Augmentation {
    hsv_h: 0.015,
    hsv_s: 0.7,
    hsv_v: 0.4,
    degrees: 0.0,
    translate: 0.1,
    scale: 0.5,
    shear: 0.0,
    perspective: 0.0,
    flipud: 0.0,
    fliplr: 0.5,
    mosaic: 0.6,
    mixup: 0.4,
};

/// Seven images, a box or two in each but the last; the student is YOLOv5's own yolov5n, which no file need hold.
fn config(folder: &TempDir) -> RunConfig {
    let at = |name: String| folder.path().join(name);
    fs::create_dir_all(at("images".into())).unwrap();
    fs::create_dir_all(at("labels".into())).unwrap();
    for index in 0..7_u32 {
        let picture = RgbImage::from_fn(90 + 10 * index, 80, |x, y| Rgb([(2 * x) as u8, (3 * y) as u8, index as u8]));
        picture.save(at(format!("images/{index}.png"))).unwrap();
        let rows = ["0 0.4 0.5 0.3 0.5\n", "1 0.7 0.3 0.2 0.2\n"];
        let text = if index == 6 { String::new() } else { rows[..1 + index as usize % 2].concat() };
        fs::write(at(format!("labels/{index}.txt")), text).unwrap();
    }
    fs::write(at("data.yaml".into()), "path: .\ntrain: images\nval: images\nnames: [dot, dash]\n").unwrap();
    let mut config = RunConfig {
        data: at("data.yaml".into()),
        student: PathBuf::from("yolov5n"),
        imgsz: 128,
        batch: 3,
        seed: 11,
        hyp: Hyperparameters { mosaic: 0.6, mixup: 0.4, ..Hyperparameters::default() },
        ..RunConfig::default()
    };
    config.imitation.level_rule = LevelRule::PerScale;
    config
}

fn make(previews: &mut Previews, config: &RunConfig, step: u64) -> BatchPreview {
    let request = BatchRequest::of(config, step, 0);
    previews.make(&request, &mut |_, _| ControlFlow::Continue(())).unwrap().expect("nobody breaks it off")
}

#[test]
fn pixels_boxes_and_masks_are_those_of_the_loader_and_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let samples =
        Samples::load(&DataYaml::load(&config.data).unwrap(), Split::Train, &mut |_, _| ControlFlow::Continue(()));
    let input = Size::square(128);
    let options =
        BatchOptions { input, batch: 3, augmentation: AUGMENTATION, seed: 11, workers: 2, cache_bytes: 1 << 20 };
    let mut batches = Batches::start(Arc::new(samples.unwrap()), options, 0, 0).unwrap();
    let mut previews = Previews::default();
    // 7 images are 3 + 3 + 1; two epochs.
    for step in 0..6 {
        let (expected, shown) = (batches.next_batch().unwrap(), make(&mut previews, &config, step));
        assert_eq!((shown.epoch, shown.index, shown.per_epoch), (expected.epoch, expected.index, 3));
        assert_eq!((shown.input, &shown.scales, shown.skipped), (input, &default_anchors(), 0));
        assert_eq!(shown.names, ["dot", "dash"]);
        assert_eq!(shown.images.len(), expected.images.len());
        let pixels: Vec<u8> = shown.images.iter().flat_map(|image| image.picture.as_raw().clone()).collect();
        assert!(pixels == expected.pixels, "step {step}");
        for (shown, expected) in shown.images.iter().zip(&expected.images) {
            assert_eq!((&shown.path, &shown.labels), (&expected.path, &expected.labels));
            let boxes: Vec<_> = expected.labels.iter().map(|label| label.bbox).collect();
            let field = IouField::compute(&default_anchors(), input, &boxes, IouConvention::Exact);
            assert_eq!(shown.mask, field.mask(Psi::saturating(0.5), LevelRule::PerScale));
            assert!(shown.source_boxes >= shown.labels.len());
        }
    }
}

#[test]
fn without_augmentation_no_box_is_lost_and_none_is_counted_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.hyp = config.hyp.without_augmentation();
    config.batch = 7;
    let batch = make(&mut Previews::default(), &config, 0);
    let mut seen: Vec<(String, usize, usize)> = batch
        .images
        .iter()
        .map(|image| (image.path.file_stem().unwrap().to_string_lossy().into(), image.labels.len(), image.source_boxes))
        .collect();
    seen.sort();
    let counts: Vec<(usize, usize)> = seen.iter().map(|(_, left, before)| (*left, *before)).collect();
    assert_eq!(counts, [(1, 1), (2, 2), (1, 1), (2, 2), (1, 1), (2, 2), (0, 0)]);
}

#[test]
fn another_psi_keeps_the_pictures_and_makes_other_masks() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    let mut previews = Previews::default();
    let first = make(&mut previews, &config, 0);
    config.imitation.psi = 1.0;
    let strict = make(&mut previews, &config, 0);
    for (before, after) in first.images.iter().zip(&strict.images) {
        assert!(Arc::ptr_eq(&before.picture, &after.picture) && Arc::ptr_eq(&before.small, &after.small));
        assert_eq!((after.mask_cells(), after.unmarked()), (0, after.labels.len()), "ψ = 1 marks nothing");
    }
    assert!(first.images.iter().any(|image| image.mask_cells() > 0));
    // Another seed is another batch.
    config.seed = 12;
    assert_ne!(make(&mut previews, &config, 0).images[0].picture, first.images[0].picture);
}

#[test]
fn the_union_is_where_any_scale_is_imitated() {
    let folder = tempfile::tempdir().unwrap();
    let batch = make(&mut Previews::default(), &config(&folder), 1);
    let image = batch.images.iter().find(|image| image.mask_cells() > 0).expect("a mask");
    let union = batch.mask(image, None);
    assert_eq!((union.width(), union.height()), (16, 16));
    let scales: Vec<_> = (0..3).map(|scale| batch.mask(image, Some(scale))).collect();
    assert_eq!(scales.iter().map(|grid| grid.width()).collect::<Vec<_>>(), [16, 8, 4]);
    for row in 0..16 {
        for col in 0..16 {
            // A cell of stride 8 lies in that of stride 16 at half its place, and in that of 32 at a quarter.
            let any = (0..3).any(|scale| scales[scale].get(row >> scale, col >> scale) == Some(1.0));
            assert_eq!(union.get(row, col), Some(if any { 1.0 } else { 0.0 }), "({row}, {col})");
        }
    }
}

#[test]
fn what_cannot_be_read_is_named_and_read_again_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.hyp = config.hyp.without_augmentation();
    config.batch = 7;
    let broken = folder.path().join("images/3.png");
    let whole = fs::read(&broken).unwrap();
    let mut previews = Previews::default();
    let progress = &mut |_: &str, _: Option<f32>| ControlFlow::Continue(());
    // The header can be read, the pixels cannot.
    fs::write(&broken, &whole[..60]).unwrap();
    let batch = previews.make(&BatchRequest::of(&config, 0, 0), progress).unwrap().unwrap();
    assert_eq!((batch.images.len(), batch.skipped, batch.left_out), (6, 1, 0));
    assert_eq!(batch.warnings.iter().map(|warning| &warning.file).collect::<Vec<_>>(), [&broken]);
    // Nothing of it can be read: it is left out before any batch is made.
    fs::write(&broken, b"no image").unwrap();
    let batch = previews.make(&BatchRequest::of(&config, 0, 1), progress).unwrap().unwrap();
    assert_eq!((batch.images.len(), batch.skipped, batch.left_out), (6, 0, 1));
    fs::write(&broken, whole).unwrap();
    let batch = previews.make(&BatchRequest::of(&config, 0, 2), progress).unwrap().unwrap();
    assert_eq!((batch.images.len(), batch.skipped, batch.left_out), (7, 0, 0));
}

#[test]
fn a_broken_off_preview_gives_none_and_a_wrong_set_up_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let made = Previews::default().make(&BatchRequest::of(&config, 0, 0), &mut |_, _| ControlFlow::Break(()));
    assert_eq!(made.unwrap(), None);
    let fails = |config: RunConfig| {
        let made = Previews::default().make(&BatchRequest::of(&config, 0, 0), &mut |_, _| ControlFlow::Continue(()));
        made.unwrap_err().to_string()
    };
    assert!(fails(RunConfig { student: PathBuf::new(), ..config.clone() }).contains("anchors"));
    assert!(fails(RunConfig { student: "gone.pt".into(), ..config.clone() }).contains("gone.pt"));
    assert!(fails(RunConfig { data: "gone.yaml".into(), ..config.clone() }).contains("gone.yaml"));
    assert!(fails(RunConfig { batch: 0, ..config }).contains("batch"));
}

#[test]
fn the_worker_answers_the_newest_request_and_a_cancelled_one_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(&folder);
    let worker = Worker::start(|| {}).unwrap();
    let answers = |worker: &Worker, finished: usize| {
        let (mut steps, mut ends, start) = (Vec::new(), 0, Instant::now());
        while ends < finished {
            assert!(start.elapsed() < Duration::from_secs(60), "no answer");
            match worker.try_recv() {
                Some(Report::Batch { request, preview }) => {
                    assert_eq!((u64::from(preview.epoch) * 3) + preview.index as u64, request.step);
                    steps.push(request.step);
                }
                Some(Report::Finished { kind: JobKind::Batch }) => ends += 1,
                Some(_) => {}
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        steps
    };
    worker.send(Job::Batch(BatchRequest::of(&config, 4, 0)));
    assert_eq!(answers(&worker, 1), [4]);
    worker.send(Job::Batch(BatchRequest::of(&config, 0, 0)));
    worker.cancel(JobKind::Batch);
    worker.send(Job::Batch(BatchRequest::of(&config, 5, 0)));
    let steps = answers(&worker, 1);
    // The cancelled one may have begun; it says nothing but that it is over.
    let steps = if steps.is_empty() { answers(&worker, 1) } else { steps };
    assert_eq!(steps, [5]);
}
