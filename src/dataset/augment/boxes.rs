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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::augment::warp::Warp;

    const SIZE: Size = Size::square(400);

    fn follow_by(warp: Warp, [x1, y1, x2, y2]: [f32; 4]) -> Option<[f32; 4]> {
        let bbox = BoundingBox::new(x1, y1, x2, y2);
        follow(&bbox, &warp.matrix(SIZE, SIZE), warp.scale, SIZE).map(|bbox| bbox.as_xyxy())
    }

    #[test]
    fn a_side_of_two_pixels_is_too_short_and_a_hundred_times_the_other_too_long() {
        let kept = |corners| follow_by(Warp::default(), corners).is_some();
        assert!(!kept([10.0, 10.0, 12.0, 50.0]) && kept([10.0, 10.0, 12.1, 50.0]));
        assert!(!kept([10.0, 10.0, 50.0, 12.0]) && kept([10.0, 10.0, 50.0, 12.1]));
        assert!(!kept([10.0, 10.0, 310.0, 13.0]) && kept([10.0, 10.0, 309.0, 13.0]));
    }

    #[test]
    fn a_tenth_of_the_area_must_be_left_and_scale_takes_none_away() {
        // Moved by a quarter of the side, 100 px, to the left.
        let moved = Warp { translate: [-0.25, 0.0], ..Warp::default() };
        assert_eq!(follow_by(moved, [10.0, 20.0, 110.0, 60.0]), None);
        assert_eq!(follow_by(moved, [11.0, 20.0, 111.0, 60.0]), Some([0.0, 20.0, 11.0, 60.0]));
        // Shrunk to a sixteenth of the area around the centre, (200, 200).
        let shrunk = Warp { scale: 0.25, ..Warp::default() };
        assert_eq!(follow_by(shrunk, [100.0, 120.0, 300.0, 240.0]), Some([175.0, 180.0, 225.0, 210.0]));
    }

    #[test]
    fn half_a_turn_swaps_the_corners_and_perspective_divides() {
        let turned = follow_by(Warp { degrees: 180.0, ..Warp::default() }, [50.0, 60.0, 150.0, 100.0]).unwrap();
        assert!(turned.iter().zip([250.0, 300.0, 350.0, 340.0]).all(|(a, b)| (a - b).abs() < 1e-3), "{turned:?}");
        // x − 200 and y − 200 are divided by 1 + 0.001 (x − 200): by 0.9 at x = 100, by 1.1 at x = 300.
        let warp = Warp { perspective: [0.001, 0.0], ..Warp::default() };
        let tilted = follow_by(warp, [100.0, 110.0, 300.0, 290.0]).unwrap();
        let expected = [200.0 - 100.0 / 0.9, 200.0 - 90.0 / 0.9, 200.0 + 100.0 / 1.1, 200.0 + 90.0 / 0.9];
        assert!(tilted.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-3), "{tilted:?}");
    }
}
