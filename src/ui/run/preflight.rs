//! Whether the run that is set up would distil: every check with its reason, and the balance of the two losses.

use egui::{DragValue, ProgressBar, RichText, ScrollArea, Sense, Ui, vec2};

use crate::app::command::Command;
use crate::app::run::Examined;
use crate::format::significant;
use crate::glossary::Term;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::preflight::report::{Check, Images, LayerGradients, Looked, NotApplicable, Preflight, Status, Timing};
use crate::train::config::GRADIENT_RATIO;
use crate::ui::widgets::{self, Explained, Panel, note};
use crate::worker::JobKind;

/// Width of the part beside the checks.
const SIDE: f32 = 320.0;
const RATIOS: std::ops::RangeInclusive<f64> = 0.001..=100.0;

/// What the tab keeps between frames.
#[derive(Debug)]
pub struct PreflightMemory {
    /// The gradient ratio that a person asks λ for.
    ratio: f64,
}

impl Default for PreflightMemory {
    fn default() -> Self {
        Self { ratio: GRADIENT_RATIO }
    }
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut PreflightMemory) {
    let state = panel.state;
    head(ui, panel);
    let Some(examined) = &state.runs.examined else {
        ui.add_space(8.0);
        note(
            ui,
            t!(
                "The preflight takes the first batch of the run that is set up, makes one step with it, and measures whether the \
             imitation reaches the student, whether masks follow their boxes, whether the adapters train and the teacher stays \
             as it is. It writes nothing."
            ),
        );
        return;
    };
    ui.add_space(4.0);
    ui.horizontal_top(|ui| {
        let width = (ui.available_width() - SIDE - 16.0).max(240.0);
        ui.vertical(|ui| {
            ui.set_width(width);
            ScrollArea::vertical().id_salt("checks").auto_shrink([false, false]).show(ui, |ui| {
                let mut checks: Vec<&Check> = examined.found.checks.iter().collect();
                // What needs a person comes first.
                checks.sort_by_key(|check| std::cmp::Reverse(check.status));
                checks.into_iter().for_each(|check| line(ui, check));
                not_applicable(ui, &examined.found.not_applicable);
            });
        });
        ui.separator();
        ui.vertical(|ui| {
            ui.set_width(SIDE);
            ScrollArea::vertical().id_salt("balance").auto_shrink([false, false]).show(ui, |ui| {
                imitation(ui, &examined.found);
                balance(ui, panel, examined, memory);
                layers(ui, &examined.found.layers);
                foot(ui, &examined.found);
            });
        });
    });
}

/// The button, how far it is, and the verdict.
fn head(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.horizontal(|ui| {
        if let Some(activity) = state.activity(JobKind::Preflight) {
            panel.button(ui, Command::Cancel(JobKind::Preflight), t!("Stop"));
            let fraction = activity.fraction.unwrap_or(0.0);
            ui.add(ProgressBar::new(fraction).desired_width(160.0).desired_height(8.0).fill(palette.accent));
            let left = activity
                .seconds_left(state.now)
                .map_or_else(String::new, |s| format!(" · {}", t!("{seconds} s left", seconds = s.round())));
            ui.label(RichText::new(format!("{}{left}", tr(&activity.stage))).color(palette.text_weak));
            return;
        }
        panel.button(ui, Command::Preflight, t!("Check the set-up"));
        let Some(examined) = &state.runs.examined else { return };
        let found = &examined.found;
        let [red, amber, green] = [Status::Red, Status::Amber, Status::Green].map(|status| found.count(status));
        let (sentence, color) = match found.status() {
            Status::Green => (t!("It distils."), palette.good),
            Status::Amber => (t!("It distils; something is unusual."), palette.warning),
            Status::Red => (t!("It does not distil as it should."), palette.error),
        };
        ui.label(widgets::strong(sentence).size(16.0).color(color));
        let numbers = t!(
            "{red} red · {amber} amber · {green} green · {seconds} s",
            red,
            amber,
            green,
            seconds = significant(found.seconds)
        );
        ui.label(RichText::new(numbers).color(palette.text_weak));
        if examined.is_stale(&state.runs.form.experiment.config) {
            ui.label(RichText::new(t!("The set-up has changed since.")).color(palette.warning));
        }
    });
}

fn color(palette: &Palette, status: Status) -> egui::Color32 {
    match status {
        Status::Green => palette.good,
        Status::Amber => palette.warning,
        Status::Red => palette.error,
    }
}

/// Told apart by shape too, not by colour alone.
const fn sign(status: Status) -> &'static str {
    match status {
        Status::Green => "●",
        Status::Amber => "▲",
        Status::Red => "■",
    }
}

/// The word in a check's message that may need one.
fn term(id: &str) -> Option<Term> {
    match id {
        "anchors" => Some(Term::BestPossibleRecall),
        "gradient-balance" => Some(Term::GradientRatio),
        _ => None,
    }
}

fn line(ui: &mut Ui, check: &Check) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let response = ui.horizontal_top(|ui| {
        let sign = RichText::new(sign(check.status)).color(color(palette, check.status));
        ui.add_sized(vec2(16.0, 18.0), egui::Label::new(sign)).on_hover_text(tr(check.status.name()));
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            ui.label(widgets::strong(tr(check.title)));
            let message = ui.label(&check.message);
            if let Some(term) = term(check.id) {
                message.explained(term);
            }
            if !check.advice.is_empty() {
                ui.label(RichText::new(tr(&check.advice)).color(color(palette, check.status)));
            }
        });
    });
    let spoken = format!("{}, {}: {}", tr(check.status.name()), tr(check.title), check.message);
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &spoken));
    ui.add_space(4.0);
}

/// What cannot fail on this set-up, so that its absence is no riddle.
fn not_applicable(ui: &mut Ui, left_out: &[NotApplicable]) {
    if left_out.is_empty() {
        return;
    }
    ui.add_space(4.0);
    ui.label(widgets::strong(t!("Does not apply here")));
    for NotApplicable { id, reason } in left_out {
        note(ui, &format!("{id}: {}", tr(reason)));
    }
}

/// Which imitation was looked at, and why not the usual one.
fn imitation(ui: &mut Ui, found: &Preflight) {
    let Some(Looked { loss, tap, mask_source, reason }) = &found.imitation else { return };
    ui.label(t!("Imitation {loss} at the {tap}, mask source {source}.", loss, tap = tr(tap), source = mask_source));
    if let Some(reason) = reason {
        note(ui, &t!("Heads cannot be compared: {reason}.", reason));
    }
    ui.add_space(8.0);
}

/// λ for a ratio that a person chooses.
fn balance(ui: &mut Ui, panel: &mut Panel<'_>, examined: &Examined, memory: &mut PreflightMemory) {
    ui.label(widgets::strong(t!("Balance of the two losses")));
    let Some(lambda) = examined.lambda_for(memory.ratio) else {
        note(ui, t!("The imitation has no gradient, so no λ gives it one."));
        return;
    };
    ui.horizontal(|ui| {
        ui.label(t!("‖∇imitation‖ / ‖∇detection‖ =")).explained(Term::GradientRatio);
        let drag = DragValue::new(&mut memory.ratio).range(RATIOS).speed(0.01).max_decimals(3);
        let response = ui.add(drag).on_hover_text(tr(Term::GradientRatio.explanation()));
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::SpinButton, true, t!("Gradient ratio")));
    });
    ui.horizontal(|ui| {
        panel.button(ui, Command::UseLambda(lambda), t!("Use λ = {lambda}", lambda = significant(lambda)));
        panel.button(ui, Command::KeepRatio(memory.ratio), t!("Keep this ratio"));
    });
    note(
        ui,
        t!("A fixed λ has this ratio on the first batch; a kept ratio is measured every ten steps and λ follows."),
    );
    ui.add_space(8.0);
}

/// What the answers rest on, and where the time went.
fn foot(ui: &mut Ui, found: &Preflight) {
    ui.add_space(8.0);
    let Images { batch, measured, fitted, fitted_by_run } = found.images;
    if batch == 0 {
        return;
    }
    note(ui, &t!("Gradients are those of {measured} of the batch's {batch} images.", measured, batch));
    if fitted > 0 {
        note(
            ui,
            &t!(
                "The adapters were fitted on {fitted} of the {all} images of the run's own fit.",
                fitted,
                all = fitted_by_run
            ),
        );
    }
    let stage =
        |timing: &Timing| t!("{stage} {seconds} s", stage = tr(timing.stage), seconds = significant(timing.seconds));
    note(ui, &found.timings.iter().map(stage).collect::<Vec<_>>().join(" · "));
}

/// Both gradients' norms on each layer of the student, on one logarithmic scale.
fn layers(ui: &mut Ui, layers: &[LayerGradients]) {
    let norms = layers.iter().flat_map(|layer| [layer.detection, layer.imitation]).filter(|norm| *norm > 0.0);
    let (low, high) = norms.fold((f64::INFINITY, 0.0_f64), |(low, high), norm| (low.min(norm), high.max(norm)));
    if !(high > 0.0 && high.is_finite()) {
        return;
    }
    // At most four decades, so that one tiny gradient does not flatten the rest.
    let low = low.max(high * 1e-4) * 0.8;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.label(widgets::strong(t!("Gradient norms by layer of the student")));
    ui.horizontal(|ui| {
        for (name, color) in [(t!("detection"), palette.student), (t!("imitation at the run's λ"), palette.difference)]
        {
            widgets::dot(ui, color);
            ui.label(RichText::new(name).size(palette::SMALL + 1.0).color(palette.text_weak));
        }
    });
    const NAME: f32 = 28.0;
    const ROW: f32 = 12.0;
    let width = ui.available_width() - NAME - 8.0;
    for layer in layers {
        let (rect, response) = ui.allocate_exact_size(vec2(NAME + width, ROW), Sense::hover());
        let font = egui::FontId::proportional(palette::SMALL);
        let name = layer.layer.to_string();
        let at = egui::pos2(rect.left() + NAME - 8.0, rect.center().y);
        ui.painter().text(at, egui::Align2::RIGHT_CENTER, name, font, palette.text_weak);
        for (row, (norm, color)) in
            [(layer.detection, palette.student), (layer.imitation, palette.difference)].into_iter().enumerate()
        {
            let share = if norm > low { ((norm / low).ln() / (high / low).ln()) as f32 } else { 0.0 };
            let top = rect.top() + 1.0 + row as f32 * 5.0;
            let bar = egui::Rect::from_min_size(egui::pos2(rect.left() + NAME, top), vec2(width * share, 4.0));
            ui.painter().rect_filled(bar, 1.0, color);
        }
        response.on_hover_text(t!(
            "layer {layer}: detection {detection}, imitation {imitation} ({ratio} of it)",
            layer = layer.layer,
            detection = significant(layer.detection),
            imitation = significant(layer.imitation),
            ratio = significant(layer.ratio())
        ));
    }
    let decades = t!("logarithmic, {low} to {high}", low = significant(low), high = significant(high));
    ui.label(RichText::new(decades).size(palette::SMALL).color(palette.text_weak));
}
