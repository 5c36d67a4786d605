//! What an imitation loss is: terms of one scale, from the same numbers for scalar, map and weights.

use tch::{Kind, TchError, Tensor};

use super::masks::MaskSource;
use crate::imitation::lambda::{Decay, Lambda};
use crate::native;
use crate::yolo::anchors::AnchorScale;
use crate::yolo::loss::LossGains;

/// Where a loss takes what it compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The raw outputs of Detect. No adapter; the anchors of both models must be the same.
    Head,
    /// Feature maps of neck or backbone, the student's through an adapter.
    Features,
}

/// What a loss is used with unless a person says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossDefaults {
    pub mask_source: MaskSource,
    pub lambda: Lambda,
    pub decay: Decay,
}

/// One scale of a batch as a loss sees it, float32.
#[derive(Debug)]
pub struct ScalePair<'a> {
    /// [B, C, H, W] after the adapter where the loss reads features, [B, A, H, W, 5 + nc] where it reads heads.
    pub student: &'a Tensor,
    /// The same of the teacher, without gradient.
    pub teacher: &'a Tensor,
    /// The anchors of both heads, px.
    pub anchors: &'a AnchorScale,
    pub classes: &'a SharedClasses,
    /// The detection loss's gains, scaled by scales, classes and image size.
    pub gains: &'a LossGains,
    /// The detection loss's weight of this scale's objectness.
    pub balance: f64,
}

/// Factor · Σ m·value / Σ m·weight over the cells of a batch.
#[derive(Debug)]
pub struct Term {
    pub name: &'static str,
    pub factor: f64,
    /// [B, 1, H, W], not below 0, with gradient on the student's side.
    pub value: Tensor,
    /// [B, 1, H, W], not below 0, without gradient.
    pub weight: Tensor,
    /// Whether the mask acts on it.
    pub masked: bool,
}

/// What a loss says of one scale.
#[derive(Debug)]
pub struct Terms {
    pub terms: Vec<Term>,
    /// How much a cell counts before any mask, 0 to 1: [B, 1, H, W], without gradient.
    pub emphasis: Tensor,
}

/// An imitation loss.
pub trait ImitationLoss: Send + Sync {
    /// As files and the command line write it.
    fn name(&self) -> &'static str;

    /// One plain sentence.
    fn explanation(&self) -> &'static str;

    /// The formula of one scale at λ = 1.
    fn formula(&self) -> &'static str;

    fn reads(&self) -> Reads;

    /// Whether outputs are compared by their place alone, so that the classes of both models must be the same in order.
    fn compares_channels(&self) -> bool {
        false
    }

    /// Whether it is Σc (a − t)² / 2N inside the mask, so that a map of it shows squares and not parts of the loss.
    fn is_sum_of_squares(&self) -> bool {
        true
    }

    fn defaults(&self) -> LossDefaults;

    /// The terms of one scale, before any mask.
    fn terms(&self, pair: &ScalePair<'_>) -> Result<Terms, TchError>;
}

/// The classes that both models know, by name in any order: their places in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedClasses {
    pub student: Vec<i64>,
    pub teacher: Vec<i64>,
    /// Classes of the student.
    pub of_student: usize,
    /// Whether both lists are 0, 1, 2 … of equally many classes.
    aligned: bool,
}

impl SharedClasses {
    pub fn of(student: &[String], teacher: &[String]) -> Self {
        let place = |name: &String| teacher.iter().position(|other| other == name).map(|at| at as i64);
        let (own, other): (Vec<i64>, Vec<i64>) =
            (0..).zip(student).filter_map(|(at, name)| Some((at, place(name)?))).unzip();
        let aligned = student.len() == teacher.len() && own.len() == student.len() && own == other;
        Self { student: own, teacher: other, of_student: student.len(), aligned }
    }

    pub fn len(&self) -> usize {
        self.student.len()
    }

    pub fn is_empty(&self) -> bool {
        self.student.is_empty()
    }

    /// Whether the two models have the same classes in the same order.
    pub fn are_aligned(&self) -> bool {
        self.aligned
    }

    /// Class logits of the shared classes, student's and teacher's in one order: [..., n] of raw heads [..., 5 + nc].
    pub(super) fn logits(&self, student: &Tensor, teacher: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        let of = |head: &Tensor, places: &[i64]| {
            let classes = head.f_narrow(-1, 5, head.size().last().copied().unwrap_or(5) - 5)?;
            if self.aligned {
                return Ok(classes);
            }
            classes.f_index_select(-1, &native::constant(places, head.device())?)
        };
        Ok((of(student, &self.student)?, of(teacher, &self.teacher)?))
    }
}

/// Σ over the channels of (a − t)², one term over the masked cells: what losses of squares share.
/// Wang et al. 2019, eq. 4: 1 / (2N) Σ I Σc (a − t)². Both [B, C, H, W].
pub(super) fn squared(student: &Tensor, teacher: &Tensor) -> Result<Terms, TchError> {
    let channels: &[i64] = &[1];
    let value = student.f_sub(teacher)?.f_square()?.f_sum_dim_intlist(channels, true, Kind::Float)?;
    let ones = tch::no_grad(|| value.f_ones_like())?;
    let term = Term { name: "squared", factor: 0.5, value, weight: ones.shallow_clone(), masked: true };
    Ok(Terms { terms: vec![term], emphasis: ones })
}
