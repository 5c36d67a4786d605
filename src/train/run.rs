//! A run from its first step to its last: batch, learning rates, a step of the [`Trainer`], report; evaluation and
//! checkpoint at the end of each epoch.

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::comparison::fall;
use super::distil::Distiller;
use super::evaluate::{EvaluateError, EvaluateOptions, Evaluation, class_places, evaluate_as};
use super::event::{EpochRecord, Outcome, RunControl, RunEvent, RunId, RunSummary, StartRecord, StepRecord, Variant};
use super::fingerprint::Fingerprint;
use super::folder::RunFolder;
use super::optimizer::Rates;
use super::plan::{RunPlan, Student};
use super::record::Recorder;
use super::replay::{self, Recording, Subject};
use super::snapshot::{SnapshotInput, scene_of};
use super::trainer::Trainer;
use super::watch::Watch;
use super::{TrainError, output};
use crate::dataset::Samples;
use crate::files::atomic::{self, WriteError};
use crate::inspect::Scene;

/// Decoded training images kept in memory.
pub const CACHE_BYTES: u64 = 1 << 30;

/// YOLOv5's weights of mAP@0.5 and mAP@0.5:0.95 in what is best.
const FITNESS: [f64; 2] = [0.1, 0.9];

/// Runs a plan to its end, a stop or a failure. Everything that it says goes to `emit` and into the folder.
pub fn run(
    plan: RunPlan,
    folder: &RunFolder,
    resume: bool,
    control: &RunControl,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<Outcome, TrainError> {
    let mut run = Run::new(plan, folder, control)?;
    let weights = folder.path().join("weights");
    fs::create_dir_all(&weights).map_err(|cause| WriteError { path: weights, cause })?;
    let fingerprint = Fingerprint::of(&run.trainer)?;
    if resume {
        fingerprint.check(folder)?;
        run.restore()?;
    }
    fingerprint.write(folder)?;
    let mut recorder = run.recorder(resume)?;
    if let Some(recording) = run.recording(resume) {
        recorder.keep_replay(folder.path(), recording);
    }
    (run.start, run.test) = (recorder.start().cloned(), recorder.test().cloned());
    let mut emit = |event: RunEvent| -> Result<(), TrainError> {
        recorder.take(&event)?;
        emit(event);
        Ok(())
    };
    emit(RunEvent::Started(Arc::new(run.summary())))?;
    for warning in std::mem::take(&mut run.trainer.plan.warnings) {
        emit(RunEvent::Warning(warning))?;
    }
    let outcome = run.go(&mut emit);
    // A finished run has saved itself; one that was stopped or failed does so now, and a failed step has changed nothing.
    let saved = if matches!(outcome, Ok(Outcome::Finished)) { Ok(()) } else { run.save(&mut emit) };
    match outcome {
        Ok(outcome) => {
            saved?;
            emit(RunEvent::Ended(outcome.clone()))?;
            Ok(outcome)
        }
        Err(error) => {
            let _ = emit(RunEvent::Ended(Outcome::Failed(error.to_string())));
            Err(error)
        }
    }
}

/// Which weights are evaluated.
#[derive(Clone, Copy)]
enum Measured {
    Student,
    Teacher,
    /// The student's moving average.
    Average,
}

type Emit<'a> = dyn FnMut(RunEvent) -> Result<(), TrainError> + 'a;

struct Run<'a> {
    trainer: Trainer,
    folder: &'a RunFolder,
    control: &'a RunControl,
    /// The image of the snapshots, which a replay shows also where there is no teacher and so no snapshot.
    scene: Option<Scene>,
    snapshot: Option<SnapshotInput>,
    /// Whether the adapters' start is still to be found.
    fresh: bool,
    /// What was evaluated before the first step, and after the last one on test.
    start: Option<Arc<StartRecord>>,
    test: Option<Arc<Evaluation>>,
    watch: Watch,
    /// What was warned of already; said once a run.
    warned: HashSet<String>,
}

impl<'a> Run<'a> {
    fn new(plan: RunPlan, folder: &'a RunFolder, control: &'a RunControl) -> Result<Self, TrainError> {
        let trainer = Trainer::new(plan)?;
        let idleness = trainer.plan.config.imitation.idleness().filter(|_| trainer.distiller().is_some());
        if let Some(why) = idleness {
            return Err(TrainError::Config(why.english()));
        }
        let scene =
            trainer.plan.config.snapshot.as_ref().map(|snapshot| scene_of(snapshot, &trainer.plan)).transpose()?;
        let snapshot = match (&scene, &trainer.plan.config.snapshot, trainer.distiller()) {
            (Some(scene), Some(config), Some(distiller)) => {
                Some(SnapshotInput::of(scene, config, &trainer.plan, distiller)?)
            }
            _ => None,
        };
        let (watch, warned) = (Watch::default(), HashSet::new());
        Ok(Self { trainer, folder, control, scene, snapshot, fresh: true, start: None, test: None, watch, warned })
    }

    fn summary(&self) -> RunSummary {
        let plan = &self.trainer.plan;
        RunSummary {
            folder: self.folder.path().to_owned(),
            steps: plan.steps,
            steps_per_epoch: plan.steps_per_epoch,
            first_step: self.trainer.progress.step,
            scales: self.trainer.distiller().map_or_else(Vec::new, Distiller::names),
            images: plan.train.samples.len(),
            labels: plan.train.labels(),
            val_images: plan.val.samples.len(),
            device: plan.place(),
        }
    }

    fn recorder(&self, resume: bool) -> Result<Recorder, TrainError> {
        let config =
            toml::to_string(&self.trainer.plan.config).map_err(|error| TrainError::Config(error.to_string()))?;
        let recorder = if resume {
            Recorder::resume(self.folder.path(), &self.summary())?
        } else {
            atomic::write(&self.folder.config(), config.as_bytes())?;
            Recorder::create(self.folder.path(), &self.summary(), &config)?
        };
        Ok(recorder)
    }

    /// What becomes the run's replay; none without an image, or with a warning that says why.
    fn recording(&mut self, resume: bool) -> Option<Recording> {
        let scene = self.scene.take()?;
        let (plan, summary) = (&self.trainer.plan, self.summary());
        let distiller = self.trainer.distiller();
        let variant = if distiller.is_some() { Variant::Imitation } else { Variant::Baseline };
        let recording = Recording::new(&Subject {
            id: RunId { seed: plan.config.seed, variant },
            summary: &summary,
            config: &plan.config,
            scene: &scene,
            scales: plan.student.network.scales(),
            compared: &distiller.map_or_else(Vec::new, Distiller::strides),
        });
        let warnings = &mut self.trainer.plan.warnings;
        match recording {
            Ok(mut recording) => {
                if resume
                    && let Err(error) =
                        recording.resume(&self.folder.path().join(replay::FILE_NAME), summary.first_step)
                {
                    let step = summary.first_step;
                    warnings.push(format!("the replay has no maps from before step {step}: {error}"));
                }
                Some(recording)
            }
            Err(why) => {
                warnings.push(format!("no replay is recorded: {why}"));
                None
            }
        }
    }

    fn go(&mut self, emit: &mut Emit<'_>) -> Result<Outcome, TrainError> {
        if self.measure_start(emit)?.is_break() || self.fresh && self.start(emit)?.is_break() {
            return Ok(Outcome::Stopped);
        }
        let RunPlan { steps, steps_per_epoch, .. } = self.trainer.plan;
        let first = self.trainer.progress.step;
        // Where a run was stopped while an epoch's end was evaluated, that end is still to come.
        let ends = first.is_multiple_of(steps_per_epoch) || first == steps;
        if first > 0 && ends && self.trainer.progress.epoch.steps > 0 {
            let rates = self.trainer.schedule.rates(first - 1);
            if self.end_epoch(((first - 1) / steps_per_epoch) as u32, &rates, emit)?.is_break() {
                return Ok(Outcome::Stopped);
            }
            self.save(emit)?;
        }
        let (epoch, index) = (first / steps_per_epoch, first % steps_per_epoch);
        let batch = self.trainer.plan.config.batch;
        let mut batches = self.trainer.batches(batch, CACHE_BYTES, epoch as u32, index as usize)?;
        self.take_snapshot(emit)?;
        for step in first..steps {
            if self.wait_while_paused(emit)?.is_break() {
                return Ok(Outcome::Stopped);
            }
            let begin = Instant::now();
            let batch = batches.next_batch()?;
            let waited = begin.elapsed().as_secs_f64();
            for warning in &batch.warnings {
                emit(RunEvent::Warning(warning.to_string()))?;
            }

            if step.is_multiple_of(steps_per_epoch) {
                self.trainer.begin_epoch();
            }
            let rates = self.trainer.schedule.rates(step);
            let mut record = StepRecord {
                step,
                epoch: batch.epoch,
                learning_rate: rates.weight,
                momentum: rates.momentum,
                images: batch.images.len(),
                waited,
                ..StepRecord::default()
            };
            if !batch.images.is_empty() {
                let learnt = self.trainer.learn(&batch, &rates, &mut record);
                let config = &self.trainer.plan.config;
                if let Some(warning) = learnt.map_err(|error| error.in_step(step, config.batch, config.imgsz))? {
                    emit(RunEvent::Warning(warning))?;
                }
            }
            record.seconds = begin.elapsed().as_secs_f64();
            for note in self.watch.take(&record) {
                emit(RunEvent::Warning(note))?;
            }
            self.trainer.progress.epoch.add(&record);
            self.trainer.progress.step = step + 1;
            emit(RunEvent::Step(record))?;
            self.take_snapshot(emit)?;

            if batch.last || step + 1 == steps {
                if self.end_epoch(batch.epoch, &rates, emit)?.is_break() {
                    return Ok(Outcome::Stopped);
                }
                self.save(emit)?;
            }
        }
        Ok(if self.measure_test(emit)?.is_break() { Outcome::Stopped } else { Outcome::Finished })
    }

    /// Student and teacher on val before the first step, as far as nobody knows it yet. Says what it is.
    fn measure_start(&mut self, emit: &mut Emit<'_>) -> Result<ControlFlow<()>, TrainError> {
        if self.start.is_none() && self.trainer.plan.config.evaluate_start && self.trainer.progress.step == 0 {
            let val = Arc::clone(&self.trainer.plan.val);
            let known = std::mem::take(&mut self.trainer.plan.known);
            let student = match known.student {
                Some(student) => student,
                None => match self.measure("evaluating the student as it starts", Measured::Student, &val, emit)? {
                    Some(student) => student,
                    None => return Ok(ControlFlow::Break(())),
                },
            };
            let teacher = match (self.trainer.distiller().is_some(), known.teacher) {
                (false, _) => None,
                (true, Some(teacher)) => Some(teacher),
                (true, None) => match self.measure("evaluating the teacher", Measured::Teacher, &val, emit) {
                    // The run can do without.
                    Err(TrainError::Evaluate(error)) => {
                        self.warn_once(format!("the teacher is not evaluated: {error}"), emit)?;
                        None
                    }
                    other => match other? {
                        Some(teacher) => Some(teacher),
                        None => return Ok(ControlFlow::Break(())),
                    },
                },
            };
            self.start = Some(Arc::new(StartRecord { student, teacher }));
        }
        if let Some(start) = &self.start {
            emit(RunEvent::Start(Arc::clone(start)))?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The last averaged weights on test, where there is one: those of `weights/last`, and not the best on val, so that
    /// nothing is chosen on what a verdict stands on.
    fn measure_test(&mut self, emit: &mut Emit<'_>) -> Result<ControlFlow<()>, TrainError> {
        if let (None, Some(test)) = (&self.test, self.trainer.plan.test.clone()) {
            match self.measure("evaluating on test", Measured::Average, &test, emit) {
                // What was trained is there all the same.
                Err(TrainError::Evaluate(error)) => {
                    let warning = format!("test is not evaluated: {error}; a verdict stands on val");
                    self.warn_once(warning, emit)?;
                }
                other => match other? {
                    Some(evaluation) => self.test = Some(Arc::new(evaluation)),
                    None => return Ok(ControlFlow::Break(())),
                },
            }
        }
        if let Some(test) = &self.test {
            emit(RunEvent::Tested(Arc::clone(test)))?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// mAP of a model on a split; `None` when stopped.
    fn measure(
        &mut self,
        stage: &str,
        which: Measured,
        samples: &Samples,
        emit: &mut Emit<'_>,
    ) -> Result<Option<Evaluation>, TrainError> {
        let config = &self.trainer.plan.config;
        let options = EvaluateOptions { imgsz: config.imgsz, batch: 2 * config.batch, losses: None };
        let (mut emitted, control) = (Ok(()), self.control);
        let mut progress = |done: usize, total: usize| {
            let fraction = Some(done as f32 / total.max(1) as f32);
            if emitted.is_ok() {
                emitted = emit(RunEvent::Stage { what: stage.to_owned(), fraction });
            }
            if control.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let (model, names) = match (which, self.trainer.distiller()) {
            (Measured::Teacher, Some(distiller)) => (distiller.teacher(), distiller.teacher().names()),
            (Measured::Average, _) => (&self.trainer.average.network, samples.names.as_slice()),
            (Measured::Student | Measured::Teacher, _) => (self.trainer.student(), samples.names.as_slice()),
        };
        let Some(classes) = class_places(names, &samples.names) else {
            let (model, data) = (names.len(), samples.names.len());
            return Err(EvaluateError::Classes { model, data }.into());
        };
        let found = evaluate_as(&model.folded(tch::Kind::Float)?, &classes, samples, &options, &mut progress)?;
        emitted?;
        for warning in found.iter().flat_map(|evaluation| &evaluation.warnings) {
            self.warn_once(warning.to_string(), emit)?;
        }
        Ok(found)
    }

    /// Adapters from their least-squares fit, before the first step.
    fn start(&mut self, emit: &mut Emit<'_>) -> Result<ControlFlow<()>, TrainError> {
        self.fresh = false;
        let control = self.control;
        let mut emitted = Ok(());
        let flow = self.trainer.start(&mut |fraction| {
            if emitted.is_ok() {
                emitted = emit(RunEvent::Stage { what: "fitting the adapters".to_owned(), fraction: Some(fraction) });
            }
            if control.is_stopped() || emitted.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        emitted?;
        Ok(flow)
    }

    fn wait_while_paused(&mut self, emit: &mut Emit<'_>) -> Result<ControlFlow<()>, TrainError> {
        if self.control.is_paused() && !self.control.is_stopped() {
            self.save(emit)?;
            emit(RunEvent::Stage { what: "paused".to_owned(), fraction: None })?;
            while self.control.is_paused() && !self.control.is_stopped() {
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(if self.control.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn end_epoch(&mut self, epoch: u32, rates: &Rates, emit: &mut Emit<'_>) -> Result<ControlFlow<()>, TrainError> {
        let ends = self.trainer.progress.step == self.trainer.plan.steps;
        let every = self.trainer.plan.config.evaluate_every.max(1);
        let evaluation = if ends || (epoch + 1).is_multiple_of(every) {
            match self.evaluate(emit)? {
                Some(evaluation) => Some(evaluation),
                None => return Ok(ControlFlow::Break(())),
            }
        } else {
            None
        };
        let fitness = evaluation.as_ref().map(|e| FITNESS[0] * e.map50 + FITNESS[1] * e.map50_95);
        let best = fitness.is_some_and(|fitness| fitness > self.trainer.progress.best_fitness);
        if let (true, Some(fitness)) = (best, fitness) {
            self.trainer.progress.best_fitness = fitness;
            self.write_student("best", emit)?;
        }
        let record = EpochRecord {
            epoch,
            step: self.trainer.progress.step,
            mean: std::mem::take(&mut self.trainer.progress.epoch).mean(),
            learning_rates: [rates.bias, rates.weight, rates.norm],
            evaluation,
            best,
        };
        let last = record.evaluation.as_ref().filter(|_| ends).map(|evaluation| evaluation.map50_95);
        emit(RunEvent::Epoch(Box::new(record)))?;
        if let Some(warning) =
            self.start.as_ref().zip(last).and_then(|(start, last)| fall(start.student.map50_95, last))
        {
            emit(RunEvent::Warning(warning))?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// mAP and losses of the averaged weights on val; `None` when stopped.
    fn evaluate(&mut self, emit: &mut Emit<'_>) -> Result<Option<Evaluation>, TrainError> {
        let mut emitted = Ok(());
        let control = self.control;
        let found = self.trainer.evaluate(&mut |done, total| {
            let fraction = Some(done as f32 / total.max(1) as f32);
            if emitted.is_ok() {
                emitted = emit(RunEvent::Stage { what: "evaluating".to_owned(), fraction });
            }
            if control.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        emitted?;
        for warning in found.iter().flat_map(|evaluation| &evaluation.warnings) {
            self.warn_once(warning.to_string(), emit)?;
        }
        Ok(found)
    }

    fn warn_once(&mut self, warning: String, emit: &mut Emit<'_>) -> Result<(), TrainError> {
        if self.warned.insert(warning.clone()) { emit(RunEvent::Warning(warning)) } else { Ok(()) }
    }

    /// Everything that the run needs to go on, and what a person takes away.
    fn save(&mut self, emit: &mut Emit<'_>) -> Result<(), TrainError> {
        self.write_student("last", emit)?;
        if let Some(distiller) = self.trainer.distiller() {
            distiller.write_adapters(&self.folder.adapter())?;
        }
        emit(RunEvent::Saving)?;
        let state = self.folder.state();
        let mut progress = self.trainer.progress.clone();
        progress.average_updates = self.trainer.average.updates;
        self.trainer.moving().write(&state, &progress)?;
        emit(RunEvent::Saved { step: progress.step })
    }

    fn restore(&mut self) -> Result<(), TrainError> {
        let state = self.folder.state();
        let progress = self.trainer.moving().read(&state)?;
        if progress.step > self.trainer.plan.steps {
            let (done, steps) = (progress.step, self.trainer.plan.steps);
            let what = format!("it has done {done} steps, and the run now has {steps}: make it that long again");
            return Err(TrainError::State { path: state, what });
        }
        self.trainer.go_on_from(progress);
        // One that was stopped before its first step may not have come to its adapters.
        self.fresh = self.trainer.progress.step == 0;
        Ok(())
    }

    fn write_student(&mut self, name: &str, emit: &mut Emit<'_>) -> Result<(), TrainError> {
        let Student { description, source, .. } = &self.trainer.plan.student;
        let stem = self.folder.weights(name);
        match output::write_student(&self.trainer.average.network, description, source.as_ref(), &stem)? {
            Some(warning) => self.warn_once(warning, emit),
            None => Ok(()),
        }
    }

    fn take_snapshot(&self, emit: &mut Emit<'_>) -> Result<(), TrainError> {
        let (Some(snapshot), Some(distiller)) = (&self.snapshot, self.trainer.distiller()) else { return Ok(()) };
        let step = self.trainer.progress.step;
        if !snapshot.is_due(step) && step != self.trainer.plan.steps {
            return Ok(());
        }
        let snapshot = snapshot.snapshot(self.trainer.student(), distiller, step)?;
        emit(RunEvent::Snapshot(Arc::new(snapshot)))
    }
}
