//! The label doctor: labels, and places without one, where the teacher disagrees strongly. A click opens the image there.

use egui::{ScrollArea, Sense, Ui};

use crate::app::command::Command;
use crate::app::review::{Reviewed, suspicion_explanation, suspicion_name};
use crate::files::file_name;
use crate::language::{t, tr};
use crate::palette::Palette;
use crate::review::doctor::Finding;
use crate::ui::table::{self, Cell, Column};
use crate::ui::widgets::{Panel, note};

pub(super) fn show(ui: &mut Ui, panel: &mut Panel<'_>, reviewed: &Reviewed) {
    let (review, findings) = (&*reviewed.review, &reviewed.findings);
    if findings.is_empty() {
        note(ui, t!("No label is disputed."));
        return;
    }
    let columns = [
        Column::text(t!("image"), 0.0, t!("Click a row to open the image; where there is a label, with it alone.")),
        Column::text(t!("doubt"), 128.0, t!("What may be wrong with the label; nothing is changed in it.")),
        Column::number(t!("strength"), 72.0, t!("How strongly teacher and label disagree, from 0 to 1.")),
        Column::text(t!("label"), 96.0, t!("The class that the label says.")),
        Column::text(t!("teacher"), 96.0, t!("The class that the teacher says.")),
        Column::number(t!("confidence"), 88.0, t!("Of the teacher.")),
        Column::number("IoU", 56.0, t!("Of the teacher's box with the label.")),
    ];
    ui.spacing_mut().item_spacing.y = 0.0;
    table::header(ui, &columns, None);
    let name = |class: Option<usize>| class.map_or("–", |class| review.names[class].as_str());
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let area = ScrollArea::vertical().id_salt("doubts").auto_shrink([false, false]);
    area.show_rows(ui, table::ROW, findings.len(), |ui, visible| {
        for index in visible {
            let Finding { suspicion, strength, image, object, teacher, .. } = &findings[index];
            let file = file_name(&review.images[*image].path);
            let doubt = tr(suspicion_name(*suspicion));
            let label = name(object.map(|object| review.objects[object].label.class));
            let says = name(teacher.map(|seen| seen.detection.class));
            let cells = [
                Cell::new(&file),
                Cell::new(doubt).color(palette.warning),
                Cell::new(format!("{strength:.2}")),
                Cell::new(label),
                Cell::new(says),
                teacher.map_or_else(Cell::none, |seen| Cell::new(format!("{:.2}", seen.detection.score))),
                teacher.map_or_else(Cell::none, |seen| Cell::new(format!("{:.2}", seen.iou))),
            ];
            let spoken = t!("{doubt} in {image}: {label}, {teacher}", doubt, image = file, label, teacher = says);
            let on = object.is_some() && panel.state.review.chosen == *object;
            let row = ui.push_id(index, |ui| table::row(ui, &columns, &cells, on, Sense::click(), &spoken)).inner;
            if row.on_hover_text(tr(suspicion_explanation(*suspicion))).clicked() {
                panel.push(Command::OpenDoubt(index));
            }
        }
    });
}
