//! The layers of YOLOv5 on tensors. Fields and parameter names are those of the checkpoints' keys.
//!
//! A layer is built from its spec, with weights zero and statistics neutral: loading or [`super::network`]'s
//! initialisation fills them. Nothing here knows which layer feeds which.

use tch::nn::{Init, Path};
use tch::{Kind, TchError, Tensor};

use super::checkpoint::description::Activation;
use super::spec::{BottleneckSpec, ConvSpec, CspSpec, GhostBottleneckSpec, LayerSpec, ModuleSpec};

pub(super) const NORM_EPS: f64 = 1e-3;
const NORM_MOMENTUM: f64 = 0.03;
const ATTENTION_HEADS: i64 = 4;

/// Where a layer's parameters go and what it shares with the rest of the model.
#[derive(Clone)]
pub(super) struct Site<'a> {
    pub path: Path<'a>,
    /// Behind every Conv that does not say otherwise.
    pub activation: &'a Activation,
    /// Batch-norms are folded into their convolutions.
    pub fused: bool,
}

impl Site<'_> {
    pub(super) fn at(&self, name: impl ToString) -> Self {
        Self { path: &self.path / name, ..self.clone() }
    }

    fn var(&self, name: &str, shape: &[usize], value: f64) -> Result<Tensor, TchError> {
        let shape: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
        self.path.f_var(name, &shape, Init::Const(value))
    }
}

type Made<T> = Result<T, TchError>;
type Output = Result<Tensor, TchError>;

/// Applies an activation; in place, for its argument is a fresh tensor that nothing else holds. Where a gradient is wanted
/// SiLU's input is kept for it, and in place that would be a copy.
fn activate(activation: &Activation, mut x: Tensor) -> Output {
    match activation {
        Activation::SiLU if x.requires_grad() => x.f_silu(),
        Activation::SiLU => x.f_silu_(),
        Activation::ReLU => x.f_relu_(),
        Activation::ReLU6 => x.f_clamp_(0.0, 6.0),
        Activation::Hardswish => x.f_hardswish_(),
        Activation::Mish => x.f_mish_(),
        Activation::LeakyReLU { slope } if *slope <= 1.0 => x.f_maximum(&x.f_mul_scalar(*slope)?),
        Activation::LeakyReLU { slope } => x.f_minimum(&x.f_mul_scalar(*slope)?),
        // The network refuses other activations before it builds.
        Activation::Identity | Activation::Other(_) => Ok(x),
    }
}

#[derive(Debug)]
struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
    dilation: i64,
    groups: i64,
}

impl Conv2d {
    fn new(site: &Site<'_>, spec: &ConvSpec, bias: bool) -> Made<Self> {
        let shape = [spec.outputs, spec.inputs / spec.groups, spec.kernel, spec.kernel];
        Ok(Self {
            weight: site.var("weight", &shape, 0.0)?,
            bias: if bias { Some(site.var("bias", &[spec.outputs], 0.0)?) } else { None },
            stride: spec.stride as i64,
            padding: spec.padding as i64,
            dilation: spec.dilation as i64,
            groups: spec.groups as i64,
        })
    }

    fn forward(&self, x: &Tensor) -> Output {
        let (stride, padding, dilation) = ([self.stride; 2], [self.padding; 2], [self.dilation; 2]);
        x.f_conv2d(&self.weight, self.bias.as_ref(), stride, padding, dilation, self.groups)
    }
}

#[derive(Debug)]
struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    fn new(site: &Site<'_>, channels: usize) -> Made<Self> {
        let shape = [channels as i64];
        Ok(Self {
            weight: site.var("weight", &[channels], 1.0)?,
            bias: site.var("bias", &[channels], 0.0)?,
            running_mean: site.path.f_zeros_no_train("running_mean", &shape)?,
            running_var: site.path.f_ones_no_train("running_var", &shape)?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Output {
        x.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            train,
            NORM_MOMENTUM,
            NORM_EPS,
            true,
        )
    }
}

/// Convolution, batch-norm, activation.
#[derive(Debug)]
pub(super) struct Conv {
    conv: Conv2d,
    bn: Option<BatchNorm>,
    act: Activation,
}

impl Conv {
    fn new(site: &Site<'_>, spec: &ConvSpec) -> Made<Self> {
        Ok(Self {
            conv: Conv2d::new(&site.at("conv"), spec, site.fused)?,
            bn: if site.fused { None } else { Some(BatchNorm::new(&site.at("bn"), spec.outputs)?) },
            act: spec.activation.as_ref().unwrap_or(site.activation).clone(),
        })
    }

    fn point(site: &Site<'_>, inputs: usize, outputs: usize) -> Made<Self> {
        Self::new(site, &ConvSpec::new(inputs, outputs, 1, 1))
    }

    fn forward(&self, x: &Tensor, train: bool) -> Output {
        let mut y = self.conv.forward(x)?;
        if let Some(bn) = &self.bn {
            y = bn.forward(&y, train)?;
        }
        activate(&self.act, y)
    }
}

/// Half of the outputs by a convolution, the other half cheaply from the first.
#[derive(Debug)]
pub(super) struct GhostConv {
    cv1: Conv,
    cv2: Conv,
}

impl GhostConv {
    fn new(site: &Site<'_>, spec: &ConvSpec) -> Made<Self> {
        let (primary, cheap) = spec.ghost_halves();
        Ok(Self { cv1: Conv::new(&site.at("cv1"), &primary)?, cv2: Conv::new(&site.at("cv2"), &cheap)? })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Output {
        let y = self.cv1.forward(x, train)?;
        let cheap = self.cv2.forward(&y, train)?;
        cat(&[y, cheap])
    }
}

#[derive(Debug)]
pub(super) struct Bottleneck {
    cv1: Conv,
    cv2: Conv,
    add: bool,
}

impl Bottleneck {
    fn new(site: &Site<'_>, spec: &BottleneckSpec) -> Made<Self> {
        let second = ConvSpec::new(spec.hidden, spec.outputs, 3, 1).groups(spec.groups);
        Ok(Self {
            cv1: Conv::point(&site.at("cv1"), spec.inputs, spec.hidden)?,
            cv2: Conv::new(&site.at("cv2"), &second)?,
            add: spec.shortcut && spec.inputs == spec.outputs,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Output {
        let hidden = self.cv1.forward(x, train)?;
        let y = self.cv2.forward(&hidden, train)?;
        if self.add { x.f_add(&y) } else { Ok(y) }
    }
}

/// Ghost convolutions, with a strided one per channel between them and a matching shortcut at stride 2.
#[derive(Debug)]
pub(super) struct GhostBottleneck {
    first: GhostConv,
    last: GhostConv,
    strided: Option<Strided>,
}

#[derive(Debug)]
struct Strided {
    between: Conv,
    shortcut: [Conv; 2],
}

impl GhostBottleneck {
    fn new(site: &Site<'_>, spec: &GhostBottleneckSpec) -> Made<Self> {
        let hidden = spec.outputs / 2;
        let (conv, shortcut) = (site.at("conv"), site.at("shortcut"));
        let last = ConvSpec::new(spec.inputs, spec.outputs, 1, 1).linear();
        Ok(Self {
            first: GhostConv::new(&conv.at(0), &ConvSpec::new(spec.inputs, hidden, 1, 1))?,
            strided: match spec.stride {
                2 => Some(Strided {
                    between: Conv::new(&conv.at(1), &spec.depthwise(hidden))?,
                    shortcut: [
                        Conv::new(&shortcut.at(0), &spec.depthwise(spec.inputs))?,
                        Conv::new(&shortcut.at(1), &last)?,
                    ],
                }),
                _ => None,
            },
            last: GhostConv::new(&conv.at(2), &ConvSpec { inputs: hidden, ..last })?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Output {
        let mut y = self.first.forward(x, train)?;
        let Some(strided) = &self.strided else {
            return self.last.forward(&y, train)?.f_add(x);
        };
        y = strided.between.forward(&y, train)?;
        let [depthwise, point] = &strided.shortcut;
        let shortcut = point.forward(&depthwise.forward(x, train)?, train)?;
        self.last.forward(&y, train)?.f_add(&shortcut)
    }
}

/// What a C3 repeats.
#[derive(Debug)]
enum Inner {
    Bottlenecks(Vec<Bottleneck>),
    Ghosts(Vec<GhostBottleneck>),
    Transformer(TransformerBlock),
}

impl Inner {
    fn bottlenecks(site: &Site<'_>, csp: &CspSpec) -> Made<Self> {
        let bottleneck = |i| Bottleneck::new(&site.at(i), &csp.bottleneck());
        Ok(Self::Bottlenecks((0..csp.repeats).map(bottleneck).collect::<Made<_>>()?))
    }

    fn ghosts(site: &Site<'_>, csp: &CspSpec) -> Made<Self> {
        let ghost = |i| GhostBottleneck::new(&site.at(i), &csp.ghost_bottleneck());
        Ok(Self::Ghosts((0..csp.repeats).map(ghost).collect::<Made<_>>()?))
    }

    fn forward(&self, x: Tensor, train: bool) -> Output {
        match self {
            Self::Bottlenecks(blocks) => blocks.iter().try_fold(x, |x, block| block.forward(&x, train)),
            Self::Ghosts(blocks) => blocks.iter().try_fold(x, |x, block| block.forward(&x, train)),
            Self::Transformer(block) => block.forward(&x),
        }
    }
}

/// Cross-stage partial block with three convolutions.
#[derive(Debug)]
pub(super) struct C3 {
    cv1: Conv,
    cv2: Conv,
    cv3: Conv,
    m: Inner,
}

impl C3 {
    fn new(site: &Site<'_>, csp: &CspSpec, inner: impl FnOnce(&Site<'_>, &CspSpec) -> Made<Inner>) -> Made<Self> {
        Ok(Self {
            cv1: Conv::point(&site.at("cv1"), csp.inputs, csp.hidden)?,
            cv2: Conv::point(&site.at("cv2"), csp.inputs, csp.hidden)?,
            cv3: Conv::point(&site.at("cv3"), 2 * csp.hidden, csp.outputs)?,
            m: inner(&site.at("m"), csp)?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Output {
        let deep = self.m.forward(self.cv1.forward(x, train)?, train)?;
        let side = self.cv2.forward(x, train)?;
        self.cv3.forward(&cat(&[deep, side])?, train)
    }
}

/// The older cross-stage partial block: plain convolutions on both paths, one batch-norm over their join.
#[derive(Debug)]
pub(super) struct BottleneckCsp {
    cv1: Conv,
    cv2: Conv2d,
    cv3: Conv2d,
    cv4: Conv,
    bn: BatchNorm,
    act: Activation,
    m: Inner,
}

impl BottleneckCsp {
    fn new(site: &Site<'_>, csp: &CspSpec) -> Made<Self> {
        Ok(Self {
            cv1: Conv::point(&site.at("cv1"), csp.inputs, csp.hidden)?,
            cv2: Conv2d::new(&site.at("cv2"), &ConvSpec::new(csp.inputs, csp.hidden, 1, 1), false)?,
            cv3: Conv2d::new(&site.at("cv3"), &ConvSpec::new(csp.hidden, csp.hidden, 1, 1), false)?,
            cv4: Conv::point(&site.at("cv4"), 2 * csp.hidden, csp.outputs)?,
            bn: BatchNorm::new(&site.at("bn"), 2 * csp.hidden)?,
            act: csp.join_activation.clone(),
            m: Inner::bottlenecks(&site.at("m"), csp)?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Output {
        let deep = self.cv3.forward(&self.m.forward(self.cv1.forward(x, train)?, train)?)?;
        let joined = self.bn.forward(&cat(&[deep, self.cv2.forward(x)?])?, train)?;
        self.cv4.forward(&activate(&self.act, joined)?, train)
    }
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    fn new(site: &Site<'_>, width: usize, bias: bool) -> Made<Self> {
        Ok(Self {
            weight: site.var("weight", &[width, width], 0.0)?,
            bias: if bias { Some(site.var("bias", &[width], 0.0)?) } else { None },
        })
    }

    fn forward(&self, x: &Tensor) -> Output {
        x.f_linear(&self.weight, self.bias.as_ref())
    }
}

/// Attention over all cells of a map, each cell a token.
#[derive(Debug)]
struct TransformerBlock {
    linear: Linear,
    tr: Vec<TransformerLayer>,
}

#[derive(Debug)]
struct TransformerLayer {
    q: Linear,
    k: Linear,
    v: Linear,
    in_proj_weight: Tensor,
    in_proj_bias: Tensor,
    out_proj: Linear,
    fc1: Linear,
    fc2: Linear,
}

impl TransformerBlock {
    fn new(site: &Site<'_>, csp: &CspSpec) -> Made<Self> {
        let layers = site.at("tr");
        let layer = |i| TransformerLayer::new(&layers.at(i), csp.hidden);
        Ok(Self {
            linear: Linear::new(&site.at("linear"), csp.hidden, true)?,
            tr: (0..csp.repeats).map(layer).collect::<Made<_>>()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Output {
        let size = x.size();
        let tokens = x.f_flatten(2, 3)?.f_permute([0, 2, 1])?;
        let tokens = tokens.f_add(&self.linear.forward(&tokens)?)?;
        let tokens = self.tr.iter().try_fold(tokens, |tokens, layer| layer.forward(&tokens))?;
        tokens.f_permute([0, 2, 1])?.f_reshape(size)
    }
}

impl TransformerLayer {
    fn new(site: &Site<'_>, width: usize) -> Made<Self> {
        let linear = |name: &str| Linear::new(&site.at(name), width, false);
        let attention = site.at("ma");
        Ok(Self {
            q: linear("q")?,
            k: linear("k")?,
            v: linear("v")?,
            in_proj_weight: attention.var("in_proj_weight", &[3 * width, width], 0.0)?,
            in_proj_bias: attention.var("in_proj_bias", &[3 * width], 0.0)?,
            out_proj: Linear::new(&attention.at("out_proj"), width, true)?,
            fc1: linear("fc1")?,
            fc2: linear("fc2")?,
        })
    }

    /// x: [B, tokens, C].
    fn forward(&self, x: &Tensor) -> Output {
        let x = self.attend(x)?.f_add(x)?;
        self.fc2.forward(&self.fc1.forward(&x)?)?.f_add(&x)
    }

    fn attend(&self, x: &Tensor) -> Output {
        let (batch, tokens, width) = x.size3()?;
        let weights = self.in_proj_weight.f_chunk(3, 0)?;
        let biases = self.in_proj_bias.f_chunk(3, 0)?;
        let project = |linear: &Linear, part: usize| {
            let projected = linear.forward(x)?.f_linear(&weights[part], Some(&biases[part]))?;
            projected.f_view([batch, tokens, ATTENTION_HEADS, width / ATTENTION_HEADS])?.f_transpose(1, 2)
        };
        let (q, k, v) = (project(&self.q, 0)?, project(&self.k, 1)?, project(&self.v, 2)?);
        let scale = ((width / ATTENTION_HEADS) as f64).sqrt().recip();
        let scores = q.f_mul_scalar(scale)?.f_matmul(&k.f_transpose(2, 3)?)?.f_softmax(-1, Kind::Float)?;
        let mixed = scores.f_matmul(&v)?.f_transpose(1, 2)?.f_reshape([batch, tokens, width])?;
        self.out_proj.forward(&mixed)
    }
}

/// Pooling at several sizes, joined.
#[derive(Debug)]
pub(super) struct Spp {
    cv1: Conv,
    cv2: Conv,
    kernels: Vec<i64>,
    /// Each pooling reads the one before (SPPF) instead of the first map (SPP).
    chained: bool,
}

impl Spp {
    fn new(site: &Site<'_>, inputs: usize, outputs: usize, kernels: &[usize], chained: bool) -> Made<Self> {
        let hidden = inputs / 2;
        Ok(Self {
            cv1: Conv::point(&site.at("cv1"), inputs, hidden)?,
            cv2: Conv::point(&site.at("cv2"), hidden * (kernels.len() + 1), outputs)?,
            kernels: kernels.iter().map(|k| *k as i64).collect(),
            chained,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Output {
        let mut maps = vec![self.cv1.forward(x, train)?];
        for kernel in &self.kernels {
            let source = if self.chained { &maps[maps.len() - 1] } else { &maps[0] };
            maps.push(max_pool(source, *kernel, 1, kernel / 2)?);
        }
        self.cv2.forward(&cat(&maps)?, train)
    }
}

fn max_pool(x: &Tensor, kernel: i64, stride: i64, padding: i64) -> Output {
    x.f_max_pool2d([kernel; 2], [stride; 2], [padding; 2], [1, 1], false)
}

fn cat(maps: &[Tensor]) -> Output {
    Tensor::f_cat(maps, 1)
}

/// One layer of the model but Detect.
#[derive(Debug)]
pub(super) enum Layer {
    Conv(Conv),
    Focus(Conv),
    GhostConv(GhostConv),
    Bottleneck(Bottleneck),
    GhostBottleneck(Box<GhostBottleneck>),
    BottleneckCsp(BottleneckCsp),
    C3(C3),
    Spp(Spp),
    Concat,
    Upsample { scale: i64 },
    MaxPool { kernel: i64, stride: i64, padding: i64 },
    ZeroPad([i64; 4]),
    Sequence(Vec<Layer>),
}

impl Layer {
    pub(super) fn new(site: &Site<'_>, spec: &LayerSpec) -> Made<Self> {
        if spec.repeats == 1 {
            return Self::single(site, &spec.module);
        }
        let layers = (0..spec.repeats).map(|i| Self::single(&site.at(i), &spec.module));
        Ok(Self::Sequence(layers.collect::<Made<_>>()?))
    }

    fn single(site: &Site<'_>, module: &ModuleSpec) -> Made<Self> {
        Ok(match module {
            ModuleSpec::Conv(conv) => Self::Conv(Conv::new(site, conv)?),
            ModuleSpec::Focus(conv) => Self::Focus(Conv::new(&site.at("conv"), conv)?),
            ModuleSpec::GhostConv(conv) => Self::GhostConv(GhostConv::new(site, conv)?),
            ModuleSpec::Bottleneck(spec) => Self::Bottleneck(Bottleneck::new(site, spec)?),
            ModuleSpec::GhostBottleneck(spec) => Self::GhostBottleneck(Box::new(GhostBottleneck::new(site, spec)?)),
            ModuleSpec::BottleneckCsp(csp) => Self::BottleneckCsp(BottleneckCsp::new(site, csp)?),
            ModuleSpec::C3(csp) => Self::C3(C3::new(site, csp, Inner::bottlenecks)?),
            ModuleSpec::C3Ghost(csp) => Self::C3(C3::new(site, csp, Inner::ghosts)?),
            ModuleSpec::C3Transformer(csp) => {
                Self::C3(C3::new(site, csp, |site, csp| Ok(Inner::Transformer(TransformerBlock::new(site, csp)?)))?)
            }
            ModuleSpec::Spp { inputs, outputs, kernels } => {
                Self::Spp(Spp::new(site, *inputs, *outputs, kernels, false)?)
            }
            ModuleSpec::Sppf { inputs, outputs, kernel } => {
                Self::Spp(Spp::new(site, *inputs, *outputs, &[*kernel; 3], true)?)
            }
            // Detect is the network's own, it ends the model.
            ModuleSpec::Concat | ModuleSpec::Detect { .. } => Self::Concat,
            ModuleSpec::Upsample { scale } => Self::Upsample { scale: *scale as i64 },
            ModuleSpec::MaxPool { kernel, stride, padding } => {
                Self::MaxPool { kernel: *kernel as i64, stride: *stride as i64, padding: *padding as i64 }
            }
            ModuleSpec::ZeroPad { left, right, top, bottom } => {
                Self::ZeroPad([left, right, top, bottom].map(|n| *n as i64))
            }
        })
    }

    /// inputs: one [B, C, H, W], several for Concat.
    pub(super) fn forward(&self, inputs: &[Tensor], train: bool) -> Output {
        let x = match (self, inputs) {
            (Self::Concat, maps) => return cat(maps),
            (_, [x, ..]) => x,
            (_, []) => return Err(TchError::Shape("a layer without an input".to_owned())),
        };
        match self {
            Self::Conv(conv) => conv.forward(x, train),
            Self::Focus(conv) => conv.forward(&space_to_depth(x)?, train),
            Self::GhostConv(ghost) => ghost.forward(x, train),
            Self::Bottleneck(bottleneck) => bottleneck.forward(x, train),
            Self::GhostBottleneck(bottleneck) => bottleneck.forward(x, train),
            Self::BottleneckCsp(csp) => csp.forward(x, train),
            Self::C3(c3) => c3.forward(x, train),
            Self::Spp(spp) => spp.forward(x, train),
            Self::Concat => cat(inputs),
            Self::Upsample { scale } => {
                let (_, _, rows, cols) = x.size4()?;
                let factor = Some(*scale as f64);
                x.f_upsample_nearest2d([rows * scale, cols * scale], factor, factor)
            }
            Self::MaxPool { kernel, stride, padding } => max_pool(x, *kernel, *stride, *padding),
            Self::ZeroPad(pads) => x.f_constant_pad_nd(pads),
            Self::Sequence(layers) => layers.iter().try_fold(x.shallow_clone(), |x, layer| layer.forward(&[x], train)),
        }
    }
}

/// [B, C, H, W] → [B, 4C, H/2, W/2]: the four pixels of every 2×2 square, top left, bottom left, top right, bottom right.
fn space_to_depth(x: &Tensor) -> Output {
    let every_other = |row: i64, col: i64| x.f_slice(2, row, None, 2)?.f_slice(3, col, None, 2);
    cat(&[every_other(0, 0)?, every_other(1, 0)?, every_other(0, 1)?, every_other(1, 1)?])
}

/// The convolutions that end the model, one per scale.
#[derive(Debug)]
pub(super) struct Detect {
    m: Vec<Conv2d>,
    anchors: i64,
    outputs: i64,
}

impl Detect {
    pub(super) fn new(site: &Site<'_>, inputs: &[usize], anchors: usize, outputs: usize) -> Made<Self> {
        let site = site.at("m");
        let conv = |(scale, channels): (usize, &usize)| {
            Conv2d::new(&site.at(scale), &ConvSpec::new(*channels, anchors * outputs, 1, 1), true)
        };
        Ok(Self {
            m: inputs.iter().enumerate().map(conv).collect::<Made<_>>()?,
            anchors: anchors as i64,
            outputs: outputs as i64,
        })
    }

    /// necks: [B, C, H, W] each → raw heads, [B, A, H, W, 5 + nc] each.
    pub(super) fn forward(&self, necks: &[Tensor]) -> Result<Vec<Tensor>, TchError> {
        let head = |(conv, neck): (&Conv2d, &Tensor)| {
            let y = conv.forward(neck)?;
            let (batch, _, rows, cols) = y.size4()?;
            y.f_view([batch, self.anchors, self.outputs, rows, cols])?.f_permute([0, 1, 3, 4, 2])?.f_contiguous()
        };
        self.m.iter().zip(necks).map(head).collect()
    }
}
