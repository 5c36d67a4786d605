//! Figures for papers and talks: one SVG each, and the PNG made from it.
//!
//! A [`FigureSpec`] says what is shown: panels with a photograph, a map over it, boxes and a colour bar; a title,
//! facts and a legend around them. [`render`] lays it out, a [`Look`] says for which paper, a [`FigureChoice`] how it is
//! written. [`inspection`] knows which figures an inspection has, [`shown`] that of the view in the window, [`story`] those
//! of a talk. Text is set in the bundled fonts alone, so the PNG is the same on every machine; nothing here reads a file.

pub mod axis;
mod bar;
mod choice;
pub mod inspection;
mod layout;
mod look;
mod picture;
pub mod plot;
pub mod shown;
pub mod story;
mod text;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError, RgbImage, RgbaImage};
use resvg::{tiny_skia, usvg};
use thiserror::Error;

pub use choice::{ChoiceError, FigureChoice, FigureFormat, SaveError, SvgText, free_name};
pub use look::{Background, Look};

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
    /// A sentence.
    #[error("{0}")]
    Nothing(String),
}

/// Something that can be drawn as figures, on any thread.
pub trait Draw: std::fmt::Debug + Send + Sync {
    /// Every figure and its name, which is that of its file.
    fn draw(&self, look: &Look) -> Result<Vec<(String, Figure)>, FigureError>;

    /// One that shows what the others will look like.
    fn first(&self, look: &Look) -> Result<Figure, FigureError>;

    /// Its moments, where it moves.
    fn frames(&self) -> Option<&dyn Frames> {
        None
    }
}

/// Something that moves: a figure a moment, which can be drawn on any thread.
pub trait Frames: Sync {
    fn moments(&self) -> usize;

    fn figure(&self, moment: usize, look: &Look) -> Result<Figure, FigureError>;
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

/// A figure that has been laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub svg: String,
    /// Figure units.
    pub width: f32,
    pub height: f32,
    pub background: Background,
}

/// Lays a figure out as SVG, on white and for a screen.
pub fn render(spec: &FigureSpec<'_>) -> Result<Figure, FigureError> {
    render_as(spec, &Look::default())
}

/// Lays a figure out as SVG.
pub fn render_as(spec: &FigureSpec<'_>, look: &Look) -> Result<Figure, FigureError> {
    layout::figure(spec, look)
}

/// Figures under each other, on the ground of the first.
pub fn stacked(figures: &[Figure]) -> Figure {
    let width = figures.iter().map(|figure| figure.width).fold(0.0, f32::max);
    let (mut height, mut body) = (0.0_f32, String::new());
    for figure in figures {
        body += &format!("<g transform=\"translate(0 {height})\">\n{}</g>\n", figure.svg);
        height += figure.height;
    }
    let background = figures.first().map_or(Background::White, |figure| figure.background);
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n{body}</svg>\n"
    );
    Figure { svg, width, height, background }
}

impl Figure {
    /// The SVG with outlines in the place of text.
    pub fn outlined(&self) -> Result<String, FigureError> {
        Ok(usvg::Tree::from_str(&self.svg, &text::options())?.to_string(&usvg::WriteOptions::default()))
    }

    /// The figure in pixels, `scale` of them a figure unit.
    pub fn picture(&self, scale: f32) -> Result<RgbaImage, FigureError> {
        let pixmap = self.pixmap(scale)?;
        let (width, height) = (pixmap.width(), pixmap.height());
        RgbaImage::from_raw(width, height, rgba(&pixmap))
            .ok_or(FigureError::TooLarge { width: width as f32, height: height as f32 })
    }

    /// The figure as PNG with `scale` pixels a figure unit.
    pub fn png(&self, scale: f32) -> Result<Vec<u8>, FigureError> {
        let pixmap = self.pixmap(scale)?;
        let (pixels, color): (Vec<u8>, _) = if self.background == Background::White {
            // On an opaque ground premultiplied colours are the colours.
            let opaque = pixmap.data().chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]);
            (opaque.collect(), ExtendedColorType::Rgb8)
        } else {
            (rgba(&pixmap), ExtendedColorType::Rgba8)
        };
        let mut png = Vec::new();
        PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Paeth).write_image(
            &pixels,
            pixmap.width(),
            pixmap.height(),
            color,
        )?;
        Ok(png)
    }

    fn pixmap(&self, scale: f32) -> Result<tiny_skia::Pixmap, FigureError> {
        let (width, height) = ((self.width * scale).ceil(), (self.height * scale).ceil());
        let too_large = || FigureError::TooLarge { width, height };
        if !(width >= 1.0 && height >= 1.0 && width <= MAX_SIDE && height <= MAX_SIDE) {
            return Err(too_large());
        }
        let tree = usvg::Tree::from_str(&self.svg, &text::options())?;
        let mut pixmap = tiny_skia::Pixmap::new(width as u32, height as u32).ok_or_else(too_large)?;
        if self.background == Background::White {
            pixmap.fill(tiny_skia::Color::WHITE);
        }
        // The tree is in CSS pixels, which are figure units on a screen but not in print.
        let unit = self.width * scale / tree.size().width();
        resvg::render(&tree, tiny_skia::Transform::from_scale(unit, unit), &mut pixmap.as_mut());
        Ok(pixmap)
    }
}

/// Colours that are not multiplied by their alpha, 4 bytes a pixel.
fn rgba(pixmap: &tiny_skia::Pixmap) -> Vec<u8> {
    let colors = pixmap.pixels().iter().map(|pixel| pixel.demultiply());
    colors.flat_map(|c| [c.red(), c.green(), c.blue(), c.alpha()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A figure of one grey 64 × 32 photograph under an opaque map of two cells.
    fn small(photo: &RgbImage, values: [f32; 2]) -> FigureSpec<'_> {
        FigureSpec {
            title: "A <title> & more".to_owned(),
            lead: Lead::default(),
            facts: vec!["ψ = 0.5".to_owned()],
            panels: vec![Panel {
                title: "P5".to_owned(),
                accent: None,
                note: String::new(),
                photo,
                grey: true,
                map: Some(Heatmap {
                    grid: Grid::from_values(2, 1, values.to_vec()).expect("2 x 1"),
                    cell: 32.0,
                    colors: ColorMap::Viridis,
                    range: None,
                    opacity: 1.0,
                    quantity: "anything".to_owned(),
                    integer: false,
                    hide_zero: false,
                    fades: false,
                    inside: None,
                    marks: Vec::new(),
                }),
                regions: Vec::new(),
                cells: None,
                outlines: vec![Outline {
                    bbox: BoundingBox::new(2.0, 2.0, 10.0, 10.0),
                    color: ground_truth_color(0),
                    stroke: Stroke::Solid,
                    tags: vec!["細胞 0".to_owned()],
                }],
            }],
            columns: 1,
            panel_side: 256.0,
            legend: vec![LegendEntry { sign: Sign::Region, text: "mask".to_owned() }],
        }
    }

    fn decode(png: &[u8]) -> RgbImage {
        image::load_from_memory(png).expect("a PNG").to_rgb8()
    }

    #[test]
    fn cells_have_the_colours_of_their_values() {
        let photo = RgbImage::from_pixel(64, 32, image::Rgb([90, 120, 150]));
        let figure = render(&small(&photo, [1.0, 3.0])).expect("a figure");
        for scale in [1.0, 2.0] {
            let png = decode(&figure.png(scale).expect("a PNG"));
            assert_eq!(png.width(), (figure.width * scale) as u32);
            // The picture is 256 × 128 units, its left edge at the margin: cells are 128 units a side.
            let row = (0..png.height()).rev().find(|&y| png.get_pixel(png.width() / 4, y).0 == [0xfd, 0xe7, 0x25]);
            let count = |color: [u8; 3]| png.pixels().filter(|pixel| pixel.0 == color).count() as f32;
            assert!(row.is_some() || count([0xfd, 0xe7, 0x25]) > 0.0);
            let cell = (128.0 * scale) * (128.0 * scale);
            // The high cell is bare; box and tag lie on the low one. The colour bar adds a few pixels at its ends.
            assert!((count([0xfd, 0xe7, 0x25]) - cell).abs() < 0.02 * cell, "{}", count([0xfd, 0xe7, 0x25]) / cell);
            let low = count([0x44, 0x01, 0x54]);
            assert!(low > 0.8 * cell && low < cell, "{}", low / cell);
        }
    }

    #[test]
    fn a_figure_is_the_same_every_time_and_well_formed() {
        let photo = RgbImage::from_pixel(64, 32, image::Rgb([90, 120, 150]));
        let [first, second] = [0, 1].map(|_| render(&small(&photo, [1.0, f32::NAN])).expect("a figure"));
        assert_eq!(first, second);
        assert!(first.svg.contains("A &lt;title&gt; &amp; more"));
        assert_eq!(first.png(1.0).expect("a PNG"), second.png(1.0).expect("a PNG"));
    }

    #[test]
    fn a_png_of_senseless_size_is_refused() {
        let photo = RgbImage::new(64, 32);
        let figure = render(&small(&photo, [0.0, 0.0])).expect("a figure");
        for scale in [0.0, -1.0, 1e9, f32::NAN] {
            assert!(matches!(figure.png(scale), Err(FigureError::TooLarge { .. })), "{scale}");
        }
    }

    #[test]
    fn a_transparent_ground_has_no_alpha_in_a_corner_and_a_white_one_is_opaque() {
        let photo = RgbImage::from_pixel(64, 32, image::Rgb([90, 120, 150]));
        let look = Look { background: Background::Transparent, ..Look::default() };
        let clear = render_as(&small(&photo, [1.0, 3.0]), &look).expect("a figure").png(1.0).expect("a PNG");
        let clear = image::load_from_memory(&clear).expect("a PNG").to_rgba8();
        let (right, bottom) = (clear.width() - 1, clear.height() - 1);
        assert_eq!([clear.get_pixel(0, 0)[3], clear.get_pixel(right, bottom)[3]], [0, 0]);
        // The bare cell of the map over the photograph covers what is behind it.
        assert!(clear.pixels().any(|pixel| pixel.0 == [0xfd, 0xe7, 0x25, 255]));
        let white = render(&small(&photo, [1.0, 3.0])).expect("a figure").png(1.0).expect("a PNG");
        let white = image::load_from_memory(&white).expect("a PNG");
        assert_eq!(white.color(), image::ColorType::Rgb8);
        assert_eq!(white.to_rgb8().get_pixel(0, 0).0, [255; 3]);
    }

    #[test]
    fn a_printed_figure_has_its_width_in_millimetres_and_the_pixels_of_its_units() {
        let photo = RgbImage::new(64, 32);
        let look = Look { width_mm: Some(88.0), ..Look::default() };
        let figure = render_as(&small(&photo, [1.0, 3.0]), &look).expect("a figure");
        assert!(figure.svg.contains("width=\"88mm\""), "{}", &figure.svg[..200]);
        // 88 mm are 249.45 pt; 6.5 pt are 10.5 units.
        assert!((figure.width - 249.45 * 10.5 / 6.5).abs() < 1.0, "{}", figure.width);
        let png = decode(&figure.png(2.0).expect("a PNG"));
        assert_eq!(png.width(), (figure.width * 2.0).ceil() as u32);
        // It is drawn to its right edge, not in a corner of it: the high cell is on the right.
        let right = png.width() / 2..png.width();
        assert!(right.clone().any(|x| (0..png.height()).any(|y| png.get_pixel(x, y).0 == [0xfd, 0xe7, 0x25])));
    }
}
