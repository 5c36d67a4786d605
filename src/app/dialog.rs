//! What a file dialog is opened for, and what a path turns out to be.

use crate::dataset::IMAGE_EXTENSIONS;
use crate::inspect::Role;
use crate::language::t;
use crate::train::replay;

/// What a file dialog is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickTarget {
    Image,
    Labels,
    Data,
    Folder,
    Model(Role),
    Adapter,
    Replay,
    ForRun(RunFile),
    Session,
    FigureFolder,
}

impl PickTarget {
    /// In a sentence.
    pub fn what(self) -> &'static str {
        match self {
            Self::Image => t!("the image"),
            Self::Labels => t!("the labels"),
            Self::Data => t!("the dataset"),
            Self::Folder => t!("the folder of images"),
            Self::Model(Role::Teacher) | Self::ForRun(RunFile::Teacher) => t!("the teacher"),
            Self::Model(Role::Student) | Self::ForRun(RunFile::Student) => t!("the student"),
            Self::Adapter => t!("the adapters"),
            Self::Replay => t!("the recorded run"),
            Self::ForRun(RunFile::Data) => t!("the data of the run"),
            Self::ForRun(RunFile::Hyp) => t!("the hyperparameters"),
            Self::ForRun(RunFile::Out) => t!("the folder for the results"),
            Self::ForRun(RunFile::Earlier) => t!("the earlier run"),
            Self::ForRun(RunFile::SearchOut) => t!("the folder for the search"),
            Self::ForRun(RunFile::EarlierSearch) => t!("the earlier search"),
            Self::ForRun(RunFile::Handover) => t!("the folder for the hand-over"),
            Self::Session => t!("the session"),
            Self::FigureFolder => t!("the folder for figures"),
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Image => t!("Open an image"),
            Self::Labels => t!("Open labels"),
            Self::Data => t!("Open a dataset"),
            Self::Folder => t!("Open a folder of images"),
            Self::Model(Role::Teacher) => t!("Open the teacher's weights"),
            Self::Model(Role::Student) => t!("Open the student's weights"),
            Self::Adapter => t!("Open the adapters of a run"),
            Self::Replay => t!("Open a recorded run"),
            Self::ForRun(RunFile::Data) => t!("Choose the data of the run"),
            Self::ForRun(RunFile::Teacher) => t!("Choose the teacher of the run"),
            Self::ForRun(RunFile::Student) => t!("Choose the student of the run"),
            Self::ForRun(RunFile::Hyp) => t!("Load hyperparameters"),
            Self::ForRun(RunFile::Out) => t!("Choose the folder for the results"),
            Self::ForRun(RunFile::Earlier) => t!("Open an earlier run"),
            Self::ForRun(RunFile::SearchOut) => t!("Choose the folder for the search"),
            Self::ForRun(RunFile::EarlierSearch) => t!("Open an earlier search"),
            Self::ForRun(RunFile::Handover) => t!("Choose the folder for the hand-over"),
            Self::Session => t!("Open a session"),
            Self::FigureFolder => t!("Choose the folder for figures"),
        }
    }

    pub fn filter(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Self::Image => Some((t!("Images"), &IMAGE_EXTENSIONS)),
            Self::Labels => Some((t!("Labels"), &["txt", "xml", "json"])),
            Self::Data | Self::ForRun(RunFile::Data) => Some(("data.yaml", &["yaml", "yml"])),
            Self::ForRun(RunFile::Hyp) => Some(("hyp.yaml", &["yaml", "yml"])),
            Self::Folder | Self::FigureFolder => None,
            Self::ForRun(
                RunFile::Out | RunFile::Earlier | RunFile::SearchOut | RunFile::EarlierSearch | RunFile::Handover,
            ) => None,
            Self::ForRun(RunFile::Teacher) => Self::Model(Role::Teacher).filter(),
            // A model yaml starts from random weights.
            Self::ForRun(RunFile::Student) => Some((t!("YOLOv5 models"), &["pt", "pth", "safetensors", "yaml", "yml"])),
            Self::Model(_) => Some((t!("YOLOv5 weights"), &["pt", "pth", "safetensors", "torchscript"])),
            Self::Adapter => Some((t!("Adapters"), &["safetensors"])),
            Self::Replay => Some((t!("Recorded runs"), &[replay::EXTENSION])),
            Self::Session => Some((t!("Sessions"), &["toml"])),
        }
    }
}

/// What a path is, by its name and a look at the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    Image,
    Labels,
    Data,
    Folder,
    /// The folder of an earlier run, or of pairs.
    Run,
    /// The folder of an earlier search.
    Search,
    Weights {
        bytes: u64,
    },
    Adapter,
    Session,
    Replay,
    Missing,
    Unknown,
}

/// What a run needs from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunFile {
    Data,
    Teacher,
    Student,
    Hyp,
    Out,
    /// The folder of an earlier run.
    Earlier,
    /// The folder for the results of a search.
    SearchOut,
    /// The folder of an earlier search.
    EarlierSearch,
    /// The folder below which a run is handed over to YOLOv5.
    Handover,
}
