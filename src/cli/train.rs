//! `distillscope train`: a run, or a run and its twins, without a window.
