//! The figures of the story: one for each step that can be told, with its sentence, its formula and its numbers.

use std::sync::Arc;

use super::inspection::{
    BESIDE, InspectionView, SINGLE, ScaleView, View, content, legend, marked, panel, place, shows,
};
use super::layout::render_as;
use super::look::Look;
use super::plot::{PlotFigure, PlotPanel};
use super::raster::{Figure, FigureError};
use super::spec::{Detail, FigureSpec, Lead, Panel};
use crate::colormap::ColorMap;
use crate::drawing::{BestAnchor, ColorBar, Content, Fill, Found, Ground, Heatmap, Ink, LegendEntry, Sign, layers};
use crate::format::significant;
use crate::grid::Grid;
use crate::inspect::{DetectionView, Role};
use crate::palette::LIGHT;
use crate::story::{Line, Step, StoryNumbers};

/// How much of the photograph a map covers.
const OPACITY: f32 = 0.8;

/// Long side of the picture in a figure of two.
const PAIR: f32 = 480.0;

/// An inspection with what the story adds to it.
#[derive(Clone, Debug)]
pub struct StoryView<'a> {
    pub inspection: InspectionView<'a>,
    pub numbers: StoryNumbers,
    /// Of the one ground truth, on the scale on which it is told.
    pub truth: Option<TruthView>,
    /// How long the pull of raw squares and of `answers` at the raw heads is, a map for each stride.
    pub pulls: Option<[Vec<(u32, Grid)>; 2]>,
    /// Curves of a run.
    pub curves: Vec<PlotPanel>,
    /// What the student detects before and after the run.
    pub detections: Option<[Vec<DetectionView>; 2]>,
}

#[derive(Clone, Debug)]
pub struct TruthView {
    /// Largest IoU of the cell's anchors with it.
    pub iou: Grid,
    /// Anchors of the cell above its threshold.
    pub count: Grid,
}

/// The figures with their names, `01-image` to `15-before-after`; steps that cannot be told are left out, and
/// [`StoryNumbers::missing`] says why.
pub fn figures(view: &StoryView<'_>, look: &Look) -> Result<Vec<(String, Figure)>, FigureError> {
    let numbers = Step::ALL.into_iter().filter(|step| is_shown(view, *step));
    numbers.map(|step| Ok((file_stem(step), figure(view, step, look)?))).collect()
}

/// "05-best".
pub fn file_stem(step: Step) -> String {
    format!("{:02}-{}", step.number(), step.name())
}

/// Whether a step has a figure: detections tell the last one where no evaluation does.
pub fn is_shown(view: &StoryView<'_>, step: Step) -> bool {
    view.numbers.missing(step).is_none() || (step == Step::BeforeAfter && view.detections.is_some())
}

/// The figure of one step; [`is_shown`] says whether it has one.
pub fn figure(view: &StoryView<'_>, step: Step, look: &Look) -> Result<Figure, FigureError> {
    let lead = Lead {
        sentence: step.sentence().to_owned(),
        formula: step.formula().to_owned(),
        numbers: english(view.numbers.numbers(step)),
    };
    let title = format!("{}. {}", step.number(), step.title());
    let facts = english(view.numbers.facts(step));
    let panels = panels(view, step);
    if panels.is_empty() {
        let shown = |panel: &&PlotPanel| step == Step::Run || panel.title == "mAP";
        let panels = view.curves.iter().filter(shown).cloned().collect();
        return PlotFigure { title, facts, panels }.render_as(&lead, look);
    }
    let columns = match step {
        Step::Features | Step::Answers => panels.len() / 2,
        _ => panels.len(),
    };
    let spec = FigureSpec {
        title,
        lead,
        facts,
        columns: columns.clamp(1, 4),
        panel_side: match panels.len() {
            1 => SINGLE,
            2 => PAIR,
            _ => BESIDE,
        },
        legend: signs(view, step, &panels),
        panels,
    };
    render_as(&spec, look)
}

fn english(lines: Vec<Line>) -> Vec<String> {
    lines.iter().map(Line::english).collect()
}

fn panels<'a>(view: &StoryView<'a>, step: Step) -> Vec<Panel<'a>> {
    let inspection = &view.inspection;
    let scales = &inspection.scales;
    let beside = |kind: View| scales.iter().map(move |scale| panel(inspection, scale, kind, Detail::Small));
    match step {
        Step::Image => {
            let labels = inspection.labels.iter().enumerate().collect();
            let picture = layers::picture(&Content { labels, ..Content::default() });
            let title = format!("{} ground truths", inspection.labels.len());
            vec![shows(inspection.photo, title, picture, Detail::Full)]
        }
        Step::CellAnchors => scales.get(view.numbers.at).map(|scale| anchors(view, scale)).into_iter().collect(),
        Step::ScaleAnchors => scales.iter().map(|scale| anchors(view, scale)).collect(),
        Step::Iou | Step::Best | Step::Threshold | Step::Mask => one_truth(view, step).into_iter().collect(),
        Step::Union => beside(View::Mask).collect(),
        Step::Features => {
            let both = |scale: &&ScaleView| scale.teacher.is_some() && scale.student.is_some();
            let row = |kind: View| {
                scales.iter().filter(both).map(move |scale| {
                    let panel = panel(inspection, scale, kind, Detail::Small);
                    let role = if kind == View::Student { "student" } else { "teacher" };
                    let picture = panel.picture.without(&["mask", "labels"]);
                    Panel { title: format!("{role} at {}", scale.name), picture, ..panel }
                })
            };
            row(View::Student).chain(row(View::Teacher)).collect()
        }
        Step::Difference => {
            compared(view).map(|(panel, _)| Panel { picture: panel.picture.without(&["mask"]), ..panel }).collect()
        }
        Step::Inside => compared(view).map(|(panel, scale)| inside(panel, scale)).collect(),
        Step::Loss => compared(view).map(|(panel, scale)| term(view, inside(panel, scale), scale)).collect(),
        Step::Answers => pulls(view),
        Step::Run => Vec::new(),
        Step::BeforeAfter => detections(view),
    }
}

/// Raw squares inside the mask in one row, `answers` in the other, each scale of a row in the row's range.
fn pulls<'a>(view: &StoryView<'a>) -> Vec<Panel<'a>> {
    let Some([raw, answers]) = &view.pulls else { return Vec::new() };
    let row = |maps: &[(u32, Grid)], name: &str, quantity: &str, masked: bool| -> Vec<Panel<'a>> {
        let of_scale = |scale: &ScaleView| {
            let mut grid = maps.iter().find(|(stride, _)| *stride == scale.stride)?.1.clone();
            if masked {
                let outside = grid.values_mut().iter_mut().zip(scale.count.values()).filter(|(_, hits)| **hits <= 0.0);
                outside.for_each(|(value, _)| *value = 0.0);
            }
            let map = Heatmap::new(grid, scale.stride as f32, ColorMap::Magma);
            let map = Arc::new(Heatmap { clear_to: masked.then_some(0.0), fades: !masked, ..map });
            let picture = layers::picture(&Content {
                map: Some(Arc::clone(&map)),
                opacity: OPACITY,
                mask: masked.then(|| marked(&scale.count, scale.stride)),
                ..content(scale)
            });
            let panel = shows(view.inspection.photo, format!("{name} at {}", scale.name), picture, Detail::Small);
            Some(Panel { bar: Some(ColorBar::new(map, quantity)), accent: Some(LIGHT.difference), grey: true, ..panel })
        };
        view.inspection.scales.iter().filter_map(of_scale).collect()
    };
    let raw = row(raw, "raw squares", "‖s − t‖", true);
    raw.into_iter().chain(row(answers, "answers", "‖∂L / ∂s‖", false)).collect()
}

/// Every anchor of the cell that is told of, or of the one that the ground truth fits best on another scale.
fn anchors<'a>(view: &StoryView<'a>, scale: &ScaleView) -> Panel<'a> {
    let numbers = &view.numbers;
    let truth = numbers.truth.as_ref().map(|truth| truth.number);
    let own = numbers.scale_at().is_some_and(|at| at.stride == scale.stride);
    let best = truth.and_then(|truth| scale.best.get(truth).copied().flatten());
    let (row, col) = match best {
        _ if own => (numbers.cell.row, numbers.cell.col),
        Some((_, row, col)) => (row, col),
        None => (scale.count.height() / 2, scale.count.width() / 2),
    };
    let picture = layers::picture(&Content { muted: 1.0, anchors_at: Some((row, col)), ..content(scale) });
    shows(view.inspection.photo, place(scale), picture, Detail::Full)
}

/// The IoU or the mask of the one ground truth.
fn one_truth<'a>(view: &StoryView<'a>, step: Step) -> Option<Panel<'a>> {
    let numbers = &view.numbers;
    let (truth, told_truth) = (view.truth.as_ref()?, numbers.truth.as_ref()?);
    let scale = view.inspection.scales.get(numbers.at)?;
    let label = view.inspection.labels.get(told_truth.number)?;
    let best = numbers.scale_at().map_or(0.0, |scale| scale.max_iou);
    let (mut marks, mut anchors) = (Vec::new(), Vec::new());
    if step == Step::Best {
        let value = Some(format!("M = {}", significant(f64::from(best))));
        let cell = (numbers.cell.row, numbers.cell.col);
        anchors.push(BestAnchor { ink: Ink::White, anchor: told_truth.best_anchor, cell, value });
        marks.push((best, "M".to_owned()));
    }
    if step == Step::Threshold && told_truth.threshold.is_finite() {
        marks.push((told_truth.threshold, format!("ψ · M = {}", significant(f64::from(told_truth.threshold)))));
    }
    let is_mask = step == Step::Mask;
    let (grid, colors, quantity) = match is_mask {
        true => (&truth.count, ColorMap::Viridis, "anchors above the threshold"),
        false => (&truth.iou, ColorMap::Cividis, "largest IoU of the cell's anchors"),
    };
    let map = Heatmap { clear_to: Some(0.0), ..Heatmap::new(grid.clone(), scale.stride as f32, colors) };
    let map = Arc::new(if is_mask { map } else { Heatmap { range: (0.0, best), ..map } });
    let picture = layers::picture(&Content {
        map: Some(Arc::clone(&map)),
        opacity: if is_mask { 0.7 } else { OPACITY },
        mask: matches!(step, Step::Threshold | Step::Mask).then(|| marked(&truth.count, scale.stride)),
        labels: vec![(told_truth.number, label)],
        best: anchors,
        ..content(scale)
    });
    let title = format!("{} · object {} {}", scale.name, told_truth.number, label.name);
    let bar = Some(ColorBar { integer: is_mask, marks, ..ColorBar::new(map, quantity) });
    Some(Panel { bar, grey: !is_mask, ..shows(view.inspection.photo, title, picture, Detail::Full) })
}

/// The difference of every scale that has one.
fn compared<'v, 'a>(view: &'v StoryView<'a>) -> impl Iterator<Item = (Panel<'a>, &'v ScaleView)> {
    let inspection = &view.inspection;
    inspection.scales.iter().filter(|scale| scale.difference.is_some()).map(move |scale| {
        let panel = panel(inspection, scale, View::Difference, Detail::Small);
        let title = format!("{} · stride {}", scale.name, scale.stride);
        (Panel { title, note: String::new(), picture: panel.picture.without(&["labels"]), ..panel }, scale)
    })
}

/// I · d: what lies outside the mask is 0 and lets the photograph through.
fn inside<'a>(panel: Panel<'a>, scale: &ScaleView) -> Panel<'a> {
    let Some(bar) = panel.bar else { return panel };
    let mut grid = bar.map.grid.clone();
    for (value, _) in grid.values_mut().iter_mut().zip(scale.count.values()).filter(|(_, hits)| **hits <= 0.0) {
        *value = 0.0;
    }
    let map = Arc::new(Heatmap { clear_to: Some(0.0), ..Heatmap::new(grid, bar.map.cell, bar.map.colors) });
    let picture = panel.picture.with_map(&map);
    let bar = Some(ColorBar { label: format!("I · d, {}", bar.label), map, ..bar });
    Panel { picture, bar, ..panel }
}

/// The term of a scale under its name.
fn term<'a>(view: &StoryView<'_>, panel: Panel<'a>, scale: &ScaleView) -> Panel<'a> {
    let numbers = view.numbers.scales.iter().find(|numbers| numbers.stride == scale.stride);
    let loss = numbers.and_then(|numbers| numbers.loss(view.numbers.lambda));
    Panel { note: loss.map_or_else(String::new, |loss| format!("adds {}", significant(loss))), ..panel }
}

fn detections<'a>(view: &StoryView<'a>) -> Vec<Panel<'a>> {
    let Some(both) = &view.detections else { return Vec::new() };
    // The weights that are looked at are the best ones, as soon as any have been evaluated.
    let evaluated = view.numbers.run.as_ref().is_some_and(|run| run.map.last.is_some());
    let titles =
        ["The student before", if evaluated { "The student after, best weights" } else { "The student after" }];
    let panels = titles.into_iter().zip(both).map(|(title, found)| {
        let picture = layers::picture(&Content {
            labels: view.inspection.labels.iter().enumerate().collect(),
            found: vec![Found { role: Role::Student, detections: found.clone(), named: true }],
            ..Content::default()
        });
        let note = match found.len() {
            1 => "1 detection".to_owned(),
            count => format!("{count} detections"),
        };
        let panel = shows(view.inspection.photo, title.to_owned(), picture, Detail::Least);
        Panel { accent: Some(Ink::Model(Role::Student).color(Ground::Paper)), note, ..panel }
    });
    panels.collect()
}

fn signs(view: &StoryView<'_>, step: Step, panels: &[Panel<'_>]) -> Vec<LegendEntry> {
    let entry = |sign, text: &str| LegendEntry::new(sign, text);
    let color = |role: Role| Ink::Model(role).color(Ground::Paper);
    match step {
        Step::Image | Step::Union => legend(&view.inspection, panels),
        Step::CellAnchors | Step::ScaleAnchors => vec![entry(Sign::Cell(Ink::Cell, Fill::Tinted), "the cell")],
        Step::Iou => Vec::new(),
        Step::Best => {
            vec![entry(Sign::Box(Ink::Cell), "the cell of M"), entry(Sign::Dashed(Ink::White), "its anchor")]
        }
        Step::Threshold | Step::Mask => vec![entry(Sign::Outline, "IoU above ψ · M")],
        Step::Features => Role::ALL.map(|role| entry(Sign::Fill(color(role)), role.name())).into_iter().rev().collect(),
        Step::Difference => vec![entry(Sign::Fill(LIGHT.difference), "student − teacher, after the adapter")],
        Step::Inside | Step::Loss | Step::Answers => vec![entry(Sign::Outline, "outline of the mask")],
        Step::Run => Vec::new(),
        Step::BeforeAfter => {
            let truth = view.inspection.labels.first().map(|_| entry(Sign::Box(Ink::Truth(0)), "ground truth"));
            let found = entry(Sign::Dashed(Ink::Model(Role::Student)), "detection of the student");
            std::iter::once(found).chain(truth).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::figure::inspection::fixture::{difference, four, four_cells, label, plain};
    use crate::figure::inspection::{FeatureView, map};
    use crate::geometry::BoundingBox;
    use crate::story::{Cell, PullShares, StoryScale, StoryTruth};

    /// One scale of 2 × 2 cells of 32 px; one object in the first cell. d is 4, 8, 0 and 0; the first two are masked.
    fn view(photo: &RgbImage, compared: bool) -> StoryView<'_> {
        let features = compared.then(|| FeatureView { grid: four([1.0, 2.0, 3.0, 4.0]), channels: 8 });
        let scale = ScaleView {
            anchors: vec![[24.0, 20.0], [40.0, 40.0]],
            teacher: features.clone(),
            student: features,
            difference: compared.then(|| difference(four([4.0, 8.0, 0.0, 0.0]), "none")),
            ..four_cells()
        };
        let numbers = StoryNumbers {
            image: "a.jpg".into(),
            size: [64, 64],
            input: [64, 64],
            scale: 1.0,
            objects: 1,
            psi: 0.5,
            level_rule: "per-scale",
            tap: "neck",
            lambda: 1.0,
            truth: Some(StoryTruth {
                number: 0,
                name: "cell".into(),
                size: [24.0, 20.0],
                best_iou: 0.8,
                best_anchor: [24.0, 20.0],
                threshold: 0.4,
            }),
            scales: vec![StoryScale {
                name: "P5".into(),
                stride: 32,
                rows: 2,
                cols: 2,
                anchors: scale.anchors.clone(),
                max_iou: 0.8,
                cells: 2,
                mask_cells: 2,
                teacher_channels: compared.then_some(8),
                student_channels: compared.then_some(8),
                sum_inside: compared.then_some(12.0),
                mean_inside: compared.then_some(6.0),
                mean_outside: compared.then_some(0.0),
                raw: compared.then_some(PullShares { unseen: 0.75, same: 0.25 }),
                answers: compared.then_some(PullShares { unseen: 0.01, same: 0.0 }),
            }],
            at: 0,
            cell: Cell::default(),
            raw: compared.then_some(PullShares { unseen: 0.75, same: 0.25 }),
            answers: compared.then_some(PullShares { unseen: 0.01, same: 0.0 }),
            ..StoryNumbers::default()
        };
        StoryView {
            inspection: InspectionView {
                labels: vec![label("cell", [4.0, 6.0, 28.0, 26.0])],
                scales: vec![scale],
                ..plain(photo)
            },
            numbers,
            truth: Some(TruthView { iou: four([0.8, 0.5, 0.1, 0.0]), count: four([2.0, 1.0, 0.0, 0.0]) }),
            pulls: compared.then(|| [2.0, 1.0].map(|high| vec![(32, four([high, 0.5, 0.0, 0.0]))])),
            curves: Vec::new(),
            detections: None,
        }
    }

    fn svg_of<'f>(figures: &'f [(String, Figure)], name: &str) -> &'f str {
        let found = figures.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no {name}")).1.svg
    }

    #[test]
    fn figures_contain_the_numbers_computed_by_hand() {
        let photo = RgbImage::new(64, 64);
        let figures = figures(&view(&photo, true), &Look::default()).expect("figures");
        assert_eq!(figures.len(), 13);
        assert_eq!(figures[0].0, "01-image");
        // ½ · 0.8 = 0.4; (4 + 8) / (2 · 2) = 3.
        for (name, text) in [
            ("02-cell-anchors", "2×2 cells × 2 anchors = 8 boxes"),
            ("05-best", "M = 0.800 on P5"),
            ("06-threshold", "ψ · M = 0.5 · 0.800 = 0.400"),
            ("06-threshold", "F = ψ · M"),
            ("07-mask", "2 of 4 cells of P5"),
            ("08-union", "P5: N = 2 of 4 cells (50.0 %)"),
            ("11-inside", "P5: mean of d inside 6.00, outside 0"),
            ("12-loss", "P5: 1 / (2 · 2) · 12.0 = 3.00"),
            ("12-loss", "L = 3.00 = 3.00"),
            ("12-loss", "adds 3.00"),
            ("13-answers", "P5: raw 75 % and 25 %, answers 1.0 % and 0.0 %"),
            ("13-answers", "raw squares at P5"),
            ("13-answers", "answers at P5"),
        ] {
            assert!(svg_of(&figures, name).contains(text), "{name}: {text}");
        }
        for (name, figure) in &figures {
            assert!(figure.svg.contains("ψ = 0.5 · level rule per-scale"), "{name}");
            assert!(figure.png(1.0).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_same_image_gives_the_same_bytes() {
        let photo = RgbImage::new(64, 64);
        let [first, second] = [0, 1].map(|_| figures(&view(&photo, true), &Look::default()).expect("figures"));
        assert_eq!(first, second);
    }

    #[test]
    fn without_models_the_story_goes_as_far_as_the_union() {
        let photo = RgbImage::new(64, 64);
        let names: Vec<String> = figures(&view(&photo, false), &Look::default())
            .expect("figures")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names.len(), 8);
        assert_eq!(names.last().map(String::as_str), Some("08-union"));
    }

    #[test]
    fn before_and_after_need_both_detections() {
        let photo = RgbImage::new(64, 64);
        let found = DetectionView { name: "cell".into(), score: 0.876, bbox: BoundingBox::new(4.0, 6.0, 28.0, 26.0) };
        let view = StoryView { detections: Some([Vec::new(), vec![found]]), ..view(&photo, true) };
        let figures = figures(&view, &Look::default()).expect("figures");
        let svg = svg_of(&figures, "15-before-after");
        assert!(svg.contains("0 detections") && svg.contains("1 detection<") && svg.contains("0.88"));
    }

    #[test]
    fn only_the_masked_difference_is_coloured() {
        let photo = RgbImage::new(64, 64);
        let view = view(&photo, true);
        let panel = panels(&view, Step::Inside).remove(0);
        let masked = &panel.bar.as_ref().expect("a map").map;
        assert_eq!((masked.grid.values(), masked.clear_to), (&[4.0, 8.0, 0.0, 0.0][..], Some(0.0)));
        assert_eq!(panel.picture.map(), Some(masked), "what is drawn is what the bar is of");
        let union = map(&view.inspection, &view.inspection.scales[0], View::Mask).expect("a map").0;
        assert_eq!(union.map.grid.values(), [2.0, 1.0, 0.0, 0.0]);
    }
}
