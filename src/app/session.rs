//! What a window works on: which files are open and how the method is set. It is kept from one start to the next among the
//! settings, and saved to and opened from a file of its own (TOML).
//!
//! A session names files and holds numbers; opening one runs nothing and writes nothing.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::command::RunFile;
use crate::app::desk::Wanted;
use crate::app::language::t;
use crate::app::run::CurveView;
use crate::app::update::{Effect, open_image, open_labels, open_list, open_model, tell};
use crate::app::view::ViewSettings;
use crate::app::{INPUT_SIZES, Level, ModelSlot, Overlay, State};
use crate::files::{self, ReadError};
use crate::imitation::choice::{Loss, MaskChoice, MaskSource};
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::{AdapterChoice, ImitationChoice, LabelSource, Role, Tap};

/// Of the form of the file.
const VERSION: u32 = 1;
/// More than any session needs.
const MAX_BYTES: u64 = 256 * 1024;
/// Runs that are laid over one another again.
const MAX_RUNS: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The version of the form; a file without it is no session.
    pub distillscope_session: u32,
    /// The data.yaml or folder that is listed.
    pub data: Option<PathBuf>,
    pub split: Option<String>,
    pub image: Option<PathBuf>,
    /// Labels that do not lie where YOLOv5 looks for them.
    pub labels: Option<PathBuf>,
    pub teacher: Option<PathBuf>,
    pub student: Option<PathBuf>,
    /// The run whose adapters are used.
    pub adapter: Option<PathBuf>,
    pub use_adapter: bool,
    /// Folders of the runs that are overlaid.
    pub runs: Vec<PathBuf>,
    pub run_panel: bool,
    pub psi: f32,
    pub level_rule: LevelRule,
    pub iou: IouConvention,
    /// `None` is the usual one of the loss.
    pub tap: Option<Tap>,
    /// `None` is the usual one; in a file of version 0.1.0, which knew no losses, that of the tap.
    pub loss: Option<Loss>,
    /// A person has chosen the loss.
    pub loss_is_chosen: bool,
    pub mask_source: Option<MaskSource>,
    /// Side of the square input in px.
    pub imgsz: u32,
    pub view: ViewSettings,
    pub curves: CurveView,
}

impl Default for Session {
    fn default() -> Self {
        let usual = ImitationChoice::default().mask;
        Self {
            distillscope_session: 0,
            data: None,
            split: None,
            image: None,
            labels: None,
            teacher: None,
            student: None,
            adapter: None,
            use_adapter: true,
            runs: Vec::new(),
            run_panel: false,
            psi: usual.psi.get(),
            level_rule: usual.rule,
            iou: usual.convention,
            tap: None,
            loss: None,
            loss_is_chosen: false,
            mask_source: None,
            imgsz: 640,
            view: ViewSettings::default(),
            curves: CurveView::default(),
        }
    }
}

impl Session {
    /// What the window works on now.
    pub fn of(state: &State) -> Self {
        let weights = |role| match state.model(role) {
            ModelSlot::Empty => None,
            ModelSlot::Loading { path, .. } | ModelSlot::Failed { path, .. } => Some(path.clone()),
            ModelSlot::Ready { card } => Some(card.path.clone()),
        };
        let ImitationChoice { compared, mask } = &state.imitation;
        Self {
            distillscope_session: VERSION,
            data: state.dataset.source.clone(),
            split: state.dataset.split().cloned(),
            image: state.image.clone(),
            labels: match &state.labels {
                LabelSource::Beside => None,
                LabelSource::File(path) => Some(path.clone()),
            },
            teacher: weights(Role::Teacher),
            student: weights(Role::Student),
            adapter: match &compared.adapter {
                AdapterChoice::Run(path) => Some(path.clone()),
                AdapterChoice::LeastSquares | AdapterChoice::None => None,
            },
            use_adapter: compared.adapter != AdapterChoice::None,
            runs: state.runs.tracks.iter().filter_map(|track| track.folder.clone()).take(MAX_RUNS).collect(),
            run_panel: state.runs.open,
            psi: mask.psi.get(),
            level_rule: mask.rule,
            iou: mask.convention,
            tap: Some(compared.tap),
            loss: Some(compared.loss),
            loss_is_chosen: state.loss_is_chosen,
            mask_source: Some(mask.source),
            imgsz: state.input_side,
            view: state.view.kept(),
            curves: state.runs.view.clone(),
        }
    }

    /// What was imitated, without the adapter, and whether a person had chosen the loss.
    fn imitation(&self) -> (ImitationChoice, bool) {
        let mut choice = ImitationChoice::default();
        // What version 0.1.0 showed at a tap was the loss of that tap, and a person's choice as good as any.
        let of_tap = self.tap.filter(|_| self.mask_source.is_none()).map(|tap| Loss::usual_at(tap == Tap::Head));
        if let Some(loss) = self.loss.or(of_tap) {
            choice.set_loss(loss);
        }
        if let Some(tap) = self.tap.filter(|tap| choice.offers(*tap)) {
            choice.compared.tap = tap;
        }
        let source = self.mask_source.unwrap_or(choice.mask.source);
        choice.mask =
            MaskChoice { source, psi: Psi::saturating(self.psi), rule: self.level_rule, convention: self.iou };
        (choice, self.loss_is_chosen || (self.loss.is_none() && of_tap.is_some()))
    }

    /// Whether there is anything to open.
    pub fn is_empty(&self) -> bool {
        self.files().next().is_none()
    }

    /// Reads a file. The error says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = files::read_text(path, MAX_BYTES).map_err(|error| match error {
            ReadError::TooLarge { .. } => format!("larger than {} KiB, which no session is", MAX_BYTES / 1024),
            error => error.what(),
        })?;
        let session: Self = toml::from_str(&text).map_err(|error| files::toml_problem(&error))?;
        match session.distillscope_session {
            VERSION => Ok(session),
            0 => Err("not a session: `distillscope_session = 1` is missing".to_owned()),
            newer => Err(format!("a session of version {newer}; this program reads version {VERSION}")),
        }
    }

    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string_pretty(self).map_err(|error| error.to_string())
    }

    /// Every file or folder that it names, and as what.
    fn files(&self) -> impl Iterator<Item = (Wanted, &PathBuf)> {
        let data = match &self.data {
            Some(path) if path.extension().is_none() => Wanted::Folder,
            _ => Wanted::Data,
        };
        let one = [
            self.data.as_ref().map(|path| (data, path)),
            self.image.as_ref().map(|path| (Wanted::Image, path)),
            self.labels.as_ref().map(|path| (Wanted::Labels, path)),
            self.teacher.as_ref().map(|path| (Wanted::Model(Role::Teacher), path)),
            self.student.as_ref().map(|path| (Wanted::Model(Role::Student), path)),
            self.adapter.as_ref().map(|path| (Wanted::Adapter, path)),
        ];
        let runs = self.runs.iter().map(|path| (Wanted::ForRun(RunFile::Earlier), path));
        one.into_iter().flatten().chain(runs)
    }

    /// What of it is not where it was. It asks the disk.
    pub fn missing(&self) -> Vec<(Wanted, PathBuf)> {
        self.files().filter(|(_, path)| !path.exists()).map(|(wanted, path)| (wanted, path.clone())).collect()
    }
}

/// Opens what is there and asks for the rest.
pub(super) fn restore(state: &mut State, session: Session, missing: Vec<(Wanted, PathBuf)>, effects: &mut Vec<Effect>) {
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
    use crate::app::view::RangeMode;
    use crate::imitation::difference::DifferenceKind;

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
        let names: Vec<Wanted> = missing.iter().map(|(wanted, _)| *wanted).collect();
        assert_eq!(names, [Wanted::Model(Role::Teacher), Wanted::ForRun(RunFile::Earlier)]);
        let mut state = State::default();
        restore(&mut state, session, missing, &mut Vec::new());
        assert_eq!(state.overlay, Some(Overlay::Missing));
        assert!(matches!(state.model(Role::Student), ModelSlot::Loading { path, .. } if *path == here));
        assert!(matches!(state.model(Role::Teacher), ModelSlot::Empty));
        assert_eq!(state.runs.to_open, [folder.path().to_path_buf()]);
    }
}
