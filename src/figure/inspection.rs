//! The figures of an inspection: every view of every scale, all scales side by side, and an overview.

use std::sync::Arc;

use ecolor::Color32;
use image::RgbImage;

use super::spec::{Detail, FigureSpec, Lead, Panel};
pub use crate::drawing::View;
use crate::drawing::{BestAnchor, ColorBar, Content, Ground, Heatmap, Ink, LegendEntry, Picture, Region, Sign, layers};
use crate::format::{significant, tick};
use crate::grid::Grid;
use crate::inspect::{Role, SceneLabel};
use crate::palette::LIGHT;

/// Long side of the picture in a figure of one scale, of several, and of the overview.
pub(super) const SINGLE: f32 = 640.0;
pub(super) const BESIDE: f32 = 320.0;
const OVERVIEW: f32 = 200.0;

/// Ground truths that a legend lists.
const LISTED: usize = 24;
/// Ground truths up to which a large picture shows anchors that fit less well too.
const ROOMY: usize = 12;

/// How much of the photograph a map covers.
const OVER_GREY: f32 = 0.8;
const OVER_PHOTO: f32 = 0.7;

/// An inspection as plain records.
#[derive(Clone, Debug)]
pub struct InspectionView<'a> {
    /// The letterboxed input.
    pub photo: &'a RgbImage,
    /// File names.
    pub image: String,
    pub teacher: String,
    pub student: String,
    pub labels: Vec<SceneLabel>,
    pub psi: f32,
    pub level_rule: String,
    pub convention: String,
    pub tap: String,
    /// What the features are told by: "L2 norm over channels".
    pub features: String,
    /// What the difference is, with its unit: "squared L2, Σc (s − t)²".
    pub difference: String,
    /// Features and difference are of one channel: they have a sign.
    pub signed: bool,
    /// The imitation loss and what its mask is made from: "features, mask iou".
    pub loss: String,
    /// Weight of the imitation loss.
    pub lambda: f64,
    pub scales: Vec<ScaleView>,
}

/// One scale.
#[derive(Clone, Debug)]
pub struct ScaleView {
    /// "P3".
    pub name: String,
    pub stride: u32,
    /// Width and height in input px.
    pub anchors: Vec<[f32; 2]>,
    /// Largest IoU of a cell's anchors with any ground truth.
    pub iou: Grid,
    /// Anchor hits per cell.
    pub count: Grid,
    /// Per ground truth where its best IoU is, as (anchor, row, col).
    pub best: Vec<Option<(usize, usize, usize)>>,
    pub teacher: Option<FeatureView>,
    pub student: Option<FeatureView>,
    pub difference: Option<DifferenceView>,
    /// How much each cell counts in the imitation loss, 0 to 1; `None` where that cannot be said.
    pub weights: Option<Grid>,
}

/// Features, a value a cell.
#[derive(Clone, Debug)]
pub struct FeatureView {
    pub grid: Grid,
    pub channels: usize,
}

#[derive(Clone, Debug)]
pub struct DifferenceView {
    pub grid: Grid,
    /// "least-squares", "none" or where it was trained.
    pub adapter: String,
    pub mean_inside: Option<f64>,
    pub mean_outside: Option<f64>,
    /// Imitation loss at λ = 1.
    pub loss: Option<f64>,
    /// Share of the teacher's variance that the adapter explains, each cell left out of its own fit.
    pub r2_leave_one_out: Option<f64>,
}

/// Those that a whole inspection has.
const ALL: [View; 6] = [View::Anchors, View::Iou, View::Mask, View::Teacher, View::Student, View::Difference];

impl View {
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Anchors => "Anchors at the best cell of each ground truth",
            Self::Iou => "IoU of anchors with ground truths",
            Self::Mask => "Imitation mask",
            Self::Weights => "How much each cell counts",
            Self::Teacher => "Teacher features",
            Self::Student => "Student features",
            Self::Difference => "Difference of student and teacher",
        }
    }

    pub(super) fn accent(self) -> Option<Color32> {
        match self {
            Self::Teacher => Some(Ink::Model(Role::Teacher).color(Ground::Paper)),
            Self::Student => Some(Ink::Model(Role::Student).color(Ground::Paper)),
            Self::Difference => Some(LIGHT.difference),
            Self::Anchors | Self::Iou | Self::Mask | Self::Weights => None,
        }
    }
}

/// Every figure and its name, which is that of its file: `p3-mask`, `all-mask`, `overview`. A view that no scale has
/// is left out.
pub fn figures<'a>(view: &InspectionView<'a>) -> Vec<(String, FigureSpec<'a>)> {
    let mut figures = Vec::new();
    for kind in ALL {
        let shown: Vec<&ScaleView> = view.scales.iter().filter(|scale| has(scale, kind)).collect();
        for scale in &shown {
            figures.push((format!("{}-{}", scale.name.to_lowercase(), kind.name()), single(view, scale, kind)));
        }
        if shown.len() > 1 {
            figures.push((format!("all-{}", kind.name()), beside(view, &shown, kind)));
        }
    }
    figures.extend(overview(view).map(|spec| ("overview".to_owned(), spec)));
    figures
}

pub(super) fn has(scale: &ScaleView, kind: View) -> bool {
    match kind {
        View::Anchors | View::Iou | View::Mask => true,
        View::Weights => scale.weights.is_some(),
        View::Teacher => scale.teacher.is_some(),
        View::Student => scale.student.is_some(),
        View::Difference => scale.difference.is_some(),
    }
}

fn single<'a>(view: &InspectionView<'a>, scale: &ScaleView, kind: View) -> FigureSpec<'a> {
    let panels = vec![panel(view, scale, kind, Detail::Full)];
    FigureSpec {
        title: format!("{}, {}", kind.title(), scale.name),
        lead: Lead::default(),
        facts: facts(view, kind),
        columns: 1,
        panel_side: SINGLE,
        legend: legend(view, &panels),
        panels,
    }
}

fn beside<'a>(view: &InspectionView<'a>, scales: &[&ScaleView], kind: View) -> FigureSpec<'a> {
    let panels: Vec<Panel<'a>> = scales.iter().map(|scale| panel(view, scale, kind, Detail::Small)).collect();
    FigureSpec {
        title: kind.title().to_owned(),
        lead: Lead::default(),
        facts: facts(view, kind),
        columns: scales.len().min(4),
        panel_side: BESIDE,
        legend: legend(view, &panels),
        panels,
    }
}

/// One row a scale: IoU, mask, teacher, student, difference, as far as they are there.
fn overview<'a>(view: &InspectionView<'a>) -> Option<FigureSpec<'a>> {
    let kinds: Vec<View> = ALL
        .into_iter()
        .filter(|&kind| kind != View::Anchors && view.scales.iter().all(|scale| has(scale, kind)))
        .collect();
    let panels: Vec<Panel<'a>> = view
        .scales
        .iter()
        .flat_map(|scale| kinds.iter().map(move |&kind| panel(view, scale, kind, Detail::Least)))
        .collect();
    (!panels.is_empty()).then(|| FigureSpec {
        title: format!("What is imitated, and where: {}", view.image),
        lead: Lead::default(),
        facts: {
            let last = if kinds.contains(&View::Difference) { View::Difference } else { View::Mask };
            facts(view, last).into_iter().skip(1).collect()
        },
        columns: kinds.len(),
        panel_side: OVERVIEW,
        legend: legend(view, &panels),
        panels,
    })
}

/// What a view was made with.
fn facts(view: &InspectionView<'_>, kind: View) -> Vec<String> {
    let mut facts = image_facts(view);
    match kind {
        View::Anchors => {}
        View::Iou => facts.push(format!("IoU {}", view.convention)),
        View::Mask | View::Weights => facts.extend(mask_facts(view)),
        View::Teacher => facts.extend([format!("teacher {}", view.teacher), format!("tap {}", view.tap)]),
        View::Student => facts.extend([format!("student {}", view.student), format!("tap {}", view.tap)]),
        View::Difference => {
            facts.extend([format!("teacher {}", view.teacher), format!("student {}", view.student)]);
            facts.push(format!("loss {}", view.loss));
            facts.push(format!("tap {}", view.tap));
            facts.extend(adapter_fact(view));
            facts.push(format!("λ = {}", tick(view.lambda)));
            facts.extend(mask_facts(view));
        }
    }
    facts
}

pub(super) fn image_facts(view: &InspectionView<'_>) -> Vec<String> {
    let (width, height) = view.photo.dimensions();
    vec![view.image.clone(), format!("input {width}×{height} px")]
}

pub(super) fn mask_facts(view: &InspectionView<'_>) -> [String; 3] {
    [format!("ψ = {}", view.psi), format!("level rule {}", view.level_rule), format!("IoU {}", view.convention)]
}

/// The adapters of the scales, each once; `None` without a difference.
pub(super) fn adapter_fact(view: &InspectionView<'_>) -> Option<String> {
    let differences = view.scales.iter().filter_map(|scale| scale.difference.as_ref());
    let mut adapters: Vec<&str> = differences.map(|difference| difference.adapter.as_str()).collect();
    adapters.dedup();
    (!adapters.is_empty()).then(|| format!("adapter {}", adapters.join(", ")))
}

pub(super) fn panel<'a>(view: &InspectionView<'a>, scale: &ScaleView, kind: View, detail: Detail) -> Panel<'a> {
    let title = match detail {
        Detail::Full | Detail::Small => place(scale),
        Detail::Least => format!("{} {}", scale.name, short(kind)),
    };
    let found = map(view, scale, kind);
    let picture = layers::picture(&Content {
        map: found.as_ref().map(|(bar, _)| Arc::clone(&bar.map)),
        opacity: found.as_ref().map_or(0.0, |(_, opacity)| *opacity),
        mask: kind.is_of_models().then(|| marked(&scale.count, scale.stride)),
        labels: view.labels.iter().enumerate().collect(),
        best: if kind == View::Anchors { best(view, scale, detail) } else { Vec::new() },
        ..content(scale)
    });
    Panel {
        accent: kind.accent(),
        note: note(view, scale, kind, detail),
        grey: kind == View::Iou || kind.is_of_models(),
        bar: found.map(|(bar, _)| bar),
        ..shows(view.photo, title, picture, detail)
    }
}

/// A scale with nothing to see on it yet.
pub(super) fn content(scale: &ScaleView) -> Content<'_> {
    let (stride, shape) = (scale.stride, (scale.count.height(), scale.count.width()));
    Content { stride, shape, anchors: &scale.anchors, ..Content::default() }
}

/// "P3 · stride 8 · 80×80 cells".
pub(super) fn place(scale: &ScaleView) -> String {
    format!("{} · stride {} · {}×{} cells", scale.name, scale.stride, scale.count.width(), scale.count.height())
}

/// The cells that an anchor hits.
pub(super) fn marked(count: &Grid, stride: u32) -> Arc<Region> {
    Arc::new(Region::of((count.height(), count.width()), stride, |cell| count.values()[cell] > 0.0))
}

/// A picture alone.
pub(super) fn shows(photo: &RgbImage, title: String, picture: Picture, detail: Detail) -> Panel<'_> {
    Panel { title, accent: None, note: String::new(), photo, grey: false, picture, detail, bar: None }
}

const fn short(kind: View) -> &'static str {
    match kind {
        View::Anchors => "anchors",
        View::Iou => "IoU",
        View::Mask => "mask",
        View::Weights => "weights",
        View::Teacher => "teacher",
        View::Student => "student",
        View::Difference => "difference",
    }
}

pub(super) fn note(view: &InspectionView<'_>, scale: &ScaleView, kind: View, detail: Detail) -> String {
    if detail == Detail::Least {
        return String::new();
    }
    match kind {
        View::Anchors => {
            let sides = |&[width, height]: &[f32; 2]| format!("{width:.0}×{height:.0}");
            format!("anchors {} px", scale.anchors.iter().map(sides).collect::<Vec<_>>().join(", "))
        }
        View::Iou => {
            let best = scale.iou.finite_range().map_or(0.0, |(_, high)| high);
            format!("largest IoU {}", significant(f64::from(best)))
        }
        View::Mask => {
            let cells = scale.count.values().iter().filter(|&&hits| hits > 0.0).count();
            let all = scale.count.values().len();
            let share = 100.0 * cells as f64 / all.max(1) as f64;
            let hits: f64 = scale.count.values().iter().map(|&hits| f64::from(hits)).sum();
            format!("{cells} of {all} cells ({share:.1} %), {hits:.0} anchor hits")
        }
        View::Weights => scale.weights.as_ref().map_or_else(String::new, |weights| {
            let sum: f64 = weights.values().iter().map(|&weight| f64::from(weight)).sum();
            format!("{} of {} cells by weight, loss {}", significant(sum), weights.values().len(), view.loss)
        }),
        View::Teacher | View::Student => {
            let features = if kind == View::Teacher { &scale.teacher } else { &scale.student };
            features.as_ref().map_or_else(String::new, |features| format!("{} channels", features.channels))
        }
        View::Difference => {
            scale.difference.as_ref().map_or_else(String::new, |difference| difference_note(difference, view.lambda))
        }
    }
}

fn difference_note(difference: &DifferenceView, lambda: f64) -> String {
    let mut parts = Vec::new();
    if let Some(mean) = difference.mean_inside {
        parts.push(format!("mean inside {}", significant(mean)));
    }
    if let Some(mean) = difference.mean_outside {
        parts.push(format!("outside {}", significant(mean)));
    }
    if let Some(loss) = difference.loss {
        parts.push(format!("loss at λ = {}: {}", tick(lambda), significant(lambda * loss)));
    }
    if let Some(r2) = difference.r2_leave_one_out {
        parts.push(format!("adapter R² {} (leave-one-out)", significant(r2)));
    }
    parts.join(", ")
}

/// The map of a view with its colour bar, and how much of the photograph it covers.
pub(super) fn map(view: &InspectionView<'_>, scale: &ScaleView, kind: View) -> Option<(ColorBar, f32)> {
    let largest = |of: fn(&ScaleView) -> &Grid| {
        let highs = view.scales.iter().filter_map(|scale| of(scale).finite_range());
        highs.map(|(_, high)| high).fold(0.0, f32::max)
    };
    // A map of a run with another input covers the whole image all the same.
    let fits = |grid: &Grid| (grid.width(), grid.height()) == (scale.count.width(), scale.count.height());
    let whole = |grid: &Grid| view.photo.width() as f32 / grid.width().max(1) as f32;
    let base = |grid: &Grid| {
        let cell = if fits(grid) { scale.stride as f32 } else { whole(grid) };
        Some(Heatmap::new(grid.clone(), cell, kind.colors(view.signed)?))
    };
    let bar = |map: Heatmap, label: &str| ColorBar::new(Arc::new(map), label);
    match kind {
        View::Anchors => None,
        // Scales are compared by eye: one range for all.
        View::Iou => {
            let map = Heatmap { range: (0.0, largest(|scale| &scale.iou)), ..base(&scale.iou)? };
            Some((bar(map, "largest IoU of the cell's anchors"), OVER_GREY))
        }
        View::Mask => {
            let range = (0.0, largest(|scale| &scale.count));
            let map = Heatmap { range, clear_to: Some(0.0), ..base(&scale.count)? };
            Some((ColorBar { integer: true, ..bar(map, "anchor hits per cell") }, OVER_PHOTO))
        }
        View::Weights => {
            let map = Heatmap { range: (0.0, 1.0), clear_to: Some(0.0), ..base(scale.weights.as_ref()?)? };
            Some((bar(map, "weight of the cell"), OVER_PHOTO))
        }
        View::Teacher => Some((bar(base(&scale.teacher.as_ref()?.grid)?, &view.features), OVER_GREY)),
        View::Student => Some((bar(base(&scale.student.as_ref()?.grid)?, &view.features), OVER_GREY)),
        View::Difference => Some((bar(base(&scale.difference.as_ref()?.grid)?, &view.difference), OVER_GREY)),
    }
}

/// The best anchor of every object, and the others where there is room for them.
fn best(view: &InspectionView<'_>, scale: &ScaleView, detail: Detail) -> Vec<BestAnchor> {
    let all = detail == Detail::Full && view.labels.len() <= ROOMY;
    let of = |(gt, best): (usize, &Option<(usize, usize, usize)>)| {
        let (best, row, col) = (*best)?;
        let anchors = scale.anchors.iter().enumerate().filter(move |(anchor, _)| all || *anchor == best);
        let at = move |(_, &anchor)| BestAnchor { ink: Ink::Truth(gt), anchor, cell: (row, col), value: None };
        Some(anchors.map(at).collect::<Vec<_>>())
    };
    scale.best.iter().enumerate().filter_map(of).flatten().collect()
}

/// What the panels show, and the ground truths.
pub(super) fn legend(view: &InspectionView<'_>, panels: &[Panel<'_>]) -> Vec<LegendEntry> {
    let pictures: Vec<&Picture> = panels.iter().map(|panel| &panel.picture).collect();
    layers::legend(&pictures).into_iter().chain(label_entries(view)).collect()
}

/// The ground truths, as far as a legend lists them.
pub(super) fn label_entries(view: &InspectionView<'_>) -> Vec<LegendEntry> {
    let mut entries = Vec::new();
    let entry = |text: String| LegendEntry::new(Sign::None, text);
    for (gt, label) in view.labels.iter().enumerate().take(LISTED) {
        let (width, height) = (label.bbox.width(), label.bbox.height());
        let text = format!("{gt} {} {width:.0}×{height:.0}", label.name);
        entries.push(LegendEntry::new(Sign::Box(Ink::Truth(gt)), text));
    }
    if view.labels.len() > LISTED {
        entries.push(entry(format!("and {} more", view.labels.len() - LISTED)));
    }
    if view.labels.is_empty() {
        entries.push(entry("no ground truths".to_owned()));
    }
    entries
}

/// What tests of figures have in common.
#[cfg(test)]
pub(super) mod fixture {
    use super::*;
    use crate::geometry::BoundingBox;

    pub fn label(name: &str, [x1, y1, x2, y2]: [f32; 4]) -> SceneLabel {
        SceneLabel { class: 0, name: name.to_owned(), bbox: BoundingBox::new(x1, y1, x2, y2) }
    }

    /// Settings and sources, with nothing on the image.
    pub fn plain(photo: &RgbImage) -> InspectionView<'_> {
        InspectionView {
            photo,
            image: "a.jpg".to_owned(),
            teacher: "t.pt".to_owned(),
            student: "s.pt".to_owned(),
            labels: Vec::new(),
            psi: 0.5,
            level_rule: "per-scale".to_owned(),
            convention: "exact".to_owned(),
            tap: "neck".to_owned(),
            features: "L2 norm over channels".to_owned(),
            difference: "squared L2".to_owned(),
            signed: false,
            loss: "features, mask iou".to_owned(),
            lambda: 1.0,
            scales: Vec::new(),
        }
    }

    /// One scale of 2 × 2 cells of 32 px with one object in the first cell; the first two are masked; nothing is compared.
    pub fn four_cells() -> ScaleView {
        ScaleView {
            name: "P5".to_owned(),
            stride: 32,
            anchors: vec![[24.0, 20.0]],
            iou: four([0.8, 0.5, 0.1, 0.0]),
            count: four([2.0, 1.0, 0.0, 0.0]),
            best: vec![Some((0, 0, 0))],
            teacher: None,
            student: None,
            difference: None,
            weights: None,
        }
    }

    pub fn four(values: [f32; 4]) -> Grid {
        Grid::from_values(2, 2, values.to_vec()).expect("2 x 2")
    }

    /// A mean of 6 inside the mask, and a loss of 3 at λ = 1.
    pub fn difference(grid: Grid, adapter: &str) -> DifferenceView {
        DifferenceView {
            grid,
            adapter: adapter.to_owned(),
            mean_inside: Some(6.0),
            mean_outside: Some(0.0),
            loss: Some(3.0),
            r2_leave_one_out: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{label, plain};
    use super::*;
    use crate::figure::render;

    fn scale(name: &str, stride: u32, compared: bool) -> ScaleView {
        let side = 64 / stride as usize;
        let grid = Grid::from_fn(side, side, |row, col| (row * side + col) as f32);
        let features = compared.then(|| FeatureView { grid: grid.clone(), channels: 8 });
        ScaleView {
            name: name.to_owned(),
            stride,
            anchors: vec![[10.0, 13.0], [16.0, 30.0]],
            iou: grid.clone(),
            count: Grid::from_fn(side, side, |row, _| if row == 0 { 2.0 } else { 0.0 }),
            best: vec![Some((1, 0, 0)), None],
            teacher: features.clone(),
            student: features,
            difference: compared.then(|| DifferenceView {
                grid,
                adapter: "none".to_owned(),
                mean_inside: None,
                mean_outside: Some(1.5),
                loss: Some(0.0),
                r2_leave_one_out: None,
            }),
            weights: None,
        }
    }

    fn view(photo: &RgbImage, compared: bool) -> InspectionView<'_> {
        InspectionView {
            image: "<細胞>.jpg".to_owned(),
            psi: 0.3,
            level_rule: "global".to_owned(),
            labels: vec![label("赤血球", [3.0, 4.0, 15.0, 20.0]), label("", [60.0, 4.0, 72.0, 20.0])],
            scales: vec![scale("P3", 8, compared), scale("P4", 16, compared)],
            ..plain(photo)
        }
    }

    #[test]
    fn every_view_of_every_scale_is_a_figure() {
        let photo = RgbImage::new(64, 64);
        let view = view(&photo, true);
        let all = figures(&view);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), 6 * 3 + 1);
        assert_eq!(names[..3], ["p3-anchors", "p4-anchors", "all-anchors"]);
        assert_eq!(names.last(), Some(&"overview"));
        for (name, spec) in &all {
            let figure = render(spec).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(figure.png(1.0).is_ok(), "{name}");
        }
        let mask = all.iter().find(|(name, _)| name == "p3-mask").map(|(_, spec)| render(spec).expect("a figure"));
        let svg = mask.expect("the mask of P3").svg;
        for text in ["ψ = 0.3", "level rule global", "&lt;細胞&gt;.jpg", "8 of 64 cells (12.5 %), 16 anchor hits"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn what_was_not_compared_has_no_figure() {
        let photo = RgbImage::new(64, 64);
        let names: Vec<String> = figures(&view(&photo, false)).into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| !name.contains("teacher") && !name.contains("difference")), "{names:?}");
        assert_eq!(names.len(), 3 * 3 + 1);
    }

    #[test]
    fn no_scales_and_no_labels_are_no_panic() {
        let photo = RgbImage::new(64, 64);
        let mut bare = view(&photo, true);
        bare.labels.clear();
        bare.scales.iter_mut().for_each(|scale| scale.best.clear());
        assert!(figures(&bare).iter().all(|(_, spec)| render(spec).is_ok()));
        bare.scales.clear();
        assert!(figures(&bare).is_empty());
    }
}
