//! The invariant of the difference view: λ/(2N) times the sum of the squared map inside the mask is the loss.

use distillscope::imitation::difference::{
    DifferenceKind, FeatureStack, channel_errors, difference, imitation_loss, masked_statistics, squared_over,
    top_channels,
};
use proptest::prelude::*;

type Case = (usize, usize, usize, Vec<f32>, Vec<f32>, Vec<i32>);

fn case() -> impl Strategy<Value = Case> {
    (1_usize..9, 1_usize..7, 1_usize..7).prop_flat_map(|(channels, rows, cols)| {
        let values = || prop::collection::vec(-3.0_f32..3.0, channels * rows * cols);
        let mask = prop::collection::vec(-1_i32..3, rows * cols);
        (Just(channels), Just(rows), Just(cols), values(), values(), mask)
    })
}

proptest! {
    /// Wang et al. 2019, eq. 4, term by term: λ/(2N) Σ over cells of I Σ over channels of (s − t)².
    #[test]
    fn the_masked_squared_map_is_the_loss((channels, rows, cols, t, s, mask) in case(), lambda in 0.0_f64..4.0) {
        let cells = rows * cols;
        let (mut sum, mut n) = (0.0_f64, 0_usize);
        for (cell, &hits) in mask.iter().enumerate() {
            if hits > 0 {
                n += 1;
                for channel in 0..channels {
                    let at = channel * cells + cell;
                    sum += (f64::from(s[at]) - f64::from(t[at])).powi(2);
                }
            }
        }
        let expected = if n == 0 { 0.0 } else { lambda * sum / (2.0 * n as f64) };

        let teacher = FeatureStack::new(channels, rows, cols, t).unwrap();
        let student = FeatureStack::new(channels, rows, cols, s).unwrap();
        let map = difference(DifferenceKind::SquaredL2, &teacher, &student).unwrap();
        let found = masked_statistics(&map, &mask);
        let loss = imitation_loss(lambda, found.sum_inside, found.cells);
        prop_assert_eq!(found.cells, n);
        prop_assert!((loss - expected).abs() <= 1e-5 * expected.max(1.0), "{} is not {}", loss, expected);
        if n == 0 {
            prop_assert_eq!(loss, 0.0);
        }

        // The same sum by channels, and all channels together are the map.
        let errors = channel_errors(&teacher, &student, Some(&mask)).unwrap();
        prop_assert!((errors.iter().sum::<f64>() - sum).abs() <= 1e-5 * sum.max(1.0));
        let all = squared_over(&top_channels(&errors, channels), &teacher, &student).unwrap();
        for (a, b) in all.values().iter().zip(map.values()) {
            prop_assert!((a - b).abs() <= 1e-4 * b.max(1.0));
        }
    }
}
