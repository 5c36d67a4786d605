//! Training batches, made by worker threads ahead of the model and handed out in order.

mod cache;
mod maker;
mod pool;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use self::maker::Maker;
use self::pool::{Panic, Pool};
use super::image::MAX_PIXELS;

use super::augment::Augmentation;
use super::error::{DatasetError, Warning};
use super::label::Label;
use super::samples::Samples;
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
    /// Boxes of the samples that it is made of, before the augmentation cut any away.
    pub source_boxes: usize,
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

impl TrainBatch {
    /// Its first images, all of them where there are fewer.
    pub fn first(&self, images: usize) -> Self {
        self.picked(0..images.min(self.images.len()))
    }

    /// Some of its images, in the order in which they are named.
    pub fn picked(&self, images: impl IntoIterator<Item = usize>) -> Self {
        let bytes = self.pixels.len() / self.images.len().max(1);
        let mut picked = Self { pixels: Vec::new(), images: Vec::new(), warnings: self.warnings.clone(), ..*self };
        for image in images {
            picked.pixels.extend_from_slice(&self.pixels[bytes * image..][..bytes]);
            picked.images.push(self.images[image].clone());
        }
        picked
    }
}

/// Endless batches from a position on; dropping it ends the threads.
pub struct Batches {
    pool: Pool<Result<TrainBatch, DatasetError>>,
    /// Files that were warned of.
    named: HashSet<PathBuf>,
}

impl Batches {
    /// Batches made and not yet asked for, per thread.
    pub const AHEAD: usize = pool::AHEAD as usize;

    /// Threads that make batches unless somebody says otherwise: all cores but the one that trains, 16 at most.
    pub fn default_workers() -> usize {
        thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).clamp(1, 16)
    }

    /// Batches in one epoch of `samples` images.
    pub fn per_epoch(samples: usize, batch: usize) -> usize {
        samples.div_ceil(batch.max(1))
    }

    /// Starts the threads at batch `index` of `epoch`; an index past the epoch's end goes on in the next.
    ///
    /// Fails where a thread cannot be started, there are no samples, or the input has no or too many pixels.
    pub fn start(samples: Arc<Samples>, options: BatchOptions, epoch: u32, index: usize) -> io::Result<Self> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        let Size { width, height } = options.input;
        // A mosaic's canvas has four times the input's pixels.
        if !(1..=MAX_PIXELS / 4).contains(&(u64::from(width) * u64::from(height))) {
            let limit = MAX_PIXELS / 4;
            return Err(invalid(format!("an input of {width} × {height} px; it must have 1 to {limit} pixels")));
        }
        if samples.samples.is_empty() {
            return Err(invalid("there are no training images".to_owned()));
        }
        let options = BatchOptions { batch: options.batch.max(1), ..options };
        let per_epoch = Self::per_epoch(samples.samples.len(), options.batch) as u64;
        let first = u64::from(epoch) * per_epoch + index as u64;
        let workers = options.workers;
        let maker = Maker::new(samples, options);
        let pool = Pool::start("batches", workers, move |number, closed| {
            let number = first + number;
            maker.make((number / per_epoch) as u32, (number % per_epoch) as usize, closed)
        })?;
        Ok(Self { pool, named: HashSet::new() })
    }

    /// The next batch; waits for it.
    ///
    /// An image that cannot be decoded is left out of it, or its place in a mosaic stays grey. An error says that the
    /// files of all its images are gone, or that a thread broke off.
    pub fn next_batch(&mut self) -> Result<TrainBatch, DatasetError> {
        let made = self.pool.next();
        self.deliver(made)
    }

    /// As [`Batches::next_batch`] for whoever has other things to do: `None` where the batch is not made after so long.
    pub fn next_batch_within(&mut self, patience: Duration) -> Result<Option<TrainBatch>, DatasetError> {
        let made = self.pool.next_within(patience);
        made.map(|made| self.deliver(made)).transpose()
    }

    fn deliver(&mut self, made: Result<Result<TrainBatch, DatasetError>, Panic>) -> Result<TrainBatch, DatasetError> {
        let mut batch = made.map_err(|message| DatasetError::Worker { message })??;
        batch.warnings.retain(|warning| self.named.insert(warning.file.clone()));
        Ok(batch)
    }
}
