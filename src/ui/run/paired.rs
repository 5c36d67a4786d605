//! With and without imitation, seed by seed, and what it comes to.

use egui::{RichText, ScrollArea, Sense, Ui};

use crate::app::State;
use crate::train::event::Arm;
use crate::ui::palette::Palette;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, note};

/// Widest that a table of numbers reads well.
const WIDTH: f32 = 800.0;

pub fn show(ui: &mut Ui, state: &State) {
    let Some(paired) = state.runs.paired() else {
        note(ui, "Start a paired run: each seed is then trained with imitation and without.");
        return;
    };
    let palette = Palette::of(ui);
    ui.label(widgets::strong(paired.sentence()).size(16.0));
    if let Some(lead) = paired.map50_95 {
        let spread = lead.spread.map(|spread| format!(" ± {spread:.3}")).unwrap_or_default();
        let sign = if lead.mean < 0.0 { "−" } else { "+" };
        note(
            ui,
            &format!(
                "In mAP50-95: {sign}{:.3}{spread}. ± is the standard deviation over the seeds; the last evaluation counts.",
                lead.mean.abs()
            ),
        );
    }
    ui.add_space(8.0);
    let columns = [
        Column::number("seed", 56.0, "The seed of both runs: the same batches in the same order."),
        Column::text("run", 0.0, "With imitation, or the same run without."),
        Column::number("mAP50", 88.0, "Of the last evaluation."),
        Column::number("best", 88.0, "The best mAP50 of all evaluations."),
        Column::number("mAP50-95", 88.0, "Of the last evaluation."),
        Column::number("best", 88.0, "The best mAP50-95 of all evaluations."),
        Column::number("distance", 88.0, "Imitation distance at λ = 1 over all scales, mean of the first epoch."),
        Column::number("→", 88.0, "The same in the last epoch."),
    ];
    ui.set_max_width(WIDTH);
    table::header(ui, &columns, None);
    ScrollArea::vertical().auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for row in &paired.rows {
            let accuracy = |pair: Option<[f64; 2]>, index: usize| {
                pair.map_or_else(Cell::none, |pair| Cell::new(format!("{:.3}", pair[index])))
            };
            let distance = |index: usize| Cell::number(row.distance.map(|d| d[index])).color(palette.difference);
            let name =
                if row.finished { row.arm.name().to_owned() } else { format!("{} · under way", row.arm.name()) };
            let arm = match row.arm {
                Arm::Imitation => Cell::new(&name).strong(),
                Arm::Baseline => Cell::new(&name).color(palette.text_weak),
            };
            let cells = [
                Cell::new(row.seed.to_string()),
                arm,
                accuracy(row.last, 0),
                accuracy(row.best, 0),
                accuracy(row.last, 1),
                accuracy(row.best, 1),
                distance(0),
                distance(1),
            ];
            let spoken = match row.last {
                Some([map50, _]) => format!("seed {}, {name}: mAP50 {map50:.3}", row.seed),
                None => format!("seed {}, {name}", row.seed),
            };
            table::row(ui, &columns, &cells, false, Sense::hover(), &spoken);
        }
    });
    if paired.rows.iter().any(|row| !row.finished) {
        ui.label(RichText::new("Numbers of runs under way still change.").small().color(palette.text_weak));
    }
}
