//! The pixels of batches, decoded while the network is at the batch before.

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
}

/// Decodes the images of a batch on rayon's threads.
pub(super) fn load(samples: &[Sample], batch: &RectBatch, imgsz: u32) -> Result<LoadedBatch, DatasetError> {
    let input = batch.input;
    let images: Vec<(usize, Placement)> =
        batch.images.iter().map(|&index| (index, Placement::new(samples[index].size, imgsz, input))).collect();
    let bytes = 3 * input.width as usize * input.height as usize;
    let mut pixels = vec![0; bytes * images.len()];
    pixels.par_chunks_exact_mut(bytes).zip(&images).try_for_each(|(pixels, (index, placement))| {
        let image = dataset::decode(&samples[*index].image)?;
        let found = Size::new(image.width(), image.height());
        if found != placement.image {
            return Err(DatasetError::Letterbox { expected: placement.image, input, found });
        }
        let image = dataset::letterbox(&dataset::resized(image, placement.resized), &placement.letterbox)?;
        pixels.copy_from_slice(image.as_raw());
        Ok(())
    })?;
    Ok(LoadedBatch { input, pixels, images })
}
