//! What commands, devices and kinds of work are called.

use egui::ThemePreference;

use super::super::dialog::RunFile;
use super::Command;
use crate::app::figure::FigureWhat;
use crate::app::view::{Camera, ChannelView, Pin, RangeMode, ScaleChoice};
use crate::files::file_name;
use crate::inspect::{AdapterChoice, Role};
use crate::language::{LanguageChoice, counted, t, tr};
use crate::worker::JobKind;

impl Command {
    /// Other words for the same, in lower case, by which a search finds it.
    pub const fn synonyms(&self) -> &'static str {
        match self {
            Self::StepPsi(_) | Self::SetPsi(_) => "psi threshold cells",
            Self::SetRule(_) => "assignment scales",
            Self::SetLoss(_) => "loss distillation imitation",
            Self::SetMaskSource(_) => "region foreground",
            Self::SetTap(_) => "features hint layer head neck backbone",
            Self::SetAdapter(_) | Self::BrowseAdapter => "projection regressor",
            Self::StepSolo(_) | Self::Solo(_) => "ground truth object box single",
            Self::BrowseData | Self::BrowseFolder => "dataset open",
            Self::BrowseModel(_) => "weights checkpoint pt open load",
            Self::BrowseLabels => "annotations ground truth",
            Self::OpenFigure(_) => "export picture png svg screenshot",
            Self::ExportCurves(_) | Self::ExportSurvey => "csv table save",
            Self::ToggleTalk => "presentation slides present lecture",
            Self::StartReview => "compare won lost missed objects confusion",
            Self::StartRun => "train distil fit",
            Self::ResumeRun | Self::ResumeSearch => "continue",
            Self::StopRun | Self::StopSearch => "abort end interrupt",
            Self::Preflight => "sanity check gradient debug",
            Self::StartSearch => "hyperparameters tune sweep",
            Self::SetDevice(_) => "gpu cuda cpu",
            Self::SetInputSize(_) => "imgsz resolution letterbox",
            Self::SetColorMap(_) => "heatmap palette",
            Self::ToggleSnapshots | Self::PlaySnapshots => "replay history movie",
            Self::ToggleKeys => "shortcuts help",
            Self::ToggleTerms => "glossary help words",
            Self::TakeTour => "help introduction",
            _ => "",
        }
    }

    /// Whether it closes, clears or resets something.
    pub const fn takes_away(&self) -> bool {
        matches!(
            self,
            Self::CloseModel(_)
                | Self::ForgetRecent
                | Self::ClearMessages
                | Self::ResetRun
                | Self::Quit
                | Self::StopRun
        )
    }

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

            Self::SetLoss(loss) => t!("Imitation loss: {loss}", loss),
            Self::SetMaskSource(source) => t!("Imitation mask: {source}", source = tr(source.name())),
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
            Self::SetDifference(None) => t!("Difference: the loss").into(),
            Self::SetDifference(Some(kind)) => t!("Difference: {kind}", kind = tr(kind.label())),
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
            Self::BrowseForRun(RunFile::SearchOut) => t!("Choose the folder for the search…").into(),
            Self::BrowseForRun(RunFile::EarlierSearch) => t!("Open an earlier search…").into(),
            Self::BrowseForRun(RunFile::Handover) => t!("Hand over to YOLOv5…").into(),
            Self::EditRun(_) => t!("Change the set-up").into(),
            Self::FollowPicture => t!("Follow the picture").into(),
            Self::ShowRunChoice => t!("Show what the run imitates").into(),
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
            Self::StartSearch => t!("Search a setting that helps").into(),
            Self::StopSearch => t!("Stop the search").into(),
            Self::ResumeSearch => t!("Go on with the search").into(),
            Self::EditSearch(_) => t!("Change the search").into(),
            Self::OpenSearch(path) => t!("Open the search {folder}", folder = file_name(path)),
            Self::TakeSetting(name) => t!("Take the setting {name}", name),
            Self::ConfirmSetting(name, seeds) => t!("Confirm {name} with {seeds} seeds", name, seeds),
            Self::RunMoreSeeds(more) => t!("Run {count}", count = counted(*more as usize, "more seed", "more seeds")),
            Self::OpenRun(path) => t!("Open the run {run}", run = file_name(path)),
            Self::OpenReplays(_) => t!("Replay recorded runs").into(),
            Self::ToggleRun(_) => t!("Show or hide a run").into(),
            Self::RemoveRun(_) => t!("Take a run off the list").into(),
            Self::SetCurves(_) => t!("Change the plots").into(),
            Self::ExportCurves(None) => t!("Save the values of the plots (CSV)…").into(),
            Self::ExportCurves(Some(plot)) => t!("Save the values of {plot} (CSV)…", plot = tr(plot.name())),
            Self::StartSurvey => t!("Survey the masks of the dataset").into(),
            Self::SetSurveyMeasure(measure) => {
                t!("Survey plot: {measure}", measure = tr(measure.name()).to_lowercase())
            }
            Self::StartReview => t!("Review the models on the dataset").into(),
            Self::StopReview => t!("Stop the review").into(),
            Self::EditReview(_) => t!("Change what the review shows").into(),
            Self::OpenReviewed(_) => t!("Open an object of the review").into(),
            Self::StepReview(steps) if *steps < 0 => t!("Previous object of the review").into(),
            Self::StepReview(_) => t!("Next object of the review").into(),
            Self::ExportSurvey => t!("Save the counts of the mask survey (CSV)…").into(),
            Self::ToggleSnapshots => t!("Difference through the time of the run").into(),
            Self::ShowSnapshotsOf(_) => t!("Maps of another run").into(),
            Self::SeekSnapshot(_) => t!("Another moment of the run").into(),
            Self::PlaySnapshots => t!("Play the difference through time, or halt").into(),

            Self::OpenFigure(None | Some(FigureWhat::View)) => t!("Save a figure…").into(),
            Self::OpenFigure(Some(FigureWhat::Step)) => t!("Save this step as a figure…").into(),
            Self::OpenFigure(Some(FigureWhat::Story)) => t!("Save the story as figures…").into(),
            Self::OpenFigure(Some(FigureWhat::Curves(None))) => t!("Save the plots as a figure…").into(),
            Self::OpenFigure(Some(FigureWhat::Curves(Some(plot)))) => {
                t!("Save {plot} as a figure…", plot = tr(plot.name()))
            }
            Self::OpenFigure(Some(FigureWhat::Movie)) => t!("Save the run as a movie…").into(),
            Self::OpenFigure(Some(FigureWhat::Review)) => t!("Save the plots of the review as figures…").into(),
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
            Self::ToggleTerms => t!("Terms").into(),
            Self::TakeTour => t!("Take the tour").into(),
            Self::StepTour(steps) if *steps < 0 => t!("Previous stop of the tour").into(),
            Self::StepTour(_) => t!("Next stop of the tour").into(),
            Self::LeaveTour => t!("Skip the tour").into(),
            Self::ToggleFrameTimes => t!("Frame time").into(),
            Self::ToggleAbout => t!("About distillscope").into(),
            Self::Dismiss => t!("Close what is on top, unpin the cell, or end the solo").into(),
            Self::Quit => t!("Quit").into(),
        }
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
        JobKind::Search => t!("searching a setting"),
        JobKind::OpenSearch => t!("reading an earlier search"),
        JobKind::Batch => t!("making a batch"),
        JobKind::OpenRun => t!("reading an earlier run"),
        JobKind::OpenReplays => t!("reading a recorded run"),
        JobKind::Preflight => t!("checking the set-up"),
        JobKind::Survey => t!("surveying the masks"),
        JobKind::Review => t!("reviewing the models"),
        JobKind::Handover => t!("handing the run over"),
        JobKind::Figure => t!("saving a figure"),
        JobKind::FigurePreview => t!("drawing a preview"),
    }
}
