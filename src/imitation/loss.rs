//! The imitation loss on tensors: masks of a batch, trainable adapters, and the masked squared difference.
//!
//! Wang et al. 2019, eq. 4: per scale λ / (2N) Σ I Σc (adapter(student) − teacher)², N = Σ I over the batch. The student's
//! side and the adapter carry gradient. An empty mask gives exactly 0.

use tch::{Device, Kind, TchError, Tensor};

use super::adapter::LeastSquares;
use super::mask::{IouConvention, IouField, LevelRule, Psi};
use crate::draws::Draws;
use crate::geometry::{BoundingBox, Size};
use crate::yolo::anchors::AnchorScale;

/// What decides a cell's membership.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskRule {
    pub psi: Psi,
    pub level: LevelRule,
    pub convention: IouConvention,
}

/// The imitated cells of one scale over a batch.
#[derive(Debug)]
pub struct BatchMask {
    /// [B, 1, H, W], 0 or 1, float32.
    pub cells: Tensor,
    /// How many are 1.
    pub count: u64,
}

impl BatchMask {
    /// Imitated cells as a share of all cells of the batch's maps; 0 without any.
    pub fn share(&self) -> f64 {
        self.count as f64 / self.cells.numel().max(1) as f64
    }
}

/// The masks of every scale; each image's from its own boxes (input px).
pub fn batch_masks(
    images: &[Vec<BoundingBox>],
    scales: &[AnchorScale],
    input: Size,
    rule: MaskRule,
    device: Device,
) -> Result<Vec<BatchMask>, TchError> {
    let mut cells: Vec<Vec<f32>> = vec![Vec::new(); scales.len()];
    for boxes in images {
        let mask = IouField::compute(scales, input, boxes, rule.convention).mask(rule.psi, rule.level);
        for (cells, scale) in cells.iter_mut().zip(&mask.scales) {
            cells.extend(scale.count.iter().map(|&hits| if hits > 0 { 1.0 } else { 0.0 }));
        }
    }
    let on_device = |(cells, scale): (Vec<f32>, &AnchorScale)| {
        let (rows, cols) = scale.shape(input.width, input.height);
        let count = cells.iter().filter(|&&cell| cell > 0.0).count() as u64;
        let cells = Tensor::f_from_slice(&cells)?.f_view([-1, 1, rows as i64, cols as i64])?.f_to_device(device)?;
        Ok(BatchMask { cells, count })
    };
    cells.into_iter().zip(scales).map(on_device).collect()
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
        let mut draws = Draws::of(&[seed, 0xADA9, student as u64, teacher as u64]);
        let bound = ((student * kernel * kernel) as f64).sqrt().recip();
        let mut values = |n: i64| (0..n).map(|_| draws.uniform(-bound, bound) as f32).collect::<Vec<f32>>();
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

/// Σ I Σc w² (a − t)², a scalar with gradient. adapted, teacher: [B, C, H, W]; mask: [B, 1, H, W]; weight: [1, C, 1, 1],
/// what each channel's difference is multiplied by.
pub fn masked_squares(
    adapted: &Tensor,
    teacher: &Tensor,
    mask: &Tensor,
    weight: Option<&Tensor>,
) -> Result<Tensor, TchError> {
    let mut difference = adapted.f_to_kind(Kind::Float)?.f_sub(&teacher.f_to_kind(Kind::Float)?)?;
    if let Some(weight) = weight {
        difference = difference.f_mul(weight)?;
    }
    difference.f_mul(mask)?.f_square()?.f_sum(Kind::Float)
}

/// Σ / (2N): the loss of a scale at λ = 1; exactly 0 and without gradient where no cell is imitated.
pub fn distance(squares: &Tensor, cells: u64) -> Result<Tensor, TchError> {
    match cells {
        0 => Tensor::f_zeros([0_i64; 0], (Kind::Float, squares.device())),
        cells => squares.f_div_scalar(2.0 * cells as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> MaskRule {
        MaskRule { psi: Psi::default(), level: LevelRule::PerScale, convention: IouConvention::Exact }
    }

    fn scales() -> Vec<AnchorScale> {
        vec![AnchorScale { stride: 8, anchors: vec![[16.0, 16.0]] }]
    }

    #[test]
    fn each_image_has_the_mask_of_its_own_boxes() {
        let images =
            vec![vec![BoundingBox::new(0.0, 0.0, 16.0, 16.0)], vec![], vec![BoundingBox::new(48.0, 16.0, 64.0, 32.0)]];
        let input = Size::new(64, 32);
        let masks = batch_masks(&images, &scales(), input, rule(), Device::Cpu).unwrap();
        assert_eq!(masks[0].cells.size(), [3, 1, 4, 8]);
        let per_image = masks[0].cells.sum_dim_intlist([1_i64, 2, 3].as_slice(), false, Kind::Float);
        let alone = |boxes: &[BoundingBox]| {
            IouField::compute(&scales(), input, boxes, rule().convention).mask(rule().psi, rule().level).scales[0]
                .mask_cells as f32
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

    #[test]
    fn loss_and_gradient_by_hand() {
        // One channel, two cells, one of them masked: a = 3s + 1, t = 2, s = 1: difference 2.
        let student = Tensor::from_slice(&[1.0_f32, 5.0]).view([1, 1, 1, 2]).set_requires_grad(true);
        let teacher = Tensor::from_slice(&[2.0_f32, 0.0]).view([1, 1, 1, 2]);
        let mask = Tensor::from_slice(&[1.0_f32, 0.0]).view([1, 1, 1, 2]);
        let weight = Tensor::from_slice(&[3.0_f32]).view([1, 1, 1, 1]);
        let adapter = Adapter::trainable(weight, Tensor::from_slice(&[1.0_f32]), Device::Cpu).unwrap();
        let squares = masked_squares(&adapter.apply(&student).unwrap(), &teacher, &mask, None).unwrap();
        let loss = distance(&squares, 1).unwrap();
        assert_eq!(loss.double_value(&[]), 2.0);
        loss.backward();
        // dL/da = 2: dL/ds = 2 · 3, dL/dw = 2 · 1, dL/db = 2; outside the mask nothing.
        assert_eq!(Vec::<f32>::try_from(student.grad().view([-1])).unwrap(), [6.0, 0.0]);
        assert_eq!(adapter.weight.grad().double_value(&[0, 0, 0, 0]), 2.0);
        assert_eq!(adapter.bias.grad().double_value(&[0]), 2.0);
        // Half the difference, where the channel weighs half.
        let half = Tensor::from_slice(&[0.5_f32]).view([1, 1, 1, 1]);
        let squares = masked_squares(&adapter.apply(&student).unwrap(), &teacher, &mask, Some(&half)).unwrap();
        assert_eq!(squares.double_value(&[]), 1.0);
    }

    /// The loss is a quadratic form, so central differences are exact but for rounding.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        tch::manual_seed(11);
        let floats = (Kind::Float, Device::Cpu);
        let student = Tensor::randn([2, 3, 4, 5], floats).set_requires_grad(true);
        let teacher = Tensor::randn([2, 2, 4, 5], floats);
        let mask = Tensor::rand([2, 1, 4, 5], floats).gt(0.5).to_kind(Kind::Float);
        let cells = mask.sum(Kind::Float).double_value(&[]) as u64;
        for kernel in [1, 3] {
            let adapter = Adapter::random(3, 2, kernel, 1, Device::Cpu).unwrap();
            let loss = || {
                let squares = masked_squares(&adapter.apply(&student).unwrap(), &teacher, &mask, None).unwrap();
                distance(&squares, cells).unwrap()
            };
            let inputs = [&student, &adapter.weight, &adapter.bias];
            let gradients = Tensor::run_backward(&[loss()], &inputs, false, false);
            for (tensor, gradient) in inputs.into_iter().zip(gradients) {
                let (flat, gradient) = (tensor.detach().view([-1]), gradient.reshape([-1]));
                for at in 0..tensor.numel() as i64 {
                    let moved = |by: f64| {
                        let _ = flat.get(at).f_add_scalar_(by).unwrap();
                        let value = loss().double_value(&[]);
                        let _ = flat.get(at).f_add_scalar_(-by).unwrap();
                        value
                    };
                    let slope = (moved(0.25) - moved(-0.25)) / 0.5;
                    let found = gradient.double_value(&[at]);
                    assert!((slope - found).abs() < 1e-4, "{at} of {:?}: {slope} and {found}", tensor.size());
                }
            }
        }
    }

    #[test]
    fn no_cell_no_loss_and_no_gradient_even_where_features_are_not_finite() {
        let student = Tensor::from_slice(&[f32::INFINITY]).view([1, 1, 1, 1]).set_requires_grad(true);
        let zero = Tensor::zeros([1, 1, 1, 1], (Kind::Float, Device::Cpu));
        let loss = distance(&masked_squares(&student, &zero, &zero, None).unwrap(), 0).unwrap();
        assert_eq!(loss.double_value(&[]), 0.0);
        assert!(!loss.requires_grad());
    }

    #[test]
    fn a_fit_in_a_larger_kernel_computes_the_same() {
        tch::manual_seed(5);
        let student = Tensor::randn([1, 3, 6, 5], (Kind::Float, Device::Cpu));
        let teacher = Tensor::randn([1, 2, 6, 5], (Kind::Float, Device::Cpu));
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
