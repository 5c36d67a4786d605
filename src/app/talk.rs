//! Talk mode: which step of the story is on stage, the keys that go through it, and what the window has to tell.

use crate::story::Step;

/// Height and width of the stage in points: the window is zoomed until it is no smaller, so that type has the same share
/// of every screen.
const STAGE: [f32; 2] = [960.0, 540.0];
/// How far a window is zoomed at most.
const MOST_ZOOM: f32 = 8.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TalkState {
    pub on: bool,
    /// The screen is black.
    pub blank: bool,
    /// Kept while the talk is off: it goes on where it was left.
    pub step: Step,
}

impl Default for TalkState {
    fn default() -> Self {
        Self { on: false, blank: false, step: Step::Image }
    }
}

impl TalkState {
    pub(super) fn go(&mut self, steps: isize, of: &[Step]) {
        self.seek((self.step as usize).saturating_add_signed(steps), of);
    }

    /// To the step with this number, from 0; past the last to the last. A black screen ends there.
    pub(super) fn seek(&mut self, index: usize, of: &[Step]) {
        self.blank = false;
        self.step = of.get(index).or(of.last()).copied().unwrap_or(Step::Image);
    }
}

/// The zoom at which a window of this many points at a zoom of 1 holds the stage.
pub fn zoom(window: egui::Vec2) -> f32 {
    let zoom = (window.x / STAGE[0]).min(window.y / STAGE[1]);
    if zoom.is_finite() { zoom.clamp(0.5, MOST_ZOOM) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_at_both_ends() {
        let mut talk = TalkState::default();
        let (with, without) = (Step::all(true), Step::all(false));
        talk.go(-1, with);
        assert_eq!(talk.step, Step::Image);
        talk.go(1, with);
        assert_eq!(talk.step, Step::CellAnchors);
        talk.blank = true;
        talk.seek(usize::MAX, with);
        assert!(!talk.blank, "who goes on wants to be seen");
        talk.go(1, with);
        assert_eq!(talk.step, Step::BeforeAfter);
        talk.seek(usize::MAX, without);
        assert_eq!(talk.step, Step::Answers);
    }

    #[test]
    fn type_has_the_same_share_of_every_screen() {
        for (size, expected) in
            [([1280.0, 720.0], 4.0 / 3.0), ([3840.0, 2160.0], 4.0), ([1024.0, 768.0], 1024.0 / 960.0)]
        {
            assert!((zoom(size.into()) - expected).abs() < 1e-6, "{size:?}");
        }
        assert_eq!(zoom(egui::Vec2::NAN), 1.0);
    }
}
