//! The threads behind [`Worker`]: mailboxes, newest-wins, cancel, and panics caught.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::context::{Generations, JobContext, Shared, Ticket};
use super::protocol::{Job, JobKind, Report};
use super::{batches, figures, listing, models, preflight, reviews, runs, scenes, searches, surveys};
use crate::train::preview::Previews;
use crate::worker::handovers;

/// In what order a thread takes its backlog.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Oldest first, each kind's newest alone.
    NewestOfEachKind,
    /// Latest first, at most this many kept: what scrolled away long ago is not wanted any more.
    LatestFirst(usize),
}

/// The window's handle on the threads; dropping it lets them end after the job in hand.
pub struct Worker {
    scenes: Sender<Ticket>,
    models: Sender<Ticket>,
    listing: Sender<Ticket>,
    thumbnails: Sender<Ticket>,
    run: Sender<Ticket>,
    earlier: Sender<Ticket>,
    preflight: Sender<Ticket>,
    survey: Sender<Ticket>,
    review: Sender<Ticket>,
    batches: Sender<Ticket>,
    figures: Sender<Ticket>,
    reports: Receiver<Report>,
    generations: Arc<Generations>,
}

impl Worker {
    /// Starts the threads. `wake` is called from them whenever a report is waiting.
    pub fn start(wake: impl Fn() + Send + Sync + 'static) -> std::io::Result<Self> {
        let (reports, inbox) = channel();
        let generations = Arc::new(Generations::default());
        let shared = Shared { generations: Arc::clone(&generations), reports, wake: Arc::new(wake) };
        let mut on_models = models::Models::new();
        let mut previews = Previews::default();
        Ok(Self {
            scenes: serve("scenes", &shared, Order::NewestOfEachKind, scenes::handle)?,
            models: serve("models", &shared, Order::NewestOfEachKind, move |job, context| {
                on_models.handle(job, context)
            })?,
            listing: serve("listing", &shared, Order::NewestOfEachKind, listing::handle)?,
            thumbnails: serve("thumbnails", &shared, Order::LatestFirst(256), listing::handle)?,
            run: serve("run", &shared, Order::NewestOfEachKind, |job, context| match job {
                Job::Search { start, control } => searches::handle(&start, &control, context),
                job => runs::handle(job, context),
            })?,
            earlier: serve("earlier runs", &shared, Order::NewestOfEachKind, runs::read)?,
            preflight: serve("preflight", &shared, Order::NewestOfEachKind, |job, context| match job {
                job @ Job::Handover { .. } => handovers::handle(job, context),
                job => preflight::handle(job, context),
            })?,
            survey: serve("survey", &shared, Order::NewestOfEachKind, surveys::handle)?,
            review: serve("review", &shared, Order::NewestOfEachKind, reviews::handle)?,
            batches: serve("batch view", &shared, Order::NewestOfEachKind, move |job, context| {
                batches::handle(&mut previews, job, context);
            })?,
            figures: serve("figures", &shared, Order::NewestOfEachKind, figures::handle)?,
            reports: inbox,
            generations,
        })
    }

    /// Hands a job over and returns at once. It overtakes an older one of its kind, but for thumbnails.
    pub fn send(&self, job: Job) {
        let kind = JobKind::of(&job);
        let generation = match kind {
            JobKind::Thumbnail => self.generations.newest(kind),
            _ => self.generations.advance(kind),
        };
        let thread = match kind {
            JobKind::Scene | JobKind::Field => &self.scenes,
            JobKind::Load(_) | JobKind::Device | JobKind::Compare | JobKind::BeforeAfter => &self.models,
            JobKind::List => &self.listing,
            JobKind::Thumbnail => &self.thumbnails,
            JobKind::Run | JobKind::Search => &self.run,
            JobKind::OpenRun | JobKind::OpenReplays | JobKind::OpenSearch => &self.earlier,
            JobKind::Preflight | JobKind::Handover => &self.preflight,
            JobKind::Survey => &self.survey,
            JobKind::Review => &self.review,
            JobKind::Batch => &self.batches,
            JobKind::Figure | JobKind::FigurePreview => &self.figures,
        };
        // A send fails only when the thread is gone, and it ends only with this handle.
        let _ = thread.send(Ticket { job, kind, generation });
    }

    /// Gives up a job, waiting or under way; it stops at its next step.
    pub fn cancel(&self, kind: JobKind) {
        self.generations.advance(kind);
    }

    pub fn try_recv(&self) -> Option<Report> {
        self.reports.try_recv().ok()
    }
}

fn serve(
    name: &str,
    shared: &Shared,
    order: Order,
    mut handle: impl FnMut(Job, &JobContext) + Send + 'static,
) -> std::io::Result<Sender<Ticket>> {
    let (sender, inbox) = channel::<Ticket>();
    let shared = shared.clone();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut backlog: VecDeque<Ticket> = VecDeque::new();
        loop {
            if backlog.is_empty() {
                match inbox.recv() {
                    Ok(ticket) => backlog.push_back(ticket),
                    Err(_) => return,
                }
            }
            backlog.extend(inbox.try_iter());
            backlog.retain(|ticket| !shared.is_stale(ticket));
            let next = match order {
                Order::NewestOfEachKind => backlog.pop_front(),
                Order::LatestFirst(most) => {
                    while backlog.len() > most {
                        backlog.pop_front();
                    }
                    backlog.pop_back()
                }
            };
            let Some(ticket) = next else { continue };
            let context = JobContext { kind: ticket.kind, generation: ticket.generation, shared: shared.clone() };
            let outcome = catch_unwind(AssertUnwindSafe(|| handle(ticket.job, &context)));
            if let Err(panic) = outcome {
                context.failed("an internal error", panic_message(panic.as_ref()));
            }
            shared.report(Report::Finished { kind: ticket.kind });
        }
    })?;
    Ok(sender)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    format!("{text}; what is loaded is still there, please report this")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::context::shared;
    use std::path::PathBuf;
    use std::time::Duration;

    fn ticket(shared: &Shared, name: &str) -> Ticket {
        let kind = JobKind::List;
        Ticket {
            job: Job::List { source: PathBuf::from(name), split: None },
            kind,
            generation: shared.generations.advance(kind),
        }
    }

    fn name(job: &Job) -> String {
        match job {
            Job::List { source, .. } => source.display().to_string(),
            _ => String::new(),
        }
    }

    #[test]
    fn a_newer_job_overtakes_the_waiting_ones() {
        let (shared, _inbox) = shared();
        let (seen, order) = channel();
        let (open, gate) = channel::<()>();
        let sender = serve("test", &shared, Order::NewestOfEachKind, move |job, _| {
            seen.send(name(&job)).expect("the test listens");
            gate.recv().expect("the test opens the gate");
        })
        .expect("a thread");
        let send = |name: &str| sender.send(ticket(&shared, name)).expect("the thread listens");
        send("first");
        assert_eq!(order.recv_timeout(Duration::from_secs(10)).expect("begun"), "first");
        for later in ["second", "third", "fourth"] {
            send(later);
        }
        open.send(()).expect("gate");
        open.send(()).expect("gate");
        assert_eq!(order.recv_timeout(Duration::from_secs(10)).expect("begun"), "fourth");
    }

    #[test]
    fn a_panic_is_a_report_and_the_thread_lives_on() {
        let (shared, inbox) = shared();
        let sender = serve("test", &shared, Order::NewestOfEachKind, |job, context| {
            assert!(name(&job) != "bad", "boom");
            context.started("good");
        })
        .expect("a thread");
        let next = || inbox.recv_timeout(Duration::from_secs(10)).expect("a report");
        sender.send(ticket(&shared, "bad")).expect("the thread listens");
        assert!(matches!(next(), Report::Failed { failure, .. } if failure.message.contains("boom")));
        assert!(matches!(next(), Report::Finished { .. }));
        sender.send(ticket(&shared, "good")).expect("the thread listens");
        assert!(matches!(next(), Report::Started { what, .. } if what == "good"));
    }

    #[test]
    fn an_overtaken_job_says_nothing_more() {
        let (shared, inbox) = shared();
        let old = ticket(&shared, "old");
        let context = JobContext { kind: old.kind, generation: old.generation, shared: shared.clone() };
        assert!(!context.is_cancelled());
        ticket(&shared, "new");
        assert!(context.is_cancelled());
        context.progress("still here", None);
        assert!(inbox.try_recv().is_err());
    }
}
