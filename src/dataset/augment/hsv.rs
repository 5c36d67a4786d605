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
        split(block, &mut planes);
        to_hsv(&mut planes);
        for (plane, table) in planes.iter_mut().zip(&tables) {
            for value in plane {
                *value = table[usize::from(*value)];
            }
        }
        to_rgb(&mut planes);
        merge(&planes, block);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn split(block: &[[u8; 3]], [first, second, third]: &mut Planes) {
    for (((pixel, a), b), c) in block.iter().zip(first).zip(second).zip(third) {
        [*a, *b, *c] = *pixel;
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn merge([first, second, third]: &Planes, block: &mut [[u8; 3]]) {
    for (((pixel, a), b), c) in block.iter_mut().zip(first).zip(second).zip(third) {
        *pixel = [*a, *b, *c];
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn to_hsv([reds, greens, blues]: &mut Planes) {
    for ((red, green), blue) in reds.iter_mut().zip(greens).zip(blues) {
        let [r, g, b] = [*red, *green, *blue].map(i32::from);
        let value = r.max(g).max(b);
        let chroma = value - r.min(g).min(b);
        let sixths = if value == r {
            g - b
        } else if value == g {
            b - r + 2 * chroma
        } else {
            r - g + 4 * chroma
        };
        let hue = rounded(sixths * reciprocal(HUES / 6, chroma));
        *red = if hue < 0 { hue + HUES } else { hue } as u8;
        *green = rounded(chroma * reciprocal(255, value)) as u8;
        *blue = value as u8;
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
fn to_rgb([hues, saturations, values]: &mut Planes) {
    for ((h, s), v) in hues.iter_mut().zip(saturations).zip(values) {
        let hue = f32::from(*h) * (6.0 / HUES as f32);
        let sector = floor(hue);
        let fraction = hue - sector;
        let saturation = f32::from(*s) * (1.0 / 255.0);
        let value = f32::from(*v) * (1.0 / 255.0);
        // One rounding, as a fused multiply-add has.
        let less = |share: f32| value * ((1.0 - f64::from(saturation) * f64::from(share)) as f32);
        let (low, falling, rising) = (value * (1.0 - saturation), less(fraction), less(1.0 - fraction));
        let is = |number: f32| sector == number;
        let cut = |channel: f32| (floor(channel * 255.0) + WHOLE).to_bits() as u8;
        let red = if is(1.0) {
            falling
        } else if is(4.0) {
            rising
        } else if is(2.0) | is(3.0) {
            low
        } else {
            value
        };
        let green = if is(0.0) {
            rising
        } else if is(3.0) {
            falling
        } else if is(1.0) | is(2.0) {
            value
        } else {
            low
        };
        let blue = if is(2.0) {
            rising
        } else if is(0.0) | is(1.0) {
            low
        } else if is(3.0) | is(4.0) {
            value
        } else {
            falling
        };
        (*h, *s, *v) = (cut(red), cut(green), cut(blue));
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
