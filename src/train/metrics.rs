//! What a run measures, each quantity once: its column and tag, what becomes of it over an epoch, and its plot, with unit and
//! which way is better. Tables, TensorBoard, curves and the means of an epoch follow from [`StepRecord::METRICS`].

use serde::{Deserialize, Serialize};

use crate::glossary::Term;
use crate::language::key;

/// What the steps of an epoch make of a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reducer {
    Mean,
    /// Of a scale, over the steps in which it was compared.
    MeanOfCompared,
    /// Over the steps in which both gradients were measured.
    MeanOfMeasured,
    Sum,
    Last,
    /// It is of its step alone.
    None,
}

/// A quantity of a step.
#[derive(Debug)]
pub struct Metric {
    /// Its column of `steps.csv`, and its tag behind `step/`; one a scale, named after it, where `per_scale`.
    pub name: &'static str,
    /// Its column of `results.csv` and its tag there.
    pub of_epoch: Option<&'static str>,
    pub plot: Option<Plot>,
    pub reducer: Reducer,
    /// Whether files of earlier versions lack it.
    pub late: bool,
    pub per_scale: bool,
    pub whole: bool,
    /// Scales that the record has of it; 1 where it is of none.
    pub count: fn(&StepRecord) -> usize,
    /// `None` where the record does not know it.
    pub get: fn(&StepRecord, usize) -> Option<f64>,
    pub set: fn(&mut StepRecord, usize, f64),
    /// What its plot shows of a value.
    pub shown: fn(&StepRecord, usize, f64) -> Option<f64>,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
    Neither,
}

impl Better {
    /// In a sentence; empty where there is nothing to say.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Lower => key!("Lower is better."),
            Self::Higher => key!("Higher is better."),
            Self::Neither => "",
        }
    }
}

/// `Plot: name, unit of the y axis, which way is better, explanation;`
macro_rules! plots {
    ($($plot:ident: $name:expr, $unit:expr, $better:expr, $explanation:expr;)*) => {
        /// What a plot shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Plot {
            $($plot,)*
        }

        impl Plot {
            pub const ALL: [Self; [$(stringify!($plot)),*].len()] = [$(Self::$plot,)*];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$plot => $name,)*
                }
            }

            /// The y axis.
            pub const fn unit(self) -> &'static str {
                match self {
                    $(Self::$plot => $unit,)*
                }
            }

            pub const fn better(self) -> Better {
                match self {
                    $(Self::$plot => $better,)*
                }
            }

            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$plot => $explanation,)*
                }
            }
        }
    };
}

plots! {
    Total: key!("total"), key!("loss per image"), Better::Lower,
        key!("Everything that is minimised: box, objectness, class and imitation. It also moves where λ does: what was \
              learned is in its parts and in the distance.");
    Box: key!("box"), key!("loss per image"), Better::Lower,
        key!("How far the predicted boxes are off: 1 − CIoU, times its gain.");
    Objectness: key!("objectness"), key!("loss per image"), Better::Lower, Term::Objectness.explanation();
    Class: key!("class"), key!("loss per image"), Better::Lower,
        key!("How well the student knows which objects they are.");
    Imitation: key!("imitation"), key!("loss per image"), Better::Neither,
        key!("The imitation loss of each scale, λ included: where λ fades it falls, whatever was learned.");
    Distance: key!("distance"), key!("loss at λ = 1"), Better::Lower,
        key!("The same at λ = 1: how far the student is from the teacher. A step without a cell on a scale has no value there.");
    Lambda: "λ", key!("weight"), Better::Neither,
        key!("The weight of the imitation, which warms up, fades, or is kept at a gradient ratio.");
    GradientRatio: key!("gradient ratio"), key!("‖∇imitation‖ / ‖∇detection‖"), Better::Neither,
        Term::GradientRatio.explanation();
    GradientCosine: key!("gradient cosine"), key!("cosine, −1 to 1"), Better::Higher,
        key!("Above 0 imitation and detection pull the student the same way, below 0 apart.");
    MaskShare: key!("imitated share"), key!("% of the scale's cells"), Better::Neither,
        key!("Which share of each scale's cells is in the mask, over the batch.");
    MaskCells: key!("imitated cells"), key!("cells per image"), Better::Neither,
        key!("How many cells of each scale are in the mask, on the mean of the batch.");
    Truths: key!("ground truths"), key!("loss at λ = 1"), Better::Lower,
        key!("The distance of each ground truth of the open image in its own cells, as if it were the only one.");
    LearningRate: key!("learning rate"), key!("per step"), Better::Neither, key!("Of the weights; it warms up and decays.");
    Map: "mAP", key!("share, 0 to 1"), Better::Higher,
        key!("Mean average precision on the validation images: before the first step, after each evaluated epoch, and of \
              the teacher.");
}

/// A type that quantities have.
trait Quantity {
    const PER_SCALE: bool = false;
    const WHOLE: bool = false;

    fn scales(&self) -> usize {
        1
    }

    fn at(&self, scale: usize) -> Option<f64>;

    fn put(&mut self, scale: usize, value: f64);
}

impl Quantity for f64 {
    fn at(&self, _: usize) -> Option<f64> {
        Some(*self)
    }

    fn put(&mut self, _: usize, value: f64) {
        *self = value;
    }
}

impl Quantity for Option<f64> {
    fn at(&self, _: usize) -> Option<f64> {
        *self
    }

    fn put(&mut self, _: usize, value: f64) {
        *self = Some(value);
    }
}

macro_rules! whole_quantities {
    ($($type:ty),+) => {
        $(impl Quantity for $type {
            const WHOLE: bool = true;

            fn at(&self, _: usize) -> Option<f64> {
                Some(*self as f64)
            }

            fn put(&mut self, _: usize, value: f64) {
                *self = value as $type;
            }
        })+
    };
}

whole_quantities!(u32, u64, usize);

/// Scales come one after the other; `$gap` stands for one that is missing.
macro_rules! quantities_per_scale {
    ($type:ty, $whole:expr, $gap:expr, $get:expr, $set:expr) => {
        impl Quantity for Vec<$type> {
            const PER_SCALE: bool = true;
            const WHOLE: bool = $whole;

            fn scales(&self) -> usize {
                self.len()
            }

            fn at(&self, scale: usize) -> Option<f64> {
                self.get(scale).copied().and_then($get)
            }

            fn put(&mut self, scale: usize, value: f64) {
                self.resize(self.len().max(scale + 1), $gap);
                self[scale] = $set(value);
            }
        }
    };
}

// A number that is missing in a file stays NaN, and its reader finds the gap.
quantities_per_scale!(f64, false, f64::NAN, Some, |value| value);
// A distance that is missing is that of a scale without a cell.
quantities_per_scale!(Option<f64>, false, None, |distance| distance, Some);
quantities_per_scale!(u64, true, 0, |cells| Some(cells as f64), |value: f64| value.round() as u64);

/// `field: type = "column", Reducer, { … };`, the braces with what else [`Metric`] says.
macro_rules! metrics {
    (
        $(#[$meta:meta])*
        pub struct $Name:ident;
        $($(#[$attr:meta])* $field:ident: $type:ty = $name:literal, $reducer:expr $(, { $($with:tt)* })?;)*
    ) => {
        $(#[$meta])*
        pub struct $Name {
            $($(#[$attr])* pub $field: $type,)*
        }

        impl $Name {
            /// In the order of `steps.csv`.
            pub const METRICS: &'static [Metric] = &[$(Metric {
                $($($with)*,)?
                ..Metric {
                    name: $name,
                    of_epoch: None,
                    plot: None,
                    reducer: $reducer,
                    late: false,
                    per_scale: <$type as Quantity>::PER_SCALE,
                    whole: <$type as Quantity>::WHOLE,
                    count: |record| Quantity::scales(&record.$field),
                    get: |record, scale| Quantity::at(&record.$field, scale),
                    set: |record, scale, value| Quantity::put(&mut record.$field, scale, value),
                    shown: |_, _, value| Some(value),
                }
            },)*];
        }
    };
}

metrics! {
    /// One step: a batch forward and backward. Losses are per image, as YOLOv5 logs them: times their gain, before the
    /// factor of the batch size.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct StepRecord;

    /// From 0.
    step: u64 = "step", Reducer::Last;
    epoch: u32 = "epoch", Reducer::Last;
    /// Box + objectness + class + imitation.
    total: f64 = "total", Reducer::Mean, { plot: Some(Plot::Total) };
    #[serde(rename = "box")]
    box_loss: f64 = "box", Reducer::Mean, { of_epoch: Some("train/box_loss"), plot: Some(Plot::Box) };
    objectness: f64 = "objectness", Reducer::Mean,
        { of_epoch: Some("train/obj_loss"), plot: Some(Plot::Objectness) };
    class: f64 = "class", Reducer::Mean, { of_epoch: Some("train/cls_loss"), plot: Some(Plot::Class) };
    /// Per scale, λ included; empty where no teacher is.
    imitation: Vec<f64> = "imitation", Reducer::Mean,
        { of_epoch: Some("train/imitation"), plot: Some(Plot::Imitation),
          // Where no cell counted nothing was imitated: that is no loss of 0.
          shown: |record, scale, value| record.distance.get(scale).is_none_or(Option::is_some).then_some(value) };
    /// The same with λ = 1: how far student and teacher are apart. `None` for a scale of which no cell counted: nothing was
    /// compared there.
    #[serde(with = "absent")]
    distance: Vec<Option<f64>> = "distance", Reducer::MeanOfCompared,
        { of_epoch: Some("train/distance"), plot: Some(Plot::Distance) };
    lambda: f64 = "lambda", Reducer::Mean, { of_epoch: Some("train/lambda"), plot: Some(Plot::Lambda) };
    /// Cells in the mask per scale, over the batch.
    mask_cells: Vec<u64> = "mask_cells", Reducer::Mean,
        { of_epoch: Some("train/mask_cells"), plot: Some(Plot::MaskCells),
          shown: |record, _, cells| Some(cells / record.images.max(1) as f64) };
    /// The same as shares of the cells of the batch's maps, 0 to 1; empty where no teacher is, and in the records of runs
    /// that were made before it was kept.
    #[serde(default)]
    mask_share: Vec<f64> = "mask_share", Reducer::Mean,
        { of_epoch: Some("train/mask_share"), plot: Some(Plot::MaskShare), late: true,
          shown: |_, _, share| Some(100.0 * share) };
    /// ‖∇imitation‖ / ‖∇detection‖ where it was measured in this step.
    gradient_ratio: Option<f64> = "gradient_ratio", Reducer::MeanOfMeasured,
        { of_epoch: Some("train/gradient_ratio"), plot: Some(Plot::GradientRatio) };
    /// Cosine of the angle between the two, measured with it.
    gradient_cosine: Option<f64> = "gradient_cosine", Reducer::MeanOfMeasured,
        { of_epoch: Some("train/gradient_cosine"), plot: Some(Plot::GradientCosine) };
    /// What the measurement cost, s.
    measuring: Option<f64> = "measuring", Reducer::None;
    /// Of the weights; biases differ during warm-up, adapters by their factor.
    learning_rate: f64 = "learning_rate", Reducer::Last, { plot: Some(Plot::LearningRate) };
    momentum: f64 = "momentum", Reducer::Last;
    /// Norm of the whole gradient before clipping, where the optimizer stepped.
    gradient_norm: Option<f64> = "gradient_norm", Reducer::None;
    images: usize = "images", Reducer::Sum;
    /// Wall time.
    seconds: f64 = "seconds", Reducer::Sum;
    /// Of which the model waited for its batch.
    waited: f64 = "waited", Reducer::Sum;
}

impl StepRecord {
    /// Over the scales that have one; `None` where no scale has.
    pub fn whole_distance(&self) -> Option<f64> {
        self.distance.iter().flatten().copied().reduce(|sum, distance| sum + distance)
    }
}

/// A number that is not there is NaN in a file: TOML has no other word for it within a list, and JSON makes it null.
mod absent {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(values: &[Option<f64>], serializer: S) -> Result<S::Ok, S::Error> {
        values.iter().map(|value| value.unwrap_or(f64::NAN)).collect::<Vec<f64>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Option<f64>>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.filter(|value| !value.is_nan())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_that_is_not_there_is_kept_as_that() {
        let record = StepRecord { distance: vec![None, Some(0.5), Some(0.25)], ..StepRecord::default() };
        assert_eq!((record.whole_distance(), StepRecord::default().whole_distance()), (Some(0.75), None));
        let nothing = StepRecord { distance: vec![None; 2], ..StepRecord::default() };
        assert_eq!(nothing.whole_distance(), None);
        let toml = toml::to_string(&record).unwrap();
        assert_eq!(toml::from_str::<StepRecord>(&toml).unwrap(), record);
        let json = serde_json::to_string(&record).unwrap();
        assert!(json.contains("\"distance\":[null,0.5,0.25]"), "{json}");
        assert_eq!(serde_json::from_str::<StepRecord>(&json).unwrap(), record);
    }
}
