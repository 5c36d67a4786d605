//! Asks what the student detected before and after a run, when the talk comes to it.

use std::sync::Arc;

use crate::app::derive::talk;
use crate::app::state::State;
use crate::app::update::effect::Effect;
use crate::inspect::{Role, named};
use crate::story::Step;
use crate::train::config::{RunConfig, Start};
use crate::train::history::{Before, Shared};
use crate::worker::{BeforeAfterRequest, Job};

/// What the open student detects just now, where it is the one that the run starts from.
pub(super) fn now(state: &State, config: &RunConfig) -> Option<Before> {
    let card = state.card(Role::Student)?;
    let starts = config.start() == Start::Checkpoint(card.path.clone());
    let scene = state.scene.as_ref().filter(|_| starts && !state.replayed)?;
    let found = state.comparison.as_ref()?.student_detections.as_deref()?;
    Some(Before { scene: Shared::new(Arc::clone(scene)), found: named(found, &card.names).into() })
}

/// Asks what is not known yet of the run and the image that the talk shows.
pub(super) fn follow(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(mut request) = wanted(state) else { return };
    if state.before_after.asked.as_ref() == Some(&request) {
        return;
    }
    if request.before.is_none()
        && let Some((_, known)) = state.before_after.known.as_ref().filter(|(known, _)| known.is_of(&request))
    {
        // It stays as it was, however long the run trains.
        request.before = known.before.as_ref().ok().cloned();
    }
    state.before_after.asked = Some(request.clone());
    effects.push(Effect::Send(Job::BeforeAfter(Box::new(request))));
}

fn wanted(state: &State) -> Option<BeforeAfterRequest> {
    let on_stage = state.talk.on && state.talk.step >= Step::Run && !state.replayed;
    let history = talk::run(state).filter(|_| on_stage)?;
    let scene = state.scene.as_ref()?;
    let before = history.before.as_ref().filter(|before| before.scene == Shared::new(Arc::clone(scene)));
    Some(BeforeAfterRequest {
        scene: Arc::clone(scene),
        folder: history.place()?.to_path_buf(),
        start: history.start.clone(),
        before: before.map(|before| Arc::clone(&before.found)),
        progress: history.epochs.len() + usize::from(history.outcome.is_some()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::command::Command;
    use crate::app::update::apply;
    use crate::app::update::reports::receive;
    use crate::geometry::{BoundingBox, Letterbox, Size};
    use crate::inspect::{DetectionView, Scene};
    use crate::train::event::EpochRecord;
    use crate::worker::{BeforeAfter, Unknown};
    use crate::worker::{EarlierRun, JobKind, Report};

    fn scene() -> Arc<Scene> {
        let size = Size::square(64);
        let picture = Arc::new(image::RgbImage::new(64, 64));
        Arc::new(Scene {
            path: "a.jpg".into(),
            size,
            letterbox: Letterbox::fit(size, size, true),
            input: Arc::clone(&picture),
            display: picture,
            labels: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// On an image, with an earlier run of so many epochs.
    fn state(epochs: u32) -> State {
        let mut state = State { scene: Some(scene()), ..State::default() };
        add_run(&mut state, epochs);
        state
    }

    fn add_run(state: &mut State, epochs: u32) {
        let epochs = (0..epochs).map(|epoch| EpochRecord { epoch, ..EpochRecord::default() }).collect();
        let config = Some(Box::new(RunConfig { student: "s.pt".into(), ..RunConfig::default() }));
        let run = EarlierRun { folder: "runs/run-1".into(), config, epochs, ..EarlierRun::default() };
        receive(state, Report::EarlierRun(Box::new(run)));
    }

    fn asked(effects: &[Effect]) -> Vec<&BeforeAfterRequest> {
        let asked = effects.iter().filter_map(|effect| match effect {
            Effect::Send(Job::BeforeAfter(request)) => Some(&**request),
            _ => None,
        });
        asked.collect()
    }

    fn detection() -> Arc<[DetectionView]> {
        let bbox = BoundingBox::new(0.0, 0.0, 8.0, 8.0);
        vec![DetectionView { name: "cell".into(), score: 0.5, bbox }].into()
    }

    #[test]
    fn it_is_asked_once_when_the_story_comes_to_its_run() {
        let mut state = state(1);
        assert!(asked(&apply(&mut state, Command::ToggleTalk)).is_empty());
        let effects = apply(&mut state, Command::SeekTalk(Step::Run as usize));
        let requests = asked(&effects);
        assert_eq!(requests.len(), 1);
        assert_eq!((requests[0].folder.as_path(), requests[0].progress), (std::path::Path::new("runs/run-1"), 1));
        assert_eq!(requests[0].start, Some(Start::Checkpoint("s.pt".into())));
        assert!(asked(&apply(&mut state, Command::StepTalk(1))).is_empty(), "it is on its way");
    }

    #[test]
    fn another_epoch_asks_for_what_is_after_alone_and_shows_the_old_until_then() {
        let mut state = state(1);
        apply(&mut state, Command::ToggleTalk);
        let effects = apply(&mut state, Command::SeekTalk(Step::BeforeAfter as usize));
        let request = Box::new(asked(&effects)[0].clone());
        let untrained = Unknown::Untrained("runs/run-1".into());
        let found = BeforeAfter { before: Ok(detection()), after: Err(untrained), names: Vec::new() };
        receive(&mut state, Report::BeforeAfter { request: request.clone(), found: Arc::new(found.clone()) });
        assert_eq!(state.before_after.found(), Some(&found));

        add_run(&mut state, 2);
        let next = state.before_after.asked.clone().expect("asked again");
        assert_eq!((next.progress, next.before), (2, Some(detection())));
        assert_eq!(state.before_after.found(), Some(&found));
        // An answer to the older question comes too late.
        let late = BeforeAfter { before: Err(Unknown::Random), ..found.clone() };
        receive(&mut state, Report::BeforeAfter { request, found: Arc::new(late) });
        assert_eq!(state.before_after.found(), Some(&found));

        state.scene = Some(scene());
        apply(&mut state, Command::StepTalk(-1));
        assert_eq!(state.before_after.found(), None, "of another image nothing is known");
    }

    #[test]
    fn what_failed_or_was_cancelled_is_asked_again_when_the_talk_is_entered_again() {
        let mut state = state(1);
        apply(&mut state, Command::ToggleTalk);
        apply(&mut state, Command::SeekTalk(Step::BeforeAfter as usize));
        apply(&mut state, Command::Cancel(JobKind::BeforeAfter));
        let unknown = |state: &State| matches!(state.before_after.found(), Some(BeforeAfter { after: Err(_), .. }));
        assert!(unknown(&state));
        assert!(asked(&apply(&mut state, Command::ToggleTalk)).is_empty());
        assert_eq!(asked(&apply(&mut state, Command::ToggleTalk)).len(), 1);
        let (what, failure) = ("an internal error".to_owned(), "boom".into());
        receive(&mut state, Report::Failed { kind: JobKind::BeforeAfter, what, failure });
        assert!(unknown(&state));
    }

    #[test]
    fn an_image_or_a_run_too_few_asks_nothing() {
        // Without a run there is no such step.
        let mut alone = State { scene: Some(scene()), ..State::default() };
        let mut blind = state(1);
        blind.scene = None;
        for state in [&mut alone, &mut blind] {
            apply(state, Command::ToggleTalk);
            assert!(asked(&apply(state, Command::SeekTalk(Step::BeforeAfter as usize))).is_empty());
        }
    }
}
