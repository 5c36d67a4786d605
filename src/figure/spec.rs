//! What a figure shows, before anything is laid out.

use ecolor::Color32;
use image::RgbImage;

use crate::drawing::{ColorBar, Item, LegendEntry, Picture};

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
    pub accent: Option<Color32>,
    /// Smaller, under the title.
    pub note: String,
    /// The network's input; all coordinates are its pixels.
    pub photo: &'a RgbImage,
    /// Shown without its colours, which then belong to the map alone.
    pub grey: bool,
    pub picture: Picture,
    /// How much its tags say.
    pub detail: Detail,
    /// Of the picture's map.
    pub bar: Option<ColorBar>,
}

impl Panel<'_> {
    pub(super) fn is_grey(&self) -> bool {
        self.grey || self.picture.items().any(|item| matches!(item, Item::Muted(_)))
    }
}

/// How much a panel says, by its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    Least,
    Small,
    Full,
}
