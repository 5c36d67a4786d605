//! `data.yaml` in the forms that people have.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use distillscope::dataset::{DataYaml, DatasetError, Split};
use proptest::prelude::*;
use tempfile::TempDir;

fn write(folder: &TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn load(content: &str) -> Result<DataYaml, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    DataYaml::load(&write(&folder, "data.yaml", content))
}

fn names(content: &str) -> Vec<String> {
    load(content).unwrap().names
}

/// The message after the file's name.
fn message(content: &str) -> String {
    let text = load(content).unwrap_err().to_string();
    text.split_once("data.yaml: ").unwrap().1.to_owned()
}

#[test]
fn names_come_as_a_list_or_as_a_map() {
    assert_eq!(names("names: [cat, 'dog']"), ["cat", "dog"]);
    assert_eq!(names("names:\n- cat\n- dog\nnc: 2\n"), ["cat", "dog"]);
    assert_eq!(names("names:\n  0: cat\n  1: dog\n"), ["cat", "dog"]);
    assert_eq!(names("names: {1: dog, 0: cat}"), ["cat", "dog"]);
    assert_eq!(names("names: {\"0\": cat, '1': dog}"), ["cat", "dog"]);
    assert_eq!(names("nc: 3"), ["class 0", "class 1", "class 2"]);
}

#[test]
fn names_that_look_like_numbers_or_truth_values_are_texts() {
    assert_eq!(names("names: [0, 7, no, true, 1.50, ~é]"), ["0", "7", "no", "true", "1.50", "~é"]);
    assert_eq!(names("names: {0: 0, 1: yes}"), ["0", "yes"]);
}

#[test]
fn what_is_wrong_with_the_names_is_said() {
    assert_eq!(message("nc: 3\nnames: [a, b]"), "not a data.yaml: nc is 3, but there are 2 names");
    assert_eq!(message("names: {0: a, 2: c}"), "not a data.yaml: names: class 1 has no name, but higher ones have");
    assert_eq!(message("names: {a: 0}"), "not a data.yaml: names: the key 'a' is not a class index from 0 up");
    assert_eq!(message("names: {0: a, '0': b}"), "not a data.yaml: names: class 0 is named twice");
    assert_eq!(message("train: x"), "not a data.yaml: there is no 'names:' in it; list the classes' names");
    assert_eq!(message("names: []"), "not a data.yaml: names: the list is empty");
    assert_eq!(message("nc: 4000000000"), "not a data.yaml: nc: 4000000000 classes are more than 65536");
}

#[test]
fn a_syntax_error_is_one_line_with_its_place() {
    for content in ["names: [a, b", "- just\n- a list\n", "a: b: c\n", ""] {
        let message = message(content);
        assert!(!message.contains('\n'), "{message}");
    }
    assert!(message("names: [a]\ntrain: [x\n").contains("line"), "{}", message("names: [a]\ntrain: [x\n"));
}

#[test]
fn unknown_keys_and_download_are_ignored() {
    let content =
        "names: [a]\ntrain: x\ndownload: |\n  import os\n  os.remove('x')\nroboflow: {a: 1}\nkpt_shape: [17, 3]\n";
    assert_eq!(names(content), ["a"]);
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut content = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let previous = vec![format!("*a{}", level - 1); 10].join(", ");
        content.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
    }
    content.push_str("names: *a11\n");
    assert!(load(&content).is_err());
}

#[test]
fn splits_are_folders_lists_or_several() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["set/images/a", "set/images/b", "set/images/val"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    write(&folder, "set/list.txt", "");
    let file = write(
        &folder,
        "data.yaml",
        "path: ./set\ntrain:\n- images/a\n- images/b\n- list.txt\nval: images/val\ntest:\nnames: [x]\n",
    );
    let data = DataYaml::load(&file).unwrap();
    let set = folder.path().join("set");
    assert_eq!(data.sources(Split::Train).unwrap(), [set.join("images/a"), set.join("images/b"), set.join("list.txt")]);
    assert_eq!(data.sources(Split::Val).unwrap(), [set.join("images/val")]);
    assert!(data.has(Split::Val) && !data.has(Split::Test));
    assert_eq!(
        data.sources(Split::Test).unwrap_err().to_string(),
        format!("{}: there is no 'test:' in it; name a folder, a .txt list, or a list of them", file.display())
    );
}

#[test]
fn path_is_seen_from_the_files_folder_then_from_above() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| fs::create_dir_all(folder.path().join(name)).unwrap();
    let train_of = |yaml: &str, content: &str| {
        let file = write(&folder, yaml, content);
        let found = DataYaml::load(&file).unwrap().sources(Split::Train).unwrap();
        found[0].canonicalize().unwrap()
    };
    let at = |name: &str| folder.path().join(name).canonicalize().unwrap();

    make("one/images/train");
    assert_eq!(train_of("one/data.yaml", "path: .\ntrain: images/train\nnames: [x]"), at("one/images/train"));
    assert_eq!(train_of("one/data.yaml", "train: images/train\nnames: [x]"), at("one/images/train"));
    // As Roboflow writes it: one `../` too much.
    assert_eq!(train_of("one/data.yaml", "train: ../images/train\nnames: [x]"), at("one/images/train"));
    let absolute = format!("path: {}\ntrain: images/train\nnames: [x]", at("one").display());
    assert_eq!(train_of("two/data.yaml", &absolute), at("one/images/train"));
    // As in upstream's repository: data/coco128.yaml with `path: ../datasets/coco128`, seen from the folder above.
    make("datasets/coco128/images/train");
    make("repo/data");
    assert_eq!(
        train_of("repo/data/coco128.yaml", "path: ../datasets/coco128\ntrain: images/train\nnames: [x]"),
        at("datasets/coco128/images/train")
    );
    assert_eq!(
        train_of("repo/coco128.yaml", "path: coco128\ntrain: images/train\nnames: [x]"),
        at("datasets/coco128/images/train")
    );
}

#[test]
fn a_missing_folder_says_where_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "data.yaml", "path: nowhere\ntrain: images/train\nnames: [x]");
    let error = DataYaml::load(&file).unwrap().sources(Split::Train).unwrap_err();
    let DatasetError::SplitNotFound { tried, .. } = &error else { panic!("{error}") };
    assert_eq!(tried[0], folder.path().join("nowhere/images/train"));
    assert_eq!(tried[1], Path::new("nowhere/images/train"));
    assert!(error.to_string().contains("'train: images/train' was not found; tried "), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(content in "[ -~\n]{0,200}") {
        let _ = load(&content);
    }

    #[test]
    fn almost_yaml_is_read_or_refused(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "names", "nc", "train", "path", ":", " ", "\n", "- ", "[", "]", "{", "}", ",", "&a ", "*a", "<<", "0",
                "1", "'", "\"", "|", "---", "!!int ", "~", "#",
            ]),
            0..60,
        ),
    ) {
        let _ = load(&pieces.concat());
    }
}
