//! Anchors and the grid they stand on: plain numbers, read from the model, in input px.

/// One detection scale of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorScale {
    /// Input px per cell.
    pub stride: u32,
    /// (width, height) of each anchor in input px.
    pub anchors: Vec<[f32; 2]>,
}

impl AnchorScale {
    /// "P3" for stride 8, "P4" for stride 16 and so on: the level is log2 of the stride.
    pub fn name(&self) -> String {
        format!("P{}", self.stride.max(1).ilog2())
    }

    /// (rows, cols) of the map of an input of this size.
    pub fn shape(&self, input_width: u32, input_height: u32) -> (usize, usize) {
        ((input_height / self.stride) as usize, (input_width / self.stride) as usize)
    }

    /// Centre (x, y) in input px of the cell (row, col).
    pub fn cell_center(&self, row: usize, col: usize) -> (f32, f32) {
        let stride = self.stride as f32;
        ((col as f32 + 0.5) * stride, (row as f32 + 0.5) * stride)
    }
}

/// How anchors fit ground truths, as YOLOv5's `autoanchor` counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AnchorFit {
    /// Best possible recall: share of the ground truths whose sides are off by less than the factor for some anchor.
    pub recall: f64,
    /// Anchors for which they are, a ground truth.
    pub anchors_per_truth: f64,
    /// Mean over the ground truths of the best IoU with an anchor about the same centre.
    pub mean_iou: f64,
}

impl AnchorFit {
    /// sizes: width and height of each ground truth in input px; factor: the hyperparameter `anchor_t`. All 0 without any.
    pub fn of(sizes: &[[f64; 2]], scales: &[AnchorScale], factor: f64) -> Self {
        let anchors: Vec<[f64; 2]> = scales.iter().flat_map(|s| s.anchors.iter().map(|a| a.map(f64::from))).collect();
        let (mut fit, mut count) = (Self::default(), 0.0_f64);
        for &[w, h] in sizes {
            let off = |[aw, ah]: [f64; 2]| {
                [w / aw, h / ah].map(|ratio| ratio.max(1.0 / ratio)).into_iter().fold(0.0, f64::max)
            };
            let iou = |[aw, ah]: [f64; 2]| {
                let inside = w.min(aw) * h.min(ah);
                inside / (w * h + aw * ah - inside)
            };
            let near = anchors.iter().filter(|anchor| off(**anchor) < factor).count();
            fit.recall += if near > 0 { 1.0 } else { 0.0 };
            fit.anchors_per_truth += near as f64;
            fit.mean_iou += anchors.iter().map(|anchor| iou(*anchor)).fold(0.0, f64::max);
            count += 1.0;
        }
        let mean = |sum: f64| sum / count.max(1.0);
        Self { recall: mean(fit.recall), anchors_per_truth: mean(fit.anchors_per_truth), mean_iou: mean(fit.mean_iou) }
    }

    /// Whether YOLOv5's `autoanchor` would leave the anchors as they are.
    pub fn is_good(&self) -> bool {
        self.recall > GOOD_RECALL
    }
}

/// YOLOv5's `autoanchor` makes new anchors where the best possible recall is not above this.
pub const GOOD_RECALL: f64 = 0.98;

/// YOLOv5's anchors for COCO, in input px: what n, s, m, l and x start from.
pub fn default_anchors() -> Vec<AnchorScale> {
    [
        (8, [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]]),
        (16, [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]]),
        (32, [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]]),
    ]
    .map(|(stride, anchors)| AnchorScale { stride, anchors: anchors.to_vec() })
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_stride() {
        let name = |stride| AnchorScale { stride, anchors: vec![] }.name();
        assert_eq!([4, 8, 16, 32, 64].map(name), ["P2", "P3", "P4", "P5", "P6"]);
    }

    #[test]
    fn rows_come_from_the_height() {
        let scale = AnchorScale { stride: 16, anchors: vec![] };
        assert_eq!(scale.shape(640, 384), (24, 40));
        assert_eq!(scale.cell_center(1, 3), (56.0, 24.0));
    }

    #[test]
    fn fit_of_three_ground_truths_by_hand() {
        let scales = [
            AnchorScale { stride: 8, anchors: vec![[10.0, 10.0]] },
            AnchorScale { stride: 16, anchors: vec![[40.0, 20.0]] },
        ];
        // 10 × 10: anchor 0 fits exactly, IoU 1; anchor 1 is off by 4, which is too much.
        // 20 × 20: anchor 0 off by 2, IoU 100 / 400; anchor 1 off by 2, IoU 400 / 800.
        // 200 × 10: neither; IoU 100 / 2000 and 400 / (2000 + 800 − 400).
        let sizes = [[10.0, 10.0], [20.0, 20.0], [200.0, 10.0]];
        let fit = AnchorFit::of(&sizes, &scales, 4.0);
        assert!((fit.recall - 2.0 / 3.0).abs() < 1e-12);
        assert!((fit.anchors_per_truth - 1.0).abs() < 1e-12);
        assert!((fit.mean_iou - (1.0 + 0.5 + 400.0 / 2400.0) / 3.0).abs() < 1e-12);
        assert_eq!(AnchorFit::of(&[], &scales, 4.0), AnchorFit::default());
        // A factor above 4 lets 10 × 10 have both; above 5, 200 × 10 its 40 × 20.
        assert!((AnchorFit::of(&sizes, &scales, 4.5).anchors_per_truth - 4.0 / 3.0).abs() < 1e-12);
        assert!(AnchorFit::of(&sizes, &scales, 5.5).is_good() && !fit.is_good());
        assert!(!AnchorFit { recall: GOOD_RECALL, ..fit }.is_good());
    }
}
