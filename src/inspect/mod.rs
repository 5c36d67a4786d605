//! One image, its labels and two models, turned into plain grids and tables.
//!
//! [`Scene`] is what needs no model weights (pixels, boxes, letterbox); [`Comparison`] is what the models say
//! about it. The mask belongs to neither: it follows from the scene's boxes and the anchors at once, and so the
//! window recomputes it while a slider moves. Nothing here outlives a call and no tensor leaves it.

mod compare;
mod records;
mod report;
mod scene;

pub use compare::{CompareError, CompareRequest, compare};
pub use records::{
    AdapterChoice, Comparison, FitSummary, HeadMap, Role, ScaleComparison, Tap, mask_anchors,
};
pub use report::{Inspection, InspectionReport, inspection_tensors};
pub use scene::{LabelSource, Scene, SceneError, SceneLabel, SceneRequest, class_name};
