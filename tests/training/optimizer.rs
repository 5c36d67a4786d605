//! The optimizer against PyTorch's own, in YOLOv5's groups: values of tests/golden/optimizer.py.

use std::collections::BTreeMap;

use distillscope::train::config::OptimizerKind;
use distillscope::train::optimizer::{Group, Optimizer, Parameter, Rates};
use serde::Deserialize;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Golden {
    steps: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    optimizer: OptimizerKind,
    weight_decay: f64,
    /// After the last step, by name.
    parameters: BTreeMap<String, Vec<f64>>,
}

/// (start + 37 i mod 101) / 101 − 0.5 for i = 0, 1, …
fn numbers(start: u32, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>() as u32;
    let values: Vec<f32> = (0..count).map(|i| (f64::from((start + 37 * i) % 101) / 101.0 - 0.5) as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

#[test]
fn every_optimizer_steps_as_pytorchs_does() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/optimizer.json")).expect("the values");
    let shapes: [(&str, &[i64]); 4] =
        [("conv.weight", &[5, 3, 3, 3]), ("conv.bias", &[3]), ("bn.weight", &[3]), ("adapter", &[2, 2])];
    assert_eq!((golden.cases.len(), golden.steps), (3, 10));
    for case in golden.cases {
        let parameters: Vec<Parameter> = shapes
            .iter()
            .zip((0..).step_by(7))
            .map(|((name, shape), start)| {
                let tensor = numbers(start, shape);
                let group = if *name == "adapter" { Group::Adapter } else { Group::of(name, &tensor) };
                Parameter { name: (*name).to_owned(), tensor, group }
            })
            .collect();
        let mut optimizer = Optimizer::new(case.optimizer, case.weight_decay, parameters);
        for step in 0..golden.steps {
            let gradients: Vec<Option<Tensor>> = shapes
                .iter()
                .zip((1..).step_by(5))
                .map(|((name, shape), start)| {
                    let scale = if *name == "bn.weight" { 0.1 } else { 1.0 };
                    Some(numbers(11 * step + start, shape) * scale)
                })
                .collect();
            let (step, steps) = (f64::from(step), f64::from(golden.steps));
            let momentum = if case.optimizer == OptimizerKind::Sgd { 0.8 + 0.137 * step / steps } else { 0.937 };
            let weight = 0.003 * (step + 1.0) / steps;
            let rates = Rates { bias: 0.01 / (step + 1.0), weight, norm: 0.002, adapter: 0.0015, momentum };
            optimizer.step(&gradients, &rates).expect("a step");
        }
        for Parameter { name, tensor, .. } in optimizer.parameters() {
            let wanted = Tensor::from_slice(&case.parameters[name]);
            let apart = (tensor.to_kind(Kind::Double).flatten(0, -1) - wanted).abs().max().double_value(&[]);
            assert!(apart < 1e-6, "{:?}: {name} is off by {apart}", case.optimizer);
        }
    }
}

/// Of the names that a YOLOv5 checkpoint has: decay on convolution weights alone, Detect's among them.
#[test]
fn biases_and_batch_norms_have_groups_of_their_own() {
    let of = |name: &str, shape: &[i64]| Group::of(name, &Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu)));
    assert_eq!(of("model.0.conv.weight", &[16, 3, 6, 6]), Group::Weight);
    assert_eq!(of("model.24.m.0.weight", &[24, 64, 1, 1]), Group::Weight);
    assert_eq!(of("model.0.bn.weight", &[16]), Group::Norm);
    assert_eq!(of("model.0.bn.bias", &[16]), Group::Bias);
    assert_eq!(of("model.24.m.0.bias", &[24]), Group::Bias);
}
