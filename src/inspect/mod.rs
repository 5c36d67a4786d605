//! One image, its labels and two models, turned into plain grids and tables.
//!
//! [`Scene`] is what needs no model weights (pixels, boxes, letterbox); [`Comparison`] is what the models say
//! about it. The mask belongs to neither: it follows from the scene's boxes and the anchors at once, and so the
//! window recomputes it while a slider moves. Nothing here outlives a call and no tensor leaves it but a [`Probe`],
//! which its owner keeps on its own thread.

mod choice;
mod compare;
mod maps;
mod pull;
mod records;
mod report;
mod scene;
mod story;

pub use crate::imitation::loss::MaskChoice;
pub use choice::{CompareParts, CompareRequest, ImitationChoice};
pub use compare::{CompareError, Probe, compare, detections, elements, input_tensor, named, probe, tap_features};
pub use maps::{MissingMap, SeenDifference, assigned_cells, difference_grid, feature_grid};
pub use pull::{HeadPull, PullSums, ScalePull};
pub use records::{
    AdapterChoice, ChannelView, Comparison, DetectionView, FitSummary, ForwardReport, HeadMap, Role, ScaleComparison,
    Tap, input_multiple, mask_anchors,
};
pub use report::{Inspection, InspectionReport, LAMBDA};
pub use scene::{LabelSource, Scene, SceneError, SceneLabel, SceneRequest, class_name};
pub use story::{StorySource, usual_truth};
