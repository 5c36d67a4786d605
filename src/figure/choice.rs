//! How figures are written, chosen once: by a command line's options or in the window's sheet.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::look::Look;
use super::raster::{Figure, FigureError};
use crate::files::atomic::{self, WriteError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum FigureFormat {
    Png,
    Svg,
}

impl FigureFormat {
    pub const ALL: [Self; 2] = [Self::Png, Self::Svg];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Svg => "SVG",
        }
    }

    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}

/// What becomes of the letters of an SVG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SvgText {
    /// Text that can be searched and edited. A viewer without Roboto takes the next font of the list, at the width that
    /// the layout counts on.
    #[default]
    Text,
    /// Outlines of Roboto: the same in every viewer, and no text any more.
    Outlines,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FigureChoice {
    pub formats: Vec<FigureFormat>,
    /// Pixels of a PNG a figure unit, in [`FigureChoice::SCALES`].
    pub scale: u8,
    pub svg_text: SvgText,
    pub look: Look,
}

impl Default for FigureChoice {
    fn default() -> Self {
        Self { formats: FigureFormat::ALL.to_vec(), scale: 2, svg_text: SvgText::default(), look: Look::default() }
    }
}

/// Why figures cannot be written as they are to be.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum ChoiceError {
    #[error("no format is chosen: take PNG, SVG or both")]
    NoFormat,
    #[error("a scale of {0} cannot be drawn: take 1 to 4 pixels a figure unit")]
    Scale(u8),
    #[error("a width of {0} mm cannot be laid out: take {low} to {high} mm", low = Look::WIDTHS_MM.start(), high = Look::WIDTHS_MM.end())]
    Width(f32),
}

/// Why figures were not written.
#[derive(Debug, Error)]
pub enum SaveError {
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error("{}: the folder cannot be made: {cause}; choose another one", path.display())]
    Folder { path: PathBuf, cause: std::io::Error },
    #[error(transparent)]
    Figure(#[from] FigureError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("broken off")]
    Cancelled,
}

impl FigureChoice {
    pub const SCALES: RangeInclusive<u8> = 1..=4;

    pub fn check(&self) -> Result<(), ChoiceError> {
        if self.formats.is_empty() {
            return Err(ChoiceError::NoFormat);
        }
        if !Self::SCALES.contains(&self.scale) {
            return Err(ChoiceError::Scale(self.scale));
        }
        match self.look.width_mm {
            Some(width) if !Look::WIDTHS_MM.contains(&width) => Err(ChoiceError::Width(width)),
            _ => Ok(()),
        }
    }

    /// As it can be used, whatever a file says: what is out of bounds takes its default.
    pub fn checked(mut self) -> Self {
        let default = Self::default();
        self.formats = FigureFormat::ALL.into_iter().filter(|format| self.formats.contains(format)).collect();
        if self.formats.is_empty() {
            self.formats = default.formats;
        }
        self.scale = if Self::SCALES.contains(&self.scale) { self.scale } else { default.scale };
        self.look.width_mm = self.look.width_mm.filter(|width| Look::WIDTHS_MM.contains(width));
        self
    }

    /// The content of a figure's file.
    pub fn bytes(&self, figure: &Figure, format: FigureFormat) -> Result<Vec<u8>, FigureError> {
        match (format, self.svg_text) {
            (FigureFormat::Png, _) => figure.png(f32::from(self.scale)),
            (FigureFormat::Svg, SvgText::Text) => Ok(figure.svg.clone().into_bytes()),
            (FigureFormat::Svg, SvgText::Outlines) => figure.outlined().map(String::into_bytes),
        }
    }

    /// Writes every figure under its name into a folder, which is made where it is not there; returns the files in the
    /// order of the figures. Between two files it asks whether to go on.
    pub fn write(
        &self,
        folder: &Path,
        figures: &[(String, Figure)],
        is_cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<PathBuf>, SaveError> {
        self.check()?;
        std::fs::create_dir_all(folder).map_err(|cause| SaveError::Folder { path: folder.to_path_buf(), cause })?;
        let files: Vec<(&str, &Figure, FigureFormat)> = figures
            .iter()
            .flat_map(|(name, figure)| self.formats.iter().map(move |format| (name.as_str(), figure, *format)))
            .collect();
        let write = |(name, figure, format): (&str, &Figure, FigureFormat)| {
            if is_cancelled() {
                return Err(SaveError::Cancelled);
            }
            let path = folder.join(format!("{name}.{}", format.extension()));
            atomic::write(&path, &self.bytes(figure, format)?)?;
            Ok(path)
        };
        files.into_par_iter().map(write).collect()
    }
}

/// A name that none of the figures' files has yet: the wished one, else with the first free number behind it.
pub fn free_name(wished: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2_u32..).map(|number| format!("{wished}-{number}"));
    std::iter::once(wished.to_owned()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_else(|| wished.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{FigureSpec, Lead, render};

    fn figure() -> Figure {
        let spec = FigureSpec {
            title: "Two words".to_owned(),
            lead: Lead::default(),
            facts: Vec::new(),
            panels: Vec::new(),
            columns: 1,
            panel_side: 64.0,
            legend: Vec::new(),
        };
        render(&spec).expect("a figure")
    }

    #[test]
    fn what_is_out_of_bounds_is_one_clear_error() {
        let width =
            |mm| FigureChoice { look: Look { width_mm: Some(mm), ..Look::default() }, ..FigureChoice::default() };
        for mm in [40.0, 88.0, 600.0] {
            assert_eq!(width(mm).check(), Ok(()), "{mm}");
        }
        for mm in [39.9, 600.1, f32::NAN, -1.0] {
            let why = width(mm).check().expect_err("out of bounds").to_string();
            assert_eq!(why, format!("a width of {mm} mm cannot be laid out: take 40 to 600 mm"));
        }
        let scale = |scale| FigureChoice { scale, ..FigureChoice::default() };
        assert_eq!([1, 4].map(|number| scale(number).check()), [Ok(()); 2]);
        for number in [0, 5, 255] {
            let why = scale(number).check().expect_err("out of bounds").to_string();
            assert_eq!(why, format!("a scale of {number} cannot be drawn: take 1 to 4 pixels a figure unit"));
        }
        let none = FigureChoice { formats: Vec::new(), ..FigureChoice::default() };
        assert_eq!(none.check(), Err(ChoiceError::NoFormat));
        let folder = tempfile::tempdir().expect("a folder");
        assert!(none.write(folder.path(), &[("a".to_owned(), figure())], &|| false).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn a_choice_from_a_file_can_be_used_whatever_it_says() {
        let absurd = FigureChoice {
            formats: vec![FigureFormat::Svg, FigureFormat::Svg],
            scale: 9,
            look: Look { width_mm: Some(1e9), ..Look::default() },
            ..FigureChoice::default()
        };
        let kept = absurd.checked();
        assert_eq!((kept.formats.as_slice(), kept.scale, kept.look.width_mm), (&[FigureFormat::Svg][..], 2, None));
        let none = FigureChoice { formats: Vec::new(), ..FigureChoice::default() };
        assert_eq!(none.checked(), FigureChoice::default());
    }

    #[test]
    fn files_are_written_in_the_order_of_the_figures_and_a_folder_is_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("new/one");
        let figures = [("b".to_owned(), figure()), ("a".to_owned(), figure())];
        let paths = FigureChoice::default().write(&inner, &figures, &|| false).expect("written");
        let names = paths.iter().map(|path| path.file_name().expect("a file").to_string_lossy().into_owned());
        assert_eq!(names.collect::<Vec<_>>(), ["b.png", "b.svg", "a.png", "a.svg"]);
        let png = image::open(&paths[0]).expect("a PNG");
        // Two pixels a unit.
        assert_eq!(png.width(), 2 * figures[0].1.width as u32);
        let broken_off = FigureChoice::default().write(&folder.path().join("c"), &figures, &|| true);
        assert!(matches!(broken_off, Err(SaveError::Cancelled)));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "x").expect("written");
        let error = FigureChoice::default().write(&file.join("below"), &[], &|| false).expect_err("no folder");
        assert!(error.to_string().contains("the folder cannot be made") && error.to_string().contains("file"));
    }

    #[test]
    fn outlines_are_no_text() {
        let outlines = FigureChoice { svg_text: SvgText::Outlines, ..FigureChoice::default() };
        let [text, drawn] = [FigureChoice::default(), outlines].map(|choice| {
            String::from_utf8(choice.bytes(&figure(), FigureFormat::Svg).expect("an SVG")).expect("text")
        });
        assert!(text.contains("<text") && text.contains(">Two words<"));
        assert!(!drawn.contains("<text") && drawn.contains("<path"));
    }

    #[test]
    fn a_taken_name_gets_the_first_free_number() {
        let there = ["mask", "mask-2", "mask-4"];
        assert_eq!(free_name("mask", |name| there.contains(&name)), "mask-3");
        assert_eq!(free_name("iou", |name| there.contains(&name)), "iou");
    }
}
