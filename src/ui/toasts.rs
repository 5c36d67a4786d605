//! Messages as they come: for some seconds at the edge of the picture, longer while the pointer rests on them. The
//! list of messages keeps them.

use egui::{Align2, Area, Frame, Id, Label, Order, RichText, Ui};

use crate::app::command::Command;
use crate::app::level::Level;
use crate::app::state::State;
use crate::language::t;
use crate::palette::Palette;
use crate::ui::widgets::{self, Panel};

/// More would hide the picture.
const MOST: usize = 4;
const WIDTH: f32 = 400.0;

#[derive(Clone, Debug)]
struct Toast {
    level: Level,
    text: String,
    remedy: Option<Command>,
    /// Seconds that it stays.
    left: f64,
}

#[derive(Clone, Debug, Default)]
pub struct Toasts {
    list: Vec<Toast>,
    /// When they were last drawn.
    drawn: f64,
}

impl Toasts {
    pub fn add(&mut self, level: Level, text: &str, remedy: Option<Command>) {
        let left = if level == Level::Error { 12.0 } else { 6.0 };
        self.list.push(Toast { level, text: shortened(text), remedy, left });
        let surplus = self.list.len().saturating_sub(MOST);
        self.list.drain(..surplus);
    }
}

/// Draws them upward from a corner: the lower right one of the picture.
pub fn show(ui: &Ui, state: &State, toasts: &mut Toasts, corner: egui::Pos2, commands: &mut Vec<Command>) {
    if toasts.list.is_empty() {
        return;
    }
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let area = Area::new(Id::unique("toasts")).order(Order::Foreground).pivot(Align2::RIGHT_BOTTOM).fixed_pos(corner);
    let mut closed = None;
    let shown = area.show(ui.ctx(), |ui| {
        ui.set_width(WIDTH);
        for (index, toast) in toasts.list.iter().enumerate() {
            let color = match toast.level {
                Level::Info => palette.accent,
                Level::Warning => palette.warning,
                Level::Error => palette.error,
            };
            Frame::window(ui.style()).inner_margin(12).show(ui, |ui| {
                ui.set_width(WIDTH - 24.0);
                ui.horizontal(|ui| {
                    widgets::dot(ui, color);
                    ui.vertical(|ui| {
                        ui.set_width(WIDTH - 80.0);
                        ui.add(Label::new(RichText::new(&toast.text).color(palette.text)).wrap());
                        if let Some(remedy) = &toast.remedy {
                            let label = remedy.label();
                            Panel { state, commands }.button(ui, remedy.clone(), label);
                        }
                    });
                    let close = ui.add(egui::Button::new("×").frame(false));
                    if close.on_hover_text(t!("Closes this note; Messages keeps it.")).clicked() {
                        closed = Some(index);
                    }
                });
            });
        }
    });
    if let Some(index) = closed {
        toasts.list.remove(index);
    }
    let rests = ui.input(|input| input.pointer.hover_pos()).is_some_and(|at| shown.response.rect.contains(at));
    // The clock of the frames: egui's own step pretends that a window at rest draws at full speed.
    let now = ui.input(|input| input.time);
    let passed = (now - toasts.drawn).clamp(0.0, 0.5);
    toasts.drawn = now;
    if !rests {
        toasts.list.iter_mut().for_each(|toast| toast.left -= passed);
        toasts.list.retain(|toast| toast.left > 0.0);
    }
    ui.ctx().request_repaint_after(std::time::Duration::from_millis(200));
}

/// A toast is read in passing: the list has the whole text.
fn shortened(text: &str) -> String {
    const LETTERS: usize = 240;
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    let start: String = text.chars().take(LETTERS).collect();
    t!("{start}… (see Messages)", start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_toast_points_to_the_list() {
        assert_eq!(shortened("short"), "short");
        let long = shortened(&"ψ".repeat(500));
        assert!(long.starts_with('ψ') && long.ends_with("… (see Messages)") && long.chars().count() < 270);
    }

    #[test]
    fn the_newest_stay() {
        let mut toasts = Toasts::default();
        for text in ["a", "b", "c", "d", "e"] {
            toasts.add(Level::Info, text, None);
        }
        assert_eq!(toasts.list.iter().map(|toast| toast.text.as_str()).collect::<Vec<_>>(), ["b", "c", "d", "e"]);
    }
}
