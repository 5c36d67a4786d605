//! Whether a confidence is what it says: confidence against precision (Guo et al. 2017).

use serde::Serialize;

use crate::train::evaluate::average_precision::Scored;

/// Bins of equal width from 0 to 1.
pub const BINS: usize = 10;

/// Detections whose confidences lie in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    pub detections: u64,
    /// Their mean confidence; `None` where there are none.
    pub confidence: Option<f64>,
    /// The share of them that found an object at IoU 0.5.
    pub precision: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Of every detection of the evaluation; a bin has its lower end and not its upper one, but 1.
    pub bins: Vec<Bin>,
    /// Expected calibration error of the predictions, which are the detections above the confidence that counts: how far
    /// confidence and precision lie apart, mean over them. `None` without any.
    pub error: Option<f64>,
}

impl Calibration {
    /// `confidence`: above it a detection is a prediction.
    pub fn of(detections: &[Scored], confidence: f32) -> Self {
        let predictions = bins(detections.iter().filter(|detection| detection.score > confidence));
        let all: u64 = predictions.iter().map(|bin| bin.detections).sum();
        let apart = |bin: &Bin| Some(bin.detections as f64 * (bin.confidence? - bin.precision?).abs());
        let sum: f64 = predictions.iter().filter_map(apart).sum();
        Self { bins: bins(detections.iter()), error: (all > 0).then(|| sum / all as f64) }
    }
}

fn bins<'a>(detections: impl Iterator<Item = &'a Scored>) -> Vec<Bin> {
    let mut sums = [(0_u64, 0.0_f64, 0_u64); BINS];
    for detection in detections {
        let score = f64::from(detection.score);
        let (count, confidence, found) = &mut sums[((score * BINS as f64) as usize).min(BINS - 1)];
        *count += 1;
        *confidence += score;
        *found += u64::from(detection.found[0]);
    }
    let bin = |(detections, confidence, found): (u64, f64, u64)| {
        let mean = |sum: f64| (detections > 0).then(|| sum / detections as f64);
        Bin { detections, confidence: mean(confidence), precision: mean(found as f64) }
    };
    sums.map(bin).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(score: f32, is_found: bool) -> Scored {
        Scored { class: 0, score, found: std::array::from_fn(|_| is_found) }
    }

    #[test]
    fn bins_and_error_by_hand() {
        let detections =
            [scored(0.75, true), scored(0.75, true), scored(0.75, false), scored(0.75, true), scored(0.25, false)];
        let found = Calibration::of(&detections, 0.3);
        assert_eq!(found.bins[7], Bin { detections: 4, confidence: Some(0.75), precision: Some(0.75) });
        assert_eq!(found.bins[2], Bin { detections: 1, confidence: Some(0.25), precision: Some(0.0) });
        assert_eq!((found.bins[0], found.error), (Bin::default(), Some(0.0)));
        // With the last one: (4 · 0 + 1 · .25) / 5.
        assert_eq!(Calibration::of(&detections, 0.2).error, Some(0.05));
        assert_eq!(Calibration::of(&detections, 0.9).error, None);
        assert_eq!(Calibration::of(&[scored(1.0, true)], 0.0).bins[9].detections, 1);
    }
}
