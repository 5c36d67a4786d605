//! From checkpoint files to networks: what gets loaded, what the report says, what TorchScript gives.

use std::path::{Path, PathBuf};

use distillscope::yolo::checkpoint::{self, ShapeMismatch, write_safetensors};
use distillscope::yolo::decode::decode;
use distillscope::yolo::network::{Forward, Network, NetworkError};
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor, no_grad};

use crate::network_common::{check, golden, input};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn load(path: &Path) -> Result<(Network, checkpoint::LoadReport), NetworkError> {
    Network::load(&checkpoint::open(path)?, Device::Cpu)
}

#[test]
fn checkpoints_compute_what_the_reference_computes() {
    for case in golden().checkpoints {
        let (model, report) = load(&file(&case.file)).expect("a model");
        assert!(report.is_complete(), "{}: {report}", case.file);
        let forward = no_grad(|| model.forward(&input(case.input))).expect("a forward pass");
        for (scale, (head, expected)) in forward.heads.iter().zip(&case.heads).enumerate() {
            check(&format!("{} head {scale}", case.file), head, expected);
        }
        let decoded = decode(&forward.heads, model.scales()).expect("boxes");
        check(&format!("{} decoded", case.file), &decoded, &case.decoded);
    }
}

/// The code of the export is read, not run: our own fused network, with the necks and at any size.
#[test]
fn torchscript_is_the_fused_network_that_it_was_exported_from() {
    let (exported, report) = load(&file("checkpoint.torchscript")).expect("a model");
    let (original, _) = load(&file("checkpoint_v7.pt")).expect("a model");
    assert!(report.loaded > 0 && report.is_complete(), "{report}");
    assert!(exported.is_fused() && !original.is_fused());
    assert_eq!((exported.names(), exported.scales()), (original.names(), original.scales()));
    assert_eq!(exported.spec().layers, original.spec().layers);
    assert_eq!(exported.spec().backbone_len, original.spec().backbone_len);
    // The golden was traced at 32 × 48.
    for size in [[32, 48], [64, 64]] {
        let forward = |model: &Network| no_grad(|| model.forward(&input(size))).expect("a forward pass");
        let (fused, raw) = (forward(&exported), forward(&original));
        assert_eq!((fused.necks.len(), fused.backbone.len()), (2, 2));
        let maps = |forward: Forward| forward.backbone.into_iter().chain(forward.necks).chain(forward.heads);
        for (fused, raw) in maps(fused).zip(maps(raw)) {
            assert_eq!(fused.size(), raw.size());
            // The original went through float16.
            let error = (fused - raw).abs().max().double_value(&[]);
            assert!(error < 0.02, "{error}");
        }
    }
}

#[test]
fn a_state_dict_of_no_published_model_names_the_closest() {
    let error = load(&file("checkpoint_state_dict.pt")).expect_err("no spec").to_string();
    assert!(error.contains("the closest is yolov5"), "{error}");
}

/// A copy of the small checkpoint as safetensors, its header edited.
fn edited(folder: &Path, edit: impl FnOnce(&mut Map<String, Value>)) -> PathBuf {
    let path = folder.join("edited.safetensors");
    write_safetensors(&checkpoint::open(&file("checkpoint_v7.pt")).expect("a checkpoint"), &path).expect("a copy");
    let bytes = std::fs::read(&path).expect("the copy");
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().expect("8 bytes")) as usize);
    let mut header: Map<String, Value> = serde_json::from_slice(header).expect("a header");
    edit(&mut header);
    let header = Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(&path, [&length, header.as_bytes(), data].concat()).expect("an edited copy");
    path
}

fn rename(header: &mut Map<String, Value>, from: &str, to: &str) {
    let entry = header.remove(from).expect("a tensor");
    header.insert(to.to_owned(), entry);
}

#[test]
fn a_file_that_fits_in_part_is_loaded_in_part_and_told_in_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = edited(folder.path(), |header| {
        rename(header, "model.0.bn.bias", "model.0.bn.offset");
        header["model.8.m.0.bias"]["shape"] = json!([2, 8]);
    });
    let (model, report) = load(&path).expect("a model");
    assert_eq!(report.missing, ["model.0.bn.bias"]);
    assert_eq!(report.unexpected, ["model.0.bn.offset"]);
    let mismatch = ShapeMismatch { name: "model.8.m.0.bias".to_owned(), file: vec![2, 8], model: vec![16] };
    assert_eq!(report.mismatched, [mismatch]);
    let (_, whole) = load(&file("checkpoint_v7.pt")).expect("a model");
    assert_eq!((report.loaded, report.wanted()), (whole.loaded - 2, whole.wanted()));
    let heads = model.forward(&input([32, 48])).expect("a forward pass").heads;
    assert!(heads.iter().all(|head| head.isfinite().all().int64_value(&[]) == 1));
}

#[test]
fn a_file_of_which_nothing_fits_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = edited(folder.path(), |header| {
        let names: Vec<String> = header.keys().filter(|name| name.starts_with("model.")).cloned().collect();
        for name in names {
            rename(header, &name, &format!("other.{name}"));
        }
    });
    let error = load(&path).expect_err("nothing fits");
    assert!(matches!(error, NetworkError::NothingFits { .. }), "{error}");
}

#[test]
fn a_yaml_that_claims_far_more_than_the_file_holds_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = edited(folder.path(), |header| {
        let text = header["__metadata__"]["distillscope.spec"].as_str().expect("a spec").to_owned();
        header["__metadata__"]["distillscope.spec"] = json!(text.replace("[64,3,2]", "[9999,3,2]"));
    });
    let error = load(&path).expect_err("too large");
    assert!(matches!(error, NetworkError::TooLarge { .. }), "{error}");
}

#[test]
fn an_unknown_layer_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = edited(folder.path(), |header| {
        let text = header["__metadata__"]["distillscope.spec"].as_str().expect("a spec").to_owned();
        header["__metadata__"]["distillscope.spec"] = json!(text.replace("\"SPPF\"", "\"ASPP\""));
    });
    let error = load(&path).expect_err("an unknown layer").to_string();
    assert!(error.contains("layer 4") && error.contains("'ASPP'"), "{error}");
}

#[test]
fn libtorchs_errors_are_one_line() {
    let (model, _) = load(&file("checkpoint_v7.pt")).expect("a model");
    let flat = Tensor::zeros([1, 3, 32], (Kind::Float, Device::Cpu));
    let error = model.forward(&flat).expect_err("no image").to_string();
    assert!(!error.contains('\n'), "{error}");
    let error = NetworkError::from(flat.f_view([7, 7]).expect_err("a wrong shape"));
    assert!(matches!(&error, NetworkError::Torch(line) if !line.contains('\n')), "{error}");
}

#[test]
fn running_out_of_memory_is_told_apart() {
    let of = |text: &str| NetworkError::from(tch::TchError::Torch(text.to_owned()));
    let gpu =
        of("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity\nException raised from malloc");
    assert!(matches!(gpu, NetworkError::OutOfGpuMemory(_)) && gpu.to_string().contains("--device cpu"), "{gpu}");
    let cpu = of(
        "[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
    );
    assert!(matches!(cpu, NetworkError::OutOfMemory(_)), "{cpu}");
    // The real thing: 4 EB.
    let huge = Tensor::f_zeros([1 << 30, 1 << 30], (Kind::Float, Device::Cpu)).expect_err("too much");
    assert!(matches!(NetworkError::from(huge), NetworkError::OutOfMemory(_)));
}
