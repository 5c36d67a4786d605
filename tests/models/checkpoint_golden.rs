//! Checkpoints as torch writes them, against what torch says is in them (tests/golden/checkpoint.py).

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has to fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use distillscope::yolo::checkpoint::{
    Activation, Checkpoint, Dtype, Format, ModelDescription, open, write_safetensors,
};
use distillscope::yolo::spec::ModelSpec;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Expected {
    file: String,
    names: Vec<String>,
    strides: Vec<u32>,
    anchors_px: Vec<Vec<[f32; 2]>>,
    tensors: BTreeMap<String, Tensor>,
    activation: Option<Value>,
    yaml: Option<Value>,
}

#[derive(Deserialize)]
struct Tensor {
    shape: Vec<usize>,
    dtype: String,
    /// Every `numel / 2`th value, three at most.
    sample: Vec<f32>,
    sum: f64,
}

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

fn expected(file: &str) -> Expected {
    let text = fs::read_to_string(golden("checkpoint.json")).unwrap();
    let all: Vec<Expected> = serde_json::from_str(&text).unwrap();
    all.into_iter().find(|expected| expected.file == file).unwrap()
}

/// Opens a golden file and holds every tensor in it against torch's.
fn check(file: &str) -> (Checkpoint, Expected) {
    let checkpoint = open(&golden(file)).unwrap();
    let expected = expected(file);
    let names: Vec<&str> = checkpoint.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected.tensors.keys().collect::<Vec<_>>());
    for info in &checkpoint.tensors {
        let tensor = &expected.tensors[&info.name];
        assert_eq!((&info.shape, info.dtype.to_string()), (&tensor.shape, tensor.dtype.clone()), "{}", info.name);
        let values = checkpoint.read_f32(&info.name).unwrap();
        assert_eq!(values.len(), info.numel());
        let sample: Vec<f32> = values.iter().copied().step_by((values.len() / 2).max(1)).take(3).collect();
        assert_eq!(sample, tensor.sample, "{}", info.name);
        let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
        assert!((sum - tensor.sum).abs() < 1e-9 * (1.0 + tensor.sum.abs()), "{}: {sum}", info.name);
    }
    assert_eq!(checkpoint.model.nc, 3);
    (checkpoint, expected)
}

fn check_model(model: &ModelDescription, expected: &Expected) {
    assert_eq!(model.names, expected.names);
    assert_eq!(model.strides, expected.strides);
    assert_eq!(model.anchors_px, expected.anchors_px);
    assert_eq!(serde_json::to_value(&model.activation).unwrap(), expected.activation.clone().unwrap_or_default());
    assert_eq!(model.yaml, expected.yaml);
}

#[test]
fn a_checkpoint_of_v7() {
    let (checkpoint, expected) = check("checkpoint_v7.pt");
    check_model(&checkpoint.model, &expected);
    assert_eq!(checkpoint.format, Format::PyTorch);
    assert_eq!(checkpoint.model.names, ["kite", "鳥", "boat"]);
    assert_eq!(checkpoint.scales()[1].anchors, [[13.0, 17.0], [30.0, 24.0]]);
    assert_eq!(checkpoint.model.activation, Some(Activation::SiLU));
    assert!(!checkpoint.model.fused);
    // In the order of state_dict: a layer's parameters before its buffers, layers in turn.
    let first: Vec<&str> = checkpoint.tensors.iter().take(6).map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(
        first,
        [
            "model.0.conv.weight",
            "model.0.bn.weight",
            "model.0.bn.bias",
            "model.0.bn.running_mean",
            "model.0.bn.running_var",
            "model.0.bn.num_batches_tracked"
        ]
    );
    let module = |path: &str| &checkpoint.model.modules[path];
    assert_eq!(module("model.2.m.0").class, "Bottleneck");
    assert_eq!(module("model.6").attributes["f"], serde_json::json!([-1, 2]));
    assert_eq!(module("model.0.conv").attributes["stride"], serde_json::json!([2, 2]));
    assert_eq!(module("model.0.bn").attributes["eps"], 1e-3);
    assert_eq!(module("model.8.m").class, "ModuleList");
}

/// Class paths of a clone, Focus and SPP, `ema` before `model`, anchors in px as a buffer.
#[test]
fn a_checkpoint_as_v5_wrote_it() {
    let (checkpoint, expected) = check("checkpoint_v5.pt");
    check_model(&checkpoint.model, &expected);
    assert_eq!(checkpoint.model.activation, Some(Activation::LeakyReLU { slope: 0.1 }));
    assert_eq!(checkpoint.model.modules["model.0"].class, "Focus");
    assert_eq!(checkpoint.model.modules["model.4"].class, "SPP");
}

/// Weights in channels_last order; neither names nor strides are in such a file.
#[test]
fn a_bare_state_dict() {
    let (checkpoint, expected) = check("checkpoint_state_dict.pt");
    assert_eq!(checkpoint.model.names, ["class 0", "class 1", "class 2"]);
    assert!(checkpoint.scales().is_empty());
    assert!(checkpoint.model.yaml.is_none());
    let cells = checkpoint.read_f32("model.8.anchors").unwrap();
    assert_eq!(cells[2] * expected.strides[0] as f32, expected.anchors_px[0][1][0]);
}

#[test]
fn torchscript_of_the_export() {
    let (checkpoint, of_torch) = check("checkpoint.torchscript");
    let model = &checkpoint.model;
    assert_eq!((&model.names, &model.strides), (&of_torch.names, &of_torch.strides));
    assert_eq!(model.anchors_px, of_torch.anchors_px);
    assert_eq!(model.activation, Some(Activation::SiLU));
    // What was read off its code are the layers of the yaml of which it was built.
    let layers = |yaml: &Option<Value>| ModelSpec::from_yaml(yaml.as_ref().unwrap()).unwrap().layers;
    let built_of = expected("checkpoint_v7.pt").yaml;
    assert_eq!(layers(&model.yaml), layers(&built_of));
    assert_eq!(checkpoint.format, Format::TorchScript);
    assert!(checkpoint.model.fused);
}

#[test]
fn a_converted_checkpoint_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["checkpoint_v7.pt", "checkpoint_v5.pt", "checkpoint_state_dict.pt", "checkpoint.torchscript"] {
        let path = folder.path().join("converted.safetensors");
        let source = open(&golden(file)).unwrap();
        write_safetensors(&source, &path).unwrap();
        let converted = open(&path).unwrap();
        assert_eq!(converted.format, Format::SafeTensors);
        assert_eq!(converted.model, source.model);
        assert_eq!(converted.tensors.len(), source.tensors.len());
        for info in &source.tensors {
            assert!(converted.tensors.contains(info), "{}", info.name);
            let bits = |checkpoint: &Checkpoint| -> Vec<u32> {
                checkpoint.read_f32(&info.name).unwrap().into_iter().map(f32::to_bits).collect()
            };
            assert_eq!(bits(&converted), bits(&source), "{}", info.name);
        }
        // The format's own reader takes it, and every tensor is aligned.
        let bytes = fs::read(&path).unwrap();
        let (header, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header % 8, 0);
        for info in metadata.tensors().values() {
            assert_eq!((info.data_offsets.0 * 8) % info.dtype.bitsize(), 0);
        }
        // Converting what was converted changes nothing.
        let again = folder.path().join("again.safetensors");
        write_safetensors(&converted, &again).unwrap();
        assert!(fs::read(&again).unwrap() == bytes);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn dtypes_stay_as_they_are() {
    let checkpoint = open(&golden("checkpoint_v7.pt")).unwrap();
    let dtype = |name: &str| checkpoint.tensors.iter().find(|tensor| tensor.name == name).unwrap().dtype;
    assert_eq!(dtype("model.0.conv.weight"), Dtype::F16);
    assert_eq!(dtype("model.0.bn.num_batches_tracked"), Dtype::I64);
    let error = checkpoint.read_f32("model.0.conv.wait").unwrap_err();
    assert!(error.to_string().ends_with("has no tensor 'model.0.conv.wait'"), "{error}");
}

/// One opened checkpoint serves several threads.
#[test]
fn tensors_are_read_from_several_threads() {
    let checkpoint = open(&golden("checkpoint_v7.pt")).unwrap();
    let read = || -> Vec<Vec<f32>> {
        checkpoint.tensors.iter().map(|tensor| checkpoint.read_f32(&tensor.name).unwrap()).collect()
    };
    let alone = read();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
        for reader in readers {
            assert!(reader.join().unwrap() == alone);
        }
    });
}
