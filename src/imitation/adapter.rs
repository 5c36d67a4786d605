//! Adapters from student to teacher channels: the linear 1×1 map fitted in closed form ([`LeastSquares`]) and the
//! convolution that a run trains ([`Adapter`]).
//!
//! The fit is for looking, and for a start: how much of the teacher can the student explain *linearly* here? A ridge regression over the
//! cells of one or a few images, with an unpenalised bias. Deep scales have fewer cells than channels, where a plain
//! least-squares fit would explain everything and say nothing; so the ridge is chosen by generalised cross-validation
//! (Golub, Heath & Wahba 1979), and the leave-one-out error is reported beside the in-sample one. A 1×1 convolution
//! has no ReLU here: YOLOv5's necks end in SiLU, whose minimum is −0.28, which a ReLU cannot reach.

use std::ops::RangeInclusive;

use tch::{Device, Kind, TchError, Tensor};
use thiserror::Error;

use crate::rng::Rng;

/// Ridges tried, in half decades: shares of the largest squared singular value of the centred student features.
const RIDGES: RangeInclusive<i32> = -18..=2;

const COLUMNS: &[i64] = &[1];

#[derive(Debug, Error)]
pub enum AdapterError {
    #[error("{student} student and {teacher} teacher maps; one of each per image is needed")]
    Images { student: usize, teacher: usize },
    #[error("student {student:?} and teacher {teacher:?} are not [B, C, H, W] maps of one size")]
    Shape { student: Vec<i64>, teacher: Vec<i64> },
    #[error("the {0} has features that are not finite")]
    NotFinite(&'static str),
    #[error("one cell is too few for a fit")]
    TooFew,
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// A fitted adapter and how well it explains the teacher.
#[derive(Debug)]
pub struct LeastSquares {
    /// `[Ct, Cs, 1, 1]`, float32.
    pub weight: Tensor,
    /// `[Ct]`, float32.
    pub bias: Tensor,
    /// Cells that the fit saw.
    pub cells: usize,
    /// The ridge chosen, as a share of the largest squared singular value.
    pub ridge: f64,
    /// Share of the teacher's variance explained on those cells.
    pub r2: f64,
    /// The same, each cell predicted by the fit without it.
    pub r2_leave_one_out: f64,
}

impl LeastSquares {
    /// `student`: maps `[B, Cs, H, W]`; `teacher`: as many maps `[B, Ct, H, W]` of the same size.
    pub fn fit(student: &[&Tensor], teacher: &[&Tensor]) -> Result<Self, AdapterError> {
        if student.len() != teacher.len() || student.is_empty() {
            return Err(AdapterError::Images { student: student.len(), teacher: teacher.len() });
        }
        for (s, t) in student.iter().zip(teacher) {
            let (s, t) = (s.size(), t.size());
            if s.len() != 4 || t.len() != 4 || s[0] != t[0] || s[2..] != t[2..] {
                return Err(AdapterError::Shape { student: s, teacher: t });
            }
        }
        tch::no_grad(|| fit(&rows(student, "student")?, &rows(teacher, "teacher")?))
    }

    /// From cells that were picked: `[N, Cs]` and `[N, Ct]`.
    pub fn fit_cells(student: &Tensor, teacher: &Tensor) -> Result<Self, AdapterError> {
        let map = |cells: &Tensor| cells.f_transpose(0, 1)?.f_unsqueeze(0)?.f_unsqueeze(-1);
        Self::fit(&[&map(student)?], &[&map(teacher)?])
    }

    /// `[B, Cs, H, W]` → `[B, Ct, H, W]`.
    pub fn apply(&self, student: &Tensor) -> Result<Tensor, AdapterError> {
        let device = student.device();
        let (weight, bias) = (self.weight.f_to_device(device)?, self.bias.f_to_device(device)?);
        Ok(student.f_conv2d(&weight, Some(&bias), [1, 1], [0, 0], [1, 1], 1)?)
    }
}

/// A trainable linear convolution from student to teacher channels.
#[derive(Debug)]
pub struct Adapter {
    /// [Ct, Cs, k, k]
    pub weight: Tensor,
    /// [Ct]
    pub bias: Tensor,
}

impl Adapter {
    /// Uniform in ±1/√fan-in, as convolutions start in YOLOv5.
    pub fn random(student: i64, teacher: i64, kernel: i64, seed: u64, device: Device) -> Result<Self, TchError> {
        let mut rng = Rng::of(&[seed, 0xADA9, student as u64, teacher as u64]);
        let bound = ((student * kernel * kernel) as f64).sqrt().recip();
        let mut values = |n: i64| (0..n).map(|_| rng.uniform(-bound, bound) as f32).collect::<Vec<f32>>();
        let weight = Tensor::f_from_slice(&values(teacher * student * kernel * kernel))?;
        let weight = weight.f_view([teacher, student, kernel, kernel])?;
        Self::trainable(weight, Tensor::f_from_slice(&values(teacher))?, device)
    }

    /// The closed-form 1×1 fit, in the middle of a larger kernel where one is asked for.
    pub fn fitted(fit: &LeastSquares, kernel: i64, device: Device) -> Result<Self, TchError> {
        let pad = kernel / 2;
        Self::trainable(fit.weight.f_constant_pad_nd([pad; 4])?, fit.bias.shallow_clone(), device)
    }

    pub fn trainable(weight: Tensor, bias: Tensor, device: Device) -> Result<Self, TchError> {
        let own = |tensor: Tensor| -> Result<Tensor, TchError> {
            tensor.f_to_device(device)?.f_to_kind(Kind::Float)?.f_detach()?.f_contiguous()?.f_set_requires_grad(true)
        };
        Ok(Self { weight: own(weight)?, bias: own(bias)? })
    }

    /// [B, Cs, H, W] → [B, Ct, H, W]
    pub fn apply(&self, student: &Tensor) -> Result<Tensor, TchError> {
        let pad = self.weight.size()[2] / 2;
        student.f_conv2d(&self.weight, Some(&self.bias), [1, 1], [pad, pad], [1, 1], 1)
    }
}

/// Every cell of every map as a row of channels: `[N, C]` in f64.
fn rows(maps: &[&Tensor], who: &'static str) -> Result<Tensor, AdapterError> {
    let flat: Vec<Tensor> = maps
        .iter()
        .map(|map| map.f_to_kind(Kind::Double)?.f_permute([0, 2, 3, 1])?.f_reshape([-1, map.size()[1]]))
        .collect::<Result<_, _>>()?;
    let all = Tensor::f_cat(&flat, 0)?;
    let finite = all.f_isfinite()?.f_all()?;
    if bool::try_from(&finite)? { Ok(all) } else { Err(AdapterError::NotFinite(who)) }
}

/// With the thin SVD of the centred student, X = U S Vᵀ, every ridge k has the hat matrix U S²/(S² + k) Uᵀ (plus 1/N
/// for the bias), so its leave-one-out error is the residual of each cell over one minus its leverage.
fn fit(student: &Tensor, teacher: &Tensor) -> Result<LeastSquares, AdapterError> {
    let cells = student.size()[0];
    if cells < 2 {
        return Err(AdapterError::TooFew);
    }
    let axis: &[i64] = &[0];
    let student_mean = student.f_mean_dim(axis, true, Kind::Double)?;
    let teacher_mean = teacher.f_mean_dim(axis, true, Kind::Double)?;
    let x = student.f_sub(&student_mean)?;
    let y = teacher.f_sub(&teacher_mean)?;
    let (u, squared) = left_singular(&x)?;
    let projected = u.f_transpose(0, 1)?.f_matmul(&y)?;
    let variance = y.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;

    let ridge = choose_ridge(&squared, &projected, variance, cells)?;
    let largest = if squared.numel() == 0 { 1.0 } else { squared.f_max()?.f_double_value(&[])? };
    let penalised = squared.f_add_scalar(ridge * largest)?;
    let shrink = squared.f_div(&penalised)?;
    let residual = y.f_sub(&u.f_matmul(&projected.f_mul(&shrink.f_unsqueeze(1)?)?)?)?;
    let errors = residual.f_square()?.f_sum_dim_intlist(COLUMNS, false, Kind::Double)?;
    // One minus the leverage, from its small parts: taken from 1 it would drown in rounding where the ridge is weak.
    let u_squared = u.f_square()?;
    let outside = u_squared
        .f_sum_dim_intlist(COLUMNS, false, Kind::Double)?
        .f_neg()?
        .f_add_scalar(1.0 - 1.0 / cells as f64)?
        .f_clamp_min(0.0)?;
    let free = u_squared.f_matmul(&shrink.f_neg()?.f_add_scalar(1.0)?)?.f_add(&outside)?.f_clamp_min(1e-12)?;
    let in_sample = errors.f_sum(Kind::Double)?.f_double_value(&[])?;
    let left_out = errors.f_div(&free.f_square()?)?.f_sum(Kind::Double)?.f_double_value(&[])?;

    // W = Xᵀ U (S² + k)⁻¹ Uᵀ Y.
    let solved = projected.f_div(&penalised.f_unsqueeze(1)?)?;
    let weight = x.f_transpose(0, 1)?.f_matmul(&u.f_matmul(&solved)?)?;
    let bias = teacher_mean.f_sub(&student_mean.f_matmul(&weight)?)?.f_reshape([-1])?;
    let explained = |error: f64| if variance > 0.0 { 1.0 - error / variance } else { 1.0 };
    Ok(LeastSquares {
        weight: weight.f_transpose(0, 1)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_unsqueeze(-1)?.f_unsqueeze(-1)?,
        bias: bias.f_to_kind(Kind::Float)?,
        cells: cells as usize,
        ridge,
        r2: explained(in_sample),
        r2_leave_one_out: explained(left_out),
    })
}

/// The ridge of least generalised cross-validation error, as a share of the largest squared singular value. Along
/// each singular direction a ridge keeps a share of the teacher, so all it takes are the teacher's energies there.
fn choose_ridge(squared: &Tensor, projected: &Tensor, variance: f64, cells: i64) -> Result<f64, AdapterError> {
    let squared = Vec::<f64>::try_from(squared)?;
    let energies = Vec::<f64>::try_from(projected.f_square()?.f_sum_dim_intlist(COLUMNS, false, Kind::Double)?)?;
    let largest = squared.iter().copied().fold(0.0, f64::max);
    let beyond = (variance - energies.iter().sum::<f64>()).max(0.0);
    let score = |ridge: f64| {
        let lost = squared.iter().map(|s| ridge * largest / (s + ridge * largest));
        let error = beyond + lost.clone().zip(&energies).map(|(lost, energy)| lost * lost * energy).sum::<f64>();
        let free = (cells as f64 - 1.0 - squared.len() as f64 + lost.sum::<f64>()) / cells as f64;
        // Hardly a degree of freedom left: the fit follows every cell and its error says nothing.
        if free > 1e-6 { error / (free * free) } else { f64::INFINITY }
    };
    let ridges = RIDGES.map(|half_decade| 10_f64.powf(f64::from(half_decade) / 2.0));
    let best = ridges.map(|ridge| (ridge, score(ridge))).min_by(|a, b| a.1.total_cmp(&b.1));
    best.map(|(ridge, _)| ridge).ok_or(AdapterError::TooFew)
}

/// U `[N, r]` and S² `[r]` of the centred features, from the smaller of the two Gram matrices; directions below
/// rounding are left out.
fn left_singular(x: &Tensor) -> Result<(Tensor, Tensor), AdapterError> {
    let (cells, channels) = x.size2()?;
    let xt = x.f_transpose(0, 1)?;
    let tall = cells >= channels;
    let gram = if tall { xt.f_matmul(x)? } else { x.f_matmul(&xt)? };
    let (squared, vectors) = gram.f_linalg_eigh("L")?;
    let floor = squared.f_max()?.f_double_value(&[])?.max(0.0) * 1e-12 + f64::MIN_POSITIVE;
    let kept = squared.f_gt(floor)?.f_nonzero()?.f_reshape([-1])?;
    let squared = squared.f_index_select(0, &kept)?;
    let vectors = vectors.f_index_select(1, &kept)?;
    let u = if tall { x.f_matmul(&vectors)?.f_div(&squared.f_sqrt()?)? } else { vectors };
    Ok((u, squared))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imitation::normal_tensor;

    fn map(shape: [i64; 4]) -> Tensor {
        normal_tensor(shape.iter().fold(7, |key, side| 31 * key + side.unsigned_abs()), &shape)
    }

    #[test]
    fn a_linear_teacher_is_recovered_with_its_bias() {
        let student = map([1, 4, 9, 7]);
        let weight = map([6, 4, 1, 1]);
        let bias = Tensor::from_slice(&[0.5_f32, -1.0, 2.0, 0.0, 3.0, -0.25]);
        let teacher = student.conv2d(&weight, Some(&bias), [1, 1], [0, 0], [1, 1], 1);
        let fit = LeastSquares::fit(&[&student], &[&teacher]).unwrap();
        assert!((&fit.weight - weight).abs().max().double_value(&[]) < 1e-4);
        assert!((&fit.bias - bias).abs().max().double_value(&[]) < 1e-4);
        assert!(fit.r2 > 0.999_999 && fit.r2_leave_one_out > 0.999_999, "{fit:?}");
        assert_eq!(fit.cells, 63);
    }

    /// The leave-one-out error by really leaving each cell out and solving the normal equations anew.
    #[test]
    fn leave_one_out_is_what_leaving_one_out_gives() {
        let (student, teacher) = (map([1, 3, 4, 3]), map([1, 2, 4, 3]));
        let fit = LeastSquares::fit(&[&student], &[&teacher]).unwrap();
        let x = rows(&[&student], "student").unwrap();
        let y = rows(&[&teacher], "teacher").unwrap();
        let solve = |x: &Tensor, y: &Tensor, penalty: f64| {
            let (mx, my) = (
                x.mean_dim([0_i64].as_slice(), true, Kind::Double),
                y.mean_dim([0_i64].as_slice(), true, Kind::Double),
            );
            let (cx, cy) = (x - &mx, y - &my);
            let gram = cx.tr().matmul(&cx) + Tensor::eye(3, (Kind::Double, Device::Cpu)) * penalty;
            let weight = Tensor::linalg_solve(&gram, &cx.tr().matmul(&cy), true);
            let bias = &my - mx.matmul(&weight);
            (weight, bias)
        };
        let centred = &x - x.mean_dim([0_i64].as_slice(), true, Kind::Double);
        let (_, squared) = left_singular(&centred).unwrap();
        let penalty = fit.ridge * squared.max().double_value(&[]);
        let mut error = 0.0;
        for left_out in 0..12 {
            let kept: Vec<i64> = (0..12).filter(|&i| i != left_out).collect();
            let kept = Tensor::from_slice(&kept);
            let (weight, bias) = solve(&x.index_select(0, &kept), &y.index_select(0, &kept), penalty);
            let predicted = x.get(left_out).unsqueeze(0).matmul(&weight) + bias;
            error += (predicted - y.get(left_out)).square().sum(Kind::Double).double_value(&[]);
        }
        let variance =
            (&y - y.mean_dim([0_i64].as_slice(), true, Kind::Double)).square().sum(Kind::Double).double_value(&[]);
        let expected = 1.0 - error / variance;
        assert!((fit.r2_leave_one_out - expected).abs() < 1e-9, "{} against {expected}", fit.r2_leave_one_out);
    }

    #[test]
    fn more_channels_than_cells_does_not_claim_to_explain_noise() {
        let (student, teacher) = (map([1, 64, 4, 5]), map([1, 8, 4, 5]));
        let fit = LeastSquares::fit(&[&student], &[&teacher]).unwrap();
        // A plain fit would explain all of it: 20 cells, 64 channels.
        assert!(fit.r2 < 0.5, "in sample: {}", fit.r2);
        assert!(fit.r2_leave_one_out < 0.2, "left out: {}", fit.r2_leave_one_out);
    }

    #[test]
    fn bad_features_are_errors() {
        let good = map([1, 2, 3, 3]);
        let nan = Tensor::full([1, 2, 3, 3], f64::NAN, (Kind::Float, Device::Cpu));
        assert!(matches!(LeastSquares::fit(&[&nan], &[&good]), Err(AdapterError::NotFinite("student"))));
        assert!(matches!(LeastSquares::fit(&[&good], &[&map([1, 2, 3, 4])]), Err(AdapterError::Shape { .. })));
        assert!(matches!(LeastSquares::fit(&[&good], &[]), Err(AdapterError::Images { .. })));
        assert!(matches!(LeastSquares::fit(&[&map([1, 2, 1, 1])], &[&map([1, 2, 1, 1])]), Err(AdapterError::TooFew)));
    }

    #[test]
    fn constant_features_fit_by_the_bias_alone() {
        let student = Tensor::ones([1, 2, 3, 3], (Kind::Float, Device::Cpu));
        let teacher = Tensor::full([1, 3, 3, 3], 2.5, (Kind::Float, Device::Cpu));
        let fit = LeastSquares::fit(&[&student], &[&teacher]).unwrap();
        let mapped = fit.apply(&student).unwrap();
        assert!((mapped - teacher).abs().max().double_value(&[]) < 1e-6);
    }
}
