//! Reviews made by hand, for the tests of what is read out of them.

use std::path::PathBuf;

use super::confusion::Confusion;
use super::doctor::{Suspicion, findings};
use super::matching::{Outcome, OutcomeKind, Seen, Stray};
use super::report::{Report, Source};
use super::sums::Sums;
use super::text::{doctor_csv, most_lost, objects_csv, table};
use super::*;
use crate::dataset::Label;
use crate::geometry::BoundingBox;
use crate::survey::ObjectSize;
use crate::train::evaluate::Evaluation;
use crate::yolo::detection::Detection;

/// A model of no curves that knows three classes.
pub(super) fn model(role: &str) -> ModelReview {
    ModelReview {
        role: role.to_owned(),
        path: PathBuf::from(format!("{role}.pt")),
        evaluation: Evaluation { map50: 0.5, map50_95: 0.25, ..Evaluation::default() },
        curves: vec![None; 3],
        confusion: Confusion::new(3),
        calibration: Calibration::of(&[], 0.25),
        knows: vec![true; 3],
    }
}

fn bbox(x1: f32) -> BoundingBox {
    BoundingBox::new(x1, 0.0, x1 + 10.0, 10.0)
}

fn detection(class: usize, score: f32, x1: f32) -> Detection {
    Detection { class, score, bbox: bbox(x1) }
}

fn outcome(kind: OutcomeKind, score: f32, iou: f32, class: usize) -> Option<Outcome> {
    let seen = (kind != OutcomeKind::Missed).then(|| Seen { detection: detection(class, score, 1.0), iou });
    Some(Outcome { kind, seen })
}

fn object(image: usize, index: usize, outcomes: [Option<Outcome>; 2], highest_score: f32) -> Object {
    let label = Label { class: 0, bbox: bbox(0.0) };
    Object {
        image,
        index,
        label,
        size: ObjectSize::of(&label.bbox),
        scale: Some(0),
        mask_cells: 8,
        outcomes: outcomes.to_vec(),
        highest_score,
    }
}

/// Two images: what each object became for teacher and student, and two predictions of the teacher's without an object.
fn small() -> Review {
    use OutcomeKind::{Found, PoorlyPlaced, WrongClass};
    let missed = Some(Outcome::MISSED);
    let image = |path: &str, objects: usize| ImageReview {
        path: PathBuf::from(path),
        error: None,
        objects,
        mask_cells: vec![8],
        distance: Some(0.25),
        losses: vec![0.5, 1.5],
    };
    let stray = |image, score, iou: f32, is_duplicate| Unmatched {
        image,
        model: 0,
        stray: Stray { detection: detection(1, score, 40.0), nearest: (iou > 0.0).then_some((0, iou)), is_duplicate },
    };
    Review {
        models: vec![model("teacher"), model("student")],
        names: vec!["cat".into(), "dog, small".into(), "cow".into()],
        scales: vec!["P3".into()],
        images: vec![image("a.jpg", 3), image("b.jpg", 2), ImageReview::unusable("c.jpg".into(), "cut short".into())],
        objects: vec![
            object(0, 0, [outcome(Found, 0.9, 0.8, 0), missed], 0.9),
            object(0, 1, [outcome(WrongClass, 0.75, 0.7, 1), missed], 0.75),
            object(0, 2, [outcome(PoorlyPlaced, 0.8, 0.25, 0), outcome(Found, 0.6, 0.9, 0)], 0.6),
            object(1, 0, [missed, missed], 0.125),
            object(1, 1, [missed, outcome(PoorlyPlaced, 0.9, 0.3, 0)], 0.0),
        ],
        unmatched: vec![stray(0, 0.95, 0.0, false), stray(1, 0.99, 0.2, false), stray(1, 0.97, 0.6, true)],
        images_of_split: 3,
        notes: Vec::new(),
    }
}

#[test]
fn labels_that_the_teacher_disagrees_with_by_hand() {
    let found: Vec<_> =
        findings(&small()).iter().map(|finding| (finding.suspicion, finding.strength, finding.object)).collect();
    // A prediction that lies near a label is no absent label, and where the student sees something somebody sees it.
    let expected = [
        (Suspicion::LabelAbsent, 0.95, None),
        (Suspicion::NobodySees, 0.875, Some(3)),
        (Suspicion::OtherClass, 0.75, Some(1)),
        (Suspicion::BoxOff, 0.6, Some(2)),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!((found.0, found.2), (expected.0, expected.2));
        assert!((found.1 - expected.1).abs() < 1e-6, "{found:?}");
    }
}

#[test]
fn a_teacher_that_is_not_sure_and_data_without_labels_suspect_nothing() {
    let mut review = small();
    for object in &mut review.objects {
        for seen in object.outcomes.iter_mut().flatten().filter_map(|outcome| outcome.seen.as_mut()) {
            seen.detection.score = 0.49;
        }
    }
    review.unmatched.iter_mut().for_each(|unmatched| unmatched.stray.detection.score = 0.49);
    let left: Vec<_> = findings(&review).iter().map(|finding| finding.suspicion).collect();
    assert_eq!(left, [Suspicion::NobodySees]);
    review.objects.clear();
    review.unmatched[0].stray.detection.score = 0.9;
    assert_eq!(findings(&review), []);
}

#[test]
fn the_report_has_what_the_schema_says() {
    let review = small();
    let options = ReviewOptions { imgsz: 640, batch: 1, confidence: 0.25, iou: 0.5, mask: MaskRule::default() };
    let (sums, findings) = (Sums::of(&review), findings(&review));
    let source = Source { data: "data.yaml".as_ref(), split: Some("val"), options: &options };
    let report = serde_json::to_value(Report::new(&review, &source, &sums, &findings)).expect("JSON");
    assert_eq!(report["schema"], "distillscope.review/1");
    assert_eq!((&report["complete"], &report["models"][0]["map50"]), (&true.into(), &0.5.into()));
    let model = &report["models"][0];
    assert_eq!((&model["background"], &model["duplicate"]), (&2.into(), &1.into()));
    let object = &report["objects"][1];
    assert_eq!((&object["class"], &object["area"], &object["size"]), (&"cat".into(), &100.0.into(), &"small".into()));
    assert_eq!((&object["scale"], &object["mask_cells"]), (&"P3".into(), &8.into()));
    let teacher = &object["outcomes"]["teacher"];
    assert_eq!((&teacher["outcome"], &teacher["class"]), (&"wrong-class".into(), &"dog, small".into()));
    assert_eq!(teacher["confidence"], 0.75);
    assert_eq!(object["outcomes"]["student"]["outcome"], "missed");
    assert!(object["outcomes"]["student"]["iou"].is_null());
    assert_eq!(report["images"][2]["error"], "cut short");
    assert!(report["images"][2]["loss"]["student"].is_null());
    assert_eq!(report["images"][0]["loss"]["student"], 1.5);
    let counts = &report["images"][0]["counts"]["teacher"];
    assert_eq!((&counts["found"], &counts["wrong-class"], &counts["background"]), (&1.into(), &1.into(), &1.into()));
    let kinds: Vec<_> = report["unmatched"].as_array().expect("a list").iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(kinds, ["background", "background", "duplicate"]);
    let change = &report["sums"]["all"]["changes"][0];
    assert_eq!((&change["of"], &change["won"], &change["lost"]), (&"student".into(), &1.into(), &1.into()));
    assert_eq!((&change["kept"], &change["never"]), (&0.into(), &3.into()));
    assert_eq!(report["doctor"][0]["suspicion"], "label-absent");
    assert_eq!(report["curves"]["x"].as_array().map(Vec::len), Some(1000));
    assert_eq!(report["confusion"]["names"][3], "background");
}

#[test]
fn without_labels_nothing_is_measured() {
    let review = Review { objects: Vec::new(), ..small() };
    let options = ReviewOptions { imgsz: 640, batch: 1, confidence: 0.25, iou: 0.5, mask: MaskRule::default() };
    let source = Source { data: "images".as_ref(), split: None, options: &options };
    let sums = Sums::of(&review);
    let report = serde_json::to_value(Report::new(&review, &source, &sums, &[])).expect("JSON");
    assert!(report["models"][0]["map50"].is_null() && report["split"].is_null());
    assert_eq!(report["unmatched"][0]["kind"], "unlabelled");
    assert!(!table(&review, &sums, &[]).contains("against"));
}

#[test]
fn rows_and_table_say_the_same() {
    let review = small();
    let csv = objects_csv(&review);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 6);
    assert!(lines[0].ends_with(
        "mask_cells,teacher_outcome,teacher_confidence,teacher_iou,student_outcome,student_confidence,student_iou"
    ));
    assert_eq!(lines[1], "a.jpg,0,cat,0,0,10,10,100,small,P3,8,found,0.9,0.8,missed,,");
    let findings = findings(&review);
    let doctor = doctor_csv(&review, &findings);
    assert_eq!(doctor.lines().nth(1), Some("label-absent,0.95,a.jpg,,,\"dog, small\",0.95,0,40,0,50,10"));
    assert_eq!(doctor.lines().nth(2), Some("nobody-sees-it,0.875,b.jpg,0,cat,,,,0,0,10,10"));
    assert_eq!(most_lost(&review, 1, 0), [(0, 1)]);
    let text = table(&review, &Sums::of(&review), &findings);
    assert!(text.starts_with("2 of 3 images, 5 objects"), "{text}");
    let student: Vec<&str> =
        text.lines().find(|line| line.starts_with("student ")).expect("a row").split_whitespace().collect();
    assert_eq!(student, ["student", "0.5000", "0.2500", "1", "0", "1", "3", "0", "0"]);
    assert!(text.contains("most lost by student against teacher\n      1  a.jpg"), "{text}");
    assert!(text.contains("4 labels are worth a look"), "{text}");
}
