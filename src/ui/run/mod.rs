//! The run at the bottom of the window: one bar that is always there, and above it, when it is open, the set-up, a batch,
//! the preflight, the curves, the comparison, the search, the mask survey or the review.

mod bar;
mod batch;
mod curves;
mod doubts;
mod fixed_plot;
mod legend;
mod paired;
mod preflight;
mod review;
mod search;
mod seeds;
mod setup;
pub mod snapshots;
mod survey;

use egui::{Frame, Label, Margin, ProgressBar, Rect, RichText, Ui, WidgetInfo};

use crate::app::run::{RunTab, clock};
use crate::app::state::Activity;
use crate::language::{t, tr};
use crate::palette::Palette;
use crate::ui::widgets::Panel;

const BAR: f32 = 32.0;
/// Below this the plots say nothing.
const LEAST: f32 = 200.0;
/// What is left for the picture.
const REST: f32 = 240.0;

/// What the panel keeps between frames.
#[derive(Default)]
pub struct RunMemory {
    curves: curves::Curves,
    setup: setup::SetUp,
    preflight: preflight::PreflightMemory,
    search: search::SearchMemory,
    batch: batch::BatchTextures,
    more: paired::MoreSeeds,
    /// Where the title and the buttons of the bar are.
    pub bar: Option<Rect>,
}

/// What of the run lies over the window: an image of its batch.
pub fn over(ui: &Ui, panel: &mut Panel<'_>, memory: &mut RunMemory) {
    batch::large(ui, panel, &mut memory.batch);
}

/// Draws it and returns its height when it is open.
pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut RunMemory, height: f32) -> Option<f32> {
    let frame = Frame::side_top_panel(ui.style()).inner_margin(Margin::symmetric(8, 4));
    if !panel.state.runs.open {
        let bar = egui::Panel::bottom("run bar").frame(frame).exact_size(BAR).resizable(false);
        memory.bar = Some(bar.show(ui, |ui| bar::show(ui, panel)).inner);
        return None;
    }
    let most = (ui.available_height() - REST).max(LEAST);
    let shown = egui::Panel::bottom("run").frame(frame).default_size(height).size_range(LEAST..=most).show(ui, |ui| {
        memory.bar = Some(bar::show(ui, panel));
        ui.separator();
        ui.push_id(panel.state.runs.tab.name(), |ui| match panel.state.runs.tab {
            RunTab::SetUp => setup::show(ui, panel, &mut memory.setup),
            RunTab::Preflight => preflight::show(ui, panel, &mut memory.preflight),
            RunTab::Batch => batch::show(ui, panel, &mut memory.batch),
            RunTab::Curves => curves::show(ui, panel, &mut memory.curves),
            RunTab::Paired => paired::show(ui, panel, &mut memory.more),
            RunTab::Search => search::show(ui, panel, &mut memory.search),
            RunTab::Survey => survey::show(ui, panel),
            RunTab::Review => review::show(ui, panel),
        });
        ui.take_available_space();
    });
    Some(shown.response.rect.height())
}

/// How far a piece of long work is, and the time that is left.
fn under_way(ui: &mut Ui, activity: &Activity, now: f64, name: &str) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let fraction = activity.fraction.unwrap_or(0.0);
    let bar = ProgressBar::new(fraction).desired_width(120.0).desired_height(8.0).fill(palette.accent);
    ui.add(bar).widget_info(|| {
        let mut info = WidgetInfo::labeled(egui::Role::ProgressIndicator, true, name);
        info.value = Some(f64::from(fraction));
        info
    });
    let left = activity.seconds_left(now).map(|left| format!(" · {}", t!("{time} left", time = clock(left))));
    let text = format!("{} · {:.0} %{}", tr(&activity.stage), 100.0 * fraction, left.unwrap_or_default());
    ui.add(Label::new(RichText::new(text).color(palette.text_weak)).truncate());
}
