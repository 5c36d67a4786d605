//! Who has which colour, on the screen and on paper.

use ecolor::{Color32, Rgba};

use crate::inspect::Role;
use crate::palette::{self, DARK, LIGHT};

/// What a colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ink {
    #[default]
    White,
    /// The k-th ground truth.
    Truth(usize),
    Model(Role),
    /// The cell that is looked at.
    Cell,
    /// YOLOv5's positives.
    Positive,
    /// One of the anchors of a cell.
    Anchor {
        index: usize,
        of: usize,
    },
}

/// What lies behind a picture's marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// A photograph on a screen.
    Screen,
    /// A white page, and photographs that are printed on it.
    Paper,
}

impl Ink {
    pub fn color(self, ground: Ground) -> Color32 {
        match self {
            Self::White => Color32::WHITE,
            Self::Truth(k) => palette::ground_truth(k),
            Self::Cell => palette::PIN,
            Self::Positive => palette::POSITIVE,
            Self::Anchor { index, of } => {
                let share = if of > 1 { index as f32 / (of - 1) as f32 } else { 1.0 };
                let [first, last] = [palette::ANCHOR_FIRST, palette::ANCHOR_LAST].map(Rgba::from);
                (first * (1.0 - share) + last * share).into()
            }
            Self::Model(role) => match (ground, role) {
                (Ground::Screen, role) => DARK.role(role),
                (Ground::Paper, Role::Teacher) => LIGHT.teacher,
                // The light theme's orange is darker, for letters: lines and fills can be brighter.
                (Ground::Paper, Role::Student) => Color32::from_rgb(214, 104, 0),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_run_from_white_to_the_accent() {
        let color = |index, of| Ink::Anchor { index, of }.color(Ground::Screen);
        assert_eq!(color(0, 3), palette::ANCHOR_FIRST);
        assert_eq!(color(2, 3), palette::ANCHOR_LAST);
        assert_eq!(color(0, 1), palette::ANCHOR_LAST);
    }
}
