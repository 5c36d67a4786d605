//! Axes, linear and logarithmic: where a value stands, where ticks stand, what is written at them.

use serde::{Deserialize, Serialize};

use crate::format::{self, significant};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AxisScale {
    #[default]
    Linear,
    Log,
}

impl AxisScale {
    /// Where a value stands: itself, or its decimal logarithm. NaN where a logarithmic axis has no place for it.
    pub fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log if value > 0.0 => value.log10(),
            Self::Log => f64::NAN,
        }
    }

    /// The value at a place.
    pub fn value(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Log => 10_f64.powf(place),
        }
    }
}

/// About `wanted` ticks strictly between two places, each with what is written at it.
pub fn ticks(low: f64, high: f64, wanted: usize, scale: AxisScale) -> Vec<(f64, String)> {
    if scale == AxisScale::Linear {
        return round_ticks(low, high, wanted);
    }
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) || wanted == 0 {
        return Vec::new();
    }
    // Within about a decade round values are denser than powers of ten.
    if span < 0.9 {
        let of_values = round_ticks(scale.value(low), scale.value(high), wanted);
        return of_values.into_iter().map(|(value, label)| (value.log10(), label)).collect();
    }
    let per_decade = wanted as f64 / span;
    let digits: &[f64] = if per_decade >= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let stride = (1.0 / per_decade).ceil().max(1.0) as i64;
    let (first, last) = (low.floor() as i64, high.ceil() as i64);
    (first..=last.min(first + 400))
        .filter(|decade| decade.rem_euclid(stride) == 0)
        .flat_map(|decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade as i32)))
        .map(|value| (value.log10(), format::tick(value)))
        .filter(|(place, _)| *place > low && *place < high)
        .collect()
}

/// Round numbers strictly inside a range, about `wanted` of them, and how they are written.
pub fn round_ticks(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) || wanted == 0 {
        return Vec::new();
    }
    let raw = span / wanted as f64;
    let decade = 10_f64.powi(raw.log10().floor() as i32);
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|&step| step >= raw * 0.999).unwrap_or(raw);
    let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last.min(first.saturating_add(32)))
        .map(|k| k as f64 * step)
        .filter(|&tick| tick > low && tick < high)
        .map(|tick| {
            let plain = tick == 0.0 || (1e-4..1e6).contains(&tick.abs());
            (tick, if plain { format!("{tick:.decimals$}").replace('-', "−") } else { significant(tick) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, wanted: usize) -> Vec<String> {
        ticks(low, high, wanted, AxisScale::Log).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn a_value_and_its_place_on_a_logarithmic_axis() {
        let log = AxisScale::Log;
        assert_eq!([log.place(1000.0), log.place(0.01)], [3.0, -2.0]);
        assert!(log.place(0.0).is_nan() && log.place(-1.0).is_nan() && log.place(f64::NAN).is_nan());
        assert!((log.value(log.place(0.37)) - 0.37).abs() < 1e-12);
        assert_eq!(AxisScale::Linear.place(-5.0), -5.0);
    }

    #[test]
    fn logarithmic_ticks_stand_at_powers_of_ten_and_say_the_value() {
        let marks = ticks(-0.5, 3.5, 4, AxisScale::Log);
        assert_eq!(marks.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(labels(-0.5, 3.5, 4), ["1", "10", "100", "1000"]);
        assert_eq!(labels(-3.2, 0.5, 4), ["0.001", "0.01", "0.1", "1"]);
        // Few decades have room for 2 and 5, many for every second alone.
        assert_eq!(labels(-0.1, 1.1, 6), ["1", "2", "5", "10"]);
        assert_eq!(labels(-0.5, 8.5, 5), ["1", "100", "10000", "1.00e6", "1.00e8"]);
    }

    #[test]
    fn within_a_decade_ticks_are_round_values() {
        // 0.2 to 0.8.
        assert_eq!(labels(0.2_f64.log10(), 0.8_f64.log10(), 4), ["0.4", "0.6"]);
        assert!(ticks(f64::NAN, 1.0, 4, AxisScale::Log).is_empty());
    }
}
