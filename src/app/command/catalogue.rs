//! The commands that need nothing said with them: what the palette offers and the keys give.

use egui::ThemePreference;

use super::super::dialog::RunFile;
use super::{Command, INPUT_SIZES, PAGE, PSI_STEP};
use crate::app::figure::FigureWhat;
use crate::app::run::RunTab;
use crate::app::state::State;
use crate::app::view::{Camera, ChannelView, Layer, ScaleChoice};
use crate::colormap::ColorMap;
use crate::figure::survey::Measure;
use crate::imitation::choice::{Loss, MaskSource};
use crate::imitation::difference::DifferenceKind;
use crate::imitation::mask::{IouConvention, LevelRule};
use crate::inspect::{AdapterChoice, Role, Tap};
use crate::language::{LanguageChoice, t};

/// How far one press of a zoom key zooms.
const ZOOM_STEP: f32 = 1.25;
/// Rows and columns from a cell to its neighbours.
const PIN_STEPS: [(isize, isize); 4] = [(-1, 0), (1, 0), (0, -1), (0, 1)];

impl Command {
    /// Everything on offer, by what it is about and in the order of the menus: the parts of the key sheet.
    pub fn groups(state: &State) -> [(&'static str, Vec<Self>); 6] {
        [
            (t!("Files"), Self::of_files(state)),
            (t!("Mask and features"), Self::of_the_method(state)),
            (t!("View"), Self::of_the_view(state)),
            (t!("Run"), Self::of_the_run(state)),
            (t!("Talk"), vec![Self::ToggleTalk]),
            (t!("Window"), Self::of_the_window()),
        ]
    }

    /// Everything the palette offers and the keys give.
    pub fn catalogue(state: &State) -> Vec<Self> {
        Self::groups(state).into_iter().flat_map(|(_, commands)| commands).collect()
    }

    fn of_files(state: &State) -> Vec<Self> {
        let mut all = vec![Self::BrowseImage, Self::BrowseFolder, Self::BrowseData, Self::BrowseLabels];
        all.extend(Role::ALL.map(Self::BrowseModel));
        all.extend([Self::BrowseAdapter, Self::BrowseReplay]);
        all.extend([Self::OpenSample, Self::BrowseSession, Self::SaveSession]);
        all.extend([Self::OpenFigure(None), Self::OpenFigure(Some(FigureWhat::Story))]);
        all.extend(state.recent.iter().cloned().map(Self::Open));
        all.push(Self::ForgetRecent);
        all.extend(Role::ALL.map(Self::CloseModel));
        all.extend(Role::ALL.map(Self::ShowLoadReport));
        all.extend([1, -1, PAGE, -PAGE].map(Self::StepImage));
        all.push(Self::FocusSearch);
        all.extend(state.dataset.splits().iter().cloned().map(Self::SetSplit));
        all.push(Self::CompareAgain);
        all.extend(state.activities.iter().map(|activity| Self::Cancel(activity.kind)));
        all
    }

    fn of_the_method(state: &State) -> Vec<Self> {
        let mut all: Vec<Self> = [PSI_STEP, -PSI_STEP].map(Self::StepPsi).into();
        all.extend(Loss::ALL.map(Self::SetLoss));
        all.extend(MaskSource::ALL.map(Self::SetMaskSource));
        all.extend(LevelRule::ALL.map(Self::SetRule));
        all.extend(IouConvention::ALL.map(Self::SetConvention));
        all.extend([1, -1].map(Self::StepSolo));
        all.push(Self::Solo(None));
        all.extend(Tap::ALL.map(Self::SetTap));
        all.extend([AdapterChoice::LeastSquares, AdapterChoice::None].map(Self::SetAdapter));
        all.push(Self::SetDifference(None));
        all.extend(DifferenceKind::ALL.map(Some).map(Self::SetDifference));
        all.extend([ChannelView::All, ChannelView::One(0), ChannelView::Top(8)].map(Self::SetChannels));
        all.push(Self::SetInsideMask(!state.view.inside_mask));
        all.extend(INPUT_SIZES.map(Self::SetInputSize));
        all.extend(state.device_choices().into_iter().map(Self::SetDevice));
        all
    }

    fn of_the_view(state: &State) -> Vec<Self> {
        let mut all: Vec<Self> = Layer::ALL.map(Self::SetLayer).into();
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
        all
    }

    fn of_the_run(state: &State) -> Vec<Self> {
        let mut all = vec![Self::ToggleRunPanel];
        all.extend(RunTab::ALL.map(Self::SetRunTab));
        all.push(Self::Preflight);
        all.extend([Self::StartRun, Self::PauseRun, Self::StopRun, Self::ResumeRun, Self::ResetRun]);
        all.extend([Self::StartSearch, Self::StopSearch, Self::ResumeSearch]);
        all.extend(state.runs.paired().map(|paired| Self::RunMoreSeeds(paired.further())));
        all.extend([Self::FollowPicture, Self::ShowRunChoice]);
        all.extend([1, -1].map(Self::StepBatch));
        all.push(Self::RemakeBatch);
        all.push(Self::SetBatchScale(None));
        all.extend(state.strides().map(|stride| Self::SetBatchScale(Some(stride))));
        all.extend([RunFile::Data, RunFile::Teacher, RunFile::Student].map(Self::BrowseForRun));
        all.extend([RunFile::Hyp, RunFile::Out, RunFile::Earlier].map(Self::BrowseForRun));
        all.extend([RunFile::SearchOut, RunFile::EarlierSearch, RunFile::Handover].map(Self::BrowseForRun));
        all.extend([Self::ExportCurves(None), Self::OpenFigure(Some(FigureWhat::Curves(None)))]);
        all.push(Self::StartSurvey);
        all.extend([Self::StartReview, Self::StopReview]);
        all.extend([1, -1].map(Self::StepReview));
        all.push(Self::OpenFigure(Some(FigureWhat::Review)));
        all.extend(Measure::ALL.map(Self::SetSurveyMeasure));
        all.extend([Self::ExportSurvey, Self::OpenFigure(Some(FigureWhat::Survey))]);
        all.extend([Self::ToggleSnapshots, Self::PlaySnapshots, Self::OpenFigure(Some(FigureWhat::Movie))]);
        all
    }

    fn of_the_window() -> Vec<Self> {
        let mut all: Vec<Self> =
            [ThemePreference::System, ThemePreference::Light, ThemePreference::Dark].map(Self::SetTheme).into();
        all.extend(LanguageChoice::ALL.map(Self::SetLanguage));
        all.extend([Self::TogglePalette, Self::ToggleMessages, Self::ClearMessages]);
        all.extend([Self::ToggleKeys, Self::ToggleTerms, Self::TakeTour]);
        all.extend([Self::ToggleFrameTimes, Self::ToggleAbout, Self::Dismiss, Self::Quit]);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_on_offer_has_a_name_of_its_own_and_says_what_it_does() {
        let mut labels = std::collections::BTreeSet::new();
        for command in Command::catalogue(&State::default()) {
            assert!(command.tooltip().ends_with('.'), "{command:?}");
            assert!(labels.insert(command.label()), "two commands are called {}", command.label());
        }
    }

    /// The variants of [`Command`] that carry nothing, read from its source.
    fn bare_variants() -> Vec<&'static str> {
        let source = include_str!("mod.rs");
        let body =
            source.split_once("pub enum Command {").and_then(|(_, rest)| rest.split_once("\n}")).expect("the enum");
        let lines = body.0.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        lines.filter_map(|line| line.strip_suffix(',')).filter(|name| name.chars().all(char::is_alphanumeric)).collect()
    }

    #[test]
    fn whatever_needs_nothing_said_with_it_is_on_offer() {
        // What is said in a sheet, in the tour or on stage alone.
        const ELSEWHERE: [&str; 5] = ["ForgetMissing", "LeaveTour", "BrowseFigureFolder", "WriteFigure", "BlankTalk"];
        let variants = bare_variants();
        assert!(variants.len() > 30, "the enum was not understood: {variants:?}");
        let offered: Vec<String> =
            Command::catalogue(&State::default()).iter().map(|command| format!("{command:?}")).collect();
        let missing: Vec<&str> = variants
            .into_iter()
            .filter(|name| !ELSEWHERE.contains(name) && !offered.iter().any(|other| other == name))
            .collect();
        assert!(missing.is_empty(), "not in the palette: {missing:?}");
    }
}
