//! What a survey would be asked for now, and whether the one that is shown is of what is open.

use std::sync::Arc;

use crate::app::state::State;
use crate::dataset::Split;
use crate::figure::survey::SurveyExport;
use crate::language::{key, t};
use crate::survey::{SurveyOptions, psi_grid};
use crate::worker::SurveyRequest;

/// What a survey would be asked for now, or why it cannot be.
pub fn wanted(state: &State) -> Result<SurveyRequest, &'static str> {
    const NO_DATA: &str = key!("Open a dataset or a folder of images first.");
    let data = state.dataset.source.clone().ok_or(NO_DATA)?;
    // What it is follows a moment after.
    let brief = state.dataset.brief.as_ref().ok_or(NO_DATA)?;
    let split = brief.split.as_ref().and_then(|split| Split::ALL.into_iter().find(|known| known.name() == split));
    let anchors = state.anchors.as_ref().ok_or(key!("The models are being opened; their anchors follow."))?;
    let options =
        SurveyOptions { psis: psi_grid(state.imitation.mask.psi), convention: state.imitation.mask.convention };
    Ok(SurveyRequest { data, split, anchors: anchors.scales.clone(), input: state.input_size(), options })
}

impl State {
    /// The survey as it is shown; `None` before there is one.
    pub fn survey_export(&self) -> Option<SurveyExport> {
        let survey = Arc::clone(&self.survey.result.as_ref()?.survey);
        Some(SurveyExport { survey, measure: self.survey.measure, psi: self.imitation.mask.psi })
    }

    /// Why the survey that is shown is not one of what is open; `None` where it is. ψ and the rule do not matter: it
    /// has them all.
    pub fn survey_is_stale(&self) -> Option<&'static str> {
        let of = &self.survey.result.as_ref()?.request;
        let Ok(now) = wanted(self) else { return Some(t!("another dataset")) };
        if of.data != now.data {
            Some(t!("another dataset"))
        } else if of.split != now.split {
            Some(t!("another split"))
        } else if of.anchors != now.anchors {
            Some(t!("other anchors"))
        } else if of.input != now.input {
            Some(t!("another input size"))
        } else if of.options.convention != now.options.convention {
            Some(t!("the other IoU convention"))
        } else {
            None
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::app::command::Command;
    use crate::app::update::apply;
    use crate::app::update::effect::Effect;
    use crate::app::update::reports::receive;
    use crate::dataset::{Label, Sample, Samples};
    use crate::figure::survey::{Measure, panels};
    use crate::geometry::{BoundingBox, Size};
    use crate::imitation::mask::{LevelRule, Psi};
    use crate::palette;
    use crate::survey::survey;
    use crate::survey::{ObjectSize, Survey};
    use crate::worker::{DatasetBrief, Job, Report};
    use std::ops::ControlFlow;

    /// One 16 × 16 object in the middle of one image.
    fn of(request: &SurveyRequest) -> Survey {
        let bbox = BoundingBox::from_center(320.0, 320.0, 16.0, 16.0);
        let labels = vec![Label { class: 0, bbox }];
        let sample = Sample { image: "a.png".into(), size: Size::square(640), labels };
        let samples = Samples { names: vec!["a".into()], samples: vec![sample], ..Samples::default() };
        let SurveyRequest { anchors, input, options, .. } = request;
        survey(&samples, anchors, *input, options, &mut |_, _| ControlFlow::Continue(())).expect("not broken off")
    }

    fn with_dataset() -> State {
        let mut state = State::default();
        state.dataset.begin("d/data.yaml".into());
        let brief = DatasetBrief { source: "d/data.yaml".into(), split: Some("val".into()), ..DatasetBrief::default() };
        receive(&mut state, Report::Dataset(brief));
        state
    }

    fn asked(effects: &[Effect]) -> Option<SurveyRequest> {
        effects.iter().find_map(|effect| match effect {
            Effect::Send(Job::Survey(request)) => Some((**request).clone()),
            _ => None,
        })
    }

    fn surveyed() -> State {
        let mut state = with_dataset();
        let request = asked(&apply(&mut state, Command::StartSurvey)).expect("a job");
        let survey = Arc::new(of(&request));
        receive(&mut state, Report::Survey { request: Box::new(request), survey, skipped: 0 });
        state
    }

    #[test]
    fn without_images_a_survey_says_what_it_needs_and_a_folder_is_enough() {
        let mut state = State::default();
        assert_eq!(Command::StartSurvey.disabled(&state), Some("Open a dataset or a folder of images first."));
        assert!(apply(&mut state, Command::StartSurvey).is_empty());
        state.dataset.begin("photos".into());
        assert_eq!(Command::StartSurvey.disabled(&state), Some("Open a dataset or a folder of images first."));
        receive(&mut state, Report::Dataset(DatasetBrief { source: "photos".into(), ..DatasetBrief::default() }));
        let request = asked(&apply(&mut state, Command::StartSurvey)).expect("a job");
        assert_eq!((request.data, request.split), ("photos".into(), None));
    }

    #[test]
    fn what_is_open_is_surveyed_and_an_answer_to_something_else_is_dropped() {
        let mut state = with_dataset();
        state.imitation.mask.psi = Psi::saturating(0.33);
        let request = asked(&apply(&mut state, Command::StartSurvey)).expect("a job");
        assert_eq!((request.split, request.input), (Some(Split::Val), Size::square(640)));
        assert!(request.options.psis.contains(&Psi::saturating(0.33)));
        let survey = Arc::new(of(&request));
        let other = SurveyRequest { split: Some(Split::Train), ..request.clone() };
        receive(&mut state, Report::Survey { request: Box::new(other), survey: Arc::clone(&survey), skipped: 0 });
        assert_eq!(state.survey.result, None);
        receive(&mut state, Report::Survey { request: Box::new(request), survey, skipped: 2 });
        assert_eq!(state.survey.result.as_ref().map(|result| result.skipped), Some(2));
    }

    #[test]
    fn a_survey_goes_stale_by_what_it_depends_on_and_stays() {
        let mut state = surveyed();
        assert_eq!(state.survey_is_stale(), None);
        apply(&mut state, Command::SetPsi(0.9));
        apply(&mut state, Command::SetRule(LevelRule::Global));
        assert_eq!(state.survey_is_stale(), None);
        apply(&mut state, Command::SetInputSize(320));
        assert_eq!(state.survey_is_stale(), Some("another input size"));
        apply(&mut state, Command::SetInputSize(640));
        apply(&mut state, Command::OpenData("other.yaml".into()));
        assert_eq!(state.survey_is_stale(), Some("another dataset"));
        assert!(state.survey.result.is_some());
    }

    #[test]
    fn panels_hold_the_golden_counts_against_psi() {
        let state = surveyed();
        let survey = &state.survey.result.as_ref().expect("a survey").survey;
        let at_half = |measure, panel: usize, rule: usize| {
            let panels = panels(survey, measure, &palette::LIGHT);
            panels[panel].lines[rule].points.iter().find(|point| point[0] == 0.5).expect("ψ 0.5")[1]
        };
        // A 16 × 16 box marks 12, 12 and 8 cells per scale, and 12, 0 and 0 by the global rule.
        assert_eq!([0, 1, 2].map(|panel| at_half(Measure::Cells, panel, 0)), [12.0, 12.0, 8.0]);
        assert_eq!([0, 1, 2].map(|panel| at_half(Measure::Cells, panel, 1)), [12.0, 0.0, 0.0]);
        assert_eq!(at_half(Measure::Share, 2, 0), 100.0 * 8.0 / 400.0);
        assert_eq!(at_half(Measure::Size(ObjectSize::Small), 0, 0), 12.0);
        assert_eq!(at_half(Measure::Size(ObjectSize::Large), 0, 0), 0.0);
        assert_eq!(panels(survey, Measure::WithoutCell, &palette::LIGHT).len(), 1);
        assert_eq!(at_half(Measure::WithoutCell, 0, 0), 0.0);
    }

    #[test]
    fn a_survey_is_written_as_rows_and_as_a_figure() {
        let surveyed = surveyed().survey.result.expect("a survey");
        let export = SurveyExport { survey: surveyed.survey, measure: Measure::Share, psi: Psi::default() };
        assert!(export.csv().contains("\nper-scale,0.5,P3,12,0.001875,12,0,0,"));
        let svg = export.figure().render().expect("a figure").svg;
        for word in ["% of the map", "per-scale", "global", "assigned", "ψ = 0.5 is set", ">P5<"] {
            assert!(svg.contains(word), "{word}");
        }
    }
}
