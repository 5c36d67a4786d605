//! A review as text: rows for a spreadsheet, a table for a person.

use std::fmt::Write as _;

use super::doctor::Finding;
use super::matching::Seen;
use super::records::{ModelReview, Review};
use super::sums::{Change, Group, Pairing, Sums, pairings};
use crate::format::{self, csv_field};

/// A row for each object.
pub fn objects_csv(review: &Review) -> String {
    let mut text = String::from("image,label,class,x1,y1,x2,y2,area,size,scale,mask_cells");
    for ModelReview { role, .. } in &review.models {
        for column in ["outcome", "confidence", "iou"] {
            text += &format!(",{}", csv_field(&format!("{role}_{column}")));
        }
    }
    text.push('\n');
    for object in &review.objects {
        let [x1, y1, x2, y2] = object.label.bbox.as_xyxy();
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "{},{},{},{x1},{y1},{x2},{y2},{},{},{},{}",
            csv_field(&review.images[object.image].path.to_string_lossy()),
            object.index,
            csv_field(&review.names[object.label.class]),
            object.label.bbox.area(),
            object.size.name(),
            object.scale.map_or("", |scale| review.scales[scale].as_str()),
            object.mask_cells
        );
        for outcome in &object.outcomes {
            let kind = outcome.map_or("", |outcome| outcome.kind.name());
            let (score, iou) = seen_fields(outcome.and_then(|outcome| outcome.seen));
            let _ = write!(text, ",{kind},{score},{iou}");
        }
        text.push('\n');
    }
    text
}

/// A row for each label that is worth a look.
pub fn doctor_csv(review: &Review, findings: &[Finding]) -> String {
    let mut text = String::from("suspicion,strength,image,label,class,teacher_class,confidence,iou,x1,y1,x2,y2\n");
    for finding in findings {
        let object = finding.object.map(|index| &review.objects[index]);
        let name = |class: Option<usize>| csv_field(class.map_or("", |class| review.names[class].as_str()));
        let (score, iou) = seen_fields(finding.teacher);
        let [x1, y1, x2, y2] = finding.bbox.as_xyxy();
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{score},{iou},{x1},{y1},{x2},{y2}",
            finding.suspicion.name(),
            finding.strength,
            csv_field(&review.images[finding.image].path.to_string_lossy()),
            object.map_or_else(String::new, |object| object.index.to_string()),
            name(object.map(|object| object.label.class)),
            name(finding.teacher.map(|seen| seen.detection.class))
        );
    }
    text
}

/// Confidence and IoU; empty for what was not seen.
fn seen_fields(seen: Option<Seen>) -> (String, String) {
    seen.map_or_else(Default::default, |seen| (seen.detection.score.to_string(), seen.iou.to_string()))
}

/// Characters of a name in the table; the JSON has all of it.
const MAX_NAME: usize = 40;
/// Images that a person is shown.
const SHOWN: usize = 5;

/// Models, classes, sizes and scales, what each model won and lost, and the images where most was lost.
pub fn table(review: &Review, sums: &Sums, findings: &[Finding]) -> String {
    let name = |text: &str| format::outside(text, MAX_NAME);
    let groups: Vec<&Group> =
        sums.by_class.iter().chain(&sums.by_size).chain(&sums.by_scale).chain([&sums.all]).collect();
    let roles = review.models.iter().map(|model| name(&model.role));
    let width = roles.clone().chain(groups.iter().map(|group| name(&group.name)));
    let width = width.map(|name| name.chars().count()).max().unwrap_or(0).max(7);
    let looked_at = review.images.iter().filter(|image| image.error.is_none()).count();
    let mut text = format!(
        "{looked_at} of {} images, {} objects\n\n{:<width$}  {:>7}  {:>8}  {:>7}  {:>11}  {:>13}  {:>7}  {:>10}  {:>10}",
        review.images_of_split,
        sums.all.objects,
        "model",
        "mAP50",
        "mAP50-95",
        "found",
        "wrong class",
        "poorly placed",
        "missed",
        "background",
        "duplicates"
    );
    for (index, model) in review.models.iter().enumerate() {
        let figure = |value: f64| if review.has_labels() { format!("{value:.4}") } else { "-".to_owned() };
        let [found, wrong_class, poorly_placed, missed] = sums.all.outcomes[index];
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "\n{:<width$}  {:>7}  {:>8}  {found:>7}  {wrong_class:>11}  {poorly_placed:>13}  {missed:>7}  {:>10}  {:>10}",
            name(&model.role),
            figure(model.evaluation.map50),
            figure(model.evaluation.map50_95),
            review.strays(index, false),
            review.strays(index, true)
        );
    }
    if !review.has_labels() {
        return text;
    }
    for (at, Pairing { of, against }) in pairings(review.models.len()).into_iter().enumerate() {
        let [of, against] = [of, against].map(|model| name(&review.models[model].role));
        let _ = write!(
            text,
            "\n\n{of} against {against}\n{:<width$}  {:>7}  {:>7}  {:>7}  {:>7}  {:>7}",
            "objects", "all", "won", "lost", "kept", "never"
        );
        for group in &groups {
            let [won, lost, kept, never] = group.changes[at];
            let (label, all) = (name(&group.name), group.objects);
            let _ = write!(text, "\n{label:<width$}  {all:>7}  {won:>7}  {lost:>7}  {kept:>7}  {never:>7}");
        }
    }
    // The last model against the first: after a run, the run against the teacher.
    let most_lost = most_lost(review, review.models.len() - 1, 0);
    if !most_lost.is_empty() {
        let [of, against] = [review.models.len() - 1, 0].map(|model| name(&review.models[model].role));
        let _ = write!(text, "\n\nmost lost by {of} against {against}");
        for (image, lost) in most_lost.into_iter().take(SHOWN) {
            let path = format::outside(&review.images[image].path.to_string_lossy(), 4 * MAX_NAME);
            let _ = write!(text, "\n{lost:>7}  {path}");
        }
    }
    if !findings.is_empty() {
        let _ = write!(text, "\n\n{} labels are worth a look (--json, --doctor)", findings.len());
    }
    text
}

/// Images by how many objects one model lost against another, most first: (image, objects); those without any are left out.
pub fn most_lost(review: &Review, of: usize, against: usize) -> Vec<(usize, usize)> {
    let mut lost = vec![0_usize; review.images.len()];
    for object in &review.objects {
        lost[object.image] += usize::from(object.change(against, of) == Some(Change::Lost));
    }
    let mut lost: Vec<(usize, usize)> = lost.into_iter().enumerate().filter(|(_, lost)| *lost > 0).collect();
    lost.sort_by_key(|(_, lost)| std::cmp::Reverse(*lost));
    lost
}
