//! The words of the method, each in one sentence: the tooltip wherever one stands as a label, and a line of the sheet
//! of terms. Choices that have names of their own (a tap, a level rule, a layer) explain themselves where they are
//! defined.

use crate::language::key;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    // What is looked at.
    Teacher,
    Student,
    GroundTruth,
    Letterbox,
    Scale,
    Cell,
    Anchor,
    // Which cells are imitated.
    Iou,
    IouConvention,
    BestIou,
    Psi,
    Threshold,
    LevelRule,
    Hits,
    Mask,
    MaskCells,
    Positives,
    BestPossibleRecall,
    // What is compared there.
    Tap,
    Adapter,
    Difference,
    R2,
    R2LeaveOneOut,
    Distance,
    // A run.
    Lambda,
    GradientRatio,
    LambdaWarmUp,
    Step,
    Epoch,
    Batch,
    NominalBatch,
    Seed,
    Pair,
    Averaged,
    Objectness,
    Map50,
    Map50To95,
}

impl Term {
    /// All of them, by what they are about: the parts of the sheet.
    pub const GROUPS: [(&'static str, &'static [Self]); 4] = [
        (
            key!("Models and objects"),
            &[Self::Teacher, Self::Student, Self::GroundTruth, Self::Letterbox, Self::Scale, Self::Cell, Self::Anchor],
        ),
        (
            key!("Which cells are imitated"),
            &[
                Self::Iou,
                Self::IouConvention,
                Self::BestIou,
                Self::Psi,
                Self::Threshold,
                Self::LevelRule,
                Self::Hits,
                Self::Mask,
                Self::MaskCells,
                Self::Positives,
                Self::BestPossibleRecall,
            ],
        ),
        (
            key!("What is compared"),
            &[Self::Tap, Self::Adapter, Self::Difference, Self::R2, Self::R2LeaveOneOut, Self::Distance],
        ),
        (
            key!("A run"),
            &[
                Self::Lambda,
                Self::GradientRatio,
                Self::LambdaWarmUp,
                Self::Step,
                Self::Epoch,
                Self::Batch,
                Self::NominalBatch,
                Self::Seed,
                Self::Pair,
                Self::Averaged,
                Self::Objectness,
                Self::Map50,
                Self::Map50To95,
            ],
        ),
    ];

    /// As the sheet lists it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Teacher => key!("teacher"),
            Self::Student => key!("student"),
            Self::GroundTruth => key!("ground truth"),
            Self::Letterbox => key!("letterbox"),
            Self::Scale => key!("scale (P3, P4, …), stride"),
            Self::Cell => key!("cell"),
            Self::Anchor => key!("anchor"),
            Self::Iou => "IoU",
            Self::IouConvention => key!("IoU convention"),
            Self::BestIou => "M",
            Self::Psi => "ψ",
            Self::Threshold => key!("threshold F = ψM"),
            Self::LevelRule => key!("level rule"),
            Self::Hits => key!("hits"),
            Self::Mask => key!("imitation mask"),
            Self::MaskCells => key!("mask cells N"),
            Self::Positives => key!("positives"),
            Self::BestPossibleRecall => key!("best possible recall"),
            Self::Tap => key!("tap"),
            Self::Adapter => key!("adapter"),
            Self::Difference => key!("difference"),
            Self::R2 => "R²",
            Self::R2LeaveOneOut => key!("R² l.o.o."),
            Self::Distance => key!("distance"),
            Self::Lambda => "λ",
            Self::GradientRatio => key!("gradient ratio"),
            Self::LambdaWarmUp => key!("λ warm-up"),
            Self::Step => key!("step"),
            Self::Epoch => key!("epoch"),
            Self::Batch => key!("batch"),
            Self::NominalBatch => key!("nominal batch"),
            Self::Seed => key!("seed"),
            Self::Pair => key!("paired run, twin"),
            Self::Averaged => key!("averaged weights (EMA)"),
            Self::Objectness => key!("objectness"),
            Self::Map50 => "mAP50",
            Self::Map50To95 => "mAP50-95",
        }
    }

    /// What it is, in one sentence.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Teacher => key!("The trained model whose features are imitated; it stays as it is."),
            Self::Student => {
                key!("The smaller model, which learns to detect and to have the teacher's features near objects.")
            }
            Self::GroundTruth => key!("An object as it is labelled: its box and its class."),
            Self::Letterbox => {
                key!("How an image of any shape fits the square input: scaled as a whole, the rest padded with grey.")
            }
            Self::Scale => key!(
                "A feature map of the detector; one of P3's cells covers 8 × 8 input px (stride 8), of P4's 16 × 16, of P5's 32 × 32."
            ),
            Self::Cell => key!(
                "One place of a feature map; its centre lies at column and row plus one half, times the stride, in input px."
            ),
            Self::Anchor => key!(
                "A box shape, width × height in input px, from which the detector predicts; each cell of a scale has the same ones."
            ),
            Self::Iou => {
                key!("Intersection over union: the area that two boxes share over the area that they cover together.")
            }
            Self::IouConvention => key!("How the overlap of an anchor and a box is measured."),
            Self::BestIou => key!("Best IoU of any anchor at any cell of any scale."),
            Self::Psi => key!("The threshold: cells with an IoU above ψ times the largest one are imitated."),
            Self::Threshold => key!(
                "ψ times M: an anchor with a greater IoU marks its cell; under the per-scale rule each scale has its own."
            ),
            Self::LevelRule => key!("Which scales a ground truth marks."),
            Self::Hits => key!("Anchors above a ground truth's threshold, over all ground truths."),
            Self::Mask => key!("The cells at which the student imitates the teacher: those near objects."),
            Self::MaskCells => {
                key!("Cells of the mask on a scale; the sum of squared differences over them is divided by 2N.")
            }
            Self::Positives => key!(
                "The cells that YOLOv5 trains to predict a ground truth: the one of its centre and two neighbours, for anchors of its size."
            ),
            Self::BestPossibleRecall => key!(
                "The share of ground truths that lie within a factor of 4 of an anchor: no others can be learned as positives."
            ),
            Self::Tap => key!("Where in the networks the features are taken."),
            Self::Adapter => key!("How student channels become teacher channels: a linear convolution on each scale."),
            Self::Difference => key!("How the two feature vectors of a cell are set against each other."),
            Self::R2 => key!("Share of the teacher's variance that the adapter explains on this image's cells."),
            Self::R2LeaveOneOut => key!("R² with each cell left out of the fit that predicts it: the honest figure."),
            Self::Distance => {
                key!("Imitation loss at λ = 1: how far the student is from the teacher, over what the loss counts.")
            }
            Self::Lambda => {
                key!("The weight of the imitation loss; its meaning depends on the scale of the teacher's features.")
            }
            Self::GradientRatio => key!(
                "How strongly the imitation pulls at the student, against the detection loss: the ratio of the gradients' norms."
            ),
            Self::LambdaWarmUp => key!("Steps over which λ grows from 0."),
            Self::Step => key!("One batch through student and teacher, and the gradients that it gives."),
            Self::Epoch => key!("Every training image once."),
            Self::Batch => key!("The images that a step learns from."),
            Self::NominalBatch => key!("Gradients are gathered until about so many images have gone through."),
            Self::Seed => key!(
                "The number that all random draws of a run follow from: two runs with one seed on the CPU are the same to the last bit."
            ),
            Self::Pair => key!("Each seed is trained twice: the twin has λ = 0, and nothing else differs."),
            Self::Averaged => key!("An exponential moving average of the weights is evaluated and saved."),
            Self::Objectness => key!(
                "How sure a prediction is that there is an object; its loss says how well the student knows where objects are."
            ),
            Self::Map50 => key!(
                "Mean average precision: precision averaged over recall and classes, where a find counts from an IoU of 0.5 with its ground truth."
            ),
            Self::Map50To95 => key!(
                "Mean average precision, averaged over the least IoUs 0.50, 0.55, … 0.95 of a find: boxes must fit ever more tightly."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn all() -> impl Iterator<Item = Term> {
        Term::GROUPS.iter().flat_map(|(_, terms)| terms.iter().copied())
    }

    #[test]
    fn every_term_is_listed_once_and_is_explained_in_one_sentence() {
        let names: BTreeSet<&str> = all().map(Term::name).collect();
        assert_eq!(names.len(), all().count());
        // The last variant's place tells how many there are.
        assert_eq!(names.len(), Term::Map50To95 as usize + 1);
        for term in all() {
            let sentence = term.explanation();
            assert!(sentence.ends_with('.') && !sentence.contains(". "), "{sentence}");
        }
    }

    #[test]
    fn every_term_explains_a_label_of_the_window() {
        let mut sources = String::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a readable folder") {
                let path = entry.expect("a readable entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name != "glossary.rs") {
                    sources += &std::fs::read_to_string(path).expect("a source");
                }
            }
        }
        let used = |term: Term| {
            let name = format!("Term::{term:?}");
            sources.match_indices(&name).any(|(at, _)| !sources[at + name.len()..].starts_with(char::is_alphanumeric))
        };
        let unused: Vec<Term> = all().filter(|term| !used(*term)).collect();
        assert!(unused.is_empty(), "explained, and never a label: {unused:?}");
    }
}
