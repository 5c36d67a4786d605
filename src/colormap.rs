//! Colour maps: perceptual and safe for colour-blind eyes; shared by the window and the figures.

use std::sync::OnceLock;

use colorous::Gradient;
use serde::{Deserialize, Serialize};

/// Shown where a value is not finite: a colour that no map has.
pub const NOT_FINITE: [u8; 3] = [255, 0, 255];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColorMap {
    Cividis,
    Viridis,
    Inferno,
    Magma,
    /// For signed values: blue below 0, white at 0, red above.
    BlueRed,
}

impl ColorMap {
    pub const ALL: [Self; 5] = [Self::Cividis, Self::Viridis, Self::Inferno, Self::Magma, Self::BlueRed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Cividis => "cividis",
            Self::Viridis => "viridis",
            Self::Inferno => "inferno",
            Self::Magma => "magma",
            Self::BlueRed => "blue–red",
        }
    }

    /// 256 colours from the lowest value to the highest.
    pub fn table(self) -> &'static [[u8; 3]; 256] {
        static TABLES: OnceLock<[[[u8; 3]; 256]; 5]> = OnceLock::new();
        let tables = TABLES.get_or_init(|| {
            ColorMap::ALL.map(|map| {
                let color = |index: usize| match map {
                    Self::BlueRed => colorous::RED_BLUE.eval_rational(255 - index, 256),
                    _ => map.gradient().eval_rational(index, 256),
                };
                std::array::from_fn(|index| {
                    let color = color(index);
                    [color.r, color.g, color.b]
                })
            })
        });
        &tables[self as usize]
    }

    const fn gradient(self) -> Gradient {
        match self {
            Self::Cividis => colorous::CIVIDIS,
            Self::Viridis => colorous::VIRIDIS,
            Self::Inferno => colorous::INFERNO,
            Self::Magma => colorous::MAGMA,
            Self::BlueRed => colorous::RED_BLUE,
        }
    }

    /// The colour of a value in a range; the ends take what lies beyond them.
    pub fn color(self, value: f32, range: (f32, f32)) -> [u8; 3] {
        if !value.is_finite() {
            return NOT_FINITE;
        }
        self.table()[(share(value, range) * 255.0).round() as usize]
    }
}

/// Where a finite value lies in a range, 0..=1.
pub fn share(value: f32, (low, high): (f32, f32)) -> f64 {
    // In f64: the span of two finite f32 is finite.
    let (value, low, high) = (f64::from(value), f64::from(low), f64::from(high));
    if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 }
}

/// How the ends of a map's colours follow from its values; the same in the window and in a figure of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EndsRule {
    /// Ends that were chosen: values beyond them take their colours.
    pub fixed: Option<(f32, f32)>,
    /// Values have a sign: the ends lie equally far from 0.
    pub signed: bool,
    /// The range holds 0, whatever the values are.
    pub from_zero: bool,
}

impl EndsRule {
    /// The ends, apart even where all values are one; what is not finite does not count.
    pub fn ends(self, values: impl Iterator<Item = f32>) -> (f32, f32) {
        let (low, high) = match self.fixed {
            Some((low, high)) if low.is_finite() && high.is_finite() => (low.min(high), low.max(high)),
            _ => {
                let range = values.filter(|value| value.is_finite()).fold(None, |range, value| match range {
                    None => Some((value, value)),
                    Some((low, high)) => Some((f32::min(low, value), f32::max(high, value))),
                });
                let (low, high) = range.unwrap_or((0.0, 1.0));
                if self.from_zero { (low.min(0.0), high.max(0.0)) } else { (low, high) }
            }
        };
        let (low, high) = if self.signed {
            let reach = low.abs().max(high.abs());
            (-reach, reach)
        } else {
            (low, high)
        };
        if high > low { (low, high) } else { (low, low + 1.0) }
    }
}

/// Opacity of the black over cells outside the mask where only those inside count, of 255.
pub const VEIL: u8 = 170;

/// A fading map is opaque from this share of its range on, and never fainter than this.
const FULL_FROM: f32 = 0.4;
const FAINTEST: f32 = 0.25;

/// How opaque a fading map is at a share of its range, 0..=1: low values let the image through.
pub fn faded(share: f32) -> f32 {
    (share / FULL_FROM).clamp(FAINTEST, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle() {
        // Viridis begins at #440154 and ends at #fde725.
        assert_eq!(ColorMap::Viridis.color(-9.0, (0.0, 1.0)), [0x44, 0x01, 0x54]);
        assert_eq!(ColorMap::Viridis.color(1.0, (0.0, 1.0)), [0xfd, 0xe7, 0x25]);
        let [low, middle, high] = [-1.0, 0.0, 1.0].map(|value| ColorMap::BlueRed.color(value, (-1.0, 1.0)));
        assert!(low[2] > low[0] && high[0] > high[2], "blue below, red above");
        assert!(middle.iter().all(|part| *part > 230), "white at 0: {middle:?}");
    }

    #[test]
    fn what_is_not_finite_shows_and_a_flat_range_is_its_low_end() {
        assert_eq!(ColorMap::Magma.color(f32::NAN, (0.0, 1.0)), NOT_FINITE);
        assert_eq!(ColorMap::Magma.color(3.0, (3.0, 3.0)), ColorMap::Magma.table()[0]);
        for map in ColorMap::ALL {
            assert!(!map.table().contains(&NOT_FINITE), "{}", map.name());
        }
    }
}
