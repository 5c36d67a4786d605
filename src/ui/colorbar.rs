//! A colour bar: the map from its low to its high end, with numbers and a unit.
//!
//! It is painted into a given rectangle and decides nothing: range, map and unit are the caller's.

use egui::{Align2, Color32, FontId, Mesh, Painter, Pos2, Rect, Stroke, StrokeKind, pos2, vec2};

use crate::drawing::ColorBar;
use crate::format::tick;
use crate::language::t;
use crate::palette::{self, Palette};

/// Points that a bar with its numbers takes in height.
pub const HEIGHT: f32 = 28.0;
const BAR_HEIGHT: f32 = 8.0;
/// Pieces that the gradient is drawn in: more than the eye tells apart on a few hundred points.
const PIECES: usize = 64;

/// Paints the bar along the top of `rect`, its numbers below.
pub fn paint(bar: &ColorBar, painter: &Painter, rect: Rect, palette: &Palette) {
    let strip = Rect::from_min_size(rect.min, vec2(rect.width(), BAR_HEIGHT));
    painter.add(gradient(strip, palette::color_map(bar.map.colors)));

    let font = FontId::proportional(palette::SMALL);
    let y = strip.bottom() + palette::HALF;
    let indent = if bar.locked { lock(painter, pos2(strip.left(), y + 1.0), palette.text_weak) } else { 0.0 };
    let (low, high) = bar.map.range;
    let at = pos2(strip.left() + indent, y);
    let left = painter.text(at, Align2::LEFT_TOP, tick(low.into()), font.clone(), palette.text_weak);
    let upper = format!("{} {}", tick(high.into()), bar.label);
    let right = painter.text(pos2(strip.right(), y), Align2::RIGHT_TOP, upper, font.clone(), palette.text_weak);

    let middle = tick((f64::from(low) + f64::from(high)) / 2.0);
    let galley = painter.layout_no_wrap(middle, font.clone(), palette.text_weak);
    let center = Align2::CENTER_TOP.anchor_size(pos2(strip.center().x, y), galley.size());
    let free = left.right() + palette::UNIT..=right.left() - palette::UNIT;
    if free.contains(&center.left()) && free.contains(&center.right()) {
        let mark = Rect::from_center_size(pos2(strip.center().x, strip.bottom() + 1.0), vec2(1.0, 3.0));
        painter.rect_filled(mark, 0.0, palette.text_weak);
        painter.galley(center.min, galley, palette.text_weak);
    }
    let count = bar.map.not_finite();
    if count > 0 {
        let note = t!("{count} not finite", count);
        let plate = painter.text(
            pos2(strip.right() - palette::HALF, strip.top() - palette::HALF),
            Align2::RIGHT_BOTTOM,
            note,
            font,
            palette.text,
        );
        let swatch = Rect::from_min_size(pos2(plate.left() - 14.0, plate.center().y - 5.0), vec2(10.0, 10.0));
        painter.rect_filled(swatch, 0.0, palette::NOT_FINITE);
    }
}

/// A small padlock; returns the width that it takes. The fonts have none.
fn lock(painter: &Painter, at: Pos2, color: Color32) -> f32 {
    let body = Rect::from_min_size(at + vec2(0.0, 5.0), vec2(8.0, 6.0));
    let bow = Rect::from_min_max(at + vec2(1.5, 0.5), at + vec2(6.5, 8.0));
    painter.rect_stroke(bow, 2.5, Stroke::new(1.2, color), StrokeKind::Middle);
    painter.rect_filled(body, 1.0, color);
    12.0
}

fn gradient(rect: Rect, colors: &[Color32; 256]) -> Mesh {
    let mut mesh = Mesh::default();
    mesh.reserve_vertices(2 * (PIECES + 1));
    mesh.reserve_triangles(2 * PIECES);
    for piece in 0..=PIECES {
        let share = piece as f32 / PIECES as f32;
        let color = colors[(share * 255.0).round() as usize];
        let x = rect.left() + share * rect.width();
        mesh.colored_vertex(pos2(x, rect.top()), color);
        mesh.colored_vertex(pos2(x, rect.bottom()), color);
        if piece > 0 {
            let at = 2 * piece as u32;
            mesh.add_triangle(at - 2, at - 1, at);
            mesh.add_triangle(at - 1, at, at + 1);
        }
    }
    mesh
}
