//! Anchors and the grid they stand on: plain numbers, read from the model, in input px.

/// One detection scale of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorScale {
    /// Input px per cell.
    pub stride: u32,
    /// (width, height) of each anchor in input px.
    pub anchors: Vec<[f32; 2]>,
}

impl AnchorScale {
    /// "P3" for stride 8, "P4" for stride 16 and so on: the level is log2 of the stride.
    pub fn name(&self) -> String {
        format!("P{}", self.stride.max(1).ilog2())
    }

    /// (rows, cols) of the map of an input of this size.
    pub fn shape(&self, input_width: u32, input_height: u32) -> (usize, usize) {
        ((input_height / self.stride) as usize, (input_width / self.stride) as usize)
    }

    /// Centre (x, y) in input px of the cell (row, col).
    pub fn cell_center(&self, row: usize, col: usize) -> (f32, f32) {
        let stride = self.stride as f32;
        ((col as f32 + 0.5) * stride, (row as f32 + 0.5) * stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_stride() {
        let name = |stride| AnchorScale { stride, anchors: vec![] }.name();
        assert_eq!([4, 8, 16, 32, 64].map(name), ["P2", "P3", "P4", "P5", "P6"]);
    }

    #[test]
    fn rows_come_from_the_height() {
        let scale = AnchorScale { stride: 16, anchors: vec![] };
        assert_eq!(scale.shape(640, 384), (24, 40));
        assert_eq!(scale.cell_center(1, 3), (56.0, 24.0));
    }
}
