//! Reads the rows of a model yaml, `[from, number, module, args]`, into a [`ModelSpec`].
//!
//! YOLOv5 evaluates them as Python; here they are data, and what they ask for is bounded.

use serde_json::Value;

use super::checkpoint::description::Activation;
use super::spec::{
    BottleneckSpec, ConvSpec, CspSpec, GhostBottleneckSpec, LayerSpec, ModelSpec, ModuleSpec, SpecError,
    parse_activation,
};

/// Bounds on what a file may ask for; the largest published model has 60 rows, 1600 channels, 16 repeats.
const MAX_ROWS: usize = 300;
const MAX_CHANNELS: usize = 1 << 15;
const MAX_REPEATS: usize = 256;
const MAX_KERNEL: usize = 64;
const MAX_CLASSES: usize = 10_000;
const MAX_ANCHORS: usize = 64;

/// The model that a yaml, read as nested data, describes.
pub(super) fn parse(yaml: &Value) -> Result<ModelSpec, SpecError> {
    Parser::new(yaml)?.parse()
}

struct Parser<'a> {
    yaml: &'a Value,
    nc: usize,
    depth: f64,
    width: f64,
    anchors: usize,
}

/// A row while it is resolved: its place for messages, its arguments.
struct Row<'a> {
    index: usize,
    module: &'a str,
    args: &'a [Value],
    nc: usize,
}

impl Row<'_> {
    fn error(&self, problem: impl Into<String>) -> SpecError {
        SpecError::Row { row: self.index, module: self.module.to_owned(), problem: problem.into() }
    }

    fn get(&self, position: usize) -> Option<&Value> {
        self.args.get(position).filter(|value| !is_none(value))
    }

    /// A whole number within bounds; `nc` stands for the class count.
    fn number(&self, position: usize, default: Option<usize>, max: usize) -> Result<usize, SpecError> {
        let Some(value) = self.get(position) else {
            return default.ok_or_else(|| self.error(format!("argument {} is missing", position + 1)));
        };
        let number = match value.as_str() {
            Some("nc") => Some(self.nc),
            _ => value.as_u64().and_then(|n| usize::try_from(n).ok()),
        };
        number.filter(|n| *n <= max).ok_or_else(|| {
            self.error(format!("argument {} is {value}, a whole number up to {max} is needed", position + 1))
        })
    }

    fn positive(&self, position: usize, default: Option<usize>, max: usize) -> Result<usize, SpecError> {
        match self.number(position, default, max)? {
            0 => Err(self.error(format!("argument {} is 0", position + 1))),
            n => Ok(n),
        }
    }

    fn flag(&self, position: usize, default: bool) -> Result<bool, SpecError> {
        match self.get(position) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "True" || text == "False" => Ok(text == "True"),
            Some(value) => Err(self.error(format!("argument {} is {value}, True or False is needed", position + 1))),
        }
    }

    fn float(&self, position: usize, default: f64) -> Result<f64, SpecError> {
        self.get(position)
            .map_or(Some(default), Value::as_f64)
            .filter(|x| *x > 0.0 && *x <= 16.0)
            .ok_or_else(|| self.error(format!("argument {} is not a number between 0 and 16", position + 1)))
    }

    /// Whether a Conv is followed by the model's activation, by none, or by one of its own.
    fn activation(&self, position: usize) -> Result<Option<Activation>, SpecError> {
        match self.get(position) {
            Some(Value::String(text)) if text.contains('(') => parse_activation(text).map(Some),
            _ => Ok(if self.flag(position, true)? { None } else { Some(Activation::Identity) }),
        }
    }

    fn numbers(&self, value: &Value, max: usize) -> Option<Vec<usize>> {
        let list = value.as_array().filter(|list| (1..=16).contains(&list.len()))?;
        list.iter().map(|item| item.as_u64().map(|n| n as usize).filter(|n| *n <= max)).collect()
    }

    /// Padding that keeps the size at stride 1, unless the row gives one.
    fn conv(&self, inputs: usize, outputs: usize) -> Result<ConvSpec, SpecError> {
        let kernel = self.positive(1, Some(1), MAX_KERNEL)?;
        // (c2, k, s, p, g, d, act); before v6.2 there was no dilation and the activation came sixth.
        let old = matches!(self.get(5), Some(Value::Bool(_) | Value::String(_)));
        let dilation = if old { 1 } else { self.positive(5, Some(1), MAX_KERNEL)? };
        let extent = dilation * (kernel - 1) + 1;
        let spec = ConvSpec {
            inputs,
            outputs,
            kernel,
            stride: self.positive(2, Some(1), MAX_KERNEL)?,
            padding: self.number(3, Some(extent / 2), extent)?,
            groups: self.positive(4, Some(1), MAX_CHANNELS)?,
            dilation,
            activation: self.activation(if old { 5 } else { 6 })?,
        };
        self.divides(spec.groups, &[inputs, outputs])?;
        Ok(spec)
    }

    fn divides(&self, groups: usize, channels: &[usize]) -> Result<(), SpecError> {
        match channels.iter().find(|c| **c % groups != 0) {
            Some(c) => Err(self.error(format!("{c} channels do not split into {groups} groups"))),
            None => Ok(()),
        }
    }

    fn csp(&self, inputs: usize, outputs: usize, repeats: usize) -> Result<CspSpec, SpecError> {
        let spec = CspSpec {
            inputs,
            outputs,
            hidden: (outputs as f64 * self.float(3, 0.5)?) as usize,
            repeats,
            shortcut: self.flag(1, true)?,
            groups: self.positive(2, Some(1), MAX_CHANNELS)?,
            join_activation: Activation::SiLU,
        };
        if spec.hidden == 0 {
            return Err(self.error("no channel is left inside"));
        }
        self.divides(spec.groups, &[spec.hidden])?;
        Ok(spec)
    }
}

impl<'a> Parser<'a> {
    fn new(yaml: &'a Value) -> Result<Self, SpecError> {
        let lacks = |what: &str| SpecError::Yaml(format!("has no usable '{what}'"));
        let multiple = |key: &str| match yaml.get(key) {
            None => Ok(1.0),
            Some(value) => value.as_f64().filter(|m| *m > 0.0 && *m <= 16.0).ok_or_else(|| lacks(key)),
        };
        let nc = yaml.get("nc").and_then(Value::as_u64).map(|n| n as usize);
        let anchors = match yaml.get("anchors") {
            Some(Value::Array(scales)) => scales.first().and_then(Value::as_array).map(|scale| scale.len() / 2),
            Some(number) => number.as_f64().map(|n| n.round() as usize),
            None => None,
        };
        Ok(Self {
            yaml,
            nc: nc.filter(|nc| (1..=MAX_CLASSES).contains(nc)).ok_or_else(|| lacks("nc"))?,
            depth: multiple("depth_multiple")?,
            width: multiple("width_multiple")?,
            anchors: anchors.filter(|n| (1..=MAX_ANCHORS).contains(n)).ok_or_else(|| lacks("anchors"))?,
        })
    }

    fn rows(&self, section: &str) -> Result<&'a [Value], SpecError> {
        let rows = self.yaml.get(section).and_then(Value::as_array);
        rows.map(Vec::as_slice)
            .filter(|rows| rows.len() <= MAX_ROWS)
            .ok_or_else(|| SpecError::Yaml(format!("has no usable '{section}'")))
    }

    fn parse(&self) -> Result<ModelSpec, SpecError> {
        let (backbone, head) = (self.rows("backbone")?, self.rows("head")?);
        let input_channels = self.yaml.get("ch").and_then(Value::as_u64).map_or(3, |ch| ch as usize);
        if !(1..=MAX_CHANNELS).contains(&input_channels) {
            return Err(SpecError::Yaml("has no usable 'ch'".to_owned()));
        }
        let activation = match self.yaml.get("activation") {
            Some(Value::String(text)) => parse_activation(text)?,
            _ => Activation::SiLU,
        };
        let mut layers: Vec<LayerSpec> = Vec::with_capacity(backbone.len() + head.len());
        for row in backbone.iter().chain(head) {
            let layer = self.layer(row, input_channels, &layers)?;
            layers.push(layer);
        }
        let detects = layers.iter().filter(|layer| matches!(layer.module, ModuleSpec::Detect { .. })).count();
        if detects != 1 || !matches!(layers.last().map(|l| &l.module), Some(ModuleSpec::Detect { .. })) {
            return Err(SpecError::Yaml("does not end in its only Detect layer".to_owned()));
        }
        let mut spec = ModelSpec {
            nc: self.nc,
            input_channels,
            activation,
            anchors_px: Vec::new(),
            layers,
            backbone_len: backbone.len(),
        };
        spec.anchors_px = self.anchors_px(&spec)?;
        Ok(spec)
    }

    /// The yaml's anchors; turned round where their sizes run against the strides, as YOLOv5 does.
    fn anchors_px(&self, spec: &ModelSpec) -> Result<Vec<Vec<[f32; 2]>>, SpecError> {
        let scales = spec.necks().len();
        let unusable = || SpecError::Yaml(format!("has no usable 'anchors': {scales} lists of {} pairs", self.anchors));
        let Some(Value::Array(lists)) = self.yaml.get("anchors") else {
            let scale: Vec<[f32; 2]> = (0..self.anchors).map(|i| [(2 * i) as f32, (2 * i + 1) as f32]).collect();
            return Ok(vec![scale; scales]);
        };
        let scale = |list: &Value| -> Option<Vec<[f32; 2]>> {
            let numbers: Vec<f32> =
                list.as_array()?.iter().map(|n| n.as_f64().map(|n| n as f32)).collect::<Option<_>>()?;
            (numbers.len() == 2 * self.anchors).then(|| numbers.chunks_exact(2).map(|p| [p[0], p[1]]).collect())
        };
        let mut anchors: Vec<Vec<[f32; 2]>> = lists.iter().map(scale).collect::<Option<_>>().ok_or_else(unusable)?;
        if anchors.len() != scales {
            return Err(unusable());
        }
        let strides = spec.strides()?;
        let area = |scale: &[[f32; 2]]| scale.iter().map(|[w, h]| w * h).sum::<f32>();
        let grow = area(&anchors[scales - 1]) - area(&anchors[0]);
        if grow * (strides[scales - 1] as f32 - strides[0] as f32) < 0.0 {
            anchors.reverse();
        }
        Ok(anchors)
    }

    fn layer(&self, row: &Value, input_channels: usize, before: &[LayerSpec]) -> Result<LayerSpec, SpecError> {
        let index = before.len();
        let malformed = |problem: &str| SpecError::Row {
            row: index,
            module: row.get(2).and_then(Value::as_str).unwrap_or("?").to_owned(),
            problem: problem.to_owned(),
        };
        let Some([from, number, Value::String(module), Value::Array(args)]) = row.as_array().map(Vec::as_slice) else {
            return Err(malformed("expected [from, number, module, args]"));
        };
        let number = number.as_u64().map(|n| n as usize).filter(|n| (1..=MAX_REPEATS).contains(n));
        let number = number.ok_or_else(|| malformed("number is no whole number from 1 to 256"))?;
        let repeats = match number {
            1 => 1,
            n => ((n as f64 * self.depth).round_ties_even() as usize).clamp(1, MAX_REPEATS),
        };
        let module = module.rsplit('.').next().unwrap_or(module);
        let row = Row { index, module, args, nc: self.nc };

        let from = resolve_from(from, &row)?;
        let of = |source: &usize| before[*source].channels;
        let inputs = from.first().map_or(input_channels, of);
        let single = || match from.len() {
            0 | 1 => Ok(()),
            _ => Err(row.error("reads one layer, the row names several")),
        };
        let scaled = || -> Result<usize, SpecError> {
            single()?;
            let outputs = row.positive(0, None, MAX_CHANNELS)?;
            // A convolution that already has Detect's outputs is not widened.
            if outputs == self.anchors * (self.nc + 5) {
                return Ok(outputs);
            }
            let outputs = (outputs as f64 * self.width / 8.0).ceil() as usize * 8;
            if outputs > MAX_CHANNELS {
                Err(row.error(format!("{outputs} channels are too many")))
            } else {
                Ok(outputs)
            }
        };
        let mut in_sequence = repeats;
        let (module, channels) = match module {
            "Conv" => {
                let outputs = scaled()?;
                (ModuleSpec::Conv(row.conv(inputs, outputs)?), outputs)
            }
            "DWConv" => {
                // (c2, k, s, d, act)
                let outputs = scaled()?;
                let kernel = row.positive(1, Some(1), MAX_KERNEL)?;
                let dilation = row.positive(3, Some(1), MAX_KERNEL)?;
                let extent = dilation * (kernel - 1) + 1;
                let conv = ConvSpec {
                    stride: row.positive(2, Some(1), MAX_KERNEL)?,
                    padding: extent / 2,
                    dilation,
                    activation: row.activation(4)?,
                    ..ConvSpec::new(inputs, outputs, kernel, 1).groups(gcd(inputs, outputs))
                };
                (ModuleSpec::Conv(conv), outputs)
            }
            "GhostConv" => {
                // (c2, k, s, g, act)
                let outputs = scaled()?;
                let conv = ConvSpec {
                    activation: row.activation(4)?,
                    ..ConvSpec::new(
                        inputs,
                        outputs,
                        row.positive(1, Some(1), MAX_KERNEL)?,
                        row.positive(2, Some(1), MAX_KERNEL)?,
                    )
                    .groups(row.positive(3, Some(1), MAX_CHANNELS)?)
                };
                row.divides(conv.groups, &[inputs, outputs / 2])?;
                (ModuleSpec::GhostConv(conv), outputs)
            }
            "Focus" => {
                let outputs = scaled()?;
                (ModuleSpec::Focus(row.conv(4 * inputs, outputs)?), outputs)
            }
            "Bottleneck" => {
                // (c2, shortcut, g, e)
                let outputs = scaled()?;
                let csp = row.csp(inputs, outputs, 1)?;
                let CspSpec { hidden, shortcut, groups, .. } = csp;
                row.divides(groups, &[outputs])?;
                (ModuleSpec::Bottleneck(BottleneckSpec { inputs, outputs, hidden, shortcut, groups }), outputs)
            }
            "GhostBottleneck" => {
                let outputs = scaled()?;
                let kernel = row.positive(1, Some(3), MAX_KERNEL)?;
                let stride = row.positive(2, Some(1), 2)?;
                if stride == 1 && inputs != outputs {
                    return Err(row.error(format!("{inputs} channels cannot be added to {outputs}")));
                }
                (ModuleSpec::GhostBottleneck(GhostBottleneckSpec { inputs, outputs, kernel, stride }), outputs)
            }
            "BottleneckCSP" | "C3" | "C3Ghost" | "C3TR" => {
                let outputs = scaled()?;
                let csp = row.csp(inputs, outputs, repeats)?;
                in_sequence = 1;
                let module = match module {
                    "C3" => ModuleSpec::C3(csp),
                    "C3Ghost" => ModuleSpec::C3Ghost(csp),
                    "C3TR" => {
                        row.divides(4, &[csp.hidden])?;
                        ModuleSpec::C3Transformer(csp)
                    }
                    _ => ModuleSpec::BottleneckCsp(csp),
                };
                (module, outputs)
            }
            "SPP" => {
                let outputs = scaled()?;
                let kernels = match row.get(1) {
                    None => Some(vec![5, 9, 13]),
                    Some(value) => row.numbers(value, MAX_KERNEL),
                };
                let kernels = kernels.filter(|kernels| kernels.iter().all(|k| k % 2 == 1));
                let kernels = kernels.ok_or_else(|| row.error("its kernels are no list of odd numbers"))?;
                (ModuleSpec::Spp { inputs, outputs, kernels }, outputs)
            }
            "SPPF" => {
                let outputs = scaled()?;
                let kernel = row.positive(1, Some(5), MAX_KERNEL)?;
                if kernel % 2 == 0 {
                    return Err(row.error("its kernel must be odd"));
                }
                (ModuleSpec::Sppf { inputs, outputs, kernel }, outputs)
            }
            "Concat" => {
                if row.number(0, Some(1), 3)? != 1 {
                    return Err(row.error("only channels (dimension 1) can be joined"));
                }
                (ModuleSpec::Concat, from.iter().map(of).sum())
            }
            "Upsample" => {
                // (size, scale, mode)
                single()?;
                let scale = row.get(1).and_then(Value::as_f64).filter(|s| s.fract() == 0.0 && (1.0..=16.0).contains(s));
                let nearest = row.get(2).is_none_or(|mode| mode.as_str() == Some("nearest"));
                match scale {
                    Some(scale) if nearest && row.get(0).is_none() => {
                        (ModuleSpec::Upsample { scale: scale as usize }, inputs)
                    }
                    _ => return Err(row.error("only [None, whole scale, 'nearest'] is supported")),
                }
            }
            "MaxPool2d" => {
                single()?;
                let kernel = row.positive(0, None, MAX_KERNEL)?;
                let stride = row.positive(1, Some(kernel), MAX_KERNEL)?;
                let padding = row.number(2, Some(0), kernel / 2)?;
                (ModuleSpec::MaxPool { kernel, stride, padding }, inputs)
            }
            "ZeroPad2d" => {
                single()?;
                match row.get(0).and_then(|pads| row.numbers(pads, MAX_KERNEL)).as_deref() {
                    Some(&[left, right, top, bottom]) => (ModuleSpec::ZeroPad { left, right, top, bottom }, inputs),
                    _ => return Err(row.error("expected [left, right, top, bottom]")),
                }
            }
            "Detect" => {
                if row.number(0, None, MAX_CLASSES)? != self.nc {
                    return Err(row.error(format!("its classes are not the model's {}", self.nc)));
                }
                let inputs: Vec<usize> = from.iter().map(of).collect();
                if inputs.is_empty() {
                    return Err(row.error("it reads no layer"));
                }
                let outputs = self.nc + 5;
                (ModuleSpec::Detect { inputs, anchors: self.anchors, outputs }, 0)
            }
            other => return Err(SpecError::UnknownLayer { row: index, module: other.to_owned() }),
        };
        if in_sequence > 1 && channels != inputs {
            return Err(row.error(format!("repeated, but takes {inputs} channels and gives {channels}")));
        }
        if channels > MAX_CHANNELS || (channels == 0 && !matches!(module, ModuleSpec::Detect { .. })) {
            return Err(row.error(format!("it would give {channels} channels")));
        }
        if from.iter().any(|source| matches!(before[*source].module, ModuleSpec::Detect { .. })) {
            return Err(row.error("reads the Detect layer"));
        }
        Ok(LayerSpec { from, repeats: in_sequence, module, channels })
    }
}

/// The layers that a row reads, counted from 0; empty for the first row.
fn resolve_from(from: &Value, row: &Row<'_>) -> Result<Vec<usize>, SpecError> {
    let sources = match from {
        Value::Array(sources) if (1..=MAX_ANCHORS).contains(&sources.len()) => sources.as_slice(),
        one => std::slice::from_ref(one),
    };
    let resolve = |source: &Value| {
        let index = row.index as i64;
        let source = source.as_i64()?;
        let absolute = if source < 0 { index.checked_add(source)? } else { source };
        (0..index).contains(&absolute).then_some(absolute as usize)
    };
    if row.index == 0 && sources.len() == 1 && sources[0].as_i64() == Some(-1) {
        return Ok(Vec::new());
    }
    let resolved: Option<Vec<usize>> = sources.iter().map(resolve).collect();
    resolved.ok_or_else(|| row.error(format!("'from' is {from}, which names no earlier layer")))
}

fn is_none(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("None")
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model of 2 classes around the given backbone rows, with width 0.5 and depth 0.33.
    fn spec(rows: &str) -> Result<ModelSpec, SpecError> {
        ModelSpec::from_yaml_text(&format!(
            "{{nc: 2, depth_multiple: 0.33, width_multiple: 0.5, anchors: [[10,13, 16,30]], \
             backbone: [{rows}], head: [[[-1], 1, Detect, [nc, anchors]]]}}"
        ))
    }

    #[test]
    fn width_rounds_up_to_eights_and_depth_to_the_nearest() {
        // 100 · 0.5 = 50 → 56; 9 · 0.33 = 2.97 → 3; 3 · 0.33 → 1; 1 stays 1.
        let spec = spec("[-1, 1, Conv, [100, 3, 2]], [-1, 9, C3, [64]], [-1, 3, C3, [64, False]]").expect("a spec");
        assert_eq!(spec.layers[0].channels, 56);
        let ModuleSpec::C3(csp) = &spec.layers[1].module else { panic!("{:?}", spec.layers[1]) };
        assert_eq!((csp.inputs, csp.outputs, csp.hidden, csp.repeats, csp.shortcut), (56, 32, 16, 3, true));
        let ModuleSpec::C3(csp) = &spec.layers[2].module else { panic!("{:?}", spec.layers[2]) };
        assert_eq!((csp.repeats, csp.shortcut), (1, false));
    }

    #[test]
    fn half_a_repeat_rounds_to_even_as_python_does() {
        let yaml = |repeats: u32| {
            format!(
                "{{nc: 2, depth_multiple: 0.5, width_multiple: 1, anchors: 3, \
                 backbone: [[-1, {repeats}, C3, [8]]], head: [[[-1], 1, Detect, [nc, anchors]]]}}"
            )
        };
        let repeats = |n| match &ModelSpec::from_yaml_text(&yaml(n)).expect("a spec").layers[0].module {
            ModuleSpec::C3(csp) => csp.repeats,
            other => panic!("{other:?}"),
        };
        assert_eq!([3, 5, 7].map(repeats), [2, 2, 4]);
    }

    #[test]
    fn sources_count_back_or_from_the_start() {
        let rows = "[-1, 1, Conv, [16, 3, 2]], [-1, 1, Conv, [32]], [-2, 1, Conv, [64]], [[-1, 1, 0], 1, Concat, [1]], \
                    [-1, 1, nn.Upsample, [None, 2, 'nearest']]";
        let spec = spec(rows).expect("a spec");
        let from: Vec<_> = spec.layers.iter().map(|layer| layer.from.clone()).collect();
        assert_eq!(from, [vec![], vec![0], vec![0], vec![2, 1, 0], vec![3], vec![4]]);
        assert_eq!(spec.layers[3].channels, 32 + 16 + 8);
        assert_eq!(spec.layers[4].module, ModuleSpec::Upsample { scale: 2 });
        let ModuleSpec::Detect { inputs, anchors, outputs } = &spec.layers[5].module else { panic!("no Detect") };
        assert_eq!((inputs.as_slice(), *anchors, *outputs), (&[56][..], 2, 7));
    }

    #[test]
    fn a_convolution_with_the_heads_outputs_is_not_widened() {
        // 2 anchors · (2 + 5) = 14.
        assert_eq!(spec("[-1, 1, Conv, [14]]").expect("a spec").layers[0].channels, 14);
    }

    #[test]
    fn an_unknown_layer_is_named_with_its_row() {
        let error = spec("[-1, 1, Conv, [16]], [-1, 1, models.experimental.MixConv2d, [32]]").expect_err("unknown");
        assert_eq!(error, SpecError::UnknownLayer { row: 1, module: "MixConv2d".to_owned() });
        assert!(error.to_string().starts_with("layer 1 of the model yaml: layer type 'MixConv2d' is not supported"));
    }

    #[test]
    fn hostile_rows_are_errors() {
        for rows in [
            "5",
            "[-1, 1, Conv]",
            "[-1, 0, Conv, [16]]",
            "[-1, 100000, Conv, [16]]",
            "[3, 1, Conv, [16]]",
            "[-2, 1, Conv, [16]]",
            "[[-1, -1], 1, Conv, [16]]",
            "[-1, 1, Conv, []]",
            "[-1, 1, Conv, [-16]]",
            "[-1, 1, Conv, [1e18]]",
            "[-1, 1, Conv, [99999999]]",
            "[-1, 1, Conv, [16, 0]]",
            "[-1, 1, Conv, [16, 3, 0]]",
            "[-1, 1, Conv, [16, 3, 1, None, 5]]",
            "[-1, 1, Conv, [16, 63, 1, 0]], [-1, 1, MaxPool2d, [64, 64]], [-1, 1, MaxPool2d, [64, 64]]",
            "[-1, 1, Concat, [1]]",
            "[-1, 1, Conv, [16]], [-1, 256, nn.Upsample, [None, 16, nearest]]",
            "[-1, 1, Conv, [16]], [[0], 1, Concat, [2]]",
            "[-1, 1, Conv, [16]], [0, 1, nn.Upsample, [None, 2, bilinear]]",
            "[-1, 1, Conv, [16]], [-1, 1, C3, [16, maybe]]",
            "[-1, 1, Conv, [16]], [-1, 1, C3, [16, True, 1, 0.001]]",
            "[-1, 3, Conv, [9999, 3, 2]], [-1, 9, Bottleneck, [16]]",
            "[-1, 1, Conv, [16]], [[-1], 1, Detect, [nc, anchors]]",
        ] {
            assert!(spec(rows).is_err(), "{rows}");
        }
        for yaml in ["", "3", "{nc: 0}", "[1, 2]", "{nc: 2, anchors: 3, backbone: [], head: []}", "a: [b"] {
            assert!(ModelSpec::from_yaml_text(yaml).is_err(), "{yaml}");
        }
    }

    #[test]
    fn activations_are_read_as_python_writes_them() {
        let leaky = |slope| Ok(Activation::LeakyReLU { slope });
        assert_eq!(parse_activation("nn.SiLU()"), Ok(Activation::SiLU));
        assert_eq!(parse_activation("nn.LeakyReLU(0.1)"), leaky(0.1));
        assert_eq!(parse_activation("torch.nn.LeakyReLU(negative_slope=0.2, inplace=True)"), leaky(0.2));
        assert_eq!(parse_activation("nn.LeakyReLU()"), leaky(0.01));
        for text in ["nn.GELU()", "SiLU", "__import__('os')", "nn.LeakyReLU(x)"] {
            assert_eq!(parse_activation(text), Err(SpecError::Activation(text.to_owned())));
        }
    }

    #[test]
    fn anchors_that_run_against_the_strides_are_turned_round() {
        let yaml = "{nc: 2, anchors: [[100,100], [10,10]], backbone: [[-1, 1, Conv, [8, 3, 2]], [-1, 1, Conv, [8, 3, 2]]], \
                    head: [[[0, 1], 1, Detect, [nc, anchors]]]}";
        let spec = ModelSpec::from_yaml_text(yaml).expect("a spec");
        assert_eq!(spec.strides(), Ok(vec![2, 4]));
        assert_eq!(spec.anchors_px, [[[10.0, 10.0]], [[100.0, 100.0]]]);
    }
}
