//! Training batches alone: how many images a second the threads make that feed a run.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{BenchError, machine};
use crate::dataset::{Augmentation, BatchOptions, Batches, DataYaml, Samples, Split};
use crate::format::significant;
use crate::geometry::Size;
use crate::train::TrainError;
use crate::train::run::CACHE_BYTES;

/// What is measured with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoaderSetup {
    pub data: PathBuf,
    /// Side of the input, px.
    pub imgsz: u32,
    /// Images a batch.
    pub batch: usize,
    /// Threads that make batches.
    pub workers: usize,
    /// Whether decoded images are kept as a run keeps them; they are all read once before the clock starts.
    pub cached: bool,
    /// How long it is measured, s.
    pub seconds: f64,
    #[serde(skip)]
    pub augmentation: Augmentation,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoaderReport {
    /// Of this program.
    pub version: &'static str,
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    pub setup: LoaderSetup,
    /// Delivered while it was measured, and in how many s.
    pub images: usize,
    pub seconds: f64,
    pub images_per_second: f64,
    /// Time of all cores together that an image took, s; `None` where the system does not tell.
    pub cpu_per_image: Option<f64>,
    pub warnings: Vec<String>,
}

/// Takes batches as fast as the threads make them. `progress` may break it off: what is measured by then is reported.
pub fn loader(
    setup: &LoaderSetup,
    progress: &mut dyn FnMut(&str, Option<Duration>) -> ControlFlow<()>,
) -> Result<LoaderReport, BenchError> {
    let data = DataYaml::load(&setup.data).map_err(TrainError::from)?;
    let mut reading = |_: usize, _: usize| progress("reading the images' headers", None);
    let samples = Samples::load(&data, Split::Train, &mut reading).map_err(TrainError::from)?;
    let mut warnings: Vec<String> = samples.warnings.iter().map(ToString::to_string).collect();
    let options = BatchOptions {
        input: Size::square(setup.imgsz),
        batch: setup.batch,
        augmentation: setup.augmentation,
        seed: 0,
        workers: setup.workers,
        cache_bytes: if setup.cached { CACHE_BYTES } else { 0 },
    };
    let epoch = Batches::per_epoch(samples.samples.len(), setup.batch);
    let mut batches = Batches::start(Arc::new(samples), options, 0, 0)
        .map_err(|cause| TrainError::Read { path: "a thread for batches".to_owned(), cause })?;
    let mut next = |left: Option<Duration>| {
        if progress("training batches", left).is_break() {
            return Ok(None);
        }
        let batch = batches.next_batch().map_err(TrainError::from)?;
        warnings.extend(batch.warnings.iter().map(ToString::to_string));
        Ok::<_, BenchError>(Some(batch.images.len()))
    };

    // What the threads make in advance comes before the clock, and with a cache every image.
    let before = Batches::AHEAD * setup.workers.max(1) + if setup.cached { epoch } else { 0 };
    for _ in 0..before {
        next(None)?.ok_or(BenchError::Stopped)?;
    }
    let (begin, cpu_before) = (Instant::now(), machine::cpu_time());
    let whole = Duration::from_secs_f64(setup.seconds);
    let mut images = 0;
    while let Some(left) = whole.checked_sub(begin.elapsed()) {
        let Some(delivered) = next(Some(left))? else { break };
        images += delivered;
    }
    let seconds = begin.elapsed().as_secs_f64();
    if images == 0 {
        return Err(BenchError::Stopped);
    }
    let cpu = machine::cpu_time().zip(cpu_before).map(|(after, before)| after.saturating_sub(before).as_secs_f64());
    Ok(LoaderReport {
        version: env!("CARGO_PKG_VERSION"),
        cpu: machine::cpu(),
        cores: machine::cores(),
        setup: setup.clone(),
        images,
        seconds,
        images_per_second: images as f64 / seconds,
        cpu_per_image: cpu.map(|cpu| cpu / images as f64),
        warnings,
    })
}

impl fmt::Display for LoaderReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoaderSetup { data, imgsz, batch, workers, cached, .. } = &self.setup;
        writeln!(f, "distillscope {}, {}, {} cores", self.version, self.cpu, self.cores)?;
        let kept = if *cached { "decoded images kept" } else { "every image decoded each time" };
        writeln!(f, "{}, {imgsz} px, batches of {batch}, made by {workers} threads, {kept}\n", data.display())?;
        write!(f, "{} images/s", significant(self.images_per_second))?;
        if let Some(cpu) = self.cpu_per_image {
            write!(f, ", {} ms of one core an image", significant(1e3 * cpu))?;
        }
        Ok(())
    }
}
