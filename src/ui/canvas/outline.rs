//! The outline of a mask: the edges between marked and unmarked cells, joined into straight runs.

/// A straight run of cell edges, in cells: (col, row) of its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub from: (u16, u16),
    pub to: (u16, u16),
}

/// Every edge between a marked cell and an unmarked one or the border; `marked` row by row.
pub fn outline(rows: usize, cols: usize, marked: impl Fn(usize) -> bool) -> Vec<Edge> {
    let at = |row: usize, col: usize| marked(row * cols + col);
    let mut edges = Vec::new();
    for row in 0..=rows {
        let differs = |col: usize| (row > 0 && at(row - 1, col)) != (row < rows && at(row, col));
        runs(cols, differs, |start, end| {
            edges.push(Edge { from: (start as u16, row as u16), to: (end as u16, row as u16) });
        });
    }
    for col in 0..=cols {
        let differs = |row: usize| (col > 0 && at(row, col - 1)) != (col < cols && at(row, col));
        runs(rows, differs, |start, end| {
            edges.push(Edge { from: (col as u16, start as u16), to: (col as u16, end as u16) });
        });
    }
    edges
}

/// Calls `found` with every maximal run `start..end` of indices below `count` that are in.
fn runs(count: usize, is_in: impl Fn(usize) -> bool, mut found: impl FnMut(usize, usize)) {
    let mut start = None;
    for index in 0..=count {
        match (start, index < count && is_in(index)) {
            (None, true) => start = Some(index),
            (Some(from), false) => {
                found(from, index);
                start = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(rows: usize, cols: usize, picture: &str) -> Vec<[u16; 4]> {
        let cells: Vec<bool> = picture.chars().filter(|c| !c.is_whitespace()).map(|c| c == '#').collect();
        outline(rows, cols, |i| cells[i]).iter().map(|e| [e.from.0, e.from.1, e.to.0, e.to.1]).collect()
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
        // Outer edges 4, inner edges 4.
        assert_eq!(edges(3, 3, "### #.# ###").len(), 8);
    }
}
