//! The mask set against YOLOv5's positive cells: the mask alone is outlined, positives alone are striped, cells that
//! are both are filled.

use egui::{Align2, Color32, FontId, Painter, Rect, pos2, vec2};

use crate::inspect::assigned_cells;
use crate::language::t;
use crate::palette::{self, Palette};
use crate::ui::canvas::maps::ShownMask;
use crate::ui::canvas::model::CanvasModel;
use crate::ui::canvas::outline::{Edge, outline};
use crate::ui::canvas::overlay::{self, Lines};
use crate::ui::canvas::projection::{Projection, cell_box};

/// Height of the legend, in points.
pub const LEGEND: f32 = 18.0;
/// Stripes of a cell.
const STRIPES: usize = 3;

/// Mask and positives of one scale: of all ground truths, or of the soloed one.
#[derive(Clone, Debug, PartialEq)]
pub struct Positives {
    /// (row, col) of positives that the mask leaves out, and of those that it marks.
    alone: Vec<(usize, usize)>,
    both: Vec<(usize, usize)>,
    /// Around all positives.
    edges: Vec<Edge>,
    /// Around the rest of the mask.
    mask_edges: Vec<Edge>,
    /// Cells of that rest.
    mask_alone: usize,
}

impl Positives {
    /// `None` without a mask on this scale.
    pub fn of(model: &CanvasModel<'_>, scale: usize) -> Option<Self> {
        let (scene, anchors) = (model.scene?, model.anchors.get(scale)?);
        let mask = ShownMask::of(model, scale)?;
        Some(Self::against(&mask, assigned_cells(scene, anchors, (mask.rows, mask.cols), model.solo)))
    }

    fn against(mask: &ShownMask, found: impl Iterator<Item = (usize, usize)>) -> Self {
        let (rows, cols) = (mask.rows, mask.cols);
        let mut positive = vec![false; rows * cols];
        found.for_each(|(row, col)| positive[row * cols + col] = true);
        let places = (0..rows * cols).filter(|cell| positive[*cell]);
        let (both, alone): (Vec<usize>, Vec<usize>) = places.partition(|cell| mask.contains(*cell));
        let at = |cells: Vec<usize>| cells.into_iter().map(|cell| (cell / cols, cell % cols)).collect();
        Self {
            mask_alone: mask.cells - both.len(),
            edges: outline(rows, cols, |cell| positive[cell]),
            mask_edges: outline(rows, cols, |cell| mask.contains(cell) && !positive[cell]),
            alone: at(alone),
            both: at(both),
        }
    }

    pub fn draw(&self, lines: &mut Lines, projection: &Projection, stride: u32) {
        for &(row, col) in &self.both {
            fill(lines, projection.rect_to_screen(&cell_box(row, col, stride)));
        }
        for &(row, col) in &self.alone {
            stripes(lines, projection.rect_to_screen(&cell_box(row, col, stride)));
        }
        overlay::edges(lines, projection, &self.mask_edges, stride, Color32::WHITE);
        overlay::edges(lines, projection, &self.edges, stride, palette::POSITIVE);
    }

    /// What a screen reader and a hint say.
    pub fn sentence(&self, scale: &str) -> String {
        t!(
            "{scale}: {mask} cells of the mask alone, {positives} of YOLOv5's positives alone, {both} both",
            scale,
            mask = self.mask_alone,
            positives = self.alone.len(),
            both = self.both.len()
        )
    }

    /// The three signs with their counts, in one line.
    pub fn legend(&self, painter: &Painter, place: Rect, palette: &Palette) {
        let font = FontId::proportional(palette::SMALL);
        let counts = [self.mask_alone, self.alone.len(), self.both.len()];
        // The longest words that fit, else the signs and the numbers speak for themselves.
        let words =
            [[t!("mask alone"), t!("positives alone"), t!("both")], [t!("mask"), t!("positives"), t!("both")], [""; 3]];
        let texts = |words: [&str; 3]| {
            [0, 1, 2].map(|i| {
                painter.layout_no_wrap(
                    format!("{} {}", words[i], counts[i]).trim_start().to_owned(),
                    font.clone(),
                    palette.text_weak,
                )
            })
        };
        const SIGN: f32 = 12.0;
        const APART: f32 = 12.0;
        let width = |texts: &[std::sync::Arc<egui::Galley>; 3]| {
            texts.iter().map(|text| SIGN + palette::HALF + text.size().x + APART).sum::<f32>() - APART
        };
        let fitting = words.into_iter().map(texts).find(|texts| width(texts) <= place.width());
        let all = fitting.unwrap_or_else(|| texts(words[2]));
        let painter = painter.with_clip_rect(place);
        let mut lines = Lines::new(&painter);
        let middle = place.center().y;
        let mut x = place.left();
        for (index, text) in all.into_iter().enumerate() {
            let sign = Rect::from_center_size(pos2(x + SIGN / 2.0, middle), vec2(SIGN, SIGN));
            // White is to be seen on a light window too.
            lines.bar(sign, palette::CASING);
            let inner = sign.shrink(1.0);
            match index {
                0 => {}
                1 => stripes(&mut lines, inner),
                _ => fill(&mut lines, inner),
            }
            lines.frame(inner, 1.5, if index == 0 { Color32::WHITE } else { palette::POSITIVE });
            let at = Align2::LEFT_CENTER.anchor_size(pos2(sign.right() + palette::HALF, middle), text.size());
            x = at.right() + APART;
            painter.galley(at.min, text, palette.text_weak);
        }
        lines.paint(&painter);
    }
}

fn fill(lines: &mut Lines, cell: Rect) {
    lines.bar(cell, palette::POSITIVE.gamma_multiply(0.55));
}

fn stripes(lines: &mut Lines, cell: Rect) {
    let step = cell.width() / STRIPES as f32;
    for stripe in 0..STRIPES {
        let left = cell.left() + (stripe as f32 + 0.25) * step;
        lines
            .bar(Rect::from_min_max(pos2(left, cell.top()), pos2(left + step / 2.0, cell.bottom())), palette::POSITIVE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_kinds_of_cells_by_hand() {
        // 2 rows of 3: the mask has the first column, positives are the first row's first and last cell, one of them
        // by two anchors.
        let count = vec![1, 0, 0, 2, 0, 0];
        let mask = ShownMask { rows: 2, cols: 3, cells: 2, edges: outline(2, 3, |cell| count[cell] > 0), count };
        let found = Positives::against(&mask, [(0, 0), (0, 2), (0, 0)].into_iter());
        assert_eq!((found.mask_alone, &found.alone[..], &found.both[..]), (1, &[(0, 2)][..], &[(0, 0)][..]));
        // Four edges around each of two squares apart, and around the one below the first.
        assert_eq!((found.edges.len(), found.mask_edges.len()), (8, 4));
        assert_eq!(found.sentence("P3"), "P3: 1 cells of the mask alone, 1 of YOLOv5's positives alone, 1 both");
    }
}
