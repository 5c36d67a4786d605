//! The pixels of batches, decoded while the networks are at the batch before.

use image::RgbImage;
use rayon::prelude::*;

use super::batches::{Batch, Input};
use super::rect::Placement;
use crate::dataset::{self, DatasetError, Sample};
use crate::geometry::Size;

/// Decodes the images of a batch on rayon's threads, each once for all `inputs`: (long side of an image, size of the input),
/// px. An error where none could be read because none of the files could: then the data are gone, and not only damaged.
pub(super) fn load(samples: &[Sample], images: &[usize], inputs: &[(u32, Size)]) -> Result<Batch, DatasetError> {
    let read = |&index: &usize| (index, read(&samples[index], inputs));
    let read: Vec<_> = images.par_iter().map(read).collect();
    let empty = |&(_, size): &(u32, Size)| {
        let bytes = 3 * size.width as usize * size.height as usize;
        let (pixels, placements) = (Vec::with_capacity(bytes * read.len()), Vec::with_capacity(read.len()));
        Input { size, pixels, placements }
    };
    let mut batch = Batch {
        images: Vec::with_capacity(read.len()),
        inputs: inputs.iter().map(empty).collect(),
        unreadable: Vec::new(),
    };
    for (index, found) in read {
        match found {
            Ok(found) => {
                batch.images.push(index);
                for (input, (placement, pixels)) in batch.inputs.iter_mut().zip(found) {
                    input.pixels.extend_from_slice(&pixels);
                    input.placements.push(placement);
                }
            }
            Err(error) => batch.unreadable.push((index, error)),
        }
    }
    if batch.images.is_empty()
        && batch.unreadable.iter().all(|(_, error)| error.is_gone())
        && let Some((_, error)) = batch.unreadable.pop()
    {
        return Err(error);
    }
    Ok(batch)
}

/// The image as each input has it, and where it lies there.
fn read(sample: &Sample, inputs: &[(u32, Size)]) -> Result<Vec<(Placement, RgbImage)>, DatasetError> {
    let image = dataset::decode(&sample.image)?;
    let found = Size::new(image.width(), image.height());
    let place = |image: RgbImage, (imgsz, input): (u32, Size)| {
        let placement = Placement::new(sample.size, imgsz, input);
        if found != placement.image {
            return Err(DatasetError::Letterbox { expected: placement.image, input, found });
        }
        let pixels = dataset::letterbox(&dataset::resized(image, placement.resized), &placement.letterbox)?;
        Ok((placement, pixels))
    };
    // The last takes the image itself, which is hardly ever needed twice.
    let Some((last, others)) = inputs.split_last() else { return Ok(Vec::new()) };
    let mut placed = Vec::with_capacity(inputs.len());
    for input in others {
        placed.push(place(image.clone(), *input)?);
    }
    placed.push(place(image, *last)?);
    Ok(placed)
}
