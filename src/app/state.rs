//! What the window knows: plain values that panels draw and that only [`crate::app::update`] changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::ThemePreference;

use crate::app::before_after::BeforeAfterState;
use crate::app::dataset::Dataset;
use crate::app::dialog::PickTarget;
use crate::app::figure::FigureState;
use crate::app::frames::FrameTimes;
use crate::app::measures::Measures;
use crate::app::messages::Messages;
use crate::app::review::ReviewState;
use crate::app::run::Runs;
use crate::app::survey::SurveyState;
use crate::app::talk::TalkState;
use crate::app::tour::Stop;
use crate::app::view::{Camera, Hover, Pin, ViewSettings};
use crate::format::seconds_left;
use crate::geometry::Size;
use crate::imitation::choice::{MaskChoice, Mismatch, ModelFacts};
use crate::imitation::mask::{ImitationMask, IouConvention, IouField};
use crate::inspect::{
    CompareParts, CompareRequest, Comparison, ImitationChoice, LabelSource, Role, Scene, SceneRequest, input_multiple,
};
use crate::language::{Language, LanguageChoice};
use crate::sample::Sample;
use crate::worker::{DeviceStatus, JobKind, ModelBrief, ModelCard};
use crate::yolo::anchors::AnchorScale;

/// What stands in a model's place.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ModelSlot {
    #[default]
    Empty,
    /// `brief` as soon as the file has said what it is.
    Loading {
        path: PathBuf,
        brief: Option<ModelBrief>,
    },
    Ready {
        card: Arc<ModelCard>,
    },
    Failed {
        path: PathBuf,
        message: String,
    },
}

impl ModelSlot {
    /// The anchors, as soon as they are known.
    pub fn anchors(&self) -> Option<&[AnchorScale]> {
        match self {
            Self::Loading { brief: Some(brief), .. } => Some(&brief.anchors),
            Self::Ready { card } => Some(&card.anchors),
            _ => None,
        }
    }

    pub fn names(&self) -> Option<&[String]> {
        match self {
            Self::Loading { brief: Some(brief), .. } => Some(&brief.names),
            Self::Ready { card } => Some(&card.names),
            _ => None,
        }
    }

    /// The file that is open or being opened.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Loading { path, .. } => Some(path),
            Self::Ready { card } => Some(&card.path),
            Self::Empty | Self::Failed { .. } => None,
        }
    }

    pub const fn is_free(&self) -> bool {
        matches!(self, Self::Empty | Self::Failed { .. })
    }
}

/// Whose anchors the mask is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorOwner {
    Model(Role),
    /// The recorded run's.
    Replay,
    /// No model is open: YOLOv5's own for COCO.
    Default,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MaskAnchors {
    pub scales: Vec<AnchorScale>,
    pub owner: AnchorOwner,
    /// A sentence where teacher and student differ.
    pub note: Option<String>,
}

/// Work under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    pub kind: JobKind,
    pub what: String,
    pub stage: String,
    /// 0..=1; `None` where it cannot be known.
    pub fraction: Option<f32>,
    /// On the clock of [`State::now`].
    pub started: f64,
}

impl Activity {
    /// Seconds left at the pace so far; `None` before there is a pace.
    pub fn seconds_left(&self, now: f64) -> Option<f64> {
        seconds_left(now - self.started, self.fraction?)
    }
}

/// What lies over the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlay {
    Palette,
    Keys,
    Terms,
    About,
    Report(Role),
    /// An image of the batch view.
    BatchImage(usize),
    /// Files of the session that have moved.
    Missing,
    /// Saves a figure.
    Figure,
}

/// What the models were last asked to compare.
#[derive(Clone, Debug)]
pub struct CompareKey {
    pub scene: Arc<Scene>,
    pub request: CompareRequest,
    /// [`State::models_version`].
    pub models: u64,
}

impl PartialEq for CompareKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.scene, &other.scene) && (&self.request, self.models) == (&other.request, other.models)
    }
}

/// What the IoU maps were last asked for.
#[derive(Clone, Debug)]
pub struct FieldKey {
    pub scene: Arc<Scene>,
    pub anchors: Vec<AnchorScale>,
    pub convention: IouConvention,
}

impl PartialEq for FieldKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.scene, &other.scene) && (&self.anchors, self.convention) == (&other.anchors, other.convention)
    }
}

/// What the mask, and what counts in it, was made from.
#[derive(Clone, Debug)]
pub struct MaskKey {
    pub field: Arc<IouField>,
    pub choice: MaskChoice,
}

impl PartialEq for MaskKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.field, &other.field) && self.choice == other.choice
    }
}

/// The newest request of each kind: what is wanted is set against it, and an answer to anything else is stale.
#[derive(Clone, Debug, Default)]
pub struct Requested {
    pub scene: Option<SceneRequest>,
    pub field: Option<FieldKey>,
    pub compare: Option<CompareKey>,
    /// Of the same comparison.
    pub parts: CompareParts,
}

#[derive(Debug)]
pub struct State {
    /// Seconds since the start.
    pub now: f64,
    pub dataset: Dataset,
    pub models: [ModelSlot; 2],
    /// Grows whenever a model or the device changes.
    pub models_version: u64,

    /// The image that is wanted; [`State::scene`] follows.
    pub image: Option<PathBuf>,
    pub labels: LabelSource,
    pub scene: Option<Arc<Scene>>,
    /// The scene is that of a recorded run, and not of [`State::image`].
    pub replayed: bool,
    pub scene_error: Option<String>,
    pub solo: Option<usize>,

    pub anchors: Option<MaskAnchors>,
    pub field: Option<Arc<IouField>>,
    pub mask: Option<Arc<ImitationMask>>,
    pub mask_key: Option<MaskKey>,
    /// Grows with every new mask.
    pub mask_version: u64,

    /// What is imitated: what the picture shows, and what the next run takes over.
    pub imitation: ImitationChoice,
    /// A person has chosen the loss: it no longer follows the two models.
    pub loss_is_chosen: bool,
    /// Why the heads of the two models cannot be compared place by place; `None` where they can, or are not both known.
    pub heads_differ: Option<Mismatch>,
    /// Why the chosen loss cannot compare the two models.
    pub refusal: Option<Mismatch>,
    /// Side of the square input that is asked for, in px; rounded up to whole cells of the largest stride.
    pub input_side: u32,
    pub comparison: Option<Arc<Comparison>>,
    pub comparison_error: Option<String>,
    pub measures: Option<Measures>,

    pub view: ViewSettings,
    pub camera: Camera,
    pub hover: Option<Hover>,
    pub pin: Option<Pin>,

    pub runs: Runs,
    pub survey: SurveyState,
    pub review: ReviewState,
    pub talk: TalkState,
    pub before_after: BeforeAfterState,
    pub figure: FigureState,

    pub device: Option<DeviceStatus>,
    pub device_choice: String,
    pub activities: Vec<Activity>,
    pub messages: Messages,
    pub messages_open: bool,
    pub frame_times: FrameTimes,
    pub frame_times_open: bool,
    pub overlay: Option<Overlay>,
    /// Where the tour is.
    pub tour: Option<Stop>,
    /// Weights of which only a person can say whose they are.
    pub undecided: Vec<PathBuf>,
    /// Files of the session that are not where they were.
    pub missing: Vec<(PickTarget, PathBuf)>,
    /// Grows when the search field is to take the keyboard.
    pub search_requests: u64,

    pub theme: ThemePreference,
    pub language: LanguageChoice,
    pub system_language: Language,
    /// Newest first.
    pub recent: Vec<PathBuf>,
    pub sample: Option<Sample>,
    pub requested: Requested,
}

impl State {
    /// What most YOLOv5 models were trained at, px.
    pub const INPUT_SIDE: u32 = 640;
}

impl Default for State {
    fn default() -> Self {
        Self {
            now: 0.0,
            dataset: Dataset::default(),
            models: Default::default(),
            models_version: 0,
            image: None,
            labels: LabelSource::Beside,
            scene: None,
            replayed: false,
            scene_error: None,
            solo: None,
            anchors: None,
            field: None,
            mask: None,
            mask_key: None,
            mask_version: 0,
            imitation: ImitationChoice::default(),
            loss_is_chosen: false,
            heads_differ: None,
            refusal: None,
            input_side: Self::INPUT_SIDE,
            comparison: None,
            comparison_error: None,
            measures: None,
            view: ViewSettings::default(),
            camera: Camera::default(),
            hover: None,
            pin: None,
            runs: Runs::default(),
            survey: SurveyState::default(),
            review: ReviewState::default(),
            talk: TalkState::default(),
            before_after: BeforeAfterState::default(),
            figure: FigureState::default(),
            device: None,
            device_choice: "auto".to_owned(),
            activities: Vec::new(),
            messages: Messages::default(),
            messages_open: false,
            frame_times: FrameTimes::default(),
            frame_times_open: false,
            overlay: None,
            tour: None,
            undecided: Vec::new(),
            missing: Vec::new(),
            search_requests: 0,
            theme: ThemePreference::System,
            language: LanguageChoice::System,
            system_language: Language::English,
            recent: Vec::new(),
            sample: None,
            requested: Requested::default(),
        }
    }
}

impl State {
    pub const fn model(&self, role: Role) -> &ModelSlot {
        &self.models[role as usize]
    }

    pub(super) const fn model_mut(&mut self, role: Role) -> &mut ModelSlot {
        &mut self.models[role as usize]
    }

    /// The input that both models can take: whole cells of the largest stride of either.
    pub fn input_size(&self) -> Size {
        let of_models = Role::ALL.into_iter().filter_map(|role| self.model(role).anchors()).flatten();
        Size::square(self.input_side.next_multiple_of(input_multiple(of_models)))
    }

    /// The card of a model that is loaded.
    pub fn card(&self, role: Role) -> Option<&Arc<ModelCard>> {
        match self.model(role) {
            ModelSlot::Ready { card } => Some(card),
            _ => None,
        }
    }

    /// What the window speaks.
    pub fn spoken(&self) -> Language {
        self.language.language().unwrap_or(self.system_language)
    }

    pub fn activity(&self, kind: JobKind) -> Option<&Activity> {
        self.activities.iter().find(|activity| activity.kind == kind)
    }

    /// The scales of the mask; none before the first field.
    pub fn scales(&self) -> &[AnchorScale] {
        self.anchors.as_ref().map_or(&[], |anchors| &anchors.scales)
    }

    pub fn strides(&self) -> impl Iterator<Item = u32> + '_ {
        self.scales().iter().map(|scale| scale.stride)
    }

    /// Teacher and student as their files say, once both are known.
    pub fn pair(&self) -> Option<[ModelFacts<'_>; 2]> {
        let facts = |role| Some(ModelFacts { scales: self.model(role).anchors()?, names: self.model(role).names()? });
        Some([facts(Role::Teacher)?, facts(Role::Student)?])
    }

    /// Whether the layer of the mask shows how much each cell counts, and not the hits of the IoU mask: where something
    /// else decides, and is known.
    pub fn shows_weights(&self) -> bool {
        !self.imitation.is_by_iou() && self.measures.as_ref().is_some_and(Measures::have_loss)
    }

    /// The choices for [`crate::app::command::Command::SetDevice`].
    pub fn device_choices(&self) -> Vec<String> {
        let cuda = self.device.as_ref().map_or(0, |device| device.cuda_devices);
        let mut choices = vec!["auto".to_owned(), "cpu".to_owned()];
        choices.extend((0..cuda).map(|index| format!("cuda:{index}")));
        choices
    }

    /// Class names in the data's order: the dataset's, else the student's, else the teacher's.
    pub fn names(&self) -> &[String] {
        let of_data = Some(self.dataset.names()).filter(|names| !names.is_empty());
        of_data
            .or_else(|| self.model(Role::Student).names())
            .or_else(|| self.model(Role::Teacher).names())
            .unwrap_or_default()
    }
}
