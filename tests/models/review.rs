//! A review's plots against YOLOv5 v7.0 (`scripts/golden_review.py`), and a review of the sample session against the
//! evaluation, the detection loss and the imitation loss that training has.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use distillscope::dataset::{DataYaml, Label, Samples, Split};
use distillscope::geometry::BoundingBox;
use distillscope::imitation::lambda::Norm;
use distillscope::imitation::loss::{
    Loss, MaskChoice, MaskInputs, MaskSource, ScalePair, SharedClasses, batch_masks, reduce,
};
use distillscope::review::confusion::Confusion;
use distillscope::review::{MaskRule, Review, ReviewError, ReviewModel, ReviewOptions, review};
use distillscope::train::evaluate::average_precision::{Scored, confidences, curves_by_class};
use distillscope::train::evaluate::{EvaluateOptions, Evaluation, Geometry, Input, evaluate, for_each_batch};
use distillscope::yolo::assign::Target;
use distillscope::yolo::checkpoint;
use distillscope::yolo::detection::Detection;
use distillscope::yolo::loss::{DetectionLoss, LossGains, balance};
use distillscope::yolo::network::Network;
use distillscope::yolo::spec::ModelSpec;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn golden<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let file = root().join("tests/golden/review").join(name);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Every so many of the thousand points, as the generator keeps them.
const KEPT: usize = 27;

#[track_caller]
fn close(ours: &[f64], expected: &[f64], what: &str) {
    let ours: Vec<f64> = ours.iter().copied().step_by(KEPT).collect();
    assert_eq!((ours.len(), ours.len()), (expected.len(), 38), "{what}");
    for (ours, expected) in ours.iter().zip(expected) {
        assert!((ours - expected).abs() < 1e-12, "{what}: {ours} {expected}");
    }
}

#[test]
fn curves_are_those_of_upstreams_plots() {
    #[derive(Deserialize)]
    struct Class {
        class: usize,
        over_recall: Option<Vec<f64>>,
        f1: Vec<f64>,
        precision: Vec<f64>,
        recall: Vec<f64>,
    }
    #[derive(Deserialize)]
    struct Case {
        labels: Vec<usize>,
        detections: Vec<(f32, usize, usize)>,
        classes: Vec<Class>,
    }
    let mut without_detections = 0;
    for Case { labels, detections, classes } in golden::<Case>("curves.json") {
        let scored = |(score, class, reach)| Scored { class, score, found: std::array::from_fn(|at| at < reach) };
        let curves = curves_by_class(detections.into_iter().map(scored).collect(), &labels);
        assert_eq!(curves.iter().flatten().count(), classes.len());
        for expected in classes {
            let ours = curves[expected.class].as_ref().unwrap();
            close(&ours.f1(), &expected.f1, "F1");
            close(&ours.precision, &expected.precision, "precision");
            close(&ours.recall, &expected.recall, "recall");
            match expected.over_recall {
                Some(expected) => close(&ours.precision_at_recall, &expected, "precision over recall"),
                None => {
                    without_detections += 1;
                    assert!(ours.precision_at_recall.iter().all(|value| *value == 0.0));
                }
            }
        }
    }
    assert_eq!(without_detections, 1);
    let x = confidences();
    assert_eq!((x.len(), x[0], x[999]), (1000, 0.0, 1.0));
}

#[test]
fn the_confusion_matrix_is_upstreams() {
    #[derive(Deserialize)]
    struct Image {
        labels: Vec<(usize, f32, f32, f32, f32)>,
        detections: Vec<(usize, f32, f32, f32, f32, f32)>,
    }
    #[derive(Deserialize)]
    struct Case {
        classes: usize,
        images: Vec<Image>,
        matrix: Vec<Vec<u64>>,
    }
    for Case { classes, images, matrix } in golden::<Case>("confusion.json") {
        let mut ours = Confusion::new(classes);
        let mut predictions = 0;
        for Image { labels, detections } in images {
            let labels: Vec<Label> = labels
                .into_iter()
                .map(|(class, x1, y1, x2, y2)| Label { class, bbox: BoundingBox::new(x1, y1, x2, y2) })
                .collect();
            let detections: Vec<Detection> = detections
                .into_iter()
                .map(|(class, score, x1, y1, x2, y2)| Detection {
                    class,
                    score,
                    bbox: BoundingBox::new(x1, y1, x2, y2),
                })
                .filter(|detection| detection.score > 0.25)
                .collect();
            predictions += detections.len() as u64;
            ours.add(&detections, &labels);
        }
        assert_eq!(ours.rows().collect::<Vec<_>>(), matrix);
        let in_it: u64 = ours.rows().take(classes).flatten().sum();
        assert_eq!(in_it + ours.passed_over().iter().sum::<u64>(), predictions, "no prediction is lost");
    }
}

fn model(role: &str) -> ReviewModel {
    let path = root().join(format!("sample_data/models/{role}.pt"));
    let network = Network::load(&checkpoint::open(&path).unwrap(), Device::Cpu).unwrap().0;
    ReviewModel { role: role.to_owned(), path, network: network.folded(Kind::Float).unwrap() }
}

fn models() -> [ReviewModel; 2] {
    ["teacher", "student"].map(model)
}

/// The first images of the sample session's val.
fn few_samples(count: usize) -> Samples {
    let data = DataYaml::load(&root().join("sample_data/data.yaml")).unwrap();
    let mut samples = Samples::load(&data, Split::Val, &mut |_, _| ControlFlow::Continue(())).unwrap();
    samples.samples.truncate(count);
    samples
}

fn options(batch: usize) -> ReviewOptions {
    ReviewOptions { imgsz: 320, batch, confidence: 0.25, iou: 0.5, mask: MaskRule::default() }
}

fn quiet(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// What must be equal to the last digit; how long it took is not a part of it.
fn figures(evaluation: &Evaluation) -> Evaluation {
    Evaluation { seconds: 0.0, ..evaluation.clone() }
}

#[test]
fn every_model_has_the_figures_of_its_evaluation_to_the_last_digit() {
    let (models, samples) = (models(), few_samples(10));
    let found = review(&models, &samples, &options(4), &mut quiet).unwrap();
    assert!(found.is_complete() && found.notes.is_empty(), "{:?}", found.notes);
    for (model, reviewed) in models.iter().zip(&found.models) {
        let options = EvaluateOptions { imgsz: 320, batch: 4, losses: None };
        let evaluation = evaluate(&model.network, &samples, &options, &mut quiet).unwrap().unwrap();
        assert!(evaluation.map50 > 0.05, "there is something to compare");
        assert_eq!(figures(&reviewed.evaluation), figures(&evaluation));
    }
    let labels: Vec<(usize, Label)> = samples
        .samples
        .iter()
        .enumerate()
        .flat_map(|(image, sample)| sample.labels.iter().map(move |label| (image, *label)))
        .collect();
    let objects: Vec<(usize, Label)> = found.objects.iter().map(|object| (object.image, object.label)).collect();
    assert_eq!(objects, labels, "every ground truth once, in the order of the data");
    let paths: Vec<&Path> = found.images.iter().map(|image| image.path.as_path()).collect();
    assert_eq!(paths, samples.samples.iter().map(|sample| sample.image.as_path()).collect::<Vec<_>>());
}

/// Reviews teacher and student, and computes every image's detection loss and distance once more as a step of training would,
/// from a batch of that image alone.
fn agrees_with_training(models: [ReviewModel; 2], images: usize) -> Review {
    let samples = few_samples(images);
    let found = review(&models, &samples, &options(2), &mut quiet).unwrap();
    assert_eq!(found.notes, [""; 0]);
    let [teacher, student] = models.map(|model| model.network);
    let gains = |side: u32| LossGains::default().scaled(student.scales().len(), student.names().len(), side);
    let classes = SharedClasses::of(student.names(), teacher.names());
    let [of_teacher, own] = [&teacher, &student].map(|network| Geometry::of(network, 320).unwrap());
    // Where the two see inputs of different sizes they are compared on those that both can take.
    let shared = if of_teacher.stride > own.stride { of_teacher } else { own };
    let seen = RefCell::new(0);
    for_each_batch(&samples.samples, &[own, shared], 2, &mut quiet, &mut |batch| {
        let [own, shared] = batch.inputs.as_slice() else { panic!("two inputs") };
        for (place, &index) in batch.images.iter().enumerate() {
            let heads = |network: &Network, input: &Input| {
                let alone = input.tensor(Device::Cpu).unwrap().narrow(0, place as i64, 1);
                tch::no_grad(|| network.forward(&alone).unwrap().heads)
            };
            let labels = &samples.samples[index].labels;
            let targets: Vec<Target> = own.targets(place, labels, 0);
            let side = |input: &Input| input.size.width.max(input.size.height);
            let detection = DetectionLoss::new(student.scales(), student.names().len(), gains(side(own)));
            let expected: f64 = detection.terms(&heads(&student, own), &targets)?.values()?.iter().sum();
            let ours = found.images[index].losses[1];
            assert!((ours - expected).abs() < 1e-4 * expected, "image {index}: {ours} {expected}");

            let (of_teacher, of_student) = (heads(&teacher, shared), heads(&student, shared));
            let boxes = [labels.iter().map(|label| shared.to_input(place, &label.bbox)).collect::<Vec<_>>()];
            let heads: Vec<Option<Tensor>> = of_teacher.iter().map(|head| Some(head.shallow_clone())).collect();
            let masks =
                MaskInputs { boxes: &boxes, scales: student.scales(), input: shared.size, teacher_heads: &heads };
            let choice = MaskChoice { source: MaskSource::Iou, ..MaskChoice::default() };
            let masks = batch_masks(&masks, choice, Device::Cpu)?;
            let cells: Vec<usize> = masks.iter().map(|mask| mask.count as usize).collect();
            assert_eq!(found.images[index].mask_cells, cells);
            let gains = gains(side(shared));
            let terms = |at: usize| {
                let pair = ScalePair {
                    student: &of_student[at],
                    teacher: &of_teacher[at],
                    anchors: &student.scales()[at],
                    classes: &classes,
                    gains: &gains,
                    balance: balance(student.scales().len(), at),
                };
                Loss::ANSWERS.terms(&pair).unwrap()
            };
            let terms: Vec<_> = (0..student.scales().len()).map(terms).collect();
            let losses = reduce(&terms, &masks, Norm::PerScale)?;
            let expected: f64 = losses.iter().map(|loss| loss.scalar.double_value(&[])).sum();
            let ours = found.images[index].distance.unwrap();
            assert!((ours - expected).abs() < 1e-4 * expected, "image {index}: {ours} {expected}");
            *seen.borrow_mut() += 1;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(seen.into_inner(), images);
    found
}

#[test]
fn an_images_loss_and_distance_are_those_of_training() {
    agrees_with_training(models(), 5);
}

/// A teacher of four scales, untrained and small, whose first three have the student's anchors: its inputs are multiples of
/// 64 px, the student's of 32.
#[test]
fn models_of_other_strides_each_see_their_own_input() {
    let [_, student] = models();
    let anchors =
        "[[10,13, 16,30, 33,23], [30,61, 62,45, 59,119], [116,90, 156,198, 373,326], [300,300, 400,400, 500,500]]";
    let halves = "[-1, 1, Conv, [8, 3, 2]], ".repeat(6);
    let yaml = format!(
        "nc: 6\ndepth_multiple: 1.0\nwidth_multiple: 1.0\nanchors: {anchors}\nbackbone: [{halves}]\n\
         head: [[[2, 3, 4, 5], 1, Detect, [nc, anchors]]]\n"
    );
    let mut network = Network::build(&ModelSpec::from_yaml_text(&yaml).unwrap(), Device::Cpu).unwrap();
    network.initialise(7).unwrap();
    let scales = student.network.scales().iter().cloned().chain(network.scales()[3..].to_vec()).collect();
    network.set_names_and_scales(student.network.names().to_vec(), scales);
    let teacher = || {
        let copy = network.folded(Kind::Float).unwrap();
        ReviewModel { role: "teacher".into(), path: "p6.pt".into(), network: copy }
    };
    let samples = few_samples(5);
    let expected = |network: &Network| {
        let options = EvaluateOptions { imgsz: 320, batch: 2, losses: None };
        figures(&evaluate(network, &samples, &options, &mut quiet).unwrap().unwrap())
    };
    let both = [expected(&teacher().network), expected(&student.network)];
    let found = agrees_with_training([teacher(), student], 5);
    assert_eq!(found.models.iter().map(|model| figures(&model.evaluation)).collect::<Vec<_>>(), both);
}

#[test]
fn a_review_that_is_stopped_says_what_was_done() {
    let (models, samples) = (models(), few_samples(6));
    let mut asked = 0;
    let part = review(&models, &samples, &options(2), &mut |done, _| {
        asked += 1;
        if done >= 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!((asked, part.images.len(), part.images_of_split, part.is_complete()), (3, 4, 6, false));
    let whole = review(&models, &samples, &options(2), &mut quiet).unwrap();
    for object in &part.objects {
        let path = &part.images[object.image].path;
        let same =
            whole.objects.iter().find(|other| whole.images[other.image].path == *path && other.index == object.index);
        assert_eq!(same.unwrap().outcomes, object.outcomes);
    }
    assert_eq!(part.models[0].evaluation.images, 4);
}

#[test]
fn an_image_that_cannot_be_read_is_a_row_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut samples = few_samples(3);
    let broken = folder.path().join("broken.jpg");
    std::fs::write(&broken, b"no picture at all").unwrap();
    let labels = samples.samples[1].labels.len();
    samples.samples[1].image.clone_from(&broken);
    let found = review(&models(), &samples, &options(4), &mut quiet).unwrap();
    let row = found.images.last().unwrap();
    assert_eq!((&row.path, row.objects, row.error.is_some()), (&broken, 0, true));
    let all: usize = samples.samples.iter().map(|sample| sample.labels.len()).sum();
    assert!(found.is_complete() && labels > 0);
    assert_eq!((found.objects.len(), found.models[1].evaluation.images), (all - labels, 2));
    assert!(found.objects.iter().all(|object| found.images[object.image].error.is_none()));
}

/// The student with its classes renamed: what the data do not have is left out, what it does not know is not counted.
#[test]
fn a_model_with_other_classes_is_compared_by_name() {
    let ([teacher, mut student], samples) = (models(), few_samples(8));
    let plain = review(&models(), &samples, &options(4), &mut quiet).unwrap();
    let names = student.network.names().to_vec();
    let scales = student.network.scales().to_vec();
    // The first class gets a name that the data do not have; all others keep theirs.
    let renamed: Vec<String> = std::iter::once("zeppelin".to_owned()).chain(names[1..].iter().cloned()).collect();
    student.network.set_names_and_scales(renamed, scales.clone());
    let found = review(&[teacher, student], &samples, &options(4), &mut quiet).unwrap();
    let note = format!("the student does not know {}; its zeppelin is not in the data and left out", names[0]);
    assert!(found.notes.contains(&note), "{:?}", found.notes);
    let without_first = |review: &Review| {
        let known = review.objects.iter().filter(|object| object.label.class != 0);
        known.map(|object| object.outcomes[1].map(|outcome| outcome.is_found())).collect::<Vec<_>>()
    };
    assert_eq!(without_first(&found), without_first(&plain));
    let first = || found.objects.iter().filter(|object| object.label.class == 0);
    assert!(first().count() > 0 && first().all(|object| object.outcomes[1].is_none()));
    let by_class = |review: &Review| {
        let classes = review.models[1].evaluation.per_class.iter().filter(|class| class.class != 0);
        classes.map(|class| (class.class, class.ap50_95)).collect::<Vec<_>>()
    };
    assert_eq!(by_class(&found), by_class(&plain));
    assert!(found.models[1].evaluation.per_class.iter().all(|class| class.class != 0));

    let [teacher, mut student] = models();
    student.network.set_names_and_scales(vec!["a".into(), "b".into()], scales);
    let error = review(&[teacher, student], &samples, &options(4), &mut quiet).unwrap_err();
    assert!(matches!(&error, ReviewError::Classes { .. }) && error.to_string().contains("student.pt"), "{error}");
    let alone = review(&[model("teacher")], &samples, &options(4), &mut quiet);
    assert!(matches!(alone, Err(ReviewError::TooFew)));
}

#[test]
fn without_labels_predictions_stand_alone() {
    let mut samples = few_samples(4);
    samples.samples.iter_mut().for_each(|sample| sample.labels.clear());
    let found = review(&models(), &samples, &options(4), &mut quiet).unwrap();
    assert!(!found.has_labels() && found.objects.is_empty());
    assert!(found.unmatched.iter().any(|unmatched| unmatched.model == 0), "the teacher sees something");
    assert!(found.unmatched.iter().all(|unmatched| unmatched.stray.nearest.is_none() && !unmatched.stray.is_duplicate));
    assert!(found.images.iter().all(|image| image.mask_cells.iter().all(|cells| *cells == 0)));
}
