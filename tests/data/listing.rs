//! The images of a split: all of them, once, in upstream's order, and at once even where there are many.

#![allow(clippy::unwrap_used, reason = "in a test, a failed set-up is a failed test")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use distillscope::dataset::{Listing, images_beside, is_image, list_images};
use tempfile::TempDir;

fn touch(folder: &TempDir, names: &[&str]) {
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
}

/// The listed paths as seen from `folder`, and what the listing says.
fn list(folder: &TempDir, sources: &[&str]) -> (Vec<String>, Listing) {
    let sources: Vec<PathBuf> = sources.iter().map(|source| folder.path().join(source)).collect();
    let mut paths = Vec::new();
    let listing = list_images(&sources, &mut |batch| {
        paths.extend(batch.iter().map(|path| {
            let path = path.strip_prefix(folder.path()).unwrap_or(path);
            path.to_string_lossy().into_owned()
        }));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(listing.images, paths.len());
    (paths, listing)
}

#[test]
fn extensions_make_an_image_in_any_case() {
    for name in ["a.jpg", "a.JPEG", "b/c.Png", "a.b.webp", "x.tif", "x.TIFF", "x.bmp", "x.mpo"] {
        assert!(is_image(Path::new(name)), "{name}");
    }
    for name in ["a", "a.txt", "jpg", ".jpg", "a.jpg.txt", "a.gif"] {
        assert!(!is_image(Path::new(name)), "{name}");
    }
}

#[test]
fn folders_are_walked_in_the_order_of_their_full_paths() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected =
        ["d/a-b/x.jpg", "d/a/x.jpg", "d/a.jpg", "d/a/b/c.png", "d/B.jpg", "d/a0.jpg", "d/é.jpg", "d/z/0.bmp"];
    touch(&folder, &expected);
    touch(&folder, &["d/notes.txt", "d/.hidden.jpg", "d/.git/x.jpg"]);
    expected.sort_unstable();
    assert_eq!(list(&folder, &["d"]).0, expected);
}

#[test]
fn a_list_names_images_from_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    touch(&folder, &["sets/images/b.jpg", "sets/images/a.jpg", "far/c.jpg"]);
    let absolute = folder.path().join("far/c.jpg");
    let content =
        format!("./images/b.jpg\r\n\nimages/a.jpg\n{}\nimages/missing.jpg\nimages/a.jpg\nREADME\n", absolute.display());
    fs::write(folder.path().join("sets/train.txt"), content).unwrap();
    let (mut paths, listing) = list(&folder, &["sets/train.txt"]);
    paths.sort_unstable();
    assert_eq!(paths, ["far/c.jpg", "sets/images/a.jpg", "sets/images/b.jpg", "sets/images/missing.jpg"]);
    let list_file = folder.path().join("sets/train.txt");
    assert_eq!(
        listing.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [format!("{}:7: 'README' does not end like an image; left out", list_file.display())]
    );
}

#[test]
fn an_image_that_two_sources_name_comes_once() {
    let folder = tempfile::tempdir().unwrap();
    touch(&folder, &["a/1.jpg", "a/2.jpg", "b/3.jpg"]);
    fs::write(folder.path().join("list.txt"), "./a/2.jpg\n./b/3.jpg\n").unwrap();
    assert_eq!(list(&folder, &["list.txt", "a", "b/3.jpg"]).0, ["a/2.jpg", "b/3.jpg", "a/1.jpg"]);
}

#[test]
fn a_missing_source_is_an_error_and_an_empty_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(list(&folder, &["."]).1, Listing::default());
    let missing = folder.path().join("nowhere");
    let error = list_images(std::slice::from_ref(&missing), &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().starts_with(&missing.display().to_string()), "{error}");
}

#[test]
fn the_first_batch_is_small_and_the_caller_can_stop() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..500 {
        fs::write(folder.path().join(format!("{number:03}.jpg")), "").unwrap();
    }
    let mut batches = Vec::new();
    let listing = list_images(&[folder.path().to_owned()], &mut |batch| {
        batches.push(batch.len());
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(batches, [64]);
    assert_eq!((listing.images, listing.stopped), (64, true));
    assert_eq!(list(&folder, &["."]).0.len(), 500);
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_a_loop() {
    let folder = tempfile::tempdir().unwrap();
    touch(&folder, &["a/1.jpg"]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("gone"), folder.path().join("a/dangling")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    touch(&outside, &["2.jpg"]);
    std::os::unix::fs::symlink(outside.path(), folder.path().join("b")).unwrap();
    assert_eq!(list(&folder, &["."]).0, ["a/1.jpg", "b/2.jpg"]);
}

/// Two folders with two links each to one another: without an end, and twice as wide at every level.
#[cfg(unix)]
#[test]
fn each_folder_behind_links_is_walked_once() {
    let folder = tempfile::tempdir().unwrap();
    touch(&folder, &["a/1.jpg", "b/2.jpg"]);
    for link in ["x", "y"] {
        std::os::unix::fs::symlink("../b", folder.path().join("a").join(link)).unwrap();
        std::os::unix::fs::symlink("../a", folder.path().join("b").join(link)).unwrap();
    }
    let (images, listing) = list(&folder, &["."]);
    assert_eq!(images, ["a/1.jpg", "a/x/2.jpg"]);
    let left_out: Vec<String> = listing.warnings.iter().map(ToString::to_string).collect();
    assert!(
        left_out.iter().all(|warning| warning.contains("a link to a folder that was read already")),
        "{left_out:?}"
    );
    assert!(!left_out.is_empty());
    // As a source of its own, either is whole.
    assert_eq!(list(&folder, &["b"]).0.len(), 2);
}

#[test]
fn beside_an_image_are_its_siblings_and_nothing_deeper() {
    let folder = tempfile::tempdir().unwrap();
    touch(&folder, &["b.jpg", "a.PNG", "notes.txt", "below/c.jpg"]);
    let file = |name: &str| folder.path().join(name);
    assert_eq!(images_beside(&file("b.jpg")).unwrap(), [file("a.PNG"), file("b.jpg")]);
}
