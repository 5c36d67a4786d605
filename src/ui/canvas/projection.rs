//! Where input px lie on screen, and how the camera moves. Plain arithmetic; draws nothing.

use egui::{Pos2, Rect, Vec2, pos2, vec2};

use crate::app::view::Camera;
use crate::geometry::{BoundingBox, Size};
use crate::inspect::SceneLabel;

/// Points per input px up to which any picture can be enlarged; a small one goes further, to a few times its fit.
const MAX_ZOOM: f32 = 48.0;
const MAX_OVER_FIT: f32 = 8.0;

/// Points per input px at which the whole input is just seen.
pub fn fit_zoom(input: Size, body: Vec2) -> f32 {
    let free = body.max(Vec2::splat(1.0));
    (free.x / input.width.max(1) as f32).min(free.y / input.height.max(1) as f32)
}

/// One pane's view of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projection {
    /// The pane on screen.
    pub body: Rect,
    pub input: Size,
    /// The input px in the middle of the pane.
    pub center: Pos2,
    /// Points per input px.
    pub zoom: f32,
}

impl Projection {
    /// Resolves a camera: the zoom is bounded, and where the picture is larger than the pane it covers it, where it
    /// is smaller it stands in its middle. So no camera, wherever it comes from, loses the picture.
    pub fn new(camera: Camera, input: Size, body: Rect) -> Self {
        let fit = fit_zoom(input, body.size());
        let size = vec2(input.width as f32, input.height as f32);
        let (center, zoom) = match camera {
            Camera::Free { center: [x, y], zoom } if x.is_finite() && y.is_finite() && zoom.is_finite() => {
                (pos2(x, y), zoom.clamp(fit, MAX_ZOOM.max(fit * MAX_OVER_FIT)))
            }
            _ => ((size / 2.0).to_pos2(), fit),
        };
        let half = body.size() / (2.0 * zoom);
        let hold = |at: f32, half: f32, whole: f32| {
            if whole <= 2.0 * half { whole / 2.0 } else { at.clamp(half, whole - half) }
        };
        Self { body, input, center: pos2(hold(center.x, half.x, size.x), hold(center.y, half.y, size.y)), zoom }
    }

    /// The camera that shows this view; a fitted one stays fitted when the window changes its size.
    pub fn camera(&self) -> Camera {
        if self.zoom <= fit_zoom(self.input, self.body.size()) * 1.0001 {
            Camera::Fit
        } else {
            Camera::Free { center: [self.center.x, self.center.y], zoom: self.zoom }
        }
    }

    pub fn to_screen(self, x: f32, y: f32) -> Pos2 {
        self.body.center() + (pos2(x, y) - self.center) * self.zoom
    }

    pub fn to_input(self, at: Pos2) -> Pos2 {
        self.center + (at - self.body.center()) / self.zoom
    }

    pub fn rect_to_screen(&self, b: &BoundingBox) -> Rect {
        Rect::from_min_max(self.to_screen(b.x1, b.y1), self.to_screen(b.x2, b.y2))
    }

    /// The input px under a point of the screen; `None` beside the picture.
    pub fn pointed(&self, at: Pos2) -> Option<Pos2> {
        let p = self.to_input(at);
        let inside = |v: f32, side: u32| v >= 0.0 && v < side as f32;
        (self.body.contains(at) && inside(p.x, self.input.width) && inside(p.y, self.input.height)).then_some(p)
    }

    /// The picture follows the hand by `delta` points.
    pub fn panned(&self, delta: Vec2) -> Camera {
        let center = self.center - delta / self.zoom;
        self.moved(center, self.zoom)
    }

    /// Zoomed by a factor with what is under `pivot` staying there.
    pub fn zoomed(&self, factor: f32, pivot: Pos2) -> Camera {
        let fit = fit_zoom(self.input, self.body.size());
        let zoom = (self.zoom * factor).clamp(fit, MAX_ZOOM.max(fit * MAX_OVER_FIT));
        let held = self.to_input(pivot);
        self.moved(held - (pivot - self.body.center()) / zoom, zoom)
    }

    fn moved(&self, center: Pos2, zoom: f32) -> Camera {
        Self::new(Camera::Free { center: [center.x, center.y], zoom }, self.input, self.body).camera()
    }
}

/// The ground truth under a point in input px: of several the smallest.
pub fn ground_truth_at(labels: &[SceneLabel], at: Pos2) -> Option<usize> {
    let under = labels.iter().enumerate().filter(|(_, label)| label.bbox.contains(at.x, at.y));
    under.min_by(|(_, a), (_, b)| a.bbox.area().total_cmp(&b.bbox.area())).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Size = Size::square(640);

    fn body() -> Rect {
        // 320 points for 640 px: half a point a px, 50 points to spare above and below.
        Rect::from_min_size(pos2(100.0, 50.0), vec2(320.0, 420.0))
    }

    #[test]
    fn fit_centres_the_input() {
        let p = Projection::new(Camera::Fit, INPUT, body());
        assert_eq!(p.zoom, 0.5);
        assert_eq!(p.to_screen(0.0, 0.0), pos2(100.0, 100.0));
        assert_eq!(p.to_screen(640.0, 640.0), pos2(420.0, 420.0));
        assert_eq!(p.to_input(pos2(260.0, 260.0)), pos2(320.0, 320.0));
        assert_eq!(p.camera(), Camera::Fit);
    }

    #[test]
    fn the_pointer_beside_the_picture_points_at_nothing() {
        let p = Projection::new(Camera::Fit, INPUT, body());
        assert_eq!(p.pointed(pos2(101.0, 101.0)), Some(pos2(2.0, 2.0)));
        assert_eq!(p.pointed(pos2(101.0, 60.0)), None);
    }

    #[test]
    fn zoom_holds_what_is_under_the_pointer() {
        let p = Projection::new(Camera::Free { center: [320.0, 320.0], zoom: 2.0 }, INPUT, body());
        let pivot = pos2(200.0, 200.0);
        let held = p.to_input(pivot);
        let q = Projection::new(p.zoomed(1.5, pivot), INPUT, body());
        assert_eq!(q.zoom, 3.0);
        assert!((q.to_input(pivot) - held).length() < 1e-3);
    }

    #[test]
    fn zooming_out_ends_at_the_fit() {
        let p = Projection::new(Camera::Free { center: [10.0, 600.0], zoom: 0.6 }, INPUT, body());
        assert_eq!(p.zoomed(0.1, pos2(120.0, 300.0)), Camera::Fit);
    }

    #[test]
    fn no_pan_loses_the_picture() {
        let p = Projection::new(Camera::Free { center: [320.0, 320.0], zoom: 2.0 }, INPUT, body());
        let far = Projection::new(p.panned(vec2(1e6, -1e6)), INPUT, body());
        // It ends at the left edge and at the lower edge of the pane.
        assert!((far.to_screen(0.0, 0.0).x - 100.0).abs() < 1e-3);
        assert!((far.to_screen(640.0, 640.0).y - 470.0).abs() < 1e-3);
    }

    #[test]
    fn where_the_picture_is_narrower_than_the_pane_it_stays_in_the_middle() {
        // A wide pane: at 0.7 points a px the height is larger than the pane, the width is not.
        let wide = Rect::from_min_size(pos2(0.0, 0.0), vec2(1000.0, 400.0));
        let p = Projection::new(Camera::Free { center: [0.0, 0.0], zoom: 0.7 }, INPUT, wide);
        assert_eq!(p.center.x, 320.0);
        assert!(p.to_screen(0.0, 0.0).y.abs() < 1e-3);
    }

    #[test]
    fn a_camera_of_nonsense_fits() {
        for camera in [
            Camera::Free { center: [f32::NAN, 0.0], zoom: 1.0 },
            Camera::Free { center: [0.0, 0.0], zoom: f32::INFINITY },
        ] {
            assert_eq!(Projection::new(camera, INPUT, body()).camera(), Camera::Fit);
        }
        assert!(Projection::new(Camera::Fit, Size::new(0, 0), Rect::ZERO).zoom.is_finite());
    }

    fn label(x1: f32, y1: f32, x2: f32, y2: f32) -> SceneLabel {
        SceneLabel { class: 0, name: "cat".to_owned(), bbox: BoundingBox::new(x1, y1, x2, y2) }
    }

    #[test]
    fn of_nested_boxes_the_smallest_is_pointed_at() {
        let labels = [label(0.0, 0.0, 100.0, 100.0), label(40.0, 40.0, 60.0, 60.0), label(200.0, 0.0, 220.0, 20.0)];
        assert_eq!(ground_truth_at(&labels, pos2(50.0, 50.0)), Some(1));
        assert_eq!(ground_truth_at(&labels, pos2(10.0, 50.0)), Some(0));
        assert_eq!(ground_truth_at(&labels, pos2(150.0, 50.0)), None);
    }
}
