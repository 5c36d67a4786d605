//! From anchors and ground truths to the cells that are imitated: IoU → threshold → mask.
//!
//! Plain numbers, quick enough for the frame in which a slider moves. For one anchor shape on a regular grid the
//! overlap width depends on the column alone and the overlap height on the row alone, so a whole IoU map is an outer
//! combination of two short vectors, and it is zero outside a window of rows and columns: only that window is kept.
//! The rules are those of Wang et al. 2019 and of the ports that followed it; nothing here knows a feature or a loss.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::geometry::{BoundingBox, Size};
use crate::grid::Grid;
use crate::yolo::anchors::AnchorScale;

/// The largest side ratio between a box and an anchor that YOLOv5's target assignment accepts (its `anchor_t`).
pub const ANCHOR_T: f32 = 4.0;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MaskError {
    #[error("psi is '{0}'; it must be a number from 0 to 1")]
    Psi(String),
    #[error("unknown level rule '{0}': use per-scale, global or assigned")]
    Rule(String),
    #[error("unknown IoU convention '{0}': use exact or seed")]
    Convention(String),
    #[error("unknown mask source '{0}': use iou, teacher, box or none")]
    Source(String),
}

/// How an anchor's box is laid over pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IouConvention {
    /// Continuous boxes, the anchor centred on the cell's centre.
    #[default]
    Exact,
    /// The inclusive pixels of the first YOLOv5 port: widths are x2 − x1 + 1, the anchor centred at i·s + (s−1)/2.
    Seed,
}

impl IouConvention {
    pub const ALL: [Self; 2] = [Self::Exact, Self::Seed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Seed => "seed",
        }
    }

    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Exact => "Continuous boxes; anchors stand on the centres of their cells.",
            Self::Seed => "Inclusive pixels, as the first YOLOv5 port counts them: widths are x2 − x1 + 1.",
        }
    }
}

/// Which best IoU a ground truth's threshold is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LevelRule {
    /// Of each scale for itself: every object marks every scale.
    #[default]
    PerScale,
    /// Of all scales: an object marks only the scales whose anchors fit it about as well as the best.
    Global,
    /// As per scale, on the scales alone where YOLOv5 assigns the object a positive.
    Assigned,
}

impl LevelRule {
    pub const ALL: [Self; 3] = [Self::PerScale, Self::Global, Self::Assigned];

    pub const fn name(self) -> &'static str {
        match self {
            Self::PerScale => "per-scale",
            Self::Global => "global",
            Self::Assigned => "assigned",
        }
    }

    pub const fn explanation(self) -> &'static str {
        match self {
            Self::PerScale => "ψ times the best IoU of each scale: every object marks every scale.",
            Self::Global => "ψ times the best IoU of all scales: an object marks the scales whose anchors fit it.",
            Self::Assigned => {
                "Per scale, but only where YOLOv5 would assign the object (no side off by a factor of 4 or more)."
            }
        }
    }
}

/// ψ: the share of a ground truth's best IoU above which a cell is imitated. Finite, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
pub struct Psi(f32);

impl Psi {
    pub fn new(value: f32) -> Result<Self, MaskError> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(MaskError::Psi(value.to_string())) }
    }

    /// The nearest ψ to a value; NaN becomes the default.
    pub fn saturating(value: f32) -> Self {
        if value.is_nan() { Self::default() } else { Self(value.clamp(0.0, 1.0)) }
    }

    pub const fn get(self) -> f32 {
        self.0
    }
}

impl Default for Psi {
    fn default() -> Self {
        Self(0.5)
    }
}

impl fmt::Display for Psi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Psi {
    type Err = MaskError;

    fn from_str(text: &str) -> Result<Self, MaskError> {
        text.parse().ok().and_then(|value| Self::new(value).ok()).ok_or_else(|| MaskError::Psi(text.to_owned()))
    }
}

impl fmt::Display for LevelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LevelRule {
    type Err = MaskError;

    fn from_str(text: &str) -> Result<Self, MaskError> {
        Self::ALL.into_iter().find(|rule| rule.name() == text).ok_or_else(|| MaskError::Rule(text.to_owned()))
    }
}

impl fmt::Display for IouConvention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for IouConvention {
    type Err = MaskError;

    fn from_str(text: &str) -> Result<Self, MaskError> {
        Self::ALL
            .into_iter()
            .find(|convention| convention.name() == text)
            .ok_or_else(|| MaskError::Convention(text.to_owned()))
    }
}

/// An anchor at a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AnchorCell {
    pub anchor: usize,
    pub row: usize,
    pub col: usize,
}

/// The IoU of one anchor shape with one ground truth, over the window of cells where it can be above 0.
#[derive(Clone, Debug, PartialEq)]
struct Window {
    rows: Range<usize>,
    cols: Range<usize>,
    /// Row by row inside the window.
    iou: Vec<f32>,
}

impl Window {
    fn line(&self, row: usize) -> &[f32] {
        let width = self.cols.len();
        let at = (row - self.rows.start) * width;
        &self.iou[at..at + width]
    }

    fn get(&self, row: usize, col: usize) -> f32 {
        if self.rows.contains(&row) && self.cols.contains(&col) { self.line(row)[col - self.cols.start] } else { 0.0 }
    }
}

/// One ground truth on one scale.
#[derive(Clone, Debug, PartialEq)]
struct GtOnScale {
    /// One window per anchor.
    windows: Vec<Window>,
    max_iou: f32,
    best: Option<AnchorCell>,
    /// Whether YOLOv5's target assignment gives it a positive here.
    assigned: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct ScaleField {
    rows: usize,
    cols: usize,
    gts: Vec<GtOnScale>,
}

/// The IoU of every anchor at every cell of every scale with every ground truth.
#[derive(Clone, Debug, PartialEq)]
pub struct IouField {
    scales: Vec<ScaleField>,
    gts: usize,
}

/// One ground truth's share of a scale's mask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct GtMask {
    /// M of this scale: the best IoU of any anchor at any cell; 0 where none overlaps.
    pub max_iou: f32,
    /// Cells with an anchor strictly above this are marked; infinite where the rule leaves the scale out.
    pub threshold: f32,
    pub cells: usize,
    /// Where the best IoU is; the first in anchor, row, column order. `None` where no anchor overlaps.
    pub best: Option<AnchorCell>,
}

/// The mask of one scale.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleMask {
    pub rows: usize,
    pub cols: usize,
    /// Anchor hits per cell over all ground truths, row by row. The mask is where it is above 0.
    pub count: Vec<i32>,
    pub gts: Vec<GtMask>,
    /// Cells of the mask: N.
    pub mask_cells: usize,
    pub count_sum: u64,
}

impl ScaleMask {
    pub fn contains(&self, row: usize, col: usize) -> bool {
        row < self.rows && col < self.cols && self.count[row * self.cols + col] > 0
    }
}

/// The imitation mask of an image, a scale at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct ImitationMask {
    pub scales: Vec<ScaleMask>,
}

impl IouField {
    /// `boxes` in input px. A box without area overlaps nothing under `exact`, one that is not finite under neither.
    pub fn compute(scales: &[AnchorScale], input: Size, boxes: &[BoundingBox], convention: IouConvention) -> Self {
        let scales = scales
            .iter()
            .map(|scale| {
                let (rows, cols) = scale.shape(input.width, input.height);
                let gts = boxes.iter().map(|b| gt_on_scale(scale, rows, cols, b, convention)).collect();
                ScaleField { rows, cols, gts }
            })
            .collect();
        Self { scales, gts: boxes.len() }
    }

    pub fn gts(&self) -> usize {
        self.gts
    }

    pub fn scales(&self) -> usize {
        self.scales.len()
    }

    /// (rows, cols) of a scale.
    pub fn shape(&self, scale: usize) -> (usize, usize) {
        (self.scales[scale].rows, self.scales[scale].cols)
    }

    /// IoU of one anchor at one cell with one ground truth; 0 outside the map.
    pub fn iou(&self, scale: usize, gt: usize, at: AnchorCell) -> f32 {
        self.scales[scale].gts[gt].windows.get(at.anchor).map_or(0.0, |window| window.get(at.row, at.col))
    }

    /// M of one ground truth on one scale.
    pub fn max_iou(&self, scale: usize, gt: usize) -> f32 {
        self.scales[scale].gts[gt].max_iou
    }

    /// M of one ground truth over all scales.
    pub fn best_iou(&self, gt: usize) -> f32 {
        (0..self.scales.len()).map(|scale| self.max_iou(scale, gt)).fold(0.0, f32::max)
    }

    /// The IoU map of one anchor with one ground truth.
    pub fn map(&self, scale: usize, gt: usize, anchor: usize) -> Grid {
        let (rows, cols) = self.shape(scale);
        Grid::from_fn(cols, rows, |row, col| self.iou(scale, gt, AnchorCell { anchor, row, col }))
    }

    /// Per cell the largest IoU of its anchors with a ground truth, or with any of them.
    pub fn largest(&self, scale: usize, gt: Option<usize>) -> Grid {
        let field = &self.scales[scale];
        let mut grid = Grid::filled(field.cols, field.rows, 0.0);
        let chosen = match gt {
            Some(gt) => field.gts.get(gt..gt + 1).unwrap_or_default(),
            None => &field.gts,
        };
        for window in chosen.iter().flat_map(|gt| &gt.windows) {
            for row in window.rows.clone() {
                let line = &mut grid.values_mut()[row * field.cols..][window.cols.clone()];
                for (cell, &iou) in line.iter_mut().zip(window.line(row)) {
                    *cell = cell.max(iou);
                }
            }
        }
        grid
    }

    /// Calls `visit` with row, column and the largest IoU of its anchors for every cell where a ground truth can have
    /// one above 0.
    pub fn for_each_cell(&self, scale: usize, gt: usize, mut visit: impl FnMut(usize, usize, f32)) {
        let windows = &self.scales[scale].gts[gt].windows;
        let seen = || windows.iter().filter(|window| !window.iou.is_empty());
        let (rows, cols) = (span(seen().map(|window| &window.rows)), span(seen().map(|window| &window.cols)));
        let mut line = vec![0.0_f32; cols.len()];
        for row in rows {
            line.fill(0.0);
            for window in seen().filter(|window| window.rows.contains(&row)) {
                let places = &mut line[window.cols.start - cols.start..];
                for (largest, &iou) in places.iter_mut().zip(window.line(row)) {
                    *largest = largest.max(iou);
                }
            }
            for (col, &iou) in cols.clone().zip(&line) {
                visit(row, col, iou);
            }
        }
    }

    /// The threshold of a ground truth on a scale; infinite where the rule leaves the scale out.
    pub fn threshold(&self, scale: usize, gt: usize, psi: Psi, rule: LevelRule) -> f32 {
        let here = &self.scales[scale].gts[gt];
        match rule {
            LevelRule::PerScale => psi.get() * here.max_iou,
            LevelRule::Global => psi.get() * self.best_iou(gt),
            LevelRule::Assigned if here.assigned => psi.get() * here.max_iou,
            LevelRule::Assigned => f32::INFINITY,
        }
    }

    /// The mask of all ground truths.
    pub fn mask(&self, psi: Psi, rule: LevelRule) -> ImitationMask {
        let scales = (0..self.scales.len()).map(|scale| self.scale_mask(scale, 0..self.gts, psi, rule)).collect();
        ImitationMask { scales }
    }

    /// The mask of one ground truth alone; its records of the others are empty.
    pub fn gt_mask(&self, gt: usize, psi: Psi, rule: LevelRule) -> ImitationMask {
        let gts = gt.min(self.gts)..(gt + 1).min(self.gts);
        let scales = (0..self.scales.len()).map(|scale| self.scale_mask(scale, gts.clone(), psi, rule)).collect();
        ImitationMask { scales }
    }

    /// Per cell the anchors whose IoU with a ground truth is above a threshold, row by row.
    pub fn hits(&self, scale: usize, gt: usize, threshold: f32) -> Vec<i32> {
        let mut count = vec![0; self.scales[scale].rows * self.scales[scale].cols];
        self.add_hits(scale, gt, threshold, &mut count);
        count
    }

    /// Adds those hits to `count`; returns the cells that have one.
    fn add_hits(&self, scale: usize, gt: usize, threshold: f32, count: &mut [i32]) -> usize {
        let (field, here) = (&self.scales[scale], &self.scales[scale].gts[gt]);
        if here.max_iou <= threshold {
            return 0;
        }
        let (mut cells, mut hits) = (0, vec![0_i32; field.cols]);
        let seen = here.windows.iter().filter(|window| !window.cols.is_empty());
        for row in span(seen.map(|window| &window.rows)) {
            hits.fill(0);
            for window in here.windows.iter().filter(|window| window.rows.contains(&row)) {
                for (hit, &iou) in hits[window.cols.clone()].iter_mut().zip(window.line(row)) {
                    *hit += i32::from(iou > threshold);
                }
            }
            for (total, &hit) in count[row * field.cols..].iter_mut().zip(&hits) {
                *total += hit;
                cells += usize::from(hit > 0);
            }
        }
        cells
    }

    fn scale_mask(&self, scale: usize, gts: Range<usize>, psi: Psi, rule: LevelRule) -> ScaleMask {
        let field = &self.scales[scale];
        let mut count = vec![0_i32; field.rows * field.cols];
        let mut records = vec![GtMask::default(); self.gts];
        for gt in gts {
            let here = &field.gts[gt];
            let threshold = self.threshold(scale, gt, psi, rule);
            let cells = self.add_hits(scale, gt, threshold, &mut count);
            records[gt] = GtMask { max_iou: here.max_iou, threshold, cells, best: here.best };
        }
        let mask_cells = count.iter().filter(|&&hits| hits > 0).count();
        let count_sum = count.iter().map(|&hits| u64::from(hits.unsigned_abs())).sum();
        ScaleMask { rows: field.rows, cols: field.cols, count, gts: records, mask_cells, count_sum }
    }
}

/// From the first start to the last end.
fn span<'a>(ranges: impl Iterator<Item = &'a Range<usize>>) -> Range<usize> {
    ranges.cloned().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}

/// What a convention adds to a side, and the anchor's place inside a cell, as a share of nothing but the stride.
fn convention_terms(convention: IouConvention, stride: f32) -> (f32, f32) {
    match convention {
        IouConvention::Exact => (0.0, stride / 2.0),
        IouConvention::Seed => (1.0, (stride - 1.0) / 2.0),
    }
}

fn gt_on_scale(
    scale: &AnchorScale,
    rows: usize,
    cols: usize,
    gt: &BoundingBox,
    convention: IouConvention,
) -> GtOnScale {
    let stride = scale.stride as f32;
    let (extra, offset) = convention_terms(convention, stride);
    let gt_area = (gt.width() + extra) * (gt.height() + extra);
    let mut max_iou = 0.0;
    let mut best = None;
    let windows = scale
        .anchors
        .iter()
        .enumerate()
        .map(|(anchor, &[width, height])| {
            let (col_range, widths) = overlaps(gt.x1, gt.x2, width, stride, offset, extra, cols);
            let (row_range, heights) = overlaps(gt.y1, gt.y2, height, stride, offset, extra, rows);
            let areas = (width + extra) * (height + extra) + gt_area;
            let mut iou = Vec::with_capacity(widths.len() * heights.len());
            for &overlap_height in &heights {
                iou.extend(widths.iter().map(|&overlap_width| {
                    let intersection = overlap_width * overlap_height;
                    intersection / (areas - intersection)
                }));
            }
            let largest = iou.iter().copied().fold(0.0, f32::max);
            if largest > max_iou {
                max_iou = largest;
                let at = iou.iter().position(|&value| value == largest).unwrap_or(0);
                best = Some(AnchorCell {
                    anchor,
                    row: row_range.start + at / widths.len(),
                    col: col_range.start + at % widths.len(),
                });
            }
            Window { rows: row_range, cols: col_range, iou }
        })
        .collect();
    GtOnScale { windows, max_iou, best, assigned: is_assigned(scale, gt) }
}

/// The cells of one axis where an anchor of this side overlaps `[from, to]` at all, and by how much.
fn overlaps(
    from: f32,
    to: f32,
    side: f32,
    stride: f32,
    offset: f32,
    extra: f32,
    cells: usize,
) -> (Range<usize>, Vec<f32>) {
    if !(from.is_finite() && to.is_finite() && side > 0.0 && side.is_finite()) {
        return (0..0, Vec::new());
    }
    let overlap = |cell: usize| {
        let center = cell as f32 * stride + offset;
        (to.min(center + side / 2.0) - from.max(center - side / 2.0) + extra).max(0.0)
    };
    // A guess by a division, a cell wider on both sides; the overlap itself decides.
    let reach = side / 2.0 + extra + stride;
    let low = (((from - reach - offset) / stride).floor().max(0.0) as usize).min(cells);
    let high = (((to + reach - offset) / stride).ceil().max(0.0) as usize).saturating_add(1).min(cells);
    let start = (low..high).find(|&cell| overlap(cell) > 0.0).unwrap_or(high);
    let end = (start..high).rev().find(|&cell| overlap(cell) > 0.0).map_or(start, |cell| cell + 1);
    (start..end, (start..end).map(overlap).collect())
}

fn is_assigned(scale: &AnchorScale, gt: &BoundingBox) -> bool {
    side_ratio(scale, gt) < ANCHOR_T
}

/// By what factor a box's worse side is off the anchor of a scale that fits its sides best; at least 1. YOLOv5's target
/// assignment takes the box below [`ANCHOR_T`].
pub fn side_ratio(scale: &AnchorScale, gt: &BoundingBox) -> f32 {
    let off = |&[width, height]: &[f32; 2]| {
        let (rw, rh) = (gt.width() / width, gt.height() / height);
        rw.max(1.0 / rw).max(rh.max(1.0 / rh))
    };
    scale.anchors.iter().map(off).fold(f32::INFINITY, f32::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(anchors: &[[f32; 2]]) -> AnchorScale {
        AnchorScale { stride: 8, anchors: anchors.to_vec() }
    }

    /// A map of 2 rows and 4 columns, one 8 × 8 anchor, the box 2 px right of the cell (0, 1).
    fn shifted(convention: IouConvention) -> IouField {
        let boxes = [BoundingBox::new(10.0, 0.0, 18.0, 8.0)];
        IouField::compute(&[scale(&[[8.0, 8.0]])], Size::new(32, 16), &boxes, convention)
    }

    fn at(row: usize, col: usize) -> AnchorCell {
        AnchorCell { anchor: 0, row, col }
    }

    #[test]
    fn exact_iou_by_hand() {
        let field = shifted(IouConvention::Exact);
        // Overlap 6 × 8 of 64 + 64 − 48; a cell further 2 × 8 of 128 − 16.
        assert_eq!(field.iou(0, 0, at(0, 1)), 48.0 / 80.0);
        assert_eq!(field.iou(0, 0, at(0, 2)), 16.0 / 112.0);
        assert_eq!([at(0, 0), at(1, 1), at(7, 7)].map(|at| field.iou(0, 0, at)), [0.0; 3]);
        assert_eq!(field.mask(Psi::default(), LevelRule::PerScale).scales[0].gts[0].best, Some(at(0, 1)));
    }

    #[test]
    fn seed_iou_by_hand() {
        let field = shifted(IouConvention::Seed);
        // The anchor of (0, 1) is centred at (11.5, 3.5): x 7.5 to 15.5, y −0.5 to 7.5, nine pixels a side as the box.
        // Overlap: 15.5 − 10 + 1 wide, 7.5 − 0 + 1 high; a row below y 7.5 to 15.5, so 8 − 7.5 + 1 high.
        for (row, intersection) in [(0, 6.5 * 8.5), (1, 6.5 * 1.5)] {
            let expected = intersection / (81.0 + 81.0 - intersection);
            assert!((f64::from(field.iou(0, 0, at(row, 1))) - expected).abs() < 1e-7);
        }
    }

    #[test]
    fn a_cell_counts_every_anchor_and_object_but_is_one_cell() {
        let boxes = [BoundingBox::new(8.0, 0.0, 16.0, 8.0); 3];
        let scales = [scale(&[[8.0, 8.0], [7.0, 8.0]])];
        let field = IouField::compute(&scales, Size::new(32, 16), &boxes, IouConvention::Exact);
        let mask = &field.mask(Psi::default(), LevelRule::PerScale).scales[0];
        assert_eq!(mask.count, [0, 6, 0, 0, 0, 0, 0, 0]);
        assert_eq!((mask.mask_cells, mask.count_sum), (1, 6));
        assert_eq!(mask.gts.iter().map(|gt| gt.cells).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn the_mask_is_where_the_maps_exceed_the_threshold() {
        let scales = [scale(&[[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]])];
        let boxes = [BoundingBox::new(3.1, 5.7, 131.3, 94.9), BoundingBox::new(40.2, 1.4, 62.6, 40.3)];
        for convention in IouConvention::ALL {
            let field = IouField::compute(&scales, Size::new(192, 128), &boxes, convention);
            for psi in [0.0, 0.25, 0.5, 0.9, 0.999_999, 1.0] {
                let mask = &field.mask(Psi::saturating(psi), LevelRule::PerScale).scales[0];
                let mut count = vec![0; mask.count.len()];
                for (gt, record) in mask.gts.iter().enumerate() {
                    for anchor in 0..3 {
                        let map = field.map(0, gt, anchor);
                        for (count, &iou) in count.iter_mut().zip(map.values()) {
                            *count += i32::from(iou > record.threshold);
                        }
                    }
                }
                assert_eq!(mask.count, count, "{convention}, psi {psi}");
            }
        }
    }

    #[test]
    fn what_has_no_extent_or_is_not_finite_marks_nothing() {
        let odd = [
            BoundingBox::new(12.0, 4.0, 12.0, 4.0),
            BoundingBox::new(16.0, 8.0, 8.0, 0.0),
            BoundingBox::new(f32::NAN, 0.0, 8.0, 8.0),
            BoundingBox::new(0.0, 0.0, f32::INFINITY, 8.0),
        ];
        let scales = [scale(&[[8.0, 8.0], [0.0, 8.0], [f32::NAN, 4.0]])];
        for convention in IouConvention::ALL {
            let field = IouField::compute(&scales, Size::new(32, 16), &odd, convention);
            for rule in LevelRule::ALL {
                let mask = &field.mask(Psi::saturating(0.0), rule).scales[0];
                // Inclusive pixels give a point one pixel.
                let point = usize::from(convention == IouConvention::Seed && rule != LevelRule::Assigned);
                let marked = mask.gts.iter().filter(|gt| gt.cells > 0).count();
                assert_eq!(marked, point, "{convention}, {rule}");
                assert!(mask.gts.iter().all(|gt| gt.max_iou.is_finite() && !gt.threshold.is_nan()));
            }
            assert!(field.largest(0, None).values().iter().all(|iou| iou.is_finite()));
        }
    }
}
