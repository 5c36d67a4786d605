//! Which imitation helps on these data: a search within a budget, its candidates as their runs end, and the finalists on
//! fresh seeds.

use egui::{
    Button, Color32, DragValue, Label, ProgressBar, RichText, ScrollArea, Sense, Ui, UiBuilder, WidgetInfo, vec2,
};
use egui_plot::{PlotBounds, PlotPoint, PlotPoints};

use crate::app::command::Command;
use crate::app::dialog::RunFile;
use crate::app::run::clock;
use crate::app::run::said;
use crate::app::run::search::{Row, SearchForm, Shown, in_full, in_words};
use crate::axis::AxisScale;
use crate::glossary::Term;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::ui::run::fixed_plot::{Axes, Ticks, fixed_plot};
use crate::ui::run::{seeds, setup};
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Explained, Panel, counted, note};
use crate::worker::Finalist;

/// Width of the pictures.
const SIDE: f32 = 384.0;
const RUNG: f32 = 116.0;
const SEEDS: f32 = 84.0;
/// Height of the picture of the rungs.
const PICTURE: f32 = 150.0;

/// What the tab keeps between frames.
#[derive(Debug)]
pub struct SearchMemory {
    /// The candidate that a person has clicked.
    chosen: Option<String>,
    /// Seeds that a setting is confirmed with.
    seeds: u32,
    /// The folder as it is being typed.
    typing: setup::SetUp,
}

impl Default for SearchMemory {
    fn default() -> Self {
        Self { chosen: None, seeds: 5, typing: setup::SetUp::default() }
    }
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut SearchMemory) {
    let state = panel.state;
    let search = &state.runs.search;
    controls(ui, panel, memory);
    if let Some(problem) = &search.problem {
        ui.add(Label::new(RichText::new(problem).color(Palette::of_theme(ui.visuals().dark_mode).error)).wrap());
    }
    let Some(shown) = &search.shown else { return empty(ui) };
    about(ui, shown, search.form.minutes, search.live.is_some());
    let rows = shown.rows();
    ui.add_space(palette::HALF);
    let place = ui.available_rect_before_wrap();
    let (left, side) = place.split_left_right_at_x((place.right() - SIDE).max(place.left()));
    ui.scope_builder(UiBuilder::new().max_rect(left).id_salt("candidates"), |ui| {
        let chosen = rows.iter().find(|row| Some(&row.candidate.name) == memory.chosen.as_ref()).or(rows.first());
        if let Some(chosen) = chosen {
            actions(ui, panel, shown, chosen, memory);
        }
        let name = chosen.map(|row| row.candidate.name.clone());
        candidates(ui, shown, &rows, name.as_deref(), memory);
    });
    let side = side.with_min_x(side.left() + 2.0 * palette::UNIT);
    ui.scope_builder(UiBuilder::new().max_rect(side).id_salt("pictures"), |ui| {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            rungs(ui, shown, &rows);
            finalists(ui, shown);
        });
    });
    ui.advance_cursor_after_rect(place);
}

/// Start, stop and go on; the budget, and where it goes; how far it is.
fn controls(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut SearchMemory) {
    let search = &panel.state.runs.search;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let mut form = search.form.clone();
    ui.horizontal(|ui| {
        if let Some(live) = &search.live {
            let stop = panel.button(ui, Command::StopSearch, t!("Stop"));
            stop.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Stop the search")));
            let minutes = search.shown.as_ref().map_or(form.minutes, |shown| shown.search.minutes);
            let left = live.seconds_left();
            let spent = left.map_or(0.0, |left| (1.0 - left / (60.0 * minutes)).clamp(0.0, 1.0) as f32);
            let bar = ProgressBar::new(spent).desired_width(120.0).desired_height(8.0).fill(palette.accent);
            let bar = ui.add(bar).on_hover_text(t!("How much of the budget is spent."));
            bar.widget_info(|| {
                let mut info = WidgetInfo::labeled(egui::Role::ProgressIndicator, true, t!("Spent of the budget"));
                info.value = Some(f64::from(spent));
                info
            });
            let left = left.map(|left| t!(" · {time} of the budget left", time = clock(left))).unwrap_or_default();
            ui.add(Label::new(RichText::new(live.text() + &left).color(palette.text_weak)).truncate());
            return;
        }
        let start = Button::new(widgets::strong(t!("Search")).color(palette.on_accent)).fill(palette.accent);
        panel.command(ui, Command::StartSearch, start);
        if search.shown.is_some() {
            panel.button(ui, Command::ResumeSearch, t!("Go on"));
        }
        ui.add_space(palette::UNIT);
        let help = t!("Minutes that the whole search may take; to go on with one, what it has spent is included.");
        ui.label(t!("Budget")).on_hover_text(help);
        let minutes = DragValue::new(&mut form.minutes).range(0.1..=100_000.0).speed(0.2).max_decimals(1);
        let minutes = ui.add(minutes).on_hover_text(help);
        minutes.widget_info(|| WidgetInfo::labeled(egui::Role::SpinButton, true, t!("Budget of the search, minutes")));
        ui.label(t!("min"));
        ui.add_space(palette::UNIT);
        folder(ui, panel, &mut form, memory);
        let open = Command::BrowseForRun(RunFile::EarlierSearch);
        panel.button(ui, open.clone(), open.label());
        if let Some(why) = Command::StartSearch.disabled(panel.state) {
            ui.add(Label::new(RichText::new(why).color(palette.warning)).truncate()).on_hover_text(why);
        }
    });
    if form != search.form {
        panel.push(Command::EditSearch(form));
    }
}

/// Where a new search goes: typed or chosen.
fn folder(ui: &mut Ui, panel: &mut Panel<'_>, form: &mut SearchForm, memory: &mut SearchMemory) {
    ui.label(t!("Results")).on_hover_text(t!("A new search goes into this folder."));
    setup::path(ui, panel, &mut memory.typing, t!("Folder for the search"), &mut form.out, RunFile::SearchOut, 200.0);
}

/// Nothing to see yet, and what would be.
fn empty(ui: &mut Ui) {
    ui.add_space(2.0 * palette::UNIT);
    note(
        ui,
        t!(
            "A search asks which imitation helps on the data and models of the set-up: losses, their weights and masks, taps and a lower learning rate, the most promising first. Each is a short run beside the same run without imitation; the better half runs again at twice the length, and the last two on fresh seeds."
        ),
    );
    note(
        ui,
        t!("What the budget buys here is measured first, on a few steps. A search that was stopped can go on later."),
    );
}

/// What the budget buys, what came of it, and what it does not say.
fn about(ui: &mut Ui, shown: &Shown, minutes: f64, live: bool) {
    if let Some(conclusion) = shown.conclusion() {
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        let color = if shown.fell() { palette.warning } else { palette.text };
        ui.label(widgets::strong(conclusion).size(15.0).color(color));
    }
    let spent = t!("{time} spent of {folder}", time = clock(shown.search.spent), folder = shown.folder.display());
    // Another budget than its own is meant for another search, or for more of this one.
    let offer = || shown.offer(minutes).filter(|_| !live);
    match (shown.plan(), offer()) {
        (Some(plan), Some(offer)) if minutes != shown.search.minutes => note(ui, &format!("{plan} {spent}. {offer}")),
        (Some(plan), _) => note(ui, &format!("{plan} {spent}.")),
        (None, Some(offer)) => note(ui, &offer),
        (None, None) => note(ui, t!("What the budget buys here is measured first, on a few steps.")),
    }
    note(
        ui,
        t!(
            "A place in the table means little: it is one seed each. A setting that was chosen on val is confirmed on test or on fresh seeds alone."
        ),
    );
}

/// What can be done with a candidate.
fn actions(ui: &mut Ui, panel: &mut Panel<'_>, shown: &Shown, row: &Row<'_>, memory: &mut SearchMemory) {
    let name = row.candidate.name.clone();
    ui.horizontal(|ui| {
        ui.label(widgets::strong(in_words(row.candidate, &shown.search.base))).on_hover_text(in_full(row.candidate));
        ui.add_space(palette::HALF);
        panel.button(ui, Command::TakeSetting(name.clone()), t!("Take this setting"));
        panel.button(ui, Command::ConfirmSetting(name, memory.seeds), t!("Confirm with"));
        let value = ui.add(DragValue::new(&mut memory.seeds).range(2..=100).speed(0.05));
        let value = value.on_hover_text(tr(Term::Seed.explanation()));
        value.widget_info(|| WidgetInfo::labeled(egui::Role::SpinButton, true, t!("Seeds to confirm with")));
        ui.label(t!("seeds"));
        if let Some(run) = shown.run_of(row) {
            panel.button(ui, Command::OpenRun(run), t!("Show its curves"));
        }
    });
}

/// The table; what failed and what is left out with their reasons.
fn candidates(ui: &mut Ui, shown: &Shown, rows: &[Row<'_>], chosen: Option<&str>, memory: &mut SearchMemory) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let search = &shown.search;
    let planned = search.ladder.iter().flat_map(|ladder| &ladder.rungs).copied();
    let begun = search.rungs.iter().map(|rung| rung.epochs);
    let lengths: Vec<u32> = if search.rungs.is_empty() { planned.collect() } else { begun.collect() };
    let mut columns =
        vec![Column::text(t!("imitation"), 0.0, t!("Loss, λ, mask, tap and learning rate where they differ."))];
    columns.extend(lengths.iter().map(|length| {
        let help = t!("mAP50-95 on val at the last epoch, and its difference to the run without imitation.");
        Column::number(counted(*length as usize, "epoch", "epochs"), RUNG, help)
    }));
    columns.push(Column::number(t!("fresh seeds"), SEEDS, t!("Mean difference over the fresh seeds.")));
    table::header(ui, &columns, None);
    ScrollArea::vertical().id_salt("rows").auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for (place, row) in rows.iter().enumerate() {
            let cells = cells(palette, shown, row, lengths.len(), color(palette, place, row));
            let words = in_words(row.candidate, &search.base);
            let on_fresh_seeds = || Some(finalist(shown, row)?.verdict.as_ref()?.mean);
            let spoken = match (row.difference().or_else(on_fresh_seeds), row.failed()) {
                (_, Some(why)) => t!("{name} failed: {why}", name = words, why),
                (Some(difference), None) => {
                    t!("{name}: {difference}", name = words, difference = format_args!("{difference:+.4}"))
                }
                (None, None) => t!("{name}: not tried", name = words),
            };
            let selected = chosen == Some(row.candidate.name.as_str());
            let response = table::row(ui, &columns, &cells, selected, Sense::click(), &spoken);
            if response.clicked() {
                memory.chosen = Some(row.candidate.name.clone());
            }
            let why = row.failed().map(|why| format!("\n{why}")).unwrap_or_default();
            response.on_hover_text(in_full(row.candidate) + &why);
        }
        ui.add_space(palette::HALF);
        for left in &search.left_out {
            note(ui, &t!("{loss} is left out: {reason}.", loss = left.loss, reason = left.reason));
        }
    });
}

fn cells(palette: &Palette, shown: &Shown, row: &Row<'_>, rungs: usize, color: Option<Color32>) -> Vec<Cell> {
    let words = in_words(row.candidate, &shown.search.base);
    let mut name = match row.failed() {
        Some(why) => Cell::new(t!("{name} failed: {why}", name = words, why)).color(palette.warning),
        None => Cell::new(words),
    };
    name.chip = color;
    if row.finalist == Some(0) {
        name = name.strong();
    }
    let scores = row.row.map_or(&[][..], |row| &row.rungs);
    let mut cells = vec![name];
    for rung in 0..rungs {
        cells.push(match (scores.get(rung), row.failed()) {
            (Some(score), _) => {
                let text = format!("{:.3} ({:+.3})", score.map50_95, score.difference);
                Cell::new(text).color(if score.difference < 0.0 { palette.text_weak } else { palette.text })
            }
            (None, Some(_)) if rung == scores.len() => Cell::new(t!("failed")).color(palette.warning),
            (None, _) => Cell::none().color(palette.text_weak),
        });
    }
    let verdict = finalist(shown, row).and_then(|finalist| finalist.verdict.as_ref());
    cells.push(verdict.map_or_else(Cell::none, |verdict| {
        Cell::new(format!("{:+.3}", verdict.mean)).color(seeds::ink(palette, Some(verdict))).strong()
    }));
    cells
}

fn finalist<'a>(shown: &'a Shown, row: &Row<'_>) -> Option<&'a Finalist> {
    shown.table.as_ref()?.finalists.get(row.finalist?)
}

/// The leaders have colours of their own.
fn color(palette: &Palette, place: usize, row: &Row<'_>) -> Option<Color32> {
    row.difference().map(|_| palette.runs.get(place).copied().unwrap_or(palette.hairline))
}

/// Every candidate's difference by the length of its runs.
fn rungs(ui: &mut Ui, shown: &Shown, rows: &[Row<'_>]) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let lines: Vec<(Color32, &Row<'_>, Vec<PlotPoint>)> = rows
        .iter()
        .enumerate()
        .filter_map(|(place, row)| {
            let scores = &row.row?.rungs;
            let points = scores.iter().map(|score| PlotPoint::new(f64::from(score.epochs), score.difference)).collect();
            Some((color(palette, place, row)?, row, points))
        })
        .collect();
    let all = || lines.iter().flat_map(|(_, _, points)| points);
    if all().next().is_none() {
        return;
    }
    ui.label(widgets::strong(t!("Rungs on seed {seed}", seed = shown.search.base.seed))).explained(Term::Map50To95);
    note(ui, t!("mAP50-95 on val minus that of the run without imitation, over the epochs of the rung"));
    let (low, high) = all().fold((0.0, 0.0), |(low, high), p| (f64::min(low, p.y), f64::max(high, p.y)));
    let most = all().fold(1.0, |most, p| f64::max(most, p.x));
    let room = if high > low { 0.08 * (high - low) } else { 0.01 };
    let bounds = PlotBounds::from_min_max([0.0, low - room], [1.08 * most, high + room]);
    let ticks = Ticks::default();
    let axes = Axes { x: AxisScale::Linear, y: AxisScale::Linear, across: 40.0 };
    let size = vec2(ui.available_width(), PICTURE);
    let plot = fixed_plot("rungs", size, palette, &ticks, axes).show(ui, |plot_ui| {
        plot_ui.set_plot_bounds(bounds);
        plot_ui.hline(egui_plot::HLine::new("", 0.0).color(palette.text).width(1.0).allow_hover(false));
        // The leaders lie on top.
        for (color, _, points) in lines.iter().rev() {
            plot_ui.line(
                egui_plot::Line::new("", PlotPoints::Borrowed(points)).color(*color).width(1.5).allow_hover(false),
            );
            plot_ui.points(
                egui_plot::Points::new("", PlotPoints::Borrowed(points)).color(*color).radius(3.0).allow_hover(false),
            );
        }
    });
    let spoken = t!("difference of every candidate by epochs");
    plot.response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, spoken));
    let mut legend: Vec<(Color32, &str)> = lines.iter().map(|(color, row, _)| (*color, &*row.candidate.name)).collect();
    if lines.len() > palette.runs.len() {
        legend.truncate(palette.runs.len());
        legend.push((palette.hairline, t!("the others")));
    }
    ui.horizontal_wrapped(|ui| {
        for (color, name) in legend {
            // A dot stays with its name.
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = palette::HALF;
                widgets::dot(ui, color);
                ui.label(RichText::new(name).size(palette::SMALL).color(palette.text_weak));
            });
        }
    });
    ui.add_space(palette::UNIT);
}

/// The finalists on fresh seeds, each with its verdict.
fn finalists(ui: &mut Ui, shown: &Shown) {
    let Some(table) = &shown.table else { return };
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    for finalist in &table.finalists {
        let Some(verdict) = &finalist.verdict else { continue };
        ui.label(widgets::strong(&finalist.name));
        let sentence = said(&verdict.line());
        ui.label(RichText::new(&sentence).color(seeds::ink(palette, Some(verdict))));
        seeds::picture(ui, verdict, &finalist.differences(), &sentence);
        ui.add_space(palette::UNIT);
    }
}
