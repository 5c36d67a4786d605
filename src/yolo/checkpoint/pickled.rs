//! A pickle of torch with its storages: tensors, plain nested data and the tree of modules in it.
//!
//! A small pickle can refer to one value from many places, so every walk here counts its steps.

use serde_json::{Map, Value};

use super::description::{Dtype, TensorInfo};
use super::error::CheckpointError;
use super::pickle::{Id, Node, Object, Pickle};
use super::source::Source;
use super::storage::Stored;

/// Bounds on a model's tree; yolov5x6 has 1,200 modules, 6 deep.
const MAX_MODULES: usize = 1 << 14;
const MAX_TENSORS: usize = 1 << 14;
const MAX_DEPTH: usize = 16;
const MAX_PATH: usize = 256;
/// Dict entries that may be looked at in a walk.
const MAX_ENTRIES: usize = 1 << 20;

/// What nested data may unfold to: values, and bytes of text.
pub(super) struct Budget {
    pub values: usize,
    pub text: usize,
}

pub(super) struct Pickled<'a> {
    pub source: &'a Source,
    pub pickle: Pickle,
    /// The folder of its storages.
    folder: &'static str,
}

/// Modules and tensors by path, in the order of torch's `state_dict`.
#[derive(Default)]
pub(super) struct Tree {
    pub modules: Vec<(String, Id)>,
    pub tensors: Vec<Stored>,
}

impl<'a> Pickled<'a> {
    /// Reads `<folder>.pkl`, whose storages are in `<folder>/`.
    pub fn read(source: &'a Source, folder: &'static str) -> Result<Self, CheckpointError> {
        let bytes = source.read_small(&format!("{folder}.pkl"))?;
        let bytes = bytes.ok_or_else(|| source.damaged(format!("{folder}.pkl is missing or compressed")))?;
        let pickle =
            Pickle::parse(&bytes).map_err(|cause| CheckpointError::Pickle { path: source.path().to_owned(), cause })?;
        Ok(Self { source, pickle, folder })
    }

    /// Python module and name of the class of the object at a node.
    pub fn class(&self, id: Id) -> Option<(&str, &str)> {
        self.pickle.class_of(self.pickle.object(id)?)
    }

    /// What `BUILD` gave the object at a node: the attributes of a module.
    pub fn state(&self, id: Id) -> Option<Id> {
        self.pickle.object(id)?.state
    }

    /// An attribute of a module.
    pub fn attribute(&self, module: Id, name: &str) -> Option<Id> {
        self.pickle.get(self.state(module)?, name)
    }

    /// Walks from a root module; `members` lists what may be a module's tensors and submodules, by its state.
    pub fn tree(&self, root: Id, members: impl Fn(&Pickle, Id) -> Vec<(Id, Id)>) -> Result<Tree, CheckpointError> {
        let too_much = || self.source.damaged("its modules are nested without end");
        let mut tree = Tree::default();
        let mut entries = 0;
        let mut waiting = vec![(String::new(), root, 0)];
        while let Some((path, module, depth)) = waiting.pop() {
            let Some(state) = self.state(module) else { continue };
            entries += self.pickle.entries(state).map_or(0, <[_]>::len);
            let members = members(&self.pickle, state);
            entries += members.len();
            if depth > MAX_DEPTH || entries > MAX_ENTRIES {
                return Err(too_much());
            }
            let mut children = Vec::new();
            for (key, value) in members {
                let (Some(name), Some(_)) = (self.pickle.text(key), self.pickle.object(value)) else { continue };
                if path.len() + name.len() >= MAX_PATH {
                    return Err(too_much());
                }
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                match self.tensor(&path, value)? {
                    Some(tensor) => tree.tensors.push(tensor),
                    None => children.push((path, value, depth + 1)),
                }
                let modules = tree.modules.len() + waiting.len() + children.len();
                if modules > MAX_MODULES || tree.tensors.len() > MAX_TENSORS {
                    return Err(too_much());
                }
            }
            // Backwards, so that they are popped in order.
            waiting.extend(children.into_iter().rev());
            tree.modules.push((path, module));
        }
        Ok(tree)
    }

    pub fn is_tensor(&self, id: Id) -> bool {
        self.pickle.object(id).is_some_and(|object| self.tensor_args(object).is_some())
    }

    /// The tensor at a node, none where it is something else.
    pub fn tensor(&self, name: &str, id: Id) -> Result<Option<Stored>, CheckpointError> {
        let Some(args) = self.pickle.object(id).and_then(|object| self.tensor_args(object)) else { return Ok(None) };
        let bad = |what: &str| self.source.damaged(format!("tensor {name}: {what}"));
        let &[storage, offset, shape, strides, ..] = args else { return Err(bad("too few arguments")) };
        let numbers = |id: Id| -> Option<Vec<u64>> {
            self.pickle.sequence(id)?.iter().map(|id| u64::try_from(self.pickle.int(*id)?).ok()).collect()
        };
        let whole = "its shape, strides or offset are not whole numbers";
        let shape = numbers(shape).ok_or_else(|| bad(whole))?;
        let strides = numbers(strides).ok_or_else(|| bad(whole))?;
        let offset = self.pickle.int(offset).and_then(|offset| u64::try_from(offset).ok()).ok_or_else(|| bad(whole))?;
        let storage = match self.pickle.node(storage) {
            Node::Persistent(key) => self.pickle.sequence(*key),
            _ => None,
        };
        let Some(&[_, kind, key, ..]) = storage else { return Err(bad("it has no storage")) };
        let Node::Global { name: kind, .. } = self.pickle.node(kind) else {
            return Err(bad("its storage has no type"));
        };
        let dtype = dtype_of_storage(kind).ok_or_else(|| bad(&format!("it is stored as {kind:.60}")))?;
        let key = self.pickle.text(key).ok_or_else(|| bad("its storage has no name"))?;
        let extent = self.source.entry(&format!("{}/{key}", self.folder));
        let extent = extent.ok_or_else(|| bad("its storage is missing or compressed"))?;
        let shape = shape.into_iter().map(|side| usize::try_from(side).unwrap_or(usize::MAX)).collect();
        let info = TensorInfo { name: name.to_owned(), shape, dtype };
        Stored::new(info, extent, offset, strides).map(Some).map_err(|what| self.source.damaged(what))
    }

    /// The arguments of the function that rebuilds a tensor, also inside a parameter.
    fn tensor_args(&self, object: &Object) -> Option<&[Id]> {
        let args = self.pickle.sequence(object.args)?;
        match self.pickle.class_of(object)? {
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(args),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                let inner = self.pickle.object(*args.first()?)?;
                match self.pickle.class_of(inner)? {
                    ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => self.pickle.sequence(inner.args),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Nested plain data; none for anything else, or where it exceeds the budget.
    pub fn json(&self, id: Id, budget: &mut Budget) -> Option<Value> {
        self.json_at(id, 0, budget)
    }

    fn json_at(&self, id: Id, depth: usize, budget: &mut Budget) -> Option<Value> {
        budget.values = budget.values.checked_sub(1)?;
        if depth > MAX_DEPTH {
            return None;
        }
        let mut copy = |text: &str| {
            budget.text = budget.text.checked_sub(text.len())?;
            Some(text.to_owned())
        };
        match self.pickle.node(id) {
            Node::None => Some(Value::Null),
            Node::Bool(value) => Some(Value::from(*value)),
            Node::Int(value) => Some(Value::from(*value)),
            Node::Float(value) => Some(Value::from(*value)),
            Node::Text(text) => copy(text).map(Value::from),
            Node::List(items) | Node::Tuple(items) => {
                items.iter().map(|id| self.json_at(*id, depth + 1, budget)).collect::<Option<Vec<_>>>().map(Value::from)
            }
            _ => {
                let mut map = Map::new();
                for (key, value) in self.pickle.entries(id)? {
                    let key = match self.pickle.node(*key) {
                        Node::Text(text) => text,
                        Node::Int(value) => &value.to_string(),
                        _ => continue,
                    };
                    budget.text = budget.text.checked_sub(key.len())?;
                    // A value that is no plain data (a device, a module) is left out; the rest is of use.
                    if let Some(value) = self.json_at(*value, depth + 1, budget) {
                        map.insert(key.clone(), value);
                    }
                }
                Some(Value::Object(map))
            }
        }
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
