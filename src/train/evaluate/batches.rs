//! The images of a split, batch by batch, on their way into networks.

use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;

use tch::{Device, Kind, TchError, Tensor};

use super::EvaluateError;
use super::detector::Detector;
use super::loader;
use super::rect::{Placement, rect_batches};
use crate::dataset::{DatasetError, Label, Sample};
use crate::geometry::{BoundingBox, Size};
use crate::yolo::assign::Target;
use crate::yolo::network::NetworkError;

/// How a network takes images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Long side of an image in the input, px.
    pub imgsz: u32,
    /// The sides of its inputs are multiples of this, px.
    pub stride: u32,
}

impl Geometry {
    /// Of a model that is asked for a long side; it is rounded up to whole cells of its largest stride.
    pub fn of(model: &dyn Detector, imgsz: u32) -> Result<Self, NetworkError> {
        let stride = model.stride()?;
        Ok(Self { imgsz: imgsz.next_multiple_of(stride), stride })
    }
}

/// Images that go through networks together.
pub struct Batch {
    /// Indices into the samples.
    pub images: Vec<usize>,
    /// One for each geometry.
    pub inputs: Vec<Input>,
    /// Images of the batch that could not be read: index into the samples, and why.
    pub unreadable: Vec<(usize, DatasetError)>,
}

/// The images of a batch in one geometry.
pub struct Input {
    pub size: Size,
    /// [B, H, W, 3], RGB.
    pub(super) pixels: Vec<u8>,
    /// Where each image lies in it.
    pub(super) placements: Vec<Placement>,
}

impl Input {
    /// [B, 3, H, W], RGB in 0..1; channels come last in memory, as convolutions are fastest.
    pub fn tensor(&self, device: Device) -> Result<Tensor, TchError> {
        let shape = [self.placements.len() as i64, i64::from(self.size.height), i64::from(self.size.width), 3];
        let pixels = Tensor::f_from_slice(&self.pixels)?.f_view(shape)?.f_to_device(device)?;
        pixels.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)
    }

    /// A box of the `image`-th image of the batch, image px to input px.
    pub fn to_input(&self, image: usize, bbox: &BoundingBox) -> BoundingBox {
        self.placements[image].to_input(bbox)
    }

    /// Input px to image px, inside the image.
    pub fn to_image(&self, image: usize, bbox: &BoundingBox) -> BoundingBox {
        self.placements[image].to_image(bbox)
    }

    /// The ground truths of the `image`-th image as they are matched, image px: through the input and back, as the
    /// detections came.
    pub fn labels(&self, image: usize, labels: &[Label]) -> Vec<Label> {
        let there_and_back =
            |label: &Label| Label { bbox: self.to_image(image, &self.to_input(image, &label.bbox)), ..*label };
        labels.iter().map(there_and_back).collect()
    }

    /// The ground truths of the `image`-th image where the input shows them, as those of the `place`-th of a batch.
    pub fn targets(&self, image: usize, labels: &[Label], place: usize) -> Vec<Target> {
        let target = |label: &Label| Target::new(place, label.class, &self.to_input(image, &label.bbox), self.size);
        labels.iter().map(target).collect()
    }
}

/// Calls `visit` with every batch of `batch` images, the next being read meanwhile. `progress` hears how many images of how
/// many are done, and may break it off: false then.
pub fn for_each_batch(
    samples: &[Sample],
    geometries: &[Geometry],
    batch: usize,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    visit: &mut dyn FnMut(Batch) -> Result<(), EvaluateError>,
) -> Result<bool, EvaluateError> {
    let sizes: Vec<Size> = samples.iter().map(|sample| sample.size).collect();
    // Which images share a batch depends on their aspects alone; how large its input is, on the geometry.
    let of_geometry = |geometry: &Geometry| rect_batches(&sizes, geometry.imgsz, batch, geometry.stride);
    let by_geometry: Vec<_> = geometries.iter().map(of_geometry).collect();
    let count = by_geometry.first().map_or(0, Vec::len);
    thread::scope(|scope| {
        // One batch waits while the next is read.
        let (sender, receiver) = mpsc::sync_channel(1);
        let read = || {
            let sender = sender;
            (0..count).try_for_each(|at| {
                let inputs = geometries.iter().zip(&by_geometry);
                let inputs: Vec<(u32, Size)> =
                    inputs.map(|(geometry, batches)| (geometry.imgsz, batches[at].input)).collect();
                sender.send(loader::load(samples, &by_geometry[0][at].images, &inputs))
            })
        };
        thread::Builder::new()
            .name("evaluation images".to_owned())
            .spawn_scoped(scope, read)
            .map_err(EvaluateError::Thread)?;
        let mut done = 0;
        for batch in receiver {
            if progress(done, samples.len()).is_break() {
                return Ok(false);
            }
            let batch = batch?;
            done += batch.images.len();
            visit(batch)?;
        }
        Ok(progress(done, samples.len()).is_continue())
    })
}
