//! Training runs, for as long as they take, and runs read back from disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::engine::Desk;
use super::protocol::{EarlierRun, Job, Report};
use super::searches;
use crate::train::campaign;
use crate::train::config::Campaign;
use crate::train::event::RunControl;
use crate::train::record::RunHistory;
use crate::train::replay::Replay;
use crate::train::run::RunFolder;

/// Time between two reports of a run.
const INTERVAL: Duration = Duration::from_millis(100);

/// Runs campaigns. The thread gives way to the window, and so does every thread that a run starts: they inherit its
/// priority.
pub(super) fn handle(job: Job, desk: &Desk) {
    if let Job::Run { campaign, control } = job {
        give_way();
        if let Err(message) = run(&campaign, &control, desk) {
            desk.failed("the run", message);
        }
    }
}

/// Reads runs back.
pub(super) fn read(job: Job, desk: &Desk) {
    match job {
        Job::OpenRun(folder) => {
            desk.started(folder.display().to_string());
            match earlier(&folder) {
                Ok(run) => desk.report(Report::EarlierRun(Box::new(run))),
                Err(message) => desk.failed(folder.display().to_string(), message),
            }
        }
        Job::OpenReplays(paths) => {
            for path in paths {
                if desk.is_cancelled() {
                    return;
                }
                desk.started(path.display().to_string());
                match Replay::read(&path) {
                    Ok(replay) => desk.report(Report::Replay(Arc::new(replay))),
                    Err(error) => desk.failed("the replay", error.to_string()),
                }
            }
        }
        Job::OpenSearch(folder) => searches::open(folder, desk),
        _ => {}
    }
}

fn earlier(folder: &Path) -> Result<EarlierRun, String> {
    let history = RunHistory::read(folder).map_err(|error| error.to_string())?;
    // The curves are there all the same.
    let config = RunFolder::new(folder).read_config();
    Ok(EarlierRun {
        folder: folder.to_path_buf(),
        config: config.ok().map(Box::new),
        scales: history.scales,
        steps: history.steps,
        epochs: history.epochs,
        start: history.start.map(Arc::new),
        test: history.test.map(Arc::new),
    })
}

#[cfg(target_os = "linux")]
pub(super) fn give_way() {
    // On Linux this is the calling thread's alone. Refused, the run is only less polite.
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::warn!(%error, "the priority of the run cannot be lowered");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn give_way() {}

fn run(campaign: &Campaign, control: &RunControl, desk: &Desk) -> Result<(), String> {
    gathered(
        |batch| desk.report(Report::Run(batch)),
        |events| {
            campaign::run(campaign, control, &mut |id, event| {
                // The gatherer listens until this sender is gone.
                let _ = events.send((id, event));
            })
            .map_err(|error| error.to_string())
        },
    )
}

/// Lets `work` speak into a channel, and passes on what it says, in its order and at most ten times a second.
pub(super) fn gathered<T: Send, R>(
    report: impl FnMut(Vec<T>) + Send,
    work: impl FnOnce(Sender<T>) -> Result<R, String>,
) -> Result<R, String> {
    let (events, inbox) = channel();
    thread::scope(|scope| {
        let gatherer = thread::Builder::new()
            .name("run reports".to_owned())
            .spawn_scoped(scope, move || gather(&inbox, INTERVAL, report))
            .map_err(|error| format!("no thread for its reports: {error}"))?;
        // A panic drops the sender: what was said before it still arrives.
        let outcome = work(events);
        let _ = gatherer.join();
        outcome
    })
}

/// Passes events on in their order: what has gathered while the last report was on its way goes as one.
fn gather<T>(inbox: &Receiver<T>, interval: Duration, mut send: impl FnMut(Vec<T>)) {
    while let Ok(first) = inbox.recv() {
        send(std::iter::once(first).chain(inbox.try_iter()).collect());
        thread::sleep(interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::event::{Arm, RunEvent, RunId, StepRecord};

    #[test]
    fn events_arrive_whole_in_order_and_in_few_reports() {
        let (sender, inbox) = channel();
        let id = RunId { seed: 0, arm: Arm::Imitation };
        for step in 0..5000 {
            let record = StepRecord { step, ..Default::default() };
            sender.send((id, RunEvent::Step(record))).expect("a listener");
        }
        drop(sender);
        let mut batches: Vec<Vec<u64>> = Vec::new();
        gather(&inbox, Duration::from_millis(1), |batch| {
            let step = |(_, event): (RunId, RunEvent)| match event {
                RunEvent::Step(record) => record.step,
                _ => u64::MAX,
            };
            batches.push(batch.into_iter().map(step).collect());
        });
        assert_eq!(batches.len(), 1);
        assert_eq!(batches.concat(), (0..5000).collect::<Vec<u64>>());
    }

    #[test]
    fn the_last_event_does_not_wait_for_another() {
        let (sender, inbox) = channel();
        let (told, heard) = channel();
        let gatherer =
            thread::spawn(move || gather(&inbox, Duration::from_millis(1), |batch| told.send(batch).expect("heard")));
        let id = RunId { seed: 0, arm: Arm::Imitation };
        for step in 0..2 {
            sender.send((id, RunEvent::Saved { step })).expect("a listener");
        }
        // The sender stays open all the while.
        let mut count = 0;
        while count < 2 {
            count += heard.recv_timeout(Duration::from_secs(10)).expect("a report").len();
        }
        drop(sender);
        gatherer.join().expect("no panic");
    }
}
