//! Every neck and head against the reference package, on narrow models of several families (`golden/network.py`).

use std::path::{Path, PathBuf};

use distillscope::yolo::checkpoint;
use distillscope::yolo::network::Network;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The generator's formula: 0.5 + 0.5 sin(0.37 i + (i mod 11) π/5) at the i-th value.
fn input(rows: i64, cols: i64) -> Tensor {
    let values: Vec<f32> = (0..3 * rows * cols)
        .map(|i| {
            let i = i as f64;
            (0.5 + 0.5 * (i * 0.37 + (i % 11.0) * std::f64::consts::PI / 5.0).sin()) as f32
        })
        .collect();
    Tensor::from_slice(&values).view([1, 3, rows, cols])
}

#[track_caller]
fn agrees(what: &str, found: &[Tensor], expected: &Value) {
    let expected = expected.as_array().expect("a list");
    assert_eq!(found.len(), expected.len(), "{what}");
    for (scale, (found, expected)) in found.iter().zip(expected).enumerate() {
        let shape: Vec<i64> =
            expected["shape"].as_array().expect("a shape").iter().map(|n| n.as_i64().expect("a side")).collect();
        assert_eq!(found.size(), shape, "{what} {scale}");
        let largest = expected["max"].as_f64().expect("a maximum");
        let flat = found.to_kind(Kind::Double).contiguous().view([-1]);
        let at = expected["at"].as_array().expect("indices");
        for (at, value) in at.iter().zip(expected["values"].as_array().expect("values")) {
            let found = flat.double_value(&[at.as_i64().expect("an index")]);
            let value = value.as_f64().expect("a value");
            assert!((found - value).abs() <= 1e-4 * largest, "{what} {scale}: {found} is not {value}");
        }
        let found = flat.abs().max().double_value(&[]);
        assert!((found - largest).abs() <= 1e-4 * largest, "{what} {scale}: maximum {found} is not {largest}");
    }
}

#[track_caller]
fn check(family: &str) {
    let goldens: Value =
        serde_json::from_slice(&std::fs::read(golden("network.json")).expect("goldens")).expect("JSON");
    let golden_of = &goldens[family];
    let file = golden(&format!("network_{family}.pt"));
    let checkpoint = checkpoint::open(&file).expect("a checkpoint");
    assert_eq!(checkpoint.model.names, ["red", "white", "platelet"]);
    assert_eq!(checkpoint.model.nc, 3);
    let (network, report) = Network::load(&checkpoint, Device::Cpu).expect("a network");
    assert!(report.is_complete(), "{family}: {report}");
    assert_eq!(network.parameters() as u64, golden_of["parameters"].as_u64().expect("a count"), "{family}");
    let strides: Vec<u64> = network.scales().iter().map(|scale| u64::from(scale.stride)).collect();
    let expected: Vec<u64> =
        golden_of["strides"].as_array().expect("strides").iter().map(|n| n.as_u64().expect("a stride")).collect();
    assert_eq!(strides, expected, "{family}");
    let side = |index: usize| golden_of["input"][index].as_i64().expect("a side");
    let forward = tch::no_grad(|| network.forward_t(&input(side(0), side(1)), false)).expect("a forward pass");
    agrees(&format!("{family} neck"), &forward.necks, &golden_of["necks"]);
    agrees(&format!("{family} head"), &forward.heads, &golden_of["heads"]);
}

#[test]
fn yolov5n_on_an_input_that_is_not_square() {
    check("n");
}

#[test]
fn yolov5s() {
    check("small");
}

#[test]
fn p2_has_four_scales_from_stride_4() {
    check("p2");
}

#[test]
fn p6_has_four_scales_to_stride_64() {
    check("s6");
}

#[test]
fn ghost_convolutions() {
    check("ghost");
}

#[test]
fn leaky_relu_from_the_yaml() {
    check("leaky");
}

#[test]
fn panet() {
    check("panet");
}

#[test]
fn an_input_that_is_no_multiple_of_the_largest_stride_is_an_error() {
    let checkpoint = checkpoint::open(&golden("network_n.pt")).expect("a checkpoint");
    let (network, _) = Network::load(&checkpoint, Device::Cpu).expect("a network");
    let error = network.forward_t(&input(40, 64), false).expect_err("40 is no multiple of 32");
    assert!(error.to_string().contains("32"), "{error}");
}
