//! The maps of a comparison as they are looked at: which channels, which difference, which cells.

use super::records::{ChannelView, Role, ScaleComparison};
use super::scene::Scene;
use crate::grid::Grid;
use crate::imitation::difference::{
    DifferenceError, DifferenceKind, FeatureStack, channel_difference, channel_errors, difference, squared_over,
    top_channels,
};
use crate::imitation::loss::LossOnScale;
use crate::imitation::mask::ANCHOR_T;
use crate::yolo::anchors::AnchorScale;
use crate::yolo::assign::{Target, assign};

/// Why a scale has no such map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingMap {
    Teacher,
    Student,
    /// The channels of the two differ and no adapter was chosen.
    Adapter,
    /// There are fewer channels.
    Channel,
    /// The two maps differ in size.
    Size,
    /// The imitation loss cannot compare the two here.
    Loss,
}

/// What a difference map shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenDifference {
    /// What each cell adds to the imitation loss: the sum is the loss.
    Loss,
    Kind(DifferenceKind),
    /// Student minus teacher in one channel.
    Signed,
}

impl SeenDifference {
    /// kind: `None` for the imitation loss's own.
    pub fn of(kind: Option<DifferenceKind>, channels: ChannelView) -> Self {
        match channels {
            ChannelView::All => kind.map_or(Self::Loss, Self::Kind),
            ChannelView::One(_) => Self::Signed,
            // The worst channels are always told apart by squared distance.
            ChannelView::Top(_) => Self::Kind(DifferenceKind::SquaredL2),
        }
    }
}

/// The cells (row, column) of a scale that YOLOv5 assigns to the ground truths, or to one alone; a cell comes once for each anchor.
pub fn assigned_cells(
    scene: &Scene,
    anchors: &AnchorScale,
    (rows, cols): (usize, usize),
    solo: Option<usize>,
) -> impl Iterator<Item = (usize, usize)> {
    let input = scene.input_size();
    let counted = scene.labels.iter().enumerate().filter(|(gt, _)| solo.is_none_or(|solo| solo == *gt));
    let targets: Vec<Target> = counted.map(|(_, label)| Target::new(0, label.class, &label.bbox, input)).collect();
    assign(&targets, anchors, rows, cols, ANCHOR_T).into_iter().map(|positive| (positive.row, positive.col))
}

/// Teacher and student in the same channels.
fn pair(scale: &ScaleComparison) -> Result<(&FeatureStack, &FeatureStack), MissingMap> {
    let teacher = scale.teacher.as_deref().ok_or(MissingMap::Teacher)?;
    scale.student.as_deref().ok_or(MissingMap::Student)?;
    Ok((teacher, scale.adapted.as_deref().ok_or(MissingMap::Adapter)?))
}

fn explained(_: DifferenceError) -> MissingMap {
    MissingMap::Size
}

/// The channels of largest error.
fn worst(scale: &ScaleComparison, k: usize) -> Result<Vec<usize>, MissingMap> {
    let (teacher, student) = pair(scale)?;
    let errors = channel_errors(teacher, student, None).map_err(explained)?;
    Ok(top_channels(&errors, k))
}

/// The features of a model: their L2 norm over the channels that are seen, or one of these.
pub fn feature_grid(scale: &ScaleComparison, role: Role, channels: ChannelView) -> Result<Grid, MissingMap> {
    let own = match role {
        Role::Teacher => scale.teacher.as_deref().ok_or(MissingMap::Teacher)?,
        Role::Student => scale.student.as_deref().ok_or(MissingMap::Student)?,
    };
    // A channel by number is the teacher's: only there the two can be set side by side.
    let aligned = match role {
        Role::Teacher => own,
        Role::Student => scale.adapted.as_deref().unwrap_or(own),
    };
    match channels {
        ChannelView::All => Ok(own.norm()),
        ChannelView::One(channel) => aligned.channel(channel).ok_or(MissingMap::Channel),
        ChannelView::Top(k) => Ok(aligned.norm_of(&worst(scale, k)?)),
    }
}

/// The difference of student and teacher: of the chosen kind over all channels (`None` takes the imitation loss, which
/// is given where it can be formed), signed in one, squared over some.
pub fn difference_grid(
    scale: &ScaleComparison,
    kind: Option<DifferenceKind>,
    channels: ChannelView,
    loss: Option<&LossOnScale>,
) -> Result<Grid, MissingMap> {
    match (channels, kind) {
        (ChannelView::All, None) => match loss {
            Some(loss) => Ok(loss.map.clone()),
            // Features that are there and of equal channels, and still no loss: it refuses the two models.
            None => Err(pair(scale).err().unwrap_or(MissingMap::Loss)),
        },
        (ChannelView::All, Some(kind @ DifferenceKind::Attention)) => {
            let teacher = scale.teacher.as_deref().ok_or(MissingMap::Teacher)?;
            let student = scale.student.as_deref().ok_or(MissingMap::Student)?;
            difference(kind, teacher, student).map_err(explained)
        }
        (ChannelView::All, Some(kind)) => {
            let (teacher, student) = pair(scale)?;
            difference(kind, teacher, student).map_err(explained)
        }
        (ChannelView::One(channel), _) => {
            let (teacher, student) = pair(scale)?;
            if channel >= teacher.channels() {
                return Err(MissingMap::Channel);
            }
            channel_difference(channel, teacher, student).map_err(explained)
        }
        (ChannelView::Top(k), _) => {
            let (teacher, student) = pair(scale)?;
            squared_over(&worst(scale, k)?, teacher, student).map_err(explained)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn stack(values: &[f32]) -> Option<Arc<FeatureStack>> {
        let stack = FeatureStack::new(2, 1, values.len() / 2, values.to_vec()).expect("two channels");
        Some(Arc::new(stack))
    }

    /// Two channels over two cells. The student's own features are ten times its adapted ones.
    fn scale() -> ScaleComparison {
        ScaleComparison {
            stride: 8,
            teacher: stack(&[3.0, 0.0, 4.0, 1.0]),
            student: stack(&[30.0, 0.0, 0.0, 0.0]),
            adapted: stack(&[3.0, 0.0, 0.0, 0.0]),
            adapter: "least-squares",
            fit: None,
            outputs: 0,
            teacher_head: None,
            student_head: None,
            loss: None,
            sureness: None,
        }
    }

    fn values(grid: Result<Grid, MissingMap>) -> Vec<f32> {
        grid.expect("a map").values().to_vec()
    }

    #[test]
    fn features_are_norms_over_the_models_own_channels() {
        assert_eq!(values(feature_grid(&scale(), Role::Teacher, ChannelView::All)), [5.0, 1.0]);
        assert_eq!(values(feature_grid(&scale(), Role::Student, ChannelView::All)), [30.0, 0.0]);
    }

    #[test]
    fn a_channel_by_number_is_the_teachers_in_both() {
        assert_eq!(values(feature_grid(&scale(), Role::Student, ChannelView::One(0))), [3.0, 0.0]);
        assert_eq!(feature_grid(&scale(), Role::Teacher, ChannelView::One(2)), Err(MissingMap::Channel));
    }

    #[test]
    fn the_worst_channel_is_where_they_differ() {
        // Channel 0 agrees, channel 1 is off by 4 and 1.
        assert_eq!(values(feature_grid(&scale(), Role::Teacher, ChannelView::Top(1))), [4.0, 1.0]);
        for kind in [None, Some(DifferenceKind::L1)] {
            assert_eq!(values(difference_grid(&scale(), kind, ChannelView::Top(1), None)), [16.0, 1.0]);
            assert_eq!(values(difference_grid(&scale(), kind, ChannelView::One(1), None)), [-4.0, -1.0]);
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let kind = Some(DifferenceKind::default());
        let no_adapter = ScaleComparison { adapted: None, ..scale() };
        assert_eq!(difference_grid(&no_adapter, kind, ChannelView::All, None), Err(MissingMap::Adapter));
        assert!(difference_grid(&no_adapter, Some(DifferenceKind::Attention), ChannelView::All, None).is_ok());
        assert_eq!(difference_grid(&no_adapter, None, ChannelView::All, None), Err(MissingMap::Adapter));
        assert_eq!(difference_grid(&scale(), None, ChannelView::All, None), Err(MissingMap::Loss));
        let no_student = ScaleComparison { student: None, adapted: None, ..scale() };
        assert_eq!(difference_grid(&no_student, kind, ChannelView::All, None), Err(MissingMap::Student));
        assert_eq!(feature_grid(&no_student, Role::Student, ChannelView::All), Err(MissingMap::Student));
    }
}
