//! Small pieces that several panels share. Each draws and pushes commands; none changes the state.

use egui::{
    Button, CollapsingHeader, Color32, CursorIcon, FontId, Frame, Key, KeyboardShortcut, Label, Margin, ModifierNames,
    Response, RichText, ScrollArea, Sense, Shape, Ui, Widget, WidgetInfo, WidgetText, vec2,
};

use crate::app::command::Command;
use crate::app::state::State;
pub use crate::format::grouped;
use crate::glossary::Term;
pub use crate::language::counted;
use crate::language::tr;
use crate::palette::{self, Palette};
use crate::ui::style;

/// What every panel is given: the state to draw, and where its commands go.
pub struct Panel<'a> {
    pub state: &'a State,
    pub commands: &'a mut Vec<Command>,
}

impl Panel<'_> {
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }
}

/// Tooltip of a command: what it does, its keys, and why it cannot be had.
fn explain(ui: &mut Ui, command: &Command, state: &State) {
    ui.label(command.tooltip());
    if let Some(reason) = command.disabled(state) {
        ui.label(RichText::new(reason).color(Palette::of_theme(ui.visuals().dark_mode).warning));
    }
    if let Some(shortcut) = command.shortcuts().first() {
        ui.label(RichText::new(keys(ui, shortcut)).small().weak());
    }
}

impl Panel<'_> {
    /// A widget that sends a command when it is clicked, disabled while the command is.
    pub fn command(&mut self, ui: &mut Ui, command: Command, widget: impl Widget) -> Response {
        let state = self.state;
        let response = ui.add_enabled(command.disabled(state).is_none(), widget);
        let response = response
            .on_hover_ui(|ui| explain(ui, &command, state))
            .on_disabled_hover_ui(|ui| explain(ui, &command, state));
        if response.clicked() {
            self.push(command);
        }
        response
    }

    /// The same as a plain button.
    pub fn button(&mut self, ui: &mut Ui, command: Command, text: impl Into<WidgetText>) -> Response {
        self.command(ui, command, Button::new(text.into()))
    }

    /// One of a row of choices.
    pub fn choice(&mut self, ui: &mut Ui, command: Command, text: impl Into<WidgetText>) -> Response {
        let on = command.is_on(self.state);
        self.command(ui, command, Button::selectable(on, text.into()))
    }

    /// A menu entry: label, keys, and a check mark where it is in force.
    pub fn entry(&mut self, ui: &mut Ui, command: Command) {
        let keys = command.shortcuts().first().map(|shortcut| keys(ui, shortcut));
        let mut button = Button::new(command.label()).selected(command.is_on(self.state));
        if let Some(keys) = keys {
            button = button.shortcut_text(keys);
        }
        if self.command(ui, command, button).clicked() {
            ui.close();
        }
    }
}

/// A part of a panel that folds away. Returns its title.
pub fn section(ui: &mut Ui, title: &str, add: impl FnOnce(&mut Ui)) -> Response {
    section_as(ui, title, title, add)
}

/// The same, with a title that can change.
pub fn section_as(ui: &mut Ui, id: &str, title: &str, add: impl FnOnce(&mut Ui)) -> Response {
    let text = RichText::new(tr(title))
        .font(FontId::new(palette::SMALL, style::bold()))
        .color(Palette::of_theme(ui.visuals().dark_mode).text_weak);
    let header = CollapsingHeader::new(text).id_salt(id).default_open(true);
    let shown = header.show_unindented(ui, |ui| {
        add(ui);
        ui.add_space(palette::HALF);
    });
    ui.separator();
    shown.header_response
}

/// Text in the bold face.
pub fn strong(text: impl Into<String>) -> RichText {
    RichText::new(text).font(FontId::new(palette::BODY, style::bold()))
}

/// A sentence of explanation below a control.
pub fn note(ui: &mut Ui, text: &str) {
    ui.label(small(ui, text));
}

/// The same, with a term in it that may need explanation itself.
pub fn note_of(ui: &mut Ui, text: &str, term: Term) {
    ui.label(small(ui, text)).explained(term);
}

fn small(ui: &Ui, text: &str) -> RichText {
    RichText::new(text).size(palette::SMALL + 1.0).color(Palette::of_theme(ui.visuals().dark_mode).text_weak)
}

/// What the word of a label means, where the pointer rests on it.
pub trait Explained {
    fn explained(self, term: Term) -> Self;
}

impl Explained for Response {
    fn explained(self, term: Term) -> Self {
        self.on_hover_cursor(CursorIcon::Help).on_hover_text(tr(term.explanation()))
    }
}

/// A name in a column of its own, and what it means: where the pointer rests on it, and to a screen reader. Dots below
/// the name say that there is something to read.
pub fn name(ui: &mut Ui, width: f32, name: &str, help: &str) {
    let (rect, response) = ui.allocate_exact_size(vec2(width, 24.0), Sense::hover());
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let font = FontId::proportional(palette::BODY);
    let text = ui.painter().text(rect.left_center(), egui::Align2::LEFT_CENTER, name, font, palette.text_weak);
    let line = [text.left_bottom(), text.right_bottom()];
    ui.painter().extend(Shape::dotted_line(&line, palette.text_weak.gamma_multiply(0.5), 3.0, 0.6));
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, format!("{name}: {help}")));
    response.on_hover_cursor(CursorIcon::Help).on_hover_text(help);
}

/// A name before a control.
pub fn named(ui: &mut Ui, name: &str, help: &str, add: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        self::name(ui, 72.0, name, help);
        add(ui);
    });
}

/// What a screen reader says of a closed list: its name, and what is chosen.
pub fn combo(name: &str, chosen: &str) -> WidgetInfo {
    let mut info = WidgetInfo::labeled(egui::Role::ComboBox, true, name);
    info.current_text_value = Some(chosen.to_owned());
    info
}

/// A line of a list: a name in a column of its own, and what there is to say.
pub fn listed(ui: &mut Ui, width: f32, name: &str, text: &str) {
    ui.horizontal_top(|ui| {
        let rest = (ui.available_width() - width - ui.spacing().item_spacing.x).max(0.0);
        ui.allocate_ui(vec2(width, 0.0), |ui| {
            ui.set_width(width);
            ui.add(Label::new(RichText::new(name).color(Palette::of_theme(ui.visuals().dark_mode).accent)).wrap());
        });
        ui.allocate_ui(vec2(rest, 0.0), |ui| ui.add(Label::new(text).wrap()));
    });
}

/// For what may be higher than the window, in a sheet with a title above and a line below.
pub fn sheet_area(ui: &Ui) -> ScrollArea {
    let height = (ui.ctx().content_rect().height() - 176.0).max(96.0);
    // A sheet is as high as it was: without a least height it would never grow to what is in it.
    ScrollArea::vertical().min_scrolled_height(height).max_height(height).auto_shrink([false, true])
}

/// Something that lies on a panel.
pub fn card(ui: &Ui) -> Frame {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    Frame::new()
        .fill(palette.raised)
        .stroke(egui::Stroke::new(1.0, palette.hairline))
        .corner_radius(6)
        .inner_margin(Margin::symmetric(12, 8))
}

/// A filled dot, as a sign of who or how.
pub fn dot(ui: &mut Ui, color: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(10.0, 16.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.0, color);
    response
}

/// A filled square, as a sign of which ground truth.
pub fn chip(ui: &mut Ui, color: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(10.0, 16.0), Sense::hover());
    ui.painter().rect_filled(egui::Rect::from_center_size(rect.center(), egui::Vec2::splat(10.0)), 2.0, color);
    response
}

/// Keys as they are printed on a keyboard: "Ctrl+O", "]", "→".
pub fn keys(ui: &Ui, shortcut: &KeyboardShortcut) -> String {
    let sign = match shortcut.logical_key {
        Key::ArrowRight => "→",
        Key::ArrowLeft => "←",
        Key::ArrowUp => "↑",
        Key::ArrowDown => "↓",
        Key::Escape => "Esc",
        Key::PageDown => "Page down",
        Key::PageUp => "Page up",
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        Key::Plus => "+",
        Key::Equals => "=",
        Key::Minus => "−",
        Key::Comma => ",",
        Key::Period => ".",
        key => key.name(),
    };
    let names = if ui.ctx().os().is_mac() { ModifierNames::SYMBOLS } else { ModifierNames::NAMES };
    let modifiers = names.format(&shortcut.modifiers, ui.ctx().os().is_mac());
    if modifiers.is_empty() { sign.to_owned() } else { format!("{modifiers}{}{sign}", names.concat) }
}
