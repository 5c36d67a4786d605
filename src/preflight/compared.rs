//! Whether what is imitated can be compared between the two models.

use super::report::{Check, Looked, Preflight};
use super::subject::Subject;
use crate::imitation::choice::{ModelFacts, heads_differ};
use crate::imitation::loss::{Loss, Reads};
use crate::train::config::ImitationConfig;
use crate::train::distil::Distiller;
use crate::train::trainer::Trainer;
use crate::yolo::network::Network;

const HEADS: (&str, &str) = ("heads-agree", "Do the heads of teacher and student mean the same?");
const FEATURES: (&str, &str) = ("features-agree", "Can the features of teacher and student be compared?");
const ADVICE: &str = "Choose what both models have, or a teacher that was trained for the same task.";

/// Which imitation it is, and why not the usual one. `None` without a teacher.
pub(super) fn looked(config: &ImitationConfig, teacher: Option<&Network>, student: &Network) -> Option<Looked> {
    let teacher = teacher?;
    Some(Looked {
        loss: config.loss.to_string(),
        tap: config.tap.name(),
        mask_source: config.mask_source.name(),
        reason: heads_differ(
            ModelFacts { scales: teacher.scales(), names: teacher.names() },
            ModelFacts { scales: student.scales(), names: student.names() },
        ),
    })
}

fn of_loss(loss: Loss) -> (&'static str, &'static str) {
    match loss.reads() {
        Reads::Head => HEADS,
        Reads::Features => FEATURES,
    }
}

/// The answer where no run can be made of the two models.
pub(super) fn refused(loss: Loss, what: String) -> Check {
    let (id, title) = of_loss(loss);
    Check::green(id, title, None, what).red(ADVICE)
}

pub(super) fn check(subject: &dyn Subject, preflight: &mut Preflight) {
    let trainer = subject.trainer();
    let Some(distiller) = trainer.distiller() else { return };
    match distiller.loss().reads() {
        Reads::Head => {
            preflight.leave_out(FEATURES.0, "Heads are compared, not features.");
            preflight.checks.push(heads(trainer, distiller));
        }
        Reads::Features => {
            preflight.leave_out(HEADS.0, "Features are compared, not heads.");
            preflight.checks.push(features(subject, distiller));
        }
    }
}

/// Differing anchors, and classes of which none is shared, were refused before.
fn heads(trainer: &Trainer, distiller: &Distiller) -> Check {
    let (teacher, student) = (distiller.teacher().names(), trainer.student().names());
    let missing = |names: &[String], of: &[String]| -> Vec<String> {
        names.iter().filter(|name| !of.contains(name)).cloned().collect()
    };
    let (unknown, unused) = (missing(student, teacher), missing(teacher, student));
    let classes = distiller.classes();
    let order = if classes.are_aligned() { "in the same order" } else { "matched by name, since the order differs" };
    let message = format!(
        "the anchors are the same at {}; {} classes are shared, {order}",
        distiller.names().join(", "),
        classes.len()
    );
    let check = Check::green(HEADS.0, HEADS.1, classes.len() as f64, message);
    let check = match (unknown.as_slice(), unused.as_slice()) {
        ([], []) => check,
        ([], _) => check.amber(format!("The teacher's classes {} are left out.", unused.join(", "))),
        (_, []) => check.amber(format!("The teacher says nothing of {}.", unknown.join(", "))),
        _ => check.amber(format!(
            "The teacher says nothing of {}, and its classes {} are left out: the same under another name?",
            unknown.join(", "),
            unused.join(", ")
        )),
    };
    lacking(trainer, distiller, check)
}

fn features(subject: &dyn Subject, distiller: &Distiller) -> Check {
    let through: Vec<String> = subject
        .adapters()
        .iter()
        .filter_map(|(name, tensor)| {
            let scale = name.strip_suffix(".weight")?.to_uppercase();
            let [to, from, ..] = tensor.size()[..] else { return None };
            Some(format!("{scale} {from} to {to}"))
        })
        .collect();
    let scales = distiller.names().len();
    let message =
        format!("{scales} scales are compared, each through an adapter of its channels: {}", through.join(", "));
    lacking(subject.trainer(), distiller, Check::green(FEATURES.0, FEATURES.1, scales as f64, message))
}

/// Amber where the teacher lacks a scale of the student.
fn lacking(trainer: &Trainer, distiller: &Distiller, check: Check) -> Check {
    let imitated = distiller.names();
    let scales = trainer.student().scales().iter().map(|scale| scale.name());
    let lacking: Vec<String> = scales.filter(|name| !imitated.contains(name)).collect();
    if lacking.is_empty() {
        return check;
    }
    let advice =
        format!("{} Nothing is imitated at {}: the teacher has no such scale.", check.advice, lacking.join(", "));
    check.amber(advice.trim_start())
}
