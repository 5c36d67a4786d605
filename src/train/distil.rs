//! The teacher's side of a step: its features, the masks, the adapters, and the distance of each scale.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::TrainError;
use super::config::{AdapterStart, ImitationConfig};
use super::teacher::Teacher;
use crate::dataset::TrainBatch;
use crate::files::tensors::{self, NamedTensor};
use crate::geometry::{BoundingBox, Size};
use crate::imitation::adapter::{Adapter, LeastSquares};
use crate::imitation::choice::{ModelFacts, refusal};
use crate::imitation::lambda::Norm;
use crate::imitation::loss::{
    self, BatchMask, Loss, MaskChoice, MaskInputs, MaskSource, PackedMasks, Reads, ScaleLoss, ScalePair, SharedClasses,
    Terms, batch_masks,
};
use crate::imitation::mask::{IouField, Psi};
use crate::inspect::{Tap, elements, tap_features};
use crate::native::{self, Precision, Upload, Uploaded};
use crate::yolo::anchors::AnchorScale;
use crate::yolo::loss::{LossGains, balance};
use crate::yolo::network::{Forward, Network};

/// Cells that a fit looks at, at most; more tell it nothing new.
const MAX_FIT_CELLS: i64 = 20_000;
/// Input px that go through both models at once in a fit: a second or so on a CPU, so that a person can break it off.
const FORWARD_PX: i64 = 4 * 640 * 640;

/// One scale that both models have.
#[derive(Debug)]
struct Pair {
    name: String,
    /// Places in the two models' scales.
    student: usize,
    teacher: usize,
    /// `None` at the tap head.
    adapter: Option<Adapter>,
    /// What each channel's difference is multiplied by, [1, C, 1, 1].
    weight: Option<Tensor>,
}

/// Teacher and adapters.
#[derive(Debug)]
pub struct Distiller {
    teacher: Teacher,
    loss: Loss,
    tap: Tap,
    classes: SharedClasses,
    /// The detection loss's, which `answers` shares.
    gains: LossGains,
    mask: MaskChoice,
    norm: Norm,
    scales: Vec<AnchorScale>,
    pairs: Vec<Pair>,
}

/// One batch as the teacher sees it, without gradient.
#[derive(Debug)]
pub struct TeacherOutput {
    /// What the loss takes of the teacher per scale: [B, C, H, W], of a head [B, A, H, W, 5 + nc].
    pub features: Vec<Tensor>,
    masks: Vec<BatchMask>,
}

impl TeacherOutput {
    pub fn cells(&self) -> Vec<u64> {
        self.masks.iter().map(|mask| mask.count).collect()
    }

    /// The same as shares of the cells of the batch's maps.
    pub fn shares(&self) -> Vec<f64> {
        self.masks.iter().map(BatchMask::share).collect()
    }
}

impl Distiller {
    /// Pairs the scales; the adapters start at random, [`Distiller::fit`] replaces them. half: the teacher's forward pass in
    /// float16.
    pub fn new(
        teacher: Network,
        half: bool,
        student: &Network,
        config: &ImitationConfig,
        gains: LossGains,
        input: Size,
        seed: u64,
    ) -> Result<Self, TrainError> {
        if let Some(what) = config.contradiction() {
            return Err(TrainError::Config(what.english()));
        }
        let of_teacher = ModelFacts { scales: teacher.scales(), names: teacher.names() };
        let of_student = ModelFacts { scales: student.scales(), names: student.names() };
        if let Some(what) = refusal(config.loss, of_teacher, of_student) {
            return Err(TrainError::Config(what));
        }
        let classes = SharedClasses::of(student.names(), teacher.names());
        let device = student.device();
        let probe = Tensor::f_zeros([1, 3, i64::from(input.height), i64::from(input.width)], (Kind::Float, device))?;
        let (of_student, of_teacher) =
            no_grad(|| Ok::<_, TrainError>((student.forward_t(&probe, false)?, teacher.forward(&probe)?)))?;
        let mut pairs = Vec::new();
        for (index, scale) in student.scales().iter().enumerate() {
            let Some(other) = teacher.scales().iter().position(|other| other.stride == scale.stride) else { continue };
            let (s, t) = (read(&of_student, config, index)?, read(&of_teacher, config, other)?);
            let (Some(s), Some(t)) = (s, t) else {
                let which = if of_teacher.necks.is_empty() { "teacher" } else { "student" };
                return Err(TrainError::Config(format!(
                    "the {which} gives no {} features; choose another tap",
                    config.tap.name()
                )));
            };
            let adapter = match config.loss.reads() {
                Reads::Head => None,
                Reads::Features => {
                    let (from, to) = (s.size()[1], t.size()[1]);
                    let kernel = i64::from(config.adapter_kernel);
                    Some(Adapter::random(from, to, kernel, seed.wrapping_add(u64::from(scale.stride)), device)?)
                }
            };
            pairs.push(Pair { name: scale.name(), student: index, teacher: other, adapter, weight: None });
        }
        if pairs.is_empty() {
            return Err(TrainError::Config("teacher and student have no stride in common".to_owned()));
        }
        Ok(Self {
            teacher: Teacher::new(teacher, half)?,
            loss: config.loss,
            tap: config.tap,
            classes,
            gains,
            mask: MaskChoice {
                source: config.mask_source,
                psi: Psi::new(config.psi)?,
                rule: config.level_rule,
                convention: config.iou,
            },
            norm: config.norm,
            scales: student.scales().to_vec(),
            pairs,
        })
    }

    /// "P3" …, in the order of every list here.
    pub fn names(&self) -> Vec<String> {
        self.pairs.iter().map(|pair| pair.name.clone()).collect()
    }

    /// The strides, in the same order.
    pub fn strides(&self) -> Vec<u32> {
        self.pairs.iter().map(|pair| self.scales[pair.student].stride).collect()
    }

    /// Adapter tensors under their names in `adapter.safetensors`.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let mut named = Vec::new();
        for pair in &self.pairs {
            if let Some(adapter) = &pair.adapter {
                let scale = pair.name.to_lowercase();
                named.push((format!("{scale}.weight"), adapter.weight.shallow_clone()));
                named.push((format!("{scale}.bias"), adapter.bias.shallow_clone()));
            }
        }
        named
    }

    /// The tensors that do not train but belong to the run: the channels' weights.
    pub fn constants(&self) -> Vec<(String, Tensor)> {
        let weight = |pair: &Pair| {
            pair.weight.as_ref().map(|w| (format!("{}.channel_weight", pair.name.to_lowercase()), w.shallow_clone()))
        };
        self.pairs.iter().filter_map(weight).collect()
    }

    /// Takes back what [`Distiller::parameters`] and [`Distiller::constants`] gave.
    pub fn restore(&mut self, state: &HashMap<String, Tensor>) -> Result<(), TchError> {
        for pair in &mut self.pairs {
            let scale = pair.name.to_lowercase();
            if let Some(adapter) = &mut pair.adapter {
                for (what, tensor) in [("weight", &mut adapter.weight), ("bias", &mut adapter.bias)] {
                    if let Some(found) = state.get(&format!("{scale}.{what}")) {
                        no_grad(|| tensor.f_copy_(found))?;
                    }
                }
            }
            if let Some(found) = state.get(&format!("{scale}.channel_weight")) {
                pair.weight = Some(found.f_to_device(self.teacher.network().device())?);
            }
        }
        Ok(())
    }

    /// Writes the adapters so that `inspect --adapter RUN` reads them.
    pub fn write_adapters(&self, path: &Path) -> Result<(), TrainError> {
        let named = self.parameters().into_iter().chain(self.constants());
        let named = named.map(|(name, tensor)| plain(name, &tensor)).collect::<Result<Vec<_>, TchError>>()?;
        let metadata = HashMap::from([("tap".to_owned(), self.tap.name().to_owned())]);
        Ok(tensors::write(path, &named, &metadata)?)
    }

    /// The teacher as its file has it; a step runs it folded.
    pub fn teacher(&self) -> &Network {
        self.teacher.network()
    }

    /// Every tensor that the teacher's forward pass could read, by name.
    pub fn teacher_tensors(&self) -> HashMap<String, Tensor> {
        self.teacher.tensors()
    }

    /// The anchors that the masks are made from, every scale of the student.
    pub fn anchors(&self) -> &[AnchorScale] {
        &self.scales
    }

    /// Whether the scales that both models have need adapters.
    pub fn has_adapters(&self) -> bool {
        self.pairs.iter().any(|pair| pair.adapter.is_some())
    }

    /// What a batch's ground truths mark, put into an upload.
    pub fn packed_masks(&self, batch: &TrainBatch, upload: &mut Upload) -> PackedMasks {
        let boxes = boxes_of(batch);
        let inputs = MaskInputs { boxes: &boxes, scales: &self.scales, input: batch.input, teacher_heads: &[] };
        PackedMasks::of(&inputs, self.mask, upload)
    }

    /// The teacher in eval mode without gradient, and each image's mask from its own boxes. masks: what
    /// [`Distiller::packed_masks`] put into the upload.
    pub fn teach(
        &self,
        input: &Tensor,
        batch: &TrainBatch,
        masks: PackedMasks,
        uploaded: &Uploaded,
    ) -> Result<TeacherOutput, TrainError> {
        let forward = no_grad(|| self.teacher.forward(input))?;
        let teacher_heads = self.heads_of_scales(&forward.heads);
        let boxes = boxes_of(batch);
        let inputs =
            MaskInputs { boxes: &boxes, scales: &self.scales, input: batch.input, teacher_heads: &teacher_heads };
        let masks = self.of_pairs(masks.unpacked(&inputs, uploaded)?);
        Ok(TeacherOutput { features: self.features_of(&forward)?, masks })
    }

    /// What the loss takes of the teacher per scale: [`TeacherOutput::features`].
    pub fn features(&self, input: &Tensor) -> Result<Vec<Tensor>, TrainError> {
        self.features_of(&no_grad(|| self.teacher.forward(input))?)
    }

    fn features_of(&self, of_teacher: &Forward) -> Result<Vec<Tensor>, TrainError> {
        self.pairs.iter().map(|pair| self.feature(of_teacher, pair.teacher)).collect()
    }

    /// The imitated cells per scale, each image's from its own boxes. teacher_heads: the teacher's raw heads of the batch,
    /// which the mask source `teacher` alone looks at.
    pub fn masks(&self, batch: &TrainBatch, teacher_heads: &[Tensor]) -> Result<Vec<BatchMask>, TrainError> {
        self.masks_by(self.mask, batch, teacher_heads)
    }

    /// The mask source that masks are made from.
    pub fn mask_source(&self) -> MaskSource {
        self.mask.source
    }

    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// The classes that both models know.
    pub fn classes(&self) -> &SharedClasses {
        &self.classes
    }

    fn masks_by(
        &self,
        mask: MaskChoice,
        batch: &TrainBatch,
        teacher_heads: &[Tensor],
    ) -> Result<Vec<BatchMask>, TrainError> {
        self.masks_of(mask, &boxes_of(batch), batch.input, teacher_heads)
    }

    /// boxes: of each image, input px.
    fn masks_of(
        &self,
        mask: MaskChoice,
        boxes: &[Vec<BoundingBox>],
        input: Size,
        teacher_heads: &[Tensor],
    ) -> Result<Vec<BatchMask>, TrainError> {
        let teacher_heads = self.heads_of_scales(teacher_heads);
        let inputs = MaskInputs { boxes, scales: &self.scales, input, teacher_heads: &teacher_heads };
        Ok(self.of_pairs(batch_masks(&inputs, mask, self.teacher().device())?))
    }

    /// The teacher's heads in the order of the student's scales.
    fn heads_of_scales(&self, teacher_heads: &[Tensor]) -> Vec<Option<Tensor>> {
        let of_scale = |scale: &AnchorScale| {
            let other = self.teacher().scales().iter().position(|other| other.stride == scale.stride)?;
            teacher_heads.get(other).map(Tensor::shallow_clone)
        };
        self.scales.iter().map(of_scale).collect()
    }

    /// Of the masks of every scale of the student, at which the rule "global" looks, those that both models have.
    fn of_pairs(&self, masks: Vec<BatchMask>) -> Vec<BatchMask> {
        let mut all: Vec<_> = masks.into_iter().map(Some).collect();
        self.pairs.iter().filter_map(|pair| all[pair.student].take()).collect()
    }

    /// What the loss takes of a model at a scale, float32.
    fn feature(&self, forward: &Forward, index: usize) -> Result<Tensor, TrainError> {
        Ok(self.tap_features(forward, index)?.f_to_kind(Kind::Float)?)
    }

    /// The same as the model gives it.
    fn tap_features(&self, forward: &Forward, index: usize) -> Result<Tensor, TrainError> {
        let found = read_at(forward, self.loss.reads(), self.tap, index)?;
        found.ok_or_else(|| TrainError::Config(format!("a model stopped giving {} features", self.tap.name())))
    }

    /// Per scale the loss at λ = 1, scalars with gradient on the student and its adapters. The adapters compute in the
    /// precision of the models, the loss in float32.
    pub fn distances(
        &self,
        student: &Forward,
        teacher_output: &TeacherOutput,
        precision: Precision,
    ) -> Result<Vec<ScaleLoss>, TrainError> {
        let terms = self.terms(student, &teacher_output.features, precision)?;
        Ok(loss::reduce(&terms, &teacher_output.masks, self.norm)?)
    }

    /// teacher: what [`Distiller::feature`] gives, in the order of the pairs.
    fn terms(&self, student: &Forward, teacher: &[Tensor], precision: Precision) -> Result<Vec<Terms>, TrainError> {
        let of_pair = |(pair, of_teacher): (&Pair, &Tensor)| {
            let of_student = self.tap_features(student, pair.student)?;
            let adapted = native::autocast(precision, of_student.device(), || self.adapted(pair, &of_student))??;
            let mut of_student = adapted.f_to_kind(Kind::Float)?;
            let mut of_teacher = of_teacher.shallow_clone();
            if let Some(weight) = &pair.weight {
                (of_student, of_teacher) = (of_student.f_mul(weight)?, of_teacher.f_mul(weight)?);
            }
            let pair = ScalePair {
                student: &of_student,
                teacher: &of_teacher,
                anchors: &self.scales[pair.student],
                classes: &self.classes,
                gains: &self.gains,
                balance: balance(self.scales.len(), pair.student),
            };
            Ok(self.loss.terms(&pair)?)
        };
        self.pairs.iter().zip(teacher).map(of_pair).collect()
    }

    fn adapted(&self, pair: &Pair, student: &Tensor) -> Result<Tensor, TchError> {
        match &pair.adapter {
            Some(adapter) => adapter.apply(student),
            None => Ok(student.shallow_clone()),
        }
    }

    /// What the loss adds up at every cell of one image, [H, W] per scale, on the CPU: the values of a loss of a single term
    /// (Σc (adapter(s) − t)² of `features`), else the map whose sum is the loss under the run's own mask. boxes: the image's
    /// ground truths, input px.
    pub fn difference_maps(
        &self,
        student: &Network,
        input: &Tensor,
        boxes: &[BoundingBox],
    ) -> Result<Vec<Tensor>, TrainError> {
        no_grad(|| {
            let (_, _, height, width) = input.size4()?;
            let (of_student, of_teacher) = (student.forward_t(input, false)?, self.teacher.forward(input)?);
            let terms = self.terms(&of_student, &self.features_of(&of_teacher)?, Precision::Float32)?;
            let size = Size::new(width as u32, height as u32);
            let masks = self.masks_of(self.mask, &[boxes.to_vec()], size, &of_teacher.heads)?;
            let maps = loss::maps(&terms, &masks, self.norm)?;
            let of_scale = |(terms, [map, _]): (&Terms, [Tensor; 2])| {
                let map = match terms.terms.as_slice() {
                    [squares] if self.loss.is_sum_of_squares() => squares.value.f_squeeze_dim(1)?,
                    _ => map,
                };
                Ok(map.f_squeeze_dim(0)?.f_to_device(Device::Cpu)?)
            };
            terms.iter().zip(maps).map(of_scale).collect()
        })
    }

    /// The cells of each ground truth (input px) for itself: flat indices by ground truth, then by scale.
    pub fn truth_cells(&self, boxes: &[BoundingBox], input: Size) -> Vec<Vec<Vec<usize>>> {
        let field = IouField::compute(&self.scales, input, boxes, self.mask.convention);
        let of_truth = |gt: usize| {
            let mask = field.gt_mask(gt, self.mask.psi, self.mask.rule);
            let cells = |pair: &Pair| {
                let count = &mask.scales[pair.student].count;
                count.iter().enumerate().filter(|(_, hits)| **hits > 0).map(|(cell, _)| cell).collect()
            };
            self.pairs.iter().map(cells).collect()
        };
        (0..boxes.len()).map(of_truth).collect()
    }

    /// Starts the adapters and the channels' weights from what both models say of some training batches: masked cells
    /// first, filled up with others where those are few. `progress` hears how far it is and may break it off.
    pub fn fit(
        &mut self,
        student: &Network,
        config: &ImitationConfig,
        batches: &[(Tensor, TrainBatch)],
        progress: &mut dyn FnMut(f32) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TrainError> {
        let share = (MAX_FIT_CELLS / batches.len().max(1) as i64).max(1);
        let mut cells: Vec<[Vec<Tensor>; 2]> = self.pairs.iter().map(|_| [Vec::new(), Vec::new()]).collect();
        // The solving comes after the last pass; it is short.
        let solves = self.pairs.len();
        let passes = |done: f32| 0.9 * done / batches.len().max(1) as f32;
        for (index, (input, batch)) in batches.iter().enumerate() {
            let mut heard = |done: f32| progress(passes(index as f32 + done));
            let Some(maps) = self.both_features(student, input, &mut heard)? else {
                return Ok(ControlFlow::Break(()));
            };
            // A soft mask has no cells of its own: the fit then looks at those near the ground truths.
            let masks = self.masks_by(MaskChoice { source: MaskSource::Iou, ..self.mask }, batch, &[])?;
            for ((kept, maps), mask) in cells.iter_mut().zip(&maps).zip(&masks) {
                let chosen = chosen_cells(mask, share)?;
                let rows = |features: &Tensor| {
                    let channels = features.size()[1];
                    let rows = features.f_permute([0, 2, 3, 1])?.f_reshape([-1, channels])?;
                    rows.f_index_select(0, &chosen.f_to_device(features.device())?)?.f_to_device(Device::Cpu)
                };
                for (kept, map) in kept.iter_mut().zip(maps) {
                    kept.push(rows(map)?);
                }
            }
        }
        for (index, (pair, [of_student, of_teacher])) in self.pairs.iter_mut().zip(&cells).enumerate() {
            if progress(0.9 + 0.1 * index as f32 / solves as f32).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if of_teacher.is_empty() {
                continue;
            }
            let (s, t) = (Tensor::f_cat(of_student, 0)?, Tensor::f_cat(of_teacher, 0)?);
            if let (Some(adapter), AdapterStart::LeastSquares { .. }) = (&mut pair.adapter, config.adapter_start) {
                let fit = LeastSquares::fit_cells(&s, &t)
                    .map_err(|source| TrainError::Adapter { scale: pair.name.clone(), source })?;
                let device = adapter.weight.device();
                *adapter = Adapter::fitted(&fit, i64::from(config.adapter_kernel), device)?;
            }
            if config.normalise {
                let axis: &[i64] = &[0];
                let spread = t.f_std_dim(axis, false, false)?.f_clamp_min(1e-3)?;
                let device = self.teacher.network().device();
                pair.weight = Some(spread.f_reciprocal()?.f_view([1, -1, 1, 1])?.f_to_device(device)?);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Both models' features of a batch per pair, student first, [B, C, H, W], without gradient, a few images at a time.
    /// `None` where `progress` broke it off.
    fn both_features(
        &self,
        student: &Network,
        input: &Tensor,
        progress: &mut dyn FnMut(f32) -> ControlFlow<()>,
    ) -> Result<Option<Vec<[Tensor; 2]>>, TrainError> {
        let (images, _, height, width) = input.size4()?;
        let few = (FORWARD_PX / (height * width)).max(1);
        let mut maps: Vec<[Vec<Tensor>; 2]> = self.pairs.iter().map(|_| [Vec::new(), Vec::new()]).collect();
        for from in (0..images).step_by(few as usize) {
            if progress(from as f32 / images as f32).is_break() {
                return Ok(None);
            }
            let input = input.f_narrow(0, from, few.min(images - from))?;
            let (of_student, of_teacher) =
                no_grad(|| Ok::<_, TrainError>((student.forward_t(&input, false)?, self.teacher.forward(&input)?)))?;
            for (pair, [students, teachers]) in self.pairs.iter().zip(&mut maps) {
                students.push(self.feature(&of_student, pair.student)?);
                teachers.push(self.feature(&of_teacher, pair.teacher)?);
            }
        }
        let whole = |[students, teachers]: &[Vec<Tensor>; 2]| {
            Ok::<_, TchError>([Tensor::f_cat(students, 0)?, Tensor::f_cat(teachers, 0)?])
        };
        Ok(Some(maps.iter().map(whole).collect::<Result<_, _>>()?))
    }
}

/// The ground truths of each image, input px.
fn boxes_of(batch: &TrainBatch) -> Vec<Vec<BoundingBox>> {
    batch.images.iter().map(|image| image.labels.iter().map(|label| label.bbox).collect()).collect()
}

/// What a loss takes of a model at its `index`-th scale: [B, C, H, W] at the tap, or the raw head [B, A, H, W, 5 + nc];
/// `None` where the model does not give it.
fn read_at(forward: &Forward, reads: Reads, tap: Tap, index: usize) -> Result<Option<Tensor>, TchError> {
    match reads {
        Reads::Head => Ok(forward.heads.get(index).map(Tensor::shallow_clone)),
        Reads::Features => tap_features(forward, tap, index),
    }
}

fn read(forward: &Forward, config: &ImitationConfig, index: usize) -> Result<Option<Tensor>, TchError> {
    read_at(forward, config.loss.reads(), config.tap, index)
}

/// Flat indices of at most `most` cells of a batch's maps, evenly spread: those in the mask, then others up to a quarter
/// of `most`.
fn chosen_cells(mask: &BatchMask, most: i64) -> Result<Tensor, TchError> {
    let flat = mask.cells.f_to_device(Device::Cpu)?.f_reshape([-1])?;
    let spread = |indices: Tensor, most: i64| -> Result<Tensor, TchError> {
        let n = indices.numel() as i64;
        if n <= most {
            return Ok(indices);
        }
        let at: Vec<i64> = (0..most).map(|i| i * n / most).collect();
        indices.f_index_select(0, &Tensor::f_from_slice(&at)?)
    };
    let inside = spread(flat.f_gt(0.0)?.f_nonzero()?.f_reshape([-1])?, most)?;
    let wanted = most / 4 - inside.numel() as i64;
    if wanted <= 0 {
        return Ok(inside);
    }
    let outside = spread(flat.f_le(0.0)?.f_nonzero()?.f_reshape([-1])?, wanted)?;
    Tensor::f_cat(&[inside, outside], 0)
}

/// A tensor as it is written to disk.
pub(super) fn plain(name: String, tensor: &Tensor) -> Result<NamedTensor, TchError> {
    let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
    Ok(NamedTensor::f32(name, shape, elements(tensor)?))
}
