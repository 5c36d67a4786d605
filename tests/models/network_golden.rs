//! The networks and the suppression of boxes against values that YOLOv5 v7.0 computed (`golden/network.py`).
//!
//! Weights, inputs and predictions follow from names by [`crate::network_common::numbers`], as in the generator: nothing but results
//! is stored.

use std::collections::HashMap;

use distillscope::yolo::decode::{NmsOptions, decode, detect, non_max_suppression, rows_above};
use distillscope::yolo::network::{Network, NetworkError};
use distillscope::yolo::spec::ModelSpec;
use tch::{Device, Kind, Tensor, no_grad};

use crate::network_common::{Case, check, golden, input, numbers};

fn weight(name: &str, shape: &[i64]) -> Vec<f32> {
    let fan_in = shape.iter().skip(1).product::<i64>() as f64;
    let gain = if shape.len() == 4 { 1.35 } else { 0.5 };
    let value = |u: f64| match shape.len() {
        1 if name.ends_with(".weight") || name.ends_with("running_var") => 0.5 + u,
        1 => 0.4 * (u - 0.5),
        _ => (2.0 * u - 1.0) * gain * (3.0 / fan_in).sqrt(),
    };
    numbers(name, shape.iter().product::<i64>() as usize).into_iter().map(|u| value(u) as f32).collect()
}

fn network(case: &Case) -> Network {
    let spec = ModelSpec::from_yaml(&case.yaml).expect("a spec");
    let network = Network::build(&spec, Device::Cpu).expect("a network");
    let variables: HashMap<String, Tensor> = network.var_store().variables();
    for (name, variable) in variables {
        let shape = variable.size();
        no_grad(|| variable.shallow_clone().copy_(&Tensor::from_slice(&weight(&name, &shape)).view(shape.as_slice())));
    }
    network
}

#[test]
fn every_family_computes_what_the_reference_computes() {
    for case in golden().cases {
        let forward = no_grad(|| network(&case).forward_t(&input(case.input), false)).expect("a forward pass");
        for (kind, ours, expected) in [
            ("backbone", &forward.backbone, &case.backbone),
            ("neck", &forward.necks, &case.necks),
            ("head", &forward.heads, &case.heads),
        ] {
            assert_eq!(ours.len(), expected.len(), "{} {kind}", case.name);
            for (scale, (ours, expected)) in ours.iter().zip(expected).enumerate() {
                check(&format!("{} {kind} {scale}", case.name), ours, expected);
            }
        }
    }
}

/// Without its batch-norms every family says what it says with them, and what the reference says.
#[test]
fn a_folded_network_computes_the_same() {
    for case in golden().cases {
        let network = network(&case);
        let folded = network.folded(Kind::Float).expect("a folded network");
        assert!(folded.is_fused() && !network.is_fused());
        let names = folded.var_store().variables();
        // The join of a BottleneckCSP alone keeps its batch-norm, which no convolution precedes.
        assert!(names.keys().all(|name| !name.contains(".bn.") || case.name == "v5"), "{}", case.name);
        let forward = |network: &Network| {
            let forward = no_grad(|| network.forward(&input(case.input))).expect("a forward pass");
            [forward.backbone, forward.necks, forward.heads]
        };
        let expected = [&case.backbone, &case.necks, &case.heads];
        for ((ours, whole), expected) in forward(&folded).iter().zip(forward(&network)).zip(expected) {
            for ((ours, whole), expected) in ours.iter().zip(whole).zip(expected) {
                check(&format!("{} folded", case.name), ours, expected);
                let error = (ours - &whole).abs().max().double_value(&[]) / whole.abs().max().double_value(&[]);
                assert!(error <= 1e-5, "{}: {error}", case.name);
            }
        }
    }
}

#[test]
fn a_folded_network_is_a_copy_and_takes_and_gives_float32_in_every_precision() {
    let case = &golden().cases[0];
    let network = network(case);
    let heads = |network: &Network| no_grad(|| network.forward(&input(case.input))).expect("a forward pass").heads;
    let before = heads(&network);
    let folded = network.folded(Kind::Float).expect("a folded network");
    for half in [Kind::BFloat16, Kind::Half] {
        let folded = network.folded(half).expect("a folded network");
        assert_eq!(folded.kind(), half);
        for (ours, whole) in heads(&folded).iter().zip(&before) {
            assert_eq!(ours.kind(), Kind::Float);
            let error = (ours - whole).abs().max().double_value(&[]) / whole.abs().max().double_value(&[]);
            assert!(error > 1e-6 && error < 0.05, "{half:?}: {error}");
        }
    }
    let again = folded.folded(Kind::Float).expect("a folded network");
    // Nothing is shared: what becomes of the network, and of a folded one, is nothing to the others.
    for mut variable in
        network.var_store().variables().into_values().chain(folded.var_store().variables().into_values())
    {
        let _ = no_grad(|| variable.zero_());
    }
    for (ours, whole) in heads(&again).iter().zip(&before) {
        assert!((ours - whole).abs().max().double_value(&[]) <= 1e-5 * whole.abs().max().double_value(&[]));
    }
}

#[test]
fn strides_anchors_and_sizes_are_the_references() {
    for case in golden().cases {
        let network = network(&case);
        let strides: Vec<u32> = network.scales().iter().map(|scale| scale.stride).collect();
        let anchors: Vec<_> = network.scales().iter().map(|scale| scale.anchors.clone()).collect();
        assert_eq!((strides, anchors), (case.strides, case.anchors), "{}", case.name);
        assert_eq!(network.parameters(), case.parameters, "{}", case.name);
        let gflops = network.gflops().expect("a count");
        assert!((gflops - case.gflops).abs() < 1e-9, "{}: {gflops} instead of {}", case.name, case.gflops);
    }
}

#[test]
fn the_inventory_on_paper_is_what_gets_built() {
    for case in golden().cases {
        let network = network(&case);
        let inventory = network.spec().inventory(false, 256, 256).expect("an inventory");
        assert_eq!(inventory.tensors.len(), case.tensors, "{}", case.name);
        let built = network.var_store().variables();
        assert_eq!(built.len(), inventory.tensors.len(), "{}", case.name);
        for (name, shape) in inventory.tensors {
            let built: Vec<usize> = built[&name].size().iter().map(|n| *n as usize).collect();
            assert_eq!(built, shape, "{} {name}", case.name);
        }
    }
}

#[test]
fn heads_decode_to_the_references_boxes() {
    for case in golden().cases {
        let network = network(&case);
        let heads = no_grad(|| network.forward_t(&input(case.input), false)).expect("a forward pass").heads;
        let decoded = decode(&heads, network.scales()).expect("boxes");
        check(&format!("{} decoded", case.name), &decoded, &case.decoded);
    }
}

#[test]
fn the_rows_above_a_confidence_are_those_of_the_decoded_boxes() {
    for case in golden().cases {
        let network = network(&case);
        let image = input(case.input);
        let batch = Tensor::cat(&[&image, &(1.0 - &image), &image.flip([3])], 0);
        let heads = no_grad(|| network.forward_t(&batch, false)).expect("a forward pass").heads;
        let decoded = decode(&heads, network.scales()).expect("boxes");
        let outputs = decoded.size()[2] as usize;
        let sure = Vec::<f32>::try_from(decoded.select(2, 4).flatten(0, -1)).expect("numbers");
        let mut sorted = sure.clone();
        sorted.sort_by(f32::total_cmp);
        let middle = sorted.len() / 2;
        for confidence in [(sorted[middle - 1] + sorted[middle]) / 2.0, 2.0, -1.0] {
            let found = rows_above(&heads, network.scales(), confidence).expect("rows");
            assert_eq!(found.len(), 3);
            for (image, found) in found.iter().enumerate() {
                let rows = Vec::<f32>::try_from(decoded.get(image as i64).flatten(0, -1)).expect("numbers");
                let above = rows.chunks_exact(outputs).filter(|row| row[4] > confidence);
                let expected: Vec<f32> = above.flatten().copied().collect();
                // To the last digit of the sigmoid, which depends on where a number lies in memory.
                let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * b.abs();
                let same = found.len() == expected.len() && found.iter().zip(&expected).all(near);
                assert!(same, "{} image {image}: {} of {}", case.name, found.len(), expected.len());
            }
        }
    }
}

#[test]
fn suppression_keeps_the_references_boxes() {
    for case in golden().nms {
        let mut rows: Vec<f32> = Vec::new();
        for row in numbers(&case.name, case.count * (5 + case.nc)).chunks_exact(5 + case.nc) {
            let centre = |i: usize| (row[i] * 4.0).floor() * 150.0 + 60.0 + row[i + 2] * 40.0;
            let side = |i: usize| 40.0 + row[i] * 80.0;
            let bbox = [centre(0), centre(1), side(2), side(3)];
            rows.extend(bbox.iter().chain(&row[4..]).map(|v| *v as f32));
        }
        let options = NmsOptions {
            confidence: case.conf_thres,
            iou: case.iou_thres,
            multi_label: case.multi_label,
            max_detections: case.max_det,
        };
        let kept = non_max_suppression(&rows, case.nc, &options);
        assert_eq!(kept.len(), case.kept.len(), "{}", case.name);
        for (ours, expected) in kept.iter().zip(&case.kept) {
            let [x1, y1, x2, y2] = ours.bbox.as_xyxy();
            let ours = [x1, y1, x2, y2, ours.score, ours.class as f32];
            assert!(
                ours.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3),
                "{}: {ours:?} {expected:?}",
                case.name
            );
        }
    }
}

#[test]
fn a_batch_in_train_mode_updates_the_statistics_and_has_a_gradient() {
    let case = &golden().cases[0];
    let network = network(case);
    let mean = || network.var_store().variables()["model.0.bn.running_mean"].copy();
    let before = mean();
    let batch = Tensor::cat(&[input(case.input), input(case.input).flip([3])], 0);
    let heads = network.forward_t(&batch, true).expect("a forward pass").heads;
    assert_eq!(heads[0].size()[0], 2);
    heads.iter().map(|head| head.square().mean(Kind::Float)).fold(Tensor::from(0.0f32), |a, b| a + b).backward();
    assert_ne!(mean(), before);
    for (name, variable) in network.var_store().variables() {
        let statistic = name.contains("running_");
        assert_eq!(variable.grad().defined(), !statistic, "{name}");
    }
}

#[test]
fn initialisation_follows_the_seed_and_claims_few_objects() {
    let case = &golden().cases[0];
    let network = network(case);
    let weights = || network.var_store().variables()["model.2.cv1.conv.weight"].copy();
    network.initialise(1).expect("weights");
    let first = weights();
    network.initialise(2).expect("weights");
    assert_ne!(weights(), first);
    network.initialise(1).expect("weights");
    assert_eq!(weights(), first);
    // Uniform in ±1/√fan-in.
    let bound = 1.0 / (first.size()[1] as f64).sqrt();
    let largest = first.abs().max().double_value(&[]);
    assert!(largest <= bound && largest > 0.8 * bound);
    let heads = no_grad(|| network.forward_t(&input(case.input), false)).expect("a forward pass").heads;
    for (head, scale) in heads.iter().zip(network.scales()) {
        let expected = 8.0 / (640.0 / f64::from(scale.stride)).powi(2);
        let mean = head.select(4, 4).mean(Kind::Double).exp().double_value(&[]);
        assert!((mean / expected).ln().abs() < 1.0, "{}: {mean} instead of about {expected}", scale.name());
    }
    assert_eq!(detect(&heads, network.scales(), &NmsOptions::for_viewing()).expect("boxes"), []);
}

#[test]
fn an_input_that_does_not_fit_is_refused_in_words() {
    let network = network(&golden().cases[0]);
    for shape in [[1, 3, 100, 64], [1, 1, 64, 64], [1, 3, 0, 64]] {
        let error = network.forward_t(&Tensor::zeros(shape, (Kind::Float, Device::Cpu)), false).expect_err("no input");
        assert!(matches!(error, NetworkError::Input { multiple: 32, .. }), "{error}");
        assert!(error.to_string().contains("multiples of 32 px"), "{error}");
    }
}
