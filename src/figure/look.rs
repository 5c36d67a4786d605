//! How a figure is put on paper or on a slide: its ground and its printed width.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Behind the figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    #[default]
    White,
    /// Nothing: the page or the slide shows through.
    Transparent,
}

impl FromStr for Background {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "white" => Ok(Self::White),
            "transparent" => Ok(Self::Transparent),
            other => Err(format!("'{other}' is neither white nor transparent")),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    pub background: Background,
    /// The width in mm at which it is printed: pictures are laid out so that every text is at least
    /// [`Look::SMALLEST_PT`] high there. `None` lays out for a screen.
    pub width_mm: Option<f32>,
}

impl Look {
    /// Size of the smallest text in print, in points of 1/72 inch.
    pub const SMALLEST_PT: f32 = 6.5;
    /// Printed widths that leave room for a picture, and that a page has.
    pub const WIDTHS_MM: RangeInclusive<f32> = 40.0..=600.0;
    /// Font size of the smallest text, in figure units.
    const SMALLEST_UNITS: f32 = 10.5;
    /// Narrower, in figure units, a picture says nothing.
    const NARROWEST: f32 = 150.0;

    /// Width of the whole figure in figure units, where it is printed at a given width.
    pub fn units(&self) -> Option<f32> {
        let points = self.width_mm? / 25.4 * 72.0;
        Some(points * Self::SMALLEST_UNITS / Self::SMALLEST_PT)
    }

    /// Around the figure; in print the page has margins of its own.
    pub(super) fn margin(&self) -> f32 {
        if self.width_mm.is_some() { 2.0 } else { 24.0 }
    }

    /// Columns and the width of each, for so many columns of at most this width with `gap` between them.
    pub(super) fn columns(&self, columns: usize, width: f32, gap: f32) -> (usize, f32) {
        let Some(units) = self.units() else { return (columns, width) };
        let inner = units - 2.0 * self.margin();
        let each = |columns: usize| (inner - (columns as f32 - 1.0) * gap) / columns as f32;
        let columns = (1..=columns).rev().find(|&columns| each(columns) >= Self::NARROWEST).unwrap_or(1);
        (columns, each(columns))
    }

    /// The size attributes of the SVG element: figure units on a screen, millimetres in print.
    pub(super) fn size(&self, width: f32, height: f32) -> [(&'static str, String); 2] {
        let [width, height] = match self.width_mm {
            None => [width.to_string(), height.to_string()],
            Some(mm) => [format!("{mm}mm"), format!("{:.2}mm", mm * height / width)],
        };
        [("width", width), ("height", height)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_text_is_readable_at_every_width() {
        for mm in [40.0, 88.0, 180.0] {
            let look = Look { width_mm: Some(mm), ..Look::default() };
            // 10.5 units of so many over so many points.
            let points = 10.5 * (mm / 25.4 * 72.0) / look.units().expect("printed");
            assert!((points - 6.5).abs() < 1e-3, "{mm}: {points}");
        }
    }

    #[test]
    fn a_narrow_page_has_fewer_columns() {
        let look = |mm| Look { width_mm: Some(mm), ..Look::default() };
        // 88 mm are 249.4 pt and 403 units: two of 150 and more, not three.
        let (columns, width) = look(88.0).columns(3, 320.0, 24.0);
        assert_eq!(columns, 2);
        assert!((width - (403.0 - 4.0 - 24.0) / 2.0).abs() < 0.5, "{width}");
        assert_eq!(look(180.0).columns(3, 320.0, 24.0).0, 3);
        assert_eq!(Look::default().columns(3, 320.0, 24.0), (3, 320.0));
    }
}
