//! A model on paper: the name and shape of every tensor, the size of every map, the arithmetic. No tensor is made.
//!
//! Names are those of torch's `state_dict`, so that a checkpoint can be held against a spec before anything is built.

use super::spec::{
    BottleneckSpec, ConvSpec, CspSpec, GhostBottleneckSpec, LayerSpec, ModelSpec, ModuleSpec, SpecError,
};

/// Rows and columns of a map.
type MapSize = [usize; 2];

/// What a walk through a model finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Name and shape of every parameter and running statistic, in the order of torch's `state_dict`.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// Trainable numbers.
    pub parameters: usize,
    /// Operations at the walk's input size, counted as YOLOv5's summary does (a multiply-add is one).
    pub operations: f64,
    /// (rows, columns) of every layer's output.
    sizes: Vec<MapSize>,
    fused: bool,
}

impl ModelSpec {
    /// Walks the model for an input of this size. `fused`: batch-norms are folded into their convolutions.
    pub fn inventory(&self, fused: bool, rows: usize, cols: usize) -> Result<Inventory, SpecError> {
        let mut inventory = Inventory { fused, ..Inventory::default() };
        for (index, layer) in self.layers.iter().enumerate() {
            let input = layer.from.first().map_or([rows, cols], |source| inventory.sizes[*source]);
            let size = inventory.layer(&format!("model.{index}"), layer, input);
            let size = size.filter(|size| size.iter().all(|side| (1..=MAX_SIDE).contains(side)));
            let size = size.ok_or_else(|| SpecError::Row {
                row: index,
                module: layer.module.name().to_owned(),
                problem: format!("does not fit maps of {}×{}", input[0], input[1]),
            })?;
            inventory.sizes.push(size);
        }
        Ok(inventory)
    }

    /// Input px per cell of every input of Detect.
    pub fn strides(&self) -> Result<Vec<u32>, SpecError> {
        let sizes = self.layer_sizes()?;
        let stride = |size: MapSize| match STRIDE_INPUT.checked_div(size[0]) {
            Some(stride) if size[0] == size[1] && stride * size[0] == STRIDE_INPUT => Ok(stride as u32),
            _ => Err(SpecError::Yaml(format!("has no whole stride: 256 px become {} cells", size[0]))),
        };
        self.necks().iter().map(|neck| stride(sizes[*neck])).collect()
    }

    /// The last backbone layer at each of Detect's strides (a C3, or the SPPF at the end); `None` where the
    /// backbone does not reach one of them.
    pub fn backbone_taps(&self) -> Result<Option<Vec<usize>>, SpecError> {
        let sizes = self.layer_sizes()?;
        let last = |neck: &usize| (0..self.backbone_len).rev().find(|layer| sizes[*layer] == sizes[*neck]);
        Ok(self.necks().iter().map(last).collect())
    }

    /// Both sides of an input must be multiples of this: the largest stride of any layer, Detect's or not.
    pub fn input_multiple(&self) -> Result<u32, SpecError> {
        let smallest = self.layer_sizes()?.into_iter().flatten().min().unwrap_or(1).max(1);
        Ok((STRIDE_INPUT / smallest) as u32)
    }

    fn layer_sizes(&self) -> Result<Vec<MapSize>, SpecError> {
        Ok(self.inventory(false, STRIDE_INPUT, STRIDE_INPUT)?.sizes)
    }

    /// 10⁹ operations for a 640 × 640 px input, a multiply-add being two, as YOLOv5's summary reports them: counted at
    /// one cell of the largest stride, then scaled.
    pub fn gflops(&self, fused: bool) -> Result<f64, SpecError> {
        let side = self.strides()?.into_iter().max().unwrap_or(32).max(32) as usize;
        let operations = self.inventory(fused, side, side)?.operations;
        Ok(operations * 2e-9 * (640.0 / side as f64).powi(2))
    }
}

/// Side of the input on which strides are measured, as YOLOv5 does.
const STRIDE_INPUT: usize = 256;

/// No map of a YOLOv5 is larger than its input.
const MAX_SIDE: usize = 1 << 16;

/// Cells that a kernel makes of `size` along one side.
fn slide(size: usize, extent: usize, stride: usize, before: usize, after: usize) -> Option<usize> {
    Some((size + before + after).checked_sub(extent)? / stride + 1)
}

fn area(size: MapSize) -> f64 {
    size[0] as f64 * size[1] as f64
}

impl Inventory {
    fn layer(&mut self, path: &str, layer: &LayerSpec, input: MapSize) -> Option<MapSize> {
        match &layer.module {
            ModuleSpec::Concat => {
                let same = layer.from.iter().all(|source| self.sizes[*source] == input);
                same.then_some(input)
            }
            ModuleSpec::Detect { inputs, anchors, outputs } => {
                for (scale, (channels, source)) in inputs.iter().zip(&layer.from).enumerate() {
                    let conv = ConvSpec::new(*channels, anchors * outputs, 1, 1);
                    let size = self.sizes[*source];
                    self.plain_conv(&format!("{path}.m.{scale}"), &conv, true, size)?;
                }
                Some(input)
            }
            module if layer.repeats == 1 => self.module(path, module, layer.channels, input),
            module => (0..layer.repeats)
                .try_fold(input, |size, i| self.module(&format!("{path}.{i}"), module, layer.channels, size)),
        }
    }

    fn module(&mut self, path: &str, module: &ModuleSpec, channels: usize, input: MapSize) -> Option<MapSize> {
        let [rows, cols] = input;
        match module {
            ModuleSpec::Conv(conv) => self.conv(path, conv, input),
            ModuleSpec::Focus(conv) => {
                let even = rows % 2 == 0 && cols % 2 == 0;
                even.then(|| self.conv(&format!("{path}.conv"), conv, [rows / 2, cols / 2]))?
            }
            ModuleSpec::GhostConv(conv) => self.ghost_conv(path, conv, input),
            ModuleSpec::Bottleneck(bottleneck) => self.bottleneck(path, bottleneck, input),
            ModuleSpec::GhostBottleneck(bottleneck) => self.ghost_bottleneck(path, bottleneck, input),
            ModuleSpec::BottleneckCsp(csp) => self.bottleneck_csp(path, csp, input),
            ModuleSpec::C3(csp) | ModuleSpec::C3Ghost(csp) | ModuleSpec::C3Transformer(csp) => {
                self.c3(path, module, csp, input)
            }
            ModuleSpec::Spp { inputs, outputs, kernels } => self.pyramid(path, *inputs, *outputs, kernels.len(), input),
            ModuleSpec::Sppf { inputs, outputs, .. } => self.pyramid(path, *inputs, *outputs, 3, input),
            ModuleSpec::Upsample { scale } => {
                let output = [rows.checked_mul(*scale)?, cols.checked_mul(*scale)?];
                self.operations += area(output) * channels as f64;
                Some(output)
            }
            ModuleSpec::MaxPool { kernel, stride, padding } => {
                let side = |size| slide(size, *kernel, *stride, *padding, *padding);
                Some([side(rows)?, side(cols)?])
            }
            ModuleSpec::ZeroPad { left, right, top, bottom } => Some([rows + top + bottom, cols + left + right]),
            ModuleSpec::Concat | ModuleSpec::Detect { .. } => Some(input),
        }
    }

    fn tensor(&mut self, name: String, shape: Vec<usize>) {
        self.tensors.push((name, shape));
    }

    fn parameter(&mut self, name: String, shape: Vec<usize>) {
        self.parameters = self.parameters.saturating_add(shape.iter().product());
        self.tensor(name, shape);
    }

    fn plain_conv(&mut self, path: &str, conv: &ConvSpec, bias: bool, input: MapSize) -> Option<MapSize> {
        let extent = conv.dilation * (conv.kernel - 1) + 1;
        let side = |size| slide(size, extent, conv.stride, conv.padding, conv.padding);
        let output = [side(input[0])?, side(input[1])?];
        let weight = vec![conv.outputs, conv.inputs / conv.groups, conv.kernel, conv.kernel];
        self.operations += area(output) * weight.iter().product::<usize>() as f64;
        self.parameter(format!("{path}.weight"), weight);
        if bias {
            self.parameter(format!("{path}.bias"), vec![conv.outputs]);
        }
        Some(output)
    }

    fn norm(&mut self, path: &str, channels: usize, size: MapSize) {
        self.operations += 4.0 * area(size) * channels as f64;
        self.parameter(format!("{path}.weight"), vec![channels]);
        self.parameter(format!("{path}.bias"), vec![channels]);
        self.tensor(format!("{path}.running_mean"), vec![channels]);
        self.tensor(format!("{path}.running_var"), vec![channels]);
    }

    fn conv(&mut self, path: &str, conv: &ConvSpec, input: MapSize) -> Option<MapSize> {
        let output = self.plain_conv(&format!("{path}.conv"), conv, self.fused, input)?;
        if !self.fused {
            self.norm(&format!("{path}.bn"), conv.outputs, output);
        }
        Some(output)
    }

    fn point(&mut self, path: &str, name: &str, inputs: usize, outputs: usize, size: MapSize) -> Option<MapSize> {
        self.conv(&format!("{path}.{name}"), &ConvSpec::new(inputs, outputs, 1, 1), size)
    }

    fn ghost_conv(&mut self, path: &str, conv: &ConvSpec, input: MapSize) -> Option<MapSize> {
        let (primary, cheap) = conv.ghost_halves();
        let size = self.conv(&format!("{path}.cv1"), &primary, input)?;
        self.conv(&format!("{path}.cv2"), &cheap, size)
    }

    fn bottleneck(&mut self, path: &str, spec: &BottleneckSpec, input: MapSize) -> Option<MapSize> {
        self.point(path, "cv1", spec.inputs, spec.hidden, input)?;
        let second = ConvSpec::new(spec.hidden, spec.outputs, 3, 1).groups(spec.groups);
        self.conv(&format!("{path}.cv2"), &second, input)
    }

    fn ghost_bottleneck(&mut self, path: &str, spec: &GhostBottleneckSpec, input: MapSize) -> Option<MapSize> {
        let hidden = spec.outputs / 2;
        self.ghost_conv(&format!("{path}.conv.0"), &ConvSpec::new(spec.inputs, hidden, 1, 1), input)?;
        let mut size = input;
        if spec.stride == 2 {
            size = self.conv(&format!("{path}.conv.1"), &spec.depthwise(hidden), input)?;
        }
        self.ghost_conv(&format!("{path}.conv.2"), &ConvSpec::new(hidden, spec.outputs, 1, 1), size)?;
        if spec.stride == 2 {
            self.conv(&format!("{path}.shortcut.0"), &spec.depthwise(spec.inputs), input)?;
            self.point(path, "shortcut.1", spec.inputs, spec.outputs, size)?;
        }
        Some(size)
    }

    fn bottlenecks(&mut self, path: &str, csp: &CspSpec, input: MapSize) -> Option<()> {
        (0..csp.repeats)
            .try_for_each(|i| self.bottleneck(&format!("{path}.m.{i}"), &csp.bottleneck(), input).map(|_| ()))
    }

    fn bottleneck_csp(&mut self, path: &str, csp: &CspSpec, input: MapSize) -> Option<MapSize> {
        self.point(path, "cv1", csp.inputs, csp.hidden, input)?;
        self.plain_conv(&format!("{path}.cv2"), &ConvSpec::new(csp.inputs, csp.hidden, 1, 1), false, input)?;
        self.plain_conv(&format!("{path}.cv3"), &ConvSpec::new(csp.hidden, csp.hidden, 1, 1), false, input)?;
        self.point(path, "cv4", 2 * csp.hidden, csp.outputs, input)?;
        self.norm(&format!("{path}.bn"), 2 * csp.hidden, input);
        self.bottlenecks(path, csp, input)?;
        Some(input)
    }

    fn c3(&mut self, path: &str, module: &ModuleSpec, csp: &CspSpec, input: MapSize) -> Option<MapSize> {
        self.point(path, "cv1", csp.inputs, csp.hidden, input)?;
        self.point(path, "cv2", csp.inputs, csp.hidden, input)?;
        self.point(path, "cv3", 2 * csp.hidden, csp.outputs, input)?;
        match module {
            ModuleSpec::C3Ghost(_) => {
                for i in 0..csp.repeats {
                    self.ghost_bottleneck(&format!("{path}.m.{i}"), &csp.ghost_bottleneck(), input)?;
                }
            }
            ModuleSpec::C3Transformer(_) => self.transformer(&format!("{path}.m"), csp, input),
            _ => self.bottlenecks(path, csp, input)?,
        }
        Some(input)
    }

    /// A position embedding, then layers of attention and two projections; `hidden` numbers a cell throughout.
    fn transformer(&mut self, path: &str, csp: &CspSpec, size: MapSize) {
        let c = csp.hidden;
        let per_linear = area(size) * (c * c) as f64;
        self.operations += per_linear;
        self.parameter(format!("{path}.linear.weight"), vec![c, c]);
        self.parameter(format!("{path}.linear.bias"), vec![c]);
        for i in 0..csp.repeats {
            let path = format!("{path}.tr.{i}");
            for name in ["q", "k", "v"] {
                self.parameter(format!("{path}.{name}.weight"), vec![c, c]);
            }
            self.parameter(format!("{path}.ma.in_proj_weight"), vec![3 * c, c]);
            self.parameter(format!("{path}.ma.in_proj_bias"), vec![3 * c]);
            self.parameter(format!("{path}.ma.out_proj.weight"), vec![c, c]);
            self.parameter(format!("{path}.ma.out_proj.bias"), vec![c]);
            for name in ["fc1", "fc2"] {
                self.parameter(format!("{path}.{name}.weight"), vec![c, c]);
            }
            // YOLOv5's summary does not look inside the attention.
            self.operations += 5.0 * per_linear;
        }
    }

    fn pyramid(&mut self, path: &str, inputs: usize, outputs: usize, pools: usize, size: MapSize) -> Option<MapSize> {
        let hidden = inputs / 2;
        self.point(path, "cv1", inputs, hidden, size)?;
        self.point(path, "cv2", hidden * (pools + 1), outputs, size)
    }
}
