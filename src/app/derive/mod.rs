//! What follows from the state and is kept nowhere: what can be drawn, asked for or explained now.

pub mod explain;
pub mod figure;
pub mod imitation;
pub mod review;
pub mod survey;
pub mod talk;
