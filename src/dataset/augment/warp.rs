//! Perspective, rotation, scale, shear and translation as one 3 × 3 matrix, and the bilinear warp by it.

use image::RgbImage;

use crate::dataset::image::PAD;
use crate::geometry::Size;

/// Row by row; maps (x, y, 1) of the source to the output, in px.
pub type Matrix = [[f64; 3]; 3];

const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

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
fn inverse(m: &Matrix) -> Matrix {
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

/// `image` through `matrix`: bilinear between the four nearest pixels, grey 114 where there is none. Coordinates are
/// those of OpenCV's `warpAffine` and `warpPerspective`: a pixel's centre lies at its whole numbers.
pub(super) fn warp(image: RgbImage, matrix: &Matrix, output: Size) -> RgbImage {
    if *matrix == IDENTITY && image.dimensions() == (output.width, output.height) {
        return image;
    }
    let back = inverse(matrix);
    let affine = back[2][0] == 0.0 && back[2][1] == 0.0;
    let mut out = RgbImage::from_pixel(output.width, output.height, image::Rgb([PAD; 3]));
    for (y, row) in out.chunks_exact_mut(3 * output.width as usize).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let (x, y) = (x as f64, y as f64);
            let at = if affine {
                (back[0][0] * x + back[0][1] * y + back[0][2], back[1][0] * x + back[1][1] * y + back[1][2])
            } else {
                project(&back, x, y)
            };
            sample(&image, at, pixel);
        }
    }
    out
}

/// Writes the colour at (x, y) of `image` to `pixel`; leaves it where no pixel is near.
fn sample(image: &RgbImage, (x, y): (f64, f64), pixel: &mut [u8]) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    // The border is mixed in over one pixel around the image. NaN is outside.
    if !(x > -1.0 && y > -1.0 && x < width as f64 && y < height as f64) {
        return;
    }
    // Shifted by one: whole numbers from 0, so that truncation is the floor.
    let (column, row) = ((x + 1.0) as usize, (y + 1.0) as usize);
    let (right, below) = ((x + 1.0 - column as f64) as f32, (y + 1.0 - row as f64) as f32);
    let mix = |a: u8, b: u8, c: u8, d: u8| {
        let above = f32::from(a) + right * (f32::from(b) - f32::from(a));
        let under = f32::from(c) + right * (f32::from(d) - f32::from(c));
        // Adding 2²³ rounds to the nearest whole number and leaves it in the low bits.
        (above + below * (under - above) + 8_388_608.0).to_bits() as u8
    };
    let raw = image.as_raw();
    if (1..width).contains(&column) && (1..height).contains(&row) {
        let first = 3 * ((row - 1) * width + column - 1);
        let (above, under) = (&raw[first..first + 6], &raw[first + 3 * width..first + 3 * width + 6]);
        for channel in 0..3 {
            pixel[channel] = mix(above[channel], above[channel + 3], under[channel], under[channel + 3]);
        }
    } else {
        let tap = |row: usize, column: usize| -> [u8; 3] {
            if (1..=height).contains(&row) && (1..=width).contains(&column) {
                image.get_pixel(column as u32 - 1, row as u32 - 1).0
            } else {
                [PAD; 3]
            }
        };
        let (a, b, c, d) = (tap(row, column), tap(row, column + 1), tap(row + 1, column), tap(row + 1, column + 1));
        for channel in 0..3 {
            pixel[channel] = mix(a[channel], b[channel], c[channel], d[channel]);
        }
    }
}
