//! A review as JSON of the schema `distillscope.review/1`.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::ReviewOptions;
use super::calibration::Calibration;
use super::confusion::CONFUSION_IOU;
use super::doctor::Finding;
use super::matching::OutcomeKind;
use super::records::{ImageReview, ModelReview, Object, Review, Unmatched};
use super::sums::{Change, Group, Pairing, Sums, pairings};
use crate::train::evaluate::average_precision::{Curves, best_confidence, confidences};

/// Where a review comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub data: &'a Path,
    /// `None` of a folder of images.
    pub split: Option<&'a str>,
    pub options: &'a ReviewOptions,
}

/// Schema `distillscope.review/1`. Boxes are x1, y1, x2, y2 in image px; what has a value for each model is a map by role.
#[derive(Serialize)]
pub struct Report<'a> {
    schema: &'static str,
    data: &'a Path,
    split: Option<&'a str>,
    /// Long side of an image in the input, px.
    imgsz: u32,
    /// Images that went through a network together: their inputs have one size, on which the figures depend a little.
    batch: usize,
    conf: f32,
    iou: f32,
    psi: f32,
    level_rule: &'static str,
    /// False where it was stopped before every image was looked at.
    complete: bool,
    images_of_split: usize,
    notes: &'a [String],
    models: Vec<ModelRow<'a>>,
    images: Vec<ImageRow<'a>>,
    objects: Vec<ObjectRow<'a>>,
    unmatched: Vec<UnmatchedRow<'a>>,
    sums: SumRows<'a>,
    doctor: Vec<FindingRow<'a>>,
    curves: CurveRows<'a>,
    confusion: ConfusionRows<'a>,
    calibration: ByRole<'a, &'a Calibration>,
}

/// A value for each model, written as a map in the models' order.
struct ByRole<'a, T> {
    models: &'a [ModelReview],
    values: Vec<T>,
}

impl<'a, T> ByRole<'a, T> {
    fn new(review: &'a Review, value: impl FnMut(usize) -> T) -> Self {
        Self { models: &review.models, values: (0..review.models.len()).map(value).collect() }
    }
}

impl<T: Serialize> Serialize for ByRole<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.models.iter().map(|model| &model.role).zip(&self.values))
    }
}

#[derive(Serialize)]
struct ModelRow<'a> {
    role: &'a str,
    path: &'a Path,
    /// `null` without labels.
    map50: Option<f64>,
    map50_95: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    background: usize,
    duplicate: usize,
    /// Classes of the data that it does not know.
    left_out: Vec<&'a str>,
}

#[derive(Serialize)]
struct ImageRow<'a> {
    path: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    objects: usize,
    mask_cells: &'a [usize],
    distance: Option<f64>,
    loss: ByRole<'a, Option<f64>>,
    counts: ByRole<'a, Counts>,
}

/// Outcomes of objects, and predictions without one.
#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Counts {
    found: u64,
    wrong_class: u64,
    poorly_placed: u64,
    missed: u64,
    background: u64,
    duplicate: u64,
}

#[derive(Serialize)]
struct ObjectRow<'a> {
    /// Index into the images.
    image: usize,
    /// Index among the image's ground truths.
    label: usize,
    class: &'a str,
    #[serde(rename = "box")]
    bbox: [f32; 4],
    area: f32,
    size: &'static str,
    scale: Option<&'a str>,
    mask_cells: usize,
    outcomes: ByRole<'a, Option<OutcomeRow<'a>>>,
}

#[derive(Serialize)]
struct OutcomeRow<'a> {
    outcome: &'static str,
    confidence: Option<f32>,
    iou: Option<f32>,
    /// What the model says it is.
    class: Option<&'a str>,
    #[serde(rename = "box")]
    bbox: Option<[f32; 4]>,
}

#[derive(Serialize)]
struct UnmatchedRow<'a> {
    image: usize,
    model: &'a str,
    /// background, duplicate, or unlabelled where the split has no labels at all.
    kind: &'static str,
    class: &'a str,
    confidence: f32,
    /// With the object that it overlaps most; 0 where it overlaps none.
    iou: f32,
    /// That object's index among the image's ground truths.
    label: Option<usize>,
    #[serde(rename = "box")]
    bbox: [f32; 4],
}

#[derive(Serialize)]
struct SumRows<'a> {
    all: GroupRow<'a>,
    by_class: Vec<GroupRow<'a>>,
    by_size: Vec<GroupRow<'a>>,
    by_scale: Vec<GroupRow<'a>>,
}

#[derive(Serialize)]
struct GroupRow<'a> {
    name: String,
    objects: u64,
    outcomes: ByRole<'a, OutcomeCounts>,
    changes: Vec<ChangeRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct OutcomeCounts {
    found: u64,
    wrong_class: u64,
    poorly_placed: u64,
    missed: u64,
}

#[derive(Serialize)]
struct ChangeRow<'a> {
    of: &'a str,
    against: &'a str,
    won: u64,
    lost: u64,
    kept: u64,
    never: u64,
}

#[derive(Serialize)]
struct FindingRow<'a> {
    suspicion: &'static str,
    strength: f32,
    image: usize,
    label: Option<usize>,
    /// The label's.
    class: Option<&'a str>,
    teacher_class: Option<&'a str>,
    confidence: Option<f32>,
    iou: Option<f32>,
    #[serde(rename = "box")]
    bbox: [f32; 4],
}

/// Values at 1000 confidences, or recalls, from 0 to 1, at IoU 0.5.
#[derive(Serialize)]
struct CurveRows<'a> {
    x: Vec<f64>,
    models: ByRole<'a, ModelCurves<'a>>,
}

#[derive(Serialize)]
struct ModelCurves<'a> {
    /// Where the mean F1, smoothed, is best.
    best_confidence: Option<f64>,
    /// The classes that have ground truths.
    classes: Vec<ClassCurves<'a>>,
}

#[derive(Serialize)]
struct ClassCurves<'a> {
    class: &'a str,
    ap50: f64,
    ap50_95: f64,
    precision: &'a [f64],
    recall: &'a [f64],
    f1: Vec<f64>,
    precision_at_recall: &'a [f64],
}

#[derive(Serialize)]
struct ConfusionRows<'a> {
    conf: f32,
    iou: f32,
    /// Of rows and columns: the classes, then the background.
    names: Vec<&'a str>,
    models: ByRole<'a, ConfusionRow<'a>>,
}

#[derive(Serialize)]
struct ConfusionRow<'a> {
    /// Rows are predicted, columns true classes; `null` of more than 1000 classes.
    matrix: Option<Vec<Vec<u64>>>,
    /// Predictions by class that YOLOv5's matrix passes over: those of images where no box meets an object.
    passed_over: &'a [u64],
}

/// As the name of the background in a confusion matrix.
pub const BACKGROUND: &str = "background";

impl<'a> Report<'a> {
    pub fn new(review: &'a Review, source: &Source<'a>, sums: &Sums, findings: &[Finding]) -> Self {
        let options = source.options;
        let counts = counts_of_images(review);
        Self {
            schema: "distillscope.review/1",
            data: source.data,
            split: source.split,
            imgsz: options.imgsz,
            batch: options.batch,
            conf: options.confidence,
            iou: options.iou,
            psi: options.mask.psi.get(),
            level_rule: options.mask.level_rule.name(),
            complete: review.is_complete(),
            images_of_split: review.images_of_split,
            notes: &review.notes,
            models: (0..review.models.len()).map(|model| model_row(review, model)).collect(),
            images: review.images.iter().zip(&counts).map(|(image, counts)| image_row(review, image, counts)).collect(),
            objects: review.objects.iter().map(|object| object_row(review, object)).collect(),
            unmatched: review.unmatched.iter().map(|unmatched| unmatched_row(review, unmatched)).collect(),
            sums: SumRows {
                all: group_row(review, &sums.all),
                by_class: sums.by_class.iter().map(|group| group_row(review, group)).collect(),
                by_size: sums.by_size.iter().map(|group| group_row(review, group)).collect(),
                by_scale: sums.by_scale.iter().map(|group| group_row(review, group)).collect(),
            },
            doctor: findings.iter().map(|finding| finding_row(review, finding)).collect(),
            curves: CurveRows {
                x: confidences(),
                models: ByRole::new(review, |model| model_curves(review, &review.models[model])),
            },
            confusion: ConfusionRows {
                conf: options.confidence,
                iou: CONFUSION_IOU,
                names: review.names.iter().map(String::as_str).chain([BACKGROUND]).collect(),
                models: ByRole::new(review, |model| {
                    let confusion = &review.models[model].confusion;
                    ConfusionRow {
                        matrix: (!confusion.is_huge()).then(|| confusion.rows().collect()),
                        passed_over: confusion.passed_over(),
                    }
                }),
            },
            calibration: ByRole::new(review, |model| &review.models[model].calibration),
        }
    }
}

/// Of every image, for each model.
fn counts_of_images(review: &Review) -> Vec<Vec<Counts>> {
    let mut counts = vec![vec![Counts::default(); review.models.len()]; review.images.len()];
    for object in &review.objects {
        for (counts, outcome) in counts[object.image].iter_mut().zip(&object.outcomes) {
            match outcome.map(|outcome| outcome.kind) {
                Some(OutcomeKind::Found) => counts.found += 1,
                Some(OutcomeKind::WrongClass) => counts.wrong_class += 1,
                Some(OutcomeKind::PoorlyPlaced) => counts.poorly_placed += 1,
                Some(OutcomeKind::Missed) => counts.missed += 1,
                None => {}
            }
        }
    }
    for Unmatched { image, model, stray } in &review.unmatched {
        let counts = &mut counts[*image][*model];
        *(if stray.is_duplicate { &mut counts.duplicate } else { &mut counts.background }) += 1;
    }
    counts
}

fn model_row(review: &Review, index: usize) -> ModelRow<'_> {
    let ModelReview { role, path, evaluation, knows, .. } = &review.models[index];
    let figure = |value: f64| review.has_labels().then_some(value);
    let unknown = review.names.iter().zip(knows).filter(|(_, knows)| !**knows);
    ModelRow {
        role,
        path,
        map50: figure(evaluation.map50),
        map50_95: figure(evaluation.map50_95),
        precision: figure(evaluation.precision),
        recall: figure(evaluation.recall),
        background: review.strays(index, false),
        duplicate: review.strays(index, true),
        left_out: unknown.map(|(name, _)| name.as_str()).collect(),
    }
}

fn image_row<'a>(review: &'a Review, image: &'a ImageReview, counts: &[Counts]) -> ImageRow<'a> {
    ImageRow {
        path: &image.path,
        error: image.error.as_deref(),
        objects: image.objects,
        mask_cells: &image.mask_cells,
        distance: image.distance,
        loss: ByRole::new(review, |model| image.losses.get(model).copied()),
        counts: ByRole::new(review, |model| counts[model]),
    }
}

fn object_row<'a>(review: &'a Review, object: &'a Object) -> ObjectRow<'a> {
    let outcome = |model: usize| {
        let outcome = object.outcomes[model]?;
        let seen = outcome.seen;
        Some(OutcomeRow {
            outcome: outcome.kind.name(),
            confidence: seen.map(|seen| seen.detection.score),
            iou: seen.map(|seen| seen.iou),
            class: seen.map(|seen| review.names[seen.detection.class].as_str()),
            bbox: seen.map(|seen| seen.detection.bbox.as_xyxy()),
        })
    };
    ObjectRow {
        image: object.image,
        label: object.index,
        class: &review.names[object.label.class],
        bbox: object.label.bbox.as_xyxy(),
        area: object.label.bbox.area(),
        size: object.size.name(),
        scale: object.scale.map(|scale| review.scales[scale].as_str()),
        mask_cells: object.mask_cells,
        outcomes: ByRole::new(review, outcome),
    }
}

fn unmatched_row<'a>(review: &'a Review, Unmatched { image, model, stray }: &'a Unmatched) -> UnmatchedRow<'a> {
    UnmatchedRow {
        image: *image,
        model: &review.models[*model].role,
        kind: match (review.has_labels(), stray.is_duplicate) {
            (false, _) => "unlabelled",
            (true, true) => "duplicate",
            (true, false) => BACKGROUND,
        },
        class: &review.names[stray.detection.class],
        confidence: stray.detection.score,
        iou: stray.nearest.map_or(0.0, |(_, iou)| iou),
        label: stray.nearest.map(|(label, _)| label),
        bbox: stray.detection.bbox.as_xyxy(),
    }
}

fn group_row<'a>(review: &'a Review, group: &Group) -> GroupRow<'a> {
    let role = |model: usize| review.models[model].role.as_str();
    let change = |(Pairing { of, against }, counts): (Pairing, &[u64; Change::ALL.len()])| {
        let [won, lost, kept, never] = *counts;
        ChangeRow { of: role(of), against: role(against), won, lost, kept, never }
    };
    GroupRow {
        name: group.name.clone(),
        objects: group.objects,
        outcomes: ByRole::new(review, |model| {
            let [found, wrong_class, poorly_placed, missed] = group.outcomes[model];
            OutcomeCounts { found, wrong_class, poorly_placed, missed }
        }),
        changes: pairings(review.models.len()).into_iter().zip(&group.changes).map(change).collect(),
    }
}

fn finding_row<'a>(review: &'a Review, finding: &Finding) -> FindingRow<'a> {
    let object = finding.object.map(|index| &review.objects[index]);
    let name = |class: usize| review.names[class].as_str();
    FindingRow {
        suspicion: finding.suspicion.name(),
        strength: finding.strength,
        image: finding.image,
        label: object.map(|object| object.index),
        class: object.map(|object| name(object.label.class)),
        teacher_class: finding.teacher.map(|seen| name(seen.detection.class)),
        confidence: finding.teacher.map(|seen| seen.detection.score),
        iou: finding.teacher.map(|seen| seen.iou),
        bbox: finding.bbox.as_xyxy(),
    }
}

fn model_curves<'a>(review: &'a Review, model: &'a ModelReview) -> ModelCurves<'a> {
    let class = |(curves, name): (&'a Option<Curves>, &'a String)| {
        let curves = curves.as_ref()?;
        Some(ClassCurves {
            class: name,
            ap50: curves.ap[0],
            ap50_95: curves.ap.iter().sum::<f64>() / curves.ap.len() as f64,
            precision: &curves.precision,
            recall: &curves.recall,
            f1: curves.f1(),
            precision_at_recall: &curves.precision_at_recall,
        })
    };
    let classes: Vec<ClassCurves<'a>> = model.curves.iter().zip(&review.names).filter_map(class).collect();
    let best_confidence = (!classes.is_empty()).then(|| confidences()[best_confidence(&model.curves)]);
    ModelCurves { best_confidence, classes }
}
