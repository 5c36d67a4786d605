//! Follows a traced module's code on paper: which operation reads which, down to the image. Nothing is computed.
//!
//! Equal operations on equal inputs are one, so that a place in the graph can be looked up by what leads to it. What is
//! not known here becomes an unknown value; only who needs that value will miss it.

use std::collections::HashMap;

use super::super::description::Activation;
use super::super::pickle::{Id, Node};
use super::super::pickled::Pickled;
use super::code::{Expr, Methods, Statement};

/// Bounds on what is followed; yolov5x6 takes 20,000 steps, 8 calls deep.
const MAX_STEPS: usize = 1_000_000;
const MAX_CALLS: usize = 24;
const MAX_PATH: usize = 256;
const MAX_ITEMS: usize = 1 << 10;

/// The place of an operation in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(usize);

/// An operation on maps, [B, C, H, W] throughout. Pairs are (rows, columns).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Image,
    Conv {
        /// Of the module whose weight and bias these are.
        path: String,
        input: Place,
        stride: [i64; 2],
        padding: [i64; 2],
        dilation: [i64; 2],
        groups: i64,
        bias: bool,
    },
    Norm {
        path: String,
        input: Place,
        eps: Number,
    },
    Activation(Act, Place),
    Sigmoid(Place),
    Add(Place, Place),
    /// Along the channels.
    Cat(Vec<Place>),
    MaxPool {
        input: Place,
        kernel: [i64; 2],
        stride: [i64; 2],
        padding: [i64; 2],
    },
    /// Nearest neighbour, to so many times the size.
    Upsample(Place, i64),
    /// (left, right, top, bottom) zeros.
    Pad(Place, [i64; 4]),
    /// Every `step`-th row (dimension 2) or column (3) from `start` on.
    EveryOther {
        input: Place,
        dimension: i64,
        start: i64,
        step: i64,
    },
}

/// A float by its bits, so that it can be compared and looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Number(u64);

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(value.to_bits())
    }
}

/// [`Activation`] as something that can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Act {
    SiLU,
    ReLU,
    ReLU6,
    LeakyReLU(Number),
    Hardswish,
    Mish,
}

impl Act {
    /// None for the identity, which leaves no operation, and for what is not supported.
    pub fn of(activation: &Activation) -> Option<Self> {
        Some(match activation {
            Activation::SiLU => Self::SiLU,
            Activation::ReLU => Self::ReLU,
            Activation::ReLU6 => Self::ReLU6,
            Activation::LeakyReLU { slope } => Self::LeakyReLU((*slope).into()),
            Activation::Hardswish => Self::Hardswish,
            Activation::Mish => Self::Mish,
            Activation::Identity | Activation::Other(_) => return None,
        })
    }

    pub fn activation(self) -> Activation {
        match self {
            Self::SiLU => Activation::SiLU,
            Self::ReLU => Activation::ReLU,
            Self::ReLU6 => Activation::ReLU6,
            Self::LeakyReLU(Number(slope)) => Activation::LeakyReLU { slope: f64::from_bits(slope) },
            Self::Hardswish => Activation::Hardswish,
            Self::Mish => Activation::Mish,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Each with the path of the module in whose code it stands first.
    operations: Vec<(Operation, String)>,
    places: HashMap<Operation, Place>,
}

impl Graph {
    fn add(&mut self, operation: Operation, scope: &str) -> Place {
        let next = Place(self.operations.len());
        let place = *self.places.entry(operation.clone()).or_insert(next);
        if place == next {
            self.operations.push((operation, scope.to_owned()));
        }
        place
    }

    /// Where an operation stands; none where the code has no such one.
    pub fn find(&self, operation: &Operation) -> Option<Place> {
        self.places.get(operation).copied()
    }

    pub fn at(&self, place: Place) -> &Operation {
        &self.operations[place.0].0
    }

    /// The operations in the code of a module and of those inside it, in order.
    pub fn of_module<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a Operation, Place)> {
        let inside = move |scope: &str| scope.strip_prefix(path).is_some_and(|r| r.is_empty() || r.starts_with('.'));
        let all = self.operations.iter().enumerate();
        all.filter(move |(_, (_, scope))| inside(scope)).map(|(at, (operation, _))| (operation, Place(at)))
    }

    /// The convolution of the module at a path.
    pub fn conv(&self, path: &str) -> Option<(&Operation, Place)> {
        let mut all = self.operations.iter().enumerate();
        all.find(|(_, (operation, _))| matches!(operation, Operation::Conv { path: of, .. } if of == path))
            .map(|(at, (operation, _))| (operation, Place(at)))
    }

    /// The activation that reads a place.
    pub fn activation_of(&self, input: Place) -> Option<Act> {
        self.operations.iter().find_map(|(operation, _)| match operation {
            Operation::Activation(act, of) if *of == input => Some(*act),
            _ => None,
        })
    }
}

/// A traced model: its operations, and the map that each `model.N` gives.
pub(super) struct Trace {
    pub graph: Graph,
    /// By the path of the module.
    pub outputs: HashMap<String, Place>,
}

#[derive(Clone, Debug)]
enum Value {
    Module {
        path: String,
        id: Id,
    },
    /// A parameter or buffer, by the module that holds it and its name.
    Tensor(String, String),
    Map(Place),
    Number(f64),
    /// So many times the size of a map along a dimension.
    Side(Place, i64, f64),
    Bool(bool),
    Text(String),
    None,
    List(Vec<Value>),
    Unknown,
}

impl Value {
    fn map(&self) -> Option<Place> {
        match self {
            Self::Map(place) => Some(*place),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    fn whole(&self) -> Option<i64> {
        self.number().filter(|value| value.fract() == 0.0).map(|value| value as i64)
    }

    fn wholes<const N: usize>(&self) -> Option<[i64; N]> {
        let Self::List(items) = self else { return None };
        let numbers: Vec<i64> = items.iter().map(Self::whole).collect::<Option<_>>()?;
        numbers.try_into().ok()
    }
}

/// Follows `forward` of the pickle's root, given one image. `constants`: `CONSTANTS.c0` and so on, where they are numbers.
pub(super) fn follow(
    pickled: &Pickled<'_>,
    methods: &HashMap<String, Methods>,
    constants: &[Option<f64>],
) -> Result<Trace, String> {
    let trace = Trace { graph: Graph::default(), outputs: HashMap::new() };
    let mut follower = Follower { pickled, methods, constants, trace, steps: 0 };
    let image = follower.trace.graph.add(Operation::Image, "");
    let root = Value::Module { path: String::new(), id: pickled.pickle.root };
    follower.call(&root, "forward", vec![Value::Map(image)], 0)?;
    Ok(follower.trace)
}

struct Follower<'a> {
    pickled: &'a Pickled<'a>,
    /// By the Python module of their class.
    methods: &'a HashMap<String, Methods>,
    constants: &'a [Option<f64>],
    trace: Trace,
    steps: usize,
}

/// A method while it is followed.
struct Frame {
    names: HashMap<String, Value>,
    /// Path of the module whose method it is.
    scope: String,
    depth: usize,
}

impl<'a> Follower<'a> {
    fn call(&mut self, module: &Value, method: &str, arguments: Vec<Value>, depth: usize) -> Result<Value, String> {
        let Value::Module { path, id } = module else { return Ok(Value::Unknown) };
        if depth > MAX_CALLS {
            return Err("its modules call each other without end".to_owned());
        }
        let (file, class) = self.pickled.class(*id).ok_or("a module has no class")?;
        let known: Option<&'a _> = self.methods.get(file).and_then(|methods| methods.get(&format!("{class}.{method}")));
        let known = known.ok_or_else(|| format!("the code of {class:.60}.{method:.20} is missing"))?;
        let names = known.parameters.iter().cloned().zip([module.clone()].into_iter().chain(arguments)).collect();
        let mut frame = Frame { names, scope: path.clone(), depth };
        for statement in &known.body {
            match statement {
                Statement::Return(expr) => {
                    let value = self.evaluate(expr, &mut frame)?;
                    if let Value::Map(place) = value {
                        self.trace.outputs.insert(path.clone(), place);
                    }
                    return Ok(value);
                }
                Statement::Assign { targets, value } => {
                    let value = self.evaluate(value, &mut frame)?;
                    match (&targets[..], value) {
                        ([], _) => {}
                        ([name], value) => {
                            frame.names.insert(name.clone(), value);
                        }
                        (names, Value::List(values)) if names.len() == values.len() => {
                            frame.names.extend(names.iter().cloned().zip(values));
                        }
                        (names, _) => frame.names.extend(names.iter().map(|name| (name.clone(), Value::Unknown))),
                    }
                }
            }
        }
        Ok(Value::None)
    }

    fn evaluate(&mut self, expr: &Expr, frame: &mut Frame) -> Result<Value, String> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err("its code takes too many steps".to_owned());
        }
        Ok(match expr {
            Expr::None => Value::None,
            Expr::Bool(value) => Value::Bool(*value),
            Expr::Int(value) => Value::Number(*value as f64),
            Expr::Float(value) => Value::Number(*value),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Index => Value::Unknown,
            Expr::Name(name) => frame.names.get(name).cloned().unwrap_or(Value::Unknown),
            Expr::Attribute(of, name) if matches!(&**of, Expr::Name(of) if of == "CONSTANTS") => {
                let at = name.strip_prefix('c').and_then(|at| at.parse::<usize>().ok());
                at.and_then(|at| *self.constants.get(at)?).map_or(Value::Unknown, Value::Number)
            }
            Expr::Attribute(of, name) => {
                let of = self.evaluate(of, frame)?;
                self.attribute(&of, name)?
            }
            Expr::List(items) => Value::List(self.all(items, frame)?),
            Expr::Call(function, arguments, named) => match &**function {
                Expr::Attribute(of, method) if dotted(function).is_none_or(|name| !is_library(&name)) => {
                    let module = self.evaluate(of, frame)?;
                    let arguments = self.all(arguments, frame)?;
                    self.call(&module, method, arguments, frame.depth + 1)?
                }
                Expr::Name(name) if name == "getattr" => match &arguments[..] {
                    [of, Expr::Text(name)] => {
                        let of = self.evaluate(of, frame)?;
                        self.attribute(&of, name)?
                    }
                    _ => Value::Unknown,
                },
                // annotate(List[Tensor], x) is x.
                Expr::Name(name) if name == "annotate" || name == "unchecked_cast" => match &arguments[..] {
                    [_, value] => self.evaluate(value, frame)?,
                    _ => Value::Unknown,
                },
                _ => {
                    let arguments = self.all(arguments, frame)?;
                    // A default that is written out changes nothing.
                    let plain = named.iter().all(|(name, value)| name == "alpha" && *value == Expr::Int(1));
                    let name = dotted(function).filter(|_| plain).unwrap_or_default();
                    if let Some(value) = on_numbers(&name, &arguments) {
                        return Ok(value);
                    }
                    let operation = self.operation(&name, &arguments);
                    match operation {
                        Some(Made::Same(place)) => Value::Map(place),
                        Some(Made::New(operation)) => Value::Map(self.trace.graph.add(operation, &frame.scope)),
                        None => Value::Unknown,
                    }
                }
            },
        })
    }

    fn all(&mut self, exprs: &[Expr], frame: &mut Frame) -> Result<Vec<Value>, String> {
        if exprs.len() > MAX_ITEMS {
            return Err("a list is too long".to_owned());
        }
        exprs.iter().map(|expr| self.evaluate(expr, frame)).collect()
    }

    fn attribute(&self, of: &Value, name: &str) -> Result<Value, String> {
        let Value::Module { path, id } = of else { return Ok(Value::Unknown) };
        let Some(value) = self.pickled.attribute(*id, name) else { return Ok(Value::Unknown) };
        if path.len() + name.len() >= MAX_PATH {
            return Err("its modules are nested without end".to_owned());
        }
        Ok(match self.pickled.pickle.node(value) {
            Node::Object(_) if self.pickled.is_tensor(value) => Value::Tensor(path.clone(), name.to_owned()),
            Node::Object(_) => {
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                Value::Module { path, id: value }
            }
            Node::None => Value::None,
            _ => Value::Unknown,
        })
    }

    /// What a function of torch does to maps; none where it is not one that a YOLOv5 needs before Detect.
    fn operation(&self, name: &str, arguments: &[Value]) -> Option<Made> {
        let name = name.strip_prefix("torch.")?;
        let argument = |at: usize| arguments.get(at);
        let map = |at: usize| argument(at)?.map();
        let number = |at: usize| argument(at)?.number();
        let activation = |act: Act| Some(Made::New(Operation::Activation(act, map(0)?)));
        // Inplace or not: nothing else reads what stood there before.
        match name.strip_suffix('_').unwrap_or(name) {
            "_convolution" | "conv2d" => {
                let (Value::Tensor(path, weight), bias) = (argument(1)?, argument(2)?) else { return None };
                let bias = match bias {
                    Value::None => false,
                    Value::Tensor(of, name) if of == path && name == "bias" => true,
                    _ => return None,
                };
                let full = name == "_convolution";
                let transposed = full && !matches!(argument(6)?, Value::Bool(false));
                let groups = argument(if full { 8 } else { 6 })?.whole()?;
                (weight == "weight" && !transposed).then_some(())?;
                Some(Made::New(Operation::Conv {
                    path: path.clone(),
                    input: map(0)?,
                    stride: argument(3)?.wholes()?,
                    padding: argument(4)?.wholes()?,
                    dilation: argument(5)?.wholes()?,
                    groups,
                    bias,
                }))
            }
            "batch_norm" => {
                let names = ["weight", "bias", "running_mean", "running_var"];
                let Value::Tensor(path, _) = argument(1)? else { return None };
                let own = names.iter().enumerate().all(
                    |(at, name)| matches!(argument(at + 1), Some(Value::Tensor(of, is)) if of == path && is == name),
                );
                (own && matches!(argument(5)?, Value::Bool(false))).then_some(())?;
                Some(Made::New(Operation::Norm { path: path.clone(), input: map(0)?, eps: number(7)?.into() }))
            }
            "silu" => activation(Act::SiLU),
            "relu" => activation(Act::ReLU),
            "relu6" => activation(Act::ReLU6),
            "hardtanh" if number(1)? == 0.0 && number(2)? == 6.0 => activation(Act::ReLU6),
            "leaky_relu" => activation(Act::LeakyReLU(number(1)?.into())),
            "hardswish" => activation(Act::Hardswish),
            "mish" => activation(Act::Mish),
            "sigmoid" => Some(Made::New(Operation::Sigmoid(map(0)?))),
            // As the export of v6.0 wrote a SiLU.
            "mul" => match self.trace.graph.at(map(1)?) {
                Operation::Sigmoid(of) if *of == map(0)? => activation(Act::SiLU),
                _ => None,
            },
            "add" if arguments.len() == 2 => Some(Made::New(Operation::Add(map(0)?, map(1)?))),
            "cat" => {
                let Value::List(maps) = argument(0)? else { return None };
                (argument(1)?.whole()? == 1).then_some(())?;
                Some(Made::New(Operation::Cat(maps.iter().map(Value::map).collect::<Option<_>>()?)))
            }
            "max_pool2d" => {
                let default =
                    matches!(argument(5), None | Some(Value::Bool(false))) && argument(4)?.wholes()? == [1, 1];
                default.then_some(())?;
                Some(Made::New(Operation::MaxPool {
                    input: map(0)?,
                    kernel: argument(1)?.wholes()?,
                    stride: argument(2)?.wholes()?,
                    padding: argument(3)?.wholes()?,
                }))
            }
            // (x, None, [2., 2.]), from older modules (x, [rows, cols], None), before torch 1.6 (x, size, 2., 2.).
            "upsample_nearest2d" => {
                let input = map(0)?;
                let [rows, cols] = match (argument(1)?, argument(2)?) {
                    (_, factors @ Value::List(_)) => factors.wholes()?,
                    (Value::List(sides), Value::None) => match sides[..] {
                        [Value::Side(of, 2, rows), Value::Side(also_of, 3, cols)]
                            if of == input && also_of == input && rows.fract() == 0.0 && cols.fract() == 0.0 =>
                        {
                            [rows as i64, cols as i64]
                        }
                        _ => return None,
                    },
                    _ => [argument(2)?.whole()?, argument(3)?.whole()?],
                };
                (rows == cols).then_some(Made::New(Operation::Upsample(input, rows)))
            }
            "pad" => {
                let zeros = match argument(3) {
                    None | Some(Value::None) => true,
                    Some(value) => value.number()? == 0.0,
                };
                let constant = matches!(argument(2)?, Value::Text(mode) if mode == "constant");
                (zeros && constant).then_some(())?;
                Some(Made::New(Operation::Pad(map(0)?, argument(1)?.wholes()?)))
            }
            "constant_pad_nd" if number(2)? == 0.0 => Some(Made::New(Operation::Pad(map(0)?, argument(1)?.wholes()?))),
            "slice" => {
                let (dimension, start, step) = (argument(1)?.whole()?, argument(2)?.whole()?, argument(4)?.whole()?);
                let to_the_end = match argument(3)? {
                    Value::None => true,
                    end => end.number()? >= i64::MAX as f64,
                };
                to_the_end.then_some(())?;
                let input = map(0)?;
                match (dimension, start, step) {
                    (0..=3, 0, 1) => Some(Made::Same(input)),
                    (2 | 3, ..) => Some(Made::New(Operation::EveryOther { input, dimension, start, step })),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// What functions make of numbers and of the sizes of maps; none of anything else.
fn on_numbers(name: &str, arguments: &[Value]) -> Option<Value> {
    let first = arguments.first()?;
    match (name, first) {
        ("torch.size", Value::Map(place)) => Some(Value::Side(*place, arguments.get(1)?.whole()?, 1.0)),
        (
            "ops.prim.NumToTensor" | "torch.to" | "torch.detach" | "torch.floor" | "int" | "float",
            Value::Side(..) | Value::Number(_),
        ) => Some(first.clone()),
        ("torch.mul", Value::Side(place, dimension, times)) => {
            Some(Value::Side(*place, *dimension, times * arguments.get(1)?.number()?))
        }
        _ => None,
    }
}

enum Made {
    New(Operation),
    /// Nothing changes.
    Same(Place),
}

/// `torch.nn.f` of an expression that is only names.
fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.clone()),
        Expr::Attribute(of, name) => Some(format!("{}.{name}", dotted(of)?)),
        _ => None,
    }
}

fn is_library(name: &str) -> bool {
    name.starts_with("torch.") || name.starts_with("ops.") || name.starts_with("__torch__.")
}
