//! What the pickle of a YOLOv5 checkpoint names and calls: all that a `.pt` may have whose pickle is passed on.
//!
//! This program runs no pickle, but whoever loads a `.pt` in Python does. So a pickle is copied into a new file only where
//! it rebuilds tensors, plain containers and modules of YOLOv5 and torch, and nothing else.

use super::pickle::{Node, Object, Pickle};

/// Functions and classes that a checkpoint calls with arguments.
const CALLED: &[(&str, &[&str])] = &[
    ("torch._utils", &["_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state"]),
    ("torch", &["Size", "device"]),
    ("collections", &["OrderedDict"]),
    ("builtins", &["set"]),
    ("__builtin__", &["set"]),
    // A fitness is an array of numpy, and its numbers go through text.
    ("numpy", &["dtype"]),
    ("numpy.core.multiarray", &["scalar", "_reconstruct"]),
    ("numpy._core.multiarray", &["scalar", "_reconstruct"]),
    ("_codecs", &["encode"]),
    // The options of a training.
    ("pathlib", &["Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"]),
    ("pathlib._local", &["Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"]),
    ("datetime", &["datetime"]),
];

/// Classes of which it makes objects without calling them, and fills in their attributes.
const MADE: &[(&str, &[&str])] = &[("argparse", &["Namespace"]), ("collections", &["OrderedDict"])];

/// Python modules all of whose classes are layers.
const LAYERS: &[&str] = &["models.yolo", "models.common", "models.experimental", "utils.activations"];

/// What it names without making anything of it.
const NAMED: &[(&str, &[&str])] = &[
    ("numpy", &["ndarray"]),
    (
        "torch",
        &[
            "FloatStorage",
            "HalfStorage",
            "BFloat16Storage",
            "DoubleStorage",
            "LongStorage",
            "IntStorage",
            "ShortStorage",
            "CharStorage",
            "ByteStorage",
            "BoolStorage",
            "float32",
            "float16",
            "bfloat16",
            "float64",
            "int64",
            "int32",
            "int16",
            "int8",
            "uint8",
            "bool",
        ],
    ),
];

fn has(list: &[(&str, &[&str])], module: &str, name: &str) -> bool {
    list.iter().any(|(of, names)| *of == module && names.contains(&name))
}

fn is_layer(module: &str, name: &str) -> bool {
    // A name with a point would be an attribute of something in the module.
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let own = LAYERS.contains(&module.strip_prefix("yolov5.").unwrap_or(module));
    plain && (own || module.starts_with("torch.nn.modules."))
}

/// The first thing in a pickle that no YOLOv5 checkpoint has, as `module.name`; none where it has nothing else.
pub(super) fn foreign(pickle: &Pickle) -> Option<String> {
    pickle.nodes().iter().find_map(|node| match node {
        Node::Global { module, name } => {
            let known = has(CALLED, module, name) || has(MADE, module, name) || has(NAMED, module, name);
            (!known && !is_layer(module, name)).then(|| format!("{module:.60}.{name:.60}"))
        }
        Node::Object(object) => foreign_object(pickle, object),
        _ => None,
    })
}

fn foreign_object(pickle: &Pickle, object: &Object) -> Option<String> {
    match pickle.class_of(object) {
        Some((module, name)) if object.called => {
            (!has(CALLED, module, name)).then(|| format!("{module:.60}.{name:.60}, called with arguments"))
        }
        Some((module, name)) => {
            (!has(MADE, module, name) && !is_layer(module, name)).then(|| format!("{module:.60}.{name:.60}"))
        }
        None => Some("something that it makes first and then calls".to_owned()),
    }
}
