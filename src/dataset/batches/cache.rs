//! Decoded and resized images in memory, shared by the threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use image::RgbImage;

use crate::dataset::augment::fitted;
use crate::dataset::error::DatasetError;
use crate::dataset::image::decode_whole;
use crate::dataset::samples::Sample;
use crate::geometry::Size;

/// Images of one input size, up to a limit; past it they are decoded each time.
pub(super) struct Cache {
    images: Vec<OnceLock<Arc<RgbImage>>>,
    input: Size,
    /// Bytes that may still be taken.
    free: AtomicU64,
}

impl Cache {
    pub(super) fn new(samples: usize, input: Size, bytes: u64) -> Self {
        Self { images: (0..samples).map(|_| OnceLock::new()).collect(), input, free: AtomicU64::new(bytes) }
    }

    /// The image of `sample`, which has this index, at the size at which it goes into the input.
    pub(super) fn read(&self, index: usize, sample: &Sample) -> Result<Arc<RgbImage>, DatasetError> {
        if let Some(image) = self.images[index].get() {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(fitted(decode_whole(&sample.image)?, self.input));
        let bytes = image.len() as u64;
        let take = |free: u64| free.checked_sub(bytes);
        if self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
            && self.images[index].set(Arc::clone(&image)).is_err()
        {
            // Another thread was first.
            self.free.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(image)
    }
}
