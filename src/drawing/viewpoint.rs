//! How a scene is looked at, and what of a scale is seen by that.

use super::content::Content;
use super::heatmap::{Heatmap, Scheme};
use super::ink::Ink;
use super::region::{Region, cell_at};
use super::view::{Pin, View, ViewSettings};
use crate::geometry::BoundingBox;
use crate::grid::Grid;
use crate::inspect::ChannelView;

/// The settings of the view, and what is singled out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Viewpoint {
    pub view: ViewSettings,
    /// Something else than the IoU says how much each cell counts.
    pub weighs: bool,
    /// The ground truth that counts alone.
    pub solo: Option<usize>,
    /// The cell that is explained.
    pub pin: Option<Pin>,
    /// The mask's edge lies in white over whatever is shown.
    pub outlined: bool,
}

impl Viewpoint {
    /// `None`: the image alone.
    pub const fn kind(&self) -> Option<View> {
        self.view.layer.view(self.weighs)
    }

    /// Whether cells outside the mask are veiled.
    pub const fn veils(&self) -> bool {
        self.view.inside_mask && self.view.layer.is_of_models()
    }

    /// Whether the mask's outline is shown.
    pub fn outlines(&self) -> bool {
        self.kind() == Some(View::Mask) || self.veils() || self.outlined
    }

    /// `None` for a view without a map.
    pub fn scheme(&self) -> Option<Scheme> {
        Scheme::of(self.kind()?, matches!(self.view.channels, ChannelView::One(_)), self.view.color_map)
    }

    /// The map of a scale; `cell`: input px per cell. A mask of other cells says nothing of it.
    pub fn heatmap(&self, grid: Grid, cell: f32, mask: Option<&Region>) -> Option<Heatmap> {
        let mask = mask.filter(|mask| self.veils() && mask.fits(grid.height(), grid.width()));
        Some(Heatmap::by(self.scheme()?, grid, cell, self.view.range.locked(), mask.map(|mask| mask.inside.clone())))
    }

    /// The cell (row, column) whose anchors are shown: the pointed one, else the pinned one, else where the soloed or first
    /// ground truth has its best IoU, else in the middle of its box, else in the middle of all.
    pub fn anchor_cell(
        &self,
        stride: u32,
        (rows, cols): (usize, usize),
        pointed: Option<(usize, usize)>,
        best: impl Fn(usize) -> Option<(usize, usize)>,
        bbox: impl Fn(usize) -> Option<BoundingBox>,
    ) -> (usize, usize) {
        let pinned = self.pin.filter(|pin| pin.stride == stride).map(|pin| (pin.row, pin.col));
        let gt = self.solo.unwrap_or(0);
        let center = || {
            let (x, y) = bbox(gt)?.center();
            cell_at(x, y, stride, (rows, cols))
        };
        let inside = |&(row, col): &(usize, usize)| row < rows && col < cols;
        pointed.or(pinned).or_else(|| best(gt)).or_else(center).filter(inside).unwrap_or((rows / 2, cols / 2))
    }

    /// Of what a scale has, what is seen.
    pub fn content<'a>(&self, scale: Content<'a>) -> Content<'a> {
        let opacity = self.view.opacity.clamp(0.0, 1.0);
        let is_anchors = self.kind() == Some(View::Anchors);
        let cells = scale.map.as_ref().map(|map| (map.grid.height(), map.grid.width()));
        let fits = |mask: &Region| cells.is_none_or(|(rows, cols)| mask.fits(rows, cols));
        Content {
            muted: if is_anchors { opacity } else { 0.0 },
            opacity,
            mask: scale.mask.filter(|mask| self.outlines() && fits(mask)),
            mask_ink: self.solo.filter(|_| !self.outlined).map_or(Ink::White, Ink::Truth),
            anchors_at: scale.anchors_at.filter(|_| is_anchors),
            solo: self.solo,
            pin: self.pin,
            ..scale
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anchors_cell_is_the_chosen_the_best_the_boxs_or_the_middle_one() {
        let bbox = BoundingBox::new(40.0, 8.0, 56.0, 24.0);
        let at = |pointed, best, bbox| Viewpoint::default().anchor_cell(16, (4, 6), pointed, |_| best, |_| bbox);
        assert_eq!(at(Some((0, 5)), Some((1, 1)), Some(bbox)), (0, 5));
        assert_eq!(at(None, Some((1, 1)), Some(bbox)), (1, 1));
        // The middle of the box is at x = 48, y = 16.
        assert_eq!(at(None, None, Some(bbox)), (1, 3));
        assert_eq!(at(None, None, None), (2, 3));
        assert_eq!(at(Some((9, 9)), None, Some(bbox)), (2, 3), "no cell of this scale");
        let pin = Some(Pin { stride: 16, row: 3, col: 0 });
        let pinned =
            |stride| Viewpoint { pin, ..Viewpoint::default() }.anchor_cell(stride, (4, 6), None, |_| None, |_| None);
        assert_eq!([pinned(16), pinned(8)], [(3, 0), (2, 3)], "a cell of another scale");
    }
}
