//! The batches that a run will learn from, before it is started: from the loader of the run itself, with the masks that
//! their boxes give. No network is built and no weight is read.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;

use super::TrainError;
use super::config::{ImitationConfig, RunConfig};
use super::plan::{check, outlined};
use crate::dataset::{self, Batches, DataYaml, Label, Samples, Split, TrainBatch, Warning};
use crate::geometry::{BoundingBox, Size};
use crate::grid::Grid;
use crate::imitation::mask::{ImitationMask, IouField, Psi, ScaleMask};
use crate::yolo::anchors::AnchorScale;

/// Long side of the reduced pictures, px.
const SMALL_SIDE: u32 = 320;
/// Decoded images kept while one batch is made: a mosaic takes some twice.
const CACHE_BYTES: u64 = 1 << 28;
/// How long a batch is waited for before it is asked whether anyone still wants it.
const PATIENCE: Duration = Duration::from_millis(50);

/// Which batch of which run.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchRequest {
    /// Reduced to what decides batches and masks.
    pub config: Box<RunConfig>,
    /// Of the run, from 0.
    pub step: u64,
    /// A request of another reading looks at the files anew.
    pub reading: u64,
}

impl BatchRequest {
    pub fn of(config: &RunConfig, step: u64, reading: u64) -> Self {
        let ImitationConfig { psi, level_rule, iou, .. } = config.imitation;
        let config = RunConfig {
            data: config.data.clone(),
            teacher: config.teacher.clone(),
            student: config.student.clone(),
            imgsz: config.imgsz,
            batch: config.batch,
            seed: config.seed,
            hyp: config.hyp.clone(),
            imitation: ImitationConfig { psi, level_rule, iou, ..ImitationConfig::default() },
            // Threads change no byte of a batch, and one leaves the others to the window.
            workers: 1,
            ..RunConfig::default()
        };
        Self { config: Box::new(config), step, reading }
    }

    /// Whether the other asks for the same pixels and boxes, whatever masks it wants of them.
    fn has_images_of(&self, other: &Self) -> bool {
        let images = |request: &Self| RunConfig { imitation: ImitationConfig::default(), ..(*request.config).clone() };
        (self.step, self.reading) == (other.step, other.reading) && images(self) == images(other)
    }
}

/// A batch to look at.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchPreview {
    pub epoch: u32,
    /// Within the epoch, from 0.
    pub index: usize,
    /// Batches an epoch.
    pub per_epoch: usize,
    pub input: Size,
    /// Class names.
    pub names: Vec<String>,
    /// Those that the masks are made on.
    pub scales: Vec<AnchorScale>,
    pub images: Vec<PreviewImage>,
    /// Images that could not be read.
    pub warnings: Vec<Warning>,
    /// How many of them are missing from the batch itself, and not from a mosaic.
    pub skipped: usize,
    /// Images of the split that can never be used.
    pub left_out: usize,
}

/// One image of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewImage {
    /// The sample that it is made from; the first of four in a mosaic.
    pub path: PathBuf,
    /// As the networks see it.
    pub picture: Arc<RgbImage>,
    /// The same at a side of at most 320 px.
    pub small: Arc<RgbImage>,
    /// Input px.
    pub labels: Vec<Label>,
    /// Boxes before the augmentation cut any away.
    pub source_boxes: usize,
    pub mask: ImitationMask,
}

impl PreviewImage {
    /// Mask cells over all scales.
    pub fn mask_cells(&self) -> usize {
        self.mask.scales.iter().map(|scale| scale.mask_cells).sum()
    }

    /// Boxes that mark no cell of any scale.
    pub fn unmarked(&self) -> usize {
        let marks = |gt: usize| self.mask.scales.iter().any(|scale| scale.gts.get(gt).is_some_and(|gt| gt.cells > 0));
        (0..self.labels.len()).filter(|&gt| !marks(gt)).count()
    }
}

impl BatchPreview {
    /// 1 where an image is imitated, on one scale or (`None`) on any: then at the cells of the smallest stride.
    pub fn mask(&self, image: &PreviewImage, scale: Option<usize>) -> Grid {
        let one = |index: usize| {
            image.mask.scales.get(index).map_or_else(
                || Grid::filled(0, 0, 0.0),
                |mask| Grid::from_fn(mask.cols, mask.rows, |row, col| f32::from(u8::from(mask.contains(row, col)))),
            )
        };
        let finest = (0..self.scales.len()).min_by_key(|&index| self.scales[index].stride);
        let (None, Some(finest)) = (scale, finest) else { return one(scale.unwrap_or(0)) };
        let (rows, cols) = self.scales[finest].shape(self.input.width, self.input.height);
        Grid::from_fn(cols, rows, |row, col| {
            let (x, y) = self.scales[finest].cell_center(row, col);
            let here = |(scale, mask): (&AnchorScale, &ScaleMask)| {
                mask.contains((y / scale.stride as f32) as usize, (x / scale.stride as f32) as usize)
            };
            f32::from(u8::from(self.scales.iter().zip(&image.mask.scales).any(here)))
        })
    }
}

/// Makes previews, and keeps what the next one may share: the split's labels, the last batch's pictures.
#[derive(Default)]
pub struct Previews {
    split: Option<((PathBuf, u64), Arc<Samples>)>,
    last: Option<(BatchRequest, BatchPreview)>,
}

impl Previews {
    /// The batch that a run with this configuration sees at this step, byte for byte. `progress` hears what is done and
    /// may break it off; then there is none.
    pub fn make(
        &mut self,
        request: &BatchRequest,
        progress: &mut dyn FnMut(&str, Option<f32>) -> ControlFlow<()>,
    ) -> Result<Option<BatchPreview>, TrainError> {
        let config = &*request.config;
        check(config)?;
        let mut preview = match self.last.take().filter(|(last, _)| last.has_images_of(request)) {
            Some((_, preview)) => preview,
            None => {
                let Some(samples) = self.samples(request, progress)? else { return Ok(None) };
                let Some(preview) = read(request, &samples, progress)? else { return Ok(None) };
                preview
            }
        };
        let (psi, rule) = (Psi::new(config.imitation.psi)?, config.imitation.level_rule);
        for image in &mut preview.images {
            let boxes: Vec<BoundingBox> = image.labels.iter().map(|label| label.bbox).collect();
            let field = IouField::compute(&preview.scales, preview.input, &boxes, config.imitation.iou);
            image.mask = field.mask(psi, rule);
        }
        self.last = Some((request.clone(), preview.clone()));
        Ok(Some(preview))
    }

    fn samples(
        &mut self,
        request: &BatchRequest,
        progress: &mut dyn FnMut(&str, Option<f32>) -> ControlFlow<()>,
    ) -> Result<Option<Arc<Samples>>, TrainError> {
        let key = (request.config.data.clone(), request.reading);
        if let Some((_, samples)) = self.split.take_if(|(kept, _)| *kept == key) {
            self.split = Some((key, Arc::clone(&samples)));
            return Ok(Some(samples));
        }
        let data = DataYaml::load(&request.config.data)?;
        let mut stopped = false;
        let samples = Samples::load(&data, Split::Train, &mut |done, total| {
            let flow = progress("reading the labels", Some(done as f32 / total.max(1) as f32));
            stopped |= flow.is_break();
            flow
        })?;
        if stopped {
            return Ok(None);
        }
        let samples = Arc::new(samples);
        self.split = Some((key, Arc::clone(&samples)));
        Ok(Some(samples))
    }
}

/// Pictures and boxes, without masks.
fn read(
    request: &BatchRequest,
    samples: &Arc<Samples>,
    progress: &mut dyn FnMut(&str, Option<f32>) -> ControlFlow<()>,
) -> Result<Option<BatchPreview>, TrainError> {
    const STAGE: &str = "augmenting";
    let config = &*request.config;
    if progress(STAGE, None).is_break() {
        return Ok(None);
    }
    let (input, scales) = outlined(config, &samples.names)?;
    let per_epoch = Batches::per_epoch(samples.samples.len(), config.batch);
    let (epoch, index) = (request.step / per_epoch as u64, request.step % per_epoch as u64);
    let mut batches =
        Batches::start(Arc::clone(samples), config.batch_options(input, CACHE_BYTES), epoch as u32, index as usize)
            .map_err(|cause| TrainError::Read { path: "a thread for batches".to_owned(), cause })?;
    let batch = loop {
        if let Some(batch) = batches.next_batch_within(PATIENCE)? {
            break batch;
        }
        if progress(STAGE, None).is_break() {
            return Ok(None);
        }
    };
    Ok(Some(BatchPreview {
        epoch: batch.epoch,
        index: batch.index,
        per_epoch,
        input,
        names: samples.names.clone(),
        scales,
        images: images(&batch),
        skipped: batch.skipped,
        left_out: samples.left_out.len(),
        warnings: batch.warnings,
    }))
}

fn images(batch: &TrainBatch) -> Vec<PreviewImage> {
    let Size { width, height } = batch.input;
    let pixels = batch.pixels.chunks_exact(3 * width as usize * height as usize);
    let images = batch.images.iter().zip(pixels).filter_map(|(image, pixels)| {
        let picture = Arc::new(RgbImage::from_raw(width, height, pixels.to_vec())?);
        Some(PreviewImage {
            path: image.path.clone(),
            small: dataset::shrink_to(&picture, SMALL_SIDE).map_or_else(|| Arc::clone(&picture), Arc::new),
            picture,
            labels: image.labels.clone(),
            source_boxes: image.source_boxes,
            mask: ImitationMask { scales: Vec::new() },
        })
    });
    images.collect()
}
