//! Every fault that earlier implementations of the method really had, put into a healthy set-up one at a time: each must
//! turn its own check red, with a reason that a person understands, and the healthy set-up must have no red at all.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use distillscope::dataset::TrainBatch;
use distillscope::geometry::BoundingBox;
use distillscope::imitation::loss::{BatchMask, Loss, MaskSource, Reads};
use distillscope::preflight::{Check, Preflight, Status, Subject, preflight, preflight_of};
use distillscope::train::TrainError;
use distillscope::train::config::{AdapterStart, ImitationConfig, Lambda, OptimizerKind, RunConfig};
use distillscope::train::objective::Objective;
use distillscope::train::plan::RunPlan;
use distillscope::train::trainer::Trainer;
use distillscope::train::trial::Trial;
use distillscope::yolo::anchors::AnchorScale;
use distillscope::yolo::assign::Target;
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
        imitation: ImitationConfig { adapter_start: AdapterStart::Random, ..ImitationConfig::of(Loss::FEATURES) },
        ..RunConfig::default()
    }
}

fn trainer(config: &RunConfig) -> Trainer {
    let plan =
        RunPlan::make(config, true, &mut |_, _| ControlFlow::Continue(())).expect("a plan").expect("not stopped");
    Trainer::new(plan).expect("a learner")
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
    /// λ acted twice: on the loss and on its gradient.
    LambdaDoubled,
    EveryClassIsZero,
    LambdaFollowsTheBatch,
    TeacherSeesOtherPixels,
}

struct Faulty {
    trainer: Trainer,
    faults: Vec<Fault>,
}

impl Faulty {
    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

impl Subject for Faulty {
    fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    fn learner_mut(&mut self) -> &mut Trainer {
        &mut self.trainer
    }

    fn inputs(&self, batch: &TrainBatch) -> Result<[Tensor; 2], TrainError> {
        let [student, teacher] = self.trainer.inputs(batch)?;
        let off = if self.has(Fault::TeacherSeesOtherPixels) { (&teacher - 0.5) / 0.5 } else { teacher };
        Ok([student, off])
    }

    fn targets(&self, batch: &TrainBatch) -> Vec<Target> {
        let mut targets = self.trainer.targets(batch);
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
        let mut anchors = self.trainer.anchors();
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
        let mut masks = self.trainer.masks(&batch)?;
        if self.has(Fault::TransposedMask) {
            for mask in &mut masks {
                let shape = mask.cells.size();
                // As a meshgrid in the other index order lays the cells out.
                mask.cells = mask.cells.transpose(2, 3).contiguous().view(shape.as_slice());
            }
        }
        Ok(masks)
    }

    fn teacher_output(&self, batch: &TrainBatch) -> Result<Vec<Tensor>, TrainError> {
        if !self.has(Fault::TeacherInTrainMode) {
            return self.trainer.teacher_output(batch);
        }
        let Some(teacher) = self.trainer.distiller().map(|distiller| distiller.teacher()) else {
            panic!("the sample's teacher is a network");
        };
        let [_, input] = self.inputs(batch)?;
        Ok(tch::no_grad(|| teacher.forward_t(&input, true))?.necks)
    }

    fn objective(&self, batch: &TrainBatch) -> Result<Objective, TrainError> {
        if self.has(Fault::FixedBatchSize) && !batch.images.len().is_multiple_of(4) {
            return Err(TrainError::Config("shape '[4, 3, 44, 44, 11]' is invalid for this input".to_owned()));
        }
        let mut objective = self.trainer.objective(batch, true)?;
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
        let own = self.trainer.own_parameters();
        let all = self.trainer.optimized();
        if self.has(Fault::AdapterNotInOptimizer) { all[..own].to_vec() } else { all }
    }

    fn trial(&mut self, batch: &TrainBatch, imitate: bool) -> Result<Trial, TrainError> {
        let without = self.trainer.trial(batch, false)?;
        if !imitate || self.has(Fault::NoGradient) {
            return Ok(without);
        }
        let with = self.trainer.trial(batch, true)?;
        // Of its part in the step so much comes through.
        let times = match self.faults.as_slice() {
            [Fault::Subtracted] => -1.0,
            [Fault::LambdaDoubled] => 2.0,
            _ => return Ok(with),
        };
        let mixed = |with: Vec<Tensor>, without: Vec<Tensor>| {
            with.iter().zip(&without).map(|(with, without)| without + (with - without) * times).collect()
        };
        Ok(Trial {
            pulls: mixed(with.pulls, without.pulls),
            moves: mixed(with.moves, without.moves),
            batches: with.batches,
        })
    }

    fn step(&mut self, batch: &TrainBatch) -> Result<(), TrainError> {
        let keep: Vec<(Tensor, Tensor)> =
            self.trainer.adapters().into_iter().map(|(_, tensor)| (tensor.detach().copy(), tensor)).collect();
        self.trainer.step(batch)?;
        if self.has(Fault::AdapterNotInOptimizer) {
            tch::no_grad(|| keep.into_iter().for_each(|(before, mut tensor)| tensor.copy_(&before)));
        }
        if self.has(Fault::TeacherInTrainMode) {
            self.teacher_output(batch)?;
        }
        Ok(())
    }
}

fn examined(mut subject: impl Subject) -> Preflight {
    preflight(&mut subject, 0.5, &mut |_, _| ControlFlow::Continue(())).expect("answers").expect("not stopped")
}

fn with(faults: &[Fault]) -> Preflight {
    examined(Faulty { trainer: trainer(&config()), faults: faults.to_vec() })
}

fn red(preflight: &Preflight) -> Vec<&str> {
    preflight.checks.iter().filter(|check| check.status == Status::Red).map(|check| check.id).collect()
}

fn check<'a>(preflight: &'a Preflight, id: &str) -> &'a Check {
    preflight.checks.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("no check {id}"))
}

fn not_green(preflight: &Preflight) -> Vec<&Check> {
    preflight.checks.iter().filter(|check| check.status != Status::Green).collect()
}

fn left_out(preflight: &Preflight) -> Vec<&str> {
    preflight.not_applicable.iter().map(|check| check.id).collect()
}

/// Smaller, and the smallest birds are beyond the anchors' reach, which the check says.
fn healthy(imitation: ImitationConfig) -> Preflight {
    examined(trainer(&RunConfig { imgsz: 352, imitation, ..config() }))
}

#[test]
fn a_healthy_set_up_of_every_loss_is_green() {
    for loss in Loss::ALL {
        let found = healthy(ImitationConfig::of(loss));
        let unusual: Vec<&str> = not_green(&found).iter().map(|check| check.id).collect();
        // Raw outputs are asked to weigh five times the detection: unusual indeed, and said.
        let expected: &[&str] = if loss == Loss::LOGITS { &["gradient-balance"] } else { &[] };
        assert_eq!(unusual, expected, "{loss}: {:#?}", not_green(&found));
        assert_eq!(found.count(Status::Red), 0);
        if let [balance] = not_green(&found).as_slice() {
            assert!(balance.advice.contains("More is spent on imitation than on detection."), "{balance:#?}");
            assert!(balance.advice.ends_with("gives a ratio of 0.5."), "{balance:#?}");
        }
        assert!(found.lambda_for_ratio.is_some_and(|lambda| lambda > 0.0));
        let times = check(&found, "step").value.expect("a step");
        assert!((times - 1.0).abs() < 1e-3, "{loss}: {times}");

        // Every question is either asked or told to have no answer here.
        let mut ids: Vec<&str> = found.checks.iter().map(|check| check.id).chain(left_out(&found)).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
        assert_eq!(ids.len(), 22, "{ids:?}");
        let of_heads = loss.reads() == Reads::Head;
        assert_eq!(left_out(&found).contains(&"adapter-trained"), of_heads);
        assert!(left_out(&found).contains(&if of_heads { "features-agree" } else { "heads-agree" }));
        assert!(left_out(&found).contains(&"same-input"));
        let looked = found.imitation.as_ref().expect("an imitation");
        assert_eq!((looked.loss.as_str(), looked.reason.as_deref()), (loss.name(), None));
        let said = format!("imitation {loss} at the {}, mask source", if of_heads { "head" } else { "neck" });
        assert!(found.to_string().starts_with(&said), "{found}");
    }
}

#[test]
fn the_necks_gradient_never_reaches_detect() {
    // The neck of a YOLOv5 stands on layers 17, 20 and 23: Detect, layer 24, never hears of it.
    let reached = |found: &Preflight| -> Vec<usize> {
        found.layers.iter().filter(|layer| layer.imitation > 0.0).map(|layer| layer.layer).collect()
    };
    let neck = reached(&healthy(ImitationConfig::of(Loss::FEATURES)));
    assert!(neck.contains(&0) && neck.contains(&23) && !neck.contains(&24), "{neck:?}");
    let head = reached(&examined(trainer(&RunConfig { imitation: ImitationConfig::default(), ..config() })));
    assert!(head.contains(&0) && head.contains(&24), "{head:?}");
}

/// Of every optimizer, with gradients of one batch and of several.
#[test]
fn the_step_is_proved_for_every_optimizer() {
    for (optimizer, nominal_batch) in
        [(OptimizerKind::Sgd, 16), (OptimizerKind::Adam, 4), (OptimizerKind::AdamW, 4), (OptimizerKind::AdamW, 16)]
    {
        let asked = RunConfig { optimizer, nominal_batch, imitation: ImitationConfig::default(), ..config() };
        let found = examined(trainer(&asked));
        let step = check(&found, "step");
        assert_eq!(step.status, Status::Green, "{optimizer:?}: {step:#?}");
    }
}

/// The bound on the imitation's part is counted in: λ 1000 is held to 5 times the detection's gradient at most, or 2000.
#[test]
fn a_bounded_step_is_told_as_such() {
    let mut asked = config();
    asked.imitation.lambda = Lambda::Fixed(1e6);
    let found = examined(trainer(&asked));
    assert_eq!(check(&found, "gradient-balance").status, Status::Amber);
    assert_eq!(check(&found, "step").status, Status::Green, "{:#?}", check(&found, "step"));
}

/// Trying a step leaves everything as it was, to the last bit.
#[test]
fn a_trial_is_taken_back() {
    let mut subject = trainer(&config());
    let batch = subject.batch().expect("a batch");
    let state = |trainer: &Trainer| -> Vec<(String, Tensor)> {
        let mut all: Vec<(String, Tensor)> = trainer.student().var_store().variables().into_iter().collect();
        let average = trainer.average.network.var_store().variables();
        all.extend(average.into_iter().map(|(name, tensor)| (format!("average/{name}"), tensor)));
        all.extend(trainer.adapters());
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
    };
    let (before, progress) = (state(&subject), subject.progress.clone());
    let tried = subject.trial(&batch, true).expect("a step");
    assert!(tried.moves.iter().any(|moved| moved.abs().max().double_value(&[]) > 0.0));
    let after = state(&subject);
    assert!(before.iter().zip(&after).all(|((name, a), (other, b))| name == other && a.equal(b)));
    assert_eq!((subject.progress.clone(), subject.average.updates), (progress, 0));
    assert_eq!(subject.plan.config, trainer(&config()).plan.config);
    assert!(subject.moving().optimizer.state().is_empty());
    let gathered = subject.moving().gathered;
    assert!(gathered.detection.iter().chain(&gathered.imitation).all(Option::is_none));
}

#[test]
fn without_a_lambda_the_check_says_so() {
    let of = |change: fn(&mut ImitationConfig)| {
        let mut asked = config();
        change(&mut asked.imitation);
        examined(trainer(&asked))
    };
    for (change, says) in [
        ((|imitation| imitation.lambda = Lambda::Fixed(0.0)) as fn(&mut ImitationConfig), "lambda is 0: a step"),
        (|imitation| imitation.lambda = Lambda::GradientRatio(0.0), "lambda is 0: a step"),
        (|imitation| imitation.stop_step = Some(0), "it stops at step 0"),
    ] {
        let found = of(change);
        let step = check(&found, "step");
        assert!(step.status == Status::Red && step.message.contains(says), "{step:#?}");
        assert!(
            red(&found).iter().all(|id| ["step", "gradient-balance", "adapter-trained"].contains(id)),
            "{:?}",
            red(&found)
        );
    }
    // A λ that warms up is 0 at no step.
    let warming = of(|imitation| imitation.warmup_steps = 5);
    assert_eq!(check(&warming, "step").status, Status::Green, "{:#?}", check(&warming, "step"));
}

/// Every mask source, and what a batch without ground truths then means.
#[test]
fn masks_are_asked_of_where_they_come_from() {
    let of = |loss: Loss, mask_source| healthy(ImitationConfig { mask_source, ..ImitationConfig::of(loss) });
    let empty = |found: &Preflight| check(found, "empty-images").clone();
    for loss in [Loss::ANSWERS, Loss::FEATURES] {
        let found = of(loss, MaskSource::Box);
        assert_eq!(check(&found, "mask-place").status, Status::Green, "{:#?}", check(&found, "mask-place"));
        assert!(red(&found).is_empty(), "{loss}: {:?}", red(&found));
        let value = empty(&found).value.expect("a value");
        // Answers count objectness everywhere.
        assert_eq!(value > 0.0, loss == Loss::ANSWERS, "{value}");

        let found = of(loss, MaskSource::Teacher);
        assert!(left_out(&found).contains(&"mask-place") && left_out(&found).contains(&"mask-own-boxes"));
        assert!(check(&found, "mask-cells").message.contains("the teacher sees an object in"));
        assert!(red(&found).is_empty(), "{loss}: {:?}", red(&found));
        assert!(empty(&found).value.expect("a value") > 0.0);

        let found = of(loss, MaskSource::None);
        assert!(left_out(&found).contains(&"mask-cells") && red(&found).is_empty(), "{loss}: {:?}", red(&found));
    }
    // Boxes in which no cell has its centre.
    let shrunk = |batch: &mut TrainBatch| {
        for label in batch.images.iter_mut().flat_map(|image| &mut image.labels) {
            label.bbox = BoundingBox::new(1.0, 1.0, 2.0, 2.0);
        }
    };
    let config = RunConfig {
        imitation: ImitationConfig { mask_source: MaskSource::Box, ..ImitationConfig::of(Loss::FEATURES) },
        ..config()
    };
    let mut subject = trainer(&config);
    let mut batch = subject.batch().expect("a batch");
    shrunk(&mut batch);
    let counts: Vec<u64> = subject.masks(&batch).expect("masks").iter().map(|mask| mask.count).collect();
    assert!(counts.iter().all(|count| *count == 0), "{counts:?}");
}

/// The teacher of the sample data with its head's anchors or classes changed, as a file.
fn other_teacher(folder: &Path, names: &[&str], factor: f32) -> PathBuf {
    let base = RunConfig { teacher: None, student: sample("models/teacher.pt"), ..config() };
    let plan = RunPlan::make(&base, true, &mut |_, _| ControlFlow::Continue(())).expect("a plan").expect("not stopped");
    let mut description = plan.student.description.clone();
    description.names = names.iter().map(|&name| name.to_owned()).collect();
    for side in description.anchors_px.iter_mut().flatten().flatten() {
        *side *= factor;
    }
    let stem = folder.join("other");
    distillscope::train::output::write_student(&plan.student.network, &description, None, &stem).expect("weights");
    stem.with_extension("safetensors")
}

/// The same teacher with its classes in the opposite order, in names and in the rows of Detect.
fn turned_teacher(folder: &Path) -> PathBuf {
    let base = RunConfig { teacher: None, student: sample("models/teacher.pt"), ..config() };
    let plan = RunPlan::make(&base, true, &mut |_, _| ControlFlow::Continue(())).expect("a plan").expect("not stopped");
    let network = &plan.student.network;
    let (classes, mut description) = (network.names().len() as i64, plan.student.description.clone());
    description.names.reverse();
    let outputs = classes + 5;
    for (name, mut tensor) in network.var_store().variables() {
        if name.starts_with("model.24.m.") {
            let rows = tensor.size()[0];
            let place =
                |row: i64| if row % outputs < 5 { row } else { row - row % outputs + outputs + 4 - row % outputs };
            let places: Vec<i64> = (0..rows).map(place).collect();
            let moved = tensor.detach().index_select(0, &Tensor::from_slice(&places));
            tch::no_grad(|| tensor.copy_(&moved));
        }
    }
    let stem = folder.join("turned");
    distillscope::train::output::write_student(network, &description, None, &stem).expect("weights");
    stem.with_extension("safetensors")
}

fn planned(config: &RunConfig) -> Preflight {
    let mut go_on = |_: &str, _: Option<f32>| ControlFlow::Continue(());
    let plan = RunPlan::make(config, true, &mut go_on).expect("a plan").expect("not stopped");
    preflight_of(plan, 0.5, &mut |_, _| ControlFlow::Continue(())).expect("answers").expect("not stopped")
}

#[test]
fn heads_that_differ_are_red_in_the_words_of_the_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = trainer(&config()).plan.train.names.clone();
    let own: Vec<&str> = names.iter().map(String::as_str).collect();
    let with = |loss: Loss, names: &[&str], factor: f32| {
        let teacher = Some(other_teacher(folder.path(), names, factor));
        planned(&RunConfig { teacher, imitation: ImitationConfig::of(loss), ..config() })
    };
    let anchors = with(Loss::ANSWERS, &own, 1.5);
    let [only] = anchors.checks.as_slice() else { panic!("{:#?}", anchors.checks) };
    assert_eq!((only.id, only.status), ("heads-agree", Status::Red));
    let words = "the imitation loss answers compares heads, but the anchors of teacher and student differ at P3; use \
                 correlation at the neck";
    assert_eq!(only.message, words);
    assert!(anchors.to_string().contains("1 red, 0 amber, 0 green"), "{anchors}");
    // Where features are compared it is no fault, and said.
    let features = with(Loss::CORRELATION, &own, 1.5);
    assert!(red(&features).is_empty(), "{:?}", red(&features));
    let reason = features.imitation.as_ref().and_then(|looked| looked.reason.clone()).expect("a reason");
    assert_eq!(reason, "the anchors of teacher and student differ at P3");

    let strangers: Vec<String> = (0..own.len()).map(|at| format!("other{at}")).collect();
    let strangers: Vec<&str> = strangers.iter().map(String::as_str).collect();
    let none = with(Loss::ANSWERS, &strangers, 1.0);
    assert!(red(&none) == ["heads-agree"] && none.checks[0].message.contains("no class in common"), "{none}");
}

#[test]
fn class_order_counts_where_places_are_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = trainer(&config()).plan.train.names.clone();
    let mut turned: Vec<&str> = names.iter().map(String::as_str).collect();
    turned.reverse();
    let with = |loss: Loss, names: &[&str]| {
        let teacher = Some(other_teacher(folder.path(), names, 1.0));
        planned(&RunConfig { teacher, imitation: ImitationConfig::of(loss), ..config() })
    };
    let by_place = with(Loss::LOGITS, &turned);
    assert!(red(&by_place) == ["heads-agree"] && by_place.checks[0].message.contains("number or order"), "{by_place}");
    let by_name = with(Loss::ANSWERS, &turned);
    let heads = check(&by_name, "heads-agree");
    assert!(heads.status == Status::Green && heads.message.contains("matched by name"), "{heads:#?}");

    // One class under another name on the teacher's side.
    let mut renamed: Vec<&str> = names.iter().map(String::as_str).collect();
    renamed[0] = "something else";
    let found = with(Loss::ANSWERS, &renamed);
    let heads = check(&found, "heads-agree");
    assert_eq!(heads.status, Status::Amber);
    assert!(heads.advice.contains(&names[0]) && heads.advice.contains("something else"), "{heads:#?}");
    let trained = check(&found, "teacher-trained");
    assert!(trained.message.contains(&format!("for {}", names[1..].join(", "))), "{trained:#?}");
}

/// The teacher's loss follows its classes by name, so their order alone makes it no worse.
#[test]
fn a_teacher_is_judged_by_names_of_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = trainer(&config()).plan.train.names.clone();
    let own: Vec<&str> = names.iter().map(String::as_str).collect();
    let loss_of = |names: &[&str]| {
        let teacher = Some(other_teacher(folder.path(), names, 1.0));
        let found = planned(&RunConfig { teacher, imitation: ImitationConfig::default(), ..config() });
        check(&found, "teacher-trained").value.expect("a loss")
    };
    let mut turned = own.clone();
    turned.reverse();
    let (right, wrong) = (loss_of(&own), loss_of(&turned));
    // Its weights answer in the old order: under other names they are wrong, and the loss must say so.
    assert!(wrong > 1.05 * right, "{right} {wrong}");
    // With weights that answer in the new order it is the same teacher.
    let teacher = Some(turned_teacher(folder.path()));
    let found = planned(&RunConfig { teacher, imitation: ImitationConfig::default(), ..config() });
    let same = check(&found, "teacher-trained").value.expect("a loss");
    assert!((same / right - 1.0).abs() < 1e-4, "{right} {same}");
    assert!(check(&found, "heads-agree").message.contains("matched by name"));
    assert!(red(&found).is_empty(), "{:?}", red(&found));
}

/// What the preflight does not ask of a run, since it cannot fail there: the teacher is given bytes / 255, as the student.
#[test]
fn the_teacher_sees_the_pictures_of_the_batch() {
    let mut subject = trainer(&RunConfig { imitation: ImitationConfig::default(), ..config() });
    let batch = subject.batch().expect("a batch");
    let side = i64::from(batch.input.width);
    let pixels: Vec<f32> = batch.pixels.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let picture = Tensor::from_slice(&pixels).view([-1, side, side, 3]).permute([0, 3, 1, 2]);
    let [of_student, of_teacher] = subject.inputs(&batch).expect("inputs");
    assert!((&of_student - &picture).abs().max().double_value(&[]) < 1e-6);
    assert_eq!(of_student.data_ptr(), of_teacher.data_ptr());
    let heads = subject.distiller().expect("a teacher").teacher().forward(&picture).expect("heads").heads;
    for (teacher_output, head) in subject.teacher_output(&batch).expect("a lesson").iter().zip(&heads) {
        assert!((teacher_output - head).abs().max().double_value(&[]) < 1e-3);
    }
}

#[test]
fn a_preflight_says_how_far_it_is_and_stops_where_it_is_asked_to() {
    // With a fit, so that every stage has its turn.
    let config = RunConfig { imitation: ImitationConfig::of(Loss::FEATURES), ..config() };
    let mut heard: Vec<(String, f32)> = Vec::new();
    let found = preflight(&mut trainer(&config), 0.5, &mut |what, fraction| {
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
        let stopped = preflight(&mut trainer(&config), 0.5, &mut |_, _| {
            calls += 1;
            if calls > at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((stopped.expect("no error"), calls), (None, at + 1), "and nothing more is asked of it");
    }
}

/// Nothing is fitted where there is nothing to fit: the tap head has no adapters.
#[test]
fn the_head_needs_no_fit() {
    let of = |imitation: ImitationConfig| trainer(&RunConfig { imitation, ..config() }).fitted_images();
    let images = trainer(&config()).plan.train.samples.len().min(64);
    let fits = ImitationConfig::of(Loss::FEATURES);
    assert_eq!(of(fits.clone()), images);
    assert_eq!(of(fits.clone().with_loss(Loss::LOGITS)), 0);
    assert_eq!(of(ImitationConfig { normalise: true, ..fits.clone() }.with_loss(Loss::LOGITS)), images);
    assert_eq!(of(ImitationConfig { adapter_start: AdapterStart::Random, ..fits }), 0);
}

/// The λ that a preflight names for a ratio is the one at which that ratio is measured.
#[test]
fn the_lambda_for_a_ratio_reaches_it() {
    let ratio_at = |lambda: Lambda| {
        let mut config = config();
        config.imitation.lambda = lambda;
        let found = examined(trainer(&config));
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
        (Fault::Subtracted, "step", "a step goes against the imitation's gradient, by −1.00 times lambda"),
        (Fault::LambdaDoubled, "step", "a step holds 2.00 times lambda times"),
        (Fault::NoGradient, "step", "a step with the imitation is the same as one without"),
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
    let found = examined(trainer(&untrained));
    assert_eq!(check(&found, "teacher-trained").status, Status::Red, "{:#?}", check(&found, "teacher-trained"));

    // The two exchanged: the teacher knows less than its student.
    let exchanged =
        RunConfig { teacher: Some(sample("models/student.pt")), student: sample("models/teacher.pt"), ..config() };
    let found = examined(trainer(&exchanged));
    let trained = check(&found, "teacher-trained");
    assert!(trained.status == Status::Amber && trained.advice.contains("little to learn"), "{trained:#?}");
    assert_eq!(check(&found, "teacher-differs").status, Status::Amber);

    let same = RunConfig { teacher: Some(sample("models/student.pt")), ..config() };
    let found = examined(trainer(&same));
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
