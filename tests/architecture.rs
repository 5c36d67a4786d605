//! Who may import whom, and that the code map in `lib.rs` is true. Reads the sources, runs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A part of the tree: which modules of the crate it may name, and which crates it never does.
struct Rule {
    part: &'static str,
    may_use: &'static [&'static str],
    never: &'static [&'static str],
}

const MODELS: &[&str] = &[
    "files",
    "geometry",
    "grid",
    "format",
    "draws",
    "dataset",
    "yolo",
    "imitation",
    "inspect",
    "train",
    "device",
    "native",
    "story",
    "export",
];
const WINDOW: &[&str] = &[
    "files",
    "geometry",
    "grid",
    "format",
    "dataset",
    "yolo",
    "imitation",
    "inspect",
    "survey",
    "train",
    "preflight",
    "story",
    "worker",
    "export",
    "app",
    "ui",
];

const RULES: &[Rule] = &[
    Rule { part: "geometry.rs", may_use: &[], never: &["tch", "egui", "eframe", "image"] },
    Rule { part: "grid.rs", may_use: &[], never: &["tch", "egui", "eframe", "image"] },
    Rule { part: "files.rs", may_use: &[], never: &["tch", "egui", "eframe", "image"] },
    Rule { part: "format.rs", may_use: &[], never: &["tch", "egui", "eframe", "image"] },
    Rule { part: "story", may_use: &["format", "story"], never: &["tch", "egui", "eframe", "image"] },
    Rule { part: "draws.rs", may_use: &[], never: &["tch", "egui", "eframe", "image"] },
    Rule { part: "native", may_use: &["native"], never: &["egui", "eframe", "image", "std::thread"] },
    Rule { part: "device.rs", may_use: &["native"], never: &["egui", "eframe"] },
    Rule { part: "dataset", may_use: &["files", "geometry", "draws", "dataset"], never: &["tch", "egui", "eframe"] },
    Rule {
        part: "yolo",
        may_use: &["files", "geometry", "draws", "export", "native", "yolo"],
        never: &["egui", "eframe", "std::thread"],
    },
    Rule {
        part: "imitation",
        may_use: &["geometry", "grid", "draws", "native", "yolo", "imitation"],
        never: &["egui", "eframe", "std::thread"],
    },
    Rule {
        part: "survey",
        may_use: &["geometry", "dataset", "yolo", "imitation", "survey"],
        never: &["tch", "egui", "eframe", "image", "std::thread"],
    },
    Rule { part: "inspect", may_use: MODELS, never: &["egui", "eframe", "std::thread"] },
    Rule { part: "train", may_use: MODELS, never: &["egui", "eframe"] },
    Rule {
        part: "preflight",
        may_use: &["geometry", "format", "dataset", "yolo", "imitation", "inspect", "native", "train", "preflight"],
        never: &["egui", "eframe", "std::thread"],
    },
    Rule {
        part: "bench",
        may_use: &[
            "geometry",
            "format",
            "dataset",
            "yolo",
            "imitation",
            "inspect",
            "native",
            "train",
            "device",
            "bench",
        ],
        never: &["egui", "eframe", "image"],
    },
    Rule {
        part: "export",
        may_use: &["geometry", "grid", "format", "story", "export"],
        never: &["egui", "eframe", "tch"],
    },
    Rule {
        part: "worker",
        may_use: &[
            "geometry",
            "grid",
            "dataset",
            "yolo",
            "imitation",
            "inspect",
            "survey",
            "train",
            "preflight",
            "device",
            "export",
            "worker",
        ],
        never: &["egui", "eframe"],
    },
    Rule {
        part: "cli",
        may_use: &[
            "files",
            "geometry",
            "grid",
            "format",
            "dataset",
            "yolo",
            "imitation",
            "inspect",
            "survey",
            "train",
            "preflight",
            "device",
            "story",
            "export",
            "bench",
            "app",
            "cli",
        ],
        never: &["egui", "eframe"],
    },
    Rule { part: "app", may_use: WINDOW, never: &["tch"] },
    Rule { part: "ui", may_use: WINDOW, never: &["tch"] },
];

/// Files of yolo, imitation and train that the window and a survey may name: plain numbers, no tensor.
const PLAIN: &[&str] = &[
    "imitation::choice",
    "imitation::lambda",
    "yolo::anchors",
    "yolo::assign",
    "yolo::detection",
    "imitation::mask",
    "imitation::difference",
    "imitation::explain",
    "train::comparison",
    "train::config",
    "train::event",
    "train::evaluate",
    "train::hyp",
    "train::record",
    "train::replay",
    "train::verdict",
    "preflight::report",
    "train::verdict",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The code lines of a file: no comments, and nothing from its tests on.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a readable source");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every `crate::a::b` that the code names, as "a::b" (or "a").
fn crate_paths(code: &str) -> BTreeSet<String> {
    code.match_indices("crate::")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'))
        .map(|(at, found)| {
            let rest = &code[at + found.len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            rest[..end].trim_end_matches(':').split("::").take(2).collect::<Vec<_>>().join("::")
        })
        .collect()
}

fn names_crate(code: &str, krate: &str) -> bool {
    code.match_indices(krate).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + krate.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"') && after.starts_with("::")
    })
}

fn rule_of(relative: &str) -> Option<&'static Rule> {
    let part = relative.split('/').next()?;
    RULES.iter().find(|rule| rule.part == part || rule.part == part.trim_end_matches(".rs"))
}

#[test]
fn modules_import_only_what_they_may() {
    let mut wrong = Vec::new();
    for path in sources(&src()) {
        let relative = path.strip_prefix(src()).expect("below src").to_string_lossy().replace('\\', "/");
        if relative == "lib.rs" || relative == "main.rs" {
            continue;
        }
        let Some(rule) = rule_of(&relative) else {
            wrong.push(format!("{relative}: no rule for this part of the tree"));
            continue;
        };
        let code = code(&path);
        for used in crate_paths(&code) {
            let module = used.split("::").next().unwrap_or_default();
            if !rule.may_use.contains(&module) {
                wrong.push(format!("{relative} uses crate::{used}"));
            }
            let is_plain = ["app", "ui", "survey"].contains(&rule.part);
            let is_models = ["yolo", "imitation", "train"].contains(&module);
            if is_plain && is_models && !PLAIN.contains(&used.as_str()) {
                wrong.push(format!("{relative} uses crate::{used}, which holds tensors"));
            }
        }
        for krate in rule.never {
            if names_crate(&code, krate) {
                wrong.push(format!("{relative} names {krate}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// No file's code is run: libtorch's loaders of TorchScript and of pickles are named nowhere.
#[test]
fn nothing_loads_a_program_from_a_file() {
    let loaders = ["CModule", "TrainableCModule", "jit_load", "jit::load", "Tensor::load", "load_multi", "atm_load"];
    for path in sources(&src()) {
        let code = code(&path);
        for loader in loaders {
            assert!(!code.contains(loader), "{} names {loader}", path.display());
        }
    }
}

#[test]
fn nothing_opens_a_connection() {
    for path in sources(&src()) {
        let code = code(&path);
        assert!(!["std::net", "TcpStream", "UdpSocket"].iter().any(|name| code.contains(name)), "{}", path.display());
    }
}

#[test]
fn the_code_map_names_every_module_and_nothing_else() {
    let lib = fs::read_to_string(src().join("lib.rs")).expect("lib.rs");
    let declared: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'))).collect();
    let mapped: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("//! - [`").and_then(|rest| rest.split('`').next())).collect();
    assert!(declared.len() > 8, "lib.rs was not understood");
    assert_eq!(declared, mapped);
}

#[test]
fn the_check_sees_a_forbidden_import() {
    let code = "use crate::yolo::network::Model;\nuse tch::Tensor;\nlet x = my_tch::y; // tch::z";
    assert!(crate_paths(code).contains("yolo::network"));
    assert!(names_crate(code, "tch"));
    assert!(!names_crate("use pitch::Tensor; let s = \"tch\";", "tch"));
}
