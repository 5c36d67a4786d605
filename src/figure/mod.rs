//! Figures for papers and talks: one SVG each, and the PNG made from it.
//!
//! A [`FigureSpec`] says what is shown: panels with a photograph, a [`Picture`](crate::drawing::Picture) over it and a
//! colour bar; a title, facts and a legend around them. [`render`] lays it out, a [`Look`] says for which paper, a [`FigureChoice`] how it is
//! written. [`inspection`] knows which figures an inspection has, [`shown`] that of the view in the window, [`story`] those
//! of a talk. Text is set in the bundled fonts alone, so the PNG is the same on every machine; nothing here reads a file.

mod bar;
mod choice;
pub mod curves;
pub mod drawing;
pub mod inspection;
mod layout;
mod look;
pub mod movie;
mod of_inspection;
mod paint;
mod picture;
pub mod plot;
mod raster;
pub mod review;
pub mod run_movie;
pub mod shown;
mod spec;
pub mod story;
pub mod survey;
mod svg;
mod text;

pub use choice::{ChoiceError, FigureChoice, FigureFormat, SaveError, SvgText, free_name};
pub use layout::{render, render_as};
pub use look::{Background, Look};
pub use of_inspection::{Focus, StoryRequest};
pub use raster::{Draw, Figure, FigureError, Frames, stacked};
pub use spec::{Detail, FigureSpec, Lead, Panel};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image::RgbImage;

    use super::*;
    use crate::colormap::ColorMap;
    use crate::drawing::{ColorBar, Content, Heatmap, LegendEntry, Sign, layers};
    use crate::geometry::BoundingBox;
    use crate::grid::Grid;
    use crate::inspect::SceneLabel;

    /// A figure of one grey 64 × 32 photograph under an opaque map of two cells.
    fn small(photo: &RgbImage, values: [f32; 2]) -> FigureSpec<'_> {
        let grid = Grid::from_values(2, 1, values.to_vec()).expect("2 x 1");
        let map = Arc::new(Heatmap::new(grid, 32.0, ColorMap::Viridis));
        let bbox = BoundingBox::new(2.0, 2.0, 10.0, 10.0);
        let label = &SceneLabel { class: 0, name: "細胞".to_owned(), bbox };
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
                bar: Some(ColorBar::new(Arc::clone(&map), "anything")),
                picture: layers::picture(&Content {
                    map: Some(map),
                    opacity: 1.0,
                    labels: vec![(0, label)],
                    ..Content::default()
                }),
                detail: Detail::Full,
            }],
            columns: 1,
            panel_side: 256.0,
            legend: vec![LegendEntry::new(Sign::Outline, "mask")],
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
