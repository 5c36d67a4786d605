//! What the canvas draws, as plain records.

use std::sync::Arc;

use crate::app::measures::Measures;
use crate::app::state::State;
use crate::app::view::{Camera, Hover, Pin, ViewSettings};
use crate::drawing::{BestAnchor, Viewpoint};
use crate::imitation::choice::MaskSource;
use crate::imitation::mask::{ImitationMask, IouField};
use crate::inspect::{Comparison, DetectionView, ScalePull, Scene};
use crate::train::event::Snapshot;
use crate::train::history::RunHistory;
use crate::yolo::anchors::AnchorScale;

/// What the canvas draws. The scales of field and mask are in the order of the anchors.
#[derive(Clone, Copy)]
pub struct CanvasModel<'a> {
    pub scene: Option<&'a Arc<Scene>>,
    pub anchors: &'a [AnchorScale],
    pub field: Option<&'a Arc<IouField>>,
    /// Of all ground truths; what a soloed one marks follows from it and the field.
    pub mask: Option<&'a ImitationMask>,
    /// Changes whenever the mask does.
    pub mask_version: u64,
    pub comparison: Option<&'a Arc<Comparison>>,
    /// What the imitation loss says of the comparison.
    pub measures: Option<&'a Measures>,
    /// How much each cell counts stands in the place of the IoU mask.
    pub weighed: Option<MaskSource>,
    /// Detections of a student in place of the comparison's, by name; the ground truths step back.
    pub found: Option<&'a [DetectionView]>,
    /// A moment of a run, whose maps take the place of the comparison's difference.
    pub snapshot: Option<&'a Arc<Snapshot>>,
    /// The run that it is of.
    pub run: Option<&'a RunHistory>,
    /// How a loss pulls at the raw heads, in the place of the difference.
    pub pull: Option<Pull<'a>>,
    pub view: &'a ViewSettings,
    pub camera: Camera,
    pub hover: Option<Hover>,
    /// The cell that is explained, marked in every pane.
    pub pin: Option<Pin>,
    pub solo: Option<usize>,
    /// Of the classes.
    pub names: &'a [String],
    /// Marked where the ground truth that a talk is about has its best IoU.
    pub best: Option<&'a BestAnchor>,
    /// The mask's edge lies in white over whatever is shown.
    pub outlined: bool,
    /// What is under way or missing: all there is to see without a scene, a note at the foot with one.
    pub message: Option<&'a str>,
}

#[derive(Clone, Copy)]
pub struct Pull<'a> {
    pub maps: &'a Arc<Vec<ScalePull>>,
    pub caption: &'a str,
    pub unit: &'static str,
}

impl CanvasModel<'_> {
    pub fn viewpoint(&self) -> Viewpoint {
        let (view, weighs) = (*self.view, self.weighed.is_some());
        Viewpoint { view, weighs, solo: self.solo, pin: self.pin, outlined: self.outlined }
    }
}

/// What the canvas draws.
pub fn canvas_model<'a>(state: &'a State, view: &'a ViewSettings, message: Option<&'a str>) -> CanvasModel<'a> {
    CanvasModel {
        scene: state.scene.as_ref(),
        anchors: state.scales(),
        field: state.field.as_ref(),
        mask: state.mask.as_deref(),
        mask_version: state.mask_version,
        comparison: state.comparison.as_ref(),
        measures: state.measures.as_ref(),
        weighed: state.shows_weights().then_some(state.imitation.mask.source),
        found: None,
        view,
        snapshot: state.runs.snapshot().map(|(snapshot, _)| snapshot),
        run: state.runs.playback.and_then(|playback| state.runs.history(playback.history)).map(|history| &**history),
        pull: None,
        camera: state.camera,
        hover: state.hover,
        pin: state.pin,
        solo: state.solo,
        names: state.names(),
        best: None,
        outlined: false,
        message,
    }
}
