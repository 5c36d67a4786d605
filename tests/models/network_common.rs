//! What the network tests share: the golden file, and the numbers that follow from names.

use serde::Deserialize;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
pub struct Golden {
    pub cases: Vec<Case>,
    pub checkpoints: Vec<Stored>,
    pub nms: Vec<Nms>,
}

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub yaml: serde_json::Value,
    pub input: [i64; 2],
    pub strides: Vec<u32>,
    pub anchors: Vec<Vec<[f32; 2]>>,
    pub parameters: usize,
    pub gflops: f64,
    pub tensors: usize,
    pub backbone: Vec<Sampled>,
    pub necks: Vec<Sampled>,
    pub heads: Vec<Sampled>,
    pub decoded: Sampled,
}

#[derive(Deserialize)]
pub struct Stored {
    pub file: String,
    pub input: [i64; 2],
    pub decoded: Sampled,
    pub heads: Vec<Sampled>,
}

#[derive(Deserialize)]
pub struct Sampled {
    pub shape: Vec<i64>,
    pub max: f64,
    pub values: Vec<f64>,
}

#[derive(Deserialize)]
pub struct Nms {
    pub name: String,
    pub count: usize,
    pub nc: usize,
    pub conf_thres: f32,
    pub iou_thres: f64,
    pub multi_label: bool,
    pub max_det: usize,
    /// x1, y1, x2, y2, score, class.
    pub kept: Vec<[f32; 6]>,
}

pub fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/network.json")).expect("the golden file")
}

/// FNV-1a of the name, then SplitMix64, the upper 24 bits as a fraction.
pub fn numbers(name: &str, count: usize) -> Vec<f64> {
    let seed = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    let number = |i: usize| {
        let mut z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    };
    (0..count).map(number).collect()
}

/// [1, 3, rows, cols], the same for every model.
pub fn input([rows, cols]: [i64; 2]) -> Tensor {
    let values: Vec<f32> = numbers("input", (3 * rows * cols) as usize).into_iter().map(|u| u as f32).collect();
    Tensor::from_slice(&values).view([1, 3, rows, cols])
}

/// Shape and sampled values, to 1e-4 of the largest.
pub fn check(what: &str, ours: &Tensor, expected: &Sampled) {
    assert_eq!(ours.size(), expected.shape, "{what}");
    let flat = Vec::<f64>::try_from(ours.flatten(0, -1).to_kind(Kind::Double)).expect("values");
    let last = expected.values.len() - 1;
    for (i, expected_value) in expected.values.iter().enumerate() {
        let at = i * (flat.len() - 1) / last;
        let error = (flat[at] - expected_value).abs() / expected.max;
        assert!(error <= 1e-4, "{what}[{at}]: {} instead of {expected_value}", flat[at]);
    }
}
