//! Numbers that follow from a comparison and a mask: the difference maps behind the read-outs, and the loss.

use std::ops::Range;
use std::sync::Arc;

use crate::app::view::ChannelView;
use crate::geometry::BoundingBox;
use crate::grid::Grid;
use crate::imitation::choice::{LossOnScale, MaskSource};
use crate::imitation::difference::{
    DifferenceKind, FeatureStack, MaskedStatistics, channel_errors, difference, masked_statistics, top_channels,
};
use crate::imitation::mask::{ImitationMask, ScaleMask};
use crate::inspect::{Comparison, Role, ScaleComparison};
use crate::yolo::anchors::AnchorScale;

/// What is measured on one scale.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleMeasures {
    pub stride: u32,
    /// Σc (s − t)² at every cell; absent where the two cannot be subtracted.
    squared: Option<Grid>,
    /// The chosen difference where it is another; that of the loss is in [`Self::loss`].
    chosen: Option<Grid>,
    kind: Option<DifferenceKind>,
    /// The channels that the read-outs cover.
    channels: Channels,
    /// The squared L2 difference inside and outside the mask; `None` without a difference or a mask.
    pub squares: Option<MaskedStatistics>,
    /// What the imitation loss says at λ = 1; `None` where it cannot be formed, or without a mask.
    pub loss: Option<LossOnScale>,
    /// Of the chosen difference, over the cells of the mask and the others.
    pub mean_inside: Option<f64>,
    pub mean_outside: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Channels {
    All,
    Some(Vec<usize>),
}

/// What is measured on every scale of a comparison.
#[derive(Clone, Debug)]
pub struct Measures {
    comparison: Arc<Comparison>,
    kind: Option<DifferenceKind>,
    view: ChannelView,
    pub scales: Vec<ScaleMeasures>,
}

impl Measures {
    /// The maps of a comparison: a few milliseconds at 640 px. [`Measures::weigh`] adds what depends on the mask.
    /// kind: the difference that is shown, `None` for the loss's own.
    pub fn new(comparison: &Arc<Comparison>, kind: Option<DifferenceKind>, view: ChannelView) -> Self {
        let scales = comparison.scales.iter().map(|scale| measure(scale, kind, view)).collect();
        Self { comparison: Arc::clone(comparison), kind, view, scales }
    }

    /// Whether these are the measures of that comparison, seen that way.
    pub fn is_of(&self, comparison: &Arc<Comparison>, kind: Option<DifferenceKind>, view: ChannelView) -> bool {
        Arc::ptr_eq(&self.comparison, comparison) && (self.kind, self.view) == (kind, view)
    }

    /// Sums up inside and outside the IoU mask, and over what the loss counts; quick enough for every step of a slider.
    /// boxes: the ground truths, input px.
    pub fn weigh(
        &mut self,
        anchors: &[AnchorScale],
        mask: Option<&ImitationMask>,
        source: MaskSource,
        boxes: &[BoundingBox],
    ) {
        for measured in &mut self.scales {
            (measured.squares, measured.loss) = (None, None);
            (measured.mean_inside, measured.mean_outside) = (None, None);
            let at = anchors.iter().position(|scale| scale.stride == measured.stride);
            let Some(mask) = at.and_then(|at| mask?.scales.get(at)) else { continue };
            let fits = |grid: &&Grid| (grid.height(), grid.width()) == (mask.rows, mask.cols);
            if let Some(squared) = measured.squared.as_ref().filter(fits) {
                measured.squares = Some(masked_statistics(squared, &mask.count));
            }
            let compared = self.comparison.scale(measured.stride);
            let loss = compared.and_then(|compared| compared.loss_under(source, mask, boxes));
            measured.loss = loss.filter(|loss| fits(&&loss.map));
            if let Some(shown) = measured.difference().filter(fits) {
                let statistics = masked_statistics(shown, &mask.count);
                measured.mean_inside = statistics.mean_inside;
                measured.mean_outside = statistics.mean_outside;
            }
        }
    }

    pub fn scale(&self, stride: u32) -> Option<&ScaleMeasures> {
        self.scales.iter().find(|scale| scale.stride == stride)
    }

    /// The loss of all scales at λ = 1; `None` where no scale has one.
    pub fn total_loss(&self) -> Option<f64> {
        let losses = self.scales.iter().filter_map(|scale| Some(scale.loss.as_ref()?.loss.unwrap_or(0.0)));
        losses.fold(None, |total, loss| Some(total.unwrap_or(0.0) + loss))
    }

    /// Whether the loss can be formed on any scale.
    pub fn have_loss(&self) -> bool {
        self.scales.iter().any(|scale| scale.loss.is_some())
    }

    /// The loss that is measured.
    pub fn loss_name(&self) -> &'static str {
        self.comparison.loss.name()
    }

    /// Teacher, student and difference at a cell, as the layers show them.
    pub fn at(&self, stride: u32, row: usize, col: usize) -> CellValues {
        let (Some(scale), Some(measured)) = (self.comparison.scale(stride), self.scale(stride)) else {
            return CellValues::default();
        };
        let adapted = scale.adapted.as_deref();
        // A channel by number is the teacher's: only there the two can be set side by side.
        let student = match measured.channels {
            Channels::All => scale.student.as_deref(),
            Channels::Some(_) => adapted.or(scale.student.as_deref()),
        };
        let teacher = scale.teacher.as_deref();
        CellValues {
            teacher: teacher.and_then(|features| strength(features, &measured.channels, row, col)),
            student: student.and_then(|features| strength(features, &measured.channels, row, col)),
            difference: match &measured.channels {
                Channels::All => measured.difference().and_then(|grid| grid.get(row, col)),
                Channels::Some(channels) => teacher.zip(adapted).and_then(|(t, s)| apart(t, s, channels, row, col)),
            },
        }
    }

    /// Whether one signed channel is read, and not a norm over several.
    pub const fn is_signed(&self) -> bool {
        matches!(self.view, ChannelView::One(_))
    }
}

/// What is read at one cell; `None` where there is nothing to read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CellValues {
    pub teacher: Option<f32>,
    pub student: Option<f32>,
    pub difference: Option<f32>,
}

impl CellValues {
    pub const fn of(&self, role: Role) -> Option<f32> {
        match role {
            Role::Teacher => self.teacher,
            Role::Student => self.student,
        }
    }
}

impl ScaleMeasures {
    /// What a cell adds to the loss, at λ = 1, and how much it counts there, 0 to 1.
    pub fn part_at(&self, row: usize, col: usize) -> Option<(f32, f32)> {
        let loss = self.loss.as_ref()?;
        Some((loss.map.get(row, col)?, loss.weights.get(row, col)?))
    }

    fn difference(&self) -> Option<&Grid> {
        match self.kind {
            None => self.loss.as_ref().map(|loss| &loss.map),
            Some(DifferenceKind::SquaredL2) => self.squared.as_ref(),
            Some(_) => self.chosen.as_ref(),
        }
    }
}

fn measure(scale: &ScaleComparison, kind: Option<DifferenceKind>, view: ChannelView) -> ScaleMeasures {
    let teacher = scale.teacher.as_deref();
    let pair = teacher.zip(scale.adapted.as_deref());
    let of = |kind, pair: Option<(&FeatureStack, &FeatureStack)>| pair.and_then(|(t, s)| difference(kind, t, s).ok());
    let chosen = match kind {
        None | Some(DifferenceKind::SquaredL2) => None,
        Some(kind @ DifferenceKind::Attention) => of(kind, teacher.zip(scale.student.as_deref())),
        Some(kind @ (DifferenceKind::L1 | DifferenceKind::Cosine)) => of(kind, pair),
    };
    let channels = match view {
        ChannelView::All => Channels::All,
        ChannelView::One(channel) => Channels::Some(vec![channel]),
        ChannelView::Top(k) => {
            let errors = pair.and_then(|(t, s)| channel_errors(t, s, None).ok());
            Channels::Some(errors.map(|errors| top_channels(&errors, k)).unwrap_or_default())
        }
    };
    ScaleMeasures {
        stride: scale.stride,
        squared: of(DifferenceKind::SquaredL2, pair),
        chosen,
        kind,
        channels,
        squares: None,
        loss: None,
        mean_inside: None,
        mean_outside: None,
    }
}

/// One channel's value, or the L2 norm over several.
fn strength(features: &FeatureStack, channels: &Channels, row: usize, col: usize) -> Option<f32> {
    let norm = |channels: &mut dyn Iterator<Item = usize>| {
        let squares = channels.map(|channel| features.get(channel, row, col).map(|v| v * v));
        squares.sum::<Option<f32>>().map(f32::sqrt)
    };
    match channels {
        Channels::All => norm(&mut Range { start: 0, end: features.channels() }),
        Channels::Some(channels) => match channels.as_slice() {
            [] => None,
            [channel] => features.get(*channel, row, col),
            several => norm(&mut several.iter().copied()),
        },
    }
}

/// Student minus teacher in one channel, or the squared distance over several.
fn apart(teacher: &FeatureStack, student: &FeatureStack, channels: &[usize], row: usize, col: usize) -> Option<f32> {
    let step = |&channel: &usize| Some(student.get(channel, row, col)? - teacher.get(channel, row, col)?);
    match channels {
        [] => None,
        [channel] => step(channel),
        several => several.iter().map(|channel| step(channel).map(|d| d * d)).sum(),
    }
}

/// A cell's place in the map of a scale: `None` outside of it.
pub fn cell_at(scale: &AnchorScale, mask: &ScaleMask, x: f32, y: f32) -> Option<(usize, usize)> {
    if !(x >= 0.0 && y >= 0.0) {
        return None;
    }
    let stride = scale.stride.max(1) as f32;
    let (row, col) = ((y / stride) as usize, (x / stride) as usize);
    (row < mask.rows && col < mask.cols).then_some((row, col))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imitation::choice::{CellTerm, CellTerms, Loss};
    use crate::inspect::Tap;

    /// One scale of stride 32 with 1 × 2 cells and two channels.
    fn comparison() -> Arc<Comparison> {
        let row = |values: [f32; 2]| Grid::from_values(2, 1, values.to_vec()).expect("1 x 2");
        let stack = |values: [f32; 4]| Some(Arc::new(FeatureStack::new(2, 1, 2, values.to_vec()).expect("2 x 1 x 2")));
        Arc::new(Comparison {
            tap: Tap::Neck,
            loss: Loss::FEATURES,
            scales: vec![ScaleComparison {
                stride: 32,
                teacher: stack([3.0, 1.0, 4.0, 1.0]),
                student: stack([0.0, 5.0, 6.0, 0.0]),
                adapted: stack([1.0, 1.0, 4.0, 3.0]),
                adapter: "least-squares",
                fit: None,
                outputs: 0,
                teacher_head: None,
                student_head: None,
                loss: Some(Arc::new(CellTerms {
                    terms: vec![CellTerm {
                        name: "squared",
                        factor: 0.5,
                        value: row([4.0, 4.0]),
                        weight: row([1.0, 1.0]),
                        masked: true,
                    }],
                    emphasis: row([1.0, 1.0]),
                })),
                sureness: Some(Arc::new(row([0.25, 1.0]))),
            }],
            head_pull: None,
            teacher_detections: None,
            student_detections: None,
            teacher_seconds: None,
            student_seconds: None,
            forward: None,
            parts: crate::inspect::CompareParts::ALL,
            notes: Vec::new(),
        })
    }

    fn anchors() -> Vec<AnchorScale> {
        vec![AnchorScale { stride: 32, anchors: vec![[32.0, 32.0]] }]
    }

    fn mask(count: [i32; 2]) -> ImitationMask {
        let cells = count.iter().filter(|hits| **hits > 0).count();
        let scale = ScaleMask { rows: 1, cols: 2, count: count.to_vec(), gts: vec![], mask_cells: cells, count_sum: 0 };
        ImitationMask { scales: vec![scale] }
    }

    #[test]
    fn the_loss_is_half_the_mean_squared_distance_inside_the_mask() {
        let mut measures = Measures::new(&comparison(), Some(DifferenceKind::SquaredL2), ChannelView::All);
        // Cell 0: (1−3)² + (4−4)² = 4; cell 1: (1−1)² + (3−1)² = 4.
        measures.weigh(&anchors(), Some(&mask([1, 0])), MaskSource::Iou, &[]);
        assert_eq!((measures.total_loss(), measures.scales[0].mean_outside), (Some(2.0), Some(4.0)));
        measures.weigh(&anchors(), Some(&mask([0, 0])), MaskSource::Iou, &[]);
        assert_eq!(measures.total_loss(), Some(0.0), "an empty mask costs nothing");
        measures.weigh(&anchors(), None, MaskSource::Iou, &[]);
        assert_eq!(measures.total_loss(), None);
    }

    /// (0.25 · 4 + 1 · 4) / (2 · 1.25), of which the first cell has 0.5 · 1 / 1.25.
    #[test]
    fn without_another_difference_the_losss_own_map_is_shown_and_its_sum_is_the_loss() {
        let mut measures = Measures::new(&comparison(), None, ChannelView::All);
        measures.weigh(&anchors(), Some(&mask([1, 0])), MaskSource::Teacher, &[]);
        assert_eq!(measures.total_loss(), Some(2.0));
        let at = |col| measures.at(32, 0, col).difference;
        assert_eq!((at(0), at(1)), (Some(0.4), Some(1.6)));
        assert_eq!(measures.scales[0].part_at(0, 0), Some((0.4, 0.25)));
        // The teacher weighs, whatever the IoU mask says; inside and outside are told of that one.
        assert!((measures.scales[0].mean_outside.expect("a mean") - 1.6).abs() < 1e-6);
    }

    #[test]
    fn the_loss_is_the_same_whatever_difference_is_shown() {
        let mut measures = Measures::new(&comparison(), Some(DifferenceKind::L1), ChannelView::All);
        measures.weigh(&anchors(), Some(&mask([1, 0])), MaskSource::Iou, &[]);
        assert_eq!((measures.total_loss(), measures.scales[0].mean_inside), (Some(2.0), Some(2.0)));
    }

    #[test]
    fn a_cell_reads_norms_or_one_channel() {
        let all = Measures::new(&comparison(), Some(DifferenceKind::SquaredL2), ChannelView::All).at(32, 0, 0);
        assert_eq!(all, CellValues { teacher: Some(5.0), student: Some(6.0), difference: Some(4.0) });
        let one = Measures::new(&comparison(), Some(DifferenceKind::SquaredL2), ChannelView::One(0)).at(32, 0, 0);
        assert_eq!(one, CellValues { teacher: Some(3.0), student: Some(1.0), difference: Some(-2.0) });
        let far = Measures::new(&comparison(), Some(DifferenceKind::SquaredL2), ChannelView::One(9)).at(32, 0, 0);
        assert_eq!(far, CellValues::default());
        let worst = Measures::new(&comparison(), Some(DifferenceKind::SquaredL2), ChannelView::Top(2)).at(32, 0, 1);
        assert_eq!(worst.difference, Some(4.0));
        assert_eq!(
            Measures::new(&comparison(), Some(DifferenceKind::L1), ChannelView::All).at(8, 0, 0),
            CellValues::default()
        );
    }

    #[test]
    fn a_point_outside_the_input_has_no_cell() {
        let (scale, mask) = (&anchors()[0], mask([0, 0]));
        let at = |x, y| cell_at(scale, &mask.scales[0], x, y);
        assert_eq!([at(31.9, 0.0), at(32.0, 31.0)], [Some((0, 0)), Some((0, 1))]);
        assert_eq!([at(-0.1, 0.0), at(64.0, 0.0), at(f32::NAN, 0.0)], [None; 3]);
    }
}
