//! What the window asks of the file system and of dialogs, and what comes back.

use std::path::PathBuf;

use crate::app::dialog::{PathKind, PickTarget};
use crate::app::session::Session;
use crate::figure::curves::CurveExport;
use crate::figure::survey::SurveyExport;
use crate::inspect::Role;
use crate::review::Review;
use crate::train::history::Shared;
use crate::train::hyp::{HypFile, Hyperparameters};

#[derive(Clone, Debug, PartialEq)]
pub enum IoRequest {
    Pick(PickTarget),
    /// Looks at what was dropped, `onto` a model's card or anywhere.
    Look {
        paths: Vec<PathBuf>,
        onto: Option<Role>,
    },
    Write {
        path: PathBuf,
        text: String,
    },
    ReadSession(PathBuf),
    /// Looks which files of a session are still there.
    CheckSession(Box<Session>),
    /// Asks for a file name and writes a session there.
    SaveSession(Box<Session>),
    /// Finds a folder for results that is not there yet.
    FindFreeFolder,
    /// The same for a search.
    FindSearchFolder,
    /// Finds where figures go unless told otherwise.
    FindFigureFolder,
    /// Of a file, over these values.
    ReadHyp(PathBuf, Box<Hyperparameters>),
    /// Asks for a file name and writes the values of curves there.
    SaveCurves(Box<CurveExport>),
    /// The same for the counts of a survey.
    SaveSurvey(Box<SurveyExport>),
    /// The same for the labels that are worth a look.
    SaveDoubts(Shared<Review>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum IoResponse {
    Picked(PickTarget, PathBuf),
    Looked { found: Vec<(PathBuf, PathKind)>, onto: Option<Role> },
    FreeFolder(PathBuf),
    SearchFolder(PathBuf),
    FigureFolder(PathBuf),
    Hyp { path: PathBuf, file: Box<HypFile> },
    Session { session: Box<Session>, missing: Vec<(PickTarget, PathBuf)> },
    Saved(PathBuf),
    Failed { what: String, message: String },
}
