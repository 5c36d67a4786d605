//! The review of a dataset in the window: what it was asked for, what it found, which of its objects are shown in what order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::language::key;
use crate::review::matching::OutcomeKind;
use crate::review::sums::{Change, Sums};
use crate::review::text::most_lost;
use crate::review::{Object, Review};
use crate::survey::ObjectSize;
use crate::train::event::RunControl;
use crate::worker::{Job, ReviewRequest};

/// What stands on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReviewOrder {
    #[default]
    Lost,
    Never,
    Distance,
    Loss,
    Missed,
    WrongClass,
    MaskCells,
}

impl ReviewOrder {
    pub const ALL: [Self; 7] =
        [Self::Lost, Self::Never, Self::Distance, Self::Loss, Self::Missed, Self::WrongClass, Self::MaskCells];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => key!("Lost first"),
            Self::Never => key!("Never first"),
            Self::Distance => key!("Distance"),
            Self::Loss => key!("Loss"),
            Self::Missed => key!("Missed first"),
            Self::WrongClass => key!("Wrong class first"),
            Self::MaskCells => key!("Fewest cells"),
        }
    }

    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Lost => key!("Objects that the second model finds and the first does not."),
            Self::Never => key!("Objects that neither model finds."),
            Self::Distance => key!("Images where the student lies farthest from the teacher inside the mask."),
            Self::Loss => key!("Images with the largest detection loss of the first model."),
            Self::Missed => key!("Objects where the first model sees nothing."),
            Self::WrongClass => key!("Objects that the first model takes for another class."),
            Self::MaskCells => key!("Objects that mark the fewest cells: they are imitated least."),
        }
    }
}

/// Which objects are shown, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReviewKind {
    #[default]
    All,
    Changed(Change),
    Became(OutcomeKind),
}

impl ReviewKind {
    pub const ALL: [Self; 9] = [
        Self::All,
        Self::Changed(Change::Won),
        Self::Changed(Change::Lost),
        Self::Changed(Change::Kept),
        Self::Changed(Change::Never),
        Self::Became(OutcomeKind::Found),
        Self::Became(OutcomeKind::WrongClass),
        Self::Became(OutcomeKind::PoorlyPlaced),
        Self::Became(OutcomeKind::Missed),
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::All => key!("any outcome"),
            Self::Changed(change) => change_name(change),
            Self::Became(kind) => outcome_name(kind),
        }
    }
}

pub const fn change_name(change: Change) -> &'static str {
    match change {
        Change::Won => key!("won"),
        Change::Lost => key!("lost"),
        Change::Kept => key!("kept"),
        Change::Never => key!("never"),
    }
}

pub const fn outcome_name(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Found => key!("found"),
        OutcomeKind::WrongClass => key!("wrong class"),
        OutcomeKind::PoorlyPlaced => key!("poorly placed"),
        OutcomeKind::Missed => key!("missed"),
    }
}

/// Which objects are shown, and in what order. Models, classes and scales are places in the review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewView {
    /// The model that is looked at.
    pub of: usize,
    /// The one that it is set against.
    pub against: usize,
    pub order: ReviewOrder,
    pub kind: ReviewKind,
    pub class: Option<usize>,
    pub size: Option<ObjectSize>,
    pub scale: Option<usize>,
    /// A part of the image's path.
    pub text: String,
}

impl Default for ReviewView {
    /// The student against the teacher.
    fn default() -> Self {
        Self {
            of: 1,
            against: 0,
            order: ReviewOrder::default(),
            kind: ReviewKind::default(),
            class: None,
            size: None,
            scale: None,
            text: String::new(),
        }
    }
}

impl ReviewView {
    /// The objects that are shown, in their order.
    pub fn rows(&self, review: &Review) -> Vec<usize> {
        let wanted = self.text.trim().to_lowercase();
        let named: Vec<bool> = review
            .images
            .iter()
            .map(|image| wanted.is_empty() || image.path.to_string_lossy().to_lowercase().contains(&wanted))
            .collect();
        let kind = |object: &Object| match self.kind {
            ReviewKind::All => true,
            ReviewKind::Changed(change) => object.change(self.against, self.of) == Some(change),
            ReviewKind::Became(kind) => object.outcomes[self.of].is_some_and(|outcome| outcome.kind == kind),
        };
        let shown = |object: &Object| {
            named[object.image]
                && self.class.is_none_or(|class| object.label.class == class)
                && self.size.is_none_or(|size| object.size == size)
                && self.scale.is_none_or(|scale| object.scale == Some(scale))
                && kind(object)
        };
        let mut rows: Vec<usize> = (0..review.objects.len()).filter(|&index| shown(&review.objects[index])).collect();
        // Smallest first; equal ones stay in the order of the images.
        rows.sort_by(|&a, &b| self.rank(review, a).total_cmp(&self.rank(review, b)));
        rows
    }

    fn rank(&self, review: &Review, index: usize) -> f64 {
        let object = &review.objects[index];
        let image = &review.images[object.image];
        let change = object.change(self.against, self.of);
        let became = object.outcomes[self.of].map(|outcome| outcome.kind);
        let first = |is_first: bool| if is_first { 0.0 } else { 1.0 };
        // What is not known comes last.
        let largest = |value: Option<f64>| -value.filter(|value| value.is_finite()).unwrap_or(f64::NEG_INFINITY);
        match self.order {
            ReviewOrder::Lost => first(change == Some(Change::Lost)),
            ReviewOrder::Never => first(change == Some(Change::Never)),
            ReviewOrder::Distance => largest(image.distance),
            ReviewOrder::Loss => largest(image.losses.get(self.of).copied()),
            ReviewOrder::Missed => first(became == Some(OutcomeKind::Missed)),
            ReviewOrder::WrongClass => first(became == Some(OutcomeKind::WrongClass)),
            ReviewOrder::MaskCells => object.mask_cells as f64,
        }
    }

    /// As it can be shown of a review: places that it does not have are taken back.
    fn checked(mut self, review: &Review) -> Self {
        let models = review.models.len();
        if self.of >= models || self.against >= models || self.of == self.against {
            (self.of, self.against) = (models.saturating_sub(1).min(1), 0);
        }
        self.class = self.class.filter(|class| *class < review.names.len());
        self.scale = self.scale.filter(|scale| *scale < review.scales.len());
        self
    }
}

/// A review, and what it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Reviewed {
    pub request: ReviewRequest,
    pub review: Arc<Review>,
    pub sums: Sums,
    /// Objects that are shown, in their order.
    pub rows: Vec<usize>,
    /// Objects that the model that is looked at lost against the other, by image; images without any are left out.
    lost: HashMap<PathBuf, usize>,
}

#[derive(Clone, Debug, Default)]
pub struct ReviewState {
    /// Stays until a newer one has come.
    pub result: Option<Reviewed>,
    pub view: ReviewView,
    /// The object that was opened last.
    pub chosen: Option<usize>,
    /// The review that was asked for last, and what stops it.
    pub(super) asked: Option<(ReviewRequest, Arc<RunControl>)>,
    /// An image that is being opened, and its ground truth that is to be soloed.
    pub(super) opening: Option<(PathBuf, usize)>,
}

impl ReviewState {
    pub(super) fn show(&mut self, view: ReviewView) {
        let Some(result) = &mut self.result else { return };
        self.view = view.checked(&result.review);
        result.rows = self.view.rows(&result.review);
        let lost = most_lost(&result.review, self.view.of, self.view.against);
        result.lost = lost.into_iter().map(|(image, lost)| (result.review.images[image].path.clone(), lost)).collect();
    }

    pub(super) fn answer(&mut self, request: ReviewRequest, review: Arc<Review>) {
        if self.asked.as_ref().is_none_or(|(asked, _)| *asked != request) {
            return;
        }
        let models = review.models.len();
        // Of several models the last is the news; with a pair that is the baseline, and the run stands before it.
        let view = ReviewView {
            of: if models > 2 { 2 } else { 1 },
            against: if models > 3 { 3 } else { usize::from(models > 2) },
            ..self.view.clone()
        };
        let sums = Sums::of(&review);
        (self.result, self.chosen) =
            (Some(Reviewed { request, review, sums, rows: Vec::new(), lost: HashMap::new() }), None);
        self.show(view);
    }

    pub(super) fn ask(&mut self, request: ReviewRequest) -> Job {
        let control = Arc::new(RunControl::default());
        self.asked = Some((request.clone(), Arc::clone(&control)));
        Job::Review { request: Box::new(request), control }
    }

    /// Makes an object the one that was opened last; its image, and its place among the ground truths there.
    pub(super) fn choose(&mut self, index: usize) -> Option<(PathBuf, usize)> {
        let review = &self.result.as_ref()?.review;
        let object = review.objects.get(index)?;
        self.chosen = Some(index);
        Some((review.images[object.image].path.clone(), object.index))
    }

    /// An image has come: the ground truth that it was opened for, if it was.
    pub(super) fn opened(&mut self, image: &Path) -> Option<usize> {
        self.opening.take_if(|(path, _)| path == image).map(|(_, truth)| truth)
    }

    pub(super) fn stop(&self) {
        if let Some((_, control)) = &self.asked {
            control.stop();
        }
    }

    /// How many objects of an image were lost, by the review that is shown; `None` where none was.
    pub fn lost(&self, image: &Path) -> Option<usize> {
        self.result.as_ref()?.lost.get(image).copied()
    }

    /// The object so many rows from the one that was opened last; the first before any was.
    pub fn stepped(&self, steps: isize) -> Option<usize> {
        let rows = &self.result.as_ref()?.rows;
        let now = self.chosen.and_then(|chosen| rows.iter().position(|row| *row == chosen));
        let at = now.map_or(0, |now| now.saturating_add_signed(steps));
        rows.get(at).copied().filter(|row| Some(*row) != self.chosen)
    }
}
