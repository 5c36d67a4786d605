//! A split is read whole: what cannot be used is named, what cannot be meant is an error.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use distillscope::dataset::{DataYaml, DatasetError, Label, Samples, Split};
use distillscope::geometry::{BoundingBox, Size};
use image::RgbImage;
use tempfile::TempDir;

struct Data {
    folder: TempDir,
}

impl Data {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = Self { folder };
        data.write("data.yaml", b"path: .\ntrain: images\nnames: [cat, dog]\n");
        data
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// An image of 40 × 20 px, and its labels where there are any.
    fn image(&self, name: &str, labels: Option<&str>) {
        let path = self.path(&format!("images/{name}.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::new(40, 20).save(path).unwrap();
        if let Some(labels) = labels {
            self.write(&format!("labels/{name}.txt"), labels.as_bytes());
        }
    }

    fn load(&self) -> Result<Samples, DatasetError> {
        self.load_until(usize::MAX)
    }

    fn load_until(&self, images: usize) -> Result<Samples, DatasetError> {
        let data = DataYaml::load(&self.path("data.yaml"))?;
        Samples::load(&data, Split::Train, &mut |done, _| {
            if done >= images { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

fn file_names(samples: &Samples) -> Vec<String> {
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    samples.samples.iter().map(|sample| name(&sample.image)).collect()
}

#[test]
fn images_come_with_size_and_boxes_and_backgrounds_stay() {
    let data = Data::new();
    data.image("b", Some("1 0.5 0.5 0.5 0.5\n"));
    data.image("a", None);
    data.image("c", Some(""));
    let samples = data.load().unwrap();
    assert_eq!(file_names(&samples), ["a", "b", "c"]);
    assert_eq!(samples.names, ["cat", "dog"]);
    assert_eq!(samples.samples[1].size, Size::new(40, 20));
    assert_eq!(samples.samples[1].labels, [Label { class: 1, bbox: BoundingBox::new(10.0, 5.0, 30.0, 15.0) }]);
    assert!(samples.samples[0].labels.is_empty() && samples.samples[2].labels.is_empty());
    assert_eq!((samples.labels(), samples.left_out.len(), samples.warnings.len()), (1, 0, 0));
}

#[test]
fn a_class_without_a_name_is_an_error_with_file_and_line() {
    let data = Data::new();
    data.image("a", Some("0 0.5 0.5 0.5 0.5\n"));
    data.image("b", Some("1 0.5 0.5 0.2 0.2\n\n2 0.5 0.5 0.5 0.5\n"));
    let message = data.load().unwrap_err().to_string();
    let expected = "labels/b.txt:3: class 2, but the data has 2 classes (0 to 1); \
                    correct the label or the names in data.yaml";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn an_image_with_a_damaged_header_is_left_out_named_and_counted() {
    let data = Data::new();
    data.image("a", Some("0 0.5 0.5 0.5 0.5\n"));
    data.write("images/b.png", b"\x89PNG\r\n\x1a\nnot a header");
    data.write("labels/b.txt", b"0 0.5 0.5 0.5 0.5\n");
    let samples = data.load().unwrap();
    assert_eq!((file_names(&samples), samples.left_out.len()), (vec!["a".to_owned()], 1));
    assert_eq!(samples.warnings.len(), 1);
    assert_eq!(samples.warnings[0].file, data.path("images/b.png"));
    assert!(samples.warnings[0].message.starts_with("left out: not an image that can be read"));
}

#[test]
fn warnings_about_labels_are_kept() {
    let data = Data::new();
    data.image("a", Some("0 0.5 0.5 0.5 0.5\n0 0.9 0.5 0.5 0.5\n0 0.5\n"));
    let samples = data.load().unwrap();
    let warned: Vec<_> = samples.warnings.iter().map(|warning| (warning.line, warning.message.as_str())).collect();
    assert_eq!(
        warned,
        [(Some(2), "box reaches past the image; clipped to it"), (Some(3), "expected 5 numbers, found 2"),]
    );
    assert_eq!(samples.labels(), 2);
}

#[test]
fn a_split_without_a_usable_image_is_an_error() {
    let data = Data::new();
    data.write("images/b.png", b"nothing");
    let message = data.load().unwrap_err().to_string();
    assert!(message.contains("data.yaml: 'train' has no image that can be used (1 was left out: "), "{message}");
    assert!(message.contains("b.png: not an image that can be read") && !message.contains('\n'), "{message}");
    data.write("images/c.png", b"nothing either");
    let message = data.load().unwrap_err().to_string();
    assert!(message.contains("(2 were left out; the first: ") && message.contains("b.png: not an image"), "{message}");
}

#[test]
fn a_jpeg_that_is_cut_short_stays_with_a_warning() {
    let data = Data::new();
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * y) as u8; 3]))
        .write_to(&mut bytes, image::ImageFormat::Jpeg)
        .unwrap();
    let bytes = bytes.into_inner();
    data.write("images/whole.jpg", &bytes);
    data.write("images/z.jpg", &bytes[..bytes.len() - 40]);
    let samples = data.load().unwrap();
    assert!(file_names(&samples).contains(&"z".to_owned()));
    let warnings: Vec<String> = samples.warnings.iter().map(ToString::to_string).collect();
    let cut: Vec<&String> = warnings.iter().filter(|warning| warning.contains("the JPEG is cut short")).collect();
    assert!(matches!(cut[..], [one] if one.contains("z.jpg")), "{warnings:?}");
}

#[test]
fn a_reading_that_is_broken_off_gives_what_it_has() {
    let data = Data::new();
    (0..300).for_each(|index| data.image(&format!("{index:03}"), None));
    assert_eq!(data.load_until(256).unwrap().samples.len(), 256);
    assert_eq!(data.load().unwrap().samples.len(), 300);
}

#[test]
fn a_folder_needs_no_data_yaml_and_no_class_names() {
    let data = Data::new();
    data.image("a", Some("7 0.5 0.5 0.2 0.4\n"));
    data.image("b", None);
    data.image("deep/c", Some("0 0.5 0.5 0.5 0.5\n"));
    let load = |source: &str| Samples::load_images(&data.path(source), &mut |_, _| ControlFlow::Continue(()));
    let samples = load("images").unwrap();
    assert_eq!(file_names(&samples), ["a", "b", "c"]);
    // 0.2 · 40 by 0.4 · 20 px about the middle.
    let bbox = BoundingBox::new(16.0, 6.0, 24.0, 14.0);
    assert_eq!(samples.samples[0].labels, [Label { class: 7, bbox }]);
    assert!(samples.names.is_empty() && samples.warnings.is_empty(), "{:?}", samples.warnings);
    // An image stands for those beside it.
    assert_eq!(file_names(&load("images/b.png").unwrap()), ["a", "b"]);
    let error = load("labels").unwrap_err();
    assert!(error.to_string().contains("no image here can be used"), "{error}");
}
