//! The story of fine-grained feature imitation, one idea a step: what a talk shows and what `story` draws.
//!
//! A [`Step`] says the same of every image; [`StoryNumbers`] is what one image adds to it, in numbers. What is said is English
//! and the key of its translation: of titles, sentences and formulas the text itself, of numbers the template of a
//! [`Line`].

mod line;
mod numbers;
mod run;

pub use line::Line;
pub(crate) use line::say;
pub use numbers::{Cell, PullShares, StoryNumbers, StoryScale, StoryTruth, percent};
pub use run::{Accuracy, RunLambda, RunSettings, StoryRun, StoryVerdict};

/// One idea. In this order each needs nothing but the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    Image,
    CellAnchors,
    ScaleAnchors,
    Iou,
    Best,
    Threshold,
    Mask,
    Union,
    Features,
    Difference,
    Inside,
    Loss,
    Answers,
    Run,
    BeforeAfter,
}

impl Step {
    pub const ALL: [Self; 15] = [
        Self::Image,
        Self::CellAnchors,
        Self::ScaleAnchors,
        Self::Iou,
        Self::Best,
        Self::Threshold,
        Self::Mask,
        Self::Union,
        Self::Features,
        Self::Difference,
        Self::Inside,
        Self::Loss,
        Self::Answers,
        Self::Run,
        Self::BeforeAfter,
    ];

    /// From 1.
    pub const fn number(self) -> usize {
        self as usize + 1
    }

    /// The steps that there are: without a run the story ends before those that are about one.
    pub fn all(run: bool) -> &'static [Self] {
        if run { &Self::ALL } else { &Self::ALL[..Self::Run as usize] }
    }

    /// Whether it is about a run and not about the image.
    pub const fn is_of_run(self) -> bool {
        matches!(self, Self::Run | Self::BeforeAfter)
    }

    /// Part of a file's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::CellAnchors => "cell-anchors",
            Self::ScaleAnchors => "scale-anchors",
            Self::Iou => "iou",
            Self::Best => "best",
            Self::Threshold => "threshold",
            Self::Mask => "mask",
            Self::Union => "union",
            Self::Features => "features",
            Self::Difference => "difference",
            Self::Inside => "inside",
            Self::Loss => "loss",
            Self::Answers => "answers",
            Self::Run => "run",
            Self::BeforeAfter => "before-after",
        }
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::Image => "An image and its objects",
            Self::CellAnchors => "The anchors of one cell",
            Self::ScaleAnchors => "Every scale has its own anchors",
            Self::Iou => "How well would an anchor fit?",
            Self::Best => "The best fit of all",
            Self::Threshold => "Near enough to the best",
            Self::Mask => "The cells of one object",
            Self::Union => "The cells of all objects",
            Self::Features => "What student and teacher see",
            Self::Difference => "Where they differ",
            Self::Inside => "Only near objects",
            Self::Loss => "One number to make smaller",
            Self::Answers => "Not every number is an answer",
            Self::Run => "What the run did",
            Self::BeforeAfter => "Before and after",
        }
    }

    /// What a speaker would say.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Image => "A detector must find these objects; a large teacher does it well, a small student not yet.",
            Self::CellAnchors => {
                "At every cell of a grid the detector starts from a few boxes of fixed size: the anchors."
            }
            Self::ScaleAnchors => "A fine grid has small anchors for small objects, a coarse grid large ones.",
            Self::Iou => "At each cell we ask how much its best anchor and this one object have in common.",
            Self::Best => "Somewhere an anchor fits this object best; how well depends on the object.",
            Self::Threshold => "So the bar is set for each object by itself: a fraction ψ of its own best.",
            Self::Mask => "The cells above the bar are near the object: here the teacher is worth imitating.",
            Self::Union => "All objects together give one mask for each scale; the rest of the image is left alone.",
            Self::Features => "The same image, seen by both networks; the student has fewer channels.",
            Self::Difference => {
                "An adapter brings the student to the teacher's channels; what remains is what it has yet to learn."
            }
            Self::Inside => {
                "The mask keeps the difference near objects and drops the background, where a teacher is only noise."
            }
            Self::Loss => "The mean over the masked cells, added to the detection loss with weight λ.",
            Self::Answers => {
                "A distance of raw outputs counts every number alike, also those that say nothing; answers are compared \
                 after the sigmoid, where the teacher is sure."
            }
            Self::Run => "The student follows the labels and the teacher at once: did both distances fall?",
            Self::BeforeAfter => "The same image, detected by the student before and after.",
        }
    }

    pub const fn formula(self) -> &'static str {
        match self {
            Self::Image => "input px = scale · image px + padding",
            Self::CellAnchors => "centre ((i + ½)·s, (j + ½)·s), size (w, h) for each anchor",
            Self::ScaleAnchors => "scale l: stride s, A anchors (w, h) in input px",
            Self::Iou => "IoU = overlap / (anchor + object − overlap), in areas",
            Self::Best => "M = max IoU over cells and anchors",
            Self::Threshold => "F = ψ · M",
            Self::Mask => "I = 1 where IoU > F, else 0",
            Self::Union => "I = 1 where it is 1 for any object",
            Self::Features => "‖f‖ over the channels, at each cell",
            Self::Difference => "d = Σ (A(student) − teacher)² over the channels",
            Self::Inside => "I · d",
            Self::Loss => "L = Σ λ / (2N) · Σ I · d, summed over the scales",
            Self::Answers => "raw: Σ (s − t)²; answers: σ(s) against σ(t), weight w = σ(t objectness)",
            Self::Run => "total = detection + L",
            Self::BeforeAfter => "mAP on the val split",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_in_the_bundled_fonts() {
        // Of all that is not ASCII these are in Roboto, in both weights; the signs of sets and arrows are not.
        const KNOWN: &str = "ψλσΣ½‖²·×−…";
        for step in Step::ALL {
            let said = [step.title(), step.sentence(), step.formula()].concat();
            let missing: String = said.chars().filter(|c| !c.is_ascii() && !KNOWN.contains(*c)).collect();
            assert_eq!(missing, "", "{step:?}");
        }
    }

    #[test]
    fn steps_have_names_of_their_own_in_the_order_of_the_story() {
        let names: std::collections::BTreeSet<&str> = Step::ALL.iter().map(|step| step.name()).collect();
        assert_eq!(names.len(), Step::ALL.len());
        assert!(Step::ALL.is_sorted());
        assert_eq!(Step::ALL.map(Step::number), std::array::from_fn(|index| index + 1));
    }
}
