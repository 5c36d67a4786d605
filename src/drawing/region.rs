//! Cells of one scale, and the edges between those inside and those outside.

use crate::geometry::BoundingBox;

/// Some cells of a scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    pub rows: usize,
    pub cols: usize,
    /// Input px per cell.
    pub stride: u32,
    /// Row by row.
    pub inside: Vec<bool>,
    /// Every edge between a cell inside and one outside or the border, joined into straight runs.
    pub edges: Vec<Edge>,
}

/// A straight run of cell edges, in cells: (col, row) of its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: (u16, u16),
    pub to: (u16, u16),
}

impl Region {
    /// The cells, numbered row by row, for which `inside` holds.
    pub fn of((rows, cols): (usize, usize), stride: u32, inside: impl Fn(usize) -> bool) -> Self {
        let inside: Vec<bool> = (0..rows * cols).map(inside).collect();
        let edges = edges(rows, cols, |row, col| inside[row * cols + col]);
        Self { rows, cols, stride, inside, edges }
    }

    pub fn contains(&self, cell: usize) -> bool {
        self.inside.get(cell).copied().unwrap_or(false)
    }

    pub fn count(&self) -> usize {
        self.inside.iter().filter(|inside| **inside).count()
    }

    pub fn fits(&self, rows: usize, cols: usize) -> bool {
        (self.rows, self.cols) == (rows, cols)
    }

    /// The cells inside, in input px.
    pub fn boxes(&self) -> impl Iterator<Item = BoundingBox> {
        let cells = self.inside.iter().enumerate().filter(|(_, inside)| **inside);
        cells.map(|(cell, _)| cell_box(cell / self.cols, cell % self.cols, self.stride))
    }

    /// Both ends of an edge, in input px.
    pub fn ends(&self, edge: &Edge) -> [[f32; 2]; 2] {
        let stride = self.stride as f32;
        [edge.from, edge.to].map(|(col, row)| [f32::from(col) * stride, f32::from(row) * stride])
    }
}

fn edges(rows: usize, cols: usize, inside: impl Fn(usize, usize) -> bool) -> Vec<Edge> {
    let mut edges = Vec::new();
    for row in 0..=rows {
        let differs = |col: usize| (row > 0 && inside(row - 1, col)) != (row < rows && inside(row, col));
        for (start, end) in runs(cols, differs) {
            edges.push(Edge { from: (start as u16, row as u16), to: (end as u16, row as u16) });
        }
    }
    for col in 0..=cols {
        let differs = |row: usize| (col > 0 && inside(row, col - 1)) != (col < cols && inside(row, col));
        for (start, end) in runs(rows, differs) {
            edges.push(Edge { from: (col as u16, start as u16), to: (col as u16, end as u16) });
        }
    }
    edges
}

/// Maximal runs of indices below `n` for which `holds`.
fn runs(n: usize, holds: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for index in (0..n).filter(|&index| holds(index)) {
        match found.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => found.push((index, index + 1)),
        }
    }
    found
}

/// The cell (row, col) of a scale under a point in input px; `None` outside the map.
pub fn cell_at(x: f32, y: f32, stride: u32, shape: (usize, usize)) -> Option<(usize, usize)> {
    let stride = stride.max(1) as f32;
    let (row, col) = ((y / stride).floor(), (x / stride).floor());
    let inside = row >= 0.0 && col >= 0.0 && row < shape.0 as f32 && col < shape.1 as f32;
    inside.then_some((row as usize, col as usize))
}

/// A cell in input px.
pub fn cell_box(row: usize, col: usize, stride: u32) -> BoundingBox {
    let stride = stride as f32;
    let (x, y) = (col as f32 * stride, row as f32 * stride);
    BoundingBox::new(x, y, x + stride, y + stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: usize, cols: usize, picture: &str) -> Region {
        let cells: Vec<bool> = picture.chars().filter(|c| !c.is_whitespace()).map(|c| c == '#').collect();
        Region::of((rows, cols), 8, |cell| cells[cell])
    }

    fn edges(rows: usize, cols: usize, picture: &str) -> Vec<[u16; 4]> {
        of(rows, cols, picture).edges.iter().map(|e| [e.from.0, e.from.1, e.to.0, e.to.1]).collect()
    }

    #[test]
    fn an_empty_mask_has_no_outline() {
        assert!(edges(2, 2, ".. ..").is_empty());
    }

    #[test]
    fn a_block_has_four_edges_even_at_the_border() {
        assert_eq!(edges(2, 3, "##. ##."), [[0, 0, 2, 0], [0, 2, 2, 2], [0, 0, 0, 2], [2, 0, 2, 2]]);
    }

    #[test]
    fn a_step_breaks_the_runs() {
        assert_eq!(
            edges(2, 2, "#. ##"),
            [[0, 0, 1, 0], [1, 1, 2, 1], [0, 2, 2, 2], [0, 0, 0, 2], [1, 0, 1, 1], [2, 1, 2, 2]]
        );
    }

    #[test]
    fn a_hole_is_outlined_too() {
        // Rows first, then columns: the outer edges and those of the one cell in the middle.
        assert_eq!(
            edges(3, 3, "### #.# ###"),
            [
                [0, 0, 3, 0],
                [1, 1, 2, 1],
                [1, 2, 2, 2],
                [0, 3, 3, 3],
                [0, 0, 0, 3],
                [1, 1, 1, 2],
                [2, 1, 2, 2],
                [3, 0, 3, 3]
            ]
        );
    }

    #[test]
    fn cells_and_ends_are_in_input_px() {
        let region = of(2, 3, "..# ...");
        assert_eq!(region.boxes().map(|b| b.as_xyxy()).collect::<Vec<_>>(), [[16.0, 0.0, 24.0, 8.0]]);
        assert_eq!(region.ends(&region.edges[1]), [[16.0, 8.0], [24.0, 8.0]]);
        assert_eq!((region.count(), region.contains(2), region.contains(9)), (1, true, false));
    }

    #[test]
    fn cells_are_half_open_squares() {
        assert_eq!(cell_at(0.0, 0.0, 8, (80, 80)), Some((0, 0)));
        assert_eq!(cell_at(7.99, 8.0, 8, (80, 80)), Some((1, 0)));
        assert_eq!(cell_at(639.9, 0.0, 32, (20, 20)), Some((0, 19)));
        assert_eq!(cell_at(640.0, 0.0, 32, (20, 20)), None);
        assert_eq!(cell_at(-0.1, 0.0, 32, (20, 20)), None);
        assert_eq!(cell_box(1, 3, 16).as_xyxy(), [48.0, 16.0, 64.0, 32.0]);
    }
}
