//! Training runs, for as long as they take, and runs read back from disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::context::JobContext;
use super::protocol::{EarlierRun, Job, Report};
use super::searches;
use crate::train::config::Experiment;
use crate::train::event::{Outcome, RunControl, RunEvent};
use crate::train::experiment;
use crate::train::folder::RunFolder;
use crate::train::record::{self, RunTables};
use crate::train::replay::{self, Replay};

/// Time between two reports of a run.
const INTERVAL: Duration = Duration::from_millis(100);

/// Runs experiments. The thread gives way to the window, and so does every thread that a run starts: they inherit its
/// priority.
pub(super) fn handle(job: Job, context: &JobContext) {
    if let Job::Run { experiment, control } = job {
        give_way();
        if let Some(failure) = run(&experiment, &control, context) {
            context.failed("the run", failure);
        }
    }
}

/// Reads runs back.
pub(super) fn read(job: Job, context: &JobContext) {
    match job {
        Job::OpenRun(folder) => {
            context.started(folder.display().to_string());
            let runs = record::runs_in(&folder);
            if runs.is_empty() || runs == [folder.clone()] {
                match earlier(&folder) {
                    Ok(run) => context.report(Report::EarlierRun(Box::new(run))),
                    Err(message) => context.failed(folder.display().to_string(), message),
                }
                return;
            }
            let (mut found, mut unread) = (Vec::new(), Vec::new());
            for (index, run) in runs.iter().enumerate() {
                if context.is_cancelled() {
                    return;
                }
                context.progress("reading the runs", Some(index as f32 / runs.len() as f32));
                match earlier(run) {
                    Ok(run) => found.push(run),
                    Err(message) => unread.push((run.clone(), message)),
                }
            }
            context.report(Report::Pairs { runs: found, unread });
        }
        Job::OpenReplays(paths) => {
            for path in paths {
                if context.is_cancelled() {
                    return;
                }
                context.started(path.display().to_string());
                match Replay::read(&path) {
                    Ok(replay) => context.report(Report::Replay(Arc::new(replay))),
                    Err(error) => context.failed("the replay", error.to_string()),
                }
            }
        }
        Job::OpenSearch(folder) => searches::open(folder, context),
        _ => {}
    }
}

fn earlier(folder: &Path) -> Result<EarlierRun, String> {
    let tables = RunTables::read(folder).map_err(|error| error.to_string())?;
    // The curves are there all the same.
    let config = RunFolder::new(folder).read_config();
    let mut warnings = Vec::new();
    let said = folder.file_name().and_then(|name| record::said_by(&name.to_string_lossy()));
    let experiment = said.and(folder.parent()).map_or(Ok(None), experiment::kept);
    let experiment = experiment.unwrap_or_else(|error| {
        warnings.push(error.to_string());
        None
    });
    let replay = folder.join(replay::FILE_NAME);
    let replay = replay.is_file().then(|| Replay::read(&replay)).transpose().unwrap_or_else(|error| {
        warnings.push(error.to_string());
        None
    });
    Ok(EarlierRun {
        folder: folder.to_path_buf(),
        config: config.ok().map(Box::new),
        scales: tables.scales,
        steps: tables.steps,
        epochs: tables.epochs,
        start: tables.start.map(Arc::new),
        test: tables.test.map(Arc::new),
        result: experiment::finished(folder),
        experiment: experiment.map(Box::new),
        replay: replay.map(Arc::new),
        warnings,
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

/// What kept the runs from beginning; what ended one of them is in its events.
fn run(experiment: &Experiment, control: &RunControl, context: &JobContext) -> Option<String> {
    let mut is_said = false;
    let ended = gathered(
        |batch| context.report(Report::Run(batch)),
        |events| {
            experiment::run(experiment, control, &mut |id, event| {
                is_said |= matches!(event, RunEvent::Ended(Outcome::Failed(_)));
                // The gatherer listens until this sender is gone.
                let _ = events.send((id, event));
            })
            .map_err(|error| error.to_string())
        },
    );
    ended.err().filter(|_| !is_said)
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
    use crate::files::atomic;
    use crate::train::comparison::RunResult;
    use crate::train::config::RunConfig;
    use crate::train::evaluate::Evaluation;
    use crate::train::event::{EpochRecord, RunId, RunSummary, StepRecord, Variant};
    use crate::train::record::Recorder;
    use crate::worker::Worker;

    /// A run of one epoch on disk, finished or not.
    fn record(folder: &Path, map50_95: f64, finished: bool) {
        std::fs::create_dir_all(folder).expect("a folder");
        let summary = RunSummary {
            folder: folder.to_owned(),
            steps: 1,
            steps_per_epoch: 1,
            first_step: 0,
            scales: vec!["P3".to_owned()],
            images: 1,
            labels: 1,
            val_images: 1,
            device: "CPU".to_owned(),
        };
        let evaluation = Evaluation { map50: 2.0 * map50_95, map50_95, ..Evaluation::default() };
        let record =
            StepRecord { imitation: vec![0.0], distance: vec![None], mask_cells: vec![0], ..StepRecord::default() };
        let epoch =
            EpochRecord { step: 1, mean: record.clone(), evaluation: Some(evaluation), ..EpochRecord::default() };
        let mut recorder = Recorder::create(folder, &summary, "").expect("records");
        for event in [RunEvent::Step(record), RunEvent::Epoch(Box::new(epoch)), RunEvent::Ended(Outcome::Finished)] {
            recorder.take(&event).expect("written");
        }
        if finished {
            let result = RunResult { map50_95, ..RunResult::default() };
            atomic::write_json(&folder.join("result.json"), &result).expect("written");
        }
    }

    #[test]
    fn a_folder_of_pairs_is_read_with_all_its_runs() {
        let out = tempfile::tempdir().expect("a folder");
        let config = RunConfig::default();
        let asked = Experiment { config, out: "elsewhere".into(), paired: true, seeds: 2, resume: false };
        std::fs::write(out.path().join("campaign.toml"), toml::to_string(&asked).expect("TOML")).expect("written");
        record(&out.path().join("imitation-0"), 0.2, true);
        record(&out.path().join("baseline-0"), 0.1, true);
        record(&out.path().join("imitation-1"), 0.3, false);
        std::fs::write(out.path().join("imitation-0/replay.distillscope"), "no replay").expect("written");
        record(&out.path().join("baseline-1"), 0.3, false);
        std::fs::write(out.path().join("baseline-1/steps.csv"), "nothing").expect("written");

        let (wake, woken) = channel();
        let worker = Worker::start(move || wake.send(()).unwrap_or_default()).expect("a worker");
        worker.send(Job::OpenRun(out.path().to_owned()));
        let (runs, unread) = loop {
            woken.recv_timeout(Duration::from_secs(20)).expect("an answer");
            let reports = std::iter::from_fn(|| worker.try_recv());
            let pairs = reports.filter_map(|report| match report {
                Report::Pairs { runs, unread } => Some((runs, unread)),
                _ => None,
            });
            if let Some(pairs) = pairs.last() {
                break pairs;
            }
        };
        let names: Vec<_> = runs.iter().map(|run| run.folder.file_name().expect("a name").to_owned()).collect();
        assert_eq!(names, ["imitation-0", "baseline-0", "imitation-1"]);
        let maps: Vec<_> = runs.iter().map(|run| run.result.as_ref().map(|result| result.map50_95)).collect();
        assert_eq!(maps, [Some(0.2), Some(0.1), None], "the third has not finished");
        for run in &runs {
            let experiment = run.experiment.as_ref().expect("the pairs");
            assert_eq!(
                (experiment.out.as_path(), experiment.seeds),
                (out.path(), 2),
                "where it lies, not where it was made"
            );
            assert_eq!(run.steps[0].distance, [None]);
        }
        assert!(
            runs[0].replay.is_none() && runs[0].warnings[0].contains("replay.distillscope"),
            "{:?}",
            runs[0].warnings
        );
        assert!(unread.len() == 1 && unread[0].0.ends_with("baseline-1"), "{unread:?}");
        // One of them alone knows its pairs too.
        assert!(earlier(&out.path().join("baseline-0")).expect("a run").experiment.is_some());
    }

    #[test]
    fn what_ends_a_run_is_said_once_and_what_keeps_it_from_beginning_too() {
        let out = tempfile::tempdir().expect("a folder");
        let config = RunConfig { data: out.path().join("none.yaml"), ..RunConfig::default() };
        let asked = |name: &str| {
            let out = out.path().join(name);
            Experiment { config: config.clone(), out, paired: false, seeds: 1, resume: false }
        };
        std::fs::create_dir(out.path().join("taken")).expect("a folder");
        std::fs::write(out.path().join("taken/config.toml"), "").expect("written");
        let (wake, woken) = channel();
        let worker = Worker::start(move || wake.send(()).unwrap_or_default()).expect("a worker");
        let said = |experiment: Experiment| {
            worker.send(Job::Run { experiment: Box::new(experiment), control: Arc::default() });
            let (mut ended, mut failures) = (Vec::new(), Vec::new());
            loop {
                woken.recv_timeout(Duration::from_secs(20)).expect("an answer");
                for report in std::iter::from_fn(|| worker.try_recv()) {
                    match report {
                        Report::Run(events) => ended.extend(events.into_iter().filter_map(|(_, event)| match event {
                            RunEvent::Ended(Outcome::Failed(cause)) => Some(cause),
                            _ => None,
                        })),
                        Report::Failed { failure, .. } => failures.push(failure.message),
                        Report::Finished { .. } => return (ended, failures),
                        _ => {}
                    }
                }
            }
        };
        let (ended, failures) = said(asked("new"));
        assert!(ended.len() == 1 && ended[0].contains("none.yaml") && failures.is_empty(), "{ended:?} {failures:?}");
        let (ended, failures) = said(asked("taken"));
        assert!(ended.is_empty() && failures.len() == 1 && failures[0].contains("already holds a run"), "{failures:?}");
    }

    #[test]
    fn events_arrive_whole_in_order_and_in_few_reports() {
        let (sender, inbox) = channel();
        let id = RunId { seed: 0, variant: Variant::Imitation };
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
        let (events, heard) = channel();
        let gatherer =
            thread::spawn(move || gather(&inbox, Duration::from_millis(1), |batch| events.send(batch).expect("heard")));
        let id = RunId { seed: 0, variant: Variant::Imitation };
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
