//! What pictures are made of.

use std::sync::Arc;

use ecolor::Color32;

use super::heatmap::Heatmap;
use super::ink::Ink;
use super::region::Region;
use crate::geometry::BoundingBox;
use crate::inspect::Role;

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// The photograph steps back so far, 0..=1.
    Muted(f32),
    Map {
        map: Arc<Heatmap>,
        opacity: f32,
    },
    /// The lines between cells.
    Grid {
        stride: u32,
        rows: usize,
        cols: usize,
    },
    Region {
        region: Arc<Region>,
        ink: Ink,
        fill: Fill,
    },
    Frame(Frame),
    /// Four marks that point at a place from its sides.
    Cross {
        around: BoundingBox,
        ink: Ink,
        stroke: Stroke,
    },
}

impl Item {
    pub fn region(region: &Arc<Region>, ink: Ink, fill: Fill) -> Self {
        Self::Region { region: Arc::clone(region), ink, fill }
    }
}

/// What becomes of the cells of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Their common outline alone.
    Outline,
    Striped,
    Tinted,
}

impl Fill {
    /// Left edge and width of what is filled, in widths of a cell.
    pub const fn bars(self) -> &'static [(f32, f32)] {
        match self {
            Self::Outline => &[],
            Self::Striped => &[(1.0 / 12.0, 1.0 / 6.0), (5.0 / 12.0, 1.0 / 6.0), (9.0 / 12.0, 1.0 / 6.0)],
            Self::Tinted => &[(0.0, 1.0)],
        }
    }

    pub const fn opacity(self) -> f32 {
        if matches!(self, Self::Tinted) { 0.55 } else { 1.0 }
    }
}

/// A box, and what is said beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub bbox: BoundingBox,
    pub ink: Ink,
    pub stroke: Stroke,
    pub tag: Option<Tag>,
}

impl Frame {
    pub const fn new(bbox: BoundingBox, ink: Ink, stroke: Stroke) -> Self {
        Self { bbox, ink, stroke, tag: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    Solid,
    /// What is chosen or pointed at: its tag goes before all others.
    Strong,
    Dashed,
    /// Thin and half pale: what is there for comparison.
    Quiet,
    /// Thin and pale: what is there beside what is chosen.
    Faint,
}

/// What a legend's sign looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sign {
    Box(Ink),
    Dashed(Ink),
    /// The outline of a mask.
    Outline,
    /// A cell of a region with something inside.
    Cell(Ink, Fill),
    Fill(Color32),
    /// Text alone.
    None,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LegendEntry {
    pub sign: Sign,
    pub text: String,
}

impl LegendEntry {
    pub fn new(sign: Sign, text: impl Into<String>) -> Self {
        Self { sign, text: text.into() }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Tag {
    Truth {
        number: usize,
        name: String,
    },
    /// A detection; `named`: the name matters as much as the score.
    Found {
        role: Role,
        name: String,
        score: f32,
        named: bool,
    },
    /// Width and height in input px.
    Size([f32; 2]),
    Value(String),
}
