//! The tour: five stops through the window for who sees it for the first time.
//!
//! It comes by itself once, at the first start without files: whoever names files on the command line has come to look
//! at those, and is asked at the next plain start. Help gives it again.

use crate::language::key;

/// What of the window is shown, in the order of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Images,
    Models,
    Picture,
    Mask,
    Run,
}

impl Stop {
    pub const ALL: [Self; 5] = [Self::Images, Self::Models, Self::Picture, Self::Mask, Self::Run];

    /// What there is to know of it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Images => {
                key!("The images are listed here. Drop images, a folder or a data.yaml on the window to open them.")
            }
            Self::Models => {
                key!("The teacher is imitated, the student learns. Drop YOLOv5 weights on a card to open them.")
            }
            Self::Picture => {
                key!(
                    "Choose a layer: anchors, mask, features, their difference. Click a cell to read why it is imitated."
                )
            }
            Self::Mask => {
                key!(
                    "ψ says how well an anchor must fit for its cell to be imitated, the level rule on which scales. Drag ψ."
                )
            }
            Self::Run => {
                key!(
                    "RUN opens the set-up of a distillation: the preflight checks it, Start begins. F1 shows every key."
                )
            }
        }
    }

    /// The stop so many steps from here; `None` past either end.
    pub(super) fn stepped(self, steps: isize) -> Option<Self> {
        let index = (self as usize).checked_add_signed(steps)?;
        Self::ALL.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::command::Command;
    use crate::app::state::State;
    use crate::app::update::apply;

    #[test]
    fn the_tour_goes_forth_and_back_and_ends_past_its_last_stop() {
        let mut state = State::default();
        apply(&mut state, Command::StepTour(1));
        assert_eq!(state.tour, None, "nothing to go on with");
        apply(&mut state, Command::TakeTour);
        let mut seen = Vec::new();
        for steps in [1, 1, -1, 1, 1, 1] {
            seen.extend(state.tour);
            apply(&mut state, Command::StepTour(steps));
        }
        assert_eq!(seen, [Stop::Images, Stop::Models, Stop::Picture, Stop::Models, Stop::Picture, Stop::Mask]);
        assert_eq!(state.tour, Some(Stop::Run));
        apply(&mut state, Command::StepTour(1));
        assert_eq!(state.tour, None);
    }

    #[test]
    fn nothing_lies_before_the_first_stop() {
        let mut state = State::default();
        apply(&mut state, Command::TakeTour);
        apply(&mut state, Command::StepTour(-1));
        assert_eq!(state.tour, Some(Stop::Images));
        assert!(Command::StepTour(-1).disabled(&state).is_some());
        apply(&mut state, Command::LeaveTour);
        assert_eq!(state.tour, None);
    }

    #[test]
    fn a_talk_ends_the_tour_and_the_tour_closes_what_lies_over_the_window() {
        let mut state = State::default();
        apply(&mut state, Command::ToggleKeys);
        apply(&mut state, Command::TakeTour);
        assert_eq!((state.tour, state.overlay), (Some(Stop::Images), None));
        apply(&mut state, Command::ToggleTalk);
        assert_eq!(state.tour, None);
    }
}
