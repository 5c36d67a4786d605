//! What Ultralytics' trainers pickle: a dict with whole modules in it, from which names, spec and tensors are taken.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use serde_json::{Map, Value};

use super::CheckpointError;
use super::container::Container;
use super::description::{Activation, Dtype, Format, ModelDescription, ModuleInfo, TensorInfo};
use super::pickle::{Id, Node, Object, Pickle};
use super::storage::{Stored, to_f32};

/// Bounds on what a model's tree can be; those of real ones are a few hundred.
const MAX_MODULES: usize = 1 << 16;
const MAX_DEPTH: usize = 64;
/// Nodes that a yaml may unfold to: shared references are copied when it becomes nested data.
const MAX_YAML_NODES: usize = 1 << 16;
const MAX_CLASSES: i64 = 1 << 16;

/// Plain attributes of modules that decide what they compute.
const ATTRIBUTES: &[&str] = &[
    "f",
    "i",
    "type",
    "nc",
    "no",
    "nl",
    "na",
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
    "inplace",
];

type Reading = (Format, ModelDescription, Vec<Stored>);

struct Reader<'a> {
    path: &'a Path,
    file: &'a File,
    container: &'a Container,
    pickle: Pickle,
}

/// Reads an Ultralytics checkpoint: `ema` before `model`, a bare module, or a plain `state_dict`.
pub(super) fn read(path: &Path, file: &File, container: &Container) -> Result<Reading, CheckpointError> {
    let reader = Reader::new(path, file, container)?;
    let pickle = &reader.pickle;
    let candidates = ["ema", "model"].into_iter().filter_map(|key| pickle.get(pickle.root, key));
    let root = candidates.into_iter().find(|id| !matches!(pickle.node(*id), Node::None)).unwrap_or(pickle.root);
    match pickle.object(root) {
        Some(object) if pickle.class_of(object).is_some_and(|(_, name)| name != "OrderedDict") => reader.module(object),
        _ if pickle.entries(root).is_some() => reader.state_dict(root),
        _ => Err(reader.not_a_model("there is no model in it".to_owned())),
    }
}

/// Reads the parameters and the export's own notes of a TorchScript archive.
pub(super) fn read_torchscript(path: &Path, file: &File, container: &Container) -> Result<Reading, CheckpointError> {
    let reader = Reader::new(path, file, container)?;
    let mut model = ModelDescription::default();
    let mut stored = Vec::new();
    reader.script_module(reader.pickle.root, &mut stored, &mut model)?;
    if let Some(notes) = container.entry("extra/config.txt") {
        let notes = super::container::read_extent(path, file, notes)?;
        let notes: Value = serde_json::from_slice(&notes).unwrap_or(Value::Null);
        model.names = json_names(&notes["names"]);
        let side = |index: usize| notes["shape"][index].as_u64().and_then(|side| usize::try_from(side).ok());
        model.traced_size = side(2).zip(side(3)).map(|(height, width)| [height, width]);
    }
    reader.finish(&mut model, &stored)?;
    Ok((Format::TorchScript, model, stored))
}

impl<'a> Reader<'a> {
    fn new(path: &'a Path, file: &'a File, container: &'a Container) -> Result<Self, CheckpointError> {
        if container.entry("byteorder").is_some()
            && container.read_small(path, file, "byteorder")?.trim_ascii() == b"big"
        {
            let what = "its numbers are big-endian; save it on a little-endian machine".to_owned();
            return Err(CheckpointError::Damaged { path: path.to_owned(), what });
        }
        let bytes = container.read_small(path, file, "data.pkl")?;
        let pickle = Pickle::parse(&bytes).map_err(|cause| CheckpointError::Pickle { path: path.to_owned(), cause })?;
        Ok(Self { path, file, container, pickle })
    }

    fn not_a_model(&self, what: String) -> CheckpointError {
        CheckpointError::Model { path: self.path.to_owned(), what }
    }

    fn damaged(&self, what: String) -> CheckpointError {
        CheckpointError::Damaged { path: self.path.to_owned(), what }
    }

    fn module(&self, root: &Object) -> Result<Reading, CheckpointError> {
        let (python_module, class) = self.pickle.class_of(root).unwrap_or_default();
        if python_module.starts_with("ultralytics.") {
            return Err(self.not_a_model(format!(
                "it holds {python_module}.{class}, a model of the ultralytics package (YOLOv8 or later)"
            )));
        }
        let is_yolov5 = python_module == "models" || python_module.split('.').any(|part| part == "models");
        if !is_yolov5 {
            return Err(self.not_a_model(format!("it holds a {python_module}.{class}")));
        }
        let mut model = ModelDescription::default();
        let mut stored = Vec::new();
        self.walk(root, &mut model, &mut stored)?;
        for unfit in ["Segment", "Classify"] {
            if model.modules.values().any(|module| module.class == unfit) {
                return Err(self.not_a_model(format!("its last layer is {unfit}; only Detect is supported")));
            }
        }
        if let Some(state) = root.state {
            if let Some(yaml) = self.pickle.get(state, "yaml") {
                let mut budget = MAX_YAML_NODES;
                model.yaml = self.json(yaml, 0, &mut budget);
            }
            if let Some(names) = self.pickle.get(state, "names") {
                model.names = self.names(names);
            }
        }
        self.finish(&mut model, &stored)?;
        Ok((Format::PyTorch, model, stored))
    }

    fn state_dict(&self, root: Id) -> Result<Reading, CheckpointError> {
        let mut stored = Vec::new();
        for (key, value) in self.pickle.entries(root).unwrap_or_default() {
            if let Some(name) = self.pickle.text(*key)
                && let Some(tensor) = self.tensor(name, *value)?
            {
                stored.push(tensor);
            }
        }
        if !stored.iter().any(|tensor| tensor.info.name.starts_with("model.")) {
            return Err(
                self.not_a_model("there is no model in it, and no parameter named model.0. and so on".to_owned())
            );
        }
        let mut model = ModelDescription::default();
        self.finish(&mut model, &stored)?;
        Ok((Format::PyTorch, model, stored))
    }

    /// Walks `_modules`, `_parameters` and `_buffers` in torch's order; no recursion, and every module once.
    fn walk(
        &self,
        root: &Object,
        model: &mut ModelDescription,
        stored: &mut Vec<Stored>,
    ) -> Result<(), CheckpointError> {
        let mut waiting: Vec<(String, &Object, usize)> = vec![(String::new(), root, 0)];
        let mut seen = HashSet::new();
        while let Some((path, object, depth)) = waiting.pop() {
            let Some(state) = object.state else { continue };
            if depth > MAX_DEPTH || model.modules.len() > MAX_MODULES {
                return Err(self.damaged("its modules are nested without end".to_owned()));
            }
            if !seen.insert(state) {
                continue;
            }
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let hidden: HashSet<&str> = self
                .pickle
                .get(state, "_non_persistent_buffers_set")
                .and_then(|set| self.members(set))
                .unwrap_or_default()
                .iter()
                .filter_map(|id| self.pickle.text(*id))
                .collect();
            for kind in ["_parameters", "_buffers"] {
                let entries = self.pickle.get(state, kind).and_then(|id| self.pickle.entries(id)).unwrap_or_default();
                for (key, value) in entries {
                    let Some(name) = self.pickle.text(*key).filter(|name| !hidden.contains(name)) else { continue };
                    stored.extend(self.tensor(&below(name), *value)?);
                }
            }
            model.modules.insert(path.clone(), self.module_info(object, state));
            let children =
                self.pickle.get(state, "_modules").and_then(|id| self.pickle.entries(id)).unwrap_or_default();
            // Pushed backwards, so that they are taken in order.
            for (key, child) in children.iter().rev() {
                if let (Some(name), Some(child)) = (self.pickle.text(*key), self.pickle.object(*child)) {
                    waiting.push((below(name), child, depth + 1));
                }
            }
        }
        // The strides are a plain attribute of Detect, a tensor that is no buffer.
        let detect = model.modules.iter().find(|(_, module)| module.class == "Detect").map(|(path, _)| path.clone());
        if let Some(detect) = detect
            && let Some(object) = self.at(root, &detect)
            && let Some(stride) = object.state.and_then(|state| self.pickle.get(state, "stride"))
            && let Some(tensor) = self.tensor("stride", stride)?
        {
            let values = to_f32(&tensor.bytes(self.path, self.file)?, tensor.info.dtype);
            model.strides = values.iter().map(|stride| *stride as u32).collect();
        }
        model.modules.remove("");
        Ok(())
    }

    /// The module at a dotted path.
    fn at(&self, root: &'a Object, path: &str) -> Option<&Object> {
        path.split('.').try_fold(root, |object, name| {
            let modules = self.pickle.get(object.state?, "_modules")?;
            self.pickle.object(self.pickle.get(modules, name)?)
        })
    }

    /// The members of a set: a list in protocol 4, `set([…])` as a call in protocol 2.
    fn members(&self, id: Id) -> Option<&[Id]> {
        match self.pickle.node(id) {
            Node::Object(object) => self.pickle.sequence(*self.pickle.sequence(object.args)?.first()?),
            _ => self.pickle.sequence(id),
        }
    }

    fn module_info(&self, object: &Object, state: Id) -> ModuleInfo {
        let class = self.pickle.class_of(object).map(|(_, name)| name.to_owned()).unwrap_or_default();
        let mut attributes = BTreeMap::new();
        for name in ATTRIBUTES {
            let mut budget = 64;
            if let Some(value) = self.pickle.get(state, name).and_then(|id| self.json(id, 0, &mut budget)) {
                attributes.insert((*name).to_owned(), value);
            }
        }
        ModuleInfo { class, attributes }
    }

    /// Attributes of a TorchScript object are its parameters, buffers and submodules alike.
    fn script_module(
        &self,
        root: Id,
        stored: &mut Vec<Stored>,
        model: &mut ModelDescription,
    ) -> Result<(), CheckpointError> {
        let mut waiting = vec![(String::new(), root, 0)];
        let mut seen = HashSet::new();
        while let Some((path, id, depth)) = waiting.pop() {
            if depth > MAX_DEPTH || seen.len() > MAX_MODULES || !seen.insert(id) {
                continue;
            }
            let Some(state) = self.pickle.object(id).and_then(|object| object.state) else { continue };
            for (key, value) in self.pickle.entries(state).unwrap_or_default().iter().rev() {
                let Some(name) = self.pickle.text(*key) else { continue };
                let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                if let Some(tensor) = self.tensor(&full, *value)? {
                    if name == "stride" && tensor.info.numel() <= 8 {
                        let values = to_f32(&tensor.bytes(self.path, self.file)?, tensor.info.dtype);
                        model.strides = values.iter().map(|stride| *stride as u32).collect();
                    }
                    stored.push(tensor);
                } else if self.pickle.object(*value).is_some() {
                    waiting.push((full, *value, depth + 1));
                }
            }
        }
        Ok(())
    }

    /// What every kind of file has in common once its tensors are known: anchors, strides, class count, names.
    fn finish(&self, model: &mut ModelDescription, stored: &[Stored]) -> Result<(), CheckpointError> {
        let anchors = stored.iter().find(|tensor| {
            tensor.info.name.ends_with(".anchors") && tensor.info.shape.len() == 3 && tensor.info.shape[2] == 2
        });
        if let Some(anchors) = anchors {
            let (scales, per_scale) = (anchors.info.shape[0], anchors.info.shape[1]);
            let prefix = anchors.info.name.trim_end_matches("anchors");
            let outputs = stored.iter().find(|tensor| tensor.info.name == format!("{prefix}m.0.weight"));
            if let Some(outputs) = outputs.and_then(|tensor| tensor.info.shape.first())
                && per_scale > 0
            {
                model.nc = (outputs / per_scale).saturating_sub(5);
            }
            if model.strides.len() != scales {
                // The strides of the standard families; a file with others says so itself.
                model.strides = match scales {
                    3 => vec![8, 16, 32],
                    4 => vec![8, 16, 32, 64],
                    _ => return Err(self.not_a_model(format!("it does not say the strides of its {scales} scales"))),
                };
            }
            let bad_stride = model.strides.iter().any(|stride| !(1..=1024).contains(stride));
            if bad_stride || scales * per_scale > 1024 {
                return Err(self.damaged(format!("strides {:?} with {per_scale} anchors each", model.strides)));
            }
            let values = to_f32(&anchors.bytes(self.path, self.file)?, anchors.info.dtype);
            model.anchors_px = values
                .chunks_exact(2 * per_scale)
                .zip(&model.strides)
                .map(|(scale, &stride)| {
                    scale.chunks_exact(2).map(|wh| [wh[0] * stride as f32, wh[1] * stride as f32]).collect()
                })
                .collect();
            if model.anchors_px.iter().flatten().flatten().any(|side| !(side.is_finite() && *side >= 0.0)) {
                return Err(self.damaged("its anchors are not sizes".to_owned()));
            }
        } else if let Some(nc) = model.yaml.as_ref().and_then(|yaml| yaml["nc"].as_u64()) {
            model.nc = usize::try_from(nc).unwrap_or(0);
        }
        if model.nc as i64 > MAX_CLASSES {
            return Err(self.damaged(format!("{} classes", model.nc)));
        }
        let known = model.names.len();
        model.names.extend((known..model.nc).map(|class| format!("class {class}")));
        model.names.truncate(model.nc);
        let module = |name: &str| model.modules.iter().find(|(_, module)| module.class == name);
        if let Some((conv, _)) = module("Conv") {
            model.activation = model.modules.get(&format!("{conv}.act")).map(activation);
            model.fused = !model.modules.contains_key(&format!("{conv}.bn"));
        }
        Ok(())
    }

    /// The tensor behind a node, or `None` where it is something else.
    fn tensor(&self, name: &str, id: Id) -> Result<Option<Stored>, CheckpointError> {
        let Some(mut object) = self.pickle.object(id) else { return Ok(None) };
        let mut class = self.pickle.class_of(object);
        if let Some(("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")) = class {
            let inner = self.pickle.sequence(object.args).and_then(|args| args.first());
            let Some(inner) = inner.and_then(|id| self.pickle.object(*id)) else { return Ok(None) };
            object = inner;
            class = self.pickle.class_of(object);
        }
        let Some(("torch._utils", "_rebuild_tensor_v2")) = class else { return Ok(None) };
        let args = self.pickle.sequence(object.args).unwrap_or_default();
        let bad = || self.damaged(format!("tensor {name} is not described as torch does it"));
        let [storage, offset, shape, strides, ..] = *args else { return Err(bad()) };
        let numbers = |id: Id| -> Option<Vec<u64>> {
            self.pickle.sequence(id)?.iter().map(|id| u64::try_from(self.pickle.int(*id)?).ok()).collect()
        };
        let shape = numbers(shape).ok_or_else(bad)?;
        let strides = numbers(strides).ok_or_else(bad)?;
        let offset = self.pickle.int(offset).and_then(|offset| u64::try_from(offset).ok()).ok_or_else(bad)?;
        let Node::Persistent(key) = self.pickle.node(storage) else { return Err(bad()) };
        let key = self.pickle.sequence(*key).unwrap_or_default();
        let [_, kind, file_key, ..] = *key else { return Err(bad()) };
        let Node::Global { name: kind, .. } = self.pickle.node(kind) else { return Err(bad()) };
        let dtype = dtype_of_storage(kind).ok_or_else(|| self.damaged(format!("tensor {name} is stored as {kind}")))?;
        let file_key = self.pickle.text(file_key).ok_or_else(bad)?;
        let extent = self
            .container
            .entry(&format!("data/{file_key}"))
            .ok_or_else(|| self.damaged(format!("the storage of tensor {name} is missing")))?;
        let shape = shape.into_iter().map(|side| usize::try_from(side).unwrap_or(usize::MAX)).collect();
        let info = TensorInfo { name: name.to_owned(), shape, dtype };
        Stored::new(info, extent, offset, strides).map(Some).map_err(|what| self.damaged(what))
    }

    /// Class names as a list or a map from number to name.
    fn names(&self, id: Id) -> Vec<String> {
        if let Some(items) = self.pickle.sequence(id) {
            return items.iter().map(|id| self.pickle.text(*id).unwrap_or_default().to_owned()).collect();
        }
        let entries = self.pickle.entries(id).unwrap_or_default();
        let by_number: HashMap<i64, &str> = entries
            .iter()
            .filter_map(|(key, value)| Some((self.pickle.int(*key)?, self.pickle.text(*value)?)))
            .filter(|(number, _)| (0..MAX_CLASSES).contains(number))
            .collect();
        let count = by_number.keys().max().map_or(0, |largest| largest + 1);
        (0..count).map(|n| by_number.get(&n).map_or_else(|| format!("class {n}"), |name| (*name).to_owned())).collect()
    }

    /// Nested plain data; `None` for anything else, or where it is too deep or too large.
    fn json(&self, id: Id, depth: usize, budget: &mut usize) -> Option<Value> {
        *budget = budget.checked_sub(1)?;
        if depth > MAX_DEPTH {
            return None;
        }
        match self.pickle.node(id) {
            Node::None => Some(Value::Null),
            Node::Bool(value) => Some(Value::from(*value)),
            Node::Int(value) => Some(Value::from(*value)),
            Node::Float(value) => Some(Value::from(*value)),
            Node::Text(text) => Some(Value::from(text.as_str())),
            Node::List(items) | Node::Tuple(items) => {
                items.iter().map(|id| self.json(*id, depth + 1, budget)).collect::<Option<Vec<_>>>().map(Value::from)
            }
            _ => {
                let mut map = Map::new();
                for (key, value) in self.pickle.entries(id)? {
                    let key = match self.pickle.node(*key) {
                        Node::Text(text) => text.clone(),
                        Node::Int(value) => value.to_string(),
                        _ => continue,
                    };
                    // A value that is no plain data (a device, a module) is left out; the rest is of use.
                    if let Some(value) = self.json(*value, depth + 1, budget) {
                        map.insert(key, value);
                    }
                }
                Some(Value::Object(map))
            }
        }
    }
}

fn json_names(names: &Value) -> Vec<String> {
    match names {
        Value::Array(items) => items.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect(),
        Value::Object(map) => {
            let mut numbered: Vec<(usize, String)> =
                map.iter().filter_map(|(key, name)| Some((key.parse().ok()?, name.as_str()?.to_owned()))).collect();
            numbered.sort();
            numbered.into_iter().map(|(_, name)| name).collect()
        }
        _ => Vec::new(),
    }
}

fn dtype_of_storage(class: &str) -> Option<Dtype> {
    Some(match class {
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "DoubleStorage" => Dtype::F64,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::Bool,
        _ => return None,
    })
}

fn activation(module: &ModuleInfo) -> Activation {
    match module.class.as_str() {
        "SiLU" => Activation::SiLU,
        "ReLU" => Activation::ReLU,
        "ReLU6" => Activation::ReLU6,
        "LeakyReLU" => Activation::LeakyReLU {
            slope: module.attributes.get("negative_slope").and_then(Value::as_f64).unwrap_or(0.01),
        },
        "Hardswish" => Activation::Hardswish,
        "Mish" => Activation::Mish,
        "Identity" => Activation::Identity,
        other => Activation::Other(other.to_owned()),
    }
}
