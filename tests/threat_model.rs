//! That the tests which `docs/threat-model.md` names are there, and that nothing reads a file past `src/files.rs`. Reads
//! sources, runs nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source below a folder, and its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).expect("a source");
            found.push((entry, text));
        }
    }
    found
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/threat-model.md")).expect("the page");
    let all = ["src", "tests"].map(|folder| sources(&root.join(folder)));
    let text: String = all.into_iter().flatten().map(|(_, text)| text).collect();
    let named = page.split('`').skip(1).step_by(2);
    let tests: Vec<&str> = named.filter(|name| name.matches('_').count() > 1 && !name.contains(['/', '.'])).collect();
    assert!(tests.len() > 40, "{tests:?}");
    let missing: Vec<&&str> = tests.iter().filter(|name| !text.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Regular files alone, each with its bound: what is opened elsewhere is a folder, the system's own, or written.
#[test]
fn every_file_is_read_through_files_rs() {
    const OPENS: [&str; 5] = ["fs::read(", "fs::read_to_string(", "File::open(", "File::options(", "OpenOptions::new("];
    const MAY: [&str; 5] =
        ["files/mod.rs", "files/atomic.rs", "files/tensorboard.rs", "train/lock.rs", "bench/machine.rs"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let all = sources(&root);
    assert!(all.len() > 200);
    for (path, text) in all {
        let name = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if !MAY.contains(&name.as_str()) && !name.ends_with("/tests.rs") {
            let found: Vec<&str> = OPENS.into_iter().filter(|open| code.contains(open)).collect();
            assert!(found.is_empty(), "{name} has {found:?}; files::read and its kin know bounds and pipes");
        }
    }
}
