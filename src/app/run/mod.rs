//! The runs of this session: how the next one is set up, what the ones under way say, what is shown of them.

mod arriving;
mod batch;
mod earlier;
mod form;
mod note;
mod paired;
mod playback;
mod preflight;
mod progress;
mod replay;
mod runs;
pub mod search;
mod story;

pub use batch::BatchView;
pub use form::{Departure, Form, OpenThings, Problem};
pub use note::{Note, said};
pub use paired::{Paired, Row, Stand};
pub use playback::Playback;
pub use preflight::Examined;
pub use progress::{Progress, clock};
pub use runs::{Live, MOST_SEEDS, RunTab, Runs};
pub use search::Searches;
