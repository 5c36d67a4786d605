//! Which map a pane shows: its values, what they are called, and what stands in their way.
//!
//! A [`Source`] names everything that a map is made from, so that the canvas computes it once and not each frame.
//! Weak pointers name the records: their address cannot be taken by another while they are held, and they keep no
//! features in memory.

use std::sync::{Arc, Weak};

use crate::app::language::{counted, key, t, tr};
use crate::app::view::{ChannelView, Layer};
use crate::export::colormap::ColorMap;
use crate::grid::Grid;
use crate::imitation::difference::DifferenceKind;
use crate::imitation::mask::{AnchorCell, IouField};
use crate::inspect::{
    Comparison, MissingMap, Role, ScaleComparison, ScalePull, difference_grid, feature_grid, seen_kind,
};
use crate::train::event::Snapshot;
use crate::ui::canvas::CanvasModel;
use crate::ui::canvas::outline::{Edge, outline};

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
    pub rows: usize,
    pub cols: usize,
    /// Anchor hits a cell, row by row.
    pub count: Vec<i32>,
    pub cells: usize,
    pub edges: Vec<Edge>,
}

impl ShownMask {
    /// `None` without a mask on this scale.
    pub fn of(model: &CanvasModel<'_>, scale: usize) -> Option<Self> {
        let mask = model.mask?.scales.get(scale)?;
        let (rows, cols) = (mask.rows, mask.cols);
        let count = match model.solo {
            None => mask.count.clone(),
            Some(gt) => {
                let field = model.field.filter(|field| scale < field.scales() && gt < field.gts())?;
                let threshold = mask.gts.get(gt)?.threshold;
                let anchors = model.anchors.get(scale)?.anchors.len();
                let hits = |row, col| {
                    let above = |&anchor: &usize| field.iou(scale, gt, AnchorCell { anchor, row, col }) > threshold;
                    (0..anchors).filter(above).count() as i32
                };
                (0..rows).flat_map(|row| (0..cols).map(move |col| hits(row, col))).collect()
            }
        };
        let edges = outline(rows, cols, |cell| count[cell] > 0);
        let cells = count.iter().filter(|&&hits| hits > 0).count();
        Some(Self { rows, cols, count, cells, edges })
    }

    pub fn contains(&self, cell: usize) -> bool {
        self.count.get(cell).is_some_and(|&hits| hits > 0)
    }

    pub fn fits(&self, rows: usize, cols: usize) -> bool {
        (self.rows, self.cols) == (rows, cols)
    }
}

/// What a map's values are made from: two equal sources give the same values.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    Iou { field: Identity<IouField>, solo: Option<usize> },
    Count(MaskId),
    Features { comparison: Identity<Comparison>, role: Role, channels: ChannelView },
    Difference { comparison: Identity<Comparison>, kind: DifferenceKind, channels: ChannelView },
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
            Layer::Mask => {
                let boxes = model.scene.is_some_and(|scene| !scene.labels.is_empty());
                model.mask.filter(|_| boxes).ok_or_else(labelled)?;
                Ok(Some(Self::Count(MaskId::of(model))))
            }
            Layer::Teacher => features(Role::Teacher),
            Layer::Student => features(Role::Student),
            Layer::Difference if model.moment.is_some() => {
                let snapshot =
                    model.moment.filter(|moment| model.scene.is_some_and(|scene| scene.path == moment.image));
                Ok(Some(Self::Moment(Identity::of(snapshot.ok_or(OTHER_IMAGE)?))))
            }
            Layer::Difference => Ok(Some(Self::Difference {
                comparison: Identity::of(compared()?),
                kind: view.difference,
                channels: view.channels,
            })),
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
                let values = mask.count.iter().map(|&hits| hits as f32).collect();
                Grid::from_values(mask.cols, mask.rows, values).ok_or(NO_SCALE)
            }
            Self::Features { role, channels, .. } => {
                feature_grid(compared_scale(model, scale)?, *role, *channels).map_err(said)
            }
            Self::Moment(_) => {
                let stride = model.anchors.get(scale).ok_or(NO_SCALE)?.stride;
                let moment = model.moment.and_then(|moment| moment.scales.iter().find(|scale| scale.stride == stride));
                Ok(moment.ok_or(NO_SCALE)?.difference.clone())
            }
            Self::Pull(_) => {
                let stride = model.anchors.get(scale).ok_or(NO_SCALE)?.stride;
                let map = model.pull.and_then(|pull| pull.maps.iter().find(|map| map.stride == stride));
                Ok(map.ok_or(NO_SCALE)?.length())
            }
            Self::Difference { kind, channels, .. } => {
                difference_grid(compared_scale(model, scale)?, *kind, *channels).map_err(said)
            }
        }
    }
}

const OTHER_IMAGE: &str = key!("The run keeps the difference of another image: open that one to see it.");
const NO_SCALE: &str = key!("The models have no map at this scale.");
fn compared_scale<'m>(model: &CanvasModel<'m>, scale: usize) -> Result<&'m ScaleComparison, &'static str> {
    let stride = model.anchors.get(scale).ok_or(NO_SCALE)?.stride;
    model.comparison.and_then(|comparison| comparison.scale(stride)).ok_or(NO_SCALE)
}

fn said(missing: MissingMap) -> &'static str {
    match missing {
        MissingMap::Teacher => key!("No teacher features at this scale."),
        MissingMap::Student => key!("No student features at this scale."),
        MissingMap::Adapter => {
            key!("Teacher and student channels differ: choose an adapter, or the attention difference.")
        }
        MissingMap::Channel => key!("There are fewer channels at this scale."),
        MissingMap::Size => key!("Teacher and student maps differ in size at this scale."),
    }
}

/// How a layer's values are coloured and called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scheme {
    pub map: ColorMap,
    /// Values have a sign: the range is symmetric around 0.
    pub signed: bool,
    /// The range begins at 0 whatever the smallest value is.
    pub from_zero: bool,
    /// Cells of value 0 show the image.
    pub zero_is_clear: bool,
    /// Low values let the image through.
    pub fades: bool,
    pub unit: &'static str,
}

/// `None` for a layer without a map.
pub fn scheme(layer: Layer, kind: DifferenceKind, channels: ChannelView, chosen: Option<ColorMap>) -> Option<Scheme> {
    let one = matches!(channels, ChannelView::One(_));
    let own = layer.view()?.colors(one)?;
    let signed = one && matches!(layer, Layer::Teacher | Layer::Student | Layer::Difference);
    let unit = match layer {
        Layer::Image | Layer::Anchors => return None,
        Layer::Iou => "IoU",
        Layer::Mask => key!("anchor hits"),
        Layer::Teacher | Layer::Student if one => "f",
        Layer::Teacher | Layer::Student => "‖f‖₂",
        Layer::Difference => seen_kind(kind, channels).map_or("s − t", DifferenceKind::unit),
    };
    let over_image = matches!(layer, Layer::Iou | Layer::Mask);
    Some(Scheme {
        map: chosen.unwrap_or(own),
        signed,
        from_zero: over_image || (layer == Layer::Difference && !signed),
        zero_is_clear: over_image,
        fades: layer == Layer::Iou,
        unit,
    })
}

/// The unit of a map that is none of the window's own difference; a run's map is of the loss that it minimised.
pub fn unit(model: &CanvasModel<'_>) -> Option<&'static str> {
    let of_run = || {
        let loss = model.run.filter(|_| model.moment.is_some())?.config.as_ref()?.imitation.loss;
        (!loss.is_sum_of_squares()).then_some(key!("part of the loss"))
    };
    model.pull.map(|pull| pull.unit).or_else(|| of_run().filter(|_| model.view.layer == Layer::Difference))
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
        Layer::Mask => match mask {
            Some(mask) => format!("{} · {}", t!("mask"), counted(mask.cells, "cell", "cells")),
            None => t!("mask").to_owned(),
        },
        Layer::Difference if model.moment.is_some() => {
            let step = model.moment.map_or_else(String::new, |moment| t!("step {step}", step = moment.step));
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
            format!("{channels}{tap}{}", adapted(of_channels || view.difference != DifferenceKind::Attention))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_values_take_the_diverging_map_until_another_is_chosen() {
        let of = |layer, channels, chosen| scheme(layer, DifferenceKind::L1, channels, chosen).expect("a map");
        let signed = of(Layer::Difference, ChannelView::One(3), None);
        assert_eq!((signed.map, signed.signed, signed.unit), (ColorMap::BlueRed, true, "s − t"));
        let all = of(Layer::Difference, ChannelView::All, None);
        assert_eq!((all.map, all.unit), (ColorMap::Magma, DifferenceKind::L1.unit()));
        // The worst channels are always told apart by squared distance.
        assert_eq!(of(Layer::Difference, ChannelView::Top(4), None).unit, DifferenceKind::SquaredL2.unit());
        let chosen = of(Layer::Iou, ChannelView::All, Some(ColorMap::Magma));
        assert_eq!((chosen.map, chosen.zero_is_clear), (ColorMap::Magma, true));
        assert_eq!(scheme(Layer::Anchors, DifferenceKind::L1, ChannelView::All, None), None);
    }
}
