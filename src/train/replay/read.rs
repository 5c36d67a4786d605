//! From a replay file, whoever made it, to plain records.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, Limits, RgbImage, imageops};

use super::entries::{self, Entries};
use super::error::ReplayError;
use super::header::{FORMAT, Header, OutcomeText, Preamble};
use super::limits::{self, VERSION};
use super::recorded::Replay;
use crate::dataset::{check_png, guarded};
use crate::geometry::{BoundingBox, Letterbox, Size};
use crate::grid::Grid;
use crate::imitation::loss::MaskChoice;
use crate::imitation::mask::Psi;
use crate::inspect::{Scene, SceneLabel};
use crate::train::config::RunConfig;
use crate::train::event::{EpochRecord, Outcome, RunId, RunSummary, Snapshot, SnapshotScale, StartRecord, StepRecord};
use crate::train::record::{RecordError, RunTables};
use crate::yolo::anchors::AnchorScale;

impl Replay {
    /// Opens a file. An error is one line that says what is wrong, in which entry, and what to do.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let mut entries = Entries::open(path)?;
        let header = read_header(&mut entries)?;
        let config = entries.text(entries::CONFIG, limits::CONFIG)?;
        let scene = read_scene(&mut entries, &header)?;
        let snapshots = read_snapshots(&mut entries, &header, &scene.path)?;
        let scales: Vec<AnchorScale> = header
            .scales
            .iter()
            .map(|scale| AnchorScale { stride: scale.stride, anchors: scale.anchors.clone() })
            .collect();
        let compared: Vec<String> =
            scales.iter().zip(&header.scales).filter(|(_, figures)| figures.compared).map(|(s, _)| s.name()).collect();
        let (steps, epochs) = read_tables(&mut entries, &compared)?;
        let psi = Psi::new(header.mask.psi).map_err(|error| entries.damaged(entries::HEADER, error.to_string()))?;
        let source = RunConfig::parse(&config).unwrap_or_default().imitation.mask_source;
        Ok(Self {
            name: header.name,
            id: RunId { seed: header.seed, variant: header.variant },
            outcome: match header.outcome {
                OutcomeText::Finished => Outcome::Finished,
                OutcomeText::Stopped => Outcome::Stopped,
                OutcomeText::Failed(cause) => Outcome::Failed(cause),
            },
            summary: Arc::new(RunSummary {
                folder: PathBuf::new(),
                steps: header.run.steps,
                steps_per_epoch: header.run.steps_per_epoch,
                first_step: 0,
                scales: compared,
                images: header.run.images,
                labels: header.run.labels,
                val_images: header.run.val_images,
                device: header.run.device,
            }),
            config,
            scene: Arc::new(scene),
            mask: MaskChoice { source, psi, rule: header.mask.level_rule, convention: header.mask.iou },
            scales,
            start: header.start.map(|start| {
                Arc::new(StartRecord { student: start.student.into(), teacher: start.teacher.map(Into::into) })
            }),
            steps,
            epochs,
            snapshots,
        })
    }
}

fn read_header(entries: &mut Entries) -> Result<Header, ReplayError> {
    if !entries.has(entries::HEADER) {
        let what = format!("it is a zip without {}", entries::HEADER);
        return Err(ReplayError::NotAReplay { path: entries.path.clone(), what });
    }
    let text = entries.text(entries::HEADER, limits::HEADER)?;
    let parsed: Result<Preamble, _> = serde_json::from_str(&text);
    let preamble = parsed.map_err(|error| entries.damaged(entries::HEADER, error.to_string()))?;
    if preamble.format != FORMAT {
        let what = format!("its {} is of another format", entries::HEADER);
        return Err(ReplayError::NotAReplay { path: entries.path.clone(), what });
    }
    if preamble.version == 0 || preamble.version > VERSION {
        return Err(ReplayError::Version { path: entries.path.clone(), found: preamble.version });
    }
    let header: Header =
        serde_json::from_str(&text).map_err(|error| entries.damaged(entries::HEADER, error.to_string()))?;
    header.check().map_err(|what| entries.damaged(entries::HEADER, what))?;
    Ok(header)
}

fn read_scene(entries: &mut Entries, header: &Header) -> Result<Scene, ReplayError> {
    let input = header.input();
    let bytes = entries.read(entries::IMAGE, limits::IMAGE)?;
    let picture = decode(bytes, input).map_err(|what| entries.damaged(entries::IMAGE, what))?;
    let size = Size::new(header.image.width, header.image.height);
    let letterbox = Letterbox::fit(size, input, true);
    let ((left, top), content) = (letterbox.content_origin(), letterbox.content_size());
    let display = imageops::crop_imm(&picture, left, top, content.width, content.height).to_image();
    let label = |label: &super::header::LabelFigures| {
        let [x1, y1, x2, y2] = label.xyxy;
        SceneLabel { class: label.class, name: label.name.clone(), bbox: BoundingBox::new(x1, y1, x2, y2) }
    };
    Ok(Scene {
        path: PathBuf::from(&header.image.name),
        size,
        letterbox,
        input: Arc::new(picture),
        display: Arc::new(display),
        labels: header.labels.iter().map(label).collect(),
        warnings: Vec::new(),
    })
}

/// A PNG of exactly this size: the decoder is in Rust, and allocates no more than such a picture takes.
fn decode(bytes: Vec<u8>, size: Size) -> Result<RgbImage, String> {
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(size.width), Some(size.height));
    // 16-bit RGBA, and as much again for the decoder's own use.
    limits.max_alloc = Some(16 * u64::from(size.width) * u64::from(size.height) + (1 << 20));
    let mut bytes = Cursor::new(bytes);
    check_png(&mut bytes)?;
    bytes.set_position(0);
    let decoder = guarded(|| PngDecoder::with_limits(bytes, limits)).map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    if Size::new(width, height) != size {
        return Err(format!("it has {width} × {height} px, the input {} × {}", size.width, size.height));
    }
    let picture = guarded(|| DynamicImage::from_decoder(decoder)).map_err(|error| error.to_string())?;
    Ok(picture.into_rgb8())
}

fn read_snapshots(entries: &mut Entries, header: &Header, image: &Path) -> Result<Vec<Arc<Snapshot>>, ReplayError> {
    let (moments, labels) = (&header.moments, header.labels.len());
    let maps = exact(entries, entries::MAPS, header.moment_bytes() * moments.len() as u64)?;
    let truths = exact(entries, entries::TRUTHS, 8 * labels as u64 * moments.len() as u64)?;
    let (floats, _) = maps.as_chunks::<4>();
    let mut floats = floats.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let (doubles, _) = truths.as_chunks::<8>();
    let mut doubles = doubles.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let mut snapshots = Vec::with_capacity(moments.len());
    for moment in moments {
        let mut scales = Vec::new();
        for scale in header.compared() {
            let values = floats.by_ref().take(scale.rows * scale.cols).collect();
            let difference = Grid::from_values(scale.cols, scale.rows, values);
            let difference = difference.ok_or_else(|| entries.damaged(entries::MAPS, "it ends early"))?;
            scales.push(SnapshotScale { stride: scale.stride, difference });
        }
        let truths = doubles.by_ref().take(labels).collect();
        let (step, seconds) = (moment.step, moment.seconds);
        snapshots.push(Arc::new(Snapshot { step, image: image.to_owned(), scales, truths, seconds }));
    }
    Ok(snapshots)
}

/// An entry that must have so many bytes.
fn exact(entries: &mut Entries, name: &'static str, bytes: u64) -> Result<Vec<u8>, ReplayError> {
    let found = entries.read(name, bytes)?;
    if found.len() as u64 == bytes {
        return Ok(found);
    }
    Err(entries.damaged(name, format!("it has {} bytes, {bytes} belong there", found.len())))
}

/// `scales`: those that both tables must have columns of.
fn read_tables(entries: &mut Entries, scales: &[String]) -> Result<(Vec<StepRecord>, Vec<EpochRecord>), ReplayError> {
    let steps = read_table(entries, entries::STEPS, "distance_", scales)?;
    let results = read_table(entries, entries::RESULTS, "train/distance_", scales)?;
    let history =
        RunTables::parse((entries::STEPS.into(), steps), (entries::RESULTS.into(), results)).map_err(|error| {
            match error {
                RecordError::Row { path, line, what } => {
                    let entry = if path.as_os_str() == entries::STEPS { entries::STEPS } else { entries::RESULTS };
                    entries.damaged(entry, format!("line {line}: {what}"))
                }
                error => entries.damaged(entries::STEPS, error.to_string()),
            }
        })?;
    let ordered = history.steps.windows(2).all(|pair| pair[0].step < pair[1].step);
    if !ordered || history.steps.last().is_some_and(|last| last.step > limits::STEPS) {
        return Err(entries.damaged(entries::STEPS, "its steps do not follow one another"));
    }
    let ordered = history.epochs.windows(2).all(|pair| pair[0].step <= pair[1].step);
    if !ordered || history.epochs.last().is_some_and(|last| last.step > limits::STEPS) {
        return Err(entries.damaged(entries::RESULTS, "its epochs do not follow one another"));
    }
    Ok((history.steps, history.epochs))
}

/// A table's text, held against everything that decides how much memory its records take.
fn read_table(
    entries: &mut Entries,
    name: &'static str,
    prefix: &str,
    scales: &[String],
) -> Result<String, ReplayError> {
    let text = entries.text(name, limits::TABLE)?;
    if let Some(line) = text.lines().position(|line| line.len() > limits::ROW) {
        return Err(entries.damaged(name, format!("line {}: it is longer than {} bytes", line + 1, limits::ROW)));
    }
    let rows = text.lines().count().saturating_sub(1);
    if rows > limits::ROWS {
        return Err(entries.damaged(name, format!("it has {rows} rows, at most {} are possible", limits::ROWS)));
    }
    let columns = text.lines().next().unwrap_or_default().split(',').map(str::trim);
    if !columns.filter_map(|column| column.strip_prefix(prefix)).eq(scales.iter().map(String::as_str)) {
        return Err(entries.damaged(name, format!("its columns are not of the scales [{}]", scales.join(" "))));
    }
    Ok(text)
}
