//! Target assignment, detection loss and its gradient against YOLOv5 v7.0 (`scripts/golden_train.py`).

use distillscope::yolo::anchors::AnchorScale;
use distillscope::yolo::assign::{Target, assign};
use distillscope::yolo::loss::{DetectionLoss, LossGains};
use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::network_common::numbers;

#[derive(Deserialize)]
struct Case {
    name: String,
    rows: usize,
    cols: usize,
    nc: usize,
    images: i64,
    hyp: Hyp,
    targets: Vec<[f32; 6]>,
    /// Image, anchor, row, column, class, then x, y, width, height in cells, per scale.
    positives: Vec<Vec<[f64; 9]>>,
    losses: [f64; 3],
    total: f64,
    gradients: Vec<Gradient>,
}

#[derive(Deserialize)]
struct Hyp {
    #[serde(rename = "box")]
    box_gain: f64,
    obj: f64,
    cls: f64,
    cls_pw: f64,
    obj_pw: f64,
    anchor_t: f64,
    fl_gamma: f64,
    label_smoothing: f64,
}

#[derive(Deserialize)]
struct Gradient {
    norm: f64,
    at: Vec<usize>,
    values: Vec<f64>,
}

impl Case {
    fn targets(&self) -> Vec<Target> {
        let target =
            |t: &[f32; 6]| Target { image: t[0] as usize, class: t[1] as usize, xywh: [t[2], t[3], t[4], t[5]] };
        self.targets.iter().map(target).collect()
    }

    fn gains(&self) -> LossGains {
        LossGains {
            box_gain: self.hyp.box_gain,
            objectness: self.hyp.obj,
            class: self.hyp.cls,
            objectness_positive: self.hyp.obj_pw,
            class_positive: self.hyp.cls_pw,
            anchor_t: self.hyp.anchor_t,
            focal_gamma: self.hyp.fl_gamma,
            label_smoothing: self.hyp.label_smoothing,
        }
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../golden/train.json")).expect("the golden file")
}

fn scales() -> Vec<AnchorScale> {
    let anchors = [
        [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]],
        [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]],
        [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]],
    ];
    [8, 16, 32].into_iter().zip(anchors).map(|(stride, a)| AnchorScale { stride, anchors: a.to_vec() }).collect()
}

#[test]
fn targets_are_assigned_as_the_reference_assigns_them() {
    let mut compared = 0;
    for case in cases() {
        for (scale, expected) in scales().iter().zip(&case.positives) {
            let stride = scale.stride as usize;
            let found =
                assign(&case.targets(), scale, case.rows / stride, case.cols / stride, case.hyp.anchor_t as f32);
            assert_eq!(found.len(), expected.len(), "{} {}", case.name, scale.name());
            for (ours, theirs) in found.iter().zip(expected) {
                let place = [ours.image, ours.anchor, ours.row, ours.col, ours.class].map(|n| n as f64);
                assert_eq!(place, theirs[..5], "{} {}", case.name, scale.name());
                for (ours, theirs) in ours.xywh.iter().zip(&theirs[5..]) {
                    assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{} {}", case.name, scale.name());
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 250, "{compared}");
}

#[test]
fn losses_and_gradients_are_the_references() {
    for case in cases() {
        let head = |stride: usize| {
            let shape = [case.images, 3, (case.rows / stride) as i64, (case.cols / stride) as i64, 5 + case.nc as i64];
            let count = shape.iter().product::<i64>() as usize;
            let values = numbers(&format!("{} head {stride}", case.name), count);
            let values: Vec<f32> = values.into_iter().map(|u| u as f32 * 8.0 - 4.0).collect();
            Tensor::from_slice(&values).view(shape).set_requires_grad(true)
        };
        let heads: Vec<Tensor> = [8, 16, 32].map(head).into();
        let loss = DetectionLoss::new(&scales(), case.nc, case.gains());
        let terms = loss.terms(&heads, &case.targets()).expect("losses");
        for (ours, theirs) in terms.values().expect("values").iter().zip(&case.losses) {
            assert!((ours - theirs).abs() <= 1e-5 * theirs.abs(), "{}: {ours} instead of {theirs}", case.name);
        }
        let total = terms.sum().expect("a sum") * case.images;
        assert!((total.double_value(&[]) - case.total).abs() <= 1e-5 * case.total, "{}", case.name);
        total.backward();
        for (head, expected) in heads.iter().zip(&case.gradients) {
            let gradient = Vec::<f64>::try_from(head.grad().flatten(0, -1).to_kind(Kind::Double)).expect("values");
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!((norm - expected.norm).abs() <= 1e-5 * expected.norm, "{}: {norm}", case.name);
            for (&at, value) in expected.at.iter().zip(&expected.values) {
                let error = (gradient[at] - value).abs();
                assert!(
                    error <= 1e-4 * value.abs() + 1e-8,
                    "{} [{at}]: {} instead of {value}",
                    case.name,
                    gradient[at]
                );
            }
        }
    }
}
