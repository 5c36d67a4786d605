//! BATCH: the images that a step of the run learns from, augmented, with their boxes and the cells that are imitated.

use std::sync::Arc;

use egui::{
    Align, Button, Color32, ColorImage, DragValue, FontId, Frame, Id, Label, Layout, Modal, Rect, RichText, ScrollArea,
    Sense, Stroke, StrokeKind, TextureHandle, TextureId, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use image::RgbImage;

use crate::app::command::Command;
use crate::app::state::Overlay;
use crate::app::view::Camera;
use crate::dataset::Warning;
use crate::drawing::{Content, layers};
use crate::files::file_name;
use crate::inspect::{SceneLabel, class_name};
use crate::language::t;
use crate::palette::{self, Palette};
use crate::ui::canvas::maps::Identity;
use crate::ui::canvas::projection::Projection;
use crate::ui::canvas::{paint, texels};
use crate::ui::widgets::{self, Panel, note};
use crate::worker::{BatchPreview, PreviewImage};

/// A picture is about so wide, in points: as wide as lets a row of them be seen whole.
const WIDTHS: std::ops::RangeInclusive<f32> = 144.0..=240.0;
/// Of a line below a picture.
const LINE: f32 = 16.0;
/// Lines below each: its name, what is in it, and what is odd about it.
const LINES: f32 = 3.0 * LINE;
/// What a large picture leaves of the window, on both axes.
const AROUND: egui::Vec2 = vec2(96.0, 176.0);
/// Points per input px below which a picture is too small for every name.
const REDUCED: f32 = 0.5;
/// Steps that can be asked for.
const LAST_STEP: u64 = 9_999_999;

/// Textures by the place in the batch, each made when what it shows has changed.
#[derive(Default)]
pub struct BatchTextures {
    small: Vec<Pair>,
    large: Pair,
}

/// A picture and the mask over it.
#[derive(Default)]
struct Pair {
    picture: Option<(Identity<RgbImage>, TextureHandle)>,
    mask: Option<(MaskKey, TextureHandle)>,
}

/// Which mask of which image.
#[derive(PartialEq)]
struct MaskKey {
    preview: Identity<BatchPreview>,
    place: usize,
    /// The stride; `None` is any scale.
    scale: Option<u32>,
}

pub fn show(ui: &mut Ui, panel: &mut Panel<'_>, textures: &mut BatchTextures) {
    let state = panel.state;
    let view = &state.runs.batch;
    header(ui, panel);
    if let Some(why) = state.runs.form.batch_problem() {
        note(ui, &why);
        return;
    }
    if let Some(error) = &view.error {
        let text = RichText::new(error).color(Palette::of_theme(ui.visuals().dark_mode).error);
        ui.add(Label::new(text).wrap());
    }
    let Some(preview) = &view.shown else {
        if view.is_waiting() {
            note(ui, t!("The batch is being made…"));
        }
        return;
    };
    textures.small.resize_with(preview.images.len(), Pair::default);
    let count = preview.images.len() + preview.warnings.len();
    let gap = palette::UNIT;
    let width = ui.available_width() - gap;
    let aspect = preview.input.height as f32 / preview.input.width.max(1) as f32;
    let wanted = ((ui.available_height() - LINES) / aspect).clamp(*WIDTHS.start(), *WIDTHS.end());
    let columns = (((width + gap) / (wanted + gap)).ceil() as usize).max(1);
    let side = (width - (columns - 1) as f32 * gap) / columns as f32;
    let tile = vec2(side, side * aspect + LINES);
    ui.spacing_mut().item_spacing = vec2(gap, gap);
    let area = ScrollArea::vertical().id_salt("batch").auto_shrink([false, false]);
    area.show_rows(ui, tile.y, count.div_ceil(columns), |ui, rows| {
        for row in rows {
            ui.horizontal(|ui| {
                for place in (row * columns..count).take(columns) {
                    let (rect, response) = ui.allocate_exact_size(tile, Sense::click());
                    match preview.images.get(place) {
                        Some(image) => {
                            image_tile(ui, panel, rect, preview, place, &mut textures.small[place]);
                            let name = spoken(place, image);
                            response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &name));
                            let hover = format!("{}\n{}", image.path.display(), t!("Click to see it large."));
                            if response.on_hover_text(hover).clicked() {
                                panel.push(Command::ShowBatchImage(place));
                            }
                        }
                        None => {
                            if let Some(warning) = preview.warnings.get(place - preview.images.len()) {
                                unreadable_tile(ui, rect.with_max_y(rect.bottom() - LINES), warning);
                                response
                                    .widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, warning.to_string()));
                                response.on_hover_text(warning.to_string());
                            }
                        }
                    }
                }
            });
        }
    });
}

/// Which batch it is, and what of it is shown.
fn header(ui: &mut Ui, panel: &mut Panel<'_>) {
    let state = panel.state;
    let view = &state.runs.batch;
    ui.horizontal(|ui| {
        for (step, sign) in [(-1, "◀"), (1, "▶")] {
            let command = Command::StepBatch(step);
            let label = command.label();
            let response = panel.command(ui, command, Button::new(sign));
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &label));
        }
        let mut step = view.step;
        let response = ui.add(DragValue::new(&mut step).range(0..=LAST_STEP).speed(0.1).prefix(t!("step ")));
        response.widget_info(|| {
            let mut info = WidgetInfo::new(egui::Role::SpinButton);
            info.label = Some(t!("Step of the batch").to_owned());
            info
        });
        if response.on_hover_text(Command::SeekBatch(0).tooltip()).changed() {
            panel.push(Command::SeekBatch(step));
        }
        if let Some(preview) = &view.shown {
            ui.label(position(preview));
            troubles(ui, preview);
        }
        if view.is_waiting() {
            ui.spinner();
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            panel.button(ui, Command::RemakeBatch, t!("Read again"));
            ui.separator();
            over_pictures(ui, panel);
        });
    });
}

/// What lies over the pictures; from the right to the left.
fn over_pictures(ui: &mut Ui, panel: &mut Panel<'_>) {
    panel.choice(ui, Command::ToggleLabels, t!("boxes"));
    for scale in panel.state.runs.batch.shown.iter().flat_map(|preview| preview.scales.iter().rev()) {
        panel.choice(ui, Command::SetBatchScale(Some(scale.stride)), scale.name());
    }
    panel.choice(ui, Command::SetBatchScale(None), t!("all scales"));
    ui.label(RichText::new(t!("Mask")).weak());
}

/// "epoch 0 · batch 2 of 5 · 16 images of 640 × 640 px".
fn position(preview: &BatchPreview) -> String {
    let images = widgets::counted(preview.images.len(), "image", "images");
    let size = preview.input;
    t!(
        "epoch {epoch} · batch {batch} of {per_epoch} · {images} of {width} × {height} px",
        epoch = preview.epoch,
        batch = preview.index + 1,
        per_epoch = preview.per_epoch,
        images,
        width = size.width,
        height = size.height
    )
}

/// What is missing from the batch.
fn troubles(ui: &mut Ui, preview: &BatchPreview) {
    let mut parts = Vec::new();
    if preview.skipped > 0 {
        parts.push(t!("{images} skipped", images = widgets::counted(preview.skipped, "image", "images")));
    }
    if preview.left_out > 0 {
        parts.push(t!("{count} of the split left out", count = preview.left_out));
    }
    if !parts.is_empty() {
        let text = RichText::new(parts.join(t!(", "))).color(Palette::of_theme(ui.visuals().dark_mode).warning);
        ui.label(text).on_hover_text(t!("Images that cannot be read; Messages and the tiles below name them."));
    }
}

/// "5 boxes · 312 mask cells".
fn facts(image: &PreviewImage) -> String {
    let boxes = widgets::counted(image.labels.len(), "box", "boxes");
    format!("{boxes} · {}", widgets::counted(image.mask_cells(), "mask cell", "mask cells"))
}

/// What is odd about an image, and whether that deserves attention.
fn remark(image: &PreviewImage) -> (String, bool) {
    let (left, before, unmarked) = (image.labels.len(), image.source_boxes, image.unmarked());
    let cut = before.saturating_sub(left);
    match (left, before, unmarked) {
        (0, 0, _) => (t!("no boxes: nothing is imitated").to_owned(), true),
        (0, before, _) => (t!("no box left of {before}: nothing is imitated", before), true),
        (left, _, unmarked) if unmarked == left => (t!("its boxes mark no cell").to_owned(), true),
        (left, _, unmarked) if unmarked > 0 => (t!("{unmarked} of {left} boxes mark no cell", unmarked, left), true),
        (_, before, _) if cut > 0 => (t!("{cut} of {before} boxes cut away", cut, before), false),
        _ => (String::new(), false),
    }
}

/// What a screen reader says of an image.
fn spoken(place: usize, image: &PreviewImage) -> String {
    let (remark, _) = remark(image);
    let mut parts = vec![t!("Image {place}: {file}", place, file = file_name(&image.path)), facts(image), remark];
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

fn image_tile(ui: &Ui, panel: &Panel<'_>, rect: Rect, preview: &Arc<BatchPreview>, place: usize, textures: &mut Pair) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let image = &preview.images[place];
    let (body, lines) = rect.split_top_bottom_at_y(rect.bottom() - LINES);
    picture(ui, panel, body, preview, place, &image.small, textures);
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let (remark, alarming) = remark(image);
    let texts = [
        (file_name(&image.path), palette.text),
        (facts(image), palette.text_weak),
        (remark, if alarming { palette.warning } else { palette.text_weak }),
    ];
    for (line, (text, color)) in texts.into_iter().enumerate() {
        let galley = paint::one_line(&painter, text, FontId::proportional(palette::SMALL), color, lines.width());
        painter.galley(lines.min + vec2(0.0, 1.0 + line as f32 * (LINE - 1.0)), galley, color);
    }
}

/// The place of a file that cannot be used.
fn unreadable_tile(ui: &Ui, rect: Rect, warning: &Warning) {
    let palette = Palette::of_theme(ui.visuals().dark_mode);
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.rect_filled(rect, 2.0, palette.raised);
    painter.rect_stroke(rect, 2.0, Stroke::new(1.0, palette.warning), StrokeKind::Inside);
    let inner = rect.shrink(palette::UNIT);
    let text = format!("{}\n{}", file_name(&warning.file), warning.message);
    let galley = painter.layout(text, FontId::proportional(palette::SMALL), palette.warning, inner.width());
    painter.galley(inner.min, galley, palette.warning);
}

/// Pixels, mask and boxes in a rectangle of the input's shape.
fn picture(
    ui: &Ui,
    panel: &Panel<'_>,
    rect: Rect,
    preview: &Arc<BatchPreview>,
    place: usize,
    pixels: &Arc<RgbImage>,
    textures: &mut Pair,
) {
    const WHOLE: Rect = Rect { min: pos2(0.0, 0.0), max: pos2(1.0, 1.0) };
    let state = panel.state;
    let view = &state.runs.batch;
    let image = &preview.images[place];
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let limit = ui.input(|input| input.max_texture_side);
    let photograph = texture(ui, &mut textures.picture, Identity::of(pixels), TextureOptions::LINEAR, || {
        texels::photograph(pixels, limit)
    });
    painter.image(photograph, rect, WHOLE, Color32::WHITE);

    let scale = view.scale_in(preview);
    let shown = scale.or_else(|| (0..preview.scales.len()).min_by_key(|&index| preview.scales[index].stride));
    if let Some(stride) = shown.map(|index| preview.scales[index].stride).filter(|_| image.mask_cells() > 0) {
        let scale_shown = scale.map(|index| preview.scales[index].stride);
        let key = MaskKey { preview: Identity::of(preview), place, scale: scale_shown };
        let mut size = egui::Vec2::ZERO;
        let mask = texture(ui, &mut textures.mask, key, TextureOptions::NEAREST, || {
            let grid = preview.mask(image, scale);
            let paint = |&value: &f32| if value > 0.0 { palette::PIN } else { Color32::TRANSPARENT };
            ColorImage::new([grid.width(), grid.height()], grid.values().iter().map(paint).collect())
        });
        if let Some((_, texture)) = &textures.mask {
            size = texture.size_vec2();
        }
        let covered = size * stride as f32 / vec2(preview.input.width as f32, preview.input.height as f32);
        let place = Rect::from_min_size(rect.min, rect.size() * covered);
        painter.image(mask, place, WHOLE, Color32::WHITE.gamma_multiply(state.view.opacity));
    }
    if state.view.labels {
        let projection = Projection::new(Camera::Fit, preview.input, rect);
        let named = image.labels.iter().map(|label| SceneLabel {
            class: label.class,
            name: class_name(&preview.names, label.class),
            bbox: label.bbox,
        });
        let labels: Vec<SceneLabel> = named.collect();
        let boxes = layers::picture(&Content { labels: labels.iter().enumerate().collect(), ..Content::default() });
        paint::picture(&painter, &projection, &boxes, None, projection.zoom < REDUCED);
    }
}

/// The texture that shows `key`, painted anew when it shows something else.
fn texture<K: PartialEq>(
    ui: &Ui,
    slot: &mut Option<(K, TextureHandle)>,
    key: K,
    options: TextureOptions,
    make: impl FnOnce() -> ColorImage,
) -> TextureId {
    match slot {
        Some((shown, texture)) => {
            if *shown != key {
                texture.set(make(), options);
                *shown = key;
            }
            texture.id()
        }
        None => {
            let texture = ui.ctx().load_texture("batch", make(), options);
            slot.insert((key, texture)).1.id()
        }
    }
}

/// One image of the batch over the whole window, while it is asked for.
pub fn large(ui: &Ui, panel: &mut Panel<'_>, textures: &mut BatchTextures) {
    let state = panel.state;
    let chosen = match state.overlay {
        Some(Overlay::BatchImage(place)) => state.runs.batch.shown.as_ref().map(|preview| (preview, place)),
        _ => None,
    };
    let Some((preview, place)) = chosen.filter(|(preview, place)| *place < preview.images.len()) else {
        textures.large = Pair::default();
        return;
    };
    let image = &preview.images[place];
    let room = ui.ctx().content_rect().size() - AROUND;
    let input = vec2(preview.input.width as f32, preview.input.height as f32);
    let size = input * (room / input).min_elem().max(0.0);
    let frame = Frame::window(ui.style()).inner_margin(16);
    let response = Modal::new(Id::unique("batch image")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(size.x.max(480.0));
        let mut closed = false;
        ui.horizontal(|ui| {
            let title = format!("{} · {}", file_name(&image.path), facts(image));
            ui.add(Label::new(widgets::strong(title)).truncate()).on_hover_text(image.path.display().to_string());
        });
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), size.y), Sense::hover());
        let rect = Rect::from_center_size(rect.center(), size);
        picture(ui, panel, rect, preview, place, &image.picture, &mut textures.large);
        ui.horizontal(|ui| {
            for (other, sign, name) in
                [(place.checked_sub(1), "◀", t!("Image before")), (Some(place + 1), "▶", t!("Image after"))]
            {
                let there = other.filter(|&other| other < preview.images.len());
                let response = ui.add_enabled(there.is_some(), Button::new(sign));
                response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, there.is_some(), name));
                if let (true, Some(other)) = (response.clicked(), there) {
                    panel.push(Command::ShowBatchImage(other));
                }
            }
            ui.label(t!("{number} of {all}", number = place + 1, all = preview.images.len()));
            let (text, alarming) = remark(image);
            let palette = Palette::of_theme(ui.visuals().dark_mode);
            ui.label(RichText::new(text).color(if alarming { palette.warning } else { palette.text_weak }));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                closed = ui.button(t!("Close")).clicked();
                ui.separator();
                over_pictures(ui, panel);
            });
        });
        closed
    });
    if response.inner || response.backdrop_response.clicked() {
        panel.push(Command::ShowBatchImage(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Label;
    use crate::geometry::{BoundingBox, Size};
    use crate::imitation::mask::{ImitationMask, IouConvention, IouField, LevelRule, Psi};
    use crate::yolo::anchors::AnchorScale;

    /// An image of 32 × 32 px with these boxes of 8 × 8 px, out of so many; one scale, one anchor.
    fn image(boxes: usize, source_boxes: usize, psi: f32) -> PreviewImage {
        let labels: Vec<Label> =
            (0..boxes).map(|_| Label { class: 0, bbox: BoundingBox::new(8.0, 8.0, 16.0, 16.0) }).collect();
        let scales = [AnchorScale { stride: 8, anchors: vec![[8.0, 8.0]] }];
        let bboxes: Vec<_> = labels.iter().map(|label| label.bbox).collect();
        let field = IouField::compute(&scales, Size::square(32), &bboxes, IouConvention::Exact);
        let mask: ImitationMask = field.mask(Psi::saturating(psi), LevelRule::PerScale);
        let picture = Arc::new(RgbImage::new(32, 32));
        PreviewImage { path: "d/a.jpg".into(), small: Arc::clone(&picture), picture, labels, source_boxes, mask }
    }

    #[test]
    fn what_is_odd_about_an_image_is_said_below_it() {
        let said = |boxes, source_boxes, psi| remark(&image(boxes, source_boxes, psi));
        assert_eq!(said(2, 2, 0.5), (String::new(), false));
        assert_eq!(said(2, 5, 0.5), ("3 of 5 boxes cut away".to_owned(), false));
        assert_eq!(said(2, 5, 1.0), ("its boxes mark no cell".to_owned(), true));
        assert_eq!(said(0, 4, 0.5), ("no box left of 4: nothing is imitated".to_owned(), true));
        assert_eq!(said(0, 0, 0.5), ("no boxes: nothing is imitated".to_owned(), true));
        assert_eq!(spoken(3, &image(1, 1, 0.5)), "Image 3: a.jpg · 1 box · 1 mask cell");
    }
}
