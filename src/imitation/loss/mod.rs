//! The family of imitation losses. One module and one line in [`Loss::ALL`] each; everything else (run, window, command
//! line, preflight) asks a loss for its name, what it reads and its [`Term`]s.
//!
//! A loss is a sum of terms. At one scale, with m the mask over the cells of a batch,
//!
//! L = Σ over terms of factor · Σ m·value / Σ m·weight
//!
//! where a term that is not masked takes m = 1. So the scalar that is trained, the map whose sum it is, and what each cell
//! weighs all come from the same numbers: [`reduce`] forms them on tensors with gradient, and [`CellTerms`] on plain
//! grids, where a mask may change from frame to frame.

mod answers;
mod cells;
mod correlation;
mod features;
mod logits;
mod masks;
mod terms;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tch::{Kind, TchError, Tensor};
use thiserror::Error;

pub use cells::{CellTerm, CellTerms, LossOnScale};
pub use masks::{
    BatchMask, COUNTED, MaskChoice, MaskInputs, MaskSource, PackedMasks, batch_masks, box_cells, objectness_cells,
};
pub use terms::{ImitationLoss, LossDefaults, Reads, ScalePair, SharedClasses, Term, Terms};

use super::lambda::Norm;

/// One of the losses that there are.
#[derive(Clone, Copy)]
pub struct Loss(&'static dyn ImitationLoss);

impl Loss {
    pub const ANSWERS: Self = Self(&answers::Answers);
    pub const FEATURES: Self = Self(&features::Features);
    pub const CORRELATION: Self = Self(&correlation::Correlation);
    pub const LOGITS: Self = Self(&logits::Logits);

    /// The default where the heads of two models cannot be compared.
    pub const FOR_OTHER_HEADS: Self = Self::CORRELATION;

    /// The losses of a tap before there were several: raw heads, or features.
    pub const fn usual_at(head: bool) -> Self {
        if head { Self::LOGITS } else { Self::FEATURES }
    }

    /// The default first.
    pub const ALL: [Self; 4] = [Self::ANSWERS, Self::FEATURES, Self::CORRELATION, Self::LOGITS];
}

impl Default for Loss {
    fn default() -> Self {
        Self::ANSWERS
    }
}

impl Deref for Loss {
    type Target = dyn ImitationLoss;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for Loss {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Loss {}

impl Hash for Loss {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown imitation loss '{0}': use {names}", names = names())]
pub struct UnknownLoss(String);

fn names() -> String {
    Loss::ALL.map(|loss| loss.name()).join(", ")
}

impl FromStr for Loss {
    type Err = UnknownLoss;

    fn from_str(text: &str) -> Result<Self, UnknownLoss> {
        Self::ALL.into_iter().find(|loss| loss.name() == text).ok_or_else(|| UnknownLoss(text.to_owned()))
    }
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The loss of one scale over a batch.
#[derive(Debug)]
pub struct ScaleLoss {
    /// At λ = 1, a scalar with gradient; exactly 0 and without gradient where no cell counts.
    pub scalar: Tensor,
    /// Whether any cell counted: where none did the student is at no distance from the teacher, not at 0.
    pub counted: bool,
}

/// Scalars of the scales, in their order. masks: one a scale.
pub fn reduce(scales: &[Terms], masks: &[BatchMask], norm: Norm) -> Result<Vec<ScaleLoss>, TchError> {
    let weights = denominators(scales, masks, norm)?;
    let of_scale = |((terms, mask), weights): ((&Terms, &BatchMask), &Vec<Tensor>)| {
        let mut sum: Option<Tensor> = None;
        for (term, weight) in terms.terms.iter().zip(weights) {
            if term.masked && mask.count == 0 {
                continue;
            }
            let part = masked(&term.value, term, mask)?.f_sum(Kind::Float)?.f_div(weight)?.f_mul_scalar(term.factor)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&part)?,
                None => part,
            });
        }
        let counted = sum.is_some();
        let scalar = match sum {
            Some(sum) => sum,
            None => Tensor::f_zeros([0_i64; 0], (Kind::Float, terms.emphasis.device()))?,
        };
        Ok(ScaleLoss { scalar, counted })
    };
    scales.iter().zip(masks).zip(&weights).map(of_scale).collect()
}

/// Per scale the map whose sum is the scalar of [`reduce`], and what each cell weighs: [B, H, W] each.
pub fn maps(scales: &[Terms], masks: &[BatchMask], norm: Norm) -> Result<Vec<[Tensor; 2]>, TchError> {
    let weights = denominators(scales, masks, norm)?;
    let of_scale = |((terms, mask), weights): ((&Terms, &BatchMask), &Vec<Tensor>)| {
        let mut map = terms.emphasis.f_zeros_like()?;
        for (term, weight) in terms.terms.iter().zip(weights) {
            if term.masked && mask.count == 0 {
                continue;
            }
            map = map.f_add(&masked(&term.value, term, mask)?.f_div(weight)?.f_mul_scalar(term.factor)?)?;
        }
        Ok([map.f_squeeze_dim(1)?, terms.emphasis.f_mul(&mask.cells)?.f_squeeze_dim(1)?])
    };
    scales.iter().zip(masks).zip(&weights).map(of_scale).collect()
}

/// What every term of every scale is divided by.
fn denominators(scales: &[Terms], masks: &[BatchMask], norm: Norm) -> Result<Vec<Vec<Tensor>>, TchError> {
    let mut sums = Vec::with_capacity(scales.len());
    for (terms, mask) in scales.iter().zip(masks) {
        let of_term = |term: &Term| masked(&term.weight, term, mask)?.f_sum(Kind::Float);
        sums.push(terms.terms.iter().map(of_term).collect::<Result<Vec<Tensor>, TchError>>()?);
    }
    if norm == Norm::AllScales {
        for at in 0..scales.first().map_or(0, |terms| terms.terms.len()) {
            if !scales[0].terms[at].masked {
                continue;
            }
            let of_all: Vec<&Tensor> = sums.iter().filter_map(|sums| sums.get(at)).collect();
            let all = Tensor::f_stack(&of_all, 0)?.f_sum(Kind::Float)?;
            for sums in &mut sums {
                sums[at] = all.shallow_clone();
            }
        }
    }
    // Where nothing weighs, nothing was added up either: 0 divided by any number is the 0 that is meant.
    for sum in sums.iter_mut().flatten() {
        *sum = sum.f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
    }
    Ok(sums)
}

fn masked(values: &Tensor, term: &Term, mask: &BatchMask) -> Result<Tensor, TchError> {
    if term.masked && !mask.is_whole { values.f_mul(&mask.cells) } else { Ok(values.shallow_clone()) }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::geometry::{BoundingBox, Size};
    use crate::imitation::adapter::{Adapter, LeastSquares};
    use crate::imitation::loss::terms::squared;
    use crate::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
    use crate::imitation::normal_tensor;
    use crate::yolo::anchors::AnchorScale;
    use crate::yolo::loss::LossGains;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn rule(source: MaskSource) -> MaskChoice {
        MaskChoice { source, psi: Psi::default(), rule: LevelRule::PerScale, convention: IouConvention::Exact }
    }

    fn scales() -> Vec<AnchorScale> {
        vec![AnchorScale { stride: 8, anchors: vec![[16.0, 16.0]] }]
    }

    fn mask(values: &[f32], shape: [i64; 4]) -> BatchMask {
        let count = values.iter().filter(|value| **value > 0.0).count() as u64;
        BatchMask { cells: Tensor::from_slice(values).view(shape), count, is_whole: false }
    }

    fn of_squares(student: &Tensor, teacher: &Tensor, mask: &BatchMask) -> ScaleLoss {
        let terms = [squared(student, teacher).expect("terms")];
        reduce(&terms, std::slice::from_ref(mask), Norm::PerScale).expect("a loss").remove(0)
    }

    #[test]
    fn names_are_read_back() {
        for loss in Loss::ALL {
            assert_eq!(loss.name().parse(), Ok(loss));
            assert!(loss.explanation().ends_with('.') && !loss.formula().is_empty());
        }
        let error = "mse".parse::<Loss>().expect_err("no such loss").to_string();
        assert!(error.contains("'mse'") && error.contains("answers, features"), "{error}");
        for source in MaskSource::ALL {
            assert_eq!(source.name().parse(), Ok(source));
        }
    }

    #[test]
    fn each_image_has_the_mask_of_its_own_boxes() {
        let images =
            vec![vec![BoundingBox::new(0.0, 0.0, 16.0, 16.0)], vec![], vec![BoundingBox::new(48.0, 16.0, 64.0, 32.0)]];
        let input = Size::new(64, 32);
        let inputs = MaskInputs { boxes: &images, scales: &scales(), input, teacher_heads: &[] };
        let masks = batch_masks(&inputs, rule(MaskSource::Iou), Device::Cpu).unwrap();
        assert_eq!(masks[0].cells.size(), [3, 1, 4, 8]);
        let per_image = masks[0].cells.sum_dim_intlist([1_i64, 2, 3].as_slice(), false, Kind::Float);
        let alone = |boxes: &[BoundingBox]| {
            let rule = rule(MaskSource::Iou);
            IouField::compute(&scales(), input, boxes, rule.convention).mask(rule.psi, rule.rule).scales[0].mask_cells
                as f32
        };
        let expected: Vec<f32> = images.iter().map(|boxes| alone(boxes)).collect();
        assert_eq!(Vec::<f32>::try_from(&per_image).unwrap(), expected);
        assert_eq!(masks[0].count as f32, expected.iter().sum::<f32>());
        // By hand: the four cells around a box's centre have an IoU of 144 / 368, the next ones 48 / 464, less than half
        // of that. Two boxes, and three maps of 4 × 8 cells.
        assert_eq!(masks[0].share(), 8.0 / 96.0);
        // The third image's box is in the lower right: row 2, column 6, never the other way round.
        assert_eq!(masks[0].cells.double_value(&[2, 0, 2, 6]), 1.0);
        assert_eq!(masks[0].cells.double_value(&[2, 0, 0, 2]), 0.0);
    }

    /// Cell centres lie at 4, 12, 20 …: of x 4 to 20 the first two, of y 5 to 13 the second row alone.
    #[test]
    fn boxes_and_the_teacher_mark_cells_as_by_hand() {
        let input = Size::new(32, 16);
        let boxes = vec![vec![BoundingBox::new(4.0, 5.0, 20.0, 13.0)], vec![BoundingBox::new(30.0, 0.0, 90.0, 4.0)]];
        // One anchor, outputs x, y, w, h, objectness; the teacher is sure of one cell of the first image.
        let head = Tensor::full([2, 1, 2, 4, 5], -20.0, FLOAT);
        let _ = head.get(0).get(0).get(1).get(3).narrow(0, 4, 1).fill_(0.0);
        let heads = [Some(head)];
        let inputs = MaskInputs { boxes: &boxes, scales: &scales(), input, teacher_heads: &heads };
        let of = |source| batch_masks(&inputs, rule(source), Device::Cpu).unwrap().remove(0);
        let values = |mask: &BatchMask| Vec::<f32>::try_from(mask.cells.view([-1])).unwrap();
        let in_boxes = of(MaskSource::Box);
        assert_eq!(values(&in_boxes)[..8], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!((in_boxes.count, values(&in_boxes)[8..].iter().sum::<f32>()), (2, 0.0));
        let sure = of(MaskSource::Teacher);
        assert_eq!((sure.count, values(&sure)[7]), (1, 0.5));
        let whole = of(MaskSource::None);
        assert_eq!((whole.count, whole.is_whole, values(&whole)), (16, true, vec![1.0; 16]));
    }

    #[test]
    fn squares_and_their_gradient_by_hand() {
        // One channel, two cells, one of them masked: a = 3s + 1, t = 2, s = 1: difference 2, loss 4 / (2 · 1).
        let student = Tensor::from_slice(&[1.0_f32, 5.0]).view([1, 1, 1, 2]).set_requires_grad(true);
        let teacher = Tensor::from_slice(&[2.0_f32, 0.0]).view([1, 1, 1, 2]);
        let weight = Tensor::from_slice(&[3.0_f32]).view([1, 1, 1, 1]);
        let adapter = Adapter::trainable(weight, Tensor::from_slice(&[1.0_f32]), Device::Cpu).unwrap();
        let found = of_squares(&adapter.apply(&student).unwrap(), &teacher, &mask(&[1.0, 0.0], [1, 1, 1, 2]));
        assert_eq!((found.scalar.double_value(&[]), found.counted), (2.0, true));
        found.scalar.backward();
        // dL/da = 2: dL/ds = 2 · 3, dL/dw = 2 · 1, dL/db = 2; outside the mask nothing.
        assert_eq!(Vec::<f32>::try_from(student.grad().view([-1])).unwrap(), [6.0, 0.0]);
        assert_eq!(adapter.weight.grad().double_value(&[0, 0, 0, 0]), 2.0);
        assert_eq!(adapter.bias.grad().double_value(&[0]), 2.0);
        // A soft mask weighs squares and divides by its sum: (4 · 1 + 256 · 0.5) / (2 · 1.5).
        let soft = of_squares(&adapter.apply(&student).unwrap(), &teacher, &mask(&[1.0, 0.5], [1, 1, 1, 2]));
        assert!((soft.scalar.double_value(&[]) - 132.0 / 3.0).abs() < 1e-4);
    }

    /// The loss is a quadratic form, so central differences are exact but for rounding.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        let student = normal_tensor(1, &[2, 3, 4, 5]).set_requires_grad(true);
        let teacher = normal_tensor(2, &[2, 2, 4, 5]);
        let cells = normal_tensor(3, &[2, 1, 4, 5]).gt(0.0).to_kind(Kind::Float);
        let count = cells.sum(Kind::Float).double_value(&[]) as u64;
        let mask = BatchMask { cells, count, is_whole: false };
        for kernel in [1, 3] {
            let adapter = Adapter::random(3, 2, kernel, 1, Device::Cpu).unwrap();
            let loss = || of_squares(&adapter.apply(&student).unwrap(), &teacher, &mask).scalar;
            check_gradients(&[&student, &adapter.weight, &adapter.bias], &loss, 0.25, 1e-4);
        }
    }

    /// By central differences, of every loss that reads heads, on every output of the student.
    #[test]
    fn gradients_of_heads_are_those_of_finite_differences() {
        // Boxes of nearly one shape: CIoU takes its weight of the shapes' difference for a constant (YOLOv5's `no_grad`), which
        // a difference quotient does not. No two edges cross within a quotient's step: there the overlap has a kink.
        let spread = Tensor::from_slice(&[1.0_f32, 1.0, 0.2, 0.2, 1.0, 1.0, 1.0]);
        let student = (normal_tensor(5, &[2, 1, 2, 2, 7]) * &spread).set_requires_grad(true);
        let teacher = normal_tensor(1005, &[2, 1, 2, 2, 7]) * spread;
        let names = |text: [&str; 2]| text.map(str::to_owned).to_vec();
        let classes = SharedClasses::of(&names(["a", "b"]), &names(["b", "a"]));
        assert!(!classes.are_aligned() && classes.len() == 2);
        let gains = LossGains { box_gain: 1.0, class: 1.0, objectness: 1.0, ..LossGains::default() };
        let anchors = &scales()[0];
        let mask = mask(&[1.0, 0.0, 1.0, 1.0, 0.0, 0.5, 0.0, 0.0], [2, 1, 2, 2]);
        for loss in Loss::ALL.into_iter().filter(|loss| loss.reads() == Reads::Head) {
            let value = || {
                let (student, teacher, classes, gains) = (&student, &teacher, &classes, &gains);
                let pair = ScalePair { student, teacher, anchors, classes, gains, balance: 1.0 };
                let terms = [loss.terms(&pair).unwrap()];
                reduce(&terms, std::slice::from_ref(&mask), Norm::PerScale).unwrap().remove(0).scalar
            };
            check_gradients(&[&student], &value, 1e-2, 2e-3);
        }
    }

    fn check_gradients(inputs: &[&Tensor], loss: &dyn Fn() -> Tensor, by: f64, tolerance: f64) {
        let gradients = Tensor::run_backward(&[loss()], inputs, false, false);
        for (tensor, gradient) in inputs.iter().zip(gradients) {
            let (flat, gradient) = (tensor.detach().view([-1]), gradient.reshape([-1]));
            for at in 0..tensor.numel() as i64 {
                let moved = |by: f64| {
                    let _ = flat.get(at).f_add_scalar_(by).unwrap();
                    let value = loss().double_value(&[]);
                    let _ = flat.get(at).f_add_scalar_(-by).unwrap();
                    value
                };
                let slope = (moved(by) - moved(-by)) / (2.0 * by);
                let found = gradient.double_value(&[at]);
                assert!((slope - found).abs() < tolerance, "{at} of {:?}: {slope} and {found}", tensor.size());
            }
        }
    }

    /// The map's sum is the scalar, on tensors and on plain grids.
    #[test]
    fn scalar_map_and_weights_are_of_the_same_numbers() {
        let classes = SharedClasses::of(&["a".into(), "b".into()], &["a".into(), "b".into()]);
        let gains = LossGains::default().scaled(3, 2, 320);
        let cells = normal_tensor(3, &[1, 1, 3, 4]).gt(-0.25).to_kind(Kind::Float);
        let count = cells.sum(Kind::Float).double_value(&[]) as u64;
        let masks = [BatchMask { cells: cells.shallow_clone(), count, is_whole: false }];
        for loss in Loss::ALL {
            let shape: &[i64] = match loss.reads() {
                Reads::Head => &[1, 1, 3, 4, 7],
                Reads::Features => &[1, 5, 3, 4],
            };
            let (student, teacher) = (normal_tensor(1, shape), normal_tensor(2, shape));
            let anchors = &scales()[0];
            let pair = ScalePair {
                student: &student,
                teacher: &teacher,
                anchors,
                classes: &classes,
                gains: &gains,
                balance: 4.0,
            };
            let terms = [loss.terms(&pair).unwrap()];
            let scalar = reduce(&terms, &masks, Norm::PerScale).unwrap()[0].scalar.double_value(&[]);
            let [map, weights] = maps(&terms, &masks, Norm::PerScale).unwrap().remove(0);
            assert!((map.sum(Kind::Double).double_value(&[]) / scalar - 1.0).abs() < 1e-5, "{loss}");
            assert!(weights.max().double_value(&[]) <= 1.0 && weights.min().double_value(&[]) >= 0.0);
            let plain = CellTerms::of(&terms[0]).unwrap();
            let found = plain.under(&Vec::<f32>::try_from(cells.view([-1])).unwrap());
            assert!((found.loss.unwrap() / scalar - 1.0).abs() < 1e-5, "{loss}");
            let plain_map = Tensor::from_slice(found.map.values()).view([1, 3, 4]);
            assert!((plain_map - map).abs().max().double_value(&[]) < 1e-5, "{loss}");
        }
    }

    #[test]
    fn no_cell_no_loss_and_no_gradient_even_where_features_are_not_finite() {
        let student = Tensor::from_slice(&[f32::INFINITY]).view([1, 1, 1, 1]).set_requires_grad(true);
        let zero = Tensor::zeros([1, 1, 1, 1], FLOAT);
        let found = of_squares(&student, &zero, &mask(&[0.0], [1, 1, 1, 1]));
        assert_eq!((found.scalar.double_value(&[]), found.counted), (0.0, false));
        assert!(!found.scalar.requires_grad());
    }

    /// One N over both scales: 4 / (2 · 3) and (1 + 9) / (2 · 3), where each for itself has 4 / 2 and 10 / 4.
    #[test]
    fn one_number_of_cells_for_all_scales_on_choice() {
        let one = |values: &[f32]| Tensor::from_slice(values).view([1, 1, 1, -1]);
        let terms = [
            squared(&one(&[2.0, 5.0]), &one(&[0.0, 0.0])).unwrap(),
            squared(&one(&[1.0, 3.0]), &one(&[0.0, 0.0])).unwrap(),
        ];
        let masks = [mask(&[1.0, 0.0], [1, 1, 1, 2]), mask(&[1.0, 1.0], [1, 1, 1, 2])];
        let of = |norm| -> Vec<f64> {
            reduce(&terms, &masks, norm).unwrap().iter().map(|loss| loss.scalar.double_value(&[])).collect()
        };
        assert_eq!(of(Norm::PerScale), [2.0, 2.5]);
        let all = of(Norm::AllScales);
        assert!((all[0] - 4.0 / 6.0).abs() < 1e-6 && (all[1] - 10.0 / 6.0).abs() < 1e-6, "{all:?}");
    }

    #[test]
    fn a_fit_in_a_larger_kernel_computes_the_same() {
        let student = normal_tensor(1, &[1, 3, 6, 5]);
        let teacher = normal_tensor(2, &[1, 2, 6, 5]);
        let fit = LeastSquares::fit(&[&student], &[&teacher]).unwrap();
        let by = |kernel| Adapter::fitted(&fit, kernel, Device::Cpu).unwrap().apply(&student).unwrap();
        assert_eq!(Adapter::fitted(&fit, 3, Device::Cpu).unwrap().weight.size(), [2, 3, 3, 3]);
        assert!((by(1) - by(3)).abs().max().double_value(&[]) < 1e-5);
    }

    #[test]
    fn a_random_adapter_follows_from_its_seed() {
        let weight = |seed| Adapter::random(4, 8, 1, seed, Device::Cpu).unwrap().weight;
        assert!(weight(1).equal(&weight(1)) && !weight(1).equal(&weight(2)));
        assert!(weight(1).abs().max().double_value(&[]) <= 0.5);
    }
}
