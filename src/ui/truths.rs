//! The table of ground truths: what each is, how well anchors fit it, and how many cells it marks. A click solos one.

use egui::{ScrollArea, Sense, Ui};

use crate::app::command::Command;
use crate::app::state::State;
use crate::format::significant;
use crate::glossary::Term;
use crate::inspect::SceneLabel;
use crate::language::{t, tr};
use crate::palette;
use crate::ui::table::{self, Cell, Column, Sort};
use crate::ui::widgets::{Panel, note};

/// Rows without scrolling.
const LINES: usize = 8;
/// The first column that stands for a scale.
const SCALES_FROM: usize = 5;

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, sort: &mut Option<Sort>) {
    let state = panel.state;
    let Some(scene) = &state.scene else {
        note(ui, t!("The labels of an image are listed here."));
        return;
    };
    if scene.labels.is_empty() {
        note(ui, t!("This image has no labels. Drop a label file on the window, or open one (Ctrl+L)."));
        return;
    }
    let columns = columns(state);
    if let Some(column) = table::header(ui, &columns, Some(*sort)) {
        *sort = next_sort(*sort, column);
    }
    let order = order(state, &scene.labels, *sort);
    ui.spacing_mut().item_spacing.y = 0.0;
    let area =
        ScrollArea::vertical().id_salt("truths").max_height(LINES as f32 * table::ROW).auto_shrink([false, true]);
    area.show_rows(ui, table::ROW, order.len(), |ui, visible| {
        for &gt in &order[visible] {
            let on = state.solo == Some(gt);
            let name = t!("Ground truth {gt}: {name}", gt, name = scene.labels[gt].name);
            let response = table::row(ui, &columns, &cells(state, gt, &scene.labels[gt]), on, Sense::click(), &name);
            let response = response.on_hover_ui(|ui| details(ui, state, gt, &scene.labels[gt]));
            if response.clicked() {
                panel.push(Command::Solo(if on { None } else { Some(gt) }));
            }
        }
    });
}

fn columns(state: &State) -> Vec<Column> {
    let mut columns = vec![
        Column::text("#", 40.0, t!("In the order of the label file.")),
        Column::text(t!("class"), 0.0, t!("Click a row to see one ground truth alone, again for all.")),
        Column::number("w×h", 64.0, t!("Size in input px.")),
        Column::number("M", 44.0, tr(Term::BestIou.explanation())),
        Column::number("ψM", 44.0, tr(Term::Threshold.explanation())),
    ];
    columns.extend(
        state
            .scales()
            .iter()
            .map(|scale| Column::number(scale.name(), 36.0, t!("Cells that this ground truth marks on this scale."))),
    );
    columns
}

fn best(state: &State, gt: usize) -> Option<f64> {
    state.field.as_ref().filter(|field| gt < field.gts()).map(|field| f64::from(field.best_iou(gt)))
}

fn marked(state: &State, gt: usize, scale: usize) -> Option<usize> {
    Some(state.mask.as_ref()?.scales.get(scale)?.gts.get(gt)?.cells)
}

fn cells(state: &State, gt: usize, label: &SceneLabel) -> Vec<Cell> {
    let best = best(state, gt);
    let psi = f64::from(state.imitation.mask.psi.get());
    let mut cells = vec![
        Cell::new(gt.to_string()).chip(palette::ground_truth(gt)),
        Cell::new(&label.name),
        Cell::new(format!("{:.0}×{:.0}", label.bbox.width(), label.bbox.height())),
        Cell::number(best),
        Cell::number(best.map(|best| psi * best)),
    ];
    cells.extend((0..state.scales().len()).map(|scale| match marked(state, gt, scale) {
        Some(cells) => Cell::new(cells.to_string()),
        None => Cell::none(),
    }));
    cells
}

fn details(ui: &mut Ui, state: &State, gt: usize, label: &SceneLabel) {
    ui.label(t!(
        "{name} ({gt}, {width} × {height} input px)",
        name = label.name,
        gt,
        width = format_args!("{:.1}", label.bbox.width()),
        height = format_args!("{:.1}", label.bbox.height())
    ));
    let scales = state.mask.iter().flat_map(|mask| &mask.scales);
    for (scale, mask) in state.scales().iter().zip(scales) {
        let Some(record) = mask.gts.get(gt) else { continue };
        let best = match record.best {
            Some(at) => t!(" at ({row}, {col}), anchor {anchor}", row = at.row, col = at.col, anchor = at.anchor),
            None => String::new(),
        };
        let (name, most) = (scale.name(), significant(f64::from(record.max_iou)));
        ui.label(if record.threshold.is_finite() {
            let threshold = significant(f64::from(record.threshold));
            t!(
                "{scale}: M = {most}{best}, threshold {threshold}, {count} cells",
                scale = name,
                most,
                best,
                threshold,
                count = record.cells
            )
        } else {
            t!("{scale}: M = {most}{best}, left out by the level rule", scale = name, most, best)
        });
    }
}

/// A click sorts upward, the next downward, a third as labelled.
fn next_sort(sort: Option<Sort>, column: usize) -> Option<Sort> {
    match sort {
        Some(Sort { column: same, descending: false }) if same == column => Some(Sort { column, descending: true }),
        Some(Sort { column: same, descending: true }) if same == column => None,
        _ => Some(Sort { column, descending: false }),
    }
}

fn order(state: &State, labels: &[SceneLabel], sort: Option<Sort>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    let Some(Sort { column, descending }) = sort else { return order };
    let number = |gt: usize| -> f64 {
        match column {
            2 => f64::from(labels[gt].bbox.area()),
            3 | 4 => best(state, gt).unwrap_or(0.0),
            column => column.checked_sub(SCALES_FROM).and_then(|s| marked(state, gt, s)).unwrap_or(gt) as f64,
        }
    };
    match column {
        0 => {}
        1 => order.sort_by(|&a, &b| labels[a].name.cmp(&labels[b].name)),
        _ => order.sort_by(|&a, &b| number(a).total_cmp(&number(b))),
    }
    if descending {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoundingBox;

    #[test]
    fn rows_sort_up_down_and_back() {
        let label =
            |name: &str, side| SceneLabel { class: 0, name: name.into(), bbox: BoundingBox::new(0.0, 0.0, side, side) };
        let labels = [label("b", 2.0), label("a", 3.0), label("c", 1.0)];
        let state = State::default();
        let mut sort = None;
        let mut seen = Vec::new();
        for _ in 0..3 {
            sort = next_sort(sort, 2);
            seen.push(order(&state, &labels, sort));
        }
        assert_eq!(seen, [vec![2, 0, 1], vec![1, 0, 2], vec![0, 1, 2]]);
        assert_eq!(order(&state, &labels, next_sort(None, 1)), [1, 0, 2]);
    }
}
