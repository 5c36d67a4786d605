//! Where everything in a figure stands, and its SVG.

use super::bar::{color_bar, range};
use super::look::{Background, Look};
use super::picture::{map_uri, photo_uri};
use super::spec::{FigureSpec, Heatmap, Lead, LegendEntry, Outline, Panel, Region, RegionFill, Sign, Stroke};
use super::svg::{Figure, FigureError};
use super::text::{FAMILY, Text, escape, widths, with_lengths};
use crate::colormap::NOT_FINITE;

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
pub(super) const NOTE: f32 = 11.0;
const TAG: f32 = 10.5;
const TAG_PAD: f32 = 3.5;
const LINE: f32 = 16.0;
pub(super) const BAR: f32 = 10.0;
/// Colour bar, numbers and label under a picture.
const BAR_BLOCK: f32 = 8.0 + BAR + 15.0 + 15.0;

pub(super) const INK: &str = "#1b1e23";
pub(super) const WEAK: &str = "#545b65";
pub(super) const HAIRLINE: &str = "#b9bec6";

/// Lays a figure out as SVG, on white and for a screen.
pub fn render(spec: &FigureSpec<'_>) -> Result<Figure, FigureError> {
    render_as(spec, &Look::default())
}

/// Lays a figure out as SVG.
pub fn render_as(spec: &FigureSpec<'_>, look: &Look) -> Result<Figure, FigureError> {
    figure(spec, look)
}

fn figure(spec: &FigureSpec<'_>, look: &Look) -> Result<Figure, FigureError> {
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
            picture(&mut svg, panel, *k, x, picture_top)?;
            if let Some(map) = &panel.map {
                color_bar(&mut svg, map, x, picture_top + size.1 + 8.0, size.0);
            }
        }
        let bar = if row.iter().any(|(panel, _, _)| panel.map.is_some()) { BAR_BLOCK } else { 0.0 };
        y = picture_top + picture_height + bar + 18.0;
    }
    y = legend(&mut svg, &spec.legend, y, (margin, inner));

    let (width, height) = (inner + 2.0 * margin, (y + (margin - 12.0).max(2.0)).ceil());
    let width = if units.is_some() { width } else { width.ceil() };
    Ok(svg.finish(&spec.title, width, height, look))
}

/// Title, what a step says, and facts, from `left` on and so wide; returns the y below.
pub(super) fn heading_of(svg: &mut Svg, title: &str, lead: &Lead, facts: &[String], (left, width): (f32, f32)) -> f32 {
    let mut y = left + TITLE;
    svg.body += &Text::bold(title, TITLE).fitted(width).svg(left, y, INK, "start");
    y += 4.0;
    if !lead.sentence.is_empty() {
        for line in wrapped(&lead.sentence, SENTENCE, width) {
            y += SENTENCE + 5.0;
            svg.body += &Text::new(line, SENTENCE).svg(left, y, INK, "start");
        }
        y += 5.0;
        for line in wrapped(&lead.formula, FORMULA, width) {
            y += FORMULA + 5.0;
            svg.body += &Text::bold(line, FORMULA).svg(left, y, INK, "start");
        }
        y += 3.0;
        for line in lead.numbers.iter().flat_map(|line| wrapped(line, NUMBER, width)) {
            y += NUMBER + 4.5;
            svg.body += &Text::new(line, NUMBER).svg(left, y, INK, "start");
        }
        y += 6.0;
    }
    for line in flow(facts, " · ", FACT, width) {
        y += LINE;
        svg.body += &Text::new(line, FACT).svg(left, y, WEAK, "start");
    }
    y
}

/// The SVG under construction.
#[derive(Default)]
pub(super) struct Svg {
    pub definitions: String,
    pub body: String,
    /// Photographs and gradients that are defined already.
    pub known: Vec<String>,
}

impl Svg {
    /// True the first time that a definition of this name is asked for.
    fn define(&mut self, name: &str) -> bool {
        let new = !self.known.iter().any(|known| known == name);
        if new {
            self.known.push(name.to_owned());
        }
        new
    }

    pub fn finish(self, title: &str, width: f32, height: f32, look: &Look) -> Figure {
        let ground = match look.background {
            Background::White => format!("<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"),
            Background::Transparent => String::new(),
        };
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" {} viewBox=\"0 0 {width} {height}\" \
             font-family=\"{FAMILY}\">\n<title>{}</title>\n<defs>\n{}</defs>\n{ground}{}</svg>\n",
            look.size(width, height),
            escape(title),
            self.definitions,
            with_lengths(&self.body)
        );
        Figure { svg, width, height, background: look.background }
    }
}

pub(super) fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Black or white, whichever reads better on a colour.
pub(super) fn ink_on(color: [u8; 3]) -> &'static str {
    let linear = color.map(|part| (f32::from(part) / 255.0).powf(2.2));
    if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.18 { "#000000" } else { "#ffffff" }
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
        let (cx, cy) = (x + 5.0, y + LINE - 4.5);
        svg.body += &format!("<circle cx=\"{cx:.2}\" cy=\"{cy:.2}\" r=\"4.5\" fill=\"{}\"/>\n", hex(accent));
        left += 15.0;
    }
    let title = Text::bold(&panel.title, PANEL_TITLE).fitted(width - (left - x));
    svg.body += &title.svg(left, y + LINE, INK, "start");
    let mut baseline = y + LINE + 3.0;
    for note in notes {
        baseline += NOTE + 3.5;
        svg.body += &Text::new(note, NOTE).svg(x, baseline, WEAK, "start");
    }
}

fn picture(svg: &mut Svg, panel: &Panel<'_>, k: f32, x: f32, y: f32) -> Result<(), FigureError> {
    let (width, height) = size(panel, k);
    let photo = format!("photo-{:x}-{}", panel.photo.as_raw().as_ptr() as usize, u8::from(panel.grey));
    let known = svg.known.iter().filter(|name| name.starts_with("photo-")).position(|name| *name == photo);
    let number = known.unwrap_or_else(|| svg.known.iter().filter(|name| name.starts_with("photo-")).count());
    if svg.define(&photo) {
        svg.definitions += &format!(
            "<image id=\"photo{number}\" width=\"{}\" height=\"{}\" xlink:href=\"{}\"/>\n",
            panel.photo.width(),
            panel.photo.height(),
            photo_uri(panel.photo, panel.grey)?
        );
    }
    let clip = format!("picture{}", svg.known.len());
    svg.known.push(clip.clone());
    svg.definitions += &format!(
        "<clipPath id=\"{clip}\"><rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\"/></clipPath>\n"
    );
    svg.body += &format!("<g clip-path=\"url(#{clip})\">\n");
    svg.body += &format!("<use xlink:href=\"#photo{number}\" transform=\"translate({x:.2} {y:.2}) scale({k})\"/>\n");
    if let Some(map) = panel.map.as_ref().filter(|map| !map.grid.values().is_empty()) {
        let cell = map.cell * k;
        svg.body += &format!(
            "<image x=\"{x:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{:.2}\" opacity=\"{:.3}\" \
             preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\" style=\"image-rendering:pixelated\" xlink:href=\"{}\"/>\n",
            map.grid.width() as f32 * cell,
            map.grid.height() as f32 * cell,
            map.opacity.clamp(0.0, 1.0),
            map_uri(map, range(map))?
        );
    }
    if let Some(side) = panel.cells {
        svg.body += &cell_lines(side as f32 * k, (x, y, width, height));
    }
    for region in &panel.regions {
        svg.body += &region_fill(region, k, x, y);
        svg.body += &region_outline(region, k, x, y);
    }
    // Thinner where a picture is small or crowded.
    let line = if width >= 400.0 && panel.outlines.len() <= 40 { 2.0 } else { 1.4 };
    for outline in &panel.outlines {
        svg.body += &outline_rect(outline, k, x, y, line);
    }
    svg.body += &tags(&panel.outlines, k, (x, y, width, height));
    svg.body += "</g>\n";
    svg.body += &format!(
        "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"none\" stroke=\"{HAIRLINE}\"/>\n",
        x - 0.5,
        y - 0.5,
        width + 1.0,
        height + 1.0
    );
    Ok(())
}

/// A coloured line on a dark casing, readable on any photograph.
fn outline_rect(outline: &Outline, k: f32, x: f32, y: f32, line: f32) -> String {
    let b = &outline.bbox;
    let line = if outline.stroke == Stroke::Solid { line } else { line * 0.7 };
    let rect = format!(
        "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"none\"",
        x + b.x1 * k,
        y + b.y1 * k,
        (b.width() * k).max(0.0),
        (b.height() * k).max(0.0)
    );
    let dash = match outline.stroke {
        Stroke::Solid => "",
        Stroke::Dashed => " stroke-dasharray=\"4 3\"",
        Stroke::Faint => {
            return format!(
                "{rect} stroke=\"{}\" stroke-opacity=\"0.45\" stroke-width=\"{line:.2}\"/>\n",
                hex(outline.color)
            );
        }
    };
    format!(
        "{rect} stroke=\"#000000\" stroke-opacity=\"0.55\" stroke-width=\"{:.2}\"/>\n\
         {rect} stroke=\"{}\" stroke-width=\"{line:.2}\"{dash}/>\n",
        line + 1.4,
        hex(outline.color)
    )
}

/// Lines between cells of a side, over a picture.
fn cell_lines(cell: f32, (x, y, width, height): Area) -> String {
    if cell < 3.0 {
        return String::new();
    }
    let inside = |whole: f32| (1..).map(move |index| index as f32 * cell).take_while(move |at| *at < whole - 0.5);
    let down = inside(width).map(|at| format!("M{:.2} {y:.2}v{height:.2}", x + at));
    let across = inside(height).map(|at| format!("M{x:.2} {:.2}h{width:.2}", y + at));
    let path: String = down.chain(across).collect();
    format!("<path d=\"{path}\" fill=\"none\" stroke=\"#ffffff\" stroke-opacity=\"0.45\" stroke-width=\"0.6\"/>\n")
}

/// The edges between cells inside and outside.
fn region_outline(region: &Region, k: f32, x: f32, y: f32) -> String {
    let (rows, cols, cell) = (region.rows, region.cols, region.stride as f32 * k);
    let inside = |row: usize, col: usize| {
        row < rows && col < cols && region.inside.get(row * cols + col).copied().unwrap_or(false)
    };
    // Index −1 wraps around to one that is outside too.
    let before = |index: usize| index.wrapping_sub(1);
    let mut path = String::new();
    for row in 0..=rows {
        for (start, end) in runs(cols, |col| inside(before(row), col) != inside(row, col)) {
            let (px, py) = (x + start as f32 * cell, y + row as f32 * cell);
            path += &format!("M{px:.2} {py:.2}h{:.2}", (end - start) as f32 * cell);
        }
    }
    for col in 0..=cols {
        for (start, end) in runs(rows, |row| inside(row, before(col)) != inside(row, col)) {
            let (px, py) = (x + col as f32 * cell, y + start as f32 * cell);
            path += &format!("M{px:.2} {py:.2}v{:.2}", (end - start) as f32 * cell);
        }
    }
    if path.is_empty() {
        return path;
    }
    format!(
        "<path d=\"{path}\" fill=\"none\" stroke=\"#000000\" stroke-opacity=\"0.7\" stroke-width=\"2.6\" \
         stroke-linecap=\"square\"/>\n<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.2\" \
         stroke-linecap=\"square\"/>\n",
        hex(region.color)
    )
}

/// What lies over the cells of a region.
fn region_fill(region: &Region, k: f32, x: f32, y: f32) -> String {
    let cell = region.stride as f32 * k;
    // Left edge and width of each, in cells.
    let bars: &[(f32, f32)] = match region.fill {
        RegionFill::Empty => return String::new(),
        RegionFill::Tinted => &[(0.0, 1.0)],
        RegionFill::Striped => &[(1.0 / 12.0, 1.0 / 6.0), (5.0 / 12.0, 1.0 / 6.0), (9.0 / 12.0, 1.0 / 6.0)],
    };
    let cells = region.inside.iter().enumerate().filter(|(_, inside)| **inside);
    let path: String = cells
        .flat_map(|(index, _)| {
            let (left, top) = (x + (index % region.cols) as f32 * cell, y + (index / region.cols) as f32 * cell);
            bars.iter().map(move |(from, width)| {
                let (left, width) = (left + from * cell, width * cell);
                format!("M{left:.2} {top:.2}h{width:.2}v{cell:.2}h{:.2}z", -width)
            })
        })
        .collect();
    let opacity = if region.fill == RegionFill::Tinted { 0.55 } else { 1.0 };
    format!("<path d=\"{path}\" fill=\"{}\" fill-opacity=\"{opacity}\"/>\n", hex(region.color))
}

/// Maximal runs of indices below `n` for which `holds`.
fn runs(n: usize, holds: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for index in (0..n).filter(|&index| holds(index)) {
        match found.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => found.push((index, index + 1)),
        }
    }
    found
}

/// An area on the page: x, y, width, height.
type Area = (f32, f32, f32, f32);

fn overlap(a: Area, b: Area) -> bool {
    a.0 < b.0 + b.2 && b.0 < a.0 + a.2 && a.1 < b.1 + b.3 && b.1 < a.1 + a.3
}

/// Tags beside their boxes.
fn tags(outlines: &[Outline], k: f32, picture: Area) -> String {
    let texts: Vec<Text> =
        outlines.iter().flat_map(|outline| outline.tags.iter().map(|tag| Text::bold(tag, TAG))).collect();
    let mut measured = widths(&texts).into_iter().map(|width| width + 2.0 * TAG_PAD);
    let choices: Vec<Vec<f32>> =
        outlines.iter().map(|outline| measured.by_ref().take(outline.tags.len()).collect()).collect();
    let mut svg = String::new();
    for (outline, chosen) in outlines.iter().zip(place_tags(outlines, &choices, k, picture)) {
        if let Some((choice, (x, y, width, height))) = chosen {
            svg += &format!(
                "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" rx=\"1.5\" fill=\"{}\"/>\n",
                hex(outline.color)
            );
            let text = Text::bold(&outline.tags[choice], TAG);
            svg += &text.svg(x + TAG_PAD, y + TAG, ink_on(outline.color), "start");
        }
    }
    svg
}

/// For each box the first of its tags, given by width, that finds a place beside it: inside the picture and over no
/// other tag.
fn place_tags(outlines: &[Outline], choices: &[Vec<f32>], k: f32, picture: Area) -> Vec<Option<(usize, Area)>> {
    let height = TAG + 4.0;
    let (picture_right, picture_bottom) = (picture.0 + picture.2, picture.1 + picture.3);
    let mut taken: Vec<Area> = Vec::new();
    let mut place = |outline: &Outline, width: f32| {
        let b = &outline.bbox;
        let (left, right) = (picture.0 + b.x1 * k, picture.0 + b.x2 * k);
        let (top, bottom) = (picture.1 + b.y1 * k, picture.1 + b.y2 * k);
        let places = [
            (left - 1.0, top - height),
            (right - width + 1.0, top - height),
            (left - 1.0, bottom),
            (right - width + 1.0, bottom),
            (left, top),
            (left, bottom - height),
            (right, top),
            (left - width, top),
        ];
        let area = places
            .into_iter()
            .map(|(x, y)| (x.min(picture_right - width).max(picture.0), y, width, height))
            .filter(|area| area.0 + width <= picture_right && area.1 >= picture.1 && area.1 + height <= picture_bottom)
            .find(|&area| !taken.iter().any(|&other| overlap(area, other)))?;
        taken.push(area);
        Some(area)
    };
    let all = outlines.iter().zip(choices);
    all.map(|(outline, widths)| {
        widths.iter().enumerate().find_map(|(choice, &width)| place(outline, width).map(|area| (choice, area)))
    })
    .collect()
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
        svg.body += &legend_sign(entry.sign, left + x, y);
        svg.body += &text.svg(left + x + sign, y + 9.5, INK, "start");
        x += sign + text_width + 18.0;
    }
    if entries.is_empty() { y } else { y + LINE + 6.0 }
}

fn legend_sign(sign: Sign, x: f32, y: f32) -> String {
    let rect = format!("<rect x=\"{:.2}\" y=\"{:.2}\" width=\"12\" height=\"9\"", x + 1.0, y + 1.0);
    match sign {
        Sign::None => String::new(),
        Sign::Fill(color) => format!("{rect} fill=\"{}\"/>\n", hex(color)),
        Sign::Box(color) => format!("{rect} fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", hex(color)),
        Sign::Dashed(color) => {
            format!("{rect} fill=\"none\" stroke=\"{}\" stroke-width=\"1.4\" stroke-dasharray=\"3 2\"/>\n", hex(color))
        }
        Sign::Cell(color, fill) => {
            let region = Region { color, fill, ..Region::outlined(1, 1, 10, vec![true]) };
            region_fill(&region, 1.0, x + 2.0, y) + &region_outline(&region, 1.0, x + 2.0, y)
        }
        Sign::Region => format!(
            "{rect} fill=\"#8a9099\" stroke=\"#000000\" stroke-width=\"2.6\"/>\n\
             {rect} fill=\"none\" stroke=\"#ffffff\" stroke-width=\"1.2\"/>\n"
        ),
    }
}

/// What a legend says of cells that are not finite, where a map has any.
pub(super) fn not_finite_entry(maps: &[&Heatmap]) -> Option<LegendEntry> {
    let any = maps.iter().any(|map| map.grid.values().iter().any(|value| !value.is_finite()));
    any.then(|| LegendEntry { sign: Sign::Fill(NOT_FINITE), text: "not finite".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoundingBox;

    #[test]
    fn tags_stay_inside_the_picture_and_apart() {
        let picture = (10.0, 20.0, 300.0, 200.0);
        let corners = [(0.0, 0.0), (290.0, 0.0), (0.0, 190.0), (290.0, 190.0), (140.0, 90.0), (141.0, 91.0)];
        let outlines: Vec<Outline> = corners
            .iter()
            .map(|&(x, y)| Outline {
                bbox: BoundingBox::new(x, y, x + 10.0, y + 10.0),
                color: [0, 0, 0],
                stroke: Stroke::Solid,
                tags: vec![],
            })
            .collect();
        let placed = place_tags(&outlines, &vec![vec![500.0, 60.0]; 6], 1.0, picture);
        let areas: Vec<Area> = placed.iter().map(|found| found.expect("there is room").1).collect();
        assert!(placed.iter().all(|found| found.is_some_and(|(choice, _)| choice == 1)), "the wide text fits nowhere");
        for (index, &a) in areas.iter().enumerate() {
            assert!(a.0 >= 10.0 && a.1 >= 20.0 && a.0 + a.2 <= 310.0 && a.1 + a.3 <= 220.0, "{a:?}");
            assert!(areas[..index].iter().all(|&b| !overlap(a, b)), "{areas:?}");
        }
    }

    #[test]
    fn a_region_is_outlined_where_inside_meets_outside() {
        // Two cells side by side, on the edge of the map: one rectangle, no line between them.
        let region = Region::outlined(2, 3, 8, vec![true, true, false, false, false, false]);
        let svg = region_outline(&region, 1.0, 0.0, 0.0);
        let path = svg.split('"').nth(1).expect("a path");
        assert_eq!(path, "M0.00 0.00h16.00M0.00 8.00h16.00M0.00 0.00v8.00M16.00 0.00v8.00");
        let none = Region { inside: vec![false; 6], ..region };
        assert_eq!(region_outline(&none, 1.0, 0.0, 0.0), "");
    }

    #[test]
    fn cells_of_a_region_are_tinted_or_striped() {
        let region = |fill| Region { color: [255, 0, 0], fill, ..Region::outlined(1, 2, 12, vec![false, true]) };
        assert_eq!(region_fill(&region(RegionFill::Empty), 1.0, 0.0, 0.0), "");
        let tinted = region_fill(&region(RegionFill::Tinted), 1.0, 0.0, 0.0);
        assert!(tinted.contains("d=\"M12.00 0.00h12.00v12.00h-12.00z\" fill=\"#ff0000\""), "{tinted}");
        // Three stripes, half of the cell together.
        let striped = region_fill(&region(RegionFill::Striped), 1.0, 0.0, 0.0);
        for stripe in ["M13.00 0.00h2.00v", "M17.00 0.00h2.00v", "M21.00 0.00h2.00v"] {
            assert!(striped.contains(stripe), "{striped}");
        }
    }

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
