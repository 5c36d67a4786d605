//! Resizing that gives OpenCV's very bytes: a network sees other features when its input moves by a grey level.
//!
//! [`bilinear`]: weights are 11-bit integers, rows are mixed first and keep their fraction, and the two products of the
//! second mix lose their low bits one by one, as OpenCV's do. Two pixels are mixed whatever the scale: shrinking
//! does not antialias, which is what the detectors were trained and are run with.
//!
//! [`area`]: the mean of what an output pixel covers, which is how YOLOv5's evaluation shrinks.

use image::RgbImage;
use multiversion::multiversion;

use super::rows::MixedRows;
use crate::geometry::Size;

const WEIGHT_BITS: u32 = 11;
/// Pixels are read eight bytes at a time: two pixels and two bytes more. The last one has no neighbour.
const OVERRUN: usize = 5;

/// The two source indices that one output index mixes, and their weights, which add up to 1 << WEIGHT_BITS.
struct Mix {
    indices: [usize; 2],
    weights: [i32; 2],
}

enum Axis {
    Columns,
    Rows,
}

fn mixes(from: u32, to: u32, axis: Axis) -> Vec<Mix> {
    let scale = f64::from(from) / f64::from(to);
    let last = i64::from(from) - 1;
    (0..to)
        .map(|i| {
            let position = ((f64::from(i) + 0.5) * scale - 0.5) as f32;
            let first = position.floor();
            let mut fraction = position - first;
            let first = first as i64;
            // Past the border both indices are the border's. Only columns also drop the fraction; on rows it
            // stays, and what the two products lose can differ.
            if matches!(axis, Axis::Columns) && !(0..last).contains(&first) {
                fraction = 0.0;
            }
            let weight = |share: f32| (share * (1 << WEIGHT_BITS) as f32).round_ties_even() as i32;
            Mix {
                indices: [first, first + 1].map(|index| index.clamp(0, last) as usize),
                weights: [weight(1.0 - fraction), weight(fraction)],
            }
        })
        .collect()
}

/// `image` at `size`, as OpenCV's `resize` with `INTER_LINEAR` gives it. An empty size gives an empty image.
pub(super) fn bilinear(image: &RgbImage, size: Size) -> RgbImage {
    if image.dimensions() == (size.width, size.height) {
        return image.clone();
    }
    let mut out = RgbImage::new(size.width, size.height);
    if image.is_empty() || out.is_empty() {
        return out;
    }
    let columns = mixes(image.width(), size.width, Axis::Columns);
    let rows = mixes(image.height(), size.height, Axis::Rows);
    let (source_stride, out_stride) = (3 * image.width() as usize, 3 * size.width as usize);
    // Past the last pixel lies what has no weight but is read.
    let mut source = vec![0; source_stride + OVERRUN];
    let mut mixed = MixedRows::new(out_stride + 1);
    for (out, row) in out.chunks_exact_mut(out_stride).zip(&rows) {
        let [above, under] = mixed.of(row.indices, |row, mixed| {
            source[..source_stride].copy_from_slice(&image.as_raw()[row * source_stride..][..source_stride]);
            mix_along(&source, &columns, mixed);
        });
        mix_down(above, under, row.weights, out);
    }
    out
}

/// One source row, mixed at each of `columns`, whose second index is the first's neighbour or has no weight. A pixel is
/// written with a fourth value, which the next one replaces.
#[multiversion(targets("x86_64+avx2"))]
fn mix_along(source: &[u8], columns: &[Mix], mixed: &mut [i32]) {
    for (index, Mix { indices, weights }) in columns.iter().enumerate() {
        let pixels = source.get(3 * indices[0]..).and_then(<[u8]>::first_chunk::<8>);
        let mixed = mixed.get_mut(3 * index..).and_then(<[i32]>::first_chunk_mut::<4>);
        let (Some(pixels), Some(mixed)) = (pixels, mixed) else { return };
        let [r, g, b, next_r, next_g, next_b, beyond, _] = *pixels;
        let (first, second) = ([r, g, b, next_r].map(i32::from), [next_r, next_g, next_b, beyond].map(i32::from));
        *mixed = std::array::from_fn(|channel| first[channel] * weights[0] + second[channel] * weights[1]);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn mix_down(above: &[i32], under: &[i32], weights: [i32; 2], out: &mut [u8]) {
    let product = |value: i32, weight: i32| (weight * (value >> 4)) >> 16;
    for ((out, above), under) in out.iter_mut().zip(above).zip(under) {
        let sum = product(*above, weights[0]) + product(*under, weights[1]);
        *out = ((sum + 2) >> 2).clamp(0, 255) as u8;
    }
}

/// What one output index averages: neighbouring source indices and their weights, which add up to 1.
struct Cover {
    first: usize,
    weights: Vec<f32>,
}

/// How many source pixels make one output pixel. OpenCV inverts the inverse; the last bit can differ.
fn shrink_factor(from: u32, to: u32) -> f64 {
    1.0 / (f64::from(to) / f64::from(from))
}

fn covers(from: u32, to: u32) -> Vec<Cover> {
    // What covers less of a source pixel than this does not count it.
    const SLIVER: f64 = 1e-3;
    let scale = shrink_factor(from, to);
    let end_of_source = f64::from(from);
    (0..to)
        .map(|i| {
            let start = f64::from(i) * scale;
            let end = start + scale;
            let width = scale.min(end_of_source - start);
            let last = end.floor().min(end_of_source - 1.0);
            let first = start.ceil().min(last);
            let before = first - start > SLIVER;
            let mut weights = Vec::with_capacity(scale as usize + 2);
            if before {
                weights.push(((first - start) / width) as f32);
            }
            weights.extend((first as usize..last as usize).map(|_| (1.0 / width) as f32));
            if end - last > SLIVER {
                weights.push(((end - last).min(1.0).min(width) / width) as f32);
            }
            Cover { first: first as usize - usize::from(before), weights }
        })
        .collect()
}

/// `image` at `size`, as OpenCV's `resize` with `INTER_AREA` gives it; `size` must be no larger on either side. An
/// empty size gives an empty image.
pub(super) fn area(image: &RgbImage, size: Size) -> RgbImage {
    if image.dimensions() == (size.width, size.height) {
        return image.clone();
    }
    if image.is_empty() || size.width == 0 || size.height == 0 {
        return RgbImage::new(size.width, size.height);
    }
    let whole = |from, to| Some(shrink_factor(from, to)).filter(|scale| scale.fract() == 0.0).map(|scale| scale as u32);
    match (whole(image.width(), size.width), whole(image.height(), size.height)) {
        (Some(columns), Some(rows)) => area_of_whole_pixels(image, size, columns, rows),
        _ => area_of_parts(image, size),
    }
}

/// Blocks of `columns` × `rows` source pixels: integer sums, one product with a float at the end.
fn area_of_whole_pixels(image: &RgbImage, size: Size, columns: u32, rows: u32) -> RgbImage {
    let mut out = RgbImage::new(size.width, size.height);
    let (source_stride, out_stride) = (3 * image.width() as usize, 3 * size.width as usize);
    let share = 1.0 / (columns * rows) as f32;
    let mut sums = vec![0_u64; out_stride];
    for (out_row, source) in
        out.chunks_exact_mut(out_stride).zip(image.as_raw().chunks_exact(source_stride * rows as usize))
    {
        sums.fill(0);
        for row in source.chunks_exact(source_stride) {
            for (sum, block) in sums.chunks_exact_mut(3).zip(row.chunks_exact(3 * columns as usize)) {
                for pixel in block.chunks_exact(3) {
                    for (sum, value) in sum.iter_mut().zip(pixel) {
                        *sum += u64::from(*value);
                    }
                }
            }
        }
        for (out, sum) in out_row.iter_mut().zip(&sums) {
            // A half is rounded up where two by two pixels meet, and to even elsewhere.
            *out = match (columns, rows) {
                (2, 2) => ((sum + 2) >> 2) as u8,
                _ => (*sum as f32 * share).round_ties_even() as u8,
            };
        }
    }
    out
}

/// Each source row is averaged along itself, then the rows; floats, added in OpenCV's order.
fn area_of_parts(image: &RgbImage, size: Size) -> RgbImage {
    let mut out = RgbImage::new(size.width, size.height);
    let (source_stride, out_stride) = (3 * image.width() as usize, 3 * size.width as usize);
    let columns = covers(image.width(), size.width);
    let mut along = vec![0.0_f32; out_stride];
    let mut sums = vec![0.0_f32; out_stride];
    for (out_row, cover) in out.chunks_exact_mut(out_stride).zip(covers(image.height(), size.height)) {
        sums.fill(0.0);
        for (row, weight) in (cover.first..).zip(&cover.weights) {
            let source = &image.as_raw()[row * source_stride..][..source_stride];
            for (out, Cover { first, weights }) in along.chunks_exact_mut(3).zip(&columns) {
                let mut mean = [0.0; 3];
                for (pixel, weight) in source[3 * first..].chunks_exact(3).zip(weights) {
                    for (mean, value) in mean.iter_mut().zip(pixel) {
                        *mean += f32::from(*value) * weight;
                    }
                }
                out.copy_from_slice(&mean);
            }
            for (sum, along) in sums.iter_mut().zip(&along) {
                *sum += weight * along;
            }
        }
        for (out, sum) in out_row.iter_mut().zip(&sums) {
            // The cast saturates.
            *out = sum.round_ties_even() as u8;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[u8]) -> RgbImage {
        RgbImage::from_fn(values.len() as u32, 1, |x, _| image::Rgb([values[x as usize]; 3]))
    }

    fn reds(image: &RgbImage) -> Vec<u8> {
        image.pixels().map(|pixel| pixel.0[0]).collect()
    }

    #[test]
    fn doubling_mixes_three_to_one_and_repeats_the_border() {
        // Centres of the output lie at -1/4, 1/4, 3/4, 5/4 of the source.
        assert_eq!(reds(&bilinear(&row(&[0, 100]), Size::new(4, 1))), [0, 25, 75, 100]);
    }

    #[test]
    fn halving_averages_pairs() {
        assert_eq!(reds(&bilinear(&row(&[10, 20, 200, 100]), Size::new(2, 1))), [15, 150]);
    }

    #[test]
    fn shrinking_by_four_takes_the_two_middle_pixels_only() {
        assert_eq!(reds(&bilinear(&row(&[255, 10, 30, 255]), Size::new(1, 1))), [20]);
    }

    #[test]
    fn a_flat_image_stays_flat_at_any_size() {
        let flat = RgbImage::from_pixel(7, 5, image::Rgb([255, 0, 114]));
        for (width, height) in [(1, 1), (3, 11), (64, 2), (7, 50)] {
            let out = bilinear(&flat, Size::new(width, height));
            assert!(out.pixels().all(|pixel| pixel.0 == [255, 0, 114]), "{width}x{height}");
        }
    }

    #[test]
    fn the_area_of_two_and_a_half_pixels_takes_half_of_the_third() {
        // (10 + 20 + 30 / 2) / 2.5 and (30 / 2 + 200 + 100) / 2.5.
        assert_eq!(reds(&area(&row(&[10, 20, 30, 200, 100]), Size::new(2, 1))), [18, 126]);
    }

    #[test]
    fn the_area_of_whole_pixels_is_their_mean() {
        assert_eq!(reds(&area(&row(&[1, 2, 6, 0, 0, 1]), Size::new(2, 1))), [3, 0]);
        // 5 / 2 between two pixels goes to the even neighbour, 10 / 4 between two by two goes up.
        assert_eq!(reds(&area(&row(&[2, 3]), Size::new(1, 1))), [2]);
        let square = RgbImage::from_fn(2, 2, |x, _| image::Rgb([2 + x as u8; 3]));
        assert_eq!(reds(&area(&square, Size::square(1))), [3]);
    }
}
