//! Everything a person can ask for, once: menus, buttons, keys and the palette all send these, and read from here
//! what a command is called, what it does, which keys give it and why it cannot be had just now.

use std::ops::Range;
use std::path::{Path, PathBuf};

use egui::{Key, KeyboardShortcut, Modifiers, ThemePreference};

use crate::app::desk::Wanted;
use crate::app::figure::{self, FigureSheet, FigureWhat};
use crate::app::language::{LanguageChoice, t, tr};
use crate::app::run::{CurveView, Field, Plot, RunTab};
use crate::app::session::Session;
use crate::app::state::{ModelSlot, State};
use crate::app::survey::{self, Measure};
use crate::app::view::{Camera, ChannelView, Hover, Layer, Pin, RangeMode, ScaleChoice};
use crate::export::colormap::ColorMap;
use crate::imitation::difference::DifferenceKind;
use crate::imitation::mask::{IouConvention, LevelRule};
use crate::inspect::{AdapterChoice, Role, Tap};
use crate::train::config::Campaign;
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
    FindMissing(Wanted),
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

    // The mask.
    SetPsi(f32),
    StepPsi(f32),
    SetRule(LevelRule),
    SetConvention(IouConvention),
    Solo(Option<usize>),
    StepSolo(isize),

    // What is compared.
    SetTap(Tap),
    SetAdapter(AdapterChoice),
    SetDifference(DifferenceKind),
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
    EditRun(Box<Campaign>),
    ResetRun,
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
    /// The folder of an earlier run.
    OpenRun(PathBuf),
    /// Recorded runs, to replay.
    OpenReplays(Vec<PathBuf>),
    ToggleTrack(u64),
    RemoveTrack(u64),
    SetCurves(CurveView),
    /// The values of one plot, or of all that are shown, as CSV.
    ExportCurves(Option<Plot>),
    /// Counts over the open dataset what every ψ and rule mark; [`JobKind::Survey`] cancels it.
    StartSurvey,
    SetSurveyMeasure(Measure),
    ExportSurvey,
    ToggleMoments,
    /// The maps of the track with this key.
    ShowMomentsOf(u64),
    SeekMoment(usize),
    PlayMoments,

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
    ToggleFrameTimes,
    ToggleAbout,
    /// Closes what lies over the window, else ends a solo.
    Dismiss,
    Quit,
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
}

/// Input sides on offer, in px.
pub const INPUT_SIZES: [u32; 6] = [320, 416, 512, 640, 960, 1280];
/// How far one press of a bracket moves ψ.
pub const PSI_STEP: f32 = 0.05;
/// How far one press of a zoom key zooms.
const ZOOM_STEP: f32 = 1.25;
/// Rows and columns from a cell to its neighbours.
const PIN_STEPS: [(isize, isize); 4] = [(-1, 0), (1, 0), (0, -1), (0, 1)];
/// Images that one press of a page key passes over.
const PAGE: isize = 10;

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn shifted(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

const fn control(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn control_shifted(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

impl Command {
    /// What a menu, the palette or the key sheet calls it.
    pub fn label(&self) -> String {
        match self {
            Self::BrowseImage => t!("Open image…").into(),
            Self::BrowseLabels => t!("Open labels for this image…").into(),
            Self::BrowseData => t!("Open dataset (data.yaml)…").into(),
            Self::BrowseFolder => t!("Open folder of images…").into(),
            Self::BrowseModel(role) => t!("Open {role}…", role = tr(role.name())),
            Self::BrowseAdapter => t!("Use adapters of a run…").into(),
            Self::BrowseReplay => t!("Open a recorded run…").into(),
            Self::OpenSample => t!("Open the sample session").into(),
            Self::BrowseSession => t!("Open a session…").into(),
            Self::OpenSession(path) => t!("Open the session {file}", file = file_name(path)),
            Self::SaveSession => t!("Save the session…").into(),
            Self::FindMissing(wanted) => t!("Find {what}…", what = wanted.what()),
            Self::ForgetMissing => t!("Go on without the missing files").into(),
            Self::Open(path) | Self::OpenImage(path) | Self::OpenData(path) => t!("Open {file}", file = path.display()),
            Self::Drop(..) => t!("Open dropped files").into(),
            Self::OpenModel(role, path) => {
                t!("Open {file} as {role}", file = file_name(path), role = tr(role.name()))
            }
            Self::ChooseRole(Some(role)) => t!("Open as {role}", role = tr(role.name())),
            Self::ChooseRole(None) => t!("Open neither").into(),
            Self::CloseModel(role) => t!("Close {role}", role = tr(role.name())),
            Self::ForgetRecent => t!("Forget recent files").into(),
            Self::SelectImage(index) => t!("Image {number}", number = index + 1),
            Self::StepImage(step) => match *step {
                1 => t!("Next image").into(),
                -1 => t!("Previous image").into(),
                n if n > 0 => t!("{count} images on", count = n),
                n => t!("{count} images back", count = n.unsigned_abs()),
            },
            Self::FilterImages(_) => t!("Search images").into(),
            Self::FocusSearch => t!("Search images by name").into(),
            Self::SetSplit(split) => t!("Split: {split}", split),
            Self::ShowRows(_) => t!("Show rows").into(),
            Self::CompareAgain => t!("Run both models again").into(),
            Self::Cancel(kind) => t!("Cancel: {work}", work = kind_name(*kind)),

            Self::SetPsi(psi) => format!("ψ = {psi}"),
            Self::StepPsi(step) if *step < 0.0 => t!("ψ down by {step}", step = -step),
            Self::StepPsi(step) => t!("ψ up by {step}", step),
            Self::SetRule(rule) => t!("Level rule: {rule}", rule = tr(rule.name())),
            Self::SetConvention(convention) => t!("IoU convention: {convention}", convention = convention.name()),
            Self::Solo(None) => t!("Show all ground truths").into(),
            Self::Solo(Some(gt)) => t!("Solo ground truth {gt}", gt),
            Self::StepSolo(step) if *step < 0 => t!("Solo previous ground truth").into(),
            Self::StepSolo(_) => t!("Solo next ground truth").into(),

            Self::SetTap(tap) => t!("Features from: {tap}", tap = tr(tap.name())),
            Self::SetAdapter(AdapterChoice::LeastSquares) => t!("Adapter: least squares").into(),
            Self::SetAdapter(AdapterChoice::None) => t!("Adapter: none").into(),
            Self::SetAdapter(AdapterChoice::Run(path)) => t!("Adapter: {file}", file = file_name(path)),
            Self::SetDifference(kind) => t!("Difference: {kind}", kind = tr(kind.label())),
            Self::SetChannels(ChannelView::All) => t!("Channels: all").into(),
            Self::SetChannels(ChannelView::One(channel)) => t!("Channels: only {channel}", channel),
            Self::SetChannels(ChannelView::Top(count)) => t!("Channels: the {count} that differ most", count),
            Self::SetInsideMask(true) => t!("Show features inside the mask alone").into(),
            Self::SetInsideMask(false) => t!("Show features everywhere").into(),
            Self::SetInputSize(side) => t!("Input size: {side} px", side),
            Self::SetDevice(device) => t!("Run models on: {device}", device = device_name(device)),

            Self::SetLayer(layer) => t!("Layer: {layer}", layer = tr(layer.name())),
            Self::SetScales(ScaleChoice::All) => t!("Scales: all side by side").into(),
            Self::SetScales(ScaleChoice::Stride(stride)) => {
                t!("Scale: P{level}", level = stride.max(&1).ilog2())
            }
            Self::StepScales => t!("Next scale").into(),
            Self::SetOpacity(opacity) => t!("Opacity: {percent} %", percent = format_args!("{:.0}", opacity * 100.0)),
            Self::SetColorMap(None) => t!("Colour map: the layer's own").into(),
            Self::SetColorMap(Some(map)) => t!("Colour map: {map}", map = tr(map.name())),
            Self::SetRange(RangeMode::Auto) => t!("Unlock the colour range").into(),
            Self::SetRange(RangeMode::Locked { .. }) => t!("Lock the colour range").into(),
            Self::ToggleRange => t!("Lock the colour range, or let it go").into(),
            Self::ToggleLabels => t!("Ground-truth boxes").into(),
            Self::ToggleBoxes(Role::Teacher) => t!("Boxes that the teacher finds").into(),
            Self::ToggleBoxes(Role::Student) => t!("Boxes that the student finds").into(),
            Self::TogglePositives => t!("YOLOv5's positive cells").into(),
            Self::SetCamera(Camera::Fit) => t!("Fit the image to the view").into(),
            Self::SetCamera(Camera::Free { .. }) => t!("Move the view").into(),
            Self::ZoomBy(factor) if *factor < 1.0 => t!("Zoom out").into(),
            Self::ZoomBy(_) => t!("Zoom in").into(),
            Self::Hover(_) => t!("Point").into(),
            Self::Pin(Some(Pin { stride, row, col })) => {
                t!("Explain the cell ({row}, {col}) of P{level}", row, col, level = stride.max(&1).ilog2())
            }
            Self::Pin(None) => t!("Unpin the cell").into(),
            Self::TogglePin => t!("Explain the cell under the pointer, or let it go").into(),
            Self::StepPin(rows, _) if *rows < 0 => t!("Explain the cell above").into(),
            Self::StepPin(rows, _) if *rows > 0 => t!("Explain the cell below").into(),
            Self::StepPin(_, cols) if *cols < 0 => t!("Explain the cell to the left").into(),
            Self::StepPin(..) => t!("Explain the cell to the right").into(),

            Self::ToggleRunPanel => t!("Run panel").into(),
            Self::SetRunTab(tab) => t!("Run: {tab}", tab = tr(tab.name()).to_lowercase()),
            Self::BrowseForRun(RunFile::Data) => t!("Choose the data of the run…").into(),
            Self::BrowseForRun(RunFile::Teacher) => t!("Choose the teacher of the run…").into(),
            Self::BrowseForRun(RunFile::Student) => t!("Choose the student of the run…").into(),
            Self::BrowseForRun(RunFile::Hyp) => t!("Load hyp.yaml…").into(),
            Self::BrowseForRun(RunFile::Out) => t!("Choose the folder for the results…").into(),
            Self::BrowseForRun(RunFile::Earlier) => t!("Open an earlier run…").into(),
            Self::EditRun(_) => t!("Change the set-up").into(),
            Self::ResetRun => t!("Reset the set-up to what is open").into(),
            Self::Preflight => t!("Preflight: check the set-up").into(),
            Self::UseLambda(_) => t!("Fix λ").into(),
            Self::KeepRatio(_) => t!("Keep a gradient ratio").into(),
            Self::StepBatch(step) if *step < 0 => t!("Previous batch").into(),
            Self::StepBatch(_) => t!("Next batch").into(),
            Self::SeekBatch(step) => t!("Batch of step {step}", step),
            Self::RemakeBatch => t!("Read the batch's files again").into(),
            Self::SetBatchScale(None) => t!("Batch: masks of all scales").into(),
            Self::SetBatchScale(Some(stride)) => t!("Batch: mask of P{level}", level = stride.max(&1).ilog2()),
            Self::ShowBatchImage(place) => t!("Image {place} of the batch, large", place),
            Self::StartRun => t!("Start the run").into(),
            Self::PauseRun => t!("Pause the run, or go on").into(),
            Self::StopRun => t!("Stop the run").into(),
            Self::ResumeRun => t!("Resume the run that was stopped").into(),
            Self::OpenRun(path) => t!("Open the run {run}", run = file_name(path)),
            Self::OpenReplays(_) => t!("Replay recorded runs").into(),
            Self::ToggleTrack(_) => t!("Show or hide a run").into(),
            Self::RemoveTrack(_) => t!("Take a run off the list").into(),
            Self::SetCurves(_) => t!("Change the plots").into(),
            Self::ExportCurves(None) => t!("Save the values of the plots (CSV)…").into(),
            Self::ExportCurves(Some(plot)) => t!("Save the values of {plot} (CSV)…", plot = tr(plot.name())),
            Self::StartSurvey => t!("Survey the masks of the dataset").into(),
            Self::SetSurveyMeasure(measure) => {
                t!("Survey plot: {measure}", measure = tr(measure.name()).to_lowercase())
            }
            Self::ExportSurvey => t!("Save the counts of the mask survey (CSV)…").into(),
            Self::ToggleMoments => t!("Difference through the time of the run").into(),
            Self::ShowMomentsOf(_) => t!("Maps of another run").into(),
            Self::SeekMoment(_) => t!("Another moment of the run").into(),
            Self::PlayMoments => t!("Play the difference through time, or halt").into(),

            Self::OpenFigure(None | Some(FigureWhat::View)) => t!("Save a figure…").into(),
            Self::OpenFigure(Some(FigureWhat::Step)) => t!("Save this step as a figure…").into(),
            Self::OpenFigure(Some(FigureWhat::Story)) => t!("Save the story as figures…").into(),
            Self::OpenFigure(Some(FigureWhat::Curves(None))) => t!("Save the plots as a figure…").into(),
            Self::OpenFigure(Some(FigureWhat::Curves(Some(plot)))) => {
                t!("Save {plot} as a figure…", plot = tr(plot.name()))
            }
            Self::OpenFigure(Some(FigureWhat::Survey)) => t!("Save the mask survey as a figure…").into(),
            Self::EditFigure(_) => t!("Change the figure").into(),
            Self::BrowseFigureFolder => t!("Choose the folder for figures…").into(),
            Self::WriteFigure => t!("Save the figure").into(),

            Self::ToggleTalk => t!("Talk mode").into(),
            Self::StepTalk(steps) if *steps < 0 => t!("Previous step of the talk").into(),
            Self::StepTalk(_) => t!("Next step of the talk").into(),
            Self::SeekTalk(index) => t!("Step {number} of the talk", number = index + 1),
            Self::BlankTalk => t!("Black screen, or the stage again").into(),

            Self::SetTheme(ThemePreference::Light) => t!("Light theme").into(),
            Self::SetTheme(ThemePreference::Dark) => t!("Dark theme").into(),
            Self::SetTheme(ThemePreference::System) => t!("Theme of the system").into(),
            Self::SetLanguage(LanguageChoice::System) => t!("Language of the system").into(),
            Self::SetLanguage(LanguageChoice::English) => t!("Language: English").into(),
            Self::SetLanguage(LanguageChoice::Chinese) => t!("Language: 简体中文 (Chinese)").into(),
            Self::TogglePalette => t!("Find a command…").into(),
            Self::ToggleMessages => t!("Messages").into(),
            Self::ClearMessages => t!("Clear messages").into(),
            Self::ShowLoadReport(role) => t!("Load report of the {role}", role = tr(role.name())),
            Self::ToggleKeys => t!("Keys").into(),
            Self::ToggleFrameTimes => t!("Frame time").into(),
            Self::ToggleAbout => t!("About distillscope").into(),
            Self::Dismiss => t!("Close what is on top, unpin the cell, or end the solo").into(),
            Self::Quit => t!("Quit").into(),
        }
    }

    /// One sentence on what it does.
    pub fn tooltip(&self) -> &'static str {
        match self {
            Self::BrowseImage => {
                t!("JPEG, PNG, BMP, WebP or TIFF; its labels are found by YOLO's folder rule or beside it.")
            }
            Self::BrowseLabels => t!("YOLO txt, Pascal VOC XML or COCO JSON, for the image on screen."),
            Self::BrowseData => t!("A YOLO data.yaml: its images, splits and class names."),
            Self::BrowseFolder => t!("Every image of a folder, with the labels that belong to them."),
            Self::BrowseModel(Role::Teacher) => t!("YOLOv5 weights: .pt, .safetensors, or TorchScript (heads only)."),
            Self::BrowseModel(Role::Student) => t!("YOLOv5 weights: .pt or .safetensors."),
            Self::BrowseReplay | Self::OpenReplays(_) => {
                t!("Curves and maps of a .distillscope file, without models or data.")
            }
            Self::BrowseAdapter => t!("The 1×1 or 3×3 adapters that a training run wrote."),
            Self::OpenSample => t!("The images and the two models that come with the program."),
            Self::BrowseSession | Self::OpenSession(_) => {
                t!("Opens the files of a saved session and sets psi, level rule, tap and view as they were.")
            }
            Self::SaveSession => t!("Writes which files are open and how the method is set into a file (TOML)."),
            Self::FindMissing(_) => t!("This file of the session is not where it was: show where it is now."),
            Self::ForgetMissing => t!("Leaves closed what has moved; the rest of the session stays open."),
            Self::Open(_) | Self::OpenImage(_) | Self::OpenData(_) | Self::Drop(..) | Self::OpenModel(..) => {
                t!("Opens the file by what it is.")
            }
            Self::ChooseRole(_) => t!("Which of the two these weights are."),
            Self::CloseModel(_) => t!("Frees the model's memory."),
            Self::ForgetRecent => t!("Empties the list of recent files; the files themselves stay."),
            Self::SelectImage(_) | Self::StepImage(_) => t!("Moves through the image list."),
            Self::FilterImages(_) | Self::FocusSearch => t!("Shows the images whose path contains the text."),
            Self::SetSplit(_) => t!("Lists another part of the dataset."),
            Self::ShowRows(_) => t!("Asks for the thumbnails of these rows."),
            Self::CompareAgain => t!("Repeats the forward passes and the adapter's fit on this image."),
            Self::Cancel(_) => t!("Stops this work at its next step; what is loaded stays."),
            Self::SetPsi(_) | Self::StepPsi(_) => {
                t!("The threshold: cells with an IoU above ψ times the largest one are imitated.")
            }
            Self::SetRule(_) => t!("Which scales a ground truth marks."),
            Self::SetConvention(_) => t!("How the overlap of an anchor and a box is measured."),
            Self::Solo(None) => t!("Ends the solo: every ground truth counts again."),
            Self::Solo(Some(_)) | Self::StepSolo(_) => t!("Shows the IoU and the mask of one ground truth alone."),
            Self::SetTap(tap) => tr(tap.explanation()),
            Self::SetAdapter(AdapterChoice::LeastSquares) => {
                t!("The linear 1×1 map that fits this image best: what remains cannot be explained linearly.")
            }
            Self::SetAdapter(AdapterChoice::None) => {
                t!("Subtracts as they are; teacher and student must have the same channels.")
            }
            Self::SetAdapter(AdapterChoice::Run(_)) => t!("The adapters that a run has trained."),
            Self::SetDifference(_) => t!("How the two feature vectors of a cell are set against each other."),
            Self::SetChannels(_) => t!("Which channels the feature maps and the difference show."),
            Self::SetInsideMask(_) => {
                t!("Feature maps and differences inside the imitation mask alone, or everywhere.")
            }
            Self::SetInputSize(_) => t!("Side of the square that the image is letterboxed into; both models see it."),
            Self::SetDevice(_) => t!("Moves both models."),
            Self::SetLayer(layer) => tr(layer.explanation()),
            Self::SetScales(_) | Self::StepScales => {
                t!("One scale large, or all side by side: zoom and pointer are linked.")
            }
            Self::SetOpacity(_) => t!("How strongly the map covers the image."),
            Self::SetColorMap(_) => t!("All maps on offer are perceptually even and safe for colour-blind eyes."),
            Self::SetRange(_) | Self::ToggleRange => {
                t!("Keeps the colours' range from image to image, so that they can be compared.")
            }
            Self::ToggleLabels => t!("The labelled boxes, in their colours."),
            Self::ToggleBoxes(_) => t!("What this model detects on the image, after non-maximum suppression."),
            Self::TogglePositives => {
                t!("The cells that YOLOv5 trains on, set against the mask: the mask alone, positives alone, both.")
            }
            Self::SetCamera(_) => t!("The whole input, centred; a double click does the same."),
            Self::ZoomBy(_) => t!("The mouse wheel does the same, around the pointer."),
            Self::Hover(_) => t!("Reads the values under the pointer."),
            Self::Pin(Some(_)) | Self::TogglePin | Self::StepPin(..) => {
                t!(
                    "Why it is imitated or not, what it adds to the loss, and which channels differ; a click on it does the same."
                )
            }
            Self::Pin(None) => t!("A second click on the cell and Esc do the same."),
            Self::ToggleRunPanel => t!("Set up a distillation run, and see its curves."),
            Self::SetRunTab(RunTab::SetUp) => t!("What the next run is asked to do."),
            Self::SetRunTab(RunTab::Preflight) | Self::Preflight => {
                t!("Measures on one batch whether the distillation distils: gradients, masks, adapters, teacher.")
            }
            Self::UseLambda(_) => t!("The next run weighs its imitation with this λ."),
            Self::KeepRatio(_) => {
                t!("The next run measures both gradients every ten steps and moves λ to keep their ratio.")
            }
            Self::SetRunTab(RunTab::Batch) => {
                t!("The images that the run will learn from, augmented, with their boxes and masks.")
            }
            Self::SetRunTab(RunTab::Curves) => {
                t!("Losses, accuracy and learning rate over the steps, several runs overlaid.")
            }
            Self::SetRunTab(RunTab::Survey) => t!("What every ψ and level rule mark over the open dataset."),
            Self::SetRunTab(RunTab::Paired) => t!("With and without imitation, seed by seed."),
            Self::BrowseForRun(RunFile::Data) => t!("A YOLO data.yaml with a train and a val split."),
            Self::BrowseForRun(RunFile::Teacher) => t!("The model that is imitated."),
            Self::BrowseForRun(RunFile::Student) => {
                t!("The model that is trained: a checkpoint, or a model yaml to start from nothing.")
            }
            Self::BrowseForRun(RunFile::Hyp) => t!("YOLOv5's hyperparameter files load as they are."),
            Self::BrowseForRun(RunFile::Out) => t!("Configuration, curves and weights go in there."),
            Self::BrowseForRun(RunFile::Earlier) | Self::OpenRun(_) => {
                t!("Lays the curves of a run on disk over the others.")
            }
            Self::EditRun(_) => t!("What the next run is asked to do."),
            Self::ResetRun => t!("Data, models and mask follow the window again."),
            Self::StepBatch(_) | Self::SeekBatch(_) => {
                t!("Every step of the run has its batch, the same each time for a seed.")
            }
            Self::RemakeBatch => t!("Images and labels as they are on disk by now."),
            Self::SetBatchScale(_) => t!("Where the images of the batch are imitated."),
            Self::ShowBatchImage(_) => t!("A click on the image does the same."),
            Self::StartRun => t!("Trains the student; the window stays usable."),
            Self::PauseRun => t!("Waits after the step in hand, and goes on where it stood."),
            Self::StopRun => t!("Ends after the step in hand, with a checkpoint to resume from."),
            Self::ResumeRun => t!("Goes on from its last checkpoint."),
            Self::ToggleTrack(_) => t!("Hidden runs are still in the list."),
            Self::RemoveTrack(_) => t!("Its files stay."),
            Self::SetCurves(_) => t!("Which curves are shown, and how."),
            Self::ExportCurves(_) => t!("Every value of every visible run, raw and smoothed."),
            Self::OpenFigure(Some(FigureWhat::Curves(_))) => {
                t!("As they are shown, with axes, units and legend, for papers and talks.")
            }
            Self::OpenFigure(Some(FigureWhat::Survey)) => t!("The plots that are shown, with axes, units and legend."),
            Self::OpenFigure(Some(FigureWhat::Story)) => {
                t!("Every step that can be told of this image, a figure each, with its formula and its numbers.")
            }
            Self::OpenFigure(_) => {
                t!("What is on screen as PNG and SVG for papers and slides, with colour bars, legend and settings.")
            }
            Self::EditFigure(_) => t!("What it is of, and how it is written."),
            Self::BrowseFigureFolder => t!("Figures go in there; it is made where it is not there."),
            Self::WriteFigure => t!("Draws and writes the files; the sheet says where they are."),
            Self::StartSurvey => {
                t!("Reads every image's size and labels, and counts the cells that each ψ and level rule mark.")
            }
            Self::SetSurveyMeasure(measure) => tr(measure.explanation()),
            Self::ExportSurvey => t!("A row for each rule, ψ and scale, with everything counted."),
            Self::ToggleMoments => {
                t!("Lays the difference maps that the run has kept over the image, with one range of colours.")
            }
            Self::ShowMomentsOf(_) => t!("The same moment of another run."),
            Self::SeekMoment(_) => t!("Each map belongs to a step."),
            Self::PlayMoments => t!("From the start to the newest map."),
            Self::ToggleTalk => t!("The method told on this image, one idea a step, in large type; Esc leaves."),
            Self::StepTalk(_) | Self::SeekTalk(_) => t!("Arrows, space and the page keys do the same."),
            Self::BlankTalk => t!("All eyes on the speaker; the black key of a clicker does the same."),
            Self::SetTheme(_) => t!("How the window is coloured; data keeps its colours."),
            Self::SetLanguage(_) => t!("What the window speaks, at once; files and the command line stay English."),
            Self::TogglePalette => t!("Type a few letters of what you want to do."),
            Self::ToggleMessages => t!("Everything that went wrong or is worth knowing, with the newest on top."),
            Self::ClearMessages => t!("Empties the list of messages."),
            Self::ShowLoadReport(_) => t!("Every tensor that was loaded, missing, unexpected or of another shape."),
            Self::ToggleKeys => t!("All keys on one sheet."),
            Self::ToggleFrameTimes => t!("How long the window takes to draw, over the last minute."),
            Self::ToggleAbout => t!("Version and licence."),
            Self::Dismiss => t!("Esc steps back."),
            Self::Quit => t!("Ends the program; settings are kept."),
        }
    }

    /// The keys that give it, the first one for display.
    pub fn shortcuts(&self) -> &'static [KeyboardShortcut] {
        const LAYERS: [KeyboardShortcut; 7] = [
            plain(Key::Num1),
            plain(Key::Num2),
            plain(Key::Num3),
            plain(Key::Num4),
            plain(Key::Num5),
            plain(Key::Num6),
            plain(Key::Num7),
        ];
        match self {
            Self::BrowseImage => const { &[control(Key::O)] },
            Self::BrowseData => const { &[control(Key::D)] },
            Self::BrowseFolder => const { &[control_shifted(Key::O)] },
            Self::BrowseLabels => const { &[control(Key::L)] },
            Self::BrowseModel(Role::Teacher) => const { &[control(Key::T)] },
            Self::BrowseModel(Role::Student) => const { &[control(Key::U)] },
            Self::FocusSearch => const { &[control(Key::F)] },
            Self::StepImage(1) => const { &[plain(Key::ArrowRight), plain(Key::ArrowDown)] },
            Self::StepImage(-1) => const { &[plain(Key::ArrowLeft), plain(Key::ArrowUp)] },
            Self::StepImage(PAGE) => const { &[plain(Key::PageDown)] },
            Self::StepImage(step) if *step == -PAGE => const { &[plain(Key::PageUp)] },
            Self::CompareAgain => const { &[shifted(Key::F5)] },
            Self::ToggleTalk => const { &[plain(Key::F5)] },
            Self::BlankTalk => const { &[plain(Key::B), plain(Key::Period)] },
            Self::OpenFigure(None) => const { &[control(Key::E)] },
            Self::StepPsi(step) if *step == PSI_STEP => const { &[plain(Key::CloseBracket)] },
            Self::StepPsi(step) if *step == -PSI_STEP => const { &[plain(Key::OpenBracket)] },
            Self::StepSolo(1) => const { &[plain(Key::S)] },
            Self::StepSolo(-1) => const { &[shifted(Key::S)] },
            Self::SetLayer(layer) => Layer::ALL
                .iter()
                .position(|other| other == layer)
                .and_then(|index| LAYERS.get(index))
                .map_or(&[], std::slice::from_ref),
            Self::StepScales => const { &[plain(Key::G)] },
            Self::SetInsideMask(_) => const { &[plain(Key::I)] },
            Self::ToggleRange => const { &[plain(Key::R)] },
            Self::ToggleLabels => const { &[plain(Key::L)] },
            Self::ToggleBoxes(Role::Teacher) => const { &[plain(Key::T)] },
            Self::ToggleBoxes(Role::Student) => const { &[plain(Key::U)] },
            Self::SetCamera(Camera::Fit) => const { &[plain(Key::F), plain(Key::Num0)] },
            // A plus may need the shift key, and an equals sign is a plus without it.
            Self::ZoomBy(factor) if *factor > 1.0 => {
                const { &[plain(Key::Plus), plain(Key::Equals), shifted(Key::Plus), shifted(Key::Equals)] }
            }
            Self::ZoomBy(_) => const { &[plain(Key::Minus)] },
            Self::TogglePin => const { &[plain(Key::E)] },
            Self::StepPin(-1, 0) => const { &[shifted(Key::ArrowUp)] },
            Self::StepPin(1, 0) => const { &[shifted(Key::ArrowDown)] },
            Self::StepPin(0, -1) => const { &[shifted(Key::ArrowLeft)] },
            Self::StepPin(0, 1) => const { &[shifted(Key::ArrowRight)] },
            Self::TogglePalette => const { &[control(Key::K), control(Key::P)] },
            Self::ToggleMessages => const { &[control(Key::M)] },
            Self::ToggleKeys => const { &[plain(Key::F1)] },
            Self::ToggleRunPanel => const { &[control(Key::R)] },
            Self::StartRun => const { &[plain(Key::F9)] },
            Self::PauseRun => const { &[plain(Key::F8)] },
            Self::StopRun => const { &[shifted(Key::F8)] },
            Self::ResumeRun => const { &[shifted(Key::F9)] },
            Self::StepBatch(-1) => const { &[plain(Key::Comma)] },
            Self::StepBatch(1) => const { &[plain(Key::Period)] },
            Self::ToggleMoments => const { &[plain(Key::M)] },
            Self::PlayMoments => const { &[plain(Key::P)] },
            Self::Dismiss => const { &[plain(Key::Escape)] },
            Self::Quit => const { &[control(Key::Q)] },
            _ => &[],
        }
    }

    /// Why it cannot be had just now; `None` when it can.
    pub fn disabled(&self, state: &State) -> Option<&'static str> {
        let no_scene = || state.scene.is_none().then_some(t!("Open an image first."));
        let no_boxes = || {
            no_scene().or_else(|| {
                state
                    .scene
                    .as_ref()
                    .is_some_and(|scene| scene.labels.is_empty())
                    .then_some(t!("This image has no labels."))
            })
        };
        let absent = |role: Role| match state.model(role) {
            ModelSlot::Ready { .. } | ModelSlot::Loading { .. } => None,
            _ if role == Role::Teacher => Some(t!("Open a teacher first.")),
            _ => Some(t!("Open a student first.")),
        };
        let unready = |role: Role| {
            absent(role).or_else(|| state.card(role).is_none().then_some(t!("The model is still loading.")))
        };
        let running = || state.runs.live.is_some().then_some(t!("A run is under way."));
        match self {
            Self::BrowseLabels => no_scene(),
            Self::SaveSession => Session::of(state).is_empty().then_some(t!("Nothing is open yet.")),
            Self::OpenSample => {
                state.sample.is_none().then_some(t!("The sample data does not lie beside the program."))
            }
            Self::ForgetRecent => state.recent.is_empty().then_some(t!("There are no recent files.")),
            Self::StepImage(_) => (state.dataset.shown.len() < 2).then_some(t!("The list has no other image.")),
            Self::CloseModel(role) => {
                matches!(state.model(*role), ModelSlot::Empty).then_some(t!("No model is open here."))
            }
            Self::ShowLoadReport(role) => unready(*role),
            Self::CompareAgain => no_scene().or_else(|| {
                Role::ALL
                    .iter()
                    .all(|role| unready(*role).is_some())
                    .then_some(t!("Open a teacher or a student first."))
            }),
            Self::Solo(Some(_)) | Self::StepSolo(_) => no_boxes(),
            Self::Solo(None) => state.solo.is_none().then_some(t!("No ground truth is soloed.")),
            Self::TogglePin | Self::Pin(Some(_)) => no_scene(),
            Self::Pin(None) | Self::StepPin(..) => state.pin.is_none().then_some(t!("No cell is pinned.")),
            Self::ToggleBoxes(role) => absent(*role),
            Self::SetLayer(Layer::Teacher) => absent(Role::Teacher),
            Self::SetLayer(Layer::Student) => absent(Role::Student),
            Self::SetLayer(Layer::Difference) if state.runs.moment().is_some() => None,
            Self::SetLayer(Layer::Difference) => absent(Role::Teacher).or_else(|| absent(Role::Student)),
            Self::ToggleRange => matches!(state.view.layer, Layer::Image | Layer::Anchors)
                .then_some(t!("This layer has no colour range.")),
            Self::Preflight => {
                let form = &state.runs.form;
                let problem = form.problems().into_iter().find(|problem| problem.field != Field::Out);
                problem.map(|problem| problem.why).or_else(|| {
                    form.campaign
                        .config
                        .teacher
                        .is_none()
                        .then_some(t!("Choose a teacher: there is nothing to prove without one."))
                })
            }
            Self::StartRun => running().or_else(|| state.runs.form.problems().first().map(|problem| problem.why)),
            Self::ResumeRun => running()
                .or_else(|| state.runs.unfinished.is_none().then_some(t!("No run of this session was stopped."))),
            Self::StepBatch(step) if *step < 0 && state.runs.batch.step == 0 => {
                Some(t!("This is the first batch of the run."))
            }
            Self::StepBatch(_) | Self::SeekBatch(_) | Self::RemakeBatch | Self::SetBatchScale(_) => {
                (!state.runs.shows_batch()).then_some(t!("The batch view is not open."))
            }
            Self::ShowBatchImage(place) => {
                let there = state.runs.batch.shown.as_ref().is_some_and(|batch| *place < batch.images.len());
                (!there).then_some(t!("The batch has no such image."))
            }
            Self::PauseRun | Self::StopRun => match &state.runs.live {
                None => Some(t!("No run is under way.")),
                Some(_) if state.runs.is_stopping() => Some(t!("The run is being stopped.")),
                Some(_) => None,
            },
            Self::SetRunTab(RunTab::Paired) => state.runs.paired().is_none().then_some(t!("No paired run has begun.")),
            Self::StartSurvey => survey::wanted(state).err().map(tr),
            Self::ExportSurvey => figure::drawing(state, FigureWhat::Survey).err().map(tr),
            Self::ExportCurves(plot) => figure::drawing(state, FigureWhat::Curves(*plot)).err().map(tr),
            Self::OpenFigure(None) => figure::first_possible(state).is_none().then_some(t!("Open an image first.")),
            Self::OpenFigure(Some(what)) => figure::drawing(state, *what).err().map(tr),
            Self::WriteFigure if state.activity(JobKind::Figure).is_some() => Some(t!("A figure is being written.")),
            Self::WriteFigure => figure::problem(state),
            Self::ToggleMoments => (!state.runs.has_moments() && state.runs.playback.is_none())
                .then_some(t!("No run has kept difference maps yet.")),
            Self::PlayMoments | Self::SeekMoment(_) | Self::ShowMomentsOf(_) => {
                state.runs.moments().is_none().then_some(t!("The difference through time is not shown."))
            }
            Self::ClearMessages => state.messages.is_empty().then_some(t!("There are no messages.")),
            _ => None,
        }
    }

    /// Whether it is a choice that is in force: a check mark in menus.
    pub fn is_on(&self, state: &State) -> bool {
        match self {
            Self::SetRule(rule) => state.rule == *rule,
            Self::SetConvention(convention) => state.convention == *convention,
            Self::SetTap(tap) => state.tap == *tap,
            Self::SetAdapter(adapter) => state.adapter == *adapter,
            Self::SetDifference(kind) => state.view.difference == *kind,
            Self::SetInputSize(side) => state.input_side == *side,
            Self::SetDevice(device) => state.device_choice == *device,
            Self::SetLayer(layer) => state.view.layer == *layer,
            Self::SetScales(scales) => state.view.scales == *scales,
            Self::SetColorMap(map) => state.view.color_map == *map,
            Self::ToggleLabels => state.view.labels,
            Self::ToggleBoxes(Role::Teacher) => state.view.teacher_boxes,
            Self::ToggleBoxes(Role::Student) => state.view.student_boxes,
            Self::TogglePositives => state.view.positives,
            Self::SetSurveyMeasure(measure) => state.survey.measure == *measure,
            Self::ToggleRange => matches!(state.view.range, RangeMode::Locked { .. }),
            Self::SetTheme(theme) => state.theme == *theme,
            Self::SetLanguage(language) => state.language == *language,
            Self::SetSplit(split) => state.dataset.split() == Some(split),
            Self::ToggleRunPanel => state.runs.open,
            Self::SetRunTab(tab) => state.runs.tab == *tab,
            Self::SetBatchScale(scale) => state.runs.batch.scale == *scale,
            Self::PauseRun => state.runs.is_paused(),
            Self::ToggleMoments => state.runs.playback.is_some(),
            Self::ShowMomentsOf(key) => state.runs.playback.is_some_and(|playback| playback.track == *key),
            Self::PlayMoments => state.runs.playback.is_some_and(|playback| playback.playing),
            Self::ToggleFrameTimes => state.frame_times_open,
            _ => false,
        }
    }

    /// Everything the palette offers and the keys give, in the order of the menus.
    pub fn catalogue(state: &State) -> Vec<Self> {
        let mut all = vec![Self::BrowseImage, Self::BrowseFolder, Self::BrowseData, Self::BrowseLabels];
        all.extend(Role::ALL.map(Self::BrowseModel));
        all.extend([Self::BrowseAdapter, Self::BrowseReplay]);
        all.extend([Self::OpenSample, Self::BrowseSession, Self::SaveSession]);
        all.extend([Self::OpenFigure(None), Self::OpenFigure(Some(FigureWhat::Story))]);
        all.extend(state.recent.iter().cloned().map(Self::Open));
        all.extend(Role::ALL.map(Self::CloseModel));
        all.extend(Role::ALL.map(Self::ShowLoadReport));
        all.extend([1, -1, PAGE, -PAGE].map(Self::StepImage));
        all.push(Self::FocusSearch);
        all.extend(state.dataset.splits().iter().cloned().map(Self::SetSplit));
        all.push(Self::CompareAgain);
        all.extend(state.activities.iter().map(|activity| Self::Cancel(activity.kind)));

        all.extend([PSI_STEP, -PSI_STEP].map(Self::StepPsi));
        all.extend(LevelRule::ALL.map(Self::SetRule));
        all.extend(IouConvention::ALL.map(Self::SetConvention));
        all.extend([1, -1].map(Self::StepSolo));
        all.push(Self::Solo(None));
        all.extend(Tap::ALL.map(Self::SetTap));
        all.extend([AdapterChoice::LeastSquares, AdapterChoice::None].map(Self::SetAdapter));
        all.extend(DifferenceKind::ALL.map(Self::SetDifference));
        all.extend([ChannelView::All, ChannelView::One(0), ChannelView::Top(8)].map(Self::SetChannels));
        all.push(Self::SetInsideMask(!state.view.inside_mask));
        all.extend(INPUT_SIZES.map(Self::SetInputSize));
        all.extend(state.device_choices().into_iter().map(Self::SetDevice));

        all.extend(Layer::ALL.map(Self::SetLayer));
        all.push(Self::SetScales(ScaleChoice::All));
        all.extend(state.strides().map(|stride| Self::SetScales(ScaleChoice::Stride(stride))));
        all.push(Self::StepScales);
        all.push(Self::SetColorMap(None));
        all.extend(ColorMap::ALL.map(|map| Self::SetColorMap(Some(map))));
        all.extend([Self::ToggleRange, Self::ToggleLabels]);
        all.extend(Role::ALL.map(Self::ToggleBoxes));
        all.push(Self::TogglePositives);
        all.push(Self::SetCamera(Camera::Fit));
        all.extend([ZOOM_STEP, 1.0 / ZOOM_STEP].map(Self::ZoomBy));
        all.extend([Self::TogglePin, Self::Pin(None)]);
        all.extend(PIN_STEPS.map(|(rows, cols)| Self::StepPin(rows, cols)));
        all.push(Self::ToggleRunPanel);
        all.extend(RunTab::ALL.map(Self::SetRunTab));
        all.push(Self::Preflight);
        all.extend([Self::StartRun, Self::PauseRun, Self::StopRun, Self::ResumeRun, Self::ResetRun]);
        all.extend([1, -1].map(Self::StepBatch));
        all.push(Self::RemakeBatch);
        all.push(Self::SetBatchScale(None));
        all.extend(state.strides().map(|stride| Self::SetBatchScale(Some(stride))));
        all.extend([RunFile::Data, RunFile::Teacher, RunFile::Student].map(Self::BrowseForRun));
        all.extend([RunFile::Hyp, RunFile::Out, RunFile::Earlier].map(Self::BrowseForRun));
        all.extend([Self::ExportCurves(None), Self::OpenFigure(Some(FigureWhat::Curves(None)))]);
        all.push(Self::StartSurvey);
        all.extend(Measure::ALL.map(Self::SetSurveyMeasure));
        all.extend([Self::ExportSurvey, Self::OpenFigure(Some(FigureWhat::Survey))]);
        all.extend([Self::ToggleMoments, Self::PlayMoments]);
        all.extend([ThemePreference::System, ThemePreference::Light, ThemePreference::Dark].map(Self::SetTheme));
        all.extend(LanguageChoice::ALL.map(Self::SetLanguage));
        all.extend([Self::TogglePalette, Self::ToggleMessages, Self::ClearMessages, Self::ForgetRecent]);
        all.push(Self::ToggleTalk);
        all.extend([Self::ToggleKeys, Self::ToggleFrameTimes, Self::ToggleAbout, Self::Dismiss, Self::Quit]);
        all
    }
}

/// A device choice as a person reads it.
pub fn device_name(choice: &str) -> String {
    match choice {
        "auto" => t!("the GPU if there is one").to_owned(),
        other => other.to_ascii_uppercase(),
    }
}

/// What a kind of work is called in the status line.
pub fn kind_name(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Scene => t!("opening the image"),
        JobKind::Field => t!("measuring the anchors"),
        JobKind::Load(Role::Teacher) => t!("loading the teacher"),
        JobKind::Load(Role::Student) => t!("loading the student"),
        JobKind::Device => t!("moving the models"),
        JobKind::Compare => t!("running the models"),
        JobKind::BeforeAfter => t!("running the student before and after"),
        JobKind::List => t!("listing images"),
        JobKind::Thumbnail => t!("thumbnails"),
        JobKind::Run => t!("training"),
        JobKind::Batch => t!("making a batch"),
        JobKind::OpenRun => t!("reading an earlier run"),
        JobKind::OpenReplays => t!("reading a recorded run"),
        JobKind::Preflight => t!("checking the set-up"),
        JobKind::Survey => t!("surveying the masks"),
        JobKind::Figure => t!("saving a figure"),
        JobKind::FigurePreview => t!("drawing a preview"),
    }
}

/// The last part of a path, or all of it where it has none.
pub fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_a_key() {
        let mut taken: Vec<(KeyboardShortcut, String)> = Vec::new();
        for command in Command::catalogue(&State::default()) {
            for shortcut in command.shortcuts() {
                let other = taken.iter().find(|(key, _)| key == shortcut);
                assert!(other.is_none(), "{shortcut:?}: {} and {other:?}", command.label());
                taken.push((*shortcut, command.label()));
            }
        }
        assert!(taken.len() > 40, "{}", taken.len());
    }

    #[test]
    fn every_command_on_offer_has_a_name_of_its_own_and_says_what_it_does() {
        let mut labels = std::collections::BTreeSet::new();
        for command in Command::catalogue(&State::default()) {
            assert!(command.tooltip().ends_with('.'), "{command:?}");
            assert!(labels.insert(command.label()), "two commands are called {}", command.label());
        }
    }

    #[test]
    fn without_an_image_what_needs_one_says_so() {
        let state = State::default();
        assert_eq!(Command::StepSolo(1).disabled(&state), Some("Open an image first."));
        assert_eq!(Command::SetLayer(Layer::Difference).disabled(&state), Some("Open a teacher first."));
        assert_eq!(Command::BrowseImage.disabled(&state), None);
    }
}
