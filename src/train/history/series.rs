//! From a series to what a plot draws: the moving average, and few enough points. Numbers alone.

use crate::axis::AxisScale;

/// The exponential moving average without its bias towards the start: Σ wᵗ⁻ⁱ·yᵢ / Σ wᵗ⁻ⁱ over the finite yᵢ with i ≤ t.
/// NaN where y is not finite; a weight of 0 gives y.
pub fn moving_average(values: &[f64], weight: f64) -> Vec<f64> {
    let (mut sum, mut norm) = (0.0, 0.0);
    let average = |&value: &f64| {
        if !value.is_finite() {
            return f64::NAN;
        }
        sum = weight * sum + value;
        norm = weight * norm + 1.0;
        sum / norm
    };
    values.iter().map(average).collect()
}

/// Why a value has no place in a plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    Nan,
    Above,
    Below,
    /// 0 or less on a logarithmic axis: not wrong, but off the scale.
    NotPositive,
}

impl Missing {
    fn of(value: f64, scale: AxisScale) -> Option<Self> {
        if value.is_nan() {
            Some(Self::Nan)
        } else if value.is_infinite() {
            Some(if value > 0.0 { Self::Above } else { Self::Below })
        } else if scale == AxisScale::Log && value <= 0.0 {
            Some(Self::NotPositive)
        } else {
            None
        }
    }
}

/// A series as a plot draws it, in places on its axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// At most two points a bucket: its smallest and its largest value, in the order in which they came.
    pub line: Vec<[f64; 2]>,
    /// x, smallest and largest value of each bucket; empty where no bucket holds several values.
    pub band: Vec<[f64; 3]>,
    /// What cannot be drawn, once a bucket and kind.
    pub missing: Vec<(f64, Missing)>,
}

/// Places of the first and the last value that have one on an axis; `x` ascends.
pub fn span(x: &[f64], scale: AxisScale) -> Option<(f64, f64)> {
    let place = |x: &f64| Some(scale.place(*x)).filter(|place| place.is_finite());
    Some((x.iter().find_map(place)?, x.iter().rev().find_map(place)?))
}

/// Where and how finely a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Places on the x axis.
    pub low: f64,
    pub high: f64,
    /// One for each pixel.
    pub buckets: usize,
    pub x: AxisScale,
    pub y: AxisScale,
}

/// The part of a series that a window shows, with one point more on either side, so that lines leave the plot. `x`
/// ascends.
pub fn decimate(x: &[f64], y: &[f64], window: Window) -> Drawn {
    let count = x.len().min(y.len());
    let (x, y) = (&x[..count], &y[..count]);
    let place = |value: f64| window.x.place(value);
    let from = x.partition_point(|&x| place(x).is_nan() || place(x) < window.low).saturating_sub(1);
    let to = x.partition_point(|&x| place(x).is_nan() || place(x) <= window.high).saturating_add(1).min(count);
    let mut drawn = Drawn::default();
    let width = (window.high - window.low) / window.buckets.max(1) as f64;
    let mut bucket = Bucket::default();
    let mut several = false;
    for at in from..to {
        let x = place(x[at]);
        if x.is_nan() {
            continue;
        }
        let index = if width > 0.0 { ((x - window.low) / width).floor() } else { 0.0 };
        if bucket.index != Some(index) {
            bucket.flush(&mut drawn);
            bucket = Bucket { index: Some(index), ..Bucket::default() };
        }
        match Missing::of(y[at], window.y) {
            Some(missing) => {
                if !bucket.missing.iter().any(|(_, kind)| *kind == missing) {
                    bucket.missing.push((x, missing));
                }
            }
            None => {
                bucket.take([x, window.y.place(y[at])]);
                several |= bucket.count > 1;
            }
        }
    }
    bucket.flush(&mut drawn);
    if !several {
        drawn.band.clear();
    }
    drawn
}

#[derive(Default)]
struct Bucket {
    index: Option<f64>,
    count: usize,
    low: [f64; 2],
    high: [f64; 2],
    missing: Vec<(f64, Missing)>,
}

impl Bucket {
    fn take(&mut self, point: [f64; 2]) {
        if self.count == 0 || point[1] < self.low[1] {
            self.low = point;
        }
        if self.count == 0 || point[1] > self.high[1] {
            self.high = point;
        }
        self.count += 1;
    }

    fn flush(&mut self, drawn: &mut Drawn) {
        drawn.missing.append(&mut self.missing);
        if self.count == 0 {
            return;
        }
        let (first, second) = if self.low[0] <= self.high[0] { (self.low, self.high) } else { (self.high, self.low) };
        drawn.line.push(first);
        if second != first {
            drawn.line.push(second);
        }
        drawn.band.push([f64::midpoint(self.low[0], self.high[0]), self.low[1], self.high[1]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(low: f64, high: f64, buckets: usize) -> Window {
        Window { low, high, buckets, x: AxisScale::Linear, y: AxisScale::Linear }
    }

    #[test]
    fn the_average_is_weighted_towards_the_newest() {
        // By hand, weight ½: 4; (2 + 8)/1.5; (1 + 4 + 2)/1.75.
        let average = moving_average(&[4.0, 8.0, 2.0], 0.5);
        let expected = [4.0, 10.0 / 1.5, 7.0 / 1.75];
        assert!(average.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-12), "{average:?}");
        assert_eq!(moving_average(&[4.0, 8.0, 2.0], 0.0), [4.0, 8.0, 2.0]);
        assert!((moving_average(&[3.0; 500], 0.99)[499] - 3.0).abs() < 1e-9, "a constant stays itself");
    }

    #[test]
    fn the_average_passes_over_what_is_not_finite() {
        let average = moving_average(&[4.0, f64::NAN, f64::INFINITY, 8.0], 0.5);
        assert!(average[1].is_nan() && average[2].is_nan());
        assert!((average[3] - 10.0 / 1.5).abs() < 1e-12, "{average:?}");
    }

    #[test]
    fn every_bucket_keeps_its_smallest_and_its_largest_value() {
        let count = 10_000_u32;
        let x: Vec<f64> = (0..count).map(f64::from).collect();
        let y: Vec<f64> = (0_u32..count).map(|i| f64::from(i.wrapping_mul(7919) % 1013)).collect();
        let (low, high, buckets) = (1000.0, 9000.0, 80);
        let drawn = decimate(&x, &y, window(low, high, buckets));
        assert!(drawn.line.len() <= 2 * (buckets + 2), "{}", drawn.line.len());
        assert!(drawn.line.windows(2).all(|pair| pair[0][0] < pair[1][0]), "x ascends");
        // Brute force: for each hundred steps the extremes of all its values.
        for bucket in 0..buckets {
            let inside: Vec<f64> = x
                .iter()
                .zip(&y)
                .filter(|(x, _)| ((**x - low) / 100.0).floor() == bucket as f64)
                .map(|(_, y)| *y)
                .collect();
            let extremes = inside.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
            let kept: Vec<f64> = drawn
                .line
                .iter()
                .filter(|point| ((point[0] - low) / 100.0).floor() == bucket as f64)
                .map(|point| point[1])
                .collect();
            let of_kept = kept.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
            assert_eq!((kept.len(), of_kept), (2, extremes), "bucket {bucket}");
            assert!(drawn.band.iter().any(|band| (band[1], band[2]) == extremes));
        }
    }

    #[test]
    fn few_points_stay_as_they_are_and_lines_leave_the_window() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0];
        let y = [5.0, 4.0, 3.0, 2.0, 1.0];
        let drawn = decimate(&x, &y, window(2.5, 3.5, 100));
        assert_eq!(drawn.line, [[2.0, 4.0], [3.0, 3.0], [4.0, 2.0]]);
        assert!(drawn.band.is_empty());
        assert_eq!(decimate(&[], &[], window(0.0, 1.0, 10)), Drawn::default());
        assert_eq!(decimate(&[1.0], &[2.0], window(1.0, 1.0, 10)).line, [[1.0, 2.0]]);
    }

    #[test]
    fn what_cannot_be_drawn_is_told_where_it_is() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let y = [1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 10.0];
        let linear = decimate(&x, &y, window(1.0, 6.0, 50));
        assert_eq!(linear.line, [[1.0, 1.0], [5.0, 0.0], [6.0, 10.0]]);
        assert_eq!(linear.missing, [(2.0, Missing::Nan), (3.0, Missing::Above), (4.0, Missing::Below)]);
        let log = decimate(&x, &y, Window { y: AxisScale::Log, ..window(1.0, 6.0, 50) });
        assert_eq!(log.line, [[1.0, 0.0], [6.0, 1.0]]);
        assert_eq!(log.missing.last(), Some(&(5.0, Missing::NotPositive)));
        // A whole bucket of NaN is one mark.
        let flood = decimate(&x, &[f64::NAN; 6], window(1.0, 6.0, 1));
        assert!(flood.missing.len() <= 2 && !flood.missing.is_empty(), "{flood:?}");
    }

    #[test]
    fn a_span_leaves_out_what_an_axis_has_no_place_for() {
        assert_eq!(span(&[0.0, 10.0, 1000.0], AxisScale::Linear), Some((0.0, 1000.0)));
        assert_eq!(span(&[0.0, 10.0, 1000.0], AxisScale::Log), Some((1.0, 3.0)));
        assert_eq!((span(&[0.0], AxisScale::Log), span(&[], AxisScale::Linear)), (None, None));
    }

    #[test]
    fn a_logarithmic_x_axis_spreads_the_start() {
        let x: Vec<f64> = (1..=1000).map(f64::from).collect();
        let window = Window { low: 0.0, high: 3.0, buckets: 3, x: AxisScale::Log, y: AxisScale::Linear };
        let drawn = decimate(&x, &x, window);
        // One bucket a decade: 1 to 9, 10 to 99, 100 to 999, and 1000 on the edge.
        let values: Vec<f64> = drawn.line.iter().map(|point| point[1]).collect();
        assert_eq!(values, [1.0, 9.0, 10.0, 99.0, 100.0, 999.0, 1000.0]);
    }
}
