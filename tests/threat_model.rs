//! That the tests which `docs/threat-model.md` names are there. Reads sources, runs nothing.

use std::fs;
use std::path::Path;

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, text);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(&entry).expect("a source");
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/threat-model.md")).expect("the page");
    let mut text = String::new();
    sources(&root.join("src"), &mut text);
    sources(&root.join("tests"), &mut text);
    let named = page.split('`').skip(1).step_by(2);
    let tests: Vec<&str> = named.filter(|name| name.matches('_').count() > 1 && !name.contains(['/', '.'])).collect();
    assert!(tests.len() > 40, "{tests:?}");
    let missing: Vec<&&str> = tests.iter().filter(|name| !text.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
