//! How figures are written: the options that `inspect --figures` and `story` share, and the writing.

use std::path::Path;

use anyhow::Context;
use clap::{Args, ValueEnum};
use rayon::prelude::*;

use crate::export;
use crate::export::figure::{Background, Figure, Look};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FigureFormat {
    Png,
    Svg,
}

#[derive(Debug, Args)]
pub(super) struct FigureArgs {
    /// Pixels of a PNG for each unit of the figure, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    scale: u8,
    /// What figures are written as
    #[arg(long, value_name = "FORMATS", value_enum, value_delimiter = ',', default_value = "png,svg")]
    formats: Vec<FigureFormat>,
    /// Behind the figures: white or transparent
    #[arg(long, value_name = "GROUND", default_value = "white")]
    background: Background,
    /// Printed width in mm, such as a column's: text is laid out to be readable at it
    #[arg(long, value_name = "MM", value_parser = parse_width)]
    width: Option<f32>,
}

fn parse_width(text: &str) -> Result<f32, String> {
    let (low, high) = Look::WIDTHS_MM;
    let width = text.trim_end_matches("mm").parse::<f32>().ok().filter(|width| (low..=high).contains(width));
    width.ok_or_else(|| format!("'{text}' is no width from {low} to {high} mm"))
}

impl FigureArgs {
    pub fn look(&self) -> Look {
        Look { background: self.background, width_mm: self.width }
    }

    /// Writes every figure under its name into a folder, which is made where it is not there.
    pub fn write(&self, folder: &Path, figures: Vec<(String, Figure)>) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be created", folder.display()))?;
        figures.into_par_iter().try_for_each(|(name, figure)| {
            if self.formats.contains(&FigureFormat::Svg) {
                export::atomic::write(&folder.join(format!("{name}.svg")), figure.svg.as_bytes())?;
            }
            if self.formats.contains(&FigureFormat::Png) {
                export::atomic::write(&folder.join(format!("{name}.png")), &figure.png(f32::from(self.scale))?)?;
            }
            anyhow::Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_millimetres_of_a_page() {
        assert_eq!([parse_width("88"), parse_width("88mm"), parse_width("40.5")], [Ok(88.0), Ok(88.0), Ok(40.5)]);
        for senseless in ["0", "-3", "nan", "9999", "wide"] {
            assert!(parse_width(senseless).is_err_and(|why| why.contains(senseless)));
        }
    }
}
