//! Files from strangers: damaged, of another kind, of the future, and made to do harm.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::sync::LazyLock;

use distillscope::train::event::Variant;
use distillscope::train::replay::Replay;
use proptest::prelude::*;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

type Files = Vec<(String, Vec<u8>)>;

/// A good file and its entries.
static GOOD: LazyLock<(Vec<u8>, Files)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(super::record(folder.path(), Variant::Imitation)).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(bytes.clone())).unwrap();
    let entries = (0..archive.len()).map(|index| {
        let mut entry = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.name().unwrap().into_owned(), bytes)
    });
    let entries = entries.collect();
    (bytes, entries)
});

fn pack(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(name.as_str(), stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The good file with another content of one entry; none leaves it out.
fn with(name: &str, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let changed = |(other, bytes): &(String, Vec<u8>)| {
        let bytes = if other == name { change(bytes)? } else { bytes.clone() };
        Some((other.clone(), bytes))
    };
    let entries: Files = GOOD.1.iter().filter_map(changed).collect();
    pack(&entries)
}

/// The good file with another header.
fn with_header(change: impl Fn(&mut Value)) -> Vec<u8> {
    with("replay.json", |bytes| {
        let mut header: Value = serde_json::from_slice(bytes).unwrap();
        change(&mut header);
        Some(serde_json::to_vec(&header).unwrap())
    })
}

fn open(bytes: &[u8]) -> Result<Replay, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Replay::read(file.path()).map_err(|error| {
        let error = error.to_string();
        let path = file.path().display().to_string();
        assert!(error.starts_with(&path), "it does not name the file: {error}");
        assert!(!error.contains('\n') && error.len() < 700, "not one line: {error}");
        assert!(
            error.contains("; open ") || error.contains("; the file is damaged: get it anew"),
            "no advice: {error}"
        );
        error
    })
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let error = open(bytes).expect_err("a bad file was opened");
    assert!(error.contains(expected), "'{expected}' is not in: {error}");
}

#[test]
fn other_files_are_told_from_replays() {
    refused(b"", "not a replay");
    refused(b"\x89PNG\r\n\x1a\n and so on", "not a replay");
    refused(&pack(&[("data.pkl".to_owned(), vec![0; 9])]), "a zip without replay.json");
    refused(&with_header(|header| header["format"] = "another".into()), "of another format");
    refused(&with_header(|header| header["version"] = 2.into()), "version 2, this program reads up to 1");
    refused(&with_header(|header| header["version"] = u64::MAX.into()), "18446744073709551615");
    assert!(Replay::read(std::path::Path::new("/nowhere.distillscope")).unwrap_err().to_string().contains("nowhere"));
    assert!(Replay::read(&std::env::temp_dir()).is_err(), "a folder");
}

#[test]
fn every_beginning_of_a_file_is_refused() {
    let bytes = &GOOD.0;
    for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        refused(&bytes[..length], "not a replay");
    }
    open(bytes).unwrap();
}

#[test]
fn a_missing_or_changed_entry_is_named() {
    for name in ["config.toml", "steps.csv", "results.csv", "image.png", "maps.f32", "truths.f64"] {
        refused(&with(name, |_| None), &format!("{name}: it is missing"));
    }
    for (name, expected) in [("maps.f32", "bytes"), ("truths.f64", "bytes"), ("image.png", "image.png: ")] {
        refused(&with(name, |bytes| Some(bytes[..bytes.len() / 2].to_vec())), expected);
        refused(&with(name, |_| Some(Vec::new())), expected);
    }
    refused(&with("maps.f32", |bytes| Some([bytes, b"1234"].concat())), "maps.f32: it claims");
    refused(&with("config.toml", |_| Some(vec![0xff; 9])), "config.toml: it is not UTF-8 text");
    // A bit of the maps that has flipped on its way.
    let mut flipped = GOOD.0.clone();
    let maps = &GOOD.1.iter().find(|(name, _)| name == "maps.f32").unwrap().1;
    let at = flipped.windows(maps.len()).position(|window| window == maps).unwrap();
    flipped[at + 5] ^= 1;
    refused(&flipped, "maps.f32: ");
}

#[test]
fn a_compressed_entry_is_refused() {
    // The method in the local header and in the directory: 8 is deflate.
    let mut bytes = GOOD.0.clone();
    let central = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes[8] = 8;
    bytes[central + 10] = 8;
    refused(&bytes, "replay.json: ");
}

#[test]
fn sizes_are_not_believed() {
    let sides =
        |pointer: &'static str, value: u64| with_header(move |h| *h.pointer_mut(pointer).unwrap() = value.into());
    refused(&sides("/image/input_width", 4_000_000_000), "sides of 1 to 4096");
    refused(&sides("/image/width", 0), "sides of 1 to");
    refused(&sides("/image/input_width", 128), "stride 8 has 8 × 8 cells, the input 8 × 16");
    refused(&sides("/scales/0/rows", u64::MAX), "cells");
    refused(&sides("/scales/0/stride", 0), "a scale of stride 0");
    refused(&sides("/scales/1/stride", 8), "the strides do not ascend");
    refused(&sides("/run/steps", u64::MAX), "steps; at most");
    refused(&sides("/moments/1/step", 9), "the moments do not follow one another");
    let many = |pointer: &'static str, count: usize| {
        with_header(move |header| {
            let list = header.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
            *list = vec![list[0].clone(); count];
        })
    };
    refused(&many("/labels", 1001), "1001 labels");
    refused(&many("/scales", 9), "9 scales");
    refused(&many("/scales/0/anchors", 17), "anchors of stride 8");
    refused(&many("/moments", 401), "401 moments");
    // Labels that are allowed, over an input that is, would be 16 billion IoUs.
    let huge = with_header(|header| {
        for side in ["input_width", "input_height"] {
            header["image"][side] = 4096.into();
        }
        for (scale, side) in [(0, 512), (1, 256)] {
            (header["scales"][scale]["rows"], header["scales"][scale]["cols"]) = (side.into(), side.into());
        }
        header["labels"] = vec![header["labels"][0].clone(); 1000].into();
    });
    refused(&huge, "IoUs; at most");
    // 400 moments of maps that would take 5 GB.
    let maps = with_header(|header| {
        for side in ["input_width", "input_height"] {
            header["image"][side] = 4096.into();
        }
        for (scale, side) in [(0, 512), (1, 256)] {
            (header["scales"][scale]["rows"], header["scales"][scale]["cols"]) = (side.into(), side.into());
        }
        header["moments"] = (0..400).map(|step| json!({"step": step, "seconds": 0.0})).collect();
    });
    refused(&maps, "bytes of maps; at most");
}

/// Of 60 × 60 px, and one that says it has 60 000 × 60 000.
#[test]
fn a_picture_of_another_size_is_not_decoded() {
    let mut png = Cursor::new(Vec::new());
    image::RgbImage::new(60, 60).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = png.into_inner();
    refused(&with("image.png", |_| Some(png.clone())), "60 × 60 px, the input 64 × 64");
    let mut large = png.clone();
    large[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    refused(&with("image.png", |_| Some(large.clone())), "image.png: ");
}

#[test]
fn values_are_checked() {
    let put =
        |pointer: &'static str, value: Value| with_header(move |h| *h.pointer_mut(pointer).unwrap() = value.clone());
    refused(&put("/labels/0/xyxy", json!([9.0, 0.0, 1.0, 1.0])), "label 0 is no box");
    refused(&put("/labels/0/xyxy", json!([0.0, 0.0, null, 1.0])), "replay.json: ");
    refused(&put("/labels/0/xyxy", json!([0.0, 0.0, 1e300, 1.0])), "replay.json: ");
    refused(&put("/mask/psi", json!(7)), "psi is 7");
    refused(&put("/scales/0/anchors/0/0", json!(-1)), "anchors of stride 8");
    refused(&put("/name", json!("a\u{1b}[2Jb")), "control characters");
    refused(&put("/image/name", json!("x".repeat(257))), "a name is too long");
    refused(&put("/arm", json!("\n".repeat(5000))), "replay.json: ");
    refused(&put("/moments/0/seconds", json!(-1)), "the moments do not follow one another");
    refused(&with("replay.json", |_| Some(b"{\"format\": NaN".to_vec())), "replay.json: ");
    refused(&with("replay.json", |_| Some("[".repeat(100_000).into_bytes())), "replay.json: ");
}

#[test]
fn tables_are_checked() {
    let steps = |change: &dyn Fn(&str) -> String| {
        with("steps.csv", |bytes| Some(change(std::str::from_utf8(bytes).unwrap()).into_bytes()))
    };
    refused(&steps(&|text| text.replace("distance_P3", "distance_P9")), "columns are not of the scales [P3 P4]");
    refused(&steps(&|text| text.replace("\n1,0,", "\n1,x,")), "steps.csv: line 3: epoch is 'x'");
    refused(&steps(&|text| text.replace("\n1,0,", "\n7,0,")), "its steps do not follow one another");
    refused(&steps(&|text| text.replace("\n3,", "\n1e300,")), "its steps do not follow one another");
    refused(&steps(&|text| format!("{text}{}", ",".repeat(9000))), "longer than 8192 bytes");
    refused(&steps(&|text| format!("{text}{}", "\n".repeat(100_001))), "rows, at most 100000");
    refused(&with("results.csv", |_| Some(b"epoch\n1\n".to_vec())), "results.csv: its columns");
}

#[test]
fn a_hostile_name_is_only_a_name() {
    for name in ["../../etc/passwd", "/etc/passwd", "C:\\x", ""] {
        let replay = open(&with_header(|header| header["image"]["name"] = name.into())).unwrap();
        assert_eq!(replay.scene.path.as_os_str(), name);
    }
    // Entries that no replay has are passed over.
    let mut entries = GOOD.1.clone();
    entries.push(("../../evil".to_owned(), b"nothing".to_vec()));
    assert!(open(&pack(&entries)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// In a container that is whole again, so that no checksum stands in the way.
    #[test]
    fn changed_entries_never_panic(
        entry in 0_usize..7,
        at in any::<prop::sample::Index>(),
        cut in 0_usize..9,
        bytes in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let mut entries = GOOD.1.clone();
        let content = &mut entries[entry].1;
        let at = at.index(content.len());
        let end = (at + cut).min(content.len());
        content.splice(at..end, bytes);
        if let Ok(replay) = open(&pack(&entries)) {
            prop_assert!(replay.snapshots.len() <= 3 && replay.scene.input.dimensions() == (64, 64));
        }
    }

    #[test]
    fn changed_containers_never_panic(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..9)) {
        let mut file = GOOD.0.clone();
        let at = at.index(file.len());
        let end = (at + bytes.len()).min(file.len());
        file.splice(at..end, bytes);
        let _ = open(&file);
    }

    /// Any number in any place of the header.
    #[test]
    fn changed_numbers_never_panic(which in any::<prop::sample::Index>(), value in prop_oneof![
        any::<u64>().prop_map(Value::from), any::<f64>().prop_map(Value::from), (0_u64..5).prop_map(Value::from)
    ]) {
        let file = with_header(|header| {
            let mut numbers = Vec::new();
            collect(header, &mut numbers);
            let index = which.index(numbers.len());
            *numbers.swap_remove(index) = value.clone();
        });
        let _ = open(&file);
    }
}

/// Every number of a JSON value.
fn collect<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| collect(value, found)),
        Value::Object(fields) => fields.values_mut().for_each(|value| collect(value, found)),
        Value::Number(_) => found.push(value),
        _ => {}
    }
}
