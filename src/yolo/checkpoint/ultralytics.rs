//! What Ultralytics' trainers pickle: a dict with whole modules in it, from which names, spec and tensors are taken.

use std::collections::BTreeMap;

use serde_json::Value;

use super::description::{Activation, ModelDescription, ModuleInfo};
use super::error::CheckpointError;
use super::heads;
use super::pickle::{Id, Node, Pickle};
use super::pickled::{Budget, Pickled, Tree};
use super::source::Source;
use super::storage::Stored;

/// Plain attributes of modules that decide what they compute.
const ATTRIBUTES: &[&str] = &[
    "f",
    "i",
    "nc",
    "d",
    "add",
    "c",
    "stride",
    "kernel_size",
    "padding",
    "dilation",
    "groups",
    "eps",
    "momentum",
    "negative_slope",
    "scale_factor",
    "mode",
    "size",
    "ceil_mode",
];
const MAX_TENSORS: usize = 1 << 14;

/// Reads an Ultralytics checkpoint: `ema` before `model`, a bare module, or a plain `state_dict`.
pub(super) fn read(source: &Source) -> Result<(ModelDescription, Vec<Stored>), CheckpointError> {
    let pickled = Pickled::read(source, "data")?;
    let pickle = &pickled.pickle;
    let mut candidates = ["ema", "model", "state_dict"].into_iter().filter_map(|key| pickle.get(pickle.root, key));
    let root = candidates.find(|id| !matches!(pickle.node(*id), Node::None)).unwrap_or(pickle.root);
    match pickled.class(root) {
        None | Some((_, "OrderedDict")) => state_dict(&pickled, root),
        Some((module, class)) => {
            let yolov5 = module == "models.yolo" || module.ends_with(".models.yolo");
            match class {
                "Model" | "DetectionModel" if yolov5 => detection_model(&pickled, root),
                "SegmentationModel" if yolov5 => Err(source.not_a_model("it segments; only Detect models can be read")),
                "ClassificationModel" if yolov5 => {
                    Err(source.not_a_model("it classifies whole images; only Detect models can be read"))
                }
                _ if module.starts_with("ultralytics.") => Err(source.not_a_model(format!(
                    "it holds {module:.100}.{class:.100}, of the ultralytics package: YOLOv8 or later"
                ))),
                _ => Err(source.not_a_model(format!("it holds {module:.100}.{class:.100}"))),
            }
        }
    }
}

fn detection_model(pickled: &Pickled<'_>, root: Id) -> Result<(ModelDescription, Vec<Stored>), CheckpointError> {
    let source = pickled.source;
    let Tree { modules, tensors } = pickled.tree(root, members)?;
    let layers = modules.iter().filter_map(|(path, id)| {
        let index: usize = path.strip_prefix("model.")?.parse().ok()?;
        Some((index, path, *id))
    });
    let (_, detect, head) =
        layers.max_by_key(|(index, ..)| *index).ok_or_else(|| source.not_a_model("it has no layers"))?;
    match pickled.class(head) {
        Some((_, "Detect")) => {}
        Some((_, "Segment")) => return Err(source.not_a_model("it segments; only Detect models can be read")),
        other => {
            let class = other.map_or("nothing known", |(_, class)| class);
            return Err(source.not_a_model(format!("its last layer is {class:.100}; only Detect can be read")));
        }
    }
    let strides = match pickled.attribute(head, "stride") {
        Some(stride) => pickled.tensor("stride", stride)?,
        None => None,
    };
    let strides = strides.map(|stride| stride.read_f32(source)).transpose()?;

    let mut nested = Budget { values: 1 << 16, text: 1 << 20 };
    let mut model = ModelDescription::default();
    heads::describe(&mut model, detect, strides, &tensors, source)?;
    model.yaml = pickled.attribute(root, "yaml").and_then(|yaml| pickled.json(yaml, &mut nested));
    let names = pickled.attribute(root, "names").and_then(|names| pickled.json(names, &mut nested));
    model.names = heads::names(&names.unwrap_or(Value::Null));
    let mut plain = Budget { values: 1 << 18, text: 1 << 20 };
    let infos = modules.iter().filter(|(path, _)| !path.is_empty());
    model.modules = infos.map(|(path, id)| (path.clone(), module_info(pickled, *id, &mut plain))).collect();
    model.activation = modules
        .iter()
        .filter(|(path, _)| model.modules.get(path).is_some_and(|module| module.class == "Conv"))
        .filter_map(|(path, _)| model.modules.get(&format!("{path}.act")).map(ModuleInfo::activation))
        .find(|activation| *activation != Activation::Identity);
    Ok((model, tensors))
}

fn state_dict(pickled: &Pickled<'_>, root: Id) -> Result<(ModelDescription, Vec<Stored>), CheckpointError> {
    let source = pickled.source;
    let entries = pickled.pickle.entries(root).unwrap_or_default();
    let mut tensors = Vec::new();
    for (key, value) in entries.iter().take(MAX_TENSORS) {
        if let Some(name) = pickled.pickle.text(*key).filter(|name| name.starts_with("model.") && name.len() < 256) {
            tensors.extend(pickled.tensor(name, *value)?);
        }
    }
    let layer = |tensor: &Stored| -> Option<usize> {
        tensor.info.name.strip_prefix("model.")?.strip_suffix(".m.0.weight")?.parse().ok()
    };
    let detect = tensors.iter().filter_map(layer).max().ok_or_else(|| {
        source.not_a_model(
            "there is no model in it, and no state_dict with the parameters of Detect (model.N.m.0.weight)",
        )
    })?;
    let mut model = ModelDescription::default();
    heads::describe(&mut model, &format!("model.{detect}"), None, &tensors, source)?;
    Ok((model, tensors))
}

/// A module's parameters, persistent buffers and submodules, in the order of torch's `state_dict`.
fn members(pickle: &Pickle, state: Id) -> Vec<(Id, Id)> {
    let of = |kind: &str| pickle.get(state, kind).and_then(|id| pickle.entries(id)).unwrap_or_default();
    let hidden = pickle.get(state, "_non_persistent_buffers_set").and_then(|set| set_members(pickle, set));
    let hidden: Vec<&str> = hidden.unwrap_or_default().iter().take(64).filter_map(|id| pickle.text(*id)).collect();
    let persistent = |(key, _): &&(Id, Id)| pickle.text(*key).is_none_or(|name| !hidden.contains(&name));
    of("_parameters").iter().chain(of("_buffers").iter().filter(persistent)).chain(of("_modules")).copied().collect()
}

/// The members of a set: of its own kind in protocol 4, `set([…])` as a call in protocol 2.
fn set_members(pickle: &Pickle, id: Id) -> Option<&[Id]> {
    match pickle.node(id) {
        Node::Object(object) => pickle.sequence(*pickle.sequence(object.args)?.first()?),
        _ => pickle.sequence(id),
    }
}

fn module_info(pickled: &Pickled<'_>, module: Id, budget: &mut Budget) -> ModuleInfo {
    let class = pickled.class(module).map(|(_, name)| name.chars().take(100).collect()).unwrap_or_default();
    let attributes: BTreeMap<String, Value> = ATTRIBUTES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), pickled.json(pickled.attribute(module, name)?, budget)?)))
        .collect();
    ModuleInfo { class, attributes }
}
