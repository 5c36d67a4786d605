//! Why one cell is in the mask or not: the numbers that the rules compare there, ground truth by ground truth.

use crate::geometry::BoundingBox;
use crate::imitation::mask::{AnchorCell, IouField, LevelRule, Psi, side_ratio};
use crate::yolo::anchors::AnchorScale;

/// A cell of a scale, all by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellAt {
    pub scale: usize,
    pub row: usize,
    pub col: usize,
}

/// What the mask says of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellReason {
    /// Anchor hits over all ground truths; the cell is in the mask when there is one.
    pub hits: usize,
    /// Every ground truth that an anchor overlaps here: first those that mark the cell, each part by its best IoU.
    pub truths: Vec<TruthReason>,
}

/// One ground truth at one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthReason {
    pub gt: usize,
    /// IoU of each anchor of the scale.
    pub ious: Vec<f32>,
    /// M of this scale, and of all scales.
    pub scale_max: f32,
    pub all_max: f32,
    /// Index of the scale where M of all scales is.
    pub best_scale: usize,
    /// Infinite where the rule leaves the scale out.
    pub threshold: f32,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// These anchors are above the threshold.
    Marked { anchors: Vec<usize> },
    /// No anchor of this cell is above the threshold.
    Below,
    /// No anchor of any cell of this scale is: under the global rule another scale fits too much better.
    OtherScale,
    /// The assigned rule leaves the scale out: a side is off every anchor by at least this factor.
    Unassigned { ratio: f32 },
}

impl CellReason {
    /// The ground truths that the cell belongs to.
    pub fn owners(&self) -> impl Iterator<Item = &TruthReason> {
        self.truths.iter().filter(|truth| truth.is_owner())
    }
}

impl TruthReason {
    /// The anchor of the largest IoU, the first of equals, and this IoU.
    pub fn best(&self) -> (usize, f32) {
        let larger =
            |best: (usize, f32), (anchor, &iou): (usize, &f32)| if iou > best.1 { (anchor, iou) } else { best };
        self.ious.iter().enumerate().fold((0, 0.0), larger)
    }

    pub const fn is_owner(&self) -> bool {
        matches!(self.verdict, Verdict::Marked { .. })
    }
}

/// Explains a cell under a ψ and a level rule. `scales` and `boxes` (input px) are those that the field was computed
/// from; `None` where the field has no such cell.
pub fn explain(
    field: &IouField,
    scales: &[AnchorScale],
    boxes: &[BoundingBox],
    cell: CellAt,
    psi: Psi,
    rule: LevelRule,
) -> Option<CellReason> {
    let scale = scales.get(cell.scale)?;
    if scales.len() != field.scales() || boxes.len() != field.gts() {
        return None;
    }
    let (rows, cols) = field.shape(cell.scale);
    if cell.row >= rows || cell.col >= cols {
        return None;
    }
    let mut truths: Vec<TruthReason> =
        (0..field.gts()).filter_map(|gt| truth(field, scale, &boxes[gt], gt, cell, psi, rule)).collect();
    truths.sort_by(|a, b| b.is_owner().cmp(&a.is_owner()).then(b.best().1.total_cmp(&a.best().1)));
    let hits = truths.iter().map(|truth| match &truth.verdict {
        Verdict::Marked { anchors } => anchors.len(),
        _ => 0,
    });
    Some(CellReason { hits: hits.sum(), truths })
}

/// `None` where no anchor of the cell overlaps the ground truth.
fn truth(
    field: &IouField,
    scale: &AnchorScale,
    bbox: &BoundingBox,
    gt: usize,
    CellAt { scale: index, row, col }: CellAt,
    psi: Psi,
    rule: LevelRule,
) -> Option<TruthReason> {
    let iou = |anchor| field.iou(index, gt, AnchorCell { anchor, row, col });
    let ious: Vec<f32> = (0..scale.anchors.len()).map(iou).collect();
    if ious.iter().all(|&iou| iou <= 0.0) {
        return None;
    }
    let (scale_max, all_max) = (field.max_iou(index, gt), field.best_iou(gt));
    let best_scale = (0..field.scales()).find(|&other| field.max_iou(other, gt) == all_max).unwrap_or(index);
    let threshold = field.threshold(index, gt, psi, rule);
    let anchors: Vec<usize> = (0..ious.len()).filter(|&anchor| ious[anchor] > threshold).collect();
    let verdict = if !anchors.is_empty() {
        Verdict::Marked { anchors }
    } else if threshold.is_infinite() {
        Verdict::Unassigned { ratio: side_ratio(scale, bbox) }
    } else if rule == LevelRule::Global && best_scale != index && scale_max <= threshold {
        Verdict::OtherScale
    } else {
        Verdict::Below
    };
    Some(TruthReason { gt, ious, scale_max, all_max, best_scale, threshold, verdict })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::imitation::mask::IouConvention;

    const INPUT: Size = Size::new(32, 16);

    /// P3 of 2 × 4 cells with anchors 8 × 8 and 16 × 8, P4 of 1 × 2 cells with one of 16 × 16.
    fn scales() -> Vec<AnchorScale> {
        vec![
            AnchorScale { stride: 8, anchors: vec![[8.0, 8.0], [16.0, 8.0]] },
            AnchorScale { stride: 16, anchors: vec![[16.0, 16.0]] },
        ]
    }

    /// A box that is the cell (0, 1) of P3, and one along the upper edge.
    fn boxes() -> Vec<BoundingBox> {
        vec![BoundingBox::new(8.0, 0.0, 16.0, 8.0), BoundingBox::new(0.0, 0.0, 32.0, 4.0)]
    }

    fn at(scale: usize, row: usize, col: usize, psi: f32, rule: LevelRule) -> Option<CellReason> {
        let field = IouField::compute(&scales(), INPUT, &boxes(), IouConvention::Exact);
        explain(&field, &scales(), &boxes(), CellAt { scale, row, col }, Psi::saturating(psi), rule)
    }

    fn of(gt: usize, scale: usize, (row, col): (usize, usize), psi: f32, rule: LevelRule) -> TruthReason {
        let reason = at(scale, row, col, psi, rule).expect("a cell of the map");
        reason.truths.into_iter().find(|truth| truth.gt == gt).expect("an overlap")
    }

    #[test]
    fn per_scale_by_hand() {
        // On its own cell: 64 of 64, and 64 of 128, which is not above 0.5 · 1.
        let own = of(0, 0, (0, 1), 0.5, LevelRule::PerScale);
        assert_eq!((own.ious.as_slice(), own.threshold), ([1.0, 0.5].as_slice(), 0.5));
        assert_eq!((own.verdict.clone(), own.best()), (Verdict::Marked { anchors: vec![0] }, (0, 1.0)));
        // A cell to the right the wide anchor alone reaches 4 px into it: 32 of 128 + 64 − 32.
        let beside = of(0, 0, (0, 2), 0.5, LevelRule::PerScale);
        assert_eq!((beside.ious.as_slice(), beside.best()), ([0.0, 0.2].as_slice(), (1, 0.2)));
        assert_eq!(beside.verdict, Verdict::Below);
        // On P4 the best is 64 of 256, and that is its own measure.
        let coarse = of(0, 1, (0, 0), 0.5, LevelRule::PerScale);
        assert_eq!((coarse.scale_max, coarse.all_max, coarse.best_scale), (0.25, 1.0, 0));
        assert_eq!((coarse.threshold, coarse.verdict), (0.125, Verdict::Marked { anchors: vec![0] }));
    }

    #[test]
    fn the_global_rule_leaves_a_box_to_the_scale_that_fits_it() {
        let coarse = of(0, 1, (0, 0), 0.5, LevelRule::Global);
        assert_eq!((coarse.threshold, coarse.verdict), (0.5, Verdict::OtherScale));
        // At ψ = 0.2 the 0.25 of P4 is enough again.
        assert!(of(0, 1, (0, 0), 0.2, LevelRule::Global).is_owner());
        // On the scale that fits best no other scale is to blame, whatever ψ is.
        assert_eq!(of(0, 0, (0, 2), 0.5, LevelRule::Global).verdict, Verdict::Below);
        assert_eq!(of(0, 0, (0, 1), 1.0, LevelRule::Global).verdict, Verdict::Below);
    }

    #[test]
    fn the_assigned_rule_says_by_how_much_a_side_is_off() {
        // 32 × 4 against 16 × 16: twice as wide, a fourth as high, and 4 is not below 4.
        let coarse = of(1, 1, (0, 0), 0.5, LevelRule::Assigned);
        assert_eq!(coarse.verdict, Verdict::Unassigned { ratio: 4.0 });
        assert!(coarse.threshold.is_infinite() && of(1, 1, (0, 0), 0.5, LevelRule::PerScale).is_owner());
        // Against 16 × 8 both sides are off by 2: P3 keeps it, by its own M. 16 × 4 of 128 + 128 − 64.
        let fine = of(1, 0, (0, 1), 0.5, LevelRule::Assigned);
        assert_eq!((fine.scale_max, fine.verdict), (64.0 / 192.0, Verdict::Marked { anchors: vec![0, 1] }));
        // 8 × 8 on 16 × 16 is off by 2 only.
        assert!(of(0, 1, (0, 0), 0.5, LevelRule::Assigned).is_owner());
    }

    #[test]
    fn owners_come_first_and_what_does_not_overlap_is_left_out() {
        // The upper edge's box by the wide anchor: (28 − 12) × 4 of 128 + 128 − 64; the other's 0.2 is below its 0.5.
        let reason = at(0, 0, 2, 0.5, LevelRule::PerScale).expect("a cell");
        assert_eq!(reason.truths.iter().map(|truth| truth.gt).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(reason.owners().map(|truth| truth.gt).collect::<Vec<_>>(), [1]);
        assert_eq!(at(0, 1, 3, 0.5, LevelRule::PerScale), Some(CellReason { hits: 0, truths: Vec::new() }));
        assert_eq!(at(0, 2, 0, 0.5, LevelRule::PerScale), None, "below the map");
        assert_eq!(at(2, 0, 0, 0.5, LevelRule::PerScale), None, "no such scale");
    }

    #[test]
    fn hits_are_those_of_the_mask_at_every_cell() {
        let field = IouField::compute(&scales(), INPUT, &boxes(), IouConvention::Seed);
        for rule in LevelRule::ALL {
            for psi in [0.0, 0.3, 0.5, 0.9, 1.0].map(Psi::saturating) {
                for (scale, mask) in field.mask(psi, rule).scales.iter().enumerate() {
                    for (place, &count) in mask.count.iter().enumerate() {
                        let cell = CellAt { scale, row: place / mask.cols, col: place % mask.cols };
                        let reason = explain(&field, &scales(), &boxes(), cell, psi, rule).expect("a cell");
                        assert_eq!(reason.hits, count as usize, "{rule}, {psi}, {cell:?}");
                    }
                }
            }
        }
    }
}
