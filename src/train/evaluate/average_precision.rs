//! Precision, recall and average precision from matched detections: YOLOv5's `ap_per_class`.

use super::matching::{Found, IOU_THRESHOLDS};

/// Keeps a quotient finite.
const EPSILON: f64 = 1e-16;
/// Confidences from 0 to 1 at which precision, recall and F1 are taken.
const CONFIDENCES: usize = 1000;
/// Half the width of the box filter that smooths F1 before its maximum is looked for.
const SMOOTHING: usize = 50;
/// Recalls from 0 to 1 at which precision is averaged.
const RECALLS: usize = 101;

/// A detection, once it is known what it found.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    pub class: usize,
    pub score: f32,
    pub found: Found,
}

/// What one class reaches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// At IoU 0.5 and the confidence where the mean of all classes' F1 is best.
    pub precision: f64,
    pub recall: f64,
    /// For each IoU threshold.
    pub ap: [f64; IOU_THRESHOLDS.len()],
}

/// The figures of every class, `None` where it has no ground truth. `labels`: ground truths by class.
pub fn figures_by_class(detections: Vec<Scored>, labels: &[usize]) -> Vec<Option<Figures>> {
    figures(&curves_by_class(detections, labels))
}

/// The curves of every class, `None` where it has no ground truth. `labels`: ground truths by class.
pub fn curves_by_class(mut detections: Vec<Scored>, labels: &[usize]) -> Vec<Option<Curves>> {
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut by_class: Vec<Vec<Scored>> = vec![Vec::new(); labels.len()];
    for detection in detections {
        by_class[detection.class].push(detection);
    }
    let of_class =
        |(detections, &labels): (&Vec<Scored>, &usize)| (labels > 0).then(|| Curves::new(detections, labels as f64));
    by_class.iter().zip(labels).map(of_class).collect()
}

/// The figures of curves, class by class.
pub fn figures(curves: &[Option<Curves>]) -> Vec<Option<Figures>> {
    let best = best_confidence(curves);
    let at_best =
        |curve: &Curves| Figures { precision: curve.precision[best], recall: curve.recall[best], ap: curve.ap };
    curves.iter().map(|curve| curve.as_ref().map(at_best)).collect()
}

/// The place among [`confidences`] where the mean of all classes' F1, smoothed, is best.
pub fn best_confidence(curves: &[Option<Curves>]) -> usize {
    let mut mean_f1 = vec![0.0; CONFIDENCES];
    for curve in curves.iter().flatten() {
        for (mean, f1) in mean_f1.iter_mut().zip(curve.f1()) {
            *mean += f1;
        }
    }
    first_maximum(&smoothed(&mean_f1))
}

/// The confidences, and recalls, at which [`Curves`] have their values.
pub fn confidences() -> Vec<f64> {
    (0..CONFIDENCES).map(|i| grid(i, CONFIDENCES)).collect()
}

/// One class: a value for each of [`confidences`].
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// At IoU 0.5, by confidence.
    pub precision: Vec<f64>,
    pub recall: Vec<f64>,
    /// At IoU 0.5, by recall: the best precision that is reached at it or beyond. 0 where nothing was detected.
    pub precision_at_recall: Vec<f64>,
    pub ap: [f64; IOU_THRESHOLDS.len()],
}

impl Curves {
    /// `detections`: of this class, best first.
    fn new(detections: &[Scored], labels: f64) -> Self {
        if detections.is_empty() {
            let zeros = vec![0.0; CONFIDENCES];
            let (recall, precision_at_recall) = (zeros.clone(), zeros.clone());
            return Self { precision: zeros, recall, precision_at_recall, ap: Default::default() };
        }
        // After each detection, at one threshold: (recall, precision).
        let running = |threshold: usize| -> (Vec<f64>, Vec<f64>) {
            let mut found = 0.0;
            let after = detections.iter().zip(1..).map(|(detection, count)| {
                found += f64::from(u8::from(detection.found[threshold]));
                (found / (labels + EPSILON), found / f64::from(count))
            });
            after.unzip()
        };
        let (recall, precision) = running(0);
        let falling: Vec<f64> = detections.iter().map(|detection| -f64::from(detection.score)).collect();
        let by_confidence = |values: &[f64], above_all: f64| -> Vec<f64> {
            (0..CONFIDENCES).map(|i| interpolate(-grid(i, CONFIDENCES), &falling, values, above_all)).collect()
        };
        let envelopes: [Envelope; IOU_THRESHOLDS.len()] = std::array::from_fn(|threshold| {
            let (recall, precision) = running(threshold);
            Envelope::of(&recall, &precision)
        });
        Self {
            precision: by_confidence(&precision, 1.0),
            recall: by_confidence(&recall, 0.0),
            precision_at_recall: envelopes[0].heights(CONFIDENCES),
            ap: envelopes.map(|envelope| envelope.area()),
        }
    }

    /// Harmonic mean of precision and recall, by confidence.
    pub fn f1(&self) -> Vec<f64> {
        let f1 = |(precision, recall): (&f64, &f64)| 2.0 * precision * recall / (precision + recall + EPSILON);
        self.precision.iter().zip(&self.recall).map(f1).collect()
    }
}

/// The best precision that is reached at a recall or beyond. After the last recall that was reached it falls linearly to 0 at
/// recall 1.
struct Envelope {
    recall: Vec<f64>,
    precision: Vec<f64>,
}

impl Envelope {
    fn of(recall: &[f64], precision: &[f64]) -> Self {
        let recall = [&[0.0], recall, &[1.0]].concat();
        let mut precision = [&[1.0], precision, &[0.0]].concat();
        for i in (1..precision.len()).rev() {
            precision[i - 1] = precision[i - 1].max(precision[i]);
        }
        Self { recall, precision }
    }

    /// At so many recalls from 0 to 1.
    fn heights(&self, recalls: usize) -> Vec<f64> {
        (0..recalls).map(|i| interpolate(grid(i, recalls), &self.recall, &self.precision, 1.0)).collect()
    }

    /// Average precision: the area, by 101 points.
    fn area(&self) -> f64 {
        let trapezoid =
            |(i, pair): (usize, &[f64])| (grid(i + 1, RECALLS) - grid(i, RECALLS)) * (pair[0] + pair[1]) / 2.0;
        self.heights(RECALLS).windows(2).enumerate().map(trapezoid).sum()
    }
}

/// The i-th of n numbers spread evenly from 0 to 1.
fn grid(i: usize, n: usize) -> f64 {
    if i + 1 == n { 1.0 } else { i as f64 * (1.0 / (n - 1) as f64) }
}

/// Linear between the points (xs, ys), `xs` rising; of points with one x the last counts. `left` before the first
/// point, the last y after the last.
fn interpolate(x: f64, xs: &[f64], ys: &[f64], left: f64) -> f64 {
    match xs.partition_point(|known| *known <= x) {
        0 => left,
        end if end == xs.len() => ys[end - 1],
        next => {
            let (x0, y0) = (xs[next - 1], ys[next - 1]);
            (ys[next] - y0) / (xs[next] - x0) * (x - x0) + y0
        }
    }
}

/// The mean over [`SMOOTHING`] neighbours on either side, the ends repeated.
fn smoothed(values: &[f64]) -> Vec<f64> {
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return Vec::new() };
    let padded = [&vec![*first; SMOOTHING], values, &vec![*last; SMOOTHING]].concat();
    padded.windows(2 * SMOOTHING + 1).map(|window| window.iter().sum::<f64>() / window.len() as f64).collect()
}

fn first_maximum(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found at the first so many thresholds.
    fn scored(class: usize, score: f32, thresholds: usize) -> Scored {
        Scored { class, score, found: std::array::from_fn(|i| i < thresholds) }
    }

    #[test]
    fn every_ground_truth_found_and_nothing_else_is_all_but_the_last_half_step() {
        // The envelope is 1 up to recall 1, where it ends at 0: the last of 100 trapezoids counts half.
        let figures = figures_by_class(vec![scored(0, 0.9, 10), scored(0, 0.8, 10)], &[2]);
        let figures = figures[0].as_ref().expect("class 0 has labels");
        assert!(figures.ap.iter().all(|ap| (ap - 0.995).abs() < 1e-12), "{figures:?}");
        assert_eq!((figures.precision, figures.recall), (1.0, 1.0));
    }

    #[test]
    fn one_of_two_found_behind_a_false_alarm() {
        // Recall 0, ½; precision 0, ½. The envelope is ½ up to recall ½, then a line down to 0 at recall 1.
        let figures = figures_by_class(vec![scored(0, 0.9, 0), scored(0, 0.8, 1)], &[2]);
        let ap = figures[0].as_ref().expect("class 0 has labels").ap;
        assert!((ap[0] - (0.25 + 0.125)).abs() < 1e-12, "{ap:?}");
        assert_eq!(ap[1], 0.0);
    }

    #[test]
    fn classes_without_labels_are_left_out_and_those_without_detections_are_zero() {
        let figures = figures_by_class(vec![scored(1, 0.9, 10), scored(2, 0.9, 0)], &[3, 1, 0]);
        assert_eq!(figures[0], Some(Figures::default()));
        assert!(figures[1].is_some() && figures[2].is_none());
        assert_eq!(figures_by_class(vec![], &[0, 0]), [None, None]);
    }

    #[test]
    fn a_spike_is_smoothed_to_a_plateau_whose_first_point_counts() {
        let mut spike = vec![0.0; CONFIDENCES];
        spike[500] = 101.0;
        let smooth = smoothed(&spike);
        assert_eq!(smooth.len(), CONFIDENCES);
        assert_eq!((smooth[449], smooth[450], smooth[550], smooth[551]), (0.0, 1.0, 1.0, 0.0));
        assert_eq!(first_maximum(&smooth), 450);
    }
}
