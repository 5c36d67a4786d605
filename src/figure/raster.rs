//! A figure that has been laid out, and the pixels of it.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError, RgbaImage};
use resvg::{tiny_skia, usvg};
use thiserror::Error;

use super::look::{Background, Look};
use super::{svg, text};

/// Longest side of a PNG in px.
const MAX_SIDE: f32 = 16_384.0;

#[derive(Debug, Error)]
pub enum FigureError {
    #[error("a picture of the figure cannot be encoded: {0}")]
    Picture(#[from] ImageError),
    #[error("the figure cannot be drawn: {0}")]
    Draw(#[from] usvg::Error),
    #[error("the figure cannot be written: {0}")]
    Write(#[from] std::io::Error),
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
    fn frames(&self) -> usize;

    fn figure(&self, frame: usize, look: &Look) -> Result<Figure, FigureError>;
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

/// Figures under each other, on the ground of the first.
pub fn stacked(figures: &[Figure]) -> Result<Figure, FigureError> {
    let width = figures.iter().map(|figure| figure.width).fold(0.0, f32::max);
    let height = figures.iter().map(|figure| figure.height).sum();
    let background = figures.first().map_or(Background::White, |figure| figure.background);
    Ok(Figure { svg: svg::nested(figures, width, height)?, width, height, background })
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
