//! With and without imitation, seed by seed, and what it comes to.

use egui::{RichText, ScrollArea, Sense, Ui};

use crate::app::State;
use crate::app::glossary::Term;
use crate::app::language::{t, tr};
use crate::train::event::Arm;
use crate::ui::palette::Palette;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, note};

/// Widest that a table of numbers reads well.
const WIDTH: f32 = 800.0;

pub fn show(ui: &mut Ui, state: &State) {
    let Some(paired) = state.runs.paired() else {
        note(ui, t!("Start a paired run: each seed is then trained with imitation and without."));
        return;
    };
    let palette = Palette::of(ui);
    ui.label(widgets::strong(paired.sentence()).size(16.0));
    if let Some(lead) = paired.map50_95 {
        let spread = lead.spread.map(|spread| format!(" ± {spread:.3}")).unwrap_or_default();
        let sign = if lead.mean < 0.0 { "−" } else { "+" };
        note(
            ui,
            &t!(
                "In mAP50-95: {lead}{spread}. ± is the standard deviation over the seeds; the last evaluation counts.",
                lead = format_args!("{sign}{:.3}", lead.mean.abs()),
                spread
            ),
        );
    }
    ui.add_space(8.0);
    let columns = [
        Column::number(t!("seed"), 56.0, t!("The seed of both runs: the same batches in the same order.")),
        Column::text(t!("run"), 0.0, t!("With imitation, or the same run without.")),
        Column::number("mAP50", 88.0, format!("{} {}", tr(Term::Map50.explanation()), t!("Of the last evaluation."))),
        Column::number(t!("best"), 88.0, t!("The best mAP50 of all evaluations.")),
        Column::number(
            "mAP50-95",
            88.0,
            format!("{} {}", tr(Term::Map50To95.explanation()), t!("Of the last evaluation.")),
        ),
        Column::number(t!("best"), 88.0, t!("The best mAP50-95 of all evaluations.")),
        Column::number(
            t!("distance"),
            88.0,
            t!("Imitation distance at λ = 1 over all scales, mean of the first epoch."),
        ),
        Column::number("→", 88.0, t!("The same in the last epoch.")),
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
            let name = if row.under_way {
                t!("{arm} · under way", arm = tr(row.arm.name()))
            } else {
                tr(row.arm.name()).to_owned()
            };
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
                Some([map50, _]) => t!(
                    "seed {seed}, {run}: mAP50 {map50}",
                    seed = row.seed,
                    run = name,
                    map50 = format_args!("{map50:.3}")
                ),
                None => t!("seed {seed}, {run}", seed = row.seed, run = name),
            };
            table::row(ui, &columns, &cells, false, Sense::hover(), &spoken);
        }
    });
    if paired.rows.iter().any(|row| row.under_way) {
        ui.label(RichText::new(t!("Numbers of runs under way still change.")).small().color(palette.text_weak));
    }
}
