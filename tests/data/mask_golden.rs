//! The golden table of the method: 640×640 input, YOLOv5's default anchors, one centred box, ψ = 0.5.

use distillscope::geometry::{BoundingBox, Size};
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::yolo::anchors::AnchorScale;

fn default_anchors() -> Vec<AnchorScale> {
    vec![
        AnchorScale { stride: 8, anchors: vec![[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]] },
        AnchorScale { stride: 16, anchors: vec![[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]] },
        AnchorScale { stride: 32, anchors: vec![[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]] },
    ]
}

#[track_caller]
fn check(side: (f32, f32), convention: IouConvention, best: [f32; 3], per_scale: [usize; 3], global: [usize; 3]) {
    let gt = BoundingBox::from_center(320.0, 320.0, side.0, side.1);
    let field = IouField::compute(&default_anchors(), Size::square(640), &[gt], convention);
    for (scale, &expected) in best.iter().enumerate() {
        let found = field.max_iou(scale, 0);
        assert!((found - expected).abs() <= 0.0005, "M at scale {scale}: {found}, not {expected}");
    }
    for (rule, expected) in [(LevelRule::PerScale, per_scale), (LevelRule::Global, global)] {
        let mask = field.mask(Psi::default(), rule);
        let cells: Vec<usize> = mask.scales.iter().map(|scale| scale.mask_cells).collect();
        assert_eq!(cells, expected, "{rule}");
        let of_gt: Vec<usize> = mask.scales.iter().map(|scale| scale.gts[0].cells).collect();
        assert_eq!(of_gt, expected, "one ground truth alone is the whole mask");
    }
}

#[test]
fn exact_convention() {
    let exact = IouConvention::Exact;
    check((400.0, 300.0), exact, [0.006, 0.059, 0.836], [1896, 428, 52], [0, 0, 52]);
    check((100.0, 80.0), exact, [0.095, 0.458, 0.525], [116, 32, 8], [0, 28, 8]);
    check((16.0, 16.0), exact, [0.353, 0.130, 0.025], [12, 12, 8], [12, 0, 0]);
    check((8.0, 8.0), exact, [0.201, 0.035, 0.006], [8, 12, 8], [8, 0, 0]);
}

#[test]
fn seed_convention() {
    let seed = IouConvention::Seed;
    check((400.0, 300.0), seed, [0.007, 0.060, 0.842], [1895, 440, 50], [0, 0, 50]);
    check((100.0, 80.0), seed, [0.100, 0.462, 0.539], [116, 32, 8], [0, 26, 8]);
    check((8.0, 8.0), seed, [0.284, 0.042, 0.008], [5, 12, 8], [5, 0, 0]);
}

/// Largest side ratios of 400×300: P3 400/33 = 12.1, P4 400/62 = 6.5 (300/119 = 2.5 but 400/59 = 6.8), P5 1.09.
#[test]
fn the_assigned_rule_leaves_out_scales_without_a_positive() {
    let gt = BoundingBox::from_center(320.0, 320.0, 400.0, 300.0);
    let field = IouField::compute(&default_anchors(), Size::square(640), &[gt], IouConvention::Exact);
    let cells: Vec<usize> =
        field.mask(Psi::default(), LevelRule::Assigned).scales.iter().map(|scale| scale.mask_cells).collect();
    assert_eq!(cells, [0, 0, 52]);
    // 100×80: P3 100/33 = 3.03 and 80/23 = 3.48, P4 100/62 = 1.6 and 80/45 = 1.8, P5 1.16 and 1.13: all three.
    let gt = BoundingBox::from_center(320.0, 320.0, 100.0, 80.0);
    let field = IouField::compute(&default_anchors(), Size::square(640), &[gt], IouConvention::Exact);
    let cells: Vec<usize> =
        field.mask(Psi::default(), LevelRule::Assigned).scales.iter().map(|scale| scale.mask_cells).collect();
    assert_eq!(cells, [116, 32, 8]);
}
