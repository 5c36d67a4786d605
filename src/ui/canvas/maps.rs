//! Which map a pane shows: its values, what they are called, and what stands in their way.
//!
//! A [`Source`] names everything that a map is made from, so that the canvas computes it once and not each frame.
//! Weak pointers name the records: their address cannot be taken by another while they are held, and they keep no
//! features in memory.

use std::sync::{Arc, Weak};

use crate::app::measures::Measures;
use crate::app::view::{ChannelView, Layer, ViewSettings};
use crate::colormap::ColorMap;
use crate::format::significant;
use crate::grid::Grid;
use crate::imitation::choice::{COUNTED, LossOnScale};
use crate::imitation::difference::DifferenceKind;
use crate::imitation::mask::{AnchorCell, IouField};
use crate::inspect::{
    Comparison, MissingMap, Role, ScaleComparison, ScalePull, SeenDifference, Tap, difference_grid, feature_grid,
};
use crate::language::{counted, key, t, tr};
use crate::train::event::Snapshot;
use crate::ui::canvas::model::CanvasModel;
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
                let values = mask.count.iter().map(|&hits| hits as f32).collect();
                Grid::from_values(mask.cols, mask.rows, values).ok_or(NO_SCALE)
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

/// How a layer's values are coloured and called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scheme {
    pub map: ColorMap,
    /// Values have a sign: the range is symmetric around 0.
    pub signed: bool,
    /// The range begins at 0 whatever the smallest value is.
    pub from_zero: bool,
    /// Cells of no more than this value show the image.
    pub clear_to: Option<f32>,
    /// Low values let the image through.
    pub fades: bool,
    pub unit: Unit,
}

/// What values are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    Name(&'static str),
    /// Parts of this imitation loss.
    Loss(&'static str),
}

impl Unit {
    /// For the colour bar.
    pub fn text(self) -> String {
        match self {
            Self::Name(name) => tr(name).to_owned(),
            Self::Loss(loss) => t!("of the loss {loss}", loss),
        }
    }
}

/// The loss whose parts are shown.
pub fn loss_name(model: &CanvasModel<'_>) -> &'static str {
    model.comparison.map_or("", |comparison| comparison.loss.name())
}

/// `None` for a layer without a map. weighed: as [`CanvasModel::weighed`].
pub fn scheme(view: &ViewSettings, loss: &'static str, weighed: bool) -> Option<Scheme> {
    let ViewSettings { layer, difference, channels, color_map: chosen, .. } = *view;
    let weighed = weighed && layer == Layer::Mask;
    let one = matches!(channels, ChannelView::One(_));
    let own = layer.view()?.colors(one)?;
    let signed = one && matches!(layer, Layer::Teacher | Layer::Student | Layer::Difference);
    let seen = SeenDifference::of(difference, channels);
    let unit = match layer {
        Layer::Image | Layer::Anchors => return None,
        Layer::Iou => Unit::Name("IoU"),
        Layer::Mask if weighed => Unit::Name(key!("weight")),
        Layer::Mask | Layer::IouMask => Unit::Name(key!("anchor hits")),
        Layer::Teacher | Layer::Student if one => Unit::Name("f"),
        Layer::Teacher | Layer::Student => Unit::Name("‖f‖₂"),
        Layer::Difference => match seen {
            SeenDifference::Loss => Unit::Loss(loss),
            SeenDifference::Kind(kind) => Unit::Name(kind.unit()),
            SeenDifference::Signed => Unit::Name("s − t"),
        },
    };
    let over_image = matches!(layer, Layer::Iou | Layer::Mask | Layer::IouMask);
    Some(Scheme {
        map: chosen.unwrap_or(own),
        signed,
        from_zero: over_image || (layer == Layer::Difference && !signed),
        clear_to: over_image.then_some(if weighed { COUNTED as f32 } else { 0.0 }),
        fades: layer == Layer::Iou,
        unit,
    })
}

/// The unit of a map that is none of the window's own difference: a run's map is of the loss that it minimised.
pub fn unit(model: &CanvasModel<'_>) -> Option<Unit> {
    if let Some(pull) = model.pull {
        return Some(Unit::Name(pull.unit));
    }
    if model.snapshot.is_none() || model.view.layer != Layer::Difference {
        return None;
    }
    let loss = model.run.and_then(|run| Some(run.config.as_ref()?.imitation.loss));
    Some(match loss {
        Some(loss) if !loss.is_sum_of_squares() => Unit::Loss(loss.name()),
        _ => Unit::Name(DifferenceKind::SquaredL2.unit()),
    })
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
            Some(mask) => format!("{} · {}", t!("IoU mask"), counted(mask.cells, "cell", "cells")),
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
    fn signed_values_take_the_diverging_map_until_another_is_chosen() {
        let view = |layer, channels, color_map| ViewSettings {
            layer,
            channels,
            color_map,
            difference: Some(DifferenceKind::L1),
            ..ViewSettings::default()
        };
        let of = |layer, channels, chosen| scheme(&view(layer, channels, chosen), "answers", false).expect("a map");
        let signed = of(Layer::Difference, ChannelView::One(3), None);
        assert_eq!((signed.map, signed.signed, signed.unit), (ColorMap::BlueRed, true, Unit::Name("s − t")));
        let all = of(Layer::Difference, ChannelView::All, None);
        assert_eq!((all.map, all.unit), (ColorMap::Magma, Unit::Name(DifferenceKind::L1.unit())));
        // The worst channels are always told apart by squared distance.
        let worst = of(Layer::Difference, ChannelView::Top(4), None).unit;
        assert_eq!(worst, Unit::Name(DifferenceKind::SquaredL2.unit()));
        let chosen = of(Layer::Iou, ChannelView::All, Some(ColorMap::Magma));
        assert_eq!((chosen.map, chosen.clear_to), (ColorMap::Magma, Some(0.0)));
        assert_eq!(scheme(&view(Layer::Anchors, ChannelView::All, None), "answers", false), None);
    }

    #[test]
    fn the_loss_names_itself_and_weights_take_the_masks_place() {
        let view = |layer| ViewSettings { layer, ..ViewSettings::default() };
        let unit = |layer, weighed| scheme(&view(layer), "answers", weighed).expect("a map").unit;
        assert_eq!(unit(Layer::Difference, false).text(), "of the loss answers");
        assert_eq!([true, false].map(|on| unit(Layer::Mask, on).text()), ["weight", "anchor hits"]);
        assert_eq!(unit(Layer::IouMask, true).text(), "anchor hits");
        // What a soft mask does not count as a cell shows the image.
        assert_eq!(scheme(&view(Layer::Mask), "answers", true).expect("a map").clear_to, Some(0.05));
    }
}
