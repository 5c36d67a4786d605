//! What there is to see: the plain records that the layers are built from.

use std::sync::Arc;

use super::heatmap::Heatmap;
use super::ink::Ink;
use super::item::{Item, LegendEntry};
use super::region::Region;
use super::view::Pin;
use crate::inspect::{Comparison, DetectionView, Role, Scene, SceneLabel, assigned_cells, named};
use crate::yolo::anchors::AnchorScale;

/// What there is to see of one image on one scale: what the layers are built from.
#[derive(Clone, Debug, Default)]
pub struct Content<'a> {
    /// Of the scale, in input px; 0 shows the image without one.
    pub stride: u32,
    /// Rows and columns of the scale.
    pub shape: (usize, usize),
    /// Width and height in input px.
    pub anchors: &'a [[f32; 2]],
    /// How far the photograph steps back, 0..=1.
    pub muted: f32,
    pub map: Option<Arc<Heatmap>>,
    /// Of the map over the photograph, 0..=1.
    pub opacity: f32,
    /// The mask whose outline is shown.
    pub mask: Option<Arc<Region>>,
    pub mask_ink: Ink,
    /// YOLOv5's positives set against the mask, in the place of its outline.
    pub positives: Option<Arc<Positives>>,
    /// The cell (row, column) whose anchors are shown.
    pub anchors_at: Option<(usize, usize)>,
    /// The ground truths that are shown, with their numbers.
    pub labels: Vec<(usize, &'a SceneLabel)>,
    /// They are there for comparison alone.
    pub labels_step_back: bool,
    /// The ground truth that counts alone.
    pub solo: Option<usize>,
    /// The ground truth under the pointer.
    pub pointed: Option<usize>,
    pub found: Vec<Found>,
    /// Anchors at the cells where a ground truth has its best IoU.
    pub best: Vec<BestAnchor>,
    /// The cell that is explained, of whatever scale.
    pub pin: Option<Pin>,
    pub pointer: Option<Pointer>,
}

/// How a layer is built.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub items: fn(&Content<'_>) -> Vec<Item>,
    /// What its items mean.
    pub legend: fn(&[Item]) -> Vec<LegendEntry>,
}

/// What one model detects.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub role: Role,
    pub detections: Vec<DetectionView>,
    /// The names matter as much as the scores.
    pub named: bool,
}

impl Found {
    /// What the models that are shown detect, by the names of the classes.
    pub fn by(roles: impl IntoIterator<Item = Role>, comparison: Option<&Comparison>, names: &[String]) -> Vec<Self> {
        let of = |role| {
            let detections = named(comparison?.found(role)?, names);
            Some(Self { role, detections, named: false })
        };
        roles.into_iter().filter_map(of).collect()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct BestAnchor {
    pub ink: Ink,
    /// Width and height in input px.
    pub anchor: [f32; 2],
    /// Row and column.
    pub cell: (usize, usize),
    /// The IoU, where the cell is marked with it.
    pub value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pointer {
    /// Input px.
    pub x: f32,
    pub y: f32,
    /// It is over another picture, at this place.
    pub elsewhere: bool,
}

/// Mask and positives of one scale: of all ground truths, or of the soloed one.
#[derive(Clone, Debug, PartialEq)]
pub struct Positives {
    pub mask_alone: Arc<Region>,
    pub alone: Arc<Region>,
    pub both: Arc<Region>,
    pub all: Arc<Region>,
}

impl Positives {
    /// `solo`: the ground truth that counts alone.
    pub fn of(scene: &Scene, anchors: &AnchorScale, mask: &Region, solo: Option<usize>) -> Self {
        Self::against(mask, assigned_cells(scene, anchors, (mask.rows, mask.cols), solo))
    }

    /// `found`: (row, column) of the positives; one may come more than once.
    pub fn against(mask: &Region, found: impl Iterator<Item = (usize, usize)>) -> Self {
        let (rows, cols) = (mask.rows, mask.cols);
        let mut positive = vec![false; rows * cols];
        found.for_each(|(row, col)| positive[row * cols + col] = true);
        let of = |holds: fn(bool, bool) -> bool| {
            Arc::new(Region::of((rows, cols), mask.stride, |cell| holds(mask.contains(cell), positive[cell])))
        };
        Self {
            mask_alone: of(|masked, positive| masked && !positive),
            alone: of(|masked, positive| !masked && positive),
            both: of(|masked, positive| masked && positive),
            all: of(|_, positive| positive),
        }
    }

    /// Cells of the mask alone, of positives alone, and of both.
    pub fn counts(&self) -> [usize; 3] {
        [&self.mask_alone, &self.alone, &self.both].map(|region| region.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_kinds_of_cells_by_hand() {
        // 2 rows of 3: the mask has the first column, positives are the first row's first and last cell, one of them
        // by two anchors.
        let mask = Region::of((2, 3), 8, |cell| cell % 3 == 0);
        let found = Positives::against(&mask, [(0, 0), (0, 2), (0, 0)].into_iter());
        assert_eq!(found.counts(), [1, 1, 1]);
        let marked = |region: &Region| region.boxes().map(|b| b.as_xyxy()).collect::<Vec<_>>();
        assert_eq!(marked(&found.alone), [[16.0, 0.0, 24.0, 8.0]]);
        assert_eq!(marked(&found.both), [[0.0, 0.0, 8.0, 8.0]]);
        // Four edges around each of two squares apart, and around the one below the first.
        assert_eq!((found.all.edges.len(), found.mask_alone.edges.len()), (8, 4));
    }
}
