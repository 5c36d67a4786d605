//! Figures of curves: panels with axes, units and one legend.

use super::layout::heading_of;
use super::look::Look;
use super::raster::{Figure, FigureError};
use super::spec::Lead;
use super::svg::{Style, Svg, hex};
use super::text::{HAIRLINE, INK, Text, WEAK, widths};
use crate::axis::{AxisScale, ticks};
use crate::colormap::NOT_FINITE;

const GAP: f32 = 32.0;
/// Of one panel, axes included.
const WIDTH: f32 = 440.0;
const HEIGHT: f32 = 280.0;
/// Numbers and label of the y axis, and of the x axis.
const LEFT: f32 = 64.0;
const BELOW: f32 = 36.0;
const PANEL_TITLE: f32 = 13.0;
const SMALL: f32 = 11.0;
const LINE: f32 = 16.0;

/// Plots side by side under one title.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotFigure {
    pub title: String,
    /// In a line under the title.
    pub facts: Vec<String>,
    pub panels: Vec<PlotPanel>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlotPanel {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub x: AxisScale,
    pub y: AxisScale,
    pub lines: Vec<PlotLine>,
}

/// A line in places on the panel's axes.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotLine {
    pub label: String,
    pub color: [u8; 3],
    pub dashed: bool,
    pub points: Vec<[f64; 2]>,
    /// x, lower and upper end of the band behind the line.
    pub band: Vec<[f64; 3]>,
    /// x of values that cannot be drawn: marks at the upper border.
    pub missing: Vec<f64>,
}

impl PlotFigure {
    /// Lays it out as SVG, on white and for a screen.
    pub fn render(&self) -> Result<Figure, FigureError> {
        self.render_as(&Lead::default(), &Look::default())
    }

    /// Lays it out as SVG, with what a step of the story says over it.
    pub fn render_as(&self, lead: &Lead, look: &Look) -> Result<Figure, FigureError> {
        let margin = look.margin();
        let (columns, panel_width) = look.columns(self.panels.len().clamp(1, 2), WIDTH, GAP);
        let inner = columns as f32 * (panel_width + GAP) - GAP;
        let mut svg = Svg::default();
        let mut y = heading_of(&mut svg, &self.title, lead, &self.facts, (margin, inner)) + LINE;
        for row in self.panels.chunks(columns) {
            for (index, panel) in row.iter().enumerate() {
                panel.draw(&mut svg, margin + index as f32 * (panel_width + GAP), y, panel_width);
            }
            y += HEIGHT + LINE;
        }
        y = self.legend(&mut svg, y, (margin, inner));
        let (width, height) = (inner + 2.0 * margin, y + (margin - 8.0).max(2.0));
        svg.finish(&self.title, width, height, look)
    }

    /// Every label once, what has none not at all; returns the y below.
    fn legend(&self, svg: &mut Svg, top: f32, (margin, width): (f32, f32)) -> f32 {
        const SIGN: f32 = 24.0;
        let mut entries: Vec<(&PlotLine, Text)> = Vec::new();
        for line in self.panels.iter().flat_map(|panel| &panel.lines).filter(|line| !line.label.is_empty()) {
            if !entries.iter().any(|(known, _)| known.label == line.label) {
                entries.push((line, Text::new(&line.label, SMALL).fitted(width / 2.0)));
            }
        }
        let texts: Vec<Text> = entries.iter().map(|(_, text)| text.clone()).collect();
        let (mut x, mut y) = (0.0, top);
        for ((line, text), text_width) in entries.iter().zip(widths(&texts)) {
            if x > 0.0 && x + SIGN + 8.0 + text_width > width {
                (x, y) = (0.0, y + LINE + 2.0);
            }
            let left = margin + x;
            let path = format!("M{left:.2} {:.2}h{SIGN}", y + 5.0);
            stroke(svg, &path, line.color, line.dashed);
            svg.text(text, left + SIGN + 8.0, y + 9.0, INK, "start");
            x += SIGN + 8.0 + text_width + 24.0;
        }
        if entries.is_empty() { y } else { y + LINE }
    }
}

fn stroke(svg: &mut Svg, path: &str, color: [u8; 3], dashed: bool) {
    let dash = if dashed { "5 4" } else { "" };
    svg.path(path, Style { join: "round", dash, ..Style::line(&hex(color), 1.6) });
}

/// Smallest and largest of the finite values, apart even where there is one value alone.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })?;
    let room = if high > low { (high - low) * 0.05 } else { (high.abs() * 0.1).max(0.5) };
    Some((low - room, high + room))
}

impl PlotPanel {
    fn draw(&self, svg: &mut Svg, x: f32, y: f32, whole: f32) {
        svg.text(&Text::bold(&self.title, PANEL_TITLE).fitted(whole), x, y + PANEL_TITLE, INK, "start");
        let note = |svg: &mut Svg, text: &str, x: f32, y: f32, anchor: &str| {
            svg.text(&Text::new(text, SMALL), x, y, WEAK, anchor);
        };
        note(svg, &self.y_label, x + whole, y + PANEL_TITLE, "end");
        let (left, top) = (x + LEFT, y + PANEL_TITLE + 10.0);
        let (width, height) = (whole - LEFT, HEIGHT - PANEL_TITLE - 10.0 - BELOW);
        let right_end = || self.lines.iter().flat_map(|line| &line.points).map(|point| point[0]);
        let (Some(across), Some(up)) = (range(right_end()), self.y_range()) else {
            return note(svg, "no values", left + width / 2.0, top + height / 2.0, "middle");
        };
        let at_x = |value: f64| left + ((value - across.0) / (across.1 - across.0)) as f32 * width;
        let at_y = |value: f64| top + height - ((value - up.0) / (up.1 - up.0)) as f32 * height;
        for (place, label) in ticks(across.0, across.1, 6, self.x) {
            rule(svg, &format!("M{:.2} {top:.2}v{height:.2}", at_x(place)));
            note(svg, &label, at_x(place), top + height + 14.0, "middle");
        }
        for (place, label) in ticks(up.0, up.1, 5, self.y) {
            rule(svg, &format!("M{left:.2} {:.2}h{width:.2}", at_y(place)));
            note(svg, &label, left - 6.0, at_y(place) + 4.0, "end");
        }
        note(svg, &self.x_label, left + width / 2.0, top + height + 30.0, "middle");
        for line in &self.lines {
            if !line.band.is_empty() {
                let there = line.band.iter().map(|band| (band[0], band[2]));
                let back = line.band.iter().rev().map(|band| (band[0], band[1]));
                let outline = path(there.chain(back).map(|(x, y)| (at_x(x), at_y(y))));
                svg.path(&(outline + "Z"), Style { opacity: 0.18, ..Style::fill(&hex(line.color)) });
            }
        }
        for line in &self.lines {
            let path = path(line.points.iter().map(|point| (at_x(point[0]), at_y(point[1]))));
            stroke(svg, &path, line.color, line.dashed);
            for missing in &line.missing {
                let cross = format!("M{:.2} {:.2}l6 6m0 -6l-6 6", at_x(*missing) - 3.0, top + 2.0);
                stroke(svg, &cross, NOT_FINITE, false);
            }
        }
        let frame = format!("M{left:.2} {top:.2}v{height:.2}h{width:.2}");
        svg.path(&frame, Style::line(HAIRLINE, 1.0));
    }

    fn y_range(&self) -> Option<(f64, f64)> {
        let points = self.lines.iter().flat_map(|line| &line.points).map(|point| point[1]);
        let bands = self.lines.iter().flat_map(|line| &line.band).flat_map(|band| [band[1], band[2]]);
        range(points.chain(bands))
    }
}

fn rule(svg: &mut Svg, path: &str) {
    svg.path(path, Style { opacity: 0.4, ..Style::line(HAIRLINE, 1.0) });
}

fn path(points: impl Iterator<Item = (f32, f32)>) -> String {
    let mut text = String::new();
    for (x, y) in points {
        let letter = if text.is_empty() { 'M' } else { 'L' };
        text += &format!("{letter}{x:.2} {y:.2}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(points: Vec<[f64; 2]>, missing: Vec<f64>) -> PlotFigure {
        let line =
            PlotLine { label: "a <run>".into(), color: [200, 80, 0], dashed: true, points, band: Vec::new(), missing };
        let panel = PlotPanel {
            title: "total".into(),
            x_label: "step".into(),
            y_label: "loss per image".into(),
            x: AxisScale::Linear,
            y: AxisScale::Log,
            lines: vec![line],
        };
        PlotFigure { title: "Run".into(), facts: Vec::new(), panels: vec![panel] }
    }

    #[test]
    fn a_line_has_its_colour_and_the_y_axis_its_powers_of_ten() {
        let figure = figure(vec![[0.0, -2.0], [100.0, 1.0]], Vec::new()).render().expect("a figure");
        for text in [">0.01<", ">0.1<", ">1<", ">10<", ">80<", "a &lt;run&gt;", "#c85000"] {
            assert!(figure.svg.contains(text), "{text}");
        }
        let png = image::load_from_memory(&figure.png(1.0).expect("a PNG")).expect("a picture").to_rgb8();
        assert!(png.pixels().any(|pixel| pixel.0 == [200, 80, 0]), "the line is drawn");
    }

    #[test]
    fn what_is_not_finite_is_marked_and_no_values_are_said() {
        let svg = figure(vec![[0.0, 0.0], [9.0, 1.0]], vec![5.0]).render().expect("a figure").svg;
        assert!(svg.contains(&hex(NOT_FINITE)));
        let empty = figure(Vec::new(), Vec::new()).render().expect("a figure").svg;
        assert!(empty.contains("no values"));
    }

    #[test]
    fn one_value_alone_has_room_around_it() {
        assert_eq!(range([2.0].into_iter()), Some((1.5, 2.5)));
        assert_eq!(range([0.0, 10.0, f64::NAN].into_iter()), Some((-0.5, 10.5)));
        assert_eq!(range(std::iter::empty()), None);
    }
}
