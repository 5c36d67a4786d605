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
    assert_eq!(boxes(&labels), [(1, [10.0, 20.5, 40.0, 60.5]), (0, [0.0, 0.0, 640.0, 480.0])]);
    assert_eq!(
        warnings(&labels),
        [
            "annotations of images that the file does not list: 1",
            "annotation 5 skipped: width 0 and height 2 must be greater than 0",
            "annotation 6 skipped: its bbox is not a list of 4 numbers",
            "annotation 7 skipped: the file has no such category",
            "annotation 8 skipped: the data's names do not have 'brush'",
            "annotation x skipped: its bbox is not a list of 4 numbers",
            "crowd regions not used: 1",
        ]
    );
}

#[test]
fn without_names_categories_come_in_the_order_of_their_ids() {
    let labels = of("/data/train/photo.jpg", FILE, &[]);
    assert_eq!(labels.names, ["car", "dog", "brush"]);
    assert_eq!(labels.labels.iter().map(|label| label.class).collect::<Vec<_>>(), [1, 0, 2]);
    assert_eq!(labels.labels[2].bbox, BoundingBox::new(600.0, 400.0, 640.0, 480.0));
}

#[test]
fn the_longest_file_name_at_the_end_of_the_path_wins() {
    assert_eq!(boxes(&of("/data/val/photo.jpg", FILE, &["car"])), [(0, [5.0, 5.0, 10.0, 10.0])]);
    // Neither entry's folder is this one's: two have the name, so none is meant.
    let neither = of("/data/test/photo.jpg", FILE, &["car"]);
    assert_eq!(neither.labels, []);
    assert_eq!(neither.warnings.last().unwrap().message, "the file does not list the image photo.jpg");
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
    for (content, place) in [("[1, 2]", "line 1"), ("{\"images\": [\n{]}", "line 2"), ("{}", "`images`")] {
        let file = put(&folder, "a.json", content);
        let error = labels_for_image(Path::new("a.jpg"), Some(&file), VGA, &[]).unwrap_err().to_string();
        assert!(error.contains("not a COCO annotation file") && error.contains(place), "{error}");
    }
}
