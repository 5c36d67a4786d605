//! A session comes back.

use std::path::PathBuf;

use crate::app::command::INPUT_SIZES;
use crate::app::dialog::PickTarget;
use crate::app::level::Level;
use crate::app::session::{MAX_RUNS, Session};
use crate::app::state::{Overlay, State};
use crate::app::update::effect::{Effect, tell};
use crate::app::update::open::{open_image, open_labels, open_list, open_model};
use crate::inspect::{AdapterChoice, Role};
use crate::language::t;

/// Opens what is there and asks for the rest.
pub(super) fn restore(
    state: &mut State,
    session: Session,
    missing: Vec<(PickTarget, PathBuf)>,
    effects: &mut Vec<Effect>,
) {
    let there = |path: Option<PathBuf>| path.filter(|path| !missing.iter().any(|(_, gone)| gone == path));
    (state.imitation, state.loss_is_chosen) = session.imitation();
    let known = INPUT_SIZES.contains(&session.imgsz);
    state.input_side = if known { session.imgsz } else { Session::default().imgsz };
    state.view = session.view.checked().kept();
    state.runs.view = session.curves.checked();
    state.runs.open = session.run_panel;
    let image = there(session.image);
    if let Some(data) = there(session.data) {
        open_list(state, data, session.split, effects);
        state.dataset.open_first = image.is_none();
    }
    if let Some(image) = image {
        open_image(state, image, effects);
        if let Some(labels) = there(session.labels) {
            open_labels(state, labels, effects);
        }
    }
    for (role, path) in [(Role::Teacher, session.teacher), (Role::Student, session.student)] {
        if let Some(path) = there(path) {
            open_model(state, role, path, effects);
        }
    }
    state.imitation.compared.adapter = match there(session.adapter) {
        Some(path) => AdapterChoice::Run(path),
        None if session.use_adapter => AdapterChoice::LeastSquares,
        None => AdapterChoice::None,
    };
    let runs = session.runs.into_iter().take(MAX_RUNS);
    state.runs.to_open.extend(runs.filter_map(|run| there(Some(run))));
    if !missing.is_empty() {
        let text = t!("{count} of its files are not where they were", count = missing.len());
        tell(state, Level::Warning, t!("the session"), text, effects);
        state.missing = missing;
        state.overlay = Some(Overlay::Missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::dialog::RunFile;
    use crate::app::session::VERSION;
    use crate::app::state::ModelSlot;
    use crate::app::view::RangeMode;
    use crate::imitation::choice::{Loss, MaskChoice, MaskSource};
    use crate::imitation::difference::DifferenceKind;
    use crate::imitation::mask::{IouConvention, LevelRule, Psi};
    use crate::inspect::{ImitationChoice, Tap};

    fn read(text: &str) -> Result<Session, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.toml");
        std::fs::write(&path, text).expect("written");
        Session::read(&path)
    }

    #[test]
    fn a_session_comes_back_as_it_was() {
        let mut state = State { image: Some("/data/細胞.jpg".into()), loss_is_chosen: true, ..State::default() };
        state.imitation.set_loss(Loss::FEATURES);
        state.imitation.compared.tap = Tap::Backbone;
        state.imitation.compared.adapter = AdapterChoice::Run("/runs/a".into());
        state.imitation.mask = MaskChoice {
            source: MaskSource::Box,
            psi: Psi::saturating(0.3),
            rule: LevelRule::Assigned,
            convention: IouConvention::Seed,
        };
        state.view.opacity = 0.25;
        let session = Session::of(&state);
        let back = read(&session.to_toml().expect("TOML")).expect("a session");
        assert_eq!(back, session);
        let mut other = State::default();
        restore(&mut other, back, Vec::new(), &mut Vec::new());
        assert_eq!((other.imitation, other.loss_is_chosen), (state.imitation, true));
        assert_eq!((other.image, other.view.opacity), (state.image, 0.25));
    }

    /// The loss that nobody chose still follows the next models.
    #[test]
    fn a_loss_that_follows_the_models_goes_on_to() {
        let state = State::default();
        let back = read(&Session::of(&state).to_toml().expect("TOML")).expect("a session");
        let mut other = State::default();
        other.imitation.set_loss(Loss::LOGITS);
        restore(&mut other, back, Vec::new(), &mut Vec::new());
        assert_eq!((other.imitation, other.loss_is_chosen), (state.imitation, false));
    }

    /// Version 0.1.0 wrote these fields, and compared squares at the tap inside the IoU mask.
    #[test]
    fn a_session_of_the_first_version_shows_what_it_showed() {
        for (tap, loss) in [("neck", Loss::FEATURES), ("backbone", Loss::FEATURES), ("head", Loss::LOGITS)] {
            let text = format!(
                "distillscope_session = 1\nuse_adapter = true\npsi = 0.4\nlevel_rule = \"per-scale\"\niou = \"seed\"\n\
                 tap = \"{tap}\"\nimgsz = 320\n[view]\nlayer = \"difference\"\ndifference = \"squared-l2\"\n"
            );
            let mut state = State::default();
            restore(&mut state, read(&text).expect("a session"), Vec::new(), &mut Vec::new());
            let ImitationChoice { compared, mask } = &state.imitation;
            assert_eq!((compared.loss, compared.tap.name(), state.loss_is_chosen), (loss, tap, true));
            assert_eq!(compared.adapter, AdapterChoice::LeastSquares);
            let rule = LevelRule::PerScale;
            let (psi, convention) = (Psi::saturating(0.4), IouConvention::Seed);
            assert_eq!(*mask, MaskChoice { source: MaskSource::Iou, psi, rule, convention });
            assert_eq!(state.view.difference, Some(DifferenceKind::SquaredL2));
        }
    }

    #[test]
    fn a_locked_range_is_not_kept() {
        let mut state = State::default();
        state.view.range = RangeMode::Locked { low: 0.0, high: 1.0 };
        assert_eq!(Session::of(&state).view.range, RangeMode::Auto);
    }

    #[test]
    fn what_is_no_session_is_told_in_a_sentence() {
        for (text, says) in [
            ("", "is missing"),
            ("data = \"x\"", "is missing"),
            ("distillscope_session = 7", "version 7"),
            ("distillscope_session = \"a\"", "invalid type"),
            ("\u{0}\u{1}", "key with no value"),
            ("distillscope_session = 1\npsi = \"high\"", "invalid type"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(says), "{text:?}: {error}");
        }
        let long = format!("# {}\ndistillscope_session = 1", "x".repeat(300 * 1024));
        assert!(read(&long).expect_err("too long").contains("larger than 256 KiB"));
    }

    #[test]
    fn hostile_numbers_are_brought_into_bounds() {
        let session =
            read("distillscope_session = 1\npsi = nan\nimgsz = 4000000000\n[view]\nopacity = inf").expect("read");
        let mut state = State::default();
        restore(&mut state, session, Vec::new(), &mut Vec::new());
        assert_eq!((state.imitation.mask.psi.get(), state.input_side, state.view.opacity), (0.5, 640, 0.6));
    }

    #[test]
    fn what_has_moved_is_asked_for_and_the_rest_opens() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path().join("s.pt");
        std::fs::write(&here, b"x").expect("written");
        let session = Session {
            distillscope_session: VERSION,
            teacher: Some("/nowhere/t.pt".into()),
            student: Some(here.clone()),
            runs: vec!["/nowhere/run".into(), folder.path().to_path_buf()],
            ..Session::default()
        };
        let missing = session.missing();
        let names: Vec<PickTarget> = missing.iter().map(|(wanted, _)| *wanted).collect();
        assert_eq!(names, [PickTarget::Model(Role::Teacher), PickTarget::ForRun(RunFile::Earlier)]);
        let mut state = State::default();
        restore(&mut state, session, missing, &mut Vec::new());
        assert_eq!(state.overlay, Some(Overlay::Missing));
        assert!(matches!(state.model(Role::Student), ModelSlot::Loading { path, .. } if *path == here));
        assert!(matches!(state.model(Role::Teacher), ModelSlot::Empty));
        assert_eq!(state.runs.to_open, [folder.path().to_path_buf()]);
    }
}
