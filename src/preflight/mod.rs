//! Proof that a distillation distils, on a batch or two, before it runs.
//!
//! Every check asks the set-up itself, through [`Subject`], and measures what it does: gradients are taken, a step is
//! made, masks are computed again by another way. [`data`] looks at ground truths, classes and anchors, [`masks`] at the
//! imitated cells, [`gradients`] at the losses, [`models`] at teacher and adapters. A check says what was measured, what
//! it means, and what to do: [`report`].

mod data;
mod gradients;
mod masks;
mod models;
pub mod report;
mod subject;

use std::ops::ControlFlow;

pub use subject::Subject;

pub use report::{Check, Preflight, Status};

use crate::dataset::TrainBatch;
use crate::train::TrainError;

/// So much is measured with gradients: 16 images of 320 × 320 px, 4 of 640 × 640 px. It keeps a preflight to seconds; what the
/// data say is asked of the whole batch.
const MEASURED_PX: usize = 16 * 320 * 320;
/// But never of fewer images than this.
const FEWEST: usize = 2;

/// One group of checks.
type Group = fn(&mut dyn Subject, &TrainBatch, &mut Preflight) -> Result<(), TrainError>;

/// The last one makes a step, after which nothing is as it was.
const GROUPS: [(&str, Group, Extent); 4] = [
    ("ground truths, classes and anchors", data::check, Extent::Whole),
    ("masks", masks::check, Extent::Whole),
    ("losses and gradients", gradients::check, Extent::Part),
    ("teacher and adapters", models::check, Extent::Part),
];

/// How much of the batch a group looks at.
#[derive(Clone, Copy)]
enum Extent {
    Whole,
    Part,
}

/// Runs every check on the first batch that the run would see. `ratio` is the gradient ratio whose λ is asked for.
/// `progress` hears what is being looked at and how far it is, and may break it off: `None` then.
///
/// What is measured changes the subject: take it for nothing else afterwards.
pub fn preflight(
    subject: &mut dyn Subject,
    ratio: f64,
    progress: &mut dyn FnMut(&str, f32) -> ControlFlow<()>,
) -> Result<Option<Preflight>, TrainError> {
    let begin = std::time::Instant::now();
    let mut preflight = Preflight { ratio, ..Preflight::default() };
    if subject.start(&mut |fraction| progress("fitting the adapters", 0.4 * fraction))?.is_break() {
        return Ok(None);
    }
    let whole = subject.batch()?;
    let pixels = (whole.input.width * whole.input.height).max(1) as usize;
    let part = whole.first((MEASURED_PX / pixels).max(FEWEST));
    for (index, (what, group, extent)) in GROUPS.into_iter().enumerate() {
        if progress(what, 0.4 + 0.6 * index as f32 / GROUPS.len() as f32).is_break() {
            return Ok(None);
        }
        let batch = match extent {
            Extent::Whole => &whole,
            Extent::Part => &part,
        };
        group(subject, batch, &mut preflight)?;
    }
    preflight.seconds = begin.elapsed().as_secs_f64();
    Ok(Some(preflight))
}
