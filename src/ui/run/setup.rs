//! The set-up of a run: what matters at the left, everything else one fold away at the right.

use std::path::PathBuf;

use clap::ValueEnum;
use egui::{
    Button, CollapsingHeader, ComboBox, DragValue, Label, RichText, ScrollArea, TextEdit, Ui, UiBuilder, WidgetInfo,
};

use crate::app::command::Command;
use crate::app::derive::imitation::{reason, refused};
use crate::app::dialog::RunFile;
use crate::app::run::{Departure, Problem};
use crate::glossary::Term;
use crate::imitation::choice::{Loss, Reads};
use crate::inspect::{Role, Tap};
use crate::language::{key, t, tr};
use crate::palette::{self, Palette};
use crate::train::config::option::{Choice, Kind, Place, Range, Value};
use crate::train::config::{
    AdapterStart, Experiment, Field, GRADIENT_RATIO, ImitationConfig, Lambda, Length, RunConfig, SnapshotConfig,
};
use crate::ui::widgets::{self, Explained, Panel};

/// Width of the important options.
const ESSENTIALS: f32 = 456.0;
/// Of the names before controls.
const NAME: f32 = 96.0;
const OPTION_NAME: f32 = 128.0;
const CONTROL: f32 = 136.0;

/// What is being typed.
#[derive(Debug, Default)]
pub struct SetUp {
    /// The field that a person writes in, and the text as it stands.
    typing: Option<(String, String)>,
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

/// Why an option keeps the run from starting, right below it.
fn why(ui: &mut Ui, problems: &[Problem], key: &str) {
    problems.iter().filter(|problem| problem.key == key).for_each(|problem| say_why(ui, problem));
}

/// The same of all options in a fold.
fn why_in(ui: &mut Ui, problems: &[Problem], place: Place) {
    let is_there = |problem: &&Problem| RunConfig::field(problem.key).is_some_and(|field| field.about.place == place);
    problems.iter().filter(is_there).for_each(|problem| say_why(ui, problem));
}

fn say_why(ui: &mut Ui, problem: &Problem) {
    ui.horizontal(|ui| {
        ui.add_space(NAME + palette::UNIT);
        amber(ui, &problem.why);
    });
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

/// A number to drag or type, ever faster the larger it is.
fn number<N: egui::emath::Numeric>(ui: &mut Ui, name: &str, value: &mut N, range: Range) -> egui::Response {
    let (decimals, slow) = if N::INTEGRAL { (0, 0.2) } else { (6, 0.0005) };
    let speed = (value.to_f64().abs() * 0.0125).max(slow);
    let drag = DragValue::new(value).range(N::from_f64(range.low)..=N::from_f64(range.high));
    let response = ui.add(drag.speed(speed).max_decimals(decimals));
    named(name)(&response);
    response
}

/// A path to type or to choose, at most so wide.
pub fn path(
    ui: &mut Ui,
    panel: &mut Panel<'_>,
    memory: &mut SetUp,
    name: &str,
    value: &mut PathBuf,
    browse: RunFile,
    most: f32,
) {
    let width = (ui.available_width() - 40.0).clamp(80.0, most);
    text(ui, memory, name, width, value.display().to_string(), |typed| *value = PathBuf::from(typed));
    let command = Command::BrowseForRun(browse);
    let label = command.label();
    let response = panel.command(ui, command, Button::new("…"));
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &label));
}

/// A line of text that takes effect when it is left.
fn text(ui: &mut Ui, memory: &mut SetUp, name: &str, width: f32, now: String, mut done: impl FnMut(&str)) {
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
        memory.typing = Some((name.to_owned(), typed.clone()));
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
        path(ui, panel, memory, t!("Data of the run"), &mut config.data, RunFile::Data, f32::INFINITY);
    });
    why(ui, problems, "data");
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
            Some(teacher) => {
                path(ui, panel, memory, t!("Teacher of the run"), teacher, RunFile::Teacher, f32::INFINITY)
            }
            None => {
                ui.label(
                    RichText::new(t!("none: the student trains alone"))
                        .color(Palette::of_theme(ui.visuals().dark_mode).text_weak),
                );
            }
        }
    });
    why(ui, problems, "teacher");
    row(ui, t!("Student"), t!("What is trained: a checkpoint, or a model yaml to start from nothing."), |ui| {
        widgets::dot(ui, Palette::of_theme(ui.visuals().dark_mode).role(Role::Student));
        path(ui, panel, memory, t!("Student of the run"), &mut config.student, RunFile::Student, f32::INFINITY);
    });
    why(ui, problems, "student");
    row(ui, t!("Length"), t!("How long the run is."), |ui| length(ui, &mut config.length));
    why(ui, problems, "length");
    row(ui, t!("Images"), t!("Side of the square input, and images a batch."), |ui| {
        number(ui, t!("Image size"), &mut config.imgsz, range_of("imgsz")).on_hover_text(t!("A multiple of 32 px."));
        ui.label("px");
        ui.add_space(palette::UNIT);
        ui.label(t!("batch")).explained(Term::Batch);
        number(ui, t!("Batch size"), &mut config.batch, range_of("batch")).on_hover_text(tr(Term::Batch.explanation()));
    });
    why(ui, problems, "imgsz");
    why(ui, problems, "batch");
    row(ui, t!("Weight"), t!("How much the imitation counts beside the detection loss."), |ui| {
        ui.add_enabled_ui(config.teacher.is_some(), |ui| weight(ui, &mut config.imitation));
    });
    why(ui, problems, "lambda");
    row(ui, t!("Compare"), t!("The same run with and without imitation, for several seeds."), |ui| {
        ui.checkbox(&mut experiment.paired, t!("with and without imitation"))
            .on_hover_text(tr(Term::Pair.explanation()));
        ui.add_space(palette::UNIT);
        ui.label(t!("seeds")).explained(Term::Seed);
        number(ui, t!("Seeds"), &mut experiment.seeds, Range::of(1.0, 100.0))
            .on_hover_text(t!("From the first seed upward; a difference without a spread says little."));
    });
    why(ui, problems, "seeds");
    row(ui, t!("Results"), t!("Configuration, curves and weights go in this folder."), |ui| {
        path(ui, panel, memory, t!("Folder for the results"), &mut experiment.out, RunFile::Out, f32::INFINITY);
    });
    why(ui, problems, "out");
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

/// The numbers that an option takes.
fn range_of(key: &str) -> Range {
    RunConfig::field(key).map_or(Range::ANY, |field| field.about.range)
}

fn length(ui: &mut Ui, length: &mut Length) {
    let (mut value, mut steps) = match *length {
        Length::Epochs(epochs) => (u64::from(epochs), false),
        Length::Steps(steps) => (steps, true),
    };
    number(ui, t!("Length"), &mut value, Range::of(1.0, 1e7));
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
    let (Lambda::Fixed(value) | Lambda::GradientRatio(value)) = lambda;
    number(ui, t!("Weight"), value, Range::NOT_NEGATIVE);
}

/// The options of a fold.
fn section(ui: &mut Ui, panel: &mut Panel<'_>, config: &mut RunConfig, memory: &mut SetUp, place: Place) {
    let reads_features = config.imitation.loss.reads() == Reads::Features;
    for field in RunConfig::fields().filter(|field| field.about.place == place) {
        if field.about.of_features && !reads_features {
            continue;
        }
        let (name, sentence) = (tr(field.about.name), tr(field.about.explanation()));
        ui.horizontal(|ui| {
            widgets::name(ui, OPTION_NAME, name, sentence);
            let before = ui.cursor().left();
            control(ui, panel, config, memory, field);
            let used = ui.cursor().left() - before;
            ui.add_space((CONTROL - used).max(0.0));
            let text = RichText::new(sentence).small().color(Palette::of_theme(ui.visuals().dark_mode).text_weak);
            ui.add(Label::new(text).truncate()).on_hover_ui(|ui| {
                let origin = tr(panel.state.runs.form.origin(field).name());
                ui.label(sentence);
                widgets::note(ui, &t!("This value is {origin}.", origin));
            });
        });
    }
}

/// What an option is set with: by its type, but for a few that know more.
fn control(ui: &mut Ui, panel: &Panel<'_>, config: &mut RunConfig, memory: &mut SetUp, field: Field) {
    let name = t!("{name} of the run", name = tr(field.about.name));
    let mut value = (field.get)(config);
    let same = |names: &[String]| {
        names.iter().map(|name| Choice { name: name.clone(), explanation: String::new() }).collect::<Vec<_>>()
    };
    match (field.about.key, (field.kind)()) {
        ("device", _) => one_of(ui, &name, &mut value, &same(&panel.state.device_choices()), false),
        ("tap", Kind::Choice(choices, _)) => {
            let fits = |tap: Tap| ImitationConfig { tap, ..config.imitation.clone() }.contradiction().is_none();
            let all: Vec<Choice> = choices
                .into_iter()
                .filter(|choice| Tap::ALL.iter().any(|tap| tap.name() == choice.name && fits(*tap)))
                .collect();
            one_of(ui, &name, &mut value, &all, true);
        }
        ("adapter_kernel", _) => {
            let all = [
                (1, "1×1", t!("A linear map at every cell.")),
                (3, "3×3", t!("A linear map of the cell and its neighbours.")),
            ];
            for (side, text, help) in all {
                let chosen = ui.selectable_label(value == Value::Whole(side), text).on_hover_text(help);
                if chosen.clicked() {
                    value = Value::Whole(side);
                }
            }
        }
        ("adapter_start", _) => {
            let start = &mut config.imitation.adapter_start;
            let mut images = match start {
                AdapterStart::LeastSquares { images } => Some(*images),
                AdapterStart::Random => None,
            };
            optional(ui, &mut images, 64, |ui, images| {
                number(ui, t!("Images of the fit"), images, Range::AT_LEAST_ONE);
            });
            *start = images.map_or(AdapterStart::Random, |images| AdapterStart::LeastSquares { images });
            return;
        }
        ("snapshot", _) => return snapshots(ui, panel.state.image.clone(), config),
        (_, Kind::Text) => {
            let Value::Text(now) = &value else { return };
            text(ui, memory, &name, 120.0, now.clone(), |typed| {
                // What is no value changes nothing: the field shows what holds.
                let _ = field.choose(config, &Value::Text(typed.to_owned()));
            });
            return;
        }
        (_, kind) => edit(ui, &name, field, &kind, &mut value),
    }
    if value != (field.get)(config) {
        let _ = field.choose(config, &value);
    }
}

/// A control for values of a type.
fn edit(ui: &mut Ui, name: &str, field: Field, kind: &Kind, value: &mut Value) {
    let about = &field.about;
    match (kind, &mut *value) {
        (Kind::Whole, Value::Whole(whole)) => drop(number(ui, name, whole, about.range)),
        (Kind::Real, Value::Real(real)) => drop(number(ui, name, real, about.range)),
        (Kind::Switch, Value::Switch(on)) => {
            let response = ui.checkbox(on, "");
            response.widget_info(|| WidgetInfo::selected(egui::Role::CheckBox, true, *on, name));
        }
        (Kind::Choice(choices, translated), Value::Text(_)) => one_of(ui, name, value, choices, *translated),
        (Kind::Optional(inner), _) if matches!(**inner, Kind::Switch) => {
            let states =
                [(Value::Nothing, t!("automatic")), (Value::Switch(true), t!("on")), (Value::Switch(false), t!("off"))];
            let now = states.iter().find(|(state, _)| state == value).map_or("", |(_, text)| text);
            let shown = ComboBox::from_id_salt(about.key).selected_text(now).width(104.0).show_ui(ui, |ui| {
                for (state, text) in &states {
                    if ui.selectable_label(state == value, *text).clicked() {
                        *value = state.clone();
                    }
                }
            });
            named(name)(&shown.response);
        }
        (Kind::Optional(inner), _) => {
            let first = if matches!(**inner, Kind::Whole) {
                Value::Whole(about.first as u64)
            } else {
                Value::Real(about.first)
            };
            let mut some = (*value != Value::Nothing).then(|| value.clone());
            optional(ui, &mut some, first, |ui, value| edit(ui, name, field, inner, value));
            *value = some.unwrap_or(Value::Nothing);
        }
        _ => {}
    }
}

/// One of a few names.
fn one_of(ui: &mut Ui, id: &str, value: &mut Value, all: &[Choice], translated: bool) {
    let Value::Text(now) = value else { return };
    let said = |text: &str| if translated { tr(text).to_owned() } else { text.to_owned() };
    let shown = ComboBox::from_id_salt(id).selected_text(said(now)).width(104.0).show_ui(ui, |ui| {
        for Choice { name, explanation } in all {
            let mut response = ui.selectable_label(now == name, said(name));
            if translated {
                response = response.on_hover_text(said(explanation));
            }
            if response.clicked() {
                now.clone_from(name);
            }
        }
    });
    named(id)(&shown.response);
}

/// A value that may be left to the program.
fn optional<T>(ui: &mut Ui, value: &mut Option<T>, first: T, add: impl FnOnce(&mut Ui, &mut T)) {
    let mut on = value.is_some();
    if ui.checkbox(&mut on, "").changed() {
        *value = on.then_some(first);
    }
    match value {
        Some(value) => add(ui, value),
        None => {
            ui.label(RichText::new(t!("off")).color(Palette::of_theme(ui.visuals().dark_mode).text_weak));
        }
    }
}

/// Of the image that is open.
fn snapshots(ui: &mut Ui, image: Option<PathBuf>, config: &mut RunConfig) {
    let mut on = config.snapshot.is_some();
    let toggled = ui.add_enabled(on || image.is_some(), egui::Checkbox::without_text(&mut on));
    if toggled.on_disabled_hover_text(t!("Open an image first.")).changed() {
        config.snapshot = image.filter(|_| on).map(|image| SnapshotConfig { image, every: SnapshotConfig::EVERY });
    }
    if let Some(snapshot) = &mut config.snapshot {
        number(ui, t!("Steps between snapshots"), &mut snapshot.every, Range::AT_LEAST_ONE);
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
    fold(ui, key!("Imitation"), &summary, |ui| section(ui, panel, config, memory, Place::Imitation));
    why_in(ui, problems, Place::Imitation);
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
    fold(ui, key!("Optimisation"), &summary, |ui| section(ui, panel, config, memory, Place::Optimisation));
    why_in(ui, problems, Place::Optimisation);
    let summary = format!("lr0 {} · box {} · obj {}", config.hyp.lr0, config.hyp.box_gain, config.hyp.obj);
    fold(ui, key!("Hyperparameters"), &summary, |ui| {
        ui.horizontal(|ui| {
            let load = Command::BrowseForRun(RunFile::Hyp);
            panel.button(ui, load.clone(), load.label());
            if ui.button(t!("Defaults")).on_hover_text(t!("The recipe's values.")).clicked() {
                config.hyp = config.recipe.hyp();
                config.warmup_share = RunConfig::of(config.recipe).warmup_share;
            }
        });
        section(ui, panel, config, memory, Place::Hyperparameters);
    });
    why_in(ui, problems, Place::Hyperparameters);
    let summary = format!("mosaic {} · scale {} · fliplr {}", config.hyp.mosaic, config.hyp.scale, config.hyp.fliplr);
    fold(ui, key!("Augmentation"), &summary, |ui| {
        let help = t!("Sets every augmentation to 0: a plain run.");
        if ui.button(t!("No augmentation")).on_hover_text(help).clicked() {
            config.hyp = config.hyp.clone().without_augmentation();
        }
        section(ui, panel, config, memory, Place::Augmentation);
    });
    why_in(ui, problems, Place::Augmentation);
    let summary =
        format!("{} · {}", config.device, widgets::counted(config.workers, "loader thread", "loader threads"));
    fold(ui, key!("Data and device"), &summary, |ui| section(ui, panel, config, memory, Place::Machine));
    why_in(ui, problems, Place::Machine);
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
