//! The figure of the view in the window: the same layer, scales, colours and boxes, with the numbers and the settings that
//! a screen leaves to its panels.

use std::sync::Arc;

use super::inspection::{
    self, BESIDE, InspectionView, SINGLE, ScaleView, adapter_fact, content, has, image_facts, label_entries, marked,
    mask_facts, place, shows,
};
use super::raster::FigureError;
use super::spec::{Detail, FigureSpec, Lead, Panel};
use crate::colormap::ColorMap;
use crate::drawing::{
    ColorBar, Content, Found, Heatmap, Ink, LegendEntry, Picture, Pin, Positives, Scheme, View, anchor_cell, layers,
};
use crate::format::tick;

/// How an inspection is looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// `None`: the image with its boxes alone.
    pub view: Option<View>,
    /// The scale that is shown alone; `None`: all side by side.
    pub stride: Option<u32>,
    /// The boxes of the ground truths.
    pub labels: bool,
    /// The ground truth that counts alone.
    pub solo: Option<usize>,
    /// Of the map over the photograph, 0..=1.
    pub opacity: f32,
    /// `None`: the view's own.
    pub colors: Option<ColorMap>,
    /// Ends of the colours that are locked.
    pub range: Option<(f32, f32)>,
    /// What the models see inside the mask alone.
    pub inside_mask: bool,
    /// The cell that is explained, and whose anchors are shown.
    pub pin: Option<Pin>,
    /// What the models detect, where that is shown.
    pub found: Vec<Found>,
    /// The cells that YOLOv5 assigns, row by row for each stride, where they are shown.
    pub positives: Vec<(u32, Vec<bool>)>,
    /// The run whose map takes the difference's place, and its step.
    pub snapshot: Option<(String, u64)>,
    /// The gradient ratio at which a run will keep λ, where it does.
    pub ratio: Option<f64>,
}

/// The figure of what is shown.
pub fn spec<'a>(view: &InspectionView<'a>, shown: &Shown) -> Result<FigureSpec<'a>, FigureError> {
    let scales = scales(view, shown)?;
    let detail = if scales.len() > 1 { Detail::Small } else { Detail::Full };
    let panels: Vec<Panel<'a>> = match shown.view {
        Some(kind) => scales.iter().map(|scale| panel(view, shown, scale, kind, detail)).collect(),
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

/// The scales that have a panel.
fn scales<'v>(view: &'v InspectionView<'_>, shown: &Shown) -> Result<Vec<&'v ScaleView>, FigureError> {
    let Some(kind) = shown.view else { return Ok(Vec::new()) };
    // Without the scale that is asked for the window shows the first.
    let one = shown.stride.map(|stride| view.scales.iter().find(|s| s.stride == stride).or(view.scales.first()));
    let wanted: Vec<&ScaleView> = match one {
        Some(scale) => scale.into_iter().collect(),
        None => view.scales.iter().collect(),
    };
    let found: Vec<&ScaleView> = wanted.into_iter().filter(|scale| has(scale, kind)).collect();
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

fn title(view: &InspectionView<'_>, shown: &Shown, scales: &[&ScaleView]) -> String {
    let mut title = shown.view.map_or("Image and ground truths", View::title).to_owned();
    if let Some((solo, label)) = shown.solo.and_then(|solo| Some((solo, view.labels.get(solo)?))) {
        title += &format!(", object {solo} {}", label.name);
    }
    if let (Some(_), [scale]) = (shown.stride, scales) {
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

/// What every scale shows.
fn over_all<'v>(view: &'v InspectionView<'_>, shown: &Shown, scale: Content<'v>) -> Content<'v> {
    let labels = if shown.labels { view.labels.iter().enumerate().collect() } else { Vec::new() };
    Content { labels, solo: shown.solo, found: shown.found.clone(), pin: shown.pin, ..scale }
}

fn image<'a>(view: &InspectionView<'a>, shown: &Shown) -> Panel<'a> {
    let title = match view.labels.len() {
        1 => "1 ground truth".to_owned(),
        count => format!("{count} ground truths"),
    };
    shows(view.photo, title, layers::picture(&over_all(view, shown, Content::default())), Detail::Full)
}

fn panel<'a>(view: &InspectionView<'a>, shown: &Shown, scale: &ScaleView, kind: View, detail: Detail) -> Panel<'a> {
    let mask = marked(&scale.count, scale.stride);
    let bar = inspection::map(view, scale, kind).and_then(|(bar, _)| {
        let scheme = Scheme::of(kind, view.signed, shown.colors)?;
        let grid = &bar.map.grid;
        let inside = is_veiled(shown, kind) && mask.fits(grid.height(), grid.width());
        let inside = inside.then(|| mask.inside.clone());
        let map = Heatmap::by(scheme, grid.clone(), bar.map.cell, shown.range, inside);
        let integer = bar.integer && map.range.0.fract() == 0.0 && map.range.1.fract() == 0.0;
        Some(ColorBar { map: Arc::new(map), integer, ..bar })
    });
    let positives = shown.positives.iter().find(|(stride, _)| *stride == scale.stride).map(|(_, cells)| cells);
    let positives = positives.filter(|cells| cells.len() == mask.inside.len()).map(|cells| {
        let found = cells.iter().enumerate().filter(|(_, positive)| **positive);
        Arc::new(Positives::against(&mask, found.map(|(cell, _)| (cell / mask.cols, cell % mask.cols))))
    });
    // The window's mask says nothing of a run's map with other cells.
    let fits = bar.as_ref().is_none_or(|bar| mask.fits(bar.map.grid.height(), bar.map.grid.width()));
    let is_anchors = kind == View::Anchors;
    let outlined = fits && (kind == View::Mask || is_veiled(shown, kind));
    let picture = layers::picture(&Content {
        muted: if is_anchors { shown.opacity } else { 0.0 },
        map: bar.as_ref().map(|bar| Arc::clone(&bar.map)),
        opacity: shown.opacity,
        mask: outlined.then_some(mask),
        mask_ink: shown.solo.map_or(Ink::White, Ink::Truth),
        positives,
        anchors_at: is_anchors.then(|| anchors_at(view, shown, scale)),
        ..over_all(view, shown, content(scale))
    });
    let note = if is_anchors { String::new() } else { inspection::note(view, scale, kind, detail) };
    Panel { accent: kind.accent(), note, bar, ..shows(view.photo, place(scale), picture, detail) }
}

/// Whether cells outside the mask are veiled.
fn is_veiled(shown: &Shown, kind: View) -> bool {
    shown.inside_mask && kind.is_of_models()
}

fn anchors_at(view: &InspectionView<'_>, shown: &Shown, scale: &ScaleView) -> (usize, usize) {
    let pinned = shown.pin.filter(|pin| pin.stride == scale.stride).map(|pin| (pin.row, pin.col));
    let gt = shown.solo.unwrap_or(0);
    let best = scale.best.get(gt).copied().flatten().map(|(_, row, col)| (row, col));
    let shape = (scale.count.height(), scale.count.width());
    anchor_cell(scale.stride, shape, pinned, best, view.labels.get(gt).map(|label| &label.bbox))
}

fn legend(view: &InspectionView<'_>, shown: &Shown, panels: &[Panel<'_>]) -> Vec<LegendEntry> {
    let pictures: Vec<&Picture> = panels.iter().map(|panel| &panel.picture).collect();
    let labels = if shown.labels { label_entries(view) } else { Vec::new() };
    layers::legend(&pictures).into_iter().chain(labels).collect()
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::inspection::DifferenceView;
    use super::*;
    use crate::drawing::{Item, Stroke, Tag};
    use crate::geometry::BoundingBox;
    use crate::grid::Grid;
    use crate::inspect::SceneLabel;

    /// One scale of 2 × 2 cells of 32 px and two objects; d is 4, 8, 0 and NaN; the first two cells are masked.
    fn view(photo: &RgbImage) -> InspectionView<'_> {
        let grid = |values: [f32; 4]| Grid::from_values(2, 2, values.to_vec()).expect("2 x 2");
        let label = |name: &str, x: f32| SceneLabel {
            class: 0,
            name: name.into(),
            bbox: BoundingBox::new(x, 4.0, x + 20.0, 30.0),
        };
        InspectionView {
            photo,
            image: "a.jpg".into(),
            teacher: "t.pt".into(),
            student: String::new(),
            labels: vec![label("car", 2.0), label("dog", 36.0)],
            psi: 0.5,
            level_rule: "per-scale".into(),
            convention: "exact".into(),
            tap: "neck".into(),
            features: "L2 norm over channels".into(),
            difference: "squared L2".into(),
            signed: false,
            loss: "features, mask iou".into(),
            lambda: 0.5,
            scales: vec![ScaleView {
                name: "P5".into(),
                stride: 32,
                anchors: vec![[24.0, 20.0]],
                iou: grid([0.8, 0.5, 0.1, 0.0]),
                count: grid([2.0, 1.0, 0.0, 0.0]),
                best: vec![Some((0, 0, 0)), Some((0, 0, 1))],
                teacher: None,
                student: None,
                difference: Some(DifferenceView {
                    grid: grid([4.0, 8.0, 0.0, f32::NAN]),
                    adapter: "trained".into(),
                    mean_inside: Some(6.0),
                    mean_outside: Some(0.0),
                    loss: Some(3.0),
                    r2_leave_one_out: None,
                }),
                weights: None,
            }],
        }
    }

    fn shown(view: View) -> Shown {
        Shown { view: Some(view), labels: true, opacity: 0.6, ..Shown::default() }
    }

    #[test]
    fn colours_and_range_are_those_of_the_window() {
        let photo = RgbImage::new(64, 64);
        let view = view(&photo);
        let panel = |shown: &Shown| spec(&view, shown).expect("a figure").panels.remove(0);
        let bar = |shown: &Shown| panel(shown).bar.expect("a map");
        let map = |shown: &Shown| bar(shown).map;
        let difference = map(&shown(View::Difference));
        assert_eq!((difference.range, difference.colors), ((0.0, 8.0), ColorMap::Magma));
        let drawn = panel(&shown(View::Difference));
        let map_of = |item: &Item| matches!(item, Item::Map { opacity: 0.6, map } if drawn.bar.as_ref().is_some_and(|bar| Arc::ptr_eq(map, &bar.map)));
        assert!(drawn.picture.items().any(map_of), "the bar is of what is drawn");
        let locked = Shown { range: Some((1.0, 2.0)), colors: Some(ColorMap::Cividis), ..shown(View::Difference) };
        assert_eq!((map(&locked).range, map(&locked).colors), ((1.0, 2.0), ColorMap::Cividis));
        let inside = map(&Shown { inside_mask: true, ..shown(View::Difference) });
        assert_eq!(inside.inside, Some(vec![true, true, false, false]));
        let iou = map(&shown(View::Iou));
        assert!(iou.fades && iou.clear_to == Some(0.0) && iou.range == (0.0, 0.8));
        // Counts are told in steps unless a locked range lies between them.
        assert!(bar(&shown(View::Mask)).integer);
        assert!(!bar(&Shown { range: Some((0.0, 0.5)), ..shown(View::Mask) }).integer);
    }

    #[test]
    fn a_map_of_another_size_covers_the_whole_image() {
        let photo = RgbImage::new(64, 64);
        let mut view = view(&photo);
        view.scales[0].difference.as_mut().expect("a difference").grid = Grid::filled(4, 4, 1.0);
        let panel =
            spec(&view, &Shown { inside_mask: true, ..shown(View::Difference) }).expect("a figure").panels.remove(0);
        let map = panel.bar.expect("a map").map;
        assert_eq!((map.cell, map.inside.as_ref()), (16.0, None));
    }

    #[test]
    fn what_counts_is_said_in_title_and_facts() {
        let photo = RgbImage::new(64, 64);
        let view = view(&photo);
        let shown =
            Shown { stride: Some(32), solo: Some(1), snapshot: Some(("run-1".into(), 340)), ..shown(View::Difference) };
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
        let cell = |shown: &Shown| anchors_at(&view, shown, &view.scales[0]);
        let pin = |row, col| Some(Pin { stride: 32, row, col });
        assert_eq!(cell(&shown(View::Anchors)), (0, 0));
        assert_eq!(cell(&Shown { solo: Some(1), ..shown(View::Anchors) }), (0, 1));
        assert_eq!(cell(&Shown { pin: pin(1, 1), ..shown(View::Anchors) }), (1, 1));
        assert_eq!(cell(&Shown { pin: pin(9, 9), ..shown(View::Anchors) }), (1, 1), "the middle");
    }

    #[test]
    fn what_is_not_there_is_an_error_that_says_what_to_do() {
        let photo = RgbImage::new(64, 64);
        let error = spec(&view(&photo), &shown(View::Teacher)).expect_err("no features").to_string();
        assert!(error.contains("show another scale or channel"), "{error}");
        assert!(spec(&view(&photo), &Shown::default()).is_ok(), "the image alone");
    }
}
