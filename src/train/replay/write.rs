//! From what a run says to a replay file.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{ImageFormat, RgbImage};

use super::entries::{self, pack};
use super::error::ReplayError;
use super::header::{
    FORMAT, Header, ImageFigures, LabelFigures, MaskFigures, MomentFigures, OutcomeText, RunFigures, ScaleFigures,
    StartFigures,
};
use super::limits::{self, VERSION};
use super::recorded::Replay;
use crate::files::atomic;
use crate::format::outside;
use crate::geometry::Size;
use crate::inspect::{Scene, SceneLabel};
use crate::train::config::{RunConfig, SnapshotConfig};
use crate::train::event::{Outcome, RunId, RunSummary, Snapshot, SnapshotScale, StartRecord, Variant};
use crate::yolo::anchors::AnchorScale;

/// What a recording is of.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    pub id: RunId,
    pub summary: &'a RunSummary,
    pub config: &'a RunConfig,
    pub scene: &'a Scene,
    /// Every scale of the student, by ascending stride.
    pub scales: &'a [AnchorScale],
    /// The strides at which teacher and student are compared; none without a teacher.
    pub compared: &'a [u32],
}

/// A replay in the making. What the tables hold is not kept twice: it is handed over when the file is written.
#[derive(Debug)]
pub struct Recording {
    header: Header,
    config: String,
    input: Arc<RgbImage>,
    snapshots: Vec<Arc<Snapshot>>,
    /// Moments that are kept; beyond them every second one goes.
    most: usize,
}

impl Recording {
    /// An error says in a part of a sentence why this run cannot be recorded.
    pub fn new(subject: &Subject<'_>) -> Result<Self, String> {
        let Subject { id, summary, config, scene, scales, compared } = *subject;
        let input = scene.input_size();
        let config = toml::to_string(&without_folders(config)).map_err(|error| error.to_string())?;
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            written_by: concat!("distillscope ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: name(&run_name(&summary.folder, id.variant)),
            seed: id.seed,
            variant: id.variant,
            outcome: OutcomeText::Stopped,
            run: RunFigures {
                steps: summary.steps,
                steps_per_epoch: summary.steps_per_epoch,
                images: summary.images,
                labels: summary.labels,
                val_images: summary.val_images,
                device: name(&summary.device),
            },
            image: ImageFigures {
                name: name(&scene.file_name()),
                width: scene.size.width,
                height: scene.size.height,
                input_width: input.width,
                input_height: input.height,
            },
            labels: scene.labels.iter().map(label_figures).collect(),
            mask: MaskFigures {
                psi: subject.config.imitation.psi,
                level_rule: subject.config.imitation.level_rule,
                iou: subject.config.imitation.iou,
            },
            scales: scales.iter().map(|scale| scale_figures(scale, input, compared)).collect(),
            moments: Vec::new(),
            start: None,
        };
        header.check()?;
        let most = usize::try_from(limits::MAPS / header.moment_bytes().max(1)).unwrap_or(usize::MAX);
        let most = most.min(limits::MOMENTS);
        if most < 2 {
            return Err("its maps are too large".to_owned());
        }
        Ok(Self { header, config, input: Arc::clone(&scene.input), snapshots: Vec::new(), most })
    }

    /// Goes on with the maps of the file at `path` from before `first_step`. An error says why they are lost.
    pub fn resume(&mut self, path: &Path, first_step: u64) -> Result<(), ReplayError> {
        let before = Replay::read(path)?;
        let shape = |snapshot: &Snapshot| -> Vec<_> {
            let of_scale = |s: &SnapshotScale| (s.stride, s.difference.height(), s.difference.width());
            snapshot.scales.iter().map(of_scale).collect()
        };
        let own: Vec<_> = self.header.compared().map(|scale| (scale.stride, scale.rows, scale.cols)).collect();
        let fits = |snapshot: &Arc<Snapshot>| {
            snapshot.step < first_step && shape(snapshot) == own && snapshot.truths.len() == self.header.labels.len()
        };
        self.snapshots = before.snapshots.into_iter().filter(fits).collect();
        Ok(())
    }

    /// What both models found before the first step.
    pub fn start_at(&mut self, start: &StartRecord) {
        let StartRecord { student, teacher } = start;
        self.header.start = Some(StartFigures { student: student.into(), teacher: teacher.as_ref().map(Into::into) });
    }

    /// Keeps a moment: the reference alone, until the file is written.
    pub fn take(&mut self, snapshot: &Arc<Snapshot>) {
        self.snapshots.push(Arc::clone(snapshot));
        if self.snapshots.len() > self.most {
            let last = self.snapshots.len() - 1;
            let mut index = 0..;
            self.snapshots.retain(|_| index.next().is_none_or(|index| index % 2 == 0 || index == last));
        }
    }

    /// Writes the file, whole or not at all. `steps` and `results` are the run's tables.
    pub fn write(&mut self, path: &Path, outcome: &Outcome, steps: &str, results: &str) -> Result<(), ReplayError> {
        self.header.outcome = match OutcomeText::from(outcome) {
            OutcomeText::Failed(cause) => OutcomeText::Failed(outside(&cause, limits::LINE)),
            outcome => outcome,
        };
        let moment = |snapshot: &Arc<Snapshot>| MomentFigures { step: snapshot.step, seconds: snapshot.seconds };
        self.header.moments = self.snapshots.iter().map(moment).collect();
        let header = serde_json::to_vec_pretty(&self.header).map_err(|error| ReplayError::Encode(error.to_string()))?;
        let (maps, truths) = (self.maps(), self.truths());
        let bytes = pack(&[
            (entries::HEADER, &header),
            (entries::CONFIG, self.config.as_bytes()),
            (entries::STEPS, thinned(steps).as_bytes()),
            (entries::RESULTS, thinned(results).as_bytes()),
            (entries::IMAGE, &png(&self.input)?),
            (entries::MAPS, &maps),
            (entries::TRUTHS, &truths),
        ])?;
        Ok(atomic::write(path, &bytes)?)
    }

    /// Moment by moment, scale by scale, row by row.
    fn maps(&self) -> Vec<u8> {
        let scales = self.snapshots.iter().flat_map(|snapshot| &snapshot.scales);
        scales.flat_map(|scale| scale.difference.values()).flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Moment by moment, ground truth by ground truth.
    fn truths(&self) -> Vec<u8> {
        self.snapshots.iter().flat_map(|snapshot| &snapshot.truths).flat_map(|value| value.to_le_bytes()).collect()
    }
}

fn scale_figures(scale: &AnchorScale, input: Size, compared: &[u32]) -> ScaleFigures {
    let (rows, cols) = scale.shape(input.width, input.height);
    let AnchorScale { stride, anchors } = scale.clone();
    ScaleFigures { stride, rows, cols, anchors, compared: compared.contains(&stride) }
}

fn label_figures(label: &SceneLabel) -> LabelFigures {
    LabelFigures { class: label.class, name: name(&label.name), xyxy: label.bbox.as_xyxy() }
}

fn png(image: &RgbImage) -> Result<Vec<u8>, ReplayError> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|error| ReplayError::Encode(error.to_string()))?;
    Ok(bytes.into_inner())
}

/// A name as a file may hold it.
fn name(text: &str) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
    let end = (0..=limits::NAME.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    text
}

/// "run-1 · imitation"; the folder of a baseline is named after its variant already.
fn run_name(folder: &Path, variant: Variant) -> String {
    let part =
        |path: &Path| path.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
    let own = part(folder);
    match folder.parent() {
        Some(parent) if own.starts_with(variant.name()) => format!("{} · {own}", part(parent)),
        _ => format!("{own} · {}", variant.name()),
    }
}

/// The configuration with file names for paths: whoever gets the file is not told where they lie.
fn without_folders(config: &RunConfig) -> RunConfig {
    let bare = |path: &PathBuf| path.file_name().map(PathBuf::from).unwrap_or_default();
    RunConfig {
        data: bare(&config.data),
        teacher: config.teacher.as_ref().map(bare),
        student: bare(&config.student),
        snapshot: config.snapshot.as_ref().map(|s| SnapshotConfig { image: bare(&s.image), every: s.every }),
        ..config.clone()
    }
}

/// A table with at most as many rows as a replay holds: every n-th of more, and the last.
fn thinned(table: &str) -> std::borrow::Cow<'_, str> {
    let rows = table.lines().count().saturating_sub(1);
    if rows <= limits::ROWS {
        return table.into();
    }
    // One place is the last row's.
    let every = rows.div_ceil(limits::ROWS - 1);
    let keeps = |line: &(usize, &str)| line.0 == 0 || (line.0 - 1).is_multiple_of(every) || line.0 == rows;
    let lines: Vec<&str> = table.lines().enumerate().filter(keeps).map(|(_, line)| line).collect();
    (lines.join("\n") + "\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_keeps_every_third_row_and_the_last() {
        // 250 000 rows: 99 999 and the last one fit, so that every third is kept: 0, 3 … 249 999.
        let rows: String = (0..250_000).map(|row| format!("{row}\n")).collect();
        let table = format!("step\n{rows}");
        let thin = thinned(&table);
        let lines: Vec<&str> = thin.lines().collect();
        assert_eq!((lines.len(), lines[1], lines[2], lines[3]), (83_335, "0", "3", "6"));
        assert_eq!(lines.last(), Some(&"249999"));
        assert_eq!(thinned("step\n0\n1\n"), "step\n0\n1\n");
    }

    #[test]
    fn names_are_those_of_the_folders_alone() {
        assert_eq!(run_name(Path::new("/home/a/runs/run-1"), Variant::Imitation), "run-1 · imitation");
        assert_eq!(run_name(Path::new("/home/a/runs/pairs/baseline-4"), Variant::Baseline), "pairs · baseline-4");
        assert_eq!(name("a\nb"), "ab");
        assert_eq!(name(&"é".repeat(200)).len(), 256);
    }

    #[test]
    fn nobody_learns_where_the_files_lie() {
        let config = RunConfig {
            data: "/home/a/birds/data.yaml".into(),
            teacher: Some("/home/a/l.pt".into()),
            student: "yolov5s".into(),
            snapshot: Some(SnapshotConfig { image: "/home/a/birds/1.jpg".into(), every: 5 }),
            ..RunConfig::default()
        };
        let text = toml::to_string(&without_folders(&config)).unwrap();
        assert!(text.contains("data.yaml") && text.contains("yolov5s") && !text.contains("home"), "{text}");
    }
}
