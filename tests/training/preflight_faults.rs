//! Every fault that earlier implementations of the method really had, put into a healthy set-up one at a time: each must
//! turn its own check red, with a reason that a person understands, and the healthy set-up must have no red at all.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use distillscope::dataset::TrainBatch;
use distillscope::geometry::BoundingBox;
use distillscope::imitation::loss::BatchMask;
use distillscope::inspect::Tap;
use distillscope::preflight::{Check, Preflight, Status, Subject, preflight};
use distillscope::train::TrainError;
use distillscope::train::config::{AdapterStart, ImitationConfig, Lambda, RunConfig};
use distillscope::train::learner::{Learner, Objective};
use distillscope::train::plan::RunPlan;
use distillscope::yolo::anchors::AnchorScale;
use distillscope::yolo::assign::Target;
use distillscope::yolo::network::Model;
use tch::{TchError, Tensor};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(name)
}

fn config() -> RunConfig {
    RunConfig {
        data: sample("data.yaml"),
        teacher: Some(sample("models/teacher.pt")),
        student: sample("models/student.pt"),
        imgsz: 224,
        batch: 4,
        device: "cpu".to_owned(),
        threads: Some(1),
        imitation: ImitationConfig {
            tap: Tap::Neck,
            adapter_start: AdapterStart::Random,
            ..ImitationConfig::default()
        },
        ..RunConfig::default()
    }
}

fn learner(config: &RunConfig) -> Learner {
    let plan =
        RunPlan::make(config, true, &mut |_, _| ControlFlow::Continue(())).expect("a plan").expect("not stopped");
    Learner::new(plan).expect("a learner")
}

/// What an earlier implementation did otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The imitation loss was computed inside `no_grad`.
    NoGradient,
    /// Every image took the first image's boxes for its mask.
    FirstImagesBoxes,
    AdapterNotInOptimizer,
    TeacherInTrainMode,
    TransposedMask,
    AnchorsInCells,
    /// x2 computed from an x1 already overwritten.
    ConversionInPlace,
    FixedBatchSize,
    DividesByZero,
    Subtracted,
    EveryClassIsZero,
    LambdaFollowsTheBatch,
    TeacherSeesOtherPixels,
}

struct Faulty {
    learner: Learner,
    faults: Vec<Fault>,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

impl Subject for Faulty {
    fn learner(&self) -> &Learner {
        &self.learner
    }

    fn learner_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }

    fn inputs(&self, batch: &TrainBatch) -> Result<[Tensor; 2], TrainError> {
        let [student, teacher] = self.learner.inputs(batch)?;
        let off = if self.has(Fault::TeacherSeesOtherPixels) { (&teacher - 0.5) / 0.5 } else { teacher };
        Ok([student, off])
    }

    fn targets(&self, batch: &TrainBatch) -> Vec<Target> {
        let mut targets = self.learner.targets(batch);
        for target in &mut targets {
            if self.has(Fault::EveryClassIsZero) {
                target.class = 0;
            }
            if self.has(Fault::ConversionInPlace) {
                // xc := x1 first, then the width from x2 − xc: half of it.
                target.xywh[0] -= target.xywh[2] / 2.0;
            }
        }
        targets
    }

    fn anchors(&self) -> Vec<AnchorScale> {
        let mut anchors = self.learner.anchors();
        if self.has(Fault::AnchorsInCells) {
            for scale in &mut anchors {
                scale.anchors.iter_mut().flatten().for_each(|side| *side /= scale.stride as f32);
            }
        }
        anchors
    }

    fn masks(&self, batch: &TrainBatch) -> Result<Vec<BatchMask>, TrainError> {
        let mut batch = batch.clone();
        if self.has(Fault::FirstImagesBoxes) {
            let first = batch.images[0].labels.clone();
            batch.images.iter_mut().for_each(|image| image.labels.clone_from(&first));
        }
        if self.has(Fault::ConversionInPlace) {
            for label in batch.images.iter_mut().flat_map(|image| &mut image.labels) {
                let BoundingBox { x1, x2, .. } = label.bbox;
                label.bbox.x1 = (x1 + x2) / 2.0;
            }
        }
        let mut masks = self.learner.masks(&batch)?;
        if self.has(Fault::TransposedMask) {
            for mask in &mut masks {
                let shape = mask.cells.size();
                // As a meshgrid in the other index order lays the cells out.
                mask.cells = mask.cells.transpose(2, 3).contiguous().view(shape.as_slice());
            }
        }
        Ok(masks)
    }

    fn lesson(&self, batch: &TrainBatch) -> Result<Vec<Tensor>, TrainError> {
        if !self.has(Fault::TeacherInTrainMode) {
            return self.learner.lesson(batch);
        }
        let Some(Model::Network(teacher)) = self.learner.distiller().map(|distiller| distiller.teacher()) else {
            panic!("the sample's teacher is a network");
        };
        let [_, input] = self.inputs(batch)?;
        Ok(tch::no_grad(|| teacher.forward_t(&input, true))?.necks)
    }

    fn objective(&self, batch: &TrainBatch) -> Result<Objective, TrainError> {
        if self.has(Fault::FixedBatchSize) && !batch.images.len().is_multiple_of(4) {
            return Err(TrainError::Config("shape '[4, 3, 44, 44, 11]' is invalid for this input".to_owned()));
        }
        let mut objective = self.learner.objective(batch, true)?;
        if self.has(Fault::NoGradient) {
            objective.distances.iter_mut().for_each(|distance| *distance = distance.detach());
        }
        if self.has(Fault::DividesByZero) {
            for (distance, cells) in objective.distances.iter_mut().zip(&objective.cells) {
                *distance = &*distance * *cells as f64 / *cells as f64;
            }
        }
        Ok(objective)
    }

    fn total(&self, objective: &Objective, lambda: f64) -> Result<Tensor, TchError> {
        if self.has(Fault::Subtracted) {
            return objective.total(-lambda);
        }
        if self.has(Fault::LambdaFollowsTheBatch) {
            return objective.total(lambda / objective.images as f64);
        }
        objective.total(lambda)
    }

    fn optimized(&self) -> Vec<String> {
        let own = self.learner.own_parameters();
        let all = self.learner.optimized();
        if self.has(Fault::AdapterNotInOptimizer) { all[..own].to_vec() } else { all }
    }

    fn step(&mut self, batch: &TrainBatch) -> Result<(), TrainError> {
        let keep: Vec<(Tensor, Tensor)> =
            self.learner.adapters().into_iter().map(|(_, tensor)| (tensor.detach().copy(), tensor)).collect();
        self.learner.step(batch)?;
        if self.has(Fault::AdapterNotInOptimizer) {
            tch::no_grad(|| keep.into_iter().for_each(|(before, mut tensor)| tensor.copy_(&before)));
        }
        if self.has(Fault::TeacherInTrainMode) {
            self.lesson(batch)?;
        }
        Ok(())
    }
}

fn examined(mut subject: impl Subject) -> Preflight {
    preflight(&mut subject, 0.5, &mut |_, _| ControlFlow::Continue(())).expect("answers").expect("not stopped")
}

fn with(faults: &[Fault]) -> Preflight {
    examined(Faulty { learner: learner(&config()), faults: faults.to_vec() })
}

fn red(preflight: &Preflight) -> Vec<&str> {
    preflight.checks.iter().filter(|check| check.status == Status::Red).map(|check| check.id).collect()
}

fn check<'a>(preflight: &'a Preflight, id: &str) -> &'a Check {
    preflight.checks.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("no check {id}"))
}

#[test]
fn a_healthy_set_up_is_all_green() {
    // Smaller, and the smallest birds are beyond the anchors' reach, which the check says.
    let healthy = |tap| {
        let config = RunConfig { imgsz: 352, imitation: ImitationConfig { tap, ..Default::default() }, ..config() };
        let found = examined(learner(&config));
        let not_green: Vec<&Check> = found.checks.iter().filter(|check| check.status != Status::Green).collect();
        assert!(not_green.is_empty(), "{tap:?}: {not_green:#?}");
        assert!(found.checks.len() >= 20, "{}", found.checks.len());
        assert!(found.lambda_for_ratio.is_some_and(|lambda| lambda > 0.0));
        found
    };
    healthy(ImitationConfig::default().tap);
    let found = healthy(Tap::Neck);
    // The neck of a YOLOv5 stands on layers 17, 20 and 23: Detect, layer 24, never hears of it.
    let reached: Vec<usize> = found.layers.iter().filter(|l| l.imitation > 0.0).map(|l| l.layer).collect();
    assert!(reached.contains(&0) && reached.contains(&23) && !reached.contains(&24), "{reached:?}");
}

#[test]
fn a_preflight_says_how_far_it_is_and_stops_where_it_is_asked_to() {
    // With a fit, so that every stage has its turn.
    let imitation = ImitationConfig { tap: Tap::Neck, ..ImitationConfig::default() };
    let config = RunConfig { imitation, ..config() };
    let mut heard: Vec<(String, f32)> = Vec::new();
    let found = preflight(&mut learner(&config), 0.5, &mut |what, fraction| {
        heard.push((what.to_owned(), fraction));
        ControlFlow::Continue(())
    });
    let found = found.expect("answers").expect("not stopped");
    assert!(heard.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{heard:?}");
    assert!(heard.iter().all(|(_, fraction)| (0.0..1.0).contains(fraction)), "{heard:?}");
    let mut stages: Vec<&str> = heard.iter().map(|(what, _)| what.as_str()).collect();
    stages.dedup();
    assert!(stages.len() >= 14, "{stages:?}");
    assert_eq!((stages[0], stages.last()), ("fitting the adapters", Some(&"a step of the optimizer")));

    let timed: Vec<&str> = found.timings.iter().map(|timing| timing.stage).collect();
    let expected = [
        "fitting the adapters",
        "augmenting",
        "ground truths, classes and anchors",
        "masks",
        "losses and gradients",
        "teacher and adapters",
    ];
    assert_eq!(timed, expected);
    let timed: f64 = found.timings.iter().map(|timing| timing.seconds).sum();
    assert!(timed > 0.0 && timed <= found.seconds, "{timed} of {}", found.seconds);
    // A batch of 4 at 224 px is small enough to be measured whole.
    assert_eq!((found.images.batch, found.images.measured), (4, 4));
    assert_eq!(found.images.fitted, found.images.fitted_by_run);

    for at in [0, stages.len() / 2, heard.len() - 1] {
        let mut calls = 0;
        let stopped = preflight(&mut learner(&config), 0.5, &mut |_, _| {
            calls += 1;
            if calls > at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((stopped.expect("no error"), calls), (None, at + 1), "and nothing more is asked of it");
    }
}

/// Nothing is fitted where there is nothing to fit: the tap head has no adapters.
#[test]
fn the_head_needs_no_fit() {
    let of = |imitation: ImitationConfig| learner(&RunConfig { imitation, ..config() }).fitted_images();
    let images = learner(&config()).plan.train.samples.len().min(64);
    let fits = ImitationConfig { tap: Tap::Neck, ..ImitationConfig::default() };
    assert_eq!(of(fits.clone()), images);
    assert_eq!(of(ImitationConfig { tap: Tap::Head, ..fits.clone() }), 0);
    assert_eq!(of(ImitationConfig { tap: Tap::Head, normalise: true, ..fits.clone() }), images);
    assert_eq!(of(ImitationConfig { adapter_start: AdapterStart::Random, ..fits }), 0);
}

/// The λ that a preflight names for a ratio is the one at which that ratio is measured.
#[test]
fn the_lambda_for_a_ratio_reaches_it() {
    let ratio_at = |lambda: Lambda| {
        let mut config = config();
        config.imitation.lambda = lambda;
        let found = examined(learner(&config));
        (check(&found, "gradient-balance").value.expect("a ratio"), found.lambda_for_ratio.expect("a lambda"))
    };
    let (weak, lambda) = ratio_at(Lambda::Fixed(1e-6));
    assert!(weak < 0.05, "{weak}");
    let (reached, _) = ratio_at(Lambda::Fixed(lambda));
    assert!((reached / 0.5 - 1.0).abs() < 0.05, "{reached}");
    let (kept, _) = ratio_at(Lambda::GradientRatio(0.25));
    assert!((kept / 0.25 - 1.0).abs() < 0.05, "{kept}");
}

#[test]
fn each_fault_turns_its_own_check_red() {
    let cases = [
        (Fault::NoGradient, "imitation-gradient", "no gradient on any parameter of the student"),
        (Fault::FirstImagesBoxes, "mask-own-boxes", "another image's mask"),
        (Fault::AdapterNotInOptimizer, "adapter-trained", "6 of 6 adapter tensors are not in the optimizer"),
        (Fault::TeacherInTrainMode, "teacher-eval", "with the images beside it"),
        (Fault::TransposedMask, "mask-place", "otherwise than their boxes and anchors say"),
        (Fault::AnchorsInCells, "anchors", "the anchors are in cells"),
        (Fault::ConversionInPlace, "target-boxes", "px from where the batch has it"),
        (Fault::FixedBatchSize, "partial-batch", "shape '[4, 3, 44, 44, 11]' is invalid"),
        (Fault::DividesByZero, "empty-images", "the imitation loss is NaN"),
        (Fault::Subtracted, "lambda-doubling", "the imitation is subtracted"),
        (Fault::EveryClassIsZero, "target-classes", "reach the loss as such"),
        (Fault::LambdaFollowsTheBatch, "lambda-batch-size", "with the same images twice"),
        (Fault::TeacherSeesOtherPixels, "same-input", "their inputs differ"),
    ];
    for (fault, id, reason) in cases {
        let found = with(&[fault]);
        let check = check(&found, id);
        assert_eq!(check.status, Status::Red, "{fault:?}: {check:#?}");
        assert!(check.message.contains(reason), "{fault:?}: {}", check.message);
        assert!(!check.advice.is_empty(), "{fault:?}");
        // A fault may show in a second place, never everywhere.
        assert!(red(&found).len() <= 3, "{fault:?}: {:?}", red(&found));
    }
}

#[test]
fn a_train_mode_teacher_is_seen_to_drift() {
    let found = with(&[Fault::TeacherInTrainMode]);
    assert_eq!(check(&found, "teacher-frozen").status, Status::Red);
}

#[test]
fn a_teacher_without_its_weights_and_one_that_is_the_student_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    // A teacher of the right shape whose weights were never loaded.
    let random = RunConfig { teacher: None, student: sample("models/teacher.pt"), from_scratch: true, ..config() };
    let plan =
        RunPlan::make(&random, true, &mut |_, _| ControlFlow::Continue(())).expect("a plan").expect("not stopped");
    let stem = folder.path().join("random");
    let student = &plan.student;
    distillscope::train::output::write_student(&student.network, &student.description, None, &stem).expect("weights");
    let untrained = RunConfig { teacher: Some(stem.with_extension("safetensors")), ..config() };
    let found = examined(learner(&untrained));
    assert_eq!(check(&found, "teacher-trained").status, Status::Red, "{:#?}", check(&found, "teacher-trained"));

    let same = RunConfig { teacher: Some(sample("models/student.pt")), ..config() };
    let found = examined(learner(&same));
    assert_eq!(check(&found, "teacher-differs").status, Status::Red, "{:#?}", check(&found, "teacher-differs"));
}

#[test]
fn the_first_port_is_red_for_the_reasons_that_made_it_do_nothing() {
    let found = with(&[Fault::NoGradient, Fault::FirstImagesBoxes]);
    assert!(
        red(&found).contains(&"imitation-gradient") && red(&found).contains(&"mask-own-boxes"),
        "{:?}",
        red(&found)
    );
    let said = found.to_string();
    assert!(said.contains("it is shown and changes nothing"), "{said}");
    assert!(said.contains("select the ground truths of each image"), "{said}");
}
