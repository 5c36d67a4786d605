//! What a figure shows, before anything is laid out.

use image::RgbImage;

use crate::colormap::ColorMap;
use crate::geometry::BoundingBox;
use crate::grid::Grid;

/// Okabe and Ito's colours without black, for ground truths in order.
const OKABE_ITO: [[u8; 3]; 7] =
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]];

/// The colour of the k-th ground truth.
pub const fn ground_truth_color(k: usize) -> [u8; 3] {
    OKABE_ITO[k % OKABE_ITO.len()]
}

/// What a step of the story says under a title.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lead {
    pub sentence: String,
    pub formula: String,
    /// A line each.
    pub numbers: Vec<String>,
}

/// What a figure shows.
#[derive(Clone, Debug)]
pub struct FigureSpec<'a> {
    pub title: String,
    pub lead: Lead,
    /// Settings and sources, in a line or more under the title.
    pub facts: Vec<String>,
    pub panels: Vec<Panel<'a>>,
    /// Panels a row.
    pub columns: usize,
    /// Long side of a panel in figure units, at most; the photograph is scaled by a round factor.
    pub panel_side: f32,
    pub legend: Vec<LegendEntry>,
}

/// One picture of a figure.
#[derive(Clone, Debug)]
pub struct Panel<'a> {
    pub title: String,
    /// A dot before the title: teacher, student and their difference have their colours.
    pub accent: Option<[u8; 3]>,
    /// Smaller, under the title.
    pub note: String,
    /// The network's input; all coordinates are its pixels.
    pub photo: &'a RgbImage,
    /// Shown without its colours, which then belong to the map alone.
    pub grey: bool,
    pub map: Option<Heatmap>,
    /// From the lowest to the uppermost.
    pub regions: Vec<Region>,
    /// Lines between the cells of this side in input px.
    pub cells: Option<u32>,
    pub outlines: Vec<Outline>,
}

/// A map over the photograph, with a colour bar.
#[derive(Clone, Debug)]
pub struct Heatmap {
    pub grid: Grid,
    /// Input px per cell.
    pub cell: f32,
    pub colors: ColorMap,
    /// Values at the two ends of the colours; `None`: the map's own finite range.
    pub range: Option<(f32, f32)>,
    /// Of the map over the photograph, 0..=1.
    pub opacity: f32,
    /// What is shown, with its unit: the colour bar's label.
    pub quantity: String,
    /// Counts: the colour bar is in steps.
    pub integer: bool,
    /// Cells of value 0 or less let the photograph through.
    pub hide_zero: bool,
    /// Low values let the photograph through.
    pub fades: bool,
    /// Row by row the cells that are shown, the others under a dark veil; `None` shows all.
    pub inside: Option<Vec<bool>>,
    /// Values marked on the colour bar, with their names.
    pub marks: Vec<(f32, String)>,
}

/// Cells whose common outline is drawn, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    pub rows: usize,
    pub cols: usize,
    /// Input px per cell.
    pub stride: u32,
    pub inside: Vec<bool>,
    pub color: [u8; 3],
    pub fill: RegionFill,
}

/// What lies over the cells of a [`Region`], in its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegionFill {
    #[default]
    Empty,
    Striped,
    Tinted,
}

impl Region {
    /// White, with nothing inside.
    pub fn outlined(rows: usize, cols: usize, stride: u32, inside: Vec<bool>) -> Self {
        Self { rows, cols, stride, inside, color: [255; 3], fill: RegionFill::Empty }
    }
}

/// A box drawn over the photograph.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Input px.
    pub bbox: BoundingBox,
    pub color: [u8; 3],
    pub stroke: Stroke,
    /// A tag beside the box: the first of these texts that finds room; none where none does.
    pub tags: Vec<String>,
}

/// How the line of an [`Outline`] is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stroke {
    #[default]
    Solid,
    Dashed,
    /// Thin and pale: what is there beside what is meant.
    Faint,
}

/// What a legend's sign looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sign {
    Box([u8; 3]),
    Dashed([u8; 3]),
    /// The white outline of a [`Region`].
    Region,
    /// A cell of a [`Region`] with something inside.
    Cell([u8; 3], RegionFill),
    Fill([u8; 3]),
    /// Text alone.
    None,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LegendEntry {
    pub sign: Sign,
    pub text: String,
}
