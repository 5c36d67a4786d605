//! distillscope: an instrument for fine-grained feature imitation.
//!
//! A YOLOv5 teacher is imitated by a YOLOv5 student only near objects: at the cells where some anchor's IoU with a
//! ground truth exceeds ψ times that ground truth's best IoU. This library computes those cells, runs both models
//! and sets their features against each other; the window and the command line are two faces of it.
//!
//! # Code map
//!
//! From the bottom up; a module imports from what stands above it here, never from what stands below
//! (`tests/architecture.rs` has the order, line by line).
//!
//! Plain numbers and text:
//! - [`format`]: numbers as a person reads them, and text from outside on one line.
//! - [`geometry`]: boxes, IoU, and the one transform between image px and input px.
//! - [`grid`]: one scalar map, what a heatmap shows.
//! - [`axis`]: linear and logarithmic axes and their ticks.
//! - [`colormap`]: the colours of maps.
//! - [`rng`]: random numbers that follow from (seed, epoch, index).
//! - [`language`]: sentences in English and Chinese.
//! - [`glossary`]: the terms of the field, explained.
//! - [`story`]: the method told in steps, for talks and figures.
//! - [`files`]: what a person names is read bounded, what is written is written whole: files, tensors, TensorBoard.
//!
//! Data and models:
//! - [`native`]: libtorch's kernels that tch does not bind, autocast, and what crosses between host and device.
//! - [`device`]: CUDA or CPU, and why.
//! - [`dataset`]: images, labels (YOLO, VOC, COCO), data.yaml, listings, augmentation, training batches.
//! - [`yolo`]: checkpoints (read as data, nothing in them is run), model spec, layers, network, decode and NMS.
//! - [`imitation`]: IoU → threshold ψ → mask, the losses, differences between features, the least-squares adapter.
//! - [`survey`]: what every ψ and level rule mark over a whole dataset.
//! - [`inspect`]: one image and two models → plain grids and tables.
//! - [`sample`]: where the sample session lies.
//! - [`palette`]: who has which colour, on light and dark.
//! - [`drawing`]: what a picture shows, as data: one list for the window and for figures, a file a layer.
//! - [`train`]: a distillation run: configuration, loop, events, records, curves, replays, evaluation, verdict; the search
//!   for a setting.
//! - [`review`]: which objects of a split each model finds, what a run won and lost; curves, confusion, doubtful labels.
//! - [`preflight`]: the checks that a distillation distils.
//! - [`bench`]: how fast this machine is at all of that.
//! - [`figure`]: figures of inspections, stories, curves and surveys as SVG and PNG.
//! - [`worker`]: long work on named threads; jobs in, reports out, the newest request wins.
//!
//! The window and the command line:
//! - [`app`]: the window's state, its commands, what follows from the state and what changes it; no widget.
//! - [`ui`]: widgets and panels; they draw the state and return commands.
//! - [`shell`]: the window itself: it owns state, widgets' memory, workers and files.
//! - [`cli`]: one file a subcommand.
//!
//! # A way through
//!
//! ψ: `ui` returns `Command::SetPsi` → `app::update` sets it and `app::update::follow` asks
//! [`imitation::mask::IouField::mask`] for the mask → [`drawing`] lists what is seen → `ui::canvas` paints it.
//! *Start*: `app::update` sends a job → `worker::runs` calls [`train::experiment`] → [`train::run`] trains and emits
//! events → the worker reports them → [`train::history`] makes curves of them → `ui::run` draws those. Tensors are
//! touched in [`yolo`], [`imitation`], [`inspect`], [`train`], [`review`], [`preflight`] and [`bench`] alone.
//!
//! # Invariants (`tests/architecture.rs` keeps the imports)
//!
//! - No tensor leaves [`inspect`], [`train`], [`review`], [`preflight`] or [`bench`]: workers send grids and records.
//! - `ui` changes no state, it returns commands; `app` and `ui` never name `tch`.
//! - The UI thread waits for nothing: no file, no model, no dialog.
//! - Nothing in a checkpoint is executed, and no size in a file is believed before it is checked.
//! - Files are written whole or not at all.

pub mod app;
pub mod axis;
pub mod bench;
pub mod cli;
pub mod colormap;
pub mod dataset;
pub mod device;
pub mod drawing;
pub mod figure;
pub mod files;
pub mod format;
pub mod geometry;
pub mod glossary;
pub mod grid;
pub mod imitation;
pub mod inspect;
pub mod language;
pub mod native;
pub mod palette;
pub mod preflight;
pub mod review;
pub mod rng;
pub mod sample;
pub mod shell;
pub mod story;
pub mod survey;
pub mod train;
pub mod ui;
pub mod worker;
pub mod yolo;
