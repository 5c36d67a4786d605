//! FEATURES: where they are taken, how the student's become the teacher's, and how the two are set apart.

use egui::{ComboBox, RichText, Sense, Ui};

use crate::app::command::Command;
use crate::app::state::State;
use crate::app::view::ChannelView;
use crate::files::file_name;
use crate::glossary::Term;
use crate::imitation::difference::DifferenceKind;
use crate::inspect::{AdapterChoice, Role, Tap};
use crate::language::{t, tr};
use crate::palette::Palette;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Panel, named, note, note_of};
use crate::worker::JobKind;

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    if state.imitation.reads_features() {
        named(ui, t!("Tap"), tr(Term::Tap.explanation()), |ui| {
            for tap in Tap::ALL.into_iter().filter(|tap| state.imitation.offers(*tap)) {
                panel.choice(ui, Command::SetTap(tap), tr(tap.name()));
            }
        });
        named(ui, t!("Adapter"), tr(Term::Adapter.explanation()), |ui| adapter(ui, panel));
    } else {
        note_of(
            ui,
            &t!(
                "{loss} reads the raw heads: there is no tap and no adapter to choose.",
                loss = state.imitation.compared.loss
            ),
            Term::Tap,
        );
    }
    named(ui, t!("Difference"), tr(Term::Difference.explanation()), |ui| {
        let name = |kind: Option<DifferenceKind>| match kind {
            None => t!("loss {loss}", loss = state.imitation.compared.loss),
            Some(kind) => tr(kind.label()).to_owned(),
        };
        let help = |kind: Option<DifferenceKind>| match kind {
            None => Command::SetDifference(None).tooltip(),
            Some(kind) => tr(kind.explanation()),
        };
        let now = state.view.difference;
        let shown = ComboBox::from_id_salt("difference").selected_text(name(now)).width(112.0).show_ui(ui, |ui| {
            for kind in std::iter::once(None).chain(DifferenceKind::ALL.map(Some)) {
                if ui.selectable_label(now == kind, name(kind)).on_hover_text(help(kind)).clicked() {
                    panel.push(Command::SetDifference(kind));
                }
            }
        });
        shown.response.widget_info(|| widgets::combo(t!("Difference shown"), &name(now)));
        shown.response.on_hover_text(help(now));
        let mut inside = state.view.inside_mask;
        let help = Command::SetInsideMask(inside).tooltip();
        if ui.checkbox(&mut inside, t!("inside the IoU mask")).on_hover_text(help).changed() {
            panel.push(Command::SetInsideMask(inside));
        }
    });
    named(ui, t!("Channels"), Command::SetChannels(ChannelView::All).tooltip(), |ui| channels(ui, panel));
    if let Some(error) = &state.comparison_error {
        ui.add(egui::Label::new(RichText::new(error).color(Palette::of_theme(ui.visuals().dark_mode).error)).wrap());
        if let Some(remedy) = state.messages.get(0).and_then(|message| message.remedy.clone()) {
            let label = remedy.label();
            panel.button(ui, remedy, label);
        }
    }
    if state.comparison.is_some() {
        summary(ui, state);
    } else {
        note(ui, waiting(state));
    }
}

fn waiting(state: &State) -> &'static str {
    let (teacher, student) = (state.card(Role::Teacher).is_some(), state.card(Role::Student).is_some());
    if state.activity(JobKind::Compare).is_some() {
        t!("The models are looking at the image…")
    } else if state.scene.is_none() {
        t!("Open an image to see features.")
    } else if !teacher && !student {
        t!("Open a teacher and a student to see features and their difference.")
    } else {
        ""
    }
}

fn adapter(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let current = match &state.imitation.compared.adapter {
        AdapterChoice::LeastSquares => t!("least squares").to_owned(),
        AdapterChoice::None => t!("none").to_owned(),
        AdapterChoice::Run(path) => file_name(path),
    };
    let shown = ComboBox::from_id_salt("adapter").selected_text(current).width(112.0).show_ui(ui, |ui| {
        for (choice, name) in [(AdapterChoice::LeastSquares, t!("least squares")), (AdapterChoice::None, t!("none"))] {
            let command = Command::SetAdapter(choice);
            let response = ui.selectable_label(command.is_on(state), name).on_hover_text(command.tooltip());
            if response.clicked() {
                panel.push(command);
            }
        }
        if ui.selectable_label(false, t!("of a run…")).on_hover_text(Command::BrowseAdapter.tooltip()).clicked() {
            panel.push(Command::BrowseAdapter);
        }
    });
    shown.response.on_hover_text(Command::SetAdapter(state.imitation.compared.adapter.clone()).tooltip());
}

fn channels(ui: &mut Ui, panel: &mut Panel<'_>) {
    let view = panel.state.view.channels;
    let choices = [
        (t!("all"), ChannelView::All, t!("Norms and distances over every channel.")),
        (t!("one"), ChannelView::One(0), t!("One channel with its sign.")),
        (t!("top"), ChannelView::Top(8), t!("The channels that differ most.")),
    ];
    for (name, choice, help) in choices {
        let on = std::mem::discriminant(&view) == std::mem::discriminant(&choice);
        if ui.selectable_label(on, name).on_hover_text(help).clicked() && !on {
            panel.push(Command::SetChannels(choice));
        }
    }
    let most = most_channels(panel.state);
    match view {
        ChannelView::All => {}
        ChannelView::One(channel) => {
            let mut channel = channel;
            let value = egui::DragValue::new(&mut channel).range(0..=most.saturating_sub(1)).speed(0.2);
            if ui.add(value).on_hover_text(t!("Which of the teacher's channels: drag, or click and type.")).changed() {
                panel.push(Command::SetChannels(ChannelView::One(channel)));
            }
        }
        ChannelView::Top(count) => {
            let mut count = count;
            let value = egui::DragValue::new(&mut count).range(1..=most.max(1)).speed(0.2);
            if ui.add(value).on_hover_text(t!("How many channels: drag, or click and type.")).changed() {
                panel.push(Command::SetChannels(ChannelView::Top(count)));
            }
        }
    }
}

/// Channels of the widest scale.
fn most_channels(state: &State) -> usize {
    let scales = state.comparison.iter().flat_map(|comparison| &comparison.scales);
    scales
        .filter_map(|scale| scale.teacher.as_ref().or(scale.student.as_ref()))
        .map(|f| f.channels())
        .max()
        .unwrap_or(1024)
}

/// What is shown, in a sentence, and how well the student explains the teacher.
fn summary(ui: &mut Ui, state: &State) {
    let Some(comparison) = &state.comparison else { return };
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let adapter = comparison.scales.iter().find(|scale| scale.adapted.is_some()).map(|scale| scale.adapter);
    let tap = tr(comparison.tap.name());
    let loss = comparison.loss;
    let text = match (adapter, state.view.difference) {
        (_, None) if state.measures.as_ref().is_some_and(|measures| measures.have_loss()) => {
            t!("Shown: what each cell adds to {loss} on its scale; the cells of a map add up to the loss.", loss)
        }
        (_, None) => t!("Shown: nothing; {loss} cannot compare these two.", loss),
        (_, Some(DifferenceKind::Attention)) => t!("Shown: attention at the {tap}, without an adapter.", tap),
        (Some("least-squares"), _) => {
            t!("Shown: what of the teacher's {tap} the best linear map of the student's cannot explain here.", tap)
        }
        (Some("trained"), _) => t!("Shown: the teacher's {tap} against the student's through a run's adapter.", tap),
        (Some(_), _) => t!("Shown: the teacher's {tap} against the student's as they are.", tap),
        (None, _) => t!("Shown: the {tap}; the two cannot be subtracted.", tap),
    };
    note(ui, &text);
    let columns = [
        Column::text("", 36.0, ""),
        Column::number(t!("teacher"), 56.0, t!("Channels of the teacher at this scale.")),
        Column::number(t!("student"), 56.0, t!("Channels of the student at this scale.")),
        Column::number("R²", 52.0, tr(Term::R2.explanation())),
        Column::number(t!("R² l.o.o."), 56.0, tr(Term::R2LeaveOneOut.explanation())),
        Column::number(t!("inside"), 0.0, t!("Mean difference inside the IoU mask.")),
        Column::number(t!("outside"), 52.0, t!("Mean difference outside the IoU mask.")),
    ];
    table::header(ui, &columns, None);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for scale in &comparison.scales {
            let measured = state.measures.as_ref().and_then(|measures| measures.scale(scale.stride));
            let channels = |features: Option<usize>| features.map_or_else(Cell::none, |n| Cell::new(n.to_string()));
            let name = format!("P{}", scale.stride.max(1).ilog2());
            let row = [
                Cell::new(&name),
                channels(scale.teacher.as_ref().map(|f| f.channels())).color(palette.teacher),
                channels(scale.student.as_ref().map(|f| f.channels())).color(palette.student),
                Cell::number(scale.fit.as_ref().map(|fit| fit.r2)),
                Cell::number(scale.fit.as_ref().map(|fit| fit.r2_leave_one_out)),
                Cell::number(measured.and_then(|m| m.mean_inside)).color(palette.difference),
                Cell::number(measured.and_then(|m| m.mean_outside)).color(palette.difference),
            ];
            table::row(ui, &columns, &row, false, Sense::hover(), &t!("{name} features", name));
        }
    });
    if let Some(fit) = comparison.scales.iter().filter_map(|scale| scale.fit.as_ref()).min_by_key(|fit| fit.cells) {
        note(
            ui,
            &t!("The smallest scale was fitted on {cells}.", cells = widgets::counted(fit.cells, "cell", "cells")),
        );
    }
    let seconds = |role: &str, seconds: Option<f64>| seconds.map(|s| format!("{role} {s:.2} s"));
    let times: Vec<String> =
        [seconds(t!("teacher"), comparison.teacher_seconds), seconds(t!("student"), comparison.student_seconds)]
            .into_iter()
            .flatten()
            .collect();
    if !times.is_empty() {
        note(ui, &t!("Forward passes: {times}.", times = times.join(t!(", "))));
    }
    for text in &comparison.notes {
        ui.add(egui::Label::new(RichText::new(text).small().color(palette.warning)).wrap());
    }
}
