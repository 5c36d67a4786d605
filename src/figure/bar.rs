//! The colour bar under a map: its colours, its numbers, values that have a name.

use super::svg::{Style, Svg, hex};
use super::text::{INK, NOTE, Text, WEAK};
use crate::axis::round_ticks;
use crate::colormap::ColorMap;
use crate::drawing::ColorBar;
use crate::format::significant;

/// Steps of a colour bar that are still told apart.
const MAX_STEPS: usize = 12;

const BAR: f32 = 10.0;
/// Bar, numbers and label under a picture.
pub(super) const BLOCK: f32 = 8.0 + BAR + 15.0 + 15.0;

/// The bar, its numbers and its label, from (x, y) on and so wide.
pub(super) fn color_bar(svg: &mut Svg, bar: &ColorBar, x: f32, y: f32, width: f32) {
    let (low, high) = bar.map.range;
    let steps = (high - low.max(1.0)).round() as usize + 1;
    let numbers = y + BAR + 12.0;
    let label = |svg: &mut Svg, at: f32, text: &str, anchor: &str| {
        svg.text(&Text::new(text, NOTE), at, numbers, INK, anchor);
    };
    if bar.integer && high < 1.0 {
        label(svg, x, "no cell", "start");
    } else if bar.integer && steps <= MAX_STEPS {
        // One swatch a count, its number under its middle.
        let (first, step) = (low.max(1.0), width / steps as f32);
        for index in 0..steps {
            let (value, left) = (first + index as f32, x + index as f32 * step);
            let color = hex(bar.map.colors.color(value, (low, high)));
            svg.rect((left, y, (step - 1.0).max(1.0), BAR), Style::fill(&color));
            label(svg, left + step / 2.0, &format!("{value:.0}"), "middle");
        }
    } else {
        let gradient = gradient(svg, bar.map.colors);
        svg.rect((x, y, width, BAR), Style::fill(&format!("url(#{gradient})")));
        range(svg, bar, (x, y, width), &label);
    }
    let quantity = Text::new(&bar.label, NOTE).fitted(width);
    svg.text(&quantity, x + width / 2.0, numbers + 15.0, WEAK, "middle");
}

/// The ends of a gradient, and values between them where there is room.
fn range(svg: &mut Svg, bar: &ColorBar, (x, y, width): (f32, f32, f32), label: &dyn Fn(&mut Svg, f32, &str, &str)) {
    let (low, high) = bar.map.range;
    let written = |value: f32| if bar.integer { format!("{value:.0}") } else { significant(f64::from(value)) };
    let [low_text, high_text] = [low, high].map(written);
    if high <= low {
        return label(svg, x, &format!("{low_text} everywhere"), "start");
    }
    label(svg, x, &low_text, "start");
    let half = |text: &str| Text::new(text, NOTE).width() / 2.0;
    for (value, name) in bar.marks.iter().filter(|(value, _)| (low..=high).contains(value)) {
        let at = x + (value - low) / (high - low) * width;
        svg.path(&format!("M{at:.2} {:.2}v{}", y - 3.0, BAR + 6.0), Style::line(INK, 2.0));
        let half = half(name);
        label(svg, at.clamp(x + half, x + width - half), name, "middle");
    }
    // Named values take the place of round numbers and of the upper end.
    if !bar.marks.is_empty() {
        return;
    }
    label(svg, x + width, &high_text, "end");
    let mut free = x + 2.0 * half(&low_text) + 8.0;
    let end = x + width - 2.0 * half(&high_text) - 8.0;
    for (value, text) in round_ticks(f64::from(low), f64::from(high), (width / 60.0).clamp(2.0, 6.0) as usize) {
        let at = x + ((value - f64::from(low)) / f64::from(high - low)) as f32 * width;
        let half = half(&text);
        if at - half >= free && at + half <= end {
            free = at + half + 8.0;
            svg.path(&format!("M{at:.2} {y:.2}v{BAR}"), Style { opacity: 0.7, ..Style::line("#ffffff", 1.0) });
            label(svg, at, &text, "middle");
        }
    }
}

/// The name of a colour map's gradient, defined on first use.
fn gradient(svg: &mut Svg, colors: ColorMap) -> &'static str {
    let name = match colors {
        ColorMap::Cividis => "cividis",
        ColorMap::Viridis => "viridis",
        ColorMap::Inferno => "inferno",
        ColorMap::Magma => "magma",
        ColorMap::BlueRed => "blue-red",
    };
    if svg.number("gradient", name).1 {
        let stop = |stop: u8| {
            let share = f32::from(stop) / 32.0;
            let color = hex(colors.color(share, (0.0, 1.0)));
            vec![("offset", share.to_string()), ("stop-color", color)]
        };
        svg.define("linearGradient", vec![("id", name.to_owned())], "stop", (0..=32).map(stop).collect());
    }
    name
}
