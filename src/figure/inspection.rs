//! The figures of an inspection: every view of every scale, all scales side by side, and an overview.

use image::RgbImage;

use super::layout::not_finite_entry;
use super::spec::{FigureSpec, Heatmap, Lead, LegendEntry, Outline, Panel, Region, Sign, Stroke, ground_truth_color};
use crate::colormap::ColorMap;
use crate::format::{significant, tick};
use crate::geometry::BoundingBox;
use crate::grid::Grid;
use crate::inspect::DetectionView;

/// Blue, orange and magenta on white paper.
pub(super) const TEACHER: [u8; 3] = [10, 91, 184];
pub(super) const STUDENT: [u8; 3] = [214, 104, 0];
pub(super) const DIFFERENCE: [u8; 3] = [160, 22, 116];

/// The anchor shapes of a cell, in order, and the cell: readable over a grey photograph.
const ANCHORS: [[u8; 3]; 4] = [[255, 255, 255], [150, 230, 220], [0, 201, 177], [120, 200, 255]];
pub(super) const CELL: [u8; 3] = [0, 201, 177];

/// Long side of the picture in a figure of one scale, of several, and of the overview.
pub(super) const SINGLE: f32 = 640.0;
pub(super) const BESIDE: f32 = 320.0;
const OVERVIEW: f32 = 200.0;

/// Ground truths that a legend lists.
const LISTED: usize = 24;
/// Ground truths up to which a small picture numbers them, and a large one shows the other anchors too.
const TAGGED: usize = 12;
/// Ground truths up to which a large picture names them; it numbers any more.
const NAMED: usize = 32;

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
    pub labels: Vec<LabelView>,
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

/// A ground truth; `bbox` in input px.
#[derive(Clone, Debug)]
pub struct LabelView {
    pub name: String,
    pub bbox: BoundingBox,
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

/// "car 0.87", or the score alone where that is too long.
pub(super) fn detection_tags(detection: &DetectionView) -> Vec<String> {
    vec![format!("{} {:.2}", detection.name, detection.score), format!("{:.2}", detection.score)]
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

/// The views that a figure can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Anchors,
    Iou,
    Mask,
    /// How much each cell counts, where that is not the mask of IoUs.
    Weights,
    Teacher,
    Student,
    Difference,
}

impl View {
    /// Those that a whole inspection has.
    const ALL: [Self; 6] = [Self::Anchors, Self::Iou, Self::Mask, Self::Teacher, Self::Student, Self::Difference];

    /// As files are named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anchors => "anchors",
            Self::Iou => "iou",
            Self::Mask => "mask",
            Self::Weights => "weights",
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::Difference => "difference",
        }
    }

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

    /// The colours that are its own; `signed`: of one channel.
    pub const fn colors(self, signed: bool) -> Option<ColorMap> {
        match self {
            Self::Anchors => None,
            Self::Iou => Some(ColorMap::Cividis),
            Self::Mask | Self::Weights => Some(ColorMap::Viridis),
            Self::Teacher | Self::Student | Self::Difference if signed => Some(ColorMap::BlueRed),
            Self::Teacher | Self::Student => Some(ColorMap::Inferno),
            Self::Difference => Some(ColorMap::Magma),
        }
    }

    /// Whether it shows what the models see.
    pub(super) const fn is_of_models(self) -> bool {
        matches!(self, Self::Teacher | Self::Student | Self::Difference)
    }

    const fn accent(self) -> Option<[u8; 3]> {
        match self {
            Self::Teacher => Some(TEACHER),
            Self::Student => Some(STUDENT),
            Self::Difference => Some(DIFFERENCE),
            Self::Anchors | Self::Iou | Self::Mask | Self::Weights => None,
        }
    }
}

/// Every figure and its name, which is that of its file: `p3-mask`, `all-mask`, `overview`. A view that no scale has
/// is left out.
pub fn figures<'a>(view: &InspectionView<'a>) -> Vec<(String, FigureSpec<'a>)> {
    let mut figures = Vec::new();
    for kind in View::ALL {
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
    FigureSpec {
        title: format!("{}, {}", kind.title(), scale.name),
        lead: Lead::default(),
        facts: facts(view, kind),
        panels: vec![panel(view, scale, kind, Detail::Full)],
        columns: 1,
        panel_side: SINGLE,
        legend: legend(view, std::slice::from_ref(&scale), &[kind]),
    }
}

fn beside<'a>(view: &InspectionView<'a>, scales: &[&ScaleView], kind: View) -> FigureSpec<'a> {
    FigureSpec {
        title: kind.title().to_owned(),
        lead: Lead::default(),
        facts: facts(view, kind),
        panels: scales.iter().map(|scale| panel(view, scale, kind, Detail::Small)).collect(),
        columns: scales.len().min(4),
        panel_side: BESIDE,
        legend: legend(view, scales, &[kind]),
    }
}

/// One row a scale: IoU, mask, teacher, student, difference, as far as they are there.
fn overview<'a>(view: &InspectionView<'a>) -> Option<FigureSpec<'a>> {
    let kinds: Vec<View> = View::ALL
        .into_iter()
        .filter(|&kind| kind != View::Anchors && view.scales.iter().all(|scale| has(scale, kind)))
        .collect();
    let panels: Vec<Panel<'a>> = view
        .scales
        .iter()
        .flat_map(|scale| kinds.iter().map(move |&kind| panel(view, scale, kind, Detail::Least)))
        .collect();
    let scales: Vec<&ScaleView> = view.scales.iter().collect();
    (!panels.is_empty()).then(|| FigureSpec {
        title: format!("What is imitated, and where: {}", view.image),
        lead: Lead::default(),
        facts: {
            let last = if kinds.contains(&View::Difference) { View::Difference } else { View::Mask };
            facts(view, last).into_iter().skip(1).collect()
        },
        panels,
        columns: kinds.len(),
        panel_side: OVERVIEW,
        legend: legend(view, &scales, &kinds),
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

/// How much a panel says, by its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    Least,
    Small,
    Full,
}

pub(super) fn panel<'a>(view: &InspectionView<'a>, scale: &ScaleView, kind: View, detail: Detail) -> Panel<'a> {
    let title = match detail {
        Detail::Full | Detail::Small => place(scale),
        Detail::Least => format!("{} {}", scale.name, short(kind)),
    };
    Panel {
        title,
        accent: kind.accent(),
        note: note(view, scale, kind, detail),
        photo: view.photo,
        grey: kind == View::Iou || kind.is_of_models(),
        map: map(view, scale, kind),
        regions: kind.is_of_models().then(|| marked(&scale.count, scale.stride)).into_iter().collect(),
        cells: None,
        outlines: outlines(view, scale, kind, detail),
    }
}

/// "P3 · stride 8 · 80×80 cells".
pub(super) fn place(scale: &ScaleView) -> String {
    format!("{} · stride {} · {}×{} cells", scale.name, scale.stride, scale.count.width(), scale.count.height())
}

/// The cells that an anchor hits.
pub(super) fn marked(count: &Grid, stride: u32) -> Region {
    let inside = count.values().iter().map(|&hits| hits > 0.0).collect();
    Region::outlined(count.height(), count.width(), stride, inside)
}

/// The photograph alone.
pub(super) fn bare(photo: &RgbImage, title: String, grey: bool) -> Panel<'_> {
    Panel {
        title,
        accent: None,
        note: String::new(),
        photo,
        grey,
        map: None,
        regions: Vec::new(),
        cells: None,
        outlines: Vec::new(),
    }
}

/// The grid of cells, and every anchor of one of them.
pub(super) fn anchor_panel<'a>(photo: &'a RgbImage, scale: &ScaleView, (row, col): (usize, usize)) -> Panel<'a> {
    let side = scale.stride as f32;
    let center = |cell: usize| (cell as f32 + 0.5) * side;
    let shape = |width, height| BoundingBox::from_center(center(col), center(row), width, height);
    let cell = Outline { bbox: shape(side, side), color: CELL, stroke: Stroke::Solid, tags: Vec::new() };
    let boxes = scale.anchors.iter().enumerate().map(|(index, &[width, height])| Outline {
        bbox: shape(width, height),
        color: ANCHORS[index % ANCHORS.len()],
        stroke: Stroke::Solid,
        tags: vec![format!("{width:.0}×{height:.0}")],
    });
    let outlines = std::iter::once(cell).chain(boxes).collect();
    Panel { cells: Some(scale.stride), outlines, ..bare(photo, place(scale), true) }
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

fn note(view: &InspectionView<'_>, scale: &ScaleView, kind: View, detail: Detail) -> String {
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

pub(super) fn map(view: &InspectionView<'_>, scale: &ScaleView, kind: View) -> Option<Heatmap> {
    let largest = |of: fn(&ScaleView) -> &Grid| {
        let highs = view.scales.iter().filter_map(|scale| of(scale).finite_range());
        highs.map(|(_, high)| high).fold(0.0, f32::max)
    };
    // A map of a run with another input covers the whole image all the same.
    let fits = |grid: &Grid| (grid.width(), grid.height()) == (scale.count.width(), scale.count.height());
    let whole = |grid: &Grid| view.photo.width() as f32 / grid.width().max(1) as f32;
    let base = |grid: &Grid, quantity: String| Heatmap {
        grid: grid.clone(),
        cell: if fits(grid) { scale.stride as f32 } else { whole(grid) },
        colors: kind.colors(view.signed).unwrap_or(ColorMap::Viridis),
        range: None,
        opacity: OVER_GREY,
        quantity,
        integer: false,
        hide_zero: false,
        fades: false,
        inside: None,
        marks: Vec::new(),
    };
    match kind {
        View::Anchors => None,
        // Scales are compared by eye: one range for all.
        View::Iou => Some(Heatmap {
            range: Some((0.0, largest(|scale| &scale.iou))),
            ..base(&scale.iou, "largest IoU of the cell's anchors".to_owned())
        }),
        View::Mask => Some(Heatmap {
            range: Some((0.0, largest(|scale| &scale.count))),
            opacity: OVER_PHOTO,
            integer: true,
            hide_zero: true,
            ..base(&scale.count, "anchor hits per cell".to_owned())
        }),
        View::Weights => Some(Heatmap {
            range: Some((0.0, 1.0)),
            opacity: OVER_PHOTO,
            hide_zero: true,
            ..base(scale.weights.as_ref()?, "weight of the cell".to_owned())
        }),
        View::Teacher => Some(base(&scale.teacher.as_ref()?.grid, view.features.clone())),
        View::Student => Some(base(&scale.student.as_ref()?.grid, view.features.clone())),
        View::Difference => Some(base(&scale.difference.as_ref()?.grid, view.difference.clone())),
    }
}

pub(super) fn outlines(view: &InspectionView<'_>, scale: &ScaleView, kind: View, detail: Detail) -> Vec<Outline> {
    let mut outlines = Vec::new();
    if kind == View::Anchors {
        for (gt, best) in scale.best.iter().enumerate() {
            let Some((best_anchor, row, col)) = *best else { continue };
            let center = |cell: usize| (cell as f32 + 0.5) * scale.stride as f32;
            for (anchor, &[width, height]) in scale.anchors.iter().enumerate() {
                // The best anchor of every object, and the others where there is room for them.
                if anchor == best_anchor || (detail == Detail::Full && view.labels.len() <= TAGGED) {
                    let bbox = BoundingBox::from_center(center(col), center(row), width, height);
                    outlines.push(Outline {
                        bbox,
                        color: ground_truth_color(gt),
                        stroke: Stroke::Dashed,
                        tags: vec![],
                    });
                }
            }
        }
    }
    outlines.extend(label_outlines(view, detail));
    outlines
}

/// The boxes of the ground truths.
pub(super) fn label_outlines(view: &InspectionView<'_>, detail: Detail) -> Vec<Outline> {
    let full = detail == Detail::Full;
    let numbered = detail == Detail::Small && view.labels.len() <= TAGGED;
    let boxes = view.labels.iter().enumerate().map(|(gt, label)| {
        let number = gt.to_string();
        let tags = if full && view.labels.len() <= NAMED {
            vec![format!("{gt} {}", label.name), number]
        } else if full || numbered {
            vec![number]
        } else {
            vec![]
        };
        Outline { bbox: label.bbox, color: ground_truth_color(gt), stroke: Stroke::Solid, tags }
    });
    boxes.collect()
}

pub(super) fn legend(view: &InspectionView<'_>, scales: &[&ScaleView], kinds: &[View]) -> Vec<LegendEntry> {
    let mut entries = Vec::new();
    let entry = |sign, text: &str| LegendEntry { sign, text: text.to_owned() };
    if kinds.contains(&View::Anchors) {
        entries.push(entry(Sign::Dashed([84, 91, 101]), "anchor at the cell of the best IoU"));
    }
    if kinds.iter().any(|kind| kind.is_of_models()) {
        entries.push(entry(Sign::Region, "outline of the mask"));
    }
    let maps: Vec<Heatmap> =
        kinds.iter().flat_map(|&kind| scales.iter().filter_map(move |scale| map(view, scale, kind))).collect();
    entries.extend(not_finite_entry(&maps.iter().collect::<Vec<_>>()));
    entries.extend(label_entries(view));
    entries
}

/// The ground truths, as far as a legend lists them.
pub(super) fn label_entries(view: &InspectionView<'_>) -> Vec<LegendEntry> {
    let mut entries = Vec::new();
    let entry = |text: String| LegendEntry { sign: Sign::None, text };
    for (gt, label) in view.labels.iter().enumerate().take(LISTED) {
        let (width, height) = (label.bbox.width(), label.bbox.height());
        let text = format!("{gt} {} {width:.0}×{height:.0}", label.name);
        entries.push(LegendEntry { sign: Sign::Box(ground_truth_color(gt)), text });
    }
    if view.labels.len() > LISTED {
        entries.push(entry(format!("and {} more", view.labels.len() - LISTED)));
    }
    if view.labels.is_empty() {
        entries.push(entry("no ground truths".to_owned()));
    }
    entries
}

#[cfg(test)]
mod tests {
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
        let label =
            |name: &str, x: f32| LabelView { name: name.to_owned(), bbox: BoundingBox::new(x, 4.0, x + 12.0, 20.0) };
        InspectionView {
            photo,
            image: "<細胞>.jpg".to_owned(),
            teacher: "t.pt".to_owned(),
            student: "s.pt".to_owned(),
            labels: vec![label("赤血球", 3.0), label("", 60.0)],
            psi: 0.3,
            level_rule: "global".to_owned(),
            convention: "exact".to_owned(),
            tap: "neck".to_owned(),
            features: "L2 norm over channels".to_owned(),
            difference: "squared L2".to_owned(),
            signed: false,
            loss: "features, mask iou".to_owned(),
            lambda: 1.0,
            scales: vec![scale("P3", 8, compared), scale("P4", 16, compared)],
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
