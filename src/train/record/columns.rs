//! The columns of a run's tables: each says its name, how a record gives its number and how it takes it back. Files,
//! TensorBoard tags and reading all follow from these two lists.

use crate::train::evaluate::Evaluation;
use crate::train::event::{EpochRecord, StepRecord};
use crate::train::metrics::Metric;

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
}

/// A metric's columns: one, or one a scale, named after it. `step` and `step_mut`: where a record has its step.
fn of_metric<R: 'static>(
    metric: &'static Metric,
    name: &str,
    scales: &[String],
    step: fn(&R) -> &StepRecord,
    step_mut: fn(&mut R) -> &mut StepRecord,
) -> Vec<Column<R>> {
    let column = |scale: usize, name: String| Column {
        name,
        whole: metric.whole,
        late: metric.late,
        get: Box::new(move |record: &R| (metric.get)(step(record), scale)),
        set: Box::new(move |record: &mut R, value| (metric.set)(step_mut(record), scale, value)),
    };
    if metric.per_scale {
        scales.iter().enumerate().map(|(at, scale)| column(at, format!("{name}_{scale}"))).collect()
    } else {
        vec![column(0, name.to_owned())]
    }
}

/// `steps.csv`: every field of a [`StepRecord`].
pub(super) fn of_steps(scales: &[String]) -> Vec<Column<StepRecord>> {
    let of = |metric: &'static Metric| of_metric(metric, metric.name, scales, |step| step, |step| step);
    StepRecord::METRICS.iter().flat_map(of).collect()
}

/// `results.csv`: YOLOv5 v7.0's columns in its order, then what imitation adds.
pub(super) fn of_results(scales: &[String]) -> Vec<Column<EpochRecord>> {
    let evaluated = |name: &str, get: fn(&Evaluation) -> Option<f64>, set: fn(&mut Evaluation, f64)| Column {
        name: name.to_owned(),
        whole: false,
        late: false,
        get: Box::new(move |r: &EpochRecord| r.evaluation.as_ref().and_then(get)),
        set: Box::new(move |r: &mut EpochRecord, value| set(r.evaluation.get_or_insert_default(), value)),
    };
    let of_epochs = StepRecord::METRICS.iter().filter_map(|metric| Some((metric, metric.of_epoch?)));
    let (of_yolov5, of_imitation): (Vec<_>, Vec<_>) = of_epochs.partition(|(_, name)| name.ends_with("_loss"));
    let of = |(metric, name): (&'static Metric, &'static str)| {
        of_metric(metric, name, scales, |r: &EpochRecord| &r.mean, |r: &mut EpochRecord| &mut r.mean)
    };
    let mut columns: Vec<Column<EpochRecord>> = vec![column!("epoch", whole as u32, r => r.epoch)];
    columns.extend(of_yolov5.into_iter().flat_map(of));
    let evaluation: [Column<EpochRecord>; 11] = [
        evaluated("metrics/precision", |e| Some(e.precision), |e, value| e.precision = value),
        evaluated("metrics/recall", |e| Some(e.recall), |e, value| e.recall = value),
        evaluated("metrics/mAP_0.5", |e| Some(e.map50), |e, value| e.map50 = value),
        evaluated("metrics/mAP_0.5:0.95", |e| Some(e.map50_95), |e, value| e.map50_95 = value),
        evaluated("val/box_loss", |e| Some(e.losses?[0]), |e, value| e.losses.get_or_insert_default()[0] = value),
        evaluated("val/obj_loss", |e| Some(e.losses?[1]), |e, value| e.losses.get_or_insert_default()[1] = value),
        evaluated("val/cls_loss", |e| Some(e.losses?[2]), |e, value| e.losses.get_or_insert_default()[2] = value),
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
    columns.extend(evaluation);
    columns.extend(of_imitation.into_iter().flat_map(of));
    columns.push(column!("step", whole as u64, r => r.step));
    columns.push(Column {
        name: "best".to_owned(),
        whole: true,
        late: false,
        get: Box::new(|r: &EpochRecord| Some(f64::from(u8::from(r.best)))),
        set: Box::new(|r, value| r.best = value != 0.0),
    });
    columns
}
