//! The pixels of batches, decoded while the network is at the batch before.

use image::RgbImage;
use rayon::prelude::*;

use super::rect::{Placement, RectBatch};
use crate::dataset::{self, DatasetError, Sample};
use crate::geometry::Size;

/// A batch as the network takes it.
pub(super) struct LoadedBatch {
    pub input: Size,
    /// [B, H, W, 3], RGB.
    pub pixels: Vec<u8>,
    /// Indices into the samples, and where each lies in the input.
    pub images: Vec<(usize, Placement)>,
    /// Images of the batch that could not be read: index into the samples, and why.
    pub unreadable: Vec<(usize, DatasetError)>,
}

/// Decodes the images of a batch on rayon's threads. An error where none could be read because none of the files
/// could: then the data are gone, and not only damaged.
pub(super) fn load(samples: &[Sample], batch: &RectBatch, imgsz: u32) -> Result<LoadedBatch, DatasetError> {
    let input = batch.input;
    let read = |&index: &usize| {
        let placement = Placement::new(samples[index].size, imgsz, input);
        let pixels = pixels(&samples[index], &placement, input);
        (index, placement, pixels)
    };
    let read: Vec<_> = batch.images.par_iter().map(read).collect();
    let bytes = 3 * input.width as usize * input.height as usize;
    let mut loaded = LoadedBatch {
        input,
        pixels: Vec::with_capacity(bytes * read.len()),
        images: Vec::with_capacity(read.len()),
        unreadable: Vec::new(),
    };
    for (index, placement, pixels) in read {
        match pixels {
            Ok(pixels) => {
                loaded.pixels.extend_from_slice(&pixels);
                loaded.images.push((index, placement));
            }
            Err(error) => loaded.unreadable.push((index, error)),
        }
    }
    if loaded.images.is_empty()
        && loaded.unreadable.iter().all(|(_, error)| error.is_gone())
        && let Some((_, error)) = loaded.unreadable.pop()
    {
        return Err(error);
    }
    Ok(loaded)
}

fn pixels(sample: &Sample, placement: &Placement, input: Size) -> Result<RgbImage, DatasetError> {
    let image = dataset::decode(&sample.image)?;
    let found = Size::new(image.width(), image.height());
    if found != placement.image {
        return Err(DatasetError::Letterbox { expected: placement.image, input, found });
    }
    dataset::letterbox(&dataset::resized(image, placement.resized), &placement.letterbox)
}
