//! How far the student's answers lie from the teacher's inside the imitation mask, image by image.

use tch::{Device, Kind, TchError, Tensor};

use super::MaskRule;
use crate::geometry::{BoundingBox, Size};
use crate::imitation::choice::{ModelFacts, heads_differ};
use crate::imitation::loss::{CellTerms, Loss, ScalePair, SharedClasses, Term, Terms};
use crate::imitation::mask::{ImitationMask, IouField, ScaleMask};
use crate::yolo::anchors::AnchorScale;
use crate::yolo::loss::{LossGains, balance};
use crate::yolo::network::Network;

/// How teacher and student differ in one image, scale by scale; `None` on a scale that one of them lacks.
pub(super) type ImageTerms = Vec<Option<CellTerms>>;

/// Teacher and student, where their heads speak of the same.
pub(super) struct Pair {
    /// Places of the scales in the teacher's heads, for each of the student's.
    in_teacher: Vec<Option<usize>>,
    scales: Vec<AnchorScale>,
    classes: SharedClasses,
}

impl Pair {
    /// The reason, where the two cannot be compared.
    pub fn of(teacher: &Network, student: &Network) -> Result<Self, String> {
        if let Some(why) = heads_differ(facts(teacher), facts(student)) {
            return Err(why);
        }
        let place = |own: &AnchorScale| teacher.scales().iter().position(|other| other.stride == own.stride);
        Ok(Self {
            in_teacher: student.scales().iter().map(place).collect(),
            classes: SharedClasses::of(student.names(), teacher.names()),
            scales: student.scales().to_vec(),
        })
    }

    /// The terms of the loss `answers` for each image of a batch and each scale that both have. heads: of one input of this
    /// size.
    pub fn terms(&self, teacher: &[Tensor], student: &[Tensor], input: Size) -> Result<Vec<ImageTerms>, TchError> {
        let side = input.width.max(input.height);
        let gains = LossGains::default().scaled(self.scales.len(), self.classes.of_student, side);
        let mut by_scale = Vec::with_capacity(self.scales.len());
        for (at, place) in self.in_teacher.iter().enumerate() {
            let of_teacher = place.and_then(|place| teacher.get(place));
            let Some((teacher, student)) = of_teacher.zip(student.get(at)) else {
                by_scale.push(None);
                continue;
            };
            let terms = Loss::ANSWERS.terms(&ScalePair {
                student: &student.f_to_kind(Kind::Float)?,
                teacher: &teacher.f_to_kind(Kind::Float)?,
                anchors: &self.scales[at],
                classes: &self.classes,
                gains: &gains,
                balance: balance(self.scales.len(), at),
            })?;
            by_scale.push(Some(on_host(&terms)?));
        }
        let images = student.first().map_or(0, |head| head.size()[0]);
        let of_image = |image: i64| {
            let of_scale =
                |terms: &Option<Terms>| terms.as_ref().map(|terms| CellTerms::of(&narrowed(terms, image)?)).transpose();
            by_scale.iter().map(of_scale).collect::<Result<Vec<_>, TchError>>()
        };
        (0..images).map(of_image).collect()
    }
}

fn facts(model: &Network) -> ModelFacts<'_> {
    ModelFacts { scales: model.scales(), names: model.names() }
}

/// In one transfer a map, not one an image.
fn on_host(terms: &Terms) -> Result<Terms, TchError> {
    map(terms, &|tensor| tensor.f_to_device(Device::Cpu))
}

/// One image of a batch.
fn narrowed(terms: &Terms, image: i64) -> Result<Terms, TchError> {
    map(terms, &|tensor| tensor.f_narrow(0, image, 1))
}

fn map(terms: &Terms, change: &dyn Fn(&Tensor) -> Result<Tensor, TchError>) -> Result<Terms, TchError> {
    let of_term = |term: &Term| Ok(Term { value: change(&term.value)?, weight: change(&term.weight)?, ..*term });
    let parts = terms.terms.iter().map(of_term).collect::<Result<_, TchError>>()?;
    Ok(Terms { terms: parts, emphasis: change(&terms.emphasis)? })
}

/// The mask of an image's objects, and which scale owns each.
pub(super) struct ImageMask {
    mask: ImitationMask,
    /// For each object the scale where the best anchor overlaps it most.
    pub owners: Vec<Option<usize>>,
}

impl ImageMask {
    /// boxes: input px.
    pub fn of(scales: &[AnchorScale], input: Size, boxes: &[BoundingBox], rule: &MaskRule) -> Self {
        let field = IouField::compute(scales, input, boxes, rule.convention);
        let owner = |object: usize| {
            let better = |best: Option<(usize, f32)>, scale: usize| {
                let iou = field.max_iou(scale, object);
                if iou > best.map_or(0.0, |(_, best)| best) { Some((scale, iou)) } else { best }
            };
            (0..scales.len()).fold(None, better).map(|(scale, _)| scale)
        };
        Self { owners: (0..boxes.len()).map(owner).collect(), mask: field.mask(rule.psi, rule.level_rule) }
    }

    /// Cells of the mask on each scale.
    pub fn cells(&self) -> Vec<usize> {
        self.mask.scales.iter().map(|scale| scale.mask_cells).collect()
    }

    /// Cells that one object marks, on all scales together.
    pub fn cells_of(&self, object: usize) -> usize {
        self.mask.scales.iter().map(|scale| scale.gts[object].cells).sum()
    }

    /// The loss of an image under the mask; `None` where no scale says anything.
    pub fn distance(&self, terms: &[Option<CellTerms>]) -> Option<f64> {
        let of_scale = |(terms, mask): (&Option<CellTerms>, &ScaleMask)| {
            let weights: Vec<f32> = mask.count.iter().map(|&hits| if hits > 0 { 1.0 } else { 0.0 }).collect();
            terms.as_ref()?.under(&weights).loss
        };
        let losses: Vec<f64> = terms.iter().zip(&self.mask.scales).filter_map(of_scale).collect();
        (!losses.is_empty()).then(|| losses.iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imitation::mask::{IouConvention, LevelRule, Psi};
    use crate::yolo::anchors::default_anchors;

    /// The golden values of a box of 100 × 80 px at ψ ½ (116, 32 and 8 cells), and of one of 16 × 16 px (12, 12, 8).
    #[test]
    fn cells_and_owners_of_known_boxes() {
        let rule = MaskRule { psi: Psi::default(), level_rule: LevelRule::PerScale, convention: IouConvention::Exact };
        let boxes = [(320.0, 100.0, 80.0), (100.0, 16.0, 16.0)];
        let boxes = boxes.map(|(centre, width, height)| BoundingBox::from_center(centre, 320.0, width, height));
        let both = ImageMask::of(&default_anchors(), Size::square(640), &boxes, &rule);
        assert_eq!(both.cells_of(0), 116 + 32 + 8);
        assert_eq!(both.owners, [Some(2), Some(0)], "the best IoU is .525 at P5, and .353 at P3");
        let alone = ImageMask::of(&default_anchors(), Size::square(640), &boxes[..1], &rule);
        assert_eq!(alone.cells(), [116, 32, 8]);
        let empty = BoundingBox::new(10.0, 10.0, 10.0, 10.0);
        let none = ImageMask::of(&default_anchors(), Size::square(640), &[empty], &rule);
        assert_eq!((none.owners.as_slice(), none.cells_of(0)), (&[None][..], 0));
    }
}
