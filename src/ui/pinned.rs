//! PINNED CELL: why the cell that was clicked is imitated or not, in words and numbers.

use egui::{Align, Label, Layout, RichText, ScrollArea, Sense, Ui};

use crate::app::command::Command;
use crate::app::derive::explain::{Explained, Explanation, TruthLines};
use crate::format::significant;
use crate::language::{key, t};
use crate::palette::{self, Palette};
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Panel, note};

/// Points that the ground truths of a cell take at most; more of them scroll.
const TRUTHS: f32 = 152.0;
/// Size of the sentence to take home.
const HEADLINE: f32 = 15.0;

/// Draws nothing while no cell is pinned.
pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, explained: &mut Explained) {
    let explanation = explained.of(panel.state);
    if panel.state.pin.is_none() {
        return;
    }
    widgets::section(ui, key!("PINNED CELL"), |ui| match explanation {
        Some(explanation) => explain(ui, panel, explanation),
        None => note(ui, t!("The masks are being computed…")),
    });
}

fn explain(ui: &mut Ui, panel: &mut Panel<'_>, cell: &Explanation) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.horizontal(|ui| {
        widgets::dot(ui, palette::PIN);
        let (row, col) = (cell.pin.row, cell.pin.col);
        ui.label(widgets::strong(t!("{scale}, row {row}, column {col}", scale = cell.scale, row, col)))
            .on_hover_text(t!("Counted from 0."));
        if cell.hits > 0 {
            let hits = t!("in the mask, {hits}", hits = widgets::counted(cell.hits, "hit", "hits"));
            ui.label(RichText::new(hits).color(palette.good));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            // Clear of the panel's scroll bar, which lies over the last points.
            ui.add_space(palette::UNIT);
            panel.button(ui, Command::Pin(None), t!("Unpin"));
        });
    });
    let color = if cell.hits > 0 { palette.good } else { palette.text };
    ui.add(Label::new(widgets::strong(&cell.headline).size(HEADLINE).color(color)).wrap());
    ui.add_space(palette::HALF);
    let area = ScrollArea::vertical().id_salt("pinned truths").max_height(TRUTHS).auto_shrink([false, true]);
    area.show(ui, |ui| cell.truths.iter().for_each(|line| truth(ui, line)));
    match &cell.cost {
        Some(cost) => {
            let sentence = RichText::new(cost.sentence(&cell.scale)).color(palette.difference);
            ui.add(Label::new(sentence).wrap());
        }
        None => note(ui, t!("With both models open: what it adds to the loss, and the channels behind it.")),
    }
    if !cell.channels.is_empty() {
        channels(ui, cell);
    }
}

fn truth(ui: &mut Ui, line: &TruthLines) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.horizontal(|ui| {
        widgets::chip(ui, palette::ground_truth(line.gt));
        ui.label(widgets::strong(format!("{} {}", line.gt, line.name)));
        let (text, color) =
            if line.is_owner { (t!("owns it"), palette.good) } else { (t!("does not"), palette.text_weak) };
        ui.label(RichText::new(text).color(color));
    });
    ui.add(Label::new(&line.verdict).wrap());
    note(ui, &line.numbers);
    ui.add_space(palette::HALF);
}

fn channels(ui: &mut Ui, cell: &Explanation) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let columns = [
        Column::text(
            t!("channel"),
            0.0,
            t!("The channels with the largest squared error at this cell, the worst first."),
        ),
        Column::number(t!("share"), 72.0, t!("Of the cell's squared error.")),
        Column::number(t!("teacher"), 72.0, t!("The channel's value here.")),
        Column::number(t!("student"), 72.0, t!("The channel's value here, after the adapter.")),
    ];
    table::header(ui, &columns, None);
    ui.spacing_mut().item_spacing.y = 0.0;
    for line in &cell.channels {
        let name = line.name.clone().unwrap_or_else(|| line.channel.to_string());
        let share = line.share.map_or_else(Cell::none, |share| Cell::new(format!("{} %", significant(100.0 * share))));
        let cells = [
            Cell::new(&name),
            share.color(palette.difference),
            Cell::number(Some(f64::from(line.teacher))).color(palette.teacher),
            Cell::number(Some(f64::from(line.student))).color(palette.student),
        ];
        table::row(ui, &columns, &cells, false, Sense::hover(), &t!("Channel {name} of the pinned cell", name));
    }
}
