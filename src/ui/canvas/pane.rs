//! One pane: a head that names the scale, the picture with its map, a foot with the colours' range.
//!
//! What is costly is kept and made again only when what it shows has changed: the mask with its outline, the map's
//! values, and its texture.

use egui::{Align2, Color32, FontId, Painter, Rect, TextureHandle, TextureId, TextureOptions, pos2, vec2};

use crate::app::view::{Hover, Layer, RangeMode};
use crate::format::significant;
use crate::geometry::Size;
use crate::grid::Grid;
use crate::imitation::mask::AnchorCell;
use crate::inspect::Scene;
use crate::language::{t, tr};
use crate::palette::{self, Palette};
use crate::ui::canvas::maps::{self, MaskId, Scheme, ShownMask, Source};
use crate::ui::canvas::model::CanvasModel;
use crate::ui::canvas::overlay::{self, Lines};
use crate::ui::canvas::positives::{LEGEND, Positives};
use crate::ui::canvas::projection::{Projection, fit_zoom};
use crate::ui::canvas::texels;
use crate::ui::colorbar::{self, ColorBar};
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

/// How a texture was painted from values.
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
    paint: Option<Paint>,
    texture: Option<TextureHandle>,
    range: (f32, f32),
    not_finite: usize,
}

/// What one scale keeps between frames.
#[derive(Default)]
pub struct PaneMemory {
    mask: Option<(MaskId, Option<ShownMask>)>,
    map: Option<Map>,
    positives: Option<(MaskId, Option<Positives>)>,
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
    /// The range of the colours on screen.
    pub fn range(&self) -> Option<(f32, f32)> {
        let map = self.map.as_ref().filter(|map| map.texture.is_some() && map.values.is_ok())?;
        Some(map.range)
    }

    /// Makes again what no longer shows the model. Returns what stands in the way of a map.
    fn update(&mut self, ctx: &egui::Context, model: &CanvasModel<'_>, scale: usize) -> Result<(), &'static str> {
        let view = model.view;
        let masks_features =
            view.inside_mask && matches!(view.layer, Layer::Teacher | Layer::Student | Layer::Difference);
        let shows_hits = view.layer == Layer::IouMask || (view.layer == Layer::Mask && model.weighed.is_none());
        if shows_hits || masks_features {
            let id = MaskId::of(model);
            if self.mask.as_ref().is_none_or(|(shown, _)| *shown != id) {
                self.mask = Some((id, ShownMask::of(model, scale)));
            }
        } else {
            self.mask = None;
        }
        if view.positives {
            let id = MaskId::of(model);
            if self.positives.as_ref().is_none_or(|(shown, _)| *shown != id) {
                self.positives = Some((id, Positives::of(model, scale)));
            }
        } else {
            self.positives = None;
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
            let not_finite = values.as_ref().map_or(0, |grid| grid.values().iter().filter(|v| !v.is_finite()).count());
            // The texture of the map before is painted over, not thrown away.
            let texture = self.map.take().and_then(|map| map.texture);
            self.map = Some(Map { source, values, paint: None, texture, range: (0.0, 1.0), not_finite });
        }
        let scheme = maps::scheme(view, maps::loss_name(model), model.weighed.is_some());
        let scheme = scheme.map(|scheme| Scheme { unit: maps::unit(model).unwrap_or(scheme.unit), ..scheme });
        let (Some(map), Some(scheme)) = (&mut self.map, scheme) else { return Ok(()) };
        let grid = map.values.as_ref().map_err(|missing| *missing)?;
        let inside = mask.filter(|mask| !shows_hits && mask.fits(grid.height(), grid.width()));
        let paint = Paint { scheme, range: view.range, inside: inside.map(|_| MaskId::of(model)) };
        if map.paint.as_ref() != Some(&paint) {
            // An empty mask leaves no cell to take a range from.
            let counted = inside.filter(|mask| mask.cells > 0);
            map.range = texels::range(grid, &scheme, view.range, |cell| counted.is_none_or(|mask| mask.contains(cell)));
            let picture = texels::paint(grid, &scheme, map.range, inside.map(|mask| |cell| mask.contains(cell)));
            match &mut map.texture {
                Some(texture) => texture.set(picture, TextureOptions::NEAREST),
                None => map.texture = Some(ctx.load_texture("map", picture, TextureOptions::NEAREST)),
            }
            map.paint = Some(paint);
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
        if let Some((index, scale)) = scale {
            self.map_over(&body, pane, index, scale);
        }
        overlay::boxes(&body, &pane.projection, pane.model, &pane.scene.labels, pane.hover.as_ref());
        if let (Some((_, scale)), Some(hover)) = (scale, pane.hover.as_ref()) {
            let mut lines = Lines::new(&body);
            let input = pane.projection.input;
            let shape = scale.shape(input.width, input.height);
            overlay::pointed(&mut lines, &pane.projection, scale.stride, shape, hover, pane.pointed);
            lines.paint(&body);
        }
        if let Some(pin) = pane.model.pin {
            let mut lines = Lines::new(&body);
            overlay::pinned(&mut lines, &pane.projection, pin);
            lines.paint(&body);
        }
        // While something is under way one message says so for all panes.
        let told = pane.model.message.is_some() && pane.model.comparison.is_none();
        if let Some(missing) = missing.filter(|_| !told) {
            pill(&body, pane.parts.body, tr(missing), palette);
        }
        self.head(painter, pane, scale, palette);
        if let Some((index, scale)) = scale {
            let foot = self.legend(ui, pane, scale, palette);
            self.foot(painter, pane, foot, index, scale, palette);
        }
    }

    /// The window's mask says nothing of a run's map with other cells.
    fn is_of_same_cells(&self, mask: &ShownMask) -> bool {
        let of_run = self.map.as_ref().filter(|map| matches!(map.source, Source::Moment(_)));
        of_run.and_then(|map| map.values.as_ref().ok()).is_none_or(|grid| mask.fits(grid.height(), grid.width()))
    }

    /// The heatmap, the outline of the mask, the anchors.
    fn map_over(&self, body: &Painter, pane: &Pane<'_>, index: usize, scale: &AnchorScale) {
        let (model, projection) = (pane.model, &pane.projection);
        let input = projection.input;
        let shape = scale.shape(input.width, input.height);
        let opacity = model.view.opacity.clamp(0.0, 1.0);
        if let Some(map) = &self.map
            && let (Ok(grid), Some(texture)) = (&map.values, &map.texture)
        {
            // A run's input may be of another size; its map covers the whole input all the same.
            let covered = match map.source {
                Source::Moment(_) => (input.width as f32, input.height as f32),
                _ => (grid.width() as f32 * scale.stride as f32, grid.height() as f32 * scale.stride as f32),
            };
            let end = projection.to_screen(covered.0, covered.1);
            let place = Rect::from_min_max(projection.to_screen(0.0, 0.0), end);
            body.image(texture.id(), place, UNIT_SQUARE, Color32::WHITE.gamma_multiply(opacity));
        }
        let mut lines = Lines::new(body);
        if let Some((_, Some(positives))) = &self.positives {
            positives.draw(&mut lines, projection, scale.stride);
        } else if let Some((_, Some(mask))) = &self.mask
            && self.is_of_same_cells(mask)
        {
            let color = model.solo.map_or(Color32::WHITE, palette::ground_truth);
            overlay::mask_outline(&mut lines, projection, mask, scale.stride, color);
        }
        if model.view.layer == Layer::Anchors {
            let whole = Rect::from_min_max(
                projection.to_screen(0.0, 0.0),
                projection.to_screen(input.width as f32, input.height as f32),
            );
            lines.bar(whole, Color32::from_black_alpha((opacity * 150.0) as u8));
            overlay::cell_grid(&mut lines, projection, scale.stride, shape);
            let cell = overlay::anchor_cell(model, index, shape, pane.hover.as_ref());
            overlay::anchors(&mut lines, projection, scale, cell);
        }
        lines.paint(body);
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
        let name = overlay::one_line(&painter, name, strong, palette.text, room);
        let name_width = name.size().x;
        let middle = rect.center().y;
        let mut x = rect.left();
        let mut put = |galley: std::sync::Arc<egui::Galley>| {
            let at = pos2(x, middle - galley.size().y / 2.0);
            x += galley.size().x + palette::UNIT;
            painter.galley(at, galley, palette.text);
        };
        put(name);
        let rest = painter.layout_no_wrap(rest, body.clone(), palette.text_weak);

        let Some((index, _)) = scale else { return put(rest) };
        let mask = self.mask.as_ref().and_then(|(_, mask)| mask.as_ref());
        let caption = maps::caption(pane.model, index, mask);
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
            let galley = overlay::one_line(&painter, caption, body, color, room);
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
        if let Some((_, Some(positives))) = &self.positives {
            let line = line.with_max_y((line.bottom() - palette::HALF).max(line.top()));
            positives.legend(ui.painter(), line, palette);
            let sentence = positives.sentence(&scale.name());
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
        let Some(map) = self.map.as_ref().filter(|map| map.values.is_ok()) else { return };
        let Some(paint) = &map.paint else { return };
        let unit = paint.scheme.unit.text();
        let bar = ColorBar {
            map: paint.scheme.map,
            low: map.range.0,
            high: map.range.1,
            unit: &unit,
            locked: matches!(model.view.range, RangeMode::Locked { .. }),
            not_finite: map.not_finite,
        };
        bar.paint(painter, rect, palette);
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

/// The anchors of a scale by size, with their IoU at the cell where they are drawn.
fn anchor_legend(painter: &Painter, pane: &Pane<'_>, rect: Rect, index: usize, scale: &AnchorScale, palette: &Palette) {
    let painter = painter.with_clip_rect(rect);
    let input = pane.projection.input;
    let shape = scale.shape(input.width, input.height);
    let (row, col) = overlay::anchor_cell(pane.model, index, shape, pane.hover.as_ref());
    let count = scale.anchors.len().max(1);
    let step = (rect.width() / count as f32).min(160.0);
    let font = FontId::proportional(palette::SMALL);
    for (anchor, [width, height]) in scale.anchors.iter().enumerate() {
        let x = rect.left() + anchor as f32 * step;
        let swatch = Rect::from_min_size(pos2(x, rect.top() + 1.0), vec2(12.0, 12.0));
        painter.rect_filled(swatch, 2.0, palette::CASING);
        painter.rect_filled(swatch.shrink(1.0), 1.0, overlay::anchor_color(anchor, count));
        let text = pos2(swatch.right() + 6.0, swatch.center().y);
        painter.text(text, Align2::LEFT_CENTER, format!("{width:.0}×{height:.0}"), font.clone(), palette.text);
        let iou = overlay::anchor_iou(pane.model, index, AnchorCell { anchor, row, col });
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
