//! The columns of a run's tables: each says its name, how a record gives its number and how it takes it back. Files,
//! TensorBoard tags and reading all follow from these two lists.

use crate::train::evaluate::Evaluation;
use crate::train::event::{EpochRecord, StepRecord};

type Get<R> = Box<dyn Fn(&R) -> Option<f64> + Send>;
type Set<R> = Box<dyn Fn(&mut R, f64) + Send>;

/// One column of a table of records `R`.
pub(super) struct Column<R> {
    pub name: String,
    /// Whole numbers are written with all their digits.
    pub whole: bool,
    /// Whether files of earlier versions lack it.
    pub late: bool,
    /// None where the record does not know it.
    pub get: Get<R>,
    /// Puts a number from a file where it belongs.
    pub set: Set<R>,
}

/// A column from how a record lends its field.
macro_rules! column {
    ($name:expr, real, $record:ident => $field:expr) => {
        Column {
            name: $name.to_owned(),
            whole: false,
            late: false,
            get: Box::new(|$record| Some($field)),
            set: Box::new(|$record, value| $field = value),
        }
    };
    ($name:expr, whole as $type:ty, $record:ident => $field:expr) => {
        Column {
            name: $name.to_owned(),
            whole: true,
            late: false,
            get: Box::new(|$record| Some($field as f64)),
            set: Box::new(|$record, value| $field = value as $type),
        }
    };
    ($name:expr, optional, $record:ident => $field:expr) => {
        Column {
            name: $name.to_owned(),
            whole: false,
            late: false,
            get: Box::new(|$record| $field),
            set: Box::new(|$record, value| $field = Some(value)),
        }
    };
}

/// One column a scale, named after it.
fn per_scale<R: 'static>(
    name: &str,
    scales: &[String],
    whole: bool,
    get: fn(&R, usize) -> Option<f64>,
    set: fn(&mut R, usize, f64),
) -> Vec<Column<R>> {
    let column = |(index, scale): (usize, &String)| Column {
        name: format!("{name}_{scale}"),
        whole,
        late: false,
        get: Box::new(move |record: &R| get(record, index)),
        set: Box::new(move |record: &mut R, value| set(record, index, value)),
    };
    scales.iter().enumerate().map(column).collect()
}

fn late<R>(mut columns: Vec<Column<R>>) -> Vec<Column<R>> {
    columns.iter_mut().for_each(|column| column.late = true);
    columns
}

/// Scales come one after the other; one that is missing in a file stays NaN, and its reader finds the gap.
fn put(values: &mut Vec<f64>, scale: usize, value: f64) {
    values.resize(values.len().max(scale + 1), f64::NAN);
    values[scale] = value;
}

/// One that is missing in a file is a scale without a cell.
fn put_distance(values: &mut Vec<Option<f64>>, scale: usize, value: f64) {
    values.resize(values.len().max(scale + 1), None);
    values[scale] = Some(value);
}

fn put_cells(values: &mut Vec<u64>, scale: usize, value: f64) {
    values.resize(values.len().max(scale + 1), 0);
    values[scale] = value as u64;
}

/// `steps.csv`: every field of a [`StepRecord`].
pub(super) fn of_steps(scales: &[String]) -> Vec<Column<StepRecord>> {
    let mut columns: Vec<Column<StepRecord>> = vec![
        column!("step", whole as u64, r => r.step),
        column!("epoch", whole as u32, r => r.epoch),
        column!("total", real, r => r.total),
        column!("box", real, r => r.box_loss),
        column!("objectness", real, r => r.objectness),
        column!("class", real, r => r.class),
    ];
    columns.extend(per_scale(
        "imitation",
        scales,
        false,
        |r: &StepRecord, scale| r.imitation.get(scale).copied(),
        |r, scale, value| put(&mut r.imitation, scale, value),
    ));
    columns.extend(per_scale(
        "distance",
        scales,
        false,
        |r: &StepRecord, scale| r.distance.get(scale).copied().flatten(),
        |r, scale, value| put_distance(&mut r.distance, scale, value),
    ));
    columns.push(column!("lambda", real, r => r.lambda));
    columns.extend(per_scale(
        "mask_cells",
        scales,
        true,
        |r: &StepRecord, scale| r.mask_cells.get(scale).map(|cells| *cells as f64),
        |r, scale, value| put_cells(&mut r.mask_cells, scale, value),
    ));
    columns.extend(late(per_scale(
        "mask_share",
        scales,
        false,
        |r: &StepRecord, scale| r.mask_share.get(scale).copied(),
        |r, scale, value| put(&mut r.mask_share, scale, value),
    )));
    let rest: [Column<StepRecord>; 9] = [
        column!("gradient_ratio", optional, r => r.gradient_ratio),
        column!("gradient_cosine", optional, r => r.gradient_cosine),
        column!("measuring", optional, r => r.measuring),
        column!("learning_rate", real, r => r.learning_rate),
        column!("momentum", real, r => r.momentum),
        column!("gradient_norm", optional, r => r.gradient_norm),
        column!("images", whole as usize, r => r.images),
        column!("seconds", real, r => r.seconds),
        column!("waited", real, r => r.waited),
    ];
    columns.extend(rest);
    columns
}

/// `results.csv`: YOLOv5 v7.0's columns in its order, then what imitation adds.
pub(super) fn of_results(scales: &[String]) -> Vec<Column<EpochRecord>> {
    let evaluated = |name: &str, get: fn(&Evaluation) -> f64, set: fn(&mut Evaluation, f64)| Column {
        name: name.to_owned(),
        whole: false,
        late: false,
        get: Box::new(move |r: &EpochRecord| r.evaluation.as_ref().map(get)),
        set: Box::new(move |r: &mut EpochRecord, value| set(r.evaluation.get_or_insert_default(), value)),
    };
    let validated = |name: &str, term: usize| Column {
        name: name.to_owned(),
        whole: false,
        late: false,
        get: Box::new(move |r: &EpochRecord| Some(r.evaluation.as_ref()?.losses?[term])),
        set: Box::new(move |r: &mut EpochRecord, value| {
            r.evaluation.get_or_insert_default().losses.get_or_insert_default()[term] = value;
        }),
    };
    let mut columns: Vec<Column<EpochRecord>> = vec![
        column!("epoch", whole as u32, r => r.epoch),
        column!("train/box_loss", real, r => r.mean.box_loss),
        column!("train/obj_loss", real, r => r.mean.objectness),
        column!("train/cls_loss", real, r => r.mean.class),
        evaluated("metrics/precision", |e| e.precision, |e, value| e.precision = value),
        evaluated("metrics/recall", |e| e.recall, |e, value| e.recall = value),
        evaluated("metrics/mAP_0.5", |e| e.map50, |e, value| e.map50 = value),
        evaluated("metrics/mAP_0.5:0.95", |e| e.map50_95, |e, value| e.map50_95 = value),
        validated("val/box_loss", 0),
        validated("val/obj_loss", 1),
        validated("val/cls_loss", 2),
        column!("x/lr0", real, r => r.learning_rates[0]),
        column!("x/lr1", real, r => r.learning_rates[1]),
        column!("x/lr2", real, r => r.learning_rates[2]),
        Column {
            name: "train/imitation_loss".to_owned(),
            whole: false,
            late: false,
            get: Box::new(|r: &EpochRecord| (!r.mean.imitation.is_empty()).then(|| r.mean.imitation.iter().sum())),
            // It is the sum of the columns that follow.
            set: Box::new(|_, _| {}),
        },
    ];
    columns.extend(per_scale(
        "train/imitation",
        scales,
        false,
        |r: &EpochRecord, scale| r.mean.imitation.get(scale).copied(),
        |r, scale, value| put(&mut r.mean.imitation, scale, value),
    ));
    columns.extend(per_scale(
        "train/distance",
        scales,
        false,
        |r: &EpochRecord, scale| r.mean.distance.get(scale).copied().flatten(),
        |r, scale, value| put_distance(&mut r.mean.distance, scale, value),
    ));
    columns.push(column!("train/lambda", real, r => r.mean.lambda));
    columns.extend(per_scale(
        "train/mask_cells",
        scales,
        true,
        |r: &EpochRecord, scale| r.mean.mask_cells.get(scale).map(|cells| *cells as f64),
        |r, scale, value| put_cells(&mut r.mean.mask_cells, scale, value),
    ));
    columns.extend(late(per_scale(
        "train/mask_share",
        scales,
        false,
        |r: &EpochRecord, scale| r.mean.mask_share.get(scale).copied(),
        |r, scale, value| put(&mut r.mean.mask_share, scale, value),
    )));
    let rest: [Column<EpochRecord>; 4] = [
        column!("train/gradient_ratio", optional, r => r.mean.gradient_ratio),
        column!("train/gradient_cosine", optional, r => r.mean.gradient_cosine),
        column!("step", whole as u64, r => r.step),
        Column {
            name: "best".to_owned(),
            whole: true,
            late: false,
            get: Box::new(|r: &EpochRecord| Some(f64::from(u8::from(r.best)))),
            set: Box::new(|r, value| r.best = value != 0.0),
        },
    ];
    columns.extend(rest);
    columns
}
