//! Who may import whom, and that the code map in `lib.rs` is true. Reads the sources, runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up: a module imports from its own line and from lines above it in this list, never from one below. A
/// module's line is that of its longest prefix here.
const LAYERS: &[&str] = &[
    // Plain numbers and text.
    "format",
    "geometry",
    "grid",
    "axis",
    "colormap",
    "rng",
    "language",
    "glossary",
    "story",
    "files",
    // Data and models.
    "native",
    "device",
    "dataset",
    "yolo",
    "imitation",
    "survey",
    "inspect",
    "sample",
    "palette",
    "drawing",
    "train",
    "review",
    "preflight",
    "bench",
    "figure",
    "worker",
    // The window: parts of the state, commands, the state, what follows from it, what changes it, its widgets.
    "app::level",
    "app::view",
    "app::dataset",
    "app::measures",
    "app::frames",
    "app::dialog",
    "app::tour",
    "app::talk",
    "app::survey",
    "app::review",
    "app::before_after",
    "app::run",
    "app::figure",
    "app::command",
    "app::messages",
    "app::state",
    "app::session",
    "app::settings",
    "app::io",
    "app::derive",
    "app::command::label",
    "app::command::tooltip",
    "app::command::shortcut",
    "app::command::talk_keys",
    "app::command::tour_keys",
    "app::command::availability",
    "app::command::catalogue",
    "app::update",
    "app",
    "ui",
    "shell",
    "cli",
];

/// Crates that a part never names.
const NEVER: &[(&str, &[&str])] = &[
    ("format", &["tch", "egui", "eframe", "image"]),
    ("geometry", &["tch", "egui", "eframe", "image"]),
    ("grid", &["tch", "egui", "eframe", "image"]),
    ("axis", &["tch", "egui", "eframe", "image"]),
    ("colormap", &["tch", "egui", "eframe", "image"]),
    ("rng", &["tch", "egui", "eframe", "image"]),
    ("language", &["tch", "egui", "eframe", "image"]),
    ("glossary", &["tch", "egui", "eframe", "image"]),
    ("story", &["tch", "egui", "eframe", "image"]),
    ("files", &["tch", "egui", "eframe", "image"]),
    ("native", &["egui", "eframe", "image", "std::thread"]),
    ("device", &["egui", "eframe"]),
    ("dataset", &["tch", "egui", "eframe"]),
    ("yolo", &["egui", "eframe", "std::thread"]),
    ("imitation", &["egui", "eframe", "std::thread"]),
    ("survey", &["tch", "egui", "eframe", "image", "std::thread"]),
    ("inspect", &["egui", "eframe", "std::thread"]),
    ("sample", &["tch", "egui", "eframe", "image"]),
    ("palette", &["tch", "egui", "eframe", "image"]),
    ("drawing", &["tch", "egui", "eframe", "image"]),
    ("train", &["egui", "eframe"]),
    ("review", &["egui", "eframe", "image", "std::thread"]),
    ("preflight", &["egui", "eframe", "std::thread"]),
    ("bench", &["egui", "eframe", "image"]),
    ("figure", &["egui", "eframe", "tch"]),
    ("worker", &["egui", "eframe"]),
    ("app", &["tch", "eframe"]),
    ("ui", &["tch", "eframe"]),
    ("shell", &["tch"]),
    ("cli", &["egui", "eframe"]),
];

/// Files that import each other in a circle, at most.
const LARGEST_CIRCLE: usize = 4;

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
    "train::folder",
    "train::history",
    "train::evaluate",
    "train::hyp",
    "train::metrics",
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

/// The modules of the tree, by path: "train::run"; a folder's `mod.rs` is the folder.
fn modules() -> BTreeMap<String, String> {
    let name = |path: &Path| {
        let relative = path.strip_prefix(src()).expect("below src").with_extension("");
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        parts.join("::").trim_end_matches("::mod").to_owned()
    };
    let ours = sources(&src()).into_iter().filter(|path| !path.ends_with("lib.rs") && !path.ends_with("main.rs"));
    ours.map(|path| (name(&path), code(&path))).collect()
}

/// The paths of a `use`, its braces resolved.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().split_whitespace().collect()];
    };
    let Some(close) = tree.rfind('}').filter(|close| *close > open) else { return Vec::new() };
    let (before, inside) = (&tree[..open], &tree[open + 1..close]);
    let (mut depth, mut start, mut paths) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = &inside[start..at];
                paths.extend(expanded(part).into_iter().map(|path| format!("{}{path}", before.trim())));
                start = at + 1;
            }
            _ => {}
        }
    }
    paths.retain(|path| !path.ends_with("::"));
    paths
}

/// The module of the tree that a path in `module` names, if it names one.
fn resolved(module: &str, path: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
    let mut base: Vec<&str> = module.split("::").collect();
    match *parts.first()? {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            while parts.first() == Some(&"super") {
                base.pop()?;
                parts.remove(0);
            }
        }
        child if modules.contains_key(&format!("{module}::{child}")) => {}
        _ => return None,
    }
    if matches!(parts.first(), Some(&"crate" | &"self")) {
        parts.remove(0);
    }
    let whole: Vec<&str> = base.into_iter().chain(parts).collect();
    (1..=whole.len()).rev().map(|length| whole[..length].join("::")).find(|name| modules.contains_key(name))
}

/// What each module imports, by `use` or by a path in the code.
fn imports(modules: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<String>> {
    let of = |module: &str, code: &str| {
        // Who may see an item is no import.
        let code = code.replace("pub(in crate", "pub(");
        let (mut paths, mut rest, mut done) = (Vec::new(), String::new(), 0);
        for (at, _) in code.match_indices("use ") {
            let line = code[..at].rsplit('\n').next().unwrap_or_default().trim();
            if line.is_empty() || line == "pub" || (line.starts_with("pub(") && line.ends_with(')')) {
                let end = code[at..].find(';').map_or(code.len(), |length| at + length);
                paths.extend(expanded(&code[at + 4..end]));
                rest.push_str(&code[done.min(at)..at]);
                done = end;
            }
        }
        rest.push_str(&code[done..]);
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for piece in rest.split(|c| !is_path(c)).filter(|piece| piece.contains("::")) {
            paths.push(piece.to_owned());
        }
        let named = paths.iter().filter_map(|path| resolved(module, path, modules));
        named.filter(|name| name != module).collect::<BTreeSet<_>>()
    };
    modules.iter().map(|(module, code)| (module.as_str(), of(module, code))).collect()
}

/// The place of a module in [`LAYERS`].
fn layer(module: &str) -> Option<usize> {
    let starts =
        |layer: &&str| module == *layer || module.strip_prefix(*layer).is_some_and(|rest| rest.starts_with("::"));
    let known = LAYERS.iter().enumerate().filter(|(_, layer)| starts(layer));
    known.max_by_key(|(_, layer)| layer.len()).map(|(place, _)| place)
}

/// Every module that can be reached from one.
fn reached<'a>(from: &'a str, imports: &'a BTreeMap<&str, BTreeSet<String>>) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        let named = imports.get(module).into_iter().flatten().map(String::as_str);
        next.extend(named.filter(|name| seen.insert(*name)));
    }
    seen
}

fn names_crate(code: &str, krate: &str) -> bool {
    code.match_indices(krate).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + krate.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '"') && after.starts_with("::")
    })
}

#[test]
fn no_module_imports_from_above_itself() {
    let modules = modules();
    let mut wrong = Vec::new();
    for (module, named) in imports(&modules) {
        let Some(own) = layer(module) else {
            wrong.push(format!("{module} has no layer"));
            continue;
        };
        for other in named {
            if layer(&other).is_some_and(|other| other > own) {
                wrong.push(format!("{module} imports {other}, which stands above it"));
            }
            let is_window = ["app", "ui", "shell"].contains(&module.split("::").next().unwrap_or_default());
            let is_models = ["yolo", "imitation", "train"].contains(&other.split("::").next().unwrap_or_default());
            let plain = |plain: &&str| other == **plain || other.starts_with(&format!("{plain}::"));
            if is_window && is_models && !PLAIN.iter().any(plain) {
                wrong.push(format!("{module} imports {other}, which holds tensors"));
            }
            if module.starts_with("cli") && (other.starts_with("app") || other.starts_with("ui")) {
                wrong.push(format!("{module} imports {other}: the command line knows the window's shell alone"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_circle_of_imports_is_large() {
    let modules = modules();
    let imports = imports(&modules);
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|module| (*module, reached(module, &imports))).collect();
    for (module, seen) in &reach {
        let circle: Vec<_> = seen.iter().filter(|other| reach[**other].contains(module)).collect();
        assert!(circle.len() <= LARGEST_CIRCLE, "{} files import each other in a circle: {circle:?}", circle.len());
    }
}

#[test]
fn parts_name_no_crate_that_is_not_theirs() {
    let mut wrong = Vec::new();
    for (module, code) in modules() {
        let part = module.split("::").next().unwrap_or_default();
        let Some((_, never)) = NEVER.iter().find(|(name, _)| *name == part) else {
            wrong.push(format!("{part}: nothing is said of its crates"));
            continue;
        };
        wrong.extend(
            never.iter().filter(|krate| names_crate(&code, krate)).map(|krate| format!("{module} names {krate}")),
        );
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
fn the_checks_see_what_they_look_for() {
    let paths = expanded("crate::train::{self, run::{RunFolder, start}, Error as E}");
    assert_eq!(
        paths,
        ["crate::train::self", "crate::train::run::RunFolder", "crate::train::run::start", "crate::train::Error"]
    );
    let tree = |files: &[(&str, &str)]| {
        files.iter().map(|(n, c)| ((*n).to_owned(), (*c).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let modules = tree(&[
        ("train", "mod run;\npub use run::Run;"),
        ("train::run", "use super::event::{Event, Step};\nfn f() { crate::ui::show(); }"),
        ("train::event", "pub(in crate::train) struct Event; // crate::app"),
        ("ui", ""),
    ]);
    let found = imports(&modules);
    assert_eq!(found["train"], BTreeSet::from(["train::run".to_owned()]));
    assert_eq!(found["train::run"], BTreeSet::from(["train::event".to_owned(), "ui".to_owned()]));
    assert!(found["train::event"].is_empty());
    assert!(layer("train::run") < layer("ui") && layer("app::command") < layer("app::state"));
    assert!(layer("app::command::availability") > layer("app::state") && layer("nowhere").is_none());
    assert_eq!(reached("train", &found), BTreeSet::from(["train::run", "train::event", "ui"]));
    assert!(names_crate("use tch::Tensor;", "tch") && !names_crate("let x = my_tch::y;", "tch"));
    assert!(!names_crate("use pitch::Tensor; let s = \"tch\";", "tch"));
}
