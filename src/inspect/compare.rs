//! Runs the models on a scene and turns what they say into plain grids.
//!
//! [`probe`] runs one model, [`compare`] sets two probes against each other: a caller that is short of memory
//! drops the teacher before it loads the student.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, TchError, Tensor};
use thiserror::Error;

use super::choice::{CompareParts, CompareRequest};
use super::pull::HeadPull;
use super::records::{AdapterChoice, Comparison, DetectionView, FitSummary, HeadMap, Role, ScaleComparison, Tap};
use super::scene::{Scene, class_name};
use crate::files;
use crate::grid::Grid;
use crate::imitation::adapter::{self, AdapterError};
use crate::imitation::choice::{ModelFacts, heads_mismatch, loss_mismatch};
use crate::imitation::difference::{DifferenceError, FeatureStack};
use crate::imitation::loss::{CellTerms, Reads, ScalePair, SharedClasses, objectness_cells};
use crate::inspect::records::ForwardReport;
use crate::yolo::anchors::AnchorScale;
use crate::yolo::decode::{NmsOptions, detect};
use crate::yolo::detection::Detection;
use crate::yolo::loss::{LossGains, balance};
use crate::yolo::network::{Forward, Network, NetworkError};

#[derive(Debug, Error)]
pub enum CompareError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Features(#[from] DifferenceError),
    #[error("adapter at {scale}: {source}")]
    Adapter { scale: String, source: AdapterError },
    #[error("{0}")]
    Run(String),
}

impl From<TchError> for CompareError {
    fn from(error: TchError) -> Self {
        Self::Network(NetworkError::from(error))
    }
}

/// What one model says of one input, still on its device.
#[derive(Debug)]
pub struct Probe {
    scales: Vec<AnchorScale>,
    names: Vec<String>,
    /// Long side of the input, px.
    side: u32,
    forward: Forward,
    run: ForwardReport,
    detections: Vec<Detection>,
    seconds: f64,
}

/// The pixels as the network reads them: `[1, 3, H, W]`, RGB, 0..1.
pub fn input_tensor(pixels: &RgbImage, device: Device) -> Result<Tensor, CompareError> {
    let (width, height) = (i64::from(pixels.width()), i64::from(pixels.height()));
    let bytes = Tensor::f_from_slice(pixels.as_raw().as_slice())?;
    let planes = bytes.f_view([height, width, 3])?.f_permute([2, 0, 1])?.f_unsqueeze(0)?;
    Ok(planes.f_to_device(device)?.f_to_kind(Kind::Float)?.f_divide_scalar(255.0)?.f_contiguous()?)
}

/// One forward pass without gradient, in eval mode.
pub fn probe(model: &Network, pixels: &RgbImage) -> Result<Probe, CompareError> {
    tch::no_grad(|| {
        let input = input_tensor(pixels, model.device())?;
        let start = Instant::now();
        let forward = model.forward(&input)?;
        let detections = detect(&forward.heads, model.scales(), &NmsOptions::for_viewing())?;
        let seconds = start.elapsed().as_secs_f64();
        let side = pixels.width().max(pixels.height());
        let precision = match model.kind() {
            Kind::Half => "float16",
            Kind::BFloat16 => "bfloat16",
            _ => "float32",
        };
        let run = ForwardReport { folded: model.is_fused(), precision };
        let (scales, names) = (model.scales().to_vec(), model.names().to_vec());
        Ok(Probe { scales, names, side, forward, run, detections, seconds })
    })
}

/// What a model detects on a scene, best first, by the names of its own classes.
pub fn detections(model: &Network, scene: &Scene) -> Result<Vec<DetectionView>, CompareError> {
    Ok(named(&probe(model, &scene.input)?.detections, model.names()))
}

/// Detections by the names of their classes.
pub fn named(found: &[Detection], names: &[String]) -> Vec<DetectionView> {
    let named = |found: &Detection| DetectionView {
        name: class_name(names, found.class),
        score: found.score,
        bbox: found.bbox,
    };
    found.iter().map(named).collect()
}

impl Probe {
    /// `[1, C, H, W]` at the tap of the scale of this stride; `None` where the model does not give it.
    fn features(&self, tap: Tap, stride: u32) -> Result<Option<Tensor>, CompareError> {
        let Some(index) = self.scales.iter().position(|scale| scale.stride == stride) else {
            return Ok(None);
        };
        Ok(tap_features(&self.forward, tap, index)?)
    }

    /// `[1, A, H, W, 5 + nc]`
    fn raw_head(&self, stride: u32) -> Option<&Tensor> {
        let index = self.scales.iter().position(|scale| scale.stride == stride)?;
        self.forward.heads.get(index)
    }

    fn facts(&self) -> ModelFacts<'_> {
        ModelFacts { scales: &self.scales, names: &self.names }
    }

    fn lacks(&self, tap: Tap) -> bool {
        match tap {
            Tap::Neck => self.forward.necks.is_empty(),
            Tap::Backbone => self.forward.backbone.is_empty(),
            Tap::Head => false,
        }
    }
}

/// The features `[B, C, H, W]` of the `index`-th scale at a tap; `None` where the model does not give them. A head's
/// anchors and outputs are its channels.
pub fn tap_features(forward: &Forward, tap: Tap, index: usize) -> Result<Option<Tensor>, TchError> {
    let head_as_channels = |head: &Tensor| {
        let (batch, anchors, rows, cols, outputs) = head.size5()?;
        head.f_permute([0, 1, 4, 2, 3])?.f_reshape([batch, anchors * outputs, rows, cols])
    };
    match tap {
        Tap::Neck => Ok(forward.necks.get(index).map(Tensor::shallow_clone)),
        Tap::Backbone => Ok(forward.backbone.get(index).map(Tensor::shallow_clone)),
        Tap::Head => forward.heads.get(index).map(head_as_channels).transpose(),
    }
}

/// Sets the probes of teacher and student against each other, scale by scale. Either may be missing.
pub fn compare(
    teacher: Option<&Probe>,
    student: Option<&Probe>,
    request: &CompareRequest,
    parts: CompareParts,
) -> Result<Comparison, CompareError> {
    tch::no_grad(|| {
        let mut notes: Vec<String> = Vec::new();
        for (role, probe) in [(Role::Teacher, teacher), (Role::Student, student)] {
            if probe.is_some_and(|probe| probe.lacks(request.tap)) {
                notes.push(format!(
                    "the {} gives its heads only, no {} features; choose the tap head",
                    role.name(),
                    request.tap.name()
                ));
            }
        }
        let mut strides: Vec<u32> = [teacher, student]
            .into_iter()
            .flatten()
            .flat_map(|probe| probe.scales.iter().map(|scale| scale.stride))
            .collect();
        strides.sort_unstable();
        strides.dedup();
        let mut scales = Vec::with_capacity(strides.len());
        for stride in strides {
            let scale = compare_scale(stride, teacher, student, request, parts, &mut notes)?;
            scales.push(scale);
        }
        Ok(Comparison {
            tap: request.tap,
            loss: request.loss,
            scales,
            parts,
            head_pull: if parts.pull { head_pull(teacher, student)? } else { None },
            teacher_detections: teacher.map(|probe| probe.detections.clone()),
            student_detections: student.map(|probe| probe.detections.clone()),
            teacher_seconds: teacher.map(|probe| probe.seconds),
            student_seconds: student.map(|probe| probe.seconds),
            forward: student.or(teacher).map(|probe| probe.run),
            notes,
        })
    })
}

fn compare_scale(
    stride: u32,
    teacher: Option<&Probe>,
    student: Option<&Probe>,
    request: &CompareRequest,
    parts: CompareParts,
    notes: &mut Vec<String>,
) -> Result<ScaleComparison, CompareError> {
    let name = AnchorScale { stride, anchors: Vec::new() }.name();
    let features = |probe: Option<&Probe>| match probe {
        Some(probe) => probe.features(request.tap, stride),
        None => Ok(None),
    };
    let head = |probe: Option<&Probe>| {
        let raw = probe.filter(|_| parts.heads).and_then(|probe| probe.raw_head(stride));
        raw.map(head_map).transpose()
    };
    let (of_teacher, of_student) = (features(teacher)?, features(student)?);
    let mut adapted = None;
    let mut fit = None;
    let mut adapter = "none";
    if let (Some(t), Some(s)) = (&of_teacher, &of_student) {
        if t.size()[2..] != s.size()[2..] {
            notes.push(format!("{name}: teacher and student maps differ in size, {:?} and {:?}", t.size(), s.size()));
        } else {
            let fails = |source| CompareError::Adapter { scale: name.clone(), source };
            match (&request.adapter, request.tap) {
                // The heads of both models mean the same thing channel by channel.
                (_, Tap::Head) | (AdapterChoice::None, _) => {
                    // A loss that finds classes by their names needs no equal channels.
                    let by_name = request.loss.reads() == Reads::Head && !request.loss.compares_channels();
                    if t.size()[1] == s.size()[1] {
                        adapted = Some(s.shallow_clone());
                    } else if !by_name {
                        notes.push(format!(
                            "{name}: the teacher has {} channels and the student {}; {}",
                            t.size()[1],
                            s.size()[1],
                            if request.tap == Tap::Head {
                                "the tap head needs the same anchors and classes in both"
                            } else {
                                "choose the least-squares adapter"
                            }
                        ));
                    }
                }
                (AdapterChoice::LeastSquares, _) => {
                    let found = adapter::LeastSquares::fit(&[s], &[t]).map_err(fails)?;
                    adapted = Some(found.apply(s).map_err(fails)?);
                    fit =
                        Some(FitSummary { cells: found.cells, r2: found.r2, r2_leave_one_out: found.r2_leave_one_out });
                    adapter = "least-squares";
                }
                (AdapterChoice::Run(path), _) => {
                    adapted = Some(run_adapter(path, &name, s, t)?);
                    adapter = "trained";
                }
            }
        }
    }
    let loss = loss_terms(stride, teacher, student, of_teacher.as_ref().zip(adapted.as_ref()), request, notes)?;
    let teacher_head = teacher.and_then(|probe| probe.raw_head(stride));
    let sureness = match teacher_head {
        Some(head) => Some(Arc::new(scalar_grid(&objectness_cells(head)?)?)),
        None => None,
    };
    let stack = |features: Option<&Tensor>| features.map(feature_stack).transpose();
    let own = stack(of_student.as_ref())?;
    // Without an adapter they are the student's own: no second copy.
    let adapted = if adapter == "none" { own.clone().filter(|_| adapted.is_some()) } else { stack(adapted.as_ref())? };
    Ok(ScaleComparison {
        loss,
        sureness,
        stride,
        teacher: stack(of_teacher.as_ref())?,
        student: own,
        adapted,
        adapter,
        fit,
        outputs: teacher_head.and_then(|head| head.size().last().copied()).map_or(0, |outputs| outputs as usize),
        teacher_head: head(teacher)?,
        student_head: head(student)?,
    })
}

/// The terms of the imitation loss at one scale; `None` where there is no pair, or with a note where it cannot be formed.
/// features: the teacher's and the student's adapted ones.
fn loss_terms(
    stride: u32,
    teacher: Option<&Probe>,
    student: Option<&Probe>,
    features: Option<(&Tensor, &Tensor)>,
    request: &CompareRequest,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<CellTerms>>, CompareError> {
    let (Some(teacher), Some(student)) = (teacher, student) else { return Ok(None) };
    let Some(at) = student.scales.iter().position(|scale| scale.stride == stride) else { return Ok(None) };
    let classes = SharedClasses::of(&student.names, &teacher.names);
    let pair = match request.loss.reads() {
        Reads::Features => features,
        Reads::Head => {
            if let Some(why) = loss_mismatch(request.loss, teacher.facts(), student.facts()) {
                let note = format!("the imitation loss {} compares heads, but {why}", request.loss);
                if !notes.contains(&note) {
                    notes.push(note);
                }
                return Ok(None);
            }
            teacher.raw_head(stride).zip(student.raw_head(stride))
        }
    };
    let Some((of_teacher, of_student)) = pair else { return Ok(None) };
    let fits = |a: &[i64], b: &[i64]| a.len() == b.len() && a[..a.len() - 1] == b[..b.len() - 1];
    let same_map = match request.loss.reads() {
        Reads::Head => fits(&of_teacher.size(), &of_student.size()),
        Reads::Features => of_teacher.size() == of_student.size(),
    };
    if !same_map {
        return Ok(None);
    }
    let gains = LossGains::default().scaled(student.scales.len(), student.names.len(), student.side);
    let terms = request.loss.terms(&ScalePair {
        student: &of_student.f_to_kind(Kind::Float)?,
        teacher: &of_teacher.f_to_device(of_student.device())?.f_to_kind(Kind::Float)?,
        anchors: &student.scales[at],
        classes: &classes,
        gains: &gains,
        balance: balance(student.scales.len(), at),
    })?;
    Ok(Some(Arc::new(CellTerms::of(&terms)?)))
}

/// `None` without two models whose heads mean the same output by output.
fn head_pull(teacher: Option<&Probe>, student: Option<&Probe>) -> Result<Option<HeadPull>, CompareError> {
    let (Some(teacher), Some(student)) = (teacher, student) else { return Ok(None) };
    let classes = SharedClasses::of(&student.names, &teacher.names);
    if heads_mismatch(teacher.facts(), student.facts()).is_some() || !classes.are_aligned() {
        return Ok(None);
    }
    let gains = LossGains::default().scaled(student.scales.len(), student.names.len(), student.side);
    let mut heads: Vec<(usize, Tensor, Tensor)> = Vec::with_capacity(student.scales.len());
    for (at, scale) in student.scales.iter().enumerate() {
        let Some((of_teacher, of_student)) = teacher.raw_head(scale.stride).zip(student.raw_head(scale.stride)) else {
            continue;
        };
        if of_teacher.size() == of_student.size() {
            let teacher = of_teacher.f_to_device(of_student.device())?.f_to_kind(Kind::Float)?;
            heads.push((at, of_student.f_to_kind(Kind::Float)?, teacher));
        }
    }
    let pairs = heads.iter().map(|(at, of_student, of_teacher)| ScalePair {
        student: of_student,
        teacher: of_teacher,
        anchors: &student.scales[*at],
        classes: &classes,
        gains: &gains,
        balance: balance(student.scales.len(), *at),
    });
    let pairs: Vec<ScalePair<'_>> = pairs.collect();
    Ok(if pairs.is_empty() { None } else { Some(HeadPull::of(&pairs)?) })
}

/// `[1, 1, H, W]` → a plain map.
fn scalar_grid(map: &Tensor) -> Result<Grid, CompareError> {
    let (_, _, rows, cols) = map.size4()?;
    let (rows, cols) = (rows as usize, cols as usize);
    Ok(Grid::from_values(cols, rows, elements(map)?).unwrap_or_else(|| Grid::filled(cols, rows, f32::NAN)))
}

/// Weights of 1280 × 1280 × 3 × 3 at four scales have 236 MB.
const MAX_ADAPTER_BYTES: u64 = 512 << 20;

/// Applies a run's trained adapter: `p3.weight` `[Ct, Cs, k, k]` and `p3.bias` `[Ct]`, finite float32.
fn run_adapter(path: &Path, scale: &str, student: &Tensor, teacher: &Tensor) -> Result<Tensor, CompareError> {
    let file = if path.is_dir() { path.join("adapter.safetensors") } else { path.to_path_buf() };
    let fails = |what: String| CompareError::Run(format!("{}: {what}", file.display()));
    let bytes = files::read(&file, MAX_ADAPTER_BYTES).map_err(|error| CompareError::Run(error.to_string()))?;
    let tensors =
        SafeTensors::deserialize(&bytes).map_err(|error| fails(format!("not a safetensors file: {error}")))?;
    let find = |suffix: &str| {
        let name = format!("{}.{suffix}", scale.to_lowercase());
        let view = tensors.tensor(&name).map_err(|_| fails(format!("has no {name}, so no adapter for {scale}")))?;
        if view.dtype() != Dtype::F32 {
            return Err(fails(format!("{name} is {:?}; an adapter is F32", view.dtype())));
        }
        let shape: Vec<i64> = view.shape().iter().map(|side| *side as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, Kind::Float)?;
        if tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
            return Err(fails(format!("{name} has numbers that are not finite")));
        }
        Ok(tensor)
    };
    let (weight, bias) = (find("weight")?, find("bias")?);
    let size = weight.size();
    let (from, to) = (student.size()[1], teacher.size()[1]);
    if size.len() != 4 || size[0] != to || size[1] != from || size[2] != size[3] || size[2] % 2 == 0 {
        return Err(fails(format!(
            "the adapter of {scale} has shape {size:?}; these models need [{to}, {from}, k, k]"
        )));
    }
    if bias.size() != [to] {
        return Err(fails(format!("the bias of {scale} has shape {:?}; these models need [{to}]", bias.size())));
    }
    let (weight, bias) = (weight.f_to_device(student.device())?, bias.f_to_device(student.device())?);
    let pad = size[2] / 2;
    Ok(student.f_conv2d(&weight, Some(&bias), [1, 1], [pad, pad], [1, 1], 1)?)
}

/// The elements of a tensor, row-major, in float32.
pub fn elements(tensor: &Tensor) -> Result<Vec<f32>, TchError> {
    let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
    let mut out = vec![0.0; flat.numel()];
    flat.f_copy_data(&mut out, flat.numel())?;
    Ok(out)
}

/// `[1, C, H, W]` → the plain stack.
fn feature_stack(features: &Tensor) -> Result<Arc<FeatureStack>, CompareError> {
    let (_, channels, rows, cols) = features.size4()?;
    let stack = FeatureStack::new(channels as usize, rows as usize, cols as usize, elements(features)?)?;
    Ok(Arc::new(stack))
}

fn head_map(head: &Tensor) -> Result<Arc<HeadMap>, CompareError> {
    let (_, anchors, rows, cols, outputs) = head.size5()?;
    Ok(Arc::new(HeadMap {
        anchors: anchors as usize,
        rows: rows as usize,
        cols: cols as usize,
        outputs: outputs as usize,
        values: elements(head)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_whole_and_finite() {
        let folder = tempfile::tempdir().expect("a folder");
        let map = |channels: i64, value: f64| Tensor::full([1, channels, 2, 2], value, (Kind::Float, Device::Cpu));
        let (student, teacher) = (map(2, 1.0), map(3, 0.0));
        let weight = Tensor::ones([3, 2, 1, 1], (Kind::Float, Device::Cpu));
        let bias = Tensor::from_slice(&[0.5_f32, 1.5, 2.5]);
        let apply = |tensors: &[(&str, &Tensor)]| {
            let path = folder.path().join("adapter.safetensors");
            Tensor::write_safetensors(tensors, &path).expect("a file");
            run_adapter(folder.path(), "P3", &student, &teacher).map_err(|error| error.to_string())
        };
        // 1 + 1 + bias everywhere.
        let adapted = apply(&[("p3.weight", &weight), ("p3.bias", &bias)]).expect("an adapter");
        assert_eq!(elements(&adapted).expect("numbers")[..5], [2.5, 2.5, 2.5, 2.5, 3.5]);
        let refused = |tensors: &[(&str, &Tensor)], word: &str| {
            let error = apply(tensors).expect_err("refused");
            assert!(error.contains("adapter.safetensors") && error.contains(word) && !error.contains('\n'), "{error}");
        };
        let nan = Tensor::from_slice(&[0.5_f32, f32::NAN, 2.5]);
        refused(&[("p3.weight", &weight)], "has no p3.bias");
        refused(&[("p3.weight", &weight), ("p3.bias", &nan)], "p3.bias has numbers that are not finite");
        refused(&[("p3.weight", &(&weight * f64::INFINITY)), ("p3.bias", &bias)], "p3.weight has numbers");
        refused(&[("p3.weight", &weight), ("p3.bias", &bias.narrow(0, 0, 2))], "shape [2]");
        refused(&[("p3.weight", &weight.to_kind(Kind::Double)), ("p3.bias", &bias)], "F64");
    }
}
