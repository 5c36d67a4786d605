//! The vocabulary between the window and the threads: plain records, no tensor.

use std::path::PathBuf;
use std::sync::Arc;

use image::{RgbImage, RgbaImage};

pub use super::failure::Failure;
use crate::dataset::{Split, Warning};
pub use crate::device::DeviceStatus;
use crate::figure::movie::MovieChoice;
use crate::figure::{Draw, FigureChoice, Look};
use crate::geometry::Size;
use crate::imitation::mask::{IouConvention, IouField};
use crate::inspect::{CompareParts, CompareRequest, Comparison, DetectionView, Role, Scene, SceneRequest};
use crate::preflight::report::Preflight;
use crate::review::{Review, ReviewOptions};
use crate::survey::{Survey, SurveyOptions};
use crate::train::comparison::RunResult;
use crate::train::config::{Experiment, RunConfig, Start};
use crate::train::evaluate::Evaluation;
use crate::train::event::{EpochRecord, RunControl, RunEvent, RunId, StartRecord, StepRecord};
pub use crate::train::preview::{BatchPreview, BatchRequest, PreviewImage};
use crate::train::replay::Replay;
pub use crate::train::search::candidates::Candidate;
pub use crate::train::search::event::{Running, SearchEvent};
pub use crate::train::search::keep::{Search, SearchFolder};
pub use crate::train::search::ladder::Ladder;
pub use crate::train::search::table::{CandidateRow, Finalist, Score, SearchTable};
use crate::yolo::anchors::AnchorScale;

/// What the window asks for.
#[derive(Clone, Debug)]
pub enum Job {
    /// Decode an image and read its labels. Answered by [`Report::Scene`].
    Scene(SceneRequest),
    /// The IoU of every anchor with every ground truth. Answered by [`Report::Field`].
    Field {
        scene: Arc<Scene>,
        anchors: Vec<AnchorScale>,
        convention: IouConvention,
    },
    /// Open a checkpoint: first its description ([`Report::Described`], milliseconds), then its weights
    /// ([`Report::Loaded`]).
    Load {
        role: Role,
        path: PathBuf,
    },
    Unload {
        role: Role,
    },
    /// What a run's student detects before and after. Answered by [`Report::BeforeAfter`].
    BeforeAfter(Box<BeforeAfterRequest>),
    /// Move both models. Answered by [`Report::Device`].
    Device(String),
    /// Run both models on a scene. Answered by [`Report::Compared`].
    Compare {
        scene: Arc<Scene>,
        request: CompareRequest,
        parts: CompareParts,
    },
    /// List the images of a data.yaml, a folder or a single image's folder. Answered by [`Report::Dataset`] and
    /// then [`Report::Images`] in batches.
    List {
        source: PathBuf,
        split: Option<String>,
    },
    Thumbnail(PathBuf),
    /// Train; whoever holds the control pauses and stops it. Answered by [`Report::Run`] until it has finished.
    Run {
        experiment: Box<Experiment>,
        control: Arc<RunControl>,
    },
    /// Find out which imitation helps; whoever holds the control stops it. Answered by [`Report::Search`] until it has finished.
    Search {
        start: SearchStart,
        control: Arc<RunControl>,
    },
    /// Read an earlier search. Answered by [`Report::EarlierSearch`].
    OpenSearch(PathBuf),
    /// Make a batch of a run as its training would, to look at. Answered by [`Report::Batch`].
    Batch(BatchRequest),
    /// Read the records of an earlier run, or of all the runs in a folder of pairs. Answered by [`Report::EarlierRun`] or
    /// [`Report::Pairs`].
    OpenRun(PathBuf),
    /// Read recorded runs, one after the other. Each is answered by [`Report::Replay`].
    OpenReplays(Vec<PathBuf>),
    /// Prove that a run would distil; `ratio` is the gradient ratio whose λ is asked for. Answered by
    /// [`Report::Preflight`].
    Preflight {
        config: Box<RunConfig>,
        ratio: f64,
    },
    /// Write the run of a folder for YOLOv5's own trainer, below the folder `into`. Answered by [`Report::HandedOver`].
    Handover {
        run: PathBuf,
        into: PathBuf,
    },
    /// Count the cells that every ψ and rule mark over a split. Answered by [`Report::Survey`].
    Survey(Box<SurveyRequest>),
    /// Run models over a split; stopped by its control, it answers with what was done. Answered by [`Report::Review`].
    Review {
        request: Box<ReviewRequest>,
        control: Arc<RunControl>,
    },
    /// Draw figures and write them. Answered by [`Report::FigureSaved`].
    Figure(FigureJob),
    /// Draw a figure small. Answered by [`Report::FigurePreview`] with the same number.
    FigurePreview {
        what: Arc<dyn Draw>,
        look: Look,
        serial: u64,
    },
}

/// A new search, or more of one that is on disk.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchStart {
    New { base: Box<RunConfig>, minutes: f64, out: PathBuf },
    Resume { folder: PathBuf, minutes: f64 },
}

/// A search as its folder tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierSearch {
    pub folder: PathBuf,
    pub search: Arc<Search>,
    pub table: Arc<SearchTable>,
}

/// Figures that are to be written.
#[derive(Clone, Debug)]
pub struct FigureJob {
    pub what: Arc<dyn Draw>,
    pub choice: FigureChoice,
    pub folder: PathBuf,
    /// Of the file without its extension, or of the folder of several.
    pub name: String,
    /// How it is written where it moves.
    pub movie: MovieChoice,
    /// Write over what has this name; else the next free number is taken.
    pub replace: bool,
}

/// A figure in small.
#[derive(Clone, Debug, PartialEq)]
pub struct FigurePreview {
    pub picture: Arc<RgbaImage>,
    /// Width and height of the figure, in figure units.
    pub units: [f32; 2],
}

/// Which run's student, and on which image.
#[derive(Clone, Debug)]
pub struct BeforeAfterRequest {
    pub scene: Arc<Scene>,
    /// The run's.
    pub folder: PathBuf,
    /// `None` where the folder does not say what the run started from.
    pub start: Option<Start>,
    /// What it detected before the run, where that is known.
    pub before: Option<Arc<[DetectionView]>>,
    /// Grows when the run may have left better weights.
    pub progress: usize,
}

/// The rest follows from these.
impl PartialEq for BeforeAfterRequest {
    fn eq(&self, other: &Self) -> bool {
        self.is_of(other) && self.progress == other.progress
    }
}

impl BeforeAfterRequest {
    /// Of the same image and run, perhaps at another time.
    pub fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.scene, &other.scene) && self.folder == other.folder
    }
}

/// What the student of a run detects on an image, or why that is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct BeforeAfter {
    pub before: Result<Arc<[DetectionView]>, Unknown>,
    pub after: Result<Arc<[DetectionView]>, Unknown>,
    /// Classes of the trained student; empty before there is one.
    pub names: Vec<String>,
}

/// Why detections are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The file is not there.
    Gone(PathBuf),
    /// The student began with random weights.
    Random,
    /// The run's folder does not say what it started from.
    Start(PathBuf),
    /// The run's folder has no weights (yet).
    Untrained(PathBuf),
    /// The weights cannot be used.
    Failed(String),
}

/// What a survey is of.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyRequest {
    /// The data.yaml, a folder of images, or an image whose neighbours are meant.
    pub data: PathBuf,
    /// Of the data.yaml; `None` for images without one.
    pub split: Option<Split>,
    pub anchors: Vec<AnchorScale>,
    /// Network input, already a multiple of the largest stride.
    pub input: Size,
    pub options: SurveyOptions,
}

/// What a review is of.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewRequest {
    /// The data.yaml, a folder of images, or an image whose neighbours are meant.
    pub data: PathBuf,
    /// Of the data.yaml; `None` for images without one.
    pub split: Option<Split>,
    pub teacher: PathBuf,
    pub student: PathBuf,
    /// Runs by name and folder: their trained weights are looked at too.
    pub runs: Vec<(String, PathBuf)>,
    /// As `--device` takes it.
    pub device: String,
    pub options: ReviewOptions,
}

/// The kinds of job that can be under way, each at most once; also the handle to cancel one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    Scene,
    Field,
    Load(Role),
    Device,
    Compare,
    BeforeAfter,
    List,
    Thumbnail,
    Run,
    Search,
    OpenSearch,
    Batch,
    OpenRun,
    OpenReplays,
    Preflight,
    Handover,
    Survey,
    Review,
    Figure,
    FigurePreview,
}

/// What a worker says.
#[derive(Clone, Debug)]
pub enum Report {
    /// A job has begun; `what` names it for the status line ("yolov5l.pt", "img_001.jpg").
    Started {
        kind: JobKind,
        what: String,
    },
    /// `fraction` in 0..=1, `None` where it cannot be known.
    Progress {
        kind: JobKind,
        stage: String,
        fraction: Option<f32>,
    },
    /// The job is over, with or without a result, cancelled ones too.
    Finished {
        kind: JobKind,
    },
    /// What a run says of its own end stands in [`RunEvent::Ended`] and is not said here again.
    Failed {
        kind: JobKind,
        what: String,
        failure: Failure,
    },
    Scene(Arc<Scene>),
    Field {
        scene: Arc<Scene>,
        anchors: Vec<AnchorScale>,
        convention: IouConvention,
        field: Arc<IouField>,
    },
    Described {
        role: Role,
        brief: ModelBrief,
    },
    Loaded {
        role: Role,
        card: Arc<ModelCard>,
    },
    Compared {
        scene: Arc<Scene>,
        request: CompareRequest,
        comparison: Arc<Comparison>,
    },
    BeforeAfter {
        request: Box<BeforeAfterRequest>,
        found: Arc<BeforeAfter>,
    },
    Device(DeviceStatus),
    Dataset(DatasetBrief),
    /// The next images of the list; `done` with the last batch.
    Images {
        images: Vec<PathBuf>,
        done: bool,
    },
    /// `labels` is `None` where the image has no label file; `cut_short`: of a JPEG a part is missing.
    Thumbnail {
        image: PathBuf,
        picture: Arc<RgbImage>,
        labels: Option<usize>,
        cut_short: bool,
    },
    /// What the runs of the experiment have said since the last report, at most ten times a second.
    Run(Vec<(RunId, RunEvent)>),
    /// What a search has said since the last report, at most ten times a second.
    Search(Vec<SearchEvent>),
    EarlierSearch(Box<EarlierSearch>),
    Batch {
        request: BatchRequest,
        preview: Arc<BatchPreview>,
    },
    EarlierRun(Box<EarlierRun>),
    Pairs {
        runs: Vec<EarlierRun>,
        /// What of the folder cannot be read, and why.
        unread: Vec<(PathBuf, String)>,
    },
    Replay(Arc<Replay>),
    Preflight {
        config: Box<RunConfig>,
        found: Arc<Preflight>,
    },
    /// The folder.
    HandedOver(PathBuf),
    /// `skipped`: images that could not be used.
    Survey {
        request: Box<SurveyRequest>,
        survey: Arc<Survey>,
        skipped: usize,
    },
    Review {
        request: Box<ReviewRequest>,
        review: Arc<Review>,
    },
    /// The files, in the order of the figures.
    FigureSaved(Vec<PathBuf>),
    /// Or why it cannot be drawn.
    FigurePreview {
        serial: u64,
        preview: Result<FigurePreview, String>,
    },
}

/// A run as its folder tells it.
#[derive(Clone, Debug, Default)]
pub struct EarlierRun {
    pub folder: PathBuf,
    /// What it was asked to do; `None` where its config.toml is missing or of another version.
    pub config: Option<Box<RunConfig>>,
    /// "P3" …
    pub scales: Vec<String>,
    pub steps: Vec<StepRecord>,
    pub epochs: Vec<EpochRecord>,
    /// What both models found before the first step, and the last weights on test; `None` where the folder does not say.
    pub start: Option<Arc<StartRecord>>,
    pub test: Option<Arc<Evaluation>>,
    /// How it ended; `None` where it has not.
    pub result: Option<RunResult>,
    /// The set of pairs that it is one of; `None` where the folder above says nothing of one.
    pub experiment: Option<Box<Experiment>>,
    /// What was recorded of its maps.
    pub replay: Option<Arc<Replay>>,
    /// What in the folder cannot be read: it is missing here.
    pub warnings: Vec<String>,
}

/// What a checkpoint says of itself, known before its weights are read.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelBrief {
    pub path: PathBuf,
    pub names: Vec<String>,
    pub anchors: Vec<AnchorScale>,
}

/// A loaded model, for its card.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCard {
    pub path: PathBuf,
    pub file_bytes: u64,
    /// "Ultralytics .pt", "safetensors" or "TorchScript".
    pub format: String,
    pub names: Vec<String>,
    pub anchors: Vec<AnchorScale>,
    pub parameters: usize,
    /// Multiply-adds times two at 640 × 640 px, in 10⁹; `None` where it cannot be counted.
    pub gflops: Option<f64>,
    pub tensors_loaded: usize,
    pub tensors_total: usize,
    pub seconds: f64,
    /// The load report in full, line by line.
    pub report: String,
    /// The report's lines that deserve attention.
    pub warnings: Vec<String>,
}

/// A dataset as its data.yaml or folder says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatasetBrief {
    pub source: PathBuf,
    pub names: Vec<String>,
    /// Splits that exist, "train" and "val" first.
    pub splits: Vec<String>,
    pub split: Option<String>,
    pub warnings: Vec<Warning>,
}
