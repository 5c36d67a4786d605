//! The menu bar: menus, the way to the command finder, and what is going on.

use egui::containers::menu::MenuBar;
use egui::{Align, Button, Layout, RichText, ThemePreference, Ui};

use crate::app::command::label::kind_name;
use crate::app::command::{Command, INPUT_SIZES};
use crate::app::dialog::RunFile;
use crate::app::figure::FigureWhat;
use crate::app::run::RunTab;
use crate::app::state::{Activity, Overlay, State};
use crate::app::view::{Camera, Layer, ScaleChoice};
use crate::files::file_name;
use crate::inspect::Role;
use crate::language::{self, LanguageChoice, t};
use crate::palette::Palette;
use crate::ui::widgets::{Panel, keys};

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) {
    MenuBar::new().ui(ui, |ui| {
        ui.menu_button(t!("File"), |ui| file(ui, panel));
        ui.menu_button(t!("View"), |ui| view(ui, panel));
        ui.menu_button(t!("Run"), |ui| run(ui, panel));
        ui.menu_button(t!("Help"), |ui| help(ui, panel));
        ui.separator();
        finder(ui, panel);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            theme(ui, panel);
            messages(ui, panel);
            device(ui, panel.state);
            activities(ui, panel);
        });
    });
}

fn file(ui: &mut Ui, panel: &mut Panel<'_>) {
    panel.entry(ui, Command::BrowseImage);
    panel.entry(ui, Command::BrowseFolder);
    panel.entry(ui, Command::BrowseData);
    panel.entry(ui, Command::BrowseLabels);
    ui.separator();
    panel.entry(ui, Command::BrowseModel(Role::Teacher));
    panel.entry(ui, Command::BrowseModel(Role::Student));
    panel.entry(ui, Command::BrowseAdapter);
    ui.separator();
    panel.entry(ui, Command::BrowseReplay);
    ui.menu_button(t!("Recent"), |ui| {
        for path in &panel.state.recent {
            let button = Button::new(file_name(path));
            if ui.add(button).on_hover_text(path.display().to_string()).clicked() {
                panel.commands.push(Command::Open(path.clone()));
                ui.close();
            }
        }
        if panel.state.recent.is_empty() {
            ui.weak(t!("What you open is kept here."));
        } else {
            ui.separator();
            panel.entry(ui, Command::ForgetRecent);
        }
    });
    panel.entry(ui, Command::OpenSample);
    panel.entry(ui, Command::BrowseSession);
    panel.entry(ui, Command::SaveSession);
    ui.separator();
    panel.entry(ui, Command::OpenFigure(None));
    panel.entry(ui, Command::OpenFigure(Some(FigureWhat::Story)));
    ui.separator();
    panel.entry(ui, Command::Quit);
}

fn view(ui: &mut Ui, panel: &mut Panel<'_>) {
    for layer in Layer::ALL {
        panel.entry(ui, Command::SetLayer(layer));
    }
    ui.separator();
    panel.entry(ui, Command::SetScales(ScaleChoice::All));
    for stride in panel.state.strides() {
        panel.entry(ui, Command::SetScales(ScaleChoice::Stride(stride)));
    }
    panel.entry(ui, Command::StepScales);
    ui.separator();
    panel.entry(ui, Command::ToggleLabels);
    for role in Role::ALL {
        panel.entry(ui, Command::ToggleBoxes(role));
    }
    panel.entry(ui, Command::TogglePositives);
    ui.separator();
    panel.entry(ui, Command::SetCamera(Camera::Fit));
    ui.menu_button(t!("Input size"), |ui| {
        for side in INPUT_SIZES {
            panel.entry(ui, Command::SetInputSize(side));
        }
    });
    panel.entry(ui, Command::CompareAgain);
    ui.separator();
    for theme in [ThemePreference::System, ThemePreference::Light, ThemePreference::Dark] {
        panel.entry(ui, Command::SetTheme(theme));
    }
    // In both languages: whoever cannot read the window finds the way out.
    ui.menu_button(t!("Language 语言"), |ui| {
        for language in LanguageChoice::ALL {
            panel.entry(ui, Command::SetLanguage(language));
        }
    });
    panel.entry(ui, Command::ToggleMessages);
}

fn run(ui: &mut Ui, panel: &mut Panel<'_>) {
    panel.entry(ui, Command::ToggleRunPanel);
    ui.separator();
    panel.entry(ui, Command::StartRun);
    panel.entry(ui, Command::PauseRun);
    panel.entry(ui, Command::StopRun);
    panel.entry(ui, Command::ResumeRun);
    ui.separator();
    for tab in RunTab::ALL {
        panel.entry(ui, Command::SetRunTab(tab));
    }
    panel.entry(ui, Command::StartSurvey);
    panel.entry(ui, Command::StartReview);
    panel.entry(ui, Command::BrowseForRun(RunFile::Earlier));
    ui.menu_button(t!("Save the plots"), |ui| {
        panel.entry(ui, Command::OpenFigure(Some(FigureWhat::Curves(None))));
        panel.entry(ui, Command::ExportCurves(None));
    });
    ui.separator();
    panel.entry(ui, Command::ToggleSnapshots);
    panel.entry(ui, Command::PlaySnapshots);
}

fn help(ui: &mut Ui, panel: &mut Panel<'_>) {
    panel.entry(ui, Command::ToggleTalk);
    panel.entry(ui, Command::TogglePalette);
    panel.entry(ui, Command::ToggleKeys);
    panel.entry(ui, Command::ToggleTerms);
    panel.entry(ui, Command::TakeTour);
    ui.separator();
    panel.entry(ui, Command::ToggleFrameTimes);
    panel.entry(ui, Command::ToggleAbout);
}

fn finder(ui: &mut Ui, panel: &mut Panel<'_>) {
    let shortcut = Command::TogglePalette.shortcuts().first().map(|shortcut| keys(ui, shortcut));
    let open = panel.state.overlay == Some(Overlay::Palette);
    let button = Button::new(RichText::new(t!("Find a command…")).weak())
        .shortcut_text(shortcut.unwrap_or_default())
        .min_size(egui::vec2(256.0, 24.0))
        .fill(Palette::of_theme(ui.visuals().dark_mode).raised)
        .stroke(egui::Stroke::new(1.0, Palette::of_theme(ui.visuals().dark_mode).hairline))
        .selected(open);
    panel.command(ui, Command::TogglePalette, button);
}

fn theme(ui: &mut Ui, panel: &mut Panel<'_>) {
    // What a click gives is the other one of the two.
    let (text, next) = if ui.visuals().dark_mode {
        (t!("Light theme"), ThemePreference::Light)
    } else {
        (t!("Dark theme"), ThemePreference::Dark)
    };
    let response = panel.button(ui, Command::SetTheme(next), text);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, t!("Switch theme")));
}

fn messages(ui: &mut Ui, panel: &mut Panel<'_>) {
    let (all, unread) = (panel.state.messages.len(), panel.state.messages.unread);
    let text = if all == 0 { t!("Messages").to_owned() } else { t!("Messages {count}", count = all) };
    let color = if unread > 0 {
        Palette::of_theme(ui.visuals().dark_mode).warning
    } else {
        Palette::of_theme(ui.visuals().dark_mode).text
    };
    let button = Button::new(RichText::new(text).color(color)).selected(panel.state.messages_open);
    panel.command(ui, Command::ToggleMessages, button);
}

fn device(ui: &mut Ui, state: &State) {
    let Some(device) = &state.device else { return };
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let color = if device.is_cuda { palette.good } else { palette.text_weak };
    ui.label(RichText::new(&device.label).color(color)).on_hover_text(language::tr(&device.reason));
    ui.separator();
}

fn activities(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let Some(activity) = state.activities.first() else { return };
    let cancel = Command::Cancel(activity.kind);
    let response = panel.command(ui, cancel.clone(), Button::new("×").frame(false));
    let name = cancel.label();
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
    let others = state.activities.len() - 1;
    if others > 0 {
        ui.label(RichText::new(format!("+{others}")).weak()).on_hover_ui(|ui| {
            for activity in state.activities.iter().skip(1) {
                ui.label(describe(activity, state.now));
            }
        });
    }
    let text = describe(activity, state.now);
    ui.add(egui::Label::new(&text).truncate()).on_hover_text(&activity.what);
    ui.spinner();
}

/// "loading the teacher · reading the weights · 40 % · 3 s left".
fn describe(activity: &Activity, now: f64) -> String {
    let mut text = kind_name(activity.kind).to_owned();
    if !activity.stage.is_empty() {
        text = format!("{text} · {}", language::tr(&activity.stage));
    }
    if let Some(fraction) = activity.fraction {
        text = format!("{text} · {:.0} %", fraction * 100.0);
    }
    match activity.seconds_left(now) {
        Some(left) if left >= 60.0 => format!("{text} · {}", t!("{minutes} min left", minutes = (left / 60.0).ceil())),
        Some(left) => format!("{text} · {}", t!("{seconds} s left", seconds = left.ceil())),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::JobKind;

    #[test]
    fn an_activity_says_how_long_it_still_takes() {
        let activity = |fraction| Activity {
            kind: JobKind::Load(Role::Teacher),
            what: "l.pt".into(),
            stage: "reading the weights".into(),
            fraction,
            started: 10.0,
        };
        assert_eq!(describe(&activity(None), 12.0), "loading the teacher · reading the weights");
        // A quarter in 2 s leaves three quarters: 6 s.
        assert!(describe(&activity(Some(0.25)), 12.0).ends_with("25 % · 6 s left"));
        assert!(describe(&activity(Some(0.1)), 40.0).ends_with("10 % · 5 min left"));
        assert!(describe(&activity(Some(0.01)), 12.0).ends_with("1 %"));
    }
}
