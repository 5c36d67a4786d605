//! The sheet of terms: the glossary on one page.

use egui::Ui;

use crate::glossary::Term;
use crate::language::tr;
use crate::palette;
use crate::ui::widgets;

/// Of the column of names.
const NAME: f32 = 176.0;

pub fn show(ui: &mut Ui) {
    widgets::sheet_area(ui).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = palette::HALF;
        for (title, terms) in Term::GROUPS {
            ui.label(widgets::strong(tr(title)));
            for term in terms {
                widgets::listed(ui, NAME, tr(term.name()), tr(term.explanation()));
            }
            ui.add_space(palette::UNIT);
        }
    });
}
