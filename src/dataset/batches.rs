//! Training batches, made by worker threads ahead of the model and handed out in order.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Augmentation, DatasetError, Label, Samples, Warning};
use crate::geometry::Size;

/// What decides a batch, and how many hands make it.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOptions {
    /// Network input, px.
    pub input: Size,
    /// Images a batch; the last of an epoch may have fewer.
    pub batch: usize,
    pub augmentation: Augmentation,
    /// Every draw follows from (seed, epoch, index).
    pub seed: u64,
    /// Threads; they change no byte of a batch.
    pub workers: usize,
    /// Decoded images are kept up to this many bytes.
    pub cache_bytes: u64,
}

/// One image of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchImage {
    /// The sample it is made from; the first of four in a mosaic.
    pub path: PathBuf,
    /// Input px, after the same augmentation as the pixels.
    pub labels: Vec<Label>,
}

/// A batch in the order of its epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainBatch {
    pub epoch: u32,
    /// Within the epoch, from 0.
    pub index: usize,
    /// Whether it ends the epoch.
    pub last: bool,
    pub input: Size,
    /// [B, H, W, 3], RGB; B is the number of `images`.
    pub pixels: Vec<u8>,
    /// May be fewer than asked for: the rest of an epoch, or images that could not be read.
    pub images: Vec<BatchImage>,
    /// Images that could not be read, each named once a run.
    pub warnings: Vec<Warning>,
    /// Images of this batch that could not be read.
    pub skipped: usize,
}

/// Endless batches from a position on; dropping it ends the threads.
pub struct Batches {}

impl Batches {
    /// Batches in one epoch of `samples` images.
    pub fn per_epoch(samples: usize, batch: usize) -> usize {
        samples.div_ceil(batch.max(1))
    }

    /// Starts the threads at batch `index` of `epoch`.
    pub fn start(_samples: Arc<Samples>, _options: BatchOptions, _epoch: u32, _index: usize) -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// The next batch; waits for it.
    pub fn next_batch(&mut self) -> Result<TrainBatch, DatasetError> {
        Err(DatasetError::NotAFile { path: PathBuf::new() })
    }
}
