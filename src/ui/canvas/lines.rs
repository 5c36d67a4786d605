//! Axis-aligned lines in one mesh a pane, set on whole pixels: crisp, and far cheaper than a shape each.

use egui::{Color32, Mesh, Painter, Rect, pos2};

use crate::palette;

/// Casing on each side of a line.
pub const CASING: f32 = 1.0;
/// Points from one dash to the next, and how many a side has at most.
const DASH: f32 = 8.0;
const MOST_DASHES: f32 = 40.0;

/// Axis-aligned lines and bars in one mesh, on whole pixels, cut to a pane.
pub struct Lines {
    mesh: Mesh,
    clip: Rect,
    pixels_per_point: f32,
}

impl Lines {
    pub fn new(painter: &Painter) -> Self {
        Self { mesh: Mesh::default(), clip: painter.clip_rect(), pixels_per_point: painter.pixels_per_point() }
    }

    pub fn bar(&mut self, rect: Rect, color: Color32) {
        let cut = rect.intersect(self.clip);
        if cut.is_positive() {
            self.mesh.add_colored_rect(cut, color);
        }
    }

    /// (first point, width) of a line around `at`, on whole pixels.
    fn snapped(&self, at: f32, width: f32) -> (f32, f32) {
        let scale = self.pixels_per_point;
        let width = (width * scale).round().max(1.0);
        ((at * scale - width / 2.0).round() / scale, width / scale)
    }

    pub fn horizontal(&mut self, x1: f32, x2: f32, y: f32, width: f32, color: Color32) {
        let (top, width) = self.snapped(y, width);
        self.bar(Rect::from_min_max(pos2(x1, top), pos2(x2, top + width)), color);
    }

    pub fn vertical(&mut self, x: f32, y1: f32, y2: f32, width: f32, color: Color32) {
        let (left, width) = self.snapped(x, width);
        self.bar(Rect::from_min_max(pos2(left, y1), pos2(left + width, y2)), color);
    }

    /// Four bars that meet in the corners without covering each other.
    pub fn frame(&mut self, rect: Rect, width: f32, color: Color32) {
        let (left, thick) = self.snapped(rect.left(), width);
        let (right, _) = self.snapped(rect.right(), width);
        let (top, _) = self.snapped(rect.top(), width);
        let (bottom, _) = self.snapped(rect.bottom(), width);
        let mut bar = |x1, y1, x2, y2| self.bar(Rect::from_min_max(pos2(x1, y1), pos2(x2, y2)), color);
        bar(left, top, right + thick, top + thick);
        bar(left, bottom, right + thick, bottom + thick);
        bar(left, top + thick, left + thick, bottom);
        bar(right, top + thick, right + thick, bottom);
    }

    /// A frame in dashes over its casing.
    pub fn dashed_frame(&mut self, rect: Rect, width: f32, color: Color32) {
        self.frame(rect, width + 2.0 * CASING, palette::CASING);
        let dashes = |from: f32, to: f32| {
            let count = ((to - from) / DASH).clamp(1.0, MOST_DASHES).round();
            let step = (to - from) / count;
            (0..count as usize).map(move |i| (from + step * i as f32, from + step * (i as f32 + 0.6)))
        };
        for (x1, x2) in dashes(rect.left(), rect.right()) {
            self.horizontal(x1, x2, rect.top(), width, color);
            self.horizontal(x1, x2, rect.bottom(), width, color);
        }
        for (y1, y2) in dashes(rect.top(), rect.bottom()) {
            self.vertical(rect.left(), y1, y2, width, color);
            self.vertical(rect.right(), y1, y2, width, color);
        }
    }

    /// A frame that is seen on light and on dark.
    pub fn cased_frame(&mut self, rect: Rect, width: f32, color: Color32) {
        self.frame(rect, width + 2.0 * CASING, palette::CASING);
        self.frame(rect, width, color);
    }

    pub fn paint(self, painter: &Painter) {
        if !self.mesh.is_empty() {
            painter.add(self.mesh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_on_whole_pixels() {
        let lines = Lines { mesh: Mesh::default(), clip: Rect::EVERYTHING, pixels_per_point: 2.0 };
        // 1.5 points are 3 pixels; around pixel 20.6 they begin at pixel 19.
        assert_eq!(lines.snapped(10.3, 1.5), (9.5, 1.5));
        // Nothing is thinner than a pixel.
        assert_eq!(lines.snapped(10.0, 0.1).1, 0.5);
    }

    #[test]
    fn a_frame_covers_no_pixel_twice() {
        let mut lines = Lines { mesh: Mesh::default(), clip: Rect::EVERYTHING, pixels_per_point: 1.0 };
        lines.frame(Rect::from_min_max(pos2(10.0, 10.0), pos2(20.0, 30.0)), 2.0, Color32::WHITE);
        let area: f32 = lines
            .mesh
            .vertices
            .chunks(4)
            .map(|quad| {
                let rect = Rect::from_points(&quad.iter().map(|v| v.pos).collect::<Vec<_>>());
                rect.area()
            })
            .sum();
        // 12 × 22 outside less 8 × 18 inside.
        assert_eq!(area, 12.0 * 22.0 - 8.0 * 18.0);
    }
}
