//! The painter of pictures on the screen.

use std::sync::Arc;

use egui::epaint::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{Align2, Color32, FontId, Galley, Painter, Rect, TextureId, pos2, vec2};

use super::lines::{CASING, Lines};
use super::projection::Projection;
use crate::drawing::{Fill, Frame, Ground, Ink, Item, Picture, Region, Sign, Stroke, Tag};
use crate::geometry::BoundingBox;
use crate::inspect::Role;
use crate::palette;
use crate::ui::style;

/// Widths of lines in points.
const THIN: f32 = 1.0;
const LINE: f32 = 1.5;
const STRONG: f32 = 2.5;
/// Above so many names only boxes that are wide enough carry theirs.
const CROWD: usize = 16;
/// A name is cut after this many points.
const TAG_WIDTH: f32 = 160.0;
/// The outline of a region is cased when cells are at least this many points wide.
const CASED_FROM: f32 = 12.0;
/// The grid of cells is drawn when they are at least this many points wide.
const GRID_FROM: f32 = 3.0;
/// Opacity of the black over a photograph that steps back all the way, of 255.
const MUTED: f32 = 150.0;
/// How far the marks of a cross stand off their place, and how long they are, in points.
const APART: f32 = 4.0;
const REACH: f32 = 8.0;
/// Size of a value that a talk is about.
const VALUE: f32 = 18.0;

const WHOLE: Rect = Rect { min: pos2(0.0, 0.0), max: pos2(1.0, 1.0) };

fn color(ink: Ink) -> Color32 {
    ink.color(Ground::Screen)
}

/// Paints everything over a photograph. texture: that of the picture's map, a pixel a cell; small: only boxes that are
/// wide enough carry their name.
pub fn picture(painter: &Painter, projection: &Projection, picture: &Picture, texture: Option<TextureId>, small: bool) {
    let mut lines = Lines::new(painter);
    for item in picture.items() {
        match item {
            Item::Muted(by) => {
                let input = projection.input;
                let whole = BoundingBox::new(0.0, 0.0, input.width as f32, input.height as f32);
                lines.bar(projection.rect_to_screen(&whole), Color32::from_black_alpha((by * MUTED) as u8));
            }
            Item::Map { map, opacity } => {
                let [width, height] = map.covered();
                let place = projection.rect_to_screen(&BoundingBox::new(0.0, 0.0, width, height));
                if let Some(texture) = texture {
                    painter.image(texture, place, WHOLE, Color32::WHITE.gamma_multiply(*opacity));
                }
            }
            Item::Grid { stride, rows, cols } => cell_grid(&mut lines, projection, *stride, (*rows, *cols)),
            Item::Region { region: cells, ink, fill } => region(&mut lines, projection, cells, *ink, *fill),
            Item::Frame(frame) => outline(&mut lines, projection, frame),
            Item::Cross { around, ink, stroke } => {
                let width = if *stroke == Stroke::Strong { STRONG } else { LINE };
                cross(&mut lines, projection.rect_to_screen(around).expand(APART), width, color(*ink));
            }
        }
    }
    lines.paint(painter);
    tags(painter, projection, picture, small);
}

fn outline(lines: &mut Lines, projection: &Projection, frame: &Frame) {
    let (rect, color) = (projection.rect_to_screen(&frame.bbox), color(frame.ink));
    match frame.stroke {
        Stroke::Solid => lines.cased_frame(rect, LINE, color),
        Stroke::Strong => lines.cased_frame(rect, STRONG, color),
        Stroke::Dashed => lines.dashed_frame(rect, LINE, color),
        Stroke::Quiet => lines.frame(rect, THIN, color.gamma_multiply(0.6)),
        Stroke::Faint => lines.frame(rect, THIN, color.gamma_multiply(0.35)),
    }
}

/// Cells, or the edges between those inside and those outside: finer where cells are small, so that they do not hide
/// them, and cased where there is room for it.
fn region(lines: &mut Lines, projection: &Projection, region: &Region, ink: Ink, fill: Fill) {
    if fill != Fill::Outline {
        region.boxes().for_each(|cell| filled(lines, projection.rect_to_screen(&cell), color(ink), fill));
        return;
    }
    let cell = region.stride as f32 * projection.zoom;
    let line = (cell / 8.0).clamp(THIN, 2.0);
    let casing = if cell < CASED_FROM { 0.0 } else { 2.0 * CASING };
    for (width, color) in [(line + casing, palette::CASING), (line, color(ink))] {
        for edge in &region.edges {
            let [from, to] = region.ends(edge).map(|[x, y]| projection.to_screen(x, y));
            // Half a line longer on both ends, so that corners are closed.
            let reach = width / 2.0;
            if from.y == to.y {
                lines.horizontal(from.x - reach, to.x + reach, from.y, width, color);
            } else {
                lines.vertical(from.x, from.y - reach, to.y + reach, width, color);
            }
        }
    }
}

fn filled(lines: &mut Lines, cell: Rect, color: Color32, fill: Fill) {
    for (left, width) in fill.bars() {
        let left = cell.left() + left * cell.width();
        let bar = Rect::from_min_max(pos2(left, cell.top()), pos2(left + width * cell.width(), cell.bottom()));
        lines.bar(bar, color.gamma_multiply(fill.opacity()));
    }
}

/// The lines between the cells of a scale, fainter the closer they stand.
fn cell_grid(lines: &mut Lines, projection: &Projection, stride: u32, (rows, cols): (usize, usize)) {
    let step = stride as f32 * projection.zoom;
    if step < GRID_FROM {
        return;
    }
    let strength = ((step - GRID_FROM) / 24.0).clamp(0.0, 1.0);
    let color = Color32::from_white_alpha((40.0 + 50.0 * strength) as u8);
    let (start, end) = (
        projection.to_screen(0.0, 0.0),
        projection.to_screen(cols as f32 * stride as f32, rows as f32 * stride as f32),
    );
    for col in 0..=cols {
        lines.vertical(start.x + col as f32 * step, start.y, end.y, THIN, color);
    }
    for row in 0..=rows {
        lines.horizontal(start.x, end.x, start.y + row as f32 * step, THIN, color);
    }
}

/// Four marks that point at a place from its sides.
fn cross(lines: &mut Lines, place: Rect, width: f32, color: Color32) {
    let at = place.center();
    for (width, color) in [(width + 2.0 * CASING, palette::CASING), (width, color)] {
        lines.horizontal(place.left() - REACH, place.left(), at.y, width, color);
        lines.horizontal(place.right(), place.right() + REACH, at.y, width, color);
        lines.vertical(at.x, place.top() - REACH, place.top(), width, color);
        lines.vertical(at.x, place.bottom(), place.bottom() + REACH, width, color);
    }
}

/// A sign of a legend.
pub fn sign(lines: &mut Lines, sign: Sign, place: Rect) {
    // White is to be seen on a light window too.
    lines.bar(place, palette::CASING);
    let inner = place.shrink(1.0);
    let (ink, fill) = match sign {
        Sign::Box(ink) | Sign::Dashed(ink) => (ink, Fill::Outline),
        Sign::Cell(ink, fill) => (ink, fill),
        Sign::Fill(color) => return lines.bar(inner, color),
        Sign::Outline | Sign::None => (Ink::White, Fill::Outline),
    };
    filled(lines, inner, color(ink), fill);
    lines.frame(inner, LINE, color(ink));
}

/// One line of text, cut with "…" at `width` points.
pub fn one_line(painter: &Painter, text: String, font: FontId, color: Color32, width: f32) -> Arc<Galley> {
    let mut job = LayoutJob::single_section(text, TextFormat::simple(font, color));
    job.wrap = TextWrapping { max_width: width, max_rows: 1, break_anywhere: true, ..TextWrapping::default() };
    painter.layout_job(job)
}

/// Names on plates that do not cover each other.
struct Tags<'p> {
    painter: &'p Painter,
    /// Names need boxes about as wide as they are.
    crowded: bool,
    taken: Vec<Rect>,
}

impl Tags<'_> {
    /// Sets a name on a box: above its upper left corner, or inside where that is out of sight. `must` draws it even
    /// over another.
    fn name(&mut self, at: Rect, text: &str, plate: Color32, must: bool) {
        let galley = self.layout(text, plate);
        let size = galley.size() + vec2(2.0 * palette::HALF, 2.0);
        if self.crowded && !must && at.width() < 0.75 * size.x {
            return;
        }
        let above = pos2(at.left() - LINE, at.top() - size.y - LINE);
        self.put(at, Rect::from_min_size(above, size), galley, plate, must);
    }

    /// Sets a score below a box: on the left for the teacher, on the right for the student.
    fn score(&mut self, at: Rect, score: f32, role: Role, plate: Color32) {
        let galley = self.layout(&format!("{score:.2}"), plate);
        let size = galley.size() + vec2(2.0 * palette::HALF, 2.0);
        let left = match role {
            Role::Teacher => at.left(),
            Role::Student => at.right() - size.x,
        };
        self.put(at, Rect::from_min_size(pos2(left, at.bottom() + LINE), size), galley, plate, false);
    }

    fn layout(&self, text: &str, plate: Color32) -> Arc<Galley> {
        let font = FontId::proportional(palette::SMALL);
        one_line(self.painter, text.to_owned(), font, palette::ink_on(plate), TAG_WIDTH)
    }

    fn put(&mut self, at: Rect, wanted: Rect, galley: Arc<Galley>, plate: Color32, must: bool) {
        let clip = self.painter.clip_rect();
        if !clip.intersects(at) || clip.width() < wanted.width() || clip.height() < wanted.height() {
            return;
        }
        let x = wanted.left().min(clip.right() - wanted.width()).max(clip.left());
        let y = wanted.top().min(clip.bottom() - wanted.height()).max(clip.top());
        let rect = Rect::from_min_size(pos2(x, y), wanted.size());
        if !must && self.taken.iter().any(|other| other.intersects(rect)) {
            return;
        }
        self.taken.push(rect);
        self.painter.rect_filled(rect, 2.0, plate);
        self.painter.galley(rect.min + vec2(palette::HALF, 1.0), galley, palette::ink_on(plate));
    }
}

/// Names and scores beside their boxes; what is chosen comes first.
fn tags(painter: &Painter, projection: &Projection, picture: &Picture, small: bool) {
    let named = |frame: &&Frame| matches!(frame.tag, Some(Tag::Truth { .. } | Tag::Found { named: true, .. }));
    let crowded = small || picture.frames().filter(named).count() > CROWD;
    let mut tags = Tags { painter, crowded, taken: Vec::new() };
    let strong = picture.frames().rev().filter(|frame| frame.stroke == Stroke::Strong);
    for frame in strong.chain(picture.frames().filter(|frame| frame.stroke != Stroke::Strong)) {
        let (at, plate) = (projection.rect_to_screen(&frame.bbox), color(frame.ink));
        match &frame.tag {
            Some(Tag::Truth { name, .. }) => tags.name(at, name, plate, frame.stroke == Stroke::Strong),
            // The best come first: where there is no room, the weakest go without a name.
            Some(Tag::Found { name, score, named: true, .. }) => {
                tags.name(at, &format!("{name} {score:.2}"), plate, false);
            }
            Some(Tag::Found { role, score, .. }) => tags.score(at, *score, *role, plate),
            Some(Tag::Value(text)) => value(painter, at, projection.body.right(), text, plate),
            // The foot of the pane says it.
            Some(Tag::Size(_)) | None => {}
        }
    }
}

/// A value beside its cell, or on the other side where the picture ends at `right`.
fn value(painter: &Painter, cell: Rect, right: f32, text: &str, plate: Color32) {
    let ink = palette::ink_on(plate);
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::new(VALUE, style::bold()), ink);
    let size = galley.size() + vec2(2.0 * palette::UNIT, palette::HALF);
    let apart = vec2(2.0 * palette::UNIT, 0.0);
    let beside = cell.right_center() + apart;
    let place = match beside.x + size.x <= right {
        true => Align2::LEFT_CENTER.anchor_size(beside, size),
        false => Align2::RIGHT_CENTER.anchor_size(cell.left_center() - apart, size),
    };
    painter.rect_filled(place, 4.0, plate);
    painter.galley(place.min + vec2(palette::UNIT, palette::HALF / 2.0), galley, ink);
}
