//! The figure of the view in the window: the same layer, scales, colours and boxes, with the numbers and the settings that
//! a screen leaves to its panels.

use super::inspection::{
    self, BESIDE, CELL, Detail, InspectionView, SINGLE, STUDENT, ScaleView, TEACHER, View, adapter_fact, anchor_panel,
    bare, detection_tags, has, image_facts, label_entries, label_outlines, marked, mask_facts,
};
use super::layout::not_finite_entry;
use super::spec::{
    FigureSpec, Heatmap, Lead, LegendEntry, Outline, Panel, Region, RegionFill, Sign, Stroke, ground_truth_color,
};
use super::svg::FigureError;
use crate::colormap::{ColorMap, EndsRule};
use crate::format::tick;
use crate::geometry::BoundingBox;
use crate::inspect::DetectionView;

/// YOLOv5's positive cells: a red that no map over the image contains.
const POSITIVE: [u8; 3] = [255, 64, 64];

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
    /// The cell that is explained, and whose anchors are shown: stride, row, column.
    pub cell: Option<(u32, usize, usize)>,
    /// What each model detects, where that is shown.
    pub teacher: Vec<DetectionView>,
    pub student: Vec<DetectionView>,
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

fn image<'a>(view: &InspectionView<'a>, shown: &Shown) -> Panel<'a> {
    let title = match view.labels.len() {
        1 => "1 ground truth".to_owned(),
        count => format!("{count} ground truths"),
    };
    Panel { outlines: boxes(view, shown, Detail::Full), ..bare(view.photo, title, false) }
}

fn panel<'a>(view: &InspectionView<'a>, shown: &Shown, scale: &ScaleView, kind: View, detail: Detail) -> Panel<'a> {
    let mut panel = match kind {
        View::Anchors => anchor_panel(view.photo, scale, anchor_cell(view, shown, scale)),
        kind => Panel { outlines: Vec::new(), grey: false, ..inspection::panel(view, scale, kind, detail) },
    };
    panel.map = panel.map.map(|map| colored(view, shown, scale, kind, map));
    panel.regions = regions(shown, scale, kind);
    let mut outlines = boxes(view, shown, detail);
    outlines.append(&mut panel.outlines);
    if let Some((_, row, col)) = shown.cell.filter(|(stride, ..)| kind != View::Anchors && *stride == scale.stride) {
        let side = scale.stride as f32;
        let (x, y) = (col as f32 * side, row as f32 * side);
        let bbox = BoundingBox::new(x, y, x + side, y + side);
        outlines.push(Outline { bbox, color: CELL, stroke: Stroke::Solid, tags: Vec::new() });
    }
    Panel { outlines, ..panel }
}

/// Whether cells outside the mask are veiled.
fn is_veiled(shown: &Shown, kind: View) -> bool {
    shown.inside_mask && kind.is_of_models()
}

/// A map in the colours of the window.
fn colored(view: &InspectionView<'_>, shown: &Shown, scale: &ScaleView, kind: View, map: Heatmap) -> Heatmap {
    let mask = marked(&scale.count, scale.stride).inside;
    let inside = Some(mask).filter(|mask| is_veiled(shown, kind) && mask.len() == map.grid.values().len());
    let signed = view.signed && kind.is_of_models();
    let over_image = matches!(kind, View::Iou | View::Mask | View::Weights);
    let rule = EndsRule { fixed: shown.range, signed, from_zero: over_image || (kind == View::Difference && !signed) };
    // An empty mask leaves no cell to take a range from.
    let counted = inside.as_ref().filter(|mask| mask.contains(&true));
    let values = map.grid.values().iter().enumerate();
    let range = rule.ends(values.filter(|(cell, _)| counted.is_none_or(|mask| mask[*cell])).map(|(_, value)| *value));
    Heatmap {
        colors: shown.colors.unwrap_or(map.colors),
        range: Some(range),
        opacity: shown.opacity,
        hide_zero: over_image,
        fades: kind == View::Iou,
        integer: map.integer && range.0.fract() == 0.0 && range.1.fract() == 0.0,
        inside,
        ..map
    }
}

/// The outline of the mask, or mask and positives set against each other.
fn regions(shown: &Shown, scale: &ScaleView, kind: View) -> Vec<Region> {
    let mask = marked(&scale.count, scale.stride);
    let positives = shown.positives.iter().find(|(stride, _)| *stride == scale.stride).map(|(_, cells)| cells);
    if let Some(positives) = positives.filter(|cells| cells.len() == mask.inside.len()) {
        let of = |holds: fn(bool, bool) -> bool| {
            let pairs = mask.inside.iter().zip(positives);
            pairs.map(|(masked, positive)| holds(*masked, *positive)).collect::<Vec<bool>>()
        };
        let region = |inside, color, fill| Region { inside, color, fill, ..mask.clone() };
        return vec![
            region(of(|masked, positive| masked && !positive), [255; 3], RegionFill::Empty),
            region(of(|masked, positive| !masked && positive), POSITIVE, RegionFill::Striped),
            region(of(|masked, positive| masked && positive), POSITIVE, RegionFill::Tinted),
        ];
    }
    let outlined = kind == View::Mask || is_veiled(shown, kind);
    let color = shown.solo.map_or([255; 3], ground_truth_color);
    outlined.then_some(Region { color, ..mask }).into_iter().collect()
}

/// The cell whose anchors are shown: the one that is explained, else the one that the soloed or the first ground truth
/// fits best, else the middle.
fn anchor_cell(view: &InspectionView<'_>, shown: &Shown, scale: &ScaleView) -> (usize, usize) {
    let explained = shown.cell.filter(|(stride, ..)| *stride == scale.stride).map(|(_, row, col)| (row, col));
    let gt = shown.solo.unwrap_or(0);
    let best = || scale.best.get(gt).copied().flatten().map(|(_, row, col)| (row, col));
    let (rows, cols) = (scale.count.height(), scale.count.width());
    let center = || {
        let (x, y) = view.labels.get(gt)?.bbox.center();
        let cell = |at: f32| (at >= 0.0).then_some((at / scale.stride as f32) as usize);
        Some((cell(y)?, cell(x)?))
    };
    let inside = |&(row, col): &(usize, usize)| row < rows && col < cols;
    explained.or_else(best).or_else(center).filter(inside).unwrap_or((rows / 2, cols / 2))
}

/// Ground truths and detections; the soloed one on top, the others pale.
fn boxes(view: &InspectionView<'_>, shown: &Shown, detail: Detail) -> Vec<Outline> {
    let mut boxes = if shown.labels { label_outlines(view, detail) } else { Vec::new() };
    if let Some(solo) = shown.solo.filter(|&solo| solo < boxes.len()) {
        for (_, outline) in boxes.iter_mut().enumerate().filter(|(gt, _)| *gt != solo) {
            outline.stroke = Stroke::Faint;
            outline.tags.clear();
        }
        let own = boxes.remove(solo);
        boxes.push(own);
    }
    for (found, color) in [(&shown.teacher, TEACHER), (&shown.student, STUDENT)] {
        boxes.extend(found.iter().map(|detection| Outline {
            bbox: detection.bbox,
            color,
            stroke: Stroke::Dashed,
            tags: detection_tags(detection),
        }));
    }
    boxes
}

fn legend(view: &InspectionView<'_>, shown: &Shown, panels: &[Panel<'_>]) -> Vec<LegendEntry> {
    let entry = |sign, text: &str| LegendEntry { sign, text: text.to_owned() };
    let mut entries = Vec::new();
    if shown.view == Some(View::Anchors) {
        entries.push(entry(Sign::Box(CELL), "the cell, and its anchors around it"));
    } else if shown.cell.is_some() && shown.view.is_some() {
        entries.push(entry(Sign::Box(CELL), "the cell that is explained"));
    }
    let regions = || panels.iter().flat_map(|panel| &panel.regions);
    if regions().any(|region| region.fill != RegionFill::Empty) {
        entries.extend([
            entry(Sign::Region, "the mask alone"),
            entry(Sign::Cell(POSITIVE, RegionFill::Striped), "YOLOv5's positives alone"),
            entry(Sign::Cell(POSITIVE, RegionFill::Tinted), "both"),
        ]);
    } else if regions().next().is_some() {
        entries.push(entry(Sign::Region, "outline of the mask"));
    }
    if shown.view.is_some_and(|kind| is_veiled(shown, kind)) {
        entries.push(entry(Sign::Fill([60; 3]), "outside the mask"));
    }
    if !shown.teacher.is_empty() {
        entries.push(entry(Sign::Dashed(TEACHER), "found by the teacher"));
    }
    if !shown.student.is_empty() {
        entries.push(entry(Sign::Dashed(STUDENT), "found by the student"));
    }
    let maps: Vec<&Heatmap> = panels.iter().filter_map(|panel| panel.map.as_ref()).collect();
    entries.extend(not_finite_entry(&maps));
    if shown.labels {
        entries.extend(label_entries(view));
    }
    entries
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::inspection::{DifferenceView, LabelView};
    use super::*;
    use crate::grid::Grid;

    /// One scale of 2 × 2 cells of 32 px and two objects; d is 4, 8, 0 and NaN; the first two cells are masked.
    fn view(photo: &RgbImage) -> InspectionView<'_> {
        let grid = |values: [f32; 4]| Grid::from_values(2, 2, values.to_vec()).expect("2 x 2");
        let label =
            |name: &str, x: f32| LabelView { name: name.into(), bbox: BoundingBox::new(x, 4.0, x + 20.0, 30.0) };
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
        let map = |shown: &Shown| spec(&view, shown).expect("a figure").panels.remove(0).map.expect("a map");
        let difference = map(&shown(View::Difference));
        assert_eq!((difference.range, difference.colors, difference.opacity), (Some((0.0, 8.0)), ColorMap::Magma, 0.6));
        let locked = Shown { range: Some((1.0, 2.0)), colors: Some(ColorMap::Cividis), ..shown(View::Difference) };
        assert_eq!((map(&locked).range, map(&locked).colors), (Some((1.0, 2.0)), ColorMap::Cividis));
        let inside = map(&Shown { inside_mask: true, ..shown(View::Difference) });
        assert_eq!(inside.inside, Some(vec![true, true, false, false]));
        let iou = map(&shown(View::Iou));
        assert!(iou.fades && iou.hide_zero && iou.range == Some((0.0, 0.8)));
        // Counts are told in steps unless a locked range lies between them.
        assert!(map(&shown(View::Mask)).integer);
        assert!(!map(&Shown { range: Some((0.0, 0.5)), ..shown(View::Mask) }).integer);
    }

    #[test]
    fn a_map_of_another_size_covers_the_whole_image() {
        let photo = RgbImage::new(64, 64);
        let mut view = view(&photo);
        view.scales[0].difference.as_mut().expect("a difference").grid = Grid::filled(4, 4, 1.0);
        let panel =
            spec(&view, &Shown { inside_mask: true, ..shown(View::Difference) }).expect("a figure").panels.remove(0);
        let map = panel.map.expect("a map");
        assert_eq!((map.cell, map.inside), (16.0, None));
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
        let strokes: Vec<(Stroke, usize)> = spec.panels[0].outlines.iter().map(|o| (o.stroke, o.tags.len())).collect();
        assert_eq!(strokes, [(Stroke::Faint, 0), (Stroke::Solid, 2)]);
        assert!(spec.legend.iter().any(|entry| entry.text == "not finite"));
    }

    #[test]
    fn anchors_stand_on_the_cell_that_is_explained_or_fits_best() {
        let photo = RgbImage::new(64, 64);
        let view = view(&photo);
        let cell = |shown: &Shown| anchor_cell(&view, shown, &view.scales[0]);
        assert_eq!(cell(&shown(View::Anchors)), (0, 0));
        assert_eq!(cell(&Shown { solo: Some(1), ..shown(View::Anchors) }), (0, 1));
        assert_eq!(cell(&Shown { cell: Some((32, 1, 1)), ..shown(View::Anchors) }), (1, 1));
        assert_eq!(cell(&Shown { cell: Some((32, 9, 9)), ..shown(View::Anchors) }), (1, 1), "the middle");
    }

    #[test]
    fn what_is_not_there_is_an_error_that_says_what_to_do() {
        let photo = RgbImage::new(64, 64);
        let error = spec(&view(&photo), &shown(View::Teacher)).expect_err("no features").to_string();
        assert!(error.contains("show another scale or channel"), "{error}");
        assert!(spec(&view(&photo), &Shown::default()).is_ok(), "the image alone");
    }
}
