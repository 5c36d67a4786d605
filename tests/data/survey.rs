//! The survey of a dataset against the masks themselves, one ψ and one image at a time.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use distillscope::dataset::{Label, Sample, Samples};
use distillscope::geometry::{BoundingBox, Letterbox, Size};
use distillscope::imitation::mask::{IouConvention, IouField, LevelRule, Psi};
use distillscope::rng::Rng;
use distillscope::survey::{ObjectSize, Overlap, Survey, SurveyOptions, psi_grid, survey};
use distillscope::yolo::anchors::{AnchorScale, default_anchors};
use distillscope::yolo::assign::{Target, assign};

fn sample(size: Size, boxes: &[BoundingBox]) -> Sample {
    let labels = boxes.iter().map(|&bbox| Label { class: 0, bbox }).collect();
    Sample { image: "a.png".into(), size, labels }
}

fn samples(samples: Vec<Sample>) -> Samples {
    Samples { names: vec!["a".into()], samples, ..Samples::default() }
}

/// Images of odd sizes with random boxes; in every second one they lie on multiples of 8 px, where many IoUs are equal
/// and stand exactly at a threshold.
fn random(count: u64, input: Size) -> Samples {
    let of_index = |index| {
        let mut rng = Rng::of(&[7, index]);
        let whole = index % 2 == 0;
        let size = if whole { input } else { Size::new(100 + rng.below(900) as u32, 80 + rng.below(900) as u32) };
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let boxes: Vec<BoundingBox> = (0..rng.below(9))
            .map(|_| {
                let side = |rng: &mut Rng, whole: f64| whole * rng.unit().powi(3);
                let (w, h) = (side(&mut rng, width).max(2.0), side(&mut rng, height).max(2.0));
                let (x, y) = (rng.uniform(0.0, width - w), rng.uniform(0.0, height - h));
                let on_grid = |v: f64| if whole { (v / 8.0).round() * 8.0 } else { v };
                let far = |v: f64, d: f64| if whole { on_grid(v) + on_grid(d).max(8.0) } else { v + d };
                BoundingBox::new(on_grid(x) as f32, on_grid(y) as f32, far(x, w) as f32, far(y, h) as f32)
            })
            .collect();
        sample(size, &boxes)
    };
    samples((0..count).map(of_index).collect())
}

fn surveyed(samples: &Samples, scales: &[AnchorScale], input: Size, now: f32, convention: IouConvention) -> Survey {
    let options = SurveyOptions { psis: psi_grid(Psi::saturating(now)), convention };
    survey(samples, scales, input, &options, &mut |_, _| ControlFlow::Continue(())).expect("not broken off")
}

#[test]
fn every_psi_and_rule_counts_what_the_masks_mark() {
    let mut ties = 0;
    for (input, convention) in [
        (Size::new(320, 192), IouConvention::Exact),
        (Size::new(192, 320), IouConvention::Seed),
        (Size::square(256), IouConvention::Exact),
    ] {
        let scales = default_anchors();
        let data = random(24, input);
        let found = surveyed(&data, &scales, input, 0.37, convention);
        assert_eq!((found.images, found.psis.len(), found.input), (24, 22, [input.width, input.height]));
        for (at, &psi) in found.psis.iter().enumerate() {
            for rule in LevelRule::ALL {
                let of_rule = found.rule(rule).expect("every rule");
                let mut cells = vec![0; scales.len()];
                let mut shares = vec![0.0; scales.len()];
                let mut by_size = vec![[0; 3]; scales.len()];
                let mut overlap = vec![Overlap::default(); scales.len()];
                let mut without_cell = 0;
                for sample in &data.samples {
                    let letterbox = Letterbox::fit(sample.size, input, true);
                    let boxes: Vec<_> = sample.labels.iter().map(|label| letterbox.to_input(&label.bbox)).collect();
                    let field = IouField::compute(&scales, input, &boxes, convention);
                    let mask = field.mask(Psi::saturating(psi), rule);
                    for (index, (scale, mask)) in scales.iter().zip(&mask.scales).enumerate() {
                        cells[index] += mask.mask_cells as u64;
                        shares[index] += mask.mask_cells as f64 / mask.count.len() as f64 / 24.0;
                        for (gt, bbox) in mask.gts.iter().zip(&boxes) {
                            by_size[index][ObjectSize::of(bbox) as usize] += gt.cells as u64;
                        }
                        let targets: Vec<_> = boxes.iter().map(|b| Target::new(0, 0, b, input)).collect();
                        let positives = assign(&targets, scale, mask.rows, mask.cols, 4.0);
                        let positives: BTreeSet<_> = positives.iter().map(|p| (p.row, p.col)).collect();
                        for (cell, &hits) in mask.count.iter().enumerate() {
                            let positive = positives.contains(&(cell / mask.cols, cell % mask.cols));
                            overlap[index].only_mask += u64::from(hits > 0 && !positive);
                            overlap[index].only_positives += u64::from(hits == 0 && positive);
                            overlap[index].both += u64::from(hits > 0 && positive);
                        }
                        // Cells that stand exactly at their threshold: what a careless count gets wrong.
                        for gt in 0..boxes.len() {
                            let threshold = field.threshold(index, gt, Psi::saturating(psi), rule);
                            ties += field
                                .largest(index, Some(gt))
                                .values()
                                .iter()
                                .filter(|v| **v > 0.0 && **v == threshold)
                                .count();
                        }
                    }
                    without_cell += (0..boxes.len())
                        .filter(|gt| mask.scales.iter().all(|scale| scale.gts[*gt].cells == 0))
                        .count() as u64;
                }
                let say = format!("psi {psi}, {rule}, {convention}, {input:?}");
                for (index, scale) in of_rule.scales.iter().enumerate() {
                    assert_eq!(scale.cells[at], cells[index], "cells, {say}");
                    assert!((scale.share[at] - shares[index]).abs() < 1e-12, "share, {say}");
                    let sizes = ObjectSize::ALL.map(|size| scale.by_size.get(size)[at]);
                    assert_eq!(sizes, by_size[index], "sizes, {say}");
                }
                assert_eq!(found.overlap(rule, at), overlap, "overlap, {say}");
                assert_eq!(of_rule.without_cell[at], without_cell, "without a cell, {say}");
            }
        }
    }
    assert!(ties > 1000, "the test has few cells at a threshold: {ties}");
}

#[test]
fn counts_fall_while_psi_grows_and_end_at_nothing() {
    let input = Size::new(416, 320);
    let found = surveyed(&random(40, input), &default_anchors(), input, 0.5, IouConvention::Seed);
    let falls = |values: &[u64]| values.windows(2).all(|pair| pair[0] >= pair[1]);
    for rule in &found.rules {
        for scale in &rule.scales {
            assert!(scale.cells[0] > 0 && falls(&scale.cells) && scale.cells.last() == Some(&0));
            assert!(falls(&scale.both) && ObjectSize::ALL.iter().all(|size| falls(scale.by_size.get(*size))));
        }
        assert!(rule.without_cell.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(rule.without_cell.last(), Some(&found.ground_truths));
    }
}

#[test]
fn the_golden_boxes_by_hand() {
    let input = Size::square(640);
    let boxes = [[400.0, 300.0], [100.0, 80.0], [16.0, 16.0]];
    let images = boxes.map(|[w, h]| sample(input, &[BoundingBox::from_center(320.0, 320.0, w, h)]));
    let found = surveyed(&samples(images.to_vec()), &default_anchors(), input, 0.5, IouConvention::Exact);
    let at = found.nearest(Psi::default());
    let cells = |rule| found.rule(rule).expect("a rule").scales.iter().map(|s| s.cells[at]).collect::<Vec<_>>();
    assert_eq!(cells(LevelRule::PerScale), [1896 + 116 + 12, 428 + 32 + 12, 52 + 8 + 8]);
    assert_eq!(cells(LevelRule::Global), [12, 28, 52 + 8]);
    assert_eq!([found.sizes.small, found.sizes.medium, found.sizes.large], [1, 1, 1]);
    let p4 = &found.rule(LevelRule::Global).expect("a rule").scales[1];
    let by_size = ObjectSize::ALL.map(|size| p4.by_size.get(size)[at]);
    assert_eq!(by_size, [0, 28, 0]);
    assert_eq!(p4.share[at], 28.0 / 1600.0 / 3.0);
}

#[test]
fn what_overlaps_is_one_cell_of_the_mask_and_one_for_each_ground_truth() {
    let input = Size::new(32, 16);
    let scales = [AnchorScale { stride: 8, anchors: vec![[8.0, 8.0]] }];
    let boxes = [BoundingBox::new(8.0, 0.0, 16.0, 8.0); 2];
    let found = surveyed(&samples(vec![sample(input, &boxes)]), &scales, input, 0.5, IouConvention::Exact);
    let scale = &found.rules[0].scales[0];
    let at = found.nearest(Psi::default());
    assert_eq!((scale.cells[at], scale.by_size.small[at], scale.share[at]), (1, 2, 0.125));
    // The centre (12, 4) lies at 1.5 and 0.5 cells: the neighbours right (8/2 columns − 1.5 = 2.5, not below half) and
    // below are none, nor are those left and above: one positive, and the mask has it.
    assert_eq!(found.overlap(LevelRule::PerScale, at), [Overlap { only_mask: 0, only_positives: 0, both: 1 }]);
    let csv = found.csv();
    assert!(csv.lines().any(|line| line == "per-scale,0.5,P3,1,0.125,2,0,0,0,0,1,"), "{csv}");
    assert!(csv.lines().any(|line| line == "per-scale,1,all,0,0,0,0,0,0,1,0,2"), "{csv}");
}

#[test]
fn a_survey_can_be_broken_off_and_one_of_nothing_is_empty() {
    let input = Size::square(64);
    let options = SurveyOptions { psis: psi_grid(Psi::default()), convention: IouConvention::Exact };
    let data = random(200, input);
    let mut heard = Vec::new();
    let broken = survey(&data, &default_anchors(), input, &options, &mut |done, of| {
        heard.push((done, of));
        if done >= 128 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((broken, heard), (None, vec![(0, 200), (64, 200), (128, 200)]));
    let empty = surveyed(&samples(vec![]), &default_anchors(), input, 0.5, IouConvention::Exact);
    assert_eq!((empty.images, empty.rules[0].scales[0].share[0]), (0, 0.0));
}
