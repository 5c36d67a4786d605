//! YOLOv5's detection loss: CIoU of the boxes, cross-entropy of objectness and classes.

use std::f64::consts::PI;

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::anchors::AnchorScale;
use super::assign::{Positive, Target, assign};

/// Gains and switches, as they act: already scaled by scales, classes and image size.
#[derive(Clone, Debug, PartialEq)]
pub struct LossGains {
    pub box_gain: f64,
    pub objectness: f64,
    pub class: f64,
    /// Weights of the positive answers in the two cross-entropies.
    pub objectness_positive: f64,
    pub class_positive: f64,
    /// Largest ratio of a ground truth's side to an anchor's.
    pub anchor_t: f64,
    /// Focal loss; 0 is plain cross-entropy.
    pub focal_gamma: f64,
    pub label_smoothing: f64,
}

impl LossGains {
    /// As YOLOv5 scales its hyperparameters: by the number of scales, of classes, and by the image's area. imgsz: px.
    #[must_use]
    pub fn scaled(self, scales: usize, classes: usize, imgsz: u32) -> Self {
        let of_scales = 3.0 / scales.max(1) as f64;
        Self {
            box_gain: self.box_gain * of_scales,
            class: self.class * classes as f64 / 80.0 * of_scales,
            objectness: self.objectness * (f64::from(imgsz) / 640.0).powi(2) * of_scales,
            ..self
        }
    }
}

/// YOLOv5's own, before they are scaled.
impl Default for LossGains {
    fn default() -> Self {
        Self {
            box_gain: 0.05,
            objectness: 1.0,
            class: 0.5,
            objectness_positive: 1.0,
            class_positive: 1.0,
            anchor_t: 4.0,
            focal_gamma: 0.0,
            label_smoothing: 0.0,
        }
    }
}

/// The three terms, scalars with gradient: means over the batch, gains included.
#[derive(Debug)]
pub struct LossTerms {
    pub box_loss: Tensor,
    pub objectness: Tensor,
    pub class: Tensor,
}

impl LossTerms {
    pub fn sum(&self) -> Result<Tensor, TchError> {
        self.box_loss.f_add(&self.objectness)?.f_add(&self.class)
    }

    /// Box, objectness, class.
    pub fn values(&self) -> Result<[f64; 3], TchError> {
        let value = |term: &Tensor| term.f_double_value(&[]);
        Ok([value(&self.box_loss)?, value(&self.objectness)?, value(&self.class)?])
    }
}

/// The loss of one model.
#[derive(Clone, Debug)]
pub struct DetectionLoss {
    scales: Vec<AnchorScale>,
    classes: usize,
    gains: LossGains,
}

impl DetectionLoss {
    pub fn new(scales: &[AnchorScale], classes: usize, gains: LossGains) -> Self {
        Self { scales: scales.to_vec(), classes, gains }
    }

    /// heads: raw, [B, A, H, W, 5 + nc] per scale. The sum of the terms times B is what YOLOv5 goes backward from.
    pub fn terms(&self, heads: &[Tensor], targets: &[Target]) -> Result<LossTerms, TchError> {
        let device = heads.first().map_or(Device::Cpu, Tensor::device);
        let zero = || Tensor::f_zeros([0_i64; 0], (Kind::Float, device));
        let (mut box_loss, mut objectness, mut class) = (zero()?, zero()?, zero()?);
        for (index, (head, scale)) in heads.iter().zip(&self.scales).enumerate() {
            let (batch, anchors, rows, cols, outputs) = head.size5()?;
            let positives = assign(targets, scale, rows as usize, cols as usize, self.gains.anchor_t as f32);
            let objects = head.f_select(4, 4)?;
            let mut wanted = Tensor::f_zeros([batch * anchors * rows * cols], (Kind::Float, device))?;
            if !positives.is_empty() {
                let at = Places::new(&positives, [anchors, rows, cols], device)?;
                let answers = head.f_reshape([-1, outputs])?.f_index_select(0, &at.cells)?.f_to_kind(Kind::Float)?;
                let boxes = predicted(&answers, &positives, scale, device)?;
                let truths: Vec<f32> = positives.iter().flat_map(|positive| positive.xywh).collect();
                let truths = Tensor::f_from_slice(&truths)?.f_view([-1, 4])?.f_to_device(device)?;
                let iou = ciou(&boxes, &truths)?;
                box_loss = box_loss.f_add(&iou.f_neg()?.f_add_scalar(1.0)?.f_mean(Kind::Float)?)?;
                // Where two ground truths share a place, the last one's IoU stands.
                let iou = iou.f_detach()?.f_clamp_min(0.0)?.f_index_select(0, &at.owners)?;
                wanted = wanted.f_index_copy(0, &at.owned, &iou)?;
                if self.classes > 1 {
                    let answers = answers.f_narrow(1, 5, outputs - 5)?;
                    let wanted = self.wanted_classes(&positives, device)?;
                    let entropy = self.cross_entropy(&answers, &wanted, self.gains.class_positive)?;
                    class = class.f_add(&entropy)?;
                }
            }
            let wanted = wanted.f_view_as(&objects)?;
            let objects = objects.f_to_kind(Kind::Float)?;
            let entropy = self.cross_entropy(&objects, &wanted, self.gains.objectness_positive)?;
            objectness = objectness.f_add(&entropy.f_mul_scalar(balance(self.scales.len(), index))?)?;
        }
        Ok(LossTerms {
            box_loss: box_loss.f_mul_scalar(self.gains.box_gain)?,
            objectness: objectness.f_mul_scalar(self.gains.objectness)?,
            class: class.f_mul_scalar(self.gains.class)?,
        })
    }

    /// [positives, nc], smoothed.
    fn wanted_classes(&self, positives: &[Positive], device: Device) -> Result<Tensor, TchError> {
        let off = 0.5 * self.gains.label_smoothing;
        let mut wanted = vec![off as f32; positives.len() * self.classes];
        for (row, positive) in wanted.chunks_exact_mut(self.classes).zip(positives) {
            if let Some(own) = row.get_mut(positive.class) {
                *own = (1.0 - off) as f32;
            }
        }
        Tensor::f_from_slice(&wanted)?.f_view([-1, self.classes as i64])?.f_to_device(device)
    }

    /// Binary, from logits, the mean over all elements.
    fn cross_entropy(&self, logits: &Tensor, wanted: &Tensor, positive: f64) -> Result<Tensor, TchError> {
        const ALPHA: f64 = 0.25;
        let weight = Tensor::f_from_slice(&[positive as f32])?.f_to_device(logits.device())?;
        let entropy =
            |reduction| logits.f_binary_cross_entropy_with_logits(wanted, None::<&Tensor>, Some(&weight), reduction);
        if self.gains.focal_gamma <= 0.0 {
            return entropy(Reduction::Mean);
        }
        // Lin et al. 2017: what is answered well already counts less.
        let p = logits.f_sigmoid()?;
        let (no, unwanted) = (p.f_neg()?.f_add_scalar(1.0)?, wanted.f_neg()?.f_add_scalar(1.0)?);
        let right = wanted.f_mul(&p)?.f_add(&unwanted.f_mul(&no)?)?;
        let alpha = wanted.f_mul_scalar(ALPHA)?.f_add(&unwanted.f_mul_scalar(1.0 - ALPHA)?)?;
        let modulation = right.f_neg()?.f_add_scalar(1.0)?.f_pow_tensor_scalar(self.gains.focal_gamma)?;
        entropy(Reduction::None)?.f_mul(&alpha)?.f_mul(&modulation)?.f_mean(Kind::Float)
    }
}

/// The weight of a scale's objectness.
pub fn balance(scales: usize, index: usize) -> f64 {
    let weights: &[f64] = if scales == 3 { &[4.0, 1.0, 0.4] } else { &[4.0, 1.0, 0.25, 0.06, 0.02] };
    weights.get(index).copied().unwrap_or(0.02)
}

/// Where the positives lie in a head that is flattened to [B·A·H·W].
struct Places {
    /// Of every positive.
    cells: Tensor,
    /// Each of these places once, and the last positive that lies there.
    owned: Tensor,
    owners: Tensor,
}

impl Places {
    fn new(positives: &[Positive], [anchors, rows, cols]: [i64; 3], device: Device) -> Result<Self, TchError> {
        let place =
            |p: &Positive| ((p.image as i64 * anchors + p.anchor as i64) * rows + p.row as i64) * cols + p.col as i64;
        let cells: Vec<i64> = positives.iter().map(place).collect();
        let last: std::collections::BTreeMap<i64, i64> = cells.iter().copied().zip(0..).collect();
        let on_device = |values: Vec<i64>| Tensor::f_from_slice(&values)?.f_to_device(device);
        Ok(Self {
            owned: on_device(last.keys().copied().collect())?,
            owners: on_device(last.values().copied().collect())?,
            cells: on_device(cells)?,
        })
    }
}

/// Centre and size in cells, relative to the cell, of the positives' answers [N, 5 + nc].
fn predicted(
    answers: &Tensor,
    positives: &[Positive],
    scale: &AnchorScale,
    device: Device,
) -> Result<Tensor, TchError> {
    let stride = scale.stride as f32;
    let anchors: Vec<f32> =
        positives.iter().flat_map(|positive| scale.anchors[positive.anchor].map(|side| side / stride)).collect();
    decoded(answers, &Tensor::f_from_slice(&anchors)?.f_view([-1, 2])?.f_to_device(device)?)
}

/// Boxes of raw answers, [N, 4 or more], under anchors in cells, [N, 2]: centre and size in cells, relative to the cell,
/// [N, 4].
pub(crate) fn decoded(answers: &Tensor, anchors: &Tensor) -> Result<Tensor, TchError> {
    let centres = answers.f_narrow(1, 0, 2)?.f_sigmoid()?.f_mul_scalar(2.0)?.f_sub_scalar(0.5)?;
    let sizes = answers.f_narrow(1, 2, 2)?.f_sigmoid()?.f_mul_scalar(2.0)?.f_square()?.f_mul(anchors)?;
    Tensor::f_cat(&[centres, sizes], 1)
}

/// Complete IoU (Zheng et al. 2020) of boxes given by centre and size, [N, 4] each → [N].
pub(crate) fn ciou(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    const EPS: f64 = 1e-7;
    let side = |boxes: &Tensor, axis: i64, sign: f64| -> Result<Tensor, TchError> {
        boxes.f_select(1, axis)?.f_add(&boxes.f_select(1, axis + 2)?.f_mul_scalar(sign / 2.0)?)
    };
    let mut inter: Option<Tensor> = None;
    let mut diagonal: Option<Tensor> = None;
    let mut distance: Option<Tensor> = None;
    let grown = |sum: Option<Tensor>, term: Tensor| match sum {
        Some(sum) => sum.f_add(&term),
        None => Ok(term),
    };
    for axis in 0..2 {
        let (a1, a2) = (side(a, axis, -1.0)?, side(a, axis, 1.0)?);
        let (b1, b2) = (side(b, axis, -1.0)?, side(b, axis, 1.0)?);
        let overlap = a2.f_minimum(&b2)?.f_sub(&a1.f_maximum(&b1)?)?.f_clamp_min(0.0)?;
        inter = Some(match inter {
            Some(other) => other.f_mul(&overlap)?,
            None => overlap,
        });
        let enclosing = a2.f_maximum(&b2)?.f_sub(&a1.f_minimum(&b1)?)?.f_square()?;
        diagonal = Some(grown(diagonal, enclosing)?);
        let apart = b1.f_add(&b2)?.f_sub(&a1)?.f_sub(&a2)?.f_square()?.f_div_scalar(4.0)?;
        distance = Some(grown(distance, apart)?);
    }
    let (Some(inter), Some(diagonal), Some(distance)) = (inter, diagonal, distance) else {
        return Err(TchError::Shape("boxes without sides".to_owned()));
    };
    let area = |boxes: &Tensor| boxes.f_select(1, 2)?.f_mul(&boxes.f_select(1, 3)?);
    let union = area(a)?.f_add(&area(b)?)?.f_sub(&inter)?.f_add_scalar(EPS)?;
    let iou = inter.f_div(&union)?;
    let angle = |boxes: &Tensor| boxes.f_select(1, 2)?.f_div(&boxes.f_select(1, 3)?)?.f_atan();
    let v = angle(b)?.f_sub(&angle(a)?)?.f_square()?.f_mul_scalar(4.0 / (PI * PI))?;
    // The trade-off is a weight, not a path for gradient.
    let alpha = tch::no_grad(|| v.f_div(&v.f_sub(&iou)?.f_add_scalar(1.0 + EPS)?))?;
    iou.f_sub(&distance.f_div(&diagonal.f_add_scalar(EPS)?)?)?.f_sub(&v.f_mul(&alpha)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([-1, 4])
    }

    #[test]
    fn ciou_by_hand() {
        // Two 2 × 2 boxes, one cell apart: IoU 1/3, distance² 1, diagonal² 3² + 2²; same shape, so no angle term.
        let found = ciou(&boxes(&[0.0, 0.0, 2.0, 2.0]), &boxes(&[1.0, 0.0, 2.0, 2.0])).unwrap();
        assert!((found.double_value(&[0]) - (1.0 / 3.0 - 1.0 / 13.0)).abs() < 1e-6);
        // 2 × 2 in 4 × 2, same centre: IoU 1/2, v = 4/π² (atan 2 − atan 1)², alpha = v / (v + 1/2).
        let found = ciou(&boxes(&[0.0, 0.0, 2.0, 2.0]), &boxes(&[0.0, 0.0, 4.0, 2.0])).unwrap();
        let v = 4.0 / (PI * PI) * (2.0_f64.atan() - 1.0_f64.atan()).powi(2);
        assert!((found.double_value(&[0]) - (0.5 - v * v / (v + 0.5))).abs() < 1e-6);
    }

    fn gains() -> LossGains {
        LossGains {
            box_gain: 0.05,
            objectness: 1.0,
            class: 0.5,
            objectness_positive: 1.0,
            class_positive: 1.0,
            anchor_t: 4.0,
            focal_gamma: 0.0,
            label_smoothing: 0.0,
        }
    }

    fn scales() -> Vec<AnchorScale> {
        [8, 16, 32].map(|stride| AnchorScale { stride, anchors: vec![[2.0 * stride as f32; 2]; 3] }).to_vec()
    }

    #[test]
    fn without_a_target_only_objectness_remains() {
        // Logit 0 everywhere: ln 2 per element, times 4 + 1 + 0.4.
        let heads: Vec<Tensor> =
            [8, 4, 2].map(|side| Tensor::zeros([2, 3, side, side, 7], (Kind::Float, Device::Cpu))).into();
        let [box_loss, objectness, class] =
            DetectionLoss::new(&scales(), 2, gains()).terms(&heads, &[]).unwrap().values().unwrap();
        assert_eq!((box_loss, class), (0.0, 0.0));
        assert!((objectness - 5.4 * 2.0_f64.ln()).abs() < 1e-5, "{objectness}");
    }

    #[test]
    fn the_last_target_of_a_shared_place_decides_its_objectness() {
        let place = |image| Positive { image, anchor: 0, row: 0, col: 1, class: 0, xywh: [0.0; 4] };
        let at = Places::new(&[place(0), place(1), place(0)], [3, 4, 4], Device::Cpu).unwrap();
        assert_eq!(Vec::<i64>::try_from(&at.cells).unwrap(), [1, 49, 1]);
        assert_eq!(Vec::<i64>::try_from(&at.owned).unwrap(), [1, 49]);
        assert_eq!(Vec::<i64>::try_from(&at.owners).unwrap(), [2, 1]);
    }
}
