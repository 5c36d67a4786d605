//! The visual language as constants: who has which colour, for light and dark, and the colour maps.
//!
//! Teacher is blue, student orange, their difference magenta, everywhere; ground truths take the Okabe–Ito colours
//! in order; all that is not data is grey, with one accent. Text colours keep a contrast of 4.5 : 1 on every surface
//! of their theme.

use std::sync::LazyLock;

use ecolor::Color32;

use crate::colormap::{self, ColorMap};
use crate::inspect::Role;

/// The grid on which everything stands, in points.
pub const UNIT: f32 = 8.0;
/// Half a step: between things that belong together.
pub const HALF: f32 = 4.0;

/// Sizes of type, in points.
pub const SMALL: f32 = 11.0;
pub const BODY: f32 = 13.0;
pub const TITLE: f32 = 20.0;

/// A value that is not finite, in any map: no map contains this colour.
pub const NOT_FINITE: Color32 = {
    let [r, g, b] = colormap::NOT_FINITE;
    Color32::from_rgb(r, g, b)
};

/// Behind a line or a letter that must be read over any photograph.
pub const CASING: Color32 = Color32::from_black_alpha(160);

/// Anchor shapes over a photograph, from the first to the last.
pub const ANCHOR_FIRST: Color32 = Color32::WHITE;
pub const ANCHOR_LAST: Color32 = Color32::from_rgb(0, 201, 177);

/// Cells that YOLOv5 assigns: a red that no map over the image contains.
pub const POSITIVE: Color32 = Color32::from_rgb(255, 64, 64);
/// The cell that is explained.
pub const PIN: Color32 = ANCHOR_LAST;

/// Okabe & Ito's colours without black: told apart by colour-blind eyes.
const OKABE_ITO: [Color32; 7] = [
    Color32::from_rgb(230, 159, 0),
    Color32::from_rgb(86, 180, 233),
    Color32::from_rgb(0, 158, 115),
    Color32::from_rgb(240, 228, 66),
    Color32::from_rgb(0, 114, 178),
    Color32::from_rgb(213, 94, 0),
    Color32::from_rgb(204, 121, 167),
];

/// The colour of the k-th ground truth.
pub const fn ground_truth(k: usize) -> Color32 {
    OKABE_ITO[k % OKABE_ITO.len()]
}

/// One theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Around the picture.
    pub canvas: Color32,
    pub panel: Color32,
    /// Cards, fields, plates that lie on a panel.
    pub raised: Color32,
    pub hairline: Color32,
    /// The letterbox's pad.
    pub pad: Color32,
    pub text: Color32,
    pub text_weak: Color32,
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    pub teacher: Color32,
    pub student: Color32,
    pub difference: Color32,
    /// Runs in order; the first is the student's colour, for it is the student that learns.
    pub runs: [Color32; 6],
    pub good: Color32,
    pub warning: Color32,
    pub error: Color32,
}

pub const DARK: Palette = Palette {
    canvas: Color32::from_rgb(18, 19, 22),
    panel: Color32::from_rgb(27, 29, 33),
    raised: Color32::from_rgb(37, 40, 45),
    hairline: Color32::from_rgb(52, 56, 63),
    pad: Color32::from_rgb(44, 46, 50),
    text: Color32::from_rgb(230, 232, 235),
    text_weak: Color32::from_rgb(162, 168, 177),
    accent: Color32::from_rgb(63, 189, 176),
    on_accent: Color32::from_rgb(10, 26, 25),
    teacher: Color32::from_rgb(92, 170, 255),
    student: Color32::from_rgb(255, 159, 67),
    difference: Color32::from_rgb(240, 107, 203),
    runs: [
        Color32::from_rgb(255, 159, 67),
        Color32::from_rgb(63, 189, 176),
        Color32::from_rgb(178, 154, 255),
        Color32::from_rgb(206, 205, 92),
        Color32::from_rgb(255, 138, 128),
        Color32::from_rgb(140, 205, 120),
    ],
    good: Color32::from_rgb(92, 201, 138),
    warning: Color32::from_rgb(240, 193, 75),
    error: Color32::from_rgb(255, 118, 112),
};

pub const LIGHT: Palette = Palette {
    canvas: Color32::from_rgb(232, 234, 237),
    panel: Color32::from_rgb(247, 248, 249),
    raised: Color32::WHITE,
    hairline: Color32::from_rgb(211, 215, 220),
    pad: Color32::from_rgb(204, 207, 212),
    text: Color32::from_rgb(27, 30, 35),
    text_weak: Color32::from_rgb(84, 91, 101),
    accent: Color32::from_rgb(8, 108, 101),
    on_accent: Color32::WHITE,
    teacher: Color32::from_rgb(10, 91, 184),
    student: Color32::from_rgb(156, 72, 0),
    difference: Color32::from_rgb(160, 22, 116),
    runs: [
        Color32::from_rgb(156, 72, 0),
        Color32::from_rgb(8, 108, 101),
        Color32::from_rgb(97, 66, 188),
        Color32::from_rgb(103, 96, 0),
        Color32::from_rgb(170, 40, 50),
        Color32::from_rgb(40, 104, 30),
    ],
    good: Color32::from_rgb(22, 107, 62),
    warning: Color32::from_rgb(122, 83, 0),
    error: Color32::from_rgb(178, 32, 32),
};

impl Palette {
    pub const fn of_theme(dark: bool) -> &'static Self {
        if dark { &DARK } else { &LIGHT }
    }

    pub const fn role(&self, role: Role) -> Color32 {
        match role {
            Role::Teacher => self.teacher,
            Role::Student => self.student,
        }
    }
}

/// The colour of a run's line: the run's hue, paler from curve to curve; a difference is magenta.
pub fn line_color(palette: &Palette, run: usize, index: usize, of: usize, difference: bool) -> Color32 {
    let hue = if difference { palette.difference } else { palette.runs[run % palette.runs.len()] };
    let paler = 0.45 * index as f32 / of.saturating_sub(1).max(1) as f32;
    hue.lerp_to_gamma(palette.canvas, paler)
}

/// Black or white, whichever reads better on a colour.
pub fn ink_on(background: Color32) -> Color32 {
    if luminance(background) > 0.18 { Color32::BLACK } else { Color32::WHITE }
}

/// Relative luminance of an opaque colour, 0..=1 (WCAG 2).
fn luminance(color: Color32) -> f32 {
    let linear = ecolor::Rgba::from(color);
    0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
}

/// The colours of a map from its low to its high end.
pub fn color_map(map: ColorMap) -> &'static [Color32; 256] {
    static MAPS: LazyLock<[[Color32; 256]; 5]> =
        LazyLock::new(|| ColorMap::ALL.map(|map| map.table().map(|[r, g, b]| Color32::from_rgb(r, g, b))));
    &MAPS[map as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(a: Color32, b: Color32) -> f32 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn black_on_white_has_the_contrast_of_the_standard() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 1e-3);
        // #767676 on white is the well-known edge of 4.5 : 1.
        assert!((contrast(Color32::from_gray(0x76), Color32::WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn every_text_colour_reads_on_every_surface() {
        for (theme, palette) in [("dark", DARK), ("light", LIGHT)] {
            for surface in [palette.canvas, palette.panel, palette.raised] {
                for (name, ink) in [
                    ("text", palette.text),
                    ("text_weak", palette.text_weak),
                    ("accent", palette.accent),
                    ("teacher", palette.teacher),
                    ("student", palette.student),
                    ("difference", palette.difference),
                    ("good", palette.good),
                    ("warning", palette.warning),
                    ("error", palette.error),
                ] {
                    let ratio = contrast(ink, surface);
                    assert!(ratio >= 4.5, "{theme} {name} on {surface:?}: {ratio}");
                }
            }
            for (run, ink) in palette.runs.into_iter().enumerate() {
                assert!(contrast(ink, palette.panel) >= 4.5, "{theme} run {run}");
            }
            assert!(contrast(palette.on_accent, palette.accent) >= 4.5, "{theme} on_accent");
        }
    }

    #[test]
    fn name_tags_read_on_every_ground_truth_colour() {
        for k in 0..7 {
            let plate = ground_truth(k);
            assert!(contrast(ink_on(plate), plate) >= 4.5, "{k}");
        }
        assert_eq!(ground_truth(7), ground_truth(0));
    }

    #[test]
    fn maps_run_from_dark_to_light_and_the_signed_one_from_blue_to_red() {
        for name in [ColorMap::Cividis, ColorMap::Viridis, ColorMap::Inferno, ColorMap::Magma] {
            let map = color_map(name);
            let steps = map.windows(2).filter(|pair| luminance(pair[1]) >= luminance(pair[0]) - 1e-3).count();
            assert_eq!(steps, 255, "{name:?}");
        }
        let signed = color_map(ColorMap::BlueRed);
        assert!(signed[0].b() > signed[0].r() && signed[255].r() > signed[255].b());
        assert!(luminance(signed[128]) > 0.8);
    }

    #[test]
    fn no_map_contains_the_colour_of_what_is_not_finite() {
        for name in ColorMap::ALL {
            let near = |c: &Color32| c.r() > 225 && c.g() < 60 && c.b() > 225;
            assert!(!color_map(name).iter().any(near), "{name:?}");
        }
    }
}
