//! Why raw head outputs mislead: how hard two losses pull at each output of the student's heads.
//!
//! A loss pulls at an output s by its gradient ∂L/∂s. With t the teacher's output and σ the sigmoid:
//! - raw squares, L = ½ Σ (s − t)²: s − t. So the share of some outputs in the squared distance is their share in the
//!   squared pull (Wang et al. 2019, eq. 4, on raw heads; without its factor 1 / N, which is the same for a whole scale).
//! - [`Loss::ANSWERS`], the detection loss with the teacher for a label: the gradient of that loss over one image. Of
//!   objectness and classes it is a multiple of σ(s) − σ(t); of classes and boxes it is weighed by w = σ(t_obj).
//!
//! Of the outputs two sets are told apart, which overlap:
//! - unseen: class scores of anchors at which the teacher sees nothing, w < 0.05. No label trains them there;
//! - same: objectness and class scores that mean the same to both, |σ(s) − σ(t)| < 0.05. The four outputs of a box are left
//!   out: they are no scores, and a twentieth of their range can be half a box.

use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor};

use crate::grid::Grid;
use crate::imitation::lambda::Norm;
use crate::imitation::loss::{BatchMask, Loss, ScalePair, reduce};

/// Below this the teacher sees no object, and answers that are nearer to each other than this are the same.
const LITTLE: f64 = 0.05;

/// Squared pulls at the raw heads of one scale, summed in each cell over its anchors and outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalePull {
    pub stride: u32,
    pub whole: Grid,
    /// The part of the class scores where the teacher sees nothing.
    pub unseen: Grid,
    /// The part of the scores that mean the same to both.
    pub same: Grid,
}

/// Of one image, scale by scale.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadPull {
    /// (s − t)²
    pub raw: Arc<Vec<ScalePull>>,
    /// (∂L/∂s)² of `answers` with its own mask source, at λ = 1.
    pub answers: Arc<Vec<ScalePull>>,
}

/// Sums over cells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PullSums {
    pub whole: f64,
    pub unseen: f64,
    pub same: f64,
}

impl PullSums {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { whole: self.whole + other.whole, unseen: self.unseen + other.unseen, same: self.same + other.same }
    }
}

impl ScalePull {
    /// Over the cells that `counts` names by their number, row by row.
    pub fn sums(&self, counts: impl Fn(usize) -> bool) -> PullSums {
        let sum = |grid: &Grid| {
            let counted = grid.values().iter().enumerate().filter(|(cell, _)| counts(*cell));
            counted.map(|(_, value)| f64::from(*value)).sum()
        };
        PullSums { whole: sum(&self.whole), unseen: sum(&self.unseen), same: sum(&self.same) }
    }

    /// Length of the pull at each cell, √Σ: what a picture shows.
    pub fn length(&self) -> Grid {
        let mut grid = self.whole.clone();
        grid.values_mut().iter_mut().for_each(|value| *value = value.sqrt());
        grid
    }
}

impl HeadPull {
    /// Pairs of one image, float32 heads [1, A, H, W, 5 + nc] of equal shape, anchors and classes.
    pub fn of(pairs: &[ScalePair<'_>]) -> Result<Self, TchError> {
        let (mut raw, mut answers) = (Vec::with_capacity(pairs.len()), Vec::with_capacity(pairs.len()));
        for pair in pairs {
            let sets = Sets::of(pair)?;
            let apart = pair.student.f_sub(pair.teacher)?;
            raw.push(sets.sums(&apart)?);
            answers.push(sets.sums(&pull_of_answers(pair)?)?);
        }
        Ok(Self { raw: Arc::new(raw), answers: Arc::new(answers) })
    }
}

/// ∂L/∂s, of the shape of the heads.
fn pull_of_answers(pair: &ScalePair<'_>) -> Result<Tensor, TchError> {
    tch::with_grad(|| {
        let student = pair.student.f_detach()?.f_set_requires_grad(true)?;
        let ScalePair { teacher, anchors, classes, gains, balance, .. } = *pair;
        let terms =
            [Loss::ANSWERS.terms(&ScalePair { student: &student, teacher, anchors, classes, gains, balance })?];
        let (_, _, rows, cols, _) = student.size5()?;
        let cells = Tensor::f_ones([1, 1, rows, cols], (Kind::Float, student.device()))?;
        let whole = BatchMask { count: (rows * cols) as u64, cells, is_whole: true };
        let loss = reduce(&terms, &[whole], Norm::PerScale)?.remove(0).scalar;
        Ok(Tensor::f_run_backward(&[&loss], &[&student], false, false)?.remove(0))
    })
}

/// 1 where an output belongs to a set, else 0: [1, A, H, W, 5 + nc] each.
struct Sets {
    stride: u32,
    unseen: Tensor,
    same: Tensor,
}

impl Sets {
    fn of(pair: &ScalePair<'_>) -> Result<Self, TchError> {
        let (student, teacher) = (pair.student.f_sigmoid()?, pair.teacher.f_sigmoid()?);
        let (batch, anchors, rows, cols, outputs) = student.size5()?;
        let none =
            |outputs: i64| Tensor::f_zeros([batch, anchors, rows, cols, outputs], (Kind::Float, student.device()));
        let near = student.f_sub(&teacher)?.f_abs()?.f_lt(LITTLE)?.f_to_kind(Kind::Float)?;
        let same = Tensor::f_cat(&[none(4)?, near.f_narrow(4, 4, outputs - 4)?], 4)?;
        let nothing = teacher.f_narrow(4, 4, 1)?.f_lt(LITTLE)?.f_to_kind(Kind::Float)?;
        let classes = nothing.f_expand([batch, anchors, rows, cols, outputs - 5], false)?;
        let unseen = Tensor::f_cat(&[none(5)?, classes], 4)?;
        Ok(Self { stride: pair.anchors.stride, unseen, same })
    }

    /// Squares of a pull, over all outputs and over the two sets.
    fn sums(&self, pull: &Tensor) -> Result<ScalePull, TchError> {
        let squares = pull.f_to_kind(Kind::Double)?.f_square()?;
        let over = |squares: Tensor| -> Result<Grid, TchError> {
            let outputs: &[i64] = &[0, 1, 4];
            let cells = squares.f_sum_dim_intlist(outputs, false, Kind::Double)?;
            let (rows, cols) = cells.size2()?;
            let flat = cells.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?;
            let values = Vec::<f32>::try_from(flat)?;
            let (rows, cols) = (rows as usize, cols as usize);
            Ok(Grid::from_values(cols, rows, values).unwrap_or_else(|| Grid::filled(cols, rows, f32::NAN)))
        };
        // Not a product: 0 · ∞ is no 0.
        let of = |set: &Tensor| over(squares.f_where_self(&set.f_gt(0.5)?, &squares.f_zeros_like()?)?);
        Ok(ScalePull {
            stride: self.stride,
            unseen: of(&self.unseen)?,
            same: of(&self.same)?,
            whole: over(squares.shallow_clone())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imitation::loss::SharedClasses;
    use crate::imitation::normal_tensor;
    use crate::yolo::anchors::AnchorScale;
    use crate::yolo::loss::LossGains;

    fn classes(count: usize) -> SharedClasses {
        let names: Vec<String> = (0..count).map(|class| class.to_string()).collect();
        SharedClasses::of(&names, &names)
    }

    fn anchors(count: usize) -> AnchorScale {
        AnchorScale { stride: 8, anchors: vec![[12.0, 20.0]; count] }
    }

    fn gains() -> LossGains {
        LossGains::default().scaled(3, 2, 64)
    }

    fn pulls(student: &Tensor, teacher: &Tensor) -> (ScalePull, ScalePull) {
        let size = student.size();
        let (anchors, classes) = (anchors(size[1] as usize), classes(size[4] as usize - 5));
        let gains = gains();
        let pair = ScalePair { student, teacher, anchors: &anchors, classes: &classes, gains: &gains, balance: 4.0 };
        let found = tch::no_grad(|| HeadPull::of(&[pair])).expect("pulls");
        (found.raw[0].clone(), found.answers[0].clone())
    }

    /// Outputs x, y, w, h, objectness and two classes; one anchor, two cells.
    #[test]
    fn shares_of_the_squared_distance_by_hand() {
        let head = |cells: [[f32; 7]; 2]| Tensor::from_slice(cells.as_flattened()).view([1, 1, 1, 2, 7]);
        // Nothing is seen in the first cell, σ(−9) = 0.0001; an object is in the second, σ(2) = 0.88.
        let teacher = head([[0.0, 0.0, 0.0, 0.0, -9.0, -12.0, -8.0], [0.0, 0.0, 0.0, 0.0, 2.0, 3.0, -3.0]]);
        let student = head([[1.0, 0.0, 0.0, 0.0, -6.0, -6.0, -8.0], [0.0, 2.0, 0.0, 0.0, 2.0, 3.0, 1.0]]);
        let (raw, _) = pulls(&student, &teacher);
        // 1 + 3² + 6², and 2² + 4². Of the first cell the classes are 6²; objectness and class mean the same to both:
        // σ(−6) = 0.002. Of the second σ(−3) = 0.05 and σ(1) = 0.73 differ, and it is seen.
        assert_eq!(raw.whole.values(), [46.0, 20.0]);
        assert_eq!(raw.unseen.values(), [36.0, 0.0]);
        assert_eq!(raw.same.values(), [45.0, 0.0]);
        assert_eq!(raw.sums(|_| true), PullSums { whole: 66.0, unseen: 36.0, same: 45.0 });
        assert_eq!(raw.sums(|cell| cell == 1), PullSums { whole: 20.0, unseen: 0.0, same: 0.0 });
        assert_eq!(raw.length().values(), [46.0_f32.sqrt(), 20.0_f32.sqrt()]);
    }

    /// 1 − CIoU of two boxes from their raw answers, relative to a cell of 8 px with an anchor of 12 × 20 px. What weighs the
    /// aspect ratio is no variable, as in YOLOv5: it is that of the student `at`.
    fn apart(student: [f64; 4], at: [f64; 4], teacher: [f64; 4]) -> f64 {
        // YOLOv5's; it counts where a box is tiny.
        const EPS: f64 = 1e-7;
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let corners = |[x, y, w, h]: [f64; 4]| {
            let [x, y] = [x, y].map(|v| 2.0 * sigmoid(v) - 0.5);
            let (w, h) = ((2.0 * sigmoid(w)).powi(2) * 1.5, (2.0 * sigmoid(h)).powi(2) * 2.5);
            [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
        };
        let parts = |a: [f64; 4], b: [f64; 4]| {
            let sides = |c: [f64; 4]| [c[2] - c[0], c[3] - c[1]];
            let ([aw, ah], [bw, bh]) = (sides(a), sides(b));
            let over = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
            let iou = over(0) * over(1) / (aw * ah + bw * bh - over(0) * over(1) + EPS);
            let hull = |low: usize| (a[low + 2].max(b[low + 2]) - a[low].min(b[low])).powi(2);
            let centre = |low: usize| (b[low] + b[low + 2] - a[low] - a[low + 2]).powi(2) / 4.0;
            let v = 4.0 / std::f64::consts::PI.powi(2) * ((bw / bh).atan() - (aw / ah).atan()).powi(2);
            (iou, (centre(0) + centre(1)) / (hull(0) + hull(1) + EPS), v)
        };
        let (iou, _, v) = parts(corners(at), corners(teacher));
        let weight = v / (v - iou + 1.0 + EPS);
        let (iou, distance, v) = parts(corners(student), corners(teacher));
        1.0 - iou + distance + weight * v
    }

    /// Raw squares by loops over plain numbers; of `answers` objectness and classes by their closed form, boxes by central
    /// differences of a plain CIoU.
    #[test]
    fn every_pull_is_that_of_plain_loops() {
        const SHAPE: [i64; 5] = [1, 2, 3, 4, 7];
        // Scores from sure to sure not; boxes of the size of their anchors.
        let spread = Tensor::from_slice(&[0.5_f32, 0.5, 0.5, 0.5, 3.0, 3.0, 3.0]);
        let teacher = normal_tensor(1, &SHAPE) * spread;
        let student = &teacher + normal_tensor(2, &SHAPE) * 0.4;
        let (raw, answers) = pulls(&student, &teacher);
        let [s, t] = [&student, &teacher].map(|head| Vec::<f32>::try_from(head.view([-1])).expect("numbers"));
        let sigmoid = |x: f32| 1.0 / (1.0 + (-f64::from(x)).exp());
        let sure = |at: usize| sigmoid(t[at / 7 * 7 + 4]);
        let weights: f64 = (0..24).map(|place| sure(7 * place)).sum();
        let gains = gains();
        // Of a box places that the teacher is sure of, weighed by w.
        let sure_weights: f64 = (0..24).map(|place| sure(7 * place)).filter(|sure| *sure > 0.05).sum();
        let box_pull = |at: usize| {
            if sure(at) <= 0.05 {
                return 0.0;
            }
            let answers = |head: &[f32]| [0, 1, 2, 3].map(|output| f64::from(head[at / 7 * 7 + output]));
            let moved = |by: f64| {
                let mut own = answers(&s);
                own[at % 7] += by;
                apart(own, answers(&s), answers(&t))
            };
            gains.box_gain * sure(at) / sure_weights * (moved(1e-5) - moved(-1e-5)) / 2e-5
        };
        let mut expected = [[[0.0_f64; 12]; 3]; 2];
        for at in 0..s.len() {
            let (output, cell) = (at % 7, at / 7 % 12);
            let apart = sigmoid(s[at]) - sigmoid(t[at]);
            let pull = match output {
                0..4 => box_pull(at),
                4 => gains.objectness * 4.0 / 24.0 * apart,
                _ => gains.class * sure(at) / weights / 2.0 * apart,
            };
            let raw = f64::from(s[at] - t[at]);
            for (sums, pull) in expected.iter_mut().zip([raw, pull]) {
                sums[0][cell] += pull * pull;
                sums[1][cell] += if output > 4 && sure(at) < 0.05 { pull * pull } else { 0.0 };
                sums[2][cell] += if output >= 4 && apart.abs() < 0.05 { pull * pull } else { 0.0 };
            }
        }
        for (found, expected) in [&raw, &answers].into_iter().zip(&expected) {
            for (grid, expected) in [&found.whole, &found.unseen, &found.same].into_iter().zip(expected) {
                for (found, expected) in grid.values().iter().zip(expected) {
                    let apart = (f64::from(*found) - expected).abs();
                    assert!(apart <= 1e-3 * expected.abs() + 1e-12, "{found} for {expected}");
                }
            }
        }
        let unseen = expected.map(|sums| sums[1].iter().sum::<f64>());
        assert!(unseen[0] > 0.0 && unseen[1] > 0.0, "both sets are tried: {unseen:?}");
    }

    #[test]
    fn an_output_that_is_not_finite_stays_in_its_own_cell() {
        let teacher = Tensor::zeros([1, 1, 1, 2, 6], (Kind::Float, Device::Cpu));
        let student = teacher.copy();
        let _ = student.get(0).get(0).get(0).get(1).narrow(0, 0, 1).fill_(f64::INFINITY);
        let (raw, _) = pulls(&student, &teacher);
        assert_eq!(raw.whole.values()[0], 0.0);
        assert!(raw.whole.values()[1].is_infinite());
        assert_eq!(raw.unseen.values(), [0.0, 0.0]);
    }
}
