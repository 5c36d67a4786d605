//! Ground truths, classes, anchors, and what the two models are given.

use tch::Kind;

use super::report::{Check, Preflight};
use super::steps::{Steps, Stop};
use super::subject::{Extents, Subject};
use crate::dataset::{Label, TrainBatch};
use crate::format::significant;
use crate::imitation::loss::Reads;
use crate::train::TrainError;
use crate::yolo::anchors::{AnchorFit, AnchorScale};

/// Below this the anchors belong to another task.
const POOR_RECALL: f64 = 0.5;
/// By so much better must anchors fit in another unit to be told to be in it.
const CLEARLY: f64 = 1.25;

pub(super) fn check(
    subject: &mut dyn Subject,
    Extents { whole, .. }: &Extents,
    preflight: &mut Preflight,
    steps: &mut Steps<'_>,
) -> Result<(), Stop> {
    steps.at("ground truths, classes and anchors", 0.0)?;
    super::compared::check(subject, preflight);
    let checks = &mut preflight.checks;
    checks.push(names(subject));
    checks.push(targets_classes(subject, whole));
    checks.push(targets_boxes(subject, whole));
    checks.push(anchors(subject));
    steps.at("the input of both models", 0.3)?;
    inputs(subject, whole, preflight)?;
    Ok(())
}

fn names(subject: &dyn Subject) -> Check {
    let trainer = subject.trainer();
    let data = &trainer.plan.train.names;
    let student = trainer.plan.student.source.as_ref().map(|source| ("student's file", source.model.names.as_slice()));
    // Where heads are compared, what the teacher's classes mean is asked of its head.
    let teacher = trainer.distiller().filter(|distiller| distiller.loss().reads() == Reads::Features);
    let teacher = teacher.map(|distiller| ("teacher", distiller.teacher().names()));
    let others: Vec<(&str, &[String])> = student.into_iter().chain(teacher).collect();
    let agree = match others.iter().map(|(role, _)| *role).collect::<Vec<_>>().join(" and ") {
        roles if roles.is_empty() => format!("the data have {} classes: {}", data.len(), data.join(", ")),
        roles => format!("data and {roles} agree on {} classes: {}", data.len(), data.join(", ")),
    };
    let check = Check::green("class-names", "Do data and models mean the same classes?", data.len() as f64, agree);
    for (role, names) in others {
        if names.len() != data.len() {
            let message = format!("the {role} has {} classes, the data {}", names.len(), data.len());
            return Check { message, ..check }
                .amber("Features of other classes can be imitated, but they may say little here.");
        }
        if names != data.as_slice() {
            let differs = names.iter().zip(data).find(|(a, b)| a != b);
            let (theirs, ours) = differs.map_or(("", ""), |(a, b)| (a.as_str(), b.as_str()));
            let message = format!("the {role} says '{theirs}' where the data say '{ours}'");
            return Check { message, ..check }
                .amber("Check that the order of the classes is the same; a name alone does not matter.");
        }
    }
    check
}

/// Ground truths of the batch with the place of their image.
fn labels(batch: &TrainBatch) -> Vec<(usize, Label)> {
    let of_image = |(image, labelled): (usize, &crate::dataset::BatchImage)| {
        labelled.labels.iter().map(|label| (image, *label)).collect::<Vec<_>>()
    };
    batch.images.iter().enumerate().flat_map(of_image).collect()
}

fn targets_classes(subject: &dyn Subject, batch: &TrainBatch) -> Check {
    let (labels, targets) = (labels(batch), subject.targets(batch));
    let count = |class: usize| labels.iter().filter(|(_, label)| label.class == class).count();
    let answered = |class: usize| targets.iter().filter(|target| target.class == class).count();
    let names = &subject.trainer().plan.train.names;
    let seen: Vec<usize> = (0..names.len()).filter(|class| count(*class) > 0).collect();
    let wrong = (0..names.len()).find(|class| count(*class) != answered(*class));
    let listed = seen.iter().map(|class| format!("{} {}", count(*class), names[*class])).collect::<Vec<_>>().join(", ");
    let message = format!("{} ground truths of {} classes reach the loss: {listed}", targets.len(), seen.len());
    let check =
        Check::green("target-classes", "Does every ground truth keep its class?", targets.len() as f64, message);
    match wrong {
        _ if labels.is_empty() => Check { message: "the first batch has no ground truth at all".to_owned(), ..check }
            .amber("Look at the batch; a larger batch or a better split may be needed."),
        Some(class) => {
            let message = format!(
                "{} ground truths of the batch are of class '{}', but {} reach the loss as such",
                count(class),
                names[class],
                answered(class)
            );
            Check { message, ..check }.red("A single-class switch or a wrong column turns classes into others.")
        }
        None => check,
    }
}

fn targets_boxes(subject: &dyn Subject, batch: &TrainBatch) -> Check {
    let (width, height) = (f64::from(batch.input.width), f64::from(batch.input.height));
    let (labels, targets) = (labels(batch), subject.targets(batch));
    // In float64 and from the definition: centre and size of the corners.
    let off = labels.iter().zip(&targets).map(|((image, label), target)| {
        let [x1, y1, x2, y2] = label.bbox.as_xyxy().map(f64::from);
        let wanted = [(x1 + x2) / 2.0 / width, (y1 + y2) / 2.0 / height, (x2 - x1) / width, (y2 - y1) / height];
        let scale = [width, height, width, height];
        let off = (0..4).map(|i| (wanted[i] - f64::from(target.xywh[i])).abs() * scale[i]).fold(0.0, f64::max);
        if *image == target.image { off } else { f64::INFINITY }
    });
    let off = off.fold(0.0, f64::max);
    let message = format!("the loss sees every box where the batch has it, to {} px", significant(off));
    let check = Check::green("target-boxes", "Does the loss see the boxes where they are?", off, message);
    if targets.len() != labels.len() {
        let message = format!("{} of {} ground truths reach the loss", targets.len(), labels.len());
        return Check { message, ..check }.red("Ground truths are lost on the way from the batch to the loss.");
    }
    let message = format!("the loss sees a box {} px from where the batch has it", significant(off));
    if off <= 0.01 {
        check
    } else {
        Check { message, ..check }
            .red("A conversion between corners and centres is wrong, for one that writes into its own input.")
    }
}

fn anchors(subject: &dyn Subject) -> Check {
    let trainer = subject.trainer();
    let sizes = trainer.plan.train.sizes_in(trainer.plan.input);
    let anchors = subject.anchors();
    let factor = trainer.plan.config.hyp.anchor_t;
    let fit = AnchorFit::of(&sizes, &anchors, factor);
    let message = format!(
        "{} of the ground truths lie within a factor of {factor} of an anchor (best possible recall); the mean best IoU \
         is {}, {} anchors a ground truth",
        percent(fit.recall),
        significant(fit.mean_iou),
        significant(fit.anchors_per_truth)
    );
    let check = Check::green("anchors", "Do the anchors fit the objects?", fit.recall, message);
    let in_unit = |unit: fn(f32) -> f32| {
        let side = |scale: &AnchorScale| AnchorScale {
            anchors: scale.anchors.iter().map(|anchor| anchor.map(|side| side * unit(scale.stride as f32))).collect(),
            ..*scale
        };
        AnchorFit::of(&sizes, &anchors.iter().map(side).collect::<Vec<_>>(), factor).mean_iou > CLEARLY * fit.mean_iou
    };
    // No anchor of any scale as large as a cell: nobody builds such a model.
    let below_a_cell = |scale: &AnchorScale| scale.anchors.iter().flatten().all(|side| *side < scale.stride as f32);
    let wrong_unit = if anchors.iter().all(below_a_cell) || in_unit(|stride| stride) {
        Some(("in cells", "multiplied by"))
    } else if in_unit(|stride| 1.0 / stride) {
        Some(("multiplied by their stride twice", "divided by"))
    } else {
        None
    };
    if let Some((unit, how)) = wrong_unit {
        let message = format!("the anchors are {unit}: {how} their strides they would fit the ground truths");
        return Check { message, ..check }.red("Masks and targets need anchors in px of the input.");
    }
    if fit.recall < POOR_RECALL {
        check.red("The anchors belong to another task or another image size: look at the layer Anchors.")
    } else if !fit.is_good() {
        check.amber("YOLOv5's autoanchor would make new ones; the objects that no anchor reaches teach nothing.")
    } else {
        check
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn inputs(subject: &dyn Subject, batch: &TrainBatch, preflight: &mut Preflight) -> Result<(), TrainError> {
    let [student, teacher] = subject.inputs(batch)?;
    if student.data_ptr() == teacher.data_ptr() && student.size() == teacher.size() {
        preflight.leave_out("same-input", "Both models are given one and the same tensor.");
    } else {
        preflight.checks.push(same_input(&student, &teacher)?);
    }
    Ok(())
}

fn same_input(student: &tch::Tensor, teacher: &tch::Tensor) -> Result<Check, TrainError> {
    let value = |tensor: tch::Tensor| tensor.f_double_value(&[]);
    let (low, high) = (value(student.f_min()?)?, value(student.f_max()?)?);
    let shape = student.size().iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
    let message =
        format!("both models see the same tensor, {shape}, from {} to {}", significant(low), significant(high));
    let check = Check::green("same-input", "Do student and teacher see the same picture?", high, message);
    if student.size() != teacher.size() {
        let message = format!("the student sees {:?}, the teacher {:?}", student.size(), teacher.size());
        return Ok(Check { message, ..check }.red("Give both the same letterboxed image."));
    }
    let apart = value(student.f_sub(teacher)?.f_abs()?.f_max()?.f_to_kind(Kind::Double)?)?;
    if apart > 0.0 {
        let message = format!("their inputs differ by up to {}", significant(apart));
        return Ok(Check { value: Some(apart), message, ..check }
            .red("One of them is normalised or augmented otherwise: give both the same tensor."));
    }
    let in_range = low >= 0.0 && high <= 1.0 && high > 1.0 / 255.0 * 2.0;
    Ok(check.or_red(in_range, "YOLOv5 expects pixels from 0 to 1: divide bytes by 255, once."))
}
