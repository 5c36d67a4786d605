//! Masks against a brute-force oracle: corners of every anchor at every cell, in f64, nothing shared with the program.

use distillscope::geometry::{BoundingBox, Size};
use distillscope::imitation::mask::{AnchorCell, IouConvention, IouField, LevelRule, Psi};
use distillscope::yolo::anchors::AnchorScale;
use proptest::prelude::*;

/// Cells this close to their threshold may fall on either side of it in f32.
const TIE: f64 = 2e-6;

fn oracle_iou(scale: &AnchorScale, anchor: usize, row: usize, col: usize, gt: &BoundingBox, seed: bool) -> f64 {
    let stride = f64::from(scale.stride);
    let one = if seed { 1.0 } else { 0.0 };
    let place = |cell: usize| {
        if seed { cell as f64 * stride + (stride - 1.0) / 2.0 } else { (cell as f64 + 0.5) * stride }
    };
    let (cx, cy) = (place(col), place(row));
    let (w, h) = (f64::from(scale.anchors[anchor][0]), f64::from(scale.anchors[anchor][1]));
    let [gx1, gy1, gx2, gy2] = gt.as_xyxy().map(f64::from);
    let (ax1, ay1, ax2, ay2) = (cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0);
    let iw = (ax2.min(gx2) - ax1.max(gx1) + one).max(0.0);
    let ih = (ay2.min(gy2) - ay1.max(gy1) + one).max(0.0);
    let area_a = (ax2 - ax1 + one) * (ay2 - ay1 + one);
    let area_g = (gx2 - gx1 + one) * (gy2 - gy1 + one);
    let inter = iw * ih;
    if inter == 0.0 { 0.0 } else { inter / (area_a + area_g - inter) }
}

fn scales() -> impl Strategy<Value = Vec<AnchorScale>> {
    let anchor = prop::array::uniform2(3.0_f32..200.0);
    let anchors = prop::collection::vec(anchor, 1..4);
    (1_usize..5, prop::collection::vec(anchors, 4)).prop_map(|(count, anchors)| {
        let strides = [4_u32, 8, 16, 32].into_iter().rev().take(count);
        strides.zip(anchors).map(|(stride, anchors)| AnchorScale { stride, anchors }).collect()
    })
}

fn boxes(size: Size) -> impl Strategy<Value = Vec<BoundingBox>> {
    let (w, h) = (size.width as f32, size.height as f32);
    let one = (0.0..w, 0.0..h, 1.0..w, 1.0..h)
        .prop_map(move |(x, y, bw, bh)| BoundingBox::new(x, y, (x + bw).min(w), (y + bh).min(h)))
        .prop_filter("an area", |b| b.area() > 0.5);
    prop::collection::vec(one, 0..6)
}

fn case() -> impl Strategy<Value = (Vec<AnchorScale>, Size, Vec<BoundingBox>, f32)> {
    (1_u32..6, 1_u32..6).prop_flat_map(|(w, h)| {
        let size = Size::new(w * 32, h * 32);
        (scales(), Just(size), boxes(size), 0.0_f32..=1.0)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_cell_agrees_with_the_oracle((scales, size, boxes, psi) in case(), seed in any::<bool>()) {
        let convention = if seed { IouConvention::Seed } else { IouConvention::Exact };
        let field = IouField::compute(&scales, size, &boxes, convention);
        let psi = Psi::new(psi).unwrap();

        // IoU of every anchor at every cell, and M.
        let mut best = vec![vec![0.0_f64; boxes.len()]; scales.len()];
        for (l, scale) in scales.iter().enumerate() {
            let (rows, cols) = (size.height as usize / scale.stride as usize, size.width as usize / scale.stride as usize);
            prop_assert_eq!(field.shape(l), (rows, cols));
            for (k, gt) in boxes.iter().enumerate() {
                for anchor in 0..scale.anchors.len() {
                    for row in 0..rows {
                        for col in 0..cols {
                            let expected = oracle_iou(scale, anchor, row, col, gt, seed);
                            let found = f64::from(field.iou(l, k, AnchorCell { anchor, row, col }));
                            prop_assert!((found - expected).abs() < TIE, "{} is not {}", found, expected);
                            best[l][k] = best[l][k].max(expected);
                        }
                    }
                }
                prop_assert!((f64::from(field.max_iou(l, k)) - best[l][k]).abs() < TIE);
            }
        }

        // Count maps under each rule.
        for rule in LevelRule::ALL {
            let mask = field.mask(psi, rule);
            for (l, scale) in scales.iter().enumerate() {
                let (rows, cols) = field.shape(l);
                for row in 0..rows {
                    for col in 0..cols {
                        let (mut low, mut high) = (0, 0);
                        for (k, gt) in boxes.iter().enumerate() {
                            let m = match rule {
                                LevelRule::Global => (0..scales.len()).map(|l| best[l][k]).fold(0.0, f64::max),
                                _ => best[l][k],
                            };
                            let assigned = scale.anchors.iter().any(|a| {
                                let ratios = [gt.width() / a[0], a[0] / gt.width(), gt.height() / a[1], a[1] / gt.height()];
                                ratios.into_iter().fold(0.0, f32::max) < 4.0
                            });
                            if rule == LevelRule::Assigned && !assigned {
                                continue;
                            }
                            let threshold = f64::from(psi.get()) * m;
                            for anchor in 0..scale.anchors.len() {
                                let iou = oracle_iou(scale, anchor, row, col, gt, seed);
                                low += i32::from(iou > threshold + TIE);
                                high += i32::from(iou > threshold - TIE && iou > 0.0);
                            }
                        }
                        let found = mask.scales[l].count[row * cols + col];
                        prop_assert!((low..=high).contains(&found), "{rule} {row},{col}: {found} not in {low}..={high}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_larger_psi_never_adds_a_cell((scales, size, boxes, psi) in case(), other in 0.0_f32..=1.0) {
        let field = IouField::compute(&scales, size, &boxes, IouConvention::Exact);
        let (low, high) = (Psi::new(psi.min(other)).unwrap(), Psi::new(psi.max(other)).unwrap());
        for rule in LevelRule::ALL {
            let (more, fewer) = (field.mask(low, rule), field.mask(high, rule));
            for (a, b) in more.scales.iter().zip(&fewer.scales) {
                prop_assert!(a.count.iter().zip(&b.count).all(|(a, b)| a >= b));
            }
        }
    }

    #[test]
    fn one_ground_truth_at_a_time_adds_up((scales, size, boxes, psi) in case()) {
        let field = IouField::compute(&scales, size, &boxes, IouConvention::Exact);
        let psi = Psi::new(psi).unwrap();
        for rule in LevelRule::ALL {
            let all = field.mask(psi, rule);
            for (l, scale) in all.scales.iter().enumerate() {
                let mut sum = vec![0; scale.count.len()];
                for gt in 0..boxes.len() {
                    let one = field.gt_mask(gt, psi, rule);
                    prop_assert_eq!(&one.scales[l].gts[gt], &scale.gts[gt]);
                    prop_assert_eq!(one.scales[l].mask_cells, scale.gts[gt].cells);
                    sum.iter_mut().zip(&one.scales[l].count).for_each(|(sum, count)| *sum += count);
                }
                prop_assert_eq!(&sum, &scale.count);
            }
        }
    }
}

fn p5() -> Vec<AnchorScale> {
    vec![AnchorScale { stride: 32, anchors: vec![[64.0, 64.0]] }]
}

#[test]
fn psi_one_marks_nothing_and_psi_zero_all_that_overlaps() {
    let gt = BoundingBox::new(64.0, 64.0, 128.0, 128.0);
    let field = IouField::compute(&p5(), Size::square(256), &[gt], IouConvention::Exact);
    assert_eq!(field.mask(Psi::new(1.0).unwrap(), LevelRule::PerScale).scales[0].mask_cells, 0);
    // Centres at 16, 48, … and half a side of 32: those at 48 to 144 overlap (32, 160), 4 in each direction.
    assert_eq!(field.mask(Psi::new(0.0).unwrap(), LevelRule::PerScale).scales[0].mask_cells, 16);
}

#[test]
fn a_wide_box_on_a_wide_input_is_not_transposed() {
    let gt = BoundingBox::new(256.0, 32.0, 384.0, 64.0);
    let field = IouField::compute(&p5(), Size::new(512, 96), &[gt], IouConvention::Exact);
    let mask = field.mask(Psi::default(), LevelRule::PerScale);
    let scale = &mask.scales[0];
    assert_eq!((scale.rows, scale.cols), (3, 16));
    let marked: Vec<(usize, usize)> = (0..3)
        .flat_map(|row| (0..16).map(move |col| (row, col)))
        .filter(|&(row, col)| scale.contains(row, col))
        .collect();
    assert!(marked.iter().all(|&(_, col)| (8..12).contains(&col)), "{marked:?}");
    assert!(marked.iter().any(|&(row, _)| row == 1));
}

#[test]
fn boxes_that_touch_nothing_mark_nothing_and_never_give_nan() {
    let boxes = [
        BoundingBox::new(10.0, 10.0, 10.0, 10.0),
        BoundingBox::new(-900.0, -900.0, -800.0, -800.0),
        BoundingBox::new(1e9, 1e9, 1e9, 1e9),
    ];
    for convention in IouConvention::ALL {
        let field = IouField::compute(&p5(), Size::square(64), &boxes, convention);
        for rule in LevelRule::ALL {
            let mask = field.mask(Psi::new(0.0).unwrap(), rule);
            for gt in 1..3 {
                assert_eq!(mask.scales[0].gts[gt].cells, 0, "{convention} {rule}");
                assert_eq!(mask.scales[0].gts[gt].max_iou, 0.0);
            }
            assert!(!mask.scales[0].gts[0].max_iou.is_nan());
        }
    }
}

#[test]
fn no_boxes_give_an_empty_mask() {
    let field = IouField::compute(&p5(), Size::square(64), &[], IouConvention::Exact);
    assert_eq!(field.mask(Psi::default(), LevelRule::PerScale).scales[0].mask_cells, 0);
}
