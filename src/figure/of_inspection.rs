//! What figures and the story are drawn from, out of an [`Inspection`].

use std::path::Path;

use rayon::prelude::*;

use super::inspection::{self, DifferenceView, FeatureView, InspectionView, ScaleView};
use super::look::Look;
use super::plot::PlotPanel;
use super::raster::{Figure, FigureError};
use super::story::{StoryView, TruthView};
use crate::files::file_name;
use crate::grid::Grid;
use crate::imitation::difference::{DifferenceKind, masked_statistics};
use crate::imitation::mask::ScaleMask;
use crate::inspect::{
    ChannelView, DetectionView, Inspection, LAMBDA, Role, SeenDifference, StorySource, difference_grid, feature_grid,
    usual_truth,
};
use crate::story::{StoryNumbers, StoryRun};

/// What of an inspection is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Focus<'a> {
    /// Where the models come from.
    pub teacher: Option<&'a Path>,
    pub student: Option<&'a Path>,
    /// The ground truth that counts alone.
    pub solo: Option<usize>,
    pub channels: ChannelView,
    /// `None` for the imitation loss's own.
    pub difference: Option<DifferenceKind>,
    pub lambda: f64,
}

impl<'a> Focus<'a> {
    /// Everything, at λ = 1.
    pub fn whole(teacher: Option<&'a Path>, student: Option<&'a Path>) -> Self {
        let (channels, difference) = (ChannelView::All, Some(DifferenceKind::SquaredL2));
        Self { teacher, student, solo: None, channels, difference, lambda: LAMBDA }
    }
}

/// What the story adds to an inspection.
#[derive(Clone, Debug, Default)]
pub struct StoryRequest<'a> {
    /// Where the models come from.
    pub teacher: Option<&'a Path>,
    pub student: Option<&'a Path>,
    /// The ground truth that is told of; [`usual_truth`] finds one.
    pub truth: Option<usize>,
    pub lambda: f64,
    pub run: Option<StoryRun>,
    pub curves: Vec<PlotPanel>,
    /// What the student detects before and after the run.
    pub detections: Option<[Vec<DetectionView>; 2]>,
}

/// Anchor hits a cell.
fn count_grid(mask: &ScaleMask) -> Grid {
    Grid::from_fn(mask.cols, mask.rows, |row, col| mask.count[row * mask.cols + col] as f32)
}

impl Inspection {
    /// Every view as a figure, by name: `p3-mask`, `all-mask`, …, `overview`.
    pub fn figures(&self, teacher: &Path, student: &Path, look: &Look) -> Result<Vec<(String, Figure)>, FigureError> {
        let view = self.view(&Focus::whole(Some(teacher), Some(student)));
        // A figure is drawn in tenths of a second; they do not depend on each other.
        let figures = inspection::figures(&view).into_par_iter();
        figures.map(|(name, spec)| Ok((name, super::layout::render_as(&spec, look)?))).collect()
    }

    /// What the figures of the story are drawn from.
    pub fn story(&self, request: StoryRequest<'_>) -> StoryView<'_> {
        let truth = request.truth.or_else(|| usual_truth(&self.scene));
        let source = StorySource {
            scene: &self.scene,
            anchors: &self.anchors,
            field: Some(&self.field),
            mask: Some(&self.mask),
            choice: self.choice,
            comparison: Some(&self.comparison),
            tap: self.comparison.tap.name(),
            lambda: request.lambda,
            truth,
            cell: None,
        };
        let at = |stride| self.anchors.iter().position(|scale| scale.stride == stride);
        let numbers = StoryNumbers { run: request.run, ..source.numbers(|stride| self.statistics(at(stride)?)) };
        StoryView {
            inspection: self.view(&Focus { lambda: request.lambda, ..Focus::whole(request.teacher, request.student) }),
            truth: truth.filter(|&truth| truth < self.field.gts()).map(|truth| TruthView {
                iou: self.field.largest(numbers.at, Some(truth)),
                count: count_grid(&self.field.gt_mask(truth, self.choice.psi, self.choice.rule).scales[numbers.at]),
            }),
            pulls: self.comparison.head_pull.as_ref().map(|pull| {
                [&pull.raw, &pull.answers]
                    .map(|scales| scales.iter().map(|scale| (scale.stride, scale.length())).collect())
            }),
            curves: request.curves,
            detections: request.detections,
            numbers,
        }
    }

    /// What figures are drawn from.
    pub fn view(&self, focus: &Focus<'_>) -> InspectionView<'_> {
        let seen = SeenDifference::of(focus.difference, focus.channels);
        let loss = self.comparison.loss;
        let (features, difference) = match focus.channels {
            ChannelView::All => ("L2 norm over channels".to_owned(), String::new()),
            ChannelView::One(channel) => (format!("channel {channel}"), format!("channel {channel}, ")),
            ChannelView::Top(k) => {
                (format!("L2 norm over the {k} channels that differ most"), format!("{k} channels that differ most, "))
            }
        };
        let kind = match seen {
            SeenDifference::Loss => format!("part of the loss {loss}"),
            SeenDifference::Kind(kind) => format!("{}, {}", kind.label(), kind.unit()),
            SeenDifference::Signed => "s − t".to_owned(),
        };
        let solo = focus.solo.filter(|&gt| gt < self.field.gts());
        let own = solo.map(|gt| self.field.gt_mask(gt, self.choice.psi, self.choice.rule));
        InspectionView {
            photo: &self.scene.input,
            image: self.scene.file_name(),
            teacher: focus.teacher.map_or_else(String::new, file_name),
            student: focus.student.map_or_else(String::new, file_name),
            labels: self.scene.labels.clone(),
            psi: self.choice.psi.get(),
            level_rule: self.choice.rule.to_string(),
            convention: self.choice.convention.to_string(),
            tap: self.comparison.tap.name().to_owned(),
            features,
            difference: difference + &kind,
            signed: seen == SeenDifference::Signed,
            loss: format!("{loss}, mask {}", self.choice.source),
            lambda: focus.lambda,
            scales: (0..self.anchors.len())
                .map(|scale| {
                    let mask = &own.as_ref().unwrap_or(&self.mask).scales[scale];
                    self.scale_view(scale, &Focus { solo, ..*focus }, mask)
                })
                .collect(),
        }
    }

    /// `mask`: the one that counts.
    fn scale_view(&self, scale: usize, focus: &Focus<'_>, mask: &ScaleMask) -> ScaleView {
        let anchors = &self.anchors[scale];
        let compared = self.comparison.scale(anchors.stride);
        let features = |role: Role| {
            let compared = compared?;
            let stack = match role {
                Role::Teacher => compared.teacher.as_ref(),
                Role::Student => compared.student.as_ref(),
            };
            let grid = feature_grid(compared, role, focus.channels).ok()?;
            Some(FeatureView { grid, channels: stack?.channels() })
        };
        // That of the mask that counts: a soloed object's may be another than the whole one's.
        let loss = compared.and_then(|compared| compared.loss_under(self.choice.source, mask, &self.scene.boxes()));
        let difference = compared.and_then(|compared| {
            let seen = SeenDifference::of(focus.difference, focus.channels);
            let whole = focus.channels == ChannelView::All;
            let grid = match &self.differences[scale] {
                Some(squared) if whole && seen == SeenDifference::Kind(DifferenceKind::SquaredL2) => squared.clone(),
                _ => difference_grid(compared, focus.difference, focus.channels, loss.as_ref()).ok()?,
            };
            let found = masked_statistics(&grid, &mask.count);
            let uses_adapter = !(whole && seen == SeenDifference::Kind(DifferenceKind::Attention));
            Some(DifferenceView {
                grid,
                adapter: if uses_adapter { compared.adapter } else { "none" }.to_owned(),
                mean_inside: found.mean_inside,
                mean_outside: found.mean_outside,
                // Whatever difference is shown.
                loss: loss.as_ref().map(|loss| LAMBDA * loss.loss.unwrap_or(0.0)),
                r2_leave_one_out: compared.fit.as_ref().filter(|_| uses_adapter).map(|fit| fit.r2_leave_one_out),
            })
        });
        ScaleView {
            name: anchors.name(),
            stride: anchors.stride,
            anchors: anchors.anchors.clone(),
            iou: self.field.largest(scale, focus.solo),
            count: count_grid(mask),
            best: self.mask.scales[scale]
                .gts
                .iter()
                .map(|gt| gt.best.map(|best| (best.anchor, best.row, best.col)))
                .collect(),
            teacher: features(Role::Teacher),
            student: features(Role::Student),
            difference,
            weights: loss.map(|loss| loss.weights),
        }
    }
}
