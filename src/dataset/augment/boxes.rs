//! Boxes through a warp.

use super::warp::{Matrix, project};
use crate::geometry::{BoundingBox, Size};

/// A box of at most so many px across or high is none.
const MIN_SIDE: f64 = 2.0;
/// Share of its area that must be left after the warp.
const MIN_AREA: f64 = 0.1;
const MAX_ASPECT: f64 = 100.0;
const EPSILON: f64 = 1e-16;

/// The box around the warped corners, clipped to the output; `None` where too little is left of it. `scale` is the
/// warp's own, which shrinks a box without taking any of it away.
pub(super) fn follow(bbox: &BoundingBox, matrix: &Matrix, scale: f64, output: Size) -> Option<BoundingBox> {
    let [x1, y1, x2, y2] = bbox.as_xyxy().map(f64::from);
    let corners = [(x1, y1), (x2, y1), (x1, y2), (x2, y2)].map(|(x, y)| project(matrix, x, y));
    let bounds = |axis: fn(&(f64, f64)) -> f64, limit: u32| {
        let values = corners.each_ref().map(axis);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low.clamp(0.0, f64::from(limit)), high.clamp(0.0, f64::from(limit)))
    };
    let (left, right) = bounds(|corner| corner.0, output.width);
    let (top, bottom) = bounds(|corner| corner.1, output.height);
    let (width, height) = (right - left, bottom - top);
    let whole = (x2 - x1) * scale * (y2 - y1) * scale;
    let aspect = (width / (height + EPSILON)).max(height / (width + EPSILON));
    let kept =
        width > MIN_SIDE && height > MIN_SIDE && width * height / (whole + EPSILON) > MIN_AREA && aspect < MAX_ASPECT;
    kept.then(|| BoundingBox::new(left as f32, top as f32, right as f32, bottom as f32))
}
