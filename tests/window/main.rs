//! The window without a screen, found by the names that a screen reader says. A test stands in for the workers.

mod canvas;
mod choice;
mod common;
mod figure;
mod help;
mod language;
mod panels;
mod pictures;
mod replay;
mod review;
mod run;
mod search;
mod talk;
