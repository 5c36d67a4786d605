//! `distillscope val`: mAP of a model on a split.
