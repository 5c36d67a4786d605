//! Which cells and anchors must answer for which ground truth: YOLOv5's target assignment, on plain numbers.
//!
//! An anchor takes a ground truth when neither side is off by the factor `anchor_t`; then the cell of its centre is a
//! positive, and the neighbours left, above, right and below whose border lies within half a cell of the centre.

use super::anchors::AnchorScale;
use crate::geometry::{BoundingBox, Size};

/// A ground truth of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Place of its image in the batch.
    pub image: usize,
    pub class: usize,
    /// Centre x and y, width, height, as shares of the input.
    pub xywh: [f32; 4],
}

/// YOLOv5 clips a training box this far inside the input, px.
const INSIDE: f32 = 1e-3;

impl Target {
    /// From a box in input px, clipped to it as YOLOv5 does.
    pub fn new(image: usize, class: usize, bbox: &BoundingBox, input: Size) -> Self {
        let (width, height) = (input.width as f32, input.height as f32);
        let bbox = bbox.clipped(width - INSIDE, height - INSIDE);
        let (x, y) = bbox.center();
        Self { image, class, xywh: [x / width, y / height, bbox.width() / width, bbox.height() / height] }
    }
}

/// A cell and anchor that must answer, and what for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Positive {
    pub image: usize,
    pub anchor: usize,
    pub row: usize,
    pub col: usize,
    pub class: usize,
    /// Centre relative to the cell's corner, then width and height, all in cells.
    pub xywh: [f32; 4],
}

/// The five places, in YOLOv5's order: the centre's own cell, then left, above, right, below.
const OFFSETS: [[f32; 2]; 5] = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [-0.5, 0.0], [0.0, -0.5]];

/// The positives of one scale whose map has `rows` × `cols` cells, in YOLOv5's order: by offset, anchor, target.
pub fn assign(targets: &[Target], scale: &AnchorScale, rows: usize, cols: usize, anchor_t: f32) -> Vec<Positive> {
    let stride = scale.stride as f32;
    let gain = [cols as f32, rows as f32, cols as f32, rows as f32];
    let mut matched = Vec::new();
    for (anchor, size) in scale.anchors.iter().enumerate() {
        let size = size.map(|side| side / stride);
        for target in targets {
            let xywh: [f32; 4] = std::array::from_fn(|i| target.xywh[i] * gain[i]);
            let worst = (0..2).map(|i| xywh[2 + i] / size[i]).map(|ratio| ratio.max(1.0 / ratio)).fold(0.0, f32::max);
            if worst < anchor_t {
                matched.push((anchor, target, xywh));
            }
        }
    }
    let mut positives = Vec::with_capacity(3 * matched.len());
    for (place, [dx, dy]) in OFFSETS.into_iter().enumerate() {
        for &(anchor, target, [x, y, width, height]) in &matched {
            let near = |position: f32| position.rem_euclid(1.0) < 0.5 && position > 1.0;
            let takes = match place {
                0 => true,
                1 => near(x),
                2 => near(y),
                3 => near(cols as f32 - x),
                _ => near(rows as f32 - y),
            };
            if takes {
                // Truncated, as a conversion to whole numbers does, then kept on the map.
                let col = ((x - dx) as i64).clamp(0, cols as i64 - 1);
                let row = ((y - dy) as i64).clamp(0, rows as i64 - 1);
                positives.push(Positive {
                    image: target.image,
                    anchor,
                    row: row as usize,
                    col: col as usize,
                    class: target.class,
                    xywh: [x - col as f32, y - row as f32, width, height],
                });
            }
        }
    }
    positives
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale() -> AnchorScale {
        AnchorScale { stride: 8, anchors: vec![[16.0, 16.0], [80.0, 16.0]] }
    }

    fn target(xywh: [f32; 4]) -> Target {
        Target { image: 1, class: 2, xywh }
    }

    #[test]
    fn the_centre_and_its_two_nearest_neighbours_answer() {
        // A map of 8 × 8 cells; the centre at (3.25, 4.75) cells, 2 × 2 cells large: anchor 0 fits exactly, anchor 1 is
        // five times too wide.
        let found = assign(&[target([3.25 / 8.0, 4.75 / 8.0, 0.25, 0.25])], &scale(), 8, 8, 4.0);
        let cells: Vec<_> = found.iter().map(|p| (p.anchor, p.row, p.col)).collect();
        assert_eq!(cells, [(0, 4, 3), (0, 4, 2), (0, 5, 3)]);
        assert_eq!(found[0].xywh, [0.25, 0.75, 2.0, 2.0]);
        assert_eq!(found[1].xywh, [1.25, 0.75, 2.0, 2.0]);
        assert_eq!(found[2].xywh, [0.25, -0.25, 2.0, 2.0]);
        assert!(found.iter().all(|p| (p.image, p.class) == (1, 2)));
    }

    #[test]
    fn the_border_has_no_neighbour_outside() {
        let corner = assign(&[target([0.25 / 8.0, 0.25 / 8.0, 0.25, 0.25])], &scale(), 8, 8, 4.0);
        assert_eq!(corner.iter().map(|p| (p.row, p.col)).collect::<Vec<_>>(), [(0, 0)]);
        let far = assign(&[target([1.0, 1.0, 0.25, 0.25])], &scale(), 8, 8, 4.0);
        assert!(far.iter().all(|p| p.row == 7 && p.col == 7), "a centre on the far border stays on the map");
    }

    #[test]
    fn rows_and_columns_are_not_exchanged() {
        // 4 rows × 8 columns: the centre at column 6.5, row 1.
        let found = assign(&[target([6.5 / 8.0, 1.25 / 4.0, 0.25, 0.5])], &scale(), 4, 8, 4.0);
        assert_eq!((found[0].row, found[0].col), (1, 6));
        assert!(found.iter().all(|p| p.row < 4));
    }

    #[test]
    fn the_factor_itself_is_too_much() {
        let wide = |sides: f32| assign(&[target([0.5, 0.5, sides * 2.0 / 8.0, 2.0 / 8.0])], &scale(), 8, 8, 4.0);
        assert!(wide(3.99).iter().any(|p| p.anchor == 0));
        assert!(wide(4.0).iter().all(|p| p.anchor != 0));
        assert!(assign(&[], &scale(), 8, 8, 4.0).is_empty());
    }
}
