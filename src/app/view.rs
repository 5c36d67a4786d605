//! Which part of the scene is looked at; how, [`ViewSettings`] say.

pub use crate::drawing::{Layer, Pin, RangeMode, ScaleChoice, ViewSettings};
pub use crate::inspect::ChannelView;

/// The part of the input that the canvas shows, shared by all linked panes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Camera {
    /// The whole input, centred.
    #[default]
    Fit,
    /// `center` in input px; `zoom` in screen points per input px.
    Free { center: [f32; 2], zoom: f32 },
}

/// What the pointer is over: written by the canvas in one frame, read by the panels in the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hover {
    /// Input px.
    pub x: f32,
    pub y: f32,
    /// The scale whose pane the pointer is in; in a one-scale view that scale.
    pub stride: u32,
}
