//! Where everything in a figure stands.

use super::bar::{self, color_bar};
use super::look::Look;
use super::paint;
use super::raster::{Figure, FigureError};
use super::spec::{FigureSpec, Lead, Panel};
use super::svg::{Place, Style, Svg, opaque};
use super::text::{HAIRLINE, INK, NOTE, Text, WEAK, widths};
use crate::drawing::{LegendEntry, Sign};

const GAP: f32 = 24.0;
/// Narrower, a title would be all ellipsis.
const MIN_WIDTH: f32 = 420.0;

const TITLE: f32 = 18.0;
/// The sentence, the formula and the numbers of a step of the story.
const SENTENCE: f32 = 14.5;
const FORMULA: f32 = 14.0;
const NUMBER: f32 = 12.5;
const FACT: f32 = 11.5;
const PANEL_TITLE: f32 = 13.0;
const LINE: f32 = 16.0;

/// Lays a figure out as SVG, on white and for a screen.
pub fn render(spec: &FigureSpec<'_>) -> Result<Figure, FigureError> {
    render_as(spec, &Look::default())
}

/// Lays a figure out as SVG.
pub fn render_as(spec: &FigureSpec<'_>, look: &Look) -> Result<Figure, FigureError> {
    let (margin, units) = (look.margin(), look.units());
    let (columns, side) = look.columns(spec.columns.clamp(1, spec.panels.len().max(1)), spec.panel_side, GAP);
    // In print a picture fills its column; on a screen cells are whole pixels.
    let fit = |panel: &Panel<'_>| {
        if units.is_some() { side / panel.photo.width().max(1) as f32 } else { round_scale(panel, side) }
    };
    let scales: Vec<f32> = spec.panels.iter().map(fit).collect();
    let sizes: Vec<(f32, f32)> = spec.panels.iter().zip(&scales).map(|(panel, k)| size(panel, *k)).collect();
    let column = sizes.iter().map(|size| size.0).fold(0.0, f32::max);
    let inner = match units {
        Some(units) => units - 2.0 * margin,
        None => (columns as f32 * (column + GAP) - GAP).max(MIN_WIDTH),
    };

    let mut svg = Svg::default();
    let mut y = heading_of(&mut svg, &spec.title, &spec.lead, &spec.facts, (margin, inner));
    y += 14.0;

    // Cells of the grid of panels are filled row by row, each row as high as its highest.
    let panels: Vec<(&Panel<'_>, f32, (f32, f32))> =
        spec.panels.iter().zip(scales).zip(sizes).map(|((panel, k), size)| (panel, k, size)).collect();
    for row in panels.chunks(columns) {
        let notes: Vec<Vec<String>> = row.iter().map(|(panel, _, size)| wrapped(&panel.note, NOTE, size.0)).collect();
        let note_lines = notes.iter().map(Vec::len).max().unwrap_or(0) as f32;
        let picture_top = y + LINE + 4.0 + note_lines * (NOTE + 3.5) + 8.0;
        let picture_height = row.iter().map(|(_, _, size)| size.1).fold(0.0, f32::max);
        for (index, ((panel, k, size), notes)) in row.iter().zip(notes).enumerate() {
            let x = margin + index as f32 * (column + GAP);
            heading(&mut svg, panel, &notes, x, y, size.0);
            picture(&mut svg, panel, *k, (x, picture_top, size.0, size.1))?;
            if let Some(bar) = &panel.bar {
                color_bar(&mut svg, bar, x, picture_top + size.1 + 8.0, size.0);
            }
        }
        let bar = if row.iter().any(|(panel, _, _)| panel.bar.is_some()) { bar::BLOCK } else { 0.0 };
        y = picture_top + picture_height + bar + 18.0;
    }
    y = legend(&mut svg, &spec.legend, y, (margin, inner));

    let (width, height) = (inner + 2.0 * margin, (y + (margin - 12.0).max(2.0)).ceil());
    let width = if units.is_some() { width } else { width.ceil() };
    svg.finish(&spec.title, width, height, look)
}

/// Title, what a step says, and facts, from `left` on and so wide; returns the y below.
pub(super) fn heading_of(svg: &mut Svg, title: &str, lead: &Lead, facts: &[String], (left, width): (f32, f32)) -> f32 {
    let mut y = left + TITLE;
    svg.text(&Text::bold(title, TITLE).fitted(width), left, y, INK, "start");
    y += 4.0;
    if !lead.sentence.is_empty() {
        for line in wrapped(&lead.sentence, SENTENCE, width) {
            y += SENTENCE + 5.0;
            svg.text(&Text::new(line, SENTENCE), left, y, INK, "start");
        }
        y += 5.0;
        for line in wrapped(&lead.formula, FORMULA, width) {
            y += FORMULA + 5.0;
            svg.text(&Text::bold(line, FORMULA), left, y, INK, "start");
        }
        y += 3.0;
        for line in lead.numbers.iter().flat_map(|line| wrapped(line, NUMBER, width)) {
            y += NUMBER + 4.5;
            svg.text(&Text::new(line, NUMBER), left, y, INK, "start");
        }
        y += 6.0;
    }
    for line in flow(facts, " · ", FACT, width) {
        y += LINE;
        svg.text(&Text::new(line, FACT), left, y, WEAK, "start");
    }
    y
}

/// Figure units per input px: a whole number, or whole eighths, so that cells stay equal.
fn round_scale(panel: &Panel<'_>, side: f32) -> f32 {
    let fit = side / panel.photo.width().max(panel.photo.height()).max(1) as f32;
    if fit >= 1.0 { fit.floor() } else { ((fit * 8.0).floor() / 8.0).max(0.0625) }
}

fn size(panel: &Panel<'_>, scale: f32) -> (f32, f32) {
    (panel.photo.width() as f32 * scale, panel.photo.height() as f32 * scale)
}

/// Parts in as few lines as fit; a part that is too long by itself is shortened.
fn flow(parts: &[String], separator: &str, size: f32, width: f32) -> Vec<String> {
    let parts: Vec<Text> = parts.iter().map(|part| Text::new(part, size).fitted(width)).collect();
    let measured = widths(&parts);
    // A space at an end has no ink to measure.
    let between = Text::new(format!("x{separator}x"), size).width() - Text::new("xx", size).width();
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0.0;
    for (part, part_width) in parts.into_iter().zip(measured) {
        match lines.last_mut() {
            Some(line) if used + between + part_width <= width => {
                *line += separator;
                *line += &part.content;
                used += between + part_width;
            }
            _ => {
                lines.push(part.content);
                used = part_width;
            }
        }
    }
    lines
}

fn wrapped(text: &str, size: f32, width: f32) -> Vec<String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    flow(&words, " ", size, width)
}

fn heading(svg: &mut Svg, panel: &Panel<'_>, notes: &[String], x: f32, y: f32, width: f32) {
    let mut left = x;
    if let Some(accent) = panel.accent {
        svg.dot((x + 5.0, y + LINE - 4.5), 4.5, &opaque(accent));
        left += 15.0;
    }
    let title = Text::bold(&panel.title, PANEL_TITLE).fitted(width - (left - x));
    svg.text(&title, left, y + LINE, INK, "start");
    let mut baseline = y + LINE + 3.0;
    for note in notes {
        baseline += NOTE + 3.5;
        svg.text(&Text::new(note, NOTE), x, baseline, WEAK, "start");
    }
}

fn picture(svg: &mut Svg, panel: &Panel<'_>, k: f32, (x, y, width, height): Place) -> Result<(), FigureError> {
    paint::photograph(svg, panel.photo, panel.is_grey(), k, (x, y, width, height))?;
    paint::picture(svg, &panel.picture, panel.detail, k, (x, y, width, height))?;
    svg.close("g");
    svg.rect((x - 0.5, y - 0.5, width + 1.0, height + 1.0), Style::line(HAIRLINE, 1.0));
    Ok(())
}

/// Signs and texts in lines; returns the y below them.
fn legend(svg: &mut Svg, entries: &[LegendEntry], top: f32, (left, width): (f32, f32)) -> f32 {
    const SIGN: f32 = 14.0;
    let texts: Vec<Text> =
        entries.iter().map(|entry| Text::new(&entry.text, NOTE).fitted((width / 2.0).min(320.0))).collect();
    let measured = widths(&texts);
    let (mut x, mut y) = (0.0, top);
    for ((entry, text), text_width) in entries.iter().zip(&texts).zip(measured) {
        let sign = if entry.sign == Sign::None { 0.0 } else { SIGN + 6.0 };
        if x > 0.0 && x + sign + text_width > width {
            (x, y) = (0.0, y + LINE + 2.0);
        }
        paint::sign(svg, entry.sign, left + x, y);
        svg.text(text, left + x + sign, y + 9.5, INK, "start");
        x += sign + text_width + 18.0;
    }
    if entries.is_empty() { y } else { y + LINE + 6.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_flow_over_lines_that_fit() {
        let parts: Vec<String> = ["one", "two", "three", "four"].map(str::to_owned).into();
        assert_eq!(flow(&parts, " · ", 12.0, 1000.0), ["one · two · three · four"]);
        let lines = flow(&parts, " · ", 12.0, 80.0);
        assert!(lines.len() > 1, "{lines:?}");
        for line in &lines {
            assert!(Text::new(line, 12.0).width() <= 80.5, "{line}");
        }
        assert_eq!(wrapped("", 12.0, 80.0), Vec::<String>::new());
    }
}
