//! YOLOv5's detection loss: CIoU of the boxes, cross-entropy of objectness and classes.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::anchors::AnchorScale;
use super::assign::{Positive, Target, assign};
use crate::native::{self, Part, Upload, Uploaded};

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
        let values = native::read(&[&self.box_loss, &self.objectness, &self.class])?;
        Ok([values[0], values[1], values[2]])
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
        let shape = |head: &Tensor| head.size5().map(|(_, _, rows, cols, _)| (rows as usize, cols as usize));
        let shapes = heads.iter().map(shape).collect::<Result<Vec<_>, TchError>>()?;
        let mut upload = Upload::default();
        let wanted = self.wanted(targets, &shapes, &mut upload);
        let uploaded = upload.send(heads.first().map_or(Device::Cpu, Tensor::device))?;
        self.terms_of(heads, &wanted, &uploaded)
    }

    /// What the heads must answer, put into an upload. shapes: rows and columns of each scale.
    pub fn wanted(&self, targets: &[Target], shapes: &[(usize, usize)], upload: &mut Upload) -> Wanted {
        let of_scale = |(scale, &(rows, cols)): (&AnchorScale, &(usize, usize))| {
            let positives = assign(targets, scale, rows, cols, self.gains.anchor_t as f32);
            if positives.is_empty() {
                return None;
            }
            let (cells, owned, owners) = places(&positives, [scale.anchors.len(), rows, cols].map(|n| n as i64));
            let stride = scale.stride as f32;
            let anchors =
                positives.iter().flat_map(|positive| scale.anchors[positive.anchor].map(|side| side / stride));
            let truths: Vec<f32> = positives.iter().flat_map(|positive| positive.xywh).collect();
            Some(Positives {
                cells: upload.put(&cells),
                owned: upload.put(&owned),
                owners: upload.put(&owners),
                anchors: upload.put(&anchors.collect::<Vec<f32>>()),
                truths: upload.put(&truths),
                classes: (self.classes > 1).then(|| upload.put(&self.wanted_classes(&positives))),
            })
        };
        let scales = self.scales.iter().zip(shapes).map(of_scale).collect();
        let weights = [self.gains.objectness_positive, self.gains.class_positive];
        Wanted { scales, weights: weights.map(|weight| upload.put(&[weight as f32])) }
    }

    /// The loss of what [`DetectionLoss::wanted`] put into an upload.
    pub fn terms_of(&self, heads: &[Tensor], wanted: &Wanted, uploaded: &Uploaded) -> Result<LossTerms, TchError> {
        let device = uploaded.device();
        let zero = || Tensor::f_zeros([0_i64; 0], (Kind::Float, device));
        let (mut box_loss, mut objectness, mut class) = (zero()?, zero()?, zero()?);
        let [of_objects, of_classes] = wanted.weights;
        let (of_objects, of_classes) = (uploaded.get(of_objects)?, uploaded.get(of_classes)?);
        for (index, (head, positives)) in heads.iter().zip(&wanted.scales).enumerate() {
            let (batch, anchors, rows, cols, outputs) = head.size5()?;
            let objects = head.f_select(4, 4)?;
            let mut present = Tensor::f_zeros([batch * anchors * rows * cols], (Kind::Float, device))?;
            if let Some(positives) = positives {
                let cells = uploaded.get(positives.cells)?;
                let answers = head.f_reshape([-1, outputs])?.f_index_select(0, &cells)?.f_to_kind(Kind::Float)?;
                let boxes = decoded(&answers, &uploaded.get(positives.anchors)?.f_view([-1, 2])?)?;
                let iou = ciou(&boxes, &uploaded.get(positives.truths)?.f_view([-1, 4])?)?;
                box_loss = box_loss.f_add(&iou.f_neg()?.f_add_scalar(1.0)?.f_mean(Kind::Float)?)?;
                // Where two ground truths share a place, the last one's IoU stands.
                let owners = uploaded.get(positives.owners)?;
                let iou = iou.f_detach()?.f_clamp_min(0.0)?.f_index_select(0, &owners)?;
                present = present.f_index_copy(0, &uploaded.get(positives.owned)?, &iou)?;
                if let Some(classes) = positives.classes {
                    let answers = answers.f_narrow(1, 5, outputs - 5)?;
                    let classes = uploaded.get(classes)?.f_view([-1, self.classes as i64])?;
                    class = class.f_add(&self.cross_entropy(&answers, &classes, &of_classes)?)?;
                }
            }
            let present = present.f_view_as(&objects)?;
            let entropy = self.cross_entropy(&objects.f_to_kind(Kind::Float)?, &present, &of_objects)?;
            objectness = objectness.f_add(&entropy.f_mul_scalar(balance(self.scales.len(), index))?)?;
        }
        Ok(LossTerms {
            box_loss: box_loss.f_mul_scalar(self.gains.box_gain)?,
            objectness: objectness.f_mul_scalar(self.gains.objectness)?,
            class: class.f_mul_scalar(self.gains.class)?,
        })
    }

    /// [positives, nc], row by row, smoothed.
    fn wanted_classes(&self, positives: &[Positive]) -> Vec<f32> {
        let off = 0.5 * self.gains.label_smoothing;
        let mut wanted = vec![off as f32; positives.len() * self.classes];
        for (row, positive) in wanted.chunks_exact_mut(self.classes).zip(positives) {
            if let Some(own) = row.get_mut(positive.class) {
                *own = (1.0 - off) as f32;
            }
        }
        wanted
    }

    /// Binary, from logits, the mean over all elements. positive: the weight of a positive answer, [1].
    fn cross_entropy(&self, logits: &Tensor, wanted: &Tensor, positive: &Tensor) -> Result<Tensor, TchError> {
        const ALPHA: f64 = 0.25;
        let entropy =
            |reduction| logits.f_binary_cross_entropy_with_logits(wanted, None::<&Tensor>, Some(positive), reduction);
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

/// What a batch's heads must answer, in an upload.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// `None` where no ground truth has a place.
    scales: Vec<Option<Positives>>,
    /// Of the positive answers, for objects and for classes.
    weights: [Part<f32>; 2],
}

/// The places of one scale that must answer for a ground truth; a head is flattened to [B·A·H·W].
#[derive(Clone, Copy, Debug)]
struct Positives {
    cells: Part<i64>,
    /// Each of these places once, and the last positive that lies there.
    owned: Part<i64>,
    owners: Part<i64>,
    /// [N, 2], in cells.
    anchors: Part<f32>,
    /// [N, 4], in cells, relative to the place's own.
    truths: Part<f32>,
    /// [N, nc]; `None` where there is a single class.
    classes: Option<Part<f32>>,
}

/// The weight of a scale's objectness.
pub fn balance(scales: usize, index: usize) -> f64 {
    let weights: &[f64] = if scales == 3 { &[4.0, 1.0, 0.4] } else { &[4.0, 1.0, 0.25, 0.06, 0.02] };
    weights.get(index).copied().unwrap_or(0.02)
}

/// Where the positives lie in a head that is flattened to [B·A·H·W]: every one's place; each of these places once; and the
/// last positive that lies there.
fn places(positives: &[Positive], [anchors, rows, cols]: [i64; 3]) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let place =
        |p: &Positive| ((p.image as i64 * anchors + p.anchor as i64) * rows + p.row as i64) * cols + p.col as i64;
    let cells: Vec<i64> = positives.iter().map(place).collect();
    let last: BTreeMap<i64, i64> = cells.iter().copied().zip(0..).collect();
    let (owned, owners) = last.into_iter().unzip();
    (cells, owned, owners)
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
        let (cells, owned, owners) = places(&[place(0), place(1), place(0)], [3, 4, 4]);
        assert_eq!((cells, owned, owners), (vec![1, 49, 1], vec![1, 49], vec![2, 1]));
    }
}
