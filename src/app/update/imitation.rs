//! The loss that fits the two models.

use crate::app::derive::imitation::{reason, refused};
use crate::app::level::Level;
use crate::app::state::State;
use crate::app::update::effect::{Effect, tell};
use crate::imitation::choice::{default_loss, heads_mismatch, loss_mismatch};
use crate::language::t;

/// Until a person chooses one, the loss is the one that the two models call for. What keeps their heads from being compared
/// is said once.
pub(super) fn follow_loss(state: &mut State, effects: &mut Vec<Effect>) {
    let Some([teacher, student]) = state.pair() else {
        (state.heads_differ, state.refusal) = (None, None);
        return;
    };
    let (now, usual) = (state.imitation.compared.loss, default_loss(teacher, student).loss);
    let loss = if state.loss_is_chosen { now } else { usual };
    let (differ, refusal) = (heads_mismatch(teacher, student), loss_mismatch(loss, teacher, student));
    if loss != now {
        state.imitation.set_loss(loss);
    }
    if (&state.heads_differ, &state.refusal) == (&differ, &refusal) {
        return;
    }
    (state.heads_differ, state.refusal) = (differ, refusal);
    if let Some(text) = state.refusal.as_ref().map(|why| refused(loss, why)).or_else(|| reason(state)) {
        tell(state, Level::Warning, t!("the two models"), text, effects);
    }
}
