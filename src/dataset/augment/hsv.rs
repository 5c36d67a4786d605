//! Jitter of hue, saturation and value on 8 bits, byte for byte as OpenCV's vector path computes it.
//!
//! Hue runs from 0 to 179. Towards HSV everything is integer, with divisions as 12-bit reciprocals; in between are three
//! tables; back it is float32 with fused products, cut and not rounded. Both roundings are kept because an HSV round trip is
//! part of what the detectors were trained on. The loops are written for the compiler to vectorise: no value saturates, so
//! that a float becomes a whole number by an addition.

use multiversion::multiversion;

const BITS: u32 = 12;
const HUES: i32 = 180;
/// Pixels at a time.
const BLOCK: usize = 128;

/// Three channels of a block, each by itself.
type Planes = [[u8; BLOCK]; 3];

/// Adding it to a float from 0 on that is smaller rounds it to a whole number, in its low bits.
const WHOLE: f32 = (1_u32 << 23) as f32;

/// Multiplies hue (modulo a turn), saturation and value (both cut at 255) by `gains`. `pixels` are RGB.
pub fn jitter(pixels: &mut [u8], gains: [f64; 3]) {
    let table = |value: &dyn Fn(f64) -> f64| std::array::from_fn::<u8, 256, _>(|i| value(i as f64) as u8);
    let tables = [
        table(&|i| (i * gains[0]).rem_euclid(f64::from(HUES))),
        table(&|i| (i * gains[1]).clamp(0.0, 255.0)),
        table(&|i| (i * gains[2]).clamp(0.0, 255.0)),
    ];
    let mut planes = [[0; BLOCK]; 3];
    for block in pixels.as_chunks_mut::<3>().0.chunks_mut(BLOCK) {
        to_hsv(block, &mut planes);
        for (plane, table) in planes.iter_mut().zip(&tables) {
            for value in plane {
                *value = table[usize::from(*value)];
            }
        }
        to_rgb(&planes, block);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn to_hsv(block: &[[u8; 3]], planes: &mut Planes) {
    let [hues, saturations, values] = planes;
    for (((pixel, hue), saturation), value) in block.iter().zip(hues).zip(saturations).zip(values) {
        let [r, g, b] = pixel.map(i32::from);
        let most = r.max(g).max(b);
        let chroma = most - r.min(g).min(b);
        let sixths = if most == r {
            g - b
        } else if most == g {
            b - r + 2 * chroma
        } else {
            r - g + 4 * chroma
        };
        let turned = rounded(sixths * reciprocal(HUES / 6, chroma));
        *hue = if turned < 0 { turned + HUES } else { turned } as u8;
        *saturation = rounded(chroma * reciprocal(255, most)) as u8;
        *value = most as u8;
    }
}

/// round(range · 2¹² / parts), which is never halfway between two whole numbers; for `parts` = 0, which only 0 is
/// multiplied by, anything.
#[inline(always)]
fn reciprocal(range: i32, parts: i32) -> i32 {
    let exact = (range << BITS) as f32 / parts.max(1) as f32;
    (exact + WHOLE).to_bits() as i32 - WHOLE.to_bits() as i32
}

/// Without its fraction of [`BITS`].
#[inline(always)]
fn rounded(value: i32) -> i32 {
    (value + (1 << (BITS - 1))) >> BITS
}

#[multiversion(targets("x86_64+avx2"))]
fn to_rgb(planes: &Planes, block: &mut [[u8; 3]]) {
    let [hues, saturations, values] = planes;
    for (((pixel, hue), saturation), value) in block.iter_mut().zip(hues).zip(saturations).zip(values) {
        let hue = f32::from(*hue) * (6.0 / HUES as f32);
        let sector = floor(hue);
        let fraction = hue - sector;
        let saturation = f32::from(*saturation) * (1.0 / 255.0);
        let value = f32::from(*value) * (1.0 / 255.0);
        // One rounding, as a fused multiply-add has.
        let less = |share: f32| value * ((1.0 - f64::from(saturation) * f64::from(share)) as f32);
        let (low, falling, rising) = (value * (1.0 - saturation), less(fraction), less(1.0 - fraction));
        // By sector: the one of 0 and that of 5 first and last.
        let among = |of: [f32; 6]| {
            let pick = |sector_is: f32, this: f32, other: f32| if sector == sector_is { this } else { other };
            let rest = pick(4.0, of[4], of[5]);
            pick(0.0, of[0], pick(1.0, of[1], pick(2.0, of[2], pick(3.0, of[3], rest))))
        };
        *pixel = [
            among([value, falling, low, low, rising, value]),
            among([rising, value, value, falling, low, low]),
            among([low, low, rising, value, value, falling]),
        ]
        .map(|channel| (floor(channel * 255.0) + WHOLE).to_bits() as u8);
    }
}

/// The largest whole number that is not larger, for floats from 0 on. Vectorises everywhere, as `f32::floor` does not.
#[inline(always)]
fn floor(value: f32) -> f32 {
    let nearest = (value + WHOLE) - WHOLE;
    if nearest > value { nearest - 1.0 } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reciprocals_are_those_of_whole_numbers() {
        for (range, divisors) in [(255, 1..256), (HUES / 6, 1..256)] {
            for parts in divisors {
                // round(range · 2¹² / parts) as (2 · range · 2¹² + parts) / (2 · parts), and no remainder is half a part.
                let whole = (2 * (range << BITS) + parts) / (2 * parts);
                assert_eq!(reciprocal(range, parts), whole, "{range} / {parts}");
                assert_ne!(2 * ((range << BITS) % parts), parts, "{range} / {parts} lies halfway");
            }
        }
    }

    #[test]
    fn a_pixel_does_not_depend_on_its_place() {
        let pixels: Vec<u8> = (0..3 * 1000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let gains = [1.012, 1.4, 0.7];
        let mut whole = pixels.clone();
        jitter(&mut whole, gains);
        for (count, first) in [(1, 0), (130, 7), (300, 500)] {
            let mut part = pixels[3 * first..3 * (first + count)].to_vec();
            jitter(&mut part, gains);
            assert_eq!(part, whole[3 * first..3 * (first + count)]);
        }
    }
}
