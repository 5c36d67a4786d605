//! Figures for papers and talks: one SVG each, and the PNG made from it.
//!
//! A [`FigureSpec`] says what is shown: panels with a photograph, a map over it, boxes and a colour bar; a title,
//! facts and a legend around them. [`render`] lays it out. [`inspection`] knows which figures an inspection has. Text
//! is set in the bundled fonts alone, so the PNG is the same on every machine; nothing here reads a file.

pub mod inspection;
mod layout;
mod picture;
mod text;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError, RgbImage};
use resvg::{tiny_skia, usvg};
use thiserror::Error;

use super::colormap::ColorMap;
use crate::geometry::BoundingBox;
use crate::grid::Grid;

/// Longest side of a PNG in px.
const MAX_SIDE: f32 = 16_384.0;

/// Okabe and Ito's colours without black, for ground truths in order.
const OKABE_ITO: [[u8; 3]; 7] =
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]];

/// The colour of the k-th ground truth.
pub const fn ground_truth_color(k: usize) -> [u8; 3] {
    OKABE_ITO[k % OKABE_ITO.len()]
}

#[derive(Debug, Error)]
pub enum FigureError {
    #[error("a picture of the figure cannot be encoded: {0}")]
    Picture(#[from] ImageError),
    #[error("the figure cannot be drawn: {0}")]
    Draw(#[from] usvg::Error),
    #[error("a PNG of {width} x {height} px is too large; the limit is {MAX_SIDE} px a side")]
    TooLarge { width: f32, height: f32 },
}

/// What a figure shows.
#[derive(Clone, Debug)]
pub struct FigureSpec<'a> {
    pub title: String,
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
    pub region: Option<Region>,
    pub outlines: Vec<Outline>,
}

/// A map over the photograph, with a colour bar.
#[derive(Clone, Debug)]
pub struct Heatmap {
    pub grid: Grid,
    /// Input px per cell.
    pub stride: u32,
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
}

/// Cells whose common outline is drawn, row by row.
#[derive(Clone, Debug)]
pub struct Region {
    pub rows: usize,
    pub cols: usize,
    /// Input px per cell.
    pub stride: u32,
    pub inside: Vec<bool>,
}

/// A box drawn over the photograph.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Input px.
    pub bbox: BoundingBox,
    pub color: [u8; 3],
    pub dashed: bool,
    /// A tag beside the box: the first of these texts that finds room; none where none does.
    pub tags: Vec<String>,
}

/// What a legend's sign looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sign {
    Box([u8; 3]),
    Dashed([u8; 3]),
    /// The outline of a [`Region`].
    Region,
    Fill([u8; 3]),
    /// Text alone.
    None,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LegendEntry {
    pub sign: Sign,
    pub text: String,
}

/// A figure that has been laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub svg: String,
    /// Figure units.
    pub width: f32,
    pub height: f32,
}

/// Lays a figure out as SVG.
pub fn render(spec: &FigureSpec<'_>) -> Result<Figure, FigureError> {
    layout::figure(spec)
}

impl Figure {
    /// The figure as PNG with `scale` pixels a figure unit.
    pub fn png(&self, scale: f32) -> Result<Vec<u8>, FigureError> {
        let (width, height) = ((self.width * scale).ceil(), (self.height * scale).ceil());
        let too_large = || FigureError::TooLarge { width, height };
        if !(width >= 1.0 && height >= 1.0 && width <= MAX_SIDE && height <= MAX_SIDE) {
            return Err(too_large());
        }
        let tree = usvg::Tree::from_str(&self.svg, &text::options())?;
        let mut pixmap = tiny_skia::Pixmap::new(width as u32, height as u32).ok_or_else(too_large)?;
        pixmap.fill(tiny_skia::Color::WHITE);
        resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixmap.as_mut());
        // On an opaque ground premultiplied colours are the colours.
        let pixels: Vec<u8> = pixmap.data().chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect();
        let mut png = Vec::new();
        PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive).write_image(
            &pixels,
            pixmap.width(),
            pixmap.height(),
            ExtendedColorType::Rgb8,
        )?;
        Ok(png)
    }
}
