//! What a verdict rests on, as a picture: every seed's difference as a dot, their mean's interval as a bar, zero as a line.

use egui::{Align2, FontId, Painter, Pos2, Rect, Response, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::axis::{AxisScale, ticks};
use crate::language::t;
use crate::palette::{self, Palette};
use crate::train::verdict::{Says, Verdict};
use crate::ui::style;

/// Of a seed in the picture.
const SEED: f32 = 16.0;
/// Of the seeds' names, and of their values.
const NAMES: f32 = 60.0;
const VALUES: f32 = 52.0;
/// Of the axis with its unit, and of the legend.
const AXIS: f32 = 32.0;
const LEGEND: f32 = 20.0;
const DOT: f32 = 4.0;
/// Points between two ticks, at least.
const ACROSS: f32 = 64.0;

/// What a verdict says, as a colour.
pub(super) fn ink(palette: &Palette, verdict: Option<&Verdict>) -> egui::Color32 {
    match verdict.map(|verdict| verdict.says) {
        Some(Says::Helps) => palette.good,
        Some(Says::Hurts) => palette.error,
        Some(Says::CannotTell) | None => palette.text,
    }
}

/// Every seed's difference, their interval and zero.
///
/// differences: each seed's, of the verdict's metric and split, imitation − baseline; sentence: the verdict in words.
pub(super) fn picture(ui: &mut Ui, verdict: &Verdict, differences: &[(u64, f64)], sentence: &str) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let rows = differences.len() as f32 + if verdict.low.is_some() { 1.5 } else { 0.0 };
    let size = vec2(ui.available_width(), LEGEND + rows * SEED + palette::UNIT + AXIS);
    let (whole, response) = ui.allocate_exact_size(size, Sense::hover());
    let place = Rect::from_min_max(whole.min + vec2(NAMES, LEGEND), whole.max - vec2(VALUES, AXIS));
    let (low, high) =
        range(differences.iter().map(|(_, difference)| *difference).chain(verdict.low).chain(verdict.high));
    let x = |value: f64| place.left() + ((value - low) / (high - low)) as f32 * place.width();
    let painter = ui.painter();
    axis(painter, place, verdict, (low, high), palette);
    let text = FontId::proportional(palette::SMALL);
    for (index, (seed, difference)) in differences.iter().enumerate() {
        let y = place.top() + (index as f32 + 0.5) * SEED;
        painter.circle_filled(pos2(x(*difference), y), DOT, palette.difference);
        let name = t!("seed {seed}", seed);
        painter.text(pos2(place.left() - 6.0, y), Align2::RIGHT_CENTER, name, text.clone(), palette.text_weak);
        let value = pos2(whole.right(), y);
        painter.text(value, Align2::RIGHT_CENTER, signed(*difference), text.clone(), palette.text);
    }
    if let (Some(from), Some(to)) = (verdict.low, verdict.high) {
        let y = place.top() + (differences.len() as f32 + 0.75) * SEED;
        let color = interval_ink(palette, verdict);
        bar(painter, [pos2(x(from), y), pos2(x(to), y)], x(verdict.mean), color);
        let bold = FontId::new(palette::SMALL, style::bold());
        painter.text(pos2(place.left() - 6.0, y), Align2::RIGHT_CENTER, t!("mean"), bold.clone(), palette.text);
        painter.text(pos2(whole.right(), y), Align2::RIGHT_CENTER, signed(verdict.mean), bold, palette.text);
    }
    legend(painter, whole, verdict, palette);
    spoken(&response, verdict, differences, sentence);
}

/// The bar of the interval in the verdict's colour.
fn interval_ink(palette: &Palette, verdict: &Verdict) -> egui::Color32 {
    match verdict.says {
        Says::CannotTell => palette.text_weak,
        Says::Helps | Says::Hurts => ink(palette, Some(verdict)),
    }
}

fn bar(painter: &Painter, [from, to]: [Pos2; 2], mean: f32, color: egui::Color32) {
    painter.line_segment([from, to], Stroke::new(3.0, color));
    for end in [from, to] {
        painter.line_segment([end - vec2(0.0, DOT), end + vec2(0.0, DOT)], Stroke::new(1.5, color));
    }
    let middle = pos2(mean, from.y);
    painter.line_segment([middle - vec2(0.0, 1.5 * DOT), middle + vec2(0.0, 1.5 * DOT)], Stroke::new(3.0, color));
}

/// What the picture covers: all values and zero, with some room.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.filter(|v| v.is_finite()).fold((0.0, 0.0), |(l, h), v| (f64::min(l, v), f64::max(h, v)));
    let room = if high > low { (high - low) * 0.06 } else { 0.01 };
    (low - room, high + room)
}

/// Zero, ticks and the unit.
fn axis(painter: &Painter, place: Rect, verdict: &Verdict, (low, high): (f64, f64), palette: &Palette) {
    let x = |value: f64| place.left() + ((value - low) / (high - low)) as f32 * place.width();
    let text = FontId::proportional(palette::SMALL);
    painter.hline(place.x_range(), place.bottom(), Stroke::new(1.0, palette.hairline));
    let wanted = (place.width() / ACROSS).floor().max(1.0) as usize;
    for (value, label) in ticks(low, high, wanted, AxisScale::Linear) {
        painter.vline(x(value), place.bottom()..=place.bottom() + 3.0, Stroke::new(1.0, palette.text_weak));
        let at = pos2(x(value), place.bottom() + 4.0);
        painter.text(at, Align2::CENTER_TOP, label, text.clone(), palette.text_weak);
    }
    painter.vline(x(0.0), place.y_range(), Stroke::new(1.0, palette.text));
    let unit = t!("{metric} on {split}, imitation − baseline", metric = verdict.metric, split = verdict.split);
    painter.text(pos2(place.center().x, place.bottom() + AXIS), Align2::CENTER_BOTTOM, unit, text, palette.text_weak);
}

/// What the signs of the picture mean, above it.
fn legend(painter: &Painter, whole: Rect, verdict: &Verdict, palette: &Palette) {
    let y = whole.top() + 0.5 * LEGEND;
    let font = FontId::proportional(palette::SMALL);
    let mut x = whole.left();
    let mut entry = |name: &str, sign: &dyn Fn(Pos2)| {
        sign(pos2(x + 8.0, y));
        let text = painter.text(pos2(x + 20.0, y), Align2::LEFT_CENTER, name, font.clone(), palette.text_weak);
        x = text.right() + 16.0;
    };
    entry(t!("a seed"), &|at| _ = painter.circle_filled(at, DOT, palette.difference));
    if verdict.low.is_some() {
        let color = interval_ink(palette, verdict);
        let name = t!("95 % interval of the mean");
        entry(name, &|at| bar(painter, [at - vec2(8.0, 0.0), at + vec2(8.0, 0.0)], at.x, color));
    }
    let line = |at: Pos2| painter.vline(at.x, at.y - 6.0..=at.y + 6.0, Stroke::new(1.0, palette.text));
    entry(t!("no difference"), &|at| _ = line(at));
}

/// The picture in words.
fn spoken(response: &Response, verdict: &Verdict, differences: &[(u64, f64)], sentence: &str) {
    let seeds = differences
        .iter()
        .map(|(seed, difference)| t!("seed {seed}: {difference}", seed, difference = signed(*difference)));
    let mut all: Vec<String> = seeds.collect();
    if let (Some(low), Some(high)) = (verdict.low, verdict.high) {
        all.push(t!("95 % interval {low} to {high}", low = signed(low), high = signed(high)));
    }
    let text = all.join(", ");
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &text));
    response.clone().on_hover_text(sentence);
}

fn signed(value: f64) -> String {
    format!("{value:+.3}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_all_values_are_in_the_picture_with_room() {
        assert_eq!(range([0.1, 0.2].into_iter()).0, -0.2 * 0.06);
        assert_eq!(range([-0.2, f64::NAN].into_iter()).1, 0.2 * 0.06);
        assert_eq!(range([0.0].into_iter()), (-0.01, 0.01));
        let (low, high) = range([0.02, 0.1].into_iter());
        assert!((low + 0.006).abs() < 1e-12 && (high - 0.106).abs() < 1e-12, "{low} {high}");
    }
}
