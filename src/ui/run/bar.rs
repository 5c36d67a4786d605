//! The bar: start, pause, stop, how far the run is, and what is shown above.

use egui::{Align, Button, Color32, Label, Layout, ProgressBar, Rect, RichText, Ui};

use crate::app::command::Command;
use crate::app::level::Level;
use crate::app::run::{Progress, RunTab, clock};
use crate::language::{t, tr};
use crate::palette::Palette;
use crate::ui::widgets::{self, Panel};

/// Returns where the title and the buttons are.
pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) -> Rect {
    let state = panel.state;
    let shown = ui.horizontal(|ui| {
        let fold = if state.runs.open { "▼" } else { "▲" };
        let title = widgets::strong(format!("{fold}  {}", t!("RUN")))
            .size(11.0)
            .color(Palette::of_theme(ui.visuals().dark_mode).text_weak);
        let response = panel.command(ui, Command::ToggleRunPanel, Button::new(title).frame(false));
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, t!("Run panel")));
        buttons(ui, panel);
        let place = ui.min_rect();
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if state.runs.open {
                for tab in RunTab::ALL.into_iter().rev() {
                    panel.choice(ui, Command::SetRunTab(tab), tr(tab.name()));
                }
                ui.separator();
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| progress(ui, panel));
        });
        place
    });
    shown.inner
}

fn buttons(ui: &mut Ui, panel: &mut Panel<'_>) {
    let runs = &panel.state.runs;
    if runs.live.is_some() {
        let pause = if runs.is_paused() { t!("Go on") } else { t!("Pause") };
        panel.button(ui, Command::PauseRun, pause);
        panel.button(ui, Command::StopRun, t!("Stop"));
        return;
    }
    if runs.search.live.is_some() {
        let stop = panel.button(ui, Command::StopSearch, t!("Stop"));
        stop.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, t!("Stop searching")));
        return;
    }
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let start = Button::new(widgets::strong(t!("Start")).color(palette.on_accent)).fill(palette.accent);
    panel.command(ui, Command::StartRun, start);
    if runs.unfinished.is_some() {
        panel.button(ui, Command::ResumeRun, t!("Resume"));
    }
}

/// The colour of what is said of a run.
pub(super) const fn ink(palette: &Palette, level: Level) -> Color32 {
    match level {
        Level::Info => palette.text_weak,
        Level::Warning => palette.warning,
        Level::Error => palette.error,
    }
}

fn progress(ui: &mut Ui, panel: &Panel<'_>) {
    let state = panel.state;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let say = |ui: &mut Ui, sentence: String, color| {
        ui.add(Label::new(RichText::new(&sentence).color(color)).truncate()).on_hover_text(sentence);
    };
    if let Some(live) = &state.runs.search.live {
        let left = live.seconds_left().map(|left| t!(" · {time} of the budget left", time = clock(left)));
        return say(ui, format!("{} · {}{}", t!("search"), live.text(), left.unwrap_or_default()), palette.text_weak);
    }
    let Some(live) = &state.runs.live else {
        let problem = state.runs.form.problems().into_iter().next().map(|problem| problem.why);
        match (problem, state.runs.current()) {
            (Some(why), None) => say(ui, why.into_owned(), palette.text_weak),
            (None, None) => say(ui, t!("Ready to start.").to_owned(), palette.text_weak),
            (_, Some(history)) => {
                let (level, text) = state.runs.says(history);
                say(ui, format!("{}: {text}", history.name), ink(palette, level));
            }
        }
        return;
    };
    let progress = Progress::of(&state.runs);
    let fraction = progress.map_or(0.0, |progress| progress.fraction());
    let bar = ui.add(ProgressBar::new(fraction).desired_width(160.0).desired_height(8.0).fill(palette.accent));
    bar.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, t!("Progress of the run"));
        info.value = Some(f64::from(fraction));
        info
    });
    if let Some(progress) = progress {
        ui.label(progress.text());
    }
    let stage = if state.runs.is_stopping() {
        Some(t!("stopping after the step in hand").to_owned())
    } else if state.runs.is_paused() {
        Some(t!("paused").to_owned())
    } else {
        live.stage.as_ref().map(|(what, fraction)| (tr(what), fraction)).map(|(what, fraction)| match fraction {
            Some(fraction) => format!("{what} · {:.0} %", fraction * 100.0),
            None => what.to_owned(),
        })
    };
    if let Some(stage) = stage {
        say(ui, stage, palette.text_weak);
    }
}
