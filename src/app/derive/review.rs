//! What a review would be asked for now, and whether the one that is shown is of what is open.

use std::path::PathBuf;

use crate::app::state::State;
use crate::dataset::Split;
use crate::inspect::Role;
use crate::language::{key, t};
use crate::review::{MaskRule, ReviewOptions};
use crate::worker::ReviewRequest;

/// Runs that are looked at beside teacher and student.
const MOST_RUNS: usize = 4;
/// Fewer than on the command line, which takes 32: a stop is heard after each batch, and the window stays quick beside it.
const BATCH: usize = 8;
/// As the command line has them.
const CONFIDENCE: f32 = 0.25;
const IOU: f32 = 0.5;

/// What a review would be asked for now, or why it cannot be.
pub fn wanted(state: &State) -> Result<ReviewRequest, &'static str> {
    const NO_DATA: &str = key!("Open a dataset or a folder of images first.");
    const NO_MODELS: &str = key!("Open a teacher and a student first.");
    let data = state.dataset.source.clone().ok_or(NO_DATA)?;
    let brief = state.dataset.brief.as_ref().ok_or(NO_DATA)?;
    let split = brief.split.as_ref().and_then(|split| Split::ALL.into_iter().find(|known| known.name() == split));
    let path = |role| state.model(role).path().map(PathBuf::from).ok_or(NO_MODELS);
    let mask = state.imitation.mask;
    Ok(ReviewRequest {
        data,
        split,
        teacher: path(Role::Teacher)?,
        student: path(Role::Student)?,
        runs: runs(state),
        device: state.device_choice.clone(),
        options: ReviewOptions {
            imgsz: state.input_side,
            batch: BATCH,
            confidence: CONFIDENCE,
            iou: IOU,
            mask: MaskRule { psi: mask.psi, level_rule: mask.rule, convention: mask.convention },
        },
    })
}

/// The runs that have ended, the newest first; of a pair the imitation before its baseline. Each has a name of its own.
fn runs(state: &State) -> Vec<(String, PathBuf)> {
    let mut ended: Vec<_> = state.runs.histories.iter().filter(|history| history.has_finished()).collect();
    ended.sort_by_key(|history| (std::cmp::Reverse(history.experiment), history.id.seed, history.is_baseline()));
    let mut runs: Vec<(String, PathBuf)> = Vec::new();
    for history in ended {
        let Some(folder) = history.place() else { continue };
        if runs.iter().all(|(name, known)| *name != history.name && known != folder) {
            runs.push((history.name.clone(), folder.to_owned()));
        }
    }
    runs.truncate(MOST_RUNS);
    runs
}

impl State {
    /// Why the review that is shown is not one of what is open; `None` where it is.
    pub fn review_is_stale(&self) -> Option<&'static str> {
        let of = &self.review.result.as_ref()?.request;
        let Ok(now) = wanted(self) else { return Some(t!("another dataset")) };
        if of.data != now.data {
            Some(t!("another dataset"))
        } else if of.split != now.split {
            Some(t!("another split"))
        } else if (&of.teacher, &of.student) != (&now.teacher, &now.student) {
            Some(t!("other models"))
        } else if of.runs != now.runs {
            Some(t!("other runs"))
        } else if of.options.imgsz != now.options.imgsz {
            Some(t!("another input size"))
        } else if of.options.mask != now.options.mask {
            Some(t!("another mask"))
        } else {
            None
        }
    }
}
