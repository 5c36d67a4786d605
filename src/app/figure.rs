//! A figure of what the window shows: what it is to be of, how it is written, and the plain records that a worker draws
//! it from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::figure::drawing::Drawing;
use crate::figure::movie::MovieChoice;
use crate::figure::{FigureChoice, Look};
use crate::train::history::Plot;
use crate::worker::FigurePreview;

/// What a figure is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FigureWhat {
    /// The view as it is on screen.
    #[default]
    View,
    /// The step of the talk that is on stage.
    Step,
    /// Every step that can be told, a figure each.
    Story,
    /// One plot, or all that are shown.
    Curves(Option<Plot>),
    Survey,
    /// The plots of the review, a figure each.
    Review,
    /// The maps of a run and its curves through time.
    Movie,
}

/// How figures are saved: kept from one start to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FigureSettings {
    /// Where they go; empty before it has been asked for.
    pub folder: PathBuf,
    /// Write over files of the same name, in the place of taking the next free number.
    pub replace: bool,
    pub choice: FigureChoice,
    pub movie: MovieChoice,
}

impl FigureSettings {
    /// As they can be used, whatever a file says.
    pub fn checked(self) -> Self {
        Self { choice: self.choice.checked(), movie: self.movie.checked(), ..self }
    }
}

/// What the sheet says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FigureSheet {
    pub what: FigureWhat,
    /// Of the file, without its extension, or of the folder of several; `None` follows what is shown.
    pub name: Option<String>,
    pub settings: FigureSettings,
}

#[derive(Clone, Debug, Default)]
pub struct FigureState {
    pub sheet: FigureSheet,
    /// What the figure will look like, or why it cannot be drawn; `None` while it is drawn for the first time.
    pub preview: Option<Result<FigurePreview, String>>,
    /// How the last save ended.
    pub outcome: Option<Result<String, String>>,
    /// What the newest preview was asked for, and its number.
    pub(super) previewed: Option<(Drawing, Look)>,
    pub(super) serial: u64,
    /// A folder has been asked for.
    pub(super) asked_folder: bool,
}

impl FigureState {
    pub fn with(settings: FigureSettings) -> Self {
        Self { sheet: FigureSheet { settings, ..FigureSheet::default() }, ..Self::default() }
    }
}
