//! UNDER THE POINTER: the cell of every scale at one point, what the models say there, and every anchor's IoU.

use egui::{Align, ScrollArea, Sense, Ui};

use crate::app::measures::cell_at;
use crate::app::state::State;
use crate::app::view::Hover;
use crate::format::significant;
use crate::glossary::Term;
use crate::imitation::mask::{AnchorCell, IouField, ScaleMask};
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Explained};

/// Ground truths that are listed without scrolling; the space is kept, so that nothing jumps.
const LINES: usize = 4;

pub fn show(ui: &mut Ui, state: &State) {
    let hover = state.hover.filter(|_| state.scene.is_some());
    head(ui, state, hover);
    cells(ui, state, hover);
    ui.add_space(palette::HALF);
    anchors(ui, state, hover);
}

/// The cell of a scale that a point lies in.
fn cell_of(state: &State, index: usize, hover: Hover) -> Option<(&ScaleMask, usize, usize)> {
    let scale = state.scales().get(index)?;
    let mask = state.mask.as_ref()?.scales.get(index)?;
    cell_at(scale, mask, hover.x, hover.y).map(|(row, col)| (mask, row, col))
}

fn head(ui: &mut Ui, state: &State, hover: Option<Hover>) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let here = hover.and_then(|hover| {
        let index = state.strides().position(|stride| stride == hover.stride)?;
        cell_of(state, index, hover).map(|cell| (hover, index, cell))
    });
    let Some((hover, index, (mask, row, col))) = here else {
        // In a line as high as the one that a cell gets, so that nothing below moves.
        ui.horizontal(|ui| ui.label(widgets::strong(t!("No cell"))).explained(Term::Cell));
        widgets::note(ui, t!("Point at the image to read a cell; a click explains it."));
        return;
    };
    ui.horizontal(|ui| {
        let name = state.scales()[index].name();
        ui.label(widgets::strong(t!("{scale} cell ({row}, {col})", scale = name, row, col)))
            .on_hover_text(t!("(row, column), counted from 0."));
        let hits = mask.count[row * mask.cols + col];
        if hits > 0 {
            let text = t!("in the mask, {hits}", hits = widgets::counted(hits.unsigned_abs() as usize, "hit", "hits"));
            ui.label(egui::RichText::new(text).color(palette.good));
        } else {
            ui.label(egui::RichText::new(t!("not in the mask")).color(palette.text_weak));
        }
        let measured = state.measures.as_ref().filter(|_| !state.imitation.is_by_iou());
        let part = measured.and_then(|measures| measures.scale(hover.stride)?.part_at(row, col));
        if let Some((_, weight)) = part {
            let text = t!("weight {weight}", weight = significant(f64::from(weight)));
            ui.label(text).on_hover_text(t!("How much the chosen imitation loss counts the cell, 0 to 1."));
        }
    });
    let Some(scene) = &state.scene else { return };
    let (x, y) = scene.letterbox.point_to_image(hover.x, hover.y);
    let inside = x >= 0.0 && y >= 0.0 && x < scene.size.width as f32 && y < scene.size.height as f32;
    let input = t!("input ({x}, {y}) px", x = hover.x.round(), y = hover.y.round());
    let image = match inside {
        true => t!("image ({x}, {y}) px", x = x.round(), y = y.round()),
        false => t!("outside the image").to_owned(),
    };
    widgets::note_of(ui, &format!("{input} · {image}"), Term::Letterbox);
}

fn cells(ui: &mut Ui, state: &State, hover: Option<Hover>) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let signed = state.measures.as_ref().is_some_and(|measures| measures.is_signed());
    let features = if signed {
        t!("The chosen channel's value.")
    } else {
        t!("L2 norm of the features, over the channels shown.")
    };
    let columns = [
        Column::text("", 32.0, ""),
        Column::number(t!("cell"), 60.0, t!("Row and column, counted from 0.")),
        Column::number(t!("hits"), 32.0, tr(Term::Hits.explanation())),
        Column::number("IoU", 60.0, t!("Largest IoU of the cell's anchors with a ground truth.")),
        Column::number(t!("teacher"), 58.0, features),
        Column::number(t!("student"), 58.0, features),
        Column::number(t!("diff."), 0.0, t!("As the difference layer shows it.")),
    ];
    table::header(ui, &columns, None);
    for (index, scale) in state.scales().iter().enumerate() {
        let cell = hover.and_then(|hover| cell_of(state, index, hover));
        let on = hover.is_some_and(|hover| hover.stride == scale.stride);
        let mut cells = vec![Cell::new(scale.name())];
        if let Some((mask, row, col)) = cell {
            let hits = mask.count[row * mask.cols + col];
            let iou = state
                .field
                .as_ref()
                .map(|field| f64::from(largest(field, index, scale.anchors.len(), state.solo, row, col)));
            let values =
                state.measures.as_ref().map(|measures| measures.at(scale.stride, row, col)).unwrap_or_default();
            let shown = |value: Option<f32>| Cell::number(value.map(f64::from));
            let hit = Cell::new(hits.to_string());
            cells.push(Cell::new(format!("{row}, {col}")));
            cells.push(if hits > 0 { hit.color(palette.good).strong() } else { hit });
            cells.push(Cell::number(iou));
            cells.push(shown(values.teacher).color(palette.teacher));
            cells.push(shown(values.student).color(palette.student));
            cells.push(shown(values.difference).color(palette.difference));
        } else {
            cells.extend((1..columns.len()).map(|_| Cell::none().color(palette.text_weak)));
        }
        let name = cells.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" · ");
        table::row(ui, &columns, &cells, on, Sense::hover(), &name);
    }
}

/// The largest IoU at a cell, with the soloed ground truth or any.
fn largest(field: &IouField, index: usize, anchors: usize, solo: Option<usize>, row: usize, col: usize) -> f32 {
    let gts = solo.map_or(0..field.gts(), |gt| gt..(gt + 1).min(field.gts()));
    gts.flat_map(|gt| (0..anchors).map(move |anchor| field.iou(index, gt, AnchorCell { anchor, row, col })))
        .fold(0.0, f32::max)
}

/// One line of the anchor table.
struct Line {
    gt: usize,
    ious: Vec<f32>,
    /// Infinite where the level rule leaves the ground truth out.
    threshold: f32,
}

impl Line {
    fn best(&self) -> f32 {
        self.ious.iter().copied().fold(0.0, f32::max)
    }
}

/// Every ground truth at a cell, those that overlap an anchor there first.
fn lines(field: &IouField, mask: &ScaleMask, index: usize, anchors: usize, row: usize, col: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = (0..field.gts())
        .map(|gt| Line {
            gt,
            ious: (0..anchors).map(|anchor| field.iou(index, gt, AnchorCell { anchor, row, col })).collect(),
            threshold: mask.gts.get(gt).map_or(f32::INFINITY, |gt| gt.threshold),
        })
        .collect();
    lines.sort_by(|a, b| b.best().total_cmp(&a.best()));
    lines
}

fn anchors(ui: &mut Ui, state: &State, hover: Option<Hover>) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let index = hover.and_then(|hover| state.strides().position(|stride| stride == hover.stride));
    let height = (LINES + 1) as f32 * table::ROW;
    let (Some(hover), Some(index), Some(scene), Some(field)) = (hover, index, &state.scene, &state.field) else {
        ui.allocate_space(egui::vec2(ui.available_width(), height));
        return;
    };
    let scale = &state.scales()[index];
    let Some((mask, row, col)) = cell_of(state, index, hover).filter(|_| index < field.scales()) else {
        ui.allocate_space(egui::vec2(ui.available_width(), height));
        return;
    };
    let mut columns =
        vec![Column::text(t!("{scale} anchors", scale = scale.name()), 0.0, t!("Each ground truth at this cell."))];
    columns.extend(scale.anchors.iter().map(|[w, h]| {
        let help = t!("An anchor (width × height in input px) at this cell: its IoU with each ground truth, \
             green where it is above that one's threshold.");
        Column { title: format!("{w:.0}×{h:.0}"), width: 60.0, align: Align::Max, help: help.to_owned() }
    }));
    let top = ui.cursor().top();
    table::header(ui, &columns, None);
    let lines = lines(field, mask, index, scale.anchors.len(), row, col);
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = ScrollArea::vertical().id_salt("anchors").max_height(height - table::ROW).auto_shrink([false, true]);
    area.show_rows(ui, table::ROW, lines.len(), |ui, visible| {
        for line in &lines[visible] {
            let name =
                scene.labels.get(line.gt).map_or_else(String::new, |label| format!("{} {}", line.gt, label.name));
            let mut cells = vec![Cell::new(&name).chip(palette::ground_truth(line.gt))];
            cells.extend(line.ious.iter().map(|&iou| {
                let cell = Cell::new(significant(f64::from(iou)));
                match iou {
                    iou if iou > line.threshold => cell.color(palette.good).strong(),
                    iou if iou > 0.0 => cell,
                    _ => cell.color(palette.text_weak),
                }
            }));
            table::row(ui, &columns, &cells, state.solo == Some(line.gt), Sense::hover(), &name);
        }
    });
    // The space of a full table, whatever is listed.
    let used = ui.cursor().top() - top;
    ui.add_space((height - used).max(0.0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{BoundingBox, Size};
    use crate::imitation::mask::{IouConvention, LevelRule, Psi};
    use crate::yolo::anchors::AnchorScale;

    #[test]
    fn ground_truths_that_overlap_come_first() {
        let scale = AnchorScale { stride: 32, anchors: vec![[32.0, 32.0], [64.0, 64.0]] };
        let boxes = [BoundingBox::new(0.0, 0.0, 32.0, 32.0), BoundingBox::new(96.0, 96.0, 128.0, 128.0)];
        let field = IouField::compute(std::slice::from_ref(&scale), Size::square(128), &boxes, IouConvention::Exact);
        let mask = field.mask(Psi::default(), LevelRule::PerScale);
        let lines = lines(&field, &mask.scales[0], 0, 2, 3, 3);
        assert_eq!(lines.iter().map(|line| line.gt).collect::<Vec<_>>(), [1, 0]);
        // The second anchor covers the box: 32² of 64².
        assert_eq!(lines[0].ious, [1.0, 0.25]);
        assert_eq!(lines[0].threshold, 0.5);
        assert_eq!(largest(&field, 0, 2, Some(0), 3, 3), 0.0);
        assert_eq!(largest(&field, 0, 2, None, 3, 3), 1.0);
    }
}
