//! With and without imitation, seed by seed: the verdict in words and as a picture, the runs in a table, and a way to more
//! seeds.

use egui::{
    Align2, DragValue, FontId, Painter, Pos2, Rect, Response, RichText, ScrollArea, Sense, Stroke, Ui, UiBuilder,
    WidgetInfo, pos2, vec2,
};

use crate::app::Command;
use crate::app::glossary::Term;
use crate::app::language::{t, tr};
use crate::app::run::{MOST_SEEDS, Paired, Row, Stand, clock};
use crate::export::figure::axis::{AxisScale, ticks};
use crate::train::comparison::Accuracy;
use crate::train::event::Arm;
use crate::train::verdict::{Says, Verdict};
use crate::ui::palette::{self, Palette};
use crate::ui::style;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Panel, note};

/// Widest that a table of numbers reads well.
const WIDTH: f32 = 800.0;
/// Least width beside which the table has room.
const PICTURE: f32 = 360.0;
/// Of a seed in the picture.
const SEED: f32 = 16.0;
/// Of the seeds' names, and of their values.
const NAMES: f32 = 60.0;
const VALUES: f32 = 52.0;
/// Of the axis with its unit, and of the legend.
const AXIS: f32 = 32.0;
const LEGEND: f32 = 20.0;
const DOT: f32 = 4.0;
/// Points between two ticks, at least.
const ACROSS: f32 = 64.0;

/// How many more seeds a person wants, and what was proposed as they chose.
#[derive(Default)]
pub struct MoreSeeds(Option<(u32, u32)>);

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, more: &mut MoreSeeds) {
    let Some(paired) = panel.state.runs.paired() else {
        note(ui, t!("Start a paired run: each seed is then trained with imitation and without."));
        return;
    };
    let palette = Palette::of(ui);
    ui.label(widgets::strong(paired.sentence()).size(16.0).color(ink(palette, paired.comparison.verdict.as_ref())));
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
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| picture(ui, &paired));
    });
    let right = right.with_min_x(right.left() + 2.0 * palette::UNIT);
    ui.scope_builder(UiBuilder::new().max_rect(right).id_salt("table"), |ui| runs(ui, &paired));
    ui.advance_cursor_after_rect(place);
}

/// What a verdict says, as a colour.
fn ink(palette: &Palette, verdict: Option<&Verdict>) -> egui::Color32 {
    match verdict.map(|verdict| verdict.says) {
        Some(Says::Helps) => palette.good,
        Some(Says::Hurts) => palette.error,
        Some(Says::CannotTell) | None => palette.text,
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
        let palette = Palette::of(ui);
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

/// Every seed's difference, their interval and zero.
fn picture(ui: &mut Ui, paired: &Paired) {
    let Some(verdict) = &paired.comparison.verdict else {
        note(ui, t!("Every seed's difference appears here when both its runs have finished."));
        return;
    };
    let differences = paired.comparison.differences();
    let palette = Palette::of(ui);
    let rows = differences.len() as f32 + if verdict.low.is_some() { 1.5 } else { 0.0 };
    let size = vec2(ui.available_width(), LEGEND + rows * SEED + palette::UNIT + AXIS);
    let (whole, response) = ui.allocate_exact_size(size, Sense::hover());
    let place = Rect::from_min_max(whole.min + vec2(NAMES, LEGEND), whole.max - vec2(VALUES, AXIS));
    let (low, high) =
        range(differences.iter().map(|(_, difference)| *difference).chain(verdict.low).chain(verdict.high));
    let x = |value: f64| place.left() + ((value - low) / (high - low)) as f32 * place.width();
    let painter = ui.painter();
    axis(painter, place, verdict, (low, high), palette);
    let text = FontId::proportional(palette::SMALL);
    for (index, (seed, difference)) in differences.iter().enumerate() {
        let y = place.top() + (index as f32 + 0.5) * SEED;
        painter.circle_filled(pos2(x(*difference), y), DOT, palette.difference);
        let name = t!("seed {seed}", seed);
        painter.text(pos2(place.left() - 6.0, y), Align2::RIGHT_CENTER, name, text.clone(), palette.text_weak);
        let value = pos2(whole.right(), y);
        painter.text(value, Align2::RIGHT_CENTER, signed(*difference), text.clone(), palette.text);
    }
    if let (Some(from), Some(to)) = (verdict.low, verdict.high) {
        let y = place.top() + (differences.len() as f32 + 0.75) * SEED;
        let color = interval_ink(palette, verdict);
        bar(painter, [pos2(x(from), y), pos2(x(to), y)], x(verdict.mean), color);
        let bold = FontId::new(palette::SMALL, style::bold());
        painter.text(pos2(place.left() - 6.0, y), Align2::RIGHT_CENTER, t!("mean"), bold.clone(), palette.text);
        painter.text(pos2(whole.right(), y), Align2::RIGHT_CENTER, signed(verdict.mean), bold, palette.text);
    }
    legend(painter, whole, verdict, palette);
    spoken(&response, paired, &differences, verdict);
}

/// The bar of the interval in the verdict's colour.
fn interval_ink(palette: &Palette, verdict: &Verdict) -> egui::Color32 {
    match verdict.says {
        Says::CannotTell => palette.text_weak,
        Says::Helps | Says::Hurts => ink(palette, Some(verdict)),
    }
}

fn bar(painter: &Painter, [from, to]: [Pos2; 2], mean: f32, color: egui::Color32) {
    painter.line_segment([from, to], Stroke::new(3.0, color));
    for end in [from, to] {
        painter.line_segment([end - vec2(0.0, DOT), end + vec2(0.0, DOT)], Stroke::new(1.5, color));
    }
    let middle = pos2(mean, from.y);
    painter.line_segment([middle - vec2(0.0, 1.5 * DOT), middle + vec2(0.0, 1.5 * DOT)], Stroke::new(3.0, color));
}

/// What the picture covers: all values and zero, with some room.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.filter(|v| v.is_finite()).fold((0.0, 0.0), |(l, h), v| (f64::min(l, v), f64::max(h, v)));
    let room = if high > low { (high - low) * 0.06 } else { 0.01 };
    (low - room, high + room)
}

/// Zero, ticks and the unit.
fn axis(painter: &Painter, place: Rect, verdict: &Verdict, (low, high): (f64, f64), palette: &Palette) {
    let x = |value: f64| place.left() + ((value - low) / (high - low)) as f32 * place.width();
    let text = FontId::proportional(palette::SMALL);
    painter.hline(place.x_range(), place.bottom(), Stroke::new(1.0, palette.hairline));
    let wanted = (place.width() / ACROSS).floor().max(1.0) as usize;
    for (value, label) in ticks(low, high, wanted, AxisScale::Linear) {
        painter.vline(x(value), place.bottom()..=place.bottom() + 3.0, Stroke::new(1.0, palette.text_weak));
        let at = pos2(x(value), place.bottom() + 4.0);
        painter.text(at, Align2::CENTER_TOP, label, text.clone(), palette.text_weak);
    }
    painter.vline(x(0.0), place.y_range(), Stroke::new(1.0, palette.text));
    let unit = t!("{metric} on {split}, imitation − baseline", metric = verdict.metric, split = verdict.split);
    painter.text(pos2(place.center().x, place.bottom() + AXIS), Align2::CENTER_BOTTOM, unit, text, palette.text_weak);
}

/// What the signs of the picture mean, above it.
fn legend(painter: &Painter, whole: Rect, verdict: &Verdict, palette: &Palette) {
    let y = whole.top() + 0.5 * LEGEND;
    let font = FontId::proportional(palette::SMALL);
    let mut x = whole.left();
    let mut entry = |name: &str, sign: &dyn Fn(Pos2)| {
        sign(pos2(x + 8.0, y));
        let text = painter.text(pos2(x + 20.0, y), Align2::LEFT_CENTER, name, font.clone(), palette.text_weak);
        x = text.right() + 16.0;
    };
    entry(t!("a seed"), &|at| _ = painter.circle_filled(at, DOT, palette.difference));
    if verdict.low.is_some() {
        let color = interval_ink(palette, verdict);
        let name = t!("95 % interval of the mean");
        entry(name, &|at| bar(painter, [at - vec2(8.0, 0.0), at + vec2(8.0, 0.0)], at.x, color));
    }
    let line = |at: Pos2| painter.vline(at.x, at.y - 6.0..=at.y + 6.0, Stroke::new(1.0, palette.text));
    entry(t!("no difference"), &|at| _ = line(at));
}

/// The picture in words.
fn spoken(response: &Response, paired: &Paired, differences: &[(u64, f64)], verdict: &Verdict) {
    let seeds = differences
        .iter()
        .map(|(seed, difference)| t!("seed {seed}: {difference}", seed, difference = signed(*difference)));
    let mut all: Vec<String> = seeds.collect();
    if let (Some(low), Some(high)) = (verdict.low, verdict.high) {
        all.push(t!("95 % interval {low} to {high}", low = signed(low), high = signed(high)));
    }
    let text = all.join(", ");
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &text));
    response.clone().on_hover_text(paired.sentence());
}

fn signed(value: f64) -> String {
    format!("{value:+.3}").replace('-', "−")
}

/// The runs, one a row.
fn runs(ui: &mut Ui, paired: &Paired) {
    let palette = Palette::of(ui);
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
    let arm = match row.arm {
        Arm::Imitation => Cell::new(row.name()).strong(),
        Arm::Baseline => Cell::new(row.name()).color(palette.text_weak),
    };
    // A student that fell is one to look at.
    let last = match result.fall() {
        Some(_) => accuracy(row.last()).color(palette.warning),
        None => accuracy(row.last()).strong(),
    };
    let distance = |of: Option<f64>| Cell::number(of).color(palette.difference);
    let mut cells = vec![
        Cell::new(row.seed.to_string()),
        arm,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_always_in_the_picture() {
        assert_eq!(range([0.1, 0.2].into_iter()).0, -0.2 * 0.06);
        assert_eq!(range([-0.2, f64::NAN].into_iter()).1, 0.2 * 0.06);
        assert_eq!(range([0.0].into_iter()), (-0.01, 0.01));
    }
}
