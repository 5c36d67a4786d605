//! A small table: a header that can sort, rows that can be chosen, numbers in columns. Only visible rows are drawn.

use egui::{
    Align, Align2, Color32, FontId, Rect, Response, Sense, Stroke, TextStyle, TextWrapMode, Ui, WidgetInfo, WidgetText,
    pos2, vec2,
};

use crate::language::t;
use crate::palette::{self, Palette};
use crate::ui::style;

/// Height of a row, in points.
pub const ROW: f32 = 20.0;

#[derive(Clone, Debug)]
pub struct Column {
    pub title: String,
    /// Points; 0 takes what the others leave.
    pub width: f32,
    pub align: Align,
    /// What the numbers below are, shown on hover.
    pub help: String,
}

impl Column {
    pub fn text(title: impl Into<String>, width: f32, help: impl Into<String>) -> Self {
        Self { title: title.into(), width, align: Align::Min, help: help.into() }
    }

    pub fn number(title: impl Into<String>, width: f32, help: impl Into<String>) -> Self {
        Self { title: title.into(), width, align: Align::Max, help: help.into() }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub text: String,
    /// The theme's text colour without one.
    pub color: Option<Color32>,
    pub strong: bool,
    /// A coloured square before the text.
    pub chip: Option<Color32>,
}

impl Cell {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A number, or a dash where there is none.
    pub fn number(value: Option<f64>) -> Self {
        value.map_or_else(Self::none, |value| Self::new(crate::format::significant(value)))
    }

    pub fn none() -> Self {
        Self::new("–")
    }

    pub const fn color(mut self, color: Color32) -> Self {
        self.color = Some(color);
        self
    }

    pub const fn strong(mut self) -> Self {
        self.strong = true;
        self
    }

    pub const fn chip(mut self, color: Color32) -> Self {
        self.chip = Some(color);
        self
    }
}

/// A column that orders the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: usize,
    pub descending: bool,
}

fn places(columns: &[Column], row: Rect) -> Vec<Rect> {
    let fixed: f32 = columns.iter().map(|column| column.width).sum();
    let free = (row.width() - fixed).max(0.0);
    let mut x = row.left();
    columns
        .iter()
        .map(|column| {
            let width = if column.width > 0.0 { column.width } else { free };
            let place = Rect::from_min_size(pos2(x, row.top()), vec2(width, row.height()));
            x += width;
            place
        })
        .collect()
}

/// The titles. The column that was clicked, where `sort` is given.
pub fn header(ui: &mut Ui, columns: &[Column], sort: Option<Option<Sort>>) -> Option<usize> {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let (row, whole) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    let mut clicked = None;
    for (index, (column, place)) in columns.iter().zip(places(columns, row)).enumerate() {
        let sense = if sort.is_some() { Sense::click() } else { Sense::hover() };
        // Of this row: tables beside each other share their scope.
        let response = ui.interact(place, whole.id.with(index), sense);
        let sorted = sort.flatten().filter(|sort| sort.column == index);
        let mark = match sorted {
            Some(Sort { descending: true, .. }) => " ▼",
            Some(Sort { descending: false, .. }) => " ▲",
            None => "",
        };
        let color = if response.hovered() && sort.is_some() { palette.text } else { palette.text_weak };
        let text = format!("{}{mark}", column.title);
        paint(ui, place, column.align, &Cell::new(text).color(color), palette::SMALL);
        if !column.title.is_empty() {
            let (role, name) = match sort {
                Some(_) => (egui::Role::Button, t!("Sort by {column}", column = column.title)),
                None => (egui::Role::Label, column.title.clone()),
            };
            let name = if column.help.is_empty() { name } else { format!("{name}: {}", column.help) };
            response.widget_info(|| WidgetInfo::labeled(role, true, &name));
        }
        if response.clicked() {
            clicked = Some(index);
        }
        if !column.help.is_empty() {
            let response = if sort.is_some() { response } else { response.on_hover_cursor(egui::CursorIcon::Help) };
            response.on_hover_text(&column.help);
        }
    }
    ui.painter().hline(row.x_range(), row.bottom(), Stroke::new(1.0, palette.hairline));
    clicked
}

/// One row. `name` is what a screen reader says.
pub fn row(ui: &mut Ui, columns: &[Column], cells: &[Cell], selected: bool, sense: Sense, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), sense);
    if ui.is_rect_visible(rect) {
        let visuals = ui.visuals();
        if selected {
            ui.painter().rect_filled(rect, 2.0, visuals.selection.bg_fill);
        } else if response.hovered() && sense.senses_click() {
            ui.painter().rect_filled(rect, 2.0, visuals.widgets.hovered.weak_bg_fill);
        }
        if response.has_focus() {
            let stroke = Stroke::new(1.0, Palette::of_theme(ui.visuals().dark_mode).accent);
            ui.painter().rect_stroke(rect, 2.0, stroke, egui::StrokeKind::Inside);
        }
        for ((column, place), cell) in columns.iter().zip(places(columns, rect)).zip(cells) {
            paint(ui, place, column.align, cell, palette::BODY);
        }
    }
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, selected, name));
    response
}

fn paint(ui: &Ui, place: Rect, align: Align, cell: &Cell, size: f32) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let mut place = place.shrink2(vec2(palette::HALF, 0.0));
    if let Some(chip) = cell.chip {
        let square = Rect::from_center_size(pos2(place.left() + 5.0, place.center().y), vec2(10.0, 10.0));
        ui.painter().rect_filled(square, 2.0, chip);
        place.min.x += 16.0;
    }
    let font = if cell.strong { FontId::new(size, style::bold()) } else { FontId::proportional(size) };
    let color = cell.color.unwrap_or(palette.text);
    let text = WidgetText::from(egui::RichText::new(&cell.text).font(font).color(color));
    let galley = text.into_galley(ui, Some(TextWrapMode::Truncate), place.width().max(0.0), TextStyle::Body);
    let anchor = match align {
        Align::Max => Align2::RIGHT_CENTER,
        _ => Align2::LEFT_CENTER,
    };
    let at = match align {
        Align::Max => place.right_center(),
        _ => place.left_center(),
    };
    let rect = anchor.anchor_size(at, galley.size());
    ui.painter().galley(rect.min, galley, color);
}
