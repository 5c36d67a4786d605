//! One batch, from its number alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::Cache;
use super::{BatchImage, BatchOptions, Batches, TrainBatch};
use crate::dataset::augment::{Key, Plan, Tile};
use crate::dataset::error::{DatasetError, Warning};
use crate::dataset::samples::Samples;
use crate::geometry::Size;
use crate::rng::Rng;

/// Part of the key of an epoch's order; no position in an epoch is so large.
const ORDER: u64 = u64::MAX;

/// Of one image of a batch.
fn image_bytes(input: Size) -> usize {
    3 * input.width as usize * input.height as usize
}

pub(super) struct Maker {
    samples: Arc<Samples>,
    options: BatchOptions,
    cache: Cache,
    /// The latest epoch whose order was drawn.
    order: Mutex<(u32, Arc<Vec<usize>>)>,
}

impl Maker {
    pub(super) fn new(samples: Arc<Samples>, options: BatchOptions) -> Self {
        let cache = Cache::new(samples.samples.len(), options.input, options.cache_bytes);
        Self { samples, options, cache, order: Mutex::new((0, Arc::default())) }
    }

    /// Samples by position in the epoch.
    fn order(&self, epoch: u32) -> Arc<Vec<usize>> {
        let mut latest = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.0 != epoch || latest.1.is_empty() {
            let mut order: Vec<usize> = (0..self.samples.samples.len()).collect();
            Rng::of(&[self.options.seed, u64::from(epoch), ORDER]).shuffle(&mut order);
            *latest = (epoch, Arc::new(order));
        }
        Arc::clone(&latest.1)
    }

    /// Batch `index` of `epoch`; whatever it has when `closed` is set. An error where no image of the batch could be
    /// read because none of the files could: then the data are gone, and not only damaged.
    pub(super) fn make(&self, epoch: u32, index: usize, closed: &AtomicBool) -> Result<TrainBatch, DatasetError> {
        let BatchOptions { input, batch: size, .. } = self.options;
        let order = self.order(epoch);
        let first = index * size;
        let positions = first..order.len().min(first + size);
        let bytes = image_bytes(input);
        let mut batch = TrainBatch {
            epoch,
            index,
            last: index + 1 == Batches::per_epoch(order.len(), size),
            input,
            pixels: vec![0; positions.len() * bytes],
            images: Vec::with_capacity(positions.len()),
            warnings: Vec::new(),
            skipped: 0,
        };
        let mut lost = None;
        let mut is_damaged = false;
        for position in positions {
            if closed.load(Ordering::Relaxed) {
                break;
            }
            let sample = order[position];
            match self.tile(sample) {
                Ok(tile) => self.add(&mut batch, position, sample, tile)?,
                Err(error) => {
                    batch.skipped += 1;
                    batch.warnings.push(self.unreadable(sample, &error));
                    if error.is_gone() {
                        lost.get_or_insert(error);
                    } else {
                        is_damaged = true;
                    }
                }
            }
        }
        batch.pixels.truncate(batch.images.len() * bytes);
        match lost {
            Some(error) if batch.images.is_empty() && !is_damaged => Err(error),
            _ => Ok(batch),
        }
    }

    fn tile(&self, index: usize) -> Result<Tile, DatasetError> {
        let sample = &self.samples.samples[index];
        Ok(Tile::new(sample, self.cache.read(index, sample)?))
    }

    /// Appends the image that is made from `sample`, whose own `tile` is read already.
    fn add(&self, batch: &mut TrainBatch, position: usize, sample: usize, tile: Tile) -> Result<(), DatasetError> {
        let BatchOptions { input, augmentation, seed, .. } = self.options;
        let key = Key { seed, epoch: batch.epoch, position };
        let plan = Plan::draw(&augmentation, key, sample, self.samples.samples.len(), input);
        let mut source_boxes = 0;
        let mut source = |index: usize| {
            let found = if index == sample {
                Some(tile.clone())
            } else {
                self.tile(index).map_err(|error| batch.warnings.push(self.unreadable(index, &error))).ok()
            };
            source_boxes += found.as_ref().map_or(0, |tile| tile.labels.len());
            found
        };
        let bytes = image_bytes(input);
        let pixels = &mut batch.pixels[batch.images.len() * bytes..][..bytes];
        let labels = plan.apply(input, &mut source, pixels)?;
        batch.images.push(BatchImage { path: self.samples.samples[sample].image.clone(), labels, source_boxes });
        Ok(())
    }

    fn unreadable(&self, sample: usize, error: &DatasetError) -> Warning {
        let file = &self.samples.samples[sample].image;
        let text = error.to_string();
        let message = text.strip_prefix(&format!("{}: ", file.display())).unwrap_or(&text);
        Warning { file: file.clone(), line: None, message: format!("cannot be used: {message}") }
    }
}
