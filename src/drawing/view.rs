//! How a scene is looked at: plain settings that pictures are drawn by and commands change.

use serde::{Deserialize, Serialize};

use crate::colormap::ColorMap;
use crate::imitation::difference::DifferenceKind;
use crate::inspect::{ChannelView, Role};
use crate::language::key;

/// The views of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Anchors,
    Iou,
    Mask,
    /// How much each cell counts, where that is not the mask of IoUs.
    Weights,
    Teacher,
    Student,
    Difference,
}

impl View {
    /// As files are named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anchors => "anchors",
            Self::Iou => "iou",
            Self::Mask => "mask",
            Self::Weights => "weights",
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::Difference => "difference",
        }
    }

    /// The colours that are its own; `signed`: of one channel.
    pub const fn colors(self, signed: bool) -> Option<ColorMap> {
        match self {
            Self::Anchors => None,
            Self::Iou => Some(ColorMap::Cividis),
            Self::Mask | Self::Weights => Some(ColorMap::Viridis),
            Self::Teacher | Self::Student | Self::Difference if signed => Some(ColorMap::BlueRed),
            Self::Teacher | Self::Student => Some(ColorMap::Inferno),
            Self::Difference => Some(ColorMap::Magma),
        }
    }

    /// Whether it shows what the models see.
    pub const fn is_of_models(self) -> bool {
        matches!(self, Self::Teacher | Self::Student | Self::Difference)
    }
}

/// The cell that is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Of its scale.
    pub stride: u32,
    pub row: usize,
    pub col: usize,
}

/// The one map that lies over the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The image with its boxes alone.
    Image,
    /// Every anchor shape at the pointed or chosen cell, and the grid of cells.
    Anchors,
    /// Largest IoU of a cell's anchors with the ground truths (or the soloed one).
    Iou,
    /// Which cells the imitation counts: anchor hits where the IoU decides, else how much each counts.
    #[default]
    Mask,
    Teacher,
    Student,
    Difference,
    /// Anchor hits per cell above the threshold, whatever is imitated.
    IouMask,
}

impl Layer {
    pub const ALL: [Self; 8] = [
        Self::Image,
        Self::Anchors,
        Self::Iou,
        Self::Mask,
        Self::Teacher,
        Self::Student,
        Self::Difference,
        Self::IouMask,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => key!("Image"),
            Self::Anchors => key!("Anchors"),
            Self::Iou => "IoU",
            Self::Mask => key!("Mask"),
            Self::Teacher => key!("Teacher"),
            Self::Student => key!("Student"),
            Self::Difference => key!("Difference"),
            Self::IouMask => key!("IoU mask"),
        }
    }

    /// Whether it shows what the models see.
    pub const fn is_of_models(self) -> bool {
        matches!(self, Self::Teacher | Self::Student | Self::Difference)
    }

    /// What it shows of an inspection; `None` for the image alone. weighs: something else than the IoU says how much each
    /// cell counts.
    pub const fn view(self, weighs: bool) -> Option<View> {
        match self {
            Self::Image => None,
            Self::Anchors => Some(View::Anchors),
            Self::Iou => Some(View::Iou),
            Self::Mask if weighs => Some(View::Weights),
            Self::Mask | Self::IouMask => Some(View::Mask),
            Self::Teacher => Some(View::Teacher),
            Self::Student => Some(View::Student),
            Self::Difference => Some(View::Difference),
        }
    }

    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Image => key!("The image and its boxes, with nothing over them."),
            Self::Anchors => key!("The grid of cells, and every anchor shape at the cell under the pointer."),
            Self::Iou => key!("The largest IoU of each cell's anchors with the ground truths."),
            Self::Mask => key!("The cells that are imitated: how many anchors hit each, or how much each counts."),
            Self::IouMask => key!("The cells near objects by IoU and ψ, whatever the chosen imitation counts."),
            Self::Teacher => key!("Strength of the teacher's features."),
            Self::Student => key!("Strength of the student's features."),
            Self::Difference => key!(
                "Where the student differs from the teacher: what each cell adds to the loss, or another difference."
            ),
        }
    }
}

/// One scale large, or all side by side and linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScaleChoice {
    #[default]
    All,
    /// The scale of this stride.
    Stride(u32),
}

/// Where the colours of a map begin and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum RangeMode {
    /// Each map's own finite range.
    #[default]
    Auto,
    /// The same for every image and scale until unlocked: the way to compare.
    Locked { low: f32, high: f32 },
}

impl RangeMode {
    pub const fn locked(self) -> Option<(f32, f32)> {
        match self {
            Self::Auto => None,
            Self::Locked { low, high } => Some((low, high)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewSettings {
    pub layer: Layer,
    pub scales: ScaleChoice,
    /// Of the heatmap over the image, 0..=1.
    pub opacity: f32,
    /// `None` is the layer's own.
    pub color_map: Option<ColorMap>,
    pub range: RangeMode,
    pub labels: bool,
    pub teacher_boxes: bool,
    pub student_boxes: bool,
    /// Outline the cells that YOLOv5 assigns, set against the mask.
    pub positives: bool,
    /// `None` shows what each cell adds to the chosen imitation loss.
    pub difference: Option<DifferenceKind>,
    pub channels: ChannelView,
    /// Show feature maps and differences inside the mask alone.
    pub inside_mask: bool,
}

impl Default for ViewSettings {
    fn default() -> Self {
        Self {
            layer: Layer::default(),
            scales: ScaleChoice::default(),
            opacity: 0.6,
            color_map: None,
            range: RangeMode::default(),
            labels: true,
            teacher_boxes: false,
            student_boxes: false,
            positives: false,
            difference: None,
            channels: ChannelView::default(),
            inside_mask: false,
        }
    }
}

impl ViewSettings {
    /// The models whose detections are shown.
    pub fn boxes_of(&self) -> impl Iterator<Item = Role> {
        let shown = [(Role::Teacher, self.teacher_boxes), (Role::Student, self.student_boxes)];
        shown.into_iter().filter(|(_, on)| *on).map(|(role, _)| role)
    }

    /// As it can be drawn, whatever a file says.
    pub fn checked(self) -> Self {
        let opacity = if self.opacity.is_finite() { self.opacity.clamp(0.0, 1.0) } else { Self::default().opacity };
        Self { opacity, ..self }
    }

    /// As it is kept in a file. A locked range is not: on another day it would colour other maps.
    pub fn kept(self) -> Self {
        Self { range: RangeMode::Auto, ..self }
    }
}
