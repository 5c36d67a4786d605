//! The review: which objects of the open dataset each model finds, in a table that can be ordered and filtered; a click opens
//! the image with that object alone.

use egui::{Button, ComboBox, Label, RichText, ScrollArea, Sense, TextEdit, Ui, UiBuilder, WidgetInfo};

use crate::app::command::Command;
use crate::app::figure::FigureWhat;
use crate::app::review::{ReviewKind, ReviewOrder, ReviewView, Reviewed, change_name, outcome_name};
use crate::app::state::State;
use crate::files::file_name;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::review::matching::{Outcome, OutcomeKind};
use crate::review::sums::{Change, Group, Pairing, pairings};
use crate::review::{Object, Review};
use crate::survey::ObjectSize;
use crate::ui::run::doubts;
use crate::ui::run::under_way;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{self, Panel, counted, note};
use crate::worker::JobKind;

/// Width of the sums.
const SIDE: f32 = 400.0;
const OUTCOME: f32 = 120.0;

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    controls(ui, panel);
    let Some(reviewed) = &state.review.result else {
        empty(ui, state);
        return;
    };
    filters(ui, panel, reviewed);
    ui.add_space(palette::HALF);
    let place = ui.available_rect_before_wrap();
    let (left, side) = place.split_left_right_at_x((place.right() - SIDE).max(place.left()));
    ui.scope_builder(UiBuilder::new().max_rect(left).id_salt("objects"), |ui| match state.review.view.doubts {
        true => doubts::show(ui, panel, reviewed),
        false => objects(ui, panel, reviewed),
    });
    let side = side.with_min_x(side.left() + 2.0 * palette::UNIT);
    ui.scope_builder(UiBuilder::new().max_rect(side).id_salt("sums"), |ui| {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            models(ui, reviewed);
            changes(ui, &state.review.view, reviewed);
        });
    });
    ui.advance_cursor_after_rect(place);
}

/// Start or stop, how far it is, or what is shown and whether that is still so.
fn controls(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    ui.horizontal(|ui| {
        if state.activity(JobKind::Review).is_some() {
            let response = panel.button(ui, Command::StopReview, t!("Stop"));
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Stop the review")));
        } else {
            let text = match state.dataset.split() {
                Some(split) => t!("Review {split}", split),
                None => t!("Review").to_owned(),
            };
            let fresh = state.review.result.is_some() && state.review_is_stale().is_none();
            let button = match fresh {
                true => Button::new(text),
                false => Button::new(widgets::strong(text).color(palette.on_accent)).fill(palette.accent),
            };
            let response = panel.command(ui, Command::StartReview, button);
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Review the models")));
        }
        if state.review.result.is_some() {
            for (steps, sign, name) in [(-1, "▲", t!("Previous object")), (1, "▼", t!("Next object"))] {
                let response = panel.button(ui, Command::StepReview(steps), sign);
                response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, name));
            }
            ui.separator();
            ui.menu_button(t!("Save"), |ui| {
                panel.entry(ui, Command::OpenFigure(Some(FigureWhat::Review)));
                panel.entry(ui, Command::ExportDoubts);
            });
        }
        ui.separator();
        status(ui, state);
    });
}

fn status(ui: &mut Ui, state: &State) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    if let Some(activity) = state.activity(JobKind::Review) {
        return under_way(ui, activity, state.now, t!("Progress of the review"));
    }
    let Some(reviewed) = &state.review.result else { return };
    let review = &reviewed.review;
    if let Some(of) = state.review_is_stale() {
        let text = t!("Stale: it is of {of}. Review again.", of);
        ui.add(Label::new(RichText::new(&text).color(palette.warning)).truncate()).on_hover_text(text);
        return;
    }
    let unusable = review.images.iter().filter(|image| image.error.is_some()).count();
    let mut parts = vec![
        t!(
            "{shown} of {objects}",
            shown = widgets::grouped(reviewed.rows.len()),
            objects = counted(review.objects.len(), "object", "objects")
        ),
        counted(review.images.len() - unusable, "image", "images"),
    ];
    if !review.is_complete() {
        parts.push(t!("stopped; the split has {images}", images = counted(review.images_of_split, "image", "images")));
    }
    if unusable > 0 {
        parts.push(t!("{images} left out", images = counted(unusable, "image", "images")));
    }
    let color = if review.is_complete() { palette.text_weak } else { palette.warning };
    let label = ui.add(Label::new(RichText::new(parts.join(" · ")).color(color)).truncate());
    // What is wrong with models and images, one a line.
    let broken = review.images.iter().filter_map(|image| Some((file_name(&image.path), image.error.as_ref()?)));
    let broken = broken.take(10).map(|(file, why)| format!("{file}: {why}"));
    let more: Vec<String> = review.notes.iter().cloned().chain(broken).collect();
    if !more.is_empty() {
        label.on_hover_text(more.join("\n"));
    }
}

fn empty(ui: &mut Ui, state: &State) {
    ui.add_space(24.0);
    ui.vertical_centered(|ui| {
        ui.label(widgets::strong(t!("No review yet")).size(palette::TITLE));
        let why = Command::StartReview.disabled(state);
        note(
            ui,
            why.unwrap_or(t!(
                "Runs teacher, student and the runs that have ended over the split, and lists which objects each finds."
            )),
        );
    });
}

/// A choice among things with names.
fn pick<T: PartialEq + Clone>(ui: &mut Ui, name: &str, value: &mut T, all: &[(T, String, String)]) {
    let chosen = all.iter().find(|(other, ..)| other == value).map_or("", |(_, name, _)| name.as_str());
    let shown = ComboBox::from_id_salt(name).selected_text(chosen).width(88.0).show_ui(ui, |ui| {
        for (other, text, help) in all {
            let response = ui.selectable_label(value == other, text);
            let response = if help.is_empty() { response } else { response.on_hover_text(help) };
            if response.clicked() {
                *value = other.clone();
            }
        }
    });
    shown.response.widget_info(|| widgets::combo(name, chosen));
    shown.response.on_hover_text(name);
}

/// Which models are set against each other, and which objects are shown in what order.
fn filters(ui: &mut Ui, panel: &mut Panel<'_>, Reviewed { review, findings, .. }: &Reviewed) {
    let mut view = panel.state.review.view.clone();
    let roles: Vec<(usize, String, String)> = review
        .models
        .iter()
        .enumerate()
        .map(|(index, model)| (index, role_name(&model.role), model.path.display().to_string()))
        .collect();
    let plain = |text: &str| (tr(text).to_owned(), String::new());
    ui.horizontal_wrapped(|ui| {
        let doubts = t!("Doubtful labels: {count}", count = findings.len());
        let help = t!("Labels that the teacher disagrees with, in the place of the objects.");
        ui.toggle_value(&mut view.doubts, doubts).on_hover_text(help);
        ui.separator();
        pick(ui, t!("Model that is looked at"), &mut view.of, &roles);
        ui.label(t!("against"));
        pick(ui, t!("Model that it is set against"), &mut view.against, &roles);
        ui.separator();
        let orders: Vec<_> = ReviewOrder::ALL
            .map(|order| (order, tr(order.name()).to_owned(), tr(order.explanation()).to_owned()))
            .to_vec();
        pick(ui, t!("Order of the objects"), &mut view.order, &orders);
        let kinds: Vec<_> = ReviewKind::ALL.map(|kind| (kind, plain(kind.name()).0, String::new())).to_vec();
        pick(ui, t!("Outcomes that are shown"), &mut view.kind, &kinds);

        let classes = review.names.iter().enumerate().map(|(class, name)| (Some(class), name.clone(), String::new()));
        let classes: Vec<_> =
            std::iter::once((None, t!("any class").to_owned(), String::new())).chain(classes).collect();
        pick(ui, t!("Classes that are shown"), &mut view.class, &classes);
        let sizes = ObjectSize::ALL.map(|size| (Some(size), tr(size_name(size)).to_owned(), String::new()));
        let sizes: Vec<_> = std::iter::once((None, t!("any size").to_owned(), String::new())).chain(sizes).collect();
        pick(ui, t!("Sizes that are shown"), &mut view.size, &sizes);
        let scales = review.scales.iter().enumerate().map(|(scale, name)| (Some(scale), name.clone(), String::new()));
        let scales: Vec<_> = std::iter::once((None, t!("any scale").to_owned(), String::new())).chain(scales).collect();
        pick(ui, t!("Scales that are shown"), &mut view.scale, &scales);
        let hint = t!("part of a path");
        let text = ui.add(TextEdit::singleline(&mut view.text).hint_text(hint).desired_width(120.0));
        text.widget_info(|| {
            let mut info = WidgetInfo::labeled(egui::Role::TextInput, true, t!("Search the images of the review"));
            info.current_text_value = Some(view.text.clone());
            info
        });
        text.on_hover_text(t!("Only objects of images whose path has this in it."));
    });
    if view != panel.state.review.view {
        panel.push(Command::EditReview(Box::new(view)));
    }
}

/// The names of the program's own roles are translated; a run has its own.
fn role_name(role: &str) -> String {
    match role {
        "teacher" => t!("teacher").to_owned(),
        "student" => t!("student").to_owned(),
        other => other.to_owned(),
    }
}

const fn size_name(size: ObjectSize) -> &'static str {
    use crate::language::key;
    match size {
        ObjectSize::Small => key!("small"),
        ObjectSize::Medium => key!("medium"),
        ObjectSize::Large => key!("large"),
    }
}

/// The objects that are shown, a row each.
fn objects(ui: &mut Ui, panel: &mut Panel<'_>, reviewed: &Reviewed) {
    let (state, review) = (panel.state, &*reviewed.review);
    let view = &state.review.view;
    if reviewed.rows.is_empty() {
        note(
            ui,
            match review.has_labels() {
                true => t!("No object is like that."),
                false => t!("There are no labels: the sums say how much each model predicts."),
            },
        );
        return;
    }
    let [of, against] = [view.of, view.against].map(|model| role_name(&review.models[model].role));
    let columns = [
        Column::text(t!("image"), 0.0, t!("Click a row to open the image with that object alone.")),
        Column::text(t!("class"), 88.0, t!("Of the label.")),
        Column::number(t!("size"), 72.0, t!("Width and height of the label, in px of the image.")),
        Column::number(t!("scale"), 48.0, t!("The scale whose anchors fit the object best.")),
        Column::number(t!("cells"), 48.0, t!("Cells of the mask that the object marks, on all scales.")),
        Column::text(of, OUTCOME, t!("What became of it, and how sure the model is.")),
        Column::text(against, OUTCOME, t!("What became of it, and how sure the model is.")),
        Column::text(t!("change"), 64.0, t!("From the model behind it to the one before it.")),
        Column::number(t!("distance"), 72.0, t!("Of the image: the imitation loss inside the mask.")),
        Column::number(t!("loss"), 64.0, t!("Of the image: the detection loss of the first model.")),
    ];
    ui.spacing_mut().item_spacing.y = 0.0;
    table::header(ui, &columns, None);
    let area = ScrollArea::vertical().id_salt("objects").auto_shrink([false, false]);
    area.show_rows(ui, table::ROW, reviewed.rows.len(), |ui, visible| {
        for &index in &reviewed.rows[visible] {
            let object = &review.objects[index];
            let spoken = spoken(review, view, object);
            let cells = cells(ui, review, view, object);
            let on = state.review.chosen == Some(index);
            let row = ui.push_id(index, |ui| table::row(ui, &columns, &cells, on, Sense::click(), &spoken)).inner;
            if row.clicked() {
                panel.push(Command::OpenReviewed(index));
            }
        }
    });
}

fn spoken(review: &Review, view: &ReviewView, object: &Object) -> String {
    let became =
        |model: usize| object.outcomes[model].map_or(t!("not known"), |outcome| tr(outcome_name(outcome.kind)));
    t!(
        "{class} in {image}: {outcome}, {other}",
        class = review.names[object.label.class],
        image = file_name(&review.images[object.image].path),
        outcome = became(view.of),
        other = became(view.against)
    )
}

fn cells(ui: &Ui, review: &Review, view: &ReviewView, object: &Object) -> Vec<Cell> {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let image = &review.images[object.image];
    let outcome = |model: usize| match object.outcomes[model] {
        None => Cell::none(),
        Some(Outcome { kind, seen }) => {
            let sure = seen.map_or_else(String::new, |seen| format!(" {:.2}", seen.detection.score));
            let color = match kind {
                OutcomeKind::Found => palette.good,
                OutcomeKind::WrongClass | OutcomeKind::PoorlyPlaced => palette.warning,
                OutcomeKind::Missed => palette.error,
            };
            Cell::new(format!("{}{sure}", tr(outcome_name(kind)))).color(color)
        }
    };
    let change = match object.change(view.against, view.of) {
        None => Cell::none(),
        Some(change) => Cell::new(tr(change_name(change))).color(match change {
            Change::Won => palette.good,
            Change::Lost => palette.error,
            Change::Kept | Change::Never => palette.text_weak,
        }),
    };
    let (width, height) = (object.label.bbox.width(), object.label.bbox.height());
    vec![
        Cell::new(file_name(&image.path)),
        Cell::new(&review.names[object.label.class]),
        Cell::new(format!("{width:.0}×{height:.0}")),
        object.scale.map_or_else(Cell::none, |scale| Cell::new(&review.scales[scale])),
        Cell::new(object.mask_cells.to_string()),
        outcome(view.of),
        outcome(view.against),
        change,
        Cell::number(image.distance),
        Cell::number(image.losses.get(view.of).copied()),
    ]
}

/// mAP and outcomes of every model.
fn models(ui: &mut Ui, Reviewed { review, sums, .. }: &Reviewed) {
    ui.spacing_mut().item_spacing.y = 0.0;
    let columns = [
        Column::text(t!("model"), 0.0, String::new()),
        Column::number("mAP50", 52.0, t!("As val measures it.")),
        Column::number("mAP50-95", 64.0, t!("As val measures it.")),
        Column::number(t!("found"), 52.0, t!("A box of the right class lies on the object.")),
        Column::number(t!("wrong"), 52.0, t!("A box of another class lies on the object.")),
        Column::number(t!("poor"), 48.0, t!("A box of the right class lies near the object, but too badly.")),
        Column::number(t!("missed"), 56.0, t!("Nothing is there.")),
    ];
    table::header(ui, &columns, None);
    for (index, model) in review.models.iter().enumerate() {
        let figure = |value: f64| if review.has_labels() { Cell::new(format!("{value:.3}")) } else { Cell::none() };
        let mut cells = vec![
            Cell::new(role_name(&model.role)).strong(),
            figure(model.evaluation.map50),
            figure(model.evaluation.map50_95),
        ];
        cells.extend(OutcomeKind::ALL.map(|kind| Cell::new(widgets::grouped(sums.all.count(index, kind) as usize))));
        let spoken = t!(
            "{model}: mAP50 {map50}, {found} found, {missed} missed",
            model = role_name(&model.role),
            map50 = format_args!("{:.3}", model.evaluation.map50),
            found = sums.all.count(index, OutcomeKind::Found),
            missed = sums.all.count(index, OutcomeKind::Missed)
        );
        ui.push_id(index, |ui| table::row(ui, &columns, &cells, false, Sense::hover(), &spoken));
    }
}

/// What one model won and lost against another, by class, size and scale.
fn changes(ui: &mut Ui, view: &ReviewView, Reviewed { review, sums, .. }: &Reviewed) {
    // Won and lost change places where the earlier model is looked at.
    let (pair, reversed) = match view.of > view.against {
        true => (Pairing { of: view.of, against: view.against }, false),
        false => (Pairing { of: view.against, against: view.of }, true),
    };
    let Some(at) = pairings(review.models.len()).iter().position(|known| *known == pair) else { return };
    if !review.has_labels() {
        return;
    }
    ui.add_space(palette::UNIT);
    let [of, against] = [view.of, view.against].map(|model| role_name(&review.models[model].role));
    ui.label(widgets::strong(t!("{model} against {other}", model = of, other = against)));
    let columns = [
        Column::text(t!("objects"), 0.0, t!("Classes, then sizes in px of the image, then scales.")),
        Column::number(t!("all"), 56.0, String::new()),
        Column::number(t!("won"), 56.0, t!("Found now, and not by the other.")),
        Column::number(t!("lost"), 56.0, t!("Found by the other, and not now.")),
        Column::number(t!("kept"), 56.0, t!("Found by both.")),
        Column::number(t!("never"), 56.0, t!("Found by neither.")),
    ];
    table::header(ui, &columns, None);
    let groups = std::iter::once(&sums.all).chain(&sums.by_class).chain(&sums.by_size).chain(&sums.by_scale);
    for (index, group) in groups.enumerate() {
        let Group { name, objects, changes, .. } = group;
        let [mut won, mut lost, kept, never] = changes[at];
        if reversed {
            std::mem::swap(&mut won, &mut lost);
        }
        let name = tr(name);
        let counts = [*objects, won, lost, kept, never].map(|count| widgets::grouped(count as usize));
        let cells: Vec<Cell> = std::iter::once(Cell::new(name)).chain(counts.map(Cell::new)).collect();
        let spoken = t!("{name}: {won} won, {lost} lost, {kept} kept, {never} never", name, won, lost, kept, never);
        ui.push_id(("group", index), |ui| table::row(ui, &columns, &cells, false, Sense::hover(), &spoken));
    }
}
