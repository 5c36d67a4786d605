//! The set-up of a run: what matters at the left, everything else one fold away at the right.

use std::path::PathBuf;

use clap::ValueEnum;
use egui::{
    Button, CollapsingHeader, ComboBox, DragValue, Label, RichText, ScrollArea, TextEdit, Ui, UiBuilder, WidgetInfo,
};

use crate::app::command::Command;
use crate::app::derive::imitation::{reason, refused};
use crate::app::dialog::RunFile;
use crate::app::run::{Departure, Field, Problem};
use crate::glossary::Term;
use crate::imitation::choice::{Loss, MaskSource, Reads};
use crate::imitation::mask::{IouConvention, LevelRule};
use crate::inspect::{Role, Tap};
use crate::language::{key, t, tr};
use crate::palette::{self, Palette};
use crate::train::config::{
    AdapterStart, Experiment, GRADIENT_RATIO, ImitationConfig, Lambda, Length, RunConfig, SnapshotConfig,
    frozen_layers, frozen_text,
};
use crate::train::hyp::Hyperparameters;
use crate::ui::widgets::{self, Explained, Panel};

/// Width of the important options.
const ESSENTIALS: f32 = 456.0;
/// Of the names before controls.
const NAME: f32 = 96.0;
const OPTION_NAME: f32 = 128.0;
const CONTROL: f32 = 136.0;

/// What is being typed.
#[derive(Default)]
pub struct SetUp {
    /// The field that a person writes in, and the text as it stands.
    typing: Option<(&'static str, String)>,
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut SetUp) {
    let form = &panel.state.runs.form;
    let problems = form.problems();
    let mut experiment = form.experiment.clone();
    let place = ui.available_rect_before_wrap();
    let (left, right) = place.split_left_right_at_x((place.left() + ESSENTIALS).min(place.right()));
    ui.scope_builder(UiBuilder::new().max_rect(left), |ui| {
        ScrollArea::vertical().id_salt("essentials").auto_shrink([false, false]).show(ui, |ui| {
            essentials(ui, panel, &mut experiment, &problems, memory);
        });
    });
    let hairline = ui.visuals().widgets.noninteractive.bg_stroke;
    ui.painter().vline(left.right() + 2.0 * palette::UNIT, place.y_range(), hairline);
    ui.scope_builder(UiBuilder::new().max_rect(right.with_min_x(right.left() + 4.0 * palette::UNIT)), |ui| {
        ScrollArea::vertical().id_salt("options").auto_shrink([false, false]).show(ui, |ui| {
            options(ui, panel, &mut experiment, &problems, memory);
        });
    });
    ui.advance_cursor_after_rect(place);
    if experiment != form.experiment {
        panel.push(Command::EditRun(Box::new(experiment)));
    }
}

fn row(ui: &mut Ui, name: &str, help: &str, add: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        widgets::name(ui, NAME, name, help);
        add(ui);
    });
}

/// Why a field keeps the run from starting, right below it.
fn why(ui: &mut Ui, problems: &[Problem], field: Field) {
    for problem in problems.iter().filter(|problem| problem.field == field) {
        ui.horizontal(|ui| {
            ui.add_space(NAME + palette::UNIT);
            let text = RichText::new(problem.why).small().color(Palette::of_theme(ui.visuals().dark_mode).warning);
            ui.add(Label::new(text).wrap());
        });
    }
}

fn named<'a>(name: &'a str) -> impl Fn(&egui::Response) + 'a {
    move |response| {
        response.widget_info(|| {
            let mut info = WidgetInfo::new(egui::Role::SpinButton);
            info.label = Some(name.to_owned());
            info
        });
    }
}

/// A number to drag or type.
fn number<N: egui::emath::Numeric>(
    ui: &mut Ui,
    name: &str,
    value: &mut N,
    range: std::ops::RangeInclusive<N>,
    speed: f64,
) -> egui::Response {
    let decimals = if N::INTEGRAL { 0 } else { 6 };
    let response = ui.add(DragValue::new(value).range(range).speed(speed).max_decimals(decimals));
    named(name)(&response);
    response
}

/// A path to type or to choose.
fn path(
    ui: &mut Ui,
    panel: &mut Panel<'_>,
    memory: &mut SetUp,
    name: &'static str,
    value: &mut PathBuf,
    browse: RunFile,
) {
    let width = (ui.available_width() - 40.0).max(80.0);
    text(ui, memory, name, width, value.display().to_string(), |typed| *value = PathBuf::from(typed));
    let command = Command::BrowseForRun(browse);
    let label = command.label();
    let response = panel.command(ui, command, Button::new("…"));
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &label));
}

/// A line of text that takes effect when it is left.
fn text(ui: &mut Ui, memory: &mut SetUp, name: &'static str, width: f32, now: String, mut done: impl FnMut(&str)) {
    let mut typed = match &memory.typing {
        Some((field, text)) if *field == name => text.clone(),
        _ => now.clone(),
    };
    let response = ui.add(TextEdit::singleline(&mut typed).desired_width(width)).on_hover_text(&now);
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(egui::Role::TextInput, true, name);
        info.current_text_value = Some(typed.clone());
        info
    });
    if response.changed() {
        memory.typing = Some((name, typed.clone()));
    }
    if response.lost_focus() && memory.typing.as_ref().is_some_and(|(field, _)| *field == name) {
        memory.typing = None;
        done(typed.trim());
    }
}

fn essentials(
    ui: &mut Ui,
    panel: &mut Panel<'_>,
    experiment: &mut Experiment,
    problems: &[Problem],
    memory: &mut SetUp,
) {
    let config = &mut experiment.config;
    row(ui, t!("Data"), t!("A YOLO data.yaml with train and val."), |ui| {
        path(ui, panel, memory, t!("Data of the run"), &mut config.data, RunFile::Data);
    });
    why(ui, problems, Field::Data);
    row(ui, t!("Teacher"), t!("Whose features are imitated; without one the student trains alone."), |ui| {
        widgets::dot(ui, Palette::of_theme(ui.visuals().dark_mode).role(Role::Teacher));
        let mut taught = config.teacher.is_some();
        let box_ =
            ui.checkbox(&mut taught, "").on_hover_text(t!("Train with imitation; off, the student trains alone."));
        box_.widget_info(|| WidgetInfo::selected(egui::Role::CheckBox, true, taught, t!("With a teacher")));
        if box_.changed() {
            config.teacher = taught.then(PathBuf::new);
        }
        match &mut config.teacher {
            Some(teacher) => path(ui, panel, memory, t!("Teacher of the run"), teacher, RunFile::Teacher),
            None => {
                ui.label(
                    RichText::new(t!("none: the student trains alone"))
                        .color(Palette::of_theme(ui.visuals().dark_mode).text_weak),
                );
            }
        }
    });
    why(ui, problems, Field::Teacher);
    row(ui, t!("Student"), t!("What is trained: a checkpoint, or a model yaml to start from nothing."), |ui| {
        widgets::dot(ui, Palette::of_theme(ui.visuals().dark_mode).role(Role::Student));
        path(ui, panel, memory, t!("Student of the run"), &mut config.student, RunFile::Student);
    });
    why(ui, problems, Field::Student);
    row(ui, t!("Length"), t!("How long the run is."), |ui| length(ui, &mut config.length));
    why(ui, problems, Field::Length);
    row(ui, t!("Images"), t!("Side of the square input, and images a batch."), |ui| {
        number(ui, t!("Image size"), &mut config.imgsz, 32..=4096, 8.0).on_hover_text(t!("A multiple of 32 px."));
        ui.label("px");
        ui.add_space(palette::UNIT);
        ui.label(t!("batch")).explained(Term::Batch);
        number(ui, t!("Batch size"), &mut config.batch, 1..=4096, 0.2).on_hover_text(tr(Term::Batch.explanation()));
    });
    why(ui, problems, Field::ImageSize);
    why(ui, problems, Field::Batch);
    row(ui, t!("Weight"), t!("How much the imitation counts beside the detection loss."), |ui| {
        ui.add_enabled_ui(config.teacher.is_some(), |ui| weight(ui, &mut config.imitation));
    });
    why(ui, problems, Field::Weight);
    row(ui, t!("Compare"), t!("The same run with and without imitation, for several seeds."), |ui| {
        ui.checkbox(&mut experiment.paired, t!("with and without imitation"))
            .on_hover_text(tr(Term::Pair.explanation()));
        ui.add_space(palette::UNIT);
        ui.label(t!("seeds")).explained(Term::Seed);
        number(ui, t!("Seeds"), &mut experiment.seeds, 1..=100, 0.05)
            .on_hover_text(t!("From the first seed upward; a difference without a spread says little."));
    });
    why(ui, problems, Field::Pairs);
    row(ui, t!("Results"), t!("Configuration, curves and weights go in this folder."), |ui| {
        path(ui, panel, memory, t!("Folder for the results"), &mut experiment.out, RunFile::Out);
    });
    why(ui, problems, Field::Out);
    ui.add_space(palette::HALF);
    ui.horizontal(|ui| {
        ui.add_space(NAME + palette::UNIT);
        panel.button(ui, Command::ResetRun, t!("Reset")).on_hover_text(Command::ResetRun.label());
        let runs = experiment.seeds as usize * if experiment.paired { 2 } else { 1 };
        if runs > 1 {
            let text = t!("{runs} runs, one after the other.", runs);
            ui.label(RichText::new(text).small().color(Palette::of_theme(ui.visuals().dark_mode).text_weak));
        }
    });
}

fn length(ui: &mut Ui, length: &mut Length) {
    let (mut value, mut steps) = match *length {
        Length::Epochs(epochs) => (u64::from(epochs), false),
        Length::Steps(steps) => (steps, true),
    };
    number(ui, t!("Length"), &mut value, 1..=10_000_000, 0.2);
    if ui.selectable_label(!steps, t!("epochs")).on_hover_text(tr(Term::Epoch.explanation())).clicked() {
        steps = false;
    }
    if ui.selectable_label(steps, t!("steps")).on_hover_text(tr(Term::Step.explanation())).clicked() {
        steps = true;
    }
    *length = if steps { Length::Steps(value) } else { Length::Epochs(u32::try_from(value).unwrap_or(u32::MAX)) };
}

fn weight(ui: &mut Ui, imitation: &mut ImitationConfig) {
    let (loss, lambda) = (imitation.loss, &mut imitation.lambda);
    // What cannot be set without a teacher still says what it is.
    let chosen = |ui: &mut Ui, on: bool, name: &str, help: &str| {
        ui.selectable_label(on, name).on_hover_text(help).on_disabled_hover_text(help).clicked() && !on
    };
    let help = t!("The share of the detection's gradient that the imitation's has; λ is measured and kept there.");
    if chosen(ui, matches!(lambda, Lambda::GradientRatio(_)), t!("gradient ratio"), help) {
        *lambda = Lambda::GradientRatio(GRADIENT_RATIO);
    }
    if chosen(ui, matches!(lambda, Lambda::Fixed(_)), "λ", tr(Term::Lambda.explanation())) {
        // A loss that comes with a ratio is far larger than the detection's.
        *lambda = match loss.defaults().lambda {
            fixed @ Lambda::Fixed(_) => fixed,
            Lambda::GradientRatio(_) => Lambda::Fixed(0.001),
        };
    }
    match lambda {
        Lambda::Fixed(value) => number(ui, t!("Weight"), value, 0.0..=1e6, 0.0001),
        Lambda::GradientRatio(value) => number(ui, t!("Weight"), value, 0.0..=100.0, 0.005),
    };
}

/// An option: its name, its control, and a sentence.
fn option(ui: &mut Ui, name: &str, sentence: &str, add: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        widgets::name(ui, OPTION_NAME, name, sentence);
        let before = ui.cursor().left();
        add(ui);
        let used = ui.cursor().left() - before;
        ui.add_space((CONTROL - used).max(0.0));
        let text = RichText::new(sentence).small().color(Palette::of_theme(ui.visuals().dark_mode).text_weak);
        ui.add(Label::new(text).truncate()).on_hover_text(sentence);
    });
}

fn choice<T: ValueEnum + PartialEq>(ui: &mut Ui, id: &str, value: &mut T) {
    let name = |value: &T| value.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
    let shown = ComboBox::from_id_salt(id).selected_text(name(value)).width(104.0).show_ui(ui, |ui| {
        for variant in T::value_variants() {
            if ui.selectable_label(value == variant, name(variant)).clicked() {
                *value = variant.clone();
            }
        }
    });
    named(id)(&shown.response);
}

/// One of a few that have names.
fn one_of<T: Copy + PartialEq>(ui: &mut Ui, id: &str, value: &mut T, all: &[(T, &'static str, &'static str)]) {
    let name = all.iter().find(|(other, ..)| other == value).map_or("", |(_, name, _)| name);
    let shown = ComboBox::from_id_salt(id).selected_text(name).width(104.0).show_ui(ui, |ui| {
        for (other, name, help) in all {
            if ui.selectable_label(value == other, *name).on_hover_text(*help).clicked() {
                *value = *other;
            }
        }
    });
    named(id)(&shown.response);
}

/// A number that may be left to the program.
fn optional<N: egui::emath::Numeric>(
    ui: &mut Ui,
    name: &str,
    value: &mut Option<N>,
    first: N,
    range: std::ops::RangeInclusive<N>,
) {
    let mut on = value.is_some();
    if ui.checkbox(&mut on, "").changed() {
        *value = on.then_some(first);
    }
    match value {
        Some(value) => {
            number(ui, name, value, range, 0.2);
        }
        None => {
            ui.label(RichText::new(t!("off")).color(Palette::of_theme(ui.visuals().dark_mode).text_weak));
        }
    }
}

fn fold(ui: &mut Ui, title: &str, summary: &str, add: impl FnOnce(&mut Ui)) {
    let header = CollapsingHeader::new(widgets::strong(tr(title))).id_salt(title);
    let shown = header.show(ui, add);
    if shown.body_returned.is_none() {
        let place = shown.header_response.rect;
        let at = egui::pos2(place.left() + OPTION_NAME + 24.0, place.center().y);
        let font = egui::FontId::proportional(palette::SMALL);
        let clip = ui.max_rect().with_min_x(at.x);
        let painter = ui.painter().with_clip_rect(clip.intersect(ui.clip_rect()));
        painter.text(at, egui::Align2::LEFT_CENTER, summary, font, Palette::of_theme(ui.visuals().dark_mode).text_weak);
    }
}

fn options(ui: &mut Ui, panel: &mut Panel<'_>, experiment: &mut Experiment, problems: &[Problem], memory: &mut SetUp) {
    let config = &mut experiment.config;
    departures(ui, panel);
    let chosen = &config.imitation;
    let summary = format!(
        "{} · {} · ψ {} · {} · {}",
        chosen.loss,
        t!("mask {source}", source = tr(chosen.mask_source.name())),
        chosen.psi,
        tr(chosen.level_rule.name()),
        tr(chosen.tap.name())
    );
    fold(ui, key!("Imitation"), &summary, |ui| imitation(ui, config));
    why(ui, problems, Field::Imitation);
    if let Some(mismatch) = panel.state.runs.form.refusal.as_ref().filter(|_| config.teacher.is_some()) {
        amber(ui, &refused(config.imitation.loss, mismatch));
        let other = Loss::FOR_OTHER_HEADS;
        let help = t!("The run imitates {loss} at the neck, with what belongs to it.", loss = other);
        if ui.button(t!("Take {loss} for the run", loss = other)).on_hover_text(help).clicked() {
            config.imitation = std::mem::take(&mut config.imitation).with_loss(other);
        }
    } else if let Some(reason) = reason(panel.state).filter(|_| config.imitation.loss == Loss::FOR_OTHER_HEADS) {
        amber(ui, &reason);
    }
    let name = config.optimizer.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
    let every = widgets::counted(config.evaluate_every as usize, "epoch", "epochs");
    let summary = t!(
        "{recipe} · {optimizer} · seed {seed} · evaluated every {every}",
        recipe = config.recipe.name(),
        optimizer = name,
        seed = config.seed,
        every
    );
    fold(ui, key!("Optimisation"), &summary, |ui| optimisation(ui, config, memory));
    why(ui, problems, Field::Optimisation);
    let summary = format!("lr0 {} · box {} · obj {}", config.hyp.lr0, config.hyp.box_gain, config.hyp.obj);
    fold(ui, key!("Hyperparameters"), &summary, |ui| hyperparameters(ui, panel, config));
    let summary = format!("mosaic {} · scale {} · fliplr {}", config.hyp.mosaic, config.hyp.scale, config.hyp.fliplr);
    fold(ui, key!("Augmentation"), &summary, |ui| augmentation(ui, &mut config.hyp));
    why(ui, problems, Field::Hyperparameters);
    if let Err(error) = config.hyp.check() {
        ui.label(RichText::new(error.to_string()).small().color(Palette::of_theme(ui.visuals().dark_mode).warning));
    }
    let summary =
        format!("{} · {}", config.device, widgets::counted(config.workers, "loader thread", "loader threads"));
    fold(ui, key!("Data and device"), &summary, |ui| machine(ui, panel, config));
}

fn amber(ui: &mut Ui, text: &str) {
    ui.add(Label::new(RichText::new(text).small().color(Palette::of_theme(ui.visuals().dark_mode).warning)).wrap());
}

/// In what the run is not what the picture shows, and the two ways back.
fn departures(ui: &mut Ui, panel: &mut Panel<'_>) {
    let found = panel.state.runs.form.departures();
    if found.is_empty() {
        widgets::note(ui, t!("The run imitates what the picture shows."));
        return;
    }
    let each = found.iter().map(|Departure { field, shown, run }| {
        t!("{field}: {shown} in the picture, {run} in the run", field, shown, run)
    });
    let each: Vec<String> = each.collect();
    amber(ui, &t!("The run departs from the picture. {each}.", each = each.join(t!("; "))));
    ui.horizontal(|ui| {
        panel.button(ui, Command::FollowPicture, Command::FollowPicture.label());
        panel.button(ui, Command::ShowRunChoice, Command::ShowRunChoice.label());
    });
}

fn imitation(ui: &mut Ui, config: &mut RunConfig) {
    let imitation = &mut config.imitation;
    let help = t!("What the student imitates; tap, mask and λ become those that belong to it.");
    option(ui, t!("Imitation"), help, |ui| {
        let all = Loss::ALL.map(|loss| (loss, loss.name(), tr(loss.explanation())));
        let mut loss = imitation.loss;
        one_of(ui, t!("Imitation of the run"), &mut loss, &all);
        if loss != imitation.loss {
            *imitation = std::mem::take(imitation).with_loss(loss);
        }
    });
    option(ui, t!("Mask source"), t!("Which cells count in the imitation, and how much."), |ui| {
        let all = MaskSource::ALL.map(|source| (source, tr(source.name()), tr(source.explanation())));
        one_of(ui, t!("Mask source of the run"), &mut imitation.mask_source, &all);
    });
    option(ui, "ψ", tr(Term::Psi.explanation()), |ui| {
        number(ui, t!("ψ of the run"), &mut imitation.psi, 0.0..=1.0, 0.01);
    });
    option(ui, t!("Level rule"), tr(Term::LevelRule.explanation()), |ui| {
        let all = LevelRule::ALL.map(|rule| (rule, tr(rule.name()), tr(rule.explanation())));
        one_of(ui, t!("Level rule of the run"), &mut imitation.level_rule, &all);
    });
    option(ui, "IoU", tr(Term::IouConvention.explanation()), |ui| {
        let all = IouConvention::ALL.map(|iou| (iou, iou.name(), tr(iou.explanation())));
        one_of(ui, t!("IoU of the run"), &mut imitation.iou, &all);
    });
    let reads_features = imitation.loss.reads() == Reads::Features;
    if reads_features {
        option(ui, t!("Tap"), tr(Term::Tap.explanation()), |ui| {
            let fits = |tap: &Tap| ImitationConfig { tap: *tap, ..imitation.clone() }.contradiction().is_none();
            let all: Vec<_> =
                Tap::ALL.into_iter().filter(fits).map(|tap| (tap, tr(tap.name()), tr(tap.explanation()))).collect();
            one_of(ui, t!("Tap of the run"), &mut imitation.tap, &all);
        });
    }
    option(
        ui,
        t!("Norm"),
        t!("Which number of cells divides the sum: each scale's own, or that of all scales."),
        |ui| {
            choice(ui, t!("Norm"), &mut imitation.norm);
        },
    );
    option(ui, t!("λ warm-up"), tr(Term::LambdaWarmUp.explanation()), |ui| {
        number(ui, t!("λ warm-up"), &mut imitation.warmup_steps, 0..=10_000_000, 1.0);
    });
    option(ui, t!("λ decay"), t!("How λ fades to 0 until the end, or until the stop step."), |ui| {
        choice(ui, t!("λ decay"), &mut imitation.decay);
    });
    option(ui, t!("Stop step"), t!("From this step on the imitation has no weight."), |ui| {
        optional(ui, t!("Stop step"), &mut imitation.stop_step, 1000, 1..=10_000_000);
    });
    if !reads_features {
        return;
    }
    option(ui, t!("Adapter"), t!("Side of the convolution that maps student to teacher channels."), |ui| {
        let all = [
            (1, "1×1", t!("A linear map at every cell.")),
            (3, "3×3", t!("A linear map of the cell and its neighbours.")),
        ];
        one_of(ui, t!("Adapter's kernel"), &mut imitation.adapter_kernel, &all);
    });
    option(ui, t!("Adapter starts"), t!("From the ridge fit over so many training images, or at random."), |ui| {
        let mut images = match imitation.adapter_start {
            AdapterStart::LeastSquares { images } => Some(images),
            AdapterStart::Random => None,
        };
        optional(ui, t!("Images of the fit"), &mut images, 64, 1..=100_000);
        imitation.adapter_start = images.map_or(AdapterStart::Random, |images| AdapterStart::LeastSquares { images });
    });
    option(ui, t!("Adapter's rate"), t!("Its learning rate as a multiple of the student's."), |ui| {
        number(ui, t!("Adapter's learning rate"), &mut imitation.adapter_lr, 0.0..=1000.0, 0.01);
    });
    option(
        ui,
        t!("Normalise"),
        t!("Features are divided by the teacher's standard deviation per channel first."),
        |ui| {
            ui.checkbox(&mut imitation.normalise, "");
        },
    );
}

fn optimisation(ui: &mut Ui, config: &mut RunConfig, memory: &mut SetUp) {
    option(
        ui,
        t!("Recipe"),
        t!(
            "short: AdamW, a cosine per step, for up to 50 epochs. yolov5: as YOLOv5 trains. A choice fills in what nobody has changed below."
        ),
        |ui| {
            let mut recipe = config.recipe;
            choice(ui, t!("Recipe"), &mut recipe);
            if recipe != config.recipe {
                *config = std::mem::take(config).with_recipe(recipe);
            }
        },
    );
    option(ui, t!("Optimizer"), t!("SGD has Nesterov's momentum."), |ui| {
        choice(ui, t!("Optimizer"), &mut config.optimizer)
    });
    option(ui, t!("Seed"), tr(Term::Seed.explanation()), |ui| {
        number(ui, t!("Seed"), &mut config.seed, 0..=u64::MAX, 0.1);
    });
    option(ui, t!("From scratch"), t!("Draws the student's weights anew although a checkpoint is given."), |ui| {
        ui.checkbox(&mut config.from_scratch, "");
    });
    option(ui, t!("Nominal batch"), tr(Term::NominalBatch.explanation()), |ui| {
        number(ui, t!("Nominal batch"), &mut config.nominal_batch, 0..=4096, 0.5);
    });
    option(
        ui,
        t!("Decay"),
        t!("How the learning rate falls: along a cosine or a line, per step or per epoch."),
        |ui| {
            choice(ui, t!("Decay"), &mut config.lr_schedule);
        },
    );
    option(
        ui,
        t!("Warm-up"),
        t!("Over this share of the run's steps the learning rate rises; 0 counts warmup_epochs."),
        |ui| {
            number(ui, t!("Warm-up"), &mut config.warmup_share, 0.0..=1.0, 0.005);
        },
    );
    option(ui, t!("Averaged weights"), tr(Term::Averaged.explanation()), |ui| {
        ui.checkbox(&mut config.ema, "");
    });
    option(ui, t!("Freeze"), t!("Layers that stay as they are: 10 for the first ten, 0 1 4 for those."), |ui| {
        let now = frozen_text(&config.freeze);
        text(ui, memory, t!("Frozen layers"), 120.0, now, |typed| {
            // What is no number changes nothing: the field shows what holds.
            if let Ok(layers) = frozen_layers(typed) {
                config.freeze = layers;
            }
        });
    });
    option(
        ui,
        t!("Evaluate every"),
        t!("Epochs from one evaluation to the next; the last is always evaluated."),
        |ui| {
            number(ui, t!("Evaluate every"), &mut config.evaluate_every, 1..=10_000, 0.1);
        },
    );
    option(
        ui,
        t!("Precision"),
        t!(
            "What the forward passes compute with: auto is bf16 on a GPU that has it, fp16 with a loss scaler on an older one, off on the CPU; off is float32."
        ),
        |ui| {
            choice(ui, t!("Precision"), &mut config.amp);
        },
    );
    option(
        ui,
        t!("TF32"),
        t!("A GPU's float32 convolutions round their factors to 10 bits while it trains: faster, 1e-3 off."),
        |ui| {
            ui.checkbox(&mut config.tf32, "");
        },
    );
    option(ui, t!("If not finite"), t!("Stop with the last good weights, or skip the step with a warning."), |ui| {
        choice(ui, t!("If not finite"), &mut config.non_finite);
    });
}

fn hyperparameters(ui: &mut Ui, panel: &mut Panel<'_>, config: &mut RunConfig) {
    ui.horizontal(|ui| {
        let load = Command::BrowseForRun(RunFile::Hyp);
        panel.button(ui, load.clone(), load.label());
        if ui.button(t!("Defaults")).on_hover_text(t!("The recipe's values.")).clicked() {
            config.hyp = config.recipe.hyp();
            config.warmup_share = RunConfig::default().with_recipe(config.recipe).warmup_share;
        }
    });
    let hyp = &mut config.hyp;
    values(
        ui,
        [
            ("lr0", &mut hyp.lr0, t!("First learning rate.")),
            ("lrf", &mut hyp.lrf, t!("Last learning rate, as a share of the first.")),
            ("momentum", &mut hyp.momentum, t!("SGD's momentum, Adam's β₁.")),
            ("weight_decay", &mut hyp.weight_decay, t!("Of the weights; biases and batch norms have none.")),
            (
                "warmup_epochs",
                &mut hyp.warmup_epochs,
                t!("Epochs over which the learning rate and the momentum warm up."),
            ),
            ("warmup_momentum", &mut hyp.warmup_momentum, t!("The momentum at the first step.")),
            ("warmup_bias_lr", &mut hyp.warmup_bias_lr, t!("The biases' learning rate at the first step.")),
            ("box", &mut hyp.box_gain, t!("Gain of the box loss.")),
            ("cls", &mut hyp.cls, t!("Gain of the class loss.")),
            ("cls_pw", &mut hyp.cls_pw, t!("Weight of positives in the class loss.")),
            ("obj", &mut hyp.obj, t!("Gain of the objectness loss.")),
            ("obj_pw", &mut hyp.obj_pw, t!("Weight of positives in the objectness loss.")),
            ("anchor_t", &mut hyp.anchor_t, t!("Largest ratio of a ground truth's side to an anchor's.")),
            ("fl_gamma", &mut hyp.fl_gamma, t!("Focal loss γ; 0 is plain cross-entropy.")),
            ("label_smoothing", &mut hyp.label_smoothing, t!("Softens the classes' targets.")),
        ],
    );
}

fn augmentation(ui: &mut Ui, hyp: &mut Hyperparameters) {
    if ui.button(t!("No augmentation")).on_hover_text(t!("Sets every augmentation to 0: a plain run.")).clicked() {
        *hyp = hyp.clone().without_augmentation();
    }
    values(
        ui,
        [
            ("hsv_h", &mut hyp.hsv_h, t!("Jitter of the hue.")),
            ("hsv_s", &mut hyp.hsv_s, t!("Jitter of the saturation.")),
            ("hsv_v", &mut hyp.hsv_v, t!("Jitter of the brightness.")),
            ("degrees", &mut hyp.degrees, t!("Rotation, ± degrees.")),
            ("translate", &mut hyp.translate, t!("Shift, ± share of the image.")),
            ("scale", &mut hyp.scale, t!("Zoom, ± share.")),
            ("shear", &mut hyp.shear, t!("Shear, ± degrees.")),
            ("perspective", &mut hyp.perspective, t!("Perspective, ± share; 0 to 0.001.")),
            ("flipud", &mut hyp.flipud, t!("Probability of an upside-down flip.")),
            ("fliplr", &mut hyp.fliplr, t!("Probability of a left-right flip.")),
            ("mosaic", &mut hyp.mosaic, t!("Probability of a mosaic of four images.")),
            ("mixup", &mut hyp.mixup, t!("Probability of a blend of two mosaics.")),
        ],
    );
}

/// Values of the hyp.yaml under their names there.
fn values<const N: usize>(ui: &mut Ui, fields: [(&str, &mut f64, &str); N]) {
    for (name, value, sentence) in fields {
        option(ui, name, sentence, |ui| {
            let speed = (value.abs() * 0.01).max(0.0005);
            let response = ui.add(DragValue::new(value).speed(speed).max_decimals(6));
            named(name)(&response);
        });
    }
}

fn machine(ui: &mut Ui, panel: &Panel<'_>, config: &mut RunConfig) {
    option(ui, t!("Device"), t!("Where the run computes."), |ui| {
        let shown = ComboBox::from_id_salt("device").selected_text(&config.device).width(104.0).show_ui(ui, |ui| {
            for device in panel.state.device_choices() {
                if ui.selectable_label(config.device == device, &device).clicked() {
                    config.device = device;
                }
            }
        });
        named(t!("Device of the run"))(&shown.response);
    });
    option(ui, t!("Threads"), t!("Cores for libtorch; off leaves it its own choice."), |ui| {
        optional(ui, t!("Threads"), &mut config.threads, 1, 1..=512);
    });
    option(ui, t!("Loader threads"), t!("Threads that make batches; the result does not depend on them."), |ui| {
        number(ui, t!("Loader threads"), &mut config.workers, 0..=64, 0.1);
    });
    option(
        ui,
        t!("Channels last"),
        t!("Order of tensors in memory: faster on some devices, the same numbers."),
        |ui| {
            let all = [(None, t!("automatic"), ""), (Some(true), t!("on"), ""), (Some(false), t!("off"), "")];
            one_of(ui, t!("Channels last"), &mut config.channels_last, &all);
        },
    );
    let image = panel.state.image.clone();
    option(ui, t!("Snapshots"), t!("Steps from one difference map of the open image to the next."), |ui| {
        let mut on = config.snapshot.is_some();
        let toggled = ui.add_enabled(on || image.is_some(), egui::Checkbox::without_text(&mut on));
        if toggled.on_disabled_hover_text(t!("Open an image first.")).changed() {
            config.snapshot = image.filter(|_| on).map(|image| SnapshotConfig { image, every: SnapshotConfig::EVERY });
        }
        if let Some(snapshot) = &mut config.snapshot {
            number(ui, t!("Steps between snapshots"), &mut snapshot.every, 1..=1_000_000, 0.5);
        }
    });
}
