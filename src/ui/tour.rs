//! The tour as it is drawn: a bubble beside what it is about, a frame around that, and the way on. Nothing is dimmed and
//! nothing locked: what a bubble speaks of can be tried at once.

use egui::{
    Align, Area, FontId, Frame, Id, Label, Layout, Order, Pos2, Rect, Shape, Stroke, StrokeKind, Ui, Vec2, pos2, vec2,
};

use crate::app::command::Command;
use crate::app::tour::Stop;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::ui::widgets::{self, Panel};

/// Fits over the narrowest right panel, so that the picture is never covered.
const WIDTH: f32 = 296.0;
const MARGIN: f32 = 12.0;
/// Height of the buttons and what parts them from the text.
const FOOT: f32 = 24.0 + palette::UNIT;
/// From the bubble to what it points at.
const GAP: f32 = 10.0;

/// Where the stops are on screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spots([Option<Rect>; Stop::ALL.len()]);

impl Spots {
    pub fn set(&mut self, stop: Stop, place: Option<Rect>) {
        self.0[stop as usize] = place;
    }
}

/// Draws the stop that the tour is at. Under a sheet or a question it waits.
pub fn show(ui: &Ui, panel: &mut Panel<'_>, spots: &Spots) {
    let state = panel.state;
    let Some(stop) = state.tour.filter(|_| state.overlay.is_none() && state.undecided.is_empty()) else { return };
    let window = ui.ctx().content_rect();
    let Some(target) = spots.0[stop as usize].map(|place| place.intersect(window.shrink(2.0))) else { return };
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let font = FontId::proportional(palette::BODY);
    let text = ui.painter().layout(tr(stop.text()).to_owned(), font, palette.text, WIDTH - 2.0 * MARGIN);
    let size = vec2(WIDTH, text.size().y + FOOT + 2.0 * MARGIN);
    let bubble = beside(target, size, window.shrink(palette::UNIT));

    // Below menus and dialogs, above the panels.
    let area = Area::new(Id::unique("tour")).order(Order::Middle).fixed_pos(bubble.min).constrain(false).fade_in(false);
    area.show(ui.ctx(), |ui| {
        let painter = ui.painter().with_clip_rect(window);
        let accent = Stroke::new(2.0, palette.accent);
        // Around what it frames, not over its text.
        painter.rect_stroke(target.expand(2.0), 4.0, accent, StrokeKind::Outside);
        if let Some(tip) = pointer(bubble, target) {
            painter.add(Shape::convex_polygon(tip.to_vec(), palette.accent, Stroke::NONE));
        }
        let frame = Frame::window(ui.style()).stroke(accent).inner_margin(MARGIN - accent.width);
        frame.show(ui, |ui| {
            ui.set_width(WIDTH - 2.0 * MARGIN);
            ui.spacing_mut().item_spacing.y = palette::UNIT;
            ui.add(Label::new(text));
            ui.horizontal(|ui| {
                widgets::note(ui, &format!("{} / {}", stop as usize + 1, Stop::ALL.len()));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let is_last = stop as usize + 1 == Stop::ALL.len();
                    panel.button(ui, Command::StepTour(1), if is_last { t!("Done") } else { t!("Next") });
                    panel.button(ui, Command::StepTour(-1), t!("Back"));
                    if !is_last {
                        panel.button(ui, Command::LeaveTour, Command::LeaveTour.label());
                    }
                });
            });
        });
    });
}

/// A place in the window for a bubble of this size: beside a tall target, below or above a wide one, and where there is
/// no room the other way round; it covers nothing of the target, or as little as can be.
fn beside(target: Rect, size: Vec2, window: Rect) -> Rect {
    let away = (size + target.size()) / 2.0 + Vec2::splat(GAP);
    let center = target.center();
    let (across, down) = (vec2(away.x, 0.0), vec2(0.0, away.y));
    let (first, second) = if target.width() > target.height() { (down, across) } else { (across, down) };
    let centers = [center + first, center - first, center + second, center - second];
    let inside = |center: Pos2| {
        let most = (window.size() - size).max(Vec2::ZERO);
        let corner = (center - size / 2.0 - window.min).clamp(Vec2::ZERO, most);
        Rect::from_min_size(window.min + corner, size)
    };
    let covered = |place: &Rect| {
        let both = place.expand(GAP / 2.0).intersect(target);
        if both.is_positive() { both.area() } else { 0.0 }
    };
    let places = centers.map(inside);
    // Of equals the first is taken.
    places.into_iter().min_by(|a, b| covered(a).total_cmp(&covered(b))).unwrap_or(places[0])
}

/// The triangle from the bubble to its target; `None` where the bubble had to lie over it.
fn pointer(bubble: Rect, target: Rect) -> Option<[Pos2; 3]> {
    const HALF: f32 = 8.0;
    /// So far the triangle stays from the bubble's round corners.
    const CORNER: f32 = 16.0;
    // The middle of what both have in common along the edge, so that it points at the target from the bubble's side.
    let middle = |low: f32, high: f32, from: f32, to: f32| {
        let middle = (low.max(from) + high.min(to)) / 2.0;
        middle.clamp(low + CORNER, (high - CORNER).max(low + CORNER))
    };
    let x = middle(bubble.left(), bubble.right(), target.left(), target.right());
    let y = middle(bubble.top(), bubble.bottom(), target.top(), target.bottom());
    let (base, out) = if bubble.left() >= target.right() {
        (pos2(bubble.left(), y), vec2(-1.0, 0.0))
    } else if bubble.right() <= target.left() {
        (pos2(bubble.right(), y), vec2(1.0, 0.0))
    } else if bubble.top() >= target.bottom() {
        (pos2(x, bubble.top()), vec2(0.0, -1.0))
    } else if bubble.bottom() <= target.top() {
        (pos2(x, bubble.bottom()), vec2(0.0, 1.0))
    } else {
        return None;
    };
    Some([base + out.rot90() * HALF, base + out * (GAP - 2.0), base - out.rot90() * HALF])
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUBBLE: Vec2 = vec2(WIDTH, 120.0);

    /// Where the stops are in a window of this size with panels of their least or usual widths.
    fn stops(width: f32, height: f32, left: f32, right: f32) -> [Rect; 5] {
        let rect = |x0, y0, x1, y1| Rect::from_min_max(pos2(x0, y0), pos2(x1, y1));
        let (top, bottom) = (32.0, height - 32.0);
        [
            rect(0.0, top, left, bottom - 260.0),
            rect(0.0, bottom - 260.0, left, bottom),
            rect(left, top, width - right, bottom),
            rect(width - right, top + 260.0, width, top + 460.0),
            rect(0.0, bottom, 160.0, height),
        ]
    }

    #[test]
    fn no_bubble_covers_what_it_points_at_or_leaves_the_window() {
        for (width, height, left, right) in [
            (1280.0, 800.0, 256.0, 384.0),
            (960.0, 600.0, 200.0, 320.0),
            (960.0, 600.0, 480.0, 320.0),
            (2560.0, 1440.0, 480.0, 560.0),
        ] {
            let window = Rect::from_min_size(Pos2::ZERO, vec2(width, height));
            for target in stops(width, height, left, right) {
                let place = beside(target, BUBBLE, window.shrink(8.0));
                assert_eq!(place.size(), BUBBLE);
                assert!(window.contains_rect(place), "{place:?} in {window:?}");
                assert!(!place.intersect(target).is_positive(), "{place:?} on {target:?}");
                let tip = pointer(place, target).expect("they lie side by side");
                let [a, tip, b] = tip;
                assert!(place.expand(0.1).contains(a) && place.expand(0.1).contains(b), "{a:?} {b:?} at {place:?}");
                assert!(
                    target.distance_to_pos(tip) < target.distance_to_pos(a),
                    "{tip:?} from {place:?} to {target:?}"
                );
            }
        }
    }

    #[test]
    fn a_bubble_stands_right_of_a_tall_target_and_below_a_wide_one_where_there_is_room() {
        let target = Rect::from_min_size(pos2(100.0, 200.0), vec2(50.0, 60.0));
        let window = Rect::from_min_size(Pos2::ZERO, vec2(1000.0, 600.0));
        let place = beside(target, BUBBLE, window);
        // 100 + 50 + a gap of 10; both centres at 230.
        assert_eq!(place.min, pos2(160.0, 170.0));
        // At the right edge it stands left: 950 − 10 − its width.
        let place = beside(target.translate(vec2(850.0, 0.0)), BUBBLE, window);
        assert_eq!(place.min, pos2(950.0 - 10.0 - WIDTH, 170.0));
        // 200 + 40 + 10, and kept in the window. At the bottom it stands above: 560 − 10 − 120.
        let wide = Rect::from_min_size(pos2(0.0, 200.0), vec2(100.0, 40.0));
        assert_eq!(beside(wide, BUBBLE, window).min, pos2(0.0, 250.0));
        assert_eq!(beside(wide.translate(vec2(0.0, 360.0)), BUBBLE, window).min, pos2(0.0, 430.0));
    }

    #[test]
    fn where_no_side_has_room_the_bubble_still_lies_in_the_window() {
        let window = Rect::from_min_size(Pos2::ZERO, vec2(320.0, 200.0));
        let place = beside(window, BUBBLE, window);
        assert!(window.contains_rect(place));
        assert_eq!(pointer(place, window), None);
    }
}
