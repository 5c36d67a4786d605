//! Random numbers that follow from what they are for: (seed, epoch, index), never from when or where they are drawn.
//!
//! SplitMix64: small, and the same on every machine and for any number of threads.

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of this key. Keys that differ in one part give unrelated streams.
    pub fn of(key: &[u64]) -> Self {
        let mut rng = Self(0x51_7C_C1_B7_27_22_0A_95);
        for part in key {
            rng.0 ^= part.wrapping_mul(0xD6E8_FEB8_6659_FD93);
            rng.0 = rng.next_u64();
        }
        rng
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in low..high.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with this probability; one draw whatever it is, so that a changed probability moves no other draw.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in 0..n; 0 where n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Every order equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_decides_its_stream() {
        let first = |key: &[u64]| Rng::of(key).next_u64();
        assert_eq!(first(&[1, 2, 3]), first(&[1, 2, 3]));
        let others = [first(&[1, 2, 4]), first(&[1, 3, 2]), first(&[2, 1, 3]), first(&[1, 2]), first(&[])];
        assert!(others.iter().all(|other| *other != first(&[1, 2, 3])));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut rng = Rng::of(&[7]);
        let n = 100_000;
        let mean = (0..n).map(|_| rng.uniform(-1.0, 3.0)).sum::<f64>() / f64::from(n);
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        let normal: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mean = normal.iter().sum::<f64>() / f64::from(n);
        let variance = normal.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_below_stays_below() {
        let mut items: Vec<usize> = (0..50).collect();
        Rng::of(&[3]).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        let mut rng = Rng::of(&[4]);
        let mut seen = [0; 3];
        (0..3000).for_each(|_| seen[rng.below(3)] += 1);
        assert!(seen.iter().all(|&n| (900..1100).contains(&n)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }
}
