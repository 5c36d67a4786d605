//! Labels of every format become boxes in image px; what is wrong with a file is said by file and line.

#![allow(
    clippy::unwrap_used,
    reason = "in a test, a failed set-up is a failed test"
)]

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
    labels_for_image(
        Path::new("a/photo.jpg"),
        Some(&file),
        VGA,
        &names(class_names),
    )
    .unwrap()
}

fn boxes(labels: &Labels) -> Vec<(usize, [f32; 4])> {
    labels
        .labels
        .iter()
        .map(|label| (label.class, label.bbox.as_xyxy()))
        .collect()
}

/// The warnings as `line: message`, or the message alone.
fn warnings(labels: &Labels) -> Vec<String> {
    let text = |line: Option<usize>, message: &str| {
        line.map_or(message.to_owned(), |line| format!("{line}: {message}"))
    };
    labels
        .warnings
        .iter()
        .map(|warning| text(warning.line, &warning.message))
        .collect()
}

mod yolo_txt {
    use super::*;

    #[test]
    fn shares_become_pixels() {
        // x: 320 ± 64, y: 120 ± 120; and x: 160 ± 80, y: 360 ± 60.
        let labels = read("a.txt", "2 0.5 0.25 0.2 0.5\n0 0.25 0.75 0.25 0.25\n", &[]);
        assert_eq!(
            boxes(&labels),
            [
                (2, [256.0, 0.0, 384.0, 240.0]),
                (0, [80.0, 300.0, 240.0, 420.0])
            ]
        );
        assert_eq!(labels.warnings, []);
    }

    #[test]
    fn a_warning_names_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = put(
            &folder,
            "labels/a.txt",
            "0 0.5 0.5 0.1 0.1\n\n0 0.5 0.5 0.1\n",
        );
        let labels = labels_for_image(Path::new("a.jpg"), Some(&file), VGA, &[]).unwrap();
        assert_eq!(labels.labels.len(), 1);
        assert_eq!(
            labels.warnings[0].to_string(),
            format!("{}:3: expected 5 numbers, found 4", file.display())
        );
    }

    #[test]
    fn bad_lines_are_warnings_and_the_others_are_used() {
        let labels = read(
            "a.txt",
            "-1 0.5 0.5 0.1 0.1\n\
             0.5 0.5 0.5 0.1 0.1\n\
             0 nan 0.5 0.1 0.1\n\
             0 0.5 0.5 0 0.1\n\
             0 0.5 0.5 0.1 -0.1\n\
             0 320 240 64 48\n\
             x 0.5 0.5 0.1 0.1\n\
             0 0.5 0.5 0.1 0.1 0.9 0.2 0.3\n\
             1e9 0.5 0.5 0.1 0.1\n\
             0 -0.5 0.5 0.5 0.5\n\
             1 0.5 0.5 0.5 0.5\n",
            &[],
        );
        assert_eq!(boxes(&labels), [(1, [160.0, 120.0, 480.0, 360.0])]);
        assert_eq!(
            warnings(&labels),
            [
                "1: line skipped: class -1 is not a whole number from 0 to 65535",
                "2: line skipped: class 0.5 is not a whole number from 0 to 65535",
                "3: line skipped: 'nan' is not a finite number",
                "4: box skipped: width 0 and height 48 must be greater than 0",
                "5: box skipped: width 64 and height -48 must be greater than 0",
                "6: line skipped: the box lies outside the image; coordinates are shares of its size, from 0 to 1",
                "7: line skipped: 'x' is not a finite number",
                "8: expected 5 numbers, or a class and pairs of x and y, found 8",
                "9: line skipped: class 1000000000 is not a whole number from 0 to 65535",
                "10: box skipped: it lies outside the image",
            ]
        );
    }

    #[test]
    fn a_box_over_the_border_is_clipped_with_a_warning() {
        let labels = read("a.txt", "0 0.05 0.5 0.2 0.5\n", &[]);
        assert_eq!(boxes(&labels), [(0, [0.0, 120.0, 96.0, 360.0])]);
        assert_eq!(
            warnings(&labels),
            ["1: box reaches past the image; clipped to it"]
        );
    }

    #[test]
    fn the_rounding_of_a_written_number_is_no_warning() {
        // 0.9 + 0.2000001 / 2 is over 1 by 3e-5 px.
        let labels = read("a.txt", "0 0.9 0.5 0.2000001 0.5\n", &[]);
        assert_eq!(labels.labels[0].bbox.x2, 640.0);
        assert_eq!(labels.warnings, []);
    }

    #[test]
    fn a_polygon_becomes_its_bounding_box() {
        let labels = read(
            "a.txt",
            "3 0.25 0.5 0.5 0.25 0.75 0.75 0.5 0.5\n0 0.5 0.5 0.5 0.5\n",
            &[],
        );
        assert_eq!(
            boxes(&labels),
            [
                (3, [160.0, 120.0, 480.0, 360.0]),
                (0, [160.0, 120.0, 480.0, 360.0])
            ]
        );
        assert_eq!(labels.warnings, []);
    }

    #[test]
    fn a_confidence_column_is_accepted_with_one_warning() {
        let labels = read(
            "a.txt",
            "0 0.5 0.5 0.5 0.5 0.9\n0 0.25 0.25 0.5 0.5 0.8\n",
            &[],
        );
        assert_eq!(labels.labels.len(), 2);
        assert_eq!(
            warnings(&labels),
            ["1: a sixth column, taken for a confidence, is not used: are these detections?"]
        );
    }

    #[test]
    fn duplicates_are_removed_with_a_warning() {
        let labels = read(
            "a.txt",
            "0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.5 0.5\n0 0.50 0.5 0.5 0.5\n",
            &[],
        );
        assert_eq!(
            labels
                .labels
                .iter()
                .map(|label| label.class)
                .collect::<Vec<_>>(),
            [0, 1]
        );
        assert_eq!(
            warnings(&labels),
            ["3: box skipped: the same box of the same class comes earlier"]
        );
    }

    #[test]
    fn a_class_past_the_names_is_kept_and_said() {
        let labels = read("a.txt", "2 0.5 0.5 0.5 0.5\n", &["cat", "dog"]);
        assert_eq!(labels.labels[0].class, 2);
        assert_eq!(
            warnings(&labels),
            ["1: class 2 is not among the 2 of the data"]
        );
    }

    #[test]
    fn byte_order_mark_line_endings_tabs_and_blank_lines_are_fine() {
        let labels = read(
            "a.txt",
            b"\xEF\xBB\xBF0.0\t0.5 0.5  0.5 0.5 \r\n\r\n1 0.5 0.5 0.25 0.25\r2 .5 .5 1 1",
            &[],
        );
        assert_eq!(
            labels
                .labels
                .iter()
                .map(|label| label.class)
                .collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(labels.warnings, []);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named() {
        let labels = read("a.txt", b"0 0.5 0.5 0.5 0.5\n\xFF\xFE\xFD\n", &[]);
        assert_eq!(labels.labels.len(), 1);
        assert_eq!(labels.warnings[0].line, Some(2));
    }

    #[test]
    fn an_empty_file_is_a_background() {
        let labels = read("a.txt", "", &[]);
        assert_eq!((labels.labels.len(), labels.warnings.len()), (0, 0));
        assert!(labels.source.is_some());
    }
}

mod voc {
    use super::*;

    fn object(name: &str, corners: [&str; 4]) -> String {
        let [xmin, ymin, xmax, ymax] = corners;
        format!(
            "<object><name>{name}</name><difficult>1</difficult>\n<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin>\
             <xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>\n"
        )
    }

    fn annotation(objects: &[String]) -> String {
        format!(
            "<annotation>\n<size><width>640</width><height>480</height><depth>3</depth></size>\n{}</annotation>\n",
            objects.concat()
        )
    }

    #[test]
    fn pixels_count_from_one_and_the_last_is_inside() {
        // Columns 11 to 20 are ten pixels, and cover 10 to 20.
        let labels = read(
            "a.xml",
            annotation(&[object("dog", ["11", "21", "20", "60"])]),
            &["cat", "dog"],
        );
        assert_eq!(boxes(&labels), [(1, [10.0, 20.0, 20.0, 60.0])]);
        assert_eq!(labels.warnings, []);
    }

    #[test]
    fn a_coordinate_of_zero_is_the_border() {
        let labels = read(
            "a.xml",
            annotation(&[object("dog", ["0", "0", "640", "480"])]),
            &["dog"],
        );
        assert_eq!(boxes(&labels), [(0, [0.0, 0.0, 640.0, 480.0])]);
        assert_eq!(labels.warnings, []);
    }

    #[test]
    fn bad_objects_are_warnings_with_their_lines() {
        let content = annotation(&[
            object("dog", ["181", "329", "181", "329"]),  // line 3
            object("dog", ["10", "40", "20", "30"]),      // line 5
            object("emu", ["1", "1", "9", "9"]),          // line 7
            object("dog", ["1", "1", "?", "9"]),          // line 9
            object("dog", ["600", "400", "700", "500"]),  // line 11
            object("", ["1", "1", "9", "9"]),             // line 13
            "<object><name>dog</name></object>\n".into(), // line 15
            object("dog", ["701", "1", "800", "9"]),      // line 16
        ]);
        let labels = read("a.xml", content, &["dog"]);
        assert_eq!(boxes(&labels), [(0, [599.0, 399.0, 640.0, 480.0])]);
        assert_eq!(
            warnings(&labels),
            [
                "3: object 'dog' skipped: from 181, 329 to 181, 329 it has no width or no height",
                "5: object 'dog' skipped: from 10, 40 to 20, 30 it has no width or no height",
                "7: object 'emu' skipped: the data's names do not have it",
                "9: object 'dog' skipped: its <bndbox> lacks a number for one of xmin, ymin, xmax, ymax",
                "11: object 'dog' reaches past the image; clipped to it",
                "13: object skipped: it has no <name>",
                "15: object 'dog' skipped: it has no <bndbox>",
                "16: object 'dog' skipped: it lies outside the image",
            ]
        );
    }

    #[test]
    fn without_names_classes_come_in_the_order_of_the_file() {
        let content = annotation(&[
            object("dog", ["1", "1", "9", "9"]),
            object("cat", ["1", "1", "8", "8"]),
            object("dog", ["1", "1", "7", "7"]),
        ]);
        let labels = read("a.xml", content, &[]);
        assert_eq!(
            labels
                .labels
                .iter()
                .map(|label| label.class)
                .collect::<Vec<_>>(),
            [0, 1, 0]
        );
        assert_eq!(labels.names, ["dog", "cat"]);
    }

    #[test]
    fn parts_of_an_object_are_not_objects() {
        let content = annotation(&["<object><part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin>\
            <xmax>3</xmax><ymax>3</ymax></bndbox></part><bndbox><xmax>50</xmax><xmin>11</xmin><ymax>60</ymax>\
            <ymin>21</ymin></bndbox><name> person </name></object>"
            .into()]);
        assert_eq!(
            boxes(&read("a.xml", content, &["person"])),
            [(0, [10.0, 20.0, 50.0, 60.0])]
        );
    }

    #[test]
    fn another_size_than_the_images_is_said() {
        let content =
            "<annotation><size><width>320</width><height>240</height></size></annotation>";
        assert_eq!(
            warnings(&read("a.xml", content, &[])),
            ["1: made for an image of 320 × 240 px, but the image has 640 × 480"]
        );
        let unsaid = "<annotation><size><width>0</width><height>0</height></size></annotation>";
        assert_eq!(read("a.xml", unsaid, &[]).warnings, []);
    }

    #[test]
    fn names_keep_their_special_characters_and_entities_stay_shut() {
        let content = annotation(&[object("R&amp;D &#60;1&gt; ", ["1", "1", "9", "9"])]);
        assert_eq!(read("a.xml", content, &[]).names, ["R&D <1>"]);
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]>\
            <annotation><object><name>&c;</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>\
            </bndbox></object></annotation>";
        assert_eq!(read("a.xml", bomb, &[]).names, ["\u{FFFD}"]);
    }

    #[test]
    fn broken_xml_keeps_what_comes_before() {
        let mut content = annotation(&[object("dog", ["1", "1", "9", "9"])]);
        content.truncate(content.len() - "</annotation>\n".len());
        let labels = read("a.xml", format!("{content}<object></name>"), &["dog"]);
        assert_eq!(labels.labels.len(), 1);
        assert_eq!(labels.warnings[0].line, Some(5));
        assert_eq!(
            warnings(&read("a.xml", "", &[])),
            ["1: the XML ends too early; what comes before is used"]
        );
        assert_eq!(
            warnings(&read("a.xml", "<svg/>", &[])),
            ["1: the root is <svg>, not <annotation>"]
        );
    }

    #[test]
    fn elements_nested_without_end_are_cut_off() {
        let labels = read("a.xml", "<a>".repeat(100_000), &[]);
        assert_eq!(
            labels.warnings.last().unwrap().message,
            "elements more than 32 deep; the rest is left out"
        );
    }
}

mod coco {
    use super::*;

    const FILE: &str = r#"{
        "info": {"year": 2024},
        "images": [
            {"id": 7, "file_name": "val/photo.jpg", "width": 640, "height": 480},
            {"id": 8, "file_name": "train/photo.jpg", "width": 640, "height": 480},
            {"id": 9, "file_name": "other.jpg", "width": 320, "height": 480}
        ],
        "categories": [
            {"id": 18, "name": "dog", "supercategory": "animal"}, {"id": 3, "name": "car"}, {"id": 90, "name": "brush"}
        ],
        "annotations": [
            {"id": 1, "image_id": 8, "category_id": 18, "bbox": [10, 20.5, 30, 40], "iscrowd": 0, "segmentation": [[1, 2]]},
            {"id": 2, "image_id": 8, "category_id": 3, "bbox": [0, 0, 640, 480]},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [5, 5, 5, 5]},
            {"id": 4, "image_id": 8, "category_id": 18, "bbox": [1, 1, 2, 2], "iscrowd": 1},
            {"id": 5, "image_id": 8, "category_id": 18, "bbox": [1, 1, 0, 2]},
            {"id": 6, "image_id": 8, "category_id": 18, "bbox": null},
            {"id": 7, "image_id": 8, "category_id": 5, "bbox": [1, 1, 2, 2]},
            {"id": 8, "image_id": 8, "category_id": 90, "bbox": [600, 400, 100, 100]},
            {"id": 9, "image_id": 5, "category_id": 90, "bbox": [1, 1, 2, 2]},
            {"id": "x", "image_id": 8, "category_id": 18, "bbox": [1, 1, "2", 2]}
        ]
    }"#;

    fn of(image: &str, content: &str, class_names: &[&str]) -> Labels {
        let folder = tempfile::tempdir().unwrap();
        let file = put(&folder, "instances.json", content);
        labels_for_image(Path::new(image), Some(&file), VGA, &names(class_names)).unwrap()
    }

    #[test]
    fn categories_follow_the_datas_names() {
        let labels = of("/data/train/photo.jpg", FILE, &["car", "dog"]);
        assert_eq!(
            boxes(&labels),
            [(1, [10.0, 20.5, 40.0, 60.5]), (0, [0.0, 0.0, 640.0, 480.0])]
        );
        assert_eq!(
            warnings(&labels),
            [
                "1 annotations belong to no image of the file",
                "annotation 5 skipped: width 0 and height 2 must be greater than 0",
                "annotation 6 skipped: its bbox is not a list of 4 numbers",
                "annotation 7 skipped: the file has no such category",
                "annotation 8 skipped: the data's names do not have 'brush'",
                "annotation x skipped: its bbox is not a list of 4 numbers",
                "1 crowd regions of train/photo.jpg are not used",
            ]
        );
    }

    #[test]
    fn without_names_categories_come_in_the_order_of_their_ids() {
        let labels = of("/data/train/photo.jpg", FILE, &[]);
        assert_eq!(labels.names, ["car", "dog", "brush"]);
        assert_eq!(
            labels
                .labels
                .iter()
                .map(|label| label.class)
                .collect::<Vec<_>>(),
            [1, 0, 2]
        );
        assert_eq!(
            labels.labels[2].bbox,
            BoundingBox::new(600.0, 400.0, 640.0, 480.0)
        );
    }

    #[test]
    fn the_longest_file_name_at_the_end_of_the_path_wins() {
        assert_eq!(
            boxes(&of("/data/val/photo.jpg", FILE, &["car"])),
            [(0, [5.0, 5.0, 10.0, 10.0])]
        );
        // Neither entry's folder is this one's: two have the name, so none is meant.
        let neither = of("/data/test/photo.jpg", FILE, &["car"]);
        assert_eq!(neither.labels, []);
        assert_eq!(
            neither.warnings.last().unwrap().message,
            "the file does not list the image photo.jpg"
        );
        // One alone has the name, wherever it lies.
        let other = of("elsewhere/other.jpg", FILE, &["car"]);
        assert_eq!(
            other.warnings.last().unwrap().message,
            "made for an image of 320 × 480 px, but the image has 640 × 480"
        );
    }

    #[test]
    fn a_file_that_changes_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = put(&folder, "a.json", FILE);
        let read = || labels_for_image(Path::new("train/photo.jpg"), Some(&file), VGA, &[]);
        assert_eq!(read().unwrap().labels.len(), 3);
        fs::write(&file, r#"{"images": []}"#).unwrap();
        assert_eq!(read().unwrap().labels.len(), 0);
    }

    #[test]
    fn what_is_no_coco_file_is_an_error_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        for (content, place) in [
            ("[1, 2]", "line 1"),
            ("{\"images\": [\n{]}", "line 2"),
            ("{}", "`images`"),
        ] {
            let file = put(&folder, "a.json", content);
            let error = labels_for_image(Path::new("a.jpg"), Some(&file), VGA, &[])
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("not a COCO annotation file") && error.contains(place),
                "{error}"
            );
        }
    }
}

mod finding {
    use super::*;

    fn found(files: &[&str], image: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            put(&folder, file, "");
        }
        let label = find_labels(&folder.path().join(image))?;
        Some(
            label
                .strip_prefix(folder.path())
                .unwrap()
                .to_string_lossy()
                .into_owned(),
        )
    }

    #[test]
    fn the_last_images_folder_becomes_labels() {
        let files = [
            "images/images/a.b.txt",
            "images/labels/train/a.b.txt",
            "labels/images/train/a.b.txt",
        ];
        assert_eq!(
            found(&files, "images/images/train/a.b.jpg").unwrap(),
            "images/labels/train/a.b.txt"
        );
    }

    #[test]
    fn then_a_file_beside_the_image() {
        assert_eq!(
            found(&["d/a.txt", "d/a.xml"], "d/a.jpg").unwrap(),
            "d/a.txt"
        );
        assert_eq!(
            found(&["d/a.xml", "annotations/a.xml"], "d/a.jpg").unwrap(),
            "d/a.xml"
        );
        assert_eq!(
            found(&["labels/a.txt", "images/a.txt"], "images/a.jpg").unwrap(),
            "labels/a.txt"
        );
    }

    #[test]
    fn then_a_voc_folder() {
        assert_eq!(
            found(&["Annotations/a.xml"], "JPEGImages/a.jpg").unwrap(),
            "Annotations/a.xml"
        );
        assert_eq!(
            found(&["annotations/a.xml"], "images/train/a.jpg").unwrap(),
            "annotations/a.xml"
        );
        assert_eq!(
            found(
                &["annotations/train/a.xml", "annotations/a.xml"],
                "images/train/a.jpg"
            )
            .unwrap(),
            "annotations/train/a.xml"
        );
        assert_eq!(found(&["b.txt"], "a.jpg"), None);
    }

    #[test]
    fn no_labels_are_a_background_but_a_missing_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("a.jpg");
        let labels = labels_for_image(&image, None, VGA, &names(&["cat"])).unwrap();
        assert_eq!(
            labels,
            Labels {
                names: names(&["cat"]),
                ..Labels::default()
            }
        );
        let missing = folder.path().join("missing.txt");
        let error = labels_for_image(&image, Some(&missing), VGA, &[])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&missing.display().to_string()), "{error}");
    }

    #[test]
    fn a_folder_of_labels_may_be_given() {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, "mine/a.txt", "4 0.5 0.5 1 1");
        let mine = folder.path().join("mine");
        let labels = labels_for_image(Path::new("images/a.png"), Some(&mine), VGA, &[]).unwrap();
        assert_eq!(
            labels.labels,
            [Label {
                class: 4,
                bbox: BoundingBox::new(0.0, 0.0, 640.0, 480.0)
            }]
        );
        assert_eq!(labels.source, Some(mine.join("a.txt")));
    }

    #[test]
    fn without_an_extension_the_content_says_the_format() {
        assert_eq!(boxes(&read("labels", "0 0.5 0.5 1 1", &[])).len(), 1);
        let xml = "<annotation><object><name>a</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>\
            </bndbox></object></annotation>";
        assert_eq!(boxes(&read("labels", xml, &[])).len(), 1);
        assert_eq!(read("labels", r#" {"images": []}"#, &[]).warnings.len(), 1);
    }

    #[test]
    fn counts_come_without_a_look_at_the_numbers() {
        let folder = tempfile::tempdir().unwrap();
        put(&folder, "a.txt", "0 1\n\n0 2\n");
        put(
            &folder,
            "b.xml",
            "<annotation><object></object><object></object><object></object></annotation>",
        );
        assert_eq!(label_count(&folder.path().join("a.jpg")), Some(2));
        assert_eq!(label_count(&folder.path().join("b.jpg")), Some(3));
        assert_eq!(label_count(&folder.path().join("c.jpg")), None);
    }
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
            rows.into_iter()
                .map(|row| format!("0 {}\n", line(row)))
                .collect::<String>()
                .into_bytes()
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
