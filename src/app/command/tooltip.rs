//! What commands do, in a sentence each.

use super::super::dialog::RunFile;
use super::Command;
use crate::app::figure::FigureWhat;
use crate::app::run::RunTab;
use crate::glossary::Term;
use crate::inspect::{AdapterChoice, Role};
use crate::language::{t, tr};

impl Command {
    /// One sentence on what it does.
    pub fn tooltip(&self) -> &'static str {
        match self {
            Self::BrowseImage => {
                t!("JPEG, PNG, BMP, WebP or TIFF; its labels are found by YOLO's folder rule or beside it.")
            }
            Self::BrowseLabels => t!("YOLO txt, Pascal VOC XML or COCO JSON, for the image on screen."),
            Self::BrowseData => t!("A YOLO data.yaml: its images, splits and class names."),
            Self::BrowseFolder => t!("Every image of a folder, with the labels that belong to them."),
            Self::BrowseModel(Role::Teacher) => t!("YOLOv5 weights: .pt, .safetensors, or TorchScript."),
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
            Self::SetLoss(loss) => tr(loss.explanation()),
            Self::SetMaskSource(source) => tr(source.explanation()),
            Self::SetPsi(_) | Self::StepPsi(_) => tr(Term::Psi.explanation()),
            Self::SetRule(_) => tr(Term::LevelRule.explanation()),
            Self::SetConvention(_) => tr(Term::IouConvention.explanation()),
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
            Self::SetDifference(None) => t!("What each cell adds to the imitation loss: the sum is the loss."),
            Self::SetDifference(Some(_)) => tr(Term::Difference.explanation()),
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
            Self::SetRunTab(RunTab::Search) => {
                t!("Which imitation helps on these data, within a budget of minutes.")
            }
            Self::StartSearch => {
                t!("Short runs of several imitations, each beside the same run without; the best again on fresh seeds.")
            }
            Self::StopSearch => t!("Ends after the step in hand; Go on resumes it."),
            Self::ResumeSearch => t!("Goes on where the search that is shown stands, within the minutes that are set."),
            Self::EditSearch(_) => t!("The budget of the search, and where it goes."),
            Self::OpenSearch(_) | Self::BrowseForRun(RunFile::EarlierSearch) => {
                t!("Shows what a search on disk has found; it can go on.")
            }
            Self::BrowseForRun(RunFile::Handover) => {
                t!("Writes a folder from which YOLOv5's own trainer adds this imitation: on several GPUs or machines.")
            }
            Self::TakeSetting(_) => {
                t!("The next run is set up with this imitation and learning rate, as long as it was tried.")
            }
            Self::ConfirmSetting(..) => {
                t!("A paired run of this setting, on seeds that the search has not seen: they alone confirm it.")
            }
            Self::SetRunTab(RunTab::Survey) => t!("What every ψ and level rule mark over the open dataset."),
            Self::SetRunTab(RunTab::Review) => t!("Which objects of the open dataset each model finds."),
            Self::SetRunTab(RunTab::Paired) => t!("With and without imitation, seed by seed."),
            Self::BrowseForRun(RunFile::Data) => t!("A YOLO data.yaml with a train and a val split."),
            Self::BrowseForRun(RunFile::Teacher) => t!("The model that is imitated."),
            Self::BrowseForRun(RunFile::Student) => {
                t!("The model that is trained: a checkpoint, or a model yaml to start from nothing.")
            }
            Self::BrowseForRun(RunFile::Hyp) => t!("YOLOv5's hyperparameter files load as they are."),
            Self::BrowseForRun(RunFile::SearchOut) => t!("The table, the best setting and every run go in there."),
            Self::BrowseForRun(RunFile::Out) => t!("Configuration, curves and weights go in there."),
            Self::BrowseForRun(RunFile::Earlier) | Self::OpenRun(_) => {
                t!("Lays the curves of a run on disk over the others; a folder of pairs opens with all its runs.")
            }
            Self::EditRun(_) => t!("What the next run is asked to do."),
            Self::FollowPicture => t!("The next run takes loss, mask, tap and input size from the window again."),
            Self::ShowRunChoice => {
                t!("The picture and the read-outs take loss, mask and tap from the set-up of the run.")
            }
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
            Self::RunMoreSeeds(_) => t!(
                "Runs further seeds with imitation and without, and decides by the same rule. Choose how many before you look: \
                 whoever goes on until a verdict appears finds one too easily."
            ),
            Self::ToggleRun(_) => t!("Hidden runs are still in the list."),
            Self::RemoveRun(_) => t!("Its files stay."),
            Self::SetCurves(_) => t!("Which curves are shown, and how."),
            Self::ExportCurves(_) => t!("Every value of every visible run, raw and smoothed."),
            Self::OpenFigure(Some(FigureWhat::Curves(_))) => {
                t!("As they are shown, with axes, units and legend, for papers and talks.")
            }
            Self::OpenFigure(Some(FigureWhat::Review)) => {
                t!("Precision, recall and F1 curves, confusion and calibration of every model, a figure each.")
            }
            Self::OpenFigure(Some(FigureWhat::Survey)) => t!("The plots that are shown, with axes, units and legend."),
            Self::OpenFigure(Some(FigureWhat::Movie)) => {
                t!("The maps and curves of a run through its time, as animated WebP or GIF or numbered PNGs.")
            }
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
            Self::StartReview => {
                t!(
                    "Runs teacher, student and the runs that have ended over the split, and lists which objects each finds."
                )
            }
            Self::StopReview => t!("What is done by now is shown."),
            Self::EditReview(_) => t!("Which objects are shown, and in what order."),
            Self::OpenReviewed(_) => t!("Opens its image with that object alone."),
            Self::StepReview(_) => t!("In the order of the review."),
            Self::SetSurveyMeasure(measure) => tr(measure.explanation()),
            Self::ExportSurvey => t!("A row for each rule, ψ and scale, with everything counted."),
            Self::ToggleSnapshots => {
                t!("Lays the difference maps that the run has kept over the image, with one range of colours.")
            }
            Self::ShowSnapshotsOf(_) => t!("The same moment of another run."),
            Self::SeekSnapshot(_) => t!("Each map belongs to a step."),
            Self::PlaySnapshots => t!("From the start to the newest map."),
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
            Self::ToggleTerms => t!("Every word of the method in one sentence."),
            Self::TakeTour => t!("Five stops through the window, from the images to the run."),
            Self::StepTour(_) => t!("The arrow keys do the same."),
            Self::LeaveTour => t!("Esc does the same; Help has the tour again."),
            Self::ToggleFrameTimes => t!("How long the window takes to draw, over the last minute."),
            Self::ToggleAbout => t!("Version and licence."),
            Self::Dismiss => t!("Esc steps back."),
            Self::Quit => t!("Ends the program; settings are kept."),
        }
    }
}
