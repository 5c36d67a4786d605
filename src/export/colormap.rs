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
    pub fn color(self, value: f32, (low, high): (f32, f32)) -> [u8; 3] {
        if !value.is_finite() {
            return NOT_FINITE;
        }
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        self.table()[(share.clamp(0.0, 1.0) * 255.0).round() as usize]
    }
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
