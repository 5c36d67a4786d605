//! The sheet that saves a figure: what it is of, how it is written, where it goes, and what it will look like.

use std::sync::{Arc, Weak};

use egui::{
    Align2, Button, Checkbox, ColorImage, DragValue, FontId, Image, RichText, ScrollArea, Sense, TextEdit,
    TextureHandle, TextureOptions, Ui, WidgetInfo, load::SizedTexture, vec2,
};
use image::RgbaImage;

use crate::app::command::Command;
use crate::app::derive::figure::{availability, steps_shown, suggested};
use crate::app::figure::{FigureSheet, FigureWhat};
use crate::app::state::Overlay;
use crate::figure::movie::{MovieChoice, MovieFormat};
use crate::figure::{Background, FigureChoice, FigureFormat, Look, SvgText};
use crate::language::{counted, t, tr};
use crate::palette::{self, Palette};
use crate::ui::overlays::sheet;
use crate::ui::widgets::{Panel, named, note};
use crate::worker::JobKind;

const WIDTH: f32 = 760.0;
const PREVIEW: f32 = 320.0;
/// Printed widths on offer, in mm: a column and a page of most journals.
const COLUMN_MM: f32 = 88.0;
const PAGE_MM: f32 = 180.0;

/// The preview as a texture, and of which picture.
#[derive(Default)]
pub struct FigureMemory(Option<(Weak<RgbaImage>, TextureHandle)>);

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, memory: &mut FigureMemory) {
    if panel.state.overlay != Some(Overlay::Figure) {
        memory.0 = None;
        return;
    }
    sheet(ui, panel, t!("Save a figure"), Command::OpenFigure(None), WIDTH, |ui, panel| {
        let mut next = panel.state.figure.sheet.clone();
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                ui.set_width(WIDTH - PREVIEW - 24.0);
                of_what(ui, panel, &mut next);
                match next.what {
                    FigureWhat::Movie => movie(ui, &mut next.settings.movie),
                    _ => how(ui, panel, &mut next.settings.choice),
                }
                place(ui, panel, &mut next);
            });
            ui.add_space(palette::UNIT);
            ui.vertical(|ui| preview(ui, panel, memory));
        });
        ui.add_space(palette::UNIT);
        ending(ui, panel);
        if next != panel.state.figure.sheet {
            panel.push(Command::EditFigure(Box::new(next)));
        }
    });
}

fn of_what(ui: &mut Ui, panel: &Panel<'_>, sheet: &mut FigureSheet) {
    let state = panel.state;
    let plot = match sheet.what {
        FigureWhat::Curves(plot) => plot,
        _ => None,
    };
    let curves = match plot {
        Some(plot) => t!("{plot} curves", plot = tr(plot.name())),
        None => t!("the plots").to_owned(),
    };
    let choices = [
        (FigureWhat::View, t!("this view").to_owned(), t!("Layer, scales, boxes, colours and range as on screen.")),
        (FigureWhat::Step, t!("this step").to_owned(), t!("The step of the talk that is on stage.")),
        (FigureWhat::Story, t!("the story").to_owned(), t!("Every step that can be told, a figure each, in a folder.")),
        (FigureWhat::Curves(plot), curves, t!("The curves of the runs as the plots show them.")),
        (FigureWhat::Movie, t!("a movie").to_owned(), t!("The maps and curves of a run through its time.")),
        (FigureWhat::Survey, t!("the survey").to_owned(), t!("The mask survey as its tab shows it.")),
        (
            FigureWhat::Review,
            t!("the review").to_owned(),
            t!("Its curves, confusion and calibration, a figure each, in a folder."),
        ),
    ];
    // What is on screen is the stage while a talk is on.
    let hidden = if state.talk.on { FigureWhat::View } else { FigureWhat::Step };
    named(ui, t!("Figure of"), t!("What the figure shows."), |ui| {
        ui.horizontal_wrapped(|ui| {
            for (what, name, help) in choices.into_iter().filter(|(what, ..)| *what != hidden) {
                let missing = availability(state, what).err().map(tr);
                let button = Button::selectable(sheet.what == what, name);
                let response = ui.add_enabled(missing.is_none(), button);
                if response.clicked() {
                    sheet.what = what;
                }
                response.on_hover_text(help).on_disabled_hover_text(missing.unwrap_or_default());
            }
        });
    });
    if sheet.what == FigureWhat::Story
        && let Some((shown, missing)) = steps_shown(state)
    {
        let names: Vec<&str> = missing.iter().map(|step| tr(step.title())).collect();
        let figures = counted(shown.len(), "figure", "figures");
        note(
            ui,
            &match names.as_slice() {
                [] => figures,
                names => t!("{figures}; not told yet: {steps}", figures, steps = names.join(", ")),
            },
        );
    }
}

fn how(ui: &mut Ui, panel: &Panel<'_>, choice: &mut FigureChoice) {
    named(
        ui,
        t!("Files"),
        t!("PNG is made of pixels; SVG of lines, text and curves, with maps as pictures in it."),
        |ui| {
            for format in FigureFormat::ALL {
                let mut on = choice.formats.contains(&format);
                let help = match format {
                    FigureFormat::Png => t!("Pixels: for slides, posts and word processors."),
                    FigureFormat::Svg => t!("Vectors: for papers, and to edit further."),
                };
                if ui.add(Checkbox::new(&mut on, format.name())).on_hover_text(help).changed() {
                    choice.formats.retain(|other| *other != format);
                    if on {
                        choice.formats.push(format);
                    }
                    choice.formats.sort_by_key(|format| format.name());
                }
            }
        },
    );
    let [png, svg] = FigureFormat::ALL.map(|format| choice.formats.contains(&format));
    named(
        ui,
        t!("PNG scale"),
        t!("Pixels of the PNG a figure unit; text of 10.5 units is 10.5 px high at 1×."),
        |ui| {
            ui.add_enabled_ui(png, |ui| {
                for scale in FigureChoice::SCALES {
                    let text = format!("{scale}×");
                    ui.selectable_value(&mut choice.scale, scale, text).on_hover_text(t!("More pixels, larger files."));
                }
                if let Some(Ok(preview)) = &panel.state.figure.preview {
                    let [width, height] = preview.units.map(|side| (side * f32::from(choice.scale)).ceil());
                    ui.label(
                        RichText::new(format!("{width}×{height} px"))
                            .color(Palette::of_theme(ui.visuals().dark_mode).text_weak),
                    );
                }
            });
        },
    );
    named(ui, t!("SVG text"), t!("What letters become in the SVG."), |ui| {
        ui.add_enabled_ui(svg, |ui| {
            ui.selectable_value(&mut choice.svg_text, SvgText::Text, t!("text")).on_hover_text(t!(
                "Can be searched and edited; without Roboto a viewer takes another font at the same width."
            ));
            ui.selectable_value(&mut choice.svg_text, SvgText::Outlines, t!("outlines"))
                .on_hover_text(t!("The same in every viewer, and no text any more."));
        });
    });
    named(ui, t!("Ground"), t!("What lies behind the figure."), |ui| {
        ui.selectable_value(&mut choice.look.background, Background::White, t!("white"))
            .on_hover_text(t!("Paper white."));
        ui.selectable_value(&mut choice.look.background, Background::Transparent, t!("transparent"))
            .on_hover_text(t!("The page or a light slide shows through; text stays dark."));
    });
    width(ui, &mut choice.look.width_mm);
}

fn movie(ui: &mut Ui, choice: &mut MovieChoice) {
    named(ui, t!("Files"), t!("What the movie is written as."), |ui| {
        for format in MovieFormat::ALL {
            let help = match format {
                MovieFormat::WebP => t!("Every colour, in a small file: for slides and web pages."),
                MovieFormat::Gif => t!("256 colours a picture; shown everywhere."),
                MovieFormat::Png => t!("Numbered pictures, in a folder."),
            };
            ui.selectable_value(&mut choice.format, format, format.name()).on_hover_text(help);
        }
    });
    let spin = |ui: &mut Ui, drag: DragValue<'_>, value: f64, name: &str, help: &str| {
        let response = ui.add(drag).on_hover_text(help);
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(egui::Role::SpinButton, true, name);
            info.value = Some(value);
            info
        });
        response.changed()
    };
    let help = t!("Of every picture, 160 to 3840 px.");
    named(ui, t!("Width"), help, |ui| {
        let value = f64::from(choice.width);
        let drag = DragValue::new(&mut choice.width).range(MovieChoice::WIDTHS).speed(4.0).suffix(" px");
        spin(ui, drag, value, t!("Width of the movie"), help);
    });
    let help = t!("How long it lasts; 0.15 s a map unless you say otherwise.");
    named(ui, t!("Lasts"), help, |ui| {
        if ui.selectable_label(choice.seconds.is_none(), t!("as it plays")).on_hover_text(help).clicked() {
            choice.seconds = None;
        }
        let now = choice.seconds.unwrap_or(8.0);
        let mut seconds = now;
        let drag = DragValue::new(&mut seconds).range(0.5..=MovieChoice::MOST_SECONDS).speed(0.1).max_decimals(1);
        if spin(ui, drag.suffix(" s"), now, t!("Length of the movie"), help) {
            choice.seconds = Some(seconds);
        }
    });
}

fn width(ui: &mut Ui, width_mm: &mut Option<f32>) {
    named(ui, t!("Width"), t!("The width at which it is printed: every text is at least 6.5 pt high there."), |ui| {
        if ui
            .selectable_label(width_mm.is_none(), t!("for the screen"))
            .on_hover_text(t!("Laid out for a screen or a slide, at whatever size it needs."))
            .clicked()
        {
            *width_mm = None;
        }
        for (mm, name) in [(COLUMN_MM, t!("column")), (PAGE_MM, t!("page"))] {
            let help = t!("{width} mm: a {name} of most journals.", width = mm, name);
            if ui.selectable_label(*width_mm == Some(mm), name).on_hover_text(help).clicked() {
                *width_mm = Some(mm);
            }
        }
        let mut mm = width_mm.unwrap_or(COLUMN_MM);
        let drag = DragValue::new(&mut mm).range(Look::WIDTHS_MM).speed(0.5).max_decimals(1).suffix(" mm");
        let response = ui.add(drag).on_hover_text(t!("Any width from 40 to 600 mm."));
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(egui::Role::SpinButton, true, t!("Printed width"));
            info.value = Some(f64::from(mm));
            info
        });
        if response.changed() {
            *width_mm = Some(mm);
        }
    });
}

fn place(ui: &mut Ui, panel: &mut Panel<'_>, sheet: &mut FigureSheet) {
    let suggested = suggested(panel.state);
    let help = t!("Where it goes; the folder is made where it is not there.");
    named(ui, t!("Folder"), help, |ui| {
        let mut folder = sheet.settings.folder.display().to_string();
        let response = ui.add(TextEdit::singleline(&mut folder).desired_width(220.0)).on_hover_text(help);
        response.widget_info(|| text_info(&folder, t!("Folder for figures")));
        if response.changed() {
            sheet.settings.folder = folder.trim().into();
        }
        panel.button(ui, Command::BrowseFigureFolder, t!("Choose…"));
    });
    let help = match sheet.what {
        FigureWhat::Story => t!("Of a folder in it that holds all of them."),
        _ => t!("Without an extension; empty, it follows what is shown."),
    };
    named(ui, t!("Name"), help, |ui| {
        let mut name = sheet.name.clone().unwrap_or_default();
        let field = TextEdit::singleline(&mut name).desired_width(220.0).hint_text(suggested);
        let response = ui.add(field).on_hover_text(help);
        response.widget_info(|| text_info(&name, t!("Name of the figure")));
        if response.changed() {
            sheet.name = Some(name).filter(|name| !name.is_empty());
        }
        let replace = Checkbox::new(&mut sheet.settings.replace, t!("replace"));
        ui.add(replace).on_hover_text(t!("Writes over files of this name; off, the next free number is added."));
    });
}

fn text_info(text: &str, label: &str) -> WidgetInfo {
    let mut info = WidgetInfo::labeled(egui::Role::TextInput, true, label);
    info.current_text_value = Some(text.to_owned());
    info
}

fn preview(ui: &mut Ui, panel: &Panel<'_>, memory: &mut FigureMemory) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let (place, response) = ui.allocate_exact_size(vec2(PREVIEW, PREVIEW), Sense::hover());
    ui.painter().rect_filled(place, 4.0, palette.canvas);
    let state = panel.state;
    let text = match (availability(state, state.figure.sheet.what), &state.figure.preview) {
        (Err(why), _) => tr(why).to_owned(),
        (Ok(_), None) => t!("Drawing…").to_owned(),
        (Ok(_), Some(Err(why))) => why.clone(),
        (Ok(_), Some(Ok(preview))) => {
            let texture = memory.texture(ui, &preview.picture);
            let [width, height] = preview.units;
            let scale = (PREVIEW / width.max(height)).min(1.0);
            let size = vec2(width, height) * scale;
            let at = Align2::CENTER_CENTER.anchor_size(place.center(), size);
            // Paper, and behind what is transparent the slide that it might lie on.
            let ground = match state.figure.sheet.settings.choice.look.background {
                Background::White => egui::Color32::WHITE,
                Background::Transparent => egui::Color32::from_gray(225),
            };
            ui.painter().rect_filled(at, 0.0, ground);
            Image::from_texture(SizedTexture::new(texture, size)).paint_at(ui, at);
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, t!("Preview of the figure")));
            return;
        }
    };
    let font = FontId::proportional(palette::BODY);
    let galley = ui.painter().layout(text.clone(), font, palette.text_weak, PREVIEW - 32.0);
    let at = Align2::CENTER_CENTER.anchor_size(place.center(), galley.size());
    ui.painter().galley(at.min, galley, palette.text_weak);
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, &text));
}

impl FigureMemory {
    fn texture(&mut self, ui: &Ui, picture: &Arc<RgbaImage>) -> egui::TextureId {
        let pixels = || {
            let size = [picture.width() as usize, picture.height() as usize];
            ColorImage::from_rgba_unmultiplied(size, picture.as_raw())
        };
        match &mut self.0 {
            Some((shown, texture)) if shown.as_ptr() == Arc::as_ptr(picture) => texture.id(),
            Some((shown, texture)) => {
                *shown = Arc::downgrade(picture);
                texture.set(pixels(), TextureOptions::LINEAR);
                texture.id()
            }
            None => {
                let texture = ui.ctx().load_texture("figure", pixels(), TextureOptions::LINEAR);
                let id = texture.id();
                self.0 = Some((Arc::downgrade(picture), texture));
                id
            }
        }
    }
}

/// The button, and how the last save ended.
fn ending(ui: &mut Ui, panel: &mut Panel<'_>) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let state = panel.state;
    ui.horizontal(|ui| {
        let text = RichText::new(t!("Save")).color(palette.on_accent);
        let save = panel.command(ui, Command::WriteFigure, Button::new(text).fill(palette.accent));
        save.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, t!("Save the figure")));
        if state.activity(JobKind::Figure).is_some() {
            ui.spinner();
        }
        let (text, color) = match (&state.figure.outcome, Command::WriteFigure.disabled(state)) {
            (Some(Ok(text)), _) => (text.as_str(), palette.good),
            (Some(Err(why)), _) => (why.as_str(), palette.error),
            (None, Some(reason)) => (reason, palette.text_weak),
            (None, None) => return,
        };
        ScrollArea::horizontal().id_salt("outcome").show(ui, |ui| {
            ui.add(egui::Label::new(RichText::new(text).color(color)).selectable(true).extend());
        });
    });
}
