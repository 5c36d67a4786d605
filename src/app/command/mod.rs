//! Everything a person can ask for, once: menus, buttons, keys and the palette all send these, and read from here
//! what a command is called (`label`), what it does (`tooltip`), which keys give it (`shortcut`), how it stands just
//! now (`standing`) and what is on offer (`catalogue`).

mod availability;
mod catalogue;
pub mod label;
mod shortcut;
pub mod talk_keys;
mod tooltip;
pub mod tour_keys;

use std::ops::Range;
use std::path::PathBuf;

use egui::ThemePreference;

pub use crate::files::file_name;

use crate::app::dialog::PickTarget;
use crate::app::dialog::RunFile;
use crate::app::figure::{FigureSheet, FigureWhat};
use crate::app::review::ReviewView;
use crate::app::run::RunTab;
use crate::app::run::search::SearchForm;
use crate::app::view::{Camera, ChannelView, Hover, Layer, Pin, RangeMode, ScaleChoice};
use crate::colormap::ColorMap;
use crate::figure::curves::CurveView;
use crate::figure::survey::Measure;
use crate::imitation::choice::{Loss, MaskSource};
use crate::imitation::difference::DifferenceKind;
use crate::imitation::mask::{IouConvention, LevelRule};
use crate::inspect::{AdapterChoice, Role, Tap};
use crate::language::LanguageChoice;
use crate::train::config::Experiment;
use crate::train::history::Plot;
use crate::worker::JobKind;

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    // Files. The first seven open a dialog.
    BrowseImage,
    BrowseLabels,
    BrowseData,
    BrowseFolder,
    BrowseModel(Role),
    BrowseAdapter,
    BrowseReplay,
    OpenSample,
    /// Opens a session file; the first of two asks for it.
    BrowseSession,
    OpenSession(PathBuf),
    SaveSession,
    /// Asks where a file of the session has gone, or leaves it.
    FindMissing(PickTarget),
    ForgetMissing,
    /// A file or folder by what it is: image, label, data.yaml, weights.
    Open(PathBuf),
    OpenImage(PathBuf),
    /// A data.yaml or a folder.
    OpenData(PathBuf),
    /// Several at once, let fall on a model's card or anywhere.
    Drop(Vec<PathBuf>, Option<Role>),
    OpenModel(Role, PathBuf),
    /// The answer to "teacher or student?"; `None` opens neither.
    ChooseRole(Option<Role>),
    CloseModel(Role),
    ForgetRecent,
    SelectImage(usize),
    StepImage(isize),
    FilterImages(String),
    FocusSearch,
    SetSplit(String),
    /// The rows of the filtered list that are on screen: their thumbnails are wanted.
    ShowRows(Range<usize>),
    CompareAgain,
    Cancel(JobKind),

    // What is imitated, and where.
    SetLoss(Loss),
    SetMaskSource(MaskSource),
    SetPsi(f32),
    StepPsi(f32),
    SetRule(LevelRule),
    SetConvention(IouConvention),
    Solo(Option<usize>),
    StepSolo(isize),

    // What is compared.
    SetTap(Tap),
    SetAdapter(AdapterChoice),
    /// `None` shows what each cell adds to the loss.
    SetDifference(Option<DifferenceKind>),
    SetChannels(ChannelView),
    SetInsideMask(bool),
    SetInputSize(u32),
    SetDevice(String),

    // The view.
    SetLayer(Layer),
    SetScales(ScaleChoice),
    StepScales,
    SetOpacity(f32),
    SetColorMap(Option<ColorMap>),
    SetRange(RangeMode),
    /// Locks the colours' range as it is on screen, or lets it go.
    ToggleRange,
    ToggleLabels,
    ToggleBoxes(Role),
    /// The cells that YOLOv5 assigns, set against the mask.
    TogglePositives,
    SetCamera(Camera),
    ZoomBy(f32),
    Hover(Option<Hover>),
    /// Explains a cell, or none.
    Pin(Option<Pin>),
    /// Explains the cell under the pointer, else the one that a ground truth fits best; or lets it go.
    TogglePin,
    /// To the next cell: rows, columns.
    StepPin(isize, isize),

    // The run.
    ToggleRunPanel,
    SetRunTab(RunTab),
    BrowseForRun(RunFile),
    /// The set-up as a person has changed it.
    EditRun(Box<Experiment>),
    ResetRun,
    /// The run that is set up imitates what the picture shows.
    FollowPicture,
    /// The picture shows what the run that is set up imitates.
    ShowRunChoice,
    /// Prove that the run that is set up would distil.
    Preflight,
    /// A fixed λ for the run that is set up.
    UseLambda(f64),
    /// A gradient ratio for the run that is set up.
    KeepRatio(f64),
    /// To another batch of the run that is set up.
    StepBatch(i64),
    SeekBatch(u64),
    RemakeBatch,
    /// The mask of the scale of this stride over the batch; `None` shows where any scale is imitated.
    SetBatchScale(Option<u32>),
    /// An image of the batch large, or no longer.
    ShowBatchImage(usize),
    StartRun,
    PauseRun,
    StopRun,
    ResumeRun,
    /// Find out which imitation helps, from the run that is set up.
    StartSearch,
    StopSearch,
    /// Goes on with the search that is shown.
    ResumeSearch,
    /// The search as a person has set it up.
    EditSearch(SearchForm),
    /// The folder of an earlier search.
    OpenSearch(PathBuf),
    /// A candidate's setting, by its name, into the run that is set up.
    TakeSetting(String),
    /// The same, and a paired run of it on so many seeds.
    ConfirmSetting(String, u32),
    /// Goes on with the pairs that are compared until they have so many seeds more.
    RunMoreSeeds(u32),
    /// The folder of an earlier run.
    OpenRun(PathBuf),
    /// Recorded runs, to replay.
    OpenReplays(Vec<PathBuf>),
    ToggleRun(u64),
    RemoveRun(u64),
    SetCurves(CurveView),
    /// The values of one plot, or of all that are shown, as CSV.
    ExportCurves(Option<Plot>),
    /// Counts over the open dataset what every ψ and rule mark; [`JobKind::Survey`] cancels it.
    StartSurvey,
    SetSurveyMeasure(Measure),
    ExportSurvey,
    /// Runs the open models and the runs that have ended over the open dataset.
    StartReview,
    /// Ends it with what is done.
    StopReview,
    /// Which objects are shown, as a person has chosen it.
    EditReview(Box<ReviewView>),
    /// The image of this object, with it alone.
    OpenReviewed(usize),
    /// The object so many rows further.
    StepReview(isize),
    ToggleSnapshots,
    /// The maps of the history with this key.
    ShowSnapshotsOf(u64),
    SeekSnapshot(usize),
    PlaySnapshots,

    // Figures.
    /// The sheet that saves one, of what is shown or of something in particular.
    OpenFigure(Option<FigureWhat>),
    /// The sheet as a person has changed it.
    EditFigure(Box<FigureSheet>),
    BrowseFigureFolder,
    WriteFigure,

    // The talk.
    ToggleTalk,
    /// Forth or back in the story.
    StepTalk(isize),
    /// To the step with this number, from 0.
    SeekTalk(usize),
    /// All black while the speaker wants to be looked at, or the stage again.
    BlankTalk,

    // The window.
    SetTheme(ThemePreference),
    SetLanguage(LanguageChoice),
    TogglePalette,
    ToggleMessages,
    ClearMessages,
    ShowLoadReport(Role),
    ToggleKeys,
    /// The words of the method, a sentence each.
    ToggleTerms,
    /// From its first stop.
    TakeTour,
    /// Forth or back in the tour, which ends past its last stop.
    StepTour(isize),
    LeaveTour,
    ToggleFrameTimes,
    ToggleAbout,
    /// Closes what lies over the window, else ends a solo.
    Dismiss,
    Quit,
}

/// Input sides on offer, in px.
pub const INPUT_SIZES: [u32; 6] = [320, 416, 512, 640, 960, 1280];
/// How far one press of a bracket moves ψ.
pub const PSI_STEP: f32 = 0.05;
/// Images that one press of a page key passes over.
const PAGE: isize = 10;
