//! Outcomes counted: by class, by size, by scale, and of one model against another.

use super::matching::OutcomeKind;
use super::records::{Object, Review};
use crate::survey::ObjectSize;

/// What became of an object from one model to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Only the later model finds it.
    Won,
    /// Only the earlier one.
    Lost,
    /// Both.
    Kept,
    /// Neither.
    Never,
}

impl Change {
    pub const ALL: [Self; 4] = [Self::Won, Self::Lost, Self::Kept, Self::Never];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Kept => "kept",
            Self::Never => "never",
        }
    }

    pub const fn of(before: bool, after: bool) -> Self {
        match (before, after) {
            (false, true) => Self::Won,
            (true, false) => Self::Lost,
            (true, true) => Self::Kept,
            (false, false) => Self::Never,
        }
    }
}

impl Object {
    /// From one model to another; `None` where either does not know its class.
    pub fn change(&self, against: usize, of: usize) -> Option<Change> {
        Some(Change::of(self.is_found_by(against)?, self.is_found_by(of)?))
    }
}

/// A model against one that stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    pub of: usize,
    pub against: usize,
}

/// Every model against every one before it.
pub fn pairings(models: usize) -> Vec<Pairing> {
    (0..models).flat_map(|of| (0..of).map(move |against| Pairing { of, against })).collect()
}

/// Objects that have something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub objects: u64,
    /// For each model, in the order of [`OutcomeKind::ALL`].
    pub outcomes: Vec<[u64; OutcomeKind::ALL.len()]>,
    /// For each of [`pairings`], in the order of [`Change::ALL`].
    pub changes: Vec<[u64; Change::ALL.len()]>,
}

impl Group {
    fn new(name: String, models: usize) -> Self {
        let pairs = pairings(models).len();
        Self { name, objects: 0, outcomes: vec![[0; 4]; models], changes: vec![[0; 4]; pairs] }
    }

    fn add(&mut self, object: &Object) {
        self.objects += 1;
        for (counts, outcome) in self.outcomes.iter_mut().zip(&object.outcomes) {
            if let Some(outcome) = outcome {
                counts[outcome.kind as usize] += 1;
            }
        }
        for (counts, Pairing { of, against }) in self.changes.iter_mut().zip(pairings(object.outcomes.len())) {
            if let Some(change) = object.change(against, of) {
                counts[change as usize] += 1;
            }
        }
    }

    pub fn count(&self, model: usize, kind: OutcomeKind) -> u64 {
        self.outcomes[model][kind as usize]
    }
}

/// The objects of a review together, and in three ways apart; groups without an object are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    pub all: Group,
    /// In the order of the classes.
    pub by_class: Vec<Group>,
    /// Small, medium, large.
    pub by_size: Vec<Group>,
    /// From the finest scale on; those that no anchor overlaps are last.
    pub by_scale: Vec<Group>,
}

/// The group of objects on no scale.
pub const NO_SCALE: &str = "none";

impl Sums {
    pub fn of(review: &Review) -> Self {
        let models = review.models.len();
        let mut all = Group::new("all".to_owned(), models);
        review.objects.iter().for_each(|object| all.add(object));
        let grouped = |names: Vec<String>, place: &dyn Fn(&Object) -> usize| {
            let mut groups: Vec<Group> = names.into_iter().map(|name| Group::new(name, models)).collect();
            review.objects.iter().for_each(|object| groups[place(object)].add(object));
            groups.retain(|group| group.objects > 0);
            groups
        };
        let sizes = ObjectSize::ALL.map(|size| size.name().to_owned()).to_vec();
        let scales: Vec<String> = review.scales.iter().cloned().chain([NO_SCALE.to_owned()]).collect();
        Self {
            all,
            by_class: grouped(review.names.clone(), &|object| object.label.class),
            by_size: grouped(sizes, &|object| object.size as usize),
            by_scale: grouped(scales, &|object| object.scale.unwrap_or(review.scales.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Label;
    use crate::geometry::BoundingBox;
    use crate::review::matching::Outcome;

    /// A square of this side at the origin; the kinds of two models, the second of which may not know it.
    fn object(class: usize, side: f32, scale: Option<usize>, kinds: [Option<OutcomeKind>; 2]) -> Object {
        let bbox = BoundingBox::new(0.0, 0.0, side, side);
        Object {
            image: 0,
            index: 0,
            label: Label { class, bbox },
            size: ObjectSize::of(&bbox),
            scale,
            mask_cells: 0,
            outcomes: kinds.map(|kind| kind.map(|kind| Outcome { kind, seen: None })).to_vec(),
            highest_score: 0.0,
        }
    }

    #[test]
    fn objects_are_counted_in_every_way_by_hand() {
        use OutcomeKind::{Found, Missed, PoorlyPlaced, WrongClass};
        let model = crate::review::tests::model;
        let review = Review {
            models: vec![model("teacher"), model("student")],
            names: vec!["cat".into(), "dog".into(), "cow".into()],
            scales: vec!["P3".into(), "P4".into()],
            images: Vec::new(),
            objects: vec![
                object(0, 31.9, Some(0), [Some(Found), Some(Missed)]),
                object(0, 32.0, Some(0), [Some(Found), Some(Found)]),
                object(2, 96.0, Some(1), [Some(WrongClass), Some(Found)]),
                object(2, 95.9, None, [Some(PoorlyPlaced), Some(Missed)]),
                object(2, 10.0, None, [Some(Found), None]),
            ],
            unmatched: Vec::new(),
            images_of_split: 0,
            notes: Vec::new(),
        };
        let sums = Sums::of(&review);
        assert_eq!((sums.all.objects, &sums.all.outcomes[..]), (5, &[[3, 1, 1, 0], [2, 0, 0, 2]][..]));
        // Won, lost, kept, never of the student against the teacher.
        assert_eq!(sums.all.changes, [[1, 1, 1, 1]]);
        let of = |groups: &[Group]| {
            groups.iter().map(|group| (group.name.clone(), group.objects, group.changes[0])).collect::<Vec<_>>()
        };
        assert_eq!(of(&sums.by_class), [("cat".into(), 2, [0, 1, 1, 0]), ("cow".into(), 3, [1, 0, 0, 1])]);
        let by_size =
            [("small".into(), 2, [0, 1, 0, 0]), ("medium".into(), 2, [0, 0, 1, 1]), ("large".into(), 1, [1, 0, 0, 0])];
        assert_eq!(of(&sums.by_size), by_size, "COCO's limits are 32² and 96² px of the image");
        let by_scale =
            [("P3".into(), 2, [0, 1, 1, 0]), ("P4".into(), 1, [1, 0, 0, 0]), ("none".into(), 2, [0, 0, 0, 1])];
        assert_eq!(of(&sums.by_scale), by_scale);
        assert_eq!(sums.all.count(0, WrongClass), 1);
    }

    #[test]
    fn every_model_stands_against_those_before_it() {
        let pair = |of, against| Pairing { of, against };
        assert_eq!(pairings(3), [pair(1, 0), pair(2, 0), pair(2, 1)]);
        assert_eq!(pairings(1), []);
    }
}
