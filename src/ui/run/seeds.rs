//! What a verdict rests on, as a picture: every seed's difference as a dot, their mean's interval as a bar, zero as a line.

use egui::{Align2, FontId, Rect, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::app::language::t;
use crate::export::figure::axis::{AxisScale, ticks};
use crate::train::verdict::{Says, Verdict};
use crate::ui::palette::{self, Palette};

/// Height of a seed, of the interval, and of the axis with its unit.
const ROW: f32 = 14.0;
const AXIS: f32 = 32.0;
/// Width of the names at the left and of the values at the right.
const NAME: f32 = 56.0;
const VALUE: f32 = 56.0;
/// Points between two ticks, at least.
const ACROSS: f32 = 64.0;
const DOT: f32 = 4.0;

/// `differences`: each seed's, of the verdict's metric and split, imitation − baseline.
pub(super) fn picture(ui: &mut Ui, verdict: &Verdict, differences: &[(u64, f64)]) {
    let palette = Palette::of(ui);
    let interval = verdict.low.zip(verdict.high);
    let rows = differences.len() + usize::from(interval.is_some());
    let size = vec2(ui.available_width(), rows as f32 * ROW + AXIS);
    let (whole, response) = ui.allocate_exact_size(size, Sense::hover());
    let place = Rect::from_min_max(whole.min + vec2(NAME, 0.0), whole.max - vec2(VALUE, AXIS));
    let ends = verdict.low.into_iter().chain(verdict.high);
    let (low, high) = range(differences.iter().map(|(_, difference)| *difference).chain(ends));
    let x = |value: f64| place.left() + ((value - low) / (high - low)) as f32 * place.width();
    let painter = ui.painter();
    let font = FontId::proportional(palette::SMALL);
    let say = |y: f32, name: String, value: f64| {
        painter.text(pos2(place.left() - 6.0, y), Align2::RIGHT_CENTER, name, font.clone(), palette.text_weak);
        let value = format!("{value:+.4}");
        painter.text(pos2(whole.right(), y), Align2::RIGHT_CENTER, value, font.clone(), palette.text);
    };

    painter.hline(place.x_range(), place.bottom(), Stroke::new(1.0, palette.hairline));
    for (value, label) in ticks(low, high, (place.width() / ACROSS).max(1.0) as usize, AxisScale::Linear) {
        painter.vline(x(value), place.bottom()..=place.bottom() + 3.0, Stroke::new(1.0, palette.text_weak));
        let at = pos2(x(value), place.bottom() + 4.0);
        painter.text(at, Align2::CENTER_TOP, label, font.clone(), palette.text_weak);
    }
    let unit = t!("{metric} on {split}, with imitation − without", metric = verdict.metric, split = verdict.split);
    let below = pos2(place.center().x, whole.bottom());
    painter.text(below, Align2::CENTER_BOTTOM, unit, font.clone(), palette.text_weak);
    painter.vline(x(0.0), place.y_range(), Stroke::new(1.0, palette.text));

    for (row, (seed, difference)) in differences.iter().enumerate() {
        let y = place.top() + (row as f32 + 0.5) * ROW;
        painter.circle_filled(pos2(x(*difference), y), DOT, palette.difference);
        say(y, t!("seed {seed}", seed), *difference);
    }
    if let Some((from, to)) = interval {
        let y = place.bottom() - 0.5 * ROW;
        let color = match verdict.says {
            Says::Helps => palette.good,
            Says::Hurts => palette.error,
            Says::CannotTell => palette.text_weak,
        };
        painter.hline(x(from)..=x(to), y, Stroke::new(3.0, color));
        painter.vline(x(verdict.mean), y - DOT..=y + DOT, Stroke::new(3.0, color));
        say(y, t!("95 %").to_owned(), verdict.mean);
    }
    let seeds: Vec<String> = differences.iter().map(|(seed, difference)| format!("{seed}: {difference:+.4}")).collect();
    let spoken = t!("differences by seed: {seeds}", seeds = seeds.join(", "));
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &spoken));
    response.on_hover_text(t!(
        "A dot is a seed; the bar is the 95 % interval of their mean. Where it does not touch the line at 0, there is a verdict."
    ));
}

/// All values and zero, with some room.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.filter(|v| v.is_finite()).fold((0.0, 0.0), |(l, h), v| (f64::min(l, v), f64::max(h, v)));
    let room = if high > low { (high - low) * 0.06 } else { 0.01 };
    (low - room, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_zero_and_room_around_all_values() {
        let (low, high) = range([0.02, 0.1].into_iter());
        assert!((low + 0.006).abs() < 1e-12 && (high - 0.106).abs() < 1e-12, "{low} {high}");
        assert_eq!(range([f64::NAN].into_iter()), (-0.01, 0.01));
    }
}
