//! The program as a person at a terminal meets it: started as a process of its own, judged by what it prints and leaves.

mod bench;
mod contract;
mod handover;
mod manual;
mod review;
mod story;
mod survey;
mod val;
