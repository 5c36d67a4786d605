//! Which map a pane shows: its values, what they are called, and what stands in their way.
//!
//! A [`Source`] names everything that a map is made from, so that the canvas computes it once and not each frame.
//! Weak pointers name the records: their address cannot be taken by another while they are held, and they keep no
//! features in memory.

use std::sync::{Arc, Weak};

use crate::app::measures::Measures;
use crate::app::view::{ChannelView, Layer, ViewSettings};
use crate::drawing::Region;
use crate::format::significant;
use crate::grid::Grid;
use crate::imitation::choice::LossOnScale;
use crate::imitation::difference::DifferenceKind;
use crate::imitation::mask::IouField;
use crate::inspect::{
    Comparison, MissingMap, Role, ScaleComparison, ScalePull, SeenDifference, Tap, difference_grid, feature_grid,
};
use crate::language::{counted, key, t, tr};
use crate::train::event::Snapshot;
use crate::ui::canvas::model::CanvasModel;

/// A shared record, told from every other one.
#[derive(Clone, Debug)]
pub struct Identity<T>(Weak<T>);

impl<T> Identity<T> {
    pub fn of(record: &Arc<T>) -> Self {
        Self(Arc::downgrade(record))
    }
}

impl<T> PartialEq for Identity<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

/// The mask that is shown: of all ground truths, or of the soloed one.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskId {
    version: u64,
    field: Option<Identity<IouField>>,
    solo: Option<usize>,
}

impl MaskId {
    pub fn of(model: &CanvasModel<'_>) -> Self {
        Self { version: model.mask_version, field: model.field.map(Identity::of), solo: model.solo }
    }
}

/// The shown mask of one scale.
#[derive(Clone, Debug)]
pub struct ShownMask {
    /// Anchor hits a cell, row by row.
    pub hits: Vec<i32>,
    pub region: Arc<Region>,
}

impl ShownMask {
    /// `None` without a mask on this scale.
    pub fn of(model: &CanvasModel<'_>, scale: usize) -> Option<Self> {
        let mask = model.mask?.scales.get(scale)?;
        let hits = match model.solo {
            None => mask.count.clone(),
            Some(gt) => {
                let field = model.field.filter(|field| scale < field.scales() && gt < field.gts())?;
                field.hits(scale, gt, mask.gts.get(gt)?.threshold)
            }
        };
        let stride = model.anchors.get(scale)?.stride;
        let region = Arc::new(Region::of((mask.rows, mask.cols), stride, |cell| hits[cell] > 0));
        Some(Self { hits, region })
    }
}

/// What a map's values are made from: two equal sources give the same values.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Iou {
        field: Identity<IouField>,
        solo: Option<usize>,
    },
    Count(MaskId),
    Features {
        comparison: Identity<Comparison>,
        role: Role,
        channels: ChannelView,
    },
    /// How much each cell counts in the loss under a mask.
    Weights {
        comparison: Identity<Comparison>,
        mask: u64,
    },
    /// What each cell adds to the loss under a mask.
    Loss {
        comparison: Identity<Comparison>,
        mask: u64,
    },
    /// `kind`: `None` where the channels alone say what is seen.
    Difference {
        comparison: Identity<Comparison>,
        kind: Option<DifferenceKind>,
        channels: ChannelView,
    },
    Moment(Identity<Snapshot>),
    Pull(Identity<Vec<ScalePull>>),
}

impl Source {
    /// `Ok(None)` for a layer without a map; else the sentence that says what is missing.
    pub fn of(model: &CanvasModel<'_>) -> Result<Option<Self>, &'static str> {
        let view = model.view;
        if let Some(pull) = model.pull {
            return Ok(Some(Self::Pull(Identity::of(pull.maps))));
        }
        let labelled = || {
            let empty = model.scene.is_none_or(|scene| scene.labels.is_empty());
            if empty {
                key!("This image has no labels, so nothing is imitated.")
            } else {
                key!("The masks are being computed…")
            }
        };
        let compared = || model.comparison.ok_or(key!("Appears as soon as the models have seen this image."));
        let features = |role| {
            let comparison = Identity::of(compared()?);
            Ok(Some(Self::Features { comparison, role, channels: view.channels }))
        };
        match view.layer {
            Layer::Image | Layer::Anchors => Ok(None),
            Layer::Iou => {
                let field = model.field.filter(|field| field.gts() > 0).ok_or_else(labelled)?;
                Ok(Some(Self::Iou { field: Identity::of(field), solo: model.solo }))
            }
            Layer::Mask if model.weighed.is_some() => {
                let comparison = Identity::of(compared()?);
                Ok(Some(Self::Weights { comparison, mask: model.mask_version }))
            }
            Layer::Mask | Layer::IouMask => {
                let boxes = model.scene.is_some_and(|scene| !scene.labels.is_empty());
                model.mask.filter(|_| boxes).ok_or_else(labelled)?;
                Ok(Some(Self::Count(MaskId::of(model))))
            }
            Layer::Teacher => features(Role::Teacher),
            Layer::Student => features(Role::Student),
            Layer::Difference if model.snapshot.is_some() => {
                let snapshot =
                    model.snapshot.filter(|snapshot| model.scene.is_some_and(|scene| scene.path == snapshot.image));
                Ok(Some(Self::Moment(Identity::of(snapshot.ok_or(OTHER_IMAGE)?))))
            }
            Layer::Difference => {
                let comparison = Identity::of(compared()?);
                let (kind, channels) = (view.difference, view.channels);
                Ok(Some(match SeenDifference::of(kind, channels) {
                    SeenDifference::Loss => Self::Loss { comparison, mask: model.mask_version },
                    _ => Self::Difference { comparison, kind, channels },
                }))
            }
        }
    }

    /// The values on one scale, or what is missing.
    pub fn grid(&self, model: &CanvasModel<'_>, scale: usize, mask: Option<&ShownMask>) -> Result<Grid, &'static str> {
        match self {
            Self::Iou { solo, .. } => {
                let field = model.field.filter(|field| scale < field.scales()).ok_or(NO_SCALE)?;
                Ok(field.largest(scale, *solo))
            }
            Self::Count(_) => {
                let mask = mask.ok_or(NO_SCALE)?;
                let values = mask.hits.iter().map(|&hits| hits as f32).collect();
                Grid::from_values(mask.region.cols, mask.region.rows, values).ok_or(NO_SCALE)
            }
            Self::Features { role, channels, .. } => {
                feature_grid(compared_scale(model, scale)?, *role, *channels).map_err(|missing| said(model, missing))
            }
            Self::Weights { .. } => {
                let loss = loss_at(model, scale).ok_or_else(|| no_loss(model, scale))?;
                Ok(loss.weights.clone())
            }
            Self::Loss { .. } => {
                let found = compared_scale(model, scale)?;
                difference_grid(found, None, ChannelView::All, loss_at(model, scale))
                    .map_err(|missing| said(model, missing))
            }
            Self::Moment(_) => {
                let stride = model.anchors.get(scale).ok_or(NO_SCALE)?.stride;
                let snapshot =
                    model.snapshot.and_then(|snapshot| snapshot.scales.iter().find(|scale| scale.stride == stride));
                Ok(snapshot.ok_or(NO_SCALE)?.difference.clone())
            }
            Self::Pull(_) => {
                let stride = model.anchors.get(scale).ok_or(NO_SCALE)?.stride;
                let map = model.pull.and_then(|pull| pull.maps.iter().find(|map| map.stride == stride));
                Ok(map.ok_or(NO_SCALE)?.length())
            }
            Self::Difference { kind, channels, .. } => {
                let found = compared_scale(model, scale)?;
                difference_grid(found, *kind, *channels, None).map_err(|missing| said(model, missing))
            }
        }
    }
}

const OTHER_IMAGE: &str = key!("The run keeps the difference of another image: open that one to see it.");
const NO_SCALE: &str = key!("The models have no map at this scale.");

/// What the loss says at a scale; `None` where it cannot be formed.
fn loss_at<'m>(model: &CanvasModel<'m>, scale: usize) -> Option<&'m LossOnScale> {
    model.measures?.scale(model.anchors.get(scale)?.stride)?.loss.as_ref()
}

fn no_loss(model: &CanvasModel<'_>, scale: usize) -> &'static str {
    let why = compared_scale(model, scale).map(|found| difference_grid(found, None, ChannelView::All, None));
    why.map_or_else(|no_scale| no_scale, |found| said(model, found.err().unwrap_or(MissingMap::Loss)))
}

fn compared_scale<'m>(model: &CanvasModel<'m>, scale: usize) -> Result<&'m ScaleComparison, &'static str> {
    let stride = model.anchors.get(scale).ok_or(NO_SCALE)?.stride;
    model.comparison.and_then(|comparison| comparison.scale(stride)).ok_or(NO_SCALE)
}

fn said(model: &CanvasModel<'_>, missing: MissingMap) -> &'static str {
    let at_head = model.comparison.is_some_and(|comparison| comparison.tap == Tap::Head);
    match missing {
        MissingMap::Teacher => key!("No teacher features at this scale."),
        MissingMap::Student => key!("No student features at this scale."),
        MissingMap::Adapter if at_head => {
            key!("The heads differ in their outputs: choose the loss, or the attention difference.")
        }
        MissingMap::Loss => key!("The chosen imitation loss cannot compare these two models here."),
        MissingMap::Adapter => {
            key!("Teacher and student channels differ: choose an adapter, or the attention difference.")
        }
        MissingMap::Channel => key!("There are fewer channels at this scale."),
        MissingMap::Size => key!("Teacher and student maps differ in size at this scale."),
    }
}

/// What the values are of, for the colour bar: a run's map is of the loss that it minimised.
pub fn unit(model: &CanvasModel<'_>) -> String {
    if let Some(pull) = model.pull {
        return pull.unit.to_owned();
    }
    if model.snapshot.is_some() && model.view.layer == Layer::Difference {
        let loss = model.run.and_then(|run| Some(run.config.as_ref()?.imitation.loss));
        return match loss {
            Some(loss) if !loss.is_sum_of_squares() => t!("of the loss {loss}", loss = loss.name()),
            _ => DifferenceKind::SquaredL2.unit().to_owned(),
        };
    }
    let loss = model.comparison.map_or("", |comparison| comparison.loss.name());
    unit_of(model.view, loss, model.weighed.is_some())
}

fn unit_of(view: &ViewSettings, loss: &str, weighed: bool) -> String {
    let one = matches!(view.channels, ChannelView::One(_));
    let name = match view.layer {
        Layer::Image | Layer::Anchors => "",
        Layer::Iou => "IoU",
        Layer::Mask if weighed => t!("weight"),
        Layer::Mask | Layer::IouMask => t!("anchor hits"),
        Layer::Teacher | Layer::Student if one => "f",
        Layer::Teacher | Layer::Student => "‖f‖₂",
        Layer::Difference => match SeenDifference::of(view.difference, view.channels) {
            SeenDifference::Loss => return t!("of the loss {loss}", loss),
            SeenDifference::Kind(kind) => tr(kind.unit()),
            SeenDifference::Signed => "s − t",
        },
    };
    name.to_owned()
}

/// What the map shows, for the head of its pane.
pub fn caption(model: &CanvasModel<'_>, scale: usize, mask: Option<&ShownMask>) -> String {
    let view = model.view;
    if let Some(pull) = model.pull {
        return pull.caption.to_owned();
    }
    let channels = match view.channels {
        ChannelView::All => String::new(),
        ChannelView::One(channel) => t!("channel {channel} · ", channel),
        ChannelView::Top(k) => t!("top {count} channels · ", count = k),
    };
    let tap = model.comparison.map_or("", |comparison| tr(comparison.tap.name()));
    let adapted = |uses_adapter: bool| {
        let at_head = model.comparison.is_some_and(|comparison| comparison.tap == Tap::Head);
        let uses_adapter = uses_adapter && !at_head;
        let found = compared_scale(model, scale).ok().filter(|found| uses_adapter && found.adapted.is_some());
        found.map_or(String::new(), |found| match found.adapter {
            "none" => t!(" · no adapter").to_owned(),
            adapter => format!(" · {}", tr(adapter)),
        })
    };
    let of_channels = view.channels != ChannelView::All;
    match view.layer {
        Layer::Image => String::new(),
        Layer::Anchors => t!("anchors").to_owned(),
        Layer::Iou => match model.solo.and_then(|gt| model.scene?.labels.get(gt)) {
            Some(label) => t!("IoU with {name}", name = label.name),
            None => t!("largest IoU").to_owned(),
        },
        Layer::Mask if model.weighed.is_some() => {
            let source = model.weighed.unwrap_or_default();
            let loss = model.measures.map_or("", Measures::loss_name);
            let source = tr(source.name());
            match loss_at(model, scale) {
                Some(found) => {
                    let sum: f64 = found.weights.values().iter().map(|&weight| f64::from(weight)).sum();
                    t!("{loss} counts {sum} cells, mask {source}", loss, sum = significant(sum), source)
                }
                None => t!("{loss}, mask {source}", loss, source),
            }
        }
        Layer::Mask | Layer::IouMask => match mask {
            Some(mask) => format!("{} · {}", t!("IoU mask"), counted(mask.region.count(), "cell", "cells")),
            None => t!("IoU mask").to_owned(),
        },
        Layer::Difference if model.snapshot.is_some() => {
            let step = model.snapshot.map_or_else(String::new, |snapshot| t!("step {step}", step = snapshot.step));
            let loss = model.run.and_then(|run| run.settings().loss);
            loss.map_or_else(|| step.clone(), |loss| format!("{step} · {loss}"))
        }
        Layer::Teacher | Layer::Student | Layer::Difference if model.comparison.is_none() => {
            tr(view.layer.name()).to_lowercase()
        }
        Layer::Teacher => format!("{} · {channels}{tap}", t!("teacher")),
        Layer::Student => format!("{} · {channels}{tap}{}", t!("student"), adapted(of_channels)),
        // Its colour and its unit say that it is the difference.
        Layer::Difference => {
            let seen = SeenDifference::of(view.difference, view.channels);
            let uses_adapter = of_channels || seen != SeenDifference::Kind(DifferenceKind::Attention);
            let loss = model.measures.map_or("", Measures::loss_name);
            let sum = match loss_at(model, scale).filter(|_| seen == SeenDifference::Loss) {
                None => String::new(),
                Some(LossOnScale { loss: Some(sum), .. }) => {
                    t!("{loss} Σ {sum} · ", loss, sum = significant(*sum))
                }
                Some(_) => t!("{loss} counts no cell · ", loss),
            };
            format!("{sum}{channels}{tap}{}", adapted(uses_adapter))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_unit() {
        let view = |layer, channels| ViewSettings {
            layer,
            channels,
            difference: Some(DifferenceKind::L1),
            ..ViewSettings::default()
        };
        let unit = |layer, channels| unit_of(&view(layer, channels), "answers", false);
        assert_eq!(unit(Layer::Difference, ChannelView::One(3)), "s − t");
        assert_eq!(unit(Layer::Difference, ChannelView::All), DifferenceKind::L1.unit());
        // The worst channels are always told apart by squared distance.
        assert_eq!(unit(Layer::Difference, ChannelView::Top(4)), DifferenceKind::SquaredL2.unit());
    }

    #[test]
    fn the_loss_names_itself_and_weights_take_the_masks_place() {
        let unit = |layer, weighed| unit_of(&ViewSettings { layer, ..ViewSettings::default() }, "answers", weighed);
        assert_eq!(unit(Layer::Difference, false), "of the loss answers");
        assert_eq!([true, false].map(|on| unit(Layer::Mask, on)), ["weight", "anchor hits"]);
        assert_eq!(unit(Layer::IouMask, true), "anchor hits");
    }
}
