//! All that a search ever says: plain records, for the terminal and the window.

use std::sync::Arc;

use super::keep::Search;
use super::table::SearchTable;
use crate::imitation::loss::Loss;

#[derive(Clone, Debug, PartialEq)]
pub enum SearchEvent {
    /// What is searched and decided so far: first of all, and again with every decision.
    Search(Arc<Search>),
    /// Before there is a plan: how long a step of this loss takes here.
    Measuring(Loss),
    Running(Running),
    /// A run has ended; the table with it.
    Table(Arc<SearchTable>),
    Warning(String),
}

/// The run in hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// A candidate's name, or the baseline's.
    pub name: String,
    /// From 1; the number after the last rung stands for the fresh seeds.
    pub rung: usize,
    pub rungs: usize,
    /// Which run of the rung it is, from 1, and how many there are. On fresh seeds, of its seed.
    pub run: usize,
    pub runs: usize,
    pub seed: u64,
    pub epochs: u32,
    pub fraction: f32,
    /// Of the budget, s; 0 where it is used up.
    pub seconds_left: f64,
}

impl Running {
    /// Whether it is on a fresh seed.
    pub const fn is_final(&self) -> bool {
        self.rung > self.rungs
    }
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Finished(Box<SearchTable>),
    /// By a person; it can be resumed.
    Stopped,
}
