//! What the talk shows of what is open.

use std::sync::Arc;

use crate::app::state::State;
use crate::inspect::{StorySource, usual_truth};
use crate::story::{Step, StoryNumbers};
use crate::train::history::RunHistory;

/// The steps that there are: without a run the talk ends before those that are about one.
pub fn steps(state: &State) -> &'static [Step] {
    Step::all(run(state).is_some())
}

/// The ground truth that is told of: the soloed one, else the one that is best told of.
pub fn truth(state: &State) -> Option<usize> {
    state.solo.or_else(|| state.scene.as_deref().and_then(usual_truth))
}

/// The run that is told of: the one whose maps are shown, else the current one; of a pair the one with imitation.
pub fn run(state: &State) -> Option<&Arc<RunHistory>> {
    let runs = &state.runs;
    let current = || {
        let history = runs.current()?;
        let baseline = runs.pairs().find(|(_, baseline)| baseline.key == history.key);
        Some(baseline.map_or(history, |(imitation, _)| imitation))
    };
    runs.playback.and_then(|playback| runs.history(playback.history)).or_else(current)
}

/// What the window knows of the image on screen and of the run, in numbers. `cell`: the one whose anchors
/// are shown, as (stride, row, col).
pub fn numbers(state: &State, cell: Option<(u32, usize, usize)>) -> StoryNumbers {
    let run = run(state).map(|history| state.runs.story(history));
    let Some(scene) = state.scene.as_deref() else { return StoryNumbers { run, ..StoryNumbers::default() } };
    let recorded = state.runs.recorded();
    let source = StorySource {
        scene,
        anchors: state.scales(),
        field: state.field.as_deref(),
        mask: state.mask.as_deref(),
        choice: state.imitation.mask,
        comparison: state.comparison.as_deref(),
        tap: recorded.as_ref().map_or(state.imitation.compared.tap, |imitation| imitation.tap).name(),
        lambda: recorded
            .map_or(state.runs.form.experiment.config.imitation.lambda, |imitation| imitation.lambda)
            .nominal(),
        truth: truth(state),
        cell,
    };
    let measures = state.measures.as_ref();
    let numbers = source.numbers(|stride| measures?.scale(stride)?.squares);
    StoryNumbers { run, ..numbers }
}
