//! With and without imitation, seed by seed: the verdict in words and as a picture, the runs in a table, and a way to more
//! seeds.

use egui::{Button, DragValue, RichText, ScrollArea, Sense, Ui, UiBuilder, WidgetInfo};

use crate::app::command::Command;
use crate::app::dialog::RunFile;
use crate::app::run::{MOST_SEEDS, Paired, Row, RunTab, Stand, clock};
use crate::glossary::Term;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::train::comparison::Accuracy;
use crate::train::config::Experiment;
use crate::train::event::Variant;
use crate::ui::run::seeds;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Panel, note};

/// Widest that a table of numbers reads well.
const WIDTH: f32 = 800.0;
/// Least width beside which the table has room.
const PICTURE: f32 = 360.0;
/// How many more seeds a person wants, and what was proposed as they chose.
#[derive(Default)]
pub struct MoreSeeds(Option<(u32, u32)>);

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, more: &mut MoreSeeds) {
    let Some(paired) = panel.state.runs.paired() else {
        return none(ui, panel);
    };
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.label(
        widgets::strong(paired.sentence()).size(16.0).color(seeds::ink(palette, paired.comparison.verdict.as_ref())),
    );
    if let Some(basis) = paired.basis() {
        note(ui, &basis);
    }
    if let Some(warning) = paired.warning() {
        ui.label(RichText::new(warning).color(palette.warning));
    }
    further(ui, panel, &paired, more);
    ui.add_space(palette::HALF);
    let place = ui.available_rect_before_wrap();
    let width = (place.width() - WIDTH - 2.0 * palette::UNIT).max(PICTURE.min(place.width() / 2.0));
    let (left, right) = place.split_left_right_at_x(place.left() + width);
    ui.scope_builder(UiBuilder::new().max_rect(left).id_salt("picture"), |ui| {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| match &paired.comparison.verdict {
            Some(verdict) => seeds::picture(ui, verdict, &paired.comparison.differences(), &paired.sentence()),
            None => note(ui, t!("Every seed's difference appears here when both its runs have finished.")),
        });
    });
    let right = right.with_min_x(right.left() + 2.0 * palette::UNIT);
    ui.scope_builder(UiBuilder::new().max_rect(right).id_salt("table"), |ui| runs(ui, &paired));
    ui.advance_cursor_after_rect(place);
}

/// Without pairs nothing can be said; here is the way to them.
fn none(ui: &mut Ui, panel: &mut Panel<'_>) {
    note(
        ui,
        t!("A run alone cannot say whether imitation helps: each seed has to be trained with imitation and without."),
    );
    let experiment = &panel.state.runs.form.experiment;
    let can_be = experiment.config.teacher.is_some() && !experiment.paired;
    let button = ui.add_enabled(can_be, Button::new(t!("Set up pairs")));
    let why_not = match experiment.paired {
        true => t!("Pairs are set up: Start trains them."),
        false => t!("A pair needs a teacher."),
    };
    let button = button.on_hover_text(t!("Ticks “with and without imitation” in the set-up."));
    if button.on_disabled_hover_text(why_not).clicked() {
        let experiment = Experiment { paired: true, ..experiment.clone() };
        panel.push(Command::EditRun(Box::new(experiment)));
        panel.push(Command::SetRunTab(RunTab::SetUp));
    }
}

/// Runs more seeds, and what that takes; why not, where it cannot be.
fn further(ui: &mut Ui, panel: &mut Panel<'_>, paired: &Paired, more: &mut MoreSeeds) {
    let extendable = panel.state.runs.extendable();
    let room = extendable.as_ref().map_or(MOST_SEEDS, |(_, pairs)| MOST_SEEDS.saturating_sub(pairs.seeds)).max(1);
    let proposed = paired.further().clamp(1, room);
    let mut seeds = more.0.filter(|(of, _)| *of == proposed).map_or(proposed, |(_, seeds)| seeds.clamp(1, room));
    ui.horizontal(|ui| {
        let command = Command::RunMoreSeeds(seeds);
        let refused = command.disabled(panel.state);
        panel.button(ui, command.clone(), command.label());
        let value = DragValue::new(&mut seeds).range(1..=room).speed(0.1);
        let response = ui.add_enabled(refused.is_none(), value);
        let help = t!("How many more seeds; what the verdict asks for is proposed.");
        response.widget_info(|| {
            let mut info = WidgetInfo::drag_value(refused.is_none(), f64::from(seeds));
            info.label = Some(t!("Seeds to add").to_owned());
            info
        });
        let response = response.on_hover_text(help).on_disabled_hover_text(refused.unwrap_or_default());
        if response.changed() {
            more.0 = Some((proposed, seeds));
        }
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        panel.button(ui, Command::BrowseForRun(RunFile::Handover), t!("Hand over to YOLOv5…"));
        match (refused, paired.seconds_per_seed()) {
            (Some(why), _) => ui.label(RichText::new(why).color(palette.warning)),
            (None, Some(seconds)) => {
                let time = clock(seconds * f64::from(seeds));
                ui.label(
                    RichText::new(t!("about {time}, as long as the runs so far took", time)).color(palette.text_weak),
                )
            }
            (None, None) => {
                ui.label(RichText::new(t!("how long is known after the first pair")).color(palette.text_weak))
            }
        };
    });
}

/// The runs, one a row.
fn runs(ui: &mut Ui, paired: &Paired) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let tested = paired.rows.iter().any(|row| row.result.test.is_some());
    let of_val = |what: &str| format!("{} {what}", tr(Term::Map50To95.explanation()));
    let mut columns = vec![
        Column::number(t!("seed"), 44.0, t!("The seed of both runs: the same batches in the same order.")),
        Column::text(t!("run"), 0.0, t!("With imitation, or the same run without: the baseline.")),
        Column::number(t!("before"), 60.0, of_val(t!("On val, of the student before its first step."))),
        Column::number(
            t!("last"),
            60.0,
            of_val(t!("On val, of the averaged weights after the last step: these count.")),
        ),
        Column::number(
            "mAP50",
            60.0,
            format!(
                "{} {}",
                tr(Term::Map50.explanation()),
                t!("On val, of the averaged weights after the last step: these count.")
            ),
        ),
        Column::number(
            t!("best"),
            60.0,
            of_val(t!("On val, the best of all epochs: chosen by what it is measured on.")),
        ),
        Column::number(t!("epoch"), 48.0, t!("The epoch of the best, from 0.")),
        Column::number(t!("teacher"), 60.0, of_val(t!("On val, of the teacher."))),
    ];
    if tested {
        columns.push(Column::number(t!("test"), 60.0, of_val(t!("On test, of the same weights as the last ones."))));
    }
    columns.extend([
        Column::number(
            t!("distance"),
            72.0,
            t!("Imitation distance at λ = 1 over all scales, mean of the first epoch."),
        ),
        Column::number("→", 72.0, t!("The same in the last epoch.")),
        Column::number(t!("minutes"), 60.0, t!("Wall time of its steps, and of its evaluations where that is known.")),
    ]);
    ui.set_max_width(WIDTH);
    ui.label(RichText::new("mAP50-95").small().color(palette.text_weak));
    table::header(ui, &columns, None);
    ScrollArea::vertical().auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for row in &paired.rows {
            let cells = cells(row, tested, palette);
            table::row(ui, &columns, &cells, false, Sense::hover(), &name(row));
        }
        if paired.rows.iter().any(|row| row.stand != Stand::Finished) {
            let text = t!("Runs that have not finished do not count in the verdict.");
            ui.label(RichText::new(text).small().color(palette.text_weak));
        }
    });
}

fn cells(row: &Row, tested: bool, palette: &Palette) -> Vec<Cell> {
    let accuracy =
        |of: Option<Accuracy>| of.map_or_else(Cell::none, |accuracy| Cell::new(format!("{:.3}", accuracy.map50_95)));
    let result = &row.result;
    let variant = match row.variant {
        Variant::Imitation => Cell::new(row.name()).strong(),
        Variant::Baseline => Cell::new(row.name()).color(palette.text_weak),
    };
    // A student that fell is one to look at.
    let last = match result.fall() {
        Some(_) => accuracy(row.last()).color(palette.warning),
        None => accuracy(row.last()).strong(),
    };
    let distance = |of: Option<f64>| Cell::number(of).color(palette.difference);
    let mut cells = vec![
        Cell::new(row.seed.to_string()),
        variant,
        accuracy(result.before),
        last,
        row.last().map_or_else(Cell::none, |accuracy| Cell::new(format!("{:.3}", accuracy.map50))),
        accuracy(result.best.map(|best| best.accuracy)),
        result.best.map_or_else(Cell::none, |best| Cell::new(best.epoch.to_string())),
        accuracy(result.teacher).color(palette.teacher),
    ];
    if tested {
        cells.push(accuracy(result.test));
    }
    cells.extend([
        distance(result.distance_of_first_epoch),
        distance(result.distance_of_last_epoch),
        row.seconds.map_or_else(Cell::none, |seconds| Cell::new(format!("{:.1}", seconds / 60.0))),
    ]);
    cells
}

/// A row in words.
fn name(row: &Row) -> String {
    let (seed, run) = (row.seed, row.name());
    let digits =
        |of: Option<Accuracy>| of.map_or_else(|| "–".to_owned(), |accuracy| format!("{:.3}", accuracy.map50_95));
    match row.last() {
        Some(_) => t!(
            "seed {seed}, {run}: mAP50-95 {before} before, {last} last",
            seed,
            run,
            before = digits(row.result.before),
            last = digits(row.last())
        ),
        None => t!("seed {seed}, {run}", seed, run),
    }
}
