//! The colour bar under a map: its colours, its numbers, values that have a name.

use super::layout::{BAR, INK, NOTE, Svg, WEAK, hex};
use super::spec::Heatmap;
use super::text::Text;
use crate::axis::round_ticks;
use crate::colormap::ColorMap;
use crate::format::significant;

/// Steps of a colour bar that are still told apart.
const MAX_STEPS: usize = 12;

/// Values at the ends of the colours.
pub(super) fn range(map: &Heatmap) -> (f32, f32) {
    let finite = |(low, high): &(f32, f32)| low.is_finite() && high.is_finite();
    map.range.filter(finite).or_else(|| map.grid.finite_range()).unwrap_or((0.0, 0.0))
}

/// The bar, its numbers and its label, from (x, y) on and so wide.
pub(super) fn color_bar(svg: &mut Svg, map: &Heatmap, x: f32, y: f32, width: f32) {
    let (low, high) = range(map);
    let steps = (high - low.max(1.0)).round() as usize + 1;
    let numbers = y + BAR + 12.0;
    let mut label = |at: f32, text: String, anchor: &str| {
        svg.body += &Text::new(text, NOTE).svg(at, numbers, INK, anchor);
    };
    let mut bar = String::new();
    if map.integer && high < 1.0 {
        label(x, "no cell".to_owned(), "start");
    } else if map.integer && steps <= MAX_STEPS {
        // One swatch a count, its number under its middle.
        let (first, step) = (low.max(1.0), width / steps as f32);
        for index in 0..steps {
            let (value, left) = (first + index as f32, x + index as f32 * step);
            bar += &format!(
                "<rect x=\"{left:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{BAR}\" fill=\"{}\"/>\n",
                (step - 1.0).max(1.0),
                hex(map.colors.color(value, (low, high)))
            );
            label(left + step / 2.0, format!("{value:.0}"), "middle");
        }
    } else {
        let gradient = gradient(&mut svg.definitions, &mut svg.known, map.colors);
        bar += &format!(
            "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{BAR}\" fill=\"url(#{gradient})\"/>\n"
        );
        let written = |value: f32| {
            if map.integer { format!("{value:.0}") } else { significant(f64::from(value)) }
        };
        if high > low {
            // The ends are the range itself; round numbers stand between them where there is room.
            let ends = [written(low), written(high)].map(|text| Text::new(text, NOTE));
            let [low_end, high_end] = [x + ends[0].width() + 8.0, x + width - ends[1].width() - 8.0];
            let mut free = low_end;
            let named = !map.marks.is_empty();
            for (value, name) in map.marks.iter().filter(|(value, _)| (low..=high).contains(value)) {
                let at = x + (value - low) / (high - low) * width;
                bar += &format!(
                    "<path d=\"M{at:.2} {:.2}v{}\" stroke=\"{INK}\" stroke-width=\"2\"/>\n",
                    y - 3.0,
                    BAR + 6.0
                );
                let half = Text::new(name, NOTE).width() / 2.0;
                label(at.clamp(x + half, x + width - half), name.clone(), "middle");
            }
            // Named values take the place of round numbers and of the ends.
            for (value, text) in round_ticks(f64::from(low), f64::from(high), (width / 60.0).clamp(2.0, 6.0) as usize)
                .into_iter()
                .filter(|_| !named)
            {
                let at = x + ((value - f64::from(low)) / f64::from(high - low)) as f32 * width;
                let half = Text::new(&text, NOTE).width() / 2.0;
                if at - half >= free && at + half <= high_end {
                    free = at + half + 8.0;
                    bar += &format!("<path d=\"M{at:.2} {y:.2}v{BAR}\" stroke=\"#ffffff\" stroke-opacity=\"0.7\"/>\n");
                    label(at, text, "middle");
                }
            }
            let [low_text, high_text] = ends;
            label(x, low_text.content, "start");
            if !named {
                label(x + width, high_text.content, "end");
            }
        } else {
            label(x, format!("{} everywhere", written(low)), "start");
        }
    }
    svg.body += &bar;
    let quantity = Text::new(&map.quantity, NOTE).fitted(width);
    svg.body += &quantity.svg(x + width / 2.0, numbers + 15.0, WEAK, "middle");
}

/// The name of a colour map's gradient, defined on first use.
fn gradient(definitions: &mut String, known: &mut Vec<String>, colors: ColorMap) -> &'static str {
    let name = match colors {
        ColorMap::Cividis => "cividis",
        ColorMap::Viridis => "viridis",
        ColorMap::Inferno => "inferno",
        ColorMap::Magma => "magma",
        ColorMap::BlueRed => "blue-red",
    };
    if !known.iter().any(|other| other == name) {
        known.push(name.to_owned());
        *definitions += &format!("<linearGradient id=\"{name}\">\n");
        for stop in 0..=32 {
            let share = stop as f32 / 32.0;
            let color = hex(colors.color(share, (0.0, 1.0)));
            *definitions += &format!("<stop offset=\"{share}\" stop-color=\"{color}\"/>\n");
        }
        *definitions += "</linearGradient>\n";
    }
    name
}
