//! Where teacher and student differ: per location, per channel, and inside the mask.
//!
//! Plain numbers on `[C, H, W]` stacks; nothing here knows a model or a tensor. Sums are taken in f64.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::grid::Grid;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DifferenceError {
    #[error("{channels} x {rows} x {cols} features need as many values, not {values}")]
    Shape { channels: usize, rows: usize, cols: usize, values: usize },
    #[error("teacher and student features differ in shape: {teacher} and {student}")]
    Mismatch { teacher: String, student: String },
}

/// Features of one scale: `channels × rows × cols` values, channel by channel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureStack {
    channels: usize,
    rows: usize,
    cols: usize,
    values: Vec<f32>,
}

impl FeatureStack {
    pub fn new(channels: usize, rows: usize, cols: usize, values: Vec<f32>) -> Result<Self, DifferenceError> {
        let wanted = channels.checked_mul(rows).and_then(|n| n.checked_mul(cols));
        if wanted != Some(values.len()) {
            return Err(DifferenceError::Shape { channels, rows, cols, values: values.len() });
        }
        Ok(Self { channels, rows, cols, values })
    }

    pub fn channels(&self) -> usize {
        self.channels
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All values, channel by channel.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    fn cells(&self) -> usize {
        self.rows * self.cols
    }

    fn plane(&self, channel: usize) -> &[f32] {
        &self.values[channel * self.cells()..(channel + 1) * self.cells()]
    }

    fn grid(&self, values: Vec<f32>) -> Grid {
        // Every caller makes one value a cell.
        Grid::from_values(self.cols, self.rows, values).unwrap_or_else(|| Grid::filled(self.cols, self.rows, f32::NAN))
    }

    /// One channel at one cell; `None` outside of the stack.
    pub fn get(&self, channel: usize, row: usize, col: usize) -> Option<f32> {
        let inside = channel < self.channels && row < self.rows && col < self.cols;
        inside.then(|| self.values[(channel * self.rows + row) * self.cols + col])
    }

    /// One channel; `None` past the last.
    pub fn channel(&self, channel: usize) -> Option<Grid> {
        (channel < self.channels).then(|| self.grid(self.plane(channel).to_vec()))
    }

    /// L2 norm over the channels at every cell.
    pub fn norm(&self) -> Grid {
        let mut sums = self.fold(0..self.channels, |value| value * value);
        sums.iter_mut().for_each(|sum| *sum = sum.sqrt());
        self.grid(sums)
    }

    /// L2 norm over some of the channels.
    pub fn norm_of(&self, channels: &[usize]) -> Grid {
        let known = channels.iter().copied().filter(|&channel| channel < self.channels);
        let mut sums = self.fold(known, |value| value * value);
        sums.iter_mut().for_each(|sum| *sum = sum.sqrt());
        self.grid(sums)
    }

    /// Σ of `of(value)` over channels, at every cell.
    fn fold(&self, channels: impl Iterator<Item = usize>, of: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut sums = vec![0.0_f32; self.cells()];
        for channel in channels {
            for (sum, &value) in sums.iter_mut().zip(self.plane(channel)) {
                *sum += of(value);
            }
        }
        sums
    }

    fn shape_text(&self) -> String {
        format!("{} x {} x {}", self.channels, self.rows, self.cols)
    }
}

/// How the distance at a cell is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    #[default]
    SquaredL2,
    L1,
    Cosine,
    Attention,
}

impl DifferenceKind {
    pub const ALL: [Self; 4] = [Self::SquaredL2, Self::L1, Self::Cosine, Self::Attention];

    /// As the command line and the JSON write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SquaredL2 => "squared-l2",
            Self::L1 => "l1",
            Self::Cosine => "cosine",
            Self::Attention => "attention",
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::SquaredL2 => "squared L2",
            Self::L1 => "L1",
            Self::Cosine => "cosine",
            Self::Attention => "attention",
        }
    }

    /// What a colour bar is labelled with.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::SquaredL2 => "Σc (s − t)²",
            Self::L1 => "Σc |s − t|",
            Self::Cosine => "1 − cos(s, t)",
            Self::Attention => "(As − At)²",
        }
    }

    pub const fn explanation(self) -> &'static str {
        match self {
            Self::SquaredL2 => "Squared distance over the channels; its sum inside the mask is what the loss adds up.",
            Self::L1 => "Absolute differences summed over the channels: a few large channels weigh less.",
            Self::Cosine => "One minus the cosine of the two feature vectors: direction alone, not strength.",
            Self::Attention => {
                "Squared difference of the channel-mean of squares, each map scaled to unit length; needs no adapter."
            }
        }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// The difference at every cell. All kinds but attention need equal channels; all need equal rows and columns.
///
/// Attention is that of attention transfer (Zagoruyko & Komodakis 2017): the channel-mean of squares, scaled to unit
/// L2 length over the map. Where one vector is zero the cosine distance is 1, where both are it is 0.
pub fn difference(
    kind: DifferenceKind,
    teacher: &FeatureStack,
    student: &FeatureStack,
) -> Result<Grid, DifferenceError> {
    same_map(teacher, student)?;
    let values = match kind {
        DifferenceKind::Attention => {
            let (of_teacher, of_student) = (attention(teacher), attention(student));
            of_student.iter().zip(&of_teacher).map(|(s, t)| (s - t) * (s - t)).collect()
        }
        DifferenceKind::SquaredL2 => paired(teacher, student, |sum, t, s| *sum += (s - t) * (s - t))?,
        DifferenceKind::L1 => paired(teacher, student, |sum, t, s| *sum += (s - t).abs())?,
        DifferenceKind::Cosine => {
            let dots = paired(teacher, student, |sum, t, s| *sum += s * t)?;
            let (of_teacher, of_student) = (teacher.norm(), student.norm());
            dots.iter()
                .zip(of_teacher.values().iter().zip(of_student.values()))
                .map(|(dot, (&t, &s))| match (t == 0.0, s == 0.0) {
                    (true, true) => 0.0,
                    (true, false) | (false, true) => 1.0,
                    (false, false) => 1.0 - dot / (t * s),
                })
                .collect()
        }
    };
    Ok(teacher.grid(values))
}

/// Student minus teacher in one channel, with its sign.
pub fn channel_difference(
    channel: usize,
    teacher: &FeatureStack,
    student: &FeatureStack,
) -> Result<Grid, DifferenceError> {
    same_stack(teacher, student)?;
    if channel >= teacher.channels {
        return Ok(Grid::filled(teacher.cols, teacher.rows, f32::NAN));
    }
    let (t, s) = (teacher.plane(channel), student.plane(channel));
    Ok(teacher.grid(s.iter().zip(t).map(|(s, t)| s - t).collect()))
}

/// Squared error of every channel, summed over all cells or over those of `mask` (one count a cell, marked above 0).
pub fn channel_errors(
    teacher: &FeatureStack,
    student: &FeatureStack,
    mask: Option<&[i32]>,
) -> Result<Vec<f64>, DifferenceError> {
    same_stack(teacher, student)?;
    let error = |channel: usize| -> f64 {
        let pairs = student.plane(channel).iter().zip(teacher.plane(channel));
        let squares = pairs.map(|(s, t)| f64::from(s - t) * f64::from(s - t));
        match mask {
            None => squares.sum(),
            Some(mask) => squares.zip(mask).filter(|(_, hits)| **hits > 0).map(|(square, _)| square).sum(),
        }
    };
    Ok((0..teacher.channels).map(error).collect())
}

/// Squared error of every channel at one cell; empty outside of the map.
pub fn cell_errors(
    teacher: &FeatureStack,
    student: &FeatureStack,
    row: usize,
    col: usize,
) -> Result<Vec<f64>, DifferenceError> {
    same_stack(teacher, student)?;
    let error = |channel| Some(f64::from(student.get(channel, row, col)? - teacher.get(channel, row, col)?).powi(2));
    Ok((0..teacher.channels).map_while(error).collect())
}

/// The `k` channels of largest error, worst first; equal ones in the order of the channels, NaN before all.
pub fn top_channels(errors: &[f64], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..errors.len()).collect();
    let rank = |channel: usize| if errors[channel].is_nan() { f64::INFINITY } else { errors[channel] };
    order.sort_by(|&a, &b| rank(b).total_cmp(&rank(a)));
    order.truncate(k);
    order
}

/// The squared L2 difference over some channels alone.
pub fn squared_over(
    channels: &[usize],
    teacher: &FeatureStack,
    student: &FeatureStack,
) -> Result<Grid, DifferenceError> {
    same_stack(teacher, student)?;
    let mut sums = vec![0.0_f32; teacher.cells()];
    for &channel in channels.iter().filter(|&&channel| channel < teacher.channels) {
        let pairs = student.plane(channel).iter().zip(teacher.plane(channel));
        for (sum, (s, t)) in sums.iter_mut().zip(pairs) {
            *sum += (s - t) * (s - t);
        }
    }
    Ok(teacher.grid(sums))
}

/// A difference map inside and outside the mask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MaskedStatistics {
    /// `None` where the mask is empty.
    pub mean_inside: Option<f64>,
    /// `None` where the mask is everything.
    pub mean_outside: Option<f64>,
    pub sum_inside: f64,
    /// N.
    pub cells: usize,
}

/// `mask`: one count a cell, marked above 0.
pub fn masked_statistics(grid: &Grid, mask: &[i32]) -> MaskedStatistics {
    let (mut inside, mut outside, mut cells) = (0.0_f64, 0.0_f64, 0_usize);
    for (&value, &hits) in grid.values().iter().zip(mask) {
        if hits > 0 {
            inside += f64::from(value);
            cells += 1;
        } else {
            outside += f64::from(value);
        }
    }
    let rest = grid.values().len().min(mask.len()) - cells;
    let mean = |sum: f64, n: usize| (n > 0).then(|| sum / n as f64);
    MaskedStatistics { mean_inside: mean(inside, cells), mean_outside: mean(outside, rest), sum_inside: inside, cells }
}

/// Imitation loss of one scale: λ / (2N) · Σ inside the mask of the squared L2 map; exactly 0 for N = 0.
/// Wang et al. 2019, eq. 4.
pub fn imitation_loss(lambda: f64, sum_inside: f64, cells: usize) -> f64 {
    if cells == 0 { 0.0 } else { lambda / (2.0 * cells as f64) * sum_inside }
}

fn attention(features: &FeatureStack) -> Vec<f32> {
    let mut means = features.fold(0..features.channels, |value| value * value);
    let channels = features.channels.max(1) as f32;
    means.iter_mut().for_each(|mean| *mean /= channels);
    let length = means.iter().map(|&mean| f64::from(mean) * f64::from(mean)).sum::<f64>().sqrt() as f32;
    if length > 0.0 {
        means.iter_mut().for_each(|mean| *mean /= length);
    }
    means
}

fn paired(
    teacher: &FeatureStack,
    student: &FeatureStack,
    add: impl Fn(&mut f32, f32, f32),
) -> Result<Vec<f32>, DifferenceError> {
    same_stack(teacher, student)?;
    let mut sums = vec![0.0_f32; teacher.cells()];
    for channel in 0..teacher.channels {
        let pairs = teacher.plane(channel).iter().zip(student.plane(channel));
        for (sum, (&t, &s)) in sums.iter_mut().zip(pairs) {
            add(sum, t, s);
        }
    }
    Ok(sums)
}

fn same_map(teacher: &FeatureStack, student: &FeatureStack) -> Result<(), DifferenceError> {
    if (teacher.rows, teacher.cols) == (student.rows, student.cols) {
        return Ok(());
    }
    Err(DifferenceError::Mismatch { teacher: teacher.shape_text(), student: student.shape_text() })
}

fn same_stack(teacher: &FeatureStack, student: &FeatureStack) -> Result<(), DifferenceError> {
    if teacher.channels == student.channels {
        return same_map(teacher, student);
    }
    Err(DifferenceError::Mismatch { teacher: teacher.shape_text(), student: student.shape_text() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels on a map of one row and two columns: cells (1, 2) and (0, −2) against (1, 0) and (0, 2).
    fn pair() -> (FeatureStack, FeatureStack) {
        let teacher = FeatureStack::new(2, 1, 2, vec![1.0, 0.0, 0.0, 2.0]).unwrap();
        let student = FeatureStack::new(2, 1, 2, vec![1.0, 0.0, 2.0, -2.0]).unwrap();
        (teacher, student)
    }

    fn map(kind: DifferenceKind) -> Vec<f32> {
        let (teacher, student) = pair();
        difference(kind, &teacher, &student).unwrap().values().to_vec()
    }

    #[test]
    fn differences_by_hand() {
        assert_eq!(map(DifferenceKind::SquaredL2), [4.0, 16.0]);
        assert_eq!(map(DifferenceKind::L1), [2.0, 4.0]);
        let cosine = map(DifferenceKind::Cosine);
        assert!((cosine[0] - (1.0 - 1.0 / 5.0_f32.sqrt())).abs() < 1e-6);
        assert!((cosine[1] - 2.0).abs() < 1e-6, "opposite vectors");
        // Channel-means of squares: teacher (0.5, 2), student (2.5, 2); lengths √4.25 and √10.25.
        let attention = map(DifferenceKind::Attention);
        let expected = (2.5 / 10.25_f32.sqrt() - 0.5 / 4.25_f32.sqrt()).powi(2);
        assert!((attention[0] - expected).abs() < 1e-6);
    }

    #[test]
    fn the_channels_of_a_cell_by_hand() {
        let (teacher, student) = pair();
        assert_eq!([teacher.get(1, 0, 1), teacher.get(1, 0, 0), teacher.get(2, 0, 0)], [Some(2.0), Some(0.0), None]);
        assert_eq!(cell_errors(&teacher, &student, 0, 0).unwrap(), [0.0, 4.0]);
        assert_eq!(cell_errors(&teacher, &student, 0, 1).unwrap(), [0.0, 16.0]);
        assert!(cell_errors(&teacher, &student, 1, 0).unwrap().is_empty());
    }

    #[test]
    fn attention_alone_compares_unequal_channels() {
        let (teacher, _) = pair();
        let student = FeatureStack::new(1, 1, 2, vec![1.0, 1.0]).unwrap();
        assert!(difference(DifferenceKind::SquaredL2, &teacher, &student).is_err());
        assert!(difference(DifferenceKind::Attention, &teacher, &student).is_ok());
    }

    #[test]
    fn the_masked_sum_is_the_loss() {
        let (teacher, student) = pair();
        let squared = difference(DifferenceKind::SquaredL2, &teacher, &student).unwrap();
        let inside = masked_statistics(&squared, &[0, 3]);
        assert_eq!((inside.sum_inside, inside.cells), (16.0, 1));
        assert_eq!((inside.mean_inside, inside.mean_outside), (Some(16.0), Some(4.0)));
        // λ/(2N) Σ I Σc (s − t)² with λ = 3, N = 1: 3/2 · 16.
        assert_eq!(imitation_loss(3.0, inside.sum_inside, inside.cells), 24.0);
    }

    #[test]
    fn an_empty_mask_has_loss_zero_and_no_mean() {
        let grid = Grid::filled(2, 1, 5.0);
        let none = masked_statistics(&grid, &[0, 0]);
        assert_eq!(none.mean_inside, None);
        assert_eq!(imitation_loss(1.0, none.sum_inside, none.cells), 0.0);
        assert_eq!(masked_statistics(&grid, &[1, 1]).mean_outside, None);
    }

    #[test]
    fn channels_are_ranked_by_error_inside_the_mask() {
        let (teacher, student) = pair();
        assert_eq!(channel_errors(&teacher, &student, None).unwrap(), [0.0, 20.0]);
        assert_eq!(channel_errors(&teacher, &student, Some(&[1, 0])).unwrap(), [0.0, 4.0]);
        assert_eq!(top_channels(&[1.0, 3.0, 3.0, f64::NAN], 3), [3, 1, 2]);
        assert_eq!(squared_over(&[1], &teacher, &student).unwrap().values(), [4.0, 16.0]);
        assert_eq!(channel_difference(1, &teacher, &student).unwrap().values(), [2.0, -4.0]);
    }

    #[test]
    fn a_stack_of_the_wrong_length_is_refused() {
        assert!(FeatureStack::new(2, 2, 2, vec![0.0; 7]).is_err());
        assert!(FeatureStack::new(usize::MAX, 2, 2, vec![]).is_err());
    }
}
