//! Jitter of hue, saturation and value on 8 bits, byte for byte as OpenCV's vector path computes it.
//!
//! Hue runs from 0 to 179. Towards HSV everything is integer, with divisions as 12-bit reciprocals; back it is float32
//! with fused products, cut and not rounded. Both are kept because an HSV round trip is part of what the detectors were
//! trained on.

use image::RgbImage;

const BITS: u32 = 12;
const HUES: i32 = 180;

/// round(range · 2¹² / (parts · i)); 0 for i = 0.
const fn reciprocals(range: u32, parts: u32) -> [i32; 256] {
    let mut table = [0; 256];
    let mut i = 1;
    while i < 256 {
        let divisor = parts * i as u32;
        table[i] = ((2 * (range << BITS) + divisor) / (2 * divisor)) as i32;
        i += 1;
    }
    table
}

static OF_VALUE: [i32; 256] = reciprocals(255, 1);
static OF_CHROMA: [i32; 256] = reciprocals(HUES as u32, 6);

/// Multiplies hue (modulo a turn), saturation and value (both cut at 255) by `gains`.
pub fn jitter(image: &mut RgbImage, gains: [f64; 3]) {
    let table = |value: &dyn Fn(f64) -> f64| std::array::from_fn::<u8, 256, _>(|i| value(i as f64) as u8);
    let hues = table(&|i| (i * gains[0]).rem_euclid(f64::from(HUES)));
    let saturations = table(&|i| (i * gains[1]).clamp(0.0, 255.0));
    let values = table(&|i| (i * gains[2]).clamp(0.0, 255.0));
    for pixel in image.chunks_exact_mut(3) {
        let [h, s, v] = to_hsv([pixel[0], pixel[1], pixel[2]]);
        let rgb = to_rgb([hues[usize::from(h)], saturations[usize::from(s)], values[usize::from(v)]]);
        pixel.copy_from_slice(&rgb);
    }
}

fn to_hsv(rgb: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = rgb.map(i32::from);
    let value = r.max(g).max(b);
    let chroma = value - r.min(g).min(b);
    let sixths = if value == r {
        g - b
    } else if value == g {
        b - r + 2 * chroma
    } else {
        r - g + 4 * chroma
    };
    let divide = |a: i32, reciprocal: i32| (a * reciprocal + (1 << (BITS - 1))) >> BITS;
    let hue = divide(sixths, OF_CHROMA[chroma as usize]);
    let saturation = divide(chroma, OF_VALUE[value as usize]);
    [if hue < 0 { hue + HUES } else { hue } as u8, saturation as u8, value as u8]
}

fn to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    let hue = f32::from(h) * (6.0 / HUES as f32);
    let sector = hue as u8;
    let fraction = hue - f32::from(sector);
    let saturation = f32::from(s) * (1.0 / 255.0);
    let value = f32::from(v) * (1.0 / 255.0);
    // One rounding, as a fused multiply-add has.
    let less = |share: f32| value * ((1.0 - f64::from(saturation) * f64::from(share)) as f32);
    let (low, falling, rising) = (value * (1.0 - saturation), less(fraction), less(1.0 - fraction));
    let rgb = match sector {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    };
    rgb.map(|channel| (channel * 255.0) as u8)
}
