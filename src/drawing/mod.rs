//! What a picture shows, as data: built once from an image and how it is looked at, painted by the window and by figures.
//!
//! A [`Content`] says what there is to see on one scale, [`Picture::of`] asks every layer of [`layers::LAYERS`] for its
//! items, from the lowest to the uppermost, and [`legend`] for what they mean. Coordinates are input px; widths of lines,
//! sizes of type and where a tag finds room are the painter's: `ui::canvas::paint` for egui, `figure::paint` for SVG.

mod bar;
mod content;
mod heatmap;
mod ink;
mod item;
pub mod layers;
mod region;
mod view;

use std::sync::Arc;

pub use bar::ColorBar;
pub use content::{BestAnchor, Content, Found, Pointer, Positives, anchor_cell};
pub use heatmap::{Heatmap, Scheme};
pub use ink::{Ground, Ink};
pub use item::{Fill, Frame, Item, LegendEntry, Sign, Stroke, Tag};
pub use region::{Edge, Region, cell_at, cell_box};
pub use view::{Pin, View};

/// What is drawn over one photograph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// From the lowest to the uppermost; none is empty.
    pub layers: Vec<Layer>,
}

/// The items of one layer, in the order in which they are painted.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// As [`layers::LAYERS`] has it.
    pub name: &'static str,
    pub items: Vec<Item>,
}

impl Picture {
    pub fn of(content: &Content<'_>) -> Self {
        let layers = layers::LAYERS.iter().map(|kind| Layer { name: kind.name, items: (kind.items)(content) });
        Self { layers: layers.filter(|layer| !layer.items.is_empty()).collect() }
    }

    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.layers.iter().flat_map(|layer| &layer.items)
    }

    pub fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> {
        self.layers.iter().flat_map(|layer| &layer.items).filter_map(|item| match item {
            Item::Frame(frame) => Some(frame),
            _ => None,
        })
    }

    pub fn map(&self) -> Option<&Arc<Heatmap>> {
        self.items().find_map(|item| match item {
            Item::Map { map, .. } => Some(map),
            _ => None,
        })
    }

    /// The same with another map.
    pub fn with_map(mut self, other: &Arc<Heatmap>) -> Self {
        for item in self.layers.iter_mut().flat_map(|layer| &mut layer.items) {
            if let Item::Map { map, .. } = item {
                *map = Arc::clone(other);
            }
        }
        self
    }

    /// The same without some of its layers.
    pub fn without(mut self, names: &[&str]) -> Self {
        self.layers.retain(|layer| !names.contains(&layer.name));
        self
    }
}

/// What the layers of pictures mean, each thing once.
pub fn legend(pictures: &[&Picture]) -> Vec<LegendEntry> {
    let mut entries = Vec::new();
    for kind in layers::LAYERS {
        let shown = pictures.iter().flat_map(|picture| &picture.layers).filter(|layer| layer.name == kind.name);
        for entry in shown.flat_map(|layer| (kind.legend)(&layer.items)) {
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colormap::ColorMap;
    use crate::geometry::BoundingBox;
    use crate::grid::Grid;
    use crate::inspect::{DetectionView, Role, SceneLabel};

    fn labels() -> Vec<SceneLabel> {
        let label = |name: &str, x: f32| SceneLabel {
            class: 0,
            name: name.to_owned(),
            bbox: BoundingBox::new(x, 8.0, x + 24.0, 40.0),
        };
        vec![label("car", 4.0), label("dog", 36.0)]
    }

    /// A 64 × 64 input with two objects; one scale of 2 × 2 cells of 32 px with one anchor of 20 × 10 px; the upper row
    /// is masked, the left column are positives.
    fn content(labels: &[SceneLabel]) -> Content<'_> {
        let mask = Arc::new(Region::of((2, 2), 32, |cell| cell < 2));
        let found = DetectionView { name: "car".to_owned(), score: 0.5, bbox: BoundingBox::new(5.0, 9.0, 27.0, 39.0) };
        let grid = Grid::from_values(2, 2, vec![1.0, 2.0, 0.0, 0.0]).expect("2 x 2");
        Content {
            stride: 32,
            shape: (2, 2),
            anchors: &[[20.0, 10.0]],
            map: Some(Arc::new(Heatmap::new(grid, 32.0, ColorMap::Viridis))),
            opacity: 0.5,
            positives: None,
            mask: Some(mask),
            labels: labels.iter().enumerate().collect(),
            found: vec![Found { role: Role::Student, detections: vec![found], named: false }],
            pin: Some(Pin { stride: 16, row: 1, col: 3 }),
            ..Content::default()
        }
    }

    fn names(picture: &Picture) -> Vec<(&str, usize)> {
        picture.layers.iter().map(|layer| (layer.name, layer.items.len())).collect()
    }

    type Seen = (Ink, Stroke, [f32; 4]);

    fn frames(picture: &Picture) -> Vec<Seen> {
        picture.frames().map(|frame| (frame.ink, frame.stroke, frame.bbox.as_xyxy())).collect()
    }

    fn regions(picture: &Picture) -> Vec<(Ink, Fill, usize, usize)> {
        let region = |item: &Item| match item {
            Item::Region { region, ink, fill } => Some((*ink, *fill, region.count(), region.edges.len())),
            _ => None,
        };
        picture.items().filter_map(region).collect()
    }

    const CAR: [f32; 4] = [4.0, 8.0, 28.0, 40.0];
    const DOG: [f32; 4] = [36.0, 8.0, 60.0, 40.0];

    #[test]
    fn the_list_of_a_small_inspection_by_hand() {
        let labels = labels();
        let picture = Picture::of(&content(&labels));
        assert_eq!(names(&picture), [("map", 1), ("mask", 1), ("labels", 2), ("detections", 1), ("cell", 2)]);
        // Row 1 and column 3 of 16 px each.
        let cell = [48.0, 16.0, 64.0, 32.0];
        assert_eq!(
            frames(&picture),
            [
                (Ink::Truth(0), Stroke::Solid, CAR),
                (Ink::Truth(1), Stroke::Solid, DOG),
                (Ink::Model(Role::Student), Stroke::Dashed, [5.0, 9.0, 27.0, 39.0]),
                (Ink::Cell, Stroke::Strong, cell),
            ]
        );
        // Two cells beside each other: a rectangle.
        assert_eq!(regions(&picture), [(Ink::White, Fill::Outline, 2, 4)]);
        assert_eq!(picture.map().expect("a map").covered(), [64.0, 64.0]);
        let said: Vec<String> = legend(&[&picture, &picture]).into_iter().map(|entry| entry.text).collect();
        assert_eq!(said, ["outline of the mask", "found by the student", "the cell that is explained"]);
    }

    #[test]
    fn a_solo_is_the_last_and_the_strongest_and_what_is_pointed_at_lies_below_it() {
        let labels = labels();
        let of = |solo, pointed, labels_step_back| {
            let content = Content { solo, pointed, labels_step_back, ..content(&labels) };
            let frames = Picture::of(&content).without(&["detections", "cell"]);
            frames.frames().map(|frame| (frame.ink, frame.stroke, frame.tag.is_some())).collect::<Vec<_>>()
        };
        let [car, dog] = [Ink::Truth(0), Ink::Truth(1)];
        assert_eq!(of(Some(0), None, false), [(dog, Stroke::Faint, false), (car, Stroke::Strong, true)]);
        assert_eq!(of(None, Some(0), false), [(dog, Stroke::Solid, true), (car, Stroke::Strong, true)]);
        assert_eq!(of(Some(0), Some(1), false), [(dog, Stroke::Strong, true), (car, Stroke::Strong, true)]);
        assert_eq!(of(None, None, true), [(car, Stroke::Quiet, false), (dog, Stroke::Quiet, false)]);
        assert_eq!(of(Some(7), None, false)[0].1, Stroke::Solid, "a ground truth that is not there");
    }

    #[test]
    fn positives_take_the_place_of_the_outline_and_anchors_stand_on_their_cell() {
        let labels = labels();
        let base = content(&labels);
        let mask = base.mask.clone().expect("a mask");
        let positives = Some(Arc::new(Positives::against(&mask, [(0, 0), (1, 0)].into_iter())));
        let picture = Picture::of(&Content { positives, muted: 0.5, anchors_at: Some((1, 0)), ..base });
        let expected = [("photograph", 1), ("map", 1), ("positives", 4), ("anchors", 3)];
        assert_eq!(names(&picture)[..4], expected);
        // Cell (0, 0) is both, (1, 0) a positive alone, (0, 1) masked alone; the anchors' cell is tinted.
        assert_eq!(
            regions(&picture),
            [
                (Ink::Positive, Fill::Tinted, 1, 4),
                (Ink::Positive, Fill::Striped, 1, 4),
                (Ink::White, Fill::Outline, 1, 4),
                (Ink::Positive, Fill::Outline, 2, 4),
                (Ink::Cell, Fill::Tinted, 1, 4),
            ]
        );
        // 20 × 10 px around (16, 48).
        assert_eq!(frames(&picture)[0], (Ink::Anchor { index: 0, of: 1 }, Stroke::Solid, [6.0, 43.0, 26.0, 53.0]));
        let said: Vec<String> = legend(&[&picture]).into_iter().map(|entry| entry.text).take(4).collect();
        assert_eq!(said, ["the mask alone", "YOLOv5's positives alone", "both", "the cell, and its anchors around it"]);
    }

    #[test]
    fn the_best_anchor_is_marked_with_its_value_and_the_pointer_elsewhere_with_a_cross() {
        let pointer = |elsewhere| Some(Pointer { x: 40.0, y: 10.0, elsewhere });
        let best = BestAnchor { ink: Ink::White, anchor: [8.0, 4.0], cell: (0, 1), value: Some("M = 0.5".to_owned()) };
        let base = Content { stride: 32, shape: (2, 2), ..Content::default() };
        let picture = Picture::of(&Content { best: vec![best.clone()], pointer: pointer(true), ..base.clone() });
        assert_eq!(names(&picture), [("best", 3), ("pointer", 2)]);
        let cell = [32.0, 0.0, 64.0, 32.0];
        assert_eq!(
            frames(&picture),
            [
                (Ink::White, Stroke::Dashed, [44.0, 14.0, 52.0, 18.0]),
                (Ink::Cell, Stroke::Strong, cell),
                (Ink::White, Stroke::Solid, cell),
            ]
        );
        let quiet = Content { best: vec![BestAnchor { value: None, ..best }], pointer: pointer(false), ..base };
        assert_eq!(names(&Picture::of(&quiet)), [("best", 1), ("pointer", 1)]);
        assert!(Picture::of(&Content::default()).layers.is_empty());
    }

    #[test]
    fn layers_have_names_of_their_own() {
        let mut names: Vec<&str> = layers::LAYERS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
