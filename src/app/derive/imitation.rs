//! What is imitated, as the window chooses it: which loss two models call for, and why one refuses them.

use std::path::Path;

use crate::app::state::State;
use crate::imitation::choice::{Loss, Mismatch, loss_mismatch};
use crate::inspect::Role;
use crate::language::{t, tr};

/// Why the next run's loss cannot compare its two models, as far as these are the ones that are open.
pub fn refusal_of_run(state: &State) -> Option<Mismatch> {
    let config = &state.runs.form.experiment.config;
    let is_open = |role, path: &Path| state.model(role).path() == Some(path);
    let known = is_open(Role::Teacher, config.teacher.as_deref()?) && is_open(Role::Student, &config.student);
    let [teacher, student] = state.pair().filter(|_| known)?;
    loss_mismatch(config.imitation.loss, teacher, student)
}

/// Why the loss is not the usual one; `None` where it is, or where a person has chosen it.
pub fn reason(state: &State) -> Option<String> {
    let why = state.heads_differ.as_ref().filter(|_| !state.loss_is_chosen)?;
    let (loss, tap) = (state.imitation.compared.loss, tr(state.imitation.compared.tap.name()));
    Some(t!("{loss} at the {tap}, because {why}.", loss, tap, why = said(why)))
}

/// That a loss cannot compare two models, and what can.
pub fn refused(loss: Loss, why: &Mismatch) -> String {
    t!(
        "{loss} compares heads, but {why}; {other} compares the neck.",
        loss,
        why = said(why),
        other = Loss::FOR_OTHER_HEADS
    )
}

fn said(mismatch: &Mismatch) -> String {
    match mismatch {
        Mismatch::Anchors { scale } => t!("the anchors of teacher and student differ at {scale}", scale),
        Mismatch::NoSharedClass { teacher, student } => {
            t!("teacher and student have no class in common ({teacher} and {student})", teacher, student)
        }
        Mismatch::Classes { teacher, student } => {
            t!("their classes differ in number or order ({teacher} and {student} classes)", teacher, student)
        }
    }
}
