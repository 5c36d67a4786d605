//! Labels of every format become boxes in image px; what is wrong with a file is said by file and line.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

mod coco;
mod finding;
mod voc;
mod yolo_txt;

use std::fs;
use std::path::{Path, PathBuf};

use distillscope::dataset::{Label, Labels, find_labels, label_count, labels_for_image};
use distillscope::geometry::{BoundingBox, Size};
use proptest::prelude::*;
use tempfile::TempDir;

const VGA: Size = Size::new(640, 480);

fn put(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

/// Reads `content` as the label file of a 640 × 480 image.
fn read(file: &str, content: impl AsRef<[u8]>, class_names: &[&str]) -> Labels {
    let folder = tempfile::tempdir().unwrap();
    let file = put(&folder, file, content);
    labels_for_image(Path::new("a/photo.jpg"), Some(&file), VGA, &names(class_names)).unwrap()
}

fn boxes(labels: &Labels) -> Vec<(usize, [f32; 4])> {
    labels.labels.iter().map(|label| (label.class, label.bbox.as_xyxy())).collect()
}

/// The warnings as `line: message`, or the message alone.
fn warnings(labels: &Labels) -> Vec<String> {
    let text =
        |line: Option<usize>, message: &str| line.map_or(message.to_owned(), |line| format!("{line}: {message}"));
    labels.warnings.iter().map(|warning| text(warning.line, &warning.message)).collect()
}

/// Text that looks enough like a format to get past its first checks.
fn almost_labels() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "0",
        "1e999",
        "-1",
        "nan",
        "0.5",
        " ",
        "\n",
        "<annotation>",
        "<object>",
        "</object>",
        "<bndbox>",
        "</bndbox>",
        "<name>",
        "</name>",
        "<xmin>",
        "</xmin>",
        "&lt;",
        "&#x110000;",
        "<!--",
        "]]>",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"images\"",
        "\"annotations\"",
        "\"bbox\"",
        "\"image_id\"",
        "\"id\"",
        "\"file_name\"",
        "\"photo.jpg\"",
        "null",
        "\u{FEFF}",
        "\r",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(pieces, 0..80).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(prop::collection::vec(any::<f64>(), 4..8), 0..8).prop_map(|rows| {
            let line = |row: Vec<f64>| row.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
            rows.into_iter().map(|row| format!("0 {}\n", line(row))).collect::<String>().into_bytes()
        }),
    ]
}

proptest! {
    #[test]
    fn any_bytes_give_boxes_inside_the_image_or_warnings(
        bytes in almost_labels(),
        extension in prop::sample::select(vec!["txt", "xml", "json", "any"]),
        width in 1_u32..5000,
        height in 1_u32..5000,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = put(&folder, &format!("a.{extension}"), bytes);
        let size = Size::new(width, height);
        if let Ok(labels) = labels_for_image(Path::new("photo.jpg"), Some(&file), size, &[]) {
            for label in labels.labels {
                let BoundingBox { x1, y1, x2, y2 } = label.bbox;
                prop_assert!(0.0 <= x1 && x1 < x2 && x2 <= width as f32, "{:?}", label);
                prop_assert!(0.0 <= y1 && y1 < y2 && y2 <= height as f32, "{:?}", label);
            }
        }
    }
}
