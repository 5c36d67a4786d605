use super::*;

fn found(files: &[&str], image: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        put(&folder, file, "");
    }
    let label = find_labels(&folder.path().join(image))?;
    Some(label.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned())
}

#[test]
fn the_last_images_folder_becomes_labels() {
    let files = ["images/images/a.b.txt", "images/labels/train/a.b.txt", "labels/images/train/a.b.txt"];
    assert_eq!(found(&files, "images/images/train/a.b.jpg").unwrap(), "images/labels/train/a.b.txt");
}

#[test]
fn then_a_file_beside_the_image() {
    assert_eq!(found(&["d/a.txt", "d/a.xml"], "d/a.jpg").unwrap(), "d/a.txt");
    assert_eq!(found(&["d/a.xml", "annotations/a.xml"], "d/a.jpg").unwrap(), "d/a.xml");
    assert_eq!(found(&["labels/a.txt", "images/a.txt"], "images/a.jpg").unwrap(), "labels/a.txt");
}

#[test]
fn then_a_voc_folder() {
    assert_eq!(found(&["Annotations/a.xml"], "JPEGImages/a.jpg").unwrap(), "Annotations/a.xml");
    assert_eq!(found(&["annotations/a.xml"], "images/train/a.jpg").unwrap(), "annotations/a.xml");
    assert_eq!(
        found(&["annotations/train/a.xml", "annotations/a.xml"], "images/train/a.jpg").unwrap(),
        "annotations/train/a.xml"
    );
    assert_eq!(found(&["b.txt"], "a.jpg"), None);
}

#[test]
fn no_labels_are_a_background_but_a_missing_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.jpg");
    let labels = labels_for_image(&image, None, VGA, &names(&["cat"])).unwrap();
    assert_eq!(labels, Labels { names: names(&["cat"]), ..Labels::default() });
    let missing = folder.path().join("missing.txt");
    let error = labels_for_image(&image, Some(&missing), VGA, &[]).unwrap_err().to_string();
    assert!(error.starts_with(&missing.display().to_string()), "{error}");
}

#[test]
fn a_folder_of_labels_may_be_given() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder, "mine/a.txt", "4 0.5 0.5 1 1");
    let mine = folder.path().join("mine");
    let labels = labels_for_image(Path::new("images/a.png"), Some(&mine), VGA, &[]).unwrap();
    assert_eq!(labels.labels, [Label { class: 4, bbox: BoundingBox::new(0.0, 0.0, 640.0, 480.0) }]);
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
    put(&folder, "b.xml", "<annotation><object></object><object></object><object></object></annotation>");
    assert_eq!(label_count(&folder.path().join("a.jpg")), Some(2));
    assert_eq!(label_count(&folder.path().join("b.jpg")), Some(3));
    assert_eq!(label_count(&folder.path().join("c.jpg")), None);
}
