//! The centre of the window: the image, and over it one map a scale, side by side and linked.
//!
//! [`Canvas::show`] draws plain records ([`CanvasModel`]) and returns what a hand asks of them. It keeps textures and
//! what they were made from, and changes nothing else; it computes a map when its source changes, never each frame,
//! and asks for no repaint of its own.

mod layout;
mod lines;
pub(super) mod maps;
pub mod model;
pub mod paint;
mod pane;
mod positives;
pub mod projection;
pub(super) mod texels;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use egui::epaint::text::LayoutJob;
use egui::{
    Align, Align2, CursorIcon, FontId, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, TextureFilter,
    TextureHandle, TextureId, TextureOptions, Ui, Vec2, WidgetInfo, vec2,
};
use image::RgbImage;

use crate::app::command::Command;
use crate::app::view::{Camera, Hover, Layer, Pin, ScaleChoice};
use crate::drawing::{Picture, cell_at};
use crate::geometry::Size;
use crate::inspect::Scene;
use crate::language::t;
use crate::palette::{self, Palette};
use crate::ui::canvas::model::CanvasModel;
use crate::ui::style;
use pane::{FOOT, HEAD, Pane, PaneMemory, Parts};
use projection::{Projection, ground_truth_at};

/// Points of scrolling that zoom by e.
const SCROLL_PER_E: f32 = 240.0;

/// The photograph as a texture.
struct Photograph {
    picture: Weak<RgbImage>,
    texture: TextureHandle,
}

/// Textures, and what they show.
#[derive(Default)]
pub struct Canvas {
    photograph: Option<Photograph>,
    /// By stride.
    panes: BTreeMap<u32, PaneMemory>,
    /// The view of the frame before, the same in all panes.
    last: Option<Projection>,
    /// What was pinned before the last click: a double click, which fits the view, takes its first half back.
    unclicked: Option<Pin>,
}

impl Canvas {
    /// Fills the rest of `ui` and returns [`Command::SetCamera`], [`Command::Hover`], [`Command::Pin`] and, for a click
    /// with the shift key, [`Command::Solo`] as they are asked for.
    pub fn show(&mut self, ui: &mut Ui, model: &CanvasModel<'_>) -> Vec<Command> {
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        let available = ui.available_rect_before_wrap();
        ui.advance_cursor_after_rect(available);
        ui.painter().rect_filled(available, 0.0, palette.canvas);
        let mut commands = Vec::new();
        let Some(scene) = model.scene else {
            *self = Self::default();
            empty(ui, available, model.message, palette);
            if model.hover.is_some() {
                commands.push(Command::Hover(None));
            }
            return commands;
        };

        let scales = shown_scales(model);
        self.panes.retain(|stride, _| model.anchors.iter().any(|scale| scale.stride == *stride));
        let input = scene.input_size();
        let picture = vec2(input.width as f32, input.height as f32);
        let legend = if model.view.positives { positives::LEGEND } else { 0.0 };
        let foot = if scales.iter().any(Option::is_some) { FOOT + legend } else { 0.0 };
        let chrome = HEAD + foot;
        let inner = available.shrink(palette::UNIT);
        let places = layout::panes(inner, scales.len(), picture, chrome, 2.0 * palette::UNIT);
        let parts: Vec<Parts> = places.iter().map(|&place| Parts::of(place, input, foot)).collect();

        // First what the hand does, in all panes, so that all are drawn alike.
        let mut camera = model.camera;
        let mut hover = None;
        let mut pointed = None;
        for (index, (parts, scale)) in parts.iter().zip(&scales).enumerate() {
            let name = scale.map_or_else(|| t!("Image").to_owned(), |scale| model.anchors[scale].name());
            let response = ui.interact(parts.body, ui.scope_id().with(("pane", scale)), Sense::click_and_drag());
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, t!("{name} pane", name)));
            camera = steered(ui, &response, Projection::new(camera, input, parts.body), camera);
            let projection = Projection::new(camera, input, parts.body);
            let at = response.hover_pos().and_then(|at| projection.pointed(at));
            if let Some(at) = at {
                let finest = || model.anchors.iter().map(|scale| scale.stride).min().unwrap_or(1);
                let stride = scale.map_or_else(finest, |scale| model.anchors[scale].stride);
                hover = Some(Hover { x: at.x, y: at.y, stride });
                pointed = Some(index);
            }
            let shift = ui.input(|input| input.modifiers.shift);
            let under = at.filter(|_| model.view.labels).and_then(|at| ground_truth_at(&scene.labels, at));
            if response.dragged() {
                ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
            } else if shift && under.is_some() {
                ui.ctx().set_cursor_icon(CursorIcon::PointingHand);
            }
            if response.clicked() && shift {
                commands.extend(solo(model.solo, under, response.double_clicked()));
            } else if response.double_clicked() {
                commands.extend((self.unclicked != model.pin).then_some(Command::Pin(self.unclicked)));
            } else if response.clicked() {
                self.unclicked = model.pin;
                let pin = hover.filter(|_| at.is_some()).and_then(|hover| pin_at(model, hover, input));
                commands.extend(pin.map(|pin| Command::Pin((model.pin != Some(pin)).then_some(pin))));
            }
        }
        if camera != model.camera {
            commands.push(Command::SetCamera(camera));
        }
        if hover != model.hover {
            commands.push(Command::Hover(hover));
        }

        let photograph = self.photograph(ui, scene);
        for (index, (&parts, &scale)) in parts.iter().zip(&scales).enumerate() {
            let projection = Projection::new(camera, input, parts.body);
            self.last = Some(projection);
            let pane =
                Pane { model, scene, scale, projection, parts, photograph, hover, pointed: pointed == Some(index) };
            let stride = scale.map_or(0, |scale| model.anchors[scale].stride);
            self.panes.entry(stride).or_default().show(ui, &pane);
        }
        if let (Some(message), Some(last)) = (model.message, parts.last()) {
            let place = available.with_max_y(last.body.bottom());
            pane::pill(ui.painter(), place, message, palette);
            say(ui, place, message);
        }
        commands
    }

    /// The range of the colours on screen, over all panes: what a lock takes.
    pub fn range(&self) -> Option<(f32, f32)> {
        let ranges = self.panes.values().filter_map(PaneMemory::range);
        ranges.reduce(|(low, high), (l, h)| (low.min(l), high.max(h)))
    }

    /// What was drawn over the photograph last, by stride; 0 is the image without a scale.
    pub fn picture(&self, stride: u32) -> Option<&Picture> {
        self.panes.get(&stride).map(|pane| &pane.picture)
    }

    /// The view on screen, fitted or not, zoomed around its middle; `None` before there was one.
    pub fn zoomed(&self, factor: f32) -> Option<Camera> {
        let last = self.last.filter(|_| factor.is_finite() && factor > 0.0)?;
        Some(last.zoomed(factor, last.body.center()))
    }

    /// Where the input lay on screen in the frame before, in the last pane.
    pub fn projection(&self) -> Option<Projection> {
        self.last
    }

    /// The texture of the scene's image, made when the image is another.
    fn photograph(&mut self, ui: &Ui, scene: &Scene) -> Option<TextureId> {
        let shown = self.photograph.as_ref().is_some_and(|shown| shown.picture.as_ptr() == Arc::as_ptr(&scene.display));
        if !shown {
            // Reduced copies keep a large picture from flickering in a small pane.
            let options = TextureOptions::LINEAR.with_mipmap_mode(Some(TextureFilter::Linear));
            let limit = ui.input(|input| input.max_texture_side);
            let pixels = texels::photograph(&scene.display, limit);
            let picture = Arc::downgrade(&scene.display);
            match &mut self.photograph {
                Some(shown) => {
                    shown.texture.set(pixels, options);
                    shown.picture = picture;
                }
                None => {
                    let texture = ui.ctx().load_texture("photograph", pixels, options);
                    self.photograph = Some(Photograph { picture, texture });
                }
            }
        }
        self.photograph.as_ref().map(|shown| shown.texture.id())
    }
}

/// Indices of the scales that have a pane; a single `None` is the image without a scale.
fn shown_scales(model: &CanvasModel<'_>) -> Vec<Option<usize>> {
    if model.anchors.is_empty() || model.view.layer == Layer::Image {
        return vec![None];
    }
    match model.view.scales {
        ScaleChoice::All => (0..model.anchors.len()).map(Some).collect(),
        ScaleChoice::Stride(stride) => {
            // A model without this scale shows its first.
            let index = model.anchors.iter().position(|scale| scale.stride == stride);
            vec![Some(index.unwrap_or(0))]
        }
    }
}

/// The camera after what the pointer did in one pane.
fn steered(ui: &Ui, response: &Response, view: Projection, camera: Camera) -> Camera {
    if response.double_clicked() {
        return Camera::Fit;
    }
    if response.dragged() && response.drag_delta() != Vec2::ZERO {
        return view.panned(response.drag_delta());
    }
    let Some(pointer) = response.hover_pos() else { return camera };
    let factor = ui.input(|input| input.zoom_delta() * (input.smooth_scroll_delta().y / SCROLL_PER_E).exp());
    if factor == 1.0 { camera } else { view.zoomed(factor, pointer) }
}

/// The cell that a click pins.
fn pin_at(model: &CanvasModel<'_>, hover: Hover, input: Size) -> Option<Pin> {
    let scale = model.anchors.iter().find(|scale| scale.stride == hover.stride)?;
    let (row, col) = cell_at(hover.x, hover.y, scale.stride, scale.shape(input.width, input.height))?;
    Some(Pin { stride: scale.stride, row, col })
}

/// What a click with the shift key asks for: a box is soloed, a soloed one or a click beside every box ends it. Of a double click, which
/// fits the view, the second half takes back the first.
fn solo(now: Option<usize>, under: Option<usize>, double: bool) -> Option<Command> {
    match under {
        Some(gt) if now == Some(gt) => Some(Command::Solo(None)),
        Some(gt) => Some(Command::Solo(Some(gt))),
        None if now.is_some() && !double => Some(Command::Solo(None)),
        None => None,
    }
}

/// Nothing to look at yet: what to do about it, or what is under way.
fn empty(ui: &Ui, place: Rect, message: Option<&str>, palette: &Palette) {
    let advice = t!("Drop an image, a folder, a data.yaml or weights here, or press Ctrl+O.");
    let painter = ui.painter();
    let frame = Rect::from_center_size(place.center(), vec2(480.0, 160.0).min(place.size()));
    painter.rect_stroke(frame, palette::UNIT, Stroke::new(1.0, palette.hairline), StrokeKind::Inside);
    let inner = frame.shrink(2.0 * palette::UNIT);
    let text = |at: Pos2, anchor: Align2, text: &str, font: FontId, color| {
        let mut job = LayoutJob::simple(text.to_owned(), font, color, inner.width().max(80.0));
        job.halign = Align::Center;
        let galley = painter.layout_job(job);
        let rect = anchor.anchor_size(at, galley.size());
        painter.galley(rect.center_top(), galley, color);
    };
    let center = frame.center();
    let body = FontId::proportional(palette::BODY);
    if let Some(message) = message {
        text(center, Align2::CENTER_CENTER, message, body, palette.text);
    } else {
        let title = FontId::new(palette::TITLE, style::bold());
        text(center - vec2(0.0, palette::HALF), Align2::CENTER_BOTTOM, t!("No image yet"), title, palette.text);
        text(center + vec2(0.0, palette::UNIT), Align2::CENTER_TOP, advice, body, palette.text_weak);
    }
    say(ui, frame, message.unwrap_or(advice));
}

/// A painted sentence, for those who do not see it.
fn say(ui: &Ui, place: Rect, sentence: &str) {
    let response = ui.interact(place, ui.scope_id().with("sentence"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, sentence));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_solos_and_a_second_one_ends_it() {
        assert_eq!(solo(None, Some(2), false), Some(Command::Solo(Some(2))));
        assert_eq!(solo(Some(2), Some(2), false), Some(Command::Solo(None)));
        assert_eq!(solo(Some(1), Some(2), false), Some(Command::Solo(Some(2))));
        assert_eq!(solo(Some(1), None, false), Some(Command::Solo(None)));
        assert_eq!(solo(None, None, false), None);
    }
}
