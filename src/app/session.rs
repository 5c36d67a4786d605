//! What a window works on: which files are open and how the method is set. It is kept from one start to the next among the
//! settings, and saved to and opened from a file of its own (TOML).
//!
//! A session names files and holds numbers; opening one runs nothing and writes nothing.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::dialog::{PickTarget, RunFile};
use crate::app::state::{ModelSlot, State};
use crate::app::view::ViewSettings;
use crate::figure::curves::CurveView;
use crate::files::{self, ReadError};
use crate::imitation::choice::{Loss, MaskChoice, MaskSource};
use crate::imitation::mask::{IouConvention, LevelRule, Psi};
use crate::inspect::{AdapterChoice, ImitationChoice, LabelSource, Role, Tap};

/// Of the form of the file.
pub(super) const VERSION: u32 = 1;
/// More than any session needs.
const MAX_BYTES: u64 = 256 * 1024;
/// Runs that are laid over one another again.
pub const MAX_RUNS: usize = 64;

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
            runs: state.runs.histories.iter().filter_map(|history| history.folder.clone()).take(MAX_RUNS).collect(),
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
    pub(super) fn imitation(&self) -> (ImitationChoice, bool) {
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
    fn files(&self) -> impl Iterator<Item = (PickTarget, &PathBuf)> {
        let data = match &self.data {
            Some(path) if path.extension().is_none() => PickTarget::Folder,
            _ => PickTarget::Data,
        };
        let one = [
            self.data.as_ref().map(|path| (data, path)),
            self.image.as_ref().map(|path| (PickTarget::Image, path)),
            self.labels.as_ref().map(|path| (PickTarget::Labels, path)),
            self.teacher.as_ref().map(|path| (PickTarget::Model(Role::Teacher), path)),
            self.student.as_ref().map(|path| (PickTarget::Model(Role::Student), path)),
            self.adapter.as_ref().map(|path| (PickTarget::Adapter, path)),
        ];
        let runs = self.runs.iter().map(|path| (PickTarget::ForRun(RunFile::Earlier), path));
        one.into_iter().flatten().chain(runs)
    }

    /// What of it is not where it was. It asks the disk.
    pub fn missing(&self) -> Vec<(PickTarget, PathBuf)> {
        self.files().filter(|(_, path)| !path.exists()).map(|(wanted, path)| (wanted, path.clone())).collect()
    }
}
