//! IMITATION and TOTALS: which loss, which cells count, ψ and its rules, live, and what they add up to.

use egui::{Button, Sense, Ui};

use crate::app::command::Command;
use crate::app::derive::imitation::{reason, refused};
use crate::app::state::{AnchorOwner, State};
use crate::format::significant;
use crate::glossary::Term;
use crate::imitation::choice::{Loss, LossOnScale, MaskChoice, MaskSource};
use crate::imitation::mask::{IouConvention, LevelRule};
use crate::language::{t, tr};
use crate::palette::Palette;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Panel, named, note, note_of};

/// The loss and its mask; what the next run takes over.
fn choice(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let (loss, source) = (state.imitation.compared.loss, state.imitation.mask.source);
    named(ui, t!("Loss"), t!("What the student imitates, in the picture and in the next run."), |ui| {
        let losses = Loss::ALL.map(|loss| (Command::SetLoss(loss), loss.name()));
        list(ui, panel, t!("Imitation loss"), loss.name(), &losses);
        ui.label(t!("mask")).on_hover_text(t!("Which cells count in the imitation, and how much."));
        let sources = MaskSource::ALL.map(|source| (Command::SetMaskSource(source), tr(source.name())));
        list(ui, panel, t!("Mask source"), tr(source.name()), &sources);
    });
    let warning = |ui: &mut Ui, text: String| {
        let text = egui::RichText::new(text).small().color(Palette::of_theme(ui.visuals().dark_mode).warning);
        ui.add(egui::Label::new(text).wrap());
    };
    if let Some(why) = &state.refusal {
        warning(ui, refused(loss, why));
        let other = Command::SetLoss(Loss::FOR_OTHER_HEADS);
        panel.button(ui, other, t!("Take {loss}", loss = Loss::FOR_OTHER_HEADS));
    } else if let Some(reason) = reason(state) {
        warning(ui, reason);
    }
    note(ui, tr(loss.explanation()));
    if !state.imitation.is_by_iou() {
        let text = if state.shows_weights() {
            t!("{loss} does not use the IoU mask made below; the layer Mask shows how much it counts each cell.", loss)
        } else {
            t!("{loss} does not use the IoU mask made below; what it counts instead shows with both models open.", loss)
        };
        note_of(ui, &text, Term::Mask);
    }
}

/// A closed list of commands, of which one is in force.
fn list(ui: &mut Ui, panel: &mut Panel<'_>, name: &str, now: &str, all: &[(Command, &str)]) {
    let shown = egui::ComboBox::from_id_salt(name).selected_text(now).width(96.0).show_ui(ui, |ui| {
        for (command, text) in all {
            let on = command.is_on(panel.state);
            if ui.selectable_label(on, *text).on_hover_text(command.tooltip()).clicked() && !on {
                panel.push(command.clone());
            }
        }
    });
    shown.response.widget_info(|| widgets::combo(name, now));
    let now = all.iter().find(|(command, _)| command.is_on(panel.state));
    shown.response.on_hover_text(now.map_or("", |(command, _)| command.tooltip()));
}

pub fn mask(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let MaskChoice { psi, rule: in_force, convention: measured, .. } = state.imitation.mask;
    choice(ui, panel);
    named(ui, "ψ", Command::SetPsi(0.5).tooltip(), |ui| {
        // Rounded as the slider rounds, which would else report a change of its own.
        let mut psi = (f64::from(psi.get()) * 100.0).round() / 100.0;
        ui.spacing_mut().slider_width = (ui.available_width() - 72.0).max(64.0);
        let slider = egui::Slider::new(&mut psi, 0.0..=1.0).step_by(0.01).fixed_decimals(2);
        let response = ui.add(slider).on_hover_text(Command::SetPsi(0.5).tooltip());
        response.widget_info(|| egui::WidgetInfo::slider(true, psi, "ψ"));
        if response.changed() {
            panel.push(Command::SetPsi(psi as f32));
        }
    });
    named(ui, t!("Level rule"), Command::SetRule(in_force).tooltip(), |ui| {
        for rule in LevelRule::ALL {
            let button = Button::selectable(in_force == rule, tr(rule.name()));
            panel.command(ui, Command::SetRule(rule), button).on_hover_text(tr(rule.explanation()));
        }
    });
    note(ui, tr(in_force.explanation()));
    named(ui, "IoU", tr(Term::Iou.explanation()), |ui| {
        for convention in IouConvention::ALL {
            let button = Button::selectable(measured == convention, convention.name());
            let command = Command::SetConvention(convention);
            panel.command(ui, command, button).on_hover_text(tr(convention.explanation()));
        }
    });
    note_of(ui, &anchors(state), Term::Anchor);
    if let Some(text) = state.anchors.as_ref().and_then(|anchors| anchors.note.as_ref()) {
        let text = egui::RichText::new(t!("Note: {note}.", note = text))
            .small()
            .color(Palette::of_theme(ui.visuals().dark_mode).warning);
        ui.add(egui::Label::new(text).wrap());
    }
}

/// Whose anchors these are, in a sentence.
fn anchors(state: &State) -> String {
    let Some(anchors) = &state.anchors else {
        return t!("The models are being opened; their anchors follow.").to_owned();
    };
    let count: usize = anchors.scales.iter().map(|scale| scale.anchors.len()).sum();
    let scales = widgets::counted(anchors.scales.len(), "scale", "scales");
    match anchors.owner {
        AnchorOwner::Model(role) => {
            t!("{count} anchors on {scales}, the {role}'s.", count, scales, role = tr(role.name()))
        }
        AnchorOwner::Replay => t!("{count} anchors on {scales}, those of the recorded run.", count, scales),
        AnchorOwner::Default => {
            t!("{count} anchors on {scales}: YOLOv5's defaults for COCO, because no model is open.", count, scales)
        }
    }
}

pub fn totals(ui: &mut Ui, state: &State) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let Some(mask) = &state.mask else {
        note(ui, t!("Masks appear with an image."));
        return;
    };
    let columns = [
        Column::text("", 36.0, ""),
        Column::number(t!("map"), 52.0, t!("Cells of the map: rows × columns.")),
        Column::number(t!("mask"), 52.0, tr(Term::MaskCells.explanation())),
        Column::number(t!("share"), 52.0, t!("The IoU mask's share of the map.")),
        Column::number(t!("hits"), 44.0, t!("Anchor hits, added up over the cells: the count map's sum.")),
        Column::number(
            t!("weight"),
            52.0,
            t!("How much the loss counts, added up over the cells; each counts 0 to 1."),
        ),
        Column::number(t!("loss"), 0.0, tr(Term::Distance.explanation())),
    ];
    table::header(ui, &columns, None);
    let measured = |stride| state.measures.as_ref().and_then(|measures| measures.scale(stride)?.loss.as_ref());
    let weight_of = |loss: &LossOnScale| loss.weights.values().iter().map(|&weight| f64::from(weight)).sum::<f64>();
    let (mut map, mut inside, mut hits) = (0, 0, 0);
    let share = |cells: usize, of: usize| {
        if of == 0 { "–".to_owned() } else { format!("{} %", significant(100.0 * cells as f64 / of as f64)) }
    };
    ui.spacing_mut().item_spacing.y = 0.0;
    for (scale, mask) in state.scales().iter().zip(&mask.scales) {
        let cells = mask.rows * mask.cols;
        (map, inside, hits) = (map + cells, inside + mask.mask_cells, hits + mask.count_sum);
        let row = [
            Cell::new(scale.name()),
            Cell::new(widgets::grouped(cells)),
            Cell::new(widgets::grouped(mask.mask_cells)),
            Cell::new(share(mask.mask_cells, cells)),
            Cell::new(mask.count_sum.to_string()),
            Cell::number(measured(scale.stride).map(weight_of)),
            Cell::number(measured(scale.stride).map(|loss| loss.loss.unwrap_or(0.0))).color(palette.difference),
        ];
        let name = t!("{scale}: {count} mask cells", scale = scale.name(), count = mask.mask_cells);
        table::row(ui, &columns, &row, false, Sense::hover(), &name);
    }
    let weights = state.scales().iter().filter_map(|scale| measured(scale.stride)).map(weight_of);
    let weight = weights.reduce(|sum, weight| sum + weight);
    let total = state.measures.as_ref().and_then(|measures| measures.total_loss());
    let row = [
        Cell::new(t!("all")).strong(),
        Cell::new(widgets::grouped(map)).strong(),
        Cell::new(widgets::grouped(inside)).strong(),
        Cell::new(share(inside, map)).strong(),
        Cell::new(hits.to_string()).strong(),
        Cell::number(weight).strong(),
        Cell::number(total).strong().color(palette.difference),
    ];
    table::row(ui, &columns, &row, false, Sense::hover(), &t!("all scales: {count} mask cells", count = inside));
    if let Some(comparison) = &state.comparison {
        let loss = comparison.loss;
        note(ui, &t!("Loss {loss} per scale at λ = 1: {formula}", loss, formula = loss.formula()));
    }
    if state.solo.is_some() {
        note(ui, t!("Over all ground truths; the solo changes what is shown, not what is imitated."));
    }
}
