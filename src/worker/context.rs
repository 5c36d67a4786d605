//! What a job sees of the outside: it reports, and it asks whether anyone still wants its answer.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
#[cfg(test)]
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::failure::Failure;
use super::protocol::{Job, JobKind, Report};

impl JobKind {
    pub(super) const fn of(job: &Job) -> Self {
        match job {
            Job::Scene(_) => Self::Scene,
            Job::Field { .. } => Self::Field,
            Job::Load { role, .. } | Job::Unload { role } => Self::Load(*role),
            Job::Device(_) => Self::Device,
            Job::Compare { .. } => Self::Compare,
            Job::List { .. } => Self::List,
            Job::Thumbnail(_) => Self::Thumbnail,
            Job::Run { .. } => Self::Run,
            Job::Search { .. } => Self::Search,
            Job::OpenSearch(_) => Self::OpenSearch,
            Job::OpenRun(_) => Self::OpenRun,
            Job::OpenReplays(_) => Self::OpenReplays,
            Job::Preflight { .. } => Self::Preflight,
            Job::Handover { .. } => Self::Handover,
            Job::Survey(_) => Self::Survey,
            Job::Review { .. } => Self::Review,
            Job::Batch(_) => Self::Batch,
            Job::BeforeAfter(_) => Self::BeforeAfter,
            Job::Figure(_) => Self::Figure,
            Job::FigurePreview { .. } => Self::FigurePreview,
        }
    }
}

/// The newest generation of each kind of job: a job of an older one is stale.
#[derive(Debug, Default)]
pub(super) struct Generations(Mutex<HashMap<JobKind, u64>>);

impl Generations {
    pub(super) fn advance(&self, kind: JobKind) -> u64 {
        let mut newest = self.lock();
        let generation = newest.entry(kind).or_default();
        *generation += 1;
        *generation
    }

    pub(super) fn newest(&self, kind: JobKind) -> u64 {
        self.lock().get(&kind).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobKind, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job with what is needed to know whether anyone still wants its answer.
pub(super) struct Ticket {
    pub job: Job,
    pub kind: JobKind,
    pub generation: u64,
}

/// What a job's code sees of the outside: it reports, and it asks whether to go on.
pub(super) struct JobContext {
    pub(super) kind: JobKind,
    pub(super) generation: u64,
    pub(super) shared: Shared,
}

#[derive(Clone)]
pub(super) struct Shared {
    pub(super) generations: Arc<Generations>,
    pub(super) reports: Sender<Report>,
    pub(super) wake: Arc<dyn Fn() + Send + Sync>,
}

impl Shared {
    pub(super) fn report(&self, report: Report) {
        // The receiver is gone only when the window is: then nobody wants to know.
        if self.reports.send(report).is_ok() {
            (self.wake)();
        }
    }

    pub(super) fn is_stale(&self, ticket: &Ticket) -> bool {
        self.generations.newest(ticket.kind) != ticket.generation
    }
}

impl JobContext {
    /// Whether a newer job has overtaken this one, or it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.shared.generations.newest(self.kind) != self.generation
    }

    /// Sends a report; one that answers an overtaken job is dropped.
    pub fn report(&self, report: Report) {
        if !self.is_cancelled() {
            self.shared.report(report);
        }
    }

    pub fn started(&self, what: impl Into<String>) {
        self.shared.report(Report::Started { kind: self.kind, what: what.into() });
    }

    pub fn progress(&self, stage: &str, fraction: Option<f32>) {
        self.report(Report::Progress { kind: self.kind, stage: stage.to_owned(), fraction });
    }

    pub fn failed(&self, what: impl Into<String>, failure: impl Into<Failure>) {
        self.report(Report::Failed { kind: self.kind, what: what.into(), failure: failure.into() });
    }
}

#[cfg(test)]
pub(super) fn shared() -> (Shared, Receiver<Report>) {
    let (reports, inbox) = channel();
    let shared = Shared { generations: Arc::default(), reports, wake: Arc::new(|| {}) };
    (shared, inbox)
}

/// What a job of this kind sees of the outside, and what it says there.
#[cfg(test)]
pub(super) fn test_context(kind: JobKind) -> (JobContext, Receiver<Report>) {
    let (shared, inbox) = shared();
    (JobContext { kind, generation: shared.generations.newest(kind), shared }, inbox)
}
