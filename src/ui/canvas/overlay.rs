//! What is drawn over the picture of a pane: boxes with their names, anchors, cells, the outline of the mask.
//!
//! Straight lines go into one mesh a pane, set on whole pixels: crisp, and far cheaper than a shape each.

use std::sync::Arc;

use egui::epaint::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{Color32, FontId, Galley, Mesh, Painter, Pos2, Rect, Rgba, Vec2, pos2, vec2};

use crate::app::view::{Hover, Pin};
use crate::geometry::BoundingBox;
use crate::imitation::mask::AnchorCell;
use crate::inspect::{DetectionView, Role, SceneLabel};
use crate::palette::{self, DARK};
use crate::ui::canvas::maps::ShownMask;
use crate::ui::canvas::model::CanvasModel;
use crate::ui::canvas::outline::Edge;
use crate::ui::canvas::projection::{Projection, cell_at, cell_box};
use crate::yolo::anchors::AnchorScale;

/// Widths of lines in points.
const THIN: f32 = 1.0;
const LINE: f32 = 1.5;
const STRONG: f32 = 2.5;
/// Casing on each side of a line.
const CASING: f32 = 1.0;
/// Points from one dash to the next, and how many a side has at most.
const DASH: f32 = 8.0;
const MOST_DASHES: f32 = 40.0;
/// Above so many ground truths only those that are wide enough carry their name.
const CROWD: usize = 16;
/// Points per input px below which a picture is too small for every name.
const REDUCED: f32 = 0.5;
/// A name is cut after this many points.
const TAG_WIDTH: f32 = 160.0;
/// The mask's outline is cased when cells are at least this many points wide.
const CASED_FROM: f32 = 12.0;
/// The grid of cells is drawn when they are at least this many points wide.
const GRID_FROM: f32 = 3.0;

/// Axis-aligned lines and bars in one mesh, on whole pixels, cut to a pane.
pub struct Lines {
    mesh: Mesh,
    clip: Rect,
    pixels_per_point: f32,
}

impl Lines {
    pub fn new(painter: &Painter) -> Self {
        Self { mesh: Mesh::default(), clip: painter.clip_rect(), pixels_per_point: painter.pixels_per_point() }
    }

    pub fn bar(&mut self, rect: Rect, color: Color32) {
        let cut = rect.intersect(self.clip);
        if cut.is_positive() {
            self.mesh.add_colored_rect(cut, color);
        }
    }

    /// (first point, width) of a line around `at`, on whole pixels.
    fn snapped(&self, at: f32, width: f32) -> (f32, f32) {
        let scale = self.pixels_per_point;
        let width = (width * scale).round().max(1.0);
        ((at * scale - width / 2.0).round() / scale, width / scale)
    }

    pub fn horizontal(&mut self, x1: f32, x2: f32, y: f32, width: f32, color: Color32) {
        let (top, width) = self.snapped(y, width);
        self.bar(Rect::from_min_max(pos2(x1, top), pos2(x2, top + width)), color);
    }

    pub fn vertical(&mut self, x: f32, y1: f32, y2: f32, width: f32, color: Color32) {
        let (left, width) = self.snapped(x, width);
        self.bar(Rect::from_min_max(pos2(left, y1), pos2(left + width, y2)), color);
    }

    /// Four bars that meet in the corners without covering each other.
    pub fn frame(&mut self, rect: Rect, width: f32, color: Color32) {
        let (left, thick) = self.snapped(rect.left(), width);
        let (right, _) = self.snapped(rect.right(), width);
        let (top, _) = self.snapped(rect.top(), width);
        let (bottom, _) = self.snapped(rect.bottom(), width);
        let mut bar = |x1, y1, x2, y2| self.bar(Rect::from_min_max(pos2(x1, y1), pos2(x2, y2)), color);
        bar(left, top, right + thick, top + thick);
        bar(left, bottom, right + thick, bottom + thick);
        bar(left, top + thick, left + thick, bottom);
        bar(right, top + thick, right + thick, bottom);
    }

    /// A frame in dashes over its casing.
    pub fn dashed_frame(&mut self, rect: Rect, width: f32, color: Color32) {
        self.frame(rect, width + 2.0 * CASING, palette::CASING);
        let dashes = |from: f32, to: f32| {
            let count = ((to - from) / DASH).clamp(1.0, MOST_DASHES).round();
            let step = (to - from) / count;
            (0..count as usize).map(move |i| (from + step * i as f32, from + step * (i as f32 + 0.6)))
        };
        for (x1, x2) in dashes(rect.left(), rect.right()) {
            self.horizontal(x1, x2, rect.top(), width, color);
            self.horizontal(x1, x2, rect.bottom(), width, color);
        }
        for (y1, y2) in dashes(rect.top(), rect.bottom()) {
            self.vertical(rect.left(), y1, y2, width, color);
            self.vertical(rect.right(), y1, y2, width, color);
        }
    }

    /// A frame that is seen on light and on dark.
    pub fn cased_frame(&mut self, rect: Rect, width: f32, color: Color32) {
        self.frame(rect, width + 2.0 * CASING, palette::CASING);
        self.frame(rect, width, color);
    }

    pub fn paint(self, painter: &Painter) {
        if !self.mesh.is_empty() {
            painter.add(self.mesh);
        }
    }
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
    fn score(&mut self, at: Rect, score: f32, role: Role) {
        let plate = DARK.role(role);
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

/// The ground truth under a point in input px: of several the smallest.
pub fn ground_truth_at(labels: &[SceneLabel], at: Pos2) -> Option<usize> {
    let under = labels.iter().enumerate().filter(|(_, label)| label.bbox.contains(at.x, at.y));
    under.min_by(|(_, a), (_, b)| a.bbox.area().total_cmp(&b.bbox.area())).map(|(index, _)| index)
}

/// Ground truths and detections of a pane.
pub fn boxes(
    painter: &Painter,
    projection: &Projection,
    model: &CanvasModel<'_>,
    labels: &[SceneLabel],
    hover: Option<&Hover>,
) {
    if let Some(found) = model.found {
        return named_detections(painter, projection, labels, found);
    }
    let view = model.view;
    let mut lines = Lines::new(painter);
    let mut tags = Tags { painter, crowded: labels.len() > CROWD, taken: Vec::new() };
    let found = |role| {
        let comparison = model.comparison?;
        match role {
            Role::Teacher => comparison.teacher_detections.as_deref().filter(|_| view.teacher_boxes),
            Role::Student => comparison.student_detections.as_deref().filter(|_| view.student_boxes),
        }
    };
    if view.labels {
        let pointed = hover.and_then(|hover| ground_truth_at(labels, pos2(hover.x, hover.y)));
        let solo = model.solo.filter(|&gt| gt < labels.len());
        let quiet = (0..labels.len()).filter(|&gt| Some(gt) != solo && Some(gt) != pointed);
        for gt in quiet {
            let rect = projection.rect_to_screen(&labels[gt].bbox);
            let color = palette::ground_truth(gt);
            if solo.is_some() {
                lines.frame(rect, THIN, color.gamma_multiply(0.35));
            } else {
                lines.cased_frame(rect, LINE, color);
            }
        }
        for gt in pointed.into_iter().filter(|&gt| Some(gt) != solo).chain(solo) {
            lines.cased_frame(projection.rect_to_screen(&labels[gt].bbox), STRONG, palette::ground_truth(gt));
        }
    }
    for role in Role::ALL {
        for detection in found(role).unwrap_or_default() {
            lines.dashed_frame(projection.rect_to_screen(&detection.bbox), LINE, DARK.role(role));
        }
    }
    lines.paint(painter);

    if view.labels {
        let pointed = hover.and_then(|hover| ground_truth_at(labels, pos2(hover.x, hover.y)));
        let first = model.solo.into_iter().chain(pointed.filter(|&gt| model.solo != Some(gt)));
        for gt in first.filter(|&gt| gt < labels.len()) {
            let rect = projection.rect_to_screen(&labels[gt].bbox);
            tags.name(rect, &labels[gt].name, palette::ground_truth(gt), true);
        }
        if model.solo.is_none() {
            for (gt, label) in labels.iter().enumerate().filter(|&(gt, _)| pointed != Some(gt)) {
                tags.name(projection.rect_to_screen(&label.bbox), &label.name, palette::ground_truth(gt), false);
            }
        }
    }
    for role in Role::ALL {
        for detection in found(role).unwrap_or_default() {
            tags.score(projection.rect_to_screen(&detection.bbox), detection.score, role);
        }
    }
}

/// What a student detects, with names and scores, over ground truths that step back.
fn named_detections(painter: &Painter, projection: &Projection, labels: &[SceneLabel], found: &[DetectionView]) {
    let mut lines = Lines::new(painter);
    for (gt, label) in labels.iter().enumerate() {
        let color = palette::ground_truth(gt).gamma_multiply(0.6);
        lines.frame(projection.rect_to_screen(&label.bbox), THIN, color);
    }
    let plate = DARK.role(Role::Student);
    for detection in found {
        lines.dashed_frame(projection.rect_to_screen(&detection.bbox), LINE, plate);
    }
    lines.paint(painter);
    // The best come first: where there is no room, the weakest go without a name.
    let mut tags = Tags { painter, crowded: found.len() > CROWD, taken: Vec::new() };
    for detection in found {
        let text = format!("{} {:.2}", detection.name, detection.score);
        tags.name(projection.rect_to_screen(&detection.bbox), &text, plate, false);
    }
}

/// Boxes with the names that have room for them: a picture beside the canvas. Input px.
pub fn named_boxes(painter: &Painter, projection: &Projection, boxes: &[(BoundingBox, String)]) {
    let mut lines = Lines::new(painter);
    for (gt, (bbox, _)) in boxes.iter().enumerate() {
        lines.cased_frame(projection.rect_to_screen(bbox), LINE, palette::ground_truth(gt));
    }
    lines.paint(painter);
    let crowded = boxes.len() > CROWD || projection.zoom < REDUCED;
    let mut tags = Tags { painter, crowded, taken: Vec::new() };
    for (gt, (bbox, name)) in boxes.iter().enumerate() {
        tags.name(projection.rect_to_screen(bbox), name, palette::ground_truth(gt), false);
    }
}

/// The edge of the mask, white or in the colour of the soloed ground truth; finer where cells are small, so that it
/// does not hide them.
pub fn mask_outline(lines: &mut Lines, projection: &Projection, mask: &ShownMask, stride: u32, color: Color32) {
    edges(lines, projection, &mask.edges, stride, color);
}

/// Edges between cells, cased where there is room for it.
pub fn edges(lines: &mut Lines, projection: &Projection, edges: &[Edge], stride: u32, color: Color32) {
    let stride = stride as f32;
    let cell = stride * projection.zoom;
    let line = (cell / 8.0).clamp(THIN, 2.0);
    let casing = if cell < CASED_FROM { 0.0 } else { 2.0 * CASING };
    for (width, color) in [(line + casing, palette::CASING), (line, color)] {
        for edge in edges {
            let from = projection.to_screen(f32::from(edge.from.0) * stride, f32::from(edge.from.1) * stride);
            let to = projection.to_screen(f32::from(edge.to.0) * stride, f32::from(edge.to.1) * stride);
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

/// The lines between the cells of a scale, fainter the closer they stand.
pub fn cell_grid(lines: &mut Lines, projection: &Projection, stride: u32, (rows, cols): (usize, usize)) {
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

/// The colour of one of several anchors.
pub fn anchor_color(anchor: usize, count: usize) -> Color32 {
    let share = if count > 1 { anchor as f32 / (count - 1) as f32 } else { 1.0 };
    let (first, last) = (Rgba::from(palette::ANCHOR_FIRST), Rgba::from(palette::ANCHOR_LAST));
    (first * (1.0 - share) + last * share).into()
}

/// The cell whose anchors are shown: under the pointer, else the pinned one, else where the first (or soloed) ground truth fits best.
pub fn anchor_cell(
    model: &CanvasModel<'_>,
    scale: usize,
    shape: (usize, usize),
    hover: Option<&Hover>,
) -> (usize, usize) {
    let stride = model.anchors[scale].stride;
    let pointed = hover.and_then(|hover| cell_at(hover.x, hover.y, stride, shape));
    let gt = model.solo.unwrap_or(0);
    let best = || model.mask?.scales.get(scale)?.gts.get(gt)?.best.map(|best| (best.row, best.col));
    let center = || {
        let (x, y) = model.scene?.labels.get(gt)?.bbox.center();
        cell_at(x, y, stride, shape)
    };
    let inside = |&(row, col): &(usize, usize)| row < shape.0 && col < shape.1;
    let pinned = || model.pin.filter(|pin| pin.stride == stride).map(|pin| (pin.row, pin.col));
    pointed.or_else(pinned).or_else(best).or_else(center).filter(inside).unwrap_or((shape.0 / 2, shape.1 / 2))
}

/// Every anchor shape of a scale, standing on one cell.
pub fn anchors(lines: &mut Lines, projection: &Projection, scale: &AnchorScale, (row, col): (usize, usize)) {
    let (x, y) = scale.cell_center(row, col);
    let cell = projection.rect_to_screen(&cell_box(row, col, scale.stride));
    lines.bar(cell, palette::ANCHOR_LAST.gamma_multiply(0.5));
    for (anchor, &[width, height]) in scale.anchors.iter().enumerate() {
        let shape = BoundingBox::from_center(x, y, width, height);
        lines.cased_frame(projection.rect_to_screen(&shape), LINE, anchor_color(anchor, scale.anchors.len()));
    }
}

/// The largest IoU that an anchor at a cell has with the soloed ground truth, or with any.
pub fn anchor_iou(model: &CanvasModel<'_>, scale: usize, at: AnchorCell) -> Option<f32> {
    let field = model.field.filter(|field| scale < field.scales() && field.gts() > 0)?;
    let iou = |gt| field.iou(scale, gt, at);
    match model.solo.filter(|&gt| gt < field.gts()) {
        Some(gt) => Some(iou(gt)),
        None => (0..field.gts()).map(iou).reduce(f32::max),
    }
}

/// The pointed cell, and in panes that the pointer is not in a cross where it would be.
pub fn pointed(
    lines: &mut Lines,
    projection: &Projection,
    stride: u32,
    shape: (usize, usize),
    hover: &Hover,
    own: bool,
) {
    if let Some((row, col)) = cell_at(hover.x, hover.y, stride, shape) {
        let cell = projection.rect_to_screen(&cell_box(row, col, stride));
        lines.cased_frame(cell, LINE, Color32::WHITE);
    }
    if own {
        return;
    }
    cross(
        lines,
        Rect::from_center_size(projection.to_screen(hover.x, hover.y), Vec2::splat(8.0)),
        LINE,
        Color32::WHITE,
    );
}

/// The pinned cell: framed, with a mark at each side that finds it where it is small. The same place in every pane.
pub fn pinned(lines: &mut Lines, projection: &Projection, pin: Pin) {
    let cell = projection.rect_to_screen(&cell_box(pin.row, pin.col, pin.stride));
    lines.cased_frame(cell, STRONG, palette::PIN);
    cross(lines, cell.expand(4.0), STRONG, palette::PIN);
}

/// Four marks that point at a place from its sides.
fn cross(lines: &mut Lines, place: Rect, width: f32, color: Color32) {
    const REACH: f32 = 8.0;
    let at = place.center();
    for (width, color) in [(width + 2.0 * CASING, palette::CASING), (width, color)] {
        lines.horizontal(place.left() - REACH, place.left(), at.y, width, color);
        lines.horizontal(place.right(), place.right() + REACH, at.y, width, color);
        lines.vertical(at.x, place.top() - REACH, place.top(), width, color);
        lines.vertical(at.x, place.bottom(), place.bottom() + REACH, width, color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(x1: f32, y1: f32, x2: f32, y2: f32) -> SceneLabel {
        SceneLabel { class: 0, name: "cat".to_owned(), bbox: BoundingBox::new(x1, y1, x2, y2) }
    }

    #[test]
    fn of_nested_boxes_the_smallest_is_pointed_at() {
        let labels = [label(0.0, 0.0, 100.0, 100.0), label(40.0, 40.0, 60.0, 60.0), label(200.0, 0.0, 220.0, 20.0)];
        assert_eq!(ground_truth_at(&labels, pos2(50.0, 50.0)), Some(1));
        assert_eq!(ground_truth_at(&labels, pos2(10.0, 50.0)), Some(0));
        assert_eq!(ground_truth_at(&labels, pos2(150.0, 50.0)), None);
    }

    #[test]
    fn anchors_run_from_white_to_the_accent() {
        assert_eq!(anchor_color(0, 3), palette::ANCHOR_FIRST);
        assert_eq!(anchor_color(2, 3), palette::ANCHOR_LAST);
        assert_eq!(anchor_color(0, 1), palette::ANCHOR_LAST);
    }

    #[test]
    fn lines_stand_on_whole_pixels() {
        let lines = Lines { mesh: Mesh::default(), clip: Rect::EVERYTHING, pixels_per_point: 2.0 };
        // 1.5 points are 3 pixels; around pixel 20.6 they begin at pixel 19.
        assert_eq!(lines.snapped(10.3, 1.5), (9.5, 1.5));
        // Nothing is thinner than a pixel.
        assert_eq!(lines.snapped(10.0, 0.1).1, 0.5);
    }

    #[test]
    fn a_frame_covers_no_pixel_twice() {
        let mut lines = Lines { mesh: Mesh::default(), clip: Rect::EVERYTHING, pixels_per_point: 1.0 };
        lines.frame(Rect::from_min_max(pos2(10.0, 10.0), pos2(20.0, 30.0)), 2.0, Color32::WHITE);
        let area: f32 = lines
            .mesh
            .vertices
            .chunks(4)
            .map(|quad| {
                let rect = Rect::from_points(&quad.iter().map(|v| v.pos).collect::<Vec<_>>());
                rect.area()
            })
            .sum();
        // 12 × 22 outside less 8 × 18 inside.
        assert_eq!(area, 12.0 * 22.0 - 8.0 * 18.0);
    }
}
