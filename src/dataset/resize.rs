//! Bilinear resizing that gives OpenCV's very bytes.
//!
//! A network sees other features when its input moves by a grey level, so agreement with the reference is worth the
//! forty lines: weights are 11-bit integers, rows are mixed first and keep their fraction, and the two products of the
//! second mix lose their low bits one by one, as OpenCV's do. Two pixels are mixed whatever the scale: shrinking
//! does not antialias, which is what the detectors were trained and are run with.

use image::RgbImage;

use crate::geometry::Size;

const WEIGHT_BITS: u32 = 11;

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

    let mix_row = |row: usize, mixed: &mut [i32]| {
        let source = &image.as_raw()[row * source_stride..][..source_stride];
        for (out, mix) in mixed.chunks_exact_mut(3).zip(&columns) {
            let [left, right] = mix.indices.map(|index| &source[3 * index..][..3]);
            for channel in 0..3 {
                out[channel] = i32::from(left[channel]) * mix.weights[0] + i32::from(right[channel]) * mix.weights[1];
            }
        }
    };
    // Neighbouring output rows share source rows: each is mixed once.
    let mut mixed = [(None, vec![0; out_stride]), (None, vec![0; out_stride])];
    for (out_row, mix) in out.chunks_exact_mut(out_stride).zip(&rows) {
        if mixed[0].0 != Some(mix.indices[0]) && mixed[1].0 == Some(mix.indices[0]) {
            mixed.swap(0, 1);
        }
        for (slot, row) in mixed.iter_mut().zip(mix.indices) {
            if slot.0 != Some(row) {
                mix_row(row, &mut slot.1);
                slot.0 = Some(row);
            }
        }
        for ((out, above), below) in out_row.iter_mut().zip(&mixed[0].1).zip(&mixed[1].1) {
            let product = |value: i32, weight: i32| (weight * (value >> 4)) >> 16;
            let sum = product(*above, mix.weights[0]) + product(*below, mix.weights[1]);
            *out = ((sum + 2) >> 2).clamp(0, 255) as u8;
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
}
