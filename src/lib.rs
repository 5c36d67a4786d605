//! distillscope: an instrument for fine-grained feature imitation.
//!
//! A YOLOv5 teacher is imitated by a YOLOv5 student only near objects: at the cells where some anchor's IoU with a
//! ground truth exceeds ψ times that ground truth's best IoU. This library computes those cells, runs both models
//! and sets their features against each other; the window and the command line are two faces of it.
//!
//! # Code map
//!
//! Plain numbers:
//! - [`geometry`]: boxes, IoU, and the one transform between image px and input px.
//! - [`grid`]: one scalar map, what a heatmap shows.
//! - [`format`]: numbers as a person reads them.
//! - [`story`]: the method told in steps, for talks and figures.
//! - [`files`]: reading what a person names, regular files only and bounded.
//! - [`draws`]: random numbers that follow from (seed, epoch, index).
//!
//! Data and models:
//! - [`dataset`]: images, labels (YOLO, VOC, COCO), data.yaml, listings, augmentation, training batches.
//! - [`yolo`]: checkpoints (read as data, nothing in them is run), model spec, layers, network, decode and NMS.
//! - [`imitation`]: IoU → threshold → mask, differences between features, the least-squares adapter.
//! - [`device`]: CUDA or CPU, and why.
//! - [`native`]: libtorch's kernels that tch does not bind, autocast, and what crosses between host and device.
//! - [`survey`]: what every ψ and level rule mark over a whole dataset.
//! - [`inspect`]: one image and two models → plain grids and tables.
//! - [`train`]: a distillation run: configuration, loop, events, records, replays, evaluation; the search for a setting.
//! - [`preflight`]: the checks that a distillation distils.
//! - [`bench`]: how fast this machine is at all of that.
//!
//! Outside:
//! - [`worker`]: long work on named threads; jobs in, reports out, the newest request wins.
//! - [`export`]: figures (SVG, PNG), tensors (safetensors), atomic files.
//! - [`cli`]: one file a subcommand.
//! - [`app`]: the window's state, its commands, and how a command or a report changes the state.
//! - [`ui`]: widgets and panels; they draw the state and return commands.
//!
//! # Invariants (`tests/architecture.rs` keeps the imports)
//!
//! - No tensor leaves [`inspect`], [`train`], [`preflight`] or [`bench`]: workers send grids and records.
//! - `ui` changes no state, it returns commands; `app` and `ui` never name `tch`.
//! - The UI thread waits for nothing: no file, no model, no dialog.
//! - Nothing in a checkpoint is executed, and no size in a file is believed before it is checked.
//! - Files are written whole or not at all.

pub mod app;
pub mod bench;
pub mod cli;
pub mod dataset;
pub mod device;
pub mod draws;
pub mod export;
pub mod files;
pub mod format;
pub mod geometry;
pub mod grid;
pub mod imitation;
pub mod inspect;
pub mod native;
pub mod preflight;
pub mod story;
pub mod survey;
pub mod train;
pub mod ui;
pub mod worker;
pub mod yolo;
