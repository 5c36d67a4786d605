//! Letters and numbers of a figure: the bundled fonts, how wide a text is, round numbers.

use std::sync::{Arc, OnceLock};

use resvg::usvg::{self, fontdb};

use super::svg::sheet;

/// What a viewer that lacks the bundled font falls back to stands behind it: fonts of about its widths first. Fonts are
/// not embedded: two faces of Roboto weigh more than most figures, and neither librsvg nor Inkscape reads a font inside an
/// SVG. Every text's length keeps the layout with another font; where a viewer ignores that too (librsvg), a figure in
/// outlines ([`crate::figure::choice::SvgText`]) is the same.
pub(super) const FAMILY: &str =
    "Roboto, Arimo, 'Liberation Sans', Arial, Helvetica, 'DejaVu Sans Condensed', sans-serif";

/// Colours of a page.
pub(super) const INK: &str = "#1b1e23";
pub(super) const WEAK: &str = "#545b65";
pub(super) const HAIRLINE: &str = "#b9bec6";

/// Size of small print.
pub(super) const NOTE: f32 = 11.0;

/// A text and how it is set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub content: String,
    /// Font size in figure units.
    pub size: f32,
    pub bold: bool,
}

impl Text {
    pub fn new(content: impl Into<String>, size: f32) -> Self {
        Self { content: content.into(), size, bold: false }
    }

    pub fn bold(content: impl Into<String>, size: f32) -> Self {
        Self { bold: true, ..Self::new(content, size) }
    }

    /// Shortened with an ellipsis until it is no wider than `width`.
    pub fn fitted(mut self, width: f32) -> Self {
        let mut kept = self.content.chars().count();
        let mut found = self.width();
        let full: Vec<char> = self.content.chars().collect();
        while found > width && kept > 1 {
            let guess = (kept as f32 * width / found) as usize;
            kept = guess.clamp(1, kept - 1);
            self.content = full[..kept].iter().collect::<String>().trim_end().to_owned() + "…";
            found = self.width();
        }
        self
    }

    pub fn width(&self) -> f32 {
        widths(std::slice::from_ref(self))[0]
    }
}

/// Advance widths, measured by the renderer itself, so that fallback fonts count as they are drawn.
pub(super) fn widths(texts: &[Text]) -> Vec<f32> {
    measured(&texts.iter().collect::<Vec<_>>())
}

pub(super) fn measured(texts: &[&Text]) -> Vec<f32> {
    let tree = sheet(texts).ok().and_then(|svg| usvg::Tree::from_str(&svg, &options()).ok());
    let node = |index: usize| tree.as_ref()?.node_by_id(&format!("t{index}"));
    (0..texts.len()).map(|index| node(index).map_or(0.0, |node| node.bounding_box().width())).collect()
}

/// Parsing options that know the bundled fonts and nothing of the machine.
pub(super) fn options() -> usvg::Options<'static> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        let mut fonts = fontdb::Database::new();
        for font in [
            include_bytes!("../../assets/fonts/Roboto-Regular.ttf").as_slice(),
            include_bytes!("../../assets/fonts/Roboto-Bold.ttf").as_slice(),
            include_bytes!("../../assets/fonts/DroidSansFallbackFull.ttf").as_slice(),
        ] {
            fonts.load_font_source(fontdb::Source::Binary(Arc::new(font)));
        }
        fonts.set_sans_serif_family("Roboto");
        Arc::new(fonts)
    });
    usvg::Options { fontdb: Arc::clone(fonts), font_family: "Roboto".to_owned(), ..usvg::Options::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::round_ticks;
    use crate::format::significant;

    #[test]
    fn widths_come_from_the_bundled_fonts() {
        let sizes = ["0", "1", "8", "00", "漢字", "ψ", ""].map(|text| Text::new(text, 20.0));
        let found = widths(&sizes);
        // Roboto's figures are 1151 of 2048 units wide, all of them.
        let figure = 20.0 * 1151.0 / 2048.0;
        for width in &found[..3] {
            assert!((width - figure).abs() < 0.05, "{found:?}");
        }
        assert!((found[3] - 2.0 * figure).abs() < 0.05);
        // Two ideographs of one em each.
        assert!((found[4] - 40.0).abs() < 0.5, "{found:?}");
        assert!(found[5] > 5.0 && found[6] == 0.0);
    }

    #[test]
    fn a_long_text_ends_in_an_ellipsis_and_fits() {
        let text = Text::new("a very long file name of an image, really.jpg", 12.0);
        assert!(text.width() > 100.0);
        let fitted = text.clone().fitted(100.0);
        assert!(fitted.width() <= 100.0 && fitted.content.ends_with('…'), "{fitted:?}");
        assert!(fitted.width() > 80.0, "not shorter than it must be: {fitted:?}");
        assert_eq!(text.clone().fitted(1000.0), text);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |low, high| round_ticks(low, high, 4).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(0.0, 0.836), ["0.5"]);
        assert_eq!(labels(0.0, 0.8), ["0.2", "0.4", "0.6"]);
        assert_eq!(labels(-1.0, 1.0), ["−0.5", "0.0", "0.5"]);
        assert_eq!(labels(3.0, 41.0), ["10", "20", "30", "40"]);
        assert!(labels(1.0, 1.0).is_empty() && labels(f64::NAN, 1.0).is_empty());
    }

    #[test]
    fn numbers_have_three_digits() {
        let written = [0.0, 0.5, 12.345, 1234.0, -0.012_34, 1.0e-7, 4.656e7].map(significant);
        assert_eq!(written, ["0", "0.500", "12.3", "1230", "−0.0123", "1.00e−7", "4.66e7"]);
    }
}
