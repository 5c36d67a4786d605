//! The evaluation's mathematics against YOLOv5 v7.0 and OpenCV (`scripts/golden_evaluate.py`), and a whole evaluation of
//! the sample session against YOLOv5's `val.py`.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use distillscope::dataset::{DataYaml, Label, Sample, Samples, Split, resized};
use distillscope::geometry::{BoundingBox, Size};
use distillscope::train::evaluate::average_precision::{Scored, figures_by_class};
use distillscope::train::evaluate::matching::match_detections;
use distillscope::train::evaluate::{EvaluateError, EvaluateOptions, Evaluation, class_places, evaluate, evaluate_as};
use distillscope::yolo::assign::Target;
use distillscope::yolo::checkpoint;
use distillscope::yolo::detection::{Detection, NmsOptions, non_max_suppression};
use distillscope::yolo::network::Network;
use image::{Rgb, RgbImage};
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn golden<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let file = root().join("tests/golden/evaluate").join(name);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// The noise of `golden/letterbox.py`.
fn noise(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([0, 1, 2].map(|c: u32| {
            let mixed = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ c.wrapping_mul(0xC2B2_AE3D);
            ((mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D) >> 24) as u8
        }))
    })
}

#[test]
fn shrinking_by_area_gives_opencvs_bytes() {
    #[derive(Deserialize)]
    struct Case {
        from: [u32; 2],
        to: [u32; 2],
        rgb: String,
    }
    for Case { from, to, rgb } in golden::<Case>("area.json") {
        let out = resized(noise(from[0], from[1]), Size::new(to[0], to[1]));
        let bytes: String = out.as_raw().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, rgb, "{from:?} → {to:?}");
    }
}

#[test]
fn matching_is_that_of_process_batch() {
    #[derive(Deserialize)]
    struct Case {
        labels: Vec<(usize, f32, f32, f32, f32)>,
        detections: Vec<(usize, f32, f32, f32, f32)>,
        found: Vec<String>,
    }
    for Case { labels, detections, found } in golden::<Case>("matching.json") {
        let labels: Vec<Label> = labels
            .into_iter()
            .map(|(class, x1, y1, x2, y2)| Label { class, bbox: BoundingBox::new(x1, y1, x2, y2) })
            .collect();
        let detections: Vec<Detection> = detections
            .into_iter()
            .map(|(class, x1, y1, x2, y2)| Detection { class, bbox: BoundingBox::new(x1, y1, x2, y2), score: 0.5 })
            .collect();
        let ours: Vec<String> = match_detections(&detections, &labels)
            .iter()
            .map(|found| found.iter().map(|f| if *f { '1' } else { '0' }).collect())
            .collect();
        assert_eq!(ours, found);
    }
}

#[test]
fn figures_are_those_of_ap_per_class() {
    #[derive(Deserialize)]
    struct Class {
        class: usize,
        precision: f64,
        recall: f64,
        ap: [f64; 10],
    }
    #[derive(Deserialize)]
    struct Case {
        labels: Vec<usize>,
        detections: Vec<(f32, usize, usize)>,
        classes: Vec<Class>,
    }
    for Case { labels, detections, classes } in golden::<Case>("average_precision.json") {
        let detections = detections
            .into_iter()
            .map(|(score, class, reach)| Scored { class, score, found: std::array::from_fn(|i| i < reach) })
            .collect();
        let figures = figures_by_class(detections, &labels);
        assert_eq!(figures.iter().flatten().count(), classes.len());
        for expected in classes {
            let ours = figures[expected.class].as_ref().unwrap();
            let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
            assert!(close(ours.precision, expected.precision), "{} {}", ours.precision, expected.precision);
            assert!(close(ours.recall, expected.recall), "{} {}", ours.recall, expected.recall);
            for (ours, expected) in ours.ap.into_iter().zip(expected.ap) {
                assert!(close(ours, expected), "{ours} {expected}");
            }
        }
    }
}

#[test]
fn the_boxes_that_stay_are_those_of_non_max_suppression() {
    #[derive(Deserialize)]
    struct Case {
        classes: usize,
        rows: Vec<Vec<f32>>,
        kept: Vec<(usize, f32, f32, f32, f32, f32)>,
    }
    for Case { classes, rows, kept } in golden::<Case>("suppression.json") {
        let ours: Vec<_> = non_max_suppression(&rows.concat(), classes, &NmsOptions::for_evaluation())
            .into_iter()
            .map(|Detection { bbox, class, score }| (class, score, bbox.x1, bbox.y1, bbox.x2, bbox.y2))
            .collect();
        assert_eq!(ours, kept);
    }
}

fn student() -> Network {
    let checkpoint = checkpoint::open(&root().join("sample_data/models/student.pt")).unwrap();
    Network::load(&checkpoint, tch::Device::Cpu).unwrap().0
}

fn val_samples() -> Samples {
    let data = DataYaml::load(&root().join("sample_data/data.yaml")).unwrap();
    Samples::load(&data, Split::Val, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

fn run(samples: &Samples, options: &EvaluateOptions) -> Result<Option<Evaluation>, EvaluateError> {
    evaluate(&student(), samples, options, &mut |_, _| ControlFlow::Continue(()))
}

const OPTIONS: EvaluateOptions = EvaluateOptions { imgsz: 320, batch: 32, losses: None };

/// Precision, recall, mAP50 and mAP50-95 of all classes together and of each, with its ground truths: the column
/// `reference` of `python3 scripts/val_parity.py --data sample_data/data.yaml --weights sample_data/models/student.pt
/// --imgsz 320`.
const ALL: [f64; 4] = [0.248690, 0.392638, 0.302779, 0.143905];
const CLASSES: [(&str, usize, [f64; 4]); 6] = [
    ("balloon", 78, [0.276915, 0.769231, 0.583139, 0.322349]),
    ("boat", 60, [0.155023, 0.216667, 0.063471, 0.017978]),
    ("bird", 54, [0.137260, 0.129630, 0.061145, 0.021369]),
    ("sheep", 31, [0.298091, 0.225806, 0.189864, 0.083685]),
    ("cow", 23, [0.439884, 0.347826, 0.343170, 0.160700]),
    ("car", 27, [0.184968, 0.666667, 0.575885, 0.257350]),
];

#[test]
fn the_sample_student_has_the_figures_of_val_py() {
    let evaluation = run(&val_samples(), &OPTIONS).unwrap().unwrap();
    assert_eq!((evaluation.images, evaluation.labels, evaluation.per_class.len()), (27, 273, CLASSES.len()));
    // Another processor's convolutions may tip a detection at a threshold.
    let agree = |ours: [f64; 4], expected: [f64; 4]| {
        let agree = ours.into_iter().zip(expected).all(|(ours, expected)| (ours - expected).abs() < 5e-4);
        assert!(agree, "{ours:?}, expected {expected:?}");
    };
    agree([evaluation.precision, evaluation.recall, evaluation.map50, evaluation.map50_95], ALL);
    for (class, (name, labels, expected)) in evaluation.per_class.iter().zip(CLASSES) {
        assert_eq!((class.name.as_str(), class.labels), (name, labels));
        agree([class.precision, class.recall, class.ap50, class.ap50_95], expected);
    }
}

/// The data's classes in another order, and one that the data do not have: the same figures, class by class.
#[test]
fn a_model_with_classes_of_its_own_is_evaluated_by_their_names() {
    let model = student();
    let mut samples = val_samples();
    let plain = run(&samples, &OPTIONS).unwrap().unwrap();
    // Without balloons, the first class, and backward.
    let last = samples.names.len() - 1;
    samples.names = samples.names[1..].iter().rev().cloned().collect();
    for sample in &mut samples.samples {
        sample.labels.retain(|label| label.class != 0);
        sample.labels.iter_mut().for_each(|label| label.class = last - label.class);
    }
    let places = class_places(model.names(), &samples.names).unwrap();
    assert_eq!(places, [None, Some(4), Some(3), Some(2), Some(1), Some(0)]);
    let mut quiet = |_: usize, _: usize| ControlFlow::Continue(());
    let found = evaluate_as(&model, &places, &samples, &OPTIONS, &mut quiet).unwrap().unwrap();
    let figures = |evaluation: &Evaluation| -> Vec<_> {
        let mut figures: Vec<_> =
            evaluation.per_class.iter().map(|class| (class.name.clone(), class.labels, class.ap50_95)).collect();
        figures.sort_by(|a, b| a.0.cmp(&b.0));
        figures
    };
    let expected: Vec<_> = figures(&plain).into_iter().filter(|(name, ..)| name != "balloon").collect();
    assert_eq!(figures(&found), expected);
    assert!(evaluate(&model, &samples, &OPTIONS, &mut quiet).is_err(), "it has six classes, the data five");
}

#[test]
fn progress_is_told_before_every_batch_and_at_the_end() {
    let mut samples = val_samples();
    samples.samples.truncate(5);
    let reported = std::cell::RefCell::new(Vec::new());
    let options = EvaluateOptions { batch: 2, ..OPTIONS };
    evaluate(&student(), &samples, &options, &mut |done, of| {
        reported.borrow_mut().push((done, of));
        ControlFlow::Continue(())
    })
    .unwrap()
    .unwrap();
    assert_eq!(reported.into_inner(), [(0, 5), (2, 5), (4, 5), (5, 5)]);
}

#[test]
fn targets_are_shares_of_the_input_and_losses_are_means_over_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let size = Size::new(640, 480);
    let image = folder.path().join("a.png");
    RgbImage::new(size.width, size.height).save(&image).unwrap();
    // The left half. At 320 px the image lies 16 px from the left and 8 from above in an input of 352 × 256.
    let labels = vec![Label { class: 4, bbox: BoundingBox::new(0.0, 0.0, 320.0, 480.0) }];
    let sample = Sample { image, size, labels };
    let samples = Samples { samples: vec![sample; 3], ..val_samples() };
    let seen = std::cell::RefCell::new(Vec::new());
    let losses = |heads: &[tch::Tensor], targets: &[Target]| {
        seen.borrow_mut().push((heads[0].size(), targets.to_vec()));
        Ok([seen.borrow().len() as f64, 0.5, 0.0])
    };
    let evaluation = run(&samples, &EvaluateOptions { batch: 2, losses: Some(&losses), ..OPTIONS }).unwrap().unwrap();
    assert_eq!(evaluation.losses, Some([1.5, 0.5, 0.0]));
    let row = |image| Target { image, class: 4, xywh: [96.0 / 352.0, 0.5, 160.0 / 352.0, 240.0 / 256.0] };
    let [first, last] = &seen.into_inner()[..] else { panic!("two batches") };
    assert_eq!(*first, (vec![2, 3, 32, 44, 11], vec![row(0), row(1)]));
    assert_eq!(*last, (vec![1, 3, 32, 44, 11], vec![row(0)]));
}

#[test]
fn without_labels_or_images_every_figure_is_zero() {
    let mut samples = val_samples();
    samples.samples.truncate(2);
    for sample in &mut samples.samples {
        sample.labels.clear();
    }
    let evaluation = run(&samples, &OPTIONS).unwrap().unwrap();
    assert_eq!(Evaluation { seconds: 0.0, ..evaluation }, Evaluation { images: 2, ..Evaluation::default() });
    samples.samples.clear();
    let evaluation = run(&samples, &OPTIONS).unwrap().unwrap();
    assert_eq!(Evaluation { seconds: 0.0, ..evaluation }, Evaluation::default());
}

#[test]
fn an_untrained_network_finds_nothing_and_says_zero() {
    let network = student();
    network.initialise(1).unwrap();
    let mut samples = val_samples();
    samples.samples.truncate(3);
    let evaluation = evaluate(&network, &samples, &OPTIONS, &mut |_, _| ControlFlow::Continue(())).unwrap().unwrap();
    assert_eq!((evaluation.map50, evaluation.precision, evaluation.recall), (0.0, 0.0, 0.0));
    assert!(evaluation.labels > 0 && !evaluation.per_class.is_empty());
}

#[test]
fn it_can_be_broken_off_and_says_what_does_not_fit() {
    let samples = val_samples();
    let mut asked = 0;
    let broken_off = evaluate(&student(), &samples, &EvaluateOptions { batch: 4, ..OPTIONS }, &mut |done, _| {
        asked += 1;
        if done >= 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(broken_off.unwrap().is_none());
    assert_eq!(asked, 2);

    let two_classes = Samples { names: vec!["a".into(), "b".into()], ..samples.clone() };
    let error = run(&two_classes, &OPTIONS).unwrap_err().to_string();
    assert!(error.contains("6 classes") && error.contains("has 2"), "{error}");

    let gone = Sample { image: Path::new("gone.jpg").into(), ..samples.samples[0].clone() };
    let error = run(&Samples { samples: vec![gone], ..samples }, &OPTIONS).unwrap_err().to_string();
    assert!(error.contains("gone.jpg"), "{error}");
}
