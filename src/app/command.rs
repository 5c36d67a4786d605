//! Everything a person can ask for, once: menus, buttons, keys and the palette all send these, and read from here
//! what a command is called, what it does, which keys give it and why it cannot be had just now.

use std::ops::Range;
use std::path::{Path, PathBuf};

use egui::{Key, KeyboardShortcut, Modifiers, ThemePreference};

use crate::app::run::{CurveView, Field, Plot, RunTab};
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
    // Files. The first six open a dialog.
    BrowseImage,
    BrowseLabels,
    BrowseData,
    BrowseFolder,
    BrowseModel(Role),
    BrowseAdapter,
    OpenSample,
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
    ToggleTrack(u64),
    RemoveTrack(u64),
    SetCurves(CurveView),
    /// The curves of one plot, or of all that are shown.
    ExportCurves(Option<Plot>, CurveFormat),
    /// Counts over the open dataset what every ψ and rule mark; [`JobKind::Survey`] cancels it.
    StartSurvey,
    SetSurveyMeasure(Measure),
    ExportSurvey(CurveFormat),
    ToggleMoments,
    SeekMoment(usize),
    PlayMoments,

    // The talk.
    ToggleTalk,
    /// Forth or back in the story.
    StepTalk(isize),
    /// To the step with this number, from 0.
    SeekTalk(usize),

    // The window.
    SetTheme(ThemePreference),
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

/// How curves are written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurveFormat {
    Csv,
    Png,
    Svg,
}

impl CurveFormat {
    pub const ALL: [Self; 3] = [Self::Csv, Self::Png, Self::Svg];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Png => "PNG",
            Self::Svg => "SVG",
        }
    }

    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
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
            Self::BrowseImage => "Open image…".into(),
            Self::BrowseLabels => "Open labels for this image…".into(),
            Self::BrowseData => "Open dataset (data.yaml)…".into(),
            Self::BrowseFolder => "Open folder of images…".into(),
            Self::BrowseModel(role) => format!("Open {}…", role.name()),
            Self::BrowseAdapter => "Use adapters of a run…".into(),
            Self::OpenSample => "Open the sample session".into(),
            Self::Open(path) | Self::OpenImage(path) | Self::OpenData(path) => format!("Open {}", path.display()),
            Self::Drop(..) => "Open dropped files".into(),
            Self::OpenModel(role, path) => format!("Open {} as {}", file_name(path), role.name()),
            Self::ChooseRole(Some(role)) => format!("Open as {}", role.name()),
            Self::ChooseRole(None) => "Open neither".into(),
            Self::CloseModel(role) => format!("Close {}", role.name()),
            Self::ForgetRecent => "Forget recent files".into(),
            Self::SelectImage(index) => format!("Image {}", index + 1),
            Self::StepImage(step) => match *step {
                1 => "Next image".into(),
                -1 => "Previous image".into(),
                n if n > 0 => format!("{n} images on"),
                n => format!("{} images back", n.unsigned_abs()),
            },
            Self::FilterImages(_) => "Search images".into(),
            Self::FocusSearch => "Search images by name".into(),
            Self::SetSplit(split) => format!("Split: {split}"),
            Self::ShowRows(_) => "Show rows".into(),
            Self::CompareAgain => "Run both models again".into(),
            Self::Cancel(kind) => format!("Cancel: {}", kind_name(*kind)),

            Self::SetPsi(psi) => format!("ψ = {psi}"),
            Self::StepPsi(step) if *step < 0.0 => format!("ψ down by {}", -step),
            Self::StepPsi(step) => format!("ψ up by {step}"),
            Self::SetRule(rule) => format!("Level rule: {}", rule.name()),
            Self::SetConvention(convention) => format!("IoU convention: {}", convention.name()),
            Self::Solo(None) => "Show all ground truths".into(),
            Self::Solo(Some(gt)) => format!("Solo ground truth {gt}"),
            Self::StepSolo(step) if *step < 0 => "Solo previous ground truth".into(),
            Self::StepSolo(_) => "Solo next ground truth".into(),

            Self::SetTap(tap) => format!("Features from: {}", tap.name()),
            Self::SetAdapter(AdapterChoice::LeastSquares) => "Adapter: least squares".into(),
            Self::SetAdapter(AdapterChoice::None) => "Adapter: none".into(),
            Self::SetAdapter(AdapterChoice::Run(path)) => format!("Adapter: {}", file_name(path)),
            Self::SetDifference(kind) => format!("Difference: {}", kind.name()),
            Self::SetChannels(ChannelView::All) => "Channels: all".into(),
            Self::SetChannels(ChannelView::One(channel)) => format!("Channels: only {channel}"),
            Self::SetChannels(ChannelView::Top(count)) => format!("Channels: the {count} that differ most"),
            Self::SetInsideMask(true) => "Show features inside the mask alone".into(),
            Self::SetInsideMask(false) => "Show features everywhere".into(),
            Self::SetInputSize(side) => format!("Input size: {side} px"),
            Self::SetDevice(device) => format!("Run models on: {}", device_name(device)),

            Self::SetLayer(layer) => format!("Layer: {}", layer.name()),
            Self::SetScales(ScaleChoice::All) => "Scales: all side by side".into(),
            Self::SetScales(ScaleChoice::Stride(stride)) => {
                format!("Scale: P{}", stride.max(&1).ilog2())
            }
            Self::StepScales => "Next scale".into(),
            Self::SetOpacity(opacity) => format!("Opacity: {:.0} %", opacity * 100.0),
            Self::SetColorMap(None) => "Colour map: the layer's own".into(),
            Self::SetColorMap(Some(map)) => format!("Colour map: {}", map.name()),
            Self::SetRange(RangeMode::Auto) => "Unlock the colour range".into(),
            Self::SetRange(RangeMode::Locked { .. }) => "Lock the colour range".into(),
            Self::ToggleRange => "Lock the colour range, or let it go".into(),
            Self::ToggleLabels => "Ground-truth boxes".into(),
            Self::ToggleBoxes(Role::Teacher) => "Boxes that the teacher finds".into(),
            Self::ToggleBoxes(Role::Student) => "Boxes that the student finds".into(),
            Self::TogglePositives => "YOLOv5's positive cells".into(),
            Self::SetCamera(Camera::Fit) => "Fit the image to the view".into(),
            Self::SetCamera(Camera::Free { .. }) => "Move the view".into(),
            Self::ZoomBy(factor) if *factor < 1.0 => "Zoom out".into(),
            Self::ZoomBy(_) => "Zoom in".into(),
            Self::Hover(_) => "Point".into(),
            Self::Pin(Some(Pin { stride, row, col })) => {
                format!("Explain the cell ({row}, {col}) of P{}", stride.max(&1).ilog2())
            }
            Self::Pin(None) => "Unpin the cell".into(),
            Self::TogglePin => "Explain the cell under the pointer, or let it go".into(),
            Self::StepPin(rows, _) if *rows < 0 => "Explain the cell above".into(),
            Self::StepPin(rows, _) if *rows > 0 => "Explain the cell below".into(),
            Self::StepPin(_, cols) if *cols < 0 => "Explain the cell to the left".into(),
            Self::StepPin(..) => "Explain the cell to the right".into(),

            Self::ToggleRunPanel => "Run panel".into(),
            Self::SetRunTab(tab) => format!("Run: {}", tab.name().to_lowercase()),
            Self::BrowseForRun(RunFile::Data) => "Choose the data of the run…".into(),
            Self::BrowseForRun(RunFile::Teacher) => "Choose the teacher of the run…".into(),
            Self::BrowseForRun(RunFile::Student) => "Choose the student of the run…".into(),
            Self::BrowseForRun(RunFile::Hyp) => "Load hyp.yaml…".into(),
            Self::BrowseForRun(RunFile::Out) => "Choose the folder for the results…".into(),
            Self::BrowseForRun(RunFile::Earlier) => "Open an earlier run…".into(),
            Self::EditRun(_) => "Change the set-up".into(),
            Self::ResetRun => "Reset the set-up to what is open".into(),
            Self::Preflight => "Preflight: check the set-up".into(),
            Self::UseLambda(_) => "Fix λ".into(),
            Self::KeepRatio(_) => "Keep a gradient ratio".into(),
            Self::StepBatch(step) if *step < 0 => "Previous batch".into(),
            Self::StepBatch(_) => "Next batch".into(),
            Self::SeekBatch(step) => format!("Batch of step {step}"),
            Self::RemakeBatch => "Read the batch's files again".into(),
            Self::SetBatchScale(None) => "Batch: masks of all scales".into(),
            Self::SetBatchScale(Some(stride)) => format!("Batch: mask of P{}", stride.max(&1).ilog2()),
            Self::ShowBatchImage(place) => format!("Image {place} of the batch, large"),
            Self::StartRun => "Start the run".into(),
            Self::PauseRun => "Pause the run, or go on".into(),
            Self::StopRun => "Stop the run".into(),
            Self::ResumeRun => "Resume the run that was stopped".into(),
            Self::OpenRun(path) => format!("Open the run {}", file_name(path)),
            Self::ToggleTrack(_) => "Show or hide a run".into(),
            Self::RemoveTrack(_) => "Take a run off the list".into(),
            Self::SetCurves(_) => "Change the plots".into(),
            Self::ExportCurves(None, format) => format!("Save the plots as {}…", format.name()),
            Self::ExportCurves(Some(plot), format) => format!("Save {} as {}…", plot.name(), format.name()),
            Self::StartSurvey => "Survey the masks of the dataset".into(),
            Self::SetSurveyMeasure(measure) => format!("Survey plot: {}", measure.name().to_lowercase()),
            Self::ExportSurvey(format) => format!("Save the mask survey as {}…", format.name()),
            Self::ToggleMoments => "Difference through the time of the run".into(),
            Self::SeekMoment(_) => "Another moment of the run".into(),
            Self::PlayMoments => "Play the difference through time, or halt".into(),

            Self::ToggleTalk => "Talk mode".into(),
            Self::StepTalk(steps) if *steps < 0 => "Previous step of the talk".into(),
            Self::StepTalk(_) => "Next step of the talk".into(),
            Self::SeekTalk(index) => format!("Step {} of the talk", index + 1),

            Self::SetTheme(ThemePreference::Light) => "Light theme".into(),
            Self::SetTheme(ThemePreference::Dark) => "Dark theme".into(),
            Self::SetTheme(ThemePreference::System) => "Theme of the system".into(),
            Self::TogglePalette => "Find a command…".into(),
            Self::ToggleMessages => "Messages".into(),
            Self::ClearMessages => "Clear messages".into(),
            Self::ShowLoadReport(role) => format!("Load report of the {}", role.name()),
            Self::ToggleKeys => "Keys".into(),
            Self::ToggleFrameTimes => "Frame time".into(),
            Self::ToggleAbout => "About distillscope".into(),
            Self::Dismiss => "Close what is on top, unpin the cell, or end the solo".into(),
            Self::Quit => "Quit".into(),
        }
    }

    /// One sentence on what it does.
    pub fn tooltip(&self) -> &'static str {
        match self {
            Self::BrowseImage => {
                "JPEG, PNG, BMP, WebP or TIFF; its labels are found by YOLO's folder rule or beside it."
            }
            Self::BrowseLabels => "YOLO txt, Pascal VOC XML or COCO JSON, for the image on screen.",
            Self::BrowseData => "A YOLO data.yaml: its images, splits and class names.",
            Self::BrowseFolder => "Every image of a folder, with the labels that belong to them.",
            Self::BrowseModel(Role::Teacher) => "YOLOv5 weights: .pt, .safetensors, or TorchScript (heads only).",
            Self::BrowseModel(Role::Student) => "YOLOv5 weights: .pt or .safetensors.",
            Self::BrowseAdapter => "The 1×1 or 3×3 adapters that a training run wrote.",
            Self::OpenSample => "The images and the two models that come with the program.",
            Self::Open(_) | Self::OpenImage(_) | Self::OpenData(_) | Self::Drop(..) | Self::OpenModel(..) => {
                "Opens the file by what it is."
            }
            Self::ChooseRole(_) => "Which of the two these weights are.",
            Self::CloseModel(_) => "Frees the model's memory.",
            Self::ForgetRecent => "Empties the list of recent files; the files themselves stay.",
            Self::SelectImage(_) | Self::StepImage(_) => "Moves through the image list.",
            Self::FilterImages(_) | Self::FocusSearch => "Shows the images whose path contains the text.",
            Self::SetSplit(_) => "Lists another part of the dataset.",
            Self::ShowRows(_) => "Asks for the thumbnails of these rows.",
            Self::CompareAgain => "Repeats the forward passes and the adapter's fit on this image.",
            Self::Cancel(_) => "Stops this work at its next step; what is loaded stays.",
            Self::SetPsi(_) | Self::StepPsi(_) => {
                "The threshold: cells with an IoU above ψ times the largest one are imitated."
            }
            Self::SetRule(_) => "Which scales a ground truth marks.",
            Self::SetConvention(_) => "How the overlap of an anchor and a box is measured.",
            Self::Solo(None) => "Ends the solo: every ground truth counts again.",
            Self::Solo(Some(_)) | Self::StepSolo(_) => "Shows the IoU and the mask of one ground truth alone.",
            Self::SetTap(tap) => tap.explanation(),
            Self::SetAdapter(AdapterChoice::LeastSquares) => {
                "The linear 1×1 map that fits this image best: what remains cannot be explained linearly."
            }
            Self::SetAdapter(AdapterChoice::None) => {
                "Subtracts as they are; teacher and student must have the same channels."
            }
            Self::SetAdapter(AdapterChoice::Run(_)) => "The adapters that a run has trained.",
            Self::SetDifference(_) => "How the two feature vectors of a cell are set against each other.",
            Self::SetChannels(_) => "Which channels the feature maps and the difference show.",
            Self::SetInsideMask(_) => "Feature maps and differences inside the imitation mask alone, or everywhere.",
            Self::SetInputSize(_) => "Side of the square that the image is letterboxed into; both models see it.",
            Self::SetDevice(_) => "Moves both models.",
            Self::SetLayer(layer) => layer.explanation(),
            Self::SetScales(_) | Self::StepScales => {
                "One scale large, or all side by side: zoom and pointer are linked."
            }
            Self::SetOpacity(_) => "How strongly the map covers the image.",
            Self::SetColorMap(_) => "All maps on offer are perceptually even and safe for colour-blind eyes.",
            Self::SetRange(_) | Self::ToggleRange => {
                "Keeps the colours' range from image to image, so that they can be compared."
            }
            Self::ToggleLabels => "The labelled boxes, in their colours.",
            Self::ToggleBoxes(_) => "What this model detects on the image, after non-maximum suppression.",
            Self::TogglePositives => {
                "The cells that YOLOv5 trains on, set against the mask: the mask alone, positives alone, both."
            }
            Self::SetCamera(_) => "The whole input, centred; a double click does the same.",
            Self::ZoomBy(_) => "The mouse wheel does the same, around the pointer.",
            Self::Hover(_) => "Reads the values under the pointer.",
            Self::Pin(Some(_)) | Self::TogglePin | Self::StepPin(..) => {
                "Why it is imitated or not, what it adds to the loss, and which channels differ; a click on it does the same."
            }
            Self::Pin(None) => "A second click on the cell and Esc do the same.",
            Self::ToggleRunPanel => "Set up a distillation run, and see its curves.",
            Self::SetRunTab(RunTab::SetUp) => "What the next run is asked to do.",
            Self::SetRunTab(RunTab::Preflight) | Self::Preflight => {
                "Measures on one batch whether the distillation distils: gradients, masks, adapters, teacher."
            }
            Self::UseLambda(_) => "The next run weighs its imitation with this λ.",
            Self::KeepRatio(_) => {
                "The next run measures both gradients every ten steps and moves λ to keep their ratio."
            }
            Self::SetRunTab(RunTab::Batch) => {
                "The images that the run will learn from, augmented, with their boxes and masks."
            }
            Self::SetRunTab(RunTab::Curves) => {
                "Losses, accuracy and learning rate over the steps, several runs overlaid."
            }
            Self::SetRunTab(RunTab::Survey) => "What every ψ and level rule mark over the open dataset.",
            Self::SetRunTab(RunTab::Paired) => "With and without imitation, seed by seed.",
            Self::BrowseForRun(RunFile::Data) => "A YOLO data.yaml with a train and a val split.",
            Self::BrowseForRun(RunFile::Teacher) => "The model that is imitated.",
            Self::BrowseForRun(RunFile::Student) => {
                "The model that is trained: a checkpoint, or a model yaml to start from nothing."
            }
            Self::BrowseForRun(RunFile::Hyp) => "YOLOv5's hyperparameter files load as they are.",
            Self::BrowseForRun(RunFile::Out) => "Configuration, curves and weights go in there.",
            Self::BrowseForRun(RunFile::Earlier) | Self::OpenRun(_) => {
                "Lays the curves of a run on disk over the others."
            }
            Self::EditRun(_) => "What the next run is asked to do.",
            Self::ResetRun => "Data, models and mask follow the window again.",
            Self::StepBatch(_) | Self::SeekBatch(_) => {
                "Every step of the run has its batch, the same each time for a seed."
            }
            Self::RemakeBatch => "Images and labels as they are on disk by now.",
            Self::SetBatchScale(_) => "Where the images of the batch are imitated.",
            Self::ShowBatchImage(_) => "A click on the image does the same.",
            Self::StartRun => "Trains the student; the window stays usable.",
            Self::PauseRun => "Waits after the step in hand, and goes on where it stood.",
            Self::StopRun => "Ends after the step in hand, with a checkpoint to resume from.",
            Self::ResumeRun => "Goes on from its last checkpoint.",
            Self::ToggleTrack(_) => "Hidden runs are still in the list.",
            Self::RemoveTrack(_) => "Its files stay.",
            Self::SetCurves(_) => "Which curves are shown, and how.",
            Self::ExportCurves(_, CurveFormat::Csv) => "Every value of every visible run, raw and smoothed.",
            Self::ExportCurves(..) => "As they are shown, with axes, units and legend, for papers and talks.",
            Self::StartSurvey => {
                "Reads every image's size and labels, and counts the cells that each ψ and level rule mark."
            }
            Self::SetSurveyMeasure(measure) => measure.explanation(),
            Self::ExportSurvey(CurveFormat::Csv) => "A row for each rule, ψ and scale, with everything counted.",
            Self::ExportSurvey(_) => "The plots that are shown, with axes, units and legend.",
            Self::ToggleMoments => {
                "Lays the difference maps that the run has kept over the image, with one range of colours."
            }
            Self::SeekMoment(_) => "Each map belongs to a step.",
            Self::PlayMoments => "From the start to the newest map.",
            Self::ToggleTalk => "The method told on this image, one idea a step, in large type; Esc leaves.",
            Self::StepTalk(_) | Self::SeekTalk(_) => "Arrows, space and the page keys do the same.",
            Self::SetTheme(_) => "How the window is coloured; data keeps its colours.",
            Self::TogglePalette => "Type a few letters of what you want to do.",
            Self::ToggleMessages => "Everything that went wrong or is worth knowing, with the newest on top.",
            Self::ClearMessages => "Empties the list of messages.",
            Self::ShowLoadReport(_) => "Every tensor that was loaded, missing, unexpected or of another shape.",
            Self::ToggleKeys => "All keys on one sheet.",
            Self::ToggleFrameTimes => "How long the window takes to draw, over the last minute.",
            Self::ToggleAbout => "Version and licence.",
            Self::Dismiss => "Esc steps back.",
            Self::Quit => "Ends the program; settings are kept.",
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
        let no_scene = || state.scene.is_none().then_some("Open an image first.");
        let no_boxes = || {
            no_scene().or_else(|| {
                state.scene.as_ref().is_some_and(|scene| scene.labels.is_empty()).then_some("This image has no labels.")
            })
        };
        let absent = |role: Role| match state.model(role) {
            ModelSlot::Ready { .. } | ModelSlot::Loading { .. } => None,
            _ if role == Role::Teacher => Some("Open a teacher first."),
            _ => Some("Open a student first."),
        };
        let unready =
            |role: Role| absent(role).or_else(|| state.card(role).is_none().then_some("The model is still loading."));
        let running = || state.runs.live.is_some().then_some("A run is under way.");
        match self {
            Self::BrowseLabels => no_scene(),
            Self::OpenSample => state.sample.is_none().then_some("The sample data does not lie beside the program."),
            Self::ForgetRecent => state.recent.is_empty().then_some("There are no recent files."),
            Self::StepImage(_) => (state.dataset.shown.len() < 2).then_some("The list has no other image."),
            Self::CloseModel(role) => {
                matches!(state.model(*role), ModelSlot::Empty).then_some("No model is open here.")
            }
            Self::ShowLoadReport(role) => unready(*role),
            Self::CompareAgain => no_scene().or_else(|| {
                Role::ALL.iter().all(|role| unready(*role).is_some()).then_some("Open a teacher or a student first.")
            }),
            Self::Solo(Some(_)) | Self::StepSolo(_) => no_boxes(),
            Self::Solo(None) => state.solo.is_none().then_some("No ground truth is soloed."),
            Self::TogglePin | Self::Pin(Some(_)) => no_scene(),
            Self::Pin(None) | Self::StepPin(..) => state.pin.is_none().then_some("No cell is pinned."),
            Self::ToggleBoxes(role) => absent(*role),
            Self::SetLayer(Layer::Teacher) => absent(Role::Teacher),
            Self::SetLayer(Layer::Student) => absent(Role::Student),
            Self::SetLayer(Layer::Difference) => absent(Role::Teacher).or_else(|| absent(Role::Student)),
            Self::ToggleRange => {
                matches!(state.view.layer, Layer::Image | Layer::Anchors).then_some("This layer has no colour range.")
            }
            Self::Preflight => {
                let form = &state.runs.form;
                let problem = form.problems().into_iter().find(|problem| problem.field != Field::Out);
                problem.map(|problem| problem.why).or_else(|| {
                    form.campaign
                        .config
                        .teacher
                        .is_none()
                        .then_some("Choose a teacher: there is nothing to prove without one.")
                })
            }
            Self::StartRun => running().or_else(|| state.runs.form.problems().first().map(|problem| problem.why)),
            Self::ResumeRun => {
                running().or_else(|| state.runs.unfinished.is_none().then_some("No run of this session was stopped."))
            }
            Self::StepBatch(step) if *step < 0 && state.runs.batch.step == 0 => {
                Some("This is the first batch of the run.")
            }
            Self::StepBatch(_) | Self::SeekBatch(_) | Self::RemakeBatch | Self::SetBatchScale(_) => {
                (!state.runs.shows_batch()).then_some("The batch view is not open.")
            }
            Self::ShowBatchImage(place) => {
                let there = state.runs.batch.shown.as_ref().is_some_and(|batch| *place < batch.images.len());
                (!there).then_some("The batch has no such image.")
            }
            Self::PauseRun | Self::StopRun => match &state.runs.live {
                None => Some("No run is under way."),
                Some(_) if state.runs.is_stopping() => Some("The run is being stopped."),
                Some(_) => None,
            },
            Self::SetRunTab(RunTab::Paired) => state.runs.paired().is_none().then_some("No paired run has begun."),
            Self::StartSurvey => survey::wanted(state).err(),
            Self::ExportSurvey(_) => state.survey.result.is_none().then_some("There is no survey yet."),
            Self::ExportCurves(..) => {
                state.runs.tracks.iter().all(|track| track.curves.is_empty()).then_some("There are no curves yet.")
            }
            Self::ToggleMoments => (!state.runs.has_moments()).then_some("No run has kept difference maps yet."),
            Self::PlayMoments | Self::SeekMoment(_) => {
                state.runs.moments().is_none().then_some("The difference through time is not shown.")
            }
            Self::ClearMessages => state.messages.is_empty().then_some("There are no messages."),
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
            Self::SetSplit(split) => state.dataset.split() == Some(split),
            Self::ToggleRunPanel => state.runs.open,
            Self::SetRunTab(tab) => state.runs.tab == *tab,
            Self::SetBatchScale(scale) => state.runs.batch.scale == *scale,
            Self::PauseRun => state.runs.is_paused(),
            Self::ToggleMoments => state.runs.playback.is_some(),
            Self::PlayMoments => state.runs.playback.is_some_and(|playback| playback.playing),
            Self::ToggleFrameTimes => state.frame_times_open,
            _ => false,
        }
    }

    /// Everything the palette offers and the keys give, in the order of the menus.
    pub fn catalogue(state: &State) -> Vec<Self> {
        let mut all = vec![Self::BrowseImage, Self::BrowseFolder, Self::BrowseData, Self::BrowseLabels];
        all.extend(Role::ALL.map(Self::BrowseModel));
        all.push(Self::BrowseAdapter);
        all.push(Self::OpenSample);
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
        all.extend(CurveFormat::ALL.map(|format| Self::ExportCurves(None, format)));
        all.push(Self::StartSurvey);
        all.extend(Measure::ALL.map(Self::SetSurveyMeasure));
        all.extend(CurveFormat::ALL.map(Self::ExportSurvey));
        all.extend([Self::ToggleMoments, Self::PlayMoments]);
        all.extend([ThemePreference::System, ThemePreference::Light, ThemePreference::Dark].map(Self::SetTheme));
        all.extend([Self::TogglePalette, Self::ToggleMessages, Self::ClearMessages, Self::ForgetRecent]);
        all.push(Self::ToggleTalk);
        all.extend([Self::ToggleKeys, Self::ToggleFrameTimes, Self::ToggleAbout, Self::Dismiss, Self::Quit]);
        all
    }
}

/// A device choice as a person reads it.
pub fn device_name(choice: &str) -> String {
    match choice {
        "auto" => "the GPU if there is one".to_owned(),
        other => other.to_ascii_uppercase(),
    }
}

/// What a kind of work is called in the status line.
pub const fn kind_name(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Scene => "opening the image",
        JobKind::Field => "measuring the anchors",
        JobKind::Load(Role::Teacher) => "loading the teacher",
        JobKind::Load(Role::Student) => "loading the student",
        JobKind::Device => "moving the models",
        JobKind::Compare => "running the models",
        JobKind::List => "listing images",
        JobKind::Thumbnail => "thumbnails",
        JobKind::Run => "training",
        JobKind::Batch => "making a batch",
        JobKind::OpenRun => "reading an earlier run",
        JobKind::Preflight => "checking the set-up",
        JobKind::Survey => "surveying the masks",
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
