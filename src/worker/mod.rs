//! Long work on named threads, for the window: jobs in, reports out, the newest request wins.
//!
//! Four threads, each the owner of what it works on: *scenes* (decode, labels, IoU maps), *models* (both
//! networks and everything libtorch), *listing* (dataset folders) and *thumbnails*. A job that a newer one of its
//! kind has overtaken is dropped before it starts, or abandoned at its next step. A panic or an error in a job becomes
//! [`Report::Failed`]; the thread and what it owns live on. Nobody here knows the window: a `wake` closure is
//! called when reports are waiting.

mod engine;
mod listing;
mod models;
mod protocol;
mod scenes;

pub use engine::Worker;
pub use protocol::{DatasetBrief, DeviceStatus, Job, JobKind, ModelBrief, ModelCard, Report};
