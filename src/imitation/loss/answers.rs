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
use crate::native;
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
///
/// On a GPU the host would have to wait to learn how many they are, which costs more than decoding all of them does: there a
/// place that does not count has weight 0, and the student's answer is replaced by 0, so that it has no gradient either.
fn boxes(pair: &ScalePair<'_>, sure: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    if pair.student.device().is_cuda() { everywhere(pair, sure) } else { where_sure(pair, sure) }
}

fn sides(pair: &ScalePair<'_>) -> Result<Tensor, TchError> {
    let stride = pair.anchors.stride as f32;
    let sides: Vec<f32> = pair.anchors.anchors.iter().flatten().map(|side| side / stride).collect();
    native::constant(&sides, pair.student.device())?.f_view([-1, 2])
}

fn everywhere(pair: &ScalePair<'_>, sure: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let (batch, anchors, rows, cols, _) = pair.student.size5()?;
    let counts = no_grad(|| sure.f_gt(SURE))?;
    let weight = no_grad(|| sure.f_mul(&counts.f_to_kind(Kind::Float)?))?;
    let sides = sides(pair)?.f_view([1, -1, 1, 1, 2])?.f_expand([batch, anchors, rows, cols, 2], false)?;
    let sides = sides.f_reshape([-1, 2])?;
    let counts = counts.f_unsqueeze(-1)?;
    let decoded = |head: &Tensor| {
        let answers = head.f_narrow(4, 0, 4)?;
        let answers = answers.f_where_self(&counts, &answers.f_zeros_like()?)?.f_reshape([-1, 4])?;
        decoded(&answers, &sides)
    };
    let of_teacher = no_grad(|| decoded(pair.teacher))?;
    let apart = ciou(&decoded(pair.student)?, &of_teacher)?.f_neg()?.f_add_scalar(1.0)?.f_view_as(&weight)?;
    let over_anchors = |values: Tensor| values.f_sum_dim_intlist(ANCHORS, true, Kind::Float);
    Ok((over_anchors(apart.f_mul(&weight)?)?, over_anchors(weight)?))
}

fn where_sure(pair: &ScalePair<'_>, sure: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let (batch, anchors, rows, cols, outputs) = pair.student.size5()?;
    let device = pair.student.device();
    let flat = sure.f_reshape([-1])?;
    let at = flat.f_gt(SURE)?.f_nonzero()?.f_reshape([-1])?;
    let weight = flat.f_index_select(0, &at)?;
    let sides = sides(pair)?;
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

#[cfg(test)]
mod tests {
    use super::super::SharedClasses;
    use super::*;
    use crate::imitation::normal_tensor;
    use crate::yolo::anchors::AnchorScale;
    use crate::yolo::loss::LossGains;

    /// What is done on a GPU gives the same values and the same gradient as what is done on a CPU, also where an answer that
    /// does not count would have a gradient that is not finite: of a width whose sigmoid is 0.
    #[test]
    fn everywhere_is_where_the_teacher_is_sure() {
        let values = normal_tensor(1, &[2, 3, 3, 4, 6]);
        let teacher = normal_tensor(2, &[2, 3, 3, 4, 6]) * 3.0;
        let _ = values.get(1).get(2).get(0).get(1).narrow(0, 2, 2).fill_(-200.0);
        let _ = teacher.get(1).get(2).get(0).get(1).narrow(0, 4, 1).fill_(-9.0);
        let names = ["a".to_owned()];
        let (classes, gains) = (SharedClasses::of(&names, &names), LossGains::default());
        let anchors = AnchorScale { stride: 8, anchors: vec![[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]] };
        let sure = teacher.select(4, 4).sigmoid();
        type Boxes = fn(&ScalePair<'_>, &Tensor) -> Result<(Tensor, Tensor), TchError>;
        let of = |boxes: Boxes| {
            let student = values.detach().copy().set_requires_grad(true);
            let (anchors, classes, gains) = (&anchors, &classes, &gains);
            let pair = ScalePair { student: &student, teacher: &teacher, anchors, classes, gains, balance: 1.0 };
            let (value, weight) = boxes(&pair, &sure).expect("maps");
            (&value * (&weight + 1.0)).sum(Kind::Float).backward();
            [value.detach(), weight, student.grad()]
        };
        let (everywhere, where_sure) = (of(everywhere), of(where_sure));
        for (one, other) in everywhere.iter().zip(&where_sure) {
            assert_eq!(one.size(), other.size());
            let apart = (one - other).abs().max().double_value(&[]);
            assert!(apart < 1e-6, "{apart}");
        }
        assert!(everywhere[2].abs().sum(Kind::Float).double_value(&[]) > 0.1);
    }
}
