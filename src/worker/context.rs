//! What a job sees of the outside: it reports, and it asks whether anyone still wants its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
#[cfg(test)]
use std::sync::mpsc::{Receiver, channel};

use super::protocol::{Job, JobKind, Report};
use crate::inspect::Role;

impl JobKind {
    pub(super) const COUNT: usize = 21;

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Scene => 0,
            Self::Field => 1,
            Self::Load(Role::Teacher) => 2,
            Self::Load(Role::Student) => 3,
            Self::Device => 4,
            Self::Compare => 5,
            Self::List => 6,
            Self::Thumbnail => 7,
            Self::Run => 8,
            Self::OpenRun => 9,
            Self::Preflight => 10,
            Self::Survey => 11,
            Self::Batch => 12,
            Self::OpenReplays => 13,
            Self::BeforeAfter => 14,
            Self::Figure => 15,
            Self::FigurePreview => 16,
            Self::Search => 17,
            Self::OpenSearch => 18,
            Self::Handover => 19,
            Self::Review => 20,
        }
    }

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
pub(super) struct Generations([AtomicU64; JobKind::COUNT]);

impl Generations {
    pub(super) fn advance(&self, kind: JobKind) -> u64 {
        self.0[kind.index()].fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn newest(&self, kind: JobKind) -> u64 {
        self.0[kind.index()].load(Ordering::Relaxed)
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

    pub fn failed(&self, what: impl Into<String>, message: impl Into<String>) {
        self.report(Report::Failed { kind: self.kind, what: what.into(), message: message.into() });
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
