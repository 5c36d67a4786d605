//! One pane: a head that names the scale, the picture with its map, a foot with the colours' range.
//!
//! What is costly is kept and made again only when what it shows has changed: the mask with its outline, the map's
//! values, and its texture.

use std::sync::Arc;

use egui::{Align2, Color32, FontId, Painter, Rect, TextureHandle, TextureId, TextureOptions, pos2, vec2};

use crate::app::view::{Hover, Layer, RangeMode};
use crate::drawing::{
    ColorBar, Content, Found, Ground, Heatmap, Ink, Picture, Pointer, Positives, Scheme, cell_at, layers,
};
use crate::format::significant;
use crate::geometry::Size;
use crate::grid::Grid;
use crate::imitation::mask::AnchorCell;
use crate::inspect::{Role, Scene};
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::ui::canvas::maps::{self, MaskId, ShownMask, Source};
use crate::ui::canvas::model::CanvasModel;
use crate::ui::canvas::paint;
use crate::ui::canvas::positives::{self, LEGEND};
use crate::ui::canvas::projection::{Projection, fit_zoom, ground_truth_at};
use crate::ui::canvas::texels;
use crate::ui::colorbar;
use crate::ui::style;
use crate::yolo::anchors::AnchorScale;

pub const HEAD: f32 = 24.0;
pub const FOOT: f32 = colorbar::HEIGHT + palette::UNIT;

/// Head and foot take this many points where the pane has them.
const MIN_WIDTH: f32 = 320.0;

/// Where a pane's parts lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parts {
    pub head: Rect,
    pub body: Rect,
    pub foot: Rect,
}

impl Parts {
    /// Head and foot are as wide as the fitted picture; with a foot of no height the picture goes to the end.
    pub fn of(pane: Rect, input: Size, foot: f32) -> Self {
        let (head, rest) = pane.split_top_bottom_at_y((pane.top() + HEAD).min(pane.bottom()));
        let (body, foot) = rest.split_top_bottom_at_y((rest.bottom() - foot).max(rest.top()));
        let foot = foot.with_min_y((foot.top() + palette::UNIT).min(foot.bottom()));
        let picture = fit_zoom(input, body.size()) * input.width as f32;
        let aside = (pane.width() - picture.max(MIN_WIDTH)).max(0.0) / 2.0;
        Self { head: head.shrink2(vec2(aside, 0.0)), body, foot: foot.shrink2(vec2(aside, 0.0)) }
    }
}

/// How colours were made from values.
#[derive(Clone, Debug, PartialEq)]
struct Paint {
    scheme: Scheme,
    range: RangeMode,
    inside: Option<MaskId>,
}

/// A map as it is shown.
struct Map {
    source: Source,
    values: Result<Grid, &'static str>,
    painted: Option<(Paint, Arc<Heatmap>)>,
    texture: Option<TextureHandle>,
}

/// What one scale keeps between frames.
#[derive(Default)]
pub struct PaneMemory {
    mask: Option<(MaskId, Option<ShownMask>)>,
    map: Option<Map>,
    positives: Option<(MaskId, Option<Arc<Positives>>)>,
    /// As it was drawn last.
    pub picture: Picture,
}

/// What there is to draw in one frame.
pub struct Pane<'a> {
    pub model: &'a CanvasModel<'a>,
    pub scene: &'a Scene,
    /// Index into the model's anchors; `None` shows the image without a scale.
    pub scale: Option<usize>,
    pub projection: Projection,
    pub parts: Parts,
    pub photograph: Option<TextureId>,
    pub hover: Option<Hover>,
    /// The pointer is in this pane.
    pub pointed: bool,
}

impl PaneMemory {
    /// The map on screen.
    fn heatmap(&self) -> Option<&Arc<Heatmap>> {
        self.map.as_ref()?.painted.as_ref().map(|(_, heatmap)| heatmap)
    }

    /// The range of the colours on screen.
    pub fn range(&self) -> Option<(f32, f32)> {
        self.heatmap().map(|heatmap| heatmap.range)
    }

    fn mask(&self) -> Option<&ShownMask> {
        self.mask.as_ref()?.1.as_ref()
    }

    fn positives(&self) -> Option<&Arc<Positives>> {
        self.positives.as_ref()?.1.as_ref()
    }

    /// Makes again what no longer shows the model. Returns what stands in the way of a map.
    fn update(&mut self, ctx: &egui::Context, model: &CanvasModel<'_>, scale: usize) -> Result<(), &'static str> {
        let (view, at) = (model.view, model.viewpoint());
        let id = MaskId::of(model);
        if !at.outlines() {
            self.mask = None;
        } else if self.mask.as_ref().is_none_or(|(shown, _)| *shown != id) {
            self.mask = Some((id.clone(), ShownMask::of(model, scale)));
        }
        if !view.positives {
            self.positives = None;
        } else if self.positives.as_ref().is_none_or(|(shown, _)| *shown != id) {
            self.positives = Some((id.clone(), positives_of(model, scale)));
        }
        let source = match Source::of(model) {
            Ok(Some(source)) => source,
            nothing => {
                self.map = None;
                return nothing.map(|_| ());
            }
        };
        let mask = self.mask.as_ref().and_then(|(_, mask)| mask.as_ref());
        if self.map.as_ref().is_none_or(|map| map.source != source) {
            let values = source.grid(model, scale, mask);
            // The texture of the map before is painted over, not thrown away.
            let texture = self.map.take().and_then(|map| map.texture);
            self.map = Some(Map { source, values, painted: None, texture });
        }
        let (Some(map), Some(scheme), Some(anchors)) = (&mut self.map, at.scheme(), model.anchors.get(scale)) else {
            return Ok(());
        };
        let grid = map.values.as_ref().map_err(|missing| *missing)?;
        let inside = mask.filter(|_| at.veils());
        let paint = Paint { scheme, range: view.range, inside: inside.map(|_| id) };
        if map.painted.as_ref().is_none_or(|(shown, _)| *shown != paint) {
            // A run's input may be of another size; its map covers the whole input all the same.
            let cell = match (&map.source, model.scene) {
                (Source::Moment(_), Some(scene)) => scene.input_size().width as f32 / grid.width().max(1) as f32,
                _ => anchors.stride as f32,
            };
            let Some(heatmap) = at.heatmap(grid.clone(), cell, inside.map(|mask| &*mask.region)) else { return Ok(()) };
            let picture = texels::map(&heatmap);
            match &mut map.texture {
                Some(texture) => texture.set(picture, TextureOptions::NEAREST),
                None => map.texture = Some(ctx.load_texture("map", picture, TextureOptions::NEAREST)),
            }
            map.painted = Some((paint, Arc::new(heatmap)));
        }
        Ok(())
    }

    pub fn show(&mut self, ui: &egui::Ui, pane: &Pane<'_>) {
        let palette = Palette::of_theme(ui.visuals().dark_mode);
        let scale = pane.scale.and_then(|index| Some((index, pane.model.anchors.get(index)?)));
        let missing = scale.and_then(|(index, _)| self.update(ui.ctx(), pane.model, index).err());
        let painter = ui.painter();
        let body = painter.with_clip_rect(pane.parts.body);

        photograph(&body, pane, palette);
        self.picture = layers::picture(&self.content(pane, scale));
        let texture = self.map.as_ref().and_then(|map| map.texture.as_ref()).map(TextureHandle::id);
        paint::picture(&body, &pane.projection, &self.picture, texture, false);
        // While something is under way one message says so for all panes.
        let is_said = pane.model.message.is_some() && pane.model.comparison.is_none();
        if let Some(missing) = missing.filter(|_| !is_said) {
            pill(&body, pane.parts.body, tr(missing), palette);
        }
        self.head(painter, pane, scale, palette);
        if let Some((index, scale)) = scale {
            let foot = self.legend(ui, pane, scale, palette);
            self.foot(painter, pane, foot, index, scale, palette);
        }
    }

    /// What there is to see.
    fn content<'a>(&self, pane: &Pane<'a>, scale: Option<(usize, &'a AnchorScale)>) -> Content<'a> {
        let (model, view) = (pane.model, pane.model.view);
        let hover = pane.hover.filter(|_| model.found.is_none());
        let labels = &pane.scene.labels;
        let shown = view.labels || model.found.is_some();
        let pointed = hover.filter(|_| view.labels).and_then(|at| ground_truth_at(labels, pos2(at.x, at.y)));
        let over_all = Content {
            labels: if shown { labels.iter().enumerate().collect() } else { Vec::new() },
            labels_step_back: model.found.is_some(),
            pointed,
            found: match model.found {
                Some(found) => vec![Found { role: Role::Student, detections: found.to_vec(), named: true }],
                None => Found::by(view.boxes_of(), model.comparison.map(|comparison| &**comparison), model.names),
            },
            ..Content::default()
        };
        let Some((index, scale)) = scale else { return model.viewpoint().content(over_all) };
        let input = pane.projection.input;
        let shape = scale.shape(input.width, input.height);
        model.viewpoint().content(Content {
            stride: scale.stride,
            shape,
            anchors: &scale.anchors,
            map: self.heatmap().cloned(),
            mask: self.mask().map(|mask| Arc::clone(&mask.region)),
            positives: self.positives().cloned(),
            anchors_at: Some(anchors_at(model, index, shape, pane.hover.as_ref())),
            best: model.best.cloned().into_iter().collect(),
            pointer: pane.hover.map(|at| Pointer { x: at.x, y: at.y, elsewhere: !pane.pointed }),
            ..over_all
        })
    }

    fn head(&self, painter: &Painter, pane: &Pane<'_>, scale: Option<(usize, &AnchorScale)>, palette: &Palette) {
        let rect = pane.parts.head;
        let painter = painter.with_clip_rect(rect);
        let input = pane.projection.input;
        let (name, rest) = match scale {
            Some((_, scale)) => {
                // A run's map has the cells of its own input.
                let of_run = self.map.as_ref().filter(|map| matches!(map.source, Source::Moment(_)));
                let of_run = of_run.and_then(|map| map.values.as_ref().ok()).map(|grid| (grid.height(), grid.width()));
                let (rows, cols) = of_run.unwrap_or_else(|| scale.shape(input.width, input.height));
                (scale.name(), t!("stride {stride} · {cols}×{rows}", stride = scale.stride, cols, rows))
            }
            None => {
                let size = pane.scene.size;
                let into = t!(
                    "{image} in {input} px",
                    image = format_args!("{}×{}", size.width, size.height),
                    input = format_args!("{}×{}", input.width, input.height)
                );
                (pane.scene.file_name(), into)
            }
        };
        let body = FontId::proportional(palette::BODY);
        let strong = FontId::new(palette::BODY, style::bold());
        let room = rect.width() * if scale.is_some() { 0.5 } else { 0.7 };
        let name = paint::one_line(&painter, name, strong, palette.text, room);
        let name_width = name.size().x;
        let middle = rect.center().y;
        let mut x = rect.left();
        let mut put = |galley: Arc<egui::Galley>| {
            let at = pos2(x, middle - galley.size().y / 2.0);
            x += galley.size().x + palette::UNIT;
            painter.galley(at, galley, palette.text);
        };
        put(name);
        let rest = painter.layout_no_wrap(rest, body.clone(), palette.text_weak);

        let Some((index, _)) = scale else { return put(rest) };
        let caption = maps::caption(pane.model, index, self.mask());
        let color = match pane.model.view.layer {
            Layer::Teacher => palette.teacher,
            Layer::Student => palette.student,
            Layer::Difference => palette.difference,
            _ => palette.text_weak,
        };
        // Where both do not fit, what the map says matters more than its size.
        let wanted = painter.layout_no_wrap(caption.clone(), body.clone(), color).size().x;
        if name_width + rest.size().x + wanted + 2.0 * palette::UNIT <= rect.width() {
            put(rest);
        }
        let room = rect.right() - x - palette::UNIT;
        if room > 24.0 {
            let galley = paint::one_line(&painter, caption, body, color, room);
            let at = Align2::RIGHT_CENTER.anchor_size(pos2(rect.right(), middle), galley.size());
            painter.galley(at.min, galley, color);
        }
    }

    /// The line that counts mask and positives, where they are shown. Returns what it leaves of the foot.
    fn legend(&self, ui: &egui::Ui, pane: &Pane<'_>, scale: &AnchorScale, palette: &Palette) -> Rect {
        let whole = pane.parts.foot;
        if !pane.model.view.positives {
            return whole;
        }
        let (line, rest) = whole.split_top_bottom_at_y((whole.top() + LEGEND).min(whole.bottom()));
        if let Some(counts) = self.positives().map(|positives| positives.counts()) {
            let line = line.with_max_y((line.bottom() - palette::HALF).max(line.top()));
            positives::legend(ui.painter(), line, palette, counts);
            let sentence = positives::sentence(&scale.name(), counts);
            let response = ui.interact(line, ui.scope_id().with(("positives", scale.stride)), egui::Sense::hover());
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &sentence));
            response.on_hover_text(sentence);
        }
        rest
    }

    fn foot(
        &self,
        painter: &Painter,
        pane: &Pane<'_>,
        rect: Rect,
        index: usize,
        scale: &AnchorScale,
        palette: &Palette,
    ) {
        let model = pane.model;
        if model.view.layer == Layer::Anchors {
            anchor_legend(painter, pane, rect, index, scale, palette);
        }
        if let Some(map) = self.heatmap() {
            let locked = matches!(model.view.range, RangeMode::Locked { .. });
            let bar = ColorBar { locked, ..ColorBar::new(Arc::clone(map), maps::unit(model)) };
            colorbar::paint(&bar, painter, rect, palette);
        }
    }
}

const UNIT_SQUARE: Rect = Rect { min: pos2(0.0, 0.0), max: pos2(1.0, 1.0) };

/// The letterbox: its pad in grey, the image where it lies in it.
fn photograph(body: &Painter, pane: &Pane<'_>, palette: &Palette) {
    let projection = &pane.projection;
    let (letterbox, input) = (&pane.scene.letterbox, projection.input);
    let end = projection.to_screen(input.width as f32, input.height as f32);
    body.rect_filled(Rect::from_min_max(projection.to_screen(0.0, 0.0), end), 0.0, palette.pad);
    let Some(texture) = pane.photograph else { return };
    let ((x, y), size) = (letterbox.content_origin(), letterbox.content_size());
    let (x, y) = (x as f32, y as f32);
    let end = projection.to_screen(x + size.width as f32, y + size.height as f32);
    body.image(texture, Rect::from_min_max(projection.to_screen(x, y), end), UNIT_SQUARE, Color32::WHITE);
}

/// The mask of one scale set against YOLOv5's positives; `None` without a mask.
fn positives_of(model: &CanvasModel<'_>, scale: usize) -> Option<Arc<Positives>> {
    let mask = ShownMask::of(model, scale)?.region;
    Some(Arc::new(Positives::of(model.scene?, model.anchors.get(scale)?, &mask, model.solo)))
}

/// The cell whose anchors are shown.
fn anchors_at(model: &CanvasModel<'_>, scale: usize, shape: (usize, usize), hover: Option<&Hover>) -> (usize, usize) {
    let stride = model.anchors[scale].stride;
    let pointed = hover.and_then(|hover| cell_at(hover.x, hover.y, stride, shape));
    let best = |gt: usize| model.mask?.scales.get(scale)?.gts.get(gt)?.best.map(|best| (best.row, best.col));
    model.viewpoint().anchor_cell(stride, shape, pointed, best, |gt| Some(model.scene?.labels.get(gt)?.bbox))
}

/// The largest IoU that an anchor at a cell has with the soloed ground truth, or with any.
fn anchor_iou(model: &CanvasModel<'_>, scale: usize, at: AnchorCell) -> Option<f32> {
    let field = model.field.filter(|field| scale < field.scales() && field.gts() > 0)?;
    let iou = |gt| field.iou(scale, gt, at);
    match model.solo.filter(|&gt| gt < field.gts()) {
        Some(gt) => Some(iou(gt)),
        None => (0..field.gts()).map(iou).reduce(f32::max),
    }
}

/// The anchors of a scale by size, with their IoU at the cell where they are drawn.
fn anchor_legend(painter: &Painter, pane: &Pane<'_>, rect: Rect, index: usize, scale: &AnchorScale, palette: &Palette) {
    let painter = painter.with_clip_rect(rect);
    let input = pane.projection.input;
    let shape = scale.shape(input.width, input.height);
    let (row, col) = anchors_at(pane.model, index, shape, pane.hover.as_ref());
    let count = scale.anchors.len().max(1);
    let step = (rect.width() / count as f32).min(160.0);
    let font = FontId::proportional(palette::SMALL);
    for (anchor, [width, height]) in scale.anchors.iter().enumerate() {
        let x = rect.left() + anchor as f32 * step;
        let swatch = Rect::from_min_size(pos2(x, rect.top() + 1.0), vec2(12.0, 12.0));
        painter.rect_filled(swatch, 2.0, palette::CASING);
        painter.rect_filled(swatch.shrink(1.0), 1.0, Ink::Anchor { index: anchor, of: count }.color(Ground::Screen));
        let text = pos2(swatch.right() + 6.0, swatch.center().y);
        painter.text(text, Align2::LEFT_CENTER, format!("{width:.0}×{height:.0}"), font.clone(), palette.text);
        let iou = anchor_iou(pane.model, index, AnchorCell { anchor, row, col });
        if let Some(iou) = iou {
            let below = text + vec2(0.0, 14.0);
            let text = format!("IoU {}", significant(iou.into()));
            painter.text(below, Align2::LEFT_CENTER, text, font.clone(), palette.text_weak);
        }
    }
}

/// A sentence on a plate at the foot of a place.
pub fn pill(painter: &Painter, place: Rect, text: &str, palette: &Palette) {
    let font = FontId::proportional(palette::BODY);
    let width = (place.width() - 4.0 * palette::UNIT).max(40.0);
    let galley = painter.layout(text.to_owned(), font, palette.text, width);
    let size = galley.size() + vec2(2.0 * palette::UNIT, palette::UNIT);
    let rect = Align2::CENTER_BOTTOM.anchor_size(place.center_bottom() - vec2(0.0, 2.0 * palette::UNIT), size);
    painter.rect_filled(rect, 4.0, palette.raised);
    painter.galley(rect.min + vec2(palette::UNIT, palette::HALF), galley, palette.text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pane_is_head_body_and_foot_without_a_gap_lost() {
        let pane = Rect::from_min_size(pos2(10.0, 10.0), vec2(300.0, 400.0));
        let parts = Parts::of(pane, Size::square(640), FOOT);
        assert_eq!((parts.head.height(), parts.foot.height()), (HEAD, colorbar::HEIGHT));
        assert_eq!(parts.body, Rect::from_min_max(pos2(10.0, 34.0), pos2(310.0, 374.0)));
        assert_eq!(Parts::of(pane, Size::square(640), 0.0).body.bottom(), 410.0);
        let wide = Parts::of(Rect::from_min_size(pos2(0.0, 0.0), vec2(1000.0, 460.0)), Size::square(640), FOOT);
        // 400 points of picture in the middle of 1000.
        assert_eq!((wide.foot.left(), wide.foot.right()), (300.0, 700.0));
        // Too small for anything: nothing is turned inside out.
        let tiny = Parts::of(Rect::from_min_size(pos2(0.0, 0.0), vec2(5.0, 5.0)), Size::square(640), FOOT);
        assert!(tiny.body.height() >= 0.0 && tiny.foot.height() >= 0.0);
    }
}
