//! One scalar map: what a heatmap shows and a figure draws.

/// A row-major map of `width × height` values. NaN and infinity are allowed and stay visible to the reader.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Grid {
    pub fn filled(width: usize, height: usize, value: f32) -> Self {
        Self { width, height, values: vec![value; width * height] }
    }

    /// `values` row by row; `None` when their number is not `width * height`.
    pub fn from_values(width: usize, height: usize, values: Vec<f32>) -> Option<Self> {
        (width.checked_mul(height) == Some(values.len())).then_some(Self { width, height, values })
    }

    /// `value(row, col)` for every cell.
    pub fn from_fn(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> f32) -> Self {
        let mut values = Vec::with_capacity(width * height);
        for row in 0..height {
            for col in 0..width {
                values.push(value(row, col));
            }
        }
        Self { width, height, values }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    pub fn get(&self, row: usize, col: usize) -> Option<f32> {
        (row < self.height && col < self.width).then(|| self.values[row * self.width + col])
    }

    /// Smallest and largest finite value; `None` when there is none.
    pub fn finite_range(&self) -> Option<(f32, f32)> {
        finite_range(&self.values)
    }
}

/// Smallest and largest finite value of a slice; `None` when there is none.
pub fn finite_range(values: &[f32]) -> Option<(f32, f32)> {
    values.iter().filter(|v| v.is_finite()).fold(None, |range, &v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((f32::min(low, v), f32::max(high, v))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_before_columns() {
        let grid = Grid::from_fn(3, 2, |row, col| (10 * row + col) as f32);
        assert_eq!(grid.values(), &[0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
        assert_eq!(grid.get(1, 2), Some(12.0));
        assert_eq!(grid.get(2, 0), None);
    }

    #[test]
    fn the_range_passes_over_what_is_not_finite() {
        let grid = Grid::from_values(2, 2, vec![f32::NAN, -1.0, f32::INFINITY, 4.0]).expect("2 x 2");
        assert_eq!(grid.finite_range(), Some((-1.0, 4.0)));
        assert_eq!(finite_range(&[f32::NAN]), None);
    }
}
