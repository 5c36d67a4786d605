//! What the window knows and what it can do, without a widget: plain state, commands by name, and what a command or a report
//! changes.
//!
//! From the bottom up: the parts of the state (this folder's files and [`run`]), [`command`] (what a person can ask for),
//! [`state`] (all of it), [`derive`] (what follows from it: what can be drawn, asked for or explained now), [`update`] (what
//! changes it, and nothing else does). Nothing here draws, waits or knows the widgets; `tests/architecture.rs` keeps the order.

pub mod before_after;
pub mod command;
pub mod dataset;
pub mod derive;
pub mod dialog;
pub mod figure;
pub mod frames;
pub mod io;
pub mod level;
pub mod measures;
pub mod messages;
pub mod review;
pub mod run;
pub mod session;
pub mod settings;
pub mod state;
pub mod survey;
pub mod talk;
pub mod tour;
pub mod update;
pub mod view;

pub use command::label::{device_name, kind_name};
pub use command::{Command, INPUT_SIZES, PSI_STEP};
pub use dataset::{Dataset, Thumbnail};
pub use derive::explain::{ChannelError, Cost, Explained, Explanation, TruthLines};
pub use dialog::{PathKind, PickTarget, RunFile};
pub use frames::{FRAME_GOAL, FrameSummary, FrameTimes};
pub use io::{IoRequest, IoResponse};
pub use level::Level;
pub use measures::{CellValues, Measures, ScaleMeasures, cell_at};
pub use messages::{Message, Messages, ago};
pub use session::Session;
pub use settings::{Settings, ThemeSetting, WindowLayout};
pub use state::{Activity, AnchorOwner, MaskAnchors, ModelSlot, Overlay, State};
pub use update::effect::Effect;
pub use update::reports::receive;
pub use update::{answered, apply};
