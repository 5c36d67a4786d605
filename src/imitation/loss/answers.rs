//! The detection loss with the teacher for a label: objectness, class and box of every anchor, weighed by how sure the
//! teacher is of an object there.
//!
//! With t and s the raw heads of teacher and student, σ the sigmoid and w = σ(t_obj) per (image, anchor, cell) without
//! gradient, at scale l:
//! - objectness: balance_l · mean over the whole map of BCE(s_obj, w);
//! - class: Σ w · mean_c BCE(s_c, σ(t_c)) / Σ w;
//! - box: Σ w · (1 − CIoU(s, t)) / Σ w over the places with w > 0.05, boxes decoded relative to their cell.
//!
//! L_l = gain_obj · objectness + gain_cls · class + gain_box · box, with the detection loss's own gains. In this unit its
//! gradient is about as long as the detection's, so λ = 1 needs no controller. A mask multiplies w for class and box,
//! never for objectness: without negatives objectness floods.
//!
//! Class, as in the detection loss, is left out where the student has a single one.

use tch::{Kind, Reduction, TchError, Tensor, no_grad};

use super::super::lambda::{Decay, Lambda};
use super::masks::MaskSource;
use super::terms::{ImitationLoss, LossDefaults, Reads, ScalePair, Term, Terms};
use crate::yolo::loss::{ciou, decoded};

/// Below this the teacher's box is no answer.
const SURE: f64 = 0.05;
const ANCHORS: &[i64] = &[1];

pub(super) struct Answers;

impl ImitationLoss for Answers {
    fn name(&self) -> &'static str {
        "answers"
    }

    fn explanation(&self) -> &'static str {
        "The detection loss with the teacher's answers for labels: objectness everywhere, classes and boxes where the \
         teacher sees an object."
    }

    fn formula(&self) -> &'static str {
        "L = obj · BCE(s, w) + cls · Σ w BCE(s, σ(t)) / Σ w + box · Σ w (1 − CIoU(s, t)) / Σ w,  w = σ(t_obj)"
    }

    fn reads(&self) -> Reads {
        Reads::Head
    }

    fn is_sum_of_squares(&self) -> bool {
        false
    }

    fn defaults(&self) -> LossDefaults {
        LossDefaults { mask_source: MaskSource::None, lambda: Lambda::Fixed(1.0), decay: Decay::None }
    }

    fn terms(&self, pair: &ScalePair<'_>) -> Result<Terms, TchError> {
        let (_, anchors, _, _, _) = pair.student.size5()?;
        let over_anchors = |values: Tensor| values.f_sum_dim_intlist(ANCHORS, true, Kind::Float);
        let sure = no_grad(|| pair.teacher.f_select(4, 4)?.f_sigmoid())?;
        let entropy = |logits: &Tensor, wanted: &Tensor| {
            logits.f_binary_cross_entropy_with_logits(wanted, None::<&Tensor>, None::<&Tensor>, Reduction::None)
        };
        let emphasis = sure.f_amax(ANCHORS, true)?;

        let objectness = over_anchors(entropy(&pair.student.f_select(4, 4)?, &sure)?)?;
        let everywhere = no_grad(|| objectness.f_full_like(anchors as f64))?;
        let mut terms = vec![Term {
            name: "objectness",
            factor: pair.gains.objectness * pair.balance,
            value: objectness,
            weight: everywhere,
            masked: false,
        }];

        if pair.classes.of_student > 1 && !pair.classes.is_empty() {
            let (of_student, of_teacher) = pair.classes.logits(pair.student, pair.teacher)?;
            let wanted = no_grad(|| of_teacher.f_sigmoid())?;
            let last: &[i64] = &[-1];
            let each = entropy(&of_student, &wanted)?.f_mean_dim(last, false, Kind::Float)?;
            terms.push(Term {
                name: "class",
                factor: pair.gains.class,
                value: over_anchors(each.f_mul(&sure)?)?,
                weight: over_anchors(sure.shallow_clone())?,
                masked: true,
            });
        }

        let (value, weight) = boxes(pair, &sure)?;
        terms.push(Term { name: "box", factor: pair.gains.box_gain, value, weight, masked: true });
        Ok(Terms { terms, emphasis })
    }
}

/// Σ over the anchors of w (1 − CIoU) and of w where the teacher is sure, [B, 1, H, W] each. Only those places are decoded:
/// they are few, and a place that does not count has no gradient that could be lost in 0 · ∞.
fn boxes(pair: &ScalePair<'_>, sure: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let (batch, anchors, rows, cols, outputs) = pair.student.size5()?;
    let device = pair.student.device();
    let flat = sure.f_reshape([-1])?;
    let at = flat.f_gt(SURE)?.f_nonzero()?.f_reshape([-1])?;
    let weight = flat.f_index_select(0, &at)?;
    let stride = pair.anchors.stride as f32;
    let sides: Vec<f32> = pair.anchors.anchors.iter().flatten().map(|side| side / stride).collect();
    let sides = Tensor::f_from_slice(&sides)?.f_view([-1, 2])?.f_to_device(device)?;
    let anchor = at.f_div_scalar_mode((rows * cols) as f64, "floor")?.f_remainder(anchors as f64)?;
    let sides = sides.f_index_select(0, &anchor.f_to_kind(Kind::Int64)?)?;
    let decoded = |head: &Tensor| {
        let answers = head.f_narrow(4, 0, 4)?.f_reshape([-1, 4])?.f_index_select(0, &at)?;
        decoded(&answers, &sides)
    };
    let of_teacher = no_grad(|| decoded(pair.teacher))?;
    let apart = ciou(&decoded(pair.student)?, &of_teacher)?.f_neg()?.f_add_scalar(1.0)?;
    let spread = |values: &Tensor| {
        let whole = Tensor::f_zeros([batch * anchors * rows * cols], (Kind::Float, device))?;
        let maps = whole.f_index_add(0, &at, values)?.f_view([batch, anchors, rows, cols])?;
        maps.f_sum_dim_intlist(ANCHORS, true, Kind::Float)
    };
    debug_assert!(outputs >= 5);
    Ok((spread(&apart.f_mul(&weight)?)?, no_grad(|| spread(&weight))?))
}
