//! How figures are written: the options that `inspect --figures` and `story` share.

use std::path::Path;

use clap::Args;

use crate::figure::{Background, ChoiceError, Figure, FigureChoice, FigureFormat, Look, SvgText};

#[derive(Debug, Args)]
pub(super) struct FigureArgs {
    /// Pixels of a PNG for each unit of the figure, 1 to 4
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    scale: u8,
    /// What figures are written as
    #[arg(long, value_name = "FORMATS", value_enum, value_delimiter = ',', default_value = "png,svg")]
    formats: Vec<FigureFormat>,
    /// Letters of an SVG: text to search and edit, or outlines, the same in every viewer
    #[arg(long, value_name = "LETTERS", value_enum, default_value = "text")]
    svg_text: SvgText,
    /// Behind the figures: white or transparent
    #[arg(long, value_name = "GROUND", default_value = "white")]
    background: Background,
    /// Printed width in mm, such as a column's: text is laid out to be readable at it
    #[arg(long, value_name = "MM", value_parser = parse_width)]
    width: Option<f32>,
}

fn parse_width(text: &str) -> Result<f32, String> {
    let width: f32 = text.trim_end_matches("mm").parse().map_err(|_| "not a number of millimetres".to_owned())?;
    if Look::WIDTHS_MM.contains(&width) { Ok(width) } else { Err(ChoiceError::Width(width).to_string()) }
}

impl FigureArgs {
    pub fn choice(&self) -> FigureChoice {
        FigureChoice {
            formats: self.formats.clone(),
            scale: self.scale,
            svg_text: self.svg_text,
            look: Look { background: self.background, width_mm: self.width },
        }
    }

    /// Writes every figure under its name into a folder, which is made where it is not there.
    pub fn write(&self, folder: &Path, figures: &[(String, Figure)]) -> anyhow::Result<()> {
        self.choice().write(folder, figures, &|| false)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_millimetres_of_a_page() {
        assert_eq!([parse_width("88"), parse_width("88mm"), parse_width("40.5")], [Ok(88.0), Ok(88.0), Ok(40.5)]);
        for senseless in ["0", "-3", "nan", "9999"] {
            assert!(parse_width(senseless).is_err_and(|why| why.ends_with("take 40 to 600 mm")), "{senseless}");
        }
        assert!(parse_width("wide").is_err_and(|why| why.contains("millimetres")));
    }
}
