//! Proof that a distillation distils, on a batch or two, before it runs.
//!
//! Every check asks the set-up itself, through [`Subject`], and measures what it does: gradients are taken, a step is
//! made, masks are computed again by another way. [`data`] looks at ground truths, classes and anchors, [`masks`] at the
//! imitated cells, [`gradients`] at the losses, [`step`] at what the optimizer makes of them, [`models`] at teacher and
//! adapters, [`compared`] at whether the two models can be compared at all. A check says what was measured, what it means,
//! and what to do: [`report`]. One that could not fail on the set-up does not apply and is told apart from the green ones.

mod compared;
mod data;
mod gradients;
mod masks;
mod models;
pub mod report;
mod step;
mod steps;
mod subject;

use std::ops::ControlFlow;
use std::time::Instant;

pub use subject::Subject;

pub use report::{Check, Images, Looked, NotApplicable, Preflight, Status, Timing};

use crate::train::TrainError;
use crate::train::config::RunConfig;
use crate::train::plan::RunPlan;
use crate::train::trainer::Trainer;
use steps::{Hear, Steps, Stop};
use subject::Extents;

/// So much goes through the models with gradients: 16 images of 320 × 320 px, 4 of 640 × 640 px. It keeps a preflight to
/// seconds; what the data say is asked of the whole batch.
const MEASURED_PX: usize = 16 * 320 * 320;
/// The adapters are fitted on so much at most: how good a fit is follows from its cells, of which a larger image has more.
/// Of blood cells at 640 px, 8 images give the λ for a ratio that 64 give, to 2.3 %.
const FITTED_PX: usize = 8 * 640 * 640;
/// But never on fewer images than this.
const FEWEST: usize = 2;

/// One group of checks.
type Group = fn(&mut dyn Subject, &Extents, &mut Preflight, &mut Steps<'_>) -> Result<(), Stop>;

/// Each with the share of the time that it takes, measured with YOLOv5s and YOLOv5n at 640 px on a CPU. The last one makes a step, after which nothing is as it was.
const GROUPS: [(&str, Group, f32); 4] = [
    ("ground truths, classes and anchors", data::check, 0.04),
    ("masks", masks::check, 0.01),
    ("losses and gradients", gradients::check, 0.65),
    ("teacher and adapters", models::check, 0.32),
];
/// The same for what comes before.
const FIT: (&str, f32) = ("fitting the adapters", 0.4);
const BATCH: (&str, f32) = ("augmenting", 0.07);

/// Runs every check on the first batch that the run would see. `ratio` is the gradient ratio whose λ is asked for.
/// `progress` hears what is being looked at and how far it is, every second or so on a CPU, and may break it off: `None`
/// then.
///
/// What is measured changes the subject: take it for nothing else afterwards.
pub fn preflight(
    subject: &mut dyn Subject,
    ratio: f64,
    progress: &mut dyn FnMut(&str, f32) -> ControlFlow<()>,
) -> Result<Option<Preflight>, TrainError> {
    match examine(subject, ratio, progress) {
        Ok(preflight) => Ok(Some(preflight)),
        Err(Stop::Asked) => Ok(None),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// The same of a run that is planned. Two models that cannot be compared are an answer too: one red check, in the words of
/// the error that the run would end in.
pub fn preflight_of(
    plan: RunPlan,
    ratio: f64,
    progress: &mut dyn FnMut(&str, f32) -> ControlFlow<()>,
) -> Result<Option<Preflight>, TrainError> {
    let looked = compared::looked(&plan.config.imitation, plan.teacher.as_ref(), &plan.student.network);
    let loss = plan.config.imitation.loss;
    // What is checked is what was meant, not what TF32 rounds.
    let config = RunConfig { tf32: false, ..plan.config.clone() };
    match Trainer::new(RunPlan { config, ..plan }) {
        Ok(mut trainer) => preflight(&mut trainer, ratio, progress),
        Err(TrainError::Config(what)) => {
            let checks = vec![compared::refused(loss, what)];
            Ok(Some(Preflight { imitation: looked, checks, ratio, ..Preflight::default() }))
        }
        Err(error) => Err(error),
    }
}

fn examine(subject: &mut dyn Subject, ratio: f64, hear: &mut Hear<'_>) -> Result<Preflight, Stop> {
    let begin = Instant::now();
    let input = subject.trainer().plan.input;
    let images = |pixels: usize| (pixels / (input.width * input.height).max(1) as usize).max(FEWEST);
    let fit_of_run = subject.trainer().fitted_images();
    let fitted = fit_of_run.min(images(FITTED_PX));

    let fit_share = if fitted > 0 { FIT.1 } else { 0.0 };
    let all = fit_share + BATCH.1 + GROUPS.iter().map(|(_, _, share)| share).sum::<f32>();
    let mut steps = Steps::new(hear, all);
    let mut preflight = Preflight { imitation: looked(subject.trainer()), ratio, ..Preflight::default() };

    let clock = steps.enter(fit_share);
    if subject.start(fitted, &mut |inside| steps.hear(FIT.0, inside))?.is_break() {
        return Err(Stop::Asked);
    }
    if fitted > 0 {
        preflight.timings.push(clock.stop(FIT.0));
    }
    let clock = steps.enter(BATCH.1);
    steps.at(BATCH.0, 0.0)?;
    let whole = subject.batch()?;
    let part = whole.first(images(MEASURED_PX));
    let few = part.picked(masks::telling(&subject.masks(&part)?, &part)?);
    preflight.timings.push(clock.stop(BATCH.0));
    preflight.images =
        Images { batch: whole.images.len(), measured: part.images.len(), fitted, fitted_by_run: fit_of_run };
    let extents = Extents { whole, part, few };
    for (what, group, share) in GROUPS {
        let clock = steps.enter(share);
        group(subject, &extents, &mut preflight, &mut steps)?;
        preflight.timings.push(clock.stop(what));
    }
    preflight.seconds = begin.elapsed().as_secs_f64();
    Ok(preflight)
}

fn looked(trainer: &Trainer) -> Option<Looked> {
    let teacher = trainer.distiller().map(|distiller| distiller.teacher());
    compared::looked(&trainer.plan.config.imitation, teacher, trainer.student())
}
