//! Which of a model's classes are which of the data's, where the two need not be the same.

use crate::train::evaluate::class_places;

/// The classes of a model among the data's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// For each class of the model its place among the data's.
    pub places: Vec<Option<usize>>,
    /// For each class of the data its place among the model's.
    pub of_data: Vec<Option<usize>>,
}

impl Classes {
    /// By name where any name is in both, else by number where there are equally many; `None` where neither says which is
    /// which.
    pub fn of(model: &[String], data: &[String]) -> Option<Self> {
        let once = |name: &String, names: &[String]| names.iter().filter(|other| *other == name).count() == 1;
        let by_name = |name: &String| {
            let place = data.iter().position(|other| other == name)?;
            (once(name, model) && once(name, data)).then_some(place)
        };
        let shared: Vec<Option<usize>> = model.iter().map(by_name).collect();
        let places = if shared.iter().any(Option::is_some) { shared } else { class_places(model, data)? };
        let of_data = (0..data.len()).map(|class| places.iter().position(|place| *place == Some(class))).collect();
        Some(Self { places, of_data })
    }

    /// A sentence on the classes that one side alone has; `None` where there are none.
    pub fn left_out(&self, model: &[String], data: &[String]) -> Option<String> {
        let names = |places: &[Option<usize>], names: &[String]| -> Vec<String> {
            let alone = places.iter().zip(names).filter(|(place, _)| place.is_none());
            alone.map(|(_, name)| name.clone()).collect()
        };
        let (unknown, foreign) = (names(&self.of_data, data), names(&self.places, model));
        let unknown = (!unknown.is_empty()).then(|| format!("does not know {}", unknown.join(", ")));
        let foreign =
            (!foreign.is_empty()).then(|| format!("its {} is not in the data and left out", foreign.join(", ")));
        let parts: Vec<String> = unknown.into_iter().chain(foreign).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn names_count_before_numbers_and_some_are_enough() {
        let of = |model: &[&str], data: &[&str]| Classes::of(&names(model), &names(data));
        let places = |model, data| of(model, data).map(|classes| (classes.places, classes.of_data));
        assert_eq!(places(&["b", "a"], &["a", "b"]), Some((vec![Some(1), Some(0)], vec![Some(1), Some(0)])));
        assert_eq!(
            places(&["cow", "a"], &["a", "b", "c"]),
            Some((vec![None, Some(0)], vec![Some(1), None, None])),
            "what both have is compared"
        );
        assert_eq!(places(&["0", "1"], &["a", "b"]), Some((vec![Some(0), Some(1)], vec![Some(0), Some(1)])));
        assert_eq!(places(&["x", "y", "z"], &["a", "b"]), None);
        // A name that is there twice says nothing.
        assert_eq!(places(&["a", "a"], &["a", "b"]), Some((vec![Some(0), Some(1)], vec![Some(0), Some(1)])));
    }

    #[test]
    fn what_is_left_out_is_said_by_name() {
        let (model, data) = (names(&["cow", "a"]), names(&["a", "b", "c"]));
        let classes = Classes::of(&model, &data).expect("they share one");
        let said = classes.left_out(&model, &data).expect("a sentence");
        assert_eq!(said, "does not know b, c; its cow is not in the data and left out");
        let same = Classes::of(&data, &data).expect("the same");
        assert_eq!(same.left_out(&data, &data), None);
    }
}
