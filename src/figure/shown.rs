//! The figure of the view in the window: the same layer, scales, colours and boxes, with the numbers and the settings that
//! a screen leaves to its panels.

use std::sync::Arc;

use super::inspection::{
    self, BESIDE, InspectionView, SINGLE, ScaleView, adapter_fact, content, has, image_facts, label_entries, marked,
    mask_facts, place, shows,
};
use super::raster::FigureError;
use super::spec::{Detail, FigureSpec, Lead, Panel};
use crate::drawing::{ColorBar, Content, Found, LegendEntry, Picture, Positives, ScaleChoice, View, Viewpoint, layers};
use crate::format::tick;

/// How an inspection is looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    pub at: Viewpoint,
    /// What the models detect, where that is shown.
    pub found: Vec<Found>,
    /// The mask set against YOLOv5's positives, a scale in order, where that is shown.
    pub positives: Vec<Arc<Positives>>,
    /// The run whose map takes the difference's place, and its step.
    pub snapshot: Option<(String, u64)>,
    /// The gradient ratio at which a run will keep λ, where it does.
    pub ratio: Option<f64>,
}

/// The figure of what is shown.
pub fn spec<'a>(view: &InspectionView<'a>, shown: &Shown) -> Result<FigureSpec<'a>, FigureError> {
    let scales = scales(view, shown)?;
    let detail = if scales.len() > 1 { Detail::Small } else { Detail::Full };
    let panels: Vec<Panel<'a>> = match shown.at.kind() {
        Some(kind) => scales.iter().map(|(index, scale)| panel(view, shown, (*index, scale), kind, detail)).collect(),
        None => vec![image(view, shown)],
    };
    Ok(FigureSpec {
        title: title(view, shown, &scales),
        lead: Lead::default(),
        facts: facts(view, shown),
        columns: panels.len().clamp(1, 4),
        panel_side: if panels.len() > 1 { BESIDE } else { SINGLE },
        legend: legend(view, shown, &panels),
        panels,
    })
}

/// The scales that have a panel, with their indices.
fn scales<'v>(view: &'v InspectionView<'_>, shown: &Shown) -> Result<Vec<(usize, &'v ScaleView)>, FigureError> {
    let Some(kind) = shown.at.kind() else { return Ok(Vec::new()) };
    let mut found: Vec<(usize, &ScaleView)> = view.scales.iter().enumerate().collect();
    if let ScaleChoice::Stride(stride) = shown.at.view.scales {
        // Without the scale that is asked for the window shows the first.
        let one = found.iter().position(|(_, scale)| scale.stride == stride).unwrap_or(0);
        found.retain(|(index, _)| *index == one);
    }
    found.retain(|(_, scale)| has(scale, kind));
    if found.is_empty() { Err(FigureError::Nothing(missing(kind).to_owned())) } else { Ok(found) }
}

const fn missing(kind: View) -> &'static str {
    match kind {
        View::Anchors | View::Iou | View::Mask => "no scale has anchors",
        View::Weights => "what each cell counts is not known: open a teacher and a student that the loss can compare",
        View::Teacher => {
            "the teacher has no features at this scale, or not that channel: show another scale or channel"
        }
        View::Student => {
            "the student has no features at this scale, or not that channel: show another scale or channel"
        }
        View::Difference => {
            "teacher and student cannot be subtracted at this scale: choose an adapter, the attention difference, \
             or a channel that both have"
        }
    }
}

fn title(view: &InspectionView<'_>, shown: &Shown, scales: &[(usize, &ScaleView)]) -> String {
    let mut title = shown.at.kind().map_or("Image and ground truths", View::title).to_owned();
    if let Some((solo, label)) = shown.at.solo.and_then(|solo| Some((solo, view.labels.get(solo)?))) {
        title += &format!(", object {solo} {}", label.name);
    }
    if let (ScaleChoice::Stride(_), [(_, scale)]) = (shown.at.view.scales, scales) {
        title += &format!(", {}", scale.name);
    }
    if let Some((_, step)) = &shown.snapshot {
        title += &format!(", step {step}");
    }
    title
}

/// Everything that the picture depends on.
fn facts(view: &InspectionView<'_>, shown: &Shown) -> Vec<String> {
    let mut facts = image_facts(view);
    facts.extend(mask_facts(view));
    let seen = |models: fn(&ScaleView) -> bool| view.scales.iter().any(models);
    let [teacher, student] = [seen(|scale| scale.teacher.is_some()), seen(|scale| scale.student.is_some())];
    facts.extend((teacher && !view.teacher.is_empty()).then(|| format!("teacher {}", view.teacher)));
    facts.extend((student && !view.student.is_empty()).then(|| format!("student {}", view.student)));
    let adapter = adapter_fact(view);
    facts.extend((teacher || student || adapter.is_some()).then(|| format!("tap {}", view.tap)));
    facts.extend(adapter);
    facts.extend((teacher && student).then(|| format!("loss {}", view.loss)));
    facts.push(match shown.ratio {
        Some(ratio) => format!("λ = {} here, by gradient ratio {} in the run", tick(view.lambda), tick(ratio)),
        None => format!("λ = {}", tick(view.lambda)),
    });
    facts.extend(shown.snapshot.as_ref().map(|(run, step)| format!("run {run}, step {step}")));
    facts
}

fn picture(view: &InspectionView<'_>, shown: &Shown, scale: Content<'_>) -> Picture {
    let labels = if shown.at.view.labels { view.labels.iter().enumerate().collect() } else { Vec::new() };
    layers::picture(&shown.at.content(Content { labels, found: shown.found.clone(), ..scale }))
}

fn image<'a>(view: &InspectionView<'a>, shown: &Shown) -> Panel<'a> {
    let title = match view.labels.len() {
        1 => "1 ground truth".to_owned(),
        count => format!("{count} ground truths"),
    };
    shows(view.photo, title, picture(view, shown, Content::default()), Detail::Full)
}

fn panel<'a>(
    view: &InspectionView<'a>,
    shown: &Shown,
    (index, scale): (usize, &ScaleView),
    kind: View,
    detail: Detail,
) -> Panel<'a> {
    let mask = marked(&scale.count, scale.stride);
    let bar = inspection::map(view, scale, kind).and_then(|(bar, _)| {
        let map = shown.at.heatmap(bar.map.grid.clone(), bar.map.cell, Some(&mask))?;
        let integer = bar.integer && map.range.0.fract() == 0.0 && map.range.1.fract() == 0.0;
        Some(ColorBar { map: Arc::new(map), integer, ..bar })
    });
    let shape = (scale.count.height(), scale.count.width());
    let best = |gt: usize| scale.best.get(gt).copied().flatten().map(|(_, row, col)| (row, col));
    let bbox = |gt: usize| view.labels.get(gt).map(|label| label.bbox);
    let scale_content = Content {
        map: bar.as_ref().map(|bar| Arc::clone(&bar.map)),
        mask: Some(mask),
        positives: shown.positives.get(index).cloned(),
        anchors_at: Some(shown.at.anchor_cell(scale.stride, shape, None, best, bbox)),
        ..content(scale)
    };
    let note = if kind == View::Anchors { String::new() } else { inspection::note(view, scale, kind, detail) };
    let picture = picture(view, shown, scale_content);
    Panel { accent: kind.accent(), note, bar, ..shows(view.photo, place(scale), picture, detail) }
}

fn legend(view: &InspectionView<'_>, shown: &Shown, panels: &[Panel<'_>]) -> Vec<LegendEntry> {
    let pictures: Vec<&Picture> = panels.iter().map(|panel| &panel.picture).collect();
    let labels = if shown.at.view.labels { label_entries(view) } else { Vec::new() };
    layers::legend(&pictures).into_iter().chain(labels).collect()
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::inspection::fixture::{difference, four, four_cells, label, plain};
    use super::*;
    use crate::colormap::ColorMap;
    use crate::drawing::{Ink, Item, Layer, Pin, RangeMode, Stroke, Tag, ViewSettings};
    use crate::grid::Grid;

    /// One scale of 2 × 2 cells of 32 px and two objects; d is 4, 8, 0 and NaN; the first two cells are masked.
    fn view(photo: &RgbImage) -> InspectionView<'_> {
        InspectionView {
            student: String::new(),
            lambda: 0.5,
            labels: vec![label("car", [2.0, 4.0, 22.0, 30.0]), label("dog", [36.0, 4.0, 56.0, 30.0])],
            scales: vec![ScaleView {
                best: vec![Some((0, 0, 0)), Some((0, 0, 1))],
                difference: Some(difference(four([4.0, 8.0, 0.0, f32::NAN]), "trained")),
                ..four_cells()
            }],
            ..plain(photo)
        }
    }

    fn shown(layer: Layer) -> Shown {
        by(ViewSettings { layer, ..ViewSettings::default() })
    }

    fn by(view: ViewSettings) -> Shown {
        Shown { at: Viewpoint { view, ..Viewpoint::default() }, ..Shown::default() }
    }

    #[test]
    fn colours_and_range_are_those_of_the_window() {
        let photo = RgbImage::new(64, 64);
        let view = view(&photo);
        let panel = |shown: &Shown| spec(&view, shown).expect("a figure").panels.remove(0);
        let bar = |shown: &Shown| panel(shown).bar.expect("a map");
        let map = |shown: &Shown| bar(shown).map;
        let difference = map(&shown(Layer::Difference));
        assert_eq!((difference.range, difference.colors), ((0.0, 8.0), ColorMap::Magma));
        let drawn = panel(&shown(Layer::Difference));
        let own = &drawn.bar.as_ref().expect("a map").map;
        let map_of = |item: &Item| matches!(item, Item::Map { opacity: 0.6, map } if Arc::ptr_eq(map, own));
        assert!(drawn.picture.items().any(map_of), "the bar is of what is drawn");
        let of = |layer| ViewSettings { layer, ..ViewSettings::default() };
        let range = RangeMode::Locked { low: 1.0, high: 2.0 };
        let locked = by(ViewSettings { range, color_map: Some(ColorMap::Cividis), ..of(Layer::Difference) });
        assert_eq!((map(&locked).range, map(&locked).colors), ((1.0, 2.0), ColorMap::Cividis));
        let inside = map(&by(ViewSettings { inside_mask: true, ..of(Layer::Difference) }));
        assert_eq!(inside.inside, Some(vec![true, true, false, false]));
        let iou = map(&shown(Layer::Iou));
        assert!(iou.fades && iou.clear_to == Some(0.0) && iou.range == (0.0, 0.8));
        // Counts are told in steps unless a locked range lies between them.
        assert!(bar(&shown(Layer::Mask)).integer);
        let range = RangeMode::Locked { low: 0.0, high: 0.5 };
        assert!(!bar(&by(ViewSettings { range, ..of(Layer::Mask) })).integer);
    }

    #[test]
    fn a_map_of_another_size_covers_the_whole_image() {
        let photo = RgbImage::new(64, 64);
        let mut view = view(&photo);
        view.scales[0].difference.as_mut().expect("a difference").grid = Grid::filled(4, 4, 1.0);
        let panel =
            spec(&view, &by(ViewSettings { layer: Layer::Difference, inside_mask: true, ..ViewSettings::default() }))
                .expect("a figure")
                .panels
                .remove(0);
        let map = panel.bar.expect("a map").map;
        assert_eq!((map.cell, map.inside.as_ref()), (16.0, None));
    }

    #[test]
    fn what_counts_is_said_in_title_and_facts() {
        let photo = RgbImage::new(64, 64);
        let view = view(&photo);
        let settings =
            ViewSettings { scales: ScaleChoice::Stride(32), layer: Layer::Difference, ..ViewSettings::default() };
        let at = Viewpoint { solo: Some(1), ..by(settings).at };
        let shown = Shown { at, snapshot: Some(("run-1".into(), 340)), ..Shown::default() };
        let spec = spec(&view, &shown).expect("a figure");
        assert_eq!(spec.title, "Difference of student and teacher, object 1 dog, P5, step 340");
        assert_eq!(
            spec.facts,
            [
                "a.jpg",
                "input 64×64 px",
                "ψ = 0.5",
                "level rule per-scale",
                "IoU exact",
                "tap neck",
                "adapter trained",
                "λ = 0.5",
                "run run-1, step 340"
            ]
        );
        // λ times the loss at 1.
        assert!(spec.panels[0].note.contains("loss at λ = 0.5: 1.50"));
        // The soloed box is on top, the other one pale and without a name.
        let strokes: Vec<_> =
            spec.panels[0].picture.frames().map(|frame| (frame.ink, frame.stroke, frame.tag.clone())).collect();
        let dog = Tag::Truth { number: 1, name: "dog".into() };
        assert_eq!(strokes, [(Ink::Truth(0), Stroke::Faint, None), (Ink::Truth(1), Stroke::Strong, Some(dog))]);
        assert!(spec.legend.iter().any(|entry| entry.text == "not finite"));
    }

    #[test]
    fn anchors_stand_on_the_cell_that_is_explained_or_fits_best() {
        let photo = RgbImage::new(64, 64);
        let view = view(&photo);
        let pin = |row, col| Some(Pin { stride: 32, row, col });
        let cell = |solo, pin| {
            let at = Viewpoint { solo, pin, ..shown(Layer::Anchors).at };
            let panel = spec(&view, &Shown { at, ..Shown::default() }).expect("a figure").panels.remove(0);
            let region = panel.picture.items().find_map(|item| match item {
                Item::Region { region, .. } => Some(Arc::clone(region)),
                _ => None,
            });
            let cell = region.expect("the cell").inside.iter().position(|inside| *inside).expect("one cell");
            (cell / 2, cell % 2)
        };
        assert_eq!(cell(None, None), (0, 0));
        assert_eq!(cell(Some(1), None), (0, 1));
        assert_eq!(cell(None, pin(1, 1)), (1, 1));
        assert_eq!(cell(None, pin(9, 9)), (1, 1), "the middle");
    }

    #[test]
    fn what_is_not_there_is_an_error_that_says_what_to_do() {
        let photo = RgbImage::new(64, 64);
        let error = spec(&view(&photo), &shown(Layer::Teacher)).expect_err("no features").to_string();
        assert!(error.contains("show another scale or channel"), "{error}");
        assert!(spec(&view(&photo), &shown(Layer::Image)).is_ok(), "the image alone");
    }
}
