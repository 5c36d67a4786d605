//! The teacher and the adapters: is there something to learn from, and what moves when a step is made.

use std::collections::HashMap;

use tch::{TchError, Tensor, no_grad};

use super::report::{Check, Preflight};
use super::steps::{Steps, Stop};
use super::subject::{Extents, Subject};
use crate::dataset::TrainBatch;
use crate::format::significant;
use crate::imitation::loss::SharedClasses;
use crate::train::TrainError;
use crate::yolo::anchors::AnchorScale;
use crate::yolo::assign::Target;
use crate::yolo::loss::DetectionLoss;
use crate::yolo::network::Network;

/// A trained model's loss is well below a random one's: at most this share of it.
const TRAINED: f64 = 0.85;

pub(super) fn check(
    subject: &mut dyn Subject,
    Extents { part, few, .. }: &Extents,
    preflight: &mut Preflight,
    steps: &mut Steps<'_>,
) -> Result<(), Stop> {
    if subject.trainer().distiller().is_none() {
        return Ok(());
    }
    let losses = Losses::of(subject, part, steps)?;
    preflight.checks.push(losses.trained());
    preflight.checks.push(differs(subject, &losses)?);
    steps.at("the teacher's statistics", 0.5)?;
    preflight.checks.push(eval_mode(subject, part)?);
    steps.at("a step of the optimizer", 0.74)?;
    after_a_step(subject, few, preflight)?;
    Ok(())
}

/// Detection losses on the batch, statistics frozen.
struct Losses {
    /// `None` where the scales differ or no class is shared, so that the loss has no meaning.
    teacher: Option<f64>,
    /// Classes that both know, where these are not simply all.
    shared: Option<Vec<String>>,
    student: f64,
    /// The student's network with random weights.
    random: f64,
}

impl Losses {
    fn of(subject: &dyn Subject, batch: &TrainBatch, steps: &mut Steps<'_>) -> Result<Self, Stop> {
        steps.at("the teacher's loss", 0.0)?;
        let trainer = subject.trainer();
        let [of_student, of_teacher] = subject.inputs(batch)?;
        let student = trainer.student();
        let classes = SharedClasses::of(student.names(), trainer.distiller().map_or(&[], |d| d.teacher().names()));
        let common = Common::of(&classes, subject.targets(batch));
        let gains = trainer.gains();
        let loss = |heads: &[Tensor], scales: &[AnchorScale], places: &[i64]| -> Result<f64, TrainError> {
            let heads = heads.iter().map(|head| common.of_head(head, places)).collect::<Result<Vec<_>, TchError>>()?;
            let own = DetectionLoss::new(scales, common.classes, gains.clone());
            Ok(own.terms(&heads, &common.targets)?.values()?.iter().sum())
        };
        let random = Network::build(student.spec(), student.device())?;
        random.initialise(trainer.plan.config.seed.wrapping_add(1))?;
        let of_network = |network: &Network| {
            let heads = no_grad(|| network.forward_t(&of_student, false).map(|f| f.heads))?;
            loss(&heads, student.scales(), &classes.student)
        };
        // The loss sums over scales and places: it can be asked of a teacher with the same.
        let comparable = |model: &&Network| {
            let strides =
                |scales: &[AnchorScale]| scales.iter().map(|s| (s.stride, s.anchors.len())).collect::<Vec<_>>();
            !classes.is_empty() && strides(model.scales()) == strides(student.scales())
        };
        let teacher = trainer.distiller().map(|distiller| distiller.teacher());
        let teacher = match teacher.filter(comparable) {
            Some(model) => {
                let heads = no_grad(|| model.forward(&of_teacher))?.heads;
                Some(loss(&heads, model.scales(), &classes.teacher)?)
            }
            None => None,
        };
        steps.at("the losses of the student and of random weights", 0.31)?;
        let shared = (common.restricts && teacher.is_some()).then(|| {
            classes.student.iter().filter_map(|place| student.names().get(*place as usize).cloned()).collect()
        });
        Ok(Self { teacher, shared, student: of_network(student)?, random: of_network(&random)? })
    }

    fn trained(&self) -> Check {
        let title = "Is the teacher trained, and better than the student?";
        let Some(teacher) = self.teacher else {
            let message =
                "the teacher has other scales or no class of these data, so its detection loss on them has no meaning";
            return Check::green("teacher-trained", title, None, message).amber("Compare both models with `val`.");
        };
        let Self { student, random, shared, .. } = self;
        let of_shared = shared.as_ref().map_or_else(String::new, |names| format!(" for {}", names.join(", ")));
        let message = format!(
            "detection loss on the batch{of_shared}: teacher {}, student {}, random weights {}",
            significant(teacher),
            significant(*student),
            significant(*random)
        );
        let check = Check::green("teacher-trained", title, teacher, message);
        if teacher.is_nan() || teacher > TRAINED * random {
            check.red(
                "The teacher is not much better than random weights: were its weights loaded, are these its classes and its \
                 data?",
            )
        } else if teacher >= *student {
            check.amber("The student already does as well as the teacher on this batch: there may be little to learn.")
        } else {
            check
        }
    }
}

/// What two models with other classes can be judged by: the classes that both know, in one order.
struct Common {
    classes: usize,
    targets: Vec<Target>,
    /// Whether any class is left out or moved.
    restricts: bool,
}

impl Common {
    fn of(classes: &SharedClasses, targets: Vec<Target>) -> Self {
        let restricts = !classes.are_aligned() && !classes.is_empty();
        if !restricts {
            return Self { classes: classes.of_student, targets, restricts };
        }
        let moved = |target: Target| {
            let class = classes.student.iter().position(|place| *place == target.class as i64)?;
            Some(Target { class, ..target })
        };
        Self { classes: classes.len(), targets: targets.into_iter().filter_map(moved).collect(), restricts }
    }

    /// [B, A, H, W, 5 + nc] with the classes at `places` alone.
    fn of_head(&self, head: &Tensor, places: &[i64]) -> Result<Tensor, TchError> {
        if !self.restricts {
            return Ok(head.shallow_clone());
        }
        let kept: Vec<i64> = (0..5).chain(places.iter().map(|place| place + 5)).collect();
        head.f_index_select(-1, &Tensor::f_from_slice(&kept)?.f_to_device(head.device())?)
    }
}

/// Whether there are two models.
fn differs(subject: &dyn Subject, losses: &Losses) -> Result<Check, TrainError> {
    let trainer = subject.trainer();
    let student = trainer.student();
    let teacher = trainer.distiller().map(|distiller| distiller.teacher());
    let parameters = teacher.map_or(0, Network::parameters);
    let times = parameters as f64 / student.parameters().max(1) as f64;
    let message = format!("the teacher has {} times the student's parameters", significant(times));
    let check = Check::green("teacher-differs", "Is the teacher another model than the student?", times, message);
    let Some(teacher) = teacher else { return Ok(check) };
    if teacher.spec() != student.spec() {
        return Ok(if times < 1.0 {
            check.amber("The teacher is smaller than the student: are they exchanged?")
        } else {
            check
        });
    }
    // The student's statistics have moved already: it has seen the batch in train mode.
    let (of_teacher, of_student) = (teacher.var_store().variables(), student.var_store().variables());
    let same = same_where(&of_teacher, &of_student, |name| !name.contains(".running_"))?;
    let message = if same {
        "teacher and student are the same model with the same weights".to_owned()
    } else {
        "the teacher is built from the student's config".to_owned()
    };
    let check = Check { message, ..check };
    let better = losses.teacher.is_some_and(|teacher| teacher < losses.student);
    Ok(if same || !better {
        check.red("Give the teacher's own checkpoint: there is nothing to learn from a copy of the student.")
    } else {
        check.amber("Same architecture, other weights: fine if you mean to distil a model into itself.")
    })
}

fn copied(tensors: &HashMap<String, Tensor>) -> Result<HashMap<String, Tensor>, TchError> {
    tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensor.f_detach_copy()?))).collect()
}

/// Whether every tensor that counts is bit for bit the one of its name.
fn same_where(
    before: &HashMap<String, Tensor>,
    after: &HashMap<String, Tensor>,
    counts: impl Fn(&str) -> bool,
) -> Result<bool, TchError> {
    for (name, tensor) in after.iter().filter(|(name, _)| counts(name)) {
        let same = match before.get(name) {
            Some(before) => before.f_equal(tensor)?,
            None => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// In eval mode an image's features do not depend on the others of its batch.
fn eval_mode(subject: &dyn Subject, batch: &TrainBatch) -> Result<Check, TrainError> {
    let (two, one) = (subject.teacher_output(&batch.first(2))?, subject.teacher_output(&batch.first(1))?);
    let mut apart = 0.0_f64;
    for (two, one) in two.iter().zip(&one) {
        let first = two.f_narrow(0, 0, 1)?;
        let difference = first.f_sub(one)?.f_norm()?.f_double_value(&[])?;
        apart = apart.max(difference / one.f_norm()?.f_double_value(&[])?.max(f64::MIN_POSITIVE));
    }
    let message = "the teacher says the same of an image whatever else is in the batch: its statistics are frozen";
    let check = Check::green("teacher-eval", "Is the teacher in eval mode?", apart, message);
    if apart <= 1e-3 {
        return Ok(check);
    }
    let message = format!(
        "the teacher's features of one image change by {} % with the images beside it",
        significant(100.0 * apart)
    );
    Ok(Check { message, ..check }
        .red("Put the teacher in eval mode: in train mode batch-norm takes the batch's statistics."))
}

/// What a step of the optimizer moves, and what it must not.
fn after_a_step(subject: &mut dyn Subject, batch: &TrainBatch, preflight: &mut Preflight) -> Result<(), TrainError> {
    let teacher_tensors = |subject: &dyn Subject| subject.trainer().distiller().map(|d| d.teacher_tensors());
    let student_tensors = |subject: &dyn Subject| subject.trainer().student().var_store().variables();
    let teacher_before = teacher_tensors(subject).as_ref().map(copied).transpose()?;
    let adapters = subject.adapters();
    let before: Vec<Tensor> =
        adapters.iter().map(|(_, tensor)| tensor.f_detach_copy()).collect::<Result<_, TchError>>()?;
    let student_before = copied(&student_tensors(subject))?;
    subject.step(batch)?;

    let checks = &mut preflight.checks;
    let moved = !same_where(&student_before, &student_tensors(subject), |_| true)?;
    let message = if moved { "a step changes the student" } else { "a step leaves the student as it was" };
    checks.push(
        Check::green("student-trained", "Does a step move the student?", None, message)
            .or_red(moved, "Everything is frozen, or the learning rate is 0."),
    );

    let title = "Are the adapters trained?";
    if !adapters.is_empty() {
        let optimized = subject.optimized();
        let missing = adapters.iter().filter(|(name, _)| !optimized.contains(name)).count();
        // How far each scale's adapter moved, weight or bias: a loss that standardises has no use for a bias.
        let mut moved: Vec<(&str, f64)> = Vec::new();
        for ((name, tensor), before) in adapters.iter().zip(&before) {
            let norm = tensor.f_sub(before)?.f_norm()?.f_double_value(&[])?;
            let scale = name.split('.').next().unwrap_or_default();
            match moved.iter_mut().find(|(known, _)| *known == scale) {
                Some((_, most)) => *most = most.max(norm),
                None => moved.push((scale, norm)),
            }
        }
        let still = moved.iter().filter(|(_, norm)| *norm == 0.0).count();
        let change = moved.iter().map(|(_, norm)| *norm).fold(0.0, f64::max);
        let message =
            format!("{} adapters are in the optimizer and moved by a step: {} tensors", moved.len(), adapters.len());
        let check = Check::green("adapter-trained", title, change, message);
        let message = format!(
            "{missing} of {} adapter tensors are not in the optimizer, {still} of {} adapters did not move",
            adapters.len(),
            moved.len()
        );
        // A scale without a masked cell in this batch leaves its adapter where it is.
        let all_still = still == moved.len();
        checks.push(if missing > 0 {
            Check { message, ..check }
                .red("Give the adapters' parameters to the optimizer: otherwise the student imitates through a fixed random map.")
        } else if all_still {
            Check { message, ..check }.red("No adapter has a gradient: is lambda 0, or does no cell count?")
        } else if still > 0 {
            Check { message, ..check }.amber("A scale without imitated cells in this batch has no gradient for its adapter.")
        } else {
            check
        });
    }

    let title = "Does the teacher stay as it is?";
    if let (Some(before), Some(after)) = (teacher_before, teacher_tensors(subject)) {
        let same = same_where(&before, &after, |_| true)?;
        let message = if same {
            format!(
                "all {} tensors of the teacher, statistics included, are bit for bit the same after a step",
                before.len()
            )
        } else {
            "the teacher's weights or batch-norm statistics changed in a step".to_owned()
        };
        checks.push(
            Check::green("teacher-frozen", title, None, message)
                .or_red(same, "Put the teacher in eval mode and leave its parameters out of the optimizer."),
        );
    }
    if adapters.is_empty() {
        preflight.leave_out("adapter-trained", "A loss of heads needs no adapter.");
    }
    Ok(())
}
