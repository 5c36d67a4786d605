//! A canvas through a matrix, bilinear, into memory that is already there.
//!
//! Coordinates are those of OpenCV's `warpAffine` and `warpPerspective`: a pixel's centre lies at its whole numbers. Four
//! pixels are mixed in float32, along the row first, and rounded to the nearest level. Around the canvas lies a border of
//! grey that is mixed in as any pixel is: one pixel before its first column and row, two after the last, so that no
//! coordinate needs a case of its own.
//!
//! The loops over pixels are written for the compiler to vectorise; `multiversion` compiles them for AVX2 too, and
//! every version gives the same bits. Without rotation, shear and perspective, which YOLOv5's defaults leave at 0, a row of
//! the canvas is mixed along itself once and no canvas is ever assembled.

use multiversion::multiversion;

use super::canvas::Canvas;
use super::warp::{IDENTITY, Matrix, inverse};
use crate::dataset::rows::MixedRows;
use crate::geometry::Size;

/// Columns and rows of the border before the canvas.
const BEFORE: i64 = 1;
/// Columns and rows of the border on both sides.
const BORDER: usize = 3;
/// Pixels are read eight bytes at a time: two pixels and two bytes more.
const OVERRUN: usize = 2;

/// Adding it to a float that is not negative and smaller rounds it to a whole number, in its low bits.
const WHOLE_F32: f32 = (1_u32 << 23) as f32;
const WHOLE_F64: f64 = (1_u64 << 52) as f64;

/// Which sides are exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flips {
    pub vertical: bool,
    pub horizontal: bool,
}

/// Writes `canvas` through `matrix`, then flipped, to `pixels`: RGB, row by row, `output` in all.
pub(super) fn render(canvas: &Canvas, matrix: &Matrix, flips: Flips, output: Size, pixels: &mut [u8]) {
    if *matrix == IDENTITY && canvas.size == output && flips == Flips::default() {
        for (y, row) in (0..).zip(pixels.chunks_exact_mut(3 * output.width as usize)) {
            canvas.copy_row(y, 0, row);
        }
        return;
    }
    let back = inverse(matrix);
    let keeps_axes = [back[0][1], back[1][0], back[2][0], back[2][1]].iter().all(|share| *share == 0.0);
    if keeps_axes {
        render_straight(canvas, &back, flips, output, pixels);
    } else {
        render_turned(canvas, &back, flips, output, pixels);
    }
}

/// A coordinate on the canvas as one on the border's; what lies outside, or nowhere, comes to lie on the border: NaN too,
/// which `clamp` would leave.
#[inline(always)]
fn with_border(coordinate: f64, side: u32) -> f64 {
    (coordinate + BEFORE as f64).max(0.0).min(f64::from(side) + BEFORE as f64)
}

/// The largest whole number that is not larger, for floats from 0 on. Vectorises everywhere, as `f64::floor` does not.
#[inline(always)]
fn floor(value: f64) -> f64 {
    let nearest = (value + WHOLE_F64) - WHOLE_F64;
    if nearest > value { nearest - 1.0 } else { nearest }
}

#[inline(always)]
fn level(value: f32) -> u8 {
    (value + WHOLE_F32).to_bits() as u8
}

/// Where one output column or row falls: the first of two neighbours, counted from the border, and the share of the second.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    share: f32,
}

/// Places of `count` output columns or rows on a side of the canvas, from the last one where they are `flipped`.
fn places(scale: f64, shift: f64, side: u32, count: u32, flipped: bool) -> Vec<Place> {
    let place = |index: u32| {
        let index = if flipped { count - 1 - index } else { index };
        let at = with_border(scale * f64::from(index) + shift, side);
        Place { first: floor(at) as usize, share: (at - floor(at)) as f32 }
    };
    (0..count).map(place).collect()
}

/// Rows stay rows and columns columns.
fn render_straight(canvas: &Canvas, back: &Matrix, flips: Flips, output: Size, pixels: &mut [u8]) {
    let columns = places(back[0][0], back[0][2], canvas.size.width, output.width, flips.horizontal);
    let rows = places(back[1][1], back[1][2], canvas.size.height, output.height, flips.vertical);
    let length = 3 * output.width as usize;
    let mut source = vec![0; 3 * (canvas.size.width as usize + BORDER) + OVERRUN];
    let mut mixed = MixedRows::new(length + 1);
    for (out, row) in pixels.chunks_exact_mut(length).zip(rows) {
        let [above, under] = mixed.of([row.first, row.first + 1], |row, mixed| {
            canvas.copy_row(row as i64 - BEFORE, -BEFORE, &mut source);
            mix_along(&source, &columns, mixed);
        });
        mix_down(above, under, row.share, out);
    }
}

/// One row of the canvas, mixed at each of `columns`. A pixel is written with a fourth value, which the next one replaces.
#[multiversion(targets("x86_64+avx2"))]
fn mix_along(source: &[u8], columns: &[Place], mixed: &mut [f32]) {
    for (index, column) in columns.iter().enumerate() {
        let pixels = source.get(3 * column.first..).and_then(<[u8]>::first_chunk);
        let mixed = mixed.get_mut(3 * index..).and_then(<[f32]>::first_chunk_mut);
        let (Some(pixels), Some(mixed)) = (pixels, mixed) else { return };
        *mixed = between(pixels, column.share);
    }
}

/// Three channels, and a fourth value without a meaning, between two pixels.
#[inline(always)]
fn between(pixels: &[u8; 8], share: f32) -> [f32; 4] {
    let [r, g, b, next_r, next_g, next_b, beyond, _] = *pixels;
    let (first, second) = ([r, g, b, next_r].map(f32::from), [next_r, next_g, next_b, beyond].map(f32::from));
    std::array::from_fn(|channel| first[channel] + share * (second[channel] - first[channel]))
}

#[multiversion(targets("x86_64+avx2"))]
fn mix_down(above: &[f32], under: &[f32], share: f32, out: &mut [u8]) {
    for ((out, above), under) in out.iter_mut().zip(above).zip(under) {
        *out = level(above + share * (under - above));
    }
}

/// Where the pixels of one output row fall on the assembled canvas.
struct Places {
    /// The first byte of the upper left of four pixels.
    first: Vec<u32>,
    /// Shares of the right and of the lower ones.
    right: Vec<f32>,
    below: Vec<f32>,
}

/// Any matrix: every pixel has four neighbours of its own, on a canvas that is put together.
fn render_turned(canvas: &Canvas, back: &Matrix, flips: Flips, output: Size, pixels: &mut [u8]) {
    let stride = 3 * (canvas.size.width as usize + BORDER);
    let mut source = vec![0; stride * (canvas.size.height as usize + BORDER) + OVERRUN];
    for (y, row) in (-BEFORE..).zip(source.chunks_exact_mut(stride)) {
        canvas.copy_row(y, -BEFORE, row);
    }
    let width = output.width as usize;
    let mut places = Places { first: vec![0; width], right: vec![0.0; width], below: vec![0.0; width] };
    for (y, out) in (0..).zip(pixels.chunks_exact_mut(3 * width)) {
        let y = if flips.vertical { output.height - 1 - y } else { y };
        let (x, step) = if flips.horizontal { (f64::from(output.width - 1), -1.0) } else { (0.0, 1.0) };
        place(back, f64::from(y), [x, step], canvas.size, &mut places);
        mix_around(&source, stride, &places, out);
    }
}

/// Places of row `y`, for columns `x`, `x` + `step` …
#[multiversion(targets("x86_64+avx2"))]
fn place(back: &Matrix, y: f64, [x, step]: [f64; 2], canvas: Size, places: &mut Places) {
    let is_affine = back[2][0] == 0.0 && back[2][1] == 0.0;
    let stride = 3.0 * f64::from(canvas.width) + 3.0 * BORDER as f64;
    let Places { first, right, below } = places;
    for (index, ((first, right), below)) in (0_u32..).zip(first.iter_mut().zip(right).zip(below)) {
        let x = x + step * f64::from(index);
        let [mut u, mut v, w] = back.map(|row| row[0] * x + row[1] * y + row[2]);
        if !is_affine {
            (u, v) = (u / w, v / w);
        }
        let (u, v) = (with_border(u, canvas.width), with_border(v, canvas.height));
        let (column, row) = (floor(u), floor(v));
        *first = (stride * row + 3.0 * column + WHOLE_F64).to_bits() as u32;
        *right = (u - column) as f32;
        *below = (v - row) as f32;
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn mix_around(source: &[u8], stride: usize, places: &Places, out: &mut [u8]) {
    let Places { first, right, below } = places;
    for (((out, first), right), below) in out.as_chunks_mut::<3>().0.iter_mut().zip(first).zip(right).zip(below) {
        let pixels = |first: usize| source.get(first..).and_then(<[u8]>::first_chunk);
        let (Some(above), Some(under)) = (pixels(*first as usize), pixels(*first as usize + stride)) else { return };
        let (above, under) = (between(above, *right), between(under, *right));
        let mixed: [f32; 4] = std::array::from_fn(|channel| above[channel] + below * (under[channel] - above[channel]));
        let [r, g, b, _] = mixed.map(level);
        *out = [r, g, b];
    }
}
