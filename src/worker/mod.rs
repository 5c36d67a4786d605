//! Long work on named threads, for the window: jobs in, reports out, the newest request wins.
//!
//! Each thread is the owner of what it works on: *scenes* (decode, labels, IoU maps), *models* (both networks that are
//! looked at, and a run's student before and after), *listing* (dataset folders), *thumbnails*, *run* (training, of a run or
//! of a search, at a lower priority), *earlier runs* (their records on disk, searches, and replays), *preflight* (and the hand-over to YOLOv5), *review* (models over a split), *survey* (the masks of a whole
//! split), *batch view* (training batches to look at) and *figures* (drawn and written). A job that a newer one of its
//! kind has overtaken is dropped before it starts, or abandoned at its
//! next step. A panic or an error in a job becomes [`Report::Failed`]; the thread and what it owns live on. Nobody here
//! knows the window: a `wake` closure is called when reports are waiting.

mod batches;
mod context;
mod engine;
mod failure;
mod figures;
mod handovers;
mod listing;
mod models;
mod outcome;
mod preflight;
mod protocol;
mod reviews;
mod runs;
mod scenes;
mod searches;
mod surveys;

pub use engine::Worker;
pub use protocol::{
    BatchPreview, BatchRequest, BeforeAfter, BeforeAfterRequest, Candidate, CandidateRow, DatasetBrief, DeviceStatus,
    EarlierRun, EarlierSearch, Failure, FigureJob, FigurePreview, Finalist, Job, JobKind, Ladder, ModelBrief,
    ModelCard, PreviewImage, Report, ReviewRequest, Running, Score, Search, SearchEvent, SearchFolder, SearchStart,
    SearchTable, SurveyRequest, Unknown,
};
