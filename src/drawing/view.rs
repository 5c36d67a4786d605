//! Which map is looked at, and which cell.

use crate::colormap::ColorMap;

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
