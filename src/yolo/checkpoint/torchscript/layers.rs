//! From a traced model to the rows of a YOLOv5 yaml, and the proof that the rows compute what the code computes.
//!
//! The rows are read off the classes, the shapes and the graph. Then every operation that our own network would do is
//! looked up in the graph of the code, layer by layer, up to the convolutions of Detect; a single one that is missing
//! refuses the file.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::description::{Activation, ModelDescription};
use super::super::pickled::{Pickled, Tree};
use super::trace::{Act, Graph, Operation, Place, Trace};
use crate::yolo::layers::NORM_EPS;
use crate::yolo::spec::{BottleneckSpec, ConvSpec, CspSpec, GhostBottleneckSpec, LayerSpec, ModelSpec, ModuleSpec};

/// Rows of a yaml.
const MAX_ROWS: usize = 300;

/// The yaml of a traced model whose description has classes and anchors already. `detect`: the path of its Detect.
pub(super) fn yaml(
    model: &mut ModelDescription,
    detect: &str,
    pickled: &Pickled<'_>,
    tree: &Tree,
    trace: &Trace,
) -> Result<Value, String> {
    let last = detect.strip_prefix("model.").and_then(|index| index.parse::<usize>().ok());
    let last = last.filter(|last| *last < MAX_ROWS).ok_or_else(|| format!("its Detect is at {detect:.60}"))?;
    let classes = tree.modules.iter().filter_map(|(path, id)| Some((path.as_str(), pickled.class(*id)?.1))).collect();
    let shapes = tree.tensors.iter().map(|tensor| (tensor.info.name.as_str(), tensor.info.shape.as_slice())).collect();
    let reader = Reader { classes, shapes, trace };
    model.activation = reader.first_activation().map(Act::activation);
    let mut rows = Vec::with_capacity(last + 1);
    for index in 0..last {
        rows.push(reader.row(index).map_err(|what| format!("layer {index}: {what}"))?);
    }
    let from = (0..model.anchors_px.len()).map(|scale| match trace.graph.conv(&format!("{detect}.m.{scale}")) {
        Some((Operation::Conv { input, .. }, _)) => reader.layer_of(*input, last),
        _ => None,
    });
    let from: Vec<usize> = from.collect::<Option<_>>().ok_or("its Detect does not read layers of the model")?;
    rows.push(json!([from, 1, "Detect", ["nc", "anchors"]]));
    // Where the neck begins is in no trace; in every YOLOv5 it begins on the way up, with a 1×1 convolution or none.
    let up = rows.iter().position(|row| row[2] == "nn.Upsample").unwrap_or(last);
    let backbone = match up.checked_sub(1) {
        Some(before) if rows[before][2] == "Conv" && rows[before][3][1] == 1 => before,
        _ => up,
    };
    let head = rows.split_off(backbone);
    let anchors: Vec<Vec<f32>> = model.anchors_px.iter().map(|scale| scale.as_flattened().to_vec()).collect();
    let yaml = json!({
        "nc": model.nc, "depth_multiple": 1.0, "width_multiple": 1.0, "anchors": anchors, "backbone": rows, "head": head,
    });
    let mut spec = ModelSpec::from_yaml(&yaml).map_err(|error| error.to_string())?;
    if let Some(activation) = &model.activation {
        spec.activation = activation.clone();
    }
    let side = spec.input_multiple().map_err(|error| error.to_string())? as usize;
    let wanted = spec.inventory(true, side, side).map_err(|error| error.to_string())?.tensors;
    if let Some((name, _)) =
        wanted.iter().find(|(name, shape)| reader.shapes.get(name.as_str()) != Some(&shape.as_slice()))
    {
        return Err(format!("{name:.100} is missing or not of the shape that these layers have"));
    }
    prove(&spec, model, &trace.graph)?;
    Ok(yaml)
}

struct Reader<'a> {
    classes: HashMap<&'a str, &'a str>,
    shapes: HashMap<&'a str, &'a [usize]>,
    trace: &'a Trace,
}

/// What a convolution is, by its operation and its weight.
struct ConvFacts {
    outputs: usize,
    kernel: usize,
    stride: i64,
    padding: i64,
    groups: i64,
    dilation: i64,
    /// Followed by an activation; that it is the model's is proved later.
    active: bool,
    input: Place,
}

impl Reader<'_> {
    fn first_activation(&self) -> Option<Act> {
        self.trace.graph.of_module("model").find_map(|(operation, _)| match operation {
            Operation::Activation(act, _) => Some(*act),
            _ => None,
        })
    }

    /// The layer whose output a place is; the last where several hand it on.
    fn layer_of(&self, place: Place, before: usize) -> Option<usize> {
        (0..before).rev().find(|index| self.trace.outputs.get(&format!("model.{index}")) == Some(&place))
    }

    fn conv(&self, path: &str) -> Result<ConvFacts, String> {
        let missing = || format!("{path:.60} is not the convolution that it would be in YOLOv5");
        let weight = self.shapes.get(format!("{path}.weight").as_str());
        let Some(&&[outputs, _, kernel, _]) = weight else { return Err(missing()) };
        let Some((Operation::Conv { input, stride, padding, dilation, groups, .. }, place)) =
            self.trace.graph.conv(path)
        else {
            return Err(missing());
        };
        Ok(ConvFacts {
            outputs,
            kernel,
            stride: stride[0],
            padding: padding[0],
            groups: *groups,
            dilation: dilation[0],
            active: self.trace.graph.activation_of(place).is_some(),
            input: *input,
        })
    }

    /// How many children `path.0`, `path.1` … there are.
    fn children(&self, path: &str) -> usize {
        (0..).take_while(|child| self.classes.contains_key(format!("{path}.{child}").as_str())).count()
    }

    fn adds(&self, path: &str) -> bool {
        self.trace.graph.of_module(path).any(|(operation, _)| matches!(operation, Operation::Add(..)))
    }

    /// `[from, number, module, args]`.
    fn row(&self, index: usize) -> Result<Value, String> {
        let path = format!("model.{index}");
        let class = *self.classes.get(path.as_str()).ok_or("there is no such layer")?;
        let (number, class, path) = match class {
            "Sequential" => {
                let first = format!("{path}.0");
                let class = self.classes.get(first.as_str()).ok_or("an empty sequence")?;
                (self.children(&path), *class, first)
            }
            class => (1, class, path),
        };
        let graph = &self.trace.graph;
        let no_operation = || format!("a {class:.40} without its operation");
        let find = |wanted: fn(&Operation) -> bool| {
            graph.of_module(&path).map(|(operation, _)| operation).find(|operation| wanted(operation))
        };
        let conv_row = |name: &str, module: &str| {
            let conv = self.conv(&format!("{path}.{name}"))?;
            let ConvFacts { outputs, kernel, stride, padding, groups, dilation, active, .. } = conv;
            Ok::<_, String>((
                conv.input,
                module.to_owned(),
                json!([outputs, kernel, stride, padding, groups, dilation, active]),
            ))
        };
        let (input, module, arguments) = match class {
            "Conv" | "DWConv" => conv_row("conv", "Conv")?,
            "Focus" => {
                let (input, module, arguments) = conv_row("conv.conv", "Focus")?;
                (self.before_focus(input).ok_or_else(no_operation)?, module, arguments)
            }
            "GhostConv" => {
                let conv = self.conv(&format!("{path}.cv1.conv"))?;
                let arguments = json!([2 * conv.outputs, conv.kernel, conv.stride, conv.groups, conv.active]);
                (conv.input, "GhostConv".to_owned(), arguments)
            }
            "GhostBottleneck" => {
                let first = self.conv(&format!("{path}.conv.0.cv1.conv"))?;
                let last = self.conv(&format!("{path}.conv.2.cv1.conv"))?;
                let (kernel, stride) = match self.conv(&format!("{path}.conv.1.conv")) {
                    Ok(between) => (between.kernel, between.stride),
                    Err(_) => (3, 1),
                };
                (first.input, class.to_owned(), json!([2 * last.outputs, kernel, stride]))
            }
            "Bottleneck" => {
                let (first, second) =
                    (self.conv(&format!("{path}.cv1.conv"))?, self.conv(&format!("{path}.cv2.conv"))?);
                let share = share(first.outputs, second.outputs);
                (first.input, class.to_owned(), json!([second.outputs, self.adds(&path), second.groups, share]))
            }
            "C3" | "C3Ghost" | "BottleneckCSP" => {
                let first = self.conv(&format!("{path}.cv1.conv"))?;
                let last =
                    self.conv(&format!("{path}.{}.conv", if class == "BottleneckCSP" { "cv4" } else { "cv3" }))?;
                let groups = self.conv(&format!("{path}.m.0.cv2.conv")).map_or(1, |conv| conv.groups);
                let inner = format!("{path}.m");
                let shortcut = class == "C3Ghost" || self.adds(&inner);
                let arguments = json!([last.outputs, shortcut, groups, share(first.outputs, last.outputs)]);
                return self.finish(index, first.input, self.children(&inner), class, arguments);
            }
            "SPP" | "SPPF" => {
                let (first, last) = (self.conv(&format!("{path}.cv1.conv"))?, self.conv(&format!("{path}.cv2.conv"))?);
                let kernels = graph.of_module(&path).filter_map(|(operation, _)| match operation {
                    Operation::MaxPool { kernel, .. } => Some(kernel[0]),
                    _ => None,
                });
                let kernels: Vec<i64> = kernels.collect();
                let of_row = if class == "SPP" { json!(kernels) } else { json!(kernels.first()) };
                (first.input, class.to_owned(), json!([last.outputs, of_row]))
            }
            "Upsample" => match find(|operation| matches!(operation, Operation::Upsample(..))) {
                Some(Operation::Upsample(input, scale)) => {
                    (*input, "nn.Upsample".to_owned(), json!([null, scale, "nearest"]))
                }
                _ => return Err(no_operation()),
            },
            "MaxPool2d" => match find(|operation| matches!(operation, Operation::MaxPool { .. })) {
                Some(Operation::MaxPool { input, kernel, stride, padding }) => {
                    (*input, "nn.MaxPool2d".to_owned(), json!([kernel[0], stride[0], padding[0]]))
                }
                _ => return Err(no_operation()),
            },
            "ZeroPad2d" => match find(|operation| matches!(operation, Operation::Pad(..))) {
                Some(Operation::Pad(input, pads)) => (*input, "nn.ZeroPad2d".to_owned(), json!([pads])),
                _ => return Err(no_operation()),
            },
            "Concat" => match find(|operation| matches!(operation, Operation::Cat(_))) {
                Some(Operation::Cat(maps)) => {
                    let from: Option<Vec<usize>> = maps.iter().map(|map| self.layer_of(*map, index)).collect();
                    return Ok(json!([from.ok_or("it joins what is no layer's output")?, 1, "Concat", [1]]));
                }
                _ => return Err(no_operation()),
            },
            other => return Err(format!("{other:.40} is not among the layers that can be read from TorchScript")),
        };
        self.finish(index, input, number, &module, arguments)
    }

    fn finish(
        &self,
        index: usize,
        input: Place,
        number: usize,
        module: &str,
        arguments: Value,
    ) -> Result<Value, String> {
        let from = match self.trace.graph.at(input) {
            Operation::Image if index == 0 => json!(-1),
            _ => json!(self.layer_of(input, index).ok_or("it reads what is no layer's output")?),
        };
        Ok(json!([from, number, module, arguments]))
    }

    /// What a Focus slices, from what its convolution reads.
    fn before_focus(&self, joined: Place) -> Option<Place> {
        let Operation::Cat(parts) = self.trace.graph.at(joined) else { return None };
        let Operation::EveryOther { input, .. } = self.trace.graph.at(*parts.first()?) else { return None };
        let Operation::EveryOther { input, .. } = self.trace.graph.at(*input) else { return None };
        Some(*input)
    }
}

/// `e` of a row: with it `(outputs · e)`, cut down to a whole number, is `hidden`.
fn share(hidden: usize, outputs: usize) -> f64 {
    if 2 * hidden == outputs { 0.5 } else { (hidden as f64 + 0.25) / outputs as f64 }
}

/// Looks up everything that the network of this spec would do.
fn prove(spec: &ModelSpec, model: &ModelDescription, graph: &Graph) -> Result<(), String> {
    let prover = Prover { graph, activation: &spec.activation };
    let image = graph.find(&Operation::Image).ok_or("its code reads no image")?;
    let mut outputs: Vec<Place> = Vec::with_capacity(spec.layers.len());
    for (index, layer) in spec.layers.iter().enumerate() {
        let inputs: Vec<Place> = match layer.from[..] {
            [] => vec![image],
            _ => layer.from.iter().map(|source| outputs[*source]).collect(),
        };
        let path = format!("model.{index}");
        let output = prover.layer(&path, layer, &inputs).ok_or_else(|| {
            let class = layer.module.name();
            format!("layer {index} does not compute what a {class} of YOLOv5 computes")
        })?;
        outputs.push(output);
    }
    if spec.strides().map_err(|error| error.to_string())? != model.strides {
        return Err("its layers have other strides than its Detect".to_owned());
    }
    if model.anchors_px.len() == spec.necks().len() {
        Ok(())
    } else {
        Err("its scales are not its anchors'".to_owned())
    }
}

struct Prover<'a> {
    graph: &'a Graph,
    activation: &'a Activation,
}

/// Each method follows the `forward` of its namesake in [`crate::yolo::layers`]; none where the code does something
/// else.
impl Prover<'_> {
    fn layer(&self, path: &str, layer: &LayerSpec, inputs: &[Place]) -> Option<Place> {
        let first = *inputs.first()?;
        match &layer.module {
            ModuleSpec::Concat => self.cat(inputs.to_vec()),
            ModuleSpec::Detect { inputs: channels, anchors, outputs } => {
                let heads = channels.iter().zip(inputs).enumerate().map(|(scale, (channels, input))| {
                    let conv = ConvSpec::new(*channels, anchors * outputs, 1, 1);
                    self.plain_conv(&format!("{path}.m.{scale}"), &conv, true, *input)
                });
                heads.collect::<Option<Vec<_>>>()?.pop()
            }
            module if layer.repeats == 1 => self.module(path, module, first),
            module => (0..layer.repeats).try_fold(first, |x, i| self.module(&format!("{path}.{i}"), module, x)),
        }
    }

    fn module(&self, path: &str, module: &ModuleSpec, x: Place) -> Option<Place> {
        match module {
            ModuleSpec::Conv(conv) => self.conv(path, conv, x),
            ModuleSpec::Focus(conv) => self.conv(&format!("{path}.conv"), conv, self.space_to_depth(x)?),
            ModuleSpec::GhostConv(conv) => self.ghost_conv(path, conv, x),
            ModuleSpec::Bottleneck(bottleneck) => self.bottleneck(path, bottleneck, x),
            ModuleSpec::GhostBottleneck(bottleneck) => self.ghost_bottleneck(path, bottleneck, x),
            ModuleSpec::BottleneckCsp(csp) => self.bottleneck_csp(path, csp, x),
            ModuleSpec::C3(csp) => self.c3(path, csp, x, |x| self.bottlenecks(path, csp, x)),
            ModuleSpec::C3Ghost(csp) => self.c3(path, csp, x, |x| {
                let block = |x, i| self.ghost_bottleneck(&format!("{path}.m.{i}"), &csp.ghost_bottleneck(), x);
                (0..csp.repeats).try_fold(x, block)
            }),
            ModuleSpec::Spp { inputs, outputs, kernels } => self.pyramid(path, *inputs, *outputs, kernels, false, x),
            ModuleSpec::Sppf { inputs, outputs, kernel } => {
                self.pyramid(path, *inputs, *outputs, &[*kernel; 3], true, x)
            }
            ModuleSpec::Upsample { scale } => self.graph.find(&Operation::Upsample(x, *scale as i64)),
            ModuleSpec::MaxPool { kernel, stride, padding } => self.max_pool(x, *kernel, *stride, *padding),
            ModuleSpec::ZeroPad { left, right, top, bottom } => {
                self.graph.find(&Operation::Pad(x, [left, right, top, bottom].map(|pad| *pad as i64)))
            }
            // The code of attention is not followed; Concat and Detect are layers of their own.
            ModuleSpec::C3Transformer(_) | ModuleSpec::Concat | ModuleSpec::Detect { .. } => None,
        }
    }

    fn plain_conv(&self, path: &str, conv: &ConvSpec, bias: bool, input: Place) -> Option<Place> {
        self.graph.find(&Operation::Conv {
            path: path.to_owned(),
            input,
            stride: [conv.stride as i64; 2],
            padding: [conv.padding as i64; 2],
            dilation: [conv.dilation as i64; 2],
            groups: conv.groups as i64,
            bias,
        })
    }

    fn conv(&self, path: &str, conv: &ConvSpec, x: Place) -> Option<Place> {
        // Exports are fused: a bias, no batch-norm.
        let y = self.plain_conv(&format!("{path}.conv"), conv, true, x)?;
        self.active(conv.activation.as_ref().unwrap_or(self.activation), y)
    }

    fn active(&self, activation: &Activation, x: Place) -> Option<Place> {
        match activation {
            Activation::Identity => Some(x),
            other => self.graph.find(&Operation::Activation(Act::of(other)?, x)),
        }
    }

    fn point(&self, path: &str, name: &str, inputs: usize, outputs: usize, x: Place) -> Option<Place> {
        self.conv(&format!("{path}.{name}"), &ConvSpec::new(inputs, outputs, 1, 1), x)
    }

    fn add(&self, a: Place, b: Place) -> Option<Place> {
        self.graph.find(&Operation::Add(a, b)).or_else(|| self.graph.find(&Operation::Add(b, a)))
    }

    fn cat(&self, maps: Vec<Place>) -> Option<Place> {
        self.graph.find(&Operation::Cat(maps))
    }

    fn max_pool(&self, input: Place, kernel: usize, stride: usize, padding: usize) -> Option<Place> {
        let pair = |side: usize| [side as i64; 2];
        self.graph.find(&Operation::MaxPool {
            input,
            kernel: pair(kernel),
            stride: pair(stride),
            padding: pair(padding),
        })
    }

    fn space_to_depth(&self, x: Place) -> Option<Place> {
        let every_other =
            |input, dimension, start| self.graph.find(&Operation::EveryOther { input, dimension, start, step: 2 });
        let part = |(row, col)| every_other(every_other(x, 2, row)?, 3, col);
        self.cat([(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().map(part).collect::<Option<_>>()?)
    }

    fn ghost_conv(&self, path: &str, conv: &ConvSpec, x: Place) -> Option<Place> {
        let (primary, cheap) = conv.ghost_halves();
        let y = self.conv(&format!("{path}.cv1"), &primary, x)?;
        self.cat(vec![y, self.conv(&format!("{path}.cv2"), &cheap, y)?])
    }

    fn bottleneck(&self, path: &str, spec: &BottleneckSpec, x: Place) -> Option<Place> {
        let hidden = self.point(path, "cv1", spec.inputs, spec.hidden, x)?;
        let second = ConvSpec::new(spec.hidden, spec.outputs, 3, 1).groups(spec.groups);
        let y = self.conv(&format!("{path}.cv2"), &second, hidden)?;
        if spec.shortcut && spec.inputs == spec.outputs { self.add(x, y) } else { Some(y) }
    }

    fn bottlenecks(&self, path: &str, csp: &CspSpec, x: Place) -> Option<Place> {
        (0..csp.repeats).try_fold(x, |x, i| self.bottleneck(&format!("{path}.m.{i}"), &csp.bottleneck(), x))
    }

    fn ghost_bottleneck(&self, path: &str, spec: &GhostBottleneckSpec, x: Place) -> Option<Place> {
        let hidden = spec.outputs / 2;
        let mut y = self.ghost_conv(&format!("{path}.conv.0"), &ConvSpec::new(spec.inputs, hidden, 1, 1), x)?;
        let mut shortcut = x;
        let last = ConvSpec::new(spec.inputs, spec.outputs, 1, 1).linear();
        if spec.stride == 2 {
            y = self.conv(&format!("{path}.conv.1"), &spec.depthwise(hidden), y)?;
            shortcut = self.conv(&format!("{path}.shortcut.0"), &spec.depthwise(spec.inputs), x)?;
            shortcut = self.conv(&format!("{path}.shortcut.1"), &last, shortcut)?;
        }
        let y = self.ghost_conv(&format!("{path}.conv.2"), &ConvSpec { inputs: hidden, ..last }, y)?;
        self.add(y, shortcut)
    }

    fn c3(&self, path: &str, csp: &CspSpec, x: Place, inner: impl Fn(Place) -> Option<Place>) -> Option<Place> {
        let deep = inner(self.point(path, "cv1", csp.inputs, csp.hidden, x)?)?;
        let side = self.point(path, "cv2", csp.inputs, csp.hidden, x)?;
        self.point(path, "cv3", 2 * csp.hidden, csp.outputs, self.cat(vec![deep, side])?)
    }

    fn bottleneck_csp(&self, path: &str, csp: &CspSpec, x: Place) -> Option<Place> {
        let plain = |name: &str, inputs, x| {
            self.plain_conv(&format!("{path}.{name}"), &ConvSpec::new(inputs, csp.hidden, 1, 1), false, x)
        };
        let deep = self.bottlenecks(path, csp, self.point(path, "cv1", csp.inputs, csp.hidden, x)?)?;
        let joined = self.cat(vec![plain("cv3", csp.hidden, deep)?, plain("cv2", csp.inputs, x)?])?;
        let norm = Operation::Norm { path: format!("{path}.bn"), input: joined, eps: NORM_EPS.into() };
        let joined = self.active(&csp.join_activation, self.graph.find(&norm)?)?;
        self.point(path, "cv4", 2 * csp.hidden, csp.outputs, joined)
    }

    fn pyramid(
        &self,
        path: &str,
        inputs: usize,
        outputs: usize,
        kernels: &[usize],
        chained: bool,
        x: Place,
    ) -> Option<Place> {
        let mut maps = vec![self.point(path, "cv1", inputs, inputs / 2, x)?];
        for kernel in kernels {
            let source = if chained { maps[maps.len() - 1] } else { maps[0] };
            maps.push(self.max_pool(source, *kernel, 1, kernel / 2)?);
        }
        self.point(path, "cv2", inputs / 2 * (kernels.len() + 1), outputs, self.cat(maps)?)
    }
}
