//! Batches: the same bytes for any number of threads, in order, with nothing lost and nothing that cannot be read.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use distillscope::dataset::{
    Augmentation, BatchOptions, Batches, DatasetError, Label, Sample, Samples, TrainBatch, decode, letterbox,
};
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use image::{Rgb, RgbImage};
use tempfile::TempDir;

const INPUT: Size = Size::square(64);
const STRONG: Augmentation = Augmentation {
    hsv_h: 0.015,
    hsv_s: 0.7,
    hsv_v: 0.4,
    degrees: 10.0,
    translate: 0.1,
    scale: 0.5,
    shear: 2.0,
    perspective: 0.0,
    flipud: 0.5,
    fliplr: 0.5,
    mosaic: 0.7,
    mixup: 0.3,
};

/// Images `0.png` … of their own size and colour, one box in each but in every fifth.
fn samples(folder: &TempDir, count: u32) -> Samples {
    let make = |index: u32| {
        let size = Size::new(40 + 7 * (index % 5), 60 - 4 * (index % 7));
        let path = folder.path().join(format!("{index}.png"));
        let image =
            RgbImage::from_fn(size.width, size.height, |x, y| Rgb([(3 * x) as u8, (4 * y) as u8, (20 * index) as u8]));
        image.save(&path).unwrap();
        let bbox = BoundingBox::new(5.0, 6.0, 30.0, 28.0);
        let labels = if index % 5 == 4 { Vec::new() } else { vec![Label { class: index as usize, bbox }] };
        Sample { image: path, size, labels }
    };
    Samples { samples: (0..count).map(make).collect(), ..Samples::default() }
}

fn options(batch: usize, workers: usize) -> BatchOptions {
    BatchOptions { input: INPUT, batch, augmentation: STRONG, seed: 5, workers, cache_bytes: 1 << 30 }
}

fn start(samples: &Samples, options: BatchOptions, epoch: u32, index: usize) -> Batches {
    Batches::start(Arc::new(samples.clone()), options, epoch, index).unwrap()
}

fn take(samples: &Samples, options: BatchOptions, count: usize) -> Vec<TrainBatch> {
    let mut batches = start(samples, options, 0, 0);
    (0..count).map(|_| batches.next_batch().unwrap()).collect()
}

fn names(batch: &TrainBatch) -> Vec<PathBuf> {
    batch.images.iter().map(|image| image.path.clone()).collect()
}

#[test]
fn threads_and_cache_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(&folder, 11);
    let expected = take(&samples, options(4, 1), 7);
    // 11 images are 4 + 4 + 3.
    let shape: Vec<_> = expected.iter().map(|b| (b.epoch, b.index, b.last, b.images.len())).collect();
    let epoch = |epoch| [(epoch, 0, false, 4), (epoch, 1, false, 4), (epoch, 2, true, 3)];
    assert_eq!(shape, [&epoch(0)[..], &epoch(1), &epoch(2)[..1]].concat());
    for batch in &expected {
        assert_eq!(batch.pixels.len(), batch.images.len() * 64 * 64 * 3);
        assert_eq!((batch.input, batch.skipped, batch.warnings.len()), (INPUT, 0, 0));
    }
    for workers in [2, 4] {
        assert!(take(&samples, options(4, workers), 7) == expected, "{workers} threads");
    }
    // Room for a few images, and for none.
    for cache_bytes in [30_000, 0] {
        assert!(take(&samples, BatchOptions { cache_bytes, ..options(4, 2) }, 7) == expected, "{cache_bytes} bytes");
    }
    // What a thread count of 0 means is not the caller's worry.
    assert!(take(&samples, options(4, 0), 1) == expected[..1]);
}

#[test]
fn an_image_depends_on_its_place_in_the_epoch_and_not_on_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(&folder, 6);
    let whole = |batch: usize| {
        let batches = take(&samples, options(batch, 2), Batches::per_epoch(6, batch));
        let pixels: Vec<u8> = batches.iter().flat_map(|batch| batch.pixels.clone()).collect();
        (pixels, batches.iter().flat_map(|batch| batch.images.clone()).collect::<Vec<_>>())
    };
    assert!(whole(2) == whole(3));
    // One batch that is larger than the data.
    assert_eq!(Batches::per_epoch(6, 100), 1);
    assert!(whole(2) == whole(100));
}

#[test]
fn every_epoch_has_every_image_once_in_an_order_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(&folder, 11);
    let orders = |seed| {
        let batches = take(&samples, BatchOptions { seed, ..options(4, 2) }, 6);
        batches.chunks(3).map(|epoch| epoch.iter().flat_map(names).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let all: BTreeSet<PathBuf> = samples.samples.iter().map(|sample| sample.image.clone()).collect();
    let (first, second) = (orders(1), orders(2));
    for order in first.iter().chain(&second) {
        assert_eq!(order.len(), 11);
        assert_eq!(order.iter().cloned().collect::<BTreeSet<_>>(), all);
    }
    assert!(first[0] != first[1] && first[0] != second[0]);
}

#[test]
fn a_start_in_the_middle_goes_on_as_if_it_had_come_from_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(&folder, 11);
    let expected = take(&samples, options(4, 1), 7);
    for (epoch, index, skip) in [(0, 2, 2), (1, 1, 4), (0, 5, 5)] {
        let mut batches = start(&samples, options(4, 2), epoch, index);
        for expected in &expected[skip..] {
            assert!(batches.next_batch().unwrap() == *expected, "from batch {index} of epoch {epoch}");
        }
    }
}

#[test]
fn without_augmentation_an_image_is_letterboxed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(&folder, 5);
    let batch = take(&samples, BatchOptions { augmentation: Augmentation::default(), ..options(5, 2) }, 1).remove(0);
    for (image, pixels) in batch.images.iter().zip(batch.pixels.chunks_exact(64 * 64 * 3)) {
        let sample = samples.samples.iter().find(|sample| sample.image == image.path).unwrap();
        let fit = Letterbox::fit(sample.size, INPUT, true);
        // Both round a side that is no whole number, but training rounds it up: only what is not rounded compares.
        let exact = f64::from(sample.size.width.min(sample.size.height)) * f64::from(fit.scale) % 1.0 == 0.0;
        if exact {
            assert!(letterbox(&decode(&sample.image).unwrap(), &fit).unwrap().as_raw() == pixels);
        }
        assert_eq!(image.labels.len(), sample.labels.len());
        for (label, original) in image.labels.iter().zip(&sample.labels) {
            assert_eq!(label.class, original.class);
            let expected = fit.to_input(&original.bbox).as_xyxy();
            let apart = label.bbox.as_xyxy().iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1.0, "{label:?}, letterboxed {expected:?}");
        }
    }
}

#[test]
fn labels_lie_inside_the_input_and_have_an_area() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(&folder, 20);
    let batches = take(&samples, options(5, 2), 20);
    let labels: Vec<Label> = batches.iter().flat_map(|b| &b.images).flat_map(|image| image.labels.clone()).collect();
    assert!(labels.len() > 60, "{}", labels.len());
    for Label { bbox, class } in labels {
        assert!(bbox.x1 >= 0.0 && bbox.y1 >= 0.0 && bbox.x2 <= 64.0 && bbox.y2 <= 64.0, "{bbox:?}");
        assert!(bbox.width() > 2.0 && bbox.height() > 2.0 && class < 20, "{bbox:?}");
    }
}

fn cut(path: &Path, keep: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..keep.min(bytes.len() - 1)]).unwrap();
}

/// Makes sample `index` a JPEG of noise, cut short after `keep` bytes.
fn cut_jpeg(samples: &mut Samples, index: usize, keep: usize) -> PathBuf {
    let path = samples.samples[index].image.with_extension("jpg");
    let Size { width, height } = samples.samples[index].size;
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * y) as u8, (x * 31) as u8, (y * 17) as u8])).save(&path).unwrap();
    cut(&path, keep);
    samples.samples[index].image.clone_from(&path);
    path
}

#[test]
fn damaged_images_are_left_out_named_once_and_counted_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut samples = samples(&folder, 9);
    let damaged = BTreeSet::from([
        // In the picture, of which OpenCV would still show the upper part; in the header; in a PNG.
        cut_jpeg(&mut samples, 2, 1000),
        cut_jpeg(&mut samples, 5, 200),
        samples.samples[7].image.clone(),
    ]);
    cut(&samples.samples[7].image, 200);
    for workers in [1, 3] {
        let batches = take(
            &samples,
            BatchOptions { augmentation: Augmentation { mosaic: 1.0, ..STRONG }, ..options(4, workers) },
            9,
        );
        for epoch in batches.chunks(3) {
            assert_eq!(epoch.iter().map(|batch| batch.skipped).sum::<usize>(), 3);
            let seen: BTreeSet<PathBuf> = epoch.iter().flat_map(names).collect();
            assert!(seen.len() == 6 && seen.is_disjoint(&damaged), "{seen:?}");
            assert!(epoch.iter().all(|batch| batch.pixels.len() == batch.images.len() * 64 * 64 * 3));
        }
        let warned: Vec<_> = batches.iter().flat_map(|batch| batch.warnings.clone()).collect();
        assert_eq!(warned.len(), 3, "{warned:?}");
        assert_eq!(warned.iter().map(|warning| warning.file.clone()).collect::<BTreeSet<_>>(), damaged);
        assert!(warned.iter().all(|w| w.message.starts_with("cannot be used: not an image that can be read")));
    }
}

#[test]
fn a_partner_that_cannot_be_read_leaves_its_tile_grey_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut samples = samples(&folder, 2);
    let damaged = cut_jpeg(&mut samples, 1, 300);
    let only_mosaic = Augmentation { mosaic: 1.0, ..Augmentation::default() };
    let options = BatchOptions { augmentation: only_mosaic, ..options(1, 1) };
    let mut batches = start(&samples, options, 0, 0);
    let whole: Vec<TrainBatch> =
        (0..60).map(|_| batches.next_batch().unwrap()).filter(|b| !b.images.is_empty()).collect();
    assert_eq!(whole.len(), 30);
    // Three partners of two images: with an eighth's probability all three are damaged, and grey outweighs.
    let grey = |batch: &TrainBatch| batch.pixels.chunks_exact(3).filter(|pixel| *pixel == [114; 3]).count();
    let (least, most) = (whole.iter().map(grey).min().unwrap(), whole.iter().map(grey).max().unwrap());
    assert!(least < 1500 && most > 2500, "{least} to {most} grey pixels of 4096");
    assert!(whole.iter().flat_map(|batch| &batch.images).all(|image| image.path != damaged));
}

#[test]
fn a_batch_of_damaged_images_is_empty_and_one_of_missing_files_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut samples = samples(&folder, 3);
    (0..3).for_each(|index| drop(cut_jpeg(&mut samples, index, 300)));
    let mut batches = start(&samples, options(3, 1), 0, 0);
    for named in [3, 0] {
        let batch = batches.next_batch().unwrap();
        assert_eq!((batch.images.len(), batch.pixels.len(), batch.skipped, batch.last), (0, 0, 3, true));
        assert_eq!(batch.warnings.len(), named);
    }

    // One is damaged, the others are gone: still no sign that all is gone.
    fs::remove_file(&samples.samples[0].image).unwrap();
    fs::remove_file(&samples.samples[2].image).unwrap();
    assert_eq!(start(&samples, options(3, 1), 0, 0).next_batch().unwrap().skipped, 3);

    fs::remove_file(&samples.samples[1].image).unwrap();
    let error = start(&samples, options(3, 2), 0, 0).next_batch().unwrap_err();
    let DatasetError::Read { path, cause } = &error else { panic!("{error}") };
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
    assert!(samples.samples.iter().any(|sample| sample.image == *path));
}

#[test]
fn what_is_in_the_cache_outlives_its_file_and_no_more_is_in_it_than_was_allowed() {
    // 3 images of 64 px at their long side: about 30 kB, all of them kept, or none.
    for (cache_bytes, is_kept) in [(1 << 30, true), (1000, false)] {
        let folder = tempfile::tempdir().unwrap();
        let samples = samples(&folder, 3);
        let mut batches = start(&samples, BatchOptions { cache_bytes, ..options(3, 1) }, 0, 0);
        assert_eq!(batches.next_batch().unwrap().images.len(), 3);
        folder.close().unwrap();
        // Some may have been made before the files went.
        let later: Vec<_> = (0..5).map(|_| batches.next_batch()).collect();
        assert_eq!(later.iter().all(Result::is_ok), is_kept, "{cache_bytes} bytes");
        assert_eq!(later[4].is_ok(), is_kept);
    }
}

#[test]
fn it_can_be_dropped_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let samples = samples(&folder, 9);
    for taken in [0, 1, 7] {
        let mut batches = start(&samples, options(2, 4), 0, 0);
        (0..taken).for_each(|_| drop(batches.next_batch().unwrap()));
    }
}

#[test]
fn a_start_without_images_or_with_an_absurd_input_is_refused() {
    let refused = |samples: Samples, input: Size| {
        let started = Batches::start(Arc::new(samples), BatchOptions { input, ..options(4, 1) }, 0, 0);
        started.err().unwrap().to_string()
    };
    assert_eq!(refused(Samples::default(), INPUT), "there are no training images");
    let folder = tempfile::tempdir().unwrap();
    for side in [0, 1_000_000] {
        let message = refused(samples(&folder, 1), Size::square(side));
        assert!(message.starts_with(&format!("an input of {side} × {side} px; it must have")), "{message}");
    }
}
