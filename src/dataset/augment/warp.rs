//! Perspective, rotation, scale, shear and translation as one 3 × 3 matrix.

use crate::geometry::Size;

/// Row by row; maps (x, y, 1) of the source to the output, in px.
pub type Matrix = [[f64; 3]; 3];

pub(super) const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// What is drawn for a warp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// About y and about x, per px.
    pub perspective: [f64; 2],
    /// Counter-clockwise as seen on screen.
    pub degrees: f64,
    pub scale: f64,
    /// Degrees along x and along y.
    pub shear: [f64; 2],
    /// Shares of the output's width and height; 0 keeps the centre in the centre.
    pub translate: [f64; 2],
}

impl Default for Warp {
    /// Changes nothing.
    fn default() -> Self {
        Self { perspective: [0.0; 2], degrees: 0.0, scale: 1.0, shear: [0.0; 2], translate: [0.0; 2] }
    }
}

impl Warp {
    /// Translation · shear · rotation and scale · perspective · (centre of the source to the origin).
    pub fn matrix(&self, source: Size, output: Size) -> Matrix {
        let center =
            [[1.0, 0.0, -f64::from(source.width) / 2.0], [0.0, 1.0, -f64::from(source.height) / 2.0], [0.0, 0.0, 1.0]];
        let perspective = [IDENTITY[0], IDENTITY[1], [self.perspective[0], self.perspective[1], 1.0]];
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let (sin, cos) = (self.scale * sin, self.scale * cos);
        let rotation = [[cos, sin, 0.0], [-sin, cos, 0.0], IDENTITY[2]];
        let [along_x, along_y] = self.shear.map(|degrees| degrees.to_radians().tan());
        let shear = [[1.0, along_x, 0.0], [along_y, 1.0, 0.0], IDENTITY[2]];
        let translation = [
            [1.0, 0.0, (0.5 + self.translate[0]) * f64::from(output.width)],
            [0.0, 1.0, (0.5 + self.translate[1]) * f64::from(output.height)],
            IDENTITY[2],
        ];
        [shear, rotation, perspective, center].iter().fold(translation, |product, next| multiply(&product, next))
    }
}

fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..3).map(|k| a[row][k] * b[k][column]).sum()))
}

/// Up to a factor, which a projective map does not see; a singular matrix gives one that maps nothing into an image.
pub(super) fn inverse(m: &Matrix) -> Matrix {
    let cofactor = |row: usize, column: usize| {
        let (r1, r2, c1, c2) = ((row + 1) % 3, (row + 2) % 3, (column + 1) % 3, (column + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|column| m[0][column] * cofactor(0, column)).sum();
    std::array::from_fn(|row| std::array::from_fn(|column| cofactor(column, row) / determinant))
}

/// The point (x, y) through `m`.
pub(super) fn project(m: &Matrix, x: f64, y: f64) -> (f64, f64) {
    let [x, y, w] = m.map(|row| row[0] * x + row[1] * y + row[2]);
    (x / w, y / w)
}
