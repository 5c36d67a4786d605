//! Checkpoints that are written: new weights in an old `.pt`, byte by byte, and a trained network as `.safetensors`.
//! That upstream loads them is checked by scripts/pt_parity.py.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has to fail")]

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use distillscope::yolo::checkpoint::{
    Checkpoint, CheckpointError, Dtype, open, write_pt, write_pt_from, write_safetensors, write_safetensors_values,
};
use distillscope::yolo::network::Network;
use half::f16;
use tch::Device;
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

const FILES: [&str; 3] = ["checkpoint_v7.pt", "checkpoint_v5.pt", "checkpoint_state_dict.pt"];

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

/// Left to find a zip's beginning itself, the crate fails on the golden state_dict.
fn archive(path: &Path) -> ZipArchive<File> {
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    ZipArchive::with_config(config, File::open(path).unwrap()).unwrap()
}

/// Name and bytes of every entry of a zip in its order; reading holds them against their checksums.
fn entries(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = archive(path);
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

/// Names of the entries whose bytes differ; the names themselves are the same.
fn changed(before: &Path, after: &Path) -> Vec<String> {
    let (before, after) = (entries(before), entries(after));
    let names = |entries: &[(String, Vec<u8>)]| entries.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    before.into_iter().zip(after).filter(|(b, a)| b != a).map(|((name, _), _)| name).collect()
}

/// Values of which every one is exact as a half and different from its neighbours: eighths, by tensor and element.
fn ramp(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(0_usize, |sum, byte| (sum * 31 + usize::from(byte)) % 997);
    (0..count).map(|i| ((seed + i * 7) % 1021) as f32 / 8.0 - 60.0).collect()
}

fn info<'a>(checkpoint: &'a Checkpoint, name: &str) -> &'a distillscope::yolo::checkpoint::TensorInfo {
    checkpoint.tensors.iter().find(|info| info.name == name).unwrap()
}

#[test]
fn without_values_a_file_keeps_every_byte_of_its_entries() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.pt");
    for file in FILES {
        write_pt(&open(&golden(file)).unwrap(), &mut |_| Ok(None), &out).unwrap();
        assert!(changed(&golden(file), &out).is_empty(), "{file}");
        let mut archive = archive(&out);
        for index in 0..archive.len() {
            let entry = archive.by_index(index).unwrap();
            assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
            assert_eq!(entry.data_start().unwrap() % 64, 0, "{file}: entry {index} is not aligned");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn values_are_read_back_under_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.pt");
    for file in FILES {
        let source = open(&golden(file)).unwrap();
        let value = |name: &str| {
            let info = info(&source, name);
            if info.dtype == Dtype::I64 { vec![12_345.0] } else { ramp(name, info.numel()) }
        };
        // The buffers of Detect decide what `open` says of the model.
        let is_kept = |name: &str| name.contains("anchor");
        write_pt(&source, &mut |name| Ok((!is_kept(name)).then(|| value(name))), &out).unwrap();
        let written = open(&out).unwrap();
        assert_eq!(written.model, source.model);
        assert_eq!(written.tensors, source.tensors, "names, shapes, dtypes");
        for info in &written.tensors {
            let expected = if is_kept(&info.name) { source.read_f32(&info.name).unwrap() } else { value(&info.name) };
            assert_eq!(written.read_f32(&info.name).unwrap(), expected, "{file}: {}", info.name);
        }
        assert!(changed(&golden(file), &out).iter().all(|name| name.contains("/data/")), "only storages change");
    }
}

/// The weights of this file lie in channels_last order, their places computed here by hand.
#[test]
fn one_tensor_changes_its_own_storage_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.pt");
    let path = golden("checkpoint_state_dict.pt");
    let source = open(&path).unwrap();
    let [outputs, inputs, rows, cols] = info(&source, "model.0.conv.weight").shape[..] else {
        panic!("no convolution")
    };
    assert!(inputs == 3 && rows == 6 && cols == 6, "a stem");
    let values = ramp("stem", outputs * inputs * rows * cols);
    write_pt(&source, &mut |name| Ok((name == "model.0.conv.weight").then(|| values.clone())), &out).unwrap();
    let [changed] = &changed(&path, &out)[..] else { panic!("not one entry") };
    let (_, bytes) = entries(&out).into_iter().find(|(name, _)| name == changed).unwrap();
    let stored: Vec<f32> = bytes.as_chunks::<2>().0.iter().map(|half| f16::from_le_bytes(*half).to_f32()).collect();
    assert_eq!(stored.len(), values.len());
    let mut of_values = values.iter();
    for o in 0..outputs {
        for i in 0..inputs {
            for y in 0..rows {
                for x in 0..cols {
                    assert_eq!(stored[((o * rows + y) * cols + x) * inputs + i], *of_values.next().unwrap());
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_written_is_said_and_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.pt");
    fs::write(&out, "old").unwrap();
    let source = open(&golden("checkpoint_v7.pt")).unwrap();
    let error_of = |name: &'static str, values: Vec<f32>| {
        let error = write_pt(&source, &mut |of| Ok((of == name).then(|| values.clone())), &out).unwrap_err();
        assert!(matches!(error, CheckpointError::Weights { .. }));
        error.to_string()
    };
    let error = error_of("model.0.bn.bias", vec![0.0; 3]);
    assert!(error.contains("checkpoint_v7.pt") && error.contains("model.0.bn.bias has 8 elements, but 3"), "{error}");
    let error = error_of("model.0.bn.running_var", vec![70_000.0; 8]);
    assert!(error.contains("model.0.bn.running_var, 70000, cannot be stored as float16"), "{error}");
    let failing = |_: &str| Err(CheckpointError::NoTensor { path: "w".into(), name: "x".to_owned() });
    let error = write_pt(&source, &mut { failing }, &out).unwrap_err();
    assert_eq!(error.to_string(), "w: has no tensor 'x'");
    let script = open(&golden("checkpoint.torchscript")).unwrap();
    let error = write_pt(&script, &mut |_| Ok(None), &out).unwrap_err();
    assert!(error.to_string().contains("it is TorchScript"), "{error}");
    assert_eq!(fs::read(&out).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    let error = write_pt(&source, &mut |_| Ok(None), Path::new("/nowhere/at/all.pt")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all.pt: cannot be written"), "{error}");
}

#[test]
fn weights_of_another_file_go_into_the_module_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, out) = (folder.path().join("w.safetensors"), folder.path().join("out.pt"));
    let source = open(&golden("checkpoint_v7.pt")).unwrap();
    let shaped =
        |name: &str| (name.to_owned(), info(&source, name).shape.clone(), ramp(name, info(&source, name).numel()));
    write_safetensors_values(&source.model, vec![shaped("model.0.bn.bias"), shaped("model.8.m.1.weight")], &weights)
        .unwrap();
    let kept = write_pt_from(&source, &open(&weights).unwrap(), &out).unwrap();
    assert_eq!(kept, source.tensors.len() - 2);
    let written = open(&out).unwrap();
    for info in &source.tensors {
        let given = ["model.0.bn.bias", "model.8.m.1.weight"].contains(&info.name.as_str());
        let expected = if given { ramp(&info.name, info.numel()) } else { source.read_f32(&info.name).unwrap() };
        assert_eq!(written.read_f32(&info.name).unwrap(), expected, "{}", info.name);
    }

    let alien =
        vec![("model.0.bn.bias".to_owned(), vec![4], vec![0.0; 4]), ("model.99.x".to_owned(), vec![1], vec![0.0])];
    write_safetensors_values(&source.model, alien, &weights).unwrap();
    let error = write_pt_from(&source, &open(&weights).unwrap(), &out).unwrap_err().to_string();
    assert!(error.contains("model.0.bn.bias is [8], not [4]") && error.contains("it has no model.99.x"), "{error}");

    let mut other = source.model.clone();
    other.anchors_px[0][0] = [99.0, 99.0];
    write_safetensors_values(&other, vec![shaped("model.0.bn.bias")], &weights).unwrap();
    let error = write_pt_from(&source, &open(&weights).unwrap(), &out).unwrap_err().to_string();
    assert!(error.contains("its anchors are") && error.contains("[99.0, 99.0]"), "{error}");
}

/// There and back again: nothing is lost between the two containers.
#[test]
fn a_pt_made_of_its_own_safetensors_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, out) = (folder.path().join("w.safetensors"), folder.path().join("out.pt"));
    for file in FILES {
        let source = open(&golden(file)).unwrap();
        write_safetensors(&source, &weights).unwrap();
        assert_eq!(write_pt_from(&source, &open(&weights).unwrap(), &out).unwrap(), 0);
        assert!(changed(&golden(file), &out).is_empty(), "{file}");
    }
}

/// A student of other classes: what a trainer writes is opened and loaded whole.
#[test]
fn a_trained_network_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("student.safetensors");
    let source = open(&golden("checkpoint_v7.pt")).unwrap();
    let mut description = source.model.clone();
    description.set_classes(vec!["one".to_owned(), "two".to_owned(), "three".to_owned(), "four".to_owned()]);
    let of_network = source.tensors.iter().filter(|info| info.dtype != Dtype::I64 && !info.name.contains("anchor"));
    let tensors: Vec<_> = of_network
        .map(|info| {
            let mut shape = info.shape.clone();
            if info.name.starts_with("model.8.m.") {
                // 2 anchors of 5 + 4 numbers.
                shape[0] = 18;
            }
            let count = shape.iter().product();
            (info.name.clone(), shape, ramp(&info.name, count))
        })
        .collect();
    write_safetensors_values(&description, tensors.clone(), &path).unwrap();
    let checkpoint = open(&path).unwrap();
    assert_eq!(checkpoint.model, description);
    let (network, report) = Network::load(&checkpoint, Device::Cpu).unwrap();
    assert!(report.is_complete(), "{report}");
    assert_eq!((report.loaded, report.dtype), (tensors.len(), Some(Dtype::F32)));
    assert_eq!(network.names(), ["one", "two", "three", "four"]);
    assert_eq!(network.scales()[1].anchors, [[13.0, 17.0], [30.0, 24.0]]);
    let variables = network.var_store().variables();
    for (name, _, values) in tensors {
        let loaded: Vec<f32> = variables[&name].flatten(0, -1).try_into().unwrap();
        assert_eq!(loaded, values, "{name}");
    }

    let odd = vec![("model.0.bn.bias".to_owned(), vec![3], vec![0.0; 2])];
    let error = write_safetensors_values(&description, odd, &path).unwrap_err().to_string();
    assert!(error.contains("model.0.bn.bias of shape [3] was given 2 values"), "{error}");
    let twice = vec![("a".to_owned(), vec![1], vec![0.0]); 2];
    assert!(write_safetensors_values(&description, twice, &path).unwrap_err().to_string().contains("named a"));
}

#[test]
fn the_command_line_puts_weights_into_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, out) = (folder.path().join("w.safetensors"), folder.path().join("out.pt"));
    let source = golden("checkpoint_v7.pt");
    write_safetensors(&open(&source).unwrap(), &weights).unwrap();
    let convert = |more: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distillscope"));
        command.args(["convert", "--to", "pt", "--weights"]).arg(&weights).arg("--out").arg(&out).args(more);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let (good, _, error) = convert(&[]);
    assert!(!good && error.contains("--source"), "{error}");
    let (good, _, error) = convert(&[Path::new("--source"), &weights]);
    assert!(!good && error.contains("it is safetensors; a .pt is made from a .pt alone"), "{error}");
    assert!(!out.exists());
    let (good, said, error) = convert(&[Path::new("--source"), &source]);
    assert!(good && said.contains("0 more as in"), "{said}{error}");
    assert!(changed(&source, &out).is_empty());
}
