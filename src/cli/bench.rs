//! `distillscope bench`: how fast is this machine?

use std::fmt::Display;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use super::line::Line;
use super::run_args::changed_hyp;
use super::values::ModelArgs;
use crate::bench::{self, BenchError, LoaderSetup, Setup};
use crate::dataset::Batches;
use crate::files::atomic;
use crate::inspect::Tap;
use crate::sample::Sample;
use crate::train::hyp::Hyperparameters;

/// Between two drawings of the line.
const REFRESH: Duration = Duration::from_millis(100);

/// Measure how fast this machine and device are: masks, images, batches, models, evaluation, training steps
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  distillscope bench\n  \
    distillscope bench --data data.yaml --teacher l.pt --student s.pt --batch 8 --json bench.json\n  \
    distillscope bench --loader --data data.yaml --workers 4\n\n\
    Without files the sample session is measured. Repeats that warm up are not counted; a training step is one of the \
    optimizer, without the step in ten that measures lambda anew. On CUDA the steps are measured in float16 and bfloat16 too. Host reads are how often a step waits for its device. \
    Nothing is written but the JSON. Ctrl+C ends with what is measured.\n\n\
    --loader measures how many augmented images a second reach a run, and what they cost one core: the cache is filled \
    first, or off with --uncached.\n\n\
    The JSON has the schema distillscope.bench/1, times in seconds: version, machine{cpu, cores, threads, system, load, libtorch, \
    device, reason, gpu}, setup{data, teacher, student, imgsz, batch, workers, tap, seconds}, measurements[{id, what, n, \
    median, p90, images_per_second}], imitation[{precision, seconds, ratio}], phases[{precision, imitation, reads, \
    reads_measuring, milliseconds{upload, teacher, forward, losses, backward, optimizer, average}}], peak_memory_bytes, seconds, complete, \
    warnings. With --loader it is distillscope.loader/1: version, cpu, cores, setup{data, imgsz, batch, workers, cached, \
    seconds}, images, seconds, images_per_second, cpu_per_image, warnings.")]
pub(super) struct BenchArgs {
    /// The data.yaml [default: the sample session's]
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,
    /// The teacher's weights (.pt, .safetensors or TorchScript) [default: the sample session's]
    #[arg(long, value_name = "WEIGHTS")]
    teacher: Option<PathBuf>,
    /// The student's weights (.pt or .safetensors) [default: the sample session's]
    #[arg(long, value_name = "WEIGHTS")]
    student: Option<PathBuf>,
    /// Side of the square input, px
    #[arg(long, value_name = "PX", default_value_t = 640, value_parser = clap::value_parser!(u32).range(32..=8192))]
    imgsz: u32,
    /// Images a training step
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=super::values::MAX_BATCH))]
    batch: u16,
    /// Threads that make batches [default: all cores but one, at most 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=super::values::MAX_THREADS))]
    workers: Option<u16>,
    /// Where the training steps imitate: neck, head or backbone
    #[arg(long, value_enum, default_value_t = Tap::Head)]
    tap: Tap,
    /// About how long all measurements together may take, s; slow ones are repeated a few times all the same
    #[arg(long, value_name = "S", default_value_t = 30.0, value_parser = parse_seconds)]
    seconds: f64,
    /// Measure nothing but the training batches of --data; needs no models
    #[arg(long, requires = "data", conflicts_with_all = ["teacher", "student", "tap", "device", "threads"])]
    loader: bool,
    /// With --loader: how images are augmented, any of YOLOv5's hyp.*.yaml [default: YOLOv5's own]
    #[arg(long, value_name = "FILE", requires = "loader")]
    hyp: Option<PathBuf>,
    /// With --loader: decode every image each time, as where more are needed than a run keeps
    #[arg(long, requires = "loader")]
    uncached: bool,
    /// Write the report as JSON, here; - or nothing is standard output
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
    seconds.ok_or_else(|| format!("'{text}' is no number of seconds from 0.1 to 3600"))
}

#[derive(Serialize)]
struct Schema<'a, R> {
    schema: &'static str,
    #[serde(flatten)]
    report: &'a R,
}

pub(super) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    match args.loader_setup()? {
        Some(setup) => {
            let report = listened(|progress| bench::loader(&setup, progress))?;
            args.write("distillscope.loader/1", &report, &report.warnings)
        }
        None => {
            let setup = args.setup()?;
            let report = listened(|progress| bench::run(&setup, progress))?;
            args.write("distillscope.bench/1", &report, &report.warnings)
        }
    }
}

/// Measures under a line that says what is measured; Ctrl+C ends it with what is there.
fn listened<R>(
    measure: impl FnOnce(&mut dyn FnMut(&str, Option<Duration>) -> ControlFlow<()>) -> Result<R, BenchError>,
) -> anyhow::Result<R> {
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            super::console::leave(130);
        }
    })?;
    let line = Line::start();
    let mut drawn: Option<(String, Instant)> = None;
    let report = measure(&mut |what, left| {
        let is_new = drawn.as_ref().is_none_or(|(before, at)| before != what || at.elapsed() > REFRESH);
        if is_new {
            let left = left.map_or_else(String::new, |left| format!(", about {} s left", left.as_secs() + 1));
            line.draw(&format!("{what}{left}"));
            drawn = Some((what.to_owned(), Instant::now()));
        }
        if stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(line);
    Ok(report?)
}

impl BenchArgs {
    fn write<R: Serialize + Display>(
        &self,
        schema: &'static str,
        report: &R,
        warnings: &[String],
    ) -> anyhow::Result<()> {
        for warning in warnings {
            super::console::warn(warning);
        }
        let schema = Schema { schema, report };
        match &self.json {
            Some(path) if path.as_os_str() == "-" => {
                return super::console::print(&serde_json::to_string_pretty(&schema)?);
            }
            Some(path) => atomic::write_json(path, &schema)?,
            None => {}
        }
        super::console::print(&report.to_string())
    }

    fn workers(&self) -> usize {
        self.workers.map_or_else(Batches::default_workers, usize::from)
    }

    /// Where the loader alone is to be measured.
    fn loader_setup(&self) -> anyhow::Result<Option<LoaderSetup>> {
        let Some(data) = self.data.clone().filter(|_| self.loader) else { return Ok(None) };
        super::console::existing(&data)?;
        let hyp = Hyperparameters::default();
        let hyp = match &self.hyp {
            Some(file) => changed_hyp(&hyp, file)?.hyp,
            None => hyp,
        };
        Ok(Some(LoaderSetup {
            data,
            imgsz: self.imgsz,
            batch: usize::from(self.batch),
            workers: self.workers(),
            cached: !self.uncached,
            seconds: self.seconds,
            augmentation: hyp.augmentation(),
        }))
    }

    fn setup(&self) -> anyhow::Result<Setup> {
        let (data, teacher, student) = match (&self.data, &self.teacher, &self.student) {
            (Some(data), Some(teacher), Some(student)) => (data.clone(), teacher.clone(), student.clone()),
            (None, None, None) => {
                let sample =
                    Sample::find().context("the sample session is not here; give --data, --teacher and --student")?;
                let missing = "the sample session has no models; give --data, --teacher and --student";
                (sample.data, sample.teacher.context(missing)?, sample.student.context(missing)?)
            }
            _ => bail!("--data, --teacher and --student go together: give all three, or none for the sample session"),
        };
        for path in [&data, &teacher, &student] {
            super::console::existing(path)?;
        }
        Ok(Setup {
            data,
            teacher,
            student,
            imgsz: self.imgsz,
            batch: usize::from(self.batch),
            workers: self.workers(),
            tap: self.tap,
            seconds: self.seconds,
            device: self.model.device,
            threads: self.model.threads,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_plain_number_of_them() {
        assert_eq!(parse_seconds("2.5"), Ok(2.5));
        for text in ["0", "-1", "nan", "inf", "1h", ""] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
